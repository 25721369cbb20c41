"""The faults that the notes on the reference tables name are found by general checks, and little else is."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.catalog import load_catalog
from dafeng.intake import import_table
from dafeng.statistics import Checked, check_data

CATALOG = load_catalog()
NOW = datetime(2026, 11, 20, tzinfo=UTC)
PANEL = "china_mohurd_city/city_panel_2003_2024.csv"
PROVINCES = "china_ceads_co2/province_sector_fuel_1997_2019.parquet"
POPULATION = "china_population/province_population_2000_2019.csv"
SERIOUS = pl.col("severity") != "info"


def checked(path: Path, provinces: set[str] | None = None) -> tuple[Checked, pl.DataFrame]:
    """Check a table as it stands: what the adapter sets aside by hand is read, too."""
    read = import_table(path, CATALOG, recorded_at=NOW, quarantine=False)
    frame = read.observations
    if provinces is not None:
        inside = {place: CATALOG.places.get(place).parent in provinces for place in frame["place"].unique()}
        frame = frame.filter(pl.col("place").replace_strict(inside))
    return check_data(frame, CATALOG, lineage=read.lineage), frame


@pytest.fixture(scope="module")
def panel(shared: Path) -> tuple[Checked, pl.DataFrame]:
    return checked(shared / "data" / PANEL)


def shifts(found: Checked) -> list[tuple[object, object, object]]:
    return [
        (one.evidence["period"], one.evidence["offset"], one.evidence["whole"])
        for one in found.findings
        if one.name == "data.shifted-rows"
    ]


def share_of_city_years(found: Checked, frame: pl.DataFrame) -> float:
    inside = pl.col("period").is_between(pl.lit("2014"), pl.lit("2021"))
    of = pl.struct("place", "period").n_unique()
    return float(found.cells.filter(SERIOUS & inside).select(of).item() / frame.filter(inside).select(of).item())


def test_the_table_of_2023_is_shifted_by_one_row_and_no_other_year_is(panel: tuple[Checked, pl.DataFrame]) -> None:
    found, frame = panel
    assert shifts(found) == [("2023", 1, True)]
    first = found.findings[0]
    assert first.evidence["quarantine"] is True
    assert first.where.file == "city_panel_2003_2024.csv"
    assert int(first.evidence["fitting_rows"] or 0) > 40
    kept = found.quarantined
    assert set(kept["period"]) == {"2023"}
    assert kept.height == frame.filter(pl.col("period") == "2023").height


def test_few_city_years_are_blamed(panel: tuple[Checked, pl.DataFrame]) -> None:
    assert share_of_city_years(*panel) <= 0.03


def test_few_are_blamed_however_one_counts(panel: tuple[Checked, pl.DataFrame]) -> None:
    found, frame = panel
    inside = pl.col("period").is_between(pl.lit("2014"), pl.lit("2021"))
    place_years = pl.struct("place", "period").n_unique()
    of = frame.filter(inside).select(place_years).item()
    assert found.cells.filter(inside).select(place_years).item() / of <= 0.03
    assert found.cells.filter(inside & SERIOUS).height / of <= 0.03
    assert set(found.cells.filter(pl.col("severity") == "error")["period"]) == {"2023"}


@pytest.mark.parametrize("half", [0, 1])
def test_half_of_the_provinces_tells_the_same(half: int, shared: Path) -> None:
    """Thresholds were set on the whole; each half must do with them alone."""
    provinces = sorted(place.id for place in CATALOG.places.children("cn"))[half::2]
    found, frame = checked(shared / "data" / PANEL, set(provinces))
    assert shifts(found) == [("2023", 1, True)]
    assert share_of_city_years(found, frame) <= 0.03


def test_the_declared_quarantine_still_holds_at_import(shared: Path) -> None:
    read = import_table(shared / "data" / PANEL, CATALOG, recorded_at=NOW)
    assert read.observations.filter(pl.col("period") == "2023").is_empty()


def test_the_typing_error_in_the_population(shared: Path) -> None:
    found, _ = checked(shared / "data" / POPULATION)
    assert found.cells.filter(SERIOUS).select("check", "place", "period", "value").rows() == [
        ("spike", "heilongjiang", "2013", 35_350_000.0)
    ]
    assert (found.findings[0].where.file, found.findings[0].where.cell) == ("province_population_2000_2019.csv", "C426")


@pytest.fixture(scope="module")
def inventories(shared: Path) -> tuple[Checked, pl.DataFrame]:
    return checked(shared / "data" / PROVINCES)


def test_construction_coal_of_one_year(inventories: tuple[Checked, pl.DataFrame]) -> None:
    found, _ = inventories
    coal = (pl.col("end_use") == "sector_construction") & (pl.col("place") == "jilin") & (pl.col("period") == "2003")
    cells = found.cells.filter(coal & (pl.col("check") == "spike"))
    assert set(cells["carrier"]) == {"raw_coal", "all"}
    low, high = cells.filter(pl.col("carrier") == "raw_coal").select("expected_low", "expected_high").row(0)
    assert 0.70e6 < low < high < 0.81e6
    named = [
        one for one in found.findings if (one.evidence.get("place"), one.evidence.get("period")) == ("jilin", "2003")
    ]
    assert any(one.name == "data.spike" and one.where.cell for one in named)


def test_every_jump_of_a_sector_by_eight_times_to_above_ten_million_tonnes(
    inventories: tuple[Checked, pl.DataFrame],
) -> None:
    """The list is worked out here from the table alone, by a join of each year with the one before."""
    found, frame = inventories
    sectors = frame.filter((pl.col("carrier") == "all") & (pl.col("end_use") != "all")).with_columns(
        year=pl.col("period").cast(pl.Int64)
    )
    before = sectors.select("place", "end_use", pl.col("year") + 1, was="value")
    jumps = sectors.join(before, on=["place", "end_use", "year"]).filter(
        (pl.col("value") > 1e7) & (pl.col("value") > 8 * pl.col("was"))
    )
    assert jumps.height == 10
    key = ["place", "period", "end_use"]
    missed = jumps.join(found.cells.filter(SERIOUS & (pl.col("carrier") == "all")), on=key, how="anti")
    assert missed.select(key).rows() == []


def test_sums_that_hold_are_not_blamed(inventories: tuple[Checked, pl.DataFrame]) -> None:
    """What total and parts bear out may be asked about and is no error."""
    found, _ = inventories
    assert found.cells.filter(pl.col("severity") == "error").is_empty()


def test_a_sector_that_its_fuels_do_not_bear_out(inventories: tuple[Checked, pl.DataFrame]) -> None:
    """The table leaves out cells of nothing; that does not excuse a total that is 2 % too high."""
    _, frame = inventories
    own = (pl.col("place") == "shandong") & (pl.col("period") == "2012") & (pl.col("end_use") == "sector_construction")
    raised = frame.with_columns(
        value=pl.when(own & (pl.col("carrier") == "all")).then(pl.col("value") * 1.02).otherwise("value")
    )
    sums = [check for check in CATALOG.checks.values() if check.id == "parts-and-total"]
    cells = check_data(raised, CATALOG, checks=sums).cells
    assert ("sector_construction", "all") in set(cells.select("end_use", "carrier").rows())
    assert set(cells.select("place", "period").rows()) == {("shandong", "2012")}
