"""Cost against level and peak year, by moving the bounds of one kept programme; and the cheapest year to measure a peak against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from dafeng.base.errors import InputError
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_programme import Programme
from dafeng.pathways.portfolio_request import PortfolioRequest, tonnes
from dafeng.pathways.portfolio_solution import PortfolioSolution

__all__ = ["FrontPoint", "cheapest_anchor", "portfolio_front"]

_SAME = 1e-9


@dataclass(frozen=True)
class FrontPoint:
    """One point of the front.

    Attributes
    ----------
    level : float or None, tCO2
    peak_by : int or None
    solution : PortfolioSolution or None
        None where nothing keeps the conditions.
    dominated_by : (level, peak year) or None
        Another point that is no dearer, no higher and no later, and better in one.
    least_level : float or None, tCO2
        Of an infeasible point: the least level that would do at its peak year; None where no level does.
    earliest_peak : int or None
        Of an infeasible point: the earliest peak year of the front at which its level does.
    says : str
        The point in Chinese.
    """

    level: float | None
    peak_by: int | None
    solution: PortfolioSolution | None
    dominated_by: tuple[float | None, int | None] | None
    least_level: float | None
    earliest_peak: int | None
    says: str

    @property
    def cost(self) -> float:
        """Cost with the charge on emissions, CNY; infinite where infeasible."""
        return np.inf if self.solution is None else self.solution.cost + self.solution.charge


def cheapest_anchor(
    programme: Programme, request: PortfolioRequest, *, integer: bool = False
) -> tuple[PortfolioSolution | Infeasible, int | None]:
    """Find the cheapest portfolio that peaks by a year, whichever year up to it is the highest.

    `peak_by` with its own year as anchor asks that no later year is above that very year, which a portfolio that peaks sooner and
    then wavers may not keep. Here every year up to it is tried as anchor; the answer is the least, and never dearer for a later peak.

    Parameters
    ----------
    programme : Programme
        Left at the request with the anchor found.
    request : PortfolioRequest
    integer : bool

    Returns
    -------
    PortfolioSolution or Infeasible
        Infeasible as explained for the anchor `peak_by`.
    anchor : int or None
    """
    if request.peak_by is None:
        programme.ask(request)
        return programme.solve(integer=integer), None
    best: tuple[float, PortfolioSolution, int] | None = None
    for year in range(request.peak_by, int(programme.problem.years[0]) - 1, -1):
        programme.ask(replace(request, anchor=year))
        found = programme.solve(integer=integer, explain=False)
        if isinstance(found, PortfolioSolution) and (best is None or found.cost + found.charge < best[0]):
            best = (found.cost + found.charge, found, year)
    programme.ask(replace(request, anchor=best[2] if best else None))
    return (best[1], best[2]) if best else (programme.explain(integer=integer), None)


def portfolio_front(
    programme: Programme,
    levels: Sequence[float | None],
    peaks: Sequence[int | None],
    *,
    integer: bool = False,
    anchor: Literal["year", "any"] = "year",
) -> tuple[FrontPoint, ...]:
    """Solve every pair of level and peak year on the kept programme.

    Levels go from loose to tight, so that each solve starts close to its answer; what is infeasible at a level is so at all tighter
    ones of the same peak year and is not tried again.

    Parameters
    ----------
    programme : Programme
        Its own request is asked again at the end.
    levels : sequence of float or None, tCO2
    peaks : sequence of int or None
        None asks for no peak.
    integer : bool
    anchor : {'year', 'any'}
        Against which year later ones are measured; see `cheapest_anchor`.

    Returns
    -------
    tuple of FrontPoint
        By peak year, then level from loose to tight; dominated and infeasible points are marked.

    Raises
    ------
    InputError
        No level or no peak year, or a level by place.
    """
    if not levels or not peaks or isinstance(programme.request.level, dict):
        raise InputError(
            f"{len(levels)} levels and {len(peaks)} peak years",
            doing="draw the front",
            expected="at least one of each, None for no condition, and one level for all groups",
            next_step="name levels and peak years",
        )
    asked = programme.request
    ordered = sorted(set(levels), key=lambda one: -np.inf if one is None else -one)
    years = sorted(set(peaks), key=lambda one: np.inf if one is None else one)
    points: list[FrontPoint] = []
    for peak in years:
        least: float | None = None
        shut = False
        for level in ordered:
            request = replace(asked, level=level, peak_by=peak, anchor=None)
            solution = None if shut else _solved(programme, request, integer=integer, anchor=anchor)
            if solution is None and not shut:
                shut, least = True, _least_level(programme, request, integer=integer)
            points.append(FrontPoint(level, peak, solution, None, least if shut else None, None, ""))
    programme.ask(asked)
    return tuple(_placed(point, points) for point in points)


def _solved(
    programme: Programme, request: PortfolioRequest, *, integer: bool, anchor: Literal["year", "any"]
) -> PortfolioSolution | None:
    if anchor == "any" and request.peak_by is not None:
        answer: PortfolioSolution | Infeasible = cheapest_anchor(programme, request, integer=integer)[0]
    else:
        programme.ask(request)
        answer = programme.solve(integer=integer, explain=False)
    return answer if isinstance(answer, PortfolioSolution) else None


def _least_level(programme: Programme, request: PortfolioRequest, *, integer: bool) -> float | None:
    if request.level is None:
        return None
    found = programme.least(request, "level", integer=integer)
    return found.bounds["level"] if found is not None and found.enough else None


def _placed(point: FrontPoint, points: Sequence[FrontPoint]) -> FrontPoint:
    """Mark a point against the others and put it into words."""
    where = "不设达峰年" if point.peak_by is None else f"{point.peak_by}年前达峰"
    where += "" if point.level is None else f"、上限{tonnes(point.level)}"
    if point.solution is None:
        earliest = min(
            (
                one.peak_by
                for one in points
                if one.level == point.level and one.solution is not None and one.peak_by is not None
            ),
            default=None,
        )
        ways = [] if point.least_level is None else [f"上限须不低于{tonnes(point.least_level)}"]
        ways += [] if earliest is None else [f"达峰年须推迟到{earliest}年"]
        return replace(
            point, earliest_peak=earliest, says=f"{where}：做不到；" + ("或".join(ways) or "单独放宽其一也不够") + "。"
        )
    better = next((one for one in points if one is not point and _dominates(one, point)), None)
    says = f"{where}：{point.cost / 1e8:,.2f}亿元" + ("" if better is None else "，另有不更贵而更低或更早的方案") + "。"
    return replace(point, dominated_by=None if better is None else (better.level, better.peak_by), says=says)


def _dominates(one: FrontPoint, other: FrontPoint) -> bool:
    if one.solution is None:
        return False
    slack = _SAME * max(1.0, abs(other.cost))
    mine, theirs = _key(one), _key(other)
    no_worse = one.cost <= other.cost + slack and mine[0] <= theirs[0] and mine[1] <= theirs[1]
    return no_worse and (one.cost < other.cost - slack or mine != theirs)


def _key(point: FrontPoint) -> tuple[float, float]:
    return (
        np.inf if point.level is None else point.level,
        np.inf if point.peak_by is None else float(point.peak_by),
    )
