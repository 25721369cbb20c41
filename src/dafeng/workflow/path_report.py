"""The pathways that a report is given: the plan's own boundary under the trend, the plan's present pace and the plan in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from dafeng.assessment import Assessment
from dafeng.base.errors import NotEnoughDataError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.attribution import DRIVERS, Flow, drivers, energy_flows
from dafeng.pathways.ensemble import Ensemble, ensemble
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.model import run
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.peaks import QUANTILES, peak_years
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.sanity import sanity
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs
from dafeng.pathways.sensitivity import share_by_group
from dafeng.pathways.summaries import SERIES_NAMES
from dafeng.pathways.wedges import measure_wedges
from dafeng.reports import CarbonFacts
from dafeng.reports.figure_content import FlowLink, FlowNode, FlowPaths
from dafeng.reports.pathway_chapter import PathwayFacts, ScenarioPath
from dafeng.workflow.pathways import SEED, group_titles, input_counts, paces_of, resolve_at
from dafeng.workflow.setting import Setting

__all__ = ["NO_PATHWAYS", "pathways_for_report"]

NO_PATHWAYS: Final = ("达峰情景测算", "方案未承诺达峰，或目录没有本地区的人口等参数，本报告未作测算。")
"""Convention printed where there is no outlook."""
_DRAWS: Final = 512
_SCENARIOS: Final = ("trend", "plan-pace", "plan-full", "plan-plus")
_VIEWS: Final = ("direct", "building_operation", "whole_field")
_TEN_THOUSAND: Final = 1e4
_PEAK_YEARS: Final = (0.05, 0.5, 0.95)
_LEAST_SHARE: Final = 0.02  # of the variance, to be named
_COUNTED: Final = "已由"  # begins the reason of what another promise counts already
_TWH: Final = 10.0  # 10⁸ kWh
_SMALL_FLOW: Final = 0.003  # of the largest, to be drawn


def pathways_for_report(
    setting: Setting,
    plan: Plan,
    *,
    judged: Assessment,
    carbon: CarbonFacts | None,
    draws: int = _DRAWS,
    seed: int = SEED,
) -> PathwayFacts | None:
    """Return what the chapter on pathways is made from; None where the plan promises no peak or the place has no inputs.

    Parameters
    ----------
    setting : Setting
    plan : Plan
    judged : Assessment
        The plan judged by the facts; its histories give the present pace.
    carbon : CarbonFacts or None
        The place's account, drawn beside the scenarios.
    draws, seed : int
    """
    catalog = setting.catalog
    if plan.peak is None:
        return None
    try:
        book = read_inputs(catalog, plan.place)
        paces = paces_of(judged)
        resolved = [resolve_at(catalog, book, name, plan=plan.id, paces=paces) for name in _SCENARIOS]
    except (NotEnoughDataError, UnknownNameError):
        return None
    by, promised = plan.peak.by, str(plan.peak.boundary)
    found = [ensemble(book, one, draws=draws, seed=seed) for one in resolved]
    paths = [_path(one, many, promised, by) for one, many in zip(resolved, found, strict=True)]
    others = [_path(resolved[0], found[0], view, by) for view in _VIEWS if view != promised]
    full = resolved[_SCENARIOS.index("plan-full")]
    wedges = measure_wedges(book, full, promised, orders=32, seed=seed)
    years = [int(year) for year in wedges.years if book.settings.base_year <= year <= 2045]
    rows = [year_row(wedges.years, year) for year in years]
    inputs, outcome = _median(book, resolved[0])
    moved = drivers(inputs, outcome, [book.settings.base_year, by]).of_drivers()
    first, last = (
        float(outcome.view("building_operation")[year_row(outcome.years, year), 0]) / _TEN_THOUSAND
        for year in (book.settings.base_year, by)
    )
    counts = input_counts(book)
    return PathwayFacts(
        place=plan.place,
        place_zh=catalog.place_name(plan.place),
        promised=promised,
        promised_zh=SERIES_NAMES.get(promised, promised),
        by=by,
        promised_paths=paths,
        other_paths=others,
        history=_history(carbon, promised),
        wedges=tuple(
            (zh, _english(catalog, code), (wedges.shapley[number, rows] / _TEN_THOUSAND).tolist())
            for number, (code, zh) in enumerate(zip(wedges.measures, wedges.names, strict=True))
        ),
        wedge_years=years,
        wedge_ends=((wedges.without[rows] / _TEN_THOUSAND).tolist(), (wedges.with_all[rows] / _TEN_THOUSAND).tolist()),
        drivers=tuple(
            (factor.zh, factor.id, moved[factor.id] / _TEN_THOUSAND) for factor in DRIVERS.factors if moved[factor.id]
        ),
        driver_ends=(book.settings.base_year, first, by, last),
        sensitivity=_sensitivity(catalog, found[0], promised),
        flows=_flows(energy_flows(inputs, outcome, by)),
        outside=_outside(plan, full),
        unseen=_unseen(plan, full, resolved[_SCENARIOS.index("plan-pace")]),
        grades={grade: count for grade, count in counts["grades"].items() if count},
        borrowed=counts["borrowed"],
        parameters=counts["parameters"],
        calibration=_calibration(book),
        draws=draws,
        seed=seed,
        design=found[0].design,
        findings=tuple(
            finding.sentence for finding in sanity(outcome, plan.place) if finding.severity is not Severity.INFO
        ),
    )


def _path(resolved: ResolvedScenario, found: Ensemble, view: str, by: int) -> ScenarioPath:
    values = found.series[view]
    peaks = peak_years(values, found.years)
    bands = np.quantile(values, list(QUANTILES.values()), axis=1) / _TEN_THOUSAND
    level = np.quantile(peaks.level, list(QUANTILES.values())) / _TEN_THOUSAND
    return ScenarioPath(
        code=resolved.id,
        zh=resolved.title.zh,
        en=resolved.title.en,
        view=view,
        view_zh=SERIES_NAMES.get(view, view),
        peak_year=_triple([peaks.year_quantile(share) for share in _PEAK_YEARS]),
        unpeaked=float(np.mean(~peaks.peaked)),
        by_deadline=peaks.probability_by(by),
        error=peaks.probability_error(by),
        peak_level=_triple(level),
        levels={int(year): _triple(bands[:, row]) for row, year in enumerate(found.years)},
    )


def _triple(values: Any) -> tuple[float, float, float]:
    low, middle, high = (float(value) for value in values)
    return low, middle, high


def _median(book: InputBook, resolved: ResolvedScenario) -> tuple[Inputs, Outcome]:
    inputs = scenario_inputs(book, resolved)
    return inputs, run(inputs, detail=True)


def _history(carbon: CarbonFacts | None, promised: str) -> tuple[tuple[int, float], ...]:
    if carbon is None or not carbon.covered:
        return ()
    values = ((year, carbon.value(year, promised)) for year in carbon.complete_years(promised))
    return tuple((year, value) for year, value in values if value is not None)


def _english(catalog: Catalog, measure: str) -> str:
    return catalog.measures[measure].title.en if measure in catalog.measures else measure


def _sensitivity(catalog: Catalog, found: Ensemble, view: str) -> tuple[tuple[str, float], ...]:
    """Return the spread groups that the peak year rests on, by the name of a quantity of theirs."""
    years = peak_years(found.series[view], found.years).year.astype(float)
    shares = share_by_group(found.drawn, years[None, :])[:, 0]
    names = group_titles(catalog)
    ranked = sorted(zip(found.drawn, np.nan_to_num(shares), strict=True), key=lambda pair: -pair[1])
    joined: dict[str, float] = {}
    for group, share in ranked:
        if share >= _LEAST_SHARE:
            name = names.get(group, group)
            joined[name] = joined.get(name, 0.0) + float(share)
    return tuple(sorted(joined.items(), key=lambda pair: -pair[1]))


def _flows(found: Sequence[Flow]) -> FlowPaths | None:
    """Return the flows from carriers to end uses to classes."""
    layers = ("carrier", "end_use", "building_class")
    chosen = [
        flow for flow in found if flow.source.split(":")[0] in layers[:2] and flow.target.split(":")[0] in layers[1:]
    ]
    if not chosen:
        return None
    least = _SMALL_FLOW * max(flow.value for flow in chosen)
    sums: dict[tuple[int, str], float] = {}
    names: dict[tuple[int, str], str] = {}
    links = []
    for flow in chosen:
        if flow.value < least:
            continue
        layer = layers.index(flow.source.split(":")[0])
        source, target = flow.source.split(":")[1], flow.target.split(":")[1]
        names[layer, source], names[layer + 1, target] = flow.source_zh, flow.target_zh
        sums[layer, source] = sums.get((layer, source), 0.0) + flow.value
        if layer == 1:
            sums[2, target] = sums.get((2, target), 0.0) + flow.value
        links.append(FlowLink(source=source, target=target, layer=layer, value=flow.value * _TWH))
    nodes = [
        FlowNode(code=code, zh=names[layer, code], en=code.replace("_", " "), layer=layer)
        for (layer, code), _ in sorted(sums.items(), key=lambda pair: (pair[0][0], -pair[1], pair[0][1]))
    ]
    return FlowPaths(unit="亿千瓦时", unit_en="10⁸ kWh", nodes=tuple(nodes), links=tuple(links))


def _labels(plan: Plan) -> dict[str, str]:
    """Return the names of targets and obligations by `<plan>#<id>`."""
    named = [(target.id, target.label) for target in plan.targets]
    named += [(obligation.id, obligation.title) for obligation in plan.obligations]
    return {f"{plan.id}#{name}": label for name, label in named}


def _outside(plan: Plan, full: ResolvedScenario) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return why promises of the plan are not in the model, with the promises."""
    labels = _labels(plan)
    by_reason: dict[str, dict[str, None]] = {}
    for name, why in full.reasons.items():
        if name in labels and not why.startswith(_COUNTED):
            by_reason.setdefault(why, {})[labels[name]] = None
    return tuple((why, tuple(names)) for why, names in by_reason.items())


def _unseen(plan: Plan, full: ResolvedScenario, pace: ResolvedScenario) -> tuple[str, ...]:
    """Return the promises that go at the trend for want of observations."""
    labels = _labels(plan)
    return tuple(dict.fromkeys(labels[name] for name in pace.reasons if name in labels and name not in full.reasons))


def _calibration(book: InputBook) -> str:
    fitted = [parameter for parameter in book.parameters if parameter.calibrated]
    if not fitted:
        return "模型没有用本地历史校准，历史年份也是测算值。"
    quantities = "、".join(dict.fromkeys(parameter.derived or parameter.id for parameter in fitted))
    return f"模型已用历史校准（{len(fitted)}组系数）：{quantities}。"
