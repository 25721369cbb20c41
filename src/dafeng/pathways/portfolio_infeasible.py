"""Why no portfolio keeps all that is asked: conditions that cannot hold together, and the least relaxations that would do.

The programme is set up once more with room to give in every named condition (an elastic programme). Conditions with a price in its
optimum cannot all hold (Farkas); each is then left out in turn and stays out where the rest still cannot hold, which leaves an
irreducible set. A relaxation gives room to one kind of condition alone, and asks for the least.

Sources: elastic and deletion filters, Chinneck 2008, Feasibility and Infeasibility in Optimization, ch. 6 (B).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dafeng.base.errors import NotConvergedError
from dafeng.base.record import Record
from dafeng.pathways.portfolio_blocks import Blocks, reachable
from dafeng.pathways.portfolio_kept import Kept
from dafeng.pathways.portfolio_problem import ConditionKind, PortfolioProblem
from dafeng.pathways.portfolio_request import (
    NamedRow,
    PortfolioRequest,
    RowBounds,
    money,
    row_bounds,
    tonnes,
    tonnes_up,
)

__all__ = ["Explainer", "Infeasible", "InfeasibleCondition", "Relaxation", "RelaxationKind", "relax"]

Floats = NDArray[np.float64]
RelaxationKind = Literal["level", "peak", "peak_year", "budget", "target", "supply", "ramp", "joint"]
KINDS: Final[tuple[RelaxationKind, ...]] = ("level", "peak", "peak_year", "budget", "target", "supply", "ramp")
WORDS: Final = {
    "level": "排放上限",
    "peak": "达峰后回升的容许量",
    "peak_year": "达峰年",
    "budget": "投资预算",
    "target": "规划目标",
    "supply": "供给上限",
    "ramp": "措施年增幅",
    "joint": "各类条件",
}
_NONE: Final = 1e-7
"""Sum of relative relaxations below which conditions hold together."""


class InfeasibleCondition(Record):
    """One of the conditions that cannot hold together."""

    name: str
    """Its name in the programme; `bounds.<place>.<measure>` for a measure whose own bounds leave nothing."""
    kind: ConditionKind | None
    """What it is about; None for bounds and ramps."""
    says: str
    """What it asks, in Chinese."""


class Relaxation(Record):
    """The least that would have to give, all else as asked."""

    kind: RelaxationKind
    """What gives: one kind alone, or all (`joint`)."""
    enough: bool
    """Whether giving in this kind alone would do."""
    amounts: dict[str, float]
    """By condition how much: tCO2 for `level` and `peak` (all years alike), years for `peak_year`, a share more for `ramp`, else in the
    condition's unit."""
    bounds: dict[str, float]
    """By condition the bound it would then have: tCO2, the year, times the ramp, or the condition's unit."""
    units: dict[str, str]
    """By condition the unit of both."""
    says: str
    """The same in Chinese, rounded so that it holds."""
    confirmed: bool = False
    """Whether the model has been seen to keep all conditions with it; else it rests on the linear programme alone."""


class Infeasible(Record):
    """No portfolio keeps all conditions."""

    conditions: tuple[InfeasibleCondition, ...]
    """These cannot hold together under the bounds and ramps of the measures; without any one of them the rest can."""
    relaxations: tuple[Relaxation, ...]
    """By kind alone."""
    jointly: Relaxation | None
    """All kinds at once, least sum of relative relaxations; None where the bounds of measures contradict one another."""
    says: str
    """All of it in Chinese."""

    @classmethod
    def bare(cls, asked: RowBounds) -> Infeasible:
        """Return the answer without reasons."""
        return cls(conditions=(), relaxations=(), jointly=None, says=f"{len(asked.named)}项条件无法同时满足。")

    def relaxation(self, kind: RelaxationKind) -> Relaxation | None:
        """Return the relaxation of a kind, None where there is nothing of the kind to relax."""
        return next((one for one in (*self.relaxations, self.jointly) if one and one.kind == kind), None)


