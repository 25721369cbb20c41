"""The frame of the programming interface: who asks, what they may, and how it is said that something is wrong.

Programs present a token (`Authorization: Bearer dft_…`); the pages' own session serves too, with its CSRF token. Every operation
carries a rule, as every page does; an operation without one cannot be added. `GET` reads and `POST` does: networks of
administrations often let nothing else through.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import Field, NinjaAPI, Router, Schema
from ninja.constants import NOT_SET
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer, SessionAuth
from ninja.throttling import AuthRateThrottle

from dafeng.base.errors import ContentError, DafengError, UnknownNameError
from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import RouteRule, needs, reach_of_request
from dafeng.web.api.once import HEADER, once
from dafeng.web.api.parsing import StrictParser, check_text
from dafeng.web.people.policy import password_is_due
from dafeng.web.people.tokens import reach_of_token

__all__ = ["BINARY", "Fault", "GuardedRouter", "api", "fault_of", "guarded", "too_large"]

_View = TypeVar("_View", bound=Callable[..., Any])
LARGEST_JSON: Final = 8 << 20
"""Bytes of a body that is not a file."""
_FORM: Final = 1 << 16
BINARY: Final[dict[str, Any]] = {
    "responses": {
        200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
    }
}
"""What the description says of an operation that answers with a file."""


class Fault(Schema):
    """What is wrong, in the four parts of every message; `where` names fields, lines or cells."""

    code: str
    problem: str
    doing: str = ""
    expected: str = ""
    next_step: str = ""
    where: list[dict[str, Any]] = Field(default_factory=list)


class ClashError(Exception):
    """Two people wrote at the same time: what each of them says stands in `where`.

    Parameters
    ----------
    fault : Fault
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.problem)
        self.fault = fault


@dataclass
class _Admission:
    """What an operation asks of whoever calls it.

    Attributes
    ----------
    action : str
    body : str
        `json`, `multipart` or nothing.
    """

    action: str
    body: str = ""

    def check(self, request: HttpRequest) -> None:
        """Check, before anything of the body is read, that the user may, and that the body is of the kind and size that is taken.

        Raises
        ------
        PermissionDenied
        HttpError
            415, 413, 400.
        """
        if not reach_of_request(request).can(self.action):
            raise PermissionDenied(self.action)
        try:
            check_text(request.path)
        except ValueError as error:
            raise HttpError(400, str(error)) from error
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        kind = (request.content_type or "").lower()
        if self.body == "multipart":
            if length > settings.DAFENG_LARGEST_UPLOAD + _FORM:
                raise too_large(settings.DAFENG_LARGEST_UPLOAD)
            if kind != "multipart/form-data":
                raise HttpError(415, "multipart/form-data")
        elif length > LARGEST_JSON:
            raise too_large(LARGEST_JSON)
        elif self.body == "json" and kind != "application/json":
            raise HttpError(415, "application/json")


def too_large(most: int) -> HttpError:
    """Return the error of a body that is larger than is taken."""
    return HttpError(413, f"超过 {most >> 20} MB / at most {most} bytes")


class Token(HttpBearer):
    """A token of a program."""

    def __init__(self, admission: _Admission) -> None:
        super().__init__()
        self.admission = admission

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return the user of a token; what it may do is kept on the request."""
        reach = reach_of_token(token)
        if reach is None or reach.user is None:
            return None
        request.reach = reach  # type: ignore[attr-defined]
        request.user = reach.user
        self.admission.check(request)
        return reach.user


class Session(SessionAuth):
    """The session of a page, whose user has given the second factor where one is needed."""

    def __init__(self, admission: _Admission) -> None:
        super().__init__()
        self.admission = admission

    def __call__(self, request: HttpRequest) -> Any:
        """Return the user of a session; who shows a token, or no session, is not asked for a CSRF token."""
        if "Authorization" in request.headers or self.param_name not in request.COOKIES:
            return None
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.DAFENG_LARGEST_UPLOAD + _FORM:
            raise too_large(settings.DAFENG_LARGEST_UPLOAD)  # looking for the CSRF token reads the form
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Return the user of a session."""
        user = request.user
        if not user.is_authenticated or password_is_due(user):
            return None
        if user.needs_second_factor and not user.is_verified():
            return None
        self.admission.check(request)
        return user


