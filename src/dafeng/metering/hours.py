"""Intervals shared out by time over UTC hours; what spans more than the hour is spread, what a check withholds stands beside."""

from __future__ import annotations

from typing import Final

import ibis

from dafeng.lake.prepared import prepared
from dafeng.metering.frames import HOUR, SUMS, ZERO, bits_together, instant_of

__all__ = ["hours"]

_DAY: Final = 25 * HOUR
_MONTH: Final = 31 * 24 * HOUR
_YEAR: Final = 366 * 24 * HOUR


@prepared
def hours(intervals: ibis.Table, withheld: int, *, span: tuple[int, int] | None = None) -> ibis.Table:
    """Return the hours of meters.

    Parameters
    ----------
    intervals : Table of `INTERVAL_SCHEMA`
        Those without an amount leave their time uncovered and their flags on its hours.
    withheld : int
        Bits that keep energy out of amounts, of `withheld_bits`.
    span : pair of seconds, optional
        Only hours that begin in it, first inclusive, last exclusive.

    Returns
    -------
    Table of `HOUR_SCHEMA`
        amount + withheld over all hours is the sum of the intervals. An interval of no length counts in its own hour and
        covers nothing.
    """
    length = intervals.end - intervals.start
    kept = (intervals.flags & withheld) == 0
    first = intervals.start // HOUR
    last = ibis.ifelse(length > 0, (intervals.end - 1) // HOUR, first)
    rows = intervals.select(
        "meter",
        "start",
        "end",
        "flags",
        length=length,
        known=intervals.amount.notnull(),
        amount=ibis.ifelse(kept, intervals.amount, ZERO).fill_null(ZERO),
        withheld=ibis.ifelse(kept, ZERO, intervals.amount).fill_null(ZERO),
        kept=kept,
        first=first.cast("int64"),
        last=last.cast("int64"),
    )
    short = rows.filter(rows.first == rows.last).select(
        "meter", "flags", "length", "amount", "withheld", "known", "kept", hour="first", seconds="length"
    )
    long = rows.filter(rows.first < rows.last)
    long = long.mutate(hour=ibis.range(long.first, long.last + 1).unnest())
    seconds = ibis.least(long.end, (long.hour + 1) * HOUR) - ibis.greatest(long.start, long.hour * HOUR)
    long = long.mutate(seconds=seconds)
    share = long.seconds / long.length
    pieces = long.select(
        "meter",
        "flags",
        "length",
        "known",
        "kept",
        "hour",
        "seconds",
        amount=long.amount * share,
        withheld=long.withheld * share,
    )
    table = ibis.union(short, pieces.select(*short.columns), distinct=False)
    if span is not None:
        first_hour, past_hour = -(-span[0] // HOUR), -(-span[1] // HOUR)
        table = table.filter((table.hour >= first_hour) & (table.hour < past_hour))
    covers = ibis.ifelse(table.kept & table.known, table.seconds, 0)
    sums = table.group_by("meter", "hour").agg(
        amount=table.amount.sum(),
        spread=_over(table, HOUR),
        over_day=_over(table, _DAY),
        over_month=_over(table, _MONTH),
        over_year=_over(table, _YEAR),
        withheld=table.withheld.sum(),
        covered=covers.sum().cast("int64"),
        flags=bits_together(table.flags),
    )
    return sums.select("meter", *SUMS, "flags", hour=instant_of(sums.hour * HOUR)).select(
        "meter", "hour", *SUMS, "flags"
    )


def _over(table: ibis.Table, seconds: int) -> ibis.Value:
    return ibis.ifelse(table.length > seconds, table.amount, ZERO).sum()
