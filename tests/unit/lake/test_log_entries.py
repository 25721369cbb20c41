"""The log of readings: written once, known by its end, put away when it is long; faults at every step of a write."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from polars.testing import assert_frame_equal

from dafeng.base.errors import LakeError
from dafeng.base.reading import READING_SCHEMA
from dafeng.lake import ReadingLake, compaction, delta, derived, open_engine, vacuum
from dafeng.lake import batches as batching
from dafeng.lake.log_entries import LogEnd, archive_entries, claim, entry_path
from unit.lake.lake_builders import no_queue
from unit.lake.reading_builders import ROWS, batch_readings, frame_of, hours_of, hours_table, reading, truth

NOW = timedelta(0)


def small(number: int) -> pl.DataFrame:
    return frame_of(reading("a", number, float(number)), reading("b", number, float(number)))


def filled(folder: Path, count: int) -> ReadingLake:
    lake = ReadingLake(folder)
    for number in range(count):
        lake.append(small(number), batch=f"b{number}")
    return lake


def entries(lake: ReadingLake) -> list[int]:
    return sorted(int(path.stem) for path in (lake.folder / "readings/_delta_log").glob("*.json"))


def test_one_writer_alone_takes_a_version(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    assert [claim(tmp_path, 0, [{"a": number}]) for number in (1, 2)] == [True, False]
    assert json.loads(entry_path(tmp_path, 0).read_text()) == {"a": 1}
    assert not claim(tmp_path, 7, [{"a": 3}])  # the version before it was put away: 7 was taken before too
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{0:020d}.json"]


def test_the_log_library_reads_what_is_written(tmp_path: Path) -> None:
    lake = filled(tmp_path, 3)
    lake.compact(thorough=True)
    table = DeltaTable(lake.folder / "readings")
    assert table.version() == lake.snapshot().version == 4
    assert [table.transaction_version(f"b{number}") for number in range(4)] == [1, 2, 3, None]
    assert [entry.get("dafeng", {}).get("batch") for entry in table.history()] == [None, "b2", "b1", "b0", None]
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    assert actions["num_records"].to_list() == [6]
    assert actions.schema["min.at"] == pl.Datetime("us")
    (path,) = lake.snapshot().files()
    assert pl.read_parquet_schema(path)["at"] == pl.Datetime("us")


def test_batches_are_known_from_the_checkpoint_and_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "_BUSY_CHECKPOINT", 3)
    waiting = filled(tmp_path, 1)
    filled(tmp_path, 8)
    assert list((tmp_path / "readings/_delta_log").glob("*.checkpoint.parquet"))
    for lake in (waiting, ReadingLake(tmp_path)):
        told = [lake.append(small(number), batch=f"b{number}") for number in range(8)]
        assert [(found.already, found.version, found.appended) for found in told] == [
            (True, number + 1, 2) for number in range(8)
        ]
        with pytest.raises(LakeError, match="other contents"):
            lake.append(small(9), batch="b1")
    end = LogEnd(tmp_path / "readings")
    assert (end.version(), end.landed("b2"), end.landed("b7")) == (6, 3, None)
    end.catch_up()
    assert (end.version(), end.landed("b7"), end.landed("b8")) == (8, 8, None)


def test_a_checkpoint_that_fails_does_not_fail_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(delta, "_BUSY_CHECKPOINT", 1)
    monkeypatch.setattr(delta.DeltaLog, "checkpoint", full)
    assert filled(tmp_path, 2).snapshot().count == 4


def test_appending_costs_the_same_however_long_the_log_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = filled(tmp_path, 20)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the log was opened or listed")

    for name in ("load", "load_or_create", "_loaded_or_created", "files"):
        monkeypatch.setattr(delta.DeltaLog, name, refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "listdir", refuse)
    assert lake.append(small(20), batch="b20").version == 21
    assert lake.append(small(3), batch="b3").already


def test_a_long_log_is_put_away_and_nothing_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "_WORTH", 5)
    lake, hours = filled(tmp_path / "readings", 12), hours_table(tmp_path)
    for number in range(6):
        hours.replace(hours_of(number).tail(8 if number else 60), made_from={"generation": number})
    parts = hours.partitions()
    lake.compact(thorough=True)
    before = lake.snapshot().read(history=True)
    waiting = ReadingLake(lake.folder)
    assert waiting.append(small(12), batch="b12").version == 14
    lake.vacuum(keep=2, spare=NOW)
    hours.vacuum(keep=1, spare=NOW)
    assert entries(lake) == [13, 14]
    assert hours.partitions() == parts
    assert {part.made_from["generation"] for part in parts} == {0, 5}
    fresh = ReadingLake(lake.folder)
    for one in (waiting, fresh):
        assert one.append(small(3), batch="b3").version == 4
        with pytest.raises(LakeError, match="other contents"):
            one.append(small(9), batch="b3")
    assert fresh.batches()["version"].to_list() == [*range(1, 13), 14]
    assert_frame_equal(fresh.snapshot(13).read(history=True), before)
    with pytest.raises(LakeError):
        fresh.snapshot(5)
    filled(lake.folder, 20)
    archive_entries(lake.folder / "readings", 18)  # killed before the entries were removed
    lake.vacuum(spare=NOW)
    assert entries(lake) == [21]
    assert ReadingLake(lake.folder).batches()["batch"].to_list() == [f"b{number}" for number in range(20)]
    assert lake.snapshot().count == 40
    assert waiting.append(small(20), batch="b20").version == 22
    assert lake.verify() == hours.verify() == []


def test_readers_at_work_are_spared(tmp_path: Path) -> None:
    lake = filled(tmp_path, 4)
    snapshot = lake.snapshot()
    lake.compact(thorough=True)
    assert lake.vacuum().files == 0
    for version in entries(lake):
        os.utime(entry_path(lake.folder / "readings", version), (4e9, 4e9))  # the clock was set back since
    assert lake.vacuum().files == 0
    assert snapshot.read().height == 8
    for version in entries(lake):
        os.utime(entry_path(lake.folder / "readings", version), (1e9, 1e9))
    with open_engine() as engine:
        table = snapshot.table(engine)
        assert lake.vacuum().files == 4
        with pytest.raises(LakeError, match="start again from the newest version"):
            engine.collect(table, READING_SCHEMA)
    assert lake.snapshot().read().height == 8


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (batching, compaction, derived):
        monkeypatch.setattr(module, "turn", no_queue)


@pytest.mark.usefixtures("unlocked")
def test_two_compactions_of_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = filled(tmp_path, 6)
    exchange = compaction._exchange

    def after_another(*args: object) -> bool:
        monkeypatch.setattr(compaction, "_exchange", exchange)
        assert ReadingLake(tmp_path).compact().months == ("2026-01",)  # same rows, hence files of the same name
        return exchange(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(compaction, "_exchange", after_another)
    result = lake.compact()
    assert (result.months, result.overtaken) == ((), ("2026-01",))
    assert lake.snapshot().read().height == 12
    assert len(list((tmp_path / "readings").glob("*.parquet"))) == 7
    assert lake.verify() == []


@pytest.mark.usefixtures("unlocked")
def test_two_writers_of_the_same_rows_of_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, other = hours_table(tmp_path), hours_table(tmp_path)
    table.replace(hours_of(0), made_from={})
    renamed = delta.DeltaLog.renamed

    def after_another(self: delta.DeltaLog, *args: object) -> object:
        monkeypatch.setattr(delta.DeltaLog, "renamed", renamed)
        assert other.replace(hours_of(1), made_from={}).version == 2
        return renamed(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(delta.DeltaLog, "renamed", after_another)
    with pytest.raises(LakeError, match="another writer changed"):
        table.replace(hours_of(1), made_from={})
    assert_frame_equal(other.read(), hours_of(1))
    assert table.verify() == []


def told_of(step: Callable[[], object]) -> str | None:
    try:
        step()
    except LakeError as error:
        return str(error)
    return None


def steps(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    lake, hours = ReadingLake(folder / "readings"), hours_table(folder)
    yield "append", lambda: lake.append(batch_readings(2), batch="b2")
    yield "compact", lambda: lake.compact(rows_of_file=300, thorough=True)
    yield "replace", lambda: hours.replace(hours_of(2), made_from={})
    yield "vacuum", lambda: lake.vacuum(spare=NOW)


@pytest.mark.parametrize("number", range(4), ids=["append", "compact", "replace", "vacuum"])
def test_a_disk_that_is_full_at_any_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    lake, hours = ReadingLake(tmp_path / "readings"), hours_table(tmp_path)
    for batch in range(2):
        lake.append(batch_readings(batch), batch=f"b{batch}")
    if number == 3:
        lake.compact(thorough=True)
        monkeypatch.setattr(vacuum, "_WORTH", 2)
    hours.replace(hours_of(0), made_from={})
    name, step = list(steps(tmp_path))[number]
    totals = [batch_readings(batch)["value"].sum() for batch in range(3)]
    failed = 0
    while True:
        calls = iter(range(failed))

        def full(call: Callable[..., object], calls: Iterator[int] = calls) -> Callable[..., object]:
            def fails(*args: object, **others: object) -> object:
                if next(calls, None) is None:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return call(*args, **others)

            return fails

        with monkeypatch.context() as patch:
            for function in ("fsync", "link", "replace", "unlink"):
                patch.setattr(os, function, full(getattr(os, function)))
            told = told_of(step)
        assert "expected: room on the disk" in (told or "expected: room on the disk"), name
        batches = lake.batches().height
        files = pl.read_parquet([file.path for file in lake.snapshot().data_files])
        assert (files.height, files["value"].sum()) == (batches * ROWS, sum(totals[:batches])), (name, failed)
        assert hours.read()["generation"].n_unique() == 1
        if told is None and next(calls, None) is not None:
            break
        failed += 1
    assert failed > 3
    assert lake.verify() == hours.verify() == []
    assert lake.append(batch_readings(2), batch="b2").version == (3 if number in (0, 2) else lake.snapshot().version)
    assert_frame_equal(lake.snapshot().read(), truth(["b0", "b1", "b2"]))
