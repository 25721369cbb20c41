"""The chapter 项目台账与项目义务 of the yearly report: a paragraph in section 一, the detail as an annex with the rows behind it.

What was counted from ledgers stands beside what was reported, with coverage, number of things, counting rule and its grade;
then which projects fail which obligation, what was promised and not built, where ledgers contradict themselves.
"""

from __future__ import annotations

from typing import Final

from dafeng.assessment.series_choice import LEDGER_COVERAGE
from dafeng.base.period import Period
from dafeng.catalog.catalog import Catalog
from dafeng.reports.document import Align, Annex, Block, Cell, Column, Heading, Note, Paragraph, Row, Run, Table
from dafeng.reports.ledger_facts import (
    LedgerFacts,
    LedgerFigure,
    LedgerValue,
    Names,
    class_name,
    masked_keys,
    row_ranges,
)
from dafeng.reports.ledger_obligations import failing_blocks, failing_words, obligation_blocks, promise_blocks
from dafeng.reports.october_facts import MISSING, dataset_title
from dafeng.reports.wording import date_zh, joined, number_zh, shown_digits, shown_number, written_unit

__all__ = ["ANNEX_TITLE", "ledger_annex", "ledger_basis", "ledger_paragraph", "ledger_problem"]

ANNEX_TITLE: Final = "项目台账与项目义务"
"""Title of the annex."""
_ANCHOR: Final = "annex-ledgers"
_NUMERALS: Final = "一二三四五六七八九十"
_CONTRADICTIONS: Final = 40
_APART: Final = 0.005
_STATES: Final = {1.0: "是", 0.0: "否"}


def _text(text: str, *inputs: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=inputs)


def _count(number: int) -> Cell:
    return Cell(text=str(number), number=number, digits=0)


def ledger_paragraph(facts: LedgerFacts, label: str) -> Paragraph:
    """Return the paragraph of section 一: what was counted, what projects owe, what contradicts.

    Parameters
    ----------
    facts : LedgerFacts
    label : str
        Label of the annex, such as 附件6.
    """
    clauses = [f"项目台账方面，在册台账{len(facts.registers)}本、{sum(one.things for one in facts.registers)}个对象"]
    if facts.figures:
        clauses.append(f"方案指标中有{len({one.indicator for one in facts.figures})}项由台账汇总，可逐项查到项目")
    else:
        clauses.append("尚未汇总成指标")
    sentences = ["，".join(clauses) + "。"]
    if facts.projects:
        sentences.append(f"核查{facts.projects}个项目的义务，{failing_words(facts)}。")
    if facts.broken:
        sentences.append(f"{facts.broken}项图审等阶段的承诺未在建成时兑现。")
    if facts.corrected:
        sentences.append(f"{len(facts.corrected)}个数因台账更正已重新汇总。")
    if facts.stale:
        sentences.append(f"{joined(list(facts.stale), most=3)}的台账在汇总以后又有变动，应重新汇总。")
    link = Run(text=f"汇总表、义务核查与台账行号见{label}。", link=_ANCHOR)
    return Paragraph(runs=(Run(text="".join(sentences)), link), inputs=("ledgers",))


def ledger_problem(facts: LedgerFacts, label: str) -> str | None:
    """Return the sentence on projects that fail obligations for section 四, None where none does."""
    if not facts.duties.height:
        return None
    titles = {(use.rulebook, use.rule.id): use.rule.title for use in facts.rules}
    most = (
        facts.duties.group_by("rulebook", "rule")
        .len()
        .sort(["len", "rulebook", "rule"], descending=[True, False, False])
    )
    named = [f"{titles[book, rule]}{count}个" for book, rule, count in most.head(3).iter_rows()]
    return (
        f"项目义务：{facts.failing_projects}个项目不符合方案或规范的要求（{'、'.join(named)}{'等' if most.height > 3 else ''}），"
        f"清单见{label}。"
    )


