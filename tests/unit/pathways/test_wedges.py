"""Wedges of measures over the invented country."""

import numpy as np
import pytest

from dafeng.base.errors import InputError, NotEnoughDataError
from dafeng.catalog.pathway_schemas import Scenario
from dafeng.pathways.model import run
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.scenarios import ResolvedScenario, resolve_scenario, scenario_inputs
from dafeng.pathways.wedges import FAMILIES, families, measure_wedges
from pathway_builders import invented

MEASURES = {
    "near_zero_buildings": 0.5,
    "residential_retrofit_rate": 0.03,
    "submetering": 0.8,
    "commissioning": 0.6,
    "urban_heat_pump": 0.4,
    "heat_network_renewal": 0.5,
}


@pytest.fixture(scope="module")
def book() -> InputBook:
    return read_inputs(invented(), "cn")


def resolved(measures: dict[str, float]) -> ResolvedScenario:
    overlay = Scenario.model_validate(
        {
            "id": "some",
            "title": {"zh": "若干措施", "en": "some measures"},
            "measures": [
                {"measure": name, "levels": [{"year": 2025, "level": 0.1 * level}, {"year": 2035, "level": level}]}
                for name, level in measures.items()
            ],
        }
    )
    return resolve_scenario(invented(), overlay, place="cn")


def test_wedges_add_up_to_what_all_measures_do(book: InputBook) -> None:
    scenario = resolved(MEASURES)
    found = measure_wedges(book, scenario, "whole_field")
    bare = run(book.arrays()).view("whole_field")[:, 0]
    full = run(scenario_inputs(book, scenario)).view("whole_field")[:, 0]
    assert found.without == pytest.approx(bare, rel=1e-12)
    assert found.with_all == pytest.approx(full, rel=1e-12)
    assert found.shapley.sum(axis=0) == pytest.approx(bare - full, abs=1e-6 * bare.max())
    assert found.in_order.sum(axis=0) == pytest.approx(bare - full, abs=1e-6 * bare.max())
    assert np.all(found.shapley[:, found.years <= 2020] == pytest.approx(0, abs=1e-3))
    assert found.evaluations == 64
    assert found.error is None
    assert set(found.measures) == set(MEASURES)
    assert found.peak_earlier.sum() == pytest.approx(found.peak_without - found.peak_with)
    assert sum(found.in_year(2040).values()) == pytest.approx((bare - full)[found.years == 2040][0], rel=1e-9)
    taken = (found.years >= 2021) & (found.years <= 2030)
    assert sum(found.cumulative(2021, 2030).values()) == pytest.approx((bare - full)[taken].sum(), rel=1e-9)
    bars = found.waterfall(2040)
    assert bars[-1].change == pytest.approx(full[found.years == 2040][0], rel=1e-9)


def test_a_measure_that_needs_another_does_nothing_alone(book: InputBook) -> None:
    found = measure_wedges(book, resolved({"submetering": 0.8, "commissioning": 0.6}), "building_operation")
    at = found.measures.index("commissioning")
    late = found.years == 2040
    assert found.alone[at, late] == pytest.approx(0)
    assert found.at_last[at, late] > 0
    assert found.shapley[at, late] == pytest.approx(found.at_last[at, late] / 2)
    assert found.pairs is not None
    assert found.pairs[0, 1] > 0


def test_the_wedge_of_the_first_in_order_is_what_it_does_alone(book: InputBook) -> None:
    found = measure_wedges(book, resolved(MEASURES), "building_operation", chunk=7)
    assert found.in_order[0] == pytest.approx(found.alone[0])
    assert found.in_order[-1] == pytest.approx(found.at_last[-1])
    again = measure_wedges(book, resolved(MEASURES), "building_operation", chunk=64, threads=1)
    assert again.shapley.tobytes() == found.shapley.tobytes()


def test_families_stand_for_their_measures(book: InputBook) -> None:
    scenario = resolved(MEASURES)
    groups = families(scenario)
    assert groups == {
        "envelope": ("near_zero_buildings", "residential_retrofit_rate"),
        "demand": ("submetering", "commissioning"),
        "plant": ("urban_heat_pump",),
        "networks": ("heat_network_renewal",),
    }
    found = measure_wedges(book, scenario, "whole_field", groups=groups)
    each = measure_wedges(book, scenario, "whole_field")
    assert found.evaluations == 16
    assert found.names == tuple(FAMILIES[name] for name in groups)
    assert found.shapley.sum(axis=0) == pytest.approx(each.shapley.sum(axis=0), abs=1.0)
    with pytest.raises(InputError, match="submetering"):
        measure_wedges(
            book, scenario, "whole_field", groups={"a": [name for name in MEASURES if name != "submetering"]}
        )


def test_sampled_orders_are_near(book: InputBook) -> None:
    scenario = resolved(MEASURES)
    exact = measure_wedges(book, scenario, "whole_field")
    near = measure_wedges(book, scenario, "whole_field", exact_most=3, orders=40)
    assert near.error is not None
    late = near.years == 2040
    assert np.all(np.abs(near.shapley - exact.shapley)[:, late] <= 4 * near.error[:, late] + 1)


def test_no_measure_no_wedge(book: InputBook) -> None:
    with pytest.raises(NotEnoughDataError):
        measure_wedges(book, resolved({}), "direct")
