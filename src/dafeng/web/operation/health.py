"""How the platform fares: what answers, what waits, what it takes to say so in words and in numbers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, connection
from django.db.models import Max, Min
from django.utils.translation import gettext as _

from dafeng.base.errors import DafengError
from dafeng.web.audit.models import AuditHead
from dafeng.web.house import house
from dafeng.web.jobs.models import Job, JobState, WorkerBeat
from dafeng.web.operation.last_backup import last_backup
from dafeng.web.outbox.models import OutboxItem

__all__ = ["Health", "is_up", "metrics_text", "read_health"]

LATE: Final = timedelta(minutes=10)
UNSEEN: Final = timedelta(minutes=2)
LEAST_FREE: Final = 1 << 30


@dataclass(frozen=True)
class Health:
    """How the platform fares at a moment.

    Attributes
    ----------
    outbox_waiting, outbox_failing : int
        Items not yet delivered; those of them that failed at least once.
    outbox_since : datetime or None
        When the oldest of them was written.
    queued, running, failed : int
        Background runs.
    queued_since : datetime or None
    free : int
        Bytes free on the workspace's disk.
    facts_version : int
    audit_entries : int
    worker_seen : datetime or None
        When a worker last said that it is alive.
    """

    outbox_waiting: int
    outbox_failing: int
    outbox_since: datetime | None
    queued: int
    running: int
    failed: int
    queued_since: datetime | None
    free: int
    facts_version: int
    audit_entries: int
    worker_seen: datetime | None

    def faults(self, now: datetime) -> list[str]:
        """Return what is wrong, in the language of the page; empty where all is well."""
        said = []
        if self.outbox_since is not None and now - self.outbox_since > LATE:
            said.append(_("待发布内容等待超过10分钟"))
        if self.outbox_failing:
            said.append(_("%(n)d项发布失败，正在重试") % {"n": self.outbox_failing})
        if self.worker_seen is None or now - self.worker_seen > UNSEEN:
            said.append(_("任务进程没有运行：发布和后台任务都在等待"))
        elif self.queued_since is not None and now - self.queued_since > LATE and not self.running:
            said.append(_("后台任务排队超过10分钟"))
        if self.free < LEAST_FREE:
            said.append(_("磁盘剩余不足1 GB"))
        return said


def is_up() -> bool:
    """Return whether database and workspace answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        house().facts_version()
    except (DatabaseError, DafengError, OSError):
        return False
    return True


def read_health() -> Health:
    """Return how the platform fares."""
    waiting = OutboxItem.objects.filter(delivered_at__isnull=True)
    queued = Job.objects.filter(state=JobState.QUEUED)
    head = AuditHead.objects.filter(id=1).first()
    return Health(
        outbox_waiting=waiting.count(),
        outbox_failing=waiting.filter(attempts__gt=0).count(),
        outbox_since=waiting.aggregate(at=Min("created_at"))["at"],
        queued=queued.count(),
        running=Job.objects.filter(state=JobState.RUNNING).count(),
        failed=Job.objects.filter(state=JobState.FAILED).count(),
        queued_since=queued.aggregate(at=Min("created_at"))["at"],
        free=shutil.disk_usage(house().root).free,
        facts_version=house().facts_version(),
        audit_entries=0 if head is None else head.number,
        worker_seen=WorkerBeat.objects.aggregate(at=Max("seen_at"))["at"],
    )


def metrics_text(now: datetime) -> str:
    """Return the numbers of the platform in the text format of Prometheus."""
    fares = read_health()

    def age(moment: datetime | None) -> float:
        return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())

    made = last_backup(house().root)
    numbers: list[tuple[str, str, float]] = [
        ("outbox_waiting", "Items not yet published", fares.outbox_waiting),
        ("outbox_failing", "Items whose publishing has failed at least once", fares.outbox_failing),
        ("outbox_oldest_seconds", "Age of the oldest item not yet published", age(fares.outbox_since)),
        ("jobs_queued", "Background runs that wait", fares.queued),
        ("jobs_running", "Background runs at work", fares.running),
        ("jobs_failed", "Background runs that failed", fares.failed),
        ("jobs_oldest_seconds", "Age of the oldest run that waits", age(fares.queued_since)),
        ("disk_free_bytes", "Free on the disk of the workspace", fares.free),
        ("facts_version", "Version of the facts", fares.facts_version),
        ("audit_entries", "Entries of the audit log", fares.audit_entries),
    ]
    if fares.worker_seen is not None:
        numbers.append(("worker_seen_seconds", "Since a worker was heard of", age(fares.worker_seen)))
    if made is not None:
        numbers.append(("backup_age_seconds", "Since the last backup", age(made)))
    return "".join(
        f"# HELP dafeng_{name} {says}\n# TYPE dafeng_{name} gauge\ndafeng_{name} {value:g}\n"
        if value != int(value)
        else f"# HELP dafeng_{name} {says}\n# TYPE dafeng_{name} gauge\ndafeng_{name} {int(value)}\n"
        for name, says, value in numbers
    )
