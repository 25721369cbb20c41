"""A portfolio that holds over draws of base and effects: in a share of them (chance), or in the mean of the worst (CVaR).

**Chance**: each draw has a decision whether it may fail; at most a share of them may. A row of a failing draw is let go by its own
largest excess over the reachable levels (the tight big-M). **CVaR**: the mean excess of the worst share of draws is at most nothing;
linear, and stricter: where it holds, at least that share of draws holds.

Rows of draws are added where they are broken, until none is: the answer is that of all rows, at a fraction of the size.

What the share says about the world: nothing more than the draws do. The programme was fitted to its draws, so the share in them is
biased upward; `check_draws` takes other draws and gives an exact lower bound of the true share by the binomial law.

Sources: chance constraints by sample, Luedtke and Ahmed 2008, doi 10.1137/070702928; CVaR, Rockafellar and Uryasev 2000,
doi 10.21314/JOR.2000.038; the interval, Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404 (B).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from dafeng.base.errors import InputError, NotConvergedError
from dafeng.base.record import Record
from dafeng.pathways.portfolio_blocks import Blocks, Matrix, build_blocks, reachable
from dafeng.pathways.portfolio_infeasible import Infeasible, Relaxation, unreachable
from dafeng.pathways.portfolio_kept import Kept, Raw
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_request import PortfolioRequest, row_bounds, tonnes
from dafeng.pathways.portfolio_solution import LARGEST_GAP, Residuals, check_residuals, residuals_of

__all__ = ["Draws", "DrawsCheck", "DrawsSolution", "check_draws", "solve_over_draws"]

Floats = NDArray[np.float64]
_BROKEN: Final = 1e-7
"""Excess, as a share of the emission, from which a row counts as broken; the solver keeps rows a hundred times closer."""
_MOST_ROUNDS: Final = 200


@dataclass(frozen=True)
class Draws:
    """Draws of base and effects of the request's view.

    Attributes
    ----------
    base : float array (K, P, T), tCO2
        Emissions at the problem's reference levels.
    factor : float array (K, P, M) or (K, 1, M), optional
        By which the problem's effects are multiplied: small, where draws differ by how well a measure works.
    effect : float array (K, P, M, T, T), optional, tCO2 a unit of level
        Effects of each draw, where they differ in shape; single precision halves their memory.
    """

    base: Floats
    factor: Floats | None = None
    effect: NDArray[np.floating] | None = None


class DrawsCheck(Record):
    """How a portfolio does on draws."""

    draws: int
    """Draws."""
    held: int
    """Draws in which every condition on emissions holds."""
    share: float
    """The same as a share."""
    least_share: float
    """Lower bound of the true share at `confidence`, exact (Clopper-Pearson); only for draws that the portfolio was not fitted to."""
    confidence: float
    """One-sided."""


@dataclass(frozen=True)
class DrawsSolution:
    """The cheapest levels that hold over draws.

    Attributes
    ----------
    levels : float array (P, M, T)
    cost : float, CNY
    bound : float, CNY
        No portfolio that holds over these draws costs less.
    gap : float
        `cost - bound`, by the cost.
    method : str
    risk : float
        Share of draws that may fail, or that make up the tail.
    held : bool array (K,)
        Draws in which every condition on emissions holds, worked out from the levels.
    share : float
        Share of them: in the sample, hence no forecast.
    tail : float, tCO2
        Mean excess over the worst draws (CVaR), worked out from the levels; negative where even they have room.
    emissions : float array (K, G, T), tCO2
    residuals : Residuals
        Of the linear programme with decisions held.
    rows, rounds : int
        Rows of draws that were needed, and rounds of adding them.
    status : str
    """

    levels: Floats
    cost: float
    bound: float
    gap: float
    method: str
    risk: float
    held: NDArray[np.bool_]
    share: float
    tail: float
    emissions: Floats
    residuals: Residuals
    rows: int
    rounds: int
    status: str


class _Excess:
    """Excess of draws over the level and over the anchor year: K draws, R rows (level rows, then peak rows, by group and year)."""

    def __init__(self, problem: PortfolioProblem, request: PortfolioRequest, draws: Draws, blocks: Blocks) -> None:
        _check(problem, draws)
        self.problem, self.draws = problem, draws
        self.layout = blocks.layout
        at = problem.views.index(request.view)
        self._effect = problem.effect[at]
        levels = row_bounds(problem, blocks, request).upper
        limit = blocks.layout.by_group(levels, "level")
        peak = blocks.layout.by_group(levels, "peak")
        anchor = blocks.layout.by_group(levels, "anchor")
        self._anchor = int(np.argmax(np.isfinite(anchor[0])))
        group, year = np.nonzero(np.isfinite(limit))
        later_group, later = np.nonzero(np.isfinite(peak))
        self.group = np.concatenate([group, later_group])
        self.year = np.concatenate([year, later])
        self.peaking = np.arange(len(self.group)) >= len(group)
        self.slack = np.concatenate([limit[group, year], peak[later_group, later]])
        self.size = max(1.0, float(np.abs(problem.base[at]).sum(axis=0).max()))
        if not len(self.group):
            raise InputError(
                "neither a peak year nor a level is asked",
                doing="find a portfolio that holds over draws",
                expected="a condition on emissions",
                next_step="ask for a peak year, a level or both",
            )

    def emissions(self, levels: Floats) -> Floats:
        """Return emissions by draw, group and year, shape (K, G, T)."""
        more = levels - self.problem.reference
        if self.draws.effect is not None:
            change = np.einsum("kpmst,pms->kpt", self.draws.effect, more, optimize=True)
        else:
            by_measure = np.einsum("pmst,pms->pmt", self._effect, more)
            change = by_measure.sum(axis=1)[None]
            if self.draws.factor is not None:
                factor = np.broadcast_to(self.draws.factor, (len(self.draws.base), *by_measure.shape[:2]))
                change = np.einsum("kpm,pmt->kpt", factor, by_measure, optimize=True)
        own = self.draws.base + change
        found = np.zeros((len(own), len(self.layout.groups), own.shape[2]))
        for group in range(found.shape[1]):
            found[:, group] = own[:, self.layout.group_of == group].sum(axis=1)
        return found

    def of(self, levels: Floats) -> Floats:
        """Return the excess by draw and row, shape (K, R), tCO2."""
        emissions = self.emissions(levels)
        own = emissions[:, self.group, self.year]
        return np.asarray(own - np.where(self.peaking, emissions[:, self.group, self._anchor], 0.0) - self.slack)

    def coefficients(self, draw: NDArray[np.intp], row: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return coefficients (N, P·M·T) and constants (N,) of the excess of some draws in some rows."""
        effect = self._effect if self.draws.effect is None else self.draws.effect
        found = np.empty((len(draw), *self._effect.shape[:3]))
        for at, (one, which) in enumerate(zip(draw.tolist(), row.tolist(), strict=True)):
            own = effect if self.draws.effect is None else effect[one]
            found[at] = own[..., self.year[which]]
            if self.peaking[which]:
                found[at] -= own[..., self._anchor]
            if self.draws.factor is not None:
                factor = self.draws.factor[one]
                found[at] *= np.broadcast_to(factor, self._effect.shape[:2])[:, :, None]
            found[at, self.layout.group_of != self.group[which]] = 0.0
        zero = self._constants(draw, row)
        constants = zero - np.einsum("npms,pms->n", found, self.problem.reference)
        return found.reshape(len(draw), -1), constants

    def _constants(self, draw: NDArray[np.intp], row: NDArray[np.intp]) -> Floats:
        """Excess at the reference levels."""
        grouped = np.stack(
            [self.draws.base[:, self.layout.group_of == group].sum(axis=1) for group in range(len(self.layout.groups))],
            axis=1,
        )
        group, year = self.group[row], self.year[row]
        against = np.where(self.peaking[row], grouped[draw, group, self._anchor], 0.0)
        return np.asarray(grouped[draw, group, year] - against - self.slack[row])


