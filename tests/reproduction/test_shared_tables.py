"""The tables of the reference material through their adapters: what is taken, what is refused and why."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.observation import check_observations
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import Imported, import_table
from intake_builders import RECORDED_AT

TABLES = {
    # path: (adapter, value cells, refused)
    "china_mohurd_city/city_panel_2003_2024.csv": ("mohurd-city-panel", 4129 * 9, 1701 + 13),
    "china_mohurd_city/city_2024_road_density.csv": ("mohurd-2024-road-density", 39 * 5, 0),
    "china_mohurd_city/province_2024_heating_gas.csv": ("mohurd-2024-heating-gas", 32 * 3, 0),
    "china_population/province_population_2000_2019.csv": ("province-population", 640, 1),
    "china_ceads_co2/city_total_1997_2019.csv": ("ceads-city", 2715, 0),
    "china_ceads_co2/province_sector_fuel_1997_2019.parquet": ("ceads-province", 181_677, 4),
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def imported(shared: Path, catalog: Catalog) -> dict[str, Imported]:
    return {name: import_table(shared / "data" / name, catalog, recorded_at=RECORDED_AT) for name in TABLES}


@pytest.mark.parametrize("name", TABLES)
def test_a_shared_table_is_known_and_every_cell_has_a_fate(name: str, imported: dict[str, Imported]) -> None:
    result = imported[name]
    adapter, cells, refused = TABLES[name]
    assert result.adapters == {"": adapter}
    assert (result.counts["value_cells"], result.counts["refused"]) == (cells, refused)
    assert result.observations.height == cells - refused
    assert check_observations(result.observations) == []
    refusing = Counter(finding.name for finding in result.findings if finding.severity == "error")
    assert set(refusing) <= {"intake.quarantine", "intake.share.fraction-among-percent"}


def test_fractions_among_the_percentages_of_the_city_panel_are_refused_by_cell(imported: dict[str, Imported]) -> None:
    """Lhasa's green space is given as 0.2604 beside 24.53 of the year after; small cities without a plant are only pointed at."""
    findings = imported["china_mohurd_city/city_panel_2003_2024.csv"].findings
    refused = {finding.where.cell for finding in findings if finding.name == "intake.share.fraction-among-percent"}
    assert {f"{column}{row}" for column in "LM" for row in (3702, 3703, 3704)} <= refused
    assert len(refused) == 13
    assert sum(finding.name == "intake.share.small-among-percent" for finding in findings) == 11


def test_no_value_of_2023_of_the_city_panel_is_taken(imported: dict[str, Imported]) -> None:
    panel = imported["china_mohurd_city/city_panel_2003_2024.csv"]
    assert panel.observations.filter(pl.col("period") == "2023").is_empty()
    assert panel.observations["period"].n_unique() == 21
    quarantined = [finding for finding in panel.findings if finding.name == "intake.quarantine"]
    assert "济南" in quarantined[0].sentence


def test_the_quarantined_year_of_qingdao_lies_on_the_path_of_jinan(shared: Path) -> None:
    """The evidence that the adapter gives, looked at in the file itself."""
    panel = pl.read_csv(shared / "data" / "china_mohurd_city/city_panel_2003_2024.csv")
    columns = [
        "park_green_m2_per_capita",
        "road_area_m2_per_capita",
        "built_area_green_cover_pct",
        "built_area_green_space_pct",
    ]

    def value(city: str, year: int, column: str) -> float:
        return float(panel.filter((pl.col("city") == city) & (pl.col("year") == year))[column][0])

    wrong = {column: value("青岛", 2023, column) for column in columns}
    own, other = (
        sum(
            abs(wrong[column] / ((value(city, 2022, column) + value(city, 2024, column)) / 2) - 1) for column in columns
        )
        for city in ("青岛", "济南")
    )
    assert other < own
    assert (
        value("吉林", 2023, "built_area_green_space_pct") < 19 < 38 < value("吉林", 2022, "built_area_green_space_pct")
    )


