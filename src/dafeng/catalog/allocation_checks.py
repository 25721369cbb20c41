"""Rules of allocation against the rest of the catalog: indicators, plans, targets, units and sources that they name."""

from __future__ import annotations

from typing import Any

from dafeng.catalog.schemas import OverPlaces

__all__ = ["check_allocations"]


def check_allocations(checker: Any) -> None:
    """Say what rules of allocation name that does not exist or does not fit.

    Parameters
    ----------
    checker : object
        Collects findings, see `dafeng.catalog.checks`.
    """
    catalog = checker.catalog
    seen: dict[tuple[str, str | None, str | None], str] = {}
    for rule in catalog.allocations.values():
        here = ("allocations", rule.id)
        checker.known("source", rule.source, catalog.sources, *here, "source", zh="来源")
        for index, criterion in enumerate(rule.criteria):
            checker.known(
                "indicator", criterion.indicator, catalog.indicators, *here, "criteria", index, "indicator", zh="指标"
            )
        checker.known("indicator", rule.weights, catalog.indicators, *here, "weights", zh="指标")
        if checker.known("plan", rule.plan, catalog.plans, *here, "plan", zh="方案") and rule.target is not None:
            targets = {target.id for target in catalog.plans[rule.plan].targets}
            checker.known("target", rule.target, targets, *here, "target", zh="目标")
        other = seen.setdefault((rule.indicator, rule.plan, rule.target), rule.id)
        if other != rule.id:
            checker.say("allocation.twice", f"与 {other} 说的是同一目标", *here, "indicator", value=rule.indicator)
        if not checker.known("indicator", rule.indicator, catalog.indicators, *here, "indicator", zh="指标"):
            continue
        indicator = catalog.indicators[rule.indicator]
        checker.same_unit(rule.unit, indicator.unit, *here, "unit")
        rate = rule.method in ("same", "points", "gap")
        if rate is (indicator.places is OverPlaces.SUM):
            words = "总量指标不能用比率的方法" if rate else "比率指标不能按份额分解"
            checker.say("allocation.method", f"{words}：{rule.method}", *here, "method", value=rule.method)