def _check(problem: PortfolioProblem, draws: Draws) -> None:
    count, places, years = len(draws.base), len(problem.places), len(problem.years)
    measures = len(problem.measures)
    fits = draws.base.shape == (count, places, years) and count > 0
    fits &= draws.factor is None or draws.factor.shape in {(count, places, measures), (count, 1, measures)}
    fits &= draws.effect is None or draws.effect.shape == (count, places, measures, years, years)
    if not fits or not np.isfinite(draws.base).all():
        raise InputError(
            f"draws of shape {draws.base.shape}",
            doing="find a portfolio that holds over draws",
            expected=f"finite arrays of draws by {places} places, {measures} measures and {years} years",
            next_step="draw base and effects for the places and years of the problem",
        )


class _Sampled:
    """The programme with rows of draws, which grows where they are broken."""

    def __init__(self, blocks: Blocks, excess: _Excess, risk: float, method: Literal["chance", "cvar"]) -> None:
        self.excess, self.method, self.risk = excess, method, risk
        self.count = len(excess.draws.base)
        start = len(blocks.cost)
        self.own = start + np.arange(self.count)
        self.tail, self.level, self.peak = start + self.count, start + self.count + 1, start + self.count + 2
        self.blocks = self._grown_columns(blocks)
        self.kept = Kept(self.blocks)
        self.added: set[tuple[int, int]] = set()
        low, high = reachable(excess.problem)
        self._low, self._high = low.reshape(-1), high.reshape(-1)

    def _grown_columns(self, blocks: Blocks) -> Blocks:
        chance = self.method == "chance"
        extra = self.count + 3
        row = np.zeros((1, len(blocks.cost) + extra))
        row[0, self.own] = 1.0 if chance else 1.0 / (self.risk * self.count)
        row[0, self.tail] = 0.0 if chance else 1.0
        own_upper = np.full(self.count, 1.0 if chance else np.inf)
        allowed = float(np.floor(self.risk * self.count + 1e-9)) if chance else 0.0
        size = self.excess.size
        matrix = sparse.hstack([blocks.matrix, sparse.csr_array((blocks.matrix.shape[0], extra))])
        return replace(
            blocks,
            matrix=sparse.csr_array(sparse.vstack([matrix, sparse.csr_array(row)])),
            row_lower=np.append(blocks.row_lower, -np.inf),
            row_upper=np.append(blocks.row_upper, allowed),
            column_lower=np.concatenate(
                [blocks.column_lower, np.zeros(self.count), [0.0 if chance else -np.inf, 0, 0]]
            ),
            column_upper=np.concatenate([blocks.column_upper, own_upper, [0.0 if chance else np.inf, 0, 0]]),
            cost=np.concatenate([blocks.cost, np.zeros(extra)]),
            zero=np.concatenate([blocks.zero, np.zeros(extra)]),
            width=np.concatenate([blocks.width, np.full(self.count, 1.0 if chance else size), [size, size, size]]),
            whole=np.concatenate([blocks.whole, np.full(self.count, chance), np.zeros(3, dtype=np.bool_)]),
        )

    def add_broken(self, values: Floats) -> int:
        """Add the worst broken row of each kind of every draw; return how many."""
        levels = self.excess.layout.levels(values)
        excess = self.excess.of(levels)
        excess = excess - np.where(self.excess.peaking, values[self.peak], values[self.level])
        if self.method == "chance":
            excess = np.where((values[self.own] > 0.5)[:, None], -np.inf, excess)
        else:
            excess = excess - (values[self.own] + values[self.tail])[:, None]
        pairs: set[tuple[int, int]] = set()
        for kind in (False, True):
            masked = np.where(self.excess.peaking == kind, excess, -np.inf)
            worst = masked.argmax(axis=1)
            broken = np.flatnonzero(masked[np.arange(self.count), worst] > _BROKEN * self.excess.size)
            pairs |= {(int(draw), int(worst[draw])) for draw in broken}
        pairs -= self.added
        if pairs:
            self._add(pairs)
        return len(pairs)

    def _add(self, pairs: set[tuple[int, int]]) -> None:
        self.added |= pairs
        draw, row = (np.array(one, dtype=np.intp) for one in zip(*sorted(pairs), strict=True))
        coefficients, constants = self.excess.coefficients(draw, row)
        number = len(draw)
        matrix = np.zeros((number, len(self.blocks.cost)))
        matrix[:, : coefficients.shape[1]] = coefficients
        if self.method == "chance":
            with np.errstate(invalid="ignore"):
                best = np.where(coefficients > 0, coefficients * self._high, coefficients * self._low)
            largest = np.where(coefficients != 0, best, 0.0).sum(axis=1) + constants
            if not np.isfinite(largest).all():
                raise InputError(
                    "a measure that raises emissions has no upper bound",
                    doing="find a portfolio that holds over draws",
                    expected="bounds or ramps for every measure with an effect",
                    next_step="state what can be done at most",
                )
            matrix[np.arange(number), self.own[draw]] = -np.maximum(largest, 0.0)
        else:
            matrix[np.arange(number), self.own[draw]] = -1.0
            matrix[:, self.tail] = -1.0
        matrix[np.arange(number), np.where(self.excess.peaking[row], self.peak, self.level)] = -1.0
        self._append(sparse.csr_array(matrix), np.full(number, -np.inf), -constants)

    def _append(self, matrix: Matrix, lower: Floats, upper: Floats) -> None:
        self.kept.add_rows(matrix, lower, upper)
        self.blocks = replace(
            self.blocks,
            matrix=sparse.csr_array(sparse.vstack([self.blocks.matrix, matrix])),
            row_lower=np.concatenate([self.blocks.row_lower, lower]),
            row_upper=np.concatenate([self.blocks.row_upper, upper]),
        )

    def settle(self, *, integer: bool, gap: float, seconds: float | None) -> tuple[Raw, int]:
        """Solve and add broken rows until none is: first divisible, which is quick, then with decisions."""
        rounds = 0
        for decide in (False, True) if integer else (False,):
            while True:
                raw = self.kept.solve(integer=decide, gap=gap, seconds=seconds)
                rounds += 1
                if raw.status == "infeasible" or not self.add_broken(raw.values):
                    break
                if rounds > _MOST_ROUNDS:
                    raise NotConvergedError(
                        f"rows of draws were still broken after {rounds} rounds",
                        doing="find a portfolio that holds over draws",
                        expected="no broken row",
                        next_step="take fewer draws",
                    )
            if raw.status == "infeasible":
                break
        return raw, rounds

    def proved(self, raw: Raw, *, integer: bool) -> tuple[Raw, Residuals, float]:
        """Hold the decisions, solve the rest, and work out its residuals and what the prices prove."""
        lower, upper = self.blocks.column_lower.copy(), self.blocks.column_upper.copy()
        whole = np.flatnonzero(self.blocks.whole)
        if integer:
            lower[whole] = upper[whole] = np.round(raw.values[whole])
            self.kept.bound_columns(whole, lower[whole], upper[whole])
            status, raw = raw.status, self.kept.solve()
            while self.add_broken(raw.values):
                raw = self.kept.solve()
            raw = replace(raw, status=status)
            self.kept.bound_columns(whole, self.blocks.column_lower[whole], self.blocks.column_upper[whole])
        residuals, bound = residuals_of(
            replace(self.blocks, column_lower=lower, column_upper=upper), raw.values, raw.duals
        )
        check_residuals(residuals)
        return raw, residuals, bound


