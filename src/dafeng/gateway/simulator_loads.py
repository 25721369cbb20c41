"""What the buildings of an invented city use: loads by type, weather and calendar, as whole arrays.

The figures are conventions of the simulator: plausible in size, of no source, and no benchmark of anything.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.catalog import Catalog
from dafeng.methods.climate import heating_days
from dafeng.methods.workdays import DayType, day_types

__all__ = ["LOAD_KINDS", "LOAD_TYPES", "LoadType", "Surroundings", "loads_of_day", "surroundings", "temperatures"]

Array = npt.NDArray[np.float64]


class LoadType(NamedTuple):
    """How buildings of a type are used.

    Parameters
    ----------
    code, letter : str
        Type of the vocabulary, and letter in the building code.
    share : float
        Of the buildings of a city.
    area : pair of float
        Smallest and largest floor area, m².
    lighting, power, special : float
        W/m² at full use.
    cooling, heating : float
        W/(m²·K) of electricity above 24 °C and below 12 °C.
    opens, closes : float
        Hour from which, and to which, it is in use.
    night, rest : float
        Share of the use that remains at night, and on days of rest.
    water : float
        L/(m²·d).
    gas : float
        m³/(m²·d).
    """

    code: str
    letter: str
    share: float
    area: tuple[float, float]
    lighting: float
    cooling: float
    heating: float
    power: float
    special: float
    opens: float
    closes: float
    night: float
    rest: float
    water: float
    gas: float


LOAD_TYPES: Final[tuple[LoadType, ...]] = (
    LoadType("government_office", "A", 0.22, (4000, 25000), 11, 2.2, 0.6, 3.0, 2.0, 8, 18, 0.12, 0.15, 3.0, 0.004),
    LoadType("office", "A", 0.18, (8000, 60000), 14, 2.6, 0.6, 4.0, 2.5, 8, 19, 0.15, 0.30, 4.0, 0.002),
    LoadType("commerce", "B", 0.14, (10000, 90000), 28, 3.2, 0.4, 6.0, 3.0, 9.5, 22, 0.10, 1.10, 6.0, 0.010),
    LoadType("hotel", "C", 0.12, (6000, 45000), 15, 2.4, 0.7, 4.0, 6.0, 6, 23.5, 0.40, 1.05, 16.0, 0.030),
    LoadType("school", "D", 0.16, (5000, 40000), 10, 1.4, 0.4, 2.0, 2.0, 7, 21, 0.10, 0.20, 5.0, 0.008),
    LoadType("hospital", "E", 0.10, (8000, 80000), 18, 3.0, 0.8, 6.0, 9.0, 6.5, 20, 0.45, 0.75, 18.0, 0.020),
    LoadType("sports", "F", 0.03, (6000, 30000), 16, 2.8, 0.5, 5.0, 4.0, 9, 22, 0.08, 1.30, 8.0, 0.004),
    LoadType("mixed_use", "G", 0.05, (15000, 90000), 18, 2.8, 0.5, 5.0, 4.0, 8, 22, 0.15, 0.80, 6.0, 0.008),
)
"""Types of buildings with what they use."""

LOAD_KINDS: Final = ("lighting", "conditioning", "power", "special", "water", "heat", "gas")
"""Rows of `loads_of_day`: kW of electricity four times, m³/h of water, GJ/h of heat, m³/h of gas."""

_COOLING_FROM: Final = 24.0
_HEATING_FROM: Final = 12.0
_ROOM: Final = 18.0
_HEAT_LOSS: Final = 1.5
"""W/(m²·K) of district heat below the room's 18 °C."""


class Surroundings(NamedTuple):
    """The days on which a city is played.

    Parameters
    ----------
    days : list of date
    rest : array of bool, shape (day,)
        Whether it is a day of rest: weekend or holiday.
    heated : array of bool, shape (day,)
        Whether district heat is on.
    temperature : array, shape (day, hour)
        °C by the hour of the local day.
    """

    days: list[date]
    rest: npt.NDArray[np.bool_]
    heated: npt.NDArray[np.bool_]
    temperature: Array


def temperatures(
    first: date, days: int, *, rng: np.random.Generator, mean: float = 13.0, swing: float = 12.5, daily: float = 4.0
) -> Array:
    """Return invented temperatures: a sinusoid of the year and one of the day, and noise that lasts some days.

    Parameters
    ----------
    first : date
    days : int
    rng : Generator
    mean, swing, daily : float
        °C: mean of the year, half the distance between its coldest and warmest day, half that between night and afternoon.

    Returns
    -------
    array, shape (day, 24)

    Examples
    --------
    >>> found = temperatures(date(2026, 7, 1), 2, rng=np.random.default_rng(1))
    >>> found.shape, bool(18 < found.mean() < 32)
    ((2, 24), True)
    """
    number = np.array([(first + timedelta(days=index)).timetuple().tm_yday for index in range(days)], float)
    season = mean + swing * np.cos(2 * np.pi * (number - 208) / 365.25)
    spell = np.zeros(days)
    shocks = rng.normal(0, 1.5, days)
    for index in range(days):  # days only: the noise of one rests on that of the day before
        spell[index] = 0.7 * spell[index - 1] + shocks[index] if index else shocks[0]
    hours = daily * np.cos(2 * np.pi * (np.arange(24) - 15) / 24)
    return np.asarray((season + spell)[:, None] + hours[None, :] + rng.normal(0, 0.4, (days, 24)))


