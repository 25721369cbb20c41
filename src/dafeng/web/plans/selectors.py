"""Reads: plans and tasks in reach, what the library says of them, what is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _

from dafeng.assessment import Assessment
from dafeng.base.document import DocumentText
from dafeng.base.errors import DafengError
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans.compare import Comparison, compare_with_parents
from dafeng.plans.responsibility import ResponsibilityList, ResponsibilityRow, responsibility_list
from dafeng.plans.versions import PlanDiff, diff_plans
from dafeng.web.access.reach import Reach
from dafeng.web.due import DueItem
from dafeng.web.house import house
from dafeng.web.people.models import Organisation
from dafeng.web.plans.models import (
    PlanVersion,
    Reading,
    Supervision,
    SupervisionState,
    TaskBody,
    TaskState,
    TaskWork,
)
from dafeng.workflow.plan_reading import document_text
from dafeng.workflow.setting import Setting

__all__ = [
    "DUE_STATES",
    "PlanRow",
    "bodies_in_reach",
    "body_of",
    "comparison_of",
    "due_for",
    "duties_of",
    "may",
    "open_readings",
    "organisations_of",
    "plan_in_reach",
    "plan_rows",
    "plan_text",
    "plans_in_reach",
    "status_of",
    "task_title",
    "tasks_in_reach",
    "version_changes",
]

DUE_STATES: Final = (TaskState.NOT_STARTED, TaskState.IN_PROGRESS)
"""States in which somebody still has to do something."""
REPORT_MONTH: Final = 10
"""Month at whose end the yearly report is due."""


# Plans --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlanRow:
    """A plan as the list shows it.

    Attributes
    ----------
    plan : Plan
    place_name : str
    above : bool
        Whether it binds from above and is only to be read.
    version : PlanVersion or None
        The last one that was published here.
    reading : Reading or None
        A document on its way to the next version.
    """

    plan: Plan
    place_name: str
    above: bool
    version: PlanVersion | None
    reading: Reading | None


def _places(reach: Reach) -> tuple[frozenset[str], frozenset[str]]:
    """Return the places in which plans are read by right, and those above them."""
    within = reach.places("plans.read")
    known = house().catalog.places
    above: set[str] = set()
    for place in within:
        if place in known and known.get(place).parent not in within:
            above |= set(known.ancestor_ids(place))
    return within, frozenset(above - within)


def plans_in_reach(reach: Reach) -> list[tuple[Plan, bool]]:
    """Return the plans that a user may read, each with whether it comes from above: own first, newest first."""
    within, above = _places(reach)
    found = [(plan, plan.place in above) for plan in house().catalog.plans.values() if plan.place in within | above]
    found.sort(key=lambda pair: (str(pair[0].document.issued_on or ""), pair[0].id), reverse=True)
    ranks = {place.id: place.level.rank for place in house().catalog.places}
    return sorted(found, key=lambda pair: (pair[1], -ranks[pair[0].place] if pair[1] else ranks[pair[0].place]))


def plan_in_reach(reach: Reach, plan: str) -> Plan:
    """Return a plan that a user may read.

    Raises
    ------
    Http404
        There is none, or it is out of reach.
    """
    within, above = _places(reach)
    found = house().catalog.plans.get(plan)
    if found is None or found.place not in within | above:
        raise Http404
    return found


def open_readings(reach: Reach) -> QuerySet[Reading]:
    """Return the readings that a user may see, newest first."""
    rows = reach.visible(Reading.objects.all(), "plans.review", organisation=None)
    return rows.select_related("created_by", "job")


def plan_rows(reach: Reach, *, text: str = "") -> list[PlanRow]:
    """Return the list of plans, narrowed by a part of title, place or id."""
    here = house().catalog
    found = [
        (plan, above)
        for plan, above in plans_in_reach(reach)
        if not text or text in plan.title.zh or text in plan.id or text in here.place_name(plan.place)
    ]
    ids = [plan.id for plan, _above in found]
    versions: dict[str, PlanVersion] = {}
    for version in PlanVersion.objects.filter(plan__in=ids, number__isnull=False).order_by("number"):
        versions[version.plan] = version
    readings = {
        row.plan: row for row in open_readings(reach).filter(plan__in=ids, state__in=("waiting", "ready", "publishing"))
    }
    return [
        PlanRow(plan, here.place_name(plan.place), above, versions.get(plan.id), readings.get(plan.id))
        for plan, above in found
    ]


def duties_of(plan: Plan) -> ResponsibilityList:
    """Return the responsibility list of a plan."""
    return house().kept(("duties", plan.id), lambda here: responsibility_list(plan, here.catalog), facts=False)


def comparison_of(plan: Plan) -> Comparison:
    """Return a plan compared with those above it."""
    return house().kept(("parents", plan.id), lambda here: compare_with_parents(plan, here.catalog), facts=False)


def plan_text(plan: Plan) -> DocumentText | None:
    """Return the text of a plan's document; None where the workspace does not keep it."""
    from_file = plan.document.named or plan.document.file or plan.id

    def make(setting: Setting) -> DocumentText | None:
        try:
            return document_text(setting, plan.document.sha256, named=from_file)
        except DafengError:
            return None

    return house().kept(("plan-text", plan.document.sha256), make, facts=False)


