"""Buildings to districts and cities: sums of what is there, with coverage and counts, never nothing because one is silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import ibis
import polars as pl

from dafeng.base.building import Building
from dafeng.base.place import PlaceKind, PlaceTree
from dafeng.catalog.metering_schemas import EnergyItem
from dafeng.lake.prepared import prepared
from dafeng.metering.converting import BESIDE, NOT_ENERGY
from dafeng.metering.frames import ZERO, first_day

__all__ = ["PLACE_SCHEMA", "building_frame", "item_frame", "place_closure", "place_totals", "place_years"]

PLACE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "place": pl.String(),
    "place_kind": pl.String(),
    "period": pl.Date(),
    "building_class": pl.String(),
    "carrier": pl.String(),
    "end_use": pl.String(),
    "amount": pl.Float64(),
    "spread": pl.Float64(),
    "withheld": pl.Float64(),
    "covered": pl.Int64(),
    "expected": pl.Int64(),
    "buildings": pl.Int64(),
    "reporting": pl.Int64(),
    "area": pl.Float64(),
    "area_covered": pl.Float64(),
    "tce": pl.Float64(),
    "tce_generation": pl.Float64(),
    "co2": pl.Float64(),
    "without_tce": pl.Int64(),
    "without_co2": pl.Int64(),
    "factors": pl.String(),
}
"""Columns of totals of places. place_kind: division, or zone, which is a view and is never added to divisions. carrier: all is
energy without water and without what is generated on site, in tonnes only (amount null). end_use: all, those of electricity, and
unattributed, with which they add up. buildings: how many have a meter in service; reporting: how many say anything. area: floor area
of buildings, area_covered: of it, weighted with each building's covered time. without_tce, without_co2: buildings with energy for
which no factor answers. factors: which factors, as a JSON list of distinct notes."""

_SUMMED: Final = ("spread", "withheld", "covered", "expected", "buildings", "reporting", "area", "area_covered")
_TONNES: Final = ("tce", "tce_generation", "co2")


def building_frame(buildings: Iterable[Building]) -> pl.DataFrame:
    """Return buildings as the small table that totals of places need: building, place, building_class, area."""
    rows = [(one.id, one.place, one.building_class, one.gross_area) for one in buildings]
    schema = {"building": pl.String, "place": pl.String, "building_class": pl.String, "area": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def item_frame(items: Mapping[str, EnergyItem]) -> pl.DataFrame:
    """Return the energy items that totals of places use: carriers' totals, and the end uses of the second level.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> item_frame(load_catalog().items).filter(pl.col("item") == "01B00").select("carrier", "end_use").row(0)
    ('electricity', 'air_conditioning')
    """
    rows = [
        (item.id, item.carrier, "all" if item.level == 1 else item.end_use)
        for item in items.values()
        if item.level == 1 or (item.level == 2 and item.end_use != "all")
    ]
    return pl.DataFrame(rows, schema={"item": pl.String, "carrier": pl.String, "end_use": pl.String}, orient="row")


def place_closure(places: PlaceTree, used: Iterable[str]) -> pl.DataFrame:
    """Return for each place the ones in which its buildings count: itself, those above it, and the zones over it as views.

    Parameters
    ----------
    places : PlaceTree
    used : iterable of place ids
        Places of buildings.

    Returns
    -------
    DataFrame
        place, within, place_kind. What lies in a zone counts in the zone as a view, and in the one division on whose ground the
        zone lies; where it lies on several, only in what is above the zone.
    """
    rows = []
    for place in sorted(set(used)):
        first: str | None = place
        if places.get(place).kind is PlaceKind.ZONE:
            rows.append((place, place, PlaceKind.ZONE.value))
            ground = [one for one in places.get(place).overlaps if places.get(one).kind is PlaceKind.DIVISION]
            first = ground[0] if len(ground) == 1 else places.get(place).parent
        if first is not None:
            rows += [(place, one, places.get(one).kind.value) for one in (first, *places.ancestor_ids(first))]
    schema = {"place": pl.String, "within": pl.String, "place_kind": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").unique().sort("place", "within")


@prepared
def place_totals(
    totals: ibis.Table,
    buildings: ibis.Table,
    closure: ibis.Table,
    items: ibis.Table,
    rates: ibis.Table,
) -> ibis.Table:
    """Return totals of places by period, class of building, carrier and end use.

    Parameters
    ----------
    totals : Table of `ITEM_SCHEMA`
        By month, or by year where the rates are by year.
    buildings : Table
        Of `building_frame`; totals of other buildings are left out.
    closure : Table
        Of `place_closure`.
    items : Table
        Of `item_frame`.
    rates : Table of `RATE_SCHEMA`
        Of `conversion_rates`, for the places of the buildings.

    Returns
    -------
    Table of `PLACE_SCHEMA`
        A silent building is in the counts, the expected seconds and the area, not in the amounts. The end uses and
        ``unattributed`` add up to ``all``.
    """
    kept = totals.filter(totals.part == "total").join(items, "item").join(buildings, "building")
    table = kept.left_join(rates, ["place", "carrier", "period"]).select(
        *("building", "place", "building_class", "period", "carrier", "end_use"),
        *("amount", "spread", "withheld", "covered", "expected", "factors"),
        area=kept.area.fill_null(ZERO),
        heard=(kept.covered > 0),
        **{name: kept.amount * rates[name] for name in _TONNES},
        energy=~kept.carrier.isin(sorted(NOT_ENERGY | BESIDE)),
    )
    some = table.heard & table.energy & (table.amount.fill_null(ZERO) != 0)
    rows = table.select(
        *("building", "place", "building_class", "period", "carrier", "end_use", "factors", "energy"),
        *("amount", "spread", "withheld", "covered", "expected", "area", *_TONNES),
        buildings=(table.expected > 0).cast("int64"),
        reporting=table.heard.cast("int64"),
        area_covered=ibis.ifelse(table.expected > 0, table.area * table.covered / table.expected, ZERO),
        without_tce=(some & table.tce.isnull()).cast("int64"),
        without_co2=(some & table.co2.isnull()).cast("int64"),
    )
    whole = rows.filter(rows.energy & (rows.end_use == "all"))
    whole = whole.group_by("building", "place", "building_class", "period").agg(
        **{name: whole[name].sum() for name in (*_TONNES, "covered", "expected")},
        **{name: whole[name].max() for name in ("area", "buildings", "reporting", "without_tce", "without_co2")},
    )
    whole = whole.mutate(
        carrier=ibis.literal("all"),
        end_use=ibis.literal("all"),
        factors=ibis.null("string"),
        energy=ibis.literal(True),
        amount=ibis.null("float64"),
        spread=ZERO,
        withheld=ZERO,
        area_covered=ibis.ifelse(whole.expected > 0, whole.area * whole.covered / whole.expected, ZERO),
    )
    parts = ibis.union(
        rows, whole.cast({"covered": "int64", "expected": "int64"}).select(*rows.columns), distinct=False
    )
    every = ibis.union(parts, parts.mutate(building_class=ibis.literal("all")), distinct=False)
    placed = every.join(closure, "place")
    keys = ["within", "place_kind", "period", "building_class", "carrier"]
    sums = placed.group_by(*keys, "end_use").agg(
        **{name: placed[name].sum() for name in ("amount", *_SUMMED, *_TONNES, "without_tce", "without_co2")},
        factors=placed.factors.max(),
        other_factors=placed.factors.min(),
    )
    whole_use, named = sums.filter(sums.end_use == "all"), sums.filter(sums.end_use != "all")
    uses = named.group_by(*keys).agg(**{f"used_{name}": named[name].sum() for name in ("amount", *_TONNES)})
    rest = whole_use.join(uses, keys)
    rest = rest.mutate(
        end_use=ibis.literal("unattributed"),
        **{name: rest[name] - rest[f"used_{name}"] for name in ("amount", *_TONNES)},
    )
    result = ibis.union(sums, rest.select(*sums.columns), distinct=False)
    same = (result.factors == result.other_factors) | result.factors.isnull()
    listed = ibis.ifelse(same, result.factors, result.other_factors + "," + result.factors)
    whole_numbers = dict.fromkeys(
        ("covered", "expected", "buildings", "reporting", "without_tce", "without_co2"), "int64"
    )
    return (
        result.mutate(factors=ibis.literal("[") + listed.fill_null("") + "]")
        .rename(place="within")
        .cast(whole_numbers)
        .select(*PLACE_SCHEMA)
    )


@prepared
def place_years(months: ibis.Table) -> ibis.Table:
    """Return years of places: the sums of their months.

    Parameters
    ----------
    months : Table of `PLACE_SCHEMA`
        Standard coal and carbon are already those of each month's factors.

    Returns
    -------
    Table of `PLACE_SCHEMA`
        buildings, reporting and area are those of the month with most; area_covered is weighted with the months' time in service.
    """
    keys = ["place", "place_kind", "period", "building_class", "carrier", "end_use"]
    table = months.mutate(period=first_day(months.period, "year"), weighted=months.area_covered * months.expected)
    sums = table.group_by(*keys).agg(
        **{
            name: table[name].sum()
            for name in ("amount", "spread", "withheld", "covered", "expected", *_TONNES, "weighted")
        },
        **{name: table[name].max() for name in ("buildings", "reporting", "area", "without_tce", "without_co2")},
        first=table.factors.min(),
        other=table.factors.max(),
    )
    return (
        sums.mutate(
            area_covered=ibis.ifelse(sums.expected > 0, sums.weighted / sums.expected, ZERO),
            factors=ibis.ifelse(
                sums.first == sums.other, sums.first, ibis.literal("[") + sums.first + "," + sums.other + "]"
            ),
        )
        .cast(dict.fromkeys(("covered", "expected", "buildings", "reporting", "without_tce", "without_co2"), "int64"))
        .select(*PLACE_SCHEMA)
    )
