"""The peak verdict: each rule by itself, a second route to the statistic, size and power in small."""

import csv
import itertools
import math
import statistics as plain
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.tables import peak_critical_values
from dafeng.methods.breaks import Break, find_breaks
from dafeng.methods.peak import (
    REASON_NAMES,
    STATUS_NAMES,
    PeakVerdict,
    peak_statistics,
    peak_verdict,
    rising_statistics,
)
from dafeng.methods.peak_nulls import NULLS, Null, critical_rows

TABLE = peak_critical_values()
WOBBLE = [0.0, 1.2, -0.8, 0.5, -1.0, 0.9, -0.4, 1.0, -1.1, 0.3]


def tent(length: int, after: int, rise: float, fall: float, wobble: float = 0.005) -> list[float]:
    top = length - 1 - after
    return [
        100 * math.exp((rise * (year - top) if year <= top else -fall * (year - top)) + wobble * WOBBLE[year % 10])
        for year in range(length)
    ]


def shift(year: int) -> Break:
    return Break(year, "level_shift", 0.4, 9.0, 4.0)


def judge(values: Sequence[float], **options: object) -> PeakVerdict:
    return peak_verdict(range(2000, 2000 + len(values)), values, table=TABLE, **options)  # type: ignore[arg-type]


def tents(
    draws: int, rng: np.random.Generator, *, length: int = 25, after: int = 10, slope: float = 0.03
) -> NDArray[np.float64]:
    """Rise and fall by `slope` a year, noise of standard deviation 2 % about it with autocorrelation 0.5."""
    noise = Null("noise", phi=0.5).draw(length, draws, rng) * 0.02 * math.sqrt(1 - 0.5**2)
    return np.asarray(noise - slope * np.abs(np.arange(length) - (length - 1 - after)))


def test_a_clear_rise_and_fall_has_peaked_and_says_so() -> None:
    verdict = judge(tent(25, 10, 0.03, 0.03))
    assert (verdict.status, verdict.reason, verdict.peak_year, verdict.since) == ("peaked", "fall", 2014, 2014)
    assert verdict.p_range == (0.0, 0.01)
    assert verdict.pace == pytest.approx(math.expm1(-0.03), abs=0.003)
    assert "已达峰" in verdict.words
    assert "不排除今后回升" in verdict.words
    assert verdict.name == "已达峰"


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_fewer_than_five_years_after_the_maximum_is_undetermined_however_steep_the_fall(after: int) -> None:
    verdict = judge(tent(25, after, 0.03, 0.20))
    assert (verdict.status, verdict.reason, verdict.years_after) == ("undetermined", "recent_maximum", after)
    assert f"其后只有{after}年，不足5年" in verdict.words
    assert verdict.statistic is None


def test_five_years_after_the_maximum_can_suffice() -> None:
    assert judge(tent(25, 5, 0.03, 0.06)).status == "peaked"


def test_five_years_with_fewer_than_five_points_do_not_suffice() -> None:
    values = tent(25, 6, 0.03, 0.08)
    years = [year for year in range(2000, 2025) if year not in (2020, 2022)]
    verdict = peak_verdict(years, [values[year - 2000] for year in years], table=TABLE)
    assert (verdict.status, verdict.reason, verdict.missing) == ("undetermined", "recent_maximum", (2020, 2022))


def test_a_rise_to_the_last_year_is_rising() -> None:
    verdict = judge(tent(25, 0, 0.03, 0.0))
    assert (verdict.status, verdict.peak_year, verdict.since) == ("rising", 2024, 2014)
    assert "尚未达峰" in verdict.words


def test_a_high_last_year_without_a_trend_is_undetermined() -> None:
    values = [100.0, 104, 97, 102, 98, 103, 99, 101, 98, 103, 97, 102, 104.5]
    verdict = judge(values)
    assert (verdict.status, verdict.reason) == ("undetermined", "weak_growth")
    assert verdict.detectable is not None
    assert verdict.detectable > 0


def test_a_level_that_is_held_is_a_plateau_from_the_first_year_of_the_run() -> None:
    values = [60.0, 70, 80, 90, 97, 98, 100, 97, 98, 96, 99, 97, 98, 97]
    verdict = judge(values)
    assert (verdict.status, verdict.peak_year, verdict.since) == ("plateau", 2006, 2004)
    assert "平台期" in verdict.words
    assert judge(values, plateau=0.01).status == "undetermined"