def status_of(reach: Reach, plan: Plan) -> Assessment | None:
    """Return a plan judged today, where a user may see how its place stands."""
    if not reach.can("status.read", place=plan.place):
        return None
    return house().assessment(plan.id)


def frozen_plan(version: PlanVersion) -> Plan:
    """Return a version of a plan as it was frozen."""
    setting = house().setting()
    assert setting.workspace is not None
    return Plan.model_validate_json(setting.workspace.document(version.frozen).read_bytes())


def version_changes(before: PlanVersion, after: PlanVersion) -> PlanDiff:
    """Return what changed from one version to another."""
    return house().kept(
        ("plan-diff", before.frozen, after.frozen),
        lambda here: diff_plans(frozen_plan(before), frozen_plan(after)),
        facts=False,
    )


# Tasks --------------------------------------------------------------------------------------------------------------


def bodies_in_reach(reach: Reach, action: str) -> list[str]:
    """Return the bodies as whose organisation a user may do something."""
    rows = Organisation.objects.filter(pk__in=reach.organisations(action)).exclude(body="")
    return list(rows.values_list("body", flat=True))


def tasks_in_reach(reach: Reach, action: str, *, own: bool = False) -> QuerySet[TaskWork]:
    """Return the tasks on which an action is allowed: of the places in reach, and of the user's own organisations.

    Parameters
    ----------
    reach : Reach
    action : str
    own : bool
        Only those for which the user's own organisation answers.
    """
    if own:
        organisation = None if reach.user is None else reach.user.organisation
        bodies = [organisation.body] if organisation is not None and organisation.body else []
        return tasks_in_reach(reach, action).filter(_answers(bodies))
    allowed = Q(place__in=reach.places(action))
    bodies = bodies_in_reach(reach, action)
    if bodies:
        allowed |= _answers(bodies)
    return TaskWork.objects.filter(allowed)


def _answers(bodies: list[str]) -> Q:
    return Q(Exists(TaskBody.objects.filter(task=OuterRef("pk"), body__in=bodies)))


def may(reach: Reach, action: str, task: TaskWork) -> bool:
    """Return whether an action is allowed on a task."""
    return tasks_in_reach(reach, action).filter(pk=task.pk).exists()


def with_due(rows: QuerySet[TaskWork]) -> QuerySet[TaskWork]:
    """Return tasks with the day by which they are due, the number of files and of open orders."""
    orders = Count("supervisions", filter=~Q(supervisions__state=SupervisionState.CLOSED), distinct=True)
    files = Count("evidence", filter=Q(evidence__withdrawn_at__isnull=True), distinct=True)
    return rows.annotate(due_day=Coalesce("due_on", "plan_due"), orders=orders, files=files)


def body_of(body: str) -> str:
    """Return the name of a body."""
    known = house().catalog.bodies.get(body)
    return body if known is None else known.name


def task_title(task: TaskWork) -> str:
    """Return the heading of a task in the plan; the clause where the plan no longer holds it."""
    plan = house().catalog.plans.get(task.plan)
    found = None if plan is None else next((one for one in plan.tasks if one.number == task.clause), None)
    return task.clause if found is None else found.title


