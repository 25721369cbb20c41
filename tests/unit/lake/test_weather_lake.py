"""Weather in the lake: append-only, once, kinds apart."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.errors import LakeError
from dafeng.base.weather import WEATHER_SCHEMA, Station, WeatherKind
from dafeng.lake.weather import WeatherLake

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
STATION = Station(id="54857", name="青岛")


def weather(
    temperatures: list[float | None], *, kind: str = "actual", dataset: str = "met", received: datetime = NOW
) -> pl.DataFrame:
    count = len(temperatures)
    return pl.DataFrame(
        {
            **{name: [None] * count for name in WEATHER_SCHEMA},
            "dataset": [dataset] * count,
            "kind": [kind] * count,
            "station": ["54857"] * count,
            "start": [START + timedelta(hours=hour) for hour in range(count)],
            "hours": [1] * count,
            "temperature": temperatures,
            "received_at": [received] * count,
        },
        schema=WEATHER_SCHEMA,
    )


def test_late_and_corrected_hours_keep_what_was_known(tmp_path: Path) -> None:
    lake = WeatherLake(tmp_path)
    first = lake.append(weather([1.0, None]), batch="a", station=STATION)
    later = NOW + timedelta(days=1)
    second = lake.append(weather([1.0, 2.0, 3.0], received=later), batch="b", station=STATION)
    assert (first.appended, second.appended, second.unchanged, second.superseded) == (2, 2, 1, 1)
    assert lake.read("54857")["temperature"].to_list() == [1.0, 2.0, 3.0]
    assert lake.read("54857", as_of=NOW)["temperature"].to_list() == [1.0, None]
    assert lake.read("54857", start=START + timedelta(hours=1), end=START + timedelta(hours=2))[
        "temperature"
    ].to_list() == [2.0]
    assert lake.read("54857", end=date(2024, 1, 1)).is_empty()
    assert lake.append(weather([1.0, None]), batch="a", station=STATION).already
    with pytest.raises(LakeError, match="used before"):
        lake.append(weather([7.0]), batch="a", station=STATION)
    assert lake.batches() == ["b", "a"]
    assert lake.verify() == []


def test_a_typical_year_is_never_read_as_measured(tmp_path: Path) -> None:
    lake = WeatherLake(tmp_path)
    lake.append(weather([5.0], kind="typical"), batch="t", station=STATION)
    assert lake.read("54857").is_empty()
    assert lake.read("54857", kind=WeatherKind.TYPICAL)["temperature"].to_list() == [5.0]


def test_datasets_are_not_mixed(tmp_path: Path) -> None:
    lake = WeatherLake(tmp_path)
    lake.append(weather([5.0]), batch="a", station=STATION)
    lake.append(weather([6.0], dataset="era5"), batch="b", station=STATION)
    with pytest.raises(LakeError, match="era5, met speak"):
        lake.read("54857")
    assert lake.read("54857", dataset="met")["temperature"].to_list() == [5.0]
    assert lake.coverage().select("dataset", "hours").rows() == [("era5", 1), ("met", 1)]


def test_stations_are_kept_with_their_newest_position(tmp_path: Path) -> None:
    lake = WeatherLake(tmp_path)
    assert lake.stations() == ()
    lake.append(weather([5.0]), batch="a", station=STATION)
    moved = STATION.model_copy(update={"latitude": 36.1, "longitude": 120.3})
    lake.append(weather([5.0], received=NOW + timedelta(days=1)), batch="b", station=moved)
    assert lake.stations() == (moved,)


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (weather([1.0]).drop("ghi"), "columns"),
        (weather([]), "no row"),
        (weather([1.0], kind="forecast"), "neither actual"),
        (pl.concat([weather([1.0]), weather([2.0])]), "one key"),
        (weather([1.0]).with_columns(station=pl.lit("1")), "another station"),
    ],
)
def test_faulty_batches_store_nothing(tmp_path: Path, frame: pl.DataFrame, match: str) -> None:
    lake = WeatherLake(tmp_path)
    with pytest.raises(LakeError, match=match):
        lake.append(frame, batch="a", station=STATION)
    assert lake.batches() == []
