"""The least-cost programme as arrays: columns, rows and bounds, built whole, with the names of the rows that people can relax.

Columns: levels (place, measure, year), emissions (group, year), the height of the peak (group), and on-off decisions where measures have
steps or exclude one another. A group is what an emission condition speaks of: the sum of the places, one place, or each.

======== ============================================================== =========================
rows     meaning                                                        changed by
======== ============================================================== =========================
emission emission of a group and year less effects = base              nothing
peak     emission of the year less the height of the peak <= 0          year of the peak
anchor   height of the peak less emission of the year <= 0              year measured against
level    emission of the year <= level                                  level
budget   spending in the year, or in all                                budget
named    the problem's own conditions                                   conditions left out
ramp     rise of a level in a year                                      nothing
logic    on-off decisions                                               nothing
======== ============================================================== =========================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dafeng.base.errors import InputError
from dafeng.pathways.portfolio_problem import PortfolioProblem

__all__ = ["Blocks", "Layout", "Matrix", "build_blocks", "reachable"]

Floats = NDArray[np.float64]
Matrix = sparse.csr_array[Any, Any]
INF: Final = np.inf


@dataclass(frozen=True)
class Layout:
    """Where columns and rows stand.

    Attributes
    ----------
    shape : (int, int, int)
        Places, measures, years.
    groups : tuple of str
        What emission conditions speak of: a place, or `sum`.
    group_of : int array (P,)
        Group of each place, -1 where it is in none.
    columns, rows : Mapping of str to slice
        Blocks by name.
    budget_years : tuple of int or None
        Years of the budget rows; None is the total.
    """

    shape: tuple[int, int, int]
    groups: tuple[str, ...]
    group_of: NDArray[np.intp]
    columns: Mapping[str, slice]
    rows: Mapping[str, slice]
    budget_years: tuple[int | None, ...]

    def levels(self, values: Floats) -> Floats:
        """Return the levels among the values of all columns, shape (P, M, T)."""
        return values[self.columns["levels"]].reshape(self.shape)

    def by_group(self, values: Floats, block: str) -> Floats:
        """Return a block of rows or of emissions, shape (G, T)."""
        where = self.rows[block] if block in self.rows else self.columns[block]
        return values[where].reshape(len(self.groups), self.shape[2])


@dataclass(frozen=True)
class Blocks:
    """A programme: least `cost · (x - zero)` with bounds of rows and columns.

    Attributes
    ----------
    layout : Layout
    matrix : sparse array (rows, columns)
    row_lower, row_upper : float array (rows,)
    column_lower, column_upper, cost : float array (columns,)
    width : float array (columns,)
        How large a column is: its range, or the size of what it stands for; residuals are relative to it.
    zero : float array (columns,)
        What is there anyway: the cost counts from it, `cost · (x - zero)`.
    whole : bool array (columns,)
        Decisions that are 0 or 1.
    """

    layout: Layout
    matrix: Matrix
    row_lower: Floats
    row_upper: Floats
    column_lower: Floats
    column_upper: Floats
    cost: Floats
    width: Floats
    zero: Floats
    whole: NDArray[np.bool_]

    @property
    def offset(self) -> float:
        """What the cost of `x` alone counts too much, with its sign turned."""
        return -float(self.cost @ self.zero)

    def sizes(self) -> Floats:
        """Return the size of each row: the largest of its terms at full width, or its bound."""
        terms = abs(self.matrix @ sparse.diags_array(self.width)).max(axis=1).toarray().ravel()
        bounds = np.maximum(_finite(self.row_lower), _finite(self.row_upper))
        sized = np.maximum(terms, bounds)
        return np.where(sized > 0, sized, 1.0)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), np.abs(values), 0.0)


def reachable(problem: PortfolioProblem) -> tuple[Floats, Floats]:
    """Return the least and greatest level that bounds, ramps and lasting levels leave, by place, measure and year.

    Returns
    -------
    low, high : float array (P, M, T)
        Where low is above high nothing is left.

    Examples
    --------
    A level that may rise by 1 a year from 0 cannot be 3 in the second year, whatever its bound.

    >>> from dafeng.pathways.portfolio_problem import PortfolioProblem
    >>> zeros = np.zeros((1, 1, 2))
    >>> problem = PortfolioProblem(places=("a",), measures=("m",), years=np.array([2026, 2027]), views=("v",),
    ...     base=np.ones((1, 1, 2)), effect=np.zeros((1, 1, 1, 2, 2)), reference=zeros, low=zeros, high=zeros + 3,
    ...     ramp=np.ones((1, 1)), before=np.zeros((1, 1)), durable=np.array([True]), cost=zeros, spend=np.zeros((1, 1, 2, 2)))
    >>> reachable(problem)[1].ravel()
    array([1., 2.])
    """
    low, high = problem.low.copy(), problem.high.copy()
    lasting = problem.durable[None, :]
    before_low = before_high = problem.before
    for at in range(low.shape[2]):
        low[:, :, at] = np.where(lasting, np.maximum(low[:, :, at], before_low), low[:, :, at])
        high[:, :, at] = np.minimum(high[:, :, at], before_high + problem.ramp)
        before_low, before_high = low[:, :, at], high[:, :, at]
    for at in range(low.shape[2] - 2, -1, -1):
        high[:, :, at] = np.where(lasting, np.minimum(high[:, :, at], high[:, :, at + 1]), high[:, :, at])
        low[:, :, at] = np.maximum(low[:, :, at], low[:, :, at + 1] - problem.ramp)
    return low, high


class _Rows:
    """Gathers blocks of rows as coordinate arrays."""

    def __init__(self) -> None:
        self.slices: dict[str, slice] = {}
        self.count = 0
        self.triples: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]] = []
        self.bounds: list[tuple[Floats, Floats]] = []

    def add(
        self,
        name: str,
        lower: Floats,
        upper: Floats,
        *parts: tuple[NDArray[Any], NDArray[Any], Floats | float],
    ) -> None:
        for rows, columns, values in parts:
            spread = np.broadcast_arrays(np.asarray(rows), np.asarray(columns), np.asarray(values, dtype=np.float64))
            row, column, value = (one.ravel() for one in spread)
            self.triples.append((row.astype(np.int64) + self.count, column.astype(np.int64), value))
        begun = self.slices[name].start if name in self.slices else self.count
        self.count += len(lower)
        self.slices[name] = slice(begun, self.count)
        self.bounds.append((lower, upper))

    def matrix(self, columns: int) -> Matrix:
        rows, cols, values = (np.concatenate(one) for one in zip(*self.triples, strict=True))
        found = sparse.csr_array(sparse.coo_array((values, (rows, cols)), shape=(self.count, columns)))
        found.eliminate_zeros()
        return found


def _layout(problem: PortfolioProblem, place: str | None) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    count = len(problem.places)
    if place is None:
        return ("sum",), np.zeros(count, dtype=np.intp)
    if place == "each":
        return problem.places, np.arange(count, dtype=np.intp)
    if place not in problem.places:
        raise InputError(
            f"no place {place!r} in the problem",
            doing="set up the least-cost programme",
            expected=f"None (the sum), 'each', or one of {', '.join(problem.places)}",
            next_step="name a place of the problem",
        )
    return (place,), np.where(np.arange(count) == problem.places.index(place), 0, -1).astype(np.intp)


def build_blocks(
    problem: PortfolioProblem, view: str, place: str | None, budget_years: Sequence[int | None] = ()
) -> Blocks:
    """Build columns and rows with the bounds that no request changes; what a request asks is left open.

    Parameters
    ----------
    problem : PortfolioProblem
    view : str
        View whose emissions are bounded.
    place : str or None
        None is the sum of the places, `each` every place by itself.
    budget_years : sequence of int or None
        Years that get a budget row; None is the total.

    Raises
    ------
    InputError
        Unknown view or place, a budget year outside the problem, or a decision about a measure without an upper bound.
    """
    if view not in problem.views:
        raise InputError(
            f"no view {view!r} in the problem",
            doing="set up the least-cost programme",
            expected=f"one of {', '.join(problem.views)}",
            next_step="name a view of the problem",
        )
    groups, group_of = _layout(problem, place)
    shape = (places, measures, years) = problem.low.shape
    level_of = np.arange(places * measures * years).reshape(shape)
    count, height = level_of.size, len(groups) * years
    at = problem.views.index(view)
    taken = sorted({*problem.steps, *(one for pair in problem.exclusive for one in pair)})
    yearly = [row for row in problem.steps if not problem.durable[row]]
    columns = _stack(
        levels=count,
        emissions=height,
        heights=len(groups),
        taken=places * len(taken),
        yearly=places * len(yearly) * years,
    )
    total = columns["yearly"].stop
    rows = _Rows()
    held = group_of >= 0

    base = np.zeros((len(groups), years))
    own = problem.base[at] - np.einsum("pmst,pms->pt", problem.effect[at], problem.reference)
    np.add.at(base, group_of[held], own[held])
    place_, measure_, year_, when = np.nonzero(np.where(held[:, None, None, None], problem.effect[at], 0.0))
    emission = np.arange(height)
    rows.add(
        "emission",
        base.ravel(),
        base.ravel(),
        (
            group_of[place_] * years + when,
            level_of[place_, measure_, year_],
            -problem.effect[at][place_, measure_, year_, when],
        ),
        (emission, columns["emissions"].start + emission, 1.0),
    )
    heights = columns["heights"].start + emission // years
    open_low, open_high = np.full(height, -INF), np.full(height, INF)
    each_emission = columns["emissions"].start + emission
    rows.add("peak", open_low, open_high, (emission, each_emission, 1.0), (emission, heights, -1.0))
    rows.add("anchor", open_low, open_high, (emission, each_emission, -1.0), (emission, heights, 1.0))
    rows.add("level", open_low, open_high, (emission, each_emission, 1.0))
    _budget_rows(rows, problem, budget_years, level_of)
    _named_rows(rows, problem, level_of)
    _ramp_rows(rows, problem, level_of)
    _logic_rows(rows, problem, level_of, columns, taken, yearly)

    lower, upper, width, cost = np.full(total, -INF), np.full(total, INF), np.ones(total), np.zeros(total)
    lower[:count], upper[:count], cost[:count] = problem.low.ravel(), problem.high.ravel(), problem.cost.ravel()
    low, high = (np.where(np.isfinite(one), one, 0.0) for one in reachable(problem))
    span = np.maximum(high, np.abs(low)).ravel()
    width[:count] = np.where(span > 0, span, 1.0)
    width[count : columns["heights"].stop] = max(1.0, float(np.abs(base).max()), float(np.abs(problem.base[at]).max()))
    zero = np.zeros(total)
    zero[:count] = 0.0 if problem.zero is None else problem.zero.ravel()
    lower[columns["taken"].start :], upper[columns["taken"].start :] = 0.0, 1.0
    return Blocks(
        layout=Layout(shape, groups, group_of, columns, rows.slices, tuple(budget_years)),
        matrix=rows.matrix(total),
        row_lower=np.concatenate([one for one, _ in rows.bounds]),
        row_upper=np.concatenate([one for _, one in rows.bounds]),
        column_lower=lower,
        column_upper=upper,
        cost=cost,
        width=width,
        zero=zero,
        whole=np.arange(total) >= columns["taken"].start,
    )


def _stack(**sizes: int) -> dict[str, slice]:
    ends = np.cumsum([0, *sizes.values()])
    return {name: slice(int(ends[row]), int(ends[row + 1])) for row, name in enumerate(sizes)}


def _budget_rows(
    rows: _Rows, problem: PortfolioProblem, wanted: Sequence[int | None], level_of: NDArray[np.int64]
) -> None:
    first, last = int(problem.years[0]), int(problem.years[-1])
    rows.slices["budget"] = slice(rows.count, rows.count)
    for year in wanted:
        if year is not None and not first <= year <= last:
            raise InputError(
                f"a budget of {year}, outside the years of the problem",
                doing="set up the least-cost programme",
                expected=f"a year of {first}-{last}, or None for the total",
                next_step="leave the budget out or lengthen the problem",
            )
        spend = problem.spend.sum(axis=3) if year is None else problem.spend[..., year - first]
        where = np.nonzero(spend)
        rows.add(
            "budget", np.full(1, -INF), np.full(1, INF), (np.zeros(1, dtype=np.int64), level_of[where], spend[where])
        )


def _named_rows(rows: _Rows, problem: PortfolioProblem, level_of: NDArray[np.int64]) -> None:
    count = len(problem.conditions)
    rows.add(
        "named",
        np.full(count, -INF),
        np.full(count, INF),
        *(
            (np.full(1, row), level_of[one.places, one.measures, one.years], one.coefficients)
            for row, one in enumerate(problem.conditions)
        ),
    )


def _ramp_rows(rows: _Rows, problem: PortfolioProblem, level_of: NDArray[np.int64]) -> None:
    """`before` stands in for the year before the first; rows open on both sides are left out."""
    lasting = np.where(problem.durable, 0.0, -INF)[None, :]
    lower = np.broadcast_to(lasting, problem.ramp.shape)
    wanted = np.isfinite(lower) | np.isfinite(problem.ramp)
    place, measure = np.nonzero(wanted)
    years = problem.low.shape[2]
    columns = level_of[place, measure]
    low = np.repeat(lower[place, measure][:, None], years, axis=1)
    high = np.repeat(problem.ramp[place, measure][:, None], years, axis=1)
    low[:, 0] += problem.before[place, measure]
    high[:, 0] += problem.before[place, measure]
    row = np.arange(columns.size).reshape(columns.shape)
    rows.add(
        "ramp",
        low.ravel(),
        high.ravel(),
        (row, columns, 1.0),
        (row[:, 1:], columns[:, :-1], -1.0),
    )


def _logic_rows(
    rows: _Rows,
    problem: PortfolioProblem,
    level_of: NDArray[np.int64],
    columns: Mapping[str, slice],
    taken: Sequence[int],
    yearly: Sequence[int],
) -> None:
    """Add decisions: a lasting measure with a step ends at least there, a yearly one is 0 or at least so much in each year."""
    rows.slices["logic"] = slice(rows.count, rows.count)
    if not taken:
        return
    places, _, years = problem.low.shape
    reach_low, reach_high = reachable(problem)
    high = np.where(np.isfinite(problem.high), problem.high, reach_high)
    low = np.where(np.isfinite(problem.low), problem.low, reach_low)
    if not np.isfinite(high[:, taken]).all() or not np.isfinite(low[:, taken]).all():
        raise InputError(
            "a measure with a step or an exclusive pair has no bound",
            doing="set up the least-cost programme",
            expected="finite bounds, or a ramp, for "
            + "、".join(problem.measures[row] for row in taken if not np.isfinite(high[:, row]).all()),
            next_step="state what can be done at most",
        )
    decided = columns["taken"].start + np.arange(places * len(taken)).reshape(places, len(taken))
    by_year = columns["yearly"].start + np.arange(places * len(yearly) * years).reshape(places, len(yearly), years)

    def bind(levels: NDArray[np.int64], by: NDArray[np.int64], factor: Floats, *, above: bool) -> None:
        """`level <= factor · decision`, or `>=`."""
        row = np.arange(levels.size).reshape(levels.shape)
        sign = -1.0 if above else 1.0
        rows.add(
            "logic",
            np.full(levels.size, -INF),
            np.zeros(levels.size),
            (row, levels, sign),
            (row, by, -sign * factor),
        )

    chosen = level_of[:, taken]
    bind(chosen, decided[:, :, None], high[:, taken], above=False)
    if (low[:, taken] < 0).any():
        bind(chosen, decided[:, :, None], np.minimum(low[:, taken], 0.0), above=True)
    for row, step in problem.steps.items():
        if problem.durable[row]:
            bind(level_of[:, row, -1], decided[:, taken.index(row)], np.full(places, float(step)), above=True)
        else:
            by = by_year[:, yearly.index(row)]
            bind(level_of[:, row], by, high[:, row], above=False)
            bind(level_of[:, row], by, np.full((places, years), float(step)), above=True)
    for first, second in problem.exclusive:
        both = decided[:, [taken.index(first), taken.index(second)]]
        rows.add("logic", np.full(places, -INF), np.ones(places), (np.arange(places)[:, None], both, 1.0))
