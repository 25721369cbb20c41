"""Estimates for gaps: rows of their own, with method and donors, never part of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import ibis
import polars as pl

from dafeng.catalog.metering_schemas import MeterCheck
from dafeng.lake.prepared import prepared
from dafeng.metering.frames import HOUR, ZERO
from dafeng.metering.quality import measured_hours

__all__ = ["ESTIMATE_SCHEMA", "METHOD", "estimates"]

METHOD: Final = "same-hour-and-day-kind"
"""Mean of the same local hour on days of the same kind within the weeks around."""
ESTIMATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "hour": pl.Datetime("us", "UTC"),
    "amount": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "seconds": pl.Int64(),
    "donors": pl.Int64(),
    "method": pl.String(),
}
"""Columns of estimates. amount: for the uncovered seconds of the hour. low, high: smallest and largest donor, scaled alike. donors:
measured hours that it is the mean of."""


@prepared
def estimates(
    hours: ibis.Table,
    meters: ibis.Table,
    calendar: ibis.Table,
    checks: Mapping[str, MeterCheck],
    *,
    days: int = 28,
    least: int = 3,
) -> ibis.Table:
    """Return estimates for the uncovered part of hours in service.

    Parameters
    ----------
    hours : Table of `HOUR_SCHEMA`
        Of the calendar's span; gaps are hours that are absent or covered in part.
    meters : Table of `METER_SCHEMA`
        Whose gaps are estimated.
    calendar : Table of `CALENDAR_SCHEMA`
        Of one zone.
    checks : mapping
    days : int
        How far donors may lie.
    least : int
        Fewest donors; with fewer there is no estimate.

    Returns
    -------
    Table of `ESTIMATE_SCHEMA`
        Energy that is known but spread, or withheld, is not estimated again: its seconds count as covered or are shown as
        withheld.
    """
    slots = calendar.select(
        "hour", "local_hour", "day_kind", number=calendar.day.cast("timestamp").epoch_seconds().cast("int64") // 86400
    )
    grid = meters.select("meter", "opens", "closes").cross_join(slots)
    at = grid.hour.epoch_seconds().cast("int64")
    grid = grid.filter((at >= grid.opens) & (grid.closes.isnull() | (at < grid.closes)))
    heard = hours.select("meter", "hour", "covered", "withheld")
    gaps = grid.left_join(heard, ["meter", "hour"]).select(
        *("meter", "hour", "local_hour", "day_kind", "number"),
        seconds=HOUR - ibis._.covered.fill_null(0),
        withheld=ibis._.withheld.fill_null(ZERO),
    )
    gaps = gaps.filter((gaps.seconds > 0) & (gaps.withheld == 0))
    whole = measured_hours(hours, checks)
    donors = whole.join(slots, "hour").select("meter", "local_hour", "day_kind", donor_number="number", donor="amount")
    pairs = gaps.join(donors, ["meter", "local_hour", "day_kind"])
    away = pairs.number - pairs.donor_number
    near = pairs.filter((away <= days) & (away >= -days))
    sums = near.group_by("meter", "hour", "seconds").agg(
        mean=near.donor.mean(), least=near.donor.min(), most=near.donor.max(), donors=near.count()
    )
    enough = sums.filter(sums.donors >= least)
    share = enough.seconds / HOUR
    return enough.select(
        "meter",
        "hour",
        amount=enough["mean"] * share,
        low=enough.least * share,
        high=enough.most * share,
        seconds=enough.seconds.cast("int64"),
        donors=enough.donors.cast("int64"),
        method=ibis.literal(METHOD),
    )
