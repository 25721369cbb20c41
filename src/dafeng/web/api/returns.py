"""The reporting cycle: rounds, forms, drafts, what was sent in, reviews, coverage."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from ninja import File, Form, Query, Schema
from ninja.files import UploadedFile
from pydantic import Field

from dafeng.base.form import FormEntry, FormIssue
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import reach_of_request, the
from dafeng.web.api.core import BINARY, ClashError, Fault, GuardedRouter, guarded
from dafeng.web.api.paging import Long, Name, Number, Page, ReasonIn, Window, page_of
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.plans.evidence import safe_name
from dafeng.web.plans.uploads import attachment, received
from dafeng.web.returns import rounds, selectors, services
from dafeng.web.returns.cells import base_of, entry_of, filling_of_cells
from dafeng.web.returns.models import Assignment, Draft, Evidence, Round, Seal, Submission, Upload
from dafeng.web.returns.requests import WORKBOOK, assignment_of, bytes_file, submission_of
from dafeng.web.returns.states import SubmissionState
from dafeng.workflow.returns import CheckedReturn, form_workbook

router = GuardedRouter(tags=["returns"])
_EDGE = {"place": "assignment__place", "organisation": "assignment__organisation"}
_STATE = "^(|pending|draft|submitted|returned|approved|correcting|sealed|open|late)$"


# Shapes -------------------------------------------------------------------------------------------------------------


class RoundOut(Schema):
    """A round of forms."""

    id: int
    plan: str
    form: str
    title: str
    period: str
    due: date
    place: str
    asked: int
    submitted: int
    approved: int
    sealed: bool


class RoundIn(Schema):
    """What is asked of whom, until when; with `dry_run` only said."""

    plan: Name
    period: str = Field(max_length=40)
    due: date | None = None
    form: Name = ""
    bodies: list[Name] = Field([], max_length=2000)
    reporter: Name = ""
    every_division: bool = False
    dry_run: bool = True


class RoundMadeOut(Schema):
    """What a round asks of whom."""

    round: int | None
    title: str
    period: str
    due: date
    asked: int
    bodies: list[str]
    unlinked: list[str]
    kept_back: list[str]
    findings: list[dict[str, Any]]


class SealIn(Schema):
    """Why a round is sealed, and forms that are sealed without approval, each with its reason."""

    reason: Long = ""
    exceptions: dict[str, str] = Field({}, description="报表编号: 理由 / id of a form: reason")


class ReturnQuery(Window):
    """Which forms."""

    state: str = Field("", pattern=_STATE)
    round: Number | None = None
    place: Name = ""
    text: Name = ""


class ReturnOut(Schema):
    """A form that a body owes."""

    id: int
    round: int
    title: str
    body: str
    body_name: str
    place: str
    place_name: str
    period: str
    due: date
    days_late: int
    state: str
    version: int
    lines: int
    answered: int
    errors: int
    submission: int | None
    approved: int | None


class LineOut(Schema):
    """A line of a form with what stands in the draft; `base` goes back with what is written."""

    line: str
    title: str
    unit: str
    type: str
    last: str
    value: str
    reason: str
    note: str
    base: str
    others: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    remark: str


class ReturnDetailOut(ReturnOut):
    """A form with its draft, line by line."""

    layout: str
    explanation: str
    head: list[dict[str, Any]]
    rows: list[LineOut]
    findings: list[dict[str, Any]]
    evidence: list[dict[str, Any]]


class CellIn(Schema):
    """What is written on a line; `base` as it was seen, or `*` to write whatever stands there."""

    value: Long = ""
    reason: Name = ""
    note: Long = ""
    base: str = Field("*", pattern=r"^(\*|[0-9]{1,9}\.[0-9a-f]{10})$")


class DraftIn(Schema):
    """Lines to be written, by their id."""

    cells: dict[str, CellIn] = Field({}, max_length=5000)
    explanation: Long | None = None


class SavedOut(Schema):
    """What became of a draft."""

    written: int
    version: int
    answered: int
    errors: int
    bases: dict[str, str]
    findings: list[dict[str, Any]]


class SubmitIn(Schema):
    """Why it corrects, and the version that was seen."""

    reason: Long = ""
    version: int | None = Field(None, ge=0, le=2**31)


class UploadOut(Schema):
    """What became of a workbook, cell by cell."""

    id: int
    file: str
    document: str
    taken: int
    answered: int
    errors: int
    cells: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    replaced: list[dict[str, Any]]


class SubmissionQuery(Window):
    """Which submissions: all that may be read, or those that wait for one's own review."""

    waiting: bool = False
    form: Number | None = Field(None, description="报表编号 / id of the form")


