"""One batch into one table: landed wholly, once, under its name.

A batch is an application transaction of a table's log. The same batch twice is one; other contents under a name that is
taken are refused. Rows are compared with the state against which they are committed: where another writer was faster, they
are compared anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError
from dafeng.base.record import Record
from dafeng.lake.delta import DeltaLog, library_errors
from dafeng.lake.durable import turn
from dafeng.lake.log_entries import Versioned

__all__ = ["ATTEMPTS", "BATCHES_SCHEMA", "NewRows", "Published", "append_batch", "landed_batches", "too_busy"]

ATTEMPTS: Final = 100
"""How often a writer tries again where others were faster."""

BATCHES_SCHEMA: Final[dict[str, pl.DataType]] = {
    "batch": pl.String(),
    "version": pl.Int64(),
    "appended": pl.Int64(),
    "unchanged": pl.Int64(),
    "superseded": pl.Int64(),
}
"""Columns of the list of batches."""


class Published(Record):
    """What became of a batch."""

    batch: str
    """Id of the batch."""
    version: int
    """Version of the lake in which it stands."""
    appended: int
    """Rows that were stored."""
    unchanged: int
    """Rows left out since the lake said the same."""
    superseded: int
    """Versions that were replaced."""
    already: bool
    """Whether the batch had landed before; then the counts are those of that time."""


class NewRows(NamedTuple):
    """Rows of a batch that say something new.

    Parameters
    ----------
    frame : DataFrame
        In the columns of the table.
    unchanged, superseded : int
        Rows left out, and rows that replace an earlier version.
    """

    frame: pl.DataFrame
    unchanged: int
    superseded: int


def append_batch(
    log: DeltaLog,
    folder: Path,
    *,
    batch: str,
    digest: str,
    rows: Callable[[Any], NewRows],
    doing: str,
    compared: bool = True,
) -> Published:
    """Append what is new of a batch in one commit, safe on the disk when this returns.

    Parameters
    ----------
    log : DeltaLog
        Table.
    folder : Path
        Folder of the lake, whose writers take turns.
    batch, digest : str
        Idempotent key, and what names the batch's contents.
    rows : callable
        Compares the batch with a state of the table: a DeltaTable, or with `compared` off only a `Versioned`.
    doing : str
        What is being done, for errors.
    compared : bool
        Whether rows are compared with those stored; if not, the cost does not grow with the table.

    Raises
    ------
    LakeError
        The batch id is blank or taken by other contents, or the table cannot be written. Nothing is stored then.
    """
    if not batch.strip():
        raise LakeError(f"batch id {batch!r} is blank", doing=doing, expected="a text", next_step="name the batch")
    with library_errors(doing, folder), turn(folder):
        for _ in range(ATTEMPTS):
            table: Versioned = log.load_or_create() if compared else log.end()
            landed = log.end().landed(batch)
            if landed is not None:
                return _landed(log, landed, batch, digest, doing)
            fresh = rows(table)
            version = table.version() + 1
            files = log.write_parts(fresh.frame, version)
            counts = {
                "appended": fresh.frame.height,
                "unchanged": fresh.unchanged,
                "superseded": fresh.superseded,
            }
            details = {"dafeng": {"batch": batch, "digest": digest, **counts}}
            if log.commit(table, add=files, batch=batch, details=details):
                return Published(batch=batch, version=version, already=False, **counts)
    raise too_busy(folder, doing)


def _landed(log: DeltaLog, version: int, batch: str, digest: str, doing: str) -> Published:
    entry = log.details(version) | {"version": version}
    if (entry.get("batch"), entry.get("digest")) != (batch, digest):
        raise LakeError(
            f"batch id {batch!r} was used before, for other contents",
            doing=doing,
            expected="a new id for new contents, or the same contents again",
            next_step="publish under another batch id",
        )
    return Published(already=True, **{name: entry[name] for name in BATCHES_SCHEMA})


def too_busy(folder: Path, doing: str) -> LakeError:
    """Return the error of a writer that never got its turn."""
    return LakeError(
        f"other writers were faster {ATTEMPTS} times",
        doing=doing,
        expected=f"a turn to write to {folder}",
        next_step="publish again; nothing was stored",
    )


def landed_batches(table: DeltaTable) -> list[dict[str, Any]]:
    """Return what the log says of each batch, newest first."""
    return [
        {**entry["dafeng"], "version": entry["version"]} for entry in table.history() if entry.get("dafeng") is not None
    ]
