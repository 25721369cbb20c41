"""The one expression grammar of the catalog: formulas, conditions and checks, with dimensions checked at load.

``share(new_green_area, new_area)``, ``work == "new" and gross_area >= 5000[m**2]``, ``storeys > 18[storey] or height > 54[m]``,
``permit_date >= "2025-01-01"``, ``year(completion_date) >= 2025[year]``.

Numbers carry their unit in brackets; a number without one is dimensionless. Values may be unknown: conditions follow
Kleene's three-valued logic, so that an unknown part decides nothing that another part does not decide. Expressions are run
over whole frames by way of Polars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

import polars as pl
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from dafeng.base.errors import ExpressionError, UnitError, close_names
from dafeng.base.quantity import dimension_powers, root_factor

__all__ = [
    "FieldType",
    "check_expression",
    "evaluate",
    "evaluate_tree",
    "expression_names",
    "parse_expression",
    "undecided",
    "undecided_tree",
]

_GRAMMAR: Final = r"""
?start: either
?either: both ("or" both)*
?both: inverse ("and" inverse)*
?inverse: "not" inverse -> negation
        | comparison
?comparison: sum
        | sum COMPARATOR sum -> comparison
        | sum "in" "[" [_items] "]" -> membership
        | sum "not" "in" "[" [_items] "]" -> exclusion
_items: atom ("," atom)*
?sum: product (ADDITIVE product)*
?product: sign (MULTIPLICATIVE sign)*
?sign: "-" sign -> minus
        | atom
?atom: NUMBER ["[" UNIT "]"] -> number
        | STRING -> text
        | TRUTH -> truth
        | NAME "(" either ("," either)* ")" -> call
        | NAME -> name
        | "(" either ")"
COMPARATOR: "==" | "!=" | ">=" | "<=" | ">" | "<"
ADDITIVE: "+" | "-"
MULTIPLICATIVE: "*" | "/"
TRUTH.2: /(true|false)\b/
NAME: /(?!(and|or|not|in|true|false)\b)[a-z][a-z0-9_]*/
UNIT: /[A-Za-z_%‰\u4e00-\u9fff][^\[\]"]*/
NUMBER: /\d+(\.\d+)?([eE][+-]?\d+)?/
STRING: /"[^"\n]*"/
%ignore /[ \t\n]+/
"""
_parser: Final = Lark(_GRAMMAR, parser="lalr", maybe_placeholders=True)
_FUNCTIONS: Final = ("share", "min", "max", "sum", "if", "known", "year")


@dataclass(frozen=True)
class FieldType:
    """What a name in an expression stands for.

    Parameters
    ----------
    kind : str
        number, text, yes_no, date or choice.
    unit : str
        Unit of a number; ``ratio`` for a bare one.
    options : tuple of str
        Codes of a choice.
    """

    kind: str = "number"
    unit: str = "ratio"
    options: tuple[str, ...] = ()


_Powers = tuple[tuple[str, float], ...]
_Kind = tuple[str, _Powers]
_NUMBER: Final = "number"


def _powers(unit: str) -> _Powers:
    return tuple(sorted(dimension_powers(unit).items()))


def _fault(text: str, problem: str, expected: str = "") -> ExpressionError:
    return ExpressionError(
        f"{text!r}: {problem}",
        doing="check an expression",
        expected=expected,
        next_step="see docs/reference/expressions.md",
    )


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Tree[Token]:
    """Return the syntax tree of an expression.

    Raises
    ------
    ExpressionError
        The text does not follow the grammar; the error names the column.

    Examples
    --------
    >>> parse_expression("a >= 2").data
    'comparison'
    """
    try:
        tree = _parser.parse(text)
    except UnexpectedInput as error:
        raise _fault(
            text, f"not understood at column {error.column}", "an expression of the catalog grammar"
        ) from error
    return tree if isinstance(tree, Tree) else Tree("name", [tree])


def expression_names(text: str) -> list[str]:
    """Return the names that an expression uses, in order of appearance, each once.

    Examples
    --------
    >>> expression_names("share(a - b, a)")
    ['a', 'b']
    """
    found: dict[str, None] = {}

    def walk(node: Tree[Token]) -> None:
        if node.data == "name":
            found[str(node.children[0])] = None
        for child in node.children:
            if isinstance(child, Tree):
                walk(child)

    walk(parse_expression(text))
    return list(found)


def check_expression(text: str, fields: Mapping[str, FieldType]) -> FieldType:
    """Check names, kinds and dimensions of an expression and return what it yields.

    Parameters
    ----------
    text : str
    fields : mapping from name to FieldType

    Returns
    -------
    FieldType
        Kind ``yes_no`` for a condition; for a number the unit is given as a product of root dimensions.

    Raises
    ------
    ExpressionError
        A name is unknown, kinds do not fit, or dimensions differ.

    Examples
    --------
    >>> check_expression("area >= 2[公顷]", {"area": FieldType(unit="m**2")}).kind
    'yes_no'
    >>> check_expression("area >= 2[km]", {"area": FieldType(unit="m**2")})
    Traceback (most recent call last):
    dafeng.base.errors.ExpressionError: [expression] check an expression: 'area >= 2[km]': [length]^2 is compared with \