class SubmissionOut(Schema):
    """What was sent in."""

    id: int
    form: int
    title: str
    body_name: str
    place_name: str
    number: int
    state: str
    submitted_by: str
    submitted_at: datetime
    reviewed_by: str
    reviewed_at: datetime | None
    reason: str
    remark: str
    corrects: int | None
    document: str


class SubmissionDetailOut(SubmissionOut):
    """What was sent in, line by line, beside the period before and what it replaces."""

    explanation: str
    remarks: dict[str, str]
    rows: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    published: bool
    why_not_review: str


class ApproveIn(Schema):
    """A word on the approval."""

    remark: Long = ""


class ReturnIn(Schema):
    """Why it is returned: for the whole, at lines, or both."""

    remark: Long = ""
    remarks: dict[str, str] = Field({}, max_length=5000)


class CoverageQuery(Window):
    """Of which round."""

    round: Number | None = None


class CoverageOut(Schema):
    """How a body stands."""

    body: str
    place: str
    days: int
    forms: list[dict[str, Any]]


class ReturnFileIn(Schema):
    """At which line a file belongs; none for the whole."""

    line: str = Field("", max_length=20)


class ReturnFileOut(Schema):
    """A file of evidence."""

    id: int
    line: str
    name: str
    size: int
    document: str


# Rounds -------------------------------------------------------------------------------------------------------------


def _round(row: Any) -> RoundOut:
    return RoundOut(
        id=row.pk,
        plan=row.plan,
        form=row.form,
        title=row.title,
        period=row.period,
        due=row.due,
        place=row.place,
        asked=row.asked,
        submitted=row.n_submitted,
        approved=row.n_approved + row.n_sealed,
        sealed=any(seal.opened_at is None for seal in row.seals.all()),
    )


def _the_round(request: HttpRequest, pk: int, action: str) -> Round:
    return the(request, Round.objects.select_related("organisation"), action, pk=pk)


def _round_out(pk: int) -> RoundOut:
    return _round(selectors.counted(Round.objects.all()).get(pk=pk))


@router.get("/rounds", response=Page[RoundOut])
@guarded("returns.read")
def list_rounds(request: HttpRequest, query: Query[Window]) -> Any:
    """报表轮次 / rounds of forms."""
    rows = selectors.rounds(reach_of_request(request)).prefetch_related(
        Prefetch("seals", queryset=Seal.objects.filter(opened_at__isnull=True))
    )
    return page_of(rows, query, _round)


@router.get("/rounds/{pk}", response=RoundOut)
@guarded("returns.read", "round")
def read_round(request: HttpRequest, pk: Number) -> Any:
    """一轮报表 / a round."""
    return _round_out(_the_round(request, pk, "returns.read").pk)


@router.post("/rounds", response=RoundMadeOut)
@guarded("returns.issue", repeatable=True)
def issue_round(request: HttpRequest, said: RoundIn) -> Any:
    """布置报表；`dry_run` 只看发给谁 / issue forms; with `dry_run` only look."""
    reach = reach_of_request(request)
    plan = house().catalog.plans.get(said.plan)
    if plan is None or not reach.can("returns.issue", place=plan.place):
        raise Http404
    proposal = rounds.propose(**said.dict(exclude={"dry_run"}))
    issuance = None
    if not said.dry_run:
        issuance = rounds.round_issue(proposal=proposal, reach=reach, by=actor_of(request, "returns.issue"))
    return RoundMadeOut(
        round=None if issuance is None else issuance.round_id,
        title=proposal.title,
        period=proposal.period,
        due=proposal.due,
        asked=len(proposal.issues) if issuance is None else issuance.asked,
        bodies=list(dict.fromkeys(one.body_name for one in proposal.issues)),
        unlinked=proposal.unlinked,
        kept_back=[] if issuance is None else issuance.kept_back,
        findings=[one.model_dump(mode="json") for one in proposal.findings],
    )


