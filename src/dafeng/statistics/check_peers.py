"""Figures held against those of other places, of the same period or of another dataset; places that come and go."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl

from dafeng.base.observation import BREAKDOWNS
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import (
    HIT_SCHEMA,
    Context,
    Outcome,
    TableFault,
    cells_of,
    hits,
    neighbours,
    number,
    shown_factor,
    wanted,
)
from dafeng.statistics.check_scale import AMOUNT, ANGLE, median, on_scale, scale_of
from dafeng.statistics.check_table import Floats, Table

__all__ = ["check_peers", "check_places", "check_sources"]

_PEER: Final = {"usual": 8.0, "peers": 8.0}
_PLACES: Final = {"present": 3.0, "alike": 0.1, "figures": 3.0}
_SPREAD: Final = {AMOUNT: 0.2, ANGLE: 0.06}
_NORMAL: Final = 1.4826
_WITHIN: Final = ("indicator", "place", "extent", "period", *BREAKDOWNS, "basis")


def check_peers(check: DataCheck, context: Context) -> Outcome:
    """Find values far from those of places of the same level, under the same parent where there are enough.

    Parameters
    ----------
    check : DataCheck
        ``usual``: distance from the median in normal deviations (1.4826 × median absolute deviation); ``peers``: fewest peers;
        ``fraction``: 1 to look for shares written as fractions (0.95 for 95 %) instead.
    context : Context
    """
    bars = {**_PEER, **check.parameters}
    parts = []
    for table in context.tables:
        groups = _peers(table, context, int(bars["peers"]))
        for layer in wanted(check, table):
            indicator = context.indicators[table.series[layer].indicator]
            scale = scale_of(indicator)
            if scale not in _SPREAD:
                continue
            for group in groups:
                values = table.values[layer][:, group]
                find = _fractions if bars.get("fraction") else _far
                if bars.get("fraction") and scale != ANGLE:
                    continue
                heights = on_scale(values, indicator)
                parts.append(find(values, heights, table.rows[layer][:, group], scale, bars, shown_factor(indicator)))
    return Outcome(cells_of(parts))


def _peers(table: Table, context: Context, least: int) -> list[list[int]]:
    """Return groups of places that are compared: by level and parent, those of thin parents together by level."""
    by_parent: dict[tuple[str, str], list[int]] = {}
    for position, place in enumerate(table.places):
        if place not in context.places:
            by_parent.setdefault(("", ""), []).append(position)
            continue
        known = context.places.get(place)
        by_parent.setdefault((known.level.value, known.parent or ""), []).append(position)
    groups = [members for members in by_parent.values() if len(members) >= least]
    thin: dict[str, list[int]] = {}
    for (level, _), members in by_parent.items():
        if len(members) < least:
            thin.setdefault(level, []).extend(members)
    groups += [sorted(members) for members in thin.values() if len(members) >= least]
    return groups


def _far(
    values: Floats, heights: Floats, rows: np.ndarray, scale: str, bars: dict[str, float], factor: float
) -> pl.DataFrame:
    middle = median(heights, least=int(bars["peers"]))[:, None]
    spread = np.fmax(_NORMAL * median(np.abs(heights - middle))[:, None], _SPREAD[scale])
    with np.errstate(invalid="ignore"):
        far = np.abs(heights - middle) / spread
        mask = far >= bars["usual"]
        mask &= np.cumsum(mask, axis=0) == 1  # a place that stays apart is told of once
    if not mask.any():
        return pl.DataFrame(schema=HIT_SCHEMA)
    raw = np.broadcast_to(median(values)[:, None], values.shape)
    return hits(
        rows[mask],
        far[mask],
        "本地 {}，同级地方中位数 {}；偏离 {} 个标准差",
        value=values[mask] * factor,
        middle=raw[mask] * factor,
        far=far[mask],
    )


def _fractions(
    values: Floats, heights: Floats, rows: np.ndarray, scale: str, bars: dict[str, float], factor: float
) -> pl.DataFrame:
    known = np.isfinite(values).sum(axis=1) >= bars["peers"]
    low = median(values, quantile=0.1)[:, None]
    with np.errstate(invalid="ignore"):
        mask = known[:, None] & (values > 0) & (values <= 1.0) & (low >= 10.0) & (values * 100 >= low / 2)
        # A small share that goes on from one that nobody doubts is small.
        before, after = neighbours(np.where(mask, np.nan, values))
        mask &= ~((np.abs(before - values) <= values) | (np.abs(after - values) <= values))
    raw = np.broadcast_to(median(values)[:, None], values.shape)
    return hits(
        rows[mask],
        np.full(int(mask.sum()), 10.0),
        "本地 {}，同级地方中位数 {}：像是把百分数写成了小数",
        low=values[mask] * 100,
        high=values[mask] * 100,
        value=values[mask] * factor,
        middle=raw[mask] * factor,
    )


def check_places(check: DataCheck, context: Context) -> Outcome:
    """Find places that leave a table, join it, or seem to go on under another name.

    Parameters
    ----------
    check : DataCheck
        ``present``: years in a row that a place was in the table before it is missed; ``alike``: largest mean relative
        difference between the last row of one and the first of another place for them to be taken for one; ``figures``: fewest
        figures compared.
    context : Context
    """
    bars = {**_PLACES, **check.parameters}
    outcome = Outcome()
    for table in context.tables:
        if table.slot != "year" or len(table.years) < 2:
            continue
        there = np.isfinite(table.values).max(axis=0)
        years = np.flatnonzero(there.max(axis=1))
        for before, here in pairwise(years):
            gone = there[before] & ~there[here:].max(axis=0)
            come = there[here] & ~there[:here].max(axis=0)
            long = there[max(0, before - int(bars["present"]) + 1) : before + 1].min(axis=0)
            gone &= long
            outcome.faults += _comings(table, int(before), int(here), gone, come, bars, context)
    return outcome


def _comings(
    table: Table, before: int, here: int, gone: np.ndarray, come: np.ndarray, bars: dict[str, float], context: Context
) -> list[TableFault]:
    found = []
    left, joined = list(np.flatnonzero(gone)), list(np.flatnonzero(come))
    for one in list(left):
        apart = [_apart(table.values[:, before, one], table.values[:, here, two], bars["figures"]) for two in joined]
        if apart and np.nanmin([*apart, np.inf]) <= bars["alike"]:
            two = joined[int(np.nanargmin(apart))]
            left.remove(one)
            joined.remove(two)
            found.append(_renamed(table, here, int(one), int(two), float(np.nanmin(apart)), context))
    for names, word, fault, year in ((left, "不再出现", "vanished", before), (joined, "首次出现", "appeared", here)):
        if not names:
            continue
        zh = [context.catalog.place_name(table.places[name]) for name in names]
        rows = table.rows[:, year, names]
        rows = rows[rows >= 0]
        found.append(
            TableFault(
                table.dataset,
                f"{int(table.years[here])}",
                f"{int(table.years[here])}年{len(zh)}个地方{word}：{'、'.join(zh[:8])}{'等' if len(zh) > 8 else ''}",
                {
                    "fault": fault,
                    "count": len(zh),
                    "places": "、".join(table.places[name] for name in names),
                    "whole": False,
                },
                rows,
                int(rows[0]) if rows.size else -1,
            )
        )
    return found


def _apart(one: Floats, two: Floats, figures: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.abs(one - two) / np.maximum(np.abs(one), np.abs(two))
    known = relative[np.isfinite(relative)]
    return float(known.mean()) if known.size >= figures else float("nan")


def _renamed(table: Table, here: int, one: int, two: int, apart: float, context: Context) -> TableFault:
    old, new = table.places[one], table.places[two]
    known = [context.places.get(place) for place in (old, new) if place in context.places]
    aliases = sorted({alias for place in known for alias in place.aliases})
    rows = table.rows[:, here, two]
    rows = rows[rows >= 0]
    year = int(table.years[here])
    return TableFault(
        table.dataset,
        str(year),
        f"{year}年「{context.catalog.place_name(old)}」不再出现，同年出现「{context.catalog.place_name(new)}」，"
        f"两者的数平均只差{apart:.1%}，像是改名"
        + (f"（目录中的其他名称：{'、'.join(aliases[:6])}）" if aliases else ""),
        {"fault": "renamed", "old": old, "new": new, "difference": round(apart, 4), "whole": False},
        rows,
        int(rows[0]) if rows.size else -1,
    )


def check_sources(check: DataCheck, context: Context) -> Outcome:
    """Find figures on which datasets differ.

    Parameters
    ----------
    check : DataCheck
        `tolerance`: largest difference between lowest and highest as a share of the highest.
    context : Context
    """
    facts = context.facts.filter(pl.col("value").is_not_null())
    if facts["dataset"].n_unique() < 2:
        return Outcome()
    if check.indicators:
        facts = facts.filter(pl.col("indicator").is_in(check.indicators))
    shared = facts.filter(pl.col("dataset").n_unique().over(_WITHIN) > 1)
    spread = shared.with_columns(
        low=pl.col("value").min().over(_WITHIN),
        high=pl.col("value").max().over(_WITHIN),
        datasets=pl.col("dataset").n_unique().over(_WITHIN),
    ).with_columns(
        score=(pl.col("high") - pl.col("low")) / pl.max_horizontal(pl.col("high").abs(), pl.col("low").abs())
    )
    cells = spread.filter(pl.col("score") > check.tolerance).with_columns(
        note=pl.format(
            "{} 个来源从 {} 到 {}，相差 {}", pl.col("datasets"), number("low"), number("high"), number("score")
        )
    )
    return Outcome(cells.select(pl.col(name).cast(kind) for name, kind in HIT_SCHEMA.items()))
