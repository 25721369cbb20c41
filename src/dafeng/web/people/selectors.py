"""Reads of people: the reach of a user, people and organisations in reach, who can do what where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from dafeng.web.access.actions import ACTION_NAMES, ACTIONS, ROLE_NAMES, Role, Span
from dafeng.web.access.reach import NOBODY, Holding, Reach
from dafeng.web.audit.models import AuditEntry
from dafeng.web.house import house
from dafeng.web.people.models import Grant, Organisation, User

__all__ = [
    "Ability", "Doer", "abilities_of", "grants_of", "history_of", "organisations_in_reach", "people_in_reach", "place_choices",
    "reach_of", "who_can",
]  # fmt: skip


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
    for grant in _holding_grants(user, today):
        behind = grant.stands_in_for
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


def _holding_grants(user: User, day: date) -> list[Grant]:
    """Return the grants of a user that hold on a day, those of a deputy only while that behind them does."""
    rows = Grant.objects.filter(user=user, revoked_at__isnull=True, organisation__active=True)
    return [grant for grant in rows.select_related("organisation", "stands_in_for__user") if _holds(grant, day)]


def _holds(grant: Grant, day: date) -> bool:
    behind = grant.stands_in_for
    return grant.holds_on(day) and (behind is None or (behind.holds_on(day) and behind.user.is_active))


def organisations_in_reach(reach: Reach, action: str = "people.read") -> QuerySet[Organisation]:
    """Return the organisations at the places over which an action is allowed, with the number of their active members."""
    members = Count("members", filter=Q(members__is_active=True))
    rows = Organisation.objects.filter(place__in=reach.places(action)).select_related("parent")
    return rows.annotate(members_active=members).order_by("place", "-active", "code")


def people_in_reach(reach: Reach, action: str = "people.read") -> QuerySet[User]:
    """Return the people whose organisation is at such a place, and who to read also those granted something there."""
    places = reach.places(action)
    near = Q(organisation__place__in=places)
    if action == "people.read":
        granted = Grant.objects.filter(user=OuterRef("pk"), place__in=places, revoked_at__isnull=True)
        near |= Q(Exists(granted))
    return User.objects.filter(near).select_related("organisation")


def with_grants(people: QuerySet[User]) -> QuerySet[User]:
    """Return people with their grants that are not revoked, at one further query."""
    grants = Grant.objects.filter(revoked_at__isnull=True).select_related("stands_in_for__user", "organisation")
    return people.prefetch_related(Prefetch("grants", queryset=grants, to_attr="held"))


def grants_of(user: User) -> QuerySet[Grant]:
    """Return every grant of a person, those that hold before those that are over."""
    rows = Grant.objects.filter(user=user).select_related("organisation", "stands_in_for__user", "granted_by")
    return rows.order_by("revoked_at", "role", "place", "starts_on")


def place_choices(places: Iterable[str]) -> list[tuple[str, str]]:
    """Return places as choices, each below the one that it belongs to, its name indented by its depth."""
    tree, wanted = house().catalog.places, set(places)
    below: dict[str | None, list[str]] = {}
    for place in tree:
        if place.id in wanted:
            below.setdefault(place.parent if place.parent in wanted else None, []).append(place.id)
    found: list[tuple[str, str]] = []

    def walk(parent: str | None, depth: int) -> None:
        for one in below.get(parent, ()):
            place = tree.get(one)
            zone = "（功能区）" if place.kind == "zone" else ""
            found.append((one, "\u3000" * depth + place.name + zone))
            walk(one, depth + 1)

    walk(None, 0)
    return found


@dataclass(frozen=True)
class Ability:
    """What a person may do where, by one grant.

    Attributes
    ----------
    action, title : str
    role : str
        Name of the role.
    where : str
        In words.
    acting_for : str
    """

    action: str
    title: Any
    role: Any
    where: str
    acting_for: str


def abilities_of(user: User) -> list[Ability]:
    """Return what a person may do today, action by action."""
    here = house()
    held = _holding_grants(user, here.today()) if user.is_active else []
    found = []
    for action, spans in ACTIONS.items():
        for grant in held:
            span = spans.get(Role(grant.role))
            if span is None or (span is Span.ROOT and grant.place != here.place):
                continue
            where = grant.organisation.name if span is Span.OWN else here.catalog.place_name(grant.place)
            behind = grant.stands_in_for
            acting = behind.user.name if behind is not None else ""
            found.append(Ability(action, ACTION_NAMES[action], ROLE_NAMES[grant.role], where, acting))
    return found


@dataclass(frozen=True)
class Doer:
    """Somebody who may do something at a place.

    Attributes
    ----------
    user : User
    role : str
    organisation : str
    where : str
        Place of the grant.
    own_only : bool
        Whether only what belongs to the organisation.
    acting_for : str
    """

    user: User
    role: Any
    organisation: str
    where: str
    own_only: bool
    acting_for: str


def who_can(action: str, place: str, *, day: date | None = None) -> list[Doer]:
    """Return who may do something at a place on a day, today by default: by a grant there or above it."""
    here, today = house(), day or house().today()
    spans = ACTIONS[action]
    above = [place, *here.catalog.places.ancestor_ids(place)]
    rows = Grant.objects.filter(
        role__in=list(spans), place__in=above, revoked_at__isnull=True, user__is_active=True, organisation__active=True
    ).select_related("user", "organisation", "stands_in_for__user")
    found = []
    for grant in rows.order_by("role", "user__name", "pk"):
        behind, span = grant.stands_in_for, spans[Role(grant.role)]
        if not _holds(grant, today):
            continue
        if (span is Span.ROOT and grant.place != here.place) or (
            span is Span.OWN and grant.organisation.place != place
        ):
            continue
        found.append(
            Doer(
                user=grant.user,
                role=ROLE_NAMES[grant.role],
                organisation=grant.organisation.name,
                where=here.catalog.place_name(grant.place),
                own_only=span is Span.OWN,
                acting_for=behind.user.name if behind is not None else "",
            )
        )
    return found


def history_of(subject: Organisation | User, *, most: int = 50) -> QuerySet[AuditEntry]:
    """Return what the audit log says of a person or an organisation, newest first."""
    label = subject._meta.label_lower
    return AuditEntry.objects.filter(subject=label, subject_id=str(subject.pk)).order_by("-number")[:most]
