"""Real meters of the reference material come in whole: every value of the file is a reading or a gap."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.intake.meter_readings import ReadingOptions, read_meter_readings

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "meters"),
    [("meters_bdg2/electricity_hourly.parquet", 132), ("meters_cambridge/gas_hourly.parquet", 46)],
)
def test_wide_hourly_tables(shared: Path, name: str, meters: int) -> None:
    path = shared / "data" / name
    raw = pl.read_parquet(path).select(pl.selectors.float().cast(pl.Float64))
    taken = read_meter_readings(path, received_at=NOW, options=ReadingOptions(zone="UTC", kind="interval", unit="kWh"))
    assert raw.width == meters
    assert taken.counts == {
        "accepted": int(raw.count().sum_horizontal()[0]),
        "blank": int(raw.null_count().sum_horizontal()[0]),
        "refused": 0,
        "duplicate": 0,
        "replaced": 0,
    }
    assert taken.frame["value"].sum() == pytest.approx(raw.sum().sum_horizontal()[0], rel=1e-12)
    assert (taken.frame["at"] - taken.frame["start"]).unique().to_list() == [timedelta(hours=1)]
    assert "meter.import.label-found" in {finding.name for finding in taken.findings}


def test_cumulative_heat_meter(shared: Path) -> None:
    path = shared / "data" / "heat_meter_denmark" / "meter_660_cumulative_hourly.parquet"
    taken = read_meter_readings(path, received_at=NOW, options=ReadingOptions(columns={"energy_heat_kwh": "register"}))
    assert taken.meters.select("meter", "kind", "unit", "readings").rows() == [("660", "register", "kwh", 26256)]
    assert taken.frame["at"].is_sorted()
    assert taken.frame["at"][0] == datetime(2018, 1, 2, 23, tzinfo=UTC)
    every = read_meter_readings(path, received_at=NOW)
    assert every.meters["meter"].n_unique() == 4


def test_office_with_mean_power_at_the_end_of_the_hour(shared: Path) -> None:
    path = shared / "data" / "office_nzeb_rsf2011" / "hourly_2011.csv.gz"
    taken = read_meter_readings(
        path, received_at=NOW, options=ReadingOptions(zone="-07:00", labelled="end", kind="interval")
    )
    assert taken.counts["accepted"] == 8759 * 9
    total = taken.frame.filter(pl.col("meter") == "building_total")
    assert total["value"].sum() / 1000 == pytest.approx(2346, abs=1)
    # With summer time, the hour that clocks leave out is refused, not moved.
    local = read_meter_readings(
        path, received_at=NOW, options=ReadingOptions(zone="America/Denver", labelled="end", kind="interval")
    )
    assert local.fates["reason"].unique().to_list() == ["no-such-local-time"]
    assert local.counts["refused"] == 9
