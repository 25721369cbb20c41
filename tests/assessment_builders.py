"""A small catalog and short ways of writing facts, for tests of the rooms plans and assessment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from dafeng.assessment import Assessment, TargetAssessment, assess_plan
from dafeng.base.observation import Observation, observation_frame
from dafeng.base.place import Place
from dafeng.catalog.catalog import Catalog, Entries
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Body, Indicator, Term

RECORDED = datetime(2026, 11, 1, tzinfo=UTC)
AS_OF = date(2026, 11, 20)

_PLACES = [
    {"id": "cn", "name": "国家", "name_en": "Nation", "level": "nation"},
    {"id": "province", "name": "甲省", "name_en": "Province", "level": "province", "parent": "cn"},
    {"id": "city", "name": "乙市", "name_en": "City", "level": "prefecture", "parent": "province"},
    {"id": "district", "name": "丙区", "name_en": "District", "level": "county", "parent": "city"},
]
_BODIES = [
    {"id": "city-housing", "name": "乙市住房和城乡建设局", "place": "city", "kind": "department", "aliases": ["市住建局"]},
    {"id": "city-water", "name": "乙市水务局", "place": "city", "kind": "department", "aliases": ["市水务局"], "successor": "city-housing"},
    {"id": "city-divisions", "name": "乙市各区", "place": "city", "kind": "collective", "aliases": ["各区市"], "expands": "divisions"},
    {"id": "district-government", "name": "丙区人民政府", "place": "district", "kind": "government", "aliases": ["丙区"]},
]  # fmt: skip
_TERMS = [
    ("basis", "basic", "漏损率"), ("basis", "comprehensive", "综合漏损率"), ("extent", "built_up", "建成区"),
    ("extent", "main_urban", "主城区"), ("extent", "whole", "全域"), ("status", "met", "已达成"),
    ("status", "missed", "未达成"), ("status", "holds", "符合限值"), ("status", "breached", "超出限值"),
    ("status", "unproven", "待证"), ("status", "met_early", "提前达成"), ("status", "no_data", "无数据"),
    ("missing_reason", "not_reported", "未报送"), ("building_class", "public", "公共建筑"),
    ("boundary_scope", "direct", "直接排放"), ("boundary_scope", "whole_field", "城乡建设领域"),
]  # fmt: skip
_INDICATOR = {
    "en": "x", "theme": "space", "definition": "试验用", "direction": "up", "measure": "share", "extent": "whole",
    "places": "none", "periods": "last", "source": "K", "grade": "A", "checked_on": "2026-11-20",
}  # fmt: skip
INDICATORS = [
    {"id": "rail", "zh": "轨道里程", "unit": "km", "shown_unit": "公里", "measure": "stock", "minimum": 0},
    {"id": "green", "zh": "绿地率", "unit": "percent", "shown_unit": "%", "extent": "built_up", "minimum": 0, "maximum": 100},
    {"id": "roads", "zh": "路网密度", "unit": "km/km**2", "shown_unit": "公里/平方公里", "measure": "intensity", "extent": "built_up", "grade": "B"},
    {"id": "leakage", "zh": "漏损率", "unit": "percent", "shown_unit": "%", "direction": "down", "bases": ["basic", "comprehensive"], "minimum": 0, "maximum": 100},
    {"id": "waste", "zh": "建筑垃圾排放强度", "unit": "t/m**2", "shown_unit": "吨/万平方米", "direction": "down", "measure": "intensity", "minimum": 0},
    {"id": "pipes", "zh": "管网改造", "unit": "km", "shown_unit": "公里", "measure": "flow", "periods": "sum", "minimum": 0},
    {"id": "emissions", "zh": "累计排放", "unit": "tCO2", "shown_unit": "万吨CO2", "direction": "down", "measure": "flow", "periods": "sum", "minimum": 0},
    {"id": "area", "zh": "累计面积", "unit": "m**2", "shown_unit": "万平方米", "measure": "stock", "minimum": 0},
    {"id": "heat_loss", "zh": "热损失", "unit": "percent", "shown_unit": "%", "direction": "down"},
    {"id": "saving", "zh": "改造后能效提升", "unit": "percent", "shown_unit": "%", "measure": "change"},
    {"id": "width", "zh": "道路红线宽度", "unit": "m", "shown_unit": "米", "direction": "down", "measure": "stock"},
    {"id": "density", "zh": "人口密度", "unit": "person/km**2", "shown_unit": "万人/平方公里", "direction": "none", "measure": "intensity"},
    {"id": "system", "zh": "体系建立", "unit": "yes_no", "shown_unit": "是否", "measure": "state"},
    {"id": "ranked", "zh": "有优先次序的指标", "unit": "km", "shown_unit": "公里", "measure": "stock", "precedence": ["first", "second"]},
]  # fmt: skip


def small_catalog(*plans: Plan) -> Catalog:
    """A catalog of four places, four bodies and a few indicators."""
    entries = Entries()
    entries.sections["places"] = {item["id"]: Place.model_validate(item) for item in _PLACES}
    entries.sections["bodies"] = {item["id"]: Body.model_validate(item) for item in _BODIES}
    entries.sections["indicators"] = {
        item["id"]: Indicator.model_validate({**_INDICATOR, "aliases": [], **item}) for item in INDICATORS
    }
    entries.sections["terms"] = {
        (group, code): Term(code=code, zh=zh, en=code, group=group) for group, code, zh in _TERMS
    }
    entries.sections["plans"] = {plan.id: plan for plan in plans}
    return Catalog(entries)


def small_plan(*targets: Mapping[str, Any], plan: str = "city-2024", place: str = "city", **more: Any) -> Plan:
    """A plan with the given targets; each may leave out id, clause, place in the text and label."""
    filled = [
        {"id": f"target-{number}", "clause": "二（一）", "at": [10 * number + 10, 10 * number + 19], "label": "试验目标", "comparator": ">=", **target}
        for number, target in enumerate(targets)
    ]  # fmt: skip
    return Plan.model_validate(
        {
            "id": plan,
            "title": {"zh": "试验方案", "en": "trial plan"},
            "place": place,
            "document": {"sha256": "0" * 64},
            "period": "2021..2030",
            "chapters": [{"number": "二", "title": "重点任务", "at": [0, 4]}],
            "tasks": [{"number": "二（一）", "title": "建设城市", "at": [5, 9], "bodies": ["市住建局", "各区市"]}],
            "targets": filled,
            **more,
        }
    )


def facts(rows: Iterable[Mapping[str, Any]], *, indicator: str, extent: str = "whole") -> pl.DataFrame:
    """Observations written shortly: period and value, the rest where it matters."""
    return observation_frame(
        Observation.model_validate(
            {"indicator": indicator, "place": "city", "extent": extent, "dataset": "yearbook", "recorded_at": RECORDED}
            | {**row, "period": str(row["period"])}
        )
        for row in rows
    )


def judge(target: Mapping[str, Any], frame: pl.DataFrame, *, as_of: date = AS_OF, **more: Any) -> Assessment:
    """Assess a plan of one target."""
    return assess_plan(small_plan(target), frame, small_catalog(), as_of=as_of, **more)


def only_row(assessment: Assessment) -> TargetAssessment:
    """The one row of an assessment."""
    (row,) = assessment.rows
    return row
