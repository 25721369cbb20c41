"""Breaks of the source in a yearly series: found before any verdict, and reported as findings with their evidence.

Three things are looked for, all on the log scale and all against robust scales of the series itself:

`level_shift`
    One yearly change lies further from the median change than chance allows. The critical value comes from simulating the
    largest such distance in series without a break (`docs/explanation/peak.md`), so that a series without one is called
    broken in at most 5 % of cases. In the last year a shift and a wrong value cannot be told apart: `edge`.
`wrong_value`
    Two such changes follow one another with opposite signs and the series is back where it was: one value is wrong.
`reshuffle`
    Many parts of a total (fuels and sectors) jump in the same year: the source was revised, although the total may hardly
    show it.

A single wrong cell of a table with parts is found by `find_wrong_cells`. What a break means (a new energy census, a real
ban on coal, a misprint) the series does not say; a person decides, and the verdict says on which years it rests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtrc

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.catalog.tables import CriticalValues
from dafeng.methods.series import read_series

__all__ = [
    "BREAK_LEVEL",
    "BREAK_NAMES",
    "LEAST_JUMP",
    "Break",
    "find_breaks",
    "find_reshuffles",
    "find_wrong_cells",
    "jump_scores",
    "positive_series",
    "shared_breaks",
]

BREAK_LEVEL: Final = 0.05
"""Chance that a series without a break is called broken."""
LEAST_JUMP: Final = 0.10
"""A change below this (on the log scale about ten percent) is no break, however quiet the series."""
PART_FACTOR: Final = 1.5
"""A part that grows by more than this factor in a year, or falls by as much, jumps."""
PART_SHARE: Final = 0.4
"""So large a share of the parts jumping in one year is a reshuffle."""
PART_WEIGHT: Final = 0.01
"""A part counts when it is this share of the total in one of the two years."""
CELL_FACTOR: Final = 8.0
"""A cell this many times both its neighbours, or that part of them, is suspected."""
CELL_SHARE: Final = 0.05
"""… if it moves the total by this share."""
BREAK_NAMES: Final = {
    "level_shift": ("水平突变", "level shift"),
    "wrong_value": ("单年异常值", "single wrong value"),
    "edge": ("末年突变", "jump in the last year"),
    "reshuffle": ("构成突变", "reshuffle of the parts"),
}
"""Chinese and English name of each kind of break."""
_CONSISTENT: Final = 1.4826  # median absolute deviation of a normal variable to its standard deviation
_LEAST_SCALE: Final = 1e-9
_LEAST_PARTS: Final = 4
_LEAST_RATE: Final = 0.2  # places a year that break by themselves, however few are known
_MOST_CELLS: Final = 5  # named in the evidence of a reshuffle

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Break:
    """One break of a series.

    Examples
    --------
    >>> Break(2013, "level_shift", -0.36, 5.7, 4.0).finding("山东").sentence
    '山东：2013年水平突变，比上一年变化-30.2%，偏离常年变化的程度为5.7（临界值4.0）'
    """

    year: int
    """First year that belongs to the new state; for a wrong value the year itself."""
    kind: str
    """A key of `BREAK_NAMES`."""
    change: float
    """Change against the point before on the log scale; for a reshuffle the sum of all changes as a share of the total."""
    score: float
    """Distance from the median change in robust scales; for a reshuffle the share of the parts that jump."""
    critical: float
    """Score from which it is reported."""
    evidence: dict[str, float] = field(default_factory=dict)
    """For a reshuffle: the parts that moved most, change in the unit of the series."""

    def finding(self, series: str) -> Finding:
        """Return the break as a finding about `series` (a Chinese name)."""
        zh, _ = BREAK_NAMES[self.kind]
        if self.kind == "reshuffle":
            moved = f"{self.score:.0%}的组成部分增减过半（达到{self.critical:.0%}即指出），增减合计为总量的{self.change:.0%}"
        else:
            moved = (
                f"比上一年变化{np.expm1(self.change):+.1%}，"
                f"偏离常年变化的程度为{self.score:.1f}（临界值{self.critical:.1f}）"
            )
        return Finding(
            name=f"series.break.{self.kind.replace('_', '-')}",
            sentence=f"{series}：{self.year}年{zh}，{moved}",
            severity=Severity.WARNING,
            value=f"{self.change:.4g}",
            next_step="查明是统计口径调整、录入错误还是真实变化；口径调整时只用突变之后的年份判断是否达峰",
            evidence={"year": self.year, "score": round(self.score, 3), **self.evidence},
        )


def positive_series(years: ArrayLike, values: ArrayLike, *, doing: str) -> tuple[Array, Array]:
    """Return years in order and the logarithms of the values.

    Raises
    ------
    InputError
        A year stands twice, or a value is not finite or not above zero.

    Examples
    --------
    >>> positive_series([2021, 2020], [1.0, 1.0], doing="look at a series")[0].tolist()
    [2020.0, 2021.0]
    """
    time, value = read_series(years, values)
    if bool(np.any(value <= 0)):
        bad = int(np.argmax(value <= 0))
        raise InputError(
            f"value {value[bad]:g} of year {time[bad]:g}",
            doing=doing,
            expected="values above zero, as the logarithm is looked at",
            next_step="leave out years without a value; a series with true zeros has no trend in percent",
        )
    return time, np.log(value)


def jump_scores(years: Array, logs: Array) -> Array:
    """Return how far each change lies from the median change, in robust scales, with its sign.

    Parameters
    ----------
    years : array, shape (year,)
    logs : array, shape (..., year)

    Returns
    -------
    array, shape (..., year - 1)
        Changes over a gap of several years are divided by the root of the gap.

    Examples
    --------
    >>> jump_scores(np.arange(6.0), np.array([0.0, 0.1, 0.3, 0.4, 2.4, 2.6])).round(1).tolist()
    [-0.7, 0.0, -0.7, 12.1, 0.0]
    """
    gaps = np.diff(years)
    changes = np.diff(logs, axis=-1)
    centred = (changes - np.median(changes / gaps, axis=-1, keepdims=True) * gaps) / np.sqrt(gaps)
    scale = _CONSISTENT * np.median(np.abs(centred), axis=-1, keepdims=True)
    scores: Array = centred / np.maximum(scale, _LEAST_SCALE)
    return scores


def find_breaks(
    years: ArrayLike,
    values: ArrayLike,
    *,
    table: CriticalValues,
    level: float = BREAK_LEVEL,
    least: float = LEAST_JUMP,
) -> tuple[Break, ...]:
    """Find level shifts and single wrong values of one yearly series.

    Parameters
    ----------
    years, values : array, shape (year,)
        In any order; values above zero.
    table : CriticalValues
        Has the test `level_shift`.
    level : float
        Chance that a series without a break is called broken.
    least : float
        Least change, on the log scale.

    Returns
    -------
    tuple of Break
        By year; empty for a series shorter than the table goes, of which nothing can be said.

    Examples
    --------
    >>> from dafeng.catalog.tables import peak_critical_values
    >>> steady = [10.0, 10.2, 10.5, 10.6, 10.9, 11.0, 11.4, 11.5, 11.9, 12.0, 12.2, 12.6]
    >>> spoilt = [*steady[:5], 31.0, *steady[6:]]
    >>> [(one.year, one.kind) for one in find_breaks(range(2001, 2013), spoilt, table=peak_critical_values())]
    [(2006, 'wrong_value')]
    """
    time, logs = positive_series(years, values, doing="look for breaks of a series")
    lengths = table.lengths("level_shift")
    if len(time) < lengths[0]:
        return ()
    critical = table.at("level_shift", min(len(time), lengths[-1]), level)
    scores = jump_scores(time, logs)
    changes = np.diff(logs)
    usual = float(np.median(changes / np.diff(time)))
    suspect = (np.abs(scores) > critical) & (np.abs(changes - usual * np.diff(time)) > least)
    found: list[Break] = []
    at = 0
    while at < len(changes):
        if suspect[at]:
            kind, reach = "level_shift", 1
            if at + 1 == len(changes):
                kind = "edge"
            elif suspect[at + 1] and abs(changes[at] + changes[at + 1]) < 0.5 * min(abs(changes[at : at + 2])):
                kind, reach = "wrong_value", 2
            found.append(Break(int(time[at + 1]), kind, float(changes[at]), float(abs(scores[at])), critical))
            at += reach
        else:
            at += 1
    return tuple(found)


def find_reshuffles(
    years: ArrayLike,
    parts: ArrayLike,
    names: Sequence[str],
    *,
    factor: float = PART_FACTOR,
    share: float = PART_SHARE,
    weight: float = PART_WEIGHT,
) -> tuple[Break, ...]:
    """Find years in which so many parts of a total jump that the source must have been revised.

    Parameters
    ----------
    years : array, shape (year,)
        Rising.
    parts : array, shape (year, part)
        Zero or above, e.g. emissions by sector and fuel.
    names : sequence of str
        Name of each part.
    factor : float
        A part jumps when it grows by more than this factor from one year to the next, or falls by as much.
    share : float
        So large a share of the parts jumping together is a reshuffle.
    weight : float
        Only parts that are this share of the total in one of the two years count; at least four of them.

    Notes
    -----
    A rule, not a test: `score` is the share of the parts that jump and `critical` the share that counts. In the CEADs tables one
    part in eight jumps in a usual year (median over provinces), but 33 % in 2005, 44 % in 2008 and 29 % in 2013.

    Examples
    --------
    >>> before, after = [5.0, 2.0, 1.0, 1.0], [2.0, 5.0, 3.0, 1.1]
    >>> found = find_reshuffles(range(2001, 2005), [before, before, after, after], ["coal", "gas", "lpg", "oil"])
    >>> [(one.year, one.kind, one.score, one.evidence["gas"]) for one in found]
    [(2003, 'reshuffle', 0.75, 3.0)]
    """
    time = np.asarray(years, dtype=np.float64)
    amount = _parts(time, parts, names)
    if len(time) < 2:
        return ()
    before, after = amount[:-1], amount[1:]
    total = amount.sum(axis=1, keepdims=True)
    counted = (before >= weight * total[:-1]) | (after >= weight * total[1:])
    counted &= np.maximum(before, after) > 0
    jumped = counted & (np.maximum(before, after) > factor * np.minimum(before, after))
    number = counted.sum(axis=1)
    score = jumped.sum(axis=1) / np.maximum(number, 1)
    moved = after - before
    turnover = np.abs(moved).sum(axis=1) / np.maximum((total[1:, 0] + total[:-1, 0]) / 2, _LEAST_SCALE)
    found = []
    for at in np.flatnonzero((score >= share) & (number >= _LEAST_PARTS)):
        largest = np.argsort(-np.abs(moved[at]), kind="stable")[:_MOST_CELLS]
        evidence = {names[part]: round(float(moved[at, part]), 6) for part in largest}
        found.append(Break(int(time[at + 1]), "reshuffle", float(turnover[at]), float(score[at]), share, evidence))
    return tuple(found)


def find_wrong_cells(
    years: ArrayLike,
    parts: ArrayLike,
    names: Sequence[str],
    *,
    factor: float = CELL_FACTOR,
    share: float = CELL_SHARE,
) -> tuple[Finding, ...]:
    """Find single cells that stand far above or below the years beside them and move the total.

    Parameters
    ----------
    years, parts, names
        As for `find_reshuffles`.
    factor : float
        A cell is suspected when it is more than this many times both its neighbours, or less than that part of both.
    share : float
        … and its distance from their mean is at least this share of the total of the year.

    Returns
    -------
    tuple of Finding
        Each with the cell and its two neighbours as evidence. The first and the last year have one neighbour only and are
        not judged.

    Examples
    --------
    >>> coal = [[0.70, 10.0], [21.79, 10.5], [0.81, 11.0]]
    >>> [finding.sentence for finding in find_wrong_cells([2002, 2003, 2004], coal, ["建筑业原煤", "其他"])]
    ['建筑业原煤：2003年为21.79，前后两年为0.7和0.81，疑为录入错误']
    """
    time = np.asarray(years, dtype=np.float64)
    amount = _parts(time, parts, names)
    if len(time) < 3:
        return ()
    before, cell, after = amount[:-2], amount[1:-1], amount[2:]
    high = (cell > factor * np.maximum(before, after)) & (np.minimum(before, after) > 0)
    low = (cell * factor < np.minimum(before, after)) & (cell > 0)
    total = np.maximum(amount[1:-1].sum(axis=1, keepdims=True), _LEAST_SCALE)
    heavy = np.abs(cell - (before + after) / 2) >= share * total
    return tuple(
        Finding(
            name="series.cell.suspect",
            sentence=f"{names[part]}：{time[at + 1]:.0f}年为{cell[at, part]:.4g}，"
            f"前后两年为{before[at, part]:.4g}和{after[at, part]:.4g}，疑为录入错误",
            severity=Severity.WARNING,
            value=f"{cell[at, part]:g}",
            next_step="对照原始表核实；确认有误时在适配表的 quarantine 中按单元格停用",
            evidence={
                "year": int(time[at + 1]),
                "before": float(before[at, part]),
                "after": float(after[at, part]),
                "share_of_total": round(float(cell[at, part] / total[at, 0]), 4),
            },
        )
        for at, part in np.argwhere((high | low) & heavy)
    )


def shared_breaks(breaks: Mapping[str, Sequence[Break]], *, chance: float = 0.01) -> dict[int, tuple[str, ...]]:
    """Return the years in which more places break than independent breaks would explain, with their places.

    Parameters
    ----------
    breaks : mapping from place to its breaks
    chance : float
        Largest probability, over all the years together, that as many places break in one year by chance.

    Notes
    -----
    Binomial, with the rate of the other years.

    Examples
    --------
    >>> shift = Break(2005, "level_shift", 0.4, 9.0, 4.0)
    >>> single = Break(2011, "level_shift", 0.4, 9.0, 4.0)
    >>> shared_breaks({"a": [shift], "b": [shift], "c": [shift], "d": [shift], "e": [single], "f": [], "g": [], "h": []})
    {2005: ('a', 'b', 'c', 'd')}
    """
    counts = Counter(year for found in breaks.values() for year in {one.year for one in found})
    if not counts:
        return {}
    span = max(counts) - min(counts) + 1
    known = {place: {one.year for one in found} for place, found in breaks.items()}
    shared = {}
    for year, count in sorted(counts.items()):
        rate = max((sum(counts.values()) - count) / max(span - 1, 1), _LEAST_RATE) / len(breaks)
        if count > 1 and float(bdtrc(count - 1, len(breaks), min(rate, 1.0))) < chance / span:
            shared[year] = tuple(place for place, own in known.items() if year in own)
    return shared


def _parts(years: Array, parts: ArrayLike, names: Sequence[str]) -> Array:
    amount = np.asarray(parts, dtype=np.float64)
    if amount.shape != (len(years), len(names)) or not bool(np.all(np.isfinite(amount) & (amount >= 0))):
        raise InputError(
            f"parts of shape {amount.shape} for {len(years)} years and {len(names)} names, or a negative or missing value",
            doing="look for breaks among the parts of a total",
            expected="one finite value, zero or above, a year and part",
            next_step="leave out years of which a part is missing",
        )
    if bool(np.any(np.diff(years) <= 0)):
        raise InputError(
            "years are not rising",
            doing="look for breaks among the parts of a total",
            expected="each year once, in order",
            next_step="sort the table by year",
        )
    return amount
