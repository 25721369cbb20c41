"""Pages of background runs."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dafeng.web.access.routing import SIGNED_IN, needs, reach_of_request
from dafeng.web.audit.services import actor_of
from dafeng.web.jobs.models import Job, JobState
from dafeng.web.jobs.selectors import job_in_reach
from dafeng.web.jobs.services import again, asked_by, cancel

_PAGE = 50


def _link(job: Job) -> str:
    """Return the page of what came of a run."""
    result = job.result or {}
    if "build" in result:
        return reverse("october:preview", args=[result["build"]])
    return reverse("october:frozen", args=[result["frozen"]]) if "frozen" in result else ""


@needs("jobs.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """List background runs."""
    rows = reach_of_request(request).visible(Job.objects.all(), "jobs.read", organisation=None)
    state = request.GET.get("state", "")
    if state in JobState.values:
        rows = rows.filter(state=state)
    page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    return render(request, "jobs/list.html", {"page": page, "state": state, "states": JobState.choices})


@needs(SIGNED_IN, "own-job")
def watch(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how a run fares; a fragment that asks again where it is asked for by the page itself."""
    job = job_in_reach(request, pk, "jobs.read")
    fragment = bool(request.headers.get("HX-Request"))
    shown = {"job": job, "link": _link(job), "asker": "" if fragment else asked_by(job).name}
    return render(request, "jobs/_status.html" if fragment else "jobs/watch.html", shown)


@needs(SIGNED_IN, "own-job")
@require_POST
def cancel_job(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a run to stop."""
    cancel(job_in_reach(request, pk, "jobs.run"), by=actor_of(request, "jobs.run"))
    messages.success(request, _("已要求取消。"))
    return redirect("jobs:watch", pk)


@needs("jobs.run", "job")
@require_POST
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for an ended run anew."""
    job = job_in_reach(request, pk, "jobs.run")
    if job.active:
        return redirect("jobs:watch", pk)
    new, _made = again(job, by=actor_of(request, "jobs.run"))
    return redirect("jobs:watch", new.pk)
