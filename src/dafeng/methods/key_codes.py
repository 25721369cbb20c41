"""Key columns as whole numbers: sorting, grouping and joining many text columns costs once, not at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

__all__ = ["Codes", "Numbers", "encode", "key_numbers", "row_numbers"]

Numbers = npt.NDArray[np.int64]
_MOST: Final = 2**62


class Codes(NamedTuple):
    """A text column as numbers, in the order of the texts."""

    numbers: npt.NDArray[Any]
    """Place of each row's text in `texts`, shape (row,); unsigned."""
    texts: list[str]
    """Each text once, sorted."""


def encode(texts: pl.Series) -> Codes:
    """Return a text column as numbers that sort as the texts do; null counts as the empty text.

    Examples
    --------
    >>> codes = encode(pl.Series(["b", "a", "b"]))
    >>> codes.numbers.tolist(), codes.texts
    ([1, 0, 1], ['a', 'b'])
    """
    if not len(texts):
        return Codes(np.zeros(0, dtype=np.uint16), [])
    full = texts.fill_null("") if texts.null_count() else texts
    if full.first() == full.last() and (full == full.first()).all():
        return Codes(np.broadcast_to(np.uint16(0), len(full)), [str(full.first())])
    known = full.unique().sort()
    numbers = full.cast(pl.Enum(known)).to_physical().to_numpy()
    return Codes(numbers.astype(np.uint16 if len(known) <= 2**16 else np.uint32), known.to_list())


def key_numbers(columns: Sequence[Codes], rows: int) -> Numbers:
    """Return one number a row that sorts as the columns do together, the first column first; equal where all of them are.

    Parameters
    ----------
    columns : sequence of Codes, each of shape (row,)
    rows : int

    Examples
    --------
    >>> key_numbers([encode(pl.Series(["b", "a", "b"])), encode(pl.Series(["x", "z", "y"]))], 3).tolist()
    [3, 2, 4]
    """
    total, size = np.zeros(rows, dtype=np.int64), 1
    for codes in columns:
        count = len(codes.texts)
        if count <= 1:
            continue
        if size > _MOST // count:
            known, total = np.unique(total, return_inverse=True)
            size = len(known)
        total *= count
        total += codes.numbers
        size *= count
    return total


def row_numbers(rows: pl.DataFrame, columns: Sequence[str]) -> Numbers:
    """Return `key_numbers` of text columns of a frame.

    Examples
    --------
    >>> row_numbers(pl.DataFrame({"a": ["x", "x"], "b": ["q", "p"]}), ["a", "b"]).tolist()
    [1, 0]
    """
    return key_numbers([encode(rows[name]) for name in columns], rows.height)
