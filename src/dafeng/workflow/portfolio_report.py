"""The portfolio that a report is given: the cheapest one under the plan's targets, beside the plan's own measures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from dafeng.base.errors import NotConvergedError, NotEnoughDataError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.ensemble import ensemble
from dafeng.pathways.peaks import peak_years
from dafeng.pathways.portfolio import NoPortfolio, Portfolio
from dafeng.pathways.portfolio_answers import Held, model_front, portfolio_scenario, what_must_hold
from dafeng.pathways.portfolio_conditions import promise_labels
from dafeng.pathways.portfolio_problem import ConditionKind
from dafeng.pathways.summaries import SERIES_NAMES
from dafeng.reports.figure_content import CostLine, CostPoint, CostStep
from dafeng.reports.pathway_chapter import PathwayFacts
from dafeng.reports.portfolio_chapter import DutyPrice, MeasureChoice, PayerRow, PortfolioFacts
from dafeng.reports.wording import joined, number_zh
from dafeng.workflow.portfolio import PortfolioAnswer, answer_question, curve_of, question_of
from dafeng.workflow.setting import Setting

__all__ = ["PORTFOLIO", "binding_words", "carbon_prices", "facts_of_answer", "portfolio_for_report"]

PORTFOLIO: Final = "最小成本措施组合"
"""Name of the chapter, for the convention that says why there is none."""
_TONNES: Final = 1e4
_MONEY: Final = 1e8
_ROUNDS: Final = 4
_DRAWS: Final = 128
_POINTS: Final = 6
_LAST_SHOWN: Final = 2045
_MOST_BINDING: Final = 6
_MOST_MEASURES: Final = 5
_SEED: Final = 20260101
_HELD_UNITS: Final = {"grid_factor": "千克/千瓦时"}


@dataclass(frozen=True)
class _Case:
    """What an answer rests on: the content, the plan and the first open year; the setting only carries the content."""

    digest: str
    plan: str
    place: str
    first: int
    setting: Setting = field(compare=False)


@lru_cache(maxsize=8)
def _answer(case: _Case) -> PortfolioAnswer | NoPortfolio:
    """Return the answer of a case; several reports of one plan ask for it (the city's, each body's)."""
    question = question_of(case.setting, [case.place], plan=case.plan, first=case.first)
    return answer_question(case.setting, question, most_rounds=_ROUNDS)


def portfolio_for_report(
    setting: Setting, plan: Plan, *, year: int, pathways: PathwayFacts | None, draws: int = _DRAWS
) -> PortfolioFacts | str:
    """Return what the chapter on the cheapest portfolio is made from; why there is none, in Chinese, where there is none.

    Parameters
    ----------
    setting : Setting
    plan : Plan
    year : int
        Year of the report: measures are chosen from the next year on.
    pathways : PathwayFacts or None
        The outlook, for the probabilities of trend and plan.
    draws : int
        Draws of the portfolio's probability.
    """
    if plan.peak is None:
        return "方案没有承诺达峰年，本报告未作测算。"
    if pathways is None:
        return "目录没有本地区的人口等参数，本报告未作测算。"
    if year + 1 > plan.peak.by:
        return f"承诺的达峰年{plan.peak.by}年以前已没有可选的年份，本报告未作测算。"
    try:
        answer = _answer(_Case(setting.catalog.digest, plan.id, plan.place, year + 1, setting))
    except (NotEnoughDataError, UnknownNameError) as error:
        return f"参数或费用不全（{error.problem}），本报告未作测算。"
    except NotConvergedError as error:
        return f"求解没有收敛（{error.problem}），本报告不列结果。"
    if isinstance(answer, NoPortfolio):
        return (
            "在现有措施、上限和年增幅内，没有能同时满足方案目标和达峰承诺的组合："
            + "；".join(answer.infeasible.says[:4])
            + "。"
        )
    return facts_of_answer(setting, answer, pathways=pathways, draws=draws)


def facts_of_answer(
    setting: Setting, answer: PortfolioAnswer, *, pathways: PathwayFacts | None, draws: int = _DRAWS
) -> PortfolioFacts:
    """Return what the chapter says of a portfolio of one place.

    Parameters
    ----------
    setting : Setting
    answer : PortfolioAnswer
    pathways : PathwayFacts or None
    draws : int
    """
    found, catalog = answer.found, setting.catalog
    place, costs, uses = found.places[0], found.costs[0], answer.uses[0]
    view, by = found.request.view, answer.year
    problem, years = found.problem, found.problem.years
    at, row = problem.views.index(view), year_row(found.problem.years, by)
    held = what_must_hold(found, by)
    best, plan = answer.best[0], answer.plan[0]
    shown = [int(year) for year in years if year <= _LAST_SHOWN]
    measures = tuple(
        MeasureChoice(
            code=use.measure,
            zh=use.zh,
            en=use.en,
            trend=use.words[0],
            plan=use.words[1],
            best=use.words[2],
            plan_more=use.plan_more,
            best_more=use.best_more,
            cost=use.cost / _MONEY,
            avoided=float(use.avoided[row]) / _TONNES,
            grade="—" if costs.grade[number] is None else str(costs.grade[number]),
            series=(use.avoided[: len(shown)] / _TONNES).tolist(),
        )
        for number, use in enumerate(uses)
        if not np.array_equal(problem.low[0, number], problem.high[0, number])
    )
    used = [one for one in measures if one.best_more > 1e-9]
    curve = curve_of(setting, place.place, year=by, answer=answer)
    english = {use.measure: use.en for use in uses}
    front = model_front(catalog, found, by, points=_POINTS)
    labels = {} if place.plan is None else promise_labels(place.plan)
    titles = {name: measure.title.zh for name, measure in catalog.measures.items()}
    lines: tuple[CostLine, ...] = ()
    if len(front) > 1:
        points = tuple(CostPoint(level=level / _TONNES, cost=cost / _MONEY) for level, cost, _ in front)
        lines = (CostLine(zh="最小净成本（各点由模型复核）", en="least cost, run through the model", points=points),)
    without = held[1]
    chances, share = _chances(found, pathways, by, draws)
    spent = best.spending[: row + 1].sum() / _MONEY
    return PortfolioFacts(
        place_zh=catalog.place_name(place.place),
        promised=view,
        promised_zh=SERIES_NAMES.get(view, view),
        by=by,
        first=answer.question.first,
        last=answer.question.last,
        price_year=costs.price_year,
        discount=costs.discount_rate,
        levels={
            "trend": ("不再采取新措施", without.level / _TONNES, without.peak),
            "plan": ("方案自身措施", float(plan.emissions[at, row]) / _TONNES, _peak_of(found, plan.emissions[at])),
            "best": ("最小成本组合", held[0].level / _TONNES, held[0].peak),
        },
        chances=chances,
        costs={
            "plan": (plan.net / _MONEY, float(plan.spending[: row + 1].sum()) / _MONEY),
            "best": (best.net / _MONEY, float(spent)),
        },
        uncounted="",
        measures=measures,
        binding=binding_words(found),
        targets=len({one.because for one in problem.conditions if one.kind is ConditionKind.TARGET}),
        duties=tuple(
            DutyPrice(duty.zh, duty.saving / _MONEY, duty.avoided / _TONNES) for duty in answer.duties if duty.modelled
        ),
        payers=tuple(
            PayerRow(zh, capital / _MONEY, -energy / _MONEY, -transfer / _MONEY)
            for zh, (capital, energy, transfer, _) in zip(
                answer.payers[0].titles, answer.payers[0].totals().values(), strict=True
            )
            if max(abs(capital), abs(energy), abs(transfer)) > 1e4
        ),
        curve=tuple(
            CostStep(
                zh=step.title,
                en=english.get(step.measure, step.measure),
                amount=step.abatement / _TONNES,
                cost=step.unit_cost,
                doubtful=str(step.grade) == "C",
            )
            for step in curve.together
        ),
        curve_year=by,
        front=lines,
        must=_must(answer, held, used, share),
        uncosted=[titles[one.measure] for one in problem.uncosted if not one.kept],
        kept=[titles[one.measure] for one in problem.uncosted if one.kept],
        past=[labels.get(name, name.split("#")[-1]) for name in found.demands[0].past],
        gap=found.chosen.difference,
        rounds=len(found.rounds),
        confirmed=found.confirmed,
        left=found.chosen.broken,
        carbon_price=carbon_prices(found),
        grades={
            grade: count for grade in "ABCD" if (count := sum(one.grade == grade for one in used))
        },
        years=shown,
        ends=(
            (found.trend(view)[0][: len(shown)] / _TONNES).tolist(),
            (found.emissions(view)[0][: len(shown)] / _TONNES).tolist(),
        ),
        solver=f"线性规划的原始、对偶、互补残差和间隙最大为{found.solution.residuals.worst:.0e}，由本系统自行复算。",
        notes=tuple(
            f"{finding.sentence}。"
            for finding in answer.findings
            if finding.name == "pathways.portfolio.withdrawn"
            or (finding.severity is Severity.WARNING and finding.name != "pathways.portfolio.grade-c")
        ),
    )  # fmt: skip


def _peak_of(found: Portfolio, late: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
    """Return the year of the peak of emissions that part from the portfolio's history in the first open year."""
    outcome = found.outcomes[0]
    values = outcome.view(found.request.view)[:, :1].copy()
    values[np.isin(outcome.years, found.problem.years), 0] = late
    return int(peak_years(values, outcome.years).year[0])


