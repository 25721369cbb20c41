"""The cheapest portfolio that the pathway model confirms: a linear programme about the model, set up anew until both agree.

1. Effects and costs are linear about levels; first about those of the plan with a long step, what the way up gives on average.
2. The programme gives the cheapest levels. The model runs at them.
3. Where programme and model differ by more than the tolerance on the boundary in question in any year, or the model does not keep a
   condition, everything is set up anew about these levels, and the next answer may not go further from them than a radius that
   shrinks from round to round.
4. Measures that by the model cost more than they save, and that no condition needs, go back to what the plan asks of them; the
   programme is solved once more within these ceilings. A linear programme near its reference does not see such a measure where the
   radius holds it.
5. What the model does not confirm after the last round is said; the portfolio is then not called confirmed.

The last round's programme stays in the solver for fronts and prices of duties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.listener import Listener, silent
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.outcome import VIEWS, Outcome
from dafeng.pathways.peaks import NEAR
from dafeng.pathways.portfolio_assembly import assemble, fixed_rows, wanted_results
from dafeng.pathways.portfolio_conditions import PlanConditions
from dafeng.pathways.portfolio_costs import Costs, measure_costs, model_cost
from dafeng.pathways.portfolio_effects import Effects, linearise, measured
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_levels import run_levels
from dafeng.pathways.portfolio_place import PortfolioPlace
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_programme import PortfolioRequest, Programme, build_programme
from dafeng.pathways.portfolio_request import tonnes
from dafeng.pathways.portfolio_solution import PortfolioSolution
from dafeng.pathways.scenarios import scenario_inputs
from dafeng.pathways.solving import model_results, result_text

__all__ = [
    "LARGEST_DIFFERENCE",
    "MOST_ROUNDS",
    "NoPortfolio",
    "Portfolio",
    "PortfolioRound",
    "find_portfolio",
]

Floats = NDArray[np.float64]

LARGEST_DIFFERENCE: Final = 0.005
"""Of the emissions of the first open year without the choice: how far programme and model may be apart in any year."""
MOST_ROUNDS: Final = 6
"""Rounds after which what is left is said."""
_LONG_STEP: Final = 0.5
_STEP: Final = 0.05
_RADIUS: Final = 0.25
_NARROWS: Final = 0.4
_LAST_RADIUS: Final = 0.02
_RESULT_SLACK: Final = 0.005
_NOTHING: Final = 1e-9
_WORTH: Final = 1e-4


@dataclass(frozen=True)
class PortfolioRound:
    """One round of setting up and solving.

    Attributes
    ----------
    number : int
    difference : float
        Largest difference of programme and model in a year on the boundary in question, as a share of the emissions of the
        first open year without the choice.
    tonnes : float
        The same difference, tCO2.
    year : int
        Its year.
    broken : tuple of str
        Conditions that the model does not keep, in Chinese.
    radius : float
        How far from the levels before the answer might go, as a share of the way from floor to ceiling; infinite in the first round.
    """

    number: int
    difference: float
    tonnes: float
    year: int
    broken: tuple[str, ...]
    radius: float


@dataclass(frozen=True)
class Portfolio:
    """The cheapest portfolio of one or several places. P places, M measures, T years, V views.

    Attributes
    ----------
    places : tuple of PortfolioPlace
    request : PortfolioRequest
    problem : PortfolioProblem
        Of the last round, without its radius.
    programme : Programme
        Of the last round, kept in the solver.
    solution : PortfolioSolution
    effects : tuple of Effects
        Of the last round, by place.
    without : float array (V, P, T), tCO2
        Emissions of the model without the choice, at what stands anyway.
    standing : tuple of Effects
        The same runs, by place; no responses.
    costs : tuple of Costs
        Of the last round, by place.
    demands : tuple of PlanConditions
        What the plans ask, by place.
    outcomes : tuple of Outcome
        The model at the levels of the solution, by place.
    modelled : float array (V, P, T), tCO2
        Emissions of the model at these levels.
    rounds : tuple of PortfolioRound
        All of the search.
    chosen : PortfolioRound
        The one whose answer this is.
    withdrawn : tuple of (str, str)
        Places and measures that went back for want of worth by the model.
    """

    places: tuple[PortfolioPlace, ...]
    request: PortfolioRequest
    problem: PortfolioProblem
    programme: Programme
    solution: PortfolioSolution
    effects: tuple[Effects, ...]
    without: Floats
    standing: tuple[Effects, ...]
    costs: tuple[Costs, ...]
    demands: tuple[PlanConditions, ...]
    outcomes: tuple[Outcome, ...]
    modelled: Floats
    rounds: tuple[PortfolioRound, ...]
    chosen: PortfolioRound
    withdrawn: tuple[tuple[str, str], ...] = ()

    @property
    def confirmed(self) -> bool:
        """Whether programme and model agree and the model keeps every condition."""
        return self.chosen.difference <= LARGEST_DIFFERENCE and not self.chosen.broken

    def emissions(self, view: str) -> Floats:
        """Return the emissions of the model under the portfolio by place and year, (P, T), tCO2."""
        return np.asarray(self.modelled[self.problem.views.index(view)])

    def trend(self, view: str) -> Floats:
        """Return the emissions without the choice, (P, T), tCO2."""
        return np.asarray(self.without[self.problem.views.index(view)])


@dataclass(frozen=True)
class NoPortfolio:
    """No portfolio keeps the conditions.

    Attributes
    ----------
    places : tuple of PortfolioPlace
    request : PortfolioRequest
    problem : PortfolioProblem
    infeasible : Infeasible
        Which conditions bind, and the least relaxations.
    rounds : tuple of PortfolioRound
        Before it came to this.
    """

    places: tuple[PortfolioPlace, ...]
    request: PortfolioRequest
    problem: PortfolioProblem
    infeasible: Infeasible
    rounds: tuple[PortfolioRound, ...]


# -- programme and model ------------------------------------------------------------------------------------------------


def _groups(request: PortfolioRequest, problem: PortfolioProblem, values: Floats) -> Floats:
    """Return emissions (P, T) as the conditions count them, (G, T): the sum, one place, or each."""
    if request.place is None:
        return np.asarray(values.sum(axis=0, keepdims=True))
    if request.place == "each":
        return values
    at = problem.places.index(request.place)
    return values[at : at + 1]


def _broken_emissions(request: PortfolioRequest, problem: PortfolioProblem, emitted: Floats) -> list[str]:
    """Return peak and level conditions that emissions (G, T) of the model do not keep."""
    said = []
    years, groups = problem.years, problem.places if request.place == "each" else ("",)
    for group, values in zip(groups, emitted, strict=True):
        if request.peak_by is not None:
            after = year_row(years, request.peak_by)
            anchor = after if request.anchor is None else year_row(years, request.anchor)
            worst = after + 1 + int(np.argmax(values[after + 1 :])) if after + 1 < len(years) else after
            if values[worst] > values[anchor] * (1 + NEAR) + request.peak_slack:
                said.append(
                    f"{group}{years[worst]}年排放{tonnes(values[worst])}，高于{years[anchor]}年的{tonnes(values[anchor])}"
                )
        level = request.level.get(group) if isinstance(request.level, dict) else request.level
        if isinstance(level, int | float):
            late = values[year_row(years, request.level_from or int(years[0])) :]
            if late.max() > level * (1 + LARGEST_DIFFERENCE):
                said.append(f"{group}排放最高{tonnes(late.max())}，上限{tonnes(level)}")
    return said


def _broken_results(place: PortfolioPlace, levels: Floats) -> list[str]:
    """Return the results of a place that the model does not reach."""
    wanted = wanted_results(place)
    if not wanted:
        return []
    choices = place.choices
    bare = scenario_inputs(choices.book, replace(choices.resolved, measures=()))
    reached = model_results(apply_measures(bare, choices.levelled(levels)), list(wanted.values()))
    return [
        f"{meets.year}年只达到{result_text(float(value[0]), meets)}，目标{result_text(meets.value, meets)}"
        for meets, value in zip(wanted.values(), reached, strict=True)
        if value[0] < meets.value * (1 - _RESULT_SLACK)
    ]


def _within(problem: PortfolioProblem, scale: Floats, radius: float) -> PortfolioProblem:
    """Return the problem with levels no further from the reference than a share of the way from floor to ceiling."""
    if not np.isfinite(radius):
        return problem
    return replace(
        problem,
        low=np.maximum(problem.low, np.minimum(problem.reference - radius * scale, problem.high)),
        high=np.minimum(problem.high, np.maximum(problem.reference + radius * scale, problem.low)),
    )


def _emissions(outcomes: Sequence[Outcome], years: NDArray[np.int64]) -> Floats:
    """Return the emissions of some years by view and place, (V, P, T)."""
    late = np.isin(outcomes[0].years, years)
    return np.stack([[one.view(view)[late, 0] for one in outcomes] for view in VIEWS])


def _net(catalog: Catalog, found: Portfolio, levels: Floats) -> tuple[float, Floats]:
    """Return net cost by the model and emissions on the boundary, (P, T), of levels (P, M, T), against what stands anyway."""
    assert found.problem.zero is not None
    view, total, emitted = found.problem.views.index(found.request.view), 0.0, []
    for row, (place, costs) in enumerate(zip(found.places, found.costs, strict=True)):
        after = measured(place.choices, levels[row], views=tuple(VIEWS))
        before = found.standing[row]
        cost = model_cost(catalog, costs, place.choices, before, after)
        total += float(cost.capital[~fixed_rows(place, costs)].sum()) + cost.energy
        emitted.append(after.base[view])
    return total, np.stack(emitted)


def _asked(found: Portfolio) -> Floats:
    """Return the levels to which measures may go back, (P, M, T): what the plan asks or what stands anyway, if that is less."""
    assert found.problem.zero is not None
    plan = np.stack([place.plan_levels for place in found.places])
    return np.minimum(found.solution.levels, np.maximum(plan, np.maximum(found.problem.zero, found.problem.low)))


def _withdrawals(catalog: Catalog, found: Portfolio) -> list[tuple[int, int]]:
    """Return places and measures that by the model cost more than they save, and without which peak, level and results are kept."""
    back, levels = _asked(found), found.solution.levels.copy()
    most, _ = _net(catalog, found, levels)
    worth: list[tuple[float, int, int]] = []
    for place, measure in zip(*np.nonzero((levels > back + _NOTHING).any(axis=2)), strict=True):
        other = levels.copy()
        other[place, measure] = back[place, measure]
        saving = most - _net(catalog, found, other)[0]
        if saving > _WORTH * max(abs(most), 1.0):
            worth.append((saving, int(place), int(measure)))
    taken = []
    for _, row, measure in sorted(worth, reverse=True):
        other = levels.copy()
        other[row, measure] = back[row, measure]
        net, emitted = _net(catalog, found, other)
        broken = _broken_emissions(found.request, found.problem, _groups(found.request, found.problem, emitted))
        broken += _broken_results(found.places[row], other[row])
        if net < most and not broken:
            most, levels = net, other
            taken.append((row, measure))
    return taken


@dataclass(frozen=True)
class _Try:
    """What a round came to."""

    round: PortfolioRound
    found: Portfolio

    @property
    def merit(self) -> tuple[int, float]:
        """Fewest broken conditions first, then the smallest difference."""
        return len(self.round.broken), self.round.difference


@dataclass
class _Search:
    """The state of the search."""

    catalog: Catalog
    places: tuple[PortfolioPlace, ...]
    request: PortfolioRequest
    every: int
    integer: bool
    tolerance: float
    without: Floats | None = None
    standing: tuple[Effects, ...] = ()
    rounds: list[PortfolioRound] = field(default_factory=list)

    def linearise(self, levels: Sequence[Floats], step: float) -> tuple[Effects, ...]:
        return tuple(
            linearise(place.choices, one, views=tuple(VIEWS), step=step, every=self.every)
            for place, one in zip(self.places, levels, strict=True)
        )

    def set_up(
        self, effects: tuple[Effects, ...]
    ) -> tuple[PortfolioProblem, tuple[PlanConditions, ...], tuple[Costs, ...]]:
        costs = tuple(
            measure_costs(self.catalog, place.choices, one) for place, one in zip(self.places, effects, strict=True)
        )
        problem, demands = assemble(self.catalog, self.places, effects, costs)
        return problem, demands, costs

    def attempt(
        self, effects: tuple[Effects, ...], radius: float, ceilings: Floats | None = None
    ) -> _Try | NoPortfolio:
        """Solve about the levels of the effects, and run the model at the answer; ceilings (P, M, T) beside those of the problem."""
        problem, demands, costs = self.set_up(effects)
        if ceilings is not None:
            problem = replace(problem, high=np.maximum(np.minimum(problem.high, ceilings), problem.low))
        if self.without is None:
            assert problem.zero is not None
            self.standing = tuple(
                measured(place.choices, one, views=tuple(VIEWS))
                for place, one in zip(self.places, problem.zero, strict=True)
            )
            self.without = np.stack([one.base for one in self.standing], axis=1)
        scale = np.stack([place.choices.scale for place in self.places])
        programme = build_programme(_within(problem, scale, radius), self.request)
        solution = programme.solve(integer=self.integer, explain=False)
        if isinstance(solution, Infeasible) and np.isfinite(radius):
            programme = build_programme(problem, self.request)
            solution = programme.solve(integer=self.integer, explain=False)
        if isinstance(solution, Infeasible):
            said = programme.solve(integer=self.integer)
            assert isinstance(said, Infeasible)
            return NoPortfolio(self.places, self.request, problem, said, tuple(self.rounds))
        outcomes = tuple(
            run_levels(place.choices, levels) for place, levels in zip(self.places, solution.levels, strict=True)
        )
        modelled = _emissions(outcomes, problem.years)
        done = self.compare(problem, solution, modelled, radius)
        self.rounds.append(done)
        return _Try(
            done,
            Portfolio(
                self.places, self.request, problem, programme, solution, effects, self.without, self.standing, costs, demands, outcomes,
                modelled, tuple(self.rounds), done,
            ),
        )  # fmt: skip

    def compare(
        self, problem: PortfolioProblem, solution: PortfolioSolution, modelled: Floats, radius: float
    ) -> PortfolioRound:
        """Compare programme and model on the boundary in question, and check the model against the conditions."""
        view = problem.views.index(self.request.view)
        emitted = _groups(self.request, problem, modelled[view])
        apart = emitted - _groups(self.request, problem, solution.emissions[view])
        assert self.without is not None
        base = _groups(self.request, problem, self.without[view])
        share = np.abs(apart) / np.maximum(np.abs(base[:, :1]), 1e-9)
        group, at = np.unravel_index(int(np.argmax(share)), share.shape)
        broken = _broken_emissions(self.request, problem, emitted)
        for place, levels in zip(self.places, solution.levels, strict=True):
            broken += _broken_results(place, levels)
        return PortfolioRound(
            number=len(self.rounds) + 1,
            difference=float(share[group, at]),
            tonnes=float(apart[group, at]),
            year=int(problem.years[at]),
            broken=tuple(broken),
            radius=radius,
        )


def find_portfolio(
    catalog: Catalog,
    places: Sequence[PortfolioPlace],
    request: PortfolioRequest,
    *,
    most_rounds: int = MOST_ROUNDS,
    tolerance: float = LARGEST_DIFFERENCE,
    every: int = 5,
    integer: bool = False,
    withdraw: bool = True,
    listener: Listener = silent,
) -> Portfolio | NoPortfolio:
    """Find the cheapest portfolio that the model confirms.

    Parameters
    ----------
    catalog : Catalog
    places : sequence of PortfolioPlace
        One or several, which then share budgets and conditions on the sum; no place is taken for the sum of others.
    request : PortfolioRequest
    most_rounds : int
    tolerance : float
        Largest difference of programme and model in a year, as a share of the emissions of the
        first open year without the choice.
    every : int
        Years between the pulses from which effects that go on are read.
    integer : bool
        Whether pairs that exclude each other are decided.
    withdraw : bool
        Whether measures that do not pay by the model go back to what the plan asks.
    listener : Listener

    Returns
    -------
    Portfolio
        Of the first round that is confirmed; else of the round with the fewest conditions broken and the smallest difference.
    NoPortfolio
        No levels keep the conditions, about the plan's own levels and about the floor.

    Raises
    ------
    InputError
        A view, place or year that is not there; no round.
    """
    if most_rounds < 1:
        raise InputError(
            f"{most_rounds} rounds", doing="find the cheapest portfolio", expected="at least one round",
            next_step="leave the number at its default",
        )  # fmt: skip
    search = _Search(catalog, tuple(places), request, every, integer, tolerance)
    effects = search.linearise([place.plan_levels for place in places], _LONG_STEP)
    best: _Try | None = None
    radius = np.inf
    for number in range(1, most_rounds + 1):
        listener("规划与模型轮换 / programme and model", number, most_rounds)
        found = search.attempt(effects, radius)
        if isinstance(found, NoPortfolio):
            if number == 1 and most_rounds > 1:
                effects = search.linearise([place.choices.floor for place in places], _LONG_STEP)
                continue
            if best is None:
                return found
            break
        if best is None or found.merit < best.merit:
            best = found
        if found.round.difference <= tolerance and not found.round.broken:
            break
        if number < most_rounds:
            effects = search.linearise(tuple(found.found.solution.levels), _STEP)
            radius = _RADIUS if not np.isfinite(radius) else radius * _NARROWS
    assert best is not None
    answer = replace(best.found, rounds=(*search.rounds,), chosen=best.round)
    return _without_waste(search, answer) if withdraw else answer


def _without_waste(search: _Search, found: Portfolio) -> Portfolio:
    """Return the portfolio with what does not pay taken back, where the model confirms that one too."""
    taken = _withdrawals(search.catalog, found)
    if not taken:
        return found
    ceilings, back = np.full(found.solution.levels.shape, np.inf), _asked(found)
    for place, measure in taken:
        ceilings[place, measure] = back[place, measure]
    again = search.attempt(found.effects, _LAST_RADIUS, ceilings)
    if isinstance(again, NoPortfolio):
        return found
    before, after = (_net(search.catalog, one, one.solution.levels)[0] for one in (found, again.found))
    if (found.confirmed and (again.round.broken or again.round.difference > search.tolerance)) or after >= before:
        return replace(found, rounds=(*search.rounds,))
    names = tuple((found.places[place].place, found.problem.measures[measure]) for place, measure in taken)
    return replace(again.found, rounds=(*search.rounds,), chosen=again.round, withdrawn=names)
