"""The centre's state machine: every state and every message, logins that fail, what is found out, time that passes."""

from datetime import UTC, datetime, timedelta

import pytest

from dafeng.base.errors import InputError, UsageError
from dafeng.gateway import messages as m
from dafeng.gateway.cipher import decrypt
from dafeng.gateway.framing import FrameReader, encode_frame
from dafeng.gateway.message_xml import read_body
from dafeng.gateway.profile import AccountState
from dafeng.gateway.session import Noted, Send, SessionLimits, Store, digest_answer
from gateway_builders import (
    COMMON,
    DIGITS,
    KEYS,
    LOCAL,
    NOW,
    OTHER_KEYS,
    PROFILES,
    account,
    answer,
    centre,
    logged_in,
    names,
    report,
    said,
)

MESSAGES = {
    "request": m.LoginRequest(COMMON),
    "sequence": m.Challenge(COMMON, DIGITS),
    "md5": answer(),
    "result": m.LoginResult(COMMON, True, LOCAL),
    "notify": m.HeartBeat(COMMON),
    "time": m.TimeAnswer(COMMON, LOCAL),
    "query": m.Query(COMMON),
    "reply": report("", operation="reply"),
    "report": report(),
    "continuous": report(operation="continuous", total=2, current=1),
    "report_ack": m.ReportAck(COMMON, "report_ack", "1"),
    "continuous_ack": m.ReportAck(COMMON, "continuous_ack", "1"),
    "period": m.SetPeriod(COMMON, 15),
    "period_ack": m.PeriodAck(COMMON),
    "device": m.DeviceNote(COMMON, (("ip", "10.0.0.2"),)),
    "device_ack": m.DeviceAck(COMMON),
    "archives": m.Archives(COMMON),
    "archives_ack": m.ArchivesAck(COMMON),
    "control": m.Control(COMMON, "1", "01", "0A"),
    "control_ack": m.ControlAck(COMMON, "1", "01", "F0"),
}
EARLY = ["before-login", "before-login"]
WRONG = ["wrong-direction"]
TABLE = {
    # message: what follows when connected, when challenged, when ready
    "request": (["send"], ["challenge-void", "send"], ["send"]),
    "md5": (["answer-without-challenge"] * 2, ["login", "send"], ["answer-without-challenge"]),
    "notify": (EARLY, EARLY, ["send"]),
    "reply": (EARLY, EARLY, ["store"]),
    "report": (EARLY, EARLY, ["store"]),
    "continuous": (EARLY, EARLY, ["back-fill", "store"]),
    "period_ack": (EARLY, EARLY, ["period-ack"]),
    "device": (EARLY, EARLY, ["device", "send"]),
    "archives_ack": (EARLY, EARLY, ["archives-ack"]),
    "control_ack": (EARLY, EARLY, ["control-ack"]),
    **dict.fromkeys(
        ("sequence", "result", "time", "query", "report_ack", "continuous_ack", "period", "device_ack"),
        (EARLY, EARLY, WRONG),
    ),
    "archives": (EARLY, EARLY, WRONG),
    "control": (EARLY, EARLY, WRONG),
}
AFTER = {
    # state after a message that does not end the session
    ("request", 0): "challenged", ("request", 1): "challenged", ("request", 2): "challenged", ("md5", 1): "ready",
}  # fmt: skip


def in_state(state):
    session = centre()
    if state:
        session.receive(said(m.LoginRequest(COMMON)), NOW)
    if state == 2:
        session.receive(said(answer()), NOW)
    return session


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("state", [0, 1, 2])
def test_every_message_in_every_state(name, state):
    session = in_state(state)
    steps = session.receive(said(MESSAGES[name]), NOW)
    expected = TABLE[name][state]
    assert names(steps) == expected
    ends = expected[-1] in ("before-login", "answer-without-challenge") and state < 2
    assert session.state == (
        "closed" if ends else AFTER.get((name, state), ("connected", "challenged", "ready")[state])
    )
    if ends:
        assert session.receive(said(m.LoginRequest(COMMON)), NOW) == []
        assert session.tick(NOW + timedelta(days=1)) == []


