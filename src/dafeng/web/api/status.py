"""Plans, targets and facts, as the pages show them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Query, Schema

from dafeng.catalog.plan_schemas import Plan
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import GuardedRouter, guarded
from dafeng.web.api.paging import Name, Page, Window, page_of
from dafeng.web.house import house
from dafeng.web.overview import selectors
from dafeng.web.plans import selectors as plan_selectors
from dafeng.web.plans.models import PlanVersion

router = GuardedRouter(tags=["plans"])


class PlanOut(Schema):
    """A plan."""

    id: str
    title: str
    place: str
    targets: int
    obligations: int
    tasks: int


class PlanQuery(Window):
    """Which plans."""

    text: Name = ""


class PlanDetailOut(Schema):
    """A plan as the library keeps it."""

    plan: dict[str, Any]
    above: bool
    parents: dict[str, Any]


class DutyOut(Schema):
    """A line of the responsibility matrix."""

    line: dict[str, Any]


class VersionOut(Schema):
    """A version of a plan."""

    id: int
    number: int
    document: str
    items: int
    reviewed: int
    rejected: int
    published_at: datetime | None
    note: str


class StatusOut(Schema):
    """Where a plan stands at a place."""

    plan: str
    place: str
    as_of: date
    facts_version: int
    demonstration: bool
    counts: dict[str, int]
    counted: int
    targets: list[dict[str, Any]]


class StatusQuery(Schema):
    """Where and how."""

    place: Name | None = None


class FactQuery(Window):
    """Which facts."""

    versions: bool = False


class FactOut(Schema):
    """A stored version of a fact."""

    values: dict[str, Any]
    current: bool
    source: str
    formula: str


def _plan(request: HttpRequest, name: str) -> Plan:
    found = next((plan for plan in selectors.plans_to_show(reach_of_request(request)) if plan.id == name), None)
    if found is None:
        raise Http404
    return found


def _plan_out(plan: Plan) -> PlanOut:
    return PlanOut(
        id=plan.id,
        title=plan.title.zh,
        place=plan.place,
        targets=len(plan.targets),
        obligations=len(plan.obligations),
        tasks=len(plan.tasks),
    )


@router.get("/plans", response=Page[PlanOut])
@guarded("status.read")
def list_plans(request: HttpRequest, query: Query[PlanQuery]) -> Any:
    """方案清单 / the plans in reach."""
    text = query.text
    rows = [
        plan
        for plan in selectors.plans_to_show(reach_of_request(request))
        if not text or text in plan.id or text in plan.title.zh
    ]
    return page_of(rows, query, _plan_out)


@router.get("/plans/{plan}", response=PlanDetailOut)
@guarded("plans.read", "plan")
def read_plan(request: HttpRequest, plan: Name) -> Any:
    """方案内容：目标、义务、任务，以及与上级方案的比较 / a plan and how it compares with those above it."""
    reach = reach_of_request(request)
    found = plan_selectors.plan_in_reach(reach, plan)
    above = {one.id: is_above for one, is_above in plan_selectors.plans_in_reach(reach)}
    return PlanDetailOut(
        plan=found.model_dump(mode="json", by_alias=True, exclude_none=True),
        above=above[found.id],
        parents=plan_selectors.comparison_of(found).model_dump(mode="json"),
    )


@router.get("/plans/{plan}/duties", response=Page[DutyOut])
@guarded("plans.read", "plan")
def list_duties(request: HttpRequest, plan: Name, query: Query[Window]) -> Any:
    """责任分工：谁对哪一条负责 / who answers for what."""
    found = plan_selectors.plan_in_reach(reach_of_request(request), plan)
    rows = plan_selectors.duties_of(found).rows
    return page_of(rows, query, lambda row: DutyOut(line=row.model_dump(mode="json")))


@router.get("/plans/{plan}/versions", response=Page[VersionOut])
@guarded("plans.read", "plan")
def list_versions(request: HttpRequest, plan: Name, query: Query[Window]) -> Any:
    """方案在平台上发布过的版本，新的在前 / versions that were published, newest first."""
    found = plan_selectors.plan_in_reach(reach_of_request(request), plan)
    rows = PlanVersion.objects.filter(plan=found.id, number__isnull=False).order_by("-number")
    return page_of(rows, query, VersionOut.from_orm)


@router.get("/plans/{plan}/status", response=StatusOut)
@guarded("status.read", "plan")
def plan_status(request: HttpRequest, plan: Name, query: Query[StatusQuery]) -> StatusOut:
    """方案进展：每个目标的状态、数值和依据 / every target with its status, values and reasons."""
    chosen = _plan(request, plan)
    places = selectors.places_to_show(reach_of_request(request), chosen)
    at = query.place or (places[0] if places else "")
    if at not in places:
        raise Http404
    judged = house().assessment(chosen.id, at)
    return StatusOut(
        plan=chosen.id,
        place=at,
        as_of=judged.as_of,
        facts_version=house().facts_version(),
        demonstration=judged.demonstration,
        counts=judged.counts,
        counted=judged.counted,
        targets=[row.model_dump(mode="json") for row in judged.rows],
    )


@router.get("/facts/{indicator}/{place}", response=Page[FactOut])
@guarded("facts.read", "place")
def list_facts(request: HttpRequest, indicator: Name, place: Name, query: Query[FactQuery]) -> Any:
    """一个指标在一个地方的数据与来源单元格；`versions` 连同被取代的 / facts with their source cells."""
    if not reach_of_request(request).can("facts.read", place=place):
        raise Http404
    rows = [row for row in selectors.facts_of(house(), indicator, place) if query.versions or row.current]
    return page_of(
        rows, query, lambda row: FactOut(values=row.values, current=row.current, source=row.source, formula=row.formula)
    )
