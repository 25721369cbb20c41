"""What stands outside of the table itself: title rows and the sheet's name may give place, period, unit and indicator."""

from __future__ import annotations

import re
from typing import Final

from dafeng.base.period import read_period
from dafeng.base.quantity import fold_width
from dafeng.intake.headers import OTHER_QUANTITY, Names, clean_unit, is_period, is_unit
from dafeng.intake.layout import Table
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["find_title"]

_YEAR: Final = r"(?:19|20)\d\d"
_DASH: Final = r"(?:-|—|–|至|到|~)"
_PART_YEAR: Final = re.compile(
    rf"{_YEAR}年?(?:0?1月?{_DASH}\d{{1,2}}月|第?[一二三四1-4]季度|前三季度|[上下]半年|\d{{1,2}}月)"
)
_OTHER_DATE: Final = re.compile(
    r"年鉴|填表|填报|制表|报送|上报|打印|印发|发布|公布|更新|导出|生成|编印|日期|数据库|版|\d月\d{1,2}日"
)
"""Words by which a year of a title is not the year of the figures: a yearbook is named after the year it appears in."""
_ADMINISTRATIVE: Final = re.compile(r"[\u4e00-\u9fff]{2,12}?(?:省|市|自治区|自治州|区|县)")
_NEUTRAL: Final = re.compile(
    r"各?(?:区|县)?(?:省|市|州|县|区|地区|城市|区市|市区县|县区|盟)|各|全|续|附|主要|历年|逐年|年份|年度?|月|情况|统计|汇总|对比|比较|一览|数据|图|表|及其?|和|的|与|分|按"
    r"|[\d\-—–~～至到、,.:：;#()\[\]【】《》“”\"一二三四五六七八九十]"
)


def find_title(sheet: Sheet, table: Table, names: Names) -> dict[str, list[tuple[str, str]]]:
    """Return what title rows and sheet name state: dimension to (text, cell where it stands), each distinct statement once.

    Two statements of one dimension contradict one another, and neither may be used.

    Parameters
    ----------
    sheet : Sheet
    table : Table
    names : Names
    """
    texts = [
        (text, cell_name(row, column))
        for row, line in enumerate(sheet.frame.head(min(table.header_rows)).iter_rows())
        for column, text in enumerate(line)
        if text is not None
    ]
    if sheet.name:
        texts.append((sheet.name, ""))
    said: dict[str, dict[str, tuple[str, str]]] = {}
    for text, cell in texts:
        folded = fold_width(text)
        for dimension, found, meaning in (
            _unit(folded),
            _period(folded),
            _place(folded, names),
            _indicator(folded, names),
        ):
            if found:
                said.setdefault(dimension, {}).setdefault(meaning, (found, cell))
    return {dimension: list(meanings.values()) for dimension, meanings in said.items()}


def _unit(folded: str) -> tuple[str, str, str]:
    match = re.search(r"(?:计量)?单位[:：]?([^)\]】;；。]+)", folded)
    unit = match[1] if match and is_unit(match[1]) else ""
    return "unit", unit, clean_unit(unit)


def _period(folded: str) -> tuple[str, str, str]:
    if _OTHER_DATE.search(folded):
        return "period", "", ""
    years = set(re.findall(rf"{_YEAR}(?=年)", folded)) or set(re.findall(rf"^{_YEAR}$", folded))
    part = _PART_YEAR.search(folded)
    if part and len(years) <= 1 and is_period(part[0]):
        return "period", part[0], read_period(part[0]).text
    if len(years) != 1 or re.search(rf"{_YEAR}年?{_DASH}", folded):
        return "period", "", ""
    year = years.pop()
    return "period", year, year


def _without_date(folded: str) -> str:
    """Return a title without its years and the number of its table."""
    return re.sub(rf"{_YEAR}年?度?(?:{_DASH}(?:19|20)?\d\d年?)?|^表[\d\-.一二三四五六七八九十]*", "", folded)


def _place(folded: str, names: Names) -> tuple[str, str, str]:
    """Return the place that a title begins with; 山东省青岛市 is the city."""
    text = _without_date(folded)
    if names.place(text):
        return "place", text, _place_id(text, names)
    found, end = "", 0
    while match := _ADMINISTRATIVE.match(text, end):
        if not names.place(text[: match.end()]):
            break
        found, end = text[: match.end()], match.end()
    return "place", found, _place_id(found, names)


def _place_id(text: str, names: Names) -> str:
    return " ".join(sorted(place.id for place in names.catalog.places.candidates(text))) if text else ""


def _indicator(folded: str, names: Names) -> tuple[str, str, str]:
    """Return the indicator that a title names and nothing beside it: the growth or rank of one is another figure."""
    stripped = re.sub(r"各?(?:省|市|地区|区市|城市)(?:历年)?$", "", _without_date(folded))
    place = _place(folded, names)[1]
    bare = stripped.removeprefix(place)
    for candidate in (
        bare,
        folded,
        stripped,
        bare.lstrip("各省市地区全国县"),
        re.sub(r"(情况|统计表|表|一览)$", "", bare),
    ):
        if candidate and (named := names.header(candidate).indicator):
            return "indicator", candidate, named
    found = _contained(bare, names)
    return "indicator", found, names.header(found).indicator if found else ""


def _contained(text: str, names: Names) -> str:
    """Return the one name of an indicator within a text whose other words say nothing about what is measured."""
    if re.search(OTHER_QUANTITY, text):
        return ""
    known = {
        fold_width(name): indicator.id
        for indicator in names.catalog.indicators.values()
        for name in (indicator.zh, *indicator.aliases)
        if len(name) >= 4
    }
    inside = [name for name in known if name in text]
    longest = [name for name in inside if not any(name != other and name in other for other in inside)]
    if len({known[name] for name in longest}) != 1:
        return ""
    rest = re.sub(r"[(\[【]?单位:?.*$", "", text.replace(max(longest, key=len), ""))
    return longest[0] if not _NEUTRAL.sub("", rest) else ""
