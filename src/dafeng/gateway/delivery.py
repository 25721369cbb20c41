"""From the spool into the lake, in a thread of its own: slow or absent lakes hold up no acknowledgement.

A delivery is three steps, each on the disk before the next: the range of groups gets the name of its batch; the lake takes the batch
in one commit; the range leaves the spool. Killed anywhere, the same steps are done again with the same name, and the lake knows a
name that has landed. So every packet is in the lake once.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, Protocol

import polars as pl
from pydantic import Field

from dafeng.base.record import Record
from dafeng.gateway.database import transaction
from dafeng.gateway.spool import FIELD, PACKET, RECORD, Spool
from dafeng.workflow.metering_gateway import SENT_SCHEMA, Delivered

__all__ = ["Deliverer", "Delivery", "DeliveryLimits", "DeliveryState", "sent_frame", "take_set_aside"]

_HEAD: Final = ("building", "gateway", "operation", "sequence", "at", "received_at")
_PARTS: Final = ("meter", "function", "coding", "error", "text")
_LONGEST_WAIT: Final = 60.0


class DeliveryLimits(Record):
    """How packets go into the lake, in ``gateway.toml`` under ``[delivery]``."""

    seconds: float = Field(default=60.0, gt=0)
    """A delivery at least so often, where anything waits: each makes a file and a log entry."""
    readings: int = Field(default=200_000, ge=1)
    """Readings of a delivery at most, about; so many waiting start one at once."""
    ahead_seconds: float = Field(default=3600.0, ge=0, le=1e10)
    """A reading whose instant lies further ahead of its receipt is set aside: it would count as the newest until that day."""


class DeliveryState(NamedTuple):
    """How deliveries stand.

    Parameters
    ----------
    batches, readings : int
        Delivered since the start.
    last : datetime or None
        When the newest was.
    problem : str
        Why the newest attempt failed; blank where it did not.
    failures : int
        Attempts that failed one after another.
    seconds : float
        How long the newest took.
    """

    batches: int = 0
    readings: int = 0
    last: datetime | None = None
    problem: str = ""
    failures: int = 0
    seconds: float = 0.0


class Deliverer(Protocol):
    """Takes readings into the lake: `dafeng.workflow.metering_gateway.GatewayDelivery`."""

    def deliver(self, sent: pl.DataFrame, batch: str) -> Delivered:
        """Store readings of `SENT_SCHEMA` as one batch."""
        ...


def sent_frame(texts: Sequence[str]) -> pl.DataFrame:
    """Return the readings of packed packets.

    Parameters
    ----------
    texts : sequence of str
        As `dafeng.gateway.spool.pack` packs them.

    Returns
    -------
    DataFrame of `SENT_SCHEMA`
        In the order in which they came; a packet without readings has no row.

    Examples
    --------
    >>> text = RECORD.join(["b", "01", "report", "7", "0", "5", FIELD.join(["1", "2", "", "0", "3.5"])])
    >>> sent_frame([text, text + PACKET + text])["packet"].to_list()
    [0, 1, 2]
    """
    packets = pl.Series("packet", list(texts), pl.String).str.split(PACKET).explode(empty_as_null=False)
    parts = packets.str.split(RECORD).to_frame("parts").with_row_index("packet")
    head = [pl.col("parts").list.get(place).alias(name) for place, name in enumerate(_HEAD)]
    rows = parts.with_columns(*head, reading=pl.col("parts").list.slice(len(_HEAD))).drop("parts")
    fields = pl.col("reading").str.split_exact(FIELD, len(_PARTS) - 1).struct.rename_fields(list(_PARTS))
    return (
        rows.filter(pl.col("reading").list.len() > 0)
        .explode("reading")
        .with_columns(fields.alias("fields"))
        .unnest("fields")
        .select(pl.col(name).cast(kind) for name, kind in SENT_SCHEMA.items())
    )


class Delivery:
    """Empties the spool into the lake, again and again.

    Parameters
    ----------
    spool : Spool
    deliverer : Deliverer
    limits : DeliveryLimits
    clock : callable
        The present moment, UTC.
    told : callable, optional
        Told of each attempt by the delivering thread: what was delivered, or None, and the problem.
    """

    def __init__(
        self,
        spool: Spool,
        deliverer: Deliverer,
        limits: DeliveryLimits,
        *,
        clock: Callable[[], datetime],
        told: Callable[[Delivered | None, str], object] | None = None,
    ) -> None:
        self._spool, self._deliverer, self.limits = spool, deliverer, limits
        self._clock, self._told = clock, told
        self._state = DeliveryState()
        self._points: dict[tuple[str, str, str, str], tuple[str, str, bool]] = {}
        self._wake = threading.Event()
        self._ending, self._deadline = False, float("inf")
        self._thread = threading.Thread(target=self._work, name="gateway-delivery", daemon=True)

    @property
    def state(self) -> DeliveryState:
        """How deliveries stand."""
        return self._state

    def start(self) -> None:
        """Start the delivering thread."""
        self._thread.start()

    def stop(self, *, seconds: float = 30.0) -> None:
        """End the thread after one more attempt; what is left stays in the spool.

        Parameters
        ----------
        seconds : float
            For so long it is waited for. A delivery that is cut off is done again at the next start.
        """
        self._deadline = time.monotonic() + seconds
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def step(self) -> Delivered | None:
        """Deliver one range: the one that was begun, or the oldest packets; None where none waits.

        Raises
        ------
        LakeError
            The lake cannot be written; the range stays as it is.
        """
        begun = self._spool.unfinished()
        if begun:
            first, last, batch = begun[0]
        else:
            groups = self._spool.waiting(self.limits.readings)
            if not groups:
                return None
            first, last, batch = self._spool.begin_delivery(groups)
        delivered = self._deliverer.deliver(sent_frame(self._spool.bodies(first, last)), batch)
        fresh = self._fresh_points(delivered.points)
        now = self._clock().isoformat()

        def also(connection: sqlite3.Connection) -> None:
            connection.executemany(
                """INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (building, gateway, meter, function) DO UPDATE
                   SET coding = excluded.coding, house_meter = excluded.house_meter, known = excluded.known""",
                [(*point, *said, now) for point, said in fresh.items()],
            )
            connection.executemany(
                f"INSERT INTO set_aside ({_SET_ASIDE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                delivered.set_aside.select(*_ASIDE_ORDER, "reason").rows(),
            )

        self._spool.end_delivery(first, last, also=also)
        self._points |= fresh
        return delivered

    def _fresh_points(self, points: pl.DataFrame) -> Mapping[tuple[str, str, str, str], tuple[str, str, bool]]:
        """Return the points that are new or are tied otherwise than before."""
        return {
            (building, gateway, meter, function): (coding, house_meter, known)
            for building, gateway, meter, function, coding, house_meter, known, _ in points.iter_rows()
            if self._points.get((building, gateway, meter, function)) != (coding, house_meter, known)
        }

    def _work(self) -> None:
        while True:
            ending = self._ending
            self._deliver_all()
            if ending:
                return
            self._wait()

    def _deliver_all(self) -> None:
        try:
            while (started := time.monotonic()) < self._deadline:
                delivered = self.step()
                if delivered is None:
                    return
                self._state = DeliveryState(
                    self._state.batches + 1,
                    self._state.readings + delivered.rows,
                    self._clock(),
                    seconds=time.monotonic() - started,
                )
                self._tell(delivered, "")
        except Exception as error:  # the thread goes on, whatever the lake says
            problem = f"{type(error).__name__}: {error}"
            self._state = self._state._replace(problem=problem, failures=self._state.failures + 1)
            self._tell(None, problem)

    def _tell(self, delivered: Delivered | None, problem: str) -> None:
        if self._told is not None:
            self._told(delivered, problem)

    def _wait(self) -> None:
        """Wait for the next delivery: its time, enough readings, or to be woken; longer after failures."""
        failures = self._state.failures
        seconds = min(2.0 ** min(failures, 10), _LONGEST_WAIT) if failures else self.limits.seconds
        until = time.monotonic() + seconds
        while not self._ending and (left := until - time.monotonic()) > 0:
            if self._wake.wait(min(left, 0.5)) and not failures:
                break
            if not failures and self._spool.state().readings >= self.limits.readings:
                break
        self._wake.clear()


def take_set_aside(connection: sqlite3.Connection, deliverer: Deliverer, *, at: datetime, ahead: timedelta) -> int:
    """Deliver readings that were set aside as of the future and whose instant has come; return how many.

    For a server whose own clock was behind. Cut off anywhere, the same is done again, and stores nothing twice.

    Parameters
    ----------
    connection : Connection
        Of `dafeng.gateway.database.open_database`.
    deliverer : Deliverer
    at : datetime
        Now; counts as their receipt.
    ahead : timedelta
        How far an instant may lie ahead of it.
    """
    tick = timedelta(microseconds=1)
    now = (at - datetime(1970, 1, 1, tzinfo=UTC)) // tick
    statement = f"SELECT id, {', '.join(_ASIDE_ORDER)} FROM set_aside WHERE reason = 'future' AND CAST(at AS INTEGER) <= ? ORDER BY id"
    rows = connection.execute(statement, (now + ahead // tick,)).fetchall()
    if not rows:
        return 0
    numbers = [row[0] for row in rows]
    sent = pl.DataFrame([row[1:] for row in rows], schema=_ASIDE_ORDER, orient="row", infer_schema_length=None)
    together = pl.struct("building", "gateway", "operation", "sequence", "at").rank("dense")
    spool = connection.execute("SELECT value FROM meta WHERE name = 'spool'").fetchone()[0]
    digest = hashlib.sha256(repr(numbers).encode()).hexdigest()[:12]
    frame = sent.with_columns(packet=together, received_at=pl.lit(now)).select(
        pl.col(name).cast(kind) for name, kind in SENT_SCHEMA.items()
    )
    deliverer.deliver(frame, f"gateway-aside-{spool}-{numbers[0]}-{numbers[-1]}-{digest}")
    with transaction(connection):
        connection.executemany("DELETE FROM set_aside WHERE id = ?", [(number,) for number in numbers])
    return len(numbers)


_ASIDE_ORDER: Final = ["building", "gateway", "operation", "sequence", "at", "meter", "function", "coding", "error", "text",
                       "received_at"]  # fmt: skip
_SET_ASIDE: Final = ", ".join([*_ASIDE_ORDER, "reason"])
