"""Instants as they are kept: in the frames of dafeng in UTC, in the files of readings and in engines without zone.

Engines evaluate plain timestamps once for each value of a dictionary and skip parts of a file by their ranges; of zoned ones
they ask the calendar of the zone. So what very large tables hold, and what expressions see, is plain and means UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TypeVar

import polars as pl

from dafeng.base.errors import UsageError

__all__ = ["is_instant", "plain_instant", "plain_schema", "with_zone", "without_zone"]

_Rows = TypeVar("_Rows", pl.DataFrame, pl.LazyFrame)


def is_instant(dtype: pl.DataType) -> bool:
    """Return whether a column holds instants."""
    return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None


def plain_instant(instant: datetime | date) -> datetime | date:
    """Return an instant as engines hold it; a date stays as it is.

    Raises
    ------
    UsageError
        The instant has no time zone.
    """
    if not isinstance(instant, datetime):
        return instant
    if instant.tzinfo is None:
        raise UsageError(
            f"{instant.isoformat()} has no time zone",
            doing="read the lake",
            expected="an instant with a time zone",
            next_step="add a time zone such as +08:00",
        )
    return instant.astimezone(UTC).replace(tzinfo=None)


def plain_schema(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Return a schema with its instants as engines hold them."""
    return {name: pl.Datetime("us") if is_instant(dtype) else dtype for name, dtype in schema.items()}


def without_zone(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with its instants as engines hold them.

    Examples
    --------
    >>> noon = pl.DataFrame({"at": [datetime(2026, 11, 20, 12, tzinfo=UTC)]})
    >>> without_zone(noon)["at"].item()
    datetime.datetime(2026, 11, 20, 12, 0)
    """
    return frame.with_columns(
        pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None).dt.cast_time_unit("us")
        for name, dtype in frame.schema.items()
        if is_instant(dtype)
    )


def with_zone(rows: _Rows, schema: Mapping[str, pl.DataType]) -> _Rows:
    """Return the columns of a schema, of rows whose plain instants mean UTC."""
    return rows.select(
        pl.col(name).dt.replace_time_zone("UTC") if is_instant(dtype) else pl.col(name)
        for name, dtype in schema.items()
    )
