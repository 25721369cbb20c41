"""Time the lake of readings beside bare DuckDB sums over the same files.

    python benchmarks/readings_lake.py [READINGS] [--billion]

Invented hourly readings of 10,000 meters (by default 50 million), appended in batches of 100 hours; read as appended, with a
late day of a tenth of the meters in the middle, and compacted; then pushes of 1,000 readings. `--billion` appends, compacts
and sums a billion in batches and tells the peak memory: an hour and 15 GB on the disk. Prints a table.

Months are named by text: DuckDB evaluates that once for each value of a dictionary, and truncation row by row.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dafeng.base.reading import READING_SCHEMA
from dafeng.lake import ReadingLake, ReadingSnapshot, open_engine

METERS = 10_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def readings(
    first: datetime, hours: int, seed: int, meters: int = METERS, delay: timedelta = timedelta(seconds=5)
) -> pl.DataFrame:
    """Return hourly intervals, in kWh with two places."""
    rng = np.random.default_rng(seed)
    instant = READING_SCHEMA["at"]
    at = pl.DataFrame({"at": pl.Series([first + timedelta(hours=hour + 1) for hour in range(hours)], dtype=instant)})
    at = at.with_columns(
        start=pl.col("at") - timedelta(hours=1),
        lineage=pl.format("packet:{}", pl.col("at").dt.epoch("s")),
        received_at=pl.col("at") + delay,
    )
    names = pl.DataFrame({"meter": pl.int_range(meters, eager=True).cast(pl.String).str.zfill(8)})
    frame = names.with_columns(meter="370202-" + pl.col("meter")).join(at, how="cross")
    value = pl.Series(np.round(rng.gamma(2.0, 5.0, frame.height), 2))
    return frame.with_columns(value=value, sent_as=pl.lit(""), origin=pl.lit("push")).select(list(READING_SCHEMA))


def spent(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call, which other work on the machine hardly changes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def compare(snapshot: ReadingSnapshot, what: str) -> None:
    """Tell what the sum by meter and month costs through the lake, and bare: the same sum over the same files."""
    paths = [str(path) for path in snapshot.files()]
    bare = "SELECT meter, strftime(\"at\", '%Y-%m'), sum(value) FROM read_parquet($1) GROUP BY ALL"
    with open_engine() as engine:
        table = snapshot.table(engine)
        rolled = table.group_by("meter", month=table["at"].strftime("%Y-%m")).agg(total=table.value.sum())
        execute = engine.connection.con.execute
        times = [
            (
                spent(lambda: engine.hold(rolled)),
                spent(lambda: execute(f"CREATE OR REPLACE TEMP TABLE bare AS {bare}", [paths])),
            )
            for _ in range(5)
        ]
    through, alone = (min(column) for column in zip(*times, strict=True))
    print(
        f"| sum by meter and month, {what} | {through:.2f} CPU s | bare {alone:.2f} CPU s | {through / alone:.2f} × |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("readings", type=int, nargs="?", default=50_000_000)
    parser.add_argument("--billion", action="store_true")
    chosen = parser.parse_args()
    wanted = 1_000_000_000 if chosen.billion else chosen.readings
    with tempfile.TemporaryDirectory() as folder:
        lake = ReadingLake(Path(folder))
        seconds, first, stored = 0.0, START, 0
        while stored < wanted:
            hours = min(100, -(-(wanted - stored) // METERS))
            batch = readings(first, hours, stored)
            seconds += timed(partial(lake.append, batch, batch=first.isoformat()))[0]
            stored, first = stored + batch.height, first + timedelta(hours=hours)
        size = sum(file.size for file in lake.snapshot().data_files)
        print(
            f"| append {stored:,} in batches of 1,000,000 | {stored / seconds:,.0f} readings/s | peak {peak():.2f} GiB |"
        )
        print(f"| on the disk | {size / stored:.2f} bytes/reading | {len(lake.snapshot().files())} files |")
        compare(lake.snapshot(), "as appended")
        if not chosen.billion:
            middle = START + timedelta(hours=stored // METERS // 2)
            lake.append(readings(middle, 24, 7, meters=1000, delay=timedelta(days=400)), batch="late")
            compare(lake.snapshot(), "with a late day of 1,000 meters")
        seconds, done = timed(lambda: lake.compact(thorough=True))
        print(f"| compact {done.files_before} → {done.files_after} files | {seconds:.1f} s | peak {peak():.2f} GiB |")
        compare(lake.snapshot(), "compacted")
        size = sum(file.size for file in lake.snapshot().data_files)
        print(f"| on the disk, compacted | {size / stored:.2f} bytes/reading | peak {peak():.2f} GiB |")
        pushes = [readings(first + timedelta(minutes=number), 1, number, meters=1000) for number in range(200)]
        times = [timed(partial(lake.append, rows, batch=f"push {n}"))[0] for n, rows in enumerate(pushes)]
        print(
            f"| push of 1,000 readings | median {np.median(times) * 1e3:.0f} ms | p95 {np.quantile(times, 0.95) * 1e3:.0f} ms |"
        )


if __name__ == "__main__":
    main()
