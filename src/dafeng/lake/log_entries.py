"""Entries of a Delta transaction log, and the end of the log.

An entry is a file of JSON lines, one for each version of the table, in the form of the Delta protocol. It is written whole,
brought to the disk, and only then given its name, which one writer alone can take. Who appends has to know no more than the
newest version and which batches have landed: `LogEnd` keeps that, reading only what is new, whatever the length of the log.

A batch is an application transaction whose version is that of the table in which it landed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl

from dafeng.base.errors import LakeError
from dafeng.lake.durable import new_file, sync_folder

__all__ = [
    "LogEnd",
    "Versioned",
    "all_details",
    "archive_entries",
    "checkpoints",
    "claim",
    "details_of",
    "empty_entry",
    "entry_path",
    "read_entry",
    "stated",
]

_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint\.parquet")
_ARCHIVE: Final = "_archive"


class Versioned(Protocol):
    """A state of a table."""

    def version(self) -> int:
        """Return its version."""


def entry_path(folder: Path, version: int) -> Path:
    """Return the file of the log entry of a version."""
    return folder / "_delta_log" / f"{version:020d}.json"


def stated(value: Any, *, plain: bool) -> Any:
    """Return a value as statistics in a log entry have it; instants in UTC, `plain` ones without zone."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        return text if plain else f"{text}Z"
    return value.isoformat() if isinstance(value, date) else value


def claim(folder: Path, version: int, actions: Iterable[Mapping[str, Any]]) -> bool:
    """Make actions the log entry of a version; False where another writer took it.

    The content of the entry is on the disk before it has a name, so that no failure leaves a torn one; its name is on the
    disk once its folder is synced.
    """
    target = entry_path(folder, version)
    with new_file(folder, suffix=".json") as (stream, passing):
        stream.write("\n".join(json.dumps(action, ensure_ascii=False) for action in actions).encode())
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        os.fsync(stream.fileno())
        try:
            os.link(passing, target)
        except FileExistsError:
            return False
    if version and not entry_path(folder, version - 1).exists():
        # The version before was put away meanwhile, by a vacuum that did not wait in line: so this one was there before too.
        target.unlink()
        return False
    return True


def read_entry(folder: Path, version: int) -> list[dict[str, Any]]:
    """Return the actions of a log entry.

    Raises
    ------
    FileNotFoundError
        There is none.
    LakeError
        It is empty.
    ValueError
        It is no JSON.
    """
    path = entry_path(folder, version)
    text = path.read_text(encoding="utf-8")
    if not text:
        raise empty_entry(path)
    return [json.loads(line) for line in text.splitlines()]


def empty_entry(path: Path) -> LakeError:
    """Return the error of an empty entry, which the library would take for a commit without content."""
    return LakeError(
        f"the log entry {path.name} of {path.parent.parent} is empty",
        doing="read the log of the lake",
        expected="log entries as they were written",
        next_step="restore it from a backup; if it is the newest entry and the power had failed, remove it and "
        "publish the last batch again",
    )


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return version and file of the checkpoints of a log, oldest first."""
    paths = (folder / "_delta_log").iterdir()
    return sorted((int(name[1]), path) for path in paths if (name := _CHECKPOINT.fullmatch(path.name)))


class LogEnd:
    """The newest version of a table and the batches that landed.

    Parameters
    ----------
    folder : Path
        Folder of a table that has a log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._older = pl.DataFrame(schema={"appId": pl.String(), "version": pl.Int64()})
        self._later: dict[str, int] = {}
        self._version = -1
        for version, path in checkpoints(folder)[-1:]:
            actions = pl.scan_parquet(path, glob=False)
            if "txn" in actions.collect_schema():
                landed = actions.select(pl.col("txn").struct.field("appId", "version")).drop_nulls("appId")
                self._older = landed.collect()
            self._version = version

    def version(self) -> int:
        """Return the newest version that was read; −1 for none."""
        return self._version

    def catch_up(self) -> None:
        """Read the entries that were written since."""
        while True:
            try:
                actions = read_entry(self.folder, self._version + 1)
            except FileNotFoundError:
                return
            self._later |= {
                action["txn"]["appId"]: action["txn"]["version"] for action in actions if action.get("txn") is not None
            }
            self._version += 1

    def landed(self, batch: str) -> int | None:
        """Return the version in which a batch landed, None where it did not."""
        if batch in self._later:
            return self._later[batch]
        found = self._older.filter(pl.col("appId") == batch)["version"]
        return int(found[0]) if found.len() else None


def archive_entries(folder: Path, past: int) -> list[Path]:
    """Put what entries before a version say of their commits into one file, and return the entries, which may go.

    Parameters
    ----------
    folder : Path
        Folder of the table; a checkpoint makes the version `past` readable without the entries before it.
    past : int
        First version whose entry stays.
    """
    paths = sorted((folder / "_delta_log").iterdir())
    old = [path for path in paths if path.suffix == ".json" and path.stem.isdigit() and int(path.stem) < past]
    if not old:
        return []
    rows = [(int(path.stem), json.dumps(_details(read_entry(folder, int(path.stem))))) for path in old]
    frame = pl.DataFrame(rows, schema={"version": pl.Int64(), "details": pl.String()}, orient="row")
    with new_file(folder / _ARCHIVE) as (stream, passing):
        frame.write_parquet(stream, compression="zstd")
        stream.flush()
        os.fsync(stream.fileno())
        passing.replace(folder / _ARCHIVE / f"{rows[0][0]:020d}-{rows[-1][0]:020d}.parquet")
    sync_folder(folder / _ARCHIVE)
    sync_folder(folder)
    return old


def _archived(folder: Path, version: int | None = None) -> dict[int, dict[str, Any]]:
    """Return what commits say of themselves, by version: all whose entries were put away, or one of them."""
    found: dict[int, dict[str, Any]] = {}
    for path in sorted((folder / _ARCHIVE).glob("*-*.parquet")):
        first, last = (int(number) for number in path.stem.split("-"))
        if version is None or first <= version <= last:
            rows = pl.scan_parquet(path, glob=False)
            rows = rows if version is None else rows.filter(pl.col("version") == version)
            found |= {number: json.loads(text) for number, text in rows.collect().iter_rows()}
    return found


def _details(actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    entries = (action["commitInfo"] for action in actions if action.get("commitInfo") is not None)
    return next((entry.get("dafeng") or {} for entry in entries), {})


def all_details(folder: Path, newest: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield version and details of every commit, oldest first, also of those whose entries were put away."""
    archived = _archived(folder)
    for version in range(newest + 1):
        try:
            yield version, _details(read_entry(folder, version))
        except FileNotFoundError:
            yield version, archived.get(version, {})


def details_of(folder: Path, version: int) -> dict[str, Any]:
    """Return what the commit of a version says of itself; nothing where it is not known."""
    try:
        return _details(read_entry(folder, version))
    except (OSError, ValueError):
        return _archived(folder, version).get(version, {})
