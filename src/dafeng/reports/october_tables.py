"""Tables of the yearly report: targets, progress by body, sources, what is unknown, references, definitions to verify."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dafeng.assessment.records import Assessment, Reference, Status, TargetAssessment, ValueUse
from dafeng.base.target import Measure
from dafeng.reports.document import STATE_SHAPES, Align, Cell, Column, Row, Table
from dafeng.reports.october_facts import MISSING, OctoberFacts, Promise, published
from dafeng.reports.status_words import group_counts, state_zh
from dafeng.reports.wording import joined

__all__ = [
    "chapter_table",
    "gap_table",
    "pending_table",
    "prefecture_table",
    "progress_table",
    "reference_table",
    "source_table",
    "target_table",
    "unknown_table",
]

_MILESTONES: Final = (2025, 2030)


def _column(key: str, title: str, width: float, align: Align = Align.LEFT) -> Column:
    return Column(key=key, title=title, width=width, align=align)


def chapter_table(facts: OctoberFacts) -> Table:
    """Return how many targets of each chapter have which state."""
    groups = [group for group, count in group_counts(facts.counts) if count]
    rows = []
    for number, title in facts.chapters():
        counts = facts.counts_of_chapter(number)
        rows.append(_count_row(f"{number}　{title}", counts, [group.code for group in groups]))
    rows.append(_count_row("合计", facts.counts, [group.code for group in groups]))
    columns = [_column("chapter", "方案章节", 52)]
    columns += [_column(group.code, STATE_SHAPES[group.code] + group.zh, 13, Align.CENTER) for group in groups]
    columns.append(_column("total", "合计", 10, Align.CENTER))
    return Table(id="chapters", title="分章完成情况", columns=tuple(columns), rows=tuple(rows), unit="项", size=10.0)


def _count_row(label: str, counts: dict[str, int], codes: Sequence[str]) -> Row:
    by_group = {group.code: count for group, count in group_counts(counts)}
    numbers = [*(by_group[code] for code in codes), sum(by_group.values())]
    return Row(cells=(Cell(text=label), *(Cell(text=str(count), number=count, digits=0) for count in numbers)))


def gap_table(facts: OctoberFacts, rows: Sequence[TargetAssessment]) -> Table:
    """Return what needs most care for the leader's summary."""
    found = []
    for row in rows:
        use = facts.last_value(row)
        found.append(
            Row(
                cells=(
                    Cell(text=row.phrase),
                    Cell(text=_unknown(row) if use is None else facts.stated(use, row)),
                    Cell(text=facts.distance(row)),
                    Cell(text=state_zh(facts.catalog, row.status.value), state=row.status.value),
                    Cell(text=facts.lead(row)),
                )
            )
        )
    columns = (
        _column("promise", "承诺", 52), _column("value", "最近值", 30), _column("gap", "差距", 24),
        _column("state", "状态", 20, Align.CENTER), _column("lead", "牵头单位", 30),
    )  # fmt: skip
    return Table(id="gaps", title="主要差距", columns=columns, rows=tuple(found), size=10.0)


def target_table(facts: OctoberFacts) -> Table:
    """Return annex 1: every counted target with promise, values, distance, state, lead and basis."""
    last, now = facts.year - 1, facts.year
    columns = (
        _column("number", "序号", 8, Align.CENTER), _column("indicator", "指标", 32), _column("unit", "单位", 14, Align.CENTER),
        _column("clause", "方案条款", 14, Align.CENTER), _column("target_2025", "2025目标", 16, Align.RIGHT),
        _column("target_2030", "2030目标", 16, Align.RIGHT), _column("last_year", f"上年实际（{last}年）", 17, Align.RIGHT),
        _column("part_year", "1–9月", 15, Align.RIGHT), _column("estimate", "全年预计", 16, Align.RIGHT),
        _column("distance", "完成率或差距", 20), _column("state", "状态", 20, Align.CENTER), _column("lead", "牵头单位", 21),
        _column("source", "来源及口径", 36),
    )  # fmt: skip
    rows: list[Row] = []
    chapter = None
    for number, promise in enumerate(facts.promises, start=1):
        if promise.first.chapter != chapter:
            chapter = promise.first.chapter
            rows.append(Row(group=f"{chapter}　{promise.first.chapter_title}"))
        rows.append(_target_row(facts, promise, number))
    title = f"{now}年度目标完成情况表"
    return Table(id="targets", title=title, columns=columns, rows=tuple(rows), size=8.5)


