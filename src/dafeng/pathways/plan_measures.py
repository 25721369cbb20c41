"""From what a plan promises to measures at levels: by the plan's links, or by links of another plan for the same indicator.

A target's value becomes a level in the measure's unit; a total is spread over its years, or what is left of it after the base year is
the level at the date. What has no effect in the model, and what cannot be translated, is given back with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal

import numpy as np

from dafeng.base.errors import DafengError
from dafeng.base.finding import Finding, Severity
from dafeng.base.period import Period
from dafeng.base.quantity import convert, dimension_of, root_factor
from dafeng.base.target import Change as ChangeSense
from dafeng.base.target import Measure as TargetMeasure
from dafeng.base.target import Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import LevelPoint, Measure, Meets, PlanLink, ScenarioMeasure
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.measures import caps_level

__all__ = ["RESULTS", "Paces", "PlanTranslation", "join_measures", "link_of", "translate_plan", "unlinked"]

Paces = Mapping[str, Mapping[int, float]]
"""By target id and year: the value to which its observations lead, in the indicator's canonical unit."""

RESULTS: Final = (
    "electricity_share",
    "renewable_substitution_rate",
    "retrofit_area_total",
    "ultra_low_area_total",
)
"""Results of the model that a level can be solved for: shares in percent by the generation basis, areas in m2 summed over years."""

_NO_PACE: Final = "没有可外推的观测，按趋势"


@dataclass(frozen=True)
class PlanTranslation:
    """A plan in measures.

    Attributes
    ----------
    measures : tuple of ScenarioMeasure
        One for each measure, whatever number of targets asks for it.
    reasons : Mapping of str to str
        By `<plan>#<id>`: why a target, obligation or task has no effect, in Chinese.
    findings : tuple of Finding
    """

    measures: tuple[ScenarioMeasure, ...]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]


class _NoLevelError(Exception):
    """Why something of a plan has no level here."""


def unlinked(catalog: Catalog, plan: Plan) -> tuple[str, ...]:
    """Return the targets, obligations and tasks without a number of a plan that no link of its own mentions.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [unlinked(catalog, catalog.plans[name]) for name in ("jilin-2023", "qingdao-2024", "national-2022")]
    [(), (), ()]
    """
    linked = {link.of for link in catalog.plan_links if link.plan == plan.id}
    return tuple(name for name in _names(plan) if name not in linked)


def _names(plan: Plan) -> Iterable[str]:
    """Yield the targets, the obligations, and the tasks in whose clause no target has a value."""
    yield from (target.id for target in plan.targets)
    yield from (obligation.id for obligation in plan.obligations)
    counted = {target.clause for target in plan.targets if target.value is not None}
    yield from (task.number for task in plan.tasks if task.number not in counted)


def link_of(catalog: Catalog, plan: Plan, name: str) -> PlanLink | None:
    """Return the link of a target, obligation or task; where the plan has none, that of another plan for the same indicator.

    Only readings of levels are taken from another plan: totals belong to the place that the other plan is for.
    """
    own = next((link for link in catalog.plan_links if (link.plan, link.of) == (plan.id, name)), None)
    target = next((target for target in plan.targets if target.id == name), None)
    if own is not None or target is None:
        return own
    for link in catalog.plan_links:
        other = next((one for one in catalog.plans[link.plan].targets if one.id == link.of), None)
        if (
            other is not None
            and (other.indicator, other.building_class, other.measure)
            == (target.indicator, target.building_class, target.measure)
            and link.reads == "level"
        ):
            return link.model_copy(update={"plan": plan.id, "of": name, "note": f"按 {link.plan}#{link.of} 的对应"})
    return None


def _in_level_unit(
    catalog: Catalog, target: Target, link: PlanLink, measure: Measure, value: float, unit: str
) -> float:
    """Return a value of `unit` as a level: in the measure's unit where both measure the same thing, else in the indicator's."""
    indicator = catalog.indicators[target.indicator]
    if dimension_of(unit) == dimension_of(measure.unit):
        return convert(value, unit, measure.unit) * link.scale
    if link.reads == "level" and link.scale == 1.0:
        raise _NoLevelError(f"单位 {unit} 换不成措施的单位 {measure.unit}，对应也没有给出比例")
    if dimension_of(unit) == dimension_of(indicator.unit):
        return convert(value, unit, indicator.unit) * link.scale
    return value * root_factor(unit) * link.scale


def _years_of(plan: Plan, link: PlanLink, target: Target | None) -> tuple[int, int]:
    """Return the first year over which a total runs and the deadline."""
    last = Period.parse(plan.period).end.year - 1 if plan.period else 2030
    by = (target.by if target is not None else None) or link.by or last
    since = (target.start if target is not None else None) or link.since or by - 4
    return since, by


def _points(*pairs: tuple[int, float]) -> tuple[LevelPoint, ...]:
    return tuple(LevelPoint(year=year, level=level) for year, level in pairs)


