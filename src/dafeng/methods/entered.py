"""What entered each result, by lineage id, as whole numbers: an id is read once, however many results it enters.

Ids of 32 hexadecimal digits, as the house writes them, are taken as two numbers of 64 bits; any other text is digested. Both
sort as the texts do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.methods.key_codes import Numbers, encode

__all__ = ["Entered", "Lanes", "LineageIds", "digests", "entered_by", "number_ids", "of_lists", "united"]

Lanes = npt.NDArray[np.uint64]
"""Two numbers of 64 bits for each of several things, shape (2, thing)."""
_Flags = npt.NDArray[np.bool_]
_HEXADECIMAL: Final = "^[0-9a-f]{32}$"
_FEW: Final = 8


class LineageIds(NamedTuple):
    """Lineage ids, each once, in the order of their texts."""

    texts: pl.Series
    """Ids."""
    lanes: Lanes
    """Numbers of each id."""
    quotable: pl.Series
    """Ids as they stand between the quotation marks of JSON."""


class Entered(NamedTuple):
    """Lineage ids of what entered, for each of several rows."""

    ids: LineageIds
    """Ids by code."""
    counts: Numbers
    """Number of ids of each row, shape (row,)."""
    codes: npt.NDArray[np.int32]
    """Codes of the ids of all rows one after another, those of a row sorted and each once."""

    @property
    def width(self) -> int:
        """Number of ids of a row where all rows have as many, else -1."""
        few = len(self.counts) and int(self.counts[0])
        return few if (self.counts == few).all() else -1

    def take(self, rows: Numbers | _Flags) -> Entered:
        """Return some rows."""
        if self.width >= 0:
            return Entered(
                self.ids,
                self.counts[rows],
                self.codes.reshape(-1, max(self.width, 1))[rows].ravel() if self.width else self.codes,
            )
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        counts = self.counts[rows]
        starts = (np.cumsum(self.counts) - self.counts)[rows]
        at = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
        return Entered(self.ids, counts, self.codes[at])

    def sums(self) -> Lanes:
        """Return the sum of the numbers of the ids of each row; addition wraps."""
        found = np.zeros((2, len(self.counts)), dtype=np.uint64)
        some = self.counts > 0
        if some.any():
            starts = (np.cumsum(self.counts) - self.counts)[some]
            found[:, some] = np.add.reduceat(self.ids.lanes[:, self.codes], starts, axis=1)
        return found

    def lists(self) -> pl.Series:
        """Return the ids of each row as lists of texts."""
        return self._lists(self.ids.texts)

    def _lists(self, known: pl.Series) -> pl.Series:
        texts = known.gather(self.codes)
        if self.width > 0:
            return texts.reshape((len(self.counts), self.width)).cast(pl.List(pl.String))
        some = np.flatnonzero(self.counts)
        rows = np.repeat(np.arange(len(some)), self.counts[some])
        lists = pl.DataFrame({"row": rows, "text": texts}).group_by("row", maintain_order=True).agg("text")["text"]
        at = np.where(self.counts > 0, np.cumsum(self.counts > 0) - 1, len(some))
        return pl.concat([lists, pl.Series("text", [[]], dtype=pl.List(pl.String))]).gather(at)

    def quoted(self) -> pl.Series:
        """Return the ids of each row as the inside of a JSON list."""
        if 0 <= self.width <= _FEW:
            return self._few(self.width)
        parts, rows = [], []
        for width in range(_FEW + 1):
            here = np.flatnonzero(self.counts == width)
            if len(here):
                rows.append(here)
                parts.append(self.take(here)._few(width))
        here = np.flatnonzero(self.counts > _FEW)
        if len(here):
            rows.append(here)
            lists = self.take(here)._lists(self.ids.quotable).alias("lists")
            line = pl.concat_str(pl.lit('"'), pl.col("lists").list.join('", "'), pl.lit('"'))
            parts.append(lists.to_frame().select(line.alias("inputs"))["inputs"])
        order = np.empty(len(self.counts), dtype=np.int64)
        order[np.concatenate(rows)] = np.arange(len(order))
        return pl.concat(parts).gather(order)

    def _few(self, width: int) -> pl.Series:
        """Return the quoted ids of rows that all have as few."""
        if not width:
            return pl.Series("inputs", [""], dtype=pl.String).new_from_index(0, len(self.counts))
        columns = self.codes.reshape(-1, width)
        frame = pl.DataFrame([
            self.ids.quotable.gather(columns[:, place]).alias(str(place)) for place in range(width)
        ])  # fmt: skip
        between = [part for name in frame.columns for part in (pl.lit('", "'), pl.col(name))][1:]
        return frame.select(pl.concat_str(pl.lit('"'), *between, pl.lit('"')).alias("inputs"))["inputs"]


def number_ids(texts: pl.Series) -> tuple[LineageIds, npt.NDArray[np.int32]]:
    """Return the ids among some texts, and the code of each text, -1 where it is null.

    Examples
    --------
    >>> ids, codes = number_ids(pl.Series(["b", None, "a", "b"]))
    >>> ids.texts.to_list(), codes.tolist()
    (['a', 'b'], [1, -1, 0, 1])
    """
    given = np.flatnonzero(texts.is_not_null().to_numpy())
    full = texts if len(given) == len(texts) else texts.gather(given)
    codes = np.full(len(texts), -1, dtype=np.int32)
    if full.str.contains(_HEXADECIMAL).all():
        lanes = _halves(full)
        order = np.argsort(lanes[0], kind="stable")
        high = lanes[0][order]
        again = high[1:] == high[:-1]
        if again.any():
            order = np.lexsort((lanes[1], lanes[0]))
            high, low = lanes[0][order], lanes[1][order]
            again = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
        fresh = np.concatenate([np.ones(min(len(order), 1), dtype=bool), ~again])
        ranks = np.empty(len(order), dtype=np.int32)
        ranks[order] = np.cumsum(fresh) - 1
        codes[given] = ranks
        first = order[fresh]
        known = full.gather(first)
        return LineageIds(known, lanes[:, first], known), codes
    found = encode(full)
    codes[given] = found.numbers
    known = pl.Series(found.texts, dtype=pl.String)
    lanes = digests(found.texts)
    plain = known.str.contains(_HEXADECIMAL).to_numpy()
    lanes[:, plain] = _halves(known.filter(plain))
    quotable = pl.Series([json.dumps(text, ensure_ascii=False)[1:-1] for text in found.texts], dtype=pl.String)
    return LineageIds(known, lanes, quotable), codes


def _halves(texts: pl.Series) -> Lanes:
    parts = (texts.str.slice(place, 16).str.to_integer(base=16, dtype=pl.UInt64) for place in (0, 16))
    return np.stack([part.to_numpy() for part in parts])


def digests(texts: Sequence[str]) -> Lanes:
    """Return two numbers a text, from its SHA-256."""
    whole = b"".join(hashlib.sha256(text.encode()).digest()[:16] for text in texts)
    return np.frombuffer(whole, dtype=">u8").reshape(-1, 2).T.astype(np.uint64)


def entered_by(ids: LineageIds, codes: npt.NDArray[np.int32]) -> Entered:
    """Return rows that each have one id, or none where the code is -1."""
    given = codes >= 0
    return Entered(ids, given.astype(np.int64), codes if given.all() else codes[given])


def of_lists(lists: pl.Series) -> Entered:
    """Return lists of ids as `Entered`.

    Examples
    --------
    >>> entered = of_lists(pl.Series([["b", "a", "b"], []], dtype=pl.List(pl.String)))
    >>> entered.counts.tolist(), entered.quoted().to_list()
    ([2, 0], ['"a", "b"', ''])
    """
    counts = lists.list.len().fill_null(0).cast(pl.Int64).to_numpy()
    ids, codes = number_ids(lists.filter(pl.Series(counts > 0)).explode().cast(pl.String))
    rows = np.repeat(np.arange(len(counts)), counts)
    return united(ids, len(counts), [rows[codes >= 0]], [codes[codes >= 0]])


def united(
    ids: LineageIds, height: int, rows: Sequence[npt.NDArray[Any]], codes: Sequence[npt.NDArray[Any]]
) -> Entered:
    """Return what entered rows, from pairs of row and code in any order and number.

    Parameters
    ----------
    ids : LineageIds
    height : int
        Number of rows.
    rows, codes : sequences of arrays of shape (pair,)
    """
    size = max(len(ids.texts), 1)
    pairs = np.concatenate(
        [np.zeros(0, dtype=np.int64), *(row * np.int64(size) + code for row, code in zip(rows, codes, strict=True))]
    )
    pairs.sort()
    if len(pairs) > 1 and (same := pairs[1:] == pairs[:-1]).any():
        pairs = pairs[np.concatenate([[True], ~same])]
    row = pairs // size
    return Entered(ids, np.bincount(row, minlength=height), (pairs - row * size).astype(np.int32))
