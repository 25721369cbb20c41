"""Write the invented returns, check-up figures and facility tables of the Demo City, byte for byte the same on every run.

    python scripts/make_demo_returns.py [FOLDER]

FOLDER is `src/dafeng/workflow/demo_city/data/statistics` where none is given. Nothing here speaks of a real place. The filled
forms are those that the demonstration issues, filled in with the city's own figures; run this again when the plan's targets or
the formulas behind them change. Deliberate faults are marked `FAULT` and listed in the README.md of the folder above.
"""

from __future__ import annotations

import csv
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import polars as pl
import xlsxwriter
from openpyxl.worksheet.worksheet import Worksheet

from dafeng.base.form import FormIssue, FormLine
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.quantity import convert
from dafeng.reports.form_book import FORM_SHEET
from dafeng.workflow.demo_statistics import issue_demo_forms
from dafeng.workflow.demonstration import make_demo_workspace

HERE = Path(__file__).resolve().parents[1]
FOLDER = HERE / "src" / "dafeng" / "workflow" / "demo_city" / "data" / "statistics"
CITY = "示范市"
SEED = 20251120
YEARS = range(2015, 2026)
MOMENT = datetime(2026, 3, 26)
DIVISIONS = ["东湾区", "西坡区", "新岸区", "青禾县", "云麓县", "石桥市"]
SHARES = np.array([0.27, 0.23, 0.19, 0.10, 0.08, 0.13])

# Items of the city check-up: (indicator, unit, values of 2021-2025 or of the last years of these).
CHECKUP: list[tuple[str, str, list[Any]]] = [
    ("已体检住宅数", "栋", [8200, 8420, 8650]),
    ("应体检住宅数", "栋", [8200, 8420, 8650]),
    ("存在结构安全隐患的住宅数量", "栋", [46, 31, 18]),
    ("存在燃气安全隐患的住宅数量", "栋", [120, 54, 0]),
    ("存在楼道安全隐患的住宅数量", "栋", [310, 205, 143]),
    ("存在围护安全隐患的住宅数量", "栋", [92, 71, 58]),
    ("存在管线管道破损的住宅数量", "栋", [188, 131, 96]),
    ("入户水质水压不达标的住宅数量", "栋", [23, 9, 0]),
    ("需要进行适老化改造的住宅数量", "栋", [640, 588, 512]),
    ("已体检小区数", "个", [300, 300, 300]),
    ("应体检小区数", "个", [300, 300, 300]),
    ("停车泊位缺口数", "个", [18600, 16900, 15200]),
    ("未配建电动自行车充电设施的小区数量", "个", [61, 24, 0]),
    ("未达标配建的养老服务设施数量", "个", [43, 38, 33]),
    ("未达标配建的婴幼儿照护服务设施数量", "个", [71, 66, 60]),
    ("未实施物业管理的小区数量", "个", [28, 19, 12]),
    ("不达标的步行道长度", "公里", [46.5, 41.2, 35.8]),
    ("中学服务半径覆盖率", "%", [86.0, 88.5, 91.2]),
    ("公园绿化活动场地服务半径覆盖率", "%", [84.1, 86.0, 87.7, 89.4, 91.0]),
    ("城市水体返黑返臭事件数", "起", [1, 0, 0]),
    ("绿道服务半径覆盖率", "%", [58.2, 61.5, 64.9, 68.8, 72.3]),
    ("人均体育场地面积", "平方米/人", [2.12, 2.25, 2.38, 2.51, 2.66]),
    ("人均公共文化设施面积", "平方米/人", [0.17, 0.18, 0.19, 0.21, 0.22]),
    ("历史文化街区、历史建筑挂牌建档率", "%", [82.0, 88.0, 94.0, 100.0, 100.0]),
    ("历史建筑空置率", "%", [14.5, 13.1, 12.2, 11.4, 10.8]),
    ("历史文化资源遭受破坏的负面事件数", "起", [0, 1, 0, 0, 0]),
    ("新市民、青年人保障性租赁住房覆盖率", "%", [9.8, 12.6, 15.9]),
    ("城市高峰期机动车平均速度", "公里/小时", [23.1, 22.8, 23.4, 24.0, 24.6]),
    ("轨道站点周边覆盖通勤比例", "%", [8.4, 8.9, 12.6, 13.1, 17.2]),
    ("房屋市政工程生产安全事故数", "起", [2, 1, 1]),
    ("严重易涝积水点数量", "个", [3, 1]),
    ("城市排水防涝应急抢险能力", "立方米/小时", [9800, 11200, 12600]),
    ("应急供水保障率", "%", [88.0, 92.0]),
    ("老旧燃气管网改造完成率", "%", [82.0, 93.0]),
    ("城市消防站服务半径覆盖率", "%", [71.0, 74.5, 78.2, 82.6, 86.1]),
    ("人均避难场所有效避难面积", "平方米/人", [1.2, 1.3, 1.4, 1.5, 1.6]),
    ("市政管网管线智能化监测管理率", "%", [31.0, 42.0, 55.0]),
    ("城市信息模型(CIM)基础平台建设三维数据覆盖率", "%", [36.0, 52.0, 68.0]),
]
# Facilities by district: (column, unit, city total 2015, city total 2025, digits).
FACILITIES = [
    ("公共厕所座数", "座", 410, 590, 0),
    ("城市桥梁座数", "座", 288, 371, 0),
    ("公园个数", "个", 118, 263, 0),
    ("道路清扫保洁面积", "万平方米", 2350, 3640, 1),
    ("市容环卫专用车辆数", "辆", 690, 1180, 0),
    ("天然气管道长度", "公里", 1980, 3420, 1),
    ("人行道面积", "万平方米", 520, 905, 1),
]
COLUMNS = {"line": 1, "code": 2, "title": 3, "meaning": 4, "unit": 5, "last": 6, "value": 7, "reason": 8, "note": 9}


