"""Amounts to standard coal and carbon dioxide by dated factors: the same rules as the accounts, chosen month by month."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.quantity import convert
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Factor
from dafeng.methods.rates import RatePolicy, choose_rates

__all__ = ["RATE_SCHEMA", "Conversion", "conversion_rates"]

RATE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "place": pl.String(),
    "carrier": pl.String(),
    "period": pl.Date(),
    "tce": pl.Float64(),
    "tce_generation": pl.Float64(),
    "co2": pl.Float64(),
    "factors": pl.String(),
}
"""Columns of multipliers. place: of the buildings. period: a month's first day. tce: tonnes of standard coal per unit of the
carrier's energy item, calorific basis; tce_generation: electricity by coal use of generation, others as calorific; co2: tonnes,
location-based. factors: which values they are, as JSON. Null where no factor answers."""

NOT_ENERGY: Final = frozenset({"water"})
"""Carriers that have amounts and neither standard coal nor carbon."""
BESIDE: Final = frozenset({"renewable"})
"""Carriers that are shown on their own and stand in no total of energy."""


@dataclass(frozen=True)
class Conversion:
    """Which families of factors turn carriers into standard coal and carbon dioxide."""

    coal: str = "coal_equivalent_calorific"
    """Standard coal, calorific basis."""
    generation: str = "coal_equivalent_generation"
    """Standard coal of electricity on the basis of its generation."""
    electricity: str = "grid_province"
    """Carbon dioxide of electricity; one family, never mixed."""
    heat: str = "heat_default"
    """Carbon dioxide of district heat."""
    fuel: str = "fuel_gbt51366"
    """Carbon dioxide of fuels by their heat."""
    calorific: str = "calorific_value"
    """Heat of fuels."""


def conversion_rates(
    uses: pl.DataFrame,
    catalog: Catalog,
    *,
    policy: RatePolicy,
    as_of: date,
    conversion: Conversion | None = None,
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return what one unit of a carrier is in standard coal and carbon dioxide, by place and month.

    Parameters
    ----------
    uses : DataFrame
        Columns place, carrier, period (first day of a month): one row for each that occurs.
    catalog : Catalog
    policy : RatePolicy
        As in the accounts: by default exact; carried values are graded and named.
    as_of : date
        Factors published later are not known.
    conversion : Conversion, optional

    Returns
    -------
    frame : DataFrame of `RATE_SCHEMA`
        One row a use; district cooling and others without factors have nulls.
    findings : list of Finding
        Carriers and places without a factor, and what the rules say of those that were chosen.
    """
    chosen = conversion or Conversion()
    known = uses.select("place", "carrier", "period").unique().sort("place", "carrier", "period")
    known = known.filter(~pl.col("carrier").is_in(NOT_ENERGY | BESIDE))
    wanted = [
        (role, family, carrier)
        for carrier in known["carrier"].unique().sort()
        for role, family in _families(carrier, chosen)
        if any(factor.family == family and factor.subject == carrier for factor in _factors(catalog, policy))
    ]
    roles = pl.DataFrame(wanted, schema={"role": pl.String, "family": pl.String, "carrier": pl.String}, orient="row")
    queries = known.join(roles, on="carrier").select(
        *("place", "role", "family", "carrier"),
        subject="carrier",
        month="period",
        period=pl.col("period").dt.strftime("%Y-%m"),
    )
    rates = choose_rates(queries, catalog.factors, catalog.places, policy=policy, as_of=as_of)
    units = {item.carrier: item.unit for item in catalog.items.values() if item.level == 1}
    answers: dict[tuple[str, str, date], dict[str, dict[str, object]]] = {}
    for row in rates.frame.iter_rows(named=True):
        if row["value"] is not None:
            answers.setdefault((row["place"], row["carrier"], row["month"]), {})[row["role"]] = row
    rows = [(*key, *_multipliers(answers.get(key, {}), units.get(key[1], ""))) for key in known.iter_rows()]
    frame = pl.DataFrame(rows, schema=RATE_SCHEMA, orient="row")
    return frame, [*rates.findings, *_without(frame)]


def _factors(catalog: Catalog, policy: RatePolicy) -> Iterable[Factor]:
    yield from catalog.factors.values()
    for rule in policy.rules:
        yield from rule.factors


def _families(carrier: str, chosen: Conversion) -> list[tuple[str, str]]:
    if carrier == "electricity":
        return [("tce", chosen.coal), ("tce_generation", chosen.generation), ("co2", chosen.electricity)]
    if carrier == "heat":
        return [("tce", chosen.coal), ("co2", chosen.heat)]
    return [("tce", chosen.coal), ("co2", chosen.fuel), ("calorific", chosen.calorific)]


def _multipliers(
    answer: dict[str, dict[str, object]], unit: str
) -> tuple[float | None, float | None, float | None, str]:
    def in_unit(role: str, numerator: str, per: str) -> float | None:
        row = answer.get(role)
        return None if row is None else convert(float(row["value"]), str(row["unit"]), f"{numerator}/({per})")  # type: ignore[arg-type]

    tce = in_unit("tce", "tce", unit)
    generation = in_unit("tce_generation", "tce", unit)
    if "calorific" in answer:
        heat, co2 = in_unit("calorific", "GJ", unit), in_unit("co2", "tCO2", "GJ")
        co2 = None if heat is None or co2 is None else heat * co2
    elif answer.get("co2", {}).get("family") in (None, "fuel_gbt51366", "fuel_guideline"):
        co2 = None
    else:
        co2 = in_unit("co2", "tCO2", unit)
    note = {
        role: {
            "factor": row["factor"],
            "value": row["stated_value"],
            "unit": row["stated_unit"],
            "rule": row["rule"],
            "data_from": str(row["data_from"] or ""),
            "published_on": str(row["published_on"]),
            "grade": row["grade"],
        }
        for role, row in sorted(answer.items())
    }
    return tce, tce if generation is None else generation, co2, json.dumps(note, ensure_ascii=False, sort_keys=True)


def _without(frame: pl.DataFrame) -> list[Finding]:
    zh = {"tce": "折标准煤", "co2": "排放"}
    missing = [
        (name, carrier, place, count)
        for name in zh
        for carrier, place, count in frame.filter(pl.col(name).is_null())
        .group_by("carrier", "place")
        .len()
        .sort("carrier", "place")
        .rows()
    ]
    return [
        Finding(
            name="meter.rate.missing",
            sentence=f"{place} 的 {carrier} 有 {count} 个月没有{zh[name]}系数，这些用量不计入{zh[name]}合计",
            severity=Severity.WARNING,
            value=carrier,
            expected="目录中该能源的系数",
            next_step="在工作区 catalog/factors 中补充系数，或在报告中列明未计入的能源",
            evidence={"place": place, "carrier": carrier, "months": count},
        )
        for name, carrier, place, count in missing
    ]
