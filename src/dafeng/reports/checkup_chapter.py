"""The chapter on check-ups (城市体检与专项指标评价): n of N, every item by dimension, the list of problems, several years.

Each set stands by itself; nothing is added up over sets. What is unknown is counted and named, a threshold that was not seen
in an official paper is marked 待核, and a value of another extent is shown as reference only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from dafeng.assessment.checkup import CheckUp
from dafeng.assessment.checkup_judging import gap_unit
from dafeng.assessment.checkup_records import (
    WHY_ZH,
    ItemResult,
    ItemState,
    PlaceCheckUp,
    Problem,
    Trend,
    Why,
    YearsLine,
)
from dafeng.assessment.checkup_years import YearsEvaluation
from dafeng.catalog.catalog import Catalog
from dafeng.reports.document import (
    Align,
    Annex,
    Block,
    Cell,
    Column,
    Heading,
    Note,
    Paragraph,
    Report,
    Row,
    Run,
    Table,
    Title,
)
from dafeng.reports.october_facts import MISSING, dataset_title
from dafeng.reports.wording import joined, number_zh, shown_digits, shown_number, written_unit

__all__ = [
    "ANNEX_TITLE",
    "CheckUpFacts",
    "checkup_annex",
    "checkup_basis",
    "checkup_paragraph",
    "checkup_problem",
    "checkup_report",
]

ANNEX_TITLE: Final = "城市体检与专项指标评价"
"""Title of the annex."""
_ANCHOR: Final = "annex-checkup"
_NUMERALS: Final = "一二三四五六七八九十"
_DEMONSTRATION: Final = "【演示】"
_STATE: Final = {
    ItemState.MET: ("达标", "met"),
    ItemState.NOT_MET: ("未达标", "missed"),
    ItemState.UNKNOWN: ("未知", "unknown"),
    ItemState.NO_THRESHOLD: ("只列不判", None),
}
_TREND: Final = {Trend.BETTER: "改善", Trend.WORSE: "变差", Trend.SAME: "持平", Trend.MOVED: "变动"}


@dataclass(frozen=True)
class CheckUpFacts:
    """What the chapter is made from: check-ups of one place and year by several sets, and the evaluation of several years."""

    catalog: Catalog
    place: str
    year: int
    check_ups: tuple[CheckUp, ...]
    evaluation: YearsEvaluation | None = None

    @property
    def known(self) -> tuple[tuple[CheckUp, PlaceCheckUp], ...]:
        """Check-ups of the place and year of which at least one item has a value, with their records."""
        done = tuple((one, one.of(self.place, self.year)) for one in self.check_ups)
        return tuple(pair for pair in done if any(row.value is not None for row in pair[1].rows))


def _text(text: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=("checkup",))


def checkup_paragraph(facts: CheckUpFacts, label: str) -> Paragraph:
    """Return the paragraph of section 一: n of N of each set that has any value.

    Parameters
    ----------
    facts : CheckUpFacts
    label : str
        Label of the annex, such as 附件7.
    """
    link = Run(text=f"逐项结果见{label}。", link=_ANCHOR)
    known = facts.known
    if not known:
        sets = "、".join(f"“{one.set.title.zh}”" for one in facts.check_ups)
        return Paragraph(runs=(Run(text=f"{facts.year}年{sets}没有可用的数，未作评价。"), link), inputs=("checkup",))
    said = "；".join(
        f"{_DEMONSTRATION if done.demonstration else ''}“{done.set_title}”{done.sentence}" for _, done in known
    )
    return Paragraph(runs=(Run(text=f"{facts.year}年指标评价方面，{said}。"), link), inputs=("checkup",))


def checkup_problem(facts: CheckUpFacts, label: str) -> str | None:
    """Return the sentence on items not met for section 四, None where none is."""
    problems = [problem for _, done in facts.known for problem in done.problems]
    if not problems:
        return None
    worse = [problem.title for problem in problems if problem.worsening]
    tail = f"，其中{joined(worse, most=3)}比上年变差" if worse else ""
    return (
        f"指标评价：{len(problems)}项未达标（{joined([one.title for one in problems], most=3)}）{tail}，清单见{label}。"
    )


def checkup_basis(label: str) -> tuple[str, str]:
    """Return the convention on check-ups, for annex 4 and the sheet of conventions."""
    return (
        "指标评价",
        "逐项与限值比较，分达标、未达标、未知；没有限值的只列不判。问题数只查了一部分的，查出即未达标，未查出仍为未知；"
        f"其他范围的数只作参考；没有官方权重的指标集不算总分；限值未见官方文件的标“待核”；见{label}。",
    )


def checkup_annex(facts: CheckUpFacts, label: str) -> list[Block]:
    """Return the annex: a part for each set with any value, then several years, then what was left out.

    Parameters
    ----------
    facts : CheckUpFacts
    label : str
    """
    parts: list[tuple[str, list[Block]]] = [("总体情况", _overview(facts))]
    for one, done in facts.known:
        parts.append((done.set_title, _items(one, done, facts.catalog)))
    problems = tuple(problem for _, done in facts.known for problem in done.problems)
    parts.append(("问题台账", _problems(problems, facts.catalog)))
    if facts.evaluation is not None:
        parts.append(_years(facts.evaluation, facts.place))
    left = list(dict.fromkeys(finding.sentence for one in facts.check_ups for finding in one.findings))
    if left:
        parts.append(("未采用的数与说明", [_text(f"{sentence}。") for sentence in left]))
    blocks: list[Block] = [Annex(label=label, title=ANNEX_TITLE, landscape=True, anchor=_ANCHOR)]
    for number, (title, members) in enumerate(parts):
        blocks += [Heading(level=1, text=f"{_numeral(number)}、{title}"), *members]
    return blocks


def checkup_report(facts: CheckUpFacts, *, as_of: date) -> Report:
    """Return the check-up of one place and year as a paper of its own.

    Parameters
    ----------
    facts : CheckUpFacts
    as_of : date
        Day of the facts.
    """
    name = facts.catalog.places.get(facts.place).name
    title = f"{name}{facts.year}年{ANNEX_TITLE}报告"
    return Report(
        id=f"checkup-{facts.place}-{facts.year}",
        title=title,
        as_of=as_of,
        demonstration=any(done.demonstration for _, done in facts.known),
        basis=(checkup_basis("附件"),),
        blocks=(Title(text=title), checkup_paragraph(facts, "附件"), *checkup_annex(facts, "附件")),
    )


def _numeral(number: int) -> str:
    return _NUMERALS[number] if number < 10 else f"十{_NUMERALS[number - 10]}"


def _count(number: int) -> Cell:
    return Cell(text=str(number), number=number, digits=0)


def _overview(facts: CheckUpFacts) -> list[Block]:
    columns = (
        Column(key="set", title="指标集", width=70),
        Column(key="whole", title="总项数", width=18, align=Align.RIGHT),
        Column(key="listed", title="录有项数", width=20, align=Align.RIGHT),
        Column(key="met", title="达标", width=16, align=Align.RIGHT),
        Column(key="not_met", title="未达标", width=18, align=Align.RIGHT),
        Column(key="unknown", title="未知", width=16, align=Align.RIGHT),
        Column(key="shown", title="只列不判", width=20, align=Align.RIGHT),
        Column(key="score", title="加权得分", width=44, align=Align.CENTER),
        Column(key="pending", title="等级", width=16, align=Align.CENTER),
    )
    rows, notes = [], []
    for one in facts.check_ups:
        total = one.total(facts.place, facts.year)
        rows.append(
            Row(
                cells=(
                    Cell(text=one.set.title.zh),
                    Cell(text="未知") if total.whole is None else _count(total.whole),
                    *(_count(value) for value in (total.listed, total.met, total.not_met, total.unknown)),
                    _count(total.without_threshold),
                    Cell(text=_score(one, facts)),
                    Cell(text="A" if one.set.grade.value == "A" else f"{one.set.grade.value}待核"),
                )
            )
        )
        notes += [f"{one.set.title.zh}：{one.set.note}。"] if one.set.note else []
    table = Table(id="checkup-sets", title="指标集总体情况", columns=columns, rows=tuple(rows), size=9)
    return [table, *(Note(text=note) for note in notes)]


def _score(one: CheckUp, facts: CheckUpFacts) -> str:
    total = one.total(facts.place, facts.year)
    if total.score_low is None or total.score_high is None:
        return "无官方权重"
    if total.score_high - total.score_low < 1e-9:
        text = number_zh(total.score_low, 1)
    elif total.score is not None:
        text = f"{number_zh(total.score, 1)}（加分未知）"
    else:
        text = f"{number_zh(total.score_low, 1)}至{number_zh(total.score_high, 1)}（有未知项）"
    condition = f"，须{one.set.rank_condition}" if total.rank and one.set.rank_condition else ""
    return text + (f"，{total.rank}{condition}" if total.rank else "")


def _amount(value: float | None, unit: str) -> Cell:
    if value is None:
        return Cell(text=MISSING)
    if unit == "是否":
        return Cell(text="是" if value >= 1 else "否")
    text = shown_number(value, unit)
    return Cell(text=text, number=value, digits=shown_digits(unit)[0] or len(text.partition(".")[2]))


def _value(row: ItemResult) -> Cell:
    if row.value is None and row.reference is not None:
        return Cell(text=f"（{shown_number(row.reference, row.unit)}）")
    cell = _amount(row.value, row.unit)
    return cell.model_copy(update={"text": f"≥{cell.text}"}) if row.at_least else cell


def _verdict(row: ItemResult) -> Cell:
    word, code = _STATE[row.state]
    return Cell(text=word, state=code)


def _survey(row: ItemResult) -> str:
    if row.surveyed is None:
        return f"覆盖率{row.coverage:.0%}" if row.coverage is not None and row.coverage < 1 else ""
    of = "" if row.to_survey is None else f"／{number_zh(row.to_survey, 0)}"
    return f"{number_zh(row.surveyed, 0)}{of}"


def _remark(row: ItemResult, catalog: Catalog) -> str:
    said = [WHY_ZH[row.why]] if row.why is not Why.NONE else []
    if row.reference_extent is not None:
        said.append(f"括号内为{catalog.term('extent', row.reference_extent)}的数")
    if row.running:
        said.append("当年体检时的数")
    if row.others and row.other_low is not None and row.other_high is not None and row.other_low < row.other_high:
        low, high = shown_number(row.other_low, row.unit), shown_number(row.other_high, row.unit)
        said.append(f"各来源为{low}至{high}")
    marks = [word for word, pending in (("名称待核", row.pending), ("限值待核", row.threshold_pending)) if pending]
    return "；".join([*said, *marks])


def _change(row: ItemResult) -> Cell:
    if row.change is None or row.trend is None:
        return Cell()
    unit = gap_unit(row.unit)
    sign = "+" if row.change > 0 else ""
    text = number_zh(row.change) if unit == "个百分点" else shown_number(row.change, row.unit)
    return Cell(text=f"{sign}{text}（{_TREND[row.trend]}）", number=row.change)


def _items(one: CheckUp, done: PlaceCheckUp, catalog: Catalog) -> list[Block]:
    columns = (
        Column(key="number", title="序号", width=11, align=Align.CENTER),
        Column(key="title", title="指标", width=58),
        Column(key="unit", title="单位", width=20, align=Align.CENTER),
        Column(key="value", title="数值", width=20, align=Align.RIGHT),
        Column(key="change", title="比上年", width=26, align=Align.CENTER),
        Column(key="threshold", title="限值", width=34),
        Column(key="verdict", title="判定", width=20, align=Align.CENTER),
        Column(key="survey", title="已体检／应体检", width=24, align=Align.CENTER),
        Column(key="source", title="来源", width=34),
        Column(key="remark", title="说明", width=50),
    )
    rows: list[Row] = []
    for dimension, members in groupby(done.rows, key=lambda row: row.dimension):
        rows.append(Row(group=dimension))
        rows += [
            Row(
                cells=(
                    Cell(text=row.number),
                    Cell(text=row.title),
                    Cell(text=written_unit(row.unit)),
                    _value(row),
                    _change(row),
                    Cell(text=row.threshold_text),
                    _verdict(row),
                    Cell(text=_survey(row)),
                    Cell(
                        text=""
                        if row.dataset is None
                        else (_DEMONSTRATION if row.demonstration else "") + dataset_title(row.dataset, catalog)
                    ),
                    Cell(text=_remark(row, catalog)),
                )
            )
            for row in members
        ]
    table = Table(id=f"checkup-{one.set.id}", title=done.set_title[:31], columns=columns, rows=tuple(rows), size=8)
    return [_text(f"{done.place_name}{done.year}年：{done.sentence}。"), table]


def _problems(problems: tuple[Problem, ...], catalog: Catalog) -> list[Block]:
    if not problems:
        return [_text("没有查出未达标的项目；未知的项目不在其内，不等于没有问题。")]
    columns = (
        Column(key="order", title="编号", width=12, align=Align.CENTER),
        Column(key="place", title="地方", width=24),
        Column(key="title", title="指标", width=60),
        Column(key="value", title="数值", width=28, align=Align.RIGHT),
        Column(key="threshold", title="限值", width=38),
        Column(key="gap", title="差距", width=30, align=Align.RIGHT),
        Column(key="body", title="责任单位", width=48),
        Column(key="source", title="来源", width=34),
        Column(key="remark", title="说明", width=30),
    )
    rows = []
    for number, one in enumerate(problems, start=1):
        partly = "≥" if one.at_least else ""
        gap = one.gap or 0.0
        shown = (
            number_zh(gap, apart_from=0.0)
            if one.gap_unit == "个百分点"
            else shown_number(gap, one.unit, apart_from=0.0)
        )
        remarks = (("比上年变差", one.worsening), ("只查了一部分", one.partly_surveyed), ("待核", one.pending))
        state = one.unit == "是否"
        rows.append(
            Row(
                cells=(
                    _count(number),
                    Cell(text=one.place_name),
                    Cell(text=one.title),
                    Cell(text="否")
                    if state
                    else Cell(
                        text=partly + shown_number(one.value, one.unit) + written_unit(one.unit), number=one.value
                    ),
                    Cell(text=one.threshold_text),
                    Cell() if state else Cell(text=partly + shown + written_unit(one.gap_unit), number=gap),
                    Cell(text="、".join(one.bodies)),
                    Cell(text="" if one.dataset is None else dataset_title(one.dataset, catalog)),
                    Cell(text="；".join(word for word, holds in remarks if holds)),
                )
            )
        )
    return [
        Table(id="checkup-problems", title="问题台账", columns=columns, rows=tuple(rows), size=8.5),
        Note(text="责任单位取自本地方案中同一指标的责任单位，方案未涉及的留空。整改措施、时限和销号由责任单位填写。"),
    ]


def _years(evaluation: YearsEvaluation, place: str) -> tuple[str, list[Block]]:
    first, last = evaluation.years[0], evaluation.years[-1]
    lines = [line for line in evaluation.lines(place) if line.values or line.breaks]
    columns = (
        Column(key="number", title="序号", width=11, align=Align.CENTER),
        Column(key="title", title="指标", width=58),
        Column(key="unit", title="单位", width=20, align=Align.CENTER),
        *(Column(key=f"y{year}", title=f"{year}年", width=21, align=Align.RIGHT) for year in evaluation.years),
        Column(key="change", title="首末变化", width=36, align=Align.CENTER),
        Column(key="verdict", title=f"{last}年判定", width=24, align=Align.CENTER),
        Column(key="remark", title="说明", width=50),
    )
    rows = tuple(
        Row(
            cells=(
                Cell(text=line.number),
                Cell(text=line.title),
                Cell(text=written_unit(line.unit)),
                *(_amount(line.values.get(year), line.unit) for year in evaluation.years),
                Cell(text=_moved(line)),
                _last_verdict(line, last),
                Cell(text=_line_remark(line)),
            )
        )
        for line in lines
    )
    title = f"{first}—{last}年评估"
    said = [
        f"{year}年{'没有收录指标集，只列不判' if one is None else f'按“{one.title.zh}”'}"
        for year, one in evaluation.force.items()
    ]
    totals = "；".join(f"{year}年{total.sentence}" for year, total in evaluation.totals(place).items())
    known = sum(1 for line in lines if line.values)
    blocks: list[Block] = [
        _text(f"各年按当年的指标集判定：{'，'.join(said)}。{totals}。"),
        _text(f"各年指标集中的{len(evaluation.items)}个量，有任何一年数的{known}个，表中只列这些和更换了的量。")
        if lines
        else _text(f"{len(evaluation.items)}个量各年都没有数。"),
    ]
    if lines:
        blocks.append(Table(id="checkup-years", title=title, columns=columns, rows=rows, size=8))
        blocks.append(
            Note(
                text="首末变化只在同一来源的首年与末年之间计算；其他来源的年份列出而不相连；只查了一部分的数不参加比较。"
            )
        )
    return title, blocks


def _moved(line: YearsLine) -> str:
    if line.change is None or line.trend is None or line.first_year is None or line.last_year is None:
        return ""
    sign = "+" if line.change > 0 else ""
    unit = gap_unit(line.unit)
    text = number_zh(line.change) if unit == "个百分点" else shown_number(line.change, line.unit)
    return f"{sign}{text}（{line.first_year}—{line.last_year}，{_TREND[line.trend]}）"


def _last_verdict(line: YearsLine, last: int) -> Cell:
    if last not in line.names:
        return Cell(text="不在该年指标集")
    word, code = _STATE[line.state]
    return Cell(text=word, state=code)


def _line_remark(line: YearsLine) -> str:
    said = list(line.breaks)
    drift = dict.fromkeys(line.names.values())
    if len(drift) > 1:
        said.append("曾用名：" + "、".join(name for name in drift if name != line.title))
    if line.values and line.years_missing:
        said.append(f"缺{'、'.join(map(str, line.years_missing))}年")
    if line.other_years:
        said.append(f"{'、'.join(map(str, line.other_years))}年为其他来源")
    if line.demonstration:
        said.append("演示数据")
    return "；".join([*said, *(["待核"] if line.pending else [])])
