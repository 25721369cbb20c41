"""The spool: packets are on the disk before anybody is told so.

Packets of all connections come into one queue; one thread writes what has gathered as one row in one transaction. A row is a
group of packets packed together, so that a commit costs one row whether it holds one packet or a thousand. Separators are
control characters that no XML text can hold.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from dafeng.gateway.database import open_database, transaction
from dafeng.gateway.limits import SpoolLimits

__all__ = ["FIELD", "PACKET", "RECORD", "Group", "Settled", "Spool", "SpoolState", "Spooled", "pack", "unpack"]

FIELD: Final = "\x1f"
"""Between the fields of a reading."""
RECORD: Final = "\x1e"
"""Between the readings of a packet, and the fields before them."""
PACKET: Final = "\x1d"
"""Between packets."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_PARTS: Final = 5
_OVERHEAD: Final = 100
_LONGEST: Final = 200
"""Characters of a field that are kept: the fields before the readings stand in every row of them."""
_PLAIN: Final = str.maketrans(dict.fromkeys("\x1c\x1d\x1e\x1f\n\r", "\ufffd"))
_STOP: Final = object()
T = TypeVar("T")


class Spooled(Protocol):
    """What the spool takes: a packet of the session, or of another way in."""

    @property
    def building(self) -> str:
        """Building code."""
        ...

    @property
    def gateway(self) -> str:
        """Gateway number."""
        ...

    @property
    def operation(self) -> str:
        """How it came: report, continuous, reply."""
        ...

    @property
    def sequence(self) -> str:
        """Packet number as written."""
        ...

    @property
    def at(self) -> datetime:
        """Instant of the readings."""
        ...

    @property
    def received_at(self) -> datetime:
        """When the house got it."""
        ...

    @property
    def readings(self) -> Sequence[tuple[str, str, str, str, str]]:
        """Meter, function, coding, error mark, text of each."""
        ...


Settled = Callable[[Sequence[Any], bool, str], object]
"""Called by the writing thread with the tokens of a group: whether it is on the disk, and why not."""


class Group(NamedTuple):
    """Packets of one commit.

    Parameters
    ----------
    id : int
        Never used twice in a spool.
    packets, readings : int
    digest : bytes
        SHA-256 of the packed text.
    """

    id: int
    packets: int
    readings: int
    digest: bytes


class SpoolState(NamedTuple):
    """How the spool stands.

    Parameters
    ----------
    groups, packets, readings, bytes : int
        Waiting for the lake.
    blocked : str
        Why nothing is taken; blank where packets are.
    behind : float
        Seconds by which the clock stands behind the newest receipt.
    """

    groups: int
    packets: int
    readings: int
    bytes: int
    blocked: str
    behind: float


