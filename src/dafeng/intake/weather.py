"""Weather out of files: typical years as EPW, what was measured as tables.

A typical year never becomes actual weather: it is laid in a nominal year and marked in every row. A value beyond what nature or an
instrument can give is taken out, with a finding; it is never clipped and never filled.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError, UnitError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.quantity import conversion_factor, fold_width
from dafeng.base.weather import TYPICAL_YEAR, WEATHER_SCHEMA, WEATHER_VARIABLES, Station, WeatherKind
from dafeng.intake.encoding import decode_text
from dafeng.intake.meter_layout import split_unit
from dafeng.intake.meter_times import check_zone, read_times, to_instants
from dafeng.intake.meter_values import decimal_comma, read_values
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet, file_digest

__all__ = ["RANGES", "WeatherImport", "read_epw", "read_weather_table"]

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
_MISSING: Final = {
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
_EPW: Final = {
    "temperature": 6, "dew_point": 7, "humidity": 8, "pressure": 9, "ghi": 13, "dni": 14, "dhi": 15,
    "wind_direction": 20, "wind_speed": 21, "precipitation": 33,
}  # fmt: skip
_HEADS: Final = (
    "LOCATION", "DESIGN CONDITIONS", "TYPICAL/EXTREME PERIODS", "GROUND TEMPERATURES", "HOLIDAYS/DAYLIGHT SAVINGS",
    "COMMENTS 1", "COMMENTS 2", "DATA PERIODS",
)  # fmt: skip
_NAMES: Final = {
    "temperature": "气温 温度 干球温度 室外温度 平均气温 日平均气温 airtemperature temperature temp drybulb tair airtemp tavg tmean t2m outdoortemperature",
    "dew_point": "露点 露点温度 dewpoint dewpointtemperature",
    "humidity": "相对湿度 湿度 平均相对湿度 relhumidity relativehumidity humidity rh relhumiditypct",
    "pressure": "气压 本站气压 大气压 pressure stationpressure",
    "ghi": "总辐射 水平总辐射 太阳总辐射 太阳辐射 ghi globalradiation globalhorizontal solar",
    "dni": "直接辐射 法向直接辐射 dni directnormal",
    "dhi": "散射辐射 水平散射辐射 dhi diffuse diffusehorizontal",
    "wind_direction": "风向 winddirection winddir",
    "wind_speed": "风速 平均风速 windspeed wind",
    "precipitation": "降水 降水量 降雨量 雨量 precipitation rain rainfall",
    "time": "时间 观测时间 日期时间 资料时间 time timestamp datetime timestamputc timeutc",
    "date": "日期 资料日期 date day",
    "clock": "时刻 时 小时 clock hour",
    "year": "年 年份 year",
    "month": "月 月份 month",
    "day": "日",
}  # fmt: skip
_NAME: Final = {name: role for role, names in _NAMES.items() for name in names.split()}
_UNITS: Final = {
    "pct": ("%", 1.0),
    "hpa": ("Pa", 100.0),
    "kpa": ("Pa", 1000.0),
    "wm2": ("Wh/m²", 1.0),
    "ms": ("m/s", 1.0),
    "c": ("°C", 1.0),
    "kmh": ("m/s", 1 / 3.6),
}
_MEANS: Final = ("temperature", "dew_point", "humidity", "pressure", "wind_speed")
_SUMS: Final = ("ghi", "dni", "dhi", "precipitation")


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


def read_epw(
    path: Path, *, received_at: datetime, dataset: str = "", station: str = "", limits: Limits | None = None
) -> WeatherImport:
    """Read a typical year in EPW form (8 header lines, 35 columns, hours counted from 1 at their end).

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
    text, _ = decode_text(_bytes(path, limits or Limits()), file=file)
    lines = text.splitlines()
    heads = [line.split(",", 1)[0].strip().upper() for line in lines[:8]]
    if heads[:1] != ["LOCATION"] or len(lines) < 9:
        raise _no_epw(file, f"line 1 begins with {heads[0][:40] if heads else ''!r}")
    missing = [name for name in _HEADS if name not in heads]
    if missing:
        raise _no_epw(file, f"the header lacks {', '.join(missing)}")
    said = _location(lines[0], file, station)
    data = pl.DataFrame({"line": [line for line in lines[8:] if line.strip()]})
    fields = data["line"].str.split(",")
    if not (fields.list.len() >= 35).all():
        worst = int((fields.list.len() < 35).arg_max() or 0)
        raise _no_epw(file, f"line {worst + 9} has {fields[worst].len()} columns")
    numbers = {
        name: fields.list.get(column) for name, column in ({"year": 0, "month": 1, "day": 2, "hour": 3} | _EPW).items()
    }
    frame = pl.DataFrame(
        {name: column.str.strip_chars().cast(pl.Float64, strict=False) for name, column in numbers.items()}
    )
    findings: list[Finding] = []
    leap = (pl.col("month") == 2) & (pl.col("day") == 29)
    leaps = frame.filter(leap).height
    if leaps:
        frame = frame.filter(~leap)
        findings.append(_note("leap-day", f"典型年含 2 月 29 日（{leaps} 小时），未采用", file, Severity.INFO))
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
        raise _no_epw(file, f"{frame.height} rows do not make the 8760 hours of one year")
    start = (
        pl.col("date").cast(pl.Datetime("us"))
        + pl.duration(hours=pl.col("hour") - 1)
        - pl.duration(seconds=round(said.utc_offset * 3600))
    )
    frame = frame.with_columns(start.dt.replace_time_zone("UTC").alias("start"))
    years = frame.select(pl.col("year").cast(pl.Int32).alias("source_year"))
    frame = frame.select("start", *_EPW).hstack(years)
    frame, counts = _checked(frame, file, findings)
    origin = lines[0].split(",")[4].strip()
    return _imported(
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
        expected="an EPW file: 8 header lines beginning with LOCATION, then 8760 hours of 35 columns",
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


def read_weather_table(
    path: Path,
    *,
    station: Station,
    dataset: str,
    received_at: datetime,
    zone: str | None = None,
    kind: WeatherKind = WeatherKind.ACTUAL,
    columns: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> WeatherImport:
    r"""Read measured weather of one station from CSV, XLSX or Parquet, by the hour, finer, or by the day.

    Parameters
    ----------
    path : Path
    station : Station
    dataset : str
        Who says so.
    received_at : datetime
    zone : str, optional
        Zone of times without offset: UTC where the header of the time says so, else standard time of the station.
    kind : WeatherKind
        actual, unless the table is a typical year, which must be said.
    columns : mapping from header to variable, optional
        Variables of `WEATHER_VARIABLES`, time, date, clock, or ignored.
    limits : Limits, optional

    Raises
    ------
    InputError
        The file cannot be read, or no header with time and a variable is found.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("日期,平均气温\n2024-01-01,-3.5\n2024-01-02,9999\n")
    ...     taken = read_weather_table(path, station=Station(id="54857", name="青岛"), dataset="met", received_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> taken.frame.select("hours", "temperature").rows()
    [(24, -3.5), (24, None)]
    """
    sheets = read_sheets(path, limits=limits, clocks=True)
    findings: list[Finding] = []
    for sheet in sheets:
        found = _find_columns(sheet, columns or {})
        if found is not None:
            break
    else:
        raise InputError(
            f"{path.name}: no row names a time and a variable",
            doing="read weather",
            expected=f"a header with 时间 or 日期 and one of {', '.join(WEATHER_VARIABLES)}",
            next_step="name the columns, or say what they are with columns=",
            file=path.name,
            name="weather.table.no-header",
        )
    first, roles, units, utc = found
    own_zone = zone or (
        "UTC"
        if utc
        else f"{'+' if station.utc_offset >= 0 else '-'}{int(abs(station.utc_offset)):02d}:{round(abs(station.utc_offset) % 1 * 60):02d}"
    )
    check_zone(own_zone)
    rows = sheet.frame.slice(first)
    times = _table_times(rows, roles)
    instants = to_instants(times, own_zone)
    bad = times["problem"].is_not_null() | instants["at"].is_null()
    if bad.any():
        line = first + int(bad.arg_max() or 0) + 1
        findings.append(
            _note(
                "time",
                f"有 {int(bad.sum())} 行的时间读不懂，未采用",
                path.name,
                Severity.ERROR,
                cell=f"A{line}",
                rows=int(bad.sum()),
            )
        )
    comma = decimal_comma(rows[f"c{index}"] for role, index in roles.items() if role in WEATHER_VARIABLES)
    frame = instants.select(pl.col("at").alias("start"))
    for role, index in roles.items():
        if role in WEATHER_VARIABLES:
            frame = frame.with_columns((read_values(rows[f"c{index}"], comma=comma)["value"] * units[role]).alias(role))
    frame = frame.with_columns(pl.Series("daily", times["span"] == "day")).filter(~bad)
    daily = bool(frame["daily"].any()) and bool(frame["daily"].all())
    frame, counts = _checked(frame.drop("daily"), path.name, findings, daily=daily)
    if not daily:
        frame = _hourly(frame, path.name, findings)
    frame = _once(frame, path.name, findings)
    if kind is WeatherKind.TYPICAL:
        findings.append(_note("typical-table", "表按典型年导入，年份保留在 source_year", path.name, Severity.INFO))
    frame = frame.with_columns(pl.lit(None, pl.Int32).alias("source_year"))
    counts["refused"] = int(bad.sum())
    return _imported(
        path.name, file_digest(path), station, kind, frame, dataset, 24 if daily else 1, received_at, counts, findings
    )


def _find_columns(sheet: Sheet, said: Mapping[str, str]) -> tuple[int, dict[str, int], dict[str, float], bool] | None:
    for number, cells in enumerate(sheet.frame.head(30).iter_rows()):
        roles: dict[str, int] = {}
        units: dict[str, float] = {}
        utc = False
        for index, cell in enumerate(cells):
            role, factor = _variable(cell or "", said)
            if role is not None and role not in roles and role != "ignored":
                roles[role], units[role] = index, factor
                utc = utc or (role == "time" and "utc" in (cell or "").lower())
        timed = roles.keys() & {"time", "date"} or {"year", "month", "day"} <= roles.keys()
        if timed and roles.keys() & WEATHER_VARIABLES.keys():
            return number + 1, roles, units, utc
    return None


def _variable(header: str, said: Mapping[str, str]) -> tuple[str | None, float]:
    if header in said:
        return said[header], 1.0
    match = re.fullmatch(r"(?P<head>.+?)[(（\[](?P<unit>[^()（）\[\]]*)[)）\]]\s*", header.strip())
    head, unit = (match["head"], match["unit"]) if match else (header, "")
    bare = re.sub(r"[_\-\s/]", "", fold_width(head)).casefold()
    short = re.sub(r"[_\-\s/·²^]", "", fold_width(unit)).casefold().replace("℃", "c").replace("°c", "c")
    role = _NAME.get(bare)
    if role is None:
        for suffix in ("pct", "hpa", "kpa", "wm2", "ms", "c"):
            if bare.endswith(suffix) and (role := _NAME.get(bare.removesuffix(suffix))) is not None:
                short = suffix
                break
    if role not in WEATHER_VARIABLES:
        return role, 1.0
    canonical = WEATHER_VARIABLES[role]
    known = _UNITS.get(short.replace("m2", "m2") if short != "w/m2" else "wm2")
    if known is not None and known[0] == canonical:
        return role, known[1]
    if short and role in ("ghi", "dni", "dhi"):
        try:
            return role, conversion_factor(split_unit(f"x({unit})")[1] or unit, "Wh/m2")
        except UnitError:
            return role, 1.0
    return role, 1.0


def _table_times(rows: pl.DataFrame, roles: Mapping[str, int]) -> pl.DataFrame:
    def text(role: str) -> pl.Series:
        return rows[f"c{roles[role]}"].str.strip_chars()

    if "time" in roles:
        return read_times(text("time"))
    day = text("date") if "date" in roles else text("year") + "-" + text("month") + "-" + text("day")
    if "clock" not in roles:
        return read_times(day)
    clock = text("clock")
    whole = clock.str.contains(r"^[0-9]{1,2}$")
    clock = pl.select(pl.when(whole).then(clock + ":00").otherwise(clock)).to_series()
    return read_times(day + " " + clock)


def _checked(
    frame: pl.DataFrame, file: str, findings: list[Finding], *, daily: bool = False
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Take out missing codes and what cannot be."""
    counts = {"rows": frame.height}
    for name in WEATHER_VARIABLES:
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.Float64).alias(name))
            continue
        low, high = RANGES[name]
        high = high * 24 if daily and name in _SUMS else high
        coded = pl.col(name).is_in([float(code) for code in _MISSING[name]])
        frame = frame.with_columns(pl.when(~coded).then(name).alias(name))
        beyond = ~pl.col(name).is_between(low, high)
        odd = frame.filter(beyond)
        if odd.height:
            findings.append(
                _note(
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
                _note("missing", f"{name} 有 {unknown} 个值未知", file, Severity.INFO, variable=name, rows=unknown)
            )
    return frame, counts


def _hourly(frame: pl.DataFrame, file: str, findings: list[Finding]) -> pl.DataFrame:
    """Return whole hours: means, and sums of amounts, of what is finer."""
    start = pl.col("start").dt.truncate("1h")
    finer = frame.select((pl.col("start") != start).any()).item()
    if not finer:
        return frame
    findings.append(
        _note("finer-than-hours", "数据细于小时，按小时取平均（辐射为平均功率，降水为合计）", file, Severity.INFO)
    )
    radians = pl.col("wind_direction").radians()
    direction = pl.arctan2(radians.sin().mean(), radians.cos().mean()).degrees() % 360
    return (
        frame.group_by(start.alias("start"), maintain_order=True)
        .agg(
            *(pl.col(name).mean() for name in (*_MEANS, "ghi", "dni", "dhi")),
            pl.when(pl.col("wind_direction").count() > 0).then(direction).alias("wind_direction"),
            pl.when(pl.col("precipitation").count() > 0).then(pl.col("precipitation").sum()).alias("precipitation"),
        )
        .sort("start")
    )


def _once(frame: pl.DataFrame, file: str, findings: list[Finding]) -> pl.DataFrame:
    same = frame.unique(maintain_order=True)
    kept = same.unique("start", keep="last", maintain_order=True).sort("start")
    if same.height > kept.height:
        findings.append(
            _note(
                "repeated",
                f"有 {same.height - kept.height} 个时刻前后不同，以后出现的一行为准",
                file,
                Severity.WARNING,
                rows=same.height - kept.height,
            )
        )
    return kept


def _note(name: str, sentence: str, file: str, severity: Severity, *, cell: str = "", **evidence: str | int) -> Finding:
    return Finding(
        name=f"weather.{name}",
        sentence=sentence,
        severity=severity,
        expected="" if severity is Severity.INFO else "观测站的原始数据",
        next_step="" if severity is Severity.INFO else "核对来源后重新导入",
        where=Location(file=file, cell=cell),
        evidence=dict(evidence),
    )


def _imported(
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
    made = frame.with_columns(
        pl.lit(dataset).alias("dataset"),
        pl.lit(str(kind)).alias("kind"),
        pl.lit(station.id).alias("station"),
        pl.lit(hours, pl.Int16).alias("hours"),
        pl.lit(received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
    )
    made = made.select(pl.col(name).cast(kind_) for name, kind_ in WEATHER_SCHEMA.items()).sort("start")
    return WeatherImport(file, document, station, kind, made, counts, tuple(findings))
