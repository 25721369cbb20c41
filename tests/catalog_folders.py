"""A folder of catalog files, read and checked alone: what tests with planted faults start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dafeng.base.finding import Finding
from dafeng.catalog.catalog import Catalog, read_entries
from dafeng.catalog.checks import check_catalog


def check_files(folder: Path, files: Mapping[str, str]) -> tuple[Catalog, list[Finding]]:
    """Write files into a folder, and return the catalog that they make with every fault found."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    entries, findings = read_entries([folder])
    catalog = Catalog(entries)
    return catalog, findings + check_catalog(entries, catalog)
