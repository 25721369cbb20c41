"""The chapter 最小成本措施组合 of the yearly report: what closes the gap at least cost, who bears it, and what the plan leaves unused.

The portfolio is the optimum of a linear programme that the pathway model has confirmed; what is left between the two is printed. Costs
are social, discounted, in prices of one year; what rests on grade C is said to do so, and a measure without a cost is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dafeng.reports.document import Align, Annex, Block, Cell, Column, Figure, Heading, Note, Paragraph, Row, Run, Table
from dafeng.reports.figure_content import AreaPart, CostCurve, CostFront, CostLine, CostStep, Wedges
from dafeng.reports.wording import joined, number_zh

__all__ = [
    "PORTFOLIO_TITLE",
    "DutyPrice",
    "MeasureChoice",
    "PayerRow",
    "PortfolioFacts",
    "portfolio_annex",
    "portfolio_basis",
    "portfolio_clause",
    "portfolio_paragraph",
]

PORTFOLIO_TITLE: Final = "最小成本措施组合"
"""Title of the annex."""
_ANCHOR: Final = "annex-portfolio"
_UNIT: Final = "万吨二氧化碳"
_UNIT_EN: Final = "10⁴ tCO₂"
_MONEY: Final = "亿元"
_MONEY_EN: Final = "10⁸ CNY"
_MOST_PARTS: Final = 7
_MOST_NAMES: Final = 6
_MOST_ROWS: Final = 24
_SMALL: Final = 0.05
_NUMERALS: Final = "一二三四五六七八九"


@dataclass(frozen=True)
class MeasureChoice:
    """One measure in the plan and in the cheapest portfolio.

    Parameters
    ----------
    code, zh, en : str
    trend, plan, best : str
        Level in the promised year without it, in the plan and in the portfolio, as people write it.
    plan_more, best_more : float
        Level above the trend, in the unit of the measure: 0 where it is not used.
    cost : float
        What the portfolio costs more with it than without, net and discounted, 10⁸ CNY; below zero where it pays.
    avoided : float
        Emission that it alone keeps away in the promised year, 10⁴ t.
    grade : str
        Worst grade of its costs.
    series : sequence of float
        Emission avoided by year, 10⁴ t, for the figure.
    """

    code: str
    zh: str
    en: str
    trend: str
    plan: str
    best: str
    plan_more: float
    best_more: float
    cost: float
    avoided: float
    grade: str
    series: Sequence[float] = ()


@dataclass(frozen=True)
class PayerRow:
    """Who pays and who gains under the portfolio, 10⁸ CNY discounted.

    Parameters
    ----------
    zh : str
    pays, saves, transfers : float
        Investment and upkeep; energy saved; subsidies received (given: below zero).
    """

    zh: str
    pays: float
    saves: float
    transfers: float

    @property
    def net(self) -> float:
        """What is left to bear; below zero where the party gains."""
        return self.pays - self.saves - self.transfers


@dataclass(frozen=True)
class DutyPrice:
    """What a duty of the plan costs: what the portfolio would save without it.

    Parameters
    ----------
    zh : str
    saving : float
        10⁸ CNY, discounted.
    avoided : float
        Emission that the duty avoids in the promised year, 10⁴ t: below zero where the portfolio without it emits less.
    """

    zh: str
    saving: float
    avoided: float


@dataclass(frozen=True)
class PortfolioFacts:
    """What the chapter is made from. Money in 10⁸ CNY, emissions in 10⁴ t.

    Parameters
    ----------
    place_zh, promised_zh : str
    promised : str
        View of the boundary that the plan promises.
    by : int
        Promised year of the peak.
    first, last : int
        Years that are open.
    price_year : int
    discount : float
        Rate a year.
    levels : mapping of str to (str, float, int)
        By `trend`, `plan`, `best`: Chinese name, emission in the promised year, year of the peak.
    chances : mapping of str to float
        Likewise, the share of draws that peak by then.
    costs : mapping of str to (float, float)
        By `plan` and `best`: net cost, and investment up to the promised year undiscounted.
    uncounted : str
        Why the plan's cost is not all of it: what has no cost, in Chinese; empty where all has.
    measures : sequence of MeasureChoice
    binding : sequence of (str, str)
        Conditions that bind, and their price in words.
    targets : int
        Conditions from the plan.
    duties : sequence of DutyPrice
        Dear ones, dearest first.
    payers : sequence of PayerRow
    curve : sequence of CostStep
        Measures by cost of a tonne in `curve_year`.
    curve_year : int
    front : sequence of CostLine
        Least cost by level in the promised year and after.
    must : sequence of str
        What must be true to peak, sentences.
    uncosted : sequence of str
        Measures left out for want of a cost.
    kept : sequence of str
        Measures without a cost whose levels in the plan are kept.
    past : sequence of str
        Promises whose date has passed.
    gap : float
        Largest difference of programme and model on the promised boundary, as a share of the base.
    rounds : int
    confirmed : bool
    left : sequence of str
        What the model does not confirm.
    carbon_price : mapping of int to float
        CNY/t by year, where a condition on emissions binds.
    grades : mapping of str to int
        Chosen measures by the worst grade of their costs.
    years : sequence of int
        Of `MeasureChoice.series`.
    ends : tuple of two sequences
        The trend and the portfolio by year.
    solver : str
        Residuals of the programme in words.
    notes : sequence of str
    """

    place_zh: str
    promised: str
    promised_zh: str
    by: int
    first: int
    last: int
    price_year: int
    discount: float
    levels: Mapping[str, tuple[str, float, int]]
    chances: Mapping[str, float]
    costs: Mapping[str, tuple[float, float]]
    uncounted: str
    measures: Sequence[MeasureChoice]
    binding: Sequence[tuple[str, str]]
    targets: int
    duties: Sequence[DutyPrice]
    payers: Sequence[PayerRow]
    curve: Sequence[CostStep]
    curve_year: int
    front: Sequence[CostLine]
    must: Sequence[str]
    uncosted: Sequence[str]
    kept: Sequence[str]
    past: Sequence[str]
    gap: float
    rounds: int
    confirmed: bool
    left: Sequence[str]
    carbon_price: Mapping[int, float]
    grades: Mapping[str, int]
    years: Sequence[int]
    ends: tuple[Sequence[float], Sequence[float]]
    solver: str
    notes: Sequence[str] = ()

    @property
    def unused(self) -> list[MeasureChoice]:
        """Measures that pay or cost little, and of which the portfolio takes more than the plan does."""
        found = [
            one
            for one in self.measures
            if one.best_more > max(one.plan_more, 0.0) * 1.05 + 1e-9 and (one.avoided > _SMALL or one.cost < 0)
        ]
        return sorted(found, key=lambda one: one.cost)

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest of the run says of the chapter."""
        return {
            "boundary": self.promised,
            "first": self.first,
            "cost": {name: round(cost, 4) for name, (cost, _) in self.costs.items()},
            "gap": round(self.gap, 6),
            "rounds": self.rounds,
            "confirmed": self.confirmed,
        }


