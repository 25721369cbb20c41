"""Readings of plan documents with what people decided about them, versions that were published, and work on tasks.

No fact and no sentence of a plan stands here: items are named by their anchor, tasks by plan and clause; the words come from
the workspace's own copy of the document whenever they are shown.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from dafeng.web.jobs.models import Job
from dafeng.web.people.models import Organisation

__all__ = [
    "PlanVersion",
    "Reading",
    "ReadingState",
    "Reminder",
    "ReviewDecision",
    "Supervision",
    "SupervisionState",
    "TaskBody",
    "TaskEvidence",
    "TaskIndex",
    "TaskNote",
    "TaskState",
    "TaskWork",
]

_PERSON = settings.AUTH_USER_MODEL


class ReadingState(models.TextChoices):
    """Where the reading of a document stands."""

    WAITING = "waiting", _("读取中")
    FAILED = "failed", _("未能读取")
    READY = "ready", _("复核中")
    PUBLISHING = "publishing", _("发布中")
    PUBLISHED = "published", _("已发布")
    WITHDRAWN = "withdrawn", _("已撤销")


OPEN_STATES = (ReadingState.WAITING, ReadingState.READY, ReadingState.PUBLISHING)


class Reading(models.Model):
    """A plan document that somebody handed in, on its way to becoming a version of a plan."""

    document = models.CharField(max_length=64)
    """SHA-256 under which the workspace keeps the document."""
    file_name = models.CharField(max_length=200)
    place = models.CharField(max_length=80, db_index=True)
    plan = models.CharField(max_length=120, blank=True)
    """Plan id; made of place and year by the reader where nobody names one."""
    state = models.CharField(max_length=12, choices=ReadingState.choices, default=ReadingState.WAITING)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    error = models.TextField(blank=True)
    counts = models.JSONField(default=dict)
    """How many items of each kind were read."""
    faults = models.JSONField(default=list)
    """Why the last publication was refused: findings as the library gives them."""
    revision = models.PositiveIntegerField(default=0)
    """Grows with every decision."""
    created_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first; one open reading of a plan at a time."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan"], condition=Q(state__in=OPEN_STATES) & ~Q(plan=""), name="reading_open_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "place"], name="reading_state")]

    def __str__(self) -> str:
        return self.plan or self.file_name


class ReviewDecision(models.Model):
    """What one person said of one item; never changed: a later one takes its place."""

    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, related_name="decisions")
    item = models.CharField(max_length=32)
    """First digits of the digest of subject and anchor."""
    code = models.CharField(max_length=200)
    """Id of the library's decision."""
    subject = models.CharField(max_length=20)
    anchor = models.JSONField()
    verdict = models.CharField(max_length=10)
    fields = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=60)
    on = models.DateField()
    at = models.DateTimeField(auto_now_add=True)
    current = models.BooleanField(default=True)

    class Meta:
        """In order of time; one that holds for an item."""

        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reading", "item"], condition=Q(current=True), name="decision_holds_once"),
            models.UniqueConstraint(fields=["reading", "code"], name="decision_code"),
            models.CheckConstraint(
                condition=Q(verdict__in=["accept", "correct", "reject", "add"]), name="decision_verdict"
            ),
            models.CheckConstraint(
                condition=~Q(verdict__in=["correct", "reject"]) | ~Q(reason=""), name="decision_has_reason"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PlanVersion(models.Model):
    """A version of a plan that was published; number 0 is what stood in the workspace before the first."""

    plan = models.CharField(max_length=120)
    place = models.CharField(max_length=80, db_index=True)
    number = models.PositiveIntegerField(null=True, blank=True)
    """Given when the workspace has it; None while under way or refused."""
    reading = models.ForeignKey(Reading, on_delete=models.PROTECT, null=True, blank=True, related_name="versions")
    document = models.CharField(max_length=64)
    frozen = models.CharField(max_length=64, blank=True)
    """SHA-256 of the plan as it was, kept among the workspace's documents."""
    items = models.PositiveIntegerField(default=0)
    reviewed = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    asked_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    asked_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    refused = models.BooleanField(default=False)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        """Newest first; numbers without doubles; one publication of a reading under way."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "number"], name="version_number"),
            models.UniqueConstraint(
                fields=["reading"],
                condition=Q(refused=False) & Q(reading__isnull=False),
                name="version_of_reading",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} v{self.number}"


class TaskIndex(models.Model):
    """The state of the catalog for which the tasks were last listed."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return self.digest


class TaskState(models.TextChoices):
    """Where a task stands."""

    NOT_STARTED = "not_started", _("未开展")
    IN_PROGRESS = "in_progress", _("推进中")
    CLAIMED = "claimed", _("报完成，待确认")
    DONE = "done", _("已完成")
    PAUSED = "paused", _("暂缓")


class TaskWork(models.Model):
    """Work on a task of a plan. Which tasks there are, and whose, follows the library (`task_services.follow_plans`)."""

    plan = models.CharField(max_length=120)
    clause = models.CharField(max_length=80)
    place = models.CharField(max_length=80, db_index=True)
    position = models.PositiveIntegerField(default=0)
    listed = models.BooleanField(default=True)
    """Whether the plan still holds it."""
    plan_due = models.DateField(null=True, blank=True)
    """Last deadline of its targets in the plan."""
    state = models.CharField(_("状态"), max_length=12, choices=TaskState.choices, default=TaskState.NOT_STARTED)
    percent = models.PositiveSmallIntegerField(_("完成比例"), default=0)
    due_on = models.DateField(_("办理期限"), null=True, blank=True)
    due_reason = models.CharField(_("理由"), max_length=300, blank=True)
    reported_on = models.DateField(null=True, blank=True)
    """Day of the last note."""
    claimed_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    history = HistoricalRecords(excluded_fields=["position", "listed", "plan_due"])

    class Meta:
        """In the order of the plan; a clause once."""

        ordering: ClassVar = ["plan", "position", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["plan", "clause"], name="task_once"),
            models.CheckConstraint(condition=Q(percent__lte=100), name="task_percent"),
            models.CheckConstraint(condition=Q(due_on__isnull=True) | ~Q(due_reason=""), name="task_due_reason"),
        ]
        indexes: ClassVar = [models.Index(fields=["listed", "state"], name="task_state")]

    def __str__(self) -> str:
        return f"{self.plan} {self.clause}"

    @property
    def due(self) -> date | None:
        """Day by which it is due: the one that was set, else the plan's."""
        return self.due_on or self.plan_due


