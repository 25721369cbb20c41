"""Breaks of the source: shifts, single wrong values, reshuffles, wrong cells, years that many places share."""

import math

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.catalog.tables import peak_critical_values
from dafeng.methods.breaks import (
    BREAK_NAMES,
    Break,
    find_breaks,
    find_reshuffles,
    find_wrong_cells,
    jump_scores,
    shared_breaks,
)
from dafeng.methods.peak_nulls import Null

TABLE = peak_critical_values()
YEARS = list(range(2000, 2016))
STEADY = [10.0 * math.exp(0.03 * year + 0.01 * (-1) ** year) for year in range(16)]


def test_a_steady_series_has_no_break() -> None:
    assert find_breaks(YEARS, STEADY, table=TABLE) == ()


def test_a_level_shift_is_dated_at_its_first_year_with_its_size() -> None:
    shifted = [value * (1.5 if year >= 2005 else 1.0) for year, value in zip(YEARS, STEADY, strict=True)]
    (found,) = find_breaks(YEARS, shifted, table=TABLE)
    assert (found.year, found.kind) == (2005, "level_shift")
    assert found.change == pytest.approx(math.log(1.5) + 0.03, abs=0.03)
    finding = found.finding("某省")
    assert (finding.name, finding.severity) == ("series.break.level-shift", Severity.WARNING)
    assert finding.sentence.startswith("某省：2005年水平突变，比上一年变化+")
    assert finding.evidence["year"] == 2005


def test_up_and_down_again_in_the_next_year_is_one_wrong_value() -> None:
    spoilt = [value * (3.0 if year == 2007 else 1.0) for year, value in zip(YEARS, STEADY, strict=True)]
    assert [(one.year, one.kind) for one in find_breaks(YEARS, spoilt, table=TABLE)] == [(2007, "wrong_value")]


def test_a_shift_that_is_taken_back_years_later_is_two_shifts() -> None:
    shifted = [value * (1.6 if 2006 <= year < 2011 else 1.0) for year, value in zip(YEARS, STEADY, strict=True)]
    assert [(one.year, one.kind) for one in find_breaks(YEARS, shifted, table=TABLE)] == [
        (2006, "level_shift"),
        (2011, "level_shift"),
    ]


def test_a_jump_in_the_last_year_is_left_open() -> None:
    assert find_breaks(YEARS, [*STEADY[:-1], 30.0], table=TABLE)[0].kind == "edge"


def test_a_gap_of_years_is_no_jump() -> None:
    keep = [year for year in YEARS if year not in (2006, 2007, 2008)]
    assert find_breaks(keep, [STEADY[year - 2000] for year in keep], table=TABLE) == ()


def test_small_changes_of_a_very_quiet_series_are_no_breaks() -> None:
    quiet = [10.0 + 0.001 * (year % 3) for year in range(16)]
    quiet[8:] = [value * 1.05 for value in quiet[8:]]
    assert find_breaks(YEARS, quiet, table=TABLE) == ()


def test_a_series_too_short_for_the_table_says_nothing() -> None:
    assert find_breaks(YEARS[:6], [1.0, 1, 1, 9, 9, 9], table=TABLE) == ()


@pytest.mark.parametrize("length", [12, 25, 60])
def test_at_most_seven_percent_of_random_walks_are_called_broken(length: int) -> None:
    logs = Null("walk").draw(length, 4000, np.random.default_rng(11))
    largest = np.max(np.abs(jump_scores(np.arange(length, dtype=float), logs)), axis=1)
    assert 0.03 < np.mean(largest > TABLE.at("level_shift", length, 0.05)) <= 0.07


def test_parts_that_jump_together_are_a_reshuffle_although_the_total_stands_still() -> None:
    parts = np.tile([4.0, 3.0, 2.0, 1.0], (10, 1))
    parts[6:] = [1.0, 1.5, 4.5, 3.0]
    (found,) = find_reshuffles(range(2000, 2010), parts, ["煤", "焦", "气", "油"])
    assert (found.year, found.kind, found.score) == (2006, "reshuffle", 1.0)
    assert found.evidence["煤"] == -3.0
    assert "构成突变" in found.finding("某省").sentence
    assert find_breaks(range(2000, 2010), parts.sum(axis=1), table=TABLE) == ()


def test_one_part_that_jumps_and_parts_of_no_weight_are_no_reshuffle() -> None:
    parts = np.tile([4.0, 3.0, 2.0, 1.0, 1e-4, 1e-4, 1e-4], (10, 1))
    parts[5:, 0] = 1.0
    parts[5:, 4:] = 9e-4
    assert find_reshuffles(range(2000, 2010), parts, list("abcdefg")) == ()


def test_the_misprint_of_jilin_is_found_as_a_cell_and_a_lasting_change_is_not() -> None:
    parts = [[0.70, 10, 1.0], [21.79, 10, 1.0], [0.81, 10, 9.5], [0.9, 10, 9.6]]
    (finding,) = find_wrong_cells([2002, 2003, 2004, 2005], parts, ["建筑业原煤", "其他", "天然气"])
    assert finding.value == "21.79"
    assert finding.evidence["before"] == 0.7
    assert "2003年" in finding.sentence


def test_a_cell_that_falls_to_next_to_nothing_for_a_year_is_found() -> None:
    found = find_wrong_cells([2001, 2002, 2003], [[8.0, 10], [0.08, 10], [8.1, 10]], ["煤", "气"])
    assert [finding.value for finding in found] == ["0.08"]


def test_years_in_which_many_places_break_stand_out() -> None:
    alone = {f"p{number}": [Break(2000 + number, "level_shift", 0.3, 9, 4)] for number in range(8)}
    together = {f"q{number}": [Break(2005, "reshuffle", 0.3, 0.5, 0.4)] for number in range(6)}
    assert set(shared_breaks({**alone, **together})) == {2005}
    assert shared_breaks(alone) == {}
    assert shared_breaks({"a": [], "b": []}) == {}


@pytest.mark.parametrize(
    ("years", "parts"),
    [([2001, 2000], [[1.0], [1.0]]), ([2000, 2001], [[1.0], [-1.0]]), ([2000, 2001], [[1.0]])],
)
def test_parts_that_make_no_table_are_refused(years: list[int], parts: list[list[float]]) -> None:
    with pytest.raises(InputError, match="look for breaks among the parts"):
        find_reshuffles(years, parts, ["a"])


def test_every_kind_of_break_has_a_name_in_both_languages() -> None:
    assert all(zh and en for zh, en in BREAK_NAMES.values())
