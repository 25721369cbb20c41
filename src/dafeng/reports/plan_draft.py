"""A drafted plan as two papers: the draft in the layout of official documents, and the notes that explain it (起草说明)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from dafeng.buildings.rule_explanation import words_of
from dafeng.catalog.catalog import Catalog
from dafeng.plans.draft_records import DraftTarget, DraftTask, PlanDraft, SlotKind
from dafeng.plans.draft_wording import draft_sentence, draft_text
from dafeng.plans.phrases import number_text
from dafeng.reports.document import (
    Align,
    Annex,
    AnnexList,
    Block,
    Cell,
    Column,
    Heading,
    Note,
    Paragraph,
    RedHead,
    Report,
    Row,
    Run,
    SignatureBlock,
    Slot,
    Table,
    Title,
)

__all__ = ["DRAFT_MARK", "plan_draft_notes", "plan_draft_report"]

DRAFT_MARK: Final = "（征求意见稿）"
_DUTIES: Final = "重点任务及责任分工表"
_RULES: Final = "上级方案直接适用的项目要求"
_NOTES: Final = "起草说明"
_SLOTS: Final = {
    SlotKind.CARRIED: "承接上级数值",
    SlotKind.ALLOCATED: "本地确定",
    SlotKind.OPEN: "待分解",
    SlotKind.EVENT: "事项",
}
_DUTY_COLUMNS: Final = (
    Column(key="number", title="序号", width=9, align=Align.CENTER),
    Column(key="task", title="重点任务", width=34),
    Column(key="content", title="主要内容", width=56),
    Column(key="lead", title="牵头单位", width=28),
    Column(key="responsible", title="责任单位", width=60),
    Column(key="deadline", title="完成时限", width=18, align=Align.CENTER),
)
_RULE_COLUMNS: Final = (
    Column(key="number", title="序号", width=9, align=Align.CENTER),
    Column(key="clause", title="上级条款", width=20),
    Column(key="title", title="要求", width=56),
    Column(key="when", title="适用", width=70),
    Column(key="require", title="须达到", width=44),
)
_SOURCE_COLUMNS: Final = (
    Column(key="clause", title="本稿条款", width=20),
    Column(key="label", title="指标", width=44),
    Column(key="parent", title="上级条款及数值", width=70),
    Column(key="slot", title="取值", width=22),
    Column(key="note", title="须核对", width=66),
)
_LEFT_COLUMNS: Final = (
    Column(key="clause", title="上级条款", width=20),
    Column(key="phrase", title="内容", width=90),
    Column(key="reason", title="未列入的理由", width=70),
)
_BODY_COLUMNS: Final = (
    Column(key="parent", title="上级写法", width=50),
    Column(key="own", title="本稿写法", width=50),
    Column(key="note", title="须核对", width=90),
)


def plan_draft_report(draft: PlanDraft, *, red_head: RedHead | None = None, signer: str | None = None) -> Report:
    """Return a drafted plan as a paper: own sentences in the standard forms, slots marked, the list of duties as annex.

    Parameters
    ----------
    draft : PlanDraft
    red_head : RedHead, optional
        Drawn only where given; its fields are typed by the user.
    signer : str, optional
        Issuing body; a place to fill in where None.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.drafting import draft_plan
    >>> catalog = load_catalog()
    >>> draft = draft_plan(catalog.plan("jilin-2023"), catalog, place="changchun", as_of=date(2024, 3, 1))
    >>> paper = plan_draft_report(draft)
    >>> paper.blocks[0].text.split(), [table.id for table in paper.tables()]
    (['长春市城乡建设领域碳达峰工作方案', '（征求意见稿）'], ['duties'])
    """
    head: tuple[Block, ...] = () if red_head is None else (red_head,)
    return Report(
        id=f"draft-{draft.place}",
        title=draft.title + DRAFT_MARK,
        as_of=draft.as_of,
        blocks=(
            *head,
            Title(text=f"{draft.title}\n{DRAFT_MARK}"),
            Paragraph(runs=(Run(text=_lead(draft)),)),
            *_text(draft),
            AnnexList(names=(_DUTIES,)),
            SignatureBlock(signer=signer or "【印发机关】"),
            Annex(label="附件", title=_DUTIES, landscape=True),
            Table(id="duties", title=_DUTIES, columns=_DUTY_COLUMNS, rows=tuple(_duty_rows(draft)), size=9.0),
            Note(text="牵头单位按责任单位首位推定，由起草单位确认。"),
        ),
    )


def plan_draft_notes(draft: PlanDraft, catalog: Catalog) -> Report:
    """Return the notes on a draft: whence each value comes, what is left out and why, whose names were changed, what binds anyway.

    Parameters
    ----------
    draft : PlanDraft
    catalog : Catalog
        Project fields, for the words of duties on single projects.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.drafting import draft_plan
    >>> catalog = load_catalog()
    >>> draft = draft_plan(catalog.plan("national-2022"), catalog, place="jilin", as_of=date(2024, 3, 1))
    >>> [(table.id, len(table.rows)) for table in plan_draft_notes(draft, catalog).tables()]
    [('sources', 46), ('left', 1), ('bodies', 0), ('rules', 6)]
    """
    title = f"{draft.title}{_NOTES}"
    return Report(
        id=f"draft-notes-{draft.place}",
        title=title,
        as_of=draft.as_of,
        blocks=(Annex(label="供内部核对", title=title, landscape=True), *_notes(draft, catalog)),
    )


def _lead(draft: PlanDraft) -> str:
    number = f"（{draft.parent_number}）" if draft.parent_number else ""
    return (
        f"为落实《{draft.parent_title}》{number}，把目标和任务落到单位，结合{draft.place_name}实际，制定本方案。"
        f"文中标“【】”处和带底纹的数值由起草单位核定。"
    )


def _text(draft: PlanDraft) -> Iterator[Block]:
    for chapter in draft.chapters:
        yield Heading(level=1, text=f"{chapter.number}、{chapter.title}")
        if chapter.parent is None and chapter is draft.chapters[0]:
            goals = _undated_first(draft.of(chapter.number))
            yield from (_paragraph([target], ()) for target in goals)
            if not goals:
                yield Slot(text="总体目标")
            continue
        for task in draft.tasks:
            if task.number.startswith(f"{chapter.number}（"):
                yield from _task(draft, task)


def _task(draft: PlanDraft, task: DraftTask) -> Iterator[Block]:
    mark = task.number[task.number.index("（") :]
    yield Heading(level=2, text=f"{mark}{task.title}")
    yield Slot(text="具体措施、项目和进度安排")
    if any(duty.clause == task.number for duty in draft.obligations):
        yield Paragraph(runs=(Run(text=f"上级方案“{task.title}”一款对项目的要求直接适用。"),))
    targets = _undated_first(draft.of(task.number))
    apart = [target for target in targets if target.bodies != task.bodies]
    for target in apart:
        yield _paragraph([target], target.bodies)
    together = [target for target in targets if target.bodies == task.bodies]
    if together:
        yield _paragraph(together, task.bodies)
    elif task.bodies:
        yield Paragraph(runs=(Run(text="按本款分工推进。"), _bracket(task.bodies)))
    if not task.bodies and not any(target.bodies for target in apart):
        yield Slot(text="责任单位")


def _undated_first(targets: Iterable[DraftTarget]) -> list[DraftTarget]:
    """Put targets without a year first, so that no year before them seems to hold for them too."""
    return sorted(targets, key=lambda target: target.by is not None)


def _paragraph(targets: Sequence[DraftTarget], bodies: Sequence[str]) -> Paragraph:
    runs: list[Run] = []
    for target in targets:
        runs += [Run(text=piece.text, slot=piece.slot) for piece in draft_sentence(target)]
        runs.append(Run(text="。"))
    if bodies:
        runs.append(_bracket(bodies))
    return Paragraph(runs=tuple(runs), inputs=tuple(target.id for target in targets))


def _bracket(bodies: Sequence[str]) -> Run:
    return Run(text=f"（责任单位：{'、'.join(bodies)}）")


def _notes(draft: PlanDraft, catalog: Catalog) -> Iterator[Block]:
    rules = [
        (
            str(number),
            duty.parent_clause,
            duty.phrase,
            words_of(duty.obligation.when, catalog),
            words_of(duty.obligation.require, catalog),
        )
        for number, duty in enumerate(draft.obligations, start=1)
    ]
    sources = [
        (target.clause, target.label, f"{target.parent_clause}：{target.parent_phrase}", _slot(target), target.note)
        for target in draft.targets
    ]
    yield _table("sources", "数值来源", _SOURCE_COLUMNS, sources, show_title=True)
    left = [(each.clause, each.phrase, each.reason) for each in draft.left_out]
    yield _table("left", "未列入的上级事项", _LEFT_COLUMNS, left, show_title=True)
    bodies = [(move.parent, move.own or "不列", move.reason) for move in draft.bodies]
    yield _table("bodies", "责任单位对照", _BODY_COLUMNS, bodies, show_title=True)
    yield _table("rules", _RULES, _RULE_COLUMNS, rules, show_title=True)
    yield Note(text=f"以上项目要求由《{draft.parent_title}》提出，对项目直接适用，草案只作指引，不重复规定。")


def _slot(target: DraftTarget) -> str:
    if target.slot is SlotKind.ALLOCATED and target.value is not None:
        return f"{_SLOTS[target.slot]}：{number_text(target.value)}{target.unit or ''}"
    return _SLOTS[target.slot]


def _duty_rows(draft: PlanDraft) -> Iterator[Row]:
    number = 0
    goals = draft.chapters[0]
    for chapter in draft.chapters:
        yield Row(group=f"{chapter.number}、{chapter.title}")
        rows: list[tuple[str, str, tuple[str, ...]]]
        if chapter is goals:
            rows = [(chapter.number, chapter.title, ())] if draft.of(chapter.number) else []
        else:
            mark = f"{chapter.number}（"
            rows = [(task.number, task.title, task.bodies) for task in draft.tasks if task.number.startswith(mark)]
        for clause, title, bodies in rows:
            targets = _undated_first(draft.of(clause))
            number += 1
            content = "；".join(draft_text(target) for target in targets)
            years = sorted({target.by for target in targets if target.by is not None})
            yield Row(
                cells=(
                    Cell(text=str(number), number=number, digits=0),
                    Cell(text=title),
                    Cell(text=content or "【具体措施】"),
                    Cell(text=bodies[0] if bodies else "—"),
                    Cell(text="、".join(bodies[1:]) or "—"),
                    Cell(text="、".join(f"{year}年" for year in years) or "长期"),
                )
            )


def _table(
    name: str,
    title: str,
    columns: tuple[Column, ...],
    rows: Iterable[tuple[str, ...]],
    *,
    show_title: bool = False,
) -> Table:
    cells = tuple(Row(cells=tuple(Cell(text=text) for text in row)) for row in rows)
    return Table(id=name, title=title, columns=columns, rows=cells, size=9.0, show_title=show_title)