def write_checkup(path: Path) -> None:
    """Write the items of the check-up, a figure a line."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["指标", "地区", "时期", "数值", "单位"])
        for name, unit, values in CHECKUP:
            for year, value in zip(range(2026 - len(values), 2026), values, strict=True):
                writer.writerow([name, CITY, f"{year}年", value, unit])


def write_facilities(path: Path) -> None:
    """Write the facilities of districts and city, a district a line, with three faults that checks must find."""
    rng = np.random.default_rng(SEED)
    rows: list[list[Any]] = []
    columns = []
    for _, _, first, last, digits in FACILITIES:
        start = SHARES * rng.uniform(0.8, 1.25, 6)
        total = np.geomspace(first, last, len(YEARS))
        parts = total[:, None] * (start / start.sum()) * np.exp(rng.normal(0, 0.006, (len(YEARS), 6)))
        columns.append(np.round(parts, digits))
    for step, year in enumerate(YEARS):
        parts = np.array([column[step] for column in columns]).T
        total = parts.sum(axis=0)
        if year == 2022:
            parts = np.roll(parts, 1, axis=0)  # FAULT: the figures of each district stand one line below
        if year == 2019:
            parts[0, 3] *= 10  # FAULT: a decimal point
        if year == 2024:
            total[2] += 40  # FAULT: parks of the city are more than those of its districts
        rows.append([year, CITY, *total.round(1)])
        rows += [[year, name, *line.round(1)] for name, line in zip(DIVISIONS, parts, strict=True)]
    book = xlsxwriter.Workbook(str(path), {"in_memory": True})
    book.set_properties({"created": MOMENT})
    sheet = book.add_worksheet("市政设施分区")
    for column, text in enumerate(["年份", "地区", *(f"{name}（{unit}）" for name, unit, *_ in FACILITIES)]):
        sheet.write_string(0, column, text)
    for number, row in enumerate(rows, start=1):
        sheet.write_number(number, 0, row[0])
        sheet.write_string(number, 1, row[1])
        for column, value in enumerate(row[2:], start=2):
            sheet.write_number(number, column, value)
    book.close()


def value_of(line: FormLine, issue: FormIssue, facts: pl.DataFrame) -> float | None:
    """Return the city's own figure that a line asks for, in the unit of the form."""
    same = {"indicator": line.indicator, "place": line.place, "extent": line.extent, "basis": line.basis}
    found = facts.filter(period=issue.period, **same, **{name: getattr(line, name) for name in BREAKDOWNS})
    values = found["value"].drop_nulls()
    return None if values.is_empty() else round(convert(values[0], line.canonical, line.unit), 4)


