"""Scenarios: overlays resolved for a place into levelled measures and values, with what is wrong and why something has no effect.

A scenario lies on another; beneath them all lie the measures of the plan, once, whichever layer names it. `plan: nearest` takes the
plan of the place or of the nearest place above it. Nothing here stops at bad content: each fault is a finding, and what it touches is
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import NotEnoughDataError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_overlay_checks import NEAREST
from dafeng.catalog.pathway_schemas import Meets, PathwayParameter, Scenario, ScenarioMeasure
from dafeng.catalog.pathway_tables import YEARS, bounds_of, share_groups, year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Title
from dafeng.pathways.distributions import scores
from dafeng.pathways.inputs import Buffers, Inputs, normalise_shares
from dafeng.pathways.measures import LevelledMeasure, apply_measures, level_measure
from dafeng.pathways.plan_measures import Paces, join_measures, translate_plan
from dafeng.pathways.quantities import InputBook, Track
from dafeng.pathways.scenario_checks import scenario_finding, usable_parts

__all__ = ["ResolvedScenario", "plan_scenario", "resolve_scenario", "scenario_inputs"]

_Float = NDArray[np.float64]


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario at a place, ready to be laid over its inputs.

    Attributes
    ----------
    id : str
    title : Title
    place : str
    base_year : int
        Last year of history.
    stated : tuple of ScenarioMeasure
        Measures at levels as content says it, in the order in which they act.
    measures : tuple of LevelledMeasure
        The same, yearly.
    parameters : tuple of PathwayParameter
        Other values of quantities, from the year after the base year on.
    frozen : bool
    plan : str or None
        Plan whose promises are in it.
    pace : {"full", "present"}
    meets : Mapping of str to Meets
        By measure: what its levels are still to be solved for; `solve_scenario` empties it.
    reasons : Mapping of str to str
        By `<plan>#<id>`: why it has no effect.
    findings : tuple of Finding
    """

    id: str
    title: Title
    place: str
    base_year: int
    stated: tuple[ScenarioMeasure, ...] = ()
    measures: tuple[LevelledMeasure, ...] = ()
    parameters: tuple[PathwayParameter, ...] = ()
    frozen: bool = False
    plan: str | None = None
    pace: Literal["full", "present"] = "full"
    meets: Mapping[str, Meets] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def _layers(catalog: Catalog, scenario: Scenario) -> list[Scenario]:
    """Return a scenario and those under it, the top first, as far as they are there and lie on one another."""
    layers = [scenario]
    while (base := layers[-1].base) in catalog.scenarios and base not in [layer.id for layer in layers]:
        layers.append(catalog.scenarios[str(base)])
    return layers


def _nearest_plan(catalog: Catalog, place: str) -> Plan | None:
    chain = (place, *catalog.places.ancestor_ids(place))
    return next((plan for one in chain for plan in catalog.plans.values() if plan.place == one), None)


def _find_plan(
    catalog: Catalog, layers: Sequence[Scenario], place: str, given: str | None
) -> tuple[Plan | None, Literal["full", "present"], list[Finding]]:
    naming = [layer for layer in layers if layer.plan is not None]
    if not naming:
        return None, "full", []
    wanted = next((layer.plan for layer in naming if layer.plan != NEAREST), given)
    if wanted is None:
        found = _nearest_plan(catalog, place)
        if found is None:
            return None, naming[0].pace, [scenario_finding("no-plan", f"{catalog.place_name(place)}及其上级都没有方案")]
        findings = []
        if found.place != place:
            findings.append(
                scenario_finding(
                    "plan-of-above",
                    f"{catalog.place_name(place)}没有自己的方案，按{found.title.zh}",
                    value=found.id,
                    severity=Severity.INFO,
                )
            )
        return found, naming[0].pace, findings
    if wanted == given and given not in catalog.plans:
        raise UnknownNameError(
            f"no plan is called {given!r}",
            doing="resolve a scenario",
            expected="one of " + ", ".join(close_names(given, catalog.plans) or sorted(catalog.plans)),
            next_step="name a plan of the catalog",
        )
    return catalog.plans.get(wanted), naming[0].pace, []


