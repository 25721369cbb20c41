"""The frames of metering, and the small tables that stand beside the readings: meters, events, marks, days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import ibis
import polars as pl

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.base.meter import Meter
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.reading import MeterEventKind
from dafeng.catalog.metering_schemas import EnergyItem, MeterCheck, Treatment

__all__ = [
    "ANY_KIND",
    "BASELINE_SCHEMA",
    "CALENDAR_SCHEMA",
    "FLAG_SCHEMA",
    "HOUR_SCHEMA",
    "INTERVAL_SCHEMA",
    "METER_SCHEMA",
    "PERIOD_SCHEMA",
    "SUMS",
    "ZERO",
    "bits_of",
    "bits_together",
    "event_points",
    "kinds_of",
    "local_calendar",
    "meter_frame",
    "seconds_of",
    "span_bits",
    "withheld_bits",
]

_INSTANT: Final = pl.Datetime("us", "UTC")
HOUR: Final = 3600
"""Seconds of an hour."""
ANY_KIND: Final = ("", "interval", "register")
"""Kinds of meters: blank where a meter sends one or the other."""

METER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "building": pl.String(),
    "item": pl.String(),
    "zone": pl.String(),
    "kind": pl.String(),
    "factor": pl.Float64(),
    "modulus": pl.Float64(),
    "power": pl.Float64(),
    "opens": pl.Int64(),
    "closes": pl.Int64(),
}
"""Columns of the meter table. kind: register, interval or blank. factor: from the reading to the item's unit. modulus: in units
of the reading. power: largest plausible amount a second, in the item's unit; null where nothing is known. opens, closes: seconds
since 1970 of the first instant in and after service."""

INTERVAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "start": pl.Int64(),
    "end": pl.Int64(),
    "amount": pl.Float64(),
    "flags": pl.Int64(),
}
"""Columns of intervals. start, end: seconds since 1970, UTC. amount: in the item's unit; null where a register fell and nobody
knows why. flags: bits of the checks."""

SUMS: Final = ("amount", "spread", "over_day", "over_month", "over_year", "withheld", "covered")
"""Columns that add up over hours, days, months and meters."""

_SUM_TYPES: Final[dict[str, pl.DataType]] = {
    **{name: pl.Float64() for name in SUMS if name != "covered"},
    "covered": pl.Int64(),
    "flags": pl.Int64(),
}
HOUR_SCHEMA: Final[dict[str, pl.DataType]] = {"meter": pl.String(), "hour": _INSTANT, **_SUM_TYPES}
"""Columns of hours. hour: its first instant. amount: measured and spread, without what is withheld. spread: the part of amount
that comes from intervals longer than the period of the table; over_day, over_month, over_year: from intervals longer than 25 h,
31 days, 366 days, so that wider periods know their own. withheld: energy to which a check objects. covered: seconds whose energy
is in amount. flags: bits of all intervals that touch it."""

PERIOD_SCHEMA: Final[dict[str, pl.DataType]] = {"meter": pl.String(), "period": pl.Date(), **_SUM_TYPES}
"""Columns of days, months and years of a meter. period: its first local day."""

FLAG_SCHEMA: Final[dict[str, pl.DataType]] = {
    "check": pl.String(),
    "meter": pl.String(),
    "start": _INSTANT,
    "end": _INSTANT,
    "value": pl.Float64(),
    "expected": pl.Float64(),
    "detail": pl.String(),
}
"""Columns of evidence: what a check saw, where, the value, and what it was held against."""

BASELINE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "high": pl.Float64(),
    "zero_share": pl.Float64(),
    "same_share": pl.Float64(),
    "hours": pl.Int64(),
}
"""What is usual for a meter: a high quantile of its measured amounts a second, shares of hours at zero and of hours like the one
before, and from how many hours. It is reckoned now and then and kept, so that a late reading moves no threshold."""

CALENDAR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "zone": pl.String(),
    "hour": _INSTANT,
    "next_hour": _INSTANT,
    "day": pl.Date(),
    "month": pl.Date(),
    "year": pl.Date(),
    "local_hour": pl.Int32(),
    "day_kind": pl.String(),
}
"""Columns of the calendar of a zone: each hour with the local day, month and year (their first days) in which it lies, the hour
of the clock, and the kind of day (workday or rest)."""


ZERO: Final = ibis.literal(0).cast("float64")
"""No energy: typed, as a plain 0.0 is a decimal number to Spark, and sums of those lose digits."""


def seconds_of(instant: ibis.Value) -> ibis.Value:
    """Return seconds since 1970 of an instant as engines hold it, in UTC without time zone; fractions are cut off."""
    return instant.epoch_seconds().cast("float64").floor().cast("int64")


@ibis.udf.agg.builtin(name="bit_or")  # type: ignore[untyped-decorator]
def bits_together(bits: int) -> int:  # type: ignore[empty-body]
    """Return all bits that any of the rows has: a function of DuckDB and of Spark, which Ibis names for DuckDB only."""


def first_day(day: ibis.Value, by: str) -> ibis.Value:
    """Return the first day of the month or year of a day. Truncation gives another type on each engine."""
    return ibis.date(day.year(), day.month() if by == "month" else 1, 1)


def instant_of(seconds: ibis.Value) -> ibis.Value:
    """Return the instant, in UTC without time zone, of seconds since 1970."""
    return ibis.timestamp("1970-01-01 00:00:00") + seconds.as_interval("s")


def bits_of(checks: Mapping[str, MeterCheck], *names: str) -> int:
    """Return the bits of checks, 0 for one that the catalog does not have."""
    return sum(1 << checks[name].bit for name in names if name in checks)


def withheld_bits(checks: Mapping[str, MeterCheck]) -> int:
    """Return the bits of all checks that keep energy out of totals.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> checks = load_catalog().meter_checks
    >>> bool(withheld_bits(checks) & bits_of(checks, "power")), bool(withheld_bits(checks) & bits_of(checks, "catch-up"))
    (True, False)
    """
    return bits_of(checks, *(name for name, check in checks.items() if check.treatment is Treatment.WITHHOLD))


def meter_frame(
    meters: Iterable[Meter],
    items: Mapping[str, EnergyItem],
    checks: Mapping[str, MeterCheck],
    *,
    zones: Mapping[str, str] | str = "Asia/Shanghai",
    baselines: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return the meter table.

    Parameters
    ----------
    meters : iterable of Meter
    items : mapping
        Energy items of the catalog.
    checks : mapping
        Checks of the catalog; ``power`` gives the multiples.
    zones : mapping from building to time zone, or one zone for all
    baselines : DataFrame of `BASELINE_SCHEMA`, optional
        What is usual, for meters without a rating.

    Returns
    -------
    DataFrame of `METER_SCHEMA`

    Raises
    ------
    UnknownNameError
        A meter names an item that the catalog does not have.
    InputError
        A meter's unit has another dimension than its item's, or two meters have one id.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> main = Meter(id="m-1", building="b", carrier="electricity", item="01000", unit="kWh", multiplier=40, rated_power=90,
    ...              valid_from=date(2024, 1, 1))
    >>> meter_frame([main], catalog.items, catalog.meter_checks).select("factor", "power").row(0)
    (40.0, 0.05)
    """
    power = checks["power"].parameters if "power" in checks else {}
    usual = (
        {} if baselines is None else dict(baselines.select("meter", "high", "hours").rows_by_key("meter", unique=True))
    )
    rows = []
    for meter in meters:
        item = items.get(meter.item)
        if item is None:
            raise UnknownNameError(
                f"meter {meter.id} has the energy item {meter.item}",
                doing="read the meters",
                expected=f"one of {', '.join(close_names(meter.item, items))}",
                next_step="mend the item of the meter, or add the item to catalog/metering",
            )
        if not same_dimension(meter.unit, item.unit):
            raise InputError(
                f"meter {meter.id} reads {meter.unit}, its energy item {item.id} is in {item.unit}",
                doing="read the meters",
                expected=f"a unit that converts to {item.unit}",
                next_step="mend the unit, or put the conversion into the multiplier",
            )
        limit = None
        if meter.rated_power is not None and same_dimension("kWh", item.unit):
            limit = convert(meter.rated_power, "kWh", item.unit) / HOUR * power.get("rated_multiple", 2.0)
        elif meter.id in usual:
            high, hours = usual[meter.id]
            enough = hours >= power.get("least_hours", 168) and high > 0
            limit = high * power.get("own_multiple", 5.0) if enough else None
        zone = zones if isinstance(zones, str) else zones[meter.building]
        rows.append(
            (
                *(meter.id, meter.building, meter.item, zone, meter.kind.value if meter.kind else ""),
                *(meter.multiplier * convert(1.0, meter.unit, item.unit), meter.modulus, limit),
                _midnight(meter.valid_from, zone),
                None if meter.valid_to is None else _midnight(meter.valid_to, zone),
            )
        )
    frame = pl.DataFrame(rows, schema=METER_SCHEMA, orient="row")
    twice = frame.filter(pl.col("meter").is_duplicated())["meter"].unique().sort().to_list()
    if twice:
        raise InputError(
            f"two meters are called {', '.join(twice[:5])}",
            doing="read the meters",
            expected="one record a meter",
            next_step="give each meter an id of its own",
        )
    return frame