def ledger_basis(label: str) -> tuple[str, str]:
    """Return the convention on ledgers, for annex 4 and the sheet of conventions."""
    return (
        "项目台账",
        f"由台账汇总、覆盖率不低于{LEDGER_COVERAGE:.0%}的数先于手填报表用于判定，报表数并列，差异列出；自台账首行起的累计总量只是下限，不先于报表数；"
        f"未知的项目不计入也不作零，只降低覆盖率；台账汇总的区县数不列为参考值；见{label}。",
    )


def ledger_annex(facts: LedgerFacts, label: str, *, year: int) -> list[Block]:
    """Return the annex.

    Parameters
    ----------
    facts : LedgerFacts
    label : str
    year : int
        Year of the report.
    """
    parts: list[tuple[str, list[Block]]] = [
        ("在册台账", _registers(facts)),
        ("由台账汇总的指标", _figures(facts, year)),
        ("台账数与报表数的差异", _differences(facts)),
        ("更正后重新汇总的数", _corrections(facts)),
        ("项目义务核查", obligation_blocks(facts)),
        ("不符合项目清单", failing_blocks(facts)),
        ("承诺与建成", promise_blocks(facts)),
        ("台账中的矛盾与疑点", _contradictions(facts)),
        ("数据溯源：台账与行", _rows(facts)),
    ]
    blocks: list[Block] = [Annex(label=label, title=ANNEX_TITLE, landscape=True, anchor=_ANCHOR)]
    for numeral, (title, members) in zip(_NUMERALS, parts, strict=False):
        blocks += [Heading(level=1, text=f"{numeral}、{title}"), *members]
    return blocks


def _registers(facts: LedgerFacts) -> list[Block]:
    columns = (
        Column(key="register", title="台账", width=48),
        Column(key="keeper", title="主管部门", width=70),
        Column(key="things", title="对象数", width=20, align=Align.RIGHT),
        Column(key="rows", title="行数", width=20, align=Align.RIGHT),
        Column(key="recorded", title="最近入库", width=30, align=Align.CENTER),
        Column(key="rollups", title="用于汇总规则", width=24, align=Align.RIGHT),
    )
    rows = tuple(
        Row(
            cells=(
                Cell(text=one.title),
                Cell(text=one.keeper),
                _count(one.things),
                _count(one.rows),
                Cell(text=date_zh(one.recorded_on)),
                _count(one.rollups),
            )
        )
        for one in facts.registers
    )
    return [Table(id="ledger-registers", title="在册台账", columns=columns, rows=rows, size=9)]


def _shown(one: LedgerFigure, value: float | None) -> str:
    if value is None:
        return MISSING
    return _STATES.get(value, number_zh(value)) if one.state else shown_number(value, one.unit)


def _value(one: LedgerFigure, value: float | None) -> Cell:
    text = _shown(one, value)
    if value is None or one.state:
        return Cell(text=text)
    return Cell(text=text, number=float(text), digits=shown_digits(one.unit)[0] or len(text.partition(".")[2]))


def _things(value: LedgerValue) -> str:
    counted = "／".join(map(str, value.things)) or "—"
    return counted + (f"（待定{value.open}）" if value.open else "")


def _coverage(value: LedgerValue) -> Cell:
    if value.coverage is None:
        return Cell()
    return Cell(text=f"{number_zh(100 * value.coverage, 1)}%", number=round(100 * value.coverage, 10), digits=1)


