"""Real meters: what was measured is what comes out, gaps are gaps, copied days are found."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dafeng.base.reading import READING_SCHEMA
from dafeng.metering.quality import to_flags
from dafeng.metering.quality_spans import copied_day_flags, part_flags
from dafeng.metering.rollup import direct_months, local_spans, regular_months
from metering_builders import CHECKS, ENGINE, Chain, make_meter, total
from metering_faults import spoil

pytestmark = pytest.mark.slow


def hourly_readings(wide: pl.DataFrame, time: str, *, zone: str = "UTC", ending: bool = False) -> pl.DataFrame:
    """Return hourly interval readings of a wide table whose hours begin (or end) at `time`; blanks have no reading."""
    long = wide.unpivot(index=time, variable_name="meter", value_name="value").drop_nulls("value")
    stamp = (
        pl.col(time).dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    )
    start = stamp - timedelta(hours=1) if ending else stamp
    return (
        long.with_columns(start=start.dt.cast_time_unit("us"), value=pl.col("value").cast(pl.Float64))
        .drop_nulls("start")
        .select(
            "meter",
            at=pl.col("start") + timedelta(hours=1),
            start="start",
            value="value",
            sent_as=pl.lit(""),
            origin=pl.lit("csv"),
            lineage=pl.lit("source"),
            received_at=pl.col("start") + timedelta(hours=1),
        )
        .cast(READING_SCHEMA)  # type: ignore[arg-type]
    )


def balance(chain: Chain, readings: pl.DataFrame) -> None:
    """Assert that hours, days, months and years hold what the source holds, and only its hours."""
    source = dict(readings.group_by("meter").agg(pl.col("value").sum()).rows())
    for table in (chain.hours, chain.periods("day"), chain.periods("month")):
        found = dict(table.group_by("meter").agg((pl.col("amount") + pl.col("withheld")).sum()).rows())
        assert found.keys() == source.keys()
        assert all(found[meter] == pytest.approx(source[meter], rel=1e-9, abs=1e-6) for meter in source)
    assert total(chain.hours, "covered") == 3600 * readings.filter(pl.col("value") >= 0).height


def test_the_office_balances_and_its_copied_days_are_found(shared: Path) -> None:
    table = pl.read_csv(shared / "data" / "office_nzeb_rsf2011" / "hourly_2011.csv.gz").with_columns(
        time=pl.col("datetime_local").str.to_datetime("%m/%d/%Y %H:%M")
    )
    codes = {
        "building_total_kw": "01000", "lighting_kw": "01A00", "plug_kw": "01A10", "cooling_kw": "01B10", "heating_kw": "01B20",
        "mechanical_kw": "01C00", "data_center_kw": "01D10",
    }  # fmt: skip
    readings = hourly_readings(table.select("time", *codes), "time", zone="Etc/GMT+7", ending=True)
    meters = [make_meter(name, item=item) for name, item in codes.items()]
    chain = Chain(readings, meters, zone="Etc/GMT+7")
    balance(chain, readings)
    year = chain.items("year").filter(item="01000")
    assert year.filter(part="total")["amount"].item() == pytest.approx(2_346_000, rel=1e-3)
    spans = ENGINE.frame(local_spans(chain.calendar, by="day"))
    above = to_flags(ENGINE.collect(part_flags(chain.item_table("day"), spans, CHECKS))).filter(
        check="parts-above-main"
    )
    assert above.filter(pl.col("meter") == "b/01000").height == 0
    copied = to_flags(ENGINE.collect(copied_day_flags(chain.hour_table, chain.calendar_table, CHECKS)))
    days = copied.with_columns(day=pl.col("start").dt.convert_time_zone("Etc/GMT+7").dt.date())
    known = [date(2011, 8, 28) + timedelta(days=number) for number in range(8)]
    assert set(known) <= set(days.filter(meter="plug_kw")["day"])
    assert days.filter(~pl.col("day").is_between(date(2011, 8, 27), date(2011, 9, 6))).height <= 3


def test_132_buildings_balance_with_gaps_as_gaps(shared: Path) -> None:
    folder = shared / "data" / "meters_bdg2"
    wide = pl.read_parquet(folder / "electricity_hourly.parquet").filter(pl.col("timestamp").dt.year() == 2017)
    readings = hourly_readings(wide, "timestamp")
    meters = [make_meter(name, building=name) for name in readings["meter"].unique()]
    chain = Chain(readings, meters, zone="UTC")
    balance(chain, readings)
    missing = wide.height * (wide.width - 1) - readings.height
    assert missing > 10_000
    assert chain.hours.height == readings.height
    direct = ENGINE.hold(direct_months(chain.table, chain.calendar_table))
    quick = ENGINE.collect(regular_months(direct, chain.meter_table)).sort("meter", "period")
    months = chain.periods("month")
    regular = quick.filter(~pl.col("odd"))
    same = months.join(regular, on=["meter", "period"], suffix="_quick")
    assert same.height == regular.height > 1000
    assert np.allclose(same["amount"], same["amount_quick"], rtol=1e-12)
    assert same["covered"].to_list() == same["covered_quick"].to_list()


def test_cambridge_electricity_and_gas_balance(shared: Path) -> None:
    folder = shared / "data" / "meters_cambridge"
    parts, meters = [], []
    for carrier, item, fields in (
        ("electricity", "01000", {}),
        ("natural_gas", "03000", {"unit": "m**3", "multiplier": 0.0925}),
    ):
        wide = pl.read_parquet(folder / f"{'gas' if item == '03000' else 'electricity'}_hourly.parquet")
        wide = wide.filter(pl.col("timestamp_utc").dt.year() == 2021)
        named = wide.rename({name: f"{carrier}-{name}" for name in wide.columns if name != "timestamp_utc"})
        parts.append(hourly_readings(named, "timestamp_utc"))
        meters += [
            make_meter(name, building=name.split("-")[1], item=item, carrier=carrier, **fields)
            for name in parts[-1]["meter"].unique()
        ]
    chain = Chain(pl.concat(parts), meters, zone="Europe/London")
    balance(Chain(parts[0], [one for one in meters if one.carrier == "electricity"], zone="Europe/London"), parts[0])
    gas = chain.items("year").filter(item="03000", part="total")
    assert total(gas.filter(period=date(2021, 1, 1))) == pytest.approx(
        float(parts[1]["value"].sum()) * 0.0925, rel=1e-9
    )


def test_the_danish_meter_spoilt_by_the_generator_gives_its_true_totals(shared: Path) -> None:
    source = pl.read_parquet(shared / "data" / "heat_meter_denmark" / "meter_660_cumulative_hourly.parquet")
    truth = source.select(
        at=pl.col("time_rounded").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC").dt.cast_time_unit("us"),
        total=pl.col("energy_heat_kwh"),
    ).head(8000)
    meter = make_meter(carrier="heat", item="04000", unit="kWh", modulus=10_000.0, rated_power=50.0)
    true_use = float(truth["total"][-1] - truth["total"][0]) * 0.0036
    for seed in range(3):
        readings, events = spoil(truth, np.random.default_rng(seed), modulus=10_000.0, gaps=20, spikes=20)
        chain = Chain(readings, [meter], events=events, zone="Europe/Copenhagen")
        assert total(chain.hours) == pytest.approx(true_use, rel=1e-9)
        assert total(chain.hours, "withheld") == 0
        assert total(chain.periods("month")) == pytest.approx(true_use, rel=1e-9)
        clean = truth.group_by(pl.col("at").dt.convert_time_zone("Europe/Copenhagen").dt.truncate("1mo")).agg(
            pl.col("total").first()
        )
        assert chain.periods("month").height == clean.height
        spread = total(chain.hours, "spread")
        assert 0 < spread < 0.2 * true_use
