"""From a plan document to a plan of the workspace: read, decide, keep, compare versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.base.errors import ContentError, InputError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.base.record import Record
from dafeng.catalog.decision_schemas import PlanDecision
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Body, Indicator
from dafeng.catalog.yaml_writing import entry_yaml, sections_yaml
from dafeng.intake import read_document
from dafeng.intake.review_reading import ReviewEntry, ReviewPaper, read_review_paper
from dafeng.plans.assembling import SOURCE, AssembledPlan, assemble_plan, plan_id_of
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import NO_PLAN, is_plan, read_plan
from dafeng.plans.reviewing import ReviewRead, accept_above, read_review
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting, open_setting

__all__ = [
    "PlanFromFile",
    "SavedPlan",
    "TakenReview",
    "accept_sure",
    "decisions_of",
    "document_text",
    "lay_over",
    "plan_of",
    "read_plan_file",
    "read_plan_review",
    "save_plan",
    "take_answers",
]


_DOCUMENTS: Final = frozenset((".docx", ".pdf", ".html", ".htm", ".txt", ".doc"))
"""Endings by which a name is known to mean a file, also where there is none."""


@dataclass(frozen=True)
class PlanFromFile:
    """A plan document with everything that was made of it.

    Parameters
    ----------
    document : DocumentText
    reading : ReadPlan
        What the reader saw.
    assembled : AssembledPlan
        The plan, with the decisions of people laid over the reading.
    """

    document: DocumentText
    reading: ReadPlan
    assembled: AssembledPlan


@dataclass(frozen=True)
class TakenReview:
    """What came of a review.

    Parameters
    ----------
    read : PlanFromFile
        The plan with the new decisions laid over it too.
    original : Path
        The document that was reviewed.
    taken : ReviewRead
        New decisions and findings.
    decisions : tuple of PlanDecision
        All decisions about the plan, oldest first.
    """

    read: PlanFromFile
    original: Path
    taken: ReviewRead
    decisions: tuple[PlanDecision, ...]


class SavedPlan(Record):
    """What was kept."""

    plan: str
    """Plan id."""
    files: tuple[str, ...]
    """Files below the workspace's catalog folder."""
    document: str
    """SHA-256 under which the original is kept."""


def read_plan_file(
    setting: Setting,
    path: Path,
    *,
    as_of: date,
    plan_id: str | None = None,
    place: str | None = None,
    exclude_lexicon: frozenset[str] = frozenset(),
    named: str | None = None,
    listener: Listener = silent,
) -> PlanFromFile:
    """Read a plan document and lay over it what people have decided about this plan.

    Parameters
    ----------
    setting : Setting
    path : Path
        .docx, .pdf, .html, .txt or .doc.
    as_of : date
        Day noted in drafts.
    plan_id : str, optional
        Made of place and year where None.
    place : str, optional
        Place id, name or code, where the document does not say.
    exclude_lexicon : frozenset of str
        Names to read without.
    named : str, optional
        File name under which somebody handed in a document that lies under its digest.
    listener : Listener

    Raises
    ------
    UsageError
        Nobody says for which place it plans.
    InputError
        The document cannot be read, or names no place and holds nothing of a plan.
    UnknownNameError
        No such place.
    """
    known = None if place is None else setting.catalog.places.resolve(place).id
    document = read_document(path, listener=listener)
    document = _named(setting, document) if named is None else replace(document, file=named)
    listener("读取方案 / read the plan", 0, None)
    reading = read_plan(document, setting.catalog.without(_is_draft), exclude_lexicon=exclude_lexicon)
    if known is None and reading.outline.head.place is None and not is_plan(reading):
        raise _no_plan(document.file, "read a plan")
    plan_id = plan_id or plan_id_of(reading, document, place=known or reading.outline.head.place)
    decisions = tuple(setting.catalog.decisions.values())
    return PlanFromFile(document, reading, _assembled(setting, document, reading, plan_id, known, decisions, as_of))


def _assembled(
    setting: Setting,
    document: DocumentText,
    reading: ReadPlan,
    plan_id: str,
    place: str | None,
    decisions: Sequence[PlanDecision],
    as_of: date,
) -> AssembledPlan:
    own = re.compile(f"draft[_-]{'[_-]'.join(map(re.escape, plan_id.split('-')))}[_-][0-9]+")
    return assemble_plan(
        reading,
        document,
        setting.catalog.without(lambda entry: _is_draft(entry) and own.fullmatch(getattr(entry, "id", "")) is not None),
        plan_id=plan_id,
        place=place,
        decisions=decisions,
        checked_on=as_of,
    )


def _named(setting: Setting, document: DocumentText) -> DocumentText:
    """Return a document that the workspace keeps under its digest by the name that it had."""
    if document.file != document.sha256:
        return document
    plans = [plan.document for plan in setting.catalog.plans.values() if plan.document.sha256 == document.sha256]
    return replace(document, file=next((plan.named for plan in plans if plan.named), document.file))


def _is_draft(entry: Record) -> bool:
    """Whether an entry was proposed by reading a plan; a reading must not take its own proposals for the catalog's."""
    return isinstance(entry, (Indicator, Body)) and entry.source == SOURCE