@dataclass(frozen=True)
class _Task:
    """What is translated: one link, with the target that it may be about."""

    catalog: Catalog
    plan: Plan
    link: PlanLink
    measure: Measure
    target: Target | None
    base_year: int

    @property
    def because(self) -> tuple[str, ...]:
        return (f"{self.plan.id}#{self.link.of}",)

    def level(self, value: float, unit: str) -> float:
        assert self.target is not None
        return _in_level_unit(self.catalog, self.target, self.link, self.measure, value, unit)

    def rising(self, points: tuple[LevelPoint, ...], meets: Meets | None) -> ScenarioMeasure:
        if self.link.start is not None and points[0].year > self.base_year:
            points = (*_points((self.base_year, self.link.start)), *points)
            rises: int | None = None
        else:
            rises = self.base_year
        return ScenarioMeasure(
            measure=self.measure.id, levels=points, rises_from=rises, until=self.link.until, meets=meets,
            because=self.because, note=self.link.note,
        )  # fmt: skip

    def fixed(
        self, points: tuple[LevelPoint, ...], until: int | None, meets: Meets | None = None, rises: int | None = None
    ) -> ScenarioMeasure:
        return ScenarioMeasure(
            measure=self.measure.id, levels=points, rises_from=rises, until=until, meets=meets, because=self.because,
            note=self.link.note,
        )  # fmt: skip


def _meets(task: _Task, value: float, by: int) -> Meets | None:
    """Return what the model has to reach; `value` in the indicator's canonical unit."""
    if task.link.result is None or task.target is None:
        return None
    since = task.link.since if task.link.result.endswith("_total") else None
    return Meets(result=task.link.result, year=by, value=value, since=since)


def _canonical(task: _Task, value: float) -> float:
    assert task.target is not None
    assert task.target.unit is not None
    return convert(value, task.target.unit, task.catalog.indicators[task.target.indicator].unit)


def _in_full(task: _Task) -> ScenarioMeasure:
    link, target = task.link, task.target
    since, by = _years_of(task.plan, link, target)
    if target is None or target.value is None:
        if link.level is None:
            raise _NoLevelError("没有数值，对应也没有给出水平")
        return task.rising(_points((by, link.level)), None)
    unit = target.unit or task.catalog.indicators[target.indicator].unit
    value = target.value - link.before
    years = by - since + 1
    meets = _meets(task, _canonical(task, value), by) if link.result is not None else None
    if link.reads == "level":
        level = task.level(value, unit) if link.level is None else link.level
        return task.rising(_points((by, level)), meets)
    total = task.level(value, unit) * (years if target.measure is TargetMeasure.EACH_YEAR else 1)
    if by <= task.base_year:
        raise _NoLevelError(f"期限{by}年在基年{task.base_year}年以前，已在历史数据中")
    if link.reads == "yearly":
        return task.fixed(_points((since, total / years)), link.until or by, meets)
    start = max(task.base_year, since - 1)
    return task.fixed(_points((by, total * (by - start) / years)), link.until, rises=start)


def _at_present_pace(task: _Task, pace: Mapping[int, float]) -> ScenarioMeasure:
    link, target = task.link, task.target
    if target is None or target.value is None or not pace:
        raise _NoLevelError(_NO_PACE)
    indicator = task.catalog.indicators[target.indicator]
    values = {year: pace[year] for year in sorted(pace)}
    if target.measure is TargetMeasure.CHANGE and target.base is not None and target.base.year is not None:
        own = values.get(target.base.year)
        if own is None:
            raise _NoLevelError(f"没有基年 {target.base.year} 年的观测，按趋势")
        sign = -1.0 if target.change is ChangeSense.DECREASE else 1.0
        values = {year: sign * (value - own) for year, value in values.items() if year > target.base.year}
        unit = target.unit or indicator.unit
        if dimension_of(unit) == "[share_difference]":
            values = {year: value * root_factor(indicator.unit) * 100 for year, value in values.items()}
    else:
        unit = indicator.unit
        before = convert(link.before, target.unit, unit) if link.before and target.unit else 0.0
        if link.reads == "level":
            values = {year: value - before for year, value in values.items()}
    _, by = _years_of(task.plan, link, target)
    late = {year: value for year, value in values.items() if year > task.base_year}
    if not late:
        raise _NoLevelError(f"外推的值都不晚于基年 {task.base_year} 年，按趋势")
    last = max(year for year in late)
    if link.result is not None and link.reads == "level":
        year = by if by in late else last
        if link.level is None:
            raise _NoLevelError("求解的水平没有上限")
        return task.rising(_points((max(year, task.base_year + 1), link.level)), _meets(task, late[year], year))
    if link.reads == "level":
        levels = {year: task.level(value, unit) for year, value in late.items()}
        return task.rising(_points(*levels.items()), None)
    stock = indicator.measure.value == "stock"
    years = np.arange(min(values), last + 1)
    path = np.interp(years, list(values), list(values.values()))
    flows = np.diff(path, prepend=np.nan) if stock else path
    yearly = {int(year): float(flow) for year, flow in zip(years, flows, strict=True) if np.isfinite(flow)}
    yearly = {year: task.level(flow, unit) for year, flow in yearly.items() if year > task.base_year}
    if not yearly:
        raise _NoLevelError("累计值不足两年，得不出逐年的量，按趋势")
    if link.reads == "yearly":
        return task.fixed(_points(*yearly.items()), link.until or max(by, *yearly))
    sums = np.cumsum(list(yearly.values()))
    total = _points(*zip(yearly, (float(one) for one in sums), strict=True))
    return task.fixed(total, link.until, rises=task.base_year)


