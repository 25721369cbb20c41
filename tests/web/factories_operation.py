"""Background runs and audit entries for the access table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.db import transaction

from dafeng.web.audit.services import SYSTEM, record
from dafeng.web.jobs.models import Job, JobState
from dafeng.web.outbox.services import put
from web.world import World


def make_job(world: World, scope: str) -> dict[str, Any]:
    """Return a run of the workspace that nobody here asked for."""
    job = Job.objects.create(
        kind="none", key=f"none:{scope}", title="试", place=world.place("above"), state=JobState.DONE
    )
    return {"pk": job.pk}


def make_own_job(world: World, scope: str) -> dict[str, Any]:
    """Return a run of no place that the one who asks asked for, or somebody else did."""
    user = world.asking if scope == "own" else world.somebody_else()
    job = Job.objects.create(
        kind="none", key="none", title="试", place="", state=JobState.DONE, created_by=None if user is None else user.pk
    )
    return {"pk": job.pk}


def make_entry(world: World, scope: str) -> dict[str, Any]:
    """Return an entry of the audit log."""
    with transaction.atomic():
        return {"number": record("test.done", ("test", "1"), by=SYSTEM).number}


def make_item(world: World, scope: str) -> dict[str, Any]:
    """Return something that waits to be published."""
    with transaction.atomic():
        return {"pk": put("none", f"none:{scope}", {}).pk}


SUBJECTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {
    "job": make_job,
    "own-job": make_own_job,
    "audit": make_entry,
    "outbox": make_item,
}
PERSONAL: Final[frozenset[str]] = frozenset({"own-job"})
