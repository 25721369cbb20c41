"""A workspace with meters, for tests of the metering workflow and command line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dafeng.catalog import load_catalog
from dafeng.lake import Workspace
from dafeng.workflow.ledgers import import_ledger
from dafeng.workflow.metering_import import MeterFileOutcome, MeterImportOptions, import_meter_file
from dafeng.workflow.metering_rollup import MeterRollup, compact_meters, roll_up_meters
from dafeng.workflow.setting import Setting

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
METER_HEADS = (
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
    "停用日期",
    "接替表计",
)
BUILDING_HEADS = (
    "建筑代码",
    "建筑名称",
    "所在地",
    "所在地域",
    "建筑大类",
    "建筑类型",
    "建成年份",
    "总建筑面积（平方米）",
)
HOME = ("370202A001", "某楼", "qingdao-shinan", "城镇（县城以外）", "公共建筑", "商业办公", "2010", "10000")


def write_table(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(heads)
        writer.writerows(rows)
    return path


def building_rows(*codes: str, place: str = "qingdao-shinan") -> list[tuple[str, ...]]:
    return [(code, f"{code}楼", place, *HOME[3:]) for code in codes]


def meter_row(name: str, building: str = "370202A001", item: str = "01000", **more: object) -> list[object]:
    given = {
        "表计编号": name, "表计名称": f"表{name}", "所在地": "qingdao-shinan", "建筑编码": building, "能源种类": "电",
        "分项编码": item, "读数单位": "kWh", "综合倍率": 1, "启用日期": "2020-01-01", **more,
    }  # fmt: skip
    return [given.get(head, "") for head in METER_HEADS]


def write_ledgers(
    folder: Path, meters: Sequence[Sequence[object]], buildings: Sequence[Sequence[object]] | None = None
) -> tuple[Path, Path]:
    """Write the ledgers of meters and buildings, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return (
        write_table(folder / "meters.csv", METER_HEADS, meters),
        write_table(folder / "buildings.csv", BUILDING_HEADS, buildings or [HOME]),
    )


def make_city(
    folder: Path, meters: Sequence[Sequence[object]], buildings: Sequence[Sequence[object]] | None = None
) -> Setting:
    """Return a workspace whose ledgers hold meters and buildings."""
    workspace = Workspace.create(folder / "w", title="试", place="qingdao")
    setting = Setting(load_catalog(), workspace)
    for path, register in zip(write_ledgers(folder, meters, buildings), ("meters", "buildings"), strict=True):
        outcome = import_ledger(setting, path, register, recorded_at=NOW)
        assert not outcome.refused, outcome.findings
    return setting


def write_readings(path: Path, series: Mapping[str, Iterable[tuple[str, float]]]) -> Path:
    """Write registers: meter to (local time, value)."""
    rows = [(name, time, value) for name, points in series.items() for time, value in points]
    return write_table(path, ("表号", "采集时间", "表底(kWh)"), rows)


def steady(
    start: str, hours: float, *, step: int = 60, rate: float = 1.0, first: float = 1000.0
) -> list[tuple[str, float]]:
    """Return a register that grows by `rate` an hour, read every `step` minutes, its first reading at `start`."""
    begun = datetime.fromisoformat(start)
    count = round(hours * 60 / step)
    return [
        ((begun + timedelta(minutes=step * number)).isoformat(" "), first + rate * step * number / 60)
        for number in range(count + 1)
    ]


def take(setting: Setting, path: Path, *, at: datetime = NOW, **options: object) -> MeterFileOutcome:
    return import_meter_file(setting, path, MeterImportOptions.model_validate(options), recorded_at=at)


def roll(setting: Setting, *, at: datetime = NOW, **options: object) -> MeterRollup:
    return roll_up_meters(setting, recorded_at=at, **options)  # type: ignore[arg-type]


def batch_rows(number: int) -> dict[str, list[tuple[str, float]]]:
    """Return the readings of a day of two meters, which go on where those of the day before ended."""
    day = str(datetime(2024, 1, 1) + timedelta(days=number))
    return {
        "m": steady(day, 24, first=1000 + 24 * number),
        "l": steady(day, 24, rate=0.25, first=50 + 6 * number),
    }


def work_on_batches(setting: Setting, folder: Path, number: int, started: Any) -> None:
    """Import a day after a day, compact, roll up, until killed."""
    started.put(True)
    while True:
        at = NOW + timedelta(minutes=number)
        take(setting, write_readings(folder / f"{number}.csv", batch_rows(number)), at=at)
        compact_meters(setting)
        roll(setting, at=at)
        number += 1
