"""A plan against the chain of its parents: what is stricter, looser, later, added or missing, level by level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from dafeng.base.errors import UnitError
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.record import Record
from dafeng.base.target import Comparator, Direction, Measure, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans.phrases import effective_comparator, target_phrase

__all__ = [
    "Comparison",
    "ComparisonRow",
    "ComparisonTable",
    "DeadlineRelation",
    "Level",
    "Relation",
    "compare_with_parents",
]


class Relation(StrEnum):
    """How a target stands to the parent's."""

    STRICTER = "stricter"
    EQUAL = "equal"
    LOOSER = "looser"
    DIFFERENT_DEADLINE = "different_deadline"
    NOT_COMPARABLE = "not_comparable"
    ADDED = "added"
    MISSING = "missing"
    LEVEL_UNKNOWN = "level_unknown"


class DeadlineRelation(StrEnum):
    """How the deadline stands to the parent's."""

    SAME = "same"
    EARLIER = "earlier"
    LATER = "later"
    ONLY_PARENT = "only_parent"
    ONLY_CHILD = "only_child"


_RELATIONS: Final = {
    Relation.STRICTER: "严于上级",
    Relation.EQUAL: "与上级一致",
    Relation.LOOSER: "宽于上级",
    Relation.DIFFERENT_DEADLINE: "期限不同",
    Relation.NOT_COMPARABLE: "不可比",
    Relation.ADDED: "上级无此目标",
    Relation.MISSING: "本方案缺此目标",
    Relation.LEVEL_UNKNOWN: "该级方案未收录",
}
_DEADLINES: Final = {
    DeadlineRelation.EARLIER: "期限早于上级",
    DeadlineRelation.LATER: "期限晚于上级",
    DeadlineRelation.ONLY_PARENT: "上级有期限，本方案未写",
    DeadlineRelation.ONLY_CHILD: "本方案有期限，上级未写",
}
_WHOLES: Final = ("全国", "全省", "全市")
"""Scopes that make a value one of the parent's whole area, an average or a sum, which binds no single place below it."""
_FAMILIES: Final = {
    Measure.LEVEL: "value",
    Measure.LIMIT: "value",
    Measure.CUMULATIVE: "sum",
    Measure.EACH_YEAR: "yearly",
    Measure.CHANGE: "change",
    Measure.MILESTONE: "milestone",
}


class Level(Record):
    """One level above the plan."""

    place: str
    """Place id."""
    name: str
    """Chinese name."""
    plan: str | None
    """Plan id; None where the catalog holds no plan of that level."""


class ComparisonRow(Record):
    """One target against one level."""

    indicator: str
    """Indicator id."""
    level: str
    """Place id of the level."""
    parent_plan: str | None
    """Plan of that level."""
    target: str | None
    """Target of the plan; None where it lacks one."""
    parent_target: str | None
    """Target of the parent; None where it has none."""
    phrase: str
    """What the plan promises, in our own phrase."""
    parent_phrase: str
    """What the parent promises."""
    clause: str
    """Clause of the target, or of the parent's where the plan lacks one."""
    relation: Relation
    """How the two stand to each other."""
    value_relation: Relation | None = None
    """How the values alone stand: stricter, equal, looser or not comparable."""
    deadline_relation: DeadlineRelation | None = None
    """How the deadlines stand."""
    value: float | None = None
    """Value, canonical unit."""
    parent_value: float | None = None
    """Value of the parent, canonical unit."""
    unit: str | None = None
    """Canonical unit of both."""
    differences: tuple[str, ...] = ()
    """Extent, breakdown, basis or scope that are not the same, in Chinese."""
    note: str = ""
    """The relation in one Chinese sentence."""
    soft: bool = False
    """Whether the one or the other is a soft aim; such rows are not counted."""


