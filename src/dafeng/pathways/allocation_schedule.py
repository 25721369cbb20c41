"""A schedule by year: how a total runs over the years, in whole units that sum to it.

Shapes are exact fractions, so that a schedule does not depend on the machine: *linear* (the same each year), *front* and *back*
(falling and rising by the same step), *s_curve* (increments of 3t² − 2t³), *pace* (from the last known yearly amount by the
same step each year to the total), *given* (weights by year).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Final

from pydantic import Field

from dafeng.base.errors import InputError
from dafeng.base.record import Record
from dafeng.pathways.allocation_rounding import divide_units

__all__ = ["SHAPE_TITLES", "Schedule", "ScheduleShape", "year_units", "year_weights"]


class ScheduleShape(StrEnum):
    """How the yearly amounts run."""

    LINEAR = "linear"
    FRONT = "front"
    BACK = "back"
    S_CURVE = "s_curve"
    PACE = "pace"
    GIVEN = "given"


SHAPE_TITLES: Final = {
    ScheduleShape.LINEAR: "逐年均等",
    ScheduleShape.FRONT: "前重后轻",
    ScheduleShape.BACK: "前轻后重",
    ScheduleShape.S_CURVE: "S形（先慢、后快、再慢）",
    ScheduleShape.PACE: "由现有进度等差推进",
    ScheduleShape.GIVEN: "给定",
}


class Schedule(Record):
    """Years and shape of a schedule."""

    shape: ScheduleShape = ScheduleShape.LINEAR
    """How the yearly amounts run."""
    start: int | None = None
    """First year; the target's own where None."""
    pace: float | None = Field(default=None, ge=0)
    """For pace: amount of the year before the first, in the target's unit."""
    given: dict[int, float] = Field(default_factory=dict)
    """For given: weight by year."""


def year_weights(schedule: Schedule, years: Sequence[int], total: Fraction, pace: Fraction | None) -> list[Fraction]:
    """Return the weights of years, not yet of any sum.

    Parameters
    ----------
    schedule : Schedule
    years : sequence of int
        One or more, rising.
    total : Fraction
        What is run over them, in units.
    pace : Fraction or None
        For the shape pace: units in the year before the first.

    Raises
    ------
    InputError
        The pace is not known or the step would bring a year below zero; or given weights lack a year, are negative or all zero.

    Examples
    --------
    >>> [str(w) for w in year_weights(Schedule(shape="s_curve"), [2026, 2027, 2028], Fraction(9), None)]
    ['7/27', '13/27', '7/27']
    >>> [str(w) for w in year_weights(Schedule(shape="pace"), [2026, 2027, 2028], Fraction(60), Fraction(10))]
    ['15', '20', '25']
    """
    count = len(years)
    match schedule.shape:
        case ScheduleShape.LINEAR:
            return [Fraction(1)] * count
        case ScheduleShape.FRONT:
            return [Fraction(count - place) for place in range(count)]
        case ScheduleShape.BACK:
            return [Fraction(place + 1) for place in range(count)]
        case ScheduleShape.S_CURVE:
            reached = [_smooth(Fraction(place, count)) for place in range(count + 1)]
            return [after - before for before, after in pairwise(reached)]
        case ScheduleShape.PACE:
            return _paced(count, total, pace)
        case _:
            return _given(schedule.given, years)


def _smooth(t: Fraction) -> Fraction:
    return 3 * t * t - 2 * t * t * t


def _paced(count: int, total: Fraction, pace: Fraction | None) -> list[Fraction]:
    if pace is None:
        raise _bad("没有首年前一年的完成量，推不出进度 / the amount of the year before is not known", "--pace 数值")
    step = (total - pace * count) * 2 / (count * (count + 1))
    found = [pace + step * (place + 1) for place in range(count)]
    if found[-1] < 0:
        raise _bad(
            f"按现有进度每年{float(pace):g}单位推进会超过总量，末年成为负数 / the pace overshoots the total",
            "改用 --schedule linear 或 front",
        )
    return found


def _given(given: Mapping[int, float], years: Sequence[int]) -> list[Fraction]:
    missing = [year for year in years if year not in given]
    other = sorted(set(given) - set(years))
    if missing or other or min(given.values(), default=-1.0) < 0 or not any(given.values()):
        shown = "、".join(map(str, missing or other or years))
        raise _bad(
            f"给定的逐年权重缺年、多年、为负或全为零：{shown} / given weights do not fit the years",
            f"{years[0]}—{years[-1]}每年一个非负权重 / one weight a year",
        )
    return [Fraction(given[year]) for year in years]


def _bad(problem: str, expected: str) -> InputError:
    return InputError(
        problem,
        doing="run a total over the years",
        expected=expected,
        next_step="改正进度安排 / mend the schedule",
        name="pathways.allocation.schedule",
    )


def year_units(weights: Sequence[Fraction], years: Sequence[int], total: int) -> list[int]:
    """Return a whole total over the years in whole units, by largest remainder; of equal years the earlier goes first.

    Examples
    --------
    >>> year_units([Fraction(1)] * 4, [2027, 2028, 2029, 2030], 10)
    [3, 3, 2, 2]
    """
    return divide_units(weights, total, names=[f"{year:04d}" for year in years])
