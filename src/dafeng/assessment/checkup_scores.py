"""Totals of a set: how many of how many are met, and the weighted score where the weights are official."""

from __future__ import annotations

import polars as pl

from dafeng.assessment.checkup_judging import SLACK
from dafeng.assessment.checkup_records import ItemState
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.statistics_schemas import IndicatorSet

__all__ = ["total_up"]


def total_up(indicator_set: IndicatorSet, frame: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Count states by place and year, with the weighted score where the set has official weights.

    Parameters
    ----------
    indicator_set : IndicatorSet
    frame : DataFrame
        As in `dafeng.assessment.checkup.CheckUp`.
    catalog : Catalog

    Returns
    -------
    DataFrame
        place, year, met, not_met, unknown, without_threshold, score, score_low, score_high, rank. A partial set has no score.
    """
    of_state = {
        "met": ItemState.MET,
        "not_met": ItemState.NOT_MET,
        "unknown": ItemState.UNKNOWN,
        "without_threshold": ItemState.NO_THRESHOLD,
    }
    totals = (
        frame.filter("counted")
        .group_by("place", "year", maintain_order=True)
        .agg(**{name: (pl.col("state") == state.value).sum().cast(pl.Int64) for name, state in of_state.items()})
    )
    weighted = [item for item in indicator_set.items if item.weight is not None]
    if not weighted or indicator_set.whole != len(indicator_set.items):
        return totals.with_columns(
            **{name: pl.lit(None, dtype=pl.Float64()) for name in ("score", "score_low", "score_high")},
            rank=pl.lit(None, dtype=pl.String()),
        )
    return totals.join(_scores(indicator_set, frame, catalog), on=["place", "year"], maintain_order="left")


def _scores(indicator_set: IndicatorSet, frame: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Weigh points of 100: an item with a threshold earns all or nothing, one without earns its value."""
    weights = {item.number: item.weight for item in indicator_set.items if item.weight is not None}
    whole = sum(weights.values())
    judged = [item.number for item in indicator_set.items if item.threshold is not None]
    most = {
        item.number: catalog.indicators[item.indicator].maximum or 0.0 for item in indicator_set.items if item.bonus
    }
    number = pl.col("number")
    points = (
        pl.when(number.is_in(judged) & (pl.col("state") == ItemState.MET.value))
        .then(100.0)
        .when(number.is_in(judged) & (pl.col("state") == ItemState.NOT_MET.value))
        .then(0.0)
        .when(~number.is_in(judged) & pl.col("low").is_not_null())
        .then(pl.col("value"))
    )
    share = number.replace_strict(
        {key: weight / whole for key, weight in weights.items()} or {"": 0.0}, default=None, return_dtype=pl.Float64
    )
    cap = number.replace_strict(most or {"": 0.0}, default=None, return_dtype=pl.Float64)
    weighted = share.is_not_null()
    ranks = pl.lit(None, dtype=pl.String())
    high_ranks = pl.lit(None, dtype=pl.String())
    for rank in indicator_set.ranks:
        ranks = pl.when(pl.col("score_low") >= rank.at_least - SLACK).then(pl.lit(rank.title.zh)).otherwise(ranks)
        high_ranks = (
            pl.when(pl.col("score_high") >= rank.at_least - SLACK).then(pl.lit(rank.title.zh)).otherwise(high_ranks)
        )
    return (
        frame.filter("counted")
        .with_columns(_points=points, _share=share, _cap=cap)
        .group_by("place", "year")
        .agg(
            _known=pl.col("_points").filter(weighted).is_not_null().all(),
            _base=(pl.col("_points") * pl.col("_share")).filter(weighted).sum(),
            _open=pl.col("_share").filter(pl.col("_points").is_null()).sum() * 100,
            _bonus=pl.min_horizontal("_points", "_cap")
            .filter(pl.col("_cap").is_not_null() & pl.col("_points").is_not_null())
            .sum(),
            _open_bonus=pl.col("_cap").filter(pl.col("_points").is_null()).sum(),
        )
        .with_columns(score_low=pl.col("_base") + pl.col("_bonus"))
        .with_columns(score_high=pl.col("score_low") + pl.col("_open") + pl.col("_open_bonus"))
        .select(
            "place",
            "year",
            score=pl.when("_known").then(pl.col("score_low")),
            score_low="score_low",
            score_high="score_high",
            rank=pl.when(ranks == high_ranks).then(ranks),
        )
    )
