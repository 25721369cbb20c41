"""Marginal abatement cost curves: each measure by itself, and each on top of those before it, in the order of its cost there.

By itself a measure is measured against the scenario beneath. On a curve with interactions it is measured on top of the cheaper ones, by
runs of the model; that changes its cost, so that the order is worked out again until it stays. An order that comes back is a circle, and
is named. Measures without a cost, and those that do not lower emissions in the year, have no place on a curve and stand apart by name.
A negative cost a tonne says that money is saved; among such measures the size of the number says nothing about which is better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.schemas import Grade
from dafeng.pathways.outcome import VIEWS
from dafeng.pathways.portfolio_costs import Costs, grade_sentence, measure_costs
from dafeng.pathways.portfolio_effects import Effects, linearise, measured
from dafeng.pathways.portfolio_levels import Choices
from dafeng.pathways.portfolio_prices import cost_settings, price_table
from dafeng.pathways.portfolio_problem import UncostedMeasure

__all__ = ["CostCurve", "CurveOrder", "CurveStep", "cost_curve", "full_levels", "order_by_cost"]

Floats = NDArray[np.float64]
Totals = tuple[float, float]
"""Cost and abatement of a set of measures that act together."""

_MOST_ROUNDS: Final = 25
_PURCHASED: Final = ("purchased_electricity", "purchased_heat")
_LEAST: Final = 1e-9
_EQUAL: Final = 1e-6
"""Unit costs no further apart than this share of them are the same."""


@dataclass(frozen=True)
class CurveOrder:
    """An order of measures in which each costs more a tonne than those before it, as far as there is one.

    Attributes
    ----------
    order : tuple of int
        Measures with abatement on top of those before them.
    cost, abatement : float array (N,)
        What each adds.
    apart : tuple of int
        Measures that add no abatement where they would stand.
    circle : tuple of int
        Measures that keep changing places; empty where the order stays.
    rounds : int
    """

    order: tuple[int, ...]
    cost: Floats
    abatement: Floats
    apart: tuple[int, ...]
    circle: tuple[int, ...]
    rounds: int


@dataclass(frozen=True)
class CurveStep:
    """A measure on a curve.

    Attributes
    ----------
    measure, title : str
    abatement : float
        In the year, tCO2.
    cumulative : float
        Over the years of the choice up to the horizon, tCO2.
    annual_cost : float
        In the year, by equal annual cost, CNY.
    present_cost : float
        Net, discounted over all years, CNY.
    unit_cost : float
        `annual_cost / abatement`, CNY/t.
    unit_cost_over_years : float
        Present cost over cumulative abatement, which is not discounted, CNY/t; NaN where emissions rise over the years.
    grade : Grade or None
    """

    measure: str
    title: str
    abatement: float
    cumulative: float
    annual_cost: float
    present_cost: float
    unit_cost: float
    unit_cost_over_years: float
    grade: Grade | None


@dataclass(frozen=True)
class CostCurve:
    """Curves of a place in a year.

    Attributes
    ----------
    place, view : str
    year : int
    alone : tuple of CurveStep
        Each by itself, by unit cost.
    together : tuple of CurveStep
        Each on top of those before it.
    not_abating : tuple of str
        Measures that do not lower the view in the year, by themselves or where they would stand.
    uncosted : tuple of UncostedMeasure
    joint : float
        Abatement of all on the curve together in the year, tCO2.
    sum_alone : float
        What the same measures abate one by one, added up.
    area : float
        Area under the curve with interactions: annual cost of all, CNY.
    circle : tuple of str
        Measures without a settled order.
    rounds : int
    price_year : int
    discount_rate : float
    notes : tuple of str
        In Chinese.
    """

    place: str
    view: str
    year: int
    alone: tuple[CurveStep, ...]
    together: tuple[CurveStep, ...]
    not_abating: tuple[str, ...]
    uncosted: tuple[UncostedMeasure, ...]
    joint: float
    sum_alone: float
    area: float
    circle: tuple[str, ...]
    rounds: int
    price_year: int
    discount_rate: float
    notes: tuple[str, ...]


def order_by_cost(
    count: int, totals: Callable[[tuple[int, ...]], Totals], *, needs: Mapping[int, Sequence[int]] | None = None
) -> CurveOrder:
    """Order measures by what a tonne costs on top of those before it.

    Parameters
    ----------
    count : int
        Measures.
    totals : callable
        Cost and abatement of measures that act together; their order has no say.
    needs : Mapping of int to sequence of int, optional
        Measures before which a measure cannot stand.

    Returns
    -------
    CurveOrder

    Raises
    ------
    InputError
        A cost that is no number.

    Examples
    --------
    Saving 30 of 100 t for 300 and halving what is left for 1000: saving comes first, and leaves 35 t to the other.

    >>> def totals(acting):
    ...     left = 100 * (0.7 if 0 in acting else 1) * (0.5 if 1 in acting else 1)
    ...     return 300.0 * (0 in acting) + 1000.0 * (1 in acting), 100.0 - left
    >>> found = order_by_cost(2, totals)
    >>> found.order, found.abatement.tolist(), (found.cost / found.abatement).round(2).tolist()
    ((0, 1), [30.0, 35.0], [10.0, 28.57])
    """
    kept: dict[tuple[int, ...], Totals] = {}

    def known(acting: tuple[int, ...]) -> Totals:
        key = tuple(sorted(acting))
        if key not in kept:
            kept[key] = totals(acting)
            if not np.isfinite(kept[key]).all():
                raise InputError(
                    f"measures {key} cost {kept[key][0]}",
                    doing="order measures by cost",
                    expected="a number for every measure on the curve",
                    next_step="leave out measures without a cost, and name them",
                )
        return kept[key]

    before = {one: set(others) for one, others in (needs or {}).items()}
    none = known(())

    def added(order: tuple[int, ...]) -> tuple[Floats, Floats]:
        steps = np.asarray([none, *(known(order[: at + 1]) for at in range(len(order)))])
        parts = np.diff(steps, axis=0)
        return parts[:, 0], parts[:, 1]

    def by_itself(one: int) -> tuple[int, float]:
        with_needs = np.asarray(known((*before.get(one, ()), one))) - np.asarray(known(tuple(before.get(one, ()))))
        return _rank(float(with_needs[0]), float(with_needs[1]))

    first = {one: (*by_itself(one), one) for one in range(count)}
    order = _cheapest_first(tuple(range(count)), first, before)
    seen: list[tuple[int, ...]] = []
    apart: list[int] = []
    while len(seen) < _MOST_ROUNDS:
        cost, abatement = added(order)
        idle = [one for one, less in zip(order, abatement, strict=True) if less <= _LEAST]
        if idle:  # one leaves the curve at a time, the last first, since the others may do something without it
            apart.append(idle[-1])
            order = tuple(one for one in order if one != idle[-1])
            seen = []
            continue
        seen.append(order)
        unit = cost / abatement
        ranks = {one: (0, _rounded(float(unit[at])), at) for at, one in enumerate(order)}
        again = _cheapest_first(order, ranks, before)
        if again == order or again in seen:
            moved = () if again == order else _movers(seen[seen.index(again) :])
            return CurveOrder(order, cost, abatement, tuple(sorted(apart)), moved, len(seen))
        order = again
    return CurveOrder(order, *added(order), tuple(sorted(apart)), _movers(seen), len(seen))


def _rank(cost: float, abatement: float) -> tuple[int, float]:
    return (0, _rounded(cost / abatement)) if abatement > _LEAST else (1, cost)


def _rounded(value: float) -> float:
    """Return a number to as many digits as make two unit costs the same."""
    return float(f"{value:.{-round(np.log10(_EQUAL))}g}")


def _cheapest_first(
    order: Sequence[int], ranks: Mapping[int, tuple[int, float, int]], before: Mapping[int, set[int]]
) -> tuple[int, ...]:
    """Return an order by rank in which nothing stands before what it needs."""
    left, placed = sorted(order, key=lambda one: ranks[one]), []
    while left:
        ready = next((one for one in left if not before.get(one, set()) & set(left)), left[0])
        placed.append(ready)
        left.remove(ready)
    return tuple(placed)


def _movers(orders: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return what does not keep its place in some orders."""
    return tuple(sorted({one for places in zip(*orders, strict=True) if len(set(places)) > 1 for one in places}))


