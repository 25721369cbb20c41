"""The difference of two scenarios in sentences that a person reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dafeng.catalog.catalog import Catalog
from dafeng.catalog.pathway_schemas import PathwayParameter, Scenario, ScenarioMeasure
from dafeng.pathways.measures import caps_level
from dafeng.pathways.scenarios import ResolvedScenario, resolve_scenario

__all__ = ["compare_scenarios", "level_text", "measure_text"]

_UNITS: Final = {"share": ("%", 100.0), "1/year": ("%/年", 100.0), "m2/year": ("万平方米/年", 1e-4)}
"""How levels are shown: sign and factor by unit."""
_YEARS: Final = (2025, 2030, 2035, 2060)
"""Years that are compared besides those that both state."""


def level_text(level: float, unit: str) -> str:
    """Return a level as a person writes it.

    Examples
    --------
    >>> level_text(0.4, "share"), level_text(3.19e6, "m2/year"), level_text(0.015, "1/year")
    ('40%', '319 万平方米/年', '1.5%/年')
    """
    sign, factor = _UNITS.get(unit, (unit, 1.0))
    number = f"{level * factor:.4g}"
    if "e" in number:
        number = f"{level * factor:.0f}"
    return f"{number}{'' if sign.startswith('%') else ' '}{sign}"


def _level_at(stated: ScenarioMeasure, year: int) -> float | None:
    """Return the level of a year; None before it acts and after its last year, NaN while it rises from the quantity's own value."""
    points = stated.levels
    if stated.rises_from is not None and stated.rises_from < year < points[0].year:
        return math.nan
    if year < points[0].year or (stated.until is not None and year > stated.until):
        return None
    for one, after in pairwise(points):
        if one.year <= year < after.year:
            return one.level + (after.level - one.level) * (year - one.year) / (after.year - one.year)
    return points[-1].level


def measure_text(catalog: Catalog, stated: ScenarioMeasure) -> str:
    """Return a measure and its levels in one phrase.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> one = ScenarioMeasure(measure="prefabricated", levels=[{"year": 2025, "level": 0.3}, {"year": 2030, "level": 0.4}])
    >>> measure_text(load_catalog(), one)
    '装配式建筑 2025 年达到 30%，2030 年达到 40%'
    """
    measure = catalog.measures[stated.measure]
    verb = "降到" if caps_level(measure) else "达到"
    steps = [f"{point.year} 年{verb} {level_text(point.level, measure.unit)}" for point in stated.levels]
    if stated.meets is not None:
        steps.append("水平由模型求解，所写为上限")
    if stated.until is not None:
        steps.append(f"到 {stated.until} 年为止")
    return f"{measure.title.zh} " + "，".join(steps)


def _compare_levels(catalog: Catalog, first: ScenarioMeasure, second: ScenarioMeasure) -> str | None:
    measure = catalog.measures[first.measure]
    years = sorted({point.year for point in (*first.levels, *second.levels)} | set(_YEARS))
    steps: list[tuple[str, str]] = []
    said: tuple[float | None, float | None] | None = None
    for year in years:
        before, after = _level_at(first, year), _level_at(second, year)
        rising = any(level is not None and math.isnan(level) for level in (before, after))
        if rising or before == after or (before, after) == said:
            continue
        if None not in (before, after) or said is None:
            steps.append((f"{year} 年", _step_text(before, after, measure.unit)))
        said = (before, after)
    if first.until != second.until:
        steps.append(("", "改为一直持续" if second.until is None else f"止于 {second.until} 年"))
    if not steps and first.rises_from != second.rises_from:
        start = second.rises_from
        steps.append(("", "改为一步到位" if start is None else f"改为自 {start} 年起逐步提高"))
    if not steps and first.meets != second.meets:
        steps.append(("", "求解的目标不同"))
    if not steps:
        return None
    (year_text, text), *rest = steps
    return "，".join([f"{year_text}{measure.title.zh}{text}", *(year + words for year, words in rest)])


def _step_text(before: float | None, after: float | None, unit: str) -> str:
    if before is None:
        return f"由不做改为 {level_text(after or 0.0, unit)}"
    if after is None:
        return f"不再做，原为 {level_text(before, unit)}"
    verb = "提高到" if after > before else "降低到"
    return f"由 {level_text(before, unit)} {verb} {level_text(after, unit)}"


def _parameter_name(catalog: Catalog, parameter: PathwayParameter) -> str:
    quantity = catalog.path_quantities[parameter.quantity]
    titles = {(member.axis, member.code): member.title.zh for member in catalog.path_members}
    members = "、".join(titles.get((axis, code), "全部") for axis, code in parameter.of.items())
    return quantity.title.zh + (f"（{members}）" if members else "")