def solve_over_draws(
    problem: PortfolioProblem,
    request: PortfolioRequest,
    draws: Draws,
    *,
    risk: float = 0.1,
    method: Literal["chance", "cvar"] = "chance",
    gap: float = LARGEST_GAP,
    seconds: float | None = None,
) -> DrawsSolution | Infeasible:
    """Find the cheapest levels whose emissions keep peak and level over draws; other conditions hold as they stand.

    Parameters
    ----------
    problem : PortfolioProblem
    request : PortfolioRequest
        Peak year and level are asked of draws, not of the central case. A carbon price is left out of the cost.
    draws : Draws
    risk : float
        Share of draws that may fail (`chance`), or tail over which the excess is averaged (`cvar`).
    method : {'chance', 'cvar'}
    gap : float
        Of the mixed-integer programme.
    seconds : float, optional
        Time limit of each run of the solver.

    Returns
    -------
    DrawsSolution or Infeasible
        Infeasible names the least level, or least rise after the peak, that would do over these draws, each alone.

    Raises
    ------
    InputError
        Neither peak nor level asked, shapes that do not fit, a risk outside (0, 1), or a measure without bounds.
    NotConvergedError
        Residuals, the gap, or rows that stay broken.
    """
    if not 0 < risk < 1:
        raise InputError(
            f"a risk of {risk}",
            doing="find a portfolio that holds over draws",
            expected="a share between 0 and 1",
            next_step="name the share of draws that may fail",
        )
    contradiction = unreachable(problem)
    bare = build_blocks(problem, request.view, request.place, tuple(request.budgets))
    excess = _Excess(problem, request, draws, bare)
    asked = row_bounds(problem, bare, replace(request, peak_by=None, level=None, anchor=None, prices={}))
    blocks = replace(bare, row_lower=asked.lower, row_upper=asked.upper)
    sampled = _Sampled(blocks, excess, risk, method)
    integer = bool(sampled.blocks.whole.any())
    if contradiction:
        return _impossible(sampled, request, integer=integer, tried=False)
    raw, rounds = sampled.settle(integer=integer, gap=gap, seconds=seconds)
    if raw.status == "infeasible":
        return _impossible(sampled, request, integer=integer, tried=True)
    least = raw.bound
    raw, residuals, bound = sampled.proved(raw, integer=integer)
    levels = excess.layout.levels(raw.values)
    paid = problem.cost * (levels if problem.zero is None else levels - problem.zero)
    cost = float(paid.sum())
    size = max(abs(cost), 1e-6 * float(np.abs(paid).sum()), 1e-300)
    over = excess.of(levels).max(axis=1)
    held = over <= 2 * _BROKEN * excess.size
    bound = least if integer else bound
    answer = DrawsSolution(
        levels=levels,
        cost=cost,
        bound=bound,
        gap=max(0.0, cost - bound) / size,
        method=method,
        risk=risk,
        held=held,
        share=float(held.mean()),
        tail=_tail(over, risk),
        emissions=excess.emissions(levels),
        residuals=residuals,
        rows=len(sampled.added),
        rounds=rounds,
        status=raw.status,
    )
    if raw.status == "optimal" and answer.gap > gap:
        raise NotConvergedError(
            f"gap {answer.gap:.1e}: cost {cost:.6g}, bound {bound:.6g} CNY",
            doing="find a portfolio that holds over draws",
            expected=f"a gap of at most {gap:.0e}",
            next_step="give the solver more time or take fewer draws",
        )
    return answer


