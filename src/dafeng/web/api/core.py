"""The frame of the programming interface: who asks, what they may, and how it is said that something is wrong.

Programs present a token (`Authorization: Bearer dft_…`); the pages' own session serves too, with its CSRF token. Every operation
carries a rule, as every page does; an operation without one cannot be added.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Router, Schema
from ninja.errors import AuthenticationError, ValidationError
from ninja.security import HttpBearer, SessionAuth
from ninja.throttling import AuthRateThrottle

from dafeng.base.errors import ContentError, DafengError, InputError, UnknownNameError, UsageError
from dafeng.web.access.routing import RouteRule, needs, reach_of_request
from dafeng.web.people.policy import password_is_due
from dafeng.web.people.tokens import reach_of_token

__all__ = ["Fault", "GuardedRouter", "api", "guarded"]

_View = TypeVar("_View", bound=Callable[..., Any])


class Fault(Schema):
    """What is wrong, in the four parts of every message."""

    code: str
    problem: str
    doing: str = ""
    expected: str = ""
    next_step: str = ""
    where: tuple[dict[str, Any], ...] = ()


class _Token(HttpBearer):
    """A token of a program."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return the user of a token; what it may do is kept on the request."""
        reach = reach_of_token(token)
        if reach is None or reach.user is None:
            return None
        request.reach = reach  # type: ignore[attr-defined]
        request.user = reach.user
        return reach.user


class _Session(SessionAuth):
    """The session of a page, whose user has given the second factor where one is needed."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Return the user of a session."""
        user = request.user
        if not user.is_authenticated or password_is_due(user):
            return None
        return None if user.needs_second_factor and not user.is_verified() else user


def guarded(action: str, subject: str = "none") -> Callable[[_View], _View]:
    """Mark an operation with the action that it needs, and check it before the operation runs.

    Parameters
    ----------
    action : str
        One of `dafeng.web.access.actions.ACTIONS`.
    subject : str
        What the operation is about, as for pages.
    """

    def wrap(view: _View) -> _View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not reach_of_request(request).can(action):
                raise PermissionDenied(action)
            return view(request, *args, **kwargs)

        # The interface reads types from here, where the names of the view's module are unknown.
        checked.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        checked.__annotations__ = inspect.get_annotations(view, eval_str=True)
        return needs(action, subject)(checked)  # type: ignore[return-value]

    return wrap


class GuardedRouter(Router):
    """A router that takes only operations with a rule."""

    def add_api_operation(self, path: str, methods: list[str], view_func: Callable[..., Any], **kwargs: Any) -> Any:
        """Add an operation.

        Raises
        ------
        LookupError
            It carries no rule.
        """
        if not isinstance(getattr(view_func, "access", None), RouteRule):
            raise LookupError(f"the operation {view_func.__qualname__} carries no rule: put @guarded(…) on it")
        return super().add_api_operation(path, methods, view_func, **kwargs)


api: Final = NinjaAPI(
    title="达峰 dafeng",
    version="1",
    description="与页面同一规则：同样的权限、同样的校验、同样的审计。/ The rules of the pages: same rights, same checks, same audit.",
    urls_namespace="api-1",
    auth=[_Token(), _Session()],
    throttle=[AuthRateThrottle("1200/m")],
    docs_url=None,
    openapi_url=None,
)
"""Version 1 of the interface. Its description is served at `openapi.json`; no page of it loads anything from elsewhere."""


def _answer(request: HttpRequest, fault: Fault, status: int) -> HttpResponse:
    return api.create_response(request, fault.dict(), status=status)


@api.exception_handler(DafengError)
def _refused(request: HttpRequest, error: DafengError) -> HttpResponse:
    status = 422
    if isinstance(error, UnknownNameError):
        status = 404
    elif isinstance(error, ContentError):
        status = 409
    elif isinstance(error, (InputError, UsageError)):
        status = 422
    fault = Fault(
        code=error.code, problem=error.problem, doing=error.doing, expected=error.expected, next_step=error.next_step
    )
    return _answer(request, fault, status)


@api.exception_handler(PermissionDenied)
def _denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    fault = Fault(
        code="not-allowed",
        problem=f"没有权限：{error} / not allowed",
        expected="有这项权限的角色或令牌 / a role or a token with this action",
        next_step="请管理员增加授权，或换一个令牌 / ask for a grant",
    )
    return _answer(request, fault, 403)


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    fault = Fault(
        code="not-found",
        problem="没有，或不在权限范围内 / not there, or out of reach",
        next_step="用列表接口查编号 / look the id up in the list",
    )
    return _answer(request, fault, 404)


@api.exception_handler(AuthenticationError)
def _unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    fault = Fault(
        code="not-signed-in",
        problem="没有有效的令牌或会话 / no valid token or session",
        expected="Authorization: Bearer dft_…",
        next_step="在“账号”页生成令牌 / make a token on the account page",
    )
    return _answer(request, fault, 401)


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    where = [{"at": list(map(str, one.get("loc", ()))), "problem": str(one.get("msg", ""))} for one in error.errors]
    fault = Fault(
        code="malformed",
        problem="请求的字段不对 / fields of the request are wrong",
        expected="见 openapi.json / see openapi.json",
        next_step="按 where 逐项改正 / mend what `where` names",
        where=tuple(where),
    )
    return _answer(request, fault, 422)
