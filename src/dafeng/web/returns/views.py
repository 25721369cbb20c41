"""Pages of those who report: what they owe, the form, what was sent in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dafeng.base.errors import DafengError
from dafeng.base.finding import Severity
from dafeng.base.form import FormEntry, FormFilling
from dafeng.base.quantity import convert
from dafeng.reports.form_book import form_archive
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request, the
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.overview.selectors import shown_value
from dafeng.web.people.models import Organisation
from dafeng.web.plans.evidence import safe_name
from dafeng.web.plans.uploads import attachment, received
from dafeng.web.returns import selectors, services
from dafeng.web.returns.cells import base_of, filling_of_cells
from dafeng.web.returns.models import Assignment, Draft, Evidence, Upload
from dafeng.web.returns.requests import (
    WORKBOOK,
    assignment_of,
    bytes_file,
    may,
    refused_to,
    sent_cells,
    submission_of,
    told,
)
from dafeng.web.returns.states import EDITABLE, State, SubmissionState
from dafeng.web.words import state_word, word
from dafeng.workflow.returns import CheckedReturn, check_uploaded, form_workbook

PAGE = 50
_REASONS = ("not_reported", "not_applicable", "not_available", "confidential", "below_precision")


@needs("returns.read")
@require_GET
def list_page(request: HttpRequest) -> HttpResponse:
    """List what bodies owe, as far as the user may see it."""
    reach, today = reach_of_request(request), house().today()
    chosen = selectors.Filter(
        state=request.GET.get("state", ""),
        round=request.GET.get("round", ""),
        place=request.GET.get("place", ""),
        text=request.GET.get("q", "").strip(),
    )
    rows = selectors.assignments(reach)
    page = Paginator(chosen.of(rows, today), PAGE).get_page(request.GET.get("page"))
    own = reach.organisations("returns.fill")
    shown = [
        {
            "row": one,
            "tone": selectors.state_tone(one.state),
            "late": one.days_late(today),
            "own": one.organisation_id in own,
        }
        for one in page
    ]
    return render(
        request,
        "returns/list.html",
        {
            "rows": shown,
            "page": page,
            "chosen": chosen,
            "states": [*State.choices, ("open", _("未批准")), ("late", _("逾期未报"))],
            "rounds": selectors.rounds(reach)[:100],
            "waiting": selectors.queue(reach).count() if reach.can("returns.review") else 0,
            "fills": bool(own),
        },
    )


@needs("returns.read", "return")
@require_GET
def return_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a form: to fill in, or as it stands."""
    one = assignment_of(request, pk, "returns.read")
    return _return_page(request, one)


def _return_page(
    request: HttpRequest, one: Assignment, *, mine: dict[str, FormEntry] | None = None, status: int = 200
) -> HttpResponse:
    issue = one.sheet.read()
    draft = Draft.objects.filter(assignment=one).select_related("updated_by").first() or Draft(assignment=one)
    fills = may(request, "returns.fill", one) and one.editable
    checked = None
    if issue.layout == "lines" or draft.document:
        checked = services.check_draft(one, draft.cells, issue=issue, against_facts=True)
    files = list(one.evidence.filter(removed_at__isnull=True).select_related("added_by"))
    last = one.submissions.exclude(state=SubmissionState.WITHDRAWN).select_related("reviewed_by").last()
    returned = last if last is not None and last.state == SubmissionState.RETURNED else None
    findings = [] if checked is None else list(checked.findings)
    context = {
        "one": one,
        "issue": issue,
        "draft": draft,
        "fills": fills,
        "tone": selectors.state_tone(one.state),
        "late": one.days_late(house().today()),
        "rows": selectors.line_rows(
            issue,
            draft.cells,
            findings,
            evidence=files,
            remarks=returned.remarks if returned else None,
            mine=mine,
        )
        if issue.layout == "lines"
        else [],
        "answers": [] if checked is None or issue.layout == "lines" else _grid(checked),
        "head": [
            {
                "line": line,
                "text": draft.cells.get(line.id, {}).get("value", ""),
                "base": base_of(draft.cells.get(line.id)),
            }
            for line in issue.head
        ],
        "reasons": _reasons(),
        "general": [finding for finding in findings if not finding.line],
        "all_files": files,
        "may_fill": may(request, "returns.fill", one),
        "reviews": may(request, "returns.review", one),
        "organisations": _organisations(request, one),
        "returned": returned,
        "conflicts": mine or {},
        "submissions": list(one.submissions.order_by("-number").select_related("reviewed_by")),
        "uploads": list(one.uploads.select_related("uploaded_by")[:5]),
        "history": selectors.history_of(one, 30),
        "largest": settings.DAFENG_LARGEST_UPLOAD >> 20,
        **_progress(one, draft, checked),
    }
    return render(request, "returns/fill.html" if fills else "returns/read.html", context, status=status)


