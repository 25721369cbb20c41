"""Organisations: made, changed, switched off and on, taken over from the bodies of the catalog."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dafeng.catalog.schemas import Body, BodyKind
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import Organisation, OrganisationKind
from dafeng.web.people.services.guard import administrator_remains

__all__ = ["BodiesTaken", "organisation_save", "organisation_switch", "organisations_from_bodies"]

_FIELDS: Final = ("code", "name", "kind", "place", "body", "parent_id", "active")
_KINDS: Final = {
    BodyKind.DEPARTMENT: OrganisationKind.DEPARTMENT,
    BodyKind.INSTITUTION: OrganisationKind.DEPARTMENT,
    BodyKind.ENTERPRISE: OrganisationKind.COMPANY,
    BodyKind.GOVERNMENT: OrganisationKind.GOVERNMENT,
}


def facts_of(organisation: Organisation) -> dict[str, Any]:
    """Return what the audit log says of an organisation."""
    return {name: getattr(organisation, name) for name in _FIELDS}


def organisation_save(organisation: Organisation, *, by: Actor, reach: Reach) -> Organisation:
    """Make an organisation, or change one; without a code it gets one.

    Raises
    ------
    RefusedError
        Its place, former or new, is out of reach or unknown; the one above it is below it; name, code or body is taken.
    """
    if organisation.place not in house().catalog.places:
        raise RefusedError("organisation.place", _("没有编号为 %(place)s 的地方。") % {"place": organisation.place})
    with transaction.atomic():
        before = Organisation.objects.select_for_update().filter(pk=organisation.pk).first()
        for place in {organisation.place, before.place if before is not None else organisation.place}:
            if not reach.can("people.manage", place=place):
                raise RefusedError("organisation.out-of-reach", _("该地方不在您的管理范围内。"))
        if not organisation.code:
            organisation.code = f"{organisation.place}-{secrets.token_hex(3)}"
        _check_parent(organisation)
        try:
            with transaction.atomic():
                organisation.save()
        except IntegrityError as error:
            raise RefusedError(
                "organisation.taken", _("编号、同一地方的名称或责任单位编号已被其他单位使用。")
            ) from error
        record(
            "people.organisation-made" if before is None else "people.organisation-changed",
            organisation,
            by=by,
            at=house().now(),
            place=organisation.place,
            before=None if before is None else facts_of(before),
            after=facts_of(organisation),
        )
    return organisation


def _check_parent(organisation: Organisation) -> None:
    above, steps = organisation.parent, 0
    while above is not None:
        if above.pk == organisation.pk or steps > 20:
            raise RefusedError("organisation.circle", _("上级单位不能是本单位或其下级。"))
        above, steps = above.parent, steps + 1


def organisation_switch(organisation: Organisation, *, active: bool, by: Actor, reach: Reach) -> None:
    """Switch an organisation on or off. What is granted at one that is off does not hold; nothing is deleted.

    Raises
    ------
    RefusedError
        It is out of reach, one below it is on, or nobody would be left to administer the workspace.
    """
    if not reach.can("people.manage", place=organisation.place):
        raise RefusedError("organisation.out-of-reach", _("该地方不在您的管理范围内。"))
    with transaction.atomic(), administrator_remains():
        row = Organisation.objects.select_for_update().get(pk=organisation.pk)
        if row.active == active:
            return
        if not active and row.children.filter(active=True).exists():
            raise RefusedError("organisation.children", _("请先停用下级单位。"))
        row.active = active
        row.save()
        said = "people.organisation-on" if active else "people.organisation-off"
        record(said, row, by=by, at=house().now(), place=row.place)
    organisation.active = active


@dataclass(frozen=True)
class BodiesTaken:
    """What came of taking over bodies.

    Attributes
    ----------
    made, linked : tuple of str
        Names of organisations made, and of such that were there by name and were linked.
    there : int
        Bodies that had their organisation already.
    """

    made: tuple[str, ...]
    linked: tuple[str, ...]
    there: int


def organisations_from_bodies(
    *, places: Iterable[str], by: Actor, reach: Reach | None = None, day: date | None = None
) -> BodiesTaken:
    """Make an organisation of every body that the catalog knows at some places; twice makes nothing anew.

    Left out are bodies that stand for many, and such as no longer exist.

    Parameters
    ----------
    places : iterable of str
    by : Actor
    reach : Reach, optional
        Places out of it are left out; without one, none is.
    day : date, optional
        Today by default.
    """
    today = day or house().today()
    wanted = {place for place in places if reach is None or reach.can("people.manage", place=place)}
    bodies = [body for body in house().catalog.bodies.values() if body.place in wanted and _stands(body, today)]
    made: list[str] = []
    linked: list[str] = []
    there = 0
    with transaction.atomic():
        known = set(Organisation.objects.filter(body__in=[body.id for body in bodies]).values_list("body", flat=True))
        named = {
            (row.place, row.name): row for row in Organisation.objects.select_for_update().filter(place__in=wanted)
        }
        for body in bodies:
            row = named.get((body.place, body.name))
            if body.id in known or (row is not None and row.body):
                there += 1
                continue
            if row is None:
                row = Organisation(code=_free_code(body.id), name=body.name, place=body.place, kind=_kind(body))
            (made if row.pk is None else linked).append(body.name)
            row.body = body.id
            row.save()
            record("people.organisation-from-body", row, by=by, at=house().now(), place=row.place, after=facts_of(row))
    return BodiesTaken(tuple(made), tuple(linked), there)


def _stands(body: Body, day: date) -> bool:
    return body.kind != BodyKind.COLLECTIVE and (body.valid_to is None or day < body.valid_to)


def _kind(body: Body) -> OrganisationKind:
    return OrganisationKind.BUREAU if "住房" in body.name or "住建" in body.name else _KINDS[body.kind]


def _free_code(code: str) -> str:
    taken = Organisation.objects.filter(code=code[:80]).exists()
    return f"{code[:73]}-{secrets.token_hex(3)}" if taken else code[:80]
