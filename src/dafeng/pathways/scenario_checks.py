"""What is wrong with a scenario: measures, levels and values that cannot stand, each as a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.checks import loose_checker
from dafeng.catalog.pathway_checks import check_overlays
from dafeng.catalog.pathway_overlay_checks import break_circles, check_measure, check_scenario
from dafeng.catalog.pathway_schemas import Measure, PathwayParameter, Scenario, ScenarioMeasure
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.pathways.measures import caps_level
from dafeng.pathways.plan_measures import RESULTS

__all__ = ["scenario_finding", "usable_parts"]


def scenario_finding(
    name: str,
    sentence: str,
    *,
    value: str = "",
    expected: str = "",
    step: str = "",
    severity: Severity = Severity.ERROR,
) -> Finding:
    """Return a finding about a scenario."""
    return Finding(
        name=f"pathways.scenario.{name}",
        sentence=sentence,
        severity=severity,
        value=value,
        expected=expected,
        next_step=step,
    )


def _check_levels(catalog: Catalog, stated: ScenarioMeasure) -> Iterable[Finding]:
    measure = catalog.measures[stated.measure]
    label = f"{measure.title.zh}（{measure.id}）"
    for point in stated.levels:
        low, high = measure.least, measure.most
        if (high is not None and point.level > high) or (low is not None and point.level < low):
            yield scenario_finding(
                "beyond-limit",
                f"{label} {point.year} 年的水平 {point.level:g} 超出限度，按限度计",
                value=f"{point.level:g}",
                expected=f"{'' if low is None else f'{low:g}'}至{'' if high is None else f'{high:g}'}",
                step="改低水平，或在措施中改限度并注明来源",
                severity=Severity.WARNING,
            )
    lower = caps_level(measure)
    for one, after in pairwise(stated.levels):
        pace = (after.level - one.level) / max(after.year - one.year, 1) * (-1 if lower else 1)
        if measure.yearly_most is not None and pace > measure.yearly_most * (1 + 1e-9):
            yield scenario_finding(
                "too-fast",
                f"{label} {one.year} 至 {after.year} 年每年变化 {pace:.3g}，快于上限，按上限计",
                value=f"{pace:.3g}",
                expected=f"不超过 {measure.yearly_most:g}",
                severity=Severity.WARNING,
            )
    if stated.meets is not None and stated.meets.result not in RESULTS:
        yield scenario_finding(
            "unknown-result",
            f"{label}要达到的结果 {stated.meets.result} 不认识",
            value=stated.meets.result,
            expected="、".join(RESULTS),
        )


def _check_together(catalog: Catalog, held: Mapping[str, ScenarioMeasure]) -> Iterable[Finding]:
    for name in held:
        measure = catalog.measures[name]
        for other in measure.interactions:
            if other.kind == "requires" and other.measure not in held:
                yield scenario_finding(
                    "requires",
                    f"{measure.title.zh}需有 {other.measure}，情景中没有，不计效果",
                    value=other.measure,
                    step=f"加上 {other.measure}，或去掉 {name}",
                    severity=Severity.WARNING,
                )
            if other.kind == "excludes" and other.measure in held:
                yield scenario_finding(
                    "excludes",
                    f"{measure.title.zh}与 {other.measure} 不能并用，后者在时前者不计效果",
                    value=other.measure,
                    step="去掉其中一项",
                    severity=Severity.WARNING,
                )


def usable_parts(
    catalog: Catalog, layers: Sequence[Scenario], held: Mapping[str, ScenarioMeasure]
) -> tuple[dict[str, ScenarioMeasure], tuple[PathwayParameter, ...], list[Finding]]:
    """Return the measures that can act, the values that can be laid over, and what is wrong with the others.

    The content of the layers and of the measures is looked at as the catalog's own is when it is read.

    Parameters
    ----------
    catalog : Catalog
    layers : sequence of Scenario
        The scenario and those under it, the top first.
    held : Mapping of str to ScenarioMeasure
        Measures of all layers by id.
    """
    checker, axes = loose_checker(catalog), PathwayAxes(catalog.path_members)
    for layer in layers:
        check_scenario(checker, layer)
    parameters = check_overlays(checker, axes, layers)
    sound: dict[str, Measure] = {}
    for name in held:
        before = len(checker.findings)
        if name in catalog.measures:
            check_measure(checker, axes, catalog.measures[name])
        if name in catalog.measures and len(checker.findings) == before:
            sound[name] = catalog.measures[name]
    break_circles(checker, sound)
    used = {name: held[name] for name in held if name in sound}
    findings = [*checker.findings, *(finding for one in used.values() for finding in _check_levels(catalog, one))]
    return used, parameters, [*findings, *_check_together(catalog, used)]
