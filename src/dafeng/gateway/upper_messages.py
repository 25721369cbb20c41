"""What a centre and the one above say to one another when documents go up, as XML bodies in the same envelope as gateways use.

offer → offered (from which byte on) → part, part-taken … → finish → receipt; ask → missing. The form is our own and is described
in the reference; framing, cipher and login are those of the national protocol.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias
from xml.sax.saxutils import escape

from dafeng.gateway.message_reading import BodyFault, read_element
from dafeng.gateway.messages import Common

__all__ = [
    "Ask",
    "DocumentKind",
    "Finish",
    "Missing",
    "Offer",
    "Offered",
    "Part",
    "PartTaken",
    "Receipt",
    "Upload",
    "is_upload",
    "read_upload",
    "write_upload",
]

DocumentKind = Literal["daily", "hourly", "ledger"]
"""Daily files, those of one hour, the ledger of buildings."""
_SHA: Final = re.compile(r"[0-9a-f]{64}")
_BIG: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Offer:
    """A document is ready.

    Parameters
    ----------
    kind : str
        Of `DocumentKind`.
    period : str
        Local day such as 2026-03-10, or hour such as 2026-03-10T14.
    name : str
        File name.
    size : int
        Bytes.
    sha256 : str
        Of the whole document.
    """

    operation: ClassVar[str] = "offer"
    kind: str
    period: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Offered:
    """From which byte on the document is wanted; done where it is there already; refused with a reason."""

    operation: ClassVar[str] = "offered"
    sha256: str
    state: str
    offset: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a document, from an offset on."""

    operation: ClassVar[str] = "part"
    sha256: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class PartTaken:
    """So many bytes of the document are on the disk."""

    operation: ClassVar[str] = "part_taken"
    sha256: str
    offset: int


@dataclass(frozen=True, slots=True)
class Finish:
    """All parts were sent."""

    operation: ClassVar[str] = "finish"
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a document.

    Parameters
    ----------
    sha256 : str
    state : str
        imported, or refused.
    values : int
        Hours, or rows of a ledger, that were taken.
    refused : int
        Those that were not.
    detail : str
        What is wrong; blank where nothing is.
    """

    operation: ClassVar[str] = "receipt"
    sha256: str
    state: str
    values: int
    refused: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Which days are missing, from a first day to before another."""

    operation: ClassVar[str] = "ask"
    first: str
    past: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Days without daily files, and those whose files came late."""

    operation: ClassVar[str] = "missing"
    days: tuple[str, ...]
    late: tuple[str, ...]


Upload: TypeAlias = Offer | Offered | Part | PartTaken | Finish | Receipt | Ask | Missing
"""Any of them."""
_KINDS: Final[dict[str, type[Any]]] = {
    kind.operation: kind for kind in (Offer, Offered, Part, PartTaken, Finish, Receipt, Ask, Missing)
}


def is_upload(body: bytes) -> bool:
    """Return whether a plain body is one of these messages and not one of a gateway's."""
    return b"<upload " in body[:2048]


def write_upload(message: Upload, common: Common) -> bytes:
    """Return a message as XML.

    Examples
    --------
    >>> write_upload(Finish("ab"), Common("370200", "00")).decode()
    '<root><common><building_id>370200</building_id><gateway_id>00</gateway_id><type>finish</type></common><upload operation="finish"><sha256>ab</sha256></upload></root>'
    """
    parts = []
    for field in fields(message):
        value = getattr(message, field.name)
        text = (
            base64.b64encode(value).decode()
            if isinstance(value, bytes)
            else " ".join(value)
            if isinstance(value, tuple)
            else escape(str(value))
        )
        parts.append(f"<{field.name}>{text}</{field.name}>")
    head = (
        f"<building_id>{escape(common.building)}</building_id><gateway_id>{escape(common.gateway)}</gateway_id>"
        f"<type>{message.operation}</type>"
    )
    body = f'<upload operation="{message.operation}">{"".join(parts)}</upload>'
    return f"<root><common>{head}</common>{body}</root>".encode()


def read_upload(body: bytes, *, most: int = 1 << 20) -> Upload | BodyFault:
    """Return the message that a plain body holds; never an exception, whatever the bytes.

    Examples
    --------
    >>> read_upload(write_upload(Part("ab" * 32, 3, b"data"), Common("370200", "00"))).data
    b'data'
    >>> read_upload(b'<root><upload operation="open"/></root>')
    BodyFault(name='operation', detail="upload/'open'")
    """
    found = read_element(body, "upload", most=most)
    if isinstance(found, BodyFault):
        return found
    operation, texts = found[0].get("operation", ""), found[1]
    kind = _KINDS.get(operation)
    if kind is None:
        return BodyFault("operation", f"upload/{operation[:40]!r}")
    values: dict[str, Any] = {}
    for field in fields(kind):
        value = _value(str(field.type), field.name, texts.get(field.name))
        if value is None:
            return BodyFault("field", f"upload/{operation} {field.name}")
        values[field.name] = value
    message: Upload = kind(**values)
    return message


def _value(kind: str, name: str, text: str | None) -> Any:
    """Return a field's value, None where it is none."""
    if text is None:
        return None
    if kind == "bytes":
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None
    if kind == "int":
        return int(text) if re.fullmatch(r"[0-9]{1,13}", text) and int(text) < _BIG else None
    if kind.startswith("tuple"):
        return tuple(text.split())
    if name == "sha256" and not _SHA.fullmatch(text):
        return None
    return text
