"""Ensembles, their summaries and projected observations, over the invented country."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from dafeng.base.errors import InputError, UsageError
from dafeng.base.observation import check_observations
from dafeng.catalog import load_catalog
from dafeng.pathways.ensemble import COMPONENTS, VIEWS, Ensemble, carrier_totals, class_totals, draw_groups, ensemble
from dafeng.pathways.influence import pathway_sensitivity, spread_factors
from dafeng.pathways.model import run
from dafeng.pathways.outcome import VIEWS as MODEL_VIEWS
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.sampling import quantiles
from dafeng.pathways.summaries import (
    Promise,
    fans,
    grade_shares,
    group_grades,
    projected_observations,
    promise_of,
    uncertainty_summary,
)
from pathway_builders import invented

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def book() -> InputBook:
    return read_inputs(invented(), "cn")


@pytest.fixture(scope="module")
def found(book: InputBook) -> Ensemble:
    return ensemble(book, None, draws=180, seed=3, chunk=64)


@pytest.mark.parametrize(("chunk", "threads"), [(180, 1), (37, 1), (40, 2), (64, 3)])
def test_neither_chunks_nor_threads_change_a_bit(book: InputBook, found: Ensemble, chunk: int, threads: int) -> None:
    again = ensemble(book, None, draws=180, seed=3, chunk=chunk, threads=threads)
    assert all(again.series[name].tobytes() == found.series[name].tobytes() for name in found.series)


@pytest.mark.parametrize("design", ["sobol", "random"])
def test_the_first_draws_of_a_longer_run_are_the_same(book: InputBook, design: str) -> None:
    short = ensemble(book, None, draws=20, seed=4, design=design, keep=["whole_field"])  # type: ignore[arg-type]
    long = ensemble(book, None, draws=50, seed=4, design=design, keep=["whole_field"])  # type: ignore[arg-type]
    assert np.array_equal(long.series["whole_field"][:, :20], short.series["whole_field"])


def test_another_seed_gives_other_draws(book: InputBook, found: Ensemble) -> None:
    other = ensemble(book, None, draws=180, seed=5, keep=["whole_field"])
    assert not np.array_equal(other.series["whole_field"], found.series["whole_field"])


def test_views_are_those_of_the_model() -> None:
    assert set(VIEWS) == set(MODEL_VIEWS)
    boundary = load_catalog().boundaries["urban-rural-construction"]
    assert [one.code for one in boundary.components if one.scope.value != "memo"] == [
        code for code in (one.code for one in boundary.components) if code in COMPONENTS
    ]


def test_a_draw_is_a_run_at_its_quantiles(book: InputBook) -> None:
    plain = ensemble(book, None, draws=5, seed=3, residual=False)
    drawn = quantiles(book.groups, 5, seed=3)
    one = run(book.arrays({name: column[3:4] for name, column in drawn.items()}))
    assert plain.series["direct"][:, 3] == pytest.approx(one.view("direct")[:, 0], rel=1e-12)


def test_the_residual_leaves_history_and_the_sums_of_components(book: InputBook, found: Ensemble) -> None:
    plain = ensemble(book, None, draws=180, seed=3, residual=False)
    history = found.years <= 2020
    for name in (*VIEWS, *COMPONENTS):
        assert np.array_equal(found.series[name][history], plain.series[name][history])
        assert not np.array_equal(found.series[name][~history], plain.series[name][~history])
    whole = sum(found.series[name] for name in COMPONENTS)
    assert found.series["whole_field"] == pytest.approx(whole, rel=1e-12)
    ratio = np.log(found.at("materials", 2040) / plain.at("materials", 2040))
    assert ratio.std() == pytest.approx(0.02, rel=0.2)  # the default of residual_scatter
    other = np.log(found.at("municipal_operation", 2040) / plain.at("municipal_operation", 2040))
    assert abs(np.corrcoef(ratio, other)[0, 1]) < 0.3


def test_further_totals_are_kept(book: InputBook) -> None:
    kept = ensemble(
        book, None, draws=7, seed=1, chunk=3, keep=["direct"], totals={"energy": lambda outcome: outcome.energy()}
    )
    assert set(kept.series) == {"direct", "energy"}
    assert kept.series["energy"].shape == (61, 7)
    assert kept.at("energy", 2030).shape == (7,)


def test_totals_by_class_and_carrier(book: InputBook) -> None:
    totals = class_totals(book) | carrier_totals(book)
    kept = ensemble(book, None, draws=5, seed=1, keep=["building_operation"], totals=totals)
    classes = [values for name, values in kept.series.items() if name.startswith("operation/")]
    assert len(classes) == 8
    assert sum(classes) == pytest.approx(kept.series["building_operation"], rel=1e-12)
    assert len([name for name in kept.series if name.startswith("final/")]) == 8
    assert np.all(kept.series["final/electricity"] > 0)


def test_groups_of_a_scenario_are_appended(book: InputBook) -> None:
    own = book.parameters[-1]
    added = own.model_copy(update={"id": "added", "group": "a-scenario-group", "points": own.points})
    spread = [point.model_copy(update={"low": 0.0, "high": point.value}) for point in own.points]
    groups = draw_groups(book, [added.model_copy(update={"points": tuple(spread)})])
    assert groups == (*book.groups, "a-scenario-group")


@pytest.mark.parametrize(("chunk", "threads"), [(0, 1), (10, 0), (10, 1000)])
def test_chunks_and_threads_that_cannot_be(book: InputBook, chunk: int, threads: int) -> None:
    with pytest.raises(UsageError):
        ensemble(book, None, draws=5, seed=1, chunk=chunk, threads=threads)


def test_the_summary_is_plain_and_repeatable(book: InputBook, found: Ensemble) -> None:
    promise = Promise(plan="jilin-2023", boundary="direct", by=2030)
    summary = uncertainty_summary(found, promises=[promise], parameters=book.parameters)
    text = json.dumps(summary, ensure_ascii=False, allow_nan=False)
    assert json.loads(text) == summary
    again = uncertainty_summary(found, promises=[promise], parameters=book.parameters)
    assert json.dumps(again, ensure_ascii=False) == text
    assert next(iter(summary["boundaries"])) == "direct"  # what the plan promises comes first
    assert set(summary["boundaries"]) == {*VIEWS, *COMPONENTS, "ceads_direct"}
    for one in summary["boundaries"].values():
        assert set(one["peak_year"]) == {"p05", "p50", "p95"}
        assert one["draws"] == 180
        assert {"2025", "2030", "2060"} <= set(one["p_peak_by"])
        chances = list(one["p_peak_by"].values())
        assert chances == sorted(chances)
        assert one["p_peak_by"]["2060"] == pytest.approx(1 - one["p_not_peaked_by_horizon"])
        assert one["levels"]["2030"]["p05"] <= one["levels"]["2030"]["p50"] <= one["levels"]["2030"]["p95"]
        assert sum(one["states"].values()) == pytest.approx(1, abs=1e-5)
    assert summary["boundaries"]["ceads_direct"]["p_peak_by"] == summary["boundaries"]["direct_building"]["p_peak_by"]
    said = summary["promises"][0]
    assert said["probability"] == summary["boundaries"]["direct"]["p_peak_by"]["2030"]
    assert "直接排放" in said["words"]
    assert "180次抽样全部在此之前达峰，其中" in said["words"]
    assert "在2020年及以前已达峰（按模型回算）" in said["words"]
    assert summary["grades"]["groups"]["C"] == len(book.groups)
    assert summary["grades"]["variance_share"]["level_2060"]["C"] > 0.5


def test_observed_history_stands_before_the_model(found: Ensemble) -> None:
    observed = {year: 9.0 - abs(year - 2008) * 0.2 for year in range(2000, 2020)}
    summary = uncertainty_summary(found, history={"ceads_direct": observed})
    own = summary["boundaries"]["ceads_direct"]
    assert own["history"] == "observed"
    assert own["peak_year"]["p50"] == 2008
    assert own["p_peaked_already"] == 1
    assert summary["boundaries"]["direct_building"]["history"] == "model"


def test_fans_in_order_and_projected_observations(found: Ensemble) -> None:
    table = fans(found, ["whole_field"])
    assert table.columns == ["series", "year", "p05", "p25", "p50", "p75", "p95", "mean"]
    assert table.height == 61
    quantile_columns = table.select("p05", "p25", "p50", "p75", "p95").to_numpy()
    assert np.all(np.diff(quantile_columns, axis=1) >= 0)
    assert table["mean"].to_numpy() == pytest.approx(found.series["whole_field"].mean(axis=1))
    rows = projected_observations(found, recorded_at=NOW)
    assert check_observations(rows) == []
    assert rows["kind"].unique().to_list() == ["projected"]
    assert set(rows["boundary"]) == {*VIEWS, *COMPONENTS}
    assert set(rows["member"]) == {"p05", "p25", "p50", "p75", "p95", "mean"}
    assert (rows["period"].min(), rows["period"].max()) == ("2021", "2060")
    assert rows["scenario"].unique().to_list() == ["trend"]
    assert rows.height == 11 * 40 * 6
    keys = rows.select("boundary", "period", "member").n_unique()
    assert keys == rows.height


def test_promises_of_the_plans() -> None:
    plans = load_catalog().plans
    assert promise_of(plans["jilin-2023"]) == Promise(plan="jilin-2023", boundary="direct", by=2030)
    assert promise_of(plans["qingdao-2024"]) == Promise(plan="qingdao-2024", boundary="whole_field", by=2030)
    assert promise_of(plans["qingdao-2024"].model_copy(update={"peak": None})) is None


def test_shares_by_grade() -> None:
    drawn = quantiles(["a", "b"], 512, seed=1)
    grades = {"a": "A", "b": "C"}
    found = grade_shares(drawn, grades, {"sum": 2 * drawn["a"] + drawn["b"], "fixed": np.full(512, 2030.0)})
    assert found["sum"]["A"] == pytest.approx(0.8, abs=0.01)
    assert found["sum"]["C"] == pytest.approx(0.2, abs=0.01)
    assert found["sum"]["rest"] == pytest.approx(0.0, abs=0.01)
    assert found["fixed"] == {"A": None, "B": None, "C": None, "rest": None}


def test_the_grade_of_a_group_is_its_weakest(book: InputBook) -> None:
    one, two = book.parameters[:2]
    joined = [
        one.model_copy(update={"group": "g", "grade": "A"}),
        two.model_copy(update={"group": "g", "grade": "B"}),
    ]
    assert group_grades(joined) == {"g": "B"}


def test_sensitivity_of_a_pathway(book: InputBook, found: Ensemble) -> None:
    factors = spread_factors(found, "whole_field", most=3)
    assert list(factors)[-1] == "rest"
    assert sorted(name for members in factors.values() for name in members) == sorted(book.groups)
    indices = pathway_sensitivity(book, None, "whole_field", factors=factors, base=32, resamples=20)
    assert indices.results == ("peak_year", "level_2030", "level_2060")
    assert indices.evaluations == 32 * 5
    assert np.sum(indices.total[:, 2]) == pytest.approx(1, abs=0.35)
    with pytest.raises(InputError, match="unknown"):
        pathway_sensitivity(book, None, "whole_field", factors={"a": ["no-such-group"]})
