"""Laws of the least-cost programme."""

import itertools
from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dafeng.pathways.portfolio_front import cheapest_anchor
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_programme import PortfolioRequest, Programme, build_programme
from dafeng.pathways.portfolio_solution import PortfolioSolution
from portfolio_instances import random_problem

SEEDS = st.integers(0, 2**20)
SHARES = st.floats(0.9, 1.0)


def asked(problem: PortfolioProblem, share: float, peak: int | None = None) -> PortfolioRequest:
    return PortfolioRequest("view-0", peak_by=peak, level=share * float(problem.base[0].sum(axis=0).max()))


def cost_of(programme: Programme) -> float:
    answer = programme.solve(explain=False)
    return answer.cost if isinstance(answer, PortfolioSolution) else np.inf


def at_most(less: float, more: float) -> bool:
    return less <= more + 1e-6 * max(1.0, abs(less)) if np.isfinite(less) else less <= more


@given(SEEDS, st.lists(SHARES, min_size=2, max_size=4))
@settings(max_examples=25)
def test_a_tighter_level_never_costs_less(seed: int, shares: list[float]) -> None:
    problem = random_problem(seed)
    programme = build_programme(problem, asked(problem, 1.0))
    costs = []
    for share in sorted(shares, reverse=True):
        programme.ask(asked(problem, share))
        costs.append(cost_of(programme))
    assert all(at_most(loose, tight) for loose, tight in itertools.pairwise(costs))


@given(SEEDS, SHARES)
@settings(max_examples=15)
def test_an_earlier_peak_never_costs_less(seed: int, share: float) -> None:
    problem = random_problem(seed)
    programme = build_programme(problem, asked(problem, share))
    costs = []
    for year in range(2026, 2031):
        answer, _ = cheapest_anchor(programme, asked(problem, share, year))
        costs.append(answer.cost if isinstance(answer, PortfolioSolution) else np.inf)
    assert all(at_most(later, sooner) for sooner, later in itertools.pairwise(costs))


@given(SEEDS, SHARES, st.sampled_from([None, 2028]))
@settings(max_examples=25)
def test_order_of_places_and_measures_does_not_matter(seed: int, share: float, peak: int | None) -> None:
    problem = random_problem(seed, places=3, measures=5)
    rng = np.random.default_rng(seed)
    place, measure = rng.permutation(3), rng.permutation(5)
    both = np.ix_(place, measure)
    turned = replace(
        problem,
        places=tuple(problem.places[at] for at in place),
        measures=tuple(problem.measures[at] for at in measure),
        base=problem.base[:, place],
        effect=problem.effect[:, place][:, :, measure],
        durable=problem.durable[measure],
        conditions=tuple(
            replace(one, places=np.argsort(place)[one.places], measures=np.argsort(measure)[one.measures])
            for one in problem.conditions
        ),
        **{
            name: getattr(problem, name)[both]
            for name in ("reference", "low", "high", "ramp", "before", "cost", "spend")
        },
    )
    request = asked(problem, share, peak)
    first, second = cost_of(build_programme(problem, request)), cost_of(build_programme(turned, request))
    assert first == second or abs(first - second) <= 1e-8 * max(1.0, abs(first))


@given(SEEDS, SHARES, st.sampled_from([None, 2028]))
@settings(max_examples=25)
def test_another_measure_never_raises_the_cost(seed: int, share: float, peak: int | None) -> None:
    problem = random_problem(seed, measures=5, targets=0)
    problem = replace(problem, before=problem.before * (np.arange(5) < 4))  # what stands already is not a choice
    fewer = replace(
        problem,
        measures=problem.measures[:-1],
        effect=problem.effect[:, :, :-1],
        durable=problem.durable[:-1],
        **{
            name: getattr(problem, name)[:, :-1]
            for name in ("reference", "low", "high", "ramp", "before", "cost", "spend")
        },
    )
    request = asked(problem, share, peak)
    assert at_most(cost_of(build_programme(problem, request)), cost_of(build_programme(fewer, request)))


@given(SEEDS, st.floats(0.95, 1.0), st.sampled_from([None, 2029]))
@settings(max_examples=20)
def test_the_dual_is_the_derivative_of_the_cost(seed: int, share: float, peak: int | None) -> None:
    """A tonne more from outside in a year costs what the carbon price of the year says, from the left and from the right."""
    problem = random_problem(seed)
    request = asked(problem, share, peak)
    answer = build_programme(problem, request).solve(explain=False)
    assume(isinstance(answer, PortfolioSolution))
    assert isinstance(answer, PortfolioSolution)
    step = 1e-7 * float(problem.base.max())
    for at in range(len(problem.years)):
        ends = []
        for sign in (-1, 1):
            base = problem.base.copy()
            base[0, 0, at] += sign * step
            ends.append(cost_of(build_programme(replace(problem, base=base), request)))
        assume(np.isfinite(ends).all())
        left, right = (answer.cost - ends[0]) / step, (ends[1] - answer.cost) / step
        noise = 1e-9 * abs(answer.cost) / step + 1e-6 * abs(right)
        assert left - noise <= answer.carbon_price[0, at] <= right + noise


@given(SEEDS, SHARES, st.floats(0, 1))
@settings(max_examples=25)
def test_no_portfolio_costs_less_than_the_bound(seed: int, share: float, mix: float) -> None:
    """Weak duality: any levels that keep the conditions, here between two optima of other costs, cost at least the bound."""
    problem = random_problem(seed)
    request = asked(problem, share)
    programme = build_programme(problem, request)
    answer = programme.solve(explain=False)
    assume(isinstance(answer, PortfolioSolution))
    assert isinstance(answer, PortfolioSolution)
    rng = np.random.default_rng(seed)
    others = []
    for _ in range(2):
        programme.recost(problem.cost * rng.uniform(-1, 2, problem.cost.shape))
        other = programme.solve(explain=False)
        assert isinstance(other, PortfolioSolution)
        others.append(other.levels)
    between = mix * others[0] + (1 - mix) * others[1]
    assert answer.bound <= float((problem.cost * between).sum()) + 1e-7 * float(np.abs(problem.cost * between).sum())
    assert answer.residuals.worst <= 1e-6
