"""The lake of ledgers: versions, corrections, fields that come later, withdrawal, damage, and publishers that are killed."""

import multiprocessing
import os
import signal
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.errors import LakeError
from dafeng.base.ledger import RECORD_COLUMNS
from dafeng.lake import RegisterLake, delta
from ledger_builders import NOW, small_rows

PROCESSES = multiprocessing.get_context("forkserver")


def row(key: str, area: float, *, days: int = 0, **more: object) -> pl.DataFrame:
    return small_rows({"key": key, "gross_area": area, **more}, recorded_at=NOW + timedelta(days=days))


def areas(frame: pl.DataFrame) -> dict[str, float]:
    return dict(frame.select("key", "gross_area").iter_rows())


def test_an_equal_row_is_unchanged_and_another_replaces_it(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    assert lake.read("small").is_empty()
    first = lake.publish("small", pl.concat([row("a", 1.0), row("b", 2.0)]), batch="1")
    second = lake.publish("small", pl.concat([row("a", 1.0, days=1), row("b", 3.0, days=1)]), batch="2")
    assert (first.appended, second.appended, second.unchanged, second.superseded) == (2, 1, 1, 1)
    assert areas(lake.read("small")) == {"a": 1.0, "b": 3.0}
    assert areas(lake.read("small", as_of=NOW.date())) == {"a": 1.0, "b": 2.0}
    assert lake.history("small", "b")["gross_area"].to_list() == [2.0, 3.0]
    assert lake.publish("small", pl.concat([row("a", 1.0), row("b", 2.0)]), batch="1").already
    assert lake.batches("small")["batch"].to_list() == ["1", "2"]
    assert lake.registers() == ["small"]


def test_where_a_row_stood_does_not_make_it_another(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", row("a", 1.0, row=2, sheet="x", document="d1"), batch="1")
    assert lake.publish("small", row("a", 1.0, row=9, sheet="y", document="d2", days=1), batch="2").unchanged == 1


def test_stages_are_rows_of_their_own(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", pl.concat([row("a", 1.0, stage="planning"), row("a", 2.0, stage="acceptance")]), batch="1")
    assert lake.read("small")["gross_area"].to_list() == [2.0, 1.0]


def test_a_late_row_is_compared_with_what_was_known_then(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", row("a", 2.0, days=5), batch="1")
    assert lake.publish("small", row("a", 1.0), batch="2").superseded == 0
    assert areas(lake.read("small")) == {"a": 2.0}
    assert areas(lake.read("small", as_of=date(2026, 11, 21))) == {"a": 1.0}


def test_a_field_that_comes_later_is_unknown_in_older_rows(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", row("a", 1.0).drop("investor"), batch="1")
    assert lake.publish("small", row("a", 1.0, days=1), batch="2").unchanged == 1
    known = lake.publish("small", row("a", 1.0, days=2, investor="private"), batch="3")
    assert (known.appended, known.superseded) == (1, 1)
    lake.publish("small", row("b", 4.0).drop("investor"), batch="4")
    assert lake.read("small").select("key", "gross_area", "investor").rows() == [
        ("a", 1.0, "private"),
        ("b", 4.0, None),
    ]
    assert len(list((tmp_path / "registers/small").iterdir())) == 2
    assert lake.publish("small", row("a", 1.0).drop("investor"), batch="1").already


def test_a_withdrawn_thing_is_not_read_and_its_history_stays(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", pl.concat([row("a", 1.0), row("b", 2.0)]), batch="1")
    later = NOW + timedelta(days=1)
    gone = lake.withdraw("small", ["a"], reason="重复", recorded_at=later, batch="2")
    assert (gone.appended, gone.superseded) == (1, 1)
    assert lake.withdraw("small", ["a"], reason="重复", recorded_at=later, batch="2").already
    assert areas(lake.read("small")) == {"b": 2.0}
    assert areas(lake.read("small", as_of=NOW.date())) == {"a": 1.0, "b": 2.0}
    assert lake.history("small", "a")["note"].to_list() == [None, "重复"]
    with pytest.raises(LakeError, match="holds no row of a"):
        lake.withdraw("small", ["a"], reason="再", recorded_at=later, batch="3")
    assert lake.publish("small", row("a", 1.0, days=2), batch="4").superseded == 1
    assert areas(lake.read("small")) == {"a": 1.0, "b": 2.0}


def test_faulty_rows_and_taken_batches_are_refused(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    with pytest.raises(LakeError, match="more than once: a"):
        lake.publish("small", pl.concat([row("a", 1.0), row("a", 2.0)]), batch="1")
    with pytest.raises(LakeError, match="标识不能为空白"):
        lake.publish("small", row(" ", 1.0), batch="1")
    with pytest.raises(LakeError, match="列或类型"):
        lake.publish("small", row("a", 1.0).cast({"withdrawn": pl.Int64}), batch="1")
    with pytest.raises(LakeError, match="no register id"):
        lake.publish("../x", row("a", 1.0), batch="1")
    lake.publish("small", row("a", 1.0), batch="1")
    with pytest.raises(LakeError, match="used before"):
        lake.publish("small", row("a", 2.0), batch="1")
    assert areas(lake.read("small")) == {"a": 1.0}
    assert set(RECORD_COLUMNS) <= set(lake.read("small").columns)


def test_damage_is_found(tmp_path: Path) -> None:
    lake = RegisterLake(tmp_path)
    lake.publish("small", row("a", 1.0), batch="1")
    assert lake.verify() == []
    file = next(tmp_path.rglob("part-*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert [finding.name for finding in lake.verify()] == ["lake.file.faulty"]
    with pytest.raises(LakeError, match="faulty files"):
        lake.read("small")
    next(tmp_path.rglob("0*1.json")).write_text("{")
    assert [finding.name for finding in lake.verify()] == ["lake.log.unreadable"]


def publish_killed(folder: Path, point: str) -> None:
    """Publish three rows and be killed at `point`."""

    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if point == "file":
        delta.hash_file = die
    elif point == "log":
        delta.DeltaLog.commit = die
    else:
        delta.DeltaLog._sync_log = die
    RegisterLake(folder).publish("small", pl.concat([row(key, 1.0) for key in "abc"]), batch="killed")


@pytest.mark.parametrize("point", ["file", "log", "sync"])
def test_a_killed_publisher_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    RegisterLake(tmp_path).publish("small", row("z", 9.0), batch="before")
    process = PROCESSES.Process(target=publish_killed, args=(tmp_path, point))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    lake = RegisterLake(tmp_path)
    assert lake.read("small").height in (1, 4)
    lake.publish("small", pl.concat([row(key, 1.0) for key in "abc"]), batch="killed")
    assert lake.read("small").height == 4
    assert lake.history("small").height == 4
    assert lake.verify() == []