def _money(value: float) -> str:
    return f"{number_zh(value, 1 if abs(value) < 100 else 0)}{_MONEY}"


def _net(value: float) -> str:
    """Return a net cost in words: what it costs, or what it saves."""
    return f"净费用{_money(value)}" if value >= 0 else f"净收益{_money(-value)}"


def _tonnes(value: float) -> str:
    return f"{number_zh(value, 1 if abs(value) < 100 else 0)}{_UNIT}"


def _emission(facts: PortfolioFacts) -> str:
    return facts.promised_zh if facts.promised_zh.endswith("排放") else f"{facts.promised_zh}排放"


def _poor(facts: PortfolioFacts) -> str:
    """Return the sentence on grade C; empty where nothing rests on it."""
    poor = facts.grades.get("C", 0)
    return "" if not poor else f"本结论依据C级参数：{sum(facts.grades.values())}项措施中{poor}项的费用为C级，待核"


def portfolio_clause(facts: PortfolioFacts) -> str:
    """Return the clause of the summary: cost of the plan and of the cheapest portfolio that meets its targets."""
    plan, best = facts.costs["plan"][0], facts.costs["best"][0]
    said = f"{facts.first}年起满足方案全部目标的最小成本组合{_net(best)}"
    if facts.confirmed:
        said += f"，方案自身的措施{_net(plan)}"
    return said + f"（{facts.price_year}年价，贴现率{number_zh(facts.discount * 100)}%，费用多为C级，待核）"