def _no_plan(file: str, doing: str) -> InputError:
    return InputError(
        f"{file} 中没有目标、义务和责任单位，不像是方案 / it holds no target, no duty and no responsible body",
        doing=doing,
        expected="碳达峰方案一类的正式文件 / a plan document",
        next_step="确认文件是否拿对；确是方案的，用 dafeng plan read --format xlsx 补录 / check that it is the right file, or add what is missing in the review sheet",
        file=file,
        name=NO_PLAN,
    )


def save_plan(
    setting: Setting,
    read: PlanFromFile,
    original: Path,
    *,
    replace: bool = False,
    decisions: Sequence[PlanDecision] = (),
) -> SavedPlan:
    """Keep a plan, its drafts, its document and new decisions about it in the workspace: all or nothing of the catalog.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    InputError
        The document promises, obliges and tasks nothing: it is no plan.
    UsageError
        A plan of that id ships with dafeng and `replace` is not set.
    ContentError
        The catalog would not hold with the plan; nothing is kept then.
    """
    workspace, _ = need_workspace(setting)
    plan = read.assembled.plan
    if not (plan.targets or plan.obligations or any(task.bodies for task in plan.tasks)):
        raise _no_plan(read.document.file, "keep a plan")
    shipped = open_setting(None).catalog
    if plan.id in shipped.plans and not replace:
        raise UsageError(
            f"the plan {plan.id} ships with dafeng, checked by hand",
            doing="keep a plan",
            expected="a plan id that is free",
            next_step=f"--id {plan.id}-read, or --replace to lay yours over it",
        )
    key = workspace.put_document(original)
    files = {
        f"plans/{plan.id}.yaml": entry_yaml(plan, comment=_comment(read)),
        f"drafts/{plan.id}.yaml": sections_yaml(
            {"indicators": read.assembled.draft_indicators, "bodies": read.assembled.draft_bodies},
            comment="方案读取生成的草案，待核；确认后改写定义、来源和等级，移入正式目录，否则再次读取时重新生成。\nDrafts made by reading a plan, made anew by each reading; to keep one, define it, name its source and move it elsewhere.",
        ),
    }
    if decisions:
        comment = "复核决定：谁、何时、为什么；以摘要指向原文，不存原句。\nDecisions about the reading of a plan: who, when, why."
        files[f"decisions/{plan.id}.yaml"] = sections_yaml({"decisions": decisions}, comment=comment)
    faults: list[Finding] = workspace.put_catalog_files(files)
    if faults:
        shown = "；".join(f"{fault.where}：{fault.sentence}" for fault in faults[:5])
        raise ContentError(
            f"{len(faults)} 处不成立 / faults: {shown}",
            doing=f"keep the plan {plan.id}",
            expected="a plan with which the catalog holds",
            next_step="在复核表中改正这些条目后重新提交 / mend these entries in the review sheet",
            findings=[fault.model_dump(mode="json") for fault in faults],
        )
    return SavedPlan(plan=plan.id, files=tuple(files), document=key)


def decisions_of(setting: Setting, plan_id: str) -> tuple[PlanDecision, ...]:
    """Return what people decided about a plan, oldest first."""
    own = [decision for decision in setting.catalog.decisions.values() if decision.plan == plan_id]
    return tuple(sorted(own, key=lambda decision: (decision.on, decision.id)))


def _with_decisions(setting: Setting, plan_id: str, new: Iterable[PlanDecision]) -> tuple[PlanDecision, ...]:
    """Return what the workspace keeps about a plan together with new decisions, oldest first."""
    every = {decision.id: decision for decision in (*decisions_of(setting, plan_id), *new)}
    return tuple(sorted(every.values(), key=lambda decision: (decision.on, decision.id)))


