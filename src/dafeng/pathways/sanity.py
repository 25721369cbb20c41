"""Ratios of a run beside the ranges that publications leave open: what lies outside is said, nothing is mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.pathway_tables import SanityRatio, sanity_ratios
from dafeng.pathways.emissions import GJ_PER_KWH
from dafeng.pathways.outcome import Outcome

__all__ = ["ratio_values", "sanity"]

Floats = NDArray[np.float64]

_RESIDENTIAL: Final = ("urban_residential", "rural_residential")


def _ratio(part: Floats, whole: Floats) -> Floats:
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _rows(outcome: Outcome, segment: str) -> list[int]:
    classes = outcome.axes.members("building_class")
    return [row for row, code in enumerate(classes) if outcome.axes.segment(code) == segment]


def _operation_per_area(outcome: Outcome, segment: str | None = None) -> Floats:
    rows = list(range(outcome.area.shape[0])) if segment is None else _rows(outcome, segment)
    return _ratio(outcome.operation_by_class()[rows].sum(axis=0) * 1e3, outcome.area[rows].sum(axis=0))


def _area_per_head(outcome: Outcome, segment: str) -> Floats:
    people = {
        "urban_residential": outcome.urban_population,
        "rural_residential": outcome.population - outcome.urban_population,
    }.get(segment, outcome.population)
    return _ratio(outcome.area[_rows(outcome, segment)].sum(axis=0), people)


def _home_electricity(outcome: Outcome) -> Floats:
    rows = [outcome.axes.index("building_class", code) for code in _RESIDENTIAL]
    used = outcome.final[rows, outcome.axes.index("carrier", "electricity")].sum(axis=0)
    return _ratio(used, outcome.population)


_RATIOS: Final[dict[str, Callable[[Outcome], Floats]]] = {
    "operation_per_area": _operation_per_area,
    "operation_per_area_urban_residential": lambda outcome: _operation_per_area(outcome, "urban_residential"),
    "operation_per_area_rural_residential": lambda outcome: _operation_per_area(outcome, "rural_residential"),
    "operation_per_area_public": lambda outcome: _operation_per_area(outcome, "public"),
    "operation_per_head": lambda outcome: _ratio(outcome.view("building_operation"), outcome.population),
    "heat_at_source_per_area": lambda outcome: _ratio(outcome.heat_at_source * GJ_PER_KWH, outcome.heated_area),
    "residential_electricity_per_head": _home_electricity,
    "area_per_head_urban_residential": lambda outcome: _area_per_head(outcome, "urban_residential"),
    "area_per_head_rural_residential": lambda outcome: _area_per_head(outcome, "rural_residential"),
    "area_per_head_public": lambda outcome: _area_per_head(outcome, "public"),
    "completion_rate": lambda outcome: _ratio(outcome.inflow.sum(axis=0), outcome.standing.sum(axis=0)),
    "demolition_rate": lambda outcome: _ratio(outcome.outflow.sum(axis=0), outcome.standing.sum(axis=0)),
    "embodied_per_completion": lambda outcome: _ratio(outcome.view("embodied") * 1e3, outcome.inflow.sum(axis=0)),
    "final_energy": lambda outcome: np.asarray(outcome.final.sum(axis=(0, 1)) * GJ_PER_KWH / 1e9),
}


def ratio_values(outcome: Outcome, ratio: str) -> Floats:
    """Return a ratio of a run, `(years, draws)` in the unit of its range; NaN where nothing stands under the bar."""
    return _RATIOS[ratio](outcome)


def sanity(outcome: Outcome, place: str, *, ratios: Sequence[SanityRatio] | None = None) -> tuple[Finding, ...]:
    """Compare ratios of a run with the ranges known for its place.

    Parameters
    ----------
    outcome : Outcome
        Of several draws the median is compared.
    place : str
        Place id; places without ranges give no findings.
    ratios : sequence of SanityRatio, optional
        Ranges; those of the catalog where None.

    Returns
    -------
    tuple of Finding
        A warning, `pathways.sanity.out-of-range`, for each ratio that leaves its range in a year, with the worst year.
    """
    findings: list[Finding] = []
    for known in sanity_ratios() if ratios is None else ratios:
        if known.place != place:
            continue
        years = np.flatnonzero((outcome.years >= known.first) & (outcome.years <= known.last))
        values = np.median(ratio_values(outcome, known.ratio), axis=-1)[years]
        beyond = np.maximum(known.least - values, values - known.most)
        if not (beyond > 0).any():
            continue
        worst = int(np.argmax(np.nan_to_num(beyond, nan=-np.inf)))
        year, value = int(outcome.years[years[worst]]), float(values[worst])
        unit = "" if known.unit == "1" else f" {known.unit}"
        findings.append(
            Finding(
                name="pathways.sanity.out-of-range",
                sentence=f"{known.name} {year} 年为 {value:.4g}{unit}，不在 {known.least:g} 至 {known.most:g} 之间"
                f"（{known.first}—{known.last} 年，{known.source}，{known.grade} 级）",
                severity=Severity.WARNING,
                value=f"{value:.6g}",
                expected=f"{known.least:g} 至 {known.most:g}{unit}",
                next_step="核对该地的参数与口径；确有不同时写明原因",
                evidence={"ratio": known.ratio, "year": year, "years_outside": int((beyond > 0).sum())},
            )
        )
    return tuple(findings)
