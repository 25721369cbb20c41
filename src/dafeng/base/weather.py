"""Weather: the frame in which intake, lake and methods hand it to one another, and the station that it belongs to.

A typical year and what was measured are two kinds that never mix: a typical year lies in the nominal year `TYPICAL_YEAR`, and
every row says which kind it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl
from pydantic import Field

from dafeng.base.record import Record

__all__ = ["TYPICAL_YEAR", "WEATHER_KEY", "WEATHER_SCHEMA", "WEATHER_VARIABLES", "Station", "WeatherKind"]

TYPICAL_YEAR: Final = 2001
"""Nominal year in which a typical year is laid; it has no 29 February."""

WEATHER_VARIABLES: Final[dict[str, str]] = {
    "temperature": "°C",
    "dew_point": "°C",
    "humidity": "%",
    "pressure": "Pa",
    "ghi": "Wh/m²",
    "dni": "Wh/m²",
    "dhi": "Wh/m²",
    "wind_direction": "°",
    "wind_speed": "m/s",
    "precipitation": "mm",
}
"""Variables with their unit: dry-bulb and dew-point temperature, relative humidity, pressure at the station, global horizontal,
direct normal and diffuse horizontal irradiation of the span, wind from (clockwise from north) and speed, precipitation."""

WEATHER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "dataset": pl.String(),
    "kind": pl.String(),
    "station": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "hours": pl.Int16(),
    **dict.fromkeys(WEATHER_VARIABLES, pl.Float64()),
    "source_year": pl.Int32(),
    "received_at": pl.Datetime("us", "UTC"),
}
"""Columns of weather.

dataset: who says so. kind: of `WeatherKind`. station: id. start: first instant of the span. hours: its length, 1 or 24; means
of the span, sums for irradiation and precipitation; null is not known. source_year: calendar year that the month of a typical
year was taken from. received_at: when the house got it.
"""

WEATHER_KEY: Final = ("dataset", "kind", "station", "start", "hours")
"""Columns that tell one row from another; of several with one key the one received last counts."""


class WeatherKind(StrEnum):
    """Whether weather was measured."""

    ACTUAL = "actual"
    """Measured, or reanalysed, at that very time."""
    TYPICAL = "typical"
    """A typical year, put together from months of several years."""


class Station(Record):
    """A weather station.

    Examples
    --------
    >>> Station(id="545110", name="Beijing", wmo="545110", latitude=39.8, longitude=116.47, utc_offset=8).elevation is None
    True
    """

    id: str = Field(min_length=1)
    """Unique id: the WMO number where there is one."""
    name: str
    """Name."""
    wmo: str = ""
    """WMO number; empty where unknown."""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    """Degrees north."""
    longitude: float | None = Field(default=None, ge=-180, le=180)
    """Degrees east."""
    elevation: float | None = None
    """Height above the sea in m."""
    utc_offset: float = Field(default=8.0, ge=-14, le=14)
    """Hours by which its standard time is ahead of UTC."""
