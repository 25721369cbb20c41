"""Removing files that no version worth keeping needs.

Two rules make it safe beside writers. A file named for version v can only be committed by the log entry v: once that entry is
there and does not name it, nothing ever will. A file under a passing name may belong to a writer at work; only one that has
not been touched for a day is taken for what a killed writer left. Readers at work are spared by time: what was the newest version a
moment ago stays readable for a while.

Log entries before the oldest version kept are put into one archive file, so that opening a table does not list the commits of
years; what they say of batches and of how parts were made stays known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from dafeng.base.errors import UsageError
from dafeng.base.record import Record
from dafeng.lake.delta import DeltaLog, library_errors
from dafeng.lake.durable import new_file, sync_folder, turn
from dafeng.lake.log_entries import archive_entries, checkpoints, entry_path, read_entry

__all__ = ["SPARED", "Vacuumed", "vacuum"]

_A_DAY: Final = 86_400.0
_PART: Final = re.compile(r"part-(\d{20})-[0-9a-f]{64}\.parquet")
_WORTH: Final = 100
"""Log entries are put away by so many."""
SPARED: Final = timedelta(hours=1)
"""For how long a version that was the newest stays readable at least."""


class Vacuumed(Record):
    """What was removed."""

    files: int
    """Files removed."""
    bytes: int
    """Their size."""
    oldest: int
    """Oldest version that can still be read; −1 where nothing was ever written."""


def vacuum(log: DeltaLog, folder: Path, *, keep: int, spare: timedelta = SPARED) -> Vacuumed:
    """Remove files of a table that its newest `keep` versions do not need.

    Parameters
    ----------
    log : DeltaLog
    folder : Path
        Folder whose writers take turns.
    keep : int
        Versions to keep readable, at least 1.
    spare : timedelta
        Also keep what was the newest version at some moment of this time.

    Raises
    ------
    UsageError
        `keep` is less than 1.
    LakeError
        The log cannot be read, or a file not be removed.
    """
    if keep < 1:
        raise UsageError(
            f"keep is {keep}", doing="vacuum the lake", expected="at least 1", next_step="keep the newest version"
        )
    with library_errors("vacuum the lake", log.folder), turn(folder):
        table = log.load()
        if table is None:
            return Vacuumed(files=0, bytes=0, oldest=-1)
        newest, now = table.version(), _now(log.folder)
        oldest = _oldest(log.folder, newest, keep, now - spare.total_seconds())
        needed = {file.path.name for file in log.files(log.load(oldest))}
        for version in range(oldest + 1, newest + 1):
            needed |= _added(log, version)
        doomed = [*_dead(log.folder, needed, newest, now), *_put_away(log, oldest)]
        size = 0
        for path in doomed:
            size += path.stat().st_size
            path.unlink()
        sync_folder(log.folder)
        sync_folder(log.folder / "_delta_log")
    return Vacuumed(files=len(doomed), bytes=size, oldest=oldest)


def _now(folder: Path) -> float:
    with new_file(folder) as (_, fresh):
        return fresh.stat().st_mtime  # the file system's own clock


def _oldest(folder: Path, newest: int, keep: int, moment: float) -> int:
    """Return the version that was the newest at a moment, or an older one to keep; a clock that was set back keeps more."""
    oldest = newest
    while oldest > 0 and (oldest > newest - keep + 1 or entry_path(folder, oldest).stat().st_mtime > moment):
        if not entry_path(folder, oldest - 1).is_file():
            break  # put away before
        oldest -= 1
    return oldest


def _added(log: DeltaLog, version: int) -> set[str]:
    return {action["add"]["path"] for action in read_entry(log.folder, version) if "add" in action}


def _dead(folder: Path, needed: set[str], newest: int, now: float) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        part = _PART.fullmatch(path.name)
        if part is not None and int(part[1]) <= newest:
            if path.name not in needed:
                yield path
        elif path.name.startswith(".new-") and path.is_file() and now - path.stat().st_mtime > _A_DAY:
            yield path


def _put_away(log: DeltaLog, oldest: int) -> list[Path]:
    """Return the log entries and checkpoints that may go, once they are many."""
    known = checkpoints(log.folder)
    if entry_path(log.folder, max(0, oldest - _WORTH)).is_file() and oldest >= _WORTH:
        if oldest not in dict(known):
            log.checkpoint(oldest)
        entries = archive_entries(log.folder, oldest)
        return [path for version, path in known if version < oldest] + entries
    base = max((version for version, _ in known if version <= oldest), default=0)
    return [path for version, path in known if version < base]