def _target_row(facts: OctoberFacts, promise: Promise, number: int) -> Row:
    first = promise.first
    last_year = next((use for row in promise.rows if (use := facts.value_of_year(row, facts.year - 1))), None)
    part = next((use for row in promise.rows if (use := facts.part_of_year(row))), None)
    any_value = next((use for row in promise.rows if (use := facts.last_value(row))), None)
    estimates = list(dict.fromkeys(filter(None, (facts.estimate(row) for row in promise.rows))))
    early, late = _promised(facts, promise)
    several = len(promise.rows) > 1
    states = [
        STATE_SHAPES[row.status.value]
        + state_zh(facts.catalog, row.status.value)
        + (f"（{_year(row)}）" if several else "")
        for row in promise.rows
    ]
    distances = [
        text + (f"（{_year(row)}）" if several else "") for row in promise.rows if (text := facts.distance(row))
    ]
    unit = facts.unit_of(first)
    scope = promise.target.scope if promise.target is not None and promise.target.scope else ""
    label = first.label + (f"（{scope}）" if scope and scope not in first.label else "")
    return Row(
        anchor=f"target-{first.target}",
        cells=(
            Cell(text=str(number), number=number, digits=0),
            Cell(text=label, link=promise.anchor if any_value or part else None),
            Cell(text=unit),
            Cell(text=first.clause),
            Cell(text=early),
            Cell(text=late),
            _value_cell(facts, last_year, promise.worst),
            _value_cell(facts, part, promise.worst),
            Cell(text="\n".join(estimates)),
            Cell(text="\n".join(distances)),
            Cell(text="\n".join(states)),
            Cell(text=facts.lead(first)),
            Cell(text=_basis(facts, promise, last_year, part, any_value)),
        ),
    )


def _year(row: TargetAssessment) -> str:
    year = row.year or row.deadline
    return "长期" if year is None else str(year)


def _promised(facts: OctoberFacts, promise: Promise) -> tuple[str, str]:
    """Return the texts of the two promise columns; other years and standing limits say what they are."""
    columns: tuple[list[str], list[str]] = ([], [])
    for row in {row.target: row for row in promise.rows}.values():
        text = facts.bound_text(row)
        year = row.deadline
        if row.measure is Measure.EACH_YEAR:
            text = f"每年{text}"
        elif year is None:
            text = f"长期{text}"
        elif year not in _MILESTONES:
            text = f"{text}\n（{year}年）"
        columns[0 if year is None or year <= _MILESTONES[0] else 1].append(text)
    return "\n".join(columns[0]), "\n".join(columns[1])


def _unknown(row: TargetAssessment) -> str:
    """Return the word for what is not known: of a milestone its evidence, and nothing where that lies in another year."""
    if row.measure is not Measure.MILESTONE:
        return MISSING
    return "" if row.status.fulfilled else "尚无佐证"


def _value_cell(facts: OctoberFacts, use: ValueUse | None, row: TargetAssessment) -> Cell:
    if row.measure is Measure.MILESTONE:
        return Cell(text=_unknown(row) if use is None else facts.amount(use, row))
    if use is None:
        return Cell(text=MISSING)
    text = facts.number(use, row)
    return Cell(text=text, number=float(text), digits=len(text.partition(".")[2]))


def _basis(
    facts: OctoberFacts, promise: Promise, last: ValueUse | None, part: ValueUse | None, any_value: ValueUse | None
) -> str:
    """Return dataset, kind, extent and whatever a reader must know to compare."""
    parts = []
    use = last or part or any_value
    if use is None:
        parts.append("见附件4")
    else:
        parts.append(facts.dataset_name(use.dataset))
        parts.append(facts.catalog.term("extent", use.extent.value))
        parts += filter(None, (facts.kind_note(use), use.basis and facts.catalog.term("basis", use.basis)))
    if last is None and any_value is not None:
        parts.append(f"最近值{facts.stated(any_value, promise.first)}")
    readings = _by_reading(facts, promise.worst)
    if any_value is not None and any_value.parts and promise.first.measure is Measure.CUMULATIVE and not readings:
        parts.append(facts.stated(any_value, promise.first))
    parts += readings
    if part is not None and not part.period.endswith("..09"):
        parts.append(f"进度值为{part.period_title}")
    if use is not None and facts.disagrees(use):
        parts.append("各来源不一，见附件4")
    if promise.first.pending_grade:
        parts.append("口径待核")
    return "；".join(dict.fromkeys(parts))


def _by_reading(facts: OctoberFacts, row: TargetAssessment) -> list[str]:
    """Return the value under each reading, where readings rest on different values."""
    decided = [(one.reading, one.decided_by) for one in row.verdicts if one.decided_by is not None]
    if len({use.value for _, use in decided}) < 2:
        return []
    return [f"{reading}：{facts.stated(use, row)}" for reading, use in decided]


