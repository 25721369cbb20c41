"""What is asked of a least-cost programme, and the bounds and names that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.pathways.portfolio_blocks import Blocks, Layout
from dafeng.pathways.portfolio_problem import ConditionKind, PortfolioProblem

__all__ = ["NamedRow", "PortfolioRequest", "RowBounds", "money", "row_bounds", "tonnes", "tonnes_up"]

Floats = NDArray[np.float64]
INF: Final = np.inf


@dataclass(frozen=True)
class PortfolioRequest:
    """What the cheapest portfolio has to keep beside the problem's own conditions.

    Attributes
    ----------
    view : str
        View whose emissions are bounded.
    peak_by : int, optional
        No later year is above the year `anchor`.
    anchor : int or None
        Year that later ones are measured against; `peak_by` where None. An anchor before `peak_by` is also a peak by then: the years
        after `peak_by` stay below it. `dafeng.pathways.portfolio_front.cheapest_anchor` tries all.
    level : float or Mapping of str to float, optional, tCO2
        No year is above it; by place where conditions are for each.
    peak_slack : float, tCO2
        By so much later years may be above it.
    level_from : int, optional
        First year to which the level applies; all where None.
    place : str or None
        None is the sum of the places, `each` every place by itself, else the place.
    budgets : Mapping of int or None to float, CNY
        Undiscounted spending in a year at most; None is the total.
    prices : Mapping of int to float, CNY/tCO2
        Carbon price by year, at the value of that year; discounted with `discount_rate`. Years not named carry none.
    discount_rate : float, optional
        With which the problem's costs are discounted, a year; needed for `prices` and to restate the dual at the value of its year.
    discount_to : int, optional
        Year to which they are discounted; the first of the problem where None.
    without : frozenset of str
        Conditions left out, by name.

    Examples
    --------
    >>> PortfolioRequest("whole_field", peak_by=2030, level=4.2e7).anchor is None
    True
    """

    view: str
    peak_by: int | None = None
    level: float | Mapping[str, float] | None = None
    place: str | None = None
    budgets: Mapping[int | None, float] = field(default_factory=dict)
    prices: Mapping[int, float] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    anchor: int | None = None
    peak_slack: float = 0.0
    level_from: int | None = None
    discount_rate: float | None = None
    discount_to: int | None = None


@dataclass(frozen=True)
class NamedRow:
    """A row that people know by name, with the bounds it has under the request."""

    name: str
    kind: ConditionKind
    says: str
    unit: str
    row: int
    lower: float
    upper: float


@dataclass(frozen=True)
class RowBounds:
    """Bounds of all rows under a request, the named rows among them, and the cost of emissions."""

    lower: Floats
    upper: Floats
    named: tuple[NamedRow, ...]
    price: Floats
    """Discounted carbon price by year, CNY/tCO2, shape (T,)."""


def tonnes(value: float) -> str:
    """Say an emission in Chinese.

    Examples
    --------
    >>> tonnes(42_310_000), tonnes(3_250.0), tonnes(12.5)
    ('4,231.0万吨', '0.325万吨', '12.5吨')
    """
    if abs(value) >= 1e6:
        return f"{value / 1e4:,.1f}万吨"
    return f"{value / 1e4:.3g}万吨" if abs(value) >= 1e3 else f"{value:.3g}吨"


def tonnes_up(value: float) -> str:
    """Say an emission, rounded up to 0.1 万吨 where it is large, so that the bound said is enough.

    Examples
    --------
    >>> tonnes_up(16_700_100.0)
    '1,670.1万吨'
    """
    return tonnes(math.ceil(value / 1e3 - 1e-9) * 1e3 if value >= 1e6 else value * (1 + 5e-3))


def money(value: float) -> str:
    """Say an amount of money in Chinese.

    Examples
    --------
    >>> money(3.2e8), money(45_000), money(12)
    ('3.20亿元', '4.5万元', '12元')
    """
    if abs(value) >= 1e8:
        return f"{value / 1e8:,.2f}亿元"
    return f"{value / 1e4:,.1f}万元" if abs(value) >= 1e4 else f"{value:,.4g}元"


def row_bounds(problem: PortfolioProblem, blocks: Blocks, request: PortfolioRequest) -> RowBounds:
    """Return the bounds of rows under a request.

    Parameters
    ----------
    problem : PortfolioProblem
    blocks : Blocks
        Built for the request's view and place, with rows for its budgets.
    request : PortfolioRequest

    Raises
    ------
    InputError
        A year outside the problem, a level for a place that has none, a budget without a row, or prices without a discount rate.
    UnknownNameError
        A condition left out that is not there.
    """
    lower, upper = blocks.row_lower.copy(), blocks.row_upper.copy()
    named = [
        *_peak(problem, blocks.layout, request, upper),
        *_level(problem, blocks.layout, request, upper),
        *_budgets(problem, blocks.layout, request, upper),
        *_own(problem, blocks.layout, lower, upper),
    ]
    known = {one.name for one in named}
    for name in request.without:
        if name not in known:
            raise UnknownNameError(
                f"no condition {name!r} to leave out",
                doing="set up the least-cost programme",
                expected="one of " + ", ".join(close_names(name, known) or sorted(known)[:5]),
                next_step="name conditions as the answer does",
            )
    for one in named:
        if one.name in request.without:
            lower[one.row], upper[one.row] = -INF, INF
    kept = tuple(one for one in named if one.name not in request.without)
    return RowBounds(lower, upper, kept, _prices(problem, request))


def year_at(problem: PortfolioProblem, year: int, what: str) -> int:
    """Return the row of a year, or refuse."""
    at = year - int(problem.years[0])
    if not 0 <= at < len(problem.years):
        raise InputError(
            f"{what} {year} is outside the years of the problem",
            doing="set up the least-cost programme",
            expected=f"a year of {problem.years[0]}-{problem.years[-1]}",
            next_step="name another year or lengthen the problem",
        )
    return at


def _prefix(layout: Layout, problem: PortfolioProblem, group: int) -> tuple[str, str]:
    """Return what a group adds to a name and to a sentence."""
    return ("", "") if layout.groups == ("sum",) else (f"{layout.groups[group]}.", layout.groups[group])


def _peak(problem: PortfolioProblem, layout: Layout, request: PortfolioRequest, upper: Floats) -> Iterator[NamedRow]:
    if request.peak_by is None:
        return
    after = year_at(problem, request.peak_by, "peak year")
    anchor = after if request.anchor is None else year_at(problem, request.anchor, "anchor")
    if anchor > after:
        raise InputError(
            f"years are measured against {request.anchor}, after the peak year {request.peak_by}",
            doing="set up the least-cost programme",
            expected=f"a year up to {request.peak_by}",
            next_step="leave the anchor out",
        )
    years = problem.low.shape[2]
    against = int(problem.years[anchor])
    for group in range(len(layout.groups)):
        name, where = _prefix(layout, problem, group)
        upper[layout.rows["anchor"].start + group * years + anchor] = 0.0
        for at in range(after + 1, years):
            row = layout.rows["peak"].start + group * years + at
            upper[row] = request.peak_slack
            year = int(problem.years[at])
            says = f"{where}{year}年排放不高于{against}年"
            yield NamedRow(f"peak.{name}{year}", ConditionKind.PEAK, says, "tCO2", row, -INF, request.peak_slack)


def _level(problem: PortfolioProblem, layout: Layout, request: PortfolioRequest, upper: Floats) -> Iterator[NamedRow]:
    if request.level is None:
        return
    years = problem.low.shape[2]
    first = 0 if request.level_from is None else year_at(problem, request.level_from, "first year of the level")
    for group, place in enumerate(layout.groups):
        level = request.level.get(place) if isinstance(request.level, Mapping) else request.level
        if level is None:
            raise InputError(
                f"no level for {place}",
                doing="set up the least-cost programme",
                expected="a level for every group of the conditions, infinite where there is none",
                next_step="name one",
            )
        name, where = _prefix(layout, problem, group)
        for at in range(first, years):
            row = layout.rows["level"].start + group * years + at
            upper[row] = level
            year = int(problem.years[at])
            says = f"{where}{year}年排放不高于{tonnes(level)}"
            yield NamedRow(f"level.{name}{year}", ConditionKind.LEVEL, says, "tCO2", row, -INF, float(level))


def _budgets(problem: PortfolioProblem, layout: Layout, request: PortfolioRequest, upper: Floats) -> Iterator[NamedRow]:
    for year, limit in request.budgets.items():
        if year not in layout.budget_years:
            raise InputError(
                f"the programme was built without a budget of {year or 'all years'}",
                doing="change the request of a kept programme",
                expected="a budget for each of the years it was built with",
                next_step="build it with that budget, infinite where it is open",
            )
        row = layout.rows["budget"].start + layout.budget_years.index(year)
        upper[row] = limit + _there_anyway(problem, year)
        says = f"{'规划期内' if year is None else f'{year}年'}投资不超过{money(limit)}"
        yield NamedRow(
            f"budget.{'total' if year is None else year}", ConditionKind.BUDGET, says, "CNY", row, -INF, limit
        )


def _there_anyway(problem: PortfolioProblem, year: int | None) -> float:
    """Return the spending of levels from which costs and budgets count."""
    if problem.zero is None:
        return 0.0
    spend = problem.spend.sum(axis=3) if year is None else problem.spend[..., year - int(problem.years[0])]
    return float((spend * problem.zero).sum())


def _own(problem: PortfolioProblem, layout: Layout, lower: Floats, upper: Floats) -> Iterator[NamedRow]:
    for at, one in enumerate(problem.conditions):
        row = layout.rows["named"].start + at
        lower[row], upper[row] = one.lower, one.upper
        yield NamedRow(one.name, one.kind, one.says, one.unit, row, one.lower, one.upper)


def _prices(problem: PortfolioProblem, request: PortfolioRequest) -> Floats:
    prices = np.zeros(len(problem.years))
    for year, price in request.prices.items():
        prices[year_at(problem, year, "carbon price of")] = price
    if not request.prices:
        return prices
    if request.discount_rate is None:
        raise InputError(
            "a carbon price without a discount rate",
            doing="set up the least-cost programme",
            expected="the rate with which the problem's costs are discounted",
            next_step="name it",
        )
    return prices / discount_growth(problem, request.discount_rate, request.discount_to)


def discount_growth(problem: PortfolioProblem, rate: float, to: int | None) -> Floats:
    """Return `(1 + rate)^(year - discounted to)`, shape (T,)."""
    return np.asarray((1 + rate) ** (problem.years - (int(problem.years[0]) if to is None else to)), dtype=np.float64)
