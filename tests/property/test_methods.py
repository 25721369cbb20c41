"""Laws of adding up and of outlooks."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.observation import Observation, check_observations, observation_frame
from dafeng.base.place import Place, PlaceTree
from dafeng.catalog import check_folders
from dafeng.methods import fit_drift
from dafeng.methods.indicators import add_up_breakdown, add_up_periods, add_up_places, compute_formulas

CATALOG, _ = check_folders()
INDICATORS = CATALOG.indicators
NUMERATOR, DENOMINATOR, RATIO = "sewage_treated_volume", "sewage_discharge_volume", "sewage_treatment_rate"
PREFECTURES, COUNTIES = 3, 4
AMOUNT = st.floats(0.0, 1e9, allow_nan=False).map(lambda value: round(value, 2))
MAYBE = st.none() | AMOUNT


def make(name: str, level: str, parent: str | None) -> Place:
    return Place.model_validate({"id": name, "name": name, "name_en": name, "level": level, "parent": parent})


PLACES = PlaceTree([
    make("top", "province", None),
    *(make(f"p{i}", "prefecture", "top") for i in range(PREFECTURES)),
    *(make(f"p{i}-c{j}", "county", f"p{i}") for i in range(PREFECTURES) for j in range(COUNTIES)),
])  # fmt: skip


def rows(values: list[float | None], name: str = NUMERATOR, **more: Any) -> list[Observation]:
    """One row a county; None is a stated gap."""
    return [
        Observation.model_validate({
            "indicator": name, "place": f"p{i // COUNTIES}-c{i % COUNTIES}", "extent": "city_proper", "period": "2024",
            "value": value, "missing_reason": "not_reported" if value is None else None, "dataset": "d",
            "recorded_at": datetime(2026, 1, 1, tzinfo=UTC), **more,
        })
        for i, value in enumerate(values)
    ]  # fmt: skip


COUNTIES_MAYBE = st.lists(MAYBE, min_size=PREFECTURES * COUNTIES, max_size=PREFECTURES * COUNTIES)
COUNTIES_ALL = st.lists(AMOUNT, min_size=PREFECTURES * COUNTIES, max_size=PREFECTURES * COUNTIES)


def total(frame: pl.DataFrame, name: str = NUMERATOR, place: str = "top") -> dict[str, Any]:
    results, _ = add_up_places(frame, INDICATORS, PLACES, place=place)
    assert check_observations(results) == []
    found = results.filter(indicator=name)
    assert found.height <= 1
    return found.row(0, named=True) if found.height else {}


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two results say the same, up to the last digits."""
    if not first or not second or first["value"] is None or second["value"] is None:
        return bool(first) == bool(second) and first.get("value") is second.get("value")
    return first["value"] == pytest.approx(second["value"], rel=1e-12, abs=1e-9) and first["coverage"] == pytest.approx(
        second["coverage"]
    )


@given(COUNTIES_MAYBE)
def test_parts_add_up_and_the_coverage_is_the_share_that_reported(values: list[float | None]) -> None:
    found = total(observation_frame(rows(values)))
    known = [value for value in values if value is not None]
    assert found["coverage"] == pytest.approx(len(known) / len(values))
    if known:
        assert found["value"] == pytest.approx(sum(known), rel=1e-12)
    else:
        assert found["missing_reason"] == "not_available"


