"""Stable names for the content of rows: what tells one version of a fact from another, in every release and on every engine.

The canonical text of a row is the concatenation, column by column, of the length in bytes, a colon and the text; a null is
``~`` alone, so that no two rows share a text, and null differs from the empty text. Numbers are written as the signed
64-bit integer of their IEEE 754 bits (−0.0 is taken as 0.0: it is the same number), instants as microseconds and dates as
days since 1970-01-01, in UTC. The name is the first 128 bits of its SHA-256 in hexadecimal.

A row's content is hashed first: everything but what recording adds (`RECORDING`). Its version id is the hash of that hash and
those columns. As ``supersedes`` is one of them, a fact that returns to an earlier content gets a new id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from dafeng.base.observation import SCHEMA

__all__ = ["CONTENT", "RECORDING", "batch_digest", "content_digest", "content_hashes", "version_ids"]

RECORDING: Final = ("recorded_at", "supersedes", "lineage")
"""Columns that say how a fact was learned, not what it says."""
CONTENT: Final = tuple(name for name in SCHEMA if name not in RECORDING)
"""The other columns."""
_SLICE: Final = 250_000


def _bits(numbers: pl.Series) -> pl.Series:
    values = numbers.fill_null(0.0).to_numpy() + 0.0  # −0.0 becomes 0.0
    bits = pl.Series(numbers.name, np.ascontiguousarray(values).view(np.int64))
    return pl.select(pl.when(numbers.is_not_null()).then(bits)).to_series()


def _texts(frame: pl.DataFrame) -> Iterator[pl.Series]:
    for column in frame.iter_columns():
        if column.dtype == pl.String():
            yield column
        elif column.dtype.is_float():
            yield _bits(column).cast(pl.String).alias(column.name)
        else:
            yield column.to_physical().cast(pl.String)


def _hash_rows(frame: pl.DataFrame) -> pl.Series:
    """Return the hash of each row's canonical text; slices bound the memory."""
    hashes: list[str] = []
    for part in frame.iter_slices(_SLICE):
        columns = pl.DataFrame(list(_texts(part)))
        pieces = (
            piece
            for name in columns.columns
            for piece in (
                pl.concat_str(pl.col(name).str.len_bytes().cast(pl.String), pl.lit(":")).fill_null("~"),
                pl.col(name).fill_null(""),
            )
        )
        texts = columns.select(text=pl.concat_str(list(pieces))).to_series()
        # As fast as the hash functions of the engines, which need the texts copied to them.
        hashes += [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]
    return pl.Series("hash", hashes, pl.String)


def content_hashes(frame: pl.DataFrame, columns: Sequence[str] = CONTENT) -> pl.Series:
    """Return the hash of what each row says.

    Examples
    --------
    >>> rows = pl.DataFrame({"a": ["", None], "b": [0.0, -0.0]})
    >>> content_hashes(rows, ["a"]).n_unique(), content_hashes(rows, ["b"]).n_unique()
    (2, 1)
    """
    return _hash_rows(frame.select(columns))


def version_ids(frame: pl.DataFrame, contents: pl.Series) -> pl.Series:
    """Return the version id of each row.

    Parameters
    ----------
    frame : DataFrame of `SCHEMA`
        With ``supersedes`` set.
    contents : Series
        Its `content_hashes`.

    Examples
    --------
    >>> from dafeng.base.observation import observation_frame
    >>> version_ids(observation_frame(), pl.Series("hash", [], pl.String)).len()
    0
    """
    return _hash_rows(frame.select(contents.alias("content"), *RECORDING)).alias("version")


def batch_digest(contents: pl.Series) -> str:
    """Return one hash for a batch of rows, whatever their order.

    Examples
    --------
    >>> batch_digest(pl.Series(["a", "b"])) == batch_digest(pl.Series(["b", "a"]))
    True
    """
    return hashlib.sha256("".join(contents.sort().to_list()).encode()).hexdigest()


def content_digest(frame: pl.DataFrame) -> str:
    """Return what names the facts of a frame of `SCHEMA`, whatever their order and the moment they were recorded."""
    return batch_digest(content_hashes(frame))
