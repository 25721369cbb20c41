"""The first administrator of a workspace: made at first run, let in by a one-time link, without any password before."""

from __future__ import annotations

from django.db import transaction

from dafeng.web.access.actions import Role
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import SYSTEM, record
from dafeng.web.house import house
from dafeng.web.people.models import Organisation, OrganisationKind, User
from dafeng.web.people.services.accounts import link_of
from dafeng.web.people.services.grants import grant_give
from dafeng.web.people.services.guard import lasting_administrators
from dafeng.web.people.services.members import person_invite

__all__ = ["first_administrator", "invite"]

USERNAME = "admin"


def first_administrator(
    place: str | None = None, organisation: str = "", *, second_factor: bool | None = None
) -> str | None:
    """Make the first administrator and return the path of a one-time link; None where somebody administers already.

    Called again before the link was used, it returns a fresh one, and the former no longer holds.

    Parameters
    ----------
    place : str, optional
        That of the workspace by default.
    organisation : str
        Name of the administrator's organisation; the housing bureau of the catalog, or 平台管理, where none is named.
    second_factor : bool, optional
        Whether a second factor is needed; as the rules of the house say by default.
    """
    here = house()
    place = place or here.place
    with transaction.atomic():
        row = User.objects.select_for_update().filter(username=USERNAME).first()
        if row is not None and row.password_set_at is None and row.is_active:
            return person_invite(row, by=SYSTEM)
        if lasting_administrators().exists():
            return None
        if row is not None:
            raise RefusedError(
                "first-run.taken", f"用户名 {USERNAME} 已存在，但已没有管理员授权；请用 dafeng web invite 处理。"
            )
        works_at = _organisation(place, organisation)
        user = User.objects.create_user(USERNAME, "管理员", None, organisation=works_at)
        record("people.person-made", user, by=SYSTEM, at=here.now(), place=place, after={"username": USERNAME})
        grant_give(
            user=user,
            role=Role.ADMINISTRATOR,
            organisation=works_at,
            place=place,
            starts_on=here.today(),
            ends_on=None,
            by=SYSTEM,
            reach=None,
        )
        user.refresh_from_db()
        if second_factor is not None and user.needs_second_factor != second_factor:
            user.needs_second_factor = second_factor
            user.save(update_fields=["needs_second_factor"])
    return link_of(user)


def invite(username: str) -> str:
    """Return the path of a new one-time link of a user, for `dafeng web invite`; what let them in before ends.

    Raises
    ------
    RefusedError
        There is no such active user.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise RefusedError("person.unknown", f"没有启用的用户 {username}。")
    return person_invite(user, by=SYSTEM)


def _organisation(place: str, name: str) -> Organisation:
    bureau = [body for body in house().catalog.bodies.values() if body.place == place and "住房" in body.name]
    title = name or (bureau[0].name if bureau else "平台管理")
    made, new = Organisation.objects.get_or_create(
        place=place,
        name=title,
        defaults={
            "code": f"{place}-housing"[:80] if bureau or name else f"{place}-platform"[:80],
            "kind": OrganisationKind.BUREAU,
            "body": bureau[0].id if bureau and bureau[0].name == title else "",
        },
    )
    if new:
        record("people.organisation-made", made, by=SYSTEM, at=house().now(), place=place, after={"name": title})
    return made
