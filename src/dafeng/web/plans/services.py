"""Writes about readings: handing in a document, deciding about what was read, publishing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding
from dafeng.catalog.decision_schemas import PlanDecision, ReadingVerdict
from dafeng.catalog.plan_schemas import Plan
from dafeng.intake.review_reading import ReviewEntry
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.jobs.services import ask, cancel
from dafeng.web.outbox.services import put
from dafeng.web.plans.models import PlanVersion, Reading, ReadingState, ReviewDecision
from dafeng.web.plans.review import decision_of, decisions_so_far, handle_of_decision, holding, items_of, read_of
from dafeng.workflow.plan_reading import accept_sure, take_answers
from dafeng.workflow.setting import open_setting

__all__ = [
    "DOCUMENT_ENDINGS",
    "NotTakenError",
    "OvertakenError",
    "accept_above",
    "accept_chosen",
    "check_plan_id",
    "decide",
    "hand_in",
    "publish",
    "read_again",
    "withdraw",
]

DOCUMENT_ENDINGS: Final = (".docx", ".pdf", ".html", ".htm", ".txt", ".doc")
_PLAN_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TRIES: Final = 3


@cache
def _shipped_plans() -> frozenset[str]:
    return frozenset(open_setting(None).catalog.plans)


class OvertakenError(RefusedError):
    """Somebody else decided meanwhile.

    Parameters
    ----------
    decision : ReviewDecision or None
        What they decided.
    """

    def __init__(self, decision: ReviewDecision | None) -> None:
        who = "" if decision is None else f"{decision.by_name} "
        super().__init__(
            "reading.overtaken", _("%(who)s刚刚对这一条作了决定，您的决定没有保存。请看过之后再定。") % {"who": who}
        )
        self.decision = decision


class NotTakenError(RefusedError):
    """The library does not take a decision as it was put.

    Parameters
    ----------
    findings : sequence of Finding
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("reading.not-taken", "；".join(finding.sentence for finding in findings))
        self.findings = tuple(findings)


def check_plan_id(plan: str, place: str) -> None:
    """Check that a plan of that id may be published for a place.

    Raises
    ------
    RefusedError
        The id is malformed, ships with dafeng, or is that of another place's plan.
    """
    if not _PLAN_ID.fullmatch(plan) or len(plan) > 100:
        raise RefusedError("plan.id", _("方案编号只用小写字母、数字和连字符，如 demo-city-2026。"))
    known = house().catalog.plans.get(plan)
    if known is not None and known.place != place:
        raise RefusedError("plan.id-taken", _("编号 %(id)s 已用于别处的方案，请换一个。") % {"id": plan})
    if plan in _shipped_plans():
        raise RefusedError("plan.id-shipped", _("编号 %(id)s 是随软件附带的方案，请换一个。") % {"id": plan})


def hand_in(*, source: Path, name: str, place: str, plan: str, by: Actor) -> Reading:
    """Keep a plan document and ask for it to be read.

    Parameters
    ----------
    source : Path
        The file as it was received.
    name : str
        Its name at the person's.
    place : str
        Place for which it plans.
    plan : str
        Plan id; empty to have one made of place and year.
    by : Actor

    Raises
    ------
    RefusedError
        The id cannot be used, or a reading of that plan is under way.
    """
    if plan:
        check_plan_id(plan, place)
    workspace = house().setting().workspace
    assert workspace is not None
    key = workspace.put_document(source)
    assert by.user is not None
    try:
        with transaction.atomic():
            reading = Reading.objects.create(
                document=key, file_name=name[:200], place=place, plan=plan, created_by=by.user
            )
            record(
                "plans.handed-in",
                reading,
                by=by,
                place=place,
                after={"document": key, "file": reading.file_name, "plan": plan},
            )
            _ask(reading, by)
    except IntegrityError as error:
        raise _open_already(plan) from error
    return reading


def _open_already(plan: str) -> RefusedError:
    return RefusedError(
        "reading.open-already",
        _("方案 %(id)s 已有一份文件正在读取、复核或发布，先办完或撤销那一份。") % {"id": plan},
    )


