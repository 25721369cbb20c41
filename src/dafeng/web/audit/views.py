"""Pages of the audit log."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Final

from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dafeng.web.access.routing import needs
from dafeng.web.audit.forms import FilterForm
from dafeng.web.audit.models import AuditEntry, AuditHead
from dafeng.web.audit.selectors import changes, export_rows, filtered
from dafeng.web.audit.services import actor_of, record
from dafeng.web.house import house
from dafeng.web.jobs.services import ask

_PAGE: Final = 50


class _Echo:
    def write(self, text: str) -> str:
        return text


@needs("audit.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """List entries, newest first."""
    form = FilterForm(request.GET)
    page = Paginator(filtered(form), _PAGE).get_page(request.GET.get("page"))
    head = AuditHead.objects.filter(id=1).first()
    return render(request, "audit/list.html", {"page": page, "form": form, "head": head})


@needs("audit.read", "audit")
def entry_page(request: HttpRequest, number: int) -> HttpResponse:
    """Show an entry: who, when, what, before and after."""
    entry = get_object_or_404(AuditEntry, number=number)
    return render(request, "audit/entry.html", {"entry": entry, "changes": changes(entry)})


@needs("audit.read")
@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Have the chain verified in the background."""
    job, _new = ask(
        "audit.verify",
        "audit.verify",
        title=_("核验审计日志"),
        place=house().place,
        arguments={},
        by=actor_of(request, "audit.read"),
    )
    return redirect("jobs:watch", job.pk)


@needs("audit.read")
@require_POST
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Give the entries as CSV; that is itself told to the log."""
    form = FilterForm(request.POST)
    rows = filtered(form)
    with transaction.atomic():
        said = {name: str(value) for name, value in form.cleaned_data.items() if value} if form.is_valid() else {}
        record("audit.exported", ("audit", "log"), by=actor_of(request, "audit.read"), after={"filter": said})

    def lines() -> Iterator[bytes]:
        writer = csv.writer(_Echo())
        yield b"\xef\xbb\xbf"
        for row in export_rows(rows):
            yield writer.writerow(row).encode()

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer
