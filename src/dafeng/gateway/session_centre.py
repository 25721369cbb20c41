"""The centre's end of a connection as a pure state machine: bytes and a clock value in, steps out.

connected ── request ──► challenged ── right answer ──► ready ──► closed. Before ready nothing is stored and any message but those of the
login ends the session; a challenge is used once. What differs between senders (scope of the check sum, padding, order of the
digest, spelling) is found out and remembered for the session.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from dafeng.base.errors import UsageError
from dafeng.gateway import messages as m
from dafeng.gateway.cipher import CipherFault, decrypt
from dafeng.gateway.detection import Detected, detect_frame, is_plain
from dafeng.gateway.framing import Frame, FrameFault, FrameReader
from dafeng.gateway.message_xml import BodyFault, heard_spelling, read_body, write_body
from dafeng.gateway.profile import Account, AccountState, Keys, Profile
from dafeng.gateway.session_coding import encode_message, matching_order, shapes_of
from dafeng.gateway.session_steps import Closed, Noted, Packet, Send, SessionLimits, Step, Store

__all__ = ["CentreSession", "CentreState", "Command"]

Command = m.Query | m.SetPeriod | m.Archives | m.Control
"""What a centre may send by itself."""
_SHOWN: Final = 60


class CentreState(StrEnum):
    """Where a session stands."""

    CONNECTED = "connected"
    """Nobody has named itself."""
    CHALLENGED = "challenged"
    """A challenge is out."""
    READY = "ready"
    """The login passed."""
    CLOSED = "closed"
    """Over; nothing is taken any more."""


class CentreSession:
    """One connection, seen from the centre.

    Parameters
    ----------
    accounts : callable
        Building and gateway to the account; None where there is none.
    challenge : callable
        Gives eight random digits each time it is called.
    profiles : iterable of Profile
        What may be spoken.
    limits : SessionLimits
    keys : callable
        Gives the keys to try on the frame of a sender who has not named itself, likely ones first: each distinct one once.

    Attributes
    ----------
    state : CentreState
    account : Account or None
        Who logged in.
    profile : Profile or None
        How it speaks, as found out.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.gateway.session_coding import digest_answer
    >>> profiles = load_catalog().gateway_profiles
    >>> keys = Keys(bytes(16), secret="IJKL")
    >>> account = Account(building="330302D110", gateway="01", profile="N", keys=keys)
    >>> session = CentreSession(lambda building, gateway: account, challenge=lambda: "12345678", profiles=profiles.values(),
    ...                         limits=SessionLimits(), keys=lambda: [keys])
    >>> now = datetime(2024, 1, 1, tzinfo=UTC)
    >>> request = m.LoginRequest(m.Common("330302D110", "01"))
    >>> [type(step).__name__ for step in session.receive(encode_message(request, profiles["N"], keys), now)]
    ['Send']
    >>> answer = m.Answer(request.common, digest_answer("12345678", "IJKL", "secret_sequence"))
    >>> [type(step).__name__ for step in session.receive(encode_message(answer, profiles["N"], keys), now)], session.state
    (['Noted', 'Send'], <CentreState.READY: 'ready'>)
    >>> session.profile.md5_order
    'secret_sequence'
    """

    def __init__(
        self,
        accounts: Callable[[str, str], Account | None],
        *,
        challenge: Callable[[], str],
        profiles: Iterable[Profile],
        limits: SessionLimits,
        keys: Callable[[], Iterable[Keys]],
    ) -> None:
        self._accounts = accounts
        self._new_challenge = challenge
        self._profiles = tuple(profiles)
        self._limits = limits
        self._keys_to_try = keys
        self._reader = FrameReader(
            most=limits.before_login, garbage=limits.before_login, shapes=shapes_of(self._profiles)
        )
        self.state = CentreState.CONNECTED
        self.account: Account | None = None
        self.profile: Profile | None = None
        self._keys: Keys | None = None
        self._claimed = m.Common("", "")
        self._candidate: Account | None = None
        self._challenge: str | None = None
        self._challenged_at: datetime | None = None
        self._opened_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._missed = 0
        self._requests = 0
        self._failures = 0
        self._faults = 0
        self._skipped = 0
        self._word = 0
        self._pending: dict[str, Packet] = {}
        self._acked: OrderedDict[str, None] = OrderedDict()
        self._back_fill: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"CentreSession({self.state}, {self._claimed.building}/{self._claimed.gateway})"

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self.state is CentreState.CLOSED

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return self._reader.held

    @property
    def unanswered(self) -> str:
        """Who was challenged and has not answered, also after the end; blank where nobody."""
        return "" if self._challenge is None else _shown(self._claimed)

    @property
    def outstanding(self) -> int:
        """Packets handed out to be stored and not yet acknowledged."""
        return len(self._pending)

    def receive(self, data: bytes, at: datetime) -> list[Step]:
        """Take bytes as they came and return what to do.

        Parameters
        ----------
        data : bytes
            Any part of the stream.
        at : datetime
            Now, aware.
        """
        steps: list[Step] = []
        if self.closed:
            return steps
        self._opened_at = self._opened_at or at
        for item in self._reader.feed(data):
            if isinstance(item, FrameFault):
                self._skipped += item.skipped
                self._fault(steps, f"frame-{item.name}", item.detail)
            else:
                self._frame(item, at, steps)
            if self.closed:
                break
        return steps

    def tick(self, at: datetime) -> list[Step]:
        """Let time pass and return what to do: an expired challenge, a login that never comes, missed heart beats."""
        steps: list[Step] = []
        self._opened_at = self._opened_at or at
        if self.state is CentreState.CONNECTED and _past(self._opened_at, at, self._limits.login):
            self._close(steps, "login-timeout", f"no login within {self._limits.login:g} s")
        elif self.state is CentreState.CHALLENGED and self._expired(at):
            self._close(steps, "challenge-expired", f"no answer within {self._limits.challenge:g} s")
        elif self.state is CentreState.READY and self._heard_at is not None:
            while _past(self._heard_at, at, self._limits.heart_beat * (self._missed + 1)):
                self._missed += 1
                steps.append(Noted("heart-beat-missed", str(self._missed)))
                if self._missed >= self._limits.missed:
                    self._close(steps, "silent", f"{self._missed} heart beats missed")
                    break
        return steps

    def acknowledge(self, packet: Packet, at: datetime) -> bytes:
        """Return the acknowledgement of a packet that is durable; blank where none is due (a reply, or the session is over).

        Parameters
        ----------
        packet : Packet
        at : datetime
            Now, aware.
        """
        self._pending.pop(packet.digest, None)
        self._acked[packet.digest] = None
        while len(self._acked) > self._limits.remembered:
            self._acked.popitem(last=False)
        if packet.operation == "reply" or self.state is not CentreState.READY:
            return b""
        return self._ack(packet.operation, packet.sequence, packet.word, packet.kind)

    def command(self, message: Command, at: datetime) -> bytes:
        """Return the frame of a command to the gateway; whatever its common part says, it goes to who logged in.

        Parameters
        ----------
        message : Query, SetPeriod, Archives or Control
        at : datetime
            Now, aware.

        Raises
        ------
        UsageError
            The login has not passed, or the message is none that a centre sends by itself.
        InputError
            The gateway's profile has no way to say it.
        """
        if self.state is not CentreState.READY or not isinstance(message, Command):
            raise UsageError(
                f"{message.element}/{message.operation} in state {self.state}",
                doing="send a command to a gateway",
                expected="query, period, archives or control, to a gateway that has logged in",
                next_step="see dafeng gateway status",
            )
        self._word = self._word % 0xFFFFFFFF + 1
        return self._encode(replace(message, common=self._claimed), self._word, None)

    def _frame(self, frame: Frame, at: datetime, steps: list[Step]) -> None:
        body = self._opened(frame, steps)
        if body is None:
            return
        message = read_body(body, most=self._limits.most)
        if isinstance(message, BodyFault):
            self._fault(steps, f"body-{message.name}", message.detail)
            if self.state in (CentreState.CONNECTED, CentreState.CHALLENGED):
                self._close(steps, "body", message.name)
            return
        if self.state is CentreState.READY and self._is_bare(message, frame):
            self._fault(steps, "plain", f"{message.element}/{message.operation} without encryption")
            return
        if self.profile is not None:
            heard = heard_spelling(body)
            if heard and not heard.items() <= self.profile.spelling.items():
                self.profile = self.profile.model_copy(update={"spelling": {**self.profile.spelling, **heard}})
        if self.state is CentreState.READY:
            self._when_ready(message, body, frame, at, steps)
        else:
            self._before_login(message, frame, at, steps)

    def _opened(self, frame: Frame, steps: list[Step]) -> bytes | None:
        """Return the plain body; find out profile and keys where nobody has named itself."""
        if self.profile is None or (self._keys is None and frame.kind is None):
            found = detect_frame(frame, self._profiles, self._keys_to_try())
            if found is None:
                self._close(steps, "no-profile", frame.head.hex().upper())
                return None
            if found.body is None:
                self._wrong_key(steps)
                return None
            return self._found(found)
        if frame.crc_scope != self.profile.crc_scope:
            self.profile = self.profile.model_copy(update={"crc_scope": frame.crc_scope})
        if frame.kind is not None and is_plain(frame.payload):
            return frame.payload  # what has to be encrypted is looked at when it is read
        if frame.kind is not None and not frame.payload and frame.kind == self.profile.kinds.get("heart_beat"):
            return write_body(m.HeartBeat(self._claimed), self.profile)
        if self._keys is None:
            self._wrong_key(steps)
            return None
        body = decrypt(frame.payload, self._keys)
        if isinstance(body, CipherFault):
            self._fault(steps, f"cipher-{body.name}", body.detail)
            if self.state in (CentreState.CONNECTED, CentreState.CHALLENGED):
                self._close(steps, "wrong-key", body.name)
            return None
        return body

    def _is_bare(self, message: m.Message, frame: Frame) -> bool:
        """Whether it came plain though it has to be encrypted: anybody on the line could have put it there."""
        assert self.profile is not None  # found out with the first frame
        return frame.kind is not None and is_plain(frame.payload) and self.profile.enciphers(message.element)

    def _found(self, found: Detected) -> bytes | None:
        self.profile, self._keys = found.profile, found.keys
        return found.body

    def _wrong_key(self, steps: list[Step]) -> None:
        steps.append(Noted("wrong-key", "no known key opens the frame"))
        self._close(steps, "wrong-key", "no known key opens the frame")

    def _before_login(self, message: m.Message, frame: Frame, at: datetime, steps: list[Step]) -> None:
        if isinstance(message, m.LoginRequest):
            self._request(message, frame, at, steps)
        elif isinstance(message, m.Answer):
            self._answer(message, frame, at, steps)
        else:
            said = f"{message.element}/{message.operation}"
            steps.append(Noted("before-login", said))
            self._close(steps, "before-login", said)

    def _request(self, message: m.LoginRequest, frame: Frame, at: datetime, steps: list[Step]) -> None:
        self._requests += 1
        if self._requests > self._limits.requests:
            self._close(steps, "too-many-requests", f"{self._requests} login requests")
            return
        self._faults = self._skipped = 0
        self.account = None
        self._claimed = m.Common(message.common.building, message.common.gateway)
        account = self._accounts(*self._claimed[:2])
        named = _shown(self._claimed)
        if account is None:
            steps.append(Noted("unknown-account", named))
        elif account.state is not AccountState.ACTIVE:
            steps.append(Noted("suspended-account", named))
            account = None
        elif self._keys is not None and not account.keys.same_cipher(self._keys):
            steps.append(Noted("foreign-key", f"{named} with the key of another gateway"))
            account = None
        elif self._keys is None and self._enciphers_login(account):
            steps.append(Noted("plain-login", f"{named} without the key that {account.profile} asks for"))
            account = None
        elif self.profile is not None:
            self.profile = self._merged(self.profile, account, steps)
        if self._challenge is not None:
            steps.append(Noted("challenge-void", named))
        self._candidate = account
        self._challenge, self._challenged_at = self._new_challenge(), at
        self.state = CentreState.CHALLENGED
        self._send(m.Challenge(self._claimed, self._challenge), frame, steps)

    def _stated(self, account: Account) -> Profile | None:
        return next((profile for profile in self._profiles if profile.id == account.profile), None)

    def _enciphers_login(self, account: Account) -> bool:
        stated = self._stated(account)
        return stated is not None and stated.enciphers("id_validate")

    def _merged(self, found: Profile, account: Account, steps: list[Step]) -> Profile:
        """Return the profile of the account with what was found out, or what was found where the two frame differently."""
        stated = self._stated(account)
        if stated is None or (stated.head, stated.tail, stated.framing) != (found.head, found.tail, found.framing):
            steps.append(Noted("profile-differs", f"{account.profile} is stated, {found.id} is spoken"))
            return found.model_copy(update={"md5_order": found.md5_order if stated is None else stated.md5_order})
        update = {"crc_scope": found.crc_scope, "padding": found.padding, "identity": found.identity}
        heard = {name: said for name, said in found.spelling.items() if name not in stated.spelling}
        return stated.model_copy(update={**update, "spelling": {**stated.spelling, **heard}})

    def _answer(self, message: m.Answer, frame: Frame, at: datetime, steps: list[Step]) -> None:
        challenge, self._challenge = self._challenge, None
        if challenge is None or self.profile is None:
            steps.append(Noted("answer-without-challenge", _shown(self._claimed)))
            self._close(steps, "answer-without-challenge", _shown(self._claimed))
            return
        if not self._is_own(message.common):
            steps.append(Noted("foreign-identity", _shown(message.common)))
            self._close(steps, "foreign-identity", _shown(message.common))
            return
        if self._expired(at):
            steps.append(Noted("challenge-expired", _shown(self._claimed)))
            self._close(steps, "challenge-expired", f"no answer within {self._limits.challenge:g} s")
            return
        account = self._candidate
        order = matching_order(challenge, account, message.md5, self.profile.md5_order)
        if account is None or order is None:
            self._failures += 1
            self._challenged_at = None
            self.state = CentreState.CONNECTED
            steps.append(Noted("login-failed", _shown(self._claimed)))
            self._send(m.LoginResult(self._claimed, False), frame, steps)
            if self._failures >= self._limits.answers:
                self._close(steps, "login-failed", f"{self._failures} wrong answers")
            return
        self.state, self.account, self._keys = CentreState.READY, account, account.keys
        self.profile = self.profile.model_copy(update={"md5_order": order})
        self._reader.most, self._reader.garbage = self._limits.most, self._limits.garbage
        self._requests = self._failures = 0
        self._alive(at)
        steps.append(Noted("login", f"{_shown(self._claimed)} {self.profile.id} {self.profile.crc_scope} {order}"))
        self._send(m.LoginResult(self._claimed, True, self._local(at)), frame, steps)

    def _when_ready(self, message: m.Message, body: bytes, frame: Frame, at: datetime, steps: list[Step]) -> None:
        if not self._is_own(message.common):
            steps.append(Noted("foreign-identity", _shown(message.common)))
            self._close(steps, "foreign-identity", _shown(message.common))
            return
        match message:
            case m.LoginRequest():
                self._request(message, frame, at, steps)
                return
            case m.Report():
                self._report(message, body, frame, at, steps)
                return
            case m.HeartBeat():
                self._send(m.TimeAnswer(self._claimed, self._local(at)), frame, steps)
            case m.DeviceNote():
                steps.append(Noted("device", _shown(self._claimed), message))
                self._send(m.DeviceAck(self._claimed), frame, steps)
            case m.PeriodAck() | m.ArchivesAck() | m.ControlAck():
                steps.append(Noted(message.operation.replace("_", "-"), _shown(self._claimed), message))
            case m.Answer():
                self._fault(steps, "answer-without-challenge", _shown(self._claimed))
                return
            case _:
                self._fault(steps, "wrong-direction", f"{message.element}/{message.operation}")
                return
        self._alive(at)

    def _report(self, report: m.Report, body: bytes, frame: Frame, at: datetime, steps: list[Step]) -> None:
        try:
            instant = report.at.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:
            self._fault(steps, "body-field", f"time {report.at:%Y}")
            return
        self._alive(at)
        digest = hashlib.sha256(body).hexdigest()
        if digest in self._acked:
            steps.append(Noted("duplicate", f"sequence {report.sequence[:_SHOWN]}"))
            if report.operation != "reply":
                steps.append(Send(self._ack(report.operation, report.sequence, frame.word, frame.kind)))
            return
        if digest in self._pending:
            steps.append(Noted("duplicate-pending", f"sequence {report.sequence[:_SHOWN]}"))
            return
        if len(self._pending) >= self._limits.outstanding:
            steps.append(Noted("overrun", f"{len(self._pending)} packets wait for the disk"))
            return
        if report.operation == "continuous":
            self._follow(report, steps)
        packet = Packet(
            building=self._claimed.building,
            gateway=self._claimed.gateway,
            operation=report.operation,
            sequence=report.sequence,
            at=instant,
            received_at=at.astimezone(UTC),
            readings=report.readings,
            digest=digest,
            body=body,
            word=frame.word,
            kind=frame.kind,
        )
        self._pending[digest] = packet._replace(body=b"", readings=())
        steps.append(Store(packet))

    def _follow(self, report: m.Report, steps: list[Step]) -> None:
        """Note where a back-fill begins, leaves something out and ends."""
        total, current = report.total, report.current
        if total is None or current is None:
            return
        before = self._back_fill
        if before is None or before[0] != total:
            steps.append(Noted("back-fill", f"{total} packets"))
        elif current != before[1] + 1:
            steps.append(Noted("back-fill-gap", f"packet {current} of {total} after {before[1]}"))
        self._back_fill = (total, current)
        if current >= total:
            steps.append(Noted("back-fill-done", f"{total} packets"))
            self._back_fill = None

    @property
    def _zone(self) -> ZoneInfo:
        assert self.account is not None  # times are told to who logged in
        return self.account.time_zone

    def _local(self, at: datetime) -> datetime:
        return at.astimezone(self._zone).replace(tzinfo=None, microsecond=0)

    def _is_own(self, common: m.Common) -> bool:
        return common.building in ("", self._claimed.building) and common.gateway in ("", self._claimed.gateway)

    def _alive(self, at: datetime) -> None:
        self._heard_at = at
        self._missed = self._faults = self._skipped = 0

    def _expired(self, at: datetime) -> bool:
        """Whether the challenge is too old, or older than the clock: a clock that steps back makes no challenge last longer."""
        since = self._challenged_at
        return since is None or at < since or _past(since, at, self._limits.challenge)

    def _ack(self, operation: m.ReportKind, sequence: str, word: int, kind: int | None) -> bytes:
        name: Final = "continuous_ack" if operation == "continuous" else "report_ack"
        return self._encode(m.ReportAck(self._claimed, name, sequence), word, kind)

    def _send(self, message: m.Message, frame: Frame, steps: list[Step]) -> None:
        steps.append(Send(self._encode(message, frame.word, frame.kind)))

    def _encode(self, message: m.Message, word: int, kind: int | None) -> bytes:
        keys = self._keys or (self._candidate.keys if self._candidate else _NO_KEYS)
        assert self.profile is not None  # whoever is answered has been found out
        return encode_message(message, self.profile, keys, word=word, kind=kind)

    def _fault(self, steps: list[Step], event: str, detail: str) -> None:
        self._faults += 1
        steps.append(Noted(event, detail))
        bound = self._limits.garbage if self.state is CentreState.READY else self._limits.before_login
        if self._faults > self._limits.faults or self._skipped > bound:
            self._close(steps, "faults", f"{self._faults} faults, {self._skipped} bytes passed over")

    def _close(self, steps: list[Step], reason: str, detail: str) -> None:
        if self.state is not CentreState.CLOSED:
            self.state = CentreState.CLOSED
            self._pending.clear()
            self._reader.discard()
            steps.append(Closed(reason, detail))


_NO_KEYS: Final = Keys(bytes(16), secret="-")
"""Used where a plain answer is encoded for a sender without an account."""


def _past(since: datetime, at: datetime, seconds: float) -> bool:
    return (at - since).total_seconds() > seconds


def _shown(common: m.Common) -> str:
    return f"{common.building[:_SHOWN]}/{common.gateway[:_SHOWN]}"
