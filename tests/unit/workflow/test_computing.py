"""Indicators computed from the lake and published: once, corrected, taken back, never from what is set aside."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import UnknownNameError, UsageError
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.lake import ObservationLake
from dafeng.workflow.computing import (
    ComputeRun,
    compute_indicators,
    explain_indicator,
    explanation_text,
    publish_computed,
)
from dafeng.workflow.setting import Setting
from statistics_builders import facts, publish, setting_at, under

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
LATER = datetime(2026, 11, 20, 9, tzinfo=UTC)
DENSITY = "road_network_density"


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    made = setting_at(tmp_path)
    publish(made, roads(length=800.0), "a")
    return made


def roads(*, length: float, place: str = "qingdao", year: str = "2024", **more: Any) -> pl.DataFrame:
    rows = [("road_length", place, year, length), ("built_up_area", place, year, 100.0)]
    return facts(rows, extent="built_up", **more)


def density(setting: Setting, **more: Any) -> ComputeRun:
    return compute_indicators(setting, indicators=[DENSITY], as_of=DAY, **more)


def held(setting: Setting) -> dict[tuple[str, str], float | None]:
    assert setting.lake is not None
    read = setting.lake.snapshot().read(indicators=[DENSITY])
    return {(place, period): value for place, period, value in read.select("place", "period", "value").iter_rows()}


def test_published_twice_is_published_once(setting: Setting) -> None:
    first, _ = publish_computed(setting, density(setting), recorded_at=NOW)
    again, withdrawn = publish_computed(setting, density(setting), recorded_at=LATER)
    assert first is not None
    assert again is not None
    assert (first.appended, again.appended, again.unchanged, withdrawn) == (1, 0, 1, 0)
    assert held(setting) == {("qingdao", "2024"): 8.0}


def test_a_correction_replaces_the_result_whatever_its_kind(tmp_path: Path) -> None:
    for kind in ("reported", "demonstration", "estimated"):
        (tmp_path / kind).mkdir()
        setting = setting_at(tmp_path / kind)
        publish(setting, roads(length=800.0, kind=kind), "a")
        publish_computed(setting, density(setting), recorded_at=NOW)
        publish(setting, roads(length=900.0, kind=kind, recorded_at=LATER), "b")
        done, withdrawn = publish_computed(setting, density(setting), recorded_at=LATER)
        assert done is not None
        assert (done.superseded, withdrawn) == (1, 0)
        assert held(setting) == {("qingdao", "2024"): 9.0}, kind


def test_results_whose_inputs_are_gone_are_withdrawn(setting: Setting) -> None:
    publish_computed(setting, density(setting), recorded_at=NOW)
    assert setting.workspace is not None
    lake = ObservationLake(setting.workspace.lake)
    inputs = lake.snapshot().read(indicators=["road_length", "built_up_area"])
    lake.withdraw(inputs["version"].to_list(), reason="报错", recorded_at=LATER, batch="w")
    done, withdrawn = publish_computed(setting, density(setting), recorded_at=LATER)
    assert (done, withdrawn) == (None, 1)
    assert held(setting) == {}


def test_results_of_other_places_and_of_reporters_stay(setting: Setting) -> None:
    publish(setting, roads(length=500.0, place="jinan"), "b")
    publish(setting, facts([(DENSITY, "changchun", "2024", 7.0)], extent="built_up"), "c")
    publish_computed(setting, density(setting), recorded_at=NOW)
    _, withdrawn = publish_computed(setting, density(setting, places=["qingdao"]), recorded_at=LATER)
    assert withdrawn == 0
    nowhere, withdrawn = publish_computed(setting, density(setting, places=["harbin"]), recorded_at=LATER)
    assert (nowhere, withdrawn) == (None, 0)
    assert held(setting) == {("qingdao", "2024"): 8.0, ("jinan", "2024"): 5.0, ("changchun", "2024"): 7.0}


def test_what_is_set_aside_enters_no_formula(setting: Setting) -> None:
    publish_computed(setting, density(setting), recorded_at=NOW)
    aside = FactQuarantine(
        id="a",
        dataset="returns",
        indicators=("road_length",),
        periods=("2024",),
        reason="错行",
        by="王",
        decided_on=DAY,
    )
    run = density(under(setting, aside))
    assert run.observations["value"].drop_nulls().is_empty()
    assert run.gaps.select("place", "period").rows() == [("qingdao", "2024")]
    assert "道路长度" in run.gaps["reason"][0]
    _, withdrawn = publish_computed(under(setting, aside), run, recorded_at=LATER)
    assert held(setting).get(("qingdao", "2024")) is None
    assert withdrawn <= 1


def test_results_as_known_on_an_earlier_day_are_not_published(setting: Setting) -> None:
    run = density(setting, known_at=date(2026, 2, 1))
    assert run.observations.is_empty()
    with pytest.raises(UsageError, match="2026-02-01"):
        publish_computed(setting, run, recorded_at=NOW)
    known = density(setting, known_at=DAY)
    done, _ = publish_computed(setting, known, recorded_at=NOW)
    assert done is not None
    assert done.appended == 1


def test_figures_published_after_the_day_of_judgement_do_not_count(tmp_path: Path) -> None:
    setting = setting_at(tmp_path)
    publish(setting, roads(length=800.0, published_on=date(2026, 12, 1)), "a")
    assert density(setting).observations.is_empty()


def test_divisions_are_added_up_on_demand_and_say_how_much_was_there(tmp_path: Path) -> None:
    setting = setting_at(tmp_path)
    publish(setting, roads(length=90.0, place="qingdao-jimo"), "a")
    assert set(density(setting).observations["place"]) == {"qingdao-jimo"}
    added = density(setting, add_up=True)
    whole = added.observations.filter(place="qingdao", indicator=DENSITY)
    assert whole.height >= 1
    assert whole["value"][0] == pytest.approx(0.9)
    assert whole["coverage"][0] < 1


def test_an_explanation_names_the_place_and_every_figure(setting: Setting) -> None:
    one = explain_indicator(setting, density(setting), as_of=DAY)[0]
    text = explanation_text(setting, one)
    assert text.splitlines()[0].startswith("青岛市 2024 道路网密度 = 8")
    assert "道路长度" in text
    assert "800" in text
    assert one.place == "qingdao"


def test_only_indicators_with_a_formula_are_computed(setting: Setting) -> None:
    with pytest.raises(UnknownNameError, match="no formula"):
        compute_indicators(setting, indicators=["road_length"], as_of=DAY)
    with pytest.raises(UnknownNameError):
        compute_indicators(setting, indicators=["road_lenght"], as_of=DAY)
    run = density(setting)
    assert run.of_periods(["2024年"]).observations.height == 1
    assert run.of_periods(["2023"]).observations.height == 0


@pytest.mark.parametrize("kind", ["reported", "demonstration"])
def test_what_could_not_be_computed_is_explained_too(tmp_path: Path, kind: str) -> None:
    setting = setting_at(tmp_path)
    publish(setting, facts([("road_length", "qingdao", "2023", 780.0)], extent="built_up", kind=kind), "a")
    [one] = explain_indicator(setting, density(setting), as_of=DAY)
    assert (one.value, one.missing) == (None, ("建成区面积",))
