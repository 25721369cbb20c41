"""Whose form a file is, and where on its sheets the table stands: by hidden sheet, printed number, codes of lines, heads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from dafeng.base.form import FORM_FORMAT, GUIDE_HEADS, GUIDE_SHEET, HEADS, FormIssue
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.base.quantity import fold_width
from dafeng.intake.sheets import Sheet

__all__ = ["LINE_ID", "FormTable", "Identity", "find_row_table", "find_table", "identity_of", "is_guide", "row_heads"]

LINE_ID: Final = re.compile(r"\d{3}-[a-z]{4}")
"""Shape of the id of a line."""
_PRINTED: Final = re.compile(r"表单编号：\s*([A-Za-z0-9_.-]+)(?:\s+版本：\s*([0-9a-f]+))?")
_LEAST_HEADS: Final = 3

Rows = list[tuple[str | None, ...]]


@dataclass(frozen=True)
class Identity:
    """What a file says of itself.

    Parameters
    ----------
    issue, version : str
        Empty where nothing says so.
    hidden : bool
        Whether the hidden sheet says it.
    embedded : FormIssue or None
        The issue as the hidden sheet holds it.
    """

    issue: str = ""
    version: str = ""
    hidden: bool = False
    embedded: FormIssue | None = None


def identity_of(sheets: list[tuple[Sheet, Rows]], known: Mapping[str, FormIssue]) -> Identity:
    """Return whose form the sheets are.

    Parameters
    ----------
    sheets : list of (Sheet, rows)
    known : mapping from issue id to FormIssue
        Issues that were sent out, for forms that lost everything but the codes of their lines.
    """
    for sheet, rows in sheets:
        if sheet.name == MACHINE_SHEET:
            facts = [(row[0] or "", row[1] or "") for row in rows if len(row) > 1]
            said = dict(facts)
            if said.get("format") != FORM_FORMAT:
                continue
            packed = "".join(text for name, text in facts if name == "json")
            try:
                embedded = FormIssue.model_validate_json(packed)
            except ValidationError:
                embedded = None
            return Identity(said.get("issue", ""), said.get("version", ""), True, embedded)
    for _, rows in sheets:
        for row in rows[:12]:
            for text in row:
                match = _PRINTED.search(text or "")
                if match is not None:
                    return Identity(match[1], match[2] or "")
    owners = {line.id: issue.id for issue in known.values() for line in issue.lines}
    votes = Counter(owners[text] for _, rows in sheets for row in rows for text in row if text in owners)
    best = votes.most_common(1)
    return Identity(best[0][0]) if best and best[0][1] >= _LEAST_HEADS else Identity()


@dataclass(frozen=True)
class FormTable:
    """Where the table of a form stands on a sheet.

    Parameters
    ----------
    head_row : int
        Row of the heads, from 0; the first row of data follows it.
    columns : dict from role or line id to column
    repeated : tuple of (role, column)
        Further columns of a role that has one already.
    """

    head_row: int
    columns: dict[str, int]
    repeated: tuple[tuple[str, int], ...] = ()


_HEAD_ROLES: Final = {fold_width(text): role for role, text in HEADS.items()}


_GUIDE_ONLY: Final = set(GUIDE_HEADS) - set(HEADS.values())


def is_guide(sheet: Sheet, rows: Rows) -> bool:
    """Return whether a sheet is the one that explains the lines, whatever it is called now."""
    if any(len(_GUIDE_ONLY.intersection(row)) >= _LEAST_HEADS for row in rows):
        return True
    return sheet.name == GUIDE_SHEET and find_table(rows) is None


def find_table(rows: Rows) -> FormTable | None:
    """Return the table of a form of lines, None where no row has its heads."""
    for index, row in enumerate(rows):
        found: dict[str, int] = {}
        repeated = []
        for column, text in enumerate(row):
            role = _HEAD_ROLES.get(fold_width(text)) if text else None
            if role in found:
                repeated.append((str(role), column))
            elif role is not None:
                found[role] = column
        if len(found) >= _LEAST_HEADS and {"line", "code", "title"} & set(found):
            return FormTable(index, found, tuple(repeated))
    return None


def row_heads(issue: FormIssue) -> dict[str, str]:
    """Return what stands over each column of a form of rows, by line id."""
    heads = {}
    for line in issue.lines:
        number = f"{line.number} " if line.number else ""
        heads[line.id] = f"{number}{line.title}" + (f"（{line.unit}）" if line.unit else "")
    return heads


def find_row_table(rows: Rows, issue: FormIssue) -> FormTable | None:
    """Return the table of a form of rows: by the row of codes, else by the heads."""
    heads = row_heads(issue)
    coded, headed = _by_codes(rows, heads), _by_heads(rows, heads)
    if coded is None or (headed is not None and headed.head_row != coded.head_row):
        return headed or coded  # the row of codes was sorted away from its heads
    return coded


def _by_codes(rows: Rows, heads: Collection[str]) -> FormTable | None:
    for index, row in enumerate(rows):
        codes = {"列码": "place", "note": "note"} | {name: name for name in heads}
        found: dict[str, int] = {}
        repeated = []
        for column, text in enumerate(row):
            role = codes.get(text or "")
            if role in found:
                repeated.append((str(role), column))
            elif role is not None:
                found[role] = column
        if len(set(found) & set(heads)) >= 1:
            if index + 1 < len(rows):
                names = [fold_width(text or "") for text in rows[index + 1]]
                for role, text in (("place", "地区代码"), ("place_name", "地区"), ("note", HEADS["note"])):
                    if text in names:
                        found.setdefault(role, names.index(text))
            return FormTable(min(index + 1, len(rows) - 1), found, tuple(repeated))
    return None


def _by_heads(rows: Rows, heads: Mapping[str, str]) -> FormTable | None:
    wanted = {fold_width(text): name for name, text in heads.items()}
    wanted |= {"地区代码": "place", "地区": "place_name", HEADS["note"]: "note"}
    for index, row in enumerate(rows):
        found: dict[str, int] = {}
        for column, text in enumerate(row):
            role = wanted.get(fold_width(text)) if text else None
            if role is not None:
                found.setdefault(role, column)
        if len(set(found) & set(heads)) >= min(_LEAST_HEADS, len(heads)):
            return FormTable(index, found)
    return None
