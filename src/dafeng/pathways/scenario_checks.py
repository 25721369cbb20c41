"""What is wrong with a scenario: measures, levels and values that cannot stand, each as a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from dafeng.base.errors import UnitError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import PathwayParameter, Scenario, ScenarioMeasure
from dafeng.catalog.pathway_tables import PathwayAxes, unit_factor
from dafeng.pathways.measure_checks import check_measures
from dafeng.pathways.measures import caps_level
from dafeng.pathways.plan_measures import RESULTS

__all__ = ["scenario_finding", "usable_measures", "usable_parameters"]


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
    if [point.year for point in stated.levels] != sorted({point.year for point in stated.levels}):
        yield scenario_finding("years", f"{label}的年份应由早到晚且各出现一次", step="按年份重排")
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


def _check_parameter(catalog: Catalog, axes: PathwayAxes, parameter: PathwayParameter) -> Iterable[Finding]:
    quantity = catalog.path_quantities.get(parameter.quantity)
    if quantity is None:
        yield scenario_finding(
            "unknown-quantity",
            f"参数 {parameter.id} 的量 {parameter.quantity} 不存在",
            value=parameter.quantity,
            expected="、".join(close_names(parameter.quantity, catalog.path_quantities)),
        )
        return
    for axis, code in parameter.of.items():
        if axis not in quantity.axes or code not in axes.codes(axis):
            yield scenario_finding(
                "unknown-member",
                f"参数 {parameter.id}：{quantity.title.zh}没有 {axis}={code}",
                value=f"{axis}={code}",
                expected="、".join(close_names(code, axes.codes(axis)) if axis in quantity.axes else quantity.axes),
            )
    try:
        factor = unit_factor(axes, quantity, parameter.unit, parameter.of)
    except UnitError as error:
        yield scenario_finding(
            "unit",
            f"参数 {parameter.id} 的单位 {parameter.unit} 换不成{quantity.title.zh}的单位 {quantity.unit}",
            value=parameter.unit,
            expected=error.expected,
            step="改正单位",
        )
        return
    low, high = quantity.least, quantity.most
    for point in parameter.points:
        value = point.value * factor
        if (low is not None and value < low) or (high is not None and value > high):
            yield scenario_finding(
                "beyond-bounds",
                f"参数 {parameter.id} {point.year} 年的值超出{quantity.title.zh}可能的范围",
                value=f"{value:g}",
                expected=f"{'' if low is None else f'{low:g}'}至{'' if high is None else f'{high:g}'}",
            )


def usable_measures(
    catalog: Catalog, held: Mapping[str, ScenarioMeasure]
) -> tuple[dict[str, ScenarioMeasure], list[Finding]]:
    """Return the measures that can act, and what is wrong with the others."""
    findings = [
        scenario_finding(
            "unknown-measure",
            f"情景用到的措施 {name} 不存在，没有采用",
            value=name,
            expected="、".join(close_names(name, catalog.measures)),
            step="改用已有措施的编号",
        )
        for name in held
        if name not in catalog.measures
    ]
    used = {name: one for name, one in held.items() if name in catalog.measures}
    faulty = check_measures(catalog, used)
    findings += faulty
    bad = {str(finding.evidence["measure"]) for finding in faulty if "measure" in finding.evidence}
    used = {name: one for name, one in used.items() if name not in bad}
    for one in used.values():
        findings += _check_levels(catalog, one)
    findings += _check_together(catalog, used)
    return used, findings


def usable_parameters(
    catalog: Catalog, layers: Sequence[Scenario]
) -> tuple[tuple[PathwayParameter, ...], list[Finding]]:
    """Return the values of all layers that can be laid over, the top layer's last, and what is wrong with the others."""
    axes = PathwayAxes(catalog.path_members)
    findings: list[Finding] = []
    kept: dict[tuple[str, str, tuple[tuple[str, str], ...]], PathwayParameter] = {}
    for layer in reversed(layers):
        for parameter in layer.parameters:
            faults = list(_check_parameter(catalog, axes, parameter))
            findings += faults
            if not faults:
                kept[parameter.quantity, parameter.place, tuple(sorted(parameter.of.items()))] = parameter
    return tuple(kept.values()), findings
