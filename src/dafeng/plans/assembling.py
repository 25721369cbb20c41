"""A plan file made of a reading and of what people decided about it, with drafts for what the catalog does not know yet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from pydantic import ValidationError

from dafeng.base.document import DocumentText
from dafeng.base.errors import UnitError, UsageError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.obligation import Obligation
from dafeng.base.place import Extent
from dafeng.base.quantity import fold_width, same_dimension
from dafeng.base.record import Record
from dafeng.base.target import Base, Locator, Measure, Reading, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.decision_schemas import PlanDecision
from dafeng.catalog.plan_schemas import Chapter, OtherNumber, Peak, Plan, PlanDocument, Task
from dafeng.catalog.schemas import Body, BodyKind, Grade, Indicator, Title
from dafeng.plans.bodies import resolve_bodies
from dafeng.plans.decisions import AppliedDecision, Decided, lay_decisions
from dafeng.plans.matching import draft_indicator
from dafeng.plans.read_records import Clause, LabelKind, ReadDuty, ReadPlan, ReadTarget
from dafeng.plans.reading import is_plan

__all__ = ["SOURCE", "AssembledPlan", "ReviewState", "assemble_plan", "plan_id_of"]

SOURCE: Final = "plan-reader"
"""Source id of drafts that come from reading a plan."""
_EXTENTS: Final = (
    (Extent.BUILT_UP, "建成区"),
    (Extent.MAIN_URBAN, "主城区"),
    (Extent.CENTRAL_URBAN, "中心城区"),
    (Extent.COUNTY_SEAT, "县城"),
    (Extent.RURAL, "农村|乡村|农房"),
    (Extent.WHOLE, "全省|全市|全县|全域|全州|全盟"),
)
_CLASSES: Final = (("residential", "居住|住宅"), ("public", "公共建筑|公建"), ("rural_residential", "农房"))
_BASES: Final = {"envelope_and_systems": "本体"}
_KINDS: Final = (
    (BodyKind.COLLECTIVE, "^(?:各|有关|相关)|(?:部门|单位)$"),
    (BodyKind.GOVERNMENT, "(?:政府|管委会|管理委员会|行署)$"),
    (BodyKind.ENTERPRISE, "(?:公司|集团)$"),
    (BodyKind.INSTITUTION, "(?:中心|院|所|协会|学会)$"),
)


class ReviewState(Record):
    """How far a plan has been looked at by a person."""

    items: int
    """Targets and duties."""
    reviewed: int
    """Those that a person accepted, corrected or added in these very words."""
    rejected: int
    """Readings that a person rejected."""


class AssembledPlan(Record):
    """A plan with its drafts, ready to be kept."""

    plan: Plan
    """The plan as the house uses it."""
    draft_indicators: tuple[Indicator, ...]
    """Indicators that no entry of the catalog answers to; their targets are not judged before a person defines them."""
    draft_bodies: tuple[Body, ...]
    """Bodies that the catalog does not know."""
    applied: tuple[AppliedDecision, ...]
    """What became of each decision."""
    state: ReviewState
    """How far it has been looked at."""
    findings: tuple[Finding, ...]
    """What a person should look at."""


def plan_id_of(reading: ReadPlan, document: DocumentText, *, place: str | None) -> str:
    """Return a name for a plan: place and year of issue, or the first letters of the digest where either is unknown.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.plans.read_records import Outline, PlanHead
    >>> head = PlanHead(issued_on=date(2024, 5, 1), place="qingdao")
    >>> outline = Outline(head=head, clauses=(), sentences=())
    >>> plan_id_of(ReadPlan(outline=outline), DocumentText("a", "txt", "ab" * 32, ()), place="qingdao")
    'qingdao-2024'
    """
    head = reading.outline.head
    numbered = re.search(r"(?:19|20)\d\d", head.number or "")
    year = str(head.issued_on.year) if head.issued_on else numbered[0] if numbered else document.sha256[:8]
    return f"{place or 'plan'}-{year}"


def assemble_plan(
    reading: ReadPlan,
    document: DocumentText,
    catalog: Catalog,
    *,
    plan_id: str | None = None,
    place: str | None = None,
    decisions: Sequence[PlanDecision] = (),
    checked_on: date,
) -> AssembledPlan:
    """Make a plan file of a reading and decisions.

    Parameters
    ----------
    reading : ReadPlan
    document : DocumentText
        The document that was read.
    catalog : Catalog
    plan_id, place : str, optional
        Made of the document's head where None.
    decisions : sequence of PlanDecision
        Those of other plans are passed over.
    checked_on : date
        Day noted in drafts.

    Raises
    ------
    UsageError
        The document does not say for which place it plans, and no place is given.
    """
    place = place or reading.outline.head.place
    if place is None:
        region = reading.outline.head.region
        raise UsageError(
            f"{document.file} 中的地区“{region}”不在目录中 / the region {region} is no place of the catalog"
            if region
            else f"{document.file} 没有写明是哪个地方的方案 / it does not say for which place it plans",
            doing="make a plan file",
            expected="标题或开头写明省、市、县的文件 / a document that names its province, city or county in title or head",
            next_step="--place 青岛，或把地方加入工作区目录 / name the place, or add it to the workspace's catalog",
        )
    plan_id = plan_id or plan_id_of(reading, document, place=place)
    decided = lay_decisions(reading, document, [each for each in decisions if each.plan == plan_id])
    return _Assembly(decided, document, catalog, plan_id, place, checked_on).assembled()


class _Assembly:
    def __init__(
        self, decided: Decided, document: DocumentText, catalog: Catalog, plan_id: str, place: str, checked_on: date
    ) -> None:
        self.decided = decided
        self.reading = decided.reading
        self.document = document
        self.catalog = catalog
        self.plan_id = plan_id
        self.place = place
        self.checked_on = checked_on
        self.drafts: dict[str, Indicator] = {}
        self.drafted: dict[tuple[object, ...], Indicator] = {}
        self.taken: set[str] = set()
        self.findings: list[Finding] = [*decided.findings]

    def assembled(self) -> AssembledPlan:
        tasks = tuple(self._task(clause) for clause in self.reading.outline.clauses if clause.task and clause.title_at)
        tasks = tasks if is_plan(self.reading) else ()  # chapters of a novel are no tasks
        self.tasks = {task.number: task for task in tasks}
        self.used: Counter[str] = Counter()
        targets = tuple(target for read in self.reading.targets if (target := self._target(read)) is not None)
        obligations = tuple(duty for read in self.reading.duties if (duty := self._obligation(read)) is not None)
        head = {
            "title": self.reading.outline.head.title or self.document.file,
            "number": self.reading.outline.head.number,
            "issuers": self.reading.outline.head.issuers,
            "issued_on": self.reading.outline.head.issued_on,
        } | self.decided.fields.get("head", {})
        ends = [target.by for target in targets if target.by is not None and target.by < 2050]
        plan = Plan(
            id=self.plan_id,
            title=Title(zh=head["title"], en=f"Plan of {self.place}"),
            place=self.place,
            document=PlanDocument(
                sha256=self.document.sha256,
                number=head["number"],
                issued_on=head["issued_on"],
                issuers=tuple(head["issuers"]),
                named=self.document.file,
            ),
            period=f"{min(ends)}..{max(ends)}" if ends else None,
            peak=self._peak(targets),
            chapters=tuple(
                Chapter(number=clause.number, title=clause.title, at=clause.title_at)
                for clause in self.reading.outline.clauses
                if not clause.task and clause.title_at is not None and clause.number
            ),
            tasks=tasks,
            targets=targets,
            obligations=obligations,
            other_numbers=tuple(
                OtherNumber(at=fate.at, reason=fate.fate)
                for fate in self.reading.numbers
                if fate.fate not in ("target", "obligation")
            ),
            note="由方案读取生成，未经复核的条目见各条备注",
        )
        named = [target.id for target in self.reading.targets] + [duty.id for duty in self.reading.duties]
        reviewed = sum(name in self.decided.reviewed for name in named)
        return AssembledPlan(
            plan=plan,
            draft_indicators=tuple(self.drafts.values()),
            draft_bodies=self._draft_bodies(plan),
            applied=self.decided.applied,
            state=ReviewState(
                items=len(self.reading.targets) + len(self.reading.duties),
                reviewed=reviewed,
                rejected=len(self.decided.rejected),
            ),
            findings=tuple(self.findings),
        )

    def _task(self, clause: Clause) -> Task:
        fields = {"number": clause.number, "title": clause.title, "at": clause.title_at, "bodies": clause.bodies}
        return Task.model_validate(fields | self.decided.fields.get(clause.number, {}))

    def _target(self, read: ReadTarget) -> Target | None:
        own = self.decided.fields.get(read.id, {})
        bodies = tuple(own.get("bodies", read.bodies))
        task = self.tasks.get(read.clause)
        try:
            said = _as_said(read, own)
        except ValidationError as error:
            self._refuse(read.id, read.at, error)
            return None
        indicator = own.get("indicator") or (read.match.indicator if read.match else None)
        known = self.catalog.indicators.get(str(indicator)) if indicator else None
        draft = None
        if known is None or not self._fits(said, known):
            draft = self._draft(said)
            self._open(said, str(indicator) if indicator else None)
            known = draft
        fields: dict[str, Any] = {
            "id": self._unique(read.id),
            "clause": read.clause,
            "at": read.at,
            "label": read.label,
            "indicator": known.id,
            "comparator": read.comparator,
            "value": read.value,
            "value_max": read.value_max,
            "unit": read.unit,
            "by": read.by,
            "measure": read.measure,
            "base": _base(read),
            "change": read.change,
            "start": read.start,
            "scope": read.scope,
            "bodies": None if task is not None and task.bodies == bodies else bodies,
            "soft": read.soft,
            "as_labelled": read.kind.value,
            "note": self._note(read),
        }
        fields |= self._meaning(said, known)
        fields |= {
            name: value
            for name, value in own.items()
            if name in Target.model_fields and name not in ("bodies", "id", "indicator")
        }
        try:
            target = Target.model_validate(fields)
        except ValidationError as error:
            self._refuse(read.id, read.at, error)
            return None
        if draft is not None:
            self.drafts[draft.id] = draft
            self.drafted[_meaning_of(said, draft)] = draft
            self.taken.add(fold_width(draft.zh).casefold())
        return target

    def _draft(self, read: ReadTarget) -> Indicator:
        """Return the draft for an open promise: that of the same words where one stands, else one under a free name."""
        draft = draft_indicator(read, self.plan_id, source=SOURCE, checked_on=self.checked_on)
        same = self.drafted.get(_meaning_of(read, draft))
        if same is not None:
            return same
        if self.catalog.indicator_named(draft.zh) or fold_width(draft.zh).casefold() in self.taken:
            draft = draft.model_copy(update={"zh": f"{draft.zh}（{self.plan_id}，第{read.at.start}字）"})
        return draft

    def _fits(self, read: ReadTarget, indicator: Indicator) -> bool:
        """Whether an indicator can carry the target's unit; a percentage of something may be a change of anything."""
        if read.measure in (Measure.MILESTONE, Measure.CHANGE):
            return (indicator.unit == "yes_no") == (read.measure is Measure.MILESTONE)
        try:
            return same_dimension(read.unit or "比值", indicator.unit)
        except UnitError:
            return False

    def _meaning(self, read: ReadTarget, indicator: Indicator) -> dict[str, Any]:
        """Return extent, breakdown and basis as the words of the target state them."""
        words = self.document.folded[read.at.start : read.at.end] + (read.scope or "")
        fields: dict[str, Any] = {}
        extent = next((extent for extent, pattern in _EXTENTS if re.search(pattern, words)), None)
        if extent is not None and extent is not indicator.extent:
            fields["extent"] = extent
        if "building_class" in indicator.breakdowns:
            classes = [name for name, pattern in _CLASSES if re.search(pattern, words)]
            known = self.catalog.breakdown_codes("building_class")
            if len(classes) == 1 and classes[0] in known:
                fields["building_class"] = classes[0]
        if indicator.bases and read.measure is not Measure.MILESTONE:
            stated = [basis for basis in indicator.bases if basis in _BASES and _BASES[basis] in words]
            if stated:
                fields["basis"] = stated[0]
            else:
                fields["readings"] = tuple(
                    Reading(name=self.catalog.term("basis", basis), basis=basis) for basis in indicator.bases
                )
        if indicator.id == "carbon_peak":
            fields["boundary"] = _boundary(self.document, self.reading, read)
        return fields

    def _peak(self, targets: Sequence[Target]) -> Peak | None:
        peak = next((target for target in targets if target.indicator == "carbon_peak" and target.by), None)
        if peak is None or peak.by is None:
            return None
        return Peak(boundary=peak.boundary, by=peak.by, at=peak.at, clause=peak.clause)

    def _obligation(self, read: ReadDuty) -> Obligation | None:
        own = self.decided.fields.get(read.id, {})
        known = {name: value for name, value in own.items() if name in {*Obligation.model_fields, "from"}}
        if read.obligation is not None:
            fields = read.obligation.model_dump(by_alias=True)
        elif {
            "title",
            "when",
            "require",
        } <= known.keys():  # a person has put in words of the project fields what the reader could not
            fields = {
                "clause": read.clause,
                "at": read.at,
                "strength": read.strength,
                "soft": read.soft,
                "from": read.since,
            }
        else:
            return None
        note = "；".join(part for part in (fields.get("note"), self._reviewed_note(read.id)) if part)
        fields |= {"note": note} | known | {"id": self._unique(read.id)}
        try:
            return Obligation.model_validate(fields)
        except ValidationError as error:
            self._refuse(read.id, read.at, error)
            return None

    def _unique(self, name: str) -> str:
        self.used[name] += 1
        return name if self.used[name] == 1 else f"{name}-{self.used[name]}"

    def _note(self, read: ReadTarget) -> str | None:
        reasons = [] if read.id in self.decided.reviewed else list(read.reasons)
        return "；".join([self._reviewed_note(read.id), *reasons])

    def _reviewed_note(self, name: str) -> str:
        latest = [each.decision for each in self.decided.applied if each.item == name and each.how != "superseded"]
        if not latest:
            return "机读，未复核"
        words = {"accept": "采纳", "correct": "修改", "add": "补录", "reject": "驳回"}
        return f"{latest[-1].by} {latest[-1].on} {words[latest[-1].verdict.value]}"

    def _open(self, read: ReadTarget, indicator: str | None) -> None:
        near = "、".join(name for name, _ in (read.match.candidates[:3] if read.match else ()))
        said = f"指标 {indicator} 与单位“{read.unit}”不符" if indicator else f"“{read.label}”没有对应的指标"
        self.findings.append(
            Finding(
                name="plans.indicator.open",
                sentence=f"{said}，按待核草案保留，确认前不参与判定",
                severity=Severity.WARNING,
                value=read.label,
                expected=f"指标库中的指标{f'，相近的有：{near}' if near else ''}",
                next_step="在复核表中选定指标，或补充指标定义",
                where=Location(file=self.document.file, field=str(self.document.where(read.at.start))),
            )
        )

    def _refuse(self, name: str, at: Locator, error: ValidationError) -> None:
        first = error.errors(include_url=False)[0]
        self.findings.append(
            Finding(
                name="plans.decision.faulty",
                sentence=f"{name} 的字段不成立：{'.'.join(map(str, first['loc'])) or '整体'}：{first['msg']}，该条未写入方案",
                severity=Severity.ERROR,
                value=str(first.get("input", ""))[:60],
                next_step="改正复核表中的字段后重新提交",
                where=Location(file=self.document.file, field=str(self.document.where(at.start))),
            )
        )

    def _draft_bodies(self, plan: Plan) -> tuple[Body, ...]:
        named = [body for task in plan.tasks for body in task.bodies]
        named += [body for target in plan.targets for body in target.bodies or ()]
        uses, _ = resolve_bodies(list(dict.fromkeys(named)), self.place, self.catalog)
        unknown = [use.as_written for use in uses if use.id is None]
        return tuple(
            Body(
                id=f"draft-{self.plan_id}-{number}",
                name=name,
                place=self.place,
                kind=next((kind for kind, pattern in _KINDS if re.search(pattern, name)), BodyKind.DEPARTMENT),
                source=SOURCE,
                grade=Grade.C,
                note="由方案读取生成的草案，名称取自方案，全称待核",
                checked_on=self.checked_on,
            )
            for number, name in enumerate(unknown, 1)
        )


