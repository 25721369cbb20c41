"""Time metering: readings to months of buildings beside bare sums, one new day, and the tasks of the closest peer.

    python benchmarks/metering.py [BUILDINGS]

10,000 buildings by default: 10,000 meters × 5,000 hours are 50 million readings in Parquet. Prints a table in CPU and wall
seconds; `benchmarks/run.py` puts it into RESULTS.md.
"""

import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from dafeng.base.building import Building
from dafeng.base.meter import Meter
from dafeng.base.reading import READING_SCHEMA
from dafeng.catalog import load_catalog
from dafeng.lake.engines import open_engine
from dafeng.metering.converting import conversion_rates
from dafeng.metering.frames import HOUR_SCHEMA, local_calendar, meter_frame, withheld_bits
from dafeng.metering.hours import hours
from dafeng.metering.intervals import intervals
from dafeng.metering.items import ITEM_SCHEMA, contributions, direct_totals, item_closure, item_totals
from dafeng.metering.places import PLACE_SCHEMA, building_frame, item_frame, place_closure, place_totals
from dafeng.metering.restating import restate
from dafeng.metering.rollup import (
    direct_months,
    expected_seconds,
    local_spans,
    periods_of_hours,
    regular_months,
    resampled,
    widened,
)
from dafeng.methods.rates import RatePolicy, Rule

START = datetime(2024, 1, 1, tzinfo=UTC) - timedelta(hours=8)
HOURS = 5000
FULL = 10_000
PLACE = "qingdao-shinan"


def show(name: str, cpu: float, wall: float, note: str = "") -> None:
    print(f"{name:<58}{cpu:>9.3f}{wall:>9.3f}  {note}", flush=True)


class Clock:
    def __enter__(self) -> "Clock":
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall


def meters_of(count: int, **fields: object) -> list[Meter]:
    """Return a main meter for four of five buildings' meters and a part for the fifth."""
    base = {"carrier": "electricity", "unit": "kWh", "valid_from": date(2020, 1, 1), **fields}
    return [
        Meter(id=f"m-{n:06d}", building=f"b-{n // 2:06d}", item="01000" if n % 2 == 0 else "01A00", **base)
        for n in range(count)
    ]


