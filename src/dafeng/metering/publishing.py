"""Totals of places as observations, with coverage and lineage; totals of buildings stay in the derived tables."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import SCHEMA
from dafeng.base.place import PlaceKind
from dafeng.catalog import Catalog
from dafeng.metering.converting import BESIDE, NOT_ENERGY

__all__ = ["DATASET", "Published", "publish"]

DATASET: Final = "dafeng-metering"
"""Who says so."""
_AMOUNTS: Final = {
    "electricity": "monitored_electricity",
    "natural_gas": "monitored_gas",
    "heat": "monitored_heat",
    "cooling": "monitored_cooling",
    "water": "monitored_water",
    "renewable": "monitored_renewable",
}
_TONNES: Final = (
    ("tce", "monitored_energy", "calorific", "without_tce"),
    ("tce_generation", "monitored_energy", "generation", "without_tce"),
    ("co2", "monitored_co2", "", "without_co2"),
)
_NOTES: Final = ("query", "indicator", "place", "period", "building_class", "carrier", "end_use", "basis")


class Published(NamedTuple):
    """Observations, the lineage that they point at, and what is to be said about them."""

    observations: pl.DataFrame
    """Of `dafeng.base.observation.SCHEMA`."""
    lineage: pl.DataFrame
    """Of `dafeng.base.lineage.LINEAGE_SCHEMA`."""
    findings: list[Finding]
    """Totals that lack a factor, and so have no value."""


def publish(
    totals: pl.DataFrame,
    catalog: Catalog,
    *,
    by: str,
    recorded_at: datetime,
    made_from: dict[str, str],
    published_on: date | None = None,
) -> Published:
    """Return totals of places as observations.

    Parameters
    ----------
    totals : DataFrame of `PLACE_SCHEMA`
        Months or years.
    catalog : Catalog
        Units of the indicators are those of the energy items.
    by : {"month", "year"}
    recorded_at : datetime
    made_from : dict
        Versions of readings, events, marks and derived tables: the lineage of every figure.
    published_on : date, optional

    Returns
    -------
    Published
        kind is computed. coverage is the share of the seconds in service whose energy is in the value. A place in which no
        meter says anything has a missing reason instead of a value, as has a total of energy or emissions that lacks a
        carrier's factor. Totals of functional zones are published for the zones; they are views and never added up.

    Raises
    ------
    ValueError
        `by` is neither month nor year.
    """
    if by not in ("month", "year"):
        raise ValueError(f"totals are published by month or year, not by {by}")
    text = pl.col("period").dt.strftime("%Y-%m" if by == "month" else "%Y")
    unused = NOT_ENERGY | BESIDE
    blank = pl.lit("")
    parts = [
        totals.filter(pl.col("carrier").is_in(list(_AMOUNTS))).with_columns(
            indicator=pl.col("carrier").replace_strict(_AMOUNTS),
            shown_carrier=pl.lit("all"),
            basis=blank,
            value="amount",
            without=pl.lit(0, dtype=pl.Int64),
        )
    ]
    for column, indicator, basis, without in _TONNES:
        parts.append(
            totals.filter(~pl.col("carrier").is_in(list(unused)) & (pl.col("end_use") == "all")).with_columns(
                indicator=pl.lit(indicator), shown_carrier="carrier", basis=pl.lit(basis), value=column, without=without
            )
        )
    rows = pl.concat(parts).with_columns(
        text=text,
        silent=pl.col("covered") == 0,
        lacking=pl.col("without") > 0,
        coverage=(pl.col("covered") / pl.col("expected")).clip(0, 1),
    )
    absent = pl.col("silent") | pl.col("lacking") | pl.col("value").is_null()
    rows = rows.with_columns(value=pl.when(~absent).then("value"), absent=absent)
    notes = _notes(rows, made_from)
    columns: dict[str, pl.Expr | pl.Series] = {
        "place": pl.col("place"),
        "extent": pl.col("indicator").replace_strict(
            {name: catalog.indicators[name].extent.value for name in rows["indicator"].unique()}, return_dtype=pl.String
        ),
        "period": pl.col("text"),
        "carrier": pl.col("shown_carrier"),
        "boundary": pl.lit("all"),
        "kind": pl.lit("computed"),
        "scenario": blank,
        "member": blank,
        "low": pl.lit(None, dtype=pl.Float64),
        "high": pl.lit(None, dtype=pl.Float64),
        "coverage": pl.when(pl.col("expected") > 0).then("coverage"),
        "missing_reason": pl.when("absent").then(pl.lit("not_available")),
        "dataset": pl.lit(DATASET),
        "recorded_at": pl.lit(recorded_at),
        "published_on": pl.lit(published_on, dtype=pl.Date),
        "review": pl.lit("approved"),
        "supersedes": pl.lit(None, dtype=pl.String),
        "lineage": notes["id"],
    }
    observations = rows.with_columns(**columns).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    lineage = notes.unique("id", maintain_order=True).select(
        pl.col(name).cast(kind) for name, kind in LINEAGE_SCHEMA.items()
    )
    return Published(observations.sort(list(SCHEMA)[:9]), lineage.sort("id"), _findings(rows, catalog))


def _notes(rows: pl.DataFrame, made_from: dict[str, str]) -> pl.DataFrame:
    """Return for each row its lineage: what it was made from, over how many buildings, with which factors."""
    source = json.dumps(made_from, ensure_ascii=False, sort_keys=True)
    details = [
        f'{{"buildings":{buildings},"reporting":{reporting},"area":{area!r},"area_covered":{covered!r},'
        f'"withheld":{withheld!r},"spread":{spread!r},"factors":{factors if tonnes else "[]"},"made_from":{source}}}'
        for buildings, reporting, area, covered, withheld, spread, factors, tonnes in rows.select(
            *("buildings", "reporting", "area", "area_covered", "withheld", "spread", "factors"),
            pl.col("indicator").is_in(["monitored_energy", "monitored_co2"]),
        ).iter_rows()
    ]
    keys = rows.select("indicator", "place", "text", "building_class", "shown_carrier", "end_use", "basis").rows()
    texts = [" ".join(part for part in key if part) for key in keys]
    ids = [
        hashlib.sha256(f"{text}\n{detail}".encode()).hexdigest()[:32]
        for text, detail in zip(texts, details, strict=True)
    ]
    empty = [""] * len(ids)
    return pl.DataFrame(
        {
            "id": ids,
            "kind": [LineageKind.QUERY.value] * len(ids),
            **dict.fromkeys(("document", "file", "sheet", "cell"), empty),
            "text": texts,
            "detail": details,
        },
        schema=LINEAGE_SCHEMA,
    )


def _findings(rows: pl.DataFrame, catalog: Catalog) -> list[Finding]:
    lacking = (
        rows.filter(pl.col("lacking") & (pl.col("place_kind") == PlaceKind.DIVISION.value))
        .group_by("indicator", "place", "shown_carrier")
        .agg(pl.col("text").n_unique().alias("periods"))
        .sort("indicator", "place", "shown_carrier")
    )
    return [
        Finding(
            name="meter.total.incomplete",
            sentence=f"{catalog.place_name(place)} 的 {catalog.indicators[indicator].zh}（{catalog.term('carrier', carrier)}）"
            f"有 {periods} 期缺系数，不作为合计发布",
            severity=Severity.WARNING,
            value=carrier,
            expected="各能源均有系数",
            next_step="补充系数后重新汇总",
            evidence={"place": place, "periods": periods},
        )
        for indicator, place, carrier, periods in lacking.rows()
    ]
