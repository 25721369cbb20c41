"""What each flow is multiplied with: the chosen rates of a whole account, as one small table beside the activities."""

from __future__ import annotations

import json
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from dafeng.base.finding import Finding
from dafeng.base.quantity import dimension_powers, root_factor
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Boundary, Flow, FlowFactor, SubjectFrom
from dafeng.methods.rates import RatePolicy, choose_rates

__all__ = ["USE", "choose_multipliers", "rate_holders", "rate_uses"]

USE: Final = ("flow", "place", "period", "carrier", "end_use", "building_class")
"""Columns that decide which rates a row needs. The place is the nearest one at or above the row's own that holds any factor
of the flow's families; those of the three codes that the flow does not read are ``all``."""
_ROLES: Final = ("factor", "market_factor", "convert")
_EMISSION: Final = "tCO2"


def rate_uses(
    rows: pl.DataFrame, catalog: Catalog, boundary: Boundary, policy: RatePolicy
) -> tuple[pl.Series, pl.DataFrame]:
    """Return the number of the rate use of each row, and the distinct uses.

    Parameters
    ----------
    rows : DataFrame
        Columns of `USE`; ``flow`` is not null.
    catalog : Catalog
    boundary : Boundary
    policy : RatePolicy
        Its own series and paths hold factors too.
    """
    holders = rate_holders(rows["place"].unique().cast(pl.String), catalog, boundary, policy)
    parts = []
    for number, flow in enumerate(boundary.flows):
        read = [column for column in ("carrier", "end_use", "building_class") if _reads(flow, column)]
        own = rows.lazy().with_row_index("row").filter(pl.col("flow") == number).select("row", "place", "period", *read)
        distinct = own.select("place", "period", *read).unique().with_columns(flow=pl.lit(number, dtype=pl.Int32))
        table = distinct.collect().join(holders, on=["flow", "place"], how="left")
        if table.height:
            parts.append((own, table, read))
    named = [
        table.select(
            "flow",
            "holder",
            "period",
            *(
                pl.col(column).cast(pl.String) if column in read else pl.lit("all").alias(column)
                for column in ("carrier", "end_use", "building_class")
            ),
        ).with_columns(pl.col("period").cast(pl.String))
        for _, table, read in parts
    ]
    if not parts:
        empty = {"use": pl.UInt32, "flow": pl.Int32, **{name: pl.String for name in USE if name != "flow"}}
        return pl.Series("use", [], pl.Int32), pl.DataFrame(schema=empty)
    uses = pl.concat(named).rename({"holder": "place"}).unique().sort(USE).with_row_index("use").select("use", *USE)
    numbers = np.zeros(rows.height, np.int32)
    for (own, table, read), texts in zip(parts, named, strict=True):
        found = texts.rename({"holder": "place"}).join(uses, on=list(USE), how="left", maintain_order="left")
        numbered = table.with_columns(use=found["use"].cast(pl.Int32)).select("place", "period", *read, "use")
        joined = own.join(numbered.lazy(), on=["place", "period", *read], how="left").select("row", "use").collect()
        numbers[joined["row"].to_numpy()] = joined["use"].to_numpy()
    return pl.Series("use", numbers), uses


def rate_holders(places: pl.Series, catalog: Catalog, boundary: Boundary, policy: RatePolicy) -> pl.DataFrame:
    """Return for each flow and place the nearest place, going upwards, for which any factor of its families is stated."""
    factors = [*catalog.factors.values(), *(factor for rule in policy.rules for factor in rule.factors)]
    found = []
    chains = {
        place: [place, *catalog.places.ancestor_ids(place)] if place in catalog.places else [place]
        for place in places.sort()
    }
    for number, flow in enumerate(boundary.flows):
        families = {one.family for one in (flow.factor, flow.market_factor) if one is not None} | {flow.convert}
        holding = {factor.place for factor in factors if factor.family in families}
        zones = {factor.place for factor in factors if factor.family in families and factor.over_divisions}
        for zone in zones & {place.id for place in catalog.places}:
            holding |= set(catalog.places.get(zone).overlaps)
        for place, chain in chains.items():
            found.append((number, place, next((above for above in chain if above in holding), place)))
    schema = {"flow": pl.Int32(), "place": pl.Categorical(), "holder": pl.String()}
    return pl.DataFrame(found, schema=schema, orient="row")


