"""The gateway's state machine, against the centre's: login, reports kept until acknowledged, back-fill after an outage."""

from datetime import datetime, timedelta

import pytest

from dafeng.base.errors import UsageError
from dafeng.gateway import messages as m
from dafeng.gateway.session import Acked, Asked, GatewaySession, Ready, Send, SessionLimits
from gateway_builders import (
    COMMON,
    KEYS,
    LOCAL,
    NOW,
    OTHER_KEYS,
    PROFILES,
    Line,
    account,
    centre,
    logged_in,
    names,
    report,
    said,
)


def gateway(profile="N", *, keys=KEYS, limits=None, outstanding=()):
    return GatewaySession(account(profile, keys=keys), PROFILES[profile], limits=limits, outstanding=outstanding)


@pytest.mark.parametrize("profile", ["N", "N-ZJ", "N-RE", "S"])
def test_login_report_and_acknowledgement(profile):
    line = Line(centre(account(profile)), gateway(profile))
    line.carry(line.gateway.open(NOW))
    assert (line.centre.state, line.gateway.state) == ("ready", "ready")
    assert line.gateway.offset is not None
    assert abs(line.gateway.offset) <= timedelta(seconds=2)
    for number in range(3):
        line.carry(line.gateway.report(report(str(number)), line.at))
    assert [packet.sequence for packet in line.stored] == ["0", "1", "2"]
    assert line.gateway.outstanding == ()
    assert line.seen.count("acked") == 3


def test_reports_made_before_the_login_go_out_as_back_fill():
    line = Line(centre(), gateway(outstanding=[report("1")]))
    assert line.gateway.report(report("2"), NOW) == []
    line.carry(line.gateway.open(NOW))
    assert [(packet.operation, packet.sequence) for packet in line.stored] == [("continuous", "1"), ("continuous", "2")]
    assert line.seen.count("back-fill-done") == 1
    line.carry(line.gateway.report(report("3"), line.at))
    assert line.stored[-1].operation == "report"


def test_what_was_not_acknowledged_is_taken_to_the_next_connection():
    first = Line(centre(), gateway())
    first.carry(first.gateway.open(NOW))
    first.gateway.report(report("1"), NOW)  # sent into nothing
    second = Line(centre(), gateway(outstanding=first.gateway.outstanding))
    second.carry(second.gateway.open(NOW))
    assert [(packet.operation, packet.sequence) for packet in second.stored] == [("continuous", "1")]
    assert second.gateway.outstanding == ()


def test_window_and_sending_again():
    limits = SessionLimits(window=2, retry=60, heart_beat=10_000)
    line = Line(centre(), gateway(limits=limits))
    line.carry(line.gateway.open(NOW))
    sent = [len(line.gateway.report(report(str(number)), NOW)) for number in range(3)]
    assert sent == [1, 1, 0]
    assert line.gateway.tick(NOW + timedelta(seconds=59)) == []
    again = line.gateway.tick(NOW + timedelta(seconds=60))
    assert names(again) == ["sent-again", "send", "sent-again", "send"]
    line.carry(step for step in again if isinstance(step, Send))
    assert [packet.sequence for packet in line.stored] == ["0", "1", "2"]


def test_heart_beat_when_due():
    line = Line(centre(), gateway())
    line.carry(line.gateway.open(NOW))
    assert line.gateway.tick(line.at) == []
    due = line.gateway.tick(line.at + timedelta(seconds=300))
    assert names(due) == ["send"]
    line.carry(due)
    assert gateway().heart_beat(NOW) == []


@pytest.mark.parametrize(
    ("message", "kept", "expected"),
    [
        (m.ReportAck(COMMON, "report_ack", "1"), 0, [Acked("1", "report")]),
        (m.ReportAck(COMMON, "report_ack", ""), 0, [Acked("1", "report")]),
        (m.ReportAck(COMMON, "report_ack", "1", False), 1, None),
        (m.ReportAck(COMMON, "report_ack", "9"), 1, None),
    ],
)
def test_acknowledgements(message, kept, expected):
    line = Line(centre(), gateway())
    line.carry(line.gateway.open(NOW))
    line.gateway.report(report("1"), NOW)
    steps = line.gateway.receive(said(message), NOW)
    assert len(line.gateway.outstanding) == kept
    if expected is not None:
        assert steps == expected
    else:
        assert len(steps) == 1


def test_commands_are_asked_and_answered():
    line = Line(centre(), gateway())
    line.carry(line.gateway.open(NOW))
    [asked] = line.gateway.receive(line.centre.command(m.SetPeriod(COMMON, 15), NOW), NOW)
    assert asked == Asked(m.SetPeriod(COMMON, 15))
    line.carry(line.gateway.answer(m.PeriodAck(COMMON), NOW))
    assert "period-ack" in line.seen
    line.carry(line.gateway.answer(m.DeviceNote(COMMON, (("ip", "10.0.0.2"),)), NOW))
    assert line.seen[-2:] == ["device", "device-ack"]
    line.carry(line.gateway.answer(report("", operation="reply"), NOW))
    assert line.stored[-1].operation == "reply"
    for wrong in (report("1"), m.HeartBeat(COMMON)):
        with pytest.raises(UsageError):
            line.gateway.answer(wrong, NOW)


def test_one_sequence_for_two_reports():
    session = gateway()
    session.report(report("1"), NOW)
    assert session.report(report("1"), NOW) == []
    with pytest.raises(UsageError, match="sequence 1"):
        session.report(report("1", at=LOCAL + timedelta(minutes=1)), NOW)


def test_wrong_secret_is_refused_and_wrong_key_not_answered():
    keys = type(KEYS)(KEYS.key, secret="wrong")
    refused = Line(centre(), gateway(keys=keys))
    refused.carry(refused.gateway.open(NOW))
    assert refused.seen == ["login-failed", "refused"]
    assert refused.gateway.closed
    lost = Line(centre(account(), keys=[KEYS]), gateway(keys=OTHER_KEYS))
    lost.carry(lost.gateway.open(NOW))
    assert lost.seen == ["wrong-key", "wrong-key"]
    assert names(lost.gateway.tick(NOW + timedelta(seconds=61))) == ["login-timeout"]


def test_a_pass_without_challenge_is_not_believed():
    session = gateway()
    session.open(NOW)
    assert names(session.receive(said(m.LoginResult(COMMON, True, LOCAL)), NOW)) == ["unexpected"]
    assert session.state == "asked"


def test_clock_of_the_centre():
    line = Line(centre(), gateway())
    line.carry(line.gateway.open(NOW))
    line.gateway.receive(said(m.TimeAnswer(COMMON, LOCAL + timedelta(minutes=5))), NOW)
    assert line.gateway.offset == timedelta(minutes=5)


def test_noise_ends_it():
    session = gateway(limits=SessionLimits(faults=3, garbage=100))
    session.open(NOW)
    assert names(session.receive(bytes(1000), NOW)) == ["frame-garbage"] * 4 + ["faults"]
    assert session.receive(said(m.Query(COMMON)), NOW) == []


def test_ready_tells_the_time():
    session = gateway()
    session.open(NOW)
    session.receive(said(m.Challenge(COMMON, "12345678")), NOW)
    assert session.receive(said(m.LoginResult(COMMON, True, LOCAL)), NOW) == [Ready(datetime(2024, 1, 1, 12))]


def test_logged_in_centre_is_left_alone_by_messages_of_its_own():
    session = logged_in(centre())
    echo = session.command(m.Query(COMMON), NOW)
    assert names(session.receive(echo, NOW)) == ["wrong-direction"]