[length]; expected: equal dimensions; next: see docs/reference/expressions.md
    """
    kind, powers = _kind_of(parse_expression(text), text, fields)
    return FieldType(kind, _show(powers) if kind == _NUMBER else "ratio")


def _show(powers: _Powers) -> str:
    return "·".join(f"{name}^{power:g}" if power != 1 else name for name, power in powers) or "[]"


def _kind_of(node: Tree[Token], text: str, fields: Mapping[str, FieldType]) -> _Kind:
    children = [child for child in node.children if isinstance(child, Tree)]

    def numbers(*nodes: Tree[Token]) -> list[_Powers]:
        kinds = [_kind_of(child, text, fields) for child in nodes]
        for kind, _ in kinds:
            if kind != _NUMBER:
                raise _fault(text, f"a {kind} stands where a number is needed", "a number")
        return [powers for _, powers in kinds]

    def equal(all_powers: list[_Powers], verb: str) -> _Powers:
        for other in all_powers[1:]:
            if other != all_powers[0]:
                raise _fault(text, f"{_show(all_powers[0])} is {verb} {_show(other)}", "equal dimensions")
        return all_powers[0]

    match str(node.data):
        case "number":
            unit = node.children[1]
            try:
                return _NUMBER, _powers(str(unit)) if unit is not None else ()
            except UnitError as error:
                raise _fault(text, error.problem, error.expected) from error
        case "text":
            return "text", ()
        case "truth":
            return "yes_no", ()
        case "name":
            name = str(node.children[0])
            if name not in fields:
                close = close_names(name, fields)
                raise _fault(text, f"{name!r} is not known", f"one of {', '.join(close or sorted(fields)[:8])}")
            field = fields[name]
            return field.kind, _powers(field.unit) if field.kind == _NUMBER else ()
        case "minus":
            return _NUMBER, numbers(children[0])[0]
        case "sum":
            return _NUMBER, equal(numbers(*children), "added to")
        case "product":
            total: dict[str, float] = {}
            signs = [1.0] + [1.0 if str(token) == "*" else -1.0 for token in node.children if isinstance(token, Token)]
            for sign, powers in zip(signs, numbers(*children), strict=True):
                for name, power in powers:
                    total[name] = total.get(name, 0.0) + sign * power
            return _NUMBER, tuple(sorted((name, power) for name, power in total.items() if power))
        case "comparison" | "membership" | "exclusion":
            return _compared(node, children, text, fields, equal)
        case "negation" | "both" | "either":
            for child in children:
                kind = _kind_of(child, text, fields)[0]
                if kind != "yes_no":
                    raise _fault(text, f"a {kind} stands where a condition is needed", "a condition")
            return "yes_no", ()
        case "call":
            return _called(str(node.children[0]), children, text, fields, numbers, equal)
        case other:
            raise _fault(text, f"{other} is not supported")


def _compared(
    node: Tree[Token],
    children: list[Tree[Token]],
    text: str,
    fields: Mapping[str, FieldType],
    equal: Callable[[list[_Powers], str], _Powers],
) -> _Kind:
    kinds = [_kind_of(child, text, fields) for child in children]
    first = kinds[0][0]
    textual = {"text", "choice"}
    if "date" in [kind for kind, _ in kinds]:
        _check_dates(children, kinds, text)
        return "yes_no", ()
    for kind, _ in kinds[1:]:
        if kind != first and not {kind, first} <= textual:
            raise _fault(text, f"a {first} is compared with a {kind}", "two values of one kind")
    if first == _NUMBER:
        equal([powers for _, powers in kinds], "compared with")
    elif first in textual and node.data == "comparison" and str(node.children[1]) not in ("==", "!="):
        raise _fault(text, "texts are compared by order", "== or != for texts")
    name = str(children[0].children[0]) if children[0].data == "name" else ""
    if first == "choice" and fields[name].options:
        for child in children[1:]:
            option = str(child.children[0])[1:-1]
            if child.data == "text" and option not in fields[name].options:
                raise _fault(text, f"{option!r} is no option of {name}", f"one of {', '.join(fields[name].options)}")
    return "yes_no", ()


def _check_dates(children: list[Tree[Token]], kinds: list[_Kind], text: str) -> None:
    for child, (kind, _) in zip(children, kinds, strict=True):
        if kind == "date":
            continue
        if child.data != "text":
            raise _fault(text, f"a date is compared with a {kind}", 'a date field or a day such as "2025-01-01"')
        try:
            date.fromisoformat(str(child.children[0])[1:-1])
        except ValueError as error:
            raise _fault(text, f"{child.children[0]} is no day", 'a day such as "2025-01-01"') from error


def _called(
    name: str,
    children: list[Tree[Token]],
    text: str,
    fields: Mapping[str, FieldType],
    numbers: Callable[..., list[_Powers]],
    equal: Callable[[list[_Powers], str], _Powers],
) -> _Kind:
    counts = {"share": (2, 2), "if": (3, 3), "known": (1, 1), "year": (1, 1)}
    least, most = counts.get(name, (1, 99))
    if name not in _FUNCTIONS:
        raise _fault(text, f"function {name!r} is not known", f"one of {', '.join(_FUNCTIONS)}")
    if not least <= len(children) <= most:
        raise _fault(text, f"{name} takes {least} values, not {len(children)}")
    match name:
        case "known":
            _kind_of(children[0], text, fields)
            return "yes_no", ()
        case "year":
            kind = _kind_of(children[0], text, fields)[0]
            if kind != "date":
                raise _fault(text, f"the year of a {kind} is asked for", "a date field")
            return _NUMBER, _powers("year")
        case "if":
            if _kind_of(children[0], text, fields)[0] != "yes_no":
                raise _fault(text, "the first value of if is no condition", "a condition")
            return _NUMBER, equal(numbers(*children[1:]), "mixed with")
        case "share":
            equal(numbers(*children), "divided into a share of")
            return _NUMBER, _powers("share")
        case _:
            return _NUMBER, equal(numbers(*children), "mixed with")


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
    if node.data == "name":
        return {name: pl.col(name).is_null()}
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
        case "name":
            column = pl.col(tokens[0])
            field = fields[tokens[0]]
            if field.kind == _NUMBER and root_factor(field.unit) != 1.0:
                column = column * root_factor(field.unit)
            return column
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
