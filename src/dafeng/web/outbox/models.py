"""What is to be published into the workspace."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

__all__ = ["OutboxItem"]


class OutboxItem(models.Model):
    """Something decided that has yet to reach the workspace; written in the transaction of the decision."""

    key = models.CharField(max_length=120, unique=True)
    """Idempotent key: what the workspace is told once, however often it is sent."""
    kind = models.CharField(max_length=40)
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField()
    """Not tried before; later after each failure."""
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)

    class Meta:
        """In order of writing."""

        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=models.Q(delivered_at__isnull=True), name="outbox_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
