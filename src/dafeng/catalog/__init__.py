"""Content as data: places, bodies, indicators, plans, vocabulary, table layouts, with schemas, grammar and checks.

`load_catalog` reads the shipped folder and lays further folders over it.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from dafeng.base.finding import Finding
from dafeng.catalog.catalog import Catalog, raise_for_errors, read_entries, shipped_folder
from dafeng.catalog.checks import check_catalog

__all__ = ["Catalog", "check_folders", "load_catalog", "shipped_folder"]


def check_folders(folders: Sequence[Path] = ()) -> tuple[Catalog, list[Finding]]:
    """Load the shipped catalog with `folders` laid over it, and return it with every fault found.

    Examples
    --------
    >>> catalog, findings = check_folders()
    >>> [str(finding.where) for finding in findings]
    []
    """
    return _folders(folders, thorough=True)


_Fingerprint = tuple[Path, tuple[tuple[str, int, int], ...]]


def _fingerprint(folder: Path) -> _Fingerprint:
    """Return a folder with name, size and time of its files: what tells whether a loaded catalog is still the same."""
    files = ((path, path.stat()) for path in sorted(folder.rglob("*.y*ml")))
    return folder, tuple((str(path), status.st_size, status.st_mtime_ns) for path, status in files)


def _folders(folders: Sequence[Path], *, thorough: bool) -> tuple[Catalog, list[Finding]]:
    catalog, findings = _checked(thorough, *(_fingerprint(folder) for folder in (shipped_folder(), *folders)))
    return catalog, list(findings)


@lru_cache(maxsize=8)
def _checked(thorough: bool, *folders: _Fingerprint) -> tuple[Catalog, tuple[Finding, ...]]:
    with _uncollected():
        entries, findings = read_entries([folder for folder, _ in folders])
        catalog = Catalog(entries)
        return catalog, (*findings, *check_catalog(entries, catalog, thorough=thorough))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector of cycles from walking the growing catalog again and again: nearly half of the time of a load."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def load_catalog(folders: Sequence[Path] = ()) -> Catalog:
    """Load the shipped catalog with `folders` laid over it.

    Whether the pathway parameters of every place are complete is left to `check_folders` and to who reads those of a place:
    it is a fifth of the time of a load, which every command pays.

    Raises
    ------
    ContentError
        A file is faulty; the error carries every finding.

    Examples
    --------
    >>> load_catalog().places.resolve("370200").id
    'qingdao'
    """
    catalog, findings = _folders(folders, thorough=False)
    raise_for_errors(findings)
    return catalog