def _ask(reading: Reading, by: Actor) -> None:
    job, _new = ask(
        "plans.read",
        f"plans.read:{reading.pk}",
        title=_("读取方案文件：%(name)s") % {"name": reading.file_name[:100]},
        place=reading.place,
        arguments={"reading": reading.pk},
        by=by,
    )
    reading.job = job
    reading.save(update_fields=["job"])


def read_again(*, reading: Reading, by: Actor) -> Reading:
    """Ask once more for a document to be read that could not be.

    Raises
    ------
    RefusedError
        It is being read, or was.
    """
    with transaction.atomic():
        row = Reading.objects.select_for_update(of=("self",)).select_related("job").get(pk=reading.pk)
        stopped = row.state == ReadingState.WAITING and (row.job is None or not row.job.active)
        if row.state != ReadingState.FAILED and not stopped:
            raise RefusedError("reading.not-failed", _("这份文件不需要重新读取。"))
        _to(row, ReadingState.WAITING, error="")
        _ask(row, by)
        record("plans.read-again", row, by=by, place=row.place)
        return row


def _to(row: Reading, state: ReadingState, **fields: Any) -> None:
    row.state = state
    for name, value in fields.items():
        setattr(row, name, value)
    try:
        with transaction.atomic():
            row.save(update_fields=["state", *fields])
    except IntegrityError as error:
        raise _open_already(row.plan) from error


def withdraw(*, reading: Reading, reason: str, by: Actor) -> None:
    """Give a reading up; its decisions stay in the log.

    Raises
    ------
    RefusedError
        It is being published, or was, or no reason is given.
    """
    if not reason.strip():
        raise RefusedError("reading.no-reason", _("请写明撤销的理由。"))
    with transaction.atomic():
        row = Reading.objects.select_for_update(of=("self",)).select_related("job").get(pk=reading.pk)
        if row.state in (ReadingState.PUBLISHING, ReadingState.PUBLISHED, ReadingState.WITHDRAWN):
            raise RefusedError("reading.not-open", _("这份文件已发布或已撤销。"))
        before = row.state
        _to(row, ReadingState.WITHDRAWN)
        if row.job is not None:
            cancel(row.job, by=by)
        record(
            "plans.withdrawn",
            row,
            by=by,
            place=row.place,
            before={"state": before},
            after={"state": row.state},
            reason=reason.strip(),
        )


# Decisions ----------------------------------------------------------------------------------------------------------


def decide(*, reading: Reading, handle: str, seen: int, texts: Mapping[str, str], by: Actor) -> ReviewDecision:
    """Decide about one item, or add one where `handle` is empty.

    Parameters
    ----------
    reading : Reading
    handle : str
        Item, by `handle_of`.
    seen : int
        Number of the decision that the person saw, 0 for none: where another one holds by now, nothing is written.
    texts : mapping
        ``verdict``, ``reason`` and fields, as in a row of the review workbook.
    by : Actor

    Raises
    ------
    OvertakenError
        Somebody else decided meanwhile.
    NotTakenError
        The library does not take it: a reason is missing, a value cannot be read …
    RefusedError
        There is no such item, or the reading is not under review.
    """
    assert by.user is not None
    items = dict(items_of(reading))
    own = None if not handle else reading.decisions.filter(item=handle, verdict="add").last()
    if handle and handle not in items and own is None:
        raise RefusedError("reading.no-item", _("没有这一条，文件可能已重新读取。"))
    if handle and handle in items:
        entry = ReviewEntry(items[handle].subject.value, items[handle].key, dict(texts))
    elif own is not None:
        return _take_back(reading, own, seen, texts, by)
    else:
        entry = ReviewEntry(texts.get("subject", "target"), "", {k: v for k, v in texts.items() if k != "subject"})
    earlier = decisions_so_far(reading, superseded=True)
    taken = take_answers(
        house().setting(), read_of(reading), [entry], by=by.user.name, on=house().today(), earlier=earlier
    )
    if taken.repeated and not taken.decisions:
        raise RefusedError("reading.repeated", _("与已有的决定完全相同，没有再记一次。"))
    if not taken.decisions:
        raise NotTakenError(taken.findings)
    return _write(reading, taken.decisions[0], seen, by)