def _join(first: ScenarioMeasure, second: ScenarioMeasure, *, lower: bool) -> ScenarioMeasure:
    """Return one measure for two that ask for the same: at a year that both name the stronger level holds."""
    levels = {point.year: point.level for point in first.levels}
    for point in second.levels:
        own = levels.get(point.year, point.level)
        levels[point.year] = min(own, point.level) if lower else max(own, point.level)
    path: list[tuple[int, float]] = []
    for year in sorted(levels):
        # a later date never asks for less than an earlier one did
        level = levels[year] if not path else (min if lower else max)(levels[year], path[-1][1])
        path.append((year, level))
    ends = {first.until, second.until}
    starts = [one for one in (first.rises_from, second.rises_from) if one is not None]
    return first.model_copy(
        update={
            "levels": _points(*path),
            "rises_from": min(starts, default=None),
            "until": None if None in ends else max(one for one in ends if one is not None),
            "meets": second.meets or first.meets,
            "because": (*first.because, *(one for one in second.because if one not in first.because)),
        }
    )


def join_measures(catalog: Catalog, found: Iterable[ScenarioMeasure]) -> tuple[ScenarioMeasure, ...]:
    """Return one entry for each measure: levels that several targets ask for are joined, the stronger holds."""
    by_id: dict[str, list[ScenarioMeasure]] = {}
    for one in found:
        by_id.setdefault(one.measure, []).append(one)
    return tuple(
        reduce(lambda a, b: _join(a, b, lower=caps_level(catalog.measures[b.measure])), group)
        for group in by_id.values()
    )


def _find_task(catalog: Catalog, plan: Plan, name: str, place: str, base_year: int) -> _Task:
    link = link_of(catalog, plan, name)
    if link is None:
        raise _NoLevelError("对应表中没有这一项，也没有同一指标的对应")
    if link.measure is None:
        raise _NoLevelError(link.why_not or "")
    measure = catalog.measures.get(link.measure)
    if measure is None:
        raise _NoLevelError(f"对应的措施 {link.measure} 不存在")
    if place != plan.place and (link.reads != "level" or (link.result or "").endswith("_total")):
        raise _NoLevelError(f"总量属于{catalog.place_name(plan.place)}，不能用于{catalog.place_name(place)}")
    target = next((target for target in plan.targets if target.id == name), None)
    return _Task(catalog, plan, link, measure, target, base_year)


def translate_plan(
    catalog: Catalog,
    plan: Plan,
    *,
    place: str,
    base_year: int,
    pace: Literal["full", "present"] = "full",
    paces: Paces | None = None,
) -> PlanTranslation:
    """Translate a plan into measures at levels.

    Parameters
    ----------
    catalog : Catalog
    plan : Plan
    place : str
        Place that is modelled; totals of a plan for another place are left out with a reason.
    base_year : int
        Last year of history; levels rise from it.
    pace : {"full", "present"}
        Whether every target is met by its date, or goes on as its observations lead.
    paces : mapping, optional
        For `present`: by target id the values by year; a target without any keeps the trend, with the reason.

    Returns
    -------
    PlanTranslation

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> full = translate_plan(catalog, catalog.plans["jilin-2023"], place="jilin", base_year=2022)
    >>> next(one for one in full.measures if one.measure == "prefabricated").levels
    (LevelPoint(year=2025, level=0.3), LevelPoint(year=2030, level=0.4))
    """
    found: list[ScenarioMeasure] = []
    reasons: dict[str, str] = {}
    findings: list[Finding] = []
    for name in _names(plan):
        try:
            task = _find_task(catalog, plan, name, place, base_year)
            found.append(_in_full(task) if pace == "full" else _at_present_pace(task, (paces or {}).get(name, {})))
        except _NoLevelError as reason:
            reasons[f"{plan.id}#{name}"] = str(reason)
        except DafengError as error:
            reasons[f"{plan.id}#{name}"] = error.problem
            findings.append(
                Finding(
                    name="pathways.link.unusable",
                    sentence=f"{plan.title.zh}的 {name} 换算不成措施的水平",
                    severity=Severity.ERROR,
                    value=error.problem,
                    expected=error.expected,
                    next_step="按提示修改方案的单位或对应表",
                )
            )
    known = {target.id for target in plan.targets}
    findings += [
        Finding(
            name="pathways.pace.unknown-target",
            sentence=f"进度中的目标 {name} 不在{plan.title.zh}中，没有采用",
            severity=Severity.WARNING,
            value=name,
            next_step="改用方案中的目标编号",
        )
        for name in (paces or {})
        if name not in known
    ]
    return PlanTranslation(join_measures(catalog, found), reasons, tuple(findings))
