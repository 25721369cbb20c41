"""Writers of readings that are killed, that meet, or that find the disk full: every batch wholly and once."""

import multiprocessing
import random
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.lake import ReadingLake
from unit.lake.reading_builders import (
    ROWS,
    append_numbered,
    batch_readings,
    hours_of,
    hours_table,
    truth,
    work_until_killed,
    write_on_a_full_disk,
)

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dafeng.lake", "unit.lake.reading_builders", "multiprocessing.synchronize"])


def check_everything(folder: Path) -> int:
    """Check that what landed is whole, counted once, and adds up; return how many batches did."""
    lake, hours = ReadingLake(folder / "readings"), hours_table(folder)
    names = lake.batches()["batch"].to_list()
    snapshot = lake.snapshot()
    counts = snapshot.read(history=True).group_by("lineage").len().sort("lineage")
    assert counts.rows() == [(name, ROWS) for name in sorted(names)]
    assert names == [f"b{number}" for number in range(len(names))]
    current = snapshot.read()
    assert_frame_equal(current, truth(names))
    assert current["value"].sum() == truth(names)["value"].sum()
    rows = hours.read()
    if rows.height:
        assert_frame_equal(rows, hours_of(int(rows["generation"][0])))
        assert hours.made_from() == {"generation": rows["generation"][0]}
    assert lake.verify() == hours.verify() == []
    return len(names)


def check_counts(folder: Path) -> int:
    """Check that what landed is whole and adds up, without reading what counts; return how many batches did."""
    lake, hours = ReadingLake(folder / "readings"), hours_table(folder)
    names = lake.batches()["batch"].to_list()
    assert names == [f"b{number}" for number in range(len(names))]
    paths = [file.path for file in lake.snapshot().data_files]
    total = pl.scan_parquet(paths).select(pl.len(), pl.col("value").sum()).collect().row(0) if paths else (0, 0.0)
    assert total == (
        ROWS * len(names),
        sum(ROWS * (ROWS - 1) / 2 + 1000.0 * ROWS * number for number in range(len(names))),
    )
    assert hours.read()["generation"].n_unique() <= 1
    return len(names)


def kill_again_and_again(folder: Path, times: int, longest: float) -> int:
    generator = random.Random(20261120)
    started = PROCESSES.Queue()
    landed = 0
    for kill in range(times):
        worker = PROCESSES.Process(target=work_until_killed, args=(folder, landed, started))
        worker.start()
        started.get(timeout=60)
        worker.join(generator.uniform(0.02, longest))
        worker.kill()
        worker.join()
        landed = check_everything(folder) if kill % 10 == 9 or times < 10 else check_counts(folder)
        repeated = ReadingLake(folder / "readings").append(batch_readings(landed), batch=f"b{landed}")
        assert not repeated.already
        landed += 1
    return landed


def test_killed_while_writing_compacting_and_replacing_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert kill_again_and_again(tmp_path, 5, 0.5) >= 5


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_killed_a_hundred_times_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert kill_again_and_again(tmp_path, 100, 0.8) >= 100


@pytest.mark.parametrize("queue", [True, False], ids=["with locks", "without locks"])
def test_two_writers_and_compaction_at_once_lose_nothing(tmp_path: Path, queue: bool) -> None:
    results, barrier = PROCESSES.Queue(), PROCESSES.Barrier(2)
    numbers = ([0, 1, 2, 3, 6], [0, 1, 4, 5, 7])  # some by both
    workers = [
        PROCESSES.Process(target=append_numbered, args=(tmp_path, part, barrier, results, queue)) for part in numbers
    ]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in range(10)]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(name for name, already, _ in told if not already) == [f"b{number}" for number in range(8)]
    lake = ReadingLake(tmp_path)
    assert lake.snapshot().count == 8 * ROWS
    assert_frame_equal(lake.snapshot().read(), truth([f"b{number}" for number in range(8)]))
    assert lake.verify() == []


@pytest.mark.parametrize("limit", [1, 700, 4000])
def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, limit: int) -> None:
    lake = ReadingLake(tmp_path / "readings")
    lake.append(batch_readings(0), batch="b0")
    results = PROCESSES.Queue()
    worker = PROCESSES.Process(target=write_on_a_full_disk, args=(tmp_path, limit, results))
    worker.start()
    told = [results.get(timeout=60) for _ in range(6)]
    worker.join()
    assert worker.exitcode == 0
    assert told[0][1].startswith("[lake] ")
    assert "expected: room on the disk" in told[0][1]
    assert [name for name, _ in told] == ["append", "replace", "compact"] * 2
    assert [fate for _, fate in told[3:]] == ["done"] * 3
    assert_frame_equal(lake.snapshot().read(), truth(["b0", "b1"]))
    assert_frame_equal(hours_table(tmp_path).read(), hours_of(1))
    assert not [path for path in tmp_path.rglob(".new-*") if path.stat().st_size]
