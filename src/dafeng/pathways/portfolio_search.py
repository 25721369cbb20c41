"""One round of programme and model: linear about levels, solve, run the model at the answer, compare, check the conditions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.outcome import VIEWS, Outcome
from dafeng.pathways.peaks import NEAR
from dafeng.pathways.portfolio_assembly import assemble, wanted_results
from dafeng.pathways.portfolio_conditions import PlanConditions
from dafeng.pathways.portfolio_costs import Costs, measure_costs
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
    "LONG_STEP",
    "NARROWS",
    "RADIUS",
    "STEP",
    "NoPortfolio",
    "Portfolio",
    "PortfolioRound",
    "Search",
    "Stuck",
    "Try",
    "broken_emissions",
    "broken_results",
    "by_group",
    "emissions_of",
    "within",
]

Floats = NDArray[np.float64]

LARGEST_DIFFERENCE: Final = 0.005
"""Of the emissions of the first open year without the choice: how far programme and model may be apart in any year."""
LONG_STEP: Final = 0.5
"""First step of effects, as a share of the way up: what the way up gives on average."""
STEP: Final = 0.05
"""Later steps."""
RADIUS: Final = 0.25
"""First radius about levels that the model has seen, as a share of the way from floor to ceiling."""
NARROWS: Final = 0.4
"""By which it shrinks."""
_RESULT_SLACK: Final = 0.005


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


def by_group(request: PortfolioRequest, problem: PortfolioProblem, values: Floats) -> Floats:
    """Return emissions (P, T) as the conditions count them, (G, T): the sum, one place, or each."""
    if request.place is None:
        return np.asarray(values.sum(axis=0, keepdims=True))
    if request.place == "each":
        return values
    at = problem.places.index(request.place)
    return values[at : at + 1]


def broken_emissions(request: PortfolioRequest, problem: PortfolioProblem, emitted: Floats) -> list[str]:
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


def broken_results(place: PortfolioPlace, levels: Floats, *, without: Collection[str] = ()) -> list[str]:
    """Return the results of a place that the model does not reach, but for those of conditions left out, by their names."""
    wanted = {
        name: meets
        for name, meets in wanted_results(place).items()
        if not any(f".{meets.result}.{meets.year}" in one for one in without)
    }
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


def within(problem: PortfolioProblem, scale: Floats, radius: float) -> PortfolioProblem:
    """Return the problem with levels no further from the reference than a share of the way from floor to ceiling."""
    if not np.isfinite(radius):
        return problem
    return replace(
        problem,
        low=np.maximum(problem.low, np.minimum(problem.reference - radius * scale, problem.high)),
        high=np.minimum(problem.high, np.maximum(problem.reference + radius * scale, problem.low)),
    )


def emissions_of(outcomes: Sequence[Outcome], years: NDArray[np.int64]) -> Floats:
    """Return the emissions of some years by view and place, (V, P, T)."""
    late = np.isin(outcomes[0].years, years)
    return np.stack([[one.view(view)[late, 0] for one in outcomes] for view in VIEWS])


@dataclass(frozen=True)
class Stuck:
    """A round whose programme has no answer.

    Attributes
    ----------
    effects : tuple of Effects
    problem : PortfolioProblem
        Without a radius.
    """

    effects: tuple[Effects, ...]
    problem: PortfolioProblem


@dataclass(frozen=True)
class Try:
    """What a round came to."""

    round: PortfolioRound
    found: Portfolio

    @property
    def merit(self) -> tuple[int, float]:
        """Fewest broken conditions first, then the smallest difference."""
        return len(self.round.broken), self.round.difference

    @property
    def confirmed(self) -> bool:
        """Whether the model confirms it."""
        return self.found.confirmed


@dataclass
class Search:
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
        """Return the effects about levels, by place."""
        return tuple(
            linearise(place.choices, one, views=tuple(VIEWS), step=step, every=self.every)
            for place, one in zip(self.places, levels, strict=True)
        )

    def set_up(
        self, effects: tuple[Effects, ...]
    ) -> tuple[PortfolioProblem, tuple[PlanConditions, ...], tuple[Costs, ...]]:
        """Return problem, plan's conditions and costs about the levels of the effects."""
        costs = tuple(
            measure_costs(self.catalog, place.choices, one) for place, one in zip(self.places, effects, strict=True)
        )
        problem, demands = assemble(self.catalog, self.places, effects, costs)
        return problem, demands, costs

    def attempt(
        self,
        effects: tuple[Effects, ...],
        radius: float,
        ceilings: Floats | None = None,
        asked: PortfolioRequest | None = None,
    ) -> Try | Stuck:
        """Solve about the levels of the effects, and run the model at the answer.

        Parameters
        ----------
        effects : tuple of Effects
        radius : float
        ceilings : float array (P, M, T), optional
            Beside those of the problem.
        asked : PortfolioRequest, optional
            What the programme is asked, where that is a little less than what the model is held against.
        """
        problem, demands, costs = self.set_up(effects)
        if ceilings is not None:
            problem = replace(problem, high=np.maximum(np.minimum(problem.high, ceilings), problem.low))
        self.stand(problem)
        assert self.without is not None
        scale = np.stack([place.choices.scale for place in self.places])
        wanted = self.request if asked is None else asked
        programme = build_programme(within(problem, scale, radius), wanted)
        solution = programme.solve(integer=self.integer, explain=False)
        if isinstance(solution, Infeasible) and np.isfinite(radius) and asked is None:
            programme = build_programme(problem, wanted)
            solution = programme.solve(integer=self.integer, explain=False)
        if isinstance(solution, Infeasible):
            return Stuck(effects, problem)
        outcomes = tuple(
            run_levels(place.choices, levels) for place, levels in zip(self.places, solution.levels, strict=True)
        )
        modelled = emissions_of(outcomes, problem.years)
        done = self.compare(problem, solution, modelled, radius)
        self.rounds.append(done)
        return Try(
            done,
            Portfolio(
                self.places, self.request, problem, programme, solution, effects, self.without, self.standing, costs, demands, outcomes,
                modelled, tuple(self.rounds), done,
            ),
        )  # fmt: skip

    def stand(self, problem: PortfolioProblem) -> None:
        """Run the model at what stands anyway, once."""
        if self.without is not None:
            return
        assert problem.zero is not None
        self.standing = tuple(
            measured(place.choices, one, views=tuple(VIEWS))
            for place, one in zip(self.places, problem.zero, strict=True)
        )
        self.without = np.stack([one.base for one in self.standing], axis=1)

    def none(self, problem: PortfolioProblem) -> NoPortfolio | None:
        """Explain why a problem has no portfolio; None where its programme has one."""
        said = build_programme(problem, self.request).solve(integer=self.integer)
        if not isinstance(said, Infeasible):
            return None
        return NoPortfolio(self.places, self.request, problem, said, tuple(self.rounds))

    def compare(
        self, problem: PortfolioProblem, solution: PortfolioSolution, modelled: Floats, radius: float
    ) -> PortfolioRound:
        """Compare programme and model on the boundary in question, and check the model against the conditions."""
        view = problem.views.index(self.request.view)
        emitted = by_group(self.request, problem, modelled[view])
        apart = emitted - by_group(self.request, problem, solution.emissions[view])
        assert self.without is not None
        base = by_group(self.request, problem, self.without[view])
        share = np.abs(apart) / np.maximum(np.abs(base[:, :1]), 1e-9)
        group, at = np.unravel_index(int(np.argmax(share)), share.shape)
        broken = broken_emissions(self.request, problem, emitted)
        for place, levels in zip(self.places, solution.levels, strict=True):
            broken += broken_results(place, levels)
        return PortfolioRound(
            number=len(self.rounds) + 1,
            difference=float(share[group, at]),
            tonnes=float(apart[group, at]),
            year=int(problem.years[at]),
            broken=tuple(broken),
            radius=radius,
        )
