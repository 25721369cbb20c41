"""Intervals of sums against formulas worked by hand; two accounts side by side."""

import math
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import InputError
from dafeng.base.observation import Observation, observation_frame
from dafeng.carbon import account, reconcile
from dafeng.catalog import load_catalog
from dafeng.methods.rates import RatePolicy

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def bounds(*rows: dict[str, Any], boundary: str) -> tuple[float, float, float]:
    made = [
        Observation.model_validate({"place": "qingdao", "period": "2023", "dataset": "m", "recorded_at": NOON} | row)
        for row in rows
    ]
    catalog = load_catalog()
    settings = {"policy": RatePolicy(), "as_of": date(2026, 11, 20), "recorded_at": NOON}
    table = account(observation_frame(made), catalog, "urban-rural-construction", **settings).totals()
    row = table.filter(boundary=boundary, basis="location_based").row(0, named=True)
    return row["value"], row["low"], row["high"]


def test_one_factor_errs_alike_in_every_term_and_activities_do_not() -> None:
    heat = {"indicator": "building_heat_use", "value": 100.0, "low": 90.0, "high": 110.0}
    value, low, high = bounds(
        heat | {"building_class": "office"}, heat | {"building_class": "hotel"}, boundary="purchased_heat"
    )
    alone, alone_low, _ = bounds({"indicator": "building_heat_use", "value": 100.0}, boundary="purchased_heat")
    of_factor = (alone - alone_low) / alone
    half = value * math.hypot(of_factor, 0.1 / math.sqrt(2))
    assert (value - low, high - value) == (pytest.approx(half), pytest.approx(half))


def test_different_factors_are_independent() -> None:
    gas = {"indicator": "building_fuel_energy", "carrier": "natural_gas", "value": 100.0}
    coal = {"indicator": "building_fuel_energy", "carrier": "diesel", "value": 100.0}
    single = [bounds(row, boundary="direct_building") for row in (gas, coal)]
    value, low, _ = bounds(gas, coal, boundary="direct_building")
    assert value == pytest.approx(sum(one[0] for one in single))
    assert value - low == pytest.approx(math.hypot(*(one[0] - one[1] for one in single)))


def test_an_interval_of_an_activity_may_be_lopsided() -> None:
    row = {"indicator": "building_heat_use", "value": 100.0, "low": 60.0, "high": 105.0}
    value, low, high = bounds(row, boundary="purchased_heat")
    assert value - low > high - value


def test_keys_of_one_side_are_named_and_are_no_gap_against_zero() -> None:
    top = pl.DataFrame({"place": "jilin", "boundary": ["heat", "gas", "coal"], "value": [100.0, 50.0, 7.0]})
    bottom = pl.DataFrame({"place": "jilin", "boundary": ["heat", "gas", "pumps"], "value": [90.0, 58.0, 3.0]})
    found = reconcile(top, bottom, on=["place", "boundary"], group=["place"])
    summary = found.summary.row(0, named=True)
    assert (summary["net_gap"], summary["absolute_gap"], summary["compared"]) == (-2.0, 18.0, 2)
    assert (summary["only_top_down"], summary["only_bottom_up"]) == (7.0, 3.0)
    assert dict(found.rows.select("boundary", "only").rows())["pumps"] == "bottom_up"


def test_a_side_with_two_values_for_one_key_is_refused() -> None:
    twice = pl.DataFrame({"place": ["jilin", "jilin"], "value": [1.0, 2.0]})
    with pytest.raises(InputError, match="share their key"):
        reconcile(twice, twice.head(1), on=["place"], group=["place"])


def test_terms_of_one_cell_stand_in_one_order_in_its_lineage_whatever_the_order_of_the_rows() -> None:
    rows = [
        Observation(
            indicator="material_use",
            place="qingdao",
            period="2023",
            end_use=material,
            value=5.0,
            dataset="m",
            recorded_at=NOON,
        )
        for material in ("rebar", "portland_cement")
    ]
    catalog = load_catalog()
    settings = {"policy": RatePolicy(), "as_of": date(2026, 11, 20), "recorded_at": NOON}
    first, second = (
        account(observation_frame(order), catalog, "urban-rural-construction", **settings)
        for order in (rows, rows[::-1])
    )
    assert first.lineage.equals(second.lineage)
    assert first.observations.equals(second.observations)
