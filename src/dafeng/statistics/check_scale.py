"""On which scale a change of an indicator is judged, and what change is usual for it.

Amounts and intensities are compared by ratio (natural logarithm), shares by the angular scale asin √p, on which a step
near 0 or 100 % weighs little less than one in the middle but is never stretched without end as a logit is; whatever may be
negative is compared as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dafeng.base.quantity import root_factor, same_dimension
from dafeng.catalog.schemas import Indicator, IndicatorMeasure
from dafeng.statistics.check_table import Floats, Table

__all__ = [
    "AMOUNT",
    "ANGLE",
    "PLAIN",
    "changes",
    "changes_of_places",
    "median",
    "on_scale",
    "scale_of",
    "usual_around",
    "usual_changes",
]

AMOUNT: Final = "amount"
"""Compared by ratio."""
ANGLE: Final = "angle"
"""Compared on the angular scale."""
PLAIN: Final = "plain"
"""Compared as it stands."""
_FLOOR: Final = {AMOUNT: 0.004, ANGLE: 0.008, PLAIN: 1e-9}
_AMOUNTS: Final = (IndicatorMeasure.STOCK, IndicatorMeasure.FLOW, IndicatorMeasure.INTENSITY)
_LEAST: Final = 5


def scale_of(indicator: Indicator) -> str | None:
    """Return the scale on which an indicator's values are compared, None where they are states.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> indicators = load_catalog().indicators
    >>> [scale_of(indicators[name]) for name in ("road_length", "gas_coverage", "carbon_peak")]
    ['amount', 'angle', None]
    """
    if indicator.measure is IndicatorMeasure.STATE:
        return None
    if indicator.minimum is None or indicator.minimum < 0:
        return PLAIN
    if indicator.measure is IndicatorMeasure.SHARE and same_dimension(indicator.unit, "percent"):
        return ANGLE
    return AMOUNT if indicator.measure in _AMOUNTS else PLAIN


def on_scale(values: Floats, indicator: Indicator) -> Floats:
    """Return values on the scale of their indicator; NaN where they have no place on it (zero by ratio).

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> on_scale(np.array([50.0, 100.0, 110.0]), load_catalog().indicators["gas_coverage"]).round(3).tolist()
    [0.785, 1.571, 1.671]
    """
    scale = scale_of(indicator)
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == AMOUNT:
            return np.where(values > 0, np.log(values), np.nan)
        if scale == ANGLE:
            shares = values * root_factor(indicator.unit)
            beyond = np.maximum(shares - 1.0, 0.0)
            return np.where(shares >= 0, np.arcsin(np.sqrt(np.clip(shares, 0.0, 1.0))) + beyond, np.nan)
        return values if scale == PLAIN else np.full(values.shape, np.nan)


def median(values: Floats, *, least: int = 1, quantile: float = 0.5) -> Floats:
    """Return the median over the last axis of what is not NaN; NaN where fewer than `least` are there.

    Examples
    --------
    >>> median(np.array([[3.0, np.nan, 1.0, 2.0], [np.nan, np.nan, np.nan, 5.0]]), least=2).tolist()
    [2.0, nan]
    """
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    ordered = np.sort(values, axis=-1)
    known = values.shape[-1] - np.isnan(ordered).sum(axis=-1)
    place = quantile * np.maximum(known - 1, 0)
    low = np.floor(place).astype(np.int64)
    high = np.ceil(place).astype(np.int64)
    below = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    above = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
    middle = below + (above - below) * (place - low)
    return np.where(known >= max(least, 1), middle, np.nan)


def scaled(table: Table, indicators: Mapping[str, Indicator]) -> Floats:
    """Return the values of a table, each series on its own scale."""
    found = np.empty(table.values.shape)
    for number, series in enumerate(table.series):
        found[number] = on_scale(table.values[number], indicators[series.indicator])
    return found


def changes(heights: Floats) -> Floats:
    """Return the change to each year from the year before, shape (…, year, place); NaN in the first year."""
    found = np.full(heights.shape, np.nan)
    found[..., 1:, :] = heights[..., 1:, :] - heights[..., :-1, :]
    return found


def usual_changes(steps: Floats, floor: float) -> Floats:
    """Return the median size of the changes of each series, shape (series,); changes of nothing do not count.

    Parameters
    ----------
    steps : float array, shape (series, year, place)
    floor : float
        Smallest usual change: what rounding alone may make.
    """
    sizes = np.abs(steps).reshape(steps.shape[0], -1)
    found = median(np.where(sizes > 0, sizes, np.nan), least=_LEAST)
    return np.fmax(found, floor)


def usual_around(sizes: Floats, window: int) -> Floats:
    """Return the median size of each series around each year, shape (series, year): the middle of the medians of the years.

    Statistics grow steadier over the years, so that what was usual long ago is no measure of today.

    Parameters
    ----------
    sizes : float array, shape (series, year, place)
    window : int
        Years before and after that count; NaN where fewer than three of them are known.
    """
    yearly = median(np.where(sizes > 0, sizes, np.nan), least=_LEAST)
    padded = np.pad(yearly, ((0, 0), (window, window)), constant_values=np.nan)
    return median(sliding_window_view(padded, 2 * window + 1, axis=1), least=3)


def changes_of_places(steps: Floats) -> Floats:
    """Return the median size of the changes of each place, shape (series, place); NaN where fewer than five are known."""
    return median(np.moveaxis(np.abs(steps), 1, -1), least=_LEAST)


def floors(table: Table, indicators: Mapping[str, Indicator]) -> NDArray[np.float64]:
    """Return the smallest usual change of each series."""
    return np.array([_FLOOR[scale_of(indicators[one.indicator]) or PLAIN] for one in table.series])
