"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Query, Schema
from ninja.errors import ValidationError
from pydantic import Field

from dafeng.web.api.core import GuardedRouter, guarded
from dafeng.web.api.jobs import JobOut, job_out
from dafeng.web.api.paging import Name, Number, Page, Window, page_of
from dafeng.web.audit.forms import FilterForm
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.selectors import filtered
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.jobs.services import ask

router = GuardedRouter(tags=["audit"])
_DAY = "^(|[0-9]{4}-[0-9]{2}-[0-9]{2})$"


class EntryOut(Schema):
    """An entry of the log, with its digest and that of the one before."""

    number: int
    at: datetime
    actor: int | None
    actor_name: str
    acting_for: str
    organisation: int | None
    action: str
    subject: str
    subject_id: str
    place: str
    before: Any = None
    after: Any = None
    reason: str
    request: str
    address: str
    previous: str
    digest: str


class LogQuery(Window):
    """Which entries."""

    action: Name = ""
    who: Name = ""
    subject: Name = ""
    subject_id: Name = ""
    since: str = Field("", pattern=_DAY)
    until: str = Field("", pattern=_DAY)


@router.get("/audit", response=Page[EntryOut])
@guarded("audit.read")
def list_entries(request: HttpRequest, query: Query[LogQuery]) -> Any:
    """审计日志，新的在前 / the audit log, newest first."""
    form = FilterForm(query.dict())
    if not form.is_valid():  # the page shows what is wrong beside the field, and everything
        raise ValidationError(
            [{"loc": ["query", name], "msg": "；".join(map(str, said))} for name, said in form.errors.items()]
        )
    return page_of(filtered(form), query, EntryOut.from_orm)


@router.get("/audit/{number}", response=EntryOut)
@guarded("audit.read", "audit")
def read_entry(request: HttpRequest, number: Number) -> Any:
    """一条审计记录 / an entry."""
    row = AuditEntry.objects.filter(number=number).first()
    if row is None:
        raise Http404
    return EntryOut.from_orm(row)


@router.post("/audit-checks", response=JobOut)
@guarded("audit.read")
def verify_log(request: HttpRequest) -> Any:
    """后台核验审计链 / have the chain verified in the background."""
    by = actor_of(request, "audit.read")
    job, _new = ask("audit.verify", "audit.verify", title="核验审计日志", place=house().place, arguments={}, by=by)
    return job_out(job)
