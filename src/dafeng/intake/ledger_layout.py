"""Where a ledger stands on a sheet: which column gives which field, in which unit, and where the rows begin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dafeng.base.errors import UnitError, close_names
from dafeng.base.ledger import read_machine_cell
from dafeng.base.quantity import dimension_of, fold_width
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import Register, RegisterField
from dafeng.intake.headers import clean_unit, is_unit
from dafeng.intake.sheets import Sheet

__all__ = ["LedgerColumn", "LedgerLayout", "RegisterHeads", "find_layout", "named_register"]

_ROWS_OF_HEAD: Final = 30
_NOISE: Final = re.compile(
    r"[*※#☆]|[(\[](?:必填|选填|可选|必选|下拉|单选|下拉选择|如有)[)\]]|^\d{1,3}[.、]|^\(\d{1,3}\)"
)
_BRACKET: Final = re.compile(r"^(?P<head>.+?)[(\[【](?P<inner>[^()\[\]【】]*(?:\([^()]*\))?[^()\[\]【】]*)[)\]】]$")
_SUFFIX: Final = re.compile(r"^(?P<head>.+?)(?:[,、:/]|单位:?)(?P<inner>[^,、:]+)$")


@dataclass(frozen=True)
class LedgerColumn:
    """A column that gives a field.

    Parameters
    ----------
    index : int
        Column, counted from 0.
    head : str
        Its head as it stands.
    field : str
        Field id.
    unit : str
        Unit that head or book states; empty where none.
    """

    index: int
    head: str
    field: str
    unit: str = ""


@dataclass(frozen=True)
class LedgerLayout:
    """How a sheet is read.

    Parameters
    ----------
    register : Register
    columns : tuple of LedgerColumn
    unread : tuple of (column, head, why)
        Columns that give no field: unknown, repeated.
    head_row, first_row : int
        Rows counted from 0.
    ours : bool
        Whether the book was made by `dafeng ledger template`.
    """

    register: Register
    columns: tuple[LedgerColumn, ...]
    unread: tuple[tuple[int, str, str], ...]
    head_row: int
    first_row: int
    ours: bool


class RegisterHeads:
    """The heads under which a register's fields are known.

    Parameters
    ----------
    register : Register
    catalog : Catalog
    """

    def __init__(self, register: Register, catalog: Catalog) -> None:
        self.register = register
        self.catalog = catalog
        exact: dict[str, list[str]] = {}
        loose: dict[str, list[str]] = {}
        for column in register.fields:
            for name in _names(column, catalog):
                exact.setdefault(_plain(name), []).append(column.field)
                loose.setdefault(_bare(name), []).append(column.field)
        self.names = {name: fields[0] for name, fields in exact.items()}
        self.names |= {
            name: fields[0] for name, fields in loose.items() if name not in self.names and len(set(fields)) == 1
        }

    def match(self, text: str, group: str = "") -> tuple[str, str] | None:
        """Return field and stated unit of a head, None where no field answers to it."""
        plain = _plain(text)
        head, unit = plain, ""
        for _ in range(3):
            for name in (head, group + head if group else "", head + group if group else ""):
                if name and name in self.names:
                    return self.names[name], unit
            found = _BRACKET.fullmatch(head) or _SUFFIX.fullmatch(head)
            if found is None:
                break
            if is_unit(found["inner"]):
                unit = unit or clean_unit(found["inner"])
            elif found.re is _SUFFIX:
                break
            head = found["head"]
        return None

    def close(self, text: str) -> list[str]:
        """Return heads that look like one which no field answers to."""
        return close_names(_bare(text), self.names)


def _names(column: RegisterField, catalog: Catalog) -> Iterable[str]:
    known = catalog.fields[column.field]
    yield from (column.field, known.zh, known.en, *column.heads)
    if known.zh.startswith("是否"):
        yield known.zh.removeprefix("是否")


def _plain(text: str) -> str:
    return _NOISE.sub("", fold_width(text)).casefold()


def _bare(text: str) -> str:
    """Return a head without what stands in brackets at its end."""
    plain = _plain(text)
    found = _BRACKET.fullmatch(plain)
    return found["head"] if found else plain


def named_register(sheet: Sheet) -> str | None:
    """Return the register that the hidden row of a book names, None where it has none."""
    found = _machine_row(sheet)
    if found is None:
        return None
    cells = [read_machine_cell(text) for text in sheet.frame.row(found)]
    return Counter(cell[0] for cell in cells if cell is not None).most_common(1)[0][0]


def _machine_row(sheet: Sheet) -> int | None:
    for row in range(min(_ROWS_OF_HEAD, sheet.frame.height)):
        if any(read_machine_cell(text) for text in sheet.frame.row(row)):
            return row
    return None


def find_layout(sheet: Sheet, heads: RegisterHeads) -> LedgerLayout | None:
    """Return how a sheet gives rows of a register, None where it does not look like one.

    Parameters
    ----------
    sheet : Sheet
    heads : RegisterHeads
        Of the register.
    """
    rows = [sheet.frame.row(row) for row in range(min(_ROWS_OF_HEAD + 10, sheet.frame.height))]
    machine = _machine_row(sheet)
    if machine is not None:
        return _machine_layout(sheet, heads, rows, machine)
    best, fields = -1, 0
    for row in range(min(_ROWS_OF_HEAD, len(rows))):
        count = len({found[0] for found in _matched(rows, row, sheet, heads).values()})
        if count > fields:
            best, fields = row, count
    identifying = {heads.register.name_field, *heads.register.identity}
    matched = _matched(rows, best, sheet, heads) if best >= 0 else {}
    if fields < 2 or not identifying & {field for field, _ in matched.values()}:
        return None
    units = _unit_row(rows[best + 1], matched, heads) if best + 1 < len(rows) else {}
    first_row = best + 2 if units or (best + 1 < len(rows) and _counts_columns(rows[best + 1])) else best + 1
    texts = {index: _head_at(rows, best, index) for index in range(sheet.frame.width)}
    return _layout(
        heads,
        {index: (field, unit or units.get(index, "")) for index, (field, unit) in matched.items()},
        texts,
        best,
        first_row,
        ours=False,
    )


def _machine_layout(
    sheet: Sheet, heads: RegisterHeads, rows: Sequence[tuple[str | None, ...]], machine: int
) -> LedgerLayout:
    fields = {column.field for column in heads.register.fields}
    stated = {index: cell for index, text in enumerate(rows[machine]) if (cell := read_machine_cell(text)) is not None}

    def agreeing(row: int) -> int:
        found = {index: heads.match(text) for index, text in enumerate(rows[row]) if text}
        return sum(
            match is not None and index in stated and match[0] == stated[index][1] for index, match in found.items()
        )

    below = range(machine + 1, min(machine + 10, len(rows)))
    head_row = max(below, key=agreeing, default=machine)
    if below and not agreeing(head_row):
        head_row = min(machine + 3, len(rows) - 1)
    texts = {index: rows[head_row][index] or "" for index in range(sheet.frame.width)}
    matched = {}
    for index, text in texts.items():
        own = heads.match(text) if text else None
        if index in stated and stated[index][1] in fields:
            shown = own[1] if own is not None and own[0] == stated[index][1] else _unit_in(text)
            matched[index] = (stated[index][1], shown or stated[index][2])
        elif own is not None and own[0] not in {cell[1] for cell in stated.values()}:
            matched[index] = own
    return _layout(heads, matched, texts, head_row, head_row + 1, ours=True)


def _unit_in(text: str) -> str:
    found = _BRACKET.fullmatch(_plain(text))
    return clean_unit(found["inner"]) if found and is_unit(found["inner"]) else ""


def _layout(
    heads: RegisterHeads,
    matched: Mapping[int, tuple[str, str]],
    texts: Mapping[int, str],
    head_row: int,
    first_row: int,
    *,
    ours: bool,
) -> LedgerLayout:
    columns: list[LedgerColumn] = []
    unread: list[tuple[int, str, str]] = []
    taken: set[str] = set()
    for index, text in texts.items():
        if index not in matched:
            unread.append((index, text, "unknown"))
        elif matched[index][0] in taken:
            unread.append((index, text, "repeated"))
        else:
            taken.add(matched[index][0])
            columns.append(LedgerColumn(index, text, *matched[index]))
    return LedgerLayout(heads.register, tuple(columns), tuple(unread), head_row, first_row, ours)


def _head_at(rows: Sequence[tuple[str | None, ...]], row: int, column: int) -> str:
    """Return the head of a column: its own cell, else that of a head merged down from above."""
    own = rows[row][column]
    if own or row == 0:
        return own or ""
    return rows[row - 1][column] or ""


def _matched(
    rows: Sequence[tuple[str | None, ...]], row: int, sheet: Sheet, heads: RegisterHeads
) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    group = ""
    for column in range(sheet.frame.width):
        above = rows[row - 1][column] if row else None
        group = _bare(above) if above else group
        text = _head_at(rows, row, column)
        match = heads.match(text, group if row else "") if text and len(text) <= 60 else None
        if match is not None:
            found[column] = match
    return found


def _unit_row(
    row: tuple[str | None, ...], matched: Mapping[int, tuple[str, str]], heads: RegisterHeads
) -> dict[int, str]:
    """Return the units of a row below the heads that holds nothing but units."""
    filled = {index: text for index, text in enumerate(row) if text and text.strip() not in ("-", "—", "/")}
    if not filled or not all(is_unit(text) for text in filled.values()):
        return {}
    fields = heads.catalog.fields
    found = {}
    for index, text in filled.items():
        if index not in matched:
            continue
        unit, canonical = clean_unit(text), fields[matched[index][0]].unit
        try:
            if canonical is not None and dimension_of(unit) == dimension_of(canonical):
                found[index] = unit
        except UnitError:
            continue
    return found


def _counts_columns(row: tuple[str | None, ...]) -> bool:
    """Return whether a row only numbers the columns: 1, 2, 3 …, perhaps after 甲, 乙."""
    texts = [text.strip() for text in row if text]
    numbers = [int(text) for text in texts if text.isdigit()]
    others = [text for text in texts if not text.isdigit()]
    return (
        len(numbers) >= 3
        and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        and all(text in ("甲", "乙", "丙", "丁") for text in others)
    )