def relax(
    problem: PortfolioProblem, request: PortfolioRequest, relaxation: Relaxation, *, share: float = 1.0
) -> tuple[PortfolioProblem, PortfolioRequest]:
    """Return problem and request with a relaxation granted.

    Parameters
    ----------
    problem : PortfolioProblem
    request : PortfolioRequest
    relaxation : Relaxation
    share : float
        Share of it that is granted; the peak year is granted whole.
    """
    given = {name: amount * share for name, amount in relaxation.amounts.items()}
    level, budgets = request.level, dict(request.budgets)
    if "level" in given and level is not None:
        more = given["level"]
        level = {name: one + more for name, one in level.items()} if isinstance(level, Mapping) else level + more
    for year in budgets:
        budgets[year] += given.get("budget.total" if year is None else f"budget.{year}", 0.0)
    peak_by = request.peak_by
    if relaxation.kind == "peak_year" and relaxation.enough:
        peak_by = round(relaxation.bounds["peak_year"])
    asked = replace(
        request, level=level, budgets=budgets, peak_by=peak_by, peak_slack=request.peak_slack + given.get("peak", 0.0)
    )
    conditions = tuple(
        replace(
            one,
            lower=one.lower - given.get(f"{one.name}:lower", 0.0),
            upper=one.upper + given.get(f"{one.name}:upper", 0.0),
        )
        for one in problem.conditions
    )
    return replace(problem, conditions=conditions, ramp=problem.ramp * (1 + given.get("ramp", 0.0))), asked


@dataclass(frozen=True)
class _Room:
    """Columns of the elastic programme that give room.

    Attributes
    ----------
    over, under : int array (relaxable rows,)
        Room above the upper bound and below the lower one of each row.
    rows : int array
    level, peak, ramp : int
        Room that all level rows share, all peak rows, and the share by which ramps grow.
    """

    rows: NDArray[np.intp]
    over: NDArray[np.intp]
    under: NDArray[np.intp]
    level: int
    peak: int
    ramp: int


def _elastic(problem: PortfolioProblem, blocks: Blocks) -> tuple[Blocks, _Room]:
    """Append columns that give room; they are shut until a question opens them."""
    at, count, height = blocks.layout.rows, len(blocks.cost), blocks.matrix.shape[0]
    rows = np.concatenate([np.arange(at[name].start, at[name].stop) for name in ("peak", "level", "budget", "named")])
    number = len(rows)
    over, under = count + np.arange(number), count + number + np.arange(number)
    level, peak, ramp = (count + 2 * number + one for one in range(3))
    own = {name: np.arange(at[name].start, at[name].stop) for name in ("level", "peak", "ramp")}
    finite = own["ramp"][np.isfinite(blocks.row_upper[own["ramp"]])]
    ramps = problem.ramp[np.isfinite(problem.ramp) | problem.durable[None, :]].repeat(blocks.layout.shape[2])
    grown = ramps[np.isfinite(ramps)]
    entries = [
        (rows, over, np.full(number, -1.0)),
        (rows, under, np.full(number, 1.0)),
        (own["level"], np.full(len(own["level"]), level), np.full(len(own["level"]), -1.0)),
        (own["peak"], np.full(len(own["peak"]), peak), np.full(len(own["peak"]), -1.0)),
        (finite, np.full(len(finite), ramp), -grown),
    ]
    row, column, value = (np.concatenate(one) for one in zip(*entries, strict=True))
    more = sparse.csr_array(sparse.coo_array((value, (row, column - count)), shape=(height, 2 * number + 3)))
    sizes = blocks.sizes()
    emission = float(blocks.width[blocks.layout.columns["emissions"]].max())
    extra = 2 * number + 3
    grow = replace(
        blocks,
        matrix=sparse.csr_array(sparse.hstack([blocks.matrix, more])),
        column_lower=np.concatenate([blocks.column_lower, np.zeros(extra)]),
        column_upper=np.concatenate([blocks.column_upper, np.zeros(extra)]),
        cost=np.zeros(count + extra),
        zero=np.zeros(count + extra),
        width=np.concatenate([blocks.width, sizes[rows], sizes[rows], [emission, emission, 1.0]]),
        whole=np.concatenate([blocks.whole, np.zeros(extra, dtype=np.bool_)]),
    )
    return grow, _Room(rows, over, under, level, peak, ramp)


