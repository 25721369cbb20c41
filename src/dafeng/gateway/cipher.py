"""AES-128-CBC as gateways use it: a fixed key and initial vector, three ways to fill the last block, no authentication.

Ciphertext says nothing about who wrote it: a body is believed only after the login's digest, and the line belongs behind TLS or VPN.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dafeng.gateway.profile import Keys, Padding

__all__ = ["CipherFault", "decrypt", "encrypt", "padding_of", "starts_like_xml"]

_BLOCK: Final = 16
_END: Final = re.compile(rb"</root\s*>")
_SPACE: Final = b" \t\r\n"


class CipherFault(NamedTuple):
    """Ciphertext that gives no body."""

    name: str
    """length: not whole blocks; key: no XML comes out, so the key is probably another one; trailing: more follows the root's end
    than padding."""
    detail: str
    """With which value; never any byte of what came out."""


def encrypt(plain: bytes, keys: Keys, padding: Padding) -> bytes:
    """Return the ciphertext of a body; zero padding adds nothing to whole blocks.

    Examples
    --------
    >>> keys = Keys(bytes(16), secret="x")
    >>> [len(encrypt(b"<root></root>".ljust(size), keys, "pkcs7")) for size in (15, 16, 17)]
    [16, 32, 32]
    """
    short = -len(plain) % _BLOCK
    if padding == "pkcs7":
        filled = plain + bytes([short or _BLOCK]) * (short or _BLOCK)
    else:
        filled = plain + (b"0" if padding == "ascii_zero" else b"\0") * short
    encryptor = Cipher(algorithms.AES128(keys.key), modes.CBC(keys.iv)).encryptor()
    return encryptor.update(filled) + encryptor.finalize()


def decrypt(payload: bytes, keys: Keys) -> bytes | CipherFault:
    """Return the body up to the end of its root, whatever the last block is filled with.

    Examples
    --------
    >>> keys = Keys(bytes(16), secret="x")
    >>> decrypt(encrypt(b"<root>1</root>", keys, "ascii_zero"), keys)
    b'<root>1</root>'
    >>> decrypt(bytes(16), keys).name
    'key'
    """
    found = _split(payload, keys)
    return found if isinstance(found, CipherFault) else found[0]


def padding_of(payload: bytes, keys: Keys) -> Padding | None:
    """Return with what the last block of a sound ciphertext is filled; None where it is full or filled with nothing known.

    Examples
    --------
    >>> keys = Keys(bytes(16), secret="x")
    >>> padding_of(encrypt(b"<root>1</root>", keys, "pkcs7"), keys)
    'pkcs7'
    """
    found = _split(payload, keys)
    if isinstance(found, CipherFault) or not found[1]:
        return None
    fill = found[1].lstrip(_SPACE) or found[1]
    if fill == bytes(len(fill)):
        return "zero"
    if fill == b"0" * len(fill):
        return "ascii_zero"
    return "pkcs7" if fill == bytes([len(fill)]) * len(fill) else None


def starts_like_xml(payload: bytes, keys: Keys) -> bool:
    """Return whether the first block decrypts to the beginning of a body: cheap, to find the key of an unknown sender."""
    if len(payload) < _BLOCK:
        return False
    mixed = int.from_bytes(_block(keys.key)(payload[:_BLOCK])) ^ int.from_bytes(keys.iv)  # the first block of CBC
    return mixed.to_bytes(_BLOCK).lstrip(b"\xef\xbb\xbf" + _SPACE).startswith((b"<?xml", b"<root", b"<!--"))


@lru_cache(maxsize=1 << 15)
def _block(key: bytes) -> Callable[[bytes], bytes]:
    """Return the decryption of single blocks, kept: a stranger's frame is tried with every key, and setting one up costs most."""
    return Cipher(algorithms.AES128(key), modes.ECB()).decryptor().update


def _split(payload: bytes, keys: Keys) -> tuple[bytes, bytes] | CipherFault:
    """Return body and filling."""
    if not payload or len(payload) % _BLOCK:
        return CipherFault("length", f"{len(payload)} bytes are not whole blocks of 16")
    decryptor = Cipher(algorithms.AES128(keys.key), modes.CBC(keys.iv)).decryptor()
    plain = decryptor.update(payload) + decryptor.finalize()
    start = plain.rfind(b"</root")
    end = _END.match(plain, start) if start >= 0 else None
    if end is None:
        return CipherFault("key", "no end of the root element comes out")
    body, fill = plain[: end.end()], plain[end.end() :]
    rest = fill.lstrip(_SPACE)
    if len(rest) > _BLOCK or rest.strip(rest[:1]):
        return CipherFault("trailing", f"{len(rest)} bytes follow the root element")
    return body, fill