def guarded(
    action: str, subject: str = "none", *, body: str = "", repeatable: bool = False
) -> Callable[[_View], _View]:
    """Mark an operation with the action that it needs, and check it before the operation runs.

    Parameters
    ----------
    action : str
        One of `dafeng.web.access.actions.ACTIONS`.
    subject : str
        What the operation is about, as for pages.
    body : str
        Kind of body of an operation that reads it itself: `json`.
    repeatable : bool
        Whether it takes an `Idempotency-Key`.
    """

    def wrap(view: _View) -> _View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not reach_of_request(request).can(action):
                raise PermissionDenied(action)
            if repeatable:
                return once(request, lambda: view(request, *args, **kwargs))
            return view(request, *args, **kwargs)

        # The interface reads types from here, where the names of the view's module are unknown.
        checked.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        checked.__annotations__ = inspect.get_annotations(view, eval_str=True)
        checked.body, checked.repeatable = body, repeatable  # type: ignore[attr-defined]
        return needs(action, subject)(checked)  # type: ignore[return-value]

    return wrap


_KEY_HEADER: Final = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "schema": {"type": "string", "minLength": 8, "maxLength": 200, "pattern": "^[!-~]{8,200}$"},
    "description": "重发时用同一个值：只办理一次，答复相同 / the same again: done once, answered the same",
}
_READING: Final = frozenset({400, 401, 403, 404, 409, 422, 429})
_DOING: Final = _READING | {413, 415}


class GuardedRouter(Router):
    """A router that takes only operations with a rule, and describes how each of them may fail."""

    def add_api_operation(self, path: str, methods: list[str], view_func: Callable[..., Any], **kwargs: Any) -> Any:
        """Add an operation.

        Raises
        ------
        LookupError
            It carries no rule.
        """
        rule = getattr(view_func, "access", None)
        if not isinstance(rule, RouteRule):
            raise LookupError(f"the operation {view_func.__qualname__} carries no rule: put @guarded(…) on it")
        said = kwargs.get("response", NOT_SET)
        answers: dict[Any, Any] = dict(said) if isinstance(said, dict) else {200: said}
        answers |= dict.fromkeys(sorted((_READING if methods == ["GET"] else _DOING) - answers.keys()), Fault)
        admission = _Admission(rule.action, getattr(view_func, "body", ""))
        if getattr(view_func, "repeatable", False):
            kwargs["openapi_extra"] = (kwargs.get("openapi_extra") or {}) | {"parameters": [_KEY_HEADER]}
        kwargs |= {
            "response": answers,
            "auth": [Token(admission), Session(admission)],
            "operation_id": view_func.__name__,
            "summary": (view_func.__doc__ or "").strip().splitlines()[0].removesuffix("."),
            "description": f"`{rule.action}`",
        }
        super().add_api_operation(path, methods, view_func, **kwargs)
        operation = self.path_operations[path].operations[-1]
        sources = {model.__ninja_param_source__ for model in operation.models}
        if sources & {"form", "file"}:
            admission.body = "multipart"
        elif "body" in sources:
            admission.body = "json"


api: Final = NinjaAPI(
    title="达峰 dafeng",
    version="1",
    description="与页面同一规则：同样的权限、同样的校验、同样的审计。/ The rules of the pages: same rights, same checks, same audit.",
    urls_namespace="api-1",
    throttle=[AuthRateThrottle("1200/m")],
    parser=StrictParser(),
    docs_url=None,
    openapi_url=None,
)
"""Version 1 of the interface. Its description is served at `openapi.json`; no page of it loads anything from elsewhere."""


