"""Where a second table begins on one sheet, below the first or beside it; its figures never pass for those of the first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import polars as pl

from dafeng.intake.headers import CORE_ROLES, OTHER_QUANTITY, role_of
from dafeng.intake.layout import Table
from dafeng.intake.numbers import PLAIN_NUMBER

__all__ = ["captions", "is_caption", "repeated_header", "second_table"]

_YEAR: Final = r"^\s*(?:19|20)\d\d(?:\s*年\D*)?\s*$"
_CAPTION: Final = rf"^\W*(?:(?:19|20)\d\d年?)?(?:{OTHER_QUANTITY})"
_NAME: Final = r"[\u4e00-\u9fffA-Za-z]{2}"
_TITLED: Final = ("where_indicator", "where_unit", "where_period", "where_place")


def repeated_header(frame: pl.DataFrame, table: Table, columns: Sequence[str]) -> pl.Expr:
    """Return whether a row repeats a row of the header, as on each page of a print.

    Parameters
    ----------
    frame : DataFrame
        Rows of the sheet.
    table : Table
    columns : sequence of str
        Label and value columns.
    """
    repeats = [pl.lit(False)]
    for number in table.header_rows:
        line = frame.row(number, named=True)
        named = [name for name in columns if line[name] is not None]
        if len(named) >= 2:
            repeats.append(pl.all_horizontal(pl.col(name) == line[name] for name in named))
    return pl.any_horizontal(repeats).fill_null(False)


def second_table(frame: pl.DataFrame, table: Table, labels: Sequence[str], values: Sequence[str]) -> int | None:
    """Return the row, counted from 1, from which on another table stands below the first, None where there is none.

    Parameters
    ----------
    frame : DataFrame
        Rows of the sheet with `row`.
    table : Table
    labels, values : sequence of str
        Label and value columns.
    """
    body = frame.slice(table.first_row)
    words = {
        name: [text for text in body[name].unique() if text is not None and role_of(text) in CORE_ROLES]
        for role, columns in table.roles.items()
        if role in CORE_ROLES
        for name in (f"c{column}" for column in columns)
    }
    is_word = pl.any_horizontal(pl.lit(False), *(pl.col(name).is_in(texts) for name, texts in words.items() if texts))
    wordy = pl.all_horizontal(
        pl.col(name).is_null() | ~pl.col(name).str.contains(PLAIN_NUMBER) | pl.col(name).str.contains(_YEAR)
        for name in values
    )
    worded = pl.any_horizontal(pl.col(name).str.contains(_NAME) | pl.col(name).str.contains(_YEAR) for name in values)
    no_label = pl.all_horizontal(pl.lit(bool(labels)), *(pl.col(name).is_null() for name in labels))
    filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in values)
    years = pl.all_horizontal(pl.col(name).is_null() | pl.col(name).str.contains(_YEAR) for name in values)
    header = (is_word.fill_null(False) & wordy & worded.fill_null(False)) | (no_label & (filled >= 2) & years)
    texts = [name for name in frame.columns if name != "row"]
    again = repeated_header(frame, table, [*labels, *values])
    found = body.filter(header).select("row", again.alias("again"))
    titles = {text for line in frame.head(table.first_row).select(texts).iter_rows() for text in line if text}
    for row, repeats in found.iter_rows():
        start, captions_above = _with_title(frame.select(texts), int(row), table)
        retitled = any(text not in titles and "续" not in text for text in captions_above)
        if not repeats or (retitled and any(table.constants.get(name) is not None for name in _TITLED)):
            return start
    return None


def _with_title(frame: pl.DataFrame, row: int, table: Table) -> tuple[int, list[str]]:
    """Return the first row of a title that stands right above a header row, and its texts."""
    start, texts = row, []
    for number in range(row - 2, table.first_row - 1, -1):
        filled = [text for text in frame.row(number) if text is not None]
        if len(filled) > 1 or (filled and re.fullmatch(PLAIN_NUMBER, filled[0].strip())):
            break
        if filled:
            start = number + 1
            texts.append(filled[0])
    return start, texts


def is_caption(text: str) -> bool:
    """Return whether a text alone in its row makes another quantity of the indicators below it.

    Examples
    --------
    >>> is_caption("比上年增长（%）"), is_caption("2025年目标"), is_caption("计划单列市"), is_caption("一、绿地")
    (True, True, False, False)
    """
    return re.match(_CAPTION, text) is not None


def captions(lone: pl.Expr, first: pl.Expr) -> pl.Expr:
    """Return for each row the caption above it that makes another quantity of its indicator (增长、排名、目标 …).

    Parameters
    ----------
    lone : expression
        Whether a row holds one text only.
    first : expression
        That text.
    """
    other = pl.when(first.str.contains(_CAPTION)).then(first).otherwise(pl.lit(""))
    return pl.when(lone).then(other).forward_fill()