class TaskBody(models.Model):
    """A body that answers for a task, as the library reads the plan."""

    task = models.ForeignKey(TaskWork, on_delete=models.CASCADE, related_name="bodies")
    body = models.CharField(max_length=120, db_index=True)
    lead = models.BooleanField(default=False)

    class Meta:
        """The lead first; a body once."""

        ordering: ClassVar = ["task", "-lead", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "body"], name="task_body_once")]

    def __str__(self) -> str:
        return self.body


class TaskNote(models.Model):
    """How far a task has come, said by somebody on a day; never changed."""

    task = models.ForeignKey(TaskWork, on_delete=models.PROTECT, related_name="notes")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, null=True, related_name="+")
    by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    on = models.DateField()
    state = models.CharField(max_length=12, choices=TaskState.choices)
    percent = models.PositiveSmallIntegerField()
    text = models.TextField()

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(percent__lte=100), name="note_percent"),
            models.CheckConstraint(condition=~Q(text=""), name="note_says_something"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.on}"


class SupervisionState(models.TextChoices):
    """Where a supervision order stands."""

    OPEN = "open", _("待答复")
    ANSWERED = "answered", _("已答复，待销号")
    CLOSED = "closed", _("已销号")


class Supervision(models.Model):
    """A supervision order (督办): what is asked of a body by a day, its answer, and its closing on evidence."""

    task = models.ForeignKey(TaskWork, on_delete=models.PROTECT, related_name="supervisions")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    demand = models.TextField(_("督办事项"))
    answer_by = models.DateField(_("答复期限"))
    state = models.CharField(max_length=10, choices=SupervisionState.choices, default=SupervisionState.OPEN)
    raised_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, related_name="+")
    raised_at = models.DateTimeField()
    answer = models.TextField(blank=True)
    answered_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    remark = models.TextField(blank=True)
    """Why it was sent back or closed."""
    history = HistoricalRecords()

    class Meta:
        """The most urgent first; nothing is closed without an answer, nor by who answered."""

        ordering: ClassVar = ["answer_by", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(state="answered") | (~Q(answer="") & Q(answered_by__isnull=False)),
                name="supervision_answered",
            ),
            models.CheckConstraint(
                condition=~Q(state="closed")
                | (~Q(answer="") & Q(closed_by__isnull=False) & ~Q(closed_by=models.F("answered_by"))),
                name="supervision_closed_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.answer_by}"


class TaskEvidence(models.Model):
    """A file that proves something about a task; kept among the workspace's documents, never removed."""

    task = models.ForeignKey(TaskWork, on_delete=models.PROTECT, related_name="evidence")
    supervision = models.ForeignKey(
        Supervision, on_delete=models.PROTECT, null=True, blank=True, related_name="evidence"
    )
    document = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    size = models.PositiveBigIntegerField()
    by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(_PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        """Newest first; the same file once while it stands."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["task", "document"], condition=Q(withdrawn_at__isnull=True), name="task_evidence_once"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True) | ~Q(withdrawn_reason=""), name="evidence_withdrawn_reason"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Reminder(models.Model):
    """Somebody was told once that something falls due."""

    task = models.ForeignKey(TaskWork, on_delete=models.CASCADE, related_name="reminders")
    kind = models.CharField(max_length=60)
    """What is due and how near: october-2026-30, due-2026-12-31-overdue, answer-12-7."""
    due_on = models.DateField()
    on = models.DateField()
    at = models.DateTimeField(auto_now_add=True)
    handed_at = models.DateTimeField(null=True, blank=True)
    """When the hook command was told."""

    class Meta:
        """Newest first; told once."""

        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["task", "kind"], name="reminder_once")]

    def __str__(self) -> str:
        return f"{self.task} {self.kind}"