@router.post("/rounds/{pk}/seal", response=RoundOut)
@guarded("returns.seal", "round", repeatable=True)
def seal_round(request: HttpRequest, pk: Number, said: SealIn) -> Any:
    """封存一轮报表 / seal a round."""
    named = {
        int(name): text
        for name, text in said.exceptions.items()
        if name.isascii() and name.isdigit() and len(name) < 16
    }
    rounds.round_seal(
        row=_the_round(request, pk, "returns.seal"),
        exceptions=named,
        reason=said.reason,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.seal"),
    )
    return _round_out(pk)


@router.post("/rounds/{pk}/unseal", response=RoundOut)
@guarded("returns.seal", "round", repeatable=True)
def unseal_round(request: HttpRequest, pk: Number, said: ReasonIn) -> Any:
    """解除封存，写明理由 / open a sealed round again."""
    rounds.round_unseal(
        row=_the_round(request, pk, "returns.seal"),
        reason=said.reason,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.seal"),
    )
    return _round_out(pk)


@router.get("/coverage", response=Page[CoverageOut])
@guarded("returns.read")
def list_coverage(request: HttpRequest, query: Query[CoverageQuery]) -> Any:
    """报送情况：单位 × 轮次，最迟的在前 / who has answered what, the latest first."""
    today = house().today()
    rows = selectors.assignments(reach_of_request(request))
    if query.round is not None:
        rows = rows.filter(round=query.round)
    return page_of(
        selectors.coverage(rows, today),
        query,
        lambda row: CoverageOut(
            body=row.body,
            place=row.place,
            days=row.days,
            forms=[
                {"round": number, "id": one.pk, "state": one.state, "days_late": one.days_late(today)}
                for number, one in row.cells.items()
            ],
        ),
    )


# Forms and drafts ---------------------------------------------------------------------------------------------------


def _return(one: Assignment) -> dict[str, Any]:
    names = (
        "title", "body", "body_name", "place", "place_name", "period", "due", "state", "version", "lines", "answered",
        "errors",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names} | {
        "id": one.pk,
        "round": one.round_id,
        "days_late": one.days_late(house().today()),
        "submission": one.current_id,
        "approved": one.approved_id,
    }


@router.get("/returns", response=Page[ReturnOut])
@guarded("returns.read")
def list_returns(request: HttpRequest, query: Query[ReturnQuery]) -> Any:
    """应报的报表 / forms that bodies owe."""
    chosen = selectors.Filter(
        state=query.state, round=str(query.round or ""), place=query.place, text=query.text.strip()
    )
    rows = selectors.assignments(reach_of_request(request))
    return page_of(chosen.of(rows, house().today()), query, _return)


@router.get("/returns/{pk}", response=ReturnDetailOut)
@guarded("returns.read", "return")
def read_return(request: HttpRequest, pk: Number, response: HttpResponse) -> Any:
    """一份报表与它的草稿；`ETag` 是它的版本 / a form with its draft; `ETag` is its version."""
    one = assignment_of(request, pk, "returns.read")
    issue = one.sheet.read()
    draft = Draft.objects.filter(assignment=one).first() or Draft(assignment=one)
    checked = None
    if issue.layout == "lines" or draft.document:
        checked = services.check_draft(one, draft.cells, issue=issue, against_facts=True)
    findings = [] if checked is None else list(checked.findings)
    last = one.submissions.exclude(state=SubmissionState.WITHDRAWN).last()
    remarks = last.remarks if last is not None and last.state == SubmissionState.RETURNED else {}
    rows = selectors.line_rows(issue, draft.cells, findings, remarks=remarks) if issue.layout == "lines" else []
    response.headers["ETag"] = f'"{one.version}"'
    return _return(one) | {
        "layout": issue.layout,
        "explanation": draft.explanation,
        "head": [_head(draft, line) for line in issue.head],
        "rows": [
            LineOut(
                line=row.line.id,
                title=row.line.title,
                unit=row.line.unit or "",
                type=row.line.type,
                last=row.last,
                value=row.value,
                reason=row.reason,
                note=row.note,
                base=row.base,
                others=list(map(dict, row.others)),
                findings=[found.model_dump(mode="json") for found in row.findings],
                remark=row.remark,
            )
            for row in rows
        ],
        "findings": [found.model_dump(mode="json") for found in findings if not found.line or not rows],
        "evidence": [_evidence(file).model_dump() for file in one.evidence.filter(removed_at__isnull=True)],
    }


