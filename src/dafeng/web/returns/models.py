"""Rounds of forms, what each body was asked, what it wrote, what it sent in, and what was decided of it.

Figures that were approved stand in the workspace; here stand people's work on the way and their decisions. Rows of what was sent
in are never changed: triggers of the database refuse it (migration 0002), as they refuse a review by somebody who took part.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dafeng.base.form import FormFilling, FormIssue
from dafeng.base.period import Period
from dafeng.web.people.models import Organisation, User
from dafeng.web.returns.states import EDITABLE, State, SubmissionState

__all__ = [
    "Assignment",
    "Draft",
    "Evidence",
    "FormSheet",
    "Hand",
    "Issuance",
    "Round",
    "Seal",
    "Submission",
    "Upload",
]


class Round(models.Model):
    """A round of forms: those of a plan, or a statutory form, for a period."""

    plan = models.CharField(_("方案"), max_length=120)
    form = models.CharField(_("报表"), max_length=120, blank=True)
    """Statutory form; empty for the cycle of the plan."""
    title = models.CharField(_("名称"), max_length=200)
    period = models.CharField(_("报告期"), max_length=40)
    due = models.DateField(_("报送截止"))
    place = models.CharField(_("地方"), max_length=80, db_index=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="rounds")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """The latest first; a form of a plan is asked once for a period."""

        ordering: ClassVar = ["-due", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["plan", "form", "period"], name="round_once")]

    def __str__(self) -> str:
        return self.title

    @property
    def sealed(self) -> Seal | None:
        """The seal that holds, if any."""
        return self.seals.filter(opened_at__isnull=True).first()


class Issuance(models.Model):
    """One sending out of the forms of a round; of the form of a body the last one counts."""

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="issuances")
    number = models.PositiveIntegerField()
    due = models.DateField()
    asked_on = models.DateField()
    catalog = models.CharField(max_length=64)
    asked = models.PositiveIntegerField(default=0)
    unlinked = models.JSONField(default=list)
    """Names of bodies that were asked and have no organisation on the platform."""
    kept_back = models.JSONField(default=list)
    """Names of bodies whose form was submitted or approved already, and was left as it is."""
    findings = models.JSONField(default=list)
    run = models.CharField(max_length=200, blank=True)
    """Run of the workspace that keeps what was asked; empty until it is delivered."""
    issued_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    issued_at = models.DateTimeField()

    class Meta:
        """In order."""

        ordering: ClassVar = ["round", "number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["round", "number"], name="issuance_number")]

    def __str__(self) -> str:
        return f"{self.round} #{self.number}"


class FormSheet(models.Model):
    """A form as asked of one body, frozen."""

    issuance = models.ForeignKey(Issuance, on_delete=models.PROTECT, related_name="sheets")
    issue = models.CharField(max_length=300)
    version = models.CharField(max_length=16)
    content = models.JSONField()

    class Meta:
        """In order of issue; each form once in an issuance."""

        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["issuance", "issue"], name="sheet_once")]

    def __str__(self) -> str:
        return f"{self.issue} {self.version}"

    def read(self) -> FormIssue:
        """Return it as the record of the library."""
        return FormIssue.model_validate(self.content)


class Assignment(models.Model):
    """What a body owes in a round: one form for one place."""

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="assignments")
    organisation = models.ForeignKey(
        Organisation, on_delete=models.PROTECT, null=True, blank=True, related_name="assignments"
    )
    """Who fills it in; None while no organisation on the platform is the body."""
    sheet = models.ForeignKey(FormSheet, on_delete=models.PROTECT, related_name="+")
    issue = models.CharField(max_length=300, unique=True)
    body = models.CharField(max_length=120, db_index=True)
    body_name = models.CharField(_("填报单位"), max_length=120)
    place = models.CharField(max_length=80, db_index=True)
    place_name = models.CharField(_("地区"), max_length=120)
    title = models.CharField(_("报表"), max_length=200)
    layout = models.CharField(max_length=10)
    period = models.CharField(max_length=40)
    due = models.DateField(_("报送截止"), db_index=True)
    state = models.CharField(_("状态"), max_length=12, choices=State.choices, default=State.PENDING)
    version = models.PositiveIntegerField(default=0)
    """Raised with every move and every saved draft."""
    lines = models.PositiveIntegerField(default=0)
    answered = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    current = models.ForeignKey("Submission", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """The last one that was sent in and not withdrawn."""
    approved = models.ForeignKey("Submission", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    """The one whose figures count."""
    sealed_from = models.CharField(max_length=12, blank=True)
    first_submitted_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        """What is due first; the state says what must be there."""

        ordering: ClassVar = ["due", "body_name", "place_name", "id"]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=State.values), name="assignment_state_known"),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "correcting"]) | Q(approved__isnull=False),
                name="assignment_approved_has_submission",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["submitted", "returned"]) | Q(current__isnull=False),
                name="assignment_submitted_has_submission",
            ),
            models.CheckConstraint(
                condition=(Q(state="sealed") & ~Q(sealed_from="")) | (~Q(state="sealed") & Q(sealed_from="")),
                name="assignment_sealed_from",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "due"], name="assignment_state_due")]

    def __str__(self) -> str:
        return f"{self.title} {self.body_name} {self.place_name} {self.period}"

    @property
    def editable(self) -> bool:
        """Whether its body may write on it."""
        return self.state in EDITABLE

    @property
    def period_title(self) -> str:
        """The period in Chinese."""
        return Period.parse(self.period).title

    def days_late(self, day: date) -> int:
        """Return by how many days it is late: of the first submission, or until the day where there is none."""
        until = timezone.localdate(self.first_submitted_at) if self.first_submitted_at else day
        if self.first_submitted_at is None and self.state in (State.APPROVED, State.SEALED):
            return 0
        return max(0, (until - self.due).days)


class Draft(models.Model):
    """What a body has written so far. Each cell carries a version, so that of two writers nobody overwrites the other unseen."""

    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, primary_key=True, related_name="draft")
    cells = models.JSONField(default=dict)
    """By line id: value, reason, note, v (version), by, at, others (what somebody else wrote at the same time)."""
    explanation = models.TextField(_("总说明"), blank=True)
    document = models.CharField(max_length=64, blank=True)
    """Workbook that was uploaded, for a form with a subject a row."""
    document_name = models.CharField(max_length=200, blank=True)
    updated_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    updated_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"draft of {self.assignment_id}"


class Hand(models.Model):
    """Somebody who wrote on, uploaded to or sent in an assignment: they never review it."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="hands")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    first_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Once a person."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["assignment", "user"], name="hand_once")]

    def __str__(self) -> str:
        return f"{self.user_id} on {self.assignment_id}"


