"""Services of a draft: cells written and uploaded, files of evidence; each is one transaction with its audit entry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from dafeng.base.form import FormEntry, FormIssue
from dafeng.lake import Workspace
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import User
from dafeng.web.plans.evidence import check_evidence, safe_name
from dafeng.web.returns.cells import Cells, Merged, cells_of_filling, filling_of_cells, merge
from dafeng.web.returns.models import Assignment, Draft, Evidence, Hand, Upload
from dafeng.web.returns.states import EDITABLE, State, move
from dafeng.workflow.returns import CheckedReturn, check_typed, check_uploaded

__all__ = [
    "MOST_FINDINGS",
    "Saved",
    "check_draft",
    "draft_for_writing",
    "draft_save",
    "draft_upload",
    "evidence_add",
    "evidence_remove",
    "may_fill",
    "note_counts",
    "workspace_of_house",
]

MOST_FINDINGS: Final = 400
"""Findings that are kept with an upload or a submission."""
_NOT_KEPT: Final = ("printed", "set_aside")


def may_fill(assignment: Assignment, reach: Reach, by: Actor) -> User:
    """Return the user who writes; access is checked here again, whoever called.

    Raises
    ------
    PermissionDenied
        They may not write on it.
    """
    organisation = assignment.organisation_id
    if by.user is None or organisation is None or not reach.can("returns.fill", organisation=organisation):
        raise PermissionDenied("returns.fill")
    return by.user


def check_draft(
    assignment: Assignment, cells: Cells, *, issue: FormIssue | None = None, against_facts: bool = False
) -> CheckedReturn:
    """Return a draft as the library reads it; a form with a subject a row is read from the workbook that was uploaded.

    Raises
    ------
    RefusedError
        Nothing was uploaded for a form with a subject a row.
    """
    here = house()
    issue = issue or assignment.sheet.read()
    if issue.layout == "lines":
        filling, now = filling_of_cells(issue, cells), here.now()
        if not against_facts:
            return check_typed(here.setting(), issue, filling, recorded_at=now)
        digest = hashlib.sha256(filling.model_dump_json().encode()).hexdigest()
        return here.kept(
            ("return-check", assignment.sheet_id, digest),
            lambda setting: check_typed(setting, issue, filling, recorded_at=now, against_facts=True),
        )
    draft = Draft.objects.filter(assignment=assignment).first()
    if draft is None or not draft.document:
        raise RefusedError("return.no-workbook", _("这份报表一行一个对象，请下载 XLSX 填好后上传。"))
    path = workspace_of_house().document(draft.document)
    return check_uploaded(here.setting(), path, {issue.id: issue}, recorded_at=here.now(), against_facts=against_facts)


def workspace_of_house() -> Workspace:
    """Return the workspace of the platform; a form was issued from it, so that there is one."""
    workspace = house().setting().workspace
    assert workspace is not None
    return workspace


@dataclass(frozen=True)
class Saved:
    """What became of what somebody saved.

    Attributes
    ----------
    draft : Draft
    written : int
        Lines that changed.
    conflicts : dict of line to FormEntry
        What was not written since somebody else wrote in between.
    """

    draft: Draft
    written: int
    conflicts: dict[str, FormEntry]


def draft_save(
    *,
    assignment: Assignment,
    sent: Mapping[str, tuple[str, FormEntry]],
    explanation: str | None = None,
    reach: Reach,
    by: Actor,
) -> Saved:
    """Write cells into the draft; what two people write at the same time is kept from both.

    Parameters
    ----------
    assignment : Assignment
    sent : mapping from line to (base, entry)
        See `dafeng.web.returns.cells.merge`; lines that the form does not have are left out.
    explanation : str, optional
        Word on the return as a whole; left as it is where None.
    reach : Reach
    by : Actor

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        It cannot be written on as it stands.
    """
    user = may_fill(assignment, reach, by)
    issue = assignment.sheet.read()
    known = {line.id for line in (*issue.lines, *issue.head)}
    now = house().now()
    with transaction.atomic():
        draft = draft_for_writing(assignment, user, now)
        merged = merge(draft.cells, {line: said for line, said in sent.items() if line in known}, by=user.name, at=now)
        _keep(draft, merged, explanation, user, now, by)
    return Saved(draft, len(merged.written), merged.conflicts)


def draft_for_writing(assignment: Assignment, user: User, now: datetime) -> Draft:
    """Return the draft, locked, with the assignment moved to where somebody writes on it.

    Raises
    ------
    RefusedError
        It cannot be written on as it stands, or another organisation was asked in the meantime.
    """
    rows = Assignment.objects.filter(pk=assignment.pk, organisation=assignment.organisation_id)
    if not rows.filter(state=State.PENDING).update(state=State.DRAFT, version=F("version") + 1, updated_at=now):
        move(rows, "edit", updated_at=now)
    Draft.objects.get_or_create(assignment=assignment)
    Hand.objects.get_or_create(assignment=assignment, user=user)
    return Draft.objects.select_for_update().get(assignment=assignment)


def _keep(draft: Draft, merged: Merged, explanation: str | None, user: User, now: datetime, by: Actor) -> None:
    before: dict[str, Any] = {
        line: old.model_dump(exclude_defaults=True) for line, (old, _new) in merged.written.items()
    }
    after: dict[str, Any] = {
        line: new.model_dump(exclude_defaults=True) for line, (_old, new) in merged.written.items()
    }
    if explanation is not None and explanation.strip() != draft.explanation:
        before["explanation"], after["explanation"] = draft.explanation, explanation.strip()
        draft.explanation = explanation.strip()
    draft.cells = merged.cells
    if after or merged.conflicts:
        draft.updated_by, draft.updated_at = user, now
        draft.save()
    if merged.conflicts:
        after["conflicts"] = {line: entry.model_dump(exclude_defaults=True) for line, entry in merged.conflicts.items()}
    if after:
        one = draft.assignment
        record("returns.draft-saved", one, by=by, at=now, place=one.place, before=before, after=after)


def note_counts(assignment: Assignment, checked: CheckedReturn) -> None:
    """Keep how far a draft is, for lists."""
    Assignment.objects.filter(pk=assignment.pk, state__in=EDITABLE).update(
        answered=checked.answered, errors=checked.errors
    )


def draft_upload(
    *, assignment: Assignment, path: Path, name: str, reach: Reach, by: Actor
) -> tuple[Upload, CheckedReturn]:
    """Take a workbook that was filled in into the draft, and keep what became of each of its cells.

    Parameters
    ----------
    assignment : Assignment
    path : Path
        Where the file lies now.
    name : str
        As the user calls it; only shown.
    reach : Reach
    by : Actor

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    InputError
        The file cannot be read at all.
    RefusedError
        It is the form of another body, place or period, or cannot be written on as it stands. Nothing is changed.
    """
    user = may_fill(assignment, reach, by)
    here, issue = house(), assignment.sheet.read()
    if assignment.state not in EDITABLE:
        move(Assignment.objects.filter(pk=assignment.pk), "edit")  # says why not
    now = here.now()
    checked = check_uploaded(here.setting(), path, {issue.id: issue}, recorded_at=now)
    if not checked.read.accepted:
        said = "；".join(one.sentence for one in checked.findings if one.severity == "error")[:500]
        raise RefusedError("return.other-form", _("这份文件没有采用：%(why)s") % {"why": said or _("不是本表")})
    document = workspace_of_house().put_document(path)
    with transaction.atomic():
        draft = draft_for_writing(assignment, user, now)
        if issue.layout == "lines":
            filled = cells_of_filling(issue, checked.filling)
            sent = {line: ("*", entry) for line, entry in filled.items() if not entry.blank}
            merged = merge(draft.cells, sent, by=user.name, at=now)
        else:
            draft.document, draft.document_name = document, safe_name(name)
            merged = Merged(draft.cells, {"": (FormEntry(), FormEntry(value=document))})
        _keep(draft, merged, None, user, now, by)
        cells = checked.read.cells
        upload = Upload.objects.create(
            assignment=assignment,
            document=document,
            name=safe_name(name),
            cells=[
                {"cell": cell, "sheet": sheet, "text": text[:200], "fate": fate, "findings": findings}
                for sheet, cell, text, fate, findings in cells.iter_rows()
                if fate not in _NOT_KEPT
            ],
            findings=[one.model_dump(mode="json") for one in checked.findings[:MOST_FINDINGS]],
            taken=len(merged.written),
            replaced=[
                {
                    "line": line,
                    "before": old.value or old.reason or old.note,
                    "after": new.value or new.reason or new.note,
                }
                for line, (old, new) in merged.written.items()
                if not old.blank
            ],
            uploaded_by=user,
            uploaded_at=now,
        )
        record(
            "returns.uploaded",
            assignment,
            by=by,
            at=now,
            place=assignment.place,
            after={"document": document, "file": name, "lines": len(merged.written)},
        )
    if issue.layout == "lines":
        checked = check_draft(assignment, merged.cells, issue=issue)
    note_counts(assignment, checked)
    return upload, checked


def evidence_add(*, assignment: Assignment, line: str, path: Path, name: str, reach: Reach, by: Actor) -> Evidence:
    """Keep a file that proves a figure.

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        It cannot be written on as it stands, there is no such line, or files of that kind are not taken.
    """
    user = may_fill(assignment, reach, by)
    check_evidence(path, name)
    size = path.stat().st_size
    if line and line not in {one.id for one in assignment.sheet.read().lines}:
        raise RefusedError("evidence.no-line", _("报表中没有这一行。"))
    document = workspace_of_house().put_document(path)
    now = house().now()
    with transaction.atomic():
        draft_for_writing(assignment, user, now)
        row, new = Evidence.objects.get_or_create(
            assignment=assignment,
            line=line,
            document=document,
            removed_at=None,
            defaults={"name": safe_name(name), "size": size, "added_by": user, "added_at": now},
        )
        if new:
            record(
                "returns.evidence-added",
                row,
                by=by,
                at=now,
                place=assignment.place,
                after={"assignment": assignment.pk, "line": line, "file": name, "document": document},
            )
    return row


def evidence_remove(*, evidence: Evidence, reach: Reach, by: Actor) -> None:
    """Take a file off a draft; submissions that carried it keep it.

    Raises
    ------
    PermissionDenied
        The user may not write on it.
    RefusedError
        It cannot be written on as it stands.
    """
    one = evidence.assignment
    user = may_fill(one, reach, by)
    now = house().now()
    with transaction.atomic():
        draft_for_writing(one, user, now)
        if Evidence.objects.filter(pk=evidence.pk, removed_at__isnull=True).update(removed_at=now):
            record(
                "returns.evidence-removed",
                evidence,
                by=by,
                at=now,
                place=one.place,
                before={"line": evidence.line, "file": evidence.name, "document": evidence.document},
            )
