"""Rounds and returns for tests of the platform: the yearbook's water table, asked of the organisation of a scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from django.utils import timezone

from dafeng.base.form import FormEntry, FormIssue
from dafeng.statistics.owed import Respondent, issue_form
from dafeng.web.access.actions import Role
from dafeng.web.audit.services import Actor
from dafeng.web.house import house
from dafeng.web.people.models import Organisation, User
from dafeng.web.people.selectors import reach_of
from dafeng.web.returns import services
from dafeng.web.returns.models import Assignment, Evidence, Submission, Upload
from dafeng.web.returns.rounds import Proposal, round_issue
from dafeng.web.returns.states import State
from web.world import World

DUE: Final = date(2026, 3, 31)
GOOD: Final[dict[str, str]] = {
    "capacity": "200", "groundwater": "20", "pipes": "9000.5", "built_up_pipes": "7000", "supply": "52000", "production": "12000",
    "services": "8000", "households": "24000", "other": "1000", "registered": "47000", "users": "2600000",
    "household_users": "2500000", "population": "625",
}  # fmt: skip
"""Sound answers to the water table by field, in the units printed on it."""


def water_issue(place: str, *, body: str = "", period: str = "2025", due: date = DUE) -> FormIssue:
    """Return the water table asked of a body for a place."""
    catalog = house().catalog
    who = Respondent(body=body or f"{place}-government", body_name=f"{catalog.place_name(place)}人民政府", place=place)
    form = catalog.forms["yearbook_water"]
    return issue_form(form, catalog, [who], period=period, due=due, asked_on=date(2026, 1, 10)).issues[0]


def acting(user: User) -> dict[str, Any]:
    """Return reach and actor of a user, as a service takes them."""
    return {"reach": reach_of(user), "by": Actor(user=user, name=user.name, organisation=user.organisation_id)}


def issued(world: World, issues: Mapping[FormIssue, Organisation] | list[FormIssue], *, place: str, form: str = "yearbook_water",
           plan: str = "demo-city-2024", period: str = "2025", linked: Mapping[str, Organisation] | None = None) -> list[Assignment]:  # fmt: skip
    """Send out forms as the city's plan owner, and return what is owed."""
    owner = world.user(Role.PLAN_OWNER, "above", number=5)
    proposal = Proposal(
        plan=plan,
        form=form,
        title=f"供水表 {period}",
        period=period,
        due=DUE,
        place=place,
        issues=tuple(issues),
        findings=(),
        organisations=dict(linked or {}),
    )
    round_issue(proposal=proposal, **acting(owner))
    found = Assignment.objects.filter(issue__in=[issue.id for issue in issues])
    return list(found.select_related("sheet", "organisation", "round").order_by("id"))


def make_assignment(world: World, scope: str = "own") -> Assignment:
    """Return what the organisation of a scope owes, asked once."""
    place, organisation = world.place(scope), world.organisation(scope)
    body = f"{organisation.code}"
    issue = water_issue(place, body=body)
    held = Assignment.objects.filter(issue=issue.id).select_related("sheet", "organisation", "round").first()
    if held is not None:
        return held
    one = issued(world, [issue], place="demo-city", form=f"yearbook_water-{scope}", linked={body: organisation})[0]
    one.round.place, one.round.organisation = place, organisation
    one.round.save()
    return one


def typed(issue: FormIssue, values: Mapping[str, str] = GOOD, note: str = "") -> dict[str, tuple[str, FormEntry]]:
    """Return values by field as cells that are sent, whatever stands there."""
    return {
        line.id: ("*", FormEntry(value=values[line.field], note=note)) for line in issue.lines if line.field in values
    }


def reporter(world: World, scope: str = "own", number: int = 6) -> User:
    """Return somebody who fills in the forms of a scope's organisation."""
    return world.user(Role.REPORTER, scope, number=number)


def fill(
    world: World, one: Assignment, values: Mapping[str, str] = GOOD, *, scope: str = "own", number: int = 6
) -> services.Saved:
    """Write values into the draft."""
    issue = one.sheet.read()
    sent = typed(issue, values, note="按台账填报") | {
        line.id: ("*", FormEntry(value="2026-03-20" if line.type == "date" else "张三")) for line in issue.head
    }
    return services.draft_save(
        assignment=one, sent=sent, explanation="按年鉴口径", **acting(reporter(world, scope, number))
    )


def submitted(
    world: World, one: Assignment, values: Mapping[str, str] = GOOD, *, scope: str = "own", reason: str = ""
) -> Submission:
    """Write values and send them in."""
    fill(world, one, values, scope=scope)
    return services.submission_submit(assignment=one, reason=reason, **acting(reporter(world, scope)))


def approve(world: World, submission: Submission, number: int = 4) -> None:
    """Approve as a reviewer of the city."""
    services.submission_approve(submission=submission, **acting(world.user(Role.REVIEWER, "above", number=number)))


def make_submission(world: World, scope: str = "own") -> Submission:
    """Return what the organisation of a scope sent in, waiting for review."""
    one = make_assignment(world, scope)
    if one.state == State.PENDING:
        return submitted(world, one, scope=scope)
    return Submission.objects.get(assignment=one, number=1)


def make_evidence(world: World, scope: str = "own") -> Evidence:
    """Return a file at a return of the organisation of a scope; its bytes are not there."""
    row, _ = Evidence.objects.get_or_create(
        assignment=make_assignment(world, scope),
        document=_document(),
        defaults={"name": "台账.pdf", "size": 3, "added_by": reporter(world, scope), "added_at": timezone.now()},
    )
    return row


def _document() -> str:
    """Return some document of the workspace."""
    workspace = house().setting().workspace
    assert workspace is not None
    return next(path.name for path in sorted(workspace.documents.iterdir()) if len(path.name) == 64)


def make_upload(world: World, scope: str = "own") -> Upload:
    """Return the fates of an upload of the organisation of a scope."""
    row, _ = Upload.objects.get_or_create(
        assignment=make_assignment(world, scope),
        document="0" * 64,
        defaults={"name": "a.xlsx", "cells": [], "findings": [], "taken": 0, "uploaded_by": reporter(world, scope),
                  "uploaded_at": timezone.now()},
    )  # fmt: skip
    return row


def _submission_evidence(world: World, scope: str) -> dict[str, Any]:
    make_evidence(world, scope)
    row = make_submission(world, scope)
    return {"pk": row.pk, "number": row.evidence[0]["id"] if row.evidence else 0}


SUBJECTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {
    "round": lambda world, scope: {"pk": make_assignment(world, scope).round_id},
    "return": lambda world, scope: {"pk": make_assignment(world, scope).pk},
    "submission": lambda world, scope: {"pk": make_submission(world, scope).pk},
    "submission-evidence": _submission_evidence,
    "return-evidence": lambda world, scope: {"pk": make_evidence(world, scope).pk},
    "return-upload": lambda world, scope: {"pk": make_upload(world, scope).pk},
}
