"""What the platform must say of an invented city: the truth of the plan where data exist, and for how much of the time they do.

It is reckoned from the plan's whole numbers and from which readings arrive, never from what was sent: between two usable
readings the energy of the plan is shared out over the time that the platform sees, by plain interpolation of running totals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.catalog.metering_schemas import EnergyItem
from dafeng.gateway.simulator_faults import Shown
from dafeng.gateway.simulator_loads import Array
from dafeng.gateway.simulator_plan import CityPlan, Ticks

__all__ = ["building_truth", "city_truth", "local_edges", "meter_truth", "used_in_all"]


def local_edges(first: date, past: date, *, zone: str, hours: int = 24) -> Ticks:
    """Return seconds since 1970 of local midnights from `first` to `past`, and of the hours between where `hours` is 1.

    Examples
    --------
    >>> local_edges(date(1970, 1, 2), date(1970, 1, 3), zone="Asia/Shanghai").tolist()
    [57600, 144000]
    """
    known = ZoneInfo(zone)
    start, end = (datetime(day.year, day.month, day.day, tzinfo=known) for day in (first, past))
    if hours == 24:
        days = [first + timedelta(days=number) for number in range((past - first).days + 1)]
        return np.array([datetime(day.year, day.month, day.day, tzinfo=known).timestamp() for day in days], np.int64)
    return np.arange(int(start.timestamp()), int(end.timestamp()) + 1, 3600 * hours)


def meter_truth(plan: CityPlan, shown: Shown, edges: Ticks) -> tuple[Array, Array]:
    """Return what the platform must say of each meter in each span.

    Parameters
    ----------
    plan : CityPlan
    shown : Shown
    edges : array of int, shape (span + 1,)
        Seconds since 1970.

    Returns
    -------
    amount : array, shape (meter, span)
        In the unit of the meter's item.
    covered : array, shape (meter, span)
        Seconds whose energy is in it.
    """
    when = plan.instants
    milli = plan.milli.astype(float) / 1000
    number = plan.meters["number"].to_numpy()
    known_milli = np.where(shown.known, shown.counted, 0) * milli[:, None]
    seconds = np.where(shown.known, np.diff(when)[None, :], 0)
    plain = shown.usable.all(axis=1) & ~shown.late[number].any(axis=1)
    amount = np.empty((plan.meters.height, edges.size - 1))
    covered = np.empty_like(amount)
    if plain.any():
        amount[plain] = _differences(when, known_milli[plain], edges)
        covered[plain] = _differences(when, seconds[plain].astype(float), edges)
    for row in np.flatnonzero(~plain):  # the few whose readings are late, lost or set aside
        used = np.flatnonzero(shown.usable[row])
        if used.size < 2:
            amount[row], covered[row] = 0.0, 0.0
            continue
        at = (when + shown.late[number[row]])[used]
        whole = np.minimum.reduceat(shown.known[row].astype(int), used[:-1])
        energy = np.add.reduceat(shown.counted[row] * milli[row], used[:-1])
        if used[-1] < shown.known.shape[1]:  # what comes after the last usable reading is of no interval
            past = shown.known.shape[1]
            whole[-1] = int(shown.known[row, used[-2] : used[-1]].all())
            energy[-1] -= (shown.counted[row, used[-1] : past] * milli[row]).sum()
        amount[row] = _differences(at, (energy * whole)[None, :], edges)[0]
        covered[row] = _differences(at, (np.diff(at) * whole).astype(float)[None, :], edges)[0]
    return amount, covered


def _differences(at: Ticks, steps: Array, edges: Ticks) -> Array:
    """Return what running totals of `steps` between the instants `at` gain between edges, shape (row, span)."""
    total = np.concatenate([np.zeros((steps.shape[0], 1)), np.cumsum(steps, axis=1)], axis=1)
    place = np.clip(np.searchsorted(at, edges, side="right") - 1, 0, at.size - 2)
    share = np.clip((edges - at[place]) / (at[place + 1] - at[place]), 0, 1)
    return np.asarray(np.diff(total[:, place] + (total[:, place + 1] - total[:, place]) * share, axis=1))


def building_truth(
    plan: CityPlan, amount: Array, covered: Array, items: Mapping[str, EnergyItem]
) -> tuple[pl.DataFrame, Array, Array]:
    """Return what the platform must say of each building and carrier: its main meter, else the sum of its branches.

    Parameters
    ----------
    plan : CityPlan
    amount, covered : array, shape (meter, span)
        Of `meter_truth`.
    items : mapping
        Energy items of the catalog.

    Returns
    -------
    names : DataFrame
        building, place, item (that of the carrier), one row for each row of the arrays.
    amount, covered : array, shape (building and carrier, span)
    """
    places = dict(plan.buildings.select("building", "place").iter_rows())
    keys: list[tuple[str, str]] = []
    chosen: list[list[int]] = []
    table = plan.meters.with_row_index("row").filter(pl.col("parent").is_null())
    for (building, carrier), group in table.with_columns(carrier=pl.col("item").str.head(2)).group_by(
        "building", "carrier", maintain_order=True
    ):
        top = f"{carrier}000"
        own = group.filter(pl.col("item") == top)["row"].to_list()
        branches = group.filter(pl.col("item").is_in([item.id for item in items.values() if item.parent == top]))
        keys.append((str(building), top))
        chosen.append(own or branches["row"].to_list())
    names = pl.DataFrame(keys, schema=["building", "item"], orient="row").with_columns(
        place=pl.col("building").replace_strict(places)
    )
    sums = [np.stack([rows[part].sum(axis=0) for part in chosen]) for rows in (amount, covered)]
    return names.select("building", "place", "item"), sums[0], sums[1]


def city_truth(names: pl.DataFrame, amount: Array) -> dict[str, Array]:
    """Return the sum over the buildings for each item of a carrier, shape (span,).

    Parameters
    ----------
    names : DataFrame
    amount : array, shape (building and carrier, span)
        Of `building_truth`.
    """
    items = names["item"].to_numpy()
    return {item: np.asarray(amount[items == item].sum(axis=0)) for item in names["item"].unique().sort()}


def used_in_all(plan: CityPlan, edges: Ticks) -> Array:
    """Return what was used, whatever went wrong: shape (meter, span), in the unit of the meter's item."""
    return _differences(plan.instants, plan.use * (plan.milli.astype(float) / 1000)[:, None], edges)


