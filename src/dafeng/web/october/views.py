"""Pages of the yearly report."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dafeng.web.access.middleware import CONTENT_POLICY
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request, the
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.october import selectors, services
from dafeng.web.october.forms import AskForm, BeginForm, FreezeForm, JudgeForm, SettleForm, TextForm
from dafeng.web.october.models import (
    Contribution,
    ContributionState,
    FrozenReport,
    ReportBuild,
    ReportDraft,
    ReportSection,
)
from dafeng.web.october.services import StaleError
from dafeng.web.people.models import Organisation

_TYPES: Final = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "html": "text/html; charset=utf-8",
}
_PREVIEW_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'; "
    "form-action 'none'; base-uri 'none'"
)
_PAGE: Final = 50


def _report(request: HttpRequest, pk: int, action: str) -> ReportDraft:
    return the(request, ReportDraft.objects.all(), action, organisation=None, pk=pk)


def _build(request: HttpRequest, pk: int, action: str) -> ReportBuild:
    rows = ReportBuild.objects.select_related("report")
    return the(request, rows, action, place="report__place", organisation=None, pk=pk)


def _job(request: HttpRequest) -> int | None:
    """Return the number of the run that a page is to watch."""
    number = request.GET.get("job", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 18 else None


def _tell(request: HttpRequest, refused: RefusedError) -> None:
    messages.error(request, refused.says)


@needs("reports.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """List reports; begin one."""
    reach = reach_of_request(request)
    places = reach.places("reports.write")
    plans = [(one.id, one.title.zh) for one in house().catalog.plans.values() if one.place in places]
    today = house().today()
    form = BeginForm(plans=plans, initial={"year": today.year, "as_of": today})
    rows = reach.visible(selectors.reports(), "reports.read", organisation=None)
    return render(
        request,
        "october/list.html",
        {"page": Paginator(rows, _PAGE).get_page(request.GET.get("page")), "form": form if plans else None},
    )


@needs("reports.write")
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """Begin a report."""
    reach = reach_of_request(request)
    places = reach.places("reports.write")
    form = BeginForm(
        request.POST, plans=[(one.id, one.title.zh) for one in house().catalog.plans.values() if one.place in places]
    )
    if not form.is_valid():
        messages.error(request, _("请选择方案，填写年度和日期。"))
        return redirect("october:list")
    report = services.begin(**form.cleaned_data, by=actor_of(request, "reports.write"), reach=reach)
    return redirect("october:report", report.pk)


@needs("reports.read", "report")
def report_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a report: parts, contributions, coverage, builds, editions."""
    report, reach = _report(request, pk, "reports.read"), reach_of_request(request)
    parts = selectors.parts_of(report)
    writes = reach.can("reports.write", place=report.place)
    asked = Organisation.objects.filter(active=True, place__in=reach.places("reports.write"))
    return render(
        request,
        "october/report.html",
        {
            "report": report,
            "job": _job(request),
            "parts": parts,
            "written": sum(part.section is not None and bool(part.section.text) for part in parts),
            "builds": selectors.builds_of(report),
            "frozen": selectors.frozen_of(report),
            "content": services.content_of(report)[1],
            "coverage": selectors.coverage(house().today()),
            "writes": writes,
            "freezes": reach.can("reports.freeze", place=report.place),
            "settle": SettleForm(initial={**vars(report), "seen": report.version}) if writes else None,
            "ask": AskForm(parts=[(part.key, part.title) for part in parts], rows=asked) if writes else None,
            "freeze": FreezeForm(),
        },
    )


@needs("reports.write", "report")
@require_POST
def settle(request: HttpRequest, pk: int) -> HttpResponse:
    """Settle day, signer, addressee, contact."""
    report = _report(request, pk, "reports.write")
    form = SettleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("设置没有保存：请检查日期和长度。"))
        return redirect("october:report", pk)
    said = {name: form.cleaned_data[name] for name in ("as_of", "day", "signer", "addressee", "contact")}
    try:
        services.settle(
            report=report,
            version=form.cleaned_data["seen"],
            by=actor_of(request, "reports.write"),
            reach=reach_of_request(request),
            **said,
        )
        messages.success(request, _("设置已保存。"))
    except RefusedError as refused:
        _tell(request, refused)
    return redirect("october:report", pk)