def kinds_of(meters: pl.DataFrame) -> tuple[str, ...]:
    """Return the kinds that the meters of a table have.

    Examples
    --------
    >>> kinds_of(pl.DataFrame({"kind": ["register", "register"]}))
    ('register',)
    """
    return tuple(meters["kind"].unique().sort().to_list()) or ANY_KIND


def _midnight(day: date, zone: str) -> int:
    return int(datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).timestamp())


def event_points(events: pl.DataFrame) -> pl.DataFrame:
    """Return events as points that stand between readings, and merged spans of faults.

    Parameters
    ----------
    events : DataFrame of `EVENT_SCHEMA`
        A later event of one meter, instant and kind replaces an earlier one.

    Returns
    -------
    DataFrame
        meter, at, until (seconds), kind (point, rollover or fault), before, after. Faults of a meter do not overlap; one without
        an end goes on.

    Examples
    --------
    >>> from dafeng.base.reading import EVENT_SCHEMA
    >>> event_points(pl.DataFrame(schema=EVENT_SCHEMA)).height
    0
    """
    current = events.sort("recorded_at", maintain_order=True).unique(["meter", "at", "kind"], keep="last")
    plain = current.with_columns(
        at=pl.col("at").dt.epoch("s"),
        until=pl.col("until").dt.epoch("s").fill_null(1 << 40),
        kind=pl.col("kind").replace({MeterEventKind.REPLACEMENT.value: "point", MeterEventKind.RESET.value: "point"}),
    ).select("meter", "at", "until", "kind", "before", "after")
    faults = (
        plain.filter(pl.col("kind") == "fault")
        .sort("meter", "at")
        .with_columns(reach=pl.col("until").cum_max().shift(1).over("meter"))
        .with_columns(group=(pl.col("at") > pl.col("reach")).fill_null(True).cum_sum().over("meter"))
        .group_by("meter", "group", maintain_order=True)
        .agg(pl.col("at").min(), pl.col("until").max(), pl.col("kind", "before", "after").first())
        .select(plain.columns)
    )
    points = plain.filter(pl.col("kind") != "fault").unique(["meter", "at", "kind"], keep="last", maintain_order=True)
    return pl.concat([points, faults]).sort("meter", "at", "kind")


