"""Background runs."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

__all__ = ["Job", "JobState", "WorkerBeat"]


class JobState(models.TextChoices):
    """Where a run stands."""

    QUEUED = "queued", _("排队")
    RUNNING = "running", _("运行中")
    DONE = "done", _("完成")
    FAILED = "failed", _("失败")
    CANCELLED = "cancelled", _("已取消")


class Job(models.Model):
    """A background run. One is active for a key at a time; whoever holds its fence may write about it."""

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=160)
    title = models.CharField(max_length=160)
    arguments = models.JSONField(default=dict)
    place = models.CharField(max_length=80)
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    doing = models.CharField(max_length=160, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    """Raised each time that a worker takes it; a worker with an older one has lost it."""
    worker = models.CharField(max_length=80, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    cancel_asked = models.BooleanField(default=False)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_by = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; one active run a key."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["key"], condition=Q(state__in=["queued", "running"]), name="job_active_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "id"], name="job_state")]

    def __str__(self) -> str:
        return self.title

    @property
    def active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (JobState.QUEUED, JobState.RUNNING)


class WorkerBeat(models.Model):
    """A worker was alive at a moment."""

    name = models.CharField(max_length=80, primary_key=True)
    seen_at = models.DateTimeField()
    doing = models.CharField(max_length=160, blank=True)

    class Meta:
        """The last seen first."""

        ordering: ClassVar = ["-seen_at"]

    def __str__(self) -> str:
        return self.name
