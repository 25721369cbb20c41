"""Laws of the building-stock model: balances, sums, a second route in plain numbers, no draw knows of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.pathways.balances import balances
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.model import run
from dafeng.pathways.outcome import VIEWS, Outcome
from dafeng.pathways.quantities import InputBook, read_inputs
from pathway_builders import CITY, NATION, PROVINCE, invented, invented_parameters, parameter, with_pathways
from pathway_builders import settings as place_settings
from pathway_plain import Tools, plain_run

COMPONENTS = (
    "direct_building",
    "purchased_electricity",
    "purchased_heat",
    "construction",
    "materials",
    "municipal_operation",
)


@pytest.fixture(scope="module")
def book() -> InputBook:
    return read_inputs(invented(), NATION)


def drawn(book: InputBook, draws: int, seed: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return {name: rng.random(draws) for name in book.groups}


@pytest.fixture(scope="module")
def inputs(book: InputBook) -> Inputs:
    return book.arrays(drawn(book, 5))


@pytest.fixture(scope="module")
def outcome(inputs: Inputs) -> Outcome:
    return run(inputs, detail=True)


def reader(inputs: Inputs, draw: int) -> Callable[..., float]:
    def value(name: str, *at: object) -> float:
        *members, year = at
        array = inputs.arrays[name]
        rows = [inputs.axes.index(axis, str(code)) for axis, code in zip(inputs.axes_of(name), members, strict=True)]
        return float(array[(*rows, int(str(year)) - 1950, min(draw, array.shape[-1] - 1))])

    return value


def tools(inputs: Inputs) -> Tools:
    axes = inputs.axes
    members = {code: axes.get("technology", code) for code in axes.members("technology")}
    sources = {code: axes.get("heat_source", code) for code in axes.members("heat_source")}
    return Tools(
        technologies={code: (str(one.end_use), str(one.carrier)) for code, one in members.items() if one},
        sources={code: one.carrier for code, one in sources.items() if one},
        carriers=axes.members("carrier"),
        uses=axes.members("end_use"),
    )


@pytest.mark.parametrize(
    ("family", "age_zero", "draw"), [("weibull", "start", 1), ("normal", "mid_year", 3), ("lognormal", "start", 4)]
)
def test_plain_numbers_give_the_same(family: str, age_zero: str, draw: int) -> None:
    parameters = invented_parameters()
    if family != "weibull":  # there the shape is a coefficient of variation
        parameters = [one for one in parameters if one.quantity != "lifetime_shape"]
        parameters.append(parameter("lifetime_shape", {"segment": "all"}, "1", {1950: (0.35, 0.3, 0.4)}))
    # people and area fall steeply, so that buildings stand empty
    parameters = [one for one in parameters if one.id != "cn-population"]
    parameters.append(
        parameter("population", {}, "person", {1950: 5e8, 2020: (1.4e9, 1.3e9, 1.5e9), 2045: (6e8, 3e8, 9e8)})
    )
    catalog = with_pathways(parameters, places=[place_settings(lifetime=family, age_zero=age_zero)])
    book = read_inputs(catalog, NATION)
    inputs = book.arrays(drawn(book, 5))
    outcome = run(inputs, detail=True)
    plain = plain_run(reader(inputs, draw), tools(inputs), family=family, age_zero=age_zero, before=2010)
    assert max(plain["vacant"].values()) > 1e9
    axes = {"useful": ("building_class", "end_use"), "final": ("building_class", "carrier"), "final_use": ("building_class", "end_use", "carrier"),
            "source_input": ("heat_source",), "pv": ("segment",), "pv_used": ("segment",), "municipal_kwh": ("service",),
            **dict.fromkeys(("area", "standing", "vacant", "inflow", "outflow", "retrofitted", "retrofit_done", "retrofit_missed", "ambient", "direct_by_class"), ("building_class",))}  # fmt: skip
    whole = {
        "heat_delivered": outcome.heat_delivered, "heat_at_source": outcome.heat_at_source, "heated_area": outcome.heated_area,
        "pv_exported": outcome.pv_exported, "bought": outcome.purchased.sum(axis=0), **{name: outcome.view(name) for name in (*VIEWS, *COMPONENTS)},
        "energy_generation": outcome.energy("generation"), "energy_calorific": outcome.energy("calorific"),
    }  # fmt: skip
    for name, wanted in plain.items():
        if name.startswith("tce"):
            continue
        array = whole[name] if name in whole else getattr(outcome, name)
        scale = max(abs(one) for one in wanted.values())
        for key, amount in wanted.items():
            *members, year = key
            rows = tuple(
                inputs.axes.index(axis, str(code)) for axis, code in zip(axes.get(name, ()), members, strict=True)
            )
            found = array[(*rows, int(str(year)) - 2000, min(draw, array.shape[-1] - 1))]
            assert found == pytest.approx(amount, rel=1e-9, abs=1e-12 * scale), (name, key)


def test_everything_balances(inputs: Inputs, outcome: Outcome) -> None:
    found = balances(inputs, outcome)
    assert {"area", "final", "useful", "heat", "heat-source", "photovoltaics", "classes", "views"} <= set(found)
    assert max(found.values()) < 1e-9


def test_a_broken_balance_is_seen(inputs: Inputs, outcome: Outcome) -> None:
    final = outcome.final.copy()
    final[0, 2, 7] *= 1.001
    worst = balances(
        inputs, Outcome(**{**{one.name: getattr(outcome, one.name) for one in fields(outcome)}, "final": final})
    )
    assert worst["final"] > 1e-6
    assert worst["classes"] > 1e-9


def test_views_are_sums_of_their_components(outcome: Outcome) -> None:
    parts = {name: outcome.view(name) for name in COMPONENTS}
    assert np.allclose(outcome.view("whole_field"), sum(parts.values()), rtol=1e-12)
    assert np.allclose(
        outcome.view("whole_field"),
        outcome.view("building_operation") + outcome.view("embodied") + parts["municipal_operation"],
        rtol=1e-12,
    )
    assert np.allclose(outcome.operation_by_class().sum(axis=0), outcome.view("building_operation"), rtol=1e-12)
    assert (outcome.view("direct") > parts["direct_building"]).all()
    scaled = outcome.scaled({"construction": np.full((61, 1), 2.0), "purchased_heat": np.full((1, 1), 0.5)})
    assert np.allclose(scaled.view("embodied"), parts["materials"] + 2 * parts["construction"])
    assert np.allclose(scaled.operation_by_class().sum(axis=0), scaled.view("building_operation"))


def test_shares_sum_to_one_in_every_draw(inputs: Inputs) -> None:
    axes = inputs.axes
    uses = [member.end_use for code in axes.members("technology") if (member := axes.get("technology", code))]
    shares = inputs.late("technology_share")
    for use in axes.members("end_use"):
        rows = [at for at, one in enumerate(uses) if one == use]
        assert np.allclose(shares[:, rows].sum(axis=1), 1, atol=1e-12)
    assert np.allclose(inputs.late("heat_source_share").sum(axis=0), 1, atol=1e-12)
    assert np.allclose(inputs.arrays["public_mix"][2:].sum(axis=0), 1, atol=1e-12)
    assert (inputs.arrays["public_mix"][:2] == 0).all()
    for name in ("technology_share", "heat_source_share", "public_mix"):
        assert inputs.arrays[name].min() >= 0
        assert inputs.arrays[name].max() <= 1 + 1e-12


def arrays_of(outcome: Outcome) -> dict[str, np.ndarray]:
    found = {one.name: getattr(outcome, one.name) for one in fields(outcome)}
    found = {name: part for name, part in found.items() if isinstance(part, np.ndarray) and name != "years"}
    return found | dict(outcome.emissions)


@settings(max_examples=5, deadline=None)
@given(cut=st.integers(1, 4))
def test_chunks_give_the_same_bits(book: InputBook, cut: int) -> None:
    columns = drawn(book, 5)
    whole = arrays_of(run(book.arrays(columns)))
    parts = [
        arrays_of(run(book.arrays({name: one[part] for name, one in columns.items()})))
        for part in (slice(0, cut), slice(cut, 5))
    ]
    for name, array in whole.items():
        joined = [
            np.broadcast_to(part[name], (*part[name].shape[:-1], size))
            for part, size in zip(parts, (cut, 5 - cut), strict=True)
        ]
        assert np.array_equal(np.broadcast_to(array, (*array.shape[:-1], 5)), np.concatenate(joined, axis=-1)), name


def test_one_draw_is_the_same_broadcast_or_repeated(book: InputBook) -> None:
    single = book.arrays()
    assert single.draws == 1
    wide = single.with_arrays(**{name: np.repeat(single.arrays[name], 3, axis=-1) for name in single.quantities})
    one, three = arrays_of(run(single)), arrays_of(run(wide))
    for name, array in one.items():
        assert np.array_equal(np.broadcast_to(array, three[name].shape), three[name]), name
    # half of the arrays wide
    half = single.with_arrays(
        **{name: np.repeat(single.arrays[name], 3, axis=-1) for name in sorted(single.quantities)[::2]}
    )
    for name, array in arrays_of(run(half)).items():
        assert np.array_equal(np.broadcast_to(array, three[name].shape), three[name]), name


def test_the_median_quantile_is_the_stated_value(book: InputBook) -> None:
    middle, stated = book.arrays({name: np.array([0.5]) for name in book.groups}), book.arrays()
    for name, array in stated.arrays.items():
        assert np.allclose(middle.arrays[name], array, rtol=1e-12), name


def test_places_do_not_depend_on_their_order_nor_on_one_another() -> None:
    own = parameter(
        "population", {}, "万人", {1950: 1000, 2020: (2400, 2300, 2500), 2060: (1500, 1200, 1900)}, place=PROVINCE
    )
    small = parameter(
        "population", {}, "万人", {1950: 500, 2020: (1200, 1150, 1250), 2060: (750, 600, 950)}, place=CITY
    )
    parameters = [*invented_parameters(), own, small]
    results = []
    for order in (parameters, parameters[::-1]):
        catalog = with_pathways(order)
        for places in ((NATION, PROVINCE, CITY), (CITY, NATION, PROVINCE)):
            found = {place: run(read_inputs(catalog, place).arrays()).view("whole_field") for place in places}
            results.append(found)
    for found in results[1:]:
        assert all(np.array_equal(found[place], results[0][place]) for place in found)
    # everything but people is borrowed, what grows with the place by population
    assert np.allclose(2 * results[0][CITY], results[0][PROVINCE], rtol=1e-9)
    assert results[0][NATION][20, 0] > 40 * results[0][PROVINCE][20, 0]


def test_twice_the_people_are_twice_everything(book: InputBook) -> None:
    inputs = book.arrays()
    twice = {name: inputs.arrays[name] * 2 for name in ("population", "retrofit_area", "pv_capacity")}
    one, two = run(inputs), run(inputs.with_arrays(**twice))
    for name in (*VIEWS, *COMPONENTS):
        assert np.allclose(2 * one.view(name), two.view(name), rtol=1e-10)
    assert np.allclose(one.electricity_share(), two.electricity_share(), rtol=1e-10)


def test_the_two_shares_are_those_of_the_indicators(outcome: Outcome) -> None:
    # year 2040, draw 0, by hand from carriers: urban buildings alone, generation basis
    at, tce = (slice(None), 40, 0), 3.6 / 29307.6
    coal = outcome.generation_coal[40, 0] / 1e3
    final = outcome.final[(slice(None), *at)]
    urban = [0, 2, 3, 4, 5, 6, 7]
    carriers = outcome.axes.members("carrier")
    power, heat = carriers.index("electricity"), carriers.index("heat")
    burnt = [carriers.index(code) for code in ("coal", "natural_gas", "lpg", "oil")]
    own = final[:, power] - outcome.purchased[at]
    assert own.sum() == pytest.approx(outcome.pv_used[at].sum())
    sources = outcome.source_input[at]
    at_source = (sources[[0, 1, 2, 3]].sum() * tce + sources[6] * coal) / final[:, heat].sum()
    commercial = (final[:, burnt].sum(axis=1) + 0) * tce + outcome.purchased[at] * coal + final[:, heat] * at_source
    assert commercial.sum() == pytest.approx(outcome.energy()[40, 0])
    used = final[urban][:, power].sum() * coal
    whole = commercial[urban].sum() + own[urban].sum() * coal
    assert outcome.electricity_share()[40, 0] == pytest.approx(used / whole)
    ambient = (
        outcome.ambient[at][urban].sum()
        + outcome.source_ambient[40, 0] * final[urban][:, heat].sum() / final[:, heat].sum()
    )
    renewable = own[urban].sum() * coal + (final[urban][:, carriers.index("solar_thermal")].sum() + ambient) * tce
    assert outcome.renewable_substitution_rate()[40, 0] == pytest.approx(
        renewable / (commercial[urban].sum() + renewable)
    )
    assert outcome.electricity_share("calorific")[40, 0] < outcome.electricity_share()[40, 0]
    assert (outcome.energy(commercial=False) >= outcome.energy()).all()
    assert np.allclose(outcome.energy_by_class("calorific").sum(axis=0), outcome.energy("calorific"))


def test_photovoltaics_never_exceed_what_the_segment_uses(book: InputBook) -> None:
    inputs = book.arrays()
    flooded = run(inputs.with_arrays(pv_capacity=inputs.arrays["pv_capacity"] * 1e3 + 1e9))
    assert (flooded.purchased >= 0).all()
    assert flooded.view("purchased_electricity")[40, 0] == pytest.approx(0, abs=1)
    assert (flooded.pv_exported[40:] > 0).all()
    assert flooded.view("whole_field")[40, 0] < run(inputs).view("whole_field")[40, 0]
