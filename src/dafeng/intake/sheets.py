"""Files as sheets of text: what stands in each cell, before anything is made of it.

The content decides how a file is read, never its ending. Every cell is kept as the text that a reader would see (a number
with a percent format is ``65%``), next to marks for formulas and merged cells.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity

__all__ = [
    "MARK_SCHEMA",
    "Limits",
    "Sheet",
    "cell_name",
    "column_letters",
    "file_digest",
    "hidden_sheet",
    "sheet_of_rows",
]


@dataclass(frozen=True)
class Limits:
    """How much of a file is read before it is refused.

    Parameters
    ----------
    text_bytes, workbook_bytes, parquet_bytes : int
        Size of the file itself.
    unpacked_bytes : int
        Size of the parts of a workbook once unpacked, by its directory and again while reading.
    ratio : float
        Unpacked over packed size of a part from which a workbook counts as a zip bomb.
    cells : int
        Cells of one sheet of a workbook.
    listed : int
        Findings of one name that are listed one by one; the rest is counted.
    """

    text_bytes: int = 1 << 30
    workbook_bytes: int = 100 << 20
    parquet_bytes: int = 1 << 30
    unpacked_bytes: int = 600 << 20
    ratio: float = 200.0
    cells: int = 6_000_000
    listed: int = 200


MARK_SCHEMA: Final[dict[str, pl.DataType]] = {"row": pl.Int64(), "col": pl.Int32(), "mark": pl.String()}
"""Marks of single cells: formula, formula-without-value, error."""


@dataclass(frozen=True)
class Sheet:
    """One table of cells.

    Parameters
    ----------
    name : str
        Name of the worksheet; empty for a text table.
    frame : DataFrame, shape (row, column)
        Columns c0, c1 … of text; null is a blank cell. Row 0 is line 1 of the sheet.
    marks : DataFrame
        Columns of `MARK_SCHEMA`, counted from 0.
    merged : tuple of (first row, first column, last row, last column)
        Merged areas, counted from 0, ends included.
    findings : tuple of Finding
        What was seen while reading.
    remarks : tuple of (row, column, text)
        Comments (批注) on cells of an XLSX workbook, counted from 0.

    Examples
    --------
    >>> sheet_of_rows("", [["地区", "2023"], ["青岛", "65%"]]).frame.rows()
    [('地区', '2023'), ('青岛', '65%')]
    """

    name: str
    frame: pl.DataFrame
    marks: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=MARK_SCHEMA))
    merged: tuple[tuple[int, int, int, int], ...] = ()
    findings: tuple[Finding, ...] = ()
    remarks: tuple[tuple[int, int, str], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether no cell holds anything."""
        return self.frame.is_empty() or self.frame.width == 0


def column_letters(column: int) -> str:
    """Return the letters of a column counted from 0.

    Examples
    --------
    >>> column_letters(0), column_letters(27), column_letters(16383)
    ('A', 'AB', 'XFD')
    """
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def cell_name(row: int, column: int) -> str:
    """Return the name of a cell; row and column count from 0.

    Examples
    --------
    >>> cell_name(6, 1)
    'B7'
    """
    return f"{column_letters(column)}{row + 1}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sheet_of_rows(
    name: str,
    rows: list[list[str | None]],
    *,
    marks: list[tuple[int, int, str]] | None = None,
    merged: tuple[tuple[int, int, int, int], ...] = (),
    findings: tuple[Finding, ...] = (),
) -> Sheet:
    """Return rows of text as a sheet, padded to one width.

    Examples
    --------
    >>> sheet_of_rows("表1", [["a"], ["b", "c"]]).frame.shape
    (2, 2)
    """
    width = max((len(row) for row in rows), default=0)
    columns = {f"c{index}": [row[index] if index < len(row) else None for row in rows] for index in range(width)}
    frame = pl.DataFrame(columns, schema={name: pl.String() for name in columns})
    return Sheet(name, frame, pl.DataFrame(marks or [], schema=MARK_SCHEMA, orient="row"), merged, findings)


def too_large(file: str, size: int, limit: int, what: str, next_step: str, *, of: str = "bytes") -> InputError:
    """Return the error for a file beyond a limit."""
    return InputError(
        f"{file}: {what} has {size:,} {of}",
        doing="read a table",
        expected=f"at most {limit:,} {of}",
        next_step=next_step,
        file=file,
        size=size,
        limit=limit,
        name="intake.file.too-large",
    )


def file_finding(name: str, sentence: str, file: str, *, expected: str, next_step: str, sheet: str = "") -> Finding:
    """Return a warning about a file as a whole."""
    return Finding(
        name=name,
        sentence=sentence,
        severity=Severity.WARNING,
        expected=expected,
        next_step=next_step,
        where=Location(file=file, sheet=sheet),
    )


def hidden_sheet(file: str, name: str) -> Finding:
    """Return the warning about a worksheet that is hidden and read all the same."""
    return file_finding(
        "intake.sheet.hidden",
        f"工作表 {name} 是隐藏的，仍按可见读取",
        file,
        expected="可见的工作表",
        next_step="确认隐藏的工作表确应导入，或用 sheet 参数只取一张",
        sheet=name,
    )
