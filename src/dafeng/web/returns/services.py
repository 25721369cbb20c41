"""Services of one return: written, uploaded, sent in, withdrawn, reviewed, corrected. Each is one transaction with its audit entry."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dafeng.base.form import FormIssue
from dafeng.web.access.actions import Role
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.outbox.services import put
from dafeng.web.people.models import Grant, User
from dafeng.web.returns.cells import Cells, cells_of_filling, merge
from dafeng.web.returns.drafts import (
    MOST_FINDINGS,
    Saved,
    check_draft,
    draft_save,
    draft_upload,
    evidence_add,
    evidence_remove,
    may_fill,
    note_counts,
    workspace_of_house,
)
from dafeng.web.returns.models import Assignment, Draft, Hand, Submission
from dafeng.web.returns.states import EDITABLE, State, SubmissionState, move
from dafeng.workflow.returns import CheckedReturn, LineFinding, check_uploaded, form_workbook

__all__ = [
    "Saved",
    "check_draft",
    "correction_abandon",
    "correction_begin",
    "draft_save",
    "draft_upload",
    "evidence_add",
    "evidence_remove",
    "note_counts",
    "submission_approve",
    "submission_return",
    "submission_submit",
    "submission_withdraw",
    "unexplained",
    "why_not_review",
]


def unexplained(checked: CheckedReturn, cells: Cells, explanation: str) -> list[LineFinding]:
    """Return the warnings that still want a word: at a line its note, at none the word on the whole.

    A form with a subject a row has its notes in the workbook: its warnings are answered by the word on the whole.
    """
    rows = checked.read.issue is not None and checked.read.issue.layout == "rows"
    notes = {line: str(cell.get("note", "")).strip() for line, cell in cells.items()}
    return [
        one
        for one in checked.findings
        if one.severity == "warning" and not (notes.get(one.line) if one.line and not rows else explanation.strip())
    ]


def submission_submit(
    *, assignment: Assignment, reason: str = "", reach: Reach, by: Actor, version: int | None = None
) -> Submission:
    """Send in the draft: it is frozen as it is read, with the workbook that says the same.

    Parameters
    ----------
    assignment : Assignment
    reason : str
        Why it corrects what was approved; needed only for a correction.
    reach : Reach
    by : Actor
    version : int, optional
        Version of the assignment that the user saw; refused where somebody wrote since.

    Raises
    ------
    PermissionDenied
        The user may not send it in.
    RefusedError
        It cannot be sent in as it stands: wrong state, errors, warnings without a word, changed since it was seen.
    """
    user = may_fill(assignment, reach, by)
    here = house()
    seen = Assignment.objects.select_related("sheet", "approved").get(pk=assignment.pk)
    if seen.state not in EDITABLE or seen.state == State.PENDING:
        move(Assignment.objects.filter(pk=seen.pk), "submit")  # says why not
    if version is not None and version != seen.version:
        raise RefusedError("return.changed", _("在您打开之后有人改过这份报表，请核对后再提交。"))
    draft = Draft.objects.get(assignment=seen)
    issue = seen.sheet.read()
    checked = check_draft(seen, draft.cells, issue=issue, against_facts=True)
    _require_sound(checked, draft, seen, reason)
    file, book = form_workbook(here.setting(), issue, checked.filling)
    document = draft.document if issue.layout == "rows" else _same_again(issue, file, book, checked)
    now = here.now()
    with transaction.atomic():
        rows = Assignment.objects.filter(pk=seen.pk)
        if rows.select_for_update().get().version != seen.version:
            raise RefusedError("return.changed", _("正在提交时有人改过或提交了这份报表，请核对后再提交。"))
        row = Submission.objects.create(
            assignment=seen,
            number=seen.submissions.count() + 1,
            sheet=seen.sheet,
            content=checked.filling.model_dump(mode="json", exclude_defaults=True),
            answers=[one.model_dump(mode="json", exclude_defaults=True) for one in checked.answers],
            findings=[one.model_dump(mode="json", exclude_defaults=True) for one in checked.findings[:MOST_FINDINGS]],
            evidence=[
                {"line": one.line, "document": one.document, "name": one.name, "size": one.size, "id": one.pk}
                for one in seen.evidence.filter(removed_at__isnull=True)
            ],
            explanation=draft.explanation,
            reason=reason.strip(),
            corrects=seen.approved,
            document=document,
            file=file[:200],
            submitted_by=user,
            submitted_name=user.name,
            acting_for=by.acting_for,
            submitted_at=now,
        )
        Hand.objects.get_or_create(assignment=seen, user=user)
        move(
            rows,
            "submit",
            current=row,
            answered=checked.answered,
            errors=0,
            first_submitted_at=seen.first_submitted_at or now,
            updated_at=now,
        )
        record(
            "returns.submitted",
            row,
            by=by,
            at=now,
            place=seen.place,
            reason=row.reason,
            after={
                "assignment": seen.pk,
                "issue": seen.issue,
                "number": row.number,
                "document": document,
                "answered": checked.answered,
                "corrects": row.corrects_id,
            },
        )
    return row


def _require_sound(checked: CheckedReturn, draft: Draft, assignment: Assignment, reason: str) -> None:
    titles = {} if checked.read.issue is None else {line.id: line.title for line in checked.read.issue.lines}
    if not checked.read.accepted or checked.errors:
        at = [titles.get(one.line, _("整表")) for one in checked.findings if one.severity == "error"]
        raise RefusedError(
            "return.errors",
            _("还有 %(n)s 处错误，改正后才能提交：%(where)s")
            % {"n": len(at), "where": "、".join(dict.fromkeys(at))[:200]},
        )
    wanting = unexplained(checked, draft.cells, draft.explanation)
    if wanting:
        at = [titles.get(one.line, _("整表（总说明）")) for one in wanting]
        raise RefusedError(
            "return.unexplained",
            _("还有 %(n)s 处提示没有说明，请在备注写明原因后再提交：%(where)s")
            % {"n": len(at), "where": "、".join(dict.fromkeys(at))[:200]},
        )
    if not checked.answered:
        raise RefusedError("return.blank", _("报表还是空的，没有可提交的内容。"))
    if assignment.approved_id is not None and not reason.strip():
        raise RefusedError("return.no-reason", _("请写明更正的理由。"))


def _same_again(issue: FormIssue, file: str, book: bytes, checked: CheckedReturn) -> str:
    """Keep the workbook of a filling, and return its SHA-256; what it says when read back is what was typed.

    Raises
    ------
    RefusedError
        It does not say the same.
    """
    here = house()
    with tempfile.TemporaryDirectory(prefix="dafeng-") as folder:
        path = Path(folder) / "form.xlsx"
        path.write_bytes(book)
        back = check_uploaded(here.setting(), path, {issue.id: issue}, recorded_at=here.now())
    typed = {one.line: (one.state, one.value, one.reason) for one in checked.answers}
    if not back.read.accepted or typed != {one.line: (one.state, one.value, one.reason) for one in back.answers}:
        wrong = [one.line for one in back.answers if typed.get(one.line) != (one.state, one.value, one.reason)]
        raise RefusedError(
            "return.not-the-same", _("生成的表与所填的不一致，没有提交：%(lines)s") % {"lines": wrong[:5]}
        )
    return workspace_of_house().put_document(book)


def submission_withdraw(*, submission: Submission, reach: Reach, by: Actor) -> None:
    """Take back what was sent in, before anybody has decided; the draft stands as it was.

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        It was decided already.
    """
    may_fill(submission.assignment, reach, by)
    now = house().now()
    with transaction.atomic():
        one = Assignment.objects.select_for_update().get(pk=submission.assignment_id)
        _decide(submission, SubmissionState.WITHDRAWN)
        before = (
            one.submissions.exclude(pk=submission.pk)
            .exclude(state=SubmissionState.WITHDRAWN)
            .order_by("-number")
            .first()
        )
        end = State.CORRECTING if one.approved_id else State.RETURNED if before else State.DRAFT
        move(Assignment.objects.filter(pk=one.pk), "withdraw", end=end, current=before, updated_at=now)
        record("returns.withdrawn", submission, by=by, at=now, place=one.place, after={"assignment": one.pk})


def _decide(submission: Submission, state: SubmissionState, **fields: Any) -> None:
    """Write the decision of a submission where none was taken yet; the condition stands in the statement."""
    waiting = Submission.objects.filter(pk=submission.pk, state=SubmissionState.SUBMITTED)
    if not waiting.update(state=state, **fields):
        now = Submission.objects.select_related("reviewed_by").get(pk=submission.pk)
        who = now.reviewed_by.name if now.reviewed_by else now.submitted_name
        raise RefusedError(
            "submission.decided",
            _("这份报送已由%(who)s处理（%(state)s），您的操作没有执行。")
            % {"who": who, "state": SubmissionState(now.state).label},
        )


def why_not_review(submission: Submission, user: User | None, reach: Reach) -> str:
    """Return why somebody may not decide of a submission, empty where they may: nobody decides of their own work.

    Not who wrote on it or sent it in, not their deputy, not for whom they act, and not who reports for that organisation.
    """
    one = submission.assignment
    if user is None or not reach.can("returns.review", place=one.place):
        return _("您没有审核这个地方报送的权限。")
    hands = set(Hand.objects.filter(assignment=one).values_list("user_id", flat=True)) | {submission.submitted_by_id}
    if user.pk in hands:
        return _("您填写或提交过这份报表，不能审核自己的报送。")
    today = house().today()
    own = [g for g in _grants().filter(user=user) if g.holds_on(today)]
    if any(g.stands_in_for is not None and g.stands_in_for.user_id in hands for g in own):
        return _("您是填报人的代理人，不能审核这份报送。")
    deputies = _grants().filter(user__in=hands, stands_in_for__user=user)
    if any(g.holds_on(today) for g in deputies):
        return _("填报人是您的代理人，您不能审核这份报送。")
    if any(g.role == Role.REPORTER and g.organisation_id == one.organisation_id for g in own):
        return _("您是该单位的填报员，不能审核本单位的报送。")
    return ""


def _grants() -> Any:
    return Grant.objects.filter(revoked_at__isnull=True).select_related("stands_in_for")


def _may_review(submission: Submission, reach: Reach, by: Actor) -> User:
    why = why_not_review(submission, by.user, reach)
    if by.user is None or not reach.can("returns.review", place=submission.assignment.place):
        raise PermissionDenied("returns.review")
    if why:
        raise RefusedError("submission.own", why)
    return by.user


def submission_approve(*, submission: Submission, remark: str = "", reach: Reach, by: Actor) -> None:
    """Approve what was sent in; its figures are published by the outbox, and replace those of an approved one before it.

    Raises
    ------
    PermissionDenied
        The user may not review there.
    RefusedError
        It is the user's own work, or was decided already.
    """
    user = _may_review(submission, reach, by)
    now = house().now()
    with transaction.atomic():
        one = Assignment.objects.select_for_update().get(pk=submission.assignment_id)
        if one.approved_id is not None:
            earlier = Submission.objects.get(pk=one.approved_id)
            if (
                earlier.reviewed_at is not None
            ):  # what corrects is recorded after what it corrects, whatever the clocks say
                now = max(now, earlier.reviewed_at + timedelta(microseconds=1))
            Submission.objects.filter(pk=earlier.pk).update(state=SubmissionState.SUPERSEDED)
        _decided_by(submission, SubmissionState.APPROVED, user, now, remark=remark.strip())
        move(Assignment.objects.filter(pk=one.pk), "approve", approved=submission, current=submission, updated_at=now)
        record(
            "returns.approved",
            submission,
            by=by,
            at=now,
            place=one.place,
            reason=remark.strip(),
            before={"approved": one.approved_id},
            after={"assignment": one.pk, "approved": submission.pk, "document": submission.document},
        )
        payload = {"submission": submission.pk, "recorded_at": now.isoformat(), "review": "approved"}
        put("returns.publish", f"returns-publish-{submission.pk}", payload)


def _decided_by(submission: Submission, state: SubmissionState, user: User, now: datetime, **fields: Any) -> None:
    try:
        with transaction.atomic():
            _decide(submission, state, reviewed_by=user, reviewed_at=now, **fields)
    except IntegrityError as error:  # the database knows of a hand that came in between
        raise RefusedError("submission.own", _("您参与过这份报表，不能审核自己的报送。")) from error


def submission_return(
    *, submission: Submission, remark: str, remarks: Mapping[str, str], reach: Reach, by: Actor
) -> None:
    """Return what was sent in, with reasons: for the whole, at lines, or both.

    Raises
    ------
    PermissionDenied
        The user may not review there.
    RefusedError
        It is the user's own work, was decided already, or there is no reason.
    """
    user = _may_review(submission, reach, by)
    at = {line: text.strip()[:1000] for line, text in remarks.items() if text.strip()}
    if not remark.strip() and not at:
        raise RefusedError("submission.no-reason", _("请写明退回的理由：总的理由，或在有问题的行写明。"))
    now = house().now()
    with transaction.atomic():
        one = Assignment.objects.select_for_update().get(pk=submission.assignment_id)
        _decided_by(submission, SubmissionState.RETURNED, user, now, remark=remark.strip(), remarks=at)
        move(Assignment.objects.filter(pk=one.pk), "return", updated_at=now)
        record(
            "returns.returned",
            submission,
            by=by,
            at=now,
            place=one.place,
            reason=remark.strip(),
            after={"assignment": one.pk, "remarks": at},
        )


def correction_begin(*, assignment: Assignment, reach: Reach, by: Actor) -> None:
    """Open an approved return for a correction: the draft begins as what was approved. Its figures count until another is approved.

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        It is not approved, or sealed.
    """
    user = may_fill(assignment, reach, by)
    now = house().now()
    with transaction.atomic():
        one = Assignment.objects.select_for_update(of=("self",)).select_related("approved__sheet").get(pk=assignment.pk)
        move(Assignment.objects.filter(pk=one.pk), "correct", updated_at=now)
        assert one.approved is not None
        _draft_as(one, one.approved, user, now)
        Hand.objects.get_or_create(assignment=one, user=user)
        record("returns.correcting", one, by=by, at=now, place=one.place, before={"approved": one.approved_id})


def _draft_as(assignment: Assignment, submission: Submission, user: User, now: datetime) -> None:
    """Set the draft to what a submission says."""
    draft, _new = Draft.objects.select_for_update().get_or_create(assignment=assignment)
    if assignment.layout == "lines":
        said = cells_of_filling(submission.sheet.read(), submission.filling())
        draft.cells = merge(
            draft.cells, {line: ("*", entry) for line, entry in said.items()}, by=user.name, at=now
        ).cells
    else:
        draft.document, draft.document_name = submission.document, submission.file
    draft.explanation, draft.updated_by, draft.updated_at = submission.explanation, user, now
    draft.save()


def correction_abandon(*, assignment: Assignment, reach: Reach, by: Actor) -> None:
    """Give up a correction: what was approved goes on counting.

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        There is no correction.
    """
    user = may_fill(assignment, reach, by)
    now = house().now()
    with transaction.atomic():
        one = Assignment.objects.select_for_update(of=("self",)).select_related("approved__sheet").get(pk=assignment.pk)
        if one.approved is None:
            raise RefusedError("return.no-correction", _("没有正在办理的更正。"))
        move(Assignment.objects.filter(pk=one.pk), "abandon", current=one.approved, updated_at=now)
        _draft_as(one, one.approved, user, now)
        record("returns.correction-abandoned", one, by=by, at=now, place=one.place, after={"approved": one.approved_id})