def duties_of_task(task: TaskWork) -> list[ResponsibilityRow]:
    """Return what the plan promises in the clause of a task."""
    plan = house().catalog.plans.get(task.plan)
    if plan is None:
        return []
    return [row for row in duties_of(plan).rows if row.clause == task.clause and (row.target or row.obligation)]


def organisations_of(task: TaskWork) -> list[Organisation]:
    """Return the organisations that answer for a task, the lead first."""
    bodies = [row.body for row in task.bodies.all()]
    rows = {row.body: row for row in Organisation.objects.filter(body__in=bodies, active=True)}
    return [rows[body] for body in bodies if body in rows]


def report_start(day: date) -> date:
    """Return the first day of the reporting year in which a day lies: November to October.

    Examples
    --------
    >>> report_start(date(2026, 10, 31)), report_start(date(2026, 11, 1))
    (datetime.date(2025, 11, 1), datetime.date(2026, 11, 1))
    """
    return date(day.year if day.month > REPORT_MONTH else day.year - 1, REPORT_MONTH + 1, 1)


def report_due(day: date) -> date:
    """Return the day by which the report of the year is due: the end of October.

    Examples
    --------
    >>> report_due(date(2026, 9, 15)), report_due(date(2026, 11, 2))
    (datetime.date(2026, 10, 31), datetime.date(2027, 10, 31))
    """
    return date(report_start(day).year + 1, REPORT_MONTH, 31)


def missing_report(task: TaskWork, day: date) -> date | None:
    """Return the end of October by which a yearly report is missing: that just past until the year ends, else the next."""
    last = report_start(day)
    if day.month > REPORT_MONTH and (task.reported_on is None or task.reported_on < last.replace(year=last.year - 1)):
        return date(day.year, REPORT_MONTH, 31)
    return report_due(day) if task.reported_on is None or task.reported_on < last else None


def due_for(reach: Reach, day: date) -> list[DueItem]:
    """Return what is due for a user, soonest first: tasks to report on, tasks that end, orders to answer or to close."""
    found: list[DueItem] = []
    mine = tasks_in_reach(reach, "tasks.report", own=True) if reach.can("tasks.report") else TaskWork.objects.none()
    organisation = "" if reach.user is None or reach.user.organisation is None else reach.user.organisation.name
    for task in mine.filter(listed=True, state__in=DUE_STATES):
        url = reverse("plans:task", kwargs={"pk": task.pk})
        title = f"{task.clause} {task_title(task)}"
        report = missing_report(task, day)
        if report is not None:
            found.append(DueItem(_("%(title)s：年度进展") % {"title": title}, url, report, organisation, _("任务")))
        if task.due is not None:
            found.append(DueItem(_("%(title)s：办结") % {"title": title}, url, task.due, organisation, _("任务")))
    orders = Supervision.objects.select_related("task", "organisation")
    for order in orders.filter(task__in=mine, state=SupervisionState.OPEN):
        if reach.user is not None and order.organisation_id == reach.user.organisation_id:
            found.append(_order(order, _("答复")))
    if reach.can("tasks.manage"):
        managed = tasks_in_reach(reach, "tasks.manage")
        found += [
            _order(order, _("销号")) for order in orders.filter(task__in=managed, state=SupervisionState.ANSWERED)
        ]
        found += [
            DueItem(
                _("%(title)s：确认完成") % {"title": f"{task.clause} {task_title(task)}"},
                reverse("plans:task", kwargs={"pk": task.pk}),
                task.reported_on or day,
                "",
                _("任务"),
            )
            for task in managed.filter(listed=True, state=TaskState.CLAIMED)
        ]
    return sorted(found, key=lambda item: (item.due, item.title))


def _order(order: Supervision, what: str) -> DueItem:
    return DueItem(
        f"{order.task.clause} {task_title(order.task)}：{what}",
        reverse("plans:task", kwargs={"pk": order.task_id}) + f"#order-{order.pk}",
        order.answer_by,
        order.organisation.name,
        _("督办"),
    )
