"""What the yearly report says of monitored buildings: months that are over, added up, never filled up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import Observation, ObservationKind, observation_frame
from dafeng.lake import ObservationLake, Workspace
from dafeng.reports.metering_chapter import MeteringFacts, metering_annex, metering_paragraph
from dafeng.workflow.metering_report import metering_for_report
from dafeng.workflow.setting import Setting, open_setting

NOW = datetime(2026, 11, 1, tzinfo=UTC)
Figures = list[tuple[str, str, str, float | None, float]]


def _setting(folder: Path, figures: Figures) -> Setting:
    """Return a workspace with monitored electricity: (place, period, class, kWh, coverage)."""
    workspace = Workspace.create(folder / "w", title="试", place="qingdao")
    detail = json.dumps({"buildings": 12, "reporting": 11, "area": 250_000.0})
    lineage = pl.DataFrame([{"id": "a", "kind": "query", "detail": detail}], schema=LINEAGE_SCHEMA)
    rows = [
        Observation(
            indicator="monitored_electricity",
            place=place,
            period=period,
            building_class=building_class,
            kind=ObservationKind.COMPUTED,
            value=value,
            coverage=coverage,
            missing_reason=None if value is not None else "not_available",
            dataset="dafeng-metering",
            recorded_at=NOW,
            lineage="a",
        )
        for place, period, building_class, value, coverage in figures
    ]
    ObservationLake(workspace.lake).publish(observation_frame(rows), batch="one", lineage=lineage)
    return open_setting(workspace)


def _facts(setting: Setting, *, year: int = 2026) -> MeteringFacts | None:
    return metering_for_report(setting, "qingdao", year=year, as_of=date(2026, 10, 20), known_at=None)


def test_months_are_added_up_and_the_running_one_waits(tmp_path: Path) -> None:
    figures: Figures = [
        ("qingdao", "2026-08", "all", 1_000_000.0, 0.9),
        ("qingdao", "2026-09", "all", 2_000_000.0, 0.8),
        ("qingdao", "2026-10", "all", 9_999_999.0, 0.5),
        ("qingdao", "2025-08", "all", 900_000.0, 1.0),
        ("qingdao", "2025-09", "all", 2_100_000.0, 1.0),
        ("qingdao", "2026-08", "public", 1_000_000.0, 0.9),
        ("qingdao-shinan", "2026-08", "all", 400_000.0, 1.0),
    ]
    facts = _facts(_setting(tmp_path, figures))
    assert facts is not None
    assert facts.whole.electricity == 3_000_000.0
    assert facts.whole.coverage == pytest.approx(0.85)
    assert facts.whole.before == 3_000_000.0
    assert facts.whole.energy is None, "no figure of standard coal was published"
    assert [use.name for use in facts.by_month] == ["8月", "9月"]
    assert facts.by_class[0].electricity is None, "one of the two months is not known for the class"
    assert (facts.by_place[0].name, facts.by_place[0].electricity) == ("市南区", None)
    said = "".join(run.text for run in metering_paragraph(facts, "附件7").runs)
    assert "2026年8—9月，12栋建筑接入监测，其中11栋有数据，建筑面积25万平方米，用电300万千瓦时，同比增长0.0%" in said
    assert "数据覆盖率85.0%" in said
    tables = [block for block in metering_annex(facts, "附件7") if block.block == "table"]
    assert [row.cells[2].text for row in tables[0].rows] == ["100.00", "200.00", "300.00"]
    assert tables[1].rows[0].cells[2].text == "", "unknown is blank, not zero"


def test_a_silent_city_is_no_chapter(tmp_path: Path) -> None:
    assert _facts(_setting(tmp_path, [("qingdao", "2026-08", "all", None, 0.0)])) is None
    assert _facts(open_setting(None)) is None


def test_without_this_year_the_year_before_speaks(tmp_path: Path) -> None:
    facts = _facts(_setting(tmp_path, [("qingdao", "2025-12", "all", 5.0, 1.0)]))
    assert facts is not None
    assert (facts.year, facts.months) == (2025, "12月")
