"""What ties checks on returns to the rest of the catalog: indicators, sources, conditions, thresholds."""

from __future__ import annotations

from typing import Final

from dafeng.base.errors import DafengError
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.expression import check_expression
from dafeng.catalog.statistics_schemas import CheckKind

__all__ = ["PARAMETERS", "check_data_checks"]

PARAMETERS: Final[dict[CheckKind, frozenset[str]]] = {
    CheckKind.RANGE: frozenset({"usual"}),
    CheckKind.CONDITION: frozenset(),
    CheckKind.PARTS: frozenset({"over"}),
    CheckKind.JUMP: frozenset({"usual", "times", "angle", "share", "surely"}),
    CheckKind.SPIKE: frozenset({"usual", "agree", "least"}),
    CheckKind.SILENCE: frozenset({"zeros", "gaps", "silent", "places"}),
    CheckKind.SCALE: frozenset({"usual", "near", "least", "steady", "sums"}),
    CheckKind.SHIFT: frozenset({"rows", "evidence", "fitting", "column", "alike", "figures"}),
    CheckKind.COPY: frozenset({"figures", "share", "years", "table", "rows", "places"}),
    CheckKind.PEER: frozenset({"usual", "peers", "fraction"}),
    CheckKind.CUMULATIVE: frozenset({"years"}),
    CheckKind.PLACES: frozenset({"present", "alike", "figures"}),
    CheckKind.SOURCES: frozenset(),
}
"""Thresholds that each kind knows, by name."""


def check_data_checks(checker: Checker) -> None:
    """Note every fault of the checks on returns: unknown names, conditions that do not hold, thresholds nobody reads.

    Parameters
    ----------
    checker : Checker
        Catalog as read; collects the findings.
    """
    catalog = checker.catalog
    types = catalog.indicator_types()
    for check in catalog.checks.values():
        here = ("checks", check.id)
        checker.known("source", check.source, catalog.sources, *here, "source", zh="来源")
        for index, name in enumerate(check.indicators):
            checker.known("indicator", name, catalog.indicators, *here, "indicators", index, zh="指标")
        for name, value in check.parameters.items():
            known = checker.known(
                "parameter", name, sorted(PARAMETERS[check.kind]), *here, "parameters", name, zh="阈值"
            )
            if known and value < 0:
                checker.say(
                    "check.threshold",
                    f"阈值 {name} 为负",
                    *here,
                    "parameters",
                    name,
                    expected="不小于0",
                    value=f"{value:g}",
                )
        if check.parameters.get("years") and check.kind is CheckKind.CUMULATIVE and not check.indicators:
            checker.say(
                "check.indicators", "逐年比较累计数须写明指标", *here, "indicators", expected="累计到期末的指标"
            )
        if check.require is None:
            continue
        try:
            result = check_expression(check.require, types)
        except DafengError as error:
            checker.say(
                "expression.invalid",
                f"条件有误：{error.problem}",
                *here,
                "require",
                expected=error.expected,
                value=check.require,
            )
        else:
            if result.kind != "yes_no":
                checker.say("expression.kind", "此处应为条件", *here, "require", expected="条件", value=check.require)
