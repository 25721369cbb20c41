"""What each measure of a scenario does: Shapley wedges by year, wedges in a stated order, and years by which the peak comes earlier.

Every subset of the measures is a draw of one run at the stated values of the inputs. Worth of a subset is the emission without any
measure less the emission with the subset, year by year; for the peak it is the peak year without less the peak year with. A wedge in
order says what a measure adds after those before it: it depends on the order, a Shapley wedge does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, NotEnoughDataError
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.attribution import Bar, waterfall
from dafeng.pathways.ensemble import CHUNK, run_draws
from dafeng.pathways.inputs import Buffers, Inputs
from dafeng.pathways.measures import LevelledMeasure, apply_measures
from dafeng.pathways.peaks import NEAR, peak_years
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs
from dafeng.pathways.shapley import EXACT_MOST, contributions

__all__ = ["FAMILIES", "MeasureWedges", "families", "measure_wedges"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FAMILIES: Final = {
    "envelope": "围护结构与存量",
    "demand": "需求与运行",
    "plant": "建筑设备与电气化",
    "networks": "供热管网",
    "sources": "热源",
    "photovoltaics": "建筑光伏",
    "materials": "建材与施工",
    "municipal": "市政设施",
}
"""Families of measures by their order of application, in steps of ten from 10, with Chinese names."""


@dataclass(frozen=True)
class MeasureWedges:
    """Contributions of the measures of a scenario to a view, in tCO2."""

    view: str
    """View or component."""
    measures: tuple[str, ...]
    """Ids of measures in the order in which the model applies them, or of families in the order given."""
    members: tuple[tuple[str, ...], ...]
    """Measures of each: itself, or those of the family."""
    names: tuple[str, ...]
    """Their Chinese names."""
    years: NDArray[np.int64]
    """Years, shape (year,)."""
    without: Array
    """Emission without any measure, shape (year,)."""
    with_all: Array
    """Emission with all."""
    shapley: Array
    """Shapley wedges, shape (measure, year): they add up to `without - with_all` in every year."""
    in_order: Array
    """What each adds after those before it, shape (measure, year), likewise."""
    alone: Array
    """What each avoids by itself, shape (measure, year)."""
    at_last: Array
    """What each adds when all others act, shape (measure, year)."""
    error: Array | None
    """Standard error of `shapley`; None where all subsets were run."""
    pairs: Array | None
    """Interaction of each pair over the years after the base year together, shape (measure, measure); None where sampled."""
    peak_without: int
    """Peak year without any measure."""
    peak_with: int
    """Peak year with all."""
    peak_earlier: Array
    """Years by which each brings the peak forward, shape (measure,), Shapley; a peak beyond the horizon counts as its last year."""
    evaluations: int
    """Subsets run."""

    def in_year(self, year: int) -> dict[str, float]:
        """Return what each measure avoids in a year by its Shapley value, tCO2."""
        at = year_row(self.years, year)
        return dict(zip(self.measures, self.shapley[:, at].tolist(), strict=True))

    def cumulative(self, first: int, last: int) -> dict[str, float]:
        """Return what each avoids from one year to another, both included."""
        taken = (self.years >= first) & (self.years <= last)
        return dict(zip(self.measures, self.shapley[:, taken].sum(axis=1).tolist(), strict=True))

    def waterfall(self, year: int) -> tuple[Bar, ...]:
        """Return the bars from the emission without measures to that with all, by Shapley values."""
        at = year_row(self.years, year)
        changes = {
            name: (zh, -float(value))
            for name, zh, value in zip(self.measures, self.names, self.shapley[:, at], strict=True)
        }
        return waterfall(float(self.without[at]), changes, names=("无措施", "全部措施"))


def measure_wedges(
    book: InputBook,
    resolved: ResolvedScenario,
    view: str,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    quantiles: Mapping[str, Array] | None = None,
    exact_most: int = EXACT_MOST,
    orders: int = 256,
    seed: int = 0,
    near: float = NEAR,
    chunk: int = CHUNK,
    threads: int = 2,
) -> MeasureWedges:
    """Work out what each measure of a scenario contributes.

    Parameters
    ----------
    book : InputBook
    resolved : ResolvedScenario
    view : str
        View or component.
    groups : mapping from family to measures, optional
        Families that stand for their measures, as `families` makes them; each measure by itself where None.
    quantiles : mapping from group to array, shape (1,), optional
        One draw of the inputs; their stated values where None.
    exact_most : int
        Up to so many measures all subsets are run, 4,096 for 12; beyond it orders are sampled.
    orders : int
        Orders sampled.
    seed : int
        For the orders.
    near : float
        Width of the plateau rule.
    chunk, threads : int

    Raises
    ------
    NotEnoughDataError
        The scenario has no measure.
    InputError
        A measure of the scenario stands in no family or in two, or a family names another one.
    """
    if not resolved.measures:
        raise NotEnoughDataError(
            f"scenario {resolved.id!r} has no measure",
            doing="share out the effect of measures",
            expected="a scenario with measures",
            next_step="name a scenario of a plan, or put measures into the overlay",
        )
    levelled = tuple(sorted(resolved.measures, key=lambda item: (item.measure.order, item.measure.id)))
    bare = scenario_inputs(book, replace(resolved, measures=()), quantiles)
    players = _players(levelled, groups)
    of_player = _membership(levelled, players)

    def inputs_of(columns: Mapping[str, NDArray[Any]], buffers: Buffers) -> Inputs:
        return apply_measures(bare, levelled, active=columns["active"], buffers=buffers)

    def emission(active: Mask) -> tuple[NDArray[np.int64], Array]:
        years, series = run_draws(
            inputs_of,
            {"active": active[of_player]},
            active.shape[1],
            {view: lambda outcome: outcome.view(view)},
            chunk=chunk,
            threads=threads,
        )
        return years, series[view]

    begun = np.arange(len(players) + 1)[None, :] > np.arange(len(players))[:, None]
    years, ordered = emission(begun)

    def worth(active: Mask) -> Array:
        values = emission(active)[1]
        avoided = ordered[:, 0] - values.T
        future = avoided[:, years > resolved.base_year].sum(axis=1)
        earlier = -peak_years(values, years, near=near).year.astype(np.float64)
        return np.column_stack([avoided, future, earlier])

    found = contributions(worth, list(players), exact_most=exact_most, orders=orders, seed=seed)
    count = len(years)
    titles = {} if groups is not None else {item.measure.id: item.measure.title.zh for item in levelled}
    ends = peak_years(ordered[:, [0, -1]], years, near=near).year
    return MeasureWedges(
        view=view,
        measures=tuple(players),
        members=tuple(players.values()),
        names=tuple(titles.get(name) or FAMILIES.get(name, name) for name in players),
        years=years,
        without=ordered[:, 0],
        with_all=ordered[:, -1],
        shapley=found.shares[:, :count],
        in_order=-np.diff(ordered, axis=1).T,
        alone=found.alone[:, :count],
        at_last=found.at_last[:, :count],
        error=None if found.error is None else found.error[:, :count],
        pairs=None if found.pairs is None else found.pairs[:, :, count],
        peak_without=int(ends[0]),
        peak_with=int(ends[1]),
        peak_earlier=found.shares[:, -1],
        evaluations=found.evaluations,
    )


def families(resolved: ResolvedScenario) -> dict[str, tuple[str, ...]]:
    """Return the measures of a scenario by family, in the order of `FAMILIES`; families without a measure are left out.

    Parameters
    ----------
    resolved : ResolvedScenario
    """
    names = list(FAMILIES)
    found: dict[str, list[str]] = {name: [] for name in names}
    for item in resolved.measures:
        found[names[min(max(item.measure.order // 10 - 1, 0), len(names) - 1)]].append(item.measure.id)
    return {name: tuple(members) for name, members in found.items() if members}


def _players(
    levelled: Sequence[LevelledMeasure], groups: Mapping[str, Sequence[str]] | None
) -> dict[str, tuple[str, ...]]:
    ids = [item.measure.id for item in levelled]
    if groups is None:
        return {name: (name,) for name in ids}
    named = [name for members in groups.values() for name in members]
    if sorted(named) != sorted(ids):
        odd = sorted({name for name in {*named, *ids} if named.count(name) != 1 or name not in ids})
        raise InputError(
            f"families do not hold each measure once: {', '.join(odd[:3])}",
            doing="share out the effect of measures",
            expected="each measure of the scenario in one family",
            next_step="make families by `families`",
        )
    return {name: tuple(members) for name, members in groups.items()}


def _membership(levelled: Sequence[LevelledMeasure], players: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    """Return the number of the player of each measure."""
    where = {measure: at for at, members in enumerate(players.values()) for measure in members}
    return np.array([where[item.measure.id] for item in levelled])
