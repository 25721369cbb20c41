"""The entrance: sign-in and out, one-time links, the second factor, the language."""

from __future__ import annotations

import math
from typing import Any

from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django.views.i18n import set_language

from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import SIGNED_IN, needs, public
from dafeng.web.house import house
from dafeng.web.people.forms import CodeForm, NewPasswordForm, SignInForm
from dafeng.web.people.models import User
from dafeng.web.people.selectors import reach_of
from dafeng.web.people.services import accounts

__all__ = ["enter", "landing", "language", "locked_out", "second_factor", "second_factor_set_up", "sign_in", "sign_out"]


def landing(request: HttpRequest, user: User) -> HttpResponse:
    """Return where a user goes after the sign-in: where they wanted to, on this platform only, else the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    home = "overview:home" if reach_of(user).can("status.read") else "people:account"
    answer = redirect(wanted if safe else reverse(home))
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        user.language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        httponly=True,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        samesite="Lax",
    )
    return answer


@public
@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in."""
    user = request.user
    if user.is_authenticated and request.method != "POST":
        return landing(request, user)
    form = SignInForm(request, data=request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if form.is_valid():
            found: User = form.get_user()
            accounts.sign_in(request, found, by_what="password")
            return landing(request, found)
        if form.cleaned_data.get("username"):
            accounts.sign_in_failed(request, form.cleaned_data["username"])
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return render(request, "people/sign_in.html", {"form": form, "next": wanted})


def locked_out(request: HttpRequest, response: Any = None, credentials: Any = None) -> HttpResponse:
    """Answer somebody who failed too often: for how long the entrance stays shut."""
    username = (credentials or {}).get("username") or request.POST.get("username", "")
    held = AccessAttempt.objects.filter(username=username, ip_address=request.META.get("REMOTE_ADDR"))
    last = held.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    cool_off, seconds = get_cool_off(request), 0.0
    if cool_off is not None:
        now = house().now()
        seconds = ((last or now) + cool_off - now).total_seconds()
    minutes = max(1, math.ceil(seconds / 60))
    said = _("登录失败次数过多。为防止他人试探密码，请约 %(minutes)d 分钟后再试。") % {"minutes": minutes}
    answer = render(
        request,
        "web/fault.html",
        {"title": _("登录已锁定"), "says": said, "then": _("忘记密码的，请联系本单位管理员重新发放登录链接。")},
        status=429,
    )
    answer.headers["Retry-After"] = str(minutes * 60)
    return answer


@needs(SIGNED_IN, without_second_factor=True)
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out."""
    accounts.sign_out(request)
    return redirect("people:sign-in")


@public
@sensitive_post_parameters("password", "again", "key")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Set a password by a one-time link, and come in."""
    asked = request.POST if request.method == "POST" else request.GET
    who, key = asked.get("who", ""), asked.get("key", "")
    user = accounts.user_of_link(who, key)
    form = NewPasswordForm(user, request.POST if request.method == "POST" else None) if user is not None else None
    status = 200 if form is not None else 410
    if form is not None and request.method == "POST" and form.is_valid():
        try:
            return landing(request, accounts.enter_by_link(request, who, key, form.cleaned_data["password"]))
        except RefusedError as error:
            form.add_error(None, error.says)
    answer = render(request, "people/enter.html", {"form": form, "person": user, "who": who, "key": key}, status=status)
    # `no-referrer` would have browsers send `Origin: null`, which the CSRF check refuses
    answer.headers["Referrer-Policy"] = "strict-origin"
    return answer


@needs(SIGNED_IN, without_second_factor=True)
@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor; send who has none to set one up."""
    user: User = request.user  # type: ignore[assignment]
    if user.is_verified():
        return landing(request, user)
    if not accounts.has_second_factor(user):
        return redirect("people:second-factor-set-up")
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            accounts.second_factor_verify(request, form.cleaned_data["code"])
        except RefusedError as error:
            form.add_error("code", error.says)
        else:
            return landing(request, user)
    return render(request, "people/second_factor.html", {"form": form})


@needs(SIGNED_IN, without_second_factor=True)
@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor_set_up(request: HttpRequest) -> HttpResponse:
    """Set up the second factor: show its code, take the first answer, show the recovery codes once."""
    user: User = request.user  # type: ignore[assignment]
    if accounts.has_second_factor(user) and not user.is_verified():
        return redirect("people:second-factor")
    key = request.session.get("totp_key") or accounts.new_key()
    request.session["totp_key"] = key
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            codes = accounts.second_factor_set(request, key, form.cleaned_data["code"].replace(" ", ""))
        except RefusedError as error:
            form.add_error("code", error.says)
        else:
            request.session.pop("totp_key", None)
            return render(request, "people/codes.html", {"codes": codes})
    image, typed = accounts.qr_of(user, key)
    return render(request, "people/second_factor_set_up.html", {"form": form, "image": image, "typed": typed})


@public
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Switch the language, and keep it for who is signed in."""
    wanted = request.POST.get("language", "")
    user = request.user
    if user.is_authenticated and wanted in dict(settings.LANGUAGES) and wanted != user.language:
        user.language = wanted
        user.save(update_fields=["language"])
    return set_language(request)
