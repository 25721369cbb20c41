"""The yearly report: parts, contributions, builds, frozen editions and their files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from ninja import Query, Schema
from pydantic import Field

from dafeng.web.access.routing import reach_of_request, the
from dafeng.web.api.core import BINARY, ClashError, Fault, GuardedRouter, api, guarded
from dafeng.web.api.jobs import JobOut, job_out
from dafeng.web.api.paging import Long, Name, Number, Page, Window, page_of
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.october import selectors, services
from dafeng.web.october.models import Contribution, FrozenReport, ReportBuild, ReportDraft, ReportSection
from dafeng.web.october.services import StaleError

router = GuardedRouter(tags=["reports"])
Ending = Literal["docx", "xlsx", "html", "pdf"]


class ReportOut(Schema):
    """The report of a plan and year."""

    id: int
    plan: str
    year: int
    place: str
    as_of: date
    version: int
    open_contributions: int
    editions: int


class PartOut(Schema):
    """A part that people write."""

    key: str
    title: str
    asks: str
    text: str
    version: int
    edited_by: str
    contributions: list[dict[str, Any]]


class ReportDetailOut(ReportOut):
    """A report with its parts, builds and editions."""

    parts: list[PartOut]
    builds: list[dict[str, Any]]
    frozen: list[dict[str, Any]]


class BeginIn(Schema):
    """Of what a report is begun."""

    plan: Name
    year: int = Field(ge=2000, le=2100)
    as_of: date


class PartIn(Schema):
    """What is written; `version` as it was seen, 0 where the part was empty."""

    text: str = Field(max_length=services.LONGEST)
    version: int = Field(ge=0, le=2**31)


class PartSavedOut(Schema):
    """A part as it was saved."""

    key: str
    text: str
    version: int


class ContributionQuery(Window):
    """Which contributions."""

    state: str = Field("", pattern="^(|asked|submitted|returned|accepted)$")


class ContributionOut(Schema):
    """What an organisation is asked to write."""

    id: int
    report: int
    key: str
    title: str
    asks: str
    organisation: str
    due_on: date
    state: str
    text: str
    version: int
    reason: str


class ContributionIn(PartIn):
    """What is written for a part; with `submit` it is handed in."""

    submit: bool = False


class JudgeIn(Schema):
    """Whether a contribution is taken."""

    accept: bool
    reason: Long = ""


class FreezeIn(Schema):
    """Why there is a further edition."""

    remark: str = Field("", max_length=1000)


class FrozenOut(Schema):
    """A frozen edition with the digests of its files."""

    id: int
    report: int
    plan: str
    year: int
    place: str
    edition: int
    run: str
    manifest_digest: str
    files: dict[str, str]
    audit_number: int
    audit_digest: str
    frozen_by: str
    frozen_at: datetime
    remark: str


def _report(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "plan": row.plan,
        "year": row.year,
        "place": row.place,
        "as_of": row.as_of,
        "version": row.version,
        "open_contributions": row.open_count,
        "editions": row.frozen_count,
    }


def _the_report(request: HttpRequest, pk: int, action: str) -> ReportDraft:
    return the(request, selectors.reports(), action, organisation=None, pk=pk)


@router.get("/reports", response=Page[ReportOut])
@guarded("reports.read")
def list_reports(request: HttpRequest, query: Query[Window]) -> Any:
    """年度报告 / yearly reports."""
    rows = reach_of_request(request).visible(selectors.reports(), "reports.read", organisation=None)
    return page_of(rows, query, _report)


@router.post("/reports", response=ReportOut)
@guarded("reports.write", repeatable=True)
def begin_report(request: HttpRequest, said: BeginIn) -> Any:
    """开始编写；已有的返回已有的 / begin a report, or find the one that was begun."""
    reach, plan = reach_of_request(request), house().catalog.plans.get(said.plan)
    if plan is None or not reach.can("reports.write", place=plan.place):
        raise Http404
    row = services.begin(**said.dict(), by=actor_of(request, "reports.write"), reach=reach)
    return ReportOut(**_report(selectors.reports().get(pk=row.pk)))


@router.get("/reports/{pk}", response=ReportDetailOut)
@guarded("reports.read", "report")
def read_report(request: HttpRequest, pk: Number) -> Any:
    """一份报告：各部分、编制结果、定稿 / a report with parts, builds and editions."""
    row = _the_report(request, pk, "reports.read")
    return _report(row) | {
        "parts": [_part(part) for part in selectors.parts_of(row)],
        "builds": [
            {"id": one.pk, "run": one.run, "built_at": one.built_at.isoformat(), "files": one.manifest.get("files", {})}
            for one in selectors.builds_of(row)
        ],
        "frozen": [{"id": one.pk, "edition": one.edition, "run": one.run} for one in selectors.frozen_of(row)],
    }


def _part(part: selectors.Part) -> PartOut:
    section = part.section
    return PartOut(
        key=part.key,
        title=part.title,
        asks=part.asks,
        text="" if section is None else section.text,
        version=0 if section is None else section.version,
        edited_by="" if section is None else section.edited_by.name,
        contributions=[
            {"id": one.pk, "organisation": one.organisation.name, "state": one.state} for one in part.contributions
        ],
    )


@router.post("/reports/{pk}/parts/{key}", response=PartSavedOut)
@guarded("reports.write", "report-part", repeatable=True)
def write_part(request: HttpRequest, pk: Number, key: Name, said: PartIn) -> Any:
    """保存一个部分；别人改过时答复 409 并列出两边的文字 / save a part; both texts where another saved it."""
    report = _the_report(request, pk, "reports.write")
    if key not in {part.key for part in services.outline(report)}:
        raise Http404
    try:
        row = services.save_section(
            report=report,
            key=key,
            **said.dict(),
            by=actor_of(request, "reports.write"),
            reach=reach_of_request(request),
        )
    except StaleError as error:
        now = ReportSection.objects.filter(report=report, key=key).first()
        theirs = {"text": "" if now is None else now.text, "version": 0 if now is None else now.version}
        where = [{"key": key, "yours": said.dict(), "theirs": theirs}]
        raise ClashError(Fault(code=error.code, problem=error.says, where=where)) from error
    return PartSavedOut(key=row.key, text=row.text, version=row.version)


@router.post("/reports/{pk}/build", response=JobOut)
@guarded("reports.write", "report", repeatable=True)
def build_report(request: HttpRequest, pk: Number) -> Any:
    """后台编制；正在编制的返回同一个任务 / have the report built in the background."""
    report = _the_report(request, pk, "reports.write")
    job, _new = services.build(report=report, by=actor_of(request, "reports.write"), reach=reach_of_request(request))
    return job_out(job)


def _build(request: HttpRequest, pk: int, action: str) -> ReportBuild:
    rows = ReportBuild.objects.select_related("report")
    return the(request, rows, action, place="report__place", organisation=None, pk=pk)


def _file(request: HttpRequest, manifest: dict[str, Any], run: str, ending: str) -> HttpResponseBase:
    found = selectors.run_file(manifest, run, ending)
    if found is None:
        fault = Fault(
            code="report.file-gone",
            problem="工作区里的文件缺失，或与清单的摘要不符 / the file is gone or was changed",
            next_step="请管理员从备份恢复 / have it restored from a backup",
        )
        return api.create_response(request, fault.dict(), status=410)
    path, name = found
    answer = FileResponse(path.open("rb"), content_type="application/octet-stream")
    answer.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


@router.get("/report-builds/{pk}/files/{ending}", response={200: None, 410: Fault}, openapi_extra=BINARY)
@guarded("reports.read", "report-file")
def build_file(request: HttpRequest, pk: Number, ending: Ending) -> HttpResponseBase:
    """下载编制结果 / a file of a build."""
    build = _build(request, pk, "reports.read")
    return _file(request, build.manifest, build.run, ending)


@router.post("/report-builds/{pk}/freeze", response=FrozenOut)
@guarded("reports.freeze", "report-build", repeatable=True)
def freeze_report(request: HttpRequest, pk: Number, said: FreezeIn) -> Any:
    """定稿冻结；同一次编制再次冻结是同一版 / freeze a build."""
    row = services.freeze(
        build=_build(request, pk, "reports.freeze"),
        remark=said.remark,
        by=actor_of(request, "reports.freeze"),
        reach=reach_of_request(request),
    )
    return _frozen(row)


def _frozen(row: FrozenReport) -> FrozenOut:
    return FrozenOut(
        id=row.pk,
        report=row.report_id,
        plan=row.report.plan,
        year=row.report.year,
        place=row.place,
        edition=row.edition,
        run=row.run,
        manifest_digest=row.manifest_digest,
        files=row.manifest.get("files", {}),
        audit_number=row.audit_number,
        audit_digest=row.audit_digest,
        frozen_by=row.frozen_by.name,
        frozen_at=row.frozen_at,
        remark=row.remark,
    )


def _the_frozen(request: HttpRequest, pk: int) -> FrozenReport:
    rows = FrozenReport.objects.select_related("report", "frozen_by")
    return the(request, rows, "reports.read", organisation=None, pk=pk)


@router.get("/frozen-reports", response=Page[FrozenOut])
@guarded("reports.read")
def list_frozen(request: HttpRequest, query: Query[Window]) -> Any:
    """定稿的报告，新的在前 / frozen editions, newest first."""
    rows = FrozenReport.objects.select_related("report", "frozen_by").order_by("-id")
    return page_of(reach_of_request(request).visible(rows, "reports.read", organisation=None), query, _frozen)


@router.get("/frozen-reports/{pk}", response=FrozenOut)
@guarded("reports.read", "frozen-report")
def read_frozen(request: HttpRequest, pk: Number) -> Any:
    """一份定稿与它的摘要 / an edition with its digests."""
    return _frozen(_the_frozen(request, pk))


@router.get("/frozen-reports/{pk}/files/{ending}", response={200: None, 410: Fault}, openapi_extra=BINARY)
@guarded("reports.read", "frozen-file")
def frozen_file(request: HttpRequest, pk: Number, ending: Ending) -> HttpResponseBase:
    """下载定稿文件；字节与冻结时不符的不给 / a file, only where its bytes are those that were frozen."""
    row = _the_frozen(request, pk)
    return _file(request, row.manifest, row.run, ending)


@router.post("/frozen-reports/{pk}/rebuild", response=JobOut)
@guarded("reports.read", "frozen-report", repeatable=True)
def rebuild_frozen(request: HttpRequest, pk: Number) -> Any:
    """后台重建并逐字节核对 / have it built again and compared."""
    job, _new = services.ask_rebuild(
        frozen=_the_frozen(request, pk), by=actor_of(request, "reports.read"), reach=reach_of_request(request)
    )
    return job_out(job)


def _contribution(row: Contribution) -> ContributionOut:
    return ContributionOut(
        id=row.pk,
        report=row.report_id,
        key=row.key,
        title=row.title,
        asks=row.asks,
        organisation=row.organisation.name,
        due_on=row.due_on,
        state=row.state,
        text=row.text,
        version=row.version,
        reason=row.reason,
    )


@router.get("/contributions", response=Page[ContributionOut])
@guarded("reports.contribute")
def list_contributions(request: HttpRequest, query: Query[ContributionQuery]) -> Any:
    """本单位要提供的材料 / what one's organisation is asked to write."""
    rows = reach_of_request(request).visible(Contribution.objects.order_by("due_on", "id"), "reports.contribute")
    rows = rows.filter(state=query.state) if query.state else rows
    return page_of(rows.select_related("organisation"), query, _contribution)


