"""Useful demand of heat, cold and the other end uses in kWh a year: equation (5)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.pathways.inputs import FIRST_RESULT, Inputs
from dafeng.pathways.stock import Stock, people_of

__all__ = ["useful_demand"]

Floats = NDArray[np.float64]

_THERMAL: Final = {"space_heating": "heat", "space_cooling": "cool"}


def useful_demand(inputs: Inputs, stock: Stock) -> Floats:
    """Return the useful demand of every class and end use, `(class, end_use, years, draws)` in kWh.

    Heat and cold go with the area in use, weighted by what the standard of each cohort leaves; the share that retrofit saves is less
    by its rebound. The other end uses go with people (dwellings) or area in use (public buildings); of the retrofitted area they
    are less by `retrofit_other_saving`.
    """
    axes = inputs.axes
    classes, uses = axes.members("building_class"), axes.members("end_use")
    late = inputs.late
    draws = max(inputs.draws, stock.area.shape[-1])
    useful = np.zeros((len(classes), len(uses), len(inputs.years) + inputs.years[0] - FIRST_RESULT, draws))
    for row, code in enumerate(classes):
        public = axes.is_public(code)
        rebound = 1.0 - late("retrofit_rebound")[row]
        calibration = late("calibration_demand")[row]
        activity = stock.area[row] if public else people_of(inputs, axes.segment(code))[-useful.shape[2] :]
        other = late("retrofit_other_saving")[row]
        if other.any():
            renewed = np.divide(
                stock.retrofitted[row],
                stock.standing[row],
                out=np.zeros_like(stock.standing[row]),
                where=stock.standing[row] > 0,
            )
            activity = activity * (1.0 - renewed * (other * rebound))
        demand = late("area_demand" if public else "person_demand")[row]
        for column, use in enumerate(uses):
            out = useful[row, column]
            if use in _THERMAL:
                kind = _THERMAL[use]
                left = 1.0 - late("retrofit_heat_saving")[row] * rebound
                np.multiply(getattr(stock, f"{kind}_retrofitted")[row], left, out=out)
                out += getattr(stock, kind)[row]
                out *= late(f"{kind}_index")[row] * late(f"{kind}_service")[row] * calibration[column]
            elif demand[column].any():
                np.multiply(activity, demand[column] * calibration[column], out=out)
    return useful
