"""What a late reading changes: its own hours, days, months and what is above them, and a record of what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import ibis
import polars as pl

from dafeng.catalog.metering_schemas import MeterCheck
from dafeng.lake.engines import Engine
from dafeng.metering.frames import HOUR_SCHEMA, PERIOD_SCHEMA, SUMS, kinds_of, withheld_bits
from dafeng.metering.hours import hours
from dafeng.metering.intervals import intervals, used_readings

__all__ = ["CHANGE_COLUMNS", "ReadReadings", "Restated", "changes", "replaced", "restate", "settled_spans"]

ReadReadings = Callable[[datetime | None, datetime | None, Sequence[str]], ibis.Table]
"""Current readings of some meters whose `at` lies in a span, of any time where a bound is None."""

CHANGE_COLUMNS: Final = ("column", "before", "after", "because")
"""Columns of a change besides the key."""
_REACH: Final = 5
"""A changed reading moves the steps to its fourth neighbour at most: three back for one out of line, and the step before."""
_NEEDED: Final = 4
"""Readings that must stand on either side of a span for the steps in it to be those of the whole series."""
_LEFT: Final = (timedelta(days=3), timedelta(days=30), None)
_RIGHT: Final = (timedelta(days=3), timedelta(days=30), None)
"""How far around a span to look for them, until enough are found on that side."""
_GAP: Final = timedelta(days=40)


@dataclass(frozen=True)
class Restated:
    """New derived rows in place of old ones, and what that changed."""

    spans: pl.DataFrame
    """meter, first, last: whole local days that are reckoned anew; every hour, day in them is replaced, also by nothing."""
    hours: pl.DataFrame
    """Of `HOUR_SCHEMA`: the hours of the spans."""
    days: pl.DataFrame
    """Of `PERIOD_SCHEMA`: the local days of the spans."""


def restate(
    engine: Engine,
    read: ReadReadings,
    touched: pl.DataFrame,
    meters: pl.DataFrame,
    checks: Mapping[str, MeterCheck],
    *,
    events: pl.DataFrame | None = None,
    marks: pl.DataFrame | None = None,
    newest: datetime | None = None,
) -> Restated:
    """Reckon anew the days that new readings, events or marks touch.

    Parameters
    ----------
    engine : Engine
    read : ReadReadings
    touched : DataFrame
        meter, first, last (instants, both inclusive): the spans that a batch of readings, a new event or a new mark touches; of
        an interval first is its start. Meters that stand in no record are passed over.
    meters : DataFrame of `METER_SCHEMA`
    checks : mapping
    events, marks : DataFrames, optional
        All of them: of `event_points` and `span_bits`.
    newest : datetime, optional
        No reading is later; saves a second look where new readings are the last ones.

    Returns
    -------
    Restated
        The same hours and days as a full computation would give for the spans; outside them nothing changes.
    """
    known = touched.join(meters.select("meter", "zone"), on="meter").filter(pl.col("first").is_not_null())
    parts: list[Restated] = []
    own = meters.join(known, on="meter", how="semi")
    kept = engine.frame(own)
    happened, marked = (None if frame is None else engine.frame(frame) for frame in (events, marks))
    for cluster in _clusters(known):
        pending = cluster.with_columns(left=pl.lit(0), right=pl.lit(0))
        while pending.height:
            left, right = pending.select("left", "right").row(0)
            now = (pl.col("left") == left) & (pl.col("right") == right)
            here, pending = pending.filter(now), pending.filter(~now)
            names = here["meter"].unique().sort().to_list()
            low, high = _window(here, _LEFT[left], _RIGHT[right])
            if newest is not None and high is not None and high >= newest:
                high = None
            table = engine.hold(read(low, high, names))
            spans, before, after = settled_spans(engine, table, kept, checks, here, events=happened)
            before, after = before | (low is None), after | (high is None)
            done = spans.filter(before & after)
            further = here.with_columns(
                left=left + (~before).cast(pl.Int32), right=right + (~after).cast(pl.Int32)
            ).filter(~(before & after))
            pending = pl.concat([pending, further])
            if done.height:
                found = intervals(table, kept, checks, events=happened, marks=marked, kinds=kinds_of(own))
                parts.append(_recomputed(engine, hours(found, withheld_bits(checks)), _merged(done)))
    if not parts:
        nothing = {
            "meter": pl.String(),
            "first": pl.Datetime("us", "UTC"),
            "last": pl.Datetime("us", "UTC"),
            "zone": pl.String(),
        }
        return Restated(
            pl.DataFrame(schema=nothing), pl.DataFrame(schema=HOUR_SCHEMA), pl.DataFrame(schema=PERIOD_SCHEMA)
        )
    spans = pl.concat([part.spans for part in parts]).unique().sort("meter", "first")
    found_hours = pl.concat([part.hours for part in parts]).unique(["meter", "hour"]).sort("meter", "hour")
    found_days = pl.concat([part.days for part in parts]).unique(["meter", "period"]).sort("meter", "period")
    return Restated(spans, found_hours, found_days)


def _clusters(touched: pl.DataFrame) -> list[pl.DataFrame]:
    """Return spans in groups that lie close to one another, so that a reading of last year does not read all since."""
    ordered = touched.sort("first", "last", "meter")
    apart = (pl.col("first") > pl.col("last").cum_max().shift(1) + _GAP).fill_null(False)
    return ordered.with_columns(cluster=apart.cum_sum()).partition_by("cluster", include_key=False, maintain_order=True)


def _window(
    spans: pl.DataFrame, left: timedelta | None, right: timedelta | None
) -> tuple[datetime | None, datetime | None]:
    first, last = spans.select(pl.col("first").min(), pl.col("last").max()).row(0)
    low = None if left is None else first.astimezone(UTC) - left
    return low, None if right is None else last.astimezone(UTC) + right


def settled_spans(
    engine: Engine,
    readings: ibis.Table,
    meters: ibis.Table,
    checks: Mapping[str, MeterCheck],
    touched: pl.DataFrame,
    *,
    events: ibis.Table | None = None,
) -> tuple[pl.DataFrame, pl.Series, pl.Series]:
    """Return touched spans widened to the whole local days whose steps they move, and which of them the readings settle.

    Parameters
    ----------
    engine : Engine
    readings : Table of `READING_SCHEMA`
        A window around the spans.
    meters, checks, events : see `restate`
    touched : DataFrame
        meter, first, last, zone.

    Returns
    -------
    spans : DataFrame
        meter, first, last (instants; first of a day inclusive, last exclusive), zone.
    before, after : Series of bool
        Whether enough readings stand on that side; else a wider window is needed, or there are no more.
    """
    used = used_readings(readings, meters, checks, events=events)
    rows = used.filter(used.aside == 0)
    lined = engine.collect(rows.select("meter", "at", begin=rows.start.fill_null(rows["at"]))).sort("meter", "at")
    seconds = touched.with_row_index("span").select(
        "span", "meter", first=pl.col("first").dt.epoch("s"), last=pl.col("last").dt.epoch("s")
    )
    first, last = _reached(lined, seconds)
    zones = touched["zone"].to_list()
    days = pl.DataFrame({"first": first, "last": last}).with_columns(
        pl.from_epoch(pl.col(name), time_unit="s").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
        for name in ("first", "last")
    )
    days = days.with_columns(zone=pl.Series(zones, dtype=pl.String), meter=touched["meter"])
    days = _whole_days(days.with_row_index("span"))
    around = lined.join(
        days.select("span", "meter", low=pl.col("first").dt.epoch("s"), high=pl.col("last").dt.epoch("s")), on="meter"
    )
    counts = around.group_by("span").agg(
        before=(pl.col("at") <= pl.col("low")).sum(), after=(pl.col("begin") >= pl.col("high")).sum()
    )
    enough = days.join(counts, on="span", how="left", maintain_order="left").select(
        (pl.col(name) >= _NEEDED).fill_null(False) for name in ("before", "after")
    )
    return days.select("meter", "first", "last", "zone"), enough["before"], enough["after"]


def _reached(lined: pl.DataFrame, spans: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return for each span the first second of the fifth reading before it and the last of the fifth after it."""
    joined = lined.join(spans, on="meter").sort("span", "at")
    before = joined.filter(pl.col("at") < pl.col("first")).group_by("span").agg(low=pl.col("begin").tail(_REACH).min())
    after = joined.filter(pl.col("at") > pl.col("last")).group_by("span").agg(high=pl.col("at").head(_REACH).max())
    inside = (
        joined.filter(pl.col("at").is_between("first", "last"))
        .group_by("span")
        .agg(low_inside=pl.col("begin").min(), high_inside=pl.col("at").max())
    )
    wide = spans
    for part in (before, after, inside):
        wide = wide.join(part, on="span", how="left", maintain_order="left")
    return (
        wide.select(pl.min_horizontal("first", "low", "low_inside")).to_series(),
        wide.select(pl.max_horizontal("last", "high", "high_inside")).to_series(),
    )


