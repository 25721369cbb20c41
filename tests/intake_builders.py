"""A small catalog and files built on the fly, for the tests of intake."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from dafeng.catalog import Catalog
from dafeng.catalog.catalog import read_entries

RECORDED_AT: Final = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
CATALOG: Final = """
sources:
  - {id: K, title: 测试, kind: convention, checked_on: 2026-11-20}
places:
  - {id: cn, name: 中国, name_en: China, level: nation, aliases: [全国]}
  - {id: jilin, name: 吉林省, name_en: Jilin, level: province, parent: cn, codes: [{code: "220000"}], aliases: [吉林]}
  - {id: jilin-city, name: 吉林市, name_en: Jilin City, level: prefecture, parent: jilin, codes: [{code: "220200"}], aliases: [吉林]}
  - {id: changchun, name: 长春市, name_en: Changchun, level: prefecture, parent: jilin, codes: [{code: "220100"}], aliases: [长春]}
  - {id: changchun-chaoyang, name: 朝阳区, name_en: Chaoyang, level: county, parent: changchun, codes: [{code: "220104"}]}
  - {id: beijing, name: 北京市, name_en: Beijing, level: province, parent: cn, codes: [{code: "110000"}], aliases: [北京]}
  - {id: beijing-chaoyang, name: 朝阳区, name_en: Chaoyang, level: county, parent: beijing, codes: [{code: "110105"}]}
  - {id: shandong, name: 山东省, name_en: Shandong, level: province, parent: cn, codes: [{code: "370000"}], aliases: [山东]}
  - {id: jinan, name: 济南市, name_en: Jinan, level: prefecture, parent: shandong, codes: [{code: "370100"}], aliases: [济南]}
  - {id: qingdao, name: 青岛市, name_en: Qingdao, level: prefecture, parent: shandong, codes: [{code: "370200"}], aliases: [青岛]}
  - {id: hubei, name: 湖北省, name_en: Hubei, level: province, parent: cn, codes: [{code: "420000"}], aliases: [湖北]}
  - {id: xiangyang, name: 襄阳市, name_en: Xiangyang, level: prefecture, parent: hubei, codes: [{code: "420600"}], aliases: [襄阳, 襄樊, 襄樊市]}
terms:
  - {code: built_up, zh: 建成区, en: built-up area, group: extent}
  - {code: city_proper, zh: 城区, en: city proper, group: extent}
  - {code: main_urban, zh: 主城区, en: main urban area, group: extent}
  - {code: city_district, zh: 市区, en: city districts, group: extent}
  - {code: basic, zh: 漏损率（修正后）, en: basic, group: basis}
  - {code: comprehensive, zh: 综合漏损率, en: comprehensive, group: basis}
  - {code: residential, zh: 居住建筑, en: residential buildings, group: building_class}
  - {code: public, zh: 公共建筑, en: public buildings, group: building_class}
  - {code: space, zh: 空间, en: space, group: theme}
