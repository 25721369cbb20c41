"""Subjects of people and access, for the access table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final

from dafeng.web.access.actions import Role
from dafeng.web.house import house
from dafeng.web.people.models import ApiToken, Grant, User
from web.world import World


def person(world: World, scope: str) -> dict[str, Any]:
    """Return a person who works at the organisation of a scope."""
    return {"pk": world.user(Role.REPORTER, scope, number=7).pk}


def organisation(world: World, scope: str) -> dict[str, Any]:
    """Return the organisation of a scope."""
    return {"pk": world.organisation(scope).pk}


def grant(world: World, scope: str) -> dict[str, Any]:
    """Return the grant of a person at the organisation of a scope."""
    return {"pk": world.user(Role.REPORTER, scope, number=7).grants.get().pk}


def _owner(world: World, scope: str) -> User:
    """Return who asks, for "own"; somebody else otherwise."""
    return world.asking if scope == "own" and world.asking is not None else world.somebody_else()


def deputy(world: World, scope: str) -> dict[str, Any]:
    """Return the grant of a deputy of who asks, or of somebody else."""
    owner = _owner(world, scope)
    behind, _new = Grant.objects.get_or_create(
        user=owner,
        organisation=world.organisation("own"),
        role=Role.REPORTER,
        place="demo-city-dongwan",
        stands_in_for=None,
        defaults={"starts_on": date(2026, 1, 1), "ends_on": date(2026, 1, 2)},
    )
    made, _new = Grant.objects.get_or_create(
        user=world.user(None, "own", number=8),
        organisation=behind.organisation,
        role=behind.role,
        place=behind.place,
        stands_in_for=behind,
        defaults={"starts_on": date(2026, 9, 1), "ends_on": date(2026, 10, 1), "granted_by": owner},
    )
    return {"pk": made.pk}


def token(world: World, scope: str) -> dict[str, Any]:
    """Return a token of who asks, or of somebody else."""
    owner = _owner(world, scope)
    digest = ApiToken.digest_of(f"dft_{owner.pk}")
    said = {
        "name": "推送读数",
        "shown": "dft_abcdef",
        "actions": ["readings.push"],
        "expires_at": datetime(2099, 1, 1, tzinfo=UTC),
    }
    made, _new = ApiToken.objects.get_or_create(user=owner, digest=digest, defaults=said)
    return {"pk": made.pk}


def place(world: World, scope: str) -> dict[str, Any]:
    """Return the place of a scope, and an indicator of which there may be facts."""
    return {"place": world.place(scope), "indicator": next(iter(house().catalog.indicators))}


SUBJECTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {
    "person": person,
    "organisation": organisation,
    "grant": grant,
    "deputy": deputy,
    "token": token,
    "place": place,
}
PERSONAL: Final[frozenset[str]] = frozenset({"deputy", "token"})
