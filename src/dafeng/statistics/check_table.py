"""Facts laid out for checks: one cube of series × year × place for each dataset and part of the year.

Keys are encoded to integers once; every check then works on arrays of numbers and answers with row numbers of the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS, SCHEMA, ObservationKind, Review
from dafeng.base.period import Period, PeriodKind
from dafeng.base.place import PlaceTree
from dafeng.catalog.schemas import Indicator

__all__ = ["Floats", "Rows", "Series", "Table", "facts_of", "tables_of"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

_SERIES: Final = ("indicator", "extent", *BREAKDOWNS, "basis")
_KINDS: Final = [kind.value for kind in (*FACT_KINDS, ObservationKind.DEMONSTRATION)]
_CELLS: Final = 24_000_000
"""Most cells of a cube; a dataset with more is laid out in several tables."""
_YEARLY: Final = "year"
_SLOTS: Final = {
    PeriodKind.YEAR: _YEARLY,
    PeriodKind.SEASON: "season",
    PeriodKind.HALF: "{0:%m}-half",
    PeriodKind.QUARTER: "{0:%m}-quarter",
    PeriodKind.MONTH: "{0:%m}-month",
    PeriodKind.CUMULATIVE: "{1:%m}-cumulative",
}


class Series(NamedTuple):
    """What one layer of a cube holds."""

    indicator: str
    """Indicator id."""
    extent: str
    """Extent."""
    breakdown: tuple[str, ...]
    """Codes in the order of `BREAKDOWNS`."""
    basis: str
    """Basis of reckoning."""

    @property
    def total(self) -> bool:
        """Whether it is no part of a breakdown."""
        return set(self.breakdown) == {"all"}


@dataclass(frozen=True)
class Table:
    """The figures of one dataset for one part of the year.

    Parameters
    ----------
    dataset : str
    slot : str
        ``year``, ``season``, or part of the year such as ``07-month`` and ``09-cumulative``.
    years : int array, shape (year,)
        Consecutive.
    places : tuple of str
        In the order of the source's rows.
    series : tuple of Series
    values : float array, shape (series, year, place)
        Canonical units; NaN where nothing is known.
    rows : int array, same shape
        Row number in the frame, -1 where there is none; a stated gap has a row and no value.
    """

    dataset: str
    slot: str
    years: NDArray[np.int64]
    places: tuple[str, ...]
    series: tuple[Series, ...]
    values: Floats
    rows: Rows

    def without(self, mask: NDArray[np.bool_]) -> Table:
        """Return the table without the masked cells; they are neither figures nor gaps."""
        values, rows = np.where(mask, np.nan, self.values), np.where(mask, -1, self.rows)
        return Table(self.dataset, self.slot, self.years, self.places, self.series, values, rows)

    def layers(self, indicators: Iterable[str]) -> list[int]:
        """Return the numbers of the series of some indicators, all where none are named."""
        wanted = set(indicators)
        return [number for number, one in enumerate(self.series) if not wanted or one.indicator in wanted]


def facts_of(frame: pl.DataFrame, indicators: Mapping[str, Indicator]) -> pl.DataFrame:
    """Return the rows that checks look at, with their row number.

    Facts of known indicators that are not withdrawn; projections and demonstrations are not checked.

    Raises
    ------
    InputError
        A column is missing.
    """
    absent = [name for name in SCHEMA if name not in frame.columns]
    if absent:
        raise InputError(
            f"no column {', '.join(absent)}",
            doing="check observations",
            expected="a frame of observations",
            next_step="read the frame from a snapshot or an import",
        )
    wanted = frame.select(
        pl.col("kind").is_in(_KINDS)
        & (pl.col("scenario") == "")
        & (pl.col("review") != Review.WITHDRAWN.value)
        & pl.col("indicator").is_in(list(indicators))
    ).to_series()
    columns = [pl.Series("row", np.flatnonzero(wanted.to_numpy())), frame["value"].filter(wanted).fill_nan(None)]
    # One column of texts at a time: codes of a few bytes stay, texts of millions of rows do not.
    columns += [_encoded(frame[name].filter(wanted)) for name in ("dataset", "place", "period", "kind", *_SERIES)]
    return pl.DataFrame(columns)


def _encoded(column: pl.Series) -> pl.Series:
    return column.cast(pl.Enum(column.unique().sort()))


def tables_of(facts: pl.DataFrame, order: Mapping[tuple[str, str], float], places: PlaceTree) -> Iterator[Table]:
    """Lay facts out, dataset by dataset.

    Parameters
    ----------
    facts : DataFrame
        From `facts_of`.
    order : mapping from dataset and place to number
        Where the place stands in the source's table; places without one follow by code, then by id.
    places : PlaceTree

    Yields
    ------
    Table
        In the order of datasets and slots. Days and plan periods have no yearly order and are left out.
    """
    if facts.is_empty():
        return
    period, texts = _coded(facts["period"])
    slots, years = _periods(texts)
    names = sorted({slot for slot in slots if slot})
    numbers = {slot: number for number, slot in enumerate(names)}
    slot = np.array([numbers.get(name, -1) for name in slots], dtype=np.int64)[period]
    dataset, datasets = _coded(facts["dataset"])
    group = np.where(slot >= 0, dataset * len(names) + slot, -1)
    year = np.array(years, dtype=np.int64)[period]
    del period, slot, dataset
    present = [int(number) for number in np.unique(group) if number >= 0]
    for number in present:
        own, at = divmod(number, len(names))
        inside = group == number
        part, when = (facts, year) if inside.all() else (facts.filter(pl.Series(inside)), year[inside])
        yield from _laid_out(datasets[own], names[at], part, when, order, places)


def _periods(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the slot of each period, empty where it has none, and its year."""
    periods = [Period.parse(text) for text in texts]
    slots = [
        _SLOTS[one.kind].format(one.start, one.end - timedelta(days=1)) if one.kind in _SLOTS else "" for one in periods
    ]
    return slots, [one.year for one in periods]


