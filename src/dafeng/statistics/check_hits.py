"""What a check hands back: cells with the numbers it compared, and faults of whole tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.place import PlaceTree
from dafeng.base.quantity import root_factor
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import Indicator
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_table import Floats, Rows, Table

__all__ = [
    "HIT_SCHEMA",
    "Context",
    "Outcome",
    "TableFault",
    "cells_of",
    "hits",
    "number",
    "shown_factor",
    "shown_values",
    "wanted",
]

HIT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "row": pl.Int64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "score": pl.Float64(),
    "note": pl.String(),
}
"""Row of the frame, what was expected, how far off on the check's own scale, the numbers compared in words."""


@dataclass(frozen=True)
class Context:
    """What every check needs besides its own entry.

    Parameters
    ----------
    catalog : Catalog
    places : PlaceTree
        The places that the frame speaks of.
    tables : list of Table
    facts : DataFrame
        The checked rows with their row number.
    """

    catalog: Catalog
    places: PlaceTree
    tables: list[Table]
    facts: pl.DataFrame

    @property
    def indicators(self) -> Mapping[str, Indicator]:
        """Indicators of the catalog by id."""
        return self.catalog.indicators


@dataclass(frozen=True)
class TableFault:
    """A fault of a whole table or of a block of its rows.

    Parameters
    ----------
    dataset, period : str
    sentence : str
        In Chinese, with the numbers.
    evidence : mapping
    rows : int array
        Rows of the frame that it covers.
    first : int
        Row that the finding points at.
    """

    dataset: str
    period: str
    sentence: str
    evidence: Mapping[str, Any]
    rows: Rows
    first: int


@dataclass
class Outcome:
    """What a check found.

    Parameters
    ----------
    cells : DataFrame, columns of `HIT_SCHEMA`
    faults : list of TableFault
    """

    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HIT_SCHEMA))
    faults: list[TableFault] = field(default_factory=list)


def wanted(check: DataCheck, table: Table) -> list[int]:
    """Return the layers of a table that a check looks at."""
    return table.layers(check.indicators)


def shown_factor(indicator: Indicator) -> float:
    """Return by what a value in the canonical unit is multiplied to stand in the shown unit.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> round(shown_factor(load_catalog().indicators["resident_population"]) * 38_350_000, 9)
    3835.0
    """
    return root_factor(indicator.unit) / root_factor(indicator.shown_unit)


def shown_values(table: Table, context: Context) -> Floats:
    """Return the values of a table in the units in which reports show them."""
    factors = np.array([shown_factor(context.indicators[one.indicator]) for one in table.series])
    found: Floats = table.values * factors[:, None, None]
    return found


def number(column: str) -> pl.Expr:
    """Return a column as text with five significant digits."""
    return pl.col(column).round_sig_figs(5).cast(pl.String).str.strip_suffix(".0")


def hits(
    rows: NDArray[Any],
    score: NDArray[Any],
    note: str,
    *,
    low: NDArray[Any] | None = None,
    high: NDArray[Any] | None = None,
    **compared: NDArray[Any],
) -> pl.DataFrame:
    """Return a frame of `HIT_SCHEMA`.

    Parameters
    ----------
    rows, score : array, shape (hit,)
    note : str
        Sentence with a ``{}`` for each compared number, in order.
    low, high : array, shape (hit,), optional
        What was expected.
    **compared : array, shape (hit,)
        Numbers shown in the note.
    """
    nothing = np.full(len(rows), np.nan)
    frame = pl.DataFrame(
        {
            "row": rows,
            "low": nothing if low is None else low,
            "high": nothing if high is None else high,
            "score": score,
            **compared,
        }
    )
    text = pl.format(note, *(number(name) for name in compared)) if compared else pl.lit(note)
    return (
        frame.with_columns(note=text)
        .select(pl.col(name).cast(kind) for name, kind in HIT_SCHEMA.items())
        .with_columns(pl.col("low", "high").fill_nan(None))
        .filter(pl.col("row") >= 0)
    )


def cells_of(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Put frames of hits together."""
    return pl.concat(parts) if parts else pl.DataFrame(schema=HIT_SCHEMA)


def neighbours(values: Floats) -> tuple[Floats, Floats]:
    """Return the values of the year before and after, shape (…, year, place); NaN at the ends."""
    before, after = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    before[..., 1:, :] = values[..., :-1, :]
    after[..., :-1, :] = values[..., 1:, :]
    return before, after
