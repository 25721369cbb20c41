"""A building among its peers: percentile in the group, outliers by a robust rule, quota values from percentiles.

Groups are what is alike: type, climate zone, size. A group that is too small widens step by step (size is given up first, then
the zone) and the row says which group it was held against; below the least number nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from scipy.stats import binom

__all__ = [
    "PEER_SCHEMA",
    "PERCENTILE_QUOTA_SCHEMA",
    "SIZE_BANDS",
    "peer_outliers",
    "peer_standing",
    "quotas_from_percentiles",
]

SIZE_BANDS: Final = (3_000.0, 20_000.0)
"""Floor areas in m² that divide sizes: up to 3,000, up to 20,000 (large public buildings), above."""

PEER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "intensity": pl.Float64(),
    "group": pl.String(),
    "grouped_by": pl.String(),
    "peers": pl.Int64(),
    "percentile": pl.Float64(),
    "median": pl.Float64(),
    "lower_quartile": pl.Float64(),
    "upper_quartile": pl.Float64(),
    "reason": pl.String(),
}
"""Columns of standings. percentile: share of the group in percent that uses less, ties by half; null with a reason."""

PERCENTILE_QUOTA_SCHEMA: Final[dict[str, pl.DataType]] = {
    "group": pl.String(),
    "peers": pl.Int64(),
    "constraint": pl.Float64(),
    "constraint_low": pl.Float64(),
    "constraint_high": pl.Float64(),
    "guide": pl.Float64(),
    "guide_low": pl.Float64(),
    "guide_high": pl.Float64(),
    "reason": pl.String(),
}
"""Columns of quotas from percentiles: value and the 95 % interval of the percentile from order statistics."""
_SCALE: Final = 0.6745
"""Median absolute deviation of a normal distribution, in its standard deviations."""


def _with_groups(frame: pl.DataFrame, group_by: Sequence[str], bands: Sequence[float]) -> pl.DataFrame:
    """Return buildings with one column a grouping, the finest first: `level_0` …; null where a part of it is unknown."""
    area = pl.col("area") if "area" in frame.columns else pl.lit(None, pl.Float64)
    band = pl.sum_horizontal([(area > limit).cast(pl.Int8) for limit in bands], ignore_nulls=False)
    names = {len([low for low in bands if low < limit]): f"≤{limit:g}m²" for limit in bands}
    frame = frame.with_columns(size=band.replace_strict({**names, len(bands): f">{bands[-1]:g}m²"}, default=None))
    levels = [group_by[: len(group_by) - number] for number in range(len(group_by))]
    return frame.with_columns(
        pl.concat_str([pl.col(name) for name in names], separator=" · ").alias(f"level_{number}")
        for number, names in enumerate(levels)
    )


def peer_standing(
    frame: pl.DataFrame,
    *,
    group_by: Sequence[str] = ("building_type", "climate_zone", "size"),
    bands: Sequence[float] = SIZE_BANDS,
    least: int = 10,
) -> pl.DataFrame:
    """Return where each building stands among its peers.

    Parameters
    ----------
    frame : DataFrame
        `building`, `intensity`, `area` in m² (for `size`) and the columns of `group_by`; intensities of one unit.
    group_by : sequence of str
        What makes peers, the most telling first; given up from the end where a group is too small. `size` is the band of
        the floor area.
    bands : sequence of float
        Floor areas that divide sizes.
    least : int
        Buildings that a group needs, the building itself included.

    Returns
    -------
    DataFrame of `PEER_SCHEMA`
        In the order of `frame`.

    Examples
    --------
    >>> shops = pl.DataFrame({"building": list("abcde"), "building_type": "shop", "intensity": [10.0, 20.0, 20.0, 40.0, None]})
    >>> found = peer_standing(shops, group_by=["building_type"], least=3)
    >>> found.select("percentile", "peers", "reason").rows()
    [(12.5, 4, ''), (50.0, 4, ''), (50.0, 4, ''), (87.5, 4, ''), (None, None, '没有单位面积用能')]
    """
    rows = _with_groups(frame, group_by, bands).with_row_index("_row")
    value = pl.col("intensity")
    usable = value.is_not_null() & value.is_finite()
    for number in range(len(group_by)):
        level = f"level_{number}"
        here = value.filter(usable)
        rows = rows.with_columns(
            usable.sum().over(level).alias(f"n_{number}"),
            ((pl.when(usable).then(value).rank("average").over(level) - 0.5) / usable.sum().over(level) * 100).alias(f"p_{number}"),
            *(
                here.quantile(share, "linear").over(level).alias(f"{name}_{number}")
                for name, share in (("q2", 0.5), ("q1", 0.25), ("q3", 0.75))
            ),
        )  # fmt: skip
    enough = [
        pl.col(f"level_{number}").is_not_null() & (pl.col(f"n_{number}") >= least) for number in range(len(group_by))
    ]

    def first(name: str) -> pl.Expr:
        return pl.coalesce([pl.when(ok & usable).then(pl.col(f"{name}_{number}")) for number, ok in enumerate(enough)])

    labels = ["·".join(group_by[: len(group_by) - number]) for number in range(len(group_by))]
    return (
        rows.sort("_row")
        .select(
            "building",
            intensity=value,
            group=first("level"),
            grouped_by=pl.coalesce(
                [pl.when(ok & usable).then(pl.lit(label)) for ok, label in zip(enough, labels, strict=True)]
            ),
            peers=first("n").cast(pl.Int64),
            percentile=first("p"),
            median=first("q2"),
            lower_quartile=first("q1"),
            upper_quartile=first("q3"),
            reason=pl.when(~usable.fill_null(False))
            .then(pl.lit("没有单位面积用能"))
            .when(~pl.any_horizontal(enough))
            .then(pl.lit(f"同类不足{least}栋"))
            .otherwise(pl.lit("")),
        )
        .select(pl.col(name).cast(kind) for name, kind in PEER_SCHEMA.items())
    )


def peer_outliers(
    frame: pl.DataFrame, *, group_by: Sequence[str] = ("building_type",), threshold: float = 3.5, least: int = 10
) -> pl.DataFrame:
    """Return how far each intensity lies from its group's middle, robustly, and which are outliers.

    The logarithm of the intensity is held against median and median absolute deviation of the group; intensities that are
    not above zero are outliers by themselves. An outlier is a question, never a deletion.

    Parameters
    ----------
    frame : DataFrame
        `building`, `intensity` and the columns of `group_by`.
    group_by : sequence of str
    threshold : float
        Robust standard deviations beyond which a value is an outlier.
    least : int
        Buildings that a group needs.

    Returns
    -------
    DataFrame
        building, score (null where the group is too small or has no spread), outlier (low, high, none, or null where not to
        be said).

    Examples
    --------
    >>> shops = pl.DataFrame({"building": list("abcdef"), "building_type": "shop", "intensity": [9.0, 10.0, 11.0, 12.0, 900.0, 0.0]})
    >>> peer_outliers(shops, least=4)["outlier"].to_list()
    ['none', 'none', 'none', 'none', 'high', 'low']
    """
    value = pl.col("intensity")
    group = list(group_by)
    rows = frame.with_columns(log=pl.when(value > 0).then(value.log()))
    middle = pl.col("log").median().over(group)
    rows = rows.with_columns(away=pl.col("log") - middle, many=pl.col("log").count().over(group))
    spread = pl.col("away").abs().median().over(group)
    rows = rows.with_columns(
        score=pl.when((pl.col("many") >= least) & (spread > 0)).then(_SCALE * pl.col("away") / spread)
    )
    return rows.select(
        "building",
        "score",
        outlier=pl.when(value <= 0)
        .then(pl.lit("low"))
        .when(pl.col("score") > threshold)
        .then(pl.lit("high"))
        .when(pl.col("score") < -threshold)
        .then(pl.lit("low"))
        .when(pl.col("score").is_not_null())
        .then(pl.lit("none")),
    )


def quotas_from_percentiles(
    frame: pl.DataFrame,
    *,
    group_by: Sequence[str] = ("building_type",),
    constraint: float = 0.75,
    guide: float = 0.25,
    least: int = 30,
) -> pl.DataFrame:
    """Return quota values from how buildings are spread: constraint and guide value as percentiles of each group.

    Percentiles are robust against wrong extremes; take out what `peer_outliers` found, after a look at it, all the same.
    Their 95 % intervals come from order statistics and need no distribution.

    Parameters
    ----------
    frame : DataFrame
        `intensity` and the columns of `group_by`.
    group_by : sequence of str
    constraint, guide : float
        Shares: 0.75 and 0.25 are the upper and lower quartile, 0.5 the median; which one is taken is a decision and is printed.
    least : int
        Buildings that a group needs; smaller groups get no value but a reason.

    Returns
    -------
    DataFrame of `PERCENTILE_QUOTA_SCHEMA`
        One row a group.

    Raises
    ------
    ValueError
        The shares do not lie in order between 0 and 1.

    Examples
    --------
    >>> shops = pl.DataFrame({"building_type": "shop", "intensity": [float(number) for number in range(1, 102)]})
    >>> quotas_from_percentiles(shops, constraint=0.75, guide=0.5).select("constraint", "guide", "guide_low", "guide_high").row(0)
    (76.0, 51.0, 41.0, 61.0)
    """
    if not 0 < guide <= constraint < 1:
        raise ValueError(f"guide {guide} and constraint {constraint} are shares between 0 and 1, the guide not above")
    value = pl.col("intensity")
    rows = frame.filter(value.is_not_null() & value.is_finite() & (value > 0))
    rows = rows.with_columns(group=pl.concat_str([pl.col(name) for name in group_by], separator=" · "))
    rows = rows.filter(pl.col("group").is_not_null())
    sorted_ = value.sort()
    found = (
        rows.group_by("group")
        .agg(
            peers=pl.len(),
            constraint=value.quantile(constraint, "linear"),
            guide=value.quantile(guide, "linear"),
            all=sorted_,
        )
        .sort("group")
    )
    count = found["peers"].to_numpy()
    ends = {}
    for name, share in (("constraint", constraint), ("guide", guide)):
        low = np.asarray(binom.ppf(0.025, count, share)).astype(np.int64)
        high = np.asarray(binom.ppf(0.975, count, share)).astype(np.int64) + 1
        ends[f"{name}_low"] = pl.Series(low.clip(1) - 1)
        ends[f"{name}_high"] = pl.Series(high.clip(max=count) - 1)
    found = found.with_columns(**ends).with_columns(
        pl.col("all").list.get(pl.col(name), null_on_oob=True).alias(name) for name in ends
    )
    enough = pl.col("peers") >= least
    values = [name for name in PERCENTILE_QUOTA_SCHEMA if name not in ("group", "peers", "reason")]
    return found.with_columns(
        *(pl.when(enough).then(pl.col(name)).alias(name) for name in values),
        reason=pl.when(enough).then(pl.lit("")).otherwise(pl.lit(f"同类不足{least}栋")),
    ).select(pl.col(name).cast(kind) for name, kind in PERCENTILE_QUOTA_SCHEMA.items())