def _organisations(request: HttpRequest, one: Assignment) -> list[Organisation]:
    """Return the organisations to which the user may hand a form that nobody has begun."""
    if not may(request, "returns.issue", one) or (one.organisation_id is not None and one.state != State.PENDING):
        return []
    places = reach_of_request(request).places("returns.issue")
    return list(Organisation.objects.filter(active=True, place__in=places).order_by("place", "name")[:1000])


def _reasons() -> list[tuple[str, str]]:
    terms = house().catalog.terms["missing_reason"]
    return [(code, word(terms[code])) for code in _REASONS]


def _grid(checked: CheckedReturn) -> list[dict[str, Any]]:
    titles = {} if checked.read.issue is None else {line.id: line for line in checked.read.issue.lines}
    return [{"answer": one, "line": titles.get(one.line)} for one in checked.answers if one.state != "blank"][:2000]


def _progress(one: Assignment, draft: Draft, checked: CheckedReturn | None) -> dict[str, Any]:
    """Return how far a draft is, and what stands against sending it in."""
    findings = [] if checked is None else checked.findings
    wanting = [] if checked is None else services.unexplained(checked, draft.cells, draft.explanation)
    return {
        "answered": 0 if checked is None else checked.answered,
        "errors": sum(finding.severity == Severity.ERROR for finding in findings),
        "warnings": sum(finding.severity == Severity.WARNING for finding in findings),
        "wanting": len(wanting),
        "ready": checked is not None and checked.answered > 0 and not checked.errors and not wanting,
    }


@needs("returns.fill", "return")
@require_POST
@refused_to
def save(request: HttpRequest, pk: int) -> HttpResponse:
    """Save what was written: the whole form, or by htmx the line that was just left."""
    one = assignment_of(request, pk, "returns.fill")
    sent = sent_cells(request)
    explanation = request.POST.get("explanation")
    small = bool(request.headers.get("HX-Request"))
    issue = one.sheet.read()
    before = Draft.objects.filter(assignment=one).first()
    try:
        saved = services.draft_save(
            assignment=one,
            sent=sent,
            explanation=explanation,
            reach=reach_of_request(request),
            by=actor_of(request, "returns.fill"),
        )
    except RefusedError as error:
        if small:
            return render(request, "returns/_refused.html", {"says": error.says}, status=409)
        raise
    if issue.layout != "lines":
        told(request, _("草稿已保存。"))
        return redirect("returns:return", pk=pk)
    checked = services.check_draft(one, saved.draft.cells, issue=issue)
    services.note_counts(one, checked)
    if small:
        held = services.check_draft(one, {} if before is None else before.cells, issue=issue)
        moved = {f.line for f in set(checked.findings) ^ set(held.findings)} | sent.keys()
        files = one.evidence.filter(removed_at__isnull=True)
        rows = selectors.line_rows(issue, saved.draft.cells, checked.findings, evidence=files, mine=saved.conflicts)
        return render(
            request,
            "returns/_saved.html",
            {
                "one": one,
                "issue": issue,
                "bases": {line: base_of(saved.draft.cells.get(line)) for line in sent},
                "rows": [row for row in rows if row.line.id in moved],
                "conflicts": saved.conflicts,
                "general": [finding for finding in checked.findings if not finding.line],
                "draft": saved.draft,
                **_progress(one, saved.draft, checked),
            },
        )
    if saved.conflicts:
        messages.warning(
            request,
            ngettext(
                "有 %(n)s 行在您填写时被别人改过，没有覆盖，请在下面逐行确认。其余已保存。",
                "有 %(n)s 行在您填写时被别人改过，没有覆盖，请在下面逐行确认。其余已保存。",
                len(saved.conflicts),
            )
            % {"n": len(saved.conflicts)},
        )
        return _return_page(request, assignment_of(request, pk, "returns.fill"), mine=saved.conflicts, status=409)
    told(request, _("草稿已保存。"))
    return redirect("returns:return", pk=pk)


