"""What a person asks of metering: which meters are heard, how complete a period is, what checks see, and with which evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from dafeng.base.finding import Finding
from dafeng.catalog.metering_schemas import MeterCheck
from dafeng.lake import Engine, open_engine
from dafeng.metering.frames import FLAG_SCHEMA, PERIOD_SCHEMA, event_points, local_calendar, span_bits
from dafeng.metering.intervals import intervals, readings_set_aside
from dafeng.metering.quality import flag_findings, reading_flags, to_flags
from dafeng.metering.quality_spans import completeness_flags, part_flags
from dafeng.metering.rollup import expected_seconds, local_spans
from dafeng.workflow.metering import (
    ZONE,
    MeterHouse,
    MeterRegister,
    know_building,
    know_meter,
    open_house,
    read_register,
    shown_items,
)
from dafeng.workflow.setting import Setting

__all__ = ["METER_STATES", "MeterQuality", "MeterStatus", "meter_quality", "meter_status", "midnight"]

METER_STATES: Final = {"online": "在线", "late": "迟报", "silent": "中断", "never": "从未上报", "retired": "已停用"}
"""States of a meter: heard within a day of the moment asked about, within three days, longer ago, never; out of service."""
_LATE: Final = timedelta(hours=24)
_SILENT: Final = timedelta(hours=72)
_SLACK: Final = timedelta(days=2)


@dataclass(frozen=True)
class MeterStatus:
    """How metering stands.

    Attributes
    ----------
    meters : DataFrame
        One row a meter: meter, name, building, place, item, last, readings, state, covered, expected, completeness (of the
        period), flags (hours of the period with any mark).
    buildings, places : DataFrames
        Meters by state, and completeness.
    checks : DataFrame
        check, title, meters, days: of the period.
    versions : dict
        Versions of readings, events and tables.
    findings : tuple of Finding
    """

    meters: pl.DataFrame
    buildings: pl.DataFrame
    places: pl.DataFrame
    checks: pl.DataFrame
    versions: dict[str, int]
    findings: tuple[Finding, ...]


def meter_status(
    setting: Setting, *, at: datetime, period: tuple[date, date] | None = None, engine: str = "duckdb"
) -> MeterStatus:
    """Return which meters are heard, how complete a period is, and how often each check objects.

    Parameters
    ----------
    setting : Setting
    at : datetime
        Moment against which the last reading is held.
    period : pair of date, optional
        First local day and first day after; the newest month that was rolled up where None.
    engine : str

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    """
    house = open_house(setting)
    register = read_register(setting, house)
    span = period or _newest_month(house)
    snapshot = house.readings.snapshot()
    with open_engine(engine) as opened:
        table = snapshot.table(opened)
        heard = opened.collect(
            table.group_by("meter").agg(last=table["at"].max(), readings=table.count()),
            {"meter": pl.String(), "last": pl.Datetime("us", "UTC"), "readings": pl.Int64()},
        )
    days = (
        house.days.read(*span) if span is not None and house.days.version >= 0 else pl.DataFrame(schema=PERIOD_SCHEMA)
    )
    meters = _meters(register, heard, days, span, at)
    checks = _checks(days, setting.catalog.meter_checks)
    grouped = [
        meters.group_by(name)
        .agg(
            pl.len().alias("meters"),
            *((pl.col("state") == state).sum().alias(state) for state in METER_STATES),
            (pl.col("covered").sum() / pl.col("expected").sum()).fill_nan(None).alias("completeness"),
        )
        .sort(name)
        for name in ("building", "place")
    ]
    versions = {"readings": snapshot.version, "events": snapshot.events_version}
    versions |= {name: table.version for name, table in house.tables().items()}
    return MeterStatus(meters, grouped[0], grouped[1], checks, versions, register.findings)


def _newest_month(house: MeterHouse) -> tuple[date, date] | None:
    parts = house.days.partitions() if house.days.version >= 0 else []
    if not parts:
        return None
    first = date.fromisoformat(f"{parts[-1].partition}-01")
    return first, (first + timedelta(days=32)).replace(day=1)


def _meters(
    register: MeterRegister, heard: pl.DataFrame, days: pl.DataFrame, span: tuple[date, date] | None, at: datetime
) -> pl.DataFrame:
    places = {code: building.place for code, building in register.buildings.items()}
    rows = []
    for meter in register.meters.values():
        first, past = (date.min, date.min) if span is None else span
        opened, closed = max(first, meter.valid_from), min(past, meter.valid_to or past, at.date() + timedelta(days=1))
        rows.append(
            (meter.id, register.names.get(meter.id, ""), meter.building, places.get(meter.building, ""), meter.item,
             max(0, (closed - opened).days) * 86400, meter.in_service(at.date()))
        )  # fmt: skip
    schema = {"meter": pl.String, "name": pl.String, "building": pl.String, "place": pl.String, "item": pl.String,
              "expected": pl.Int64, "in_service": pl.Boolean}  # fmt: skip
    sums = days.group_by("meter").agg(pl.col("covered").sum(), flags=(pl.col("flags") != 0).sum().cast(pl.Int64))
    frame = (
        pl.DataFrame(rows, schema=schema, orient="row")
        .join(heard, on="meter", how="left")
        .join(sums, on="meter", how="left")
    )
    age = pl.lit(at).dt.cast_time_unit("us") - pl.col("last")
    state = (
        pl.when(~pl.col("in_service")).then(pl.lit("retired"))
        .when(pl.col("last").is_null()).then(pl.lit("never"))
        .when(age <= _LATE).then(pl.lit("online"))
        .when(age <= _SILENT).then(pl.lit("late"))
        .otherwise(pl.lit("silent"))
    )  # fmt: skip
    covered = pl.col("covered").fill_null(0)
    return frame.with_columns(
        state=state, covered=covered, readings=pl.col("readings").fill_null(0), flags=pl.col("flags").fill_null(0),
        completeness=pl.when(pl.col("expected") > 0).then((covered / pl.col("expected")).clip(0, 1)),
    ).drop("in_service").sort("building", "meter")  # fmt: skip


def _checks(days: pl.DataFrame, checks: dict[str, MeterCheck]) -> pl.DataFrame:
    rows = []
    for check in sorted(checks.values(), key=lambda one: one.bit):
        own = days.filter((pl.col("flags") & (1 << check.bit)) != 0)
        if own.height:
            rows.append((check.id, check.title.zh, check.treatment.value, own["meter"].n_unique(), own.height))
    schema = {"check": pl.String, "title": pl.String, "treatment": pl.String, "meters": pl.Int64, "days": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@dataclass(frozen=True)
class MeterQuality:
    """What checks see.

    Attributes
    ----------
    flags : DataFrame of `FLAG_SCHEMA`
        Evidence.
    findings : list of Finding
        One for each meter and check.
    """

    flags: pl.DataFrame
    findings: list[Finding]


def meter_quality(
    setting: Setting,
    *,
    period: tuple[date, date],
    meters: Sequence[str] = (),
    buildings: Sequence[str] = (),
    engine: str = "duckdb",
) -> MeterQuality:
    """Return the evidence of every check in a period: on readings and intervals, days, parts against main meters, completeness.

    Parameters
    ----------
    setting : Setting
    period : pair of date
        First local day and first day after.
    meters, buildings : sequences of str
        Only these; all where both are empty.
    engine : str

    Raises
    ------
    UnknownNameError
        A meter or building is unknown.
    """
    house = open_house(setting)
    register = read_register(setting, house)
    wanted = {know_meter(register, name).id for name in meters}
    homes = {know_building(register, name).id for name in buildings}
    wanted |= {meter.id for meter in register.meters.values() if meter.building in homes}
    checks = setting.catalog.meter_checks
    known = house.register.read().drop("period")
    if wanted or homes:
        known = known.filter(pl.col("meter").is_in(sorted(wanted)))
    if known.is_empty():
        return MeterQuality(pl.DataFrame(schema=FLAG_SCHEMA), [])
    first, past = (midnight(day) for day in period)
    names = known["meter"].to_list()
    snapshot = house.readings.snapshot()
    events = snapshot.events()
    marks = house.marks.read()
    with open_engine(engine) as opened:
        readings = snapshot.table(opened, first - _SLACK, past + _SLACK, names)
        table = opened.frame(known)
        points = opened.frame(event_points(events)) if events.height else None
        bits = span_bits(marks, checks)
        marked = opened.frame(bits) if bits.height else None
        found = intervals(readings, table, checks, events=points, marks=marked)
        aside = readings_set_aside(readings, table, checks, events=points)
        rows = [to_flags(opened.collect(reading_flags(found, aside, table, checks)))]
        rows.append(marks.filter(pl.col("meter").is_in(names)))
        rows += _of_periods(house, opened, known, checks, period, homes or set(known["building"]))
    flags = pl.concat(rows).filter((pl.col("start") < past) & (pl.col("end") >= first))
    flags = flags.unique(["check", "meter", "start", "end"], keep="first", maintain_order=True)
    flags = flags.sort("meter", "start", "end", "check")
    return MeterQuality(flags, flag_findings(flags, checks))


def midnight(day: date) -> datetime:
    """Return the instant, UTC, at which a local day begins.

    Examples
    --------
    >>> midnight(date(2024, 1, 1)).isoformat()
    '2023-12-31T16:00:00+00:00'
    """
    local = pl.Series([datetime(day.year, day.month, day.day)]).dt.replace_time_zone(ZONE).dt.convert_time_zone("UTC")
    value = local.item()
    assert isinstance(value, datetime)
    return value.astimezone(UTC)


def _of_periods(
    house: MeterHouse,
    engine: Engine,
    known: pl.DataFrame,
    checks: dict[str, MeterCheck],
    period: tuple[date, date],
    buildings: set[str],
) -> list[pl.DataFrame]:
    """Return evidence of the checks on whole days and months."""
    if house.days.version < 0:
        return []
    held = house.days.read(*period)
    if held.is_empty():
        return []
    first = period[0].replace(day=1)
    calendar = local_calendar(ZONE, first, period[1])
    spans: dict[str, Any] = {by: engine.frame(local_spans(calendar, by=by)) for by in ("day", "month")}
    months = house.months.read(first, period[1]).filter(pl.col("meter").is_in(known["meter"].implode()))
    expected = expected_seconds(engine.frame(known), spans["month"])
    days = shown_items(house.building_days.read(*period)).filter(pl.col("building").is_in(sorted(buildings)))
    return [
        to_flags(engine.collect(completeness_flags(engine.frame(months), expected, spans["month"], checks))),
        to_flags(engine.collect(part_flags(engine.frame(days), spans["day"], checks))),
    ]
