"""Targets of a plan divided among those below: what to divide by, the division level by level, methods side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from dafeng.base.errors import UsageError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import BREAKDOWNS, ObservationKind
from dafeng.base.place import Place, PlaceKind, PlaceLevel
from dafeng.base.quantity import convert, same_dimension
from dafeng.base.target import Comparator, Measure, Target
from dafeng.catalog.allocation_schemas import AllocationRule
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import Indicator, OverPlaces
from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_checks import allocation_finding
from dafeng.pathways.allocation_comparison import MethodComparison, compare_methods
from dafeng.pathways.allocation_criteria import AllocationMethod, Criterion
from dafeng.pathways.allocation_problem import Allocation, AllocationProblem, DividedKind, Member, amount_of, units_of
from dafeng.pathways.allocation_schedule import Schedule, ScheduleShape
from dafeng.workflow.allocation_facts import CriterionFacts, CriterionTable, read_criterion_table
from dafeng.workflow.allocation_request import AllocationRequest, MadeAllocations, NamedCriterion
from dafeng.workflow.assessing import chosen_plan
from dafeng.workflow.setting import Setting

__all__ = ["make_allocations"]

_PEOPLE: Final = "resident_population"
_BY_DEFAULT: Final = {
    AllocationMethod.PER_HEAD: ("resident_population",),
    AllocationMethod.PER_AREA: ("built_up_area",),
    AllocationMethod.CAPACITY: ("new_building_area",),
}
_DOING: Final = "divide a target"


def make_allocations(
    setting: Setting,
    name: str | None,
    request: AllocationRequest,
    *,
    as_of: date,
    known_at: date | None,
    table: Sequence[Sequence[str | None]] | None = None,
    file: str = "",
) -> MadeAllocations:
    """Divide targets of a plan.

    Parameters
    ----------
    setting : Setting
    name : str or None
        Plan or place, see `dafeng.workflow.assessing.chosen_plan`.
    request : AllocationRequest
    as_of, known_at : date
        Day of judgement: places that exist, facts that are published; day up to which recorded facts count.
    table : sequence of rows, optional
        Criteria that a person gives, heads in the first row; they go before the facts of the workspace.
    file : str, optional
        Its name.

    Raises
    ------
    UsageError
        A target is unknown, or options contradict one another.
    UnknownNameError
        A place or an indicator is unknown.
    InputError
        The table of criteria cannot be used.
    """
    plan = chosen_plan(setting, name)
    targets = _targets(plan, request)
    work = _Work(setting, plan, request, as_of, known_at, table, file)
    allocations: list[Allocation] = []
    for target in targets:
        allocations += work.divide(target)
    findings = [*work.findings, *(finding for one in allocations for finding in one.findings)]
    used = [
        criterion
        for one in allocations
        for criterion in (*one.problem.criteria, one.problem.weights, one.problem.present)
        if criterion is not None
    ]
    shown = any(value.kind == ObservationKind.DEMONSTRATION.value for one in used for value in one.values.values())
    unique = {(one.name, one.sentence): one for one in findings}
    return MadeAllocations(plan, tuple(allocations), work.comparisons, tuple(unique.values()), shown)


def _targets(plan: Plan, request: AllocationRequest) -> list[Target]:
    known = {target.id: target for target in plan.targets}
    for name in request.targets:
        if name not in known:
            raise UsageError(
                f"{name} 不是{plan.id}的目标 / is no target of {plan.id}",
                doing=_DOING,
                expected="、".join(close_names(name, known) or list(known)[:8]),
                next_step=f"dafeng plan show {plan.id}",
            )
    if request.total is not None and len(request.targets) != 1:
        raise UsageError(
            "--total 只能与一个 --target 同用 / goes with one target",
            doing=_DOING,
            expected="--target 目标 --total 数值",
            next_step="一次分解一个目标",
        )
    if request.targets:
        return [known[name] for name in dict.fromkeys(request.targets)]
    return [target for target in plan.targets if not target.soft]


class _Work:
    """Divisions of one request."""

    def __init__(
        self,
        setting: Setting,
        plan: Plan,
        request: AllocationRequest,
        as_of: date,
        known_at: date | None,
        table: Sequence[Sequence[str | None]] | None,
        file: str,
    ) -> None:
        self.catalog = setting.catalog
        self.plan, self.request, self.as_of = plan, request, as_of
        self.findings: list[Finding] = []
        self.comparisons: dict[str, MethodComparison] = {}
        self.members = self._places(plan.place)
        self.zones = self._zones(plan.place) if request.zones and not request.bodies else ()
        every = [member.id for member in (*self.members, *self.zones)]
        if request.levels > 1:
            every += [below.id for one in self.members for below in self._places(one.id, among=False)]
        self.bounds = {
            name: {self._member(text): value for text, value in given.items()}
            for name, given in (("floors", request.floors), ("ceilings", request.ceilings), ("own", request.own))
        }
        self.file_table = None if table is None else self._table(table, file, every)
        self.facts = CriterionFacts(
            setting, [plan.place, *every], self._indicators(), as_of=as_of, known_at=known_at, table=self.file_table
        )
        self.findings += self.facts.findings

    # Who --------------------------------------------------------------------------------------------------------

    def _places(self, place: str, *, among: bool = True) -> tuple[Member, ...]:
        if among and self.request.among:
            found = []
            for text in self.request.among:
                one = self.catalog.places.resolve(text)
                if not one.exists_on(self.as_of):
                    self._say("place-gone", f"{one.name}在{self.as_of}不存在，不能参加分解", value=one.id)
                    continue
                if one.kind is PlaceKind.ZONE:
                    self._say("zone-summed", f"{one.name}是功能区，与区划重叠，不能与区划一起合计", value=one.id)
                    continue
                if place not in self.catalog.places.ancestor_ids(one.id, self.as_of):
                    self._say("place-outside", f"{one.name}不在{self.catalog.place_name(place)}之下", value=one.id)
                    continue
                found.append(self._division(one))
            ids = {one.id for one in found}
            nested = [one.name for one in found if ids & set(self.catalog.places.ancestor_ids(one.id, self.as_of))]
            if nested:
                self._say(
                    "place-nested", f"{'、'.join(nested)}与所属的上级一起列入，会重复计算", value="、".join(nested)
                )
            missing = [one.name for one in self.catalog.places.children(place, day=self.as_of) if one.id not in ids]
            if missing and not nested:
                self._say(
                    "place-left-out", f"未参加分解：{'、'.join(missing)}", Severity.INFO, value="、".join(missing)
                )
            return tuple(found)
        below = self.catalog.places.children(place, day=self.as_of)
        return tuple(self._division(one) for one in below)

    def _division(self, place: Place) -> Member:
        held = (
            code.code
            for code in place.codes
            if (code.valid_from is None or code.valid_from <= self.as_of)
            and (code.valid_to is None or self.as_of < code.valid_to)
        )
        return Member(id=place.id, name=place.name, code=next(held, ""))

    def _zones(self, place: str) -> tuple[Member, ...]:
        found = self.catalog.places.children(place, day=self.as_of, kind=PlaceKind.ZONE)
        ids = {member.id for member in self.members}
        return tuple(
            Member(id=one.id, name=one.name, on_ground_of=one.overlaps) for one in found if ids & set(one.overlaps)
        )

    def _bodies(self, target: Target) -> tuple[Member, ...]:
        found: dict[str, Member] = {}
        for text in self.plan.bodies_of(target):
            body = self.catalog.body(text, self.plan.place)
            if body.expands is not None:
                self._say(
                    "body-collective", f"“{text}”是一类单位的统称，不作为一个部门参加分解", Severity.INFO, value=text
                )
                continue
            found.setdefault(body.id, Member(id=body.id, name=body.name))
        return tuple(found.values())

    def _member(self, text: str) -> str:
        if self.request.bodies:
            return self.catalog.body(text, self.plan.place).id if text not in self.catalog.bodies else text
        return self.catalog.places.resolve(text).id

    def _table(self, rows: Sequence[Sequence[str | None]], file: str, ids: Sequence[str]) -> CriterionTable:
        names: dict[str, str] = {}
        if self.request.bodies:
            for body in self.catalog.bodies.values():
                names |= dict.fromkeys((body.id, body.name, *body.aliases), body.id)
        for one in ids:
            place = self.catalog.places.get(one)
            codes = tuple(code.code for code in place.codes)
            names |= dict.fromkeys((one, place.name, place.name_en, *place.aliases, *codes), one)
        return read_criterion_table(rows, file=file, ids=names, catalog=self.catalog)

    # By what ----------------------------------------------------------------------------------------------------

    def _indicators(self) -> list[str]:
        found = {_PEOPLE, *(name for names in _BY_DEFAULT.values() for name in names)}
        found |= {one.name for one in self.request.criteria}
        found |= {self.request.weights} if self.request.weights else set()
        for target in self.plan.targets:
            indicator = self.catalog.indicators.get(target.indicator)
            if indicator is None:
                continue
            found |= {target.indicator} | {
                name for name in (indicator.numerator, indicator.denominator, indicator.weight) if name
            }
            rule = self._rule(target)
            if rule is not None:
                found |= {one.indicator for one in rule.criteria} | ({rule.weights} if rule.weights else set())
        return sorted(found)

    def _rule(self, target: Target) -> AllocationRule | None:
        rules = self.catalog.allocations.values()
        keys = ((self.plan.id, target.id), (self.plan.id, None), (None, None))
        of_indicator = {(one.plan, one.target): one for one in rules if one.indicator == target.indicator}
        return next((of_indicator[key] for key in keys if key in of_indicator), None)

    def _criteria(self, method: AllocationMethod, target: Target, members: Sequence[Member]) -> tuple[Criterion, ...]:
        request, ids = self.request, [member.id for member in members]
        rule = self._rule(target)
        named = list(request.criteria)
        if not named and rule is not None and rule.criteria and method.value == rule.method:
            named = [
                NamedCriterion(name=one.indicator, weight=one.weight, inverse=one.inverse, extent=one.extent)
                for one in rule.criteria
            ]
        if not named and method in _BY_DEFAULT:
            named = [NamedCriterion(name=name) for name in _BY_DEFAULT[method]]
        if named and method is AllocationMethod.HISTORICAL:
            return tuple(self._named(one, ids, how="sum" if at == 0 else "last") for at, one in enumerate(named))
        if named:
            return tuple(self._named(one, ids) for one in named)
        if method in (AllocationMethod.GRANDFATHERING, AllocationMethod.EQUAL_PERCENTAGE):
            return (self._itself(target, ids),)
        if method is AllocationMethod.CONVERGENCE:
            return self._itself(target, ids), self._named(NamedCriterion(name=_PEOPLE), ids)
        if method is AllocationMethod.HISTORICAL:
            used = self._itself(target, ids, how="sum")
            allowance = target.comparator in (Comparator.AT_MOST, Comparator.LESS_THAN)
            return (used, self._named(NamedCriterion(name=_PEOPLE), ids, how="last")) if allowance else (used,)
        if method is AllocationMethod.SHARES and request.bodies:
            even = Criterion.model_validate(
                {"id": "bodies", "title": "责任单位均分", "values": {one: {"value": 1.0} for one in ids}}
            )
            return (even,)
        return ()

    def _named(self, one: NamedCriterion, ids: Sequence[str], *, how: str = "mean") -> Criterion:
        years = self.request.base_years
        return self.facts.criterion(
            one.name, members=ids, extent=one.extent, years=years,
            how="last" if years is None or how == "last" else "sum" if how == "sum" else "mean",
            weight=one.weight, inverse=one.inverse,
        )  # fmt: skip

    def _itself(self, target: Target, ids: Sequence[str], *, how: str = "mean") -> Criterion:
        """Return the target's own quantity as it stands, in the target's unit; a rate also from its two parts."""
        years = self.request.base_years
        breakdown = tuple(getattr(target, name) for name in BREAKDOWNS)
        found = self.facts.criterion(
            target.indicator, members=ids, unit=target.unit, extent=target.extent, breakdown=breakdown, basis=target.basis,
            years=years, how="last" if years is None else "sum" if how == "sum" else "mean",
        )  # fmt: skip
        indicator = self.catalog.indicator(target.indicator)
        if found.values or indicator.numerator is None or indicator.denominator is None:
            return found
        return self.facts.ratio(indicator, members=ids, unit=target.unit or indicator.shown_unit)

    # Division ---------------------------------------------------------------------------------------------------

    def divide(self, target: Target) -> list[Allocation]:
        """Return the divisions of a target, level by level; none where it cannot be divided by its nature."""
        if target.place not in (None, self.plan.place):
            self._say(
                "other-place", f"{target.label}只指{self.catalog.place_name(target.place or '')}，不分解", Severity.INFO
            )
            return []
        if target.value_max is not None and target.measure is not Measure.LIMIT:
            self._say("range", f"{target.label}是区间，须先定一个数再分解", Severity.WARNING, value=target.id)
            return []
        members = self._bodies(target) if self.request.bodies else self.members
        if self._stays_above(target):
            return []
        total = target.value if self.request.total is None else self.request.total
        first = self._divided(target, members, self.zones, self.plan.place, total)
        found = [first]
        level = [first]
        for _ in range(1, self.request.levels):
            lower = []
            for above in level:
                for share in above.shares:
                    below = self._places(share.member, among=False)
                    if below:
                        lower.append(self._divided(target, below, (), share.member, share.value))
            found += lower
            level = lower
        return found

    def _stays_above(self, target: Target) -> bool:
        """Whether the catalog says that a target is not taken over by those below; one that is asked for by name is divided."""
        every = self.catalog.descents.values()
        descent = next(
            (
                one
                for fits in (
                    lambda one: one.indicator == target.indicator,
                    lambda one: one.scope is not None and one.scope in (target.scope or ""),
                    lambda one: one.label is not None and one.label in target.label,
                )
                for one in every
                if fits(one) and one.lowest is not None
            ),
            None,
        )
        levels = [self.catalog.places.get(member.id).level.rank for member in self.members]
        if descent is None or descent.lowest is None or self.request.bodies or not levels:
            return False
        if min(*levels, PlaceLevel.COUNTY.rank) <= descent.lowest.rank:
            return False
        asked = target.id in self.request.targets
        words = f"{target.label}一般不由这一级承担：{descent.reason}" + ("；仍按要求分解" if asked else "，未列")
        self._say("stays-above", words, Severity.WARNING if asked else Severity.INFO, value=target.id)
        return not asked

    def _divided(
        self, target: Target, members: Sequence[Member], zones: Sequence[Member], place: str, total: float | None
    ) -> Allocation:
        problem, findings = self._problem(target, members, zones, place, total)
        done = allocate(problem)
        if self.request.compare and problem.kind is DividedKind.AMOUNT:
            self._compare(problem, target, members)
        return done.model_copy(update={"findings": (*findings, *done.findings)})

    def _problem(
        self, target: Target, members: Sequence[Member], zones: Sequence[Member], place: str, total: float | None
    ) -> tuple[AllocationProblem, list[Finding]]:
        request, rule = self.request, self._rule(target)
        indicator = self.catalog.indicator(target.indicator)
        kind = _kind(target, indicator)
        ids = [member.id for member in members]
        rates = kind is DividedKind.RATE
        usual = (
            AllocationMethod.SAME if rates else AllocationMethod.SHARES if request.bodies else AllocationMethod.PER_HEAD
        )
        ruled = AllocationMethod(rule.method) if rule is not None and not request.bodies else usual
        asked = request.method or ruled
        several = len(request.targets) != 1 and asked.for_rates is not rates  # one option cannot fit amounts and rates
        method = ruled if several else asked
        increase = request.increase if request.increase is not None else bool(rule and rule.increase)
        increase = increase and target.measure is Measure.LEVEL and kind is DividedKind.AMOUNT
        wanted = kind in (DividedKind.AMOUNT, DividedKind.RATE)
        present = self._itself(target, ids) if wanted and not request.bodies else None
        start = request.start or target.start
        if increase and start is None and present is not None:
            last = max((year for value in present.values.values() for year in value.years), default=None)
            start = None if last is None else last + 1
        factor = 1.0
        if target.unit and indicator.unit and same_dimension(target.unit, indicator.unit):
            factor = convert(1.0, indicator.unit, target.unit)
        problem = AllocationProblem(
            plan=self.plan.id, place=place, target=target.id, clause=target.clause, label=target.label, indicator=target.indicator,
            unit=target.unit or "", kind=kind, measure=target.measure, comparator=target.comparator, change=target.change,
            direction=indicator.direction, total=total, digit=request.digit or self._digit(rule, target, kind), by=target.by,
            start=start, members=tuple(members), zones=tuple(zones), method=method,
            criteria=self._criteria(method, target, (*members, *zones)[: len(members)]) if kind is DividedKind.AMOUNT else (),
            present=present, weights=self._weights(indicator, rule, ids) if rates else None, increase=increase,
            floors=self._bound("floors", ids), ceilings=self._bound("ceilings", ids), own=self._bound("own", ids),
            least=None if indicator.minimum is None else indicator.minimum * factor,
            most=None if indicator.maximum is None else indicator.maximum * factor,
            schedule=Schedule(
                shape=request.shape or (ScheduleShape.GIVEN if request.given else ScheduleShape(rule.schedule if rule else "linear")),
                start=request.start, pace=request.pace, given=request.given,
            ),
            converge_by=request.converge_by, rounding=request.rounding,
        )  # fmt: skip
        findings = self._notes(problem, target, rule)
        return problem, findings

    def _bound(self, name: str, ids: Sequence[str]) -> dict[str, float]:
        """Return bounds of these members; of an unknown one only at the top, so that it is named once."""
        given = self.bounds[name]
        if list(ids) == [member.id for member in self.members]:
            lower = set() if self.request.levels == 1 else {one for one in given if one not in ids}
            return {one: value for one, value in given.items() if one not in lower}
        return {one: value for one, value in given.items() if one in ids}

    def _digit(self, rule: AllocationRule | None, target: Target, kind: DividedKind) -> float:
        if rule is not None and target.unit and same_dimension(rule.unit, target.unit):
            units = convert(rule.digit, rule.unit, target.unit)
            return float(f"{units:.12g}")
        if kind is DividedKind.RATE:
            return 0.1
        text = f"{target.value or 1.0:.10g}"
        return 1.0 if "." not in text else float(amount_of(1, 10.0 ** -len(text.partition(".")[2])))

    def _weights(self, indicator: Indicator, rule: AllocationRule | None, ids: Sequence[str]) -> Criterion | None:
        name = self.request.weights or (rule.weights if rule else None) or indicator.weight or indicator.denominator
        if name is None:
            return None
        found = self.facts.criterion(name, members=ids)
        return found if found.values or self.request.weights else None

    def _notes(self, problem: AllocationProblem, target: Target, rule: AllocationRule | None) -> list[Finding]:
        said = []
        if target.measure is Measure.CHANGE:
            said.append(
                allocation_finding(
                    problem, "change-carried", "变化率不分解，各地取同一变化率", Severity.INFO, value=target.id
                )
            )
        start = problem.schedule.start or problem.start
        if problem.kind is DividedKind.AMOUNT and start is not None and start < self.as_of.year and problem.by:
            words = f"进度从{start}年起，{self.as_of.year - 1}年及以前的部分已经过去"
            said.append(
                allocation_finding(
                    problem, "start-past", words, Severity.INFO, value=str(start), next_step="--start 年份"
                )
            )
        moved = start is not None and target.start is not None and start > target.start
        if moved and problem.measure is Measure.CUMULATIVE and self.request.total is None:
            words = f"方案从{target.start}年起算，改从{start}年排进度；此前已完成的没有扣除"
            said.append(
                allocation_finding(
                    problem, "start-moved", words, Severity.WARNING, value=str(start), next_step="--total 给出剩余总量"
                )
            )
        if rule is not None and problem.method.value == rule.method and not self.request.criteria:
            words = f"方法和依据取自目录条目 {rule.id}（{rule.grade.value}级，待核）"
            said.append(allocation_finding(problem, "rule", words, Severity.INFO, value=rule.id))
        whole = problem.total
        parent = problem.present
        if problem.increase and parent is not None and not parent.unknown([one.id for one in problem.members]):
            have = sum(units_of(parent.values[one.id].value, problem.digit) for one in problem.members)
            words = f"各地现值合计{amount_of(have, problem.digit):g}{problem.unit}，新增{(whole or 0) - amount_of(have, problem.digit):g}"
            said.append(allocation_finding(problem, "increase", words, Severity.INFO))
        return said

    def _compare(self, problem: AllocationProblem, target: Target, members: Sequence[Member]) -> None:
        """Set the methods whose criteria are known beside the one that was used."""
        ids = [member.id for member in members if member.id not in problem.own]
        asked: dict[AllocationMethod, tuple[Criterion, ...]] = {problem.method: problem.criteria}
        usual: Mapping[AllocationMethod, Sequence[NamedCriterion]] = {
            AllocationMethod.PER_HEAD: [NamedCriterion(name=_PEOPLE)],
            AllocationMethod.PER_AREA: [NamedCriterion(name="built_up_area")],
            AllocationMethod.CAPACITY: [NamedCriterion(name="new_building_area")],
        }
        for method, named in usual.items():
            asked.setdefault(method, tuple(self._named(one, ids) for one in named))
        itself = self._itself(target, ids)
        people = asked[AllocationMethod.PER_HEAD]
        asked.setdefault(AllocationMethod.GRANDFATHERING, (itself,))
        asked.setdefault(AllocationMethod.CONVERGENCE, (itself, *people))
        known = [one for one in (*people, *asked[AllocationMethod.CAPACITY], itself) if not one.unknown(ids)]
        if len({one.id for one in known}) > 1:
            asked.setdefault(AllocationMethod.ENTROPY, tuple({one.id: one for one in known}.values()))
        able = [(method, criteria) for method, criteria in asked.items() if any(one.values for one in criteria)]
        unique = {one.id: one for criteria in asked.values() for one in criteria if one.values}
        measures = [one for one in unique.values() if not one.inverse]
        self.comparisons[f"{problem.target}|{problem.place}"] = compare_methods(problem, able, measures=measures)

    def _say(self, problem: str, sentence: str, severity: Severity = Severity.ERROR, value: str = "") -> None:
        self.findings.append(
            Finding(name=f"workflow.allocation.{problem}", sentence=sentence, severity=severity, value=value)
        )


def _kind(target: Target, indicator: Indicator) -> DividedKind:
    match target.measure:
        case Measure.MILESTONE:
            return DividedKind.EVENT
        case Measure.LIMIT | Measure.CHANGE:
            return DividedKind.LIMIT
        case _:
            return DividedKind.AMOUNT if indicator.places is OverPlaces.SUM else DividedKind.RATE
