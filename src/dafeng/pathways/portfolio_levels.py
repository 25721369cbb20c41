"""What a level of a measure means to a choice: its floor, its ceiling, how fast it may rise, and the model run at any levels.

The level of a year is what acts in that year, so that a path of levels is a sum of single years. Below its floor a measure does
nothing: a bound or a share is there without it. A measure that sets upper bounds is turned round: its level is how far it takes the
quantity below its own value. The limit of a year's rise is left to the choice; the model does not put it on a second time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError, UnknownNameError, close_names
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import LevelPoint, Measure
from dafeng.catalog.pathway_tables import YEARS, bounds_of, year_row
from dafeng.pathways.inputs import READ_FROM_1950, Inputs
from dafeng.pathways.measures import Action, LevelledMeasure, apply_measures, caps_level, level_measure
from dafeng.pathways.model import Outcome, run
from dafeng.pathways.portfolio_problem import ConditionKind, LinearCondition
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs

__all__ = ["Choices", "lingers", "open_choices", "requirement_conditions", "run_levels", "scenario_levels"]

Floats = NDArray[np.float64]

_NONE: Final = 1e-9
"""Levels no further than this above the floor do nothing."""
_APART: Final = 0.02
"""Own values of one measure's members further apart than this make a kink that is named."""
_AREA_SHARE: Final = 0.01
_FLOWS: Final = ("new_area", "outflow", "retrofit_done")


@dataclass(frozen=True)
class Choices:
    """Measures that may be chosen at a place, and what their levels mean. M measures, T years, Y years of the model.

    Attributes
    ----------
    catalog : Catalog
    book : InputBook
    resolved : ResolvedScenario
        Scenario beneath, with its levels before the first year of choice, and its other measures for ever.
    measures : tuple of Measure
    years : int array (T,)
        Consecutive, to the end of the model or before it.
    floor : float array (M, T)
        Level up to which a measure does nothing; 0 for what is turned round, added or taken off.
    high : float array (M, T)
        Largest level; infinite where content states none. That of a stock never falls: what stands stays, though more than can be
        used does no more.
    scale : float array (M, T)
        What a large level is: from floor to ceiling, or a hundredth of the floor area a year.
    ramp : float array (M,)
        Largest rise in a year, never below that of the floor; infinite where none.
    before : float array (M,)
        Level of the year before the first.
    durable : bool array (M,)
        Whether what is counted is a stock, whose level never falls.
    turned : bool array (M,)
        Whether the measure sets upper bounds.
    own : float array (M, Y)
        For what is turned round, the quantity's own value in units of the level; 0 elsewhere.
    past : float array (M, Y)
        Levels before the first year, 0 after.
    acted : bool array (M, Y)
        Where they act.
    notes : tuple of str
        Kinks of the levels, in Chinese.
    """

    catalog: Catalog
    book: InputBook
    resolved: ResolvedScenario
    measures: tuple[Measure, ...]
    years: NDArray[np.int64]
    floor: Floats
    high: Floats
    scale: Floats
    ramp: Floats
    before: Floats
    durable: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    own: Floats
    past: Floats
    acted: NDArray[np.bool_]
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Ids of the measures."""
        return tuple(measure.id for measure in self.measures)

    def row(self, name: str) -> int:
        """Return the row of a measure.

        Raises
        ------
        UnknownNameError
            It is not among the choices.
        """
        if name not in self.names:
            raise UnknownNameError(
                f"measure {name!r} is not among the choices",
                doing="find a measure",
                expected="one of " + ", ".join(close_names(name, self.names) or self.names[:5]),
                next_step="open the choices with it",
            )
        return self.names.index(name)

    def levelled(self, levels: Floats, *, on: Sequence[int] = ()) -> tuple[LevelledMeasure, ...]:
        """Return what the model applies at levels: the choices, and the measures of the scenario beneath that are none.

        Parameters
        ----------
        levels : float array (M, T), or (M, T, D)
            Levels of the choice, one path or one a draw; turned round where `turned`.
        on : sequence of int
            Rows that act even at their floor, so that what hangs on them is seen.

        Raises
        ------
        InputError
            Another shape.
        """
        if levels.shape[:2] != self.floor.shape:
            raise InputError(
                f"levels of shape {levels.shape}",
                doing="run a portfolio",
                expected=f"{self.floor.shape}: measures, years",
                next_step="give a level for every measure and year",
            )
        chosen = set(self.names)
        items = [item for item in self.resolved.measures if item.measure.id not in chosen]
        items += [self._item(row, levels[row], always=row in on) for row in range(len(self.measures))]
        return tuple(items)

    def _item(self, row: int, levels: Floats, *, always: bool) -> LevelledMeasure:
        first = year_row(YEARS, int(self.years[0]))
        wide = levels if levels.ndim == 2 else levels[:, None]
        path = np.repeat(self.past[row][:, None], wide.shape[1], axis=1)
        path[first : first + len(wide)] = wide
        path[first + len(wide) :] = wide[-1]
        acts = self.acted[row].astype(np.float64)
        above = (wide > self.floor[row][:, None] + _NONE).any(axis=1) | always
        acts[first : first + len(wide)] = above
        acts[first + len(wide) :] = above[-1]
        if self.turned[row]:
            stated = self.measures[row].least
            least = -np.inf if stated is None else stated
            own = self.own[row][:, None]
            path = np.maximum(own - path, np.minimum(own, least))
        return replace(_template(self.catalog, self.measures[row], self.resolved.base_year), levels=path, weight=acts)

    @property
    def exclusive(self) -> tuple[tuple[int, int], ...]:
        """Pairs of rows of which one at most may act."""
        return self._pairs("excludes")

    @property
    def requires(self) -> tuple[tuple[int, int], ...]:
        """Pairs of rows: the first does nothing without the second."""
        return self._pairs("requires")

    def _pairs(self, kind: str) -> tuple[tuple[int, int], ...]:
        names = self.names
        return tuple(
            (row, names.index(one.measure))
            for row, measure in enumerate(self.measures)
            for one in measure.interactions
            if one.kind == kind and one.measure in names
        )


def _template(catalog: Catalog, measure: Measure, base_year: int) -> LevelledMeasure:
    """Return a measure without its limit of a year's rise, to be given levels."""
    free = measure.model_copy(update={"yearly_most": None, "from_year": None})
    point = LevelPoint(year=base_year + 1, level=0.0)
    return level_measure(catalog, free, [point], years=YEARS, base_year=base_year)