def portfolio_paragraph(facts: PortfolioFacts, label: str) -> Paragraph:
    """Return the paragraph of section 一."""
    said = [
        f"措施成本方面，以方案目标为约束测算了{facts.first}—{facts.last}年的最小成本组合。{portfolio_clause(facts)}"
    ]
    plan, best = facts.levels["plan"][1], facts.levels["best"][1]
    said.append(f"{facts.by}年{_emission(facts)}，方案措施下为{_tonnes(plan)}，最小成本组合下为{_tonnes(best)}")
    if facts.unused:
        said.append(f"方案用得少、而组合用得多的措施有{joined([one.zh for one in facts.unused], most=4)}")
    dear = [duty for duty in facts.duties if duty.saving > 0]
    if dear:
        said.append(f"费用最高的方案要求为{joined([f'{duty.zh}（{_money(duty.saving)}）' for duty in dear], most=2)}")
    if not facts.confirmed:
        said.append("组合未能全部由情景模型证实，只作参考")
    if _poor(facts):
        said.append(_poor(facts))
    return Paragraph(
        runs=(Run(text="。".join(said) + "。"), Run(text=f"组合、成本曲线和达峰条件见{label}。", link=_ANCHOR)),
        inputs=("portfolio",),
    )


def portfolio_basis(label: str) -> tuple[str, str]:
    """Return the convention on costs."""
    return (
        "措施成本与最小成本组合",
        "费用为社会净成本（投资、运维减节能收益，补贴和奖励另列），按统一价格年折算并贴现；在措施的年度上限和供给限制内求线性规划的最优，"
        f"再由情景模型逐年复核；没有费用来源的措施不参加选择，逐项列名；见{label}。",
    )


def portfolio_annex(facts: PortfolioFacts, label: str, *, first_figure: int) -> list[Block]:
    """Return the annex: what must be true to peak, the portfolio, what it costs and whom, what the plan leaves unused, the grounds.

    Parameters
    ----------
    facts : PortfolioFacts
    label : str
        Label of the annex, such as 附件7.
    first_figure : int
        Number of its first figure.
    """
    number = first_figure
    said: list[Block] = [_say(f"{place}. {text}。") for place, text in enumerate(facts.must, start=1)]
    parts: list[tuple[str, list[Block]]] = [("达峰需要满足的条件", said)]
    chosen: list[Block] = [_compared(facts), _portfolio(facts)]
    chosen.append(
        Note(
            text="各项的减排和净成本为有它与没有它之差，由模型逐项重算；相互影响使各项之和与合计不等；净成本为负即净收益。净成本为正而不减本口径排放的，用于满足其他目标（用电占比、绿色建筑等）。"
        )
    )
    if facts.years:
        chosen.append(_stack(facts, number))
        number += 1
    parts.append(("最小成本组合与方案措施", chosen))
    if facts.curve:
        parts.append(("减排成本曲线", [_curve(facts, number), Note(text=_curve_note(facts))]))
        number += 1
    if facts.front:
        parts.append(("降得更低要多少钱", [_front(facts, number)]))
        number += 1
    if facts.payers:
        parts.append(("谁出钱、谁受益", [_payers(facts)]))
    parts.append(("方案没有用足的措施和偏贵的要求", _table_left(facts)))
    parts.append(("测算依据与局限", _grounds(facts)))
    blocks: list[Block] = [Annex(label=label, title=PORTFOLIO_TITLE, anchor=_ANCHOR)]
    for place, (title, content) in enumerate(parts):
        blocks += [Heading(level=1, text=f"{_NUMERALS[place]}、{title}"), *content]
    return blocks