def test_green_cover_and_park_green_agree_between_the_two_tables_of_2024(imported: dict[str, Imported]) -> None:
    panel = imported["china_mohurd_city/city_panel_2003_2024.csv"].observations
    cities = imported["china_mohurd_city/city_2024_road_density.csv"].observations
    for indicator in ("green_cover_rate", "park_green_per_person"):
        both = cities.filter(pl.col("indicator") == indicator).join(
            panel, on=["indicator", "place", "extent", "period"]
        )
        assert both.height == 21  # cities of the provinces that are not held out
        assert (both["value"] - both["value_right"]).abs().max() == pytest.approx(0, abs=1e-9)


def test_pinned_values_of_plans_places(imported: dict[str, Imported]) -> None:
    cities = imported["china_mohurd_city/city_2024_road_density.csv"].observations
    rail = cities.filter((pl.col("indicator") == "urban_rail_length") & (pl.col("place") == "qingdao"))
    assert rail.select("value", "extent", "period", "dataset").row(0) == (
        352.68,
        "whole",
        "2024",
        "mohurd-yearbook-2024",
    )
    density = dict(cities.filter(pl.col("indicator") == "road_network_density").select("place", "value").iter_rows())
    assert {city: round(density[city], 2) for city in ("qingdao", "jinan", "changchun")} == {
        "qingdao": 8.28, "jinan": 8.38, "changchun": 5.88,
    }  # fmt: skip
    assert density["beijing"] is None
    population = imported["china_population/province_population_2000_2019.csv"].observations
    jilin = population.filter((pl.col("place") == "jilin") & (pl.col("period") == "2019"))
    assert jilin["value"][0] == 26_910_000


def test_heating_and_gas_add_up_to_the_national_rows(imported: dict[str, Imported]) -> None:
    heating = imported["china_mohurd_city/province_2024_heating_gas.csv"].observations
    sums = dict(heating.group_by("indicator").agg(pl.col("value").sum()).iter_rows())
    assert sums["central_heating_area"] == pytest.approx(1_209_414.51e4)
    assert sums["natural_gas_supply"] == pytest.approx(18_637_507.36e4)
    assert heating["place"].n_unique() == 32


def test_sectors_and_fuels_add_up_to_the_inventory_total(imported: dict[str, Imported]) -> None:
    inventory = imported["china_ceads_co2/province_sector_fuel_1997_2019.parquet"].observations
    by = ["place", "period"]
    total = inventory.filter((pl.col("end_use") == "all") & (pl.col("carrier") == "all")).select(*by, "value")
    parts = (
        inventory.filter((pl.col("end_use") != "all") & (pl.col("carrier") != "all"))
        .group_by(by)
        .agg(pl.col("value").sum())
    )
    both = total.join(parts, on=by)
    assert both.height == 23 * 23 - 4 - 1  # Jilin and Shandong end in 2017; the total of Jilin 2003 is quarantined
    assert ((both["value"] - both["value_right"]) / both["value"]).abs().max() < 1e-5
    assert inventory["end_use"].n_unique() == 48
    assert inventory["carrier"].n_unique() == 19


def test_jilins_four_building_sectors_have_the_known_course(imported: dict[str, Imported]) -> None:
    inventory = imported["china_ceads_co2/province_sector_fuel_1997_2019.parquet"].observations
    sectors = ["sector_trade", "sector_other_services", "sector_urban_households", "sector_rural_households"]
    course = dict(
        inventory.filter((pl.col("place") == "jilin") & pl.col("end_use").is_in(sectors) & (pl.col("carrier") == "all"))
        .group_by("period")
        .agg(pl.col("value").sum() / 1e6)
        .iter_rows()
    )
    assert {year: round(course[year], 1) for year in ("2007", "2015", "2017")} == {
        "2007": 18.2,
        "2015": 17.1,
        "2017": 15.1,
    }
    assert "2018" not in course
