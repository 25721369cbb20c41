"""Weather out of files: typical years as EPW, what was measured as tables.

A typical year never becomes actual weather: it is laid in a nominal year and marked in every row. A value beyond what nature or an
instrument can give is taken out, with a finding; it is never clipped and never filled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.base.quantity import fold_width
from dafeng.base.weather import WEATHER_VARIABLES, Station, WeatherKind
from dafeng.intake.epw import read_epw
from dafeng.intake.meter_times import check_zone, read_times, to_instants
from dafeng.intake.meter_values import decimal_comma, read_values
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet, file_digest
from dafeng.intake.weather_values import MISSING, RANGES, WeatherImport, checked_values, weather_import, weather_note

__all__ = ["RANGES", "WeatherImport", "read_epw", "read_weather_table"]

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
    "station": "站号 站名 区站号 台站号 站点 站点编号 站点名称 station stationid stationname siteid site wmo usaf",
}  # fmt: skip
_NAME: Final = {name: role for role, names in _NAMES.items() for name in names.split()}
_TEMPERATURES: Final = {
    "c": (1.0, 0.0), "度": (1.0, 0.0), "摄氏度": (1.0, 0.0), "0.1c": (0.1, 0.0), "0.1度": (0.1, 0.0), "k": (1.0, -273.15),
    "f": (5 / 9, -160 / 9),
}  # fmt: skip
_POWERS: Final = {"wm2": 1.0, "kwm2": 1000.0}
_AMOUNTS: Final = {
    "whm2": 1.0, "kwhm2": 1000.0, "jm2": 1 / 3600, "kjm2": 1 / 3.6, "mjm2": 1000 / 3.6, "0.01mjm2": 10 / 3.6, "jcm2": 10 / 3.6,
}  # fmt: skip
_SCALES: Final[dict[str, dict[str, float]]] = {
    "humidity": {"%": 1.0, "pct": 1.0, "rh": 1.0, "%rh": 1.0},
    "pressure": {"pa": 1.0, "hpa": 100.0, "mbar": 100.0, "mb": 100.0, "0.1hpa": 10.0, "kpa": 1000.0},
    "wind_speed": {"ms": 1.0, "0.1ms": 0.1, "kmh": 1 / 3.6, "kph": 1 / 3.6, "kn": 0.514444, "kt": 0.514444, "knots": 0.514444, "mph": 0.44704},
    "wind_direction": {"°": 1.0, "度": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0},
    "precipitation": {"mm": 1.0, "毫米": 1.0, "0.1mm": 0.1, "cm": 10.0, "in": 25.4, "inch": 25.4},
}  # fmt: skip
"""Units by variable, folded: what one of them is in the unit of `WEATHER_VARIABLES`."""
_SUFFIXES: Final = ("pct", "hpa", "kpa", "kwhm2", "whm2", "wm2", "kmh", "ms", "mm", "c", "f", "k")
_MEANS: Final = ("temperature", "dew_point", "humidity", "pressure", "wind_speed")


class _Unit(NamedTuple):
    """How a column becomes the unit of its variable: value · scale + shift; whether it is an amount of the span, or mean power."""

    scale: float = 1.0
    shift: float = 0.0
    amount: bool = False
    power: bool = False


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
    first, roles, units, utc, refused = found
    if refused:
        said = f"以下列的单位不认识，未读取：{'、'.join(refused)}"
        findings.append(weather_note("unit", said, path.name, Severity.ERROR))
    own_zone = zone or (
        "UTC"
        if utc
        else f"{'+' if station.utc_offset >= 0 else '-'}{int(abs(station.utc_offset)):02d}:{round(abs(station.utc_offset) % 1 * 60):02d}"
    )
    check_zone(own_zone)
    rows = sheet.frame.slice(first).with_row_index("row", offset=first + 1)
    rows = rows.filter(~pl.all_horizontal(pl.exclude("row").is_null()))
    if "station" in roles:
        rows = _own_rows(rows, roles["station"], station, path.name, findings)
    times = _table_times(rows, roles)
    instants = to_instants(times, own_zone)
    bad = times["problem"].is_not_null() | instants["at"].is_null()
    if bad.any():
        line = rows["row"][int(bad.arg_max() or 0)]
        findings.append(
            weather_note(
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
            value = read_values(rows[f"c{index}"], comma=comma)["value"]
            coded = value.is_in([float(code) for code in MISSING[role]])
            unit = units[role]
            known = pl.when(~coded).then(value * unit.scale + unit.shift)
            frame = frame.with_columns(known.alias(role))
    ends = bool((times["span"] == "end").any())
    frame = frame.with_columns(pl.Series("daily", times["span"] == "day")).filter(~bad)
    daily = bool(frame["daily"].any()) and bool(frame["daily"].all())
    if daily:
        frame = frame.with_columns(pl.col(role) * 24 for role, unit in units.items() if unit.power)
    frame = frame.drop("daily")
    step = timedelta(0)
    if ends and frame["start"].n_unique() > 1:
        step = frame["start"].unique().sort().diff().drop_nulls().mode().sort()[0]
        # Farther apart they are observed at the instant, and not the end of a span.
        step = step if step <= timedelta(hours=1) else timedelta(0)
        frame = frame.with_columns(pl.col("start") - step)
    if ends and step:
        findings.append(weather_note("label-found", "有 24 时，时间是时段的结束，按此读取", path.name, Severity.INFO))
    frame, counts = checked_values(frame, path.name, findings, daily=daily)
    if not daily:
        frame = _hourly(frame, path.name, findings, [role for role, unit in units.items() if unit.amount])
    frame = _once(frame, path.name, findings)
    if kind is WeatherKind.TYPICAL:
        findings.append(
            weather_note("typical-table", "表按典型年导入，年份保留在 source_year", path.name, Severity.INFO)
        )
    frame = frame.with_columns(pl.lit(None, pl.Int32).alias("source_year"))
    counts["refused"] = int(bad.sum())
    return weather_import(
        path.name, file_digest(path), station, kind, frame, dataset, 24 if daily else 1, received_at, counts, findings
    )


class _Columns(NamedTuple):
    """The header of a table: first row of data, columns by role, their units, whether times are UTC, columns with units not known."""

    first: int
    roles: dict[str, int]
    units: dict[str, _Unit]
    utc: bool
    refused: tuple[str, ...]


def _find_columns(sheet: Sheet, said: Mapping[str, str]) -> _Columns | None:
    for number, cells in enumerate(sheet.frame.head(30).iter_rows()):
        roles: dict[str, int] = {}
        units: dict[str, _Unit] = {}
        refused: list[str] = []
        utc = False
        for index, cell in enumerate(cells):
            role, unit = _variable(cell or "", said)
            if role is None or role in roles or role == "ignored":
                continue
            if unit is None:
                refused.append(cell or "")
                continue
            roles[role], units[role] = index, unit
            utc = utc or (role == "time" and "utc" in (cell or "").lower())
        timed = roles.keys() & {"time", "date"} or {"year", "month", "day"} <= roles.keys()
        if timed and (roles.keys() & WEATHER_VARIABLES.keys() or refused):
            return _Columns(number + 1, roles, units, utc, tuple(refused))
    return None


def _variable(header: str, said: Mapping[str, str]) -> tuple[str | None, _Unit | None]:
    """Return the role of a header and its unit, None where the unit is not known: its values are not taken for another's."""
    match = re.fullmatch(r"(?P<head>.+?)[(（\[](?P<unit>[^()（）\[\]]*)[)）\]]\s*", header.strip())
    head, unit = (match["head"], match["unit"]) if match else (header, "")
    bare = re.sub(r"[_\-\s/]", "", fold_width(head)).casefold()
    short = re.sub(r"[_\-\s/·*²^]", "", unit.replace("²", "2"))
    short = fold_width(short).casefold().removeprefix("单位").lstrip(":")
    short = re.sub("°(?=[cf]$)", "", short).replace("℃", "c")
    role = said[header] if header in said else _NAME.get(bare)
    if role is None:
        for suffix in _SUFFIXES:
            if bare.endswith(suffix) and (role := _NAME.get(bare.removesuffix(suffix))) is not None:
                short = suffix
                break
    return (role, _Unit()) if role not in WEATHER_VARIABLES or not short else (role, _unit(role, short))


