"""Whole units that add up: shares within bounds, and tables of places by years whose rows and columns both sum exactly.

Everything is reckoned in fractions and whole numbers, so that no order of places and no rounding of floats can matter.

What holds, and what does not
-----------------------------
Both rules sum exactly, keep floors and ceilings, and are *monotone in the weight*: of two places with equal bounds the one of
greater weight gets no less; and where only one place's weight rises, its own share does not fall. (Largest remainder: the
others' exact shares only fall; each unit that one of them drops from its whole part is one more unit to give away, so that no
more places can stand before ours than there are units.) Largest remainder stays within one unit of the exact share, but where
the *total* grows a share may fall (the Alabama paradox), and where two weights change the faster-growing place may lose to the
other. The divisor rule (Webster, Sainte-Laguë) is free of both, and may leave the exact share by more than a unit
(Balinski and Young 1982, *Fair Representation*).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError

__all__ = ["RoundingRule", "divide_units", "fill_lines", "round_table", "whole_units", "with_sums"]

_SCALE: Final = 1 << 40
"""Steps into which fractions of a unit are cut where a table is rounded at least squares."""
_FAR: Final = 1 << 60
_HALF: Final = Fraction(1, 2)
_DOING: Final = "divide a target"


class RoundingRule(StrEnum):
    """How exact shares become whole units."""

    LARGEST_REMAINDER = "largest_remainder"
    DIVISOR = "divisor"


def fill_lines(
    intercepts: Sequence[Fraction],
    slopes: Sequence[Fraction],
    total: Fraction,
    floors: Sequence[Fraction | int],
    ceilings: Sequence[Fraction | int | None],
    weights: Sequence[Fraction] | None = None,
) -> list[Fraction]:
    """Return x = clip(a + λ·b, floor, ceiling) with the one level λ at which the weighted sum of x is `total`.

    With a = 0 and b the criterion these are proportional shares within bounds (water-filling); with b = 1 and a the present
    values everyone moves by the same points.

    Parameters
    ----------
    intercepts, slopes : sequence of Fraction, shape (place,)
        a and b; no slope is negative.
    total : Fraction
    floors, ceilings : sequence, shape (place,)
        None where there is no ceiling.
    weights : sequence of Fraction, optional
        Positive; all one where None.

    Raises
    ------
    InputError
        Floors exceed the total, or ceilings (and places whose line does not rise) fall short of it; by how much is said.

    Examples
    --------
    >>> zero, thirds = [Fraction(0)] * 3, [Fraction(1), Fraction(1), Fraction(4)]
    >>> [str(x) for x in fill_lines(zero, thirds, Fraction(12), [0, 3, 0], [None, None, 6])]
    ['3', '3', '6']
    """
    count = len(slopes)
    load = [Fraction(1)] * count if weights is None else list(weights)
    events: list[tuple[Fraction, Fraction, Fraction]] = []
    still = Fraction(0)
    rise = Fraction(0)
    for a, b, low, high, weight in zip(intercepts, slopes, floors, ceilings, load, strict=True):
        if b == 0:
            level = max(a, Fraction(low)) if high is None else min(max(a, Fraction(low)), Fraction(high))
            still += weight * level
            continue
        still += weight * low
        events.append(((Fraction(low) - a) / b, weight * (a - low), weight * b))
        if high is not None:
            events.append(((Fraction(high) - a) / b, weight * (high - a), -weight * b))
    least = still
    if total < least:
        raise _infeasible("floors", least - total, "下限之和超过总量", f"{float(least):.12g}", f"{float(total):.12g}")
    events.sort(key=lambda event: event[0])
    at: Fraction | None = None
    level = Fraction(0)
    for place, shift, slope in events:
        if at is not None and rise > 0 and still + rise * place >= total:
            break
        still, rise, at = still + shift, rise + slope, place
        level = place
    if rise > 0:
        level = (total - still) / rise
    elif still != total and total != least:
        raise _infeasible("ceilings", total - still, "上限之和不足总量", f"{float(still):.12g}", f"{float(total):.12g}")
    if total == least:  # nobody rises above the floor
        level = min((event[0] for event in events), default=Fraction(0))
    found = []
    for a, b, low, high in zip(intercepts, slopes, floors, ceilings, strict=True):
        value = max(a + level * b, Fraction(low))
        found.append(value if high is None else min(value, Fraction(high)))
    return found


def _infeasible(which: str, short: Fraction, words: str, value: str, wanted: str) -> InputError:
    return InputError(
        f"{words}：{value}，总量 {wanted}，差 {float(short):.12g} / the {which} do not allow it",
        doing=_DOING,
        expected="下限之和不大于总量，上限之和不小于总量 / floors at most, ceilings at least the total",
        next_step="放宽上下限，或改总量 / relax the bounds or change the total",
        name=f"pathways.allocation.{which}",
        short=float(short),
    )


def whole_units(
    exact: Sequence[Fraction], total: int, *, weights: Sequence[Fraction], names: Sequence[str]
) -> list[int]:
    """Return exact shares that sum to a whole `total` as whole units by largest remainder.

    Parameters
    ----------
    exact : sequence of Fraction, shape (place,)
    total : int
    weights : sequence of Fraction
        Between equal remainders the greater weight goes first.
    names : sequence of str
        Between equal weights the earlier name.

    Examples
    --------
    >>> whole_units([Fraction(10, 3)] * 3, 10, weights=[Fraction(1)] * 3, names=["b", "a", "c"])
    [3, 4, 3]
    """
    units = [value.__floor__() for value in exact]
    order = sorted(range(len(units)), key=lambda i: (units[i] - exact[i], -weights[i], names[i]))
    for index in order[: total - sum(units)]:
        units[index] += 1
    return units


def divide_units(
    weights: Sequence[Fraction],
    total: int,
    *,
    names: Sequence[str],
    floors: Sequence[int] | None = None,
    ceilings: Sequence[int | None] | None = None,
    rule: RoundingRule = RoundingRule.LARGEST_REMAINDER,
) -> list[int]:
    """Return a whole total divided in proportion to weights, within whole floors and ceilings, summing exactly.

    Parameters
    ----------
    weights : sequence of Fraction, shape (place,)
        Not negative; a place of weight zero gets its floor.
    total : int
    names : sequence of str
        They break ties, so that the order of places does not matter.
    floors, ceilings : sequence of int, optional
        None in `ceilings` for no ceiling.
    rule : RoundingRule
        See the module for what each is monotone in.

    Raises
    ------
    InputError
        The bounds do not allow the total.

    Examples
    --------
    The Alabama paradox in small: an eleventh unit costs C its second, and under the divisor rule it cannot.

    >>> weights = [Fraction(6), Fraction(6), Fraction(2)]
    >>> [divide_units(weights, seats, names="ABC") for seats in (10, 11)]
    [[4, 4, 2], [5, 5, 1]]
    >>> [divide_units(weights, seats, names="ABC", rule=RoundingRule.DIVISOR) for seats in (10, 11)]
    [[5, 4, 1], [5, 5, 1]]
    """
    count = len(weights)
    low = [0] * count if floors is None else list(floors)
    high: list[int | None] = [None] * count if ceilings is None else list(ceilings)
    exact = fill_lines([Fraction(0)] * count, weights, Fraction(total), low, high)
    if rule is RoundingRule.LARGEST_REMAINDER:
        return whole_units(exact, total, weights=weights, names=names)
    units = [
        max(least, (value + _HALF).__floor__() if most is None else min(most, (value + _HALF).__floor__()))
        for value, least, most in zip(exact, low, high, strict=True)
    ]
    while sum(units) < total:
        able = [i for i, most in enumerate(high) if weights[i] > 0 and (most is None or units[i] < most)]
        units[min(able, key=lambda i: (-weights[i] / (2 * units[i] + 1), -weights[i], names[i]))] += 1
    while sum(units) > total:
        able = [i for i in range(count) if units[i] > low[i]]
        ranked = sorted(able, key=lambda i: names[i], reverse=True)
        units[min(ranked, key=lambda i: (weights[i] / (2 * units[i] - 1), weights[i]))] -= 1
    return units


def with_sums(table: Sequence[Sequence[Fraction]], rows: Sequence[int]) -> list[list[Fraction]]:
    """Return a table whose columns sum as before and whose rows sum to given whole sums, none of its cells negative.

    What a row lacks is spread as the columns are; where that would bring a cell below zero, the table is drawn, as little as
    need be, towards the one in which every row runs as the columns do.

    Parameters
    ----------
    table : sequence of sequence of Fraction, shape (row, column)
        Not negative.
    rows : sequence of int, shape (row,)
        They sum to the whole table.

    Examples
    --------
    >>> moved = with_sums([[Fraction(1, 2), Fraction(1)], [Fraction(3, 2), Fraction(1)]], [2, 2])
    >>> [[str(cell) for cell in row] for row in moved]
    [['3/4', '5/4'], ['5/4', '3/4']]
    """
    columns = [sum(column, Fraction(0)) for column in zip(*table, strict=True)]
    total = sum(columns, Fraction(0))
    if total == 0:
        return [list(row) for row in table]
    moved = [
        [cell + (most - sum(row, Fraction(0))) * column / total for cell, column in zip(row, columns, strict=True)]
        for row, most in zip(table, rows, strict=True)
    ]
    plain = [[most * column / total for column in columns] for most in rows]
    draw = Fraction(0)
    for row, even in zip(moved, plain, strict=True):
        for cell, level in zip(row, even, strict=True):
            if cell < 0:
                draw = max(draw, -cell / (level - cell))
    return [
        [cell + draw * (level - cell) for cell, level in zip(row, even, strict=True)]
        for row, even in zip(moved, plain, strict=True)
    ]


def round_table(table: Sequence[Sequence[Fraction]]) -> NDArray[np.int64]:
    """Return a table of whole rows and columns in whole cells: each its whole part or one more, at least squared distance.

    Rows and columns keep their sums exactly (controlled rounding; such a table always exists, Bacharach 1966, Cox 1987). It is
    a flow of least cost through rows and columns, found by shortest augmenting paths; equal costs go to the earlier row, so
    that callers hand over rows in a fixed order.

    Parameters
    ----------
    table : sequence of sequence of Fraction, shape (row, column)
        Not negative; every row and every column sums to a whole number.

    Returns
    -------
    array of int, shape (row, column)

    Raises
    ------
    InputError
        A row or a column does not sum to a whole number.

    Examples
    --------
    >>> third = [[Fraction(1, 3)] * 3] * 3
    >>> round_table(third).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    rows = [sum(row, Fraction(0)) for row in table]
    columns = [sum(column, Fraction(0)) for column in zip(*table, strict=True)]
    odd = next((line for line in (*rows, *columns) if line.denominator != 1), None)
    if odd is not None:
        raise InputError(
            f"a row or column sums to {float(odd):.12g}",
            doing="round a table",
            expected="whole sums of rows and columns",
            next_step="bring the table to whole sums first",
            name="pathways.allocation.table-sums",
        )
    whole: NDArray[np.int64] = np.array([[cell.__floor__() for cell in row] for row in table], dtype=np.int64)
    part = np.array([[int((cell - cell.__floor__()) * _SCALE) for cell in row] for row in table], dtype=np.int64)
    open_cells = np.array([[cell.denominator != 1 for cell in row] for row in table])
    missing_rows = np.array([int(line) for line in rows]) - whole.sum(axis=1)
    missing_columns = np.array([int(line) for line in columns]) - whole.sum(axis=0)
    raised = np.zeros(whole.shape, dtype=bool)
    while missing_rows.sum() > 0:
        steps = _cheapest(raised, part, open_cells, missing_rows > 0, missing_columns > 0)
        for row, column, up in steps:
            raised[row, column] = up
        missing_rows[steps[0][0]] -= 1
        missing_columns[steps[-1][1]] -= 1
    found: NDArray[np.int64] = whole + raised
    return found


