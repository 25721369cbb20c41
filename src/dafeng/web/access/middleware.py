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
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from dafeng.web.access.reach import NOBODY
from dafeng.web.access.routing import PUBLIC, RouteRule
from dafeng.web.people.selectors import reach_of

__all__ = ["CONTENT_POLICY", "ContentSecurity", "Gate", "RequestLog"]

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
            now = int(timezone.now().timestamp())
            seen = request.session.get("seen")
            if seen is not None and now - seen > settings.SESSION_IDLE_SECONDS:
                logout(request)
            else:
                if seen is None or now - seen > 60:
                    request.session["seen"] = now
                request.reach = reach_of(request.user)  # type: ignore[attr-defined]
        return self.get_response(request)

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
        if not rule.without_second_factor:
            if user.must_change_password:
                return redirect("people:password")
            if user.needs_second_factor and not user.is_verified():
                return redirect("people:second-factor")
        if not request.reach.can(rule.action):  # type: ignore[attr-defined]
            raise PermissionDenied(rule.action)
        return None

    @staticmethod
    def _sign_in(request: HttpRequest) -> HttpResponseBase:
        if request.headers.get("HX-Request"):
            answer = HttpResponse(status=401)
            answer.headers["HX-Refresh"] = "true"
            return answer
        return redirect_to_login(request.get_full_path())
