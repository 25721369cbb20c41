"""Spans of time: parts of a calendar, and what things were touched when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

__all__ = ["merged_spans", "outside_spans", "part_bounds"]


def part_bounds(part: str) -> tuple[date, date]:
    """Return the first day of a year, month or day, and the day after its last.

    Examples
    --------
    >>> [str(day) for part in ("2026", "2026-12", "2026-12-31") for day in part_bounds(part)]
    ['2026-01-01', '2027-01-01', '2026-12-01', '2027-01-01', '2026-12-31', '2027-01-01']
    """
    numbers = [int(number) for number in part.split("-")]
    if len(numbers) == 1:
        return date(numbers[0], 1, 1), date(numbers[0] + 1, 1, 1)
    first = date(numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 1)
    if len(numbers) > 2:
        return first, first + timedelta(days=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def merged_spans(spans: pl.DataFrame, names: Sequence[str], gap: timedelta = timedelta(0)) -> pl.DataFrame:
    """Return spans in which those of the same names that meet, or lie no further apart than `gap`, are one.

    Parameters
    ----------
    spans : DataFrame
        first, last (half-open), the columns `names`; of others the least and the greatest stand in ``least_…``, ``most_…``.
    names : sequence of str
        What tells the things apart that spans are of.
    gap : timedelta

    Examples
    --------
    >>> rows = [("a", 1, 3), ("a", 2, 5), ("a", 7, 8), ("b", 4, 5)]
    >>> days = pl.DataFrame(rows, ["meter", "first", "last"], orient="row").cast({"first": pl.Date, "last": pl.Date})
    >>> merged_spans(days, ["meter"])["first"].dt.day().to_list()
    [2, 8, 5]
    """
    others = [name for name in spans.columns if name not in (*names, "first", "last")]
    ordered = spans.filter(pl.col("first") < pl.col("last")).sort(*names, "first", "last")
    reached = pl.col("last").cum_max().shift()
    if names:
        reached = reached.over(list(names))
    return (
        ordered.with_columns(island=(reached.is_null() | (pl.col("first") > reached + gap)).cum_sum())
        .group_by(*names, "island", maintain_order=True)
        .agg(
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col(others).min().name.prefix("least_"),
            pl.col(others).max().name.prefix("most_"),
        )
        .drop("island")
    )


def outside_spans(rows: pl.DataFrame, spans: pl.DataFrame, names: Sequence[str], time_column: str) -> pl.DataFrame:
    """Return the rows that lie in no span of their names.

    Parameters
    ----------
    rows : DataFrame
    spans : DataFrame
        `merged_spans` of `names`.
    names : sequence of str
        Columns of both.
    time_column : str
        Column of `rows` that spans are about.
    """
    if not rows.height or not spans.height:
        return rows
    joined = (
        rows.with_row_index("_row")
        .sort(time_column)
        .join_asof(
            spans.sort("first").rename({"first": "_first", "last": "_last"}),
            left_on=time_column,
            right_on="_first",
            by=list(names) or None,
            strategy="backward",
            check_sortedness=False,
        )
    )
    within = pl.col("_last").is_not_null() & (pl.col(time_column) < pl.col("_last"))
    return joined.filter(~within).sort("_row").select(rows.columns)
