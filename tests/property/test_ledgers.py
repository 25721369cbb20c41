"""Laws of ledgers: order and repetition change nothing, books come back as they went, corrections replace, splits keep totals."""

import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.ledger import RECORD_COLUMNS
from dafeng.buildings.identity import find_candidates
from dafeng.buildings.rollup import roll_up
from dafeng.buildings.things import current_things
from dafeng.catalog.ledger_schemas import RecordLink
from dafeng.intake.ledger_reading import read_ledger
from dafeng.lake import RegisterLake
from dafeng.reports.ledger_book import ledger_book
from ledger_builders import GOOD, HEADS, NOW, SMALL, read_small, small_catalog, small_rows, write_csv
from rollup_builders import ledger_catalog

AREAS = st.integers(1000, 9_000_000).map(lambda cents: cents / 100)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "gross_area": AREAS,
            "place": st.sampled_from(["qingdao-shinan", "qingdao-shibei", None]),
            "green_star": st.sampled_from([0.0, 1.0, 2.0, 3.0, None]),
            "prefabricated": st.sampled_from([True, False, None]),
            "investor": st.sampled_from(["government", "state_owned", "private", None]),
            "assembly_rate": st.one_of(st.none(), st.integers(0, 100).map(float)),
            "start_date": st.one_of(st.none(), st.dates(date(2015, 1, 1), date(2026, 1, 1))),
            "project_name": st.text("幸福里和谐苑一二三期AB 12（）", min_size=1)
            .map(str.strip)
            .filter(lambda name: bool(name.strip("（） "))),
        }
    ),
    min_size=1,
    max_size=8,
)
FEW = settings(max_examples=8, deadline=None)


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows with codes of their own."""
    codes = [f"370200-{number:03d}" for number in range(len(rows))]
    return small_rows(*({**row, "key": code, "project_code": code} for row, code in zip(rows, codes, strict=True)))


def said(frame: pl.DataFrame) -> pl.DataFrame:
    """Return what rows say."""
    return frame.select("key", *(name for name in frame.columns if name not in RECORD_COLUMNS)).sort("key")


@given(ROWS)
@settings(max_examples=8, deadline=None)
def test_a_filled_book_imports_unchanged(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = RegisterLake(Path(folder))
        lake.publish("small", frame_of(rows), batch="1")
        path = Path(folder) / "book.xlsx"
        path.write_bytes(ledger_book(SMALL, small_catalog(), rows=lake.read("small")))
        read = read_ledger(path, None, small_catalog(), recorded_at=NOW + timedelta(days=1), home="qingdao")
        again = lake.publish("small", read.frame, batch="2")
        assert (again.appended, again.unchanged) == (0, len(rows))


@given(ROWS, st.randoms(use_true_random=False))
@FEW
def test_the_order_of_rows_and_a_second_import_change_nothing(rows: list[dict[str, Any]], shuffle: Any) -> None:
    frame = frame_of(rows)
    order = list(range(frame.height))
    shuffle.shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        first, second = RegisterLake(Path(folder) / "a"), RegisterLake(Path(folder) / "b")
        first.publish("small", frame, batch="1")
        second.publish("small", frame[order], batch="1")
        second.publish("small", frame[order].with_columns(recorded_at=NOW + timedelta(days=1)), batch="2")
        assert first.read("small").equals(second.read("small"))
    things = pl.DataFrame(
        {"register": "small", "key": frame["key"], "name": frame["project_name"], "place": frame["place"]}
    )
    assert find_candidates(things).equals(find_candidates(things[order]))


@given(st.permutations(range(6)), st.lists(st.sampled_from(["12000", "1.2万㎡", "0", "x", ""]), min_size=6, max_size=6))
@FEW
def test_a_row_is_judged_the_same_wherever_it_stands(order: list[int], areas: list[str]) -> None:
    rows = [[f"370200-{number}", "甲", GOOD[2], area, *GOOD[4:]] for number, area in enumerate(areas)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        first = read_small(path, [HEADS, *rows])
        second = read_small(path, [HEADS, *(rows[number] for number in order)])
    assert said(first.frame).equals(said(second.frame))
    fates = [read.fates.select("key", "fate", "findings").sort("key") for read in (first, second)]
    assert fates[0].equals(fates[1])
    assert (
        first.counts["rows"]
        == 6
        == sum(first.counts[fate] for fate in ("accepted", "accepted_with_finding", "refused"))
    )


@given(ROWS, AREAS)
@FEW
def test_a_correction_supersedes_and_the_earlier_state_stays(rows: list[dict[str, Any]], area: float) -> None:
    frame = frame_of(rows)
    key = frame["key"][0]
    corrected = frame.filter(pl.col("key") == key).with_columns(
        gross_area=pl.lit(area), recorded_at=NOW + timedelta(days=1)
    )
    with tempfile.TemporaryDirectory() as folder:
        lake = RegisterLake(Path(folder))
        lake.publish("small", frame, batch="1")
        published = lake.publish("small", corrected, batch="2")
        assert published.superseded == (area != rows[0]["gross_area"])
        assert lake.read("small").filter(pl.col("key") == key)["gross_area"].to_list() == [area]
        assert said(lake.read("small", as_of=NOW.date())).equals(said(frame))


@given(ROWS, st.integers(1, 99))
@FEW
def test_splitting_a_thing_in_two_keeps_totals(rows: list[dict[str, Any]], percent: int) -> None:
    frame = frame_of(rows)
    whole = frame.head(1)
    parts = [
        whole.with_columns(key=pl.lit(key), project_code=pl.lit(key), gross_area=pl.col("gross_area") * share / 100)
        for key, share in (("p1", percent), ("p2", 100 - percent))
    ]
    link = RecordLink(
        id="s", subject="project", kind="split", former=(whole["key"][0],), present=("p1", "p2"), by="某",
        decided_on=date(2026, 1, 1), reason="分期",
    )  # fmt: skip
    catalog = small_catalog()
    before = current_things({"small": frame}, catalog)["small"]["gross_area"].sum()
    after = current_things({"small": pl.concat([frame, *parts])}, catalog, links=[link])["small"]
    assert abs(after["gross_area"].sum() - before) <= 1e-9 * before
    assert after.height == frame.height + 1


CHAIN_HEADS = ["代码", "名称", "所在地", "阶段", "大类", "面积", "绿色", "竣工日期"]
CHAIN = st.lists(
    st.tuples(
        st.sampled_from(["东区", "西区"]),
        st.sampled_from(["residential", "public"]),
        st.integers(2, 9999),
        st.sampled_from(["是", "否", ""]),
        st.dates(date(2022, 1, 1), date(2025, 12, 31)).map(str),
    ),
    min_size=1,
    max_size=6,
)


def chain(
    folder: Path, books: Sequence[Sequence[Sequence[str]]], links: Sequence[RecordLink] = ()
) -> dict[tuple[str, ...], Any]:
    """Import books one after another, follow links, roll up; return value and coverage by indicator, place and year."""
    catalog = ledger_catalog()
    lake = RegisterLake(folder / f"lake-{len(list(folder.iterdir()))}")
    for number, rows in enumerate(books):
        path = write_csv(folder / "book.csv", [CHAIN_HEADS, *rows])
        read = read_ledger(path, "projects", catalog, recorded_at=NOW + timedelta(days=number), home="city")
        assert read.counts["refused"] == 0
        lake.publish("projects", read.frame, batch=str(number))
    things = current_things({"projects": lake.read("projects")}, catalog, links=links)
    rolled = roll_up(things, catalog, years=range(2022, 2026), recorded_at=NOW, as_of=date(2026, 1, 31), home="city")
    wanted = ["all_area", "green_area", "green_share", "area_total"]
    facts = rolled.observations.filter(pl.col("indicator").is_in(wanted))
    columns = ["indicator", "place", "period", "building_class", "value", "coverage"]
    return {tuple(row[:4]): row[4:] for row in facts.select(columns).iter_rows()}


def book_of(projects: Sequence[tuple[Any, ...]]) -> list[list[str]]:
    """Return projects as rows of a book."""
    return [
        [f"P-{number}", f"第{number}项", place, "竣工验收", kind, str(area), green, day]
        for number, (place, kind, area, green, day) in enumerate(projects)
    ]


@given(CHAIN, st.integers(1, 99), st.booleans())
@settings(max_examples=8, deadline=None)
def test_a_split_keeps_every_total_from_the_book_to_the_figure(projects: Any, percent: int, later: bool) -> None:
    rows = book_of(projects)
    whole = rows[0]
    first = max(1, int(whole[5]) * percent // 100)
    parts = [
        [code, *whole[1:5], str(area), *whole[6:]] for code, area in (("N-1", first), ("N-2", int(whole[5]) - first))
    ]
    parts = [row for row in parts if int(row[5])]
    link = RecordLink(
        id="s", subject="project", kind="split", former=("P-0",), present=tuple(row[0] for row in parts), by="某",
        decided_on=date(2025, 1, 1), reason="分期",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        before = chain(Path(folder), [rows])
        after = chain(Path(folder), [rows, parts] if later else [[*parts, *rows]], [link])
    assert before.keys() == after.keys()
    for name, (value, _) in before.items():
        assert after[name][0] == (None if value is None else pytest.approx(value)), name


@given(CHAIN, st.randoms(use_true_random=False))
@settings(max_examples=8, deadline=None)
def test_order_books_and_a_second_import_change_no_figure(projects: Any, shuffle: Any) -> None:
    rows = book_of(projects)
    other = shuffle.sample(rows, len(rows))
    cut = shuffle.randint(0, len(rows) - 1)
    with tempfile.TemporaryDirectory() as folder:
        once = chain(Path(folder), [rows])
        assert chain(Path(folder), [other]) == once
        assert chain(Path(folder), [rows, other]) == once
        assert chain(Path(folder), [*([other[:cut]] if cut else []), other[cut:], rows[:1]]) == once
