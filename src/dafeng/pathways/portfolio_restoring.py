"""The least level that the model reaches, found about the model's own levels.

Where the programme has no answer, it is asked for the least room that a level (or the rise after the peak) needs; the model runs at
the levels of that answer, and the programme is set up anew about them, within a radius that shrinks where the model does not follow
and grows where it does. What comes out is a level that the model has been seen to reach, with its levels, and below which the
programme about these levels sees no way.

Sources: restoration phase and ratio test of trust-region methods, Conn, Gould and Toint 2000, ch. 6 and 15 (B).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.portfolio_effects import Effects
from dafeng.pathways.portfolio_infeasible import Infeasible, relax
from dafeng.pathways.portfolio_levels import run_levels
from dafeng.pathways.portfolio_problem import PortfolioProblem
from dafeng.pathways.portfolio_programme import PortfolioRequest, build_programme
from dafeng.pathways.portfolio_search import (
    LARGEST_DIFFERENCE,
    NARROWS,
    RADIUS,
    STEP,
    Search,
    broken_emissions,
    broken_results,
    by_group,
    emissions_of,
    within,
)

__all__ = ["Restored", "allowed", "excess_of", "kind_of", "restore"]

Floats = NDArray[np.float64]
RestoredKind = Literal["level", "peak"]

_MOST_STEPS: Final = 12
_LEAST_RADIUS: Final = 0.01
_LEAST_GAIN: Final = 5e-4
"""Of the emissions without the choice: a gain below it ends the search."""
_POOR: Final = 0.25
_GOOD: Final = 0.75


@dataclass(frozen=True)
class Restored:
    """Where the search for the least level ended.

    Attributes
    ----------
    kind : {"level", "peak"}
        What has to give.
    effects : tuple of Effects
        About the best levels.
    problem : PortfolioProblem
        About them, without a radius.
    radius : float
        Of the last step.
    excess : float, tCO2
        By how much the model, at these levels, is above what is asked; not above zero where it is kept.
    """

    kind: RestoredKind
    effects: tuple[Effects, ...]
    problem: PortfolioProblem
    radius: float
    excess: float


def kind_of(request: PortfolioRequest) -> RestoredKind | None:
    """Return which condition on emissions can give: the level, else the rise after the peak.

    Parameters
    ----------
    request : PortfolioRequest

    Examples
    --------
    >>> kind_of(PortfolioRequest("direct", peak_by=2030, level=1e6)), kind_of(PortfolioRequest("direct", peak_by=2030))
    ('level', 'peak')
    """
    return "level" if request.level is not None else "peak" if request.peak_by is not None else None


def excess_of(request: PortfolioRequest, problem: PortfolioProblem, emitted: Floats) -> float:
    """Return by how much emissions (G, T) are above the level, or later years above the peak year where no level is asked.

    Parameters
    ----------
    request : PortfolioRequest
    problem : PortfolioProblem
    emitted : float array (G, T), tCO2

    Returns
    -------
    float, tCO2
        Below zero where there is room.
    """
    years = problem.years
    if request.level is not None:
        late = emitted[:, year_row(years, request.level_from or int(years[0])) :].max(axis=1)
        groups = problem.places if request.place == "each" else (request.place or "sum",)
        level = request.level
        bound = [float(level[one]) if isinstance(level, Mapping) else float(level) for one in groups]
        return float((late - bound).max())
    assert request.peak_by is not None
    after = year_row(years, request.peak_by)
    anchor = after if request.anchor is None else year_row(years, request.anchor)
    if after + 1 >= len(years):
        return -np.inf
    return float((emitted[:, after + 1 :].max(axis=1) - emitted[:, anchor]).max()) - request.peak_slack


def _worth(search: Search, problem: PortfolioProblem, levels: Floats) -> tuple[int, float]:
    """Run the model at levels (P, M, T): other conditions that it does not keep, and the excess."""
    request = search.request
    outcomes = [run_levels(place.choices, one) for place, one in zip(search.places, levels, strict=True)]
    view = problem.views.index(request.view)
    emitted = by_group(request, problem, emissions_of(outcomes, problem.years)[view])
    others = [] if request.level is None else broken_emissions(replace(request, level=None), problem, emitted)
    for place, one in zip(search.places, levels, strict=True):
        others += broken_results(place, one)
    return len(others), excess_of(request, problem, emitted)


def _step(search: Search, problem: PortfolioProblem, radius: float, kind: RestoredKind) -> tuple[Floats, float] | None:
    """Return the cheapest levels (P, M, T) with the least room of a kind, and that room; None where it is not enough."""
    scale = np.stack([place.choices.scale for place in search.places])
    near = within(problem, scale, radius)
    least = build_programme(near, search.request).least(search.request, kind, integer=search.integer)
    if least is None or not least.enough:
        return None
    for share in (1 + 1e-6, 1 + 1e-4, 1 + 1e-3):
        solution = build_programme(*relax(near, search.request, least, share=share)).solve(
            integer=search.integer, explain=False
        )
        if not isinstance(solution, Infeasible):
            return solution.levels, float(least.amounts.get(kind, 0.0))
    return None


def restore(search: Search, effects: tuple[Effects, ...], *, seen: bool) -> Restored | None:
    """Find the least level, or rise after the peak, that the model reaches.

    Parameters
    ----------
    search : Search
    effects : tuple of Effects
        Where to begin.
    seen : bool
        Whether the levels of the effects are an answer that counts itself; else the first step is taken as it comes.

    Returns
    -------
    Restored or None
        None where no room in this kind alone is enough.
    """
    kind = kind_of(search.request)
    if kind is None:
        return None
    problem, _, _ = search.set_up(effects)
    search.stand(problem)
    assert search.without is not None
    view = problem.views.index(search.request.view)
    size = float(np.abs(by_group(search.request, problem, search.without[view])[:, :1]).max())
    worth = _worth(search, problem, np.stack([one.levels for one in effects])) if seen else None
    radius = RADIUS if seen else np.inf
    for _ in range(_MOST_STEPS):
        step = _step(search, problem, radius, kind)
        if step is None:
            if worth is None:
                return None
            break
        levels, room = step
        after = _worth(search, problem, levels)
        if worth is None:
            worth, radius, moved = after, RADIUS, True
        else:
            gain, hoped = worth[1] - after[1], worth[1] - room
            moved = after[0] < worth[0] or (after[0] == worth[0] and gain > 0)
            if after[0] <= worth[0] and hoped <= _LEAST_GAIN * size:
                break
            radius *= NARROWS if not moved or gain < _POOR * hoped else 2.0 if gain > _GOOD * hoped else 1.0
            worth = after if moved else worth
        if moved:
            effects = search.linearise(tuple(levels), STEP)
            problem, _, _ = search.set_up(effects)
        if worth[1] <= allowed(search.request, kind) or radius < _LEAST_RADIUS:
            break
    assert worth is not None
    return Restored(kind, effects, problem, min(radius, RADIUS), worth[1])


def allowed(request: PortfolioRequest, kind: RestoredKind) -> float:
    """Return the excess that the check of the model lets pass, tCO2."""
    if kind == "peak":
        return 0.0
    level = request.level
    bound = min(level.values()) if isinstance(level, Mapping) else float(level or 0.0)
    return LARGEST_DIFFERENCE * bound
