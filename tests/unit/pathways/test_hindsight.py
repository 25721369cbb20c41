"""Parameters as they could have been known: nothing later is read, and the trend is the one worked out by hand."""

from datetime import date

import numpy as np
import pytest

from dafeng.catalog.pathway_schemas import ParameterCurve, ParameterPoint, PathwayParameter
from dafeng.catalog.schemas import Grade
from dafeng.pathways.hindsight import AHEAD, as_known, hold_standards
from dafeng.pathways.quantities import read_inputs
from pathway_builders import invented

QUANTITIES = invented().path_quantities


def parameter(quantity: str, values: dict[int, float], **more: object) -> PathwayParameter:
    return PathwayParameter.model_validate(
        {
            "id": "p", "quantity": quantity, "place": "cn", "unit": "1", "source": "K", "grade": Grade.C,
            "points": [{"year": year, "value": value} for year, value in values.items()],
            "checked_on": date(2026, 11, 20), **more,
        }
    )  # fmt: skip


def test_growth_is_damped_and_its_ends_are_no_growth_and_full_growth() -> None:
    known = as_known([parameter("population", {2004: 100.0, 2014: 110.0, 2020: 400.0})], 2014, QUANTITIES).parameters[0]
    at = {point.year: point for point in known.points}
    growth = np.log(1.1) / 10
    assert list(at) == [2004, 2014, *range(2015, 2015 + AHEAD)]
    assert at[2016].value == pytest.approx(110 * np.exp(growth * (0.9 + 0.81)))
    assert at[2016].low == pytest.approx(110)
    assert at[2016].high == pytest.approx(110 * np.exp(2 * growth))


def test_a_fall_turns_the_ends_round() -> None:
    known = as_known([parameter("generation_coal", {2010: 0.34, 2014: 0.32})], 2014, QUANTITIES).parameters[0]
    last = known.points[-1]
    assert last.high == pytest.approx(0.32)
    assert last.low == pytest.approx(0.32 * (0.32 / 0.34) ** (AHEAD / 4))


def test_shares_move_by_points() -> None:
    known = as_known([parameter("urban_share", {2010: 0.5, 2014: 0.54})], 2014, QUANTITIES).parameters[0]
    assert known.points[2].value == pytest.approx(0.54 + 0.01 * 0.9)


def test_what_came_later_changes_nothing() -> None:
    now, other = (
        as_known(
            [
                parameter(
                    "population", {2004: 1.0, 2014: 1.2, 2015: later}, curve=ParameterCurve(ceiling=later, rate=0.1)
                )
            ],
            2014,
            QUANTITIES,
        ).parameters
        for later in (1.3, 9.0)
    )
    assert now == other
    assert now[0].curve is None


def test_a_parameter_without_an_early_point_is_a_constant_and_is_named() -> None:
    found = as_known([parameter("heat_index", {2020: 100.0, 2030: 50.0})], 2014, QUANTITIES)
    assert found.parameters[0].points == (ParameterPoint(year=2020, value=100.0),)
    assert found.constants == ("p",)


def test_a_single_early_point_holds_and_a_kept_quantity_is_left_out() -> None:
    single = as_known([parameter("heat_index", {2000: 100.0, 2020: 50.0})], 2014, QUANTITIES)
    assert [point.value for point in single.parameters[0].points] == [100.0]
    kept = as_known([parameter("population", {2000: 1.0, 2020: 2.0})], 2014, QUANTITIES, keep=["population"])
    assert kept.parameters == ()
    assert kept.kept == ("population",)


def test_later_standards_do_not_come() -> None:
    inputs = read_inputs(invented(), "cn").arrays()
    held = hold_standards(inputs, 2014)
    at = 2014 - 1950
    for name in ("code_heat_ratio", "previous_heat_ratio"):
        assert np.array_equal(held.arrays[name][:, : at + 1], inputs.arrays[name][:, : at + 1])
        assert (held.arrays[name][:, at:] == held.arrays[name][:, at : at + 1]).all()
