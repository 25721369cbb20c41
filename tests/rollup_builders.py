"""A small catalog of registers and roll-ups, and short ways of writing ledger rows, for tests of the current view and of roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from dafeng.base.ledger import ledger_frame, ledger_schema
from dafeng.base.place import Place
from dafeng.buildings.rollup import RolledUp, roll_up
from dafeng.buildings.things import current_things
from dafeng.catalog.catalog import Catalog, Entries
from dafeng.catalog.ledger_schemas import RecordLink, Register, Rollup
from dafeng.catalog.schemas import Indicator, ProjectField, Term

RECORDED = datetime(2026, 10, 20, tzinfo=UTC)

_PLACES = [
    {"id": "cn", "name": "国家", "name_en": "Nation", "level": "nation"},
    {"id": "city", "name": "乙市", "name_en": "City", "level": "prefecture", "parent": "cn"},
    {"id": "town", "name": "丁市", "name_en": "Town", "level": "prefecture", "parent": "cn"},
    {"id": "east", "name": "东区", "name_en": "East", "level": "county", "parent": "city"},
    {"id": "west", "name": "西区", "name_en": "West", "level": "county", "parent": "city"},
    {"id": "moved", "name": "转区", "name_en": "Moved", "level": "county", "parent": "city",
     "was": [{"parent": "town", "until": "2020-06-01"}]},
    {"id": "port", "name": "港区", "name_en": "Port", "level": "zone", "kind": "zone", "parent": "city", "overlaps": ["east"]},
    {"id": "lake", "name": "湖区", "name_en": "Lake", "level": "zone", "kind": "zone", "parent": "city", "overlaps": ["east", "west"]},
]  # fmt: skip
_CLASSES = [("civil", "民用", None), ("residential", "居住", "civil"), ("public", "公建", "civil")]
_FIELDS = [
    {"id": "code", "zh": "代码", "type": "text"}, {"id": "name", "zh": "名称", "type": "text"},
    {"id": "place", "zh": "所在地", "type": "text"}, {"id": "zone", "zh": "功能区", "type": "text"},
    {"id": "stage", "zh": "阶段", "type": "choice"},
    {"id": "building_class", "zh": "大类", "type": "choice",
     "options": [{"code": code, "zh": code} for code in ("residential", "public", "works")]},
    {"id": "area", "zh": "面积", "type": "number", "unit": "m**2"}, {"id": "green", "zh": "绿色", "type": "yes_no"},
    {"id": "star", "zh": "星级", "type": "number"}, {"id": "saving", "zh": "节能率", "type": "number", "unit": "percent"},
    {"id": "completion_date", "zh": "竣工日期", "type": "date", "stage": "acceptance"},
    {"id": "label_date", "zh": "认定日期", "type": "date"}, {"id": "gone_date", "zh": "撤销日期", "type": "date"},
    {"id": "built", "zh": "建成年份", "type": "number", "unit": "year"}, {"id": "done", "zh": "已完成", "type": "yes_no"},
]  # fmt: skip
_INDICATOR = {
    "en": "x", "theme": "space", "definition": "试验用", "direction": "up", "extent": "whole", "places": "sum", "periods": "sum",
    "source": "K", "grade": "A", "checked_on": "2026-11-20", "breakdowns": ["building_class"],
}  # fmt: skip
_INDICATORS = [
    {"id": "all_area", "zh": "新建面积", "unit": "m**2", "shown_unit": "万平方米", "measure": "flow", "minimum": 0, "adds_up": ["building_class"]},
    {"id": "green_area", "zh": "绿色面积", "unit": "m**2", "shown_unit": "万平方米", "measure": "flow", "minimum": 0, "adds_up": ["building_class"]},
    {"id": "green_share", "zh": "绿色占比", "unit": "percent", "shown_unit": "%", "measure": "share", "minimum": 0, "maximum": 100,
     "places": "ratio", "numerator": "green_area", "denominator": "all_area", "formula": "share(green_area, all_area)"},
    {"id": "area_total", "zh": "累计面积", "unit": "m**2", "shown_unit": "万平方米", "measure": "stock", "minimum": 0},
    {"id": "projects_counted", "zh": "项目数", "unit": "item", "shown_unit": "个", "measure": "flow", "minimum": 0},
    {"id": "saving_mean", "zh": "平均节能率", "unit": "percent", "shown_unit": "%", "measure": "share", "places": "none"},
    {"id": "star_share", "zh": "星级占比", "unit": "percent", "shown_unit": "%", "measure": "share", "maximum": 100, "places": "none"},
    {"id": "largest", "zh": "最大面积", "unit": "m**2", "shown_unit": "平方米", "measure": "state", "places": "none"},
    {"id": "all_green", "zh": "全部绿色", "unit": "yes_no", "shown_unit": "是否", "measure": "state", "places": "none"},
    {"id": "labels_standing", "zh": "有效标识数", "unit": "item", "shown_unit": "个", "measure": "stock"},
    {"id": "old_done", "zh": "老旧小区完成", "unit": "yes_no", "shown_unit": "是否", "measure": "state", "places": "none"},
]  # fmt: skip
_REGISTER = {"identity": ["code"], "name_field": "name", "source": "K", "grade": "A", "checked_on": "2026-11-20"}
_REGISTERS = [
    {"id": "projects", "title": {"zh": "项目台账", "en": "projects"}, "subject": "project", "per_stage": True, "zone_field": "zone",
     "fields": [{"field": "code"}, {"field": "name"}, {"field": "place"}, {"field": "zone"}, {"field": "stage"},
                {"field": "building_class"}, {"field": "area", "promise": True, "better": "up"},
                {"field": "green", "promise": True}, {"field": "star", "promise": True, "better": "up"},
                {"field": "saving", "promise": True}, {"field": "completion_date"}]},
    {"id": "labels", "title": {"zh": "标识台账", "en": "labels"}, "subject": "project",
     "fields": [{"field": "code"}, {"field": "place"}, {"field": "area"}, {"field": "green"}, {"field": "star"},
                {"field": "completion_date"}, {"field": "label_date"}, {"field": "gone_date"}]},
    {"id": "estates", "title": {"zh": "小区台账", "en": "estates"}, "subject": "neighbourhood",
     "fields": [{"field": "code"}, {"field": "place"}, {"field": "built"}, {"field": "done"}]},
]  # fmt: skip
_ROLLUP = {"source": "K", "grade": "A", "checked_on": "2026-11-20", "dated": "completion_date", "span": "year"}
_BY_CLASS = {"breakdowns": {"building_class": "building_class"}}
_ROLLUPS = [
    {"id": "all_area", "indicator": "all_area", "registers": ["projects"], "aggregate": "sum", "value": "area", **_BY_CLASS},
    {"id": "green_area", "indicator": "green_area", "registers": ["projects", "labels"], "aggregate": "sum", "value": "area",
     "when": "green", **_BY_CLASS},
    {"id": "area_total", "indicator": "area_total", "registers": ["projects"], "aggregate": "sum", "value": "area", "span": "since"},
    {"id": "projects_counted", "indicator": "projects_counted", "registers": ["projects"], "aggregate": "count"},
    {"id": "saving_mean", "indicator": "saving_mean", "registers": ["projects"], "aggregate": "mean", "value": "saving", "weight": "area"},
    {"id": "star_share", "indicator": "star_share", "registers": ["projects"], "aggregate": "share", "value": "star >= 1", "weight": "area"},
    {"id": "largest", "indicator": "largest", "registers": ["projects"], "aggregate": "max", "value": "area"},
    {"id": "all_green", "indicator": "all_green", "registers": ["projects"], "aggregate": "all", "value": "green"},
    {"id": "labels_standing", "indicator": "labels_standing", "registers": ["labels"], "aggregate": "count", "dated": "label_date",
     "span": "standing", "until": "gone_date"},
    {"id": "old_done", "indicator": "old_done", "registers": ["estates"], "aggregate": "all", "value": "done", "dated": "built",
     "when": "built < 2000[year]", "span": "standing"},
]  # fmt: skip


def ledger_catalog(*, rollups: Iterable[Mapping[str, Any]] = ()) -> Catalog:
    """A catalog of a city with three districts and two zones, three registers and ten roll-ups, others laid over them."""
    entries = Entries()
    entries.sections["places"] = {item["id"]: Place.model_validate(item) for item in _PLACES}
    entries.sections["fields"] = {item["id"]: ProjectField.model_validate({"en": "x", **item}) for item in _FIELDS}
    entries.sections["indicators"] = {
        item["id"]: Indicator.model_validate({**_INDICATOR, "aliases": [], **item}) for item in _INDICATORS
    }
    entries.sections["terms"] = {
        ("building_class", code): Term(code=code, zh=zh, en=code, group="building_class", parent=parent)
        for code, zh, parent in _CLASSES
    }
    entries.sections["registers"] = {item["id"]: Register.model_validate({**_REGISTER, **item}) for item in _REGISTERS}
    entries.sections["rollups"] = {
        str(item["id"]): Rollup.model_validate({**_ROLLUP, **item}) for item in (*_ROLLUPS, *rollups)
    }
    return Catalog(entries)


def a_link(**given: Any) -> RecordLink:
    """A decision about keys."""
    blank = {"subject": "project", "by": "某人", "decided_on": "2025-01-01", "reason": "试验"}
    return RecordLink.model_validate({**blank, **given})


def rows_of(register: str, *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Ledger rows of a register of the small catalog; dates may be written as text."""
    catalog = ledger_catalog()

    def read(name: str, value: Any) -> Any:
        return date.fromisoformat(value) if name.endswith("_date") and isinstance(value, str) else value

    given = [{name: read(name, value) for name, value in row.items()} for row in rows]
    schema = ledger_schema(catalog.registers[register], catalog.fields)
    return ledger_frame(given, schema, recorded_at=datetime(2026, 1, 1, tzinfo=UTC))


