"""A place made ready for a choice of measures: what may be chosen, what stands beneath, what the plan asks.

Beneath the choice lies the plan as it is: up to the year before the first open year everything that it asks, afterwards what it asks of
measures whose cost is unknown. Measures that carry a result of the model (a share of electricity, say) hold the level of the
year before, for from then on the result itself is asked, whatever brings it about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import Measure, PathwayQuantity
from dafeng.catalog.pathway_tables import YEARS, PathwayAxes, year_row
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.portfolio_levels import Choices, open_choices, scenario_levels
from dafeng.pathways.portfolio_problem import UncostedMeasure
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario, resolve_scenario
from dafeng.pathways.solving import solve_scenario

__all__ = ["PortfolioPlace", "Selection", "hold_from", "overlapping", "portfolio_place", "select_measures"]

Floats = NDArray[np.float64]

_RETROFIT: Final = ("retrofit_rate", "retrofit_area")


@dataclass(frozen=True)
class Selection:
    """Which measures may be chosen.

    Attributes
    ----------
    measures : tuple of str
    uncosted : tuple of UncostedMeasure
    overlapped : Mapping of str to str
        Measures left out because another does the same, with that one.
    """

    measures: tuple[str, ...]
    uncosted: tuple[UncostedMeasure, ...]
    overlapped: Mapping[str, str]


@dataclass(frozen=True)
class PortfolioPlace:
    """A place ready for a choice. M measures, T years.

    Attributes
    ----------
    book : InputBook
    choices : Choices
    plan : Plan or None
    asked : ResolvedScenario or None
        The plan in full, results not solved for.
    full : ResolvedScenario
        The plan in full, solved; the trend where there is no plan.
    plan_levels : float array (M, T)
        What the plan asks of the choices.
    selection : Selection
    held : tuple of str
        Measures beneath that hold the level of the year before, since their result is asked.
    """

    book: InputBook
    choices: Choices
    plan: Plan | None
    asked: ResolvedScenario | None
    full: ResolvedScenario
    plan_levels: Floats
    selection: Selection
    held: tuple[str, ...]

    @property
    def place(self) -> str:
        """Place id."""
        return self.book.place


def overlapping(catalog: Catalog, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of measures that bound the same members of the same quantity: where both act, the stronger alone does.

    Amounts that are added to one another do not overlap, but for retrofit by area and by rate, of which each takes the other's
    buildings. The first of a pair is the wider one, of more members.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> overlapping(load_catalog(), ("ultra_low_public", "ultra_low_buildings", "roof_pv_public"))
    (('ultra_low_buildings', 'ultra_low_public'),)
    """
    axes = PathwayAxes(catalog.path_members)
    cells = {name: _bounded_cells(axes, catalog.path_quantities, catalog.measures[name]) for name in names}
    return tuple(
        (one, other) if len(cells[one]) >= len(cells[other]) else (other, one)
        for one, other in combinations(names, 2)
        if cells[one] & cells[other]
    )


