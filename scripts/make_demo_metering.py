"""Write the invented meters, readings and weather of the Demo City, byte for byte the same on every run.

    python scripts/make_demo_metering.py [FOLDER]

FOLDER is `src/dafeng/workflow/demo_city/data/metering` where none is given. Nothing here speaks of a real place. `make_metering`
returns what the meters measured in truth, hour by hour, before outage, replacement and roll-over: tests compare.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

DEMO = Path(__file__).resolve().parents[1] / "src" / "dafeng" / "workflow" / "demo_city"
FOLDER = DEMO / "data" / "metering"
SEED = 20260331
FIRST = datetime(2026, 1, 1)
DAYS = 90
HOURS = DAYS * 24
COUNT = 12
OUTAGE = (datetime(2026, 2, 3, 5), datetime(2026, 2, 3, 11))
"""Readings of the second building that never came, of both bounds the one before and after did."""
REPLACED = datetime(2026, 2, 15, 10, 30)
LATE = (datetime(2026, 3, 21), datetime(2026, 4, 1))
MODULUS = 100_000
HEADS = (
    "表计编号",
    "表计名称",
    "所在地",
    "建筑编码",
    "能源种类",
    "分项编码",
    "读数单位",
    "综合倍率",
    "额定功率",
    "满度值",
    "数据类型",
    "上级表计",
    "启用日期",
)
NAMES = {"01000": "总表", "01A00": "照明插座", "01B00": "空调", "04000": "热力总表"}


@dataclass(frozen=True)
class DemoMeter:
    """A meter with what it measured: use of each hour, and the register at the beginning."""

    id: str
    building: dict[str, str]
    item: str
    use: np.ndarray
    start: float
    modulus: int | None
    parent: str


def monitored_buildings() -> list[dict[str, str]]:
    """Return the first buildings of the ledger that are on the platform."""
    with (DEMO / "data" / "ledgers" / "monitored_buildings.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["是否接入用能监管平台"] == "是"]
    return rows[:COUNT]


def temperatures(generator: np.random.Generator) -> np.ndarray:
    """Return mean temperatures of the days of a winter quarter in °C."""
    day = np.arange(DAYS)
    return np.round(-2 + 12 * (day / DAYS) ** 1.6 + generator.normal(0, 2.2, DAYS), 1)


def make_metering() -> tuple[list[DemoMeter], np.ndarray]:
    """Return the meters with their true use by the hour, and the temperature of each day."""
    generator = np.random.default_rng(SEED)
    warmth = temperatures(generator)
    hour = np.arange(HOURS) % 24
    weekday = np.array([(FIRST + timedelta(days=int(day))).weekday() for day in range(DAYS)])
    open_ = np.repeat(weekday < 5, 24) & (hour >= 8) & (hour < 19)
    cold = np.repeat(np.maximum(0, 18 - warmth), 24)
    meters = []
    for number, building in enumerate(monitored_buildings(), start=1):
        area = float(building["总建筑面积（平方米）"])
        scale = area / 1000
        light = scale * (1.2 + 4.5 * open_) * generator.uniform(0.9, 1.1, HOURS)
        air = scale * (0.3 + 0.16 * cold * np.where(open_, 1.0, 0.35)) * generator.uniform(0.85, 1.15, HOURS)
        other = scale * 0.9 * generator.uniform(0.9, 1.1, HOURS)
        main = f"DB{number:02d}-1"
        parts = [(main, "01000", light + air + other, "")]
        if number <= 8:
            parts += [(f"DB{number:02d}-2", "01A00", light, main), (f"DB{number:02d}-3", "01B00", air, main)]
        if number in (6, 7):
            parts.append(
                (f"DB{number:02d}-9", "04000", scale * 0.0042 * cold * generator.uniform(0.95, 1.05, HOURS), "")
            )
        for name, item, use, parent in parts:
            kept = np.round(use, 3 if item == "04000" else 1)
            start = 99_200.0 if name == "DB03-1" else float(np.round(generator.uniform(1_000, 40_000), 1))
            modulus = MODULUS if name == "DB03-1" else None
            meters.append(DemoMeter(name, building, item, kept, start, modulus, parent))
    return meters, warmth


def registers(meter: DemoMeter) -> pl.DataFrame:
    """Return what the register of a meter showed at each full hour."""
    total = np.concatenate([[meter.start], meter.start + np.cumsum(meter.use)])
    if meter.modulus is not None:
        total = total % meter.modulus
    at = [FIRST + timedelta(hours=number) for number in range(HOURS + 1)]
    frame = pl.DataFrame({"表号": meter.id, "采集时间": at, "表底": np.round(total, 3)})
    return frame.with_columns(pl.col("采集时间").cast(pl.Datetime("us")))


def sent(meters: list[DemoMeter]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the readings that came in time, and those that came late."""
    timely, late = [], []
    at = pl.col("采集时间")
    for meter in meters:
        number, frame = int(meter.id[2:4]), registers(meter)
        if number == COUNT:
            continue  # silent
        if number == 2:
            frame = frame.filter((at <= OUTAGE[0]) | (at >= OUTAGE[1]))
        if meter.id == "DB04-1":
            hours = int((REPLACED - FIRST).total_seconds() // 3600)
            gone = meter.start + meter.use[:hours].sum() + meter.use[hours] / 2
            frame = frame.with_columns(
                pl.when(at > REPLACED).then((pl.col("表底") - gone).round(3)).otherwise("表底").alias("表底")
            )
        if number == 5:
            within = (at > LATE[0]) & (at <= LATE[1])
            late.append(frame.filter(within))
            frame = frame.filter(~within)
        timely.append(frame)
    return pl.concat(timely), pl.concat(late)


def replaced_at(meters: list[DemoMeter]) -> float:
    """Return what the old register of the replaced meter showed at its end."""
    meter = next(one for one in meters if one.id == "DB04-1")
    hours = int((REPLACED - FIRST).total_seconds() // 3600)
    return float(np.round(meter.start + meter.use[:hours].sum() + meter.use[hours] / 2, 3))


def write_metering(folder: Path) -> None:
    """Write ledger, readings, weather and the list of imports."""
    folder.mkdir(parents=True, exist_ok=True)
    meters, warmth = make_metering()
    with (folder / "meters.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADS)
        for meter in meters:
            heat = meter.item == "04000"
            writer.writerow(
                (meter.id, f"{meter.building['建筑名称']}{NAMES[meter.item]}", meter.building["所在地（区划或功能区标识）"],
                 meter.building["建筑代码"], "集中供热" if heat else "电", meter.item, "GJ" if heat else "kWh", 1, "",
                 meter.modulus or "", "累计", meter.parent, date(2024, 1, 1).isoformat())
            )  # fmt: skip
    timely, late = sent(meters)
    timely.write_parquet(folder / "readings.parquet", compression="zstd", compression_level=19, statistics=False)
    late.write_csv(folder / "late.csv", datetime_format="%Y-%m-%d %H:%M", line_terminator="\n")
    with (folder / "weather.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("日期", "平均气温"))
        writer.writerows(
            ((FIRST + timedelta(days=day)).date().isoformat(), value) for day, value in enumerate(warmth.tolist())
        )
    text = f"""# 演示计量数据的导入清单，全部虚构，由 scripts/make_demo_metering.py 写出。
# Metering of the demonstration in the order of import; late.csv comes after the first roll-up. Every figure is invented.
meters: meters.csv
readings: readings.parquet
late: late.csv
weather: {{file: weather.csv, station: demo-station, dataset: demo-weather}}
events:
  - {{meter: DB04-1, kind: replacement, at: "{REPLACED:%Y-%m-%d %H:%M}", before: {replaced_at(meters)}, after: 0, by: 示范市能耗监测中心, reason: 到期换表（虚构）}}
"""
    (folder / "imports.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_metering(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
