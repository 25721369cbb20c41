"""The least-cost choice of measures as arrays: what may be done, what it does, what it costs, what has to hold.

A problem knows nothing of the pathway model: effects and costs are numbers a unit of level. `s` is the year in which a level acts, `t`
the year in which its effect or its spending falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConditionKind", "LinearCondition", "PortfolioProblem", "UncostedMeasure"]

Floats = NDArray[np.float64]


class ConditionKind(StrEnum):
    """What a condition is about; relaxations are added up within a kind."""

    PEAK = "peak"
    """No later year above the year of the peak."""
    LEVEL = "level"
    """No year above a level."""
    TARGET = "target"
    """A target of the plan."""
    BUDGET = "budget"
    """Money in a year, or over years."""
    SUPPLY = "supply"
    """What can be had: roofs, heat, builders."""


@dataclass(frozen=True)
class LinearCondition:
    """`lower ≤ Σ coefficient · level ≤ upper`.

    Attributes
    ----------
    name : str
        Unique, as `peak.2031` or `target.jilin-2023#pv-capacity-2025`.
    kind : ConditionKind
    says : str
        What it asks, in Chinese.
    unit : str
        Unit of the bounds.
    places, measures, years : int array (N,)
        Rows of the levels concerned.
    coefficients : float array (N,)
    lower, upper : float
        Infinite where open.
    because : tuple of str
        Targets from which it comes, `<plan>#<id>`.
    """

    name: str
    kind: ConditionKind
    says: str
    unit: str
    places: NDArray[np.intp]
    measures: NDArray[np.intp]
    years: NDArray[np.intp]
    coefficients: Floats
    lower: float = -np.inf
    upper: float = np.inf
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class UncostedMeasure:
    """A measure that is not a choice because its cost is unknown.

    Attributes
    ----------
    measure : str
    why : str
        What is missing, in Chinese.
    kept : bool
        Whether levels that the plan asks of it are in the reference all the same.
    """

    measure: str
    why: str
    kept: bool = False


@dataclass(frozen=True)
class PortfolioProblem:
    """What may be done in which place and year, with effects, costs and conditions. P places, M measures, T years, V views.

    Attributes
    ----------
    places, measures : tuple of str
    years : int array (T,)
        Consecutive.
    views : tuple of str
        Views or components of emissions.
    base : float array (V, P, T), tCO2
        Emissions at the reference levels.
    effect : float array (V, P, M, T, T), tCO2 a unit of level
        Change in year t (last axis) by one unit of level more in year s.
    reference : float array (P, M, T)
        Levels about which effects are linear.
    low, high : float array (P, M, T)
        Bounds of the levels. More of a measure is always a higher level; the level of a measure that sets upper bounds is turned
        round (its reference minus its own level).
    ramp : float array (P, M)
        Largest rise of the level in a year; infinite where none. The level of the year before the first is `before`.
    before : float array (P, M)
        Level of the year before the first.
    durable : bool array (M,)
        Whether the level never falls (what stands stays); False for yearly amounts.
    cost : float array (P, M, T), CNY
        Discounted net social cost of one unit of level in year s over its whole life.
    spend : float array (P, M, T, T), CNY
        Money spent (undiscounted investment) in year t by one unit of level in year s, for budgets.
    conditions : tuple of LinearCondition
        Targets and supply limits; peak, level and budget conditions are made from a request.
    steps : Mapping of int to float
        Smallest level that makes sense of a measure (its row): 0 or at least that much, decided by place; makes the programme mixed-integer.
    exclusive : tuple of (int, int)
        Pairs of measures (rows) of which a place takes one at most; likewise.
    uncosted : tuple of UncostedMeasure
    price_year : int
        Year of the prices.
    zero : float array (P, M, T), optional
        Levels that cost and spend nothing, since they are there anyway: costs and budgets count what lies above them. All 0 where None.
    """

    places: tuple[str, ...]
    measures: tuple[str, ...]
    years: NDArray[np.int64]
    views: tuple[str, ...]
    base: Floats
    effect: Floats
    reference: Floats
    low: Floats
    high: Floats
    ramp: Floats
    before: Floats
    durable: NDArray[np.bool_]
    cost: Floats
    spend: Floats
    conditions: tuple[LinearCondition, ...] = ()
    steps: Mapping[int, float] = field(default_factory=dict)
    exclusive: tuple[tuple[int, int], ...] = ()
    uncosted: tuple[UncostedMeasure, ...] = ()
    price_year: int = 2023
    zero: Floats | None = None
