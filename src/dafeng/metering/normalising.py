"""Use per area and in a normal year: degree-day regression of each building's months or days.

Use of a span = base load × its days + heating slope × heating degree-days + cooling slope × cooling degree-days, no
coefficient below zero. Use in a normal year is the use that was, plus slope × (normal − actual degree-days): what the
weather did not explain stays in it. Without actual weather there is no answer: a typical year is never taken as actual.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = [
    "FIT_SCHEMA",
    "NORMAL_SCHEMA",
    "area_intensity",
    "fit_degree_days",
    "normal_year_use",
    "weather_of_places",
]

FIT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "spans": pl.Int64(),
    "days": pl.Float64(),
    "base": pl.Float64(),
    "heating": pl.Float64(),
    "cooling": pl.Float64(),
    "r_squared": pl.Float64(),
    "cv_rmse": pl.Float64(),
    "residual": pl.Float64(),
    "heating_error": pl.Float64(),
    "cooling_error": pl.Float64(),
    "usable": pl.Boolean(),
    "reason": pl.String(),
}
"""Columns of fits. base: amount a day; heating, cooling: amount a degree-day; residual: mean of what is not explained, amount a
day (above zero where the base load was held at zero); heating_error, cooling_error: standard errors of the slopes; usable: whether the fit may carry a normal year, else with a reason."""

NORMAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "year": pl.Int64(),
    "amount": pl.Float64(),
    "weather": pl.Float64(),
    "normal": pl.Float64(),
    "uncertainty": pl.Float64(),
    "modelled": pl.Float64(),
    "coverage": pl.Float64(),
    "reason": pl.String(),
}
"""Columns of use in a normal year. amount: as measured; weather: what actual against normal weather adds or takes (normal =
amount − weather); uncertainty: standard error of `weather` at most, from those of the slopes; modelled: what the fit alone gives."""
_KEY: Final = ["building", "item"]
_ACTUAL: Final = "actual"


def area_intensity(use: pl.DataFrame, buildings: pl.DataFrame, *, area: str = "gross_area") -> pl.DataFrame:
    """Return use per floor area by building and item.

    Parameters
    ----------
    use : DataFrame
        `building`, `item`, `amount`, `coverage`, perhaps `period`.
    buildings : DataFrame
        `building` and the area column in m².
    area : str
        Which area divides: gross_area, heated_area, cooled_area.

    Returns
    -------
    DataFrame
        The rows of `use` with `area`, `intensity` (amount a m²; null with a `reason` where the area is unknown or nought).

    Examples
    --------
    >>> use = pl.DataFrame({"building": ["a", "b"], "item": "01000", "amount": [500.0, 80.0], "coverage": 1.0})
    >>> area_intensity(use, pl.DataFrame({"building": ["a"], "gross_area": [10.0]})).select("intensity", "reason").rows()
    [(50.0, ''), (None, '没有建筑面积')]
    """
    sizes = buildings.select("building", area=pl.col(area))
    some = pl.col("area") > 0
    return use.join(sizes, on="building", how="left").with_columns(
        intensity=pl.when(some).then(pl.col("amount") / pl.col("area")),
        reason=pl.when(some.fill_null(False)).then(pl.lit("")).otherwise(pl.lit("没有建筑面积")),
    )


def weather_of_places(table: pl.DataFrame, stations: pl.DataFrame, *, span: str = "month") -> pl.DataFrame:
    """Return degree-days of stations as the weather of places.

    Parameters
    ----------
    table : DataFrame
        Of `dafeng.methods.climate.degree_day_table`: kind, station, start, heating, cooling, known, days.
    stations : DataFrame
        `place` and the `station` that stands for it.
    span : str
        Name of the column that gets the first day of the span: month or date.

    Returns
    -------
    DataFrame
        place, the span, hdd18, cdd26, coverage, kind, as `fit_degree_days` takes it.

    Raises
    ------
    ValueError
        A place has two stations of one kind: their degree-days would be counted twice.
    """
    if stations["place"].is_duplicated().any():
        twice = stations.filter(pl.col("place").is_duplicated())["place"][0]
        raise ValueError(f"place {twice} has several stations; expected one")
    return table.join(stations.select("place", "station"), on="station").select(
        "place",
        pl.col("start").alias(span),
        hdd18="heating",
        cdd26="cooling",
        coverage=pl.col("known") / pl.col("days"),
        kind="kind",
    )


def _joined(use: pl.DataFrame, weather: pl.DataFrame, span: str) -> pl.DataFrame:
    return use.join(
        weather.select("place", span, "hdd18", "cdd26", weather_coverage="coverage"), on=["place", span], how="left"
    )


def _actual(weather: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of weather that really was."""
    return weather.filter(pl.col("kind") == _ACTUAL)