def read_plan_review(
    setting: Setting,
    review: Path | None,
    *,
    document: Path | None = None,
    plan_id: str | None = None,
    place: str | None = None,
    by: str | None,
    on: date,
    above: float | None = None,
) -> TakenReview:
    """Take the decisions of a review paper, or accept in bulk what is sure enough.

    Parameters
    ----------
    setting : Setting
    review : Path or None
        Filled workbook or commented document; None to accept in bulk alone.
    document : Path, optional
        The plan document; the one that the workspace keeps where None.
    plan_id, place : str, optional
        As for `read_plan_file`; the paper names its plan.
    by : str or None
        Who decides where a row names nobody.
    on : date
        Day of the decisions.
    above : float, optional
        Least confidence for acceptance in bulk.

    Raises
    ------
    InputError
        The paper cannot be read or was made for another document.
    UsageError
        The document is not at hand, or nobody is named for an acceptance in bulk.
    """
    workspace, _ = need_workspace(setting)
    paper = None if review is None else read_review_paper(review)
    if review is not None and paper is not None:
        plan_id = plan_id or paper.plan or None
        if document is None and not (workspace.documents / paper.document).is_file():
            raise UsageError(
                f"the workspace keeps no document {paper.document[:12]}…",
                doing=f"read the review {review.name}",
                expected="the document for which the review was made",
                next_step="--file 方案.docx，或先用 dafeng plan read 方案.docx --save 存入工作区",
            )
        document = document or workspace.document(paper.document)
    if document is None or (review is None and (above is None or by is None)):
        raise UsageError(
            "neither a review paper, nor a document with a confidence and a name",
            doing="accept readings in bulk",
            expected="--file 方案.docx --above 0.9 --by 姓名",
            next_step="name all three",
        )
    if place is None and plan_id in setting.catalog.plans:
        place = setting.catalog.plans[plan_id].place
    read = read_plan_file(setting, document, as_of=on, plan_id=plan_id, place=place)
    plan = read.assembled.plan
    earlier = decisions_of(setting, plan.id)
    if paper is not None:
        taken = read_review(
            paper,
            document=read.document,
            reading=read.reading,
            catalog=setting.catalog,
            plan_id=plan.id,
            by=by,
            on=on,
            above=above,
            earlier=earlier,
        )
    else:
        taken = accept_above(
            above or 0.0,
            document=read.document,
            reading=read.reading,
            catalog=setting.catalog,
            plan_id=plan.id,
            by=by or "",
            on=on,
            earlier=earlier,
        )
    read, decisions = lay_over(setting, read, taken.decisions, as_of=on)
    return TakenReview(read, document, taken, decisions)


def document_text(setting: Setting, sha256: str, *, named: str) -> DocumentText:
    """Return the text of a document that the workspace keeps.

    Parameters
    ----------
    setting : Setting
    sha256 : str
        Digest under which it is kept.
    named : str
        Its file name.

    Raises
    ------
    UnknownNameError
        The workspace does not keep it.
    InputError
        It cannot be read.
    """
    workspace, _ = need_workspace(setting)
    return replace(read_document(workspace.document(sha256)), file=named)


def take_answers(
    setting: Setting,
    read: PlanFromFile,
    answers: Sequence[ReviewEntry],
    *,
    by: str,
    on: date,
    earlier: Sequence[PlanDecision] = (),
) -> ReviewRead:
    """Take decisions that were not made on paper, by the same rules: each ends as a decision or with a finding.

    Parameters
    ----------
    setting : Setting
    read : PlanFromFile
        The reading that was looked at.
    answers : sequence of ReviewEntry
        Key of the item (`ReviewItem.key`, empty for an addition) and texts by field, as in a row of the review workbook:
        ``verdict``, ``reason``, ``new_value`` …
    by : str
        Who decides.
    on : date
        Day of the decisions.
    earlier : sequence of PlanDecision
        Decisions that were made but are not kept in the workspace yet.
    """
    plan_id = read.assembled.plan.id
    paper = ReviewPaper(
        file=read.document.file,
        form="page",
        plan=plan_id,
        document=read.document.sha256,
        listed=(),
        entries=tuple(answers),
    )
    return read_review(
        paper,
        document=read.document,
        reading=read.reading,
        catalog=setting.catalog,
        plan_id=plan_id,
        by=by,
        on=on,
        earlier=_with_decisions(setting, plan_id, earlier),
    )


def accept_sure(
    setting: Setting,
    read: PlanFromFile,
    above: float,
    *,
    by: str,
    on: date,
    earlier: Sequence[PlanDecision] = (),
) -> ReviewRead:
    """Accept every target and duty that is at least so sure and that nobody has decided upon; see `take_answers`.

    Raises
    ------
    UsageError
        `above` lies outside 0 to 1.
    """
    plan_id = read.assembled.plan.id
    return accept_above(
        above,
        document=read.document,
        reading=read.reading,
        catalog=setting.catalog,
        plan_id=plan_id,
        by=by,
        on=on,
        earlier=_with_decisions(setting, plan_id, earlier),
    )


def lay_over(
    setting: Setting, read: PlanFromFile, new: Sequence[PlanDecision], *, as_of: date
) -> tuple[PlanFromFile, tuple[PlanDecision, ...]]:
    """Return a reading with new decisions laid over it too, and all decisions about the plan, as `save_plan` takes them."""
    plan = read.assembled.plan
    decisions = _with_decisions(setting, plan.id, new)
    assembled = _assembled(setting, read.document, read.reading, plan.id, plan.place, decisions, as_of)
    return replace(read, assembled=assembled), decisions


def plan_of(setting: Setting, name: str, *, as_of: date, place: str | None = None) -> Plan:
    """Return a plan by its id or place, or read it where `name` is a file."""
    path = Path(name)
    if path.is_file() or path.suffix.lower() in _DOCUMENTS:
        return read_plan_file(setting, path, as_of=as_of, place=place).assembled.plan
    return setting.catalog.plan(name)


def _comment(read: PlanFromFile) -> str:
    state = read.assembled.state
    return (
        f"方案：{read.assembled.plan.title.zh}。由 {read.document.file} 读取生成，请勿手改：改动通过复核表。\n"
        f"已复核 {state.reviewed} / {state.items} 条，驳回 {state.rejected} 条。只存数字、条款号、字符位置和名称，不存原句。"
    )
