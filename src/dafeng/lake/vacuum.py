"""Removing files that no version worth keeping needs.

Two rules make it safe beside writers. A file named for version v can only be committed by the log entry v: once that entry is
there and does not name it, nothing ever will. A file under a passing name may belong to a writer at work; only one that has
not been touched for a day is taken for what a killed writer left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dafeng.base.errors import UsageError
from dafeng.base.record import Record
from dafeng.lake.delta import STAGED, DeltaLog, library_errors
from dafeng.lake.durable import new_file, sync_folder, turn

__all__ = ["Vacuumed", "vacuum"]

_A_DAY: Final = 86_400.0
_PART: Final = re.compile(r"part-(\d{20})-[0-9a-f]{64}\.parquet")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint\..*parquet")


class Vacuumed(Record):
    """What was removed."""

    files: int
    """Files removed."""
    bytes: int
    """Their size."""
    oldest: int
    """Oldest version that can still be read; −1 where nothing was ever written."""


def vacuum(log: DeltaLog, folder: Path, *, keep: int) -> Vacuumed:
    """Remove files of a table that its newest `keep` versions do not need.

    Parameters
    ----------
    log : DeltaLog
    folder : Path
        Folder whose writers take turns.
    keep : int
        Versions to keep readable, at least 1. Log entries stay, so that it is known what there was.

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
        newest = table.version()
        oldest = max(0, newest - keep + 1)
        needed = {file.path.name for file in log.files(log.load(oldest))}
        for version in range(oldest + 1, newest + 1):
            needed |= _added(log, version)
        doomed = [*_dead(log.folder, needed, newest), *_old_checkpoints(log.folder / "_delta_log", oldest)]
        size = 0
        for path in doomed:
            size += path.stat().st_size
            path.unlink()
        sync_folder(log.folder)
    return Vacuumed(files=len(doomed), bytes=size, oldest=oldest)


def _added(log: DeltaLog, version: int) -> set[str]:
    entry = log.folder / "_delta_log" / f"{version:020d}.json"
    actions = [json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines()]
    return {action["add"]["path"] for action in actions if "add" in action}


def _dead(folder: Path, needed: set[str], newest: int) -> Iterator[Path]:
    with new_file(folder) as (_, fresh):
        now = fresh.stat().st_mtime  # the file system's own clock
    for path in sorted(folder.iterdir()):
        part = _PART.fullmatch(path.name)
        if part is not None and int(part[1]) <= newest:
            if path.name not in needed:
                yield path
        elif path.name.startswith((".new-", f"part-{STAGED:020d}-")) and now - path.stat().st_mtime > _A_DAY:
            yield path


def _old_checkpoints(folder: Path, oldest: int) -> list[Path]:
    found = sorted((int(name[1]), path) for path in folder.iterdir() if (name := _CHECKPOINT.fullmatch(path.name)))
    base = max((version for version, _ in found if version <= oldest), default=0)
    return [path for version, path in found if version < base]
