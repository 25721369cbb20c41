"""Which value speaks for each cell, place and year: the precedence of `series_choice`, for whole arrays.

A cell is an indicator under one extent, basis and breakdown. Rows of another extent are kept apart as references. A year is
spoken for by a value of the whole year only; of a running year only cells that state a survey are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.assessment.ledgers import trusted_ledgers
from dafeng.assessment.series_choice import LEDGER_COVERAGE
from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import BREAKDOWNS, FACT_KINDS, SCHEMA, ObservationKind, Review
from dafeng.base.place import Extent
from dafeng.catalog.catalog import Catalog

__all__ = ["Chosen", "ValueCell", "choose_values"]

_KINDS: Final = [kind.value for kind in (*FACT_KINDS, ObservationKind.DEMONSTRATION)]
_REVIEWED: Final = [Review.APPROVED.value, Review.SEALED.value]
_UNREVIEWED: Final = [Review.DRAFT.value, Review.SUBMITTED.value]


_NEVER: Final = -(10**7)
_KEPT: Final = (
    *("key", "own", "running", "year", "indicator", "extent", "kind", "value", "coverage"),
    *("dataset", "recorded_at", "published_on", "review", "lineage"),
)


@dataclass(frozen=True)
class ValueCell:
    """What a value must speak of."""

    indicator: str
    extent: Extent
    basis: str = ""
    breakdown: tuple[str, ...] = ("all",) * len(BREAKDOWNS)
    running: bool = False


@dataclass(frozen=True)
class Chosen:
    """Chosen values, arrays of shape (cell, place, year).

    `row` and `elsewhere` are numbers of rows of `rows` (−1 for none): the value of the cell's own extent, and one of another.
    `value` is NaN where none is known, `stated` says whether a reason is stated instead. `others` counts further datasets, `low`
    and `high` are the ends over all of them.
    """

    rows: pl.DataFrame
    row: NDArray[np.int32]
    elsewhere: NDArray[np.int32]
    value: NDArray[np.float64]
    coverage: NDArray[np.float64]
    dataset: NDArray[np.int32]
    stated: NDArray[np.bool_]
    others: NDArray[np.int32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    findings: tuple[Finding, ...]


def choose_values(
    observations: pl.DataFrame,
    cells: Sequence[ValueCell],
    catalog: Catalog,
    *,
    places: Sequence[str],
    years: Sequence[int],
    as_of: date,
    include_unreviewed: bool = False,
) -> Chosen:
    """Choose one value for each cell, place and year.

    Parameters
    ----------
    observations : DataFrame, shape (observation, column)
        Columns of `SCHEMA`, in any order of rows.
    cells : sequence of ValueCell
        Each once.
    catalog : Catalog
    places : sequence of str
    years : sequence of int
    as_of : date
        Values of periods that end later (but for `running` cells in the year of this day) or that were published later are
        not known yet.
    include_unreviewed : bool
        Whether drafts and submitted values count.

    Raises
    ------
    InputError
        A column of `SCHEMA` is missing.
    """
    absent = [name for name in SCHEMA if name not in observations.columns]
    if absent:
        raise InputError(
            f"columns {', '.join(absent)} are missing",
            doing="run a check-up",
            expected="a frame of observations",
            next_step="read the frame from the lake, or import the table",
        )
    rows, findings = _known_rows(observations, cells, places, years, as_of, include_unreviewed)
    shape = (len(cells), len(places), len(years))
    own, other = rows.filter("own"), rows.filter(~pl.col("own"))
    valued = _without_demonstrations(own.filter(pl.col("value").is_not_null()), shape)
    others = np.zeros(shape, dtype=np.int32)
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    best = _first_of_each(valued, catalog, others=others, low=low, high=high)
    elsewhere = _first_of_each(other.filter(pl.col("value").is_not_null()), catalog)
    kept = pl.concat([best, elsewhere])
    row = _scatter(best, np.arange(best.height), shape)
    apart = _scatter(elsewhere, np.arange(best.height, kept.height), shape)
    stated = np.zeros(shape, dtype=np.bool_)
    stated.reshape(-1)[_keys(own.filter(pl.col("value").is_null()))] = True
    value, coverage = np.full(shape, np.nan), np.full(shape, np.nan)
    value.reshape(-1)[_keys(best)] = best["value"].to_numpy()
    coverage.reshape(-1)[_keys(best)] = best["coverage"].fill_null(np.nan).to_numpy()
    dataset = np.full(shape, -1, dtype=np.int32)
    dataset.reshape(-1)[_keys(best)] = best["dataset"].cast(pl.Categorical).to_physical().cast(pl.Int32).to_numpy()
    return Chosen(
        kept, row, apart, value, coverage, dataset, stated & np.isnan(value), others, low, high, tuple(findings)
    )


def _known_rows(
    observations: pl.DataFrame,
    cells: Sequence[ValueCell],
    places: Sequence[str],
    years: Sequence[int],
    as_of: date,
    include_unreviewed: bool,
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the rows that may speak, with the numbers of cell, place and year, and what was left out."""
    wanted = pl.DataFrame(
        [
            (number, cell.indicator, cell.extent.value, cell.running, cell.basis, *cell.breakdown)
            for number, cell in enumerate(cells)
        ],
        schema=["cell", "indicator", "cell_extent", "running", "basis", *BREAKDOWNS],
        schema_overrides={"cell": pl.Int32()},
        orient="row",
    )
    of_place = pl.DataFrame({"place": list(places)}, schema={"place": pl.String()}).with_row_index("place_index")
    of_year = pl.DataFrame(
        {"period": [f"{year:04d}" for year in years]}, schema={"period": pl.String()}
    ).with_row_index("year_index")
    frame = (
        observations.lazy()
        .filter(
            pl.col("indicator").is_in(wanted["indicator"].unique().to_list())
            & (pl.col("scenario") == "")
            & pl.col("kind").is_in(_KINDS)
            & pl.col("review").is_in(_REVIEWED + _UNREVIEWED)
        )
        .join(of_year.lazy(), on="period")
        .join(of_place.lazy(), on="place")
        .join(wanted.lazy(), on=["indicator", "basis", *BREAKDOWNS])
        .with_columns(
            year=pl.col("period").cast(pl.Int32),
            own=pl.col("extent") == pl.col("cell_extent"),
            key=(pl.col("cell").cast(pl.Int64) * len(places) + pl.col("place_index")) * len(years)
            + pl.col("year_index"),
        )
        .select(_KEPT)
        .collect()
    )
    last = as_of.year if as_of >= date(as_of.year, 12, 31) else as_of.year - 1
    late = (pl.col("year") > last) & ~(pl.col("running") & (pl.col("year") == as_of.year))
    later = (pl.col("published_on") > as_of).fill_null(False)
    unreviewed = pl.col("review").is_in(_UNREVIEWED) & (not include_unreviewed)
    left = frame.filter(late | later | unreviewed).select(
        late=late.sum(), later=(~late & later).sum(), unreviewed=(~late & ~later & unreviewed).sum()
    )
    findings = _left_out(left.row(0, named=True), as_of)
    return frame.filter(~late & ~later & ~unreviewed).with_columns(running=pl.col("year") > last), findings


