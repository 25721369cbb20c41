"""Answers that the reference material pins, computed from its files by import and assessment."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.assessment import Assessment, Status, TargetAssessment, assess_plan
from dafeng.base.target import Measure
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake import Imported, import_table

AS_OF = date(2026, 11, 20)
RECORDED = datetime(2026, 11, 20, tzinfo=UTC)
FILES = ("city_panel_2003_2024.csv", "city_2024_road_density.csv", "province_2024_heating_gas.csv")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def imported(shared: Path, catalog: Catalog) -> list[Imported]:
    folder = shared / "data" / "china_mohurd_city"
    return [import_table(folder / name, catalog, recorded_at=RECORDED) for name in FILES]


@pytest.fixture(scope="module")
def observations(imported: list[Imported]) -> pl.DataFrame:
    return pl.concat([table.observations for table in imported])


@pytest.fixture(scope="module")
def qingdao(catalog: Catalog, observations: pl.DataFrame) -> Assessment:
    return assess_plan(catalog.plan("qingdao-2024"), observations, catalog, as_of=AS_OF)


@pytest.fixture(scope="module")
def jilin(catalog: Catalog, observations: pl.DataFrame) -> Assessment:
    return assess_plan(catalog.plan("jilin-2023"), observations, catalog, as_of=AS_OF)


def row_of(assessment: Assessment, target: str) -> TargetAssessment:
    (row,) = assessment.of(target)
    return row


def test_every_file_is_read_by_its_adapter(imported: list[Imported]) -> None:
    assert all(table.adapters for table in imported)


def test_qingdao_reached_its_rail_length_of_2025_in_2024(qingdao: Assessment) -> None:
    row = row_of(qingdao, "rail-2025")
    verdict = row.verdicts[0]
    assert row.status is Status.MET_EARLY
    assert verdict.decided_by is not None
    assert (verdict.decided_by.period, verdict.decided_by.value, verdict.since) == ("2024", 352.68, 2024)
    assert verdict.gap is not None
    assert verdict.gap.value == pytest.approx(351.6 - 352.68)
    assert verdict.decided_by.lineage


def test_qingdao_has_had_the_green_space_of_2030_since_2022(qingdao: Assessment) -> None:
    row = row_of(qingdao, "green-space-2030")
    verdict = row.verdicts[0]
    assert row.status is Status.MET_EARLY
    assert verdict.decided_by is not None
    assert (verdict.decided_by.period, round(verdict.decided_by.value, 2), verdict.since) == ("2024", 40.08, 2022)


def test_the_shifted_year_2023_of_the_panel_is_refused(qingdao: Assessment, observations: pl.DataFrame) -> None:
    green = observations.filter(pl.col("indicator") == "green_space_rate", pl.col("period") == "2023")
    assert green["value"].drop_nulls().is_empty()
    assert "2023" not in {period for period, _ in row_of(qingdao, "green-space-2030").history}


def test_the_road_density_of_the_built_up_area_is_only_a_reference_for_the_main_urban_area(qingdao: Assessment) -> None:
    row = row_of(qingdao, "road-density")
    assert (row.status, row.latest) == (Status.UNKNOWN, None)
    own = [reference.use for reference in row.references if reference.use.place == "qingdao"]
    assert [(use.extent.value, use.period, round(use.value, 2)) for use in own] == [("built_up", "2024", 8.28)]


def test_the_other_figures_that_qingdao_promised_for_2025_are_unproven(qingdao: Assessment) -> None:
    dated = [
        row
        for row in qingdao.rows
        if row.deadline == 2025
        and row.measure not in (Measure.MILESTONE, Measure.EACH_YEAR)
        and row.target != "rail-2025"
    ]
    assert len(dated) > 20
    assert {row.status for row in dated} == {Status.UNPROVEN}


def test_no_provincial_value_of_jilin_is_invented(jilin: Assessment) -> None:
    judged = {row.target: row.latest for row in jilin.rows if row.latest is not None}
    assert judged == {}
    assert not any(row.status.fulfilled for row in jilin.rows)


def test_the_road_density_of_changchun_is_shown_as_that_citys_value(jilin: Assessment) -> None:
    row = row_of(jilin, "road-density")
    assert row.status is Status.UNKNOWN
    changchun = next(reference for reference in row.references if reference.use.place == "changchun")
    assert (changchun.use.extent.value, round(changchun.use.value, 2)) == ("built_up", 5.88)
    assert "长春市" in changchun.why
