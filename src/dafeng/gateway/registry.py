"""The gateways that a centre knows: onboarding one by one or by file, new keys, suspension; which account a login means.

Keys lie in ``gateway.sqlite3`` as they are: the owner's file permissions protect them, and whoever holds a copy of the file or
of a backup holds the keys. They are printed once, where they are made, and never shown again.
"""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.gateway.database import transaction
from dafeng.gateway.profile import Account, AccountState, Keys, Profile
from dafeng.intake.reading import read_sheets

__all__ = ["NewGateway", "OnboardingFile", "Registry", "make_keys", "new_account", "read_onboarding"]

ZONE: Final = "Asia/Shanghai"
_HEADS: Final = {
    "building": ("building", "building_id", "建筑代码", "建筑编码", "建筑编号", "项目编号", "project_id"),
    "gateway": ("gateway", "gateway_id", "网关", "网关编号", "网关号", "采集器", "采集器编号"),
    "profile": ("profile", "协议", "协议变体", "规约"),
    "key": ("key", "aes_key", "密钥", "加密密钥"),
    "iv": ("iv", "向量", "初始向量", "加密向量"),
    "secret": ("secret", "password", "口令", "认证密钥", "认证口令"),
    "zone": ("zone", "timezone", "时区"),
}
_LETTERS: Final = string.ascii_letters + string.digits
_KEY_LENGTH: Final = 16
_SEARCHED: Final = 20
"""Rows in which the head of a table is looked for."""


class NewGateway(NamedTuple):
    """A gateway to be taken in.

    Parameters
    ----------
    account : Account
    made : bool
        Whether its keys were made here and have to be told to whoever sets the gateway up.
    """

    account: Account
    made: bool


class OnboardingFile(NamedTuple):
    """What a file of gateways says.

    Parameters
    ----------
    gateways : tuple of NewGateway
        Rows without a fault.
    findings : tuple of Finding
        What is wrong with the others. None repeats a key.
    """

    gateways: tuple[NewGateway, ...]
    findings: tuple[Finding, ...]


def make_keys(*, characters: bool = False) -> Keys:
    """Return new keys, drawn by the system.

    Parameters
    ----------
    characters : bool
        Key and vector as 16 letters and digits, for gateways whose set-up program takes no others: 95 bits instead of 128.

    Examples
    --------
    >>> make_keys() == make_keys(), make_keys(characters=True).key.decode().isalnum()
    (False, True)
    """

    def drawn() -> str:
        return "".join(secrets.choice(_LETTERS) for _ in range(_KEY_LENGTH))

    if characters:
        return Keys(drawn().encode(), drawn().encode(), secret=drawn())
    return Keys(secrets.token_bytes(_KEY_LENGTH), secrets.token_bytes(_KEY_LENGTH), secret=drawn())