@dataclass(frozen=True)
class _Own:
    """A measure's own values in units of its level, (Y,): the lowest and highest of its members, and the ceiling."""

    least: Floats
    most: Floats
    ceiling: Floats


def _own_values(inputs: Inputs, item: LevelledMeasure) -> _Own:
    """Return what the quantities of a measure are before it, in units of its level."""
    lows, highs, ceilings = [], [], []
    for action in item.actions:
        own, ceiling = _cells(inputs, action)
        lows.append(own.min(axis=0, initial=np.inf))
        highs.append(own.max(axis=0, initial=-np.inf))
        ceilings.append(ceiling)
    least, most = np.min(lows, axis=0), np.max(highs, axis=0)
    none = ~np.isfinite(least)
    return _Own(np.where(none, 0.0, least), np.where(none, 0.0, most), np.max(ceilings, axis=0))


def _cells(inputs: Inputs, action: Action) -> tuple[Floats, Floats]:
    """Return a change's own values by member and year in units of the level, and the level beyond which it does nothing."""
    change, years = action.change, len(YEARS)
    if change.how in ("add", "reduce"):
        return np.zeros((1, years)), np.full(years, np.inf)
    array = inputs.arrays[action.quantity.id][..., 0]
    now = array[np.ix_(*action.rows)] if action.rows else array
    if change.how != "shift":
        per = change.per_level
        return now.reshape(-1, years) / per, np.full(years, bounds_of(action.quantity)[1] / per)
    room = now + array[np.ix_(*action.rows[:-1], action.givers)].sum(axis=-2, keepdims=True)
    unit = change.per_level * (np.where(room > 0, room, 1.0) if change.times == "concerned" else np.ones_like(room))
    own, ceiling = (part.reshape(-1, years) for part in (now / unit, room / unit))
    open_ = (ceiling - own > _NONE).any(axis=1)  # members of which nothing can give way have no say
    if not open_.any():
        return np.full((0, years), np.inf), np.zeros(years)
    return own[open_], ceiling[open_].max(axis=0)


def _scale_of(inputs: Inputs, measure: Measure) -> Floats:
    """Return a large level where content states no largest, (Y,): a hundredth of the floor area, or 1."""
    if not measure.unit.startswith("m2"):
        return np.ones(len(YEARS))
    area = np.zeros(len(YEARS))
    for change in measure.changes:
        for segment in inputs.axes.below("segment", change.of.get("segment", "all")):
            at = inputs.axes.index("segment", segment)
            people = inputs.arrays["population"][:, 0]
            urban = inputs.arrays["urban_share"][:, 0]
            part = {"urban_residential": urban, "rural_residential": 1 - urban}.get(segment, np.ones_like(urban))
            area += people * part * inputs.arrays["floor_per_head"][at][:, 0] / max(abs(change.per_level), _NONE)
    return np.asarray(area * _AREA_SHARE / len(measure.changes))