def _tail(over: Floats, risk: float) -> float:
    """Mean of the worst share of draws, the last of them counted in part."""
    ordered = np.sort(over)[::-1]
    weight = np.clip(risk * len(over) - np.arange(len(over)), 0.0, 1.0)
    return float((ordered * weight).sum() / weight.sum())


def _impossible(sampled: _Sampled, request: PortfolioRequest, *, integer: bool, tried: bool) -> Infeasible:
    """Say what would do over these draws: a higher level, or a rise after the peak, each alone."""
    kinds = [("level", sampled.level)] if request.level is not None else []
    kinds += [("peak", sampled.peak)] if request.peak_by is not None else []
    relaxations: list[Relaxation] = []
    for kind, column in kinds if tried else []:
        where = np.array([column])
        cost = np.zeros(len(sampled.blocks.cost))
        cost[column] = 1.0
        sampled.kept.price(cost)
        sampled.kept.bound_columns(where, np.zeros(1), np.full(1, np.inf))
        raw, _ = sampled.settle(integer=integer, gap=1e-9, seconds=None)
        sampled.kept.bound_columns(where, np.zeros(1), np.zeros(1))
        enough = raw.status != "infeasible"
        more = float(raw.values[column]) if enough else 0.0
        level = request.level if isinstance(request.level, float | int) else None
        bound = more if kind == "peak" or level is None else level + more
        word = "排放上限" if kind == "level" else "达峰后回升的容许量"
        relaxations.append(
            Relaxation(
                kind="level" if kind == "level" else "peak",
                enough=enough,
                amounts={kind: more} if enough else {},
                bounds={kind: bound} if enough else {},
                units={kind: "tCO2"} if enough else {},
                says=f"仅放宽{word}：须放宽{tonnes(more * 1.005)}。" if enough else f"仅放宽{word}不够。",
            )
        )
    chance = "的抽样中" if sampled.method == "chance" else "最坏抽样的平均意义上"
    share = 1 - sampled.risk if sampled.method == "chance" else sampled.risk
    says = f"在{share:.0%}{chance}，没有任何组合能同时满足各项条件。" + "".join(one.says for one in relaxations)
    conditions = tuple(unreachable(sampled.excess.problem))
    return Infeasible(conditions=conditions, relaxations=tuple(relaxations), jointly=None, says=says)