def _head(draft: Draft, line: Any) -> dict[str, Any]:
    cell = draft.cells.get(line.id)
    return {"line": line.id, "title": line.title, "value": entry_of(cell).value, "base": base_of(cell)}


def _evidence(row: Evidence) -> ReturnFileOut:
    return ReturnFileOut(id=row.pk, line=row.line, name=row.name, size=row.size, document=row.document)


def _check(one: Assignment, draft: Draft, issue: FormIssue) -> CheckedReturn | None:
    if issue.layout != "lines" and not draft.document:
        return None
    checked = services.check_draft(one, draft.cells, issue=issue)
    services.note_counts(one, checked)
    return checked


@router.post("/returns/{pk}/draft", response=SavedOut)
@guarded("returns.fill", "return")
def save_draft(request: HttpRequest, pk: Number, said: DraftIn) -> Any:
    """保存草稿；别人同时改过的行不覆盖，答复 409 并列出两边的值 / save; of lines that another changed both values are given."""
    one = assignment_of(request, pk, "returns.fill")
    issue = one.sheet.read()
    unknown = sorted(said.cells.keys() - {line.id for line in (*issue.lines, *issue.head)})
    if unknown:
        raise RefusedError("draft.no-line", f"报表中没有这些行：{'、'.join(unknown[:5])[:200]}")
    sent = {
        line: (cell.base, FormEntry(value=cell.value, reason=cell.reason, note=cell.note))
        for line, cell in said.cells.items()
    }
    saved = services.draft_save(
        assignment=one,
        sent=sent,
        explanation=said.explanation,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.fill"),
    )
    checked = _check(one, saved.draft, issue)
    return _saved(request, saved, checked, pk, list(sent))


def _saved(
    request: HttpRequest, saved: services.Saved, checked: CheckedReturn | None, pk: int, lines: list[str]
) -> SavedOut:
    cells = saved.draft.cells
    if saved.conflicts:
        where = [
            {
                "line": line,
                "yours": entry.model_dump(),
                "theirs": entry_of(cells.get(line)).model_dump(),
                "by": (cells.get(line) or {}).get("by", ""),
                "at": (cells.get(line) or {}).get("at", ""),
                "base": base_of(cells.get(line)),
            }
            for line, entry in saved.conflicts.items()
        ]
        problem = f"{len(where)} 行在您填写时被别人改过，没有覆盖；其余 {saved.written} 行已保存。"
        step = "核对 theirs，带上新的 base 再发 / look at `theirs`, send again with the new base"
        raise ClashError(Fault(code="draft.conflict", problem=problem, next_step=step, where=where))
    one = assignment_of(request, pk, "returns.fill")
    return SavedOut(
        written=saved.written,
        version=one.version,
        answered=one.answered,
        errors=one.errors,
        bases={line: base_of(cells.get(line)) for line in lines},
        findings=[] if checked is None else [found.model_dump(mode="json") for found in checked.findings],
    )


@router.get("/returns/{pk}/workbook", response=None, openapi_extra=BINARY)
@guarded("returns.read", "return")
def return_workbook(request: HttpRequest, pk: Number) -> HttpResponse:
    """XLSX 表，带草稿里的数 / the form as a workbook, with the draft."""
    one = assignment_of(request, pk, "returns.read")
    issue, draft = one.sheet.read(), Draft.objects.filter(assignment=one).first()
    filling = None if draft is None or issue.layout != "lines" else filling_of_cells(issue, draft.cells)
    name, content = form_workbook(house().setting(), issue, filling)
    return bytes_file(content, name, WORKBOOK)