def _figures(facts: LedgerFacts, year: int) -> list[Block]:
    if not facts.figures:
        return [_text("台账尚未汇总成指标（dafeng ledger rollup）。")]
    last, parts = (
        str(year - 1),
        [value.title for one in facts.figures for value in one.values if value.period != str(year - 1)],
    )
    part = parts[0] if parts else f"{year}年"
    columns = (
        Column(key="indicator", title="指标", width=40),
        Column(key="extent", title="范围", width=16, align=Align.CENTER),
        Column(key="unit", title="单位", width=18, align=Align.CENTER),
        Column(key="last", title=f"{last}年", width=19, align=Align.RIGHT),
        Column(key="last_things", title="项数", width=22, align=Align.CENTER),
        Column(key="last_coverage", title="覆盖率", width=15, align=Align.RIGHT),
        Column(key="part", title=part, width=20, align=Align.RIGHT),
        Column(key="part_things", title="项数", width=22, align=Align.CENTER),
        Column(key="rule", title="计数规则（口径）", width=66),
        Column(key="pending", title="等级", width=15, align=Align.CENTER),
        Column(key="registers", title="台账", width=34),
    )
    rows = []
    for one in facts.figures:
        whole = next((value for value in one.values if value.period == last), None)
        running = next((value for value in one.values if value.period != last), None)
        rows.append(
            Row(
                cells=(
                    Cell(text=one.label + ("" if one.leads else "※")),
                    Cell(text=one.extent),
                    Cell(text="" if one.state else written_unit(one.unit)),
                    Cell(text=MISSING) if whole is None else _value(one, whole.value),
                    Cell(text="" if whole is None else _things(whole)),
                    Cell() if whole is None else _coverage(whole),
                    Cell(text=MISSING) if running is None else _value(one, running.value),
                    Cell(text="" if running is None else _things(running)),
                    Cell(text=one.rule),
                    Cell(text=f"{one.pending}待核" if one.pending else "A"),
                    Cell(text="、".join(one.registers)),
                )
            )
        )
    when = "" if facts.recorded_on is None else f"{date_zh(facts.recorded_on)}汇总入库。"
    note = (
        f"{when}项数为计入的对象数，占比按分子／分母（汇总规则的次序）列；待定为缺字段而不知是否计入的对象，不计入，降低覆盖率。"
        "※为自台账首行起的累计总量，首行以前的不在内，只是下限，判定时不先于报表数。"
    )
    return [
        Table(id="ledger-figures", title="由台账汇总的指标", columns=columns, rows=tuple(rows), size=8),
        Note(text=note),
    ]


def _differences(facts: LedgerFacts) -> list[Block]:
    columns = (
        Column(key="indicator", title="指标", width=58),
        Column(key="period", title="期", width=28, align=Align.CENTER),
        Column(key="unit", title="单位", width=22, align=Align.CENTER),
        Column(key="counted", title="台账汇总", width=22, align=Align.RIGHT),
        Column(key="reported", title="报表数", width=22, align=Align.RIGHT),
        Column(key="dataset", title="报表来源", width=66),
        Column(key="difference", title="台账比报表", width=22, align=Align.RIGHT),
        Column(key="leads", title="先采用", width=16, align=Align.CENTER),
    )
    rows = [
        _difference(one, value, other.dataset, other.value, facts.catalog)
        for one in facts.figures
        for value in one.values
        for other in value.others
        if value.value is not None and abs(value.value - other.value) > _APART * max(abs(other.value), 1e-9)
    ]
    if not rows:
        return [_text("同一指标没有另报，或另报的数与台账汇总相差不到0.5%。")]
    return [
        _text("同一指标、同一范围、同一时期台账汇总与手填报表相差0.5%以上的如下，应由主管部门核对两边的统计范围。"),
        Table(id="ledger-differences", title="台账数与报表数的差异", columns=columns, rows=tuple(rows), size=9),
    ]


def _difference(one: LedgerFigure, value: LedgerValue, dataset: str, other: float, catalog: Catalog) -> Row:
    counted = value.value or 0.0
    ratio = None if other == 0 else 100 * (counted / other - 1)
    sign = "" if ratio is None or ratio < 0 else "+"
    return Row(
        cells=(
            Cell(text=one.label),
            Cell(text=value.title),
            Cell(text=written_unit(one.unit)),
            _value(one, counted),
            _value(one, other),
            Cell(text=dataset_title(dataset, catalog)),
            Cell() if ratio is None else Cell(text=f"{sign}{number_zh(ratio, 1)}%", number=round(ratio, 10), digits=1),
            Cell(
                text="台账" if one.leads and (value.coverage is None or value.coverage >= LEDGER_COVERAGE) else "报表"
            ),
        )
    )


