"""Laws of the gateway protocol: what is written is read back, however it is cut; no bytes do harm."""

import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.gateway import messages as m
from dafeng.gateway.cipher import CipherFault, decrypt, encrypt
from dafeng.gateway.decoding import decode_capture, describe
from dafeng.gateway.detection import is_plain
from dafeng.gateway.framing import Frame, FrameFault, FrameReader, encode_frame
from dafeng.gateway.message_xml import BodyFault, read_body, write_body
from dafeng.gateway.profile import BodyLayout, Keys, Profile
from dafeng.gateway.session import Closed, GatewaySession, Noted, Send, Store, encode_message
from gateway_builders import COMMON, DIGITS, KEYS, NOW, PROFILES, account, centre, logged_in, report, said

MOST = 1 << 16

letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"])
texts = st.text(letters, max_size=12).map(str.strip)
needed = st.text(letters, min_size=1, max_size=12).map(str.strip).filter(bool)
times = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)).map(
    lambda t: t.replace(microsecond=0)
)
numbers = st.integers(0, 999_999_999)
names = st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)
commons = st.tuples(texts, texts, st.sampled_from(["", "status"])).map(m.Common._make)
readings = st.builds(m.FunctionReading, texts, texts, texts, texts, texts)
facts = st.lists(st.tuples(names.filter(lambda name: name != "parse"), texts), max_size=4).map(tuple)
protocols = st.builds(m.ArchiveProtocol, texts, texts, texts, st.lists(texts, max_size=3).map(tuple))
meters = st.builds(m.ArchiveMeter, *[texts] * 7)
logins = st.one_of(
    st.builds(m.LoginRequest, commons),
    st.builds(m.Challenge, commons, needed),
    st.builds(m.Answer, commons, needed),
    st.builds(m.LoginResult, commons, st.booleans(), st.none() | times),
)
others = st.one_of(
    st.builds(m.HeartBeat, commons, texts),
    st.builds(m.TimeAnswer, commons, times),
    st.builds(m.Query, commons),
    st.builds(
        m.Report,
        commons,
        st.sampled_from(["reply", "report", "continuous"]),
        texts,
        times,
        st.lists(readings, max_size=5).map(tuple),
        st.none() | st.booleans(),
        st.none() | numbers,
        st.none() | numbers,
    ),
    st.builds(m.ReportAck, commons, st.sampled_from(["report_ack", "continuous_ack"]), texts, st.booleans()),
    st.builds(m.Control, commons, texts, texts, texts),
    st.builds(m.ControlAck, commons, texts, texts, texts, texts),
)
national_only = st.one_of(
    st.builds(m.SetPeriod, commons, numbers),
    st.builds(m.PeriodAck, commons, st.booleans()),
    st.builds(m.DeviceNote, commons, facts),
    st.builds(m.DeviceAck, commons, st.booleans()),
    st.builds(
        m.Archives,
        commons,
        facts,
        st.none() | numbers,
        st.lists(protocols, max_size=2).map(tuple),
        st.lists(meters, max_size=3).map(tuple),
    ),
    st.builds(m.ArchivesAck, commons, st.booleans()),
)
keys = st.builds(
    lambda key, iv, secret: Keys(key, iv, secret=secret),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
    needed,
)
layouts = st.builds(
    BodyLayout,
    declaration=st.sampled_from(["", '<?xml version="1.0" encoding="utf-8" ?>', '<?xml version="1.0"?>']),
    indent=st.integers(0, 4),
    empty=st.sampled_from(["short", "pair", "spaced_pair"]),
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """A profile of the catalog with every setting that may differ drawn anew."""
    found = draw(st.sampled_from(list(PROFILES.values())))
    changed = {
        "padding": draw(st.sampled_from(["zero", "ascii_zero", "pkcs7"])),
        "identity": draw(st.sampled_from(["building_id", "project_id"])),
        "type_names": draw(st.sampled_from(["operation", "element"])),
        "layout": draw(layouts),
        "spelling": draw(
            st.sampled_from([{}, {"heart_beat": "heat_beat", "parser": "parse", "report_ack": "data_ack", "pass": "1"}])
        ),
    }
    if found.framing == "national":
        changed["crc_scope"] = draw(st.sampled_from(["word_and_cipher", "frame"]))
    return found.model_copy(update=changed)


def cut(data: bytes, source: random.Random) -> Iterator[bytes]:
    """Give the bytes in pieces of any size."""
    at = 0
    while at < len(data):
        size = source.choice((1, 2, 7, 40, 4096))
        yield data[at : at + size]
        at += size


@settings(max_examples=5 * settings().max_examples)
@given(st.data(), profiles(), keys, st.randoms(use_true_random=False))
def test_what_is_written_is_read_back_under_any_segmentation(data, profile, secret, source):
    allowed = logins | others | national_only if profile.framing == "national" else logins | others
    sent = data.draw(st.lists(allowed, min_size=1, max_size=3))
    words = data.draw(st.lists(st.integers(0, 0xFFFFFFFF), min_size=len(sent), max_size=len(sent)))
    stream = b"".join(
        encode_message(message, profile, secret, word=word) for message, word in zip(sent, words, strict=True)
    )
    reader = FrameReader()
    frames = [item for piece in cut(stream, source) for item in reader.feed(piece)]
    assert sum(frame.raw_length for frame in frames) == len(stream)
    got = []
    for frame, word in zip(frames, words, strict=True):
        assert frame.word == (word if profile.framing == "national" else 0)
        assert frame.crc_scope == profile.crc_scope or not frame.payload
        plain = frame.kind is not None and is_plain(frame.payload)
        got.append(read_body(frame.payload if plain else decrypt(frame.payload, secret)))
    assert got == sent


@given(st.lists(st.binary(max_size=40) | st.integers(0, 3), max_size=6), st.randoms(use_true_random=False))
def test_frames_and_faults_do_not_depend_on_the_segmentation(parts, source):
    frames = [said(m.HeartBeat(COMMON), profile) for profile in PROFILES.values()]
    stream = b"".join(part if isinstance(part, bytes) else frames[part] for part in parts)
    whole, pieces = FrameReader(garbage=64), FrameReader(garbage=64)
    expected = whole.feed(stream) + whole.finish()
    found = [item for piece in cut(stream, source) for item in pieces.feed(piece)] + pieces.finish()
    assert found == expected
    assert sum(item.raw_length if isinstance(item, Frame) else item.skipped for item in found) == len(stream)


@given(st.binary(max_size=300))
def test_any_bytes_give_faults_and_no_exception(data):
    body = b"<root>" + data + b"</root>"
    assert isinstance(read_body(data), BodyFault)
    read_body(body)
    session = centre()
    assert not any(isinstance(step, Store) for step in session.receive(data, NOW))
    for found in decode_capture(data, PROFILES.values(), [KEYS]):
        describe(found)


# ── fuzz ──


def seeds() -> list[bytes]:
    """Plain bodies of all operations."""
    common = m.Common("330302D110", "01")
    sent: list[m.Message] = [
        m.LoginRequest(common),
        m.Challenge(common, DIGITS),
        m.Answer(common, "0" * 32),
        m.LoginResult(common, True, datetime(2024, 1, 1, 12)),
        m.HeartBeat(common, "master"),
        m.TimeAnswer(common, datetime(2024, 1, 1, 12)),
        m.Query(common),
        report(),
        report(operation="continuous", total=4, current=1),
        m.ReportAck(common, "report_ack", "1"),
        m.SetPeriod(common, 15),
        m.DeviceNote(common, (("build_name", "办公楼"), ("ip", "10.0.0.2"))),
        m.Archives(
            common, (("build_name", "甲"),), 30, (m.ArchiveProtocol("1", items=("1",)),), (m.ArchiveMeter("01"),)
        ),
        m.Control(common, "1", "01", "0A"),
        m.ControlAck(common, "1", "01", "F0", "0A"),
    ]
    return [write_body(message, PROFILES[name]) for message in sent for name in ("N", "N-ZJ")]


PIECES = (
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x", b"</root>", b"<root>", b"\xff",
    b"\0", b"<meter>", b"<a:b xmlns:a='c'>", b"operation=", b"99999999999999", b"&#0;", b"&#x10FFFF;", b"<data ", b"\xc4\xe3",
    b"68681616", bytes.fromhex("68681616"), bytes.fromhex("55AA55AA"), bytes.fromhex("1F1F"), b"\xef\xbb\xbf",
)  # fmt: skip


def mutated(data: bytes, source: random.Random) -> bytes:
    """Return bytes with a few of them changed, left out, doubled, moved, or something nasty put in."""
    found = bytearray(data)
    for _ in range(source.choice((0, 1, 1, 1, 2, 4))):
        at = source.randrange(len(found) + 1)
        match source.randrange(6):
            case 0 if at < len(found):
                found[at] = source.randrange(256)
            case 1:
                del found[at : at + source.choice((1, 1, 4, 30))]
            case 2:
                found[at:at] = source.choice(PIECES)
            case 3:
                found[at:at] = found[at : at + source.choice((2, 16, 60))]
            case 4 if source.random() < 0.2:
                found = found[:at]
            case _ if at < len(found):
                found[at] ^= 1 << source.randrange(8)
    return bytes(found)


def fuzz(rounds: int, seed: int) -> dict[str, int]:
    """Throw mutated frames and bodies at every reader and at sessions before and after login, and count what came of it."""
    source = random.Random(seed)
    bodies = seeds()
    national = [PROFILES[name] for name in ("N", "N-ZJ", "N-RE")]
    count = {"messages": 0, "faults": 0, "frames": 0, "stored": 0, "early": 0, "closed": 0}
    early, ready = centre(), logged_in(centre())
    line, stream = FrameReader(most=MOST, garbage=4096), FrameReader(most=MOST)
    gateway = GatewaySession(account(), PROFILES["N"])
    gateway.open(NOW)
    at = NOW
    for turn in range(rounds):
        body = source.choice(bodies)
        at += timedelta(seconds=1)
        which = turn % 4
        if which == 0:
            found = read_body(mutated(body, source))
            count["faults" if isinstance(found, BodyFault) else "messages"] += 1
            continue
        profile = source.choice(national)
        inner = mutated(body, source) if which == 1 else body
        payload = encrypt(inner, KEYS, profile.padding)
        data = encode_frame(profile, source.getrandbits(32), payload)
        if which != 1:
            data = mutated(data, source)
        if which == 2:
            for item in line.feed(data):
                assert isinstance(item, Frame | FrameFault)
                count["frames"] += isinstance(item, Frame)
                if isinstance(item, Frame) and len(item.payload):
                    assert isinstance(decrypt(item.payload, KEYS), bytes | CipherFault)
            assert line.held <= MOST
            if turn % 400 == 2:
                line = FrameReader(most=MOST, garbage=4096)
        for step in early.receive(data, at):
            assert isinstance(step, Send | Closed | Noted), "nothing is stored before the login"
            count["early"] += 1
        assert early.account is None
        assert early.held <= 4096
        if early.closed:
            early = centre()
        for step in ready.receive(data, at):
            if isinstance(step, Store):
                count["stored"] += 1
                ready.acknowledge(step.packet, at)
        ready.tick(at)
        assert ready.held <= 1 << 20
        if ready.closed or ready.state != "ready":
            count["closed"] += 1
            ready = logged_in(centre(), at=at)
        if which == 3:
            gateway.receive(data, at)
            stream.feed(source.randbytes(source.choice((1, 30, 300))))
            assert stream.held <= MOST
            if gateway.closed:
                gateway = GatewaySession(account(), PROFILES["N"])
                gateway.open(at)
    return count


def test_mutated_frames_and_bodies_do_no_harm():
    start = time.process_time()
    count = fuzz(20_000, seed=8)
    assert time.process_time() - start < 60  # about seven seconds here
    assert min(count.values()) > 50, count


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.soak
def test_a_million_mutated_frames_and_bodies_leave_memory_flat():
    fuzz(50_000, seed=1)
    before = resident()
    for seed in range(2, 22):
        fuzz(50_000, seed=seed)
    assert resident() - before < 32 << 20