def check_draws(
    problem: PortfolioProblem, request: PortfolioRequest, draws: Draws, levels: Floats, *, confidence: float = 0.95
) -> DrawsCheck:
    """Judge levels on draws they were not fitted to.

    Parameters
    ----------
    problem : PortfolioProblem
    request : PortfolioRequest
    draws : Draws
        Independent of those of the programme.
    levels : float array (P, M, T)
    confidence : float
        One-sided, of the lower bound.

    Returns
    -------
    DrawsCheck
    """
    bare = build_blocks(problem, request.view, request.place, tuple(request.budgets))
    excess = _Excess(problem, request, draws, bare)
    held = int((excess.of(levels).max(axis=1) <= 2 * _BROKEN * excess.size).sum())
    count = len(draws.base)
    return DrawsCheck(
        draws=count,
        held=held,
        share=held / count,
        least_share=least_share(held, count, confidence),
        confidence=confidence,
    )


def least_share(held: int, draws: int, confidence: float = 0.95) -> float:
    """Return the lower bound of the true share at a confidence, when `held` of `draws` independent draws hold.

    Examples
    --------
    Sixty draws without a failure show at 95 % that the share is at least 0.95: `0.05 ** (1/60)`.

    >>> round(least_share(60, 60), 4)
    0.9513
    >>> least_share(0, 10)
    0.0
    """
    return float(stats.beta.ppf(1 - confidence, held, draws - held + 1)) if held else 0.0