def fit_degree_days(
    use: pl.DataFrame,
    weather: pl.DataFrame,
    *,
    span: str = "month",
    least: int | None = None,
    minimum_coverage: float = 0.9,
    highest_cv: float = 0.35,
) -> pl.DataFrame:
    """Return base load and slopes of each building and item, by least squares with no coefficient below zero.

    Parameters
    ----------
    use : DataFrame
        `building`, `item`, `place`, the column of the span (first day of the month, or the day), `days` in it, `amount`,
        `coverage`.
    weather : DataFrame
        `place`, the span, `hdd18`, `cdd26`, `coverage`, `kind`: only rows of kind ``actual`` are taken; a typical year
        (``typical``) is passed over and named in the reason.
    span : str
        month or date.
    least : int, optional
        Spans that a fit needs: 10 months or 300 days where None.
    minimum_coverage : float
        Spans of less coverage of use or weather are left out; what is taken is scaled to the whole span.
    highest_cv : float
        CV(RMSE) above which a fit does not carry a normal year.

    Returns
    -------
    DataFrame of `FIT_SCHEMA`
        By building and item; buildings without a fit are there with the reason.

    Examples
    --------
    >>> months = [f"2024-{number:02d}" for number in range(1, 13)]
    >>> cold = [600.0, 500.0, 300.0, 100.0, 0.0, 0.0, 0.0, 0.0, 0.0, 80.0, 300.0, 550.0]
    >>> use = pl.DataFrame({"building": "a", "item": "03000", "place": "x", "month": months, "days": 30.0, "coverage": 1.0,
    ...                     "amount": [60.0 + 2 * degrees for degrees in cold]})
    >>> weather = pl.DataFrame({"place": "x", "month": months, "hdd18": cold, "cdd26": 0.0, "coverage": 1.0, "kind": "actual"})
    >>> fit_degree_days(use, weather).select(pl.col("base", "heating", "cooling").round(6), "usable").row(0)
    (2.0, 2.0, 0.0, True)
    >>> fit_degree_days(use, weather.with_columns(kind=pl.lit("typical")))["reason"].item()
    '没有实际天气，典型年不代替实际天气'
    """
    wanted = least if least is not None else (10 if span == "month" else 300)
    rows = _joined(use, _actual(weather), span)
    sound = (pl.col("coverage") >= minimum_coverage) & (pl.col("weather_coverage") >= minimum_coverage)
    sound = sound & pl.col("amount").is_not_null() & pl.col("hdd18").is_not_null() & pl.col("cdd26").is_not_null()
    share = pl.col("weather_coverage")
    rows = rows.with_columns(
        y=pl.col("amount") / pl.col("coverage"),
        x0=pl.col("days").cast(pl.Float64),
        x1=pl.col("hdd18") / share,
        x2=pl.col("cdd26") / share,
        ok=sound.fill_null(False),
    )
    names = ("x0", "x1", "x2")
    usable = pl.col("ok")

    def total(expression: pl.Expr) -> pl.Expr:
        return expression.filter(usable).sum()

    sums = rows.group_by(_KEY, maintain_order=True).agg(
        *(total(pl.col(a) * pl.col(b)).alias(f"{a}{b}") for a in names for b in names),
        *(total(pl.col(a) * pl.col("y")).alias(f"{a}y") for a in names),
        yy=total(pl.col("y") ** 2),
        y=total(pl.col("y")),
        spans=usable.sum(),
        days=total(pl.col("x0")),
        weather_seen=pl.col("weather_coverage").is_not_null().any(),
    )
    gram = np.stack([[sums[f"{a}{b}"].to_numpy() for b in names] for a in names]).transpose(2, 0, 1).astype(np.float64)
    right = np.stack([sums[f"{a}y"].to_numpy() for a in names]).T.astype(np.float64)
    fitted, error = _non_negative(gram, right, sums["yy"].to_numpy().astype(np.float64))
    count = sums["spans"].to_numpy().astype(np.float64)
    mean = sums["y"].to_numpy() / np.where(count > 0, count, np.nan)
    spread = sums["yy"].to_numpy() - count * mean**2
    free = np.where(count > 3, count - 3, np.nan)
    errors = _standard_errors(gram, fitted, error / free)
    result = sums.select(*_KEY, "spans", "days", "weather_seen").with_columns(
        base=pl.Series(fitted[:, 0]),
        heating=pl.Series(fitted[:, 1]),
        cooling=pl.Series(fitted[:, 2]),
        r_squared=pl.Series(1 - error / np.where(spread > 0, spread, np.nan)).fill_nan(None),
        cv_rmse=pl.Series(np.sqrt(error / free) / np.where(mean > 0, mean, np.nan)).fill_nan(None),
        residual=pl.Series(
            (right[:, 0] - (gram[:, 0, :] * fitted).sum(axis=1)) / np.where(gram[:, 0, 0] > 0, gram[:, 0, 0], np.nan)
        ),
        heating_error=pl.Series(errors[:, 1]),
        cooling_error=pl.Series(errors[:, 2]),
    )
    enough = pl.col("spans") >= wanted
    close = (pl.col("cv_rmse") <= highest_cv).fill_null(False)
    typical = weather.filter(pl.col("kind") != _ACTUAL).height > 0
    none = "没有实际天气，典型年不代替实际天气" if typical else "没有实际天气"
    result = result.with_columns(
        usable=enough & close,
        reason=pl.when(~pl.col("weather_seen"))
        .then(pl.lit(none))
        .when(~enough)
        .then(
            pl.format(
                "可用的{}不足{}个，只有{}个",
                pl.lit({"month": "月", "date": "日"}.get(span, span)),
                pl.lit(wanted),
                "spans",
            )
        )
        .when(~close)
        .then(pl.lit(f"拟合的CV(RMSE)高于{highest_cv:g}"))
        .otherwise(pl.lit("")),
    )
    numbers = [name for name, kind in FIT_SCHEMA.items() if kind == pl.Float64 and name != "days"]
    result = result.with_columns(pl.when(enough).then(pl.col(name).fill_nan(None)).alias(name) for name in numbers)
    return result.select(pl.col(name).cast(kind) for name, kind in FIT_SCHEMA.items())


