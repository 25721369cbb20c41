"""What moves the peak of a pathway: sensitivity indices of its peak year and of its levels, by spread group or by factors of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.ensemble import CHUNK, Ensemble, draw_groups, drawn_inputs, run_draws
from dafeng.pathways.peaks import NEAR, peak_years
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario
from dafeng.pathways.sensitivity import Sensitivity, sobol_indices, strongest_factors

__all__ = ["PEAK_YEAR", "pathway_sensitivity", "results_of", "spread_factors"]

Array = NDArray[np.float64]

PEAK_YEAR: Final = "peak_year"
"""Name of the result that is the peak year."""


def results_of(values: Array, years: NDArray[np.int64], at: Sequence[int], *, near: float = NEAR) -> dict[str, Array]:
    """Return the results whose sensitivity is asked: peak year and levels, each of shape (draw,).

    Examples
    --------
    >>> found = results_of(np.array([[1.0], [3.0], [2.0]]), np.array([2029, 2030, 2031]), [2031])
    >>> {name: column.tolist() for name, column in found.items()}
    {'peak_year': [2030.0], 'level_2031': [2.0]}
    """
    levels = {f"level_{year}": values[year_row(years, year)] for year in at}
    return {PEAK_YEAR: peak_years(values, years, near=near).year.astype(np.float64)} | levels


def spread_factors(
    found: Ensemble, view: str, *, levels: Sequence[int] = (2030, 2060), most: int = 12
) -> dict[str, tuple[str, ...]]:
    """Choose the factors of a sensitivity from an ensemble: the groups that move the results most, all others as `rest`.

    Parameters
    ----------
    found : Ensemble
    view : str
        View or component.
    levels : sequence of int
        Years whose level counts beside the peak year.
    most : int
        Factors in all.
    """
    results = results_of(found.series[view], found.years, levels)
    return strongest_factors(found.drawn, np.stack(list(results.values())), most=most)


def pathway_sensitivity(
    book: InputBook,
    resolved: ResolvedScenario | None,
    view: str,
    *,
    factors: Mapping[str, Sequence[str]] | None = None,
    levels: Sequence[int] = (2030, 2060),
    base: int = 512,
    seed: int = 0,
    chunk: int = CHUNK,
    threads: int = 2,
    resamples: int = 200,
) -> Sensitivity:
    """Work out first-order and total indices of peak year and levels.

    Parameters
    ----------
    book : InputBook
    resolved : ResolvedScenario or None
        The trend of the parameters where None.
    view : str
        View or component.
    factors : mapping from factor to groups, optional
        Each group by itself where None; `spread_factors` makes few of many.
    levels : sequence of int
        Years whose level is a result.
    base : int
        Rows of each table: it takes base · (factors + 2) draws.
    seed : int
    chunk, threads, resamples : int

    Returns
    -------
    Sensitivity
        Results `peak_year` and `level_<year>`. Without the residual, which is no input: what it adds to the spread is the
        difference between ensembles with it and without it. A draw that has not peaked by the horizon counts with its last year.

    Raises
    ------
    InputError
        Nothing is uncertain, or a factor names a group that is not drawn.
    """
    groups = draw_groups(book, () if resolved is None else resolved.parameters)
    chosen = {name: (name,) for name in groups} if factors is None else dict(factors)
    unknown = sorted({group for members in chosen.values() for group in members} - set(groups))
    if unknown or not groups:
        raise InputError(
            f"{len(groups)} groups are drawn; {', '.join(unknown[:3]) or 'none'} unknown",
            doing="work out the sensitivity of a pathway",
            expected="factors of spread groups of the place",
            next_step="leave the factors out, or name groups of `InputBook.groups`",
        )

    def evaluate(columns: dict[str, Array]) -> Array:
        draws = len(next(iter(columns.values())))
        years, series = run_draws(
            drawn_inputs(book, resolved),
            columns,
            draws,
            {view: lambda outcome: outcome.view(view)},
            chunk=chunk,
            threads=threads,
        )
        return np.stack(list(results_of(series[view], years, levels).values()))

    names = [PEAK_YEAR, *(f"level_{year}" for year in levels)]
    return sobol_indices(evaluate, chosen, names, base=base, seed=seed, resamples=resamples)
