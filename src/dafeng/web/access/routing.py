"""Rules of routes: every view says which action it needs; the gate refuses a view without a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from dafeng.web.access.actions import ACTIONS
from dafeng.web.access.reach import NOBODY, Reach

__all__ = ["PUBLIC", "SIGNED_IN", "RouteRule", "need", "needs", "public", "reach_of_request", "signed_in", "the"]

PUBLIC: Final = "public"
SIGNED_IN: Final = "signed-in"
_View = TypeVar("_View", bound=Callable[..., Any])
_Row = TypeVar("_Row", bound=Any)


@dataclass(frozen=True)
class RouteRule:
    """What a route asks for.

    Attributes
    ----------
    action : str
        One of `ACTIONS`, or `public`, or `signed-in`: whoever is signed in, whatever they are granted.
    subject : str
        What the route is about: `none`, or a kind of object for which the access tests know how to make one of the own and one
        of a foreign scope (`return`, `task`, `plan`, `report`, `person`, `organisation`, `job`, `place` …).
    without_second_factor : bool
        Whether it may be used while the second factor or a new password is due.
    """

    action: str
    subject: str = "none"
    without_second_factor: bool = False


def needs(action: str, subject: str = "none", *, without_second_factor: bool = False) -> Callable[[_View], _View]:
    """Mark a view or an API operation with the action that it needs.

    Examples
    --------
    >>> @needs("plans.read", "plan")
    ... def view(request): ...
    >>> view.access
    RouteRule(action='plans.read', subject='plan', without_second_factor=False)
    """
    if action not in (PUBLIC, SIGNED_IN) and action not in ACTIONS:
        raise LookupError(f"no action is called {action!r}; add it to ACTIONS")

    def mark(view: _View) -> _View:
        view.access = RouteRule(action, subject, without_second_factor)  # type: ignore[attr-defined]
        return view

    return mark


public: Final = needs(PUBLIC)
"""Marks a view that needs no sign-in."""
signed_in: Final = needs(SIGNED_IN)
"""Marks a view of one's own account, open to whoever is signed in."""


def reach_of_request(request: HttpRequest) -> Reach:
    """Return the reach of the user of a request."""
    reach: Reach = getattr(request, "reach", NOBODY)
    return reach


def need(request: HttpRequest, action: str, *, place: str | None = None, organisation: int | None = None) -> Reach:
    """Return the reach of a request where it allows an action on something.

    Raises
    ------
    PermissionDenied
        It does not.
    """
    reach = reach_of_request(request)
    if not reach.can(action, place=place, organisation=organisation):
        raise PermissionDenied(action)
    return reach


def the(
    request: HttpRequest,
    rows: QuerySet[_Row],
    action: str,
    *,
    place: str = "place",
    organisation: str | None = "organisation",
    **lookup: Any,
) -> _Row:
    """Return the one row of a lookup on which the action is allowed.

    Raises
    ------
    Http404
        There is none, or it is out of reach: the two look the same.
    """
    row = (
        reach_of_request(request).visible(rows, action, place=place, organisation=organisation).filter(**lookup).first()
    )
    if row is None:
        raise Http404
    return row