def _take_back(reading: Reading, own: ReviewDecision, seen: int, texts: Mapping[str, str], by: Actor) -> ReviewDecision:
    """Take back what a person added."""
    reason = texts.get("reason", "").strip()
    if texts.get("verdict") != "驳回" or not reason:
        raise RefusedError("reading.addition", _("补录的条目只能驳回，并写明理由。"))
    held = decision_of(own, reading.plan, reading.document)
    return _write(
        reading,
        held.model_copy(
            update={
                "id": f"{held.id}-back-{own.pk}",
                "verdict": ReadingVerdict.REJECT,
                "fields": {},
                "reason": reason,
                "on": house().today(),
            }
        ),
        seen,
        by,
    )


def _locked(pk: int) -> Reading:
    row = Reading.objects.select_for_update().get(pk=pk)
    if row.state != ReadingState.READY:
        raise RefusedError(
            "reading.not-ready", _("这份文件不在复核中：%(state)s。") % {"state": row.get_state_display()}
        )
    return row


def _write(reading: Reading, decision: PlanDecision, seen: int, by: Actor) -> ReviewDecision:
    handle = handle_of_decision(decision)
    with transaction.atomic():
        row = _locked(reading.pk)
        holds = row.decisions.filter(item=handle, current=True).first()
        if (0 if holds is None else holds.pk) != seen:
            raise OvertakenError(holds)
        if holds is not None:
            row.decisions.filter(pk=holds.pk).update(current=False)
        made = _row(row, decision, handle, by)
        made.save()
        row.revision += 1
        row.save(update_fields=["revision"])
        record(
            "plans.decided",
            row,
            by=by,
            place=row.place,
            before=None if holds is None else _said(holds),
            after=_said(made),
            reason=made.reason,
        )
        return made


def _row(reading: Reading, decision: PlanDecision, handle: str, by: Actor) -> ReviewDecision:
    said = decision.model_dump(mode="json")
    code = decision.id
    for number in range(1, _TRIES):  # another item of the same words was decided upon in between
        if not reading.decisions.filter(code=code).exists():
            break
        code = f"{decision.id}-{reading.revision + number}"
    return ReviewDecision(
        reading=reading,
        item=handle,
        code=code,
        subject=said["subject"],
        anchor=decision.anchor.model_dump(mode="json"),
        verdict=said["verdict"],
        fields=said["fields"],
        reason=decision.reason,
        by=by.user,
        by_name=decision.by,
        on=decision.on,
    )


def _said(row: ReviewDecision) -> dict[str, Any]:
    return {"item": row.item, "code": row.code, "verdict": row.verdict, "fields": row.fields, "by": row.by_name}


def accept_above(*, reading: Reading, above: float, by: Actor) -> int:
    """Accept everything that is at least so sure and undecided; return how many.

    Raises
    ------
    RefusedError
        `above` lies outside 0 to 1, or the reading is not under review.
    """
    assert by.user is not None
    try:
        taken = accept_sure(
            house().setting(),
            read_of(reading),
            above,
            by=by.user.name,
            on=house().today(),
            earlier=decisions_so_far(reading, superseded=True),
        )
    except UsageError as error:
        raise RefusedError("reading.bulk", _("把握应在 0 与 1 之间。")) from error
    return _write_many(reading, taken.decisions, by, _("批量采纳：把握不低于 %(above)g") % {"above": above})


def accept_chosen(*, reading: Reading, handles: Sequence[str], by: Actor) -> int:
    """Accept chosen items that are undecided; return how many."""
    assert by.user is not None
    items = dict(items_of(reading))
    decided = set(reading.decisions.filter(current=True).values_list("item", flat=True))
    entries = [
        ReviewEntry(items[handle].subject.value, items[handle].key, {"verdict": "采纳", "reason": "批量采纳：选中"})
        for handle in dict.fromkeys(handles)
        if handle in items and handle not in decided
    ]
    taken = take_answers(
        house().setting(),
        read_of(reading),
        entries,
        by=by.user.name,
        on=house().today(),
        earlier=decisions_so_far(reading, superseded=True),
    )
    return _write_many(reading, taken.decisions, by, _("批量采纳：选中"))


