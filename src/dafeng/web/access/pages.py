"""Pages for what goes wrong: said in words, with what to do next."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

__all__ = ["bad_request", "forbidden", "forged", "not_found", "server_error"]


def _page(request: HttpRequest, status: int, title: str, says: str, then: str) -> HttpResponse:
    return render(
        request, "web/fault.html", {"title": title, "says": says, "then": then, "status": status}, status=status
    )


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """Answer a request that cannot be read."""
    return _page(request, 400, _("请求无法处理"), _("提交的内容不完整或格式不对。"), _("请返回上一页重新提交。"))


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """Answer a request that is not allowed."""
    return _page(
        request, 403, _("没有权限"), _("您的角色不能进行这项操作。"), _("如需办理，请联系本单位管理员增加授权。")
    )


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was not sent from a page of this platform, or from one that is too old."""
    return _page(
        request, 403, _("页面已过期"), _("为防止他人冒用，这次提交没有受理。"), _("请回到原页面刷新后重新提交。")
    )


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """Answer a request for something that is not there, or out of reach."""
    return _page(request, 404, _("没有找到"), _("页面不存在，或不在您的权限范围内。"), _("请从首页重新进入。"))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that failed here."""
    return _page(
        request,
        500,
        _("系统出错"),
        _("系统处理时出错，已记录。您已保存的内容没有丢失。"),
        _("请稍后再试，或把请求编号告诉管理员。"),
    )
