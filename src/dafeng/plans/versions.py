"""Two versions of a plan side by side: what was added, removed, changed field by field, or only moved."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from dafeng.base.obligation import Obligation
from dafeng.base.record import Record
from dafeng.base.target import Target
from dafeng.catalog.plan_schemas import Plan, Task
from dafeng.plans.phrases import obligation_phrase, target_phrase

__all__ = ["DiffKind", "DiffRow", "FieldChange", "PlanDiff", "diff_plans"]


class DiffKind(StrEnum):
    """What became of an item from one version to the next."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    """Same in all but the clause."""
    SAME = "same"


class FieldChange(Record):
    """A field that differs."""

    field: str
    """Field of the record."""
    before: str
    """Value in the older version, as text; empty where there was none."""
    after: str
    """Value in the newer version."""


class DiffRow(Record):
    """One target, obligation, task or statement of the head."""

    subject: str
    """target, obligation, task or head."""
    kind: DiffKind
    """What became of it."""
    clause: str
    """Clause in the newer version, in the older where it was removed."""
    phrase: str
    """What it says, in dafeng's own short phrase."""
    before: str | None = None
    """Id or number in the older version."""
    after: str | None = None
    """Id or number in the newer version."""
    changes: tuple[FieldChange, ...] = ()
    """Fields that differ."""


class PlanDiff(Record):
    """What changed between two versions of a plan."""

    before: str
    """Plan id and first letters of the document's digest."""
    after: str
    """The same of the newer version."""
    rows: tuple[DiffRow, ...]
    """In the order of the newer version, removed items after their kind."""

    def counts(self) -> dict[str, int]:
        """Return the number of rows by kind, all kinds named."""
        return {kind.value: sum(row.kind is kind for row in self.rows) for kind in DiffKind}


_Item = TypeVar("_Item", Target, Obligation, Task)
_TARGET_FIELDS: Final = (
    "clause", "label", "indicator", "comparator", "value", "value_max", "unit", "by", "measure", "base", "change", "start",
    "scope", "place", "extent", "building_class", "carrier", "end_use", "boundary", "basis", "soft",
)  # fmt: skip
_DUTY_FIELDS: Final = ("clause", "title", "when", "require", "strength", "since", "stage", "soft")


def diff_plans(before: Plan, after: Plan) -> PlanDiff:
    """Compare two versions of a plan.

    Items are paired by what they say, not by their place: equal in all, then equal label, unit and year, then label and
    unit, then indicator and breakdown, each only where both versions hold exactly one such item.

    Parameters
    ----------
    before, after : Plan

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> plan = load_catalog().plan("qingdao-2024")
    >>> first = plan.targets[0]
    >>> later = plan.model_copy(update={"targets": (first.model_copy(update={"by": 2027}), *plan.targets[1:])})
    >>> [(row.after, row.changes[0].before, row.changes[0].after) for row in diff_plans(plan, later).rows if row.changes]
    [('green-system-2025', '2025', '2027')]
    """
    rows = [*_head_rows(before, after)]
    rows += _rows(
        "target",
        _with_open_named(before.targets),
        _with_open_named(after.targets),
        _TARGET_FIELDS,
        target_phrase,
        (
            lambda item: tuple(str(getattr(item, name)) for name in _TARGET_FIELDS),
            lambda item: (item.label, item.unit, item.by, item.value),
            lambda item: (item.label, item.unit, item.by),
            lambda item: (item.label, item.unit),
            lambda item: (item.indicator, item.by, item.building_class, item.extent),
        ),
        bodies=(before.bodies_of, after.bodies_of),
    )
    rows += _rows(
        "obligation",
        before.obligations,
        after.obligations,
        _DUTY_FIELDS,
        obligation_phrase,
        (
            lambda item: (item.when, item.require),
            lambda item: item.title,
            lambda item: (item.clause, item.require),
            lambda item: (item.clause, item.when),
        ),
    )
    rows += _rows(
        "task",
        before.tasks,
        after.tasks,
        ("number", "title", "bodies"),
        lambda item: item.title,
        (lambda item: item.title, lambda item: item.number),
    )
    return PlanDiff(before=_named(before), after=_named(after), rows=tuple(rows))


