"""Floor area of every building class: demand from people, turnover by cohort, and the area that standards leave to heat and cool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.pathway_tables import FIRST_YEAR
from dafeng.pathways.inputs import FIRST_RESULT, Inputs
from dafeng.pathways.ratios import cohort_ratio
from dafeng.pathways.turnover import Retrofit, Turnover, turn_over

__all__ = ["Stock", "build_stock", "people_of", "segment_area"]

Floats = NDArray[np.float64]

_LATE: Final = slice(FIRST_RESULT - FIRST_YEAR, None)
_AREAS: Final = ("standing", "vacant", "inflow", "outflow", "retrofitted", "retrofit_done", "retrofit_missed")
_WEIGHTS: Final = ("heat", "cool")
_PUBLIC: Final = "public"


@dataclass(frozen=True)
class Stock:
    """Stock of every class from 2000 on, m2, `(class, years, draws)`.

    `area` is the area in use, which takes energy; `standing` holds the vacant area too. `heat` and `cool` are the area in use
    weighted by what the standard of each cohort leaves of heat and cold, retrofitted buildings apart.
    """

    area: Floats
    standing: Floats
    vacant: Floats
    inflow: Floats
    outflow: Floats
    retrofitted: Floats
    retrofit_done: Floats
    retrofit_missed: Floats
    heat: Floats
    heat_retrofitted: Floats
    cool: Floats
    cool_retrofitted: Floats
    turnovers: tuple[Turnover, ...]


def people_of(inputs: Inputs, segment: str) -> Floats:
    """Return the people by whom a segment's area and demand are counted: urban, rural, or all; equation (1)."""
    population, urban = inputs.arrays["population"], inputs.arrays["urban_share"]
    if segment == "urban_residential":
        return np.asarray(population * urban)
    if segment == "rural_residential":
        return np.asarray(population * (1.0 - urban))
    return np.asarray(population)


def segment_area(inputs: Inputs, segment: str) -> Floats:
    """Return the demand of floor area of a segment in m2, equation (2)."""
    row = inputs.axes.index("segment", segment)
    return np.asarray(people_of(inputs, segment) * inputs.arrays["floor_per_head"][row])


def build_stock(inputs: Inputs, *, detail: bool = False) -> Stock:
    """Turn over the stock of every class, equations (2) to (4).

    The additional retrofit area of public buildings is shared among their classes by floor area. Classes of a segment live equally
    long and are turned over together.
    """
    axes = inputs.axes
    classes = axes.members("building_class")
    of_segment = {
        name: [row for row, one in enumerate(classes) if axes.segment(one) == name] for name in axes.members("segment")
    }
    found = {name: _turn_over(inputs, name, rows, detail=detail) for name, rows in of_segment.items() if rows}
    draws = max(turnover.standing.shape[-1] for turnover in found.values())
    parts = {
        name: np.empty((len(classes), len(inputs.years[_LATE]), draws))
        for name in Stock.__dataclass_fields__
        if name != "turnovers"
    }
    for segment, turnover in found.items():
        rows = of_segment[segment]
        for name in _AREAS:
            parts[name][rows] = getattr(turnover, name)[:, _LATE]
        for kind in _WEIGHTS:
            parts[kind][rows] = turnover.sums[kind][:, _LATE]
            parts[f"{kind}_retrofitted"][rows] = turnover.sums_retrofitted[kind][:, _LATE]
    standing, vacant = parts["standing"], parts["vacant"]
    parts["area"] = standing
    if vacant.any():
        parts["area"] = standing - vacant
        used = 1.0 - np.divide(vacant, standing, out=np.zeros_like(standing), where=standing > 0)
        for kind in _WEIGHTS:
            parts[kind] *= used
            parts[f"{kind}_retrofitted"] *= used
    return Stock(**parts, turnovers=tuple(found.values()) if detail else ())


def _turn_over(inputs: Inputs, segment: str, rows: list[int], *, detail: bool) -> Turnover:
    """Turn over the classes of a segment."""
    arrays, at = inputs.arrays, inputs.axes.index("segment", segment)
    mix = arrays["public_mix"][rows] if segment == _PUBLIC else np.ones((1, 1, 1))
    return turn_over(
        segment_area(inputs, segment) * mix,
        lifetime=arrays["lifetime"][at],
        shape=arrays["lifetime_shape"][at],
        family=inputs.settings.lifetime,
        age_zero=inputs.settings.age_zero,
        protection=_if_any(arrays["protection"][at]),
        retrofit=Retrofit(
            arrays["retrofit_rate"][rows],
            extra * mix if (extra := arrays["retrofit_area"][at]).any() else 0.0,
            inputs.settings.retrofit_before,
        ),
        weights={kind: cohort_ratio(inputs, rows, kind) for kind in _WEIGHTS},
        weigh_from=FIRST_RESULT,
        detail=detail,
    )


def _if_any(array: Floats) -> Floats | None:
    return array if array.any() else None
