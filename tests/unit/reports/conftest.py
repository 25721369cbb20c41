"""A small city with five targets, judged by hand, so that reports are tested without the rooms below them."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from dafeng.assessment.records import (
    Amount,
    Assessment,
    OtherValue,
    OutlookUse,
    Reference,
    Status,
    TargetAssessment,
    ValueUse,
    Verdict,
)
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.catalog.catalog import Catalog, read_entries
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans import BodyRole, BodyUse
from dafeng.reports import FontReport, OctoberRequest, Report, find_fonts, october_report

CATALOG = """
places:
  - {id: province, name: 某省, name_en: Province, level: province}
  - {id: city, name: 某市, name_en: City, level: prefecture, parent: province}
bodies:
  - {id: province-housing, name: 某省住房和城乡建设厅, place: province, kind: department}
  - {id: city-housing, name: 某市住房和城乡建设局, place: city, kind: department, aliases: [市住建局]}
  - {id: city-water, name: 某市水务局, place: city, kind: department, aliases: [市水务局]}
sources:
  - {id: yearbook, title: 某年鉴, kind: yearbook, grade: A, checked_on: 2025-01-01}
terms:
  - {code: whole_field, zh: 城乡建设领域, en: whole field, group: boundary_scope}
  - {code: whole, zh: 全域, en: whole, group: extent}
  - {code: built_up, zh: 建成区, en: built-up area, group: extent}
indicators:
  - {id: rail, zh: 轨道里程, en: rail length, theme: space, definition: 运营线路长度, unit: km, shown_unit: 公里, direction: up,
     measure: stock, extent: whole, places: sum, periods: last, source: yearbook, grade: A, checked_on: 2025-01-01}
  - {id: ultra_low, zh: 超低能耗建筑面积, en: ultra-low-energy floor area, theme: efficiency, definition: 累计面积, unit: m**2,
     shown_unit: 万平方米, direction: up, measure: stock, extent: whole, places: sum, periods: last, source: yearbook, grade: B,
     checked_on: 2025-01-01}
  - {id: reuse, zh: 再生水利用率, en: reclaimed water rate, theme: infrastructure, definition: 再生水占比, unit: percent,
     shown_unit: "%", direction: up, measure: share, extent: whole, places: none, periods: none, source: yearbook, grade: A,
     checked_on: 2025-01-01}
  - {id: leakage, zh: 漏损率, en: leakage rate, theme: infrastructure, definition: 漏损水量占比, unit: percent,
     shown_unit: "%", direction: down, measure: share, extent: whole, places: none, periods: none, source: yearbook, grade: A,
     checked_on: 2025-01-01}
"""
PLAN = """
id: city-2024
title: {zh: 某市工作方案, en: Plan of a city}
place: city
document: {sha256: "0000000000000000000000000000000000000000000000000000000000000000", number: 某建发〔2024〕7号}
peak: {boundary: whole_field, by: 2030, clause: 一, at: [1, 9]}
chapters:
  - {number: 二, title: 绿色城市, at: [10, 12]}
  - {number: 三, title: 绿色<建筑>&水, at: [50, 52]}
tasks:
  - {number: 二（一）, title: 空间格局, at: [13, 14]}
targets:
  - {id: rail-2025, clause: 二（一）, at: [13, 20], label: 轨道里程, indicator: rail, comparator: ">=", value: 350, unit: 公里,
     by: 2025, measure: level}
  - {id: rail-2030, clause: 二（一）, at: [21, 28], label: 轨道里程, indicator: rail, comparator: ">=", value: 500, unit: 公里,
     by: 2030, measure: level}
  - {id: ultra-2025, clause: 三（二）, at: [53, 60], label: 超低能耗建筑面积, indicator: ultra_low, comparator: ">=", value: 120,
     unit: 万平方米, by: 2025, measure: level}
  - {id: reuse-2025, clause: 三（三）, at: [61, 68], label: 再生水利用率, indicator: reuse, comparator: ">=", value: 55, unit: "%",
     by: 2025, measure: level}
  - {id: leakage, clause: 三（三）, at: [69, 76], label: 漏损率<基本>&综合, indicator: leakage, comparator: "<=", value: 8,
     unit: "%", measure: limit}