class ComparisonTable(NamedTuple):
    """The comparison in words."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Comparison(Record):
    """A plan against all its parents."""

    plan: str
    """Plan id."""
    levels: tuple[Level, ...]
    """Levels above, nearest first; a level without a plan is a missing link."""
    rows: tuple[ComparisonRow, ...]
    """Rows by level, in document order; what the plan lacks comes last."""

    def counts(self, level: str) -> dict[str, int]:
        """Return how many rows of a level have each relation; soft aims are not counted."""
        return dict(Counter(row.relation.value for row in self.rows if row.level == level and not row.soft))

    def table(self, catalog: Catalog) -> ComparisonTable:
        """Return the comparison as a table in Chinese, one row for each row, soft aims marked."""
        return ComparisonTable(
            columns=("层级", "条款", "指标", "本方案", "上级", "关系", "说明"),
            rows=tuple(
                (
                    catalog.place_name(row.level),
                    row.clause,
                    catalog.indicators[row.indicator].zh,
                    row.phrase,
                    row.parent_phrase,
                    _RELATIONS[row.relation],
                    row.note + ("（软性，不计）" if row.soft else ""),
                )
                for row in self.rows
            ),
        )


class _Bound(NamedTuple):
    """A value in canonical unit with how it is judged."""

    comparator: Comparator
    low: float
    high: float | None
    unit: str


def _bound(target: Target, catalog: Catalog) -> _Bound | None:
    if target.value is None:
        return None
    indicator = catalog.indicators[target.indicator]
    if target.measure is Measure.CHANGE:
        unit = "percentage_point" if target.unit and same_dimension(target.unit, "percentage_point") else "percent"
        if target.unit and not same_dimension(target.unit, unit):
            unit = indicator.unit
        direction = Direction.UP
    else:
        unit, direction = indicator.unit, indicator.direction
    written = target.unit or unit
    high = None if target.value_max is None else convert(target.value_max, written, unit)
    return _Bound(effective_comparator(target.comparator, direction), convert(target.value, written, unit), high, unit)


def _value_relation(child: _Bound, parent: _Bound) -> Relation:
    if child.unit != parent.unit:
        return Relation.NOT_COMPARABLE
    slack = 1e-9 * max(1.0, abs(parent.low))
    if child.high is not None or parent.high is not None:
        if child.high is None or parent.high is None:
            return Relation.NOT_COMPARABLE
        inside = child.low >= parent.low - slack and child.high <= parent.high + slack
        around = child.low <= parent.low + slack and child.high >= parent.high - slack
        if inside and around:
            return Relation.EQUAL
        return Relation.STRICTER if inside else Relation.LOOSER if around else Relation.NOT_COMPARABLE
    upwards = (Comparator.AT_LEAST, Comparator.MORE_THAN)
    if (child.comparator in upwards) is not (parent.comparator in upwards):
        return Relation.NOT_COMPARABLE
    ahead = child.low - parent.low if child.comparator in upwards else parent.low - child.low
    if abs(ahead) > slack:
        return Relation.STRICTER if ahead > 0 else Relation.LOOSER
    if child.comparator is parent.comparator:
        return Relation.EQUAL
    strict = child.comparator in (Comparator.MORE_THAN, Comparator.LESS_THAN)
    return Relation.STRICTER if strict else Relation.LOOSER


def _deadline_relation(child: int | None, parent: int | None) -> DeadlineRelation:
    if child == parent:
        return DeadlineRelation.SAME
    if child is None:
        return DeadlineRelation.ONLY_PARENT
    if parent is None:
        return DeadlineRelation.ONLY_CHILD
    return DeadlineRelation.EARLIER if child < parent else DeadlineRelation.LATER


def _may_be_compared(child: Target, parent: Target) -> bool:
    """Return whether two targets speak of the same thing closely enough; two different classes do not."""
    if child.indicator != parent.indicator or _FAMILIES[child.measure] != _FAMILIES[parent.measure]:
        return False
    classes = [name for name in BREAKDOWNS if name != "boundary"]
    return all(
        getattr(child, name) == getattr(parent, name) or "all" in (getattr(child, name), getattr(parent, name))
        for name in classes
    )


def _differences(child: Target, parent: Target, catalog: Catalog) -> list[str]:
    indicator = catalog.indicators[child.indicator]
    found: list[str] = []
    for name, group, zh in (
        ("building_class", "building_class", "建筑类别"),
        ("carrier", "carrier", "能源品种"),
        ("end_use", "end_use", "用途"),
        ("boundary", "boundary_scope", "碳排放边界"),
    ):
        own, other = getattr(child, name), getattr(parent, name)
        if own != other:
            found.append(f"{zh}不同：{catalog.term(group, own)}，上级为{catalog.term(group, other)}")
    own_extent, other_extent = child.extent or indicator.extent, parent.extent or indicator.extent
    if own_extent is not other_extent:
        names = [catalog.term("extent", extent.value) for extent in (own_extent, other_extent)]
        found.append(f"范围不同：{names[0]}，上级为{names[1]}")
    own_bases = {child.basis} if child.basis else {reading.basis for reading in child.readings}
    other_bases = {parent.basis} if parent.basis else {reading.basis for reading in parent.readings}
    if own_bases != other_bases:
        shown = [
            "、".join(sorted(catalog.term("basis", basis) for basis in bases if basis)) or "未写明"
            for bases in (own_bases, other_bases)
        ]
        found.append(f"口径不同：{shown[0]}，上级为{shown[1]}")
    if parent.scope and parent.scope not in (child.scope or "") + child.label:
        own_scope = f"，本方案为{child.scope}" if child.scope else ""
        whole = parent.scope in _WHOLES
        found.append(
            f"上级指{parent.scope}总体，不是对各地的要求" if whole else f"对象不同：上级限于{parent.scope}{own_scope}"
        )
    if child.base != parent.base:
        found.append("基期不同")
    if child.change is not parent.change:
        found.append("变化方向不同")
    return found


def _closest(child: Target, candidates: Sequence[Target]) -> Target:
    def distance(parent: Target) -> tuple[bool, int, bool, float, bool, int]:
        years = 99.0 if child.by is None or parent.by is None else float(abs(child.by - parent.by))
        differing = sum(getattr(child, name) != getattr(parent, name) for name in BREAKDOWNS)
        return (
            differing > 0,
            differing,
            child.by != parent.by,
            years,
            child.measure is not parent.measure,
            parent.at.start,
        )

    return min(candidates, key=distance)


def _paired(child: Target, parent: Target, parent_plan: Plan, level: Level, catalog: Catalog) -> ComparisonRow:
    differences = _differences(child, parent, catalog)
    deadline = _deadline_relation(child.by, parent.by)
    own = other = None
    try:
        own, other = _bound(child, catalog), _bound(parent, catalog)
        values = Relation.EQUAL if own is None or other is None else _value_relation(own, other)
    except UnitError:
        values = Relation.NOT_COMPARABLE
        differences.append("单位不能换算")
    alike = child.boundary == parent.boundary and child.base == parent.base and child.change is parent.change
    if not alike:
        values = Relation.NOT_COMPARABLE
    if values is Relation.NOT_COMPARABLE or deadline is DeadlineRelation.SAME:
        relation = values
    else:
        relation = Relation.DIFFERENT_DEADLINE
    parts = [_RELATIONS[relation]]
    if relation is Relation.DIFFERENT_DEADLINE:
        parts = [_DEADLINES[deadline]]
        if child.value is not None:
            parts.append(f"数值{_RELATIONS[values]}")
    return ComparisonRow(
        indicator=child.indicator,
        level=level.place,
        parent_plan=parent_plan.id,
        target=child.id,
        parent_target=parent.id,
        phrase=target_phrase(child),
        parent_phrase=target_phrase(parent),
        clause=child.clause,
        relation=relation,
        value_relation=values,
        deadline_relation=deadline,
        value=None if own is None else own.low,
        parent_value=None if other is None else other.low,
        unit=None if own is None else own.unit,
        differences=tuple(differences),
        note="；".join([*parts, *differences]),
        soft=child.soft or parent.soft,
    )


def _against(plan: Plan, parent_plan: Plan, level: Level, catalog: Catalog) -> list[ComparisonRow]:
    rows: list[ComparisonRow] = []
    matched: set[str] = set()
    for child in plan.targets:
        candidates = [parent for parent in parent_plan.targets if _may_be_compared(child, parent)]
        matched |= {parent.id for parent in candidates}
        if candidates:
            rows.append(_paired(child, _closest(child, candidates), parent_plan, level, catalog))
        else:
            rows.append(_alone(child, Relation.ADDED, level, parent_plan.id))
    known = {child.indicator for child in plan.targets}
    for parent in parent_plan.targets:
        if parent.id in matched:
            continue
        near = "本方案有同一指标，但分项或计量方式不同" if parent.indicator in known else ""
        rows.append(
            ComparisonRow(
                indicator=parent.indicator,
                level=level.place,
                parent_plan=parent_plan.id,
                target=None,
                parent_target=parent.id,
                phrase="",
                parent_phrase=target_phrase(parent),
                clause=parent.clause,
                relation=Relation.MISSING,
                note="；".join(
                    part
                    for part in (_RELATIONS[Relation.MISSING], near, "上级为软性要求" if parent.soft else "")
                    if part
                ),
                soft=parent.soft,
            )
        )
    return rows


def _alone(child: Target, relation: Relation, level: Level, parent_plan: str | None) -> ComparisonRow:
    return ComparisonRow(
        indicator=child.indicator,
        level=level.place,
        parent_plan=parent_plan,
        target=child.id,
        parent_target=None,
        phrase=target_phrase(child),
        parent_phrase="",
        clause=child.clause,
        relation=relation,
        note=_RELATIONS[relation],
        soft=child.soft,
    )


def compare_with_parents(plan: Plan, catalog: Catalog) -> Comparison:
    """Return a plan compared with the latest plan of every level above its place.

    Like is compared with like: the same indicator, a compatible measure (a standing limit may stand beside a level at a
    date), and no two different building classes. Values are converted, and the direction of the indicator is read. Extent,
    breakdown, basis and base that differ are named; a peak of another boundary, or a change from another base, is not
    comparable. A parent's target with which several of the plan's can be compared counts as present.

    Parameters
    ----------
    plan : Plan
    catalog : Catalog

    Returns
    -------
    Comparison
        A level without a plan in the catalog is a missing link: its rows say `level_unknown`, and the next level is
        compared all the same.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> comparison = compare_with_parents(catalog.plan("qingdao-2024"), catalog)
    >>> [(level.place, level.plan) for level in comparison.levels]
    [('shandong', None), ('cn', 'national-2022')]
    """
    levels: list[Level] = []
    rows: list[ComparisonRow] = []
    for above, plans in catalog.lineage_of_plans(plan.place, plan.document.issued_on):
        parent_plan = max(plans, key=lambda one: (str(one.document.issued_on or ""), one.id), default=None)
        level = Level(place=above.id, name=above.name, plan=None if parent_plan is None else parent_plan.id)
        levels.append(level)
        if parent_plan is None:
            rows += [_alone(child, Relation.LEVEL_UNKNOWN, level, None) for child in plan.targets]
        else:
            rows += _against(plan, parent_plan, level, catalog)
    return Comparison(plan=plan.id, levels=tuple(levels), rows=tuple(rows))
