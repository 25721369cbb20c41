"""What views of the reporting cycle share: cells out of a request, refusals onto a page, files out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from dafeng.base.errors import DafengError
from dafeng.base.form import FormEntry
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import reach_of_request, the
from dafeng.web.returns.models import Assignment, Submission

__all__ = ["WORKBOOK", "assignment_of", "bytes_file", "done", "refused_to", "sent_cells", "submission_of"]

WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_View = TypeVar("_View", bound=Callable[..., HttpResponse])


def assignment_of(request: HttpRequest, pk: int, action: str) -> Assignment:
    """Return an assignment in reach of an action, with round, organisation and sheet.

    Raises
    ------
    Http404
        There is none in reach.
    """
    rows = Assignment.objects.select_related("round", "organisation", "sheet", "current", "approved")
    return the(request, rows, action, pk=pk)


def submission_of(request: HttpRequest, pk: int, action: str) -> Submission:
    """Return a submission in reach of an action, with its assignment and sheet.

    Raises
    ------
    Http404
        There is none in reach.
    """
    rows = Submission.objects.select_related(
        "assignment__round", "assignment__organisation", "sheet", "reviewed_by", "submitted_by", "corrects"
    )
    place, organisation = "assignment__place", "assignment__organisation"
    return the(request, rows, action, place=place, organisation=organisation, pk=pk)


def refused_to(view: _View) -> _View:
    """Show what a service or the library refuses on the page that the view names by `done`, in place of an error page."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except RefusedError as error:
            messages.error(request, error.says)
        except DafengError as error:
            messages.error(request, "；".join(filter(None, (error.problem, error.next_step))))
        return done(request, kwargs)

    return cast("_View", shown)


def done(request: HttpRequest, kwargs: dict[str, Any]) -> HttpResponse:
    """Go back to the page from which a view was asked: of the round, the submission, or the return."""
    name = request.resolver_match.url_name if request.resolver_match else ""
    if name in ("seal", "unseal"):
        return redirect("returns:round", pk=kwargs["pk"])
    if name in ("approve", "send-back"):
        return redirect("returns:review", pk=kwargs["pk"])
    return redirect("returns:return", pk=kwargs["pk"])


def sent_cells(request: HttpRequest) -> dict[str, tuple[str, FormEntry]]:
    """Return the cells that a form sends, by line: those whose base it sends with them.

    Raises
    ------
    Http404
        A base is not one of ours.
    """
    sent = {}
    for name, base in request.POST.items():
        kind, _sep, line = name.partition("-")
        if kind != "base" or not line:
            continue
        version, _dot, digest = str(base).partition(".")
        if not version.isdecimal() or not digest.isalnum():
            raise Http404
        entry = FormEntry(
            value=request.POST.get(f"value-{line}", ""),
            reason=request.POST.get(f"reason-{line}", ""),
            note=request.POST.get(f"note-{line}", ""),
        )
        sent[line] = (str(base), entry)
    return sent


def bytes_file(content: bytes, name: str, kind: str) -> HttpResponse:
    """Return bytes as a download that no browser runs."""
    answer = HttpResponse(content, content_type=kind)
    answer.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def told(request: HttpRequest, sentence: str) -> None:
    """Tell what was done."""
    messages.success(request, sentence)


def may(request: HttpRequest, action: str, assignment: Assignment) -> bool:
    """Return whether the user may do something with an assignment."""
    reach = reach_of_request(request)
    return reach.can(action, place=assignment.place, organisation=assignment.organisation_id)


def name_of_state(state: str) -> str:
    """Return a state in words, for a message."""
    return _("状态：%(state)s") % {"state": state}