def test_a_fall_of_a_few_percent_is_a_plateau_even_where_it_is_significant() -> None:
    verdict = judge(tent(20, 8, 0.01, 0.006, wobble=0.0005))
    assert verdict.status == "plateau"
    assert verdict.p_range is not None
    assert verdict.p_range[1] <= 0.05


def test_a_fall_that_was_made_good_again_is_no_peak() -> None:
    values = [*tent(16, 5, 0.03, 0.08), *(100 * math.exp(-0.40 + 0.08 * year) for year in range(1, 4))]
    verdict = judge(values)
    assert (verdict.status, verdict.reason) == ("undetermined", "rebound")
    assert "回升过半" in verdict.words


def test_a_single_misprint_at_the_top_makes_no_peak() -> None:
    values = [100 + 0.5 * wobble for wobble in WOBBLE * 2]
    values[8] = 300.0
    verdict = judge(values)
    assert (verdict.status, verdict.reason) == ("undetermined", "weak_fall")


def test_short_series_and_series_full_of_gaps_are_undetermined() -> None:
    assert judge([1.0, 2, 3, 2, 1, 0.8, 0.7]).reason == "short"
    years = [2000, 2001, 2002, 2003, 2010, 2011, 2012, 2013, 2014, 2015]
    verdict = peak_verdict(years, [5.0, 6, 7, 8, 6, 5.5, 5, 4.5, 4, 3.5], table=TABLE)
    assert (verdict.status, verdict.reason) == ("undetermined", "gaps")
    assert "缺6年" in verdict.words


def test_only_the_years_after_the_last_break_count() -> None:
    values = tent(25, 10, 0.03, 0.03)
    verdict = judge(values, breaks=[shift(2003), shift(2018)])
    assert (verdict.status, verdict.reason, verdict.first_year, verdict.ignored_before) == (
        "undetermined", "short", 2018, 2018,
    )  # fmt: skip
    assert verdict.words.startswith("2018年数据来源有突变")
    assert (
        judge(values, breaks=[shift(1990), shift(2030), Break(2018, "reshuffle", 0.5, 0.5, 0.4)]).ignored_before is None
    )


def test_a_wrong_value_that_was_found_first_does_not_hide_the_peak() -> None:
    values = tent(25, 10, 0.03, 0.03)
    values[7] *= 1.6
    (found,) = find_breaks(range(2000, 2025), values, table=TABLE)
    assert (found.kind, found.year) == ("wrong_value", 2007)
    assert judge(values).status == "undetermined"
    verdict = judge(values, breaks=[found])
    assert (verdict.status, verdict.peak_year, verdict.dropped) == ("peaked", 2014, (2007,))
    assert verdict.words.startswith("2007年为异常值，已剔除。")


def test_among_equal_maxima_the_latest_counts() -> None:
    assert judge([5.0, 9, 6, 9, 5, 5, 5, 5, 4, 4]).peak_year == 2003


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0, 2, 0, 4, 5, 6, 7, 8], "value 0 of year 2002"), ([1.0, math.nan, 3], "not a number"), ([], "no value")],
)
def test_a_series_that_has_no_logarithm_is_refused(values: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        judge(values)


def test_fewer_years_than_the_table_was_made_for_are_refused() -> None:
    with pytest.raises(InputError, match="minimum_years_after 3"):
        judge(tent(25, 10, 0.03, 0.03), minimum_years_after=3)


def test_a_series_longer_than_the_table_is_refused() -> None:
    with pytest.raises(InputError, match="70 points"):
        judge(tent(70, 10, 0.01, 0.03))


def test_the_statistic_agrees_with_a_second_route_in_plain_python() -> None:
    logs = [math.log(value) for value in tent(18, 7, 0.02, 0.03, wobble=0.02)]
    top = max(range(18), key=lambda year: logs[year])

    def median_slope(begin: int, end: int) -> float:
        return plain.median((logs[b] - logs[a]) / (b - a) for a, b in itertools.combinations(range(begin, end), 2))

    before, after = median_slope(0, top + 1), median_slope(top, 18)
    left = [logs[year + 1] - logs[year] - (before if year < top else after) for year in range(17)]
    classical = math.sqrt(math.fsum(value**2 for value in left) / (17 - 2))
    robust = 1.4826 * plain.median(abs(value) for value in left)
    scatter = max(math.sqrt(classical * robust), classical / 3)
    found = peak_statistics(np.arange(18), np.array([logs]))
    assert int(found.peak[0]) == top
    assert found.slope[0] == pytest.approx(after)
    assert found.statistic[0] == pytest.approx(-after * math.sqrt(17 - top) / scatter)


def test_every_status_has_a_name_in_both_languages() -> None:
    assert set(STATUS_NAMES) == {"peaked", "plateau", "rising", "undetermined"}
    assert all(zh and en for zh, en in STATUS_NAMES.values())
    assert len(set(REASON_NAMES.values())) == 9


@pytest.mark.parametrize("length", [12, 25, 40])
@pytest.mark.parametrize("null", NULLS, ids=lambda null: null.name)
def test_at_most_seven_percent_of_series_without_a_peak_are_called_peaked(null: Null, length: int) -> None:
    logs = null.draw(length, 4000, np.random.default_rng([31, length]))
    share = np.mean(peak_statistics(np.arange(length), logs).statistic > TABLE.at("peaked", length, 0.05))
    assert share <= 0.07
    if null.phi == 1.0:
        assert share >= 0.035


@pytest.mark.parametrize("length", [12, 40])
def test_at_most_seven_percent_of_random_walks_are_called_rising(length: int) -> None:
    logs = Null("walk").draw(length, 4000, np.random.default_rng(5))
    assert np.mean(rising_statistics(np.arange(length), logs)[0] > TABLE.at("rising", length, 0.05)) <= 0.07


def test_a_rise_and_fall_of_three_percent_a_year_is_found() -> None:
    logs = tents(400, np.random.default_rng(77))
    verdicts = [judge(np.exp(row).tolist()).status for row in logs]
    assert verdicts.count("peaked") >= 0.95 * len(verdicts)


def test_what_is_called_detectable_is_found_in_about_four_of_five_cases() -> None:
    length, after, rng = 25, 9, np.random.default_rng(8)
    top = length - 1 - after
    quiet = np.cumsum(rng.standard_normal((1000, length)) * 0.02, axis=1)
    first = quiet - quiet[:, [top]] - 0.06 * np.abs(np.arange(length) - top)
    pace = np.median([judge(np.exp(row).tolist()).detectable or 0.0 for row in first[:200]])
    slope = -math.log1p(-pace)
    logs = quiet - quiet[:, [top]] + np.where(np.arange(length) <= top, 0.06, -slope) * (np.arange(length) - top)
    found = peak_statistics(np.arange(length), logs)
    share = np.mean(found.statistic[found.peak == top] > TABLE.at("peaked", length, 0.05))
    assert share == pytest.approx(0.8, abs=0.08)


def test_the_committed_table_is_what_its_command_makes() -> None:
    rows = {row.test: row for row in critical_rows(8, 20_000, np.random.default_rng([20261120, 8]))}
    for test, row in rows.items():
        assert TABLE.values[test, 8] == pytest.approx([round(value, 3) for value in row.critical])


@pytest.mark.soak
@pytest.mark.parametrize("length", range(12, 41))
def test_false_peaks_stay_below_seven_percent_at_every_length_on_fresh_seeds(length: int) -> None:
    nulls = [*NULLS, Null("ar-0.98", phi=0.98), *(Null(f"drift-{drift}", drift=drift) for drift in (0.05, 0.1, 0.3))]
    for at, null in enumerate(nulls):
        logs = null.draw(length, 20_000, np.random.default_rng([4711, length, at]))
        share = np.mean(peak_statistics(np.arange(length), logs).statistic > TABLE.at("peaked", length, 0.05))
        assert share <= 0.07, null.name


@pytest.mark.soak
def test_the_sizes_and_powers_of_the_page_are_found_again() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/explanation/peak.md").read_text(encoding="utf-8")
    table = page[page.index("<!-- power -->") :].split("\n\n")[1].splitlines()
    rows = list(csv.reader((line.strip("| ") for line in table), delimiter="|"))
    slopes = [float(cell.split()[0]) / 100 for cell in rows[0][2:]]
    for row in rows[2:]:
        length, after = int(row[0]), int(row[1])
        for slope, cell in zip(slopes, row[2:], strict=True):
            logs = tents(2000, np.random.default_rng([99, length, after]), length=length, after=after, slope=slope)
            share = np.mean([judge(np.exp(one).tolist()).status == "peaked" for one in logs])
            assert 100 * share == pytest.approx(float(cell), abs=4)
