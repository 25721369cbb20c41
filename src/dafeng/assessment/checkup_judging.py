"""One item of a set against what is known of it: the interval in which the truth lies, the verdict, the shortfall, the trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dafeng.assessment.checkup_records import ItemState, Trend, Why
from dafeng.assessment.checkup_values import Chosen
from dafeng.base.quantity import conversion_factor, same_dimension
from dafeng.base.target import Comparator, Direction
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Indicator, OverPlaces
from dafeng.catalog.statistics_schemas import SetItem
from dafeng.plans import number_text

__all__ = [
    "STATES",
    "TRENDS",
    "WHYS",
    "ItemCells",
    "Reading",
    "gap_unit",
    "item_unit",
    "judge",
    "read_item",
    "shortfall",
    "take",
    "threshold_text",
    "trend_of",
]

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

STATES: Final = list(ItemState)
"""States by code."""
WHYS: Final = list(Why)
"""Reasons by code."""
TRENDS: Final = list(Trend)
"""Trends by code; −1 is none."""
SLACK: Final = 1e-9
"""Relative slack of comparisons, as in `dafeng.base.target.satisfies`."""
FULL: Final = 1 - 1e-9
"""Coverage from which all is covered."""
_WORDS: Final = {
    Comparator.AT_LEAST: "不低于",
    Comparator.MORE_THAN: "大于",
    Comparator.AT_MOST: "不超过",
    Comparator.LESS_THAN: "小于",
}


def item_unit(item: SetItem, catalog: Catalog) -> str:
    """Return the unit in which a set gives an item."""
    return item.unit or ("%" if item.share_of is not None else catalog.indicators[item.indicator].shown_unit)


def gap_unit(unit: str) -> str:
    """Return the unit of a difference: percentage points for shares.

    Examples
    --------
    >>> gap_unit("%"), gap_unit("公里")
    ('个百分点', '公里')
    """
    return "个百分点" if same_dimension(unit, "percent") else unit


def _comparator(item: SetItem) -> Comparator | None:
    """Return the comparator as judged: equality and 左右 are resolved by the direction."""
    if item.comparator in (Comparator.EQUAL, Comparator.ABOUT):
        return Comparator.AT_MOST if item.direction is Direction.DOWN else Comparator.AT_LEAST
    return item.comparator


def threshold_text(item: SetItem, catalog: Catalog) -> str:
    """Return what an item asks, in Chinese; empty where it states no threshold.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> by_number = {item.number: item for item in catalog.sets["checkup-2024"].items}
    >>> threshold_text(by_number["38"], catalog), threshold_text(by_number["1"], catalog)
    ('不低于8公里/平方公里', '不超过0栋')
    """
    comparator = _comparator(item)
    if item.threshold is None or comparator is None:
        return ""
    unit = item_unit(item, catalog)
    unit = "" if unit == "比值" else unit
    due = f"（{item.due}年起）" if item.due is not None else ""
    if same_dimension(unit or "ratio", "yes_no"):
        return "是" + due
    if item.threshold_max is not None:
        return f"{number_text(item.threshold)}至{number_text(item.threshold_max)}{unit}{due}"
    return f"{_WORDS[comparator]}{number_text(item.threshold)}{unit}{due}"


@dataclass(frozen=True)
class ItemCells:
    """Numbers of the cells that an item needs, −1 for none."""

    value: int
    whole: int
    surveyed: int
    to_survey: int


def take(array: NDArray[Any], cell: int, at: NDArray[np.int64]) -> NDArray[Any]:
    """Return the part of an array of shape (cell, place, year) of one cell and some years, shape (place, year)."""
    part: NDArray[Any] = array[cell][:, at]
    return part


@dataclass(frozen=True)
class Reading:
    """What is known of an item, arrays of shape (place, year) in the unit of the set; NaN where nothing is."""

    value: Numbers
    low: Numbers
    high: Numbers
    surveyed: Numbers
    to_survey: Numbers
    coverage: Numbers
    dataset: NDArray[np.int32]
    whole: Flags
    why: NDArray[np.int8]
    factor: float


def read_item(
    item: SetItem, where: ItemCells, chosen: Chosen, indicator: Indicator, unit: str, at: NDArray[np.int64]
) -> Reading:
    """Return the value of an item with the interval in which the truth lies and, where there is no value, why."""
    raw = take(chosen.value, where.value, at)
    nothing = np.full(raw.shape, np.nan)
    surveyed, to_survey, of = (
        nothing if cell < 0 else take(chosen.value, cell, at) for cell in (where.surveyed, where.to_survey, where.whole)
    )
    coverage = take(chosen.coverage, where.value, at)
    why = np.full(raw.shape, WHYS.index(Why.NONE), dtype=np.int8)
    blank = np.isnan(raw)
    why[blank] = WHYS.index(Why.NO_VALUE)
    if item.share_of is None:
        why[blank & (take(chosen.elsewhere, where.value, at) >= 0)] = WHYS.index(Why.OTHER_EXTENT)
    why[blank & take(chosen.stated, where.value, at)] = WHYS.index(Why.MISSING)
    minimum = -np.inf if indicator.minimum is None else indicator.minimum
    maximum = np.inf if indicator.maximum is None else indicator.maximum
    room = SLACK * np.maximum(1.0, np.abs(raw))
    wrong = ~blank & ((raw < minimum - room) | (raw > maximum + room))
    partial = (coverage < FULL) | (surveyed < to_survey * FULL)
    if item.share_of is not None:
        factor = conversion_factor("percent", unit)
        lacking = ~blank & ~(of > 0)
        why[lacking] = WHYS.index(Why.NO_WHOLE)
        wrong |= ~blank & (raw > of * (1 + SLACK))
        with np.errstate(divide="ignore", invalid="ignore"):
            answered = np.where(coverage < FULL, coverage, 1.0) * of
            value = np.where(lacking, np.nan, np.minimum(raw / answered, 1.0) * 100)
            all_of = np.where(np.isnan(to_survey), of, np.maximum(of, to_survey))
            low, high = raw / all_of * 100, np.minimum((raw + all_of - answered) / all_of, 1.0) * 100
        surveyed = of
        open_ended = take(chosen.coverage, where.whole, at) < FULL
        partial = open_ended | (coverage < FULL) | (of < to_survey * FULL)
        low = np.where(open_ended, 0.0, low)
        high = np.where(open_ended, np.where(raw < of, 100 * (1 - 1e-6), 100.0), high)
        low, high = np.where(np.isnan(value), np.nan, low), np.where(np.isnan(value), np.nan, high)
        value, low, high = value * factor, low * factor, high * factor
    else:
        factor = conversion_factor(indicator.unit, unit)
        value = raw * factor
        additive = indicator.places is OverPlaces.SUM
        low, high = value, np.where(partial & additive, np.inf, value)
        none = ~blank & (surveyed == 0)
        why[none] = WHYS.index(Why.NOT_SURVEYED)
        high = np.where(none, np.nan, high)
        low = np.where(none, np.nan, low)
    why[wrong] = WHYS.index(Why.IMPLAUSIBLE)
    if indicator.draft:
        why[~blank] = WHYS.index(Why.DRAFT)
    refused = wrong | indicator.draft
    low, high = np.where(refused, np.nan, low), np.where(refused, np.nan, high)
    return Reading(
        value=value,
        low=low,
        high=high,
        surveyed=surveyed,
        to_survey=to_survey,
        coverage=coverage,
        dataset=take(chosen.dataset, where.value, at),
        whole=~partial & ~np.isnan(low),
        why=why,
        factor=factor if item.share_of is None else 1.0,
    )


def judge(item: SetItem, known: Reading, years: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return states and reasons: met where the whole interval meets the threshold, not met where none of it does."""
    state = np.full(known.value.shape, STATES.index(ItemState.UNKNOWN), dtype=np.int8)
    why = known.why.copy()
    comparator = _comparator(item)
    if comparator is None or item.threshold is None:
        state[:] = STATES.index(ItemState.NO_THRESHOLD)
        return state, why
    bound = item.threshold
    slack = SLACK * max(1.0, abs(bound))
    low, high = known.low, known.high
    if item.threshold_max is not None:
        met = (low >= bound - slack) & (high <= item.threshold_max + slack)
        fails = (high < bound - slack) | (low > item.threshold_max + slack)
    elif comparator in (Comparator.AT_LEAST, Comparator.MORE_THAN):
        edge = bound - slack if comparator is Comparator.AT_LEAST else np.nextafter(bound + slack, np.inf)
        met, fails = low >= edge, high < edge
    else:
        edge = bound + slack if comparator is Comparator.AT_MOST else np.nextafter(bound - slack, -np.inf)
        met, fails = high <= edge, low > edge
    state[met], state[fails] = STATES.index(ItemState.MET), STATES.index(ItemState.NOT_MET)
    between = ~met & ~fails & np.isfinite(low) & ~np.isnan(high)
    why[between] = WHYS.index(Why.PARTLY_SURVEYED)
    if item.due is not None:
        early = fails & (years < item.due)[None, :]
        state[early], why[early] = STATES.index(ItemState.NO_THRESHOLD), WHYS.index(Why.NOT_DUE)
    return state, why


def shortfall(item: SetItem, value: Numbers) -> Numbers:
    """Return by how much values fall short of a threshold, negative where they are better."""
    bound = item.threshold or 0.0
    if item.threshold_max is not None:
        return np.maximum(bound - value, value - item.threshold_max)
    up = _comparator(item) in (Comparator.AT_LEAST, Comparator.MORE_THAN)
    return bound - value if up else value - bound


def trend_of(item: SetItem, change: Numbers) -> NDArray[np.int8]:
    """Return which way a change goes, −1 where none is known."""
    way = {Direction.UP: 1.0, Direction.DOWN: -1.0, Direction.NONE: 0.0}[item.direction]
    found = np.full(change.shape, -1, dtype=np.int8)
    still = np.abs(change) <= SLACK
    moved = ~np.isnan(change) & ~still
    found[still] = TRENDS.index(Trend.SAME)
    if way == 0:
        found[moved] = TRENDS.index(Trend.MOVED)
    else:
        found[moved & (change * way > 0)] = TRENDS.index(Trend.BETTER)
        found[moved & (change * way < 0)] = TRENDS.index(Trend.WORSE)
    return found
