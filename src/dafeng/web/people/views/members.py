"""People and their grants, for who administers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dafeng.web.access.actions import ACTION_NAMES, ROLE_NAMES, Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import needs, reach_of_request
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.people.forms import GrantForm, PersonForm
from dafeng.web.people.models import Grant, User
from dafeng.web.people.selectors import (
    abilities_of,
    grants_of,
    history_of,
    people_in_reach,
    place_choices,
    who_can,
    with_grants,
)
from dafeng.web.people.services import accounts, grants, members

__all__ = [
    "grant_add", "grant_revoke", "invite", "person_add", "person_edit", "person_list", "person_page", "second_factor_reset",
    "switch", "who",
]  # fmt: skip


def _person(request: HttpRequest, pk: int, action: str) -> User:
    """Return a person in reach.

    Raises
    ------
    Http404
        There is none, or the person is out of reach.
    """
    found = people_in_reach(reach_of_request(request), action).filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def tell(request: HttpRequest, do: Callable[[], Any], done: str) -> bool:
    """Do something and say what came of it; return whether it was done."""
    try:
        do()
    except RefusedError as error:
        messages.error(request, error.says)
        return False
    messages.success(request, done)
    return True


@needs("people.read")
@never_cache
@require_safe
def person_list(request: HttpRequest) -> HttpResponse:
    """Show people in reach, found by name, role and whether they are active."""
    reach = reach_of_request(request)
    asked = request.GET.get("q", "").strip()[:60]
    role, state = request.GET.get("role", ""), request.GET.get("state", "on")
    rows = with_grants(people_in_reach(reach)).order_by("organisation__place", "organisation__code", "username")
    if asked:
        near = Q(username__icontains=asked) | Q(name__icontains=asked) | Q(organisation__name__icontains=asked)
        rows = rows.filter(near)
    if role in ROLE_NAMES:
        rows = rows.filter(pk__in=Grant.objects.filter(role=role, revoked_at__isnull=True).values("user"))
    if state in ("on", "off"):
        rows = rows.filter(is_active=state == "on")
    shown = {
        "page": Paginator(rows, 50).get_page(request.GET.get("page")),
        "q": asked,
        "role": role,
        "state": state,
        "roles": list(ROLE_NAMES.items()),
        "manages": reach.can("people.manage"),
    }
    return render(request, "people/list.html", shown)


@needs("people.read", "person")
@never_cache
@require_safe
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a person: grants, what they may do where, what was done about them."""
    person = _person(request, pk, "people.read")
    reach = reach_of_request(request)
    manageable = people_in_reach(reach, "people.manage").filter(pk=pk).exists()
    shown = {
        "person": person,
        "grants": grants_of(person),
        "abilities": abilities_of(person),
        "history": history_of(person),
        "second_factor": accounts.has_second_factor(person),
        "manages": manageable and person.pk != request.user.pk,
        "edits": manageable,
        "today": house().today(),
    }
    return render(request, "people/person.html", shown)


def _save(request: HttpRequest, form: PersonForm) -> User | None:
    if not form.is_valid():
        return None
    try:
        return members.person_save(form.instance, by=actor_of(request), reach=reach_of_request(request))
    except RefusedError as error:
        form.add_error(None, error.says)
        return None


@needs("people.manage")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def person_add(request: HttpRequest) -> HttpResponse:
    """Put in a person."""
    form = PersonForm(reach_of_request(request), request.POST if request.method == "POST" else None)
    if request.method == "POST":
        person = _save(request, form)
        if person is not None:
            messages.success(request, _("已添加。请接着授权，再生成登录链接交给本人。"))
            return redirect("people:person", pk=person.pk)
    return render(request, "people/edit.html", {"form": form, "title": _("添加人员")})


@needs("people.manage", "person")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def person_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what is known of a person."""
    person = _person(request, pk, "people.manage")
    form = PersonForm(reach_of_request(request), request.POST if request.method == "POST" else None, instance=person)
    if request.method == "POST" and _save(request, form) is not None:
        messages.success(request, _("已保存。"))
        return redirect("people:person", pk=pk)
    return render(request, "people/edit.html", {"form": form, "title": _("修改人员"), "person": person})


@needs("people.manage", "person")
@never_cache
@require_POST
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a one-time link and show it, once."""
    person = _person(request, pk, "people.manage")
    try:
        path = members.person_invite(person, by=actor_of(request), reach=reach_of_request(request))
    except RefusedError as error:
        messages.error(request, error.says)
        return redirect("people:person", pk=pk)
    return render(request, "people/link.html", {"person": person, "link": request.build_absolute_uri(path)})


@needs("people.manage", "person")
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch a person on or off."""
    person, active = _person(request, pk, "people.manage"), request.POST.get("active") == "1"
    by, reach = actor_of(request), reach_of_request(request)
    done = _("已启用。") if active else _("已停用，该人员的登录已全部退出。")
    tell(request, lambda: members.person_switch(person, active=active, by=by, reach=reach), done)
    return redirect("people:person", pk=pk)


@needs("people.manage", "person")
@require_POST
def second_factor_reset(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove the second factor of a person who has lost the device."""
    person, by, reach = _person(request, pk, "people.manage"), actor_of(request), reach_of_request(request)
    done = _("动态口令已清除，本人下次登录时重新设置。")
    tell(request, lambda: members.second_factor_reset(person, by=by, reach=reach), done)
    return redirect("people:person", pk=pk)


@needs("people.manage", "person")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def grant_add(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a person a role."""
    person, reach = _person(request, pk, "people.manage"), reach_of_request(request)
    form = GrantForm(reach, person, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data | {"role": Role(form.cleaned_data["role"])}
        try:
            grants.grant_give(user=person, **said, by=actor_of(request), reach=reach)
        except RefusedError as error:
            form.add_error(None, error.says)
        else:
            messages.success(request, _("已授权。"))
            return redirect("people:person", pk=pk)
    return render(request, "people/edit.html", {"form": form, "title": _("授权"), "person": person})


@needs("people.manage", "grant")
@require_POST
def grant_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke a grant."""
    reach = reach_of_request(request)
    places = reach.places("people.manage")
    row = Grant.objects.filter(pk=pk, place__in=places, organisation__place__in=places).select_related("user").first()
    if row is None:
        raise Http404
    by, reason = actor_of(request), request.POST.get("reason", "")[:500]
    tell(request, lambda: grants.grant_revoke(row, by=by, reach=reach, reason=reason), _("授权已收回。"))
    return redirect("people:person", pk=row.user_id)


class _WhoForm(forms.Form):
    """An action and a place."""

    action = forms.ChoiceField(choices=list(ACTION_NAMES.items()))
    place = forms.ChoiceField()

    def __init__(self, places: frozenset[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["action"].label = _("操作")
        self.fields["place"].label = _("地方")
        self.fields["place"].choices = place_choices(places)  # type: ignore[attr-defined]


@needs("people.read")
@never_cache
@require_safe
def who(request: HttpRequest) -> HttpResponse:
    """Show who may do something at a place."""
    form = _WhoForm(reach_of_request(request).places("people.read"), request.GET or None)
    found = who_can(form.cleaned_data["action"], form.cleaned_data["place"]) if form.is_valid() else None
    return render(request, "people/who.html", {"form": form, "found": found})
