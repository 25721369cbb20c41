"""Who speaks and how: profiles of the catalog, keys that never show, accounts."""

from __future__ import annotations

import hmac
import re
from enum import StrEnum
from typing import Final, NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ConfigDict, Field, InstanceOf, field_validator

from dafeng.base.errors import InputError
from dafeng.base.record import Record
from dafeng.catalog.gateway_schemas import BodyLayout, CrcScope, Md5Order, Padding
from dafeng.catalog.gateway_schemas import GatewayProfile as Profile

__all__ = [
    "Account",
    "AccountState",
    "BodyLayout",
    "CrcScope",
    "Keys",
    "Md5Order",
    "Padding",
    "Profile",
]


class Keys:
    """The secrets of a gateway: AES key and initial vector of 16 bytes each, and the secret of the login.

    Neither `repr` nor `str` shows any of them, and comparing takes the same time whatever differs.

    Parameters
    ----------
    key : bytes
    iv : bytes, optional
        The key again, as these gateways do, where none is given.
    secret : str
        What goes into the digest together with the challenge.

    Raises
    ------
    InputError
        A key is not of 16 bytes, or the secret is blank.

    Examples
    --------
    >>> keys = Keys(bytes(range(1, 17)), secret="IJKL")
    >>> keys, keys.iv == keys.key
    (Keys(hidden), True)
    >>> Keys.parse("0102030405060708090a0b0c0d0e0f10", secret="IJKL") == keys
    True
    """

    __slots__ = ("iv", "key", "secret")
    key: bytes
    iv: bytes
    secret: str

    def __init__(self, key: bytes, iv: bytes | None = None, *, secret: str) -> None:
        for name, part in (("key", key), ("initial vector", key if iv is None else iv)):
            if len(part) != _KEY_BYTES:
                raise _no_key(f"the {name} has {len(part)} bytes")
        if not secret:
            raise _no_key("the login secret is blank")
        object.__setattr__(self, "key", bytes(key))
        object.__setattr__(self, "iv", bytes(key if iv is None else iv))
        object.__setattr__(self, "secret", secret)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("keys do not change")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.key, self.iv, self.secret)

    @classmethod
    def parse(cls, key: str, iv: str | None = None, *, secret: str) -> Keys:
        """Return keys from text: 32 hexadecimal digits, or 16 characters of ASCII.

        Raises
        ------
        InputError
            A text is neither; the message does not repeat it.
        """
        return cls(_key_bytes(key, "key"), None if not iv else _key_bytes(iv, "initial vector"), secret=secret)

    def same_cipher(self, other: Keys) -> bool:
        """Return whether key and initial vector are those of `other`."""
        return hmac.compare_digest(self.key + self.iv, other.key + other.iv)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Keys):
            return NotImplemented
        return self.same_cipher(other) and hmac.compare_digest(self.secret.encode(), other.secret.encode())

    def __hash__(self) -> int:
        return hash((self.key, self.iv, self.secret))

    def __repr__(self) -> str:
        return "Keys(hidden)"


_CENTRE_GATEWAY: Final = "00"
_CENTRE: Final = re.compile(r"[0-9]{6}")
_KEY_BYTES: Final = 16
_KEY_DIGITS: Final = 32


def _restored(key: bytes, iv: bytes, secret: str) -> Keys:
    return Keys(key, iv, secret=secret)


def _key_bytes(text: str, name: str) -> bytes:
    plain = text.strip()
    if len(plain) == _KEY_DIGITS:
        try:
            return bytes.fromhex(plain)
        except ValueError:
            pass
    if len(plain) == _KEY_BYTES and plain.isascii():
        return plain.encode("ascii")
    raise _no_key(f"the {name} has {len(plain)} characters")


def _no_key(problem: str) -> InputError:
    return InputError(
        problem,
        doing="read the keys of a gateway",
        expected="key and initial vector of 16 bytes: 32 hexadecimal digits or 16 ASCII characters; a login secret",
        next_step="look them up in the gateway's delivery papers",
    )


class AccountState(StrEnum):
    """Whether a gateway may log in."""

    ACTIVE = "active"
    """It may."""
    SUSPENDED = "suspended"
    """It is known and may not."""


class Account(Record):
    """A gateway that a centre knows.

    Examples
    --------
    >>> account = Account(building="330302D110", gateway="01", profile="N", keys=Keys(bytes(16), secret="IJKL"))
    >>> account
    Account(building='330302D110', gateway='01', profile='N', keys=Keys(hidden), zone='Asia/Shanghai', state=<AccountState.ACTIVE: 'active'>)
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    building: str = Field(min_length=1)
    """Building code, or project code where the profile says so."""
    gateway: str = Field(min_length=1)
    """Gateway number within the building."""
    profile: str
    """Id of the profile that it is expected to speak."""
    keys: InstanceOf[Keys]
    """Its secrets."""
    zone: str = "Asia/Shanghai"
    """Time zone of its clock."""
    state: AccountState = AccountState.ACTIVE
    """Whether it may log in."""

    @property
    def of_centre(self) -> bool:
        """Whether it is a data centre below, which uploads documents and no readings: number 00, six digits for the building."""
        return self.gateway == _CENTRE_GATEWAY and bool(_CENTRE.fullmatch(self.building))

    @property
    def time_zone(self) -> ZoneInfo:
        """The zone of its clock."""
        return ZoneInfo(self.zone)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("a time zone of the IANA database, such as Asia/Shanghai") from error
        return zone
