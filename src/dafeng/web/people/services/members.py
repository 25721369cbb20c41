"""People as their administrator sees them: put in, changed, switched off; their links and second factors."""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import ApiToken, Grant, Organisation, User
from dafeng.web.people.policy import needs_second_factor
from dafeng.web.people.services import accounts
from dafeng.web.people.services.guard import administrator_remains

__all__ = ["check_manages", "person_invite", "person_save", "person_switch", "second_factor_reset"]

_FIELDS: Final = ("username", "name", "email", "phone", "organisation_id", "needs_second_factor")


def facts_of(user: User) -> dict[str, Any]:
    """Return what the audit log says of a person."""
    return {name: getattr(user, name) for name in _FIELDS}


def check_manages(reach: Reach, user: User) -> None:
    """Check that somebody may manage a person: the person's organisation and all that the person is granted are in reach.

    Otherwise whoever administers a district could take over the account of somebody who may act in the whole city.

    Raises
    ------
    RefusedError
        It is not so.
    """
    places = reach.places("people.manage")
    if user.organisation is None or user.organisation.place not in places:
        raise RefusedError("person.out-of-reach", _("该人员所在单位不在您的管理范围内。"))
    granted = Grant.objects.filter(user=user, revoked_at__isnull=True).values_list("place", flat=True)
    if not set(granted) <= places:
        raise RefusedError("person.granted-above", _("该人员有您管理范围之外的授权，请由上级管理员办理。"))


def person_save(user: User, *, by: Actor, reach: Reach) -> User:
    """Put in a person, who cannot sign in before setting a password by link, or change one.

    Raises
    ------
    RefusedError
        The person, or the organisation, former or new, is out of reach; the name is taken.
    """
    with transaction.atomic():
        before = User.objects.select_for_update().filter(pk=user.pk).first()
        if before is not None:
            check_manages(reach, before)
        _check_organisation(reach, user.organisation)
        _check_second_factor(user, before)
        user.username = User.normalize_username(user.username.strip())
        if before is None:
            user.set_unusable_password()
        try:
            with transaction.atomic():
                user.save()
        except IntegrityError as error:
            raise RefusedError("person.taken", _("用户名已被使用。")) from error
        record(
            "people.person-made" if before is None else "people.person-changed",
            user,
            by=by,
            at=house().now(),
            place=user.organisation.place if user.organisation is not None else "",
            before=None if before is None else facts_of(before),
            after=facts_of(user),
        )
    return user


def _check_second_factor(user: User, before: User | None) -> None:
    """Refuse to waive the second factor of somebody whose role asks for it."""
    if before is None or user.needs_second_factor or not before.needs_second_factor:
        return
    roles = Grant.objects.filter(user=user, revoked_at__isnull=True).values_list("role", flat=True)
    if any(needs_second_factor(role) for role in roles):
        raise RefusedError("person.second-factor", _("该人员的角色按规定必须用动态口令。"))


def _check_organisation(reach: Reach, organisation: Organisation | None) -> None:
    if organisation is None or not reach.can("people.manage", place=organisation.place):
        raise RefusedError("person.organisation", _("请选择您管理范围内的单位。"))


def person_invite(user: User, *, by: Actor, reach: Reach | None = None) -> str:
    """Return the path of a new one-time link; the former password, links, sessions and tokens of the person end.

    Parameters
    ----------
    user : User
    by : Actor
    reach : Reach, optional
        That of an administrator; without one the platform itself asks.

    Raises
    ------
    RefusedError
        The person is out of reach, or switched off, or asks for themselves.
    """
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if reach is not None:
            check_manages(reach, row)
        _check_other(row, by)
        if not row.is_active:
            raise RefusedError("person.off", _("该人员已停用，请先启用。"))
        row.set_unusable_password()
        row.save(update_fields=["password"])
        ApiToken.objects.filter(user=row, revoked_at__isnull=True).update(revoked_at=house().now())
        accounts.sessions_end(row, by=by)
        record("people.link-made", row, by=by, at=house().now(), place=_place(row))
    return accounts.link_of(row)


def person_switch(user: User, *, active: bool, by: Actor, reach: Reach) -> None:
    """Switch a person on or off; nobody is deleted, as what they did stays theirs.

    Raises
    ------
    RefusedError
        The person is out of reach or oneself, or nobody would be left to administer the workspace.
    """
    with transaction.atomic(), administrator_remains():
        row = User.objects.select_for_update().get(pk=user.pk)
        check_manages(reach, row)
        _check_other(row, by)
        if row.is_active == active:
            return
        row.is_active = active
        row.save(update_fields=["is_active"])
        accounts.sessions_end(row, by=by)
        said = "people.person-on" if active else "people.person-off"
        record(said, row, by=by, at=house().now(), place=_place(row))
    user.is_active = active


def second_factor_reset(user: User, *, by: Actor, reach: Reach) -> None:
    """Remove the second factor of a person who has lost the device.

    Raises
    ------
    RefusedError
        The person is out of reach, or oneself.
    """
    check_manages(reach, user)
    _check_other(user, by)
    accounts.second_factor_remove(user, by=by)


def _check_other(user: User, by: Actor) -> None:
    if by.user is not None and by.user.pk == user.pk:
        raise RefusedError("person.oneself", _("不能对自己办理，请由另一位管理员办理。"))


def _place(user: User) -> str:
    return user.organisation.place if user.organisation is not None else ""