# -- on the model ------------------------------------------------------------------------------------------------------------


def full_levels(choices: Choices) -> Floats:
    """Return the highest levels that ceilings and yearly rises allow, (M, T); where there is no ceiling, a hundredth of the floor area.

    Parameters
    ----------
    choices : Choices
    """
    top = np.where(np.isfinite(choices.high), choices.high, choices.floor + choices.scale)
    levels = np.empty_like(top)
    level = choices.before.copy()
    for at in range(top.shape[1]):
        level = np.maximum(np.minimum(level + choices.ramp, top[:, at]), choices.floor[:, at])
        levels[:, at] = level
    return levels


@dataclass(frozen=True)
class _Account:
    """Costs and emissions of sets of choices at given levels, by runs of the model."""

    choices: Choices
    costs: Costs
    levels: Floats
    rows: tuple[int, ...]
    prices: Floats
    view: str
    base: Effects
    at: int

    def series(self, acting: tuple[int, ...]) -> tuple[Floats, Floats]:
        """Return yearly cost and abatement, (T,) each, of measures that act together."""
        floor = self.choices.floor
        levels = floor.copy()
        chosen = [self.rows[one] for one in acting]
        levels[chosen] = self.levels[chosen]
        found = measured(self.choices, levels, views=(self.view,)) if acting else self.base
        moved = (found.energy_base - self.base.energy_base) * self.prices
        spent = np.einsum("mst,ms->t", self.costs.charge[chosen], levels[chosen] - floor[chosen])
        return np.asarray(spent + moved.sum(axis=0)), self.base.base[0] - found.base[0]


