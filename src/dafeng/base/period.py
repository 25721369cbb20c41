"""Periods: half-open spans of days with a canonical text, read from the ways in which Chinese documents write them.

=============  ==============  ===========================================
kind           text            days
=============  ==============  ===========================================
year           2024            1 January 2024 up to 1 January 2025
half           2024-H1         first half
quarter        2024-Q3         third quarter
month          2024-09         September
day            2024-09-30      one day
cumulative     2024-01..09     January up to the end of September (1–9月)
season         2024-HS         the heating season that begins in 2024
plan           2021..2025      a plan period (十四五)
=============  ==============  ===========================================

A heating season's own dates depend on the place (`catalog` calendars); its frame here runs from 1 July to 1 July, so that
every season lies wholly in one frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from dafeng.base.errors import PeriodError
from dafeng.base.quantity import fold_width

__all__ = ["Period", "PeriodKind", "plan_period", "read_period"]


class PeriodKind(StrEnum):
    """What sort of span a period is."""

    YEAR = "year"
    HALF = "half"
    QUARTER = "quarter"
    MONTH = "month"
    DAY = "day"
    CUMULATIVE = "cumulative"
    SEASON = "season"
    PLAN = "plan"


class Period(NamedTuple):
    """A half-open span of days, ordered by start, then end.

    Examples
    --------
    >>> period = Period.parse("2024-01..09")
    >>> period.start, period.end, period.is_part_year
    (datetime.date(2024, 1, 1), datetime.date(2024, 10, 1), True)
    """

    start: date
    end: date
    kind: PeriodKind
    text: str

    @property
    def year(self) -> int:
        """Calendar year in which the period begins."""
        return self.start.year

    @property
    def last_year(self) -> int:
        """Calendar year of the period's last day."""
        return (self.end - timedelta(days=1)).year

    @property
    def is_part_year(self) -> bool:
        """Whether the period covers only a part of one year; it never stands for the year."""
        return self.kind not in (PeriodKind.YEAR, PeriodKind.PLAN, PeriodKind.SEASON)

    @property
    def previous(self) -> Period:
        """Period of the same sort that ends where this one begins; for a cumulative one the same months of the year before.

        Examples
        --------
        >>> [Period.parse(text).previous.text for text in ("2024", "2024-H1", "2024-Q1", "2024-01", "2024-01..09", "2021..2025")]
        ['2023', '2023-H2', '2023-Q4', '2023-12', '2023-01..09', '2016..2020']
        """
        year, month = self.start.year, self.start.month
        match self.kind:
            case PeriodKind.HALF:
                return _parse(f"{year - 1}-H2" if month == 1 else f"{year}-H1")
            case PeriodKind.QUARTER:
                return _parse(f"{year - 1}-Q4" if month == 1 else f"{year}-Q{month // 3}")
            case PeriodKind.MONTH:
                return _parse(f"{year - 1}-12" if month == 1 else f"{year}-{month - 1:02d}")
            case PeriodKind.DAY:
                return _parse((self.start - timedelta(days=1)).isoformat())
            case PeriodKind.PLAN:
                years = self.last_year - year + 1
                return _parse(f"{year - years}..{year - 1}")
            case _:
                return self.year_before

    @property
    def year_before(self) -> Period:
        """Same period of the year before; a plan period is moved by a year, 29 February gives 28 February.

        Examples
        --------
        >>> [Period.parse(text).year_before.text for text in ("2024", "2024-09", "2024-02-29", "2024-HS")]
        ['2023', '2023-09', '2023-02-28', '2023-HS']
        """
        text = f"{self.year - 1:04d}{self.text[4:]}"
        if self.kind is PeriodKind.PLAN:
            text = f"{self.year - 1}..{self.last_year - 1}"
        return _parse(text.replace("-02-29", "-02-28"))

    @property
    def title(self) -> str:
        """Chinese name, as reports write it.

        Examples
        --------
        >>> [Period.parse(text).title for text in ("2024", "2024-H1", "2024-Q3", "2024-09", "2024-01..09", "2024-HS")]
        ['2024年', '2024年上半年', '2024年三季度', '2024年9月', '2024年1–9月', '2024–2025年采暖季']
        """
        year, month = self.start.year, self.start.month
        match self.kind:
            case PeriodKind.HALF:
                return f"{year}年{'上' if month == 1 else '下'}半年"
            case PeriodKind.QUARTER:
                return f"{year}年{'一二三四'[(month - 1) // 3]}季度"
            case PeriodKind.MONTH:
                return f"{year}年{month}月"
            case PeriodKind.DAY:
                return f"{year}年{month}月{self.start.day}日"
            case PeriodKind.CUMULATIVE:
                return f"{year}年1–{(self.end - timedelta(days=1)).month}月"
            case PeriodKind.SEASON:
                return f"{year}–{year + 1}年采暖季"
            case PeriodKind.PLAN:
                return f"{year}–{self.last_year}年"
            case _:
                return f"{year}年"

    @classmethod
    def of_year(cls, year: int) -> Period:
        """Return the calendar year `year`.

        Examples
        --------
        >>> Period.of_year(2024).text
        '2024'
        """
        return cls.parse(f"{year:04d}")

    @classmethod
    def parse(cls, text: str) -> Period:
        """Return the period of a canonical text.

        Raises
        ------
        PeriodError
            The text is not canonical (see the module's table).

        Examples
        --------
        >>> Period.parse("2021..2025").end
        datetime.date(2026, 1, 1)
        """
        return _parse(text)


