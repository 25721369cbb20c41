"""Years of a plan's text and what each is for: deadline, base year, start, description of an object, past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from dafeng.plans.numerals import read_numeral

__all__ = ["TimeMention", "TimeRole", "find_times"]


class TimeRole(StrEnum):
    """What a year is for."""

    BY = "by"
    BASE = "base"
    START = "start"
    OBJECT = "object"
    PAST = "past"
    NAME = "name"
    DATE = "date"


class TimeMention(NamedTuple):
    """A year or plan period in the text.

    Parameters
    ----------
    start, end : int
        Half-open offsets, words such as 到, 底前 included.
    role : TimeRole
    years : tuple of int
        The years named; several where they stand in a list (2025年、2030年); of a period the last.
    first : int or None
        First year of a period (2024—2025年, 十四五).
    """

    start: int
    end: int
    role: TimeRole
    years: tuple[int, ...]
    first: int | None = None

    @property
    def year(self) -> int:
        """The year, of several the last."""
        return self.years[-1]


_YEAR: Final = r"(?:(?<!\d)(?:19|20|21)\d\d|二[〇零][〇零一二三四五六七八九]{2})"
_CHANGED: Final = r"(?:下降|降低|提高|提升|增长|增加|减少|上升|翻|节约|削减|压减|压降|扩大|改善|减排|降|增)"
_PERIODS: Final = {
    "二": (2016 - 5, 2015),
    "三": (2016, 2020),
    "四": (2021, 2025),
    "五": (2026, 2030),
    "六": (2031, 2035),
}
_PERIOD: Final = r"[\"']?十[二三四五六]五[\"']?"
_QUIET: Final = r"(?:力争|争取|确保|计划|预计)?"
_PARTS_OF_YEAR: Final = r"(?:(?:1[0-2]|[1-9]|十[一二]?|[一二三四五六七八九])月(?:份|底|末|初)?(?:\d{1,2}日)?)?(?:年?底|年?末|年中|年初|上半年|下半年|初)?"

_PATTERN: Final = re.compile(
    rf"(?P<base>(?:(?<![占积])(?:相)?比|较|相较于?|对比|对照|同)于?(?P<y1>{_YEAR})年(?:末|底)?(?:的?(?:水平|同期))?(?:相比)?(?=[^,;。达]{{0,10}}?{_CHANGED})"
    rf"|(?:比|较|与)(?P<y0>{_PERIOD})(?:末|期末|时期|期间|初)?(?:的?水平)?(?:相比)?(?=[^,;。达]{{0,10}}?{_CHANGED})"
    rf"|与(?P<y2>{_YEAR})年(?:末|底)?(?:的?(?:水平|同期))?相比|(?:在|以)(?P<y3>{_YEAR})年(?:末|底)?的?(?:水平|基础|基数|基准|现状|标准)?"
    rf"(?:之?上|为基准|为基数|为基期|为基础|为基准年|为基准线))"
    rf"|(?P<start>(?:自|从)(?P<y4>{_YEAR})年(?:\d{{1,2}}月)?(?:\d{{1,2}}日)?(?:起|开始|及?以后|后)|(?P<y5>{_YEAR})年(?:\d{{1,2}}月)?(?:\d{{1,2}}日)?(?:起|开始|及?以后|后(?!续|期))(?!步|重))"
    rf"|(?P<past>(?:截至|截止到?|截止至|至今|到)?(?P<y6>{_YEAR})年(?:底|末)?以来|(?:截至|截止到?|截止至)(?:目前|(?P<y7>{_YEAR})年{_PARTS_OF_YEAR}))"
    rf"|(?P<object>(?P<y8>{_YEAR})年{_PARTS_OF_YEAR}(?:之?以?前)?(?:已)?(?:建成|竣工|建造|建设|投入使用|投用|交付使用|交付|修建|兴建)"
    rf"(?:完成|并?投入使用|并?交付)?(?=的|需要|且|、|但|未|老旧|既有|城镇|居住|住宅|公共|小区|区|多层))"
    rf"|(?P<period>{_QUIET}(?:到|至|在)?(?P<p1>{_PERIOD})(?:(?:、|和|与|及|以及|至|到|-)(?P<p2>{_PERIOD}))?(?P<tail>期间|时期|期末|末期?|期内|中后期|前期|后期|阶段|以来|前三年|后三年|时)?)"
    rf"|(?P<span>{_QUIET}(?P<y9>{_YEAR})年?(?:-{{1,2}}|~|至|到)(?P<y10>{_YEAR})年(?:间|期间|底|末)?)"
    rf"|(?P<by>{_QUIET}(?:(?<![高升加长大少低降减增展压])(?:到|至)|于|在|截至)?{_QUIET}(?P<ys>{_YEAR}年?(?:底|末)?(?:前)?(?:(?:、|和|及|与|以及){_YEAR}年(?:底|末)?(?:前)?)+|{_YEAR}年){_PARTS_OF_YEAR}(?:之?以?前|以?内)?)"
    rf"|(?P<century>{_QUIET}(?:到|至)?本世纪中叶)"
    rf"|(?P<this>{_QUIET}(?:到|至|于|在)?(?:今年|本年度?内?)(?:年?底|年?末|内)?(?:之?前)?|{_QUIET}(?:到|至|于|在)?(?P<next>明年)(?:年?底|年?末|内)?(?:之?前)?)"
)
_NAMED: Final = re.compile(
    r"(?:规划|计划|方案|纲要|[^,;。,《》\"]{0,24}(?:规划|专项规划|发展规划|行动方案|实施方案))(?!建设|完成|新增|新建|到|改造)"
)
_BARE_PERIOD: Final = re.compile(r"[,力计要将累新完实每末全改达我各建推培创打形规]")
_YEAR_ONE: Final = re.compile(_YEAR)
_DATE: Final = re.compile(rf"{_YEAR}年\d{{1,2}}月\d{{1,2}}日(?!之?前|起|底|以前|开始)")


def _year(text: str) -> int:
    return int(read_numeral(text))


def _titles(text: str) -> list[tuple[int, int]]:
    """Stretches between 《 and 》."""
    return [found.span() for found in re.finditer(r"《[^《》]{0,120}(?:《[^》]{0,80}》[^《》]{0,80})?》", text)]


def _classified(found: re.Match[str], text: str, issued: int | None) -> TimeMention | None:
    start, end = found.span()
    match found.lastgroup and next(name for name in _ROLES if found[name]):
        case "base" if found["y0"]:
            return TimeMention(start, end, TimeRole.BASE, (_PERIODS[found["y0"].strip("\"'")[1]][1],))
        case "base":
            return TimeMention(
                start, end, TimeRole.BASE, (_year(next(found[name] for name in ("y1", "y2", "y3") if found[name])),)
            )
        case "start":
            year = _year(found["y4"] or found["y5"])
            return TimeMention(start, end, TimeRole.START, (year,), year)
        case "past":
            written = found["y6"] or found["y7"]
            year = _year(written) if written else issued or 0
            future = bool(found["y7"]) and issued is not None and year >= issued
            return TimeMention(start, end, TimeRole.BY if future else TimeRole.PAST, (year,))
        case "object":
            year = _year(found["y8"])
            return TimeMention(
                start,
                end,
                TimeRole.OBJECT if year <= (issued or 2022) - 1 or text.startswith("的", end) else TimeRole.BY,
                (year,),
            )
        case "period":
            return _period(found, text)
        case "span":
            first, last = _year(found["y9"]), _year(found["y10"])
            past = issued is not None and last < issued
            return TimeMention(start, end, TimeRole.PAST if past or last <= 2020 else TimeRole.BY, (last,), first)
        case "by":
            years = tuple(_year(year) for year in _YEAR_ONE.findall(found["ys"]))
            if _DATE.match(text, start + found.group().index(found["ys"][0])) and not re.match(
                r"(?:到|至|于|在)", found.group()
            ):
                return TimeMention(start, end, TimeRole.DATE, years)
            if text[start - 1 : start] in ("由", "从") and text.startswith("的", end):
                return TimeMention(start, end, TimeRole.BASE, years)
            led = found.group()[0] in "到至力争确计"
            past = max(years) <= 2020 or (
                issued is not None and max(years) < issued and not led and "前" not in found.group()
            )
            return TimeMention(start, end, TimeRole.PAST if past else TimeRole.BY, years)
        case "century":
            return TimeMention(start, end, TimeRole.BY, (2050,))
        case "this":
            return (
                None
                if issued is None
                else TimeMention(start, end, TimeRole.BY, (issued + (1 if found["next"] else 0),))
            )
    return None


_ROLES: Final = ("base", "start", "past", "object", "period", "span", "by", "century", "this")


def _period(found: re.Match[str], text: str) -> TimeMention:
    start, end = found.span()
    first = _PERIODS[found["p1"].strip("\"'")[1]]
    last = _PERIODS[found["p2"].strip("\"'")[1]] if found["p2"] else first
    tail = found["tail"]
    if tail == "以来" or last[1] <= 2020:
        role = TimeRole.PAST
    elif tail is None and (_NAMED.match(text, end) or not _BARE_PERIOD.match(text, end)):
        role = TimeRole.NAME
    else:
        role = TimeRole.BY
    return TimeMention(start, end, role, (last[1],), first[0])


def find_times(text: str, *, issued: int | None = None) -> Iterator[TimeMention]:
    """Yield the years and plan periods of `text` in order, each with its role.

    Parameters
    ----------
    text : str
        Folded text without white space.
    issued : int, optional
        Year in which the plan was issued; an earlier bare year is then past.

    Examples
    --------
    >>> [(time.role.value, time.years) for time in find_times('到2030年,热损失比2020年下降5个百分点;"十四五"期间,2000年底前建成的小区')]
    [('by', (2030,)), ('base', (2020,)), ('by', (2025,)), ('object', (2000,))]
    >>> [(time.role.value, time.years, time.first) for time in find_times("2024-2025年新增,自2026年起,到2025年、2030年分别达到")]
    [('by', (2025,), 2024), ('start', (2026,), 2026), ('by', (2025, 2030), None)]
    """
    titles = _titles(text)
    position = 0
    for found in _PATTERN.finditer(text):
        mention = _classified(found, text, issued)
        if mention is None:
            continue
        while position < len(titles) and titles[position][1] <= mention.start:
            position += 1
        if position < len(titles) and titles[position][0] < mention.start < titles[position][1]:
            mention = mention._replace(role=TimeRole.NAME)
        yield mention
