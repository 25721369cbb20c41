"""The model against what others published: a back-cast out of sample, totals without fitting, coverage of intervals.

Publishers are never mixed: what is fitted on one publisher is compared with that publisher.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import NotEnoughDataError
from dafeng.base.quantity import conversion_factor
from dafeng.base.record import Record
from dafeng.catalog import Catalog
from dafeng.catalog.pathway_schemas import PublishedTotal
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.schemas import Grade
from dafeng.pathways.calibration import (
    MEMORY,
    FuelHistory,
    fuel_cells,
    fuel_factors,
    residual_scale,
    step_size,
    yearly_steps,
)
from dafeng.pathways.hindsight import DAMPING, Hindsight, as_known, hold_standards
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.sampling import quantiles, stream

__all__ = [
    "KNOWN_DRIVERS",
    "Backcast",
    "BackcastRow",
    "Coverage",
    "TotalRow",
    "backcast",
    "compare_totals",
    "rolling_origins",
    "scope_series",
]

Floats = NDArray[np.float64]

KNOWN_DRIVERS: Final = ("population", "urban_share", "floor_per_head", "generation_coal")
"""Quantities of which a back-cast with known drivers reads later values: people, floor area, and coal for a kWh."""
_STRAY: Final = {Grade.A: 0.02, Grade.B: 0.03, Grade.C: 0.05, Grade.D: 0.1}
_LEVEL_PRIOR: Final = 0.15
_SLOPE_PRIOR: Final = 0.02
_RURAL: Final = "rural_residential"
_ENERGY: Final = "operation_energy_commercial"
_RURAL_ENERGY: Final = "rural_residential_energy_commercial"


class BackcastRow(Record):
    """A published value beside the back-cast."""

    scope: str
    """What is counted."""
    year: int
    """Year."""
    grade: str
    """Grade of the published value."""
    fitted: bool
    """Whether the value was fitted; else it is out of sample."""
    observed: float
    """Published value, Mtce."""
    predicted: float
    """Back-cast, Mtce."""
    low: float
    """5th percentile."""
    high: float
    """95th percentile."""
    error: float
    """Back-cast less published, as a share."""
    inside: bool
    """Whether the published value lies in the 90 % band."""


@dataclass(frozen=True)
class Backcast:
    """A back-cast from the knowledge of a year.

    Parameters
    ----------
    cut : int
        Last year of values fitted and of parameters read.
    rows : tuple of BackcastRow
    levels : mapping from str to float
        Fitted factors: `urban` (dwellings and public buildings) and `rural` of demand, `growth` a year to the growth of demand.
    later : tuple of str
        Quantities of which later values are read as they stand.
    constants : tuple of str
        Parameters without a value by the year, which stand at their first later value.
    """

    cut: int
    rows: tuple[BackcastRow, ...]
    levels: Mapping[str, float]
    later: tuple[str, ...]
    constants: tuple[str, ...]


def _totals(catalog: Catalog, publisher: str, place: str, scope: str) -> list[PublishedTotal]:
    found = [
        one
        for one in catalog.published_totals.values()
        if (one.publisher, one.place, one.scope) == (publisher, place, scope)
    ]
    return sorted(found, key=lambda one: one.year)


def _growth_years(years: NDArray[np.int64], cut: int, damping: float) -> Floats:
    """Return for how many years of growth a slope has acted: negative before the cut, damped after it."""
    ahead = np.cumsum(damping ** np.arange(1, int(years[-1]) - cut + 1))
    return np.concatenate([np.asarray(years[years <= cut] - cut, dtype=np.float64), ahead])


@dataclass(frozen=True)
class _Fit:
    """Levels of urban and rural demand and a correction of growth that meet three published values, by draw."""

    theta: Floats

    def series(self, urban: Floats, rural: Floats, growth: Floats) -> tuple[Floats, Floats]:
        grown = self.theta[2] * growth[:, None]
        return urban * np.exp(self.theta[0] + grown), rural * np.exp(self.theta[1] + grown)


def _fit(
    urban: Floats,
    rural: Floats,
    growth: Floats,
    wanted: Sequence[tuple[int, bool, float, float]],
    noise: Floats,
    prior: Floats,
) -> _Fit:
    """Gauss-Newton over all draws at once.

    `wanted`: row, whether rural alone, logarithm of the value, stray. `noise` (value, draw) and `prior` (3, draw) perturb what is
    fitted and what is assumed, so that draws are draws of the posterior; zero for the most likely.
    """
    draws = urban.shape[1]
    spread = np.array([_LEVEL_PRIOR, _LEVEL_PRIOR, _SLOPE_PRIOR])[:, None]
    centre = prior * spread
    theta = centre.copy()
    for _ in range(8):
        jacobian = np.zeros((len(wanted) + 3, 3, draws))
        left = np.zeros((len(wanted) + 3, draws))
        now_urban, now_rural = _Fit(theta).series(urban, rural, growth)
        for at, (row, only_rural, value, stray) in enumerate(wanted):
            total = now_rural[row] if only_rural else now_urban[row] + now_rural[row]
            left[at] = (value + stray * noise[at] - np.log(total)) / stray
            share = np.ones(draws) if only_rural else now_rural[row] / total
            jacobian[at] = np.stack([1 - share, share, np.full(draws, growth[row])]) / stray
        left[len(wanted) :] = (centre - theta) / spread
        for at in range(3):
            jacobian[len(wanted) + at, at] = 1.0 / spread[at, 0]
        j = np.moveaxis(jacobian, 2, 0)
        normal = np.swapaxes(j, 1, 2) @ j
        theta = theta + np.linalg.solve(normal, np.swapaxes(j, 1, 2) @ left.T[:, :, None])[:, :, 0].T
    return _Fit(theta)


def backcast(
    catalog: Catalog,
    *,
    place: str = "cn",
    publisher: str = "BERC",
    cut: int = 2014,
    last: int = 2021,
    later: Collection[str] = KNOWN_DRIVERS,
    damping: float = DAMPING,
    draws: int = 512,
    seed: int = 2014,
    hindsight: bool = True,
) -> Backcast:
    """Fit operation energy on values up to a year, and say how well the later ones are met.

    Parameters of the place are read as they could have been known (`as_known`), the quantities of `later` excepted. Fitted are one
    factor of demand each for urban and rural buildings and one correction of the growth of demand, each held by a prior (±15 %,
    ±15 %, ±2 % a year, one standard deviation); a published value strays by its grade (A 2 %, B 3 %, C 5 %). The band is of draws:
    parameters at a quantile, what is fitted at a draw of its posterior, the published value straying.

    Parameters
    ----------
    catalog : Catalog
    place, publisher : str
    cut, last : int
        Last year fitted; last year compared.
    later : collection of str
        Quantities of which later values are read; empty for activity projected too.
    damping : float
        See `dafeng.pathways.hindsight`.
    draws, seed : int
    hindsight : bool
        False reads the parameters as they are shipped, written with later statistics: then no year is out of sample.

    Raises
    ------
    NotEnoughDataError
        The publisher has no two totals by the year.
    """
    values = [one for scope in (_ENERGY, _RURAL_ENERGY) for one in _totals(catalog, publisher, place, scope)]
    fitted = [one for one in values if one.year <= cut]
    if len([one for one in fitted if one.scope == _ENERGY]) < 2:
        raise NotEnoughDataError(
            f"{publisher} has fewer than two values of {_ENERGY} up to {cut}",
            doing="back-cast operation energy",
            expected="two published totals by the last year fitted",
            next_step="add published_totals, or move the year",
        )
    plain = read_inputs(catalog, place)
    known = (
        as_known(plain.parameters, cut, catalog.path_quantities, keep=later, damping=damping)
        if hindsight
        else Hindsight(cut, (), (), ())
    )
    book = read_inputs(catalog, place, parameters=known.parameters) if hindsight else plain
    years, urban, rural = _energies(book, None, cut if hindsight else None)
    growth = _growth_years(years, cut, damping)
    wanted = [
        (
            year_row(years, one.year),
            one.scope == _RURAL_ENERGY,
            float(np.log(one.value)),
            _STRAY[one.grade],
        )
        for one in fitted
    ]
    centre = _fit(urban, rural, growth, wanted, np.zeros((len(wanted), 1)), np.zeros((3, 1)))
    best = _by_scope(*centre.series(urban, rural, growth))
    columns = quantiles(book.groups, draws, seed=seed, design="sobol")
    _, urban_drawn, rural_drawn = _energies(book, columns, cut if hindsight else None)
    rng = stream(seed, "backcast")
    noise, prior = rng.standard_normal((len(wanted), draws)), rng.standard_normal((3, draws))
    cloud = _by_scope(
        *_fit(urban_drawn, rural_drawn, growth, wanted, noise, prior).series(urban_drawn, rural_drawn, growth)
    )
    rows = []
    for one in values:
        if one.year > last:
            continue
        at = year_row(years, one.year)
        published = np.exp(_STRAY[one.grade] * rng.standard_normal(draws))
        low, high = np.quantile(cloud[one.scope][at] * published, [0.05, 0.95])
        predicted = float(best[one.scope][at, 0])
        rows.append(
            BackcastRow(
                scope=one.scope, year=one.year, grade=str(one.grade), fitted=one.year <= cut, observed=one.value,
                predicted=round(predicted, 1), low=round(float(low), 1), high=round(float(high), 1),
                error=float(f"{predicted / one.value - 1:.4f}"), inside=bool(low <= one.value <= high),
            )
        )  # fmt: skip
    theta = centre.theta[:, 0]
    return Backcast(
        cut=cut,
        rows=tuple(rows),
        levels={"urban": float(np.exp(theta[0])), "rural": float(np.exp(theta[1])), "growth": float(theta[2])},
        later=known.kept,
        constants=known.constants,
    )


def _energies(
    book: InputBook, columns: Mapping[str, Floats] | None, hold: int | None
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return years, and commercial energy of urban and rural buildings in Mtce, `(year, draw)`."""
    inputs = book.arrays(columns)
    outcome = run(inputs if hold is None else hold_standards(inputs, hold))
    energy = outcome.energy_by_class() / 1e6
    row = outcome.axes.index("building_class", _RURAL)
    rural = energy[row]
    return outcome.years, np.asarray(energy.sum(axis=0) - rural), rural