def _lay_measures(
    layers: Sequence[Scenario], beneath: Iterable[ScenarioMeasure]
) -> tuple[dict[str, ScenarioMeasure], list[Finding]]:
    """Return the measures of all layers by id, a higher layer replacing what lies under it."""
    held = {one.measure: one for one in beneath}
    findings = []
    for layer in reversed(layers):
        for name in layer.without:
            if held.pop(name, None) is None:
                findings.append(
                    scenario_finding(
                        "without-nothing",
                        f"情景 {layer.id} 要去掉的措施 {name} 本来就没有",
                        value=name,
                        severity=Severity.WARNING,
                    )
                )
        held |= {one.measure: one for one in layer.measures}
    return held, findings


def _base_year(catalog: Catalog, place: str) -> int:
    chain = (catalog.places.get(place).id, *catalog.places.ancestor_ids(place))
    settings = next((catalog.path_places[one] for one in chain if one in catalog.path_places), None)
    if settings is None:
        raise NotEnoughDataError(
            f"no entry of path_places holds for {place}",
            doing="resolve a scenario",
            expected=f"an entry for one of {', '.join(chain)}",
            next_step="add an entry to path_places",
        )
    return settings.base_year


def _named(catalog: Catalog, scenario: str | Scenario) -> Scenario:
    if isinstance(scenario, Scenario):
        return scenario
    if scenario not in catalog.scenarios:
        raise UnknownNameError(
            f"no scenario is called {scenario!r}",
            doing="resolve a scenario",
            expected="one of " + ", ".join(close_names(scenario, catalog.scenarios) or sorted(catalog.scenarios)),
            next_step="list them with dafeng path scenarios, or write an overlay",
        )
    return catalog.scenarios[scenario]


def resolve_scenario(
    catalog: Catalog,
    scenario: str | Scenario,
    *,
    place: str,
    plan: str | None = None,
    paces: Paces | None = None,
) -> ResolvedScenario:
    """Resolve a scenario for a place.

    Parameters
    ----------
    catalog : Catalog
    scenario : str or Scenario
        Id, or an overlay of the user.
    place : str
        Place id.
    plan : str, optional
        Plan for scenarios that take the nearest one.
    paces : mapping, optional
        By target id and year, for `pace: present`; see `translate_plan`.

    Returns
    -------
    ResolvedScenario
        With findings for every fault; what is faulty is left out.

    Raises
    ------
    UnknownNameError
        No scenario, place or plan of that id.
    NotEnoughDataError
        No place above says how it is modelled.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> plus = resolve_scenario(load_catalog(), "jilin-plan-plus", place="jilin")  # doctest: +SKIP
    >>> plus.plan, len(plus.measures) > 40  # doctest: +SKIP
    ('jilin-2023', True)
    """
    top = _named(catalog, scenario)
    base_year = _base_year(catalog, place)
    layers = _layers(catalog, top)
    findings: list[Finding] = []
    meant = next((layer.place for layer in layers if layer.place is not None), None)
    if meant not in (None, place):
        findings.append(
            scenario_finding(
                "other-place",
                f"情景 {top.title.zh} 为{catalog.place_name(str(meant))}而设，用于{catalog.place_name(place)}",
                value=place,
                expected=str(meant),
                severity=Severity.WARNING,
            )
        )
    found, pace, more = _find_plan(catalog, layers, place, plan)
    findings += more
    beneath: tuple[ScenarioMeasure, ...] = ()
    reasons: Mapping[str, str] = {}
    if found is not None:
        translated = translate_plan(catalog, found, place=place, base_year=base_year, pace=pace, paces=paces)
        beneath, reasons = translated.measures, translated.reasons
        findings += translated.findings
    held, more = _lay_measures(layers, beneath)
    findings += more
    held, parameters, faults = usable_parts(catalog, layers, held)
    findings += faults
    stated = tuple(sorted(held.values(), key=lambda one: (catalog.measures[one.measure].order, one.measure)))
    return ResolvedScenario(
        id=top.id,
        title=top.title,
        place=place,
        base_year=base_year,
        stated=stated,
        measures=tuple(_levelled(catalog, one, base_year) for one in stated),
        parameters=parameters,
        frozen=any(layer.frozen for layer in layers),
        plan=None if found is None else found.id,
        pace=pace,
        meets={one.measure: one.meets for one in stated if one.meets is not None},
        reasons=dict(reasons),
        findings=tuple(findings),
    )


