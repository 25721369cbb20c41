"""The chapter 最小成本措施组合: what it says of cost, plan and grade, and what its tables and figures hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from dafeng.reports.document import Figure, Heading, Paragraph, Report, Table
from dafeng.reports.figure_content import CostCurve, CostFront, CostLine, CostPoint, CostStep, Wedges
from dafeng.reports.figures import figure_png, figure_svg
from dafeng.reports.fonts import FontReport
from dafeng.reports.portfolio_chapter import (
    DutyPrice,
    MeasureChoice,
    PayerRow,
    PortfolioFacts,
    portfolio_annex,
    portfolio_basis,
    portfolio_clause,
    portfolio_paragraph,
)


def choice(code: str, zh: str, plan: float, best: float, cost: float, avoided: float) -> MeasureChoice:
    return MeasureChoice(
        code, zh, code, "0%", f"{plan:.0%}", f"{best:.0%}", plan, best, cost, avoided, "C", [avoided, avoided]
    )


def facts(**changes: object) -> PortfolioFacts:
    made = PortfolioFacts(
        place_zh="某市", promised="direct", promised_zh="直接排放", by=2030, first=2027, last=2060, price_year=2023, discount=0.06,
        levels={"trend": ("不再采取新措施", 500.0, 2021), "plan": ("方案自身措施", 450.0, 2021), "best": ("最小成本组合", 400.0, 2021)},
        chances={"best": 0.998}, costs={"plan": (120.0, 80.0), "best": (-30.0, 90.0)}, uncounted="",
        measures=(choice("pv", "屋顶光伏", 0.0, 0.2, -40.0, 30.0), choice("steel", "钢结构", 0.15, 0.15, 10.0, 1.0)),
        binding=(("可用屋顶", "2040—2060年中21年"),), targets=9, duties=(DutyPrice("新建学校用钢结构", 10.0, 1.0),),
        payers=(PayerRow("居民", 50.0, 70.0, 5.0),),
        curve=(CostStep(zh="屋顶光伏", en="pv", amount=30, cost=-900, doubtful=True), CostStep(zh="钢结构", en="steel", amount=1, cost=90000)),
        curve_year=2030,
        front=(CostLine(zh="前沿", en="front", points=(CostPoint(level=400, cost=-30), CostPoint(level=350, cost=20))),),
        must=("电力排放因子要下降", "投资90亿元"), uncosted=("高效家电",), kept=("绿色建材",), past=("2025年的目标",), gap=0.0021,
        rounds=3, confirmed=True, left=(), carbon_price={2030: 120.4}, grades={"C": 2}, years=(2029, 2030),
        ends=([510.0, 500.0], [420.0, 400.0]), solver="残差不超过1e-9。",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def said(blocks: object) -> str:
    return "".join(
        run.text
        for block in blocks  # type: ignore[attr-defined]
        if isinstance(block, Paragraph)
        for run in block.runs
    )


def test_the_clause_sets_the_portfolio_beside_the_plan_with_its_price_base() -> None:
    assert portfolio_clause(facts()) == (
        "2027年起满足方案全部目标的最小成本组合净收益30亿元，方案自身的措施净费用120亿元（2023年价，贴现率6%，费用多为C级，待核）"
    )


def test_the_paragraph_names_what_is_unused_what_is_dear_and_the_grade() -> None:
    text = said([portfolio_paragraph(facts(), "附件7")])
    assert "2030年直接排放，方案措施下为450万吨二氧化碳" in text
    assert "直接排放排放" not in text
    assert "用得少、而组合用得多的措施有屋顶光伏" in text
    assert "费用最高的方案要求为新建学校用钢结构（10亿元）" in text
    assert "本结论依据C级参数：2项措施中2项的费用为C级，待核" in text
    unsure = said([portfolio_paragraph(facts(confirmed=False), "附件7")])
    assert "未能全部由情景模型证实，只作参考" in unsure
    assert "C级参数" not in said([portfolio_paragraph(facts(grades={"A": 2}), "附件7")])


def test_the_annex_holds_conditions_portfolio_curve_front_payers_and_grounds() -> None:
    blocks = portfolio_annex(facts(), "附件7", first_figure=4)
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    assert [text[0] for text in headings] == list("一二三四五六七")
    assert headings[0] == "一、达峰需要满足的条件"
    tables = {block.id: block for block in blocks if isinstance(block, Table)}
    assert set(tables) == {"portfolio-compared", "portfolio-measures", "portfolio-payers"}
    assert tables["portfolio-payers"].rows[0].cells[4].number == pytest.approx(50 - 70 - 5)
    assert tables["portfolio-measures"].rows[0].cells[2].text == "不增加"
    figures = [block for block in blocks if isinstance(block, Figure)]
    assert [figure.caption[:2] for figure in figures] == ["图4", "图5", "图6"]
    assert [type(figure.content) for figure in figures] == [Wedges, CostCurve, CostFront]
    text = said(blocks)
    assert "不作此要求可省10亿元，2030年排放多1万吨二氧化碳" in text
    assert "最大相差0.21%（共3轮），各项约束均由模型证实" in text
    assert "没有费用来源、按方案水平保留而不计费用的：绿色建材" in text
    assert "2030年120元/吨" in text


def test_the_stack_adds_up_to_the_difference_of_its_lines() -> None:
    figure = next(b for b in portfolio_annex(facts(), "附件7", first_figure=1) if isinstance(b, Figure))
    assert isinstance(figure.content, Wedges)
    for at in range(2):
        parts = sum(part.values[at] for part in figure.content.parts)
        assert parts == pytest.approx(figure.content.upper.values[at] - figure.content.lower.values[at])


def test_what_is_not_there_makes_no_empty_part() -> None:
    blocks = portfolio_annex(facts(curve=(), front=(), payers=(), years=(), duties=()), "附件7", first_figure=1)
    assert not [block for block in blocks if isinstance(block, Figure)]
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    assert headings[-1].startswith("四、")
    assert "模型没有全部证实" in said(
        portfolio_annex(facts(confirmed=False, left=("2035年回升",)), "附件7", first_figure=1)
    )


def test_figures_are_drawn_and_the_paper_is_whole(no_fonts: FontReport) -> None:
    blocks = portfolio_annex(facts(), "附件7", first_figure=1)
    paper = Report(
        id="sample", title="样张", as_of=date(2026, 10, 28), blocks=(*blocks, portfolio_paragraph(facts(), "附件7"))
    )
    drawn = [figure_svg(figure, no_fonts) for figure in paper.blocks if isinstance(figure, Figure)]
    assert len(drawn) == 3
    assert all(svg.startswith("<svg") for svg in drawn)
    front = next(b for b in blocks if isinstance(b, Figure) and isinstance(b.content, CostFront))
    assert figure_png(front, no_fonts, dpi=50) == figure_png(front, no_fonts, dpi=50)
    assert "按统一价格年折算并贴现" in portfolio_basis("附件7")[1]
