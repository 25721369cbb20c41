"""Hours to days, months and years of meters: each is the sum of the one below, so that they always agree."""

from __future__ import annotations

from typing import Final, Literal

import ibis
import polars as pl

from dafeng.lake.prepared import prepared
from dafeng.metering.frames import HOUR, SUMS, ZERO, bits_together, first_day, seconds_of

__all__ = [
    "direct_months",
    "expected_seconds",
    "local_spans",
    "periods_of_hours",
    "regular_months",
    "resampled",
    "widened",
]

Width = Literal["day", "month", "year"]
_OVER: Final = {"day": "over_day", "month": "over_month", "year": "over_year"}


def _sums(table: ibis.Table, spread: str) -> dict[str, ibis.Value]:
    totals = {name: table[name].sum() for name in SUMS}
    return {
        **totals,
        "spread": table[spread].sum(),
        "covered": totals["covered"].cast("int64"),
        "flags": bits_together(table.flags),
    }


@prepared
def periods_of_hours(
    hours: ibis.Table, calendar: ibis.Table, *, by: Width = "day", zones: ibis.Table | None = None
) -> ibis.Table:
    """Return the local days, months or years of meters from their hours.

    Parameters
    ----------
    hours : Table of `HOUR_SCHEMA`
    calendar : Table of `CALENDAR_SCHEMA`
        Hours outside it are left out. Of one zone, unless `zones` says which meter lies in which.
    by : {"day", "month", "year"}
    zones : Table, optional
        Columns meter, zone.

    Returns
    -------
    Table of `PERIOD_SCHEMA`
    """
    days = calendar.select("zone", "hour", period=calendar[by])
    if zones is None:
        table = hours.join(days.drop("zone"), "hour")
    else:
        table = hours.join(zones.select("meter", "zone"), "meter").join(days, ["zone", "hour"])
    sums = table.group_by("meter", "period").agg(**_sums(table, _OVER[by]))
    return sums.select("meter", "period", *SUMS, "flags")


@prepared
def widened(periods: ibis.Table, *, by: Literal["month", "year"], keys: tuple[str, ...] = ("meter",)) -> ibis.Table:
    """Return months of days, or years of months.

    Parameters
    ----------
    periods : Table of `PERIOD_SCHEMA`
        Or with other keys than the meter.
    by : {"month", "year"}
    keys : tuple of str

    Returns
    -------
    Table of the same columns
    """
    table = periods.mutate(period=first_day(periods.period, by))
    sums = table.group_by(*keys, "period").agg(**_sums(table, _OVER[by]))
    return sums.select(*keys, "period", *SUMS, "flags")


def local_spans(calendar: pl.DataFrame, *, by: Width = "month") -> pl.DataFrame:
    """Return each local period of a calendar with its first second and the first one after it.

    Parameters
    ----------
    calendar : DataFrame of `CALENDAR_SCHEMA`
    by : {"day", "month", "year"}

    Returns
    -------
    DataFrame
        zone, period, first, past. A period that the calendar holds in part is as long as that part.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.metering.frames import local_calendar
    >>> spans = local_spans(local_calendar("Asia/Shanghai", date(2024, 2, 1), date(2024, 3, 1)))
    >>> (spans["past"] - spans["first"]).item() == 29 * 86400
    True
    """
    return (
        calendar.group_by("zone", pl.col(by).alias("period"))
        .agg(first=pl.col("hour").min().dt.epoch("s"), past=pl.col("next_hour").max().dt.epoch("s"))
        .sort("zone", "period")
    )


def expected_seconds(meters: ibis.Table, spans: ibis.Table) -> ibis.Table:
    """Return how many seconds of each period each meter was in service.

    Parameters
    ----------
    meters : Table of `METER_SCHEMA`
    spans : Table
        As `local_spans` gives them.

    Returns
    -------
    Table
        meter, period, expected; none where it was not.
    """
    table = meters.select("meter", "zone", "opens", "closes").join(spans, "zone")
    past = ibis.least(table.past, table.closes.fill_null(table.past))
    rows = table.select("meter", "period", expected=past - ibis.greatest(table.first, table.opens))
    return rows.filter(rows.expected > 0)


