"""The one expression grammar of the catalog: formulas, conditions and checks, with dimensions checked at load.

``share(new_green_area, new_area)``, ``work == "new" and gross_area >= 5000[m**2]``, ``storeys > 18[storey] or height > 54[m]``,
``permit_date >= "2025-01-01"``, ``year(completion_date) >= 2025[year]``, ``points(at(loss_rate, "2020"), loss_rate)``.

Numbers carry their unit in brackets; a number without one is dimensionless. Values may be unknown: conditions follow
Kleene's three-valued logic, so that an unknown part decides nothing that another part does not decide. Expressions are run
over whole frames by way of Polars; a value of another period and a factor stand in columns of their own (`Reference.column`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl
from lark import Token, Tree

from dafeng.base.quantity import root_factor
from dafeng.catalog.expression_dimensions import check_expression
from dafeng.catalog.expression_grammar import (
    FieldType,
    Reference,
    expression_names,
    expression_references,
    factor_name,
    parse_expression,
    reference_of,
)

__all__ = [
    "FieldType",
    "Reference",
    "check_expression",
    "evaluate",
    "evaluate_tree",
    "expression_names",
    "expression_references",
    "factor_name",
    "parse_expression",
    "undecided",
    "undecided_tree",
]

_NUMBER: Final = "number"
_POINTS: Final = root_factor("percentage_point") / root_factor("percent")
"""Percentage points in a share of one."""


def evaluate(text: str, fields: Mapping[str, FieldType], *, unit: str | None = None) -> pl.Expr:
    """Return an expression as a Polars expression over columns of the same names.

    Parameters
    ----------
    text : str
    fields : mapping from name to FieldType
        Columns hold numbers in their field's unit; null means unknown.
    unit : str, optional
        Unit of the result, for a number.

    Returns
    -------
    polars.Expr
        Null where the answer is unknown.

    Examples
    --------
    >>> fields = {"reused": FieldType(unit="m**3"), "treated": FieldType(unit="m**3")}
    >>> frame = pl.DataFrame({"reused": [30.0, None], "treated": [120.0, 100.0]})
    >>> frame.select(evaluate("share(reused, treated)", fields, unit="percent").alias("rate"))["rate"].to_list()
    [25.0, None]
    """
    check_expression(text, fields)
    expression = _compile(parse_expression(text), fields)
    return expression if unit is None else expression / root_factor(unit)


def evaluate_tree(tree: Tree[Token], fields: Mapping[str, FieldType]) -> pl.Expr:
    """Return a part of a checked expression as a Polars expression, as `evaluate` does for the whole.

    Parameters
    ----------
    tree : Tree
        Of `parse_expression`, or a subtree of it.
    fields : mapping from name to FieldType

    Examples
    --------
    >>> fields = {"work": FieldType("text"), "area": FieldType(unit="m**2")}
    >>> first, second = parse_expression('work == "new" and area >= 2[公顷]').children
    >>> pl.DataFrame({"work": ["new"], "area": [5000.0]}).select(evaluate_tree(second, fields)).item()
    False
    """
    return _compile(tree, fields)


def undecided(text: str, fields: Mapping[str, FieldType]) -> dict[str, pl.Expr]:
    """Return, for each name, where it is unknown and keeps the answer open.

    A name that is unknown where another part decides the answer is not asked for.

    Parameters
    ----------
    text : str
    fields : mapping from name to FieldType

    Returns
    -------
    dict from name to polars.Expr
        Boolean and never null, in order of appearance. All are false where the answer is known, and where it is unknown for
        good (a share of zero).

    Examples
    --------
    >>> fields = {"new": FieldType("yes_no"), "area": FieldType(unit="m**2"), "height": FieldType(unit="m")}
    >>> frame = pl.DataFrame({"new": [True, False, None], "area": [None, None, 10.0], "height": [9.0, None, None]},
    ...                      schema_overrides={"area": pl.Float64})
    >>> asked = undecided("new and (area > 5000[m**2] or height > 24[m])", fields)
    >>> frame.select(**asked).rows()
    [(False, True, False), (False, False, False), (True, False, True)]
    """
    check_expression(text, fields)
    return undecided_tree(parse_expression(text), fields)


def undecided_tree(tree: Tree[Token], fields: Mapping[str, FieldType]) -> dict[str, pl.Expr]:
    """Return what `undecided` returns, for a part of a checked expression.

    Examples
    --------
    >>> list(undecided_tree(parse_expression("known(a) and b > c"), {"a": FieldType(), "b": FieldType(), "c": FieldType()}))
    ['b', 'c']
    """
    return _undecided(tree, fields)


def _undecided(node: Tree[Token], fields: Mapping[str, FieldType]) -> dict[str, pl.Expr]:
    children = [child for child in node.children if isinstance(child, Tree)]
    name = str(node.children[0]) if node.data in ("name", "call") else ""
    reference = reference_of(node)
    if reference is not None:
        return {reference.column: pl.col(reference.column).is_null()}
    if name == "known" or not children:
        return {}
    asked = [_undecided(child, fields) for child in children]
    where: list[pl.Expr | None] = [None] * len(children)
    if name == "if":
        condition = _compile(children[0], fields)
        where = [condition.is_null(), condition.fill_null(True), ~condition.fill_null(False)]
    elif name == "share":
        nothing = (_compile(children[1], fields) == 0).fill_null(False)
        where = [~nothing, None]
    here = _compile(node, fields).is_null()
    found: dict[str, pl.Expr] = {}
    for names, part in zip(asked, where, strict=True):
        for each, mask in names.items():
            narrowed = mask & here if part is None else mask & here & part
            found[each] = found[each] | narrowed if each in found else narrowed
    return found


def _literal(node: Tree[Token], fields: Mapping[str, FieldType], *, day: bool) -> pl.Expr:
    if day and node.data == "text":
        return pl.lit(date.fromisoformat(str(node.children[0])[1:-1]))
    return _compile(node, fields)


def _compile(node: Tree[Token], fields: Mapping[str, FieldType]) -> pl.Expr:
    reference = reference_of(node)
    if reference is not None:
        column, field = pl.col(reference.column), fields[reference.name]
        factor = root_factor(field.unit) if field.kind == _NUMBER else 1.0
        return column if factor == 1.0 else column * factor
    trees = [child for child in node.children if isinstance(child, Tree)]
    days = node.data in ("comparison", "membership", "exclusion") and any(
        child.data == "name" and fields[str(child.children[0])].kind == "date" for child in trees
    )
    children = [_literal(child, fields, day=days) for child in trees]
    tokens = [str(child) for child in node.children if isinstance(child, Token)]
    match str(node.data):
        case "number":
            return pl.lit(float(tokens[0]) * (root_factor(tokens[1]) if len(tokens) > 1 else 1.0))
        case "text":
            return pl.lit(tokens[0][1:-1])
        case "truth":
            return pl.lit(tokens[0] == "true")
        case "minus":
            return -children[0]
        case "negation":
            return ~children[0]
        case "both":
            return pl.all_horizontal(children)
        case "either":
            return pl.any_horizontal(children)
        case "comparison":
            left, right = children
            return {"==": left == right, "!=": left != right, ">=": left >= right, "<=": left <= right}.get(
                tokens[0], left > right if tokens[0] == ">" else left < right
            )
        case "membership" | "exclusion":
            inside = pl.any_horizontal([children[0] == option for option in children[1:]])
            return inside if node.data == "membership" else ~inside
        case "call":
            return _compile_call(tokens[0], children)
        case _:
            total = children[0]
            for operator, operand in zip(tokens, children[1:], strict=True):
                total = {"+": total + operand, "-": total - operand, "*": total * operand, "/": total / operand}[
                    operator
                ]
            return total


def _compile_call(name: str, children: list[pl.Expr]) -> pl.Expr:
    match name:
        case "share":
            return pl.when(children[1] != 0).then(children[0] / children[1])
        case "points":
            return (children[0] - children[1]) * _POINTS
        case "lowered":
            return children[0] - children[1] / _POINTS
        case "known":
            return children[0].is_not_null()
        case "year":
            return children[0].dt.year().cast(pl.Float64) * root_factor("year")
        case "if":
            return pl.when(children[0]).then(children[1]).when(~children[0]).then(children[2])
        case "sum":
            return pl.sum_horizontal(children, ignore_nulls=False)
        case _:
            unknown = pl.any_horizontal([child.is_null() for child in children])
            chosen = pl.min_horizontal(children) if name == "min" else pl.max_horizontal(children)
            return pl.when(~unknown).then(chosen)