@router.post("/returns/{pk}/workbook", response=UploadOut)
@guarded("returns.fill", "return")
def upload_workbook(request: HttpRequest, pk: Number, file: File[UploadedFile]) -> Any:
    """上传填好的 XLSX，每一格都有去向 / take a filled workbook; every cell has its fate."""
    one = assignment_of(request, pk, "returns.fill")
    with received(file) as path:
        row, checked = services.draft_upload(
            assignment=one,
            path=path,
            name=safe_name(file.name or ""),
            reach=reach_of_request(request),
            by=actor_of(request, "returns.fill"),
        )
    return _upload(row, checked)


def _upload(row: Upload, checked: CheckedReturn) -> UploadOut:
    return UploadOut(
        id=row.pk,
        file=row.name,
        document=row.document,
        taken=row.taken,
        answered=checked.answered,
        errors=checked.errors,
        cells=row.cells,
        findings=row.findings,
        replaced=row.replaced,
    )


@router.post("/returns/{pk}/submit", response=SubmissionOut)
@guarded("returns.fill", "return", repeatable=True)
def submit_return(request: HttpRequest, pk: Number, said: SubmitIn) -> Any:
    """提交 / send in the draft."""
    row = services.submission_submit(
        assignment=assignment_of(request, pk, "returns.fill"),
        reason=said.reason,
        version=said.version,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.fill"),
    )
    return _submission(row)


@router.post("/returns/{pk}/withdraw", response=ReturnOut)
@guarded("returns.fill", "return", repeatable=True)
def withdraw_return(request: HttpRequest, pk: Number) -> Any:
    """撤回还没有审核的报送 / take back what nobody has decided of."""
    one = assignment_of(request, pk, "returns.fill")
    if one.current is None:
        raise RefusedError("return.none", "没有可撤回的报送。")
    services.submission_withdraw(
        submission=one.current, reach=reach_of_request(request), by=actor_of(request, "returns.fill")
    )
    return _plain(request, pk)


def _plain(request: HttpRequest, pk: int) -> dict[str, Any]:
    return ReturnOut(**_return(assignment_of(request, pk, "returns.fill"))).model_dump(mode="json")


