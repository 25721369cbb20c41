"""Tables made from readings: parts replaced in one commit, older versions readable, the slower of two writers told."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.base.errors import LakeError, UsageError
from dafeng.lake import DerivedTable, EngineRows, open_engine
from unit.lake.reading_builders import HOURS_SCHEMA, hour, hours_of, hours_table

DAYS_SCHEMA = {"meter": pl.String(), "day": pl.Date(), "amount": pl.Float64()}


def days(*rows: tuple[str, int, float]) -> pl.DataFrame:
    """Return rows of meter, day of 2026 counted from 0, amount."""
    found = [(meter, date(2026, 1, 1) + timedelta(days=day), amount) for meter, day, amount in rows]
    return pl.DataFrame(found, DAYS_SCHEMA, orient="row")


def spans(*rows: tuple[str, int, int]) -> pl.DataFrame:
    found = [(meter, *(date(2026, 1, 1) + timedelta(days=day) for day in ends)) for meter, *ends in rows]
    return pl.DataFrame(found, {"meter": pl.String(), "first": pl.Date(), "last": pl.Date()}, orient="row")


@pytest.fixture
def table(tmp_path: Path) -> DerivedTable:
    return DerivedTable(tmp_path / "days", DAYS_SCHEMA, keys=("meter", "day"), time="day")


def test_a_table_never_made_is_empty(table: DerivedTable) -> None:
    assert (table.version, table.made_from(), table.partitions(), table.changed(-1)) == (-1, {}, [], [])
    assert table.read().schema == DAYS_SCHEMA
    assert table.verify() == []
    with open_engine() as engine:
        assert engine.collect(table.table(engine), DAYS_SCHEMA).height == 0


def test_parts_are_replaced_and_older_versions_stay(table: DerivedTable) -> None:
    first = table.replace(days(("a", 0, 1.0), ("b", 0, 2.0), ("a", 40, 3.0)), made_from={"readings": 3, "catalog": "x"})
    assert (first.version, first.partitions, first.rows_before, first.rows_after) == (1, ("2026-01", "2026-02"), 0, 3)
    second = table.replace(days(("a", 41, 4.0)), made_from={"readings": 5, "catalog": "x"})
    assert (second.partitions, second.rows_before, second.rows_after) == (("2026-02",), 1, 1)
    assert table.read()["amount"].to_list() == [1.0, 4.0, 2.0]
    assert table.read(version=first.version)["amount"].to_list() == [1.0, 3.0, 2.0]
    assert [(part.partition, part.rows, part.made_from["readings"]) for part in table.partitions()] == [
        ("2026-01", 2, 3),
        ("2026-02", 1, 5),
    ]
    assert (table.made_from(first.version)["readings"], table.made_from()["readings"]) == (3, 5)
    assert table.changed(first.version) == ["2026-02"]
    emptied = table.replace(days(), partitions=["2026-01"], made_from={})
    assert (emptied.rows_before, emptied.rows_after) == (2, 0)
    assert table.changed(second.version) == ["2026-01"]
    assert table.vacuum(keep=2, spare=timedelta(0)).files == 1
    assert table.read(version=second.version).height == 3
    with pytest.raises(LakeError, match="文件缺失"):
        table.read(version=first.version)
    with pytest.raises(LakeError, match="no version 9"):
        table.read(version=9)


def test_a_span_opens_only_its_parts(table: DerivedTable) -> None:
    table.replace(days(*(("a", day, float(day)) for day in range(0, 120, 10))), made_from={})
    start, end = date(2026, 2, 1), date(2026, 3, 1)
    assert len(table.files(start, end)) == 1
    assert table.read(start, end)["amount"].to_list() == [40.0, 50.0]
    with open_engine() as engine:
        assert engine.collect(table.table(engine, start, end).order_by("day"), DAYS_SCHEMA)["amount"].to_list() == [
            40,
            50,
        ]


def test_instants_fall_into_parts_by_utc(tmp_path: Path) -> None:
    table = hours_table(tmp_path)
    result = table.replace(hours_of(1), made_from={})
    assert result.partitions == ("2026-01-31", "2026-02-01", "2026-02-02")
    assert len(table.files(hour(0), hour(12))) == 1
    assert table.read(hour(11), hour(13))["amount"].to_list() == [11.0, 12.0]
    assert table.read().schema == HOURS_SCHEMA
    with open_engine() as engine:
        rows = engine.collect(table.table(engine, hour(11), hour(13)).order_by("hour"), HOURS_SCHEMA)
    assert_frame_equal(rows, table.read(hour(11), hour(13)))


def test_only_what_lies_in_the_spans_is_restated(table: DerivedTable) -> None:
    table.replace(days(*((meter, day, 1.0) for meter in "ab" for day in range(60))), made_from={"readings": 1})
    before = table.version
    result = table.restate(
        days(("a", 5, 9.0), ("a", 6, 9.0), ("c", 40, 9.0)), spans(("a", 5, 8), ("c", 40, 41)), made_from={"readings": 2}
    )
    assert result.partitions == ("2026-01", "2026-02")
    old, new = table.read(version=before), table.read()
    gone = old.join(new, on=["meter", "day", "amount"], how="anti")
    come = new.join(old, on=["meter", "day", "amount"], how="anti")
    assert_frame_equal(gone, days(("a", 5, 1.0), ("a", 6, 1.0), ("a", 7, 1.0)))
    assert_frame_equal(come, days(("a", 5, 9.0), ("a", 6, 9.0), ("c", 40, 9.0)))
    same = table.restate(days(("a", 5, 9.0), ("a", 6, 9.0)), spans(("a", 5, 8)), made_from={"readings": 3})
    assert (same.partitions, same.rows_before, table.made_from()) == ((), 0, {"readings": 3})
    assert_frame_equal(table.read(), new)
    table.restate(days(), spans(("a", 0, 100), ("b", 0, 31)), made_from={"readings": 4})
    assert table.read()["meter"].to_list() == ["b"] * 29 + ["c"]


def test_a_span_without_names_concerns_everything(table: DerivedTable) -> None:
    table.replace(days(("a", 0, 1.0), ("b", 1, 1.0), ("b", 2, 1.0)), made_from={})
    table.restate(days(("c", 1, 7.0)), spans(("x", 0, 2)).drop("meter"), made_from={})
    assert_frame_equal(table.read(), days(("b", 2, 1.0), ("c", 1, 7.0)))


def test_the_slower_of_two_writers_is_told(tmp_path: Path, table: DerivedTable) -> None:
    table.replace(days(("a", 0, 1.0), ("a", 40, 1.0)), made_from={})
    base = table.version
    other = DerivedTable(tmp_path / "days", DAYS_SCHEMA, keys=("meter", "day"), time="day")
    other.replace(days(("a", 0, 2.0)), made_from={}, base=base)
    with pytest.raises(LakeError, match="another writer changed 2026-01 between version 1 and 2"):
        table.replace(days(("a", 0, 3.0)), made_from={}, base=base)
    with pytest.raises(LakeError, match="another writer changed 2026-01"):
        table.restate(days(("a", 1, 3.0)), spans(("a", 1, 2)), made_from={}, base=base)
    assert table.replace(days(("a", 40, 3.0)), made_from={}, base=base).version == 3
    assert table.read()["amount"].to_list() == [2.0, 3.0]
    assert table.replace(days(("a", 0, 4.0)), made_from={}).version == 4
    table.vacuum(keep=1, spare=timedelta(0))
    assert len(list((tmp_path / "days").glob("*.parquet"))) == 2


def test_an_engine_computes_parts_without_bringing_them_here(table: DerivedTable) -> None:
    rows = days(("b", 0, 2.0), ("a", 0, 1.0), ("a", 40, 3.0), ("a", 70, 4.0))
    with open_engine() as engine:
        source = EngineRows(engine, engine.frame(rows))
        result = table.replace(source, partitions=["2026-01", "2026-02", "2026-04"], made_from={"readings": 1})
        assert (result.partitions, result.rows_after) == (("2026-01", "2026-02", "2026-04"), 3)
        assert table.read()["amount"].to_list() == [1.0, 3.0, 2.0]
        with pytest.raises(UsageError, match="no parts are named"):
            table.replace(source, made_from={})
    assert table.verify() == []
    assert not list(table.folder.glob(".new-*"))


def test_an_engine_writes_instants(tmp_path: Path) -> None:
    table = hours_table(tmp_path)
    with open_engine() as engine:
        table.replace(
            EngineRows(engine, engine.frame(hours_of(1))),
            partitions=["2026-01-31", "2026-02-01", "2026-02-02"],
            made_from={},
        )
    assert_frame_equal(table.read(), hours_of(1))


def test_faulty_rows_change_nothing(table: DerivedTable) -> None:
    table.replace(days(("a", 0, 1.0)), made_from={})
    faulty = {
        "share a key": lambda: table.replace(days(("a", 0, 1.0), ("a", 0, 2.0)), made_from={}),
        "rows lie in 2026-02": lambda: table.replace(days(("a", 40, 1.0)), partitions=["2026-01"], made_from={}),
        "have no day": lambda: table.replace(
            days(("a", 0, 1.0)).with_columns(day=pl.lit(None, pl.Date())), made_from={}
        ),
        "the rows have the columns": lambda: table.replace(days().drop("amount"), made_from={}),
        "1 rows|2 rows": lambda: table.restate(days(("a", 0, 1.0)), spans(("a", 5, 6)), made_from={}),
        "the spans have the columns": lambda: table.restate(days(), spans().rename({"meter": "x"}), made_from={}),
    }
    for problem, step in faulty.items():
        with pytest.raises(LakeError, match=problem):
            step()
    assert table.version == 1
    with pytest.raises(UsageError, match="do not fit"):
        DerivedTable(table.folder, DAYS_SCHEMA, keys=("meter",), time="day")
