"""Turnover of the stock: small cases by hand, a plain second route, the same bytes whatever is computed together, bad input."""

import math
from typing import Any

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways import Retrofit, Turnover, turn_over
from dafeng.pathways.survival import survival

HALF = -math.log(0.5)  # Weibull of shape 1 and mean 1 / HALF: half of every cohort goes each year
LIFE = {"lifetime": [[1 / HALF]], "shape": [[1.0]], "family": "weibull", "age_zero": "start"}


def column(values: np.ndarray) -> list[float]:
    return [round(float(value), 9) for value in values[:, 0]]


def test_stock_driven_by_hand() -> None:
    stock = turn_over([[100.0], [100.0], [120.0], [20.0]], **LIFE, detail=True)
    assert column(stock.inflow) == [100, 50, 70, 0]
    assert column(stock.outflow) == [0, 50, 50, 60]
    assert column(stock.standing) == [100, 100, 120, 60]
    assert column(stock.vacant) == [0, 0, 0, 40]
    assert stock.cohorts is not None
    assert [round(float(value), 9) for value in stock.cohorts[:, 3, 0]] == [12.5, 12.5, 35, 0]


def test_mid_year_builds_what_is_lost_in_the_first_year_too() -> None:
    stock = turn_over([[100.0], [100.0]], **(LIFE | {"age_zero": "mid_year"}))
    # what stands after half a year is 1 / sqrt(2) of the completions
    assert column(stock.inflow) == [pytest.approx(100 * math.sqrt(2)), pytest.approx(50 * math.sqrt(2))]
    assert column(stock.outflow) == [pytest.approx(100 * (math.sqrt(2) - 1)), pytest.approx(50 * math.sqrt(2))]


def test_inflow_driven_by_hand() -> None:
    stock = turn_over(inflow=[[100.0], [0.0], [8.0]], **LIFE)
    assert column(stock.standing) == [100, 50, 33]
    assert column(stock.outflow) == [0, 50, 25]
    assert column(stock.vacant) == [0, 0, 0]


def test_protection_prevents_its_share_of_the_loss() -> None:
    stock = turn_over(inflow=[[100.0], [0.0], [0.0]], **LIFE, protection=[[0.0], [0.6], [1.0]])
    assert column(stock.standing) == [100, 80, 80]


def test_retrofit_by_hand() -> None:
    weights = {"heat": [[1.0], [0.5], [0.5]]}
    stock = turn_over(
        inflow=[[100.0], [40.0], [40.0]],
        **LIFE,
        retrofit=Retrofit(rate=[[0.0], [0.2], [0.5]], area=[[7.0], [10.0], [1000.0]], before=1952),
        weights=weights,
    )
    # 1950: nothing is old enough. 1951: 50 stand, 10 by the rate, 10 besides, 30 left.
    # 1952: 15 + 20 left of 45 eligible; 17.5 by the rate, the rest besides, 982.5 find none.
    assert column(stock.retrofit_done) == [0, 20, 35]
    assert column(stock.retrofit_missed) == [7, 0, 982.5]
    assert column(stock.retrofitted) == [0, 20, 45]
    assert column(stock.sums["heat"]) == [100, 30 + 20, 20]
    assert column(stock.sums_retrofitted["heat"]) == [0, 20, 25 + 10]


