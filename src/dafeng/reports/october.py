"""The yearly progress report (年度工作情况报告) that goes upwards by the end of October.

Text states facts: every sentence is made from values, gaps and bodies of an assessment; where a value is unknown the
clause is left out and annex 4 says what is missing and who should supply it. Experience, cases and causes are slots for
the clerk. What dafeng does not compute yet is said to be 暂未建设.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import polars as pl

from dafeng.assessment.records import Assessment, Status, TargetAssessment
from dafeng.base.target import Measure
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.reports.carbon_chapter import ANNEX_TITLE, carbon_annex, carbon_basis, carbon_paragraph, peak_clause
from dafeng.reports.carbon_facts import CarbonFacts
from dafeng.reports.checkup_chapter import ANNEX_TITLE as CHECKUP_TITLE
from dafeng.reports.checkup_chapter import (
    CheckUpFacts,
    checkup_annex,
    checkup_basis,
    checkup_paragraph,
    checkup_problem,
)
from dafeng.reports.document import (
    Addressee,
    Annex,
    AnnexList,
    Block,
    Figure,
    Heading,
    KeyFigure,
    KeyFigures,
    Note,
    PageBreak,
    Paragraph,
    Report,
    Run,
    SignatureBlock,
    Title,
)
from dafeng.reports.ledger_chapter import ANNEX_TITLE as LEDGER_TITLE
from dafeng.reports.ledger_chapter import ledger_annex, ledger_basis, ledger_paragraph, ledger_problem
from dafeng.reports.ledger_facts import LedgerFacts
from dafeng.reports.metering_chapter import ANNEX_TITLE as METERING_TITLE
from dafeng.reports.metering_chapter import MeteringFacts, metering_annex, metering_basis, metering_paragraph
from dafeng.reports.october_annex import annex_sources, conventions
from dafeng.reports.october_facts import OctoberFacts, OctoberScope, amount_text
from dafeng.reports.october_figures import outlook_figure, status_figure
from dafeng.reports.october_narrative import (
    check_narratives,
    narrative_basis,
    narrative_parts,
    numeral,
    worked_chapters,
    written,
)
from dafeng.reports.october_request import UNBUILT, OctoberRequest
from dafeng.reports.october_tables import chapter_table, gap_table, progress_table, target_table
from dafeng.reports.pathway_chapter import ANNEX_TITLE as PATHWAY_TITLE
from dafeng.reports.pathway_chapter import (
    PathwayFacts,
    pathway_annex,
    pathway_basis,
    pathway_clause,
    pathway_paragraph,
)
from dafeng.reports.portfolio_chapter import (
    PORTFOLIO_TITLE,
    PortfolioFacts,
    portfolio_annex,
    portfolio_basis,
    portfolio_paragraph,
)
from dafeng.reports.status_words import group_counts
from dafeng.reports.wording import date_zh, joined, written_unit

__all__ = ["UNBUILT", "OctoberRequest", "october_report"]

_ALWAYS: Final = ("met", "on_track", "at_risk", "off_track", "unproven", "no_data")
_NUMERALS: Final = "一二三四五六七八九十"
_WORDS: Final = {
    "met": "已完成", "met_early": "已提前完成", "holds": "符合限值要求", "done": "已完成", "on_track": "按时序推进",
    "at_risk": "按期完成存在风险", "off_track": "进度滞后", "missed": "到期未达成", "breached": "不符合限值要求", "overdue": "到期未见完成佐证，已逾期",
    "unproven": "缺到期年数据，待证", "depends_on_definition": "因口径不同结论不一，待明确",
}  # fmt: skip


def october_report(
    assessment: Assessment,
    plan: Plan,
    catalog: Catalog,
    request: OctoberRequest,
    *,
    lineage: pl.DataFrame | None = None,
    prefectures: Sequence[Assessment] = (),
    carbon: CarbonFacts | None = None,
    ledgers: LedgerFacts | None = None,
    checkup: CheckUpFacts | None = None,
    metering: MeteringFacts | None = None,
    pathways: PathwayFacts | None = None,
    portfolio: PortfolioFacts | None = None,
) -> Report:
    """Return the yearly report of a body, a city or a province.

    Parameters
    ----------
    assessment : Assessment
        The plan judged by the facts; its `as_of` is the day of the figures.
    plan : Plan
    catalog : Catalog
    request : OctoberRequest
    lineage : polars.DataFrame, optional
        Rows of the lineage table that values point at; without it files and cells are shown as 未登记.
    prefectures : sequence of Assessment
        For a province: the same plan judged for its prefectures, shown as references that decide nothing.
    carbon : CarbonFacts, optional
        The place's carbon account; with it the report gains a paragraph in section 一 and annex 5.
    ledgers : LedgerFacts, optional
        What ledgers say; with it the report gains a paragraph in section 一, a problem in section 四 and the next annex.
    checkup : CheckUpFacts, optional
        What sets of indicators say; with it the report gains as much again.
    pathways : PathwayFacts, optional
        Scenarios of the promised peak; with it the report gains a clause in the summary, a paragraph in section 一 and an annex.
    portfolio : PortfolioFacts, optional
        The cheapest measures under the plan's targets; with it the report gains a paragraph in section 一 and an annex.
    metering : MeteringFacts, optional
        What monitored buildings used; with it the report gains a paragraph in section 一 and an annex.

    Returns
    -------
    Report
    """
    body = request.body if request.scope is OctoberScope.BODY else None
    facts = OctoberFacts(assessment, plan, catalog, year=request.year, body=body, lineage=lineage)
    parts, narratives = narrative_parts(facts), request.narratives
    check_narratives(parts, narratives)
    asks = {part.key: part.asks for part in parts}
    by_hand = narrative_basis(parts, narratives)
    if by_hand is not None:
        request = replace(request, remarks=(*request.remarks, by_hand))
    signer, addressee = _parties(facts, request)
    subject = f"{signer}关于{request.year}年度\n城乡建设领域碳达峰工作情况的报告"
    annexes = (
        "目标完成情况表",
        "重点任务进展清单",
        "典型案例",
        "数据来源与口径说明",
        *[ANNEX_TITLE] * (carbon is not None),
        *[PATHWAY_TITLE] * (pathways is not None),
        *[PORTFOLIO_TITLE] * (portfolio is not None),
        *[LEDGER_TITLE] * (ledgers is not None),
        *[CHECKUP_TITLE] * (checkup is not None),
        *[METERING_TITLE] * (metering is not None),
    )
    labels = {title: f"附件{number}" for number, title in enumerate(annexes, start=1)}
    label, of_checkup, of_metering, of_pathways, of_portfolio = (
        labels.get(title, "") for title in (LEDGER_TITLE, CHECKUP_TITLE, METERING_TITLE, PATHWAY_TITLE, PORTFOLIO_TITLE)
    )
    if carbon is not None:
        request = replace(request, remarks=(*request.remarks, carbon_basis(carbon)))
    if pathways is not None:
        request = replace(request, remarks=(*request.remarks, pathway_basis(of_pathways)))
    if portfolio is not None:
        request = replace(request, remarks=(*request.remarks, portfolio_basis(of_portfolio)))
    if ledgers is not None:
        request = replace(request, remarks=(*request.remarks, ledger_basis(label)))
    if checkup is not None:
        request = replace(request, remarks=(*request.remarks, checkup_basis(of_checkup)))
    if metering is not None:
        request = replace(request, remarks=(*request.remarks, metering_basis(of_metering)))
    blocks: list[Block] = [
        *_summary(facts, request, carbon, pathways),
        PageBreak(),
        Title(text=subject),
        Addressee(text=addressee),
        _lead(facts),
        *_section_targets(facts),
        *([] if carbon is None else [carbon_paragraph(carbon)]),
        *([] if pathways is None else [pathway_paragraph(pathways, of_pathways)]),
        *([] if portfolio is None else [portfolio_paragraph(portfolio, of_portfolio)]),
        *([] if ledgers is None else [ledger_paragraph(ledgers, label)]),
        *([] if checkup is None else [checkup_paragraph(checkup, of_checkup)]),
        *([] if metering is None else [metering_paragraph(metering, of_metering)]),
        *_section_work(facts, narratives, asks),
        Heading(level=1, text="三、典型经验做法"),
        *written(narratives, "experience", asks["experience"]),
        *_section_problems(
            facts,
            None if ledgers is None else ledger_problem(ledgers, label),
            None if checkup is None else checkup_problem(checkup, of_checkup),
        ),
        *written(narratives, "causes", asks["causes"]),
        *_section_next(facts),
        *written(narratives, "steps", asks["steps"]),
        Paragraph(runs=(Run(text="特此报告。"),), keep=True),
        AnnexList(names=annexes),
        SignatureBlock(signer=signer, day=request.day, contact=request.contact or "联系人及电话：由承办人填写"),
        Annex(label="附件1", title=annexes[0], landscape=True, anchor="annex-1"),
        target_table(facts),
        Note(
            text=f"1–9月为当年累计或期末数，不代表全年；全年预计为预测值；状态截至{date_zh(assessment.as_of)}；“推定”见附件4。"
        ),
        Annex(label="附件2", title=annexes[1], landscape=True, anchor="annex-2"),
        progress_table(facts),
        Annex(label="附件3", title=annexes[2], anchor="annex-3"),
        *written(narratives, "cases", asks["cases"]),
        *annex_sources(facts, request, prefectures),
    ]
    if carbon is not None:
        blocks += carbon_annex(carbon, plan, first_figure=1 + sum(isinstance(block, Figure) for block in blocks))
    if pathways is not None:
        figures = sum(isinstance(block, Figure) for block in blocks)
        blocks += pathway_annex(pathways, of_pathways, first_figure=1 + figures)
    if portfolio is not None:
        figures = sum(isinstance(block, Figure) for block in blocks)
        blocks += portfolio_annex(portfolio, of_portfolio, first_figure=1 + figures)
    if ledgers is not None:
        blocks += ledger_annex(ledgers, label, year=request.year)
    if checkup is not None:
        blocks += checkup_annex(checkup, of_checkup)
    if metering is not None:
        blocks += metering_annex(metering, of_metering)
    return Report(
        id=f"october-{plan.id}-{request.year}" + (f"-{body}" if body else ""),
        title=subject.replace("\n", ""),
        as_of=assessment.as_of,
        demonstration=assessment.demonstration or (carbon is not None and carbon.demonstration),
        basis=conventions(facts, request),
        blocks=tuple(blocks),
    )


def _parties(facts: OctoberFacts, request: OctoberRequest) -> tuple[str, str]:
    """Return signing body and addressee: as given, else the building department of the place and of the place above."""
    catalog, place = facts.catalog, facts.assessment.place
    own = _department(catalog, place)
    parent = catalog.places.get(place).parent if place in catalog.places else None
    above = "" if parent is None else _department(catalog, parent)
    if request.scope is OctoberScope.BODY:
        named = facts.body is not None and facts.body in catalog.bodies
        signer = catalog.bodies[facts.body].name if named and facts.body is not None else ""
        above = own
    else:
        signer = own
    return request.signer or signer or "［署名由承办人填写］", request.addressee or above or "［主送机关由承办人填写］"


def _department(catalog: Catalog, place: str) -> str:
    """Return the name of the building department of a place, empty where the catalog knows none or several."""
    found = [
        body.name
        for body in catalog.bodies.values()
        if body.place == place
        and body.valid_to is None
        and ("住房和城乡建设" in body.name or "住房城乡建设" in body.name)
    ]
    return found[0] if len(found) == 1 else ""


def _counted(counts: dict[str, int]) -> str:
    return "，".join(f"{group.zh}{count}项" for group, count in group_counts(counts) if count)


def _text(text: str, *inputs: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=inputs)


def _summary(
    facts: OctoberFacts, request: OctoberRequest, carbon: CarbonFacts | None, pathways: PathwayFacts | None
) -> list[Block]:
    """Page one: what a head of office needs to know."""
    counts = facts.counts
    items = [KeyFigure(label="目标", value=str(sum(counts.values())))]
    items += [
        KeyFigure(label=group.zh, value=str(count), state=group.code)
        for group, count in group_counts(counts)
        if count or group.code in _ALWAYS
    ]
    lacking = facts.lacking()
    worst = facts.behind()[:3]
    blocks: list[Block] = [
        Heading(level=1, text="领导摘要"),
        Note(text=f"{facts.assessment.title}　{request.year}年度　数据截至{date_zh(facts.assessment.as_of)}"),
        KeyFigures(items=tuple(items)),
        _text(f"达峰承诺：{_peak(facts, carbon, pathways)}", "peak"),
    ]
    if worst:
        blocks += [_text(f"最需关注的{_NUMERALS[len(worst) - 1]}项："), gap_table(facts, worst)]
    else:
        blocks.append(_text("有数据的目标中，没有判定为滞后、未达成或有风险的。"))
    if lacking:
        names = joined([facts.lacking_label(promise) for promise in lacking], most=6, unit="项指标")
        suppliers: dict[str, int] = {}
        for promise in lacking:
            name = facts.supplier(promise.first)
            suppliers[name] = suppliers.get(name, 0) + 1
        ranked = sorted(suppliers.items(), key=lambda pair: -pair[1])
        listed = "、".join(f"{name}{count}项" for name, count in ranked[:6])
        tail = f"等{len(ranked)}个单位" if len(ranked) > 6 else ""
        blocks += [_text(f"尚不清楚的：{names}。"), _text(f"应提供数据的单位：{listed}{tail}，清单见附件4。")]
    else:
        blocks.append(_text("纳入统计的目标均有数据。"))
    if request.unbuilt:
        blocks.append(Note(text=f"暂未建设、因此本报告不作判断的部分：{'、'.join(request.unbuilt)}。"))
    return blocks


def _peak(facts: OctoberFacts, carbon: CarbonFacts | None, pathways: PathwayFacts | None) -> str:
    peak = facts.plan.peak
    if peak is None:
        return "方案未写明达峰年份。"
    scope = facts.catalog.term("boundary_scope", peak.boundary)
    history = "" if carbon is None else f"；{peak_clause(carbon)}"
    outlook = "本报告未作达峰情景测算" if pathways is None else pathway_clause(pathways)
    return f"{peak.by}年底前达峰，边界为{scope}（方案{peak.clause}）{history}；{outlook}。"


def _lead(facts: OctoberFacts) -> Paragraph:
    number = facts.plan.document.number
    named = f"《{facts.assessment.title}》" + (f"（{number}）" if number else "")
    counts = facts.counts
    verdict = f"纳入统计的{sum(counts.values())}项目标中，{_counted(counts)}。" if counts else "没有纳入统计的目标。"
    return _text(f"按照{named}，现将截至{date_zh(facts.assessment.as_of)}的工作情况报告如下。{verdict}", "counts")


def _section_targets(facts: OctoberFacts) -> list[Block]:
    counts = facts.counts
    blocks: list[Block] = [
        Heading(level=1, text="一、目标任务完成情况"),
        _text(
            f"本报告共统计目标{sum(counts.values())}项，其中{_counted(counts)}。逐项情况见附件1（同一指标不同年份的目标合列一行）。",
            "counts",
        ),
        chapter_table(facts),
        status_figure(facts),
    ]
    figure = outlook_figure(facts)
    return blocks if figure is None else [*blocks, figure]


def _section_work(facts: OctoberFacts, narratives: Mapping[str, str], asks: Mapping[str, str]) -> list[Block]:
    blocks: list[Block] = [Heading(level=1, text="二、主要工作及成效")]
    for position, (number, title) in enumerate(worked_chapters(facts)):
        blocks.append(Heading(level=2, text=f"（{numeral(position)}）{title}"))
        blocks += _work_of_chapter(facts, number)
        blocks += written(narratives, f"work.{number}", asks[f"work.{number}"])
    return blocks


def _work_of_chapter(facts: OctoberFacts, chapter: str) -> list[Block]:
    """Return a paragraph for each task with known values, its title running in."""
    titles = {task.number: task.title for task in facts.plan.tasks}
    sentences: dict[str, list[tuple[str, str]]] = {}
    for promise in facts.promises:
        if promise.first.chapter == chapter and (sentence := _sentence(facts, promise.rows)):
            sentences.setdefault(promise.first.clause, []).append((sentence, promise.first.target))
    blocks: list[Block] = []
    for number, (clause, found) in enumerate(sentences.items(), start=1):
        text, inputs = "".join(sentence for sentence, _ in found), tuple(target for _, target in found)
        if clause in titles:
            blocks.append(Heading(level=3, text=f"{number}. {titles[clause]}", run_in=(Run(text=text),), inputs=inputs))
        else:
            blocks.append(_text(text, *inputs))
    return blocks


def _sentence(facts: OctoberFacts, rows: Sequence[TargetAssessment]) -> str:
    """Return the sentence on one quantity after the slots of the field; empty where no value is known.

    The last whole value stands with its share of the promise or its gap; the part year and the estimate follow, each
    named as such; the words for the states close it.
    """
    known = [item for item in rows if facts.last_value(item) is not None]
    row = max(known, key=lambda item: item.year or 0) if known else rows[-1]
    running = rows[-1] if row.measure is Measure.EACH_YEAR else row
    use, part = facts.last_value(row), facts.part_of_year(running)
    if use is None and part is None:
        return ""
    if row.measure is Measure.MILESTONE:
        return f"{row.label}{_WORDS[row.status.value]}。" if row.status.value in _WORDS else ""
    judged = [row] if row.measure is Measure.EACH_YEAR else list({item.target: item for item in rows}.values())
    clauses = []
    if use is not None:
        against = [_against_promise(facts, item) for item in judged]
        reading = facts.verdict(row).reading if row.status is Status.DEPENDS_ON_DEFINITION else ""
        by = f"（按“{reading}”计）" if reading else ""
        value = f"{facts.period_end(use, row)}，{_subject(facts, row, use.place)}{facts.verb_and_amount(use, row)}{by}"
        clauses.append("，".join([value, *filter(None, against)]))
    if part is not None and part != use:
        subject = "" if use is not None else f"，{_subject(facts, row, part.place)}"
        clauses.append(f"{facts.period_end(part, row)}{subject}{facts.verb_and_amount(part, row)}")
    estimates = [estimate for item in (running, *judged) if (estimate := facts.estimate(item))]
    of_year = "" if part is not None else f"{facts.year}年"
    clauses += [f"{of_year}全年{estimates[0]}{written_unit(facts.unit_of(row))}"] if estimates else []
    words = [_state_words(item) for item in judged]
    if any(words):
        clauses.append("，".join(filter(None, words)))
    return "；".join(clauses) + "。"


def _subject(facts: OctoberFacts, row: TargetAssessment, place: str) -> str:
    where = "" if place == facts.assessment.place else facts.catalog.place_name(place)
    return f"{where}{row.label.removeprefix('每年')}"


def _target_year(row: TargetAssessment) -> str:
    if row.measure is Measure.EACH_YEAR:
        return f"{row.year}年目标"
    return "目标" if row.deadline is None else f"{row.deadline}年目标"


def _against_promise(facts: OctoberFacts, row: TargetAssessment) -> str:
    """Return how the last whole value stands to one promise, empty where that says nothing."""
    distance = facts.distance(row)
    if distance.startswith("完成"):
        return f"完成{_target_year(row)}的{distance[2:]}"
    if distance.startswith("超出"):
        return f"超出限值{distance[2:]}"
    return f"距{_target_year(row)}还{distance}" if distance.startswith("差") else ""


def _state_words(row: TargetAssessment) -> str:
    word = _WORDS.get(row.status.value, "")
    if not word or row.measure is Measure.LIMIT:
        return word
    return f"{_target_year(row)}{word}"


def _section_problems(facts: OctoberFacts, of_projects: str | None, of_checkup: str | None) -> list[Block]:
    """Facts with numbers and who is concerned; causes are the clerk's."""
    blocks: list[Block] = [Heading(level=1, text="四、存在问题")]
    problems = [_problem(facts, row) for row in _distinct(facts.behind())[:4]]
    lacking = facts.lacking()
    if lacking:
        bodies = joined(
            list(dict.fromkeys(facts.supplier(promise.first) for promise in lacking)), most=5, unit="个单位"
        )
        problems.append((f"{len(lacking)}项指标尚缺数据，完成情况无法判定，涉及{bodies}，清单见附件4。", "lacking"))
    open_definitions = [row for row in facts.rows if row.status.value == "depends_on_definition"]
    if open_definitions:
        names = joined(list(dict.fromkeys(row.label for row in open_definitions)), most=4)
        problems.append((f"{names}的口径未定，不同读法结论不一，有待明确。", "definitions"))
    if of_projects is not None:
        problems.append((of_projects, "obligations"))
    if of_checkup is not None:
        problems.append((of_checkup, "checkup"))
    blocks += [_text(f"{number}. {sentence}", source) for number, (sentence, source) in enumerate(problems, start=1)]
    if not problems:
        blocks.append(_text("有数据的目标中没有判定为滞后、未达成或有风险的。"))
    return blocks