def fill(content: bytes, issue: FormIssue, facts: pl.DataFrame) -> tuple[openpyxl.Workbook, Worksheet, int]:
    """Return the form of an issue, filled in; what the city has no figure for gets a reason."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = book[FORM_SHEET]
    top = next(row for row in range(1, 40) if sheet.cell(row, 1).value == "行码")
    for number, line in enumerate(issue.lines, start=1):
        value = value_of(line, issue, facts)
        if value is not None:
            sheet.cell(top + number, COLUMNS["value"]).value = value
        elif line.required:
            sheet.cell(top + number, COLUMNS["reason"]).value = "没有数据"
    for row in range(1, top):
        for column in range(1, 10):
            text = sheet.cell(row, column).value
            if text == "填表人":
                sheet.cell(row, column + 1).value = "甲某"
            if text == "报出日期":
                sheet.cell(row, column + 1).value = date(2026, 3, 25)
    return book, sheet, top


def delete_column(sheet: Worksheet, top: int) -> None:
    """FAULT: the column of units is gone, which changes nothing about the figures."""
    sheet.delete_cols(COLUMNS["unit"])


def text_for_numbers(sheet: Worksheet, top: int) -> None:
    """FAULT: one figure is a remark, one an estimate in words."""
    rows = [row for row in range(top + 1, sheet.max_row + 1) if isinstance(sheet.cell(row, 7).value, int | float)]
    sheet.cell(rows[0], COLUMNS["value"]).value = "见附件"
    sheet.cell(rows[1], COLUMNS["value"]).value = f"约{sheet.cell(rows[1], 7).value:g}"


def shifted_codes(sheet: Worksheet, top: int) -> None:
    """FAULT: codes of two lines slipped down by one against their names and figures."""
    for column in (COLUMNS["line"], COLUMNS["code"]):
        above, below = sheet.cell(top + 2, column), sheet.cell(top + 3, column)
        above.value, below.value = below.value, above.value


def nothing(sheet: Worksheet, top: int) -> None:
    """Leave a form as it was filled in."""


RETURNS: dict[str, Callable[[Worksheet, int], None]] = {
    "demo-city-water": delete_column,
    "demo-city-urban-management": text_for_numbers,
    "demo-city-agriculture": shifted_codes,
    "demo-city-natural-resources": nothing,
    "demo-city-justice": nothing,
}  # the development commission does not answer


def save(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without the hour of its making."""
    book.properties.created = book.properties.modified = MOMENT
    raw = io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for entry in sorted(old.namelist()):
            content = old.read(entry)
            if entry == "docProps/core.xml":
                content = _without_hour(content)
            new.writestr(zipfile.ZipInfo(entry, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def _without_hour(core: bytes) -> bytes:
    head, mark, rest = core.partition(b"<dcterms:modified")
    return (
        head
        if not mark
        else head + mark + rest[: rest.index(b">") + 1] + b"2026-03-26T00:00:00Z" + rest[rest.index(b"</") :]
    )


def main(folder: Path = FOLDER) -> None:
    """Write every file of the folder but its list of imports."""
    (folder / "returns").mkdir(parents=True, exist_ok=True)
    write_checkup(folder / "checkup.csv")
    write_facilities(folder / "facilities.xlsx")
    with tempfile.TemporaryDirectory() as scratch:
        setting = make_demo_workspace(Path(scratch) / "w", ledgers=False).setting
        facts = setting.lake.snapshot().read() if setting.lake else pl.DataFrame()
        issued = issue_demo_forms(setting, Path(scratch) / "forms")
        for issue in issued.owed.issues:
            if issue.body not in RETURNS:
                continue
            with zipfile.ZipFile(issued.archives[issue.body]) as archive:
                content = archive.read(archive.namelist()[0])
            book, sheet, top = fill(content, issue, facts)
            RETURNS[issue.body](sheet, top)
            save(book, folder / "returns" / f"{issue.body}.xlsx")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
