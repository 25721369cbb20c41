"""Front, draws and relaxations of the least-cost programme."""

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest

from dafeng.base.errors import InputError
from dafeng.pathways.portfolio_draws import Draws, DrawsSolution, check_draws, solve_over_draws
from dafeng.pathways.portfolio_front import cheapest_anchor, portfolio_front
from dafeng.pathways.portfolio_infeasible import Infeasible, relax
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_programme import PortfolioRequest, build_programme
from dafeng.pathways.portfolio_request import tonnes_up
from dafeng.pathways.portfolio_solution import PortfolioSolution
from portfolio_instances import random_problem


def top(problem: PortfolioProblem) -> float:
    return float(problem.base[0].sum(axis=0).max())


def test_a_front_is_what_single_programmes_say() -> None:
    problem = random_problem(21, places=2, measures=6, years=8)
    levels = [top(problem) * share for share in (1.0, 0.97, 0.9, 0.5)]
    programme = build_programme(problem, PortfolioRequest("view-0"))
    points = portfolio_front(programme, levels, [2029, 2031, None])
    assert [(one.peak_by, one.level) for one in points] == [
        (peak, level) for peak in (2029, 2031, None) for level in levels
    ]
    for point in points:
        alone = build_programme(problem, PortfolioRequest("view-0", peak_by=point.peak_by, level=point.level))
        answer = alone.solve(explain=False)
        if point.solution is None:
            assert isinstance(answer, Infeasible)
            assert point.least_level is not None
            assert point.least_level > point.level
            alone.ask(replace(alone.request, level=point.least_level * (1 + 1e-7)))
            assert isinstance(alone.solve(explain=False), PortfolioSolution)
            assert "做不到" in point.says
        else:
            assert isinstance(answer, PortfolioSolution)
            assert point.cost == pytest.approx(answer.cost, rel=1e-9)
    assert any(one.solution is None for one in points)
    done = [one for one in points if one.solution is not None]
    for one in done:
        better = [
            other
            for other in done
            if other.cost <= one.cost + 1e-9 * abs(one.cost)
            and other.level <= one.level
            and (other.peak_by or 9999) <= (one.peak_by or 9999)
            and other is not one
        ]
        assert (one.dominated_by is None) == (not better)
    assert programme.request == PortfolioRequest("view-0")


def test_the_cheapest_anchor_never_costs_more_for_a_later_peak() -> None:
    problem = random_problem(22, measures=6, years=8)
    programme = build_programme(problem, PortfolioRequest("view-0"))
    costs = []
    for year in range(2027, 2033):
        answer, anchor = cheapest_anchor(programme, PortfolioRequest("view-0", peak_by=year))
        costs.append(answer.cost if isinstance(answer, PortfolioSolution) else np.inf)
        if isinstance(answer, PortfolioSolution):
            emission = answer.emissions[0].sum(axis=0)
            assert anchor <= year
            assert emission[year - 2026 + 1 :].max(initial=0) <= emission[anchor - 2026] * (1 + 1e-9)
    assert np.isfinite(costs).any()
    assert all(later <= sooner + 1e-6 * abs(later) for sooner, later in pairwise(costs))


def test_each_relaxation_does_and_a_thousandth_less_does_not() -> None:
    """Every kind alone and all together, over random problems that ask too much; conditions named are irreducible."""
    seen = set()
    for seed in range(8):
        problem = random_problem(100 + seed, measures=4, years=6, targets=2)
        request = PortfolioRequest(
            "view-0",
            peak_by=2028,
            level=top(problem) * (0.985 if seed % 2 else 0.93),
            budgets={None: 2e8 * 10 ** (seed % 4)},
        )
        answer = build_programme(problem, request).solve()
        if not isinstance(answer, Infeasible):
            continue
        for one in (*answer.relaxations, answer.jointly):
            if not one.enough:
                assert one.says in answer.says or "都不够" in answer.says
                continue
            seen.add(one.kind)
            granted = build_programme(*relax(problem, request, one, share=1 + 1e-6)).solve(explain=False)
            assert isinstance(granted, PortfolioSolution), (seed, one)
            if one.kind != "peak_year":
                less = build_programme(*relax(problem, request, one, share=0.999)).solve(explain=False)
                assert isinstance(less, Infeasible), (seed, one)
        names = {one.name for one in answer.conditions}
        every = {one.name for one in build_programme(problem, request).asked.named}
        assert isinstance(
            build_programme(problem, replace(request, without=frozenset(every - names))).solve(explain=False),
            Infeasible,
        )
        for name in names:
            left_out = frozenset(every - names | {name})
            answer_without = build_programme(problem, replace(request, without=left_out)).solve(explain=False)
            assert isinstance(answer_without, PortfolioSolution), (seed, name)
    assert {"level", "budget", "joint"} <= seen


def test_a_bound_is_said_rounded_up_so_that_it_is_enough() -> None:
    assert tonnes_up(42_310_400.0) == "4,231.1万吨"
    assert tonnes_up(42_310_000.0) == "4,231.0万吨"


