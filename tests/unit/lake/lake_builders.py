"""Facts for the lake's tests, and what its processes run."""

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from multiprocessing.queues import Queue
from pathlib import Path

import polars as pl

from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import SCHEMA, Observation, observation_frame
from dafeng.lake import ObservationLake, delta, observations
from dafeng.lake import batches as batching

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Return an instant `number` days after the first."""
    return DAY + timedelta(days=number)


def fact(value: float | None = 1.0, *, place: str = "qingdao", recorded: int = 0, **others: object) -> Observation:
    """Return one fact."""
    fields: dict[str, object] = {
        "indicator": "urban_rail_length",
        "place": place,
        "period": "2024",
        "value": value,
        "missing_reason": "not_reported" if value is None else None,
        "dataset": "yearbook",
        "recorded_at": day(recorded),
    }
    return Observation.model_validate(fields | others)


def facts(*values: float | None, recorded: int = 0, **others: object) -> pl.DataFrame:
    """Return one fact a value, of places p0, p1 …"""
    return observation_frame(
        fact(value, place=f"p{number}", recorded=recorded, **others) for number, value in enumerate(values)
    )


def origins(*ids: str, text: str = "1") -> pl.DataFrame:
    """Return lineage rows."""
    rows = [dict.fromkeys(LINEAGE_SCHEMA) | {"id": name, "kind": "cell", "text": text} for name in ids]
    return pl.DataFrame(rows, schema=LINEAGE_SCHEMA)


def batch_of(number: int, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the facts and the lineage of a numbered batch, each with keys of its own."""
    index = pl.int_range(rows, eager=True)
    first = observation_frame([fact(lineage="x", published_on=date(2025, 1, 1))])
    frame = pl.concat([first] * rows).with_columns(
        place=pl.format("b{}-{}", pl.lit(number), index),
        value=index.cast(pl.Float64) + number,
        lineage=pl.format("l{}-{}", pl.lit(number), index),
    )
    return frame.select(list(SCHEMA)), origins(*frame["lineage"])


@contextlib.contextmanager
def no_queue(folder: Path) -> Iterator[None]:
    """Stand in for a file system without locks."""
    yield


def _kill_at(point: str) -> None:
    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write, commit = delta.DeltaLog.write, delta.DeltaLog.commit

    def of(table: str, log: delta.DeltaLog) -> bool:
        return log.folder.name == table

    def killing_write(self: delta.DeltaLog, *args: object) -> object:
        if point == "between lineage and observations" and of("observations", self):
            die()
        file = write(self, *args)
        if point == f"after the data file of {self.folder.name}":
            die()
        return file

    def killing_commit(self: delta.DeltaLog, *args: object, **kwargs: object) -> bool:
        if point == f"before the log entry of {self.folder.name}":
            die()
        landed = commit(self, *args, **kwargs)
        if point == f"after the log entry of {self.folder.name}":
            die()
        return landed

    delta.DeltaLog.write = killing_write
    delta.DeltaLog.commit = killing_commit
    if point == "within a data file":
        delta.hash_file = die
    if point == "before the log entry is on the disk":
        delta.DeltaLog._sync_log = die


KILL_POINTS = [
    "within a data file",
    "after the data file of lineage",
    "before the log entry of lineage",
    "before the log entry is on the disk",
    "after the log entry of lineage",
    "between lineage and observations",
    "after the data file of observations",
    "before the log entry of observations",
    "after the log entry of observations",
]


def publish_batch(folder: Path, number: int, rows: int, *, point: str = "", queue: bool = True) -> None:
    """Publish a numbered batch, and be killed at `point`."""
    if point:
        _kill_at(point)
    if not queue:
        observations.turn = batching.turn = no_queue
    frame, lineage = batch_of(number, rows)
    ObservationLake(folder).publish(frame, batch=f"b{number}", lineage=lineage)


def report_batches(
    folder: Path, numbers: list[int], rows: int, queue: bool, barrier: object, results: "Queue[object]"
) -> None:
    """Publish numbered batches once everybody is ready, and tell what became of them."""
    if not queue:
        observations.turn = batching.turn = no_queue
    batches = [(number, *batch_of(number, rows)) for number in numbers]
    barrier.wait()  # type: ignore[attr-defined]
    for number, frame, lineage in batches:
        published = ObservationLake(folder).publish(frame, batch=f"b{number}", lineage=lineage)
        results.put((published.batch, published.already, published.appended))


def compact_often(folder: Path, times: int, barrier: object, results: "Queue[object]") -> None:
    """Compact again and again."""
    observations.turn = batching.turn = no_queue
    barrier.wait()  # type: ignore[attr-defined]
    for _ in range(times):
        results.put(("compact", ObservationLake(folder).compact().files_after, 0))