def progress_table(facts: OctoberFacts) -> Table:
    """Return annex 2: what each body leads, with progress, problem and next step."""
    columns = (
        _column("number", "序号", 9, Align.CENTER), _column("task", "重点任务", 46), _column("work", "年度工作内容", 22),
        _column("progress", "进展情况", 42), _column("state", "完成状态", 19, Align.CENTER), _column("body", "责任单位", 36),
        _column("problem", "存在问题", 44), _column("next", "下一步", 36),
    )  # fmt: skip
    groups: dict[str, list[TargetAssessment]] = {}
    for row in facts.rows:
        if facts.body is None:
            owner = row.bodies[0].name if row.bodies else "方案未写责任单位"
        else:
            owner = next(use.name for use in row.bodies if use.id == facts.body)
        groups.setdefault(owner, []).append(row)
    rows: list[Row] = []
    number = 0
    for owner, owned in groups.items():
        rows.append(Row(group=f"{owner}（{len({row.target for row in owned})}项）"))
        for row in owned:
            number += 1
            rows.append(_progress_row(facts, row, number))
    return Table(id="progress", title="重点任务进展清单", columns=columns, rows=tuple(rows), size=8.5)


def _progress_row(facts: OctoberFacts, row: TargetAssessment, number: int) -> Row:
    use, part = facts.last_value(row), facts.part_of_year(row)
    progress = [facts.stated(use, row)] if use is not None else []
    if part is not None and part != use:
        progress.append(facts.stated(part, row))
    running = row.year == facts.assessment.as_of.year and row.status is Status.NO_DATA
    problem = "" if row.status.fulfilled or running or row.status in (Status.ON_TRACK, Status.OPEN) else row.reason
    next_step = ""
    if running:
        next_step = "年底后报送全年数据"
    elif row.measure is Measure.MILESTONE:
        next_step = "" if row.status.fulfilled else facts.next_step(row)
    elif use is None or row.status is Status.UNPROVEN:
        next_step = f"由{facts.supplier(row)}提供数据"
    elif not row.status.fulfilled:
        next_step = facts.next_step(row)
    year = f"（{row.year}年）" if row.year is not None else ""
    return Row(
        cells=(
            Cell(text=str(number), number=number, digits=0),
            Cell(text=f"{row.clause}　{row.phrase}{year}"),
            Cell(text="（由承办人补充）"),
            Cell(text="；".join(progress) or _unknown(row)),
            Cell(text=state_zh(facts.catalog, row.status.value), state=row.status.value),
            Cell(text=joined([use.as_written for use in row.bodies], most=3, unit="家") or "方案未写"),
            Cell(text=problem),
            Cell(text=next_step),
        )
    )


def source_table(facts: OctoberFacts) -> Table:
    """Return where each quoted value stands: dataset, file, cell, and what others say."""
    columns = (
        _column("indicator", "指标", 34), _column("period", "期", 22, Align.CENTER), _column("value", "数值", 24, Align.RIGHT),
        _column("dataset", "数据集", 36), _column("file", "文件", 34), _column("cell", "表与单元格", 28),
        _column("published", "发布日期", 24, Align.CENTER), _column("others", "其他来源的值", 30),
    )  # fmt: skip
    rows: list[Row] = []
    for promise in facts.promises:
        seen: list[tuple[str, str, str, float]] = []
        for row in promise.rows:
            read = [use for one in row.verdicts for use in (one.decided_by, one.latest)]
            for use in (*read, row.latest, facts.part_of_year(row)):
                if use is None or (use.period, use.dataset, use.basis, use.value) in seen:
                    continue
                rows.append(_source_row(facts, row, use, promise.anchor if not seen else None))
                seen.append((use.period, use.dataset, use.basis, use.value))
    return Table(id="sources", title="数据来源", columns=columns, rows=tuple(rows), size=8.5)


def _source_row(facts: OctoberFacts, row: TargetAssessment, use: ValueUse, anchor: str | None) -> Row:
    file, cell = facts.file_and_cell((use.lineage, *(part.lineage for part in use.parts)))
    worked_out = f"由{len(use.parts)}个值算得" if use.parts else ""
    return Row(
        anchor=anchor,
        cells=(
            Cell(text=row.label + (f"（{facts.catalog.term('basis', use.basis)}）" if use.basis else "")),
            Cell(text=use.period_title),
            Cell(text=facts.amount(use, row)),
            Cell(text="；".join(filter(None, (facts.dataset_name(use.dataset), facts.kind_note(use), worked_out)))),
            Cell(text=file or "未登记"),
            Cell(text=cell or "未登记"),
            Cell(text=published(use) or "未登记"),
            Cell(text=facts.spread(use)),
        ),
    )


