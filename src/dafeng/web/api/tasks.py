"""Tasks of plans: where they stand, progress, evidence, supervision orders."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseBase
from ninja import File, Form, Query, Schema
from ninja.files import UploadedFile
from pydantic import Field

from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import BINARY, GuardedRouter, guarded
from dafeng.web.api.paging import Long, Name, Number, Page, ReasonIn, Window, page_of
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.plans import task_services
from dafeng.web.plans.models import Supervision, SupervisionState, TaskEvidence, TaskWork
from dafeng.web.plans.selectors import (
    DUE_STATES,
    body_of,
    organisations_of,
    task_title,
    tasks_in_reach,
    with_due,
)
from dafeng.web.plans.uploads import attachment, received

router = GuardedRouter(tags=["tasks"])


class TaskOut(Schema):
    """A task."""

    id: int
    plan: str
    clause: str
    title: str
    place: str
    state: str
    percent: int
    due_on: date | None
    reported_on: date | None
    leads: list[str]
    others: list[str]


class NoteOut(Schema):
    """A note on progress."""

    id: int
    at: datetime
    by: str
    state: str
    percent: int
    text: str


class TaskFileOut(Schema):
    """A file of evidence."""

    id: int
    name: str
    kind: str
    size: int
    document: str
    at: datetime
    withdrawn: bool
    order: int | None


class OrderOut(Schema):
    """A supervision order."""

    id: int
    task: int
    organisation: str
    demand: str
    answer_by: date
    state: str
    answer: str
    remark: str


class TaskDetailOut(TaskOut):
    """A task with what was said and handed in."""

    notes: list[NoteOut]
    evidence: list[TaskFileOut]
    orders: list[OrderOut]


class TaskQuery(Window):
    """Which tasks."""

    plan: Name = ""
    body: Name = ""
    state: str = Field("", pattern="^(|not_started|in_progress|claimed|done|paused)$")
    overdue: bool = False
    mine: bool = False


class NoteIn(Schema):
    """How far a task has come."""

    state: Literal["not_started", "in_progress", "claimed", "paused"]
    percent: int = Field(0, ge=0, le=100)
    text: Long


class ConfirmIn(Schema):
    """Whether a task is done."""

    done: bool
    reason: Long = ""


class DueIn(Schema):
    """Another day by which a task is due; none for the plan's own."""

    due_on: date | None = None
    reason: str = Field(max_length=300)


class OrderIn(Schema):
    """What is demanded of whom."""

    organisation: Number
    demand: Long
    answer_by: date


class AnswerIn(Schema):
    """An answer to an order."""

    answer: Long


class SettleIn(Schema):
    """Whether an order is closed, or sent back by a new day."""

    close: bool
    remark: Long = ""
    answer_by: date | None = None


class TaskFileIn(Schema):
    """To which order a file belongs."""

    order: Number | None = None


class OrderQuery(Window):
    """Which orders."""

    state: str = Field("", pattern="^(|open|answered|closed)$")


def _task(request: HttpRequest, pk: int, action: str) -> TaskWork:
    found = tasks_in_reach(reach_of_request(request), action).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _said(task: TaskWork) -> dict[str, Any]:
    bodies = list(task.bodies.all())
    return {
        "id": task.pk,
        "plan": task.plan,
        "clause": task.clause,
        "title": task_title(task),
        "place": task.place,
        "state": task.state,
        "percent": task.percent,
        "due_on": task.due,
        "reported_on": task.reported_on,
        "leads": [body_of(row.body) for row in bodies if row.lead],
        "others": [body_of(row.body) for row in bodies if not row.lead],
    }


def _evidence(row: TaskEvidence) -> TaskFileOut:
    return TaskFileOut(
        id=row.pk,
        name=row.name,
        kind=row.kind,
        size=row.size,
        document=row.document,
        at=row.at,
        withdrawn=row.withdrawn_at is not None,
        order=row.supervision_id,
    )


