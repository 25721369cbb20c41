"""What sessions ask their surroundings to do, and the limits within which they work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from dafeng.gateway.messages import FunctionReading, Message, ReportKind

__all__ = ["Acked", "Asked", "Closed", "Noted", "Packet", "Ready", "Send", "SessionLimits", "Step", "Store"]


class Packet(NamedTuple):
    """A report of a gateway that logged in, to be made durable before it is acknowledged."""

    building: str
    """Building of the account."""
    gateway: str
    """Gateway of the account."""
    operation: ReportKind
    """reply, report or continuous."""
    sequence: str
    """Packet number as written."""
    at: datetime
    """Instant of the readings, UTC and aware, by the zone of the account."""
    received_at: datetime
    """When it came, UTC and aware."""
    readings: tuple[FunctionReading, ...]
    """Values as written."""
    digest: str
    """SHA-256 of the plain body, hexadecimal."""
    body: bytes = b""
    """The plain body."""
    word: int = 0
    """Sequence word of its frame, which the acknowledgement repeats."""
    kind: int | None = None
    """Type byte of its frame, in the typed framing."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Store:
    """Make this packet durable, then call `acknowledge`."""

    packet: Packet


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: send what is before this step, then close the connection.

    Parameters
    ----------
    reason : str
        Stable name: before-login, body, wrong-key, login-failed, login-timeout, too-many-requests, challenge-expired,
        answer-without-challenge, foreign-identity, faults, silent, refused, no-profile.
    detail : str
        With which value; never a secret.
    """

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """Something worth counting or showing.

    Parameters
    ----------
    event : str
        Stable name.
    detail : str
        With which value; never a secret.
    message : Message, optional
        What the gateway said: its description, or what became of a command.
    """

    event: str
    detail: str = ""
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """Gateway's side: the login passed.

    Parameters
    ----------
    time : datetime, optional
        The centre's clock, local and naive.
    """

    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acked:
    """Gateway's side: the centre has this report for good."""

    sequence: str
    operation: Literal["report", "continuous"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Gateway's side: the centre wants something; answer with `GatewaySession.answer`."""

    message: Message


Step: TypeAlias = Send | Store | Closed | Noted | Ready | Acked | Asked
"""What a session asks for, in the order in which it is to be done."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long and how much a session bears. Times in seconds; all are our choice, none is prescribed.

    Parameters
    ----------
    login : float
        From opening to passing.
    challenge : float
        From challenge to answer.
    heart_beat : float
        Between two signs of life.
    missed : int
        Heart beats in a row after which a gateway is gone.
    answers : int
        Wrong answers after which a session ends.
    requests : int
        Login requests of one session.
    faults : int
        Faulty frames or bodies in a row.
    before_login : int
        Bytes of the largest frame before the login has passed, and of garbage.
    most : int
        Bytes of the largest frame.
    garbage : int
        Bytes that are no frame, between two sound ones.
    outstanding : int
        Packets that may wait for their acknowledgement; more are passed over, and the gateway sends them again.
    remembered : int
        Acknowledged packets that are remembered, so that one sent again is only acknowledged again.
    retry : float
        Gateway's side: after which a report without acknowledgement is sent again.
    window : int
        Gateway's side: reports under way at once.
    """

    login: float = 60.0
    challenge: float = 60.0
    heart_beat: float = 300.0
    missed: int = 3
    answers: int = 3
    requests: int = 8
    faults: int = 20
    before_login: int = 4096
    most: int = 1 << 20
    garbage: int = 65536
    outstanding: int = 256
    remembered: int = 256
    retry: float = 60.0
    window: int = 16
