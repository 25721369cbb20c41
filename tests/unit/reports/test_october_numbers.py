"""Every number of the Demo City's October report stands in the assessment as it is stored, and the counts agree everywhere."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dafeng.assessment import Assessment, assess_plan
from dafeng.base.observation import KEY
from dafeng.base.quantity import convert, same_dimension
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import IndicatorMeasure
from dafeng.intake import import_table
from dafeng.reports import OctoberRequest, OctoberScope, Report, october_report
from dafeng.reports.document import Heading, KeyFigures, Paragraph, Row, Slot, Table

DEMO = Path(__file__).resolve().parents[3] / "src" / "dafeng" / "workflow" / "demo_city"
AS_OF = date(2026, 10, 20)
WATER = "demo-city-water"
ORDER = [
    "missed", "breached", "overdue", "off_track", "at_risk", "depends_on_definition", "unproven", "unknown", "no_data", "open",
    "on_track", "holds", "met", "met_early", "done",
]  # fmt: skip
GROUPS = {
    "met": ("met", "met_early", "holds", "done"), "on_track": ("on_track",), "open": ("open",), "at_risk": ("at_risk",),
    "off_track": ("off_track",), "missed": ("missed", "breached", "overdue"), "unproven": ("unproven",),
    "no_data": ("no_data", "unknown"), "depends_on_definition": ("depends_on_definition",),
}  # fmt: skip
NUMBER = re.compile(r"(?<![\d.])\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def city() -> Catalog:
    return load_catalog([DEMO / "catalog"])


@pytest.fixture(scope="module")
def judged(city: Catalog) -> Assessment:
    entries = yaml.safe_load((DEMO / "data" / "imports.yaml").read_text(encoding="utf-8"))["imports"]
    moment = datetime(2026, 10, 20, tzinfo=UTC)
    frames = [
        import_table(DEMO / "data" / entry.pop("file"), city, recorded_at=moment, **entry).observations
        for entry in entries
    ]
    facts = pl.concat(frames).unique(KEY, keep="last", maintain_order=True)
    return assess_plan(city.plan("demo-city-2024"), facts, city, as_of=AS_OF)


@pytest.fixture(scope="module")
def stored(judged: Assessment) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the assessment as JSON, by target."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in json.loads(judged.model_dump_json())["rows"]:
        found.setdefault(row["target"], []).append(row)
    return found


@pytest.fixture(scope="module", params=[None, WATER])
def paper(request: pytest.FixtureRequest, judged: Assessment, city: Catalog) -> tuple[Report, str | None]:
    scope = OctoberScope.CITY if request.param is None else OctoberScope.BODY
    wanted = OctoberRequest(year=2026, scope=scope, body=request.param)
    return october_report(judged, city.plan("demo-city-2024"), city, wanted), request.param


def expected_of_year(row: dict[str, Any], reading: dict[str, Any], city: Catalog) -> float | None:
    """Return the estimate of a reading in the unit of the paper, whole where things are counted."""
    outlook = reading["year_outlook"]
    if outlook is None or outlook["expected"] is None:
        return None
    unit = unit_of(row, city)
    value = float(convert(outlook["expected"], city.indicators[row["indicator"]].unit, unit))
    return round(value) if unit in ("个", "家", "栋", "户") else value


def table(report: Report, name: str) -> Table:
    return next(one for one in report.tables() if one.id == name)


def rows(report: Report, name: str) -> Iterator[Row]:
    return (row for row in table(report, name).rows if row.group is None)


def worst(row: dict[str, Any]) -> dict[str, Any]:
    verdict: dict[str, Any] = min(row["verdicts"], key=lambda one: ORDER.index(one["status"]))
    return verdict


def quantity(stored: dict[str, list[dict[str, Any]]], row: Row) -> list[dict[str, Any]]:
    """Return the rows of every target that shares a line of annex 1: the same label and clause and place in the plan's terms."""
    first = stored[(row.anchor or "").removeprefix("target-")][0]
    return [one for same in stored.values() for one in same if one["label"] == first["label"]]


def written(text: str) -> list[float]:
    return [float(number) for number in NUMBER.findall(text)]


