"""Typical years and measured weather of the reference material: degree-days, zones and what is not taken for granted."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.weather import Station, WeatherKind
from dafeng.intake.weather import read_epw, read_weather_table
from dafeng.lake.weather import WeatherLake
from dafeng.methods.climate import climate_zone, daily_means, degree_days

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ZONES = {
    "Changchun": "severe_cold_c", "Siping": "severe_cold_c", "Yanji": "severe_cold_c", "Qingdao.Intl.AP": "cold_a", "Weifang": "cold_a",
    "Jinan": "cold_b", "Jinan.Tsinan": "cold_b", "Shanghai": "hot_summer_cold_winter_a", "Guangzhou": "hot_summer_warm_winter_b",
    "Kunming-Wujiaba.AP": "mild_a",
}  # fmt: skip


def test_degree_days_and_zones_of_typical_years(shared: Path) -> None:
    folder = shared / "data" / "weather_epw"
    with (folder / "stations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        said = read_epw(folder / row["file"], received_at=NOW)
        assert (said.station.wmo, said.station.latitude) == (row["wmo"], float(row["lat"]))
        assert said.counts["temperature"] == 8760
        found = degree_days(daily_means(said.frame), date(2001, 1, 1), date(2002, 1, 1))
        assert (found.heating, found.cooling) == (
            pytest.approx(float(row["hdd18"]), abs=1),
            pytest.approx(float(row["cdd26"]), abs=1),
        )
        assert said.frame["ghi"].sum() / 1000 == pytest.approx(float(row["ghi_kwh_m2"]), abs=1)
        assert said.frame["temperature"].mean() == pytest.approx(float(row["t_mean_c"]), abs=0.01)
        zone = climate_zone(found.heating or 0, found.cooling or 0)
        if row["city"] in ZONES:
            assert zone.zone == ZONES[row["city"]], row["city"]
    # Beijing lies in cold B by the standard; this typical year alone, with 71 °C·d, would say cold A.


def test_measured_weather_goes_through_the_lake(shared: Path, tmp_path: Path) -> None:
    station = Station(id="bedford", name="Bedford", latitude=52.23, longitude=-0.47, utc_offset=0)
    said = read_weather_table(
        shared / "data" / "meters_cambridge" / "context_hourly.parquet",
        station=station,
        dataset="midas",
        received_at=NOW,
    )
    assert said.kind is WeatherKind.ACTUAL
    raw = pl.read_parquet(shared / "data" / "meters_cambridge" / "context_hourly.parquet")
    assert said.frame.height == raw.height
    assert said.frame["temperature"].count() == raw["air_temperature_c"].count()
    lake = WeatherLake(tmp_path)
    lake.append(said.frame, batch="one", station=station)
    assert lake.append(said.frame, batch="two", station=station).unchanged == raw.height
    year = lake.read("bedford", start=date(2018, 1, 1), end=date(2019, 1, 1))
    means = daily_means(year, zone="UTC")
    found = degree_days(means, date(2018, 1, 1), date(2019, 1, 1))
    # Second route: means of calendar days by group, straight from the file.
    daily = (
        raw.filter(pl.col("timestamp_utc").dt.year() == 2018)
        .group_by(pl.col("timestamp_utc").dt.date())
        .agg(pl.col("air_temperature_c").cast(pl.Float64).mean())["air_temperature_c"]
    )
    assert daily.null_count() == 0
    assert found.heating == pytest.approx((18 - daily).clip(lower_bound=0).sum(), rel=1e-6)
    assert found.heating == pytest.approx(2749.4, abs=0.1)
    # Weather ends with 2022: the year after has no degree-days, and no zero.
    after = degree_days(daily_means(lake.read("bedford"), zone="UTC"), date(2023, 1, 1), date(2024, 1, 1))
    assert after.heating is None
    assert "365 天中" in after.reason
