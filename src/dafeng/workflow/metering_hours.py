"""Readings to hours and days of a workspace: all of them in bounded memory, or only those that late readings touch.

Every table says from which versions it was made, so that a run that is killed at any moment is completed by the next one: what is
usual for a meter (baselines), the meter table (register) and the evidence of wide checks (marks) are stored before the hours that
use them, hours before days, and what a table lacks is found by comparing versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from dafeng.base.listener import Listener
from dafeng.catalog import Catalog
from dafeng.lake import DerivedTable, Engine, ReadingSnapshot
from dafeng.lake.scratch import scratch_folder
from dafeng.metering.frames import (
    BASELINE_SCHEMA,
    FLAG_SCHEMA,
    HOUR_SCHEMA,
    METER_SCHEMA,
    PERIOD_SCHEMA,
    SPAN_CHECKS,
    event_points,
    kinds_of,
    local_calendar,
    meter_frame,
    span_bits,
    withheld_bits,
)
from dafeng.metering.hours import hours
from dafeng.metering.intervals import intervals
from dafeng.metering.quality import baselines, to_flags
from dafeng.metering.quality_spans import copied_day_flags, drift_flags, stuck_flags
from dafeng.metering.restating import Restated, replaced, restate
from dafeng.metering.rollup import periods_of_hours
from dafeng.workflow.metering import EVER, ZONE, MeterHouse, MeterRegister, put_rows

__all__ = ["HoursMade", "make_hours"]

LEAST_HOURS: Final = 672
"""Measured hours, four weeks, before what is usual for a meter without a rating is reckoned and kept."""
_ONCE: Final = date(1970, 1, 1)
_BACK: Final = timedelta(days=16)
_GAP: Final = timedelta(days=2)


@dataclass(frozen=True)
class HoursMade:
    """What became of hours and days."""

    full: bool
    """Whether all of them were made anew."""
    spans: int
    """Spans of meters that were reckoned anew."""
    meters: pl.DataFrame
    """Of `METER_SCHEMA`: the meters that count."""
    readings: int
    """Version of the readings taken into account."""
    events: int
    """Version of the events."""
    unknown: tuple[str, ...]
    """Meters that send readings and stand in no record."""


class _Work:
    """One run: a snapshot, an engine, the meters."""

    def __init__(
        self,
        house: MeterHouse,
        engine: Engine,
        register: MeterRegister,
        catalog: Catalog,
        recorded_at: datetime,
        listener: Listener,
        rows_at_once: int,
    ) -> None:
        self.house, self.engine, self.catalog, self.listener = house, engine, catalog, listener
        self.register, self.recorded_at, self.rows_at_once = register, recorded_at, rows_at_once
        self.checks = catalog.meter_checks
        self.snapshot: ReadingSnapshot = house.readings.snapshot()
        events = self.snapshot.events()
        self.points = event_points(events) if events.height else None
        self.withheld = withheld_bits(self.checks)

    def made_from(self, **more: int | str) -> dict[str, int | str]:
        return {
            "readings": self.snapshot.version,
            "events": self.snapshot.events_version,
            "register": self.house.register.version,
            "marks": self.house.marks.version,
            "at": self.recorded_at.isoformat(),
            **more,
        }

    def meter_table(self) -> pl.DataFrame:
        """Return the meters as the baselines that are kept let them be."""
        usual = self.house.baselines.read().drop("period")
        return meter_frame(
            self.register.meters.values(), self.catalog.items, self.checks, zones=ZONE, baselines=usual
        ).sort("meter")

    def store_meters(self) -> pl.DataFrame:
        """Store the meter table where it differs from the one that is kept, and return it."""
        frame = self.meter_table()
        kept = self.house.register.read().drop("period")
        if self.house.register.version < 0 or not frame.equals(kept):
            once = frame.with_columns(period=pl.lit(_ONCE)).select(list(self.house.register.schema))
            self.house.register.replace(once, partitions=["1970"], made_from={"at": self.recorded_at.isoformat()})
        return frame

    def bits(self) -> pl.DataFrame | None:
        marks = span_bits(self.house.marks.read(), self.checks)
        return marks if marks.height else None

    def hour_table(self, readings: Any, meters: pl.DataFrame, marks: pl.DataFrame | None) -> Any:
        """Return hours of readings as an expression."""
        tables = [None if frame is None else self.engine.frame(frame) for frame in (self.points, marks)]
        found = intervals(
            readings, self.engine.frame(meters), self.checks, events=tables[0], marks=tables[1], kinds=kinds_of(meters)
        )
        return hours(found, self.withheld)


def make_hours(
    house: MeterHouse,
    engine: Engine,
    register: MeterRegister,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    full: bool,
    listener: Listener,
    rows_at_once: int = 20_000_000,
) -> HoursMade:
    """Bring hours and days up to the newest readings, events, meters and marks.

    Parameters
    ----------
    house : MeterHouse
    engine : Engine
    register : MeterRegister
    catalog : Catalog
    recorded_at : datetime
    full : bool
        Make everything anew, also what no new reading touches, and reckon anew what is usual for each meter.
    listener : Listener
    rows_at_once : int
        Readings that are worked on at a time in a full run: what bounds the memory.
    """
    work = _Work(house, engine, register, catalog, recorded_at, listener, rows_at_once)
    everything = full or house.hours.version < 0 or house.days.version < 0
    if work.snapshot.version < 0:
        meters, spans = work.store_meters(), 0
    elif everything:
        meters, spans = _whole(work, anew=full)
    else:
        meters, spans = _touched(work)
    unknown = _unknown(work, meters)
    return HoursMade(everything, spans, meters, work.snapshot.version, work.snapshot.events_version, unknown)


def _unknown(work: _Work, meters: pl.DataFrame) -> tuple[str, ...]:
    if work.snapshot.version < 0:
        return ()
    rows = work.snapshot.table(work.engine).select("meter").distinct()
    heard = work.engine.collect(rows, {"meter": pl.String()})
    return tuple(heard.join(meters, on="meter", how="anti")["meter"].sort().to_list())


def _whole(work: _Work, *, anew: bool) -> tuple[pl.DataFrame, int]:
    """Make all hours and days anew, range by range of meters."""
    house, engine = work.house, work.engine
    ranges = work.snapshot.meter_ranges(work.rows_at_once)
    if anew:
        house.baselines.replace(pl.DataFrame(schema=house.baselines.schema), partitions=["1970"], made_from={})
    with scratch_folder(house.folder) as scratch:
        meters = work.store_meters()
        parts: list[list[Path]] = []
        for number, between in enumerate(ranges):
            work.listener("逐时 / hours", number, len(ranges))
            table = work.snapshot.table(engine, between=between)
            parts.append(engine.write(work.hour_table(table, meters, None), scratch / f"a{number}", HOUR_SCHEMA))
        paths = [path for part in parts for path in part]
        _keep_baselines(work, engine.parquet(paths, HOUR_SCHEMA), meters)
        limited = work.store_meters()
        work.listener("核查 / quality", 0, None)
        marks = _evidence(work, engine.parquet(paths, HOUR_SCHEMA), limited, work.snapshot.table(engine))
        _store_marks(work, marks)
        bits = work.bits()
        again = limited.join(meters, on=list(METER_SCHEMA), how="anti", nulls_equal=True)["meter"].to_list()
        again = sorted({*again, *([] if bits is None else bits["meter"].to_list())})
        for number, (low, high) in enumerate(ranges):
            if any(low <= name <= high for name in again):
                work.listener("再算 / again", number, len(ranges))
                table = work.snapshot.table(engine, between=(low, high))
                parts[number] = engine.write(work.hour_table(table, limited, bits), scratch / f"b{number}", HOUR_SCHEMA)
        table = engine.parquet([path for part in parts for path in part], HOUR_SCHEMA)
        work.listener("入库 / store", 0, None)
        first, last = _reach(engine, table)
        made_from = work.made_from()
        calendar = engine.frame(local_calendar(ZONE, first, last + timedelta(days=1)))
        parts_of_hours = _months(first - timedelta(days=1), last, house.hours)
        put_rows(house.hours, engine, table, parts_of_hours, made_from)
        days = engine.hold(periods_of_hours(table, calendar))
        put_rows(house.days, engine, days, _months(first, last, house.days), made_from)
    return limited, limited.height


def _reach(engine: Engine, table: Any) -> tuple[date, date]:
    """Return first and last local day of hours."""
    row = engine.collect(table.aggregate(first=table.hour.min(), last=table.hour.max()))
    first, last = (
        row[name].cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(ZONE).dt.date().item()
        for name in ("first", "last")
    )
    return (first or _ONCE, last or _ONCE)


def _months(first: date, last: date, table: DerivedTable) -> list[str]:
    own = pl.date_range(first.replace(day=1), last, "1mo", eager=True).dt.strftime("%Y-%m").to_list()
    return sorted({*own, *(part.partition for part in table.partitions())})


def _store_marks(work: _Work, marks: pl.DataFrame) -> None:
    """Keep evidence in the place of all that was kept; months in which it is the same stay as they are."""
    ever = pl.DataFrame({"first": [EVER[0]], "last": [EVER[1]]}).cast(pl.Datetime("us", "UTC"))
    work.house.marks.restate(marks, ever, made_from={"readings": work.snapshot.version})


def _keep_baselines(work: _Work, table: Any, meters: pl.DataFrame) -> None:
    """Reckon what is usual for meters that have none yet, and keep it."""
    house = work.house
    kept = house.baselines.read()
    wanted = meters.join(kept, on="meter", how="anti").select("meter")
    if wanted.is_empty():
        return
    own = table.semi_join(work.engine.frame(wanted), "meter")
    found = work.engine.collect(baselines(own, work.checks), BASELINE_SCHEMA).filter(pl.col("hours") >= LEAST_HOURS)
    if found.height:
        rows = pl.concat([kept, found.with_columns(period=pl.lit(_ONCE)).select(kept.columns)])
        house.baselines.replace(rows, partitions=["1970"], made_from={"readings": work.snapshot.version})


def _evidence(
    work: _Work, table: Any, meters: pl.DataFrame, readings: Any, span: tuple[date, date] | None = None
) -> pl.DataFrame:
    """Return what the wide checks see in hours."""
    engine = work.engine
    first, last = span or _reach(engine, table)
    calendar = engine.frame(local_calendar(ZONE, first, last + timedelta(days=1)))
    usual = engine.frame(work.house.baselines.read().drop("period"))
    known = readings.semi_join(engine.frame(meters.select("meter")), "meter")
    parts = [
        stuck_flags(table, usual, work.checks),
        copied_day_flags(table, calendar, work.checks),
        drift_flags(known, work.checks),
    ]
    found = [to_flags(engine.collect(part)) for part in parts]
    return pl.concat(found).unique(["check", "meter", "start", "end"], keep="first", maintain_order=True)


def _touched(work: _Work) -> tuple[pl.DataFrame, int]:
    """Make anew what new readings, events, meters and marks touch."""
    house, engine = work.house, work.engine
    held = [table.made_from() for table in (house.hours, house.days)]
    since = min(int(one.get("readings", -1)) for one in held)
    events_since = min(int(one.get("events", -1)) for one in held)
    marks_since = int(house.marks.made_from().get("readings", -1))
    work.listener("找变动 / what changed", 0, None)
    meters = work.store_meters()
    if work.snapshot.version > since:
        _keep_baselines(work, house.hours.table(engine), meters)
        meters = work.store_meters()
    changed = _changed_meters(house, meters, min(int(one.get("register", -1)) for one in held))
    spans = [
        work.snapshot.touched(since, events_since=events_since).select("meter", "first", "last"),
        _whole_spans(work, changed),
    ]
    touched = pl.concat(spans)
    first_pass: Restated | None = None
    plain = False
    if work.snapshot.version > marks_since:
        fresh = pl.concat([work.snapshot.touched(marks_since).select("meter", "first", "last"), spans[1]])
        kept = _without(house.marks.read(), fresh)
        if fresh.height:
            work.listener("核查 / quality", 0, None)
            first_pass = _restated(work, fresh, meters, span_bits(kept, work.checks))
            found = _evidence_beside(work, first_pass, meters, fresh)
            plain = found.is_empty() and fresh.equals(touched)
            kept = pl.concat([kept, found]).unique(
                ["check", "meter", "start", "end"], keep="first", maintain_order=True
            )
        _store_marks(work, kept)
    moved = _changed_marks(house, min(int(one.get("marks", -1)) for one in held))
    touched = pl.concat([touched, moved])
    if plain and moved.is_empty():
        done = first_pass  # no evidence: it stands as it was reckoned
    elif touched.height:
        work.listener("逐时 / hours", 0, None)
        done = _restated(work, touched, meters, work.bits())
    else:
        done = None
    gone = pl.DataFrame({"meter": changed}, schema={"meter": pl.String()}).join(meters, on="meter", how="anti")
    _exchange(work, done, gone["meter"].to_list())
    return meters, 0 if done is None else done.spans.height


def _restated(work: _Work, touched: pl.DataFrame, meters: pl.DataFrame, marks: pl.DataFrame | None) -> Restated:
    def read(start: datetime | None, end: datetime | None, names: Sequence[str]) -> Any:
        return work.snapshot.table(work.engine, start, end, names)

    return restate(
        work.engine, read, touched, meters, work.checks, events=work.points,
        marks=None if marks is None or marks.is_empty() else marks,
    )  # fmt: skip


def _exchange(work: _Work, done: Restated | None, gone: Sequence[str]) -> None:
    """Put the restated hours and days in the place of the old ones, hours first."""
    house = work.house
    made_from = work.made_from()
    ever = pl.DataFrame(
        {"meter": list(gone), "first": [EVER[0]] * len(gone), "last": [EVER[1]] * len(gone)},
        schema={"meter": pl.String(), "first": pl.Datetime("us", "UTC"), "last": pl.Datetime("us", "UTC")},
    )
    spans = ever if done is None else pl.concat([ever, done.spans.select("meter", "first", "last")])
    rows = pl.DataFrame(schema=HOUR_SCHEMA) if done is None else done.hours
    days = pl.DataFrame(schema=PERIOD_SCHEMA) if done is None else done.days
    if spans.is_empty() and all(
        {**table.made_from(), "at": ""} == {**made_from, "at": ""} for table in (house.hours, house.days)
    ):
        return
    house.hours.restate(rows, spans, made_from=made_from)
    local = [pl.col(name).dt.convert_time_zone(ZONE).dt.date() for name in ("first", "last")]
    house.days.restate(days, spans.with_columns(local), made_from=made_from)


def _changed_meters(house: MeterHouse, meters: pl.DataFrame, version: int) -> list[str]:
    """Return the meters that differ from those with which the hours were made."""
    if version == house.register.version:
        return []
    before = house.register.read(version=version).drop("period") if version >= 0 else meters.clear()
    fresh = meters.join(before, on=list(METER_SCHEMA), how="anti", nulls_equal=True)["meter"]
    gone = before.join(meters, on="meter", how="anti")["meter"]
    return sorted({*fresh, *gone})


def _whole_spans(work: _Work, names: Sequence[str]) -> pl.DataFrame:
    """Return from the first to the last reading of some meters."""
    schema = {"meter": pl.String(), "first": pl.Datetime("us", "UTC"), "last": pl.Datetime("us", "UTC")}
    if not names:
        return pl.DataFrame(schema=schema)
    table = work.snapshot.table(work.engine, meters=names)
    begun = table.start.fill_null(table["at"])
    found = table.group_by("meter").agg(first=begun.min(), last=table["at"].max())
    return work.engine.collect(found, schema).select(list(schema))


def _without(marks: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Return evidence that no new reading touches."""
    rows = marks.with_row_index("row")
    islands = spans.select("meter", low="first", high="last")
    met = rows.join(islands, on="meter").filter((pl.col("start") < pl.col("high")) & (pl.col("end") > pl.col("low")))
    return rows.filter(~pl.col("row").is_in(met["row"].implode())).drop("row")


