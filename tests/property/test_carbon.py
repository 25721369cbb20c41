"""Laws of accounts: each amount in one component, sums that hold at every level, restatements that say all they changed."""

import copy
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.observation import SCHEMA, Observation, check_observations, observation_frame
from dafeng.carbon import Inventory, account, reconcile, restate
from dafeng.catalog import Catalog, load_catalog
from dafeng.methods.rates import RatePolicy, Rule

CATALOG = load_catalog()
BOUNDARY = CATALOG.boundaries["urban-rural-construction"]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = date(2026, 11, 20)
POLICY = RatePolicy(rules=(Rule.exact(), Rule.hold_last(2)))
COMPONENTS = {component.code for component in BOUNDARY.components}
MEMO = {"exported_pv", "vehicle_fuel"}
UNIT = ["place", "period", "basis"]

PLACES = st.sampled_from(["qingdao", "jilin", "changchun"])
YEARS = st.sampled_from(["2022", "2023", "2024"])
CLASSES = st.sampled_from(["urban_residential", "rural_residential", "office", "hotel"])
AMOUNT = st.one_of(st.just(0.0), st.floats(0.01, 1e8, allow_nan=False).map(lambda value: round(value, 2)))
FUELS = st.sampled_from(["natural_gas", "lpg", "raw_coal", "diesel", "gasoline"])


@st.composite
def activities(draw: st.DrawFn) -> dict[str, Any]:
    """One activity row; its indicator decides which breakdowns it carries."""
    indicator = draw(
        st.sampled_from([
            "building_electricity", "building_heat_use", "building_fuel_energy", "municipal_electricity",
            "municipal_fuel_energy", "construction_electricity", "construction_fuel_energy", "material_use",
        ])
    )  # fmt: skip
    row: dict[str, Any] = {"indicator": indicator, "place": draw(PLACES), "period": draw(YEARS), "value": draw(AMOUNT)}
    if indicator.startswith("building"):
        row["building_class"] = draw(CLASSES)
        row["end_use"] = draw(st.sampled_from(["cooking", "hot_water", "space_heating"]))
    if indicator.endswith("fuel_energy"):
        row["carrier"] = draw(FUELS)
    if indicator == "material_use":
        row["end_use"] = draw(st.sampled_from(["rebar", "portland_cement"]))
    if draw(st.booleans()):
        row |= {"low": row["value"] * 0.9, "high": row["value"] * 1.2}
    return row


def observation(row: dict[str, Any]) -> Observation:
    return Observation.model_validate({"dataset": "meters", "recorded_at": NOON} | row)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("indicator", "place", "period", "building_class", "carrier", "end_use"))


TABLES = st.lists(activities(), min_size=1, max_size=25, unique_by=key)
FEW = st.lists(activities(), min_size=1, max_size=5, unique_by=key)


def inventory(rows: list[dict[str, Any]] | pl.DataFrame, catalog: Catalog = CATALOG, **more: Any) -> Inventory:
    frame = rows if isinstance(rows, pl.DataFrame) else observation_frame([observation(row) for row in rows])
    settings = {"policy": POLICY, "as_of": TODAY, "recorded_at": NOON} | more
    return account(frame, catalog, BOUNDARY.id, **settings)


def values(made: Inventory, by: tuple[str, ...] = ()) -> dict[tuple[Any, ...], float]:
    table = made.totals(by)
    return {row[:-1]: row[-1] for row in table.select(*UNIT, "boundary", *by, "value").rows()}


def close(found: dict[Any, float], wanted: dict[Any, float]) -> bool:
    size = max((abs(value) for value in wanted.values()), default=0.0)
    return found.keys() == wanted.keys() and all(
        found[name] == pytest.approx(value, rel=1e-9, abs=1e-12 * size) for name, value in wanted.items()
    )


