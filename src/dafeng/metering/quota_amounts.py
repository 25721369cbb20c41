"""Which energy of a building is held against which quota, as a range where meters do not tell it apart.

The range is honest: its lower end is what is known to count, its upper end what may count at most. Coverage below one
stretches the upper end (energy not measured may be there), energy withheld from totals is in it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from dafeng.catalog.expression import FieldType, evaluate, expression_names
from dafeng.catalog.metering_schemas import QuotaMethod
from dafeng.metering.quota_matching import with_fields

__all__ = ["AMOUNT_SCHEMA", "USE_SCHEMA", "counted_amounts", "yearly_use"]

USE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "item": pl.String(),
    "period": pl.String(),
    "amount": pl.Float64(),
    "spread": pl.Float64(),
    "withheld": pl.Float64(),
    "coverage": pl.Float64(),
}
"""Columns of yearly use: building, energy item, year as text, amount in the item's unit (spread in it, withheld not), and the
covered share of the year."""

AMOUNT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "measure": pl.String(),
    "part": pl.String(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "size_low": pl.Float64(),
    "size_high": pl.Float64(),
    "coverage": pl.Float64(),
    "counted": pl.String(),
    "joint": pl.Float64(),
    "missing": pl.List(pl.String()),
}
"""Columns of amounts: measure and part (main, garage, data_room); least and largest amount; least and largest size by which it
is divided (m² or households), null where nobody knows; least coverage of the items; items counted; floor area of a garage
whose energy could not be told apart and is in the amount; fields and items that would narrow the range."""
_TOTAL: Final = "01000"
_PARTS: Final = ("01A00", "01B00", "01C00", "01D00")
_GAS: Final = "03000"


def yearly_use(years: pl.DataFrame) -> pl.DataFrame:
    """Return the yearly totals of the roll-up as use by building and item.

    Parameters
    ----------
    years : DataFrame of `dafeng.metering.items.ITEM_SCHEMA`
        Years; unattributed rows are passed over, the totals contain them.

    Returns
    -------
    DataFrame of `USE_SCHEMA`
        Coverage is of the whole year: meters that came into service in July cover half of it at most.

    Examples
    --------
    >>> from datetime import date
    >>> years = pl.DataFrame({"building": ["a"], "item": ["01000"], "period": [date(2023, 1, 1)], "part": ["total"],
    ...                       "amount": [50.0], "spread": [1.0], "withheld": [0.0], "covered": [15768000], "expected": [15768000]})
    >>> yearly_use(years).select("period", "amount", "coverage").row(0)
    ('2023', 50.0, 0.5)
    """
    year = pl.col("period").dt.year()
    seconds = (pl.date(year + 1, 1, 1) - pl.date(year, 1, 1)).dt.total_seconds()
    share = pl.when(pl.col("expected") > 0).then(pl.col("covered") / pl.col("expected")).otherwise(0.0)
    return years.filter(pl.col("part") == "total").select(
        "building", "item", period=year.cast(pl.String), amount="amount", spread="spread", withheld="withheld",
        coverage=(share * (pl.col("expected") / seconds).clip(0.0, 1.0)).clip(0.0, 1.0),
    )  # fmt: skip


def counted_amounts(
    buildings: pl.DataFrame, use: pl.DataFrame, method: QuotaMethod, types: dict[str, FieldType], *, year: int
) -> pl.DataFrame:
    """Return what each building used in a year by measure and part, as a range.

    Parameters
    ----------
    buildings : DataFrame
        `building` and fields of the register of buildings.
    use : DataFrame of `USE_SCHEMA`
        Yearly use; rows of other years are passed over.
    method : QuotaMethod
    types : mapping from field to FieldType
        `quota_types` of the catalog.
    year : int

    Returns
    -------
    DataFrame of `AMOUNT_SCHEMA`
        Non-heating use in kWh of electricity, heat in GJ, household electricity in kWh and gas in m³.
    """
    fields = ["gross_area", "heated_area", "households", "climate_zone", "building_class", "heating_kind"]
    fields += [name for part in method.apart for name in (part.area_field, part.amount_field) if name]
    frame = with_fields(buildings, [*fields, method.electric_heating], types)
    frame = _with_items(frame, use.filter(pl.col("period") == str(year)), method)
    zone = pl.col("climate_zone")
    frame = frame.with_columns(
        apart=zone.is_in(list(method.heating_zones)),  # null where the zone is unknown
        heat_bought=pl.col(f"{method.heat_item}_low").is_not_null(),
    )
    parts = [_apart(frame, part.id, part.area_field) for part in method.apart]
    homes = pl.col("building_class") == "residential"
    main = [
        _non_heating(frame.filter(~homes.fill_null(False)), method, types),
        _heat(frame, method),
        _household(frame.filter(homes), method, types),
        _household_gas(frame.filter(homes), method),
    ]
    return pl.concat([*main, *parts]).select(pl.col(name).cast(kind) for name, kind in AMOUNT_SCHEMA.items())


def _with_items(frame: pl.DataFrame, use: pl.DataFrame, method: QuotaMethod) -> pl.DataFrame:
    """Return buildings with columns `<item>_low`, `_high`, `_coverage`, null where the item has no row."""
    use = use.select("building", "item", "amount", "coverage", withheld=pl.col("withheld").fill_null(0.0))
    rows = use.select(
        "building",
        "item",
        low=pl.col("amount"),
        high=pl.when(pl.col("coverage") > 0).then(pl.col("amount") / pl.col("coverage") + pl.col("withheld")),
        coverage=pl.col("coverage").fill_null(0.0),
    )
    whole = (
        rows.filter(pl.col("item").is_in(_PARTS))
        .group_by("building")
        .agg(pl.col("low", "high").sum(), pl.col("coverage").min(), all_there=pl.col("item").n_unique() == len(_PARTS))
    )
    known = rows.filter(pl.col("item") == _TOTAL)["building"].implode()
    whole = whole.filter("all_there" if whole.height else pl.lit(True)).filter(~pl.col("building").is_in(known))
    rows = pl.concat([rows, whole.select("building", item=pl.lit(_TOTAL), low="low", high="high", coverage="coverage")])
    items = dict.fromkeys([
        *method.equivalents, *method.not_counted, *method.heating_items, method.heat_item, _GAS,
        *(item for part in method.apart for item in part.items),
    ])  # fmt: skip
    for item in items:
        own = (
            rows.filter(pl.col("item") == item)
            .group_by("building")
            .agg(pl.col("low", "high").sum(), pl.col("coverage").min())
        )
        frame = frame.join(
            own.rename({name: f"{item}_{name}" for name in ("low", "high", "coverage")}), on="building", how="left"
        )
    for part in method.apart:
        frame = _with_part(frame, part.id, part.items, part.amount_field)
    return frame


def _with_part(frame: pl.DataFrame, name: str, items: Iterable[str], field: str | None) -> pl.DataFrame:
    """Return buildings with `<part>_low` and `_high`: what its items say, else what the ledger says."""
    ledger = [field] if field else []
    return frame.with_columns(
        pl.coalesce([*(f"{item}_{end}" for item in items), *ledger]).alias(f"{name}_{end}") for end in ("low", "high")
    )


def _sum(columns: Iterable[str]) -> pl.Expr:
    return pl.sum_horizontal([pl.lit(0.0), *(pl.col(name).fill_null(0.0) for name in columns)])


def _apart(frame: pl.DataFrame, name: str, area: str) -> pl.DataFrame:
    """Return a part that is judged by itself, of the buildings that have it."""
    there = (pl.col(area) > 0).fill_null(False) | (pl.col(f"{name}_low") > 0).fill_null(False)
    unknown = [
        pl.when(pl.col(f"{name}_low").is_null()).then(pl.lit(f"{name}_electricity")),
        pl.when(pl.col(area).is_null()).then(pl.lit(area)),
    ]
    return frame.filter(there).select(
        "building",
        measure=pl.lit("non_heating"),
        part=pl.lit(name),
        low=f"{name}_low",
        high=f"{name}_high",
        size_low=pl.col(area),
        size_high=pl.col(area),
        coverage=pl.coalesce(pl.col(f"{_TOTAL}_coverage"), pl.lit(1.0)),
        counted=pl.lit(name),
        joint=pl.lit(None, pl.Float64),
        missing=pl.concat_list(unknown).list.drop_nulls(),
    )


def _electric_heating(frame: pl.DataFrame, method: QuotaMethod, types: dict[str, FieldType]) -> tuple[pl.Expr, pl.Expr]:
    """Return where electricity for heating may be in the total untold, and the name of what would tell."""
    heats = evaluate(method.electric_heating, types)
    told = pl.any_horizontal([pl.lit(False), *(pl.col(f"{item}_low").is_not_null() for item in method.heating_items)])
    untold = pl.col("apart").fill_null(True) & heats.fill_null(True) & ~told & ~pl.col("heat_bought")
    field, *_ = expression_names(method.electric_heating)
    item = method.heating_items[0] if method.heating_items else field
    name = pl.when(heats.is_null()).then(pl.lit(field)).otherwise(pl.lit(item))
    return untold, pl.when(untold).then(name)


def _non_heating(frame: pl.DataFrame, method: QuotaMethod, types: dict[str, FieldType]) -> pl.DataFrame:
    """Return what counts as non-heating use of the building without the parts that are judged apart."""
    apart_low, apart_high = pl.col("apart").fill_null(True), pl.col("apart").fill_null(False)
    low = high = pl.lit(0.0)
    asked: list[pl.Expr] = []
    for item, factor in method.equivalents.items():
        some, most = pl.col(f"{item}_low").fill_null(0.0) * factor, pl.col(f"{item}_high") * factor
        most = pl.when(pl.col(f"{item}_low").is_null()).then(0.0).otherwise(most)
        if item == method.heat_item:  # heating, except where heating is not judged apart
            some, most = pl.when(apart_low).then(0.0).otherwise(some), pl.when(apart_high).then(0.0).otherwise(most)
        elif item in method.heating_fuels:
            untold = apart_low & ~pl.col("heat_bought") & (pl.col(f"{item}_low") > 0).fill_null(False)
            some = pl.when(untold).then(0.0).otherwise(some)
            asked.append(pl.when(untold).then(pl.lit(item)))
        low, high = low + some, high + most
    out_low = [f"{item}_low" for item in method.not_counted]
    out_high = [f"{item}_high" for item in method.not_counted]
    heating_low, heating_high = ([f"{item}_{end}" for item in method.heating_items] for end in ("low", "high"))
    low = low - _sum(out_high) - pl.when(apart_low).then(_sum(heating_high)).otherwise(0.0)
    high = high - _sum(out_low) - pl.when(apart_high).then(_sum(heating_low)).otherwise(0.0)
    area, joint = pl.col("gross_area"), pl.lit(0.0)
    nothing = unbounded = pl.lit(False)
    for part in method.apart:
        told, there = pl.col(f"{part.id}_low").is_not_null(), (pl.col(part.area_field) > 0).fill_null(False)
        low, high = low - pl.col(f"{part.id}_high").fill_null(0.0), high - pl.col(f"{part.id}_low").fill_null(0.0)
        area = area - pl.col(part.area_field).fill_null(0.0)
        # Its energy is out while its area is not known: what is left may be as small as one likes.
        sizeless = (pl.col(f"{part.id}_low") > 0).fill_null(False) & pl.col(part.area_field).is_null()
        unbounded = unbounded | sizeless
        asked.append(pl.when(sizeless).then(pl.lit(part.area_field)))
        if part.id == "garage":
            joint = pl.when(there & ~told).then(pl.col(part.area_field)).otherwise(0.0)
        else:
            nothing = nothing | (there & ~told)
            asked.append(pl.when(there & ~told).then(pl.lit(f"{part.id}_electricity")))
    electric, name = _electric_heating(frame, method, types)
    asked += [name, pl.when(pl.col("gross_area").is_null()).then(pl.lit("gross_area")),
              pl.when(pl.col(f"{_TOTAL}_low").is_null()).then(pl.lit(_TOTAL))]  # fmt: skip
    metered = pl.col(f"{_TOTAL}_low").is_not_null()
    covered = [f"{item}_coverage" for item in method.equivalents if item != method.heat_item]
    return frame.select(
        "building",
        measure=pl.lit("non_heating"),
        part=pl.lit("main"),
        low=pl.when(metered).then(pl.when(nothing | electric).then(0.0).otherwise(low.clip(0.0))),
        high=pl.when(metered).then(high.clip(0.0)),
        size_low=pl.when((area > 0) & ~unbounded).then(area),
        size_high=pl.when(area > 0).then(area),
        coverage=pl.min_horizontal(covered),
        counted=_counted([item for item in method.equivalents if item != method.heat_item]),
        joint=pl.when(joint > 0).then(joint),
        missing=pl.concat_list(asked).list.drop_nulls(),
    )


def _counted(items: Iterable[str]) -> pl.Expr:
    said = [pl.when(pl.col(f"{item}_low").is_not_null()).then(pl.lit(item)) for item in items]
    return pl.concat_str(said, separator="+", ignore_nulls=True)


def _heat(frame: pl.DataFrame, method: QuotaMethod) -> pl.DataFrame:
    """Return heat for the buildings in whose zone heating is judged, or that buy heat."""
    item = method.heat_item
    there = (pl.col("apart") & (pl.col("heating_kind") != "none").fill_null(True)).fill_null(pl.col("heat_bought"))
    return frame.filter(there & pl.col("building_class").is_in(["public", "residential"]).fill_null(True)).select(
        "building",
        measure=pl.lit("heating_heat"),
        part=pl.lit("main"),
        low=f"{item}_low",
        high=f"{item}_high",
        size_low="heated_area",  # without it only the floor area bounds the intensity from below
        size_high=pl.coalesce("heated_area", "gross_area"),
        coverage=f"{item}_coverage",
        counted=pl.lit(item),
        joint=pl.lit(None, pl.Float64),
        missing=pl.concat_list(
            pl.when(pl.col("heated_area").is_null()).then(pl.lit("heated_area")),
            pl.when(~pl.col("heat_bought")).then(pl.lit(item)),
        ).list.drop_nulls(),
    )


def _household(frame: pl.DataFrame, method: QuotaMethod, types: dict[str, FieldType]) -> pl.DataFrame:
    heating = [pl.col("apart").fill_null(end == "high") for end in ("high", "low")]
    untold, name = _electric_heating(frame, method, types)
    low = pl.col(f"{_TOTAL}_low") - pl.when(heating[0]).then(
        _sum(f"{one}_high" for one in method.heating_items)
    ).otherwise(0.0)
    high = pl.col(f"{_TOTAL}_high") - pl.when(heating[1]).then(_sum(f"{one}_low" for one in method.heating_items)).otherwise(0.0)  # fmt: skip
    return _by_household(frame, "household_electricity", _TOTAL, pl.when(untold).then(0.0).otherwise(low), high, name)


def _household_gas(frame: pl.DataFrame, method: QuotaMethod) -> pl.DataFrame:
    untold = pl.col("apart").fill_null(True) & ~pl.col("heat_bought") & (_GAS in method.heating_fuels)
    low = pl.when(untold).then(0.0).otherwise(pl.col(f"{_GAS}_low"))
    there = frame.filter(pl.col(f"{_GAS}_low").is_not_null())
    return _by_household(there, "household_gas", _GAS, low, pl.col(f"{_GAS}_high"), pl.when(untold).then(pl.lit(_GAS)))


def _by_household(
    frame: pl.DataFrame, measure: str, item: str, low: pl.Expr, high: pl.Expr, asked: pl.Expr
) -> pl.DataFrame:
    metered = pl.col(f"{item}_low").is_not_null()
    homes = pl.when(pl.col("households") > 0).then(pl.col("households"))
    return frame.select(
        "building",
        measure=pl.lit(measure),
        part=pl.lit("main"),
        low=pl.when(metered).then(low.clip(0.0)),
        high=pl.when(metered).then(high.clip(0.0)),
        size_low=homes,
        size_high=homes,
        coverage=f"{item}_coverage",
        counted=pl.lit(item),
        joint=pl.lit(None, pl.Float64),
        missing=pl.concat_list(
            asked,
            pl.when(homes.is_null()).then(pl.lit("households")),
            pl.when(~metered).then(pl.lit(item)),
        ).list.drop_nulls(),
    )