def _given(item: LevelledMeasure, own: _Own, values: tuple[Floats, ...]) -> Floats:
    """Return the level that a scenario's measure really has by year, (Y,), from the values after it where it sets a bound."""
    if not values:
        path = np.asarray(item.levels if item.levels.ndim == 1 else item.levels[:, 0]) * item.weight
        if item.measure.yearly_most is not None:
            path = np.concatenate([[0.0], path])
            steps = np.arange(len(path)) * item.measure.yearly_most
            path = (np.minimum.accumulate(path - steps) + steps)[1:]
        return np.asarray(path)
    after = np.concatenate(values)
    return np.asarray(after.max(axis=0) if item.bounds_above else np.maximum(after.min(axis=0), own.least))


def _values_after(inputs: Inputs, item: LevelledMeasure) -> tuple[Floats, ...]:
    """Return the own values after a measure of those of its changes that set bounds or shift shares."""
    parts = [_cells(inputs, action)[0] for action in item.actions if action.change.how not in ("add", "reduce")]
    return tuple(part for part in parts if len(part))


def open_choices(
    catalog: Catalog,
    book: InputBook,
    resolved: ResolvedScenario,
    measures: Sequence[str],
    *,
    first: int,
    last: int = int(YEARS[-1]),
) -> Choices:
    """Open measures to choice at a place from a year on.

    Parameters
    ----------
    catalog : Catalog
    book : InputBook
        Inputs of the place.
    resolved : ResolvedScenario
        Scenario beneath, its targets solved. Its levels of the chosen measures hold up to the year before `first`; its other
        measures hold for ever.
    measures : sequence of str
        Ids of what may be chosen.
    first, last : int
        Years of the choice.

    Returns
    -------
    Choices

    Raises
    ------
    UnknownNameError
        No measure of that id.
    InputError
        Years outside the model, or not after the base year; targets that are not solved.
    """
    unknown = [name for name in measures if name not in catalog.measures]
    if unknown:
        raise UnknownNameError(
            f"no measure is called {unknown[0]!r}",
            doing="open measures to choice",
            expected="one of " + ", ".join(close_names(unknown[0], catalog.measures) or sorted(catalog.measures)[:5]),
            next_step="see docs/reference/measures.md",
        )
    if not resolved.base_year < first <= last <= int(YEARS[-1]) or resolved.meets:
        raise InputError(
            f"years {first} to {last}, {len(resolved.meets)} targets unsolved",
            doing="open measures to choice",
            expected=f"years after {resolved.base_year} and up to {int(YEARS[-1])}, and a solved scenario",
            next_step="run solve_scenario first, and choose years of the model",
        )
    chosen = tuple(
        sorted((catalog.measures[name] for name in dict.fromkeys(measures)), key=lambda one: (one.order, one.id))
    )
    bare = scenario_inputs(book, replace(resolved, measures=()))
    there = {item.measure.id: item for item in resolved.measures}
    beneath = sorted(resolved.measures, key=lambda item: (item.measure.order, item.measure.id))
    years = YEARS[(first <= YEARS) & (last >= YEARS)]
    late = slice(year_row(YEARS, first), year_row(YEARS, last) + 1)
    size, names, notes = (len(chosen), len(YEARS)), {one.id for one in chosen}, []
    own, past = np.zeros(size), np.zeros(size)
    acted = np.zeros(size, dtype=np.bool_)
    floor, high, scale = (np.zeros((len(chosen), len(years))) for _ in range(3))
    ramp, before = np.full(len(chosen), np.inf), np.zeros(len(chosen))
    for row, measure in enumerate(chosen):
        item = there.get(measure.id, _template(catalog, measure, resolved.base_year))
        under = [one for one in beneath if (one.measure.order, one.measure.id) < (measure.order, measure.id)]
        truly = apply_measures(bare, under)
        values = _own_values(truly, item)
        trend = _own_values(apply_measures(bare, [one for one in under if one.measure.id not in names]), item)
        if measure.id in there:
            past[row] = _given(item, values, _values_after(apply_measures(bare, [*under, item]), item))
            acted[row] = item.weight > 0
        top = np.minimum(trend.ceiling, np.inf if measure.most is None else measure.most)
        if caps_level(measure):
            own[row] = trend.most
            past[row] = np.where(acted[row], np.maximum(own[row] - past[row], 0.0), 0.0)
            least = -np.inf if measure.least is None else measure.least
            bottom, top = np.zeros(len(YEARS)), np.maximum(own[row] - max(least, 0.0), 0.0)
        else:
            bottom = np.minimum(trend.least, top)
            if float((trend.most - trend.least)[late].max()) > _APART:
                notes.append(
                    f"{measure.title.zh}：各类建筑现有水平不同，水平低于 {float(trend.most[late].max()):.2f} 时只对一部分起作用"
                )
        floor[row] = bottom[late]
        high[row] = np.maximum(top[late], floor[row])
        if measure.from_year is not None:
            high[row] = np.where(years < measure.from_year, floor[row], high[row])
        span = high[row] - floor[row]
        scale[row] = np.where(np.isfinite(span), span, _scale_of(bare, measure)[late])
        eve = year_row(YEARS, first) - 1
        before[row] = past[row, eve] if acted[row, eve] else bottom[eve]
        acted[row, late.start :] = False
        past[row, late.start :] = 0.0
        if measure.yearly_most is not None:
            rises = np.diff(floor[row], prepend=before[row]).max(initial=0.0)
            ramp[row] = max(measure.yearly_most, float(rises))
    durable = np.asarray([_is_stock(one) for one in chosen], dtype=np.bool_)
    high[durable] = np.maximum.accumulate(np.maximum(high[durable], before[durable, None]), axis=1)
    turned = np.asarray([caps_level(one) for one in chosen], dtype=np.bool_)
    return Choices(
        catalog, book, resolved, chosen, years, floor, high, scale, ramp, before, durable, turned, own, past, acted,
        tuple(notes),
    )  # fmt: skip


