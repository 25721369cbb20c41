"""How the outlook would have done on real cities: fitted up to 2016, judged in 2019 and 2022.

Data: city panel of the urban construction yearbooks 2003–2024 (about 190 prefecture-level cities); 2023 is wrong in the
source and left out. The figures stand in docs/explanation/outlook.md.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from dafeng.methods import fit_drift

COLUMNS: dict[str, tuple[float | None, float | None]] = {
    "built_area_green_space_pct": (0.0, 100.0),
    "sewage_treatment_pct": (0.0, 100.0),
    "road_area_m2_per_capita": (0.0, None),
}
LAST, AHEAD = 2016, (3, 6)
# Coverage of the nominal 80 % interval; median absolute errors of the outlook, the last value and least squares.
MEASURED = {
    ("built_area_green_space_pct", 3): (0.81, 2.4, 1.4, 4.0),
    ("built_area_green_space_pct", 6): (0.81, 3.7, 2.8, 5.1),
    ("sewage_treatment_pct", 3): (0.88, 1.3, 2.3, 2.9),
    ("sewage_treatment_pct", 6): (0.86, 1.4, 4.3, 1.5),
    ("road_area_m2_per_capita", 3): (0.69, 2.4, 2.5, 3.3),
    ("road_area_m2_per_capita", 6): (0.63, 4.9, 4.9, 4.9),
}


def backtest(shared: Path, column: str, first: int = 2003) -> pl.DataFrame:
    """Return one row a city and horizon: hit, width, above, error of the outlook, of the last value, of least squares."""
    panel = pl.read_csv(shared / "data/china_mohurd_city/city_panel_2003_2024.csv", infer_schema_length=None)
    panel = panel.filter((pl.col("year") != 2023) & (pl.col("year") >= first)).drop_nulls(column).sort("year")
    bounds = COLUMNS[column]
    rows = []
    for _, city in panel.group_by("adcode", maintain_order=True):
        year, value = city["year"].to_numpy(), city[column].to_numpy()
        known = year <= LAST
        if known.sum() < 5 or year[known][-1] != LAST:
            continue
        forecast = fit_drift(year[known], value[known], bounds=bounds)
        line = np.polyfit(year[known] - LAST, value[known], 1)
        for ahead in AHEAD:
            for actual in value[year == LAST + ahead]:
                low, expected, high = forecast.interval(LAST + ahead)
                straight = np.clip(np.polyval(line, ahead), *(np.inf if b is None else b for b in bounds))
                rows.append({
                    "ahead": ahead, "hit": low <= actual <= high, "above": actual > high, "width": high - low,
                    "outlook": abs(expected - actual), "last": abs(value[known][-1] - actual),
                    "line": abs(straight - actual),
                })  # fmt: skip
    return pl.DataFrame(rows)


@pytest.mark.parametrize("column", COLUMNS)
def test_the_outlook_covers_real_cities_as_documented(shared: Path, column: str) -> None:
    errors = ["outlook", "last", "line"]
    table = backtest(shared, column).group_by("ahead").agg(pl.col("hit").mean(), pl.col(errors).median(), pl.len())
    for row in table.iter_rows(named=True):
        coverage, *expected = MEASURED[column, row["ahead"]]
        assert row["len"] > 180
        assert row["hit"] == pytest.approx(coverage, abs=0.02)
        assert [row[name] for name in errors] == pytest.approx(expected, abs=0.1)


def test_the_outlook_is_less_wrong_than_least_squares_throughout(shared: Path) -> None:
    for column in COLUMNS:
        medians = backtest(shared, column).group_by("ahead").agg(pl.col("outlook", "line").median())
        assert (medians["outlook"] <= 1.02 * medians["line"]).all()
