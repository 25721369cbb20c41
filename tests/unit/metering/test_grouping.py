"""The ten dimensions: each splits the same buildings, the unknown is a class of its own."""

import polars as pl
import pytest

from dafeng.catalog import load_catalog
from dafeng.metering.grouping import DIMENSIONS, GROUP_SCHEMA, UNKNOWN, group_buildings

BUILDINGS = pl.DataFrame(
    [
        ("a", "public", "government_office", 8000.0, 5000.0, None, "fan_coil", "radiator", "frame", "brick", "outer", "double", "low_e", "thermal_break"),
        ("b", "public", "office", 30000.0, 20000.0, 25000.0, "all_air", "air", "tube", "curtain", None, "triple", "low_e", "aluminium"),
        ("c", "public", "hotel", 9000.0, None, None, None, None, None, None, None, None, None, None),
        ("d", "residential", "housing", 4000.0, None, 3500.0, "split", "floor", "shear_wall", "block", "outer", "double", "plain", "plastic"),
        ("e", "public", None, None, None, None, None, None, None, None, None, None, None, None),
    ],
    schema=["building", "building_class", "building_type", "gross_area", "cooled_area", "heated_area", "cooling_kind", "heating_kind",
            "structure_form", "wall_material", "wall_insulation", "glazing", "glass_kind", "window_frame"],
    orient="row",
)  # fmt: skip
USE = pl.DataFrame(
    [
        ("a", "01000", "2024", 100.0, 1.0), ("a", "01A00", "2024", 40.0, 1.0), ("a", "01B00", "2024", 30.0, 1.0),
        ("a", "01C00", "2024", 20.0, 1.0), ("a", "01D00", "2024", 4.0, 1.0), ("a", "03000", "2024", 10.0, 1.0),
        ("b", "01000", "2024", 1000.0, 0.5), ("b", "01A00", "2024", 300.0, 0.5), ("c", "01000", "2023", 9.0, 1.0),
    ],
    schema=["building", "item", "period", "amount", "coverage"],
    orient="row",
)  # fmt: skip


@pytest.fixture(scope="module")
def groups() -> pl.DataFrame:
    return group_buildings(BUILDINGS, USE, load_catalog(), year=2024, equivalents={"01000": 0.1229, "03000": 1.33})


def test_every_dimension_adds_up_to_the_same(groups: pl.DataFrame) -> None:
    assert groups.schema == pl.Schema(GROUP_SCHEMA)
    assert list(groups["dimension"].unique(maintain_order=True)) == list(DIMENSIONS)
    assert len(DIMENSIONS) == 10
    sums = groups.group_by("dimension").agg(
        pl.col("buildings", "area", "electricity", "energy", "lighting", "metered").sum()
    )
    assert sums.select("buildings", "area", "electricity", "lighting", "metered").unique().rows() == [
        (5, 51000.0, 1100.0, 340.0, 2)
    ]
    assert sums["energy"].round(6).unique().to_list() == [pytest.approx(1100 * 0.1229 + 13.3)]


def test_classes_of_the_first_dimension_come_from_type_and_area(groups: pl.DataFrame) -> None:
    first = groups.filter(pl.col("dimension") == "size_class")
    assert first.select("code", "buildings").rows() == [
        ("agency", 1),
        ("large", 1),
        ("other", 1),
        ("civil", 1),
        (UNKNOWN, 1),
    ]


def test_unknown_is_last_and_nothing_is_nought_that_nobody_measured(groups: pl.DataFrame) -> None:
    frames = groups.filter(pl.col("dimension") == "frame")
    assert frames["name"].to_list() == ["铝合金", "断热窗框", "塑料窗框", "未知"]
    unknown = frames.row(-1, named=True)
    assert (unknown["buildings"], unknown["electricity"], unknown["energy"], unknown["metered"]) == (2, None, None, 0)
    assert unknown["area"] == 9000


def test_what_no_item_has_is_shown_and_coverage_is_weighted_by_area(groups: pl.DataFrame) -> None:
    glass = {row["code"]: row for row in groups.filter(pl.col("dimension") == "glass").iter_rows(named=True)}
    assert (glass["low_e"]["itemised"], glass["low_e"]["unitemised"]) == (1, 6.0 + 700.0)
    assert glass["low_e"]["coverage"] == pytest.approx((8000 * 1 + 30000 * 0.5) / 38000)


def test_without_equivalents_there_is_no_total_energy() -> None:
    assert (
        group_buildings(BUILDINGS, USE, load_catalog(), year=2024)["energy"].null_count()
        == group_buildings(BUILDINGS, USE, load_catalog(), year=2024).height
    )