def lingers(measure: Measure) -> bool:
    """Return whether what a measure does in a year goes on in later ones: it changes the stock by cohort."""
    return any(change.quantity in READ_FROM_1950 for change in measure.changes)


def _is_stock(measure: Measure) -> bool:
    return not lingers(measure) and measure.activity not in _FLOWS


def scenario_levels(choices: Choices, resolved: ResolvedScenario) -> Floats:
    """Return the levels of a scenario at the choices, (M, T): what a plan asks for, as the choice counts it.

    Parameters
    ----------
    choices : Choices
    resolved : ResolvedScenario
        Of the same place; what it does not hold is at its floor.
    """
    there = {item.measure.id: item for item in resolved.measures}
    bare = scenario_inputs(choices.book, replace(resolved, measures=()))
    ordered = sorted(resolved.measures, key=lambda item: (item.measure.order, item.measure.id))
    late = slice(year_row(YEARS, int(choices.years[0])), year_row(YEARS, int(choices.years[-1])) + 1)
    levels = choices.floor.copy()
    for row, measure in enumerate(choices.measures):
        if measure.id not in there:
            continue
        item, at = there[measure.id], ordered.index(there[measure.id])
        values = _own_values(apply_measures(bare, ordered[:at]), item)
        path = _given(item, values, _values_after(apply_measures(bare, ordered[: at + 1]), item))
        path = choices.own[row] - path if choices.turned[row] else path
        levels[row] = np.maximum(np.where(item.weight > 0, path, 0.0)[late], choices.floor[row])
    return levels


def run_levels(choices: Choices, levels: Floats, quantiles: Mapping[str, Floats] | None = None) -> Outcome:
    """Run the model at levels of the choices.

    Parameters
    ----------
    choices : Choices
    levels : float array (M, T)
    quantiles : mapping, optional
        As for `InputBook.arrays`.

    Returns
    -------
    Outcome
    """
    bare = scenario_inputs(choices.book, replace(choices.resolved, measures=()), quantiles)
    return run(apply_measures(bare, choices.levelled(levels)))


def requirement_conditions(choices: Choices, *, place: int = 0) -> tuple[LinearCondition, ...]:
    """Return the conditions that what needs another measure goes no further than that one, by year.

    Parameters
    ----------
    choices : Choices
    place : int
        Row of the place in the problem.
    """
    found = []
    for row, other in choices.requires:
        one, two = choices.measures[row], choices.measures[other]
        found += [
            LinearCondition(
                name=f"requires.{choices.book.place}.{one.id}.{year}",
                kind=ConditionKind.SUPPLY,
                says=f"{int(year)}年{one.title.zh}不超过{two.title.zh}的范围",
                unit=one.unit,
                places=np.full(2, place),
                measures=np.asarray([row, other]),
                years=np.full(2, at),
                coefficients=np.asarray([1.0, -1.0]),
                upper=0.0,
            )
            for at, year in enumerate(choices.years)
        ]
    return tuple(found)
