"""The spool and its delivery: durable before anybody is told, in the lake once whatever fails in between."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import LakeError, UsageError
from dafeng.gateway.database import DATABASE_FILE, open_database, sole_server
from dafeng.gateway.delivery import Delivery, DeliveryLimits, sent_frame
from dafeng.gateway.limits import SpoolLimits
from dafeng.gateway.spool import Spool, pack, unpack
from dafeng.lake import ReadingLake
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_gateway import GatewayDelivery
from gateway_clients import NOW, make_setting

QUICK = SpoolLimits(free_bytes=0, group_milliseconds=0, retry_seconds=0.05)


def packet(number: int, *, at: datetime = NOW, received_at: datetime = NOW, text: str = "") -> Any:
    return SimpleNamespace(
        building="370202A001",
        gateway="01",
        operation="report",
        sequence=str(number),
        at=at + timedelta(minutes=number),
        received_at=received_at,
        readings=[("001", "1", "370202A00101000", "", text or f"{number}.5"), ("002", "1", "", "0", "7")],
    )


class Told:
    """What the spool told of each token."""

    def __init__(self) -> None:
        self.stored: list[object] = []
        self.refused: list[tuple[object, str]] = []

    def __call__(self, tokens: Any, stored: bool, why: str) -> None:
        if stored:
            self.stored += tokens
        else:
            self.refused += [(token, why) for token in tokens]


@contextmanager
def spooling(folder: Path, limits: SpoolLimits = QUICK, **more: Any) -> Iterator[tuple[Spool, Told]]:
    told = Told()
    clock = more.get("clock", lambda: NOW)
    spool = Spool(folder / DATABASE_FILE, limits, clock=clock, settled=told)
    try:
        yield spool, told
    finally:
        spool.close()


def test_what_was_told_as_stored_is_there_after_the_process_is_gone(tmp_path: Path) -> None:
    with spooling(tmp_path) as (spool, told):
        for number in range(50):
            spool.put(packet(number), number)
        spool.flush()
        assert told.stored == list(range(50))
        assert spool.state().packets == 50
        before = spool.id
    with spooling(tmp_path) as (spool, _):
        assert spool.id == before
        assert (spool.state().packets, spool.state().readings) == (50, 100)
        groups = spool.waiting(10**9)
        texts = spool.bodies(groups[0].id, groups[-1].id)
        sequences = [head[3] for text in texts for head, _ in unpack(text)]
        assert sequences == [str(number) for number in range(50)]


def test_separators_within_fields_do_not_shift_readings() -> None:
    odd = packet(1, text="1\x1e2\x1f3\x1d4")
    odd.sequence = "a\x1eb"
    [(head, readings)] = unpack(pack(odd, 5))
    assert head == ("370202A001", "01", "report", "a\ufffdb", str(int(odd.at.timestamp() * 1e6)), "5")
    assert readings == [("001", "1", "370202A00101000", "", "1\ufffd2\ufffd3\ufffd4"), ("002", "1", "", "0", "7")]


def test_group_numbers_are_never_used_again(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        with spooling(tmp_path) as (spool, _):
            spool.put(packet(1), 1)
            spool.flush()
            [group] = spool.waiting(10)
            numbers.append(group.id)
            spool.end_delivery(group.id, group.id)
            assert spool.state()[:4] == (0, 0, 0, 0)
    assert len(set(numbers)) == 3


def test_a_clock_that_steps_back_makes_no_receipt_earlier(tmp_path: Path) -> None:
    earlier = NOW - timedelta(hours=3)
    with spooling(tmp_path) as (spool, _):
        spool.put(packet(1), 1)
        spool.flush()
    with spooling(tmp_path, clock=lambda: earlier) as (spool, told):
        spool.put(packet(2, received_at=earlier), 2)
        spool.flush()
        assert told.stored == [2]
        assert spool.state().behind == 3 * 3600
        frame = sent_frame(spool.bodies(1, 100))
        assert frame["received_at"].is_sorted()
        assert frame["received_at"].unique().to_list() == [int(NOW.timestamp() * 1e6)]


def test_a_full_spool_takes_nothing_until_there_is_room(tmp_path: Path) -> None:
    limits = QUICK.model_copy(update={"most_bytes": 4096})
    with spooling(tmp_path, limits) as (spool, told):
        for number in range(300):
            spool.put(packet(number, text=os.urandom(20).hex()), number)
            spool.flush()
            if told.refused:
                break
        assert told.refused
        assert "at most 4096" in told.refused[0][1]
        assert spool.blocked
        kept = len(told.stored)
        groups = spool.waiting(10**9)
        assert sum(group.packets for group in groups) == kept
        spool.end_delivery(groups[0].id, groups[-1].id)
        spool.probe().result()
        threading.Event().wait(0.1)
        assert not spool.blocked
        spool.put(packet(1000), 1000)
        spool.flush()
        assert told.stored[-1] == 1000


def test_a_disk_with_too_little_room_takes_nothing(tmp_path: Path) -> None:
    with spooling(tmp_path, QUICK.model_copy(update={"free_bytes": 1 << 62})) as (spool, told):
        spool.put(packet(1), 1)
        spool.flush()
        assert told.stored == []
        assert "the disk has" in told.refused[0][1]
        with pytest.raises(OSError, match="the disk has"):
            spool.probe().result()


def test_a_commit_that_fails_is_never_told_as_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spooling(tmp_path) as (spool, told):
        spool.put(packet(1), 1)
        spool.flush()
        real = spool._connection

        class Failing:
            """A database whose disk is full when it commits."""

            def execute(self, statement: str, *values: Any) -> Any:
                if statement == "COMMIT":
                    real.execute("ROLLBACK")
                    raise sqlite3.OperationalError("database or disk is full")
                return real.execute(statement, *values)

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        monkeypatch.setattr(spool, "_connection", Failing())
        spool.put(packet(2), 2)
        threading.Event().wait(0.05)
        monkeypatch.setattr(spool, "_connection", real)
        assert [token for token, _ in told.refused] == [2]
        assert "disk is full" in told.refused[0][1]
        assert spool.state().packets == 1
        threading.Event().wait(0.1)
        spool.put(packet(3), 3)
        spool.flush()
        assert told.stored == [1, 3]
    with spooling(tmp_path) as (spool, _):
        assert spool.state().packets == 2


def test_other_writing_that_fails_changes_nothing(tmp_path: Path) -> None:
    with spooling(tmp_path) as (spool, _):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            spool.run(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)")).result()
        spool.put(packet(1), 1)
        spool.flush()
        assert spool.state().packets == 1


def test_other_writing_that_is_taken_back_does_not_end_the_thread(tmp_path: Path) -> None:
    with spooling(tmp_path) as (spool, told):
        begun, go_on = threading.Event(), threading.Event()

        def slow(connection: sqlite3.Connection) -> None:
            begun.set()
            go_on.wait(10)

        running = spool.run(slow)
        begun.wait(10)
        waiting = spool.run(lambda connection: None)
        assert waiting.cancel()
        assert not running.cancel()
        go_on.set()
        spool.put(packet(1), 1)
        spool.flush()
        assert told.stored == [1]


def test_keys_and_packets_are_readable_by_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    path.touch(0o644)
    path.chmod(0o644)
    connection = open_database(path)
    connection.execute("CREATE TABLE more (a)")
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    connection.close()
    assert modes.keys() >= {DATABASE_FILE, f"{DATABASE_FILE}-wal"}
    assert set(modes.values()) == {0o600}


def test_a_newer_or_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    connection = open_database(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LakeError, match="99"):
        open_database(path)
    path.unlink()
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(LakeError, match="cannot be opened"):
        open_database(path)


def test_a_second_server_is_told_who_is_at_work(tmp_path: Path) -> None:
    with sole_server(tmp_path), pytest.raises(UsageError, match=str(os.getpid())), sole_server(tmp_path):
        pass
    with sole_server(tmp_path):
        pass


class Lake:
    """The delivery of a workspace, which stops where it is told to."""

    def __init__(self, folder: Path) -> None:
        self.setting = make_setting(folder / "w")
        self.path = self.setting.workspace.root  # type: ignore[union-attr]
        self.real = GatewayDelivery(self.setting, ticking=lambda: 0.0)
        self.fails = ""

    def deliver(self, sent: pl.DataFrame, batch: str) -> Any:
        if self.fails == "before":
            raise LakeError("the lake is away", doing="test")
        done = self.real.deliver(sent, batch)
        if self.fails == "after":
            raise OSError("killed after the lake had it")
        return done

    def rows(self) -> pl.DataFrame:
        return open_house(self.setting).readings.snapshot().read(history=True)


@pytest.mark.parametrize("fails", ["before", "after", "begun"])
def test_a_delivery_that_stops_anywhere_lands_once(fails: str, tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with spooling(lake.path) as (spool, _):
        for number in range(20):
            spool.put(packet(number), number)
            spool.flush()
        lake.fails = fails
        delivery = Delivery(spool, lake, DeliveryLimits(readings=10), clock=lambda: NOW)
        if fails == "begun":
            spool.begin_delivery(spool.waiting(10))
        else:
            with pytest.raises((LakeError, OSError)):
                delivery.step()
        begun = spool.unfinished()
        assert len(begun) == 1
        spool.put(packet(20), 20)
        spool.flush()
    lake.fails = ""
    with spooling(lake.path) as (spool, _):
        assert spool.unfinished() == begun
        delivery = Delivery(spool, lake, DeliveryLimits(readings=10), clock=lambda: NOW)
        done = delivery.step()
        assert done is not None
        assert done.batch == begun[0][2]
        assert done.already == (fails == "after")
        while delivery.step() is not None:
            pass
        assert spool.state().packets == 0
    rows = lake.rows()
    assert rows.height == 42
    assert rows.select("meter", "at").is_duplicated().sum() == 0
    assert rows.filter(pl.col("meter").str.contains(".001.", literal=True))["value"].sum() == sum(range(21)) + 21 * 0.5
    assert set(rows["origin"]) == {"gateway"}
    assert rows["lineage"][0] == "gateway:370202A001/01/report/0"


def test_a_batch_that_landed_counts_once_though_the_ledger_ties_its_meters_otherwise_now(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with spooling(lake.path) as (spool, _):
        spool.put(packet(1), 1)
        spool.flush()
        lake.fails = "after"
        delivery = Delivery(spool, lake, DeliveryLimits(), clock=lambda: NOW)
        with pytest.raises(OSError, match="killed"):
            delivery.step()
        lake.fails = ""
        points = {"building": "370202A001", "gateway": "01", "meter": "001", "function": "1", "house_meter": "m-1"}
        archive = lake.real.archive()
        lake.real._archive = type(archive)(
            pl.DataFrame(
                [points | {"item": "01000", "valid_from": None, "valid_to": None}], schema=archive.points.schema
            )
        )
        done = delivery.step()
        assert done is not None
        assert done.already
        assert spool.state().packets == 0
    assert lake.rows()["meter"].to_list() == ["gw:370202A001.01.001.1", "gw:370202A001.01.002.1"]


def test_a_restored_database_that_counts_on_gives_its_batches_other_names(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    open_database(lake.path / DATABASE_FILE).close()
    backup = (lake.path / DATABASE_FILE).read_bytes()
    for number in (1, 2):
        (lake.path / DATABASE_FILE).write_bytes(backup)
        with spooling(lake.path) as (spool, _):
            spool.put(packet(number), number)
            spool.flush()
            assert spool.waiting(10)[0].id == 1
            assert Delivery(spool, lake, DeliveryLimits(), clock=lambda: NOW).step() is not None
    assert lake.rows().height == 4


def test_readings_of_no_usable_instant_are_set_aside_and_not_lost(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with spooling(lake.path) as (spool, _):
        spool.put(packet(1, at=datetime(1, 1, 2, tzinfo=NOW.tzinfo)), 1)
        spool.put(packet(2), 2)
        spool.flush()
        assert Delivery(spool, lake, DeliveryLimits(), clock=lambda: NOW).step() is not None
        rows = spool._read("SELECT building, sequence, meter, text, reason FROM set_aside")
    assert rows == [("370202A001", "1", "001", "1.5", "time"), ("370202A001", "1", "002", "7", "time")]
    assert lake.rows().height == 2


def test_the_thread_goes_on_after_failures_and_names_them(tmp_path: Path) -> None:
    lake, told = Lake(tmp_path), []
    with spooling(lake.path) as (spool, _):
        lake.fails = "before"
        delivery = Delivery(
            spool,
            lake,
            DeliveryLimits(seconds=0.01),
            clock=lambda: NOW,
            told=lambda done, problem: told.append(problem),
        )
        spool.put(packet(1), 1)
        spool.flush()
        delivery.start()
        for _ in range(200):
            if told:
                break
            threading.Event().wait(0.02)
        assert "the lake is away" in told[0]
        assert "the lake is away" in delivery.state.problem
        lake.fails = ""
        delivery.stop()
        assert delivery.state.readings == 2
        assert delivery.state.problem == ""


def test_the_lake_folder_gone_is_an_error_that_leaves_the_spool_as_it_is(tmp_path: Path, monkeypatch: Any) -> None:
    lake = Lake(tmp_path)

    def away(self: ReadingLake, frame: pl.DataFrame, *, batch: str) -> None:
        raise LakeError("no such folder", doing="store")

    with spooling(lake.path) as (spool, _):
        spool.put(packet(1), 1)
        spool.flush()
        monkeypatch.setattr(ReadingLake, "append", away)
        delivery = Delivery(spool, lake, DeliveryLimits(), clock=lambda: NOW)
        with pytest.raises(LakeError):
            delivery.step()
        assert spool.state().packets == 1
        monkeypatch.undo()
        assert delivery.step() is not None
    assert lake.rows().height == 2
