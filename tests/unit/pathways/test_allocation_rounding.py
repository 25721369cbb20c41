"""Whole units that add up: bounds, ties, paradoxes, and tables against enumeration."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.allocation_rounding import RoundingRule, divide_units, fill_lines, round_table, with_sums


def fractions(*values: float) -> list[Fraction]:
    return [Fraction(value) for value in values]


def test_shares_by_largest_remainder_worked_by_hand() -> None:
    # quotas 4.2, 3.5, 2.3 of 10: whole parts 4, 3, 2; the one left goes to the remainder 0.5
    assert divide_units(fractions(42, 35, 23), 10, names="abc") == [4, 4, 2]


def test_equal_remainders_go_to_the_greater_weight_and_then_to_the_earlier_name() -> None:
    # quotas 1.5 and 0.5 of 2
    assert divide_units(fractions(3, 1), 2, names="ba") == [2, 0]
    assert divide_units(fractions(1, 1, 1), 4, names=["c", "a", "b"]) == [1, 2, 1]


def test_floors_and_ceilings_are_filled_like_water() -> None:
    # of 100 by 1:2:7 with a ceiling of 40 on the third, 60 are left for 1:2
    assert divide_units(fractions(1, 2, 7), 100, names="abc", ceilings=[None, None, 40]) == [20, 40, 40]
    # a floor of 30 on the first leaves 70 for 2:7
    assert divide_units(fractions(1, 2, 7), 100, names="abc", floors=[30, 0, 0]) == [30, 16, 54]
    # a floor and a ceiling that push one another: 50 and 20 leave 30
    assert divide_units(fractions(1, 2, 7), 100, names="abc", floors=[50, 0, 0], ceilings=[None, None, 20]) == [
        50,
        30,
        20,
    ]


def test_a_place_of_weight_zero_gets_its_floor() -> None:
    assert divide_units(fractions(0, 1, 0), 10, names="abc", floors=[0, 0, 3]) == [0, 7, 3]


@pytest.mark.parametrize(
    ("floors", "ceilings", "name", "short"),
    [([60, 50, 0], None, "floors", 10), (None, [10, 20, 30], "ceilings", 40), ([0, 0, 5], [10, 20, 5], "ceilings", 65)],
)
def test_bounds_that_do_not_allow_the_total_are_named_with_what_is_missing(
    floors: list[int] | None, ceilings: list[int | None] | None, name: str, short: float
) -> None:
    with pytest.raises(InputError) as caught:
        divide_units(fractions(1, 2, 7), 100, names="abc", floors=floors, ceilings=ceilings)
    assert caught.value.evidence["name"] == f"pathways.allocation.{name}"
    assert caught.value.evidence["short"] == short


def test_the_alabama_paradox_befalls_largest_remainder_and_not_the_divisor_rule() -> None:
    weights = fractions(6, 6, 2)
    assert [divide_units(weights, total, names="abc")[2] for total in (10, 11)] == [2, 1]
    divisor = [divide_units(weights, total, names="abc", rule=RoundingRule.DIVISOR)[2] for total in range(40)]
    assert divisor == sorted(divisor)


def test_the_divisor_rule_gives_websters_seats() -> None:
    # 53, 24, 23 of 7 seats: priorities 53, 24, 23, 53/3, 53/5, 24/3, 23/3, before 53/7; largest remainder gives 4, 2, 1
    assert divide_units(fractions(53, 24, 23), 7, names="abc", rule=RoundingRule.DIVISOR) == [3, 2, 2]
    assert divide_units(fractions(53, 24, 23), 7, names="abc") == [4, 2, 1]
    # a held at 2: the seventh goes to b, 24/5 before 23/5
    bounded = divide_units(
        fractions(53, 24, 23), 7, names="abc", floors=[0, 0, 2], ceilings=[2, None, None], rule=RoundingRule.DIVISOR
    )
    assert bounded == [2, 3, 2]


def test_lines_that_start_apart_meet_the_total() -> None:
    # past use 30 and 10 of people 1 and 1, 20 left: levels to 30 each: 0 and 20
    assert fill_lines(fractions(-30, -10), fractions(1, 1), Fraction(20), [0, 0], [None, None]) == fractions(0, 20)
    assert fill_lines(fractions(-30, -10), fractions(1, 1), Fraction(40), [0, 0], [None, None]) == fractions(10, 30)


def enumerated(table: list[list[Fraction]]) -> Fraction:
    """Return the least squared distance over all whole tables of cells rounded down or up that keep every sum."""
    rows, columns = [sum(row) for row in table], [sum(column) for column in zip(*table, strict=True)]
    options = [
        (cell.__floor__(), cell.__floor__() + 1) if cell.denominator > 1 else (int(cell),)
        for row in table
        for cell in row
    ]
    width = len(columns)
    best: Fraction | None = None
    for cells in itertools.product(*options):
        found = [cells[at : at + width] for at in range(0, len(cells), width)]
        if [sum(row) for row in found] == rows and [sum(column) for column in zip(*found, strict=True)] == columns:
            away = sum(
                ((cell - exact) ** 2 for line, goal in zip(found, table, strict=True) for cell, exact in zip(line, goal, strict=True)),
                Fraction(0),
            )  # fmt: skip
            best = away if best is None else min(best, away)
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(12))
def test_small_tables_are_rounded_as_near_as_enumeration_finds(seed: int) -> None:
    weights = [(seed * 7 + place * 13) % 17 + 1 for place in range(4)]
    years = [(seed * 5 + year * 11) % 7 + 1 for year in range(3)]
    total = 9 + seed * 3
    rows = divide_units(fractions(*weights), total, names="abcd")
    columns = divide_units(fractions(*years), total, names="xyz")
    table = [[Fraction(row * column, total) for column in columns] for row in rows]
    found = round_table(table)
    assert found.sum(axis=1).tolist() == rows
    assert found.sum(axis=0).tolist() == columns
    away = sum(
        ((int(cell) - exact) ** 2 for line, goal in zip(found, table, strict=True) for cell, exact in zip(line, goal, strict=True)),
        Fraction(0),
    )  # fmt: skip
    assert away <= enumerated(table) + Fraction(1, 10**9)


def test_a_table_without_whole_sums_is_refused() -> None:
    with pytest.raises(InputError, match=r"0\.5"):
        round_table([fractions(0.25, 0.25), fractions(0.75, 0.75)])


def test_rows_are_moved_to_given_sums_without_touching_columns_or_falling_below_zero() -> None:
    table = [[Fraction(1, 10), Fraction(0)], [Fraction(19, 10), Fraction(3)]]
    moved = with_sums(table, [0, 5])
    assert [sum(row) for row in moved] == [0, 5]
    assert [sum(column) for column in zip(*moved, strict=True)] == [2, 3]
    assert min(cell for row in moved for cell in row) >= 0
