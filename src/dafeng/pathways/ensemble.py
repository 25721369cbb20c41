"""Many draws of one scenario: the model over chunks of draws, in threads, with the residual of equation (12).

Quantiles and residuals of all draws are made first, each a pure function of seed and names; a chunk only looks at its own columns,
and the model works draw by draw. So neither chunks nor threads nor the draws that follow change a bit of the result (with a Latin
hypercube the number of draws does). What is kept is one number a year, series and draw: 5 MB a series for 10,000 draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import UsageError
from dafeng.catalog.pathway_schemas import PathwayParameter
from dafeng.catalog.pathway_tables import FIRST_YEAR, YEARS, year_row
from dafeng.pathways.inputs import FIRST_RESULT, Buffers, Inputs
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.outcome import VIEWS as _SUMS
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.residuals import last_observed, residual_normals, residuals
from dafeng.pathways.sampling import Design, quantiles
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs

__all__ = [
    "CHUNK",
    "COMPONENTS",
    "VIEWS",
    "Ensemble",
    "InputsOf",
    "Total",
    "carrier_totals",
    "class_totals",
    "draw_groups",
    "drawn_inputs",
    "ensemble",
    "run_draws",
]

Array = NDArray[np.float64]
Total = Callable[[Outcome], Array]
"""A series that is kept of an outcome, shape (year, draw or 1)."""
InputsOf = Callable[[Mapping[str, NDArray[Any]], Buffers], Inputs]
"""From the columns of a chunk to inputs, in the arrays of the buffers."""

CHUNK: Final = 640
"""Draws that run at once at most: half a gigabyte a thread. Fewer, and threads wait for each other between the steps."""
_FEWEST: Final = 256
VIEWS: Final = tuple(_SUMS)
"""Views of the boundary table that are kept."""
COMPONENTS: Final = _SUMS["whole_field"]
"""Components of the boundary table that are kept."""
_MOST_THREADS: Final = 64


@dataclass(frozen=True)
class Ensemble:
    """Draws of one scenario at one place."""

    place: str
    """Place id."""
    scenario: str
    """Scenario id; `trend` for the parameters alone."""
    seed: int
    """Seed of the quantiles and residuals."""
    design: Design
    """Design of the quantiles."""
    base_year: int
    """Last year of history."""
    years: NDArray[np.int64]
    """Years kept, shape (year,)."""
    series: Mapping[str, Array]
    """By view, component and further total: shape (year, draw); emissions in tCO2."""
    drawn: Mapping[str, Array] = field(repr=False)
    """Quantiles by spread group, shape (draw,)."""
    residual: bool = True
    """Whether the residual was added."""

    @property
    def draws(self) -> int:
        """Number of draws."""
        return int(next(iter(self.series.values())).shape[1])

    def at(self, name: str, year: int) -> Array:
        """Return the values of a series in a year, shape (draw,)."""
        return np.asarray(self.series[name][year_row(self.years, year)])


def draw_groups(book: InputBook, parameters: Sequence[PathwayParameter] = ()) -> tuple[str, ...]:
    """Return the spread groups that are drawn: those of the place in order, then those that a scenario adds.

    Appended, so that two scenarios of a place share their draws.
    """
    added = {
        one.group or one.id
        for one in parameters
        if any(point.low is not None for point in one.points)
        or (one.curve is not None and one.curve.ceiling_low is not None)
    }
    return (*book.groups, *sorted(added - set(book.groups)))


def ensemble(
    book: InputBook,
    resolved: ResolvedScenario | None,
    *,
    draws: int,
    seed: int,
    design: Design = "sobol",
    chunk: int = CHUNK,
    threads: int = 2,
    residual: bool = True,
    keep: Sequence[str] = (*VIEWS, *COMPONENTS),
    totals: Mapping[str, Total] | None = None,
) -> Ensemble:
    """Run the draws of a scenario.

    Parameters
    ----------
    book : InputBook
    resolved : ResolvedScenario or None
        The trend of the parameters where None.
    draws : int
    seed : int
    design : {"sobol", "latin", "random"}
    chunk : int
        Draws that run at once at most; memory goes with `chunk` times `threads`.
    threads : int
    residual : bool
        Whether to add the model's own error after the base year.
    keep : sequence of str
        Views and components.
    totals : mapping from name to callable, optional
        Further series by name: from an outcome, shape (year, draw or 1). The residual is in its emissions and views, not in its
        energy.

    Raises
    ------
    InputError
        No draw, a negative seed, or an unknown design.
    UsageError
        A chunk below one draw, or threads outside 1 to 64.
    NotEnoughDataError
        The place lacks inputs.
    """
    drawn = quantiles(
        draw_groups(book, () if resolved is None else resolved.parameters), draws, seed=seed, design=design
    )

    wanted: dict[str, Total] = {name: _series_of(name) for name in keep} | dict(totals or {})
    base_year = book.settings.base_year if resolved is None else resolved.base_year
    shocks = None
    if residual:
        names = [f"{book.place}/{name}" for name in COMPONENTS]
        first = int(_observed_until(book.arrays(), base_year).min())
        shocks = residual_normals(names, int(YEARS[-1]) - first, draws, seed=seed)
    years, series = run_draws(
        drawn_inputs(book, resolved),
        drawn,
        draws,
        wanted,
        chunk=chunk,
        threads=threads,
        base_year=base_year,
        shocks=shocks,
    )
    return Ensemble(
        place=book.place,
        scenario="trend" if resolved is None else resolved.id,
        seed=seed,
        design=design,
        base_year=base_year,
        years=years,
        series=series,
        drawn=drawn,
        residual=residual,
    )


def class_totals(book: InputBook) -> dict[str, Total]:
    """Return operation emissions of each building class as totals to keep, by `operation/<class>`, tCO2."""

    def total(row: int) -> Total:
        return lambda outcome: np.asarray(outcome.operation_by_class()[row])

    return {f"operation/{code}": total(row) for row, code in enumerate(book.axes.members("building_class"))}


def carrier_totals(book: InputBook) -> dict[str, Total]:
    """Return final energy of each carrier over all classes as totals to keep, by `final/<carrier>`, kWh."""

    def total(row: int) -> Total:
        return lambda outcome: np.asarray(outcome.final[:, row].sum(axis=0))

    return {f"final/{code}": total(row) for row, code in enumerate(book.axes.members("carrier"))}


def drawn_inputs(book: InputBook, resolved: ResolvedScenario | None) -> InputsOf:
    """Return what makes the inputs of quantiles by spread group: of a scenario, or of the parameters alone."""

    def inputs_of(columns: Mapping[str, Array], buffers: Buffers) -> Inputs:
        if resolved is None:
            return book.arrays(columns, buffers=buffers)
        return scenario_inputs(book, resolved, columns, buffers=buffers)

    return inputs_of


def run_draws(
    inputs_of: InputsOf,
    columns: Mapping[str, NDArray[Any]],
    draws: int,
    totals: Mapping[str, Total],
    *,
    chunk: int = CHUNK,
    threads: int = 2,
    base_year: int = 0,
    shocks: Array | None = None,
    detail: bool = False,
) -> tuple[NDArray[np.int64], dict[str, Array]]:
    """Run the model over chunks of draws and keep some series of each.

    Parameters
    ----------
    inputs_of : callable
        From the columns of a chunk, each of shape (..., draw), and buffers to inputs; the same function for every chunk.
    columns : mapping from name to array, shape (..., draw)
        What tells one draw from another.
    draws : int
    totals : mapping from name to callable
        Series that are kept.
    chunk, threads : int
    base_year : int
        Year before the first with a residual.
    shocks : array, shape (component, year, draw), optional
        Standard normal numbers of the residual for the last years, those after the history of any component at least.
    detail : bool
        Whether the model gives its detail.

    Returns
    -------
    years : array, shape (year,)
    series : dict from name to array, shape (year, draw)

    Raises
    ------
    UsageError
        A chunk below one draw, or threads outside 1 to 64.
    """
    if chunk < 1 or not 1 <= threads <= _MOST_THREADS:
        raise UsageError(
            f"chunk {chunk!r}, threads {threads!r}",
            doing="run draws",
            expected=f"at least one draw at once, and from 1 to {_MOST_THREADS} threads",
            next_step="leave both at their defaults",
        )
    size = min(chunk, max(-(-draws // threads), _FEWEST))
    parts = [slice(begin, min(begin + size, draws)) for begin in range(0, draws, size)]

    years = YEARS[YEARS >= FIRST_RESULT]
    series = {name: np.empty((len(years), draws)) for name in totals}

    queue = iter(parts)

    def work() -> None:
        buffers = Buffers()
        for part in queue:
            inputs = inputs_of({name: column[..., part] for name, column in columns.items()}, buffers)
            outcome = run(inputs, detail=detail)
            if shocks is not None:
                outcome = _with_residual(outcome, inputs, shocks[..., part], base_year)
            for name, total in totals.items():
                series[name][:, part] = total(outcome)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        others = [pool.submit(work) for _ in parts[1:threads]]
        work()
        for one in others:
            one.result()
    return years, series


def _series_of(name: str) -> Total:
    return lambda outcome: outcome.view(name)


def _observed_until(inputs: Inputs, base_year: int) -> NDArray[np.int64]:
    """Return the last year of history of each component."""
    rows = [inputs.axes.index("component", name) for name in COMPONENTS]
    return last_observed(inputs.late("residual_scatter")[rows], inputs.years[FIRST_RESULT - FIRST_YEAR :], base_year)


def _with_residual(outcome: Outcome, inputs: Inputs, shocks: Array, base_year: int) -> Outcome:
    """Return the outcome with the emissions of each component times exp(r) after its history."""
    rows = [outcome.axes.index("component", name) for name in COMPONENTS]
    late = slice(len(inputs.years) - shocks.shape[1], None)
    known = inputs.years[late] <= _observed_until(inputs, base_year)[:, None]
    scatter = np.where(known[:, :, None], 0.0, inputs.arrays["residual_scatter"][rows][:, late])
    memory = inputs.arrays["residual_memory"][rows][:, late]
    count = min(shocks.shape[1], len(outcome.years))
    factors = np.ones((len(COMPONENTS), len(outcome.years), shocks.shape[2]))
    factors[:, len(outcome.years) - count :] = np.exp(residuals(shocks, scatter, memory)[:, shocks.shape[1] - count :])
    return outcome.scaled(dict(zip(COMPONENTS, factors, strict=True)))
