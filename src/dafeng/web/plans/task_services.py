"""Writes about tasks: which there are, progress, evidence, due dates, supervision orders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dafeng.base.place import PlaceKind
from dafeng.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import BodyKind
from dafeng.plans import BodyRole, DeadlineKind, resolve_bodies
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import Organisation
from dafeng.web.plans.evidence import check_evidence, safe_name
from dafeng.web.plans.models import (
    Supervision,
    SupervisionState,
    TaskBody,
    TaskEvidence,
    TaskIndex,
    TaskNote,
    TaskState,
    TaskWork,
)
from dafeng.web.plans.selectors import duties_of, organisations_of

__all__ = [
    "REPORTED_STATES",
    "add_evidence",
    "answer_order",
    "close_order",
    "confirm",
    "follow_plans",
    "note_progress",
    "raise_order",
    "send_order_back",
    "set_due",
    "withdraw_evidence",
]

REPORTED_STATES: Final = (TaskState.NOT_STARTED, TaskState.IN_PROGRESS, TaskState.CLAIMED, TaskState.PAUSED)
"""States that somebody who reports may choose; done is confirmed by another."""
_EXPANDS: Final = {"divisions": (PlaceKind.DIVISION,), "zones": (PlaceKind.ZONE,), "all": tuple(PlaceKind)}
_GOVERNING: Final = (BodyKind.GOVERNMENT, BodyKind.INSTITUTION)


# Which tasks there are ----------------------------------------------------------------------------------------------


def follow_plans() -> bool:
    """Bring the list of tasks and of who answers for them to what the library says; return whether anything was to be done.

    Notes, files and orders stay with a task whose clause a later version of the plan no longer holds.
    """
    here = house()
    digest = here.catalog.digest
    if TaskIndex.objects.filter(id=1, digest=digest).exists():
        return False
    places = here.places_below(here.place)
    plans = [plan for plan in here.catalog.plans.values() if plan.place in places]
    with transaction.atomic():
        TaskIndex.objects.get_or_create(id=1, defaults={"digest": ""})
        index = TaskIndex.objects.select_for_update().get(id=1)
        if index.digest == digest:
            return False
        known = {(row.plan, row.clause): row for row in TaskWork.objects.all()}
        listed = set()
        for plan in plans:
            listed |= _follow(plan, known, here.catalog)
        gone = [row.pk for key, row in known.items() if key not in listed and row.listed]
        TaskWork.objects.filter(pk__in=gone).update(listed=False)
        index.digest = digest
        index.save()
    return True


def _follow(plan: Plan, known: dict[tuple[str, str], TaskWork], catalog: Catalog) -> set[tuple[str, str]]:
    dues: dict[str, date] = {}
    for row in duties_of(plan).rows:
        deadline = row.deadline
        if deadline.year and deadline.kind in (DeadlineKind.DATE, DeadlineKind.MILESTONE_YEAR) and not row.soft:
            dues[row.clause] = max(dues.get(row.clause, date.min), date(deadline.year, 12, 31))
    listed = set()
    for position, task in enumerate(plan.tasks):
        key = (plan.id, task.number)
        if key in listed:  # a document that numbers two tasks alike
            continue
        listed.add(key)
        fields = {"place": plan.place, "position": position, "listed": True, "plan_due": dues.get(task.number)}
        work = known.get(key)
        if work is None:
            work = known[key] = TaskWork(plan=plan.id, clause=task.number, **fields)
            TaskWork.objects.bulk_create([work])
        elif any(getattr(work, name) != value for name, value in fields.items()):
            TaskWork.objects.filter(pk=work.pk).update(**fields)
        _follow_bodies(work, task.bodies, plan, catalog)
    return listed


def _follow_bodies(work: TaskWork, names: Iterable[str], plan: Plan, catalog: Catalog) -> None:
    uses, _unknown = resolve_bodies(tuple(names), plan.place, catalog)
    wanted: dict[str, bool] = {}
    for use in uses:
        if use.id is None:
            continue
        wanted.setdefault(use.id, use.role is not BodyRole.MEMBER)
        for body in _expanded(use.expands, plan.place, catalog):
            wanted.setdefault(body, False)
    held = {row.body: row.lead for row in TaskBody.objects.filter(task=work)}
    if list(held.items()) != list(wanted.items()):
        TaskBody.objects.filter(task=work).delete()
        TaskBody.objects.bulk_create(TaskBody(task=work, body=body, lead=lead) for body, lead in wanted.items())


def _expanded(expands: str | None, place: str, catalog: Catalog) -> list[str]:
    """Return the governments of the places for which a collective body (各区县) stands."""
    kinds = _EXPANDS.get(expands or "", ())
    below = {child.id for kind in kinds for child in catalog.places.children(place, kind=kind)}
    return [body.id for body in catalog.bodies.values() if body.place in below and body.kind in _GOVERNING]


# Progress -----------------------------------------------------------------------------------------------------------


def _locked(task: TaskWork) -> TaskWork:
    return TaskWork.objects.select_for_update().get(pk=task.pk)


def _state(task: TaskWork) -> dict[str, Any]:
    return {"state": task.state, "percent": task.percent, "due_on": task.due_on, "due_reason": task.due_reason}


def _note(task: TaskWork, text: str, by: Actor) -> TaskNote:
    assert by.user is not None
    return TaskNote.objects.create(
        task=task,
        organisation_id=by.organisation,
        by=by.user,
        at=house().now(),
        on=house().today(),
        state=task.state,
        percent=task.percent,
        text=text,
    )


def note_progress(*, task: TaskWork, state: str, percent: int, text: str, by: Actor) -> TaskNote:
    """Note how far a task has come.

    Raises
    ------
    RefusedError
        Nothing is said, the state is not one that may be reported, or the task is done.
    """
    if not text.strip():
        raise RefusedError("task.no-text", _("请写明进展情况。"))
    if state not in REPORTED_STATES or not 0 <= percent <= 100:
        raise RefusedError("task.state", _("状态或完成比例不对。"))
    with transaction.atomic():
        row = _locked(task)
        if row.state == TaskState.DONE:
            raise RefusedError("task.done", _("任务已确认完成；需要重开的，请方案负责人办理。"))
        before = _state(row)
        row.state, row.percent = state, 100 if state == TaskState.CLAIMED else percent
        row.reported_on = house().today()
        row.claimed_by = by.user if state == TaskState.CLAIMED else None
        row.save()
        note = _note(row, text.strip(), by)
        record("tasks.reported", row, by=by, place=row.place, before=before, after=_state(row), reason=note.text)
        return note


def confirm(*, task: TaskWork, done: bool, text: str, by: Actor) -> TaskNote:
    """Confirm that a task is done, or open it again with a reason.

    Raises
    ------
    RefusedError
        Nobody has reported it done, the person who confirms did so, or no reason is given for opening it again.
    """
    if not done and not text.strip():
        raise RefusedError("task.no-reason", _("请写明退回的理由。"))
    with transaction.atomic():
        row = _locked(task)
        before = _state(row)
        if done:
            if row.state != TaskState.CLAIMED:
                raise RefusedError("task.not-claimed", _("责任单位还没有报完成。"))
            if by.user is not None and row.claimed_by_id == by.user.pk:
                raise RefusedError("task.own-claim", _("不能确认自己报的完成。"))
            row.state = TaskState.DONE
        else:
            if row.state not in (TaskState.CLAIMED, TaskState.DONE):
                raise RefusedError("task.not-claimed", _("任务没有报完成，不需要退回。"))
            row.state, row.claimed_by, row.percent = TaskState.IN_PROGRESS, None, min(row.percent, 99)
        row.save()
        note = _note(row, text.strip() or _("确认完成"), by)
        action = "tasks.confirmed" if done else "tasks.reopened"
        record(action, row, by=by, place=row.place, before=before, after=_state(row), reason=note.text)
        return note


def set_due(*, task: TaskWork, due_on: date | None, reason: str, by: Actor) -> None:
    """Set the day by which a task is to be done, in place of the plan's; None takes the plan's again.

    Raises
    ------
    RefusedError
        No reason is given.
    """
    if not reason.strip():
        raise RefusedError("task.no-reason", _("请写明调整期限的理由。"))
    with transaction.atomic():
        row = _locked(task)
        before = _state(row)
        row.due_on, row.due_reason = due_on, reason.strip() if due_on else ""
        row.save()
        record("tasks.due-set", row, by=by, place=row.place, before=before, after=_state(row), reason=reason.strip())


# Evidence -----------------------------------------------------------------------------------------------------------


def add_evidence(*, task: TaskWork, source: Path, name: str, order: Supervision | None, by: Actor) -> TaskEvidence:
    """Keep a file as evidence.

    Raises
    ------
    RefusedError
        The file is of a kind that is not taken, or stands there already.
    """
    kind = check_evidence(source, name)
    workspace = house().setting().workspace
    assert workspace is not None
    assert by.user is not None
    size = source.stat().st_size
    key = workspace.put_document(source)
    try:
        with transaction.atomic():
            row = TaskEvidence.objects.create(
                task=task,
                supervision=order,
                document=key,
                name=safe_name(name),
                kind=kind,
                size=size,
                by=by.user,
                at=house().now(),
            )
            after = {"file": row.name, "document": key, "size": size, "order": None if order is None else order.pk}
            record("tasks.evidence-added", task, by=by, place=task.place, after=after)
            return row
    except IntegrityError as error:
        raise RefusedError("evidence.twice", _("这份文件已经上传过。")) from error


def withdraw_evidence(*, evidence: TaskEvidence, reason: str, by: Actor) -> None:
    """Withdraw a file; it stays in the store and in the log.

    Raises
    ------
    RefusedError
        No reason is given, it is withdrawn already, or an order was closed on it.
    """
    if not reason.strip():
        raise RefusedError("evidence.no-reason", _("请写明撤回的理由。"))
    with transaction.atomic():
        row = TaskEvidence.objects.select_for_update().get(pk=evidence.pk)
        if row.withdrawn_at is not None:
            raise RefusedError("evidence.withdrawn", _("这份文件已经撤回。"))
        if row.supervision is not None and row.supervision.state == SupervisionState.CLOSED:
            raise RefusedError("evidence.closed", _("督办已据此销号，不能撤回。"))
        row.withdrawn_by, row.withdrawn_at, row.withdrawn_reason = by.user, house().now(), reason.strip()[:300]
        row.save()
        before = {"file": row.name, "document": row.document}
        record("tasks.evidence-withdrawn", row.task, by=by, place=row.task.place, before=before, reason=reason.strip())


# Supervision --------------------------------------------------------------------------------------------------------


def raise_order(*, task: TaskWork, organisation: Organisation, demand: str, answer_by: date, by: Actor) -> Supervision:
    """Raise a supervision order against an organisation that answers for a task.

    Raises
    ------
    RefusedError
        Nothing is demanded, the day has passed, or the organisation does not answer for the task.
    """
    if not demand.strip():
        raise RefusedError("order.no-demand", _("请写明督办事项。"))
    if answer_by < house().today():
        raise RefusedError("order.past", _("答复期限不能早于今天。"))
    if organisation not in organisations_of(task):
        raise RefusedError("order.organisation", _("该单位不是这项任务的责任单位。"))
    assert by.user is not None
    with transaction.atomic():
        order = Supervision.objects.create(
            task=task,
            organisation=organisation,
            demand=demand.strip(),
            answer_by=answer_by,
            raised_by=by.user,
            raised_at=house().now(),
        )
        record("orders.raised", order, by=by, place=task.place, after=_order(order), reason=order.demand)
        return order


def _order(order: Supervision) -> dict[str, Any]:
    return {
        "task": order.task_id,
        "organisation": order.organisation_id,
        "state": order.state,
        "answer_by": order.answer_by,
        "answer": order.answer,
    }


def _locked_order(order: Supervision, *states: SupervisionState) -> Supervision:
    row = Supervision.objects.select_for_update().get(pk=order.pk)
    if row.state not in states:
        raise RefusedError("order.state", _("督办现在是“%(state)s”。") % {"state": row.get_state_display()})
    return row


def answer_order(*, order: Supervision, answer: str, by: Actor) -> None:
    """Answer an order; an answer may be bettered until it is closed.

    Raises
    ------
    RefusedError
        Nothing is said, or the order is closed.
    """
    if not answer.strip():
        raise RefusedError("order.no-answer", _("请写明答复内容。"))
    with transaction.atomic():
        row = _locked_order(order, SupervisionState.OPEN, SupervisionState.ANSWERED)
        before = _order(row)
        row.answer, row.answered_by, row.answered_at = answer.strip(), by.user, house().now()
        row.state = SupervisionState.ANSWERED
        row.save()
        record("orders.answered", row, by=by, place=row.task.place, before=before, after=_order(row))


def send_order_back(*, order: Supervision, remark: str, answer_by: date, by: Actor) -> None:
    """Ask for a better answer by a new day.

    Raises
    ------
    RefusedError
        No reason is given, the day has passed, or there is no answer.
    """
    if not remark.strip():
        raise RefusedError("order.no-remark", _("请写明退回的理由。"))
    if answer_by < house().today():
        raise RefusedError("order.past", _("答复期限不能早于今天。"))
    with transaction.atomic():
        row = _locked_order(order, SupervisionState.ANSWERED)
        before = _order(row)
        row.state, row.remark, row.answer_by = SupervisionState.OPEN, remark.strip(), answer_by
        row.save()
        record(
            "orders.sent-back", row, by=by, place=row.task.place, before=before, after=_order(row), reason=row.remark
        )


def close_order(*, order: Supervision, remark: str, by: Actor) -> None:
    """Close an order on its answer and evidence.

    Raises
    ------
    RefusedError
        There is no answer, no file, or the person answered it.
    """
    with transaction.atomic():
        row = _locked_order(order, SupervisionState.ANSWERED)
        if by.user is not None and row.answered_by_id == by.user.pk:
            raise RefusedError("order.own-answer", _("不能为自己的答复销号。"))
        files = list(row.evidence.filter(withdrawn_at__isnull=True).values_list("document", flat=True))
        if not files:
            raise RefusedError("order.no-evidence", _("没有证明材料，不能销号；请责任单位上传后再办。"))
        before = _order(row)
        row.state, row.remark = SupervisionState.CLOSED, remark.strip()
        row.closed_by, row.closed_at = by.user, house().now()
        row.save()
        after = _order(row) | {"evidence": files}
        record("orders.closed", row, by=by, place=row.task.place, before=before, after=after, reason=row.remark)
