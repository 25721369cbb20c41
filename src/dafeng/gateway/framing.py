"""Bytes to frames and back, under any segmentation, in bounded memory and in time that grows with the bytes alone.

Two framings: national (head, length u32 LE, sequence word u32 LE, ciphertext, CRC-16/XMODEM u16 LE, tail; the length covers word
and ciphertext) and typed (head, type u8, length u32 BE, data). Head and tail of one variant are tail and head of another, so a
reader keeps to the head of its first sound frame.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from dafeng.base.errors import InputError
from dafeng.catalog.gateway_schemas import CrcScope
from dafeng.gateway.profile import Profile

__all__ = ["KNOWN_SHAPES", "Frame", "FrameFault", "FrameReader", "FrameShape", "encode_frame"]

_WORD: Final = 4
_CRC: Final = 2
_BLOCK: Final = 16
_NATIONAL_HEAD: Final = 8
"""Head and length; the sequence word is part of what the length covers."""
_TYPED_FIXED: Final = 5
"""Type and length."""
_PREVIEW: Final = 8


class FrameShape(NamedTuple):
    """Head, tail and kind of a framing."""

    head: bytes
    tail: bytes
    typed: bool
    kinds: frozenset[int] = frozenset()
    """Type bytes that a typed frame may have; any where blank."""


KNOWN_SHAPES: Final = (
    FrameShape(b"\x68\x68\x16\x16", b"\x55\xaa\x55\xaa", False),
    FrameShape(b"\x55\xaa\x55\xaa", b"\x68\x68\x16\x16", False),
    FrameShape(b"\x1f\x1f", b"", True, frozenset(range(1, 17))),
)
"""The framings in use: national, with head and tail swapped, typed."""


class Frame(NamedTuple):
    """A sound frame."""

    kind: int | None
    """Type byte; None in the national framing."""
    word: int
    """Sequence word; 0 in the typed framing."""
    payload: bytes
    """Ciphertext, or plain data where the type has it so."""
    raw_length: int
    """Bytes of the whole frame."""
    crc_scope: CrcScope
    """Which scope of the check sum matched."""
    head: bytes
    """First bytes."""


class FrameFault(NamedTuple):
    """Bytes that are no frame, and were skipped."""

    name: Literal["crc", "length", "oversize", "garbage", "tail"]
    """What is wrong."""
    detail: str
    """With which value."""
    skipped: int
    """How many bytes were passed over."""


class FrameReader:
    """Cuts a stream of bytes into frames; what is no frame is passed over and said.

    Frames and faults are the same however the bytes are cut. A head whose frame ends in the wrong tail is passed over alone, so
    that what follows a wrong length is found again; a frame with head and tail but a wrong check sum is passed over whole.

    Parameters
    ----------
    most : int
        Bytes of the largest frame; no more is ever held. It may be changed between two calls of `feed`, but not to less than is
        held.
    garbage : int
        Bytes after which a run of garbage is said, so that it is never held or counted for ever.
    shapes : iterable of FrameShape, optional
        Framings to look for.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> frame = encode_frame(load_catalog().gateway_profiles["N"], 7, bytes(16))
    >>> reader = FrameReader()
    >>> reader.feed(frame[:20]), [found.word for found in reader.feed(frame[20:])], reader.held
    ([], [7], 0)
    """

    def __init__(
        self, *, most: int = 1 << 20, garbage: int = 65536, shapes: Iterable[FrameShape] = KNOWN_SHAPES
    ) -> None:
        self._most = most
        self._garbage = garbage
        self._shapes = tuple(shapes)
        self._longest_head = max(len(shape.head) for shape in self._shapes)
        self._buffer = bytearray()
        self._run = 0
        self._run_start = b""
        self._scope: CrcScope = "word_and_cipher"

    @property
    def most(self) -> int:
        """Bytes of the largest frame."""
        return self._most

    @most.setter
    def most(self, value: int) -> None:
        self._most = max(value, len(self._buffer))

    @property
    def garbage(self) -> int:
        """Bytes after which a run of garbage is said."""
        return self._garbage

    @garbage.setter
    def garbage(self, value: int) -> None:
        self._garbage = max(value, self._run + 1)

    def discard(self) -> None:
        """Let go of what is held."""
        self._buffer.clear()

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | FrameFault]:
        """Take bytes as they came and return the frames and faults that they complete."""
        found: list[Frame | FrameFault] = []
        view = memoryview(data)
        while True:
            room = max(self._most - len(self._buffer), 1)
            self._buffer += view[:room]
            view = view[room:]
            self._cut(found)
            if not view:
                return found

    def finish(self) -> list[FrameFault]:
        """Take that no more bytes come, and return what is left as faults."""
        found: list[Frame | FrameFault] = []
        self._end_run(found)
        if self._buffer:
            held = len(self._buffer)
            found.append(
                FrameFault("length", f"the bytes end within a frame, {held} bytes after its head begins", held)
            )
            self.discard()
        return [item for item in found if isinstance(item, FrameFault)]

    def _cut(self, found: list[Frame | FrameFault]) -> None:
        buffer, place = self._buffer, 0
        while place < len(buffer):
            start, shape = self._find_head(place)
            place = self._skip(place, start, found)
            if shape is None:
                break
            taken = self._take(place, shape, found)
            if taken == 0:
                break
            place += taken
        del buffer[:place]

    def _find_head(self, place: int) -> tuple[int, FrameShape | None]:
        """Return where the next head begins, or where the rest that could still become one begins."""
        best: tuple[int, FrameShape | None] = (len(self._buffer), None)
        for shape in self._shapes:
            at = self._buffer.find(shape.head, place, best[0] + len(shape.head) - 1)
            if at >= 0 and at < best[0]:
                best = (at, shape)
        if best[1] is not None:
            return best
        for at in range(max(place, len(self._buffer) - self._longest_head + 1), len(self._buffer)):
            rest = bytes(self._buffer[at:])
            if any(shape.head.startswith(rest) for shape in self._shapes):
                return at, None
        return best

    def _skip(self, place: int, start: int, found: list[Frame | FrameFault]) -> int:
        """Count the bytes up to `start` as garbage."""
        while place < start:
            count = min(start - place, self._garbage - self._run)
            if len(self._run_start) < _PREVIEW:
                self._run_start += bytes(self._buffer[place : min(place + count, place + _PREVIEW)])
                self._run_start = self._run_start[:_PREVIEW]
            self._run += count
            place += count
            if self._run >= self._garbage:
                self._end_run(found)
        return place

    def _end_run(self, found: list[Frame | FrameFault]) -> None:
        if self._run:
            begins = self._run_start.hex().upper()
            found.append(FrameFault("garbage", f"{self._run} bytes that begin {begins}", self._run))
        self._run, self._run_start = 0, b""

    def _take(self, place: int, shape: FrameShape, found: list[Frame | FrameFault]) -> int:
        """Return the bytes taken from `place` on, where a head stands; 0 where more are needed."""
        if shape.typed:
            return self._take_typed(place, shape, found)
        buffer = self._buffer
        if len(buffer) - place < _NATIONAL_HEAD:
            return 0
        length = int.from_bytes(buffer[place + 4 : place + 8], "little")
        if length < _WORD or (length - _WORD) % _BLOCK:
            return self._fault("length", f"length {length} is not 4 and whole blocks of 16", len(shape.head), found)
        whole = _NATIONAL_HEAD + length + _CRC + len(shape.tail)
        if whole > self._most:
            return self._fault("oversize", f"frame of {whole} bytes, at most {self._most}", len(shape.head), found)
        if len(buffer) - place < whole:
            return 0
        end = place + whole - len(shape.tail)
        if buffer[end : place + whole] != shape.tail:
            tail = buffer[end : place + whole].hex().upper()
            return self._fault("tail", f"tail {tail} after {whole} bytes", len(shape.head), found)
        scope = self._matching(bytes(buffer[place : end - _CRC]), int.from_bytes(buffer[end - _CRC : end], "little"))
        if scope is None:
            return self._fault("crc", f"check sum {buffer[end - _CRC : end].hex().upper()} fits no scope", whole, found)
        self._end_run(found)
        word = int.from_bytes(buffer[place + 8 : place + 12], "little")
        found.append(Frame(None, word, bytes(buffer[place + 12 : end - _CRC]), whole, scope, shape.head))
        self._settle(shape)
        return whole

    def _take_typed(self, place: int, shape: FrameShape, found: list[Frame | FrameFault]) -> int:
        buffer, start = self._buffer, place + len(shape.head)
        if len(buffer) - start < _TYPED_FIXED:
            return 0
        kind, length = buffer[start], int.from_bytes(buffer[start + 1 : start + 5], "big")
        if shape.kinds and kind not in shape.kinds:
            return self._fault("length", f"type byte {kind:02X}", len(shape.head), found)
        whole = len(shape.head) + _TYPED_FIXED + length
        if whole > self._most:
            return self._fault("oversize", f"frame of {whole} bytes, at most {self._most}", len(shape.head), found)
        if len(buffer) - place < whole:
            return 0
        self._end_run(found)
        found.append(Frame(kind, 0, bytes(buffer[start + _TYPED_FIXED : place + whole]), whole, "none", shape.head))
        self._settle(shape)
        return whole

    def _fault(
        self,
        name: Literal["crc", "length", "oversize", "tail"],
        detail: str,
        skipped: int,
        found: list[Frame | FrameFault],
    ) -> int:
        self._end_run(found)
        found.append(FrameFault(name, detail, skipped))
        return skipped

    def _matching(self, covered: bytes, stated: int) -> CrcScope | None:
        """Return the scope with which the check sum fits; the one that fitted last is tried first."""
        other: CrcScope = "frame" if self._scope == "word_and_cipher" else "word_and_cipher"
        for scope in (self._scope, other):
            if _crc(covered, scope) == stated:
                self._scope = scope
                return scope
        return None

    def _settle(self, shape: FrameShape) -> None:
        if len(self._shapes) > 1:
            self._shapes = (shape,)
            self._longest_head = len(shape.head)


def _crc(covered: bytes, scope: CrcScope) -> int:
    return crc_hqx(covered if scope == "frame" else covered[_NATIONAL_HEAD:], 0)


def encode_frame(profile: Profile, word: int, payload: bytes, *, kind: int | None = None) -> bytes:
    """Return a frame as the gateways of a profile send it.

    Parameters
    ----------
    profile : Profile
    word : int
        Sequence word; the typed framing has none.
    payload : bytes
        Ciphertext, of whole blocks in the national framing.
    kind : int, optional
        Type byte of the typed framing.

    Raises
    ------
    InputError
        The word does not fit into 32 bits, the payload is not of whole blocks, or a typed frame has no type.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> profiles = load_catalog().gateway_profiles
    >>> encode_frame(profiles["N"], 1, b"").hex()
    '686816160400000001000000...55aa55aa'
    >>> encode_frame(profiles["S"], 0, b"<root/>", kind=1).hex()
    '1f1f01000000073c726f6f742f3e'
    """
    head, tail = bytes.fromhex(profile.head), bytes.fromhex(profile.tail)
    if profile.framing == "typed":
        if kind is None or not 0 <= kind <= 0xFF:
            raise _unfit(f"type byte {kind}", "a type byte from 0 to 255")
        return head + bytes([kind]) + len(payload).to_bytes(4, "big") + payload
    if not 0 <= word <= 0xFFFFFFFF:
        raise _unfit(f"sequence word {word}", "a number from 0 to 4294967295")
    if len(payload) % _BLOCK:
        raise _unfit(f"a payload of {len(payload)} bytes", "whole blocks of 16 bytes")
    covered = head + (_WORD + len(payload)).to_bytes(4, "little") + word.to_bytes(4, "little") + payload
    return covered + _crc(covered, profile.crc_scope).to_bytes(2, "little") + tail


def _unfit(problem: str, expected: str) -> InputError:
    return InputError(problem, doing="encode a gateway frame", expected=expected, next_step="mend the caller")