def pack(packet: Spooled, received: int) -> str:
    """Return a packet as text.

    Parameters
    ----------
    packet : Spooled
    received : int
        Microseconds since 1970, UTC.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> packet = SimpleNamespace(building="b", gateway="01", operation="report", sequence="7", at=at, received_at=at,
    ...                          readings=[("1", "2", "", "", "3.5")])
    >>> unpack(pack(packet, 5))
    [(('b', '01', 'report', '7', '1795132800000000', '5'), [('1', '2', '', '', '3.5')])]
    """
    readings: Sequence[Sequence[str]] = packet.readings
    head: tuple[str, ...] = packet.building, packet.gateway, packet.operation, packet.sequence
    if max(map(len, chain(head, *readings))) > _LONGEST:
        readings, head = [tuple(map(_cut, reading)) for reading in readings], tuple(map(_cut, head))
    text = RECORD.join((*head, str((packet.at - _EPOCH) // _TICK), str(received), *map(FIELD.join, readings)))
    count = len(readings)
    if text.count(FIELD) != count * (_PARTS - 1) or text.count(RECORD) != count + _PARTS or PACKET in text:
        cleaned = [
            [field.translate(_PLAIN) for field in reading] for reading in readings
        ]  # no XML, whatever it came by
        head = tuple(field.translate(_PLAIN) for field in head)
        text = RECORD.join((*head, str((packet.at - _EPOCH) // _TICK), str(received), *map(FIELD.join, cleaned)))
    return text


def _cut(field: str) -> str:
    """Return a field of bounded length; what was cut is no number any more."""
    return field if len(field) <= _LONGEST else field[: _LONGEST - 1] + "…"


def unpack(text: str) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Return the packets of a packed text: fields before the readings, and the readings."""
    packets = []
    for packet in text.split(PACKET):
        parts = packet.split(RECORD)
        packets.append((tuple(parts[:6]), [tuple(reading.split(FIELD)) for reading in parts[6:]]))
    return packets


class Spool:
    """The queue between connections and lake, on the disk.

    Parameters
    ----------
    path : Path
        ``gateway.sqlite3``.
    limits : SpoolLimits
    clock : callable
        The present moment, UTC.
    settled : callable
        Told, by the writing thread, what became of every packet.

    Examples
    --------
    >>> import tempfile
    >>> from types import SimpleNamespace
    >>> at = datetime(2026, 11, 20, tzinfo=UTC)
    >>> packet = SimpleNamespace(building="b", gateway="01", operation="report", sequence="7", at=at, received_at=at,
    ...                          readings=[("1", "2", "", "", "3.5")])
    >>> told = []
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spool = Spool(Path(folder) / "gateway.sqlite3", SpoolLimits(), clock=lambda: at,
    ...                   settled=lambda tokens, stored, why: told.extend((token, stored) for token in tokens))
    ...     spool.put(packet, "token"); spool.flush(); groups = spool.waiting(10)
    ...     texts = spool.bodies(groups[0].id, groups[-1].id); spool.close()
    >>> told, len(groups), unpack(texts[0])[0][1]
    ([('token', True)], 1, [('1', '2', '', '', '3.5')])
    """

    def __init__(self, path: Path, limits: SpoolLimits, *, clock: Callable[[], datetime], settled: Settled) -> None:
        self.path, self.limits = path, limits
        self._clock, self._settled = clock, settled
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._connection = open_database(path)
        self._reader = open_database(path)
        self._file = _identity(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._reading = threading.Lock()
        self.id = str(self._reader.execute("SELECT value FROM meta WHERE name = 'spool'").fetchone()[0])
        totals = "COUNT(*), TOTAL(packets), TOTAL(readings), TOTAL(LENGTH(body)), MAX(received)"
        held = self._reader.execute(f"SELECT {totals} FROM groups").fetchone()
        self._groups, self._packets, self._readings = int(held[0]), int(held[1]), int(held[2])
        self._bytes = int(held[3]) + _OVERHEAD * self._groups
        newest = self._reader.execute("SELECT value FROM meta WHERE name = 'received'").fetchone()
        self._received = max(int(held[4] or 0), 0 if newest is None else int(newest[0]))
        self._blocked, self._blocked_until = "", 0.0
        self._behind = 0.0
        self._thread = threading.Thread(target=self._work, name="gateway-spool", daemon=True)
        self._thread.start()

    def put(self, packet: Spooled, token: object) -> None:
        """Queue a packet; `settled` is called with its token once it is on the disk, or is not taken."""
        self._queue.put((packet, token))

    def run(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue other writing; it is done in a transaction of its own by the same thread.

        Returns
        -------
        Future
            What `work` returned or raised, once that is on the disk.
        """
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future

    def probe(self) -> Future[None]:
        """Queue a trial writing: whether packets would be taken now."""

        def work(connection: sqlite3.Connection) -> None:
            if self._bytes >= self.limits.most_bytes:
                raise self._over()
            self._check_disk()
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (self._clock().isoformat(),))

        return self.run(work)

    def flush(self) -> None:
        """Wait until everything queued so far has been settled."""
        if self._thread.is_alive():
            self.run(lambda connection: None).result()

    def close(self) -> None:
        """Settle everything that is queued, and close the database."""
        if self._thread.is_alive():
            self._queue.put((_STOP, None))
            self._thread.join()
        with self._reading:
            self._reader.close()

    def state(self) -> SpoolState:
        """Return how the spool stands; cheap."""
        return SpoolState(self._groups, self._packets, self._readings, self._bytes, self.blocked, self._behind)

    @property
    def blocked(self) -> str:
        """Why no packet is taken now; blank where packets are."""
        if not self._thread.is_alive():
            return "the writing thread has ended"
        return self._blocked if time.monotonic() < self._blocked_until else ""

    def waiting(self, readings: int, *, packets: int = 1 << 62) -> list[Group]:
        """Return the oldest groups, up to so many readings but at least one group."""
        chosen: list[Group] = []
        total = count = 0
        for row in self._read("SELECT id, packets, readings, digest FROM groups ORDER BY id LIMIT 20000"):
            group = Group(*row)
            total, count = total + group.readings, count + group.packets
            if chosen and (total > readings or count > packets):
                break
            chosen.append(group)
        return chosen

    def unfinished(self) -> list[tuple[int, int, str]]:
        """Return deliveries that were begun: first and last group, and batch."""
        return [tuple(row) for row in self._read("SELECT first, last, batch FROM deliveries ORDER BY first")]

    def bodies(self, first: int, last: int) -> list[str]:
        """Return the packed texts of groups, in their order."""
        rows = self._read("SELECT body FROM groups WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))
        return [zlib.decompress(body).decode() for (body,) in rows]

    def begin_delivery(self, groups: Sequence[Group]) -> tuple[int, int, str]:
        """Name, on the disk, what the next batch holds; return first and last group and the name of the batch.

        The name holds a digest of the packets: a database that was put back from a backup and goes on with numbers that were used
        gives other names to other packets.
        """
        first, last = groups[0].id, groups[-1].id
        digest = hashlib.sha256(b"".join(group.digest for group in groups)).hexdigest()[:12]
        batch = f"gateway-{self.id}-{first}-{last}-{digest}"
        begun = self._clock().isoformat()
        insert = "INSERT INTO deliveries VALUES (?, ?, ?, ?)"
        self.run(lambda connection: connection.execute(insert, (first, last, batch, begun)) and None).result()
        return first, last, batch

    def end_delivery(
        self, first: int, last: int, *, also: Callable[[sqlite3.Connection], object] | None = None
    ) -> None:
        """Take what was delivered out of the spool, in one transaction with `also`."""

        def remove(connection: sqlite3.Connection) -> tuple[int, int, int, int]:
            span = (first, last)
            totals = "COUNT(*), TOTAL(packets), TOTAL(readings), TOTAL(LENGTH(body))"
            gone = connection.execute(f"SELECT {totals} FROM groups WHERE id BETWEEN ? AND ?", span).fetchone()
            connection.execute("DELETE FROM groups WHERE id BETWEEN ? AND ?", span)
            connection.execute("DELETE FROM deliveries WHERE first = ?", (first,))
            if also is not None:
                also(connection)
            return int(gone[0]), int(gone[1]), int(gone[2]), int(gone[3])

        def count(future: Future[tuple[int, int, int, int]]) -> None:  # by the writing thread
            if future.exception() is None:
                groups, packets, readings, size = future.result()
                self._groups -= groups
                self._packets -= packets
                self._readings -= readings
                self._bytes -= size + _OVERHEAD * groups

        future: Future[tuple[int, int, int, int]] = Future()
        future.add_done_callback(count)
        self._queue.put((remove, future))
        future.result()

    def _read(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        with self._reading:
            return self._reader.execute(statement, values).fetchall()

    # what follows runs in the writing thread

    def _work(self) -> None:
        going = True
        while going:
            packets, others, going = self._gather()
            if packets:
                self._store(packets)
            for work, future in others:
                self._do(work, future)
        self._connection.close()

    def _gather(self) -> tuple[list[tuple[Spooled, object]], list[tuple[Any, Future[Any]]], bool]:
        """Return packets and other writing that are queued, and whether there is more to come."""
        packets: list[tuple[Spooled, object]] = []
        others: list[tuple[Any, Future[Any]]] = []
        item = self._queue.get()
        if not isinstance(item[1], Future) and item[0] is not _STOP and self.limits.group_milliseconds:
            time.sleep(self.limits.group_milliseconds / 1000)
        while True:
            first, second = item
            if first is _STOP:
                return packets, others, False
            if isinstance(second, Future):
                others.append((first, second))
                return packets, others, True  # in the order in which they came
            packets.append((first, second))
            if len(packets) >= self.limits.group_packets:
                return packets, others, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return packets, others, True

    def _store(self, packets: list[tuple[Spooled, object]]) -> None:
        tokens = [token for _, token in packets]
        why = self.blocked
        if not why:
            try:
                self._write([packet for packet, _ in packets])
            except (
                Exception
            ) as error:  # whatever it is, nobody is told that the packets are there, and the thread goes on
                why = str(error) if isinstance(error, _FullError) else f"{type(error).__name__}: {error}"
                self._block(why)
        self._settled(tokens, not why, why)

    def _write(self, packets: Iterable[Spooled]) -> None:
        """Write packets as one group, on the disk when this returns."""
        now = (self._clock() - _EPOCH) // _TICK
        self._behind = max(0.0, (self._received - now) / 1e6)
        received, count, texts = self._received, 0, []
        for packet in packets:
            received = max(received, (packet.received_at - _EPOCH) // _TICK)  # never before the one before it
            texts.append(pack(packet, received))
            count += len(packet.readings)
        text = PACKET.join(texts).encode(errors="replace")
        body = zlib.compress(text, 1)
        if self._bytes + len(body) > self.limits.most_bytes:
            raise self._over()
        self._check_disk()
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO groups (packets, readings, received, digest, body) VALUES (?, ?, ?, ?, ?)",
                (len(texts), count, received, hashlib.sha256(text).digest(), body),
            )
            if received > self._received:
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('received', ?)", (str(received),))
        self._received = received
        self._groups += 1
        self._packets += len(texts)
        self._readings += count
        self._bytes += len(body) + _OVERHEAD

    def _over(self) -> OSError:
        return _FullError(f"the spool holds {self._bytes} bytes of at most {self.limits.most_bytes}")

    def _check_disk(self) -> None:
        if _identity(self.path) != self._file:
            raise _FullError(f"{self.path.name} was moved, removed or replaced; put it back, or start the server anew")
        found = os.statvfs(self.path.parent)
        free = found.f_bavail * found.f_frsize
        if free < self.limits.free_bytes:
            raise _FullError(f"the disk has {free >> 20} MiB left, less than {self.limits.free_bytes >> 20} MiB")

    def _block(self, why: str) -> None:
        self._blocked, self._blocked_until = why, time.monotonic() + self.limits.retry_seconds

    def _do(self, work: Callable[[sqlite3.Connection], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return  # nobody waits for it any more; once it runs it can no longer be taken back
        try:
            with transaction(self._connection) as connection:
                result = work(connection)
        except BaseException as error:  # whoever waits for it is told
            future.set_exception(error)
        else:
            future.set_result(result)


class _FullError(OSError):
    """There is no room for more packets."""


def _identity(path: Path) -> tuple[int, int] | None:
    """Return which file a path names; SQLite would go on writing into one that nobody can open any more."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
