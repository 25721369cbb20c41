"""Laws of metering: sums agree, nothing is lost, order and batches do not matter, restating equals reckoning anew."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from dafeng.base.building import Building
from dafeng.base.reading import READING_SCHEMA
from dafeng.metering.converting import RATE_SCHEMA
from dafeng.metering.frames import HOUR_SCHEMA, PERIOD_SCHEMA
from dafeng.metering.items import contributions, direct_totals, item_closure, item_totals
from dafeng.metering.places import PLACE_SCHEMA, building_frame, item_frame, place_closure, place_totals
from dafeng.metering.restating import changes, replaced, restate
from dafeng.metering.rollup import expected_seconds, local_spans, widened
from metering_builders import CATALOG, CHECKS, ENGINE, Chain, instant, make_meter, make_readings, reader, total
from metering_faults import spoil

START = instant("2024-01-10 00:00")
STEPS = st.lists(st.tuples(st.integers(60, 40 * 3600), st.floats(0, 50)), min_size=2, max_size=40)


def register_of(steps: list[tuple[int, float]]) -> pl.DataFrame:
    rows, at, value = [(START, 100.0)], START, 100.0
    for seconds, amount in steps:
        at, value = at + timedelta(seconds=seconds), value + amount
        rows.append((at, value))
    return make_readings(rows)


@settings(max_examples=3)
@given(STEPS)
def test_hours_days_and_months_add_up_and_nothing_is_lost(steps: list[tuple[int, float]]) -> None:
    frame = register_of(steps)
    chain = Chain(frame, [make_meter(rated_power=20)])
    raw = float(frame["value"][-1] - frame["value"][0])
    for table in (chain.hours, chain.periods("day"), chain.periods("month"), chain.periods("year")):
        assert abs(total(table) + total(table, "withheld") - raw) <= 1e-9 * max(raw, 1)
        assert abs(total(table) - total(chain.hours)) <= 1e-9 * max(raw, 1)
    spent = sum(seconds for seconds, _ in steps)
    assert total(chain.hours, "covered") <= spent
    assert chain.hours["covered"].is_between(0, 3600).all()
    share = chain.items("month").filter(part="total").select((pl.col("covered") / pl.col("expected")).alias("share"))
    assert share["share"].is_between(0, 1).all()
    assert (chain.hours["spread"] <= chain.hours["amount"] + 1e-9).all()


@settings(max_examples=3)
@given(STEPS, st.randoms(use_true_random=False))
def test_order_batches_duplicates_and_finer_readings_leave_the_totals(
    steps: list[tuple[int, float]], random: Any
) -> None:
    frame = register_of(steps)
    first, last = frame["at"][0].date() - timedelta(days=1), frame["at"][-1].date() + timedelta(days=2)
    plain = Chain(frame, first=first, last=last)
    rows = list(range(frame.height))
    random.shuffle(rows)
    again = frame.sample(fraction=0.5, seed=1)
    mixed = Chain(pl.concat([frame[rows], again]), first=first, last=last)
    assert mixed.hours.equals(plain.hours)
    middle = frame.with_columns(
        at=pl.col("at") + (pl.col("at").shift(-1) - pl.col("at")) / 2,
        value=(pl.col("value") + pl.col("value").shift(-1)) / 2,
    ).drop_nulls("at")
    middle = middle.with_columns(at=pl.col("at").dt.truncate("1s"), received_at=pl.col("at") + timedelta(days=9))
    times = frame["at"].dt.epoch("s").to_numpy().astype(float)
    values = np.interp(middle["at"].dt.epoch("s").to_numpy().astype(float), times, frame["value"].to_numpy())
    finer = pl.concat([frame, middle.with_columns(value=pl.Series(values)).cast(READING_SCHEMA).unique("at")])  # type: ignore[arg-type]
    fine = Chain(finer, first=first, last=last)
    for table in ("hours", "day", "month"):
        one, two = (getattr(chain, table) if table == "hours" else chain.periods(table) for chain in (plain, fine))
        key = "hour" if table == "hours" else "period"
        assert one[key].to_list() == two[key].to_list()
        assert np.allclose(one["amount"], two["amount"], rtol=1e-9, atol=1e-9)
        assert one["covered"].to_list() == two["covered"].to_list()


@settings(max_examples=2)
@given(st.integers(0, 10_000))
def test_restating_late_readings_equals_reckoning_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = pl.DataFrame(
        {
            "at": [START + timedelta(hours=number) for number in range(400)],
            "total": 500 + np.cumsum(rng.exponential(2.0, 400)),
        }
    )
    readings, found_events = spoil(truth, rng)
    meters = [make_meter(modulus=1000.0, rated_power=500.0)]
    batches = [readings[int(low) : int(high)] for low, high in _cuts(readings.height, rng)]
    first, last = date(2024, 1, 1), date(2024, 2, 10)
    whole = Chain(readings, meters, events=found_events, first=first, last=last)
    stored_hours, stored_days = pl.DataFrame(schema=HOUR_SCHEMA), pl.DataFrame(schema=PERIOD_SCHEMA)
    known = pl.DataFrame(schema=READING_SCHEMA)
    for number, batch in enumerate(batches):
        known = pl.concat([known, batch])
        touched = (
            batch.sort("at")
            .group_by((pl.col("at").dt.truncate("2d")).alias("bin"))
            .agg(pl.col("meter").first(), first=pl.col("at").min(), last=pl.col("at").max())
            .drop("bin")
        )
        got = restate(ENGINE, reader(known), touched, whole.meter_frame, CHECKS, events=whole.points)
        before = stored_hours
        stored_hours = replaced(stored_hours, got.hours, got.spans)
        stored_days = replaced(stored_days, got.days, got.spans, by="period")
        told = changes(before, stored_hours, ["meter", "hour"], because=f"batch-{number}")
        assert set(told["because"]) <= {f"batch-{number}"}
    assert stored_hours["hour"].to_list() == whole.hours["hour"].to_list()
    for column in ("amount", "spread", "withheld", "covered", "flags"):
        assert np.allclose(stored_hours[column], whole.hours[column], rtol=1e-12, atol=1e-12), column
    days = whole.periods("day")
    assert stored_days["period"].to_list() == days["period"].to_list()
    assert np.allclose(stored_days["amount"], days["amount"], rtol=1e-12, atol=1e-12)
    assert_frame_equal(above(whole, stored_days), above(whole, days), rel_tol=1e-12, abs_tol=1e-12)
    true_use = float(truth["total"][-1] - truth["total"][0])
    assert abs(total(whole.hours) + total(whole.hours, "withheld") - true_use) < 1e-6


def above(chain: Chain, days: pl.DataFrame) -> pl.DataFrame:
    """Return totals of the place by month that days of meters add up to."""
    expected = expected_seconds(chain.meter_table, ENGINE.frame(local_spans(chain.calendar)))
    weights, closure = ENGINE.frame(contributions(chain.meters, CATALOG.items)), item_closure(CATALOG.items)
    months = direct_totals(widened(ENGINE.frame(days), by="month"), expected, weights)
    rates = pl.DataFrame(
        [("qingdao", "electricity", day, 1.0, 3.0, 0.5, "{}") for day in chain.calendar["month"].unique().sort()],
        schema=RATE_SCHEMA,
        orient="row",
    )
    homes = building_frame([Building(id="b", name="b", place="qingdao", building_class="public", gross_area=9.0)])
    small = (homes, place_closure(CATALOG.places, ["qingdao"]), item_frame(CATALOG.items), rates)
    totals = place_totals(item_totals(months, ENGINE.frame(closure)), *(ENGINE.frame(frame) for frame in small))
    found = ENGINE.collect(totals, PLACE_SCHEMA).sort("place", "period", "building_class", "carrier", "end_use")
    assert found["amount"].sum() > 0
    return found


def _cuts(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    edges = [0, *sorted(int(edge) for edge in rng.integers(1, count, 2)), count]
    return [(low, high) for low, high in pairwise(edges) if high > low]


def test_a_back_fill_after_the_month_was_reported_restates_that_month_and_says_so() -> None:
    start = instant("2024-01-30 00:00")
    hour = timedelta(hours=1)
    frame = make_readings([(start + hour * number, start + hour * (number + 1), 2.0) for number in range(100)])
    gap = pl.col("at").is_between(instant("2024-01-30 11:00"), instant("2024-01-30 20:00"))
    late = frame.filter(gap).with_columns(received_at=pl.lit(datetime(2024, 3, 1, tzinfo=UTC)))
    other = frame.with_columns(meter=pl.lit("other"))
    meters = [make_meter(), make_meter("other", building="c")]
    before = Chain(pl.concat([frame.filter(~gap), other]), meters, last=date(2024, 2, 10))
    lake = pl.concat([frame.filter(~gap), late, other])

    touched = late.select(pl.col("meter").first(), first=pl.col("start").min(), last=pl.col("at").max())
    got = restate(ENGINE, reader(lake), touched, before.meter_frame, CHECKS)
    assert got.spans["meter"].to_list() == ["m"]
    days = replaced(before.periods("day"), got.days, got.spans, by="period")
    told = changes(before.periods("day"), days, ["meter", "period"], because="batch 8f2a")
    assert told.rows() == [
        ("m", date(2024, 1, 30), "amount", 28.0, 48.0, "batch 8f2a"),
        ("m", date(2024, 1, 30), "covered", 14 * 3600.0, 24 * 3600.0, "batch 8f2a"),
    ]
    january = before.periods("month").filter(meter="m", period=date(2024, 1, 1))
    assert january["amount"].item() == 76.0
    assert days.filter(pl.col("meter") == "m", pl.col("period") < date(2024, 2, 1))["amount"].sum() == 96.0
