"""Check-ups: worked cases, lists of problems, objects, districts, several years."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from checkup_builders import AS_OF, RECORDED, facts, sets_catalog
from dafeng.assessment.checkup import CheckUp, check_up, set_named
from dafeng.assessment.checkup_districts import merge_districts
from dafeng.assessment.checkup_judging import threshold_text
from dafeng.assessment.checkup_objects import ANSWERS, count_objects
from dafeng.assessment.checkup_records import Trend
from dafeng.assessment.checkup_years import evaluate_years, sets_in_force
from dafeng.base.errors import InputError, UnknownNameError
from dafeng.catalog import load_catalog

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "checkup.yaml").read_text(encoding="utf-8"))


def run(case: dict[str, Any]) -> CheckUp:
    catalog = sets_catalog()
    return check_up(
        catalog.sets[case["set"]],
        facts(case["facts"]),
        catalog,
        places=["city"],
        years=[case.get("year", 2024)],
        as_of=AS_OF,
    )


@pytest.mark.parametrize("name", CASES["check_ups"])
def test_a_worked_case(name: str) -> None:
    case = CASES["check_ups"][name]
    done = run(case)
    year = case.get("year", 2024)
    rows = {row.number: row for row in done.results("city", year)}
    frame = {row["number"]: row for row in done.frame.iter_rows(named=True)}
    for number, expected in case.get("expect", {}).items():
        for field, value in expected.items():
            found = getattr(rows[number], field, frame[number].get(field))
            wanted = pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float | int) else value
            assert found == wanted, (number, field, found)
    total = done.total("city", year).model_dump()
    for field, value in case.get("total", {}).items():
        assert total[field] == (pytest.approx(value) if isinstance(value, float | int) else value), (field, total)
    assert sum(total[name] for name in ("met", "not_met", "unknown", "without_threshold")) == total["listed"]
    assert {finding.name for finding in done.findings} == set(case.get("findings", ()))


@pytest.mark.parametrize("name", CASES["years"])
def test_several_years(name: str) -> None:
    case, catalog = CASES["years"][name], sets_catalog()
    done = evaluate_years(
        catalog.sets[case["set"]],
        facts(case["facts"]),
        catalog,
        places=["city"],
        first=case["first"],
        last=case["last"],
        as_of=AS_OF,
    )
    assert {year: None if one is None else one.id for year, one in done.force.items()} == case["force"]
    lines = {line.indicator: line for line in done.lines("city")}
    for indicator, expected in case["lines"].items():
        for field, value in expected.items():
            found = getattr(lines[indicator], field)
            found = len(found) if field == "breaks" else list(found) if isinstance(found, tuple) else found
            assert found == (pytest.approx(value) if isinstance(value, float | int) else value), (
                indicator,
                field,
                found,
            )
    assert sorted({finding.name for finding in done.findings}) == case["findings"]
    assert set(done.totals("city")) == {year for year, one in case["force"].items() if one}


@pytest.mark.parametrize("name", CASES["objects"])
def test_an_object_of_a_survey(name: str) -> None:
    case, catalog = CASES["objects"][name], sets_catalog()
    usual = {"place": "city", "year": 2024, "object": "甲社区", "requirement": "", "unit": ""}
    answers = pl.DataFrame([{**usual, **row} for row in case["answers"]], schema=ANSWERS)
    judged = count_objects(catalog.sets["whole-communities"], answers, catalog, dataset="survey", recorded_at=RECORDED)
    assert judged.frame["met"].to_list() == [case["met"]]
    assert sorted(finding.name for finding in judged.findings) == case.get("findings", [])
    surveyed = judged.counts.filter(indicator="rated_communities")
    assert surveyed["value"].to_list() == [1.0]


def test_counts_of_a_survey_are_checked_up_with_what_is_not_known() -> None:
    catalog = sets_catalog()
    rows = [("city", 2024, f"社区{n}", "2", "", 1.0 if n < 6 else 0.0, "") for n in range(9)]
    rows += [("city", 2024, "社区9", "2", "", None, ""), ("city", 2024, "社区0", "1", "", 1.0, "")]
    answers = pl.DataFrame(rows, schema=ANSWERS, orient="row")
    judged = count_objects(catalog.sets["whole-communities"], answers, catalog, dataset="survey", recorded_at=RECORDED)
    count = judged.counts.filter(indicator="shop_communities").row(0, named=True)
    assert (count["value"], count["coverage"]) == (6.0, 0.9)
    done = check_up(
        catalog.sets["whole-communities"], judged.counts, catalog, places=["city"], years=[2024], as_of=AS_OF
    )
    row = {one.number: one for one in done.results("city", 2024)}["2"]
    assert row.state == "met", "6 of 10 meet it whatever the tenth says"
    assert row.value == pytest.approx(100 * 6 / 9), "the share of those whose answer is known"
    first = judged.objects.filter(object="社区0").row(0, named=True)
    assert (first["met"], first["not_met"], first["unknown"], first["all_met"]) == (2, 0, 0, True)
    assert judged.objects.filter(object="社区8")["all_met"].to_list() == [False]
    assert judged.objects.filter(object="社区9")["all_met"].to_list() == [None]


def test_the_list_of_problems_says_gap_body_and_that_there_may_be_more() -> None:
    catalog = load_catalog()
    rows = [
        {"indicator": "dwellings_gas_hazard", "extent": "city_proper", "value": 12},
        {"indicator": "dwellings_gas_hazard", "extent": "city_proper", "value": 10, "period": "2023"},
        {"indicator": "dwellings_surveyed", "extent": "city_proper", "value": 800},
        {"indicator": "dwellings_to_survey", "extent": "city_proper", "value": 1000},
        {"indicator": "road_network_density", "extent": "built_up", "value": 7.5},
    ]
    done = check_up(
        catalog.sets["checkup-2024"],
        facts(rows, place="qingdao"),
        catalog,
        places=["qingdao"],
        years=[2024],
        as_of=AS_OF,
    )
    gas, roads = done.problems("qingdao", 2024)
    assert (gas.number, gas.value, gas.unit, gas.gap, gas.at_least) == ("2", 12, "栋", 12, True)
    assert gas.place_name == "青岛市"
    assert gas.worsening is False, "the survey of 2024 is partial: it is not compared with 2023"
    assert (roads.number, roads.gap, roads.gap_unit) == ("38", pytest.approx(0.5), "公里/平方公里")
    assert roads.bodies, "the plan of Qingdao promises road density and names who answers for it"
    record = done.of("qingdao", 2024)
    assert record.sentence == "共61项：达标0项，未达标2项，未知51项，无限值或未到期限8项"
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_districts_add_up_to_the_city_by_counts_and_by_numerators() -> None:
    catalog = sets_catalog()
    rows = [
        {"indicator": "hazards", "place": "east", "value": 3},
        {"indicator": "hazards", "place": "west", "value": 4},
        {"indicator": "parks_area", "place": "east", "value": 100},
        {"indicator": "parks_area", "place": "west", "value": 500},
        {"indicator": "people", "place": "east", "value": 10},
        {"indicator": "people", "place": "west", "value": 30},
        {"indicator": "coverage_rate", "place": "east", "value": 90},
    ]
    merged, findings = merge_districts(catalog.sets["health-2024"], facts(rows), catalog, place="city")
    values = dict(merged.select("indicator", "value").iter_rows())
    assert values["hazards"] == 7.0
    assert values["park_share"] == pytest.approx(15.0), "600 over 40, not the mean of 10 and 16.7"
    assert "coverage_rate" not in values
    assert any("coverage_rate" in str(finding.evidence) for finding in findings), "what does not add up is said"


def test_a_missing_district_leaves_a_count_of_nothing_unknown() -> None:
    catalog = sets_catalog()
    rows = facts([{"indicator": "hazards", "place": "east", "value": 0}])
    merged, _ = merge_districts(catalog.sets["health-2024"], rows, catalog, place="city")
    done = check_up(catalog.sets["health-2024"], merged, catalog, places=["city"], years=[2024], as_of=AS_OF)
    row = done.results("city", 2024)[0]
    assert (row.state, row.why, row.coverage) == ("unknown", "partly_surveyed", 0.5)


def test_a_count_of_a_ledger_goes_before_a_return() -> None:
    catalog = load_catalog()
    rollup = next(one for one in catalog.rollups.values() if one.indicator == "ev_charger_gap" and not one.open_ended)
    extent = catalog.indicators["ev_charger_gap"].extent.value
    rows = [
        {"indicator": "ev_charger_gap", "extent": extent, "value": 0, "kind": "computed", "dataset": rollup.dataset},
        {"indicator": "ev_charger_gap", "extent": extent, "value": 5, "dataset": "return"},
    ]
    done = check_up(
        catalog.sets["checkup-2024"],
        facts(rows, place="qingdao"),
        catalog,
        places=["qingdao"],
        years=[2024],
        as_of=AS_OF,
    )
    row = {one.number: one for one in done.results("qingdao", 2024)}["15"]
    assert (row.dataset, row.state, row.others, row.other_high) == (rollup.dataset, "met", 1, 5.0)


def test_the_five_year_evaluation_says_which_set_each_year_had() -> None:
    catalog = load_catalog()
    force = sets_in_force(catalog.sets["checkup-2024"], range(2021, 2026), catalog)
    assert [None if one is None else one.id for one in force.values()] == [
        "checkup-2021",
        None,
        "checkup-2023",
        "checkup-2024",
        "checkup-2024",
    ]
    rows = [
        {"indicator": "greenway_service_coverage", "extent": "built_up", "value": value, "period": str(year)}
        for year, value in ((2021, 60.0), (2022, 64.0), (2025, 71.0))
    ]
    done = evaluate_years(
        catalog.sets["checkup-2024"],
        facts(rows, place="qingdao"),
        catalog,
        places=["qingdao"],
        first=2021,
        last=2025,
        as_of=AS_OF,
    )
    line = next(one for one in done.lines("qingdao") if one.indicator == "greenway_service_coverage")
    assert line.names == {2021: "城市绿道服务半径覆盖率", **dict.fromkeys((2023, 2024, 2025), "绿道服务半径覆盖率")}
    assert (line.change, line.trend, line.state, line.years_missing) == (11.0, Trend.BETTER, "met", (2023, 2024))
    assert line.states[2021] == "no_threshold"
    assert line.states[2022] == "no_threshold"


def test_many_places_and_years_are_one_frame() -> None:
    catalog = sets_catalog()
    rows = [{"indicator": "density", "extent": "built_up", "place": "city", "value": 9}, {"indicator": "density", "extent": "built_up", "place": "east", "value": 7, "period": "2025"}]  # fmt: skip
    done = check_up(
        catalog.sets["health-2024"], facts(rows), catalog, places=["east", "city"], years=[2025, 2024], as_of=AS_OF
    )
    assert done.frame.height == 8 * 2 * 2
    density = done.frame.filter(number="3").select("place", "year", "state").rows()
    assert density == [
        ("east", 2024, "unknown"),
        ("east", 2025, "not_met"),
        ("city", 2024, "met"),
        ("city", 2025, "unknown"),
    ]
    assert done.totals.select("place", "year", "met", "not_met").rows() == [
        ("east", 2024, 0, 0),
        ("east", 2025, 0, 1),
        ("city", 2024, 1, 0),
        ("city", 2025, 0, 0),
    ]


def test_thresholds_are_said_as_they_are_judged() -> None:
    items = {item.number: item for item in sets_catalog().sets["health-2024"].items}
    said = {number: threshold_text(item, sets_catalog()) for number, item in items.items()}
    assert said == {
        "1": "不超过0栋",
        "2": "不超过0套",
        "3": "不低于8公里/平方公里",
        "4": "小于2公里",
        "5": "不低于90%（2025年起）",
        "6": "",
        "7": "0.6至0.8",
        "8": "是",
    }


def test_faults_of_the_caller_are_refused() -> None:
    catalog = sets_catalog()
    health = set_named(catalog, "health-2024")
    with pytest.raises(UnknownNameError, match="health-2024"):
        set_named(catalog, "health-2025")
    with pytest.raises(InputError, match="no place"):
        check_up(health, facts([]), catalog, places=[], years=[2024], as_of=AS_OF)
    with pytest.raises(InputError, match="columns"):
        check_up(health, pl.DataFrame(), catalog, places=["city"], years=[2024], as_of=AS_OF)
    with pytest.raises(InputError, match="in force"):
        evaluate_years(health, facts([]), catalog, places=["city"], first=2001, last=2003, as_of=AS_OF)
    with pytest.raises(InputError, match="does not judge"):
        count_objects(health, pl.DataFrame(schema=ANSWERS), catalog, dataset="x", recorded_at=RECORDED)
    with pytest.raises(InputError, match="west 2024 was not checked up"):
        check_up(health, facts([]), catalog, places=["city"], years=[2024], as_of=AS_OF).of("west", 2024)
    empty = check_up(health, facts([]), catalog, places=["city"], years=[2024], as_of=date(2026, 12, 31))
    assert empty.total("city", 2024).met == 0
