"""The yearly report at work: drafts, what people write, who contributes, what was built, and what was frozen.

A frozen report is never changed or removed: triggers of the database refuse it (migration 0002).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from dafeng.web.people.models import Organisation, User

__all__ = [
    "Contribution",
    "ContributionState",
    "FrozenReport",
    "ReportBuild",
    "ReportDraft",
    "ReportSection",
    "SectionVersion",
]


class ReportDraft(models.Model):
    """The yearly report of a plan while it is worked at."""

    plan = models.CharField(_("方案"), max_length=80)
    place = models.CharField(_("地方"), max_length=80, db_index=True)
    year = models.PositiveSmallIntegerField(_("年度"))
    as_of = models.DateField(_("数据截至"))
    day = models.DateField(_("成文日期"), null=True, blank=True)
    signer = models.CharField(_("署名单位"), max_length=120, blank=True)
    addressee = models.CharField(_("主送机关"), max_length=120, blank=True)
    contact = models.CharField(_("联系人及电话"), max_length=120, blank=True)
    version = models.PositiveIntegerField(default=1)
    """Raised with every change of these words."""
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first; one a plan and year."""

        ordering: ClassVar = ["-year", "plan"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["plan", "year"], name="october_report_once")]

    def __str__(self) -> str:
        return f"{self.plan} {self.year}"


class ReportSection(models.Model):
    """What people wrote for a part of the report, as it stands."""

    report = models.ForeignKey(ReportDraft, on_delete=models.PROTECT, related_name="sections")
    key = models.CharField(max_length=60)
    text = models.TextField(blank=True)
    version = models.PositiveIntegerField(default=1)
    edited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField()

    class Meta:
        """One a part."""

        ordering: ClassVar = ["report", "key"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["report", "key"], name="october_section_once")]

    def __str__(self) -> str:
        return f"{self.report} {self.key}"


class SectionVersion(models.Model):
    """What a part said at each of its versions."""

    section = models.ForeignKey(ReportSection, on_delete=models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    text = models.TextField(blank=True)
    edited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField()

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-version"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["section", "version"], name="october_version_once")]

    def __str__(self) -> str:
        return f"{self.section} {self.version}"


class ContributionState(models.TextChoices):
    """Where a contribution stands."""

    ASKED = "asked", _("待填")
    SUBMITTED = "submitted", _("已提交")
    RETURNED = "returned", _("已退回")
    ACCEPTED = "accepted", _("已采用")


class Contribution(models.Model):
    """What an organisation is asked to write for a part of the report."""

    report = models.ForeignKey(ReportDraft, on_delete=models.PROTECT, related_name="contributions")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="contributions")
    place = models.CharField(max_length=80, db_index=True)
    """Place of the organisation."""
    key = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    asks = models.CharField(_("要求"), max_length=400, blank=True)
    due_on = models.DateField(_("期限"))
    text = models.TextField(_("正文"), blank=True)
    state = models.CharField(max_length=12, choices=ContributionState.choices, default=ContributionState.ASKED)
    version = models.PositiveIntegerField(default=1)
    reason = models.TextField(blank=True)
    """Why it was returned."""
    written_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    submitted_at = models.DateTimeField(null=True, blank=True)
    judged_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One an organisation and part; nobody judges what they wrote."""

        ordering: ClassVar = ["due_on", "organisation", "key"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["report", "organisation", "key"], name="october_contribution_once"),
            models.CheckConstraint(
                condition=Q(judged_by__isnull=True) | Q(written_by__isnull=True) | ~Q(judged_by=models.F("written_by")),
                name="october_contribution_judged_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.report} {self.organisation} {self.key}"


class ReportBuild(models.Model):
    """A report as it was built and kept in the workspace; what was looked at before it was frozen."""

    report = models.ForeignKey(ReportDraft, on_delete=models.PROTECT, related_name="builds")
    run = models.CharField(max_length=160, unique=True)
    content = models.CharField(max_length=64)
    """Digest of what people wrote and settled, to see whether it was changed since."""
    arguments = models.JSONField()
    """Everything by which it can be built again."""
    manifest = models.JSONField()
    findings = models.JSONField(default=list)
    built_at = models.DateTimeField()
    built_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.run

    @property
    def formats(self) -> list[str]:
        """Return the endings of its files."""
        return sorted(name.rsplit(".", 1)[-1] for name in self.manifest.get("files", {}))

    def file_of(self, ending: str) -> str | None:
        """Return the name of the file of an ending."""
        return next((name for name in self.manifest.get("files", {}) if name.endswith(f".{ending}")), None)


class FrozenReport(models.Model):
    """A report as it was sent: which bytes, from what, decided by whom. Editions follow one another; none is changed."""

    report = models.ForeignKey(ReportDraft, on_delete=models.PROTECT, related_name="frozen")
    build = models.OneToOneField(ReportBuild, on_delete=models.PROTECT, related_name="frozen")
    place = models.CharField(max_length=80, db_index=True)
    edition = models.PositiveSmallIntegerField()
    run = models.CharField(max_length=160, unique=True)
    arguments = models.JSONField()
    manifest = models.JSONField()
    manifest_digest = models.CharField(max_length=64)
    audit_number = models.BigIntegerField()
    audit_digest = models.CharField(max_length=64)
    """End of the audit chain after the freezing: cut it off, and this entry no longer fits."""
    frozen_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField()
    remark = models.TextField(blank=True)
    """Why another edition was needed."""

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-frozen_at", "-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["report", "edition"], name="october_edition_once")]

    def __str__(self) -> str:
        return f"{self.report} 第{self.edition}版"

    def file_of(self, ending: str) -> str | None:
        """Return the name of the file of an ending."""
        return next((name for name in self.manifest.get("files", {}) if name.endswith(f".{ending}")), None)
