"""Pages of those who review: the queue, a submission beside what was known before, the decision."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dafeng.base.finding import Severity
from dafeng.web.access.routing import needs, reach_of_request
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.returns import selectors, services
from dafeng.web.returns.models import Submission
from dafeng.web.returns.requests import refused_to, submission_of, told
from dafeng.web.returns.states import SubmissionState

PAGE = 50


@needs("returns.review")
@require_GET
def queue_page(request: HttpRequest) -> HttpResponse:
    """List what waits for review, the oldest first."""
    today = house().today()
    page = Paginator(selectors.queue(reach_of_request(request)), PAGE).get_page(request.GET.get("page"))
    rows = [
        {
            "row": one,
            "one": one.assignment,
            "age": max(0, (today - timezone.localdate(one.submitted_at)).days),
            "late": one.assignment.days_late(today),
            "warnings": sum(finding["severity"] == Severity.WARNING for finding in one.findings),
        }
        for one in page
    ]
    return render(request, "returns/queue.html", {"rows": rows, "page": page})


@needs("returns.review", "submission")
@require_GET
def review_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a submission to be decided of."""
    row = submission_of(request, pk, "returns.review")
    issue, one = row.sheet.read(), row.assignment
    earlier = one.submissions.filter(number__lt=row.number).exclude(state=SubmissionState.WITHDRAWN)
    against = row.corrects or earlier.select_related("reviewed_by").last()
    lines = selectors.review_rows(row, issue, against=against)
    waiting = row.state == SubmissionState.SUBMITTED
    why_not = services.why_not_review(row, actor_of(request).user, reach_of_request(request))
    return render(
        request,
        "returns/review.html",
        {
            "row": row,
            "one": one,
            "issue": issue,
            "lines": lines,
            "against": against,
            "can_decide": waiting and not why_not,
            "why_not": why_not if waiting else "",
            "waiting": waiting,
            "late": one.days_late(house().today()),
            "general": [finding for finding in row.findings if not finding.get("line")],
            "warned": sum(bool(line.findings) for line in lines),
            "history": selectors.history_of(one, 30),
            "earlier": list(earlier.select_related("reviewed_by").order_by("-number")),
        },
    )


def _next(request: HttpRequest) -> HttpResponse:
    """Go on to what waits next, or back to the queue."""
    row: Submission | None = selectors.queue(reach_of_request(request)).first()
    if row is not None and request.POST.get("then") == "next":
        return redirect("returns:review", pk=row.pk)
    return redirect("returns:queue")


@needs("returns.review", "submission")
@require_POST
@refused_to
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve a submission."""
    row = submission_of(request, pk, "returns.review")
    services.submission_approve(
        submission=row,
        remark=request.POST.get("remark", ""),
        reach=reach_of_request(request),
        by=actor_of(request, "returns.review"),
    )
    told(request, _("已批准：%(what)s。数据正在入库。") % {"what": str(row.assignment)})
    return _next(request)


@needs("returns.review", "submission")
@require_POST
@refused_to
def send_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Return a submission with reasons."""
    row = submission_of(request, pk, "returns.review")
    remarks = {
        name.removeprefix("remark-"): str(text) for name, text in request.POST.items() if name.startswith("remark-")
    }
    known = {line.id for line in row.sheet.read().lines}
    services.submission_return(
        submission=row,
        remark=request.POST.get("remark", ""),
        remarks={line: text for line, text in remarks.items() if line in known},
        reach=reach_of_request(request),
        by=actor_of(request, "returns.review"),
    )
    told(request, _("已退回：%(what)s。") % {"what": str(row.assignment)})
    return _next(request)