_CANONICAL: Final = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?:-(?P<half>H[12])|-(?P<quarter>Q[1-4])|-(?P<season>HS)|-01\.\.(?P<upto>\d\d)"
    r"|-(?P<month>\d\d)(?:-(?P<day>\d\d))?|\.\.(?P<last>(?:19|20)\d\d))?"
)


def _month_start(year: int, month: int) -> date:
    return date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


@lru_cache(maxsize=65536)
def _parse(text: str) -> Period:
    match = _CANONICAL.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        year = int(match["year"])
        if match["half"]:
            first = 1 if match["half"] == "H1" else 7
            return Period(_month_start(year, first), _month_start(year, first + 6), PeriodKind.HALF, text)
        if match["quarter"]:
            first = 3 * int(match["quarter"][1]) - 2
            return Period(_month_start(year, first), _month_start(year, first + 3), PeriodKind.QUARTER, text)
        if match["season"]:
            return Period(date(year, 7, 1), date(year + 1, 7, 1), PeriodKind.SEASON, text)
        if match["upto"]:
            upto = int(match["upto"])
            if not 1 <= upto <= 12:
                raise ValueError(text)
            return Period(date(year, 1, 1), _month_start(year, upto + 1), PeriodKind.CUMULATIVE, text)
        if match["day"]:
            day = date(year, int(match["month"]), int(match["day"]))
            return Period(day, day + timedelta(days=1), PeriodKind.DAY, text)
        if match["month"]:
            month = date(year, int(match["month"]), 1)
            return Period(month, _month_start(year, month.month + 1), PeriodKind.MONTH, text)
        if match["last"]:
            last = int(match["last"])
            if last < year:
                raise ValueError(text)
            return Period(date(year, 1, 1), date(last + 1, 1, 1), PeriodKind.PLAN, text)
        return Period(date(year, 1, 1), date(year + 1, 1, 1), PeriodKind.YEAR, text)
    except ValueError as error:
        raise PeriodError(
            f"period {text!r} is not understood",
            doing="read a period",
            expected="2024, 2024-H1, 2024-Q3, 2024-09, 2024-09-30, 2024-01..09, 2024-HS or 2021..2025",
            next_step="write the period in one of these forms, or in Chinese such as 2024年1-9月",
        ) from error


_ORDINALS: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_PLANS: Final = {"十二五": 2011, "十三五": 2016, "十四五": 2021, "十五五": 2026, "十六五": 2031}
_DASH: Final = r"(?:-|—|–|－|~|～|至|到)+"
_CHINESE: Final[list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]] = [
    (re.compile(rf"(\d{{4}})年?0?1月?{_DASH}0?(\d{{1,2}})月份?(?:累计)?"), lambda m: f"{m[1]}-01..{int(m[2]):02d}"),
    (re.compile(r"(\d{4})年(?:前)?(\d{1,2})个月"), lambda m: f"{m[1]}-01..{int(m[2]):02d}"),
    (re.compile(r"(\d{4})年?(上|下)半年"), lambda m: f"{m[1]}-H{'上下'.index(m[2]) + 1}"),
    (re.compile(r"(\d{4})年?第?([一二三四1-4])季度?"), lambda m: f"{m[1]}-Q{_ORDINALS[m[2]]}"),
    (re.compile(r"(\d{4})年?前三季度"), lambda m: f"{m[1]}-01..09"),
    (re.compile(rf"(\d{{4}})(?:年?{_DASH}\d{{2,4}})?年?(?:度)?(?:采暖|供暖|供热)(?:季|期)"), lambda m: f"{m[1]}-HS"),
    (re.compile(r"(\d{4})[年./-](\d{1,2})[月./-](\d{1,2})日?"), lambda m: f"{m[1]}-{int(m[2]):02d}-{int(m[3]):02d}"),
    (re.compile(r"(\d{4})(?:年(?:度|末|底)?)?(?:\.0)?"), lambda m: m[1]),
    (re.compile(r"(\d{4})[年./-](\d{1,2})月?份?"), lambda m: f"{m[1]}-{int(m[2]):02d}"),
    (re.compile(rf"(\d{{4}})年?{_DASH}(\d{{4}})年?"), lambda m: f"{m[1]}..{m[2]}"),
    (re.compile(r"[“\"”]?(十[二三四五六]五)[“\"”]?(?:时期|期间|末)?"), lambda m: f"{_PLANS[m[1]]}..{_PLANS[m[1]] + 4}"),
]


@lru_cache(maxsize=65536)
def read_period(text: str) -> Period:
    """Return the period that a canonical or Chinese text names.

    Parameters
    ----------
    text : str
        2024, 2024年, 2024年上半年, 2024年第三季度, 2024年1-9月, 2024年前三季度, 2024-2025采暖季, 十四五 …

    Raises
    ------
    PeriodError
        The text is no period; nothing is guessed.

    Examples
    --------
    >>> [read_period(text).text for text in ("2024年", "2024年1—9月", "２０２４年第三季度", "“十四五”期间")]
    ['2024', '2024-01..09', '2024-Q3', '2021..2025']
    """
    folded = fold_width(text)
    if _CANONICAL.fullmatch(folded):
        return _parse(folded)
    for pattern, canonical in _CHINESE:
        match = pattern.fullmatch(folded)
        if match is not None:
            return _parse(canonical(match))
    return _parse(folded)


def plan_period(first: int, last: int) -> Period:
    """Return the plan period of the years `first` to `last`, both included.

    Examples
    --------
    >>> plan_period(2021, 2025).text
    '2021..2025'
    """
    return _parse(f"{first}..{last}")