def _by_scope(urban: Floats, rural: Floats) -> dict[str, Floats]:
    return {_ENERGY: urban + rural, _RURAL_ENERGY: rural}


def scope_series(outcome: Outcome, scope: str) -> Floats | None:
    """Return a result by the code of what published figures count, `(year, draw)`; None where the model has it not.

    Energy in tce by the generation basis, emissions in tCO2, areas in m2, electricity in kWh.
    """
    axes = outcome.axes
    classes = axes.members("building_class")
    rows = {code: [at for at, one in enumerate(classes) if code in axes.wider("building_class", one)] for code in ("urban_residential", "rural_residential", "residential", "public")}  # fmt: skip
    if scope in (_ENERGY, "operation_energy"):
        return outcome.energy()
    if scope == _RURAL_ENERGY:
        return outcome.energy(classes=[_RURAL])
    if scope == "operation_co2":
        return outcome.view("building_operation")
    parts = {"direct": "direct_building", "electricity": "purchased_electricity", "heat": "purchased_heat"}
    tail = scope.removeprefix("operation_co2_")
    if tail in parts:
        return outcome.view(parts[tail])
    if tail != scope and tail in rows:
        return np.asarray(outcome.operation_by_class()[rows[tail]].sum(axis=0))
    if scope in ("whole_process_co2", "whole_process_co2_buildings"):
        return np.asarray(outcome.view("building_operation") + outcome.view("embodied"))
    if scope == "final_energy":
        return outcome.energy("calorific", commercial=False)
    if scope == "electricity_residential":
        return np.asarray(outcome.purchased[rows["residential"]].sum(axis=0))
    tail = scope.removeprefix("floor_area_")
    if tail != scope and tail in rows:
        return np.asarray(outcome.area[rows[tail]].sum(axis=0))
    return None


