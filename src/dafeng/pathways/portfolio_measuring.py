"""What is kept of a run of the model for a portfolio: emissions, results of targets, energy by who buys it, and what costs count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.pathways.inputs import Inputs
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.portfolio_levels import Choices

__all__ = ["ACTIVITIES", "Row", "Rows", "activity_rows", "counts_of", "energy_rows", "measured_rows", "reach_of"]

Floats = NDArray[np.float64]
Row = tuple[str, str]

ACTIVITIES: Final = ("inflow", "outflow", "retrofit_done", "retrofitted", "area", "heated_area", "pv_capacity")
"""Results by class (heated area in one, capacity by segment) that costs may be counted by."""
_RURAL: Final = "rural_residential"
_CLASS_AXES: Final = (("building_class",), ("segment",))


@dataclass(frozen=True)
class Rows:
    """What is kept of a run, each part (rows, years from 2000, D)."""

    views: Floats
    results: Floats
    energy: Floats
    activity: Floats

    def parts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Return emissions, results, energy and activity."""
        return self.views, self.results, self.energy, self.activity


def energy_rows(outcome: Outcome) -> tuple[Row, ...]:
    """Return the kinds of energy that are kept, in order."""
    members = outcome.axes.members
    return (
        *((one, carrier) for one in members("building_class") for carrier in members("carrier")),
        *(("pv_exported", segment) for segment in members("segment")),
        *(("source", source) for source in members("heat_source")),
        *(("supplied", source) for source in members("heat_source")),
        *(("municipal", service) for service in members("service")),
    )


def activity_rows(outcome: Outcome) -> tuple[Row, ...]:
    """Return the activities that are kept, in order."""
    by_class = [(name, one) for name in ACTIVITIES[:5] for one in outcome.axes.members("building_class")]
    return (
        *by_class,
        ("heated_area", "all"),
        *(("pv_capacity", segment) for segment in outcome.axes.members("segment")),
    )


def measured_rows(inputs: Inputs, outcome: Outcome, views: Sequence[str], *, emissions_only: bool) -> Rows:
    """Return what is kept of a run."""
    emitted = _stack([outcome.view(name) for name in views], outcome)
    if emissions_only:
        none = np.zeros((0, *emitted.shape[1:]))
        return Rows(emitted, none, none, none)
    carriers = outcome.axes.members("carrier")
    classes = outcome.axes.members("building_class")
    urban = [row for row, code in enumerate(classes) if code != _RURAL]
    advanced = inputs.late("advanced_share")[urban].sum(axis=1)
    results = [
        outcome.electricity_share() * 100,
        outcome.renewable_substitution_rate() * 100,
        outcome.retrofit_done[urban].sum(axis=0),
        (outcome.inflow[urban] * advanced).sum(axis=0),
    ]
    energy = [
        outcome.purchased[row] if carrier == "electricity" else outcome.final[row, at]
        for row in range(len(classes))
        for at, carrier in enumerate(carriers)
    ]
    supplied = outcome.heat_at_source * inputs.late("heat_source_share")
    energy += [*(outcome.pv - outcome.pv_used), *outcome.source_input, *supplied, *outcome.municipal_kwh]
    activity = [part for name in ACTIVITIES[:5] for part in getattr(outcome, name)]
    activity += [outcome.heated_area, *inputs.late("pv_capacity")]
    return Rows(emitted, _stack(results, outcome), _stack(energy, outcome), _stack(activity, outcome))


def _stack(parts: Sequence[Floats], outcome: Outcome) -> Floats:
    draws = outcome.draws
    stacked = np.empty((len(parts), len(outcome.years), draws))
    for row, part in enumerate(parts):
        stacked[row] = part
    return stacked