@needs("returns.read", "return")
@require_GET
def form_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the form as a workbook: as it stands in the draft, or blank."""
    one = assignment_of(request, pk, "returns.read")
    issue, draft = one.sheet.read(), Draft.objects.filter(assignment=one).first()
    if issue.layout == "rows" and draft is not None and draft.document and not request.GET.get("blank"):
        return attachment(draft.document, draft.document_name or "form.xlsx", "xlsx")  # type: ignore[return-value]
    filling: FormFilling | None = None
    if draft is not None and issue.layout == "lines" and not request.GET.get("blank"):
        filling = filling_of_cells(issue, draft.cells)
    name, content = form_workbook(house().setting(), issue, filling)
    return bytes_file(content, name, WORKBOOK)


@needs("returns.fill")
@require_GET
def all_forms(request: HttpRequest) -> HttpResponse:
    """Give every form that the user still has to fill in, blank, as one archive."""
    rows = selectors.assignments(reach_of_request(request), "returns.fill").filter(state__in=EDITABLE)
    issues = [one.sheet.read() for one in rows.select_related("sheet").order_by("due", "id")[:200]]
    return bytes_file(form_archive(issues, house().catalog), _("报表.zip"), "application/zip")


@needs("returns.fill", "return")
@require_POST
@refused_to
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a filled workbook into the draft."""
    one = assignment_of(request, pk, "returns.fill")
    file = request.FILES.get("file")
    if file is None:
        raise RefusedError("upload.none", _("请选择要上传的文件。"))
    with received(file) as path:
        row, _checked = services.draft_upload(
            assignment=one,
            path=path,
            name=safe_name(file.name or ""),
            reach=reach_of_request(request),
            by=actor_of(request, "returns.fill"),
        )
    return redirect("returns:upload-fates", pk=row.pk)


@needs("returns.fill")
@require_http_methods(["GET", "POST"])
def bulk_upload(request: HttpRequest) -> HttpResponse:
    """Take several workbooks at once, each into the draft of the form that it is."""
    outcomes: list[dict[str, Any]] = []
    reach, here = reach_of_request(request), house()
    if request.method == "POST":
        rows = selectors.assignments(reach, "returns.fill").select_related("sheet").filter(state__in=EDITABLE)
        owed = {one.issue: one for one in rows}
        issues = {name: one.sheet.read() for name, one in owed.items()}
        for file in request.FILES.getlist("files")[:100]:
            said: dict[str, Any] = {"name": safe_name(file.name or "")}
            try:
                with received(file) as path:
                    read = check_uploaded(here.setting(), path, issues, recorded_at=here.now()).read
                    one = owed.get(read.issue.id) if read.issue is not None and read.accepted else None
                    if one is None:
                        why = [finding.sentence for finding in read.findings if finding.severity is Severity.ERROR]
                        raise RefusedError("upload.foreign", "；".join(why[:2]) or _("不是您要填的报表。"))
                    row, checked = services.draft_upload(
                        assignment=one, path=path, name=said["name"], reach=reach, by=actor_of(request, "returns.fill")
                    )
                said |= {"upload": row, "one": one, "errors": checked.errors}
            except RefusedError as error:
                said["refused"] = error.says
            except DafengError as error:
                said["refused"] = "；".join(filter(None, (error.problem, error.next_step)))
            outcomes.append(said)
    return render(request, "returns/bulk.html", {"outcomes": outcomes, "largest": settings.DAFENG_LARGEST_UPLOAD >> 20})


