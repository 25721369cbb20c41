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


@dataclass(frozen=True)
class Stock:
    """Stock of every class from 2000 on, m2, each array `(years, draws or 1)`, in the order of the classes.

    `area` is the area in use, which takes energy; `standing` holds the vacant area too. `heat` and `cool` are the area in use
    weighted by what the standard of each cohort leaves of heat and cold, retrofitted buildings apart.
    """

    area: tuple[Floats, ...]
    standing: tuple[Floats, ...]
    vacant: tuple[Floats, ...]
    inflow: tuple[Floats, ...]
    outflow: tuple[Floats, ...]
    retrofitted: tuple[Floats, ...]
    retrofit_done: tuple[Floats, ...]
    retrofit_missed: tuple[Floats, ...]
    heat: tuple[Floats, ...]
    heat_retrofitted: tuple[Floats, ...]
    cool: tuple[Floats, ...]
    cool_retrofitted: tuple[Floats, ...]
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

    The additional retrofit area of public buildings is shared among their classes by floor area.
    """
    arrays, axes = inputs.arrays, inputs.axes
    demand = {segment: segment_area(inputs, segment) for segment in axes.members("segment")}
    parts: dict[str, list[Floats]] = {name: [] for name in Stock.__dataclass_fields__ if name != "turnovers"}
    turnovers: list[Turnover] = []
    for row, code in enumerate(axes.members("building_class")):
        segment = axes.segment(code)
        at = axes.index("segment", segment)
        mix = arrays["public_mix"][row] if axes.is_public(code) else None
        area = demand[segment] if mix is None else demand[segment] * mix
        extra = arrays["retrofit_area"][at]
        turnover = turn_over(
            area,
            lifetime=arrays["lifetime"][at],
            shape=arrays["lifetime_shape"][at],
            family=inputs.settings.lifetime,
            age_zero=inputs.settings.age_zero,
            protection=_if_any(arrays["protection"][at]),
            retrofit=Retrofit(
                arrays["retrofit_rate"][row],
                extra if mix is None or not extra.any() else extra * mix,
                inputs.settings.retrofit_before,
            ),
            weights={kind: cohort_ratio(inputs, row, kind) for kind in ("heat", "cool")},
            detail=detail,
        )
        late = {
            name: getattr(turnover, name)[_LATE]
            for name in ("standing", "vacant", "inflow", "outflow", "retrofitted", "retrofit_done", "retrofit_missed")
        }
        used = None
        if late["vacant"].any():
            standing = late["standing"]
            used = 1.0 - np.divide(late["vacant"], standing, out=np.zeros_like(standing), where=standing > 0)
        for name, part in late.items():
            parts[name].append(part)
        parts["area"].append(late["standing"] if used is None else late["standing"] - late["vacant"])
        for kind in ("heat", "cool"):
            for name, sums in ((kind, turnover.sums), (f"{kind}_retrofitted", turnover.sums_retrofitted)):
                part = sums[kind][_LATE]
                parts[name].append(part if used is None else part * used)
        turnovers.append(turnover)
    return Stock(**{name: tuple(found) for name, found in parts.items()}, turnovers=tuple(turnovers) if detail else ())


def _if_any(array: Floats) -> Floats | None:
    return array if array.any() else None
