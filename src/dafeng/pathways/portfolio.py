"""The cheapest portfolio that the pathway model confirms: a linear programme about the model, set up anew until both agree.

1. Effects and costs are linear about levels; first about those of the plan with a long step, what the way up gives on average.
2. The programme gives the cheapest levels. The model runs at them.
3. Where programme and model differ by more than the tolerance on the boundary in question in any year, or the model does not keep a
   condition, everything is set up anew about these levels, and the next answer may not go further from them than a radius that
   shrinks from round to round.
4. Where that ends without an answer, the least level that the model reaches is looked for about its own levels; it is either enough,
   and the rounds go on from there, or it is the least relaxation.
5. Measures that by the model cost more than they save, and that no condition needs, go back to what the plan asks of them; the
   programme is solved once more within these ceilings. A linear programme near its reference does not see such a measure where the
   radius holds it.
6. What the model does not confirm after the last round is said; the portfolio is then not called confirmed.

The last round's programme stays in the solver for fronts and prices of duties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.listener import Listener, silent
from dafeng.catalog.catalog import Catalog
from dafeng.pathways.outcome import VIEWS
from dafeng.pathways.portfolio_assembly import fixed_rows
from dafeng.pathways.portfolio_costs import model_cost
from dafeng.pathways.portfolio_effects import measured
from dafeng.pathways.portfolio_infeasible import Infeasible, Relaxation, relax
from dafeng.pathways.portfolio_place import PortfolioPlace
from dafeng.pathways.portfolio_programme import PortfolioRequest
from dafeng.pathways.portfolio_request import tonnes_up
from dafeng.pathways.portfolio_restoring import Restored, allowed, restore
from dafeng.pathways.portfolio_search import (
    LARGEST_DIFFERENCE,
    LONG_STEP,
    NARROWS,
    RADIUS,
    STEP,
    NoPortfolio,
    Portfolio,
    PortfolioRound,
    Search,
    Stuck,
    Try,
    broken_emissions,
    broken_results,
    by_group,
    within,
)

__all__ = [
    "LARGEST_DIFFERENCE",
    "MOST_ROUNDS",
    "NoPortfolio",
    "Portfolio",
    "PortfolioRound",
    "find_portfolio",
]

Floats = NDArray[np.float64]

MOST_ROUNDS: Final = 6
"""Rounds after which what is left is said."""
_LAST_RADIUS: Final = 0.02
_NEAR_RADIUS: Final = 0.1
_NEAR_ROUNDS: Final = 3
_TRIES: Final = 2
_NOTHING: Final = 1e-9
_WORTH: Final = 1e-4


def _net(catalog: Catalog, found: Portfolio, levels: Floats) -> tuple[float, Floats]:
    """Return net cost by the model and emissions on the boundary, (P, T), of levels (P, M, T), against what stands anyway."""
    assert found.problem.zero is not None
    view, total, emitted = found.problem.views.index(found.request.view), 0.0, []
    for row, (place, costs) in enumerate(zip(found.places, found.costs, strict=True)):
        after = measured(place.choices, levels[row], views=tuple(VIEWS))
        before = found.standing[row]
        cost = model_cost(catalog, costs, place.choices, before, after)
        total += float(cost.capital[~fixed_rows(place, costs)].sum()) + cost.energy
        emitted.append(after.base[view])
    return total, np.stack(emitted)


def _asked(found: Portfolio) -> Floats:
    """Return the levels to which measures may go back, (P, M, T): what the plan asks or what stands anyway, if that is less."""
    assert found.problem.zero is not None
    plan = np.stack([place.plan_levels for place in found.places])
    return np.minimum(found.solution.levels, np.maximum(plan, np.maximum(found.problem.zero, found.problem.low)))


def _withdrawals(catalog: Catalog, found: Portfolio) -> list[tuple[int, int]]:
    """Return places and measures that by the model cost more than they save, and without which peak, level and results are kept."""
    back, levels = _asked(found), found.solution.levels.copy()
    most, _ = _net(catalog, found, levels)
    worth: list[tuple[float, int, int]] = []
    for place, measure in zip(*np.nonzero((levels > back + _NOTHING).any(axis=2)), strict=True):
        other = levels.copy()
        other[place, measure] = back[place, measure]
        saving = most - _net(catalog, found, other)[0]
        if saving > _WORTH * max(abs(most), 1.0):
            worth.append((saving, int(place), int(measure)))
    taken = []
    for _, row, measure in sorted(worth, reverse=True):
        other = levels.copy()
        other[row, measure] = back[row, measure]
        net, emitted = _net(catalog, found, other)
        broken = broken_emissions(found.request, found.problem, by_group(found.request, found.problem, emitted))
        broken += broken_results(found.places[row], other[row])
        if net < most and not broken:
            most, levels = net, other
            taken.append((row, measure))
    return taken


def find_portfolio(
    catalog: Catalog,
    places: Sequence[PortfolioPlace],
    request: PortfolioRequest,
    *,
    most_rounds: int = MOST_ROUNDS,
    tolerance: float = LARGEST_DIFFERENCE,
    every: int = 5,
    integer: bool = False,
    withdraw: bool = True,
    listener: Listener = silent,
) -> Portfolio | NoPortfolio:
    """Find the cheapest portfolio that the model confirms.

    Parameters
    ----------
    catalog : Catalog
    places : sequence of PortfolioPlace
        One or several, which then share budgets and conditions on the sum; no place is taken for the sum of others.
    request : PortfolioRequest
    most_rounds : int
    tolerance : float
        Largest difference of programme and model in a year, as a share of the emissions of the
        first open year without the choice.
    every : int
        Years between the pulses from which effects that go on are read.
    integer : bool
        Whether pairs that exclude each other are decided.
    withdraw : bool
        Whether measures that do not pay by the model go back to what the plan asks.
    listener : Listener

    Returns
    -------
    Portfolio
        Of the first round that is confirmed; else of the round with the fewest conditions broken and the smallest difference.
    NoPortfolio
        No levels keep the conditions, about the plan's own levels and about the floor.

    Raises
    ------
    InputError
        A view, place or year that is not there; no round.
    """
    if most_rounds < 1:
        raise InputError(
            f"{most_rounds} rounds", doing="find the cheapest portfolio", expected="at least one round",
            next_step="leave the number at its default",
        )  # fmt: skip
    search = Search(catalog, tuple(places), request, every, integer, tolerance)
    found = _agree(search, most_rounds, listener)
    if isinstance(found, NoPortfolio):
        return _confirm_others(search, found, most_rounds) if most_rounds > 1 else found
    answer = replace(found.found, rounds=(*search.rounds,), chosen=found.round)
    return _without_waste(search, answer) if withdraw else answer


def _agree(search: Search, most_rounds: int, listener: Listener = silent) -> Try | NoPortfolio:
    """Set up and solve until programme and model agree; where they do not, look for the least level of the model."""
    effects = search.linearise([place.plan_levels for place in search.places], LONG_STEP)
    best: Try | None = None
    stuck: Stuck | None = None
    radius = np.inf
    for number in range(1, most_rounds + 1):
        listener("规划与模型轮换 / programme and model", number, most_rounds)
        found = search.attempt(effects, radius)
        if isinstance(found, Stuck):
            stuck = stuck or found
            if number > 1 or most_rounds == 1:
                break
            effects = search.linearise([place.choices.floor for place in search.places], LONG_STEP)
            continue
        if best is None or found.merit < best.merit:
            best = found
        if found.round.difference <= search.tolerance and not found.round.broken:
            return found
        if number < most_rounds:
            effects = search.linearise(tuple(found.found.solution.levels), STEP)
            radius = RADIUS if not np.isfinite(radius) else radius * NARROWS
    if most_rounds == 1 or (best is not None and not _breaks_emissions(search, best)):
        return best if best is not None else _explained(search, stuck)
    return _restored(search, best, stuck)


def _breaks_emissions(search: Search, found: Try) -> bool:
    problem, request = found.found.problem, search.request
    emitted = found.found.modelled[problem.views.index(request.view)]
    return bool(broken_emissions(request, problem, by_group(request, problem, emitted)))


def _explained(search: Search, stuck: Stuck | None) -> NoPortfolio:
    assert stuck is not None
    none = search.none(stuck.problem)
    assert none is not None
    return none


def _restored(search: Search, best: Try | None, stuck: Stuck | None) -> Try | NoPortfolio:
    """Go on from the least level that the model reaches, or say that it is the least."""
    if best is None:
        assert stuck is not None
        least = restore(search, stuck.effects, seen=False)
    else:
        least = restore(search, search.linearise(tuple(best.found.solution.levels), STEP), seen=True)
    if least is None:
        return best if best is not None else _explained(search, stuck)
    if least.excess <= allowed(search.request, least.kind):
        effects, radius = least.effects, min(least.radius, _NEAR_RADIUS)
        for _ in range(_NEAR_ROUNDS):
            found = search.attempt(effects, radius, asked=_eased(search.request, least))
            if isinstance(found, Stuck):
                break
            if best is None or found.merit < best.merit:
                best = found
            if found.confirmed:
                return found
            radius *= NARROWS
    if best is not None and best.confirmed:
        return best
    none = None if stuck is None else search.none(stuck.problem)
    none = none or search.none(least.problem)
    if none is None:
        scale = np.stack([place.choices.scale for place in search.places])
        none = search.none(within(least.problem, scale, least.radius))
    if none is None or least.excess <= 0:
        return best if best is not None else none if none is not None else _explained(search, stuck)
    return replace(none, infeasible=_with(none.infeasible, _least_of(search.request, least)))


def _eased(request: PortfolioRequest, least: Restored) -> PortfolioRequest:
    """Return the request with what the model is above it at the least level, and no more."""
    more = max(least.excess, 0.0) * (1 + 1e-6)
    if least.kind == "peak":
        return replace(request, peak_slack=request.peak_slack + more)
    level = request.level
    assert level is not None
    eased = level + more if isinstance(level, int | float) else {name: one + more for name, one in level.items()}
    return replace(request, level=eased)


def _least_of(request: PortfolioRequest, least: Restored) -> Relaxation:
    """Return the least level of the model as a relaxation."""
    more, level = least.excess, request.level
    if least.kind == "peak":
        bound, words = more, f"仅放宽达峰后回升的容许量：须容许以后各年比达峰年高出{tonnes_up(more)}"
    elif isinstance(level, int | float):
        bound = level + more
        words = f"仅放宽排放上限：排放上限须不低于{tonnes_up(bound)}（提高{tonnes_up(more)}）"
    else:
        assert level is not None
        bound, words = max(level.values()) + more, f"仅放宽排放上限：各地排放上限须各提高{tonnes_up(more)}"
    return Relaxation(
        kind=least.kind, enough=True, amounts={least.kind: more}, bounds={least.kind: bound}, units={least.kind: "tCO2"},
        says=f"{words}，由情景模型证实。", confirmed=True,
    )  # fmt: skip


def _with(infeasible: Infeasible, one: Relaxation) -> Infeasible:
    """Return the answer with a relaxation in the place of the programme's own of the kind."""
    old = infeasible.relaxation(one.kind)
    kept = tuple(one if other.kind == one.kind else other for other in infeasible.relaxations)
    says = infeasible.says if old is None or not old.enough else infeasible.says.replace(old.says, one.says)
    if old is None or not old.enough:
        kept = (one, *(other for other in kept if other.kind != one.kind))
        says += one.says
    return infeasible.model_copy(update={"relaxations": kept, "says": says})


