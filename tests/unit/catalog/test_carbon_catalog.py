"""Every fault that factors and boundaries can have is found; the shipped ones hold what the field knows."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.finding import Severity
from dafeng.catalog import load_catalog
from dafeng.catalog.carbon_schemas import FAMILY_RULES, Scope

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "carbon_catalog_faults.yaml").read_text(encoding="utf-8"))


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    catalog, findings = check_files(tmp_path, TABLE["files"])
    assert findings == []
    assert catalog.factors["grid-north"].values[2].published_on.year == 2025
    assert [flow.id for flow in catalog.boundaries["field"].flows_of("direct")] == ["burnt", "piped"]


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = TABLE["cases"][name]
    text = TABLE["files"][case["file"]]
    assert case["replace"] in text, "the case must change something"
    _, findings = check_files(tmp_path, {**TABLE["files"], case["file"]: text.replace(case["replace"], case["by"], 1)})
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [finding.name for finding in findings]
    assert all(finding.severity is Severity.ERROR and finding.next_step for finding in found)
    assert any(finding.where.line for finding in found)
    assert any(case.get("says", "") in finding.expected for finding in found), [finding.expected for finding in found]


def test_every_family_of_the_vocabulary_has_a_rule_and_a_factor() -> None:
    catalog = load_catalog()
    assert (
        set(catalog.terms["factor_family"]) == set(FAMILY_RULES) == {item.family for item in catalog.factors.values()}
    )


def test_grid_factors_cover_thirty_provinces_and_seven_regions_for_three_years() -> None:
    factors = load_catalog().factors.values()
    for family, count in (("grid_province", 30), ("grid_region", 7), ("grid_nation", 1), ("grid_residual", 1)):
        held = [factor for factor in factors if factor.family == family]
        assert len(held) == count
        for factor in held:
            assert [value.starts.year for value in factor.values if value.starts] == [2021, 2022, 2023], factor.id
            assert all(value.published_on > value.ends for value in factor.values if value.ends), factor.id


def test_every_province_on_the_mainland_lies_in_a_regional_grid() -> None:
    places = load_catalog().places
    grids = [place for place in places if place.id.startswith("grid-")]
    provinces = [place.id for place in places.children("cn") if place.level.value == "province"]
    held = {province: [grid.id for grid in grids if province in grid.overlaps] for province in provinces}
    assert {name for name, found in held.items() if not found} == {"taiwan", "xianggang", "aomen"}
    assert {name for name, found in held.items() if len(found) > 1} == {"neimenggu"}
    leagues = [place.id for place in places.children("neimenggu")]
    assert all(sum(league in grid.overlaps for grid in grids) == 1 for league in leagues)


def test_what_is_not_seen_in_its_source_is_marked_to_be_verified() -> None:
    catalog = load_catalog()
    beijing = catalog.factors["grid-province-beijing"].values[0]
    assert beijing.pending
    assert beijing.unresolved
    assert all(value.pending for value in catalog.factors["coal-equivalent-generation-electricity"].values)
    assert catalog.factors["grid-province-jilin"].values[2].grade.value == "A"


def test_each_plan_finds_the_boundary_of_its_promise() -> None:
    catalog = load_catalog()
    field = catalog.boundaries["urban-rural-construction"]
    promised = {plan.id: plan.peak.boundary for plan in catalog.plans.values() if plan.peak}
    assert promised["jilin-2023"] == "direct"
    assert promised["qingdao-2024"] == promised["national-2022"] == "whole_field"
    assert set(field.views["whole_field"]) == {
        component.code for component in field.components if component.scope is not Scope.MEMO
    }
    assert {flow.method.value for flow in field.flows_of("direct")} == {"combustion"}


def test_every_fuel_of_the_boundary_can_be_reckoned_from_energy() -> None:
    catalog = load_catalog()
    fuels = {factor.subject for factor in catalog.factors.values() if factor.family == "fuel_gbt51366"}
    field = catalog.boundaries["urban-rural-construction"]
    assert fuels <= set(field.flow("building-fuel-energy").carrier or ())


def test_the_sector_boundary_takes_every_row_of_the_inventory_once_or_leaves_it_out_by_name() -> None:
    catalog = load_catalog()
    boundary = catalog.boundaries["ceads-building-sectors"]
    adapter = catalog.adapters["ceads-province"]
    for sector in adapter.dimensions["end_use"].codes.values():
        for fuel in adapter.dimensions["carrier"].codes.values():
            flows = [flow.id for flow in boundary.flows if flow.takes("co2_scope1", fuel, sector, "all")]
            left_out = [
                item.zh
                for item in boundary.outside
                if (item.end_use is None or sector in item.end_use) and (item.carrier is None or fuel in item.carrier)
            ]
            assert len(flows) + len(left_out) == 1, (sector, fuel, flows, left_out)