def _distinct(rows: Iterable[TargetAssessment]) -> list[TargetAssessment]:
    return list({row.target: row for row in reversed(list(rows))}.values())[::-1]


def _problem(facts: OctoberFacts, row: TargetAssessment) -> tuple[str, str]:
    use = facts.last_value(row)
    distance = facts.distance(row)
    value = (
        ""
        if use is None or row.measure is Measure.MILESTONE
        else f"{facts.period_end(use, row)}{facts.verb_and_amount(use, row)}，"
    )
    asked = f"方案要求{row.phrase}"
    if row.measure is Measure.MILESTONE:
        asked = "方案要求完成" if row.deadline is None else f"方案要求{row.deadline}年底前完成"
    gap = f"，{distance}" if facts.remaining(row) else f"，{_WORDS[row.status.value]}"
    bodies = joined([item.as_written for item in row.bodies], most=4, unit="个单位")
    concerned = f"，涉及{bodies}" if bodies else "，方案未写责任单位"
    return f"{row.label}：{value}{asked}{gap}{concerned}。", row.target


def _section_next(facts: OctoberFacts) -> list[Block]:
    """For each gap one step with body and date."""
    blocks: list[Block] = [Heading(level=1, text="五、下一步工作安排")]
    steps = [(_step(facts, row), row.target) for row in _distinct(facts.behind())[:5]]
    by_supplier: dict[str, list[str]] = {}
    for promise in facts.lacking():
        by_supplier.setdefault(facts.supplier(promise.first), []).append(facts.lacking_label(promise))
    if by_supplier:
        parts = [f"{name}提供{joined(labels, most=2)}" for name, labels in list(by_supplier.items())[:5]]
        tail = f"等（共{len(by_supplier)}个单位，见附件4）" if len(by_supplier) > 5 else ""
        steps.append((f"补齐数据：{'；'.join(parts)}{tail}，于下次报送前完成。", "lacking"))
    blocks += [_text(f"{number}. {sentence}", source) for number, (sentence, source) in enumerate(steps, start=1)]
    return blocks


def _step(facts: OctoberFacts, row: TargetAssessment) -> str:
    verdict, what = facts.verdict(row), facts.next_step(row)
    ahead = (
        row.deadline is not None
        and row.measure is not Measure.EACH_YEAR
        and row.deadline >= facts.assessment.as_of.year
    )
    pace = ""
    if verdict.pace_needed is not None and ahead and facts.remaining(row):
        pace = f"，每年平均需{amount_text(verdict.pace_needed)}"
        if verdict.pace_so_far is not None and verdict.pace_so_far.value * verdict.pace_needed.value > 0:
            pace += f"（此前每年{amount_text(verdict.pace_so_far)}）"
    others = joined([item.as_written for item in facts.others(row)], most=4, unit="个单位")
    together = f"、{others}参与" if others else ""
    lead = f"，{facts.lead(row)}牵头{together}" if row.bodies else "，方案未写责任单位，需明确牵头单位"
    return f"{row.label}：{what}{pace}{lead}。"
