"""An account after GB/T 51366 against a calculation by hand, and against plain arithmetic on the same terms."""

from collections import defaultdict
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.base.observation import BREAKDOWNS, Observation, observation_frame
from dafeng.carbon import Inventory, account
from dafeng.catalog import load_catalog
from dafeng.methods.rates import RatePolicy

CASE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "account_gbt51366.yaml").read_text(encoding="utf-8"))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def exact(number: float) -> Fraction:
    """The decimal number as written, without binary rounding."""
    return Fraction(str(number))


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    rows = [
        Observation.model_validate({
            "indicator": term["indicator"], "place": CASE["place"], "period": str(CASE["year"]), "value": term["amount"],
            "dataset": "by-hand", "recorded_at": NOON, **{name: term[name] for name in BREAKDOWNS if name in term},
        })
        for term in CASE["terms"]
    ]  # fmt: skip
    return account(
        observation_frame(rows),
        load_catalog(),
        "urban-rural-construction",
        policy=RatePolicy(),
        as_of=date(2026, 11, 20),
        recorded_at=NOON,
        gross_purchases=CASE["gross_purchases"],
    )


def amounts(inventory: Inventory, basis: str) -> dict[str, float]:
    return dict(inventory.totals().filter(basis=basis).select("boundary", "value").rows())


@pytest.mark.parametrize("term", CASE["terms"], ids=lambda term: term["indicator"])
def test_each_term_is_amount_times_conversion_times_factor(term: dict[str, Any]) -> None:
    product = exact(term["amount"]) * exact(term.get("conversion", 1)) * exact(term["factor"]) * term.get("sign", 1)
    assert product == exact(term["tonnes"])


def test_haulage_is_mass_times_distance() -> None:
    haulage = next(term for term in CASE["terms"] if "made_of" in term)
    worked = sum(exact(volume) * exact(density) * exact(way) for volume, density, way in haulage["made_of"])
    assert worked == haulage["amount"]


def test_components_agree_with_plain_arithmetic_and_with_the_hand(inventory: Inventory) -> None:
    by_arithmetic: dict[str, Fraction] = defaultdict(Fraction)
    for term in CASE["terms"]:
        by_arithmetic[term["component"]] += exact(term["tonnes"])
    assert by_arithmetic == {name: exact(value) for name, value in CASE["components"].items()}
    found = amounts(inventory, "location_based")
    for name, value in by_arithmetic.items():
        assert found[name] == pytest.approx(float(value), rel=1e-13)


def test_views_sum_their_components_and_the_incomplete_ones_are_absent(inventory: Inventory) -> None:
    found = amounts(inventory, "location_based")
    for name, value in CASE["views"].items():
        assert found[name] == pytest.approx(value, rel=1e-13)
    assert "whole_field" not in found
    assert [gone.component for gone in inventory.missing] == CASE["missing"]


def test_market_based_electricity_stands_beside_and_in_no_location_based_sum(inventory: Inventory) -> None:
    market = CASE["market_based"]["purchased_electricity"]
    assert exact(market["net"]) * exact(market["factor"]) == exact(market["tonnes"])
    by_market, by_location = amounts(inventory, "market_based"), amounts(inventory, "location_based")
    assert by_market["purchased_electricity"] == pytest.approx(market["tonnes"], rel=1e-13)
    difference = by_market["building_operation"] - by_location["building_operation"]
    assert difference == pytest.approx(market["tonnes"] - CASE["components"]["purchased_electricity"], rel=1e-9)


def test_amounts_per_floor_area_follow(inventory: Inventory) -> None:
    found = amounts(inventory, "location_based")
    per_area = {
        "operation_over_life": found["building_operation"] * CASE["life"] / CASE["area"] * 1000,
        "construction": found["construction"] / CASE["area"] * 1000,
        "materials": found["materials"] / CASE["area"] * 1000,
    }
    assert per_area == pytest.approx(CASE["per_area"], rel=1e-9)


def test_every_figure_leads_to_activities_and_factors(inventory: Inventory) -> None:
    details = dict(inventory.lineage.select("id", "detail").rows())
    for row in inventory.observations.iter_rows(named=True):
        waiting, activities = [row["lineage"]], set()
        while waiting:
            detail = yaml.safe_load(details[waiting.pop()])
            waiting += [part for parts in detail.get("sum_of", {}).values() for part in parts]
            activities |= {term["activity"] for term in detail.get("terms", [])}
            assert all(term["factor"] and term["rule"] == "exact" for term in detail.get("terms", []))
        assert activities, row["boundary"]
