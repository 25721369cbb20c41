"""Faults of pathway content are found; the shipped content is whole."""

from pathlib import Path

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.errors import ContentError
from dafeng.base.finding import Severity
from dafeng.catalog import load_catalog

TABLE = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "pathway_catalog_faults.yaml").read_text(encoding="utf-8")
)


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case = TABLE["cases"][name]
    (file,) = [file for file, text in TABLE["files"].items() if case["replace"] in text]
    text = TABLE["files"][file].replace(case["replace"], case["by"], 1)
    findings = check_files(tmp_path, {**TABLE["files"], file: text})[1]
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [finding.name for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.next_step and finding.where.line for finding in found)


def test_a_place_may_state_a_part_of_its_shares(tmp_path: Path) -> None:
    # the sound content has gas of the shire's public buildings alone, and coal of the land takes what it leaves;
    # once the shire states every member, they add up to one
    text = TABLE["files"]["values.yaml"]
    entry = (
        "  - {id: public-coal, quantity: technology_share, place: shire, of: {building_class: public, "
        'technology: coal_cooking}, unit: "1", points: [{year: 2010, value: 0.6}], source: book, grade: C, '
        "checked_on: 2026-11-20}\n"
    )
    more = text.replace("  - {id: coal, quantity", entry + "  - {id: coal, quantity")
    found = check_files(tmp_path, {**TABLE["files"], "values.yaml": more})[1]
    assert [finding.name for finding in found] == ["catalog.path-share.sum"]
    assert check_files(tmp_path, {**TABLE["files"], "values.yaml": more.replace("value: 0.6}", "value: 0.7}")})[1] == []


def test_the_shipped_axes_are_the_vocabulary() -> None:
    catalog = load_catalog()
    codes = {(member.axis, member.code) for member in catalog.path_members}
    for axis, group in (("building_class", "building_class"), ("end_use", "end_use")):
        shared = {code for name, code in codes if name == axis} & set(catalog.terms[group])
        assert len(shared) >= 5
    assert {("segment", "public"), ("service", "heat_pumping"), ("level", "near_zero")} <= codes


def test_a_plan_replaced_by_a_workspace_leaves_shipped_links_without_an_end(tmp_path: Path) -> None:
    shipped = load_catalog().plans["qingdao-2024"]
    text = yaml.safe_dump(
        {"plans": [shipped.model_dump(mode="json", by_alias=True) | {"targets": [], "obligations": []}]},
        allow_unicode=True,
    )
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    laid = load_catalog([tmp_path])
    assert laid.plans["qingdao-2024"].targets == ()
    (tmp_path / "link.yaml").write_text(
        "plan_links: [{plan: qingdao-2024, of: nothing, why_not: 无, grade: C}]\n", encoding="utf-8"
    )
    with pytest.raises(ContentError) as raised:
        load_catalog([tmp_path])
    assert "nothing" in str(raised.value)