def _unit(role: str, short: str) -> _Unit | None:
    if role in ("temperature", "dew_point"):
        pair = _TEMPERATURES.get(short)
        return None if pair is None else _Unit(*pair)
    if role in ("ghi", "dni", "dhi"):
        if short in _POWERS:
            return _Unit(_POWERS[short], power=True)
        return _Unit(_AMOUNTS[short], amount=True) if short in _AMOUNTS else None
    scale = _SCALES[role].get(short)
    return None if scale is None else _Unit(scale)


def _own_rows(rows: pl.DataFrame, column: int, station: Station, file: str, findings: list[Finding]) -> pl.DataFrame:
    """Return the rows of one station out of a table of several."""
    names = rows[f"c{column}"].cast(pl.String).str.strip_chars()
    wanted = [text for text in (station.id, station.wmo, station.name) if text]
    distinct = names.drop_nulls().unique(maintain_order=True).to_list()
    own = names.is_in(wanted).fill_null(False)
    if own.any():
        if not own.all():
            said = f"表中还有其他站的 {int((~own).sum())} 行，未读取"
            findings.append(weather_note("other-stations", said, file, Severity.INFO, rows=int((~own).sum())))
        return rows.filter(own)
    if len(distinct) > 1:
        raise InputError(
            f"{file} holds {len(distinct)} stations ({', '.join(distinct[:5])}), none of them {station.id}",
            doing="read weather",
            expected="rows of the station named",
            next_step="give the station the id or name that the table uses",
            file=file,
            name="weather.table.stations",
        )
    if distinct:
        said = f"表中的站写作「{distinct[0]}」，按 {station.id} {station.name} 存入"
        findings.append(weather_note("station-named", said, file, Severity.WARNING))
    return rows


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


def _hourly(frame: pl.DataFrame, file: str, findings: list[Finding], amounts: Sequence[str]) -> pl.DataFrame:
    """Return whole hours: means, and sums of amounts, of what is finer; irradiation that is stated as an amount is unknown where a part is."""
    start = pl.col("start").dt.truncate("1h")
    finer = frame.select((pl.col("start") != start).any()).item()
    if not finer:
        return frame
    findings.append(
        weather_note(
            "finer-than-hours",
            "数据细于小时，按小时取平均（辐射按平均功率，写明为能量的与降水按合计）",
            file,
            Severity.INFO,
        )
    )
    radians = pl.col("wind_direction").radians()
    direction = pl.arctan2(radians.sin().mean(), radians.cos().mean()).degrees() % 360
    return (
        frame.group_by(start.alias("start"), maintain_order=True)
        .agg(
            *(pl.col(name).mean() for name in (*_MEANS, "ghi", "dni", "dhi") if name not in amounts),
            *(pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name) for name in amounts),
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
            weather_note(
                "repeated",
                f"有 {same.height - kept.height} 个时刻前后不同，以后出现的一行为准",
                file,
                Severity.WARNING,
                rows=same.height - kept.height,
            )
        )
    return kept
