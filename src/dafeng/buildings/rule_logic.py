"""Conditions of many rules over the same things: every comparison is evaluated once, the logic between them is Kleene's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from lark import Token, Tree
from numpy.typing import NDArray

from dafeng.catalog.expression import (
    FieldType,
    check_expression,
    evaluate_tree,
    parse_expression,
    undecided_tree,
)

__all__ = ["Conditions", "Mask", "Truth", "both"]

Mask = NDArray[np.bool_]
"""One answer a thing."""


class Truth(NamedTuple):
    """Where a condition surely holds and where it surely does not; neither is unknown."""

    yes: Mask
    """Surely true."""
    no: Mask
    """Surely false."""

    @property
    def open(self) -> Mask:
        """Where the answer is unknown."""
        return ~(self.yes | self.no)

    @classmethod
    def of(cls, answer: pl.Series) -> Truth:
        """Return the truth that a Boolean series with nulls tells.

        Examples
        --------
        >>> Truth.of(pl.Series([True, False, None])).open.tolist()
        [False, False, True]
        """
        return cls(answer.fill_null(False).to_numpy(), (~answer).fill_null(False).to_numpy())


def both(*parts: Truth) -> Truth:
    """Return Kleene's conjunction."""
    return Truth(np.logical_and.reduce([part.yes for part in parts]), np.logical_or.reduce([part.no for part in parts]))


def _children(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if isinstance(child, Tree)]


def _atoms(tree: Tree[Token]) -> list[Tree[Token]]:
    if tree.data in ("both", "either", "negation"):
        return [atom for child in _children(tree) for atom in _atoms(child)]
    return [tree]


class Conditions:
    """The answers of conditions over one frame, each comparison in them evaluated once.

    Parameters
    ----------
    frame : DataFrame, shape (thing, field)
        A column for every name of the texts, numbers in their field's unit; null is unknown.
    fields : mapping from name to FieldType
    texts : iterable of str
        Conditions that will be asked for.

    Raises
    ------
    ExpressionError
        A text is no sound expression.

    Examples
    --------
    >>> fields = {"new": FieldType("yes_no"), "area": FieldType(unit="m**2")}
    >>> frame = pl.DataFrame({"new": [True, False, None], "area": [None, None, 9.0]})
    >>> text = "new and area > 5[m**2]"
    >>> conditions = Conditions(frame, fields, [text])
    >>> conditions.truth(text).open.tolist()
    [True, False, True]
    >>> {name: mask.tolist() for name, mask in conditions.asked(text).items()}
    {'new': [False, False, True], 'area': [True, False, False]}
    """

    def __init__(self, frame: pl.DataFrame, fields: Mapping[str, FieldType], texts: Iterable[str]) -> None:
        self._frame, self._fields = frame, fields
        self._truths: dict[Tree[Token], Truth] = {}
        self._asked: dict[Tree[Token], dict[str, Mask]] = {}
        atoms: dict[Tree[Token], None] = {}
        for text in dict.fromkeys(texts):
            check_expression(text, fields)
            atoms |= dict.fromkeys(_atoms(parse_expression(text)))
        if atoms:
            answers = frame.select(
                pl.repeat(None, frame.height, dtype=pl.Boolean).alias("none"),
                *(evaluate_tree(atom, fields).alias(str(number)) for number, atom in enumerate(atoms)),
            )
            for number, atom in enumerate(atoms):
                self._truths[atom] = Truth.of(answers[str(number)])

    def truth(self, text: str) -> Truth:
        """Return where a condition holds and where it does not."""
        return self._truth(parse_expression(text))

    def asked(self, text: str) -> dict[str, Mask]:
        """Return, for each name, where it is unknown and keeps the answer open; names never asked for are left out."""
        return self._undecided(parse_expression(text))

    def _truth(self, tree: Tree[Token]) -> Truth:
        if tree not in self._truths:
            parts = [self._truth(child) for child in _children(tree)]
            match str(tree.data):
                case "negation":
                    self._truths[tree] = Truth(parts[0].no, parts[0].yes)
                case "both":
                    self._truths[tree] = both(*parts)
                case _:
                    turned = both(*(Truth(part.no, part.yes) for part in parts))
                    self._truths[tree] = Truth(turned.no, turned.yes)
        return self._truths[tree]

    def _undecided(self, tree: Tree[Token]) -> dict[str, Mask]:
        here = self._truth(tree).open
        if not here.any():
            return {}
        if tree in self._asked:
            return self._asked[tree]
        if tree.data not in ("both", "either", "negation"):
            masks = undecided_tree(tree, self._fields)
            found = self._frame.select(mask.alias(name) for name, mask in masks.items()) if masks else pl.DataFrame()
            asked = {name: found[name].to_numpy() for name in masks}
            self._asked[tree] = {name: mask for name, mask in asked.items() if mask.any()}
            return self._asked[tree]
        merged: dict[str, Mask] = {}
        for child in _children(tree):
            for name, mask in self._undecided(child).items():
                narrowed = mask & here
                merged[name] = merged[name] | narrowed if name in merged else narrowed
        return merged
