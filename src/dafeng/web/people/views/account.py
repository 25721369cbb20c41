"""One's own account: password, second factor, sessions, deputies, tokens."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dafeng.web.access.actions import ACTION_NAMES
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import SIGNED_IN, needs, reach_of_request, signed_in
from dafeng.web.audit.services import actor_of
from dafeng.web.house import house
from dafeng.web.people import tokens
from dafeng.web.people.forms import CurrentPasswordForm, DeputyForm, TokenForm
from dafeng.web.people.models import ApiToken, Grant, Organisation, User
from dafeng.web.people.policy import password_is_due
from dafeng.web.people.selectors import abilities_of, grants_of
from dafeng.web.people.services import accounts, grants

__all__ = ["account", "codes", "deputies", "deputy_revoke", "end_sessions", "password", "token_list", "token_revoke"]


def _user(request: HttpRequest) -> User:
    user: User = request.user  # type: ignore[assignment]
    return user


@signed_in
@never_cache
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Show one's own account: what one may do, and by what."""
    user = _user(request)
    shown = {
        "grants": [grant for grant in grants_of(user) if grant.holds_on(house().today())],
        "abilities": abilities_of(user),
        "second_factor": accounts.has_second_factor(user),
    }
    return render(request, "people/account.html", shown)


@needs(SIGNED_IN, without_second_factor=True)
@sensitive_post_parameters("current", "password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password."""
    user = _user(request)
    if user.needs_second_factor and not user.is_verified():
        return redirect("people:second-factor")
    form = CurrentPasswordForm(user, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            accounts.password_set(user, form.cleaned_data["password"], by=actor_of(request), request=request)
        except RefusedError as error:
            form.add_error("password", error.says)
        else:
            messages.success(request, _("密码已修改，其他地方的登录已退出。"))
            return redirect("people:account")
    return render(request, "people/password.html", {"form": form, "due": password_is_due(user)})


@signed_in
@never_cache
@require_POST
def codes(request: HttpRequest) -> HttpResponse:
    """Replace the recovery codes and show the new ones once."""
    if not _user(request).is_verified():
        return redirect("people:second-factor")
    return render(request, "people/codes.html", {"codes": accounts.codes_renew(request)})


@signed_in
@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere else."""
    accounts.sessions_end(_user(request), by=actor_of(request), request=request)
    messages.success(request, _("其他地方的登录已全部退出。"))
    return redirect("people:account")


def _deputies(user: User) -> QuerySet[Grant]:
    rows = Grant.objects.filter(stands_in_for__user=user).select_related("user", "organisation", "stands_in_for")
    return rows.order_by("revoked_at", "-starts_on", "pk")


def _colleagues(user: User, own: list[Grant]) -> QuerySet[User]:
    """Return who may be appointed: active people of the organisations of the own grants, of those above and those below."""
    line: set[int] = set()
    below = {grant.organisation_id for grant in own}
    for grant in own:
        row: Organisation | None = grant.organisation
        while row is not None and row.pk not in line:
            line.add(row.pk)
            row = row.parent
    while more := set(Organisation.objects.filter(parent__in=below).values_list("pk", flat=True)) - below:
        below |= more
    people = User.objects.filter(organisation__in=line | below, is_active=True).exclude(pk=user.pk)
    return people.select_related("organisation").order_by("organisation__code", "name")


@needs("people.deputy")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def deputies(request: HttpRequest) -> HttpResponse:
    """Show who acts for oneself, and appoint somebody."""
    user, today = _user(request), house().today()
    held = Grant.objects.filter(user=user, revoked_at__isnull=True, stands_in_for__isnull=True)
    own = [
        grant for grant in held.select_related("organisation__parent") if grant.ends_on is None or grant.ends_on > today
    ]
    form = DeputyForm(user, held, _colleagues(user, own), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            grants.deputy_appoint(**form.cleaned_data, by=actor_of(request))
        except RefusedError as error:
            form.add_error(None, error.says)
        else:
            messages.success(request, _("已指定代理人。代理人办理的事项在审计日志中标明“代”。"))
            return redirect("people:deputies")
    shown = {"form": form, "rows": _deputies(user)[:50], "today": today}
    return render(request, "people/deputies.html", shown)


@needs("people.deputy", "deputy")
@require_POST
def deputy_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End what a deputy of one's own may do."""
    row = _deputies(_user(request)).filter(pk=pk).first()
    if row is None:
        raise Http404
    grants.grant_revoke(row, by=actor_of(request), reach=reach_of_request(request))
    messages.success(request, _("代理已收回。"))
    return redirect("people:deputies")


@needs("tokens.manage")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: HttpRequest) -> HttpResponse:
    """Show one's own tokens, and make one, its secret shown once."""
    user, reach = _user(request), reach_of_request(request)
    form = TokenForm(reach, request.POST if request.method == "POST" else None)
    secret = ""
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            _token, secret = tokens.token_make(
                name=said["name"],
                actions=frozenset(said["actions"]),
                days=said["days"],
                by=actor_of(request),
                reach=reach,
            )
            form = TokenForm(reach)
        except RefusedError as error:
            form.add_error(None, error.says)
    rows = ApiToken.objects.filter(user=user)[:50]
    shown = {
        "form": form,
        "secret": secret,
        "rows": [(row, [ACTION_NAMES.get(one, one) for one in row.actions]) for row in rows],
        "now": house().now(),
    }
    return render(request, "people/tokens.html", shown)


@needs("tokens.manage", "token")
@require_POST
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Revoke one's own token."""
    row = ApiToken.objects.filter(user=_user(request), pk=pk).first()
    if row is None:
        raise Http404
    tokens.token_revoke(row, by=actor_of(request))
    messages.success(request, _("令牌已收回。"))
    return redirect("people:tokens")