def _whole_days(spans: pl.DataFrame) -> pl.DataFrame:
    """Return spans from the beginning of the local day of their first instant to the end of that of their last."""
    parts = []
    for (zone,), part in spans.group_by("zone", maintain_order=True):
        local = [pl.col(name).dt.convert_time_zone(str(zone)) for name in ("first", "last")]
        parts.append(
            part.with_columns(
                first=local[0].dt.truncate("1d").dt.convert_time_zone("UTC"),
                last=local[1].dt.truncate("1d").dt.offset_by("1d").dt.convert_time_zone("UTC"),
            )
        )
    return pl.concat(parts).sort("span")


def _merged(spans: pl.DataFrame) -> pl.DataFrame:
    """Return the spans of each meter, those that meet joined."""
    ordered = spans.sort("meter", "first", "last")
    ordered = ordered.with_columns(reach=pl.col("last").cum_max().shift(1).over("meter"))
    grouped = ordered.with_columns(group=(pl.col("first") > pl.col("reach")).fill_null(True).cum_sum().over("meter"))
    return (
        grouped.group_by("meter", "group", maintain_order=True)
        .agg(pl.col("first").min(), pl.col("last").max(), pl.col("zone").first())
        .select("meter", "first", "last", "zone")
    )


def _recomputed(engine: Engine, table: ibis.Table, spans: pl.DataFrame) -> Restated:
    """Return the hours and local days of the spans."""
    wanted = engine.frame(spans.select(span_meter="meter", first_="first", last_="last"))
    inside = table.join(
        wanted, [table.meter == wanted.span_meter, table.hour >= wanted.first_, table.hour < wanted.last_]
    )
    found = engine.collect(inside.select(*HOUR_SCHEMA), HOUR_SCHEMA).sort("meter", "hour")
    days = []
    for (zone,), part in spans.select("meter", "zone").unique().group_by("zone", maintain_order=True):
        local = pl.col("hour").dt.convert_time_zone(str(zone)).dt.date()
        own = found.filter(pl.col("meter").is_in(part["meter"].implode()))
        days.append(
            own.group_by("meter", period=local).agg(
                **{name: pl.col(name).sum() for name in SUMS if name != "spread"},
                spread=pl.col("over_day").sum(),
                flags=pl.col("flags").bitwise_or(),
            )
        )
    return Restated(
        spans,
        found,
        pl.concat(days).select(pl.col(name).cast(kind) for name, kind in PERIOD_SCHEMA.items()).sort("meter", "period"),
    )