def drawn(problem: PortfolioProblem, count: int, seed: int) -> Draws:
    rng = np.random.default_rng(seed)
    swing = 1 + 0.01 * rng.standard_normal((count, 1, 1))
    return Draws(
        problem.base[0] * swing, factor=rng.uniform(0.7, 1.1, (count, len(problem.places), len(problem.measures)))
    )


def test_the_chance_programme_against_every_choice_of_failing_draws() -> None:
    """Two of seven draws may fail: the least of 21 linear programmes, each with its five draws as places of an own problem."""
    problem = random_problem(31, places=2, measures=4, years=4, targets=0)
    draws = drawn(problem, 7, 1)
    request = PortfolioRequest("view-0", level=top(problem) * 0.985, peak_by=2028)
    answer = solve_over_draws(problem, request, draws, risk=0.3, gap=1e-6)
    assert isinstance(answer, DrawsSolution)
    best = np.inf
    for failing in combinations(range(7), 2):
        kept = [one for one in range(7) if one not in failing]
        some = Draws(draws.base[kept], factor=draws.factor[kept])
        strict = solve_over_draws(problem, request, some, risk=0.01)
        best = min(best, strict.cost if isinstance(strict, DrawsSolution) else np.inf)
    assert answer.cost == pytest.approx(best, rel=2e-6)
    assert answer.share >= 5 / 7
    emissions = problem.base[0].sum(axis=0)
    by_hand = np.stack(
        [
            draws.base[k].sum(axis=0)
            + np.einsum("pmst,pm,pms->t", problem.effect[0], draws.factor[k], answer.levels - problem.reference)
            for k in range(7)
        ]
    )
    np.testing.assert_allclose(answer.emissions[:, 0], by_hand)
    holds = (by_hand <= request.level * (1 + 1e-6)).all(axis=1) & (by_hand[:, 3] <= by_hand[:, 2] * (1 + 1e-6))
    assert holds.sum() >= 5
    assert emissions.shape == (4,)


def test_draws_all_alike_are_the_programme_itself() -> None:
    problem = random_problem(32, measures=6, years=6)
    request = PortfolioRequest("view-0", level=top(problem) * 0.98)
    single = build_programme(problem, request).solve()
    assert isinstance(single, PortfolioSolution)
    draws = Draws(np.repeat(problem.base, 10, axis=0))
    full = Draws(np.repeat(problem.base, 10, axis=0), effect=np.repeat(problem.effect, 10, axis=0))
    for method in ("chance", "cvar"):
        for one in (draws, full):
            answer = solve_over_draws(problem, request, one, risk=0.2, method=method)
            assert isinstance(answer, DrawsSolution)
            assert answer.cost == pytest.approx(single.cost, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_promised_share_holds_and_the_tail_is_stricter(seed: int) -> None:
    problem = random_problem(40 + seed, places=2, measures=8, years=6)
    draws = drawn(problem, 40, seed)
    request = PortfolioRequest("view-0", level=top(problem) * 0.985)
    chance = solve_over_draws(problem, request, draws, risk=0.1, gap=1e-3)
    tail = solve_over_draws(problem, request, draws, risk=0.1, method="cvar")
    assert isinstance(chance, DrawsSolution)
    assert chance.share >= 0.9
    assert chance.bound <= chance.cost + 1e-9 * abs(chance.cost)
    if isinstance(tail, DrawsSolution):
        assert tail.tail <= 1e-6 * top(problem)
        assert tail.share >= 0.9
        assert tail.cost >= chance.bound - 1e-6 * abs(chance.bound)
    others = drawn(problem, 200, 1000 + seed)
    check = check_draws(problem, request, others, chance.levels)
    assert check.least_share < check.share <= 1
    own = check_draws(problem, request, draws, chance.levels)
    assert own.held == chance.held.sum()


def test_draws_that_cannot_hold_say_what_would() -> None:
    problem = random_problem(33, measures=4, years=4, targets=0)
    draws = drawn(problem, 10, 3)
    request = PortfolioRequest("view-0", level=top(problem) * 0.6)
    answer = solve_over_draws(problem, request, draws, risk=0.2)
    assert isinstance(answer, Infeasible)
    level = answer.relaxation("level")
    assert level is not None
    more = replace(request, level=level.bounds["level"] * (1 + 1e-6))
    assert isinstance(solve_over_draws(problem, more, draws, risk=0.2), DrawsSolution)
    less = replace(request, level=request.level + 0.999 * level.amounts["level"])
    assert isinstance(solve_over_draws(problem, less, draws, risk=0.2), Infeasible)


def test_draws_refuse_what_does_not_fit() -> None:
    problem = random_problem(1)
    draws = drawn(problem, 5, 1)
    with pytest.raises(InputError, match="neither a peak year nor a level"):
        solve_over_draws(problem, PortfolioRequest("view-0"), draws)
    with pytest.raises(InputError, match="risk of 1"):
        solve_over_draws(problem, PortfolioRequest("view-0", level=1e9), draws, risk=1)
    with pytest.raises(InputError, match="draws of shape"):
        solve_over_draws(problem, PortfolioRequest("view-0", level=1e9), Draws(draws.base[:, :1]))