def span_bits(flags: pl.DataFrame, checks: Mapping[str, MeterCheck]) -> pl.DataFrame:
    """Return evidence of checks that look at whole spans as bits that intervals take over.

    Parameters
    ----------
    flags : DataFrame of `FLAG_SCHEMA`
    checks : mapping

    Returns
    -------
    DataFrame
        meter, start, end (seconds), bits. Checks on single readings are left out: they are seen anew each time.
    """
    bits = {name: 1 << checks[name].bit for name in SPAN_CHECKS if name in checks}
    return (
        flags.filter(pl.col("check").is_in(list(bits)))
        .select(
            "meter",
            start=pl.col("start").dt.epoch("s"),
            end=pl.col("end").dt.epoch("s"),
            bits=pl.col("check").replace_strict(bits, return_dtype=pl.Int64),
        )
        .unique()
        .sort("meter", "start", "end", "bits")
    )


SPAN_CHECKS: Final = ("stuck", "parts-above-main", "parts-missing", "copied-day", "completeness", "drift")
"""Checks whose evidence is kept and handed in, because they look further than a neighbouring reading."""


def local_calendar(
    zone: str, first: date, last: date, *, off: Iterable[date] = (), worked: Iterable[date] = ()
) -> pl.DataFrame:
    """Return the hours of the local days `first` up to, not including, `last`.

    Parameters
    ----------
    zone : str
        Time zone.
    first, last : date
    off, worked : iterables of date
        Days off besides weekends, and weekend days that are worked.

    Returns
    -------
    DataFrame of `CALENDAR_SCHEMA`
        A day of a change of clocks has 23 or 25 hours.

    Raises
    ------
    InputError
        The zone's days do not begin on whole UTC hours.

    Examples
    --------
    >>> local_calendar("Europe/London", date(2024, 3, 31), date(2024, 4, 1)).height
    23
    """
    days = pl.date_range(first, last, closed="left", eager=True)
    before, after = (
        datetime.combine(day, time(), tzinfo=UTC) + timedelta(hours=shift) for day, shift in ((first, -26), (last, 26))
    )
    local = pl.col("hour").dt.convert_time_zone(zone)
    wanted, weekend = pl.col("day").is_in(days.implode()), local.dt.weekday() > 5
    rest = (weekend & ~pl.col("day").is_in(list(worked))) | pl.col("day").is_in(list(off))
    frame = pl.DataFrame({"hour": pl.datetime_range(before, after, "1h", time_unit="us", eager=True)}).with_columns(
        day=local.dt.date(), minute=local.dt.minute()
    )
    if (frame["minute"] != 0).any():
        raise InputError(
            f"the days of {zone} do not begin on a whole hour of UTC",
            doing="lay out local days",
            expected="a zone that differs from UTC by whole hours",
            next_step="choose such a zone for the place",
        )
    return frame.filter(wanted).select(
        zone=pl.lit(zone),
        hour="hour",
        next_hour=pl.col("hour") + timedelta(hours=1),
        day="day",
        month=pl.col("day").dt.truncate("1mo"),
        year=pl.col("day").dt.truncate("1y"),
        local_hour=local.dt.hour().cast(pl.Int32),
        day_kind=pl.when(rest).then(pl.lit("rest")).otherwise(pl.lit("workday")),
    )
