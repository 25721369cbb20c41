"""Typical years in EPW form."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.base.weather import TYPICAL_YEAR, Station, WeatherKind
from dafeng.intake.encoding import decode_text
from dafeng.intake.sheets import Limits, file_digest
from dafeng.intake.weather_values import WeatherImport, checked_values, weather_import, weather_note

__all__ = ["read_epw"]

_EPW: Final = {
    "temperature": 6, "dew_point": 7, "humidity": 8, "pressure": 9, "ghi": 13, "dni": 14, "dhi": 15,
    "wind_direction": 20, "wind_speed": 21, "precipitation": 33,
}  # fmt: skip
_LEAST: Final = 22
"""Columns up to the speed of the wind; those after it are unknown where a file has fewer than 35."""
_HEADER_LINES: Final = 20


def read_epw(
    path: Path, *, received_at: datetime, dataset: str = "", station: str = "", limits: Limits | None = None
) -> WeatherImport:
    """Read a typical year in EPW form (header down to DATA PERIODS, 35 columns, hours counted from 1 at their end).

    Files with fewer columns, in which precipitation is unknown, and files that count hours from 0 are read too.

    Parameters
    ----------
    path : Path
        .epw, also with .gz.
    received_at : datetime
    dataset : str
        Who says so; the source that the file names where empty.
    station : str
        Station id; the WMO number where empty.
    limits : Limits, optional

    Raises
    ------
    InputError
        It is no EPW file, or does not hold a whole year.
    """
    file = path.name
    data = _bytes(path, limits or Limits())
    try:
        text, _ = decode_text(data, file=file)
    except InputError:
        if b"\x00" in data:
            raise
        text = data.decode("latin-1")  # Names of places in the header; the figures are ASCII.
    lines = text.splitlines()
    heads = [line.split(",", 1)[0].strip().upper() for line in lines[:_HEADER_LINES]]
    if heads[:1] != ["LOCATION"]:
        raise _no_epw(file, f"line 1 begins with {heads[0][:40] if heads else ''!r}")
    if "DATA PERIODS" not in heads:
        raise _no_epw(file, "the header lacks DATA PERIODS")
    first = heads.index("DATA PERIODS") + 1
    said = _location(lines[0], file, station)
    rows = pl.DataFrame({"line": lines[first:]}, schema={"line": pl.String()})
    rows = rows.with_row_index("number", offset=first + 1).filter(pl.col("line").str.strip_chars() != "")
    fields = rows["line"].str.split(",")
    if not (fields.list.len() >= _LEAST).all():
        worst = int((fields.list.len() < _LEAST).arg_max() or 0)
        raise _no_epw(file, f"line {rows['number'][worst]} has {fields[worst].len()} columns")
    numbers = {
        name: fields.list.get(column, null_on_oob=True)
        for name, column in ({"year": 0, "month": 1, "day": 2, "hour": 3} | _EPW).items()
    }
    frame = pl.DataFrame(
        {name: column.str.strip_chars().cast(pl.Float64, strict=False) for name, column in numbers.items()}
    )
    findings: list[Finding] = []
    if frame.height and (frame["hour"].min(), frame["hour"].max()) == (0, 23):
        frame = frame.with_columns(pl.col("hour") + 1)
        said_hours = "小时从 0 数到 23（规定为 1 到 24），按各小时的开始读取"
        findings.append(weather_note("hours-from-0", said_hours, file, Severity.WARNING))
    leap = (pl.col("month") == 2) & (pl.col("day") == 29)
    leaps = frame.filter(leap).height
    if leaps:
        frame = frame.filter(~leap)
        findings.append(weather_note("leap-day", f"典型年含 2 月 29 日（{leaps} 小时），未采用", file, Severity.INFO))
    day = pl.concat_str(
        pl.lit(f"{TYPICAL_YEAR}-"),
        pl.col("month").cast(pl.Int32).cast(pl.String).str.zfill(2),
        pl.lit("-"),
        pl.col("day").cast(pl.Int32).cast(pl.String).str.zfill(2),
    ).str.to_date("%Y-%m-%d", strict=False)
    frame = frame.with_columns(day.alias("date"))
    whole = frame.select(
        (pl.col("date").is_not_null() & pl.col("hour").is_between(1, 24)).all()
        & (pl.struct("date", "hour").n_unique() == 8760)
        & (pl.len() == 8760)
    ).item()
    if not whole:
        twice = frame.height - frame.select("date", "hour").n_unique()
        raise _no_epw(
            file,
            f"{frame.height} rows do not make the 8760 hours of one year: hours {frame['hour'].min()!s} to {frame['hour'].max()!s}, "
            f"{frame['date'].n_unique()} days, {twice} rows stand twice",
        )
    start = (
        pl.col("date").cast(pl.Datetime("us"))
        + pl.duration(hours=pl.col("hour") - 1)
        - pl.duration(seconds=round(said.utc_offset * 3600))
    )
    frame = frame.with_columns(start.dt.replace_time_zone("UTC").alias("start"))
    years = frame.select(pl.col("year").cast(pl.Int32).alias("source_year"))
    frame = frame.select("start", *_EPW).hstack(years)
    frame, counts = checked_values(frame, file, findings)
    origin = lines[0].split(",")[4].strip()
    return weather_import(
        file,
        file_digest(path),
        said,
        WeatherKind.TYPICAL,
        frame,
        dataset or origin or "epw",
        1,
        received_at,
        counts,
        findings,
    )


def _bytes(path: Path, limits: Limits) -> bytes:
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            data = stream.read(limits.workbook_bytes + 1)
    except (OSError, EOFError) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}",
            doing="read weather",
            expected="an undamaged file",
            next_step="check the path, or copy the file again",
            file=path.name,
            name="weather.file.unreadable",
        ) from error
    if len(data) > limits.workbook_bytes:
        raise _no_epw(path.name, f"it has more than {limits.workbook_bytes:,} bytes")
    return bytes(data)


def _no_epw(file: str, problem: str) -> InputError:
    return InputError(
        f"{file}: {problem}",
        doing="read a typical year",
        expected="an EPW file: a header from LOCATION to DATA PERIODS, then 8760 hours of 35 columns",
        next_step="get the file anew, or import measured weather as a table",
        file=file,
        name="weather.epw.malformed",
    )


def _location(line: str, file: str, station: str) -> Station:
    parts = [part.strip() for part in line.split(",")] + [""] * 10
    try:
        latitude, longitude, offset, elevation = (float(part) for part in parts[6:10])
        return Station(
            id=station or parts[5] or parts[1],
            name=parts[1],
            wmo=parts[5],
            latitude=latitude,
            longitude=longitude,
            elevation=elevation,
            utc_offset=offset,
        )
    except ValueError as error:
        raise _no_epw(file, f"LOCATION says {line[:80]!r}") from error
