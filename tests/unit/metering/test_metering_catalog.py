"""Faults of energy items and checks are found; the shipped ones are whole."""

from pathlib import Path

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.finding import Severity
from dafeng.catalog import load_catalog
from dafeng.metering.items import item_closure

TABLE = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "metering_catalog_faults.yaml").read_text(encoding="utf-8")
)


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case = TABLE["cases"][name]
    (file,) = [file for file, text in TABLE["files"].items() if case["replace"] in text]
    text = TABLE["files"][file].replace(case["replace"], case["by"], 1)
    found = [
        finding
        for finding in check_files(tmp_path, {**TABLE["files"], file: text})[1]
        if finding.name == case["finding"]
    ]
    assert found
    assert all(finding.severity is Severity.ERROR and finding.next_step and finding.where.line for finding in found)


def test_the_shipped_tree_is_that_of_the_codes() -> None:
    items = load_catalog().items
    assert len([item for item in items.values() if item.level == 1]) == 13
    assert {item.id for item in items.values() if item.parent == "01000"} == {"01A00", "01B00", "01C00", "01D00"}
    assert item_closure(items).filter(item="01D50")["above"].to_list() == ["01D00", "01000"]
    assert all(check.ask and check.source for check in load_catalog().meter_checks.values())
