"""Laws of intake: nothing is lost, order is nothing, what goes out comes in again, no word becomes a number."""

import csv
import io
import random
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dafeng.base.observation import SCHEMA, MissingReason, Observation, observation_frame
from dafeng.catalog import Catalog
from dafeng.intake import export_table, import_table
from dafeng.intake.numbers import read_number, read_numbers
from intake_builders import RECORDED_AT, small_catalog

PLACES = ("qingdao", "jinan", "changchun", "jilin-city", "jilin", "xiangyang")
TEXTS = (
    "40", "40.5", "约40%", "-3", "140", "0.65", "—", "…", "N/A", "", " ", "很好", "8-10", "≥8", "1,234.5", "７．９", "1.2亿", "3万5千",
    "40①", "#DIV/0!", "是", "12公里", "40%", "1e3",
)  # fmt: skip
HEADERS = (
    "建成区绿地率（%）",
    "污水处理率",
    "常住人口（万人）",
    "综合漏损率(%)",
    "不认识的指标",
    "道路网密度（公里/平方公里）",
)
PLACE_TEXTS = ("青岛", "济南市", "吉林", "朝阳区", "合计", "不知何处", "", "襄樊", "370200")
PERIOD_TEXTS = ("2023", "2024年", "2024年1-9月", "去年", "", "2031")


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return small_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def write(folder: Path, rows: list[list[str]]) -> Path:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    path = folder / "table.csv"
    path.write_text(buffer.getvalue(), encoding="utf-8")
    return path


@st.composite
def panels(draw: st.DrawFn) -> list[list[str]]:
    headers = draw(st.lists(st.sampled_from(HEADERS), min_size=1, max_size=4, unique=True))
    row = st.tuples(
        st.sampled_from(PLACE_TEXTS), st.sampled_from(PERIOD_TEXTS), *(st.sampled_from(TEXTS) for _ in headers)
    )
    rows = draw(st.lists(row, min_size=1, max_size=25))
    return [["地区", "年份", *headers], *(list(item) for item in rows)]


@given(panel=panels())
def test_every_value_cell_has_exactly_one_fate(panel: list[list[str]], catalog: Catalog, folder: Path) -> None:
    assume(any(text.strip() for row in panel[1:] for text in row))
    result = import_table(write(folder, panel), catalog, recorded_at=RECORDED_AT, dataset="d")
    cells = result.fates.filter(pl.col("cell") != "")
    counts = result.counts
    assert cells["cell"].n_unique() == cells.height == counts["value_cells"]
    assert counts["value_cells"] == counts["accepted"] + counts["accepted_with_finding"] + counts["refused"]
    assert result.observations.height == counts["value_cells"] - counts["refused"] - counts["repeated"]
    aside = set(result.fates.filter(pl.col("fate") == "set_aside")["row"])
    known = set(cells["cell"])
    for number, row in enumerate(panel[1:], start=2):
        for column, text in enumerate(row[2:], start=2):
            cell = f"{'ABCDEFGH'[column]}{number}"
            if text.strip() and number not in aside:
                column_is_blank_or_unknown_words = panel[0][column] == "不认识的指标"
                assert cell in known or column_is_blank_or_unknown_words
    assert result.lineage["id"].n_unique() == result.observations.height
    assert set(result.observations["lineage"]) == set(result.lineage["id"])