def _say(text: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=("portfolio",))


def _compared(facts: PortfolioFacts) -> Table:
    rows = []
    for name in ("trend", "plan", "best"):
        zh, level, peak = facts.levels[name]
        cost = facts.costs.get(name)
        chance = facts.chances.get(name)
        rows.append(
            Row(
                cells=(
                    Cell(text=zh),
                    Cell(text=number_zh(level, 0), number=round(level, 3)),
                    Cell(text=f"{peak}年", number=peak),
                    Cell(text="—" if chance is None else _share(chance), number=chance),
                    Cell(text="—" if cost is None else number_zh(cost[0], 1), number=cost and round(cost[0], 4)),
                    Cell(text="—" if cost is None else number_zh(cost[1], 1), number=cost and round(cost[1], 4)),
                )
            )
        )
    return Table(
        id="portfolio-compared",
        title="趋势、方案措施与最小成本组合",
        unit=f"{_UNIT}、{_MONEY}",
        columns=(
            Column(key="scenario", title="", width=3.4),
            Column(key="level", title=f"{facts.by}年{facts.promised_zh}", width=2.6, align=Align.CENTER),
            Column(key="peak", title="达峰年份", width=2.2, align=Align.CENTER),
            Column(key="chance", title=f"{facts.by}年底前达峰的概率", width=2.6, align=Align.CENTER),
            Column(key="cost", title="净成本（贴现）", width=2.4, align=Align.CENTER),
            Column(key="investment", title=f"{facts.first}—{facts.by}年投资", width=2.4, align=Align.CENTER),
        ),
        rows=tuple(rows),
    )


def _share(value: float) -> str:
    return "不足1%" if value <= 0.005 else "99%以上" if value >= 0.995 else f"{number_zh(value * 100, 0)}%"


def _portfolio(facts: PortfolioFacts) -> Table:
    used = [one for one in facts.measures if one.best_more > 1e-9 or one.plan_more > 1e-9]
    ranked = sorted(used, key=lambda one: -max(abs(one.avoided), abs(one.cost)))
    rows = [
        Row(
            cells=(
                Cell(text=one.zh),
                Cell(text=one.trend),
                Cell(text=one.plan if one.plan_more > 1e-9 else "不增加"),
                Cell(text=one.best if one.best_more > 1e-9 else "不增加"),
                Cell(text=number_zh(one.avoided, 1), number=round(one.avoided, 4)),
                Cell(text=number_zh(one.cost, 1), number=round(one.cost, 4)),
                Cell(text=one.grade),
            )
        )
        for one in ranked[:_MOST_ROWS]
    ]
    return Table(
        id="portfolio-measures",
        title=f"措施水平（{facts.by}年）与费用"
        + (f"（{len(ranked)}项中的{len(rows)}项）" if len(ranked) > len(rows) else ""),
        show_title=True,
        unit=f"{_UNIT}、{_MONEY}",
        columns=(
            Column(key="measure", title="措施", width=4.4),
            Column(key="trend", title="现状趋势", width=1.9, align=Align.CENTER),
            Column(key="plan", title="方案", width=1.9, align=Align.CENTER),
            Column(key="best", title="组合", width=1.9, align=Align.CENTER),
            Column(key="avoided", title=f"{facts.by}年减排", width=2.0, align=Align.CENTER),
            Column(key="cost", title="组合的净成本", width=2.0, align=Align.CENTER),
            Column(key="grade", title="费用等级", width=1.5, align=Align.CENTER),
        ),
        rows=tuple(rows),
    )


