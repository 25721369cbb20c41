"""Folders for what a computation needs only while it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Yield a new folder below `beside`, on the same disk, and remove it at the end.

    What a killed process leaves begins with ``.new-`` and belongs to nothing.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, scratch_folder(Path(folder)) as scratch:
    ...     scratch.is_dir()
    True
    """
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=".new-") as scratch:
        yield Path(scratch)
