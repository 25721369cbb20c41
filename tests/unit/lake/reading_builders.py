"""Readings for the lake's tests, and what its processes run."""

import resource
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from pathlib import Path

import polars as pl

from dafeng.base.errors import LakeError
from dafeng.base.reading import EVENT_SCHEMA, READING_KEY, READING_SCHEMA
from dafeng.lake import DerivedTable, ReadingLake, compaction
from dafeng.lake import batches as batching
from unit.lake.lake_builders import no_queue

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOURS_SCHEMA = {"meter": pl.String(), "hour": READING_SCHEMA["at"], "amount": pl.Float64(), "generation": pl.Int64()}
METERS, HOURS = 30, 8
ROWS = METERS * HOURS


def hour(number: float) -> datetime:
    """Return an instant so many hours after noon of the last of January 2026."""
    return START + timedelta(hours=number)


def reading(meter: str, hours: float, value: float | None = 1.0, **others: object) -> dict[str, object]:
    """Return a register reading, received in the hour in which it was read."""
    blank: dict[str, object] = {"start": None, "sent_as": "", "origin": "push", "lineage": "x"}
    return {"meter": meter, "at": hour(hours), "value": value, "received_at": hour(hours), **blank, **others}


def frame_of(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in READING_SCHEMA} for row in rows], schema=READING_SCHEMA)


def event(meter: str, at: float, kind: str = "reset", **others: object) -> pl.DataFrame:
    row: dict[str, object] = {"meter": meter, "at": hour(at), "kind": kind, "by": "li", "reason": "seen"}
    row |= {"until": None, "before": 9.0, "after": 0.0, "recorded_at": hour(at), **others}
    return pl.DataFrame([{name: row[name] for name in EVENT_SCHEMA}], schema=EVENT_SCHEMA)


def batch_readings(number: int) -> pl.DataFrame:
    """Return readings of 30 meters over 8 hours across a month's end, half of whose keys the next batch has again."""
    index = pl.int_range(ROWS, eager=True)
    return pl.DataFrame({"index": index}).select(
        meter=pl.format("m{}", pl.col("index") // HOURS % METERS),
        at=pl.lit(hour(number * HOURS / 2), READING_SCHEMA["at"]) + pl.duration(hours=pl.col("index") % HOURS),
        start=pl.lit(None, READING_SCHEMA["start"]),
        value=pl.col("index").cast(pl.Float64) + 1000.0 * number,
        sent_as=pl.lit(""),
        origin=pl.lit("push"),
        lineage=pl.lit(f"b{number}"),
        received_at=pl.lit(hour(1000 + number), READING_SCHEMA["received_at"]),
    )


def truth(batches: list[str]) -> pl.DataFrame:
    """Return what counts after these batches, worked out without the lake."""
    frames = [batch_readings(int(batch[1:])) for batch in batches]
    rows = pl.concat([pl.DataFrame(schema=READING_SCHEMA), *frames])
    return rows.sort("received_at").unique(READING_KEY, keep="last", maintain_order=True).sort(READING_KEY)


def hours_table(folder: Path) -> DerivedTable:
    return DerivedTable(folder / "hours", HOURS_SCHEMA, keys=("meter", "hour"), time="hour", by="day")


def hours_of(generation: int) -> pl.DataFrame:
    """Return rows of three days, all of one generation."""
    return pl.DataFrame({"index": pl.int_range(60, eager=True)}).select(
        meter=pl.lit("m"),
        hour=pl.lit(hour(0), HOURS_SCHEMA["hour"]) + pl.duration(hours=pl.col("index")),
        amount=pl.col("index").cast(pl.Float64),
        generation=pl.lit(generation, pl.Int64),
    )


def work_until_killed(folder: Path, first: int, started: "Queue[int]") -> None:
    """Append, compact, replace, again and again."""
    lake, hours = ReadingLake(folder / "readings"), hours_table(folder)
    started.put(1)
    for number in range(first, first + 1000):
        lake.append(batch_readings(number), batch=f"b{number}")
        hours.replace(hours_of(number), made_from={"generation": number})
        if number % 2:
            lake.compact(rows_of_file=700, thorough=True)
        if number % 5 == 4:
            lake.vacuum(keep=3, spare=timedelta(0))


def append_numbered(folder: Path, numbers: list[int], barrier: object, results: "Queue[object]", queue: bool) -> None:
    """Append numbered batches once everybody is ready, and compact between them."""
    if not queue:
        batching.turn = compaction.turn = no_queue
    lake = ReadingLake(folder)
    barrier.wait()  # type: ignore[attr-defined]
    for number in numbers:
        published = lake.append(batch_readings(number), batch=f"b{number}")
        results.put((published.batch, published.already, published.appended))
        if number % 3 == 0:
            lake.compact(rows_of_file=500, thorough=True)


def write_on_a_full_disk(folder: Path, limit: int, results: "Queue[object]") -> None:
    """Append and replace where no file may pass `limit` bytes, then where they may."""
    lake, hours = ReadingLake(folder / "readings"), hours_table(folder)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    steps = {
        "append": lambda: lake.append(batch_readings(1), batch="b1"),
        "replace": lambda: hours.replace(hours_of(1), made_from={}),
        "compact": lambda: lake.compact(rows_of_file=10_000, thorough=True),
    }
    for size in (limit, hard):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        for name, step in steps.items():
            try:
                step()
                results.put((name, "done"))
            except LakeError as error:
                results.put((name, str(error)))
