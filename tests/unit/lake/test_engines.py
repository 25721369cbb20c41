"""One expression on every engine: DuckDB here, PySail where it is installed, a real Spark cluster in the soak."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.lake import DerivedTable, Engine, EngineRows, ReadingLake, open_engine
from unit.lake.reading_builders import ROWS, batch_readings, frame_of, hour, reading, truth

WITH_SPARK = importlib.util.find_spec("pyspark") is not None
WITH_SAIL = WITH_SPARK and importlib.util.find_spec("pysail") is not None
SCHEMA = {
    "meter": pl.String(),
    "month": pl.Date(),
    "amount": pl.Float64(),
    "rows": pl.Int64(),
    "last": pl.Datetime("us", "UTC"),
}
ROLLED = {"meter": pl.String(), "day": pl.Date(), "amount": pl.Float64(), "longest": pl.Int64()}
quiet = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")


def rolled(readings: Any) -> Any:
    """Return steps of registers by local day of China: windows, instants, intervals, grouping."""
    before = ibis.window(group_by="meter", order_by="at")
    steps = readings.mutate(previous=readings["at"].lag().over(before), was=readings.value.lag().over(before))
    steps = steps.filter(steps.previous.notnull())
    steps = steps.mutate(
        day=(steps["at"] + ibis.interval(hours=8)).date(),
        seconds=steps["at"].epoch_seconds().cast("int64") - steps.previous.epoch_seconds().cast("int64"),
    )
    return (
        steps.group_by("meter", "day")
        .agg(amount=(steps.value - steps.was).sum(), longest=steps.seconds.max())
        .order_by("meter", "day")
    )


def lake_of_three(folder: Path) -> ReadingLake:
    lake = ReadingLake(folder / "readings")
    for number in range(3):
        lake.append(batch_readings(number), batch=f"b{number}")
    lake.compact(rows_of_file=300, thorough=True)
    lake.append(
        frame_of(reading("m1", 3, -5.5, received_at=hour(5000)), reading("m2", 300, 1e6, received_at=hour(5000))),
        batch="late",
    )
    return lake


def expected(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what `rolled` must give, by Polars, of readings sorted by meter and instant."""
    step = pl.col("value") - pl.col("value").shift().over("meter")
    return (
        rows.with_columns(
            amount=step,
            longest=(pl.col("at") - pl.col("at").shift().over("meter")).dt.total_seconds(),
            day=(pl.col("at") + timedelta(hours=8)).dt.date(),
        )
        .filter(pl.col("longest").is_not_null())
        .group_by("meter", "day")
        .agg(pl.col("amount").sum(), pl.col("longest").max())
        .sort("meter", "day")
        .select(list(ROLLED))
    )


def check_engine(engine: Engine, folder: Path) -> None:
    """Check everything that an engine must do, on a lake with superseded, late and duplicate readings."""
    lake = lake_of_three(folder)
    snapshot = lake.snapshot()
    readings = snapshot.table(engine)
    rows = snapshot.read().sort("meter", "at")
    current = engine.collect(readings, READING_SCHEMA).sort("meter", "at")
    assert_frame_equal(current, rows)
    days = expected(rows)
    seen = engine.collect(snapshot.table(engine, as_of=hour(1001)), READING_SCHEMA).sort("meter", "at")
    assert_frame_equal(seen, truth(["b0", "b1"]).sort("meter", "at"))
    few = snapshot.table(engine, hour(2), hour(3.5), meters=["m1", "m2"])
    assert engine.collect(few.order_by("meter", "at"))["at"].to_list() == [hour(2), hour(3)] * 2
    many = snapshot.table(engine, meters=[f"m{number}" for number in range(1, 900)])
    assert engine.collect(many.count().name("n").as_table())["n"].to_list() == [
        current.filter(pl.col("meter") != "m0").height
    ]
    held = engine.hold(rolled(readings))
    assert_frame_equal(engine.collect(held.order_by("meter", "day"), ROLLED), days, rel_tol=1e-9)
    empty = engine.parquet([], ROLLED)
    assert engine.collect(empty, ROLLED).height == 0
    table = DerivedTable(folder / "days", ROLLED, keys=("meter", "day"), time="day")
    parts = days["day"].dt.strftime("%Y-%m").unique().to_list()
    made = table.replace(
        EngineRows(engine, rolled(readings)), partitions=parts, made_from={"readings": snapshot.version}
    )
    assert made.rows_after == days.height
    assert_frame_equal(table.read(), days, rel_tol=1e-9)
    joined = engine.frame(pl.DataFrame({"meter": ["m1"], "from": [hour(3)], "on": [date(2026, 2, 1)]}))
    rows = table.table(engine, date(2026, 2, 1)).join(joined, "meter").order_by("day")
    found = engine.collect(rows)
    assert found["from"].unique().to_list() == [hour(3)]
    assert found.height == days.filter(pl.col("meter") == "m1", pl.col("day") >= date(2026, 2, 1)).height
    instants = engine.collect(engine.frame(pl.DataFrame({"at": [datetime(1950, 1, 1, 0, 0, 0, 1, UTC), None]})))
    assert instants["at"].to_list() == [datetime(1950, 1, 1, 0, 0, 0, 1, UTC), None]
    assert lake.verify() == table.verify() == []


