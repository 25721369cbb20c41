"""What a portfolio says: prices of duties, what the plan leaves unused, what must be true to peak.

Everything here is worked out from a portfolio that was found: duties by solving the kept programme without them, what must hold by
running the model with one thing at a time as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.model import run
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.peaks import peak_years
from dafeng.pathways.portfolio import Portfolio
from dafeng.pathways.portfolio_assembly import fixed_rows
from dafeng.pathways.portfolio_conditions import promise_labels
from dafeng.pathways.portfolio_costs import model_cost
from dafeng.pathways.portfolio_effects import measured
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_place import PortfolioPlace
from dafeng.pathways.portfolio_problem import ConditionKind
from dafeng.pathways.portfolio_programme import build_programme
from dafeng.pathways.portfolio_solution import PortfolioSolution
from dafeng.pathways.scenario_words import level_text
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs

__all__ = [
    "HELD_DRIVERS",
    "Duty",
    "Evaluator",
    "Held",
    "LevelUse",
    "Worth",
    "duties",
    "level_uses",
    "model_front",
    "portfolio_scenario",
    "what_must_hold",
]

Floats = NDArray[np.float64]

_NOTHING: Final = 1e-6

HELD_DRIVERS: Final = {
    "grid_factor": ("电力排放因子", "grid emission factor"),
    "floor_per_head": ("人均建筑面积", "floor area per head"),
    "heat_source_share": ("集中供热的热源结构", "mix of heat sources"),
    "technology_share": ("建筑用能设备结构", "technologies in buildings"),
    "urban_share": ("城镇化率", "urban share"),
}
"""Quantities of the trend that are held one at a time: Chinese and English name."""


@dataclass(frozen=True)
class Duty:
    """What a duty of the plan costs beside the cheapest portfolio.

    Attributes
    ----------
    because : tuple of str
        Promises, `<plan>#<id>`.
    zh : str
        Their names.
    saving : float, CNY
        What the cheapest portfolio would save without the duty, discounted.
    avoided : float, tCO2
        What it would emit more in the year looked at.
    modelled : bool
        Whether both are from runs of the model; else from the linear programme about the portfolio.
    """

    because: tuple[str, ...]
    zh: str
    saving: float
    avoided: float
    modelled: bool = False


@dataclass(frozen=True)
class LevelUse:
    """How much of one measure the trend, the plan and the portfolio take at a place in a year.

    Attributes
    ----------
    place, measure : str
    zh, en : str
    trend, plan, best : float
        In the sense of the programme: more is higher.
    words : tuple of three str
        The same as people write them; of a measure that sets upper bounds the bound itself.
    cost : float, CNY
        What the portfolio costs more with the measure than without it, net and discounted, by the model: below zero where it pays.
    avoided : float array (T,), tCO2
        What emissions would be more by year without it, likewise. Measures that share a saving count it less than once.
    """

    place: str
    measure: str
    zh: str
    en: str
    trend: float
    plan: float
    best: float
    words: tuple[str, str, str]
    cost: float
    avoided: Floats

    @property
    def plan_more(self) -> float:
        """What the plan takes above the trend."""
        return self.plan - self.trend

    @property
    def best_more(self) -> float:
        """What the portfolio takes above the trend."""
        return self.best - self.trend


@dataclass(frozen=True)
class Held:
    """The portfolio with one thing held as it was.

    Attributes
    ----------
    quantity : str
        `portfolio` for the portfolio as it is, `choice` for none of its measures.
    zh : str
    peak : int
        Year of the peak on the boundary.
    level : float, tCO2
        Emission in the promised year.
    kept : bool
        Whether the peak comes by then.
    before, after : float or None
        Value of the quantity, where it is one number: in the year before the first open year, and in the promised year without holding.
    """

    quantity: str
    zh: str
    peak: int
    level: float
    kept: bool
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class Worth:
    """What levels of a place cost and emit by the model, against what stands anyway.

    Attributes
    ----------
    net : float, CNY
        Discounted net social cost: investment by the levels, energy by runs of the model. What has no cost of its own counts nothing.
    capital : float array (M,), CNY
        Discounted, by measure.
    energy : float, CNY
        Discounted change of the cost of energy.
    spending : float array (T,), CNY
        Undiscounted.
    emissions : float array (V, T), tCO2
    """

    net: float
    capital: Floats
    energy: float
    spending: Floats
    emissions: Floats


class Evaluator:
    """Runs the model at levels of one place of a portfolio, and counts their cost.

    Parameters
    ----------
    catalog : Catalog
    found : Portfolio
    place : int
        Row of the place.
    """

    def __init__(self, catalog: Catalog, found: Portfolio, place: int = 0) -> None:
        self.catalog, self.found, self._place = catalog, found, place
        self.choices, self.costs = found.places[place].choices, found.costs[place]
        assert found.problem.zero is not None
        self.zero = found.problem.zero[place]
        self._fixed = fixed_rows(found.places[place], self.costs)
        self._before = found.standing[place]

    def worth(self, levels: Floats) -> Worth:
        """Return what levels (M, T) cost and emit."""
        after = measured(self.choices, levels)
        cost = model_cost(self.catalog, self.costs, self.choices, self._before, after)
        capital = np.where(self._fixed, 0.0, cost.capital)
        return Worth(
            net=float(capital.sum()) + cost.energy,
            capital=capital,
            energy=cost.energy,
            spending=np.einsum("mst,ms->t", self.found.problem.spend[self._place], levels - self.zero),
            emissions=after.base,
        )


def model_front(
    catalog: Catalog, found: Portfolio, since: int, *, points: int = 8
) -> tuple[tuple[float, float, PortfolioSolution], ...]:
    """Return least costs by level, each point run through the model: (level, cost, solution), from the highest level down.

    Parameters
    ----------
    catalog : Catalog
    found : Portfolio
        Of one place or several.
    since : int
        First year in which the level holds.
    points : int
        From the level of the portfolio to the least that the programme reaches.

    Returns
    -------
    tuple of (float, float, PortfolioSolution)
        Highest emission of the model from `since` on, tCO2; net cost by the model, CNY. Points that another one beats in both are
        left out: far from the portfolio the programme no longer finds its way.

    Notes
    -----
    The programme is that of the last round without its radius, kept in the solver; how far a point is from what the programme says
    grows with its distance from the portfolio, hence the model.
    """
    problem, request = found.problem, found.request
    view = problem.views.index(request.view)
    late = problem.years >= since
    top = float(found.solution.emissions[view][:, late].sum(axis=0).max())
    asked = replace(request, level=top, level_from=since)
    programme = build_programme(problem, asked)
    least = programme.least(replace(asked, level=0.0), "level")
    bottom = top if least is None or not least.enough else least.bounds["level"]
    evaluators = [Evaluator(catalog, found, row) for row in range(len(found.places))]
    said = []
    for level in np.linspace(top, bottom + 1e-6 * abs(top), points):
        programme.ask(replace(asked, level=float(level)))
        solution = programme.solve(explain=False)
        if isinstance(solution, Infeasible):
            continue
        worths = [one.worth(levels) for one, levels in zip(evaluators, solution.levels, strict=True)]
        reached = float(np.sum([one.emissions[view][late] for one in worths], axis=0).max())
        said.append((reached, float(sum(one.net for one in worths)), solution))
    return tuple(
        one for one in said if not any(other is not one and other[0] <= one[0] and other[1] <= one[1] for other in said)
    )


def duties(found: Portfolio, year: int, *, most: int = 12) -> tuple[Duty, ...]:
    """Return what each duty of the plans costs, dearest first, by solving the kept programme without it.

    Parameters
    ----------
    found : Portfolio
    year : int
        Year of `avoided`.
    most : int
        Duties that are solved for, those with the largest price first.

    Notes
    -----
    The programme is that of the last round without its radius, with and without the duty; both are linear about the portfolio.
    """
    request = found.request
    programme = build_programme(found.problem, request)
    whole = programme.solve(explain=False)
    if isinstance(whole, Infeasible):  # pragma: no cover - the portfolio itself keeps the conditions
        return ()
    labels: dict[str, str] = {}
    for place in found.places:
        if place.plan is not None:
            labels |= promise_labels(place.plan)
    groups: dict[tuple[str, ...], list[str]] = {}
    prices: dict[tuple[str, ...], float] = {}
    for condition in found.problem.conditions:
        if condition.kind is ConditionKind.TARGET and condition.because:
            groups.setdefault(condition.because, []).append(condition.name)
            bound = condition.lower if np.isfinite(condition.lower) else condition.upper
            worth = abs(whole.duals.get(condition.name, 0.0) * bound)
            prices[condition.because] = prices.get(condition.because, 0.0) + worth
    ranked = sorted((because for because in groups if prices[because] > 0), key=lambda because: -prices[because])
    view, at = found.problem.views.index(request.view), year_row(found.problem.years, year)
    said = []
    for because in ranked[:most]:
        programme.ask(replace(request, without=frozenset({*request.without, *groups[because]})))
        other = programme.solve(explain=False)
        if isinstance(other, Infeasible):  # pragma: no cover - fewer conditions
            continue
        more = float((other.emissions - whole.emissions)[view, :, at].sum())
        zh = "、".join(dict.fromkeys(labels.get(name, f"方案任务{name.split('#')[-1]}") for name in because))
        said.append(Duty(because, zh, whole.cost - other.cost, more))
    return tuple(sorted(said, key=lambda duty: -duty.saving))


def level_uses(catalog: Catalog, found: Portfolio, year: int, *, place: int = 0) -> tuple[LevelUse, ...]:
    """Return how much of each measure trend, plan and portfolio take at a place, by the order of the measures.

    Parameters
    ----------
    catalog : Catalog
    found : Portfolio
    year : int
    place : int
        Row of the place.
    """
    ready = found.places[place]
    choices, at = ready.choices, year_row(found.problem.years, year)
    best = found.solution.levels[place]
    evaluator = Evaluator(catalog, found, place)
    trend, view = evaluator.zero, found.problem.views.index(found.request.view)
    whole = evaluator.worth(best)
    spent, avoided = np.zeros(len(best)), np.zeros(best.shape)
    for taken in np.flatnonzero((best > trend + _NOTHING).any(axis=1)):
        other = best.copy()
        other[taken] = trend[taken]
        less = evaluator.worth(other)
        spent[taken], avoided[taken] = whole.net - less.net, less.emissions[view] - whole.emissions[view]
    said = []
    for row, measure in enumerate(choices.measures):
        three = [float(levels[row, at]) for levels in (trend, ready.plan_levels, best)]
        shown = three
        if choices.turned[row]:
            own = float(choices.own[row, year_row(np.arange(1950, 2061), year)])
            shown = [own - level for level in three]
        words = [level_text(round(level, 3), measure.unit) for level in shown]
        said.append(
            LevelUse(
                ready.place, measure.id, measure.title.zh, measure.title.en, three[0], three[1], three[2],
                (words[0], words[1], words[2]), float(spent[row]), avoided[row],
            )
        )  # fmt: skip
    return tuple(said)


def portfolio_scenario(ready: PortfolioPlace, levels: Floats) -> ResolvedScenario:
    """Return a place's portfolio as a scenario that can be drawn, exported and compared.

    Parameters
    ----------
    ready : PortfolioPlace
    levels : float array (M, T)
    """
    return replace(ready.choices.resolved, id="portfolio", measures=ready.choices.levelled(levels), meets={}, stated=())


def _bare(ready: PortfolioPlace) -> Inputs:
    return scenario_inputs(ready.book, replace(ready.choices.resolved, measures=()))


def what_must_hold(
    found: Portfolio, by: int, *, place: int = 0, quantities: Mapping[str, tuple[str, str]] = HELD_DRIVERS
) -> tuple[Held, ...]:
    """Return peak and level of the portfolio, of none of its measures, and with one quantity at a time held as it was.

    Parameters
    ----------
    found : Portfolio
    by : int
        Promised year.
    place : int
        Row of the place.
    quantities : mapping from quantity to Chinese and English name

    Returns
    -------
    tuple of Held
        A held quantity keeps from the first open year on the value that it had the year before.
    """
    ready, view = found.places[place], found.request.view
    first = int(found.problem.years[0])
    levels = found.solution.levels[place]
    chosen = ready.choices.levelled(levels)
    assert found.problem.zero is not None
    none = ready.choices.levelled(found.problem.zero[place])
    bare = _bare(ready)
    said = [
        _held(run(apply_measures(bare, chosen)), view, by, "portfolio", "最小成本组合"),
        _held(run(apply_measures(bare, none)), view, by, "choice", "不再采取新措施"),
    ]
    for name, (zh, _) in quantities.items():
        array = bare.arrays.get(name)
        if array is None:
            continue
        at = first - int(bare.years[0])
        still = array.copy()
        still[..., at:, :] = still[..., at - 1 : at, :]
        if np.array_equal(still, array):
            continue
        outcome = run(apply_measures(bare.with_arrays(**{name: still}), chosen))
        single = array.ndim == 2
        after = float(array[by - int(bare.years[0]), 0]) if single else None
        said.append(
            replace(_held(outcome, view, by, name, zh), before=float(array[at - 1, 0]) if single else None, after=after)
        )
    return tuple(said)


def _held(outcome: Outcome, view: str, by: int, quantity: str, zh: str) -> Held:
    values = outcome.view(view)[:, :1]
    year = int(peak_years(values, outcome.years).year[0])
    return Held(quantity, zh, year, float(values[year_row(outcome.years, by), 0]), year <= by)
