"""Tokens by which programs act as a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from dafeng.web.access.actions import ACTIONS
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import ApiToken
from dafeng.web.people.selectors import reach_of

__all__ = ["FOR_TOKENS", "LONGEST", "reach_of_token", "token_make", "token_revoke"]

LONGEST: Final = timedelta(days=366)
FOR_TOKENS: Final = frozenset(ACTIONS) - {"people.manage", "people.deputy", "tokens.manage"}
"""Actions that a token may have: none by which it could make itself more than it is."""
_NOTED_EVERY: Final = timedelta(minutes=1)
_MOST: Final = 20


def token_make(*, name: str, actions: frozenset[str], days: int, by: Actor, reach: Reach) -> tuple[ApiToken, str]:
    """Make a token of who is signed in; return it and its secret, which is shown once and not kept.

    Parameters
    ----------
    name : str
        What it is for.
    actions : frozenset of str
    days : int
        How long it holds.
    by : Actor
    reach : Reach
        That of who is signed in: no token may do what its user may not.

    Raises
    ------
    RefusedError
        No action, or one that the user has not or no token may have; too long; too many.
    """
    if by.user is None or not actions or not actions <= FOR_TOKENS or not all(reach.can(one) for one in actions):
        raise RefusedError("token.actions", _("请选择至少一项您自己有权限的操作。"))
    if not 1 <= days <= LONGEST.days:
        raise RefusedError("token.days", _("有效期为 1 至 %(most)d 天。") % {"most": LONGEST.days})
    now = house().now()
    secret, digest = ApiToken.new_secret()
    with transaction.atomic():
        if ApiToken.objects.filter(user=by.user, revoked_at__isnull=True, expires_at__gt=now).count() >= _MOST:
            raise RefusedError("token.many", _("有效令牌已达 %(most)d 个，请先收回不用的。") % {"most": _MOST})
        token = ApiToken.objects.create(
            user=by.user,
            name=name,
            digest=digest,
            shown=secret[:10],
            actions=sorted(actions),
            expires_at=now + timedelta(days=days),
        )
        said = {"name": name, "actions": sorted(actions), "expires_at": token.expires_at}
        record("account.token-made", token, by=by, at=now, after=said)
    return token, secret


def token_revoke(token: ApiToken, *, by: Actor) -> None:
    """Revoke a token; it is refused from now on."""
    with transaction.atomic():
        row = ApiToken.objects.select_for_update().get(pk=token.pk)
        if row.revoked_at is not None:
            return
        row.revoked_at = house().now()
        row.save(update_fields=["revoked_at"])
        record("account.token-revoked", row, by=by, at=row.revoked_at)


def reach_of_token(secret: str) -> Reach | None:
    """Return what a program may do that shows a secret: what its user may do now, and of that what the token allows.

    It is found by its digest, so that how long the look-up takes says nothing about the secret.

    Returns
    -------
    Reach or None
        None where there is no such token, or it is revoked or expired, or its user is switched off.

    Examples
    --------
    >>> reach_of_token("")  # nothing is asked of the database
    """
    if not secret.startswith("dft_") or len(secret) > 100:
        return None
    now = house().now()
    token = (
        ApiToken.objects.select_related("user")
        .filter(digest=ApiToken.digest_of(secret), revoked_at__isnull=True, expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token is None:
        return None
    if token.last_used_at is None or now - token.last_used_at > _NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return reach_of(token.user, only=frozenset(token.actions) & FOR_TOKENS)
