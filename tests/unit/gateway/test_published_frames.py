"""The two published frames: their contents, encoded, give their length, check sum and SHA-256, which proves every byte of them."""

import csv
import hashlib
from binascii import crc_hqx
from pathlib import Path

import pytest

from dafeng.gateway import messages as m
from dafeng.gateway.cipher import decrypt, padding_of
from dafeng.gateway.detection import detect
from dafeng.gateway.framing import FrameReader
from dafeng.gateway.message_xml import read_body, write_body
from dafeng.gateway.profile import Keys
from dafeng.gateway.session import encode_message
from gateway_builders import PROFILES

V1 = m.LoginRequest(m.Common("110000015", "1100000140202"))
V2 = m.Challenge(m.Common("330302D110", "01"), "25247777")
FRAMES = {
    "V1": (V1, "N-RE", Keys.parse("0000000000123456", secret="-"), bytes.fromhex("1692ec42")),
    "V2": (V2, "N-ZJ", Keys(bytes(range(1, 17)), secret="-"), bytes.fromhex("00010000")),
}
LITERAL = {
    # frame bytes, length field, ciphertext, plain text, check sum, scope, on the wire, SHA-256 of the frame
    "V1": (242, 228, 224, 209, 0x6441, "frame", "4164", "55d4b760315987882237b3b1871bff98cc9013100da781cbc70febc0ad7466cd"),
    "V2": (258, 244, 240, 225, 0x784B, "word_and_cipher", "4b78",
           "576590cb68fb62712b65e9c7faa49abea5edf90823c75f01f0da6e6a0ba5d0eb"),
}  # fmt: skip


def encoded(name: str) -> bytes:
    message, profile, keys, word = FRAMES[name]
    return encode_message(message, PROFILES[profile], keys, word=int.from_bytes(word, "little"))


@pytest.mark.parametrize("name", ["V1", "V2"])
def test_contents_give_the_published_frame(name):
    message, profile, _, word = FRAMES[name]
    whole, length, cipher, plain, crc, scope, wire, digest = LITERAL[name]
    frame = encoded(name)
    assert len(frame) == whole
    assert int.from_bytes(frame[4:8], "little") == length
    assert frame[8:12] == word
    assert len(frame[12:-6]) == cipher
    assert len(write_body(message, PROFILES[profile])) == plain
    assert crc_hqx(frame[:-6] if scope == "frame" else frame[8:-6], 0) == crc
    assert frame[-6:-4].hex() == wire
    assert hashlib.sha256(frame).hexdigest() == digest


@pytest.mark.parametrize("name", ["V1", "V2"])
def test_published_frame_gives_its_contents(name):
    message, profile, keys, word = FRAMES[name]
    frame = encoded(name)
    [found] = FrameReader().feed(frame)
    assert (found.word, found.crc_scope) == (int.from_bytes(word, "little"), LITERAL[name][5])
    body = decrypt(found.payload, keys)
    assert len(body) == LITERAL[name][3]
    assert padding_of(found.payload, keys) == ("ascii_zero" if name == "V1" else "zero")
    assert read_body(body) == message
    assert detect(b"", frame, PROFILES.values(), [FRAMES["V1"][2], FRAMES["V2"][2]]).id == profile


def test_contents_stand_as_published():
    assert write_body(V1, PROFILES["N-RE"]) == (
        b'<?xml version="1.0" encoding="utf-8" ?><root><common><project_id>110000015</project_id>'
        b"<gateway_id>1100000140202</gateway_id><type>request</type></common>"
        b'<id_validate operation="request" ></id_validate></root>'
    )
    assert write_body(V2, PROFILES["N-ZJ"]).decode().splitlines()[-4:] == [
        '  <id_validate operation="sequence">',
        "    <sequence>25247777</sequence>",
        "  </id_validate>",
        "</root>",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        m.LoginRequest(m.Common("110000016", "1100000140202")),
        m.LoginRequest(m.Common("110000015", "1100000140203")),
    ],
)
def test_other_contents_give_another_frame(changed):
    frame = encode_message(changed, PROFILES["N-RE"], FRAMES["V1"][2], word=0x42EC9216)
    assert len(frame) == 242
    assert hashlib.sha256(frame).hexdigest() != LITERAL["V1"][7]


def test_figures_are_those_of_the_reference_material(shared: Path):
    with (shared / "domain/facts/gateway_test_vectors.csv").open(encoding="utf-8") as stream:
        rows = {row["vector"]: row for row in csv.DictReader(stream)}
    for name, (whole, length, cipher, plain, crc, _, wire, digest) in LITERAL.items():
        row = rows[name]
        assert [int(row[key]) for key in ("frame_bytes", "length_field", "ciphertext_bytes", "plaintext_bytes")] == [
            whole,
            length,
            cipher,
            plain,
        ]
        assert (int(row["crc_value"], 16), row["crc_on_wire_hex"], row["frame_sha256"]) == (crc, wire, digest)
        assert row["sequence_word_hex"] == FRAMES[name][3].hex()
