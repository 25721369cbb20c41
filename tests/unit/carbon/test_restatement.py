"""What a restatement touches, what it says, and what it leaves alone."""

import copy
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from dafeng.base.observation import Observation, observation_frame
from dafeng.carbon import Inventory, account, restate
from dafeng.catalog import load_catalog
from dafeng.catalog.carbon_schemas import Factor
from dafeng.methods.rates import RatePolicy, Rule

CATALOG = load_catalog()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = date(2026, 11, 20)
HELD = RatePolicy(rules=(Rule.exact(), Rule.hold_last(2)))


def row(indicator: str, value: float | None, place: str = "qingdao", period: str = "2023", **more: Any) -> Observation:
    return Observation.model_validate(
        {
            "indicator": indicator,
            "place": place,
            "period": period,
            "value": value,
            "dataset": "meters",
            "recorded_at": NOON,
        }
        | more
    )


ROWS = [
    row("building_electricity", 1e6),
    row("building_electricity", 1e6, place="jilin"),
    row("building_heat_use", 100),
    row("building_fuel_energy", 100, carrier="natural_gas"),
    row("building_fuel_energy", 40, carrier="gasoline"),
    row("building_fuel_energy", 100, carrier="natural_gas", period="2022"),
]


def made(rows: list[Observation] | None = None, **more: Any) -> Inventory:
    settings = {"policy": HELD, "as_of": TODAY, "recorded_at": NOON} | more
    return account(observation_frame(ROWS if rows is None else rows), CATALOG, "urban-rural-construction", **settings)


def differences(rows: pl.DataFrame, place: str = "qingdao") -> dict[str, float]:
    own = rows.filter(place=place, basis="location_based").select("boundary", "difference").rows()
    return dict(own)


def test_nothing_new_changes_nothing() -> None:
    before = made()
    after = restate(before, recorded_at=LATER)
    assert after.rows.is_empty()
    assert after.touched.observations.is_empty()
    assert after.inventory.observations.equals(before.observations)


def test_a_factor_published_later_restates_what_was_held_and_names_both_publications() -> None:
    before = made(as_of=date(2025, 6, 30))
    after = restate(before, as_of=TODAY, recorded_at=LATER)
    assert differences(after.rows) == pytest.approx(
        {"purchased_electricity": -21.9, "indirect": -21.9, "building_operation": -21.9}, rel=1e-9
    )
    cause = after.rows.filter(boundary="purchased_electricity", place="qingdao", basis="location_based")["cause"][0]
    assert "hold_last，2024-12-20公布" in cause
    assert "exact，2025-12-31公布" in cause
    assert set(after.touched.observations["period"]) == {"2023"}


def test_a_correction_touches_its_place_and_year_only() -> None:
    before = made()
    after = restate(before, changes=observation_frame([row("building_heat_use", 140)]), recorded_at=LATER)
    assert differences(after.rows)["purchased_heat"] == pytest.approx(4.4)
    assert after.rows["cause"].unique().to_list() == ["活动数据更正：building_heat_use（meters）"]
    assert set(after.touched.observations.select("place", "period").rows()) == {("qingdao", "2023")}
    kept = after.inventory.observations.filter(pl.col("recorded_at") == NOON)
    assert set(kept.select("place", "period").rows()) == {("jilin", "2023"), ("qingdao", "2022")}


def test_a_new_place_is_added() -> None:
    after = restate(made(), changes=observation_frame([row("building_heat_use", 10, "changchun")]), recorded_at=LATER)
    added = after.rows.filter(place="changchun", boundary="purchased_heat", basis="location_based")
    assert added.select("before", "after", "difference").row(0) == (None, pytest.approx(1.1), None)


def test_a_withdrawn_activity_leaves_a_named_gap_and_rows_to_withdraw() -> None:
    gone = observation_frame([row("building_heat_use", 100, review="withdrawn")])
    after = restate(made(), changes=gone, recorded_at=LATER)
    assert after.rows.filter(boundary="purchased_heat").select("before", "after").row(0) == (11.0, None)
    assert ("qingdao", "purchased_heat") in {(one.place, one.component) for one in after.inventory.missing}
    withdrawn = set(after.withdrawn["boundary"])
    assert {"purchased_heat", "indirect", "building_operation"} <= withdrawn


def test_another_split_restates_everything_and_says_so() -> None:
    after = restate(made(), split=set(), recorded_at=LATER)
    found = differences(after.rows)
    assert found["direct_building"] == pytest.approx(40 * 0.06791)
    assert found["building_operation"] == pytest.approx(40 * 0.06791)
    assert after.rows["cause"].unique().to_list() == ["划分规则改动：vehicle-fuels → 无"]
    moved = after.rows.filter(boundary="vehicle_fuel").row(0, named=True)
    assert (moved["before"], moved["after"]) == (pytest.approx(40 * 0.06791), None)


def test_a_factor_of_a_nearer_place_goes_before_the_province() -> None:
    city = Factor.model_validate(
        CATALOG.factors["grid-province-shandong"].model_dump(by_alias=True) | {"id": "grid-qingdao", "place": "qingdao"}
    )
    values = tuple(value.model_copy(update={"value": 0.5}) for value in city.values)
    wider = copy.copy(CATALOG)
    wider.factors = CATALOG.factors | {"grid-qingdao": city.model_copy(update={"values": values})}
    after = restate(made(), catalog=wider, recorded_at=LATER)
    assert differences(after.rows)["purchased_electricity"] == pytest.approx(500 - 619.1)
    assert differences(after.rows, "jilin") == {}


def test_restatements_follow_one_another() -> None:
    once = restate(made(), changes=observation_frame([row("building_heat_use", 140)]), recorded_at=LATER)
    twice = restate(once.inventory, changes=observation_frame([row("building_heat_use", 100)]), recorded_at=LATER)
    back = twice.inventory.observations.drop("recorded_at", "lineage")
    assert back.equals(made().observations.drop("recorded_at", "lineage"))
