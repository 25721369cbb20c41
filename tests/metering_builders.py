"""Readings, meters and the chain from readings to places, for tests of metering."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from dafeng.base.meter import Meter
from dafeng.base.reading import EVENT_SCHEMA, READING_SCHEMA
from dafeng.catalog import load_catalog
from dafeng.lake.engines import open_engine
from dafeng.metering.frames import (
    HOUR_SCHEMA,
    INTERVAL_SCHEMA,
    PERIOD_SCHEMA,
    event_points,
    local_calendar,
    meter_frame,
    span_bits,
    withheld_bits,
)
from dafeng.metering.hours import hours
from dafeng.metering.intervals import current_readings, intervals
from dafeng.metering.items import ITEM_SCHEMA, contributions, direct_totals, item_closure, item_totals
from dafeng.metering.rollup import expected_seconds, local_spans, periods_of_hours, widened

CATALOG = load_catalog()
CHECKS = CATALOG.meter_checks
ENGINE = open_engine("duckdb", threads=2)
CHINA = ZoneInfo("Asia/Shanghai")
DAY = date(2024, 1, 1)


def instant(text: str, zone: ZoneInfo = CHINA) -> datetime:
    """Return the instant of ``01:00`` of the first of January, or of ``2024-02-01 01:00``, local time."""
    stamp = datetime.fromisoformat(text if len(text) > 5 else f"{DAY} {text}")
    return stamp.replace(tzinfo=zone).astimezone(UTC)


def make_meter(name: str = "m", **fields: Any) -> Meter:
    base = {"building": "b", "carrier": "electricity", "item": "01000", "unit": "kWh", "valid_from": date(2000, 1, 1)}
    return Meter(id=name, **{**base, **fields})


def make_readings(
    rows: Iterable[tuple[Any, ...]], *, received: datetime | None = None, meter: str = "m"
) -> pl.DataFrame:
    """Return readings of rows (at, value) or (start, at, value), instants or texts; received at once unless stated."""
    table = []
    for row in rows:
        *times, value = row
        stamps = [instant(one) if isinstance(one, str) else one for one in times]
        start, at = (None, stamps[0]) if len(stamps) == 1 else stamps
        table.append((meter, at, start, value, "", "csv", "test", received or at))
    return pl.DataFrame(table, schema=READING_SCHEMA, orient="row")


def make_events(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    full = [
        {
            "meter": "m", "until": None, "before": None, "after": None, "by": "op", "reason": "", "recorded_at": instant("23:59"),
            **{key: instant(value) if key in ("at", "until") and isinstance(value, str) else value for key, value in row.items()},
        }
        for row in rows
    ]  # fmt: skip
    return pl.DataFrame(full, schema=EVENT_SCHEMA)


def register(values: np.ndarray, start: datetime, step: int, *, meter: str = "m") -> pl.DataFrame:
    """Return a register read every `step` seconds."""
    at = [start + timedelta(seconds=step * number) for number in range(len(values))]
    frame = pl.DataFrame({"meter": meter, "at": at, "value": values})
    return frame.select(
        "meter",
        "at",
        start=None,
        value="value",
        sent_as=pl.lit(""),
        origin=pl.lit("csv"),
        lineage=pl.lit("test"),
        received_at="at",
    ).cast(READING_SCHEMA)


def reader(lake: pl.DataFrame) -> Any:
    """Return what reads the current readings of some meters within a span, as restating asks for it."""

    def read(low: datetime | None, high: datetime | None, names: Sequence[str]) -> Any:
        wanted = lake.filter(pl.col("meter").is_in(list(names)))
        if low is not None:
            wanted = wanted.filter(pl.col("at") >= low)
        if high is not None:
            wanted = wanted.filter(pl.col("at") <= high)
        return current_readings(ENGINE.frame(wanted))

    return read


class Chain:
    """Readings of some meters and everything that is made of them."""

    def __init__(
        self,
        readings: pl.DataFrame,
        meters: Sequence[Meter] | None = None,
        *,
        events: pl.DataFrame | None = None,
        flags: pl.DataFrame | None = None,
        baselines: pl.DataFrame | None = None,
        zone: str = "Asia/Shanghai",
        first: date | None = None,
        last: date | None = None,
    ) -> None:
        self.meters = list(meters or [make_meter()])
        self.zone = zone
        self.meter_frame = meter_frame(self.meters, CATALOG.items, CHECKS, zones=zone, baselines=baselines)
        self.readings = readings
        times = pl.concat([readings["at"], readings["start"].drop_nulls()])
        low = first or times.min().astimezone(ZoneInfo(zone)).date()
        high = last or times.max().astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
        self.calendar = local_calendar(zone, low, high)
        self.table = current_readings(ENGINE.frame(readings))
        self.meter_table = ENGINE.frame(self.meter_frame)
        self.points = None if events is None else event_points(events)
        self.events = None if self.points is None else ENGINE.frame(self.points)
        self.bits = None if flags is None else span_bits(flags, CHECKS)
        self.marks = None if self.bits is None else ENGINE.frame(self.bits)
        self.interval_table = ENGINE.hold(
            intervals(self.table, self.meter_table, CHECKS, events=self.events, marks=self.marks)
        )
        self.hour_table = ENGINE.hold(hours(self.interval_table, withheld_bits(CHECKS)))
        self.calendar_table = ENGINE.frame(self.calendar)

    @property
    def intervals(self) -> pl.DataFrame:
        return ENGINE.collect(self.interval_table, INTERVAL_SCHEMA).sort("meter", "start", "end")

    @property
    def hours(self) -> pl.DataFrame:
        return ENGINE.collect(self.hour_table, HOUR_SCHEMA).sort("meter", "hour")

    def periods(self, by: str) -> pl.DataFrame:
        return ENGINE.collect(self.period_table(by), PERIOD_SCHEMA).sort("meter", "period")

    def period_table(self, by: str) -> Any:
        if by == "day":
            return periods_of_hours(self.hour_table, self.calendar_table)
        below = {"month": "day", "year": "month"}[by]
        return widened(self.period_table(below), by=by)

    def item_table(self, by: str = "month", shares: Sequence[Any] = ()) -> Any:
        expected = expected_seconds(self.meter_table, ENGINE.frame(local_spans(self.calendar, by=by)))
        weights = ENGINE.frame(contributions(self.meters, CATALOG.items, shares))
        return item_totals(
            direct_totals(self.period_table(by), expected, weights), ENGINE.frame(item_closure(CATALOG.items))
        )

    def items(self, by: str = "month", shares: Sequence[Any] = ()) -> pl.DataFrame:
        return ENGINE.collect(self.item_table(by, shares), ITEM_SCHEMA).sort("building", "item", "period", "part")


def total(frame: pl.DataFrame, column: str = "amount") -> float:
    return float(frame[column].sum())
