"""What can be done on the platform, and which role may do it how far. This table is the only place that says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

__all__ = ["ACTIONS", "ACTION_NAMES", "ROLE_NAMES", "Role", "Span", "actions_of"]


class Role(StrEnum):
    """Role that a grant gives."""

    REPORTER = "reporter"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    PLAN_OWNER = "plan_owner"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLE_NAMES: Final[dict[str, Any]] = {
    Role.REPORTER: _("填报员"),
    Role.REVIEWER: _("审核员"),
    Role.ANALYST: _("分析员"),
    Role.PLAN_OWNER: _("方案负责人"),
    Role.ADMINISTRATOR: _("管理员"),
    Role.AUDITOR: _("审计员"),
}


class Span(StrEnum):
    """How far an action of a role reaches."""

    OWN = "own"
    """The grant's organisation."""
    WITHIN = "within"
    """Everything in the grant's place and below it."""
    ROOT = "root"
    """Only a grant at the workspace's own place."""


_R, _V, _A, _P, _M, _U = Role
_READERS: Final = {_R: Span.OWN, _V: Span.WITHIN, _A: Span.WITHIN, _P: Span.WITHIN, _U: Span.WITHIN}

ACTIONS: Final[dict[str, dict[Role, Span]]] = {
    # own account of whoever is granted something; pages that need no grant are marked `signed_in`
    "account.use": dict.fromkeys(Role, Span.OWN),
    # people
    "people.read": {_M: Span.WITHIN, _U: Span.WITHIN},
    "people.manage": {_M: Span.WITHIN},
    "people.deputy": dict.fromkeys(Role, Span.OWN),
    "tokens.manage": dict.fromkeys(Role, Span.OWN),
    # what stands where
    "status.read": {
        _R: Span.WITHIN,
        _V: Span.WITHIN,
        _A: Span.WITHIN,
        _P: Span.WITHIN,
        _M: Span.WITHIN,
        _U: Span.WITHIN,
    },
    "facts.read": {_R: Span.WITHIN, _V: Span.WITHIN, _A: Span.WITHIN, _P: Span.WITHIN, _U: Span.WITHIN},
    "facts.import": {_A: Span.WITHIN, _P: Span.WITHIN},
    "readings.push": {_R: Span.OWN, _A: Span.WITHIN},
    # plans
    "plans.read": {_R: Span.WITHIN, _V: Span.WITHIN, _A: Span.WITHIN, _P: Span.WITHIN, _U: Span.WITHIN},
    "plans.load": {_P: Span.WITHIN},
    "plans.review": {_P: Span.WITHIN, _V: Span.WITHIN},
    "plans.publish": {_P: Span.WITHIN},
    "tasks.read": _READERS,
    "tasks.manage": {_P: Span.WITHIN},
    "tasks.report": {_R: Span.OWN, _P: Span.WITHIN},
    "public.disclose": {_P: Span.WITHIN},
    # reporting cycle
    "returns.read": _READERS,
    "returns.issue": {_P: Span.WITHIN},
    "returns.fill": {_R: Span.OWN},
    "returns.review": {_V: Span.WITHIN},
    "returns.seal": {_P: Span.WITHIN},
    # yearly report
    "reports.read": {_V: Span.WITHIN, _A: Span.WITHIN, _P: Span.WITHIN, _U: Span.WITHIN},
    "reports.write": {_A: Span.WITHIN, _P: Span.WITHIN},
    "reports.contribute": {_R: Span.OWN, _P: Span.WITHIN},
    "reports.freeze": {_P: Span.WITHIN},
    # operation
    "audit.read": {_U: Span.ROOT, _M: Span.ROOT},
    "jobs.read": {_A: Span.ROOT, _P: Span.ROOT, _M: Span.ROOT},
    "jobs.run": {_A: Span.ROOT, _P: Span.ROOT, _M: Span.ROOT},
    "operation.manage": {_M: Span.ROOT},
}
"""Span of each role by action; a role that is not named may not."""

ACTION_NAMES: Final[dict[str, Any]] = {
    "account.use": _("使用自己的账号"),
    "people.read": _("查看单位、人员和授权"),
    "people.manage": _("管理单位、人员和授权"),
    "people.deputy": _("为自己的授权指定代理人"),
    "tokens.manage": _("管理自己的接口令牌"),
    "status.read": _("查看指标与目标状态"),
    "facts.read": _("查看数据明细"),
    "facts.import": _("导入数据"),
    "readings.push": _("推送计量读数"),
    "plans.read": _("阅读方案"),
    "plans.load": _("载入方案文件"),
    "plans.review": _("核对读出的内容"),
    "plans.publish": _("发布方案"),
    "tasks.read": _("查看任务"),
    "tasks.manage": _("分派和督办任务"),
    "tasks.report": _("报告任务进展"),
    "public.disclose": _("对外公开"),
    "returns.read": _("查看报送"),
    "returns.issue": _("布置报表"),
    "returns.fill": _("填写和上报"),
    "returns.review": _("审核报送"),
    "returns.seal": _("封存报告期"),
    "reports.read": _("查看年度报告"),
    "reports.write": _("编写年度报告"),
    "reports.contribute": _("提供年度报告材料"),
    "reports.freeze": _("年度报告定稿"),
    "audit.read": _("查看审计日志"),
    "jobs.read": _("查看后台任务"),
    "jobs.run": _("启动后台任务"),
    "operation.manage": _("运行维护"),
}
"""What an action is called on pages."""


def actions_of(role: Role) -> frozenset[str]:
    """Return what a role may do.

    Examples
    --------
    >>> "returns.review" in actions_of(Role.REVIEWER), "returns.review" in actions_of(Role.REPORTER)
    (True, False)
    """
    return frozenset(action for action, spans in ACTIONS.items() if role in spans)