def _write_many(reading: Reading, decisions: Sequence[PlanDecision], by: Actor, reason: str) -> int:
    with transaction.atomic():
        row = _locked(reading.pk)
        held = set(row.decisions.filter(current=True).values_list("item", flat=True))
        made = {
            handle: _row(row, decision, handle, by)
            for decision in decisions
            if (handle := handle_of_decision(decision)) not in held
        }
        if not made:
            return 0
        ReviewDecision.objects.bulk_create(made.values())
        row.revision += 1
        row.save(update_fields=["revision"])
        record(
            "plans.decided-in-bulk",
            row,
            by=by,
            place=row.place,
            after={"verdict": "accept", "codes": [one.code for one in made.values()]},
            reason=reason,
        )
        return len(made)


# Publishing ---------------------------------------------------------------------------------------------------------


def frozen_bytes(plan: Plan) -> bytes:
    """Return a plan as it is frozen for the list of versions."""
    return plan.model_dump_json(by_alias=True, exclude_none=True).encode()


def publish(*, reading: Reading, revision: int, by: Actor) -> PlanVersion:
    """Decide that a reading, as reviewed, becomes the workspace's plan; the outbox carries it there.

    Parameters
    ----------
    reading : Reading
    revision : int
        The one that the person saw: where decisions were made since, nothing is published.
    by : Actor
        Somebody who made none of the decisions.

    Raises
    ------
    RefusedError
        The reading is not under review, has changed, has no decision, or the person took part in the review.
    """
    assert by.user is not None
    check_plan_id(reading.plan, reading.place)
    workspace = house().setting().workspace
    assert workspace is not None
    standing = house().catalog.plans.get(reading.plan)
    before = "" if standing is None else workspace.put_document(frozen_bytes(standing))
    now = house().now()
    with transaction.atomic():
        row = _locked(reading.pk)
        if row.revision != revision:
            raise RefusedError("reading.changed", _("在您打开之后又有人作了决定，请重新看过再发布。"))
        rows = holding(row)
        if not rows:
            raise RefusedError("reading.nothing-reviewed", _("还没有一条经人复核，不能发布。"))
        if any(one.by_id == by.user.pk for one in rows):
            raise RefusedError(
                "reading.took-part", _("您参与了复核，须由没有参与的方案负责人发布（复核与发布不为同一人）。")
            )
        if standing is not None and not PlanVersion.objects.filter(plan=row.plan, number__isnull=False).exists():
            PlanVersion.objects.create(
                plan=row.plan,
                place=row.place,
                number=0,
                document=standing.document.sha256,
                frozen=before,
                asked_at=now,
                published_at=now,
                note=_("平台首次发布之前工作区中的方案"),
            )
        version = PlanVersion.objects.create(
            plan=row.plan,
            place=row.place,
            reading=row,
            document=row.document,
            asked_by=by.user,
            asked_at=now,
        )
        _to(row, ReadingState.PUBLISHING, faults=[])
        decisions = [decision_of(one, row.plan, row.document).model_dump(mode="json") for one in rows]
        put(
            "plans.publish",
            f"plans.publish:{version.pk}",
            {
                "version": version.pk,
                "reading": row.pk,
                "plan": row.plan,
                "place": row.place,
                "document": row.document,
                "file": row.file_name,
                "as_of": row.created_at.date().isoformat(),
                "decisions": decisions,
            },
        )
        record(
            "plans.publishing",
            row,
            by=by,
            place=row.place,
            after={
                "plan": row.plan,
                "document": row.document,
                "revision": row.revision,
                "decisions": len(decisions),
                "decided_by": sorted({one.by_name for one in rows}),
            },
        )
        return version
