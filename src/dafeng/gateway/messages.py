"""The messages of the gateway protocol: one frozen record for each operation, as plain values.

Twenty operations in seventeen records: query, reply and the two kinds of report differ only in their operation. Times are
local and naive as they stand on the wire; sequence numbers and values stay text, since senders write them as they like.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, NamedTuple, TypeAlias

__all__ = [
    "Answer",
    "ArchiveMeter",
    "ArchiveProtocol",
    "Archives",
    "ArchivesAck",
    "Challenge",
    "Common",
    "Control",
    "ControlAck",
    "DeviceAck",
    "DeviceNote",
    "FunctionReading",
    "GatewayMessage",
    "HeartBeat",
    "LoginRequest",
    "LoginResult",
    "Message",
    "PeriodAck",
    "Query",
    "Report",
    "ReportAck",
    "ReportKind",
    "SetPeriod",
    "TimeAnswer",
]

ReportKind = Literal["reply", "report", "continuous"]
"""reply: answer to a query; report: periodic; continuous: back-fill after an outage (断点续传)."""


class Common(NamedTuple):
    """The part that every message has."""

    building: str
    """Building or project code."""
    gateway: str
    """Gateway number."""
    type: str = ""
    """What the sender wrote as type, where it is neither the operation nor the body element; blank otherwise."""


class FunctionReading(NamedTuple):
    """One value of one function of one meter."""

    meter: str
    """Meter number within the gateway."""
    function: str
    """Function number within the meter; blank where the meter carries none."""
    coding: str = ""
    """Energy code that the sender put on it, often building code and energy item."""
    error: str = ""
    """Error mark: blank or 0 is sound, anything else is the vendor's."""
    text: str = ""
    """Value as written."""

    @property
    def sound(self) -> bool:
        """Whether the sender reports no error.

        Examples
        --------
        >>> FunctionReading("01", "1", error="0").sound, FunctionReading("01", "1", error="192").sound
        (True, False)
        """
        return self.error in ("", "0")


class ArchiveProtocol(NamedTuple):
    """How meters of one kind are read: which functions under which numbers."""

    id: str
    """Number to which meters refer."""
    type: str = ""
    """Kind of protocol."""
    type188: str = ""
    """Kind of meter in CJ/T 188."""
    items: tuple[str, ...] = ()
    """Function numbers (fnId) read."""


class ArchiveMeter(NamedTuple):
    """One meter of the archive that a centre hands down."""

    meter: str
    """Meter number within the gateway (meterId)."""
    kind: str = ""
    """Kind of meter (mType)."""
    port: str = ""
    """Serial port (com)."""
    address: str = ""
    """Address on the bus (addr)."""
    memo: str = ""
    """Remark."""
    sample: str = ""
    """Number of its protocol (sampleId)."""
    code: str = ""
    """Energy code."""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A gateway names itself."""

    element: ClassVar[str] = "id_validate"
    operation: ClassVar[str] = "request"
    common: Common


@dataclass(frozen=True, slots=True)
class Challenge:
    """The centre sends random digits."""

    element: ClassVar[str] = "id_validate"
    operation: ClassVar[str] = "sequence"
    common: Common
    sequence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The gateway proves that it knows the secret."""

    element: ClassVar[str] = "id_validate"
    operation: ClassVar[str] = "md5"
    common: Common
    md5: str


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The centre lets it in, with its clock, or does not."""

    element: ClassVar[str] = "id_validate"
    operation: ClassVar[str] = "result"
    common: Common
    passed: bool
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class HeartBeat:
    """A gateway is alive."""

    element: ClassVar[str] = "heart_beat"
    operation: ClassVar[str] = "notify"
    common: Common
    notify: str = ""


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """The centre's clock."""

    element: ClassVar[str] = "heart_beat"
    operation: ClassVar[str] = "time"
    common: Common
    time: datetime


@dataclass(frozen=True, slots=True)
class Query:
    """The centre asks for values now."""

    element: ClassVar[str] = "data"
    operation: ClassVar[str] = "query"
    common: Common


@dataclass(frozen=True, slots=True)
class Report:
    """Values of meters at an instant.

    Parameters
    ----------
    common : Common
    operation : {"reply", "report", "continuous"}
    sequence : str
        Packet number as written.
    at : datetime
        Local and naive.
    readings : tuple of FunctionReading
    parser : bool, optional
        Whether the sender has turned raw answers of meters into values; None where it does not say.
    total, current : int, optional
        Back-fill only: packets in all, and which one this is.
    """

    element: ClassVar[str] = "data"
    common: Common
    operation: ReportKind
    sequence: str
    at: datetime
    readings: tuple[FunctionReading, ...] = ()
    parser: bool | None = None
    total: int | None = None
    current: int | None = None


@dataclass(frozen=True, slots=True)
class ReportAck:
    """The centre has a report for good, and the gateway may forget it."""

    element: ClassVar[str] = "data"
    common: Common
    operation: Literal["report_ack", "continuous_ack"]
    sequence: str
    passed: bool = True


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """The centre sets how often to report, in minutes."""

    element: ClassVar[str] = "config"
    operation: ClassVar[str] = "period"
    common: Common
    minutes: int


@dataclass(frozen=True, slots=True)
class PeriodAck:
    """The gateway took the period, or did not."""

    element: ClassVar[str] = "config"
    operation: ClassVar[str] = "period_ack"
    common: Common
    passed: bool = True


@dataclass(frozen=True, slots=True)
class DeviceNote:
    """A gateway describes itself.

    Parameters
    ----------
    facts : tuple of (str, str)
        Element name and text, in the order sent: build_name, build_no, dev_no, factory, hardware, software, mac, ip, mask, gate,
        server, port, host, com, dev_num, period, begin_time, address, and whatever else.
    """

    element: ClassVar[str] = "device"
    operation: ClassVar[str] = "device"
    common: Common
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceAck:
    """The centre took the description."""

    element: ClassVar[str] = "device"
    operation: ClassVar[str] = "device_ack"
    common: Common
    passed: bool = True


@dataclass(frozen=True, slots=True)
class Archives:
    """The centre hands a gateway its meters."""

    element: ClassVar[str] = "archives"
    operation: ClassVar[str] = "archives"
    common: Common
    building: tuple[tuple[str, str], ...] = ()
    period: int | None = None
    protocols: tuple[ArchiveProtocol, ...] = ()
    meters: tuple[ArchiveMeter, ...] = ()


@dataclass(frozen=True, slots=True)
class ArchivesAck:
    """The gateway took its meters, or did not."""

    element: ClassVar[str] = "archives"
    operation: ClassVar[str] = "archives_ack"
    common: Common
    passed: bool = True


@dataclass(frozen=True, slots=True)
class Control:
    """The centre acts on a device; sent only by an explicit command."""

    element: ClassVar[str] = "control"
    operation: ClassVar[str] = "control"
    common: Common
    index: str
    meter: str
    data: str


@dataclass(frozen=True, slots=True)
class ControlAck:
    """What became of a control: error F0 is done, F1 is not."""

    element: ClassVar[str] = "control"
    operation: ClassVar[str] = "control_ack"
    common: Common
    index: str
    meter: str
    error: str
    data: str = ""


GatewayMessage: TypeAlias = (
    LoginRequest | Answer | HeartBeat | Report | PeriodAck | DeviceNote | ArchivesAck | ControlAck
)
"""What a gateway sends."""
Message: TypeAlias = (
    GatewayMessage
    | Challenge
    | LoginResult
    | TimeAnswer
    | Query
    | ReportAck
    | SetPeriod
    | DeviceAck
    | Archives
    | Control
)
"""Any message."""
