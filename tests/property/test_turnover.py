"""Laws of the turnover of the building stock."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.pathways import Retrofit, Turnover, turn_over

YEARS = 30


@st.composite
def stocks(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a stock-driven run: demand that rises and falls, with or without protection and retrofit."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    draws = draw(st.integers(1, 4))
    family = draw(st.sampled_from(["normal", "weibull", "lognormal"]))
    rows = draw(st.sampled_from([1, YEARS]))
    shape = rng.uniform(0.6, 4.0, (1, draws)) if family == "weibull" else rng.uniform(0.1, 0.6, (1, draws))
    arguments: dict[str, Any] = {
        "area": np.abs(50 + np.cumsum(rng.normal(2, 10, (YEARS, draws)), axis=0)),
        "lifetime": rng.uniform(2, 60, (rows, draws)),
        "shape": shape,
        "family": family,
        "age_zero": draw(st.sampled_from(["start", "mid_year"])),
        "weights": {"wide": rng.uniform(0, 2, (YEARS, draws)), "narrow": rng.uniform(0, 2, (YEARS, 1))},
    }
    if draw(st.booleans()):
        arguments["protection"] = rng.uniform(0, 1, (YEARS, draws)) * rng.integers(0, 2, (YEARS, 1))
    if draw(st.booleans()):
        rate = rng.uniform(0, 0.4, (YEARS, draws)) * rng.integers(0, 2, (YEARS, 1))
        rate[draw(st.integers(0, YEARS - 1))] = draw(st.sampled_from([0.0, 1.0]))
        extra = rng.uniform(0, 20, (YEARS, draws)) * rng.integers(0, 2, (YEARS, 1))
        arguments["retrofit"] = Retrofit(rate, extra, 1950 + draw(st.integers(0, 40)))
    return arguments


def close(first: np.ndarray, second: np.ndarray) -> None:
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-8)


@given(stocks())
@settings(max_examples=60, deadline=None)
def test_area_in_is_standing_and_gone_in_every_year_cohort_and_draw(arguments: dict[str, Any]) -> None:
    stock = turn_over(**arguments, detail=True)
    assert stock.cohorts is not None
    assert stock.cohorts_gone is not None
    completed = np.triu(np.ones((YEARS, YEARS)))[:, :, None] * stock.inflow[:, None, :]
    close(completed, stock.cohorts + stock.cohorts_gone.cumsum(axis=1))
    close(stock.inflow.cumsum(axis=0), stock.standing + stock.outflow.cumsum(axis=0))
    close(stock.cohorts_gone.sum(axis=0), stock.outflow)
    close(stock.standing, arguments["area"] + stock.vacant)
    assert (stock.inflow >= 0).all()
    assert (stock.vacant >= 0).all()
    assert (stock.outflow >= 0).all()
    assert (stock.inflow * stock.vacant == 0).all()


@given(stocks())
@settings(max_examples=60, deadline=None)
def test_sums_are_those_of_the_cohorts_and_retrofit_stays_within_the_eligible_stock(arguments: dict[str, Any]) -> None:
    stock = turn_over(**arguments, detail=True)
    assert stock.cohorts is not None
    assert stock.cohorts_retrofitted is not None
    untouched = stock.cohorts - stock.cohorts_retrofitted
    close(stock.cohorts.sum(axis=0), stock.standing)
    close(stock.cohorts_retrofitted.sum(axis=0), stock.retrofitted)
    for name, weights in arguments["weights"].items():
        wide = np.broadcast_to(weights, stock.inflow.shape)
        close(np.einsum("cd,ctd->td", wide, untouched), stock.sums[name])
        close(np.einsum("cd,ctd->td", wide, stock.cohorts_retrofitted), stock.sums_retrofitted[name])
    retrofit = arguments.get("retrofit")
    eligible = stock.cohorts[: 0 if retrofit is None else max(retrofit.before - 1950, 0)].sum(axis=0)
    assert (stock.retrofitted <= eligible * (1 + 1e-9) + 1e-8).all()
    assert (untouched >= -1e-8).all()
    if retrofit is not None:
        assert (stock.retrofit_missed <= retrofit.area).all()
        assert (stock.retrofit_done.cumsum(axis=0) >= stock.retrofitted - 1e-8).all()


@given(stocks(), st.floats(1.0, 3.0))
@settings(max_examples=40, deadline=None)
def test_longer_lives_and_more_protection_leave_more_standing(arguments: dict[str, Any], times: float) -> None:
    inflow = arguments.pop("area")
    short = turn_over(inflow=inflow, **arguments)
    long = turn_over(inflow=inflow, **(arguments | {"lifetime": arguments["lifetime"] * times}))
    if "protection" not in arguments:
        assert (long.standing >= short.standing - 1e-8).all()
    half, guarded = (turn_over(inflow=inflow, **(arguments | {"protection": share})) for share in (0.5, 1.0))
    none = turn_over(inflow=inflow, **(arguments | {"protection": 0.0}))
    without = turn_over(inflow=inflow, **(arguments | {"protection": None}))
    assert (half.standing >= none.standing - 1e-8).all()
    assert (none.standing == without.standing).all()
    close(guarded.standing, inflow.cumsum(axis=0))
    assert (guarded.outflow <= 1e-8).all()


@given(stocks())
@settings(max_examples=40, deadline=None)
def test_the_completions_of_a_run_give_its_stock_again(arguments: dict[str, Any]) -> None:
    driven = turn_over(**arguments)
    again = turn_over(inflow=driven.inflow, **{name: values for name, values in arguments.items() if name != "area"})
    for name in ("standing", "outflow", "retrofitted", "retrofit_done"):
        close(getattr(driven, name), getattr(again, name))
    close(driven.sums["wide"], again.sums["wide"])


def states(stock: Turnover) -> np.ndarray:
    return np.stack([stock.inflow, stock.outflow, stock.standing, stock.retrofitted, *stock.sums.values()])


@given(stocks(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_results_do_not_depend_on_which_draws_run_together(arguments: dict[str, Any], random: Any) -> None:
    whole = states(turn_over(**arguments))
    draws = list(range(whole.shape[-1]))
    random.shuffle(draws)
    draws = draws[: random.randint(1, len(draws))]

    def cut(values: Any) -> Any:
        return values[:, draws] if isinstance(values, np.ndarray) and values.shape[1] > 1 else values

    part = {name: cut(values) for name, values in arguments.items() if name not in ("weights", "retrofit")}
    part["weights"] = {name: cut(values) for name, values in arguments["weights"].items()}
    if "retrofit" in arguments:
        retrofit = arguments["retrofit"]
        part["retrofit"] = Retrofit(cut(retrofit.rate), cut(retrofit.area), retrofit.before)
    assert (states(turn_over(**part)) == whole[..., draws]).all()
