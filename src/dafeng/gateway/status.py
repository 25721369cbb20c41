"""What is known of each gateway at this moment, and how the whole stands: kept by the server, read by anybody.

The server changes plain objects in memory and writes what changed every few seconds, through the spool's writing thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from dafeng.base.finding import Severity
from dafeng.base.record import Record
from dafeng.gateway.database import read_database
from dafeng.gateway.registry import Registry

__all__ = ["Event", "GatewayState", "Live", "LiveBoard", "StatusReport", "read_status", "write_board"]

_NOTES_KEPT: Final = 10_000
_NOTES_OF_FLUSH: Final = 200


class Event(NamedTuple):
    """Something worth a line in the log. No field ever holds a key, secret or answer.

    Parameters
    ----------
    at : datetime
        UTC.
    name : str
        Stable name such as ``login.failed``.
    severity : Severity
    building, gateway, address : str
        Blank where not known.
    detail : str
    """

    at: datetime
    name: str
    severity: Severity = Severity.INFO
    building: str = ""
    gateway: str = ""
    address: str = ""
    detail: str = ""


@dataclass(slots=True)
class Live:
    """A gateway as the server sees it; times are ISO texts in UTC."""

    building: str
    gateway: str
    connected: bool = False
    address: str = ""
    since: str = ""
    last_seen: str = ""
    last_reading: str = ""
    packets: int = 0
    readings: int = 0
    withheld: int = 0
    backlog: int | None = None
    clock_error: float | None = None
    logins: int = 0
    login_failures: int = 0
    faults: int = 0
    last_fault: str = ""
    last_fault_at: str = ""


class GatewayState(Record):
    """A gateway for whoever asks."""

    building: str
    """Building code."""
    gateway: str
    """Gateway number."""
    profile: str
    """Profile of its account; blank where it has none."""
    state: str
    """active, suspended, or unknown where it has no account."""
    connected: bool = False
    """Whether it is logged in."""
    address: str = ""
    """Where it last came from."""
    since: str = ""
    """When it last logged in."""
    last_seen: str = ""
    """When it last sent anything."""
    last_reading: str = ""
    """Instant of its newest reading."""
    packets: int = 0
    """Packets acknowledged since onboarding."""
    readings: int = 0
    """Readings acknowledged since onboarding."""
    withheld: int = 0
    """Packets not taken, spool full or disk failing."""
    backlog: int | None = None
    """Back-fill packets that it still has to send, as it says."""
    clock_error: float | None = None
    """Instant of its newest report minus its receipt, in seconds: above 0 its clock is fast; below 0 it is slow or sends late."""
    logins: int = 0
    """Logins that passed."""
    login_failures: int = 0
    """Logins that failed."""
    faults: int = 0
    """Faulty frames and bodies."""
    last_fault: str = ""
    """Name of the newest fault."""
    last_fault_at: str = ""
    """When it was."""
    points: int = 0
    """Functions of meters that it has sent and that were delivered."""
    unknown_points: int = 0
    """Of these, functions that the ledger did not know when they were last delivered."""


class StatusReport(Record):
    """How gateways, spool and deliveries stand."""

    gateways: tuple[GatewayState, ...]
    """Every account, and whoever else was seen."""
    numbers: dict[str, float]
    """Counters as the server last wrote them; see `dafeng.gateway.metrics`."""
    spool_packets: int
    """Packets that wait for the lake."""
    spool_readings: int
    """Readings that wait for the lake."""
    spool_bytes: int
    """Bytes that wait for the lake."""
    oldest_waiting: str
    """Receipt of the oldest of them; blank where none waits."""
    points: tuple[dict[str, str], ...]
    """Functions of meters that have sent: building, gateway, meter, function, coding, house_meter, since."""
    set_aside: int
    """Readings that the lake cannot keep."""
    notes: tuple[dict[str, str], ...]
    """The newest events, newest first."""


class LiveBoard:
    """The live states in memory, and what of them has to be written.

    Examples
    --------
    >>> board = LiveBoard()
    >>> board.of("370202A001", "01").packets += 1
    >>> len(board.take()), len(board.take())
    (1, 0)
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Live] = {}
        self._changed: set[tuple[str, str]] = set()
        self._notes: list[Event] = []
        self.dropped = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Take over what an earlier server knew; nobody is connected now."""
        names = {field.name for field in fields(Live)}
        for (said,) in connection.execute("SELECT said FROM live"):
            kept = {name: value for name, value in json.loads(said).items() if name in names}
            live = Live(**(kept | {"connected": False}))
            key = live.building, live.gateway
            self._known[key] = live
            self._changed.add(key)

    def of(self, building: str, gateway: str) -> Live:
        """Return the state of a gateway to be changed."""
        key = building, gateway
        self._changed.add(key)
        live = self._known.get(key)
        if live is None:
            live = self._known[key] = Live(building, gateway)
        return live

    def note(self, event: Event) -> bool:
        """Keep an event for the next writing; return whether there was room."""
        if len(self._notes) >= _NOTES_OF_FLUSH:
            self.dropped += 1
            return False
        self._notes.append(event)
        return True

    def take(self) -> list[tuple[str, str, str]]:
        """Return the states that changed since the last time, as rows to be written."""
        changed, self._changed = self._changed, set()
        return [(*key, json.dumps(asdict(self._known[key]), ensure_ascii=False)) for key in sorted(changed)]

    def put_back(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Have states written the next time that could not be written this time."""
        self._changed |= {(building, gateway) for building, gateway, _ in rows}

    def take_notes(self) -> list[Event]:
        """Return the events since the last time."""
        notes, self._notes = self._notes, []
        return notes


