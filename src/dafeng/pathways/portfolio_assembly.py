"""Places put together to one problem: bounds, ramps, what stands anyway, what has no cost of its own, the plan's conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Measure, Meets
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.portfolio_conditions import LinearResult, PlanConditions, plan_conditions
from dafeng.pathways.portfolio_costs import Costs, supply_conditions
from dafeng.pathways.portfolio_effects import Effects
from dafeng.pathways.portfolio_levels import requirement_conditions
from dafeng.pathways.portfolio_place import PortfolioPlace
from dafeng.pathways.portfolio_problem import PortfolioProblem, UncostedMeasure

__all__ = ["assemble", "fixed_rows", "result_of", "saves_elsewhere", "standing_levels", "wanted_results"]

Floats = NDArray[np.float64]

_RAMP: Final = 0.1
"""Rise of a year, as a share of the way from floor to ceiling, of a measure for which content states none; grade C."""
_WIDEST: Final = 5.0
"""Times a hundredth of the floor area a year: the most of a measure to which content sets no limit."""
_NOTHING: Final = 1e-9


def result_of(effects: Effects, meets: Meets) -> LinearResult:
    """Return a result that a target speaks of in linear form.

    Parameters
    ----------
    effects : Effects
    meets : Meets
        Of a year among those of the effects.
    """
    row, at = effects.results.index(meets.result), year_row(effects.years, meets.year)
    if not meets.result.endswith("_total"):
        return LinearResult(float(effects.result_base[row, at]), effects.result_effect[row, :, :, at])
    since = meets.since or int(effects.past_years[0])
    counted = (effects.years >= since) & (effects.years <= meets.year)
    before = float(effects.past_results[row, effects.past_years >= since].sum())
    value = before + float(effects.result_base[row, counted].sum())
    return LinearResult(value, effects.result_effect[row][:, :, counted].sum(axis=2))


def wanted_results(place: PortfolioPlace) -> dict[str, Meets]:
    """Return the results that are asked of the choice, by the measure of the link; others go on with their own measure.

    Parameters
    ----------
    place : PortfolioPlace
    """
    if place.asked is None:
        return {}
    first = int(place.choices.years[0])
    open_ = {*place.held, *place.choices.names}
    return {name: meets for name, meets in place.asked.meets.items() if meets.year >= first and name in open_}


def _lacking(place: PortfolioPlace, costs: Costs) -> list[UncostedMeasure]:
    """Return the choices of a place that are none there for want of a cost of their own, kept as the plan has them."""
    asked: NDArray[np.bool_] = np.any(place.plan_levels > place.choices.floor + _NOTHING, axis=1)
    reasons = {one.measure: one.why for one in costs.uncosted}
    found = []
    for row, (measure, some) in enumerate(zip(place.choices.measures, asked, strict=True)):
        why = reasons.get(measure.id)
        if why is None and saves_elsewhere(measure):
            why = f"{measure.title.zh}的费用是别处少花的钱，不是措施本身的费用"
        if why is not None or np.isnan(costs.cost[row]).any():
            found.append(UncostedMeasure(measure.id, why or f"{measure.title.zh}没有费用", bool(some)))
    return found


def saves_elsewhere(measure: Measure) -> bool:
    """Return whether what content states is no cost of the measure, but spending that others avoid.

    Parameters
    ----------
    measure : Measure
    """
    return any(cost.value < 0 for cost in measure.costs if cost.kind != "transfer")


def fixed_rows(place: PortfolioPlace, costs: Costs) -> NDArray[np.bool_]:
    """Return the choices of a place that stand where the plan has them, (M,): those without a cost of their own.

    Parameters
    ----------
    place : PortfolioPlace
    costs : Costs
    """
    elsewhere = [saves_elsewhere(measure) for measure in place.choices.measures]
    return np.isnan(costs.cost).any(axis=1) | np.asarray(elsewhere, dtype=np.bool_)


def _bounds(place: PortfolioPlace, fixed: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return floor, ceiling and ramp of a place's levels; what has no cost stands where the plan has it."""
    choices, asked = place.choices, place.plan_levels
    high = np.where(np.isfinite(choices.high), choices.high, choices.floor + _WIDEST * choices.scale)
    # what a plan asks is not refused by a limit that content states
    high = np.maximum(high, asked)
    own = _RAMP * (high - choices.floor).max(axis=1)
    rises = np.diff(np.maximum(asked, choices.floor), axis=1, prepend=choices.before[:, None]).max(axis=1)
    rises = np.maximum(rises, np.diff(choices.floor, axis=1).max(axis=1, initial=0.0))
    ramp = np.where(np.isfinite(choices.ramp), choices.ramp, np.maximum(own, rises))
    low, high = (np.where(fixed[:, None], asked, part) for part in (choices.floor, high))
    return low, high, np.where(fixed, np.inf, ramp)


