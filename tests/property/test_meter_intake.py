"""Laws of the ways in: layouts agree, order does not matter, what is written is read, degree-days add up."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.intake.energy_xml import read_energy_xml
from dafeng.intake.meter_readings import ReadingImport, ReadingOptions, read_meter_readings
from dafeng.intake.meter_times import to_instants
from dafeng.intake.pushed import read_push
from dafeng.methods.climate import degree_day_table
from dafeng.reports.energy_xml import archive_frame, daily_pack

NOW = datetime(2026, 11, 20, tzinfo=UTC)
COLUMNS = ["meter", "at", "start", "value"]
VALUES = st.one_of(st.none(), st.integers(-10_000, 10_000_000).map(lambda number: number / 100))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readings")


def written(rows: list[list[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def read(folder: Path, rows: list[list[object]], **options: object) -> ReadingImport:
    path = folder / "a.csv"
    path.write_text(written(rows), encoding="utf-8")
    return read_meter_readings(path, received_at=NOW, options=ReadingOptions(**options))


@given(
    table=st.integers(1, 5).flatmap(
        lambda meters: st.lists(st.lists(VALUES, min_size=meters, max_size=meters), min_size=2, max_size=12)
    ),
    shuffled=st.randoms(use_true_random=False),
)
def test_wide_is_long_in_any_order(folder: Path, table: list[list[float | None]], shuffled: object) -> None:
    times = [datetime(2024, 1, 1) + timedelta(minutes=15 * step) for step in range(len(table))]
    meters = [f"m{index}" for index in range(len(table[0]))]
    said = {"kind": "interval", "labelled": "start", "step": timedelta(minutes=15)}
    wide = read(folder, [["时间", *meters], *([time, *row] for time, row in zip(times, table, strict=True))], **said)
    cells = [
        [meter, time, row[index]] for time, row in zip(times, table, strict=True) for index, meter in enumerate(meters)
    ]
    shuffled.shuffle(cells)  # type: ignore[attr-defined]
    long = read(folder, [["表号", "时间", "用量"], *cells], **said)
    assert wide.frame.select(COLUMNS).equals(long.frame.select(COLUMNS))
    given_values = [value for row in table for value in row if value is not None]
    assert wide.counts["accepted"] == len(given_values)
    assert wide.counts["blank"] == len(cells) - len(given_values)
    assert wide.frame["value"].sum() == pytest.approx(sum(given_values))


@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", "", "坏"]), st.integers(0, 5), st.sampled_from(["1", "2", "", "x", "—"])),
        max_size=25,
    )
)
def test_every_row_has_one_fate(folder: Path, rows: list[tuple[str, int, str]]) -> None:
    cells = [[meter, f"2024-01-01 0{hour}:00" if hour < 5 else "?", value] for meter, hour, value in rows]
    taken = read(folder, [["表号", "时间", "读数", "备注"], *([*cell, "x"] for cell in cells)])
    assert sum(taken.counts.values()) == len(rows)
    assert taken.fates["cell"].n_unique() == taken.fates.height
    assert taken.frame.select("meter", "at", "start").is_unique().all()


@given(cut=st.integers(1, 19), values=st.lists(st.integers(0, 10**6), min_size=20, max_size=20))
def test_two_halves_are_the_whole(folder: Path, cut: int, values: list[int]) -> None:
    rows = [["m", datetime(2024, 1, 1) + timedelta(hours=hour), value] for hour, value in enumerate(values)]
    head = ["表号", "时间", "读数"]
    whole = read(folder, [head, *rows]).frame.select(COLUMNS)
    parts = [read(folder, [head, *part]).frame.select(COLUMNS) for part in (rows[:cut], rows[cut:])]
    assert pl.concat(parts).equals(whole)


@given(
    hours=st.lists(st.integers(0, 366 * 24 * 4), min_size=1, max_size=40, unique=True),
    zone=st.sampled_from(["Europe/Berlin", "America/Denver", "Australia/Lord_Howe", "Asia/Shanghai", "+08:00"]),
)
def test_local_times_lead_back_to_their_instants(hours: list[int], zone: str) -> None:
    instants = sorted(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * step) for step in hours)
    there = ZoneInfo(zone) if "/" in zone else None
    local = [
        (instant.astimezone(there) if there else instant + timedelta(hours=8)).replace(tzinfo=None)
        for instant in instants
    ]
    frame = pl.DataFrame(
        {"local": local, "offset": [None] * len(local)}, schema={"local": pl.Datetime("us"), "offset": pl.Int32()}
    )
    found = to_instants(frame, zone)
    for instant, back, guessed in zip(instants, found["at"], found["guessed"], strict=True):
        # A time that is written once of the two it has is the first of them, and said to be guessed.
        assert back == instant or (guessed and back < instant)
    assert found["problem"].null_count() == len(local)


@given(
    st.lists(
        st.tuples(st.sampled_from(["01000", "01A00", "02000"]), st.integers(0, 23), st.integers(-(10**6), 10**8)),
        max_size=30,
        unique_by=lambda row: row[:2],
    )
)
def test_energy_xml_gives_back_what_was_written(rows: list[tuple[str, int, int]]) -> None:
    first = datetime(2025, 12, 31, 16, tzinfo=UTC)
    hours = pl.DataFrame(
        [
            ("370202A001", item, first + timedelta(hours=at), first + timedelta(hours=at + 1), cents / 100)
            for item, at, cents in rows
        ],
        schema={
            "building": pl.String(),
            "item": pl.String(),
            "start": pl.Datetime("us", "UTC"),
            "end": pl.Datetime("us", "UTC"),
            "value": pl.Float64(),
        },
        orient="row",
    )
    pack = daily_pack(
        centre="370200",
        day=date(2026, 1, 1),
        archives=archive_frame([], centre="370200", districts={}),
        hours=hours,
        equivalents={"01000": 0.1229, "02000": 0.0857},
    )
    said = read_energy_xml(pack.energy, received_at=NOW)
    key = ["item", "start", "end", "value"]
    assert said.hours.select(key).sort(key).equals(hours.select(key).sort(key))
    assert said.findings == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["meter", "at", "start", "value", "unit", "mark", "x"]), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(rows=st.lists(JSON, max_size=8), batch=JSON)
def test_no_push_raises_and_every_row_has_a_fate(rows: list[object], batch: object) -> None:
    pushed = read_push({"readings": rows, "batch": batch}, received_at=NOW)
    assert pushed.status == 400 or pushed.fates["index"].to_list() == list(range(len(rows)))
    assert pushed.fates.filter(pl.col("fate") == "accepted").height == pushed.frame.height


@given(body=st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    assert read_push(body, received_at=NOW).status in (200, 400, 413)
    assert read_energy_xml(body, received_at=NOW).counts["hours"] == 0


@settings(max_examples=20)
@given(temperatures=st.lists(st.floats(-40, 40), min_size=2, max_size=60), cut=st.integers(1, 59))
def test_degree_days_add_up(temperatures: list[float], cut: int) -> None:
    count = len(temperatures)
    cut = min(cut, count - 1)
    first = date(2024, 1, 1)
    frame = pl.DataFrame(
        {
            "dataset": ["m"] * count,
            "kind": ["actual"] * count,
            "station": ["s"] * count,
            "temperature": temperatures,
            "hours": [24.0] * count,
        }
    ).with_columns(day=pl.date_range(first, first + timedelta(days=count - 1), "1d", eager=True))
    middle, end = first + timedelta(days=cut), first + timedelta(days=count)
    table = degree_day_table(frame, [(first, end), (first, middle), (middle, end)])
    for name in ("heating", "cooling"):
        whole, left, right = table[name].to_list()
        assert whole == pytest.approx(left + right, abs=1e-9)
    assert table["heating"][0] == pytest.approx(sum(max(0.0, 18 - value) for value in temperatures), abs=1e-9)
