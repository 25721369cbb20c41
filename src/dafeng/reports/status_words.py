"""Words for the states of targets: names from the vocabulary, and the groups in which reports count them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from dafeng.assessment.records import Status
from dafeng.catalog.catalog import Catalog

__all__ = ["STATE_GROUPS", "StateGroup", "group_counts", "group_of", "state_en", "state_zh"]

_FALLBACK: Final = {
    "met": "已达成", "met_early": "提前达成", "missed": "未达成", "on_track": "进度正常", "at_risk": "有风险",
    "off_track": "进度滞后", "unproven": "待证", "no_data": "无数据", "holds": "符合限值", "breached": "超出限值",
    "unknown": "未知", "done": "已完成", "open": "未完成", "overdue": "逾期", "depends_on_definition": "取决于口径",
}  # fmt: skip


@dataclass(frozen=True)
class StateGroup:
    """States that a summary counts together; the code names the state whose shape and colour stand for all."""

    code: str
    zh: str
    en: str
    states: tuple[Status, ...]


STATE_GROUPS: Final[tuple[StateGroup, ...]] = (
    StateGroup("met", "已达成", "met", (Status.MET, Status.MET_EARLY, Status.HOLDS, Status.DONE)),
    StateGroup("on_track", "按时序推进", "on track", (Status.ON_TRACK,)),
    StateGroup("open", "未到期待完成", "open", (Status.OPEN,)),
    StateGroup("at_risk", "有风险", "at risk", (Status.AT_RISK,)),
    StateGroup("off_track", "滞后", "behind", (Status.OFF_TRACK,)),
    StateGroup("missed", "未达成", "missed", (Status.MISSED, Status.BREACHED, Status.OVERDUE)),
    StateGroup("unproven", "待证", "unproven", (Status.UNPROVEN,)),
    StateGroup("no_data", "数据暂缺", "no data", (Status.NO_DATA, Status.UNKNOWN)),
    StateGroup("depends_on_definition", "取决于口径", "open definition", (Status.DEPENDS_ON_DEFINITION,)),
)
"""Groups of a summary; every state belongs to exactly one."""


def group_of(status: str) -> StateGroup:
    """Return the group that a state is counted in.

    Examples
    --------
    >>> group_of("holds").zh
    '已达成'
    """
    return next(group for group in STATE_GROUPS if Status(status) in group.states)


def group_counts(counts: Mapping[str, int]) -> list[tuple[StateGroup, int]]:
    """Return the number of targets in each group, in the order of the groups.

    Examples
    --------
    >>> [(group.code, count) for group, count in group_counts({"met": 2, "holds": 1}) if count]
    [('met', 3)]
    """
    return [(group, sum(counts.get(state.value, 0) for state in group.states)) for group in STATE_GROUPS]


def state_zh(catalog: Catalog, status: str) -> str:
    """Return the Chinese name of a state, from the vocabulary where it has one."""
    term = catalog.terms.get("status", {}).get(status)
    return _FALLBACK.get(status, status) if term is None else term.zh


def state_en(catalog: Catalog, status: str) -> str:
    """Return the English name of a state."""
    term = catalog.terms.get("status", {}).get(status)
    return status.replace("_", " ") if term is None else term.en