def _stack(facts: PortfolioFacts, number: int) -> Figure:
    ranked = sorted((one for one in facts.measures if one.series), key=lambda one: -abs(sum(one.series)))
    parts = [(one.zh, one.en, list(one.series)) for one in ranked[:_MOST_PARTS]]
    upper, lower = facts.ends
    shown = [sum(column) for column in zip(*(values for _, _, values in parts), strict=True)] if parts else []
    rest = [high - low - part for high, low, part in zip(upper, lower, shown, strict=True)]
    parts.append(("其余措施和相互影响", "others, interactions", rest))
    named = "、".join(f"{one.zh}{number_zh(one.avoided, 0)}" for one in ranked[:3])
    return Figure(
        id="figure-portfolio-stack",
        caption=f"图{number}　最小成本组合减少的排放（{facts.promised_zh}）",
        text=f"{facts.by}年减少最多的为{named}{_UNIT}",
        link="portfolio-measures",
        content=Wedges(
            unit=_UNIT,
            unit_en=_UNIT_EN,
            years=tuple(facts.years),
            upper=AreaPart(code="upper", zh=facts.levels["trend"][0], en="trend", values=tuple(upper)),
            parts=tuple(
                AreaPart(code=f"part-{place}", zh=zh, en=en, values=tuple(values))
                for place, (zh, en, values) in enumerate(parts)
            ),
            lower=AreaPart(code="lower", zh=facts.levels["best"][0], en="portfolio", values=tuple(lower)),
        ),
    )


def _curve(facts: PortfolioFacts, number: int) -> Figure:
    paying = [step for step in facts.curve if step.cost < 0]
    total = sum(step.amount for step in facts.curve)
    said = f"{len(facts.curve)}项措施可减{_tonnes(total)}，其中{len(paying)}项有净收益，可减{_tonnes(sum(step.amount for step in paying))}"
    return Figure(
        id="figure-portfolio-curve",
        caption=f"图{number}　减排成本曲线（{facts.curve_year}年，{facts.promised_zh}，计相互影响）",
        text=said,
        content=CostCurve(
            unit=f"{facts.curve_year}年减排 {_UNIT}",
            unit_en=f"avoided in {facts.curve_year}, {_UNIT_EN}",
            cost_unit="元/吨二氧化碳",
            cost_unit_en="CNY/tCO₂",
            steps=tuple(facts.curve),
        ),
    )


def _curve_note(facts: PortfolioFacts) -> str:
    said = "宽为当年减排，高为每吨净成本，各项在前面各项已采取的基础上计算，次序由低到高；有净收益不等于会自行发生，出钱和受益的往往不是同一方。"
    if facts.uncosted:
        said += f"没有费用来源、因此不在曲线上的：{joined(list(facts.uncosted), most=_MOST_NAMES)}。"
    return said


def _front(facts: PortfolioFacts, number: int) -> Figure:
    line = facts.front[0]
    ends = line.points[0], line.points[-1]
    said = (
        f"{facts.by}年及以后的排放由{number_zh(ends[0].level, 0)}降到{number_zh(ends[1].level, 0)}{_UNIT}，"
        f"净成本由{number_zh(ends[0].cost, 1)}变为{number_zh(ends[1].cost, 1)}{_MONEY}"
    )
    marks = tuple(
        CostLine.model_validate(
            {"zh": facts.levels[name][0], "en": name, "points": [{"level": facts.levels[name][1], "cost": cost}]}
        )
        for name, (cost, _) in facts.costs.items()
    )
    return Figure(
        id="figure-portfolio-front",
        caption=f"图{number}　{facts.by}年及以后各年的排放上限与最小净成本",
        text=said,
        content=CostFront(
            unit=f"{facts.by}年及以后不超过 {_UNIT}",
            unit_en=f"ceiling from {facts.by}, {_UNIT_EN}",
            cost_unit=f"净成本 {_MONEY}",
            cost_unit_en=f"net cost, {_MONEY_EN}",
            lines=tuple(facts.front),
            marks=marks,
        ),
    )


