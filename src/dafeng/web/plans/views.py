"""Pages about plans: list, reading view, target, versions, parents, responsibility."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any, Final

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dafeng.assessment.records import WORST_FIRST, Status, TargetAssessment
from dafeng.base.document import DocumentText
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans import BodyUse, ResponsibilityRow
from dafeng.plans.compare import Relation
from dafeng.plans.phrases import deadline_of, obligation_phrase, target_phrase
from dafeng.plans.versions import DiffKind
from dafeng.reports.fonts import find_fonts
from dafeng.reports.status_words import group_counts, group_of
from dafeng.web.access.reach import Reach
from dafeng.web.access.routing import needs, reach_of_request
from dafeng.web.house import house
from dafeng.web.plans.models import PlanVersion
from dafeng.web.plans.passages import Mark, Paragraph, passages
from dafeng.web.plans.selectors import (
    comparison_of,
    duties_of,
    open_readings,
    plan_in_reach,
    plan_rows,
    plan_text,
    status_of,
    version_changes,
)
from dafeng.web.plans.uploads import attachment
from dafeng.web.words import state_word, word
from dafeng.workflow.reporting import ReportKind, build_report
from dafeng.workflow.setting import Setting

PAGE: Final = 50
STYLES: Final = {
    "met": "good",
    "on_track": "good",
    "open": "info",
    "at_risk": "warn",
    "off_track": "bad",
    "missed": "bad",
    "unproven": "warn",
    "no_data": "",
    "depends_on_definition": "warn",
}
"""Class of each group of states."""
_AROUND: Final = 300
_LONGEST: Final = 20_000
_RELATIONS: Final = {
    Relation.LOOSER: "bad",
    Relation.MISSING: "bad",
    Relation.DIFFERENT_DEADLINE: "warn",
    Relation.NOT_COMPARABLE: "warn",
    Relation.STRICTER: "good",
    Relation.EQUAL: "good",
    Relation.ADDED: "info",
}


@needs("plans.read")
def list_page(request: HttpRequest) -> HttpResponse:
    """Show the plans in reach, and the documents on their way."""
    reach = reach_of_request(request)
    text = request.GET.get("q", "").strip()[:60]
    rows = Paginator(plan_rows(reach, text=text), PAGE).get_page(request.GET.get("page"))
    coming = open_readings(reach).exclude(state__in=("published", "withdrawn"))
    names = {place.id: place.name for place in house().catalog.places}
    return render(
        request,
        "plans/list.html",
        {
            "rows": rows,
            "q": text,
            "coming": [(row, names.get(row.place, row.place)) for row in coming[:PAGE]],
            "may_load": reach.can("plans.load"),
        },
    )


# Reading view -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stand:
    """How a target stands, for a page."""

    text: str
    style: str
    reason: str = ""
    demonstration: bool = False


def stand_of(status: Status) -> tuple[str, str]:
    """Return the name and the class of a state."""
    return state_word(house().catalog, status.value), STYLES[group_of(status.value).code]


@dataclass(frozen=True)
class PromiseRow:
    """A target or obligation as the reading view shows it."""

    name: str
    clause: str
    phrase: str
    deadline: str
    bodies: str
    stand: Stand | None
    start: int
    end: int
    target: bool
    soft: bool


@dataclass(frozen=True)
class Section:
    """A chapter of a plan."""

    number: str
    title: str
    start: int
    end: int


def sections_of(plan: Plan, text: DocumentText | None) -> list[Section]:
    """Return the top chapters of a plan, each from its heading to the next one."""
    numbers = [chapter.number for chapter in plan.chapters]
    tops = [
        chapter
        for chapter in plan.chapters
        if not any(chapter.number != number and chapter.number.startswith(number) for number in numbers)
    ]
    last = len(text.plain) if text is not None else 1 << 40
    # the heading's own mark (一、) stands just before its title
    starts = [max(0, chapter.at.start - len(chapter.number) - 1) for chapter in tops]
    ends = [*starts[1:], last][: len(starts)]
    found = [Section(one.number, one.title, *span) for one, *span in zip(tops, starts, ends, strict=True)]
    if found and found[0].start > 0:
        found.insert(0, Section("", _("前言"), 0, found[0].start))
    return found or [Section("", _("全文"), 0, min(last, _LONGEST))]


def worst_of(rows: tuple[TargetAssessment, ...]) -> TargetAssessment | None:
    """Return the row that stands for a target: the worst of its years."""
    return min(rows, key=lambda row: WORST_FIRST.index(row.status), default=None)


def promises_of(plan: Plan, reach: Reach) -> list[PromiseRow]:
    """Return what a plan promises, in its order, with how it stands where that may be seen."""
    judged = status_of(reach, plan)
    stands: dict[str, Stand] = {}
    for row in () if judged is None else judged.worst_first():
        if row.target not in stands:
            stands[row.target] = Stand(*stand_of(row.status), row.reason, row.demonstration)
    found = [
        PromiseRow(
            target.id,
            target.clause,
            target_phrase(target),
            deadline_of(target).text,
            "、".join(plan.bodies_of(target)),
            stands.get(target.id),
            target.at.start,
            target.at.end,
            True,
            target.soft,
        )
        for target in plan.targets
    ]
    found += [
        PromiseRow(
            duty.id,
            duty.clause,
            obligation_phrase(duty),
            "" if duty.since is None else _("%(year)d年起") % {"year": duty.since},
            "",
            None,
            duty.at.start,
            duty.at.end,
            False,
            duty.soft,
        )
        for duty in plan.obligations
    ]
    return sorted(found, key=lambda row: (row.start, row.end))


def _plan_context(request: HttpRequest, plan: str, tab: str) -> tuple[Plan, dict[str, Any]]:
    reach = reach_of_request(request)
    found = plan_in_reach(reach, plan)
    return found, {
        "plan": found,
        "tab": tab,
        "place_name": house().catalog.place_name(found.place),
        "may_tasks": reach.can("tasks.read"),
    }


@needs("plans.read", "plan")
def plan_page(request: HttpRequest, plan: str) -> HttpResponse:
    """Show a plan: what it promises, chapter by chapter, beside the text that says so."""
    found, context = _plan_context(request, plan, "plan")
    reach = reach_of_request(request)
    text = plan_text(found)
    sections = sections_of(found, text)
    promises = promises_of(found, reach)
    wanted = request.GET.get("chapter")
    first = next((one for one in sections if any(one.start <= row.start < one.end for row in promises)), sections[0])
    section = next((one for one in sections if one.number == wanted), first) if wanted is not None else first
    inside = [row for row in promises if section.start <= row.start < section.end]
    judged = status_of(reach, found)
    version = PlanVersion.objects.filter(plan=found.id, number__isnull=False).order_by("-number").first()
    return render(
        request,
        "plans/plan.html",
        context
        | {
            "sections": sections,
            "section": section,
            "promises": inside,
            "paragraphs": _chapter_text(text, section, inside),
            "kept": text is not None,
            "judged": judged,
            "groups": [
                (word(group), count, STYLES[group.code]) for group, count in group_counts(judged.counts) if count
            ]
            if judged is not None
            else [],
            "version": version,
        },
    )


def _chapter_text(text: DocumentText | None, section: Section, rows: list[PromiseRow]) -> list[Paragraph]:
    if text is None:
        return []
    end = min(section.end, section.start + _LONGEST, len(text.plain))
    marks = [
        Mark(
            row.start,
            row.end,
            f"w-{row.name}",
            "" if row.stand is None else row.stand.style,
            row.phrase,
            f"#p-{row.name}",
        )
        for row in rows
    ]
    return passages(text, [(section.start, end)], marks)


@needs("plans.read", "plan")
def original(request: HttpRequest, plan: str) -> HttpResponseBase:
    """Offer the document of a plan as it was handed in."""
    found = plan_in_reach(reach_of_request(request), plan)
    if plan_text(found) is None:
        return redirect("plans:plan", plan=found.id)
    return attachment(found.document.sha256, found.document.named or found.document.file or f"{found.id}.bin")


@needs("plans.read", "target")
def target_page(request: HttpRequest, plan: str, target: str) -> HttpResponse:
    """Show a target: what it asks, of whom, where it says so, how it stands, and from which values."""
    found, context = _plan_context(request, plan, "plan")
    one = next((each for each in found.targets if each.id == target), None)
    if one is None:
        raise Http404
    here = house().catalog
    judged = status_of(reach_of_request(request), found)
    rows = () if judged is None else judged.of(one.id)
    text = plan_text(found)
    quoted: list[Paragraph] = []
    if text is not None:
        index = text.block_at(one.at.start)
        after = text.starts[index + 1] if index + 1 < len(text.starts) else len(text.plain)
        start = max(text.starts[index], one.at.start - _AROUND)
        window = (start, max(one.at.end, min(after, one.at.end + _AROUND)))
        quoted = passages(text, [window], [Mark(one.at.start, one.at.end, "w", "chosen")])
    duty = next((row for row in duties_of(found).rows if row.target == one.id), None)
    worst = worst_of(rows)
    return render(
        request,
        "plans/target.html",
        context
        | {
            "target": one,
            "phrase": target_phrase(one),
            "deadline": deadline_of(one).text,
            "indicator": here.indicators.get(one.indicator),
            "measure": here.term("measure", one.measure.value),
            "duty": duty,
            "rows": [(row, *stand_of(row.status)) for row in rows],
            "worst": worst,
            "worst_stand": None if worst is None else stand_of(worst.status),
            "where": None if text is None else str(text.where(one.at.start)),
            "paragraphs": quoted,
            "note": one.note,
            "pace": [row for row in rows if row.history],
        },
    )


# Versions and parents -----------------------------------------------------------------------------------------------


@needs("plans.read", "plan")
def versions_page(request: HttpRequest, plan: str) -> HttpResponse:
    """Show the versions of a plan and what changed from one to another."""
    found, context = _plan_context(request, plan, "versions")
    versions = list(
        PlanVersion.objects.filter(plan=found.id, number__isnull=False).select_related("asked_by").order_by("-number")
    )
    by_number = {str(version.number): version for version in versions}
    after = by_number.get(request.GET.get("after", ""), versions[0] if versions else None)
    older = [version for version in versions if after is not None and (version.number or 0) < (after.number or 0)]
    before = by_number.get(request.GET.get("before", ""), older[0] if older else None)
    changes = None
    if before is not None and after is not None and before.pk != after.pk:
        changes = version_changes(before, after)
    kinds = {
        DiffKind.ADDED: (_("新增"), "good"),
        DiffKind.REMOVED: (_("删去"), "bad"),
        DiffKind.CHANGED: (_("修改"), "warn"),
        DiffKind.MOVED: (_("移动"), "info"),
    }
    subjects = {"target": _("目标"), "obligation": _("义务"), "task": _("任务"), "head": _("文件")}
    rows = [
        (*kinds[row.kind], subjects[row.subject], row)
        for row in (() if changes is None else changes.rows)
        if row.kind is not DiffKind.SAME
    ]
    return render(
        request,
        "plans/versions.html",
        context
        | {
            "versions": versions,
            "before": before,
            "after": after,
            "changes": changes,
            "counts": {} if changes is None else changes.counts(),
            "rows": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        },
    )


@needs("plans.read", "plan")
def parents_page(request: HttpRequest, plan: str) -> HttpResponse:
    """Show a plan against the plans above it, level by level."""
    found, context = _plan_context(request, plan, "parents")
    comparison = comparison_of(found)
    here = house().catalog
    words = comparison.table(here).rows
    level = next((one for one in comparison.levels if one.place == request.GET.get("level")), None)
    level = level or next((one for one in comparison.levels if one.plan is not None), None)
    relation = request.GET.get("relation", "")
    rows = [
        (row, said, _RELATIONS.get(row.relation, ""))
        for row, said in zip(comparison.rows, words, strict=True)
        if level is not None
        and row.level == level.place
        and row.relation is not Relation.LEVEL_UNKNOWN
        and (not relation or row.relation.value == relation)
    ]
    counts = {} if level is None else comparison.counts(level.place)
    names = {row.relation.value: said[5] for row, said in zip(comparison.rows, words, strict=True)}
    titles = {one.id: one.title.zh for one in here.plans.values()}
    return render(
        request,
        "plans/parents.html",
        context
        | {
            "levels": [(one, titles.get(one.plan or "", "")) for one in comparison.levels],
            "level": level,
            "relation": relation,
            "relations": [(code, names[code], count) for code, count in counts.items() if code != "level_unknown"],
            "rows": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        },
    )


# Responsibility -----------------------------------------------------------------------------------------------------


def _role(body: str, rows: list[ResponsibilityRow]) -> str:
    """Return how a body stands in the rows of a task: lead, presumed lead, responsible, or not at all."""
    for row in rows:
        if row.lead is not None and (row.lead.id or row.lead.as_written) == body:
            return row.lead.role.value
    return "member" if any((use.id or use.as_written) == body for row in rows for use in row.bodies) else ""


@needs("plans.read", "plan")
def bodies_page(request: HttpRequest, plan: str) -> HttpResponse:
    """Show who answers for what: a matrix of tasks and bodies, or everything of one body."""
    found, context = _plan_context(request, plan, "bodies")
    duties = duties_of(found)
    by_body, by_clause = duties.by_body(), duties.by_clause()
    uses: dict[str, BodyUse] = {}
    for row in duties.rows:
        for use in row.bodies:
            uses.setdefault(use.id or use.as_written, use)
    chosen = request.GET.get("body", "")
    judged = status_of(reach_of_request(request), found)
    stands = {} if judged is None else {row.target: stand_of(row.status) for row in reversed(judged.worst_first())}
    rows = by_body.get(chosen, ()) if chosen else ()
    counts = next((one.counts for one in judged.by_body if (one.body or one.name) == chosen), {}) if judged else {}
    matrix = [
        (
            clause,
            next((row.task for row in rows_of), ""),
            sum(bool(row.target) for row in rows_of),
            [_role(body, list(rows_of)) for body in uses],
        )
        for clause, rows_of in by_clause.items()
    ]
    return render(
        request,
        "plans/bodies.html",
        context
        | {
            "uses": [(key, use, len(by_body[key])) for key, use in uses.items()],
            "chosen": chosen if chosen in uses else "",
            "chosen_use": uses.get(chosen),
            "matrix": [] if chosen in uses else matrix,
            "rows": [(row, stands.get(row.target or "")) for row in rows],
            "groups": [(word(group), count, STYLES[group.code]) for group, count in group_counts(counts) if count],
            "findings": duties.findings,
        },
    )


@needs("plans.read", "plan")
def bodies_export(request: HttpRequest, plan: str) -> HttpResponseBase:
    """Offer the responsibility list as a workbook or document."""
    found = plan_in_reach(reach_of_request(request), plan)
    form, body = request.GET.get("format", ""), request.GET.get("body", "")
    if form not in ("xlsx", "docx") or (body and body not in house().catalog.bodies):
        return redirect("plans:bodies", plan=found.id)
    day = house().today()

    def make(setting: Setting) -> tuple[str, bytes]:
        built = build_report(
            Setting(setting.catalog, None),
            found.id,
            kind=ReportKind.RESPONSIBILITY,
            as_of=day,
            known_at=None,
            fonts=find_fonts(os.environ),
            body=body or None,
            formats=(form,),
            judged=house().assessment(found.id),
        )
        return next(iter(built.files.items()))

    name, data = house().kept(("duties-file", found.id, form, body, day), make, facts=False)
    return FileResponse(io.BytesIO(data), as_attachment=True, filename=name)
