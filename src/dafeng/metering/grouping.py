"""The ten dimensions by which the upper-level centre wants buildings and their energy grouped.

Each dimension splits the same buildings; what is not known is a class of its own, so that every dimension adds up to the same
totals. Sums are of what is there, with the count of buildings that have it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from dafeng.base.ledger import FIELD_DTYPES
from dafeng.catalog.catalog import Catalog

__all__ = ["DIMENSIONS", "GROUP_SCHEMA", "UNKNOWN", "group_buildings"]

DIMENSIONS: Final[dict[str, tuple[str, str | None]]] = {
    "size_class": ("国家机关和大型公建", None),
    "building_type": ("建筑类型", "building_type"),
    "cooling_kind": ("空调形式", "cooling_kind"),
    "heating_kind": ("采暖形式", "heating_kind"),
    "structure": ("结构形式", "structure_form"),
    "wall": ("外墙材料", "wall_material"),
    "insulation": ("外墙保温", "wall_insulation"),
    "window": ("外窗类型", "glazing"),
    "glass": ("玻璃类型", "glass_kind"),
    "frame": ("窗框材料", "window_frame"),
}
"""Dimension to its name and the field of the register of buildings; the first is reckoned from type and floor area."""
UNKNOWN: Final = "unknown"
"""Class of buildings whose class nobody knows."""
_SIZES: Final = {
    "agency": "国家机关办公建筑",
    "large": "大型公共建筑",
    "other": "其他公共建筑",
    "civil": "居住及其他建筑",
}
_LARGE: Final = 20_000.0
_ITEMS: Final = {"electricity": "01000", "lighting": "01A00", "cooling": "01B00", "power": "01C00", "special": "01D00"}

GROUP_SCHEMA: Final[dict[str, pl.DataType]] = {
    "dimension": pl.String(),
    "dimension_name": pl.String(),
    "code": pl.String(),
    "name": pl.String(),
    "buildings": pl.Int64(),
    "area": pl.Float64(),
    "cooled_area": pl.Float64(),
    "heated_area": pl.Float64(),
    "energy": pl.Float64(),
    "electricity": pl.Float64(),
    "lighting": pl.Float64(),
    "cooling": pl.Float64(),
    "power": pl.Float64(),
    "special": pl.Float64(),
    "metered": pl.Int64(),
    "itemised": pl.Int64(),
    "unitemised": pl.Float64(),
    "coverage": pl.Float64(),
}
"""Columns of groups: counts and areas (m²), total energy (kgce, null where no equivalents were given), electricity and its four
items (kWh), buildings with any energy and with all four items, electricity that no item has, and coverage weighted by area; sums
are null where no building has the value."""


def group_buildings(
    buildings: pl.DataFrame,
    use: pl.DataFrame,
    catalog: Catalog,
    *,
    year: int,
    equivalents: dict[str, float] | None = None,
) -> pl.DataFrame:
    """Return buildings and their energy of a year by class of each dimension.

    Parameters
    ----------
    buildings : DataFrame
        `building` or `building_code` and fields of the register of buildings; missing columns are unknown.
    use : DataFrame
        building, item, period (year as text), amount, coverage.
    catalog : Catalog
    year : int
    equivalents : dict, optional
        Energy item of a carrier (01000, 03000 …) to kgce a unit, on one basis that the caller names; without it the total
        energy is null.

    Returns
    -------
    DataFrame of `GROUP_SCHEMA`
        Each dimension's classes in the order of the catalog, the unknown last.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> things = pl.DataFrame({"building": ["a", "b"], "building_type": ["office", None], "gross_area": [100.0, 50.0]})
    >>> use = pl.DataFrame({"building": ["a"], "item": ["01000"], "period": ["2024"], "amount": [900.0], "coverage": [1.0]})
    >>> found = group_buildings(things, use, load_catalog(), year=2024)
    >>> found.filter(pl.col("dimension") == "building_type").select("name", "buildings", "area", "electricity").rows()
    [('商业办公', 1, 100.0, 900.0), ('未知', 1, 50.0, None)]
    """
    frame = buildings if "building" in buildings.columns else buildings.rename({"building_code": "building"})
    wanted = ["building_class", "gross_area", "cooled_area", "heated_area"]
    wanted += [field for _, field in DIMENSIONS.values() if field is not None]
    kinds = {name: FIELD_DTYPES[catalog.fields[name].type] for name in wanted}
    blank = [pl.lit(None, kind).alias(name) for name, kind in kinds.items() if name not in frame.columns]
    frame = frame.with_columns(blank).with_columns(pl.col(name).cast(kind) for name, kind in kinds.items())
    kind, public = pl.col("building_type"), pl.col("building_class") == "public"
    known = kind.is_not_null() & pl.col("building_class").is_not_null() & pl.col("gross_area").is_not_null()
    size = (
        pl.when(kind == "government_office").then(pl.lit("agency"))
        .when(~public).then(pl.lit("civil"))
        .when(public & (pl.col("gross_area") >= _LARGE)).then(pl.lit("large"))
        .when(known).then(pl.lit("other"))
    )  # fmt: skip
    frame = frame.with_columns(size_class=size).join(_energy(use, year, equivalents), on="building", how="left")
    parts = []
    for dimension, (title, field) in DIMENSIONS.items():
        names = _SIZES if field is None else {one.code: one.zh for one in catalog.fields[field].options}
        order = {code: number for number, code in enumerate([*names, UNKNOWN])}
        own = frame.with_columns(code=pl.col(field or dimension).fill_null(UNKNOWN))
        rows = own.group_by("code").agg(*_sums())
        parts.append(
            rows.with_columns(
                dimension=pl.lit(dimension),
                dimension_name=pl.lit(title),
                name=pl.col("code").replace_strict({**names, UNKNOWN: "未知"}, default=pl.col("code")),
                order=pl.col("code").replace_strict(order, default=len(order)),
            ).sort("order", "code").select(pl.col(name).cast(shape) for name, shape in GROUP_SCHEMA.items())
        )  # fmt: skip
    return pl.concat(parts)


def _energy(use: pl.DataFrame, year: int, equivalents: dict[str, float] | None) -> pl.DataFrame:
    """Return electricity, its items and the total energy of each building."""
    rows = use.filter(pl.col("period") == str(year))
    factor = pl.col("item").replace_strict(equivalents or {}, default=None, return_dtype=pl.Float64)
    total = (pl.col("amount") * factor).drop_nulls()
    of = [
        pl.col("amount").filter(pl.col("item") == item).drop_nulls().sum().alias(name) for name, item in _ITEMS.items()
    ]
    there = [(pl.col("item") == item).any().alias(f"has_{name}") for name, item in _ITEMS.items()]
    found = rows.group_by("building").agg(
        *of, *there, energy=pl.when(total.len() > 0).then(total.sum()),
        coverage=pl.col("coverage").filter(pl.col("item") == "01000").min(),
    )  # fmt: skip
    found = found.with_columns(pl.when(pl.col(f"has_{name}")).then(pl.col(name)).alias(name) for name in _ITEMS)
    parts = [name for name in _ITEMS if name != "electricity"]
    return found.select(
        "building", "energy", "coverage", *_ITEMS,
        itemised=pl.all_horizontal(f"has_{name}" for name in parts),
        unitemised=pl.col("electricity") - pl.sum_horizontal(parts),
    )  # fmt: skip


def _sums() -> list[pl.Expr]:
    numbers = ["cooled_area", "heated_area", "energy", *_ITEMS, "unitemised"]
    there = pl.col("electricity").is_not_null() | pl.col("energy").is_not_null()
    weight = pl.col("gross_area").filter(pl.col("coverage").is_not_null())
    return [
        pl.len().alias("buildings"),
        pl.when(pl.col("gross_area").count() > 0).then(pl.col("gross_area").sum()).alias("area"),
        *(pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in numbers),
        there.sum().alias("metered"),
        pl.col("itemised").fill_null(False).sum().alias("itemised"),
        ((pl.col("coverage") * pl.col("gross_area")).sum() / weight.sum()).fill_nan(None).alias("coverage"),
    ]
