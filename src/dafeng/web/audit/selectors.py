"""Reads of the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from dafeng.web.audit.forms import FilterForm
from dafeng.web.audit.models import AuditEntry

__all__ = ["changes", "export_rows", "filtered"]

EXPORTED = (
    "number", "at", "actor_name", "acting_for", "action", "subject", "subject_id", "place", "reason", "request",
    "address", "before", "after", "previous", "digest",
)  # fmt: skip

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""How a text begins that some spreadsheet takes for a formula."""


def filtered(form: FilterForm) -> QuerySet[AuditEntry]:
    """Return the entries that a form asks for, newest first."""
    rows = AuditEntry.objects.order_by("-number")
    said = form.cleaned_data if form.is_valid() else {}
    if said.get("action"):
        rows = rows.filter(action__startswith=said["action"])
    if said.get("who"):
        rows = rows.filter(actor_name__contains=said["who"])
    if said.get("subject"):
        rows = rows.filter(subject=said["subject"])
    if said.get("subject_id"):
        rows = rows.filter(subject_id=said["subject_id"])
    if said.get("since"):
        rows = rows.filter(at__gte=_midnight(said["since"]))
    if said.get("until"):
        rows = rows.filter(at__lt=_midnight(said["until"]) + timedelta(days=1))
    return rows


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return what an entry changed: field, before, after."""
    before, after = entry.before or {}, entry.after or {}
    names = [*before, *(name for name in after if name not in before)]
    return [(name, _said(before.get(name)), _said(after.get(name))) for name in names]


def _said(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def export_rows(rows: QuerySet[AuditEntry]) -> Iterator[list[str]]:
    """Yield header and rows of an export; a text that a spreadsheet would take for a formula gets an apostrophe."""
    yield list(EXPORTED)
    for row in rows.order_by("number").values_list(*EXPORTED).iterator(chunk_size=2000):
        yield [_plain(value) for value in row]


def _plain(value: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else _said(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
