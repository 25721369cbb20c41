"""Imports, compactions and roll-ups that are killed at any moment: every reading once, and totals that equal the truth."""

import multiprocessing
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.lake.delta import DeltaLog
from dafeng.workflow.metering import open_house
from metering_city import NOW, batch_rows, make_city, meter_row, roll, take, work_on_batches, write_readings

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["dafeng.workflow.metering_import", "dafeng.workflow.metering_rollup", "multiprocessing.synchronize"]
)
OF_A_BATCH = 50
"""Readings of a batch: 25 of either meter, the last of a day and the first of the next at one instant."""


def kill_again_and_again(folder: Path, times: int, longest: float, *, check_every: int) -> None:
    setting = make_city(folder, [meter_row("m"), meter_row("l", item="01A00", 上级表计="m")])
    generator, started, landed = random.Random(20261120), PROCESSES.Queue(), 0
    for number in range(times):
        worker = PROCESSES.Process(target=work_on_batches, args=(setting, folder, landed, started))
        worker.start()
        started.get(timeout=120)
        worker.join(generator.uniform(0.1, longest))
        assert worker.exitcode is None
        worker.kill()
        worker.join()
        house = open_house(setting)
        stored = house.readings.snapshot().read(history=True)
        landed = house.readings.batches().height
        assert stored.height == OF_A_BATCH * landed  # every committed batch wholly and once
        # what was under way when the worker was killed, once more: it has landed, or lands now
        take(setting, write_readings(folder / "again.csv", batch_rows(landed)), at=NOW + timedelta(days=1 + number))
        landed += 1
        if number % check_every == check_every - 1:
            done = roll(setting, at=NOW + timedelta(days=1 + number))
            check_totals(setting_days=landed, house=house)
            assert done.readings == house.readings.snapshot().version
    assert house.readings.verify() == []


def check_totals(*, setting_days: int, house: object) -> None:
    """Check that every table equals what the readings say: 24 kWh a day, of which 6 by the part."""
    tables = house.tables()  # type: ignore[attr-defined]
    hours = tables["hours"].read()
    assert hours.select("meter", "hour").is_duplicated().sum() == 0
    sums = dict(hours.group_by("meter").agg(pl.col("amount").sum()).iter_rows())
    assert sums == {"m": pytest.approx(24 * setting_days), "l": pytest.approx(6 * setting_days)}
    for name in ("building_days", "building_months", "building_years"):
        rows = tables[name].read()
        lines = rows.group_by("item", "line").agg(pl.col("amount").sum())
        assert {(item, line): amount for item, line, amount in lines.iter_rows()} == {
            ("01000", "total"): pytest.approx(24 * setting_days),
            ("01A00", "total"): pytest.approx(6 * setting_days),
            ("01000", "unattributed"): pytest.approx(18 * setting_days),
        }
    whole = (pl.col("building_class") == "all") & (pl.col("carrier") == "electricity") & (pl.col("end_use") == "all")
    for name in ("place_months", "place_years"):
        assert tables[name].read().filter(whole, pl.col("place") == "qingdao")["amount"].sum() == pytest.approx(
            24 * setting_days
        )
    for table in tables.values():
        assert table.verify() == []


@pytest.mark.slow
def test_killed_while_importing_compacting_and_rolling_up_loses_nothing(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 5, 4.0, check_every=5)


@pytest.mark.soak
def test_killed_a_hundred_times_loses_nothing(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 100, 8.0, check_every=10)


class StoppedError(Exception):
    """A process that ended here."""


@pytest.mark.slow
@pytest.mark.parametrize("commits", [0, 1, 3, 6])
def test_a_roll_up_that_stops_between_two_tables_is_completed_by_the_next(
    commits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = make_city(tmp_path, [meter_row("m"), meter_row("l", item="01A00", 上级表计="m")])
    for number in (0, 1):
        take(setting, write_readings(tmp_path / "r.csv", batch_rows(number)), at=NOW + timedelta(minutes=number))
        if number == 0:
            roll(setting)
    commit, made = DeltaLog.commit, 0

    def stopping(self: DeltaLog, *args: Any, **more: Any) -> Any:
        nonlocal made
        if made == commits:
            raise StoppedError
        made += 1
        return commit(self, *args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(DeltaLog, "commit", stopping)
        with pytest.raises(StoppedError):
            roll(setting, at=NOW + timedelta(hours=1))
    done = roll(setting, at=NOW + timedelta(hours=2))
    assert not done.full
    check_totals(setting_days=2, house=open_house(setting))
    assert open_house(setting).restatements.read().filter(pl.col("subject") == "qingdao").height > 0
    assert roll(setting, at=NOW + timedelta(hours=3)).published == 0