def _order(row: Supervision) -> OrderOut:
    return OrderOut(
        id=row.pk,
        task=row.task_id,
        organisation=row.organisation.name,
        demand=row.demand,
        answer_by=row.answer_by,
        state=row.state,
        answer=row.answer,
        remark=row.remark,
    )


def _detail(task: TaskWork) -> dict[str, Any]:
    notes = [
        NoteOut(id=row.pk, at=row.at, by=row.by.name, state=row.state, percent=row.percent, text=row.text)
        for row in task.notes.select_related("by")[:100]
    ]
    return _said(task) | {
        "notes": notes,
        "evidence": [_evidence(row) for row in task.evidence.all()[:200]],
        "orders": [_order(row) for row in task.supervisions.select_related("organisation")[:100]],
    }


@router.get("/tasks", response=Page[TaskOut])
@guarded("tasks.read")
def list_tasks(request: HttpRequest, query: Query[TaskQuery]) -> Any:
    """任务清单 / tasks in reach."""
    task_services.follow_plans()
    rows = with_due(tasks_in_reach(reach_of_request(request), "tasks.read", own=query.mine).filter(listed=True))
    said = {name: text for name in ("plan", "state") if (text := getattr(query, name))}
    rows = rows.filter(**said)
    if query.body:
        rows = rows.filter(bodies__body=query.body)
    if query.overdue:
        late: dict[str, Any] = {"due_day__lt": house().today()}
        rows = rows.filter(state__in=DUE_STATES, **late)
    return page_of(rows.order_by("plan", "position", "id").prefetch_related("bodies"), query, _said)


@router.get("/tasks/{pk}", response=TaskDetailOut)
@guarded("tasks.read", "task")
def read_task(request: HttpRequest, pk: Number) -> Any:
    """一项任务：进展、材料、督办 / a task with notes, files and orders."""
    return _detail(_task(request, pk, "tasks.read"))


@router.post("/tasks/{pk}/notes", response=NoteOut)
@guarded("tasks.report", "task", repeatable=True)
def note_task(request: HttpRequest, pk: Number, said: NoteIn) -> Any:
    """报告进展 / note progress."""
    task = _task(request, pk, "tasks.report")
    row = task_services.note_progress(task=task, by=actor_of(request, "tasks.report"), **said.dict())
    return NoteOut(id=row.pk, at=row.at, by=row.by.name, state=row.state, percent=row.percent, text=row.text)


@router.post("/tasks/{pk}/confirm", response=NoteOut)
@guarded("tasks.manage", "task", repeatable=True)
def confirm_task(request: HttpRequest, pk: Number, said: ConfirmIn) -> Any:
    """确认完成，或退回 / confirm that a task is done, or open it again."""
    task = _task(request, pk, "tasks.manage")
    row = task_services.confirm(task=task, done=said.done, text=said.reason, by=actor_of(request, "tasks.manage"))
    return NoteOut(id=row.pk, at=row.at, by=row.by.name, state=row.state, percent=row.percent, text=row.text)


@router.post("/tasks/{pk}/due", response=TaskOut)
@guarded("tasks.manage", "task", repeatable=True)
def set_task_due(request: HttpRequest, pk: Number, said: DueIn) -> Any:
    """调整办理期限 / set another day."""
    task = _task(request, pk, "tasks.manage")
    task_services.set_due(task=task, due_on=said.due_on, reason=said.reason, by=actor_of(request, "tasks.manage"))
    return _said(_task(request, pk, "tasks.manage"))


@router.post("/tasks/{pk}/evidence", response=TaskFileOut)
@guarded("tasks.report", "task")
def add_task_evidence(request: HttpRequest, pk: Number, file: File[UploadedFile], said: Form[TaskFileIn]) -> Any:
    """上传证明材料 / hand in a file."""
    task = _task(request, pk, "tasks.report")
    order = None
    if said.order is not None:
        order = task.supervisions.filter(pk=said.order).exclude(state=SupervisionState.CLOSED).first()
        if order is None:
            raise Http404
    with received(file) as path:
        row = task_services.add_evidence(
            task=task, source=path, name=file.name or "", order=order, by=actor_of(request, "tasks.report")
        )
    return _evidence(row)


