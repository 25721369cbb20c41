"""The first page, targets, facts and the public page."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dafeng.assessment import Assessment
from dafeng.base.errors import UnknownNameError
from dafeng.catalog.plan_schemas import Plan
from dafeng.web.access.routing import needs, public, reach_of_request
from dafeng.web.audit.services import actor_of
from dafeng.web.due import DueItem
from dafeng.web.house import house
from dafeng.web.october import selectors as october_selectors
from dafeng.web.overview import selectors, services
from dafeng.web.overview.models import Disclosure
from dafeng.web.plans import selectors as plan_selectors
from dafeng.web.returns import selectors as return_selectors
from dafeng.workflow.assessing import assess

_WORST = 12


def _plan(request: HttpRequest, name: str | None) -> Plan:
    """Return the plan asked for, or the first in reach."""
    plans = selectors.plans_to_show(reach_of_request(request))
    for plan in plans:
        if name in (None, "", plan.id):
            return plan
    raise Http404


def _place(request: HttpRequest, plan: Plan) -> tuple[str, list[tuple[str, str]]]:
    """Return the place asked for, and those to choose from."""
    places = selectors.places_to_show(reach_of_request(request), plan)
    known = house().catalog.places
    wanted = request.GET.get("place") or (places[0] if places else "")
    if wanted not in places:
        raise Http404
    return wanted, [(place, known.get(place).name) for place in places]


def _judged(plan: Plan, place: str) -> Assessment:
    return house().assessment(plan.id, place)


def _changes(plan: Plan, place: str, judged: Assessment) -> list[selectors.ChangedStatus]:
    here = house()
    day, earlier = judged.as_of, selectors.day_before(judged.as_of)
    before = here.kept(
        ("assess-known", plan.id, place, day, earlier),
        lambda setting: assess(setting, plan.id, place=place, as_of=day, known_at=earlier),
    )
    return selectors.changed_statuses(judged, before, here)


def _due(request: HttpRequest, day: date) -> list[DueItem]:
    reach = reach_of_request(request)
    sources = (plan_selectors.due_for, return_selectors.due_for, october_selectors.due_for)
    found = [item for due_for in sources for item in due_for(reach, day)]
    return sorted(found, key=lambda item: item.due)[:20]


@needs("status.read")
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show where the plan stands: targets by state, worst first, what is due, what changed."""
    day = house().today()
    plans = selectors.plans_to_show(reach_of_request(request))
    context: dict[str, Any] = {"plans": plans, "due": [(item, item.state(day)) for item in _due(request, day)]}
    if plans:
        plan = _plan(request, request.GET.get("plan"))
        place, places = _place(request, plan)
        judged = _judged(plan, place)
        context |= {
            "plan": plan,
            "place": place,
            "places": places,
            "judged": judged,
            "figures": selectors.group_figures(judged),
            "worst": selectors.target_lines(judged)[:_WORST],
            "changes": _changes(plan, place, judged),
            "since": selectors.day_before(judged.as_of),
        }
    return render(request, "overview/home.html", context)


@needs("status.read", "plan")
@require_GET
def target_list(request: HttpRequest, plan: str) -> HttpResponse:
    """List the targets of a plan, worst first, by state, chapter and body."""
    chosen = _plan(request, plan)
    place, places = _place(request, chosen)
    judged = _judged(chosen, place)
    every = selectors.target_lines(judged)
    wanted = {name: request.GET.get(name) or None for name in ("group", "chapter", "body")}
    lines = selectors.target_lines(judged, group=wanted["group"], chapter=wanted["chapter"], body=wanted["body"])
    context = {
        "plan": chosen,
        "place": place,
        "places": places,
        "judged": judged,
        "page": Paginator(lines, 50).get_page(request.GET.get("page")),
        "groups": selectors.known_groups(),
        "chapters": selectors.chapters_of(every),
        "bodies": selectors.bodies_of(every),
        "wanted": wanted,
        "discloses": reach_of_request(request).can("public.disclose", place=chosen.place),
    }
    return render(request, "overview/targets.html", context)


