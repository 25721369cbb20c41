"""Targets that state an outcome: the level of their measure is solved so that the model's result meets the value in its year.

Levels are scaled as a whole by a share from 0 to 1. Where the trend meets the target already the share is 0; where the full levels do
not reach it the share is 1, and a finding says how far they lead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.pathway_schemas import LevelPoint, Meets
from dafeng.catalog.pathway_tables import year_row
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.measures import apply_measures
from dafeng.pathways.model import run
from dafeng.pathways.outcome import Outcome
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs

__all__ = ["ResultsOf", "model_results", "result_text", "solve_scenario"]

Array = NDArray[np.float64]
ResultsOf = Callable[[Inputs, Sequence[Meets]], Sequence[Array]]
"""From inputs and what is to be met: the result that each speaks of, by draw, shape (draw or 1,)."""

_SHARES: Final = 33
"""Shares of a measure's levels that are tried at once."""
_MOST_ROUNDS: Final = 12


def model_results(inputs: Inputs, wanted: Sequence[Meets]) -> list[Array]:
    """Return the results that targets speak of, by one run of the model.

    Parameters
    ----------
    inputs : Inputs
    wanted : sequence of Meets
        Each names one of `RESULTS`, a year, and the first year of a sum (2000 where None).

    Returns
    -------
    list of array, shape (draw or 1,)
        Shares in percent by the generation basis; areas in m2.
    """
    outcome = run(inputs)
    return [_result(inputs, outcome, meets) for meets in wanted]


def _result(inputs: Inputs, outcome: Outcome, meets: Meets) -> Array:
    at = year_row(outcome.years, meets.year)
    if meets.result == "electricity_share":
        return np.asarray(outcome.electricity_share()[at] * 100)
    if meets.result == "renewable_substitution_rate":
        return np.asarray(outcome.renewable_substitution_rate()[at] * 100)
    first = year_row(outcome.years, max(meets.since or 2000, 2000))
    urban = [row for row, code in enumerate(outcome.axes.members("building_class")) if code != "rural_residential"]
    if meets.result == "retrofit_area_total":
        return np.asarray(outcome.retrofit_done[urban, first : at + 1].sum(axis=(0, 1)))
    advanced = inputs.late("advanced_share")[urban].sum(axis=1)
    return np.asarray((outcome.inflow[urban] * advanced)[:, first : at + 1].sum(axis=(0, 1)))


def _find_shares(
    results_of: Callable[[Mapping[str, Array]], Sequence[Array]], wanted: Mapping[str, Meets], tolerance: float
) -> dict[str, tuple[float, float, float]]:
    """Return by measure the least share at which its rising result meets its value, and its results at 0 and 1.

    All measures are searched at once: a run tries a ladder of shares for each, the others at what was found last. The ladder
    narrows about what was found until its steps are within the tolerance and nothing moves any more.
    """
    names = list(wanted)
    spans = dict.fromkeys(names, (0.0, 1.0))
    found = dict.fromkeys(names, 0.0)
    ends: dict[str, tuple[float, float]] = {}
    for _ in range(_MOST_ROUNDS):
        ladders = {name: np.linspace(*spans[name], _SHARES) for name in names}
        tried = {
            name: np.concatenate([ladders[name] if one == name else np.full(_SHARES, found[name]) for one in names])
            for name in names
        }
        before = dict(found)
        for row, (name, values) in enumerate(zip(names, results_of(tried), strict=True)):
            ladder = ladders[name]
            reached = np.broadcast_to(values, len(names) * _SHARES)[row * _SHARES : (row + 1) * _SHARES]
            if spans[name] == (0.0, 1.0):
                ends[name] = float(reached[0]), float(reached[-1])
            met = np.flatnonzero(reached >= wanted[name].value)
            at = int(met[0]) if len(met) else _SHARES - 1
            found[name] = float(ladder[at])
            step = float(ladder[1] - ladder[0])
            outside = (at == 0 and ladder[0] > 0) or (not len(met) and ladder[-1] < 1)
            if outside:
                spans[name] = (0.0, 1.0)
            elif step > tolerance:
                spans[name] = max(found[name] - 2 * step, 0.0), min(found[name] + step, 1.0)
        narrow = all(high - low <= tolerance * (_SHARES - 1) * (1 + 1e-9) for low, high in spans.values())
        if (narrow or all(found[name] in (0.0, 1.0) for name in names)) and found == before:
            break
    return {name: (found[name], *ends[name]) for name in names}


_PERCENT: Final = ("electricity_share", "renewable_substitution_rate")


def result_text(value: float, meets: Meets) -> str:
    """Return a result as people write it."""
    if meets.result in _PERCENT:
        return f"{value:.1f}%"
    return f"{value / 1e4:,.0f}万平方米"


def _say(name: str, resolved: ResolvedScenario, meets: Meets, share: float, low: float, high: float) -> Finding | None:
    title = next(item.measure.title.zh for item in resolved.measures if item.measure.id == name)
    wanted = result_text(meets.value, meets)
    if share == 0.0 and low >= meets.value:
        return Finding(
            name="pathways.target.met-by-trend",
            sentence=f"{title}：不加这项措施 {meets.year} 年已达到 {result_text(low, meets)}，目标 {wanted}",
            severity=Severity.INFO,
            value=result_text(low, meets),
            evidence={"measure": name, "result": meets.result},
        )
    if high < meets.value:
        return Finding(
            name="pathways.target.out-of-reach",
            sentence=f"{title}做到最大，{meets.year} 年只达到 {result_text(high, meets)}，不到目标 {wanted}",
            severity=Severity.WARNING,
            value=result_text(high, meets),
            expected=wanted,
            next_step="看参数与口径，或换一项措施承担该目标",
            evidence={"measure": name, "result": meets.result},
        )
    return None


def solve_scenario(
    resolved: ResolvedScenario, book: InputBook, *, results_of: ResultsOf = model_results, tolerance: float = 1e-3
) -> ResolvedScenario:
    """Solve the levels that targets on outcomes ask for, at the stated values of the parameters.

    Parameters
    ----------
    resolved : ResolvedScenario
    book : InputBook
        Inputs of its place.
    results_of : callable, optional
        Gives the results; a run of the model by default.
    tolerance : float
        How near the share of the levels is found.

    Returns
    -------
    ResolvedScenario
        With levels found, nothing left in `meets`, and a finding for each target that the trend meets already or that is out
        of reach. Several targets are solved together, since one measure moves another's result.
    """
    if not resolved.meets:
        return resolved
    bare = scenario_inputs(book, replace(resolved, measures=()))
    wanted = resolved.meets

    def tried(shares: Mapping[str, Array]) -> Sequence[Array]:
        scaled = [
            item.scaled(shares[item.measure.id]) if item.measure.id in shares else item for item in resolved.measures
        ]
        return results_of(apply_measures(bare, scaled), list(wanted.values()))

    shares = _find_shares(tried, wanted, tolerance)
    said = [_say(name, resolved, wanted[name], *found) for name, found in shares.items()]
    stated = tuple(
        one
        if one.measure not in shares
        else one.model_copy(
            update={
                "meets": None,
                "levels": tuple(
                    LevelPoint(year=point.year, level=point.level * shares[one.measure][0]) for point in one.levels
                ),
            }
        )
        for one in resolved.stated
    )
    measures = tuple(
        item.scaled(shares[item.measure.id][0]) if item.measure.id in shares else item for item in resolved.measures
    )
    findings = (*resolved.findings, *(finding for finding in said if finding is not None))
    return replace(resolved, measures=measures, stated=stated, meets={}, findings=findings)
