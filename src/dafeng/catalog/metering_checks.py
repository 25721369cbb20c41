"""What ties energy items and checks on readings to the rest of the catalog."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final, Protocol

from dafeng.base.quantity import same_dimension
from dafeng.catalog.catalog import Catalog

__all__ = ["check_metering"]

_PARAMETERS: Final = {
    "negative-step": ("rollover_share",),
    "power": ("rated_multiple", "own_multiple", "own_quantile", "least_hours"),
    "stuck": ("hours", "usual_share"),
    "parts-above-main": ("tolerance", "least"),
    "parts-missing": ("share", "least"),
    "copied-day": ("days", "least_changes", "least_hours"),
    "clock": ("seconds",),
    "completeness": ("share",),
    "catch-up": ("seconds",),
    "drift": ("seconds", "least_readings"),
}
"""Thresholds that the house's checks read."""


class Checker(Protocol):
    """What these checks need of the checker that runs them."""

    catalog: Catalog

    def say(
        self, name: str, sentence: str, section: str, key: Any, *path: str | int, expected: str = "", value: str = ""
    ) -> None:
        """Note a fault of an entry."""

    def known(self, what: str, name: str | None, known: Any, section: str, key: Any, *path: str | int, zh: str) -> bool:
        """Note a name that is not among the known ones."""

    def unit(self, unit: str, section: str, key: Any, *path: str | int) -> bool:
        """Note a unit that nobody knows."""


def check_metering(checker: Checker) -> None:
    """Note items whose parent, unit, carrier or use does not fit, and checks that share a bit or lack a threshold."""
    _items(checker)
    _checks(checker)


def _items(checker: Checker) -> None:
    catalog = checker.catalog
    for item in catalog.items.values():
        here = ("items", item.id)
        checker.known("source", item.source, catalog.sources, *here, "source", zh="来源")
        checker.known("term", item.carrier, catalog.breakdown_codes("carrier"), *here, "carrier", zh="能源品种")
        checker.known("term", item.end_use, {"all", *catalog.breakdown_codes("end_use")}, *here, "end_use", zh="用途")
        known_unit = checker.unit(item.unit, *here, "unit")
        if (item.parent is None) != (item.level == 1):
            checker.say(
                "item.level",
                f"分项 {item.id} 为第 {item.level} 级，上级为 {item.parent or '空'}",
                *here,
                "level",
                expected="第一级没有上级，其余各级有",
                value=str(item.level),
            )
        if item.parent is None or not checker.known("item", item.parent, catalog.items, *here, "parent", zh="分项"):
            continue
        parent = catalog.items[item.parent]
        if parent.level != item.level - 1 or parent.id[:2] != item.id[:2]:
            checker.say(
                "item.parent",
                f"分项 {item.id}（第 {item.level} 级）的上级 {parent.id} 为第 {parent.level} 级",
                *here,
                "parent",
                expected="同一类能源、高一级的分项",
                value=parent.id,
            )
        if known_unit and checker.unit(parent.unit, "items", parent.id, "unit") and item.unit != parent.unit:
            same = same_dimension(item.unit, parent.unit)
            checker.say(
                "item.unit",
                f"分项 {item.id} 的单位 {item.unit} 与上级 {parent.id} 的 {parent.unit} 不同"
                + ("" if same else "，量纲也不同"),
                *here,
                "unit",
                expected=parent.unit,
                value=item.unit,
            )


def _checks(checker: Checker) -> None:
    catalog = checker.catalog
    holders: dict[int, list[str]] = defaultdict(list)
    for check in catalog.meter_checks.values():
        here = ("meter_checks", check.id)
        checker.known("source", check.source, catalog.sources, *here, "source", zh="来源")
        if holders[check.bit]:
            checker.say(
                "meter-check.bit",
                f"校核 {check.id} 与 {holders[check.bit][0]} 用同一标志位 {check.bit}",
                *here,
                "bit",
                expected="每项校核一位",
                value=str(check.bit),
            )
        holders[check.bit].append(check.id)
        wanted = _PARAMETERS.get(check.id, ())
        for name in wanted:
            if name not in check.parameters:
                checker.say(
                    "meter-check.parameter",
                    f"校核 {check.id} 没有阈值 {name}",
                    *here,
                    "parameters",
                    expected="、".join(wanted),
                )
        for name in check.parameters:
            checker.known("parameter", name, set(wanted), *here, "parameters", name, zh=f"校核 {check.id} 的阈值")
