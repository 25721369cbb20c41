"""District results brought to the city: counts add, shares by the sums of numerator and denominator, anything else not at all."""

from __future__ import annotations

from datetime import date

import polars as pl

from dafeng.base.finding import Finding
from dafeng.base.observation import SCHEMA
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.statistics_schemas import IndicatorSet
from dafeng.methods.indicators import add_up_places

__all__ = ["merge_districts"]


def merge_districts(
    indicator_set: IndicatorSet,
    observations: pl.DataFrame,
    catalog: Catalog,
    *,
    place: str,
    day: date | None = None,
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """Add up what the divisions of a place reported for the items of a set.

    Parameters
    ----------
    indicator_set : IndicatorSet
    observations : DataFrame
        Columns of `dafeng.base.observation.SCHEMA`, one current version a key.
    catalog : Catalog
    place : str
        Place whose values are wanted.
    day : date, optional
        Day whose divisions count.

    Returns
    -------
    observations : DataFrame
        Computed values of the place, with the share of divisions that reported as coverage; to be checked up together with
        what was reported. A count with coverage below 1 is a lower bound.
    findings : tuple of Finding
        What does not add up and was left out (`methods.places.not-additive`), and totals that differ from the stated ones.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rows = [Observation(indicator="parking_space_gap", place=child.id, extent="city_proper", period="2024", value=10,
    ...                     dataset="survey", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...         for child in catalog.places.children("qingdao")]
    >>> merged, _ = merge_districts(catalog.sets["checkup-2024"], observation_frame(rows), catalog, place="qingdao")
    >>> merged.select("place", "value", "coverage").row(0) == ("qingdao", 10.0 * len(rows), 1.0)
    True
    """
    items = (*indicator_set.items, *([] if indicator_set.overall is None else [indicator_set.overall]))
    names = {
        name
        for item in items
        for name in (item.indicator, item.share_of, item.surveyed, item.to_survey)
        if name is not None
    }
    for name in sorted(names):
        one = catalog.indicators[name]
        names |= {part for part in (one.numerator, one.denominator, one.weight) if part is not None}
    wanted = observations.select(list(SCHEMA)).filter(pl.col("indicator").is_in(sorted(names)))
    computed = add_up_places(wanted, catalog.indicators, catalog.places, place=place, day=day)
    merged = computed.observations.filter(pl.col("place") == place)
    return merged, tuple(computed.findings)
