"""Which quotas may hold for a building, and by which factors its measured use is corrected.

What a building is decides the quota; where that is not known every quota that may still hold is a candidate, and the fields
that would settle it are named. A place's own standard takes the place of the national one where it says so and has a value.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.ledger import FIELD_DTYPES
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import FieldType, evaluate, expression_names, undecided
from dafeng.catalog.metering_schemas import QuotaMethod

__all__ = [
    "CANDIDATE_SCHEMA",
    "correction_factors",
    "perhaps_without_quota",
    "quota_candidates",
    "quota_types",
    "with_fields",
]

CANDIDATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "quota": pl.String(),
    "standard": pl.String(),
    "kind": pl.String(),
    "subtype": pl.String(),
    "class": pl.String(),
    "constraint": pl.Float64(),
    "guide": pl.Float64(),
    "unit": pl.String(),
    "grade": pl.String(),
    "sure": pl.Boolean(),
    "missing": pl.List(pl.String()),
}
"""Columns of candidates: one row a building and quota; `sure` where nothing that decides the match is unknown, else `missing`
names the fields."""
_JUDGED: Final = "judged_area"


def quota_types(catalog: Catalog) -> dict[str, FieldType]:
    """Return what expressions of quotas may name: fields of the ledgers, and the floor area that is judged."""
    return catalog.field_types() | {_JUDGED: FieldType(unit="m**2")}


def with_fields(buildings: pl.DataFrame, texts: Iterable[str], types: dict[str, FieldType]) -> pl.DataFrame:
    """Return buildings with every field that expressions name, unknown where the frame has no such column.

    Parameters
    ----------
    buildings : DataFrame
    texts : iterable of str
        Expressions, or bare field names.
    types : mapping from field to FieldType
    """
    names = dict.fromkeys(name for text in texts for name in expression_names(text))
    blank = [
        pl.lit(None, FIELD_DTYPES[types[name].kind]).alias(name) for name in names if name not in buildings.columns
    ]
    return buildings.with_columns(blank).with_columns(
        pl.col(name).cast(FIELD_DTYPES[types[name].kind]) for name in names
    )


def _asked(names: dict[str, pl.Expr]) -> pl.Expr:
    """Return the names of unknown fields as a list, empty where nothing is asked."""
    said = [pl.when(unknown).then(pl.lit(name)) for name, unknown in names.items()]
    return pl.concat_list(said or [pl.lit(None, pl.String)]).list.drop_nulls()


def _kinds(
    buildings: pl.DataFrame, method: QuotaMethod, types: dict[str, FieldType], wanted: Container[tuple[str, str, str]]
) -> list[pl.DataFrame]:
    """Return the kinds with quotas that each building is or may be."""
    parts = []
    for kind in method.kinds:
        if (method.id, kind.building_type, kind.subtype) not in wanted:
            continue
        holds = evaluate(kind.when, types)
        parts.append(
            buildings.filter(holds.fill_null(True)).select(
                "building",
                "place",
                "climate_zone",
                "ventilation_class",
                standard=pl.lit(method.id),
                kind=pl.lit(kind.building_type),
                subtype=pl.lit(kind.subtype),
                missing=_asked(undecided(kind.when, types)),
            )
        )
    return parts


def perhaps_without_quota(
    buildings: pl.DataFrame, catalog: Catalog, *, measure: str, on: date, standards: Iterable[str] | None = None
) -> pl.DataFrame:
    """Return the unknown fields for which a building may turn out to be of a kind that has no quota at all.

    Parameters
    ----------
    buildings, catalog, measure, on, standards
        As for `quota_candidates`.

    Returns
    -------
    DataFrame
        building, open (list of fields): each of them is a choice that is not known, and of whose options one at least leads to no quota.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> unknown = pl.DataFrame({"building": ["a"], "building_class": ["public"]})
    >>> perhaps_without_quota(unknown, load_catalog(), measure="non_heating", on=date(2024, 12, 31)).rows()
    [('a', ['building_type'])]
    """
    types = quota_types(catalog)
    methods = [catalog.quota_methods[name] for name in standards or sorted(catalog.quota_methods)]
    wanted = set(_quotas(catalog, measure, on, None).select("standard", "kind", "subtype").iter_rows())
    kinds = [kind for each in methods for kind in each.kinds if (each.id, kind.building_type, kind.subtype) in wanted]
    names = sorted({name for kind in kinds for name in expression_names(kind.when)})
    frame = with_fields(buildings, [kind.when for kind in kinds], types)
    parts = []
    for name in names:
        options = [option.code for option in catalog.fields[name].options] if name in catalog.fields else []
        unknown = frame.filter(pl.col(name).is_null())
        if not options or unknown.is_empty():
            continue
        each = unknown.drop(name).join(pl.DataFrame({name: options}, schema={name: pl.String()}), how="cross")
        holds = pl.any_horizontal([pl.lit(False), *(evaluate(kind.when, types).fill_null(True) for kind in kinds)])
        parts.append(each.filter(~holds).select("building", open=pl.lit(name)))
    if not parts:
        return pl.DataFrame(schema={"building": pl.String(), "open": pl.List(pl.String())})
    return pl.concat(parts).group_by("building", maintain_order=True).agg(pl.col("open").unique(maintain_order=True))


def _places(catalog: Catalog, places: pl.Series) -> pl.DataFrame:
    """Return each place with itself and all places that it lies in; an unknown place lies in the nation at least."""
    rows = [
        (place, above)
        for place in places.unique().drop_nulls().sort()
        for above in ([place, *catalog.places.ancestor_ids(place)] if place in catalog.places else ["cn"])
    ]
    return pl.DataFrame(rows, schema={"place": pl.String(), "above": pl.String()}, orient="row")


def quota_candidates(
    buildings: pl.DataFrame,
    catalog: Catalog,
    *,
    measure: str,
    on: date,
    kinds: Iterable[str] | None = None,
    standards: Iterable[str] | None = None,
) -> pl.DataFrame:
    """Return the quotas that hold or may hold for each building.

    Parameters
    ----------
    buildings : DataFrame
        `building`, `place` and fields of the register of buildings as columns; missing columns are unknown.
    catalog : Catalog
    measure : str
        `Quota.measure`.
    on : date
        Day on which the quota holds.
    kinds : iterable of str, optional
        Only quotas of these kinds (garage); all but those of parts that are judged apart where None.
    standards : iterable of str, optional
        Only these standards; all of the catalog where None.

    Returns
    -------
    DataFrame of `CANDIDATE_SCHEMA`

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> offices = pl.DataFrame({"building": ["a"], "place": ["qingdao-shinan"], "building_type": ["government_office"],
    ...                         "climate_zone": ["cold_a"]})
    >>> found = quota_candidates(offices, load_catalog(), measure="non_heating", on=date(2024, 12, 31))
    >>> found.select("class", "constraint", "sure", "missing").rows()
    [('A', 55.0, False, ['ventilation_class']), ('B', 70.0, False, ['ventilation_class'])]
    """
    types = quota_types(catalog)
    methods = [catalog.quota_methods[name] for name in standards or sorted(catalog.quota_methods)]
    texts = [kind.when for method in methods for kind in method.kinds]
    frame = with_fields(buildings, [*texts, "climate_zone", "ventilation_class", "place"], types)
    quotas = _quotas(catalog, measure, on, kinds)
    if quotas.is_empty() or frame.is_empty():
        return pl.DataFrame(schema=CANDIDATE_SCHEMA)
    wanted = set(quotas.select("standard", "kind", "subtype").iter_rows())
    parts = [part for method in methods for part in _kinds(frame, method, types, wanted)]
    if not parts:
        return pl.DataFrame(schema=CANDIDATE_SCHEMA)
    found = pl.concat(parts)
    found = found.join(quotas, on=["standard", "kind", "subtype"])
    found = found.join(_places(catalog, frame["place"]), left_on=["place", "quota_place"], right_on=["place", "above"])
    zoned = pl.col("zones").list.len() > 0
    fits_zone = ~zoned | pl.col("climate_zone").is_null() | pl.col("zones").list.contains(pl.col("climate_zone"))
    classed, own = pl.col("class").is_not_null(), pl.col("ventilation_class")
    found = found.filter(fits_zone & (~classed | own.is_null() | (own == pl.col("class"))))
    more = _asked(
        {"climate_zone": zoned & pl.col("climate_zone").is_null(), "ventilation_class": classed & own.is_null()}
    )
    found = found.with_columns(missing=pl.concat_list("missing", more).list.unique(maintain_order=True))
    found = found.with_columns(sure=pl.col("missing").list.len() == 0)
    return (
        _preceded(found, methods)
        .select(pl.col(name).cast(kind) for name, kind in CANDIDATE_SCHEMA.items())
        .sort("building", "quota")
    )


def _quotas(catalog: Catalog, measure: str, on: date, kinds: Iterable[str] | None) -> pl.DataFrame:
    wanted = None if kinds is None else set(kinds)
    apart = {part.id for method in catalog.quota_methods.values() for part in method.apart}
    rows = [
        (
            quota.standard,
            quota.building_type,
            quota.subtype,
            quota.id,
            quota.building_class,
            list(quota.climate_zones),
            quota.place,
            quota.constraint,
            quota.guide,
            quota.unit,
            quota.grade.value,
        )
        for quota in catalog.quotas.values()
        if quota.measure == measure
        and quota.valid_from <= on
        and (quota.valid_to is None or on < quota.valid_to)
        and (quota.building_type not in apart if wanted is None else quota.building_type in wanted)
    ]
    return pl.DataFrame(
        rows,
        schema={
            "standard": pl.String(),
            "kind": pl.String(),
            "subtype": pl.String(),
            "quota": pl.String(),
            "class": pl.String(),
            "zones": pl.List(pl.String()),
            "quota_place": pl.String(),
            "constraint": pl.Float64(),
            "guide": pl.Float64(),
            "unit": pl.String(),
            "grade": pl.String(),
        },
        orient="row",
    )


def _preceded(found: pl.DataFrame, methods: Iterable[QuotaMethod]) -> pl.DataFrame:
    """Leave out quotas of a standard that gives way to another with a sure value for the same building."""
    pairs = [(method.id, lower) for method in methods for lower in method.precedes]
    if not pairs:
        return found
    order = pl.DataFrame(pairs, schema={"standard": pl.String(), "lower": pl.String()}, orient="row")
    gone = found.filter("sure").join(order, on="standard").select("building", standard="lower").unique()
    return found.join(gone, on=["building", "standard"], how="anti")


def correction_factors(buildings: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return the factor of each correction for each building, and what is missing where it is not known.

    Parameters
    ----------
    buildings : DataFrame
        `building`, `judged_area` (m²) and fields of the register of buildings.
    catalog : Catalog

    Returns
    -------
    DataFrame
        building, standard, kind, correction, title, factor (null where unknown), missing (list of fields). A factor that
        is not above zero or not finite counts as unknown: its inputs cannot be right.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> offices = pl.DataFrame({"building": ["a"], "judged_area": [2000.0], "operating_hours": [3500.0]})
    >>> found = correction_factors(offices, load_catalog()).filter(pl.col("kind") == "office")
    >>> found.select("correction", pl.col("factor").round(3), "missing").rows()
    [('gbt51161-office-hours', 0.8, []), ('gbt51161-office-people', None, ['employees'])]
    """
    types = quota_types(catalog)
    frame = with_fields(buildings, [each.expression for each in catalog.corrections.values()], types)
    parts = []
    for each in sorted(catalog.corrections.values(), key=lambda one: one.id):
        raw = evaluate(each.expression, types, unit="ratio")
        sound = pl.when(raw.is_finite() & (raw > 0)).then(raw.clip(each.low, each.high))
        asked = _asked(undecided(each.expression, types))
        wrong = pl.lit(sorted(expression_names(each.expression)), pl.List(pl.String))
        parts.append(
            frame.select(
                "building",
                standard=pl.lit(each.standard),
                kind=pl.lit(list(each.building_types), pl.List(pl.String)),
                correction=pl.lit(each.id),
                title=pl.lit(each.title.zh),
                factor=sound,
                missing=pl.when(asked.list.len() > 0)
                .then(asked)
                .when(sound.is_null())
                .then(wrong)
                .otherwise(pl.lit([], pl.List(pl.String))),
            ).explode("kind")
        )
    schema = {"building": pl.String(), "standard": pl.String(), "kind": pl.String(), "correction": pl.String(),
              "title": pl.String(), "factor": pl.Float64(), "missing": pl.List(pl.String())}  # fmt: skip
    return pl.concat(parts).sort("building", "correction") if parts else pl.DataFrame(schema=schema)
