"""Pages about tasks: board, one task, progress, evidence, due dates, supervision orders, reminders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.plans import task_services
from dafeng.web.plans.forms import DueForm, EvidenceForm, NoteForm, OrderForm, ReasonForm, described
from dafeng.web.plans.models import Reminder, Supervision, SupervisionState, TaskEvidence, TaskState, TaskWork
from dafeng.web.plans.selectors import (
    DUE_STATES,
    body_of,
    due_for,
    duties_of_task,
    may,
    missing_report,
    organisations_of,
    report_due,
    status_of,
    task_title,
    tasks_in_reach,
    with_due,
)
from dafeng.web.plans.uploads import attachment, received
from dafeng.web.plans.views import stand_of

PAGE: Final = 50
TASK_STYLES: Final = {
    TaskState.NOT_STARTED: "",
    TaskState.IN_PROGRESS: "info",
    TaskState.CLAIMED: "warn",
    TaskState.DONE: "good",
    TaskState.PAUSED: "warn",
}
_SOON: Final = timedelta(days=60)


def the_task(request: HttpRequest, pk: int, action: str) -> TaskWork:
    """Return a task on which an action is allowed, or answer that there is none."""
    found = tasks_in_reach(reach_of_request(request), action).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


# Board --------------------------------------------------------------------------------------------------------------


@needs("tasks.read")
def tasks_page(request: HttpRequest) -> HttpResponse:
    """Show the tasks in reach."""
    task_services.follow_plans()
    reach, today = reach_of_request(request), house().today()
    own = request.GET.get("mine") == "1"
    rows = with_due(tasks_in_reach(reach, "tasks.read", own=own).filter(listed=True))
    said = {name: request.GET.get(name, "") for name in ("plan", "state", "due", "body")}
    rows = _narrowed(rows, said, today)
    order = ("due_day", "plan", "position") if said["due"] else ("plan", "position", "id")
    page = Paginator(rows.order_by(*order).prefetch_related("bodies"), PAGE).get_page(request.GET.get("page"))
    plans = house().catalog.plans
    in_reach = tasks_in_reach(reach, "tasks.read").filter(listed=True)
    return render(
        request,
        "plans/tasks.html",
        {
            "rows": [_row(task, today, reach) for task in page],
            "page": page,
            "said": said,
            "mine": own,
            "query": urlencode({name: value for name, value in said.items() if value} | ({"mine": "1"} if own else {})),
            "plans": [
                (name, plans[name].title.zh if name in plans else name)
                for name in in_reach.order_by("plan").values_list("plan", flat=True).distinct()
            ],
            "bodies": sorted(
                ((body, body_of(body)) for body in set(in_reach.values_list("bodies__body", flat=True)) if body),
                key=lambda pair: pair[1],
            ),
            "states": TaskState.choices,
            "report_due": report_due(today),
        },
    )


def _narrowed(rows: QuerySet[Any], said: dict[str, str], today: date) -> QuerySet[Any]:
    if said["plan"]:
        rows = rows.filter(plan=said["plan"])
    if said["state"] in TaskState.values:
        rows = rows.filter(state=said["state"])
    if said["body"]:
        rows = rows.filter(bodies__body=said["body"])
    undone = Q(state__in=DUE_STATES)
    if said["due"] == "overdue":
        rows = rows.filter(undone, due_day__lt=today)
    elif said["due"] == "soon":
        rows = rows.filter(undone, due_day__gte=today, due_day__lt=today + _SOON)
    elif said["due"] == "report":
        start = report_due(today).replace(day=1, month=11, year=report_due(today).year - 1)
        rows = rows.filter(undone, Q(reported_on__isnull=True) | Q(reported_on__lt=start))
    return rows


def _row(task: TaskWork, today: date, reach: Reach) -> dict[str, Any]:
    leads = [body_of(row.body) for row in task.bodies.all() if row.lead]
    others = [body_of(row.body) for row in task.bodies.all() if not row.lead]
    undone = task.state in DUE_STATES
    return {
        "task": task,
        "title": task_title(task),
        "leads": leads,
        "others": others,
        "style": TASK_STYLES[TaskState(task.state)],
        "overdue": undone and task.due is not None and task.due < today,
        "report": missing_report(task, today) if undone else None,
    }


@needs("tasks.read")
def reminders_page(request: HttpRequest) -> HttpResponse:
    """Show what is due for oneself, and what was noted."""
    task_services.follow_plans()
    reach = reach_of_request(request)
    rows = Reminder.objects.filter(task__in=tasks_in_reach(reach, "tasks.read")).select_related("task")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    today = house().today()
    return render(
        request,
        "plans/reminders.html",
        {
            "due": [(item, item.state(today)) for item in due_for(reach, today)],
            "page": page,
            "rows": [(row, task_title(row.task), _says(row.kind)) for row in page],
        },
    )


def _says(kind: str) -> str:
    what, _rest, step = kind.partition("-")[0], "", kind.rpartition("-")[2]
    names = {"october": _("年度进展（10月底前）"), "due": _("任务办结"), "order": _("督办答复")}
    near = _("已逾期") if step == "overdue" else _("%(days)s天内到期") % {"days": step}
    return f"{names.get(what, what)} · {near}"


# One task -----------------------------------------------------------------------------------------------------------


@needs("tasks.read", "task")
def task_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a task with everything that was said and handed in about it."""
    return _page(request, the_task(request, pk, "tasks.read"))