def _confirm_others(search: Search, none: NoPortfolio, most_rounds: int) -> NoPortfolio:
    """Grant a larger budget or a later peak, and see whether the model then confirms a portfolio."""
    infeasible = none.infeasible
    for kind in ("budget", "peak_year"):
        one = infeasible.relaxation(kind)
        for _ in range(_TRIES):
            if one is None or not one.enough:
                break
            _, granted = relax(none.problem, search.request, one, share=1 + 1e-6)
            found = _agree(replace(search, request=granted, rounds=[]), most_rounds)
            if isinstance(found, Try):
                if found.confirmed:
                    says = one.says.removesuffix("。") + "，由情景模型证实。"
                    infeasible = _with(infeasible, one.model_copy(update={"confirmed": True, "says": says}))
                break
            one = _added(one, found.infeasible.relaxation(kind))
    return replace(none, infeasible=infeasible)


def _added(first: Relaxation, more: Relaxation | None) -> Relaxation | None:
    """Return a relaxation with another one granted on top of it."""
    if more is None or not more.enough:
        return None
    amounts = {
        name: first.amounts.get(name, 0.0) + more.amounts.get(name, 0.0) for name in first.amounts | more.amounts
    }
    return more.model_copy(update={"amounts": amounts, "bounds": first.bounds | more.bounds})


def _without_waste(search: Search, found: Portfolio) -> Portfolio:
    """Return the portfolio with what does not pay taken back, where the model confirms that one too."""
    taken = _withdrawals(search.catalog, found)
    if not taken:
        return found
    ceilings, back = np.full(found.solution.levels.shape, np.inf), _asked(found)
    for place, measure in taken:
        ceilings[place, measure] = back[place, measure]
    again = search.attempt(found.effects, _LAST_RADIUS, ceilings)
    if isinstance(again, Stuck):
        return found
    before, after = (_net(search.catalog, one, one.solution.levels)[0] for one in (found, again.found))
    if (found.confirmed and (again.round.broken or again.round.difference > search.tolerance)) or after >= before:
        return replace(found, rounds=(*search.rounds,))
    names = tuple((found.places[place].place, found.problem.measures[measure]) for place, measure in taken)
    return replace(again.found, rounds=(*search.rounds,), chosen=again.round, withdrawn=names)
