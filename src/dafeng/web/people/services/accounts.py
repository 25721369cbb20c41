"""A person's own entrance: sign-in, password, second factor, one-time links, sessions."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from typing import Final

import segno
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode, urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _
from django_otp import login as otp_login
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor, actor_of, record
from dafeng.web.house import house
from dafeng.web.people.models import User

__all__ = [
    "codes_renew", "enter_by_link", "has_second_factor", "link_of", "password_set", "qr_of", "second_factor_set",
    "second_factor_verify", "sessions_end", "sign_in", "sign_in_failed", "sign_out", "user_of_link",
]  # fmt: skip

BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
_CODES: Final = 10


class _LinkKeys(PasswordResetTokenGenerator):
    """Keys of one-time links: bound to the password hash, so that setting a password spends them; they expire."""

    key_salt = "dafeng.web.people.link"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}:{user.password}:{user.session_mark}:{user.is_active}:{timestamp}"


_LINKS: Final = _LinkKeys()


def link_of(user: User) -> str:
    """Return the path of a one-time link by which a user sets a password. It holds for `PASSWORD_RESET_TIMEOUT` seconds."""
    who = urlsafe_base64_encode(str(user.pk).encode())
    return f"{reverse('people:enter')}?{urlencode({'who': who, 'key': _LINKS.make_token(user)})}"


def user_of_link(who: str, key: str) -> User | None:
    """Return the user of a link that still holds."""
    try:
        pk = int(urlsafe_base64_decode(who).decode("ascii"))
        user = User.objects.filter(pk=pk, is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return user if user is not None and _LINKS.check_token(user, key) else None


def sign_in(request: HttpRequest, user: User, *, by_what: str) -> None:
    """Begin a session of a user, with a key of its own.

    Parameters
    ----------
    request : HttpRequest
    user : User
    by_what : str
        How the user proved who they are: password, link, oidc.
    """
    if request.user.is_authenticated and request.user.pk != user.pk:
        logout(request)
    with transaction.atomic():
        login(request, user, backend=BACKEND)
        now = int(house().now().timestamp())
        request.session["since"] = request.session["seen"] = now
        by = Actor(user, user.name, "", user.organisation_id, *_of_request(request))
        record("account.signed-in", user, by=by, at=house().now(), after={"by": by_what})


def sign_in_failed(request: HttpRequest, username: str) -> None:
    """Write down that a sign-in failed. A name that nobody has is not kept: it may be a password in the wrong field."""
    user = User.objects.filter(username=username[:60]).first()
    locked = bool(getattr(request, "axes_locked_out", False))
    if locked and getattr(request, "axes_failures_since_start", None) is None:
        return  # the lock held already, and nobody looked at what was typed: it was told when it fell
    by = Actor(None, "（未登录）", "", None, *_of_request(request))
    with transaction.atomic():
        record(
            "account.locked" if locked else "account.sign-in-failed",
            user if user is not None else ("people.user", "?"),
            by=by,
            at=house().now(),
            after={"username": user.username if user is not None else None},
        )


def sign_out(request: HttpRequest) -> None:
    """End this session."""
    with transaction.atomic():
        if request.user.is_authenticated:
            record("account.signed-out", request.user, by=actor_of(request), at=house().now())
        logout(request)


def _of_request(request: HttpRequest) -> tuple[str, str]:
    return getattr(request, "id", ""), request.META.get("REMOTE_ADDR", "")


def sessions_end(user: User, *, by: Actor, request: HttpRequest | None = None) -> None:
    """End every session and every open link of a user, but for the session of a request."""
    with transaction.atomic():
        _mark(user)
        record("account.sessions-ended", user, by=by, at=house().now())
    if request is not None:
        update_session_auth_hash(request, user)


def _mark(user: User) -> None:
    user.session_mark = secrets.token_hex(8)
    user.save(update_fields=["session_mark"])


def password_set(user: User, password: str, *, by: Actor, request: HttpRequest | None = None) -> None:
    """Set a password that the rules have admitted; other sessions and open links of the user end.

    Raises
    ------
    RefusedError
        It is the present one.
    """
    if user.has_usable_password() and user.check_password(password):
        raise RefusedError("password.same", _("新密码不能与现用密码相同。"))
    with transaction.atomic():
        user.set_password(password)
        user.password_set_at, user.must_change_password = house().now(), False
        user.save(update_fields=["password", "password_set_at", "must_change_password"])
        _mark(user)
        record("account.password-set", user, by=by, at=house().now())
    if request is not None and request.user.is_authenticated:
        update_session_auth_hash(request, user)


def enter_by_link(request: HttpRequest, who: str, key: str, password: str) -> User:
    """Set the password of the user of a link and sign in, once.

    Raises
    ------
    RefusedError
        The link is spent or too old, or the password is the present one.
    """
    with transaction.atomic():
        found = user_of_link(who, key)
        user = None if found is None else User.objects.select_for_update().get(pk=found.pk)
        if user is None or not _LINKS.check_token(user, key):
            raise RefusedError("link.spent", _("链接已使用或已过期，请向管理员索取新的链接。"))
        password_set(user, password, by=Actor(user, user.name, "", user.organisation_id, *_of_request(request)))
    sign_in(request, user, by_what="link")
    return user


# second factor


def has_second_factor(user: User) -> bool:
    """Return whether a user has set up a second factor."""
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def new_key() -> str:
    """Return a new key of a second factor, in hexadecimal digits."""
    return secrets.token_hex(20)


def qr_of(user: User, key: str) -> tuple[str, str]:
    """Return the QR code of a key as a data image, and the key as it is typed."""
    device = TOTPDevice(user=user, key=key, name="totp")
    code = segno.make(device.config_url, error="m").svg_data_uri(scale=5, border=2)
    typed = base64.b32encode(bytes.fromhex(key)).decode("ascii")
    return code, " ".join(typed[at : at + 4] for at in range(0, len(typed), 4))


def second_factor_set(request: HttpRequest, key: str, code: str) -> list[str]:
    """Set up the second factor of who is signed in by a code of its key; return the recovery codes, to be shown once.

    Raises
    ------
    RefusedError
        The code does not fit.
    """
    user = _user(request)
    now = house().now()
    totp = TOTP(bytes.fromhex(key), drift=0)
    totp.time = now.timestamp()
    if not (code.isascii() and code.isdigit()) or not totp.verify(int(code), tolerance=1):
        raise RefusedError("second-factor.code", _("动态口令不对。请核对手机时间后输入新的口令。"))
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        device = TOTPDevice.objects.create(user=user, name="totp", key=key, confirmed=True, last_t=totp.t())
        user.needs_second_factor = True
        user.save(update_fields=["needs_second_factor"])
        codes = _new_codes(user)
        record("account.second-factor-set", user, by=actor_of(request), at=now)
    sessions_end(user, by=actor_of(request), request=request)
    otp_login(request, device)
    return codes


def second_factor_verify(request: HttpRequest, code: str) -> None:
    """Take the second factor of who is signed in: a code of the device, or a recovery code, which is spent.

    Raises
    ------
    RefusedError
        It does not fit, or too many have failed of late.
    """
    user, typed = _user(request), "".join(code.split()).replace("-", "").lower()
    recovery = not typed.isdigit()
    with transaction.atomic():
        device = (StaticDevice if recovery else TOTPDevice).objects.select_for_update().filter(user=user).first()
        allowed, why = device.verify_is_allowed() if device is not None else (True, None)
        right = device is not None and allowed and device.verify_token(_digest(typed) if recovery else typed)
        if device is not None and allowed:
            said = "account.second-factor-given" if right else "account.second-factor-failed"
            record(said, user, by=actor_of(request), at=house().now(), after={"recovery": recovery})
    if not allowed:
        wait = max(1, round((why["locked_until"] - house().now()).total_seconds())) if why else 1
        raise RefusedError("second-factor.wait", _("输错次数较多，请 %(seconds)d 秒后再试。") % {"seconds": wait})
    if not right:
        raise RefusedError("second-factor.code", _("动态口令或恢复码不对。"))
    request.session.cycle_key()
    otp_login(request, device)


def codes_renew(request: HttpRequest) -> list[str]:
    """Replace the recovery codes of who is signed in; return the new ones, to be shown once."""
    user = _user(request)
    with transaction.atomic():
        codes = _new_codes(user)
        record("account.recovery-codes-renewed", user, by=actor_of(request), at=house().now())
    return codes


def second_factor_remove(user: User, *, by: Actor) -> None:
    """Remove the second factor of a user who has lost the device; a new one is due at the next sign-in."""
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        _mark(user)
        record("account.second-factor-removed", user, by=by, at=house().now())


def _new_codes(user: User) -> list[str]:
    """Make recovery codes; only their digests are kept."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery", confirmed=True)
    codes = [base64.b32encode(os.urandom(10)).decode("ascii").lower() for _ in range(_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=device, token=_digest(code)) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _user(request: HttpRequest) -> User:
    user = request.user
    if not user.is_authenticated:
        raise RefusedError("account.nobody", _("请先登录。"))
    return user
