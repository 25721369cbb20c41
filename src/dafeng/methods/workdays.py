"""Workdays: weekends, days off and make-up days as announced; a year that was not announced is unknown."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

import polars as pl

from dafeng.catalog.catalog import Catalog

__all__ = ["DayType", "day_type", "day_types"]


class DayType(StrEnum):
    """What sort of day it is."""

    WORKDAY = "workday"
    """Worked, weekend days that are worked included."""
    WEEKEND = "weekend"
    """Saturday or Sunday that is neither worked nor part of a holiday."""
    HOLIDAY = "holiday"
    """Day off of a public holiday."""
    UNKNOWN = "unknown"
    """Nothing was announced for its year, as far as the catalog knows."""


def day_type(catalog: Catalog, place: str, day: date) -> DayType:
    """Return what sort of day `day` is in a place.

    Raises
    ------
    UnknownNameError
        There is no such place.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [str(day_type(catalog, "qingdao", day)) for day in (date(2024, 2, 4), date(2024, 2, 12), date(2024, 2, 24), date(2035, 1, 8))]
    ['workday', 'holiday', 'weekend', 'unknown']
    """
    following = date.fromordinal(day.toordinal() + 1)
    return DayType(day_types(catalog, place, day, following)["type"][0])


def day_types(catalog: Catalog, place: str, start: date, end: date) -> pl.DataFrame:
    """Return what sort each day of a span is.

    Parameters
    ----------
    catalog : Catalog
        Its `holidays`: for each year the entry of the place, or of the nearest place above it.
    place : str
        Place id.
    start, end : date
        First day, first day after.

    Returns
    -------
    DataFrame
        day, type (of `DayType`), year of the announcement that decided known or null.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> days = day_types(load_catalog(), "cn", date(2025, 1, 1), date(2026, 1, 1))
    >>> dict(sorted(days.group_by("type").len().iter_rows()))
    {'holiday': 28, 'weekend': 89, 'workday': 248}
    """
    catalog.places.get(place)
    levels = [place, *catalog.places.ancestor_ids(place)]
    days = pl.DataFrame({"day": pl.date_range(start, end, "1d", closed="left", eager=True)})
    off: list[date] = []
    worked: list[date] = []
    years: list[int] = []
    for year in range(start.year, end.year + 1):
        found = [
            holiday
            for level in levels
            for holiday in catalog.holidays
            if (holiday.place, holiday.year) == (level, year)
        ]
        if found:
            off += found[0].off
            worked += found[0].worked
            years.append(year)
    kind = (
        pl.when(~pl.col("day").dt.year().is_in(years))
        .then(pl.lit("unknown"))
        .when(pl.col("day").is_in(worked))
        .then(pl.lit("workday"))
        .when(pl.col("day").is_in(off))
        .then(pl.lit("holiday"))
        .when(pl.col("day").dt.weekday() >= 6)
        .then(pl.lit("weekend"))
        .otherwise(pl.lit("workday"))
    )
    return days.with_columns(kind.alias("type"))
