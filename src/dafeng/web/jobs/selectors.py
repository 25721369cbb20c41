"""Reads of background runs."""

from __future__ import annotations

from django.db.models import Q
from django.http import Http404, HttpRequest

from dafeng.web.access.routing import reach_of_request
from dafeng.web.jobs.models import Job

__all__ = ["job_in_reach"]


def job_in_reach(request: HttpRequest, pk: int, action: str) -> Job:
    """Return a run that the user asked for, or that their grants show.

    Raises
    ------
    Http404
        It is neither.
    """
    allowed = Q(place__in=reach_of_request(request).places(action)) | Q(created_by=request.user.pk)
    row = Job.objects.filter(allowed, pk=pk).first()
    if row is None:
        raise Http404
    return row