def _chances(found: Portfolio, pathways: PathwayFacts | None, by: int, draws: int) -> tuple[dict[str, float], float]:
    """Return the shares of draws that peak in time: of the scenarios of the outlook, and of the portfolio."""
    place, view = found.places[0], found.request.view
    drawn = ensemble(
        place.book, portfolio_scenario(place, found.solution.levels[0]), draws=draws, seed=_SEED, keep=(view,)
    )
    share = peak_years(drawn.series[view], drawn.years).probability_by(by)
    chances = {"best": share}
    for name, code in (("trend", "trend"), ("plan", "plan-full")):
        path = next((path for path in (pathways.promised_paths if pathways else ()) if path.code == code), None)
        if path is not None and path.view == view and pathways is not None and pathways.by == by:
            chances[name] = path.by_deadline
    return chances, share


def binding_words(found: Portfolio) -> tuple[tuple[str, str], ...]:
    """Return what binds besides the plan's duties, dearest first, years of one limit together.

    Parameters
    ----------
    found : Portfolio

    Returns
    -------
    tuple of (str, str)
        What it asks, and in which years.
    """
    years: dict[str, list[int]] = {}
    words: dict[str, str] = {}
    for one in found.solution.binding:
        if one.kind is ConditionKind.TARGET:
            continue
        stem = one.name.rsplit(".", 1)[0]
        year = re.match(r"(\d{4})年", one.says)
        words.setdefault(stem, re.sub(r"^\d{4}年", "", one.says))
        years.setdefault(stem, []).append(int(year.group(1)) if year else 0)
    said = []
    for stem, text in list(words.items())[:_MOST_BINDING]:
        span = sorted(year for year in years[stem] if year)
        said.append(
            (text, "" if not span else f"{span[0]}年" if len(span) == 1 else f"{span[0]}—{span[-1]}年中{len(span)}年")
        )
    return tuple(said)


