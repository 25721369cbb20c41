"""The grammar of expressions: their syntax trees, and which names, periods and factors they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from dafeng.base.errors import ExpressionError

__all__ = [
    "SHIFTS",
    "FieldType",
    "Reference",
    "expression_names",
    "expression_references",
    "factor_name",
    "fault",
    "parse_expression",
    "reference_of",
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
SHIFTS: Final = ("previous", "year_before", "at")
"""Functions that take a value of another period."""


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
    dated : bool
        Whether it has a value for each period, so that the value of another period may be asked for.
    """

    kind: str = "number"
    unit: str = "ratio"
    options: tuple[str, ...] = ()
    dated: bool = False


class Reference(NamedTuple):
    """A value that an expression asks for: a name, and the period where it is not the one in hand.

    Examples
    --------
    >>> [one.column for one in expression_references('x - previous(x) + at(x, "2020")')]
    ['x', 'x@previous', 'x@2020']
    """

    name: str
    """Name, or factor name (`factor_name`)."""
    when: str = ""
    """Empty for the period in hand; previous, year_before, or the text of a period."""

    @property
    def column(self) -> str:
        """Column that holds it when the expression is evaluated over a frame."""
        return f"{self.name}@{self.when}" if self.when else self.name

    @property
    def is_factor(self) -> bool:
        """Whether it is a dated factor of the catalog."""
        return ":" in self.name


def factor_name(family: str, subject: str) -> str:
    """Return the name under which a factor stands among the fields of an expression.

    Examples
    --------
    >>> factor_name("coal_equivalent_generation", "electricity")
    'coal_equivalent_generation:electricity'
    """
    return f"{family}:{subject}"


def fault(text: str, problem: str, expected: str = "") -> ExpressionError:
    """Return the error that an expression is at fault."""
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
        raise fault(text, f"not understood at column {error.column}", "an expression of the catalog grammar") from error
    return tree if isinstance(tree, Tree) else Tree("name", [tree])


def reference_of(node: Tree[Token]) -> Reference | None:
    """Return what a node asks for where it is a name, a value of another period or a factor; else None."""
    if node.data == "name":
        return Reference(str(node.children[0]))
    if node.data != "call":
        return None
    name, *arguments = node.children
    words = [str(one.children[0]) for one in arguments if isinstance(one, Tree) and one.data in ("name", "text")]
    if str(name) == "factor" and len(words) == len(arguments) == 2:
        return Reference(factor_name(words[0].strip('"'), words[1].strip('"')))
    if str(name) in SHIFTS and words and len(words) == len(arguments):
        return Reference(words[0], words[1].strip('"') if str(name) == "at" and len(words) == 2 else str(name))
    return None


def expression_references(text: str) -> list[Reference]:
    """Return the values that an expression asks for, in order of appearance, each once.

    Examples
    --------
    >>> [one.name for one in expression_references('use * factor("coal_equivalent_generation", "electricity")')]
    ['use', 'coal_equivalent_generation:electricity']
    """
    found: dict[Reference, None] = {}

    def walk(node: Tree[Token]) -> None:
        reference = reference_of(node)
        if reference is not None:
            found[reference] = None
            return
        for child in node.children:
            if isinstance(child, Tree):
                walk(child)

    walk(parse_expression(text))
    return list(found)


def expression_names(text: str) -> list[str]:
    """Return the names that an expression uses, in order of appearance, each once; factors are none.

    Examples
    --------
    >>> expression_names("share(a - previous(b), a)")
    ['a', 'b']
    """
    return list(dict.fromkeys(one.name for one in expression_references(text) if not one.is_factor))
