"""Buildings against their quotas: hand-worked cases, mixed use, precedence, planted faults, the tables as published."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.finding import Severity
from dafeng.catalog import Catalog, load_catalog
from dafeng.metering.labelling import LabelRule, LabelStep, energy_labels
from dafeng.metering.quota import USE_SCHEMA, VERDICT_SCHEMA, QuotaResult, judge_quota, over_quota
from dafeng.metering.quota_amounts import yearly_use
from dafeng.metering.quota_matching import correction_factors, quota_candidates

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "quota.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def use_frame(
    use: dict[str, float], *, building: str = "a", year: int = 2024, coverage: float = 1.0, withheld: float = 0.0
) -> pl.DataFrame:
    rows = [(building, item, str(year), float(amount), 0.0, withheld if item == "01000" else 0.0, coverage) for item, amount in use.items()]  # fmt: skip
    return pl.DataFrame(rows, schema=USE_SCHEMA, orient="row")


def judge(catalog: Catalog, building: dict[str, Any], use: pl.DataFrame, **options: Any) -> QuotaResult:
    frame = pl.DataFrame([{"building": "a", "building_name": "某楼", **TABLE["base"], **building}])
    return judge_quota(frame, use, catalog, year=2024, **options)


def row_of(result: QuotaResult, name: str) -> dict[str, Any]:
    measure, part = name.split("/")
    return result.verdicts.filter((pl.col("measure") == measure) & (pl.col("part") == part)).row(0, named=True)


@pytest.mark.parametrize("name", TABLE["verdicts"])
def test_a_building_is_judged_as_worked_out_by_hand(name: str, catalog: Catalog) -> None:
    case = TABLE["verdicts"][name]
    use = {item: amount for item, amount in {**TABLE["use"], **case["use"]}.items() if amount is not None}
    frame = use_frame(use, coverage=case.get("coverage", 1.0), withheld=case.get("withheld", 0.0))
    result = judge(catalog, case["building"], frame)
    for part, expected in case["expect"].items():
        row = row_of(result, part)
        for field, value in expected.items():
            wanted = pytest.approx(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
            assert row[field] == wanted, (part, field, row)
        assert (row["verdict"] in ("unknown", "depends")) == bool(row["reason"]) or "停车库" in row["reason"]
    assert {finding.name for finding in result.findings} >= set(case.get("findings", []))
    assert result.verdicts.schema == pl.Schema(VERDICT_SCHEMA)


def test_a_correction_beyond_belief_is_questioned(catalog: Catalog) -> None:
    building = {"building_type": "office", "ventilation_class": "B", "employees": 100}
    result = judge(catalog, building, use_frame({"01000": 100000.0, "04000": 1.0}))
    assert row_of(result, "non_heating/main")["factor"] == pytest.approx(0.7 + 0.3 * 10)
    assert [one.severity for one in result.findings if one.name == "quota.correction.far"] == [Severity.WARNING]


def test_a_mixed_building_has_the_mean_of_its_parts_weighted_by_area(catalog: Catalog) -> None:
    parts = pl.DataFrame(
        {"building": ["a", "a"], "area": [6000.0, 4000.0], "building_type": ["office", "commerce"],
         "shop_kind": [None, "department_store"], "operating_hours": [2500.0, 4570.0], "employees": [600.0, None]}
    )  # fmt: skip
    building = {"building_type": "mixed_use", "ventilation_class": "B"}
    use = use_frame({"01000": 1_000_000.0, "04000": 1.0})
    assert row_of(judge(catalog, building, use), "non_heating/main")["verdict"] == "unknown"
    row = row_of(judge(catalog, building, use, parts=parts), "non_heating/main")
    assert row["constraint"] == pytest.approx((80 * 6000 + 140 * 4000) / 10000)
    assert row["guide"] == pytest.approx((60 * 6000 + 100 * 4000) / 10000)
    assert (row["verdict"], row["corrected_low"], row["factor"]) == ("constraint", pytest.approx(100), pytest.approx(1))


def test_a_mixed_building_with_open_parts_is_judged_by_both_bounds(catalog: Catalog) -> None:
    parts = pl.DataFrame(
        {"building": ["a", "a"], "area": [5000.0, 5000.0], "building_type": ["office", "government_office"]}
    )
    building = {"building_type": "mixed_use"}  # together 60 to 75 and 50 to 55, as both are of class A or B
    amounts = {40.0: "guide", 52.0: "depends", 58.0: "constraint", 70.0: "depends", 80.0: "over"}
    for amount, verdict in amounts.items():
        result = judge(catalog, building, use_frame({"01000": amount * 10000, "04000": 1.0}), parts=parts)
        found = row_of(result, "non_heating/main")
        assert found["verdict"] == verdict, (amount, found)
        assert "gbt51161-office-people" in found["uncorrected"]  # the people of the whole are not those of a part


def test_two_sure_quotas_are_an_error_that_names_both(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "twin.yaml").write_text(
        """quotas:
  - {id: twin.office, standard: twin, building_type: office, place: qingdao, measure: non_heating, constraint: 75, unit: kWh/m**2, valid_from: 2020-01-01, source: K, grade: B, checked_on: 2026-11-20}