def _answer(request: HttpRequest, fault: Fault, status: int) -> HttpResponse:
    return api.create_response(request, fault.dict(), status=status)


def fault_of(error: DafengError) -> Fault:
    """Return an error of the library as it is answered."""
    return Fault(
        code=error.code, problem=error.problem, doing=error.doing, expected=error.expected, next_step=error.next_step
    )


@api.exception_handler(DafengError)
def _library(request: HttpRequest, error: DafengError) -> HttpResponse:
    status = 404 if isinstance(error, UnknownNameError) else 409 if isinstance(error, ContentError) else 422
    return _answer(request, fault_of(error), status)


_OTHER_KIND: Final = frozenset({"evidence.kind", "evidence.contents", "evidence.empty", "evidence.macros"})


@api.exception_handler(RefusedError)
def _refused(request: HttpRequest, error: RefusedError) -> HttpResponse:
    status = 413 if error.code == "upload.large" else 415 if error.code in _OTHER_KIND else 409
    return _answer(request, Fault(code=error.code, problem=error.says), status)


@api.exception_handler(ClashError)
def _clash(request: HttpRequest, error: ClashError) -> HttpResponse:
    return _answer(request, error.fault, 409)


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
def missing(request: HttpRequest, error: Any = None, **_found: Any) -> HttpResponse:
    """Answer a request for something that is not there, or out of reach."""
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
    answer = _answer(request, fault, 401)
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


_HTTP: Final = {
    400: (
        "unreadable",
        "请求读不出来 / the request cannot be read",
        "UTF-8 的 JSON，每个字段一次 / UTF-8 JSON, every field once",
    ),
    403: (
        "csrf",
        "页面会话没有带 CSRF 令牌 / a session without its CSRF token",
        "X-CSRFToken, or a token of the interface",
    ),
    413: ("too-large", "请求太大 / too large", ""),
    415: ("media-type", "请求的类型不对 / wrong media type", ""),
    429: ("too-many", "请求太多 / too many requests", "每分钟不超过 1200 次 / at most 1200 a minute"),
}


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    code, problem, expected = _HTTP.get(error.status_code, ("refused", "", ""))
    why = str(error.__cause__ or error.message) if error.status_code == 400 else error.message
    if error.status_code in (413, 415):
        expected = error.message
    fault = Fault(code=code, problem=f"{problem}：{why}" if error.status_code == 400 else problem, expected=expected)
    return _answer(request, fault, error.status_code)


@api.exception_handler(MultiPartParserError)
def _parts(request: HttpRequest, error: MultiPartParserError) -> HttpResponse:
    return _http(request, HttpError(400, "multipart/form-data"))


@api.exception_handler(SuspiciousOperation)
def _suspicious(request: HttpRequest, error: SuspiciousOperation) -> HttpResponse:
    if isinstance(error, RequestDataTooBig):
        return _http(request, too_large(LARGEST_JSON))
    return _http(request, HttpError(400, "字段或文件过多 / too many fields or files"))


@api.exception_handler(OperationalError)
def _busy(request: HttpRequest, error: OperationalError) -> HttpResponse:
    fault = Fault(
        code="busy", problem="数据库忙，没有办理 / the database is busy; nothing was done", next_step="稍后重试 / retry"
    )
    answer = _answer(request, fault, 503)
    answer.headers["Retry-After"] = "5"
    return answer


@api.exception_handler(ValidationError)
def _malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    where = [{"at": list(map(str, one.get("loc", ()))), "problem": str(one.get("msg", ""))} for one in error.errors]
    fault = Fault(
        code="malformed",
        problem="请求的字段不对 / fields of the request are wrong",
        expected="见 openapi.json / see openapi.json",
        next_step="按 where 逐项改正 / mend what `where` names",
        where=where,
    )
    return _answer(request, fault, 422)