def interval_rows(meters: list[str], count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return hourly interval readings, sorted by meter."""
    start = [START + timedelta(hours=n) for n in range(count)]
    times = pl.DataFrame({"start": start}).with_columns(pl.col("start").cast(READING_SCHEMA["start"]))
    frame = pl.DataFrame({"meter": meters}).join(times, how="cross")
    return frame.select(
        "meter",
        at=pl.col("start") + timedelta(hours=1),
        start="start",
        value=pl.Series(rng.random(frame.height) * 20),
        sent_as=pl.lit(""),
        origin=pl.lit("gateway"),
        lineage=pl.lit("x"),
        received_at=pl.col("start") + timedelta(hours=1, minutes=1),
    ).cast(READING_SCHEMA)


def register_rows(meters: list[str], count: int, step: int, *, rise: float = 0.25) -> pl.DataFrame:
    at = [START + timedelta(seconds=step * n) for n in range(count)]
    one = pl.DataFrame({"at": at, "value": 1000 + rise * np.arange(count)})
    return (
        pl.DataFrame({"meter": meters})
        .join(one, how="cross")
        .select(
            *("meter", "at"),
            start=None,
            value="value",
            sent_as=pl.lit(""),
            origin=pl.lit("csv"),
            lineage=pl.lit("x"),
            received_at="at",
        )
        .cast(READING_SCHEMA)
    )


def city(folder: Path, buildings: int) -> None:
    """Month × building × item with quality filter, coverage, residual, standard coal and carbon, beside bare sums."""
    catalog = load_catalog()
    checks = catalog.meter_checks
    rng = np.random.default_rng(1)
    meters = meters_of(buildings, kind="interval", rated_power=50)
    names = [meter.id for meter in meters]
    paths = []
    for part in range(0, buildings, 500):
        paths.append(folder / f"part-{part}.parquet")
        interval_rows(names[part : part + 500], HOURS, rng).write_parquet(paths[-1])
    calendar = local_calendar("Asia/Shanghai", date(2024, 1, 1), date(2024, 8, 1))
    records = [
        Building(id=code, name=code, place=PLACE, building_class="public", gross_area=1000.0)
        for code in sorted({meter.building for meter in meters})
    ]
    for attempt in range(2):
        with open_engine("duckdb") as engine:
            files = ", ".join(f"'{path}'" for path in paths)
            engine.connection.con.register(
                "own",
                pl.DataFrame(
                    {"meter": names, "building": [m.building for m in meters], "item": [m.item for m in meters]}
                ),
            )
            with Clock() as bare:
                engine.connection.con.execute(
                    f"SELECT building, item, date_trunc('month', epoch_ms(epoch_ms(start)) + INTERVAL 8 HOUR) AS m, sum(value) "
                    f"FROM read_parquet([{files}]) JOIN own USING (meter) GROUP BY ALL"
                ).fetchall()
            with Clock() as sums:
                engine.connection.con.execute(
                    f"SELECT meter, date_trunc('month', epoch_ms(epoch_ms(start)) + INTERVAL 8 HOUR) AS m, sum(value) "
                    f"FROM read_parquet([{files}]) GROUP BY ALL"
                ).fetchall()
            with Clock() as full:
                table = engine.parquet(paths, READING_SCHEMA)
                meter_table = engine.frame(meter_frame(meters, catalog.items, checks))
                direct = engine.hold(direct_months(table, engine.frame(calendar)))
                regular = engine.hold(regular_months(direct, meter_table))
                odd = engine.collect(regular.filter(regular.odd).select("meter").distinct())
                assert odd.height == 0
                expected = expected_seconds(meter_table, engine.frame(local_spans(calendar)))
                weights = engine.frame(contributions(meters, catalog.items))
                totals = engine.hold(
                    item_totals(
                        direct_totals(regular.drop("odd"), expected, weights), engine.frame(item_closure(catalog.items))
                    )
                )
                uses = pl.DataFrame(
                    {"place": PLACE, "carrier": "electricity", "period": calendar["month"].unique().sort()}
                )
                policy = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3)))
                rates, _ = conversion_rates(uses, catalog, policy=policy, as_of=date(2026, 11, 20))
                tables = (
                    building_frame(records),
                    place_closure(catalog.places, [PLACE]),
                    item_frame(catalog.items),
                    rates,
                )
                result = engine.collect(place_totals(totals, *(engine.frame(one) for one in tables)), PLACE_SCHEMA)
            assert (
                result.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all").height >= 7
            )
        if attempt:
            rows = f"{buildings * HOURS / 1e6:g} million readings"
            show("bare DuckDB: building × item × month sums", bare.cpu, bare.wall, rows)
            show("bare DuckDB: meter × month sums", sums.cpu, sums.wall)
            show(
                "dafeng: the same, checked, with coverage, coal and carbon",
                full.cpu,
                full.wall,
                f"{full.wall / bare.wall:.2f} × bare",
            )


def new_day(folder: Path, buildings: int) -> None:
    """One new day of hourly registers of every building, incrementally."""
    catalog = load_catalog()
    meters = meters_of(buildings, kind="register")
    names = [meter.id for meter in meters]
    register_rows(names, 24 * 12, 3600).write_parquet(folder / "registers.parquet")
    low, high = START + timedelta(days=11), START + timedelta(days=12)
    frame = meter_frame(meters, catalog.items, catalog.meter_checks)
    with open_engine("duckdb") as engine:
        table = engine.parquet([folder / "registers.parquet"], READING_SCHEMA)

        def read(first: datetime | None, last: datetime | None, wanted: object) -> object:
            chosen = table
            if first is not None:
                chosen = chosen.filter(chosen["at"] >= first.replace(tzinfo=None))
            return chosen if last is None else chosen.filter(chosen["at"] <= last.replace(tzinfo=None))

        touched = pl.DataFrame({"meter": names}).with_columns(
            first=pl.lit(low + timedelta(hours=1)).dt.cast_time_unit("us"),
            last=pl.lit(high - timedelta(hours=1)).dt.cast_time_unit("us"),
        )
        with Clock() as clock:
            newest = START + timedelta(days=12)
            got = restate(engine, read, touched, frame, catalog.meter_checks, newest=newest)
    show(
        "one new day of registers, incrementally",
        clock.cpu,
        clock.wall,
        f"{buildings} meters, {got.hours.height} hours anew",
    )


def peer_tasks(folder: Path) -> None:
    """T1 to T3 of the closest peer: see the tables of tasks in the documentation."""
    catalog = load_catalog()
    checks = catalog.meter_checks
    meters = meters_of(50, kind="register")
    register_rows([meter.id for meter in meters], 90 * 96 + 1, 900).write_csv(folder / "t1.csv")
    with Clock() as clock, open_engine("duckdb") as engine:
        frame = pl.read_csv(folder / "t1.csv", try_parse_dates=False, schema_overrides={"value": pl.Float64})
        frame = frame.with_columns(
            pl.col("at", "start", "received_at").str.to_datetime(time_unit="us", time_zone="UTC")
        )
        frame.select(list(READING_SCHEMA)).cast(READING_SCHEMA).write_parquet(folder / "t1.parquet")
        meter_table = engine.frame(meter_frame(meters, catalog.items, checks))
        calendar = local_calendar("Asia/Shanghai", date(2024, 1, 1), date(2024, 4, 1))
        table = engine.parquet([folder / "t1.parquet"], READING_SCHEMA)
        hourly = engine.hold(hours(intervals(table, meter_table, checks), withheld_bits(checks)))
        months = widened(periods_of_hours(hourly, engine.frame(calendar)), by="month")
        expected = expected_seconds(meter_table, engine.frame(local_spans(calendar)))
        direct = direct_totals(months, expected, engine.frame(contributions(meters, catalog.items)))
        items = engine.hold(item_totals(direct, engine.frame(item_closure(catalog.items))))
        uses = pl.DataFrame({"place": PLACE, "carrier": "electricity", "period": calendar["month"].unique().sort()})
        rates, _ = conversion_rates(
            uses, catalog, policy=RatePolicy(rules=(Rule.exact(), Rule.hold_last(3))), as_of=date(2026, 11, 20)
        )
        buildings = [
            Building(id=code, name=code, place=PLACE, building_class="public")
            for code in sorted({m.building for m in meters})
        ]
        tables = (building_frame(buildings), place_closure(catalog.places, [PLACE]), item_frame(catalog.items), rates)
        result = engine.collect(place_totals(items, *(engine.frame(one) for one in tables)), PLACE_SCHEMA)
        engine.collect(items, ITEM_SCHEMA)
    whole = result.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all")
    assert abs(whole["amount"].sum() - 25 * 90 * 96 * 0.25) < 1e-6
    show("T1: CSV → hours → months → city → carbon, 432,000 readings", clock.cpu, clock.wall, "aim 5 s")
    for step in (900, 300, 60):
        register_rows(["m-000000"], 365 * 86400 // step + 1, step).write_parquet(folder / "t2.parquet")
        with open_engine("duckdb", threads=1) as engine:
            meter_table = engine.frame(meter_frame(meters[:1], catalog.items, checks))
            table = engine.parquet([folder / "t2.parquet"], READING_SCHEMA)
            with Clock() as first:
                expression = hours(intervals(table, meter_table, checks), withheld_bits(checks))
                query = str(engine.connection.compile(expression))
            with Clock() as clock:
                engine.connection.con.execute(query).to_arrow_table()
            series = engine.collect(expression, HOUR_SCHEMA)
        aim = {900: 0.05, 300: 0.15, 60: 0.5}[step]
        show(
            f"T2: one meter-year at {step} s to hours",
            clock.cpu,
            clock.wall,
            f"aim {aim} CPU s; expression made once in {first.cpu:.2f}",
        )
    for every in ("1mo", "1w", "1d", "1h"):
        with Clock() as clock:
            for _ in range(20):
                resampled(series, every)
        show(f"T3: a year of hours by {every}", clock.cpu / 20, clock.wall / 20, "aim 0.005")


def main() -> None:
    buildings = int(sys.argv[1]) if len(sys.argv) > 1 else FULL
    print(f"{'task':<58}{'CPU s':>9}{'wall s':>9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer_tasks(folder)
        new_day(folder, buildings)
        city(folder, buildings)


if __name__ == "__main__":
    main()