class TotalRow(Record):
    """A published total beside the model, without fitting."""

    publisher: str
    """Publisher."""
    scope: str
    """What is counted."""
    year: int
    """Year."""
    unit: str
    """Unit of both."""
    observed: float
    """Published value."""
    modelled: float
    """Value of the model."""
    error: float
    """Model less published, as a share."""
    grade: str
    """Grade of the published value."""
    note: str
    """Remark on the published value."""


_UNLIKE: Final = ("whole_process_co2",)
"""Scopes that are published with infrastructure, which the model has not: not compared in level."""
_CANONICAL: Final = {"energy": "tce", "co2": "tCO2", "floor": "m**2", "electricity": "kWh"}


def compare_totals(
    catalog: Catalog, outcome: Outcome, publisher: str, scopes: Collection[str] | None = None
) -> tuple[TotalRow, ...]:
    """Set the totals of one publisher beside a run of the model, as it stands.

    Parameters
    ----------
    catalog : Catalog
    outcome : Outcome
    publisher : str
    scopes : collection of str, optional
        All that the model has where None.
    """
    rows = []
    for one in catalog.published_totals.values():
        if (one.publisher, one.place) != (publisher, outcome.place) or (scopes is not None and one.scope not in scopes):
            continue
        series = None if one.scope in _UNLIKE else scope_series(outcome, one.scope)
        at = np.flatnonzero(outcome.years == one.year)
        if series is None or not len(at):
            continue
        canonical = next(unit for word, unit in _CANONICAL.items() if word in one.scope)
        modelled = float(series[at[0], 0]) * conversion_factor(canonical, one.unit)
        rows.append(
            TotalRow(
                publisher=publisher, scope=one.scope, year=one.year, unit=one.unit, observed=one.value,
                modelled=float(f"{modelled:.5g}"), error=float(f"{modelled / one.value - 1:.4f}"),
                grade=str(one.grade), note=one.note or "",
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (row.scope, row.year)))


