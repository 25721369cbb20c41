"""Every fault that ledger descriptions can have is found; the shipped ones cover every target that ledgers yield."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.finding import Severity
from dafeng.base.ledger import ledger_schema
from dafeng.catalog import load_catalog
from dafeng.catalog.expression import evaluate, expression_names
from dafeng.catalog.ledger_schemas import Rollup
from dafeng.catalog.schemas import OverPlaces

CASES = Path(__file__).parents[2] / "cases"
TABLE = yaml.safe_load((CASES / "ledger_catalog_faults.yaml").read_text(encoding="utf-8"))
TARGETS = yaml.safe_load((CASES / "ledger_targets.yaml").read_text(encoding="utf-8"))
ROWS = yaml.safe_load((CASES / "ledger_row_checks.yaml").read_text(encoding="utf-8"))
TARGET_CASES = [(plan, target) for plan, targets in TARGETS["plans"].items() for target in targets]


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    catalog, findings = check_files(tmp_path, TABLE["files"])
    assert findings == []
    assert [one.id for one in catalog.registers["labels"].checks] == ["area-some"]


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = TABLE["cases"][name]
    text = TABLE["files"][case["file"]]
    assert case["replace"] in text, "the case must change something"
    _, findings = check_files(tmp_path, {**TABLE["files"], case["file"]: text.replace(case["replace"], case["by"], 1)})
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [(finding.name, finding.sentence) for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.next_step for finding in found)
    assert any(finding.where.line for finding in found)
    assert any(case.get("says", "") in finding.expected for finding in found), [finding.expected for finding in found]


@pytest.mark.parametrize("plan", TARGETS["plans"])
def test_every_target_of_a_plan_has_its_ledger_or_its_reason(plan: str) -> None:
    table = TARGETS["plans"][plan]
    stated = {target.id: target.indicator for target in load_catalog().plans[plan].targets}
    assert {name: row["indicator"] for name, row in table.items()} == stated
    assert {row["reason"] for row in table.values() if "reason" in row} <= set(TARGETS["reasons"])


@pytest.mark.parametrize(("plan", "target_id"), TARGET_CASES)
def test_a_ledger_target_has_all_its_rollups_and_fields(plan: str, target_id: str) -> None:
    row = TARGETS["plans"][plan][target_id]
    catalog = load_catalog()
    target = next(one for one in catalog.plans[plan].targets if one.id == target_id)
    indicator = catalog.indicators[target.indicator]
    parts = {
        OverPlaces.RATIO: {indicator.numerator, indicator.denominator},
        OverPlaces.WEIGHTED: {indicator.id, indicator.weight},
    }.get(indicator.places, {indicator.id})
    extent = target.extent or indicator.extent
    counted = [
        one
        for one in catalog.rollups.values()
        if one.indicator in parts and (one.extent or catalog.indicators[one.indicator].extent.value) == extent
    ]
    if "reason" in row:
        assert {one.indicator for one in counted} != parts, "ledgers do yield this target"
        return
    rollups = [catalog.rollups[name] for name in row["rollups"]]
    assert set(row["rollups"]) <= {one.id for one in counted}
    assert {one.indicator for one in rollups} == parts
    bases = {reading.basis for reading in target.readings if reading.basis} | {target.basis} - {"", None}
    assert bases <= {one.basis for one in rollups}
    if target.building_class != "all":
        assert all("building_class" in one.breakdowns for one in rollups)
    assert set(row["registers"]) == {name for one in rollups for name in one.registers}
    columns = {column.field for name in row["registers"] for column in catalog.registers[name].fields}
    assert set(row["fields"]) == {name for one in rollups for name in fields_of(one)} <= columns


def fields_of(rollup: Rollup) -> set[str]:
    texts = [text for text in (rollup.value, rollup.weight, rollup.when) if text is not None]
    dates = {name for name in (rollup.dated, rollup.until, rollup.done) if name is not None}
    return {name for text in texts for name in expression_names(text)} | dates | set(rollup.breakdowns.values())


def test_registers_cover_what_the_field_keeps() -> None:
    registers = load_catalog().registers
    assert len(registers) == 22
    assert {column.group for register in registers.values() for column in register.fields} >= {"基本信息", "日期"}
    assert all(check.next_step and check.sentence for register in registers.values() for check in register.checks)
    projects = registers["projects"]
    assert projects.per_stage
    assert len(projects.checks) >= 40
    promises = {column.field for column in projects.fields if column.promise}
    assert {"gross_area", "green_star", "prefabricated", "pv_area", "saving_rate"} <= promises


def test_special_ledgers_of_projects_share_the_checks_of_the_main_one() -> None:
    registers = load_catalog().registers
    shared = {check.id for check in registers["retrofits"].checks}
    assert {"retrofit-range", "start-before-completion", "retrofit-gain"} <= shared
    assert "green_star" not in {name for check in registers["retrofits"].checks for name in check.fields}


def test_every_field_of_a_register_is_in_the_vocabulary_once() -> None:
    catalog = load_catalog()
    names = [field.zh for field in catalog.fields.values()]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ROWS)
def test_a_check_of_a_register_speaks_where_it_should(name: str) -> None:
    case = ROWS[name]
    catalog = load_catalog()
    register = catalog.registers[case["register"]]
    types = {column.field: catalog.field_types()[column.field] for column in register.fields}
    schema = ledger_schema(register, catalog.fields)
    row = {field: case["row"].get(field) for field in types}
    frame = pl.DataFrame([row], schema={field: schema[field] for field in types})
    wrong = {check.id for check in register.checks if frame.select(evaluate(check.require, types)).item() is False}
    assert wrong == set(case["wrong"])


def test_whatever_a_rule_or_a_rating_asks_of_a_project_has_a_column_in_a_ledger() -> None:
    catalog = load_catalog()
    registers = [register for register in catalog.registers.values() if register.subject == "project"]
    columns = {column.field for register in registers for column in register.fields}
    rules = [rule for plan in catalog.plans.values() for rule in plan.obligations]
    rules += [rule for rulebook in catalog.rulebooks.values() for rule in rulebook.rules]
    texts = [text for rule in rules for text in (rule.when, rule.require)]
    for rating in catalog.ratings.values():
        texts += [item.score for item in rating.items] + [gate.require for gate in rating.gates]
        texts += [text for text in (rating.applies, rating.total) if text is not None]
    asked = {name for text in texts for name in expression_names(text)} & set(catalog.fields)
    assert asked <= columns
