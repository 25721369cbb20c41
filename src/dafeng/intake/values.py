"""Values of cells in canonical units, and the checks on them: unit, range, share, duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from dafeng.base.errors import UnitError
from dafeng.base.observation import KEY
from dafeng.base.quantity import conversion_factor, dimension_of, fold_width
from dafeng.catalog import Catalog
from dafeng.catalog.schemas import IndicatorMeasure
from dafeng.intake.headers import clean_unit, per_head
from dafeng.intake.numbers import read_numbers
from dafeng.intake.problems import Ledger
from dafeng.intake.resolve import joined

__all__ = ["check_duplicates", "check_values", "read_values"]

_UNITLESS = ("yes_no", "ratio")
_REPORTED_GAP = "not_reported"


def read_values(cells: pl.DataFrame, catalog: Catalog, ledger: Ledger) -> pl.DataFrame:
    """Return cells with value, low, high, coverage and missing_reason in canonical units.

    Parameters
    ----------
    cells : DataFrame
        Resolved cells.
    catalog : Catalog
    ledger : Ledger
    """
    readings = read_numbers(cells["text"])
    cells = cells.with_columns(
        readings["value"].alias("number"),
        readings["unit"].alias("cell_unit"),
        readings["scaled"],
        readings["missing"],
        readings["problem"].alias("number_problem"),
        readings["remark"],
    )
    mark = pl.col("mark").fill_null("")
    uncached = mark == "formula-without-value"
    merged = mark.str.starts_with("merged")
    error = mark == "error"
    ledger.add("intake.value.formula-without-value", cells.filter(uncached))
    ledger.add("intake.value.merged", cells.filter(merged), detail=mark.str.slice(7))
    ledger.add("intake.value.formula", cells.filter(mark == "formula"))
    ledger.add("intake.value.formula-error", cells.filter(error))
    unread = cells.filter((pl.col("number_problem") != "") & ~uncached & ~error)
    ledger.add(pl.lit("intake.value.") + pl.col("number_problem"), unread)
    ledger.add("intake.value.estimate", cells.filter(pl.col("remark").str.contains("estimate")))
    ledger.add("intake.value.footnote-mark", cells.filter(pl.col("remark").str.contains("footnote")))
    cells = _convert(cells, catalog, ledger)
    return _reasons(_limits(cells, ledger), ledger)


def _convert(cells: pl.DataFrame, catalog: Catalog, ledger: Ledger) -> pl.DataFrame:
    """Choose the unit of each cell (its own, its row's, its header's, the sheet's) and convert."""
    stated = pl.coalesce(
        pl.when(pl.col("cell_unit") != "").then(pl.col("cell_unit")), "d_unit", "header_unit", "d_sheet_unit"
    )
    cells = cells.with_columns(stated.alias("stated_unit"))

    def look_up(unit: str | None, name: str | None, scaled: bool) -> Sequence[Any]:
        if name is None:
            return [None, None, ""]
        canonical, shown = catalog.indicators[name].unit, catalog.indicators[name].shown_unit
        if unit is None:
            return [1.0, None, ""] if canonical in _UNITLESS else [None, "intake.unit.missing", shown]
        cleaned = clean_unit(unit)
        try:
            if scaled and fold_width(cleaned).startswith(("万", "亿", "千", "百")) and cleaned != "千米":
                return [None, "intake.unit.doubled-scale", unit]
            cleaned = per_head(cleaned, catalog.indicators[name].zh, canonical)
            if dimension_of(cleaned) != dimension_of(canonical):
                return [None, "intake.unit.wrong-dimension", shown]
            return [conversion_factor(cleaned, canonical), None, ""]
        except UnitError as fault:
            return [None, "intake.unit.unknown", fault.expected]

    schema = {"factor": pl.Float64(), "unit_problem": pl.String(), "unit_detail": pl.String()}
    cells = joined(cells, ["stated_unit", "indicator", "scaled"], look_up, schema)
    wrong = cells.filter(pl.col("unit_problem").is_not_null() & pl.col("number").is_not_null())
    ledger.add(
        pl.col("unit_problem"),
        wrong,
        value=pl.when(pl.col("unit_problem") == "intake.unit.doubled-scale").then("text").otherwise("stated_unit"),
        detail=pl.col("unit_detail"),
    )
    used = ["d_unit", "header_unit", "d_sheet_unit", "shown_unit", "unit_problem", "unit_detail", "scaled"]
    return cells.with_columns(_scaled("number").alias("value")).drop(used)


def _scaled(name: str) -> pl.Expr:
    """Return a column times its factor, rounded to 15 significant digits where a conversion took place."""
    product = (pl.col(name) * pl.col("factor")).round_sig_figs(15)
    return pl.when(pl.col("factor") == 1.0).then(pl.col(name)).otherwise(product)


def _limits(cells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Read low, high and coverage beside the value."""
    for name in ("low", "high", "coverage"):
        column = f"d_{name}"
        if cells[column].null_count() == cells.height:
            cells = cells.with_columns(pl.lit(None, dtype=pl.Float64()).alias(name))
            continue
        readings = read_numbers(cells[column])
        percent = readings["unit"].is_in(["%"])
        number = readings["value"]
        if name == "coverage":
            number = pl.Series(
                pl.select(pl.when(percent).then((number / 100).round_sig_figs(15)).otherwise(number)).to_series()
            )
        cells = cells.with_columns(number.alias(name), ((readings["unit"] != "") & ~percent).alias("_unit"))
        wrong = pl.col(column).is_not_null() & (pl.col(name).is_null() | pl.col("_unit"))
        if name == "coverage":
            wrong = wrong | ~pl.col(name).is_between(0, 1)
        else:
            cells = cells.with_columns(_scaled(name).alias(name))
        ledger.add("intake.limits.not-a-number", cells.filter(wrong.fill_null(False)), value=column)
        cells = cells.drop("_unit")
    disorder = (pl.col("low") > pl.col("value")) | (pl.col("high") < pl.col("value")) | (pl.col("low") > pl.col("high"))
    ledger.add(
        "intake.limits.order",
        cells.filter(disorder.fill_null(False)),
        detail=pl.format("{} 至 {}", pl.col("d_low").fill_null(""), pl.col("d_high").fill_null("")),
    )
    return cells


def _reasons(cells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Fill missing_reason: a gap is stated, never a zero."""
    both = pl.col("stated_reason").is_not_null() & pl.col("number").is_not_null()
    ledger.add("intake.value.and-reason", cells.filter(both))
    zero = pl.col("zero_is_blank").fill_null(False) & (pl.col("number") == 0)
    ledger.add("intake.value.zero-as-blank", cells.filter(zero))
    reason = pl.when(zero).then(pl.lit(_REPORTED_GAP)).otherwise(pl.coalesce("stated_reason", "missing"))
    gap = pl.col("number").is_null() | zero
    return cells.with_columns(
        pl.when(gap).then(reason).alias("missing_reason"),
        pl.when(~zero).then(pl.col("value")).alias("value"),
    )


def check_values(cells: pl.DataFrame, catalog: Catalog, ledger: Ledger) -> None:
    """Check hard bounds, usual ranges and shares that look like fractions.

    Parameters
    ----------
    cells : DataFrame
        Cells with indicator and value.
    """
    shares = {
        indicator.id
        for indicator in catalog.indicators.values()
        if indicator.measure is IndicatorMeasure.SHARE or dimension_of(indicator.unit) == dimension_of("percent")
    }

    def bounds(name: str | None) -> Sequence[Any]:
        if name is None:
            return [None, None, None, None, ""]
        indicator = catalog.indicators[name]
        usual = indicator.usual or (None, None)
        span = f"{_shown(indicator.minimum)} 至 {_shown(indicator.maximum)}（{indicator.unit}）"
        return [indicator.minimum, indicator.maximum, usual[0], usual[1], span]

    schema = {
        **dict.fromkeys(("minimum", "maximum", "usual_low", "usual_high"), pl.Float64()),
        "span": pl.String(),
    }
    cells = joined(cells.filter(pl.col("value").is_not_null()), ["indicator"], bounds, schema)
    value = pl.col("value")
    slack = 1e-9 * pl.max_horizontal(pl.lit(1.0), pl.col("maximum").abs())
    infinite = ~value.is_finite()
    below = value < pl.col("minimum") - slack.fill_null(0.0)
    above = value > pl.col("maximum") + slack
    share = pl.col("indicator").is_in(list(shares))
    ledger.add("intake.value.not-finite", cells.filter(infinite))
    for problem, wrong in (
        ("intake.value.negative-share", below & share & (value < 0)),
        ("intake.value.below-minimum", below & ~(share & (value < 0))),
        ("intake.value.share-above-maximum", above & share),
        ("intake.value.above-maximum", above & ~share),
    ):
        ledger.add(problem, cells.filter(wrong.fill_null(False) & ~infinite), detail=pl.col("span"))
    unusual = ~value.is_between("usual_low", "usual_high") & ~below.fill_null(False) & ~above.fill_null(False)
    usual = pl.format("常见范围 {} 至 {}（{}）", "usual_low", "usual_high", "canonical")
    ledger.add("intake.value.unusual", cells.filter(unusual.fill_null(False)), detail=usual)
    _check_fractions(cells.filter(share), ledger)


def _shown(bound: float | None) -> str:
    return "不限" if bound is None else f"{bound:g}"


def _check_fractions(cells: pl.DataFrame, ledger: Ledger) -> None:
    """Look for decimal fractions under a percent unit; they are never scaled.

    A lone fraction that, times 100, comes within half of the place's value before or after it (of the column's median, where
    the place has no other) is refused; else it is pointed at.
    A cell with a unit of its own says what it means.
    """
    stated = cells.filter((pl.col("cell_unit") == "") & (pl.col("canonical") == "percent"))
    by = ["sheet", "indicator"]
    judged = stated.with_columns(
        pl.col("value").max().over(by).alias("largest"),
        pl.col("value").min().over(by).alias("smallest"),
        pl.col("value").median().over(by).alias("median"),
    )
    small = pl.col("value").is_between(0, 1, closed="right")
    all_small = (pl.col("largest") <= 1) & (pl.col("largest") > 0) & (pl.col("smallest") >= 0)
    ledger.add(
        "intake.share.looks-like-fraction",
        judged.filter(all_small),
        value=pl.col("largest").cast(pl.String()),
        where="header_cell",
    )
    place = [*by, "place"]
    percents = pl.when(pl.col("value") > 1).then(pl.col("value"))
    near = judged.sort("period").with_columns(
        percents.forward_fill().over(place).alias("before"), percents.backward_fill().over(place).alias("after")
    )
    lone = near.filter(small & ~all_small & (pl.col("median") >= 10)).with_columns(
        pl.when(pl.col("before").is_null() & pl.col("after").is_null()).then("median").otherwise("after").alias("after")
    )
    hundredfold = 100 * pl.col("value")
    fits = pl.any_horizontal(
        hundredfold.is_between(0.5 * pl.col(name), 1.5 * pl.col(name)).fill_null(False) for name in ("before", "after")
    )
    middle = pl.col("median").round(2).cast(pl.String())
    ledger.add("intake.share.fraction-among-percent", lone.filter(fits), detail=middle)
    ledger.add("intake.share.small-among-percent", lone.filter(~fits), detail=middle)


def check_duplicates(cells: pl.DataFrame, ledger: Ledger) -> pl.DataFrame:
    """Return cells without repeated keys.

    Of equal ones one is kept, one without findings where there is such; ones that disagree are all refused, naming each other.

    Parameters
    ----------
    cells : DataFrame
        Cells not refused so far, with every column of the key.
    """
    keys = [name for name in KEY if name in cells.columns]
    repeated = cells.filter(pl.struct(keys).is_duplicated())
    if repeated.is_empty():
        return cells
    place = pl.when(pl.col("sheet") == "").then("cell").otherwise(pl.format("{}!{}", "sheet", "cell"))
    doubted = pl.col("id").is_in(ledger.hits["id"].unique().implode())
    repeated = repeated.with_columns(place.alias("at"), doubted.alias("doubted")).sort("doubted", "sheet", "row", "col")
    span = pl.col("value").max() - pl.col("value").min()
    rest = ("low", "high", "coverage", "missing_reason", "published_on", "review")
    groups = repeated.group_by(keys, maintain_order=True).agg(
        (
            (span.fill_null(0.0) <= 1e-12 * pl.col("value").abs().max().fill_null(0.0))
            & ((pl.col("value").null_count() == 0) | (pl.col("value").null_count() == pl.len()))
            & pl.all_horizontal(pl.col(name).n_unique() == 1 for name in rest)
        ).alias("equal"),
        pl.format("{} = {}", "at", pl.coalesce(pl.col("text"), pl.lit("空白"))).str.join("；").alias("cells"),
        pl.col("at").first().alias("first_at"),
        pl.col("id").first().alias("first_id"),
    )
    repeated = repeated.join(groups, on=keys, how="left", nulls_equal=True)
    ledger.add("intake.row.disagree", repeated.filter(~pl.col("equal")), detail=pl.col("cells"))
    again = repeated.filter(pl.col("equal") & (pl.col("id") != pl.col("first_id")))
    ledger.add("intake.row.duplicate", again, detail=pl.col("first_at"))
    left_out = repeated.filter(~pl.col("equal") | (pl.col("id") != pl.col("first_id")))["id"]
    return cells.join(left_out.to_frame(), on="id", how="anti")
