"""EPW files and tables of measured weather."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.errors import InputError
from dafeng.base.weather import WEATHER_SCHEMA, Station, WeatherKind
from dafeng.intake.weather import WeatherImport, read_epw, read_weather_table

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STATION = Station(id="54857", name="青岛", utc_offset=8)
HEAD = [
    "LOCATION,Testville,SD,CHN,TMYx,548570,36.3,120.4,8.0,10.1",
    "DESIGN CONDITIONS,0",
    "TYPICAL/EXTREME PERIODS,0",
    "GROUND TEMPERATURES,0",
    "HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0",
    "COMMENTS 1,a",
    "COMMENTS 2,b",
    "DATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31",
]


def epw(temperatures: dict[int, str] | None = None, *, rows: int = 8760) -> str:
    lines = []
    for hour in range(rows):
        moment = datetime(2001, 1, 1) + timedelta(hours=hour)
        year = 1990 + moment.month
        cells = [str(year), str(moment.month), str(moment.day), str(moment.hour + 1), "0", "flags"]
        cells += [(temperatures or {}).get(hour, "10.0"), "5.0", "60", "101000"] + ["0"] * 25
        lines.append(",".join(cells))
    return "\n".join([*HEAD, *lines]) + "\n"


def table(tmp_path: Path, text: str, **more: object) -> WeatherImport:
    path = tmp_path / "w.csv"
    path.write_text(text, encoding="utf-8")
    return read_weather_table(path, station=STATION, dataset="met", received_at=NOW, **more)


def test_a_typical_year(tmp_path: Path) -> None:
    path = tmp_path / "a.epw.gz"
    path.write_bytes(gzip.compress(epw({0: "-3.5", 1: "99.9", 2: "75"}).encode()))
    said = read_epw(path, received_at=NOW)
    assert dict(said.frame.schema) == WEATHER_SCHEMA
    assert (said.station.id, said.station.latitude, said.station.elevation, said.kind) == (
        "548570",
        36.3,
        10.1,
        WeatherKind.TYPICAL,
    )
    assert said.frame.height == 8760
    assert said.frame["temperature"].head(4).to_list() == [-3.5, None, None, 10.0]
    # The first hour of the local year begins at 16:00 of the day before in UTC.
    assert said.frame["start"][0] == datetime(2000, 12, 31, 16, tzinfo=UTC)
    assert said.frame["kind"].unique().to_list() == ["typical"]
    assert said.frame["source_year"].unique().sort().to_list() == list(range(1991, 2003))
    assert said.counts["temperature"] == 8758
    assert "weather.out-of-range" in {finding.name for finding in said.findings}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("a,b\n1,2\n", "line 1 begins with"),
        ("\n".join(HEAD[:5]) + "\n" * 9, "lacks DATA PERIODS"),
        (epw(rows=8000), "8000 rows"),
        (epw().replace("1991,1,1,2,", "1991,1,1,1,", 1), "8760 rows do not make"),
        (epw().replace("1991,1,1,2,0,flags,10.0,5.0,60,", "1991,1,1,2\n#", 1), "line 10 has"),
        ("LOCATION,x,x,x,x,x,north,1,2,3\n" + "\n".join(HEAD[1:]) + "\n1\n", "LOCATION says"),
    ],
)
def test_files_that_are_no_typical_year(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "a.epw"
    path.write_text(text)
    with pytest.raises(InputError, match=match):
        read_epw(path, received_at=NOW)


def test_measured_hours_with_chinese_headers(tmp_path: Path) -> None:
    text = "站号,时间,气温(℃),相对湿度(%),气压(hPa),总辐射(W/m²),风速(m/s)\n54857,2024-01-01 00:00,-2.5,70,1020.5,0,3\n54857,2024-01-01 01:00,999.9,70,1020,9999,3\n"
    said = table(tmp_path, text)
    assert said.frame["start"].to_list() == [datetime(2023, 12, 31, hour, tzinfo=UTC) for hour in (16, 17)]
    assert said.frame["temperature"].to_list() == [-2.5, None]
    assert said.frame["pressure"].to_list() == [102050.0, 102000.0]
    assert said.frame["ghi"].to_list() == [0.0, None]
    assert said.frame["hours"].unique().to_list() == [1]


def test_finer_than_hours(tmp_path: Path) -> None:
    text = "time,temperature,precipitation,wind_direction\n" + "".join(
        f"2024-01-01 00:{m:02d},{m},1,{350 if m < 30 else 10}\n" for m in range(0, 60, 10)
    )
    said = table(tmp_path, text)
    row = said.frame.row(0, named=True)
    assert (said.frame.height, row["temperature"], row["precipitation"]) == (1, 25.0, 6.0)
    assert min(row["wind_direction"], 360 - row["wind_direction"]) == pytest.approx(0, abs=1e-9)


def test_days(tmp_path: Path) -> None:
    said = table(tmp_path, "年,月,日,平均气温\n2024,1,1,-3.5\n2024,1,2,88\n")
    assert said.frame.select("hours", "temperature").rows() == [(24, -3.5), (24, None)]
    assert [finding.name for finding in said.findings] == ["weather.out-of-range", "weather.missing"]


def test_bad_times_and_repeats_are_said(tmp_path: Path) -> None:
    said = table(tmp_path, "time,temperature\n2024-01-01 00:00,1\nx,2\n2024-01-01 00:00,3\n")
    assert said.frame["temperature"].to_list() == [3.0]
    assert said.counts["refused"] == 1
    assert {"weather.time", "weather.repeated"} <= {finding.name for finding in said.findings}
    with pytest.raises(InputError, match="no row names a time"):
        table(tmp_path, "a,b\n1,2\n")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "w.parquet"
    pl.DataFrame(
        {
            "air_temperature_c": [2.5],
            "rel_humidity_pct": [90.0],
            "ghi_w_m2": [0.0],
            "timestamp_utc": [datetime(2016, 1, 1)],
        }
    ).write_parquet(path)
    said = read_weather_table(path, station=STATION, dataset="midas", received_at=NOW)
    assert said.frame.select("start", "temperature", "humidity", "ghi").rows() == [
        (datetime(2016, 1, 1, tzinfo=UTC), 2.5, 90.0, 0.0)
    ]
    assert said.frame["start"].dt.date().to_list() == [date(2016, 1, 1)]


@pytest.mark.parametrize(
    ("text", "temperature"),
    [
        (epw().replace("COMMENTS 2,b\n", ""), 10.0),
        ("\n".join(line.rsplit(",", 3)[0] if line[:3].isdigit() else line for line in epw().splitlines()), 10.0),
        (epw().replace("Testville", "Malm\xf6"), 10.0),
    ],
)
def test_habits_of_other_makers_of_typical_years(tmp_path: Path, text: str, temperature: float) -> None:
    path = tmp_path / "a.epw"
    path.write_bytes(text.encode("latin-1"))
    said = read_epw(path, received_at=NOW)
    assert said.frame["start"][0] == datetime(2000, 12, 31, 16, tzinfo=UTC)
    assert said.frame["temperature"][0] == temperature


def test_hours_counted_from_0_and_a_leap_year(tmp_path: Path) -> None:
    path = tmp_path / "a.epw"
    lines = epw({5: "-1.0"}).splitlines()
    moved = [line.split(",") for line in lines[len(HEAD) :]]
    shifted = [",".join([*cells[:3], str(int(cells[3]) - 1), *cells[4:]]) for cells in moved]
    leap = [line.replace(",2,28,", ",2,29,") for line in shifted if ",2,28," in line]
    path.write_text("\n".join([*HEAD, *shifted, *leap]))
    said = read_epw(path, received_at=NOW)
    assert said.frame["temperature"][5] == -1.0
    assert {"weather.hours-from-0", "weather.leap-day"} <= {finding.name for finding in said.findings}


@pytest.mark.parametrize(
    ("head", "written", "variable", "value"),
    [
        ("气温(0.1℃)", "-35", "temperature", -3.5),
        ("气温（K）", "273.15", "temperature", 0.0),
        ("temperature (°F)", "32", "temperature", 0.0),
        ("总辐射(MJ/m²)", "1.8", "ghi", 500.0),
        ("GHI (kWh/m2)", "0.5", "ghi", 500.0),
        ("总辐射(W·m-2)", "500", "ghi", 500.0),
        ("总辐射(cal)", "0.5", "ghi", None),
        ("气压(0.1hPa)", "10132", "pressure", 101_320.0),
        ("风速(km/h)", "36", "wind_speed", 10.0),
        ("风速(里/时)", "36", "wind_speed", None),
        ("气温(格)", "32", "temperature", None),
    ],
)
def test_units_are_converted_or_the_column_is_not_read(
    tmp_path: Path, head: str, written: str, variable: str, value: float | None
) -> None:
    said = table(tmp_path, f"时间,{head},相对湿度\n2024-01-01 00:00,{written},50\n")
    assert said.frame[variable][0] == (None if value is None else pytest.approx(value, abs=1e-9))
    assert ("weather.unit" in {finding.name for finding in said.findings}) == (value is None)
    assert said.frame["humidity"][0] == 50


def test_stations_of_one_table_are_kept_apart(tmp_path: Path) -> None:
    text = "站名,时间,气温\n青岛,2024-01-01 00:00,-3\n济南,2024-01-01 00:00,-6\n"
    said = table(tmp_path, text)
    assert said.frame["temperature"].to_list() == [-3.0]
    assert [finding.name for finding in said.findings] == ["weather.other-stations"]
    with pytest.raises(InputError, match="holds 2 stations"):
        table(tmp_path, text.replace("青岛", "威海"))
    assert "weather.station-named" in {f.name for f in table(tmp_path, text.replace("青岛", "济南")).findings}


def test_hours_from_1_to_24_are_ends_and_from_0_to_23_beginnings(tmp_path: Path) -> None:
    ends = table(tmp_path, "日期,小时,气温\n" + "".join(f"2024-01-01,{h},{h}\n" for h in range(1, 25)))
    begins = table(tmp_path, "日期,小时,气温\n" + "".join(f"2024-01-01,{h},{h + 1}\n" for h in range(24)))
    assert ends.frame.select("start", "temperature").equals(begins.frame.select("start", "temperature"))
    sparse = table(tmp_path, "时间,气温\n2024-01-01 12:00,1\n2024-01-01 18:00,2\n2024-01-01 24:00,3\n")
    assert sparse.frame["start"][-1] == datetime(2024, 1, 1, 16, tzinfo=UTC)


def test_amounts_of_half_hours_add_up_and_power_is_averaged(tmp_path: Path) -> None:
    rows = "2024-01-01 12:00,1.8,500\n2024-01-01 12:30,1.8,700\n2024-01-01 13:00,1.8,1\n2024-01-01 13:30,,1\n"
    said = table(tmp_path, "时间,总辐射(MJ/m2),散射辐射(W/m2)\n" + rows)
    assert said.frame["ghi"].to_list() == [pytest.approx(1000.0), None]
    assert said.frame["dhi"].to_list() == [600.0, 1.0]