def _evidence_beside(work: _Work, done: Restated, meters: pl.DataFrame, touched: pl.DataFrame) -> pl.DataFrame:
    """Return what the wide checks see in restated hours, with the days around them as they are stored."""
    first, last = done.spans["first"].min(), done.spans["last"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return pl.DataFrame(schema=FLAG_SCHEMA)
    low, high = first.astimezone(UTC) - _BACK, last.astimezone(UTC) + _BACK
    names = done.spans["meter"].unique().to_list()
    stored = work.house.hours.read(low, high).filter(pl.col("meter").is_in(names))
    rows = replaced(stored, done.hours, done.spans)
    span = (low.date() - timedelta(days=1), high.date() + timedelta(days=1))
    readings = work.snapshot.table(work.engine, first - timedelta(days=1), last + timedelta(days=1), names)
    found = _evidence(work, work.engine.frame(rows), meters, readings, span)
    spans = touched.select("meter", low=pl.col("first") - _GAP, high=pl.col("last") + _GAP)
    near = found.with_row_index("row").join(spans, on="meter")
    near = near.filter((pl.col("start") < pl.col("high")) & (pl.col("end") > pl.col("low")))
    return near.unique("row", maintain_order=True).select(list(FLAG_SCHEMA))


def _changed_marks(house: MeterHouse, version: int) -> pl.DataFrame:
    """Return the spans of evidence that differs from that with which the hours were made."""
    now = house.marks.read().filter(pl.col("check").is_in(list(SPAN_CHECKS)))
    if version == house.marks.version:
        return now.clear().select("meter", first="start", last="end")
    keys = ["check", "meter", "start", "end"]
    was = house.marks.read(version=version) if version >= 0 else now.clear()
    both = [now.join(was, on=keys, how="anti"), was.join(now, on=keys, how="anti")]
    return pl.concat([part.select("meter", first="start", last="end") for part in both])
