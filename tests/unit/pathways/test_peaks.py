"""Peak years, the plateau rule, and probabilities."""

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.catalog.tables import peak_critical_values
from dafeng.methods.peak import peak_statistics, peak_verdict
from dafeng.pathways.peaks import STATES, anchored, peak_years

YEARS = np.arange(2000, 2061)


def tent(peak: int, *, up: float = 0.02, down: float = 0.02, top: float = 100.0) -> np.ndarray:
    away = YEARS - peak
    return top * np.exp(np.where(away < 0, up * away, -down * away))


def test_three_tents() -> None:
    peaks = peak_years(np.stack([tent(2013), tent(2028), tent(2040)], axis=1), YEARS)
    assert peaks.year.tolist() == [2013, 2028, 2040]
    assert peaks.level.tolist() == pytest.approx([100.0] * 3)
    assert [STATES[state] for state in peaks.state] == ["peaked"] * 3
    assert peaks.probability_by(2012) == 0
    assert peaks.probability_by(2013) == pytest.approx(1 / 3)
    assert peaks.probability_by(2030) == pytest.approx(2 / 3)
    assert peaks.probability_by(2060) == 1
    assert [peaks.year_quantile(share) for share in (0.05, 0.5, 0.95)] == [2013, 2028, 2040]


def test_near_equal_years_count_as_one_and_the_latest_is_the_peak() -> None:
    values = tent(2028)
    values[YEARS == 2033] = 99.95  # within 0.1 % of the maximum
    assert peak_years(values[:, None], YEARS).year.tolist() == [2033]
    values[YEARS == 2033] = 99.85
    assert peak_years(values[:, None], YEARS).year.tolist() == [2028]
    assert peak_years(values[:, None], YEARS, near=0.002).year.tolist() == [2033]


def test_the_maximum_is_that_of_the_verdict_on_series() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    logs = np.cumsum(rng.normal(0, 0.03, (200, len(YEARS))), axis=1)
    own = peak_years(np.exp(logs).T, YEARS, near=0)
    found = peak_statistics(YEARS, logs)
    assert own.year.tolist() == YEARS[found.peak].tolist()


@pytest.mark.parametrize("kind", ["tent", "flat", "rise", "late"])
def test_states_are_the_words_of_the_verdict_on_series(kind: str) -> None:
    values = {
        "tent": tent(2030),
        "flat": tent(2030, down=0.001),
        "rise": tent(2060),
        "late": tent(2057),
    }[kind]
    own = peak_years(values[:, None], YEARS)
    said = peak_verdict(YEARS[1:], values[1:], table=peak_critical_values())
    assert STATES[own.state[0]] == said.status


def test_a_path_that_climbs_back_is_undetermined() -> None:
    values = tent(2020)
    values[YEARS > 2040] = np.linspace(values[YEARS == 2040][0], 97.0, 20)
    own = peak_years(values[:, None], YEARS)
    assert own.year.tolist() == [2020]
    assert STATES[own.state[0]] == "undetermined"


def test_a_peak_in_the_last_year_is_no_peak() -> None:
    peaks = peak_years(np.stack([tent(2060), tent(2070), tent(2059)], axis=1), YEARS)
    assert peaks.peaked.tolist() == [False, False, True]
    assert peaks.probability_by(2060) == pytest.approx(1 / 3)
    assert STATES[peaks.state[0]] == "rising"
    assert (peaks.year_quantile(0.5), peaks.is_open(0.5), peaks.is_open(0.05)) == (2060, True, False)


def test_the_plateau_is_the_unbroken_run_within_five_percent() -> None:
    values = np.array([[90.0], [96.0], [100.0], [96.0], [94.0], [97.0], [80.0]])
    peaks = peak_years(values, range(2024, 2031))
    assert (peaks.plateau_first[0], peaks.year[0], peaks.plateau_last[0]) == (2025, 2026, 2027)


def test_nothing_above_zero_has_no_state() -> None:
    peaks = peak_years(np.zeros((10, 2)), range(2020, 2030))
    assert [STATES[state] for state in peaks.state] == ["undetermined"] * 2
    assert peaks.probability_by(2029) == 0


def test_history_counts_where_it_is_known() -> None:
    modelled = tent(2028)[:, None]
    observed = {2010: 40.0, 2013: 60.0, 2020: 50.0}
    joined = anchored(modelled, YEARS, observed)[:, 0]
    assert joined[YEARS == 2013].tolist() == [60.0]
    assert np.isnan(joined[YEARS == 2012]).all()
    rise = np.exp(0.02 * 8)
    assert joined[YEARS == 2028].tolist() == pytest.approx([50.0 * rise])  # 58.7: below the 60 of 2013
    peaks = peak_years(joined[:, None], YEARS)
    assert (peaks.year.tolist(), peaks.level.tolist()) == ([2013], [60.0])
    assert peaks.probability_by(2022) == 1


def test_standard_errors_by_hand() -> None:
    year = np.repeat([2025, 2035], [40, 60])
    values = np.where(YEARS[:, None] == year, 2.0, 1.0)
    peaks = peak_years(values, YEARS)
    assert peaks.probability_error(2030) == pytest.approx(np.sqrt(0.4010 * 0.5990 / 102), abs=1e-4)
    assert peaks.probability_error(2010) == pytest.approx(np.sqrt((0.5 / 101) * (100.5 / 101) / 102))
    assert peaks.year_error(0.5) == (2035, 2035)
    assert peaks.year_error(0.42) == (2025, 2035)  # one standard error is 4.9 ranks


@pytest.mark.parametrize(
    ("values", "years"),
    [
        (np.ones((3, 2)), [2020, 2021]),
        (np.ones((2, 2)), [2021, 2020]),
        (np.array([[1.0], [np.inf]]), [2020, 2021]),
        (np.array([[1.0], [np.nan]]), [2020, 2021]),
        (np.ones((0, 2)), []),
    ],
)
def test_what_cannot_be_judged_is_refused(values: np.ndarray, years: list[int]) -> None:
    with pytest.raises(InputError):
        peak_years(values, years)


def test_history_of_other_years_is_refused() -> None:
    with pytest.raises(InputError, match="1 years, 0 of them"):
        anchored(np.ones((2, 1)), [2020, 2021], {1990: 3.0})
