"""The lake of readings: append-only, as received, wholly and once, beside the events of meters.

Two tables lie side by side under transaction logs: ``readings`` and ``events``. A batch goes into one of them in one commit:
a writer that is killed at any instant leaves the whole batch or none of it, and at most files that no log names. Readings are
not compared when they are stored: a later one of the same key counts instead, and both are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding
from dafeng.base.reading import EVENT_SCHEMA, READING_SCHEMA, MeterEventKind
from dafeng.lake.batches import BATCHES_SCHEMA, NewRows, Published, append_batch
from dafeng.lake.compaction import CompactedReadings, compact_readings
from dafeng.lake.delta import DeltaLog
from dafeng.lake.durable import check_path
from dafeng.lake.log_entries import Versioned, all_details
from dafeng.lake.reading_files import STORED_READING, ReadingLog
from dafeng.lake.reading_snapshot import STORED_EVENT, ReadingSnapshot
from dafeng.lake.vacuum import SPARED, Vacuumed, vacuum

__all__ = ["ReadingLake"]

_EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


class ReadingLake:
    """Readings and meter events.

    Parameters
    ----------
    folder : Path
        Made at the first batch; of a workspace ``lake/readings``.

    Examples
    --------
    >>> import tempfile
    >>> at = datetime(2026, 11, 20, 1, tzinfo=UTC)
    >>> row = {"meter": "e1", "at": at, "value": 12.5, "origin": "push", "received_at": at}
    >>> rows = pl.DataFrame([row], schema_overrides=READING_SCHEMA).select(
    ...     pl.col(name) if name in row else pl.lit(None, dtype).alias(name) for name, dtype in READING_SCHEMA.items())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lake = ReadingLake(Path(folder) / "readings")
    ...     first, again = (lake.append(rows, batch="one") for _ in range(2))
    ...     first.appended, again.already, lake.snapshot().read()["value"].to_list()
    (1, True, [12.5])
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        check_path(self.folder)
        self._readings = ReadingLog(
            self.folder / "readings",
            STORED_READING,
            partition_by=("month", "layer"),
            ranged=("meter", "at", "start", "received_at", "serial"),
            busy=True,
            plain=True,
        )
        self._events = DeltaLog(self.folder / "events", STORED_EVENT)

    def __repr__(self) -> str:
        return f"ReadingLake({str(self.folder)!r})"

    def append(self, frame: pl.DataFrame, *, batch: str) -> Published:
        """Store a batch of readings: wholly, once, and safe on the disk when this returns.

        Parameters
        ----------
        frame : DataFrame of `READING_SCHEMA`
            Every row is stored, also one that says what is stored already. Of rows with one key and received_at the last
            counts.
        batch : str
            Idempotent key, such as the hash of a document. The same batch twice is one, whenever it was received; other
            contents under a key that is taken are refused.

        Returns
        -------
        Published
            `unchanged` and `superseded` are 0: readings are not compared here.

        Raises
        ------
        LakeError
            A row has no meter, instant or received_at, a start not before its instant, or a value that is no finite
            number; or the batch id is taken by other contents, or the lake cannot be written. Nothing is stored then.
        """
        doing = f"store the readings of batch {batch}"
        _check(frame, READING_SCHEMA, _reading_faults(), doing)
        return self._append(self._readings, frame, batch, "received_at", doing)

    def append_events(self, frame: pl.DataFrame, *, batch: str) -> Published:
        """Store a batch of meter events; see `append`.

        Parameters
        ----------
        frame : DataFrame of `EVENT_SCHEMA`
            Of events with one meter, instant and kind the one recorded last counts.
        batch : str
            Idempotent key.

        Raises
        ------
        LakeError
            A row has no meter, instant, recorded_at, person or reason, a kind that is none of `MeterEventKind`, or an
            `until` before its instant; or as of `append`.
        """
        doing = f"store the meter events of batch {batch}"
        _check(frame, EVENT_SCHEMA, _event_faults(), doing)
        return self._append(self._events, frame, batch, "recorded_at", doing)

    def _append(self, log: DeltaLog, frame: pl.DataFrame, batch: str, clock: str, doing: str) -> Published:
        def rows(state: Versioned) -> NewRows:
            serial = pl.int_range(pl.len(), dtype=pl.Int64()) + ((state.version() + 1) << 32)
            return NewRows(frame.with_columns(serial=serial), 0, 0)

        digest = _digest(frame.drop(clock))
        return append_batch(log, self.folder, batch=batch, digest=digest, rows=rows, doing=doing, compared=False)

    def snapshot(self, version: int | None = None, *, events_version: int | None = None) -> ReadingSnapshot:
        """Return the state of the lake at a version of its readings and of its events, by default the newest.

        Raises
        ------
        LakeError
            There is no such version, or a log cannot be read.
        """
        readings = _state(self._readings, version)
        events = _state(self._events, events_version)
        return ReadingSnapshot(
            folder=self.folder,
            version=-1 if readings is None else readings.version(),
            events_version=-1 if events is None else events.version(),
            data_files=self._readings.files(readings),
            event_files=self._events.files(events),
        )

    def batches(self) -> pl.DataFrame:
        """Return the batches of readings that have landed, oldest first: see `BATCHES_SCHEMA`."""
        return _batches(self._readings)

    def event_batches(self) -> pl.DataFrame:
        """Return the batches of events that have landed, oldest first: see `BATCHES_SCHEMA`."""
        return _batches(self._events)

    def compact(
        self,
        *,
        months: list[str] | None = None,
        rows_of_file: int = 2_000_000,
        thorough: bool = False,
        progress: Callable[[str, int, int], Any] | None = None,
    ) -> CompactedReadings:
        """Put small files together, month by month, and set apart what was superseded; no reading is lost.

        Parameters
        ----------
        months : list of str, optional
            Only these UTC months, such as 2026-11.
        rows_of_file : int
            Readings of a file, at most about; also what is held in memory at a time.
        thorough : bool
            Also merge late readings that are few beside what they may replace.
        progress : callable, optional
            Told of each month: its name, its number and how many there are.

        Notes
        -----
        Safe beside writers and readers. The old files stay on the disk for older versions until `vacuum`.
        """
        return compact_readings(
            self._readings,
            self.folder,
            months=months,
            rows_of_file=rows_of_file,
            thorough=thorough,
            progress=progress,
        )

    def vacuum(self, *, keep: int = 1, spare: timedelta = SPARED) -> Vacuumed:
        """Remove files that only old versions need, and what killed writers left; put old log entries away.

        Parameters
        ----------
        keep : int
            The newest so many versions stay readable.
        spare : timedelta
            So do those that were the newest at some moment of this time: long enough for readers that are at work.

        Notes
        -----
        No reading is lost: what is removed was written anew by compaction.
        """
        return vacuum(self._readings, self.folder, keep=keep, spare=spare)

    def verify(self) -> list[Finding]:
        """Return what is wrong with the stored files: logs that cannot be read, files missing or changed."""
        return self._readings.verify() + self._events.verify()