def _non_negative(
    gram: NDArray[np.float64], right: NDArray[np.float64], squares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return non-negative least-squares coefficients and squared errors of many groups from their normal equations.

    The solution is the ordinary one on its support: of the ordinary solutions on all supports those without a negative
    coefficient are feasible, and the best of them is the answer. Three regressors have eight supports.
    """
    groups = gram.shape[0]
    best = np.zeros((groups, 3))
    error = np.maximum(squares, 0.0)
    scale = np.sqrt(np.maximum(np.einsum("gii->gi", gram), 1e-300))
    scaled, target = gram / scale[:, :, None] / scale[:, None, :], right / scale
    for size in (1, 2, 3):
        for support in combinations(range(3), size):
            chosen = list(support)
            part = scaled[:, chosen][:, :, chosen]
            sound = np.linalg.det(part) > 1e-10  # a regressor without spread of its own is left out
            solved = np.zeros((groups, size))
            solved[sound] = np.linalg.solve(part[sound], target[sound][:, chosen][:, :, None])[:, :, 0]
            left = squares - (solved * target[:, chosen]).sum(axis=1)
            better = sound & (solved >= 0).all(axis=1) & (left < error * (1 - 1e-12))
            best[better] = 0.0
            best[np.ix_(better, chosen)] = solved[better] / scale[better][:, chosen]
            error = np.where(better, np.maximum(left, 0.0), error)
    return best, error


def _standard_errors(
    gram: NDArray[np.float64], fitted: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return standard errors of coefficients, nought for those that are held at zero."""
    taken = fitted > 0
    both = taken[:, :, None] & taken[:, None, :]
    filled = np.where(both, gram, np.eye(3))
    scale = np.sqrt(np.einsum("gii->gi", filled))
    inverse = np.linalg.inv(filled / scale[:, :, None] / scale[:, None, :])
    spread = np.einsum("gii->gi", inverse) / scale**2 * variance[:, None]
    return np.where(taken, np.sqrt(np.maximum(spread, 0.0)), 0.0)


def normal_year_use(
    use: pl.DataFrame,
    fits: pl.DataFrame,
    weather: pl.DataFrame,
    normal: pl.DataFrame,
    *,
    span: str = "month",
    years: Sequence[int],
    minimum_coverage: float = 0.9,
) -> pl.DataFrame:
    """Return the use of a year as it would have been in a normal year.

    Parameters
    ----------
    use : DataFrame
        As for `fit_degree_days`, with `year`.
    fits : DataFrame of `FIT_SCHEMA`
        Of this building and item; the years they were fitted on need not be these.
    weather : DataFrame
        As for `fit_degree_days`; only rows of kind ``actual`` count.
    normal : DataFrame
        `place`, `hdd18`, `cdd26` of a whole normal year: here a typical year is right.
    span : str
        month or date.
    years : sequence of int
    minimum_coverage : float
        Least coverage of the year by use and weather, by days.

    Returns
    -------
    DataFrame of `NORMAL_SCHEMA`
        By building, item and year; `normal` is null with a reason where the fit, the weather or the use does not carry it.
    """
    rows = _joined(use.filter(pl.col("year").is_in(list(years))), _actual(weather), span)
    seen = pl.col("weather_coverage").fill_null(0.0)
    days = pl.col("days").cast(pl.Float64)
    year_days = pl.when(pl.date(pl.col("year"), 1, 1).dt.is_leap_year()).then(366.0).otherwise(365.0)
    sums = rows.group_by(*_KEY, "place", "year", maintain_order=True).agg(
        amount=pl.col("amount").sum(),
        hdd=(pl.col("hdd18") / pl.when(seen > 0).then(seen)).sum(),
        cdd=(pl.col("cdd26") / pl.when(seen > 0).then(seen)).sum(),
        covered=(days * pl.col("coverage").fill_null(0.0)).sum(),
        weathered=(days * (seen >= minimum_coverage)).sum(),
        days=days.sum(),
    )
    sums = sums.join(normal.select("place", normal_hdd="hdd18", normal_cdd="cdd26"), on="place", how="left")
    sums = sums.join(fits, on=_KEY, how="left", suffix="_fit").with_columns(length=year_days)
    sums = sums.with_columns(
        coverage=pl.col("covered") / pl.col("length"),
        weather=pl.col("heating") * (pl.col("hdd") - pl.col("normal_hdd"))
        + pl.col("cooling") * (pl.col("cdd") - pl.col("normal_cdd")),
    )
    reason = (
        pl.when(pl.col("usable").is_null())
        .then(pl.lit("没有拟合"))
        .when(~pl.col("usable"))
        .then(pl.col("reason"))
        .when(pl.col("normal_hdd").is_null())
        .then(pl.lit("没有标准年度日数"))
        .when(pl.col("coverage") < minimum_coverage)
        .then(pl.lit("全年用能数据不全"))
        .when(pl.col("weathered") / pl.col("length") < minimum_coverage)
        .then(pl.lit("全年实际天气不全"))
        .otherwise(pl.lit(""))
    )
    said = reason == ""
    return sums.with_columns(
        reason=reason,
        weather=pl.when(said).then(pl.col("weather")),
        normal=pl.when(said).then((pl.col("amount") - pl.col("weather")).clip(0.0)),
        uncertainty=pl.when(said).then(
            pl.col("heating_error") * (pl.col("hdd") - pl.col("normal_hdd")).abs()
            + pl.col("cooling_error") * (pl.col("cdd") - pl.col("normal_cdd")).abs()
        ),
        modelled=pl.when(said).then(
            pl.col("base") * pl.col("length")
            + pl.col("heating") * pl.col("normal_hdd")
            + pl.col("cooling") * pl.col("normal_cdd")
        ),
    ).select(pl.col(name).cast(kind) for name, kind in NORMAL_SCHEMA.items())
