"""Write the invented ledgers of the Demo City, byte for byte the same on every run.

    python scripts/make_demo_ledgers.py [FOLDER]

FOLDER is `src/dafeng/workflow/demo_city/data/ledgers` where none is given. Nothing here speaks of a real place. `make_ledgers`
returns what the ledgers say as plain rows in canonical units, before faults are planted: tests count them by themselves and
compare. `plant` puts in the contradictions that `planted.yaml` lists.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import xlsxwriter

from dafeng.base.quantity import convert
from dafeng.catalog.catalog import Catalog, read_entries, shipped_folder

DEMO = Path(__file__).resolve().parents[1] / "src" / "dafeng" / "workflow" / "demo_city"
FOLDER = DEMO / "data" / "ledgers"
SEED = 20260930
LAST_DAY = date(2026, 9, 30)
Row = dict[str, Any]
DISTRICTS = {  # name, id, share of what is built, extent of what is built there, mark in codes
    "东湾区": ("demo-city-dongwan", 0.27, "urban", "01"),
    "西坡区": ("demo-city-xipo", 0.23, "urban", "02"),
    "新岸区": ("demo-city-xinan", 0.22, "urban", "03"),
    "青禾县": ("demo-city-qinghe", 0.08, "county_seat", "21"),
    "云麓县": ("demo-city-yunlu", 0.07, "county_seat", "22"),
    "石桥市": ("demo-city-shiqiao", 0.13, "urban", "81"),
}
PROPER = ("东湾区", "西坡区", "新岸区")
ZONES = {"示范高新区": ("东湾区", "新岸区"), "示范生态新城": ("新岸区",)}
WORDS = tuple("云澜和锦瑞澄启明盛嘉清远岚景泽安宁雅枫桐星湖翠柏金鼎海川天府玉兰春晖秋实朗庭书香墨林竹溪松涛怡兴茂榕滨")
UNITS = {
    "m**2": "平方米", "m": "米", "percent": "%", "kW": "千瓦", "year": "年", "storey": "层", "km": "公里", "household": "户",
    "person": "人", "item": "个", "kWh/m**2": "千瓦时/平方米",
}  # fmt: skip
NEW_TYPES = {
    "residential": (("housing", 20), ("dormitory", 1)),
    "public": (("office", 4), ("commerce", 4), ("school", 4), ("hospital", 2), ("government_office", 1), ("culture", 1), ("sports", 1)),
    "industrial": (("factory", 4), ("warehouse", 1)),
}  # fmt: skip
TYPE_NAMES = {
    "housing": "住宅小区", "dormitory": "人才公寓", "office": "商务大厦", "commerce": "商业中心", "school": "学校", "hospital": "医院",
    "government_office": "政务办公楼", "culture": "文化中心", "sports": "体育馆", "factory": "产业园厂房", "warehouse": "仓储中心",
}  # fmt: skip


@dataclass(frozen=True)
class Book:
    """One file: a register, the columns that it shows, and how it is written."""

    file: str
    register: str
    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    sheet: str = "台账"


PROJECT_COLUMNS = (
    "project_code", "project_name", "stage", "place", "zone", "extent", "work", "investor", "public_institution", "building_class",
    "building_type", "climate_zone", "gross_area", "storeys", "approval_date", "design_review_date", "permit_date", "start_date", "completion_date",
    "demolition_date", "demolition_reason", "housing_kind", "fully_fitted", "green_standard", "green_star", "energy_standard", "saving_rate",
    "saving_rate_overall", "ultra_low_energy", "near_zero_energy", "electrified", "pv_installed", "usable_roof_area", "pv_area",
    "pv_capacity", "prefabricated", "assembly_rate", "green_construction", "site_waste", "material_loss_rate", "smart_demo",
    "smart_demo_date", "green_material_used", "green_material_share", "energy_retrofit", "retrofit_floor_area", "renovation_progress",
    "retrofit_saving_rate", "saving_verified",
)  # fmt: skip
LABEL_COLUMNS = (
    "project_code", "project_name", "place", "extent", "work", "building_class", "building_type", "gross_area", "completion_date",
    "green_standard", "green_star", "green_star_label", "label_star", "label_number", "label_date", "green_material_share",
)  # fmt: skip
PREFABRICATED_COLUMNS = (
    "project_code", "project_name", "place", "extent", "work", "investor", "building_class", "building_type", "gross_area", "storeys",
    "permit_date", "start_date", "completion_date", "prefabricated", "assembly_rate", "site_waste",
)  # fmt: skip
RETROFIT_COLUMNS = (
    "project_code", "project_name", "place", "extent", "work", "building_class", "building_type", "gross_area", "energy_retrofit",
    "retrofit_floor_area", "households_retrofitted", "renovation_progress", "start_date", "completion_date", "retrofit_saving_rate",
    "saving_verified",
)  # fmt: skip


def make_ledgers(seed: int = SEED) -> dict[str, Book]:
    """Return the ledgers without planted faults: numbers in canonical units, choices as codes, dates as dates."""
    rng = Random(seed)
    projects = _new_projects(rng, 1500) + _renovations(rng, 440) + _demolitions(rng, 60)
    promises = [_promise(rng, row) for row in projects if row["work"] == "new" and rng.random() < 0.13]
    starred = [row for row in projects if row.get("green_star", 0) >= 1 and "completion_date" in row]
    books = [
        Book("projects.csv", "projects", PROJECT_COLUMNS, sorted([*projects, *promises], key=_by_code)),
        Book("green_labels.csv", "green_labels", LABEL_COLUMNS, [_label(rng, row, n) for n, row in enumerate(starred) if n % 3 == 0]),
        Book("prefabricated.xlsx", "prefabricated_projects", PREFABRICATED_COLUMNS,
             [_only(row, PREFABRICATED_COLUMNS) for row in projects if row.get("prefabricated") and rng.random() < 0.5], "装配式建筑"),
        Book("retrofits.csv", "retrofits", RETROFIT_COLUMNS, [_only(row, RETROFIT_COLUMNS) for row in projects if row.get("energy_retrofit")]),
        _neighbourhoods(rng), _institutions(rng), _zones(), _communities(rng), _works(rng), _monitored(rng), _lamps(rng),
        _plants(rng), _smart(), _documents(), _waste(), _clearance(rng), _villages(rng), *_renewal(rng),
    ]  # fmt: skip
    return {book.file: replace(book, rows=[_only(row, book.columns) for row in book.rows]) for book in books}


def _only(row: Row, columns: Sequence[str]) -> Row:
    return {name: row[name] for name in columns if name in row}


def _by_code(row: Row) -> tuple[str, str]:
    return row["project_code"], row["stage"]


def _pick(rng: Random, weights: Mapping[str, float] | Sequence[tuple[str, float]]) -> str:
    pairs = list(weights.items()) if isinstance(weights, Mapping) else list(weights)
    mark = rng.random() * sum(weight for _, weight in pairs)
    for name, weight in pairs:
        mark -= weight
        if mark < 0:
            return name
    return pairs[-1][0]


def _district(rng: Random) -> str:
    return _pick(rng, {name: entry[1] for name, entry in DISTRICTS.items()})


def _day(rng: Random, first: date, last: date) -> date:
    return first + timedelta(days=rng.randrange((last - first).days + 1))


def _name(rng: Random, what: str) -> str:
    return "".join(rng.choice(WORDS) for _ in range(3)) + what


def _code(district: str, year: int, number: int) -> str:
    return f"{year}-9901{DISTRICTS[district][3]}-47-01-{number:06d}"


def _rising(year: int, first: float, last: float) -> float:
    """Return a straight line from 2015 to 2026."""
    return first + (last - first) * min(max((year - 2015) / 11, 0.0), 1.0)


def _new_projects(rng: Random, count: int) -> list[Row]:
    rows = []
    for number in range(count):
        district = _district(rng)
        start = _day(rng, date(2014, 3, 1), LAST_DAY)
        year = start.year
        cls = _pick(rng, {"residential": 10, "public": 6, "industrial": 3})
        kind = _pick(rng, NEW_TYPES[cls])
        extent = DISTRICTS[district][2]
        storeys = (
            rng.randrange(3, 8 if extent == "county_seat" and rng.random() < 0.75 else 19)
            if cls != "industrial"
            else rng.randrange(1, 5)
        )
        area = float(rng.randrange(40, 900) * 100 if cls == "residential" else rng.randrange(20, 700) * 100)
        months = rng.randrange(12, 34)
        done = start + timedelta(days=months * 30 + rng.randrange(28))
        finished = done <= LAST_DAY
        green = cls != "industrial" and rng.random() < _rising(year, 0.45, 1.02)
        star = (
            (1 + (rng.random() < 0.4) + (rng.random() < 0.08))
            if green and rng.random() < _rising(year, 0.06, 0.50)
            else 0
        )
        ultra = green and star >= 2 and rng.random() < _rising(year, 0.05, 0.35)
        saving = (
            round(_rising(year, 66.0, 79.0) + rng.uniform(-3.0, 3.0) + (6.0 if ultra else 0.0), 1)
            if cls != "industrial"
            else None
        )
        prefabricated = rng.random() < _rising(year, 0.03, 0.50)
        institution = cls == "public" and kind in ("school", "hospital", "government_office", "culture", "sports")
        roof = round(area / storeys * rng.uniform(0.5, 0.7))
        panels = rng.random() < _rising(year, 0.15, 0.85) and (institution or cls == "industrial" or rng.random() < 0.3)
        pv = round(roof * rng.uniform(0.45, 0.75)) if panels else 0
        material = round(min(_rising(year, 8.0, 44.0) + rng.uniform(-6.0, 6.0), 95.0), 1)
        smart = year >= 2019 and finished and rng.random() < 0.05
        row: Row = {
            "project_code": _code(district, year, number + 1), "project_name": _name(rng, TYPE_NAMES[kind]),
            "stage": ("operation" if rng.random() < 0.4 else "acceptance") if finished else "construction",
            "place": district, "extent": extent, "work": "new",
            "investor": "government" if institution else _pick(rng, {"private": 8, "state_owned": 2}),
            "public_institution": institution, "building_class": cls, "building_type": kind, "gross_area": area, "storeys": float(storeys),
            "approval_date": start - timedelta(days=rng.randrange(300, 500)), "design_review_date": start - timedelta(days=rng.randrange(60, 120)),
            "permit_date": start - timedelta(days=rng.randrange(5, 40)), "start_date": start,
            "climate_zone": "cold_b", "green_standard": green, "green_star": float(star), "energy_standard": True, "ultra_low_energy": ultra, "near_zero_energy": False,
            "electrified": cls == "public" and rng.random() < _rising(year, 0.02, 0.14), "pv_installed": bool(pv),
            "usable_roof_area": float(roof), "pv_area": float(pv), "pv_capacity": round(pv * 0.18, 1), "prefabricated": prefabricated,
            "assembly_rate": float(rng.randrange(32, 76)) if prefabricated else float(rng.randrange(0, 15)),
            "green_construction": rng.random() < _rising(year, 0.4, 1.05), "smart_demo": smart, "energy_retrofit": False,
            "green_material_used": True, "green_material_share": material,
        }  # fmt: skip
        if saving is not None:
            row |= {"saving_rate": saving, "saving_rate_overall": round(saving + rng.uniform(2.0, 6.0), 1)}
        if kind == "housing":
            row |= {
                "housing_kind": _pick(rng, {"commodity": 8, "affordable": 1, "resettlement": 1}),
                "fully_fitted": rng.random() < _rising(year, 0.05, 0.4),
            }
        zones = [name for name, parts in ZONES.items() if district in parts]
        if zones and rng.random() < 0.2:
            row["zone"] = rng.choice(zones)
        if finished:
            waste = (_rising(year, 430, 300) - (90 if prefabricated else 0) + rng.uniform(-30, 30)) / 1e4
            row |= {
                "completion_date": done, "site_waste": round(waste, 5),
                "material_loss_rate": round(_rising(year, 3.3, 2.65) + rng.uniform(-0.2, 0.2), 2),
            }  # fmt: skip
        if smart:
            row["smart_demo_date"] = min(done + timedelta(days=60), LAST_DAY)
        rows.append(row)
    return rows


def _promise(rng: Random, row: Row) -> Row:
    """Return what the design review promised: most of it was kept."""
    promised = ("project_code", "project_name", "place", "zone", "extent", "work", "building_class", "building_type", "gross_area",
                "storeys", "green_standard", "green_star", "prefabricated", "pv_installed", "design_review_date")  # fmt: skip
    return {**_only(row, promised), "stage": "design_review"}


def _renovations(rng: Random, count: int) -> list[Row]:
    rows = []
    for number in range(count):
        district = _district(rng)
        rural = district not in PROPER and number % 4 == 0
        done = _day(rng, date(2016, 4, 1), date(2027, 6, 30))
        finished = done <= LAST_DAY
        cls = "residential" if rural else _pick(rng, {"residential": 7, "public": 3})
        area = float(rng.randrange(60, 700) * 100) * (0.9 if cls == "residential" else 0.6)
        gain = _rising(done.year, 15.0, 25.0) + rng.uniform(-3.0, 4.0) + (6.0 if rural else 0.0)
        row: Row = {
            "project_code": _code(district, done.year - 1, 500000 + number), "project_name": _name(rng, "农房节能改造" if rural else "既有建筑节能改造"),
            "stage": "acceptance" if finished else "construction", "place": district, "extent": "rural" if rural else DISTRICTS[district][2],
            "work": "renovation", "investor": "government", "public_institution": False, "building_class": cls,
            "building_type": "farmhouse" if rural else "housing" if cls == "residential" else rng.choice(("office", "school", "hospital", "commerce")),
            "gross_area": round(area), "start_date": min(done - timedelta(days=rng.randrange(120, 300)), LAST_DAY), "green_standard": False, "green_star": 0.0,
            "ultra_low_energy": False, "near_zero_energy": False, "pv_installed": False, "prefabricated": False, "smart_demo": False,
            "energy_retrofit": True, "retrofit_floor_area": float(round(area * rng.uniform(0.8, 1.0))),
            "renovation_progress": "done" if finished else "under_way", "saving_verified": finished and rng.random() < 0.9,
        }  # fmt: skip
        row["gross_area"] = float(row["gross_area"])
        if rural:
            row["households_retrofitted"] = float(rng.randrange(80, 600))
        if finished:
            row |= {"completion_date": done, "retrofit_saving_rate": round(gain, 1)}
        rows.append(row)
    return rows


def _demolitions(rng: Random, count: int) -> list[Row]:
    rows = []
    for number in range(count):
        district, gone = _district(rng), _day(rng, date(2018, 1, 1), LAST_DAY)
        rows.append({
            "project_code": _code(district, gone.year, 800000 + number), "project_name": _name(rng, "旧址拆除工程"), "stage": "demolition",
            "place": district, "extent": DISTRICTS[district][2], "work": "demolition", "investor": "government", "public_institution": False,
            "building_class": "public", "building_type": "other", "gross_area": float(rng.randrange(10, 120) * 100), "demolition_reason": rng.choice(("planning", "dangerous", "other")), "demolition_date": gone,
            "green_standard": False, "green_star": 0.0, "ultra_low_energy": False, "near_zero_energy": False, "pv_installed": False,
            "prefabricated": False, "smart_demo": False, "energy_retrofit": False,
        })  # fmt: skip
    return rows


def _label(rng: Random, row: Row, number: int) -> Row:
    day = min(row["completion_date"] + timedelta(days=rng.randrange(30, 300)), LAST_DAY)
    return {
        **_only(row, LABEL_COLUMNS), "green_star_label": True, "label_star": row["green_star"], "label_number": f"NO.DEMO-{day.year}-{number:04d}",
        "label_date": day,
    }  # fmt: skip


def _neighbourhoods(rng: Random) -> Book:
    rows = []
    for number in range(300):
        district = _district(rng)
        built = rng.randrange(1978, 2024)
        listed = built <= 2005
        done = _day(rng, date(2019, 3, 1), date(2026, 6, 30)) if listed and rng.random() < 0.93 else None
        households = rng.randrange(120, 2600)
        needed = households // 12
        row: Row = {
            "neighbourhood_code": f"XQ{DISTRICTS[district][3]}{number + 1:04d}", "neighbourhood_name": _name(rng, rng.choice(("苑", "小区", "花园", "里"))),
            "place": district, "extent": DISTRICTS[district][2], "in_city_proper": district in PROPER, "built_year": float(built),
            "households": float(households), "gross_area": float(households * 95), "old_estate": listed, "listed": listed,
            "chargers_needed": float(needed), "chargers_installed": float(int(needed * rng.uniform(0.4, 1.0))), "waste_sorting": rng.random() < 0.97,
        }  # fmt: skip
        if row["waste_sorting"]:
            row["waste_sorting_date"] = _day(rng, date(max(2019, built + 1), 1, 1), date(2026, 6, 30))
        if listed:
            year = done.year - 1 if done else 2024
            row |= {"listed_year": float(max(year, 2018)), "renovation_progress": "done" if done else "under_way"}
        if done:
            row["completion_date"] = done
        rows.append(row)
    columns = ("neighbourhood_code", "neighbourhood_name", "place", "extent", "in_city_proper", "built_year", "households", "gross_area",
               "old_estate", "listed", "listed_year", "renovation_progress", "completion_date", "chargers_needed", "chargers_installed",
               "waste_sorting", "waste_sorting_date")  # fmt: skip
    return Book("neighbourhoods.xlsx", "neighbourhoods", columns, rows, "居住小区")


def _institutions(rng: Random) -> Book:
    rows = []
    for number in range(50):
        district = _district(rng)
        level = "city" if number % 4 == 0 else "county"
        row: Row = {
            "institution_code": f"119901{DISTRICTS[district][3]}DEMO{number + 1:05d}", "institution_name": f"示范市{_name(rng, '局')}" if level == "city" else f"{district}{_name(rng, '局')}",
            "place": district, "institution_kind": "agency", "institution_level": level, "founded_year": float(rng.randrange(1985, 2019)),
            "gross_area": float(rng.randrange(20, 220) * 100), "employees": float(rng.randrange(25, 260)), "conservation_agency": rng.random() < 0.86,
        }  # fmt: skip
        if row["conservation_agency"]:
            row["conservation_date"] = _day(rng, date(2020, 6, 1), date(2025, 12, 20))
        rows.append(row)
    columns = ("institution_code", "institution_name", "place", "institution_kind", "institution_level", "founded_year", "gross_area",
               "employees", "conservation_agency", "conservation_date")  # fmt: skip
    return Book("institutions.csv", "institutions", columns, rows)


def _zones() -> Book:
    table = [
        ("东湾生态城", "东湾区", "eco_district", "built", date(2016, 4, 1), date(2016, 9, 1)), ("西坡绿谷", "西坡区", "eco_district", "built", date(2018, 3, 1), date(2018, 10, 8)),
        ("新岸滨海片区", "新岸区", "eco_district", "under_way", date(2021, 2, 1), date(2021, 8, 20)), ("石桥北城", "石桥市", "eco_district", "under_way", date(2023, 1, 10), date(2023, 6, 1)),
        ("青禾新区", "青禾县", "eco_district", "under_way", date(2025, 2, 1), date(2025, 9, 12)), ("云麓山城", "云麓县", "eco_district", "approved", date(2026, 3, 1), None),
        ("新岸零碳园", "新岸区", "zero_carbon_pilot", "under_way", date(2024, 5, 6), date(2024, 9, 1)), ("东湾零碳街区", "东湾区", "zero_carbon_pilot", "approved", date(2026, 2, 2), None),
    ]  # fmt: skip
    rows: list[Row] = []
    for number, (name, district, kind, progress, approved, started) in enumerate(table):
        row: Row = {
            "zone_code": f"PQ{number + 1:03d}",
            "zone_name": name,
            "place": district,
            "zone_kind": kind,
            "zone_progress": progress,
            "approval_date": approved,
        }
        row |= {"start_date": started} if started else {}
        rows.append(
            row | ({"completion_date": date(started.year + 5, 12, 15)} if started and progress == "built" else {})
        )
    return Book(
        "zones.csv",
        "zones",
        (
            "zone_code",
            "zone_name",
            "place",
            "zone_kind",
            "zone_progress",
            "approval_date",
            "start_date",
            "completion_date",
        ),
        rows,
    )


def _communities(rng: Random) -> Book:
    rows = []
    for number in range(90):
        district = _district(rng)
        row: Row = {
            "community_code": f"SQ{DISTRICTS[district][3]}{number + 1:03d}", "community_name": _name(rng, "社区"), "place": district, "extent": DISTRICTS[district][2],
            "in_city_proper": district in PROPER, "founded_year": float(rng.randrange(1995, 2015)), "complete_community": rng.random() < 0.47,
            "green_community": rng.random() < 0.8,
        }  # fmt: skip
        for name in ("complete_community", "green_community"):
            if row[name]:
                row[f"{name}_date"] = _day(rng, date(2019, 6, 1), date(2025, 12, 1))
        rows.append(row)
    columns = ("community_code", "community_name", "place", "extent", "in_city_proper", "founded_year", "complete_community",
               "complete_community_date", "green_community", "green_community_date")  # fmt: skip
    return Book("communities.csv", "communities", columns, rows)


def _works(rng: Random) -> Book:
    rows = []
    kinds = (("heat_network", "renovation", "供热管网改造", 4.2), ("drains", "rebuild", "雨污分流改造", 4.0), ("utility_tunnel", "new", "综合管廊", 0.6), ("road", "new", "县城道路", 0.9), ("plaza", "new", "县城广场", None))  # fmt: skip
    for number in range(220):
        kind, work, title, length = kinds[number % 5]
        district = rng.choice(("青禾县", "云麓县")) if kind in ("road", "plaza") else _district(rng)
        done = _day(rng, date(2018, 4, 1), LAST_DAY)
        row: Row = {
            "project_code": _code(district, done.year, 900000 + number), "project_name": _name(rng, title), "place": district,
            "extent": DISTRICTS[district][2], "city_district": district in PROPER, "work": work, "works_kind": kind,
            "start_date": done - timedelta(days=rng.randrange(60, 260)), "completion_date": done, "green_construction": True,
        }  # fmt: skip
        if length is not None:
            row["works_length"] = round(length * rng.uniform(1.2, 3.2) * (1.9 if kind == "heat_network" else 1.0), 2)
        if kind == "road":
            row |= {"road_kind": "county_inner", "road_width": float(rng.choice((18, 24, 30, 34)))}
        if kind == "plaza":
            row["plaza_hard_area"] = float(rng.randrange(30, 149) * 100)
        rows.append(row)
    columns = ("project_code", "project_name", "place", "extent", "city_district", "work", "works_kind", "start_date", "completion_date",
               "works_length", "road_kind", "road_width", "plaza_hard_area", "green_construction")  # fmt: skip
    return Book("works.csv", "works", columns, rows)


def _monitored(rng: Random) -> Book:
    rows = []
    for number in range(400):
        district = _district(rng)
        row: Row = {
            "building_code": f"JC{DISTRICTS[district][3]}{number + 1:04d}", "building_name": _name(rng, "楼"), "place": district, "extent": DISTRICTS[district][2],
            "in_city_proper": district in PROPER, "building_class": "public", "building_type": rng.choice(("office", "commerce", "hotel", "hospital", "school")),
            "built_year": float(rng.randrange(1990, 2022)), "gross_area": float(rng.randrange(30, 600) * 100), "on_energy_platform": number % 16 != 0,
        }  # fmt: skip
        if row["on_energy_platform"]:
            row["platform_date"] = _day(rng, date(2014, 6, 1), date(2026, 8, 31))
            row["built_year"] = min(row["built_year"], float(row["platform_date"].year))
        rows.append(row)
    columns = ("building_code", "building_name", "place", "extent", "in_city_proper", "building_class", "building_type", "built_year",
               "gross_area", "on_energy_platform", "platform_date")  # fmt: skip
    return Book("monitored_buildings.csv", "buildings", columns, rows)


def _lamps(rng: Random) -> Book:
    rows: list[Row] = [
        {
            "equipment_code": f"LD{number + 1:03d}", "equipment_name": f"{_name(rng, '路')}路灯", "place": _district(rng), "in_city_proper": True,
            "equipment_kind": "street_lamp", "quantity": float(rng.randrange(300, 3200)), "energy_saving_kind": rng.random() < 0.66,
            "functional_lighting": True, "service_date": _day(rng, date(2010, 1, 1), date(2025, 6, 30)),
        }
        for number in range(60)
    ]  # fmt: skip
    columns = ("equipment_code", "equipment_name", "place", "in_city_proper", "equipment_kind", "quantity", "energy_saving_kind", "functional_lighting", "service_date")  # fmt: skip
    return Book("street_lamps.csv", "equipment", columns, rows)


def _plants(rng: Random) -> Book:
    rows = []
    for number in range(15):
        upgraded = number < 10
        row: Row = {
            "facility_code": f"WS{number + 1:02d}", "facility_name": _name(rng, "污水处理厂"), "place": PROPER[number % 3], "in_city_proper": True,
            "operation_date": date(2000 + number, 6, 1), "plant_upgraded": upgraded, "effluent_standard": "quasi_class_four" if upgraded else "grade_one_a",
        }  # fmt: skip
        rows.append(row | ({"upgrade_date": date(2017 + number * 9 // 10, 11, 20)} if upgraded else {}))
    columns = ("facility_code", "facility_name", "place", "in_city_proper", "operation_date", "plant_upgraded", "upgrade_date", "effluent_standard")  # fmt: skip
    return Book("sewage_plants.csv", "sewage_plants", columns, rows)


def _smart() -> Book:
    table = [("smart_factory", "构件智能工厂", [2021, 2021, 2022, 2023, 2023, 2024, 2025, 2025, 2025]), ("internet_platform", "建筑产业互联网平台", [2021, 2023, 2026]), ("industry_base", "智能建造产业基地", [2024])]  # fmt: skip
    rows: list[Row] = []
    for kind, title, years in table:
        for number, year in enumerate(years):
            place = list(DISTRICTS)[(number + len(rows)) % 6]
            rows.append({
                "facility_code": f"ZN{len(rows) + 1:02d}", "facility_name": f"示范{title}{number + 1}号", "place": place, "smart_facility_kind": kind,
                "recognised_date": date(year, 3 + number % 5, 15), "address": f"{place}建业路{number + 1}号", "recognised_number": f"示建〔{year}〕{20 + number}号", "evidence_files": "认定文件.pdf", "recognised_by": "示范市住房和城乡建设局",
            })  # fmt: skip
    return Book(
        "smart_facilities.csv",
        "smart_facilities",
        (
            "facility_code",
            "facility_name",
            "place",
            "smart_facility_kind",
            "recognised_date",
            "recognised_by",
            "recognised_number",
            "address",
            "evidence_files",
        ),
        rows,
    )


def _documents() -> Book:
    table = [
        ("green_development", "policy", "绿色发展体制机制工作方案", 2024, date(2024, 12, 31), date(2024, 11, 6)), ("green_development", "rule", "绿色建造管理办法", 2025, date(2025, 12, 31), date(2025, 12, 26)),
        ("transition", "conclusion", "绿色低碳转型评估结论", 2026, None, None), ("annual_report", "report", "2024年度工作情况报告", 2024, date(2024, 10, 31), date(2024, 10, 28)),
        ("annual_report", "report", "2025年度工作情况报告", 2025, date(2025, 10, 31), date(2025, 10, 30)),
    ]  # fmt: skip
    rows: list[Row] = []
    for number, (topic, kind, title, year, due, issued) in enumerate(table):
        row: Row = {"document_code": f"WJ{number + 1:02d}", "document_title": title, "place": "示范市", "document_kind": kind, "document_topic": topic,
                    "plan_clause": "一（三）" if topic in ("green_development", "transition") else "五（二十二）", "planned_year": float(year),
                    "issued": issued is not None}  # fmt: skip
        row |= {"due_date": due} if due else {}
        done = {
            "issued_date": issued,
            "document_number": f"示政办发〔{year}〕{30 + number}号",
            "evidence_files": "正文.pdf",
        }
        rows.append(row | (done if issued else {}))
    columns = (
        "document_code",
        "document_title",
        "place",
        "document_kind",
        "document_topic",
        "plan_clause",
        "planned_year",
        "due_date",
        "issued",
        "issued_date",
        "document_number",
        "evidence_files",
    )
    return Book("documents.csv", "documents", columns, rows)


def _waste() -> Book:
    rows: list[Row] = []
    for year in range(2018, 2026):
        for number, (district, (_, share, _, _)) in enumerate(DISTRICTS.items()):
            mass = round(3.6e6 * share * (1 + 0.01 * (year - 2018)))
            rows.append({"record_code": f"LJ{year}-{number:02d}", "facility_name": f"{district}工地", "place": district, "record_year": float(year), "waste_record_kind": "source", "soil_included": False, "waste_produced": float(mass)})  # fmt: skip
        for number, (district, (_, share, _, _)) in enumerate(DISTRICTS.items()):
            mass = round(3.6e6 * share * (1 + 0.01 * (year - 2018)) * (0.415 + 0.03 * (year - 2018)))
            rows.append({"record_code": f"CZ{year}-{number:02d}", "facility_name": f"{district}资源化利用厂", "place": district, "record_year": float(year), "waste_record_kind": "plant", "soil_included": False, "waste_received": float(mass + 20000), "waste_recovered": float(mass)})  # fmt: skip
    columns = ("record_code", "facility_name", "place", "record_year", "waste_record_kind", "soil_included", "waste_produced", "waste_received", "waste_recovered")  # fmt: skip
    return Book("waste_records.csv", "waste_records", columns, rows)


def _clearance(rng: Random) -> Book:
    rows: list[Row] = []
    for number in range(24):
        found = _day(rng, date(2018, 1, 1), date(2022, 12, 31))
        rows.append({
            "clearance_code": f"QL{number + 1:02d}", "clearance_name": _name(rng, rng.choice(("河", "沟", "渠"))), "place": PROPER[number % 3],
            "in_built_up_area": True, "clearance_kind": "black_water" if number % 2 else "combined_sewer", "found_date": found, "cleared": True,
            "cleared_date": _day(rng, found + timedelta(days=90), date(2025, 12, 18)), "works_length": round(rng.uniform(0.4, 6.0), 1), "evidence_files": "销号意见.pdf",
        })  # fmt: skip
    columns = (
        "clearance_code",
        "clearance_name",
        "place",
        "in_built_up_area",
        "clearance_kind",
        "found_date",
        "cleared",
        "cleared_date",
        "works_length",
        "evidence_files",
    )
    return Book("water_clearance.csv", "clearance_items", columns, rows)


def _villages(rng: Random) -> Book:
    rows = []
    shares = {"东湾区": 1, "西坡区": 1, "新岸区": 7, "青禾县": 13, "云麓县": 12, "石桥市": 9}
    for number in range(430):
        district = _pick(rng, shares)
        row: Row = {
            "village_code": f"CZ{DISTRICTS[district][3]}{number + 1:04d}", "village_name": _name(rng, "村"), "place": district, "founded_year": float(rng.randrange(1960, 1995)),
            "municipal_model": number % 3 == 0, "provincial_model": number % 10 == 0, "sewage_treated": rng.random() < 0.69,
        }  # fmt: skip
        if row["municipal_model"]:
            row["municipal_model_date"] = date(2021 + number // 3 % 6, 8, 15)
        if row["provincial_model"]:
            row["provincial_model_date"] = date(2019 + number // 10 % 7, 10, 15)
        if row["sewage_treated"]:
            row["sewage_treated_date"] = _day(rng, date(2016, 1, 1), date(2026, 6, 30))
        rows.append(row)
    columns = ("village_code", "village_name", "place", "founded_year", "municipal_model", "municipal_model_date", "provincial_model",
               "provincial_model_date", "sewage_treated", "sewage_treated_date")  # fmt: skip
    return Book("villages.csv", "villages", columns, rows)


def _renewal(rng: Random) -> list[Book]:
    units: list[Row] = [
        {"zone_code": f"GX{number + 1:02d}", "zone_name": _name(rng, "更新片区"), "place": PROPER[number % 3], "existing_floor_area": float(rng.randrange(20, 60) * 10000), "approval_date": date(2020 + number % 5, 4, 10)}
        for number in range(9)
    ]  # fmt: skip
    gone: list[Row] = []
    for number in range(40):
        unit = units[number % 9]
        day = (
            _day(rng, date(unit["approval_date"].year + 1, 1, 1), date(2026, 6, 30))
            if unit["approval_date"].year < 2026
            else LAST_DAY
        )
        gone.append({
            "demolition_code": f"CC{number + 1:03d}", "building_name": _name(rng, "旧楼"), "place": unit["place"], "extent": "urban", "renewal_unit": unit["zone_code"],
            "gross_area": 9000.0, "demolished_area": float(rng.randrange(20, 90) * 100), "demolition_reason": _pick(rng, {"planning": 7, "dangerous": 2, "illegal": 1}), "demolition_date": day,
        })  # fmt: skip
    return [
        Book("renewal_units.csv", "renewal_units", ("zone_code", "zone_name", "place", "existing_floor_area", "approval_date"), units),
        Book("demolitions.csv", "demolitions", ("demolition_code", "building_name", "place", "extent", "renewal_unit", "gross_area", "demolished_area", "demolition_reason", "demolition_date"), gone),
    ]  # fmt: skip


@dataclass(frozen=True)
class Planted:
    """A contradiction that was put in, and what must be found."""

    id: str
    file: str
    keys: tuple[str, ...]
    what: str
    found: str
    """Name of the finding; `candidate` for two names of one thing, `promise` for a promise that was not kept."""


def plant(books: Mapping[str, Book]) -> list[Planted]:
    """Put the contradictions into the ledgers, always in the same rows; return what must be found."""
    projects = books["projects.csv"].rows
    built = [
        row
        for row in projects
        if row["work"] == "new" and "completion_date" in row and row["extent"] == "urban" and "zone" not in row
    ]
    singles = [
        row
        for row in built
        if sum(other["project_code"] == row["project_code"] for other in projects) == 1
        and row["building_class"] == "public"
    ]
    Random(SEED).shuffle(singles)
    taken = iter(singles)
    planted: list[Planted] = []

    def put(name: str, rows: Sequence[Row], what: str, found: str, file: str = "projects.csv") -> None:
        planted.append(Planted(name, file, tuple(row["project_code"] for row in rows), what, found))

    row = next(taken)
    twin = {
        **row,
        "project_code": row["project_code"].replace("-47-01-", "-47-02-"),
        "project_name": f"{row['project_name']}建设工程",
    }
    projects.append(twin)
    put("twin", [row, twin], "同一项目以两个代码、两个名称报了两次，面积、地点、日期相同", "candidate")

    rows = [next(taken) for _ in range(3)]
    for row in rows:
        row["gross_area"] = round(row["gross_area"] / 1e4, 2)
    put("area-unit", rows, "总建筑面积按万平方米填写", "ledger.projects.area-unit")

    row = next(taken)
    row["completion_date"] = row["start_date"] - timedelta(days=40)
    put("dates", [row], "竣工日期早于开工日期", "ledger.projects.start-before-completion")

    row = next(taken)
    projects.append(
        {
            **_only(row, PROJECT_COLUMNS[:13]),
            "stage": "design_review",
            "zone": "",
            "green_standard": True,
            "green_star": 3.0,
            "design_review_date": row["design_review_date"],
        }
    )
    row |= {"green_standard": True, "green_star": 1.0, "ultra_low_energy": False}
    put("star-promise", [row], "图审阶段三星，竣工验收一星", "promise")

    row = next(taken)
    row["place"] = "示范高新区"
    put("zone-without-district", [row], "所在地只写了功能区，跨两个区，区县不明", "ledger.place.only-zone")

    row = next(item for item in taken if item["place"] == "西坡区")
    row["zone"] = "示范生态新城"
    put("zone-elsewhere", [row], "功能区不在所填的区内", "ledger.place.zone-elsewhere")

    row = next(taken)
    row |= {"prefabricated": True, "assembly_rate": 12.0}
    put("assembly-rate", [row], "记为装配式而装配率只有12%", "ledger.projects.prefabricated-rate")
    row = next(taken)
    row["prefabricated"] = True
    row.pop("assembly_rate", None)
    put("no-assembly-rate", [row], "记为装配式而没有装配率：该条要求应答未知", "unknown")

    row = next(taken)
    row |= {
        "pv_installed": True,
        "pv_area": row["usable_roof_area"] * 2,
        "pv_capacity": round(row["usable_roof_area"] * 2 * 0.18, 1),
    }
    put("pv-area", [row], "光伏组件面积大于可利用屋顶面积", "ledger.projects.pv-area")

    row = next(taken)
    row["gross_area"] = 0.0
    put("area-zero", [row], "总建筑面积为0", "ledger.number.zero-area")

    row = next(taken)
    row |= {"green_standard": True, "green_star": "二星"}
    put("star-words", [row], "星级写作“二星”：按2收下，不是毛病", "")

    row = next(taken)
    row["completion_date"] = date(2027, 3, 31)
    put("future", [row], "竣工日期在导入之日以后", "ledger.date.future")

    row = next(taken)
    projects.append(dict(row))
    put("duplicate-row", [row], "完全相同的一行报了两次", "ledger.row.duplicate")

    row = next(taken)
    former = {
        **row,
        "project_code": row["project_code"].replace("-47-01-", "-47-03-"),
        "project_name": row["project_name"] + "（原名）",
    }
    projects.append(former)
    put("renamed", [former, row], "项目换了代码；连接登记在工作区目录的 links.yaml，只计一次", "link")

    row = next(taken)
    parts = [
        {
            **row,
            "project_code": f"{row['project_code']}-{part}",
            "project_name": f"{row['project_name']}{part}期",
            "gross_area": row["gross_area"] / 2,
        }
        for part in (1, 2)
    ]
    projects += parts
    put("split", [row, *parts], "项目一分为二；连接登记在工作区目录的 links.yaml，原项目不再计入", "link")

    label = next(
        item for item in books["green_labels.csv"].rows if item["green_star"] == 1.0 and item["extent"] == "urban"
    )
    label |= {"green_star": 2.0, "label_star": 2.0, "gross_area": label["gross_area"] + 500.0}
    put(
        "label-disagrees",
        [label],
        "标识台账的面积与项目台账不同",
        "buildings.rollup.registers-disagree",
        "green_labels.csv",
    )
    projects.sort(key=_by_code)
    return planted


def heads(book: Book, catalog: Catalog) -> list[str]:
    """Return the column heads as a clerk would write them: Chinese names, units in brackets."""
    asked = {column.field: column.unit for column in catalog.registers[book.register].fields}
    texts = []
    for name in book.columns:
        unit = asked[name] or catalog.fields[name].unit or ""
        shown = UNITS.get(unit, unit)
        texts.append(
            catalog.fields[name].zh
            + (
                f"（{shown}）"
                if shown and catalog.fields[name].type == "number" and shown not in ("年", "ratio")
                else ""
            )
        )
    return texts


def cells(book: Book, row: Row, catalog: Catalog) -> list[str]:
    """Return a row as a clerk would write it: 是 and 否, options by name, numbers in the unit of the book."""
    asked = {column.field: column.unit for column in catalog.registers[book.register].fields}
    shown = []
    for name in book.columns:
        known, value = catalog.fields[name], row.get(name)
        if value is None:
            shown.append("")
        elif isinstance(value, bool):
            shown.append("是" if value else "否")
        elif isinstance(value, date):
            shown.append(value.isoformat())
        elif isinstance(value, float):
            unit = asked[name]
            number = convert(value, known.unit, unit) if unit is not None and known.unit is not None else value
            shown.append(f"{number:.6f}".rstrip("0").rstrip("."))
        else:
            shown.append(next((option.zh for option in known.options if option.code == value), str(value)))
    return shown


def write(book: Book, folder: Path, catalog: Catalog) -> None:
    """Write one book: a text table, or a workbook whose bytes do not depend on the day."""
    lines = [heads(book, catalog), *(cells(book, row, catalog) for row in book.rows)]
    path = folder / book.file
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(lines)
        return
    with xlsxwriter.Workbook(path) as workbook:
        workbook.set_properties({"title": "虚构的演示台账", "author": "dafeng", "created": datetime(2026, 1, 1)})
        sheet = workbook.add_worksheet(book.sheet)
        numbers = {at for at, name in enumerate(book.columns) if catalog.fields[name].type == "number"}
        for line, texts in enumerate(lines):
            for at, text in enumerate(texts):
                if text and line and at in numbers:
                    sheet.write_number(line, at, float(text))
                elif text:
                    sheet.write_string(line, at, text)


def links_yaml(planted: Sequence[Planted]) -> str:
    """Return the links of the demonstration's catalog: what a person decided about keys."""
    lines = [
        "# 台账中改名、拆分项目的连接，由 scripts/make_demo_ledgers.py 写出；虚构。",
        "# Decisions about keys of the demonstration's ledgers; written by scripts/make_demo_ledgers.py.",
        "links:",
    ]
    for one in planted:
        if one.found == "link":
            former, present = one.keys[:1], one.keys[1:]
            kind = "renamed" if one.id == "renamed" else "split"
            lines.append(
                f"  - {{id: demo-{one.id}, subject: project, kind: {kind}, former: [{', '.join(former)}], present: [{', '.join(present)}], "
                "by: 示范市住房和城乡建设局, decided_on: 2026-10-09, reason: 虚构}"
            )
    return "\n".join(lines) + "\n"


