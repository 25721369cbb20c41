"""Write the invented input files of the Demo City, byte for byte the same on every run.

    python scripts/make_demo_city.py [FOLDER]

FOLDER is `src/dafeng/workflow/demo_city/data` where none is given. Nothing here speaks of a real place. Series that decide a
target of the demonstration plan are written out below; the rest (population, floor area, energy, parts of districts) comes
from straight lines with seeded noise. The deliberate faults are marked `FAULT` and listed in the folder's README.md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xlsxwriter

HERE = Path(__file__).resolve().parents[1]
FOLDER = HERE / "src" / "dafeng" / "workflow" / "demo_city" / "data"
CITY = "示范市"
YEARS = range(2015, 2026)
SEED = 20241018
Row = Sequence[Any]

# Series of the city that decide targets: (indicator, unit, first year, values up to 2025 or as far as known, further columns).
# Further columns are written as column=value. A text among the values stands in the file as it is.
YEARBOOK_FACILITIES = [
    ("建成区面积", "平方公里", 2015, [168.4, 173.1, 178.0, 182.2, 187.5, 191.9, 197.0, 201.3, 206.1, 210.4, 214.6]),
    ("建成区道路长度", "公里", 2015, [1180, 1242, 1301, 1356, 1418, 1472, 1535, 1596, 1655, 1718, 1780]),
    ("建成区可渗透面积", "平方公里", 2015, [58.3, 60.2, 62.3, 64.1, 66.4, 68.6, 71.0, 73.1, 75.6, 77.8, 79.8]),
    ("可渗透面积比例", "%", 2015, [34.6, 34.8, 35.0, 35.2, 35.4, 35.7, 36.0, 36.3, 36.7, 37.0, 37.2]),
    (
        "城市生活污水集中收集率",
        "%",
        2015,
        [61.2, 62.5, 64.4, 65.3, 0.672, 69.0, 70.2, 72.1, 73.4, 75.3, 76.6],
    ),  # FAULT 2019
    ("污泥无害化处置率", "%", 2015, [86.4, 88.0, 89.7, 90.5, 92.2, 93.1, 94.0, 94.9, 95.3, 95.8, 97.4]),
    ("再生水利用率", "%", 2015, [18.2, 19.6, 21.5, 23.1, 24.4, 26.3, 28.1, 29.5, 31.4, 33.6, "—"]),  # FAULT 2025
    ("供热管网热损失率", "%", 2015, [17.1, 16.5, 16.1, 15.7, 15.0, 14.6, 14.1, 13.8, 13.2, 12.9, 12.3]),
    ("供热管道长度", "公里", 2015, [1120, 1168, 1215, 1270, 1322, 1381, 1440, 1495, 1549, 1606, 1660]),
]
YEARBOOK_GREEN = [
    ("建成区绿地率", "%", 2015, [37.5, 37.7, 37.8, 38.1, 38.2, 38.4, 38.6, 38.7, 39.0, 39.1, 39.3]),
    ("建成区绿化覆盖率", "%", 2015, [41.0, 41.2, 41.4, 41.5, 41.8, 42.0, 42.1, 42.4, 42.6, 42.8, 43.0]),
    ("人均公园绿地面积", "平方米/人", 2015, [12.1, 12.4, 12.6, 12.9, 13.3, 13.5, 13.9, 14.1, 14.5, 14.7, 15.0]),
    ("路灯总盏数", "万盏", 2015, [9.2, 9.6, 10.0, 10.3, 10.8, 11.1, 11.5, 11.9, 12.2, 12.6, 12.9]),
    ("功能性照明节能灯具普及率", "%", 2015, [21.0, 25.4, 29.8, 33.5, 38.6, 43.0, 47.1, 52.2, 56.5, 61.8, 66.0]),
    ("生活垃圾资源化利用率", "%", 2015, [34.8, 37.5, 39.6, 42.8, 45.1, 47.9, 50.2, 53.4, 55.6, 58.5, 60.8]),
    ("其他垃圾焚烧处理率", "%", 2015, [66.5, 70.2, 74.8, 79.9, 84.6, 88.0, 91.5, 93.8, 95.6, 97.2, 97.9]),
]
WATER = [
    ("公共供水管网漏损率", "%", 2018, [10.9, 10.3, 9.9, 9.4, 9.1, 8.7, 8.3, 8.0], "漏损率（修正后）"),
    ("公共供水管网漏损率", "%", 2018, [12.8, 12.3, 11.8, 11.5, 11.0, 10.6, 10.1, 9.8], "综合漏损率"),
    ("供水总量", "万立方米", 2018, [16820, 17150, 17040, 17610, 17880, 18210, 18430, 18690], ""),
    ("注册用户用水量", "万立方米", 2018, [14667, 15041, 15029, 15585, 15913, 16280, 16569, 16858], ""),
    ("污水处理厂座数", "座", 2019, [15, 15, 15, 15, 15, 15, 15], ""),
    ("完成提标改造污水处理厂座数", "座", 2019, [3, 4, 5, 6, 8, 9, 10], ""),
    ("污水处理厂提标改造占比", "%", 2019, [20.0, 26.7, 33.3, 40.0, 53.3, 60.0, 66.7], ""),
    ("新建改造排水管网长度", "公里", 2018, [38, 35, 41, 44, 39, 42, 41, 47], ""),
    ("改造供热管网长度", "公里", 2018, [40, 44, 43, 48, 51, 39, 46, 50], ""),
    ("新增地下综合管廊长度", "公里", 2018, [2.5, 3.0, 3.8, 4.2, 3.6, 4.1, 3.4, 3.9], ""),
]
RETURNS = [
    ("轨道交通运营里程", "公里", 2019, [21.4, 21.4, 38.6, 38.6, 54.9, 54.9, 71.2]),
    ("建成区绿地率", "%", 2023, [39.2, 39.4]),  # not what the yearbook says: two datasets may disagree for ever
    ("组团平均人口密度", "万人/平方公里", 2021, [0.78, 0.79, 0.81, 0.82, 0.84]),
    ("拆除建筑面积占比", "%", 2021, [16.2, 17.4, 15.9, 17.1, 20.6]),
    ("绿色生态城区数", "个", 2018, [1, 1, 2, 2, 3, 4, 4, 5]),
    ("零碳试验区数", "个", 2022, [0, 1, 1, 1]),
    ("完整社区覆盖率", "%", 2019, [24.2, 28.6, 31.5, 36.0, 38.1, 42.7, 45.9]),
    ("绿色社区占比", "%", 2019, [31.0, 46.5, 58.2, 66.0, 71.4, 76.3, 79.8]),
    ("充电桩缺口数", "个", 2019, [10900, 9800, 8700, 7400, 6500, 5300, 4400]),
    ("县城建成区人口密度", "万人/平方公里", 2021, [0.76, 0.76, 0.75, 0.75, 0.74]),
    ("县城建筑总面积与建设用地比值", "比值", 2021, [0.66, 0.66, 0.67, 0.68, 0.68]),
    ("县城道路红线宽度", "米", 2021, [40, 36, 36, 34, 34]),
    ("县城广场集中硬地面积", "公顷", 2021, [1.2, 1.4, 1.3, 1.5, 1.9]),
    ("市级美丽乡村示范村", "个", 2021, [24, 27, 29, 31, 28]),
    ("省级示范村", "个", 2019, [13, 18, 24, 29, 34, 39, 44]),
    ("农村生活污水治理率", "%", 2018, [28.4, 33.0, 38.9, 44.2, 50.6, 55.8, 61.0, 66.1]),
    ("农村生活垃圾无害化处理率", "%", 2018, [91.0, 92.6, 94.3, 95.5, 96.8, 97.9, 98.6, 99.4]),
    ("农房节能改造户数", "户", 2021, [2600, 3100, 2900, 3400, 3700]),
    ("节约型机关占比", "%", 2019, [34.0, 45.1, 55.3, 63.8, 71.4, 77.7, 82.9]),
    ("累计推广超低能耗建筑面积", "万平方米", 2018, [4.2, 9.8, 17.5, 27.3, 34.9, 41.6, 58.3, 74.6]),
    ("屋顶光伏覆盖率", "%", 2019, [18.5, 24.0, 31.2, 36.9, 41.5, 45.2]),
    ("建筑光伏装机容量", "万千瓦", 2017, [3.1, 6.4, 10.2, 15.8, 22.5, 31.0, 39.6, 47.8, 56.9]),
    ("光储直柔示范项目数", "个", 2021, [0, 1, 2, 4, 6]),
    ("智能建造示范项目数", "个", 2020, [2, 7, 12, 18, 25, 31]),
    ("智能化工厂数", "家", 2021, [2, 3, 5, 6, 9]),
    ("建筑产业互联网平台数", "个", 2021, [1, 1, 2, 2, 2]),
    ("新建建筑施工现场建筑垃圾排放量", "吨/万平方米", 2019, [412, 390, 368, 345, 324, 306, 286]),
    ("装配式建筑施工现场建筑垃圾排放量", "吨/万平方米", 2021, [236, 222, 213, 199, 191]),
    ("施工现场建筑材料损耗率", "%", 2017, [3.24, 3.16, 3.07, 3.00, 2.94, 2.89, 2.80, 2.77, 2.70]),
    ("建筑垃圾资源化利用率", "%", 2018, [41.5, 44.2, 47.0, 50.3, 53.1, 56.4, 59.6, "约65%"]),  # FAULT 2025
    ("星级绿色建筑绿色建材应用比例", "%", 2021, [21.4, 24.8, 27.1, 30.6, 33.1]),
    ("新建建筑绿色建材应用比例", "%", 2020, [19.2, 24.0, 29.1, 33.5, 38.7, 43.2]),
]
# With building class and extent; the last two columns are 建筑类别 and 地域范围, the one before them 口径.
RETURNS_BY_CLASS = [
    ("新建建筑节能率", "%", 2020, [72.4, 73.5, 74.6, 75.2, 76.1, 77.0], "本体节能率", "居住建筑", "城镇"),
    ("新建建筑节能率", "%", 2020, [75.1, 76.4, 77.9, 79.0, 80.3, 81.5], "综合节能率", "居住建筑", "城镇"),
    ("新建建筑节能率", "%", 2020, [65.8, 67.0, 68.4, 69.7, 71.1, 72.6], "本体节能率", "公共建筑", "城镇"),
    ("改造后整体能效提升", "%", 2020, [16.8, 17.9, 18.7, 20.4, 21.8, 23.6], "", "公共建筑", "城镇"),
    ("改造后整体能效提升", "%", 2020, [22.9, 23.6, 25.4, 26.1, 27.8, 28.3], "", "农村居住建筑", "乡村"),
    ("接入能耗监测平台建筑栋数", "栋", 2017, [96, 128, 163, 204, 235, 271, 302, 338, 372], "", "公共建筑", "城镇"),
    ("新建建筑全面电气化比例", "%", 2019, [1.9, 3.1, 4.4, 6.0, 7.9, 9.6, 11.5], "", "公共建筑", "城镇"),
    ("可再生能源替代率", "%", 2017, [4.1, 4.5, 5.2, 5.7, 6.2, 6.6, 7.1, 7.7, 8.2], "当量值", "", "城镇"),
    ("可再生能源替代率", "%", 2017, [5.2, 5.8, 6.5, 7.1, 7.7, 8.2, 8.8, 9.3, 9.9], "等价值（发电煤耗）", "", "城镇"),
]
# January to September 2026: stocks stand at the end of September, flows are what nine months brought.
PART_YEAR = [
    ("轨道交通运营里程", "公里", 71.2), ("绿色生态城区数", "个", 5), ("零碳试验区数", "个", 2), ("充电桩缺口数", "个", 3900),
    ("绿色社区占比", "%", 81.5), ("完整社区覆盖率", "%", 47.8), ("新建改造排水管网长度", "公里", 33),
    ("改造供热管网长度", "公里", 41), ("新增地下综合管廊长度", "公里", 2.1), ("污水处理厂提标改造占比", "%", 66.7),
    ("市级美丽乡村示范村", "个", 22), ("农村生活污水治理率", "%", 68.7), ("农房节能改造户数", "户", 2500),
    ("节约型机关占比", "%", 85.4), ("累计推广超低能耗建筑面积", "万平方米", 83.2), ("建筑光伏装机容量", "万千瓦", 62.4),
    ("光储直柔示范项目数", "个", 8), ("智能建造示范项目数", "个", 35), ("智能化工厂数", "家", 10),
    ("建筑产业互联网平台数", "个", 3), ("既有建筑节能改造面积", "万平方米", 93.5),
    ("累计实施既有建筑节能改造面积", "万平方米", 1575.7), ("新建建筑面积", "万平方米", 352.6),
    ("新增绿色建筑面积", "万平方米", 343.8), ("累计建成绿色建筑面积", "万平方米", 6860.9),
    ("星级绿色建筑占比", "%", 38.2), ("装配式建筑占比", "%", 43.0), ("建筑垃圾资源化利用率", "%", 64.1),
]  # fmt: skip
MILESTONES = [
    ("绿色发展体制机制和政策体系建立", "是", "2025-12-26", "示政办发〔2025〕31号"),
    ("既有建筑拆除管理办法出台", "是", "2025-09-15", "示建规〔2025〕4号"),
    ("黑臭水体和雨污合流管网双清零", "是", "2025-12-18", "销号验收意见（2025年第12号）"),
    ("新建建筑全部执行绿色标准", "是", "2025-01-01", "示建科〔2024〕27号"),
    ("新建工程全部绿色施工", "是", "2025-11-20", "绿色施工抽查通报（2025年第4期）"),
    ("住房全生命周期信息系统上线", "是", "2026-05-30", "系统竣工验收报告"),
    ("建筑能源资源消费统计制度运行", "是", "2025-10-30", "示统字〔2025〕19号"),
    ("各区县功能区实施方案制定", "否", "2026-09-30", "尚有云麓县、示范高新技术产业开发区未印发"),
    ("年度工作情况报告", "是", "2024-10-28", "示建〔2024〕96号"),
    ("年度工作情况报告", "是", "2025-10-30", "示建〔2025〕104号"),
]
DIVISIONS = ["东湾区", "西坡区", "新岸区", "青禾县", "云麓县", "石桥市"]
PARTS = {  # share of each division at the start and at the end, in the order of DIVISIONS
    "urban": ([0.31, 0.27, 0.14, 0.08, 0.07, 0.13], [0.27, 0.23, 0.22, 0.08, 0.07, 0.13]),
    "people": ([0.24, 0.21, 0.13, 0.15, 0.12, 0.15], [0.24, 0.21, 0.17, 0.13, 0.11, 0.14]),
    "rural": ([0.03, 0.03, 0.17, 0.29, 0.27, 0.21], [0.03, 0.03, 0.14, 0.30, 0.28, 0.22]),
}


def steady(rng: np.random.Generator, first: float, last: float, noise: float, count: int = len(YEARS)) -> np.ndarray:
    """Return a straight line of `count` points from `first` to `last` with relative noise, its end points kept."""
    wobble = rng.normal(0.0, noise, count)
    wobble[[0, -1]] = 0.0
    return np.linspace(first, last, count) * (1.0 + wobble)


def split(rng: np.random.Generator, totals: np.ndarray, parts: str, places: int) -> np.ndarray:
    """Return totals over divisions, shape (year, division), rounded; the totals of the files are their sums."""
    first, last = (np.array(shares) for shares in PARTS[parts])
    weight = np.linspace(0.0, 1.0, len(totals))[:, None]
    shares = (first * (1 - weight) + last * weight) * (1 + rng.normal(0.0, 0.02, (len(totals), len(first))))
    return np.round(totals[:, None] * shares / shares.sum(axis=1, keepdims=True), places)


def plain(value: Any) -> str:
    """Return a figure as a clerk writes it: no trailing zeros, no floating-point tail."""
    if isinstance(value, str):
        return value
    return f"{round(float(value), 6):.6f}".rstrip("0").rstrip(".")


def write_csv(path: Path, header: Row, rows: Iterable[Row], encoding: str = "utf-8") -> None:
    """Write a table of text; LF ends every line."""
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([plain(cell) for cell in row] for row in rows)


def write_workbook(path: Path, sheets: dict[str, list[Row]]) -> None:
    """Write a workbook whose bytes do not depend on the day; a cell (formula, value) becomes a formula."""
    with xlsxwriter.Workbook(path) as workbook:
        workbook.set_properties({"title": "虚构的演示数据", "author": "dafeng", "created": datetime(2026, 1, 1)})
        for name, rows in sheets.items():
            sheet = workbook.add_worksheet(name)
            for line, row in enumerate(rows):
                for column, cell in enumerate(row):
                    if isinstance(cell, tuple):
                        sheet.write_formula(line, column, cell[0], None, cell[1])
                    elif isinstance(cell, str):
                        sheet.write_string(line, column, cell)
                    else:
                        sheet.write_number(line, column, float(plain(cell)))


def long_rows(series: Iterable[Row], *, place: str = CITY) -> list[list[Any]]:
    """Return (indicator, place, year, value, unit, further columns) for each value of each series."""
    return [
        [name, place, f"{first + step}年", value, unit, *further]
        for name, unit, first, values, *further in series
        for step, value in enumerate(values)
    ]


def wide_rows(series: Sequence[Row]) -> list[list[Any]]:
    """Return a header with units in brackets and one row a year."""
    header = ["年份", *(f"{name}（{unit}）" for name, unit, *_ in series)]
    return [header, *([year, *(entry[3][year - entry[2]] for entry in series)] for year in YEARS)]


def division_tables(rng: np.random.Generator) -> dict[str, tuple[str, np.ndarray]]:
    """Return unit and values, shape (year, division), of the indicators that districts and counties return."""
    new_area = split(rng, steady(rng, 640, 508, 0.02), "urban", 2)
    green_share = np.array([0.42, 0.50, 0.57, 0.65, 0.71, 0.77, 0.83, 0.88, 0.925, 0.952, 0.968])[:, None]
    green = np.round(new_area * green_share, 2)
    star_share = np.array([0.06, 0.08, 0.105, 0.13, 0.162, 0.195, 0.231, 0.268, 0.299, 0.335, 0.369])[:, None]
    star = np.round(green * star_share, 2)
    started = split(rng, steady(rng, 700, 540, 0.02), "urban", 2)
    prefab_share = np.array([0.03, 0.06, 0.10, 0.14, 0.185, 0.225, 0.27, 0.31, 0.345, 0.383, 0.416])[:, None]
    prefabricated = np.round(started * prefab_share, 2)
    retrofit = split(rng, np.array([84, 96, 108, 112, 105, 99, 118, 124, 131, 128.4, 117.3]), "urban", 2)
    people = split(rng, steady(rng, 398, 421, 0.001), "people", 2)
    urban_share = np.linspace(0.585, 0.698, len(YEARS))[:, None]
    townsfolk = np.round(people * np.clip(urban_share * np.array([1.36, 1.34, 1.0, 0.6, 0.58, 0.86]), 0, 0.99), 2)
    villages = np.tile(np.array([36.0, 41, 214, 392, 355, 288]), (len(YEARS), 1))
    treated = np.round(villages * np.linspace(0.14, 0.661, len(YEARS))[:, None])
    heated = split(rng, steady(rng, 6900, 11200, 0.004), "urban", 2)
    waste = split(rng, steady(rng, 118, 152, 0.008), "people", 2)
    return {
        "常住人口": ("万人", people),
        "城镇常住人口": ("万人", townsfolk),
        "新建建筑面积": ("万平方米", new_area),
        "新增绿色建筑面积": ("万平方米", green),
        "新增星级绿色建筑面积": ("万平方米", star),
        "新开工建筑面积": ("万平方米", started),
        "新开工装配式建筑面积": ("万平方米", prefabricated),
        "既有建筑节能改造面积": ("万平方米", retrofit),
        "集中供热面积": ("万平方米", heated),
        "生活垃圾清运量": ("万吨", waste),
        "行政村数": ("个", villages),
        "完成生活污水治理的行政村数": ("个", treated),
    }


def division_rows(tables: dict[str, tuple[str, np.ndarray]]) -> list[list[Any]]:
    """Return the ledger of districts, counties and zones; people up to 2018 stand under the old name of a former county."""
    rows = []
    for name, (unit, values) in tables.items():
        for year, line in zip(YEARS, values, strict=True):
            for division, value in zip(DIVISIONS, line, strict=True):
                former = division == "新岸区" and year < 2019 and name == "常住人口"
                shown = "岸口县" if former else division
                if division == "新岸区" and year == 2019 and name == "既有建筑节能改造面积":
                    shown = "岸口新区"  # FAULT: an informal name that no catalog knows
                rows.append([year, shown, name, value, unit])
    for zone, division, part in (("示范高新区", 2, 0.31), ("示范生态新城", 2, 0.22)):
        for name in ("新建建筑面积", "新增绿色建筑面积", "新增星级绿色建筑面积"):
            unit, values = tables[name]
            for year in range(2021, 2026):
                rows.append([year, zone, name, round(values[year - 2015, division] * part, 2), unit])
    return rows


def city_totals(tables: dict[str, tuple[str, np.ndarray]]) -> list[Row]:
    """Return the series of the city that follow from those of its divisions."""
    totals = {name: values.sum(axis=1).round(2) for name, (_, values) in tables.items()}
    green, retrofit = totals["新增绿色建筑面积"], totals["既有建筑节能改造面积"]
    series: list[Row] = [
        (name, tables[name][0], 2015, list(totals[name]))
        for name in ("新建建筑面积", "新增绿色建筑面积", "新增星级绿色建筑面积", "新开工建筑面积", "新开工装配式建筑面积",
                     "既有建筑节能改造面积")
    ]  # fmt: skip
    return [
        *series,
        ("累计建成绿色建筑面积", "万平方米", 2015, list((2010 + green.cumsum()).round(2))),
        ("累计实施既有建筑节能改造面积", "万平方米", 2015, list((259 + retrofit.cumsum()).round(2))),
        ("新建建筑中绿色建筑占比", "%", 2015, list((100 * green / totals["新建建筑面积"]).round(1))),
        ("星级绿色建筑占比", "%", 2015, list((100 * totals["新增星级绿色建筑面积"] / green).round(1))),
        ("装配式建筑占比", "%", 2015, list((100 * totals["新开工装配式建筑面积"] / totals["新开工建筑面积"]).round(1))),
    ]


def energy_tables(rng: np.random.Generator) -> dict[str, list[Row]]:
    """Return the workbook of floor area, energy and emissions; parts add up to totals as printed."""
    stock = {
        "城镇居住建筑": steady(rng, 8050, 11200, 0.001), "农村居住建筑": steady(rng, 3420, 3050, 0.001),
        "办公建筑": steady(rng, 690, 905, 0.002), "商场建筑": steady(rng, 610, 860, 0.002),
        "宾馆饭店建筑": steady(rng, 235, 310, 0.002), "文化教育建筑": steady(rng, 640, 830, 0.002),
        "医疗卫生建筑": steady(rng, 205, 325, 0.002), "其他公共建筑": steady(rng, 760, 1010, 0.002),
    }  # fmt: skip
    stock = {name: values.round(1) for name, values in stock.items()}
    public = sum(values for name, values in stock.items() if "居住" not in name)
    area = {**stock, "公共建筑": public, "": sum(stock.values())}

    # Electricity in 10^8 kWh; heat in 10^4 GJ; gas in 10^4 m3; other fuels in 10^4 tce.
    homes, farms = stock["城镇居住建筑"], stock["农村居住建筑"]
    power = {
        "城镇居住建筑": (homes * steady(rng, 22.5, 34.0, 0.006) / 1e4).round(2),
        "公共建筑": (public * steady(rng, 71.0, 74.5, 0.006) / 1e4).round(2),
        "农村居住建筑": (farms * steady(rng, 11.0, 21.5, 0.006) / 1e4).round(2),
    }
    heat = {
        "城镇居住建筑": (homes * 0.82 * steady(rng, 0.385, 0.318, 0.008)).round(0),
        "公共建筑": (public * 0.88 * steady(rng, 0.405, 0.322, 0.008)).round(0),
    }
    gas = {
        "城镇居住建筑": steady(rng, 16800, 27600, 0.006).round(0),
        "公共建筑": steady(rng, 9800, 11200, 0.008).round(0),
    }
    coal = {
        "城镇居住建筑": steady(rng, 31.0, 3.2, 0.01).round(2),
        "公共建筑": steady(rng, 14.0, 1.1, 0.01).round(2),
        "农村居住建筑": steady(rng, 62.0, 29.5, 0.01).round(2),
    }
    energy: list[Row] = []
    share: list[Row] = []
    intensity: list[Row] = []
    for basis, coal_of_power in (("当量值", 1.229), ("等价值（发电煤耗）", 3.0)):
        urban = []
        for kind in ("城镇居住建筑", "公共建筑"):
            parts = {
                "电力": (power[kind] * coal_of_power).round(2),
                "集中供热": (heat[kind] * 0.03412).round(2),
                "天然气": (gas[kind] * 13.3 / 1e4).round(2),
                "煤炭": coal[kind],
            }
            total = sum(parts.values())
            urban.append((parts["电力"], total))
            for carrier, values in {**parts, "": total}.items():
                energy.append(("建筑运行能耗", "万吨标准煤", 2015, list(values.round(2)), basis, kind, carrier, "城镇"))
            if kind == "公共建筑":
                intensity.append(
                    (
                        "单位建筑面积能耗",
                        "千克标准煤/平方米",
                        2015,
                        list((total / public * 1000).round(2)),
                        basis,
                        kind,
                        "",
                        "城镇",
                    )
                )
        electric, total = urban[0][0] + urban[1][0], urban[0][1] + urban[1][1]
        energy.append(("建筑运行能耗", "万吨标准煤", 2015, list(total.round(2)), basis, "", "", "城镇"))
        share.append(
            ("建筑用电占建筑能耗比例", "%", 2015, list((100 * electric / total).round(1)), basis, "", "", "城镇")
        )
    for kind, values in power.items():
        where = "乡村" if kind == "农村居住建筑" else "城镇"
        energy.append(("建筑用电量", "亿千瓦时", 2015, list(values), "", kind, "", where))

    grid = np.linspace(0.648, 0.551, len(YEARS))  # tCO2 per MWh
    electricity = (sum(power.values()) * grid * 10).round(1)
    purchased_heat = (sum(heat.values()) * 0.1 * np.linspace(1.06, 0.95, len(YEARS))).round(1)
    direct = (sum(gas.values()) * 21.62 / 1e4 + sum(coal.values()) * 2.66).round(1)
    works = (steady(rng, 46, 33, 0.01)).round(1)
    materials = np.array([452, 471, 489, 502, 517, 521, 538, 540, 541, 524, 512], dtype=float)
    municipal = steady(rng, 39, 58, 0.006).round(1)
    operation = (electricity + purchased_heat + direct).round(1)
    field = (operation + works + materials + municipal).round(1)
    parts = {"建筑直接排放": direct, "外购电力间接排放": electricity, "外购热力间接排放": purchased_heat}
    whole = {**parts, "施工排放": works, "建材排放": materials, "市政设施运行排放": municipal, "": field}
    carbon: list[Row] = [("城乡建设领域碳排放量", "万吨二氧化碳", 2015, list(v), name) for name, v in whole.items()]
    carbon += [
        ("建筑运行碳排放量", "万吨二氧化碳", 2015, list(v), name) for name, v in {**parts, "": operation}.items()
    ]
    per_area = (operation / area[""] * 1000).round(2)
    carbon.append(("单位面积建筑运行碳排放", "千克二氧化碳/平方米", 2015, list(per_area), ""))
    head = ["指标", "地区", "时期", "数值", "单位"]
    floor = [("既有建筑面积", "万平方米", 2015, list(values.round(1)), name) for name, values in area.items()]
    return {
        "建筑面积": [[*head, "建筑类别"], *long_rows(floor)],
        "建筑能耗": [[*head, "口径", "建筑类别", "能源品种", "地域范围"], *long_rows(energy + share + intensity)],
        "碳排放": [[*head, "边界"], *long_rows(carbon)],
    }


def activity_tables(rng: np.random.Generator) -> tuple[dict[str, list[Row]], list[Row]]:
    """Return the utilities' workbook and the fuel and completion table of the carbon account, all of it over the whole city.

    The utilities state electricity and heat as they meter them; photovoltaics used on site are already off the purchases.
    """
    power = {
        "城镇居住建筑": steady(rng, 181000, 342000, 0.006), "公共建筑": steady(rng, 223000, 309000, 0.006),
        "农村居住建筑": steady(rng, 37600, 61500, 0.008),
    }  # fmt: skip
    roofs = {
        "城镇居住建筑": np.geomspace(300, 6100, len(YEARS)), "公共建筑": np.geomspace(900, 15400, len(YEARS)),
        "农村居住建筑": np.geomspace(400, 17200, len(YEARS)),
    }  # fmt: skip
    exported = {"城镇居住建筑": 0.18, "公共建筑": 0.12, "农村居住建筑": 0.55}
    heat = {"城镇居住建筑": steady(rng, 2540, 2580, 0.008), "公共建筑": steady(rng, 1120, 1090, 0.008)}
    head = ["年份", "地区", "范围"]
    meters: list[Row] = [
        [*head, "建筑类别", "建筑用电量（万千瓦时）", "建筑光伏自用电量（万千瓦时）", "建筑光伏上网电量（万千瓦时）"]
    ]
    stations: list[Row] = [[*head, "建筑类别", "建筑集中供热用热量（万吉焦）"]]
    for step, year in enumerate(YEARS):
        for kind, values in power.items():
            made, sold = roofs[kind][step], exported[kind]
            meters.append([year, CITY, "全域", kind, round(values[step]), round(made * (1 - sold)), round(made * sold)])
        stations += [[year, CITY, "全域", kind, round(values[step])] for kind, values in heat.items()]
    works, lamps = steady(rng, 16800, 15100, 0.01), steady(rng, 61000, 92500, 0.006)
    others = [[year, CITY, "全域", round(works[step]), round(lamps[step])] for step, year in enumerate(YEARS)]
    workbook = {
        "供电公司_建筑": meters,
        "供电公司_施工市政": [[*head, "施工用电量（万千瓦时）", "市政设施用电量（万千瓦时）"], *others],
        "供热企业": stations,
    }

    fuel, site, town = "建筑燃料消耗热量", "施工燃料消耗热量", "市政设施燃料消耗热量"
    burnt = [
        (fuel, "城镇居住建筑", "天然气", steady(rng, 655, 1040, 0.006)),
        (fuel, "公共建筑", "天然气", steady(rng, 382, 428, 0.008)),
        (fuel, "城镇居住建筑", "液化石油气", steady(rng, 74, 41, 0.01)),
        (fuel, "农村居住建筑", "液化石油气", steady(rng, 38, 66, 0.01)),
        (fuel, "城镇居住建筑", "原煤", steady(rng, 610, 62, 0.01)),
        (fuel, "公共建筑", "原煤", steady(rng, 395, 24, 0.01)),
        (fuel, "农村居住建筑", "原煤", steady(rng, 1290, 690, 0.01)),
        (fuel, "公共建筑", "汽油", steady(rng, 92, 71, 0.01)),  # burnt in vehicles; the account's split takes it out
        (fuel, "公共建筑", "柴油", steady(rng, 16, 11, 0.01)),
        (site, "", "柴油", steady(rng, 262, 171, 0.01)),
        (town, "", "柴油", steady(rng, 21, 16, 0.01)),
        (town, "", "天然气", steady(rng, 12, 19, 0.01)),
    ]
    burnt_rows = [
        (name, "万吉焦", 2015, list(values.round(1)), kind, carrier, "全域") for name, kind, carrier, values in burnt
    ]
    built = {
        "城镇居住建筑": np.array([438, 452, 471, 489, 497, 490, 468, 431, 392, 364, 341.0]),
        "公共建筑": np.array([196, 203, 209, 214, 219, 216, 209, 198, 186, 177, 169.0]),
        "农村居住建筑": np.array([71, 70, 68, 66, 63, 61, 58, 55, 52, 50, 47.0]),
    }
    built_rows = [("新建建筑面积", "万平方米", 2015, list(values), kind, "", "全域") for kind, values in built.items()]
    return workbook, long_rows([*burnt_rows, *built_rows])


def main(folder: Path = FOLDER) -> None:
    """Write every file of the data folder that a program makes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    tables = division_tables(rng)
    head = ["指标", "地区", "时期", "数值", "单位"]

    facilities = wide_rows(YEARBOOK_FACILITIES)
    facilities[0].append("建成区道路网密度（公里/平方公里）")
    for line, row in enumerate(facilities[1:], start=2):
        row.append(round(row[2] / row[1], 2))
        if row[0] == 2025:
            row[-1] = (f"=ROUND(C{line}/B{line},2)", row[-1])  # FAULT: a formula among the figures
    write_workbook(
        folder / "yearbook_construction.xlsx", {"市政设施": facilities, "园林环卫": wide_rows(YEARBOOK_GREEN)}
    )
    people, townsfolk = (tables[name][1].sum(axis=1).round(2) for name in ("常住人口", "城镇常住人口"))
    society = [
        ("常住人口", "万人", 2015, list(people)),
        ("城镇常住人口", "万人", 2015, list(townsfolk)),
        ("常住人口城镇化率", "%", 2015, list((100 * townsfolk / people).round(2))),
        ("地区生产总值", "亿元", 2015, list(steady(rng, 2010, 3385, 0.008).round(1))),
        ("集中供热面积", "万平方米", 2015, list(tables["集中供热面积"][1].sum(axis=1).round(2))),
        ("生活垃圾清运量", "万吨", 2015, list(tables["生活垃圾清运量"][1].sum(axis=1).round(2))),
    ]
    rows = wide_rows(society)
    write_csv(folder / "yearbook_society.csv", rows[0], rows[1:], encoding="utf-8-sig")

    write_csv(folder / "returns_water_heat_gb18030.csv", [*head, "口径"], long_rows(WATER), encoding="gb18030")
    first = [
        ("既有建筑节能改造面积", CITY, "2024年", 131.2, "万平方米"),
        ("星级绿色建筑占比", CITY, "2024年", 34.1, "%"),
    ]
    write_csv(folder / "returns_2024_first_edition.csv", head, first)
    city = long_rows([*RETURNS, *city_totals(tables)])
    twin = next(index for index, row in enumerate(city) if row[0].startswith("累计推广超低能耗") and row[2] == "2023年")
    city.insert(twin + 1, [*city[twin][:3], 46.1, city[twin][4]])  # FAULT: the same figure twice, and not the same
    write_csv(folder / "returns_departments.csv", head, city)
    write_csv(folder / "returns_by_class.csv", [*head, "口径", "建筑类别", "地域范围"], long_rows(RETURNS_BY_CLASS))
    part = [[name, CITY, "2026年1—9月", value, unit] for name, unit, value in PART_YEAR]
    write_csv(folder / "returns_2026_q3.csv", head, part)
    write_csv(folder / "ledger_divisions.csv", ["年份", "地区", "指标", "数值", "单位"], division_rows(tables))
    rows = [[name, CITY, day, done, "是否", paper] for name, done, day, paper in MILESTONES]
    write_csv(folder / "milestones.csv", [*head, "溯源编号（佐证材料）"], rows)
    write_workbook(folder / "energy_carbon.xlsx", energy_tables(rng))

    workbook, rows = activity_tables(
        np.random.default_rng(SEED + 1)
    )  # of its own, so that the files above stay as they are
    write_workbook(folder / "activity_utilities.xlsx", workbook)
    write_csv(folder / "activity_fuels_gb18030.csv", [*head, "建筑类别", "能源品种", "范围"], rows, encoding="gb18030")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
