"""How the platform is set up: from environment variables and the workspace folder.

| variable | meaning |
|---|---|
| `DAFENG_WORKSPACE` | workspace folder; pages need one |
| `DAFENG_DATABASE` | `postgresql://user:password@host:port/name`; the workspace's own `web.sqlite3` where not set |
| `DAFENG_HOSTS` | host names that the platform answers to, comma-separated |
| `DAFENG_HTTPS` | `1` behind HTTPS: secure cookies, HSTS, the proxy's `X-Forwarded-Proto` is believed |
| `DAFENG_TODAY` | day taken as today, for demonstrations and tests |
| `DAFENG_LEASE_SECONDS` | after how long a silent worker has lost its run; 60 |
| `DAFENG_LOG_LEVEL` | least weight of a log line: `INFO` (every request), `WARNING` |
| `DAFENG_SIGN_IN_ATTEMPTS` | failed sign-ins before a lock of 15 minutes |
| `DAFENG_PASSWORD_DAYS` | days after which a password must be changed; 90, 0 for never |
| `DAFENG_SECOND_FACTOR` | roles that need a second factor, comma-separated; `administrator,plan_owner,reviewer`, or `none` |
| `DAFENG_OIDC_HOOK` | dotted path of a function from OIDC claims to a user (see `dafeng.web.people.oidc`) |
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from dafeng.base.errors import UsageError
from dafeng.web.access.actions import Role

__all__ = ["Config", "read_config", "secret_of"]

SECRET_FILE: Final = "web.secret"
DATABASE_FILE: Final = "web.sqlite3"


@dataclass(frozen=True)
class Config:
    """What the environment says.

    Attributes
    ----------
    workspace : Path or None
    database : dict
        As Django takes it.
    hosts : tuple of str
    https : bool
    today : date or None
    attempts : int
        Failed sign-ins before a lock.
    password_days : int
        Days after which a password must be changed; 0 for never.
    second_factor_roles : frozenset of str
        Roles whose grant makes a second factor necessary.
    oidc_hook : str
        Dotted path; empty for none.
    """

    workspace: Path | None
    database: dict[str, Any]
    hosts: tuple[str, ...]
    https: bool
    today: date | None
    attempts: int
    password_days: int
    second_factor_roles: frozenset[str]
    oidc_hook: str


def read_config(environment: Mapping[str, str]) -> Config:
    """Return what the environment says.

    Raises
    ------
    UsageError
        A variable cannot be read.

    Examples
    --------
    >>> read_config({"DAFENG_DATABASE": "postgresql://a:b%40c@db:5432/dafeng"}).database["PASSWORD"]
    'b@c'
    >>> read_config({}).hosts
    ('localhost', '127.0.0.1', '[::1]')
    """
    folder = environment.get("DAFENG_WORKSPACE")
    workspace = Path(folder).absolute() if folder else None
    today = environment.get("DAFENG_TODAY")
    try:
        day = date.fromisoformat(today) if today else None
        attempts = int(environment.get("DAFENG_SIGN_IN_ATTEMPTS", "8"))
        password_days = int(environment.get("DAFENG_PASSWORD_DAYS", "90"))
    except ValueError as error:
        raise UsageError(
            f"DAFENG_TODAY, DAFENG_SIGN_IN_ATTEMPTS or DAFENG_PASSWORD_DAYS: {error}",
            doing="read the environment",
            expected="a day as 2026-10-31, a whole number",
            next_step="set the variable anew",
        ) from error
    hosts = tuple(name.strip() for name in environment.get("DAFENG_HOSTS", "").split(",") if name.strip())
    return Config(
        workspace=workspace,
        database=_database(environment.get("DAFENG_DATABASE"), workspace),
        hosts=hosts or ("localhost", "127.0.0.1", "[::1]"),
        https=environment.get("DAFENG_HTTPS") == "1",
        today=day,
        attempts=attempts,
        password_days=password_days,
        second_factor_roles=_roles(environment.get("DAFENG_SECOND_FACTOR", "administrator,plan_owner,reviewer")),
        oidc_hook=environment.get("DAFENG_OIDC_HOOK", ""),
    )


def _roles(said: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in said.split(",") if name.strip()) - {"none"}
    unknown = sorted(names - set(Role))
    if unknown:
        raise UsageError(
            f"DAFENG_SECOND_FACTOR names no role by {', '.join(unknown)}",
            doing="read the environment",
            expected=f"some of {', '.join(Role)}, or none",
            next_step="set the variable anew",
        )
    return names


def _database(url: str | None, workspace: Path | None) -> dict[str, Any]:
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ":memory:" if workspace is None else str(workspace / DATABASE_FILE),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise UsageError(
            "DAFENG_DATABASE names no PostgreSQL database",
            doing="read the environment",
            expected="postgresql://user:password@host:port/name",
            next_step="set the variable anew, or leave it out for the database in the workspace",
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def secret_of(workspace: Path | None) -> str:
    """Return the secret key of a workspace's platform, made at first use, readable by its owner alone."""
    if workspace is None:
        return secrets.token_urlsafe(50)
    path = workspace / SECRET_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(secrets.token_urlsafe(50))
        stream.flush()
        os.fsync(stream.fileno())
    return path.read_text(encoding="ascii").strip()
