"""What stands before every view: the log of requests, the content policy, and the gate."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers

from dafeng.web.access.reach import NOBODY
from dafeng.web.access.routing import PUBLIC, SIGNED_IN, RouteRule
from dafeng.web.house import house
from dafeng.web.people.policy import password_is_due
from dafeng.web.people.selectors import reach_of

__all__ = ["CONTENT_POLICY", "ContentSecurity", "Gate", "Language", "RequestLog"]

_Next = Callable[[HttpRequest], HttpResponseBase]
_log: Final = logging.getLogger("dafeng.web.requests")
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'; manifest-src 'self'"
)


class RequestLog:
    """Gives a request its id and writes one line about it: who, what, how long; never a body or a query."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        request.id = uuid.uuid4().hex[:16]  # type: ignore[attr-defined]
        start = time.perf_counter()
        response = self.get_response(request)
        user = getattr(request, "user", None)
        response.headers["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        _log.info(
            "request",
            extra={
                "request_id": request.id,  # type: ignore[attr-defined]
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - start) * 1000, 1),
                "user": user.pk if user is not None and user.is_authenticated else None,
            },
        )
        return response


class ContentSecurity:
    """Puts the content policy on every response."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if getattr(request, "user", None) is not None and request.user.is_authenticated:
            response.headers.setdefault("Cache-Control", "no-store")
        return response


class Gate:
    """Refuses every view that carries no rule, and every user whom the rule does not admit."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        request.reach = NOBODY  # type: ignore[attr-defined]
        if request.user.is_authenticated:
            if self._over(request.session):
                logout(request)
            elif self._due(request) is None:
                request.reach = reach_of(request.user)  # type: ignore[attr-defined]
        return self.get_response(request)

    @staticmethod
    def _over(session: SessionBase) -> bool:
        """Return whether a session was idle or went on for too long; else note that it was used, once a minute."""
        now = int(house().now().timestamp())
        since, seen = session.get("since", now), session.get("seen", now)
        if now - seen > settings.SESSION_IDLE_SECONDS or now - since > settings.SESSION_ABSOLUTE_SECONDS:
            return True
        if "seen" not in session or now - seen > 60:
            session["since"], session["seen"] = since, now
        return False

    @staticmethod
    def _due(request: HttpRequest) -> str | None:
        """Return the route of what a user must do before anything else: the second factor, then a new password."""
        user = request.user
        if not user.is_authenticated:
            return None
        if user.needs_second_factor and not user.is_verified():
            return "people:second-factor"
        return "people:password" if password_is_due(user) else None

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Admit a request to its view, or answer in its place."""
        rule: RouteRule | None = getattr(view, "access", None)
        if rule is None:
            _log.error("a view without a rule: %s", getattr(view, "__qualname__", view))
            raise PermissionDenied("no rule")
        if rule.action == PUBLIC:
            return None
        user = request.user
        if not user.is_authenticated:
            return self._sign_in(request)
        due = None if rule.without_second_factor else self._due(request)
        if due is not None:
            return self._elsewhere(request, reverse(due))
        if rule.action == SIGNED_IN:
            return None
        if not request.reach.can(rule.action):  # type: ignore[attr-defined]
            raise PermissionDenied(rule.action)
        return None

    @staticmethod
    def _elsewhere(request: HttpRequest, path: str) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            answer = HttpResponse(status=401)
            answer.headers["HX-Redirect"] = path
            return answer
        return redirect(path)

    @staticmethod
    def _sign_in(request: HttpRequest) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            answer = HttpResponse(status=401)
            answer.headers["HX-Refresh"] = "true"
            return answer
        return redirect_to_login(request.get_full_path())


class Language:
    """Shows pages in the language that was chosen, else in Chinese, whatever the browser prefers."""

    def __init__(self, get_response: _Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
        language = chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Cookie",))
        return response