@given(TABLES)
def test_components_sum_to_the_views_at_every_place_year_class_and_carrier(rows: list[dict[str, Any]]) -> None:
    made = inventory(rows)
    for by in ((), ("building_class",), ("carrier",), ("building_class", "carrier")):
        table = made.totals(by)
        parts = table.filter(pl.col("boundary").is_in(COMPONENTS - MEMO))
        for view, members in BOUNDARY.views.items():
            if not set(members) <= COMPONENTS:
                continue
            for basis in ("location_based", "market_based"):
                whole = table.filter(boundary=view, basis=basis)
                marketed = {flow.component for flow in BOUNDARY.flows if flow.market_factor is not None}
                own = parts.filter(
                    pl.col("boundary").is_in(members),
                    pl.col("basis")
                    == pl.when(pl.col("boundary").is_in(marketed))
                    .then(pl.lit(basis))
                    .otherwise(pl.lit("location_based")),
                )
                sums = own.group_by("place", "period", *by).agg(pl.col("value").sum().alias("parts"))
                both = whole.join(sums, on=["place", "period", *by], how="left")
                assert both["parts"].null_count() == 0
                assert ((both["value"] - both["parts"]).abs() <= 1e-9 * (both["value"].abs() + 1e-9)).all()


@given(TABLES)
def test_classes_and_carriers_sum_to_their_component(rows: list[dict[str, Any]]) -> None:
    made = inventory(rows)
    whole = values(made)
    for by in (("building_class",), ("carrier",), ("building_class", "carrier")):
        summed: dict[tuple[Any, ...], float] = {}
        for name, value in values(made, by).items():
            summed[name[:4]] = summed.get(name[:4], 0.0) + value
        assert close(summed, whole)


@given(FEW)
def test_each_activity_is_counted_in_one_component_and_as_often_as_it_stands(rows: list[dict[str, Any]]) -> None:
    """Plain Python, one row at a time, with the rates that the lineage names."""
    made = inventory(rows)
    slab = made.parts[0].slab
    assert slab.traces.filter(basis=0).height == len(rows)
    alone: dict[tuple[str, ...], float] = {}
    for row in rows:
        single = (
            inventory([row]).totals(partial=True).filter(pl.col("boundary").is_in(COMPONENTS), basis="location_based")
        )
        assert single.height == 1
        where = (row["place"], row["period"], "location_based", single["boundary"][0])
        alone[where] = alone.get(where, 0.0) + single["value"][0]
    found = values(made)
    assert close({name: value for name, value in found.items() if name in alone}, alone)


@given(TABLES, st.randoms(use_true_random=False))
def test_row_order_changes_no_bit(rows: list[dict[str, Any]], chance: Any) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    first, second = inventory(rows), inventory(shuffled)
    assert second.observations.equals(first.observations)
    assert second.lineage.equals(first.lineage)


@given(TABLES, st.floats(0.0, 1.0))
def test_moving_a_flow_between_meters_of_one_component_changes_nothing(
    rows: list[dict[str, Any]], share: float
) -> None:
    known = {key(row) for row in rows}
    for number, row in enumerate(rows):
        if row["indicator"] != "building_electricity":
            continue
        other = {name: value for name, value in row.items() if name not in ("low", "high")} | {"end_use": "appliances"}
        if key(other) in known:
            continue
        moved = {name: value for name, value in row.items() if name not in ("low", "high")}
        split = [moved | {"value": row["value"] * share}, other | {"value": row["value"] * (1 - share)}]
        assert close(values(inventory([*rows[:number], *split, *rows[number + 1 :]])), values(inventory(rows)))


@given(TABLES)
def test_adding_a_zero_to_a_component_changes_nothing(rows: list[dict[str, Any]]) -> None:
    before = inventory(rows)
    known = {key(row) for row in rows}
    zeros = [row | {"end_use": "laundry", "value": 0.0} for row in rows if row["indicator"] == "building_heat_use"]
    zeros = [{name: value for name, value in row.items() if name not in ("low", "high")} for row in zeros]
    after = inventory([*rows, *({key(row): row for row in zeros if key(row) not in known}).values()])
    assert close(values(after), values(before))


@given(TABLES)
def test_published_rows_are_sound_and_traced(rows: list[dict[str, Any]]) -> None:
    made = inventory(rows)
    assert check_observations(made.observations) == []
    assert made.observations.columns == list(SCHEMA)
    assert set(made.observations["lineage"]) <= set(made.lineage["id"])
    assert made.lineage["id"].is_unique().all()
    totals = {row[:-1]: row[-1] for row in made.totals().select(*UNIT, "boundary", "value").rows()}
    shown = made.observations.filter(building_class="all", carrier="all")
    assert {row[:-1]: row[-1] for row in shown.select(*UNIT, "boundary", "value").rows()} == totals


