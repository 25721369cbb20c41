"""Asking for background runs, taking them, and doing them under a lease."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from dafeng.base.errors import DafengError
from dafeng.base.listener import Listener
from dafeng.web.audit.services import SYSTEM, Actor, record
from dafeng.web.jobs.models import Job, JobState, WorkerBeat
from dafeng.web.people.models import User

__all__ = [
    "CancelledError",
    "LostLeaseError",
    "StoppedError",
    "Task",
    "again",
    "ask",
    "asked_by",
    "beat",
    "cancel",
    "does",
    "take",
    "work_one",
]

_log: Final = logging.getLogger("dafeng.web.jobs")
Task = Callable[[Mapping[str, Any], Listener, Job], Mapping[str, Any]]
"""Does a run: arguments, a listener that raises where it was cancelled or lost, the row. Returns its result."""
_TASKS: Final[dict[str, Task]] = {}
LEASE: Final = timedelta(seconds=float(os.environ.get("DAFENG_LEASE_SECONDS", "60")))
_MOST_ATTEMPTS: Final = 3
_SAID: Final = 0.5
_LONGEST_ERROR: Final = 4000


class CancelledError(Exception):
    """Somebody asked for the run to stop."""


class StoppedError(Exception):
    """The worker is to end; the run goes back to the queue."""


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


def again(job: Job, *, by: Actor) -> tuple[Job, bool]:
    """Ask anew for a run that has ended; return it, and whether it is a new one."""
    return ask(job.kind, job.key, title=job.title, place=job.place, arguments=job.arguments, by=by)


def asked_by(job: Job) -> Actor:
    """Return who asked for a run, for what it writes."""
    user = None if job.created_by is None else User.objects.filter(pk=job.created_by).first()
    return SYSTEM if user is None else Actor(user=user, name=user.name, organisation=user.organisation_id)


def beat(worker: str, *, doing: str = "") -> None:
    """Note that a worker is alive; forget those of which nothing was heard for a day."""
    now = timezone.now()
    WorkerBeat.objects.update_or_create(name=worker, defaults={"seen_at": now, "doing": doing[:160]})
    WorkerBeat.objects.filter(seen_at__lt=now - timedelta(days=1)).delete()


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


def _ends(job: Job, state: JobState, **fields: Any) -> None:
    _write(job, state=state, ended_at=timezone.now(), leased_until=None, **fields)


def _listener(job: Job, stop: threading.Event | None) -> Listener:
    """Return what a run tells its progress to; it stops a run that was cancelled, lost, or whose worker is to end."""
    last, last_step = 0.0, ""

    def listen(step: str, done: int, total: int | None) -> None:
        nonlocal last, last_step
        if stop is not None and stop.is_set():
            raise StoppedError
        clock = time.monotonic()
        if clock - last < _SAID and (step == last_step and done != total):
            return
        last, last_step = clock, step
        _write(job, doing=step[:160], done=done, total=total, leased_until=timezone.now() + LEASE)
        if Job.objects.filter(pk=job.pk, cancel_asked=True).exists():
            raise CancelledError

    return listen


def work_one(worker: str, *, stop: threading.Event | None = None) -> bool:
    """Take one run and do it; return whether there was one.

    A task may be called more than once for one run, where a worker died: what it writes must be known again by its content.

    Parameters
    ----------
    worker : str
        Name of the worker.
    stop : Event, optional
        When set, the run ends at its next word of progress and goes back to the queue.
    """
    job = take(worker)
    if job is None:
        return False
    if job.state != JobState.RUNNING:
        return True
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(job, done), name="lease", daemon=True)
    renewing.start()
    try:
        _do(job, stop)
    except LostLeaseError:
        _log.warning("job %s was taken by another worker, or cancelled", job.pk)
    finally:
        done.set()
        renewing.join()
    return True


def _do(job: Job, stop: threading.Event | None) -> None:
    try:
        if job.kind not in _TASKS:
            _ends(job, JobState.FAILED, error=f"没有登记“{job.kind}”这种任务：平台版本不一致，请重启任务进程")
            return
        result = _TASKS[job.kind](job.arguments, _listener(job, stop), job)
        _ends(job, JobState.DONE, result=dict(result), doing="", error="")
    except CancelledError:
        _ends(job, JobState.CANCELLED)
    except StoppedError:  # nobody's fault: the attempt does not count
        _write(job, state=JobState.QUEUED, leased_until=None, attempts=max(job.attempts - 1, 0))
    except LostLeaseError:
        raise
    except OperationalError as error:  # the database is locked, or away: tried again, as after a death
        _log.warning("job %s: %s", job.pk, error)
        _write(job, state=JobState.QUEUED, leased_until=None, error=str(error)[:_LONGEST_ERROR])
    except DafengError as error:
        _ends(job, JobState.FAILED, error=str(error)[:_LONGEST_ERROR])
    except Exception as error:
        _log.exception("job %s failed", job.pk)
        _ends(job, JobState.FAILED, error=f"{type(error).__name__}: {error}"[:_LONGEST_ERROR])


def _renew(job: Job, done: threading.Event) -> None:
    """Renew the lease while the run goes on, whether or not it reports progress."""
    while not done.wait(LEASE.total_seconds() / 4):
        try:
            renewed = Job.objects.filter(pk=job.pk, fence=job.fence, state=JobState.RUNNING).update(
                leased_until=timezone.now() + LEASE
            )
        except OperationalError as error:  # three more times before the lease ends
            _log.warning("lease of job %s: %s", job.pk, error)
            continue
        finally:
            connection.close()
        if not renewed:
            return
