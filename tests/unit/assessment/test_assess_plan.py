"""What an assessment carries besides the statuses: bodies, summaries, references, lineage, findings, JSON."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from assessment_builders import AS_OF, RECORDED, facts, judge, only_row, small_catalog, small_plan
from dafeng.assessment import Assessment, OutlookUse, Status, assess_plan
from dafeng.base.errors import InputError, UnknownNameError
from dafeng.base.observation import SCHEMA, observation_frame

RAIL_2025 = {"indicator": "rail", "value": 351.6, "unit": "公里", "by": 2025, "measure": "level"}
RAIL_2030 = {**RAIL_2025, "value": 500, "by": 2030}


def test_the_deciding_value_can_be_traced_and_shows_the_spread() -> None:
    frame = facts(
        [
            {"period": 2025, "value": 360, "dataset": "yearbook", "lineage": "cell-1"},
            {"period": 2025, "value": 358, "dataset": "estimate", "kind": "estimated", "lineage": "cell-2"},
        ],
        indicator="rail",
    ).with_columns(version=pl.Series(["v1", "v2"]))
    decided = only_row(judge(RAIL_2025, frame)).verdicts[0].decided_by
    assert decided is not None
    assert (decided.dataset, decided.lineage, decided.version, decided.period_title) == (
        "yearbook",
        "cell-1",
        "v1",
        "2025年",
    )
    assert [(other.dataset, other.value, other.lineage, other.version) for other in decided.others] == [
        ("estimate", 358, "cell-2", "v2")
    ]


def test_a_sum_names_each_of_its_parts() -> None:
    frame = facts(
        [{"period": year, "value": 1000, "lineage": f"cell-{year}"} for year in range(2021, 2026)], indicator="pipes"
    )
    target = {"indicator": "pipes", "value": 5000, "unit": "公里", "by": 2025, "measure": "cumulative", "start": 2021}
    decided = only_row(judge(target, frame)).verdicts[0].decided_by
    assert decided is not None
    assert decided.period == "2021..2025"
    assert decided.lineage is None
    assert [part.lineage for part in decided.parts] == [f"cell-{year}" for year in range(2021, 2026)]


def test_a_change_across_two_sources_says_so() -> None:
    frame = facts(
        [{"period": 2020, "value": 20, "dataset": "old"}, {"period": 2025, "value": 14, "dataset": "new"}],
        indicator="heat_loss",
    )
    target = {
        "indicator": "heat_loss", "comparator": "=", "value": 5, "unit": "个百分点", "by": 2025, "measure": "change",
        "base": {"year": 2020}, "change": "decrease",
    }  # fmt: skip
    row = only_row(judge(target, frame))
    assert row.status is Status.MET
    assert "不同来源" in row.reason


def test_soft_aims_are_kept_but_not_counted() -> None:
    plan = small_plan(RAIL_2025, {**RAIL_2030, "soft": True})
    assessment = assess_plan(plan, observation_frame(), small_catalog(), as_of=AS_OF)
    assert len(assessment.rows) == 2
    assert (assessment.counts, assessment.counted, assessment.soft) == ({"unproven": 1}, 1, 1)
    assert assessment.by_body[0].counts == {"unproven": 1}
    assert len(assessment.by_body[0].targets) == 2


def test_bodies_are_resolved_and_the_first_of_several_is_only_presumed_to_lead() -> None:
    plan = small_plan(RAIL_2025, {**RAIL_2030, "bodies": ["丙区"]}, {**RAIL_2030, "bodies": ["市某局"]})
    assessment = assess_plan(plan, observation_frame(), small_catalog(), as_of=AS_OF)
    first, second, third = (row.bodies for row in assessment.rows)
    assert [(body.id, body.role.value) for body in first] == [
        ("city-housing", "lead_presumed"),
        ("city-divisions", "member"),
    ]
    assert first[1].expands == "divisions"
    assert [(body.id, body.role.value) for body in second] == [("district-government", "lead")]
    assert [(body.id, body.name) for body in third] == [(None, "市某局")]
    assert "plans.body.unknown" in {finding.name for finding in assessment.findings}


def test_a_body_sees_its_targets_worst_first() -> None:
    plan = small_plan(RAIL_2025, {**RAIL_2025, "value": 400}, {**RAIL_2025, "indicator": "area", "unit": "万平方米"})
    assessment = assess_plan(
        plan, facts([{"period": 2025, "value": 360}], indicator="rail"), small_catalog(), as_of=AS_OF
    )
    housing = assessment.by_body[0]
    assert [item.status.value for item in housing.targets] == ["missed", "unproven", "met"]
    assert (housing.counts, housing.leads) == ({"missed": 1, "unproven": 1, "met": 1}, 3)
    assert [row.status.value for row in assessment.rows] == ["met", "missed", "unproven"]
    assert [row.status.value for row in assessment.worst_first()] == ["missed", "unproven", "met"]


def test_a_yearly_target_counts_once_and_by_its_worst_year_that_is_over() -> None:
    target = {"indicator": "pipes", "value": 1000, "unit": "公里", "measure": "each_year", "start": 2024}
    assessment = judge(
        target, facts([{"period": 2024, "value": 900}, {"period": 2025, "value": 1000}], indicator="pipes")
    )
    assert [(row.year, row.status.value) for row in assessment.rows] == [
        (2024, "missed"),
        (2025, "met"),
        (2026, "no_data"),
    ]
    assert assessment.counts == {"missed": 1}


def test_an_indicator_that_the_catalog_lacks_is_a_finding_and_stops_nothing() -> None:
    plan = small_plan({**RAIL_2025, "indicator": "nothing_known"}, RAIL_2025)
    assessment = assess_plan(plan, observation_frame(), small_catalog(), as_of=AS_OF)
    assert [row.indicator for row in assessment.rows] == ["rail"]
    assert [finding.name for finding in assessment.findings] == ["assessment.indicator.unknown"]


def test_an_unreadable_period_is_a_finding_and_its_value_is_not_used() -> None:
    assessment = judge(RAIL_2025, facts([{"period": "二〇二五", "value": 360}], indicator="rail"))
    assert only_row(assessment).status is Status.UNPROVEN
    assert [(finding.name, finding.value) for finding in assessment.findings] == [
        ("assessment.period.unreadable", "二〇二五")
    ]


def test_a_frame_that_is_no_frame_of_observations_is_refused() -> None:
    with pytest.raises(InputError, match="columns indicator"):
        judge(RAIL_2025, pl.DataFrame({"x": [1]}))


def test_another_place_can_be_judged_by_the_same_plan() -> None:
    frame = facts([{"period": 2025, "value": 400, "place": "district"}], indicator="rail")
    assessment = judge(RAIL_2025, frame, place="district")
    assert (assessment.place, only_row(assessment).status) == ("district", Status.MET)


def test_a_place_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="atlantis"):
        judge(RAIL_2025, observation_frame(), place="atlantis")


def test_everything_that_rests_on_a_fictitious_value_says_so() -> None:
    rows = [
        {"period": 2025, "value": 400, "kind": "demonstration", "dataset": "demo"},
        {"period": 2025, "value": 30, "kind": "demonstration", "dataset": "demo", "place": "district"},
    ]
    assessment = judge(RAIL_2025, facts(rows, indicator="rail"))
    row = only_row(assessment)
    assert (assessment.demonstration, row.demonstration, row.status) == (True, True, Status.MET)
    assert row.reason.startswith("【演示】")
    assert row.references[0].why.startswith("【演示】")


def test_a_value_that_covers_only_a_part_says_so() -> None:
    row = only_row(judge(RAIL_2025, facts([{"period": 2025, "value": 400, "coverage": 0.6}], indicator="rail")))
    assert row.latest is not None
    assert row.latest.coverage == 0.6
    assert "覆盖率60%" in row.reason


def test_the_first_year_of_the_plan_period_is_assumed_aloud_where_none_is_named() -> None:
    target = {"indicator": "pipes", "value": 1000, "unit": "公里", "measure": "each_year"}
    assessment = judge(target, observation_frame())
    assert [row.year for row in assessment.rows] == [2021, 2022, 2023, 2024, 2025, 2026]
    assert all("方案未写起始年，自方案期首年2021年逐年判定" in row.reason for row in assessment.rows)


def test_an_approved_value_goes_before_a_draft_where_drafts_are_asked_for() -> None:
    rows = [
        {"period": 2025, "value": 400, "dataset": "a", "review": "draft", "published_on": date(2026, 9, 1)},
        {"period": 2025, "value": 300, "dataset": "b", "review": "sealed", "published_on": date(2026, 3, 1)},
    ]
    row = only_row(judge(RAIL_2025, facts(rows, indicator="rail"), include_unreviewed=True))
    assert row.status is Status.MISSED


def test_scenario_rows_are_no_facts() -> None:
    frame = facts([{"period": 2025, "value": 400, "scenario": "baseline"}], indicator="rail")
    assert only_row(judge(RAIL_2025, frame)).status is Status.UNPROVEN


def test_the_total_beside_a_part_and_another_basis_are_references_with_their_reason() -> None:
    frame = facts(
        [
            {"period": 2024, "value": 9.0, "basis": "comprehensive"},
            {"period": 2024, "value": 7.0, "extent": "urban", "basis": "basic"},
        ],
        indicator="leakage",
    )
    target = {"indicator": "leakage", "comparator": "<=", "value": 8, "unit": "%", "measure": "limit", "basis": "basic"}
    row = only_row(judge(target, frame))
    assert row.status is Status.UNKNOWN
    assert {reference.why for reference in row.references} == {
        "口径为综合漏损率，不是目标的口径，仅供参考",
        "范围为urban，目标范围为全域，仅供参考",
    }


def test_a_value_that_decides_is_not_a_reference_as_well() -> None:
    row = only_row(judge(RAIL_2025, facts([{"period": 2025, "value": 360}], indicator="rail")))
    assert (row.status, row.references) == (Status.MET, ())


def test_the_outlook_stays_beside_a_target_met_early() -> None:
    frame = facts(
        [{"period": year, "value": 30 + 2 * (year - 2015)} for year in range(2015, 2025)],
        indicator="green",
        extent="built_up",
    )
    row = only_row(judge({"indicator": "green", "value": 40, "unit": "%", "by": 2030, "measure": "level"}, frame))
    outlook = row.verdicts[0].outlook
    assert row.status is Status.MET_EARLY
    assert outlook is not None
    assert outlook.probability is not None
    assert outlook.probability > 0.8


def test_an_assessment_is_json_and_comes_back_the_same() -> None:
    assessment = judge(
        RAIL_2030, facts([{"period": 2020 + n, "value": 300 + 10 * n} for n in range(6)], indicator="rail")
    )
    assert Assessment.model_validate_json(assessment.model_dump_json()) == assessment


def test_a_lake_of_a_million_observations_is_filtered_once() -> None:
    plan = small_plan(*[{**RAIL_2030, "value": 300 + number} for number in range(60)])
    rng = np.random.default_rng(1)
    rows = 1_000_000
    columns = {
        "indicator": pl.Series([f"other_{number}" for number in range(100)])[rng.integers(0, 100, rows).tolist()],
        "place": pl.Series([f"place-{number}" for number in range(400)])[rng.integers(0, 400, rows).tolist()],
        "extent": "whole", "period": "2024", "basis": "", "kind": "reported", "scenario": "", "member": "",
        "value": rng.random(rows), "dataset": "yearbook", "recorded_at": RECORDED, "review": "approved",
        **dict.fromkeys(("building_class", "carrier", "end_use", "boundary"), "all"),
    }  # fmt: skip
    lake = pl.DataFrame(
        {
            name: columns[name]
            for name in SCHEMA
            if name in columns and not isinstance(columns[name], str | type(RECORDED))
        }
    )
    lake = lake.with_columns(
        **{name: pl.lit(value) for name, value in columns.items() if isinstance(value, str)},
        recorded_at=pl.lit(RECORDED).cast(pl.Datetime("us", "UTC")),
    )
    lake = lake.select(
        [
            pl.col(name).cast(kind) if name in lake.columns else pl.lit(None, dtype=kind).alias(name)
            for name, kind in SCHEMA.items()
        ]
    )
    lake = pl.concat([lake, facts([{"period": 2020 + n, "value": 300 + 10 * n} for n in range(6)], indicator="rail")])
    catalog = small_catalog()
    assessment = assess_plan(plan, lake, catalog, as_of=date(2026, 11, 20))
    assert len(assessment.rows) == 60
    assert assessment.rows[0].latest is not None


def test_the_running_year_has_an_estimate_that_is_at_least_what_its_months_brought() -> None:
    def estimate(indicator: str, rows: list[dict[str, object]]) -> OutlookUse | None:
        unit = {"pipes": "公里", "area": "万平方米", "width": "米"}[indicator]
        target = {
            "indicator": indicator,
            "value": 5000,
            "unit": unit,
            "by": 2030,
            "measure": "cumulative",
            "start": 2021,
        }
        return only_row(judge(target, facts(rows, indicator=indicator))).year_outlook

    years: list[dict[str, object]] = [{"period": year, "value": 100.0 + year - 2018} for year in range(2018, 2026)]
    flow = estimate("pipes", [*years, {"period": "2026-01..09", "value": 130.0}])
    assert flow is not None
    assert (flow.year, flow.low, flow.expected) == (2026, 130.0, 130.0)
    stock = estimate("area", [*years, {"period": "2026-01..09", "value": 130.0}])
    assert stock is not None
    assert (stock.low, stock.expected) == (130.0, 130.0)
    falling = estimate("width", [*years, {"period": "2026-01..09", "value": 130.0}])
    assert falling is not None
    assert falling.expected == pytest.approx(108.0, abs=1.0)
    refused = estimate("pipes", years[:3])
    assert refused is not None
    assert refused.expected is None
    assert refused.refused
    assert estimate("pipes", []) is None


LEAKAGE = {
    "indicator": "leakage", "comparator": "<=", "value": 8, "unit": "%", "by": 2030, "measure": "level",
    "readings": [{"name": "甲", "basis": "basic"}, {"name": "乙", "basis": "comprehensive"}],
}  # fmt: skip


def test_each_reading_carries_its_own_values_and_estimate_and_no_other_readings() -> None:
    rows: list[dict[str, object]] = [
        {"period": year, "value": value + 0.1 * (2025 - year), "basis": basis, "kind": "demonstration"}
        for year in range(2019, 2026)
        for basis, value in (("basic", 7.5), ("comprehensive", 12.0))
    ]
    rows += [{"period": "2026-01..09", "value": 11.8, "basis": "comprehensive", "kind": "demonstration"}]
    row = only_row(judge(LEAKAGE, facts(rows, indicator="leakage")))
    basic, comprehensive = row.verdicts
    assert row.latest == basic.latest
    assert row.part_year is None
    assert comprehensive.latest is not None
    assert comprehensive.part_year is not None
    assert (comprehensive.latest.value, comprehensive.part_year.value) == (12.0, 11.8)
    for verdict, value in ((basic, 7.4), (comprehensive, 11.9)):
        assert verdict.year_outlook is not None
        assert verdict.year_outlook.expected == pytest.approx(value, abs=0.15)
    assert row.status is Status.DEPENDS_ON_DEFINITION
    assert row.reason.startswith("【演示】取决于口径")
    assert row.reason.count("【演示】") == 1


def test_changes_and_milestones_have_no_estimate_of_the_year() -> None:
    change = {
        "indicator": "heat_loss", "comparator": "=", "value": 5, "unit": "个百分点", "by": 2030, "measure": "change",
        "base": {"year": 2018}, "change": "decrease",
    }  # fmt: skip
    rows = [{"period": year, "value": 20.0 - 0.3 * (year - 2018)} for year in range(2018, 2026)]
    assert only_row(judge(change, facts(rows, indicator="heat_loss"))).year_outlook is None