def _corrections(facts: LedgerFacts) -> list[Block]:
    stale = (
        [_text(f"以下指标的台账在汇总以后又有变动，表中仍是汇总时的数，应重新汇总：{'、'.join(facts.stale)}。")]
        if facts.stale
        else []
    )
    if not facts.corrected:
        return [*stale, _text("没有因台账更正而重新汇总的数。")]
    columns = (
        Column(key="indicator", title="指标", width=80),
        Column(key="period", title="期", width=36, align=Align.CENTER),
        Column(key="unit", title="单位", width=30, align=Align.CENTER),
        Column(key="before", title="更正前", width=36, align=Align.RIGHT),
        Column(key="now", title="更正后", width=36, align=Align.RIGHT),
        Column(key="recorded", title="重新汇总", width=40, align=Align.CENTER),
    )
    rows = tuple(
        Row(
            cells=(
                Cell(text=one.label),
                Cell(text=value.title),
                Cell(text=written_unit(one.unit)),
                _value(one, value.before),
                _value(one, value.value),
                Cell(text="" if value.changed_on is None else date_zh(value.changed_on)),
            )
        )
        for one, value in facts.corrected
    )
    return [
        *stale,
        Table(id="ledger-corrections", title="更正后重新汇总的数", columns=columns, rows=rows, size=9),
        Note(text="更正前的数仍在库中，可按当时的日期查看（--known-at）。"),
    ]


def _contradictions(facts: LedgerFacts) -> list[Block]:
    if not facts.contradictions:
        return [_text("没有发现台账自相矛盾之处。")]
    columns = (
        Column(key="number", title="序号", width=12, align=Align.CENTER),
        Column(key="sentence", title="矛盾或疑点", width=150),
        Column(key="first", title="涉及", width=60),
        Column(key="next", title="如何处理", width=50),
    )
    rows = []
    for number, one in enumerate(facts.contradictions[:_CONTRADICTIONS], start=1):
        sentence, first = one.sentence, str(one.evidence.get("first") or "")
        keys = [key for key in first.split("、") if key]
        if facts.shown is Names.MASKED:
            hidden = "buildings.identity" in one.name
            sentence = "两条项目记录可能是同一个项目，目前分别计数" if hidden else masked_keys(sentence, keys)
        rows.append(
            Row(
                cells=(
                    _count(number),
                    Cell(text=sentence),
                    Cell(text="、".join(facts.key(key) for key in keys)),
                    Cell(
                        text=one.next_step if "dafeng" not in one.next_step else "由人判断后登记（dafeng ledger link）"
                    ),
                )
            )
        )
    more = (
        f"共{len(facts.contradictions)}条，表中列前{_CONTRADICTIONS}条。"
        if len(facts.contradictions) > _CONTRADICTIONS
        else ""
    )
    table = Table(id="ledger-contradictions", title="台账中的矛盾与疑点", columns=columns, rows=tuple(rows), size=8.5)
    return [table, *([Note(text=more)] if more else [])]


def _rows(facts: LedgerFacts) -> list[Block]:
    if facts.members.is_empty():
        return [_text("没有由台账汇总的数。")]
    columns = (
        Column(key="indicator", title="计数的量", width=64),
        Column(key="period", title="期", width=26, align=Align.CENTER),
        Column(key="register", title="台账", width=40),
        Column(key="document", title="文件（SHA-256前12位）", width=40),
        Column(key="things", title="项数", width=18, align=Align.RIGHT),
        Column(key="rows", title="行", width=90),
    )
    catalog = facts.catalog
    rows = []
    for row in facts.members.iter_rows(named=True):
        classes = "、".join(class_name(code, catalog) for code in row["classes"].split("、") if code)
        sheet = f"{row['sheet']}：" if row["sheet"] else ""
        rows.append(
            Row(
                cells=(
                    Cell(text=catalog.indicators[row["indicator"]].zh + (f"（{classes}）" if classes else "")),
                    Cell(text=Period.parse(row["period"]).title),
                    Cell(text=catalog.registers[row["register"]].title.zh),
                    Cell(text=row["document"][:12]),
                    _count(len(row["rows"])),
                    Cell(text=sheet + row_ranges(row["rows"])),
                )
            )
        )
    return [
        _text("每个汇总数由哪本台账的哪些行得出（最近一期）；文件以其 SHA-256 存于工作区，行号为工作表中的行。"),
        Table(id="ledger-rows", title="台账与行", columns=columns, rows=tuple(rows), size=8),
    ]
