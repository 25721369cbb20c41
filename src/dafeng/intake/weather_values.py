"""What every way in of weather shares: the record of an import, the ranges of nature and instruments, codes of missing values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.weather import WEATHER_SCHEMA, WEATHER_VARIABLES, Station, WeatherKind

__all__ = ["MISSING", "RANGES", "SUMS", "WeatherImport", "checked_values", "weather_import", "weather_note"]

RANGES: Final[dict[str, tuple[float, float]]] = {
    "temperature": (-70, 60),
    "dew_point": (-80, 40),
    "humidity": (0, 110),
    "pressure": (31_000, 120_000),
    "ghi": (0, 1_500),
    "dni": (0, 1_500),
    "dhi": (0, 1_000),
    "wind_direction": (0, 360),
    "wind_speed": (0, 90),
    "precipitation": (0, 500),
}
"""Smallest and largest value that can be, in an hour and in the unit of `WEATHER_VARIABLES`."""
MISSING: Final = {
    "temperature": (99.9, 999.9, 9999, 32766, 999999),
    "dew_point": (99.9, 999.9, 9999, 32766, 999999),
    "humidity": (999, 9999, 32766, 999999),
    "pressure": (999999, 32766),
    "ghi": (9999, 999999),
    "dni": (9999, 999999),
    "dhi": (9999, 999999),
    "wind_direction": (999, 9999, 32766, 999999),
    "wind_speed": (999, 999.9, 9999, 32766, 999999),
    "precipitation": (999, 999.9, 9999, 32766, 999999),
}
"""Codes that stand for "not known"."""
SUMS: Final = ("ghi", "dni", "dhi", "precipitation")
"""Variables that are amounts of their span."""


@dataclass(frozen=True)
class WeatherImport:
    """What became of a weather file.

    Parameters
    ----------
    file, document : str
    station : Station
    kind : WeatherKind
    frame : DataFrame of `WEATHER_SCHEMA`
    counts : dict
        rows, known and withheld values by variable.
    findings : tuple of Finding
    """

    file: str
    document: str
    station: Station
    kind: WeatherKind
    frame: pl.DataFrame
    counts: dict[str, int]
    findings: tuple[Finding, ...]


def checked_values(
    frame: pl.DataFrame, file: str, findings: list[Finding], *, daily: bool = False
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Take out missing codes and what cannot be."""
    counts = {"rows": frame.height}
    for name in WEATHER_VARIABLES:
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name))
            continue
        low, high = RANGES[name]
        high = high * 24 if daily and name in SUMS else high
        coded = pl.col(name).is_in([float(code) for code in MISSING[name]])
        frame = frame.with_columns(pl.when(~coded).then(name).alias(name))
        beyond = ~pl.col(name).is_between(low, high)
        odd = frame.filter(beyond)
        if odd.height:
            findings.append(
                weather_note(
                    "out-of-range",
                    f"{name} 有 {odd.height} 个值不在 {low:g} 至 {high:g} 之间（如 {odd[name][0]:g}），已作为未知处理",
                    file,
                    Severity.WARNING,
                    variable=name,
                    rows=odd.height,
                )
            )
            frame = frame.with_columns(pl.when(~beyond).then(name).alias(name))
        counts[name] = int(frame[name].count())
        unknown = frame.height - counts[name]
        if unknown:
            findings.append(
                weather_note(
                    "missing", f"{name} 有 {unknown} 个值未知", file, Severity.INFO, variable=name, rows=unknown
                )
            )
    return frame, counts


def weather_note(
    name: str, sentence: str, file: str, severity: Severity, *, cell: str = "", **evidence: str | int
) -> Finding:
    """Return a finding on weather, named below `weather`."""
    return Finding(
        name=f"weather.{name}",
        sentence=sentence,
        severity=severity,
        expected="" if severity is Severity.INFO else "观测站的原始数据",
        next_step="" if severity is Severity.INFO else "核对来源后重新导入",
        where=Location(file=file, cell=cell),
        evidence=dict(evidence),
    )


def weather_import(
    file: str,
    document: str,
    station: Station,
    kind: WeatherKind,
    frame: pl.DataFrame,
    dataset: str,
    hours: int,
    received_at: datetime,
    counts: dict[str, int],
    findings: list[Finding],
) -> WeatherImport:
    """Return the import of checked values: start and the variables, an hour or a day long, in the frame of weather."""
    made = frame.with_columns(
        pl.lit(dataset).alias("dataset"),
        pl.lit(str(kind)).alias("kind"),
        pl.lit(station.id).alias("station"),
        pl.lit(hours, pl.Int16).alias("hours"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
    )
    made = made.select(pl.col(name).cast(kind_) for name, kind_ in WEATHER_SCHEMA.items()).sort("start")
    return WeatherImport(file, document, station, kind, made, counts, tuple(findings))