def near(number: float, values: list[float]) -> bool:
    """Return whether a number is one of the values, rounded to two decimals as the paper does."""
    return any(abs(number - value) <= 0.0051 for value in values)


def unit_of(row: dict[str, Any], city: Catalog) -> str:
    unit = row["unit"]
    if unit and row["canonical_unit"] and same_dimension(unit, row["canonical_unit"]):
        return str(unit)
    return city.indicators[row["indicator"]].shown_unit


def test_annex_1_shows_the_values_of_the_assessment(
    paper: tuple[Report, str | None], stored: dict[str, list[dict[str, Any]]]
) -> None:
    report, _ = paper
    seen = 0
    for line in rows(report, "targets"):
        cells = {column.key: cell for column, cell in zip(table(report, "targets").columns, line.cells, strict=True)}
        same = quantity(stored, line)
        for key, period in (("last_year", ("2025",)), ("part_year", ("2026-01..09",))):
            number = cells[key].number
            if number is None:
                continue
            uses = [
                use
                for row in same
                for one in row["verdicts"]
                for use in (one["decided_by"], one["latest"], one["part_year"])
            ]
            values = [use["shown_value"] for use in uses if use and use["period"] in period]
            assert any(number == pytest.approx(value, abs=0.5 * 10 ** -cells[key].digits) for value in values), cells
            seen += 1
        gaps = [one["gap"] for row in same for one in row["verdicts"] if one["gap"]]
        for text in cells["distance"].text.split("\n"):
            amount = re.match(r"(?:差|超出|优于要求)([\d.]+)", text)
            if amount:
                assert any(abs(float(amount[1]) - abs(gap["shown_value"])) <= 0.0051 for gap in gaps), text
                seen += 1
    assert seen > 15


def test_annex_1_estimates_are_those_of_the_reading_that_is_quoted_and_never_less_than_the_part_year(
    paper: tuple[Report, str | None], stored: dict[str, list[dict[str, Any]]], city: Catalog
) -> None:
    report, _ = paper
    seen = 0
    for line in rows(report, "targets"):
        cells = {column.key: cell for column, cell in zip(table(report, "targets").columns, line.cells, strict=True)}
        same = quantity(stored, line)
        indicator = city.indicators[same[0]["indicator"]]
        if same[0]["measure"] in ("change", "milestone"):
            assert cells["estimate"].text == ""
            continue
        for text in filter(None, cells["estimate"].text.split("\n")):
            assert text.startswith("预计")
            (number,) = written(text)
            found = [expected_of_year(row, worst(row), city) for row in same]
            values = [value for value in found if value is not None]
            assert near(number, values), (cells["indicator"].text, text, values)
            growing = indicator.measure is IndicatorMeasure.FLOW or (
                indicator.measure is IndicatorMeasure.STOCK and indicator.direction.value == "up"
            )
            if growing and cells["part_year"].number is not None:
                assert number >= cells["part_year"].number, cells["indicator"].text
            seen += 1
    assert seen > 5


def test_every_number_of_the_prose_on_a_target_is_one_of_its_own(
    paper: tuple[Report, str | None], stored: dict[str, list[dict[str, Any]]], city: Catalog
) -> None:
    report, _ = paper
    labels = {row["label"] for same in stored.values() for row in same}
    checked = 0
    for block in report.blocks:
        if not isinstance(block, Paragraph | Heading) or not set(block.inputs) & set(stored):
            continue
        text = "".join(run.text for run in (block.runs if isinstance(block, Paragraph) else block.run_in))
        mentioned = [row for target in block.inputs if target in stored for row in stored[target]]
        mentioned = [
            row for same in stored.values() for row in same if row["label"] in {one["label"] for one in mentioned}
        ]
        values: list[float] = []
        for row in mentioned:
            bound = [row["value"], row["value_max"]]
            for one in row["verdicts"]:
                uses = [use for use in (one["decided_by"], one["latest"], one["part_year"]) if use]
                amounts = [amount for amount in (one["gap"], one["pace_needed"], one["pace_so_far"]) if amount]
                values += [abs(item["shown_value"]) for item in (*uses, *amounts)]
                if row["value"] and row["canonical_value"]:
                    values += [round(100 * use["value"] / row["canonical_value"], 1) for use in uses]
                estimate = expected_of_year(row, one, city)
                values += [] if estimate is None else [estimate]
            values += [value for value in bound if value is not None]
        for name in sorted(labels, key=len, reverse=True):
            text = text.replace(name, "")
        text = re.sub(r"\d{4}(?:–\d{4})?年|\d+(?:–\d+)?月|^\d+\. |等\d+个单位|[（(]按“[^”]*”计[）)]", "", text)
        for number in written(text):
            assert near(number, values), (number, text)
            checked += 1
    assert checked > 20