def _state(log: DeltaLog, version: int | None) -> DeltaTable | None:
    table = log.load()
    newest = -1 if table is None else table.version()
    if version is None or version == newest:
        return table
    if not 0 <= version < newest:
        raise LakeError(
            f"there is no version {version}",
            doing=f"read the lake {log.folder}",
            expected=f"0 to {newest}" if newest >= 0 else "a lake with at least one batch",
            next_step="name an existing version, or none for the newest",
        )
    return log.load(version)


def _batches(log: DeltaLog) -> pl.DataFrame:
    table = log.load()
    entries = () if table is None else all_details(log.folder, table.version())
    rows = [details | {"version": version} for version, details in entries if "batch" in details]
    return pl.DataFrame(rows, schema=BATCHES_SCHEMA)


def _digest(frame: pl.DataFrame) -> str:
    """Return what names the rows of a batch in their order: a hash of their columns."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String()]
    others = pl.exclude(texts)
    bare = frame.select(
        pl.all().is_null().name.prefix("null "),
        pl.col(texts).str.len_bytes().fill_null(0).name.prefix("length "),
        others.to_physical().fill_null(0) + 0,  # -0.0 becomes 0.0
    )
    joined = frame.select(pl.col(texts).str.join())
    digest = hashlib.sha256(str((frame.height, dict(frame.schema))).encode())
    for column in bare.rechunk().iter_columns():
        digest.update(column.to_numpy().tobytes())
    for text in joined.row(0):
        digest.update(text.encode())
    return digest.hexdigest()


def _blank(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")


def _strange(name: str) -> pl.Expr:
    return pl.col(name).is_null() | ~pl.col(name).is_between(_EARLIEST, _LATEST, closed="left")


# Made when asked for: an instant in an expression starts the threads of the library, which no fork of a process survives.
def _reading_faults() -> dict[str, pl.Expr]:
    return {
        "no meter": _blank("meter"),
        "no instant from 1900 to 2200": _strange("at"),
        "no received_at from 1900 to 2200": _strange("received_at"),
        "a start that is not before the instant, or before 1900": (pl.col("start") >= pl.col("at"))
        | (pl.col("start") < _EARLIEST),
        "a value that is no finite number": ~pl.col("value").is_finite(),
    }


def _event_faults() -> dict[str, pl.Expr]:
    return {
        "no meter": _blank("meter"),
        "no instant from 1900 to 2200": _strange("at"),
        "no recorded_at from 1900 to 2200": _strange("recorded_at"),
        "an unknown kind": pl.col("kind").is_null() | ~pl.col("kind").is_in([str(kind) for kind in MeterEventKind]),
        "an until before the instant": pl.col("until") < pl.col("at"),
        "nobody who says so": _blank("by"),
        "no reason": _blank("reason"),
        "a register that is no finite number": ~(pl.col("before").is_finite() & pl.col("after").is_finite()),
    }


def _check(frame: pl.DataFrame, schema: dict[str, pl.DataType], faults: dict[str, pl.Expr], doing: str) -> None:
    if dict(frame.schema) != schema:
        raise LakeError(
            f"the rows have the columns {dict(frame.schema)}",
            doing=doing,
            expected=f"the columns {schema}",
            next_step="bring the rows into this form",
        )
    faulty = frame.select(condition.any().alias(problem) for problem, condition in faults.items()).row(0, named=True)
    if any(faulty.values()):
        numbered = frame.with_row_index("row", offset=1)
        found = {problem: numbered.filter(faults[problem])["row"].to_list() for problem in faults if faulty[problem]}
        raise LakeError(
            "; ".join(f"{len(rows)} rows have {problem}, first row {rows[0]}" for problem, rows in found.items()),
            doing=doing,
            expected="rows that can be kept as they were received",
            next_step="leave these rows out with a stated fate",
            rows=sorted({row for rows in found.values() for row in rows[:100]}),
        )