indicators:
  - {id: green_space_rate, zh: 建成区绿地率, en: green space, theme: space, definition: d, unit: percent, shown_unit: "%", direction: up, measure: share,
     minimum: 0, maximum: 100, usual: [15, 50], extent: built_up, places: none, periods: last, aliases: [绿地率], source: K, grade: A, checked_on: 2026-11-20}
  - {id: sewage_treatment_rate, zh: 污水处理率, en: sewage, theme: space, definition: d, unit: percent, shown_unit: "%", direction: up, measure: share,
     minimum: 0, maximum: 100, extent: city_proper, places: none, periods: last, source: K, grade: A, checked_on: 2026-11-20}
  - {id: park_green_per_person, zh: 人均公园绿地面积, en: park green, theme: space, definition: d, unit: m**2/person, shown_unit: 平方米/人, direction: up,
     measure: intensity, minimum: 0, extent: city_proper, places: none, periods: last, aliases: [人均公园绿地], source: K, grade: A, checked_on: 2026-11-20}
  - {id: resident_population, zh: 常住人口, en: residents, theme: space, definition: d, unit: person, shown_unit: 万人, direction: none, measure: stock,
     minimum: 0, extent: whole, places: sum, periods: last, aliases: [年末常住人口], source: K, grade: A, checked_on: 2026-11-20}
  - {id: gross_regional_product, zh: 地区生产总值, en: product, theme: space, definition: d, unit: CNY, shown_unit: 亿元, direction: none, measure: flow,
     minimum: 0, extent: whole, places: sum, periods: sum, aliases: [GDP], source: K, grade: A, checked_on: 2026-11-20}
  - {id: road_network_density, zh: 道路网密度, en: road density, theme: space, definition: d, unit: km/km**2, shown_unit: 公里/平方公里, direction: up,
     measure: intensity, minimum: 0, extent: built_up, places: none, periods: last, aliases: [建成区道路网密度, 主城区道路网密度], source: K, grade: A, checked_on: 2026-11-20}
  - {id: water_leakage_rate, zh: 公共供水管网漏损率, en: leakage, theme: space, definition: d, unit: percent, shown_unit: "%", direction: down, measure: share,
     minimum: 0, maximum: 100, extent: city_proper, places: none, periods: last, bases: [basic, comprehensive], aliases: [漏损率, 综合漏损率], source: K, grade: A, checked_on: 2026-11-20}
  - {id: carbon_peak, zh: 碳排放达峰, en: peak, theme: space, definition: d, unit: yes_no, shown_unit: 是否, direction: up, measure: state,
     minimum: 0, maximum: 1, extent: whole, places: none, periods: last, source: K, grade: A, checked_on: 2026-11-20}
  - {id: new_green_building_area, zh: 新增绿色建筑面积, en: green area, theme: space, definition: d, unit: m**2, shown_unit: 万平方米, direction: up, measure: flow,
     minimum: 0, extent: urban, breakdowns: [building_class], adds_up: [building_class], places: sum, periods: sum, source: K, grade: A, checked_on: 2026-11-20}
"""


def small_catalog(folder: Path, extra: str = "") -> Catalog:
    """Write a small catalog, with further sections laid over it, and load it."""
    base, over = folder / "small", folder / "extra"
    for path, text in ((base, CATALOG), (over, extra)):
        path.mkdir(parents=True, exist_ok=True)
        (path / "all.yaml").write_text(text or "places: []\n", encoding="utf-8")
    entries, findings = read_entries([base, over])
    assert not findings, findings
    return Catalog(entries)


def workbook(sheets: Sequence[Mapping[str, Any]]) -> bytes:
    """Return an XLSX workbook.

    Each sheet has name, rows, and may have merge (areas), formats (cell to number format), formulas (cell to formula and
    cached value; None leaves the value out), dates (cells whose ISO text is a date), hidden.
    """
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False}) as book:
        for item in sheets:
            sheet = book.add_worksheet(item.get("name", "表1"))
            formats = {cell: book.add_format({"num_format": code}) for cell, code in item.get("formats", {}).items()}
            for row, texts in enumerate(item["rows"]):
                for column, value in enumerate(texts):
                    cell = xlsxwriter.utility.xl_rowcol_to_cell(row, column)
                    if value is None:
                        continue
                    if cell in item.get("dates", ()):
                        sheet.write_datetime(cell, datetime.fromisoformat(str(value)), formats.get(cell))
                    elif cell in item.get("formulas", {}):
                        continue
                    else:
                        sheet.write(cell, value, formats.get(cell))
            for cell, (formula, cached) in item.get("formulas", {}).items():
                sheet.write_formula(cell, formula, formats.get(cell), "" if cached is None else cached)
            for area in item.get("merge", ()):
                first = area.split(":")[0]
                row, column = xlsxwriter.utility.xl_cell_to_rowcol(first)
                sheet.merge_range(area, item["rows"][row][column])
            if item.get("hidden"):
                sheet.hide()
    return buffer.getvalue()
