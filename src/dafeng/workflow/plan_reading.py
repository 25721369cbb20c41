"""From a plan document to a plan of the workspace: read, decide, keep, compare versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from dafeng.base.document import DocumentText
from dafeng.base.errors import ContentError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.base.record import Record
from dafeng.catalog.decision_schemas import PlanDecision
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.yaml_writing import entry_yaml, sections_yaml
from dafeng.intake import read_document
from dafeng.intake.review_reading import read_review_paper
from dafeng.plans.assembling import AssembledPlan, assemble_plan, plan_id_of
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan
from dafeng.plans.reviewing import ReviewRead, accept_above, read_review
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting, open_setting

__all__ = [
    "PlanFromFile",
    "SavedPlan",
    "TakenReview",
    "decisions_of",
    "keep_decisions",
    "plan_of",
    "read_plan_file",
    "read_plan_review",
    "save_plan",
]


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
    plan, place : str
        Ids.
    original : Path
        The document that was reviewed.
    taken : ReviewRead
        New decisions and findings.
    """

    plan: str
    place: str
    original: Path
    taken: ReviewRead


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
    listener : Listener

    Raises
    ------
    InputError
        The document cannot be read.
    UsageError
        Nobody says for which place it plans.
    UnknownNameError
        No such place.
    """
    document = read_document(path, listener=listener)
    listener("读取方案 / read the plan", 0, None)
    reading = read_plan(document, setting.catalog, exclude_lexicon=exclude_lexicon)
    known = None if place is None else setting.catalog.places.resolve(place).id
    assembled = assemble_plan(
        reading,
        document,
        setting.catalog,
        plan_id=plan_id or plan_id_of(reading, document, place=known or reading.outline.head.place),
        place=known,
        decisions=tuple(setting.catalog.decisions.values()),
        checked_on=as_of,
    )
    return PlanFromFile(document, reading, assembled)


def save_plan(setting: Setting, read: PlanFromFile, original: Path, *, replace: bool = False) -> SavedPlan:
    """Keep a plan, its drafts and its document in the workspace.

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    UsageError
        A plan of that id ships with dafeng and `replace` is not set.
    ContentError
        The catalog would not hold with the plan; nothing is kept then.
    """
    workspace, _ = need_workspace(setting)
    plan = read.assembled.plan
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
            comment="方案读取生成的草案，待核；确认后移入正式目录。\nDrafts made by reading a plan; to be confirmed.",
        ),
    }
    _keep(setting, files, f"keep the plan {plan.id}")
    return SavedPlan(plan=plan.id, files=tuple(files), document=key)


def decisions_of(setting: Setting, plan_id: str) -> tuple[PlanDecision, ...]:
    """Return what people decided about a plan, oldest first."""
    own = [decision for decision in setting.catalog.decisions.values() if decision.plan == plan_id]
    return tuple(sorted(own, key=lambda decision: (decision.on, decision.id)))


def keep_decisions(setting: Setting, plan_id: str, decisions: Iterable[PlanDecision]) -> Setting:
    """Add decisions to those of a plan in the workspace's catalog, and return the setting that knows them.

    Raises
    ------
    ContentError
        The catalog would not hold with them; nothing is kept then.
    """
    workspace, _ = need_workspace(setting)
    every = {decision.id: decision for decision in (*decisions_of(setting, plan_id), *decisions)}
    ordered = sorted(every.values(), key=lambda decision: (decision.on, decision.id))
    comment = (
        "复核决定：谁、何时、为什么；以摘要指向原文，不存原句。\nDecisions about the reading of a plan: who, when, why."
    )
    _keep(
        setting,
        {f"decisions/{plan_id}.yaml": sections_yaml({"decisions": ordered}, comment=comment)},
        f"keep decisions about {plan_id}",
    )
    return open_setting(workspace)


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
    if review is not None:
        paper = read_review_paper(review)
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
    if review is not None:
        taken = read_review(
            review,
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
    return TakenReview(plan=plan.id, place=plan.place, original=document, taken=taken)


def plan_of(setting: Setting, name: str, *, as_of: date, place: str | None = None) -> Plan:
    """Return a plan by its id or place, or read it where `name` is a file."""
    path = Path(name)
    if path.suffix and path.is_file():
        return read_plan_file(setting, path, as_of=as_of, place=place).assembled.plan
    return setting.catalog.plan(name)


def _keep(setting: Setting, files: dict[str, str], doing: str) -> None:
    workspace, _ = need_workspace(setting)
    faults: list[Finding] = workspace.put_catalog_files(files)
    if faults:
        shown = "；".join(f"{fault.where}：{fault.sentence}" for fault in faults[:5])
        raise ContentError(
            f"{len(faults)} 处不成立 / faults: {shown}",
            doing=doing,
            expected="a plan with which the catalog holds",
            next_step="在复核表中改正这些条目后重新提交 / mend these entries in the review sheet",
            findings=[fault.model_dump(mode="json") for fault in faults],
        )


def _comment(read: PlanFromFile) -> str:
    state = read.assembled.state
    return (
        f"方案：{read.assembled.plan.title.zh}。由 {read.document.file} 读取生成，请勿手改：改动通过复核表。\n"
        f"已复核 {state.reviewed} / {state.items} 条，驳回 {state.rejected} 条。只存数字、条款号、字符位置和名称，不存原句。"
    )