class Coverage(Record):
    """How often intervals from earlier years held the later values."""

    origin: int
    """Last year known; 0 for all together."""
    ahead: int
    """Years ahead; 0 for all together."""
    cases: int
    """Places and years compared."""
    covered: float
    """Share inside the 90 % interval."""
    half_width: float
    """Median upper end over the centre."""
    bias: float
    """Mean logarithm of observed over forecast."""
    rmse: float
    """Root mean square of it."""
    score: float
    """Mean interval score on the log scale (Gneiting and Raftery 2007); less is better."""


def rolling_origins(
    books: Mapping[str, InputBook],
    histories: Mapping[str, FuelHistory],
    *,
    quantities: Catalog,
    origins: Sequence[int] = (2010, 2013, 2016),
    ahead: int = 6,
    memory: float = MEMORY,
    step: float | None = None,
    persistence: bool = False,
) -> tuple[Coverage, ...]:
    """Calibrate on the years up to each origin, forecast what follows, and count what the intervals hold.

    Parameters read are those known by the origin (`as_known`), with nothing kept; the step is that of all places up to the origin.

    Parameters
    ----------
    books : mapping from place to InputBook
        Uncalibrated inputs.
    histories : mapping from place to FuelHistory
    quantities : Catalog
    origins : sequence of int
    ahead : int
        Most years ahead.
    memory : float
        1 for a random walk.
    step : float, optional
        Yearly step in place of the estimate.
    persistence : bool
        Whether the forecast is the last value, without the model.
    """
    cases: list[tuple[int, int, float, float]] = []
    for origin in origins:
        forecasts, steps = {}, []
        for place, whole in histories.items():
            history = whole.until(origin)
            known = as_known(books[place].parameters, origin, quantities.path_quantities)
            inputs = hold_standards(read_inputs(quantities, place, parameters=known.parameters).arrays(), origin)
            outcome = run(inputs)
            first = int(outcome.years[0])
            cells = fuel_cells(inputs, outcome)
            modelled = sum(cells.values(), start=np.zeros(len(outcome.years)))
            steps.append(yearly_steps(history, modelled, first))
            if int(history.years[-1]) != origin or not np.isfinite(history.total[-1]):
                continue
            factors = fuel_factors(history, cells, first)
            central = sum(
                (factor * cells[cell] for cell, factor in factors.items()), start=np.zeros(len(outcome.years))
            )
            forecasts[place] = np.full(len(outcome.years), history.total[-1]) if persistence else central
        size = step_size(np.concatenate(steps)) if step is None else step
        for place, central in forecasts.items():
            whole = histories[place]
            for later in range(1, ahead + 1):
                found = np.flatnonzero(whole.years == origin + later)
                if len(found) and np.isfinite(whole.total[found[0]]):
                    error = float(np.log(whole.total[found[0]] / central[origin + later - first]))
                    grown = (
                        later**0.5
                        if memory >= 1
                        else residual_scale(size, memory) / size * (1 - memory ** (2 * later)) ** 0.5
                    )
                    cases.append((origin, later, error, 1.6448536 * size * grown))
    table = np.array(cases)
    groups = [(0, 0), *((origin, 0) for origin in origins), *((0, later) for later in range(1, ahead + 1))]
    return tuple(
        _coverage(
            origin, later, table[((table[:, 0] == origin) | (origin == 0)) & ((table[:, 1] == later) | (later == 0))]
        )
        for origin, later in groups
    )


def _coverage(origin: int, later: int, cases: Floats) -> Coverage:
    error, half = cases[:, 2], cases[:, 3]
    numbers = {
        "covered": np.mean(np.abs(error) <= half),
        "half_width": np.exp(np.median(half)) - 1,
        "bias": error.mean(),
        "rmse": np.sqrt(np.mean(error**2)),
        "score": np.mean(2 * half + 20 * np.maximum(np.abs(error) - half, 0)),
    }
    return Coverage(
        origin=origin, ahead=later, cases=len(cases), **{name: float(f"{value:.4g}") for name, value in numbers.items()}
    )
