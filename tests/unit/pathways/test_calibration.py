"""Calibration to history: factors that were put in are found again, activity apart, residual after the last observed year."""

from datetime import date

import numpy as np
import pytest

from dafeng.base.errors import NotEnoughDataError
from dafeng.pathways.calibration import (
    Calibration,
    FuelHistory,
    calibrate_area,
    calibrate_fuels,
    fuel_cells,
    residual_scale,
    step_size,
    yearly_steps,
)
from dafeng.pathways.ensemble import ensemble
from dafeng.pathways.model import run
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.residuals import last_observed
from pathway_builders import invented

DAY = date(2026, 11, 20)
PLACE = "cn"


@pytest.fixture(scope="module")
def book() -> InputBook:
    return read_inputs(invented(), PLACE)


def history(
    book: InputBook, factor: float, growth: float = 0.0, *, last: int = 2017, wiggle: float = 0.0
) -> FuelHistory:
    """The model's own direct emissions from 1998 on, times a factor that grows until the last year."""
    inputs = book.arrays()
    years = np.arange(1998, last + 1)
    course = factor * np.exp(growth * (years - last)) * np.exp(wiggle * (-1.0) ** years)
    cells = fuel_cells(inputs, run(inputs))
    return FuelHistory(
        PLACE,
        years,
        {cell: np.concatenate([[0.1, 0.1], one[: last - 1999]]) * course for cell, one in cells.items() if one.any()},
        "K",
    )


def fitted(book: InputBook, **how: float) -> Calibration:
    return calibrate_fuels(book, history(book, **how), checked_on=DAY)  # type: ignore[arg-type]


def test_cells_add_up_to_the_component(book: InputBook) -> None:
    inputs = book.arrays()
    outcome = run(inputs)
    cells = fuel_cells(inputs, outcome)
    assert sum(cells.values()) == pytest.approx(outcome.view("direct_building")[:, 0])


def test_a_constant_factor_is_found_again(book: InputBook) -> None:
    found = fitted(book, factor=0.5)
    ours = read_inputs(invented(), PLACE, parameters=found.parameters).arrays()
    before, after = (fuel_cells(inputs, run(inputs)) for inputs in (book.arrays(), ours))
    for cell, one in before.items():
        # after 2017 the factor holds, while the invented one goes on
        assert after[cell][:18] == pytest.approx(0.5 * one[:18], rel=1e-3)
    whole = found.gaps[0]
    assert (whole.series, whole.first_year, whole.last_year) == ("direct_building", 2000, 2017)
    # the model is twice the observed: it exceeds it by all of it, every year
    assert (whole.net_before, whole.absolute_before) == pytest.approx((1.0, 1.0), abs=1e-3)
    assert whole.absolute_after < 1e-3
    assert max(map(abs, found.residuals.values())) < 1e-3


def test_the_calibrated_model_ends_at_the_last_observed_total(book: InputBook) -> None:
    seen = history(book, 2.5, 0.04, wiggle=0.1)
    found = calibrate_fuels(book, seen, checked_on=DAY)
    outcome = run(read_inputs(invented(), PLACE, parameters=found.parameters).arrays())
    direct = outcome.view("direct_building")[:, 0]
    assert direct[17] == pytest.approx(seen.total[-1], rel=1e-3)
    plain = run(book.arrays()).view("direct_building")[:, 0]
    # no jump: after the last year the factor holds, so growth is the model's
    assert direct[18] / direct[17] == pytest.approx(plain[18] / plain[17], rel=0.02)


def test_a_course_of_history_is_followed_and_the_single_factor_is_not_enough(book: InputBook) -> None:
    whole = fitted(book, factor=1.0, growth=0.05).gaps[0]
    # falling from exp(-0.05·17) = 0.43 to 1: one factor of the last level overstates history, the path does not
    assert whole.absolute_level > 0.2
    assert whole.absolute_after < 0.01


