"""Time metering: readings to months of buildings beside bare sums, a billion rows, one new day, and the tasks of the closest peer.

    python benchmarks/metering.py [BUILDINGS]

10,000 buildings by default: 10,000 meters × 5,000 hours are 50 million readings in Parquet; the billion are those files read
twenty times. Prints a table in CPU and wall seconds; `benchmarks/run.py` puts it into RESULTS.md. The first line of a chain is with
expressions compiled anew, the second with those that the process has compiled already.
"""

import resource
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from dafeng.base.building import Building
from dafeng.base.meter import Meter
from dafeng.base.reading import READING_SCHEMA
from dafeng.catalog import Catalog, load_catalog
from dafeng.lake.engines import open_engine
from dafeng.metering.converting import conversion_rates
from dafeng.metering.frames import HOUR_SCHEMA, PERIOD_SCHEMA, kinds_of, local_calendar, meter_frame, withheld_bits
from dafeng.metering.hours import hours
from dafeng.metering.intervals import intervals
from dafeng.metering.items import ITEM_SCHEMA, contributions, direct_totals, item_closure, item_totals
from dafeng.metering.places import PLACE_SCHEMA, building_frame, item_frame, place_closure, place_totals
from dafeng.metering.restating import replaced, restate
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


BARE = "date_trunc('month', epoch_ms(epoch_ms(start)) + INTERVAL 8 HOUR) AS m, sum(value)"


def chain(
    engine: Any, paths: list[Path], meters: list[Meter], records: list[Building], catalog: Catalog
) -> pl.DataFrame:
    """Return totals of the city, checked, with coverage, residual, standard coal and carbon."""
    calendar = local_calendar("Asia/Shanghai", date(2024, 1, 1), date(2024, 8, 1))
    table = engine.parquet(paths, READING_SCHEMA)
    meter_table = engine.frame(meter_frame(meters, catalog.items, catalog.meter_checks))
    direct = engine.hold(direct_months(table, engine.frame(calendar)))
    regular = engine.hold(regular_months(direct, meter_table))
    assert engine.collect(regular.filter(regular.odd).select("meter").distinct()).height == 0
    expected = expected_seconds(meter_table, engine.frame(local_spans(calendar)))
    own = direct_totals(regular.drop("odd"), expected, engine.frame(contributions(meters, catalog.items)))
    return places_of(engine, own, calendar, records, catalog)


def places_of(
    engine: Any, direct: Any, calendar: pl.DataFrame, records: list[Building], catalog: Catalog
) -> pl.DataFrame:
    totals = engine.hold(item_totals(engine.hold(direct), engine.frame(item_closure(catalog.items))))
    uses = pl.DataFrame({"place": PLACE, "carrier": "electricity", "period": calendar["month"].unique().sort()})
    policy = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3)))
    rates, _ = conversion_rates(uses, catalog, policy=policy, as_of=date(2026, 11, 20))
    tables = (building_frame(records), place_closure(catalog.places, [PLACE]), item_frame(catalog.items), rates)
    engine.collect(totals, ITEM_SCHEMA)
    return engine.collect(place_totals(totals, *(engine.frame(one) for one in tables)), PLACE_SCHEMA)


def records_of(meters: list[Meter]) -> list[Building]:
    return [
        Building(id=code, name=code, place=PLACE, building_class="public", gross_area=1000.0)
        for code in sorted({meter.building for meter in meters})
    ]


