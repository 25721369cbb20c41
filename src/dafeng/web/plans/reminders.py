"""Reminders: what falls due, how near it is, told once for each step, and handed to a command where one is set up."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from dafeng.web.people.models import Organisation
from dafeng.web.plans.models import Reminder, SupervisionState, TaskWork
from dafeng.web.plans.selectors import DUE_STATES, missing_report, task_title
from dafeng.web.plans.task_services import follow_plans

__all__ = ["DueReminder", "remind", "reminders_due", "step_of"]

_log: Final = logging.getLogger("dafeng.web.plans")
_STEPS: Final = (10, 30)
_OCTOBER_STEPS: Final = (10, 30, 60)
_HOOK_SECONDS: Final = 60


@dataclass(frozen=True)
class DueReminder:
    """Something that falls due.

    Attributes
    ----------
    task : TaskWork
    kind : str
        What and how near; told once.
    due_on : date
    says : str
        In Chinese.
    bodies : tuple of str
        Ids of the bodies concerned.
    """

    task: TaskWork
    kind: str
    due_on: date
    says: str
    bodies: tuple[str, ...]


def step_of(due: date, day: date, steps: tuple[int, ...] = _STEPS) -> str:
    """Return how near a day is: the least number of days of a step that is not yet past, `overdue`, or nothing.

    Examples
    --------
    >>> [step_of(date(2026, 10, 31), day, (10, 30, 60)) for day in (date(2026, 8, 1), date(2026, 9, 15), date(2026, 11, 1))]
    ['', '60', 'overdue']
    """
    left = (due - day).days
    return "overdue" if left < 0 else next((str(step) for step in steps if left <= step), "")


def reminders_due(day: date) -> list[DueReminder]:
    """Return everything that falls due as of a day: yearly reports before the end of October, tasks, answers to orders."""
    follow_plans()
    found: list[DueReminder] = []
    rows = TaskWork.objects.filter(listed=True).prefetch_related("bodies", "supervisions__organisation")
    for task in rows:
        bodies = tuple(row.body for row in task.bodies.all())
        leads = tuple(row.body for row in task.bodies.all() if row.lead) or bodies
        title = f"{task.clause} {task_title(task)}"
        if task.state in DUE_STATES:
            report = missing_report(task, day)
            if report is not None and (step := step_of(report, day, _OCTOBER_STEPS)):
                says = _("%(title)s：%(year)d年度进展须在10月底前报送") % {"title": title, "year": report.year}
                found.append(DueReminder(task, f"october-{report.year}-{step}", report, says, leads))
            if task.due is not None and (step := step_of(task.due, day)):
                says = _("%(title)s：办理期限 %(day)s") % {"title": title, "day": task.due.isoformat()}
                found.append(DueReminder(task, f"due-{task.due.isoformat()}-{step}", task.due, says, bodies))
        for order in task.supervisions.all():
            if order.state == SupervisionState.OPEN and (step := step_of(order.answer_by, day)):
                says = _("%(title)s：督办答复期限 %(day)s") % {"title": title, "day": order.answer_by.isoformat()}
                kind = f"order-{order.pk}-{order.answer_by.isoformat()}-{step}"
                found.append(DueReminder(task, kind, order.answer_by, says, (order.organisation.body,)))
    return sorted(found, key=lambda one: (one.due_on, one.task.plan, one.task.position, one.kind))


def remind(day: date) -> Mapping[str, Any]:
    """Note every reminder that is due, each once, and hand those that nobody was told of yet to the hook command."""
    due = {(one.task.pk, one.kind): one for one in reminders_due(day)}
    before = Reminder.objects.count()
    Reminder.objects.bulk_create(
        [Reminder(task=one.task, kind=one.kind, due_on=one.due_on, on=day) for one in due.values()],
        ignore_conflicts=True,
    )
    waiting = {(row.task_id, row.kind): row for row in Reminder.objects.filter(handed_at__isnull=True)}
    to_tell = {key: due[key] for key in waiting if key in due}
    told = _tell(list(to_tell.values()), day)
    if told:
        Reminder.objects.filter(pk__in=[waiting[key].pk for key in to_tell]).update(handed_at=timezone.now())
    return {"day": day.isoformat(), "new": Reminder.objects.count() - before, "told": told}


def _tell(reminders: list[DueReminder], day: date) -> int:
    """Hand reminders to the command that the operator set up, as JSON on its standard input; return how many it took."""
    command = shlex.split(settings.DAFENG_REMINDER_HOOK)
    if not command or not reminders:
        return 0
    names = dict(Organisation.objects.exclude(body="").values_list("body", "name"))
    said = [
        {
            "kind": one.kind,
            "due_on": one.due_on.isoformat(),
            "says": one.says,
            "plan": one.task.plan,
            "task": one.task.pk,
            "organisations": [names[body] for body in one.bodies if body in names],
        }
        for one in reminders
    ]
    text = json.dumps({"day": day.isoformat(), "reminders": said}, ensure_ascii=False)
    try:
        subprocess.run(command, input=text.encode(), check=True, timeout=_HOOK_SECONDS, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("the reminder hook failed: %s", error)
        return 0
    return len(reminders)
