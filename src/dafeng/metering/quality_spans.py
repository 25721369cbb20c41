"""Checks that look further than a neighbouring reading: stuck meters, copied days, parts against main, completeness, clocks.

Their evidence is kept beside the readings and handed to `dafeng.metering.intervals.intervals` as marks, so that a total depends
on what was decided, and not on which readings happen to be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import ibis

from dafeng.catalog.metering_schemas import MeterCheck
from dafeng.lake.prepared import prepared
from dafeng.metering.frames import HOUR, seconds_of
from dafeng.metering.quality import measured_hours

__all__ = ["completeness_flags", "copied_day_flags", "drift_flags", "part_flags", "stuck_flags"]

_COLUMNS: Final = ("check", "meter", "start", "end", "value", "expected", "detail")
_DAY: Final = 24 * HOUR


def _parameter(checks: Mapping[str, MeterCheck], check: str, name: str, default: float) -> float:
    return checks[check].parameters.get(name, default) if check in checks else default


@prepared
def stuck_flags(hours: ibis.Table, usual: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return runs of hours that are all alike on meters that normally vary.

    Parameters
    ----------
    hours : Table of `HOUR_SCHEMA`
    usual : Table of `BASELINE_SCHEMA`
        A meter that often stands at zero is not asked for zeros, one that often repeats itself not for repeats.
    checks : mapping

    Returns
    -------
    Table
        check, meter, start, end (seconds), value (the amount of each hour), expected (least hours), detail.
    """
    least = int(_parameter(checks, "stuck", "hours", 24))
    share = _parameter(checks, "stuck", "usual_share", 0.1)
    whole = measured_hours(hours, checks)
    table = whole.select("meter", "amount", at=seconds_of(whole.hour))
    window = ibis.window(group_by="meter", order_by="at")
    table = table.mutate(
        goes_on=(
            (table.amount == table.amount.lag().over(window)) & (table.at == table.at.lag().over(window) + HOUR)
        ).fill_null(False)
    )
    running = ibis.cumulative_window(group_by="meter", order_by="at")
    table = table.mutate(run=(~table.goes_on).cast("int64").sum().over(running))
    runs = table.group_by("meter", "run").agg(
        start=table.at.min(), end=table.at.max() + HOUR, value=table.amount.max(), count=table.count()
    )
    known = runs.filter(runs["count"] >= least).join(usual.select("meter", "zero_share", "same_share"), "meter")
    odd = ibis.ifelse(known.value == 0, known.zero_share <= share, known.same_share <= share)
    return (
        known.filter(odd)
        .mutate(
            check=ibis.literal("stuck"),
            expected=ibis.literal(float(least)),
            detail=ibis.literal("hours alike: ") + known["count"].cast("string"),
        )
        .select(*_COLUMNS)
    )


