"""Building sectors of the CEADs provinces with and without vehicle fuels: breaks, peak years, verdicts.

The figures stand in docs/explanation/ceads-building-sectors.md, whose tables are compared here row by row.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.tables import peak_critical_values
from dafeng.intake import import_table
from dafeng.methods.breaks import (
    Break,
    find_breaks,
    find_reshuffles,
    find_wrong_cells,
    shared_breaks,
)
from dafeng.methods.peak import REASON_NAMES, PeakVerdict, peak_verdict
from intake_builders import RECORDED_AT

CARRIED = ("sector_trade", "sector_other_services", "sector_urban_households", "sector_rural_households")
SECTORS = ("sector_construction", *CARRIED)
VEHICLE_FUELS = ("gasoline", "diesel")
PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/ceads-building-sectors.md"
TABLE = peak_critical_values()


@dataclass(frozen=True)
class Course:
    """One series of one province, Mt CO2."""

    years: list[int]
    values: list[float]

    @property
    def breaks(self) -> tuple[Break, ...]:
        return find_breaks(self.years, self.values, table=TABLE)

    @property
    def verdict(self) -> PeakVerdict:
        return peak_verdict(self.years, self.values, table=TABLE)

    @property
    def verdict_since_break(self) -> PeakVerdict:
        return peak_verdict(self.years, self.values, table=TABLE, breaks=self.breaks)


class Sectors:
    """Emissions of the building sectors by place, sector and fuel."""

    def __init__(self, inventory: pl.DataFrame, catalog: Catalog) -> None:
        cells = inventory.filter(pl.col("end_use").is_in(SECTORS) & (pl.col("carrier") != "all"))
        self.cells = cells.select(
            "place", "end_use", "carrier", year=pl.col("period").cast(pl.Int64), value=pl.col("value") / 1e6
        )
        self.names = {place: catalog.places.get(place).name for place in self.cells["place"].unique()}

    def of(self, place: str, sectors: tuple[str, ...]) -> pl.DataFrame:
        """Cells of a place; a year of which a cell is quarantined is a gap, not a smaller sum."""
        cells = self.cells.filter((pl.col("place") == place) & pl.col("end_use").is_in(sectors))
        if place == "jilin" and "sector_construction" in sectors:
            cells = cells.filter(pl.col("year") != 2003)
        return cells

    def course(self, place: str, sectors: tuple[str, ...], *, vehicle_fuels: bool) -> Course:
        cells = self.of(place, sectors)
        if not vehicle_fuels:
            cells = cells.filter(~(pl.col("carrier").is_in(VEHICLE_FUELS) & pl.col("end_use").is_in(CARRIED)))
        sums = cells.group_by("year").agg(pl.col("value").sum()).sort("year")
        return Course(sums["year"].to_list(), sums["value"].to_list())

    def parts(self, place: str, sectors: tuple[str, ...]) -> tuple[list[int], np.ndarray, list[str]]:
        wide = (
            self.of(place, sectors)
            .with_columns(part=pl.col("end_use") + "/" + pl.col("carrier"))
            .pivot(on="part", index="year", values="value")
            .sort("year")
            .fill_null(0.0)
        )
        names = sorted(column for column in wide.columns if column != "year")
        return wide["year"].to_list(), wide.select(names).to_numpy(), names


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def sectors(shared: Path, catalog: Catalog) -> Sectors:
    path = shared / "data/china_ceads_co2/province_sector_fuel_1997_2019.parquet"
    return Sectors(import_table(path, catalog, recorded_at=RECORDED_AT).observations, catalog)


def page_rows(marker: str) -> dict[str, list[str]]:
    """Rows of the table after a marker of the page, by their first cell."""
    lines = PAGE.read_text(encoding="utf-8").split(f"<!-- {marker} -->")[1].strip().split("\n\n")[0].splitlines()
    return {
        cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:])
    }


def shown(verdict: PeakVerdict) -> str:
    return f"{verdict.name}（{REASON_NAMES[verdict.reason]}）"


def breaks_shown(course: Course) -> str:
    return "、".join(f"{one.year}{'*' if one.kind == 'wrong_value' else ''}" for one in course.breaks) or "—"


def row(sectors: Sectors, place: str, group: tuple[str, ...]) -> list[str]:
    """One row of the page: last year, share, peak years, breaks, verdicts."""
    whole, net = (sectors.course(place, group, vehicle_fuels=flag) for flag in (True, False))
    return [
        str(whole.years[-1]),
        f"{100 * (1 - net.values[-1] / whole.values[-1]):.0f}",
        str(whole.verdict.peak_year),
        str(net.verdict.peak_year),
        shown(whole.verdict),
        shown(net.verdict),
        breaks_shown(net),
        shown(net.verdict_since_break),
    ]


@pytest.mark.parametrize(("group", "changed", "median"), [(CARRIED, 15, 43), (SECTORS, 12, 38)], ids=["four", "five"])
def test_so_many_peak_years_change_without_vehicle_fuels(
    sectors: Sectors, group: tuple[str, ...], changed: int, median: int
) -> None:
    rows = [row(sectors, place, group) for place in sectors.names]
    assert len(rows) == 23
    assert sum(cells[2] != cells[3] for cells in rows) == changed
    exact = [
        1 - sectors.course(place, group, vehicle_fuels=False).values[-1] / sectors.course(place, group, vehicle_fuels=True).values[-1]
        for place in sectors.names
    ]  # fmt: skip
    assert round(100 * float(np.median(exact))) == median


@pytest.mark.parametrize(("marker", "group"), [("four", CARRIED), ("five", SECTORS)])
def test_the_page_shows_every_province_as_calculated(sectors: Sectors, marker: str, group: tuple[str, ...]) -> None:
    expected = {name: row(sectors, place, group) for place, name in sectors.names.items()}
    assert page_rows(marker) == expected


def test_almost_no_province_can_be_called_peaked(sectors: Sectors) -> None:
    verdicts = [sectors.course(place, CARRIED, vehicle_fuels=False).verdict for place in sectors.names]
    assert Counter(verdict.status for verdict in verdicts) == {"undetermined": 22, "peaked": 1}
    (fujian,) = (place for place, verdict in zip(sectors.names, verdicts, strict=True) if verdict.status == "peaked")
    assert fujian == "fujian"
    since = sectors.course("fujian", CARRIED, vehicle_fuels=False).verdict_since_break
    assert (since.status, since.ignored_before) == ("undetermined", 2013)


def test_the_source_breaks_in_2005_and_2008_in_more_provinces_than_chance_explains(sectors: Sectors) -> None:
    found = {
        place: [*sectors.course(place, CARRIED, vehicle_fuels=False).breaks, *find_reshuffles(*sectors.parts(place, CARRIED))]
        for place in sectors.names
    }  # fmt: skip
    common = shared_breaks(found)
    assert set(common) == {2005, 2008}
    text = PAGE.read_text(encoding="utf-8")
    for year, places in common.items():
        assert f"{year}年：{len(places)}省" in text


def test_parts_jump_together_in_the_years_that_the_page_names(sectors: Sectors) -> None:
    scores: dict[int, list[float]] = {}
    for place in sectors.names:
        for one in find_reshuffles(*sectors.parts(place, CARRIED), share=0.0):
            scores.setdefault(one.year, []).append(one.score)
    medians = {year: round(100 * float(np.median(found))) for year, found in scores.items()}
    assert [medians[year] for year in (2005, 2008, 2013, 2004, 1998)] == [33, 44, 29, 29, 28]
    assert 100 / np.median(list(medians.values())) == pytest.approx(8, abs=1)


def test_the_falls_that_are_not_clear_would_have_had_to_be_steep(sectors: Sectors) -> None:
    verdicts = [sectors.course(place, CARRIED, vehicle_fuels=False).verdict for place in sectors.names]
    needed = [verdict.detectable or 0.0 for verdict in verdicts if verdict.reason == "weak_fall"]
    assert (len(needed), round(100 * np.median(needed)), round(100 * min(needed))) == (9, 15, 9)


def test_the_breaks_of_shandong_and_jilin_are_findings_before_any_verdict(sectors: Sectors) -> None:
    shandong = sectors.course("shandong", CARRIED, vehicle_fuels=True)
    assert [one.year for one in shandong.breaks] == [2005, 2013]
    years, parts, names = sectors.parts("shandong", CARRIED)
    assert [one.year for one in find_reshuffles(years, parts, names)] == [2003, 2005, 2008, 2013]
    jilin = sectors.course("jilin", CARRIED, vehicle_fuels=True)
    assert [one.year for one in jilin.breaks] == [2005, 2008]
    # The rise of 2010 sits in one cell of the households' petrol, which goes with the vehicle fuels.
    petrol = dict(zip(years, parts[:, names.index("sector_urban_households/gasoline")], strict=True))
    assert (round(petrol[2009], 2), round(petrol[2010], 2)) == (1.49, 7.79)
    column = [value for year, value in petrol.items() if year >= 2005]
    assert 2010 in [one.year for one in find_breaks(range(2005, 2018), column, table=TABLE)]
    coal = parts[:, [names.index(f"sector_{name}/raw_coal") for name in ("trade", "other_services")]].sum(axis=1)
    by_year = dict(zip(years, coal, strict=True))
    assert [round(by_year[year], 1) for year in (2007, 2008, 2012, 2013)] == [2.6, 17.5, 17.2, 2.8]


def test_the_misprint_of_jilin_is_found_in_the_file_itself(shared: Path) -> None:
    """The adapter quarantines the cell; here it is found without knowing of it."""
    table = pl.read_parquet(shared / "data/china_ceads_co2/province_sector_fuel_1997_2019.parquet").filter(
        (pl.col("province") == "Jilin")
        & pl.col("sector").is_in(
            ["Construction", "Urban", "Rural", "Others", "Wholesale, Retail Trade and Catering Services"]
        )
        & (pl.col("fuel") != "Scope 1 Total")
    )
    wide = (
        table.with_columns(part=pl.col("sector") + "/" + pl.col("fuel"))
        .pivot(on="part", index="year", values="mt_co2")
        .sort("year")
        .fill_null(0.0)
    )
    names = [column for column in wide.columns if column != "year"]
    findings = find_wrong_cells(wide["year"].to_list(), wide.select(names).to_numpy(), names)
    assert ("Construction/Raw Coal：2003年为21.79，前后两年为0.7033和0.8056，疑为录入错误") in [
        finding.sentence for finding in findings
    ]


@pytest.mark.parametrize("place", ["jilin", "shandong"])
def test_the_words_and_figures_of_jilin_and_shandong_stand_on_the_page(sectors: Sectors, place: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for group in (CARRIED, SECTORS):
        for flag in (True, False):
            course = sectors.course(place, group, vehicle_fuels=flag)
            assert course.verdict.words in text
            figures = [
                f"{year}年{value:.1f}"
                for year, value in zip(course.years, course.values, strict=True)
                if year in (2005, 2007, 2012, 2015, 2017)
            ]
            assert "，".join(figures) in text