def standing_levels(place: PortfolioPlace, fixed: NDArray[np.bool_]) -> Floats:
    """Return the levels that are there anyway, (M, T): the floor, of a stock what stood the year before, of what is no choice the plan's.

    Parameters
    ----------
    place : PortfolioPlace
    fixed : bool array (M,)
        See `fixed_rows`.
    """
    choices = place.choices
    stood = np.maximum.accumulate(np.maximum(choices.floor, choices.before[:, None]), axis=1)
    return np.where(fixed[:, None], place.plan_levels, np.where(choices.durable[:, None], stood, choices.floor))


def assemble(
    catalog: Catalog,
    places: Sequence[PortfolioPlace],
    effects: Sequence[Effects],
    costs: Sequence[Costs],
) -> tuple[PortfolioProblem, tuple[PlanConditions, ...]]:
    """Put the places together to one problem about the levels of the effects.

    Parameters
    ----------
    catalog : Catalog
    places : sequence of PortfolioPlace
        With the same choices and years.
    effects, costs : sequences
        By place.

    Returns
    -------
    PortfolioProblem
    tuple of PlanConditions
        By place.

    Raises
    ------
    InputError
        The places have other choices or years.
    """
    first = places[0].choices
    for place in places[1:]:
        if place.choices.names != first.names or not np.array_equal(place.choices.years, first.years):
            raise InputError(
                f"{place.place} has other choices or years than {places[0].place}",
                doing="put places together",
                expected="the same measures and years",
                next_step="give `measures` when places are made ready",
            )
    demands = []
    for row, (place, one) in enumerate(zip(places, effects, strict=True)):
        demands.append(
            plan_conditions(
                catalog,
                place.plan,
                place.asked,
                place.choices,
                place.plan_levels,
                place=row,
                results={name: result_of(one, meets) for name, meets in wanted_results(place).items()},
                reference=one.levels,
            )
            if place.plan is not None and place.asked is not None
            else PlanConditions(())
        )
    fixed = [fixed_rows(place, one) for place, one in zip(places, costs, strict=True)]
    bounds = [_bounds(place, rows) for place, rows in zip(places, fixed, strict=True)]
    uncosted: dict[str, UncostedMeasure] = {}
    for place, cost in zip(places, costs, strict=True):
        uncosted |= {lack.measure: lack for lack in (*place.selection.uncosted, *_lacking(place, cost))}
    problem = PortfolioProblem(
        places=tuple(place.place for place in places),
        measures=first.names,
        years=first.years,
        views=effects[0].views,
        base=np.stack([one.base for one in effects], axis=1),
        effect=np.stack([one.effect for one in effects], axis=1),
        reference=np.stack([one.levels for one in effects]),
        low=np.stack([low for low, _, _ in bounds]),
        high=np.stack([high for _, high, _ in bounds]),
        ramp=np.stack([ramp for _, _, ramp in bounds]),
        before=np.stack([place.choices.before for place in places]),
        durable=first.durable,
        cost=np.stack([np.where(rows[:, None], 0.0, one.cost) for one, rows in zip(costs, fixed, strict=True)]),
        spend=np.stack([np.where(rows[:, None, None], 0.0, one.spend) for one, rows in zip(costs, fixed, strict=True)]),
        conditions=tuple(
            condition
            for row, (place, one) in enumerate(zip(places, effects, strict=True))
            for condition in (
                *demands[row].conditions,
                *requirement_conditions(place.choices, place=row),
                *supply_conditions(catalog, place.choices, one, place=row),
            )
        ),
        exclusive=first.exclusive,
        uncosted=tuple(uncosted.values()),
        price_year=costs[0].price_year,
        zero=np.stack([standing_levels(place, rows) for place, rows in zip(places, fixed, strict=True)]),
    )
    return problem, tuple(demands)
