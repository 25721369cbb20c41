"""The answer of a least-cost programme, and the proof that it is one: residuals worked out from our own arrays.

The solver gives levels `x` and a price `y` of every row. Whether they are the optimum is judged here from matrix, bounds and costs
alone: rows and bounds hold (primal), `c - Aᵀy` presses only against bounds that are there (dual), what has a price is at its bound
(complementarity), and the cost of `x` equals what the prices prove that it must cost at least (gap).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import NotConvergedError
from dafeng.base.record import Record
from dafeng.pathways.portfolio_blocks import Blocks
from dafeng.pathways.portfolio_problem import ConditionKind

__all__ = [
    "LARGEST_GAP",
    "LARGEST_RESIDUAL",
    "Binding",
    "PortfolioSolution",
    "Residuals",
    "check_residuals",
    "residuals_of",
]

Floats = NDArray[np.float64]

LARGEST_RESIDUAL: Final = 1e-6
"""Above it a linear optimum is not called one."""
LARGEST_GAP: Final = 1e-4
"""Likewise the gap of a mixed-integer optimum."""


class Residuals(Record):
    """How far an answer is from an optimum, each a share; see `residuals_of`."""

    primal: float
    """Largest violation of a row or bound, by its size."""
    dual: float
    """Largest reduced cost or price that presses where there is no bound, by the cost."""
    complementarity: float
    """Price times slack over all rows and columns, by the cost."""
    gap: float
    """Cost less what the prices prove, by the cost."""

    @property
    def worst(self) -> float:
        """The largest of the four."""
        return max(self.primal, self.dual, self.complementarity, self.gap)


class Binding(Record):
    """A condition that costs something."""

    name: str
    """Its name in the programme."""
    kind: ConditionKind
    """What it is about."""
    says: str
    """What it asks, in Chinese."""
    saves: float
    """Cost saved by one unit of relaxation, CNY discounted, in `unit`; holds for a small change."""
    unit: str
    """Unit of `saves`, as `CNY/tCO2`."""


@dataclass(frozen=True)
class PortfolioSolution:
    """The cheapest levels that keep every condition.

    P places, M measures, T years, V views, G groups (what emission conditions speak of: the sum, a place, or each place).

    Attributes
    ----------
    levels : float array (P, M, T)
    cost : float, CNY
        The programme's objective over the levels above the problem's `zero`, without the charge on emissions: slopes about the
        reference, without a constant term, so that differences of two answers of one programme are costs and the figure itself is
        none. What a portfolio costs is `dafeng.pathways.portfolio_answers.Evaluator.worth`, by the model.
    charge : float, CNY
        Discounted carbon price of the request times emissions; 0 where none was asked.
    emissions : float array (V, P, T), tCO2
        As the linear programme has them; the model has the last word.
    spending : float array (P, T), CNY
        Undiscounted spending by year, likewise.
    duals : Mapping of str to float
        Change of the cost by one unit more of the bound that holds the condition; 0 where it does not bind. Negative for an upper
        bound.
    carbon_price : float array (G, T), CNY/tCO2
        Discounted cost of one tonne more that falls from outside into that year, all else chosen anew: the dual of the emission row.
        It contains the carbon price of the request, where there is one. In the year against which the peak is measured it can be
        negative: a tonne more there makes the peak easier to keep.
    carbon_price_then : float array (G, T) or None, CNY/tCO2
        The same at the value of its own year, `carbon_price · (1 + rate)^(year - discounted to)`; None where the request names no rate.
    groups : tuple of str
    binding : tuple of Binding
        Conditions with a price, dearest by their size first.
    residuals : Residuals
        Of the linear programme; of a mixed-integer one with its decisions held.
    bound : float, CNY
        No levels under these conditions have a smaller objective (charge included): what the prices prove, or the branch and bound.
        Compare it with `cost + charge` alone; it is no cost either.
    gap : float
        `cost + charge - bound`, by their sum.
    status : str
        `optimal`, or `time_limit`: the best found in the time given, with its bound.
    integer : bool
        Whether steps and exclusive pairs are decided.
    relaxed : bool
        Whether the problem has such decisions and they were taken as divisible: the cost is then a lower bound.
    taken : bool array (P, M)
        Measures with any level above nothing.
    """

    levels: Floats
    cost: float
    charge: float
    emissions: Floats
    spending: Floats
    duals: Mapping[str, float]
    carbon_price: Floats
    carbon_price_then: Floats | None
    groups: tuple[str, ...]
    binding: tuple[Binding, ...]
    residuals: Residuals
    bound: float
    gap: float
    status: str
    integer: bool
    relaxed: bool
    taken: NDArray[np.bool_]


def residuals_of(blocks: Blocks, values: Floats, duals: Floats) -> tuple[Residuals, float]:
    """Work out how far values and prices are from an optimum of `blocks`.

    Sizes: a row by its largest term at full width, its bound or its own terms; a column by its width; money by the sum of the absolute
    costs of the answer above what is there anyway, at least the dearest column at full width.

    Parameters
    ----------
    blocks : Blocks
    values : float array (columns,)
    duals : float array (rows,)
        Change of the cost by one unit more of the row's bound.

    Returns
    -------
    Residuals
    bound : float, CNY
        What the prices prove: no values that keep rows and bounds cost less (weak duality).

    Examples
    --------
    See `tests/unit/pathways/test_portfolio_programme.py`.
    """
    activity = blocks.matrix @ values
    reduced = blocks.cost - blocks.matrix.T @ duals
    row_size = np.maximum(blocks.sizes(), abs(blocks.matrix) @ np.abs(values))
    money = max(
        float(np.abs(blocks.cost * (values - blocks.zero)).sum()),
        float(np.abs(blocks.cost * blocks.width).max(initial=0.0)),
        1e-300,
    )
    rows = _Pressed.of(activity, blocks.row_lower, blocks.row_upper, duals)
    columns = _Pressed.of(values, blocks.column_lower, blocks.column_upper, reduced)
    own, proved = float(blocks.cost @ values), float(rows.proved + columns.proved)
    return Residuals(
        primal=float(max((rows.beyond / row_size).max(initial=0.0), (columns.beyond / blocks.width).max(initial=0.0))),
        dual=float(
            max((rows.unheld * row_size).max(initial=0.0), (columns.unheld * blocks.width).max(initial=0.0)) / money
        ),
        complementarity=float((rows.loose + columns.loose) / money),
        gap=abs(own - proved) / money,
    ), proved + blocks.offset


@dataclass(frozen=True)
class _Pressed:
    """Rows or columns with the price that presses on them: a positive one upon the lower bound, a negative one upon the upper."""

    beyond: Floats
    unheld: Floats
    loose: float
    proved: float

    @classmethod
    def of(cls, values: Floats, lower: Floats, upper: Floats, price: Floats) -> _Pressed:
        bound = np.where(price > 0, lower, upper)
        held = np.isfinite(bound)
        at = np.where(held, bound, 0.0)
        return cls(
            beyond=np.maximum(np.maximum(lower - values, values - upper), 0.0),
            unheld=np.where(held, 0.0, np.abs(price)),
            loose=float(np.abs(np.where(held, price * (values - at), 0.0)).sum()),
            proved=float((price * at).sum()),
        )


def check_residuals(residuals: Residuals, largest: float = LARGEST_RESIDUAL) -> None:
    """Refuse an answer whose residuals are too large.

    Raises
    ------
    NotConvergedError

    Examples
    --------
    >>> check_residuals(Residuals(primal=0, dual=1e-9, complementarity=0, gap=0))
    >>> check_residuals(Residuals(primal=0, dual=0, complementarity=0, gap=0.1))
    Traceback (most recent call last):
    dafeng.base.errors.NotConvergedError: [not-converged] prove the least cost: residuals primal 0.0e+00, dual 0.0e+00, ...
    """
    if not residuals.worst <= largest:
        named = ", ".join(f"{name} {value:.1e}" for name, value in residuals.model_dump().items())
        raise NotConvergedError(
            f"residuals {named}",
            doing="prove the least cost",
            expected=f"each at most {largest:.0e}",
            next_step="look for coefficients of very different size in effects, costs or conditions",
            **residuals.model_dump(),
        )


def binding_of(
    named: Sequence[tuple[str, ConditionKind, str, str, int]], blocks: Blocks, duals: Floats, money: float
) -> tuple[Binding, ...]:
    """Return the named rows whose price is worth more than a billionth of the cost, dearest by their size first."""
    sizes = blocks.sizes()
    weighed = [
        (
            abs(duals[row]) * sizes[row],
            Binding(name=name, kind=kind, says=says, saves=abs(float(duals[row])), unit=f"CNY/{unit}"),
        )
        for name, kind, says, unit, row in named
        if abs(duals[row]) * sizes[row] > 1e-9 * money
    ]
    return tuple(binding for _, binding in sorted(weighed, key=lambda one: (-one[0], one[1].name)))
