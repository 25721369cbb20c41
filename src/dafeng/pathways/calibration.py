"""Calibration to history: activity and factor apart, gaps before and after, and how far history strays from the model.

Fuels burnt in buildings: the observed emissions of a segment and fuel over the model's, on the mean of the last years, are the
factor of that cell; all cells then share one path in time, straight lines between a few years, that ends exactly at the last observed
total. After it the factor holds, so that the projection starts where history ends. What the path leaves is the residual of history.
The scatter of the future comes from the yearly changes of observed over modelled, of all places with data together: a place's own
short series does not foretell its later scatter (docs/explanation/pathway-validation.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import NotEnoughDataError
from dafeng.base.finding import Finding, Severity
from dafeng.base.record import Record
from dafeng.catalog.pathway_schemas import ParameterPoint, PathwayParameter
from dafeng.catalog.pathway_tables import year_row
from dafeng.catalog.schemas import Grade
from dafeng.pathways.emissions import GJ_PER_KWH
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.quantities import InputBook

__all__ = [
    "CELL_CARRIERS",
    "MEMORY",
    "PANEL_STEP",
    "Calibration",
    "FuelHistory",
    "SeriesGap",
    "calibrate_area",
    "calibrate_fuels",
    "fuel_cells",
    "fuel_factors",
    "residual_scale",
    "step_size",
    "yearly_steps",
]

Floats = NDArray[np.float64]
Cell = tuple[str, str]

CELL_CARRIERS: Final = ("coal", "natural_gas", "lpg", "oil")
"""Fuels of which the calibration has a factor in each segment."""
MEMORY: Final = 0.97
"""Memory of the residual of a calibrated component: chosen by the rolling origins of docs/explanation/pathway-validation.md."""
PANEL_STEP: Final = 0.129
"""Yearly step of observed over modelled in 23 provinces, 2000 to 2019, on the log scale; taken where fewer than `_PANEL` are given."""
_PANEL: Final = 5
_WINDOW: Final = 3
_SMALL: Final = 0.02
_FEWEST: Final = 5
_EVERY: Final = 5
_SPACE: Final = 2


class SeriesGap(Record):
    """How far the model is from an observed series over its years, as a share of the observed sum."""

    series: str
    """Component, segment or fuel."""
    first_year: int
    """First year compared."""
    last_year: int
    """Last year compared."""
    net_before: float
    """Sum of model less observed, before."""
    absolute_before: float
    """Sum of the absolute differences, before."""
    net_level: float
    """Net, with one factor for all years."""
    absolute_level: float
    """Absolute, with one factor for all years."""
    net_after: float
    """Net, with the path."""
    absolute_after: float
    """Absolute, with the path."""


@dataclass(frozen=True)
class FuelHistory:
    """Observed emissions of fuels burnt in the buildings of a place.

    Parameters
    ----------
    place : str
        Place id.
    years : array of int, shape (year,)
        Without gaps between; ascending.
    emissions : mapping from (segment, carrier) to array, shape (year,)
        tCO2; zero where a fuel is not used, nan in years without data.
    source : str
        Source id.
    """

    place: str
    years: NDArray[np.int64]
    emissions: Mapping[Cell, Floats]
    source: str

    @property
    def total(self) -> Floats:
        """Sum over cells, shape (year,)."""
        return np.asarray(np.sum(list(self.emissions.values()), axis=0))

    def until(self, year: int) -> FuelHistory:
        """Return the history up to a year."""
        keep = self.years <= year
        return FuelHistory(
            self.place, self.years[keep], {cell: one[keep] for cell, one in self.emissions.items()}, self.source
        )


@dataclass(frozen=True)
class Calibration:
    """What calibration gives.

    Parameters
    ----------
    place : str
    last_year : int
        Last observed year.
    parameters : tuple of PathwayParameter
        To be given to `read_inputs`, or written into a catalog.
    gaps : tuple of SeriesGap
    residuals : mapping from year to float
        Logarithm of observed over calibrated model.
    scatter, memory : float
        Of the residual of equation (12) after the last observed year.
    own_step : float
        The place's own yearly step, for comparison; nan with fewer than five changes.
    borrowed : tuple of str
        What is taken from elsewhere, in words.
    findings : tuple of Finding
    """

    place: str
    last_year: int
    parameters: tuple[PathwayParameter, ...]
    gaps: tuple[SeriesGap, ...]
    residuals: Mapping[int, float]
    scatter: float
    memory: float
    own_step: float
    borrowed: tuple[str, ...]
    findings: tuple[Finding, ...]


def fuel_cells(inputs: Inputs, outcome: Outcome) -> dict[Cell, Floats]:
    """Return the modelled direct emissions of each segment and fuel, shape (year,) in tCO2, first draw.

    They add up to the component `direct_building`.
    """
    axes, factors = inputs.axes, inputs.late("fuel_factor")
    segments = [axes.segment(code) for code in axes.members("building_class")]
    cells: dict[Cell, Floats] = {}
    for carrier in CELL_CARRIERS:
        at = axes.index("carrier", carrier)
        burnt = outcome.final[:, at] * (factors[at] * (GJ_PER_KWH / 1e3))
        for segment in axes.members("segment"):
            rows = [row for row, name in enumerate(segments) if name == segment]
            cells[segment, carrier] = np.asarray(burnt[rows, :, 0].sum(axis=0))
    return cells


def step_size(steps: Sequence[float] | Floats) -> float:
    """Return the typical yearly step of a series on the log scale: the fourth fifth of the absolute changes, over its normal value.

    A census revision of the source moves it little; the standard deviation would be half as large again.

    Examples
    --------
    >>> round(step_size([0.1, -0.1, 0.1, -0.1, 3.0]), 3)
    0.078
    """
    known = np.abs(np.asarray(steps, dtype=np.float64))
    known = known[np.isfinite(known)]
    if len(known) < _FEWEST:
        return float("nan")
    return float(np.quantile(known, 0.8, method="lower") / 1.2815515594)


def residual_scale(step: float, memory: float = MEMORY) -> float:
    """Return the long-run scatter of equation (12) whose first year has the given step.

    Examples
    --------
    >>> round(residual_scale(0.129, 0.97), 4)
    0.5306
    """
    return float(step / np.sqrt(1.0 - memory**2))


def yearly_steps(history: FuelHistory, modelled: Floats, first_year: int) -> Floats:
    """Return the yearly changes of log(observed / modelled).

    Parameters
    ----------
    history : FuelHistory
    modelled : array, shape (year,)
        Direct emissions of the model from `first_year` on, tCO2.
    first_year : int
    """
    since = history.years >= first_year
    observed = history.total[since]
    rows = history.years[since] - first_year
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.diff(np.log(observed / modelled[rows])))


def fuel_factors(history: FuelHistory, cells: Mapping[Cell, Floats], first_year: int) -> dict[Cell, float]:
    """Return observed over modelled of each cell on the mean of the last three years, scaled to the last observed total.

    Small cells lean towards the factor of the total: what the model has not at all cannot be reached by a factor.
    """
    last = int(history.years[-1])
    window = (history.years > last - _WINDOW) & (history.years >= first_year)
    seen = {cell: float(np.nanmean(one[window])) for cell, one in history.emissions.items()}
    rows = history.years[window] - first_year
    have = {cell: float(one[rows].mean()) for cell, one in cells.items()}
    total = sum(seen.values()) / sum(have.values())
    lean = _SMALL * sum(have.values())
    raw = {cell: (seen.get(cell, 0.0) + lean * total) / (have[cell] + lean) for cell in cells}
    now = sum(raw[cell] * cells[cell][last - first_year] for cell in cells)
    return {cell: factor * float(history.total[-1]) / now for cell, factor in raw.items()}


def _knots(first: int, last: int) -> list[int]:
    """Return the years between which the shared path runs straight: every five years, and the last."""
    inner = [year for year in range(first - first % -_EVERY, last, _EVERY) if year <= last - _SPACE]
    return sorted({*inner, last})


def _path(years: NDArray[np.int64], ratio: Floats, knots: Sequence[int]) -> Floats:
    """Return the logarithm of the shared path at its knots, zero at the last: least squares."""
    basis = np.stack([np.interp(years, knots, np.eye(len(knots))[at]) for at in range(len(knots) - 1)], axis=1)
    good = np.isfinite(ratio)
    found, *_ = np.linalg.lstsq(basis[good], ratio[good], rcond=None)
    return np.append(found, 0.0)


def calibrate_fuels(
    book: InputBook,
    history: FuelHistory,
    *,
    checked_on: date,
    panel: Sequence[Floats] = (),
    memory: float = MEMORY,
) -> Calibration:
    """Calibrate the direct emissions of a place to its history.

    Parameters
    ----------
    book : InputBook
        Inputs of the place; factors that they have already are multiplied.
    history : FuelHistory
        Observed by segment and fuel; the last year must have a value.
    checked_on : date
        Day of the calibration.
    panel : sequence of array
        Yearly steps of several places, `yearly_steps`; of five and more the step is taken, else that of 23 provinces.
    memory : float

    Raises
    ------
    NotEnoughDataError
        Fewer than five years with data since 2000, or none in the last.
    """
    inputs = book.arrays()
    outcome = run(inputs)
    first = int(outcome.years[0])
    since = (history.years >= first) & np.isfinite(history.total) & (history.total > 0)
    if int(since.sum()) < _FEWEST or not since[-1]:
        raise NotEnoughDataError(
            f"{history.place} has {int(since.sum())} years of observed direct emissions since {first}",
            doing="calibrate the pathway model",
            expected=f"at least {_FEWEST} years, the last of the series among them",
            next_step="import more years, or leave the place to the calibration of the place above it",
        )
    cells = fuel_cells(inputs, outcome)
    years, last = history.years[since], int(history.years[-1])
    factors = fuel_factors(history, cells, first)
    observed = history.total[since]
    level = sum(factor * cells[cell][years - first] for cell, factor in factors.items())
    knots = _knots(int(years[0]), last)
    path = _path(years, np.log(observed / level), knots)
    reason = f"{int(years[0])}—{last}年清单直接排放，不含车用汽油柴油；末三年分项之比，总量折线到末年，其后不变"
    parameters = [
        PathwayParameter(
            id=f"{book.place}-calibration-{segment.replace('_', '-')}-{carrier.replace('_', '-')}",
            quantity="calibration_carrier", place=book.place, of={"building_class": segment, "carrier": carrier},
            unit="1",
            points=tuple(
                ParameterPoint(
                    year=year, value=float(f"{factor * np.exp(log) * _stands(inputs, segment, carrier, year):.5g}")
                )
                for year, log in zip(knots, path, strict=True)
            ),
            source=history.source, grade=Grade.B, derived=reason, calibrated=True, checked_on=checked_on,
        )
        for (segment, carrier), factor in factors.items()
    ]  # fmt: skip
    own = step_size(yearly_steps(history, sum(cells.values(), start=np.zeros(len(outcome.years))), first))
    step = step_size(np.concatenate(panel)) if len(panel) >= _PANEL else PANEL_STEP
    scatter = float(f"{residual_scale(step, memory):.4g}")
    parameters += _residual(book.place, last, scatter, memory, history.source, checked_on)
    fitted = fuel_cells(inputs, run(_with(inputs, parameters)))
    after = sum(one[years - first] for one in fitted.values())
    left = dict(zip(map(int, years), map(float, np.log(observed / after)), strict=True))
    return Calibration(
        place=book.place, last_year=last, parameters=tuple(parameters),
        gaps=_gaps(history, years, since, first, cells, factors, fitted),
        residuals=left, scatter=scatter, memory=memory, own_step=own,
        borrowed=("残差的步长取自各省合并估计" if len(panel) >= _PANEL else "残差的步长取自23省合并估计",),
        findings=_warnings(book.place, factors, cells, last - first),
    )  # fmt: skip


def _stands(inputs: Inputs, segment: str, carrier: str, year: int) -> float:
    """Return the factor that the inputs have already, of which the fitted one is a multiple."""
    cells = inputs.arrays["calibration_carrier"][
        np.ix_(*inputs.rows("calibration_carrier", {"building_class": segment, "carrier": carrier}))
    ]
    return float(cells[..., year - int(inputs.years[0]), 0].mean())


def _with(inputs: Inputs, parameters: Sequence[PathwayParameter]) -> Inputs:
    """Return the inputs with the factors of a calibration in place."""
    array = np.array(inputs.arrays["calibration_carrier"])
    for one in parameters:
        if one.quantity == "calibration_carrier":
            path = np.interp(inputs.years, [point.year for point in one.points], [point.value for point in one.points])
            array[np.ix_(*inputs.rows(one.quantity, one.of))] = path[:, None]
    return inputs.with_arrays(calibration_carrier=array)


def _residual(place: str, last: int, scatter: float, memory: float, source: str, day: date) -> list[PathwayParameter]:
    of, why = {"component": "direct_building"}, "清单与模型之比的逐年变化，各省合并；历史为零，末年之后起算"
    return [
        PathwayParameter(
            id=f"{place}-residual-direct-building", quantity="residual_scatter", place=place, of=of, unit="1",
            points=(ParameterPoint(year=last, value=0.0), ParameterPoint(year=last + 1, value=scatter)),
            source=source, grade=Grade.B, derived=why, calibrated=True, checked_on=day,
        ),
        PathwayParameter(
            id=f"{place}-residual-memory-direct-building", quantity="residual_memory", place=place, of=of, unit="1",
            points=(ParameterPoint(year=last, value=memory),),
            source=source, grade=Grade.B, derived=why, calibrated=True, checked_on=day,
        ),
    ]  # fmt: skip


def _gaps(
    history: FuelHistory,
    years: NDArray[np.int64],
    since: NDArray[np.bool_],
    first: int,
    before: Mapping[Cell, Floats],
    factors: Mapping[Cell, float],
    after: Mapping[Cell, Floats],
) -> tuple[SeriesGap, ...]:
    groups: dict[str, list[Cell]] = {"direct_building": list(before)}
    for cell in before:
        for name in cell:
            groups.setdefault(name, []).append(cell)
    found = []
    for name, members in groups.items():
        seen = sum(
            (history.emissions[cell][since] for cell in members if cell in history.emissions),
            start=np.zeros(len(years)),
        )
        whole = float(seen.sum())
        if whole <= 0:
            continue
        numbers: dict[str, float] = {}
        for label, part in (
            ("before", sum(before[cell][years - first] for cell in members)),
            ("level", sum(factors[cell] * before[cell][years - first] for cell in members)),
            ("after", sum(after[cell][years - first] for cell in members)),
        ):
            numbers[f"net_{label}"] = float(f"{(part - seen).sum() / whole:.4g}")
            numbers[f"absolute_{label}"] = float(f"{np.abs(part - seen).sum() / whole:.4g}")
        found.append(SeriesGap(series=name, first_year=int(years[0]), last_year=int(years[-1]), **numbers))
    return tuple(found)


def _warnings(place: str, factors: Mapping[Cell, float], cells: Mapping[Cell, Floats], at: int) -> tuple[Finding, ...]:
    whole = sum(factor * cells[cell][at] for cell, factor in factors.items())
    return tuple(
        Finding(
            name="pathways.calibration.far-from-one",
            sentence=f"{place} 的 {segment}／{carrier} 校准系数为 {factor:.3g}，远离 1，参数与清单的口径或数据不一致",
            severity=Severity.WARNING,
            value=f"{factor:.3g}",
            expected="0.33—3",
            next_step="核对该段该燃料的设备份额、面积与清单数据",
            evidence={"segment": segment, "carrier": carrier},
        )
        for (segment, carrier), factor in factors.items()
        if not 1 / 3 <= factor <= 3 and factor * cells[segment, carrier][at] > 0.1 * whole
    )


def calibrate_area(
    book: InputBook, segment: str, year: int, area: float, *, source: str, checked_on: date
) -> tuple[PathwayParameter, float]:
    """Return the floor area per head that gives an observed floor area in a year, and model over observed before.

    The whole path of the parameter that holds is scaled, so that its course stays; low and high with it. Activity is calibrated
    before factors, so that an error of area is not taken for one of intensity.

    Parameters
    ----------
    book : InputBook
    segment : str
    year : int
    area : float
        Observed, m2.
    source : str
        Source id.
    checked_on : date
    """
    outcome = run(book.arrays())
    at = year_row(outcome.years, year)
    rows = [
        row for row, code in enumerate(outcome.axes.members("building_class")) if outcome.axes.segment(code) == segment
    ]
    ratio = float(outcome.area[rows, at, 0].sum()) / area
    old = book.resolved["floor_per_head"].cells[(segment,)]

    def scaled(value: float | None) -> float | None:
        return None if value is None else float(f"{value / ratio:.6g}")

    changed = old.model_copy(
        update={
            "id": f"{book.place}-calibration-floor-{segment.replace('_', '-')}",
            "place": book.place,
            "of": {"segment": segment},
            "points": tuple(
                point.model_copy(update={name: scaled(getattr(point, name)) for name in ("value", "low", "high")})
                for point in old.points
            ),
            "curve": None
            if old.curve is None
            else old.curve.model_copy(
                update={name: scaled(getattr(old.curve, name)) for name in ("ceiling", "ceiling_low", "ceiling_high")}
            ),
            "source": source,
            "derived": f"{old.id} 各年乘 {1 / ratio:.4g}，使{year}年面积为 {area / 1e8:.4g} 亿m2",
            "calibrated": True,
            "checked_on": checked_on,
        }
    )
    return changed, ratio
