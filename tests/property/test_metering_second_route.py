"""Random meters with every fault there is, reckoned by the expressions and by a plain second route: the same to 1e-9."""

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.reading import EVENT_SCHEMA, READING_SCHEMA
from dafeng.metering.rollup import local_spans
from metering_builders import CATALOG, CHECKS, Chain, instant, make_meter
from metering_reference import SUMS, Reference, item_rows, weights_of

MODULUS = 500.0
STEPS = (60, 900, 900, 3600, 3600, 3600, 7200, 10 * 3600, 86400, 90000, 4 * 86400, 33 * 86400)
ITEMS = ("01000", "01000", "01A00", "01B00", "01B10", "01B1A")


def near(one: float | None, two: float | None) -> bool:
    if one is None or two is None:
        return one is two
    return math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-7)


def one_meter(name: str, rng: np.random.Generator, start: Any) -> tuple[dict[str, Any], list[tuple], list[tuple]]:
    """Return fields of a meter, its readings and its events; a running total that rolls over, is replaced, reset and spoilt."""
    kind = rng.choice(["register", "interval", "blank", "blank"])
    fields = {
        "kind": None if kind == "blank" else str(kind),
        "item": str(rng.choice(ITEMS)),
        "building": str(rng.choice(["b", "c"])),
    }
    fields |= {"modulus": MODULUS} if rng.random() < 0.6 else {}
    fields |= {"rated_power": 20.0} if rng.random() < 0.5 else {}
    fields |= {"rate": -1.0} if rng.random() < 0.15 else {}
    fields |= {"valid_to": date(2024, 2, 3)} if rng.random() < 0.15 else {}
    at, total, readings, events = start, float(rng.uniform(0, 490)), [], []
    for _ in range(int(rng.integers(2, 26))):
        before, seconds = at, int(rng.choice(STEPS)) + (int(rng.integers(0, 900)) if rng.random() < 0.2 else 0)
        at = at + timedelta(seconds=seconds)
        use = float(rng.choice([0.0, rng.exponential(3.0), rng.exponential(40.0)]))
        total = (total + use) % MODULUS if "modulus" in fields else total + use
        luck = rng.random()
        if luck < 0.06:
            new, last = float(rng.uniform(0, 100)), None if rng.random() < 0.5 else total
            events.append((name, at, None, str(rng.choice(["replacement", "reset"])), last, new, "op", "", at))
            total = new
            if rng.random() < 0.6:
                continue
        elif luck < 0.09:
            events.append((name, at - timedelta(seconds=30), None, "rollover", None, None, "op", "", at))
        elif luck < 0.12:
            events.append(
                (name, before, at + timedelta(hours=2) if rng.random() < 0.7 else at, "fault", None, None, "op", "", at)
            )
        if rng.random() < 0.12:
            continue
        shown = total
        if rng.random() < 0.12:
            shown = float(rng.choice([-1.0, math.nan, total / 2, total + 90, 700.0]))
        late = at + timedelta(days=float(rng.exponential(3)) if rng.random() < 0.2 else 0)
        late = at - timedelta(hours=1) if rng.random() < 0.04 else late
        as_interval = kind == "interval" or (kind == "blank" and rng.random() < 0.4)
        begun = before if rng.random() < 0.9 else at - timedelta(seconds=int(rng.choice([0, seconds * 2, 600])))
        value = (use if rng.random() < 0.95 else -use) if as_interval else shown
        readings.append((name, at, begun if as_interval else None, value, "", "csv", "x", late))
        if rng.random() < 0.1:
            readings.append(
                (name, at, begun if as_interval else None, value + 1, "", "csv", "x", late + timedelta(hours=9))
            )
        if rng.random() < 0.04:
            readings.append((name, at, None, shown, "", "csv", "x", late))
    return fields, readings, events


def some_meters(seed: int) -> tuple[list[Any], pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    meters, readings, events = [], [], []
    for number in range(int(rng.integers(1, 7))):
        start = instant("2024-01-10 00:00") + timedelta(seconds=int(rng.integers(0, 50 * 86400)))
        fields, own, happened = one_meter(f"m{number}", rng, start)
        meters.append(make_meter(f"m{number}", **fields))
        readings += own
        events += happened
    frame = pl.DataFrame(readings, schema=READING_SCHEMA, orient="row").sample(fraction=1, shuffle=True, seed=seed)
    return meters, frame, pl.DataFrame(events, schema=EVENT_SCHEMA, orient="row")


def compare(
    frame: pl.DataFrame, keys: list[str], wanted: dict[tuple, dict[str, Any]], columns: tuple[str, ...]
) -> None:
    rows = {tuple(row[name] for name in keys): row for row in frame.iter_rows(named=True)}
    assert rows.keys() == wanted.keys()
    for key, row in rows.items():
        for name in columns:
            told = (key, name, row[name], wanted[key][name])
            assert (
                row[name] == wanted[key][name] if isinstance(row[name], str) else near(row[name], wanted[key][name])
            ), told


@settings(max_examples=6)
@given(st.integers(0, 1 << 30), st.sampled_from(["Asia/Shanghai", "Europe/London"]))
def test_a_second_route_gives_the_same(seed: int, zone: str) -> None:
    meters, readings, events = some_meters(seed)
    if readings.is_empty():
        return
    chain = Chain(readings, meters, events=events if events.height else None, zone=zone)
    other = Reference(readings, chain.meter_frame, events, CHECKS)
    hours = {(meter, hour * 3600): row for (meter, hour), row in other.hours.items()}
    compare(chain.hours.with_columns(hour=pl.col("hour").dt.epoch("s")), ["meter", "hour"], hours, (*SUMS, "flags"))
    for by in ("day", "month", "year"):
        compare(chain.periods(by), ["meter", "period"], other.periods(by, zone), (*SUMS, "flags"))
    months, spans = other.periods("month", zone), local_spans(chain.calendar)
    wanted = {}
    for period, first, past in spans.select("period", "first", "past").iter_rows():
        served = {
            row["meter"]: min(past, past if row["closes"] is None else row["closes"]) - max(first, row["opens"])
            for row in chain.meter_frame.iter_rows(named=True)
        }
        own = {meter: row for (meter, month), row in months.items() if month == period}
        kept = {meter: seconds for meter, seconds in served.items() if seconds > 0}
        rows = item_rows(own, kept, weights_of(meters), CATALOG.items)
        wanted |= {(building, item, period, part): row for (building, item, part), row in rows.items()}
    compare(
        chain.items("month"),
        ["building", "item", "period", "part"],
        wanted,
        (*SUMS, "expected", "basis", "meters", "reporting"),
    )
    known = sum(one["amount"] for one in other.intervals if one["amount"] is not None)
    for table in (chain.hours, *(chain.periods(by) for by in ("day", "month", "year"))):
        assert near(table["amount"].sum() + table["withheld"].sum(), known)
