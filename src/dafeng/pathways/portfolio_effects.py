"""What one unit of a measure's level in one year changes: impulse responses of the pathway model about any levels.

A path of levels is a sum of single years, and its effect, to first order, the sum of theirs. A measure on a share of the standing
stock acts in its year alone; one on completions, retrofit or demolition goes on with the buildings that it touched. A response is the
difference of two runs that differ by a small level in one year, over that level. Where a measure sets in, others may jump (one scales
another): that jump is no slope, and stands apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.pathways.inputs import FIRST_RESULT, Inputs
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.model import run
from dafeng.pathways.outcome import VIEWS
from dafeng.pathways.plan_measures import RESULTS
from dafeng.pathways.portfolio_levels import Choices, lingers
from dafeng.pathways.portfolio_measuring import (
    Row,
    Rows,
    activity_rows,
    counts_of,
    energy_rows,
    measured_rows,
    reach_of,
)
from dafeng.pathways.scenarios import scenario_inputs

__all__ = ["DrawnEffects", "Effects", "linearise", "linearise_draws", "measured"]

Floats = NDArray[np.float64]

STEP: Final = 0.02
"""Step of the level, as a share of the way from floor to ceiling."""
_SHARES: Final = ("electricity_share", "renewable_substitution_rate")
_JUMP: Final = 1e-6
_EDGE: Final = 1e-9


@dataclass(frozen=True)
class Effects:
    """Responses about some levels. V views, R results, E kinds of energy, A activities, M measures, T years.

    The first time axis is the year in which the level acts, the last the year in which it is felt.

    Attributes
    ----------
    place : str
    measures : tuple of str
    years : int array (T,)
    levels : float array (M, T)
        About which the effects are linear.
    views : tuple of str
    base : float array (V, T), tCO2
        Emissions at `levels`.
    effect : float array (V, M, T, T), tCO2 a unit of level
    results : tuple of str
        Shares in percent; retrofitted and ultra-low area of each year in m2, of which targets state sums.
    result_base : float array (R, T)
    result_effect : float array (R, M, T, T)
    energy : tuple of (str, str)
        `(class, carrier)` as bought, electricity net of own photovoltaics; `("pv_exported", segment)`, `("source", heat source)`,
        `("supplied", heat source)`, heat that it gives; `("municipal", service)`.
    energy_base : float array (E, T), kWh
    energy_effect : float array (E, M, T, T), kWh a unit of level
    activity : tuple of (str, str)
        `(activity, class)`; capacity by segment.
    activity_base : float array (A, T), m2 or kW
    activity_effect : float array (A, M, T, T)
    counts : Mapping of (str, str) to float array (C or 1, T)
        By what is counted and its member: amounts by class, or in one row, at `levels`.
    reach : float array (M, C, T)
        By class: share of a unit of level that is really more than the class has of its own.
    switch : float array (V, M, T), tCO2
        What others lose or gain as soon as a measure sets in that does nothing at `levels`.
    past_years : int array (Y,)
        2000 to the year before the first.
    past : float array (V, Y)
        Emissions of the years before the choice.
    past_results : float array (R, Y)
    notes : tuple of str
        Kinks, in Chinese.
    """

    place: str
    measures: tuple[str, ...]
    years: NDArray[np.int64]
    levels: Floats
    views: tuple[str, ...]
    base: Floats
    effect: Floats
    results: tuple[str, ...]
    result_base: Floats
    result_effect: Floats
    energy: tuple[Row, ...]
    energy_base: Floats
    energy_effect: Floats
    activity: tuple[Row, ...]
    activity_base: Floats
    activity_effect: Floats
    counts: Mapping[Row, Floats]
    reach: Floats
    switch: Floats
    past_years: NDArray[np.int64]
    past: Floats
    past_results: Floats
    notes: tuple[str, ...]

    def view(self, name: str) -> tuple[Floats, Floats]:
        """Return base (T,) and effect (M, T, T) of a view."""
        at = self.views.index(name)
        return self.base[at], self.effect[at]

    def predicted(self, levels: Floats) -> Floats:
        """Return the emissions that the effects say at other levels (M, T), `(view, year)`."""
        return np.asarray(self.base + np.einsum("vmst,ms->vt", self.effect, levels - self.levels))


@dataclass(frozen=True)
class DrawnEffects:
    """Emissions and their responses over draws of the inputs, K draws.

    Attributes
    ----------
    views : tuple of str
    base : float array (V, T, K), tCO2
    effect : float array (V, M, T, T, K), tCO2 a unit of level
    """

    views: tuple[str, ...]
    base: Floats
    effect: Floats


# -- impulses -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """What all runs of one linearisation share."""

    choices: Choices
    bare: Inputs
    levels: Floats
    views: tuple[str, ...]
    emissions_only: bool

    def run(self, levels: Floats, on: Sequence[int]) -> tuple[Rows, Inputs]:
        choices = self.choices
        excluded = {two for one in on for two in _others(choices, one)}
        items = [
            item
            if item.measure.id not in {choices.names[row] for row in excluded}
            else replace(item, weight=np.zeros_like(item.weight))
            for item in choices.levelled(levels, on=on)
        ]
        inputs = apply_measures(self.bare, items)
        return measured_rows(inputs, run(inputs), self.views, emissions_only=self.emissions_only), inputs

    def late(self) -> slice:
        first = int(self.choices.years[0]) - FIRST_RESULT
        return slice(first, first + len(self.choices.years))


def _others(choices: Choices, row: int) -> set[int]:
    """Return the rows that shut a measure out, or that it shuts out."""
    return {two for one, two in choices.exclusive if one == row} | {one for one, two in choices.exclusive if two == row}


def _steps(choices: Choices, levels: Floats, row: int, step: float) -> Floats:
    """Return the change of the level by year (T,): upwards, downwards at the ceiling, 0 where there is no way."""
    size = step * choices.scale[row]
    up = levels[row] + size <= choices.high[row] + _EDGE
    down = levels[row] - size >= choices.floor[row] - _EDGE
    return np.where(size <= _EDGE, 0.0, np.where(up, size, np.where(down, -size, 0.0)))


def _needed(choices: Choices, row: int) -> tuple[int, ...]:
    """Return a row with all those that it needs."""
    found = [row]
    for one in found:
        found += [two for who, two in choices.requires if who == one and two not in found]
    return tuple(found)


def _pulse_years(years: int, every: int) -> NDArray[np.intp]:
    return np.unique(np.append(np.arange(0, years, every), years - 1))


def _pulses(frame: _Frame, row: int, sizes: Floats, at: NDArray[np.intp]) -> Floats:
    """Return the levels of base and pulses side by side, (M, T, 1 + pulses)."""
    levels = np.repeat(frame.levels[:, :, None], 1 + len(at), axis=2)
    levels[row, at, 1 + np.arange(len(at))] += sizes[at]
    return levels


def _between(kernel: Floats, at: NDArray[np.intp]) -> Floats:
    """Return responses of every year from those of some, (rows, T, T): between two pulses by what came as many years after each."""
    years = kernel.shape[-1]
    if len(at) == years:
        return kernel
    full = np.zeros((len(kernel), years, years))
    for year in range(years):
        after = int(np.searchsorted(at, year))
        right = int(at[after])
        left = int(at[after - 1]) if right != year else right
        share = 0.0 if left == right else (year - left) / (right - left)
        lags = years - year
        low = kernel[:, after if left == right else after - 1, left : left + lags]
        high = np.zeros((len(kernel), lags))
        seen = kernel[:, after, right:]
        high[:, : seen.shape[1]] = seen
        if seen.shape[1] < lags:  # beyond the horizon of the later pulse the earlier one says how it goes on
            high[:, seen.shape[1] :] = low[:, seen.shape[1] :]
        full[:, year, year:] = (1 - share) * low + share * high
    return full


@dataclass(frozen=True)
class _Response:
    """Responses of one measure: each (rows, T, T); its emissions standing still (V, T); its reach (C, T)."""

    parts: tuple[Floats, ...]
    still: Floats
    reach: Floats


def _responses(frame: _Frame, row: int, step: float, every: int) -> _Response:
    choices, late = frame.choices, frame.late()
    years = len(choices.years)
    sizes, on = _steps(choices, frame.levels, row, step), _needed(choices, row)
    found: list[Floats] = []
    if lingers(choices.measures[row]):
        at = _pulse_years(years, every)
        rows, inputs = frame.run(_pulses(frame, row, sizes, at), on)
        for part in rows.parts():
            change = np.moveaxis(_difference(part, late, len(at)), -1, 1)
            size = sizes[at][:, None]
            found.append(_between(np.divide(change, size, out=np.zeros_like(change), where=size != 0), at))
    else:
        at = np.arange(years)
        levels = np.stack([frame.levels, frame.levels], axis=2)
        levels[row, :, 1] += sizes
        rows, inputs = frame.run(levels, on)
        for part in rows.parts():
            change = _difference(part, late, 1)[..., 0]
            full = np.zeros((len(part), years, years))
            full[:, at, at] = np.divide(change, sizes, out=np.zeros_like(change), where=sizes != 0)
            found.append(full)
    return _Response(tuple(found), rows.views[:, late, 0], reach_of(inputs, choices, row, sizes, at, late))


def _difference(part: Floats, late: slice, columns: int) -> Floats:
    """Return what the columns after the first differ by, (rows, T, columns); nothing where all are the same."""
    if part.shape[-1] == 1:
        return np.zeros((len(part), late.stop - late.start, columns))
    return np.asarray(part[:, late, 1:] - part[:, late, :1])


def _check_step(step: float, every: int) -> None:
    if not 0 < step <= 1 or every < 1:
        raise InputError(
            f"step {step}, every {every}",
            doing="find the effects of measures",
            expected="a step above 0 and up to 1, pulses every year or every few years",
            next_step="leave both at their defaults",
        )


def linearise(
    choices: Choices,
    levels: Floats | None = None,
    *,
    views: Sequence[str] = (*VIEWS,),
    step: float = STEP,
    every: int = 1,
) -> Effects:
    """Return the responses of the model about levels of the choices.

    Parameters
    ----------
    choices : Choices
    levels : float array (M, T), optional
        About which; the floor where None, at which no choice does anything.
    views : sequence of str
        Views or components.
    step : float
        Step of the level, as a share of the way from floor to ceiling. A small one gives the slope where it stands; a large one, at
        the floor, what the way up gives on average, which is the better guess of a first round.
    every : int
        Years between pulses of measures whose effect goes on; between them it is interpolated by years since, within a tenth of the
        largest response at five years.

    Returns
    -------
    Effects

    Raises
    ------
    InputError
        A step outside 0 to 1.

    Notes
    -----
    A measure that needs another is measured as if the other acted; one that others shut out, as if they did not.
    """
    _check_step(step, every)
    at = choices.floor.copy() if levels is None else levels
    bases = measured(choices, at, views=views)
    bare = scenario_inputs(choices.book, replace(choices.resolved, measures=()))
    frame = _Frame(choices, bare, at, tuple(views), emissions_only=False)
    years, count = len(choices.years), len(choices.measures)
    sizes = (len(bases.base), len(bases.result_base), len(bases.energy_base), len(bases.activity_base))
    effects = [np.zeros((size, count, years, years)) for size in sizes]
    reach = np.ones((count, *bases.counts["area", ""].shape))
    switch = np.zeros((len(views), count, years))
    notes = list(choices.notes)
    for row, measure in enumerate(choices.measures):
        response = _responses(frame, row, step, every)
        for effect, part in zip(effects, response.parts, strict=True):
            effect[:, row] = part
        reach[row] = response.reach
        jump = response.still - bases.base
        if (np.abs(jump) > _JUMP * np.abs(bases.base).max()).any():
            switch[:, row] = jump
            notes.append(f"{measure.title.zh}：一开始实施即改变其他措施的效果，这一跳不随水平变化，另列")
    return replace(
        bases,
        effect=effects[0],
        result_effect=effects[1],
        energy_effect=effects[2],
        activity_effect=effects[3],
        reach=reach,
        switch=switch,
        notes=tuple(notes),
    )


def measured(choices: Choices, levels: Floats, *, views: Sequence[str] = (*VIEWS,)) -> Effects:
    """Return what the model gives at levels, without responses: those have no measure.

    Parameters
    ----------
    choices : Choices
    levels : float array (M, T)
    views : sequence of str

    Returns
    -------
    Effects
        Its arrays of effects are (…, 0, T, T).
    """
    bare = scenario_inputs(choices.book, replace(choices.resolved, measures=()))
    inputs = apply_measures(bare, choices.levelled(levels))
    outcome = run(inputs)
    rows = measured_rows(inputs, outcome, views, emissions_only=False)
    years = len(choices.years)
    first = int(choices.years[0]) - FIRST_RESULT
    late, before = slice(first, first + years), slice(0, first)
    counts = counts_of(inputs, outcome, late)

    def none(of: Floats) -> Floats:
        return np.zeros((len(of), 0, years, years))

    return Effects(
        place=choices.book.place,
        measures=choices.names,
        years=choices.years,
        levels=levels,
        views=tuple(views),
        base=rows.views[:, late, 0],
        effect=none(rows.views),
        results=RESULTS,
        result_base=rows.results[:, late, 0],
        result_effect=none(rows.results),
        energy=energy_rows(outcome),
        energy_base=rows.energy[:, late, 0],
        energy_effect=none(rows.energy),
        activity=activity_rows(outcome),
        activity_base=rows.activity[:, late, 0],
        activity_effect=none(rows.activity),
        counts=counts,
        reach=np.ones((0, len(counts["area", ""]), years)),
        switch=np.zeros((len(views), 0, years)),
        past_years=outcome.years[before],
        past=rows.views[:, before, 0],
        past_results=rows.results[:, before, 0],
        notes=choices.notes,
    )


def linearise_draws(
    choices: Choices,
    levels: Floats,
    quantiles: Mapping[str, Floats],
    *,
    views: Sequence[str] = ("building_operation",),
    step: float = STEP,
    every: int = 5,
) -> DrawnEffects:
    """Return emissions and their responses over draws of the inputs.

    Parameters
    ----------
    choices : Choices
        Floors and ceilings are those of the stated values.
    levels : float array (M, T)
    quantiles : mapping from group to array (K,)
        As `draw_quantiles` gives them.
    views : sequence of str
    step, every : float, int
        As for `linearise`; pulses every five years by default.

    Returns
    -------
    DrawnEffects

    Raises
    ------
    InputError
        A step outside 0 to 1.
    """
    _check_step(step, every)
    bare = scenario_inputs(choices.book, replace(choices.resolved, measures=()), quantiles)
    frame = _Frame(choices, bare, levels, tuple(views), emissions_only=True)
    late, years = frame.late(), len(choices.years)
    base = frame.run(levels, ())[0].views[:, late]
    draws = base.shape[-1]
    effect = np.zeros((len(views), len(choices.measures), years, years, draws))
    for row, measure in enumerate(choices.measures):
        sizes, on = _steps(choices, levels, row, step), _needed(choices, row)
        still = frame.run(levels, on)[0].views[:, late]
        if not lingers(measure):
            moved = levels.copy()
            moved[row] += sizes
            change = frame.run(moved, on)[0].views[:, late] - still
            slope = np.divide(change, sizes[:, None], out=np.zeros_like(change), where=(sizes != 0)[:, None])
            effect[:, row, np.arange(years), np.arange(years)] = slope
            continue
        at = _pulse_years(years, every)
        kernel = np.zeros((len(views), len(at), years, draws))
        for pulse, year in enumerate(at):
            if sizes[year] == 0:
                continue
            moved = levels.copy()
            moved[row, year] += sizes[year]
            kernel[:, pulse] = (frame.run(moved, on)[0].views[:, late] - still) / sizes[year]
        wide = np.moveaxis(kernel, -1, 1).reshape(-1, len(at), years)
        effect[:, row] = np.moveaxis(_between(wide, at).reshape(len(views), draws, years, years), 1, -1)
    return DrawnEffects(tuple(views), base, effect)