def new_account(
    building: str,
    gateway: str,
    profile: str,
    profiles: Mapping[str, Profile],
    *,
    key: str = "",
    iv: str = "",
    secret: str = "",
    zone: str = "",
    characters: bool = False,
) -> NewGateway:
    """Return an account from text; keys are made where none is given.

    Raises
    ------
    InputError
        A value is blank or no key, or key and secret are not both given; no message repeats a key.
    UnknownNameError
        There is no such profile or time zone.
    """
    doing = f"onboard gateway {building}/{gateway}"
    if not building.strip() or not gateway.strip():
        raise InputError(
            "建筑代码或网关号空缺 / building or gateway is blank",
            doing=doing,
            expected="建筑代码（如 370202A001）和网关号（如 01）",
            next_step="补上后重新登记 / fill it in",
        )
    if profile not in profiles:
        raise UnknownNameError(
            f"没有协议变体 {profile!r} / no such profile",
            doing=doing,
            expected="、".join(close_names(profile, profiles) or profiles),
            next_step="改用目录 gateway_profiles 中的编号 / name one of the catalog",
        )
    try:
        ZoneInfo(zone or ZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownNameError(
            f"没有时区 {zone!r} / no such time zone", doing=doing, expected="如 Asia/Shanghai", next_step="改正时区"
        ) from error
    if bool(key) != bool(secret) or (iv and not key):
        raise InputError(
            "密钥和口令只给了一部分 / key and secret are not both given",
            doing=doing,
            expected="密钥、口令都给（向量可省，等同密钥），或都不给由本机生成",
            next_step="补齐，或都去掉 / give both or neither",
        )
    keys = Keys.parse(key, iv or None, secret=secret) if key else make_keys(characters=characters)
    account = Account(building=building.strip(), gateway=gateway.strip(), profile=profile, keys=keys, zone=zone or ZONE)
    return NewGateway(account, made=not key)


def read_onboarding(
    path: Path, profiles: Mapping[str, Profile], *, profile: str = "N", characters: bool = False
) -> OnboardingFile:
    """Read a table of gateways: CSV, TSV, XLSX or XLS with a row of heads.

    Parameters
    ----------
    path : Path
        Columns 建筑代码 and 网关编号, and any of 协议, 密钥, 向量, 口令, 时区; English heads are read too.
    profiles : mapping
        Of the catalog.
    profile : str
        For rows that name none.
    characters : bool
        See `make_keys`.

    Returns
    -------
    OnboardingFile
        A faulty row is left out and told with its line; nothing of a gateway that stands twice is taken.

    Raises
    ------
    InputError
        The file cannot be read, or has no such head.
    """
    sheet = read_sheets(path)[0]
    rows = [[(cell or "").strip() for cell in row] for row in sheet.frame.iter_rows()]
    found = next(((number, heads) for number, row in enumerate(rows[:_SEARCHED]) if (heads := _heads(row))), None)
    if found is None:
        raise InputError(
            f"{path.name} 没有表头 / has no head",
            doing="onboard gateways by file",
            expected="一行表头，至少有 建筑代码、网关编号",
            next_step="补表头 / add a row of heads",
        )
    start, heads = found
    findings: list[Finding] = []
    taken: dict[tuple[str, str], tuple[int, NewGateway]] = {}
    twice: set[tuple[str, str]] = set()
    for number, row in enumerate(rows[start + 1 :], start + 2):
        given = {name: row[column] for name, column in heads.items()}
        if not any(row):
            continue
        given["profile"] = given.get("profile") or profile
        try:
            made = new_account(profiles=profiles, characters=characters, **given)
        except (InputError, UnknownNameError) as error:
            findings.append(
                _row_finding("row-refused", f"第 {number} 行没有登记：{error.problem}", path, number, error)
            )
            continue
        key = made.account.building, made.account.gateway
        if key in taken:
            twice.add(key)
            findings.append(
                _row_finding(
                    "row-twice", f"网关 {'/'.join(key)} 在第 {taken[key][0]} 行已有，两行都没有登记", path, number
                )
            )
            continue
        if len(key[1]) == 1 and key[1].isdigit():
            findings.append(
                _row_finding(
                    "number-short",
                    f"网关号 {key[1]} 只有一位，通常是两位；表格软件会去掉前面的 0",
                    path,
                    number,
                    severity=Severity.WARNING,
                )
            )
        taken[key] = number, made
    return OnboardingFile(tuple(made for key, (_, made) in taken.items() if key not in twice), tuple(findings))


def _heads(row: list[str]) -> dict[str, int] | None:
    plain = [cell.casefold().replace(" ", "") for cell in row]
    heads = {name: plain.index(word) for name, words in _HEADS.items() for word in reversed(words) if word in plain}
    return heads if {"building", "gateway"} <= heads.keys() else None


def _row_finding(
    name: str,
    sentence: str,
    path: Path,
    line: int,
    error: InputError | UnknownNameError | None = None,
    *,
    severity: Severity = Severity.ERROR,
) -> Finding:
    return Finding(
        name=f"gateway.onboarding.{name}",
        sentence=sentence,
        severity=severity,
        expected="" if error is None else error.expected,
        next_step="改正这一行后重新登记" if error is None else error.next_step,
        where=Location(file=path.name, line=line),
    )


class Registry:
    """Accounts of gateways.

    Parameters
    ----------
    connection : Connection
        Of `open_database`; used by one thread at a time.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.database import open_database
    >>> now, profiles = datetime(2026, 11, 20, tzinfo=UTC), load_catalog().gateway_profiles
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     connection = open_database(Path(folder) / "gateway.sqlite3")
    ...     registry = Registry(connection)
    ...     new = new_account("370202A001", "01", "N", profiles)
    ...     registry.put(new.account, at=now), registry.put(new.account, at=now)
    ...     registry.get("370202A001", "01") == new.account, registry.get("370202A001", "02")
    ...     connection.close()
    ('added', 'unchanged')
    (True, None)
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, building: str, gateway: str) -> Account | None:
        """Return the account of a gateway, None where there is none."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE building = ? AND gateway = ?", (building, gateway)
        ).fetchone()
        return None if row is None else _account(row)

    def accounts(self) -> list[Account]:
        """Return every account, by building and gateway."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM accounts ORDER BY building, gateway")
        return [_account(row) for row in rows]

    def changes(self) -> int:
        """Return how many changes there ever were; cheap to ask."""
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'changes'").fetchone()
        return 0 if row is None else int(row[0])

    def put(self, account: Account, *, at: datetime) -> Literal["added", "changed", "unchanged"]:
        """Add an account, or put it in the place of the one of that gateway."""
        return self.put_all([account], at=at)[0]

    def put_all(self, accounts: Iterable[Account], *, at: datetime) -> list[Literal["added", "changed", "unchanged"]]:
        """Add or replace accounts, all or none of them."""
        said: list[Literal["added", "changed", "unchanged"]] = []
        with transaction(self._connection):
            for account in accounts:
                known = self.get(account.building, account.gateway)
                said.append("added" if known is None else "unchanged" if known == account else "changed")
                if said[-1] != "unchanged":
                    self._write(account, at)
        return said

    def _write(self, account: Account, at: datetime) -> None:
        keys = account.keys
        self._connection.execute(
            """INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (building, gateway) DO UPDATE SET
               profile = excluded.profile, key = excluded.key, iv = excluded.iv, secret = excluded.secret,
               zone = excluded.zone, state = excluded.state, changed_at = excluded.changed_at""",
            (account.building, account.gateway, account.profile, keys.key, keys.iv, keys.secret, account.zone,
             account.state.value, at.isoformat(), at.isoformat()),
        )  # fmt: skip

        self._connection.execute(
            "INSERT INTO meta VALUES ('changes', '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
        )

    def change(self, building: str, gateway: str, *, at: datetime, **values: Any) -> Account:
        """Change values of an account: its keys, profile, zone or state.

        Raises
        ------
        UnknownNameError
            There is no such gateway; close ones are offered.
        """
        with transaction(self._connection):
            known = self.get(building, gateway)
            if known is None:
                names = [f"{one.building}/{one.gateway}" for one in self.accounts()]
                close = "、".join(close_names(f"{building}/{gateway}", names))
                raise UnknownNameError(
                    f"没有登记网关 {building}/{gateway} / no such gateway",
                    doing="change the account of a gateway",
                    expected=close or "已登记的网关 / one that is onboarded",
                    next_step="dafeng gateway status 查看已登记的网关",
                )
            changed = known.model_copy(update=values)
            self._write(changed, at)
        return changed

    def suspend(self, building: str, gateway: str, *, at: datetime) -> Account:
        """Let a gateway log in no longer; a server that runs ends its connection."""
        return self.change(building, gateway, at=at, state=AccountState.SUSPENDED)

    def resume(self, building: str, gateway: str, *, at: datetime) -> Account:
        """Let a gateway log in again."""
        return self.change(building, gateway, at=at, state=AccountState.ACTIVE)


_COLUMNS: Final = "building, gateway, profile, key, iv, secret, zone, state"


def _account(row: tuple[str, str, str, bytes, bytes, str, str, str]) -> Account:
    building, gateway, profile, key, iv, secret, zone, state = row
    return Account(
        building=building,
        gateway=gateway,
        profile=profile,
        keys=Keys(key, iv, secret=secret),
        zone=zone,
        state=AccountState(state),
    )
