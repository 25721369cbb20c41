"""Ids of result rows, from everything that they say, over whole columns at once.

Each text is digested once (SHA-256); the digests of a row's texts and the bits of its value are mixed in two lanes of 64 bits.
The id tells rows apart and stays the same on every machine; it is no proof against forgery.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from dafeng.methods.entered import Entered, Lanes, digests
from dafeng.methods.key_codes import Codes

__all__ = ["row_ids"]

_PRIMES: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)
_STARTS: Final = np.array([0x243F6A8885A308D3, 0x13198A2E03707344], dtype=np.uint64)
_HEX: Final = np.array([f"{number:02x}".encode() for number in range(256)], dtype="S2")


def row_ids(columns: Sequence[Codes], inputs: Entered, value: pl.Series) -> pl.Series:
    """Return an id of 32 hexadecimal digits for each row.

    Parameters
    ----------
    columns : sequence of Codes
        What is said of each row, in order.
    inputs : Entered
        Lineage ids of what entered; their order does not count.
    value : Series of float
        Null where unknown.

    Examples
    --------
    >>> from dafeng.methods.entered import of_lists
    >>> from dafeng.methods.key_codes import encode
    >>> columns = [encode(pl.Series(["a", "a", "b"]))]
    >>> inputs = of_lists(pl.Series([["x"], ["x"], []], dtype=pl.List(pl.String)))
    >>> ids = row_ids(columns, inputs, pl.Series([1.0, None, 1.0]))
    >>> ids.n_unique(), ids.str.len_chars().to_list()
    (3, [32, 32, 32])
    """
    rows = len(value)
    lanes = np.repeat(_STARTS[:, None], rows, axis=1)
    for codes in columns:
        of_text = digests(codes.texts)
        _mix(lanes, of_text if len(codes.texts) == 1 else of_text[:, codes.numbers])
    _mix(lanes, inputs.sums())
    known = value.is_not_null().to_numpy()
    bits = (value.fill_null(0.0).to_numpy() + 0.0).view(np.uint64)  # a negative zero is a zero
    _mix(lanes, np.stack([bits, bits ^ _PRIMES[1]]))
    _mix(lanes, np.stack([known, known]).astype(np.uint64))
    return _hexadecimal(lanes)


def _mix(lanes: Lanes, more: Lanes) -> None:
    """Stir numbers into the lanes; multiplication wraps."""
    lanes ^= more
    lanes *= _PRIMES[:, None]
    lanes ^= lanes >> np.uint64(29)
    lanes *= _PRIMES[::-1, None]
    lanes ^= lanes >> np.uint64(32)


def _hexadecimal(lanes: Lanes) -> pl.Series:
    octets = np.ascontiguousarray(lanes.T.astype(">u8")).view(np.uint8).reshape(-1, 16)
    texts = _HEX[octets].view("S32").ravel() if len(octets) else np.zeros(0, dtype="S32")
    return pl.Series(texts.tolist(), dtype=pl.Binary).cast(pl.String)
