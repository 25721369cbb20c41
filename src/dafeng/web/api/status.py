"""Plans, targets and facts, as the pages show them."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Schema

from dafeng.catalog.plan_schemas import Plan
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import GuardedRouter, guarded
from dafeng.web.house import house
from dafeng.web.overview import selectors

router = GuardedRouter(tags=["status"])


class PlanOut(Schema):
    """A plan."""

    id: str
    title: str
    place: str
    targets: int
    obligations: int
    tasks: int


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


@router.get("/plans", response=list[PlanOut])
@guarded("status.read")
def list_plans(request: HttpRequest) -> list[PlanOut]:
    """方案清单 / the plans in reach."""
    return [
        PlanOut(
            id=plan.id,
            title=plan.title.zh,
            place=plan.place,
            targets=len(plan.targets),
            obligations=len(plan.obligations),
            tasks=len(plan.tasks),
        )
        for plan in selectors.plans_to_show(reach_of_request(request))
    ]


@router.get("/plans/{plan}/status", response=StatusOut)
@guarded("status.read", "plan")
def plan_status(request: HttpRequest, plan: str, place: str | None = None) -> StatusOut:
    """方案进展：每个目标的状态、数值和依据 / every target with its status, values and reasons."""
    chosen = _plan(request, plan)
    places = selectors.places_to_show(reach_of_request(request), chosen)
    at = place or (places[0] if places else "")
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


@router.get("/facts/{indicator}/{place}", response=list[FactOut])
@guarded("facts.read", "place")
def list_facts(
    request: HttpRequest, indicator: str, place: str, versions: bool = False, limit: int = 1000, offset: int = 0
) -> list[FactOut]:
    """一个指标在一个地方的数据与来源 / facts with their source cells; `versions` for those that were superseded too."""
    if not reach_of_request(request).can("facts.read", place=place):
        raise Http404
    rows = [row for row in selectors.facts_of(house(), indicator, place) if versions or row.current]
    limit, offset = max(0, min(limit, 10_000)), max(0, offset)
    return [
        FactOut(values=row.values, current=row.current, source=row.source, formula=row.formula)
        for row in rows[offset : offset + limit]
    ]
