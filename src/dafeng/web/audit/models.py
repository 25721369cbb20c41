"""The audit log. A row is never changed or removed: triggers of the database refuse it (migration 0002)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

__all__ = ["AuditEntry", "AuditHead"]


class AuditEntry(models.Model):
    """Somebody did something to something; with the digest of the row before."""

    number = models.BigIntegerField(primary_key=True)
    """1, 2, 3 … without a gap."""
    at = models.DateTimeField()
    actor = models.BigIntegerField(null=True)
    """Primary key of the user; None for the platform itself. No foreign key: the log outlives its people."""
    actor_name = models.CharField(max_length=60)
    acting_for = models.CharField(max_length=60, blank=True)
    organisation = models.BigIntegerField(null=True)
    action = models.CharField(max_length=60, db_index=True)
    subject = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=120)
    place = models.CharField(max_length=80, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    request = models.CharField(max_length=32, blank=True)
    address = models.CharField(max_length=45, blank=True)
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        """In order."""

        ordering: ClassVar = ["number"]
        indexes: ClassVar = [models.Index(fields=["subject", "subject_id"], name="audit_subject")]

    def __str__(self) -> str:
        return f"{self.number} {self.action} {self.subject} {self.subject_id}"


class AuditHead(models.Model):
    """The end of the chain: one row, locked while an entry is appended."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)

    def __str__(self) -> str:
        return f"{self.number} {self.digest[:12]}"
