"""Reports, contributions and builds for the access table."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from dafeng.web.access.actions import Role
from dafeng.web.house import house
from dafeng.web.october.models import Contribution, FrozenReport, ReportBuild, ReportDraft
from dafeng.web.october.services import outline
from web.world import World

PLANS = {
    "own": "dongwan-2025",
    "neighbour": "dongwan-2025",
    "foreign": "xipo-2025",
    "above": "demo-city-2024",
}


def make_report(world: World, scope: str) -> ReportDraft:
    """Return a report of the place of a scope, made where there is none."""
    plan = PLANS[scope]
    report, _ = ReportDraft.objects.get_or_create(
        plan=plan,
        year=2026,
        defaults={
            "place": house().catalog.plan(plan).place,
            "as_of": date(2026, 9, 30),
            "created_by": world.user(Role.PLAN_OWNER, "above", number=7),
        },
    )
    return report


def make_contribution(world: World, scope: str) -> Contribution:
    """Return what the organisation of a scope is asked to write for its place's report."""
    row, _ = Contribution.objects.get_or_create(
        report=make_report(world, scope),
        organisation=world.organisation(scope),
        key="steps",
        defaults={"place": world.place(scope), "title": "五、下一步", "due_on": date(2026, 10, 10)},
    )
    return row


def make_build(world: World, scope: str) -> ReportBuild:
    """Return a build whose file lies in no workspace, made where there is none."""
    report = make_report(world, scope)
    row, _ = ReportBuild.objects.get_or_create(
        run=f"run-{report.pk}",
        defaults={
            "report": report,
            "content": "0" * 64,
            "arguments": {},
            "manifest": {"files": {"a.html": "0" * 64}, "facts": {"used": 0, "digest": ""}},
            "built_at": datetime(2026, 10, 1, tzinfo=UTC),
        },
    )
    return row


def make_frozen(world: World, scope: str) -> FrozenReport:
    """Return a frozen report, made where there is none."""
    build = make_build(world, scope)
    found = FrozenReport.objects.filter(build=build).first()
    return found or FrozenReport.objects.create(
        report=build.report,
        build=build,
        place=build.report.place,
        edition=1,
        run=build.run,
        arguments={},
        manifest=build.manifest,
        manifest_digest="0" * 64,
        audit_number=1,
        audit_digest="0" * 64,
        frozen_by=world.user(Role.PLAN_OWNER, "above", number=7),
        frozen_at=datetime(2026, 10, 2, tzinfo=UTC),
    )


def _part(world: World, scope: str) -> dict[str, Any]:
    report = make_report(world, scope)
    return {"pk": report.pk, "key": outline(report)[-1].key}


SUBJECTS = {
    "report": lambda world, scope: {"pk": make_report(world, scope).pk},
    "report-part": _part,
    "contribution": lambda world, scope: {"pk": make_contribution(world, scope).pk},
    "report-build": lambda world, scope: {"pk": make_build(world, scope).pk},
    "report-file": lambda world, scope: {"pk": make_build(world, scope).pk, "ending": "html"},
    "frozen-report": lambda world, scope: {"pk": make_frozen(world, scope).pk},
    "frozen-file": lambda world, scope: {"pk": make_frozen(world, scope).pk, "ending": "html"},
}
