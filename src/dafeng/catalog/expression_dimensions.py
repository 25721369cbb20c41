"""The check of expressions at load: names, kinds and dimensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

from lark import Token, Tree

from dafeng.base.errors import PeriodError, UnitError, close_names
from dafeng.base.period import Period
from dafeng.base.quantity import dimension_powers
from dafeng.catalog.expression_grammar import SHIFTS, FieldType, fault, parse_expression, reference_of

__all__ = ["FUNCTIONS", "check_expression"]

FUNCTIONS: Final = (
    *("share", "points", "lowered", "min", "max", "sum", "if", "known", "year"),
    *SHIFTS,
    "factor",
)
"""Functions of the grammar."""
_COUNTS: Final = {
    **{"share": (2, 2), "points": (2, 2), "lowered": (2, 2), "if": (3, 3), "known": (1, 1), "year": (1, 1)},
    **{"previous": (1, 1), "year_before": (1, 1), "at": (2, 2), "factor": (2, 2)},
}
_Powers = tuple[tuple[str, float], ...]
_Kind = tuple[str, _Powers]
_NUMBER: Final = "number"


def _powers(unit: str) -> _Powers:
    return tuple(sorted(dimension_powers(unit).items()))


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
                raise fault(text, f"a {kind} stands where a number is needed", "a number")
        return [powers for _, powers in kinds]

    def equal(all_powers: list[_Powers], verb: str) -> _Powers:
        for other in all_powers[1:]:
            if other != all_powers[0]:
                raise fault(text, f"{_show(all_powers[0])} is {verb} {_show(other)}", "equal dimensions")
        return all_powers[0]

    match str(node.data):
        case "number":
            unit = node.children[1]
            try:
                return _NUMBER, _powers(str(unit)) if unit is not None else ()
            except UnitError as error:
                raise fault(text, error.problem, error.expected) from error
        case "text":
            return "text", ()
        case "truth":
            return "yes_no", ()
        case "name":
            name = str(node.children[0])
            if name not in fields:
                close = close_names(name, fields)
                raise fault(text, f"{name!r} is not known", f"one of {', '.join(close or sorted(fields)[:8])}")
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
                    raise fault(text, f"a {kind} stands where a condition is needed", "a condition")
            return "yes_no", ()
        case "call":
            if str(node.children[0]) in (*SHIFTS, "factor"):
                return _referred(node, text, fields)
            return _called(str(node.children[0]), children, text, fields, numbers, equal)
        case other:
            raise fault(text, f"{other} is not supported")


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
            raise fault(text, f"a {first} is compared with a {kind}", "two values of one kind")
    if first == _NUMBER:
        equal([powers for _, powers in kinds], "compared with")
    elif first in textual and node.data == "comparison" and str(node.children[1]) not in ("==", "!="):
        raise fault(text, "texts are compared by order", "== or != for texts")
    name = str(children[0].children[0]) if children[0].data == "name" else ""
    if first == "choice" and fields[name].options:
        for child in children[1:]:
            option = str(child.children[0])[1:-1]
            if child.data == "text" and option not in fields[name].options:
                raise fault(text, f"{option!r} is no option of {name}", f"one of {', '.join(fields[name].options)}")
    return "yes_no", ()


def _check_dates(children: list[Tree[Token]], kinds: list[_Kind], text: str) -> None:
    for child, (kind, _) in zip(children, kinds, strict=True):
        if kind == "date":
            continue
        if child.data != "text":
            raise fault(text, f"a date is compared with a {kind}", 'a date field or a day such as "2025-01-01"')
        try:
            date.fromisoformat(str(child.children[0])[1:-1])
        except ValueError as error:
            raise fault(text, f"{child.children[0]} is no day", 'a day such as "2025-01-01"') from error


def _called(
    name: str,
    children: list[Tree[Token]],
    text: str,
    fields: Mapping[str, FieldType],
    numbers: Callable[..., list[_Powers]],
    equal: Callable[[list[_Powers], str], _Powers],
) -> _Kind:
    least, most = _COUNTS.get(name, (1, 99))
    if name not in FUNCTIONS:
        raise fault(text, f"function {name!r} is not known", f"one of {', '.join(FUNCTIONS)}")
    if not least <= len(children) <= most:
        raise fault(text, f"{name} takes {least} values, not {len(children)}")
    match name:
        case "known":
            _kind_of(children[0], text, fields)
            return "yes_no", ()
        case "year":
            kind = _kind_of(children[0], text, fields)[0]
            if kind != "date":
                raise fault(text, f"the year of a {kind} is asked for", "a date field")
            return _NUMBER, _powers("year")
        case "if":
            if _kind_of(children[0], text, fields)[0] != "yes_no":
                raise fault(text, "the first value of if is no condition", "a condition")
            return _NUMBER, equal(numbers(*children[1:]), "mixed with")
        case "share":
            equal(numbers(*children), "divided into a share of")
            return _NUMBER, _powers("share")
        case "points" | "lowered":
            wanted = [_powers("share"), _powers("percentage_point" if name == "lowered" else "share")]
            for given, needed in zip(numbers(*children), wanted, strict=True):
                if given != needed:
                    raise fault(text, f"{name} is given {_show(given)}", _show(needed))
            return _NUMBER, _powers("percentage_point" if name == "points" else "share")
        case _:
            return _NUMBER, equal(numbers(*children), "mixed with")


def _referred(node: Tree[Token], text: str, fields: Mapping[str, FieldType]) -> _Kind:
    """Return the kind of a value of another period, or of a factor."""
    name, count = str(node.children[0]), len(node.children) - 1
    least, most = _COUNTS[name]
    if not least <= count <= most:
        raise fault(text, f"{name} takes {least} values, not {count}")
    reference = reference_of(node)
    if reference is None:
        said = 'factor("family", "subject")' if name == "factor" else f"{name}(name)"
        raise fault(text, f"{name} takes names as they are, no expression", said)
    if reference.name not in fields:
        near = close_names(reference.name, [one for one in fields if (":" in one) == reference.is_factor])
        what = "factor" if reference.is_factor else "name"
        raise fault(text, f"{what} {reference.name!r} is not known", f"one of {', '.join(near)}" if near else "")
    field = fields[reference.name]
    if not reference.is_factor and not field.dated:
        raise fault(text, f"{reference.name} has no values by period", "an indicator")
    if name == "at":
        try:
            Period.parse(reference.when)
        except PeriodError as error:
            raise fault(text, f"{reference.when!r} is no period", 'a period such as "2020"') from error
    return field.kind, _powers(field.unit) if field.kind == _NUMBER else ()