def _part(report: ReportDraft, key: str) -> Any:
    part = next((one for one in services.outline(report) if one.key == key), None)
    if part is None:
        raise Http404
    return part


@needs("reports.write", "report-part")
def section_page(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Edit a part. Where somebody else saved it meanwhile, both texts are shown."""
    report = _report(request, pk, "reports.write")
    part = _part(report, key)
    section = ReportSection.objects.filter(report=report, key=key).select_related("edited_by").first()
    theirs, status = "", 200
    form = TextForm(initial={"text": section.text if section else "", "version": section.version if section else 0})
    if request.method == "POST":
        form = TextForm(request.POST)
        if form.is_valid():
            try:
                services.save_section(
                    report=report,
                    key=key,
                    **form.cleaned_data,
                    by=actor_of(request, "reports.write"),
                    reach=reach_of_request(request),
                )
                messages.success(request, _("已保存。"))
                return redirect("october:section", pk, key)
            except StaleError as stale:
                theirs = section.text if section else ""
                said = {"text": form.cleaned_data["text"], "version": section.version if section else 0}
                form, status = TextForm(said), 409
                form.add_error("text", stale.says)
            except RefusedError as refused:
                form.add_error("text", refused.says)
    contributions = report.contributions.filter(key=key).select_related("organisation", "written_by")
    versions = [] if section is None else section.versions.select_related("edited_by")[:30]
    return render(
        request,
        "october/section.html",
        {
            "report": report,
            "part": part,
            "section": section,
            "form": form,
            "theirs": theirs,
            "versions": versions,
            "contributions": contributions,
        },
        status=status,
    )


@needs("reports.write", "report")
@require_POST
def ask_contributions(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask organisations to contribute."""
    report, reach = _report(request, pk, "reports.write"), reach_of_request(request)
    parts = [(part.key, part.title) for part in services.outline(report)]
    rows = Organisation.objects.filter(active=True, place__in=reach.places("reports.write"))
    form = AskForm(request.POST, parts=parts, rows=rows)
    if form.is_valid():
        said = dict(form.cleaned_data)
        made = services.ask_contributions(report=report, **said, by=actor_of(request, "reports.write"), reach=reach)
        messages.success(request, _("已向 %(n)d 个单位布置。") % {"n": len(made)})
    else:
        messages.error(request, _("没有布置：请选择部分、单位和期限。"))
    return redirect("october:report", pk)


@needs("reports.contribute")
def contributions_page(request: HttpRequest) -> HttpResponse:
    """List what the user's organisation is asked to write."""
    rows = reach_of_request(request).visible(Contribution.objects.all(), "reports.contribute")
    state = request.GET.get("state", "")
    if state in ContributionState.values:
        rows = rows.filter(state=state)
    page = Paginator(rows.select_related("organisation", "report"), _PAGE).get_page(request.GET.get("page"))
    return render(
        request, "october/contributions.html", {"page": page, "state": state, "states": ContributionState.choices}
    )


@needs("reports.contribute", "contribution")
def contribution_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Write what one's organisation was asked for; save or hand in."""
    rows = Contribution.objects.select_related("organisation", "report")
    row = the(request, rows, "reports.contribute", pk=pk)
    form, status = TextForm(initial={"text": row.text, "version": row.version}), 200
    if request.method == "POST":
        form = TextForm(request.POST)
        if form.is_valid():
            try:
                services.write_contribution(
                    contribution=row,
                    **form.cleaned_data,
                    submit="submit" in request.POST,
                    by=actor_of(request, "reports.contribute"),
                    reach=reach_of_request(request),
                )
                messages.success(request, _("已提交。") if "submit" in request.POST else _("已保存。"))
                return redirect("october:contribution", pk)
            except RefusedError as refused:
                form.add_error("text", refused.says)
                status = 409
                row.refresh_from_db()
    editable = row.state in (ContributionState.ASKED, ContributionState.RETURNED)
    return render(request, "october/contribution.html", {"row": row, "form": form, "editable": editable}, status=status)


@needs("reports.write", "contribution")
@require_POST
def judge(request: HttpRequest, pk: int) -> HttpResponse:
    """Accept a contribution into the report, or return it."""
    rows = Contribution.objects.select_related("organisation", "report")
    row = the(request, rows, "reports.write", place="report__place", organisation=None, pk=pk)
    form, by, reach = JudgeForm(request.POST), actor_of(request, "reports.write"), reach_of_request(request)
    if form.is_valid():
        accept = form.cleaned_data["decision"] == "accept"
        try:
            services.judge(contribution=row, accept=accept, reason=form.cleaned_data["reason"], by=by, reach=reach)
            messages.success(request, _("已采用并入正文。") if accept else _("已退回。"))
        except RefusedError as refused:
            _tell(request, refused)
    return redirect("october:section", row.report_id, row.key)


@needs("reports.write", "report")
@require_POST
def build(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the report built."""
    report = _report(request, pk, "reports.write")
    job, _new = services.build(report=report, by=actor_of(request, "reports.write"), reach=reach_of_request(request))
    return redirect(f"{reverse('october:report', args=[pk])}?job={job.pk}")


@needs("reports.read", "report-build")
def preview_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a build as it reads, in a frame that can do nothing."""
    build = _build(request, pk, "reports.read")
    answer = render(request, "october/preview.html", {"build": build, "report": build.report})
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY + "; frame-src 'self'"
    return answer


def _file(
    request: HttpRequest, manifest: dict[str, Any], run: str, ending: str, *, inline: bool = False
) -> HttpResponseBase:
    if ending not in _TYPES:
        raise Http404
    found = selectors.run_file(manifest, run, ending)
    if found is None:
        shown = {
            "title": _("文件缺失或已被改动"),
            "says": _("工作区里的文件与清单的摘要不符。"),
            "then": _("请管理员从备份恢复。"),
        }
        return render(request, "web/fault.html", shown, status=410)
    path, name = found
    answer = FileResponse(path.open("rb"), content_type=_TYPES[ending])
    said = content_disposition_header(not inline, name)
    if said:
        answer.headers["Content-Disposition"] = said
    if inline:
        answer.headers["Content-Security-Policy"] = _PREVIEW_POLICY
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


@needs("reports.read", "report-build")
def preview_frame(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Give the page of a build, sandboxed."""
    build = _build(request, pk, "reports.read")
    return _file(request, build.manifest, build.run, "html", inline=True)


@needs("reports.read", "report-file")
def build_file(request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
    """Give a file of a build."""
    build = _build(request, pk, "reports.read")
    return _file(request, build.manifest, build.run, ending)


@needs("reports.freeze", "report-build")
@require_POST
def freeze(request: HttpRequest, pk: int) -> HttpResponse:
    """Freeze a build."""
    build = _build(request, pk, "reports.freeze")
    form = FreezeForm(request.POST)
    try:
        frozen = services.freeze(
            build=build,
            remark=form.cleaned_data["remark"] if form.is_valid() else "",
            by=actor_of(request, "reports.freeze"),
            reach=reach_of_request(request),
        )
    except RefusedError as refused:
        _tell(request, refused)
        return redirect("october:report", build.report_id)
    messages.success(request, _("已冻结为第 %(n)d 版。") % {"n": frozen.edition})
    return redirect("october:frozen", frozen.pk)


def _frozen(request: HttpRequest, pk: int) -> FrozenReport:
    rows = FrozenReport.objects.select_related("report", "frozen_by")
    return the(request, rows, "reports.read", organisation=None, pk=pk)


@needs("reports.read", "frozen-report")
def frozen_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a frozen report: files, digests, from what it was made, the audit chain."""
    frozen = _frozen(request, pk)
    files = [(name.rsplit(".", 1)[-1], name, digest) for name, digest in sorted(frozen.manifest["files"].items())]
    shown = {"frozen": frozen, "report": frozen.report, "files": files, "job": _job(request)}
    return render(request, "october/frozen.html", shown)


@needs("reports.read", "frozen-file")
def frozen_file(request: HttpRequest, pk: int, ending: str) -> HttpResponseBase:
    """Give a file of a frozen report; only where its bytes are those that were frozen."""
    frozen = _frozen(request, pk)
    return _file(request, frozen.manifest, frozen.run, ending)


@needs("reports.read", "frozen-report")
@require_POST
def rebuild(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a frozen report built again and compared."""
    frozen = _frozen(request, pk)
    job, _new = services.ask_rebuild(
        frozen=frozen, by=actor_of(request, "reports.read"), reach=reach_of_request(request)
    )
    return redirect(f"{reverse('october:frozen', args=[pk])}?job={job.pk}")
