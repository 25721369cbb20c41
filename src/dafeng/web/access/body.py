"""What no view is to see: bodies that are too large, texts that no database keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from dafeng.web.access.pages import bad_request

__all__ = ["BodyLimit"]

_FORM: Final = 1 << 16
"""Bytes of the fields beside a file."""


class BodyLimit:
    """Refuses a body by its stated length before any of it is read, and a form with NUL in it.

    A server hands on no more of a body than was stated, so the stated length is the length.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Handle a request."""
        most = settings.DAFENG_LARGEST_UPLOAD
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) <= most + _FORM:
            return self.get_response(request)
        if request.path.startswith("/api/"):
            fault = {"code": "too-large", "problem": "请求太大 / too large", "doing": "", "expected": f"{most} bytes"}
            return JsonResponse(fault | {"next_step": "", "where": []}, status=413)
        says = {"title": _("文件太大"), "says": _("文件超过 %(most)d MB，没有接收。") % {"most": most >> 20}}
        then = {"then": _("请返回上一页，分成几个文件上传。"), "status": 413}
        return render(request, "web/fault.html", says | then, status=413)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Refuse a form or a query with NUL; the interface looks after its own."""
        if request.path.startswith("/api/"):
            return None
        said = [request.GET, request.POST] if request.method == "POST" else [request.GET]
        texts = [text for query in said for name, values in query.lists() for text in (name, *values)]
        if "\x00" in request.path or any("\x00" in text for text in texts if isinstance(text, str)):
            return bad_request(request)
        return None
