"""Measures on the arrays of a place: each kind of change by hand, limits, interactions, masks."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.checks import loose_checker
from dafeng.catalog.pathway_overlay_checks import check_measures
from dafeng.catalog.pathway_schemas import LevelPoint, Measure
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.measures import LevelledMeasure, apply_measures, level_measure
from dafeng.pathways.quantities import read_inputs

BASE = 2020


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def inputs(catalog: Catalog) -> Inputs:
    return read_inputs(catalog, "cn").arrays()


def measure(changes: Sequence[dict[str, object]], **more: object) -> Measure:
    entry = {
        "id": "probe", "title": {"zh": "试", "en": "probe"}, "unit": "share", "changes": list(changes),
        "source": "measure-effects", "grade": "C",
    }  # fmt: skip
    return Measure.model_validate({**entry, **more})


def levelled(
    catalog: Catalog, one: Measure, *points: tuple[int, float], rises_from: int | None = None, until: int | None = None
) -> LevelledMeasure:
    years = np.arange(1950, 2061)
    stated = [LevelPoint(year=year, level=level) for year, level in points]
    return level_measure(catalog, one, stated, years=years, base_year=BASE, rises_from=rises_from, until=until)


def filled(inputs: Inputs, name: str, value: float) -> Inputs:
    return inputs.with_arrays(**{name: np.full_like(inputs.arrays[name], value)})


def at(inputs: Inputs, name: str, year: int, *row: int) -> float:
    value: NDArray[np.float64] = inputs.arrays[name][*row, year - 1950]
    return float(value[0])


def test_a_lower_bound_rises_from_the_quantitys_own_value(catalog: Catalog, inputs: Inputs) -> None:
    start = filled(inputs, "prefabricated_share", 0.2)
    one = levelled(catalog, catalog.measures["prefabricated"], (2030, 0.4), rises_from=BASE)
    done = apply_measures(start, [one])
    assert [at(done, "prefabricated_share", year, 0) for year in (2020, 2025, 2030, 2060)] == pytest.approx(
        [0.2, 0.3, 0.4, 0.4]
    )
    assert at(done, "prefabricated_share", 2030, 1) == 0.2  # rural housing is not meant
    above = filled(inputs, "prefabricated_share", 0.6)
    assert np.array_equal(
        apply_measures(above, [one]).arrays["prefabricated_share"], above.arrays["prefabricated_share"]
    )


def test_an_upper_bound_falls_and_never_raises(catalog: Catalog, inputs: Inputs) -> None:
    one = levelled(catalog, catalog.measures["leakage_control"], (2030, 0.08), rises_from=BASE)
    done = apply_measures(filled(inputs, "water_leakage", 0.12), [one])
    assert [at(done, "water_leakage", year) for year in (2025, 2030)] == pytest.approx([0.10, 0.08])
    low = filled(inputs, "water_leakage", 0.05)
    assert at(apply_measures(low, [one]), "water_leakage", 2030) == 0.05


def test_add_and_reduce(catalog: Catalog, inputs: Inputs) -> None:
    start = filled(filled(inputs, "network_loss", 0.12), "delivery_excess", 0.15)
    pipes = levelled(catalog, catalog.measures["heat_network_renewal"], (2030, 0.6), rises_from=BASE)
    done = apply_measures(start, [pipes])
    # 0.6 of the network times 5 points; half of it half way
    assert [at(done, "network_loss", year) for year in (2025, 2030)] == pytest.approx([0.105, 0.09])
    assert at(apply_measures(filled(inputs, "network_loss", 0.01), [pipes]), "network_loss", 2030) == 0.0
    balance = levelled(catalog, catalog.measures["hydraulic_balance"], (2025, 0.5))
    # 0.15 × (1 − 0.6 × 0.5)
    assert at(apply_measures(start, [balance]), "delivery_excess", 2030) == pytest.approx(0.105)


def test_a_shift_does_not_use_up_a_small_room_at_once(catalog: Catalog, inputs: Inputs) -> None:
    change = {"quantity": "technology_share", "of": {"building_class": "public", "technology": "air_heat_pump"},
              "how": "shift", "taken_from": ["coal_heating"]}  # fmt: skip
    axes = inputs.axes
    shares = np.zeros_like(inputs.arrays["technology_share"])
    row = axes.index("building_class", "office")
    district, coal, pump = (
        axes.index("technology", one) for one in ("district_heating", "coal_heating", "air_heat_pump")
    )
    shares[row, district], shares[row, coal], shares[row, pump] = 0.8, 0.15, 0.05
    small = inputs.with_arrays(technology_share=shares)
    for times, level, wanted in (("one", 0.9, 0.2), ("concerned", 0.9, 0.18)):
        one = levelled(catalog, measure([{**change, "times": times}]), (2030, level), rises_from=2020)
        after = apply_measures(small, [one])
        # half way in 2025: from 0.05 to what can be had of 0.05 + 0.15, or to 90 % of it
        assert at(after, "technology_share", 2025, row, pump) == pytest.approx((0.05 + wanted) / 2)
        assert at(after, "technology_share", 2030, row, pump) == pytest.approx(wanted)
        assert at(after, "technology_share", 2030, row, district) == pytest.approx(0.8)


def test_a_shift_takes_in_proportion_and_keeps_the_sum(catalog: Catalog, inputs: Inputs) -> None:
    sources = inputs.axes.members("heat_source")
    shares = np.zeros_like(inputs.arrays["heat_source_share"])
    for code, share in {"coal_boiler": 0.3, "coal_chp": 0.5, "gas_boiler": 0.1, "waste_heat": 0.1}.items():
        shares[sources.index(code)] = share
    one = measure([{"quantity": "heat_source_share", "of": {"heat_source": "waste_heat"}, "how": "shift",
                    "taken_from": ["coal_boiler", "coal_chp"]}])  # fmt: skip
    done = apply_measures(inputs.with_arrays(heat_source_share=shares), [levelled(catalog, one, (2025, 0.5))])
    after = done.arrays["heat_source_share"][:, 2025 - 1950, 0]
    found = {
        code: float(after[sources.index(code)]) for code in ("waste_heat", "coal_boiler", "coal_chp", "gas_boiler")
    }
    # 0.4 is taken, three eighths of it from boilers, five from cogeneration
    assert found == pytest.approx({"waste_heat": 0.5, "coal_boiler": 0.15, "coal_chp": 0.25, "gas_boiler": 0.1})
    assert done.arrays["heat_source_share"].sum(axis=0) == pytest.approx(1.0, abs=1e-15)
    more = apply_measures(inputs.with_arrays(heat_source_share=shares), [levelled(catalog, one, (2025, 1.0))])
    # no more than there is: gas does not give way
    assert float(more.arrays["heat_source_share"][sources.index("waste_heat"), 75, 0]) == pytest.approx(0.9)
    assert float(more.arrays["heat_source_share"][sources.index("coal_chp"), 75, 0]) == 0.0


def test_photovoltaics_go_by_floor_area(catalog: Catalog, inputs: Inputs) -> None:
    start = filled(filled(filled(filled(inputs, "population", 1e6), "urban_share", 0.7), "floor_per_head", 40.0),
                   "pv_capacity", 5e4)  # fmt: skip
    done = apply_measures(start, [levelled(catalog, catalog.measures["roof_pv_rural"], (2021, 0.1), rises_from=None)])
    # 300,000 people × 40 m2 × 0.06 kW/m2 × 10 %; the level may rise by 5 points a year from 2020 on
    assert [at(done, "pv_capacity", year, 1) for year in (2021, 2022)] == pytest.approx([5e4 + 36e3, 5e4 + 72e3])
    assert at(done, "pv_capacity", 2030, 0) == 5e4


def test_what_is_off_stays_bit_for_bit(catalog: Catalog, inputs: Inputs) -> None:
    names = ["prefabricated", "rural_heat_pump", "hydraulic_balance", "heat_metering", "ultra_low_residential"]
    all_of_them = [levelled(catalog, catalog.measures[name], (2030, 0.5), rises_from=BASE) for name in names]
    active = np.ones((5, 3), dtype=bool)
    active[:, 1] = False
    active[:4, 2] = False
    done = apply_measures(inputs, all_of_them, active=active)
    on = apply_measures(inputs, all_of_them)
    last = apply_measures(inputs, all_of_them[4:])
    for name, array in done.arrays.items():
        wide = np.broadcast_to(array, (*array.shape[:-1], 3))
        assert np.array_equal(wide[..., 0], on.arrays[name][..., 0]), name
        assert np.array_equal(wide[..., 1], inputs.arrays[name][..., 0]), name
        assert np.array_equal(wide[..., 2], last.arrays[name][..., 0]), name
    assert apply_measures(inputs, []) is inputs
    nothing = apply_measures(inputs, all_of_them, active=np.zeros((5, 2), dtype=bool))
    assert nothing is inputs


def test_history_stays(catalog: Catalog, inputs: Inputs) -> None:
    every = [levelled(catalog, one, (2015, one.most or 0.1)) for one in catalog.measures.values()]
    done = apply_measures(inputs, every)
    for name, array in inputs.arrays.items():
        assert np.array_equal(done.arrays[name][..., : BASE - 1950 + 1, :], array[..., : BASE - 1950 + 1, :]), name


def test_limits(catalog: Catalog, inputs: Inputs) -> None:
    change = {"quantity": "network_loss", "how": "add", "per_level": -0.1}
    start = filled(inputs, "network_loss", 0.3)

    def path(*points: tuple[int, float], until: int | None = None, **limits: object) -> list[float]:
        done = apply_measures(start, [levelled(catalog, measure([change], **limits), *points, until=until)])
        return [round(0.3 - at(done, "network_loss", year), 6) for year in (2021, 2022, 2023, 2026)]

    assert path((2021, 1.5), most=1) == [0.1, 0.1, 0.1, 0.1]
    assert path((2021, 1.0), yearly_most=0.25) == [0.025, 0.05, 0.075, 0.1]
    assert path((2021, 1.0), from_year=2023) == [0.0, 0.0, 0.1, 0.1]
    assert path((2021, 1.0), until=2023) == [0.1, 0.1, 0.1, 0.0]
    assert path((2022, 1.0)) == [0.0, 0.1, 0.1, 0.1]


def interact(catalog: Catalog, inputs: Inputs, kind: str, *, other: bool, factor: float = 1.0) -> float:
    first = measure([{"quantity": "network_loss", "how": "add", "per_level": -0.1}], order=2,
                    interactions=[{"measure": "other", "kind": kind, "factor": factor}])  # fmt: skip
    second = measure([{"quantity": "pv_self_use", "how": "add", "per_level": 0.01}], id="other", order=1)
    found = [levelled(catalog, first, (2021, 1.0)), *([levelled(catalog, second, (2021, 1.0))] if other else [])]
    return round(0.3 - at(apply_measures(filled(inputs, "network_loss", 0.3), found), "network_loss", 2030), 9)


@pytest.mark.parametrize(
    ("kind", "factor", "alone", "together"),
    [("requires", 1.0, 0.0, 0.1), ("excludes", 1.0, 0.1, 0.0), ("scales", 0.7, 0.1, 0.07)],
)
def test_interactions(
    catalog: Catalog, inputs: Inputs, kind: str, factor: float, alone: float, together: float
) -> None:
    assert interact(catalog, inputs, kind, other=False, factor=factor) == alone
    assert interact(catalog, inputs, kind, other=True, factor=factor) == together


def test_an_interaction_looks_at_each_draw(catalog: Catalog, inputs: Inputs) -> None:
    pair = [levelled(catalog, catalog.measures[name], (2021, 0.2)) for name in ("commissioning", "submetering")]
    active = np.array([[True, True, False], [True, False, True]])
    done = apply_measures(inputs, pair, active=active)
    cool = done.arrays["cool_service"][inputs.axes.index("building_class", "office"), 80]
    own = inputs.arrays["cool_service"][inputs.axes.index("building_class", "office"), 80, 0]
    assert cool.tolist() == [own * (1 - 0.08 * 0.2), own, own]


def test_the_order_given_does_not_matter(catalog: Catalog, inputs: Inputs) -> None:
    names = ["near_zero_buildings", "ultra_low_buildings", "electrification", "rural_biomass", "rural_heat_pump"]
    found = [levelled(catalog, catalog.measures[name], (2030, 0.6), rises_from=BASE) for name in names]
    one, other = apply_measures(inputs, found), apply_measures(inputs, found[::-1])
    assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in inputs.arrays)


def test_levels_above_the_code_leave_room_for_one_another(catalog: Catalog, inputs: Inputs) -> None:
    found = [levelled(catalog, catalog.measures[name], (2040, level), rises_from=BASE)
             for name, level in (("ultra_low_buildings", 1.0), ("near_zero_buildings", 0.3))]  # fmt: skip
    after = apply_measures(inputs, found).arrays["advanced_share"][0, :, 2045 - 1950, 0]
    assert after.tolist() == pytest.approx([0.7, 0.3])


def test_a_circle_is_refused(catalog: Catalog, inputs: Inputs) -> None:
    change = [{"quantity": "network_loss", "how": "add", "per_level": -0.1}]
    circle = [
        measure(change, id=name, interactions=[{"measure": other, "kind": "requires"}])
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    ]
    with pytest.raises(InputError, match="a → b → c → a"):
        apply_measures(inputs, [levelled(catalog, one, (2025, 1.0)) for one in circle])
    with pytest.raises(InputError, match=r"the mask has shape \(2, 4\)"):
        apply_measures(inputs, [], active=np.ones((2, 4), dtype=bool))


def test_faults_of_measures_are_named(catalog: Catalog) -> None:
    ok = {"quantity": "network_loss", "how": "add"}
    shift = {"quantity": "heat_source_share", "of": {"heat_source": "waste_heat"}, "how": "shift"}
    faulty = {
        "catalog.path-quantity.unknown": measure([{"quantity": "network_los", "how": "add"}]),
        "catalog.path-member.unknown": measure([shift | {"of": {"heat_source": "wast_heat"}}]),
        "catalog.measure.shares": measure([{**shift, "how": "add"}]),
        "catalog.measure.shift-to-one": measure([{**shift, "of": {}}]),
        "catalog.measure.no-area": measure([{**ok, "times": "area"}]),
        "catalog.measure.times": measure([{"quantity": "retrofit_area", "how": "reduce", "times": "area"}]),
        "catalog.measure.mixed-sense": measure([ok, {"quantity": "water_leakage", "how": "at_most"}]),
        "catalog.measure.unknown": measure([ok], interactions=[{"measure": "no_such", "kind": "scales"}]),
        "catalog.measure.circular": measure([ok], interactions=[{"measure": "probe", "kind": "requires"}]),
        "catalog.source.unknown": measure([ok], source="no-such-source"),
        "catalog.measure.price-year": measure(
            [ok], costs=[{"value": 1.0, "unit": "CNY/m2", "price_year": 0, "source": "measure-costs", "grade": "C"}]
        ),
    }
    for name, one in faulty.items():
        other = copy.copy(catalog)
        other.measures = catalog.measures | {"probe": one}
        checker = loose_checker(other)
        check_measures(checker, PathwayAxes(other.path_members))
        assert [finding.name for finding in checker.findings] == [name]
        assert checker.findings[0].where.field.startswith("measures.probe")


def test_content_of_measures(catalog: Catalog) -> None:
    """What the list has to cover, and that every cost names its price year and row."""
    assert len(catalog.measures) >= 40
    costs = [cost for one in catalog.measures.values() for cost in one.costs]
    assert len(costs) >= 50
    assert all(cost.price_year >= 2010 and (cost.at or cost.note) for cost in costs)
    assert all((cost.at or "").startswith("MC") for cost in costs if cost.source == "measure-costs")
    assert {cost.kind for cost in costs} == {"investment", "yearly", "transfer"}
    orders = {name: one.order for name, one in catalog.measures.items()}
    assert (
        orders["residential_retrofit_rate"]
        < orders["heat_pump_water"]
        < orders["waste_heat"]
        < orders["roof_pv_public"]
    )
