"""Money by year of one unit of level: an investment charged to the years that it serves, and spent when it is bought and renewed.

Discounted, the charges of the years up to a horizon are the spending less what is left at the horizon, when what is left is valued by the
charges of the years that are still to come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dafeng.pathways.portfolio_prices import annual_share

__all__ = ["Flows", "flows_of_stock", "flows_of_work"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Flows:
    """What one unit of level in year s costs in year t, before discounting: each (T, T).

    Attributes
    ----------
    charge : float array (T, T)
        By equal annual cost.
    spend : float array (T, T)
        As it is paid, renewal included.
    """

    charge: Floats
    spend: Floats


def flows_of_stock(units: Floats, price: float, life: int, rate: float) -> Flows:
    """Return what a level of a stock costs: charged by the year, spent when it rises and again after each life.

    Parameters
    ----------
    units : float array (T,)
        Units for a level of one, by year.
    price : float
        Money a unit.
    life : int
    rate : float

    Returns
    -------
    Flows

    Examples
    --------
    >>> flows = flows_of_stock(np.ones(3), 90.0, 2, 0.0)
    >>> flows.charge.diagonal().tolist()
    [45.0, 45.0, 45.0]
    >>> np.ones(3) @ flows.spend  # bought in the first year, again two years later
    array([90.,  0., 90.])
    """
    years = len(units)
    bought = np.zeros((years, years))
    bought[np.arange(years), np.arange(years)] = units
    if years > 1:
        bought[np.arange(years - 1), np.arange(1, years)] = -np.minimum(units[:-1], units[1:])
    renewal = np.zeros((years, years))
    for first in range(years):
        renewal[first, first::life] = 1.0
    return Flows(np.diag(units) * price * annual_share(rate, life), bought @ renewal * price)


def flows_of_work(
    done: Floats, price: float, life: int | None, rate: float, *, renewed: bool = True, stands: Floats | None = None
) -> Flows:
    """Return what work done costs.

    Parameters
    ----------
    done : float array (T, T)
        Work of year t by a unit of level in year s.
    price : float
    life : int or None
        Years that it serves; None for what is spent once and leaves nothing.
    rate : float
    renewed : bool
        Whether it is done again at the end of its life.
    stands : float array (T, T), optional
        Share of the work of a year that still stands in a later one: so much of it is renewed. All where None.

    Returns
    -------
    Flows

    Examples
    --------
    >>> flows = flows_of_work(np.eye(3), 90.0, 2, 0.0)
    >>> flows.charge[0].tolist(), flows.spend[0].tolist()  # the renewal of the third year is charged for one of its two years
    ([45.0, 45.0, 45.0], [90.0, 0.0, 90.0])
    >>> flows.charge[2].tolist()
    [0.0, 0.0, 45.0]
    """
    if life is None:
        return Flows(done * price, done * price)
    years = len(done)
    left = np.ones((years, years)) if stands is None else stands
    charged, bought = np.zeros((years, years)), np.zeros((years, years))
    share = annual_share(rate, life)
    for first in range(years):
        for start in range(first, years, life) if renewed else (first,):
            bought[first, start] += left[first, start]
            charged[first, start : start + life] += left[first, start] * share
    return Flows(done @ charged * price, done @ bought * price)
