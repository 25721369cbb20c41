"""The cheapest portfolio of measures as a linear or mixed-integer programme, kept in the solver and solved again as the request moves.

Least `Σ cost · level`, with bounds, ramps and lasting levels, so that no year after the peak year is above it, no year above a level,
spending stays within budgets, and the problem's own conditions hold. See `dafeng.pathways.portfolio_blocks` for the rows.

Sources: the dual as a price of the constraint, Dantzig 1963 ch. 12; weak duality and complementary slackness, Vanderbei, Linear
Programming, ch. 5; HiGHS, Huangfu and Hall 2018, doi 10.1007/s12532-017-0130-5 (B).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, NotConvergedError
from dafeng.pathways.portfolio_blocks import Blocks, build_blocks
from dafeng.pathways.portfolio_infeasible import Explainer, Infeasible, Relaxation, RelaxationKind, unreachable
from dafeng.pathways.portfolio_kept import Kept, Raw
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_request import PortfolioRequest, RowBounds, discount_growth, row_bounds
from dafeng.pathways.portfolio_solution import (
    LARGEST_GAP,
    PortfolioSolution,
    binding_of,
    check_residuals,
    residuals_of,
)

__all__ = ["PortfolioRequest", "Programme", "build_programme"]

Floats = NDArray[np.float64]
_NOTHING: Final = 1e-7
"""Share of its width below which a level counts as none."""


class Programme:
    """A least-cost programme kept in the solver; made by `build_programme`.

    Attributes
    ----------
    problem : PortfolioProblem
    request : PortfolioRequest
        As asked last.
    blocks : Blocks
        Columns, rows and present bounds: the arrays against which answers are proved.
    """

    def __init__(self, problem: PortfolioProblem, request: PortfolioRequest) -> None:
        self.problem = problem
        self.request = request
        self._level_cost = problem.cost
        self._bare = build_blocks(problem, request.view, request.place, tuple(request.budgets))
        self._asked = row_bounds(problem, self._bare, request)
        self.blocks = self._with_bounds(self._bare, self._asked)
        self._contradicts = bool(unreachable(problem))
        self._kept = Kept(self.blocks)
        self._explainer: Explainer | None = None

    @property
    def asked(self) -> RowBounds:
        """Bounds and named rows of the present request."""
        return self._asked

    def _with_bounds(self, blocks: Blocks, asked: RowBounds) -> Blocks:
        cost = np.zeros_like(blocks.cost)
        columns = blocks.layout.columns
        cost[columns["levels"]] = self._level_cost.ravel()
        cost[columns["emissions"]] = np.tile(asked.price, len(blocks.layout.groups))
        return replace(blocks, row_lower=asked.lower, row_upper=asked.upper, cost=cost)

    def ask(self, request: PortfolioRequest) -> None:
        """Change level, peak year, budgets, prices or conditions left out: bounds and costs move, the matrix stays.

        Parameters
        ----------
        request : PortfolioRequest
            Of the same view and place; budgets among the years with which the programme was built.

        Raises
        ------
        InputError
            Another view or place, or what `row_bounds` refuses.
        """
        if (request.view, request.place) != (self.request.view, self.request.place):
            raise InputError(
                f"view {request.view!r} and place {request.place!r} in a programme kept for {self.request.view!r}, {self.request.place!r}",
                doing="change the request of a kept programme",
                expected="the same view and place",
                next_step="build another programme",
            )
        asked = row_bounds(self.problem, self._bare, request)
        moved = np.flatnonzero((asked.lower != self._asked.lower) | (asked.upper != self._asked.upper))
        dearer = not np.array_equal(asked.price, self._asked.price)
        self.request, self._asked = request, asked
        self.blocks = self._with_bounds(self._bare, asked)
        if len(moved):
            self._kept.bound_rows(moved, asked.lower[moved], asked.upper[moved])
        if dearer:
            self._kept.price(self.blocks.cost, self.blocks.offset)

    def recost(self, cost: Floats) -> None:
        """Change the cost of levels.

        Parameters
        ----------
        cost : float array (P, M, T), CNY
        """
        if cost.shape != self.problem.cost.shape:
            raise InputError(
                f"costs of shape {cost.shape}",
                doing="change the costs of a kept programme",
                expected=f"shape {self.problem.cost.shape}: places, measures, years",
                next_step="give one cost for each level",
            )
        self._level_cost = cost
        self.blocks = self._with_bounds(self._bare, self._asked)
        self._kept.price(self.blocks.cost, self.blocks.offset)

    def solve(
        self, *, integer: bool = False, gap: float = LARGEST_GAP, seconds: float | None = None, explain: bool = True
    ) -> PortfolioSolution | Infeasible:
        """Find the cheapest levels, or say why there are none.

        Parameters
        ----------
        integer : bool
            Whether steps and exclusive pairs are decided; else they are taken as divisible, and the answer says so.
        gap : float
            Largest relative gap of a mixed-integer optimum.
        seconds : float, optional
            Time limit of a run of the solver; a mixed-integer one then answers with the best it has, and its bound.
        explain : bool
            Whether an infeasible answer names the conditions and relaxations (further solves); without, it is bare.

        Returns
        -------
        PortfolioSolution or Infeasible

        Raises
        ------
        NotConvergedError
            Residuals above `LARGEST_RESIDUAL`, a gap above `gap` though the solver had its time, or nothing found in time.
        InputError
            The cost falls without end.
        """
        decide = integer and bool(self.blocks.whole.any())
        raw = None if self._contradicts else self._kept.solve(integer=decide, gap=gap, seconds=seconds)
        if raw is None or raw.status == "infeasible":
            return self.explain(integer=decide) if explain else Infeasible.bare(self._asked)
        if not decide:
            return self._answer(raw, self.blocks, proved=None)
        return self._decided(raw, gap)

    def explain(self, *, integer: bool = False) -> Infeasible:
        """Name the conditions that cannot hold together, and the least relaxations that would do."""
        return self._elastic().explain(self.request, integer=integer)

    def least(self, request: PortfolioRequest, kind: RelaxationKind, *, integer: bool = False) -> Relaxation | None:
        """Return the least relaxation of one kind under which a request of this view and place has a portfolio."""
        return self._elastic().least(request, kind, integer=integer)

    def _elastic(self) -> Explainer:
        if self._explainer is None:
            self._explainer = Explainer(self.problem, self._bare)
        return self._explainer

    def _decided(self, raw: Raw, gap: float) -> PortfolioSolution:
        """Hold the decisions, and prove the rest as a linear programme."""
        whole = np.flatnonzero(self.blocks.whole)
        chosen = np.round(raw.values[whole])
        self._kept.bound_columns(whole, chosen, chosen)
        try:
            held = self._kept.solve()
        finally:
            self._kept.bound_columns(whole, self.blocks.column_lower[whole], self.blocks.column_upper[whole])
        if held.status == "infeasible":
            raise NotConvergedError(
                "the decisions of the mixed-integer run do not hold exactly",
                doing="prove the least cost",
                expected="a linear optimum with the decisions held",
                next_step="look for coefficients of very different size",
            )
        lower, upper = self.blocks.column_lower.copy(), self.blocks.column_upper.copy()
        lower[whole] = upper[whole] = chosen
        answer = self._answer(
            replace(held, status=raw.status), replace(self.blocks, column_lower=lower, column_upper=upper), raw.bound
        )
        if raw.status == "optimal" and answer.gap > gap:
            raise NotConvergedError(
                f"gap {answer.gap:.1e}: cost {answer.cost + answer.charge:.6g}, bound {answer.bound:.6g} CNY",
                doing="prove the least cost with decisions",
                expected=f"a gap of at most {gap:.0e}",
                next_step="give the solver more time",
            )
        return answer

    def _answer(self, raw: Raw, blocks: Blocks, proved: float | None) -> PortfolioSolution:
        residuals, bound = residuals_of(blocks, raw.values, raw.duals)
        check_residuals(residuals)
        problem, layout, request = self.problem, blocks.layout, self.request
        levels = layout.levels(raw.values)
        above = levels if problem.zero is None else levels - problem.zero
        cost = float((self._level_cost * above).sum())
        charge = float(blocks.cost[layout.columns["emissions"]] @ raw.values[layout.columns["emissions"]])
        least = bound if proved is None else proved
        worth = float(np.abs(self._level_cost * above).sum()) + abs(charge)
        size = max(abs(cost + charge), 1e-6 * worth, 1e-300)
        price = layout.by_group(raw.duals, "emission") + 0.0
        growth = (
            None
            if request.discount_rate is None
            else discount_growth(problem, request.discount_rate, request.discount_to)
        )
        return PortfolioSolution(
            levels=levels,
            cost=cost,
            charge=charge,
            emissions=problem.base + np.einsum("vpmst,pms->vpt", problem.effect, levels - problem.reference),
            spending=np.einsum("pmst,pms->pt", problem.spend, above),
            duals={one.name: float(raw.duals[one.row]) for one in self._asked.named},
            carbon_price=price,
            carbon_price_then=None if growth is None else price * growth,
            groups=layout.groups,
            binding=binding_of(
                [(one.name, one.kind, one.says, one.unit, one.row) for one in self._asked.named],
                blocks,
                raw.duals,
                worth,
            ),
            residuals=residuals,
            bound=least,
            gap=max(0.0, cost + charge - least) / size,
            status=raw.status,
            integer=proved is not None,
            relaxed=proved is None and bool(blocks.whole.any()),
            taken=np.any(np.abs(levels) > _NOTHING * layout.levels(blocks.width), axis=2),
        )


def build_programme(problem: PortfolioProblem, request: PortfolioRequest) -> Programme:
    """Set up the least-cost programme of a problem and keep it in the solver.

    Parameters
    ----------
    problem : PortfolioProblem
    request : PortfolioRequest
        Changed later by `Programme.ask`.

    Raises
    ------
    InputError
        Unknown view, place, year or budget; arrays that do not fit; a number that is not finite where it must be.
    UnknownNameError
        A condition left out that is not there.

    Examples
    --------
    One place emits 100 t in each of two years. A measure avoids 1 t a unit in its year for 50 CNY; at most 90 t are wanted.

    >>> zeros = np.zeros((1, 1, 2))
    >>> problem = PortfolioProblem(places=("a",), measures=("m",), years=np.array([2029, 2030]), views=("v",),
    ...     base=np.full((1, 1, 2), 100.0), effect=-np.eye(2)[None, None, None], reference=zeros, low=zeros, high=zeros + 40,
    ...     ramp=np.full((1, 1), np.inf), before=np.zeros((1, 1)), durable=np.array([False]), cost=zeros + 50,
    ...     spend=np.zeros((1, 1, 2, 2)))
    >>> answer = build_programme(problem, PortfolioRequest("v", level=90.0)).solve()
    >>> answer.levels.ravel(), answer.cost, answer.carbon_price.ravel()
    (array([10., 10.]), 1000.0, array([50., 50.]))
    """
    _check(problem)
    return Programme(problem, request)


def _check(problem: PortfolioProblem) -> None:
    """Refuse arrays that do not fit one another, and numbers that are not."""
    views, places, measures, years = (
        len(one) for one in (problem.views, problem.places, problem.measures, problem.years)
    )
    own = (places, measures, years)
    shapes: dict[str, tuple[int, ...]] = {
        "base": (views, places, years),
        "effect": (views, *own, years),
        "reference": own,
        "low": own,
        "high": own,
        "ramp": own[:2],
        "before": own[:2],
        "durable": (measures,),
        "cost": own,
        "spend": (*own, years),
    }
    if problem.zero is not None:
        shapes["zero"] = own
    for name, shape in shapes.items():
        found: NDArray[np.generic] = getattr(problem, name)
        if found.shape != shape:
            raise _unfit(f"{name} of shape {found.shape}", f"shape {shape}")
        bounded = name not in {"low", "high", "ramp"}
        if np.isnan(found).any() or (bounded and not np.isfinite(found).all()):
            at = np.argwhere(~np.isfinite(found))[0].tolist()
            raise _unfit(f"{name}{at} is {found[tuple(at)]}", "a number")
    if (problem.ramp < 0).any():
        raise _unfit("a ramp below nothing", "ramps of at least 0")
    names = [one.name for one in problem.conditions]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise _unfit(f"conditions of one name: {', '.join(sorted(twice))}", "a name for each")
    if (np.diff(problem.years) != 1).any():
        raise _unfit(f"years {problem.years.tolist()}", "consecutive years")


def _unfit(problem: str, expected: str) -> InputError:
    return InputError(
        problem, doing="set up the least-cost programme", expected=expected, next_step="mend the problem's arrays"
    )
