"""Reads of the yearly report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from dafeng.lake.durable import hash_file
from dafeng.web.access.reach import Reach
from dafeng.web.due import DueItem
from dafeng.web.house import house
from dafeng.web.october.models import (
    Contribution,
    ContributionState,
    FrozenReport,
    ReportBuild,
    ReportDraft,
    ReportSection,
)
from dafeng.web.october.services import outline
from dafeng.workflow.forms import where_returns_stand

__all__ = [
    "Coverage",
    "Part",
    "builds_of",
    "coverage",
    "due_for",
    "frozen_of",
    "parts_of",
    "reports",
    "run_file",
]


@dataclass(frozen=True)
class Part:
    """A part of the report with what stands in it.

    Attributes
    ----------
    key, title, asks : str
    section : ReportSection or None
    contributions : tuple of Contribution
    """

    key: str
    title: str
    asks: str
    section: ReportSection | None
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True)
class Coverage:
    """How far a body has answered what it was asked.

    Attributes
    ----------
    body : str
    asked, answered : int
    overdue : bool
    """

    body: str
    asked: int
    answered: int
    overdue: bool


def reports() -> QuerySet[ReportDraft]:
    """Return reports with how many contributions are open and how many editions are frozen."""
    waiting = Q(contributions__state__in=[ContributionState.ASKED, ContributionState.RETURNED])
    return ReportDraft.objects.annotate(
        open_count=Count("contributions", filter=waiting, distinct=True), frozen_count=Count("frozen", distinct=True)
    ).order_by("-year", "plan")


def parts_of(report: ReportDraft) -> list[Part]:
    """Return the parts of a report, in the order of the paper."""
    sections = {one.key: one for one in report.sections.select_related("edited_by")}
    by_key: dict[str, list[Contribution]] = {}
    for one in report.contributions.select_related("organisation", "written_by"):
        by_key.setdefault(one.key, []).append(one)
    return [
        Part(part.key, part.title, part.asks, sections.get(part.key), tuple(by_key.get(part.key, ())))
        for part in outline(report)
    ]


def coverage(day: date) -> list[Coverage]:
    """Return how far each body has answered its forms, the least first; empty where none were issued."""
    known = max(day, house().now().date())  # with a day set in the past, what people send in still bears the real clock
    stand = house().kept(("returns-stand", known), lambda here: where_returns_stand(here, as_of=known))
    told = stand.forms.group_by("body_name").agg(
        pl.col("asked").sum(),
        (pl.col("answered") + pl.col("reasons")).sum().alias("told"),
        pl.col("days_overdue").max(),
    )
    return sorted(
        (Coverage(name, asked, answered, days > 0) for name, asked, answered, days in told.iter_rows()),
        key=lambda one: (one.answered / max(one.asked, 1), one.body),
    )


def run_file(manifest: Mapping[str, Any], run: str, ending: str) -> tuple[Path, str] | None:
    """Return path and name of a file of a run; None where there is none, or where its bytes are no longer those of the manifest."""
    workspace = house().setting().workspace
    files = manifest.get("files", {})
    name = next((one for one in files if one.endswith(f".{ending}")), None)
    if workspace is None or name is None:
        return None
    path = workspace.runs / run / name
    return (path, name) if path.is_file() and hash_file(path) == files[name] else None


def due_for(reach: Reach, day: date) -> list[DueItem]:
    """Return contributions that a user's organisation owes, the soonest first."""
    rows = reach.visible(Contribution.objects.all(), "reports.contribute")
    rows = rows.filter(state__in=[ContributionState.ASKED, ContributionState.RETURNED])
    return [
        DueItem(
            title=_("%(year)d年度报告：%(part)s") % {"year": one.report.year, "part": one.title},
            url=reverse("october:contribution", args=[one.pk]),
            due=one.due_on,
            who=one.organisation.name,
            kind=_("年度报告"),
        )
        for one in rows.select_related("organisation", "report").order_by("due_on", "pk")[:20]
    ]


def builds_of(report: ReportDraft) -> list[ReportBuild]:
    """Return the last builds of a report."""
    return list(report.builds.select_related("built_by", "frozen")[:10])


def frozen_of(report: ReportDraft) -> list[FrozenReport]:
    """Return the editions of a report, newest first."""
    return list(report.frozen.select_related("frozen_by"))
