"""What can be done on the platform, and which role may do it how far. This table is the only place that says so."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = ["ACTIONS", "ROLE_NAMES", "Role", "Span", "actions_of"]


class Role(StrEnum):
    """Role that a grant gives."""

    REPORTER = "reporter"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    PLAN_OWNER = "plan_owner"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLE_NAMES: Final[dict[str, str]] = {
    Role.REPORTER: "填报员",
    Role.REVIEWER: "审核员",
    Role.ANALYST: "分析员",
    Role.PLAN_OWNER: "方案负责人",
    Role.ADMINISTRATOR: "管理员",
    Role.AUDITOR: "审计员",
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
    # everyone signed in, own account
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


def actions_of(role: Role) -> frozenset[str]:
    """Return what a role may do.

    Examples
    --------
    >>> "returns.review" in actions_of(Role.REVIEWER), "returns.review" in actions_of(Role.REPORTER)
    (True, False)
    """
    return frozenset(action for action, spans in ACTIONS.items() if role in spans)
