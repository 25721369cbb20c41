"""Pathways over a catalog and a workspace: the observed pace by hand, projections stored once, places with and without a plan."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from dafeng.assessment import Assessment
from dafeng.assessment.records import TargetAssessment
from dafeng.catalog import load_catalog
from dafeng.catalog.pathway_schemas import Measure, Scenario
from dafeng.pathways.ensemble import ensemble
from dafeng.pathways.quantities import read_inputs
from dafeng.reports.pathway_chapter import PathwayFacts
from dafeng.workflow.demonstration import DEMO_PLAN, demo_files
from dafeng.workflow.path_report import pathways_for_report
from dafeng.workflow.path_tables import export_paths, input_rows
from dafeng.workflow.pathways import (
    compare_paths,
    draw_paths,
    drivers_of,
    lay_over,
    paces_of,
    path_series,
    plans_of,
    promises_of,
    publish_paths,
    run_path,
)
from dafeng.workflow.setting import Setting
from form_builders import shipped
from statistics_builders import setting_at

MOMENT = datetime(2026, 11, 20, 8, tzinfo=UTC)


def judged(**histories: list[tuple[str, float]]) -> Assessment:
    """Return an assessment of which only the histories matter."""
    rows = [
        TargetAssessment.model_construct(target=name.replace("_", "-"), history=tuple(history))
        for name, history in histories.items()
    ]
    return Assessment.model_construct(rows=tuple(rows))


@pytest.fixture(scope="module")
def here() -> Setting:
    return Setting(shipped(), None)


@pytest.fixture(scope="module")
def demo() -> Setting:
    return Setting(load_catalog([demo_files() / "catalog"]), None)


@pytest.fixture(scope="module")
def facts(demo: Setting) -> PathwayFacts:
    found = pathways_for_report(demo, demo.catalog.plans[DEMO_PLAN], judged=judged(), carbon=None, draws=64)
    assert found is not None
    return found


# -- the observed pace --------------------------------------------------------------------------------------------------


def test_two_years_lead_along_a_straight_line() -> None:
    pace = paces_of(judged(rail=[("2020", 10.0), ("2024", 18.0)]))["rail"]
    assert (pace[2020], pace[2024]) == (10.0, 18.0)
    assert pace[2025] == pytest.approx(20.0)
    assert pace[2035] == pytest.approx(40.0)
    assert 2022 not in pace, "years between are not observed"
    assert max(pace) == 2035


def test_a_long_series_follows_the_median_of_its_drift() -> None:
    """Ten steady years go on: what may be negative by its difference, what may not between its difference and its growth rate."""
    years = range(2015, 2025)
    paces = paces_of(
        judged(
            area=[(str(year), 100.0 + 3 * (year - 2015)) for year in years],
            balance=[(str(year), -100.0 - 3 * (year - 2015)) for year in years],
        )
    )
    assert paces["balance"][2030] == pytest.approx(-145.0, rel=1e-6)
    assert 127.0 + 6 * 3 <= paces["area"][2030] <= 127.0 * (127 / 100) ** (6 / 9)


def test_what_was_never_negative_stays_so_and_what_was_may_go_on() -> None:
    paces = paces_of(judged(loss=[("2020", 4.0), ("2022", 2.0)], balance=[("2020", -1.0), ("2022", -3.0)]))
    assert paces["loss"][2024] == 0.0
    assert paces["loss"][2035] == 0.0
    assert paces["balance"][2024] == pytest.approx(-5.0)


def test_one_value_and_parts_of_years_lead_nowhere() -> None:
    found = paces_of(judged(one=[("2024", 5.0)], part=[("2024", 5.0), ("2025-01..09", 4.0)], none=[]))
    assert found == {}


# -- plans and places ---------------------------------------------------------------------------------------------------


def test_a_place_without_a_plan_takes_that_of_the_nearest_place_above(here: Setting) -> None:
    assert [plan.id for plan in plans_of(here, "qingdao")] == ["qingdao-2024"]
    assert [plan.id for plan in plans_of(here, "shandong")] == ["national-2022"]
    assert [promise.by for promise in promises_of(here, "qingdao")] == [2030]
    done = run_path(here, "shandong", "plan-full")
    assert "pathways.scenario.plan-of-above" in {finding.name for finding in done.findings}
    assert done.resolved.plan == "national-2022"


def test_the_report_has_no_chapter_where_no_peak_is_promised_or_nothing_is_known(here: Setting) -> None:
    plan = here.catalog.plans["qingdao-2024"]
    assert pathways_for_report(here, plan.model_copy(update={"peak": None}), judged=judged(), carbon=None) is None
    elsewhere = plan.model_copy(update={"place": "yantai"})
    assert "yantai" not in {one.place for one in here.catalog.path_parameters.values()}
    assert pathways_for_report(here, elsewhere, judged=judged(), carbon=None) is None


def test_series_and_drivers_of_a_run_agree(here: Setting) -> None:
    done = run_path(here, "jilin", "trend")
    series = path_series(done, [2022, 2030])
    moved = series["building_operation"]["2030"] - series["building_operation"]["2022"]
    assert sum(drivers_of(done, [2022, 2030]).values()) == pytest.approx(moved, rel=1e-6)
    same = compare_paths(here, "jilin", "trend", "trend")
    assert same.sentences in ((), ("两个情景没有差别",)) or not any(same.drivers.values())
    assert not any(same.drivers.values())


def test_measures_of_an_overlay_lie_over_the_catalog_and_leave_it_alone(here: Setting) -> None:
    own = Measure.model_validate(
        {
            "id": "own", "title": {"zh": "甲", "en": "own"}, "unit": "share", "source": "measure-effects", "grade": "C",
            "changes": [{"quantity": "network_loss", "how": "at_most"}],
        }
    )  # fmt: skip
    over = lay_over(here, measures={"own": own}, sources={})
    assert "own" in over.catalog.measures
    assert "own" not in here.catalog.measures
    assert lay_over(here, measures={}, sources={}) is here
    scenario = Scenario.model_validate(
        {"id": "mine", "title": {"zh": "试", "en": "mine"}, "measures": [{"measure": "own", "levels": [{"year": 2030, "level": 0.01}]}]}
    )  # fmt: skip
    book = read_inputs(over.catalog, "qingdao")
    with_own, trend = (run_path(over, "qingdao", each, book=book) for each in (scenario, "trend"))
    assert with_own.inputs.arrays["network_loss"][80, 0] == 0.01
    heat = [path_series(one, [2030])["purchased_heat"]["2030"] for one in (with_own, trend)]
    assert heat[0] < heat[1]


# -- the lake -----------------------------------------------------------------------------------------------------------


def test_projections_are_stored_once_for_the_same_draws(tmp_path: Path) -> None:
    setting = setting_at(tmp_path)
    found, summary = draw_paths(setting, "qingdao", draws=16)
    assert publish_paths(setting, found, recorded_at=MOMENT) > 0
    assert publish_paths(setting, found, recorded_at=MOMENT) == 0
    again, same = draw_paths(setting, "qingdao", draws=16)
    assert same == summary
    assert publish_paths(setting, again, recorded_at=MOMENT.replace(hour=9)) == 0
    book = read_inputs(setting.catalog, "qingdao")
    other = ensemble(book, None, draws=16, seed=found.seed, residual=False)
    assert (other.place, other.scenario, other.draws, other.seed) == (
        found.place,
        found.scenario,
        found.draws,
        found.seed,
    )
    assert publish_paths(setting, other, recorded_at=MOMENT) > 0, "other values under the same name are other draws"


# -- the demonstration --------------------------------------------------------------------------------------------------


def test_the_demonstration_runs_on_its_own_parameters(demo: Setting) -> None:
    rows, findings = input_rows(demo, "demo-city")
    assert findings == ()
    own = {row["quantity"] for row in rows if not row["borrowed"] and row["parameter"]}
    assert {"常住人口", "城镇化率"} <= own
    sources = {row["source"] for row in rows if not row["borrowed"] and row["parameter"]}
    assert sources <= {name for name in demo.catalog.sources if name.startswith("demo-")}


def test_every_promise_of_the_demonstration_is_a_measure_or_has_its_reason(demo: Setting) -> None:
    done = run_path(demo, "demo-city", "plan-full")
    assert done.resolved.plan == DEMO_PLAN
    assert not [name for name, why in done.resolved.reasons.items() if why.startswith("对应表中没有")]
    retrofit = next(one for one in done.resolved.stated if one.measure == "existing_retrofit_area")
    assert set(retrofit.because) == {f"{DEMO_PLAN}#retrofit-area-2025", f"{DEMO_PLAN}#retrofit-yearly"}
    assert not [finding.name for finding in done.findings if finding.severity == "error"]


def test_the_chapter_of_the_demonstration_adds_up(facts: PathwayFacts) -> None:
    assert (facts.place, facts.promised, facts.by) == ("demo-city", "whole_field", 2030)
    assert [path.code for path in facts.promised_paths] == ["trend", "plan-pace", "plan-full", "plan-plus"]
    assert {path.view for path in facts.other_paths} == {"direct", "building_operation"}
    assert sum(facts.grades.values()) == facts.parameters >= facts.borrowed > 0
    taken = np.sum([values for _, _, values in facts.wedges], axis=0)
    upper, lower = (np.asarray(line) for line in facts.wedge_ends)
    assert taken == pytest.approx(upper - lower, abs=1e-6)
    assert facts.driver_ends is not None
    _, before, _, after = facts.driver_ends
    assert sum(value for _, _, value in facts.drivers) == pytest.approx(after - before, abs=1e-6)
    for path in (*facts.promised_paths, *facts.other_paths):
        assert path.peak_year[0] <= path.peak_year[1] <= path.peak_year[2]
        assert all(low <= middle <= high for low, middle, high in path.levels.values())
    trend, full = (path.levels[2040][1] for path in (facts.promised_paths[0], facts.promised_paths[2]))
    assert full < trend
    assert facts.flows is not None


def test_what_the_model_leaves_out_is_told_apart_from_what_is_counted_elsewhere(facts: PathwayFacts) -> None:
    told = dict(facts.outside)
    assert "轨道交通不在城乡建设领域边界内" in told
    assert not any(why.startswith("已由") for why in told)
    assert "城镇新建建筑全部执行绿色建筑标准" in facts.unseen


def test_the_same_seed_gives_the_same_export(here: Setting) -> None:
    texts = [export_paths(here, ["qingdao"], ["trend"], draws=16, as_of=date(2026, 11, 20))[0] for _ in range(2)]
    assert texts[0] == texts[1]
    assert "p05" in texts[0] or "5th" in texts[0]
