"""What the house asks of passwords and second factors."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from dafeng.web.house import house
from dafeng.web.people.models import User

__all__ = ["needs_second_factor", "password_is_due"]


def password_is_due(user: User) -> bool:
    """Return whether a user must set a new password: asked to, or the present one is too old.

    A user without a usable password signs in elsewhere and has none to change.
    """
    if user.must_change_password:
        return True
    days: int = settings.DAFENG_PASSWORD_DAYS
    return days > 0 and user.password_set_at is not None and user.password_set_at < house().now() - timedelta(days=days)


def needs_second_factor(role: str) -> bool:
    """Return whether a role may only be held with a second factor."""
    roles: frozenset[str] = settings.DAFENG_SECOND_FACTOR_ROLES
    return role in roles
