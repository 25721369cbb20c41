"""Cases worked out by hand: what readings become by hour, day and month, and which of them are set aside."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from dafeng.metering.intervals import readings_set_aside
from metering_builders import CHECKS, CHINA, DAY, ENGINE, Chain, instant, make_events, make_meter, make_readings, total

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "metering.yaml").read_text(encoding="utf-8"))["cases"]


def flags_of(bits: int) -> set[str]:
    return {name for name, check in CHECKS.items() if bits >> check.bit & 1}


def compare(row: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    for column, value in wanted.items():
        if column == "flags":
            assert flags_of(row["flags"]) == set(value), where
        else:
            assert row[column] == pytest.approx(value, abs=1e-9), (where, column)


@pytest.mark.parametrize("name", CASES)
def test_readings_become_what_was_worked_out_by_hand(name: str) -> None:
    case = CASES[name]
    chain = Chain(
        make_readings(tuple(row) for row in case["readings"]),
        [make_meter(**case.get("meter", {}))],
        events=make_events(case["events"]) if "events" in case else None,
    )
    if "hours" in case:
        rows = {row["hour"].astimezone(CHINA).strftime("%H:%M"): row for row in chain.hours.iter_rows(named=True)}
        assert set(rows) == set(case["hours"])
        for hour, wanted in case["hours"].items():
            compare(rows[hour], wanted, f"{name} {hour}")
    for by, key in (("day", "days"), ("month", "months")):
        if key in case:
            rows = {row["period"]: row for row in chain.periods(by).iter_rows(named=True)}
            assert set(rows) == set(case[key])
            for period, wanted in case[key].items():
                compare(rows[period], wanted, f"{name} {period}")
    aside = ENGINE.collect(readings_set_aside(chain.table, chain.meter_table, CHECKS, events=chain.events))
    found = sorted(
        (datetime.fromtimestamp(row["at"], tz=CHINA).strftime("%H:%M"), *flags_of(row["bit"]))
        for row in aside.iter_rows(named=True)
    )
    assert found == [tuple(row) for row in case.get("aside", [])]


def test_of_two_readings_of_one_instant_the_last_received_counts() -> None:
    early = make_readings([("00:00", 0.0), ("01:00", 5.0), ("02:00", 6.0)], received=instant("03:00"))
    late = make_readings([("01:00", 4.0)], received=instant("2024-01-05 00:00"))
    for frame in (pl.concat([early, late]), pl.concat([late, early])):
        assert Chain(frame).hours["amount"].to_list() == [4.0, 2.0]


def test_a_reading_from_the_future_is_set_aside() -> None:
    rows = make_readings([("00:00", 0.0), ("01:00", 1.0)])
    future = make_readings([("05:00", 9.0)], received=instant("02:00"))
    assert Chain(pl.concat([rows, future])).hours["amount"].to_list() == [1.0]


def test_fifteen_minutes_and_one_minute_give_the_same_hours() -> None:
    minutes = [(instant("00:00") + timedelta(minutes=number), 1000 + number * 0.5) for number in range(6 * 60 + 1)]
    fine, coarse = (Chain(make_readings(rows)).hours for rows in (minutes, minutes[::15]))
    assert fine["amount"].to_list() == pytest.approx([30.0] * 6)
    assert coarse["amount"].to_list() == pytest.approx(fine["amount"].to_list(), rel=1e-12)
    assert coarse["covered"].to_list() == fine["covered"].to_list()


def test_a_daily_reading_over_a_change_of_clocks_is_measured_in_its_day() -> None:
    rows = [(datetime(2024, 3, 30 + day, 0, 0, tzinfo=None), value) for day, value in ((0, 0.0), (1, 24.0))]
    rows = [(stamp.replace(tzinfo=CHINA), value) for stamp, value in rows]
    assert total(Chain(make_readings(rows)).periods("day"), "spread") == 0
    zone = "Europe/London"
    london = [
        (pl.Series([datetime(2024, 10, day)]).dt.replace_time_zone(zone).dt.convert_time_zone("UTC")[0], value)
        for day, value in ((26, 0.0), (27, 24.0), (28, 49.0), (29, 73.0))
    ]
    days = Chain(make_readings(london), zone=zone).periods("day")
    assert days["amount"].to_list() == pytest.approx([24.0, 25.0, 24.0])
    assert days["spread"].to_list() == [0.0, 0.0, 0.0]
    assert days["covered"].to_list() == [86400, 90000, 86400]


def test_a_local_day_is_not_the_day_of_utc() -> None:
    chain = Chain(make_readings([("07:00", "08:00", 1.0), ("2024-01-01 08:00", "2024-01-01 09:00", 2.0)]))
    assert chain.periods("day").select("period", "amount").rows() == [(DAY, 3.0)]


def test_months_and_years_are_sums_of_days() -> None:
    rows = [(f"2024-{month:02d}-15 00:00", float(month)) for month in range(1, 13)] + [("2025-02-01 00:00", 15.0)]
    chain = Chain(make_readings(rows))
    days, months, years = (chain.periods(by) for by in ("day", "month", "year"))
    assert total(days) == pytest.approx(14.0, rel=1e-12)
    assert total(months) == pytest.approx(14.0, rel=1e-12)
    assert years["period"].to_list() == [date(2024, 1, 1), date(2025, 1, 1)]
    assert total(years, "spread") == 0
    assert total(months, "spread") == pytest.approx(3.0)  # the last 48 days only: longer than a month
