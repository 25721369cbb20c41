"""The least-cost programme: hand-worked optima, enumeration, a second modelling library, and its proof."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dafeng.base.errors import InputError, NotConvergedError, UnknownNameError
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_problem import ConditionKind, LinearCondition, PortfolioProblem
from dafeng.pathways.portfolio_programme import PortfolioRequest, build_programme
from dafeng.pathways.portfolio_solution import PortfolioSolution, check_residuals, residuals_of
from portfolio_instances import random_problem
from portfolio_linopy import linopy_model

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "portfolio_small.yaml").read_text(encoding="utf-8"))[
    "cases"
]


def small(case: dict[str, Any]) -> PortfolioProblem:
    years, measures, places = case["years"], case["measures"], list(case["base"])
    shape = (len(places), len(measures), len(years))
    factor = np.array([case.get("factor", {}).get(place, 1.0) for place in places])[:, None]

    def of(name: str, default: float) -> np.ndarray:
        return np.array([float(one.get(name, default)) for one in measures])

    def by_year(values: np.ndarray) -> np.ndarray:
        return np.broadcast_to(values[:, :, None], shape).copy()

    every = np.ones((len(places), 1))
    started = np.array([[year >= one.get("first", 0) for year in years] for one in measures])
    names = [one["name"] for one in measures]
    diagonal = np.eye(len(years))
    return PortfolioProblem(
        places=tuple(places),
        measures=tuple(names),
        years=np.array(years),
        views=("all",),
        base=np.array([[case["base"][place] for place in places]], dtype=float),
        effect=-(every * of("saves", 0))[None, :, :, None, None] * diagonal,
        reference=np.zeros(shape),
        low=np.zeros(shape),
        high=by_year(every * of("most", np.inf)) * started,
        ramp=every * of("rise", np.inf),
        before=np.zeros(shape[:2]),
        durable=np.array([bool(one.get("lasting", False)) for one in measures]),
        cost=by_year(factor * of("cost", 0)),
        spend=(every * of("invest", 0))[:, :, None, None] * diagonal,
        steps={row: one["step"] for row, one in enumerate(measures) if "step" in one},
        exclusive=tuple((names.index(one), names.index(two)) for one, two in case.get("exclusive", [])),
    )


def solved(problem: PortfolioProblem, request: PortfolioRequest, **how: Any) -> PortfolioSolution:
    answer = build_programme(problem, request).solve(**how)
    assert isinstance(answer, PortfolioSolution), answer
    return answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_hand_worked_portfolios(case: dict[str, Any]) -> None:
    problem, request, expect = small(case), PortfolioRequest("all", **case["ask"]), case["expect"]
    answer = build_programme(problem, request).solve(integer=case.get("integer", False))
    if "infeasible" in expect:
        assert isinstance(answer, Infeasible)
        assert [one.name for one in answer.conditions] == expect["infeasible"]
        enough = {one.kind: one.amounts for one in answer.relaxations if one.enough}
        assert enough == {kind: {kind: pytest.approx(more)} for kind, more in expect["relax"].items()}
        assert [one.kind for one in answer.relaxations if not one.enough] == expect["not_enough"]
        return
    assert isinstance(answer, PortfolioSolution)
    assert answer.cost == pytest.approx(expect["cost"], rel=1e-9)
    for place, measures in expect["levels"].items():
        for measure, levels in measures.items():
            found = answer.levels[problem.places.index(place), problem.measures.index(measure)]
            np.testing.assert_allclose(found, levels, atol=1e-9)
    if "carbon_price" in expect:
        np.testing.assert_allclose(answer.carbon_price[0], expect["carbon_price"], atol=1e-9)
    if "binding" in expect:
        assert sorted(one.name for one in answer.binding) == sorted(expect["binding"])
    for name, dual in expect.get("duals", {}).items():
        assert answer.duals[name] == pytest.approx(dual)
    if "divisible" in expect:
        divisible = solved(problem, request)
        assert divisible.relaxed
        assert divisible.cost == pytest.approx(expect["divisible"])


def on_off(seed: int) -> PortfolioProblem:
    """Yearly measures of two years that are done in full or not at all, some raising costs, some saving money."""
    problem = random_problem(seed, places=2, measures=3, years=2, targets=0)
    return replace(
        problem,
        durable=np.zeros(3, dtype=bool),
        ramp=np.full((2, 3), np.inf),
        high=np.ones((2, 3, 2)),
        effect=problem.effect * problem.high[None, :, :, :, None],
        cost=problem.cost * problem.high,
        spend=problem.spend * problem.high[..., None],
        steps=dict.fromkeys(range(3), 1.0),
        exclusive=((0, 1),) if seed % 2 else (),
    )


@pytest.mark.parametrize("seed", range(6))
def test_on_and_off_against_all_4096_portfolios(seed: int) -> None:
    problem = on_off(seed)
    every = np.array(list(product([0.0, 1.0], repeat=12))).reshape(-1, 2, 3, 2)
    emissions = problem.base[0].sum(axis=0) + np.einsum("pmst,npms->nt", problem.effect[0], every)
    spending = np.einsum("pmst,npms->n", problem.spend, every)
    rng = np.random.default_rng(seed)
    level = float(np.quantile(emissions.max(axis=1), rng.uniform(0.05, 0.6)))
    budget = float(np.quantile(spending, rng.uniform(0.3, 0.9)))
    fits = (emissions <= level + 1e-6).all(axis=1) & (emissions[:, 1] <= emissions[:, 0]) & (spending <= budget)
    if problem.exclusive:
        fits &= ~((every[:, :, 0] > 0).any(axis=2) & (every[:, :, 1] > 0).any(axis=2)).any(axis=1)
    answer = build_programme(
        problem, PortfolioRequest("view-0", peak_by=2026, level=level, budgets={None: budget})
    ).solve(integer=True)
    if not fits.any():
        assert isinstance(answer, Infeasible)
        return
    costs = np.einsum("pms,npms->n", problem.cost, every)
    best = costs[fits].min()
    assert isinstance(answer, PortfolioSolution)
    assert answer.cost == pytest.approx(best, rel=1e-6)
    assert answer.bound <= best + 1e-6 * abs(best)
    assert answer.gap <= 1e-4
    assert answer.integer


REQUESTS = [
    {"peak_by": 2028, "level": 0.98},
    {"level": 0.95, "budgets": {None: 1.2, 2028: np.inf}},
    {"peak_by": 2029, "anchor": 2027, "level": 0.97, "level_from": 2028, "place": "each"},
]


@pytest.mark.parametrize("integer", [False, True], ids=["lp", "milp"])
@pytest.mark.parametrize("which", range(len(REQUESTS)))
def test_linopy_finds_the_same_optimum(which: int, integer: bool) -> None:
    problem = random_problem(11 + which, places=3, measures=6, years=7, targets=2)
    asked = dict(REQUESTS[which])
    base = problem.base[0] if asked.get("place") else problem.base[0].sum(axis=0)
    asked["level"] *= float(base.max())
    if integer:
        top = problem.high[:, :, 0].max(axis=0)
        decided = {"steps": {0: 0.4 * top[0], 3: 0.1 * top[3]}, "exclusive": ((1, 2), (0, 5))}
        problem = replace(problem, before=np.zeros_like(problem.before), **decided)
    if "budgets" in asked:
        free = solved(problem, PortfolioRequest("view-0", level=asked["level"]), integer=integer)
        assert free.spending.sum() > 0
        least = build_programme(problem, PortfolioRequest("view-0", level=asked["level"], budgets={None: 0.0}))
        relaxed = least.solve(integer=integer)
        assert isinstance(relaxed, Infeasible)
        more = relaxed.relaxation("budget")
        assert more is not None
        need = more.amounts["budget.total"]
        asked["budgets"] = {None: need + 0.3 * (float(free.spending.sum()) - need), 2028: np.inf}
    request = PortfolioRequest("view-0", **asked)
    answer = build_programme(problem, request).solve(integer=integer, gap=1e-9)
    model = linopy_model(problem, request, integer=integer)
    status, condition = model.solve(
        solver_name="highs", io_api="direct", output_flag=False, mip_rel_gap=1e-9, progress=False
    )
    if isinstance(answer, Infeasible):
        assert condition == "infeasible"
        return
    assert status == "ok"
    assert abs(answer.cost) > 1e6
    assert answer.cost == pytest.approx(model.objective.value, rel=1e-7)


def test_the_proof_refuses_a_spoiled_answer() -> None:
    problem = random_problem(3)
    request = PortfolioRequest("view-0", peak_by=2029, level=float(problem.base[0].sum(axis=0).max()) * 0.99)
    programme = build_programme(problem, request)
    raw = programme._kept.solve()
    assert raw.status == "optimal"
    blocks = programme.blocks
    residuals, bound = residuals_of(blocks, raw.values, raw.duals)
    check_residuals(residuals)
    assert residuals.worst < 1e-9
    assert bound == pytest.approx(blocks.cost @ raw.values, rel=1e-9)
    where = int(np.argmax(raw.values[: problem.low.size] * blocks.cost[: problem.low.size]))
    spoiled = {
        "a level": (_changed(raw.values, where, 1.001), raw.duals),
        "the prices": (raw.values, raw.duals * 0.999),
        "the sign of a price": (raw.values, _changed(raw.duals, int(np.argmax(np.abs(raw.duals))), -1.0)),
        "half of it": (raw.values * 0.5, raw.duals),
    }
    for values, duals in spoiled.values():
        with pytest.raises(NotConvergedError, match="residuals"):
            check_residuals(residuals_of(blocks, values, duals)[0])


def _changed(values: np.ndarray, at: int, factor: float) -> np.ndarray:
    found = values.copy()
    found[at] *= factor
    return found


def test_a_kept_programme_answers_as_a_new_one() -> None:
    problem = random_problem(5, places=3, measures=6, years=8)
    top = float(problem.base[0].sum(axis=0).max())
    first = PortfolioRequest("view-0", level=0.99 * top, budgets={None: np.inf})
    kept = build_programme(problem, first)
    kept.solve()
    for request in (
        replace(first, level=0.96 * top),
        replace(first, peak_by=2029, level=0.98 * top),
        replace(first, level=0.97 * top, prices={2030: 300.0}, discount_rate=0.05),
        replace(first, level=0.97 * top, without=frozenset({"target.plan#0"})),
    ):
        kept.ask(request)
        warm, cold = kept.solve(), solved(problem, request)
        assert isinstance(warm, PortfolioSolution)
        assert warm.cost + warm.charge == pytest.approx(cold.cost + cold.charge, rel=1e-9)
    kept.recost(problem.cost * 2)
    kept.ask(first)
    twice = kept.solve()
    assert isinstance(twice, PortfolioSolution)
    assert twice.cost == pytest.approx(2 * solved(problem, first).cost, rel=1e-9)


def test_a_carbon_price_moves_the_choice_and_is_in_the_dual() -> None:
    problem = small(CASES[0])
    free = solved(problem, PortfolioRequest("all"))
    assert free.cost == 0
    assert free.carbon_price.tolist() == [[0.0, 0.0]]
    request = PortfolioRequest("all", prices={2029: 20.0, 2030: 42.0}, discount_rate=0.05, discount_to=2029)
    answer = solved(problem, request)
    # 20 a tonne pays for the measure of 10, not for that of 30; 42 in a year's time is worth 40 and pays for both.
    np.testing.assert_allclose(answer.levels[0], [[15, 15], [0, 50]], atol=1e-9)
    np.testing.assert_allclose(answer.carbon_price, [[20, 40]])
    np.testing.assert_allclose(answer.carbon_price_then, [[20, 42]])
    assert answer.charge == pytest.approx(20 * 85 - 40 * 15)


def test_what_is_there_anyway_costs_nothing() -> None:
    problem = small(CASES[3])
    zero = np.array([[[2.0], [1.0]]])
    request = PortfolioRequest("all", level=90.0, budgets={2030: 150.0 - 50.0})
    plain = solved(problem, replace(request, budgets={2030: 150.0}))
    above = solved(replace(problem, zero=zero), request)
    np.testing.assert_allclose(above.levels, plain.levels, atol=1e-9)
    assert above.cost == pytest.approx(65 - 2 * 5 - 1 * 8)
    assert above.bound == pytest.approx(above.cost)
    assert above.spending.tolist() == [[pytest.approx(100.0)]]


def test_emissions_are_those_of_the_rows() -> None:
    problem = random_problem(8, views=2)
    problem = replace(problem, reference=problem.high * 0.1)
    top = float(problem.base[1].sum(axis=0).max())
    programme = build_programme(problem, PortfolioRequest("view-1", level=0.95 * top))
    answer = programme.solve()
    assert isinstance(answer, PortfolioSolution)
    by_hand = problem.base.copy()
    for place, measure, year in np.ndindex(*problem.low.shape):
        more = answer.levels[place, measure, year] - problem.reference[place, measure, year]
        by_hand[:, place] += problem.effect[:, place, measure, year] * more
    np.testing.assert_allclose(answer.emissions, by_hand)
    assert answer.emissions[1].sum(axis=0).max() <= 0.95 * top * (1 + 1e-9)


def test_refusals_name_what_is_wrong() -> None:
    problem = random_problem(1)
    request = PortfolioRequest("view-0", level=1e9)
    with pytest.raises(InputError, match="no view 'x'"):
        build_programme(problem, replace(request, view="x"))
    with pytest.raises(InputError, match="no place 'x'"):
        build_programme(problem, replace(request, place="x"))
    with pytest.raises(InputError, match="peak year 2050 is outside"):
        build_programme(problem, replace(request, peak_by=2050))
    with pytest.raises(InputError, match="budget of 2050"):
        build_programme(problem, replace(request, budgets={2050: 1.0}))
    with pytest.raises(InputError, match="carbon price without a discount rate"):
        build_programme(problem, replace(request, prices={2030: 1.0}))
    with pytest.raises(UnknownNameError, match=r"target\.plan#7"):
        build_programme(problem, replace(request, without=frozenset({"target.plan#7"})))
    with pytest.raises(InputError, match="cost of shape"):
        build_programme(replace(problem, cost=problem.cost[:1]), request)
    effect = problem.effect.copy()
    effect[0, 0, 1, 2, 3] = np.nan
    with pytest.raises(InputError, match=r"effect\[0, 0, 1, 2, 3\] is nan"):
        build_programme(replace(problem, effect=effect), request)
    with pytest.raises(InputError, match="conditions of one name"):
        build_programme(replace(problem, conditions=problem.conditions * 2), request)
    with pytest.raises(InputError, match="built without a budget of 2028"):
        build_programme(problem, request).ask(replace(request, budgets={2028: 1.0}))
    with pytest.raises(InputError, match="kept for 'view-0', None"):
        build_programme(problem, request).ask(replace(request, place="each"))
    bottomless = replace(
        problem,
        cost=-np.abs(problem.cost),
        high=np.full(problem.high.shape, np.inf),
        ramp=np.full(problem.ramp.shape, np.inf),
    )
    with pytest.raises(InputError, match="the cost falls without end"):
        build_programme(bottomless, replace(request, level=None)).solve()


def test_bounds_that_contradict_the_ramp_are_named() -> None:
    problem = random_problem(1)
    low = problem.low.copy()
    low[1, 2, 0] = problem.high[1, 2, 0]
    answer = build_programme(replace(problem, low=low), PortfolioRequest("view-0", level=1e9)).solve()
    assert isinstance(answer, Infeasible)
    assert [one.name for one in answer.conditions] == ["bounds.place-1.measure-2"]
    assert "矛盾" in answer.says


def test_two_targets_and_a_budget_that_cannot_hold_together() -> None:
    """Two units of 甲 cost 40 of a budget of 30; the level is not at fault and is not named."""
    problem = small(CASES[3])
    target = LinearCondition(
        "target.p#1",
        ConditionKind.TARGET,
        "甲不少于2",
        "万平方米",
        *(np.zeros(1, dtype=np.intp),) * 3,
        np.ones(1),
        lower=2.0,
    )
    request = PortfolioRequest("all", level=99.0, budgets={2030: 30.0})
    answer = build_programme(replace(problem, conditions=(target,)), request).solve()
    assert isinstance(answer, Infeasible)
    assert sorted(one.name for one in answer.conditions) == ["budget.2030", "target.p#1"]
    budget, goal = answer.relaxation("budget"), answer.relaxation("target")
    assert budget is not None
    assert goal is not None
    assert budget.bounds == {"budget.2030": pytest.approx(40.0)}
    assert goal.bounds == {"target.p#1:lower": pytest.approx(1.5)}
    assert answer.relaxation("level") is not None
    assert not answer.relaxation("level").enough
    assert "“2030年投资不超过30元”须放宽10元" in answer.says
