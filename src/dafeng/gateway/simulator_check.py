"""Whether a platform says of an invented city what is true: its own roll-up beside the truth."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from dafeng.gateway.simulator_files import City
from dafeng.gateway.simulator_truth import building_truth, local_edges, meter_truth
from dafeng.workflow.metering import open_house
from dafeng.workflow.setting import Setting

__all__ = ["CHECK_SCHEMA", "check_buildings", "check_city"]

CHECK_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "period": pl.String(),
    "metered": pl.Float64(),
    "house": pl.Float64(),
    "covered": pl.Int64(),
    "house_covered": pl.Int64(),
    "expected": pl.Int64(),
}
"""Columns of a comparison. period: a day, or ``month-to-date``. metered: the truth where data exist. house: what the platform says.
covered, house_covered: seconds whose energy is in each. expected: seconds for which there should be data."""


def check_buildings(setting: Setting, city: City) -> pl.DataFrame:
    """Return each building and carrier, each day and the month to date, as truth and as the platform has them.

    Parameters
    ----------
    setting : Setting
        Of a workspace whose meters were rolled up.
    city : City

    Returns
    -------
    DataFrame of `CHECK_SCHEMA`
        A building of which nothing was heard is 0 in the truth and null in the platform, with nothing covered.
    """
    options = city.record.options
    first, past = options.month_to_date, options.day + timedelta(days=options.days)
    edges = local_edges(first, past, zone=options.zone)
    names, amount, covered = building_truth(
        city.plan, *meter_truth(city.plan, city.shown, edges), setting.catalog.items
    )
    days = [first + timedelta(days=number) for number in range(edges.size - 1)]
    truth = pl.concat(
        [
            _long(names, amount, covered, [str(day) for day in days]),
            _long(names, amount.sum(axis=1, keepdims=True), covered.sum(axis=1, keepdims=True), ["month-to-date"]),
        ]
    )
    house = open_house(setting)
    parts = [_said(house.building_days.read(first, past), pl.col("period").cast(pl.String))]
    if first.day == 1 and first.month == (past - timedelta(days=1)).month:
        parts.append(_said(house.building_months.read(first, past), pl.lit("month-to-date")))
    else:
        truth = truth.filter(pl.col("period") != "month-to-date")
    said = pl.concat(parts)
    joined = truth.join(said, on=["building", "item", "period"], how="left", maintain_order="left")
    return joined.select(pl.col(name).cast(kind) for name, kind in CHECK_SCHEMA.items())


def _long(names: pl.DataFrame, amount: np.ndarray, covered: np.ndarray, periods: list[str]) -> pl.DataFrame:
    long = names.select("building", "item").with_columns(period=pl.lit(periods)).explode("period")
    return long.with_columns(
        metered=pl.Series(amount.ravel(), dtype=pl.Float64),
        covered=pl.Series(np.rint(covered.ravel()).astype(np.int64)),
    )


def _said(rows: pl.DataFrame, period: pl.Expr) -> pl.DataFrame:
    return rows.filter(pl.col("line") == "total").select(
        "building", "item", period=period, house="amount", house_covered="covered", expected="expected"
    )


def check_city(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of `check_buildings` over the city: item, period, metered, house, difference, covered, house_covered, expected."""
    sums = rows.group_by("item", "period", maintain_order=True).agg(
        pl.col("metered", "house").sum(), pl.col("covered", "house_covered", "expected").sum()
    )
    return sums.with_columns(difference=pl.col("house") - pl.col("metered")).sort("item", "period")