@given(panel=panels(), seed=st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(panel: list[list[str]], seed: int, catalog: Catalog, folder: Path) -> None:
    assume(any(text.strip() for row in panel[1:] for text in row))
    shuffled = panel[1:]
    random.Random(seed).shuffle(shuffled)
    facts, fates = [], []
    for rows in (panel, [panel[0], *shuffled]):
        result = import_table(write(folder, rows), catalog, recorded_at=RECORDED_AT, dataset="d")
        facts.append(result.observations.drop("lineage").sort(pl.all()))
        fates.append(sorted(result.fates["fate"].to_list()))
    assert_frame_equal(facts[0], facts[1])
    assert fates[0] == fates[1]


def amounts(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)


WORDS = st.text(st.characters(categories=["L", "N"], include_characters=',"-_ ;'), min_size=1, max_size=8).map(
    lambda text: f"d{text}e"
)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    name, highest = draw(
        st.sampled_from(
            [
                ("green_space_rate", 100.0),
                ("resident_population", 1e12),
                ("water_leakage_rate", 100.0),
                ("carbon_peak", 1.0),
                ("new_green_building_area", 1e9),
            ]
        )
    )
    value = draw(amounts(0, highest) | st.none())
    bounded = value is not None and draw(st.booleans())
    return Observation(
        indicator=name,
        place=draw(st.sampled_from(PLACES)),
        extent=draw(st.sampled_from(["whole", "built_up", "city_proper", "main_urban"])),
        period=draw(
            st.sampled_from(
                ["2019", "2024", "2024-Q3", "2024-09", "2024-01..09", "2023-HS", "2021..2025", "2024-09-30"]
            )
        ),
        building_class=draw(st.sampled_from(["all", "residential", "public"]))
        if name == "new_green_building_area"
        else "all",
        basis=draw(st.sampled_from(["basic", "comprehensive"])) if name == "water_leakage_rate" else "",
        kind=draw(st.sampled_from(["reported", "computed", "estimated", "projected", "demonstration"])),
        scenario=draw(st.just("") | WORDS),
        member=draw(st.sampled_from(["", "p05", "p95", "mean"])),
        value=value,
        low=draw(amounts(-1e3, value)) if bounded and value is not None else None,
        high=draw(amounts(value, 1e13)) if bounded and value is not None else None,
        coverage=draw(st.none() | amounts(0, 1)),
        missing_reason=None if value is not None else draw(st.sampled_from(list(MissingReason))),
        dataset=draw(WORDS),
        recorded_at=RECORDED_AT,
        published_on=draw(st.none() | st.dates(date(1990, 1, 1), date(2026, 1, 1))),
        review=draw(st.sampled_from(["draft", "submitted", "approved", "sealed", "withdrawn"])),
    )


@given(facts=st.lists(observations(), min_size=1, max_size=15))
def test_a_long_table_reads_back_as_it_was(facts: list[Observation], catalog: Catalog, folder: Path) -> None:
    frame = observation_frame(facts).unique(subset=[*list(SCHEMA)[:12], "dataset"], keep="first", maintain_order=True)
    path = export_table(frame, folder / "long.csv", catalog)
    back = import_table(path, catalog, recorded_at=datetime(2027, 1, 1, tzinfo=UTC))
    assert back.counts["refused"] == 0, [finding.sentence for finding in back.findings]
    bookkeeping = ["recorded_at", "supersedes", "lineage"]
    assert_frame_equal(back.observations.drop(bookkeeping), frame.drop(bookkeeping), check_exact=True)
    again = export_table(
        back.observations.with_columns(pl.lit(None, pl.String()).alias("lineage")), folder / "again.csv", catalog
    )
    assert again.read_bytes() == path.read_bytes()


@given(
    table=st.dictionaries(
        st.tuples(st.sampled_from(["青岛市", "济南市", "长春市"]), st.integers(2015, 2024)),
        st.tuples(
            amounts(2, 100).map(lambda value: round(value, 3)), amounts(1, 5000).map(lambda value: round(value, 2))
        ),
        min_size=1,
    )
)
def test_a_wide_panel_says_the_same_as_a_long_table(
    table: dict[tuple[str, int], tuple[float, float]], catalog: Catalog, folder: Path
) -> None:
    wide = [["地区", "年份", "绿地率（%）", "常住人口（万人）"]]
    long = [["时间", "地区", "指标", "数值", "单位"]]
    for (place, year), (rate, people) in table.items():
        wide.append([place, str(year), repr(rate), repr(people)])
        long += [
            [f"{year}年", place, "建成区绿地率", f"{rate!r}%", ""],
            [str(year), place, "常住人口", repr(people), "万人"],
        ]
    facts = [
        import_table(write(folder, rows), catalog, recorded_at=RECORDED_AT, dataset="d").observations.drop("lineage")
        for rows in (wide, long)
    ]
    assert_frame_equal(facts[0].sort(pl.all()), facts[1].sort(pl.all()))


@given(value=st.decimals(-(10**9), 10**9, places=3, allow_nan=False), percent=st.booleans())
def test_a_number_is_read_alike_in_any_width_and_grouping(value: object, percent: bool) -> None:
    plain = f"{value:.3f}"
    wide = "".join(chr(ord(letter) + 0xFEE0) if letter in "0123456789.-%" else letter for letter in plain)
    grouped = f"{value:,.3f}"
    for text in (plain, wide, grouped, f" {plain} "):
        reading = read_number(text + ("%" if percent else ""))
        assert reading.value == float(plain)
        assert reading.unit == ("%" if percent else "")


@given(text=st.text(max_size=12))
def test_a_text_without_digits_never_becomes_a_number(text: str) -> None:
    reading = read_number(text)
    assert sum((reading.value is not None, reading.missing is not None, reading.problem != "")) == 1
    if not any(letter.isdigit() or letter.isnumeric() for letter in text) and reading.unit != "yes_no":
        assert reading.value is None


@given(
    texts=st.lists(
        st.sampled_from(TEXTS) | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    )
)
def test_arrays_are_read_as_single_texts_are(texts: list[str]) -> None:
    frame = read_numbers(pl.Series(texts, dtype=pl.String))
    assert [tuple(row) for row in frame.iter_rows()] == [tuple(read_number(text)) for text in texts]
