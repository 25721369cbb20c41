"""Meters to buildings and energy items: the main meter where there is one, the parts beside it, and what the parts leave over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import ibis
import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.meter import Meter, MeterShare
from dafeng.catalog.metering_schemas import EnergyItem
from dafeng.lake.prepared import prepared
from dafeng.metering.frames import SUMS, ZERO, bits_together, first_day

__all__ = ["ITEM_SCHEMA", "contributions", "deciding", "direct_totals", "item_closure", "item_totals", "item_years"]

ITEM_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "period": pl.Date(),
    "part": pl.String(),
    "basis": pl.String(),
    **{name: pl.Float64() for name in SUMS if name != "covered"},
    "covered": pl.Int64(),
    "expected": pl.Int64(),
    "meters": pl.Int64(),
    "reporting": pl.Int64(),
    "flags": pl.Int64(),
}
"""Columns of totals of buildings. part: total, or unattributed (the main meter less its parts). basis: main (its own meters), parts
(it has none), stand-in (its own meters say nothing in the month, its parts stand for them), silent (nothing is known; amount is
null). covered, expected: seconds of the meters that it is made of. meters, reporting: how many should, and how many do report."""

_CONTRIBUTIONS: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "building": pl.String(),
    "item": pl.String(),
    "weight": pl.Float64(),
}


def contributions(
    meters: Iterable[Meter], items: Mapping[str, EnergyItem], shares: Iterable[MeterShare] = ()
) -> pl.DataFrame:
    """Return with which weight each meter counts in which building and energy item.

    Parameters
    ----------
    meters : iterable of Meter
    items : mapping
        Energy items of the catalog.
    shares : iterable of MeterShare
        Terms of items that are reckoned; a meter that has any counts only where they say so.

    Returns
    -------
    DataFrame
        meter, building, item, weight. Several meters of one item add up. A meter downstream of one of the same building and
        item is a part of it and does not count again; one downstream whose item lies elsewhere in the tree, or whose building
        is another, is taken off upstream, so that nothing counts twice.

    Raises
    ------
    InputError
        Meters are upstream of one another.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.catalog import load_catalog
    >>> kept = dict(building="b", carrier="electricity", unit="kWh", valid_from=date(2024, 1, 1))
    >>> meters = [Meter(id="main", item="01000", **kept), Meter(id="floor", item="01000", parent="main", **kept),
    ...           Meter(id="lights", item="01A00", parent="main", **kept)]
    >>> contributions(meters, load_catalog().items).select("meter", "weight").rows()
    [('main', 1.0), ('lights', 1.0)]
    """
    known = {meter.id: meter for meter in meters}
    rows: list[tuple[str, str, str, float]] = []
    shared = set()
    for share in shares:
        rows.append((share.meter, share.building, share.item, share.rate))
        shared.add(share.meter)
    above = {item.id: _line(item.id, items) for item in items.values()}
    for meter in known.values():
        if meter.id in shared:
            continue
        upstream = _counted_upstream(meter, known, shared)
        same = upstream is not None and upstream.building == meter.building and upstream.item == meter.item
        if not same:
            rows.append((meter.id, meter.building, meter.item, meter.rate))
        if upstream is None or same or meter.item[:2] != upstream.item[:2]:
            continue
        if upstream.building != meter.building or upstream.item not in above[meter.item]:
            rows.append((meter.id, upstream.building, upstream.item, -upstream.rate))
    frame = pl.DataFrame(rows, schema=_CONTRIBUTIONS, orient="row")
    summed = frame.group_by("meter", "building", "item").agg(pl.col("weight").sum())
    return summed.filter(pl.col("weight") != 0).sort("building", "item", "meter")


def _counted_upstream(meter: Meter, known: Mapping[str, Meter], shared: set[str]) -> Meter | None:
    """Return the nearest meter upstream that counts by itself."""
    passed = [meter.id]
    above = known.get(meter.parent or "")
    while above is not None:
        if above.id in passed:
            raise InputError(
                f"the meters {' → '.join([*passed, above.id])} are upstream of one another",
                doing="sum meters to energy items",
                expected="a tree of meters",
                next_step="mend the parent of one of them",
            )
        passed.append(above.id)
        upstream = known.get(above.parent or "")
        part = upstream is not None and (upstream.building, upstream.item) == (above.building, above.item)
        if not part and above.id not in shared:
            return above
        above = upstream
    return None


def _line(item: str, items: Mapping[str, EnergyItem]) -> list[str]:
    line = []
    above: str | None = item
    while above is not None and above in items and above not in line:
        line.append(above)
        above = items[above].parent
    return line


def item_closure(items: Mapping[str, EnergyItem]) -> pl.DataFrame:
    """Return for each energy item every wider one and how far up it stands.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> closure = item_closure(load_catalog().items)
    >>> closure.filter(pl.col("item") == "01B1A").select("above", "distance").rows()
    [('01B10', 1), ('01B00', 2), ('01000', 3)]
    """
    rows = [(item, above, distance) for item in items for distance, above in enumerate(_line(item, items)) if distance]
    return pl.DataFrame(rows, schema={"item": pl.String, "above": pl.String, "distance": pl.Int64}, orient="row")


@prepared
def direct_totals(periods: ibis.Table, expected: ibis.Table, weights: ibis.Table) -> ibis.Table:
    """Return what the own meters of each building and item say.

    Parameters
    ----------
    periods : Table of `PERIOD_SCHEMA`
    expected : Table
        Of `expected_seconds`, for the same periods.
    weights : Table
        Of `contributions`.

    Returns
    -------
    Table
        building, item, period, `SUMS`, expected, meters, reporting, flags. A silent meter is there, with nothing covered.
    """
    nought = ibis.literal(0).cast("int64")
    silent = expected.select(
        "meter",
        "period",
        **{name: nought if name == "covered" else ZERO for name in SUMS},
        flags=nought,
        expected=expected.expected.cast("int64"),
    )
    heard = periods.select("meter", "period", *SUMS, "flags", expected=nought)
    both = ibis.union(heard, silent, distinct=False)
    one = both.group_by("meter", "period").agg(
        **{name: both[name].sum() for name in (*SUMS, "expected")}, flags=bits_together(both.flags)
    )
    table = one.join(weights, "meter")
    return table.group_by("building", "item", "period").agg(
        **{name: (table[name] * table.weight).sum() for name in SUMS if name != "covered"},
        covered=table.covered.sum().cast("int64"),
        expected=table.expected.sum().cast("int64"),
        meters=(table.expected > 0).cast("int64").sum(),
        reporting=(table.covered > 0).cast("int64").sum(),
        flags=bits_together(table.flags),
    )


def deciding(months: ibis.Table) -> ibis.Table:
    """Return the items whose own meters say anything in a month: they are the total of that month, and of its days.

    Parameters
    ----------
    months : Table
        Of `direct_totals`.

    Returns
    -------
    Table
        building, item, month
    """
    return months.filter(months.covered > 0).select("building", "item", month="period")


_KEYS: Final = ("building", "item", "period")
_COUNTED: Final = (*SUMS, "expected", "meters", "reporting", "flags")


@prepared
def item_totals(direct: ibis.Table, closure: ibis.Table, *, decided: ibis.Table | None = None) -> ibis.Table:
    """Return totals of buildings by energy item, with what the parts leave over.

    Parameters
    ----------
    direct : Table
        Of `direct_totals`, by day or month.
    closure : Table
        Of `item_closure`.
    decided : Table, optional
        Of `deciding`, for days, so that the days of a month add up to it. Months decide for themselves.

    Returns
    -------
    Table of `ITEM_SCHEMA`
        An item with own meters is what they say. One without, or whose meters say nothing all month, is the sum of the nearest
        items below it that have any. What the nearest items below leave of an item's own meters is its unattributed row.
    """
    if decided is None:
        decided = deciding(direct)
    month = direct.mutate(month=first_day(direct.period, "month"))
    chosen = decided.select("building", "item", "month", own=ibis.literal(True))
    nodes = month.left_join(chosen, ["building", "item", "month"]).select(*_KEYS, *_COUNTED, own=ibis._.own.notnull())
    links = nodes.select(*_KEYS, "own").join(closure, "item")
    owners = nodes.filter(nodes.own).select("building", "period", above="item", barrier=ibis.literal(True))
    barred = links.left_join(owners, ["building", "period", "above"])
    nearest = barred.filter(barred.barrier.notnull()).group_by(*_KEYS).agg(nearest=ibis._.distance.min())
    reach = links.left_join(nearest, list(_KEYS)).select(*_KEYS, "above", "distance", "own", "nearest")
    reach = reach.filter(reach.nearest.isnull() | (reach.distance <= reach.nearest))
    standing = reach.filter(reach.own).select("building", "period", item="above").distinct()
    spoken = nodes.filter(nodes.own)
    unheard = nodes.filter(~nodes.own).anti_join(standing, list(_KEYS))
    givers = ibis.union(spoken, unheard.select(*spoken.columns), distinct=False)
    given = givers.join(reach.select(*_KEYS, "above"), list(_KEYS))
    parts = given.group_by("building", "above", "period").agg(
        **{name: given[name].sum() for name in _COUNTED if name != "flags"},
        flags=bits_together(given.flags),
        heard=given.own.cast("int64").sum(),
    )
    nought = ibis.literal(0).cast("int64")
    types = {name: ZERO if name in SUMS and name != "covered" else nought for name in _COUNTED}
    left = nodes.select(
        *_KEYS,
        *_COUNTED,
        own=nodes.own.cast("int64"),
        metered=ibis.literal(1).cast("int64"),
        heard=nought,
        **{f"parts_{name}": kind for name, kind in types.items()},
    )
    right = parts.select(
        "building",
        "period",
        "heard",
        item="above",
        **types,
        own=nought,
        metered=nought,
        **{
            f"parts_{name}": parts[name].cast("int64") if kind is nought else parts[name]
            for name, kind in types.items()
        },
    )
    both = ibis.union(left, right.select(*left.columns), distinct=False)
    names = [name for name in left.columns if name not in _KEYS and not name.endswith("flags")]
    one = both.group_by(*_KEYS).agg(
        **{name: both[name].sum() for name in names},
        flags=bits_together(both.flags),
        parts_flags=bits_together(both.parts_flags),
    )
    own, has_parts = one.own > 0, one.heard > 0
    basis = ibis.cases(
        (own, "main"),
        ((one.metered > 0) & has_parts, "stand-in"),
        (has_parts, "parts"),
        else_="silent",
    )
    by_parts = ~own & (has_parts | (one.metered == 0))
    amounts = {name: ibis.ifelse(by_parts, one[f"parts_{name}"], one[name]) for name in _COUNTED}
    amounts["amount"] = ibis.ifelse(own | has_parts, amounts["amount"], ibis.null("float64"))
    totals = one.select(*_KEYS, part=ibis.literal("total"), basis=basis, **amounts)
    beside = one.filter(own & has_parts)
    rest = beside.select(
        *_KEYS,
        part=ibis.literal("unattributed"),
        basis=ibis.literal("main"),
        **{name: beside[name] - beside[f"parts_{name}"] for name in SUMS if name != "covered"},
        **{name: beside[name] for name in ("covered", "expected", "meters", "reporting", "flags")},
    )
    columns = list(ITEM_SCHEMA)
    whole = dict.fromkeys(("covered", "expected", "meters", "reporting", "flags"), "int64")
    return ibis.union(totals.cast(whole).select(*columns), rest.cast(whole).select(*columns), distinct=False)


@prepared
def item_years(months: ibis.Table) -> ibis.Table:
    """Return years of buildings by energy item: the sums of their months.

    Parameters
    ----------
    months : Table of `ITEM_SCHEMA`

    Returns
    -------
    Table of `ITEM_SCHEMA`
        basis is mixed where months differ; meters and reporting are those of the month that has most.
    """
    table = months.mutate(period=first_day(months.period, "year"))
    sums = table.group_by("building", "item", "part", "period").agg(
        **{name: table[name].sum() for name in (*SUMS, "expected")},
        meters=table.meters.max(),
        reporting=table.reporting.max(),
        flags=bits_together(table.flags),
        low=table.basis.min(),
        high=table.basis.max(),
    )
    named = sums.mutate(spread=sums.over_year, basis=ibis.ifelse(sums.low == sums.high, sums.low, "mixed")).cast(
        {"covered": "int64", "expected": "int64"}
    )
    return named.select(*ITEM_SCHEMA)
