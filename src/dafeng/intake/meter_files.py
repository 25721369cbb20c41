"""The tables of a file of readings: text, packed text, workbook or Parquet."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from dafeng.base.errors import InputError
from dafeng.intake.reading import read_sheets, read_text_sheet
from dafeng.intake.sheets import Limits, Sheet, too_large

__all__ = ["reading_tables"]


def reading_tables(path: Path, limits: Limits) -> list[tuple[Sheet, bool]]:
    """Return the sheets of a file; those of a Parquet file are typed and have their header in `Sheet.name`'s place."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4)
    except OSError:
        head = b""
    if head == b"PAR1" and path.stat().st_size <= limits.parquet_bytes:
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError):
            return [(sheet, False) for sheet in read_sheets(path, limits=limits)]
        if not any(kind.is_nested() or kind == pl.Binary for kind in frame.schema.values()):
            return [(Sheet("", frame), True)]
    if head[:2] == b"\x1f\x8b":
        return [(_unpacked(path, limits), False)]
    return [(sheet, False) for sheet in read_sheets(path, limits=limits, clocks=True)]


def _unpacked(path: Path, limits: Limits) -> Sheet:
    try:
        with gzip.open(path) as stream:
            data = stream.read(limits.unpacked_bytes + 1)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be unpacked: {error}",
            doing="read a table of readings",
            expected="an undamaged gzip file of a text table",
            next_step="copy the file again",
            file=path.name,
            name="intake.file.damaged",
        ) from error
    if len(data) > limits.unpacked_bytes:
        raise too_large(path.name, len(data), limits.unpacked_bytes, "the unpacked file", "拆成较小的文件")
    return read_text_sheet(data, path.name, path.with_suffix("").suffix.lower())