def _coded(column: pl.Series) -> tuple[Rows, list[str]]:
    kind = column.dtype
    assert isinstance(kind, pl.Enum)
    return column.to_physical().cast(pl.Int64).to_numpy(), kind.categories.to_list()


def _laid_out(
    dataset: str,
    slot: str,
    facts: pl.DataFrame,
    years: Rows,
    order: Mapping[tuple[str, str], float],
    tree: PlaceTree,
) -> Iterator[Table]:
    codes = np.zeros(facts.height, dtype=np.int64)
    levels: list[list[str]] = []
    for name in _SERIES:
        one, texts = _coded(facts[name])
        codes *= len(texts)
        codes += one
        levels.append(texts)
    present, layer = np.unique(codes, return_inverse=True)
    series = [_decoded(int(code), levels) for code in present]
    place, every = _coded(facts["place"])
    ids = [every[number] for number in np.unique(place)]
    by_row = sorted(ids, key=lambda one: (order.get((dataset, one), np.inf), _code_of(one, tree), one))
    where = {one: number for number, one in enumerate(by_row)}
    position = np.array([where.get(one, -1) for one in every], dtype=np.int64)[place]
    first = int(years.min())
    span = int(years.max()) - first + 1
    value = facts["value"].fill_null(np.nan).to_numpy()
    row = facts["row"].to_numpy()
    # The last written wins: a reported figure over a computed one over an estimate.
    ranks = facts["kind"].cast(pl.String).unique().to_list()
    turns = [facts["kind"].eq(kind).to_numpy() for kind in reversed(_KINDS) if kind in ranks]
    step = max(1, _CELLS // (span * len(by_row)))
    for start in range(0, len(series), step):
        part = series[start : start + step]
        values = np.full((len(part), span, len(by_row)), np.nan)
        rows = np.full(values.shape, -1, dtype=np.int64)
        inside = (layer >= start) & (layer < start + step)
        for turn in turns:
            taken = np.flatnonzero(turn & inside)
            cells = (layer[taken] - start, years[taken] - first, position[taken])
            values[cells], rows[cells] = value[taken], row[taken]
        yield Table(dataset, slot, np.arange(first, first + span), tuple(by_row), tuple(part), values, rows)


def _decoded(code: int, levels: list[list[str]]) -> Series:
    texts: list[str] = []
    for level in reversed(levels):
        code, digit = divmod(code, len(level))
        texts.append(level[digit])
    texts.reverse()
    return Series(texts[0], texts[1], tuple(texts[2 : 2 + len(BREAKDOWNS)]), texts[-1])


def _code_of(place: str, tree: PlaceTree) -> str:
    codes = tree.get(place).codes if place in tree else ()
    return codes[0].code if codes else "~"
