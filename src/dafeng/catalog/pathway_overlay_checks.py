"""What ties measures, scenarios and the links of plans to the model: names, units, levels, no circle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dafeng.base.quantity import dimension_powers
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.pathway_schemas import Change, Measure, Scenario
from dafeng.catalog.pathway_tables import LAST_YEAR, PathwayAxes

__all__ = [
    "NEAREST",
    "break_circles",
    "check_links",
    "check_measure",
    "check_measures",
    "check_scenario",
    "find_circle",
]

_MONEY: Final = "[money]"
NEAREST: Final = "nearest"
"""Plan of a scenario: that of the place, or the nearest above it."""
_FIRST_PRICE: Final = 1990


def check_measures(checker: Checker, axes: PathwayAxes) -> None:
    """Note the faults of all measures, and those that wait for one another in a circle."""
    measures = dict(checker.catalog.measures)
    for measure in measures.values():
        check_measure(checker, axes, measure)
    break_circles(checker, measures)


def check_measure(checker: Checker, axes: PathwayAxes, measure: Measure) -> None:
    """Note a measure that changes what is not there, breaks shares, lacks a unit of money or a price year, or affects itself."""
    catalog = checker.catalog
    here = ("measures", measure.id)
    checker.known("source", measure.source, catalog.sources, *here, "source", zh="来源")
    for index, change in enumerate(measure.changes):
        _change(checker, axes, measure, index, change)
    if len({change.how == "at_most" for change in measure.changes}) > 1:
        checker.say(
            "measure.mixed-sense", f"措施 {measure.title.zh}既有上限又有其他改变，水平高低的含义不定", *here, "changes",
            expected="分成两项措施",
        )  # fmt: skip
    for index, cost in enumerate(measure.costs):
        at = (*here, "costs", index)
        checker.known("source", cost.source, catalog.sources, *at, "source", zh="来源")
        if checker.unit(cost.unit, *at, "unit") and dimension_powers(cost.unit).get(_MONEY) != 1:
            checker.say(
                "measure.cost-unit",
                f"费用单位 {cost.unit} 不是金额",
                *at,
                "unit",
                expected="如 CNY/m2",
                value=cost.unit,
            )
        if cost.low is not None and cost.high is not None and not cost.low <= cost.value <= cost.high:
            checker.say("measure.cost-range", "费用不在其低值与高值之间", *at, "value", value=f"{cost.value:g}")
        if not _FIRST_PRICE <= cost.price_year <= LAST_YEAR:
            checker.say(
                "measure.price-year", "费用没有可用的价格年份", *at, "price_year",
                expected=f"{_FIRST_PRICE} 至 {LAST_YEAR}", value=str(cost.price_year),
            )  # fmt: skip
    for index, one in enumerate(measure.interactions):
        path = (*here, "interactions", index, "measure")
        known = checker.known("measure", one.measure, catalog.measures, *path, zh="措施")
        if known and one.measure == measure.id and one.kind == "scales":
            checker.say("measure.circular", f"措施 {measure.id} 与自身相互影响", *path, value=measure.id)


def break_circles(checker: Checker, measures: dict[str, Measure]) -> None:
    """Note every circle of `requires` and `excludes`, and take the first measure of each out of `measures`."""
    while circle := find_circle(measures):
        checker.say(
            "measure.circular", "措施的前提与排斥关系成环：" + " → ".join(circle), "measures", circle[0], "interactions",
            expected="requires、excludes 不成环；互相排斥的两项只在一项中写明", value=circle[0],
        )  # fmt: skip
        del measures[circle[0]]


def find_circle(measures: Mapping[str, Measure]) -> list[str]:
    """Return measures that wait for one another by `requires` and `excludes`, the first again at the end; empty where none do."""
    done: set[str] = set()
    for start in measures:
        trail: list[str] = []
        stack = [(start, 0)]
        while stack:
            name, depth = stack.pop()
            trail = trail[:depth]
            if name in trail:
                return [*trail[trail.index(name) :], name]
            if name in done:
                continue
            trail.append(name)
            waits = [
                one.measure for one in measures[name].interactions if one.kind != "scales" and one.measure in measures
            ]
            stack += [(other, depth + 1) for other in reversed(waits)]
        done.update(trail)
        done.add(start)
    return []


def _change(checker: Checker, axes: PathwayAxes, measure: Measure, index: int, change: Change) -> None:
    catalog, here = checker.catalog, ("measures", measure.id, "changes", index)
    if not checker.known("path-quantity", change.quantity, catalog.path_quantities, *here, "quantity", zh="模型的量"):
        return
    quantity = catalog.path_quantities[change.quantity]
    for axis, code in change.of.items():
        if checker.known("path-axis", axis, quantity.axes, *here, "of", axis, zh=f"{quantity.title.zh}的轴"):
            checker.known("path-member", code, axes.codes(axis), *here, "of", axis, zh="成员")
    last = quantity.axes[-1] if quantity.axes else ""
    for position, code in enumerate(change.taken_from):
        checker.known("path-member", code, axes.codes(last) if last else (), *here, "taken_from", position, zh="成员")
    shares = quantity.sums_to_one is not None
    if (change.how == "shift") != shares:
        checker.say(
            "measure.shares",
            f"{quantity.title.zh}各项合计{'为一，只能用 shift' if shares else '不为一，不能用 shift'}",
            *here, "how",
            expected="shift" if shares else "at_least、at_most、add、reduce", value=change.how,
        )  # fmt: skip
    elif shares and len(axes.below(last, change.of.get(last, "all"))) > 1:
        checker.say("measure.shift-to-one", "shift 一次只能移向一个成员", *here, "of", expected=f"轴 {last} 的一个成员")
    if change.times != "one" and change.how != ("shift" if change.times == "concerned" else "add"):
        checker.say(
            "measure.times", f"times: {change.times} 不能用于 {change.how}", *here, "times",
            expected="shift 用 concerned，add 用 area、people", value=change.how,
        )  # fmt: skip
    if change.times == "area" and last != "segment":
        checker.say(
            "measure.no-area",
            f"{quantity.title.zh}不按建筑面积分段，不能按面积计量",
            *here,
            "times",
            expected="轴 segment",
        )


def check_scenario(checker: Checker, scenario: Scenario) -> None:
    """Note a scenario on unknown measures, places, plans or scenarios, with levels out of order, or on itself."""
    catalog = checker.catalog
    here = ("scenarios", scenario.id)
    checker.known("scenario", scenario.base, catalog.scenarios, *here, "base", zh="情景")
    checker.known("place", scenario.place, catalog.places, *here, "place", zh="地方")
    if scenario.plan != NEAREST:
        checker.known("plan", scenario.plan, catalog.plans, *here, "plan", zh="方案")
    checker.known("source", scenario.source, catalog.sources, *here, "source", zh="来源")
    for index, name in enumerate(scenario.without):
        checker.known("measure", name, catalog.measures, *here, "without", index, zh="措施")
    _levels(checker, scenario)
    chain, base = [scenario.id], scenario.base
    while base is not None and base in catalog.scenarios:
        if base in chain:
            named = " → ".join([*chain[chain.index(base) :], base])
            checker.say("scenario.circular", f"情景 {scenario.id} 的基础成环：{named}", *here, "base", value=base)
            break
        chain.append(base)
        base = catalog.scenarios[base].base


def _levels(checker: Checker, scenario: Scenario) -> None:
    catalog, seen = checker.catalog, set()
    for index, item in enumerate(scenario.measures):
        here = ("scenarios", scenario.id, "measures", index)
        checker.known("measure", item.measure, catalog.measures, *here, "measure", zh="措施")
        if item.measure in seen:
            checker.say("scenario.twice", f"措施 {item.measure} 在情景中出现两次", *here, "measure", value=item.measure)
        seen.add(item.measure)
        years = [point.year for point in item.levels]
        if years != sorted(set(years)):
            checker.say(
                "scenario.levels", "各年水平应按年份升序，每年一次", *here, "levels",
                expected="年份升序", value="、".join(map(str, years)),
            )  # fmt: skip
        for position, reason in enumerate(item.because):
            plan, mark, name = reason.partition("#")
            if not mark or plan not in catalog.plans or name not in _named(checker, plan):
                checker.say(
                    "scenario.because", f"方案中没有 {reason}", *here, "because", position,
                    expected="<方案>#<目标、任务编号>", value=reason,
                )  # fmt: skip


def _named(checker: Checker, plan_id: str) -> set[str]:
    """Return ids of targets and obligations and numbers of tasks of a plan."""
    plan = checker.catalog.plans[plan_id]
    return {
        *(one.id for one in plan.targets),
        *(one.id for one in plan.obligations),
        *(one.number for one in plan.tasks),
    }


def check_links(checker: Checker) -> None:
    """Note links of plans, targets or measures that are not there.

    A shipped link to a plan that a workspace has replaced by its own reading of it may find nothing: that is no fault.
    """
    catalog = checker.catalog
    for link in catalog.plan_links:
        here = ("plan_links", (link.plan, link.of))
        checker.known("measure", link.measure, catalog.measures, *here, "measure", zh="措施")
        replaced = checker.laid_over("plans", link.plan) and not checker.laid_over(*here)
        if checker.known("plan", link.plan, catalog.plans, *here, "plan", zh="方案") and not replaced:
            checker.known("plan-entry", link.of, _named(checker, link.plan), *here, "of", zh="方案的目标、义务或任务")
