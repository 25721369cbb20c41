"""What duties of the plans cost by the model: the portfolio without a duty, run again, with what no condition then needs taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.portfolio_answers import Duty, Evaluator, LevelUse
from dafeng.pathways.portfolio_infeasible import Infeasible
from dafeng.pathways.portfolio_programme import build_programme
from dafeng.pathways.portfolio_search import Portfolio, broken_emissions, broken_results, by_group

__all__ = ["MODELLED", "modelled_duties"]

Floats = NDArray[np.float64]

MODELLED: Final = 4
"""Duties that are run through the model."""
_COSTLY: Final = 10
"""Dearest measures that are tried without."""
_NEAR: Final = 1e-6


@dataclass(frozen=True)
class _State:
    net: float
    emitted: Floats


class _Without:
    """The portfolio without some conditions."""

    def __init__(self, catalog: Catalog, found: Portfolio) -> None:
        self.found = found
        self.evaluators = [Evaluator(catalog, found, row) for row in range(len(found.places))]
        self.view = found.problem.views.index(found.request.view)

    def state(self, levels: Floats) -> _State:
        worths = [one.worth(own) for one, own in zip(self.evaluators, levels, strict=True)]
        return _State(sum(one.net for one in worths), np.stack([one.emissions[self.view] for one in worths]))

    def broken(self, levels: Floats, state: _State, dropped: frozenset[str]) -> int:
        """Count the conditions, but those dropped, that levels do not keep: emissions and results by the model."""
        problem, request = self.found.problem, self.found.request
        count = len(broken_emissions(request, problem, by_group(request, problem, state.emitted)))
        for place, own in zip(self.found.places, levels, strict=True):
            count += len(broken_results(place, own, without=dropped))
        for one in problem.conditions:
            if one.name in dropped or len(set(one.measures.tolist())) > 1:
                continue
            value = float(one.coefficients @ levels[one.places, one.measures, one.years])
            count += value < one.lower - _NEAR * max(1.0, abs(one.lower))
            count += value > one.upper + _NEAR * max(1.0, abs(one.upper))
        return count

    def leaner(
        self,
        levels: Floats,
        state: _State,
        back: Floats,
        ranked: Sequence[tuple[float, int, int]],
        dropped: frozenset[str],
        allowed: int,
    ) -> _State:
        """Take dear measures back one by one, as long as nothing else breaks and the cost falls."""
        for _, row, measure in ranked[:_COSTLY]:
            if not (levels[row, measure] > back[row, measure] + _NEAR).any():
                continue
            less = levels.copy()
            less[row, measure] = np.minimum(levels[row, measure], back[row, measure])
            after = self.state(less)
            if after.net < state.net and self.broken(less, after, dropped) <= allowed:
                levels, state = less, after
        return state


def modelled_duties(
    catalog: Catalog,
    found: Portfolio,
    duties: Sequence[Duty],
    uses: Sequence[Sequence[LevelUse]],
    year: int,
    *,
    most: int = MODELLED,
) -> tuple[Duty, ...]:
    """Return the duties, dearest first, those that matter most with their cost by the model.

    Parameters
    ----------
    catalog : Catalog
    found : Portfolio
    duties : sequence of Duty
        By the linear programme.
    uses : sequence of sequence of LevelUse
        By place: what measures cost the portfolio.
    year : int
        Year of `avoided`.
    most : int
        Duties that are run: those on results that many measures bring about first, for there the programme is furthest from the
        model, then the dearest.

    Returns
    -------
    tuple of Duty
        Those not run keep the figure of the programme.

    Notes
    -----
    Without the duty the programme is solved again and the model runs at the answer; then, from there and from the portfolio itself, dear
    measures that nothing needs any more are taken back one by one, as long as the model keeps the other conditions and its cost falls.
    The saving is thus one that can be
    had, and maybe not the largest.
    """
    problem, at = found.problem, year_row(found.problem.years, year)
    names = {
        duty.because: frozenset(one.name for one in problem.conditions if one.because == duty.because)
        for duty in duties
    }
    joint = {one.because for one in problem.conditions if len(set(one.measures.tolist())) > 1}
    picked = sorted(duties, key=lambda duty: (duty.because not in joint, -duty.saving))[:most]
    run = _Without(catalog, found)
    base = found.solution.levels
    whole = run.state(base)
    assert problem.zero is not None
    back = np.minimum(base, np.maximum(problem.zero, problem.low))
    ranked = sorted(
        ((use.cost, row, measure) for row, own in enumerate(uses) for measure, use in enumerate(own) if use.cost > 0),
        reverse=True,
    )
    programme = build_programme(problem, found.request)
    said = {}
    for duty in picked:
        dropped = names[duty.because]
        allowed = run.broken(base, whole, dropped)
        starts = [(base, whole)]
        programme.ask(replace(found.request, without=frozenset({*found.request.without, *dropped})))
        other = programme.solve(explain=False)
        if not isinstance(other, Infeasible):
            after = run.state(other.levels)
            if after.net < whole.net and run.broken(other.levels, after, dropped) <= allowed:
                starts.append((other.levels, after))
        state = min((run.leaner(*one, back, ranked, dropped, allowed) for one in starts), key=lambda one: one.net)
        more = float((state.emitted - whole.emitted)[:, at].sum())
        said[duty.because] = replace(duty, saving=whole.net - state.net, avoided=more, modelled=True)
    return tuple(sorted((said.get(duty.because, duty) for duty in duties), key=lambda duty: -duty.saving))
