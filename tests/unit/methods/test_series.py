"""Outlook of a yearly series: drift, scatter, intervals, probabilities and refusals."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from dafeng.base.errors import InputError, NotEnoughDataError
from dafeng.methods import fit_drift, required_pace, theil_sen
from dafeng.methods.series import BoundedScale

NOISY = [30.1, 31.9, 31.4, 33.8, 34.0, 36.7, 36.1, 38.4, 39.9, 40.2]
YEARS = list(range(2015, 2025))


def test_the_drift_is_the_median_of_pairwise_slopes_and_ignores_one_misprint() -> None:
    straight = [2.0 * year for year in range(9)]
    spoilt = [*straight[:4], 800.0, *straight[5:]]
    assert theil_sen(range(9), straight) == theil_sen(range(9), spoilt) == 2.0


def test_the_variance_is_that_of_a_random_walk_with_drift() -> None:
    forecast = fit_drift(YEARS, NOISY)
    half = stats.t.ppf(0.9, 8) * forecast.scatter
    for ahead in (1, 4):
        interval = forecast.interval(2024 + ahead)
        assert interval.expected == pytest.approx(40.2 + ahead * forecast.pace)
        assert interval.high - interval.expected == pytest.approx(half * math.sqrt(ahead * (1 + ahead / 9)))


def test_a_straight_line_goes_on_but_never_with_certainty() -> None:
    forecast = fit_drift(range(2018, 2025), [100.0 + 10 * year for year in range(7)])
    low, expected, high = forecast.interval(2026)
    assert expected == pytest.approx(180.0)
    assert 0.5 < high - low < 10


def test_rounding_of_the_data_is_never_undercut() -> None:
    forecast = fit_drift(range(2018, 2025), [3.0] * 7)
    assert forecast.scatter >= 0.1 / math.sqrt(6) * 0.1
    whole = fit_drift(range(2018, 2025), [400.0, 401.0, 402.0, 403.0, 404.0, 405.0, 406.0])
    assert whole.scatter >= 1 / math.sqrt(6)


def test_a_series_that_stands_still_and_then_jumps_is_not_called_certain() -> None:
    metro = fit_drift(range(2015, 2025), [0.0] * 6 + [40.0] * 4, bounds=(0.0, None))
    assert metro.scatter > 0.1
    assert metro.interval(2027).low >= 0.0


@pytest.mark.parametrize("bounds", [(0.0, 100.0), (0.0, None), (None, 100.0)])
def test_intervals_stay_within_the_bounds(bounds: tuple[float | None, float | None]) -> None:
    forecast = fit_drift(YEARS, [90, 92, 95, 96, 97, 99, 99, 100, 100, 100], bounds=bounds)
    low, expected, high = forecast.interval(2035, 0.98)
    assert bounds[0] is None or low >= bounds[0]
    assert low <= expected <= high
    assert bounds[1] is None or high <= bounds[1]


def test_a_share_of_one_hundred_percent_can_be_reached_and_kept() -> None:
    forecast = fit_drift(YEARS, [96, 97, 98, 98, 99, 100, 100, 100, 100, 100], bounds=(0, 100))
    assert 0.4 < forecast.probability_at_least(2026, 100.0) < 1
    assert forecast.probability_at_least(2026, 100.1) == 0.0
    assert forecast.probability_at_most(2026, 100.0) == 1.0
    assert forecast.probability_at_least(2026, 0.0) == 1.0


def test_values_beyond_a_bound_are_taken_at_the_bound_and_counted() -> None:
    forecast = fit_drift(YEARS, [96, 97, 98, 98, 99, 100, 101.5, 100, 100, 103.0], bounds=(0, 100))
    assert forecast.clipped == 2
    assert forecast.last_value == 103.0
    assert math.isfinite(forecast.interval(2030).expected)


def test_probability_and_quantile_are_inverse() -> None:
    forecast = fit_drift(YEARS, NOISY, bounds=(0, 100))
    for p in (0.05, 0.3, 0.5, 0.9):
        bound = forecast.quantile(2029, p)
        assert forecast.probability_at_most(2029, bound) == pytest.approx(p)
        assert forecast.probability_at_least(2029, bound) == pytest.approx(1 - p)


def test_many_years_and_levels_come_in_one_call() -> None:
    forecast = fit_drift(YEARS, NOISY)
    table = forecast.quantiles(np.arange(2025, 2031)[:, None], [0.1, 0.5, 0.9])
    assert table.shape == (6, 3)
    assert table[3, 0] == pytest.approx(forecast.quantile(2028, 0.1))
    assert np.all(np.diff(table[:, 2] - table[:, 0]) > 0)


def test_order_of_the_years_does_not_matter_and_a_gap_is_allowed() -> None:
    keep = [0, 1, 2, 5, 6, 8, 9]
    years, values = [YEARS[i] for i in keep], [NOISY[i] for i in keep]
    assert fit_drift(years[::-1], values[::-1]) == fit_drift(years, values)
    assert fit_drift(years, values).points == 7


def test_units_do_not_matter() -> None:
    plain, scaled = fit_drift(YEARS, NOISY, bounds=(0, None)), fit_drift(YEARS, np.array(NOISY) * 1e4, bounds=(0, None))
    assert scaled.interval(2030).high == pytest.approx(1e4 * plain.interval(2030).high)


def test_a_year_further_ahead_than_the_points_reach_back_is_marked() -> None:
    forecast = fit_drift(range(2019, 2025), [1, 2, 3, 5, 5, 6])
    assert [forecast.stretched(year) for year in (2025, 2029, 2030)] == [False, False, True]


@pytest.mark.parametrize(
    ("years", "values"),
    [([2021, 2022, 2023, 2024], [1, 2, 3, 4]), ([], []), ([2020.0, 2020.5, 2021, 2022, 2023], [1, 2, 3, 4, 5])],
)
def test_too_few_points_or_too_short_a_span_is_refused(years: list[float], values: list[float]) -> None:
    with pytest.raises(NotEnoughDataError, match="at least 5 points over at least 4 years") as caught:
        fit_drift(years, values)
    assert caught.value.doing
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("years", "values", "match"),
    [
        (YEARS, [*NOISY[:-1], math.nan], "not a number at year 2024"),
        (YEARS, [math.inf, *NOISY[1:]], "not a number at year 2015"),
        ([*YEARS[:-1], 2023], NOISY, "year 2023 stands twice"),
        (YEARS, NOISY[:-1], "shape"),
    ],
)
def test_series_that_are_none_are_refused(years: list[float], values: list[float], match: str) -> None:
    with pytest.raises(InputError, match=match):
        fit_drift(years, values)


@pytest.mark.parametrize("bounds", [(100.0, 0.0), (0.0, 0.0), (math.nan, None), (None, math.inf)])
def test_bounds_that_are_no_interval_are_refused(bounds: tuple[float | None, float | None]) -> None:
    with pytest.raises(InputError, match="bounds"):
        fit_drift(YEARS, NOISY, bounds=bounds)


def test_a_year_that_has_passed_and_a_probability_beyond_one_are_refused() -> None:
    forecast = fit_drift(YEARS, NOISY)
    with pytest.raises(InputError, match="2024 is not after 2024"):
        forecast.interval(2024)
    with pytest.raises(InputError, match="probability"):
        forecast.quantile(2030, 1.0)


def test_the_pace_needed_is_the_straight_line_to_the_bound() -> None:
    assert required_pace(2024, 40.0, 2030, 37.0) == -0.5
    with pytest.raises(InputError, match="not after"):
        required_pace(2030, 40.0, 2030, 41.0)


@pytest.mark.parametrize("scale", [BoundedScale(0, 100, 0.5), BoundedScale(2, None, 3.0), BoundedScale(None, 7, 1.0)])
def test_the_open_scale_grows_and_goes_back(scale: BoundedScale) -> None:
    values = np.linspace(2.0, 7.0, 50)
    places = scale.to_scale(values)
    assert np.all(np.diff(places) > 0)
    np.testing.assert_allclose(scale.from_scale(places), values)
    slope = np.gradient(places, values)
    np.testing.assert_allclose(scale.steepness(values)[1:-1], slope[1:-1], rtol=0.02)


def simulate(rng: np.random.Generator, *, walk: bool, points: int, runs: int) -> NDArray[np.float64]:
    """Series of drift 0.3 a year with innovations, or else noise about a line, of standard deviation 1."""
    shocks = rng.normal(size=(runs, points + 6))
    return 0.3 * np.arange(points + 6) + (np.cumsum(shocks, axis=1) if walk else shocks)


@pytest.mark.parametrize("points", [6, 10, 20])
@pytest.mark.parametrize(("walk", "ahead", "least", "most"), [
    (True, 1, 0.72, 0.90), (True, 3, 0.72, 0.90), (True, 6, 0.72, 0.90),
    (False, 1, 0.72, 0.90), (False, 3, 0.80, 1.00), (False, 6, 0.80, 1.00),
])  # fmt: skip
def test_an_80_percent_interval_covers_about_80_percent(
    points: int, walk: bool, ahead: int, least: float, most: float
) -> None:
    # Noise about a line is no random walk: from the second year on its interval is wider than need be, which is documented.
    series = simulate(np.random.default_rng(20261120), walk=walk, points=points, runs=500)
    hits = 0
    for values in series:
        low, _, high = fit_drift(range(points), values[:points]).interval(points - 1 + ahead)
        hits += low <= values[points - 1 + ahead] <= high
    assert least <= hits / len(series) <= most
