"""Parameters as they could have been known in a year: later points are not read, what comes after is a damped trend.

A back-cast whose parameters were written with later statistics at hand predicts what it has seen. Here a parameter keeps its points
up to the year; from the last of them it goes on by its own last growth, a year's growth being `DAMPING` of that of the year before
(Gardner and McKenzie 1985). The 5th percentile has no growth any more, the 95th growth undamped (the other way round where it
falls). A parameter without any point by then is a constant of its first later point: the method lists those. Energy standards of
later years do not come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dafeng.catalog.pathway_schemas import ParameterPoint, PathwayParameter, PathwayQuantity
from dafeng.catalog.pathway_tables import FIRST_YEAR
from dafeng.pathways.inputs import STANDARD_RATIOS, Inputs

__all__ = ["AHEAD", "DAMPING", "Hindsight", "as_known", "hold_standards"]

DAMPING: Final = 0.9
"""Share of a year's growth that is left the year after."""
AHEAD: Final = 12
"""Years of trend after the last point; it holds then."""
_SHORTEST: Final = 3
"""Growth is taken from two points at least so many years apart."""
_MOST_GROWTH: Final = 0.15
"""Largest yearly growth that goes on, on the log scale."""


@dataclass(frozen=True)
class Hindsight:
    """Parameters as known in a year.

    Parameters
    ----------
    year : int
    parameters : tuple of PathwayParameter
        To be given to `read_inputs`; those of the kept quantities are not among them.
    constants : tuple of str
        Ids of parameters without a point by the year, which stand at their first later value.
    kept : tuple of str
        Quantities of which later points are read as they stand.
    """

    year: int
    parameters: tuple[PathwayParameter, ...]
    constants: tuple[str, ...]
    kept: tuple[str, ...]


def as_known(
    parameters: Sequence[PathwayParameter],
    year: int,
    quantities: Mapping[str, PathwayQuantity],
    *,
    keep: Collection[str] = (),
    damping: float = DAMPING,
) -> Hindsight:
    """Return parameters as they could have been known at the end of a year.

    Parameters
    ----------
    parameters : sequence of PathwayParameter
    year : int
    quantities : mapping from id to PathwayQuantity
        The variable table.
    keep : collection of str
        Quantities of which later points are read as they stand, such as `population`.
    damping : float
        From 0 (no further growth) to 1 (growth goes on).

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> share = catalog.path_parameters["cn-urban-share"]
    >>> known = as_known([share], 2014, catalog.path_quantities).parameters[0]
    >>> [point.year for point in known.points][-14:-11], round(known.points[-12].value, 2)
    ([2005, 2010, 2011], 51.2)
    """
    kept = tuple(sorted({one.quantity for one in parameters} & set(keep)))
    constants = [one for one in parameters if one.quantity not in kept and one.points[0].year > year]
    known = [
        _constant(one) if one.points[0].year > year else _continued(one, year, quantities[one.quantity], damping)
        for one in parameters
        if one.quantity not in kept
    ]
    return Hindsight(year, tuple(known), tuple(one.id for one in constants), kept)


def _constant(parameter: PathwayParameter) -> PathwayParameter:
    return parameter.model_copy(update={"points": parameter.points[:1], "curve": None})


def _continued(parameter: PathwayParameter, year: int, quantity: PathwayQuantity, damping: float) -> PathwayParameter:
    seen = tuple(point for point in parameter.points if point.year <= year)
    last = seen[-1]
    back = next((point for point in reversed(seen[:-1]) if last.year - point.year >= _SHORTEST), None)
    if back is None:
        return parameter.model_copy(update={"points": seen, "curve": None})
    low = last.value if last.low is None else last.low
    high = last.value if last.high is None else last.high
    steps = np.arange(1, AHEAD + 1)
    damped = np.cumsum(damping**steps)
    apart = last.year - back.year
    # shares move by points, everything else by rates
    share = quantity.most is not None and quantity.least == 0 and quantity.sums_to_one is None and quantity.most <= 1
    if share or quantity.sums_to_one is not None or min(last.value, back.value, low) <= 0:
        growth = (last.value - back.value) / apart
        calm, middle, keen = (
            start + growth * by for start, by in ((low, 0 * damped), (last.value, damped), (high, steps))
        )
        if growth < 0:
            calm, keen = low + growth * steps, high + 0 * damped
    else:
        growth = float(np.clip(np.log(last.value / back.value) / apart, -_MOST_GROWTH, _MOST_GROWTH))
        calm, middle, keen = (
            start * np.exp(growth * by) for start, by in ((low, 0 * damped), (last.value, damped), (high, steps))
        )
        if growth < 0:
            calm, keen = low * np.exp(growth * steps), high + 0 * damped
    floor = 0.0 if quantity.least == 0 else -np.inf
    ends = [np.maximum(np.asarray(one, dtype=np.float64), floor) for one in (calm, middle, keen)]
    later = [
        ParameterPoint(
            year=int(last.year + step),
            value=float(ends[1][at]),
            low=float(min(ends[0][at], ends[1][at])),
            high=float(max(ends[2][at], ends[1][at])),
        )
        for at, step in enumerate(steps)
    ]
    return parameter.model_copy(update={"points": (*seen, *later), "curve": None})


def hold_standards(inputs: Inputs, year: int) -> Inputs:
    """Return the inputs in which the energy standards in force in a year hold for all later completions."""
    at = year - FIRST_YEAR
    held: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}
    for name in STANDARD_RATIOS:
        if name in inputs.arrays:
            array = inputs.arrays[name].copy()
            array[..., at + 1 :, :] = array[..., at : at + 1, :]
            held[name] = array
    return replace(inputs, arrays={**inputs.arrays, **held})