def _reads(flow: Flow, column: str) -> bool:
    factors = [factor for factor in (flow.factor, flow.market_factor) if factor is not None]
    return any(factor.per.value == column for factor in factors) or (flow.convert is not None and column == "carrier")


def choose_multipliers(
    uses: pl.DataFrame, catalog: Catalog, boundary: Boundary, *, policy: RatePolicy, as_of: date
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return for each use what turns one canonical unit of its activity into tonnes, location- and market-based.

    Parameters
    ----------
    uses : DataFrame
        As `rate_uses` gives them.
    catalog : Catalog
    boundary : Boundary
    policy : RatePolicy
    as_of : date

    Returns
    -------
    DataFrame
        ``use`` and, location-based and with the prefix ``market_``: multiplier (null where no rate answers), below, above
        (relative half widths, NaN where none), identity (which factor and data period), published (days since 1970), weak
        (whether the rate is itself cast back or projected), note (its lineage as JSON), label (the same for a reader), why
        (what is missing).
    findings : list of Finding
        Of `choose_rates`.
    """
    queries = [
        query
        for role in _ROLES
        for number, flow in enumerate(boundary.flows)
        if (query := _queries(uses.filter(pl.col("flow") == number), flow, role)) is not None
    ]
    chosen = pl.DataFrame()
    findings: list[Finding] = []
    if queries:
        rates = choose_rates(pl.concat(queries), catalog.factors, catalog.places, policy=policy, as_of=as_of)
        chosen, findings = rates.frame, rates.findings
    parts = []
    for number, flow in enumerate(boundary.flows):
        own = uses.filter(pl.col("flow") == number).select("use")
        if own.height:
            activity = catalog.indicators[flow.indicator].unit
            location = _multiplied(own, chosen, flow, flow.factor, "factor", activity)
            market = location  # the location-based factor serves where there is no other
            if flow.market_factor is not None:
                market = _multiplied(own, chosen, flow, flow.market_factor, "market_factor", activity)
            parts.append(
                pl.concat([location, market.drop("use").select(pl.all().name.prefix("market_"))], how="horizontal")
            )
    return pl.concat(parts).sort("use") if parts else pl.DataFrame(), findings


def _queries(own: pl.DataFrame, flow: Flow, role: str) -> pl.DataFrame | None:
    if not own.height:
        return None
    if role == "convert":
        factor = None if flow.convert is None else FlowFactor(family=flow.convert, per=SubjectFrom.CARRIER)
    else:
        factor = flow.factor if role == "factor" else flow.market_factor
    if factor is None:
        return None
    subject = pl.lit(factor.subject) if factor.subject is not None else pl.col(factor.per.value).cast(pl.String)
    return own.select(
        "use",
        role=pl.lit(role),
        family=pl.lit(factor.family),
        subject=subject,
        place=pl.col("place").cast(pl.String),
        period=pl.col("period").cast(pl.String),
    )


def _multiplied(
    own: pl.DataFrame, chosen: pl.DataFrame, flow: Flow, factor: FlowFactor | None, role: str, activity: str
) -> pl.DataFrame:
    """Return multiplier, widths and lineage of the uses of one flow, in the order of `own`."""
    nothing = pl.lit(None, dtype=pl.Float64)
    if factor is None:
        size = root_factor(activity) / root_factor(_EMISSION)
        return own.select(
            "use",
            multiplier=pl.lit(size, dtype=pl.Float64),
            below=pl.lit(float("nan")),
            above=pl.lit(float("nan")),
            identity=pl.lit(""),
            published=pl.lit(0, dtype=pl.Int32),
            weak=pl.lit(False),
            note=pl.lit(f'"flow":{json.dumps(flow.id)},"method":"stated"'),
            label=pl.lit(""),
            why=pl.lit(None, dtype=pl.String),
        )
    rates = own.join(_of(chosen, role, ""), on="use", how="left", maintain_order="left")
    names = ["value"]
    if flow.convert is not None:
        rates = rates.join(_of(chosen, "convert", "convert_"), on="use", how="left", maintain_order="left")
        names.append("convert_value")
    else:
        rates = rates.with_columns(convert_unit=pl.lit("ratio"))
    sizes = pl.DataFrame(
        [
            (unit, convert, _size(activity, unit, convert))
            for unit, convert in rates.select("unit", "convert_unit").unique().iter_rows()
        ],
        schema={"unit": pl.String, "convert_unit": pl.String, "size": pl.Float64},
        orient="row",
    )
    rates = rates.join(sizes, on=["unit", "convert_unit"], how="left", nulls_equal=True, maintain_order="left")
    prefixes = [name.removesuffix("value") for name in names]
    answered = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
    widths = {
        side: pl.sum_horizontal(
            ((pl.col(f"{prefix}{end}") - pl.col(f"{prefix}value")) / pl.col(f"{prefix}value")).pow(2).fill_nan(0.0)
            for prefix in prefixes
        ).sqrt()
        for side, end in (("below", "low"), ("above", "high"))
    }
    bounded = pl.all_horizontal(pl.col(f"{prefix}low").is_not_null() for prefix in prefixes)
    product = pl.col("size")
    for name in names:
        product = product * pl.col(name)
    identity = pl.concat_str(
        [
            part
            for prefix in prefixes
            for part in (pl.col(f"{prefix}factor"), pl.col(f"{prefix}data_from").cast(pl.String))
        ],
        separator=" ",
        ignore_nulls=True,
    )
    unit_gap = answered & pl.col("size").is_null()
    asked = pl.concat_str(
        [pl.col("asked"), *([pl.col("convert_asked")] if flow.convert else [])], separator="、", ignore_nulls=True
    )
    return rates.select(
        "use",
        multiplier=pl.when(answered).then(product).otherwise(nothing),
        below=pl.when(bounded).then(widths["below"]).otherwise(float("nan")),
        above=pl.when(bounded).then(widths["above"]).otherwise(float("nan")),
        identity=identity.fill_null(""),
        published=pl.max_horizontal(pl.col(f"{prefix}published_on") for prefix in prefixes).to_physical().fill_null(0),
        weak=pl.any_horizontal(
            pl.col(f"{prefix}rule").str.contains("back_cast|projected_path") for prefix in prefixes
        ).fill_null(False),
        note=_note(flow, prefixes),
        label=_label(prefixes),
        why=pl.when(unit_gap)
        .then(pl.format("系数单位与活动单位 {} 不合：{}", pl.lit(activity), asked))
        .when(~answered)
        .then(pl.format("按所声明的规则没有可用系数：{}", asked)),
    )


def _of(chosen: pl.DataFrame, role: str, prefix: str) -> pl.DataFrame:
    columns = ("factor", "value", "low", "high", "unit", "rule", "data_from", "published_on", "grade", "uncertainty")
    return chosen.filter(pl.col("role") == role).select(
        "use",
        pl.concat_str("family", "subject", separator="/").alias(f"{prefix}asked"),
        *(pl.col(name).alias(f"{prefix}{name}") for name in columns),
    )


def _size(activity: str, unit: str | None, convert: str | None) -> float | None:
    """Return the tonnes in the product of one unit each of activity, conversion and factor; None where it is no emission."""
    if unit is None or convert is None:
        return None
    powers: dict[str, float] = {}
    for part in (activity, convert, unit):
        for dimension, power in dimension_powers(part).items():
            powers[dimension] = powers.get(dimension, 0.0) + power
    if {dimension: power for dimension, power in powers.items() if power} != dimension_powers(_EMISSION):
        return None
    size = root_factor(activity) * root_factor(convert) * root_factor(unit) / root_factor(_EMISSION)
    return float(f"{size:.15g}")  # conversions leave noise in the last digit


def _label(prefixes: list[str]) -> pl.Expr:
    shown = [
        pl.format(
            "{} {} {}（{}，{}公布）",
            *(pl.col(f"{prefix}{name}") for name in ("factor", "value", "unit", "rule", "published_on")),
        )
        for prefix in prefixes
    ]
    return pl.concat_str(shown, separator=" × ").fill_null("无")


def _note(flow: Flow, prefixes: list[str]) -> pl.Expr:
    pieces = [pl.lit(f'"flow":{json.dumps(flow.id)},"method":"{flow.method.value}","sign":{flow.sign}')]
    for prefix in prefixes:
        for name in ("factor", "value", "unit", "rule", "data_from", "published_on", "grade", "uncertainty"):
            column = pl.col(f"{prefix}{name}")
            text = (
                column.cast(pl.String)
                if name == "value"
                else pl.concat_str(pl.lit('"'), column.cast(pl.String), pl.lit('"'))
            )
            pieces.append(pl.concat_str(pl.lit(f',"{prefix}{name}":'), text.fill_null("null")))
    return pl.concat_str(pieces)
