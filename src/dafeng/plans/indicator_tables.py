"""Tables of indicators (主要指标): a row names the quantity, a column the year, a cell states the value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from dafeng.base.document import BlockKind, DocumentText
from dafeng.base.target import Locator
from dafeng.plans.body_names import read_bodies
from dafeng.plans.comparators import suffix_length
from dafeng.plans.deadlines import TimeRole, find_times
from dafeng.plans.read_records import ReadNumber
from dafeng.plans.units_written import unit_at
from dafeng.plans.wording import Wording, read_wording

__all__ = ["TableValue", "TablesRead", "read_tables"]

Span = tuple[int, int]
_Row = dict[int, Span]

_NAME: Final = re.compile(r"指标|名称|内容|项目|类别|领域|目标任务")
_NO_NAME: Final = re.compile(r"单位|属性|性质|类型|序号|编号|备注|责任|部门|来源|方式")
_UNIT: Final = re.compile(r"^(?:计量)?单位$")
_BODIES: Final = re.compile(r"(?:责任|牵头|配合|负责|实施|主管)(?:单位|部门|主体)")
_OTHER: Final = re.compile(r"^(?:序号|编号|属性|指标属性|指标性质|性质|类型|指标类型|备注|数据来源|考核方式|说明)$")
_PERIOD: Final = r"[\"']?十[三四五六]五[\"']?"
_YEAR: Final = re.compile(rf"(?:19|20)\d\d|{_PERIOD}")
_YEAR_HEAD: Final = re.compile(
    rf"^(?:规划|预期|计划)?(?:目标|指标)?(?:值|数)?\(?(?:到|至)?(?:(?:19|20)\d\d年?(?:底|末)?|{_PERIOD}(?:末|期末|期间)?)"
    r"(?:\(?(?:的|规划|预期|计划|约束|现状|基期|基准|实际|完成|年度)*(?:目标|指标|基数|情况)?(?:值|数)?\)?)?\)?(?:\([^()]{1,8}\))?$"
)
_AIM_HEAD: Final = re.compile(r"^(?:规划|预期|计划|发展|工作)?(?:目标|指标)(?:值|数)$")
_BASE_HEAD: Final = re.compile(r"现状|基期|基准|基数|实际|完成|现值")
_AIM: Final = re.compile(r"目标|规划|预期|计划")
_VALUE: Final = re.compile(
    r"^[\[(]?(?:力争|预计|累计|约|近|达到?|提高|下降|降低|增长|提升|增加|减少|控制在|保持|稳定在|完成|至|到|不|低|少|高|大|小|于|超过|≥|≤|>|<|=|±|-)*"
    r"\d[\d.,]*[^。;]{0,12}$"
)
_BRACKETED: Final = re.compile(r"\(([^()]{1,16})\)$")
_MARK: Final = re.compile(r"^(?:\d{1,2}[.、)]|\([一二三四五六七八九十\d]{1,3}\)|其中:|#|\*)+")
_PLACEHOLDER: Final = re.compile(r"^[-/·.…]*$")
_HEAD_LENGTH: Final = 16
_BARE_LENGTH: Final = 3
_LONGEST_CELL: Final = 60
_WIDEST: Final = 12


@dataclass(frozen=True, slots=True)
class TableValue:
    """A value that a table promises for an indicator and a year."""

    number: ReadNumber
    """The number, its unit from the cell, the column of units or the name."""
    at: Locator
    """The row, from the name to the last of its cells that the value needs."""
    name: Locator
    """The cell that names the indicator."""
    wording: Wording
    """What name and cell say together."""
    by: int | None
    """Year of the column."""
    base: int | None
    """Base year that the name states."""
    bodies: tuple[str, ...]
    """Bodies of the row; empty where the table has no column for them."""


@dataclass(slots=True)
class TablesRead:
    """What the tables of indicators of a document hold."""

    values: list[TableValue] = field(default_factory=list)
    fates: dict[int, str] = field(default_factory=dict)
    """Fate of numbers of such tables that are no promise, by where their digits begin."""
    spans: list[Span] = field(default_factory=list)
    """Where the tables stand."""


@dataclass(slots=True)
class _Heads:
    """Columns of a table by what they hold."""

    names: list[int]
    years: dict[int, int | None]
    bases: set[int]
    units: list[int]
    bodies: list[int]
    unit_of: dict[int, str]


def read_tables(document: DocumentText, numbers: Sequence[ReadNumber], *, issued: int | None = None) -> TablesRead:
    """Return the values that tables of indicators promise.

    A table of indicators has a column that names them and one or more columns headed by a year (2025年, 2030年目标值, “十五五”末) or
    by 目标值; rows may stand in cells, or in text one cell a line.

    Parameters
    ----------
    document : DocumentText
    numbers : sequence of ReadNumber
        From `find_numbers`.
    issued : int, optional
        Year in which the plan was issued; a column of an earlier year holds what was reached.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.plans.numbers import find_numbers
    >>> rows = (("指标", "单位", "2030年"), ("建筑垃圾利用率", "%", "≥62"))
    >>> cells = tuple(Block(words, BlockKind.CELL, table=1, row=r, column=c) for r, row in enumerate(rows, 1) for c, words in enumerate(row, 1))
    >>> text = DocumentText("a.docx", "docx", "0" * 64, cells)
    >>> [(each.wording.label, each.number.value, each.number.unit, each.by) for each in read_tables(text, find_numbers(text)).values]
    [('建筑垃圾利用率', 62.0, '%', 2030)]
    """
    read = TablesRead()
    places = {number.digits.start: number for number in numbers}
    for rows in (*_cell_tables(document), *_line_tables(document, issued)):
        _read_rows(document, rows, places, issued, read)
    return read


def _span(document: DocumentText, index: int) -> Span:
    following = document.starts[index + 1] if index + 1 < len(document.starts) else len(document.plain)
    return document.starts[index], following


def _cell_tables(document: DocumentText) -> list[list[_Row]]:
    tables: dict[int, dict[int, _Row]] = {}
    for index, block in enumerate(document.blocks):
        if block.kind is BlockKind.CELL and block.table and block.row and block.column:
            tables.setdefault(block.table, {}).setdefault(block.row, {})[block.column] = _span(document, index)
    return [[rows[number] for number in sorted(rows)] for rows in tables.values()]


def _is_head(words: str, issued: int | None) -> bool:
    return len(words) <= _HEAD_LENGTH and bool(
        _OTHER.match(words)
        or _UNIT.match(words)
        or _BODIES.search(words)
        or _year_of(words, issued) is not None
        or (_NAME.search(words) and not re.search(r"[,。;:]", words) and len(words) <= 8)
    )


def _line_tables(document: DocumentText, issued: int | None) -> list[list[_Row]]:
    """Tables of which the text has a cell a line: heads one after the other, then rows of as many lines."""
    text = document.folded
    spans = [_span(document, index) for index in range(len(document.blocks))]
    tables: list[list[_Row]] = []
    index = 0
    while index < len(spans):
        width = 0
        while (
            width < _WIDEST
            and index + width < len(spans)
            and document.blocks[index + width].kind is BlockKind.PARAGRAPH
            and _is_head(text[slice(*spans[index + width])], issued)
        ):
            width += 1
        words = [text[slice(*span)] for span in spans[index : index + width]]
        if width < 3 or not any(_year_of(word, issued) for word in words):
            index += 1
            continue
        begin, rows = index, [dict(enumerate(spans[index : index + width], 1))]
        index += width
        values = [column for column, word in enumerate(words, 1) if _year_of(word, issued)]
        while index + width <= len(spans):
            row = dict(enumerate(spans[index : index + width], 1))
            cells = {column: text[slice(*span)] for column, span in row.items()}
            if any(len(cell) > _LONGEST_CELL for cell in cells.values()) or not all(
                _VALUE.match(cells[column]) or _PLACEHOLDER.match(cells[column]) for column in values
            ):
                break
            rows.append(row)
            index += width
        if len(rows) > 1:
            tables.append(rows)
        else:
            index = begin + 1
    return tables


def _year_of(words: str, issued: int | None) -> tuple[int | None, bool] | None:
    """Return the year of a head and whether it holds what was reached; None where the head names no year and no aim."""
    if len(words) > _HEAD_LENGTH:
        return None
    if _AIM_HEAD.match(words):
        return None, False
    if not _YEAR_HEAD.match(words):
        return None
    year = _last_year(words)
    if year is None:
        return None
    past = year <= 2020 or (issued is not None and year < issued)
    return year, bool(_BASE_HEAD.search(words)) or (past and not _AIM.search(words))


def _last_year(words: str) -> int | None:
    found = list(_YEAR.finditer(words))
    if not found:
        return None
    last = found[-1].group().strip("\"'")
    return int(last) if last.isdigit() else 2015 + 5 * ("三四五六".index(last[1]) + 1)


def _heads(cells: dict[int, str], issued: int | None) -> _Heads | None:
    years = {column: found for column, words in cells.items() if (found := _year_of(words, issued)) is not None}
    names = [
        column
        for column, words in cells.items()
        if column not in years and len(words) <= _HEAD_LENGTH and _NAME.search(words) and not _NO_NAME.search(words)
    ]
    if not names or not any(not past for _year, past in years.values()):
        return None
    return _Heads(
        names=sorted(names),
        years={column: year for column, (year, past) in years.items() if not past},
        bases={column for column, (_year, past) in years.items() if past},
        units=[column for column, words in cells.items() if _UNIT.match(words)],
        bodies=[column for column, words in cells.items() if _BODIES.search(words)],
        unit_of={column: unit for column in years if (unit := _bracketed_unit(cells[column]))},
    )


def _bracketed_unit(words: str) -> str | None:
    """Return the unit that stands in brackets at the end of a name (绿化覆盖率(%))."""
    found = _BRACKETED.search(words)
    return found[1] if found and unit_at(found[1], 0) == len(found[1]) else None


def _read_rows(
    document: DocumentText,
    rows: Sequence[_Row],
    places: dict[int, ReadNumber],
    issued: int | None,
    read: TablesRead,
) -> None:
    text = document.folded
    heads: _Heads | None = None
    above: dict[int, str] = {}
    held: _Row = {}
    caption = _caption(document, rows)
    for row in rows:
        cells = {column: text[slice(*span)] for column, span in row.items()}
        found = _heads(above | cells, issued) if any(_year_of(words, issued) for words in cells.values()) else None
        if found is not None:
            heads, held = found, {}
            above |= cells
            _settle(row.values(), places, "deadline", read)
        elif heads is None:
            above |= cells
        else:
            held |= {column: span for column, span in row.items() if column in heads.names or column in heads.bodies}
            _read_row(document, row, held, heads, caption, places, read)
    if heads is not None:
        spans = [span for row in rows for span in row.values()]
        read.spans.append((min(spans)[0], max(end for _start, end in spans)))


def _caption(document: DocumentText, rows: Sequence[_Row]) -> int | None:
    """Return the year that the line above a table names, for a column headed 目标值 alone."""
    first = min(span[0] for row in rows for span in row.values())
    index = document.block_at(first)
    words = document.folded[document.starts[index - 1] : first] if index else ""
    return _last_year(words) if len(words) <= _LONGEST_CELL else None


def _settle(spans: Iterable[Span], places: dict[int, ReadNumber], fate: str, read: TablesRead) -> None:
    for start, end in spans:
        for place in range(start, end):
            if place in places:
                read.fates.setdefault(place, fate)


def _read_row(
    document: DocumentText,
    row: _Row,
    held: _Row,
    heads: _Heads,
    caption: int | None,
    places: dict[int, ReadNumber],
    read: TablesRead,
) -> None:
    text = document.folded
    named = [column for column in heads.names if column in row] or [column for column in heads.names if column in held]
    if not named:
        return
    column = max(named, key=lambda each: (each in row, each))
    name = held[column] if column in held else row[column]
    group = next((held[each] for each in reversed(heads.names) if each < column and each in held), None)
    first_value = min((each for each in (*heads.years, *heads.bases) if each in row), default=None)
    if first_value is None:
        return
    _settle([row[each] for each in heads.bases if each in row], places, "baseline_value", read)
    _settle([name], places, "description_of_object", read)
    _settle(
        [span for each, span in row.items() if each < column and text[slice(*span)].strip(".、()").isdigit()],
        places,
        "ordinal",
        read,
    )
    unit = next((text[slice(*row[each])] for each in heads.units if each in row), None)
    bodies: tuple[str, ...] = ()
    for each in heads.bodies:
        if each in held:
            bodies += read_bodies(text[slice(*held[each])], document.plain[slice(*held[each])]).bodies
    for each, year in sorted(heads.years.items()):
        if each not in row or not _VALUE.match(text[slice(*row[each])]):
            continue
        value = _value(text, (name, group), row[each], unit or heads.unit_of.get(each), places)
        if value is None:
            continue
        number, wording, base = value
        begin = min(name[0], row[each][0])
        read.values.append(
            TableValue(
                number=number,
                at=Locator(start=begin, end=row[each][1]),
                name=Locator(start=name[0], end=name[1]),
                wording=wording,
                by=year if year is not None else caption,
                base=base,
                bodies=tuple(dict.fromkeys(bodies)),
            )
        )


def _value(
    text: str, names: tuple[Span, Span | None], cell: Span, unit: str | None, places: dict[int, ReadNumber]
) -> tuple[ReadNumber, Wording, int | None] | None:
    """Read a cell as if name and cell were one clause; a bare 面积 or 数量 takes the name of its group along."""
    name, group = names
    here = next((places[place] for place in range(*cell) if place in places), None)
    if here is None:
        return None
    words = text[slice(*name)]
    stated = here.unit or unit or _bracketed_unit(words)
    stated = None if stated is not None and _PLACEHOLDER.match(stated) else stated
    label = _MARK.sub("", words)
    label = _BRACKETED.sub("", label) if _bracketed_unit(label) else label
    label = f"{text[slice(*group)]}{label}" if group is not None and len(label) <= _BARE_LENGTH else label
    before = text[cell[0] : here.at.start].strip("[(")
    end = here.at.end + suffix_length(text[here.at.end : cell[1]])
    clause = label + before + text[here.at.start : end]
    start = len(label) + len(before)
    number = here.model_copy(update={"unit": stated})
    moved = number.model_copy(
        update={
            "at": Locator(start=start, end=start + here.at.end - here.at.start),
            "digits": Locator(start=start, end=start + here.digits.end - here.digits.start),
        }
    )
    times = tuple(find_times(clause))
    wording = read_wording(clause, moved, 0, len(clause), times)
    base = next((time.year for time in times if time.role is TimeRole.BASE), None)
    return number, wording if wording.label else wording._replace(label=label), base
