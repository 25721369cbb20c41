"""Files that survive a crash: whole or absent, and on the disk before the call returns; and a queue for writers."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dafeng.base.errors import LakeError

__all__ = ["check_path", "hash_file", "new_file", "sync_file", "sync_folder", "turn", "write_whole"]

_CHUNK = 1 << 20


def check_path(folder: Path) -> None:
    """Refuse a folder whose name the log library misreads.

    Raises
    ------
    LakeError
        A percent sign stands before two hexadecimal digits.
    """
    misread = re.search(r"%[0-9A-Fa-f]{2}", str(folder))
    if misread:
        raise LakeError(
            f"the path {folder} contains {misread[0]}, which the log library reads as another character",
            doing="open the lake",
            expected="a path in which no % stands before two hexadecimal digits",
            next_step="rename or move the folder",
        )


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder `path` are on the disk."""
    sync_file(path)


@contextmanager
def new_file(folder: Path, *, suffix: str = "") -> Iterator[tuple[IO[bytes], Path]]:
    """Give a new file in `folder` under a passing name; whoever moves it away keeps it, else it is removed.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, new_file(Path(folder)) as (stream, path):
    ...     path.name.startswith(".new-")
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".new-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream, path
    finally:
        path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader, also after a crash, sees the old file or the new one.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a", b"1")
    ...     (Path(folder) / "a").read_bytes()
    b'1'
    """
    with new_file(path.parent) as (stream, passing):
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
        passing.chmod(0o644)
        passing.replace(path)
    sync_folder(path.parent)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a", b"")
    ...     hash_file(Path(folder) / "a")[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Wait in line with the other writers of `folder` on this machine.

    This only keeps writers from working in vain; that no write is lost follows from the transaction log alone, also where
    a file system has no locks. The system frees the place of a process that dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".writers", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