@router.post("/returns/{pk}/correct", response=ReturnOut)
@guarded("returns.fill", "return", repeatable=True)
def correct_return(request: HttpRequest, pk: Number) -> Any:
    """办理更正 / open an approved return for a correction."""
    one = assignment_of(request, pk, "returns.fill")
    services.correction_begin(assignment=one, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
    return _plain(request, pk)


@router.post("/returns/{pk}/abandon", response=ReturnOut)
@guarded("returns.fill", "return", repeatable=True)
def abandon_correction(request: HttpRequest, pk: Number) -> Any:
    """放弃更正 / give up a correction."""
    one = assignment_of(request, pk, "returns.fill")
    services.correction_abandon(assignment=one, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
    return _plain(request, pk)


@router.post("/returns/{pk}/evidence", response=ReturnFileOut)
@guarded("returns.fill", "return")
def add_return_evidence(request: HttpRequest, pk: Number, file: File[UploadedFile], said: Form[ReturnFileIn]) -> Any:
    """上传佐证文件 / hand in a file that proves a figure."""
    one = assignment_of(request, pk, "returns.fill")
    with received(file) as path:
        row = services.evidence_add(
            assignment=one,
            line=said.line,
            path=path,
            name=file.name or "",
            reach=reach_of_request(request),
            by=actor_of(request, "returns.fill"),
        )
    return _evidence(row)


def _the_evidence(request: HttpRequest, pk: int, action: str) -> Evidence:
    return the(request, Evidence.objects.select_related("assignment"), action, **_EDGE, pk=pk)


@router.get("/return-evidence/{pk}/file", response=None, openapi_extra=BINARY)
@guarded("returns.read", "return-evidence")
def return_evidence_file(request: HttpRequest, pk: Number) -> HttpResponseBase:
    """下载佐证文件 / the file."""
    row = _the_evidence(request, pk, "returns.read")
    return attachment(row.document, row.name, row.name.rpartition(".")[2].lower())


@router.post("/return-evidence/{pk}/remove", response=ReturnFileOut)
@guarded("returns.fill", "return-evidence", repeatable=True)
def remove_return_evidence(request: HttpRequest, pk: Number) -> Any:
    """移除佐证文件；已提交的报送仍保留 / take a file off the draft."""
    row = _the_evidence(request, pk, "returns.fill")
    services.evidence_remove(evidence=row, reach=reach_of_request(request), by=actor_of(request, "returns.fill"))
    return _evidence(row)


# Submissions and reviews --------------------------------------------------------------------------------------------


def _submission(row: Submission) -> SubmissionOut:
    one = row.assignment
    return SubmissionOut(
        id=row.pk,
        form=one.pk,
        title=one.title,
        body_name=one.body_name,
        place_name=one.place_name,
        number=row.number,
        state=row.state,
        submitted_by=row.submitted_name,
        submitted_at=row.submitted_at,
        reviewed_by="" if row.reviewed_by is None else row.reviewed_by.name,
        reviewed_at=row.reviewed_at,
        reason=row.reason,
        remark=row.remark,
        corrects=row.corrects_id,
        document=row.document,
    )


@router.get("/submissions", response=Page[SubmissionOut])
@guarded("returns.read")
def list_submissions(request: HttpRequest, query: Query[SubmissionQuery]) -> Any:
    """报送；`waiting` 只看等我审核的 / submissions; with `waiting` those that wait for one's review."""
    reach = reach_of_request(request)
    rows = (
        selectors.queue(reach)
        if query.waiting
        else reach.visible(Submission.objects.order_by("-id"), "returns.read", **_EDGE)
    )
    if query.form is not None:
        rows = rows.filter(assignment=query.form)
    return page_of(rows.select_related("assignment", "reviewed_by"), query, _submission)


@router.get("/submissions/{pk}", response=SubmissionDetailOut)
@guarded("returns.read", "submission")
def read_submission(request: HttpRequest, pk: Number) -> Any:
    """一份报送，逐行，与上期和被更正的对照 / what was sent in, line by line."""
    row = submission_of(request, pk, "returns.read")
    issue = row.sheet.read()
    publishing = selectors.publishing_of([row]).get(row.pk)
    names = ("state", "value", "last", "before", "change", "large", "reason", "note", "row", "moved")
    return _submission(row).model_dump() | {
        "explanation": row.explanation,
        "remarks": row.remarks,
        "rows": [
            {"line": one.line.id, "title": one.line.title, "unit": one.line.unit}
            | {name: getattr(one, name) for name in names}
            for one in selectors.review_rows(row, issue, against=row.corrects)
        ],
        "findings": row.findings,
        "evidence": row.evidence,
        "published": publishing is not None and publishing.delivered_at is not None,
        "why_not_review": services.why_not_review(row, actor_of(request).user, reach_of_request(request)),
    }


@router.get("/submissions/{pk}/file", response=None, openapi_extra=BINARY)
@guarded("returns.read", "submission")
def submission_workbook(request: HttpRequest, pk: Number) -> HttpResponseBase:
    """报送的 XLSX / the workbook that was sent in."""
    row = submission_of(request, pk, "returns.read")
    return attachment(row.document, row.file, "xlsx")


@router.post("/submissions/{pk}/approve", response=SubmissionOut)
@guarded("returns.review", "submission", repeatable=True)
def approve_submission(request: HttpRequest, pk: Number, said: ApproveIn) -> Any:
    """批准；不能批准自己的报送 / approve; never one's own."""
    services.submission_approve(
        submission=submission_of(request, pk, "returns.review"),
        remark=said.remark,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.review"),
    )
    return _submission(submission_of(request, pk, "returns.review"))


@router.post("/submissions/{pk}/return", response=SubmissionOut)
@guarded("returns.review", "submission", repeatable=True)
def return_submission(request: HttpRequest, pk: Number, said: ReturnIn) -> Any:
    """退回，写明理由 / return with reasons."""
    row = submission_of(request, pk, "returns.review")
    unknown = sorted(said.remarks.keys() - {line.id for line in row.sheet.read().lines})
    if unknown:
        raise RefusedError("draft.no-line", f"报表中没有这些行：{'、'.join(unknown[:5])[:200]}")
    services.submission_return(
        submission=row,
        remark=said.remark,
        remarks=said.remarks,
        reach=reach_of_request(request),
        by=actor_of(request, "returns.review"),
    )
    return _submission(submission_of(request, pk, "returns.review"))
