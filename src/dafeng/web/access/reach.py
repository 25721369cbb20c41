"""The reach of a user: what the grants that hold today allow, over which organisations and places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from django.db.models import Model, Q, QuerySet

from dafeng.web.access.actions import ACTIONS, Role, Span

if TYPE_CHECKING:
    from dafeng.web.people.models import User

__all__ = ["NOBODY", "Holding", "Reach"]

_M = TypeVar("_M", bound=Model)


@dataclass(frozen=True)
class Holding:
    """A grant that holds.

    Attributes
    ----------
    role : Role
    organisation : int
        Primary key.
    places : frozenset of str
        The grant's place and every place below it, zones included.
    root : bool
        Whether its place is that of the workspace.
    acting_for : str
        Name of the person for whom a deputy acts; empty for an own grant.
    """

    role: Role
    organisation: int
    places: frozenset[str]
    root: bool = False
    acting_for: str = ""


@dataclass(frozen=True)
class Reach:
    """What a user may do; built once a request by `dafeng.web.people.selectors.reach_of`.

    Attributes
    ----------
    user : User or None
    holdings : tuple of Holding
    only : frozenset of str or None
        Actions to which an API token is limited.
    """

    user: User | None = None
    holdings: tuple[Holding, ...] = ()
    only: frozenset[str] | None = field(default=None)

    def _spans(self, action: str) -> Iterable[tuple[Holding, Span]]:
        if self.only is not None and action not in self.only:
            return
        spans = ACTIONS[action]
        for holding in self.holdings:
            if holding.role in spans:
                yield holding, spans[holding.role]

    def can(self, action: str, *, place: str | None = None, organisation: int | None = None) -> bool:
        """Return whether the action is allowed: at all, or on something of a place and an organisation.

        Something that has both is reached by either way that a holding gives: `OWN` looks at the organisation, `WITHIN` and
        `ROOT` at the place.
        """
        for holding, span in self._spans(action):
            if span is Span.ROOT and not holding.root:
                continue
            if place is None and organisation is None:
                return True
            if span is Span.OWN and organisation is not None and organisation == holding.organisation:
                return True
            if span is not Span.OWN and place is not None and place in holding.places:
                return True
        return False

    def places(self, action: str) -> frozenset[str]:
        """Return the places over which the action is allowed."""
        found = (
            holding.places
            for holding, span in self._spans(action)
            if span is Span.WITHIN or (span is Span.ROOT and holding.root)
        )
        return frozenset().union(*found)

    def organisations(self, action: str) -> frozenset[int]:
        """Return the organisations as whose member the action is allowed, by primary key."""
        return frozenset(holding.organisation for holding, span in self._spans(action) if span is Span.OWN)

    def acting_for(self, action: str) -> str:
        """Return for whom the user acts as a deputy, where no own grant allows the action."""
        names = [holding.acting_for for holding, _ in self._spans(action)]
        return "" if not names or "" in names else names[0]

    def visible(
        self, rows: QuerySet[_M], action: str, *, place: str = "place", organisation: str | None = "organisation"
    ) -> QuerySet[_M]:
        """Return the rows on which the action is allowed; none where no holding gives it.

        Parameters
        ----------
        rows : QuerySet
        action : str
        place : str
            Field or lookup of the place id.
        organisation : str or None
            Field or lookup of the organisation; None where rows belong to none.
        """
        allowed = Q(**{f"{place}__in": self.places(action)})
        if organisation is not None:
            allowed |= Q(**{f"{organisation}__in": self.organisations(action)})
        return rows.filter(allowed)


NOBODY = Reach()
"""The public: no grants."""
