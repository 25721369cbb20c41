"""What a plan asks, as linear conditions on the levels of measures: bounds at a year, totals over years, results of the model.

A level that a plan promises for a date holds from the date on, as in its scenario. What was due before the first open year is no
condition any more; what a measure without a cost carries is not one either. Both are named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Meets, ScenarioMeasure
from dafeng.catalog.pathway_tables import FIRST_YEAR
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.measures import LevelledMeasure, caps_level
from dafeng.pathways.plan_measures import link_of
from dafeng.pathways.portfolio_levels import Choices
from dafeng.pathways.portfolio_problem import ConditionKind, LinearCondition
from dafeng.pathways.scenario_words import level_text
from dafeng.pathways.scenarios import ResolvedScenario
from dafeng.pathways.solving import result_text

__all__ = ["RESULT_UNITS", "LinearResult", "PlanConditions", "plan_conditions", "promise_labels"]

Floats = NDArray[np.float64]

RESULT_UNITS: Final = {
    "electricity_share": "percent",
    "renewable_substitution_rate": "percent",
    "retrofit_area_total": "m2",
    "ultra_low_area_total": "m2",
}
"""Units of the results that targets speak of."""
_NOTHING: Final = 1e-9


@dataclass(frozen=True)
class LinearResult:
    """A result of the model that a target speaks of, linear about the reference levels.

    Attributes
    ----------
    value : float
        At the reference, in the unit of the result.
    slope : float array (M, T)
        Change by one unit of level more in a year.
    """

    value: float
    slope: Floats


@dataclass(frozen=True)
class PlanConditions:
    """The conditions of a plan, and what of it is no condition.

    Attributes
    ----------
    conditions : tuple of LinearCondition
    past : tuple of str
        Promises, `<plan>#<id>`, due before the first open year: taken as carried out.
    carried : Mapping of str to tuple of str
        By measure without a cost: the promises that it carries at the plan's own level.
    """

    conditions: tuple[LinearCondition, ...]
    past: tuple[str, ...] = ()
    carried: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def promise_labels(plan: Plan) -> dict[str, str]:
    """Return the Chinese names of targets and obligations by `<plan>#<id>`."""
    named = [(target.id, target.label) for target in plan.targets]
    named += [(obligation.id, obligation.title) for obligation in plan.obligations]
    return {f"{plan.id}#{name}": label for name, label in named}


@dataclass(frozen=True)
class _Row:
    """One measure of the plan among the choices of a place."""

    place: int
    measure: int
    item: LevelledMeasure
    stated: ScenarioMeasure
    levels: Floats
    """What the plan asks by year, in the sense of the programme: more is higher."""
    floor: Floats
    """Up to here it is there without the measure."""


def plan_conditions(
    catalog: Catalog,
    plan: Plan,
    asked: ResolvedScenario,
    choices: Choices,
    levels: Floats,
    *,
    place: int = 0,
    results: Mapping[str, LinearResult] | None = None,
    reference: Floats | None = None,
) -> PlanConditions:
    """Return what a plan asks of the choices of one place.

    Parameters
    ----------
    catalog : Catalog
    plan : Plan
    asked : ResolvedScenario
        The plan in full, its results not solved for: `meets` names them.
    choices : Choices
        M measures, T open years.
    levels : float array (M, T)
        The plan's own levels at the choices, see `scenario_levels`.
    place : int
        Row of the place in the problem.
    results : mapping from measure of the link to LinearResult, optional
        The results of `asked.meets` about the reference; a result that is missing here is carried by its own measure.
    reference : float array (M, T), optional
        Levels about which `results` are linear.

    Returns
    -------
    PlanConditions

    Notes
    -----
    A stock is asked for in the years that the plan states, for it never falls; anything else in all years from the date on. Of a
    total spread evenly over years only the total of the open years is asked. What is there without the measure is no condition.
    """
    names, first = choices.names, int(choices.years[0])
    labels = promise_labels(plan)
    found: list[LinearCondition] = []
    past: list[str] = []
    carried: dict[str, tuple[str, ...]] = {}
    for stated, item in zip(asked.stated, asked.measures, strict=True):
        name, meets = stated.measure, stated.meets
        last = meets.year if meets is not None else stated.until or int(choices.years[-1])
        if last < first:
            past += stated.because
        if meets is not None:
            if last >= first and results is not None and name in results and reference is not None:
                found.append(_result_row(stated, meets, labels, place, results[name], reference))
            elif last >= first:
                carried[name] = stated.because
        elif name not in names:
            carried[name] = stated.because
        elif stated.until is None or stated.until >= first:
            at = names.index(name)
            row = _Row(place, at, item, stated, levels[at], choices.floor[at])
            if _spread(catalog, plan, stated):
                found.append(_total_row(row, choices.years, labels))
            else:
                found += _level_rows(row, choices.years, labels, keeps=bool(choices.durable[at]))
    return PlanConditions(tuple(found), tuple(dict.fromkeys(past)), carried)


def _spread(catalog: Catalog, plan: Plan, stated: ScenarioMeasure) -> bool:
    """Return whether a total over years was spread evenly, so that only the total is promised."""
    links = [link_of(catalog, plan, name.split("#")[1]) for name in stated.because]
    return stated.until is not None and all(link is not None and link.reads == "yearly" for link in links)


def _named(because: Sequence[str], labels: Mapping[str, str]) -> str:
    return "、".join(dict.fromkeys(labels.get(name, name.split("#")[1]) for name in because))


def _level_rows(
    row: _Row, years: NDArray[np.int64], labels: Mapping[str, str], *, keeps: bool
) -> list[LinearCondition]:
    """Return the least level in the years that the plan states and, where the level may fall, in those after them."""
    last = row.stated.until or int(years[-1])
    dates = [max(point.year, int(years[0])) for point in row.stated.levels]
    wanted = sorted(set(dates)) if keeps else range(dates[0], last + 1)
    at = np.array([year - int(years[0]) for year in wanted if year <= min(last, int(years[-1]))], dtype=np.intp)
    names, measure = _named(row.stated.because, labels), row.item.measure
    return [
        LinearCondition(
            name=f"target.{row.stated.because[0]}.{measure.id}.{years[one]}",
            kind=ConditionKind.TARGET,
            says=f"{names}：{measure.title.zh}{years[one]}年{_bound_text(row, int(years[one]))}",
            unit=measure.unit,
            places=np.array([row.place], dtype=np.intp),
            measures=np.array([row.measure], dtype=np.intp),
            years=at[number : number + 1],
            coefficients=np.ones(1),
            lower=float(level),
            because=row.stated.because,
        )
        for number, one in enumerate(at)
        if (level := row.levels[one]) > row.floor[one] + _NOTHING
    ]


def _bound_text(row: _Row, year: int) -> str:
    level = level_text(float(row.item.levels[year - FIRST_YEAR]), row.item.measure.unit)
    return f"{'不高于' if caps_level(row.item.measure) else '不低于'}{level}"


def _total_row(row: _Row, years: NDArray[np.int64], labels: Mapping[str, str]) -> LinearCondition:
    """Return the total of the years that are left; how it is spread over them is free."""
    assert row.stated.until is not None
    begin = max(int(years[0]), row.stated.levels[0].year)
    at = np.arange(begin - int(years[0]), row.stated.until - int(years[0]) + 1, dtype=np.intp)
    total = float(row.levels[at].sum())
    measure = row.item.measure
    unit = measure.unit.removesuffix("/year")
    return LinearCondition(
        name=f"target.{row.stated.because[0]}.{measure.id}.{begin}-{row.stated.until}",
        kind=ConditionKind.TARGET,
        says=f"{_named(row.stated.because, labels)}：{measure.title.zh}{begin}—{row.stated.until}年合计不少于{level_text(total, unit)}",
        unit=unit,
        places=np.full(len(at), row.place, dtype=np.intp),
        measures=np.full(len(at), row.measure, dtype=np.intp),
        years=at,
        coefficients=np.ones(len(at)),
        lower=total,
        because=row.stated.because,
    )


def _result_row(
    stated: ScenarioMeasure,
    meets: Meets,
    labels: Mapping[str, str],
    place: int,
    linear: LinearResult,
    reference: Floats,
) -> LinearCondition:
    """Return a result of the model as a condition: its value at the reference and its slopes."""
    measures, at = np.nonzero(linear.slope)
    coefficients = linear.slope[measures, at]
    return LinearCondition(
        name=f"target.{stated.because[0]}.{meets.result}.{meets.year}",
        kind=ConditionKind.TARGET,
        says=f"{_named(stated.because, labels)}：{meets.year}年达到{result_text(meets.value, meets)}",
        unit=RESULT_UNITS[meets.result],
        places=np.full(len(at), place, dtype=np.intp),
        measures=measures,
        years=at,
        coefficients=coefficients,
        lower=meets.value - linear.value + float(coefficients @ reference[measures, at]),
        because=stated.because,
    )
