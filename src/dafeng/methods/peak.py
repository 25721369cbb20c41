"""Has a yearly series peaked? A verdict whose critical values come from simulating the whole procedure.

Picking the maximum of a series and testing the trend after it with tables for a trend chosen beforehand calls most random
walks peaked: something falls after every maximum. Here the maximum, the rule of the years after it, the rebound rule and
the trend are one procedure, and `dafeng.methods.peak_nulls` runs that procedure on series that have no peak. The steps, all
on the log scale:

1. *Maximum.* The latest year of the largest value.
2. *Years after it.* Fewer than five years, or fewer than five points, after it: never peaked.
3. *Trend.* Median of the slopes of all pairs of points from the maximum on (Theil 1950; Sen 1968), times the root of the
   years after it, divided by the scatter of the yearly changes about the trends before and after the maximum (geometric mean
   of a robust and a classical scale, as in `series`). Peaked if its negative exceeds the critical value for the length.
4. *Rebound.* Not peaked if the last value has climbed back more than half of the way from the lowest value after the maximum
   to the maximum.
5. *Plateau.* If the median of the values after the maximum and that of its last five years both are within five percent of the
   maximum, the series is on a plateau, whatever the test says: so small a fall is no peak passed.
6. *Rising.* If the last year is the maximum and the trend of the last ten years exceeds its own critical value.

All else is undetermined, with the reason. `docs/explanation/peak.md` gives size and power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.tables import CriticalValues
from dafeng.methods.breaks import Break, positive_series
from dafeng.methods.series import LEAST_SCATTER

__all__ = [
    "LEAST_LENGTH",
    "PEAK_LEVEL",
    "PLATEAU",
    "REASON_NAMES",
    "STATUS_NAMES",
    "YEARS_AFTER",
    "PeakStatistics",
    "PeakVerdict",
    "Reason",
    "Status",
    "peak_statistics",
    "peak_verdict",
    "rising_statistics",
]

Status = Literal["peaked", "plateau", "rising", "undetermined"]
Reason = Literal[
    "fall", "flat", "growth", "short", "gaps", "recent_maximum", "weak_growth", "weak_fall", "rebound"
]  # fmt: skip

PEAK_LEVEL: Final = 0.05
"""Nominal chance that the procedure calls a series without a peak peaked."""
YEARS_AFTER: Final = 5
"""Fewer years after the maximum are no ground for a verdict."""
PLATEAU: Final = 0.05
"""Distance from the maximum within which a series is on a plateau, as a share of it."""
RECENT: Final = 10
"""Years over which a rise is judged."""
LEAST_LENGTH: Final = 8
"""Fewer points are undetermined."""
MOST_MISSING: Final = 0.2
"""More missing years, as a share of the span, are undetermined."""
STATUS_NAMES: Final[dict[Status, tuple[str, str]]] = {
    "peaked": ("已达峰", "peaked"),
    "plateau": ("平台期", "on a plateau"),
    "rising": ("仍在上升", "rising"),
    "undetermined": ("尚不能判定", "undetermined"),
}
"""Chinese and English name of each status."""
REASON_NAMES: Final[dict[Reason, str]] = {
    "fall": "下降显著",
    "flat": "降幅甚小",
    "growth": "上升显著",
    "short": "年数太少",
    "gaps": "缺年太多",
    "recent_maximum": "峰后年数不足",
    "weak_growth": "上升不显著",
    "weak_fall": "下降不显著",
    "rebound": "已回升过半",
}
"""Short Chinese name of each reason."""
_CONSISTENT: Final = 1.4826
_HALF: Final = 0.5
_POWER: Final = (
    0.9  # the statistic spreads by about 1.05; 0.85 of that above the critical value is found in four of five
)
_CHUNK: Final = 1_000  # series whose pairwise slopes fit the cache

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PeakStatistics:
    """What the procedure makes of each of many series of one length; arrays of shape (series,)."""

    peak: NDArray[np.intp]
    """Place of the maximum; the latest among equals."""
    slope: Array
    """Trend from the maximum on, log a year; nan where too few years follow."""
    scatter: Array
    """Scale of a yearly change about the two trends; nan as above."""
    statistic: Array
    """Studentised fall; minus infinity where too few years follow or the series rebounded: never peaked."""
    rebound: NDArray[np.bool_]
    """Whether the series has climbed back more than half of the way."""


@dataclass(frozen=True)
class PeakVerdict:
    """The verdict on one series.

    Examples
    --------
    >>> from dafeng.catalog.tables import peak_critical_values
    >>> wobble = [0, 1, -1, 2, 0, -2, 1, 0, 2, -1] * 2
    >>> values = [100 + 4 * min(year, 18 - year) + wobble[year] for year in range(20)]
    >>> verdict = peak_verdict(range(2005, 2025), values, table=peak_critical_values())
    >>> verdict.status, verdict.peak_year, verdict.years_after, verdict.p_range
    ('peaked', 2014, 10, (0.0, 0.01))
    """

    status: Status
    """One of four."""
    reason: Reason
    """Which rule decided."""
    first_year: int
    """First year that the verdict rests on."""
    last_year: int
    """Last year."""
    points: int
    """Number of values."""
    missing: tuple[int, ...]
    """Years without a value between the first and the last."""
    peak_year: int
    """Year of the maximum, the latest among equals."""
    peak_value: float
    """The maximum, in the unit of the series."""
    years_after: int
    """Years from the maximum to the last year."""
    since: int | None
    """Peaked: year of the maximum; plateau: first year of the unbroken run within the plateau; rising: first year of the
    trend judged; else None."""
    pace: float | None
    """Trend that was judged, as a relative change a year; None where none was."""
    statistic: float | None
    """Studentised trend; None where none was judged."""
    critical: float | None
    """Critical value for this length at `level`."""
    level: float
    """Nominal level."""
    p_range: tuple[float, float] | None
    """Probabilities between which the p-value lies; None where no trend was judged."""
    detectable: float | None
    """Relative change a year that this series would have shown in about four of five cases; None as above."""
    minimum_years_after: int
    """Years that had to follow the maximum."""
    plateau: float
    """Width of a plateau, as a share of the maximum."""
    ignored_before: int | None = None
    """Year of the last level shift of the source: earlier years were left out."""
    dropped: tuple[int, ...] = ()
    """Years of single wrong values that were left out."""

    @property
    def name(self) -> str:
        """Chinese name of the status."""
        return STATUS_NAMES[self.status][0]

    @property
    def words(self) -> str:
        """The verdict in Chinese, with what it rests on and what it does not say."""
        parts = [_opening(self), _finding(self)]
        if self.ignored_before is not None:
            parts.insert(0, f"{self.ignored_before}年数据来源有突变，只用此后年份。")
        if self.dropped:
            parts.insert(0, f"{'、'.join(str(year) for year in self.dropped)}年为异常值，已剔除。")
        return "".join(parts)


def peak_statistics(years: ArrayLike, logs: ArrayLike, *, minimum_years_after: int = YEARS_AFTER) -> PeakStatistics:
    """Run steps 1 to 4 of the procedure on many series at once.

    Parameters
    ----------
    years : array, shape (year,)
        Rising; the same for every series.
    logs : array, shape (series, year)
        Logarithms.
    minimum_years_after : int
        Years, and points, that must follow the maximum.

    Returns
    -------
    PeakStatistics

    Examples
    --------
    >>> tent = np.array([[0.0, 0.1, 0.2, 0.31, 0.2, 0.1, 0.0, -0.1, -0.21, -0.3]])
    >>> found = peak_statistics(np.arange(2010, 2020), tent)
    >>> found.peak.tolist(), found.slope.round(2).tolist(), bool(found.statistic[0] > 10)
    ([3], [-0.1], True)
    """
    time = np.asarray(years, dtype=np.float64)
    value = np.atleast_2d(np.asarray(logs, dtype=np.float64))
    count = len(time)
    peak = count - 1 - np.argmax(value[:, ::-1], axis=1)
    slope, scatter = np.full(len(value), np.nan), np.full(len(value), np.nan)
    statistic = np.full(len(value), -np.inf)
    rebound = np.zeros(len(value), dtype=bool)
    for at in range(count - minimum_years_after):
        after = time[-1] - time[at]
        if after < minimum_years_after:
            continue
        rows = np.flatnonzero(peak == at)
        for begin in range(0, len(rows), _CHUNK):
            chunk = rows[begin : begin + _CHUNK]
            held = value[chunk]
            slope[chunk], scatter[chunk] = _trend_from(time, held, at)
            lowest = held[:, at:].min(axis=1)
            back = held[:, -1] - lowest
            rebound[chunk] = back > _HALF * (held[:, at] - lowest)
            fall = -slope[chunk] * np.sqrt(after) / scatter[chunk]
            statistic[chunk] = np.where(rebound[chunk], -np.inf, fall)
    return PeakStatistics(peak, slope, scatter, statistic, rebound)


def rising_statistics(years: ArrayLike, logs: ArrayLike) -> tuple[Array, Array, Array]:
    """Return the studentised trend of the last ten years of many series, its slope and its scatter.

    Parameters
    ----------
    years, logs
        As for `peak_statistics`.

    Examples
    --------
    >>> statistic, slope, _ = rising_statistics(np.arange(6), np.array([[0.0, 0.1, 0.21, 0.3, 0.4, 0.49]]))
    >>> slope.round(2).tolist(), bool(statistic[0] > 10)
    ([0.1], True)
    """
    time = np.asarray(years, dtype=np.float64)
    value = np.atleast_2d(np.asarray(logs, dtype=np.float64))
    start = max(0, len(time) - 1 - RECENT)
    pieces = [_trend_from(time, value[begin : begin + _CHUNK], start) for begin in range(0, len(value), _CHUNK)]
    slope, scatter = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return slope * np.sqrt(time[-1] - time[start]) / scatter, slope, scatter


def peak_verdict(
    years: ArrayLike,
    values: ArrayLike,
    *,
    table: CriticalValues,
    minimum_years_after: int = YEARS_AFTER,
    plateau: float = PLATEAU,
    level: float = PEAK_LEVEL,
    breaks: Sequence[Break] = (),
) -> PeakVerdict:
    """Say whether a yearly series has peaked.

    Parameters
    ----------
    years, values : array, shape (year,)
        In any order, each year once, values above zero; years may be missing.
    table : CriticalValues
        Tests `peaked` and `rising`, as `dafeng.catalog.tables.peak_critical_values` gives them.
    minimum_years_after : int
        Fewer years after the maximum are undetermined; not below 5, for which the table was made.
    plateau : float
        Distance from the maximum, as a share of it, within which the series is on a plateau.
    level : float
        Nominal chance of calling a series without a peak peaked; one that the table has.
    breaks : sequence of Break
        Breaks of the source that a person did not explain by what happened: years of wrong values are left out, and only the
        years from the last level shift on are looked at. A jump in the last year and reshuffles change nothing.

    Raises
    ------
    InputError
        A value is not above zero or not finite, a year stands twice, there is none, or there are more than the table has.

    Notes
    -----
    Deterministic; does not depend on the order of the points nor on the unit. Missing years count as years but not as points:
    the critical value is that of the number of points.

    Examples
    --------
    >>> from dafeng.catalog.tables import peak_critical_values
    >>> peak_verdict(range(2010, 2020), [5, 6, 7, 8, 9, 10, 12, 11, 10, 9], table=peak_critical_values()).words
    '2010—2019年的最高值出现在2016年，其后只有3年，不足5年，尚不能判定是否达峰。'
    """
    if minimum_years_after < YEARS_AFTER or not 0 <= plateau < 1:
        raise InputError(
            f"minimum_years_after {minimum_years_after!r}, plateau {plateau!r}",
            doing="judge whether a series has peaked",
            expected=f"at least {YEARS_AFTER} years, and a share from 0 to below 1",
            next_step="leave both at their defaults",
        )
    time, logs = positive_series(years, values, doing="judge whether a series has peaked")
    wrong = {one.year for one in breaks if one.kind == "wrong_value"}
    dropped = tuple(int(year) for year in time if year in wrong)
    shifts = [one.year for one in breaks if one.kind == "level_shift"]
    ignored = max((year for year in shifts if len(time) and time[0] < year <= time[-1]), default=None)
    kept = ~np.isin(time, dropped) & (time >= (ignored or -np.inf))
    time, logs = time[kept], logs[kept]
    dropped = tuple(year for year in dropped if ignored is None or year >= ignored)
    if not len(time):
        raise InputError(
            "no value",
            doing="judge whether a series has peaked",
            expected="at least one yearly value above zero",
            next_step="choose another indicator or place",
        )
    found = peak_statistics(time, logs[None, :], minimum_years_after=minimum_years_after)
    at = int(found.peak[0])
    after = int(time[-1] - time[at])
    span = range(int(time[0]), int(time[-1]) + 1)
    missing = tuple(sorted(set(span) - {int(year) for year in time}))

    def verdict(
        status: Status,
        reason: Reason,
        *,
        since: int | None = None,
        judged: tuple[str, float, float, float, float] | None = None,
    ) -> PeakVerdict:
        pace = statistic = critical = detectable = p_range = None
        if judged is not None:
            test, statistic, slope, scatter, reach = judged
            pace = float(np.expm1(slope))
            critical = table.at(test, len(time), level)
            p_range = table.p_range(test, len(time), statistic)
            needed = (critical + _POWER) * scatter / np.sqrt(reach)
            detectable = float(np.expm1(needed) if test == "rising" else -np.expm1(-needed))
        return PeakVerdict(
            status, reason, span[0], span[-1], len(time), missing, int(time[at]), float(np.exp(logs[at])), after, since,
            pace, statistic, critical, level, p_range, detectable, minimum_years_after, plateau, ignored, dropped,
        )  # fmt: skip

    if len(time) < LEAST_LENGTH:
        return verdict("undetermined", "short")
    if len(missing) > MOST_MISSING * len(span):
        return verdict("undetermined", "gaps")
    if np.isnan(found.slope[0]):
        if after:
            return verdict("undetermined", "recent_maximum")
        rise, slope, scatter = (float(part[0]) for part in rising_statistics(time, logs[None, :]))
        start = max(0, len(time) - 1 - RECENT)
        judged = ("rising", rise, slope, scatter, float(time[-1] - time[start]))
        if rise > table.at("rising", len(time), level):
            return verdict("rising", "growth", since=int(time[start]), judged=judged)
        return verdict("undetermined", "weak_growth", judged=judged)
    slope, scatter = float(found.slope[0]), float(found.scatter[0])
    fall = -slope * float(np.sqrt(after)) / scatter
    judged = ("peaked", fall, slope, scatter, float(after))
    floor = logs[at] + np.log1p(-plateau)
    recent = logs[time > time[-1] - minimum_years_after]
    if np.median(logs[at + 1 :]) >= floor and np.median(recent) >= floor:
        outside = np.flatnonzero(logs[:at] < floor)
        begin = int(outside[-1]) + 1 if len(outside) else 0
        return verdict("plateau", "flat", since=int(time[begin]), judged=judged)
    if found.rebound[0]:
        return verdict("undetermined", "rebound", judged=judged)
    if fall > table.at("peaked", len(time), level):
        return verdict("peaked", "fall", since=int(time[at]), judged=judged)
    return verdict("undetermined", "weak_fall", judged=judged)


def _trend_from(years: Array, logs: Array, at: int) -> tuple[Array, Array]:
    """Return the trend from place `at` on and the scatter of the yearly changes about it and about the trend before."""
    slope = _median_slope(years[at:], logs[:, at:])
    gaps = np.diff(years)
    usual = np.repeat(slope[:, None], len(gaps), axis=1)
    if at:
        usual[:, :at] = _median_slope(years[: at + 1], logs[:, : at + 1])[:, None]
    left = (np.diff(logs, axis=1) - usual * gaps) / np.sqrt(gaps)
    freedom = len(gaps) - (2 if at else 1)
    classical = np.sqrt(np.sum(left**2, axis=1) / max(freedom, 1))
    robust = _CONSISTENT * np.median(np.abs(left), axis=1)
    scatter = np.maximum(np.sqrt(robust * classical), classical / 3.0)
    return slope, np.maximum(scatter, LEAST_SCATTER)


def _median_slope(years: Array, logs: Array) -> Array:
    first, second = np.triu_indices(len(years), 1)
    slopes: Array = (logs[:, second] - logs[:, first]) / (years[second] - years[first])
    return np.asarray(np.median(slopes, axis=1, overwrite_input=True), dtype=np.float64)


def _opening(verdict: PeakVerdict) -> str:
    gaps = f"（缺{len(verdict.missing)}年）" if verdict.missing else ""
    return f"{verdict.first_year}—{verdict.last_year}年{gaps}的最高值出现在{verdict.peak_year}年，"


def _finding(verdict: PeakVerdict) -> str:
    match verdict.reason:
        case "short":
            return f"但只有{verdict.points}个年值，少于{LEAST_LENGTH}个，尚不能判定是否达峰。"
        case "gaps":
            return f"但缺{len(verdict.missing)}年，超过时段的五分之一，尚不能判定是否达峰。"
        case "recent_maximum":
            return f"其后只有{verdict.years_after}年，不足{verdict.minimum_years_after}年，尚不能判定是否达峰。"
    pace = abs(verdict.pace or 0.0)
    way = "上升" if (verdict.pace or 0.0) > 0 else "下降"
    p, reach = _chance(verdict.p_range), f"{verdict.detectable:.1%}"
    match verdict.reason:
        case "growth":
            return (
                f"即最末一年，{verdict.since}年以来年均上升{pace:.1%}，上升趋势显著（{p}）。判为：仍在上升，尚未达峰。"
            )
        case "weak_growth":
            return (
                f"即最末一年，但近年趋势为年均{way}{pace:.1%}，不显著（{p}）；"
                f"年均上升要达到约{reach}才可能看出。尚不能判定是否达峰。"
            )
        case "flat":
            return (
                f"其后{verdict.years_after}年及最近{verdict.minimum_years_after}年的中位数与最高值相差都不超过{verdict.plateau:.0%}，"
                f"趋势为年均{way}{pace:.1%}（{p}），幅度甚小。判为：平台期（{verdict.since}年起），未见实质性下降。"
            )
        case "rebound":
            return f"其后虽曾下降，但末年已回升过半（自最高值以来年均{way}{pace:.1%}）。尚不能判定是否达峰。"
        case "fall":
            return (
                f"其后{verdict.years_after}年呈下降趋势，年均下降{pace:.1%}；没有峰值的随机序列按同样步骤"
                f"（先取最高值、再检验其后的趋势）显出这样下降的机会很小（{p}）。"
                "判为：已达峰。这一判断只说明已有年份，不排除今后回升超过。"
            )
        case _:
            seen = (
                f"其后{verdict.years_after}年未见下降（年均{way}{pace:.1%}）"
                if (verdict.pace or 0.0) >= 0
                else f"其后{verdict.years_after}年年均下降{pace:.1%}，但没有峰值的随机序列按同样步骤也常有这样的变化（{p}）"
            )
            return f"{seen}；以此序列的波动，年均下降要达到约{reach}才可能看出。尚不能判定是否达峰。"


def _chance(p_range: tuple[float, float] | None) -> str:
    low, high = p_range or (0.0, 1.0)
    if low <= 0:
        return f"p 小于{high:g}"
    return f"p 大于{low:g}" if high >= 1 else f"p 在{low:g}与{high:g}之间"