@prepared
def copied_day_flags(hours: ibis.Table, calendar: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return local days that are the same, hour by hour, as an earlier day of the meter.

    Parameters
    ----------
    hours : Table of `HOUR_SCHEMA`
        With the days before those that are looked at.
    calendar : Table of `CALENDAR_SCHEMA`
        Of one zone.
    checks : mapping
        ``copied-day``: within how many days, and how often the amount must change in a day for the likeness to mean anything.

    Returns
    -------
    Table
        check, meter, start, end (seconds), value (the day's amount), expected (days back), detail. Amounts are alike to a
        thousandth of the unit.
    """
    back = int(_parameter(checks, "copied-day", "days", 14))
    changes = int(_parameter(checks, "copied-day", "least_changes", 6))
    least = int(_parameter(checks, "copied-day", "least_hours", 24))
    whole = measured_hours(hours, checks)
    table = whole.join(calendar.select("hour", "day"), "hour")
    table = table.select("meter", "day", at=seconds_of(table.hour), milli=(table.amount * 1000).round().cast("int64"))
    window = ibis.window(group_by=["meter", "day"], order_by="at")
    table = table.mutate(
        place=(table.at - table.at.min().over(ibis.window(group_by=["meter", "day"]))) // HOUR,
        changed=(table.milli != table.milli.lag().over(window)).fill_null(False),
    )
    days = table.group_by("meter", "day").agg(
        count=table.count(),
        changes=table.changed.cast("int64").sum(),
        start=table.at.min(),
        sum0=table.milli.sum().cast("int64"),
        sum1=(table.milli * table.place).sum().cast("int64"),
        sum2=(table.milli * table.place * table.place).sum().cast("int64"),
        sum3=(table.milli * (table.place % 5)).sum().cast("int64"),
    )
    days = days.filter((days["count"] >= least) & (days.changes >= changes))
    earlier = days.select("meter", "count", "sum0", "sum1", "sum2", "sum3", "changes", before="start")
    pairs = days.join(earlier, ["meter", "count", "sum0", "sum1", "sum2", "sum3", "changes"])
    distance = pairs.start - pairs.before
    near = pairs.filter((distance > 0) & (distance <= back * _DAY + HOUR))
    nearest = near.group_by("meter", "start", "count", "sum0").agg(before=near.before.max())
    return nearest.mutate(
        check=ibis.literal("copied-day"),
        end=nearest.start + nearest["count"] * HOUR,
        value=nearest.sum0 / 1000.0,
        expected=((nearest.start - nearest.before) / _DAY).round().cast("float64"),
        detail=ibis.literal("days back"),
    ).select(*_COLUMNS)


@prepared
def part_flags(days: ibis.Table, spans: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return days on which the parts of an item exceed its main meter, or leave a large share unattributed.

    Parameters
    ----------
    days : Table of `ITEM_SCHEMA`
        By day.
    spans : Table
        Of `local_spans` by day, of one zone.
    checks : mapping

    Returns
    -------
    Table
        check, meter (``building/item``), start, end (seconds), value (sum of parts), expected (main meter), detail.
    """
    main = days.filter((days.part == "total") & (days.basis == "main")).select(
        "building", "item", "period", "covered", "expected", main="amount"
    )
    rest = days.filter(days.part == "unattributed").select("building", "item", "period", rest="amount")
    table = main.join(rest, ["building", "item", "period"]).join(spans.select("period", "first", "past"), "period")
    table = table.filter(table.covered == table.expected)
    above = _parameter(checks, "parts-above-main", "tolerance", 0.05)
    least = _parameter(checks, "parts-above-main", "least", 1)
    share = _parameter(checks, "parts-missing", "share", 0.3)
    some = _parameter(checks, "parts-missing", "least", 1)
    exceeded = -table.rest > above * table.main.abs() + least
    missing = (table.rest > share * table.main) & (table.rest > some)
    found = table.filter(exceeded | missing)
    return found.select(
        check=ibis.ifelse(found.rest < 0, "parts-above-main", "parts-missing"),
        meter=found.building + "/" + found.item,
        start=found.first,
        end=found.past,
        value=found.main - found.rest,
        expected=found.main,
        detail=ibis.literal("sum of parts, main"),
    )


@prepared
def completeness_flags(
    periods: ibis.Table, expected: ibis.Table, spans: ibis.Table, checks: Mapping[str, MeterCheck]
) -> ibis.Table:
    """Return months of meters that are covered to a smaller share than the check asks.

    Parameters
    ----------
    periods : Table of `PERIOD_SCHEMA`
    expected : Table
        Of `expected_seconds`.
    spans : Table
        Of `local_spans`, of one zone.
    checks : mapping
    """
    share = _parameter(checks, "completeness", "share", 0.9)
    table = expected.left_join(periods.select("meter", "period", "covered"), ["meter", "period"]).join(
        spans.select("period", "first", "past"), "period"
    )
    table = table.mutate(share=table.covered.fill_null(0) / table.expected)
    short = table.filter(table.share < share)
    return short.select(
        "meter",
        check=ibis.literal("completeness"),
        start=short.first,
        end=short.past,
        value=short.share,
        expected=ibis.literal(float(share)),
        detail=ibis.literal("covered share"),
    ).select(*_COLUMNS)


@prepared
def drift_flags(readings: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return UTC days on which the readings of a meter stand beside the full quarter of an hour, all to one side.

    Parameters
    ----------
    readings : Table of `READING_SCHEMA`
    checks : mapping
        ``drift``: by more than how many seconds, from how many readings.

    Returns
    -------
    Table
        check, meter, start, end (seconds), value (mean seconds beside the grid), expected, detail.
    """
    limit = _parameter(checks, "drift", "seconds", 60)
    least = int(_parameter(checks, "drift", "least_readings", 12))
    grid = 900
    table = readings.select("meter", at=seconds_of(readings["at"]))
    table = table.mutate(day=table.at // _DAY, beside=(table.at + grid // 2) % grid - grid // 2)
    days = table.group_by("meter", "day").agg(
        mean=table.beside.cast("float64").mean(),
        low=table.beside.min(),
        high=table.beside.max(),
        count=table.count(),
        start=table.at.min(),
        end=table.at.max(),
    )
    one_sided = (days.low > limit) | (days.high < -limit)
    found = days.filter(one_sided & (days["count"] >= least))
    return found.mutate(
        check=ibis.literal("drift"),
        value=found["mean"],
        expected=ibis.literal(float(limit)),
        detail=ibis.literal("seconds beside the quarter"),
    ).select(*_COLUMNS)
