"""Figures that equal those of another year or of another place to the last digit, several at once.

A single equal figure says nothing; figures of one or two digits, zeros and values that many places share (100 %) are left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.statistics.check_hits import Context, Outcome, TableFault, cells_of, hits, wanted
from dafeng.statistics.check_table import Floats, Table

__all__ = ["check_copies"]

_COPY: Final = {"figures": 3.0, "share": 0.8, "years": 3.0, "table": 0.5, "places": 0.0, "rows": 4.0}
_SHARED: Final = 3
"""Most places that may hold one value for it to tell them apart."""


def check_copies(check: DataCheck, context: Context) -> Outcome:
    """Find rows, and tables, that repeat those of another year or place.

    Parameters
    ----------
    check : DataCheck
        ``figures``: fewest telling figures that agree; ``share``: least part of the comparable figures that agree; ``years``:
        how many years back; ``table``: part of the rows from which on the table as a whole is a copy, with at least ``rows``
        rows; ``places``: 1 to compare places within a year instead of years.
    context : Context
    """
    bars = {**_COPY, **check.parameters}
    outcome = Outcome()
    parts = []
    for table in context.tables:
        layers = wanted(check, table)
        if len(layers) < bars["figures"]:
            continue
        values, rows = table.values[layers], table.rows[layers]
        telling = _telling(values)
        if bars["places"]:
            parts += _between_places(table, values, rows, telling, bars, context)
        else:
            cells, faults = _between_years(table, values, rows, telling, bars)
            parts += cells
            outcome.faults += faults
    outcome.cells = cells_of(parts)
    return outcome


def _telling(values: Floats) -> NDArray[np.bool_]:
    """Return which values have three significant digits or more."""
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(values)
        digits = size / 10.0 ** (np.floor(np.log10(size)) - 1)
        short = np.abs(digits - np.round(digits)) < 1e-6
    found: NDArray[np.bool_] = (size > 0) & np.isfinite(size) & ~short
    return found


def _between_years(
    table: Table, values: Floats, rows: NDArray[np.int64], telling: NDArray[np.bool_], bars: dict[str, float]
) -> tuple[list[pl.DataFrame], list[TableFault]]:
    parts, faults = [], []
    known = np.isfinite(values)
    for year in range(1, values.shape[1]):
        filled = known[:, year].any(axis=0)
        for back in range(1, int(bars["years"]) + 1):
            if year - back < 0:
                break
            both = known[:, year] & known[:, year - back] & telling[:, year]
            same = both & (values[:, year] == values[:, year - back])
            count = same.sum(axis=0)
            copied = (count >= bars["figures"]) & (count >= bars["share"] * both.sum(axis=0))
            if not copied.any():
                continue
            number, earlier = int(copied.sum()), int(table.years[year - back])
            if number >= bars["rows"] and number >= bars["table"] * filled.sum():
                covered = rows[:, year][:, copied]
                covered = covered[covered >= 0]
                here = int(table.years[year])
                faults.append(
                    TableFault(
                        table.dataset,
                        str(here),
                        f"{here}年的表像是照抄{earlier}年：{int(filled.sum())}行中{number}行逐位相同",
                        {
                            "fault": "year-copied",
                            "copied_from": str(earlier),
                            "rows": int(covered.size),
                            "copied_rows": number,
                            "rows_of_year": int(filled.sum()),
                            "share": round(number / max(int(filled.sum()), 1), 4),
                            "whole": True,
                        },
                        covered,
                        int(covered[0]),
                    )
                )
                break
            where = np.argwhere(same & copied)
            parts.append(
                hits(
                    rows[where[:, 0], year, where[:, 1]],
                    count[where[:, 1]].astype(float),
                    f"与{earlier}年逐位相同，同一行共 {{}} 项相同",
                    figures=count[where[:, 1]].astype(float),
                )
            )
    return parts, faults


def _between_places(
    table: Table,
    values: Floats,
    rows: NDArray[np.int64],
    telling: NDArray[np.bool_],
    bars: dict[str, float],
    context: Context,
) -> list[pl.DataFrame]:
    places = values.shape[2]
    found = []
    known = np.isfinite(values)
    for year in range(values.shape[1]):
        order = np.argsort(np.where(telling[:, year], values[:, year], np.inf), axis=1)
        ordered = np.take_along_axis(values[:, year], order, axis=1)
        clear = np.take_along_axis(telling[:, year], order, axis=1)
        same = np.zeros(ordered.shape, dtype=bool)
        same[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & clear[:, 1:] & clear[:, :-1]
        # A run of more than a few places with one value tells nobody apart.
        crowd = np.zeros(ordered.shape, dtype=bool)
        if places > _SHARED:
            far = (ordered[:, _SHARED:] == ordered[:, :-_SHARED]) & clear[:, _SHARED:]
            for step in range(_SHARED + 1):
                crowd[:, step : places - _SHARED + step] |= far
        layer, position = np.nonzero(same & ~crowd)
        if not len(layer):
            continue
        one, two = order[layer, position - 1], order[layer, position]
        pair = np.minimum(one, two).astype(np.int64) * places + np.maximum(one, two)
        pairs, inverse, counts = np.unique(pair, return_inverse=True, return_counts=True)
        enough = counts >= bars["figures"]
        for number in np.flatnonzero(enough):
            first, second = divmod(int(pairs[number]), places)
            both = int((known[:, year, first] & known[:, year, second]).sum())
            if counts[number] < bars["share"] * both:
                continue
            those = layer[inverse == number]
            for here, there in ((first, second), (second, first)):
                found.append(
                    hits(
                        rows[those, year, here],
                        np.full(len(those), float(counts[number])),
                        f"与{context.catalog.place_name(table.places[there])}同年的数逐位相同，共{counts[number]}项相同",
                    )
                )
    return found
