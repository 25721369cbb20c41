"""Every number that a document mentions, with its unit as written; ranges are one number with two ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from dafeng.base.document import BlockKind, DocumentText
from dafeng.base.target import Locator
from dafeng.plans.numerals import Numeral, scan_numerals
from dafeng.plans.read_records import ReadNumber
from dafeng.plans.units_written import unit_at

__all__ = ["find_numbers"]

_AND_MORE: Final = re.compile(r"([万亿]?)[余多来]")
_RANGE_MARK: Final = re.compile(r"(?:[-~〜∼至到]|--)")
_GRADED: Final = re.compile(r"星级|星(?!期|球|河|光|座|火)")
_COUNTABLE: Final = re.compile(
    r"(?:个百分点|百分点|个(?:月|工作日)?|家|座|处|项|台|辆|盏|套|栋|幢|户|公里|平方|公顷|亩|米|吨|万|亿|千瓦|兆瓦|吉瓦|度电|人次|人|层|倍|年|分钟|小时|天|日内|日前"
    r"|大(?:行动|工程|领域|任务|重点|体系|方面|类|举措|专项|板块|示范|场景|环节|抓手|目标|支撑|保障)|类|种|条|批|次|所|名|片|个方面|组|座城|镇|县|支|处以上|元|株|棵|根|间(?!接|距|隔)|床|篇|部(?!门|委|署|分|件|品|级|队|位|长|省|市|地)|期(?!间|限|末|望)|平米|立方|兆|星)"
)
_WANTS_ONE: Final = re.compile(
    r"(?:至少|最少|不少于|不低于|不小于|达到|达|超过|至少使用|至少采用|至少安装|新增|增加|提高|提升|增长|扩大|各?(?:建成|建设|打造|创建|培育|新建|完成|改造)(?:不少于|至少)?)$"
)
_ALONE: Final = re.compile(r"\s*[≥≤<>＞＜约]?\s*\d[\d.,]*\s*[%％]?(?:以[上下内]|左右)?\s*")
_FIVE_YEAR: Final = re.compile(r"年规划|年计划|年来")


def _is_quantity(text: str, numeral: Numeral) -> bool:
    """Whether a Chinese numeral states an amount or a date rather than being part of a word."""
    start, end = numeral.start, numeral.end
    written = text[start:end]
    before, after = text[max(0, start - 8) : start], text[end : end + 8]
    if numeral.unit is not None:
        return True
    if len(written) == 4 and not set(written) & set("十百千万亿两") and after.startswith("年"):
        return True
    if before.endswith("第") or (
        after[:1] == "月" and re.match(r"月(?:底|末|份|\d|[一二三四五六七八九十]|前|初|中|上|下)", after)
    ):
        return after[:1] == "月"
    if _GRADED.match(after) and numeral.value <= 3:
        return True
    if re.match(r"类(?:城市|地区|县|区|标准|水|用地|污染)", after) and len(written) == 1:
        return False
    if _FIVE_YEAR.match(after) or re.match(r"次(?:能源|供水|管网|加压|网|装修|利用|[一二三四五])", after):
        return False
    if not _COUNTABLE.match(after):
        return False
    if written in ("一", "零", "〇"):
        return bool(_WANTS_ONE.search(before)) and after[:1] not in (
            "批",
            "次",
            "年",
            "度",
            "类",
            "条",
            "片",
            "支",
            "组",
            "大",
            "套",
        )
    if len(written) == 1 and before.endswith(("统", "进", "初", "之", "十")):
        return False
    if len(written) == 1 and written in "百千":
        return after.startswith("个") and before[-1:] in ("、", *"造建设成育创")
    return not (
        after.startswith(("大会", "中全会", "大以", "大精", "大报"))
        or before.endswith(("十", "千", "万"))
        or re.match(r"人(?:居|民|才)|年级|天内?津", after)
    )


def _own_numerals(text: str) -> list[Numeral]:
    """All runs of digits, and those Chinese numerals that are amounts."""
    kept: list[Numeral] = []
    before: Numeral | None = None
    for numeral in scan_numerals(text):
        if not numeral.chinese or _is_quantity(text, numeral):
            if (
                numeral.chinese
                and before is not None
                and before.end + 1 == numeral.start
                and text[before.end] in "到至-~"
            ):
                kept.append(before)
            kept.append(numeral)
            before = None
        else:
            before = numeral
    return kept


def _grouped(document: DocumentText) -> str:
    """Folded text in which a full-width comma between narrow digits is no digit grouping."""
    plain, folded = document.plain, document.folded
    letters = list(folded)
    for found in re.finditer(r"，(?=[0-9])", plain):
        if plain[found.start() - 1 : found.start()].isascii():
            letters[found.start()] = "，"
    return "".join(letters)


def _joined(text: str, first: tuple[Numeral, int], second: tuple[Numeral, int]) -> bool:
    """Whether two numerals are the two ends of one range."""
    (low, low_end), (high, high_end) = first, second
    if text[low_end : high.start] in (":", "∶") and low.end == low_end and high_end == high.end and not low.chinese:
        return low.value < 1000 and 0 < high.value < 1000 and text[high_end : high_end + 1] not in (":", "∶")
    mark = _RANGE_MARK.match(text, low_end)
    if mark is None or mark.end() != high.start or low.value >= high.value:
        return False
    low_unit, high_unit = low.unit or text[low.end : low_end], high.unit or text[high.end : high_end]
    if not (not low_unit or low_unit == high_unit or (low_unit[0] in "万亿" and high_unit.startswith(low_unit))):
        return False
    before = text[max(0, low.start - 8) : low.start]
    if mark.group() in "至到" and re.search(r"[由从自](?:\d{4}年的?|现状的?|目前的?|现在的?)?(?:不足|约|近)?$", before):
        return False
    if mark.group() in "-~" and (
        re.search(r"(?:[A-Za-z/]|[A-Z]{1,3}\d*[/T]*\d*[.-])$", before) or (text[high_end : high_end + 1] == "-")
    ):
        return False
    return not (high_unit == "年" and low.value < 1000 <= high.value) and text[low.end - 1 : low.end] != "月"


def find_numbers(document: DocumentText) -> tuple[ReadNumber, ...]:
    """Return every number that a document mentions, in order.

    Each run of digits is in it, also those of dates, headings and names; Chinese numerals where they state an amount, a
    year or a grade (not 一体化, 统一, 第三方). A range is one number.

    Parameters
    ----------
    document : DocumentText

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> text = DocumentText("p.txt", "txt", "0" * 64, (Block("到2030年新增三十公里，占60%～70%，统一管理。", number=1),))
    >>> [(number.value, number.value_max, number.unit) for number in find_numbers(text)]
    [(2030.0, None, '年'), (30.0, None, '公里'), (60.0, 70.0, '%')]
    """
    text = _grouped(document)
    edges = [0, *_edges(document), len(text)]
    found: list[ReadNumber] = []
    for start, end in pairwise(edges):
        here = _numbers_of(text[start:end])
        found += here if start == 0 else (_moved(number, start) for number in here)
    return tuple(found)


def _edges(document: DocumentText) -> Iterator[int]:
    """Yield the edges of table cells, and of lines that hold a number alone: no number runs over them."""
    blocks, starts = document.blocks, document.starts
    for index in range(1, len(blocks)):
        before, after = blocks[index - 1], blocks[index]
        cells = BlockKind.CELL in (before.kind, after.kind)
        if starts[index] and (cells or (_ALONE.fullmatch(before.text) and _ALONE.fullmatch(after.text))):
            yield starts[index]


def _moved(number: ReadNumber, offset: int) -> ReadNumber:
    at, digits = number.at, number.digits
    return number.model_copy(
        update={
            "at": Locator(start=at.start + offset, end=at.end + offset),
            "digits": Locator(start=digits.start + offset, end=digits.end + offset),
        }
    )


def _numbers_of(text: str) -> Iterable[ReadNumber]:
    """Return the numbers of a stretch of text."""
    placed: list[tuple[Numeral, int]] = []
    for numeral in _own_numerals(text):
        if placed and numeral.start < placed[-1][1]:
            continue
        end = numeral.end
        if numeral.unit is None and not re.match(r"[A-Za-z]?-?[A-Za-z]\d", text[end : end + 4]):
            end = _unit_end(text, end)
        elif numeral.unit is not None and numeral.unit == "%" and text.startswith("个百分点", end):
            end += 4
        placed.append((numeral, end))
    return _records(text, placed)


def _unit_end(text: str, place: int) -> int:
    """Return where the unit behind a numeral ends, 余 or 多 before it passed over (100余个)."""
    end = unit_at(text, place)
    more = _AND_MORE.match(text, place)
    if more is not None and (further := unit_at(text, more.end())) > more.end():
        return further
    return end


def _without_more(unit: str) -> str:
    """Return a unit as written without 余 or 多."""
    more = _AND_MORE.match(unit)
    return unit if more is None else more[1] + unit[more.end() :]


def _records(text: str, placed: list[tuple[Numeral, int]]) -> Iterable[ReadNumber]:
    index = 0
    while index < len(placed):
        numeral, end = placed[index]
        top: Numeral | None = None
        if index + 1 < len(placed) and _joined(text, placed[index], placed[index + 1]):
            top, end = placed[index + 1]
            index += 1
        last = top or numeral
        if top is not None and text[numeral.end : top.start] in (":", "∶"):
            whole = Locator(start=numeral.start, end=end)
            yield ReadNumber(at=whole, digits=whole, value=float(numeral.value / top.value))
            index += 1
            continue
        unit = last.unit or _without_more(text[last.end : end]) or None
        yield ReadNumber(
            at=Locator(start=numeral.start, end=end),
            digits=Locator(start=numeral.start, end=last.end),
            value=float(numeral.value),
            value_max=None if top is None else float(top.value),
            unit=unit,
        )
        index += 1