@needs("status.read", "target")
@require_GET
def target_page(request: HttpRequest, plan: str, target: str) -> HttpResponse:
    """Show one target: what is promised, every reading's verdict, its values and where they came from."""
    chosen = _plan(request, plan)
    place, places = _place(request, chosen)
    judged = _judged(chosen, place)
    rows = judged.of(target)
    if not rows:
        raise Http404
    catalog = house().catalog
    indicator = catalog.indicators[rows[0].indicator]
    lines = [line for line in selectors.target_lines(judged) if line.row.target == target]
    context = {
        "plan": chosen,
        "place": place,
        "places": places,
        "judged": judged,
        "rows": rows,
        "line": lines[0] if lines else None,
        "indicator": indicator,
        "history": [(period, selectors.in_shown_unit(value, indicator)) for period, value in reversed(rows[0].history)],
        "can_read_facts": reach_of_request(request).can("facts.read", place=place),
    }
    return render(request, "overview/target.html", context)


@needs("facts.read", "place")
@require_GET
def facts_page(request: HttpRequest, indicator: str, place: str) -> HttpResponse:
    """Show every version of the facts of an indicator at a place, down to the source cell."""
    if not reach_of_request(request).can("facts.read", place=place):
        raise Http404
    try:
        rows = selectors.facts_of(house(), indicator, place)
    except UnknownNameError as error:
        raise Http404 from error
    catalog = house().catalog
    context = {
        "indicator": catalog.indicators[indicator],
        "place": catalog.places.get(place),
        "page": Paginator(rows, 100).get_page(request.GET.get("page")),
        "datasets": {name: source.title for name, source in catalog.sources.items()},
    }
    return render(request, "overview/facts.html", context)


@public
@require_GET
@cache_control(public=True, max_age=300)
def public_list(request: HttpRequest) -> HttpResponse:
    """Show what was disclosed."""
    latest: dict[tuple[str, str], Disclosure] = {}
    for one in Disclosure.objects.filter(withdrawn_at__isnull=True).defer("note"):
        latest.setdefault((one.plan, one.place), one)
    return render(request, "overview/public_list.html", {"disclosures": list(latest.values())})


@public
@require_GET
@cache_control(public=True, max_age=300)
def public_page(request: HttpRequest, number: int) -> HttpResponse:
    """Show the progress of a plan as it was disclosed."""
    shown = get_object_or_404(Disclosure, pk=number, withdrawn_at__isnull=True)
    return render(request, "overview/public.html", {"shown": shown, "content": shown.content})


class DiscloseForm(forms.Form):
    """What goes with a disclosure."""

    place = forms.CharField(widget=forms.HiddenInput)
    note = forms.CharField(
        label=gettext_lazy("说明"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 4})
    )


@needs("public.disclose", "plan")
@require_http_methods(["GET", "POST"])
def disclose_page(request: HttpRequest, plan: str) -> HttpResponse:
    """Show what the public would see, and disclose it."""
    chosen = _plan(request, plan)
    form = DiscloseForm(request.POST or None, initial={"place": request.GET.get("place") or chosen.place})
    place = str(form.data.get("place") or form.initial["place"])
    if not reach_of_request(request).can("public.disclose", place=place):
        raise Http404
    judged = _judged(chosen, place)
    if request.method == "POST" and form.is_valid():
        made = services.disclose(judged=judged, note=form.cleaned_data["note"], by=actor_of(request, "public.disclose"))
        messages.success(request, _("已公开。"))
        return redirect("overview:public-page", made.pk)
    standing = Disclosure.objects.filter(plan=chosen.id, place=place).select_related("disclosed_by")[:20]
    context = {
        "plan": chosen,
        "content": selectors.disclosed_content(judged),
        "form": form,
        "standing": standing,
    }
    return render(request, "overview/disclose.html", context)


@needs("public.disclose", "disclosure")
@require_POST
def withdraw_page(request: HttpRequest, number: int) -> HttpResponse:
    """Withdraw what was disclosed."""
    shown = get_object_or_404(Disclosure, pk=number)
    if not reach_of_request(request).can("public.disclose", place=shown.place):
        raise Http404
    services.withdraw(disclosure=shown, reason=request.POST.get("reason", ""), by=actor_of(request, "public.disclose"))
    messages.success(request, _("已撤回。"))
    return redirect("overview:disclose", shown.plan)