def _as_said(read: ReadTarget, own: dict[str, Any]) -> ReadTarget:
    """Return a target as read with what a person corrected, as a draft of its indicator must be made of.

    Raises
    ------
    ValidationError
        A corrected field is no value of that field.
    """
    fields = {
        name: value for name, value in own.items() if name in ReadTarget.model_fields and name not in ("id", "at")
    }
    said = ReadTarget.model_validate(read.model_dump() | fields)
    if (said.measure is Measure.MILESTONE) == (said.kind is LabelKind.MILESTONE):
        return said
    kind = LabelKind.MILESTONE if said.measure is Measure.MILESTONE else LabelKind.LEVEL
    return said.model_copy(update={"kind": kind})


def _meaning_of(read: ReadTarget, draft: Indicator) -> tuple[object, ...]:
    return (read.label, draft.unit, draft.measure, draft.direction, draft.extent)


def _base(read: ReadTarget) -> Base | None:
    if read.base_year is not None:
        return Base(year=read.base_year)
    return Base(state=read.base_state) if read.base_state is not None else None


def _boundary(document: DocumentText, reading: ReadPlan, read: ReadTarget) -> str:
    """Return the boundary that a promised peak names: direct emissions where its sentence says so, else the whole field."""
    sentence = next((each for each in reading.outline.sentences if each.at.start <= read.at.start < each.at.end), None)
    at = sentence.at if sentence else read.at
    return "direct" if "直接" in document.folded[at.start : at.end] else "whole_field"
