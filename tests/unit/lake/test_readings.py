"""The lake of readings: nothing lost, the newest received counts, files chosen without being opened."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.lake import ReadingLake, open_engine
from dafeng.lake.reading_files import settle
from unit.lake.reading_builders import batch_readings, event, frame_of, hour, reading, truth


@pytest.fixture
def lake(tmp_path: Path) -> ReadingLake:
    return ReadingLake(tmp_path / "readings")


def values(frame: pl.DataFrame) -> list[float]:
    return frame["value"].to_list()


def test_an_empty_lake_gives_empty_tables(lake: ReadingLake) -> None:
    snapshot = lake.snapshot()
    assert (snapshot.version, snapshot.events_version, snapshot.count, snapshot.files()) == (-1, -1, 0, [])
    assert snapshot.read().schema == READING_SCHEMA
    assert snapshot.touched(-1, events_since=-1).height == snapshot.events().height == 0
    assert snapshot.meter_ranges(10) == []
    assert lake.batches().height == 0
    assert lake.verify() == []
    assert lake.compact().months == ()
    assert lake.vacuum().oldest == -1


def test_a_batch_counts_once_and_its_id_names_one_content(lake: ReadingLake) -> None:
    rows = frame_of(reading("a", 0), reading("a", 1), reading("b", 0, None))
    first = lake.append(rows, batch="one")
    later = lake.append(rows.with_columns(received_at=pl.col("received_at") + timedelta(days=1)), batch="one")
    assert (first.appended, first.already, later.appended, later.already) == (3, False, 3, True)
    assert lake.snapshot().count == 3
    for other in (rows.head(2), rows.with_columns(value=2.0), rows.with_columns(sent_as=pl.lit("?"))):
        with pytest.raises(LakeError, match="used before, for other contents"):
            lake.append(other, batch="one")
    assert lake.batches()["batch"].to_list() == ["one"]


def test_texts_that_run_together_are_other_contents(lake: ReadingLake) -> None:
    lake.append(frame_of(reading("a", 0, sent_as="bc", origin="d")), batch="one")
    with pytest.raises(LakeError, match="other contents"):
        lake.append(frame_of(reading("a", 0, sent_as="b", origin="cd")), batch="one")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (reading(" ", 0), "1 rows have no meter, first row 2"),
        (reading("a", 0, at=None), "no instant"),
        (reading("a", 0, at=datetime(1850, 1, 1, tzinfo=UTC)), "no instant from 1900"),
        (reading("a", 0, received_at=None), "no received_at"),
        (reading("a", 0, start=hour(0)), "a start that is not before"),
        (reading("a", 0, float("nan")), "no finite number"),
    ],
)
def test_a_row_that_cannot_be_kept_refuses_the_batch(lake: ReadingLake, row: dict[str, object], problem: str) -> None:
    with pytest.raises(LakeError, match=problem):
        lake.append(frame_of(reading("a", 5), row), batch="one")
    assert lake.snapshot().count == 0


def test_other_columns_and_a_blank_batch_are_refused(lake: ReadingLake) -> None:
    with pytest.raises(LakeError, match="the rows have the columns"):
        lake.append(frame_of(reading("a", 0)).drop("lineage"), batch="one")
    with pytest.raises(LakeError, match="blank"):
        lake.append(frame_of(reading("a", 0)), batch=" ")


@pytest.mark.parametrize("compacted", [False, True], ids=["as appended", "compacted"])
def test_of_one_key_the_reading_received_last_counts_and_all_are_kept(lake: ReadingLake, compacted: bool) -> None:
    lake.append(frame_of(reading("a", 0, 1.0), reading("a", 1, 2.0), reading("b", 0, 5.0)), batch="one")
    lake.append(frame_of(reading("a", 0, 9.0, received_at=hour(48))), batch="corrected")
    lake.append(frame_of(reading("a", 0, 7.0, received_at=hour(24))), batch="late, but sent before")
    lake.append(frame_of(reading("a", 0, 3.0, start=hour(-1))), batch="an interval is another key")
    lake.append(frame_of(reading("c", 0, 1.0), reading("c", 0, 2.0)), batch="twice in one batch: the later row counts")
    if compacted:
        assert lake.compact().files_after == 2
    snapshot = lake.snapshot()
    assert snapshot.read().select("meter", "start", "value").rows() == [
        ("a", None, 9.0),
        ("a", hour(-1), 3.0),
        ("a", None, 2.0),
        ("b", None, 5.0),
        ("c", None, 2.0),
    ]
    assert values(snapshot.read(meters=["a"], end=hour(0.5), as_of=hour(30))) == [7.0, 3.0]
    assert values(snapshot.read(meters=["a"], end=hour(0.5), as_of=hour(0))) == [1.0, 3.0]
    assert values(snapshot.read(meters=["a"], as_of=date(2026, 1, 31))) == [1.0, 3.0, 2.0]
    history = snapshot.read(meters=["a"], history=True)
    assert history.filter(pl.col("start").is_null(), pl.col("at") == hour(0))["value"].to_list() == [1.0, 7.0, 9.0]
    assert snapshot.count == 8


def test_a_span_takes_in_intervals_that_meet_it(lake: ReadingLake) -> None:
    lake.append(
        frame_of(reading("a", 10, 1.0, start=hour(0)), reading("a", 20, 2.0, start=hour(10)), reading("b", 15)),
        batch="one",
    )
    snapshot = lake.snapshot()
    assert values(snapshot.read(hour(12), hour(13))) == [2.0]
    assert values(snapshot.read(hour(15), hour(15.5))) == [2.0, 1.0]
    assert values(snapshot.read(hour(10), hour(10.5))) == [1.0, 2.0]
    assert values(snapshot.read(hour(21))) == values(snapshot.read(end=hour(0))) == []
    with pytest.raises(UsageError, match="no time zone"):
        snapshot.read(datetime(2026, 1, 1))


def test_files_are_chosen_by_month_and_meter_without_being_opened(lake: ReadingLake) -> None:
    for name, at in (("a", 0), ("b", 0), ("a", 24), ("z", 24 * 40)):
        lake.append(frame_of(reading(name, at), reading(name, at + 1)), batch=f"{name}{at}")
    snapshot = lake.snapshot()
    for path in snapshot.files():
        path.rename(path.with_suffix(".away"))
    assert len(snapshot.files()) == 4
    assert len(snapshot.files(hour(2), hour(30))) == 1
    assert len(snapshot.files(end=hour(2))) == 2
    assert len(snapshot.files(hour(30))) == 1
    assert len(snapshot.files(meters=["a", "c"])) == 2
    assert snapshot.files(meters=["aa", "y"]) == snapshot.files(meters=[]) == []
    with pytest.raises(LakeError, match="4 data files are missing"):
        snapshot.read()


def test_only_files_that_meet_are_compared(lake: ReadingLake) -> None:
    for number in range(5):  # pushes, each of another hour
        lake.append(frame_of(*(reading(name, number) for name in "abc")), batch=f"push {number}")
    lake.append(frame_of(*(reading("d", number) for number in range(5))), batch="another meter, the same hours")

    def states() -> tuple[int, ...]:
        return tuple(part.height for part in settle(lake.snapshot().listing))

    assert states() == (6, 0, 0)
    lake.append(frame_of(reading("b", 2, 7.0)), batch="again")
    assert states() == (5, 1, 1)
    assert "push 2" not in lake.snapshot().read()["lineage"].to_list()
    assert lake.snapshot().read(meters=["b"])["value"].to_list() == [1.0, 1.0, 7.0, 1.0, 1.0]


def test_compaction_keeps_every_version_and_changes_no_answer(lake: ReadingLake) -> None:
    names = [f"b{number}" for number in range(9)]
    for number, name in enumerate(names):
        lake.append(batch_readings(number), batch=name)
    before = lake.snapshot()
    whole, moments = before.read(history=True), [hour(1000 + number) for number in (-1, 0, 3, 8)]
    answers = [before.read(as_of=moment) for moment in moments]
    result = lake.compact(rows_of_file=500)
    after = lake.snapshot()
    assert result.months == ("2026-01", "2026-02")
    assert (result.files_before, result.files_after) == (len(before.data_files), len(after.data_files))
    assert_frame_equal(after.read(history=True), whole)
    for moment, answer in zip(moments, answers, strict=True):
        assert_frame_equal(after.read(as_of=moment), answer)
    assert_frame_equal(after.read(), truth(names))
    assert [part.height for part in settle(after.listing.filter(pl.col("layer") != "superseded"))][1:] == [0, 0]
    assert max(file.rows for file in after.data_files) <= 550
    assert_frame_equal(lake.snapshot(before.version).read(history=True), whole)
    assert lake.vacuum(spare=timedelta(0)).files > 0
    assert_frame_equal(lake.snapshot().read(history=True), whole)
    with pytest.raises(LakeError, match="data files are missing"):
        lake.snapshot(before.version).read()
    assert lake.verify() == []


def test_many_small_files_are_merged_in_runs(lake: ReadingLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.lake.compaction._MANY_FILES", 4)
    for number in range(10):
        lake.append(batch_readings(0).with_columns(at=pl.col("at") + timedelta(days=number)), batch=f"b{number}")
    before = lake.snapshot().read(history=True)
    lake.compact(rows_of_file=1200)
    assert_frame_equal(lake.snapshot().read(history=True), before)
    assert sorted(file.rows for file in lake.snapshot().data_files) == [240, 1008, 1152]
    assert not list(lake.folder.rglob(".new-*"))


def test_few_late_readings_wait_beside_a_large_file(lake: ReadingLake) -> None:
    lake.append(batch_readings(0).filter(pl.col("at") < hour(8)), batch="b0")
    lake.append(frame_of(reading("m1", 2, -1.0, received_at=hour(2000))), batch="late")
    assert lake.compact(rows_of_file=200).months == ()
    assert lake.snapshot().read(meters=["m1"], start=hour(2), end=hour(2.5))["value"].to_list() == [-1.0]
    assert lake.compact(rows_of_file=200, thorough=True).months == ("2026-01",)
    assert lake.snapshot().read(meters=["m1"], start=hour(2), end=hour(2.5))["value"].to_list() == [-1.0]
    assert lake.snapshot().count == 241


@pytest.mark.parametrize("thorough", [False, True])
def test_compaction_makes_no_file_that_meets_others(lake: ReadingLake, thorough: bool) -> None:
    for day in range(2, 12):  # of February; the first and the last file are small
        hours = 2 if day in (2, 11) else 24
        rows = [reading(meter, 24 * day + number) for meter in "abc" for number in range(hours)]
        lake.append(frame_of(*rows), batch=f"day {day}")
    lake.append(frame_of(reading("b", 24 * 6 + 3, 9.0, received_at=hour(999))), batch="late")
    before = lake.snapshot().read()
    lake.compact(rows_of_file=100, thorough=thorough)
    current = lake.snapshot().listing.filter(pl.col("layer") != "superseded")
    assert [part.height for part in settle(current)] == ([10, 0, 0] if thorough else [9, 1, 1])
    assert_frame_equal(lake.snapshot().read(), before)
    assert lake.compact(rows_of_file=100, thorough=thorough).months == ()


def test_touched_spans_are_those_of_later_batches(lake: ReadingLake) -> None:
    lake.append(frame_of(*(reading("a", number) for number in range(0, 200, 10)), reading("b", 0)), batch="one")
    seen = lake.snapshot()
    lake.append(frame_of(reading("a", 33), reading("a", 35), reading("a", 155)), batch="late")
    lake.append(frame_of(reading("b", 60, start=hour(50))), batch="interval")
    lake.compact(thorough=True)
    spans = lake.snapshot().touched(seen.version)
    tick = timedelta(microseconds=1)
    assert spans.select("meter", "first", "last").rows() == [
        ("a", hour(33), hour(35) + tick),
        ("a", hour(155), hour(155) + tick),
        ("b", hour(50), hour(60) + tick),
    ]
    assert spans["newest"].to_list() == [seen.version + 1, seen.version + 1, seen.version + 2]
    assert lake.snapshot().widened(spans).select("meter", "first", "last").rows() == [
        ("a", hour(30), hour(40) + tick),
        ("a", hour(150), hour(160) + tick),
        ("b", hour(0), hour(60) + tick),
    ]
    assert lake.snapshot().touched(lake.snapshot().version).height == 0
    assert lake.snapshot().touched(-1).group_by("meter").len().sort("meter").rows() == [("a", 1), ("b", 2)]


def test_an_event_touches_its_meter(lake: ReadingLake) -> None:
    lake.append(frame_of(reading("a", 0), reading("a", 100), reading("b", 0)), batch="one")
    lake.append_events(event("a", 50), batch="reset")
    lake.append_events(event("b", 0, "fault", until=hour(30)), batch="fault")
    snapshot = lake.snapshot()
    spans = snapshot.touched(snapshot.version, events_since=-1)
    tick = timedelta(microseconds=1)
    assert spans.select("meter", "first", "last").rows() == [
        ("a", hour(50), hour(50) + tick),
        ("b", hour(0), hour(30) + tick),
    ]
    assert snapshot.widened(spans)["first"].to_list() == [hour(0), hour(0)]
    assert snapshot.touched(snapshot.version, events_since=snapshot.events_version).height == 0


def test_a_later_event_replaces_an_earlier_one(lake: ReadingLake) -> None:
    lake.append_events(event("a", 5), batch="one")
    lake.append_events(event("a", 5, before=8.0, recorded_at=hour(9)), batch="two")
    lake.append_events(event("a", 5, "fault", until=hour(6)), batch="three")
    snapshot = lake.snapshot()
    assert snapshot.events().select("kind", "before").rows() == [("fault", 9.0), ("reset", 8.0)]
    assert snapshot.events(as_of=hour(8))["before"].to_list() == [9.0, 9.0]
    assert lake.snapshot(events_version=1).events()["before"].to_list() == [9.0]
    assert lake.event_batches()["batch"].to_list() == ["one", "two", "three"]
    for faulty in (
        event("a", 5, "explosion"),
        event("a", 5, by=" "),
        event("a", 5, reason=None),
        event("a", 5, until=hour(4)),
        event("a", 5, before=float("inf")),
    ):
        with pytest.raises(LakeError):
            lake.append_events(faulty, batch="faulty")


def test_meter_ranges_hold_about_so_many_readings(lake: ReadingLake) -> None:
    lake.append(batch_readings(0), batch="b0")
    snapshot = lake.snapshot()
    ranges = snapshot.meter_ranges(80)
    assert ranges[0][0] == "m0"
    assert ranges[-1][1] == "m9"
    with open_engine() as engine:
        parts = [engine.collect(snapshot.table(engine, between=part), READING_SCHEMA) for part in ranges]
    assert [part.height for part in parts] == [80, 80, 80]
    assert_frame_equal(pl.concat(parts).sort(READING_KEY), snapshot.read())


def test_many_meters_are_joined_not_listed(lake: ReadingLake) -> None:
    lake.append(batch_readings(0), batch="b0")
    names = [f"m{number}" for number in range(0, 1000, 2)]
    assert lake.snapshot().read(meters=names)["meter"].n_unique() == 15


def test_a_torn_file_is_named(lake: ReadingLake) -> None:
    lake.append(batch_readings(0), batch="b0")
    path = lake.snapshot().files()[0]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (finding,) = lake.verify()
    assert (finding.name, finding.where.file) == ("lake.file.faulty", str(path))
    with pytest.raises(LakeError, match=path.name):
        lake.snapshot().read()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert [finding.where.file for finding in lake.verify()] == [str(path)]


def test_a_torn_file_stops_compaction_and_loses_nothing(lake: ReadingLake) -> None:
    for number in range(3):
        lake.append(batch_readings(number), batch=f"b{number}")
    path = lake.snapshot().files()[0]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(LakeError, match=path.name):
        lake.compact()
    path.write_bytes(data)
    assert lake.compact().months
    assert_frame_equal(lake.snapshot().read(), truth(["b0", "b1", "b2"]))


def test_vacuum_leaves_what_a_writer_may_still_commit(lake: ReadingLake) -> None:
    lake.append(batch_readings(0), batch="b0")
    folder = lake.folder / "readings"
    digest = "0" * 64
    mine, dead, passing = (
        folder / f"part-{2:020d}-{digest}.parquet",
        folder / f"part-{1:020d}-{digest}.parquet",
        folder / ".new-1",
    )
    for path in (mine, dead, passing):
        path.write_bytes(b"x")
    assert lake.vacuum(spare=timedelta(0)).files == 1
    assert (mine.exists(), dead.exists(), passing.exists()) == (True, False, True)
    with pytest.raises(UsageError):
        lake.vacuum(keep=0)
