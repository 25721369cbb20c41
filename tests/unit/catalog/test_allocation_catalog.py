"""Rules of allocation: shipped ones hold, faults are named, own rules go before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dafeng.catalog import check_folders
from dafeng.catalog.allocation_schemas import AllocationRule
from dafeng.pathways.allocation_criteria import AllocationMethod
from dafeng.pathways.allocation_schedule import ScheduleShape
from form_builders import shipped

RULE = "id: r, indicator: retrofit_area, digit: 0.1, unit: 万平方米, method: per_head, source: K, grade: C, checked_on: 2026-11-20"


def test_shipped_rules_name_methods_and_shapes_that_exist() -> None:
    for rule in shipped().allocations.values():
        method = AllocationMethod(rule.method)
        assert method.for_rates is not bool(rule.criteria)
        assert ScheduleShape(rule.schedule)
        assert rule.grade == "D"


FAULTS = {
    "catalog.indicator.unknown": ("retrofit_area", "no_such"),
    "catalog.unit.dimension": ("万平方米", "公里"),
    "catalog.allocation.method": ("per_head", "gap"),
    "catalog.source.unknown": ("source: K", "source: nobody"),
    "catalog.plan.unknown": ("id: r,", "id: r, plan: atlantis-2020,"),
    "catalog.target.unknown": ("id: r,", "id: r, plan: qingdao-2024, target: nothing,"),
    "catalog.entry.schema": ("method: per_head", "method: fair"),
}


def faults_of(folder: Path, *rules: str) -> list[str]:
    (folder / "a.yaml").write_text("allocations:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules), encoding="utf-8")
    return [finding.name for finding in check_folders([folder])[1]]


def test_faults_of_rules_are_named(tmp_path: Path) -> None:
    rules = [RULE.replace(*change).replace("id: r,", f"id: r{at},") for at, change in enumerate(FAULTS.values())]
    named = [rule if "plan:" in rule else rule.replace(",", ", plan: jilin-2023,", 1) for rule in rules]
    assert set(faults_of(tmp_path, *named)) >= set(FAULTS)


@pytest.mark.parametrize(
    "change",
    [
        {"target": "t"},
        {"digit": 0},
        {"method": "fair"},
        {"method": "same", "criteria": [{"indicator": "a"}]},
        {"method": "weighted", "criteria": [{"indicator": "a"}]},
    ],
)
def test_rules_that_contradict_themselves_are_refused(change: dict[str, Any]) -> None:
    usual = {"id": "r", "indicator": "i", "digit": 0.1, "unit": "公里", "method": "per_head", "source": "K", "grade": "C", "checked_on": "2026-11-20"}  # fmt: skip
    AllocationRule.model_validate(usual)
    with pytest.raises(ValidationError):
        AllocationRule.model_validate(usual | change)


def test_two_rules_about_the_same_are_named(tmp_path: Path) -> None:
    assert "catalog.allocation.twice" in faults_of(tmp_path, RULE)