def _bounded_cells(
    axes: PathwayAxes, quantities: Mapping[str, PathwayQuantity], measure: Measure
) -> frozenset[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for change in measure.changes:
        if change.quantity in _RETROFIT:
            named = change.of.get("building_class") or change.of.get("segment", "all")
            found |= {("retrofit", code) for code in axes.below("building_class", named)}
        elif change.how in ("at_least", "at_most", "shift"):
            below = (axes.below(axis, change.of.get(axis, "all")) for axis in quantities[change.quantity].axes)
            found |= {(change.quantity, *cell) for cell in product(*below)}
    return frozenset(found)


def select_measures(
    catalog: Catalog,
    asked: ResolvedScenario | None,
    *,
    without: Collection[str] = (),
    unknown: Collection[UncostedMeasure] = (),
) -> Selection:
    """Choose what may be chosen: measures with a cost, each thing once.

    Parameters
    ----------
    catalog : Catalog
    asked : ResolvedScenario or None
        The plan in full; its measures go before others that do the same.
    without : collection of str
        Measures that are not to be chosen.
    unknown : collection of UncostedMeasure
        Measures whose costs cannot be counted here, beside those that content gives none.

    Raises
    ------
    UnknownNameError
        A measure of `without` is not there.
    """
    for name in without:
        if name not in catalog.measures:
            raise UnknownNameError(
                f"no measure is called {name!r}",
                doing="leave measures out of the choice",
                expected="one of " + ", ".join(close_names(name, catalog.measures) or sorted(catalog.measures)[:5]),
                next_step="see docs/reference/measures.md",
            )
    levels = {one.measure for one in (asked.stated if asked else ()) if one.meets is None}
    named = levels | {one.measure for one in (asked.stated if asked else ())}
    lacking = {one.measure: one.why for one in unknown}
    for name, measure in catalog.measures.items():
        if all(cost.kind == "transfer" for cost in measure.costs):
            lacking.setdefault(name, "没有费用来源")
    uncosted = tuple(UncostedMeasure(name, why, kept=name in named) for name, why in lacking.items())
    costed = [name for name in catalog.measures if name not in lacking and name not in without]
    overlapped: dict[str, str] = {}
    for wide, narrow in overlapping(catalog, costed):
        if wide in overlapped or narrow in overlapped or {wide, narrow} <= levels:
            continue
        dropped = narrow if wide in levels else wide
        overlapped[dropped] = wide if dropped == narrow else narrow
    chosen = tuple(name for name in costed if name not in overlapped)
    return Selection(chosen, uncosted, overlapped)


def hold_from(resolved: ResolvedScenario, names: Collection[str], first: int) -> ResolvedScenario:
    """Return a scenario in which some measures keep the bound of the year before `first` ever after.

    Parameters
    ----------
    resolved : ResolvedScenario
        Solved.
    names : collection of str
    first : int
    """
    at = year_row(YEARS, first)

    def held(array: Floats) -> Floats:
        return np.concatenate([array[:at], np.repeat(array[at - 1 : at], len(array) - at, axis=0)])

    measures = tuple(
        replace(item, levels=held(item.levels), weight=held(item.weight)) if item.measure.id in names else item
        for item in resolved.measures
    )
    return replace(resolved, measures=measures)


def portfolio_place(
    catalog: Catalog,
    book: InputBook,
    plan: Plan | None,
    *,
    first: int,
    last: int = int(YEARS[-1]),
    without: Collection[str] = (),
    unknown: Collection[UncostedMeasure] = (),
    hold: bool = True,
    measures: Sequence[str] | None = None,
) -> PortfolioPlace:
    """Make a place ready.

    Parameters
    ----------
    catalog : Catalog
    book : InputBook
    plan : Plan or None
        Whose targets are kept; the trend alone lies beneath where None.
    first, last : int
        Open years.
    without, unknown
        As for `select_measures`.
    hold : bool
        Whether measures that carry results asked for hold from `first` on; they go on in full where not.
    measures : sequence of str, optional
        The choices, where several places share theirs; selected here where None.
    """
    asked = None if plan is None else resolve_scenario(catalog, "plan-full", place=book.place, plan=plan.id)
    beneath = resolve_scenario(catalog, "trend", place=book.place) if asked is None else asked
    full = solve_scenario(beneath, book)
    selection = select_measures(catalog, asked, without=without, unknown=unknown)
    chosen = selection.measures if measures is None else tuple(measures)
    carrying = [] if asked is None else [name for name, meets in asked.meets.items() if meets.year >= first]
    held = tuple(name for name in carrying if name not in chosen) if hold else ()
    choices = open_choices(catalog, book, hold_from(full, held, first), chosen, first=first, last=last)
    return PortfolioPlace(book, choices, plan, asked, full, scenario_levels(choices, full), selection, held)
