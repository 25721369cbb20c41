"""Organisations, and lists in and out, for who administers them."""

from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request, the
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.people import exchange as lists
from dafeng.web.people.forms import OrganisationForm, UploadForm
from dafeng.web.people.models import Organisation, OrganisationKind
from dafeng.web.people.selectors import history_of, organisations_in_reach, place_choices
from dafeng.web.people.services import organisations
from dafeng.web.people.views.members import tell

__all__ = [
    "add", "download", "edit", "exchange", "exchange_apply", "from_bodies", "organisation_list", "organisation_page", "switch",
]  # fmt: skip

_TYPES: Final = {
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".csv": "text/csv; charset=utf-8",
}


@needs("people.read")
@never_cache
@require_safe
def organisation_list(request: HttpRequest) -> HttpResponse:
    """Show the organisations in reach by place, found by name, kind and place."""
    reach = reach_of_request(request)
    asked, kind, place = (request.GET.get(name, "").strip()[:80] for name in ("q", "kind", "place"))
    rows = organisations_in_reach(reach)
    if asked:
        rows = rows.filter(Q(name__icontains=asked) | Q(code__icontains=asked))
    if kind in OrganisationKind.values:
        rows = rows.filter(kind=kind)
    places = place_choices(reach.places("people.read"))
    if place in dict(places):
        rows = rows.filter(place__in=house().places_below(place))
    shown = {
        "page": Paginator(rows, 50).get_page(request.GET.get("page")),
        "q": asked,
        "kind": kind,
        "place": place,
        "kinds": OrganisationKind.choices,
        "places": places,
        "manages": reach.can("people.manage"),
    }
    return render(request, "people/organisations.html", shown)


@needs("people.read", "organisation")
@never_cache
@require_safe
def organisation_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show an organisation: its members, what stands below it, what was done about it."""
    row = the(request, Organisation.objects.select_related("parent"), "people.read", organisation=None, pk=pk)
    shown = {
        "row": row,
        "members": row.members.order_by("-is_active", "username")[:200],
        "children": row.children.order_by("code"),
        "history": history_of(row),
        "manages": reach_of_request(request).can("people.manage", place=row.place),
    }
    return render(request, "people/organisation.html", shown)


def _save(request: HttpRequest, form: OrganisationForm) -> Organisation | None:
    if not form.is_valid():
        return None
    try:
        return organisations.organisation_save(form.instance, by=actor_of(request), reach=reach_of_request(request))
    except RefusedError as error:
        form.add_error(None, error.says)
        return None


@needs("people.manage")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Make an organisation."""
    form = OrganisationForm(reach_of_request(request), request.POST if request.method == "POST" else None)
    if request.method == "POST":
        row = _save(request, form)
        if row is not None:
            messages.success(request, _("已添加。"))
            return redirect("people:organisation", pk=row.pk)
    return render(request, "people/edit.html", {"form": form, "title": _("添加单位")})


@needs("people.manage", "organisation")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change an organisation."""
    row = the(request, Organisation.objects.all(), "people.manage", organisation=None, pk=pk)
    form = OrganisationForm(reach_of_request(request), request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and _save(request, form) is not None:
        messages.success(request, _("已保存。"))
        return redirect("people:organisation", pk=pk)
    return render(request, "people/edit.html", {"form": form, "title": _("修改单位")})


@needs("people.manage", "organisation")
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch an organisation on or off."""
    row = the(request, Organisation.objects.all(), "people.manage", organisation=None, pk=pk)
    active, by, reach = request.POST.get("active") == "1", actor_of(request), reach_of_request(request)
    done = _("已启用。") if active else _("已停用，以该单位身份的授权不再有效。")
    tell(request, lambda: organisations.organisation_switch(row, active=active, by=by, reach=reach), done)
    return redirect("people:organisation", pk=pk)


@needs("people.manage")
@require_POST
def from_bodies(request: HttpRequest) -> HttpResponse:
    """Take over the bodies of the catalog at every place in reach."""
    reach = reach_of_request(request)
    taken = organisations.organisations_from_bodies(
        places=reach.places("people.manage"), by=actor_of(request), reach=reach
    )
    said = {"made": len(taken.made), "linked": len(taken.linked), "there": taken.there}
    messages.success(request, _("新建 %(made)d 个，与已有单位对应 %(linked)d 个，原已有 %(there)d 个。") % said)
    return redirect("people:organisations")


def _kind(request: HttpRequest) -> str:
    kind = request.GET.get("kind") or request.POST.get("kind") or "people"
    if kind not in lists.KINDS:
        raise Http404
    return kind


@needs("people.manage")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def exchange(request: HttpRequest) -> HttpResponse:
    """Read an uploaded list and show what would become of each row; nothing is written."""
    kind = _kind(request)
    form = UploadForm(request.POST or None, request.FILES or None)
    taken = None
    if request.method == "POST" and form.is_valid():
        try:
            rows = lists.rows_of_file(form.cleaned_data["file"], kind)
            taken = lists.take_over(kind, rows, by=actor_of(request), reach=reach_of_request(request), dry_run=True)
            request.session["list"] = {"kind": kind, "rows": rows}
        except RefusedError as error:
            form.add_error("file", error.says)
    return render(request, "people/exchange.html", _shown(kind, form, taken))


def _shown(kind: str, form: UploadForm, taken: lists.Taken | None) -> dict[str, object]:
    return {
        "kind": kind,
        "form": form,
        "taken": taken,
        "headers": lists.HEADERS[kind],
        "counts": None if taken is None else {fate: taken.count(fate) for fate in ("new", "update", "same", "wrong")},
        "most": lists.MOST_ROWS,
    }


@needs("people.manage")
@require_POST
def exchange_apply(request: HttpRequest) -> HttpResponse:
    """Take over the list that was shown, wholly or not at all."""
    held = request.session.pop("list", None)
    if held is None:
        messages.error(request, _("没有待导入的清单，请重新上传。"))
        return redirect("people:exchange")
    kind = held["kind"]
    taken = lists.take_over(kind, held["rows"], by=actor_of(request), reach=reach_of_request(request), dry_run=False)
    if taken.done:
        said = {"new": taken.count("new"), "update": taken.count("update")}
        messages.success(request, _("已导入：新增 %(new)d，更新 %(update)d。") % said)
        return redirect("people:organisations" if kind == "organisations" else "people:list")
    messages.error(request, _("清单中有不能导入的行，全部未导入。"))
    return render(request, "people/exchange.html", _shown(kind, UploadForm(), taken))


@needs("people.read")
@never_cache
@require_safe
def download(request: HttpRequest) -> HttpResponse:
    """Give the organisations or people in reach as a file."""
    kind, suffix = _kind(request), f".{request.GET.get('as', 'xlsx')}"
    if suffix not in _TYPES:
        raise Http404
    answer = HttpResponse(lists.export_list(kind, suffix, reach=reach_of_request(request)), content_type=_TYPES[suffix])
    answer.headers["Content-Disposition"] = f'attachment; filename="{kind}{suffix}"'
    return answer