def _page(request: HttpRequest, task: TaskWork, *, status: int = 200, **bound: forms.Form) -> HttpResponse:
    """Show a task; with forms that were found wrong."""
    reach, today = reach_of_request(request), house().today()
    plan = house().catalog.plans.get(task.plan)
    judged = None if plan is None else status_of(reach, plan)
    stands = {} if judged is None else {row.target: stand_of(row.status) for row in reversed(judged.worst_first())}
    organisations = organisations_of(task)
    may_report, may_manage = may(reach, "tasks.report", task), may(reach, "tasks.manage", task)
    orders = [
        (order, _answers_for(reach, order), [file for file in order.evidence.all() if file.withdrawn_at is None])
        for order in task.supervisions.select_related(
            "organisation", "raised_by", "answered_by", "closed_by"
        ).prefetch_related("evidence__by")
    ]
    first = {"state": task.state if task.state in task_services.REPORTED_STATES else "", "percent": task.percent}
    made: dict[str, forms.Form] = {
        "note_form": NoteForm(initial=first, prefix="note"),
        "due_form": DueForm(initial={"due_on": task.due_on}, prefix="due"),
        "order_form": OrderForm(organisations=[(one.pk, one.name) for one in organisations], prefix="order"),
        "evidence_form": EvidenceForm(prefix="evidence"),
        "reason_form": ReasonForm(),
    }
    return render(
        request,
        "plans/task.html",
        {
            **{name: described(form) for name, form in (made | bound).items()},
            "task": task,
            "title": task_title(task),
            "row": _row(task, today, reach),
            "plan": plan,
            "place_name": house().catalog.place_name(task.place),
            "duties": [(row, stands.get(row.target or "")) for row in duties_of_task(task)],
            "notes": task.notes.select_related("by", "organisation")[:PAGE],
            "files": task.evidence.select_related("by", "withdrawn_by", "supervision")[: PAGE * 2],
            "orders": orders,
            "history": _history(task),
            "may_report": may_report and task.state != TaskState.DONE,
            "may_manage": may_manage,
            "own_claim": task.claimed_by_id is not None and task.claimed_by_id == request.user.pk,
            "organisations": organisations,
        },
        status=status,
    )


def _history(task: TaskWork) -> list[dict[str, Any]]:
    """Return how state, share and due date changed, newest first."""
    rows = list(task.history.select_related("history_user")[:PAGE])
    names = dict(TaskState.choices)
    return [
        {
            "at": row.history_date,
            "by": "" if row.history_user is None else row.history_user.name,
            "state": names.get(row.state, row.state),
            "percent": row.percent,
            "due_on": row.due_on,
            "reason": row.due_reason,
        }
        for row in rows
    ]


def _answers_for(reach: Reach, order: Supervision) -> bool:
    return order.organisation_id in reach.organisations("tasks.report")


def _done(
    request: HttpRequest, task: TaskWork, said: str, do: Callable[[], object], *, form: forms.Form, name: str
) -> HttpResponse:
    """Do something with a checked form: back to the task, or the task with what was found wrong."""
    if form.is_valid():
        try:
            do()
            messages.success(request, said)
            return redirect("plans:task", pk=task.pk)
        except RefusedError as error:
            form.add_error(None, error.says)
    return _page(request, task, status=422, **{name: form})


