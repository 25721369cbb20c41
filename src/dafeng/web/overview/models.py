"""What was disclosed to the public: snapshots, never the running figures."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

__all__ = ["Disclosure"]


class Disclosure(models.Model):
    """The progress of a plan as somebody disclosed it on a day. The latest that is not withdrawn is shown."""

    plan = models.CharField(max_length=120)
    place = models.CharField(max_length=80)
    as_of = models.DateField()
    content = models.JSONField()
    """Title, rows and counts as shown."""
    digest = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    disclosed_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    disclosed_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first; the same content of a day once."""

        ordering: ClassVar = ["-disclosed_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["plan", "place", "digest"], condition=Q(withdrawn_at__isnull=True), name="disclosed_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan} {self.place} {self.as_of}"
