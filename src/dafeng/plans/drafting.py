"""A lower plan drafted from a parent: chapters, tasks and bodies taken over, targets as slots, and what was left out with why."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final

from dafeng.base.errors import UsageError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.obligation import Obligation
from dafeng.base.place import Extent, Place, PlaceLevel
from dafeng.base.target import Comparator, Direction, Measure, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.drafting_schemas import Descent
from dafeng.catalog.plan_schemas import Plan, Task
from dafeng.catalog.schemas import OverPlaces
from dafeng.plans.draft_records import (
    DraftChapter,
    DraftObligation,
    DraftTarget,
    DraftTask,
    Lacking,
    LeftOut,
    PlanDraft,
    SlotKind,
)
from dafeng.plans.lower_bodies import BodyMove, LowerBodies, Moved, level_prefix
from dafeng.plans.phrases import deadline_of, effective_comparator, obligation_phrase, target_phrase

__all__ = ["draft_plan"]

_WHOLES: Final = {PlaceLevel.NATION: "全国", PlaceLevel.PROVINCE: "全省"}
_GOALS: Final = "主要目标"
_LACKING: Final = {
    Lacking.COUNTY_SEAT: ("county", ("县城",), Extent.COUNTY_SEAT, "本地没有县城"),
    Lacking.RURAL: ("rural", ("农村", "乡村", "农房", "村庄", "示范村"), Extent.RURAL, "本地没有农村"),
}
"""For each: theme of the indicators, words of titles and labels, extent, and the reason in Chinese."""
_DIGITS: Final = "零一二三四五六七八九"


def draft_plan(
    parent: Plan,
    catalog: Catalog,
    *,
    place: str,
    allocations: Mapping[str, float] | None = None,
    lacking: Collection[Lacking] | None = None,
    keep_past: bool = False,
    as_of: date,
) -> PlanDraft:
    """Draft the plan of a place below that of a parent plan.

    Levels, limits and changes carry over with the parent's value as floor or ceiling. Amounts (counts, lengths, areas built,
    each year's work) must be divided: they stay open unless allocated.

    Parameters
    ----------
    parent : Plan
    catalog : Catalog
        Places, bodies, the table of bodies by level and how far down indicators go.
    place : str
        Id of a place below the parent's.
    allocations : mapping, optional
        Target id of the parent to the own value, in the parent's unit.
    lacking : collection of Lacking, optional
        What the place is without. Where None, a district without 县城 of its own is without a county seat, unless the parent
        names it among those answerable.
    keep_past : bool
        Whether targets whose year is over are taken over too.
    as_of : date
        Day of the draft.

    Raises
    ------
    UsageError
        The place does not lie below the parent's, or an allocation names no target that can take it.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> draft = draft_plan(catalog.plan("jilin-2023"), catalog, place="changchun", as_of=date(2024, 3, 1),
    ...                    allocations={"heat-network-2025": 1200})
    >>> draft.title, draft.tasks[0].number, draft.tasks[0].title, draft.tasks[0].bodies[:2]
    ('长春市城乡建设领域碳达峰工作方案', '二（一）', '优化城镇空间格局', ('市自然资源和规划局', '市住房城乡建设局'))
    >>> [(target.id, target.value, target.unit, target.slot.value) for target in draft.targets if "heat-network" in target.id]
    [('heat-network-yearly', None, '公里', 'open'), ('heat-network-2025', 1200.0, '公里', 'allocated')]
    """
    own = catalog.places.get(place)
    if parent.place not in catalog.places.ancestor_ids(place):
        raise UsageError(
            f"{own.name}不在{catalog.place_name(parent.place)}之下 / {place} does not lie below {parent.place}",
            doing=f"draft a plan from {parent.id}",
            expected="a place below that of the parent plan",
            next_step="dafeng catalog places，选上级方案所辖的地方 / choose a place below",
        )
    return _Drafting(parent, catalog, own, allocations or {}, lacking, keep_past, as_of).drafted()


def _ordinal(number: int) -> str:
    """Return a number of a heading in Chinese, from 1 to 99."""
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十") + (_DIGITS[ones] if ones else "")


class _Drafting:
    def __init__(
        self,
        parent: Plan,
        catalog: Catalog,
        place: Place,
        allocations: Mapping[str, float],
        lacking: Collection[Lacking] | None,
        keep_past: bool,
        as_of: date,
    ) -> None:
        self.parent = parent
        self.catalog = catalog
        self.place = place
        self.allocations = allocations
        self.keep_past = keep_past
        self.as_of = as_of
        self.above = catalog.places.get(parent.place)
        self.lower = LowerBodies(self.above, place, catalog)
        self.lacking = frozenset(self._usually_lacking() if lacking is None else lacking)
        self.left: list[LeftOut] = []
        self.findings: list[Finding] = []
        self.moves: dict[str, BodyMove] = {}

    def drafted(self) -> PlanDraft:
        self._check_allocations()
        chapters, tasks = self._build()
        clauses = {task.parent: task.number for task in tasks}
        dropped = {left.id: left for left in self.left if left.kind == "task"}
        targets = [found for each in self.parent.targets if (found := self._target(each, clauses, dropped)) is not None]
        order = {number: rank for rank, number in enumerate((chapters[0].number, *(task.number for task in tasks)))}
        targets.sort(key=lambda target: order[target.clause])
        obligations = [
            duty for each in self.parent.obligations if (duty := self._obligation(each, clauses)) is not None
        ]
        self._remark(tasks, targets)
        return PlanDraft(
            parent=self.parent.id,
            parent_title=self.parent.title.zh,
            parent_number=self.parent.document.number,
            place=self.place.id,
            place_name=self.place.name,
            title=self._full_name() + self._subject(),
            as_of=self.as_of,
            chapters=tuple(chapters),
            tasks=tuple(tasks),
            targets=tuple(targets),
            obligations=tuple(obligations),
            bodies=tuple(self.moves.values()),
            left_out=tuple(self.left),
            findings=tuple(self.findings),
        )

    def _full_name(self) -> str:
        """Return the name of the place, with its city before it where the catalog knows several of that name."""
        if len(self.catalog.places.candidates(self.place.name)) < 2 or self.place.parent is None:
            return self.place.name
        return self.catalog.place_name(self.place.parent) + self.place.name

    def _subject(self) -> str:
        """Return the title of the parent without its region and without remarks in brackets."""
        return re.sub(r"（[^）]*）$", "", self.parent.title.zh).removeprefix(self.above.name)

    # What the place is without ------------------------------------------------------------------------------------

    def _usually_lacking(self) -> set[Lacking]:
        if self.place.level.rank < PlaceLevel.PREFECTURE.rank:
            return set()
        around = [self.place]
        if self.place.level is PlaceLevel.PREFECTURE:
            around = self.catalog.places.children(self.place.id) or [self.place]
        if all(level_prefix(each) == "区" or each.level is PlaceLevel.ZONE for each in around):
            named = any(
                self._names_here(task.bodies) for task in self.parent.tasks if "县城" in task.title
            )  # a district that keeps a county seat is named by its city
            return set() if named else {Lacking.COUNTY_SEAT}
        return set()

    def _names_here(self, bodies: Sequence[str]) -> bool:
        """Whether a list names this very place among places of its level."""
        own = {self.place.name, *self.place.aliases}
        zones = [zone for zone in self.catalog.places if self.place.id in zone.overlaps]
        own |= {name for zone in zones for name in (zone.name, *zone.aliases)}
        return any(body in own or body.removesuffix("人民政府").removesuffix("管委会") in own for body in bodies)

    def _only_others(self, bodies: Sequence[str]) -> bool:
        """Whether a list names single places below the parent, none of them this one, and no collective of all."""
        if any(self.lower.means_all(body) for body in bodies) or self._names_here(bodies):
            return False
        return any(move.how is Moved.DROPPED and "不属" in move.reason for move in self.lower.moves(bodies))

    # Chapters and tasks -------------------------------------------------------------------------------------------

    def _build(self) -> tuple[list[DraftChapter], list[DraftTask]]:
        chapters = [DraftChapter(number=_ordinal(1), title=_GOALS, parent=None)]
        tasks: list[DraftTask] = []
        current: str | None = None
        inside = 0
        for task in self.parent.tasks:
            reason = self._task_lacks(task)
            if reason is not None:
                self._leave("task", task.number, task.number, task.title, *reason)
                continue
            above = self.parent.chapter_of(task.number)
            name = above.number if above is not None else ""
            if name != current:
                current, inside = name, 0
                title = self._own_words(above.title) if above is not None else "重点任务"
                chapters.append(DraftChapter(number=_ordinal(len(chapters) + 1), title=title, parent=name or None))
            inside += 1
            tasks.append(
                DraftTask(
                    number=f"{chapters[-1].number}（{_ordinal(inside)}）",
                    title=self._own_words(task.title),
                    bodies=self._bodies(task.bodies),
                    parent=task.number,
                )
            )
        return chapters, tasks

    def _task_lacks(self, task: Task) -> tuple[str, str] | None:
        if self._only_others(task.bodies):
            return "other_places", "上级只交给其他地方承担"
        for lack in Lacking:
            _, words, _, reason = _LACKING[lack]
            others = [word for other in Lacking if other not in self.lacking for word in _LACKING[other][1]]
            if lack in self.lacking and any(word in task.title for word in words):
                if any(word in task.title for word in others):
                    continue
                return lack.value, reason
        return None

    def _bodies(self, texts: Sequence[str]) -> tuple[str, ...]:
        found: list[str] = []
        for move in self.lower.moves(texts):
            self.moves.setdefault(move.parent, move)
            if move.own is not None:
                found.append(move.own)
        return tuple(dict.fromkeys(found))

    def _own_words(self, text: str) -> str:
        """Return words with the parent's level replaced by the own (全省 → 全市)."""
        whole = self._whole(self.above)
        return text.replace(whole, self._whole(self.place))

    def _whole(self, place: Place) -> str:
        return _WHOLES.get(place.level) or f"全{level_prefix(place) or '域'}"

    # Targets ------------------------------------------------------------------------------------------------------

    def _target(self, target: Target, clauses: Mapping[str, str], dropped: Mapping[str, LeftOut]) -> DraftTarget | None:
        why = self._not_ours(target, dropped)
        if why is not None:
            self._leave("target", target.id, target.clause, target_phrase(target), *why)
            return None
        value, slot = self._value(target)
        bodies = self._bodies(self.parent.bodies_of(target))
        deadline = deadline_of(target)
        notes = self._notes(target, slot)
        return DraftTarget(
            id=target.id,
            clause=clauses.get(target.clause, _ordinal(1)),
            label=self._own_words(target.label),
            indicator=target.indicator,
            comparator=target.comparator,
            value=value,
            value_max=target.value_max if slot is SlotKind.CARRIED else None,
            unit=target.unit,
            by=target.by,
            measure=target.measure,
            base=target.base,
            change=target.change,
            start=target.start,
            scope=None if target.scope is None else self._own_words(target.scope),
            yearly=deadline.text if target.measure is Measure.MILESTONE and deadline.kind == "yearly" else None,
            bodies=bodies,
            soft=target.soft,
            slot=slot,
            parent_clause=target.clause,
            parent_phrase=target_phrase(target),
            parent_value=target.value,
            note="；".join(notes),
        )

    def _not_ours(self, target: Target, dropped: Mapping[str, LeftOut]) -> tuple[str, str] | None:
        """Return name and words of the reason for which a target does not concern the place."""
        if target.clause in dropped:
            return dropped[target.clause].name, dropped[target.clause].reason
        if target.place is not None and target.place not in (self.parent.place, self.place.id):
            return "place", f"只对{self.catalog.place_name(target.place)}"
        if self._only_others(target.bodies or ()):
            return "other_places", "上级只交给其他地方承担"
        indicator = self.catalog.indicators.get(target.indicator)
        for lack in sorted(self.lacking):
            theme, words, extent, reason = _LACKING[lack]
            themes = indicator is not None and indicator.theme == theme
            extents = (target.extent or (indicator.extent if indicator else None)) is extent
            if themes or extents or any(word in target.label + (target.scope or "") for word in words):
                return lack.value, reason
        descent = self._descent(target)
        if descent is not None:
            if descent.lowest is not None and self._rank() > descent.lowest.rank:
                return "level", descent.reason
            here = {self.place.id, *self.catalog.places.ancestor_ids(self.place.id)}
            if descent.places and not here & set(descent.places):
                return "place", descent.reason
        if not self.keep_past and target.by is not None and target.by < self.as_of.year:
            return "past", f"期限已过（{target.by}年），是否续订由起草人定"
        return None

    def _descent(self, target: Target) -> Descent | None:
        every = self.catalog.descents.values()
        for found in (
            [each for each in every if each.indicator == target.indicator],
            [each for each in every if each.scope is not None and each.scope in (target.scope or "")],
            [each for each in every if each.label is not None and each.label in target.label],
        ):
            if found:
                return found[0]
        return None

    def _rank(self) -> int:
        return min(self.place.level.rank, PlaceLevel.COUNTY.rank)

    def _value(self, target: Target) -> tuple[float | None, SlotKind]:
        if target.value is None:
            return None, SlotKind.EVENT
        if target.id in self.allocations:
            value = self.allocations[target.id]
            self._compare(target, value)
            return value, SlotKind.ALLOCATED
        if self._divided(target):
            return None, SlotKind.OPEN
        return target.value, SlotKind.CARRIED

    def _divided(self, target: Target) -> bool:
        """Whether the parent's value is an amount of its whole area, which those below share."""
        if target.measure in (Measure.CUMULATIVE, Measure.EACH_YEAR):
            return True
        if target.measure is not Measure.LEVEL:
            return False
        indicator = self.catalog.indicators.get(target.indicator)
        return indicator is not None and indicator.places is OverPlaces.SUM

    def _compare(self, target: Target, value: float) -> None:
        """Say where an allocated value falls behind the parent's, or is more than all of it."""
        assert target.value is not None
        if self._divided(target):
            if value > target.value:
                self._say("more", target, value, f"分解值大于上级总量{target.value:g}{target.unit or ''}")
            return
        indicator = self.catalog.indicators.get(target.indicator)
        direction = Direction.UP
        if indicator is not None and target.measure is not Measure.CHANGE:
            direction = indicator.direction
        upwards = effective_comparator(target.comparator, direction) in (Comparator.AT_LEAST, Comparator.MORE_THAN)
        if value < target.value if upwards else value > target.value:
            self._say("looser", target, value, f"宽于上级的{target.value:g}{target.unit or ''}")

    def _notes(self, target: Target, slot: SlotKind) -> list[str]:
        notes = []
        if slot is SlotKind.OPEN:
            notes.append("上级为总量，待分解")
        whole = self._whole(self.above)
        if slot is SlotKind.CARRIED and target.scope == whole:
            notes.append(f"上级指{whole}总体，本地值可高于或低于，须与上级衔接")
        if target.readings:
            notes.append("上级口径未写明：" + "、".join(reading.name for reading in target.readings))
        if target.by is None and target.value is not None and target.measure is not Measure.LIMIT:
            notes.append("上级未写年份")
        return notes

    # Obligations --------------------------------------------------------------------------------------------------

    def _obligation(self, obligation: Obligation, clauses: Mapping[str, str]) -> DraftObligation | None:
        phrase = obligation_phrase(obligation)
        if Lacking.COUNTY_SEAT in self.lacking and 'extent == "county_seat"' in obligation.when:
            self._leave("obligation", obligation.id, obligation.clause, phrase, "county_seat", "本地没有县城")
            return None
        if Lacking.RURAL in self.lacking and 'extent == "rural"' in obligation.when:
            self._leave("obligation", obligation.id, obligation.clause, phrase, "rural", "本地没有农村")
            return None
        return DraftObligation(
            clause=clauses.get(obligation.clause, ""),
            parent_clause=obligation.clause,
            phrase=phrase,
            obligation=obligation,
        )

    # What the drafter should look at --------------------------------------------------------------------------------

    def _check_allocations(self) -> None:
        known = {target.id: target for target in self.parent.targets}
        for name, value in self.allocations.items():
            target = known.get(name)
            if target is None or target.value is None or target.value_max is not None:
                able = [each.id for each in self.parent.targets if each.value is not None and each.value_max is None]
                problem = "不是该方案的目标" if target is None else "没有单个数值，不能分解"
                raise UsageError(
                    f"{name} {problem} / cannot take the value {value:g}",
                    doing=f"draft a plan from {self.parent.id}",
                    expected="、".join(close_names(name, able) or able[:5]),
                    next_step=f"dafeng plan show {self.parent.id}",
                )

    def _leave(self, kind: str, name: str, clause: str, phrase: str, reason: str, words: str) -> None:
        self.left.append(LeftOut(kind=kind, id=name, clause=clause, phrase=phrase, name=reason, reason=words))

    def _say(self, problem: str, target: Target, value: float, words: str) -> None:
        self.findings.append(
            Finding(
                name=f"plans.draft.{problem}",
                sentence=f"{target.id}（{target.label}）：{words}",
                severity=Severity.WARNING,
                value=f"{value:g}{target.unit or ''}",
                expected=f"上级：{target_phrase(target)}",
                next_step="核对分解表，或在报审时说明",
            )
        )

    def _remark(self, tasks: Sequence[DraftTask], targets: Sequence[DraftTarget]) -> None:
        levels = [above.id for above in self.catalog.places.ancestors(self.place.id)]
        between = levels[: levels.index(self.parent.place)]
        if between:
            names = "、".join(self.catalog.place_name(each) for each in between)
            self._note("level-skipped", f"{names}的方案未纳入，起草后须再与其衔接", names, Severity.WARNING)
        unknown = [move for move in self.moves.values() if move.how is Moved.UNKNOWN]
        for move in unknown:
            self._note("body-unknown", f"责任单位“{move.parent}”：{move.reason}", move.parent, Severity.WARNING)
        for move in self.moves.values():
            if move.how is Moved.KEPT and move.reason:
                self._note("body-kept", f"责任单位“{move.parent}”：{move.reason}", move.parent, Severity.INFO)
        bare = [task.number for task in tasks if not task.bodies]
        if bare:
            self._note("body-missing", f"{len(bare)} 项任务没有责任单位，待明确", "、".join(bare), Severity.WARNING)
        left = {each.id: each.reason for each in self.left if each.kind == "target"}
        for target in self.parent.targets:
            if target.id in self.allocations and target.id in left:
                words = f"该目标未列入草案，分解值没有用上：{left[target.id]}"
                self._say("allocation-unused", target, self.allocations[target.id], words)
        opened = [target.id for target in targets if target.slot is SlotKind.OPEN]
        if opened:
            self._note("open", f"{len(opened)} 个总量目标待分解", "、".join(opened), Severity.INFO)
        if level_prefix(self.place) == "区" and Lacking.RURAL not in self.lacking:
            rural = [each.id for each in targets if any(word in each.label for word in _LACKING[Lacking.RURAL][1])]
            if rural:
                words = "市辖区承接了农村目标，没有农村的请加 --without rural"
                self._note("rural-in-district", words, "、".join(rural), Severity.INFO)

    def _note(self, problem: str, sentence: str, value: str, severity: Severity) -> None:
        self.findings.append(
            Finding(
                name=f"plans.draft.{problem}",
                sentence=sentence,
                severity=severity,
                value=value,
                next_step="在草案中改定",
            )
        )
