"""Benchmarking data of Seattle 2016: units, quota values from percentiles, outliers against the flags of the file itself."""

from pathlib import Path

import polars as pl
import pytest

from dafeng.base.quantity import convert
from dafeng.metering.peers import peer_outliers, peer_standing, quotas_from_percentiles

KBTU = convert(1.05505585, "MJ", "kWh")
"""kWh of a thousand British thermal units (international table)."""
THERM = 100 * KBTU
SQUARE_FOOT = 0.3048**2


@pytest.fixture(scope="module")
def buildings(shared: Path) -> pl.DataFrame:
    path = shared / "data/benchmarking_seattle_2016/buildings.csv.gz"
    frame = pl.read_csv(path, schema_overrides={"YearsENERGYSTARCertified": pl.String}, infer_schema_length=5000)
    return frame.with_columns(
        building=pl.col("OSEBuildingID").cast(pl.String),
        building_type=pl.col("PrimaryPropertyType"),
        climate_zone=pl.lit("seattle"),
        area=pl.col("PropertyGFATotal") * SQUARE_FOOT,
        intensity=pl.col("SiteEUI(kBtu/sf)") * KBTU / SQUARE_FOOT,
        carriers=pl.col("Electricity(kWh)") + pl.col("NaturalGas(therms)") * THERM + pl.col("SteamUse(kBtu)") * KBTU,
        total=pl.col("SiteEnergyUse(kBtu)") * KBTU,
    )


def test_carriers_in_their_units_add_up_to_the_total_in_its_own(buildings: pl.DataFrame) -> None:
    known = buildings.filter((pl.col("total") > 0) & pl.col("carriers").is_not_null())
    ratio = known["carriers"] / known["total"]
    assert known.height == 2182
    assert ratio.median() == pytest.approx(1, abs=1e-4)
    assert ((ratio - 1).abs() < 0.001).sum() > 0.98 * 2182  # the rest uses fuels that the columns do not name


def test_the_robust_rule_finds_what_the_file_itself_flags(buildings: pl.DataFrame) -> None:
    found = peer_outliers(buildings).join(buildings.select("building", flag="Outlier"), on="building")
    high = found.filter(pl.col("flag") == "High outlier")
    low = found.filter(pl.col("flag") == "Low outlier")
    assert (high.height, (high["outlier"] == "high").sum()) == (5, 5)
    assert (low.height, (low["outlier"] == "low").sum()) == (19, 17)
    unflagged = found.filter(pl.col("flag").is_null() & pl.col("outlier").is_not_null())
    asked = unflagged.filter(pl.col("outlier") != "none").height
    assert (asked, unflagged.height) == (44, 2144)  # 2 % more are asked about than the file flags


def test_percentile_quotas_order_the_types_as_their_use_does(buildings: pl.DataFrame) -> None:
    sound = buildings.filter(pl.col("ComplianceStatus") == "Compliant")
    found = {row["group"]: row for row in quotas_from_percentiles(sound).iter_rows(named=True)}
    assert (
        found["Warehouse"]["constraint"]
        < found["Large Office"]["constraint"]
        < found["Supermarket / Grocery Store"]["constraint"]
    )
    assert found["Hospital"]["constraint"] is None
    for name, row in found.items():
        if row["reason"] == "":
            share = (sound.filter(pl.col("building_type") == name)["intensity"] <= row["constraint"]).mean()
            assert share == pytest.approx(0.75, abs=0.03), name
            assert row["guide_low"] <= row["guide"] <= row["guide_high"]
            assert row["constraint_low"] <= row["constraint"] <= row["constraint_high"]


def test_percentile_quotas_of_one_half_hold_in_the_other(buildings: pl.DataFrame) -> None:
    sound = buildings.filter(pl.col("ComplianceStatus") == "Compliant").with_row_index("number")
    half, other = sound.filter(pl.col("number") % 2 == 0), sound.filter(pl.col("number") % 2 == 1)
    quotas = quotas_from_percentiles(half).filter(pl.col("reason") == "")
    joined = other.join(quotas.select("constraint", building_type="group"), on="building_type")
    over = (joined["intensity"] > joined["constraint"]).mean()
    assert over == pytest.approx(0.25, abs=0.04)


def test_wrong_extremes_do_not_move_percentiles(buildings: pl.DataFrame) -> None:
    offices = buildings.filter(pl.col("building_type") == "Large Office")
    spoiled = offices.with_columns(
        intensity=pl.when(pl.int_range(pl.len()) < 3).then(1e9).otherwise(pl.col("intensity"))
    )
    before, after = (quotas_from_percentiles(frame)["constraint"].item() for frame in (offices, spoiled))
    assert after == pytest.approx(before, rel=0.05)


def test_percentiles_agree_with_the_score_of_the_programme(buildings: pl.DataFrame) -> None:
    scored = buildings.filter((pl.col("building_type") == "Large Office") & pl.col("ENERGYSTARScore").is_not_null())
    standing = peer_standing(scored, least=20).join(scored.select("building", "ENERGYSTARScore"), on="building")
    link = standing.select(pl.corr("percentile", "ENERGYSTARScore", method="spearman")).item()
    assert link < -0.75  # less use is a higher score
