"""Buildings among their peers: groups that widen, robust outliers, quota values from percentiles."""

import polars as pl
import pytest

from dafeng.metering.peers import peer_outliers, peer_standing, quotas_from_percentiles


def town() -> pl.DataFrame:
    rows: list[tuple[str, str, str | None, float, float | None]]
    rows = [(f"s{number}", "shop", "cold_a", 1000.0, 10.0 + number) for number in range(10)]
    rows += [(f"l{number}", "shop", "cold_a", 30000.0, 100.0 + number) for number in range(2)]
    rows += [
        ("x", "museum", "cold_a", 5000.0, 50.0),
        ("n", "shop", "cold_a", 1000.0, None),
        ("z", "shop", None, 1000.0, 12.0),
    ]
    return pl.DataFrame(rows, schema=["building", "building_type", "climate_zone", "area", "intensity"], orient="row")


def test_a_group_that_is_too_small_widens_and_says_so() -> None:
    found = {row["building"]: row for row in peer_standing(town(), least=10).iter_rows(named=True)}
    assert found["s0"]["grouped_by"] == "building_type·climate_zone·size"
    assert (found["s0"]["peers"], found["s0"]["percentile"]) == (10, 5.0)
    assert found["l1"]["grouped_by"] == "building_type·climate_zone"
    assert (found["l1"]["peers"], found["l1"]["percentile"]) == (12, pytest.approx(11.5 / 12 * 100))
    assert found["z"]["grouped_by"] == "building_type"
    assert (found["x"]["percentile"], found["x"]["reason"]) == (None, "同类不足10栋")
    assert found["n"]["reason"] == "没有单位面积用能"
    assert found["s0"]["median"] == 14.5


def test_sizes_are_bands_that_include_their_upper_end() -> None:
    frame = pl.DataFrame(
        {
            "building": list("abc"),
            "building_type": "shop",
            "climate_zone": "m",
            "area": [3000.0, 3000.1, None],
            "intensity": 1.0,
        }
    )
    groups = peer_standing(frame, least=1)["group"].to_list()
    assert groups == ["shop · m · ≤3000m²", "shop · m · ≤20000m²", "shop · m"]


def test_an_outlier_does_not_hide_itself() -> None:
    values = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.1, 9.9, 1e6]
    frame = pl.DataFrame({"building": [str(value) for value in values], "building_type": "x", "intensity": values})
    assert peer_outliers(frame)["outlier"].to_list() == ["none"] * 9 + ["high"]
    small = peer_outliers(frame.head(5))
    assert small["outlier"].null_count() == 5


def test_percentile_quotas_are_refused_for_small_groups_and_wrong_shares() -> None:
    frame = pl.DataFrame(
        {"building_type": ["a"] * 40 + ["b"] * 5, "intensity": [float(number) for number in range(1, 41)] + [1.0] * 5}
    )
    found = quotas_from_percentiles(frame, constraint=0.75, guide=0.25)
    assert found.filter(pl.col("group") == "b")["constraint"].null_count() == 1
    row = found.filter(pl.col("group") == "a").row(0, named=True)
    assert (row["constraint"], row["guide"]) == (30.25, 10.75)
    assert row["guide_low"] < row["guide"] < row["guide_high"] <= row["constraint_high"]
    with pytest.raises(ValueError, match="shares"):
        quotas_from_percentiles(frame, constraint=0.2, guide=0.8)