def _the_evidence(request: HttpRequest, pk: int, action: str) -> TaskEvidence:
    rows = TaskEvidence.objects.filter(task__in=tasks_in_reach(reach_of_request(request), action))
    found = rows.select_related("task", "supervision").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


@router.get("/task-evidence/{pk}/file", response=None, openapi_extra=BINARY)
@guarded("tasks.read", "task-evidence")
def task_evidence_file(request: HttpRequest, pk: Number) -> HttpResponseBase:
    """下载证明材料 / the file."""
    row = _the_evidence(request, pk, "tasks.read")
    return attachment(row.document, row.name, row.kind)


@router.post("/task-evidence/{pk}/withdraw", response=TaskFileOut)
@guarded("tasks.report", "task-evidence", repeatable=True)
def withdraw_task_evidence(request: HttpRequest, pk: Number, said: ReasonIn) -> Any:
    """撤回证明材料 / withdraw a file."""
    row = _the_evidence(request, pk, "tasks.report")
    task_services.withdraw_evidence(evidence=row, reason=said.reason, by=actor_of(request, "tasks.report"))
    row.refresh_from_db()
    return _evidence(row)


@router.post("/tasks/{pk}/orders", response=OrderOut)
@guarded("tasks.manage", "task", repeatable=True)
def raise_task_order(request: HttpRequest, pk: Number, said: OrderIn) -> Any:
    """下达督办 / raise a supervision order."""
    task = _task(request, pk, "tasks.manage")
    chosen = next((one for one in organisations_of(task) if one.pk == said.organisation), None)
    if chosen is None:
        raise RefusedError("order.organisation", "该单位不是这项任务的责任单位。")
    return _order(
        task_services.raise_order(
            task=task,
            organisation=chosen,
            demand=said.demand,
            answer_by=said.answer_by,
            by=actor_of(request, "tasks.manage"),
        )
    )


def _the_order(request: HttpRequest, pk: int, action: str) -> Supervision:
    reach = reach_of_request(request)
    allowed = Q(task__place__in=reach.places(action)) | Q(organisation__in=reach.organisations(action))
    found = Supervision.objects.select_related("task", "organisation").filter(allowed, pk=pk).first()
    if found is None:
        raise Http404
    return found


@router.get("/orders", response=Page[OrderOut])
@guarded("tasks.read")
def list_orders(request: HttpRequest, query: Query[OrderQuery]) -> Any:
    """督办清单 / supervision orders."""
    tasks = tasks_in_reach(reach_of_request(request), "tasks.read")
    rows = Supervision.objects.select_related("organisation").filter(task__in=tasks).order_by("answer_by", "id")
    return page_of(rows.filter(state=query.state) if query.state else rows, query, _order)


@router.post("/orders/{pk}/answer", response=OrderOut)
@guarded("tasks.report", "supervision", repeatable=True)
def answer_task_order(request: HttpRequest, pk: Number, said: AnswerIn) -> Any:
    """答复督办 / answer an order."""
    order = _the_order(request, pk, "tasks.report")
    task_services.answer_order(order=order, answer=said.answer, by=actor_of(request, "tasks.report"))
    return _order(_the_order(request, pk, "tasks.report"))


@router.post("/orders/{pk}/settle", response=OrderOut)
@guarded("tasks.manage", "supervision", repeatable=True)
def settle_task_order(request: HttpRequest, pk: Number, said: SettleIn) -> Any:
    """销号，或退回再办 / close an order, or send it back."""
    order, by = _the_order(request, pk, "tasks.manage"), actor_of(request, "tasks.manage")
    if said.close:
        task_services.close_order(order=order, remark=said.remark, by=by)
    else:
        day = said.answer_by or house().today()
        task_services.send_order_back(order=order, remark=said.remark, answer_by=day, by=by)
    return _order(_the_order(request, pk, "tasks.manage"))
