"""Grants and deputies."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from dafeng.web.access.actions import Role
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import Grant, Organisation, User
from dafeng.web.people.policy import needs_second_factor
from dafeng.web.people.services.guard import administrator_remains
from dafeng.web.people.services.members import check_manages

__all__ = ["LONGEST_DEPUTY", "deputy_appoint", "grant_give", "grant_revoke", "same_line"]

LONGEST_DEPUTY: Final = timedelta(days=184)
_APART: Final = {Role.ADMINISTRATOR: Role.AUDITOR, Role.AUDITOR: Role.ADMINISTRATOR}


def facts_of(grant: Grant) -> dict[str, Any]:
    """Return what the audit log says of a grant."""
    said = {
        name: getattr(grant, name) for name in ("user_id", "organisation_id", "role", "place", "starts_on", "ends_on")
    }
    return said | {"stands_in_for": grant.stands_in_for_id}


def grant_give(
    *,
    user: User,
    role: Role,
    organisation: Organisation,
    place: str,
    starts_on: date,
    ends_on: date | None,
    by: Actor,
    reach: Reach | None,
) -> Grant:
    """Give somebody a role at an organisation over a place.

    Parameters
    ----------
    user : User
    role : Role
    organisation : Organisation
    place : str
    starts_on, ends_on : date
        Half-open; without an end until revoked.
    by : Actor
    reach : Reach or None
        That of who gives; None where the platform itself does at first run.

    Raises
    ------
    RefusedError
        To oneself; beyond one's own places; to somebody whom one may not manage; days out of order; the same is given
        already; administrator and auditor in one hand.
    """
    if by.user is not None and by.user.pk == user.pk:
        raise RefusedError("grant.to-oneself", _("不能给自己授权，请由另一位管理员办理。"))
    if place not in house().catalog.places:
        raise RefusedError("grant.place", _("没有编号为 %(place)s 的地方。") % {"place": place})
    if reach is not None:
        places = reach.places("people.manage")
        if place not in places or organisation.place not in places:
            raise RefusedError("grant.out-of-reach", _("只能在您自己的管理范围内授权。"))
        check_manages(reach, user)
    _check_days(starts_on, ends_on)
    grant = Grant(
        user=user,
        organisation=organisation,
        role=role,
        place=place,
        starts_on=starts_on,
        ends_on=ends_on,
        granted_by=by.user,
    )
    return _keep(grant, "people.grant-given", by)


def _keep(grant: Grant, action: str, by: Actor) -> Grant:
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=grant.user_id)
        if not user.is_active or not grant.organisation.active:
            raise RefusedError("grant.off", _("人员或单位已停用。"))
        _check_apart(user, Role(grant.role))
        try:
            with transaction.atomic():
                grant.save()
        except IntegrityError as error:
            raise RefusedError("grant.twice", _("该人员在这里已有这个角色。")) from error
        if needs_second_factor(grant.role) and not user.needs_second_factor:
            user.needs_second_factor = True
            user.save(update_fields=["needs_second_factor"])
        record(action, grant, by=by, at=house().now(), place=grant.place, after=facts_of(grant))
        record(f"{action}-to", user, by=by, at=house().now(), place=grant.place, after=facts_of(grant))
    return grant


def _check_days(starts_on: date, ends_on: date | None) -> None:
    if ends_on is not None and ends_on <= starts_on:
        raise RefusedError("grant.days", _("结束日期应晚于开始日期。"))


def _check_apart(user: User, role: Role) -> None:
    """Refuse administrator and auditor in one hand: who manages the people does not audit what they did."""
    other = _APART.get(role)
    today = house().today()
    lasting = Q(ends_on__isnull=True) | Q(ends_on__gt=today)
    if other is not None and Grant.objects.filter(lasting, user=user, role=other, revoked_at__isnull=True).exists():
        raise RefusedError("grant.apart", _("管理员与审计员不能由同一人担任。"))


def grant_revoke(grant: Grant, *, by: Actor, reach: Reach, reason: str = "") -> None:
    """Revoke a grant, and with it every deputy of it. A deputy's grant may also be revoked by whom it stands in for.

    Raises
    ------
    RefusedError
        It is out of reach, or nobody would be left to administer the workspace.
    """
    with transaction.atomic(), administrator_remains():
        row = Grant.objects.select_for_update().get(pk=grant.pk)
        mine = row.stands_in_for_id is not None and by.user is not None and row.granted_by_id == by.user.pk
        if not mine and not {row.place, row.organisation.place} <= reach.places("people.manage"):
            raise RefusedError("grant.out-of-reach", _("该授权不在您的管理范围内。"))
        if row.revoked_at is not None:
            return
        now = house().now()
        before = facts_of(row)
        row.revoked_at = now
        row.save(update_fields=["revoked_at"])
        row.deputies.filter(revoked_at__isnull=True).update(revoked_at=now)
        said = "people.deputy-revoked" if row.stands_in_for_id is not None else "people.grant-revoked"
        record(said, row, by=by, at=now, place=row.place, before=before, reason=reason)
        record(f"{said}-of", row.user, by=by, at=now, place=row.place, before=before, reason=reason)


def same_line(one: Organisation, other: Organisation) -> bool:
    """Return whether two organisations are the same, or one stands above the other."""

    def line(row: Organisation | None) -> list[int]:
        found: list[int] = []
        while row is not None and row.pk not in found:
            found.append(row.pk)
            row = row.parent
        return found

    return other.pk in line(one) or one.pk in line(other)


def deputy_appoint(*, grant: Grant, deputy: User, starts_on: date, ends_on: date, by: Actor) -> Grant:
    """Let a colleague act for oneself, under one of one's own grants, from a day to a day.

    Raises
    ------
    RefusedError
        The grant is another's, or itself a deputy's, or does not hold; the deputy is oneself, switched off, or of another line
        of organisations; the days are out of order, past or more than half a year; there is a deputy in these days already.
    """
    with transaction.atomic():
        row = Grant.objects.select_for_update().get(pk=grant.pk)
        if by.user is None or row.user_id != by.user.pk:
            raise RefusedError("deputy.not-own", _("只能为自己的授权指定代理人。"))
        if row.stands_in_for_id is not None or row.revoked_at is not None:
            raise RefusedError("deputy.grant", _("代理得来的或已收回的授权不能再指定代理人。"))
        if deputy.pk == row.user_id:
            raise RefusedError("deputy.oneself", _("代理人不能是自己。"))
        if deputy.organisation is None or not same_line(deputy.organisation, row.organisation):
            raise RefusedError("deputy.organisation", _("代理人应在本单位或其上级、下级单位。"))
        _check_days(starts_on, ends_on)
        if ends_on <= house().today() or ends_on - starts_on > LONGEST_DEPUTY:
            raise RefusedError("deputy.days", _("代理期应在今天之后结束，且不超过半年。"))
        if row.ends_on is not None and row.ends_on <= starts_on:
            raise RefusedError("deputy.after", _("您的授权在代理开始前已经到期。"))
        others = row.deputies.filter(revoked_at__isnull=True, starts_on__lt=ends_on, ends_on__gt=starts_on)
        if others.exists():
            raise RefusedError("deputy.overlap", _("这段时间已有代理人，请先收回。"))
        made = Grant(
            user=deputy,
            organisation=row.organisation,
            role=row.role,
            place=row.place,
            starts_on=starts_on,
            ends_on=ends_on,
            stands_in_for=row,
            granted_by=by.user,
        )
        return _keep(made, "people.deputy-appointed", by)
