"""Pathways: scenarios of a place run, compared and drawn, with the plan's promise first; projections published as observations."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from dafeng.assessment import Assessment
from dafeng.base.errors import NotEnoughDataError
from dafeng.base.finding import Finding
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.listener import Listener, silent
from dafeng.base.period import Period, PeriodKind
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Measure, Scenario
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Source
from dafeng.methods.series import fit_drift
from dafeng.pathways.attribution import compare_drivers, drivers
from dafeng.pathways.ensemble import COMPONENTS, VIEWS, Ensemble, ensemble
from dafeng.pathways.influence import pathway_sensitivity, spread_factors
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.model import run
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.sampling import Design
from dafeng.pathways.sanity import sanity
from dafeng.pathways.scenario_words import compare_scenarios
from dafeng.pathways.scenarios import ResolvedScenario, resolve_scenario, scenario_inputs
from dafeng.pathways.solving import solve_scenario
from dafeng.pathways.summaries import Promise, projected_observations, promise_of, uncertainty_summary
from dafeng.pathways.wedges import MeasureWedges, measure_wedges
from dafeng.workflow.assessing import assess
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = [
    "DRAWS",
    "SEED",
    "PathComparison",
    "PathRun",
    "compare_paths",
    "contributions_of",
    "draw_paths",
    "drivers_of",
    "group_titles",
    "input_counts",
    "lay_over",
    "paces_of",
    "path_series",
    "plans_of",
    "promises_of",
    "publish_paths",
    "resolve_at",
    "run_path",
]

DRAWS: Final = 1024
"""Draws by default: the error of a probability of one half is 1.6 points."""
SEED: Final = 20260101
"""Seed by default."""
_LEAST_DRAWS: Final = 512
"""Draws from which the inputs that matter are told apart."""
_LAST_PACE: Final = 2035
"""Observed paces are extrapolated to this year and hold after it."""


@dataclass(frozen=True)
class PathRun:
    """One scenario of a place with its inputs.

    Parameters
    ----------
    book : InputBook
    resolved : ResolvedScenario
        With levels that meet the targets on outcomes.
    inputs : Inputs
        Stated values of the parameters.
    outcome : Outcome
    findings : tuple of Finding
        Of the inputs, of the scenario, and ratios out of their usual range.
    """

    book: InputBook
    resolved: ResolvedScenario
    inputs: Inputs
    outcome: Outcome
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class PathComparison:
    """Two scenarios of a place.

    Parameters
    ----------
    first, second : PathRun
    sentences : tuple of str
        What the second changes, as it reads.
    drivers : mapping of str to float
        Difference of operation emissions in the year by driver, tCO2.
    year : int
    """

    first: PathRun
    second: PathRun
    sentences: tuple[str, ...]
    drivers: Mapping[str, float]
    year: int


def plans_of(setting: Setting, place: str) -> tuple[Plan, ...]:
    """Return the plans of a place; of the nearest place above that has any where it has none."""
    chain = (place, *setting.catalog.places.ancestor_ids(place))
    for one in chain:
        found = tuple(plan for plan in setting.catalog.plans.values() if plan.place == one)
        if found:
            return found
    return ()


def lay_over(setting: Setting, *, measures: Mapping[str, Measure], sources: Mapping[str, Source]) -> Setting:
    """Return the setting with measures and sources of an overlay file in its catalog; those of the same id are replaced."""
    if not measures and not sources:
        return setting
    catalog = copy.copy(setting.catalog)
    catalog.measures = {**catalog.measures, **measures}
    catalog.sources = {**catalog.sources, **sources}
    said = [one.model_dump_json() for one in (*measures.values(), *sources.values())]
    catalog.digest = hashlib.sha256("\n".join([catalog.digest, *said]).encode()).hexdigest()
    return replace(setting, catalog=catalog)


def paces_of(judged: Assessment) -> dict[str, dict[int, float]]:
    """Return where the observed values of each target lead, by year in the indicator's unit.

    Observed years stand as they are. Later years follow the median of the drift forecast where the series is long enough for one,
    else the straight line through its first and last year; a single value leads nowhere. What was never negative stays so.

    Parameters
    ----------
    judged : Assessment
        The plan judged by the facts.
    """
    found: dict[str, dict[int, float]] = {}
    for row in judged.rows:
        periods = [(Period.parse(text), value) for text, value in row.history]
        seen = {period.year: value for period, value in periods if period.kind is PeriodKind.YEAR}
        if len(seen) < 2:
            continue
        last = max(seen)
        ahead = range(last + 1, _LAST_PACE + 1)
        least = 0.0 if min(seen.values()) >= 0 else None
        try:
            forecast = fit_drift(list(seen), list(seen.values()), bounds=(least, None))
            later = {year: forecast.quantile(year, 0.5) for year in ahead}
        except NotEnoughDataError:
            slope = (seen[last] - seen[min(seen)]) / (last - min(seen))
            line = {year: seen[last] + slope * (year - last) for year in ahead}
            later = line if least is None else {year: max(value, least) for year, value in line.items()}
        found[row.target] = {**seen, **later}
    return found


def resolve_at(
    catalog: Catalog,
    book: InputBook,
    scenario: str | Scenario,
    *,
    plan: str | None = None,
    paces: Mapping[str, Mapping[int, float]] | None = None,
) -> ResolvedScenario:
    """Return a scenario at the place of some inputs, levels of targets on outcomes solved."""
    return solve_scenario(resolve_scenario(catalog, scenario, place=book.place, plan=plan, paces=paces), book)


def input_counts(book: InputBook) -> dict[str, Any]:
    """Return how many parameters a place has, how many of them are borrowed, and how many have each grade."""
    used = [origin for origin in book.origins if origin.parameter]
    return {
        "parameters": len(used),
        "borrowed": sum(origin.borrowed for origin in used),
        "grades": {grade: sum(str(origin.grade) == grade for origin in used) for grade in "ABCD"},
    }


def group_titles(catalog: Catalog) -> dict[str, str]:
    """Return the Chinese name of a quantity for each spread group: that of its first parameter."""
    titles: dict[str, str] = {}
    for parameter in catalog.path_parameters.values():
        titles.setdefault(parameter.group or parameter.id, catalog.path_quantities[parameter.quantity].title.zh)
    return titles


def run_path(
    setting: Setting,
    place: str,
    scenario: str | Scenario = "trend",
    *,
    as_of: date | None = None,
    known_at: date | None = None,
    book: InputBook | None = None,
) -> PathRun:
    """Run a scenario of a place with the stated values of the parameters.

    Parameters
    ----------
    setting : Setting
    place : str
        Place id.
    scenario : str or Scenario
    as_of, known_at : date, optional
        Day of judgement of the plan's targets, for a scenario at the present pace; without it, or without a workspace, such
        targets go at the trend and the reasons say so.
    book : InputBook, optional
        Inputs of the place, where they are read already.
    """
    book = book or read_inputs(setting.catalog, place)
    resolved = resolve_at(setting.catalog, book, scenario, paces=_observed(setting, place, scenario, as_of, known_at))
    inputs = scenario_inputs(book, resolved)
    outcome = run(inputs, detail=True)
    return PathRun(
        book=book,
        resolved=resolved,
        inputs=inputs,
        outcome=outcome,
        findings=(*book.findings, *resolved.findings, *sanity(outcome, place)),
    )


def _observed(
    setting: Setting, place: str, scenario: str | Scenario, as_of: date | None, known_at: date | None
) -> dict[str, dict[int, float]] | None:
    """Return the paces of the plan that a scenario at the present pace goes by; None where nothing is asked or known."""
    name = scenario if isinstance(scenario, Scenario) else setting.catalog.scenarios.get(scenario)
    layer = name
    while layer is not None and layer.plan is None:
        layer = setting.catalog.scenarios.get(layer.base) if layer.base else None
    if layer is None or layer.pace != "present" or as_of is None or setting.workspace is None:
        return None
    plans = [plan for plan in plans_of(setting, place) if layer.plan in ("nearest", plan.id)]
    if not plans or plans[0].place != place:
        return None
    return paces_of(assess(setting, plans[0].id, as_of=as_of, known_at=known_at))


def compare_paths(
    setting: Setting,
    place: str,
    first: str | Scenario,
    second: str | Scenario,
    *,
    year: int = 2030,
    as_of: date | None = None,
    known_at: date | None = None,
) -> PathComparison:
    """Run two scenarios of a place and say what the second changes, and what that does in a year."""
    book = read_inputs(setting.catalog, place)
    one, two = (run_path(setting, place, each, as_of=as_of, known_at=known_at, book=book) for each in (first, second))
    split = compare_drivers(
        (one.inputs, one.outcome), (two.inputs, two.outcome), year, names=(one.resolved.id, two.resolved.id)
    )
    return PathComparison(
        first=one,
        second=two,
        sentences=tuple(compare_scenarios(setting.catalog, one.resolved, two.resolved)),
        drivers=split.of_drivers(),
        year=year,
    )


def _index(value: float) -> float | None:
    """Return an index as a number; None where the result does not vary."""
    return None if np.isnan(value) else round(value, 4)


def _base(draws: int) -> int:
    """Return the rows of a table of the sensitivity: half the draws, a power of two from 64 to 1,024."""
    return int(min(1024, max(64, 1 << ((draws // 2).bit_length() - 1))))


def draw_paths(
    setting: Setting,
    place: str,
    scenario: str | Scenario = "trend",
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    design: Design = "sobol",
    as_of: date | None = None,
    known_at: date | None = None,
    sensitivity: str | None = None,
    book: InputBook | None = None,
    listener: Listener = silent,
) -> tuple[Ensemble, dict[str, Any]]:
    """Draw a scenario of a place many times; return the draws and their summary per boundary, the promised ones first.

    Parameters
    ----------
    setting : Setting
    place : str
    scenario : str or Scenario
    draws, seed : int
    design : {"sobol", "latin", "random"}
    as_of, known_at : date, optional
        As for `run_path`.
    sensitivity : str, optional
        View or component whose peak year and levels in 2030 and 2060 are traced to the inputs; takes some seven times the draws more.
    book : InputBook, optional
    listener : Listener

    Returns
    -------
    Ensemble
    dict
        As `dafeng.pathways.summaries.uncertainty_summary`, with `inputs`, `reasons` and `findings`; with `sensitivity` the first-order
        and total Sobol indices of the groups that matter, largest total first.
    """
    book = book or read_inputs(setting.catalog, place)
    listener("情景 / scenario", 0, None)
    resolved = resolve_at(setting.catalog, book, scenario, paces=_observed(setting, place, scenario, as_of, known_at))
    listener("抽样 / draws", 0, None)
    found = ensemble(book, resolved, draws=draws, seed=seed, design=design)
    summary = uncertainty_summary(
        found, promises=promises_of(setting, place), parameters=(*book.parameters, *resolved.parameters)
    )
    summary["inputs"] = input_counts(book)
    summary["reasons"] = dict(resolved.reasons)
    summary["findings"] = [
        finding.model_dump(mode="json")
        for finding in (*book.findings, *resolved.findings)
        if finding.severity != "info"
    ]
    if sensitivity is not None:
        listener("敏感性 / sensitivity", 0, None)
        many = (
            found if draws >= _LEAST_DRAWS else ensemble(book, resolved, draws=_LEAST_DRAWS, seed=seed, design=design)
        )
        factors = spread_factors(many, sensitivity)
        indices = pathway_sensitivity(book, resolved, sensitivity, factors=factors, base=_base(draws), seed=seed)
        summary["sensitivity"] = {
            "boundary": sensitivity,
            "groups": {name: list(members) for name, members in factors.items()},
            "results": {
                result: [
                    {"factor": name, "first": _index(first), "total": _index(total)}
                    for name, first, total in indices.ranked(result)
                ]
                for result in indices.results
            },
        }
    return found, summary


def contributions_of(
    setting: Setting,
    place: str,
    scenario: str | Scenario,
    view: str,
    *,
    as_of: date | None = None,
    known_at: date | None = None,
    orders: int = 64,
    seed: int = SEED,
) -> tuple[ResolvedScenario, MeasureWedges]:
    """Return what each measure of a scenario contributes to a boundary, interactions shared by Shapley values."""
    book = read_inputs(setting.catalog, place)
    resolved = resolve_at(setting.catalog, book, scenario, paces=_observed(setting, place, scenario, as_of, known_at))
    return resolved, measure_wedges(book, resolved, view, orders=orders, seed=seed)


def path_series(done: PathRun, years: Sequence[int]) -> dict[str, dict[str, float]]:
    """Return the series of a run that people ask for first, by name and year.

    Returns
    -------
    dict
        Views and components in tCO2; `area`, `completed`, `demolished`, `retrofitted` in m2; `energy_generation` and
        `energy_calorific` in tce; `electricity_share` and `renewable_substitution_rate` from 0 to 1.
    """
    outcome = done.outcome
    at = {int(year): place for place, year in enumerate(outcome.years) if int(year) in years}
    table: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {
        name: outcome.view(name) for name in (*VIEWS, *COMPONENTS)
    }
    for name, array in (
        ("area", outcome.area),
        ("completed", outcome.inflow),
        ("demolished", outcome.outflow),
        ("retrofitted", outcome.retrofitted),
    ):
        table[name] = array.sum(axis=0)
    table["energy_generation"] = outcome.energy("generation")
    table["energy_calorific"] = outcome.energy("calorific")
    table["electricity_share"] = outcome.electricity_share()
    table["renewable_substitution_rate"] = outcome.renewable_substitution_rate()
    return {
        name: {
            str(year): float(f"{np.broadcast_to(values, (len(outcome.years), 1))[row, 0]:.8g}")
            for year, row in at.items()
        }
        for name, values in table.items()
    }


def drivers_of(done: PathRun, years: Sequence[int]) -> dict[str, float]:
    """Return the change of operation emissions between the first and last of some years by driver, tCO2."""
    return drivers(done.inputs, done.outcome, years).of_drivers()


def publish_paths(setting: Setting, found: Ensemble, *, recorded_at: datetime) -> int:
    """Append the quantiles of an ensemble to the lake as projected observations; the same draws once.

    Draws are the same where every value is: an overlay or a pace that changed under the same name makes others.

    Parameters
    ----------
    setting : Setting
        With a workspace.
    found : Ensemble
    recorded_at : datetime

    Returns
    -------
    int
        Observations stored now.
    """
    _, lake = need_workspace(setting)
    text = f"{found.place}/{found.scenario}/{found.design}/{found.seed}/{found.draws}/{setting.catalog.digest}"
    digest = hashlib.sha256(text.encode())
    for name, values in sorted(found.series.items()):
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
    run_id = "path-" + digest.hexdigest()[:16]
    observations = projected_observations(found, recorded_at=recorded_at, lineage=run_id)
    row = dict.fromkeys(LINEAGE_SCHEMA) | {
        "id": run_id, "kind": LineageKind.RUN.value, "detail": json.dumps({"run": text}),
    }  # fmt: skip
    lineage = pl.DataFrame([row], schema=LINEAGE_SCHEMA)
    published = lake.publish(observations, batch=run_id, lineage=lineage)
    return 0 if published.already else published.appended


def promises_of(setting: Setting, place: str) -> tuple[Promise, ...]:
    """Return the peaks that plans of a place promise."""
    return tuple(promise for plan in plans_of(setting, place) if (promise := promise_of(plan)) is not None)
