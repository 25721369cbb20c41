"""People of the demonstration: organisations of the catalog's bodies, one person of each role, reporters of every district.

Nobody has a password: each comes in by a one-time link (`dafeng web invite NAME`).
"""

from __future__ import annotations

from django.db import transaction

from dafeng.web.access.actions import ROLE_NAMES, Role
from dafeng.web.audit.services import SYSTEM
from dafeng.web.house import house
from dafeng.web.people.models import Organisation, OrganisationKind, User
from dafeng.web.people.services.grants import grant_give
from dafeng.web.people.services.organisations import organisations_from_bodies

__all__ = ["make_demo_people"]

_CITY = {
    Role.REVIEWER: ("shenhe", "沈合"),
    Role.ANALYST: ("fenxi", "冯晰"),
    Role.PLAN_OWNER: ("fangan", "方安"),
    Role.AUDITOR: ("shenji", "申继"),
    Role.REPORTER: ("tianbao", "田宝"),
}
"""User names sound like the roles; the people are invented."""


def make_demo_people(*, second_factor: bool = False) -> list[dict[str, str]]:
    """Make the organisations and people of the demonstration; return user name, name, role and place. Twice makes nothing anew.

    Parameters
    ----------
    second_factor : bool
        Whether the rules of the house on second factors hold for these people.
    """
    here = house()
    places = sorted(here.places_below(here.place))
    with transaction.atomic():
        organisations_from_bodies(places=places, by=SYSTEM)
        bureau = _bureau(here.place)
        people = [_person(name, title, role, bureau, second_factor) for role, (name, title) in _CITY.items()]
        for place in places:
            if place != here.place:
                name = f"tianbao-{place.removeprefix(f'{here.place}-')}"
                people.append(_person(name, _short(place), Role.REPORTER, _bureau(place), second_factor))
    return people


def _short(place: str) -> str:
    return f"{house().catalog.place_name(place)}{ROLE_NAMES[Role.REPORTER]}"[:60]


def _bureau(place: str) -> Organisation:
    """Return the organisation that reports at a place: its housing bureau, made where the catalog knows none."""
    here = house()
    found = Organisation.objects.filter(place=place, kind=OrganisationKind.BUREAU).first()
    if found is not None:
        return found
    above = None if place == here.place else _bureau(here.place)
    name = f"{here.catalog.place_name(place)}住房和城乡建设局"
    return Organisation.objects.create(
        code=f"{place}-housing", name=name, kind=OrganisationKind.BUREAU, place=place, parent=above
    )


def _person(username: str, name: str, role: Role, organisation: Organisation, second_factor: bool) -> dict[str, str]:
    here = house()
    told = {
        "username": username,
        "name": name,
        "role": str(ROLE_NAMES[role]),
        "place": here.catalog.place_name(organisation.place),
    }
    if User.objects.filter(username=username).exists():
        return told
    user = User.objects.create_user(username, name, None, organisation=organisation)
    grant_give(
        user=user,
        role=role,
        organisation=organisation,
        place=organisation.place,
        starts_on=here.today(),
        ends_on=None,
        by=SYSTEM,
        reach=None,
    )
    if not second_factor:
        User.objects.filter(pk=user.pk).update(needs_second_factor=False)
    return told