@router.post("/contributions/{pk}", response=ContributionOut)
@guarded("reports.contribute", "contribution", repeatable=True)
def write_contribution(request: HttpRequest, pk: Number, said: ContributionIn) -> Any:
    """写材料；`submit` 提交 / write; with `submit` hand in."""
    rows = Contribution.objects.select_related("organisation", "report")
    row = the(request, rows, "reports.contribute", pk=pk)
    try:
        services.write_contribution(
            contribution=row,
            **said.dict(),
            by=actor_of(request, "reports.contribute"),
            reach=reach_of_request(request),
        )
    except StaleError as error:
        row.refresh_from_db()
        where = [{"yours": said.dict(), "theirs": {"text": row.text, "version": row.version}}]
        raise ClashError(Fault(code=error.code, problem=error.says, where=where)) from error
    row.refresh_from_db()
    return _contribution(row)


@router.post("/contributions/{pk}/judge", response=ContributionOut)
@guarded("reports.write", "contribution", repeatable=True)
def judge_contribution(request: HttpRequest, pk: Number, said: JudgeIn) -> Any:
    """采用并入正文，或退回 / take a contribution into the report, or return it."""
    rows = Contribution.objects.select_related("organisation", "report")
    row = the(request, rows, "reports.write", place="report__place", organisation=None, pk=pk)
    by, reach = actor_of(request, "reports.write"), reach_of_request(request)
    services.judge(contribution=row, accept=said.accept, reason=said.reason, by=by, reach=reach)
    row.refresh_from_db()
    return _contribution(row)