@needs("returns.read", "return-upload")
@require_GET
def upload_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what became of each cell of a workbook that was uploaded."""
    rows = Upload.objects.select_related("assignment__round", "assignment__sheet", "uploaded_by")
    row = the(request, rows, "returns.read", place="assignment__place", organisation="assignment__organisation", pk=pk)
    titles = {line.id: line.title for line in row.assignment.sheet.read().lines}
    told_of: dict[tuple[str, str], list[str]] = {}
    for finding in row.findings:
        told_of.setdefault((finding["cell"], finding["name"]), []).append(finding["sentence"])
    cells = [
        {**cell, "fate_name": _FATES.get(cell["fate"], cell["fate"]), "tone": _FATE_TONES.get(cell["fate"], ""),
         "says": [say for name in cell["findings"].split() for say in told_of.get((cell["cell"], name), [])]}
        for cell in row.cells
    ]  # fmt: skip
    page = Paginator(cells, 200).get_page(request.GET.get("page"))
    general = [finding for finding in row.findings if not finding["cell"]]
    replaced = [{**one, "title": titles.get(one["line"], one["line"])} for one in row.replaced]
    return render(
        request,
        "returns/upload.html",
        {"row": row, "one": row.assignment, "page": page, "general": general, "replaced": replaced},
    )


_SUBMISSION_TONES = {
    SubmissionState.SUBMITTED: "info",
    SubmissionState.WITHDRAWN: "",
    SubmissionState.RETURNED: "bad",
    SubmissionState.APPROVED: "good",
    SubmissionState.SUPERSEDED: "warn",
}
_FATES = {
    "answer": gettext_lazy("填入"),
    "answer_with_finding": gettext_lazy("填入，有提示"),
    "reason": gettext_lazy("缺失原因"),
    "note": gettext_lazy("备注"),
    "head": gettext_lazy("表头"),
    "changed": gettext_lazy("改动未采用"),
    "refused": gettext_lazy("未采用"),
    "stray": gettext_lazy("表外，未采用"),
}
_FATE_TONES = {
    "answer": "good",
    "answer_with_finding": "warn",
    "reason": "good",
    "note": "good",
    "head": "good",
    "changed": "warn",
    "refused": "bad",
    "stray": "warn",
}


@needs("returns.fill", "return")
@require_POST
@refused_to
def submit(request: HttpRequest, pk: int) -> HttpResponse:
    """Send in the draft."""
    one = assignment_of(request, pk, "returns.fill")
    row = services.submission_submit(
        assignment=one,
        reason=request.POST.get("reason", ""),
        reach=reach_of_request(request),
        by=actor_of(request, "returns.fill"),
    )
    told(request, _("已提交（第 %(n)s 次），等待审核。审核前可以撤回。") % {"n": row.number})
    return redirect("returns:return", pk=pk)


@needs("returns.fill", "return")
@require_POST
@refused_to
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what was sent in."""
    one = assignment_of(request, pk, "returns.fill")
    if one.current is None:
        raise RefusedError("return.none", _("没有可撤回的报送。"))
    services.submission_withdraw(
        submission=one.current, reach=reach_of_request(request), by=actor_of(request, "returns.fill")
    )
    told(request, _("已撤回，可以继续修改。"))
    return redirect("returns:return", pk=pk)


