"""Sets of indicators held against the facts of a workspace."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dafeng.assessment.checkup_records import ItemState, Why
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.workflow.checkup import checkup_for_report, run_checkup, sets_for
from dafeng.workflow.setting import Setting
from form_builders import shipped
from statistics_builders import facts, publish, setting_at, under

DAY = date(2026, 11, 20)
SEWAGE = [
    ("sewage_collection_rate", "qingdao", str(year), value)
    for year, value in zip(range(2021, 2026), (60, 64, 68, 72, 75), strict=True)
]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    made = setting_at(tmp_path)
    publish(made, facts(SEWAGE, extent="city_proper"), "a")
    return made


@pytest.mark.parametrize(
    ("year", "name"), [(2021, "checkup-2021"), (2023, "checkup-2023"), (2024, "checkup-2024"), (2026, "checkup-2024")]
)
def test_the_set_in_force_judges_a_year(year: int, name: str) -> None:
    assert [one.id for one in sets_for(Setting(shipped(), None), year)] == [name]


def test_one_item_met_and_the_rest_unknown(setting: Setting) -> None:
    done = run_checkup(setting, ["qingdao"], year=2025, as_of=DAY).check_ups[0].of("qingdao", 2025)
    assert [(row.indicator, row.value, row.state) for row in done.rows if row.value is not None] == [
        ("sewage_collection_rate", 75.0, ItemState.MET)
    ]
    assert sum(row.state is ItemState.UNKNOWN and row.why is Why.NO_VALUE for row in done.rows) > 40
    assert done.sentence.startswith("共61项：达标1项，未达标0项")


def test_two_clocks(setting: Setting) -> None:
    unknown = run_checkup(setting, ["qingdao"], year=2025, as_of=DAY, known_at=date(2026, 2, 1)).check_ups[0]
    assert all(row.value is None for row in unknown.of("qingdao", 2025).rows)
    published = datetime(2026, 3, 2, tzinfo=UTC)
    late = facts(
        [("sewage_collection_rate", "qingdao", "2025", 80.0)],
        extent="city_proper",
        published_on=date(2026, 12, 1),
        recorded_at=published,
    )
    publish(setting, late, "b")
    assert known(setting) == 75.0


def test_what_is_set_aside_is_unknown(setting: Setting) -> None:
    aside = FactQuarantine(id="a", dataset="returns", periods=("2025",), reason="错行", by="王", decided_on=DAY)
    assert known(under(setting, aside)) is None
    assert known(setting) == 75.0


def known(setting: Setting) -> float | None:
    done = run_checkup(setting, ["qingdao"], year=2025, as_of=DAY).check_ups[0].of("qingdao", 2025)
    return next(row.value for row in done.rows if row.indicator == "sewage_collection_rate")


def test_five_years_each_by_its_own_set(setting: Setting) -> None:
    done = run_checkup(setting, ["qingdao"], year=2025, first=2021, as_of=DAY)
    assert done.evaluation is not None
    line = next(one for one in done.evaluation.lines("qingdao") if one.indicator == "sewage_collection_rate")
    assert (line.first_year, line.first_value, line.last_year, line.last_value) == (2021, 60.0, 2025, 75.0)
    assert "checkup.year.no-set" in {finding.name for finding in done.findings}  # 2022


def test_the_report_takes_the_year_before_where_nothing_is_known_yet(setting: Setting) -> None:
    told = checkup_for_report(setting, "qingdao", year=2026, as_of=DAY, known_at=None)
    assert told is not None
    assert (told.year, told.check_ups[0].set.id) == (2025, "checkup-2024")
    assert told.evaluation is not None
    assert checkup_for_report(setting, "jinan", year=2026, as_of=DAY, known_at=None) is None


def test_the_report_tells_no_set_of_which_nothing_is_judged(setting: Setting) -> None:
    told = checkup_for_report(setting, "qingdao", year=2026, as_of=DAY, known_at=None)
    assert told is not None
    for one in told.check_ups[1:]:
        states = {row.state for row in one.of("qingdao", told.year).rows}
        assert states & {ItemState.MET, ItemState.NOT_MET}, one.set.id


def test_without_a_workspace_the_items_are_listed_and_that_is_said() -> None:
    done = run_checkup(Setting(shipped(), None), ["qingdao"], year=2025, as_of=DAY)
    assert [finding.name for finding in done.findings][:1] == ["workflow.facts.no-workspace"]
    assert len(done.check_ups[0].of("qingdao", 2025).rows) >= 61


def test_divisions_are_merged_on_demand(tmp_path: Path) -> None:
    setting = setting_at(tmp_path)
    names = [child.id for child in shipped().places.children("qingdao", day=DAY)]
    rows = [("dwellings_gas_hazard", name, "2025", 3.0) for name in names]
    publish(setting, facts(rows, extent="city_proper"), "a")
    merged = run_checkup(setting, ["qingdao"], year=2025, as_of=DAY, merge=True).check_ups[0].of("qingdao", 2025)
    value = next(row.value for row in merged.rows if row.indicator == "dwellings_gas_hazard")
    assert value == 3.0 * len(names)
    alone = run_checkup(setting, ["qingdao"], year=2025, as_of=DAY).check_ups[0].of("qingdao", 2025)
    assert next(row.value for row in alone.rows if row.indicator == "dwellings_gas_hazard") is None