def a_project(key: str, day: str | None = "2024-05-01", **given: Any) -> dict[str, Any]:
    """A completed green public building of 1000 m² in the eastern district."""
    return {
        "key": key, "stage": "acceptance", "place": "east", "building_class": "public", "area": 1000.0, "green": True,
        "star": 1.0, "saving": 70.0, "completion_date": day, **given,
    }  # fmt: skip


def rolled(
    *projects: Mapping[str, Any], catalog: Catalog | None = None, years: range = range(2022, 2027), **given: Any
) -> RolledUp:
    """Roll up projects, and rows of other registers given by name as lists."""
    catalog = catalog or ledger_catalog()
    others = {name: given.pop(name) for name in list(catalog.registers) if name in given}
    records = {name: rows_of(name, *rows) for name, rows in {"projects": projects, **others}.items()}
    things = current_things(records, catalog)
    return roll_up(things, catalog, years=years, recorded_at=RECORDED, **{"home": "city", **given})


def one(result: RolledUp, indicator: str, place: str = "city", period: str = "2024", **classes: str) -> dict[str, Any]:
    """The observation of an indicator, place and period."""
    wanted = {"indicator": indicator, "place": place, "period": period, "building_class": "all", **classes}
    found = result.observations.filter(*(pl.col(name) == value for name, value in wanted.items()))
    assert found.height == 1, (wanted, found)
    return found.row(0, named=True)


def value(result: RolledUp, indicator: str, place: str = "city", period: str = "2024", **classes: str) -> float | None:
    """The value of an indicator, place and period."""
    return one(result, indicator, place, period, **classes)["value"]


def names(result: RolledUp) -> set[str]:
    """The names of the findings."""
    return {finding.name for finding in result.findings}