def unknown_table(facts: OctoberFacts) -> Table:
    """Return what is not known, why, and who should supply it."""
    columns = (
        _column("number", "序号", 9, Align.CENTER), _column("indicator", "指标", 46), _column("clause", "方案条款", 18, Align.CENTER),
        _column("lacking", "缺少的数据", 58), _column("supplier", "应由谁提供", 40), _column("state", "状态", 24, Align.CENTER),
    )  # fmt: skip
    rows = []
    for number, promise in enumerate(facts.lacking(), start=1):
        row = promise.worst if promise.worst.status.value in ("no_data", "unproven", "unknown") else promise.first
        lacking = next(item for item in promise.rows if item.status.value in ("no_data", "unproven", "unknown"))
        rows.append(
            Row(
                anchor=f"unknown-{promise.first.target}",
                cells=(
                    Cell(text=str(number), number=number, digits=0),
                    Cell(text=facts.lacking_label(promise)),
                    Cell(text=row.clause),
                    Cell(text=lacking.reason),
                    Cell(text=facts.supplier(row)),
                    Cell(text=state_zh(facts.catalog, lacking.status.value), state=lacking.status.value),
                ),
            )
        )
    return Table(id="unknown", title="尚缺数据及提供单位", columns=columns, rows=tuple(rows), size=9.0)


def reference_table(facts: OctoberFacts) -> Table:
    """Return values that are shown and never decide: another extent, another breakdown, another place.

    What ledgers give for places below is left out: there is a value for each place, extent and period.
    """
    columns = (
        _column("indicator", "指标", 40), _column("place", "地区", 24), _column("extent", "范围", 18, Align.CENTER),
        _column("period", "期", 22, Align.CENTER), _column("value", "参考值", 28, Align.RIGHT), _column("dataset", "数据集", 40),
        _column("why", "为何不作判定依据", 52),
    )  # fmt: skip
    rows = []
    seen: set[tuple[object, ...]] = set()
    for row in facts.rows:
        for reference in row.references:
            use = reference.use
            key = (row.label, use.place, use.extent, use.period, use.dataset, use.value)
            if key in seen or _of_a_part(facts, reference):
                continue
            seen.add(key)
            rows.append(
                Row(
                    cells=(
                        Cell(text=row.label),
                        Cell(text=facts.catalog.place_name(use.place)),
                        Cell(text=facts.catalog.term("extent", use.extent.value)),
                        Cell(text=use.period_title),
                        Cell(text=facts.amount(use, row)),
                        Cell(text=facts.dataset_name(use.dataset)),
                        Cell(text=reference.why),
                    )
                )
            )
    return Table(id="references", title="参考值（不作判定依据）", columns=columns, rows=tuple(rows), size=8.5)


def _of_a_part(facts: OctoberFacts, reference: Reference) -> bool:
    """Return whether a reference was counted from ledgers for a place below."""
    counted = reference.use.dataset in {rollup.dataset for rollup in facts.catalog.rollups.values()}
    return counted and reference.use.place != facts.assessment.place


def pending_table(facts: OctoberFacts) -> Table:
    """Return the definitions in use that are still to be verified (待核)."""
    columns = (
        _column("indicator", "指标", 50), _column("definition", "本报告采用的口径", 90), _column("source", "出处", 60),
        _column("grade", "等级", 16, Align.CENTER),
    )  # fmt: skip
    rows = []
    for name in dict.fromkeys(row.indicator for row in facts.rows if row.pending_grade):
        indicator = facts.catalog.indicators.get(name)
        if indicator is None:
            continue
        source = facts.catalog.sources.get(indicator.source)
        place = "　".join(filter(None, (source.title if source else indicator.source, indicator.at)))
        grade = f"{indicator.grade.value}（待核）"
        rows.append(
            Row(cells=(Cell(text=indicator.zh), Cell(text=indicator.definition), Cell(text=place), Cell(text=grade)))
        )
    return Table(id="pending", title="待核口径", columns=columns, rows=tuple(rows), size=8.5)


def prefecture_table(facts: OctoberFacts, prefectures: Sequence[Assessment]) -> Table:
    """Return the prefectures' values beside the province's targets, as references that decide nothing."""
    columns = (
        _column("indicator", "指标", 50), _column("prefecture", "市州", 32), _column("period", "期", 26, Align.CENTER),
        _column("value", "数值", 30, Align.RIGHT), _column("dataset", "数据集", 50), _column("extent", "范围", 24, Align.CENTER),
    )  # fmt: skip
    rows: list[Row] = []
    for promise in facts.promises:
        for assessment in prefectures:
            found = assessment.of(promise.first.target)
            use = next((row.latest for row in found if row.latest is not None), None)
            if use is None:
                continue
            rows.append(
                Row(
                    cells=(
                        Cell(text=promise.first.label),
                        Cell(text=facts.catalog.place_name(assessment.place)),
                        Cell(text=use.period_title),
                        Cell(text=facts.amount(use, promise.first)),
                        Cell(text=facts.dataset_name(use.dataset)),
                        Cell(text=facts.catalog.term("extent", use.extent.value)),
                    )
                )
            )
    return Table(id="prefectures", title="各市州数值（参考）", columns=columns, rows=tuple(rows), size=8.5)
