"""Pages of those who run a round: forms issued, coverage, chase list, sealing."""

from __future__ import annotations

import os
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dafeng.base.errors import DafengError
from dafeng.base.period import Period
from dafeng.reports.fonts import find_fonts
from dafeng.statistics.answers import FORM_STATES
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request, the
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.people.models import Organisation
from dafeng.web.returns import rounds, selectors
from dafeng.web.returns.models import Round
from dafeng.web.returns.requests import WORKBOOK, assignment_of, bytes_file, refused_to, told
from dafeng.web.returns.states import State
from dafeng.workflow.forms import chase_papers

PAGE = 50
_PAPERS = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": WORKBOOK,
}


class RoundForm(forms.Form):
    """What is asked of whom, until when."""

    plan = forms.ChoiceField(label=gettext_lazy("方案"))
    form = forms.ChoiceField(label=gettext_lazy("报表"), required=False)
    period = forms.CharField(
        label=gettext_lazy("报告期"), max_length=40, help_text=gettext_lazy("如 2025、2026年1-9月、2026Q3")
    )
    due = forms.DateField(
        label=gettext_lazy("报送截止"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("法定报表可以不填，按表式规定的日期"),
    )
    bodies = forms.MultipleChoiceField(
        label=gettext_lazy("填报单位"),
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 10}),
        help_text=gettext_lazy("不选时，方案的报表发给方案所列的全部单位；法定报表必须选。"),
    )
    reporter = forms.ChoiceField(label=gettext_lazy("没有责任单位的目标由谁填"), required=False)
    every_division = forms.BooleanField(label=gettext_lazy("各区县对每个目标都填"), required=False)

    def __init__(self, *args: Any, reach: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        catalog, places = house().catalog, reach.places("returns.issue")
        fields: dict[str, Any] = self.fields
        fields["plan"].choices = [(one.id, one.title.zh) for one in catalog.plans.values() if one.place in places]
        fields["form"].choices = [
            ("", _("方案目标数据报送表")),
            *((one.id, one.title.zh) for one in catalog.forms.values()),
        ]
        bodies = sorted(
            ((one.id, one.name) for one in catalog.bodies.values() if one.place in places and one.expands is None),
            key=lambda one: one[0],
        )
        linked = Organisation.objects.filter(place__in=places, active=True).exclude(body="")
        known = dict(bodies) | {one.body: one.name for one in linked}
        fields["bodies"].choices = sorted(known.items())
        fields["reporter"].choices = [("", _("不指定")), *sorted(known.items())]


@needs("returns.read")
@require_GET
def rounds_page(request: HttpRequest) -> HttpResponse:
    """List rounds."""
    reach = reach_of_request(request)
    page = Paginator(selectors.rounds(reach), PAGE).get_page(request.GET.get("page"))
    return render(request, "returns/rounds.html", {"page": page, "issues": reach.can("returns.issue")})


@needs("returns.issue")
@require_http_methods(["GET", "POST"])
def new_round(request: HttpRequest) -> HttpResponse:
    """Say what is asked of whom; look at it; send it out."""
    reach = reach_of_request(request)
    chosen = {name: request.GET[name] for name in ("plan", "form", "period", "due") if name in request.GET}
    form = RoundForm(request.POST or None, reach=reach, initial=chosen)
    proposal = None
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            proposal = rounds.propose(
                plan=said["plan"],
                period=said["period"],
                due=said["due"],
                form=said["form"],
                bodies=said["bodies"],
                reporter=said["reporter"],
                every_division=said["every_division"],
            )
            if "issue" in request.POST:
                issuance = rounds.round_issue(proposal=proposal, reach=reach, by=actor_of(request, "returns.issue"))
                told(request, _("已发表 %(n)s 份。") % {"n": issuance.asked})
                return redirect("returns:round", pk=issuance.round_id)
        except DafengError as error:
            form.add_error(None, "；".join(filter(None, (error.problem, error.next_step))))
        except RefusedError as error:
            form.add_error(None, error.says)
    status = 422 if form.errors else 200
    return render(request, "returns/new_round.html", {"form": form, "proposal": proposal}, status=status)


@needs("returns.read", "round")
@require_GET
def round_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a round: what was sent out, where each form stands, and the seal."""
    row = the(request, Round.objects.select_related("organisation"), "returns.read", pk=pk)
    reach, today = reach_of_request(request), house().today()
    rows = selectors.assignments(reach).filter(round=row)
    chosen = selectors.Filter(state=request.GET.get("state", ""), text=request.GET.get("q", "").strip())
    page = Paginator(chosen.of(rows, today), PAGE).get_page(request.GET.get("page"))
    issues = reach.can("returns.issue", place=row.place)
    open_still = rows.exclude(state__in=[State.APPROVED, State.SEALED])
    return render(
        request,
        "returns/round.html",
        {
            "row": row,
            "page": page,
            "chosen": chosen,
            "states": [*State.choices, ("open", _("未批准")), ("late", _("逾期未报"))],
            "rows": [
                {"row": one, "tone": selectors.state_tone(one.state), "late": one.days_late(today)} for one in page
            ],
            "issuances": list(row.issuances.select_related("issued_by").order_by("-number")),
            "seals": list(row.seals.select_related("sealed_by", "opened_by").order_by("-id")),
            "sealed": row.sealed,
            "issues": issues,
            "seals_it": reach.can("returns.seal", place=row.place),
            "open_still": list(open_still[:200]),
            "counts": _counts(rows),
        },
    )


def _counts(rows: Any) -> list[tuple[str, str, int]]:
    found = dict(rows.order_by().values_list("state").annotate(Count("pk")))
    return [(str(one.label), selectors.state_tone(one), found[one]) for one in State if one in found]


@needs("returns.seal", "round")
@require_POST
@refused_to
def seal(request: HttpRequest, pk: int) -> HttpResponse:
    """Seal a round."""
    row = the(request, Round.objects.all(), "returns.seal", pk=pk)
    named = {
        int(name.removeprefix("exception-")): str(text)
        for name, text in request.POST.items()
        if name.startswith("exception-") and name.removeprefix("exception-").isdecimal()
    }
    rounds.round_seal(
        row=row,
        exceptions=named,
        reason=request.POST.get("reason", ""),
        reach=reach_of_request(request),
        by=actor_of(request, "returns.seal"),
    )
    told(request, _("已封存。"))
    return redirect("returns:round", pk=pk)


@needs("returns.seal", "round")
@require_POST
@refused_to
def unseal(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a sealed round."""
    row = the(request, Round.objects.all(), "returns.seal", pk=pk)
    rounds.round_unseal(
        row=row,
        reason=request.POST.get("reason", ""),
        reach=reach_of_request(request),
        by=actor_of(request, "returns.seal"),
    )
    told(request, _("已解除封存。"))
    return redirect("returns:round", pk=pk)


@needs("returns.issue", "return")
@require_POST
@refused_to
def link(request: HttpRequest, pk: int) -> HttpResponse:
    """Say which organisation fills in a form whose body was none."""
    one = assignment_of(request, pk, "returns.issue")
    reach = reach_of_request(request)
    number = request.POST.get("organisation", "")
    allowed = Organisation.objects.filter(active=True, place__in=reach.places("returns.issue"))
    organisation = allowed.filter(pk=int(number)).first() if number.isdecimal() else None
    if organisation is None:
        raise RefusedError("return.no-organisation", _("请选择填报单位。"))
    rounds.assignment_link(
        assignment=one, organisation=organisation, reach=reach, by=actor_of(request, "returns.issue")
    )
    told(request, _("已指定填报单位。"))
    return redirect("returns:return", pk=one.pk)


def _chosen_rows(request: HttpRequest) -> tuple[Any, str, list[str]]:
    """Return the assignments of the period asked for, that period, and all periods."""
    rows = selectors.assignments(reach_of_request(request))
    periods = sorted(set(rows.order_by().values_list("period", flat=True).distinct()), reverse=True)
    period = request.GET.get("period", "")
    if period not in periods:
        period = periods[0] if periods else ""
    return rows.filter(period=period), period, periods


@needs("returns.read")
@require_GET
def coverage_page(request: HttpRequest) -> HttpResponse:
    """Show bodies × forms of a period: where each stands, and how late."""
    rows, period, periods = _chosen_rows(request)
    today = house().today()
    found = selectors.coverage(rows, today)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    heads = list(Round.objects.filter(pk__in=rows.order_by().values("round")).order_by("id"))
    table = [
        {
            "row": row,
            "cells": [
                None
                if one is None
                else {"one": one, "tone": selectors.state_tone(one.state), "late": one.days_late(today)}
                for one in row.in_order(heads)
            ],
        }
        for row in page
    ]
    return render(
        request,
        "returns/coverage.html",
        {
            "table": table,
            "page": page,
            "heads": heads,
            "period": period,
            "periods": [(one, Period.parse(one).title) for one in periods],
            "counts": _counts(rows),
        },
    )


@needs("returns.read")
@require_GET
def chase_page(request: HttpRequest) -> HttpResponse:
    """Show what has to be asked for again, the longest overdue first."""
    rows, period, periods = _chosen_rows(request)
    today = house().today()
    stand = selectors.chase(rows, today)
    states = dict(rows.order_by().values_list("issue", "state"))
    numbers = dict(rows.order_by().values_list("issue", "pk"))
    listed = [
        {
            **one,
            "state_name": FORM_STATES[one["state"]],
            "platform": State(states[one["issue"]]).label,
            "pk": numbers[one["issue"]],
        }
        for one in stand.chase.iter_rows(named=True)
    ]
    page = Paginator(listed, PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "returns/chase.html",
        {
            "page": page,
            "period": period,
            "periods": [(one, Period.parse(one).title) for one in periods],
            "overdue": sum(one["days_overdue"] > 0 for one in listed),
            "asked": stand.forms.height,
            "complete": stand.forms.filter(state="complete").height,
        },
    )


@needs("returns.read")
@require_GET
def chase_paper(request: HttpRequest, kind: str) -> HttpResponse:
    """Give the chase list as a paper: DOCX or XLSX."""
    rows, period, _periods = _chosen_rows(request)
    today: date = house().today()
    stand = selectors.chase(rows, today)
    with tempfile.TemporaryDirectory(prefix="dafeng-") as folder:
        path = Path(folder) / f"chase.{kind}"
        chase_papers(stand, path, fonts=find_fonts(os.environ))
        content = path.read_bytes()
    return bytes_file(content, f"催报单_{Period.parse(period).title if period else ''}_{today}.{kind}", _PAPERS[kind])
