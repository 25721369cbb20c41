"""People, the organisations to which they belong, and what they are granted where."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from datetime import date
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import F, Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from dafeng.web.access.actions import ROLE_NAMES, Role

__all__ = ["ApiToken", "Grant", "Organisation", "OrganisationKind", "User"]


class OrganisationKind(models.TextChoices):
    """Kind of an organisation."""

    BUREAU = "bureau", _("住建部门")
    GOVERNMENT = "government", _("人民政府、管委会")
    DEPARTMENT = "department", _("其他部门")
    OWNER = "owner", _("业主单位")
    COMPANY = "company", _("服务机构")
    AUDITOR = "auditor", _("审计核查机构")


class Organisation(models.Model):
    """An organisation that answers for something at a place."""

    code = models.SlugField(_("编号"), max_length=80, unique=True)
    name = models.CharField(_("名称"), max_length=120)
    kind = models.CharField(_("类别"), max_length=20, choices=OrganisationKind.choices)
    place = models.CharField(_("地方"), max_length=80, db_index=True)
    body = models.CharField(_("方案中的责任单位编号"), max_length=120, blank=True, db_index=True)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    active = models.BooleanField(_("启用"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        """Unique by name in a place; a body is held by one organisation."""

        ordering: ClassVar = ["place", "code"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["place", "name"],
                name="organisation_name_in_place",
                violation_error_message=_("同一地方已有同名单位。"),
            ),
            models.UniqueConstraint(
                fields=["body"],
                condition=~Q(body=""),
                name="organisation_of_body",
                violation_error_message=_("该责任单位已对应其他单位。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Makes users."""

    def create_user(self, username: str, name: str, password: str | None = None, **fields: Any) -> User:
        """Make a user; without a password they cannot sign in until one is set by link."""
        user = self.model(username=self.model.normalize_username(username), name=name, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser):
    """A person. What they may do stands in their grants, never here."""

    username = models.CharField(_("用户名"), max_length=60, unique=True)
    name = models.CharField(_("姓名"), max_length=60)
    email = models.EmailField(_("邮箱"), blank=True)
    phone = models.CharField(_("电话"), max_length=30, blank=True)
    organisation = models.ForeignKey(
        Organisation, verbose_name=_("单位"), on_delete=models.PROTECT, null=True, blank=True, related_name="members"
    )
    is_active = models.BooleanField(_("启用"), default=True)
    must_change_password = models.BooleanField(default=False)
    needs_second_factor = models.BooleanField(_("必须用动态口令"), default=False)
    password_set_at = models.DateTimeField(null=True, blank=True)
    external_id = models.CharField(max_length=200, null=True, blank=True, unique=True)
    """Subject of an OIDC provider."""
    language = models.CharField(max_length=10, default="zh-hans")
    session_mark = models.CharField(max_length=16, blank=True)
    """Changed to end every session and every link of the user."""
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar = ["name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        """By username."""

        ordering: ClassVar = ["username"]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        """Return the name."""
        return self.name

    def get_session_auth_hash(self) -> str:
        """Return what a session must still carry to be of this user: it changes with the password and with the mark."""
        return self._session_digest()

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Yield the same under former secret keys."""
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_digest(secret)

    def _session_digest(self, secret: str | bytes | None = None) -> str:
        said = f"{self.password}:{self.session_mark}"
        return salted_hmac("dafeng.web.people.session", said, secret=secret, algorithm="sha256").hexdigest()

    def is_verified(self) -> bool:
        """Whether the second factor was given in this session; set by the middleware of django-otp."""
        return False


class Grant(models.Model):
    """A role at an organisation over a place and what is below it, from a day to a day; perhaps as somebody's deputy."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="grants")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="grants")
    role = models.CharField(_("角色"), max_length=20, choices=[(role.value, ROLE_NAMES[role]) for role in Role])
    place = models.CharField(_("范围"), max_length=80)
    starts_on = models.DateField(_("自"))
    ends_on = models.DateField(_("至（不含）"), null=True, blank=True)
    stands_in_for = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="deputies")
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Days are half-open; one role once at a place."""

        ordering: ClassVar = ["user", "role", "place"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gt=F("starts_on")), name="grant_days_half_open"
            ),
            models.UniqueConstraint(
                fields=["user", "organisation", "role", "place"],
                condition=Q(revoked_at__isnull=True) & Q(stands_in_for__isnull=True),
                name="grant_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} {ROLE_NAMES[Role(self.role)]} {self.place}"

    def holds_on(self, day: date) -> bool:
        """Return whether it holds on a day."""
        return self.revoked_at is None and self.starts_on <= day and (self.ends_on is None or day < self.ends_on)


class ApiToken(models.Model):
    """A secret by which a program acts as a user, limited to some actions; only its digest is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(_("用途"), max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    shown = models.CharField(max_length=12)
    actions = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Newest first."""

        ordering: ClassVar = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} {self.shown}…"

    @staticmethod
    def new_secret() -> tuple[str, str]:
        """Return a new secret and its digest."""
        secret = f"dft_{secrets.token_urlsafe(32)}"
        return secret, ApiToken.digest_of(secret)

    @staticmethod
    def digest_of(secret: str) -> str:
        """Return the digest under which a secret is kept."""
        return hashlib.sha256(secret.encode()).hexdigest()
