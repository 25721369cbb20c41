"""Asking for background runs, taking them, and doing them under a lease."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from dafeng.base.errors import DafengError
from dafeng.base.listener import Listener
from dafeng.web.audit.services import Actor, record
from dafeng.web.jobs.models import Job, JobState

__all__ = ["CancelledError", "LostLeaseError", "Task", "ask", "cancel", "does", "take", "work_one"]

_log: Final = logging.getLogger("dafeng.web.jobs")
Task = Callable[[Mapping[str, Any], Listener, Job], Mapping[str, Any]]
"""Does a run: arguments, a listener that raises where it was cancelled or lost, the row. Returns its result."""
_TASKS: Final[dict[str, Task]] = {}
LEASE: Final = timedelta(seconds=60)
_MOST_ATTEMPTS: Final = 3


class CancelledError(Exception):
    """Somebody asked for the run to stop."""


class LostLeaseError(Exception):
    """Another worker has taken the run."""


def does(kind: str) -> Callable[[Task], Task]:
    """Register what does a kind of run."""

    def put_in(task: Task) -> Task:
        if kind in _TASKS:
            raise LookupError(f"two tasks of {kind!r}")
        _TASKS[kind] = task
        return task

    return put_in


def ask(kind: str, key: str, *, title: str, place: str, arguments: Mapping[str, Any], by: Actor) -> tuple[Job, bool]:
    """Ask for a run; return it, and whether it is a new one. While one of that key is active, it is that one."""
    try:
        with transaction.atomic():
            job = Job.objects.create(
                kind=kind,
                key=key,
                title=title,
                place=place,
                arguments=dict(arguments),
                created_by=None if by.user is None else by.user.pk,
            )
            record("jobs.asked", job, by=by, place=place, after={"kind": kind, "key": key, "title": title})
            return job, True
    except IntegrityError:
        active = Job.objects.filter(key=key, state__in=[JobState.QUEUED, JobState.RUNNING]).first()
        if active is None:  # it ended in between
            return ask(kind, key, title=title, place=place, arguments=arguments, by=by)
        return active, False


def cancel(job: Job, *, by: Actor) -> None:
    """Ask a run to stop; one that waits is cancelled at once."""
    with transaction.atomic():
        row = Job.objects.select_for_update().get(pk=job.pk)
        if not row.active:
            return
        row.cancel_asked = True
        if row.state == JobState.QUEUED:
            row.state, row.ended_at = JobState.CANCELLED, timezone.now()
        row.save()
        record("jobs.cancelled", row, by=by, place=row.place)


def take(worker: str) -> Job | None:
    """Take the next run: one that waits, or one whose worker no longer renews its lease. None where there is none."""
    now = timezone.now()
    free = Q(state=JobState.QUEUED) | Q(state=JobState.RUNNING, leased_until__lt=now)
    with transaction.atomic():
        rows = Job.objects.filter(free).order_by("id")
        rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        job = rows.first()
        if job is None:
            return None
        job.fence += 1
        job.attempts += 1
        job.worker, job.leased_until = worker, now + LEASE
        if job.cancel_asked or job.attempts > _MOST_ATTEMPTS:
            job.state = JobState.CANCELLED if job.cancel_asked else JobState.FAILED
            job.error = "" if job.cancel_asked else f"运行 {_MOST_ATTEMPTS} 次都中断"
            job.ended_at, job.leased_until = now, None
        else:
            job.state, job.started_at = JobState.RUNNING, job.started_at or now
        job.save()
        return job


def _write(job: Job, **fields: Any) -> None:
    """Write about a run where its fence is still held.

    Raises
    ------
    LostLeaseError
        It is not.
    """
    if not Job.objects.filter(pk=job.pk, fence=job.fence, state=JobState.RUNNING).update(**fields):
        raise LostLeaseError(job.key)


def work_one(worker: str) -> bool:
    """Take one run and do it; return whether there was one."""
    job = take(worker)
    if job is None:
        return False
    if job.state != JobState.RUNNING:
        return True
    stop = threading.Event()
    renewing = threading.Thread(target=_renew, args=(job, stop), daemon=True)
    renewing.start()
    last = [0.0]

    def listener(step: str, done: int, total: int | None) -> None:
        clock = timezone.now().timestamp()
        if clock - last[0] < 0.5 and done not in (0, total):
            return
        last[0] = clock
        _write(job, doing=step[:160], done=done, total=total, leased_until=timezone.now() + LEASE)
        if Job.objects.filter(pk=job.pk, cancel_asked=True).exists():
            raise CancelledError

    try:
        result = _TASKS[job.kind](job.arguments, listener, job)
        _write(job, state=JobState.DONE, result=dict(result), ended_at=timezone.now(), leased_until=None, doing="")
    except CancelledError:
        _write(job, state=JobState.CANCELLED, ended_at=timezone.now(), leased_until=None)
    except LostLeaseError:
        _log.warning("job %s was taken by another worker", job.pk)
    except DafengError as error:
        _write(job, state=JobState.FAILED, error=str(error)[:4000], ended_at=timezone.now(), leased_until=None)
    except Exception as error:
        _log.exception("job %s failed", job.pk)
        said = f"{type(error).__name__}: {error}"
        _write(job, state=JobState.FAILED, error=said[:4000], ended_at=timezone.now(), leased_until=None)
    finally:
        stop.set()
        renewing.join()
    return True


def _renew(job: Job, stop: threading.Event) -> None:
    """Renew the lease while the run goes on, whether or not it reports progress."""
    while not stop.wait(LEASE.total_seconds() / 4):
        renewed = Job.objects.filter(pk=job.pk, fence=job.fence, state=JobState.RUNNING).update(
            leased_until=timezone.now() + LEASE
        )
        connection.close()
        if not renewed:
            return