def counts_of(inputs: Inputs, outcome: Outcome, late: slice) -> dict[Row, Floats]:
    """Return what costs may be counted by, each (C or 1, T), without draws."""
    axes = outcome.axes
    classes = axes.members("building_class")
    area = outcome.area[:, late, 0]
    urban = outcome.urban_population[late, 0]
    people = np.zeros_like(area)
    people[classes.index("urban_residential")] = urban
    people[classes.index(_RURAL)] = outcome.population[late, 0] - urban
    share = inputs.late("technology_share")[:, :, late, 0]
    capacity = inputs.late("pv_capacity")[:, late, 0]
    segments = [axes.index("segment", axes.segment(code)) for code in classes]
    of_segment = np.zeros_like(capacity)
    np.add.at(of_segment, segments, area)
    part = np.divide(area, of_segment[segments], out=np.zeros_like(area), where=of_segment[segments] > 0)
    supplied = (outcome.heat_at_source * inputs.late("heat_source_share"))[:, late, 0]
    amounts = inputs.late("service_amount")[:, late, 0]
    technologies = axes.members("technology")
    found: dict[Row, Floats] = {
        ("area", ""): area,
        ("inflow", ""): outcome.inflow[:, late, 0],
        ("outflow", ""): outcome.outflow[:, late, 0],
        ("people", ""): people,
        ("heated_area", ""): area * share[:, technologies.index("district_heating")],
        ("heat_at_source", ""): supplied.sum(axis=0, keepdims=True),
        ("pv_capacity", ""): capacity[segments] * part,
    }
    for at, code in enumerate(axes.members("end_use")):
        found["useful", code] = outcome.useful[:, at, late, 0]
    for at, code in enumerate(technologies):
        found["technology_area", code] = area * share[:, at]
    for at, code in enumerate(axes.members("heat_source")):
        found["source_heat", code] = supplied[at : at + 1]
    for at, code in enumerate(axes.members("service")):
        found["service", code] = (urban * amounts[at])[None]
    return found


def reach_of(inputs: Inputs, choices: Choices, row: int, sizes: Floats, at: NDArray[np.intp], late: slice) -> Floats:
    """Return by class what share of a step of the level is more than the class has, (C, T), from a run of base and steps.

    `at` holds the year of each step; a single step of all years has them all.
    """
    axes = inputs.axes
    classes = axes.members("building_class")
    reach = np.ones((len(classes), len(sizes)))
    bounded = np.zeros((len(classes), len(sizes)))
    seen = np.zeros(len(classes), dtype=np.bool_)
    for change in choices.measures[row].changes:
        axis = inputs.axes_of(change.quantity)[:1]
        if change.how not in ("at_least", "shift") or change.times == "concerned" or axis not in _CLASS_AXES:
            continue
        array = inputs.late(change.quantity)
        cells = array[np.ix_(*inputs.rows(change.quantity, change.of))][..., late, :]
        cells = cells.reshape(cells.shape[0], -1, *cells.shape[-2:]).sum(axis=1)
        if cells.shape[-1] == 1:
            moved = np.zeros((len(cells), len(sizes)))
        else:
            columns = np.arange(1, cells.shape[-1])
            stepped = (
                cells[:, :, 1] - cells[:, :, 0]
                if len(columns) == 1 and len(at) > 1
                else cells[:, at, columns] - cells[:, at, 0]
            )
            step = sizes if stepped.shape[1] == len(sizes) else sizes[at]
            part = np.divide(stepped, step * change.per_level, out=np.zeros_like(stepped), where=step != 0)
            moved = (
                part
                if part.shape[1] == len(sizes)
                else np.stack([np.interp(np.arange(len(sizes)), at, one) for one in part])
            )
        for position, code in enumerate(axes.below(axis[0], change.of.get(axis[0], "all"))):
            for which, one in enumerate(classes):
                if one == code or (axis == ("segment",) and axes.segment(one) == code):
                    bounded[which] = np.maximum(bounded[which], np.clip(moved[position], 0.0, 1.0))
                    seen[which] = True
    reach[seen] = bounded[seen]
    return reach
