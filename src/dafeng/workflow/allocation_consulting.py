"""A division sent for consultation, answers read back, proposals accepted, and the division after them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from dafeng.base.consultation import AnswerPaper
from dafeng.base.errors import InputError, UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.intake.allocation_answers import read_allocation_answers
from dafeng.lake import find_runs, save_run
from dafeng.pathways.allocation_consultation import (
    AnswerDecision,
    AnswersTaken,
    Consultation,
    Difference,
    redivide,
    take_answers,
)
from dafeng.pathways.allocation_problem import Allocation
from dafeng.reports.allocation_book import consultation_workbook
from dafeng.workflow.allocation_request import MadeAllocations
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = [
    "SENT_FILE",
    "SENT_KIND",
    "SETTLED_FILE",
    "SETTLED_KIND",
    "SentConsultation",
    "TakenAnswers",
    "read_consultation",
    "send_consultation",
]

SENT_KIND: Final = "consultation"
"""Kind of the run that keeps what was sent."""
SETTLED_KIND: Final = "allocation"
"""Kind of the run that keeps the divisions after the answers."""
SENT_FILE: Final = "consultation.json"
"""What was sent."""
SETTLED_FILE: Final = "allocations.json"
"""The divisions after the answers."""


@dataclass(frozen=True)
class SentConsultation:
    """A consultation as it went out.

    Parameters
    ----------
    consultation : Consultation
    run : str
        Run that keeps it.
    files : tuple of Path
        Workbooks written.
    """

    consultation: Consultation
    run: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class TakenAnswers:
    """What came of the answers.

    Parameters
    ----------
    consultation : Consultation
    answers : AnswersTaken
    accepted : tuple of str
        Proposals that were accepted, as ``target|member``.
    allocations : tuple of Allocation
        The divisions after them.
    run : str
        Run that keeps the result.
    findings : tuple of Finding
    """

    consultation: Consultation
    answers: AnswersTaken
    accepted: tuple[str, ...]
    allocations: tuple[Allocation, ...]
    run: str | None
    findings: tuple[Finding, ...]


def send_consultation(
    setting: Setting,
    made: MadeAllocations,
    out: Path,
    *,
    sent_on: date,
    due: date | None,
    each: bool = False,
) -> SentConsultation:
    """Write the consultation workbook and keep what was sent.

    Parameters
    ----------
    setting : Setting
    made : MadeAllocations
    out : Path
        Workbook to write; a folder where `each` is set.
    sent_on : date
    due : date or None
        Day by which answers are asked for.
    each : bool
        Whether each member gets a workbook with its own rows only.

    Raises
    ------
    NoWorkspaceError
        There is no workspace to keep it in.
    UsageError
        Nothing could be divided, the ending is no workbook's, or answers are due before it is sent.
    """
    workspace, _ = need_workspace(setting)
    divided = tuple(one for one in made.allocations if one.shares)
    if not divided:
        raise UsageError(
            "没有可征求意见的分解结果 / nothing was divided",
            doing="send a consultation",
            expected="至少一个目标分解成功",
            next_step="先看分解的发现：dafeng path allocate 方案 --target 目标",
        )
    if not each and out.suffix.lower() != ".xlsx":
        raise UsageError(
            f"{out.name} 不以 .xlsx 结尾 / does not end in .xlsx",
            doing="send a consultation",
            expected="--out 征求意见.xlsx，或 --each --out 文件夹",
            next_step="改用 .xlsx",
        )
    if due is not None and due < sent_on:
        raise UsageError(
            f"答复截止日 {due} 早于发出日 {sent_on} / due before it is sent",
            doing="send a consultation",
            expected=f"不早于 {sent_on} 的日期",
            next_step="改 --due，或用 --as-of 说明发出日",
        )
    consultation = Consultation(
        plan=made.plan.id,
        plan_title=made.plan.title.zh,
        place=made.plan.place,
        sent_on=sent_on,
        due=due,
        allocations=tuple(one.model_copy(update={"findings": ()}) for one in divided),
    )
    run = f"{SENT_KIND}-{consultation.id}"
    manifest = {
        "format": 1, "kind": SENT_KIND, "consultation": consultation.id, "digest": consultation.digest, "plan": consultation.plan,
        "sent_on": sent_on.isoformat(), "due": None if due is None else due.isoformat(),
        "targets": [one.problem.target for one in divided], "catalog": setting.catalog.digest,
    }  # fmt: skip
    content = consultation.model_dump_json(indent=1).encode()
    kept = workspace.runs / run / SENT_FILE
    if not kept.is_file() or kept.read_bytes() != content:  # sent again as it was: what stands is kept
        save_run(workspace, run, manifest, {SENT_FILE: content})
    files: list[Path] = []
    if each:
        out.mkdir(parents=True, exist_ok=True)
        members = {share.member: share.name for one in divided for share in one.shares}
        for member, name in members.items():
            files.append(out / f"{made.plan.id}-征求意见-{name}.xlsx")
            files[-1].write_bytes(consultation_workbook(consultation, members=[member]))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(consultation_workbook(consultation))
        files.append(out)
    return SentConsultation(consultation, run, tuple(files))


def read_consultation(
    setting: Setting,
    files: Sequence[Path],
    *,
    accept: Collection[str] = (),
    accept_all: bool = False,
    difference: Difference = Difference.OTHERS,
    read_on: date,
    dry_run: bool = False,
) -> TakenAnswers:
    """Read answered workbooks, accept proposals, divide anew and keep the result.

    Parameters
    ----------
    setting : Setting
    files : sequence of Path
        Of one consultation.
    accept : collection of str
        Accepted proposals: a member by id or name, or ``target|member``.
    accept_all : bool
        Whether every valid proposal is accepted.
    difference : Difference
        Who takes what they leave over.
    read_on : date
    dry_run : bool
        Nothing is kept.

    Raises
    ------
    InputError
        A file is no consultation workbook.
    UnknownNameError
        This workspace has sent no such consultation.
    UsageError
        Something accepted was not proposed.
    """
    workspace, _ = need_workspace(setting)
    papers = [read_allocation_answers(file) for file in files]
    consultation = _sent(setting, papers)
    answers = take_answers(consultation, papers)
    accepted = _accepted(setting, consultation, answers, accept, accept_all=accept_all)
    allocations = redivide(consultation, answers.decisions, accepted=accepted, difference=difference)
    waiting = [one for one in answers.proposals if f"{one.target}|{one.member}" not in accepted]
    findings = [*answers.findings, *(finding for one in allocations for finding in one.findings)]
    findings += [_waiting(consultation, one) for one in waiting]
    findings += _moved(consultation, answers, allocations)
    failed = [one for one in allocations if not one.shares]
    run = None
    if not dry_run and not failed:
        documents = [workspace.put_document(file) for file in files]
        stored = json.dumps([one.model_dump(mode="json") for one in allocations], ensure_ascii=False, indent=1)
        said = json.dumps([one.model_dump(mode="json") for one in answers.decisions], ensure_ascii=False, indent=1)
        digest = hashlib.sha256((stored + said + "".join(sorted(accepted))).encode()).hexdigest()[:12]
        run = f"{SETTLED_KIND}-{consultation.id}-{digest}"
        manifest = {
            "format": 1, "kind": SETTLED_KIND, "consultation": consultation.id, "plan": consultation.plan, "documents": sorted(documents),
            "accepted": sorted(accepted), "difference": difference.value, "missing": list(answers.missing),
            "catalog": setting.catalog.digest,
        }  # fmt: skip
        if not (workspace.runs / run).is_dir():
            manifest["read_on"] = read_on.isoformat()
            save_run(workspace, run, manifest, {SETTLED_FILE: stored.encode(), "answers.json": said.encode()})
    return TakenAnswers(consultation, answers, tuple(sorted(accepted)), allocations, run, tuple(findings))


def _sent(setting: Setting, papers: Sequence[AnswerPaper]) -> Consultation:
    workspace, _ = need_workspace(setting)
    kept = {
        str(run.manifest["consultation"]): run for run in find_runs(workspace) if run.manifest.get("kind") == SENT_KIND
    }
    named = next((paper.consultation for paper in papers if paper.consultation in kept), None)
    if named is None:
        given = papers[0].consultation if papers else ""
        raise UnknownNameError(
            f"这个工作区没有发出过征求意见 {given} / no such consultation was sent from here",
            doing="read answers",
            expected="、".join(close_names(given, kept) or sorted(kept)) or "先发出征求意见",
            next_step="在发出它的工作区里读回，或 dafeng path allocate 方案 --consult --out 征求意见.xlsx",
        )
    try:
        return Consultation.model_validate_json((kept[named].folder / SENT_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"运行 {kept[named].id} 的内容读不出 / cannot be read: {error}",
            doing="read answers",
            expected="未改动的运行文件夹",
            next_step="恢复该文件夹，或重新发出",
        ) from error


def _accepted(
    setting: Setting,
    consultation: Consultation,
    answers: AnswersTaken,
    accept: Collection[str],
    *,
    accept_all: bool,
) -> set[str]:
    proposed = {f"{one.target}|{one.member}": one for one in answers.proposals}
    if accept_all:
        return set(proposed)
    names = {share.name: share.member for one in consultation.allocations for share in one.shares}
    found: set[str] = set()
    for text in accept:
        target, _, who = text.replace("｜", "|").rpartition("|")
        member = names.get(who, who)
        fits = {key for key, one in proposed.items() if one.member == member and target in ("", one.target)}
        if not fits:
            shown = [f"{one.target}|{one.member}" for one in answers.proposals]
            raise UsageError(
                f"{text} 没有有效的修改建议 / proposes nothing that could be accepted",
                doing="accept proposals",
                expected="、".join(shown) or "没有一地提出有效的修改建议",
                next_step="先不带 --accept 读回，看各地的建议",
            )
        found |= fits
    return found


def _moved(consultation: Consultation, answers: AnswersTaken, allocations: Sequence[Allocation]) -> tuple[Finding, ...]:
    """Return who agreed to a figure that is another one after the answers of others."""
    sent = {one.problem.target: one for one in consultation.allocations}
    found = []
    for one in allocations:
        now = one.values()
        agreed = {each.member for each in answers.decisions if each.agrees and each.target == one.problem.target}
        moved = [
            f"{share.name}（{share.value:g}改为{now[share.member]:g}）"
            for share in sent[one.problem.target].shares
            if share.member in agreed & set(now) and now[share.member] != share.value
        ]
        if moved:
            found.append(
                Finding(
                    name="workflow.consultation.agreed-changed",
                    severity=Severity.WARNING,
                    sentence=f"“{one.problem.label}”已答复同意的单位，分担差额后数变了：{'、'.join(moved)}{one.problem.unit or ''}",
                    value=one.problem.target,
                    next_step="再征求这些单位的意见，或 --difference open 把差额列为未落实",
                )
            )
    return tuple(found)


def _waiting(consultation: Consultation, one: AnswerDecision) -> Finding:
    allocation = next(
        each for each in consultation.allocations if each.problem.target == one.target and one.member in each.values()
    )
    share = next(each for each in allocation.shares if each.member == one.member)
    unit = allocation.problem.unit
    return Finding(
        name="workflow.consultation.proposal-open",
        severity=Severity.WARNING,
        sentence=f"{share.name}建议“{allocation.problem.label}”由{share.value:g}改为{one.figure:g}{unit}，未采纳也未驳回：{one.reason}",
        value=f"{one.target}|{one.member}",
        next_step="--accept 采纳，或与该地商定",
    )