class Explainer:
    """The elastic programme, kept in the solver.

    Parameters
    ----------
    problem : PortfolioProblem
    blocks : Blocks
        Of the programme, with the bounds that no request changes.
    """

    def __init__(self, problem: PortfolioProblem, blocks: Blocks) -> None:
        self._problem = problem
        self._bare = blocks
        self._blocks, self._room = _elastic(problem, blocks)
        self._kept = Kept(self._blocks)
        self._place = {int(row): at for at, row in enumerate(self._room.rows)}

    def explain(self, request: PortfolioRequest, *, integer: bool = False) -> Infeasible:
        """Name conditions that cannot hold together and the least relaxations.

        Raises
        ------
        NotConvergedError
            The conditions hold together within tolerance: the programme sits on its edge.
        """
        nothing_left = unreachable(self._problem)
        if nothing_left:
            return _contradiction(nothing_left)
        asked = self._set(request)
        smallest = self._smallest_set(asked, integer=integer)
        if smallest is None:
            return _contradiction(
                [InfeasibleCondition(name="decisions", kind=None, says="措施的起步规模、互斥关系与自身下限")]
            )
        relaxations = tuple(
            found for kind in KINDS if (found := self.least(request, kind, integer=integer)) is not None
        )
        jointly = self.least(request, "joint", integer=integer)
        conditions = tuple(InfeasibleCondition(name=one.name, kind=one.kind, says=one.says) for one in smallest)
        enough = [one.says for one in relaxations if one.enough]
        short = [WORDS[one.kind] for one in relaxations if not one.enough]
        says = "以下条件在措施的上下限和年增幅内无法同时满足：" + "；".join(one.says for one in conditions) + "。"
        says += "".join(enough) + (f"仅放宽{'、'.join(short)}都不够。" if short else "")
        return Infeasible(conditions=conditions, relaxations=relaxations, jointly=jointly, says=says)

    def least(self, request: PortfolioRequest, kind: RelaxationKind, *, integer: bool = False) -> Relaxation | None:
        """Return the least relaxation of one kind, None where nothing of the kind is asked."""
        asked = self._set(request)
        if kind == "peak_year":
            return self._later_peak(request, integer=integer)
        open_columns, weight = self._columns_of(kind, asked)
        if not len(open_columns):
            return None
        if not self._holds(asked, free=open_columns.tolist(), integer=integer):
            return _not_enough(kind)
        found = self._run(dict(zip(open_columns.tolist(), weight.tolist(), strict=True)), integer=integer)
        return _not_enough(kind) if found is None else self._worded(kind, asked, found[0])

    def _holds(self, asked: RowBounds, *, free: Iterable[int] = (), integer: bool) -> bool:
        """Say whether the conditions can hold with some columns free.

        Asked as a programme that always has an answer, from which the next one starts: much quicker than proving that there is none.
        """
        free = set(free)
        weights = {
            column: 1 / self._size(one) for one in asked.named for column in self._sides(one) if column not in free
        }
        found = self._run(weights, free, integer=integer)
        return found is not None and found[2] <= _NONE

    def _set(self, request: PortfolioRequest) -> RowBounds:
        asked = row_bounds(self._problem, self._bare, request)
        rows = np.arange(len(asked.lower))
        self._kept.bound_rows(rows, asked.lower, asked.upper)
        return asked

    def _run(
        self, weights: Mapping[int, float], free: Iterable[int] = (), *, integer: bool
    ) -> tuple[Floats, Floats, float] | None:
        """Solve with some columns open at a weight each and some free; return values, duals and the weighted sum."""
        blocks, base = self._blocks, len(self._bare.cost)
        upper = blocks.column_upper[base:].copy()
        cost = np.zeros(len(blocks.cost))
        for column, weight in weights.items():
            upper[column - base], cost[column] = np.inf, weight
        for column in free:
            upper[column - base] = np.inf
        columns = np.arange(base, len(blocks.cost))
        self._kept.bound_columns(columns, np.zeros(len(columns)), upper)
        self._kept.price(cost)
        raw = self._kept.solve(integer=integer and bool(blocks.whole.any()), gap=1e-9)
        return None if raw.status == "infeasible" else (raw.values, raw.duals, float(cost @ raw.values))

    def _sides(self, one: NamedRow) -> list[int]:
        at = self._place[one.row]
        over = [int(self._room.over[at])] if np.isfinite(one.upper) else []
        return over + ([int(self._room.under[at])] if np.isfinite(one.lower) else [])

    def _size(self, one: NamedRow) -> float:
        bound = max((abs(side) for side in (one.lower, one.upper) if np.isfinite(side)), default=0.0)
        return bound or float(self._blocks.width[self._room.over[self._place[one.row]]])

    def _smallest_set(self, asked: RowBounds, *, integer: bool) -> list[NamedRow] | None:
        """Return an irreducible set of conditions that cannot hold together, None where bounds alone contradict."""
        left = list(asked.named)
        found = self._conflict(left, left, integer=integer)
        if found is None:
            return None
        if not found:
            raise NotConvergedError(
                "the conditions hold together within tolerance, yet the solver found no portfolio",
                doing="explain an infeasible programme",
                expected="conditions that clearly contradict, or hold",
                next_step="relax the tightest condition by a thousandth and run again",
            )
        kept: list[NamedRow] = []
        left = found
        while left:
            one, *rest = left
            without = self._conflict(kept + rest, list(asked.named), integer=integer)
            if without:
                left = [other for other in rest if other in without]
            else:
                kept.append(one)
                left = rest
        return kept

    def _conflict(self, tried: list[NamedRow], every: list[NamedRow], *, integer: bool) -> list[NamedRow] | None:
        """Return those of `tried` that already cannot hold together, none where they can, None where nothing helps."""
        names = {one.name for one in tried}
        weights = {column: 1 / self._size(one) for one in tried for column in self._sides(one)}
        free = [column for one in every if one.name not in names for column in self._sides(one)]
        found = self._run(weights, free, integer=integer)
        if found is None:
            return None
        _, duals, worth = found
        if worth <= _NONE:
            return []
        return tried if integer else [one for one in tried if abs(duals[one.row]) * self._size(one) > _NONE]

    def _columns_of(self, kind: RelaxationKind, asked: RowBounds) -> tuple[NDArray[np.intp], Floats]:
        """Return the columns that give room to a kind, and the weight of a unit: relative where units differ."""
        columns: list[int] = []
        weights: list[float] = []
        kinds = {one.kind.value for one in asked.named}
        emission = float(self._blocks.width[self._room.level])
        for shared, column in (("level", self._room.level), ("peak", self._room.peak)):
            if kind in {shared, "joint"} and shared in kinds:
                columns.append(column)
                weights.append(1 / emission)
        if kind == "ramp" and np.isfinite(self._problem.ramp).any():
            columns.append(self._room.ramp)
            weights.append(1.0)
        loose = [one for one in asked.named if one.kind.value not in {"level", "peak"}]
        for one in (one for one in loose if kind in {one.kind.value, "joint"}):
            sides = self._sides(one)
            columns += sides
            weights += [1.0 if kind == "budget" else 1 / self._size(one)] * len(sides)
        return np.array(columns, dtype=np.intp), np.array(weights)

    def _later_peak(self, request: PortfolioRequest, *, integer: bool) -> Relaxation | None:
        if request.peak_by is None:
            return None
        last = int(self._problem.years[-1])
        for year in range(request.peak_by + 1, last):
            if self._holds(self._set(replace(request, peak_by=year)), integer=integer):
                return Relaxation(
                    kind="peak_year",
                    enough=True,
                    amounts={"peak_year": float(year - request.peak_by)},
                    bounds={"peak_year": float(year)},
                    units={"peak_year": "year"},
                    says=f"达峰年不能早于{year}年（比要求的{request.peak_by}年晚{year - request.peak_by}年）。",
                )
        return _not_enough("peak_year")

    def _worded(self, kind: RelaxationKind, asked: RowBounds, values: Floats) -> Relaxation:
        amounts: dict[str, float] = {}
        bounds: dict[str, float] = {}
        units: dict[str, str] = {}
        says: list[str] = []
        shared = {"level": self._room.level, "peak": self._room.peak, "ramp": self._room.ramp}
        for name, column in shared.items():
            more = float(values[column])
            if kind not in {name, "joint"} or more <= _NONE * float(self._blocks.width[column]):
                continue
            levels = sorted({one.upper for one in asked.named if one.kind == ConditionKind.LEVEL})
            amounts[name] = more
            bounds[name] = {"level": (levels or [0.0])[-1] + more, "peak": more, "ramp": 1 + more}[name]
            units[name] = "1" if name == "ramp" else "tCO2"
            says.append(_shared_words(name, more, levels))
        for one in asked.named:
            at = self._place[one.row]
            for side, column, bound, sign in (
                ("upper", self._room.over[at], one.upper, 1.0),
                ("lower", self._room.under[at], one.lower, -1.0),
            ):
                more = float(values[column])
                if more <= _NONE * self._size(one):
                    continue
                name = one.name if one.kind == ConditionKind.BUDGET else f"{one.name}:{side}"
                amounts[name], bounds[name], units[name] = more, bound + sign * more, one.unit
                says.append(f"“{one.says}”须放宽{_amount(more, one.unit)}")
        alone = "" if kind == "joint" else f"仅放宽{WORDS[kind]}："
        return Relaxation(
            kind=kind,
            enough=True,
            amounts=amounts,
            bounds=bounds,
            units=units,
            says=alone + ("，".join(says) if says else "已能满足") + "。",
        )


