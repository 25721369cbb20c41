"""Who somebody is whom an OIDC provider vouches for. Only the hook: the exchange with the provider is the house's own.

An institution with single sign-on wires a view that ends the authorization-code flow of its provider, with the library that it
trusts, and calls `sign_in_by_claims(request, claims)`. `DAFENG_OIDC_HOOK` names a function of its own from the verified
claims to `{"username": …, "name": …, "external_id": …}`; without one nobody comes in this way. Headers of a proxy are never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.module_loading import import_string

from dafeng.web.audit.services import Actor, record
from dafeng.web.house import house
from dafeng.web.people.models import User
from dafeng.web.people.services.accounts import sign_in

__all__ = ["sign_in_by_claims", "user_of_claims"]

Hook = Callable[[Mapping[str, Any]], Mapping[str, str]]


def user_of_claims(claims: Mapping[str, Any]) -> User | None:
    """Return the active user of verified claims: who has that subject; else, once, who has that name and no subject yet.

    Nobody is made by a sign-in: who is not put in by an administrator does not come in.

    Parameters
    ----------
    claims : mapping
        What the provider says; signature, issuer, audience and nonce were checked before.
    """
    path: str = settings.DAFENG_OIDC_HOOK
    if not path:
        return None
    hook: Hook = import_string(path)
    said = hook(claims)
    subject, username = str(said.get("external_id") or ""), str(said.get("username") or "")
    if not subject or len(subject) > 200:
        return None
    with transaction.atomic():
        user = User.objects.select_for_update().filter(external_id=subject).first()
        if user is None and username:
            user = (
                User.objects.select_for_update()
                .filter(username=username, external_id__isnull=True, is_active=True)
                .first()
            )
            if user is not None:
                user.external_id = subject
                user.save(update_fields=["external_id"])
                record(
                    "account.bound", user, by=Actor(user, user.name), at=house().now(), after={"external_id": subject}
                )
    return user if user is not None and user.is_active else None


def sign_in_by_claims(request: HttpRequest, claims: Mapping[str, Any]) -> User | None:
    """Begin a session of the user of verified claims; None where there is none. A second factor of the house is still due."""
    user = user_of_claims(claims)
    if user is not None:
        sign_in(request, user, by_what="oidc")
    return user
