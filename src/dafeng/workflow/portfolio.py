"""Portfolios over a catalog: the cheapest measures that keep promise and targets, fronts and chances about them, cost curves, payers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.listener import Listener, silent
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.ensemble import draw_groups
from dafeng.pathways.macc import CostCurve, cost_curve, full_levels
from dafeng.pathways.payers import PayerTable, who_pays
from dafeng.pathways.portfolio import MOST_ROUNDS, NoPortfolio, Portfolio, find_portfolio
from dafeng.pathways.portfolio_answers import Duty, Evaluator, LevelUse, Worth, duties, level_uses
from dafeng.pathways.portfolio_assembly import fixed_rows, saves_elsewhere
from dafeng.pathways.portfolio_costs import grade_sentence
from dafeng.pathways.portfolio_draws import Draws, DrawsCheck, DrawsSolution, check_draws, solve_over_draws
from dafeng.pathways.portfolio_duties import modelled_duties
from dafeng.pathways.portfolio_effects import linearise_draws
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_place import PortfolioPlace, portfolio_place, select_measures
from dafeng.pathways.portfolio_programme import PortfolioRequest, build_programme
from dafeng.pathways.quantities import read_inputs
from dafeng.pathways.sampling import quantiles
from dafeng.pathways.scenarios import resolve_scenario
from dafeng.workflow.pathways import plans_of
from dafeng.workflow.setting import Setting

__all__ = [
    "LAST",
    "ChanceAnswer",
    "PortfolioAnswer",
    "Question",
    "answer_question",
    "chance_of",
    "curve_of",
    "open_places",
    "portfolio_document",
    "portfolio_findings",
    "question_of",
]

LAST: Final = 2060
"""Last year of choice."""
_DEFAULT_VIEW: Final = "building_operation"


@dataclass(frozen=True)
class Question:
    """What is asked of a portfolio.

    Attributes
    ----------
    places : tuple of str
        Place ids, answered for together.
    plans : Mapping of str to Plan or None
        By place.
    request : PortfolioRequest
    first, last : int
        Open years.
    without : frozenset of str
        Measures that may not be chosen.
    """

    places: tuple[str, ...]
    plans: Mapping[str, Plan | None]
    request: PortfolioRequest
    first: int
    last: int = LAST
    without: frozenset[str] = frozenset()


def question_of(
    setting: Setting,
    places: Sequence[str],
    *,
    plan: str | None = None,
    view: str | None = None,
    peak_by: int | None = None,
    level: float | None = None,
    budgets: Mapping[int | None, float] | None = None,
    prices: Mapping[int, float] | None = None,
    first: int | None = None,
    last: int = LAST,
    without: Collection[str] = (),
    targets: bool = True,
    each: bool = False,
) -> Question:
    """Return the question that options ask: what they leave open the plan's promise answers.

    Parameters
    ----------
    setting : Setting
    places : sequence of str
        Place ids; several share budgets and the conditions on their sum, and are not taken for a place above them.
    plan : str, optional
        Plan for all places; else that of each, or of the nearest place above it.
    view : str, optional
        Boundary; else the one the first plan promises.
    peak_by : int, optional
        Promised year; else the first plan's.
    level : float, optional, tCO2
        Not above it from the promised year on, or in any open year where none is promised.
    budgets : mapping of year or None to CNY, optional
    prices : mapping of year to CNY/tCO2, optional
        Carbon price; straight between years, holding outside.
    first, last : int, optional
        Open years; the first after the base year by default.
    without : collection of str
    targets : bool
        Whether the plan's targets are conditions.
    each : bool
        Whether every place has to keep peak and level by itself.

    Raises
    ------
    InputError
        No place, one twice, or open years that are none.
    NotEnoughDataError
        No inputs for a place.
    UnknownNameError
        No plan of that id.
    """
    if not places or len(set(places)) != len(places):
        raise InputError(
            f"places {', '.join(places) or 'none'}", doing="ask for a portfolio", expected="one place or several, each once",
            next_step="name places of the catalog",
        )  # fmt: skip
    catalog = setting.catalog
    if plan is not None and plan not in catalog.plans:
        raise UnknownNameError(
            f"no plan is called {plan!r}",
            doing="ask for a portfolio",
            expected="one of " + ", ".join(close_names(plan, catalog.plans) or sorted(catalog.plans)),
            next_step="name a plan of the catalog",
        )
    found: dict[str, Plan | None] = {}
    for place in places:
        own = plans_of(setting, place)
        found[place] = (catalog.plans[plan] if plan is not None else own[0] if own else None) if targets else None
    named = catalog.plans[plan] if plan is not None else next(iter(plans_of(setting, places[0])), None)
    promise = None if named is None else named.peak
    by = peak_by if peak_by is not None else None if promise is None else promise.by
    base = max(read_inputs(catalog, place).settings.base_year for place in places)
    begin = base + 1 if first is None else first
    if not base < begin <= last <= LAST:
        raise InputError(
            f"open years {begin}-{last}", doing="ask for a portfolio", expected=f"years from {base + 1} to {LAST}",
            next_step="name a later first year",
        )  # fmt: skip
    settings = catalog.cost_settings["default"]
    spread: dict[int, float] = {}
    if prices:
        stated = sorted(prices)
        years = range(begin, last + 1)
        spread = dict(zip(years, np.interp(years, stated, [prices[year] for year in stated]).tolist(), strict=True))
    request = PortfolioRequest(
        view=view or (_DEFAULT_VIEW if promise is None else str(promise.boundary)),
        peak_by=by if by is not None and by >= begin else None,
        level=level,
        level_from=max(by, begin) if level is not None and by is not None else None,
        place="each" if each and len(places) > 1 else None,
        budgets=dict(budgets or {}),
        prices=spread,
        discount_rate=settings.discount_rate,
        discount_to=begin,
    )
    return Question(tuple(places), found, request, begin, last, frozenset(without))


def open_places(setting: Setting, question: Question) -> tuple[PortfolioPlace, ...]:
    """Return the places of a question made ready, with the same choices.

    Raises
    ------
    NotEnoughDataError
        No inputs for a place.
    """
    catalog = setting.catalog
    first_plan = question.plans[question.places[0]]
    asked = (
        None
        if first_plan is None
        else resolve_scenario(catalog, "plan-full", place=question.places[0], plan=first_plan.id)
    )
    measures = select_measures(catalog, asked, without=question.without).measures
    return tuple(
        portfolio_place(
            catalog,
            read_inputs(catalog, place),
            question.plans[place],
            first=question.first,
            last=question.last,
            without=question.without,
            measures=measures,
        )
        for place in question.places
    )


@dataclass(frozen=True)
class PortfolioAnswer:
    """A portfolio with what it says. P places.

    Attributes
    ----------
    question : Question
    found : Portfolio
    best, plan : tuple of Worth
        By place: the portfolio and the plan's own levels by the model.
    uses : tuple of tuple of LevelUse
        By place, in the promised year or the tenth open year.
    duties : tuple of Duty
    payers : tuple of PayerTable
        By place.
    year : int
        Of `uses`.
    findings : tuple of Finding
    """

    question: Question
    found: Portfolio
    best: tuple[Worth, ...]
    plan: tuple[Worth, ...]
    uses: tuple[tuple[LevelUse, ...], ...]
    duties: tuple[Duty, ...]
    payers: tuple[PayerTable, ...]
    year: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class ChanceAnswer:
    """A portfolio that holds over draws.

    Attributes
    ----------
    found : DrawsSolution or Infeasible
    check : DrawsCheck or None
        On as many draws that it was not fitted to.
    plain : DrawsCheck
        The portfolio of the central case on these.
    risk : float
    draws, seed : int
    dearer : float, CNY
        What it costs more than the cheapest levels of the central case, by the same programme; a draw may ask for less.
    """

    found: DrawsSolution | Infeasible
    check: DrawsCheck | None
    plain: DrawsCheck
    risk: float
    draws: int
    seed: int
    dearer: float


def answer_question(
    setting: Setting,
    question: Question,
    *,
    most_rounds: int = MOST_ROUNDS,
    integer: bool = False,
    listener: Listener = silent,
) -> PortfolioAnswer | NoPortfolio:
    """Find the cheapest portfolio of a question, and what it says.

    Parameters
    ----------
    setting : Setting
    question : Question
    most_rounds : int
    integer : bool
        Whether pairs that exclude each other are decided.
    listener : Listener

    Returns
    -------
    PortfolioAnswer
    NoPortfolio
        With the conditions that bind and the least relaxations.
    """
    catalog = setting.catalog
    places = open_places(setting, question)
    found = find_portfolio(
        catalog, places, question.request, most_rounds=most_rounds, integer=integer, listener=listener
    )
    if isinstance(found, NoPortfolio):
        return found
    by = question.request.peak_by
    year = min(question.last, max(question.first, by if by is not None else question.first + 9))
    evaluators = [Evaluator(catalog, found, row) for row in range(len(places))]
    best = tuple(one.worth(levels) for one, levels in zip(evaluators, found.solution.levels, strict=True))
    plan = tuple(
        one.worth(np.maximum(place.plan_levels, one.zero)) for one, place in zip(evaluators, places, strict=True)
    )
    uses = tuple(level_uses(catalog, found, year, place=row) for row in range(len(places)))
    paying = tuple(_payers(setting, found, row, one.zero) for row, one in enumerate(evaluators))
    prices = modelled_duties(catalog, found, duties(found, year), uses, year)
    return PortfolioAnswer(question, found, best, plan, uses, prices, paying, year, portfolio_findings(setting, found))


def _payers(setting: Setting, found: Portfolio, row: int, zero: np.ndarray[Any, np.dtype[np.float64]]) -> PayerTable:
    """Return who pays for what the portfolio takes above what stands anyway, by the effects about the portfolio."""
    place, levels = found.places[row], found.solution.levels[row].copy()
    none = fixed_rows(place, found.costs[row])
    levels[none] = zero[none]
    about = replace(found.effects[row], levels=zero)
    return who_pays(setting.catalog, place.choices, about, found.costs[row], levels)


def curve_of(
    setting: Setting,
    place: str,
    *,
    year: int,
    view: str | None = None,
    first: int | None = None,
    plan: str | None = None,
    answer: PortfolioAnswer | None = None,
) -> CostCurve:
    """Return the cost curves of a place: of the highest levels that can be had, or of those of a portfolio.

    Parameters
    ----------
    setting : Setting
    place : str
    year : int
    view : str, optional
        As for `question_of`.
    first : int, optional
    plan : str, optional
    answer : PortfolioAnswer, optional
        Its levels and effects are taken; measures without a cost of their own are left out.
    """
    catalog = setting.catalog
    if answer is None:
        question = question_of(setting, [place], view=view, first=first, plan=plan)
        ready = open_places(setting, question)[0]
        levels = full_levels(ready.choices)
        elsewhere = [saves_elsewhere(measure) for measure in ready.choices.measures]
        levels[elsewhere] = ready.choices.floor[elsewhere]
        return cost_curve(catalog, ready.choices, year=year, view=question.request.view, levels=levels)
    found = answer.found
    ready, levels = found.places[0], found.solution.levels[0].copy()
    none = fixed_rows(ready, found.costs[0])
    levels[none] = ready.choices.floor[none]
    return cost_curve(
        catalog, ready.choices, year=year, view=found.request.view, levels=levels, effects=found.effects[0]
    )


def chance_of(answer: PortfolioAnswer, *, risk: float, draws: int, seed: int, every: int = 5) -> ChanceAnswer:
    """Return the cheapest portfolio that keeps peak and level in all but a share of draws of the parameters.

    Parameters
    ----------
    answer : PortfolioAnswer
        Effects of the draws are about its levels.
    risk : float
        Share of draws that may fail.
    draws, seed : int
        As many draws again, of the next seed, judge the answer.
    every : int
        Years between pulses.
    """
    found = answer.found
    problem = replace(found.problem, reference=found.solution.levels)
    fitted, others = (_draws(found, draws, one, every) for one in (seed, seed + 1))
    plain = check_draws(problem, found.request, others, found.solution.levels)
    solved = solve_over_draws(problem, found.request, fitted, risk=risk)
    if isinstance(solved, Infeasible):
        return ChanceAnswer(solved, None, plain, risk, draws, seed, float("nan"))
    check = check_draws(problem, found.request, others, solved.levels)
    central = build_programme(problem, found.request).solve(explain=False)
    levels = found.solution.levels if isinstance(central, Infeasible) else central.levels
    dearer = float((problem.cost * (solved.levels - levels)).sum())
    return ChanceAnswer(solved, check, plain, risk, draws, seed, dearer)


def _draws(found: Portfolio, draws: int, seed: int, every: int) -> Draws:
    parts = []
    for place, levels in zip(found.places, found.solution.levels, strict=True):
        drawn = quantiles(draw_groups(place.book), draws, seed=seed, design="sobol")
        parts.append(linearise_draws(place.choices, levels, drawn, views=(found.request.view,), every=every))
    return Draws(
        base=np.stack([np.moveaxis(part.base[0], -1, 0) for part in parts], axis=1),
        effect=np.stack([np.moveaxis(part.effect[0], -1, 0) for part in parts], axis=1).astype(np.float32),
    )


def portfolio_findings(setting: Setting, found: Portfolio) -> tuple[Finding, ...]:
    """Return what has to be known of a portfolio: what the model does not confirm, what has no cost, what rests on grade C."""
    said: list[Finding] = []
    if not found.confirmed:
        broken = "；".join(found.chosen.broken) or f"最大相差{found.chosen.difference:.2%}（{found.chosen.year}年）"
        said.append(
            Finding(
                name="pathways.portfolio.unconfirmed",
                sentence=f"{len(found.rounds)}轮后情景模型仍未证实这一组合：{broken}",
                severity=Severity.ERROR,
                value=f"{found.chosen.difference:.4%}",
                expected="各年相差不超过0.5%，各项条件由模型证实",
                next_step="增加轮数，或放宽上限",
            )
        )
    measures = setting.catalog.measures
    titles = {name: measure.title.zh for name, measure in measures.items()}
    kept = [titles[one.measure] for one in found.problem.uncosted if one.kept]
    left = [titles[one.measure] for one in found.problem.uncosted if not one.kept]
    for name, sentence, names in (
        ("kept", "没有本身的费用、按方案水平保留而不计费用的措施", kept),
        ("uncosted", "没有可计的费用、没有参加选择的措施", left),
    ):
        if names:
            said.append(
                Finding(
                    name=f"pathways.portfolio.{name}",
                    sentence=f"{sentence}{len(names)}项：{'、'.join(names)}",
                    severity=Severity.INFO,
                    next_step="补充费用及来源后可参加选择",
                )
            )
    for row, (ready, costs) in enumerate(zip(found.places, found.costs, strict=True)):
        taken = [
            name
            for at, name in enumerate(found.problem.measures)
            if (found.solution.levels[row, at] > found.problem.low[row, at] + 1e-6).any() and costs.known[at]
        ]
        rests = grade_sentence(costs, taken, titles=titles)
        if rests is not None:
            said.append(
                Finding(
                    name="pathways.portfolio.grade-c",
                    sentence=f"{setting.catalog.place_name(ready.place)}：{rests}",
                    severity=Severity.WARNING,
                    next_step="以当地造价、价格文件替换",
                )
            )
        said += [
            Finding(name="pathways.portfolio.kink", sentence=text, severity=Severity.INFO)
            for text in dict.fromkeys(found.effects[row].notes)
        ]
    if found.withdrawn:
        named = "、".join(dict.fromkeys(titles[name] for _, name in found.withdrawn))
        said.append(
            Finding(
                name="pathways.portfolio.withdrawn",
                sentence=f"模型表明不划算、又没有条件需要，退回方案或现有水平的措施：{named}",
                severity=Severity.INFO,
            )
        )
    for place, demands in zip(found.places, found.demands, strict=True):
        if demands.past and place.plan is not None:
            said.append(
                Finding(
                    name="pathways.portfolio.past",
                    sentence=f"{place.plan.title.zh}有{len(demands.past)}项期限早于{found.problem.years[0]}年，按已落实计",
                    severity=Severity.INFO,
                )
            )
    return tuple(said)


def _rounded(value: float, digits: int = 8) -> float:
    return float(f"{value:.{digits}g}")


def _series(values: Any, years: Any) -> dict[str, float]:
    return {str(int(year)): _rounded(float(value)) for year, value in zip(years, values, strict=True)}


def portfolio_document(setting: Setting, answer: PortfolioAnswer) -> dict[str, Any]:
    """Return a portfolio as plain data: levels, cost, spending, carbon price, what binds, the rounds, the plan beside it.

    Returns
    -------
    dict
        Emissions in tCO2, money in CNY of `price_year`; `cost` discounted to `discounted_to`, by the model.
    """
    found, question = answer.found, answer.question
    solution, problem, request = found.solution, found.problem, found.request
    costs, years = found.costs[0], problem.years
    places = {}
    for row, place in enumerate(found.places):
        levels = {
            use.measure: {
                "trend": _rounded(use.trend),
                "plan": _rounded(use.plan),
                "portfolio": _rounded(use.best),
                "cost": _rounded(use.cost),
                "avoided": _rounded(float(use.avoided[year_row(years, answer.year)])),
                "grade": None if found.costs[row].grade[at] is None else str(found.costs[row].grade[at]),
                "levels": _series(solution.levels[row, at], years),
            }
            for at, use in enumerate(answer.uses[row])
        }
        table = answer.payers[row]
        places[place.place] = {
            "plan": None if place.plan is None else place.plan.id,
            "measures": levels,
            "cost": _rounded(answer.best[row].net),
            "plan_cost": _rounded(answer.plan[row].net),
            "spending": _series(answer.best[row].spending, years),
            "plan_spending": _series(answer.plan[row].spending, years),
            "emissions": _series(found.emissions(request.view)[row], years),
            "without": _series(found.trend(request.view)[row], years),
            "plan_emissions": _series(answer.plan[row].emissions[problem.views.index(request.view)], years),
            "payers": {
                name: dict(zip(("capital", "energy", "transfers", "net"), map(_rounded, parts), strict=True))
                for name, parts in table.totals().items()
            },
            "past": list(found.demands[row].past),
            "carried": {name: list(because) for name, because in found.demands[row].carried.items()},
            "overlapped": dict(place.selection.overlapped),
        }
    prices = solution.carbon_price if solution.carbon_price_then is None else solution.carbon_price_then
    return {
        "view": request.view,
        "peak_by": request.peak_by,
        "level": request.level,
        "level_from": request.level_from,
        "first": question.first,
        "last": question.last,
        "year": answer.year,
        "price_year": costs.price_year,
        "discount_rate": costs.discount_rate,
        "discounted_to": costs.discounted_to,
        "places": places,
        "carbon_price": {
            group: _series(np.where(np.abs(row) > 1e-6, row, 0.0), years)
            for group, row in zip(solution.groups, prices, strict=True)
        },
        "binding": [one.model_dump(mode="json") for one in solution.binding],
        "duties": [
            {
                "because": list(duty.because), "name": duty.zh, "saving": _rounded(duty.saving),
                "avoided": _rounded(duty.avoided), "by": "model" if duty.modelled else "programme",
            }
            for duty in answer.duties
        ],
        "residuals": solution.residuals.model_dump(),
        "gap": solution.gap,
        "confirmed": found.confirmed,
        "rounds": [
            {
                "number": one.number, "difference": _rounded(one.difference), "tonnes": _rounded(one.tonnes), "year": one.year,
                "broken": list(one.broken), "radius": one.radius if np.isfinite(one.radius) else None,
            }
            for one in found.rounds
        ],
        "withdrawn": [{"place": where, "measure": name} for where, name in found.withdrawn],
        "uncosted": [{"measure": one.measure, "why": one.why, "kept": one.kept} for one in problem.uncosted],
        "findings": [finding.model_dump(mode="json") for finding in answer.findings],
    }  # fmt: skip
