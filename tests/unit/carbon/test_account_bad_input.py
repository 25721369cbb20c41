"""Each kind of bad input to an account: found, named, and never published as a whole."""

import copy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.base.errors import InputError, UnknownNameError, UsageError
from dafeng.base.finding import Severity
from dafeng.base.observation import Observation, check_observations, observation_frame
from dafeng.carbon import account
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.carbon_schemas import Flow
from dafeng.methods.rates import RatePolicy, Rule

TABLE = yaml.safe_load((Path(__file__).parents[2] / "cases" / "carbon_bad_input.yaml").read_text(encoding="utf-8"))
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TODAY = date(2026, 11, 20)
BOUNDARY = "urban-rural-construction"


def row(**more: Any) -> Observation:
    return Observation.model_validate(TABLE["defaults"] | {"recorded_at": NOON} | more)


def catalog_for(case: dict[str, Any]) -> Catalog:
    catalog = copy.copy(load_catalog())
    if "second_factor" in case:
        twin = catalog.factors[case["second_factor"]].model_copy(update={"id": "twin"})
        catalog.factors = catalog.factors | {"twin": twin}
    if case.get("extra") == "standard_coal":
        indicator = catalog.indicators["building_electricity_standard_coal"]
        stated = indicator.model_copy(update={"id": "coal_stated_electricity"})
        catalog.indicators = catalog.indicators | {stated.id: stated}
        boundary = catalog.boundaries[BOUNDARY]
        flow = next(flow for flow in boundary.flows if flow.id == "building-electricity")
        taken = Flow.model_validate(flow.model_dump() | {"id": "coal-stated", "indicator": stated.id})
        wider = boundary.model_copy(update={"flows": (*boundary.flows, taken)})
        catalog.boundaries = catalog.boundaries | {BOUNDARY: wider}
    return catalog


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: case["name"])
def test_bad_input_is_named_and_nothing_partial_is_published(case: dict[str, Any]) -> None:
    rules = (Rule.exact(), Rule.hold_last(case["hold_last"])) if "hold_last" in case else (Rule.exact(),)
    inventory = account(
        observation_frame([row(**one) for one in case["rows"]]),
        catalog_for(case),
        BOUNDARY,
        policy=RatePolicy(rules=rules),
        as_of=TODAY,
        recorded_at=NOON,
        split=case.get("split"),
        gross_purchases=case.get("gross_purchases", False),
    )
    heavy = {"methods.rates.hold-last", "carbon.activity.purchases-net"}
    found = {
        finding.name for finding in inventory.findings if finding.severity is not Severity.INFO or finding.name in heavy
    }
    assert found == set(case["findings"])
    named = {gone.component: gone.why for gone in inventory.missing if gone.why != "没有该组成部分的活动数据"}
    assert named.keys() == case["missing"].keys()
    assert all(case["missing"][component] in why for component, why in named.items())
    totals = inventory.totals().filter(basis="location_based", complete=True)
    components = {component.code for component in inventory.settings.boundary.components}
    stated = {code: value for code, value in totals.select("boundary", "value").rows() if code in components}
    assert stated == pytest.approx(case["totals"], rel=1e-12)
    published = inventory.observations
    assert check_observations(published) == []
    whole = published.filter(basis="location_based", building_class="all", carrier="all")
    rows = {code: value for code, value in whole.select("boundary", "value").rows() if code in components}
    assert rows == pytest.approx(case["totals"], rel=1e-12)


def test_a_key_that_stands_twice_is_refused() -> None:
    twice = observation_frame([row(indicator="building_heat_use", value=value) for value in (1, 2)])
    with pytest.raises(InputError, match="share their key"):
        account(twice, load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON)


def test_a_frame_without_a_column_is_refused() -> None:
    lacking = observation_frame([row(indicator="building_heat_use", value=1)]).drop("basis")
    with pytest.raises(InputError, match="no column basis"):
        account(lacking, load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON)


def test_unknown_boundaries_and_splits_are_refused_with_close_names() -> None:
    nothing = observation_frame()
    with pytest.raises(UnknownNameError, match="urban-rural-construction"):
        account(nothing, load_catalog(), "urban-rural", policy=RatePolicy(), as_of=TODAY, recorded_at=NOON)
    with pytest.raises(UnknownNameError, match="vehicle-fuels"):
        account(
            nothing, load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON, split={"vehicles"}
        )


def test_an_account_of_nothing_is_empty() -> None:
    empty = account(observation_frame(), load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON)
    assert empty.observations.is_empty()
    assert empty.missing == ()
    assert empty.totals().is_empty()


def test_totals_by_another_column_are_refused() -> None:
    rows = observation_frame([row(indicator="building_heat_use", value=1)])
    inventory = account(rows, load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON)
    with pytest.raises(UsageError, match="end_use"):
        inventory.totals(["end_use"])


def test_projected_and_demonstration_figures_never_meet_facts() -> None:
    rows = [
        row(indicator="building_heat_use", value=100),
        row(indicator="building_heat_use", value=50, kind="demonstration"),
        row(indicator="building_heat_use", value=70, kind="projected", scenario="low", member="mean"),
        row(indicator="building_heat_use", value=60, kind="projected", scenario="low", member="p05"),
    ]
    inventory = account(
        observation_frame(rows), load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON
    )
    totals = inventory.observations.filter(building_class="all", carrier="all").select("kind", "value").rows()
    assert sorted(totals) == [("computed", 11.0), ("demonstration", 5.5), ("projected", 7.7)]
    assert "carbon.activity.quantile" in {finding.name for finding in inventory.findings}


def test_estimates_stay_estimates() -> None:
    rows = [row(indicator="building_heat_use", value=100, kind="estimated")]
    inventory = account(
        observation_frame(rows), load_catalog(), BOUNDARY, policy=RatePolicy(), as_of=TODAY, recorded_at=NOON
    )
    assert set(inventory.observations["kind"]) == {"estimated"}
