"""Use per area and in a normal year: known slopes come back, weather that is not actual is refused."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.optimize import nnls

from dafeng.metering.normalising import area_intensity, fit_degree_days, normal_year_use, weather_of_places
from dafeng.methods.climate import degree_day_table

MONTHS = [f"2024-{number:02d}" for number in range(1, 13)]
DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
COLD = [620.0, 530.0, 320.0, 90.0, 10.0, 0.0, 0.0, 0.0, 5.0, 70.0, 330.0, 570.0]
HOT = [0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 60.0, 70.0, 8.0, 0.0, 0.0, 0.0]


def weather(kind: str = "actual") -> pl.DataFrame:
    return pl.DataFrame({"place": "x", "month": MONTHS, "hdd18": COLD, "cdd26": HOT, "coverage": 1.0, "kind": kind})


def use(amounts: list[float], *, building: str = "a", coverage: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "building": building,
            "item": "01000",
            "place": "x",
            "month": MONTHS,
            "year": 2024,
            "days": DAYS,
            "amount": amounts,
            "coverage": coverage,
        }
    )


def exact(base: float, heating: float, cooling: float) -> list[float]:
    return [base * days + heating * cold + cooling * hot for days, cold, hot in zip(DAYS, COLD, HOT, strict=True)]


@pytest.mark.parametrize("slopes", [(100.0, 3.0, 5.0), (0.0, 4.0, 0.0), (50.0, 0.0, 0.0), (20.0, 0.0, 9.0)])
def test_known_slopes_come_back(slopes: tuple[float, float, float]) -> None:
    row = fit_degree_days(use(exact(*slopes)), weather()).row(0, named=True)
    assert (row["base"], row["heating"], row["cooling"]) == pytest.approx(slopes, abs=1e-6)
    assert row["usable"]
    assert row["cv_rmse"] == pytest.approx(0, abs=1e-6)


def test_no_slope_is_below_zero_and_the_answer_is_that_of_another_solver() -> None:
    rng = np.random.default_rng(7)
    frames = []
    for number in range(40):
        slopes = rng.uniform(-5, 5, 3)
        amounts = np.maximum(0, np.array(exact(abs(slopes[0]) * 20, slopes[1], slopes[2])) + rng.normal(0, 200, 12))
        frames.append(use(list(amounts), building=f"b{number:02d}"))
    table = pl.concat(frames)
    found = fit_degree_days(table, weather(), highest_cv=99).sort("building")
    matrix = np.column_stack([DAYS, COLD, HOT]).astype(float)
    for row in found.iter_rows(named=True):
        wanted, _ = nnls(matrix, table.filter(pl.col("building") == row["building"])["amount"].to_numpy())
        assert [row["base"], row["heating"], row["cooling"]] == pytest.approx(list(wanted), rel=1e-6, abs=1e-6)


def test_months_of_little_coverage_are_left_out_and_too_few_are_no_fit() -> None:
    amounts = exact(100.0, 3.0, 0.0)
    frame = use(amounts).with_columns(
        coverage=pl.when(pl.col("month") == "2024-03").then(0.5).otherwise(1.0),
        amount=pl.when(pl.col("month") == "2024-03").then(1.0).otherwise(pl.col("amount")),
    )
    row = fit_degree_days(frame, weather()).row(0, named=True)
    assert (row["spans"], row["heating"]) == (11, pytest.approx(3.0))
    few = fit_degree_days(frame.head(6), weather()).row(0, named=True)
    assert (few["usable"], few["heating"]) == (False, None)
    assert "5个" in few["reason"]


def test_a_typical_year_is_never_actual_weather() -> None:
    frame = use(exact(100.0, 3.0, 0.0))
    fits = fit_degree_days(frame, weather("typical"))
    assert (fits["usable"].item(), fits["reason"].item()) == (False, "没有实际天气，典型年不代替实际天气")
    normal = pl.DataFrame({"place": ["x"], "hdd18": [2000.0], "cdd26": [0.0]})
    sound = fit_degree_days(frame, weather())
    found = normal_year_use(frame, sound, weather("typical"), normal, years=[2024])
    assert (found["normal"].item(), found["reason"].item()) == (None, "全年实际天气不全")
    assert normal_year_use(frame, fits, weather(), normal, years=[2024])["normal"].item() is None


def test_a_cold_year_is_brought_down_by_its_degree_days() -> None:
    frame = use([amount + 10.0 for amount in exact(100.0, 3.0, 5.0)])
    fits = fit_degree_days(frame, weather())
    normal = pl.DataFrame({"place": ["x"], "hdd18": [sum(COLD) - 200.0], "cdd26": [sum(HOT) + 10.0]})
    row = normal_year_use(frame, fits, weather(), normal, years=[2024]).row(0, named=True)
    slopes = fits.row(0, named=True)
    assert row["weather"] == pytest.approx(200 * slopes["heating"] - 10 * slopes["cooling"])
    assert row["normal"] == pytest.approx(row["amount"] - row["weather"])
    assert row["amount"] == pytest.approx(sum(exact(100.0, 3.0, 5.0)) + 120)
    assert row["uncertainty"] == pytest.approx(200 * slopes["heating_error"] + 10 * slopes["cooling_error"])
    half = normal_year_use(frame.head(6), fits, weather(), normal, years=[2024])
    assert (half["normal"].item(), half["reason"].item()) == (None, "全年用能数据不全")


def test_a_fit_that_explains_nothing_carries_no_year() -> None:
    rng = np.random.default_rng(3)
    fits = fit_degree_days(use(list(rng.exponential(1000, 12))), weather())
    assert not fits["usable"].item()
    assert "CV" in fits["reason"].item()


def test_intensity_without_an_area_is_none() -> None:
    found = area_intensity(
        pl.DataFrame({"building": ["a", "b"], "item": "x", "amount": 10.0}),
        pl.DataFrame({"building": ["a", "b"], "gross_area": [4.0, 0.0]}),
    )
    assert found["intensity"].to_list() == [2.5, None]


def test_cambridge_gas_follows_the_temperature(shared: Path) -> None:
    folder = shared / "data/meters_cambridge"
    zone = pl.col("timestamp_utc")
    climate = pl.read_parquet(folder / "context_hourly.parquet").group_by(date=zone.dt.date()).agg(
        mean=pl.col("air_temperature_c").mean(), count=pl.col("air_temperature_c").count()
    )  # fmt: skip
    monthly = climate.group_by(month=pl.col("date").dt.strftime("%Y-%m")).agg(
        hdd18=(18 - pl.col("mean")).clip(0).sum(), cdd26=(pl.col("mean") - 26).clip(0).sum(), coverage=(pl.col("count") >= 20).mean()
    )  # fmt: skip
    monthly = monthly.with_columns(place=pl.lit("x"), kind=pl.lit("actual"))
    gas = pl.read_parquet(folder / "gas_hourly.parquet").filter(zone.dt.year() == 2021)
    table = gas.unpivot(index="timestamp_utc", variable_name="building", value_name="v").group_by(
        "building", month=zone.dt.strftime("%Y-%m")
    ).agg(amount=pl.col("v").sum(), coverage=pl.col("v").count() / pl.len(), days=pl.len() / 24)  # fmt: skip
    fits = fit_degree_days(table.with_columns(item=pl.lit("03000"), place=pl.lit("x")), monthly)
    whole = fits.filter(pl.col("spans") == 12)
    assert whole.height == 43
    assert (whole["r_squared"] > 0.8).sum() == 36
    assert whole.filter(pl.col("r_squared") > 0.94).height > 21
    assert whole["usable"].sum() == 37
    assert fits.filter(pl.col("spans") == 0)["usable"].sum() == 0


def test_degree_days_of_a_station_become_the_weather_of_its_place() -> None:
    spans = [(date(2024, number, 1), date(2024 + number // 12, number % 12 + 1, 1)) for number in range(1, 13)]
    days = pl.DataFrame({"day": pl.date_range(date(2024, 1, 1), date(2024, 12, 31), eager=True)}).with_columns(
        dataset=pl.lit("met"), kind=pl.lit("actual"), station=pl.lit("54857"), hours=24.0,
        temperature=12.0 - 14.0 * (pl.col("day").dt.ordinal_day() * 2 * np.pi / 366).cos(),
    )  # fmt: skip
    table = degree_day_table(days, spans)
    found = weather_of_places(table, pl.DataFrame({"place": ["x"], "station": ["54857"]}))
    assert found.height == 12
    amounts = found.sort("month")["hdd18"] * 3.0 + pl.Series(DAYS) * 100.0
    frame = use(list(amounts)).with_columns(month=pl.Series([start for start, _ in spans]))
    assert fit_degree_days(frame, found)["heating"].item() == pytest.approx(3.0)
    with pytest.raises(ValueError, match="several stations"):
        weather_of_places(table, pl.DataFrame({"place": ["x", "x"], "station": ["54857", "2"]}))
