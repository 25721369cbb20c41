"""Services of rounds: forms are issued, issued again, sealed and opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from dafeng.base.finding import Finding
from dafeng.base.form import FormIssue
from dafeng.base.period import Period, read_period
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.outbox.services import put
from dafeng.web.people.models import Organisation
from dafeng.web.returns.models import Assignment, FormSheet, Issuance, Round, Seal, Submission
from dafeng.web.returns.states import MOVES, State, allowed, move
from dafeng.workflow.forms import forms_owed

__all__ = ["Proposal", "assignment_link", "propose", "round_issue", "round_seal", "round_unseal"]

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class Proposal:
    """What a round would ask of whom.

    Attributes
    ----------
    plan : str
    form : str
        Statutory form; empty for the cycle of the plan.
    title, period : str
    due : date
    place : str
    issues : tuple of FormIssue
    findings : tuple of Finding
    organisations : dict from body to Organisation
        Bodies that an organisation on the platform is.
    """

    plan: str
    form: str
    title: str
    period: str
    due: date
    place: str
    issues: tuple[FormIssue, ...]
    findings: tuple[Finding, ...]
    organisations: Mapping[str, Organisation]

    @property
    def unlinked(self) -> list[str]:
        """Names of bodies that are no organisation on the platform, each once."""
        return list(dict.fromkeys(issue.body_name for issue in self.issues if issue.body not in self.organisations))


def propose(
    *,
    plan: str,
    period: str,
    due: date | None,
    form: str = "",
    bodies: Sequence[str] | None = None,
    reporter: str | None = None,
    every_division: bool = False,
) -> Proposal:
    """Return what a round would ask of whom; nothing is written.

    Raises
    ------
    DafengError
        The library cannot say: no such plan, form, period or body, or nobody owes anything.
    """
    here = house()
    asked_on = here.today()
    chosen = here.catalog.plan(plan)
    owed = forms_owed(
        here.setting(),
        chosen.id,
        period=period,
        due=due,
        asked_on=asked_on,
        form=form or None,
        bodies=bodies or None,
        reporter=reporter or None,
        every_division=every_division,
    )
    canonical = read_period(period).text
    name = here.catalog.forms[form].title.zh if form else f"{chosen.title.zh}目标数据报送"
    known = {one.body: one for one in Organisation.objects.filter(active=True).exclude(body="")}
    return Proposal(
        plan=chosen.id,
        form=form,
        title=f"{Period.parse(canonical).title}{name}",
        period=canonical,
        due=max(issue.due for issue in owed.issues),
        place=chosen.place,
        issues=owed.issues,
        findings=owed.findings,
        organisations={issue.body: known[issue.body] for issue in owed.issues if issue.body in known},
    )


def round_issue(*, proposal: Proposal, reach: Reach, by: Actor) -> Issuance:
    """Send out forms: a new round, or once more within a round of that form and period.

    Forms that were sent in or approved stay as they are. All of it is one transaction; the workspace learns of it by the outbox.

    Raises
    ------
    PermissionDenied
        The user may not issue forms for the place of the plan.
    RefusedError
        The round is sealed, or something is asked for a place or of an organisation out of reach.
    """
    if not reach.can("returns.issue", place=proposal.place) or by.user is None:
        raise PermissionDenied("returns.issue")
    outside = _outside(proposal, reach)
    if outside:
        of_whom = {"n": len(outside), "who": "、".join(outside[:5])}
        raise RefusedError("round.outside", _("有 %(n)s 个单位或地区不在您的权限范围内，没有发表：%(who)s") % of_whom)
    here, now = house(), house().now()
    with transaction.atomic():
        row, new = Round.objects.select_for_update().get_or_create(
            plan=proposal.plan,
            form=proposal.form,
            period=proposal.period,
            defaults={
                "title": proposal.title,
                "due": proposal.due,
                "place": proposal.place,
                "organisation": _issuer(by, reach, proposal.place),
                "created_by": by.user,
            },
        )
        if row.sealed is not None:
            raise RefusedError("round.sealed", _("这一轮已封存，不能再发表；确需再发的，请先解除封存。"))
        issuance = Issuance.objects.create(
            round=row,
            number=row.issuances.count() + 1,
            due=proposal.due,
            asked_on=here.today(),
            catalog=here.catalog.digest,
            unlinked=proposal.unlinked,
            findings=[finding.sentence for finding in proposal.findings],
            issued_by=by.user,
            issued_at=now,
        )
        held = {
            one.issue: one
            for one in Assignment.objects.select_for_update().filter(issue__in=[issue.id for issue in proposal.issues])
        }
        back = [one for one in held.values() if not allowed(one.state, "reissue")]
        kept = {one.issue for one in back}
        asked = [issue for issue in proposal.issues if issue.id not in kept]
        sheets = FormSheet.objects.bulk_create(
            FormSheet(
                issuance=issuance,
                issue=issue.id,
                version=issue.version,
                content=issue.model_dump(mode="json", exclude_defaults=True),
            )
            for issue in asked
        )
        fresh = []
        for issue, sheet in zip(asked, sheets, strict=True):
            said: dict[str, Any] = {"sheet": sheet, "due": issue.due, "lines": len(issue.lines), "updated_at": now}
            if issue.id in held:
                end = held[issue.id].state
                move(Assignment.objects.filter(pk=held[issue.id].pk), "reissue", end=end, **said)
                continue
            fresh.append(
                Assignment(
                    round=row,
                    organisation=proposal.organisations.get(issue.body),
                    issue=issue.id,
                    body=issue.body,
                    body_name=issue.body_name,
                    place=issue.place,
                    place_name=issue.place_name,
                    title=issue.title,
                    layout=issue.layout,
                    period=issue.period,
                    **said,
                )
            )
        Assignment.objects.bulk_create(fresh)
        issuance.asked = len(asked)
        issuance.kept_back = [f"{one.body_name}（{one.place_name}）：{State(one.state).label}" for one in back]
        issuance.save(update_fields=["asked", "kept_back"])
        if not new and row.due != proposal.due:
            row.due = proposal.due
            row.save(update_fields=["due"])
        record(
            "returns.issued",
            row,
            by=by,
            at=now,
            place=row.place,
            after={
                "plan": row.plan,
                "form": row.form,
                "period": row.period,
                "due": str(proposal.due),
                "issuance": issuance.number,
                "asked": issuance.asked,
                "unlinked": issuance.unlinked,
                "kept_back": issuance.kept_back,
            },
        )
        if asked:
            put("returns.issue", f"returns-issue-{issuance.pk}", {"issuance": issuance.pk})
    return issuance


def _outside(proposal: Proposal, reach: Reach) -> list[str]:
    """Return of whom more is asked than the user may ask: for a place, or of an organisation, that is out of reach."""
    allowed, known = reach.places("returns.issue"), proposal.organisations
    return [
        f"{issue.body_name}（{issue.place_name}）"
        for issue in proposal.issues
        if issue.place not in allowed or (issue.body in known and known[issue.body].place not in allowed)
    ]


def _issuer(by: Actor, reach: Reach, place: str) -> Organisation:
    """Return the organisation in whose name somebody issues."""
    for holding in reach.holdings:
        if place in holding.places:
            found = Organisation.objects.filter(pk=holding.organisation).first()
            if found is not None:
                return found
    raise PermissionDenied("returns.issue")


def assignment_link(*, assignment: Assignment, organisation: Organisation, reach: Reach, by: Actor) -> None:
    """Say which organisation on the platform fills in a form that nobody has begun: its body is none, or another answers for it.

    Raises
    ------
    PermissionDenied
        The user may not issue forms there.
    RefusedError
        Somebody has begun to fill it in.
    """
    if not reach.can("returns.issue", place=assignment.round.place):
        raise PermissionDenied("returns.issue")
    with transaction.atomic():
        free = Q(organisation__isnull=True) | Q(state=State.PENDING)
        if not Assignment.objects.filter(free, pk=assignment.pk).update(organisation=organisation):
            raise RefusedError("return.linked", _("这份报表已有单位在填，不能改由别的单位填。"))
        record(
            "returns.linked",
            assignment,
            by=by,
            place=assignment.place,
            before={"organisation": assignment.organisation.code if assignment.organisation else None},
            after={"organisation": organisation.code, "body": assignment.body},
        )


def round_seal(*, row: Round, exceptions: Mapping[int, str], reason: str, reach: Reach, by: Actor) -> Seal:
    """Seal a round: every form is approved, or named as an exception with a reason.

    Parameters
    ----------
    row : Round
    exceptions : mapping from assignment to reason
        Forms that are sealed without an approval.
    reason : str
    reach : Reach
    by : Actor

    Raises
    ------
    PermissionDenied
        The user may not seal there.
    RefusedError
        It is sealed, a submission waits for review, or a form is neither approved nor excepted.
    """
    if not reach.can("returns.seal", place=row.place) or by.user is None:
        raise PermissionDenied("returns.seal")
    with transaction.atomic():
        Round.objects.select_for_update().get(pk=row.pk)
        if row.sealed is not None:
            raise RefusedError("round.sealed", _("这一轮已经封存。"))
        rows = list(row.assignments.select_for_update())
        now = _after_decisions(rows)
        waiting = [one for one in rows if not allowed(one.state, "seal")]
        if waiting:
            raise RefusedError("round.waiting", _("还有 %(n)s 份待审核，审核完再封存：%(who)s") % _said(waiting))
        bare = [one for one in rows if one.state != State.APPROVED and not exceptions.get(one.pk, "").strip()]
        if bare:
            raise RefusedError("round.open", _("还有 %(n)s 份没有批准，也没有写明例外的理由：%(who)s") % _said(bare))
        named = [one for one in rows if one.state != State.APPROVED]
        seal = Seal.objects.create(
            round=row,
            reason=reason.strip(),
            exceptions=[
                {
                    "assignment": one.pk,
                    "who": f"{one.body_name}（{one.place_name}）",
                    "reason": exceptions[one.pk].strip(),
                }
                for one in named
            ],
            sealed_by=by.user,
            sealed_at=now,
        )
        for one in rows:
            move(Assignment.objects.filter(pk=one.pk), "seal", sealed_from=one.state, updated_at=now)
        record(
            "returns.sealed",
            row,
            by=by,
            at=now,
            place=row.place,
            reason=reason.strip(),
            after={"exceptions": seal.exceptions},
        )
        _publish_all(rows, "sealed", f"seal-{seal.pk}", now.isoformat())
    return seal


def round_unseal(*, row: Round, reason: str, reach: Reach, by: Actor) -> None:
    """Open a sealed round again, and say why.

    Raises
    ------
    PermissionDenied
        The user may not seal there.
    RefusedError
        There is no reason, or it is not sealed.
    """
    if not reach.can("returns.seal", place=row.place) or by.user is None:
        raise PermissionDenied("returns.seal")
    if not reason.strip():
        raise RefusedError("round.no-reason", _("请写明解除封存的理由。"))
    with transaction.atomic():
        Round.objects.select_for_update().get(pk=row.pk)
        opened = Seal.objects.filter(round=row, opened_at__isnull=True)
        seal = opened.first()
        now = house().now() if seal is None else max(house().now(), seal.sealed_at + _INSTANT)
        if seal is None or not opened.update(opened_by=by.user, opened_at=now, opened_reason=reason.strip()):
            raise RefusedError("round.not-sealed", _("这一轮没有封存。"))
        rows = list(row.assignments.select_for_update().filter(state__in=MOVES["unseal"].starts))
        for one in rows:
            move(Assignment.objects.filter(pk=one.pk), "unseal", end=one.sealed_from, sealed_from="", updated_at=now)
        record("returns.unsealed", row, by=by, at=now, place=row.place, reason=reason.strip())
        _publish_all(rows, "approved", f"unseal-{seal.pk}", now.isoformat())


def _after_decisions(rows: Iterable[Assignment]) -> datetime:
    """Return now, or just after the last approval or opening, whatever the clocks say: what is recorded last counts."""
    held = list(rows)
    approved = Submission.objects.filter(pk__in=[one.approved_id for one in held]).values_list("reviewed_at", flat=True)
    opened = Seal.objects.filter(round__in=[one.round_id for one in held]).values_list("opened_at", flat=True)
    moments = [one for one in (*approved, *opened) if one is not None]
    return max([house().now(), *(one + _INSTANT for one in moments)])


def _publish_all(rows: Iterable[Assignment], review: str, name: str, recorded_at: str) -> None:
    """Have the figures that count published once more with another state of review."""
    for one in rows:
        if one.approved_id is not None:
            key = f"returns-{name}-{one.approved_id}"
            put("returns.publish", key, {"submission": one.approved_id, "recorded_at": recorded_at, "review": review})


def _said(rows: Sequence[Assignment]) -> dict[str, Any]:
    named = "、".join(f"{one.body_name}（{one.place_name}）" for one in rows[:5])
    return {"n": len(rows), "who": named + ("…" if len(rows) > 5 else "")}