def city(folder: Path, buildings: int) -> None:
    """Month × building × item with quality filter, coverage, residual, standard coal and carbon, beside bare sums."""
    catalog = load_catalog()
    rng = np.random.default_rng(1)
    meters = meters_of(buildings, kind="interval", rated_power=50)
    names = [meter.id for meter in meters]
    paths = []
    for part in range(0, buildings, 500):
        paths.append(folder / f"part-{part}.parquet")
        interval_rows(names[part : part + 500], HOURS, rng).write_parquet(paths[-1])
    records = records_of(meters)
    files = ", ".join(f"'{path}'" for path in paths)
    for attempt in ("first", "again"):
        with open_engine("duckdb") as engine:
            run = engine.connection.con
            run.register(
                "own",
                pl.DataFrame(
                    {"meter": names, "building": [m.building for m in meters], "item": [m.item for m in meters]}
                ),
            )
            with Clock() as bare:
                run.execute(
                    f"SELECT building, item, {BARE} FROM read_parquet([{files}]) JOIN own USING (meter) GROUP BY ALL"
                ).fetchall()
            with Clock() as full:
                result = chain(engine, paths, meters, records, catalog)
            whole = result.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all")
            assert whole.height >= 7
        rows = f"{buildings * HOURS / 1e6:g} million readings"
        show("bare DuckDB: building × item × month sums", bare.cpu, bare.wall, rows)
        show(
            f"dafeng: checked, coverage, residual, coal, carbon ({attempt})",
            full.cpu,
            full.wall,
            f"{full.cpu / bare.cpu:.2f} × bare in CPU, {full.wall / bare.wall:.2f} × in wall; aim 1.3",
        )
    times = 20
    with open_engine("duckdb", memory="2GB", spill=folder / "spill") as engine:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Clock() as many:
            result = chain(engine, paths * times, meters, records, catalog)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    again = result.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all")
    assert abs(again["amount"].sum() / whole["amount"].sum() - times) < 1e-6
    show(
        f"dafeng: {buildings * HOURS * times / 1e9:g} billion readings, memory limit 2 GB",
        many.cpu,
        many.wall,
        f"{many.cpu / times / bare.cpu:.2f} × bare in CPU; peak {after / 1e6:.2f} GB, before it {before / 1e6:.2f}",
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
            days = engine.frame(got.days)
            calendar = local_calendar("Asia/Shanghai", date(2024, 1, 1), date(2024, 1, 13))
            expected = expected_seconds(engine.frame(frame), engine.frame(local_spans(calendar)))
            own = direct_totals(widened(days, by="month"), expected, engine.frame(contributions(meters, catalog.items)))
            places_of(engine, own, calendar, records_of(meters), catalog)
    show(
        "one new day of registers to hours, days, months, places",
        clock.cpu,
        clock.wall,
        f"{buildings} meters, {got.hours.height} hours anew; aim 5 s",
    )


def peer_tasks(folder: Path) -> None:
    """T1, T2, T3, T5 of the closest peers: see the tables of tasks in the documentation."""
    catalog = load_catalog()
    checks = catalog.meter_checks
    meters = meters_of(50, kind="register")
    names = [meter.id for meter in meters]
    rows = register_rows(names, 90 * 96 + 1, 900)
    rows.write_csv(folder / "t1.csv")
    for attempt in ("first", "again"):
        with Clock() as clock, open_engine("duckdb") as engine:
            frame = pl.read_csv(folder / "t1.csv", try_parse_dates=False, schema_overrides={"value": pl.Float64})
            frame = frame.with_columns(
                pl.col("at", "start", "received_at").str.to_datetime(time_unit="us", time_zone="UTC")
            )
            frame.select(list(READING_SCHEMA)).cast(READING_SCHEMA).write_parquet(folder / "t1.parquet")
            known = meter_frame(meters, catalog.items, checks)
            meter_table = engine.frame(known)
            calendar = local_calendar("Asia/Shanghai", date(2024, 1, 1), date(2024, 4, 1))
            table = engine.parquet([folder / "t1.parquet"], READING_SCHEMA)
            found = intervals(table, meter_table, checks, kinds=kinds_of(known))
            hourly = engine.hold(hours(found, withheld_bits(checks)))
            days = engine.hold(periods_of_hours(hourly, engine.frame(calendar)))
            expected = expected_seconds(meter_table, engine.frame(local_spans(calendar)))
            direct = direct_totals(
                widened(days, by="month"), expected, engine.frame(contributions(meters, catalog.items))
            )
            result = places_of(engine, direct, calendar, records_of(meters), catalog)
        whole = result.filter(place="qingdao", carrier="electricity", end_use="all", building_class="all")
        assert abs(whole["amount"].sum() - 25 * 90 * 96 * 0.25) < 1e-6
        note = "aim 5 s wall; the peer about 20 s"
        show(f"T1: CSV → hours → months → city → carbon ({attempt})", clock.cpu, clock.wall, note)
    peer_series(folder, meters, catalog)
    peer_day(meters, rows, catalog)


def peer_series(folder: Path, meters: list[Meter], catalog: Catalog) -> None:
    checks = catalog.meter_checks
    known = meter_frame(meters[:1], catalog.items, checks)
    for step, aim, peer in ((900, 0.05, 0.31), (300, 0.15, 1.21), (60, 0.5, 18.0)):
        register_rows(["m-000000"], 365 * 86400 // step + 1, step).write_parquet(folder / "t2.parquet")
        took = []
        for _ in range(3):
            with open_engine("duckdb", threads=1) as engine:
                meter_table = engine.frame(known)
                table = engine.parquet([folder / "t2.parquet"], READING_SCHEMA)
                with Clock() as clock:
                    found = intervals(table, meter_table, checks, kinds=kinds_of(known))
                    series = engine.collect(hours(found, withheld_bits(checks)), HOUR_SCHEMA)
                took.append((clock.cpu, clock.wall))
        note = f"aim {aim} CPU s, the peer {peer}; with compiling {took[0][0]:.2f}"
        show(f"T2: one meter-year at {step} s to hours", *min(took), note)
    for every in ("1mo", "1w", "1d", "1h"):
        with Clock() as clock:
            for _ in range(20):
                resampled(series, every)
        show(f"T3: a year of hours by {every}", clock.cpu / 20, clock.wall / 20, "aim 0.005 CPU s")


def peer_day(meters: list[Meter], rows: pl.DataFrame, catalog: Catalog) -> None:
    """T5: hours and days over the data of T1, brought up to one new day."""
    known = meter_frame(meters, catalog.items, catalog.meter_checks)
    newest = rows["at"].max()
    edge = newest - timedelta(days=1)
    touched = rows.filter(pl.col("at") > edge).group_by("meter").agg(first=pl.col("at").min(), last=pl.col("at").max())
    stored = None
    with open_engine("duckdb") as engine:
        table = engine.frame(rows)

        def read(first: datetime | None, last: datetime | None, wanted: object) -> object:
            chosen = table
            if first is not None:
                chosen = chosen.filter(chosen["at"] >= first.replace(tzinfo=None))
            return chosen if last is None else chosen.filter(chosen["at"] <= last.replace(tzinfo=None))

        everything = rows.group_by("meter").agg(first=pl.col("at").min(), last=pl.col("at").max())
        stored = restate(engine, read, everything, known, catalog.meter_checks, newest=newest)
        for attempt in ("first", "again"):
            with Clock() as clock:
                got = restate(engine, read, touched, known, catalog.meter_checks, newest=newest)
                hourly = replaced(stored.hours, got.hours, got.spans)
                days = replaced(stored.days, got.days, got.spans, by="period")
            note = f"{got.hours.height} hours anew; aim 0.2 s; the peer 9 to 13 s"
            show(f"T5: one new day into hours and days ({attempt})", clock.cpu, clock.wall, note)
    assert hourly.schema == HOUR_SCHEMA
    assert days.schema == PERIOD_SCHEMA
    assert abs(hourly["amount"].sum() - stored.hours["amount"].sum()) < 1e-6


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
