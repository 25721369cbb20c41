"""Where an assignment stands, and the only moves that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from dafeng.web.access.refusal import RefusedError

__all__ = ["EDITABLE", "MOVES", "State", "SubmissionState", "allowed", "move"]


class State(models.TextChoices):
    """Where an assignment stands."""

    PENDING = "pending", _("待填")
    DRAFT = "draft", _("草稿")
    SUBMITTED = "submitted", _("已提交")
    RETURNED = "returned", _("退回")
    APPROVED = "approved", _("已批准")
    CORRECTING = "correcting", _("更正中")
    SEALED = "sealed", _("封存")


class SubmissionState(models.TextChoices):
    """Where a submission stands."""

    SUBMITTED = "submitted", _("待审核")
    WITHDRAWN = "withdrawn", _("已撤回")
    RETURNED = "returned", _("已退回")
    APPROVED = "approved", _("已批准")
    SUPERSEDED = "superseded", _("已被更正代替")


@dataclass(frozen=True)
class Move:
    """A step from some states to one.

    Attributes
    ----------
    starts : frozenset of State
    end : State or None
        None where the state stays or the service says it.
    """

    starts: frozenset[str]
    end: str | None


def _move(end: State | None, *starts: State) -> Move:
    return Move(frozenset(str(one) for one in starts), None if end is None else str(end))


MOVES: Final[dict[str, Move]] = {
    "start": _move(State.DRAFT, State.PENDING),
    "edit": _move(None, State.DRAFT, State.RETURNED, State.CORRECTING),
    "submit": _move(State.SUBMITTED, State.DRAFT, State.RETURNED, State.CORRECTING),
    "withdraw": _move(None, State.SUBMITTED),
    "return": _move(State.RETURNED, State.SUBMITTED),
    "approve": _move(State.APPROVED, State.SUBMITTED),
    "correct": _move(State.CORRECTING, State.APPROVED),
    "abandon": _move(State.APPROVED, State.CORRECTING, State.RETURNED),
    "reissue": _move(None, State.PENDING, State.DRAFT, State.RETURNED),
    "seal": _move(State.SEALED, State.PENDING, State.DRAFT, State.RETURNED, State.APPROVED, State.CORRECTING),
    "unseal": _move(None, State.SEALED),
}
"""All moves by name. There is no other way from one state to another."""
EDITABLE: Final = frozenset(MOVES["edit"].starts | MOVES["start"].starts)
"""States in which a body may write."""


def allowed(state: str, name: str) -> bool:
    """Return whether a move is possible from a state.

    Examples
    --------
    >>> allowed("submitted", "approve"), allowed("draft", "approve"), allowed("sealed", "correct")
    (True, False, False)
    """
    return state in MOVES[name].starts


def move(rows: models.QuerySet[Any], name: str, *, end: str | None = None, **fields: Any) -> None:
    """Move one assignment, where it still stands where the move starts.

    The database decides by the condition in the statement: of two at once one moves and the other is refused.

    Parameters
    ----------
    rows : QuerySet
        One assignment.
    name : str
        One of `MOVES`.
    end : str, optional
        State where the move does not say it; that of now where both are silent.
    **fields
        What changes with it.

    Raises
    ------
    RefusedError
        It stands elsewhere.
    """
    step = MOVES[name]
    state = step.end or end
    if state is not None:
        fields["state"] = state
    if not rows.filter(state__in=step.starts).update(version=F("version") + 1, **fields):
        now = rows.values_list("state", flat=True).first()
        if now is None:
            raise RefusedError("return.gone", str(_("报表不存在。")))
        raise RefusedError(f"return.state-{now}", _refusal(State(now)))


def _refusal(state: State) -> str:
    told = {
        State.PENDING: _("报表还没有填写，不能进行这项操作。"),
        State.DRAFT: _("报表还是草稿，不能进行这项操作。"),
        State.SUBMITTED: _("报表已提交、正在审核，不能进行这项操作；需要修改的，请先撤回。"),
        State.RETURNED: _("报表已被退回，不能进行这项操作。"),
        State.APPROVED: _("报表已批准，不能进行这项操作；需要修改的，请办理更正。"),
        State.CORRECTING: _("报表正在更正，不能进行这项操作。"),
        State.SEALED: _("报告期已封存，不能进行这项操作；确需修改的，请方案负责人说明原因后解除封存。"),
    }
    return str(told[state])