@prepared
def direct_months(readings: ibis.Table, calendar: ibis.Table) -> ibis.Table:
    """Return months of meters whose readings are hours already, in one pass over the readings.

    Parameters
    ----------
    readings : Table of `READING_SCHEMA`
        Current ones.
    calendar : Table of `CALENDAR_SCHEMA`
        Of one zone; it holds every reading.

    Returns
    -------
    Table
        meter, period, total, least, most (in units of the reading), readings, odd: how many are no hour of the clock, blank, or
        from the future. `regular_months` says which meters this serves; the others go through `intervals`.
    """
    months = calendar.select("next_hour", start_="hour", period="month")
    table = readings.left_join(months, [readings.at == months.next_hour, readings.start == months.start_])
    odd = table.start_.isnull() | table.value.isnull() | (table.received_at < table.at)
    return table.group_by("meter", "period").agg(
        total=table.value.sum(),
        least=table.value.min(),
        most=table.value.max(),
        readings=table.count(),
        odd=odd.cast("int64").sum(),
        first=table.start.min(),
        last=table.at.max(),
    )


@prepared
def regular_months(
    direct: ibis.Table, meters: ibis.Table, *, marked: ibis.Table | None = None, events: ibis.Table | None = None
) -> ibis.Table:
    """Return the direct months as totals of meters, with a column that says which must be reckoned in full.

    Parameters
    ----------
    direct : Table
        Of `direct_months`; a held one, as it is small.
    meters : Table of `METER_SCHEMA`
    marked, events : Tables, optional
        Of `span_bits` and `event_points`: their meters are reckoned in full.

    Returns
    -------
    Table of `PERIOD_SCHEMA` and odd
        Where any month of a meter is odd all of them are: some check objects to an hour, or an hour is none of the clock.
    """
    table = direct.join(meters.select("meter", "kind", "factor", "power", "opens", "closes"), "meter")
    odd = (
        (table.odd > 0)
        | table.total.isnan()
        | table.most.isinf()
        | (table.least < 0)
        | (table.kind == "register")
        | (table.most * table.factor > table.power * HOUR * (1 + 1e-9)).fill_null(False)
        | (seconds_of(table.first) < table.opens)
        | (seconds_of(table.last) > table.closes).fill_null(False)
    )
    rows = table.select(
        "meter", "period", amount=table.total * table.factor, covered=table.readings * HOUR, odd=odd.fill_null(True)
    )
    strange = rows.filter(rows.odd).select("meter")
    for other in (marked, events):
        if other is not None:
            strange = ibis.union(strange, other.select("meter"), distinct=False)
    strange = strange.distinct().mutate(strange=ibis.literal(True))
    joined = rows.left_join(strange, "meter")
    return joined.select(
        "meter",
        "period",
        "amount",
        **{name: ZERO for name in SUMS if name not in ("amount", "covered")},
        covered=joined.covered.cast("int64"),
        flags=ibis.literal(0).cast("int64"),
        odd=joined.strange.notnull(),
    ).select("meter", "period", *SUMS, "flags", "odd")


def resampled(series: pl.DataFrame, every: str, *, zone: str = "Asia/Shanghai") -> pl.DataFrame:
    """Return a series of hours, small enough to be shown, by local hour, day, week, month or year.

    Parameters
    ----------
    series : DataFrame
        Columns of `HOUR_SCHEMA` of one meter, or of one building and item; any other columns are left out.
    every : str
        1h, 1d, 1w, 1mo, 1q or 1y.
    zone : str
        Time zone in which days begin.

    Returns
    -------
    DataFrame
        start (local), amount, spread (of hours), withheld, covered; one row for each step that has any hour.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> hours = pl.DataFrame({"hour": [datetime(2024, 1, 31, 15, tzinfo=UTC), datetime(2024, 1, 31, 16, tzinfo=UTC)],
    ...                       "amount": [1.0, 2.0], "spread": [0.0, 0.0], "withheld": [0.0, 0.0], "covered": [3600, 3600]})
    >>> resampled(hours, "1mo")["amount"].to_list()
    [1.0, 2.0]
    """
    local = pl.col("hour").dt.convert_time_zone(zone).dt.truncate(every)
    return series.group_by(start=local).agg(pl.col("amount", "spread", "withheld", "covered").sum()).sort("start")