@given(TABLES)
def test_what_is_missing_is_named_and_in_no_view(rows: list[dict[str, Any]]) -> None:
    made = inventory(rows)
    gone = {(one.place, str(one.year), one.component) for one in made.missing}
    given_components = made.totals().filter(basis="location_based")
    for place, period in {(row["place"], row["period"]) for row in rows}:
        own = set(given_components.filter(place=place, period=period)["boundary"])
        for component in COMPONENTS - MEMO:
            assert (component in own) != ((place, period, component) in gone)
        for view, members in BOUNDARY.views.items():
            needed = {flow.component for flow in BOUNDARY.flows_of(view)} | (set(members) & COMPONENTS)
            assert (view in own) == (needed <= own)


def with_factor(value: float) -> Catalog:
    catalog = copy.copy(CATALOG)
    factor = catalog.factors["grid-province-shandong"]
    values = tuple(
        one.model_copy(update={"value": value}) if one.starts == date(2023, 1, 1) else one for one in factor.values
    )
    catalog.factors = catalog.factors | {factor.id: factor.model_copy(update={"values": values})}
    return catalog


@given(TABLES, st.floats(0.1, 1.0).map(lambda value: round(value, 4)))
def test_a_restated_factor_gives_what_a_fresh_account_gives(rows: list[dict[str, Any]], value: float) -> None:
    before = inventory(rows)
    after = restate(before, catalog=with_factor(value), recorded_at=LATER)
    fresh = inventory(rows, with_factor(value))
    assert values(after.inventory) == values(fresh)
    unlike = ["recorded_at"]
    assert after.inventory.observations.drop(unlike).equals(fresh.observations.drop(unlike))
    touched = set(after.touched.observations["place"])
    assert touched <= {"qingdao"}
    untouched = pl.col("recorded_at") == NOON
    kept = after.inventory.observations.filter(untouched)
    assert kept.join(before.observations, on=list(SCHEMA), how="semi", nulls_equal=True).height == kept.height


@given(TABLES, st.floats(0.1, 1.0).map(lambda value: round(value, 4)))
def test_differences_of_a_restatement_sum_to_the_difference_of_totals(rows: list[dict[str, Any]], value: float) -> None:
    before = inventory(rows)
    after = restate(before, catalog=with_factor(value), recorded_at=LATER)
    old, new = values(before), values(after.inventory)
    stated = {row[:-1]: row[-1] for row in after.rows.select(*UNIT, "boundary", "difference").rows()}
    changed = {name: new[name] - old[name] for name in old if new[name] != old[name]}
    assert stated.keys() == changed.keys()
    assert close(stated, changed)
    assert after.rows["cause"].null_count() == 0
    by_component = after.rows.filter(pl.col("boundary").is_in(COMPONENTS))
    for (place, period, basis, view), difference in stated.items():
        if view in BOUNDARY.views and set(BOUNDARY.views[view]) <= COMPONENTS:
            own = by_component.filter(pl.col("boundary").is_in(BOUNDARY.views[view]), place=place, period=period)
            assert own.filter(basis=basis)["difference"].sum() == pytest.approx(difference, rel=1e-6, abs=1e-6)


@given(TABLES, st.data())
def test_a_corrected_activity_gives_what_a_fresh_account_gives(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(rows) - 1))
    corrected = {name: value for name, value in rows[number].items() if name not in ("low", "high")}
    corrected |= {"value": data.draw(AMOUNT)}
    changes = observation_frame([observation(corrected)])
    before = inventory(rows)
    after = restate(before, changes=changes, recorded_at=LATER)
    fresh = inventory([*rows[:number], corrected, *rows[number + 1 :]])
    assert values(after.inventory) == values(fresh)
    assert after.inventory.missing == fresh.missing
    assert set(after.rows["place"]) <= {corrected["place"]}


@given(st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1))
def test_the_net_gap_never_exceeds_the_summed_absolute_gap(gaps: dict[str, tuple[float, float]]) -> None:
    sides = [
        pl.DataFrame({"place": "jilin", "boundary": list(gaps), "value": [pair[side] for pair in gaps.values()]})
        for side in (0, 1)
    ]
    found = reconcile(*sides, on=["place", "boundary"], group=["place"]).summary.row(0, named=True)
    net = sum(up - down for down, up in gaps.values())
    assert found["net_gap"] == pytest.approx(net, rel=1e-9, abs=1e-6)
    assert found["absolute_gap"] == pytest.approx(sum(abs(up - down) for down, up in gaps.values()), rel=1e-9)
    assert abs(found["net_gap"]) <= found["absolute_gap"] * (1 + 1e-12)
