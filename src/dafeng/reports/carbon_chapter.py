"""The chapter 碳排放核算与达峰判断 of the yearly report: one paragraph in section 一, the detail as annex 5.

The account is location-based; market-based values stand beside it in a column of their own and are in no sum. Where a component
is missing no total that needs it is printed, no verdict is given on it, and the component is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dafeng.base.quantity import convert
from dafeng.catalog.carbon_schemas import Scope
from dafeng.catalog.plan_schemas import Plan
from dafeng.methods.rate_policy import RuleKind
from dafeng.reports.carbon_facts import OPERATION, OPERATION_IDENTITY, UNIT, CarbonFacts, PeakReading, years_text
from dafeng.reports.carbon_figures import areas_figure, flows_figure, waterfall_figure
from dafeng.reports.document import Align, Annex, Block, Cell, Column, Figure, Heading, Note, Paragraph, Row, Run, Table
from dafeng.reports.october_facts import MISSING
from dafeng.reports.wording import date_zh, number_zh

__all__ = ["ANNEX_TITLE", "carbon_annex", "carbon_basis", "carbon_paragraph", "peak_clause"]

ANNEX_TITLE: Final = "碳排放核算与达峰判断"
"""Title of the annex."""
_ANCHOR: Final = "annex-5"
_SCOPES: Final = {Scope.ONE: "一", Scope.TWO: "二", Scope.THREE: "三", Scope.MEMO: "备忘"}
_SHOWN_UNITS: Final = {"tCO2/kWh": ("kgCO2/kWh", "千克/千瓦时"), "tCO2/GJ": ("kgCO2/GJ", "千克/吉焦"),
                       "tCO2/m**2": ("kgCO2/m**2", "千克/平方米")}  # fmt: skip
_PENDING: Final = ("B", "C")


def _text(text: str, *inputs: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=inputs)


def _number(value: float) -> str:
    return number_zh(value, 1, keep=True)


def _signed(share: float) -> str:
    word = "上升" if share > 0 else "下降"
    return "持平" if abs(share) < 5e-4 else f"{word}{number_zh(abs(share) * 100, 1)}%"


def peak_clause(facts: CarbonFacts) -> str:
    """Return the clause on the verdict for the summary: the promised view, or why there is no verdict."""
    found = facts.promise
    if found is None:
        return f"{facts.name(facts.promised)}的核算有缺项，未作历史判断"
    return (
        f"对{found.years[0]}—{found.years[-1]}年核算值的判断为{found.verdict.name}，最高值在{found.verdict.peak_year}年"
    )


def carbon_paragraph(facts: CarbonFacts) -> Paragraph:
    """Return the paragraph of section 一: the promised total, its largest parts, the verdict in words."""
    promised = facts.name(facts.promised)
    link = Run(text="核算表、图与系数见附件5。", link=_ANCHOR)
    last = next(iter(reversed(facts.complete_years(facts.promised))), None) if facts.covered else None
    if last is None:
        latest = facts.last_year
        lacking = "、".join(facts.missing_of(latest)) if latest is not None else ""
        because = f"缺{lacking}" if lacking else "边界表没有这一口径" if not facts.covered else "各年都有缺项"
        text = f"碳排放核算方面，{promised}因{because}，未形成合计，也不作达峰判断。"
        return Paragraph(runs=(Run(text=text), link), inputs=("carbon",))
    clauses = [f"{last}年{promised}碳排放核算值为{_amount(facts, last, facts.promised)}（位置法）"]
    base = facts.base_year
    if base is not None and base < last:
        before, after = facts.value(base, facts.promised), facts.value(last, facts.promised)
        if before and after is not None:
            clauses.append(f"比{base}年{_signed(after / before - 1)}")
    parts = facts.parts_of(last)[:3] if facts.promised == "whole_field" else []
    if parts:
        total = facts.value(last, facts.promised) or 1.0
        named = "、".join(f"{part.zh}占{number_zh(100 * value / total, 1)}%" for part, value in parts)
        clauses.append(f"其中{named}")
    sentences = ["，".join(clauses) + "。"]
    newer = [year for year in facts.years if year > last]
    if newer:
        sentences.append(f"{years_text(newer)}年缺{'、'.join(facts.missing_of(newer[-1]))}，未形成合计。")
    if facts.promise is not None:
        sentences.append(facts.promise.verdict.words)
    return Paragraph(runs=(Run(text="".join(sentences)), link), inputs=("carbon",))


def _signed_share(share: float) -> str:
    """Return a share with its sign, for tables."""
    return ("+" if share > 0 else "") + number_zh(share * 100, 1, keep=True) + "%"


def _amount(facts: CarbonFacts, year: int, code: str) -> str:
    value = facts.value(year, code)
    return MISSING if value is None else f"{_number(value)}{UNIT}"


def carbon_annex(facts: CarbonFacts, plan: Plan, *, first_figure: int = 3) -> list[Block]:
    """Return annex 5: boundary, totals, figures, why it changed, verdict, factors.

    Parameters
    ----------
    facts : CarbonFacts
    plan : Plan
    first_figure : int
        Number of its first figure.
    """
    blocks: list[Block] = [Annex(label="附件5", title=ANNEX_TITLE, anchor=_ANCHOR)]
    blocks += [Heading(level=1, text="一、边界与口径"), *(_text(text) for text in _boundary(facts, plan))]
    blocks += [Heading(level=1, text="二、核算结果"), _totals_table(facts), Note(text=_totals_note(facts))]
    blocks += _missing(facts)
    number = first_figure
    figures: list[Block] = []
    for make in (areas_figure, flows_figure):
        figure = make(facts, number)
        if figure is not None:
            figures.append(figure)
            number += 1
    blocks.append(Heading(level=1, text="三、构成与流向"))
    if any(isinstance(figure, Figure) and figure.id == "figure-carbon-flows" for figure in figures):
        figures.append(
            Note(
                text="流向图自左至右为能源品种、组成部分、建筑类别；占比不足1%的品种合为“其他品种”，未分类别的排放不画到右侧。"
            )
        )
    blocks += figures or [_text("没有各组成部分都齐全的年份，不画构成图和流向图。")]
    blocks += [Heading(level=1, text="四、变化的因素"), *_reasons(facts, number)]
    blocks += [Heading(level=1, text="五、达峰判断"), *_verdicts(facts)]
    blocks += [Heading(level=1, text="六、所用系数"), *_factors(facts)]
    return blocks


def carbon_basis(facts: CarbonFacts) -> tuple[str, str]:
    """Return the convention on the account, for annex 4 and the sheet of conventions."""
    rules = "、".join(rule.zh for rule in facts.account.inventory.settings.policy.rules)
    return (
        "碳排放核算",
        f"边界表“{facts.boundary.title.zh}”；取系数的规则依次为{rules}；以位置法为准，市场法另列不相加；见附件5。",
    )


def _boundary(facts: CarbonFacts, plan: Plan) -> list[str]:
    boundary = facts.boundary
    parts = "、".join(component.zh for component in facts.components)
    texts = [
        f"核算采用边界表“{boundary.title.zh}”（等级{boundary.grade}{'，待核' if boundary.grade in _PENDING else ''}），"
        f"由{parts}{len(facts.components)}个组成部分构成；每条活动数据只归入一个组成部分。范围为全域。"
    ]
    promised = facts.name(facts.promised)
    if not facts.covered:
        texts.append(f"方案承诺的达峰口径为{promised}，本边界表没有这一口径，以下数字不能用来判断该承诺。")
    elif plan.peak is None:
        texts.append(f"方案未写明达峰口径，以下按{promised}判断。")
    else:
        own = boundary.views[facts.promised]
        names = {flow.id: flow.zh for flow in boundary.flows} | {part.code: part.zh for part in boundary.components}
        members = "、".join(names.get(code, code) for code in own)
        texts.append(
            f"方案承诺的达峰口径为{promised}（方案{plan.peak.clause}，{plan.peak.by}年底前），包括{members}；先就此口径判断。"
        )
    settings = facts.account.inventory.settings
    net = "含光伏自用部分，核算时已扣减" if settings.gross_purchases else "为净值，光伏自用不再扣减"
    texts.append(
        f"用电以位置法为准；市场法用不含市场化交易非化石电量的系数，只在表中另列，不与位置法相加。购电量{net}；上网光伏只作备忘项。"
        "供热在建筑处按系数计算，或在热源处按燃料计算（含管网损失），两者只取其一。"
    )
    on = {split.id for split in boundary.splits if _is_on(facts, split.id, default=split.default)}
    for split in boundary.splits:
        state = "本报告启用" if split.id in on else "本报告未启用"
        texts.append(f"划分“{split.zh}”{state}：{split.reason}。启用与不启用两种结果都列在第五部分。")
    return texts


def _is_on(facts: CarbonFacts, split: str, *, default: bool) -> bool:
    chosen = facts.account.inventory.settings.split
    return default if chosen is None else split in chosen


def _shown_years(facts: CarbonFacts) -> list[int]:
    """Return base year and last three years."""
    own = set(facts.years[-3:])
    return sorted(own | ({facts.base_year} if facts.base_year is not None else set()))


def _totals_table(facts: CarbonFacts) -> Table:
    years, last = _shown_years(facts), facts.last_year
    columns = [
        Column(key="component", title="组成部分", width=34),
        Column(key="scope", title="范围", width=11, align=Align.CENTER),
    ]
    columns += [
        Column(
            key=f"year_{year}",
            title=f"{year}年" + ("\n（首年）" if year == facts.base_year and len(years) > 1 else ""),
            width=17,
            align=Align.RIGHT,
        )
        for year in years
    ]
    columns += [
        Column(key="market", title=f"{last}年\n市场法", width=18, align=Align.RIGHT),
        Column(key="interval", title=f"{last}年\n95%区间", width=25, align=Align.CENTER),
        Column(key="change", title=f"比{facts.base_year}年", width=17, align=Align.RIGHT),
    ]
    rows = [_total_row(facts, part.code, _SCOPES[part.scope], years) for part in facts.components]
    views = [view for view in dict.fromkeys((facts.promised, OPERATION, "direct")) if view in facts.boundary.views]
    rows.append(Row(group="口径合计（齐全才列出）"))
    for view in views:
        rows.append(
            _total_row(facts, view, "承诺" if view == facts.promised else "", years, strong=view == facts.promised)
        )
    memos = [part for part in facts.memos if any(facts.value(year, part.code) is not None for year in facts.years)]
    if memos:
        rows.append(Row(group="备忘项（不进任何合计）"))
        rows += [_total_row(facts, part.code, _SCOPES[part.scope], years, memo=True) for part in memos]
    return Table(
        id="carbon-totals", title="碳排放核算结果", unit=f"{UNIT}（位置法，另有注明的除外）", columns=tuple(columns),
        rows=tuple(rows), size=9,
    )  # fmt: skip


def _total_row(
    facts: CarbonFacts, code: str, scope: str, years: Sequence[int], *, strong: bool = False, memo: bool = False
) -> Row:
    last, base = facts.last_year or 0, facts.base_year or 0
    cells = [Cell(text=facts.name(code), strong=strong), Cell(text=scope)]
    for year in years:
        value = facts.value(year, code)
        cells.append(Cell(text=MISSING) if value is None else _value(value, strong=strong))
    market, own = facts.value(last, code, market=True), facts.value(last, code)
    if memo:
        return Row(cells=(*cells, Cell(), Cell(), Cell()))
    if market is not None:
        cells.append(_value(market))
    else:
        cells.append(Cell(text=MISSING if own is None else "同位置法"))
    interval = None if own is None else facts.interval(last, code)
    cells.append(Cell(text="" if interval is None else f"{_number(interval[0])}—{_number(interval[1])}"))
    before = facts.value(base, code)
    share = None if own is None or not before or base == last else own / before - 1
    cells.append(Cell() if share is None else Cell(text=_signed_share(share), number=round(share * 100, 10), digits=1))
    return Row(cells=tuple(cells))


def _value(value: float, *, strong: bool = False) -> Cell:
    return Cell(text=_number(value), number=value, digits=1, strong=strong)


def _totals_note(facts: CarbonFacts) -> str:
    pieces = ["区间按活动数据与系数的不确定度合成，同一系数视为完全相关", "缺项的组成部分不以0计，含它的合计不列出"]
    if facts.demonstration:
        pieces.append("数据为演示数据，均为虚构")
    return "；".join(pieces) + "。"


def _missing(facts: CarbonFacts) -> list[Block]:
    if not facts.missing:
        return [_text(f"{years_text(facts.years)}年各组成部分齐全，没有缺项。")]
    rows = tuple(
        Row(cells=(Cell(text=facts.name(code)), Cell(text=years_text(years)), Cell(text=why)))
        for code, why, years in facts.missing
    )
    columns = (
        Column(key="component", title="缺少的组成部分", width=40),
        Column(key="years", title="年份", width=40),
        Column(key="why", title="原因", width=76),
    )
    return [
        _text("以下组成部分缺少或不完整，含它们的合计不列出："),
        Table(id="carbon-missing", title="核算缺项", columns=columns, rows=rows, size=9),
    ]


def _reasons(facts: CarbonFacts, number: int) -> list[Block]:
    found, why = facts.decomposition
    figure = waterfall_figure(facts, number)
    if found is None or figure is None:
        return [_text(f"建筑运行排放的因素分解需要分类建筑面积和分类用能：{why}，未作分解。")]
    first, last = found.years[0], found.years[-1]
    pieces = [
        f"{factor.zh}{'增排' if value > 0 else '减排'}{_number(abs(value))}万吨"
        for factor, value in zip(OPERATION_IDENTITY.factors, found.chained.tolist(), strict=True)
    ]
    change = found.change
    texts = [
        f"按“{OPERATION_IDENTITY.zh}”分建筑类别和能源品种分解（对数平均迪氏指数法，逐年分解后相加，余项为0）："
        f"{first}—{last}年建筑运行碳排放{'增加' if change > 0 else '减少'}{_number(abs(change))}万吨，其中{'、'.join(pieces)}。"
    ]
    carried = sorted({
        year for use in facts.factors if use.rule == RuleKind.BACK_CAST.value and "location_based" in use.bases
        and set(use.components) & {"purchased_electricity", "purchased_heat", "direct_building"} for year in use.years
    })  # fmt: skip
    if carried:
        texts.append(f"{years_text(carried)}年的部分系数是以最早值回推的，“单位用能排放”的贡献不反映这些年电网的变化。")
    return [*(_text(text) for text in texts), figure]


def _verdicts(facts: CarbonFacts) -> list[Block]:
    promised = facts.name(facts.promised)
    if facts.promise is None:
        reason = "边界表没有这一口径" if not facts.covered else "没有齐全的年份"
        blocks: list[Block] = [_text(f"{promised}{reason}，不作达峰判断。")]
    else:
        blocks = []
        for found in (one for one in facts.readings if one.view == facts.promised):
            blocks += [_text(text, "peak") for text in _words(facts, found)]
    if facts.readings:
        blocks.append(_verdict_table(facts))
    blocks.append(
        Note(
            text="判断只说明已有年份：临界值由对整个步骤（取最高值、最高值后的年数、平台、趋势）的模拟得到；它不是达峰概率，也不预测今后。"
        )
    )
    return blocks


def _split_words(facts: CarbonFacts, *, split: bool) -> str:
    if facts.account.unsplit is None:
        return ""
    names = "、".join(one.zh for one in facts.boundary.splits if _is_on(facts, one.id, default=one.default))
    return (f"（{names}）" if split else f"（不作“{names}”）") if names else ""


def _words(facts: CarbonFacts, found: PeakReading) -> list[str]:
    name = facts.name(found.view) + _split_words(facts, split=found.split)
    if found.breaks:
        texts = [f"{name}：先查来源断点，发现{len(found.breaks)}处。"]
        texts += [f"{one.finding(facts.name(found.view)).sentence}。" for one in found.breaks]
        texts.append(f"按全部年份：{found.verdict.words}")
        if found.after_breaks is not None:
            texts.append(f"按断点之后的年份：{found.after_breaks.words}")
    else:
        texts = [f"{name}：未发现来源断点。{found.verdict.words}"]
    if found.verdict.status == "peaked" and found.verdict.peak_year == found.years[0]:
        texts.append(f"最高值在核算首年，{found.years[0]}年以前是否更高，这一序列不能说明。")
    return texts


def _verdict_table(facts: CarbonFacts) -> Table:
    columns = (
        Column(key="view", title="口径", width=30),
        Column(key="split", title="划分", width=36),
        Column(key="years", title="年份", width=24, align=Align.CENTER),
        Column(key="peak_year", title="最高年份", width=17, align=Align.CENTER),
        Column(key="verdict", title="判断", width=24, align=Align.CENTER),
        Column(key="pace", title="年均变化", width=25, align=Align.RIGHT),
    )
    rows = []
    for found in facts.readings:
        verdict = found.verdict
        pace = "" if verdict.pace is None else _signed_share(verdict.pace)
        remark = f"\n（{verdict.since}年起）" if verdict.status == "plateau" else ""
        if verdict.peak_year == found.years[0]:
            remark = "\n（首年最高）"
        rows.append(
            Row(
                cells=(
                    Cell(text=facts.name(found.view), strong=found.view == facts.promised),
                    Cell(text=_split_words(facts, split=found.split).strip("（）") or "无"),
                    Cell(text=years_text(found.years)),
                    Cell(text=f"{verdict.peak_year}", number=verdict.peak_year, digits=0),
                    Cell(text=verdict.name + remark),
                    Cell(text=pace, number=None if verdict.pace is None else verdict.pace * 100, digits=1),
                )
            )
        )
    return Table(id="carbon-peak", title="达峰判断", columns=columns, rows=tuple(rows), size=9)


def _factors(facts: CarbonFacts) -> list[Block]:
    columns = (
        Column(key="factor", title="系数", width=42),
        Column(key="value", title="数值", width=16, align=Align.RIGHT),
        Column(key="unit", title="单位", width=22),
        Column(key="rule", title="规则", width=22),
        Column(key="years", title="用于年份", width=21, align=Align.CENTER),
        Column(key="published", title="公布日", width=21, align=Align.CENTER),
        Column(key="grade", title="等级", width=12, align=Align.CENTER),
    )
    names = {rule.code: rule.zh for rule in facts.account.inventory.settings.policy.rules}
    rows = []
    for use in facts.factors:
        factor = facts.catalog.factors.get(use.factor)
        target, unit = _SHOWN_UNITS.get(use.unit, (use.unit, use.unit))
        value = float(f"{convert(use.value, use.unit, target):.12g}")
        market = "（市场法）" if use.bases == ("market_based",) else ""
        day = "" if use.published_on is None else use.published_on
        rows.append(
            Row(
                cells=(
                    Cell(text=(use.factor if factor is None else factor.zh) + market),
                    Cell(text=number_zh(value, 4), number=value, digits=4),
                    Cell(text=unit),
                    Cell(text=names.get(use.rule, use.rule)),
                    Cell(text=years_text(use.years)),
                    Cell(text=day),
                    Cell(text=use.grade + ("待核" if use.grade in _PENDING else "")),
                )
            )
        )
    if not rows:
        return [_text("没有用到系数：各项排放由来源直接给出。")]
    settings = facts.account.inventory.settings
    pending = sorted({use.factor for use in facts.factors if use.grade in _PENDING})
    blocks: list[Block] = [
        _text(
            f"共用系数{len({use.factor for use in facts.factors})}个，均为{date_zh(settings.as_of)}以前公布；"
            f"其中{len(pending)}个的取值等级为B或C，待核。系数的数据期与公布日是两个日期；没有当年值时按所列规则取值。"
        ),
        Table(id="carbon-factors", title="所用系数", columns=columns, rows=tuple(rows), size=8.5),
    ]
    blocks += [
        _text(f"{factor.zh}：来源相互矛盾，{value.unresolved}。")
        for one in sorted({use.factor for use in facts.factors})
        if (factor := facts.catalog.factors.get(one)) is not None
        for value in factor.values
        if value.unresolved is not None
    ]
    return blocks