def unreachable(problem: PortfolioProblem) -> list[InfeasibleCondition]:
    """Return measures whose own bounds, ramps and lasting levels leave nothing, by place."""
    low, high = reachable(problem)
    size = np.maximum(1.0, np.maximum(np.abs(np.nan_to_num(low, posinf=0, neginf=0)), 1.0))
    found = []
    for place, measure in np.argwhere((low > high + 1e-9 * size).any(axis=2)).tolist():
        at = int(np.argmax(low[place, measure] > high[place, measure]))
        where, what, year = problem.places[place], problem.measures[measure], int(problem.years[at])
        found.append(
            InfeasibleCondition(
                name=f"bounds.{where}.{what}",
                kind=None,
                says=f"{where}的措施{what}到{year}年至少须达{low[place, measure, at]:,.4g}，"
                f"按年增幅和上限最多只能达{high[place, measure, at]:,.4g}",
            )
        )
    return found


def _contradiction(conditions: list[InfeasibleCondition]) -> Infeasible:
    says = "措施自身的上下限、年增幅相互矛盾，放宽其他条件无济于事：" + "；".join(one.says for one in conditions) + "。"
    return Infeasible(conditions=tuple(conditions), relaxations=(), jointly=None, says=says)


def _not_enough(kind: RelaxationKind) -> Relaxation:
    says = "期内推迟到任何一年达峰都不够。" if kind == "peak_year" else f"仅放宽{WORDS[kind]}不够。"
    return Relaxation(kind=kind, enough=False, amounts={}, bounds={}, units={}, says=says)


def _shared_words(name: str, more: float, levels: list[float]) -> str:
    if name == "ramp":
        return f"各项措施的年增幅须放宽到{math.ceil((1 + more) * 100) / 100:.2f}倍"
    if name == "peak":
        return f"须容许以后各年比达峰年高出{tonnes_up(more)}"
    if len(levels) == 1:
        return f"排放上限须不低于{tonnes_up(levels[0] + more)}（提高{tonnes_up(more)}）"
    return f"各地排放上限须各提高{tonnes_up(more)}"


def _amount(value: float, unit: str) -> str:
    if unit == "CNY":
        return money(value * (1 + 1e-6))
    return tonnes(value) if unit == "tCO2" else f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.4g} {unit}"