def _parameter_key(parameter: PathwayParameter) -> tuple[object, ...]:
    return parameter.quantity, parameter.place, tuple(sorted(parameter.of.items()))


def _compare_parameters(catalog: Catalog, first: ResolvedScenario, second: ResolvedScenario) -> Sequence[str]:
    before = {_parameter_key(one): one for one in first.parameters}
    after = {_parameter_key(one): one for one in second.parameters}
    said = []
    for key in [*before, *(key for key in after if key not in before)]:
        one, other = before.get(key), after.get(key)
        if one is not None and other is not None and (one.points, one.unit, one.curve) == (
            other.points, other.unit, other.curve,
        ):  # fmt: skip
            continue
        shown = other or one
        assert shown is not None
        name = _parameter_name(catalog, shown)
        if other is None:
            said.append(f"{name}不再另设，回到趋势")
        else:
            last = other.points[-1]
            said.append(f"{last.year} 年{name}设为 {last.value:g} {other.unit}")
    return said


def compare_scenarios(
    catalog: Catalog,
    first: str | Scenario | ResolvedScenario,
    second: str | Scenario | ResolvedScenario,
    *,
    place: str | None = None,
) -> tuple[str, ...]:
    """Say what the second scenario does otherwise than the first.

    Parameters
    ----------
    catalog : Catalog
    first, second : str, Scenario or ResolvedScenario
        Resolved ones are compared as they are, with solved levels.
    place : str, optional
        Place for scenarios that are not resolved; that of the scenario itself, then the nation, where None.

    Returns
    -------
    tuple of str
        Sentences without full stop, in the order in which measures act; empty where the two are the same.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> one = ScenarioMeasure(measure="prefabricated", levels=[{"year": 2030, "level": 0.3}])
    >>> base = Scenario(id="a", title={"zh": "甲", "en": "a"}, measures=[one])
    >>> more = one.model_copy(update={"levels": (one.levels[0].model_copy(update={"level": 0.4}),)})
    >>> compare_scenarios(catalog, base, base.model_copy(update={"id": "b", "measures": (more,)}), place="cn")
    ('2030 年装配式建筑由 30% 提高到 40%',)
    """
    before, after = (
        one
        if isinstance(one, ResolvedScenario)
        else resolve_scenario(catalog, one, place=_place_of(catalog, one, place))
        for one in (first, second)
    )
    said: list[str] = []
    if before.frozen != after.frozen:
        said.append("技术、标准和份额停在基年" if after.frozen else "技术、标准和份额不再停在基年，按趋势")
    if before.plan != after.plan or (before.plan is not None and before.pace != after.pace):
        said.append(_plan_text(catalog, before, after))
    old = {one.measure: one for one in before.stated}
    new = {one.measure: one for one in after.stated}
    names = sorted({*old, *new}, key=lambda name: (catalog.measures[name].order, name))
    for name in names:
        if name not in old:
            said.append(
                f"{catalog.measures[name].title.zh}不用另加，趋势已达目标"
                if _adds_nothing(catalog, new[name])
                else f"新增{measure_text(catalog, new[name])}"
            )
        elif name not in new:
            said.append(f"不再有{measure_text(catalog, old[name])}")
        elif (text := _compare_levels(catalog, old[name], new[name])) is not None:
            said.append(text)
    return (*said, *_compare_parameters(catalog, before, after))


def _adds_nothing(catalog: Catalog, stated: ScenarioMeasure) -> bool:
    """Whether a solved measure came out at nothing: the trend meets its target."""
    return (
        stated.meets is None
        and not caps_level(catalog.measures[stated.measure])
        and all(point.level == 0 for point in stated.levels)
    )


def _place_of(catalog: Catalog, scenario: str | Scenario, place: str | None) -> str:
    if place is not None:
        return place
    named = catalog.scenarios.get(scenario) if isinstance(scenario, str) else scenario
    return (named.place if named is not None else None) or "cn"


def _plan_text(catalog: Catalog, before: ResolvedScenario, after: ResolvedScenario) -> str:
    if after.plan is None:
        return "不再按方案"
    how = "全部实现" if after.pace == "full" else "按目前进度"
    return f"{catalog.plans[after.plan].title.zh}{how}" + ("" if before.plan == after.plan else "，原来没有" if before.plan is None else f"，原按{catalog.plans[before.plan].title.zh}")  # fmt: skip