def _cheapest(
    raised: NDArray[np.bool_],
    part: NDArray[np.int64],
    open_cells: NDArray[np.bool_],
    from_rows: NDArray[np.bool_],
    into_columns: NDArray[np.bool_],
) -> list[tuple[int, int, bool]]:
    """Return the cheapest way for one unit from a row that lacks one to a column that lacks one: cells to raise and lower."""
    up = np.where(open_cells & ~raised, _SCALE - 2 * part, _FAR)
    down = np.where(raised, 2 * part - _SCALE, _FAR)
    count, width = raised.shape
    to_rows = np.where(from_rows, 0, _FAR).astype(np.int64)
    to_columns = np.full(width, _FAR, dtype=np.int64)
    before_row = np.full(count, -1)
    before_column = np.full(width, -1)
    for _ in range(count + width + 1):
        through = np.where((to_rows[:, None] < _FAR) & (up < _FAR), to_rows[:, None] + up, _FAR)
        nearest = through.min(axis=0)
        before_column = np.where(nearest < to_columns, through.argmin(axis=0), before_column)
        to_columns = np.minimum(nearest, to_columns)
        back = np.where((to_columns[None, :] < _FAR) & (down < _FAR), to_columns[None, :] + down, _FAR)
        better = back.min(axis=1)
        changed = better < to_rows
        if not changed.any():
            break
        before_row = np.where(changed, back.argmin(axis=1), before_row)
        to_rows = np.minimum(better, to_rows)
    column = int(np.where(into_columns, to_columns, _FAR).argmin())
    steps: list[tuple[int, int, bool]] = []
    while True:
        row = int(before_column[column])
        steps.append((row, column, True))
        if before_row[row] < 0:
            return steps[::-1]
        column = int(before_row[row])
        steps.append((row, column, False))
