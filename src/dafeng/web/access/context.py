"""What every page knows: who is signed in, what the menu shows, of which day the data are."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dafeng.web.access.routing import reach_of_request
from dafeng.web.house import house

__all__ = ["MENU", "page"]

MENU: Final = (
    ("overview:home", _("总览"), "status.read"),
    ("plans:list", _("方案"), "plans.read"),
    ("plans:tasks", _("任务"), "tasks.read"),
    ("returns:list", _("报送"), "returns.read"),
    ("october:list", _("年度报告"), "reports.read"),
    ("october:contributions", _("年度报告稿件"), "reports.contribute"),
    ("people:list", _("人员"), "people.read"),
    ("audit:list", _("审计日志"), "audit.read"),
    ("jobs:list", _("后台任务"), "jobs.read"),
    ("operation:home", _("运行"), "operation.manage"),
)
"""Entries of the menu: route, title, action that shows it."""
_HIDDEN_BY: Final = {"october:contributions": "reports.read"}
"""Entries that stand on the page of another entry for those who have that."""


def page(request: HttpRequest) -> dict[str, Any]:
    """Return what the frame of a page shows."""
    reach = reach_of_request(request)
    here = house()
    return {
        "menu": [
            (route, title)
            for route, title, action in MENU
            if reach.can(action) and not (route in _HIDDEN_BY and reach.can(_HIDDEN_BY[route]))
        ],
        "reach": reach,
        "workspace_title": here.title,
        "today": here.today(),
    }