def _step(account: _Account, row: int, cost: Floats, abatement: Floats) -> CurveStep:
    measure = account.choices.measures[row]
    present, total = float(cost @ account.costs.discount), float(abatement.sum())
    yearly, less = float(cost[account.at]), float(abatement[account.at])
    return CurveStep(
        measure=measure.id,
        title=measure.title.zh,
        abatement=less,
        cumulative=total,
        annual_cost=yearly,
        present_cost=present,
        unit_cost=yearly / less if less > _LEAST else float("nan"),
        unit_cost_over_years=present / total if total > _LEAST else float("nan"),
        grade=account.costs.grade[row],
    )


def _boundary_notes(effects: Effects, rows: Sequence[int], view: str) -> list[str]:
    """Return where costs and abatement do not count the same, in Chinese."""
    said = []
    exported = [at for at, row in enumerate(effects.energy) if row[0] == "pv_exported"]
    if effects.energy_effect[np.ix_(exported, list(rows))].any():
        said.append("光伏余电上网计收入，减排只计自用部分，光伏的每吨费用因此偏低")
    if not set(_PURCHASED) & set(VIEWS.get(view, (view,))):
        said.append("减排只计所选口径，外购电力、热力不在其内；费用计全部能源，每吨费用不能与全口径的相比")
    return said


