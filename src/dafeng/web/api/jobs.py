"""Background runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Schema
from pydantic import Field

from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import reach_of_request, the
from dafeng.web.api.core import GuardedRouter, guarded
from dafeng.web.api.paging import Number, Page, Window, page_of
from dafeng.web.audit.services import actor_of
from dafeng.web.jobs import services
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.selectors import job_in_reach

router = GuardedRouter(tags=["jobs"])


class JobOut(Schema):
    """A background run."""

    id: int
    kind: str
    title: str
    place: str
    state: str
    doing: str
    done: int
    total: int | None
    cancel_asked: bool
    result: dict[str, Any] | None
    error: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobQuery(Window):
    """Which runs."""

    state: str = Field("", pattern="^(|queued|running|done|failed|cancelled)$")
    kind: str = Field("", max_length=40)


def job_out(row: Job) -> JobOut:
    """Return a run as it is answered."""
    return JobOut.from_orm(row)


@router.get("/jobs", response=Page[JobOut])
@guarded("jobs.read")
def list_jobs(request: HttpRequest, query: Query[JobQuery]) -> Any:
    """后台任务，新的在前 / background runs, newest first."""
    rows = reach_of_request(request).visible(Job.objects.order_by("-id"), "jobs.read", organisation=None)
    said = {name: text for name in ("state", "kind") if (text := getattr(query, name))}
    return page_of(rows.filter(**said), query, job_out)


@router.get("/jobs/{pk}", response=JobOut)
@guarded("account.use", "own-job")
def read_job(request: HttpRequest, pk: Number) -> Any:
    """一个后台任务：自己要的，或权限内的 / a run that one asked for, or may see."""
    return job_out(job_in_reach(request, pk, "jobs.read"))


@router.post("/jobs/{pk}/cancel", response=JobOut)
@guarded("account.use", "own-job")
def cancel_job(request: HttpRequest, pk: Number) -> Any:
    """要求停止 / ask a run to stop."""
    services.cancel(job_in_reach(request, pk, "jobs.run"), by=actor_of(request, "jobs.run"))
    return job_out(job_in_reach(request, pk, "jobs.run"))


@router.post("/jobs/{pk}/again", response=JobOut)
@guarded("jobs.run", "job")
def run_job_again(request: HttpRequest, pk: Number) -> Any:
    """再运行一次已结束的任务 / ask for an ended run anew."""
    row = the(request, Job.objects.all(), "jobs.run", organisation=None, pk=pk)
    if row.active:
        raise RefusedError("job.active", "任务还在排队或运行，不能再次启动。")
    job, _new = services.again(row, by=actor_of(request, "jobs.run"))
    return job_out(job)