def replaced(stored: pl.DataFrame, restated: pl.DataFrame, spans: pl.DataFrame, *, by: str = "hour") -> pl.DataFrame:
    """Return stored rows with those of the spans replaced.

    Parameters
    ----------
    stored, restated : DataFrames of one schema
        Of `HOUR_SCHEMA` or `PERIOD_SCHEMA`.
    spans : DataFrame
        `Restated.spans`.
    by : {"hour", "period"}
        Column of time: hours, or local days.
    """
    merged = _merged(spans).select("meter", low="first", high="last", zone="zone")
    rows = stored.with_row_index("row_")
    around = rows.select("row_", "meter", by).join(merged, on="meter")
    low, high = pl.col("low"), pl.col("high")
    if by == "period" and around.height:
        parts = [
            part.with_columns(
                low=low.dt.convert_time_zone(str(zone)).dt.date(), high=high.dt.convert_time_zone(str(zone)).dt.date()
            )
            for (zone,), part in around.group_by("zone")
        ]
        around = pl.concat(parts)
    gone = around.filter((pl.col(by) >= low) & (pl.col(by) < high))["row_"]
    kept = rows.filter(~pl.col("row_").is_in(gone.implode())).drop("row_")
    return pl.concat([kept, restated.select(kept.columns)]).sort("meter", by)


def changes(
    before: pl.DataFrame,
    after: pl.DataFrame,
    keys: Sequence[str],
    *,
    because: str,
    columns: Sequence[str] = ("amount", "spread", "withheld", "covered"),
    tolerance: float = 1e-12,
) -> pl.DataFrame:
    """Return what changed between two states of a derived table.

    Parameters
    ----------
    before, after : DataFrames
        With the same keys; only the rows that were reckoned anew, or all.
    keys : sequence of str
    because : str
        Batch, event, mark or factor version that made the difference.
    columns : sequence of str
        Numbers to compare; factor notes may be among them.
    tolerance : float
        Relative difference that is none.

    Returns
    -------
    DataFrame
        keys, column, before, after (as text where a column is text, else numbers), because; one row for each value that differs,
        null where a row was or is absent.

    Examples
    --------
    >>> was = pl.DataFrame({"meter": ["a"], "amount": [1.0]})
    >>> now = pl.DataFrame({"meter": ["a", "b"], "amount": [1.0, 2.0]})
    >>> changes(was, now, ["meter"], because="batch-7", columns=["amount"]).rows()
    [('b', 'amount', None, 2.0, 'batch-7')]
    """
    both = before.select(*keys, *columns).join(
        after.select(*keys, *columns), on=list(keys), how="full", coalesce=True, suffix="_after"
    )
    parts = []
    for name in columns:
        old, new = pl.col(name), pl.col(f"{name}_after")
        text = before.schema[name] == pl.String
        if not text:
            old, new = old.cast(pl.Float64), new.cast(pl.Float64)
        differs = old.ne_missing(new)
        if not text:
            scale = pl.max_horizontal(old.abs(), new.abs())
            differs = differs & ((old - new).abs() > tolerance * scale).fill_null(True)
        parts.append(
            both.filter(differs).select(*keys, column=pl.lit(name), before=old, after=new, because=pl.lit(because))
        )
    numbers = [part for part in parts if part.schema["before"] != pl.String]
    if len(numbers) < len(parts):
        parts = [part.with_columns(pl.col("before", "after").cast(pl.String)) for part in parts]
    return pl.concat(parts).sort(*keys, "column")
