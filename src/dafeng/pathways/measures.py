"""Measures as array programs: what each changes, in a fixed order, on or off per draw, with limits and interactions.

A measure's level is a number for each year. A change of it is one of five: a bound from below or above, an amount added, a share
taken off, a share shifted from other members. Nothing changes up to the base year. Between `rises_from` and the first level the
bound runs in a straight line from the value that the quantity itself has, so that a target reads "from where we are to there".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_overlay_checks import find_circle
from dafeng.catalog.pathway_schemas import Change, LevelPoint, Measure, PathwayQuantity
from dafeng.catalog.pathway_tables import PathwayAxes, bounds_of, year_row
from dafeng.pathways.inputs import Buffers, Inputs
from dafeng.pathways.stock import segment_area

__all__ = ["Action", "LevelledMeasure", "apply_measures", "caps_level", "level_measure"]

_Float = NDArray[np.float64]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Action:
    """A change of a measure with its members resolved to rows of the quantity's array.

    Attributes
    ----------
    change : Change
    quantity : PathwayQuantity
    rows : tuple of int array
        Rows on each axis of the quantity, before year and draw.
    givers : int array
        For `shift`: rows of the last axis that give way.
    segments : tuple of str
        For `times: area`: codes of the last axis's rows.
    """

    change: Change
    quantity: PathwayQuantity
    rows: tuple[NDArray[np.intp], ...]
    givers: NDArray[np.intp]
    segments: tuple[str, ...] = ()


@dataclass(frozen=True)
class LevelledMeasure:
    """A measure at its yearly levels.

    Attributes
    ----------
    measure : Measure
    levels : float array (T,) or (T, D)
        Level of each year in the measure's unit, the same in all draws or one a draw; outside the years in which it acts of
        no meaning.
    weight : float array (T,)
        0 where it does not act, 1 where its level holds, between the two where it rises from the quantity's own value.
    base : int
        Row of the base year.
    actions : tuple of Action
    because : tuple of str
        Targets, obligations and tasks from which it comes.
    """

    measure: Measure
    levels: _Float
    weight: _Float
    base: int
    actions: tuple[Action, ...]
    because: tuple[str, ...] = ()

    @property
    def bounds_above(self) -> bool:
        """Whether its level is an upper bound, so that a lower level is more of it."""
        return caps_level(self.measure)

    @property
    def draws(self) -> int:
        """Number of draws of its levels."""
        return int(self.levels.shape[1]) if self.levels.ndim == 2 else 1

    def scaled(self, share: float | _Float) -> LevelledMeasure:
        """Return it with every level times `share`, one number or one a draw."""
        return replace(self, levels=np.multiply.outer(self.levels, share) if np.ndim(share) else self.levels * share)


def caps_level(measure: Measure) -> bool:
    """Return whether the level of a measure is an upper bound, so that a lower level is more of it."""
    return all(change.how == "at_most" for change in measure.changes)


def _resolve_change(axes: PathwayAxes, quantity: PathwayQuantity, change: Change) -> Action:
    codes = tuple(axes.below(axis, change.of.get(axis, "all")) for axis in quantity.axes)
    rows = tuple(
        np.asarray([axes.index(axis, code) for code in found], dtype=np.intp)
        for axis, found in zip(quantity.axes, codes, strict=True)
    )
    givers: tuple[str, ...] = ()
    if change.how == "shift":
        last, taker = quantity.axes[-1], axes.get(quantity.axes[-1], codes[-1][0])
        use = None if taker is None else taker.end_use
        givers = tuple(
            code
            for code in axes.members(last)
            if code not in codes[-1]
            and (member := axes.get(last, code)) is not None
            and member.end_use == use
            and (not change.taken_from or code in change.taken_from)
        )
    return Action(
        change,
        quantity,
        rows,
        np.asarray([axes.index(quantity.axes[-1], code) for code in givers], dtype=np.intp),
        codes[-1] if codes else (),
    )


def level_measure(
    catalog: Catalog,
    measure: Measure,
    points: Sequence[LevelPoint],
    *,
    years: NDArray[np.int64],
    base_year: int,
    rises_from: int | None = None,
    until: int | None = None,
    because: tuple[str, ...] = (),
) -> LevelledMeasure:
    """Return a measure at its yearly levels, with its limits on level and first year put on.

    Parameters
    ----------
    catalog : Catalog
        Its members and quantities.
    measure : Measure
    points : sequence of LevelPoint
        Levels; straight between, holding after the last.
    years : int array (T,)
    base_year : int
        Nothing changes up to it.
    rises_from : int, optional
        Year from whose own value it rises to the first level; never before the base year.
    until : int, optional
        Last year in which it acts.
    because : tuple of str

    Returns
    -------
    LevelledMeasure
    """
    stated = sorted(points, key=lambda point: point.year)
    levels = np.interp(years, [point.year for point in stated], [point.level for point in stated])
    levels = np.clip(
        levels,
        -np.inf if measure.least is None else measure.least,
        np.inf if measure.most is None else measure.most,
    )
    first = stated[0].year
    weight: _Float = (years >= first).astype(np.float64)
    start = base_year if rises_from is None else max(rises_from, base_year)
    if rises_from is not None and first > start:
        weight = np.clip((years - start) / (first - start), 0.0, 1.0)
    acts = years > base_year
    if measure.from_year is not None:
        acts &= years >= measure.from_year
    if until is not None:
        acts &= years <= until
    base = year_row(years, base_year)
    axes = PathwayAxes(catalog.path_members)
    known = catalog.path_quantities
    actions = tuple(_resolve_change(axes, known[change.quantity], change) for change in measure.changes)
    return LevelledMeasure(measure, levels, np.where(acts, weight, 0.0), base, actions, because)


# -- what acts ----------------------------------------------------------------------------------------------------------


def _what_acts(ordered: Sequence[LevelledMeasure], active: Mapping[str, _Mask] | None) -> dict[str, _Mask]:
    """Return where each measure acts, (T, D or 1), after `requires` and `excludes`."""
    by_id = {item.measure.id: item for item in ordered}
    circle = find_circle({name: item.measure for name, item in by_id.items()})
    if circle:
        raise InputError(
            f"measures depend on one another in a circle: {' → '.join(circle)}",
            doing="apply measures",
            expected="requires and excludes without a circle",
            next_step="take one of these interactions out of the measures",
        )
    done: dict[str, _Mask] = {}

    def acts(name: str) -> _Mask:
        if name in done:
            return done[name]
        item = by_id[name]
        on: _Mask = (item.weight > 0)[:, None]
        if active is not None:
            on = on & active[name][None, :]
        for interaction in item.measure.interactions:
            other = interaction.measure
            if interaction.kind == "requires":
                on = on & acts(other) if other in by_id else np.zeros_like(on)
            elif interaction.kind == "excludes" and other in by_id:
                on = on & ~acts(other)
        done[name] = on
        return on

    for name in by_id:
        acts(name)
    return done


def _strength(item: LevelledMeasure, on: Mapping[str, _Mask]) -> _Float:
    """Return the share of its amount that a measure gives, (T, D or 1): its rise times the factors of those that act too."""
    factors = (
        np.where(on[other.measure], other.factor, 1.0)
        for other in item.measure.interactions
        if other.kind == "scales" and other.measure in on
    )
    rise: _Float = reduce(np.multiply, factors, item.weight[:, None])
    return rise


# -- the changes, on the years from the base year on ---------------------------------------------------------------------


def _limited(path: _Float, start: _Float, per_year: float, *, rising: bool) -> _Float:
    """Return `path` (…, T, D) held to a change of `per_year` a year from `start` (…, 1, D) in its first year on."""
    steps = np.arange(path.shape[-2], dtype=np.float64)[:, None] * per_year
    held = path.copy() if rising else -path
    held[..., :1, :] = start if rising else -start
    held = np.minimum.accumulate(held - steps, axis=-2) + steps
    return held if rising else -held


def _floor_area(inputs: Inputs, segments: Sequence[str], base: int) -> _Float:
    """Return the floor area demanded of segments from the base year on, (segment, T, D), by equation (2)."""
    return np.stack([segment_area(inputs, one)[base:] for one in segments])


def _activity(item: LevelledMeasure, action: Action, inputs: Inputs) -> _Float:
    """Return what an amount is counted by, from the base year on, (…, T, D or 1): 1, people, or floor area."""
    if action.change.times == "people":
        return inputs.arrays["population"][item.base :]
    if action.change.times == "area":
        return _floor_area(inputs, action.segments, item.base)
    return np.ones((1, 1))


def _changed(
    now: _Float, item: LevelledMeasure, action: Action, strength: _Float, inputs: Inputs, room: _Float | None = None
) -> _Float:
    """Return the values (…, T, D) after one change; for a shift the share that its member is to have, of `room` at most."""
    change, per_year = action.change, item.measure.yearly_most
    levels = item.levels[item.base :].reshape(-1, item.draws)
    own = now[..., :1, :]
    if change.how in {"add", "reduce"}:
        given = strength * levels
        if per_year is not None:
            given = _limited(given, np.zeros_like(given[:1]), per_year, rising=True)
        amount = given * change.per_level * _activity(item, action, inputs)
        return now + amount if change.how == "add" else now * (1.0 - np.minimum(amount, 1.0))
    aim = levels * change.per_level
    if room is not None:  # a shift cannot take more than the givers have: the rise runs to what can be had
        aim = aim * room if change.times == "concerned" else np.minimum(aim, room)
    bound = aim * strength + own * (1.0 - strength)
    if per_year is not None:
        start = np.broadcast_to(own, bound[..., :1, :].shape)
        bound = _limited(bound, start, per_year * abs(change.per_level), rising=change.how != "at_most")
    return np.minimum(now, bound) if change.how == "at_most" else np.maximum(now, bound)


def _shift(tail: _Float, action: Action, wanted: _Float, on: _Mask) -> None:
    """Raise the share of one member to `wanted` in place; what it gains the givers lose in proportion."""
    taker, givers = np.ix_(*action.rows), np.ix_(*action.rows[:-1], action.givers)
    now, given = tail[taker], tail[givers]
    there = given.sum(axis=-3, keepdims=True)
    gain = np.clip(wanted - now, 0.0, there)
    left = 1.0 - np.divide(gain, there, out=np.zeros(np.broadcast_shapes(gain.shape, there.shape)), where=there > 0)
    rest = np.where(on, given * left, given)
    tail[givers] = rest
    tail[taker] = np.where(on, now + (given - rest).sum(axis=-3, keepdims=True), now)


def _act(array: _Float, item: LevelledMeasure, action: Action, strength: _Float, on: _Mask, inputs: Inputs) -> None:
    """Write one change into an array (axes…, T, D) of its own."""
    tail = array[..., item.base :, :]
    cells = np.ix_(*action.rows) if action.rows else ...
    now = tail[cells]
    if action.change.how == "shift":
        room = now + tail[np.ix_(*action.rows[:-1], action.givers)].sum(axis=-3, keepdims=True)
        _shift(tail, action, _changed(now, item, action, strength, inputs, room), on)
        return
    changed = _changed(now, item, action, strength, inputs)
    tail[cells] = np.where(on, np.clip(changed, *bounds_of(action.quantity)), now)
    if action.quantity.id == "advanced_share":
        _make_room(tail, on)


def _make_room(levels: _Float, on: _Mask) -> None:
    """Keep the levels above the code (class, level, T, D) to one in all, in place: the higher one holds, the lower gives way."""
    for row in range(levels.shape[1] - 2, -1, -1):
        room = np.maximum(1.0 - levels[:, row + 1 :].sum(axis=1), 0.0)
        levels[:, row] = np.where(on, np.minimum(levels[:, row], room), levels[:, row])


def _draws(inputs: Inputs, item: LevelledMeasure, action: Action, on: _Mask) -> int:
    """Return how many draws the quantity has once the action is done."""
    sizes = [inputs.arrays[action.quantity.id].shape[-1], on.shape[-1], item.draws]
    if action.change.times in {"area", "people"}:
        sizes += [inputs.arrays[name].shape[-1] for name in ("population", "urban_share", "floor_per_head")]
    return int(max(sizes))


def apply_measures(
    inputs: Inputs,
    levelled: Sequence[LevelledMeasure],
    *,
    active: NDArray[np.bool_] | None = None,
    buffers: Buffers | None = None,
) -> Inputs:
    """Return the inputs after measures, in the order of the measures themselves, whatever order they are given in.

    Parameters
    ----------
    inputs : Inputs
        Arrays (axes…, T, D or 1).
    levelled : sequence of LevelledMeasure
        M measures.
    active : bool array (M, D), optional
        Whether a measure is on in a draw, in the order of `levelled`; all on where None. With it, subsets of measures run
        as draws. What is off leaves the values as they are, bit for bit.
    buffers : Buffers, optional
        Hold the arrays that change; those of `inputs` that they hold are written to. New arrays where None.

    Returns
    -------
    Inputs
        The same object where nothing acts.

    Raises
    ------
    InputError
        Interactions run in a circle, or `active` has another number of rows.
    """
    if active is not None and (active.ndim != 2 or active.shape[0] != len(levelled)):
        raise InputError(
            f"the mask has shape {active.shape}",
            doing="apply measures",
            expected=f"({len(levelled)}, draws)",
            next_step="give a row for each measure",
        )
    by_draw = None if active is None else {item.measure.id: active[row] for row, item in enumerate(levelled)}
    ordered = sorted(levelled, key=lambda item: (item.measure.order, item.measure.id))
    on = _what_acts(ordered, by_draw)
    own: dict[str, _Float] = {}
    held = buffers or Buffers()
    for item in ordered:
        acts = on[item.measure.id][item.base :]
        if not acts.any():
            continue
        strength = _strength(item, on)[item.base :]
        for action in item.actions:
            name = action.quantity.id
            draws = _draws(inputs, item, action, acts | (strength > 0))
            array = own.get(name, inputs.arrays[name])
            if name not in own or array.shape[-1] < draws:
                own[name] = held.own(name, array, draws)
            _act(own[name], item, action, strength, acts, inputs)
    return inputs.with_arrays(**own) if own else inputs
