"""Routes of the programming interface."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from dafeng.web.access.routing import PUBLIC, RouteRule, needs, public
from dafeng.web.api import account, jobs, log, plans, reports, returns, status, tasks, uploads
from dafeng.web.api.core import api, missing

for _module in (account, status, plans, tasks, returns, reports, jobs, log, uploads):
    api.add_router("", _module.router)


@cache
def _described() -> bytes:
    """Return the description; made once a process."""
    return JsonResponse(
        api.get_openapi_schema(path_prefix="/api/v1/"), json_dumps_params={"ensure_ascii": False}
    ).content


@needs("account.use")
@require_GET
def description(request: HttpRequest) -> HttpResponse:
    """Describe the interface as OpenAPI."""
    return HttpResponse(_described(), content_type="application/json")


def _opened(patterns: Iterable[Any]) -> list[URLPattern | URLResolver]:
    """Return the routes of the interface, marked for the gate: sign-in and action are checked by the interface itself."""
    kept: list[URLPattern | URLResolver] = []
    for pattern in patterns:
        if pattern.name == "api-root":
            continue
        pattern.callback.access = RouteRule(PUBLIC)
        kept.append(pattern)
    return kept


app_name = "api"
_patterns, _app, _namespace = api.urls
urlpatterns = [
    path("v1/openapi.json", description, name="openapi"),
    path("v1/", (_opened(_patterns), _app, _namespace)),
    path("v1/<path:rest>", public(csrf_exempt(missing)), name="missing"),
]
