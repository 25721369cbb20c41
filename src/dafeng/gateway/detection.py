"""Finding out how a sender speaks, by trying: head and tail, scope of the check sum, key, padding, names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dafeng.gateway.cipher import CipherFault, decrypt, padding_of, starts_like_xml
from dafeng.gateway.framing import Frame, FrameReader
from dafeng.gateway.message_xml import heard_spelling
from dafeng.gateway.profile import Keys, Profile

__all__ = ["Detected", "detect", "detect_frame", "is_plain"]


class Detected(NamedTuple):
    """What a first frame tells of its sender."""

    profile: Profile
    """The profile of the catalog that fits best, with what was found in place of what it says."""
    keys: Keys | None
    """The keys that opened it; None where none did, or where it is plain."""
    body: bytes | None
    """The plain body; None where no key opened it."""


def is_plain(payload: bytes) -> bool:
    """Return whether a payload of the typed framing is XML as it stands.

    Examples
    --------
    >>> is_plain(b" <root/>"), is_plain(bytes(16))
    (True, False)
    """
    return payload.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def detect_frame(frame: Frame, profiles: Iterable[Profile], keys: Iterable[Keys]) -> Detected | None:
    """Return how the sender of a sound frame speaks.

    Parameters
    ----------
    frame : Frame
    profiles : iterable of Profile
        Of several that fit alike the first counts.
    keys : iterable of Keys
        Tried in order, by the first block alone.

    Returns
    -------
    Detected or None
        None where no profile has that head.
    """
    fitting = [profile for profile in profiles if bytes.fromhex(profile.head) == frame.head]
    if not fitting:
        return None
    opened, body = _opened(frame, keys)
    if body is None:
        best = min(fitting, key=lambda profile: profile.crc_scope != frame.crc_scope)
        return Detected(best.model_copy(update={"crc_scope": frame.crc_scope}), None, None)
    padding = padding_of(frame.payload, opened) if opened is not None else None
    identity = "project_id" if b"<project_id" in body else "building_id"
    best = min(
        fitting,
        key=lambda profile: (
            profile.identity != identity,
            padding is not None and profile.padding != padding,
            profile.crc_scope != frame.crc_scope,
        ),
    )
    found = {
        "crc_scope": frame.crc_scope,
        "padding": padding or best.padding,
        "identity": identity,
        "spelling": {**best.spelling, **heard_spelling(body)},
    }
    return Detected(best.model_copy(update=found), opened, body)


def _opened(frame: Frame, keys: Iterable[Keys]) -> tuple[Keys | None, bytes | None]:
    if frame.kind is not None and is_plain(frame.payload):
        return None, frame.payload
    for candidate in keys:
        if starts_like_xml(frame.payload, candidate):
            body = decrypt(frame.payload, candidate)
            if not isinstance(body, CipherFault):
                return candidate, body
    return None, None


def detect(head: bytes, frame: bytes, profiles: Iterable[Profile], keys: Iterable[Keys]) -> Profile | None:
    """Return the profile that the bytes of one frame speak, with what was found in place of what it says.

    Parameters
    ----------
    head : bytes
        First bytes that were read; blank where they are part of `frame`.
    frame : bytes
        The rest of the frame.
    profiles, keys : iterable

    Returns
    -------
    Profile or None
        None where the bytes are no sound frame of any profile.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.cipher import encrypt
    >>> from dafeng.gateway.framing import encode_frame
    >>> profiles, keys = load_catalog().gateway_profiles, Keys(bytes(16), secret="x")
    >>> odd = profiles["N"].model_copy(update={"crc_scope": "frame", "padding": "ascii_zero"})
    >>> frame = encode_frame(odd, 1, encrypt(b"<root><a/></root>", keys, odd.padding))
    >>> found = detect(frame[:4], frame[4:], profiles.values(), [keys])
    >>> found.id, found.crc_scope, found.padding
    ('N', 'frame', 'ascii_zero')
    """
    sound = next((item for item in FrameReader().feed(head + frame) if isinstance(item, Frame)), None)
    found = None if sound is None else detect_frame(sound, profiles, keys)
    return None if found is None else found.profile