class Submission(models.Model):
    """A form as sent in: frozen; only what was decided of it is written later, once."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="submissions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=12, choices=SubmissionState.choices, default=SubmissionState.SUBMITTED)
    sheet = models.ForeignKey(FormSheet, on_delete=models.PROTECT, related_name="+")
    content = models.JSONField()
    """What was written: entries by line, head fields."""
    answers = models.JSONField()
    """What was read from it, see `dafeng.workflow.returns.LineAnswer`."""
    findings = models.JSONField()
    evidence = models.JSONField(default=list)
    explanation = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    """Why it corrects an approved one."""
    corrects = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrections")
    document = models.CharField(max_length=64)
    """SHA-256 of the workbook in the workspace's documents."""
    file = models.CharField(max_length=200)
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    submitted_name = models.CharField(max_length=60)
    acting_for = models.CharField(max_length=60, blank=True)
    submitted_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    remark = models.TextField(blank=True)
    remarks = models.JSONField(default=dict)
    """Reasons of a return, by line."""
    published = models.JSONField(null=True, blank=True)
    """What the workspace said when its figures were published; None until then."""

    class Meta:
        """In order; one waits for review and one counts at a time; nobody reviews what they sent in."""

        ordering: ClassVar = ["assignment", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "number"], name="submission_number"),
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(state="submitted"), name="submission_waiting_once"
            ),
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(state="approved"), name="submission_approved_once"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True) | ~Q(reviewed_by=F("submitted_by")),
                name="submission_not_ones_own",
            ),
            models.CheckConstraint(
                condition=(Q(state__in=["submitted", "withdrawn"]) & Q(reviewed_by__isnull=True))
                | (Q(state__in=["approved", "returned", "superseded"]) & Q(reviewed_by__isnull=False)),
                name="submission_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(corrects__isnull=True) | ~Q(reason=""), name="submission_correction_has_reason"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "submitted_at"], name="submission_state")]

    def __str__(self) -> str:
        return f"{self.assignment} #{self.number}"

    def filling(self) -> FormFilling:
        """Return what was written, as the record of the library."""
        return FormFilling.model_validate(self.content)


class Evidence(models.Model):
    """A file that proves a figure; its bytes lie in the workspace's documents."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="evidence")
    line = models.CharField(max_length=20, blank=True)
    document = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """In order; the same file once at a line."""

        ordering: ClassVar = ["assignment", "line", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["assignment", "line", "document"],
                condition=Q(removed_at__isnull=True),
                name="return_evidence_once",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Upload(models.Model):
    """A workbook that was uploaded into a draft, with what became of each cell."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="uploads")
    document = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    cells = models.JSONField()
    """Cell, text, fate and findings of each filled cell that was not printed."""
    findings = models.JSONField()
    taken = models.PositiveIntegerField()
    """Lines of the draft that changed."""
    replaced = models.JSONField(default=list)
    """Lines on which something else stood: before, after."""
    uploaded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()

    class Meta:
        """The latest first."""

        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name


class Seal(models.Model):
    """A round is closed: nothing is sent in or corrected until somebody opens it and says why."""

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="seals")
    reason = models.TextField(blank=True)
    exceptions = models.JSONField(default=list)
    """Forms that were sealed without an approval, each with its reason."""
    sealed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    sealed_at = models.DateTimeField()
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField(null=True, blank=True)
    opened_reason = models.TextField(blank=True)

    class Meta:
        """One holds at a time; opening it has a person and a reason."""

        ordering: ClassVar = ["round", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["round"], condition=Q(opened_at__isnull=True), name="seal_once"),
            models.CheckConstraint(
                condition=Q(opened_at__isnull=True) | (Q(opened_by__isnull=False) & ~Q(opened_reason="")),
                name="seal_opened_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.round} {self.sealed_at:%Y-%m-%d}"
