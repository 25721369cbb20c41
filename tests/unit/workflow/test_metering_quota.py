"""A year in a normal year's weather through the workflow, worked out by hand; refusals by name."""

import math
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.errors import NotEnoughDataError, UsageError
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_quota import normal_use, yearly_use
from metering_city import make_city, meter_row, roll, take, write_table

YEAR = [date(2024, 1, 1) + timedelta(days=day) for day in range(366)]


def warmth(day: int, shift: float) -> float:
    return round(13 - 14 * math.cos(2 * math.pi * (day - 15) / 365) + shift, 1)


def test_use_in_a_normal_year_is_what_was_used_less_what_the_weather_added(tmp_path: Path) -> None:
    setting = make_city(tmp_path, [meter_row("m", 数据类型="区间")])
    actual = [warmth(day, -1.0) for day in range(366)]
    normal = [warmth(day, 0.0) for day in range(365)]
    heat = [max(0.0, 18 - degrees) for degrees in actual]
    use = [50 + 3 * one for one in heat]
    rows = [
        ("m", f"{day} 00:00", f"{day + timedelta(days=1)} 00:00", amount) for day, amount in zip(YEAR, use, strict=True)
    ]
    take(setting, write_table(tmp_path / "u.csv", ("表号", "开始时间", "结束时间", "用量(kWh)"), rows))
    roll(setting)
    (row,) = yearly_use(open_house(setting), (2024, 2024)).iter_rows(named=True)
    assert (row["amount"], row["coverage"]) == (pytest.approx(sum(use)), pytest.approx(1))
    with pytest.raises(NotEnoughDataError, match="没有实际天气"):
        normal_use(setting, (2024, 2024))
    weather = write_table(tmp_path / "w.csv", ("日期", "平均气温"), zip(YEAR, actual, strict=True))
    take(setting, weather, station="54857", dataset="met")
    with pytest.raises(NotEnoughDataError, match="没有 54857 站的典型年"):
        normal_use(setting, (2024, 2024))
    days = [(datetime(2001, 1, 1) + timedelta(days=day)).date() for day in range(365)]
    typical = write_table(tmp_path / "t.csv", ("日期", "平均气温"), zip(days, normal, strict=True))
    take(setting, typical, station="54857", dataset="tmy", typical=True)
    found, station = normal_use(setting, (2024, 2024))
    (row,) = found.iter_rows(named=True)
    added = 3 * (sum(heat) - sum(max(0.0, 18 - degrees) for degrees in normal))
    assert station == "54857"
    assert row["reason"] == ""
    assert (row["weather"], row["normal"]) == (
        pytest.approx(added, rel=1e-6),
        pytest.approx(sum(use) - added, rel=1e-6),
    )
    take(
        setting,
        write_table(tmp_path / "x.csv", ("日期", "平均气温"), zip(YEAR, actual, strict=True)),
        station="1",
        dataset="met",
    )
    with pytest.raises(UsageError, match="several stations"):
        normal_use(setting, (2024, 2024))


def test_months_without_readings_are_not_covered(tmp_path: Path) -> None:
    setting = make_city(tmp_path, [meter_row("m", 数据类型="区间")])
    rows = [("m", f"{day} 00:00", f"{day + timedelta(days=1)} 00:00", 24) for day in YEAR[31:60]]
    take(setting, write_table(tmp_path / "u.csv", ("表号", "开始时间", "结束时间", "用量(kWh)"), rows))
    roll(setting)
    found = yearly_use(open_house(setting), (2023, 2024))
    assert found.select("period", "amount", pl.col("coverage").round(6)).rows() == [
        ("2024", 29 * 24.0, round(29 / 366, 6))
    ]