def planted_yaml(planted: Sequence[Planted]) -> str:
    """Return the list of what was planted and what must be found."""
    lines = [
        "# 有意放进台账的矛盾，及应当由什么发现；由 scripts/make_demo_ledgers.py 写出。",
        "# Contradictions in the ledgers, and what must find them.",
        "planted:",
    ]
    for one in planted:
        keys = ", ".join(one.keys)
        lines.append(
            f"  - {{id: {one.id}, file: {one.file}, keys: [{keys}], what: {one.what}, found: {one.found or 'none'}}}"
        )
    return "\n".join(lines) + "\n"


def imports_yaml(books: Mapping[str, Book]) -> str:
    """Return the list of imports, file by file."""
    lines = ["# 演示台账的导入清单。", "# Ledgers of the demonstration in the order of import.", "ledgers:"]
    lines += [f"  - {{file: {book.file}, register: {book.register}}}" for book in books.values()]
    return "\n".join(lines) + "\n"


def demo_catalog() -> Catalog:
    """Return the shipped catalog with that of the Demo City laid over it."""
    entries, faults = read_entries([shipped_folder(), DEMO / "catalog"])
    if faults:
        raise SystemExit(f"the catalog has faults, first {faults[0].sentence}")
    return Catalog(entries)


def main(folder: Path, links: Path | None = None) -> None:
    """Write all ledgers, the list of what was planted, the list of imports, and the links beside them or into the catalog."""
    catalog = demo_catalog()
    books = make_ledgers()
    planted = plant(books)
    folder.mkdir(parents=True, exist_ok=True)
    for book in books.values():
        write(book, folder, catalog)
    (folder / "planted.yaml").write_text(planted_yaml(planted), encoding="utf-8")
    (folder / "imports.yaml").write_text(imports_yaml(books), encoding="utf-8")
    (links or folder / "links.yaml").write_text(links_yaml(planted), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        main(FOLDER, DEMO / "catalog" / "links.yaml")