def test_duckdb_does_it(tmp_path: Path) -> None:
    with open_engine("duckdb", memory="1GB", threads=2, spill=tmp_path) as engine:
        check_engine(engine, tmp_path)


def test_paths_with_strange_characters(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] *? 100%"
    lake = ReadingLake(folder)
    lake.append(batch_readings(0), batch="b0")
    with open_engine() as engine:
        assert_frame_equal(
            engine.collect(lake.snapshot().table(engine), READING_SCHEMA).sort(READING_KEY), truth(["b0"])
        )
        paths = engine.write(lake.snapshot().table(engine), folder / "new", READING_SCHEMA)
        assert engine.collect(engine.parquet(paths, READING_SCHEMA)).height == ROWS


def test_files_with_zone_and_without_are_the_same(tmp_path: Path) -> None:
    rows = batch_readings(0).with_columns(start=pl.col("at") - timedelta(hours=1))
    zoned = tmp_path / "zoned.parquet"
    rows.write_parquet(zoned)
    with open_engine() as engine:
        plain = engine.write(engine.parquet([zoned], READING_SCHEMA), tmp_path / "plain", READING_SCHEMA)
        assert pl.read_parquet_schema(plain[0])["at"] == pl.Datetime("us")
        for paths in ([zoned], plain, [*plain, zoned], [zoned, *plain]):
            found = engine.collect(engine.parquet(paths, READING_SCHEMA), READING_SCHEMA)
            assert_frame_equal(found.unique().sort(READING_KEY), rows.sort(READING_KEY))


def test_a_file_that_goes_while_an_engine_reads_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with open_engine() as engine:
        rows = engine.parquet([path], {"a": pl.Int64()})
        path.unlink()
        for step in (
            engine.collect,
            engine.hold,
            lambda table: engine.write(table, tmp_path / "new", {"a": pl.Int64()}),
        ):
            with pytest.raises(LakeError, match="start again from the newest version"):
                step(rows)


def test_what_is_written_is_in_order(tmp_path: Path) -> None:
    rows = pl.DataFrame({"a": pl.int_range(300_000, eager=True).shuffle(seed=1)})
    with open_engine() as engine:
        (path,) = engine.write(engine.frame(rows).order_by("a"), tmp_path / "new", {"a": pl.Int64()})
        assert pl.read_parquet(path)["a"].is_sorted()
        assert engine.write(engine.frame(rows.clear()), tmp_path / "empty", {"a": pl.Int64()}) == []


@pytest.mark.parametrize("address", ["", "duck", "spark:/x", "local[x]", "http://a"])
def test_an_unknown_engine_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="there is no engine"):
        open_engine(address)


@pytest.mark.skipif(WITH_SPARK, reason="dafeng[spark] is installed")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(LakeError, match=r"dafeng\[spark\]"):
        open_engine("spark://nowhere:7077")


@pytest.fixture
def sail() -> Iterator[str]:
    from pysail.spark import SparkConnectServer  # noqa: PLC0415

    server = SparkConnectServer()
    server.start(background=True)
    yield f"sc://localhost:{server.listening_address[1]}"
    server.stop()


@quiet
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.skipif(not WITH_SAIL, reason="dafeng[spark] is not installed")
def test_pysail_does_it(tmp_path: Path, sail: str) -> None:
    with open_engine(sail) as engine:
        check_engine(engine, tmp_path)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a standalone master and two workers as processes of their own, and give the master's address."""
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    home = Path(importlib.util.find_spec("pyspark").submodule_search_locations[0])  # type: ignore[union-attr,index]
    port = free_port()
    address = f"spark://127.0.0.1:{port}"
    environment = os.environ | {
        "SPARK_HOME": str(home),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    launch = [str(home / "bin/spark-class")]
    master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    worker = ["org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
    with ExitStack() as running:

        def start(arguments: list[str], name: str) -> Path:
            log = tmp_path / f"{name}.log"
            stream = running.enter_context(log.open("wb"))
            process = subprocess.Popen(launch + arguments, env=environment, stdout=stream, stderr=stream, cwd=tmp_path)
            running.callback(process.wait)
            running.callback(process.terminate)
            return log

        def expect(log: Path, words: str, times: int = 1) -> None:
            for _ in range(300):
                if log.read_text().count(words) >= times:
                    return
                time.sleep(0.2)
            raise AssertionError(log.read_text())

        log = start(master, "master")
        expect(log, "I have been elected leader")
        for number in range(2):
            start([*worker, "--work-dir", str(tmp_path / f"worker{number}"), address], f"worker{number}")
        expect(log, "Registering worker", 2)
        yield address


@pytest.mark.soak
@pytest.mark.cluster
@quiet
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
@pytest.mark.skipif(not WITH_SPARK or shutil.which("java") is None, reason="no dafeng[spark] or no Java runtime")
def test_a_real_cluster_of_two_workers_does_it(tmp_path: Path, cluster: str) -> None:
    with open_engine(cluster, memory="512m") as engine:
        check_engine(engine, tmp_path)
        workers = engine.session.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1  # type: ignore[attr-defined]
        assert workers == 2