def write_board(
    connection: sqlite3.Connection,
    rows: Iterable[tuple[str, str, str]],
    notes: Iterable[Event],
    numbers: Mapping[str, float],
) -> None:
    """Write states, events and numbers; called within a transaction."""
    connection.executemany("INSERT OR REPLACE INTO live VALUES (?, ?, ?)", rows)
    connection.executemany(
        "INSERT INTO notes (at, severity, name, building, gateway, address, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                note.at.isoformat(),
                note.severity.value,
                note.name,
                note.building,
                note.gateway,
                note.address,
                note.detail,
            )
            for note in notes
        ],
    )
    connection.execute("DELETE FROM notes WHERE id <= (SELECT MAX(id) FROM notes) - ?", (_NOTES_KEPT,))
    connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", list(numbers.items()))


def read_status(path: Path, *, notes: int = 20) -> StatusReport | None:
    """Read how the gateways of a workspace stand, beside a running server or without one.

    Parameters
    ----------
    path : Path
        ``gateway.sqlite3``.
    notes : int
        Newest events to return.

    Returns
    -------
    StatusReport or None
        None where no gateway was ever onboarded.

    Raises
    ------
    LakeError
        The database cannot be read.
    """
    connection = read_database(path)
    if connection is None:
        return None
    try:
        connection.execute("BEGIN")  # one state for everything below
        accounts = {(one.building, one.gateway): one for one in Registry(connection).accounts()}
        live = {
            (building, gateway): json.loads(said)
            for building, gateway, said in connection.execute("SELECT * FROM live")
        }
        points = {
            (building, gateway): (count, unknown)
            for building, gateway, count, unknown in connection.execute(
                "SELECT building, gateway, COUNT(*), SUM(1 - known) FROM points GROUP BY building, gateway"
            )
        }
        known = {field for field in GatewayState.model_fields if field not in ("building", "gateway")}
        states = []
        for key in sorted({*accounts, *live}):
            account = accounts.get(key)
            said: dict[str, Any] = {name: value for name, value in live.get(key, {}).items() if name in known}
            count, unknown = points.get(key, (0, 0))
            states.append(
                GatewayState(
                    building=key[0],
                    gateway=key[1],
                    profile="" if account is None else account.profile,
                    state="unknown" if account is None else account.state.value,
                    points=count,
                    unknown_points=unknown,
                    **said,
                )
            )
        totals = "TOTAL(packets), TOTAL(readings), TOTAL(LENGTH(body)), MIN(received)"
        waiting = connection.execute(f"SELECT {totals} FROM groups").fetchone()
        names = ("building", "gateway", "meter", "function", "coding", "house_meter", "since")
        sending = connection.execute(
            "SELECT building, gateway, meter, function, coding, house_meter, first_seen FROM points ORDER BY 1, 2, 3, 4"
        ).fetchall()
        newest = connection.execute(
            "SELECT at, severity, name, building, gateway, address, detail FROM notes ORDER BY id DESC LIMIT ?",
            (notes,),
        ).fetchall()
        heads = ("at", "severity", "name", "building", "gateway", "address", "detail")
        return StatusReport(
            gateways=tuple(states),
            numbers=dict(connection.execute("SELECT name, value FROM counters").fetchall()),
            spool_packets=int(waiting[0]),
            spool_readings=int(waiting[1]),
            spool_bytes=int(waiting[2]),
            oldest_waiting="" if waiting[3] is None else datetime.fromtimestamp(int(waiting[3]) / 1e6, UTC).isoformat(),
            points=tuple(dict(zip(names, row, strict=True)) for row in sending),
            set_aside=int(connection.execute("SELECT COUNT(*) FROM set_aside").fetchone()[0]),
            notes=tuple(dict(zip(heads, row, strict=True)) for row in newest),
        )
    finally:
        connection.close()
