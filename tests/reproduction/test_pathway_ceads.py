"""Provinces calibrated on the CEADs inventories without vehicle fuels, and intervals from earlier years against later ones."""

from datetime import date
from pathlib import Path

import pytest

from dafeng.catalog import Catalog, load_catalog
from dafeng.pathways.calibration import FuelHistory
from dafeng.pathways.model import run
from dafeng.pathways.quantities import read_inputs
from dafeng.pathways.validation import Coverage, rolling_origins
from dafeng.workflow.path_calibration import calibrate_place, fuel_histories, inventory_file, plain_book
from intake_builders import RECORDED_AT

LEVELS = {"jilin": (2017, 11.9), "shandong": (2017, 26.6), "beijing": (2019, 11.3), "guizhou": (2019, 32.8)}
"""Last observed direct emissions of the four sectors without vehicle fuels, Mt CO2 (docs/explanation/ceads-building-sectors.md)."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def histories(shared: Path, catalog: Catalog) -> dict[str, FuelHistory]:
    path = shared / "data/china_ceads_co2/province_sector_fuel_1997_2019.parquet"
    return fuel_histories(catalog, inventory_file(catalog, path, recorded_at=RECORDED_AT))


@pytest.fixture(scope="module")
def coverage(catalog: Catalog, histories: dict[str, FuelHistory]) -> dict[tuple[int, int], Coverage]:
    books = {place: plain_book(catalog, place) for place in histories}
    return {(row.origin, row.ahead): row for row in rolling_origins(books, histories, quantities=catalog)}


@pytest.mark.parametrize("place", sorted(LEVELS))
def test_the_shipped_calibration_ends_at_the_last_observed_level(catalog: Catalog, place: str) -> None:
    year, level = LEVELS[place]
    direct = run(read_inputs(catalog, place).arrays()).view("direct_building")[:, 0] / 1e6
    assert direct[year - 2000] == pytest.approx(level, rel=0.02)
    # no jump after it
    assert direct[year - 1999] / direct[year - 2000] == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("place", ["jilin", "shandong"])
def test_the_residual_begins_the_year_after(catalog: Catalog, place: str) -> None:
    scatter = catalog.path_parameters[f"{place}-residual-direct-building"]
    assert [(point.year, point.value > 0) for point in scatter.points] == [(2017, False), (2018, True)]
    assert catalog.path_parameters[f"{place}-residual-memory-direct-building"].points[0].value == 0.97


def test_no_row_of_the_inventory_is_shipped(catalog: Catalog) -> None:
    fitted = [one for one in catalog.path_parameters.values() if one.calibrated]
    assert {one.quantity for one in fitted} == {"calibration_carrier", "residual_scatter", "residual_memory"}
    assert max(len(one.points) for one in fitted) <= 5


def test_history_is_that_of_the_boundary_without_vehicle_fuels(histories: dict[str, FuelHistory]) -> None:
    assert len(histories) == 23
    for place, (year, level) in LEVELS.items():
        whole = histories[place]
        assert int(whole.years[-1]) == year
        assert whole.total[-1] / 1e6 == pytest.approx(level, abs=0.05)
    shandong = dict(zip(histories["shandong"].years.tolist(), histories["shandong"].total / 1e6, strict=True))
    assert [shandong[year] for year in (2005, 2007, 2012, 2015)] == pytest.approx([19.2, 19.5, 41.3, 28.0], abs=0.05)


@pytest.mark.parametrize("place", ["jilin", "shandong", "tianjin"])
def test_the_shipped_calibration_is_what_the_command_gives(
    catalog: Catalog, histories: dict[str, FuelHistory], place: str
) -> None:
    done = calibrate_place(catalog, place, {place: histories[place]}, checked_on=date(2026, 11, 20), activity=False)
    for one in done.parameters:
        if one.quantity == "calibration_carrier":
            shipped = catalog.path_parameters[one.id]
            assert [point.year for point in shipped.points] == [point.year for point in one.points]
            assert [point.value for point in shipped.points] == pytest.approx(
                [point.value for point in one.points], rel=0.03
            ), one.id
    whole = done.factors.gaps[0]
    assert whole.absolute_after < min(0.15, whole.absolute_before)


def test_a_city_borrows_from_its_province_and_says_so(catalog: Catalog, histories: dict[str, FuelHistory]) -> None:
    done = calibrate_place(
        catalog, "qingdao", {"shandong": histories["shandong"]}, checked_on=date(2026, 11, 20), activity=False
    )
    assert done.factors.place == "shandong"
    assert "借自山东省" in done.factors.borrowed[0]


def test_the_intervals_hold_nine_in_ten(coverage: dict[tuple[int, int], Coverage]) -> None:
    whole = coverage[0, 0]
    assert whole.cases > 300
    assert 0.87 <= whole.covered <= 0.95
    for origin in (2010, 2013, 2016):
        assert 0.84 <= coverage[origin, 0].covered <= 0.98


def test_the_intervals_are_not_absurdly_wide(coverage: dict[tuple[int, int], Coverage]) -> None:
    widths = [coverage[0, ahead].half_width for ahead in range(1, 7)]
    assert widths == sorted(widths)
    assert widths[0] < 0.32
    assert widths[5] < 0.85
    assert abs(coverage[0, 0].bias) < 0.06
