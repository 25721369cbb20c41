"""Subjects of plans and tasks, for the access table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from django.utils import timezone

from dafeng.web.access.actions import Role
from dafeng.web.plans.models import (
    Reading,
    ReadingState,
    Supervision,
    TaskBody,
    TaskEvidence,
    TaskWork,
)
from dafeng.web.plans.task_services import follow_plans
from web.world import World

PLANS: Final = {"own": "dongwan-2025", "neighbour": "dongwan-2025", "foreign": "xipo-2025", "above": "demo-city-2024"}
DOCUMENT: Final = "84475431c64bedd1d53e18a7113e8de2e285c300be6d70e1d4d322b89e9f633a"
"""The demonstration city's own plan document, as text."""
TARGETS: Final = {"above": "rail-2025"}


def plan(world: World, scope: str) -> dict[str, Any]:
    """Return a plan of the place of a scope."""
    return {"plan": PLANS[scope]}


def target(world: World, scope: str) -> dict[str, Any]:
    """Return a target of that plan."""
    return {"plan": PLANS[scope], "target": TARGETS.get(scope, "rail-2030")}


def make_reading(world: World, scope: str) -> Reading:
    """Return a reading under review; own and neighbour are of one place."""
    found, _new = Reading.objects.get_or_create(
        plan=f"{scope}-read",
        defaults={
            "document": DOCUMENT,
            "file_name": "plan.txt",
            "place": world.place(scope),
            "state": ReadingState.READY,
            "created_by": world.user(Role.PLAN_OWNER, scope, number=8),
        },
    )
    return found


def make_task(world: World, scope: str) -> TaskWork:
    """Return a task for which the organisation of a scope answers."""
    follow_plans()
    organisation = world.organisation(scope)
    if not organisation.body:
        organisation.body = f"body-of-{organisation.code}"
        organisation.save()
    task, _new = TaskWork.objects.get_or_create(plan=f"invented-{scope}", clause="一", place=world.place(scope))
    TaskBody.objects.get_or_create(task=task, body=organisation.body, defaults={"lead": True})
    return task


def make_evidence(world: World, scope: str) -> TaskEvidence:
    """Return a file handed in for that task."""
    task = make_task(world, scope)
    found, _new = TaskEvidence.objects.get_or_create(
        task=task,
        document=DOCUMENT,
        defaults={
            "name": "证明.txt",
            "kind": "txt",
            "size": 9,
            "by": world.user(Role.REPORTER, scope, number=8),
            "at": timezone.now(),
        },
    )
    return found


def make_order(world: World, scope: str) -> Supervision:
    """Return a supervision order against the organisation of a scope."""
    found, _new = Supervision.objects.get_or_create(
        task=make_task(world, scope),
        organisation=world.organisation(scope),
        defaults={
            "demand": "请说明进度",
            "answer_by": date(2026, 9, 30) + timedelta(days=1),
            "raised_by": world.user(Role.PLAN_OWNER, scope, number=8),
            "raised_at": timezone.now(),
        },
    )
    return found


SUBJECTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {
    "plan": plan,
    "target": target,
    "reading": lambda world, scope: {"pk": make_reading(world, scope).pk},
    "task": lambda world, scope: {"pk": make_task(world, scope).pk},
    "task-evidence": lambda world, scope: {"pk": make_evidence(world, scope).pk},
    "supervision": lambda world, scope: {"pk": make_order(world, scope).pk},
}
READABLE_FROM_BELOW: Final = frozenset({"plan", "target"})
"""Plans above one's own place bind it, and are read."""
