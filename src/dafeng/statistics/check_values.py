"""Figures held against the bounds of their indicator, and against conditions over several indicators of one place and period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl
from lark import Token, Tree

from dafeng.base.observation import BREAKDOWNS
from dafeng.base.quantity import root_factor
from dafeng.catalog.expression import FieldType, evaluate_tree, expression_names, parse_expression
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import HIT_SCHEMA, Context, Outcome, cells_of, hits, number, shown_factor
from dafeng.statistics.check_parts import layered_of
from dafeng.statistics.check_table import Floats, Series, Table

__all__ = ["check_condition", "check_range"]

_TINY: Final = 1e-12


def check_range(check: DataCheck, context: Context) -> Outcome:
    """Find values beyond the hard bounds of their indicator, or outside of its usual range.

    Parameters
    ----------
    check : DataCheck
        `tolerance`: slack as a share of the larger bound. ``usual``: 1 to look at the usual range instead of the hard bounds; what was outside of it before is not told
        again.
    context : Context
    """
    usual = bool(check.parameters.get("usual"))
    bounds = []
    for indicator in context.indicators.values():
        if check.indicators and indicator.id not in check.indicators:
            continue
        least, most = (indicator.usual or (None, None)) if usual else (indicator.minimum, indicator.maximum)
        if least is not None or most is not None:
            bounds.append((indicator.id, least, most, shown_factor(indicator)))
    table = pl.DataFrame(
        bounds,
        schema={"indicator": pl.String, "low": pl.Float64, "high": pl.Float64, "factor": pl.Float64},
        orient="row",
    )
    value, low, high = pl.col("value"), pl.col("low"), pl.col("high")
    excess = pl.max_horizontal(low - value, value - high)
    slack = pl.max_horizontal(low.abs(), high.abs()) * max(check.tolerance, 1e-9)
    kinds = context.facts.schema["indicator"]
    series = ["dataset", "indicator", "place", "extent", *BREAKDOWNS, "basis"]
    rows = context.facts.lazy().select("row", *series, "period", "value").filter(value.is_not_null())
    beyond = (
        rows.join(
            table.lazy().with_columns(pl.col("indicator").cast(kinds, strict=False)).drop_nulls("indicator"),
            on="indicator",
        )
        .filter(excess > slack)
        .collect()
    )
    if usual:
        beyond = beyond.sort(*series, "period").unique(series, keep="first", maintain_order=True)
    found = (
        beyond.lazy()
        .with_columns(
            score=excess / pl.max_horizontal(value.abs(), low.abs(), high.abs()),
            shown=value * pl.col("factor"),
            least=low * pl.col("factor"),
            most=high * pl.col("factor"),
        )
        .with_columns(
            note=pl.format(
                "值 {}，{}为 {} 至 {}",
                number("shown"),
                pl.lit("常见范围" if usual else "允许范围"),
                number("least").fill_null("不限"),
                number("most").fill_null("不限"),
            )
        )
        .select(pl.col(name).cast(kind) for name, kind in HIT_SCHEMA.items())
        .collect()
    )
    return Outcome(found)


def check_condition(check: DataCheck, context: Context) -> Outcome:
    """Find places and periods at which the condition of a check does not hold.

    All figures are of one dataset, place, period, breakdown and basis; where the indicators are defined for different extents,
    each is taken at its own. What is unknown decides nothing.

    Parameters
    ----------
    check : DataCheck
        `tolerance`: relative slack of every comparison.
    context : Context
    """
    text = check.require or ""
    names = expression_names(text)
    types = context.catalog.indicator_types()
    fields = {name: types[name] for name in names}
    holds = _with_slack(parse_expression(text), fields, check.tolerance)
    own_extents = len({context.indicators[name].extent for name in names}) > 1
    parts: list[pl.DataFrame] = []
    for group in layered_of(context.tables).values():
        for together in _side_by_side(group, names, context, own_extents=own_extents):
            parts += _violations(together, names, holds, context, fields, text)
    return Outcome(cells_of(parts))


def _side_by_side(
    group: Mapping[Series, tuple[Table, int]], names: list[str], context: Context, *, own_extents: bool
) -> list[dict[str, tuple[Table, int]]]:
    """Return the layers of the names that belong together: same breakdown, basis and, where they share one, extent."""
    found: dict[tuple[object, ...], dict[str, tuple[Table, int]]] = defaultdict(dict)
    bases = {series.basis for series in group if series.indicator in names and series.basis}
    for series, place in sorted(group.items()):
        if series.indicator not in names:
            continue
        own = context.indicators[series.indicator]
        if own_extents and series.extent != own.extent.value:
            continue
        for basis in [series.basis] if series.basis or own.bases else sorted(bases) or [""]:
            found["" if own_extents else series.extent, series.breakdown, basis][series.indicator] = place
    return [
        together for _, together in sorted(found.items(), key=lambda pair: str(pair[0])) if len(together) == len(names)
    ]


def _violations(
    together: dict[str, tuple[Table, int]],
    names: list[str],
    holds: pl.Expr,
    context: Context,
    fields: Mapping[str, FieldType],
    text: str,
) -> list[pl.DataFrame]:
    columns = {name: table.values[layer].reshape(-1) for name, (table, layer) in together.items()}
    frame = pl.DataFrame(columns).fill_nan(None)
    broken = frame.select((~holds).fill_null(value=False).alias("broken"))["broken"].to_numpy()
    if not broken.any():
        return []
    found = frame.filter(pl.Series(broken))
    left, right = _sides(text, fields)
    score = (
        found.select(((left - right).abs() / (pl.max_horizontal(left.abs(), right.abs()) + _TINY)).alias("score"))[
            "score"
        ]
        .fill_null(1.0)
        .to_numpy()
    )
    shown = {name: found[name].to_numpy() * shown_factor(context.indicators[name]) for name in names}
    note = "，".join(f"{context.indicators[name].zh} {{}}" for name in names)
    parts = []
    for name in names:
        table, layer = together[name]
        rows = table.rows[layer].reshape(-1)[broken]
        limit = _limit(text, name, found, fields)
        parts.append(hits(rows, score * 100, note, low=limit, high=limit, **shown))
    return parts


def _comparison(node: Tree[Token]) -> tuple[Tree[Token], Tree[Token]] | None:
    """Return both sides of the first comparison of a condition."""
    trees = [child for child in node.children if isinstance(child, Tree)]
    if node.data == "comparison":
        return trees[0], trees[1]
    return next((found for found in map(_comparison, trees) if found is not None), None)


def _sides(text: str, fields: Mapping[str, FieldType]) -> tuple[pl.Expr, pl.Expr]:
    """Return both sides of the first comparison as expressions; two constants where there is none."""
    trees = _comparison(parse_expression(text))
    if trees is None:
        return pl.lit(1.0), pl.lit(0.0)
    return evaluate_tree(trees[0], fields), evaluate_tree(trees[1], fields)


def _limit(text: str, name: str, found: pl.DataFrame, fields: Mapping[str, FieldType]) -> Floats | None:
    """Return what a name is compared with where it stands alone on one side of the first comparison."""
    trees = _comparison(parse_expression(text))
    for one, other in (trees, trees[::-1]) if trees else ():
        if one.data == "name" and str(one.children[0]) == name:
            expression = evaluate_tree(other, fields) / root_factor(fields[name].unit)
            return found.select(expression.cast(pl.Float64).alias("limit"))["limit"].fill_null(np.nan).to_numpy()
    return None


def _with_slack(node: Tree[Token], fields: Mapping[str, FieldType], tolerance: float) -> pl.Expr:
    """Return a condition as a Polars expression whose comparisons give way by a relative tolerance."""
    trees = [child for child in node.children if isinstance(child, Tree)]
    match str(node.data):
        case "both":
            return pl.all_horizontal([_with_slack(tree, fields, tolerance) for tree in trees])
        case "either":
            return pl.any_horizontal([_with_slack(tree, fields, tolerance) for tree in trees])
        case "negation":
            return ~_with_slack(trees[0], fields, tolerance)
        case "comparison":
            sign = next(str(child) for child in node.children if isinstance(child, Token))
            left, right = (evaluate_tree(tree, fields) for tree in trees)
            slack = pl.max_horizontal(left.abs(), right.abs()) * (tolerance + _TINY)
            return {
                "==": (left - right).abs() <= slack,
                "!=": (left - right).abs() > slack,
                ">=": left >= right - slack,
                "<=": left <= right + slack,
                ">": left > right - slack,
                "<": left < right + slack,
            }[sign]
        case _:
            return evaluate_tree(node, fields)
