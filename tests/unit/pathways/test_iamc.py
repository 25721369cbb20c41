"""The wide table: units by hand, round trip number for number, draws, foreign tables with faults."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from dafeng.catalog import load_catalog
from dafeng.pathways.ensemble import Ensemble
from dafeng.pathways.iamc import IAMC_COLUMNS, IAMC_UNITS, IAMC_VARIABLES, iamc_frame, iamc_wide, read_iamc
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.quantities import read_inputs


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(read_inputs(load_catalog(), "cn").arrays())


def cell(frame: pl.DataFrame, variable: str, year: int) -> float:
    return float(frame.filter(pl.col("Variable") == variable)[str(year)][0])


def test_units_are_converted(outcome: Outcome) -> None:
    frame = iamc_frame(outcome, scenario="trend", region="China")
    assert tuple(frame.columns[:6]) == (*IAMC_COLUMNS, "2000")
    assert frame.columns[-1] == "2060"
    assert frame["Variable"].n_unique() == len(IAMC_VARIABLES) == frame.height
    assert set(frame["Region"]) == {"China"}
    assert cell(frame, "Population", 2030) == outcome.population[30, 0] / 1e6
    assert cell(frame, "Emissions|CO2|Urban-Rural Construction", 2030) == outcome.view("whole_field")[30, 0] / 1e6
    # kWh × 3.6e6 J = EJ
    total = float(outcome.final[..., 30, 0].sum())
    assert cell(frame, "Final Energy|Residential and Commercial", 2030) == pytest.approx(total * 3.6e6 / 1e18)
    carriers = [name for name in frame["Variable"] if name.startswith("Final Energy|Residential and Commercial|")]
    assert sum(cell(frame, name, 2030) for name in carriers) == pytest.approx(
        cell(frame, "Final Energy|Residential and Commercial", 2030)
    )
    parts = ("Direct", "Indirect", "Embodied", "Municipal Operation")
    fuel = outcome.component("construction_fuel")[30, 0] / 1e6  # in both direct and embodied
    assert sum(cell(frame, f"Emissions|CO2|Urban-Rural Construction|{part}", 2030) for part in parts) - fuel == (
        pytest.approx(cell(frame, "Emissions|CO2|Urban-Rural Construction", 2030))
    )


def test_round_trip_is_exact(outcome: Outcome) -> None:
    frame = iamc_frame(outcome, scenario="trend")
    read = read_iamc(frame)
    assert read.findings == ()
    assert iamc_wide(read.rows).equals(frame)
    shuffled = frame.select([*frame.columns[::-1]]).rename({name: name.upper() for name in IAMC_COLUMNS})
    assert iamc_wide(read_iamc(shuffled).rows).equals(frame)
    as_text = frame.with_columns(pl.col(frame.columns[5:]).cast(pl.String))
    assert iamc_wide(read_iamc(as_text).rows).equals(frame)
    canonical = read.rows.filter(pl.col("Variable") == "Population", pl.col("year") == 2030)
    assert canonical["canonical_unit"][0] == "person"
    assert canonical["canonical_value"][0] == pytest.approx(outcome.population[30, 0])


def test_draws_give_median_and_percentiles() -> None:
    series = {"whole_field": np.tile(np.arange(0.0, 101.0) * 1e6, (2, 1))}
    ensemble = Ensemble(
        place="cn", scenario="trend", seed=1, design="sobol", base_year=2020, years=np.array([2029, 2030]),
        series=series, drawn={},
    )  # fmt: skip
    frame = iamc_frame(ensemble, scenario="trend")
    name = "Emissions|CO2|Urban-Rural Construction"
    assert frame["Variable"].to_list() == [name, f"{name}|5th Percentile", f"{name}|95th Percentile"]
    assert [cell(frame, one, 2030) for one in frame["Variable"]] == pytest.approx([50.0, 5.0, 95.0])
    assert read_iamc(frame).findings == ()


def foreign(**columns: list[object]) -> pl.DataFrame:
    table: dict[str, list[object]] = {
        "Model": ["GCAM"], "Scenario": ["NDC"], "Region": ["China"], "Variable": ["Population"], "Unit": ["million"],
        "2020": ["1411.8"],
    }  # fmt: skip
    return pl.DataFrame(table | columns, strict=False)


def test_faults_of_a_foreign_table_are_named() -> None:
    cases = {
        "no-column": foreign().drop("Unit"),
        "no-years": foreign().drop("2020"),
        "odd-column": foreign(Notes=["x"]),
        "not-a-number": foreign(**{"2030": ["viel"]}),
        "unknown-unit": foreign(Unit=["Mio."]),
        "unit": foreign(Unit=["EJ/yr"]),
        "other-variable": foreign(Variable=["Population|Rural"]),
        "twice": pl.concat([foreign(), foreign()]),
    }
    for name, frame in cases.items():
        read = read_iamc(frame)
        assert [finding.name for finding in read.findings] == [f"pathways.iamc.{name}"], name
        assert read.rows.columns[:5] == list(IAMC_COLUMNS)
    assert read_iamc(cases["twice"]).rows.height == 1
    assert read_iamc(cases["unknown-unit"]).rows["canonical_value"].to_list() == [None]
    gaps = read_iamc(foreign(**{"2030": [None], "2040": ["1,300.5"]}))
    assert gaps.findings == ()
    assert gaps.rows["value"].to_list() == [1411.8, 1300.5]


def test_units_have_one_canonical_unit_each() -> None:
    assert {item.unit for item in IAMC_VARIABLES} <= set(IAMC_UNITS)
    assert IAMC_UNITS["TWh/yr"][1] * 1e3 == pytest.approx(IAMC_UNITS["EJ/yr"][1] * 3.6)
