"""Routes of the programming interface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, URLResolver, path
from django.views.decorators.http import require_GET

from dafeng.web.access.routing import PUBLIC, RouteRule, needs
from dafeng.web.api import account, status, uploads
from dafeng.web.api.core import api

api.add_router("", account.router)
api.add_router("", status.router)
api.add_router("", uploads.router)


@needs("account.use")
@require_GET
def description(request: HttpRequest) -> JsonResponse:
    """Describe the interface as OpenAPI."""
    return JsonResponse(api.get_openapi_schema(path_prefix="/api/v1/"), json_dumps_params={"ensure_ascii": False})


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
]
