"""Filters of pages: names of places, words of the audit log."""

from __future__ import annotations

from typing import Any, Final

from django import template
from django.utils.translation import gettext_lazy as _

from dafeng.web.access.actions import ROLE_NAMES
from dafeng.web.audit.models import AuditEntry
from dafeng.web.house import house

__all__ = ["audit_change", "audit_title", "is_zone", "place_name"]

register = template.Library()

TITLES: Final[dict[str, Any]] = {
    "account.signed-in": _("登录"),
    "account.sign-in-failed": _("登录失败"),
    "account.locked": _("登录锁定"),
    "account.signed-out": _("退出"),
    "account.sessions-ended": _("退出全部登录"),
    "account.password-set": _("设置密码"),
    "account.second-factor-set": _("启用动态口令"),
    "account.second-factor-given": _("通过动态口令"),
    "account.second-factor-failed": _("动态口令不对"),
    "account.second-factor-removed": _("清除动态口令"),
    "account.recovery-codes-renewed": _("更换恢复码"),
    "account.token-made": _("新建接口令牌"),
    "account.token-revoked": _("收回接口令牌"),
    "account.bound": _("绑定统一身份"),
    "people.organisation-made": _("添加单位"),
    "people.organisation-changed": _("修改单位"),
    "people.organisation-from-body": _("从目录补建单位"),
    "people.organisation-on": _("启用单位"),
    "people.organisation-off": _("停用单位"),
    "people.person-made": _("添加人员"),
    "people.person-changed": _("修改人员"),
    "people.person-on": _("启用人员"),
    "people.person-off": _("停用人员"),
    "people.link-made": _("生成一次性登录链接"),
    "people.grant-given": _("授权"),
    "people.grant-given-to": _("授权"),
    "people.grant-revoked": _("收回授权"),
    "people.grant-revoked-of": _("收回授权"),
    "people.deputy-appointed": _("指定代理人"),
    "people.deputy-appointed-to": _("指定为代理人"),
    "people.deputy-revoked": _("收回代理"),
    "people.deputy-revoked-of": _("收回代理"),
}
"""What actions of people are called in the audit log."""


@register.filter
def place_name(place: str) -> str:
    """Return the name of a place id, for `{{ row.place|place_name }}`."""
    return house().catalog.place_name(place) if place else ""


@register.filter
def is_zone(place: str) -> bool:
    """Return whether a place is a functional zone."""
    places = house().catalog.places
    return place in places and places.get(place).kind == "zone"


@register.filter
def audit_title(action: str) -> str:
    """Return what an action of people is called; its own name where it is not one of them."""
    return str(TITLES.get(action, action))


@register.filter
def audit_change(entry: AuditEntry) -> str:
    """Return in a line what an entry says changed.

    Examples
    --------
    >>> audit_change(AuditEntry(before={"name": "甲", "kind": "owner"}, after={"name": "乙", "kind": "owner"}))
    'name：甲 → 乙'
    """
    before, after = entry.before or {}, entry.after or {}
    if "role" in (said := after or before):
        return f"{ROLE_NAMES.get(said['role'], said['role'])}（{place_name(said['place'])}）"
    if not entry.before:
        return "，".join(f"{name}：{value}" for name, value in after.items() if value not in (None, "", []))
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return "，".join(f"{name}：{before.get(name)} → {after.get(name)}" for name in changed)