def _left_out(counts: dict[str, Any], as_of: date) -> list[Finding]:
    sentences = {
        "late": ("checkup.value.after-as-of", f"{{}}个数值的年份在{as_of}之后才结束，未采用"),
        "later": ("checkup.value.published-later", f"{{}}个数值在{as_of}之后才发布，未采用"),
        "unreviewed": ("checkup.value.unreviewed", "{}个数值未经审定（草稿或待审），未采用"),
    }
    return [
        Finding(
            name=name, sentence=sentence.format(counts[key]), severity=Severity.WARNING, evidence={"rows": counts[key]}
        )
        for key, (name, sentence) in sentences.items()
        if counts[key]
    ]


def _keys(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Return the flat position of each row in an array of shape (cell, place, year)."""
    return rows["key"].to_numpy()


def _scatter(rows: pl.DataFrame, numbers: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.int32]:
    found = np.full(shape, -1, dtype=np.int32)
    found.reshape(-1)[_keys(rows)] = numbers
    return found


def _without_demonstrations(rows: pl.DataFrame, shape: tuple[int, int, int]) -> pl.DataFrame:
    """Drop fictitious values of a cell and place that has any real one."""
    fictitious = pl.col("kind") == ObservationKind.DEMONSTRATION.value
    if not rows.select(fictitious.any()).item():
        return rows
    real = np.zeros(shape[:2], dtype=np.bool_)
    known = rows.filter(~fictitious)
    real.reshape(-1)[_keys(known) // shape[2]] = True
    has_real = pl.Series(real.reshape(-1)[_keys(rows) // shape[2]], dtype=pl.Boolean())
    return rows.filter(~fictitious | ~has_real)


def _first_of_each(
    rows: pl.DataFrame,
    catalog: Catalog,
    *,
    others: NDArray[np.int32] | None = None,
    low: NDArray[np.float64] | None = None,
    high: NDArray[np.float64] | None = None,
) -> pl.DataFrame:
    """Return one row of each cell, place and year, by precedence; only where several contend is anything sorted."""
    rows = rows.with_columns(_several=pl.col("key").is_duplicated())
    contended = rows.filter("_several")
    if contended.is_empty():
        return rows.drop("_several")
    ranked = _ranked(contended, catalog)
    if others is not None and low is not None and high is not None:
        spread = (
            ranked.group_by("key")
            .agg(count=pl.col("source").n_unique() - 1, low=pl.col("value").min(), high=pl.col("value").max())
            .filter(pl.col("count") > 0)
        )
        where = _keys(spread)
        others.reshape(-1)[where] = spread["count"].to_numpy()
        low.reshape(-1)[where], high.reshape(-1)[where] = spread["low"].to_numpy(), spread["high"].to_numpy()
    first = ranked.filter(pl.col("key") != pl.col("key").shift(1, fill_value=-1))["number"]
    return pl.concat([rows.filter(~pl.col("_several")), contended[first]]).drop("_several")


def _ranked(rows: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return numbers of rows by key, then by the precedence of `choose_series`; all of it numbers, for there may be millions.

    Ranked datasets first, then full counts of ledgers, then reported before computed before estimated, reviewed before not,
    the latest published, the latest recorded; then by name, so that the order of the rows never matters.
    """
    pairs = rows.select("indicator", "dataset").unique()
    names = sorted(pairs["dataset"].unique())
    ranks = []
    for name, dataset in pairs.iter_rows():
        known = list(catalog.indicators[name].precedence)
        counted = dataset in trusted_ledgers(catalog.indicators[name], catalog)
        rank = known.index(dataset) if dataset in known else len(known)
        ranks.append((name, dataset, names.index(dataset), rank, counted))
    table = pl.DataFrame(
        ranks, schema=["indicator", "dataset", "source", "rank", "counted"], orient="row"
    ).with_columns(pl.col("indicator", "dataset").cast(pl.String))
    full = pl.col("coverage").is_null() | (pl.col("coverage") >= LEDGER_COVERAGE)
    kind = pl.col("kind").replace_strict({kind: rank for rank, kind in enumerate(_KINDS)}, return_dtype=pl.Int64)
    extent = pl.col("extent").replace_strict(
        {one.value: rank for rank, one in enumerate(Extent)}, return_dtype=pl.Int64
    )
    return (
        rows.join(table, on=["indicator", "dataset"], how="left", maintain_order="left")
        .select(
            "key",
            "value",
            "source",
            first=((pl.col("rank") * 2 + ~(pl.col("counted") & full)) * 8 + kind) * 2
            + ~pl.col("review").is_in(_REVIEWED),
            published=-pl.col("published_on").to_physical().cast(pl.Int64).fill_null(_NEVER),
            recorded=-pl.col("recorded_at").to_physical(),
            last=pl.col("source") * len(Extent) + extent,
        )
        .with_row_index("number")
        .sort("key", "first", "published", "recorded", "last", "value")
    )
