"""Where the header of a sheet stands, and what each of its columns means.

One shape answers for long tables, yearbook panels and matrices: a value cell takes each of its dimensions from its own
column's header, from the label columns of its row, or from the sheet as a whole (title, sheet name, option).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.quantity import fold_width
from dafeng.intake.headers import CORE_ROLES, OTHER_QUANTITY, Names, clean_unit, is_period, is_unit, role_of
from dafeng.intake.numbers import read_number
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["Table", "ValueColumn", "detect_table"]

_SEARCHED: Final = 60
_MOST_HEADER_ROWS: Final = 5
_SAMPLED: Final = 40


@dataclass(frozen=True)
class ValueColumn:
    """A column of values.

    Parameters
    ----------
    index : int
        Column, counted from 0.
    header : str
        Its header as it stands.
    header_row : int
        Row of that header, counted from 0.
    properties : mapping
        Dimensions that the header states: indicator, period, place, unit, extent, basis, building_class …
    """

    index: int
    header: str
    header_row: int
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """What a sheet means.

    Parameters
    ----------
    header_rows : tuple of int
        Rows of the header, counted from 0; rows above are title, rows below are data.
    roles : mapping from role to columns
        Label columns; of several the first is the most certain.
    values : tuple of ValueColumn
    constants : mapping
        Dimensions that hold for the whole sheet, each with where it was taken from.
    ignored : mapping from column to reason
    beside : int, optional
        Column from which on another table stands beside this one.
    findings : tuple of Finding
    """

    header_rows: tuple[int, ...]
    roles: Mapping[str, tuple[int, ...]]
    values: tuple[ValueColumn, ...]
    constants: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[int, str] = field(default_factory=dict)
    beside: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def first_row(self) -> int:
        """First row below the header, counted from 0."""
        return max(self.header_rows) + 1


def _classes(row: Sequence[str | None], names: Names) -> list[str]:
    """Return what each cell of a row looks like: blank, role, indicator, period, unit, number, text."""
    return [_class_of(text, names) for text in row]


def _class_of(text: str | None, names: Names) -> str:
    if text is None:
        return "blank"
    if role_of(text) is not None:
        return "role"
    if is_period(text):
        return "period"
    if names.header(text).indicator or names.dated(text):
        return "indicator"
    if is_unit(text):
        return "unit"
    reading = read_number(text)
    if reading.value is not None or reading.missing is not None or reading.problem == "range":
        return "number"
    return "text"


def detect_table(sheet: Sheet, names: Names, *, file: str) -> Table | None:
    """Return the layout of a sheet, None where no header is found.

    Parameters
    ----------
    sheet : Sheet
    names : Names
    file : str
        Name for findings.
    """
    rows = [list(row) for row in sheet.frame.head(_SEARCHED).iter_rows()]
    classes = [_classes(row, names) for row in rows]
    start = _best_row(rows, classes)
    if start is None:
        return None
    first, last = _header_block(rows, classes, start, sheet, names)
    filled = _filled_header(rows, classes, first, last, sheet)
    body = sheet.frame.slice(last + 1)
    roles: dict[str, list[int]] = {}
    values: list[ValueColumn] = []
    ignored: dict[int, str] = {}
    findings: list[Finding] = []
    for column in range(sheet.frame.width):
        texts = list(dict.fromkeys(text for row in filled if (text := row[column]) is not None))
        _place_column(column, texts, body, first, last, names, roles, values, ignored)
    beside = _right_block(filled, roles, [value.index for value in values])
    if beside is not None:
        roles = {role: left for role, columns in roles.items() if (left := [one for one in columns if one < beside])}
    _prefer_codes(filled, roles, ignored)
    values = _settled(values, roles, names)
    for column, reason in ignored.items():
        header = "/".join(text for row in filled if (text := row[column]) is not None)
        findings.append(
            Finding(
                name="intake.column.ignored",
                sentence=f"列「{header}」未导入：{reason}",
                severity=Severity.INFO,
                value=header,
                expected="指标、地区、时间等已知列名",
                next_step="如应导入，改用指标名称作列名，或在 catalog/adapters 中说明这张表",
                where=Location(file=file, sheet=sheet.name, cell=cell_name(last, column)),
            )
        )
    if not values:
        return None
    return Table(
        tuple(range(first, last + 1)),
        {role: tuple(columns) for role, columns in roles.items()},
        tuple(values),
        ignored=ignored,
        beside=beside,
        findings=tuple(findings),
    )


def _best_row(rows: Sequence[Sequence[str | None]], classes: Sequence[Sequence[str]]) -> int | None:
    best, best_score = None, 0
    for number, kinds in enumerate(classes):
        count = Counter(kinds)
        filled = len(kinds) - count["blank"]
        core = sum(role_of(text) in CORE_ROLES for text in rows[number] if text is not None)
        score = 2 * core + (count["role"] - core) + count["indicator"] + count["period"]
        known = core + count["indicator"] + count["period"]
        fits = count["number"] == 0 and known >= 1 and (filled >= 2 or len(kinds) == 1)
        fits = fits and (core >= 1 or count["indicator"] >= 2 or count["period"] >= 2 or filled == known)
        if best is not None and _periods_of(kinds) & _periods_of(classes[best]):
            continue  # figures that look like years, below the years
        if fits and score > best_score:
            best, best_score = number, score
    return best


def _periods_of(kinds: Sequence[str]) -> set[int]:
    return {column for column, kind in enumerate(kinds) if kind == "period"}


def _header_block(
    rows: Sequence[Sequence[str | None]],
    classes: Sequence[Sequence[str]],
    start: int,
    sheet: Sheet,
    names: Names,
) -> tuple[int, int]:
    """Return first and last row of the header around its best row."""
    first = last = start
    while first > 0 and last - first < _MOST_HEADER_ROWS and _is_upper(classes[first - 1], first - 1, sheet):
        first -= 1
    merged_down = {
        column: area[2]
        for area in sheet.merged
        for column in range(area[1], area[3] + 1)
        if area[0] <= start <= area[2]
    }
    while last + 1 < len(rows) and last - first < _MOST_HEADER_ROWS:
        row, kinds = rows[last + 1], classes[last + 1]
        roles = [
            column for line in range(first, last + 1) for column, kind in enumerate(classes[line]) if kind == "role"
        ]
        if all(kind == "blank" for kind in kinds):
            if max(merged_down.values(), default=-1) > last:
                last += 1
                continue
            break
        label = next((row[column] for column in roles if row[column] is not None), None)
        unit_label = label is not None and role_of(label) == "unit"
        open_roles = all(row[column] is None for column in roles if column < len(row))
        sub = all(kind in ("blank", "period", "unit", "indicator", "role", "text") for kind in kinds)
        useful = any(kind in ("period", "unit", "indicator", "role") for kind in kinds) or any(
            text is not None and (text in names.extents or names.breakdown(text)) for text in row
        )
        if not (sub and useful and (open_roles or unit_label) and roles):
            break
        last += 1
    return first, last


def _is_upper(kinds: Sequence[str], number: int, sheet: Sheet) -> bool:
    count = Counter(kinds)
    filled = len(kinds) - count["blank"]
    wide = any(area[0] == number and area[3] - area[1] >= len(kinds) - 1 for area in sheet.merged)
    return filled >= 2 and not wide and count["number"] == 0 and count["role"] + count["indicator"] >= 1


def _filled_header(
    rows: Sequence[Sequence[str | None]],
    classes: Sequence[Sequence[str]],
    first: int,
    last: int,
    sheet: Sheet,
) -> list[list[str | None]]:
    """Return the header rows with merged cells filled; in files without merges upper captions reach to the right."""
    filled = [list(row) for row in rows[first : last + 1]]
    for top, left, bottom, right in sheet.merged:
        if first <= top <= last:
            text = rows[top][left] if left < len(rows[top]) else None
            for line in range(top, min(bottom, last) + 1):
                for column in range(left, min(right, len(filled[0]) - 1) + 1):
                    filled[line - first][column] = text
    if not sheet.merged:
        for line in range(len(filled) - 1):
            carried: str | None = None
            for column, text in enumerate(filled[line]):
                if text is not None:
                    carried = None if role_of(text) is not None else text
                elif carried is not None and classes[first + line + 1][column] in (
                    "period",
                    "unit",
                    "indicator",
                    "text",
                ):
                    filled[line][column] = carried
    return filled


def _right_block(
    filled: Sequence[Sequence[str | None]], roles: Mapping[str, Sequence[int]], values: Sequence[int]
) -> int | None:
    """Return the column from which on another table stands beside the first: a label column again, past columns of values."""

    def header(column: int) -> tuple[str | None, ...]:
        return tuple(row[column] for row in filled)

    starts = [
        column
        for role, columns in roles.items()
        if role in CORE_ROLES
        for column in columns[1:]
        if header(column) == header(columns[0]) and any(columns[0] < value < column for value in values)
    ]
    return min(starts, default=None)


def _place_column(
    column: int,
    texts: Sequence[str],
    body: pl.DataFrame,
    first: int,
    last: int,
    names: Names,
    roles: dict[str, list[int]],
    values: list[ValueColumn],
    ignored: dict[int, str],
) -> None:
    """Give one column its role, or its place among the values."""
    content = body[f"c{column}"].drop_nulls()
    if not texts and content.is_empty():
        return
    header = "/".join(texts)
    texts = [part for text in texts for part in (names.dated(text) or (text,))]
    role = next((found for text in texts if (found := role_of(text)) is not None), None)
    properties = _properties([text for text in texts if role_of(text) is None], names)
    if role == "value":
        bracket = re.search(r"[(（\[【]([^()（）]+)[)）\]】]\s*$", header)
        if bracket and is_unit(bracket[1]):
            properties.setdefault("unit", clean_unit(bracket[1]))
        values.append(ValueColumn(column, header, last, properties))
    elif role == "label":
        ignored[column] = "只作说明"
    elif role is not None:
        roles.setdefault(role, []).append(column)
    elif properties and "unknown" not in properties:
        values.append(ValueColumn(column, header, last, properties))
    else:
        sample = content.unique(maintain_order=True).head(_SAMPLED).to_list()
        guessed = _role_by_content(sample, names, roles)
        numbers = sum(_looks_like_value(text) for text in sample)
        if guessed is not None and ("unknown" not in properties or numbers * 2 < len(sample)):
            roles.setdefault(guessed, []).append(column)
        elif sample and numbers * 2 >= len(sample):
            unknown = {"indicator": properties.get("unknown") or header or f"（第 {column + 1} 列无列名）"}
            values.append(ValueColumn(column, header, last, {**properties, **unknown}))
        elif sample:
            ignored[column] = "不认识的文字列"
        else:
            ignored[column] = "整列空白且列名不认识"


def _looks_like_value(text: str) -> bool:
    reading = read_number(text)
    return reading.value is not None or reading.missing is not None


def _properties(texts: Sequence[str], names: Names) -> dict[str, str]:
    """Return what the header texts of one column state, from top to bottom."""
    found: dict[str, str] = {}
    pending: list[str] = []
    for text in texts:
        named = names.header(text)
        joined = names.header("".join([*pending, text]))
        folded = fold_width(text)
        if named.indicator:
            if re.search(OTHER_QUANTITY, fold_width("".join(pending))):
                return {"unknown": "/".join(texts)}
            found["indicator"] = text
            pending = []
        elif is_period(text):
            found["period"] = text
        elif folded in names.extents:
            found["extent"] = folded
        elif is_unit(text):
            found["unit"] = clean_unit(text)
        elif joined.indicator and pending:
            found["indicator"] = "".join([*pending, text])
            pending = []
        elif (breakdown := names.breakdown(text)) is not None:
            found[breakdown[0]] = breakdown[1]
        elif "indicator" not in found and names.place(text):
            found["place"] = text
        else:
            pending.append(text)
    if pending and ("indicator" not in found or texts.index(pending[-1]) > texts.index(_source(found, texts))):
        found["unknown"] = "/".join(texts)
    return found


def _source(found: Mapping[str, str], texts: Sequence[str]) -> str:
    return found["indicator"] if found["indicator"] in texts else texts[-1]


def _role_by_content(sample: Sequence[str], names: Names, roles: Mapping[str, Sequence[int]]) -> str | None:
    """Return the role that the texts of a column without a known header play."""
    if not sample:
        return None
    tests: dict[str, Callable[[str], bool]] = {
        "place": names.place,
        "indicator": lambda text: bool(names.header(text).indicator),
        "period": is_period,
        "unit": is_unit,
    }
    for role, test in tests.items():
        if role not in roles and sum(test(text) for text in sample) * 10 >= 6 * len(sample):
            return role
    return None


def _prefer_codes(filled: Sequence[Sequence[str | None]], roles: dict[str, list[int]], ignored: dict[int, str]) -> None:
    """Keep one column of each role that stands once: the code before the name."""
    for role, columns in roles.items():
        if len(columns) < 2:
            continue
        headers = {
            column: fold_width("".join(text for row in filled if (text := row[column]))).casefold()
            for column in columns
        }
        if role == "place":
            roles[role] = sorted(columns, key=lambda column: not re.search(r"代码|code|id$", headers[column]))
            continue
        best = min(columns, key=lambda column: ("名" in headers[column], columns.index(column)))
        for column in columns:
            if column != best:
                ignored[column] = f"与列「{headers[best]}」同为{role}"
        roles[role] = [best]


def _settled(values: Sequence[ValueColumn], roles: Mapping[str, Sequence[int]], names: Names) -> list[ValueColumn]:
    """Turn headers that name places into unknown headers where rows name places already."""
    settled = []
    for value in values:
        properties = dict(value.properties)
        if "place" in properties and ("place" in roles or "city" in roles):
            properties = {"indicator": value.header}
        settled.append(ValueColumn(value.index, value.header, value.header_row, properties))
    return settled
