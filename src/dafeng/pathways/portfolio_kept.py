"""A programme kept in HiGHS: scaled to even sizes, solved again from the last basis after bounds or costs change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dafeng.base.errors import InputError, NotConvergedError
from dafeng.pathways.portfolio_blocks import Blocks, Matrix

__all__ = ["Kept", "Raw"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_TOLERANCE: Final = 1e-9
_LARGEST_COST: Final = 1024.0
"""Size of the dearest column after scaling: large enough that cheap ones stay above the tolerance."""


@dataclass(frozen=True)
class Raw:
    """What the solver says; nothing of it is believed before residuals are worked out anew.

    Attributes
    ----------
    status : str
        `optimal`, `infeasible` or `time_limit` (the best found so far).
    values : float array (columns,)
    duals : float array (rows,)
        Change of the cost by one unit more of the bound that holds the row; zeros for a mixed-integer run.
    bound : float
        No solution costs less, by the solver's branch and bound; -inf where it does not say.
    """

    status: str
    values: Floats
    duals: Floats
    bound: float


def _power(values: Floats) -> Floats:
    """Round to powers of two, so that scaling changes no digit."""
    return np.exp2(np.round(np.log2(values)))


class Kept:
    """One model in the solver's memory.

    Parameters
    ----------
    blocks : Blocks
    """

    def __init__(self, blocks: Blocks) -> None:
        self._columns = _power(blocks.width)
        scaled = blocks.matrix @ sparse.diags_array(self._columns)
        largest = abs(scaled).max(axis=1).toarray().ravel()
        self._rows = _power(1.0 / np.where(largest > 0, largest, 1.0))
        matrix = sparse.csr_array(sparse.diags_array(self._rows) @ scaled)
        self._cost = self._cost_scale(blocks.cost)
        self._whole = np.flatnonzero(blocks.whole)
        self._integer = False
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in {
            "output_flag": False,
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
            "small_matrix_value": 1e-12,
            "random_seed": 1,
            "threads": 1,
        }.items():
            self._highs.setOptionValue(name, value)
        self._highs.passModel(
            matrix.shape[1],
            matrix.shape[0],
            matrix.nnz,
            int(highspy.MatrixFormat.kRowwise),
            int(highspy.ObjSense.kMinimize),
            blocks.offset * self._cost,
            blocks.cost * self._columns * self._cost,
            blocks.column_lower / self._columns,
            blocks.column_upper / self._columns,
            blocks.row_lower * self._rows,
            blocks.row_upper * self._rows,
            matrix.indptr.astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
            np.zeros(matrix.shape[1], dtype=np.int32),
        )

    def _cost_scale(self, cost: Floats) -> float:
        largest = float(np.abs(cost * self._columns).max(initial=0.0))
        return float(_power(np.array(_LARGEST_COST / largest))) if largest > 0 else 1.0

    def bound_rows(self, rows: Rows, lower: Floats, upper: Floats) -> None:
        """Set bounds of rows."""
        scale = self._rows[rows]
        self._highs.changeRowsBounds(  # type: ignore[attr-defined]  # missing from the stubs of 1.15
            len(rows), rows.astype(np.int32), lower * scale, upper * scale
        )

    def bound_columns(self, columns: Rows, lower: Floats, upper: Floats) -> None:
        """Set bounds of columns."""
        scale = self._columns[columns]
        self._highs.changeColsBounds(len(columns), columns.astype(np.int32), lower / scale, upper / scale)

    def price(self, cost: Floats, offset: float = 0.0) -> None:
        """Set the cost of all columns, and a constant beside it."""
        self._cost = self._cost_scale(cost)
        every = np.arange(len(cost), dtype=np.int32)
        self._highs.changeObjectiveOffset(offset * self._cost)
        self._highs.changeColsCost(len(cost), every, cost * self._columns * self._cost)

    def add_rows(self, matrix: Matrix, lower: Floats, upper: Floats) -> None:
        """Append rows."""
        scaled = matrix @ sparse.diags_array(self._columns)
        largest = abs(scaled).max(axis=1).toarray().ravel()
        scale = _power(1.0 / np.where(largest > 0, largest, 1.0))
        rows = sparse.csr_array(sparse.diags_array(scale) @ scaled)
        self._rows = np.concatenate([self._rows, scale])
        self._highs.addRows(
            rows.shape[0],
            lower * scale,
            upper * scale,
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            rows.indices.astype(np.int32),
            rows.data,
        )

    def solve(self, *, integer: bool = False, gap: float = 1e-4, seconds: float | None = None) -> Raw:
        """Run the solver from where it stands.

        Parameters
        ----------
        integer : bool
            Whether decisions are 0 or 1.
        gap : float
            Relative gap at which a mixed-integer run may stop.
        seconds : float, optional
            Time limit of this run.

        Raises
        ------
        NotConvergedError
            The solver ends in another state than optimal or infeasible, or has found nothing in its time.
        InputError
            The cost falls without end.
        """
        self._decide(integer)
        self._highs.setOptionValue("mip_rel_gap", gap / 2)
        self._highs.setOptionValue("time_limit", np.inf if seconds is None else self._highs.getRunTime() + seconds)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kUnboundedOrInfeasible:
            self._highs.setOptionValue("presolve", "off")
            self._highs.run()
            self._highs.setOptionValue("presolve", "choose")
            status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return Raw("infeasible", np.zeros(0), np.zeros(0), np.inf)
        if status == highspy.HighsModelStatus.kUnbounded:
            raise InputError(
                "the cost falls without end",
                doing="solve the least-cost programme",
                expected="an upper bound or a ramp for every measure whose cost is negative",
                next_step="state what can be done at most",
            )
        info = self._highs.getInfo()
        late = status == highspy.HighsModelStatus.kTimeLimit and integer and np.isfinite(info.mip_gap)
        if status != highspy.HighsModelStatus.kOptimal and not late:
            raise NotConvergedError(
                f"the solver stopped in state {self._highs.modelStatusToString(status)!r}",
                doing="solve the least-cost programme",
                expected="an optimum, or the proof that there is none",
                next_step="give it more time, or look for coefficients of very different size",
            )
        found = self._highs.getSolution()
        values = np.asarray(found.col_value) * self._columns
        duals = np.asarray(found.row_dual) * self._rows / self._cost if not integer else np.zeros(len(self._rows))
        bound = info.mip_dual_bound / self._cost if integer else -np.inf
        return Raw("time_limit" if late else "optimal", values, duals, float(bound))

    def _decide(self, integer: bool) -> None:
        if integer == self._integer or not len(self._whole):
            return
        kind = highspy.HighsVarType.kInteger if integer else highspy.HighsVarType.kContinuous
        kinds = np.full(len(self._whole), int(kind), dtype=np.uint8)
        self._highs.changeColsIntegrality(len(self._whole), self._whole.astype(np.int32), kinds)
        self._integer = integer

    def option(self, name: str, value: bool | int | float | str) -> None:
        """Set an option of the solver."""
        self._highs.setOptionValue(name, value)

    def basis(self, fresh: bool = False) -> Sequence[int]:
        """Return iterations of simplex, interior point and crossover of the last run; forget the basis where `fresh`."""
        info = self._highs.getInfo()
        if fresh:
            self._highs.clearSolver()
        return info.simplex_iteration_count, info.ipm_iteration_count, info.crossover_iteration_count