@needs("returns.fill", "return")
@require_POST
@refused_to
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Open an approved return for a correction."""
    one = assignment_of(request, pk, "returns.fill")
    services.correction_begin(assignment=one, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
    told(request, _("可以更正了。更正经审核批准之前，原来批准的数继续有效。"))
    return redirect("returns:return", pk=pk)


@needs("returns.fill", "return")
@require_POST
@refused_to
def abandon(request: HttpRequest, pk: int) -> HttpResponse:
    """Give up a correction."""
    one = assignment_of(request, pk, "returns.fill")
    services.correction_abandon(assignment=one, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
    told(request, _("已放弃更正，原来批准的数继续有效。"))
    return redirect("returns:return", pk=pk)


@needs("returns.fill", "return")
@require_POST
@refused_to
def add_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep files that prove a figure."""
    one = assignment_of(request, pk, "returns.fill")
    files = request.FILES.getlist("files")
    if not files:
        raise RefusedError("evidence.none", _("请选择要上传的佐证文件。"))
    for file in files[:20]:
        with received(file) as path:
            services.evidence_add(
                assignment=one,
                line=request.POST.get("line", ""),
                path=path,
                name=file.name or "",
                reach=reach_of_request(request),
                by=actor_of(request, "returns.fill"),
            )
    told(request, _("佐证文件已保存。"))
    return redirect("returns:return", pk=pk)


def _evidence_of(request: HttpRequest, pk: int, action: str) -> Evidence:
    rows = Evidence.objects.select_related("assignment")
    return the(request, rows, action, place="assignment__place", organisation="assignment__organisation", pk=pk)


@needs("returns.read", "return-evidence")
@require_GET
def evidence_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a file of evidence."""
    row = _evidence_of(request, pk, "returns.read")
    return attachment(row.document, row.name, row.name.rpartition(".")[2].lower())  # type: ignore[return-value]


@needs("returns.fill", "return-evidence")
@require_POST
def remove_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a file off a draft."""
    row = _evidence_of(request, pk, "returns.fill")
    try:
        services.evidence_remove(evidence=row, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
        told(request, _("佐证文件已移除；此前提交的报送中仍保留。"))
    except RefusedError as error:
        messages.error(request, error.says)
    return redirect("returns:return", pk=row.assignment_id)


@needs("returns.read", "submission")
@require_GET
def submission_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what was sent in, what was decided of it, and whether its figures are in the workspace."""
    row = submission_of(request, pk, "returns.read")
    issue = row.sheet.read()
    published = row.published or {}
    return render(
        request,
        "returns/submission.html",
        {
            "row": row,
            "one": row.assignment,
            "issue": issue,
            "lines": selectors.review_rows(row, issue, against=row.corrects),
            "against": row.corrects,
            "changed": selectors.changed_lines(row, issue),
            "remarks": _remarks(row.remarks, issue),
            "tone": _SUBMISSION_TONES[SubmissionState(row.state)],
            "publishing": selectors.publishing_of([row]).get(row.pk),
            "published": published,
            "changes": [_changed(one, row.assignment.round.plan) for one in published.get("changes", [])],
        },
    )


def _changed(one: dict[str, Any], plan: str) -> dict[str, Any]:
    """Return how a target moved, in words and in the unit in which people read its indicator."""
    catalog = house().catalog
    found = catalog.plans[plan].targets if plan in catalog.plans else ()
    target = next((target for target in found if target.id == one["target"]), None)
    unit = one["unit"] if target is None else catalog.indicators[target.indicator].shown_unit
    said = {name: state_word(catalog, one[name]) for name in ("before", "after")}
    for name in ("value_before", "value_after"):
        said[name] = "—" if one[name] is None else shown_value(convert(one[name], one["unit"], unit), unit)
    return one | said


def _remarks(remarks: dict[str, str], issue: Any) -> list[tuple[str, str]]:
    titles = {line.id: line.title for line in issue.lines}
    return [(titles.get(line, line), text) for line, text in remarks.items()]


@needs("returns.read", "submission")
@require_GET
def submission_file(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the workbook that was sent in."""
    row = submission_of(request, pk, "returns.read")
    return attachment(row.document, row.file, "xlsx")  # type: ignore[return-value]


@needs("returns.read", "submission-evidence")
@require_GET
def submission_evidence(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Give a file of evidence as it was sent in, also where it was taken off the draft since."""
    row = submission_of(request, pk, "returns.read")
    file = next((one for one in row.evidence if one["id"] == number), None)
    if file is None:
        raise Http404
    return attachment(file["document"], file["name"], file["name"].rpartition(".")[2].lower())  # type: ignore[return-value]