def test_the_scatter_is_that_of_all_places_together(book: InputBook) -> None:
    seen = history(book, 1.0)
    panel = [np.array([0.1, -0.1, 0.1, -0.1])] * 5
    found = calibrate_fuels(book, seen, checked_on=DAY, panel=panel)
    assert found.scatter == pytest.approx(0.1 / 1.28155 / np.sqrt(1 - 0.97**2), rel=1e-3)
    lonely = calibrate_fuels(book, seen, checked_on=DAY, panel=panel[:4])
    assert lonely.scatter == pytest.approx(residual_scale(0.129), rel=1e-3)
    assert "23省" in lonely.borrowed[0]


def test_steps_are_changes_of_observed_over_modelled(book: InputBook) -> None:
    seen = history(book, 2.0, 0.03)
    inputs = book.arrays()
    modelled = run(inputs).view("direct_building")[:, 0]
    assert yearly_steps(seen, modelled, 2000) == pytest.approx(np.full(17, 0.03))


def test_the_step_hardly_minds_one_revision() -> None:
    calm = [0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1, -0.1, 0.1]
    assert step_size([*calm, 1.5]) == pytest.approx(step_size([*calm, 0.1]))
    assert np.isnan(step_size([0.1, 0.1]))
    assert np.isnan(step_size([0.1, np.nan, np.nan, np.nan, np.nan]))


def test_a_factor_far_from_one_is_named(book: InputBook) -> None:
    found = fitted(book, factor=5.0)
    assert {one.name for one in found.findings} == {"pathways.calibration.far-from-one"}
    assert not fitted(book, factor=1.2).findings


@pytest.mark.parametrize("last", [2003, 1999])
def test_too_short_a_history_is_refused(book: InputBook, last: int) -> None:
    with pytest.raises(NotEnoughDataError, match="years of observed"):
        calibrate_fuels(book, history(book, 1.0).until(last), checked_on=DAY)


def test_area_is_scaled_to_an_observed_one_and_its_course_stays(book: InputBook) -> None:
    plain = run(book.arrays())
    row = plain.axes.index("building_class", "urban_residential")
    before = plain.area[row, :, 0]
    parameter, ratio = calibrate_area(book, "urban_residential", 2016, before[16] * 1.1, source="K", checked_on=DAY)
    assert ratio == pytest.approx(1 / 1.1)
    after = run(read_inputs(invented(), PLACE, parameters=[parameter]).arrays()).area[row, :, 0]
    assert after[16] == pytest.approx(before[16] * 1.1, rel=1e-4)
    assert after[30] / after[16] == pytest.approx(before[30] / before[16], rel=1e-3)
    assert parameter.calibrated
    assert parameter.place == PLACE


def test_the_residual_begins_after_the_last_observed_year_of_its_component(book: InputBook) -> None:
    found = fitted(book, factor=1.0)
    ours = read_inputs(invented(), PLACE, parameters=found.parameters)
    drawn, plain = (
        ensemble(ours, None, draws=64, seed=2, residual=flag, keep=("direct_building", "materials"))
        for flag in (True, False)
    )
    direct = drawn.series["direct_building"] / plain.series["direct_building"]
    assert (direct[:18] == 1).all()
    step = np.log(direct[18]).std()
    assert step == pytest.approx(0.129, rel=0.35)
    assert np.log(direct[28]).std() > 1.5 * step
    others = drawn.series["materials"] / plain.series["materials"]
    assert (others[:21] == 1).all()
    assert (others[21] != 1).any()


def test_last_observed_year() -> None:
    scatter = [[[0.0], [0.0], [0.3]], [[0.1], [0.1], [0.1]], [[0.0], [0.0], [0.0]]]
    assert last_observed(scatter, [2016, 2017, 2018], 2018).tolist() == [2017, 2018, 2018]
    # zero after the base year is no history
    assert last_observed([[[0.2], [0.2], [0.0]]], [2019, 2020, 2021], 2020).tolist() == [2020]
