"""What a body typed on a page, read as if it had come back as a workbook; and a workbook that came back, as what was typed.

The same reader reads both: a filling becomes a sheet with the rows of the form, so that no rule of reading exists twice.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.form import HEADS, IDENTITY, FormEntry, FormFilling, FormIssue
from dafeng.base.observation import Review
from dafeng.base.period import Period
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells
from dafeng.intake.form_lines import LineReader
from dafeng.intake.form_reading import FormReturn, answers_of
from dafeng.intake.sheets import sheet_of_rows

__all__ = ["FindingAt", "filling_of", "findings_at", "read_filling"]

_SHEET: Final = "填报表"
_ROLES: Final = tuple(HEADS)
_CELL: Final = re.compile(r"([A-Z]+)(\d+)")


def read_filling(
    issue: FormIssue,
    filling: FormFilling,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    review: Review = Review.DRAFT,
    file: str = "",
) -> FormReturn:
    """Read what was typed on a form of lines.

    Parameters
    ----------
    issue : FormIssue
        A form of lines.
    filling : FormFilling
    catalog : Catalog
    recorded_at : datetime, aware
    review : Review
    file : str
        Name for messages.

    Returns
    -------
    FormReturn
        As `read_form` returns it of the workbook with the same filling, but for where cells stand: ``document`` is the
        digest of the filling.

    Raises
    ------
    InputError
        The form has a subject a row: it is filled in as a workbook.

    Examples
    --------
    >>> from datetime import UTC, date
    >>> from dafeng.base.form import FormLine
    >>> from dafeng.catalog import load_catalog
    >>> line = FormLine(id="001-abcd", title="供水总量", indicator="water_supply_volume", unit="万立方米", canonical="m**3",
    ...                 place="qingdao")
    >>> issue = FormIssue(id="a", form="b", version="1", title="供水", body="c", body_name="水务局", place="qingdao",
    ...                   place_name="青岛市", period="2025", due=date(2026, 3, 31), lines=(line,))
    >>> said = FormFilling(entries={"001-abcd": FormEntry(value="1.2")})
    >>> read_filling(issue, said, load_catalog(), recorded_at=datetime(2026, 1, 1, tzinfo=UTC)).frame["value"].to_list()
    [12000.0]
    """
    if issue.layout != "lines":
        raise InputError(
            f"the form {issue.id} has a subject a row",
            doing="read what was typed on a form",
            expected="a form with a figure a line",
            next_step="fill in its workbook and upload it",
        )
    subject = issue.subjects[0] if issue.subjects else None
    stated = (
        issue.body_name, issue.place_name, Period.parse(issue.period).title, str(issue.due),
        subject.code if subject else "", subject.name if subject else "",
    )  # fmt: skip
    rows: list[list[str | None]] = [
        [label, text or None] for label, text in zip(IDENTITY, stated, strict=True) if text or subject
    ]
    rows += [[line.title, filling.head.get(line.field, "").strip() or None] for line in issue.head]
    rows.append(list(HEADS.values()))
    reasons = catalog.terms["missing_reason"]
    for line in issue.lines:
        said = filling.entries.get(line.id, FormEntry())
        last = None if line.last_value is None else repr(line.last_value)
        reason = reasons[said.reason].zh if said.reason in reasons else said.reason.strip()
        printed = (line.id, line.indicator or line.field, line.title, line.meaning or None, line.unit or None, last)
        rows.append([*printed, said.value.strip() or None, reason or None, said.note.strip() or None])
    cells = FormCells(file)
    reader = LineReader(issue, catalog, cells)
    reader.read(sheet_of_rows(_SHEET, rows), [tuple(row) + (None,) * (len(_ROLES) - len(row)) for row in rows])
    answers = reader.finish()
    digest = hashlib.sha256(f"{issue.id} {issue.version} {filling.model_dump_json()}".encode()).hexdigest()
    return answers_of(digest, file, issue, reader.accepted, answers, reader.head, cells, recorded_at, review)


def filling_of(read: FormReturn) -> FormFilling:
    """Return what stands in the cells of a form of lines that came back, cell by cell as it stands there.

    A unit that somebody altered goes with the figure, so that reading the filling converts it as reading the file did.

    Parameters
    ----------
    read : FormReturn
        With an issue of lines.
    """
    if read.issue is None or read.issue.layout != "lines":
        return FormFilling(head=dict(read.head))
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    texts: dict[tuple[str, str], str] = {}
    heads = {text: role for role, text in HEADS.items()}
    for sheet, cell, text, fate in read.cells.select("sheet", "cell", "text", "fate").iter_rows():
        texts[sheet, cell] = text
        letters, _ = _split(cell)
        if fate == "printed" and text in heads:
            columns[sheet].setdefault(heads[text], letters)
    changed = {one.where.cell: one.value for one in read.findings if one.name == "form.unit.changed"}
    entries = {}
    for line, sheet, cell in read.answers.select("line", "sheet", "cell").iter_rows():
        if not cell:
            continue
        number = _split(cell)[1]
        at = {role: f"{letters}{number}" for role, letters in columns[sheet].items()}
        value, reason, note = (texts.get((sheet, at.get(role, "")), "") for role in ("value", "reason", "note"))
        unit = changed.get(at.get("unit", ""), "")
        entry = FormEntry(value=f"{value}{unit}" if value and unit else value, reason=reason, note=note)
        if not entry.blank:
            entries[line] = entry
    return FormFilling(entries=entries, head=dict(read.head))


def _split(cell: str) -> tuple[str, str]:
    found = _CELL.fullmatch(cell)
    return ("", "") if found is None else (found[1], found[2])


class FindingAt(NamedTuple):
    """A finding and the line at which it stands.

    Attributes
    ----------
    line : str
        Id of the line; empty where it stands at none.
    row : str
        Number of the row of the sheet, for forms with a subject a row.
    finding : Finding
    """

    line: str
    row: str
    finding: Finding


def findings_at(read: FormReturn) -> list[FindingAt]:
    """Return the findings of a form, the heaviest first, each with the line at which it stands.

    Of a form of lines the row says the line; of a form with a subject a row the column says it.

    Examples
    --------
    >>> import polars as pl
    >>> from dafeng.base.form import ANSWER_SCHEMA
    >>> from dafeng.intake.form_kinds import say
    >>> row = {name: None for name in ANSWER_SCHEMA} | {"line": "007-abcd", "sheet": "填报表", "cell": "G9"}
    >>> told = say("form.value.range", file="a.xlsx", sheet="填报表", cell="H9", value="8-10")
    >>> read = FormReturn(None, True, pl.DataFrame(), pl.DataFrame(), pl.DataFrame([row], schema=ANSWER_SCHEMA),
    ...                   pl.DataFrame(), {}, [told], "", "")
    >>> findings_at(read)[0].line
    '007-abcd'
    """
    by_row: Mapping[tuple[str, str], str] = {}
    by_column: Mapping[tuple[str, str], str] = {}
    placed = read.answers.filter(pl.col("cell") != "").select("line", "sheet", "cell").iter_rows()
    if read.issue is not None and read.issue.layout == "rows":
        by_column = {(sheet, _split(cell)[0]): line for line, sheet, cell in placed}
    else:
        by_row = {(sheet, _split(cell)[1]): line for line, sheet, cell in placed}
    found = []
    for finding in read.findings:
        letters, number = _split(finding.where.cell)
        sheet = finding.where.sheet
        line = by_row.get((sheet, number), "") or by_column.get((sheet, letters), "")
        found.append(FindingAt(line, number, finding))
    return found