def cost_curve(
    catalog: Catalog,
    choices: Choices,
    *,
    year: int,
    view: str = "building_operation",
    levels: Floats | None = None,
    effects: Effects | None = None,
    settings: str = "default",
) -> CostCurve:
    """Return the cost curves of a place.

    Parameters
    ----------
    catalog : Catalog
    choices : Choices
    year : int
        Year of the curve.
    view : str
        View or component that is abated.
    levels : float array (M, T), optional
        Levels of the measures; the highest that ceilings and yearly rises allow where None. What is at its floor is not on the curve.
    effects : Effects, optional
        About the floor, as `linearise` gives them; worked out where None.
    settings : str
        Id of the settings of money.

    Returns
    -------
    CostCurve

    Raises
    ------
    InputError
        A year outside the choice.
    """
    if not int(choices.years[0]) <= year <= int(choices.years[-1]):
        raise InputError(
            f"year {year}",
            doing="draw a cost curve",
            expected=f"a year from {int(choices.years[0])} to {int(choices.years[-1])}",
            next_step="name a year of the choice",
        )
    money = cost_settings(catalog, settings)
    about = linearise(choices, step=0.5) if effects is None else effects
    costs = measure_costs(catalog, choices, about, settings=settings)
    wanted = full_levels(choices) if levels is None else levels
    acts = (wanted > choices.floor + _LEAST).any(axis=1)
    rows = tuple(int(row) for row in np.flatnonzero(costs.known & acts))
    base = measured(choices, choices.floor, views=(view,))
    prices = price_table(catalog, choices.book.axes, choices.book.place, base.energy, base.years, money, "social")
    at = year_row(choices.years, year)
    account = _Account(choices, costs, wanted, rows, prices.values * prices.sign[:, None], view, base, at)
    kept: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    def series(acting: tuple[int, ...]) -> tuple[Floats, Floats]:
        key = tuple(sorted(acting))
        if key not in kept:
            kept[key] = account.series(key)
        return kept[key]

    needs = {
        rows.index(one): [rows.index(other) for who, other in choices.requires if who == one and other in rows]
        for one, _ in choices.requires
        if one in rows
    }
    found = order_by_cost(
        len(rows), lambda acting: (float(series(acting)[0][at]), float(series(acting)[1][at])), needs=needs
    )
    together: list[CurveStep] = []
    for place, one in enumerate(found.order):
        before, after = series(found.order[:place]), series(found.order[: place + 1])
        together.append(_step(account, rows[one], after[0] - before[0], after[1] - before[1]))
    singles = []
    for one, row in enumerate(rows):
        under = tuple(needs.get(one, ()))
        with_it, without = series((*under, one)), series(under)
        singles.append(_step(account, row, with_it[0] - without[0], with_it[1] - without[1]))
    alone = sorted(
        (step for step in singles if step.abatement > _LEAST), key=lambda step: (step.unit_cost, step.measure)
    )
    on_curve = {step.measure for step in together}
    idle = dict.fromkeys(
        [step.title for step in singles if step.abatement <= _LEAST and step.measure not in on_curve]
        + [choices.measures[rows[one]].title.zh for one in found.apart]
    )
    titles = {measure.id: measure.title.zh for measure in choices.measures}
    said = grade_sentence(costs, [step.measure for step in together], titles=titles)
    circle = tuple(titles[choices.names[rows[one]]] for one in found.circle)
    notes = [*costs.notes, *_boundary_notes(about, rows, view), *([said] if said else [])]
    later = [step.title for step in singles if step.title in idle and step.cumulative > _LEAST]
    if later:
        notes.append(
            f"{'、'.join(later)}当年不减排（施工用材的排放或当年的电网），到{int(base.years[-1])}年累计是减排的"
        )
    if circle:
        notes.append(f"{'、'.join(circle)}的先后随前面的措施而变，没有稳定的次序，按最后一轮列出")
    return CostCurve(
        place=choices.book.place,
        view=view,
        year=year,
        alone=tuple(alone),
        together=tuple(together),
        not_abating=tuple(idle),
        uncosted=costs.uncosted,
        joint=float(sum(step.abatement for step in together)),
        sum_alone=float(sum(step.abatement for step in singles if step.measure in on_curve)),
        area=float(sum(step.annual_cost for step in together)),
        circle=circle,
        rounds=found.rounds,
        price_year=costs.price_year,
        discount_rate=costs.discount_rate,
        notes=tuple(notes),
    )
