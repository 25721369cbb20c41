"""Time the lake of readings beside bare DuckDB sums over the same files.

    python benchmarks/readings_lake.py [READINGS] [--billion]

Invented hourly readings of 10,000 meters (by default 50 million), appended month by month; then pushes of 1,000 readings; then
read as appended, with late corrections, and compacted. `--billion` appends, compacts and sums a billion in chunks, which takes
long, and tells the peak memory. Prints a table.
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
    at = pl.DataFrame({"at": [first + timedelta(hours=hour + 1) for hour in range(hours)]})
    names = pl.DataFrame({"meter": pl.int_range(meters, eager=True).cast(pl.String).str.zfill(8)})
    frame = names.with_columns(meter="370202-" + pl.col("meter")).join(at, how="cross")
    return frame.with_columns(
        pl.col("at").cast(READING_SCHEMA["at"]),
        start=pl.col("at").cast(READING_SCHEMA["at"]) - timedelta(hours=1),
        value=pl.Series(np.round(rng.gamma(2.0, 5.0, frame.height), 2)),
        sent_as=pl.lit(""),
        origin=pl.lit("push"),
        lineage=pl.format("packet:{}", pl.col("at").dt.epoch("s")),
        received_at=pl.col("at").cast(READING_SCHEMA["at"]) + delay,
    ).select(list(READING_SCHEMA))


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def compare(snapshot: ReadingSnapshot, what: str) -> None:
    """Tell how long the sum by meter and month takes through the lake, and bare."""
    with open_engine() as engine:
        table = snapshot.table(engine)
        month = table["at"].truncate("M").name("month")
        rolled = table.group_by("meter", month).agg(total=table.value.sum())
        paths = [str(path) for path in snapshot.files()]
        bare = "SELECT meter, date_trunc('month', \"at\"), sum(value) FROM read_parquet($1) GROUP BY ALL"
        through = min(timed(lambda: engine.hold(rolled))[0] for _ in range(3))
        alone = min(
            timed(lambda: engine.connection.con.execute(f"CREATE OR REPLACE TEMP TABLE bare AS {bare}", [paths]))[0]
            for _ in range(3)
        )
    print(f"| sum by meter and month, {what} | {through:.2f} s | bare {alone:.2f} s | {through / alone:.2f} × |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("readings", type=int, nargs="?", default=50_000_000)
    parser.add_argument("--billion", action="store_true")
    chosen = parser.parse_args()
    wanted = 1_000_000_000 if chosen.billion else chosen.readings
    with tempfile.TemporaryDirectory() as folder:
        lake = ReadingLake(Path(folder))
        spent, first, stored = 0.0, START, 0
        while stored < wanted:
            hours = min(100, -(-(wanted - stored) // METERS))
            batch = readings(first, hours, stored)
            spent += timed(partial(lake.append, batch, batch=first.isoformat()))[0]
            stored, first = stored + batch.height, first + timedelta(hours=hours)
        size = sum(file.size for file in lake.snapshot().data_files)
        print(
            f"| append {stored:,} in batches of 1,000,000 | {stored / spent:,.0f} readings/s | peak {peak():.2f} GiB |"
        )
        print(f"| on the disk | {size / stored:.2f} bytes/reading | {len(lake.snapshot().files())} files |")
        compare(lake.snapshot(), "as appended")
        if not chosen.billion:
            late = readings(START + timedelta(days=40), 24, 7, meters=1000, delay=timedelta(days=90))
            lake.append(late, batch="late")
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
