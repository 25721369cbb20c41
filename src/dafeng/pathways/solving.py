"""Targets that state an outcome: the level of their measure is solved so that the model's result meets the value in its year.

Levels are scaled as a whole by a share from 0 to 1. Where the trend meets the target already the share is 0; where the full levels do
not reach it the share is 1, and a finding says how far they lead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.pathway_schemas import LevelPoint, Meets
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.measures import LevelledMeasure
from dafeng.pathways.model import run
from dafeng.pathways.quantities import InputBook
from dafeng.pathways.scenarios import ResolvedScenario, scenario_inputs

__all__ = ["ResultOf", "model_result", "solve_scenario"]

ResultOf = Callable[[Inputs, str, int, int | None], float]
"""From inputs: the value of a result in a year, or its sum over the years since a first one."""


def model_result(inputs: Inputs, result: str, year: int, since: int | None = None) -> float:
    """Return a result that targets speak of, by a run of the model; the mean over draws.

    Parameters
    ----------
    inputs : Inputs
    result : str
        One of `RESULTS`.
    year : int
    since : int, optional
        First year of a sum; 2000 where None.

    Returns
    -------
    float
        Shares in percent by the generation basis; areas in m2.
    """
    outcome = run(inputs)
    at = int(np.flatnonzero(outcome.years == year)[0])
    if result == "electricity_share":
        return float(outcome.electricity_share()[at].mean()) * 100
    if result == "renewable_substitution_rate":
        return float(outcome.renewable_substitution_rate()[at].mean()) * 100
    first = int(np.flatnonzero(outcome.years == max(since or 2000, 2000))[0])
    urban = [row for row, code in enumerate(outcome.axes.members("building_class")) if code != "rural_residential"]
    if result == "retrofit_area_total":
        return float(outcome.retrofit_done[urban, first : at + 1].mean(axis=-1).sum())
    advanced = inputs.late("advanced_share")[urban].sum(axis=1)
    return float((outcome.inflow[urban] * advanced)[:, first : at + 1].mean(axis=-1).sum())


def _with_share(resolved: ResolvedScenario, name: str, share: float) -> ResolvedScenario:
    def scaled(item: LevelledMeasure) -> LevelledMeasure:
        return item.scaled(share) if item.measure.id == name else item

    return replace(resolved, measures=tuple(scaled(item) for item in resolved.measures))


def _find_share(value_of: Callable[[float], float], wanted: float, *, tolerance: float) -> tuple[float, float, float]:
    """Return the least share at which a rising function meets a value, and its values at 0 and 1: the Illinois rule."""
    low, high = value_of(0.0), value_of(1.0)
    if low >= wanted:
        return 0.0, low, high
    if high < wanted:
        return 1.0, low, high
    left, right, at_left, at_right, side = 0.0, 1.0, low - wanted, high - wanted, 0
    for _ in range(40):
        if right - left <= tolerance:
            break
        middle = right - at_right * (right - left) / (at_right - at_left) if at_right > at_left else right
        if not left < middle < right:
            middle = (left + right) / 2
        now = value_of(middle) - wanted
        if abs(now) <= 1e-9 * max(abs(wanted), 1.0):
            return middle, low, high
        if now > 0:
            right, at_right = middle, now
            at_left *= 0.5 if side > 0 else 1.0
            side = 1
        else:
            left, at_left = middle, now
            at_right *= 0.5 if side < 0 else 1.0
            side = -1
    return right, low, high


def _say(name: str, resolved: ResolvedScenario, meets: Meets, share: float, low: float, high: float) -> Finding | None:
    title = next(item.measure.title.zh for item in resolved.measures if item.measure.id == name)
    if share == 0.0 and low >= meets.value:
        return Finding(
            name="pathways.target.met-by-trend",
            sentence=f"{title}：不加这项措施 {meets.year} 年已达到 {low:.4g}，目标 {meets.value:g}",
            severity=Severity.INFO,
            value=f"{low:.4g}",
            evidence={"measure": name, "result": meets.result},
        )
    if high < meets.value:
        return Finding(
            name="pathways.target.out-of-reach",
            sentence=f"{title}做到最大，{meets.year} 年只达到 {high:.4g}，不到目标 {meets.value:g}",
            severity=Severity.WARNING,
            value=f"{high:.4g}",
            expected=f"{meets.value:g}",
            next_step="看参数与口径，或换一项措施承担该目标",
            evidence={"measure": name, "result": meets.result},
        )
    return None


def solve_scenario(
    resolved: ResolvedScenario, book: InputBook, *, result_of: ResultOf = model_result, tolerance: float = 1e-3
) -> ResolvedScenario:
    """Solve the levels that targets on outcomes ask for, at the stated values of the parameters.

    Parameters
    ----------
    resolved : ResolvedScenario
    book : InputBook
        Inputs of its place.
    result_of : callable, optional
        Gives the results; a run of the model by default.
    tolerance : float
        How near the share of the levels is found.

    Returns
    -------
    ResolvedScenario
        With levels found, nothing left in `meets`, and a finding for each target that the trend meets already or that is out
        of reach. Several targets are solved in turn, twice, since one measure moves another's result.
    """
    shares = dict.fromkeys(resolved.meets, 0.0)
    said: dict[str, Finding | None] = {}

    def with_shares(changed: dict[str, float]) -> ResolvedScenario:
        now = resolved
        for name, share in changed.items():
            now = _with_share(now, name, share)
        return now

    for _ in range(2 if len(shares) > 1 else 1):
        for name, meets in resolved.meets.items():

            def value_of(share: float, name: str = name, meets: Meets = meets) -> float:
                inputs = scenario_inputs(book, with_shares({**shares, name: share}))
                return result_of(inputs, meets.result, meets.year, meets.since)

            shares[name], low, high = _find_share(value_of, meets.value, tolerance=tolerance)
            said[name] = _say(name, resolved, meets, shares[name], low, high)
    stated = tuple(
        one
        if one.measure not in shares
        else one.model_copy(
            update={
                "meets": None,
                "levels": tuple(
                    LevelPoint(year=point.year, level=point.level * shares[one.measure]) for point in one.levels
                ),
            }
        )
        for one in resolved.stated
    )
    findings = (*resolved.findings, *(finding for finding in said.values() if finding is not None))
    return replace(with_shares(shares), stated=stated, meets={}, findings=findings)