def test_the_counts_of_summary_text_tables_and_assessment_agree(
    paper: tuple[Report, str | None], stored: dict[str, list[dict[str, Any]]], judged: Assessment
) -> None:
    report, body = paper
    expected = dict.fromkeys(GROUPS, 0)
    for same in stored.values():
        if same[0]["soft"] or (body is not None and body not in {use["id"] for use in same[0]["bodies"]}):
            continue
        over = [row for row in same if row["year"] is None or row["status"] != "no_data"] or same
        status = min((row["status"] for row in over), key=ORDER.index)
        expected[next(group for group, states in GROUPS.items() if status in states)] += 1
    total = sum(expected.values())
    if body is None:
        assert total == judged.counted == sum(judged.counts.values())
    key = next(block for block in report.blocks if isinstance(block, KeyFigures))
    assert int(key.items[0].value) == total
    assert {item.state: int(item.value) for item in key.items[1:]} == {
        group: count for group, count in expected.items() if group in {item.state for item in key.items}
    }
    assert sum(int(item.value) for item in key.items[1:]) == total
    (*chapters, last) = rows(report, "chapters")
    for column, cell in zip(table(report, "chapters").columns[1:], last.cells[1:], strict=True):
        assert cell.number == (total if column.key == "total" else expected[column.key])
    for position in range(1, len(last.cells)):
        assert sum(row.cells[position].number or 0 for row in chapters) == last.cells[position].number
    groups = [row.group for row in table(report, "progress").rows if row.group]
    assert sum(int(re.findall(r"（(\d+)项）", group)[-1]) for group in groups) == total


def test_no_code_no_english_and_no_double_mark_is_left_in_the_paper(paper: tuple[Report, str | None]) -> None:
    report, _ = paper
    for one in report.tables():
        for row in one.rows:
            for column, cell in zip(one.columns, row.cells, strict=False):
                assert cell.shown.count("【演示】") <= 1
                if column.key not in ("file", "cell", "source", "grade"):
                    assert not re.search(r"[A-Za-z]{3,}", cell.shown.replace("LED", "")), (one.id, cell.shown)
                assert not re.search(r"\d\s*(?:比值|比)(?:$|；)", cell.shown)
    for block in report.blocks:
        text = "".join(run.text for run in block.runs) if isinstance(block, Paragraph) else ""
        text += "".join(run.text for run in block.run_in) if isinstance(block, Heading) else ""
        assert not re.search(r"[A-Za-z]{3,}", re.sub(r"方案目录版本\w+", "", text)), text
    assert sum(isinstance(block, Slot) for block in report.blocks) >= 5


def test_no_step_sets_a_date_that_has_passed_and_less_is_never_filled_up(
    paper: tuple[Report, str | None], stored: dict[str, list[dict[str, Any]]]
) -> None:
    report, _ = paper
    steps = [row.cells[-1].text for row in rows(report, "progress")]
    steps += [
        "".join(run.text for run in block.runs)
        for block in report.blocks
        if isinstance(block, Paragraph) and set(block.inputs) & set(stored)
    ]
    assert any(steps)
    for step in steps:
        assert not re.search(r"20(?:1\d|2[0-5])年底前(?:补足|压减|完成)", step)
    asked_less = {row["phrase"] for same in stored.values() for row in same if row["comparator"] in ("<=", "<")}
    for row in rows(report, "progress"):
        if any(phrase in row.cells[1].text for phrase in asked_less):
            assert "补足" not in row.cells[-1].text
