"""Several processes, and processes that are killed: a batch is there wholly and once, or not at all."""

import multiprocessing
import random
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from dafeng.lake import ObservationLake
from unit.lake.lake_builders import KILL_POINTS, batch_of, compact_often, publish_batch, report_batches

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dafeng.lake", "ibis.backends.duckdb", "multiprocessing.synchronize"])
ROWS = 300


def check_whole_or_absent(folder: Path, number: int, rows: int) -> bool:
    """Check that the batch is whole or absent, complete it, and tell whether it was there."""
    lake = ObservationLake(folder)
    frame, lineage = batch_of(number, rows)

    def stored() -> pl.DataFrame:
        return lake.snapshot().history().filter(pl.col("batch") == f"b{number}")

    landed = stored().height
    assert landed in (0, rows)
    assert (f"b{number}" in lake.batches()["batch"].to_list()) == (landed == rows)
    published = lake.publish(frame, batch=f"b{number}", lineage=lineage)
    assert (published.already, published.appended) == (landed == rows, rows)
    assert stored().height == stored()["version"].n_unique() == rows
    assert lake.snapshot().lineage(frame["lineage"]).height == rows
    assert lake.verify() == []
    return landed == rows


@pytest.mark.parametrize("point", KILL_POINTS)
@pytest.mark.parametrize("first", [True, False], ids=["new lake", "lake with facts"])
def test_a_publisher_killed_at_any_step_leaves_the_batch_whole_or_absent(
    tmp_path: Path, point: str, first: bool
) -> None:
    if not first:
        publish_batch(tmp_path, 0, 5)
    process = PROCESSES.Process(target=publish_batch, args=(tmp_path, 1, ROWS), kwargs={"point": point})
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert check_whole_or_absent(tmp_path, 1, ROWS) == (point == "after the log entry of observations")


def kill_at_random_instants(folder: Path, times: int, rows: int) -> set[bool]:
    generator = random.Random(20261120)
    fates, longest = set(), 0.0
    for number in range(times):
        process = PROCESSES.Process(target=publish_batch, args=(folder, number, rows))
        start = time.monotonic()
        process.start()
        if number < 2:  # learn how long it takes
            process.join()
            longest = max(longest, time.monotonic() - start)
            continue
        process.join(generator.uniform(0, longest))
        process.kill()
        process.join()
        fates.add(check_whole_or_absent(folder, number, rows))
    return fates


@pytest.mark.slow
def test_a_publisher_killed_at_random_instants_leaves_the_batch_whole_or_absent(tmp_path: Path) -> None:
    assert kill_at_random_instants(tmp_path, 12, ROWS)


@pytest.mark.soak
def test_many_publishers_killed_at_random_instants_leave_batches_whole_or_absent(tmp_path: Path) -> None:
    assert kill_at_random_instants(tmp_path, 200, 3000) == {True, False}


@pytest.mark.parametrize("queue", [True, False], ids=["with locks", "without locks"])
def test_one_batch_published_by_several_processes_at_once_counts_once(tmp_path: Path, queue: bool) -> None:
    results, barrier = PROCESSES.Queue(), PROCESSES.Barrier(3)
    workers = [
        PROCESSES.Process(target=report_batches, args=(tmp_path, [1], ROWS, queue, barrier, results)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(told) == [("b1", False, ROWS), ("b1", True, ROWS), ("b1", True, ROWS)]
    assert ObservationLake(tmp_path).snapshot().count == ROWS
    assert check_whole_or_absent(tmp_path, 1, ROWS)


@pytest.mark.parametrize("queue", [True, False], ids=["with locks", "without locks"])
def test_batches_of_several_writers_all_land_while_another_compacts(tmp_path: Path, queue: bool) -> None:
    results, barrier = PROCESSES.Queue(), PROCESSES.Barrier(4)
    workers = [
        PROCESSES.Process(
            target=report_batches, args=(tmp_path, list(range(first, 12, 3)), 20, queue, barrier, results)
        )
        for first in range(3)
    ]
    workers.append(PROCESSES.Process(target=compact_often, args=(tmp_path, 5, barrier, results)))
    for worker in workers:
        worker.start()
    told = [results.get(timeout=60) for _ in range(17)]
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert sorted(name for name, already, _ in told if name != "compact" and not already) == sorted(
        f"b{number}" for number in range(12)
    )
    lake = ObservationLake(tmp_path)
    assert lake.snapshot().count == lake.snapshot().read().height == 12 * 20
    assert lake.snapshot().history()["version"].n_unique() == 12 * 20
    assert lake.batches().height == 12
    assert lake.verify() == []