def plain(
    area: np.ndarray, lifetime: np.ndarray, protection: np.ndarray, rate: np.ndarray, extra: np.ndarray, before: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return area by cohort, year and state of one draw, cohort by cohort in plain loops."""
    years = len(area)
    untouched, done = np.zeros((years, years)), np.zeros((years, years))
    for year in range(years):
        for cohort in range(year):
            age = year - cohort
            curve = survival("weibull", lifetime[cohort], 2.0, [age - 1, age], age_zero="mid_year")
            kept = 1 - (1 - protection[year]) * (1 - curve[1] / curve[0])
            untouched[cohort, year] = untouched[cohort, year - 1] * kept
            done[cohort, year] = done[cohort, year - 1] * kept
        old = [cohort for cohort in range(year) if cohort < before]
        amount = sum(untouched[cohort, year] * rate[year] for cohort in old)
        left = sum(untouched[cohort, year] for cohort in old)
        amount += min(extra[year], left - amount)
        for cohort in old:
            moved = untouched[cohort, year] * amount / left if left else 0.0
            untouched[cohort, year] -= moved
            done[cohort, year] += moved
        untouched[year, year] = max(area[year] - untouched[:, year].sum() - done[:, year].sum(), 0.0)
    return untouched, done


def many(draws: int, seed: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    years = 40
    return {
        "area": 100 + np.cumsum(rng.normal(3, 8, (years, draws)), axis=0).clip(-80),
        "lifetime": rng.uniform(8, 20, (1, draws)) + np.linspace(0, 15, years)[:, None],
        "protection": np.where(np.arange(years)[:, None] > 25, 0.3, 0.0) * rng.uniform(0, 1, (1, draws)),
        "rate": np.where(np.arange(years)[:, None] > 8, rng.uniform(0, 0.1, (years, draws)), 0.0),
        "extra": np.where(np.arange(years)[:, None] > 12, 2.0, 0.0) * np.ones((1, draws)),
    }


def turned(given: dict[str, Any], part: slice | np.ndarray = slice(None), **more: Any) -> Turnover:
    cut = {name: values[:, part] for name, values in given.items()}
    weights = {"wide": np.linspace(1, 0.3, 40)[:, None] * cut["lifetime"][:1] / 10, "narrow": np.linspace(1, 0.5, 40)}
    return turn_over(
        cut["area"],
        lifetime=cut["lifetime"],
        shape=[[2.0]],
        family="weibull",
        age_zero="mid_year",
        protection=cut["protection"],
        retrofit=Retrofit(cut["rate"], cut["extra"], 1970),
        weights=weights,
        **more,
    )


def test_a_plain_second_route_gives_the_same() -> None:
    given = many(3)
    given["rate"][15, 1] = 1.0  # all of it retrofitted while eligible buildings are still completed
    ours = turned(given, detail=True)
    assert ours.cohorts is not None
    assert ours.cohorts_retrofitted is not None
    assert ours.vacant.any()
    for draw in range(3):
        untouched, done = plain(*(values[:, draw] for values in given.values()), before=20)
        np.testing.assert_allclose(ours.cohorts[:, :, draw], untouched + done, atol=1e-9)
        np.testing.assert_allclose(ours.cohorts_retrofitted[:, :, draw], done, atol=1e-9)
        np.testing.assert_allclose(ours.retrofitted[:, draw], done[:20].sum(axis=0), atol=1e-9)
        narrow = np.linspace(1, 0.5, 40)
        np.testing.assert_allclose(ours.sums["narrow"][:, draw], narrow @ untouched, atol=1e-9)
        np.testing.assert_allclose(ours.sums_retrofitted["narrow"][:, draw], narrow @ done, atol=1e-9)


def outputs(stock: Turnover) -> np.ndarray:
    named = ("inflow", "outflow", "standing", "vacant", "retrofitted", "retrofit_done", "retrofit_missed")
    return np.stack([*(getattr(stock, name) for name in named), *stock.sums.values(), *stock.sums_retrofitted.values()])


def test_the_same_bytes_whatever_is_computed_together() -> None:
    given = many(1100)  # more than two blocks
    given["lifetime"][:, :3] = given["lifetime"][:1, :3]  # alone, these have one curve for all cohorts
    given["rate"][:, 5] = given["extra"][:, 5] = 0.0
    given["protection"][:, 7] = 0.0
    whole = outputs(turned(given))
    for part in (slice(0, 1), slice(0, 3), slice(5, 6), slice(7, 8), slice(500, 530), slice(1023, 1100)):
        assert (outputs(turned(given, part)) == whole[..., part]).all(), part
    order = np.random.default_rng(1).permutation(1100)
    assert (outputs(turned(given, order)) == whole[..., order]).all()


@pytest.mark.parametrize("draws", [1, 5])
def test_classes_together_give_the_same_bytes_as_apart(draws: int) -> None:
    given, other = many(draws), many(draws, seed=6)
    shared = {"lifetime": given["lifetime"], "shape": 2.0, "family": "normal", "age_zero": "start"} | {
        "protection": given["protection"]
    }
    areas, rates = (np.stack([given[name], other[name], 0.5 * given[name]]) for name in ("area", "rate"))
    extra, weights = (
        given["extra"],
        {"wide": np.linspace(1, 0.3, 40)[:, None] * np.ones((3, 1, 1)) * [[[1.0]], [[0.5]], [[2.0]]]},
    )
    whole = turn_over(
        areas, retrofit=Retrofit(rates, extra, 1970), weights=weights, weigh_from=1960, detail=True, **shared
    )
    for row in range(3):
        one = turn_over(
            areas[row],
            retrofit=Retrofit(rates[row], extra, 1970),
            weights={"wide": weights["wide"][row]},
            detail=True,
            **shared,
        )
        assert (outputs(one)[:-2] == outputs(whole)[:-2, row]).all()
        assert (outputs(one)[-2:, 10:] == outputs(whole)[-2:, row, 10:]).all()
        assert not outputs(whole)[-2:, row, :10].any()
        assert one.cohorts is not None
        assert whole.cohorts is not None
        assert (one.cohorts == whole.cohorts[row]).all()


def test_one_row_stands_for_all_years_and_one_column_for_all_draws() -> None:
    area = np.linspace(50, 90, 12)[:, None] * np.array([1.0, 2.0])
    short = turn_over(
        area, lifetime=30.0, shape=2.0, family="weibull", age_zero="start", protection=0.2, weights={"w": 2.0}
    )
    full = np.ones((12, 2))
    long = turn_over(
        area, lifetime=30 * full, shape=2 * full, family="weibull", age_zero="start", protection=0.2 * full,
        weights={"w": 2 * full},
    )  # fmt: skip
    assert (short.outflow == long.outflow).all()
    np.testing.assert_allclose(short.sums["w"], 2 * area)
    assert (long.sums["w"] == short.sums["w"]).all()


GOOD: dict[str, Any] = {"area": np.full((4, 3), 10.0)} | LIFE


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"area": [[10.0], [math.nan], [9.0]]}, "floor area is nan in 1951, draw 0"),
        ({"area": [[10.0], [-5.0], [9.0]]}, "floor area is -5 in 1951"),
        ({"area": np.ones((2, 2, 2, 2))}, r"floor area has the shape \(2, 2, 2, 2\)"),
        ({"lifetime": np.full((2, 4, 3), 30.0)}, "those of survival 2"),
        ({"area": np.ones((2, 4, 3)), "weights": {"heat": np.ones((3, 4, 1))}}, r"the inputs have \[2, 3\] classes"),
        ({"area": None}, "neither demand nor completions"),
        ({"inflow": np.ones((4, 3))}, "both demand and completions"),
        ({"area": None, "inflow": [[1.0], [-1.0]]}, "completions is -1 in 1951"),
        ({"lifetime": [[-30.0]]}, "mean lifetime is -30"),
        ({"lifetime": np.full((3, 1), 30.0)}, r"lifetime has the shape \(3, 1\)"),
        ({"lifetime": np.full((1, 2), 30.0)}, r"the inputs have \[2, 3\] draws"),
        ({"lifetime": [[1e-9]], "age_zero": "mid_year"}, "nothing outlives the year of its completion"),
        ({"protection": [[1.5]]}, "protection is 1.5"),
        ({"retrofit": Retrofit(rate=[[0.1], [0.1], [2.0], [0.1]])}, "retrofit_rate is 2 in 1952"),
        ({"retrofit": Retrofit(rate=0.1, area=-3.0)}, "retrofit_area is -3"),
        ({"weights": {"heat": np.ones((5, 1))}}, r"weight heat has the shape \(5, 1\)"),
        ({"weights": {"heat": [[1.0], [math.inf], [1.0], [1.0]]}}, "weight heat is inf in 1951"),
    ],
)
def test_bad_input_is_named_in_four_parts(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        turn_over(**(GOOD | change))
    assert caught.value.doing
    assert caught.value.expected
    assert caught.value.next_step