@needs("tasks.report", "task")
@require_POST
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a note on progress."""
    task = the_task(request, pk, "tasks.report")
    form = NoteForm(request.POST, prefix="note")
    return _done(
        request,
        task,
        _("已记录进展。"),
        lambda: task_services.note_progress(task=task, by=actor_of(request, "tasks.report"), **form.cleaned_data),
        form=form,
        name="note_form",
    )


@needs("tasks.manage", "task")
@require_POST
def confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm that a task is done, or open it again."""
    task = the_task(request, pk, "tasks.manage")
    done = request.POST.get("how") == "done"
    try:
        task_services.confirm(
            task=task, done=done, text=request.POST.get("reason", "")[:4000], by=actor_of(request, "tasks.manage")
        )
        messages.success(request, _("已确认完成。") if done else _("已退回，继续推进。"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("plans:task", pk=task.pk)


@needs("tasks.manage", "task")
@require_POST
def set_due(request: HttpRequest, pk: int) -> HttpResponse:
    """Set another day by which a task is due."""
    task = the_task(request, pk, "tasks.manage")
    form = DueForm(request.POST, prefix="due")
    return _done(
        request,
        task,
        _("已调整期限。"),
        lambda: task_services.set_due(task=task, by=actor_of(request, "tasks.manage"), **form.cleaned_data),
        form=form,
        name="due_form",
    )


@needs("tasks.report", "task")
@require_POST
def add_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a file as evidence, of the task or of an order."""
    task = the_task(request, pk, "tasks.report")
    form = EvidenceForm(request.POST, request.FILES, prefix="evidence")
    number = request.POST.get("order", "")
    order = None
    if number:
        order = task.supervisions.filter(pk=int(number) if number.isdecimal() else 0).first()
        if order is None or order.state == SupervisionState.CLOSED:
            raise Http404

    def keep() -> None:
        upload = form.cleaned_data["file"]
        with received(upload) as path:
            task_services.add_evidence(
                task=task, source=path, name=upload.name or "", order=order, by=actor_of(request, "tasks.report")
            )

    return _done(request, task, _("已上传。"), keep, form=form, name="evidence_form")


def _the_evidence(request: HttpRequest, pk: int, action: str) -> TaskEvidence:
    rows = TaskEvidence.objects.filter(task__in=tasks_in_reach(reach_of_request(request), action))
    found = rows.select_related("task", "supervision").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


@needs("tasks.read", "task-evidence")
def evidence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Offer a file; never shown in the browser."""
    row = _the_evidence(request, pk, "tasks.read")
    return attachment(row.document, row.name, row.kind)


@needs("tasks.report", "task-evidence")
@require_POST
def withdraw_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a file."""
    row = _the_evidence(request, pk, "tasks.report")
    try:
        task_services.withdraw_evidence(
            evidence=row, reason=request.POST.get("reason", ""), by=actor_of(request, "tasks.report")
        )
        messages.success(request, _("已撤回。"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("plans:task", pk=row.task_id)


# Supervision --------------------------------------------------------------------------------------------------------


@needs("tasks.manage", "task")
@require_POST
def raise_order(request: HttpRequest, pk: int) -> HttpResponse:
    """Raise a supervision order."""
    task = the_task(request, pk, "tasks.manage")
    organisations = organisations_of(task)
    form = OrderForm(request.POST, organisations=[(one.pk, one.name) for one in organisations], prefix="order")

    def write() -> None:
        chosen = next(one for one in organisations if str(one.pk) == form.cleaned_data["organisation"])
        task_services.raise_order(
            task=task,
            organisation=chosen,
            demand=form.cleaned_data["demand"],
            answer_by=form.cleaned_data["answer_by"],
            by=actor_of(request, "tasks.manage"),
        )

    return _done(request, task, _("已下达督办。"), write, form=form, name="order_form")


def _the_order(request: HttpRequest, pk: int, action: str) -> Supervision:
    """Return an order on which an action is allowed: answering is for the organisation that is asked, and the plan's owner."""
    reach = reach_of_request(request)
    rows = Supervision.objects.select_related("task", "organisation").filter(pk=pk)
    allowed = Q(task__place__in=reach.places(action)) | Q(organisation__in=reach.organisations(action))
    found = rows.filter(allowed).first()
    if found is None:
        raise Http404
    return found


def _ordered(request: HttpRequest, order: Supervision, said: str, do: Callable[[], object]) -> HttpResponse:
    try:
        do()
        messages.success(request, said)
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("plans:task", pk=order.task_id)


@needs("tasks.report", "supervision")
@require_POST
def answer_order(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer an order."""
    order = _the_order(request, pk, "tasks.report")
    answer = request.POST.get("answer", "")[:4000]
    return _ordered(
        request,
        order,
        _("已答复。"),
        lambda: task_services.answer_order(order=order, answer=answer, by=actor_of(request, "tasks.report")),
    )


@needs("tasks.manage", "supervision")
@require_POST
def settle_order(request: HttpRequest, pk: int) -> HttpResponse:
    """Close an order on its evidence, or send it back."""
    order = _the_order(request, pk, "tasks.manage")
    remark, by = request.POST.get("remark", "")[:4000], actor_of(request, "tasks.manage")
    if request.POST.get("how") == "close":
        return _ordered(
            request, order, _("已销号。"), lambda: task_services.close_order(order=order, remark=remark, by=by)
        )
    try:
        day = date.fromisoformat(request.POST.get("answer_by", ""))
    except ValueError:
        messages.error(request, _("请填写新的答复期限。"))
        return redirect("plans:task", pk=order.task_id)
    return _ordered(
        request,
        order,
        _("已退回，请继续办理。"),
        lambda: task_services.send_order_back(order=order, remark=remark, answer_by=day, by=by),
    )