def _payers(facts: PortfolioFacts) -> Table:
    rows = [
        Row(
            cells=(
                Cell(text=one.zh),
                *(
                    Cell(text=number_zh(value, 1), number=round(value, 4))
                    for value in (one.pays, one.saves, one.transfers, one.net)
                ),
            )
        )
        for one in facts.payers
    ]
    return Table(
        id="portfolio-payers",
        title="最小成本组合的出资与受益（贴现）",
        unit=_MONEY,
        columns=(
            Column(key="who", title="谁", width=4.0),
            Column(key="pays", title="投资和运维", width=2.9, align=Align.CENTER),
            Column(key="saves", title="节省的能源费", width=2.9, align=Align.CENTER),
            Column(key="transfers", title="补贴和奖励", width=2.9, align=Align.CENTER),
            Column(key="net", title="净支出", width=2.9, align=Align.CENTER),
        ),
        rows=tuple(rows),
    )


def _table_left(facts: PortfolioFacts) -> list[Block]:
    blocks: list[Block] = []
    unused = facts.unused
    if unused:
        paying = [one for one in unused if one.cost < 0]
        said = "；".join(
            f"{one.zh}（{facts.by}年{'方案不增加' if one.plan_more <= 1e-9 else '方案' + one.plan}，组合{one.best}，"
            f"{f'减{_tonnes(one.avoided)}' if one.avoided > _SMALL else '本口径不减'}，{_net(one.cost)}）"
            for one in unused[:_MOST_NAMES]
        )
        more = f"等{len(unused)}项" if len(unused) > _MOST_NAMES else ""
        blocks.append(_say(f"组合用得比方案多的措施：{said}{more}。其中{len(paying)}项有净收益。"))
    else:
        blocks.append(_say("组合没有比方案用得更多的措施。"))
    dear = [duty for duty in facts.duties if duty.saving > 0]
    if dear:
        said = "；".join(
            f"{duty.zh}（不作此要求可省{_money(duty.saving)}，{facts.by}年排放{_change(duty.avoided)}）"
            for duty in dear[:_MOST_NAMES]
        )
        blocks.append(
            _say(f"只看成本和碳排放而偏贵的方案要求：{said}。这些要求另有安全、民生、水资源等目的，不因此取消。")
        )
    return blocks


def _gap(value: float) -> str:
    return "不足0.01%" if value < 1e-4 else f"{number_zh(value * 100, 2)}%"


def _change(avoided: float) -> str:
    if abs(avoided) < _SMALL:
        return "不变"
    return f"多{_tonnes(avoided)}" if avoided > 0 else f"少{_tonnes(-avoided)}"


def _grounds(facts: PortfolioFacts) -> list[Block]:
    said = [
        f"约束：方案目标{facts.targets}项，另有措施的年度上限、最大水平和供给限制；只有{facts.first}年起的措施可选，此前按方案已落实计。"
    ]
    if facts.past:
        said.append(f"期限已过、不再作为约束的：{joined(list(facts.past), most=_MOST_NAMES)}。")
    if facts.binding:
        named = "；".join(f"{says}（{price}）" if price else says for says, price in facts.binding[:8])
        said.append(f"起约束作用的条件：{named}。")
    if facts.carbon_price:
        named = "、".join(f"{year}年{number_zh(price, 0)}元/吨" for year, price in sorted(facts.carbon_price.items()))
        said.append(f"排放约束的影子价格：{named}。")
    if facts.kept:
        said.append(
            f"没有费用来源、按方案水平保留而不计费用的：{joined(list(facts.kept), most=_MOST_NAMES)}；方案和组合的费用都不含这些措施。"
        )
    if facts.uncosted:
        said.append(f"没有费用来源、没有参加选择的：{joined(list(facts.uncosted), most=_MOST_NAMES)}。")
    if facts.uncounted:
        said.append(facts.uncounted)
    confirmed = "各项约束均由模型证实" if facts.confirmed else "模型没有全部证实"
    said.append(
        f"线性规划与情景模型在{facts.promised_zh}口径上最大相差{_gap(facts.gap)}（共{facts.rounds}轮），{confirmed}。{facts.solver}"
    )
    said += [f"{text}。" for text in facts.left]
    if _poor(facts):
        said.append(f"{_poor(facts)}。")
    said += list(facts.notes)
    return [_say(text) for text in said]
