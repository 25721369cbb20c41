"""Calibration from an inventory to a catalog file and back; the commands around it."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from command_line import answer, run
from dafeng.base.errors import NotEnoughDataError
from dafeng.catalog import check_folders, load_catalog
from dafeng.lake import Workspace
from dafeng.pathways.model import run as run_model
from dafeng.pathways.quantities import read_inputs
from dafeng.workflow.path_calibration import (
    calibrate_place,
    calibration_yaml,
    fuel_histories,
    plain_book,
    write_calibration,
)
from dafeng.workflow.setting import Setting, open_setting

DAY = date(2026, 11, 20)
CATALOG = load_catalog()


def inventory(place: str = "jilin", last: int = 2017, missing: int | None = None) -> pl.DataFrame:
    """An invented inventory: coal of trade and urban dwellings, gas and kerosene; petrol; a sector outside; its total."""
    rows = [
        (place, "co2_scope1", sector, fuel, str(year), value * (1 + 0.02 * (year - 2000)))
        for year in range(2000, last + 1)
        if year != missing
        for sector, fuel, value in (
            ("sector_trade", "raw_coal", 3e6),
            ("sector_urban_households", "briquettes", 2e6),
            ("sector_urban_households", "coke_oven_gas", 1e6),
            ("sector_other_services", "kerosene", 1e5),
            ("sector_rural_households", "lpg", 2e5),
            ("sector_rural_households", "gasoline", 9e6),
            ("sector_construction", "diesel", 9e6),
            ("sector_trade", "all", 9e6),
        )
    ]
    return pl.DataFrame(rows, schema=["place", "indicator", "end_use", "carrier", "period", "value"], orient="row")


def test_sectors_and_fuels_become_cells_without_vehicle_fuels() -> None:
    (found,) = fuel_histories(CATALOG, inventory()).values()
    assert {cell: float(values[0]) for cell, values in found.emissions.items()} == {
        ("public", "coal"): 3e6,
        ("public", "oil"): 1e5,
        ("rural_residential", "lpg"): 2e5,
        ("urban_residential", "coal"): 2e6,
        ("urban_residential", "natural_gas"): 1e6,
    }
    assert found.total[0] == 6.3e6
    assert found.until(2005).years.tolist() == list(range(2000, 2006))


def test_a_year_without_cells_is_a_gap_not_a_zero() -> None:
    (found,) = fuel_histories(CATALOG, inventory(missing=2008)).values()
    assert np.isnan(found.total[8])
    done = calibrate_place(CATALOG, "jilin", {"jilin": found}, checked_on=DAY, activity=False)
    assert 2008 not in done.factors.residuals
    assert len(done.factors.residuals) == 17


def test_what_is_written_is_read_again_and_meets_the_last_year(tmp_path: Path) -> None:
    workspace = Workspace.create(tmp_path / "w", title="试", place="jilin")
    histories = fuel_histories(CATALOG, inventory())
    done = calibrate_place(CATALOG, "jilin", histories, checked_on=DAY)
    path = write_calibration(Setting(CATALOG, workspace), done)
    assert not check_folders([workspace.catalog_folder])[1]
    catalog = open_setting(workspace).catalog
    assert catalog.path_parameters["jilin-calibration-public-coal"].calibrated
    direct = run_model(read_inputs(catalog, "jilin").arrays()).view("direct_building")[:, 0]
    assert direct[17] == pytest.approx(6.3e6 * 1.34, rel=1e-3)
    # a second calibration starts from factors of one again and writes the same
    again = calibrate_place(catalog, "jilin", histories, checked_on=DAY, activity=False)
    assert calibration_yaml(again.factors.parameters, title="x") == calibration_yaml(done.factors.parameters, title="x")
    assert path.name == "parameters_calibrated_jilin.yaml"


def test_the_plain_book_has_factors_of_one() -> None:
    assert (plain_book(CATALOG, "jilin").arrays().late("calibration_carrier") == 1).all()
    assert (read_inputs(CATALOG, "jilin").arrays().late("calibration_carrier") != 1).any()


def test_history_may_be_cut_and_a_place_without_any_is_refused() -> None:
    histories = fuel_histories(CATALOG, inventory())
    done = calibrate_place(CATALOG, "changchun", histories, checked_on=DAY, until=2012, activity=False)
    assert done.factors.last_year == 2012
    assert "借自吉林省" in done.factors.borrowed[0]
    with pytest.raises(NotEnoughDataError, match="no inventory"):
        calibrate_place(CATALOG, "qingdao", histories, checked_on=DAY)


def test_areas_are_compared_with_what_is_published_and_scaled_only_where_off() -> None:
    histories = fuel_histories(CATALOG, inventory("shandong"))
    strict, loose = (
        calibrate_place(CATALOG, "shandong", histories, checked_on=DAY, tolerance=tolerance)
        for tolerance in (1e-6, 0.5)
    )
    assert [one.scaled for one in strict.activity][:3] == [True] * 3
    assert not any(one.scaled for one in loose.activity)
    outcome = run_model(read_inputs(CATALOG, "shandong", parameters=strict.parameters).arrays())
    row = outcome.axes.index("building_class", "urban_residential")
    assert outcome.area[row, 16, 0] == pytest.approx(20.9802e8, rel=1e-4)
    assert loose.factors.parameters == loose.parameters


def test_the_back_cast_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    data = answer(capsys, "path", "backcast")
    assert set(data["backcasts"]) == {"known-drivers", "projected-drivers", "shipped-parameters"}
    assert {row["publisher"] for row in data["without_fitting"]} == {"BERC", "CABEE", "IEA"}
    assert run("path", "backcast", "--cut", "1999") == 2


def test_the_command_calibrates_and_writes(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Workspace.create(tmp_path / "w", title="试", place="jilin")
    file = shared / "data/china_ceads_co2/province_sector_fuel_1997_2019.parquet"
    where = ["--workspace", str(workspace.root)]
    data = answer(capsys, "path", "calibrate", "jilin", "--file", str(file), "--write", *where)
    assert data["last_year"] == 2017
    assert data["written"]
    assert run("path", "calibrate", "jilin", *where) != 0
    assert "no inventory" in capsys.readouterr().err
