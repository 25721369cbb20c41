"""Reads of people: the reach of a user."""

from __future__ import annotations

from datetime import date

from dafeng.web.access.actions import Role
from dafeng.web.access.reach import NOBODY, Holding, Reach
from dafeng.web.house import house
from dafeng.web.people.models import Grant, User

__all__ = ["reach_of"]


def reach_of(user: User, *, day: date | None = None, only: frozenset[str] | None = None) -> Reach:
    """Return what a user may do on a day, today by default.

    A deputy's grant holds only while the grant for which it stands in holds too, and its user is active.

    Parameters
    ----------
    user : User
    day : date, optional
    only : frozenset of str, optional
        Actions to which a token is limited.
    """
    if not user.is_active:
        return NOBODY
    here, today = house(), day or house().today()
    holdings = []
    rows = Grant.objects.filter(user=user, revoked_at__isnull=True, organisation__active=True)
    for grant in rows.select_related("stands_in_for__user"):
        behind = grant.stands_in_for
        if not grant.holds_on(today) or (behind is not None and not (behind.holds_on(today) and behind.user.is_active)):
            continue
        holdings.append(
            Holding(
                role=Role(grant.role),
                organisation=grant.organisation_id,
                places=here.places_below(grant.place),
                root=grant.place == here.place,
                acting_for=behind.user.name if behind is not None else "",
            )
        )
    return Reach(user, tuple(holdings), only)
