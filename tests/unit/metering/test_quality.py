"""Checks that look at whole spans, evidence and findings, estimates, and a fault generator whose totals equal the truth."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from dafeng.metering.estimating import ESTIMATE_SCHEMA, METHOD, estimates
from dafeng.metering.frames import BASELINE_SCHEMA, FLAG_SCHEMA, bits_of
from dafeng.metering.intervals import readings_set_aside
from dafeng.metering.quality import baselines, flag_findings, reading_flags, to_flags, unknown_meters
from dafeng.metering.quality_spans import completeness_flags, copied_day_flags, drift_flags, part_flags, stuck_flags
from dafeng.metering.rollup import expected_seconds, local_spans, resampled
from metering_builders import CHECKS, ENGINE, Chain, instant, make_events, make_meter, make_readings, register, total

START = instant("2024-01-01 00:00")
HOUR = timedelta(hours=1)


def load(days: int, seed: int = 1) -> np.ndarray:
    """Return hourly amounts of an office with noise."""
    shape = 10 + 8 * np.sin(np.arange(24) / 24 * 2 * np.pi - 1.5)
    return np.tile(shape, days) + np.random.default_rng(seed).uniform(0, 3, 24 * days)


def hourly(amounts: np.ndarray, *, meter: str = "m") -> pl.DataFrame:
    rows = [(START + HOUR * n, START + HOUR * (n + 1), float(amount)) for n, amount in enumerate(amounts)]
    return make_readings(rows, meter=meter)


def collected(table: object) -> pl.DataFrame:
    return to_flags(ENGINE.collect(table))


def test_a_copied_day_is_found_and_an_honest_or_flat_one_is_not() -> None:
    amounts = load(20)
    amounts[15 * 24 : 17 * 24] = amounts[8 * 24 : 10 * 24]
    flat = np.tile(np.repeat([1.0, 5.0], 12), 20)
    chain = Chain(pl.concat([hourly(amounts), hourly(flat, meter="flat")]), [make_meter(), make_meter("flat")])
    found = collected(copied_day_flags(chain.hour_table, chain.calendar_table, CHECKS))
    assert found.schema == FLAG_SCHEMA
    assert found.select("meter", "start", "expected").rows() == [
        ("m", instant("2024-01-16 00:00"), 7.0),
        ("m", instant("2024-01-17 00:00"), 7.0),
    ]
    again = Chain(hourly(amounts), flags=found)
    copied = float(amounts[15 * 24 : 17 * 24].sum())
    assert total(again.hours, "withheld") == pytest.approx(copied)
    assert total(again.hours) == pytest.approx(amounts.sum() - copied)


def test_a_stuck_meter_is_found_where_it_normally_varies() -> None:
    amounts = load(30)
    amounts[100:130] = 0
    amounts[300:330] = 12.5
    lazy = np.where(np.arange(720) % 24 < 12, 0.0, 3.0)
    lazy[400:440] = 0.0
    chain = Chain(pl.concat([hourly(amounts), hourly(lazy, meter="lazy")]), [make_meter(), make_meter("lazy")])
    usual = ENGINE.frame(ENGINE.collect(baselines(chain.hour_table, CHECKS), BASELINE_SCHEMA))
    found = collected(stuck_flags(chain.hour_table, usual, CHECKS))
    assert [
        (row[0], row[1] - START, row[2] - START, row[3])
        for row in found.select("meter", "start", "end", "value").rows()
    ] == [
        ("m", HOUR * 100, HOUR * 130, 0.0),
        ("m", HOUR * 300, HOUR * 330, 12.5),
    ]


def test_power_is_held_against_what_is_usual_where_no_rating_is_known() -> None:
    amounts = load(30)
    usual = ENGINE.collect(baselines(Chain(hourly(amounts)).hour_table, CHECKS), BASELINE_SCHEMA)
    assert usual["high"].item() * 3600 == pytest.approx(np.quantile(amounts, 0.99))
    amounts[200] = 500.0
    chain = Chain(hourly(amounts), baselines=usual)
    assert total(chain.hours, "withheld") == 500.0


def test_parts_above_the_main_meter_and_large_gaps_between_them() -> None:
    main, part = load(3), load(3) * 0.9
    part[24:48] *= 2
    part[48:] *= 0.1
    chain = Chain(
        pl.concat([hourly(main), hourly(part, meter="p")]),
        [make_meter(), make_meter("p", item="01A00")],
        last=date(2024, 1, 4),
    )
    spans = ENGINE.frame(local_spans(chain.calendar, by="day"))
    found = collected(part_flags(chain.item_table("day"), spans, CHECKS))
    assert found.select("check", "meter", "start").rows() == [
        ("parts-above-main", "b/01000", instant("2024-01-02 00:00")),
        ("parts-missing", "b/01000", instant("2024-01-03 00:00")),
    ]
    assert found["value"][0] == pytest.approx(part[24:48].sum())


def test_a_month_with_too_few_readings_and_a_silent_one_are_found() -> None:
    chain = Chain(hourly(load(20)), [make_meter(), make_meter("silent")], last=date(2024, 2, 1))
    spans = ENGINE.frame(local_spans(chain.calendar))
    expected = expected_seconds(chain.meter_table, spans)
    found = collected(completeness_flags(chain.period_table("month"), expected, spans, CHECKS))
    assert found.select("meter", "value").rows() == [("m", pytest.approx(20 / 31)), ("silent", 0.0)]


def test_a_clock_that_runs_late_is_found() -> None:
    drifting = register(np.arange(48.0), START + timedelta(seconds=200), 1800)
    right = register(np.arange(48.0), START, 1800, meter="right")
    found = collected(drift_flags(ENGINE.frame(pl.concat([drifting, right])), CHECKS))
    assert set(found["meter"]) == {"m"}
    assert found["value"][0] == pytest.approx(200)


def test_evidence_names_reading_and_limit_and_findings_say_what_to_ask() -> None:
    rows = [
        ("00:00", 0.0),
        ("01:00", 2.0),
        ("02:00", 9.0),
        ("03:00", 11.0),
        ("04:00", 1.0),
        ("05:00", 13.0),
        ("06:00", 15.0),
    ]
    chain = Chain(make_readings(rows), [make_meter(rated_power=2)])
    aside = readings_set_aside(chain.table, chain.meter_table, CHECKS)
    flags = collected(reading_flags(chain.interval_table, aside, chain.meter_table, CHECKS))
    assert flags.select("check", "start").rows() == [
        ("power", instant("01:00")),
        ("catch-up", instant("03:00")),
        ("spike", instant("04:00")),
    ]
    strong = flags.row(0, named=True)
    assert (strong["value"] * 3600, strong["expected"] * 3600) == (pytest.approx(7), pytest.approx(4))
    findings = {finding.name: finding for finding in flag_findings(flags, CHECKS)}
    assert set(findings) == {"meter.power", "meter.catch-up", "meter.spike"}
    assert "额定功率" in findings["meter.power"].next_step
    assert "未计入" in findings["meter.power"].sentence


def test_readings_of_meters_without_a_record_are_counted() -> None:
    chain = Chain(pl.concat([hourly(load(1)), hourly(load(1), meter="who")]))
    found = ENGINE.collect(unknown_meters(chain.table, chain.meter_table))
    assert found.select("meter", "readings").rows() == [("who", 24)]


def test_gaps_are_estimated_from_like_days_and_stay_out_of_the_sum() -> None:
    amounts = np.tile(np.arange(24.0) + 1, 28)
    weekend = np.repeat([day % 7 >= 5 for day in range(28)], 24)  # 1 January 2024 is a Monday
    amounts[weekend] = 0.5
    frame = hourly(amounts)
    gone = (pl.col("start") >= START + 24 * HOUR * 9 + 8 * HOUR) & (pl.col("start") < START + 24 * HOUR * 9 + 11 * HOUR)
    chain = Chain(frame.filter(~gone), last=date(2024, 1, 29))
    found = ENGINE.collect(
        estimates(chain.hour_table, chain.meter_table, chain.calendar_table, CHECKS), ESTIMATE_SCHEMA
    ).sort("hour")
    assert found["amount"].to_list() == pytest.approx([9.0, 10.0, 11.0])
    assert found.select("seconds", "donors", "method").row(0) == (3600, 19, METHOD)
    assert total(chain.hours) == pytest.approx(amounts.sum() - 30)


def test_faults_do_not_overlap_and_later_events_replace_earlier_ones() -> None:
    events = make_events(
        [
            {"at": "00:30", "until": "02:30", "kind": "fault"},
            {"at": "02:00", "until": "03:30", "kind": "fault"},
            {"at": "05:30", "kind": "replacement", "before": 99.0, "after": 0.0, "recorded_at": instant("06:00")},
            {"at": "05:30", "kind": "replacement", "before": 16.0, "after": 0.0, "recorded_at": instant("09:00")},
        ]
    )
    rows = [("00:00", 10.0), ("01:00", 0.0), ("02:30", 0.0), ("04:00", 14.0), ("05:00", 15.0), ("06:00", 2.0)]
    chain = Chain(make_readings(rows), events=events)
    assert total(chain.hours) == pytest.approx(8.0)


def test_a_series_is_shown_by_any_local_step() -> None:
    hours = Chain(hourly(load(31))).hours
    assert resampled(hours, "1mo")["amount"].to_list() == pytest.approx([total(hours)])
    assert resampled(hours, "1d").height == 31
    assert resampled(hours, "1w")["start"][0].replace(tzinfo=None) == datetime(2024, 1, 1)


def test_bits_are_those_of_the_catalog() -> None:
    assert bits_of(CHECKS, "range", "power") == (1 << CHECKS["range"].bit) | (1 << CHECKS["power"].bit)
    assert len({check.bit for check in CHECKS.values()}) == len(CHECKS)