"""
HOUSING = BodyUse(id="city-housing", name="某市住房和城乡建设局", as_written="市住建局", role=BodyRole.LEAD_PRESUMED)
WATER = BodyUse(id="city-water", name="某市水务局", as_written="市水务局", role=BodyRole.MEMBER)


def value(
    indicator_unit: str, number: float, shown: float, unit: str, period: str = "2024", **facts: object
) -> ValueUse:
    """Return a value of the city."""
    title = {"2024": "2024年", "2023": "2023年", "2025-01..09": "2025年1–9月"}[period]
    settings = {
        "period": period, "period_title": title, "value": number, "unit": indicator_unit, "shown_value": shown,
        "shown_unit": unit, "place": "city", "extent": "whole", "basis": "", "dataset": "yearbook", "kind": "reported",
        "published_on": date(2025, 6, 1), "lineage": "cell-1", "version": None, "part_year": "-" in period,
    }  # fmt: skip
    return ValueUse.model_validate(settings | facts)


def judged(plan: Plan, target_id: str, status: Status, verdict: Verdict, **facts: object) -> TargetAssessment:
    """Return the row of a target."""
    target = next(target for target in plan.targets if target.id == target_id)
    chapter = plan.chapter_of(target.clause)
    assert chapter is not None
    units = {"公里": ("km", 1.0), "万平方米": ("m**2", 1e4), "%": ("percent", 1.0)}
    canonical, factor = units[target.unit or ""]
    settings = {
        "plan": plan.id, "target": target.id, "year": None, "place": "city", "clause": target.clause,
        "chapter": chapter.number, "chapter_title": chapter.title, "label": target.label,
        "phrase": f"到{target.by}年，{target.label}不低于{target.value:g}{target.unit}" if target.by else f"{target.label}不超过8%",
        "indicator": target.indicator, "value": target.value, "value_max": None, "unit": target.unit,
        "canonical_value": (target.value or 0) * factor, "canonical_value_max": None, "canonical_unit": canonical,
        "comparator": target.comparator, "deadline": target.by, "measure": target.measure, "status": status,
        "reason": verdict.reason, "verdicts": (verdict,), "latest": verdict.decided_by, "part_year": None, "references": (),
        "history": (), "bodies": (HOUSING,), "soft": False, "pending_grade": False,
    }  # fmt: skip
    return TargetAssessment.model_validate(settings | facts)


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Return a catalog of two places, three bodies and four indicators."""
    folder: Path = tmp_path_factory.mktemp("catalog")
    (folder / "all.yaml").write_text(CATALOG, encoding="utf-8")
    (folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    entries, findings = read_entries([folder])
    assert findings == []
    return Catalog(entries)


@pytest.fixture(scope="session")
def plan(catalog: Catalog) -> Plan:
    """Return the plan of the small city."""
    return catalog.plan("city-2024")


@pytest.fixture(scope="session")
def assessment(plan: Plan) -> Assessment:
    """Return one target met early, one at risk, one behind, one without data, and a limit without data."""
    rail = value("km", 352.68, 352.68, "公里", others=(
        OtherValue(dataset="other", value=353.0, kind="reported", published_on=None, lineage=None, version=None),
    ))  # fmt: skip
    history = (("2020", 254.0), ("2021", 293.0), ("2022", 326.0), ("2023", 326.0), ("2024", 352.68))
    rows = (
        judged(plan, "rail-2025", Status.MET_EARLY, Verdict(
            reading="", status=Status.MET_EARLY, reason="2024年值352.68公里，已达到要求", decided_by=rail, since=2024,
            gap=Amount(value=-2.68, unit="km", shown_value=-2.68, shown_unit="公里"),
        ), history=history),
        judged(plan, "rail-2030", Status.AT_RISK, Verdict(
            reading="", status=Status.AT_RISK, reason="2024年值352.68公里，尚未达到要求", decided_by=rail,
            gap=Amount(value=147.32, unit="km", shown_value=147.32, shown_unit="公里"),
            pace_needed=Amount(value=24.55, unit="km", shown_value=24.553, shown_unit="公里/年"),
            pace_so_far=Amount(value=24.67, unit="km", shown_value=24.67, shown_unit="公里/年"),
            outlook=OutlookUse(year=2030, expected=500, low=400, high=600, level=0.8, probability=0.5, method="robust-drift"),
        ), history=history),
        judged(plan, "ultra-2025", Status.OFF_TRACK, Verdict(
            reading="", status=Status.OFF_TRACK, reason="2024年值85.00万平方米，尚未达到要求",
            decided_by=value("m**2", 85e4, 85, "万平方米"),
            gap=Amount(value=35e4, unit="m**2", shown_value=35, shown_unit="万平方米"),
            outlook=OutlookUse(year=2025, expected=101e4, low=99e4, high=103e4, level=0.8, probability=0.0, method="robust-drift"),
        ), year_outlook=OutlookUse(year=2025, expected=101e4, low=99e4, high=103e4, level=0.8, method="robust-drift"),
           part_year=value("m**2", 99.5e4, 99.5, "万平方米", "2025-01..09"), bodies=(HOUSING, WATER), pending_grade=True),
        judged(plan, "reuse-2025", Status.MISSED, Verdict(
            reading="", status=Status.MISSED, reason="2024年值54.996%，未达到要求", decided_by=value("percent", 54.996, 54.996, "%"),
            gap=Amount(value=0.004, unit="percent", shown_value=0.004, shown_unit="%"),
        ), bodies=(WATER,)),
        judged(plan, "leakage", Status.UNKNOWN, Verdict(
            reading="", status=Status.UNKNOWN, reason="没有漏损率的数据",
        ), bodies=(WATER,), references=(
            Reference(use=value("percent", 7.4, 7.4, "%", "2023", extent="built_up", lineage=None), why="范围为建成区，与目标不一致"),
        )),
    )  # fmt: skip
    counts = {"met_early": 1, "at_risk": 1, "off_track": 1, "missed": 1, "unknown": 1}
    return Assessment(
        plan=plan.id, title=plan.title.zh, place="city", as_of=date(2025, 10, 28), catalog="c" * 64, rows=rows, by_body=(),
        counts=counts, counted=5, soft=0, demonstration=False, findings=(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def lineage() -> pl.DataFrame:
    """Return the lineage of the one cell that every value points at."""
    row = {
        "id": "cell-1",
        "kind": "cell",
        "document": "d" * 64,
        "file": "年鉴.xlsx",
        "sheet": "表3",
        "cell": "B7",
        "text": "352.68",
        "detail": "{}",
    }
    return pl.DataFrame([row], schema=LINEAGE_SCHEMA)


@pytest.fixture(scope="session")
def october(assessment: Assessment, plan: Plan, catalog: Catalog, lineage: pl.DataFrame) -> Report:
    """Return the city's yearly report."""
    request = OctoberRequest(year=2025, day=date(2025, 10, 28))
    return october_report(assessment, plan, catalog, request, lineage=lineage)


@pytest.fixture(scope="session")
def no_fonts() -> FontReport:
    """Return what a machine without Chinese fonts reports."""
    return find_fonts({"DAFENG_FONTS": "none"})


@pytest.fixture(scope="session")
def chinese_fonts() -> FontReport:
    """Return this machine's fonts, or skip where it has no Chinese one."""
    fonts = find_fonts({})
    if not fonts.can_write_pdf:
        pytest.skip("no Chinese font on this machine")
    return fonts
