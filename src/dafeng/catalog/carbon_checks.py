"""What ties factors and boundaries to the rest of the catalog, and what makes each flow belong to one component."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from itertools import combinations
from typing import Any, Final, Protocol

from dafeng.base.quantity import dimension_powers, same_dimension
from dafeng.catalog.carbon_schemas import (
    FAMILY_RULES,
    Boundary,
    Factor,
    FactorValue,
    Flow,
    FlowMethod,
    Outside,
    Scope,
    Split,
    SubjectFrom,
)
from dafeng.catalog.catalog import Catalog

__all__ = ["check_boundaries", "check_factors"]

_CONDITIONS: Final = ("carrier", "end_use", "building_class")
_EMISSION: Final = "tCO2"


class Checker(Protocol):
    """What these checks need of the checker that runs them."""

    catalog: Catalog

    def say(
        self, name: str, sentence: str, section: str, key: Any, *path: str | int, expected: str = "", value: str = ""
    ) -> None:
        """Note a fault of an entry."""

    def laid_over(self, section: str, key: Any) -> bool:
        """Return whether an entry comes from a folder laid over the shipped one."""

    def known(self, what: str, name: str | None, known: Any, section: str, key: Any, *path: str | int, zh: str) -> bool:
        """Note a name that is not among the known ones."""

    def unit(self, unit: str, section: str, key: Any, *path: str | int) -> bool:
        """Note a unit that nobody knows."""


def check_factors(checker: Checker) -> None:
    """Note every factor with an unknown name, a unit of another dimension, or two values for one day."""
    catalog = checker.catalog
    series: dict[tuple[str, str, str], list[tuple[Factor, int, FactorValue]]] = defaultdict(list)
    for factor in catalog.factors.values():
        here = ("factors", factor.id)
        checker.known("place", factor.place, catalog.places, *here, "place", zh="地方")
        family = checker.known("family", factor.family, catalog.terms["factor_family"], *here, "family", zh="系数族")
        if checker.unit(factor.unit, *here, "unit") and family:
            _family(checker, factor)
        for index, value in enumerate(factor.values):
            checker.known("source", value.source, catalog.sources, *here, "values", index, "source", zh="来源")
            series[factor.family, factor.subject, factor.place].append((factor, index, value))
    for values in series.values():
        _valid_twice(checker, values)


def _family(checker: Checker, factor: Factor) -> None:
    rule = FAMILY_RULES.get(factor.family)
    if rule is None:
        return
    here = ("factors", factor.id)
    if not any(same_dimension(factor.unit, unit) for unit in rule.units):
        checker.say(
            "factor.unit",
            f"系数单位 {factor.unit} 不合族 {factor.family} 的量纲",
            *here,
            "unit",
            expected="、".join(rule.units),
            value=factor.unit,
        )
    subjects = {code for group in rule.subjects for code in checker.catalog.terms[group]}
    checker.known("subject", factor.subject, subjects, *here, "subject", zh="系数对象")
    places = checker.catalog.places
    if factor.over_divisions and factor.place in places and not places.get(factor.place).overlaps:
        checker.say("factor.over-divisions", f"{factor.place} 没有所覆盖的地方", *here, "over_divisions")


def _span(value: FactorValue) -> tuple[date, date]:
    return value.starts or date.min, value.ends or date.max


def _valid_twice(checker: Checker, values: Sequence[tuple[Factor, int, FactorValue]]) -> None:
    """Note two values whose data periods overlap, unless the later published one revises the same period."""
    ordered = sorted(values, key=lambda item: _span(item[2]))
    for number, (factor, index, value) in enumerate(ordered):
        for other, _, earlier in ordered[:number]:
            overlap = _span(value)[0] < _span(earlier)[1]
            revision = (
                other.id == factor.id and _span(value) == _span(earlier) and value.published_on != earlier.published_on
            )
            if overlap and not revision:
                checker.say(
                    "factor.valid-twice",
                    f"{factor.family}/{factor.subject}/{factor.place} 的两个值在同一时段有效："
                    f"{other.id} {earlier.value:g} 与 {factor.id} {value.value:g}",
                    "factors",
                    factor.id,
                    "values",
                    index,
                    expected="各值的数据期不重叠；修订值与原值同期而公布日不同",
                    value=f"{value.value:g}",
                )


def check_boundaries(checker: Checker) -> None:
    """Note every boundary with an unknown name, a row that two flows would take, or a view that counts twice."""
    catalog = checker.catalog
    for boundary in catalog.boundaries.values():
        here = ("boundaries", boundary.id)
        checker.known("source", boundary.source, catalog.sources, *here, "source", zh="来源")
        codes = set(catalog.terms["boundary"]) | set(catalog.terms["boundary_memo"])
        for index, component in enumerate(boundary.components):
            checker.known("term", component.code, codes, *here, "components", index, "code", zh="边界分量")
        _twice(checker, boundary, "components", [component.code for component in boundary.components])
        _twice(checker, boundary, "flows", [flow.id for flow in boundary.flows])
        _twice(checker, boundary, "splits", [split.id for split in boundary.splits])
        for index, flow in enumerate(boundary.flows):
            _flow(checker, boundary, index, flow)
        for index, left_out in enumerate(boundary.outside):
            path = ("boundaries", boundary.id, "outside", index)
            checker.known("indicator", left_out.indicator, catalog.indicators, *path, "indicator", zh="指标")
            _conditions(checker, boundary, "outside", index, left_out, left_out.indicator)
        _overlaps(checker, boundary)
        _views(checker, boundary)
        for index, split in enumerate(boundary.splits):
            _split(checker, boundary, index, split)
    promised = {view for boundary in catalog.boundaries.values() for view in boundary.views}
    for plan in catalog.plans.values() if promised else ():
        if plan.peak is not None:
            where = ("plans", plan.id, "peak", "boundary")
            checker.known("view", plan.peak.boundary, promised, *where, zh="口径")


def _twice(checker: Checker, boundary: Boundary, section: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            index = len(names) - 1 - names[::-1].index(name)
            checker.say("entry.duplicate", f"{section} 中 {name} 出现两次", "boundaries", boundary.id, section, index)


def _conditions(
    checker: Checker, boundary: Boundary, section: str, index: int, entry: Flow | Split | Outside, indicator: str
) -> None:
    catalog = checker.catalog
    for name in _CONDITIONS:
        codes: tuple[str, ...] | None = getattr(entry, name)
        path = ("boundaries", boundary.id, section, index, name)
        for code in codes or ():
            checker.known("term", code, {"all", *catalog.breakdown_codes(name)}, *path, zh="分组代码")
        if codes is not None and indicator in catalog.indicators:
            known = catalog.indicators[indicator].breakdowns
            checker.known("breakdown", name, known, *path, zh=f"指标 {indicator} 的分组")


def _flow(checker: Checker, boundary: Boundary, index: int, flow: Flow) -> None:
    catalog = checker.catalog
    here = ("boundaries", boundary.id, "flows", index)
    components = {component.code for component in boundary.components}
    checker.known("component", flow.component, components, *here, "component", zh="本边界的分量")
    if flow.id in components:
        checker.say("flow.name", f"流量 {flow.id} 与分量同名", *here, "id", value=flow.id)
    known = checker.known("indicator", flow.indicator, catalog.indicators, *here, "indicator", zh="指标")
    _conditions(checker, boundary, "flows", index, flow, flow.indicator)
    families = catalog.terms["factor_family"]
    for name in ("factor", "market_factor"):
        chosen = getattr(flow, name)
        if chosen is not None and checker.known("family", chosen.family, families, *here, name, "family", zh="系数族"):
            _subjects(checker, here, flow, name)
    converts = checker.known("family", flow.convert, families, *here, "convert", zh="系数族")
    if known and converts:
        _flow_units(checker, here, flow)


def _subjects(checker: Checker, here: tuple[str | int, ...], flow: Flow, name: str) -> None:
    """Note subjects for which the family has no factor at all: rows of such a carrier could never be reckoned."""
    factors = checker.catalog.factors.values()
    chosen = getattr(flow, name)
    held = {factor.subject for factor in factors if factor.family == chosen.family}
    section, key, *path = here
    if chosen.per is SubjectFrom.FIXED:
        checker.known("subject", chosen.subject, held, str(section), key, *path, name, "subject", zh="系数对象")
    elif not held:
        checker.say("family.empty", f"族 {chosen.family} 没有任何系数", str(section), key, *path, name)


def _flow_units(checker: Checker, here: tuple[str | int, ...], flow: Flow) -> None:
    section, key, *path = here
    unit = checker.catalog.indicators[flow.indicator].unit
    if not checker.unit(unit, str(section), key, *path, "indicator"):
        return
    chain: list[Collection[str]] = []
    for family in (flow.convert, flow.factor.family if flow.factor else None):
        if family is not None:
            rule = FAMILY_RULES.get(family)
            if rule is None:
                return
            chain.append(rule.units)
    reached = [dimension_powers(unit)]
    for units in chain:
        reached = [_product(amount, dimension_powers(factor)) for amount in reached for factor in units]
    if dimension_powers(_EMISSION) not in reached:
        checker.say(
            "flow.unit",
            f"指标 {flow.indicator}（{unit}）经所列系数得不出排放量",
            str(section),
            key,
            *path,
            "factor" if flow.method is not FlowMethod.STATED else "indicator",
            expected="活动量 × 系数 = tCO2",
            value=unit,
        )


def _product(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    powers = {name: first.get(name, 0.0) + second.get(name, 0.0) for name in {*first, *second}}
    return {name: power for name, power in powers.items() if power}


def _meet(first: Flow | Outside | Split, second: Flow | Outside | Split) -> bool:
    """Return whether some row fits the conditions of both."""
    for name in _CONDITIONS:
        one, other = getattr(first, name), getattr(second, name)
        if one is not None and other is not None and not set(one) & set(other):
            return False
    return True


def _overlaps(checker: Checker, boundary: Boundary) -> None:
    entries: list[tuple[str, int, str, Flow | Outside]] = [
        *(("flows", index, f"流量 {flow.id}", flow) for index, flow in enumerate(boundary.flows)),
        *(("outside", index, f"除外“{item.zh}”", item) for index, item in enumerate(boundary.outside)),
    ]
    for (first_section, _, first, one), (section, index, second, other) in combinations(entries, 2):
        both_outside = first_section == section == "outside"
        if one.indicator == other.indicator and not both_outside and _meet(one, other):
            checker.say(
                "flow.overlap",
                f"{first}与{second}会收同一行，重复计算",
                "boundaries",
                boundary.id,
                section,
                index,
                expected="同一指标的各流量以能源品种、用途或建筑类别互斥",
            )


def _views(checker: Checker, boundary: Boundary) -> None:
    components = {component.code: component for component in boundary.components}
    flows = {flow.id: flow for flow in boundary.flows}
    for view, members in boundary.views.items():
        here = ("boundaries", boundary.id, "views", view)
        checker.known("term", view, checker.catalog.terms["boundary_scope"], *here, zh="口径")
        for index, member in enumerate(members):
            if not checker.known("component", member, {*components, *flows}, *here, index, zh="本边界的分量或流量"):
                continue
            owner = flows[member].component if member in flows else member
            if owner in components and components[owner].scope is Scope.MEMO:
                checker.say("view.memo", f"备忘项 {member} 不能进入口径 {view}", *here, index, value=member)
            if member in flows and owner in members:
                checker.say(
                    "view.twice", f"口径 {view} 同时含分量 {owner} 和其流量 {member}", *here, index, value=member
                )
        for member, count in Counter(members).items():
            if count > 1:
                checker.say("view.twice", f"口径 {view} 中 {member} 出现两次", *here, value=member)
        _scope_view(checker, boundary, view)


def _scope_view(checker: Checker, boundary: Boundary, view: str) -> None:
    """Note where a view by scope does not hold exactly the flows of that scope."""
    wanted = {"scope_1": Scope.ONE, "scope_2": Scope.TWO}.get(view)
    if wanted is None:
        return
    scopes = {component.code: component.scope for component in boundary.components}
    held = {flow.id for flow in boundary.flows_of(view)}
    right = {flow.id for flow in boundary.flows if (flow.scope or scopes.get(flow.component)) is wanted}
    if scopes and held != right:
        checker.say(
            "view.scope",
            f"口径 {view} 与流量的范围不符：{'、'.join(sorted(held ^ right))}",
            "boundaries",
            boundary.id,
            "views",
            view,
            expected="、".join(sorted(right)),
        )


def _split(checker: Checker, boundary: Boundary, index: int, split: Split) -> None:
    here = ("boundaries", boundary.id, "splits", index)
    components = {component.code for component in boundary.components}
    checker.known("component", split.to, components, *here, "to", zh="本边界的分量")
    flows = {flow.id: flow for flow in boundary.flows}
    for number, name in enumerate(split.flows):
        if not checker.known("flow", name, flows, *here, "flows", number, zh="本边界的流量"):
            continue
        _conditions(checker, boundary, "splits", index, split, flows[name].indicator)
        if flows[name].component == split.to:
            checker.say("split.nowhere", f"流量 {name} 本就属于 {split.to}", *here, "to", value=split.to)
        if not _meet(flows[name], split):
            checker.say(
                "split.empty", f"规则 {split.id} 在流量 {name} 中取不到任何行", *here, "flows", number, value=name
            )
    for number, other in enumerate(boundary.splits[:index]):
        if set(other.flows) & set(split.flows) and _meet(other, split):
            checker.say("split.overlap", f"规则 {split.id} 与 {other.id} 会移走同一行", *here, value=str(number))
