"""Hard points of metering, worked out by hand: ends of months and years, outages, meters that fail."""

from datetime import date

import polars as pl
import pytest

from metering_builders import CHECKS, Chain, instant, make_meter, make_readings, total


def days_of(chain: Chain, by: str = "day") -> list[tuple[date, float, float]]:
    return [
        (day, pytest.approx(amount), pytest.approx(spread))
        for day, amount, spread in chain.periods(by).select("period", "amount", "spread").rows()
    ]


def test_an_interval_over_the_end_of_a_month_is_shared_between_both() -> None:
    chain = Chain(make_readings([("2024-01-31 12:00", "2024-02-01 12:00", 24.0)]))
    assert days_of(chain) == [(date(2024, 1, 31), 12, 0), (date(2024, 2, 1), 12, 0)]
    assert days_of(chain, "month") == [(date(2024, 1, 1), 12, 0), (date(2024, 2, 1), 12, 0)]


def test_an_outage_over_new_year_is_spread_over_its_days_and_known_in_both_years() -> None:
    chain = Chain(make_readings([("2023-12-30 00:00", 0.0), ("2024-01-02 00:00", 72.0), ("2024-01-02 01:00", 73.0)]))
    assert days_of(chain) == [
        (date(2023, 12, 30), 24, 24),
        (date(2023, 12, 31), 24, 24),
        (date(2024, 1, 1), 24, 24),
        (date(2024, 1, 2), 1, 0),
    ]
    for by, first in (("month", date(2023, 12, 1)), ("year", date(2023, 1, 1))):
        assert days_of(chain, by) == [(first, 48, 0), (date(2024, 1, 1), 25, 0)]


def test_an_outage_longer_than_a_month_is_spread_in_its_months() -> None:
    chain = Chain(make_readings([("2024-01-17 00:00", 0.0), ("2024-02-26 00:00", 40.0)]))
    assert days_of(chain, "month") == [(date(2024, 1, 1), 15, 15), (date(2024, 2, 1), 25, 25)]
    assert days_of(chain, "year") == [(date(2024, 1, 1), 40, 0)]


def test_a_register_that_rolls_over_during_an_outage_loses_nothing() -> None:
    chain = Chain(make_readings([("00:00", 990.0), ("10:00", 20.0)]), [make_meter(modulus=1000.0, rated_power=5)])
    assert chain.hours["amount"].to_list() == pytest.approx([3.0] * 10)
    bits = (1 << CHECKS["rollover"].bit) | (1 << CHECKS["catch-up"].bit)
    assert set(chain.hours["flags"]) == {bits}


def test_a_register_that_stands_still_and_then_catches_up() -> None:
    rows = [*((f"0{hour}:00", 100.0) for hour in range(6)), ("06:00", 160.0), ("07:00", 170.0)]
    strong, weak = (Chain(make_readings(rows), [make_meter(rated_power=power)]) for power in (30, 20))
    assert strong.hours["amount"].to_list() == [0, 0, 0, 0, 0, 60, 10]
    assert (total(weak.hours), total(weak.hours, "withheld")) == (10, 60)
    assert weak.hours["covered"].to_list() == [3600] * 5 + [0, 3600]


def of_items(chain: Chain) -> dict[tuple[str, str], dict[str, object]]:
    january = chain.items("month").filter(period=date(2024, 1, 1))
    return {(row["item"], row["part"]): row for row in january.iter_rows(named=True)}


def test_parts_above_their_main_meter_leave_a_negative_rest() -> None:
    readings = [
        make_readings([("2024-01-01 00:00", "2024-02-01 00:00", amount)], meter=name)
        for name, amount in (("main", 1000.0), ("light", 700.0), ("air", 400.0))
    ]
    meters = [make_meter("main"), make_meter("light", item="01A00"), make_meter("air", item="01B00")]
    rows = of_items(Chain(pl.concat(readings), meters))
    assert rows["01000", "total"]["amount"] == pytest.approx(1000)
    assert rows["01000", "unattributed"]["amount"] == pytest.approx(-100)


def test_a_main_meter_silent_for_half_of_the_month_is_half_covered_and_its_parts_are_not_added() -> None:
    readings = [
        make_readings([("2024-01-01 00:00", "2024-01-16 00:00", 500.0)], meter="main"),
        make_readings([("2024-01-01 00:00", "2024-02-01 00:00", 620.0)], meter="light"),
    ]
    rows = of_items(Chain(pl.concat(readings), [make_meter("main"), make_meter("light", item="01A00")]))
    whole = rows["01000", "total"]
    assert (whole["amount"], whole["basis"]) == (pytest.approx(500), "main")
    assert (whole["covered"], whole["expected"]) == (15 * 86400, 31 * 86400)
    silent = of_items(Chain(readings[1], [make_meter("main"), make_meter("light", item="01A00")]))["01000", "total"]
    assert (silent["amount"], silent["basis"]) == (pytest.approx(620), "stand-in")


def test_a_meter_replaced_by_another_in_the_middle_of_the_month_leaves_no_gap_and_no_overlap() -> None:
    readings = [
        make_readings([("2024-01-01 00:00", 0.0), ("2024-01-11 00:00", 100.0)], meter="old"),
        make_readings([("2024-01-11 00:00", 5.0), ("2024-02-01 00:00", 215.0)], meter="new"),
    ]
    change = date(2024, 1, 11)
    meters = [make_meter("old", valid_to=change), make_meter("new", valid_from=change)]
    whole = of_items(Chain(pl.concat(readings), meters))["01000", "total"]
    assert whole["amount"] == pytest.approx(310)
    assert whole["covered"] == whole["expected"] == 31 * 86400


def test_the_first_reading_alone_is_no_energy_and_no_zero() -> None:
    chain = Chain(make_readings([("00:30", 1000.0)]), first=date(2024, 1, 1), last=date(2024, 1, 2))
    assert chain.hours.is_empty()
    first = Chain(make_readings([("00:30", 1000.0), ("01:30", 1002.0)])).hours
    assert first.select("hour", "amount", "covered").rows() == [
        (instant("00:00"), 1.0, 1800),
        (instant("01:00"), 1.0, 1800),
    ]