def _with_open_named(targets: Sequence[Target]) -> list[Target]:
    """Return targets with the label for a drafted indicator: its id follows plan and position and says nothing."""
    return [
        target.model_copy(update={"indicator": f"未定：{target.label}"})
        if target.indicator.startswith("draft_")
        else target
        for target in targets
    ]


def _named(plan: Plan) -> str:
    return f"{plan.id}@{plan.document.sha256[:8]}"


def _head_rows(before: Plan, after: Plan) -> list[DiffRow]:
    pairs = (
        ("title", before.title.zh, after.title.zh),
        ("number", before.document.number, after.document.number),
        ("issued_on", before.document.issued_on, after.document.issued_on),
        ("issuers", before.document.issuers, after.document.issuers),
        ("place", before.place, after.place),
    )
    changes = tuple(
        FieldChange(field=name, before=_text(old), after=_text(new)) for name, old, new in pairs if old != new
    )
    if not changes:
        return []
    return [DiffRow(subject="head", kind=DiffKind.CHANGED, clause="", phrase=after.title.zh, changes=changes)]


def _rows(
    subject: str,
    before: Sequence[_Item],
    after: Sequence[_Item],
    fields: Sequence[str],
    phrase: Callable[[_Item], str],
    keys: Sequence[Callable[[_Item], Hashable]],
    bodies: tuple[Callable[[Any], tuple[str, ...]], Callable[[Any], tuple[str, ...]]] | None = None,
) -> list[DiffRow]:
    pairs = _paired(before, after, keys)
    rows = []
    for position, new in enumerate(after):
        if position not in pairs:
            rows.append(_row(subject, DiffKind.ADDED, new, phrase, after=_id(new)))
            continue
        old = before[pairs[position]]
        changes = [
            FieldChange(field=name, before=_text(getattr(old, name)), after=_text(getattr(new, name)))
            for name in fields
            if getattr(old, name) != getattr(new, name)
        ]
        if bodies is not None and bodies[0](old) != bodies[1](new):
            changes.append(FieldChange(field="bodies", before=_text(bodies[0](old)), after=_text(bodies[1](new))))
        names = {change.field for change in changes}
        kind = DiffKind.CHANGED if names - {"clause", "number"} else DiffKind.MOVED if names else DiffKind.SAME
        row = _row(subject, kind, new, phrase, before=_id(old), after=_id(new))
        rows.append(row.model_copy(update={"changes": tuple(changes)}))
    left = set(range(len(before))) - set(pairs.values())
    return rows + [
        _row(subject, DiffKind.REMOVED, before[position], phrase, before=_id(before[position]))
        for position in sorted(left)
    ]


def _paired(
    before: Sequence[_Item], after: Sequence[_Item], keys: Sequence[Callable[[_Item], Hashable]]
) -> dict[int, int]:
    """Return position in `after` to position in `before`, closest likeness first; equal items pair in order."""
    pairs: dict[int, int] = {}
    free = set(range(len(before)))
    for rank, key in enumerate(keys):
        groups: dict[Hashable, tuple[list[int], list[int]]] = {}
        for position in sorted(free):
            groups.setdefault(key(before[position]), ([], []))[0].append(position)
        for position, item in enumerate(after):
            if position not in pairs and key(item) in groups:
                groups[key(item)][1].append(position)
        for old, new in groups.values():
            if rank == 0 or (len(old) == 1 and len(new) == 1):
                pairs.update(zip(new, old, strict=False))
        free -= set(pairs.values())
    return pairs


def _row(
    subject: str,
    kind: DiffKind,
    item: _Item,
    phrase: Callable[[_Item], str],
    *,
    before: str | None = None,
    after: str | None = None,
) -> DiffRow:
    clause = item.number if isinstance(item, Task) else item.clause
    return DiffRow(subject=subject, kind=kind, clause=clause, phrase=phrase(item), before=before, after=after)


def _id(item: Target | Obligation | Task) -> str:
    return item.number if isinstance(item, Task) else item.id


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "、".join(_text(part) for part in value)
    if isinstance(value, Record):
        return "、".join(f"{name}={_text(part)}" for name, part in value.model_dump(exclude_none=True).items())
    return f"{value:g}" if isinstance(value, float) else str(value)
