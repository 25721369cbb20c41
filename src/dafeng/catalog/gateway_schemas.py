"""The typed shape of how a family of meter gateways speaks."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = ["BodyLayout", "CrcScope", "GatewayProfile", "Md5Order", "Padding"]

CrcScope = Literal["word_and_cipher", "frame", "none"]
"""What the check sum covers: the sequence word and the ciphertext, everything from the head on, or there is none."""
Padding = Literal["zero", "ascii_zero", "pkcs7"]
"""With what the last block of AES is filled: 0x00, 0x30, or as PKCS #7 says."""
Md5Order = Literal["sequence_secret", "secret_sequence"]
"""In which order challenge and secret go into the answer's digest."""


class BodyLayout(Record):
    """How the XML of a message is laid out; readers do not mind, but a published frame is only met byte by byte.

    Examples
    --------
    >>> BodyLayout().indent
    0
    """

    declaration: str = '<?xml version="1.0" encoding="utf-8"?>'
    """Declaration before the root; blank where there is none."""
    indent: int = Field(default=0, ge=0, le=8)
    """Spaces of one level, each element on a line of its own; 0 for all in one line."""
    empty: Literal["short", "pair", "spaced_pair"] = "short"
    """Elements without content: <a b=""/>, <a b=""></a>, or with a space before the bracket as in <a b="" ></a>."""


class GatewayProfile(Record):
    """How one family of gateways speaks: frame, check sum, cipher, login, names in the XML.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> profile = load_catalog().gateway_profiles["N-ZJ"]
    >>> profile.head, profile.tail, profile.crc_scope, profile.name("heart_beat")
    ('55AA55AA', '68681616', 'word_and_cipher', 'heart_beat')
    """

    id: str = Field(pattern=r"^[A-Z0-9]+(-[A-Z0-9]+)*$")
    """Unique id."""
    title: Title
    """Whose gateways."""
    framing: Literal["national", "typed"]
    """national: head, length u32 LE, sequence word u32 LE, ciphertext, CRC u16 LE, tail; typed: head, type u8, length u32 BE, data."""
    head: str = Field(pattern=r"^([0-9A-F]{2}){2,8}$")
    """First bytes of a frame, hexadecimal."""
    tail: str = Field(default="", pattern=r"^([0-9A-F]{2}){0,8}$")
    """Last bytes of a frame, hexadecimal; blank where there are none."""
    crc_scope: CrcScope
    """What the CRC-16/XMODEM covers."""
    padding: Padding
    """With what the last block is filled."""
    md5_order: Md5Order
    """Order of challenge and secret in the login's digest."""
    identity: Literal["building_id", "project_id"]
    """Element that names the building in the common part."""
    type_names: Literal["operation", "element"] = "operation"
    """Whether the common part's type repeats the operation or the name of the body element."""
    spelling: dict[str, str] = Field(default_factory=dict)
    """Canonical name to the name that these gateways use, where it differs."""
    kinds: dict[str, int] = Field(default_factory=dict)
    """Typed framing: canonical body element to type byte."""
    encrypted: tuple[str, ...] = ()
    """Typed framing: canonical body elements whose data are encrypted."""
    layout: BodyLayout = BodyLayout()
    """How its XML is laid out when written."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.framing == "national" and (len(self.head) != 8 or len(self.tail) != 8 or self.crc_scope == "none"):
            raise ValueError("the national framing has head and tail of four bytes and a check sum")
        if self.framing == "typed" and (self.tail or self.crc_scope != "none" or not self.kinds):
            raise ValueError("the typed framing has type bytes, and neither tail nor check sum")
        if len(set(self.kinds.values())) < len(self.kinds) or any(not 0 <= kind <= 255 for kind in self.kinds.values()):
            raise ValueError("type bytes are different numbers from 0 to 255")
        if not set(self.encrypted) <= set(self.kinds):
            raise ValueError("what is encrypted has a type byte")
        return self

    def name(self, canonical: str) -> str:
        """Return the name that these gateways use for a canonical one."""
        return self.spelling.get(canonical, canonical)

    def enciphers(self, element: str) -> bool:
        """Return whether a body element travels encrypted."""
        return self.framing == "national" or element in self.encrypted
