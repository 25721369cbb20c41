"""The files of the lake of readings: which there are, and which of them need to be compared with one another.

Every file holds readings of one UTC month, sorted by meter and instant. It belongs to a layer:

``single``
    each key stands in it once;
``mixed``
    as received, with several versions of a key;
``superseded``
    each of its rows was replaced by a row of a `single` file of that month, when compaction set them apart.

Two files whose ranges of meters and instants do not meet share no key. So most files need no comparison at all: only where
ranges meet does a reader look for the newest version of a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from deltalake import DeltaTable
from numpy.typing import NDArray

from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.lake.delta import DataFile, DeltaLog

__all__ = ["ORDER", "STORED_READING", "Boxes", "Layer", "ReadingLog", "Settled", "listing", "settle"]

STORED_READING: Final[dict[str, pl.DataType]] = {**READING_SCHEMA, "serial": pl.Int64()}
"""Columns of the stored table. ``serial`` is unique and grows with each commit: commit · 2³² + row of the batch."""
ORDER: Final = (*READING_KEY, "received_at", "serial")
"""Order of rows in a file; of one key the last row counts."""


class Layer(StrEnum):
    """What a file holds of each key."""

    SINGLE = "single"
    MIXED = "mixed"
    SUPERSEDED = "superseded"


class ReadingLog(DeltaLog):
    """The log of readings: a file a month and layer, with the ranges of what is in it."""

    def write_parts(self, frame: pl.DataFrame, version: int) -> list[DataFile]:
        """See `DeltaLog.write_parts`."""
        return [
            self.write(part.drop("month"), version, {"month": str(month), "layer": layer_of(part)})
            for (month,), part in frame.with_columns(month=month_of(pl.col("at")))
            .sort(ORDER)
            .partition_by("month", as_dict=True)
            .items()
        ]

    def listing(self, table: DeltaTable | None) -> pl.DataFrame:
        """Return the files of `table`, oldest first.

        Returns
        -------
        DataFrame
            index (place in `files`), month, layer, rows, meter_least, meter_most, at_least, at_most, first (least start, or
            instant of a register), received_least, received_most, serial_least, serial_most.
        """
        return listing(self.files(table))


def month_of(at: pl.Expr) -> pl.Expr:
    """Return the UTC month of instants, as in the log: 2026-11."""
    return at.dt.convert_time_zone("UTC").dt.strftime("%Y-%m")


def layer_of(part: pl.DataFrame) -> str:
    """Return the layer of rows as they were received, sorted by `ORDER`."""
    keys = part.select(READING_KEY)
    again = keys.select(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in READING_KEY).any()
    ).item()
    return str(Layer.MIXED if again and part.height > 1 else Layer.SINGLE)


def listing(files: Sequence[DataFile]) -> pl.DataFrame:
    """See `ReadingLog.listing`."""
    instant = READING_SCHEMA["at"]
    rows = [
        (
            index,
            file.partition["month"],
            file.partition["layer"],
            file.rows,
            file.least["meter"],
            file.most["meter"],
            file.least["at"],
            file.most["at"],
            min(file.least["at"], file.least.get("start", file.least["at"])),
            file.least["received_at"],
            file.most["received_at"],
            file.least["serial"],
            file.most["serial"],
        )
        for index, file in enumerate(files)
    ]
    schema = {
        "index": pl.Int64(),
        "month": pl.String(),
        "layer": pl.String(),
        "rows": pl.Int64(),
        "meter_least": pl.String(),
        "meter_most": pl.String(),
        "at_least": instant,
        "at_most": instant,
        "first": instant,
        "received_least": instant,
        "received_most": instant,
        "serial_least": pl.Int64(),
        "serial_most": pl.Int64(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


class Settled(NamedTuple):
    """How files stand to one another; each as rows of a `listing`.

    Parameters
    ----------
    calm : DataFrame
        Share no key with any other file, and hold each key once.
    rivals : DataFrame
        Hold each key once and share none among themselves, but may with `loose`.
    loose : DataFrame
        The others.
    """

    calm: pl.DataFrame
    rivals: pl.DataFrame
    loose: pl.DataFrame


def settle(files: pl.DataFrame) -> Settled:
    """Tell the files that need no comparison from those that do.

    Parameters
    ----------
    files : DataFrame
        A `listing`; superseded files in it are compared like others.

    Examples
    --------
    >>> settle(listing(())).loose.height
    0
    """
    if not files.height:
        return Settled(files, files, files)
    # Months share no key. Within one, files whose spans of instants meet, directly or over others, form a chain.
    ordered = files.sort("month", "at_least", "at_most").with_columns(
        reached=pl.col("at_most").cum_max().shift().over("month")
    )
    chained = ordered.with_columns(
        chain=(pl.col("reached").is_null() | (pl.col("at_least") > pl.col("reached"))).cum_sum()
    ).drop("reached")
    alone = (pl.len().over("chain") == 1) & (pl.col("layer") == str(Layer.SINGLE))
    calm = [chained.filter(alone).drop("chain")]
    rivals: list[pl.DataFrame] = []
    loose: list[pl.DataFrame] = []
    for part in chained.filter(~alone).partition_by("chain"):
        states = _states(part)
        for state, found in ((0, calm), (1, rivals), (2, loose)):
            found.append(part.filter(pl.Series(states == state)).drop("chain"))
    return Settled(*(pl.concat([files.clear(), *found]) for found in (calm, rivals, loose)))


class Boxes:
    """The ranges of meters and instants that files lie in, in the order of a `listing`."""

    def __init__(self, part: pl.DataFrame) -> None:
        names = np.unique(np.concatenate([part["meter_least"].to_numpy(), part["meter_most"].to_numpy()]))
        self.least = np.stack(
            [np.searchsorted(names, part["meter_least"].to_numpy()), part["at_least"].to_physical().to_numpy()]
        ).astype(np.int64)
        self.most = np.stack(
            [np.searchsorted(names, part["meter_most"].to_numpy()), part["at_most"].to_physical().to_numpy()]
        ).astype(np.int64)

    def met_by(self, chosen: NDArray[np.bool_] | np.int_) -> NDArray[np.bool_]:
        """Return which files meet the range that spans the chosen ones."""
        least = self.least[:, chosen].reshape(2, -1).min(axis=1)[:, None]
        most = self.most[:, chosen].reshape(2, -1).max(axis=1)[:, None]
        return np.asarray(((self.least <= most) & (self.most >= least)).all(axis=0))


def _states(part: pl.DataFrame) -> NDArray[np.int8]:
    """Return 0 for calm, 1 for rivals, 2 for loose: the largest files first are taken as those that others meet."""
    boxes = Boxes(part)
    single = (part["layer"] == str(Layer.SINGLE)).to_numpy()
    taken = np.zeros(part.height, dtype=bool)
    for index in np.argsort(-part["rows"].to_numpy(), kind="stable"):  # largest first
        taken[index] = single[index] and not (taken & boxes.met_by(index)).any()
    met = np.zeros(part.height, dtype=bool)
    for index in np.flatnonzero(~taken):
        met |= taken & boxes.met_by(index)
    return np.where(taken, np.where(met, 1, 0), 2).astype(np.int8)
