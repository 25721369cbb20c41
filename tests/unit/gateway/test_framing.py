"""Streams of bytes to frames: faults, what is found again after them, and how much is held."""

import random
import time
from binascii import crc_hqx

import pytest

from dafeng.base.errors import InputError
from dafeng.gateway.cipher import encrypt
from dafeng.gateway.framing import Frame, FrameFault, FrameReader, encode_frame
from gateway_builders import KEYS, PROFILES

N, ZJ, RE, S = (PROFILES[name] for name in ("N", "N-ZJ", "N-RE", "S"))


def frame(profile=N, word=1, blocks=2):
    return encode_frame(profile, word, bytes(range(16)) * blocks, kind=3)


def short(found):
    return [item.word if isinstance(item, Frame) else (item.name, item.skipped) for item in found]


def flipped(data, place):
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def with_length(data, length):
    return data[:4] + length.to_bytes(4, "little") + data[8:]


CASES = {
    # what came, frames by word and faults by name and bytes passed over
    "two in one segment": (frame(word=1) + frame(word=2), [1, 2]),
    "bit in ciphertext": (flipped(frame(word=1), 20) + frame(word=2), [("crc", 50), 2]),
    "bit in check sum": (flipped(frame(word=1), -5) + frame(word=2), [("crc", 50), 2]),
    "bit in tail": (flipped(frame(word=1), -1) + frame(word=2), [("tail", 4), ("garbage", 46), 2]),
    "length too short": (with_length(frame(word=1), 20) + frame(word=2), [("tail", 4), ("garbage", 46), 2]),
    "length beyond the next frame": (
        with_length(frame(word=1), 36 + 32) + frame(word=2),
        [("tail", 4), ("garbage", 46), 2],
    ),
    "length no blocks": (with_length(frame(word=1), 37) + frame(word=2), [("length", 4), ("garbage", 46), 2]),
    "length below the word": (with_length(frame(word=1), 3) + frame(word=2), [("length", 4), ("garbage", 46), 2]),
    "length of everything": (
        with_length(frame(word=1), 0xFFFFFFF4) + frame(word=2),
        [("oversize", 4), ("garbage", 46), 2],
    ),
    "noise before": (b"GET / HTTP/1.1\r\n\r\n" + frame(word=2), [("garbage", 18), 2]),
    "noise between": (frame(word=1) + bytes(7) + frame(word=2), [1, ("garbage", 7), 2]),
    "head twice": (bytes.fromhex("68681616") + frame(word=2), [("length", 4), 2]),
    "nothing in it": (frame(blocks=0), [1]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_found(name):
    data, expected = CASES[name]
    data, expected = (
        frame(word=9) + data,
        [9, *expected],
    )  # before a sound frame a tail may be the head of another variant
    whole = FrameReader().feed(data)
    assert short(whole) == expected
    single = FrameReader()
    assert [item for at in range(len(data)) for item in single.feed(data[at : at + 1])] == whole
    assert sum(item.raw_length if isinstance(item, Frame) else item.skipped for item in whole) == len(data)


def test_swapped_head_is_not_taken_from_a_tail():
    reader = FrameReader()
    assert short(reader.feed(frame(ZJ, 1) + frame(ZJ, 2))) == [1, 2]
    mixed = FrameReader()
    mixed.feed(frame(N, 1))
    found = short(mixed.feed(bytes.fromhex("55AA55AA") + frame(N, 2)))
    assert found == [("garbage", 4), 2]


@pytest.mark.parametrize(("profile", "scope"), [(N, "word_and_cipher"), (RE, "frame"), (ZJ, "word_and_cipher")])
def test_scope_of_the_check_sum_is_found(profile, scope):
    assert [item.crc_scope for item in FrameReader().feed(frame(profile) * 3)] == [scope] * 3


def test_typed_frames():
    data = encode_frame(S, 0, b"<root/>", kind=1) + encode_frame(S, 0, b"", kind=2)
    assert [(item.kind, item.payload, item.crc_scope) for item in FrameReader().feed(data)] == [
        (1, b"<root/>", "none"),
        (2, b"", "none"),
    ]


def test_memory_is_bounded_and_an_oversized_frame_is_passed_over():
    reader = FrameReader(most=1024, garbage=256)
    big = frame(blocks=63)  # 18 + 63 * 16 = 1026 bytes
    assert len(big) == 1026
    faults = reader.feed(big)
    assert [item.name for item in faults] == ["oversize", "garbage", "garbage", "garbage"]
    held = 0
    source = random.Random(1)
    for _ in range(200):
        reader.feed(source.randbytes(700) + bytes.fromhex("68681616E4030000"))
        held = max(held, reader.held)
    assert 0 < held <= 1024


def test_largest_frame_passes_the_limit_exactly():
    data = frame(blocks=3)
    assert short(FrameReader(most=len(data)).feed(data)) == [1]
    assert short(FrameReader(most=len(data) - 1).feed(data))[0] == ("oversize", 4)


def test_garbage_is_said_in_runs_of_bounded_length():
    reader = FrameReader(garbage=100)
    found = reader.feed(bytes(250) + frame())
    assert short(found) == [("garbage", 100), ("garbage", 100), ("garbage", 50), 1]


def test_many_heads_take_time_that_grows_with_the_bytes():
    """Each head states a length that ends at one and the same tail: whoever works out a check sum for each is lost."""
    size, step = 1 << 18, 16
    data = bytearray(size)
    end = size - 6
    for at in range(0, size - 64, step):
        data[at : at + 8] = bytes.fromhex("68681616") + (end - at - 8).to_bytes(4, "little")
    data[-4:] = bytes.fromhex("55AA55AA")
    start = time.process_time()
    found = FrameReader().feed(bytes(data))
    assert time.process_time() - start < 2
    assert found
    assert all(isinstance(item, FrameFault) for item in found)


@pytest.mark.parametrize(
    ("profile", "word", "payload", "kind"),
    [(N, -1, b"", None), (N, 1 << 32, b"", None), (N, 1, b"abc", None), (S, 0, b"", None), (S, 0, b"", 256)],
)
def test_what_cannot_be_encoded(profile, word, payload, kind):
    with pytest.raises(InputError, match="encode a gateway frame"):
        encode_frame(profile, word, payload, kind=kind)


def test_encoded_frame_byte_by_byte():
    covered = "01000000" + bytes(range(16)).hex()
    crc = crc_hqx(bytes.fromhex(covered), 0).to_bytes(2, "little").hex()
    assert frame(blocks=1).hex() == "68681616" + "14000000" + covered + crc + "55aa55aa"
    assert encode_frame(S, 0, encrypt(b"<root/>", KEYS, "zero"), kind=3)[:7].hex() == "1f1f03" + "00000010"


def test_check_sum_is_xmodem():
    """The check value of CRC-16/XMODEM over the digits 1 to 9 is 31C3 in every catalogue of such sums."""
    assert crc_hqx(b"123456789", 0) == 0x31C3
