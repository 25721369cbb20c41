"""Answers that are given again when a program repeats a request under the same key."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

__all__ = ["Answered"]


class Answered(models.Model):
    """What was answered to a request that carried an `Idempotency-Key`; written in the transaction of what it did."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=200)
    request = models.CharField(max_length=64)
    """SHA-256 over method, path and body."""
    answer = models.JSONField()
    at = models.DateTimeField(db_index=True)

    class Meta:
        """A key once for a person."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["user", "key"], name="answered_once")]

    def __str__(self) -> str:
        return self.key
