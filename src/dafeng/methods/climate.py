"""Climate: daily means, degree-days, climate zones and heating seasons.

Degree-days are of daily means (GB 50176): HDD18 adds 18 °C less the mean of every day below 18 °C, CDD26 the mean less 26 °C of
every day above 26 °C. A span in which a day is not known has no degree-days but a reason: nothing is filled, nothing is zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.errors import NotEnoughDataError, UnknownNameError, UsageError
from dafeng.base.record import Record
from dafeng.base.weather import WeatherKind
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.metering_tables import ClimateZone, climate_zones
from dafeng.catalog.schemas import HeatingSeason

__all__ = [
    "DAILY_SCHEMA",
    "DegreeDays",
    "SeasonDates",
    "ZoneAnswer",
    "climate_zone",
    "daily_means",
    "degree_day_table",
    "degree_days",
    "heating_days",
    "heating_season",
    "require_actual",
]

HEATING_BASE: Final = 18.0
COOLING_BASE: Final = 26.0
DAILY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "dataset": pl.String(),
    "kind": pl.String(),
    "station": pl.String(),
    "day": pl.Date(),
    "temperature": pl.Float64(),
    "hours": pl.Float64(),
}
"""Columns of daily means: mean dry-bulb temperature in °C, null where too few hours are known, and the hours known."""


class DegreeDays(Record):
    """Degree-days of one station and span.

    Either both sums are given, or a reason why they are not.
    """

    station: str
    """Station id."""
    dataset: str
    """Who says so."""
    kind: str
    """actual or typical."""
    start: date
    """First day."""
    end: date
    """First day after."""
    heating: float | None
    """Heating degree-days in °C·d."""
    cooling: float | None
    """Cooling degree-days in °C·d."""
    heating_base: float = HEATING_BASE
    """Base of the heating degree-days in °C."""
    cooling_base: float = COOLING_BASE
    """Base of the cooling degree-days in °C."""
    known: int
    """Days that are known."""
    days: int
    """Days of the span."""
    reason: str = ""
    """Why there are no sums, in Chinese; empty where there are."""

    @property
    def coverage(self) -> float:
        """Share of the days that are known."""
        return self.known / self.days


class ZoneAnswer(Record):
    """The climate zone that degree-days belong to."""

    zone: str | None
    """Code of the building record, None where no zone answers."""
    name: str = ""
    """Chinese name."""
    heating: float
    """HDD18 in °C·d."""
    cooling: float
    """CDD26 in °C·d."""
    grade: str = ""
    """How sure the limits are."""
    source: str = ""
    """Source id of the limits."""
    near: tuple[str, ...] = ()
    """Zones whose limits lie within 5 % of the degree-days: another source of weather may say so."""


class SeasonDates(Record):
    """The heating season of a place that begins in a year."""

    place: str
    """Place asked for."""
    stated_for: str
    """Place whose rule it is: the place itself, or the nearest one above it."""
    year: int
    """Year in which it begins."""
    start: date
    """First day."""
    end: date
    """First day after."""
    announced: bool = False
    """Whether it was announced for this season alone."""
    source: str
    """Source id."""
    grade: str
    """How sure."""
    note: str = ""
    """Remark."""

    @property
    def days(self) -> int:
        """Days of the season."""
        return (self.end - self.start).days


def require_actual(frame: pl.DataFrame, *, doing: str) -> pl.DataFrame:
    """Return `frame` where all its weather was measured.

    Raises
    ------
    NotEnoughDataError
        It is empty, or holds a typical year.

    Examples
    --------
    >>> require_actual(pl.DataFrame({"kind": ["actual"]}), doing="normalise").height
    1
    """
    kinds = set(frame["kind"].unique())
    if kinds != {str(WeatherKind.ACTUAL)}:
        raise NotEnoughDataError(
            "there is no measured weather" if not kinds else f"the weather is {', '.join(sorted(kinds))}",
            doing=doing,
            expected="weather measured in the span itself; a typical year says nothing about it",
            next_step="import the station's measured weather with `dafeng meter import`",
        )
    return frame


def daily_means(weather: pl.DataFrame, *, zone: str = "Asia/Shanghai", least: float = 20) -> pl.DataFrame:
    """Return the mean temperature of each local day.

    Parameters
    ----------
    weather : DataFrame of `dafeng.base.weather.WEATHER_SCHEMA`
    zone : str
        Zone of the days.
    least : float
        Hours of a day that must be known.

    Returns
    -------
    DataFrame of `DAILY_SCHEMA`
        In order of station and day; days without any row are absent.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> hours = pl.DataFrame({"dataset": "met", "kind": "actual", "station": "s",
    ...     "start": pl.datetime_range(datetime(2023, 12, 31, 16, tzinfo=UTC), datetime(2024, 1, 1, 15, tzinfo=UTC), "1h", eager=True),
    ...     "hours": 1, "temperature": 10.0})
    >>> daily_means(hours).select("day", "temperature", "hours").rows()
    [(datetime.date(2024, 1, 1), 10.0, 24.0)]
    """
    local = pl.col("start").dt.convert_time_zone(zone)
    known = pl.col("temperature").is_not_null() & pl.col("temperature").is_not_nan()
    weight = pl.when(known).then(pl.col("hours").cast(pl.Float64)).otherwise(0.0)
    days = (
        weather.select(
            "dataset",
            "kind",
            "station",
            local.dt.date().alias("day"),
            weight.alias("hours"),
            (pl.when(known).then(pl.col("temperature")).otherwise(0.0) * weight).alias("sum"),
        )
        .group_by("dataset", "kind", "station", "day")
        .agg(pl.col("sum").sum(), pl.col("hours").sum())
    )
    mean = pl.when(pl.col("hours") >= least).then(pl.col("sum") / pl.col("hours"))
    return (
        days.select("dataset", "kind", "station", "day", mean.alias("temperature"), "hours")
        .sort("dataset", "kind", "station", "day")
        .cast(DAILY_SCHEMA)  # type: ignore[arg-type]
    )


def degree_day_table(
    days: pl.DataFrame,
    spans: Sequence[tuple[date, date]],
    *,
    heating_base: float = HEATING_BASE,
    cooling_base: float = COOLING_BASE,
) -> pl.DataFrame:
    """Return degree-days of every station of `days` in every span.

    Parameters
    ----------
    days : DataFrame of `DAILY_SCHEMA`
    spans : sequence of (first day, first day after)
        They may overlap.
    heating_base, cooling_base : float
        Bases in °C.

    Returns
    -------
    DataFrame
        dataset, kind, station, start, end, heating, cooling (°C·d, null where a day is not known), known, days, reason.

    Examples
    --------
    >>> days = pl.DataFrame({"dataset": ["met"] * 2, "kind": ["actual"] * 2, "station": ["s"] * 2,
    ...                      "day": [date(2024, 1, 1), date(2024, 1, 2)], "temperature": [8.0, 28.0], "hours": [24.0, 24.0]})
    >>> spans = [(date(2024, 1, 1), date(2024, 1, 3)), (date(2024, 1, 2), date(2024, 1, 4))]
    >>> degree_day_table(days, spans).select("heating", "cooling", "known", "reason").rows()
    [(10.0, 2.0, 2, ''), (None, None, 1, '2 天中只有 1 天有气温')]
    """
    if any(end <= start for start, end in spans):
        raise UsageError(
            "a span ends before it begins", doing="add up degree-days", expected="first day, first day after"
        )
    if cooling_base < heating_base:
        raise UsageError(
            f"cooling base {cooling_base} is below heating base {heating_base}",
            doing="add up degree-days",
            expected="a cooling base not below the heating base",
        )
    asked = pl.DataFrame(
        {"start": [start for start, _ in spans], "end": [end for _, end in spans]},
        schema={"start": pl.Date(), "end": pl.Date()},
    ).unique(maintain_order=True)
    own = days.select("dataset", "kind", "station").unique(maintain_order=True)
    every = own.join(asked, how="cross")
    cut = days.filter(pl.col("temperature").is_not_null()).with_columns(
        (heating_base - pl.col("temperature")).clip(lower_bound=0).alias("heating"),
        (pl.col("temperature") - cooling_base).clip(lower_bound=0).alias("cooling"),
    )
    keys = ["dataset", "kind", "station", "start", "end"]
    sums = (
        cut.join_where(asked, pl.col("day") >= pl.col("start"), pl.col("day") < pl.col("end"))
        .group_by(keys)
        .agg(pl.col("heating").sum(), pl.col("cooling").sum(), pl.len().cast(pl.Int64).alias("known"))
    )
    table = every.join(sums, on=keys, how="left", maintain_order="left").with_columns(
        pl.col("known").fill_null(0), (pl.col("end") - pl.col("start")).dt.total_days().alias("days")
    )
    whole = pl.col("known") == pl.col("days")
    lacking = pl.format("{} 天中只有 {} 天有气温", "days", "known")
    return table.select(
        *keys,
        pl.when(whole).then("heating").alias("heating"),
        pl.when(whole).then("cooling").alias("cooling"),
        "known",
        "days",
        pl.when(whole).then(pl.lit("")).otherwise(lacking).alias("reason"),
    )


def degree_days(
    days: pl.DataFrame,
    start: date,
    end: date,
    *,
    heating_base: float = HEATING_BASE,
    cooling_base: float = COOLING_BASE,
) -> DegreeDays:
    """Return the degree-days of one station in one span.

    Raises
    ------
    UsageError
        The span is empty, or `days` holds several stations, datasets or kinds.

    Examples
    --------
    >>> days = pl.DataFrame({"dataset": ["met"], "kind": ["actual"], "station": ["s"], "day": [date(2024, 1, 1)],
    ...                      "temperature": [-2.0], "hours": [24.0]})
    >>> degree_days(days, date(2024, 1, 1), date(2024, 1, 2)).heating
    20.0
    >>> degree_days(days, date(2024, 1, 1), date(2025, 1, 1)).reason
    '366 天中只有 1 天有气温'
    """
    own = days.select("dataset", "kind", "station").unique()
    if own.height > 1:
        raise UsageError(
            f"{own.height} series of weather",
            doing="add up degree-days",
            expected="one station, dataset and kind",
            next_step="choose one, or use degree_day_table",
        )
    if own.is_empty():
        count = (end - start).days
        reason = f"{count} 天中没有一天有气温"
        return DegreeDays(
            station="", dataset="", kind="", start=start, end=end, heating=None, cooling=None,
            heating_base=heating_base, cooling_base=cooling_base, known=0, days=count, reason=reason,
        )  # fmt: skip
    table = degree_day_table(days, [(start, end)], heating_base=heating_base, cooling_base=cooling_base)
    return DegreeDays(heating_base=heating_base, cooling_base=cooling_base, **table.row(0, named=True))


def climate_zone(heating: float, cooling: float, *, zones: Iterable[ClimateZone] | None = None) -> ZoneAnswer:
    """Return the climate zone of degree-days of a normal year.

    Parameters
    ----------
    heating : float
        HDD18 in °C·d.
    cooling : float
        CDD26 in °C·d.
    zones : iterable of ClimateZone, optional
        Limits; those that ship where None.

    Examples
    --------
    >>> climate_zone(4944, 5).zone, climate_zone(2401, 22).zone, climate_zone(2248, 135).zone, climate_zone(1226, 0).zone
    ('severe_cold_c', 'cold_a', 'cold_b', 'mild_a')
    >>> climate_zone(2000, 90).zone, climate_zone(2000, 90.1).zone, climate_zone(5050, 0).near
    ('cold_a', 'cold_b', ('severe_cold_c',))
    """
    known = tuple(climate_zones() if zones is None else zones)
    zone = _zone(known, heating, cooling)
    if zone is None:
        return ZoneAnswer(zone=None, heating=heating, cooling=cooling)
    around = [(heating * a, cooling * b) for a in (0.95, 1, 1.05) for b in (0.95, 1, 1.05)]
    others = {other.zone: None for pair in around if (other := _zone(known, *pair)) is not None and other != zone}
    return ZoneAnswer(
        zone=zone.zone,
        name=zone.name,
        heating=heating,
        cooling=cooling,
        grade=zone.grade,
        source=zone.source,
        near=tuple(others),
    )


def _zone(zones: Sequence[ClimateZone], heating: float, cooling: float) -> ClimateZone | None:
    def within(value: float, limits: tuple[float | None, float | None], *, closed: bool) -> bool:
        low, high = limits
        above = low is None or (value > low if closed else value >= low)
        return above and (high is None or (value <= high if closed else value < high))

    # The limit between cold A and B belongs to A.
    return next(
        (
            zone
            for zone in zones
            if within(heating, zone.heating, closed=False)
            and within(cooling, zone.cooling, closed=zone.zone.startswith("cold_"))
        ),
        None,
    )


def heating_season(catalog: Catalog, place: str, year: int) -> SeasonDates:
    """Return the heating season of a place that begins in `year`.

    Parameters
    ----------
    catalog : Catalog
        Its `seasons`; an entry valid for one season alone (as announced that year) goes before the standing rule, a nearer place
        before one above it.
    place : str
        Place id.
    year : int
        Year in which the season begins.

    Raises
    ------
    UnknownNameError
        There is no such place, or nothing is stated for it or any place above it.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> season = heating_season(load_catalog(), "qingdao-shinan", 2023)
    >>> season.stated_for, season.start, season.end, season.days
    ('qingdao', datetime.date(2023, 11, 16), datetime.date(2024, 4, 6), 142)
    """
    catalog.places.get(place)
    for level in (place, *catalog.places.ancestor_ids(place, date(year, 12, 31))):
        found = [season for season in catalog.seasons if season.place == level and _holds(season, year)]
        if found:
            season = max(found, key=lambda item: (item.valid_to is not None, item.valid_from or date.min))
            start, end = _dates(season, year)
            return SeasonDates(
                place=place,
                stated_for=level,
                year=year,
                start=start,
                end=end,
                announced=season.valid_to is not None,
                source=season.source,
                grade=str(season.grade),
                note=season.note or "",
            )
    raise UnknownNameError(
        f"no heating season is stated for {place!r} or any place above it in {year}",
        doing="find a heating season",
        expected="an entry in catalog/calendars",
        next_step="add the season of the place under `seasons`",
    )


def _dates(season: HeatingSeason, year: int) -> tuple[date, date]:
    start = date.fromisoformat(f"{year}-{season.start}")
    end = date.fromisoformat(f"{year}-{season.end}")
    return start, end if end > start else date.fromisoformat(f"{year + 1}-{season.end}")


def _holds(season: HeatingSeason, year: int) -> bool:
    start, _ = _dates(season, year)
    return (season.valid_from is None or season.valid_from <= start) and (
        season.valid_to is None or start < season.valid_to
    )


def heating_days(catalog: Catalog, place: str, start: date, end: date) -> pl.DataFrame:
    """Return for each day of a span whether it lies in the heating season.

    Returns
    -------
    DataFrame
        day, heating.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> heating_days(load_catalog(), "qingdao", date(2024, 4, 4), date(2024, 4, 8))["heating"].to_list()
    [True, True, False, False]
    """
    days = pl.DataFrame({"day": pl.date_range(start, end, "1d", closed="left", eager=True)})
    heating = pl.lit(False)
    for year in range(start.year - 1, end.year + 1):
        season = heating_season(catalog, place, year)
        heating |= pl.col("day").is_between(season.start, season.end, closed="left")
    return days.with_columns(heating.alias("heating"))