def _levelled(catalog: Catalog, stated: ScenarioMeasure, base_year: int) -> LevelledMeasure:
    return level_measure(
        catalog,
        catalog.measures[stated.measure],
        stated.levels,
        years=YEARS,
        base_year=base_year,
        rises_from=stated.rises_from,
        until=stated.until,
        because=stated.because,
    )


def plan_scenario(
    catalog: Catalog,
    plan: str | Plan,
    *,
    place: str,
    pace: Literal["full", "present"] = "full",
    paces: Paces | None = None,
) -> Scenario:
    """Return a plan written out as a scenario: every level stands in it, so that it can be kept, changed and compared.

    Parameters
    ----------
    catalog : Catalog
    plan : str or Plan
    place : str
    pace : {"full", "present"}
    paces : mapping, optional
        As in `translate_plan`.

    Returns
    -------
    Scenario
        Without `plan`: its measures are all there is.
    """
    chosen = catalog.plans[plan] if isinstance(plan, str) else plan
    translated = translate_plan(
        catalog, chosen, place=place, base_year=_base_year(catalog, place), pace=pace, paces=paces
    )
    how = ("全部实现", "in full") if pace == "full" else ("按目前进度", "at its present pace")
    return Scenario(
        id=f"{chosen.id}-{pace}",
        title=Title(zh=f"{chosen.title.zh}{how[0]}", en=f"{chosen.title.en} {how[1]}"),
        place=place,
        pace=pace,
        measures=join_measures(catalog, translated.measures),
        note="；".join(f"{name}：{reason}" for name, reason in translated.reasons.items()) or None,
    )


def _lay_values(
    inputs: Inputs,
    parameter: PathwayParameter,
    quantiles: Mapping[str, _Float],
    chain: Sequence[str],
    base_year: int,
    buffers: Buffers,
) -> Inputs:
    """Return the inputs with other values of a quantity from the year after the base year on."""
    if parameter.place not in chain:
        return inputs
    quantity = inputs.quantities[parameter.quantity]
    track = Track.of(inputs.axes, quantity, parameter)
    drawn = quantiles.get(track.group)
    score: Mapping[tuple[str, str], _Float] = (
        {} if drawn is None else {(track.group, track.spread): scores(drawn, track.spread)}
    )
    values = np.clip(track.at(score, 0), *bounds_of(quantity))
    array = buffers.own(quantity.id, inputs.arrays[quantity.id], values.shape[-1])
    first = year_row(inputs.years, base_year) + 1
    tail = array[..., first:, :]
    rows = inputs.rows(quantity.id, parameter.of)
    tail[np.ix_(*rows) if rows else ...] = values[first:]
    if quantity.sums_to_one is not None:
        given = set(product(*(inputs.axes.below(axis, parameter.of.get(axis, "all")) for axis in quantity.axes)))
        held = {cells[0]: [cell for cell in cells if cell in given] for cells in share_groups(inputs.axes, quantity)}
        normalise_shares(inputs.axes, quantity, tail, held)
    return inputs.with_arrays(**{quantity.id: array})


def scenario_inputs(
    book: InputBook,
    resolved: ResolvedScenario,
    quantiles: Mapping[str, _Float] | None = None,
    *,
    buffers: Buffers | None = None,
) -> Inputs:
    """Return the inputs of a scenario: the place's own, frozen if it says so, with its other values and measures laid over.

    Parameters
    ----------
    book : InputBook
    resolved : ResolvedScenario
    quantiles : mapping, optional
        As for `InputBook.arrays`; groups of the scenario's own parameters are drawn with them.
    buffers : Buffers, optional
        Arrays to fill; new ones where None.

    Returns
    -------
    Inputs
    """
    buffers = buffers or Buffers()
    inputs = book.arrays(quantiles, buffers=buffers)
    if resolved.frozen:
        inputs = inputs.freeze(resolved.base_year, buffers=buffers)
    for parameter in resolved.parameters:
        inputs = _lay_values(inputs, parameter, quantiles or {}, book.chain, resolved.base_year, buffers)
    return apply_measures(inputs, resolved.measures, buffers=buffers)