def opened(step, profile="N", keys=KEYS):
    [frame] = FrameReader().feed(step.data)
    return read_body(decrypt(frame.payload, keys)), frame


def test_login_as_it_is_said():
    session = centre()
    [challenge] = session.receive(said(m.LoginRequest(COMMON), word=7), NOW)
    message, frame = opened(challenge)
    assert (message, frame.word) == (m.Challenge(COMMON, DIGITS), 7)
    [noted, result] = session.receive(said(answer(), word=8), NOW)
    assert noted == Noted("login", "330302D110/01 N word_and_cipher sequence_secret")
    message, frame = opened(result)
    assert (message, frame.word) == (m.LoginResult(COMMON, True, datetime(2024, 1, 1, 12, 0)), 8)
    assert session.account == account()


@pytest.mark.parametrize("order", ["sequence_secret", "secret_sequence"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_order_of_the_digest_is_found(order, case):
    session = centre()
    session.receive(said(m.LoginRequest(COMMON)), NOW)
    steps = session.receive(said(m.Answer(COMMON, case(answer(order).md5))), NOW)
    assert names(steps) == ["login", "send"]
    assert session.profile.md5_order == order


def test_digest_by_hand():
    """MD5 of 'abc' and of the empty string are the test values of RFC 1321."""
    assert digest_answer("a", "bc", "sequence_secret") == "900150983cd24fb0d6963f7d28e17f72"
    assert digest_answer("bc", "a", "secret_sequence") == "900150983cd24fb0d6963f7d28e17f72"
    assert digest_answer("", "", "secret_sequence") == "d41d8cd98f00b204e9800998ecf8427e"


def test_wrong_answers_end_the_session_after_three():
    session = centre()
    wrong = m.Answer(COMMON, "0" * 32)
    for count in range(1, 4):
        session.receive(said(m.LoginRequest(COMMON)), NOW)
        steps = session.receive(said(wrong), NOW)
        assert names(steps) == ["login-failed", "send"] + (["login-failed"] if count == 3 else [])
        assert opened(steps[1])[0] == m.LoginResult(COMMON, False)
    assert session.closed


def test_a_challenge_is_used_once():
    session = centre()
    session.receive(said(m.LoginRequest(COMMON)), NOW)
    session.receive(said(m.Answer(COMMON, "0" * 32)), NOW)
    assert names(session.receive(said(answer()), NOW)) == ["answer-without-challenge", "answer-without-challenge"]
    again = centre()
    logged_in(again)
    assert names(again.receive(said(answer()), NOW)) == ["answer-without-challenge"]


def test_a_second_request_makes_the_first_challenge_void():
    digits = iter(["11111111", "22222222"])
    session = centre(challenge=lambda: next(digits))
    session.receive(said(m.LoginRequest(COMMON)), NOW)
    session.receive(said(m.LoginRequest(COMMON)), NOW)
    assert names(session.receive(said(answer(digits="11111111")), NOW)) == ["login-failed", "send"]


def test_requests_are_limited():
    session = centre(limits=SessionLimits(requests=3))
    found = [names(session.receive(said(m.LoginRequest(COMMON)), NOW)) for _ in range(4)]
    assert found == [["send"], *[["challenge-void", "send"]] * 2, ["too-many-requests"]]


@pytest.mark.parametrize(("seconds", "late"), [(60, False), (60.5, True), (-1, True)])
def test_a_challenge_expires(seconds, late):
    at = NOW + timedelta(seconds=seconds)
    session = in_state(1)
    steps = session.receive(said(answer()), at)
    assert names(steps) == (["challenge-expired"] * 2 if late else ["login", "send"])
    waiting = in_state(1)
    assert names(waiting.tick(at)) == (["challenge-expired"] if late else [])


def test_nobody_waits_for_ever():
    session = centre()
    assert session.tick(NOW) == []
    session.receive(said(m.LoginRequest(COMMON))[:30], NOW + timedelta(seconds=59))
    assert session.held == 30
    assert names(session.tick(NOW + timedelta(seconds=61))) == ["login-timeout"]
    assert session.held == 0


def test_three_heart_beats_missed():
    session = logged_in(centre())
    assert session.tick(NOW + timedelta(seconds=300)) == []
    assert names(session.tick(NOW + timedelta(seconds=301))) == ["heart-beat-missed"]
    assert session.tick(NOW + timedelta(seconds=302)) == []
    assert names(session.tick(NOW + timedelta(seconds=601))) == ["heart-beat-missed"]
    session.receive(said(m.HeartBeat(COMMON)), NOW + timedelta(seconds=700))
    assert session.tick(NOW + timedelta(seconds=1000)) == []
    steps = session.tick(NOW + timedelta(seconds=1601))
    assert names(steps) == ["heart-beat-missed"] * 3 + ["silent"]
    assert session.closed


def test_faulty_frames_are_no_sign_of_life():
    session = logged_in(centre())
    session.receive(bytes(10) + said(m.HeartBeat(COMMON))[:-1] + b"\0", NOW + timedelta(seconds=899))
    assert names(session.tick(NOW + timedelta(seconds=901)))[-1] == "silent"


UNKNOWN = {
    "unknown": (m.Common("999999X999", "01"), [account()], ["unknown-account", "send"]),
    "other gateway": (m.Common("330302D110", "02"), [account()], ["unknown-account", "send"]),
    "suspended": (COMMON, [account().model_copy(update={"state": AccountState.SUSPENDED})],
                  ["suspended-account", "send"]),
    "key of another": (COMMON, [account(keys=OTHER_KEYS)], ["foreign-key", "send"]),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_who_may_not_log_in_is_challenged_and_fails_whatever_it_answers(name):
    common, accounts, expected = UNKNOWN[name]
    session = centre(*accounts)
    assert names(session.receive(said(m.LoginRequest(common)), NOW)) == expected
    for secret in ("-", KEYS.secret):
        given = m.Answer(common, digest_answer(DIGITS, secret, "sequence_secret"))
        assert names(session.receive(said(given), NOW)) == ["login-failed", "send"]
        session.receive(said(m.LoginRequest(common)), NOW)


def test_a_key_that_nobody_has():
    session = centre(keys=[OTHER_KEYS])
    assert names(session.receive(said(m.LoginRequest(COMMON)), NOW)) == ["wrong-key", "wrong-key"]
    assert session.closed


def test_nobody_speaks_for_another():
    session = in_state(1)
    other = m.Answer(m.Common("330302D110", "02"), answer().md5)
    assert names(session.receive(said(other), NOW)) == ["foreign-identity", "foreign-identity"]
    ready = logged_in(centre())
    stolen = m.Report(m.Common("330302D111", "01"), "report", "1", LOCAL)
    assert names(ready.receive(said(stolen), NOW)) == ["foreign-identity", "foreign-identity"]


def test_common_part_without_building_is_the_own():
    session = logged_in(centre())
    [step] = session.receive(said(m.Report(m.Common("", "01"), "report", "1", LOCAL)), NOW)
    assert step.packet.building == "330302D110"


def test_report_is_stored_and_then_acknowledged():
    session = logged_in(centre())
    [step] = session.receive(said(report("42"), word=99), NOW + timedelta(seconds=3))
    assert isinstance(step, Store)
    packet = step.packet
    assert packet[:4] == ("330302D110", "01", "report", "42")
    assert packet.at == datetime(2024, 1, 1, 4, 0, tzinfo=UTC)
    assert packet.received_at == NOW + timedelta(seconds=3)
    assert read_body(packet.body).readings == packet.readings == report().readings
    assert session.outstanding == 1
    [frame] = FrameReader().feed(session.acknowledge(packet, NOW))
    assert frame.word == 99
    assert read_body(decrypt(frame.payload, KEYS)) == m.ReportAck(COMMON, "report_ack", "42")
    assert session.outstanding == 0


def test_the_same_packet_again():
    session = logged_in(centre())
    [step] = session.receive(said(report("1"), word=1), NOW)
    assert names(session.receive(said(report("1"), word=2), NOW)) == ["duplicate-pending"]
    session.acknowledge(step.packet, NOW)
    noted, again = session.receive(said(report("1"), word=3), NOW)
    assert noted.event == "duplicate"
    assert opened(again)[0] == m.ReportAck(COMMON, "report_ack", "1")
    assert opened(again)[1].word == 3
    other = report("1", at=LOCAL + timedelta(minutes=15))
    assert names(session.receive(said(other), NOW)) == ["store"], "one sequence, other values: another packet"


def test_packets_that_wait_are_limited():
    session = logged_in(centre(limits=SessionLimits(outstanding=2)))
    found = [names(session.receive(said(report(str(number))), NOW)) for number in range(3)]
    assert found == [["store"], ["store"], ["overrun"]]


def test_remembered_packets_are_limited():
    session = logged_in(centre(limits=SessionLimits(remembered=2)))
    for number in range(3):
        [step] = session.receive(said(report(str(number))), NOW)
        session.acknowledge(step.packet, NOW)
    assert names(session.receive(said(report("0")), NOW)) == ["store"]
    assert names(session.receive(said(report("2")), NOW)) == ["duplicate", "send"]


def test_a_reply_is_stored_and_not_acknowledged():
    session = logged_in(centre())
    [step] = session.receive(said(report("", operation="reply")), NOW)
    assert session.acknowledge(step.packet, NOW) == b""


def test_no_acknowledgement_after_the_end():
    session = logged_in(centre())
    [step] = session.receive(said(report()), NOW)
    session.tick(NOW + timedelta(days=1))
    assert session.acknowledge(step.packet, NOW) == b""


BACK_FILL = {
    "in order": ([1, 2, 3], ["back-fill", "store", "store", "store", "back-fill-done"]),
    "one left out": ([1, 3], ["back-fill", "store", "back-fill-gap", "store", "back-fill-done"]),
    "begins late": ([2, 3], ["back-fill", "store", "store", "back-fill-done"]),
}


@pytest.mark.parametrize("name", BACK_FILL)
def test_back_fill_is_followed(name):
    numbers, expected = BACK_FILL[name]
    session = logged_in(centre())
    found = []
    for number in numbers:
        past = report(str(number), operation="continuous", total=3, current=number, at=LOCAL - timedelta(hours=number))
        steps = session.receive(said(past), NOW)
        [packet] = [step.packet for step in steps if isinstance(step, Store)]
        assert opened(Send(session.acknowledge(packet, NOW)))[0].operation == "continuous_ack"
        found += names(steps)
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("profile", ["N", "N-ZJ", "N-RE"])
@pytest.mark.parametrize("scope", ["word_and_cipher", "frame"])
@pytest.mark.parametrize("padding", ["zero", "ascii_zero", "pkcs7"])
def test_how_a_sender_speaks_is_found_and_spoken_back(profile, scope, padding):
    spoken = PROFILES[profile].model_copy(update={"crc_scope": scope, "padding": padding})
    session = logged_in(centre(account(profile)), spoken)
    assert (session.profile.id, session.profile.crc_scope, session.profile.padding) == (profile, scope, padding)
    [step] = session.receive(said(m.HeartBeat(COMMON), spoken), NOW)
    [frame] = FrameReader().feed(step.data)
    assert frame.crc_scope == scope
    assert frame.head.hex().upper() == spoken.head


def test_scope_that_changes_is_followed():
    session = logged_in(centre())
    other = PROFILES["N"].model_copy(update={"crc_scope": "frame"})
    [step] = session.receive(said(m.HeartBeat(COMMON), other), NOW)
    assert FrameReader().feed(step.data)[0].crc_scope == "frame"
    assert session.profile.crc_scope == "frame"


def test_another_profile_than_stated_is_said_and_spoken():
    session = centre(account("N"))
    steps = session.receive(said(m.LoginRequest(COMMON), PROFILES["N-ZJ"]), NOW)
    assert names(steps) == ["profile-differs", "send"]
    assert names(session.receive(said(answer(), PROFILES["N-ZJ"]), NOW)) == ["login", "send"]


def test_misspelt_heart_beat_is_answered_alike():
    spoken = PROFILES["N"].model_copy(update={"spelling": {"heart_beat": "heat_beat"}})
    session = logged_in(centre())
    [step] = session.receive(said(m.HeartBeat(COMMON), spoken), NOW)
    assert b"<heat_beat " in decrypt(FrameReader().feed(step.data)[0].payload, KEYS)


def test_typed_gateways_log_in_in_plain_and_report_in_cipher():
    profile = PROFILES["S"]
    session = centre(account("S"))
    [step] = session.receive(said(m.LoginRequest(COMMON), profile), NOW)
    [frame] = FrameReader().feed(step.data)
    assert (frame.kind, read_body(frame.payload)) == (1, m.Challenge(COMMON, DIGITS))
    assert names(session.receive(said(answer("secret_sequence"), profile), NOW)) == ["login", "send"]
    [step] = session.receive(said(report("5"), profile), NOW)
    [frame] = FrameReader().feed(session.acknowledge(step.packet, NOW))
    assert (frame.kind, read_body(decrypt(frame.payload, KEYS)).sequence) == (3, "5")
    assert names(session.receive(encode_frame(profile, 0, b"", kind=2), NOW)) == ["send"]
    with pytest.raises(InputError):
        session.command(m.SetPeriod(COMMON, 15), NOW)


@pytest.mark.parametrize(
    "message", [m.Query(m.Common("", "")), m.SetPeriod(COMMON, 15), m.Control(COMMON, "1", "01", "0A")]
)
def test_commands_go_to_who_logged_in(message):
    session = logged_in(centre())
    found, frame = opened(Send(session.command(message, NOW)))
    assert found.common == COMMON
    assert found.operation == message.operation
    assert frame.word == 1


def test_what_is_no_command():
    with pytest.raises(UsageError, match="in state connected"):
        centre().command(m.Query(COMMON), NOW)
    with pytest.raises(UsageError):
        logged_in(centre()).command(m.DeviceAck(COMMON), NOW)


def test_frames_are_small_before_the_login_and_large_after():
    many = m.Report(COMMON, "report", "1", LOCAL, tuple(m.FunctionReading(str(n), "1") for n in range(500)))
    early = centre()
    assert names(early.receive(said(many), NOW))[0] == "frame-oversize"
    assert early.closed
    assert names(logged_in(centre()).receive(said(many), NOW)) == ["store"]


def test_noise_ends_a_session():
    assert names(centre().receive(bytes(10_000), NOW))[-1] == "faults"
    ready = logged_in(centre())
    assert ready.receive(bytes(60_000), NOW) == []
    assert names(ready.receive(bytes(100_000), NOW)) == ["frame-garbage", "frame-garbage", "faults"]


def test_faults_in_a_row_end_a_session_and_sound_frames_forgive_them():
    session = logged_in(centre(limits=SessionLimits(faults=2)))
    bad = said(m.HeartBeat(COMMON))
    bad = bad[:20] + bytes([bad[20] ^ 1]) + bad[21:]
    for _ in range(5):
        assert names(session.receive(bad + bad + said(m.HeartBeat(COMMON)), NOW)) == ["frame-crc", "frame-crc", "send"]
    assert names(session.receive(bad * 3, NOW)) == ["frame-crc"] * 3 + ["faults"]


def test_wrong_key_after_the_login_is_a_fault_and_stores_nothing():
    session = logged_in(centre())
    assert names(session.receive(said(report(), keys=OTHER_KEYS), NOW)) == ["cipher-key"]


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_at_the_end_of_the_calendar(year):
    session = logged_in(centre(account().model_copy(update={"zone": "Asia/Shanghai" if year == 1 else "Etc/GMT+12"})))
    edge = datetime(1, 1, 1) if year == 1 else datetime(9999, 12, 31, 23, 59, 59)
    assert names(session.receive(said(report(at=edge)), NOW)) == ["body-field"]


def test_any_segmentation_gives_the_same_steps():
    stream = said(m.LoginRequest(COMMON)) + said(answer())
    later = said(report("1")) + b"\0\0" + said(m.HeartBeat(COMMON)) + said(report("2"))
    whole = centre()
    expected = names(whole.receive(stream, NOW) + whole.receive(later, NOW))
    single = centre()
    found = [step for at in range(len(stream)) for step in single.receive(stream[at : at + 1], NOW)]
    found += [step for at in range(len(later)) for step in single.receive(later[at : at + 1], NOW)]
    assert names(found) == expected == ["send", "login", "send", "store", "frame-garbage", "send", "store"]