def surroundings(
    catalog: Catalog,
    place: str,
    first: date,
    days: int,
    *,
    rng: np.random.Generator,
    temperature: Array | None = None,
) -> Surroundings:
    """Return calendar and weather of the days that are played.

    Parameters
    ----------
    catalog : Catalog
        Its holidays and heating seasons.
    place : str
    first : date
    days : int
    rng : Generator
        Of invented weather.
    temperature : array, shape (day, 24), optional
        What the weather was, °C.

    Raises
    ------
    ValueError
        The temperatures are of another shape.
    """
    past = first + timedelta(days=days)
    kinds = day_types(catalog, place, first, past)
    weekend = pl.col("day").dt.weekday() > 5
    worked = pl.col("type") == DayType.WORKDAY.value
    unknown = pl.col("type") == DayType.UNKNOWN.value
    rest = kinds.select((~worked & ~unknown) | (unknown & weekend)).to_series()
    heated = heating_days(catalog, place, first, past)["heating"].fill_null(False)
    if temperature is not None and temperature.shape != (days, 24):
        raise ValueError(f"temperatures of shape {temperature.shape}, expected {(days, 24)}")
    found = temperatures(first, days, rng=rng) if temperature is None else temperature
    return Surroundings(kinds["day"].to_list(), rest.to_numpy(), heated.to_numpy(), found)


def loads_of_day(
    types: npt.NDArray[np.int64],
    area: Array,
    around: Surroundings,
    day: int,
    *,
    steps: int,
    rng: np.random.Generator,
) -> Array:
    """Return what buildings draw in each step of a day.

    Parameters
    ----------
    types : array of int, shape (building,)
        Index into `LOAD_TYPES`.
    area : array, shape (building,)
        Floor area, m².
    around : Surroundings
    day : int
        Which of its days.
    steps : int
        Steps of the day, of one length.
    rng : Generator

    Returns
    -------
    array, shape (kind, building, step)
        Kinds and units of `LOAD_KINDS`.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> rng = np.random.default_rng(7)
    >>> around = surroundings(load_catalog(), "qingdao", date(2026, 3, 4), 1, rng=rng)
    >>> found = loads_of_day(np.array([0]), np.array([10000.0]), around, 0, steps=96, rng=rng)
    >>> found.shape, bool(found[0, 0, 40] > 4 * found[0, 0, 8])
    ((7, 1, 96), True)
    """
    table = {
        name: np.array([getattr(kind, name) for kind in LOAD_TYPES])[types]
        for name in LoadType._fields
        if name not in ("code", "letter", "area")
    }
    hour = (np.arange(steps) + 0.5) * 24 / steps
    up = np.clip((hour[None, :] - table["opens"][:, None]) / 1.5, 0, 1)
    down = np.clip((table["closes"][:, None] - hour[None, :]) / 1.5, 0, 1)
    calendar = np.where(around.rest[day], table["rest"], 1.0)[:, None]
    night = table["night"][:, None]
    use = night + (1 - night) * np.minimum(up, down) * calendar
    warmth = np.interp(hour, np.arange(24) + 0.5, around.temperature[day], period=24)
    noise = rng.lognormal(0, 0.06, (len(LOAD_KINDS), types.size, steps))
    square = area[:, None] / 1000
    hot = np.maximum(warmth - _COOLING_FROM, 0)[None, :]
    cold = np.maximum(_HEATING_FROM - warmth, 0)[None, :]
    conditioned = table["cooling"][:, None] * hot + table["heating"][:, None] * cold + 0.8
    heat = _HEAT_LOSS * np.maximum(_ROOM - warmth, 0)[None, :] * (0.8 + 0.2 * use) * bool(around.heated[day])
    kinds = np.stack(
        [
            table["lighting"][:, None] * use,
            conditioned * use,
            table["power"][:, None] * (0.2 + 0.8 * use),
            table["special"][:, None] * (0.6 + 0.4 * use),
            table["water"][:, None] * use / 12,  # L/(m²·d) over some twelve hours of use: m³/h of 1,000 m²
            heat * 3.6e-3,  # kW to GJ/h
            table["gas"][:, None] * use * 1000 / 12,
        ]
    )
    return np.asarray(kinds * square[None] * noise)


def local_instants(first: date, days: int, minutes: int) -> list[datetime]:
    """Return the times of the local clock at which meters are read, the end of the last day included."""
    start = datetime(first.year, first.month, first.day)
    return [start + timedelta(minutes=minutes * number) for number in range(days * 24 * 60 // minutes + 1)]
