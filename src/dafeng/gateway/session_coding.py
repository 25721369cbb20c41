"""What both ends of a session need: whole frames of messages, answers to challenges, the framings of profiles."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from dafeng.catalog.gateway_schemas import Md5Order
from dafeng.gateway import messages as m
from dafeng.gateway.cipher import encrypt
from dafeng.gateway.framing import FrameShape, encode_frame
from dafeng.gateway.message_writing import write_body
from dafeng.gateway.profile import Account, Keys, Profile

__all__ = ["digest_answer", "encode_message", "matching_order", "shapes_of"]

_ORDERS: Final[tuple[Md5Order, Md5Order]] = ("sequence_secret", "secret_sequence")


def digest_answer(sequence: str, secret: str, order: Md5Order) -> str:
    """Return the answer to a challenge: MD5 of both, 32 hexadecimal digits.

    Examples
    --------
    >>> digest_answer("abc", "", "sequence_secret") == hashlib.md5(b"abc").hexdigest()
    True
    """
    text = sequence + secret if order == "sequence_secret" else secret + sequence
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def shapes_of(profiles: Iterable[Profile]) -> tuple[FrameShape, ...]:
    """Return the framings of profiles, each once."""
    kinds: dict[tuple[bytes, bytes, bool], set[int]] = {}
    for profile in profiles:
        key = (bytes.fromhex(profile.head), bytes.fromhex(profile.tail), profile.framing == "typed")
        kinds.setdefault(key, set()).update(profile.kinds.values())
    return tuple(FrameShape(*key, frozenset(range(1, 17)) if found else frozenset()) for key, found in kinds.items())


def encode_message(
    message: m.Message, profile: Profile, keys: Keys, *, word: int = 0, kind: int | None = None
) -> bytes:
    """Return the whole frame of a message.

    Parameters
    ----------
    message : Message
    profile : Profile
    keys : Keys
    word : int
        Sequence word.
    kind : int, optional
        Type byte for a body element to which the profile gives none.

    Raises
    ------
    InputError
        The profile has no type for it, or a text cannot be written.
    """
    body = write_body(message, profile)
    payload = encrypt(body, keys, profile.padding) if profile.enciphers(message.element) else body
    return encode_frame(profile, word, payload, kind=profile.kinds.get(message.element, kind))


def matching_order(challenge: str, account: Account | None, given: str, stated: Md5Order) -> Md5Order | None:
    """Return the order in which the answer is right; both are always worked out, and compared in constant time."""
    secret = "-" if account is None else account.keys.secret
    told = given.strip().lower().encode()
    orders = sorted(_ORDERS, key=lambda order: order != stated)
    right = [order for order in orders if hmac.compare_digest(digest_answer(challenge, secret, order).encode(), told)]
    return right[0] if right and account is not None else None