def carbon_prices(found: Portfolio) -> dict[int, float]:
    """Return the carbon price by year where a condition on emissions binds, CNY/t at the value of its year.

    Parameters
    ----------
    found : Portfolio
    """
    solution = found.solution
    prices = solution.carbon_price_then if solution.carbon_price_then is not None else solution.carbon_price
    return {
        int(year): float(price) for year, price in zip(found.problem.years, prices[0], strict=True) if abs(price) > 0.5
    }


def _must(
    answer: PortfolioAnswer, held: Sequence[Held], used: Sequence[MeasureChoice], share: float
) -> tuple[str, ...]:
    """Return what must be true to peak, each with its figures."""
    found, by, first = answer.found, answer.year, answer.question.first
    boundary = SERIES_NAMES.get(found.request.view, found.request.view)
    best, without, *others = held
    said = []
    if without.kept:
        said.append(
            f"{boundary}在{without.peak}年已是最高，不再采取新措施也不再高于该年，{by}年为{number_zh(without.level / _TONNES, 0)}万吨；"
            f"守住达峰要求此后不回升"
        )
    elif best.kept:
        said.append(f"不采取新措施，{boundary}要到{without.peak}年才达峰；采取最小成本组合可提前到{best.peak}年")
    else:
        said.append(f"采取最小成本组合，{boundary}仍要到{best.peak}年才达峰，{by}年底前达峰的条件不具备")
    ranked = sorted((one for one in used if one.avoided > 0.05), key=lambda one: -one.avoided)[:_MOST_MEASURES]
    if ranked:
        named = "、".join(f"{one.zh}做到{one.best}（减{number_zh(one.avoided, 1)}万吨）" for one in ranked)
        said.append(f"到{by}年，减排最多的措施要到位：{named}")
    row = year_row(found.problem.years, by)
    spent = answer.best[0].spending[: row + 1]
    said.append(
        f"{first}—{by}年投资{number_zh(float(spent.sum()) / _MONEY, 0)}亿元，年均{number_zh(float(spent.mean()) / _MONEY, 0)}亿元，"
        f"最多的一年为{int(found.problem.years[int(np.argmax(spent))])}年{number_zh(float(spent.max()) / _MONEY, 0)}亿元"
    )
    moved = sorted((one for one in others if one.level > best.level), key=lambda one: -one.level)
    for one in moved:
        more = (one.level - best.level) / _TONNES
        if more < 0.5 and one.kept:
            continue
        change = ""
        if one.before is not None and one.after is not None:
            unit = _HELD_UNITS.get(one.quantity, "")
            change = f"由{number_zh(one.before, 3)}变为{by}年的{number_zh(one.after, 3)}{unit}；"
        peak = (
            "达峰年份不变" if one.peak == best.peak else f"达峰推迟到{one.peak}年" + ("" if one.kept else "，承诺落空")
        )
        said.append(
            f"{one.zh}要按趋势变化：{change}若停在{first - 1}年的水平，{by}年多排{number_zh(more, 0)}万吨，{peak}"
        )
    eased = [one for one in others if one.level < best.level - 0.5 * _TONNES]
    if eased:
        named = joined([f"{one.zh}（{number_zh((best.level - one.level) / _TONNES, 0)}万吨）" for one in eased], most=3)
        said.append(f"仍在推高排放的趋势：{named}，括号内为停在{first - 1}年水平可少排的量")
    words = "99%以上" if share >= 0.995 else "不足1%" if share <= 0.005 else f"{number_zh(share * 100, 0)}%"
    said.append(f"参数不确定时，组合在{by}年底前达峰的概率为{words}，只反映已列出的不确定性")
    return tuple(said)
