"""Observations out and in again."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from dafeng.base.errors import InputError, UsageError
from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog import Catalog
from dafeng.intake import export_table, import_table
from intake_builders import RECORDED_AT, small_catalog


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return small_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(scope="module")
def facts() -> pl.DataFrame:
    def fact(indicator: str, place: str, year: str, value: float | None, extent: str) -> Observation:
        return Observation(
            indicator=indicator, place=place, period=year, value=value, extent=extent, dataset="年鉴", recorded_at=RECORDED_AT,
            missing_reason=None if value is not None else "not_reported",
        )  # fmt: skip

    return observation_frame(
        [
            fact("green_space_rate", "qingdao", "2023", 40.1859, "built_up"),
            fact("green_space_rate", "qingdao", "2024", None, "built_up"),
            fact("resident_population", "qingdao", "2024", 10_442_500, "whole"),
            fact("resident_population", "jilin", "2024", 23_170_000, "whole"),
        ]
    )


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_long_table_reads_back(ending: str, facts: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> None:
    path = export_table(facts, tmp_path / f"long.{ending}", catalog)
    back = import_table(path, catalog, recorded_at=RECORDED_AT)
    assert back.counts["refused"] == 0
    assert_frame_equal(back.observations.drop("lineage"), facts.drop("lineage"))


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_wide_table_reads_back_with_its_values(
    ending: str, facts: pl.DataFrame, catalog: Catalog, tmp_path: Path
) -> None:
    path = export_table(facts, tmp_path / f"wide.{ending}", catalog, layout="wide")
    back = import_table(path, catalog, recorded_at=RECORDED_AT, dataset="年鉴")
    assert back.counts["refused"] == 0
    columns = ["indicator", "place", "period", "extent", "value"]
    known = facts.filter(pl.col("value").is_not_null()).select(columns).sort(columns)
    assert_frame_equal(back.observations.filter(pl.col("value").is_not_null()).select(columns).sort(columns), known)


def test_the_same_facts_give_the_same_bytes(facts: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> None:
    for ending in ("csv", "xlsx"):
        first = export_table(facts, tmp_path / f"one.{ending}", catalog).read_bytes()
        assert export_table(facts, tmp_path / f"two.{ending}", catalog).read_bytes() == first


def test_a_wide_table_that_would_hide_a_difference_is_refused(
    facts: pl.DataFrame, catalog: Catalog, tmp_path: Path
) -> None:
    mixed = pl.concat([facts, facts.head(1).with_columns(pl.lit("另一来源").alias("dataset"))])
    with pytest.raises(InputError, match="dataset"):
        export_table(mixed, tmp_path / "wide.csv", catalog, layout="wide")


def test_other_endings_and_frames_are_refused(facts: pl.DataFrame, catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export_table(facts, tmp_path / "a.ods", catalog)
    with pytest.raises(InputError):
        export_table(facts.drop("value"), tmp_path / "a.csv", catalog)