def truth_frame(plan: CityPlan, shown: Shown, edges: Ticks) -> pl.DataFrame:
    """Return the truth as a table: meter, building, item, unit, start, end (UTC), used, metered, covered.

    used: what was used. metered: what the platform must say, as far as readings arrive. covered: seconds whose energy is in it.
    """
    amount, covered = meter_truth(plan, shown, edges)
    spans = edges.size - 1
    instants: npt.NDArray[np.int64] = np.tile(edges[:-1], plan.meters.height)
    long = (
        plan.meters.select("meter", "building", "item", "unit")
        .select(pl.all().repeat_by(spans))
        .explode("meter", "building", "item", "unit")
    )
    return long.with_columns(
        start=_utc(instants),
        end=_utc(np.tile(edges[1:], plan.meters.height)),
        used=pl.Series(used_in_all(plan, edges).ravel()).round(6),
        metered=pl.Series(amount.ravel()).round(6),
        covered=pl.Series(covered.ravel()).round().cast(pl.Int64),
    )


def _utc(seconds: npt.NDArray[np.int64]) -> pl.Series:
    return pl.Series(seconds * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def event_rows(shown: Shown) -> pl.DataFrame:
    """Return the events beside the readings with their times as text, for a file."""
    return shown.events.with_columns(pl.col(pl.Datetime).dt.to_string("%Y-%m-%dT%H:%M:%SZ"))
