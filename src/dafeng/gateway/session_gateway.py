"""The gateway's end of a connection as a pure state machine: for the simulator, and for a centre that reports to the one above."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from dafeng.base.errors import UsageError
from dafeng.gateway import messages as m
from dafeng.gateway.cipher import CipherFault, decrypt
from dafeng.gateway.detection import is_plain
from dafeng.gateway.framing import Frame, FrameFault, FrameReader
from dafeng.gateway.message_xml import BodyFault, read_body
from dafeng.gateway.profile import Account, Profile
from dafeng.gateway.session_coding import digest_answer, encode_message, shapes_of
from dafeng.gateway.session_steps import Acked, Asked, Closed, Noted, Ready, Send, SessionLimits, Step

__all__ = ["GatewaySession", "GatewayState"]

_ANSWERS: Final = (m.DeviceNote, m.PeriodAck, m.ArchivesAck, m.ControlAck)


class GatewayState(StrEnum):
    """Where a session stands."""

    CONNECTED = "connected"
    """Nothing was said."""
    ASKED = "asked"
    """The login is asked for."""
    ANSWERED = "answered"
    """The challenge is answered."""
    READY = "ready"
    """The login passed."""
    CLOSED = "closed"
    """Over."""


class GatewaySession:
    """One connection, seen from the gateway.

    A report is kept until the centre acknowledges it. Those left from an earlier connection go out as back-fill once the login has
    passed; hand them over as `outstanding`, and take `outstanding` of the last session for the next.

    Parameters
    ----------
    account : Account
        Building, gateway, keys, zone.
    profile : Profile
        How to speak.
    limits : SessionLimits, optional
    outstanding : iterable of Report
        Reports of earlier connections that were not acknowledged, oldest first, each with a sequence of its own.

    Attributes
    ----------
    state : GatewayState
    offset : timedelta or None
        Centre's clock minus the gateway's, as last heard.
    """

    def __init__(
        self,
        account: Account,
        profile: Profile,
        *,
        limits: SessionLimits | None = None,
        outstanding: Iterable[m.Report] = (),
    ) -> None:
        self._account = account
        self._profile = profile
        self._limits = limits or SessionLimits()
        self._reader = FrameReader(most=self._limits.most, garbage=self._limits.garbage, shapes=shapes_of([profile]))
        self._common = m.Common(account.building, account.gateway)
        self._reports: dict[str, m.Report] = {}
        self._sent: dict[str, datetime] = {}
        self._word = 0
        self._faults = 0
        self._since: datetime | None = None
        self._beat_at: datetime | None = None
        self.state = GatewayState.CONNECTED
        self.offset: timedelta | None = None
        for report in outstanding:
            self._reports[report.sequence] = replace(report, common=self._common)

    def __repr__(self) -> str:
        return f"GatewaySession({self.state}, {self._common.building}/{self._common.gateway})"

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self.state is GatewayState.CLOSED

    @property
    def outstanding(self) -> tuple[m.Report, ...]:
        """Reports that the centre has not acknowledged, oldest first."""
        return tuple(self._reports.values())

    def open(self, at: datetime) -> list[Step]:
        """Ask for the login."""
        self._since = at
        self.state = GatewayState.ASKED
        return [self._send(m.LoginRequest(self._common))]

    def report(self, report: m.Report, at: datetime) -> list[Step]:
        """Take a report to be sent, now or after the login.

        Raises
        ------
        UsageError
            Another report with that sequence waits.
        """
        waiting = self._reports.get(report.sequence)
        if waiting is not None and waiting != replace(report, common=self._common):
            raise UsageError(
                f"sequence {report.sequence} waits for its acknowledgement",
                doing="hand a report to a gateway session",
                expected="a sequence of its own for each report",
                next_step="number reports on",
            )
        self._reports[report.sequence] = replace(report, common=self._common)
        return self._pump(at)

    def heart_beat(self, at: datetime, notify: str = "") -> list[Step]:
        """Say that the gateway is alive; nothing before the login."""
        if self.state is not GatewayState.READY:
            return []
        self._beat_at = at
        return [self._send(m.HeartBeat(self._common, notify))]

    def answer(self, message: m.GatewayMessage, at: datetime) -> list[Step]:
        """Answer what the centre asked, or describe the gateway.

        Raises
        ------
        UsageError
            The message is none that answers: a reply, a description, an acknowledgement.
        """
        fits = message.operation == "reply" if isinstance(message, m.Report) else isinstance(message, _ANSWERS)
        if not fits:
            raise UsageError(
                f"{message.element}/{message.operation}",
                doing="answer a centre",
                expected="a reply, a description of the device, or an acknowledgement",
                next_step="hand reports to report()",
            )
        if self.state is not GatewayState.READY:
            return []
        return [self._send(replace(message, common=self._common))]

    def tick(self, at: datetime) -> list[Step]:
        """Let time pass: a login without answer, a heart beat that is due, reports to be sent again."""
        steps: list[Step] = []
        if self.state in (GatewayState.ASKED, GatewayState.ANSWERED):
            if self._since is not None and (at - self._since).total_seconds() > self._limits.login:
                self._close(steps, "login-timeout", f"no login within {self._limits.login:g} s")
        elif self.state is GatewayState.READY:
            if self._beat_at is not None and (at - self._beat_at).total_seconds() >= self._limits.heart_beat:
                steps += self.heart_beat(at)
            for sequence, sent_at in list(self._sent.items()):
                if (at - sent_at).total_seconds() >= self._limits.retry:
                    self._sent[sequence] = at
                    steps.append(Noted("sent-again", f"sequence {sequence}"))
                    steps.append(self._send(self._reports[sequence]))
        return steps

    def receive(self, data: bytes, at: datetime) -> list[Step]:
        """Take bytes as they came and return what to do."""
        steps: list[Step] = []
        if self.closed:
            return steps
        for item in self._reader.feed(data):
            if isinstance(item, FrameFault):
                self._fault(steps, f"frame-{item.name}", item.detail)
            else:
                self._frame(item, at, steps)
            if self.closed:
                break
        return steps

    def _frame(self, frame: Frame, at: datetime, steps: list[Step]) -> None:
        plain = frame.kind is not None and is_plain(frame.payload)
        body = frame.payload if plain else decrypt(frame.payload, self._account.keys)
        if isinstance(body, CipherFault):
            self._fault(steps, f"cipher-{body.name}", body.detail)
            return
        message = read_body(body, most=self._limits.most)
        if isinstance(message, BodyFault):
            self._fault(steps, f"body-{message.name}", message.detail)
            return
        self._faults = 0
        match message:
            case m.Challenge() if self.state in (GatewayState.ASKED, GatewayState.ANSWERED):
                self.state = GatewayState.ANSWERED
                digest = digest_answer(message.sequence, self._account.keys.secret, self._profile.md5_order)
                steps.append(self._send(m.Answer(self._common, digest)))
            case m.LoginResult() if self.state is GatewayState.ANSWERED:
                self._result(message, at, steps)
            case m.TimeAnswer() if self.state is GatewayState.READY:
                self._hear_clock(message.time, at)
            case m.ReportAck() if self.state is GatewayState.READY:
                self._acknowledged(message, steps)
                steps += self._pump(at)
            case m.DeviceAck() if self.state is GatewayState.READY:
                steps.append(Noted("device-ack", "pass" if message.passed else "fail"))
            case m.Query() | m.SetPeriod() | m.Archives() | m.Control() if self.state is GatewayState.READY:
                steps.append(Asked(message))
            case _:
                self._fault(steps, "unexpected", f"{message.element}/{message.operation} when {self.state}")

    def _result(self, message: m.LoginResult, at: datetime, steps: list[Step]) -> None:
        if not message.passed:
            self._close(steps, "refused", "the centre does not let this gateway in")
            return
        self.state, self._beat_at = GatewayState.READY, at
        if message.time is not None:
            self._hear_clock(message.time, at)
        steps.append(Ready(message.time))
        total = len(self._reports)
        for current, (sequence, report) in enumerate(list(self._reports.items()), start=1):
            self._reports[sequence] = replace(report, operation="continuous", total=total, current=current)
        steps += self._pump(at)

    def _hear_clock(self, time: datetime, at: datetime) -> None:
        self.offset = time - at.astimezone(self._account.time_zone).replace(tzinfo=None)

    def _acknowledged(self, ack: m.ReportAck, steps: list[Step]) -> None:
        sequence = ack.sequence or next(iter(self._sent), "")
        report = self._reports.get(sequence)
        if report is None:
            steps.append(Noted("unknown-ack", f"sequence {sequence[:60]}"))
        elif not ack.passed:
            steps.append(Noted("refused-report", f"sequence {sequence}"))
        else:
            del self._reports[sequence]
            self._sent.pop(sequence, None)
            steps.append(Acked(sequence, "continuous" if report.operation == "continuous" else "report"))

    def _pump(self, at: datetime) -> list[Step]:
        """Send what waits, as far as the window allows."""
        steps: list[Step] = []
        if self.state is GatewayState.READY:
            for sequence, report in self._reports.items():
                if len(self._sent) >= self._limits.window:
                    break
                if sequence not in self._sent:
                    self._sent[sequence] = at
                    steps.append(self._send(report))
        return steps

    def _send(self, message: m.Message) -> Send:
        self._word = self._word % 0xFFFFFFFF + 1
        return Send(encode_message(message, self._profile, self._account.keys, word=self._word))

    def _fault(self, steps: list[Step], event: str, detail: str) -> None:
        self._faults += 1
        steps.append(Noted(event, detail))
        if self._faults > self._limits.faults:
            self._close(steps, "faults", f"{self._faults} faults in a row")

    def _close(self, steps: list[Step], reason: str, detail: str) -> None:
        self.state = GatewayState.CLOSED
        self._reader.discard()
        steps.append(Closed(reason, detail))