@given(COUNTIES_MAYBE, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(values: list[float | None], random: Any) -> None:
    given_rows = rows(values) + rows(values, DENOMINATOR)
    shuffled = list(given_rows)
    random.shuffle(shuffled)
    first, second = (
        add_up_places(observation_frame(which), INDICATORS, PLACES, place="top") for which in (given_rows, shuffled)
    )
    assert first.observations.equals(second.observations)
    assert first.lineage.equals(second.lineage)


@given(COUNTIES_ALL, st.integers(0, PREFECTURES * COUNTIES - 1))
def test_a_zero_changes_nothing_and_a_silence_only_the_coverage(values: list[float], which: int) -> None:
    with_zero: list[float | None] = [0.0 if i == which else value for i, value in enumerate(values)]
    silent = [None if i == which else value for i, value in enumerate(values)]
    zero, gap = total(observation_frame(rows(with_zero))), total(observation_frame(rows(silent)))
    assert zero["value"] == pytest.approx(gap["value"], rel=1e-12)
    assert zero["coverage"] == 1.0
    assert gap["coverage"] == pytest.approx(1 - 1 / len(values))


@given(COUNTIES_MAYBE)
def test_a_row_left_out_is_as_silent_as_a_stated_gap(values: list[float | None]) -> None:
    left_out = [row for row in rows(values) if row.value is not None]
    if left_out:
        assert same(total(observation_frame(rows(values))), total(observation_frame(left_out)))


@given(COUNTIES_MAYBE, COUNTIES_ALL)
def test_two_steps_equal_one_for_sums_and_ratios(upper: list[float | None], lower: list[float]) -> None:
    paired: list[float | None] = [
        None if above is None else below for above, below in zip(upper, lower, strict=True)
    ]  # a county gives both parts or none
    frame = observation_frame([*rows(upper), *rows(paired, DENOMINATOR)])
    steps = [add_up_places(frame, INDICATORS, PLACES, place=f"p{index}").observations for index in range(PREFECTURES)]
    halfway = pl.concat(steps)
    for name in (NUMERATOR, DENOMINATOR, RATIO):
        assert same(total(frame, name), total(halfway, name))


@given(COUNTIES_ALL, COUNTIES_ALL)
def test_a_ratio_of_sums_lies_between_the_ratios_of_the_parts(upper: list[float], lower: list[float]) -> None:
    bases = [value + 1.0 for value in lower]
    found = total(observation_frame([*rows([*upper]), *rows([*bases], DENOMINATOR)]), RATIO)
    ratios = [100 * above / below for above, below in zip(upper, bases, strict=True)]
    assert min(ratios) * (1 - 1e-12) <= found["value"] <= max(ratios) * (1 + 1e-12)


@given(COUNTIES_ALL)
def test_two_datasets_never_meet_in_a_sum(values: list[float]) -> None:
    half = len(values) // 2
    frame = observation_frame([*rows([*values[:half]]), *rows([*values], dataset="e")[half:]])
    found = total(frame)
    assert found["value"] in (pytest.approx(sum(values[:half])), pytest.approx(sum(values[half:])))
    assert found["coverage"] == pytest.approx(0.5)


@given(st.lists(AMOUNT, min_size=12, max_size=12), st.integers(1, 12))
def test_a_year_stands_only_when_all_its_months_do(values: list[float], count: int) -> None:
    given_rows = [
        row.model_copy(update={"place": "top", "period": f"2024-{month:02d}"})
        for month, row in enumerate(rows([*values[:count]]), start=1)
    ]
    results, _ = add_up_periods(observation_frame(given_rows), INDICATORS)
    assert results["value"][0] == pytest.approx(sum(values[:count]))
    assert results["period"].to_list() == (["2024"] if count == 12 else [f"2024-01..{count:02d}"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["electricity", "coal", "natural_gas", "lpg"]), AMOUNT), unique_by=lambda x: x[0]
    )
)
def test_carriers_add_up_to_their_total(parts: list[tuple[str, float]]) -> None:
    given_rows = [
        row.model_copy(update={"carrier": carrier, "indicator": "building_energy", "basis": "calorific"})
        for carrier, value in parts
        for row in rows([value])
    ]
    parents = {code: term.parent or "all" for code, term in CATALOG.terms["carrier"].items()}
    results, findings = add_up_breakdown(observation_frame(given_rows), INDICATORS, "carrier", parents)
    assert findings == []
    assert results["value"].to_list() == ([pytest.approx(sum(value for _, value in parts))] if parts else [])


@given(COUNTIES_MAYBE, COUNTIES_MAYBE)
def test_a_formula_is_known_where_all_its_inputs_are(upper: list[float | None], lower: list[float | None]) -> None:
    frame = observation_frame([*rows(upper), *rows(lower, DENOMINATOR)])
    results, _ = compute_formulas(frame, INDICATORS, CATALOG.indicator_types())
    rates = dict(results.filter(indicator=RATIO).select("place", "value").iter_rows())
    for i, (above, below) in enumerate(zip(upper, lower, strict=True)):
        expected = None if above is None or not below else pytest.approx(100 * above / below)
        assert rates[f"p{i // COUNTIES}-c{i % COUNTIES}"] == expected


SERIES = st.lists(st.floats(0, 100, allow_nan=False).map(lambda x: round(x, 2)), min_size=5, max_size=20)


@given(SERIES, st.sampled_from([(None, None), (0.0, None), (0.0, 100.0), (None, 100.0)]), st.integers(1, 15))
def test_outlooks_are_finite_ordered_and_within_bounds(
    values: list[float], bounds: tuple[float | None, float | None], ahead: int
) -> None:
    forecast = fit_drift(range(2000, 2000 + len(values)), values, bounds=bounds)
    year = 1999 + len(values) + ahead
    narrow, wide = forecast.interval(year, 0.5), forecast.interval(year, 0.9)
    assert np.isfinite([*narrow, *wide]).all()
    assert wide.low <= narrow.low <= narrow.expected <= narrow.high <= wide.high
    assert bounds[0] is None or wide.low >= bounds[0]
    assert bounds[1] is None or wide.high <= bounds[1]
    chances = [forecast.probability_at_least(year, bound) for bound in (10.0, 40.0, 90.0)]
    assert 1 >= chances[0] >= chances[1] >= chances[2] >= 0
