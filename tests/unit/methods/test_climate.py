"""Degree-days, climate zones, heating seasons, workdays."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from dafeng.base.errors import NotEnoughDataError, UnknownNameError, UsageError
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.metering_tables import climate_zones
from dafeng.catalog.schemas import HeatingSeason
from dafeng.methods.climate import (
    climate_zone,
    daily_means,
    degree_day_table,
    degree_days,
    heating_days,
    heating_season,
    require_actual,
)
from dafeng.methods.workdays import DayType, day_type, day_types

CATALOG = load_catalog()


def hours(count: int, *, zone_hours: int = 8, kind: str = "actual", span: int = 1) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC) - timedelta(hours=zone_hours)
    return pl.DataFrame(
        {
            "dataset": ["met"] * count,
            "kind": [kind] * count,
            "station": ["s"] * count,
            "start": [start + timedelta(hours=hour * span) for hour in range(count)],
            "hours": [span] * count,
            "temperature": [float(hour % 24) for hour in range(count)],
        },
        schema_overrides={"start": pl.Datetime("us", "UTC")},
    )


def days(*temperatures: float | None) -> pl.DataFrame:
    count = len(temperatures)
    return pl.DataFrame(
        {
            "dataset": ["met"] * count,
            "kind": ["actual"] * count,
            "station": ["s"] * count,
            "day": [date(2024, 1, 1) + timedelta(days=day) for day in range(count)],
            "temperature": list(temperatures),
            "hours": [24.0] * count,
        },
        schema_overrides={"temperature": pl.Float64()},
    )


def test_daily_means_of_local_days() -> None:
    found = daily_means(hours(48))
    assert found.select("day", "temperature", "hours").rows() == [
        (date(2024, 1, 1), 11.5, 24.0),
        (date(2024, 1, 2), 11.5, 24.0),
    ]
    # In UTC the same hours cover 8 hours of one day, 24 of the next and 16 of the last.
    assert daily_means(hours(48), zone="UTC")["temperature"].to_list() == [None, 11.5, None]


def test_a_day_with_too_few_hours_is_not_known() -> None:
    frame = hours(24).with_columns(temperature=pl.when(pl.int_range(24) >= 19).then(None).otherwise("temperature"))
    assert daily_means(frame).select("temperature", "hours").rows() == [(None, 19.0)]
    assert daily_means(frame, least=19)["temperature"].to_list() == [9.0]
    assert daily_means(hours(2, span=24))["hours"].to_list() == [24.0, 24.0]


def test_degree_days_by_hand() -> None:
    # 18−8 + 18−17 = 11; 28−26 = 2; the base itself counts for neither.
    found = degree_days(days(8.0, 17.0, 18.0, 26.0, 28.0), date(2024, 1, 1), date(2024, 1, 6))
    assert (found.heating, found.cooling, found.coverage, found.reason) == (11.0, 2.0, 1.0, "")
    other = degree_days(
        days(8.0, 17.0, 18.0, 26.0, 28.0), date(2024, 1, 1), date(2024, 1, 6), heating_base=10, cooling_base=20
    )
    assert (other.heating, other.cooling) == (2.0, 14.0)


def test_a_gap_gives_no_number() -> None:
    found = degree_days(days(8.0, None, 9.0), date(2024, 1, 1), date(2024, 1, 4))
    assert (found.heating, found.cooling, found.known, found.reason) == (None, None, 2, "3 天中只有 2 天有气温")
    beyond = degree_days(days(8.0), date(2024, 1, 1), date(2024, 2, 1))
    assert beyond.coverage == pytest.approx(1 / 31)
    assert degree_days(days(), date(2024, 1, 1), date(2024, 1, 4)).reason == "3 天中没有一天有气温"


def test_spans_that_are_none() -> None:
    with pytest.raises(UsageError, match="ends before"):
        degree_day_table(days(1.0), [(date(2024, 1, 2), date(2024, 1, 1))])
    with pytest.raises(UsageError, match="cooling base"):
        degree_day_table(days(1.0), [(date(2024, 1, 1), date(2024, 1, 2))], heating_base=20, cooling_base=18)
    with pytest.raises(UsageError, match="2 series"):
        degree_days(
            pl.concat([days(1.0), days(1.0).with_columns(station=pl.lit("t"))]), date(2024, 1, 1), date(2024, 1, 2)
        )


def test_typical_weather_is_refused_where_actual_is_needed() -> None:
    assert require_actual(days(1.0), doing="normalise").height == 1
    with pytest.raises(NotEnoughDataError, match="the weather is typical"):
        require_actual(hours(1, kind="typical"), doing="normalise")
    with pytest.raises(NotEnoughDataError, match="no measured weather"):
        require_actual(days(), doing="normalise")


@pytest.mark.parametrize(
    ("heating", "cooling", "zone"),
    [
        (6000, 0, "severe_cold_a"),
        (5999, 0, "severe_cold_b"),
        (5000, 0, "severe_cold_b"),
        (4999, 5, "severe_cold_c"),
        (3800, 5, "severe_cold_c"),
        (3799, 90, "cold_a"),
        (3799, 90.5, "cold_b"),
        (2000, 0, "cold_a"),
        (1999, 135, "hot_summer_cold_winter_a"),
        (1200, 135, "hot_summer_cold_winter_a"),
        (1199, 135, "hot_summer_cold_winter_b"),
        (699, 100, "hot_summer_warm_winter_a"),
        (367, 338, "hot_summer_warm_winter_b"),
        (1226, 0, "mild_a"),
        (1226, 10, "hot_summer_cold_winter_a"),
        (300, 9, "mild_b"),
    ],
)
def test_climate_zones(heating: float, cooling: float, zone: str) -> None:
    assert climate_zone(heating, cooling).zone == zone


def test_zones_are_those_of_the_building_record_and_sourced() -> None:
    codes = [option.code for option in CATALOG.fields["climate_zone"].options]
    assert sorted(zone.zone for zone in climate_zones()) == sorted(codes)
    assert {zone.source for zone in climate_zones()} <= set(CATALOG.sources)


def test_holidays_are_sourced() -> None:
    assert sorted(holiday.year for holiday in CATALOG.holidays) == list(range(2016, 2027))
    assert {holiday.source for holiday in CATALOG.holidays} <= set(CATALOG.sources)


def with_seasons(*seasons: HeatingSeason) -> Catalog:
    catalog = CATALOG.without(lambda entry: False)
    catalog.seasons = (*catalog.seasons, *seasons)
    return catalog


def test_a_season_wraps_over_the_new_year_and_is_inherited() -> None:
    season = heating_season(CATALOG, "changchun", 2024)
    assert (season.start, season.end, season.stated_for) == (date(2024, 10, 20), date(2025, 4, 7), "changchun")
    assert season.days == 169  # a common year, as the note of the entry says
    assert heating_season(CATALOG, "siping", 2024).stated_for == "jilin"


def test_an_announced_season_counts_for_its_year_only() -> None:
    longer = HeatingSeason.model_validate(
        {
            "place": "changchun",
            "start": "10-20",
            "end": "04-12",
            "valid_from": "2024-07-01",
            "valid_to": "2025-07-01",
            "source": "K",
            "grade": "C",
        }
    )
    catalog = with_seasons(longer)
    assert [heating_season(catalog, "changchun", year).end for year in (2023, 2024, 2025)] == [
        date(2024, 4, 7),
        date(2025, 4, 12),
        date(2026, 4, 7),
    ]
    assert heating_season(catalog, "changchun", 2024).announced
    inside = heating_days(catalog, "changchun", date(2025, 4, 5), date(2025, 4, 14))
    assert inside["heating"].to_list() == [True] * 7 + [False] * 2


def test_a_new_standing_rule_holds_from_its_day() -> None:
    newer = HeatingSeason.model_validate(
        {"place": "qingdao", "start": "11-10", "end": "04-06", "valid_from": "2025-07-01", "source": "K", "grade": "C"}
    )
    catalog = with_seasons(newer)
    assert [heating_season(catalog, "qingdao", year).start.day for year in (2024, 2025, 2026)] == [16, 10, 10]


def test_unknown_places() -> None:
    with pytest.raises(UnknownNameError):
        heating_season(CATALOG, "atlantis", 2024)
    with pytest.raises(UnknownNameError):
        day_type(CATALOG, "atlantis", date(2024, 1, 1))


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2024, 2, 9), DayType.WORKDAY),  # the eve was no day off in 2024
        (date(2024, 2, 10), DayType.HOLIDAY),
        (date(2024, 2, 18), DayType.WORKDAY),
        (date(2024, 2, 25), DayType.WEEKEND),
        (date(2020, 1, 31), DayType.HOLIDAY),  # extended
        (date(2020, 2, 1), DayType.HOLIDAY),
        (date(2018, 12, 29), DayType.WORKDAY),
        (date(2018, 12, 31), DayType.HOLIDAY),
        (date(2026, 2, 23), DayType.HOLIDAY),
        (date(2027, 1, 4), DayType.UNKNOWN),
        (date(2015, 6, 1), DayType.UNKNOWN),
    ],
)
def test_days(day: date, expected: DayType) -> None:
    assert day_type(CATALOG, "qingdao", day) is expected


@pytest.mark.parametrize(
    ("year", "workdays"),
    # Days of the year less Saturdays and Sundays less the public holidays of the law: 11 until 2024, 13 from 2025. The winter of 2018
    # moved one day over the new year (29 and 31 December 2018 for 1 January 2019): no change of the sum. 2020 had one day off more
    # and one make-up day less.
    [
        (2016, 250),
        (2017, 249),
        (2018, 250),
        (2019, 250),
        (2020, 249),
        (2021, 250),
        (2022, 249),
        (2023, 249),
        (2024, 251),
        (2025, 248),
        (2026, 248),
    ],
)
def test_workdays_of_years(year: int, workdays: int) -> None:
    found = day_types(CATALOG, "cn", date(year, 1, 1), date(year + 1, 1, 1))
    assert found.filter(pl.col("type") == "workday").height == workdays
    assert found.height == (date(year + 1, 1, 1) - date(year, 1, 1)).days