quota_methods:
  - id: twin
    title: {zh: 某地定额, en: local}
    precedes: []
    kinds: [{building_type: office, when: 'building_type == "office"'}]
    equivalents: {"01000": 1}
    electric_heating: 'heating_kind == "electric"'
    heat_item: "04000"
    minimum_coverage: 0.9
    source: K
    grade: B
    checked_on: 2026-11-20
""",
        encoding="utf-8",
    )
    building = {"building_type": "office", "ventilation_class": "B"}
    frame = pl.DataFrame([{"building": "a", **TABLE["base"], **building}])
    use = use_frame({"01000": 700_000.0, "04000": 1.0})
    own = load_catalog([tmp_path])
    found = quota_candidates(frame, own, measure="non_heating", on=date(2024, 12, 31))
    assert found["quota"].to_list() == ["gbt51161.office.b.commercial.north", "twin.office"]
    text = (tmp_path / "twin.yaml").read_text(encoding="utf-8")
    (tmp_path / "twin.yaml").write_text(text.replace("precedes: []", "precedes: [gbt51161]"), encoding="utf-8")
    settled = judge_quota(frame, use, load_catalog([tmp_path]), year=2024)
    assert row_of(settled, "non_heating/main")["quotas"] == ["twin.office"]
    both = judge_quota(frame, use, own, year=2024)
    assert (
        row_of(both, "non_heating/main")["verdict"] == "constraint"
    )  # a standard that does not precede is not asked for
    doubled = own.quotas["gbt51161.office.b.commercial.north"].model_copy(update={"id": "again"})
    own.quotas["again"] = doubled
    two = judge_quota(frame, use, own, year=2024)
    assert row_of(two, "non_heating/main")["verdict"] == "unknown"
    (finding,) = [one for one in two.findings if one.name == "quota.match.two"]
    assert "again" in finding.sentence
    assert "gbt51161.office.b.commercial.north" in finding.sentence


def test_a_quota_holds_in_its_time(catalog: Catalog) -> None:
    frame = pl.DataFrame([{"building": "a", **TABLE["base"], "building_type": "office", "ventilation_class": "B"}])
    assert quota_candidates(frame, catalog, measure="non_heating", on=date(2016, 11, 30)).is_empty()
    assert quota_candidates(frame, catalog, measure="non_heating", on=date(2016, 12, 1)).height == 1


def test_occupied_hotels_are_not_punished(catalog: Catalog) -> None:
    frame = pl.DataFrame(
        {"building": ["a", "b"], "judged_area": 10000.0, "occupancy_rate": [30.0, 90.0], "guest_area": 7000.0}
    )
    found = correction_factors(frame, catalog).filter(pl.col("correction") == "gbt51161-hotel-occupancy")
    assert found["factor"].to_list() == pytest.approx([1.4, 0.4 + 0.6 * 50 / 90])


def test_the_list_of_those_over_is_in_order_and_has_no_others(catalog: Catalog) -> None:
    buildings = pl.DataFrame([
        {**TABLE["base"], "building": name, "building_type": "office", "ventilation_class": "B"} for name in "abc"
    ])  # fmt: skip
    use = pl.concat([
        use_frame({"01000": amount, "04000": 1.0}, building=name)
        for name, amount in (("a", 850_000.0), ("b", 500_000.0), ("c", 950_000.0))
    ])  # fmt: skip
    found = over_quota(judge_quota(buildings, use, catalog, year=2024).verdicts)
    assert found["building"].to_list() == ["c", "a"]
    assert found["excess"].to_list() == pytest.approx([18.75, 6.25])


def test_a_label_needs_a_rule_and_a_verdict(catalog: Catalog) -> None:
    rule = LabelRule(title="某办法", source="某文号", steps=(
        LabelStep(label="三星", at_most=0.8, of="guide"), LabelStep(label="二星", at_most=1, of="guide"),
        LabelStep(label="一星", at_most=1, of="constraint")))  # fmt: skip
    building = {"building_type": "office", "ventilation_class": "B"}
    for amount, label in ((48.0, "三星"), (60.0, "二星"), (61.0, "一星"), (81.0, None)):
        result = judge(catalog, building, use_frame({"01000": amount * 10000, "04000": 1.0}))
        found = energy_labels(result.verdicts, rule).row(0, named=True)
        assert (found["label"], found["rule"]) == (label, "某办法")
        assert bool(found["reason"]) == (label is None)
    partial = judge(catalog, building, use_frame({"01000": 400_000.0}, coverage=0.5))
    assert energy_labels(partial.verdicts, rule)["label"].to_list() == [None]
    with pytest.raises(ValueError, match="twice"):
        LabelRule(title="x", source="y", steps=(rule.steps[0], rule.steps[0]))


def test_findings_beyond_the_most_are_counted(catalog: Catalog) -> None:
    buildings = pl.DataFrame([
        {**TABLE["base"], "building": f"b{number}", "building_type": "school"} for number in range(5)
    ])  # fmt: skip
    use = pl.concat([use_frame({"01000": 1.0, "04000": 1.0}, building=f"b{number}") for number in range(5)])
    found = [
        one
        for one in judge_quota(buildings, use, catalog, year=2024, most=2).findings
        if one.name == "quota.match.none"
    ]
    assert [one.evidence.get("more") for one in found] == [None, None, 3]


def test_nothing_to_judge_is_an_empty_table(catalog: Catalog) -> None:
    buildings = pl.DataFrame(schema={"building": pl.String, "place": pl.String})
    result = judge_quota(buildings, pl.DataFrame(schema=USE_SCHEMA), catalog, year=2024)
    assert result.verdicts.is_empty()
    assert result.findings == []


def test_the_sound_catalog_of_quotas_has_no_finding(tmp_path: Path) -> None:
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["faults"])
def test_a_planted_fault_of_quotas_is_found(name: str, tmp_path: Path) -> None:
    case = TABLE["faults"][name]
    text = TABLE["files"][case["file"]]
    assert case["replace"] in text, "the case must change something"
    findings = check_files(tmp_path, {**TABLE["files"], case["file"]: text.replace(case["replace"], case["by"], 1)})[1]
    found = [finding for finding in findings if finding.name == case["finding"]]
    assert found, [(finding.name, finding.sentence) for finding in findings]
    assert all(finding.where.line and finding.next_step for finding in found)


ZONES = {
    "严寒寒冷": {"severe_cold_a", "severe_cold_b", "severe_cold_c", "cold_a", "cold_b"},
    "严寒": {"severe_cold_a", "severe_cold_b", "severe_cold_c"},
    "寒冷": {"cold_a", "cold_b"},
    "夏热冬冷": {"hot_summer_cold_winter_a", "hot_summer_cold_winter_b"},
    "夏热冬暖": {"hot_summer_warm_winter_a", "hot_summer_warm_winter_b"},
    "温和": {"mild_a", "mild_b"},
}


def test_the_ninety_rows_stand_in_the_catalog(shared: Path, catalog: Catalog) -> None:
    rows = list(
        csv.DictReader((shared / "domain/facts/gbt51161_nonheating_quota.csv").read_text(encoding="utf-8").splitlines())
    )
    own = [
        quota
        for quota in catalog.quotas.values()
        if quota.standard == "gbt51161" and not quota.measure.startswith("heating")
    ]
    assert len(rows) == len(own) == 90
    for row in rows:
        measure = "non_heating"
        if row["building"] == "residential":
            measure = "household_electricity" if "电" in row["subtype"] else "household_gas"
        (found,) = [
            quota for quota in own
            if quota.building_type == row["building"]
            and (quota.building_class or "-") == row["class"]
            and (measure != "non_heating" or quota.subtype == row["subtype"])
            and quota.measure == measure
            and set(quota.climate_zones) == ZONES[row["climate_zone"]]
        ]  # fmt: skip
        assert (found.constraint, found.guide) == (
            float(row["constraint"]),
            float(row["guide"]) if row["guide"] else None,
        )


def test_the_twenty_heating_rows_stand_in_the_catalog(shared: Path, catalog: Catalog) -> None:
    rows = list(
        csv.DictReader((shared / "domain/facts/gbt51161_heating_quota.csv").read_text(encoding="utf-8").splitlines())
    )
    own = [
        quota
        for quota in catalog.quotas.values()
        if quota.measure.startswith("heating") or quota.standard == "beijing-hospital"
    ]
    assert len(rows) == len(own) == 20
    stated = sorted((float(row["constraint"]), float(row["guide"]), row["grade"]) for row in rows)
    assert sorted((quota.constraint, quota.guide or 0.0, quota.grade.value) for quota in own) == stated
    names = {(catalog.place_name(quota.place)[:2], quota.constraint) for quota in own}
    assert {(row["province"].split()[0][:2], float(row["constraint"])) for row in rows} == names


def test_totals_of_the_roll_up_become_yearly_use() -> None:
    seconds = 366 * 86400
    rows = [
        ("a", "01000", date(2024, 1, 1), "total", 100.0, 2.0, 5.0, seconds, seconds),
        ("a", "01000", date(2024, 1, 1), "unattributed", 30.0, 0.0, 0.0, seconds, seconds),
        ("b", "01000", date(2024, 1, 1), "total", 40.0, 0.0, 0.0, seconds // 4, seconds // 2),
        ("c", "01000", date(2024, 1, 1), "total", 0.0, 0.0, 0.0, 0, 0),
    ]
    years = pl.DataFrame(
        rows,
        schema=["building", "item", "period", "part", "amount", "spread", "withheld", "covered", "expected"],
        orient="row",
    )
    found = yearly_use(years)
    assert found.schema == pl.Schema(USE_SCHEMA)
    assert found["building"].to_list() == ["a", "b", "c"]
    assert found["coverage"].to_list() == [1.0, 0.25, 0.0]
