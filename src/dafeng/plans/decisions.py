"""What people decided about a reading, laid over the reading of the same document or of its next version.

A decision is tied to the digest of the words that were looked at. Where those words stand in the document that is read now,
it holds as it is. Where they have changed, it is carried to the one item of the same clause heading, label and unit, and a
finding asks for another look. Where no such item is left it is named as lost. Of two decisions about one item the newer holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from pydantic import ValidationError

from dafeng.base.document import DocumentText
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.obligation import Obligation
from dafeng.base.record import Record
from dafeng.base.target import Locator
from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision, ReadingAnchor, ReadingVerdict
from dafeng.plans.read_records import Clause, NumberFate, Outline, ReadDuty, ReadPlan, ReadTarget

__all__ = ["REJECTED", "AppliedDecision", "Decided", "anchor_of", "lay_decisions"]

REJECTED: Final = "rejected_by_person"
"""Reason of a number whose reading a person rejected."""

Item = ReadTarget | ReadDuty | Clause
_SUBJECTS: Final = {
    ReadTarget: DecisionSubject.TARGET,
    ReadDuty: DecisionSubject.OBLIGATION,
    Clause: DecisionSubject.TASK,
}


class AppliedDecision(Record):
    """What became of a decision."""

    decision: PlanDecision
    """The decision."""
    how: str
    """exact, carried (the words have changed), superseded (a newer one holds), lost or faulty."""
    item: str | None = None
    """Id of the target or duty, or number of the task, that it fell upon."""


class Decided(Record):
    """A reading with the decisions of people laid over it."""

    reading: ReadPlan
    """Without what was rejected, with what was added and corrected."""
    fields: dict[str, dict[str, Any]]
    """Corrected fields by id of target or duty; those of a task by its number, those of the head under ``head``."""
    reviewed: frozenset[str]
    """Ids that a person has accepted, corrected or added, in these very words."""
    rejected: tuple[Locator, ...]
    """Stretches that a person has rejected."""
    applied: tuple[AppliedDecision, ...]
    """Every decision, in order."""
    findings: tuple[Finding, ...]
    """What needs another look."""


def anchor_of(item: Item, document: DocumentText, outline: Outline) -> ReadingAnchor:
    """Return what ties a decision about an item to the document, without its words.

    Parameters
    ----------
    item : ReadTarget, ReadDuty or Clause
    document : DocumentText
    outline : Outline
        Of that document.
    """
    at = _stretch(item)
    words = document.folded[at.start : at.end]
    clause = item if isinstance(item, Clause) else outline.clause_at(at.start)
    target = item if isinstance(item, ReadTarget) else None
    return ReadingAnchor(
        quote=_digest(words),
        clause=clause.number,
        clause_title=clause.title,
        label=_label(item),
        value=target.value if target else None,
        unit=target.unit if target else None,
        by=target.by if target else None,
        occurrence=1 + document.folded.count(words, 0, at.start),
    )


def lay_decisions(reading: ReadPlan, document: DocumentText, decisions: Sequence[PlanDecision]) -> Decided:
    """Lay decisions over a reading; a person has the last word.

    Parameters
    ----------
    reading : ReadPlan
    document : DocumentText
        The document that was read.
    decisions : sequence of PlanDecision
        Of this plan, in any order.

    Returns
    -------
    Decided
        Every decision ends in `applied`.
    """
    ordered = sorted(decisions, key=lambda decision: (decision.on, decision.id))
    laying = _Laying(reading, document, [each.anchor for each in ordered if each.verdict is ReadingVerdict.ADD])
    newest: dict[tuple[DecisionSubject, str], PlanDecision] = {}
    found: list[tuple[PlanDecision, Item | None, str]] = []
    for decision in ordered:
        item, how = laying.find(decision)
        found.append((decision, item, how))
        newest[decision.subject, laying.name(decision, item)] = decision
    applied = []
    additions = {laying.name(each, item) for each, item, _ in found if each.verdict is ReadingVerdict.ADD}
    for decision, item, how in found:
        name = laying.name(decision, item)
        if newest[decision.subject, name] is not decision:
            applied.append(AppliedDecision(decision=decision, how="superseded", item=name))
            continue
        if (
            decision.verdict is ReadingVerdict.REJECT and item is None and name in additions
        ):  # it takes back an addition
            applied.append(AppliedDecision(decision=decision, how="exact", item=name))
            continue
        applied.append(laying.apply(decision, item, how))
    return laying.decided(tuple(applied))


class _Laying:
    def __init__(self, reading: ReadPlan, document: DocumentText, additions: Sequence[ReadingAnchor]) -> None:
        self.reading = reading
        self.additions = additions
        self.document = document
        self.items: dict[DecisionSubject, list[Item]] = {
            DecisionSubject.TARGET: list(reading.targets),
            DecisionSubject.OBLIGATION: list(reading.duties),
            DecisionSubject.TASK: [clause for clause in reading.outline.clauses if clause.title_at is not None],
        }
        self.fields: dict[str, dict[str, Any]] = {}
        self.reviewed: set[str] = set()
        self.rejected: list[Item] = []
        self.added: list[ReadTarget | ReadDuty] = []
        self.findings: list[Finding] = []

    @cached_property
    def anchors(self) -> dict[int, ReadingAnchor]:
        """Anchor of every item, by its identity; not made where nobody has decided anything."""
        return {
            id(item): anchor_of(item, self.document, self.reading.outline)
            for part in self.items.values()
            for item in part
        }

    def name(self, decision: PlanDecision, item: Item | None) -> str:
        if decision.subject is DecisionSubject.HEAD:
            return "head"
        if item is None:
            return f"{decision.anchor.quote}:{decision.anchor.occurrence}"
        return item.number if isinstance(item, Clause) else item.id

    def find(self, decision: PlanDecision) -> tuple[Item | None, str]:
        """Return the item that a decision means, and whether its words are the same."""
        if decision.subject is DecisionSubject.HEAD:
            return None, "exact"
        wanted = decision.anchor
        items = self.items[decision.subject]
        same = [item for item in items if self.anchors[id(item)].quote == wanted.quote]
        if wanted in self.additions:  # the reader may have learnt to read it meanwhile
            same = [item for item in same if self._agree(item, wanted, "label", "value", "unit", "by")]
            return (same[0], "exact") if same else (None, "lost")
        if len(same) > 1:
            alike = [item for item in same if self._agree(item, wanted, "label", "value", "unit", "by")] or same
            same = [item for item in alike if self.anchors[id(item)].occurrence == wanted.occurrence] or alike
        if same:
            return same[0], "exact"
        for names in (
            ("clause_title", "label", "unit", "by"),
            ("clause_title", "label", "unit"),
            ("label", "unit", "by"),
            ("label", "unit"),
        ):
            near = [item for item in items if self._agree(item, wanted, *names)]
            if len(near) == 1:
                return near[0], "carried"
        return None, "lost"

    def _agree(self, item: Item, wanted: ReadingAnchor, *names: str) -> bool:
        have = self.anchors[id(item)]
        return all(getattr(have, name) == getattr(wanted, name) for name in names)

    def apply(self, decision: PlanDecision, item: Item | None, how: str) -> AppliedDecision:
        name = self.name(decision, item)
        if decision.verdict is ReadingVerdict.ADD and item is None:
            return self._add(decision)
        if how == "lost":
            self._say(
                decision, "lost", "上次决定所依据的内容在本版文件中找不到，决定未沿用", "核对新版文件，必要时重新补录"
            )
            return AppliedDecision(decision=decision, how="lost")
        if how == "carried":
            value = item.value if isinstance(item, ReadTarget) else None
            changed = "" if value == decision.anchor.value else f"（数值由{decision.anchor.value}变为{value}）"
            self._say(decision, "reworded", f"原文文字已变{changed}，沿用上次的决定，请复核", "核对后重新采纳或修改")
        elif decision.subject is not DecisionSubject.HEAD:
            self.reviewed.add(name)
        if decision.verdict is ReadingVerdict.REJECT and item is not None:
            self.rejected.append(item)
        self.fields[name] = self.fields.get(name, {}) | decision.fields
        return AppliedDecision(decision=decision, how=how, item=name)

    def _add(self, decision: PlanDecision) -> AppliedDecision:
        at = self._stretch_of(decision)
        if at is None:
            self._say(
                decision, "lost", "人工补录所依据的原文在本版文件中找不到，未沿用", "核对新版文件，必要时重新补录"
            )
            return AppliedDecision(decision=decision, how="lost")
        name = str(decision.fields.get("id") or f"added-{decision.anchor.quote[:8]}")
        clause = self.reading.outline.clause_at(at.start)
        fields = {"id": name, "clause": clause.number, **decision.fields, "at": at}
        try:
            if decision.subject is DecisionSubject.TARGET:
                own = {key: value for key, value in fields.items() if key in ReadTarget.model_fields}
                item: ReadTarget | ReadDuty = ReadTarget.model_validate({"kind": "level", "label": "", **own})
            else:
                obligation = Obligation.model_validate(
                    {key: value for key, value in fields.items() if key in {*Obligation.model_fields, "from"}}
                )
                item = ReadDuty(
                    id=name,
                    clause=obligation.clause,
                    at=at,
                    requirement=at,
                    strength=obligation.strength,
                    soft=obligation.soft,
                    since=obligation.since,
                    obligation=obligation,
                )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            self._say(decision, "faulty", f"补录的字段不成立：{where}：{first['msg']}", "改正该字段后重新提交")
            return AppliedDecision(decision=decision, how="faulty")
        self.added.append(item)
        self.fields[name] = {key: value for key, value in decision.fields.items() if key != "at"}
        self.reviewed.add(name)
        return AppliedDecision(decision=decision, how="exact", item=name)

    def _stretch_of(self, decision: PlanDecision) -> Locator | None:
        """Return where the words of an addition stand in this document: there, or elsewhere of the same length."""
        try:
            told = Locator.model_validate(decision.fields.get("at"))
        except ValidationError:
            return None
        text, length = self.document.folded, told.end - told.start
        if _digest(text[told.start : told.end]) == decision.anchor.quote:
            return told
        for start in range(len(text) - length + 1):
            if _digest(text[start : start + length]) == decision.anchor.quote:
                return Locator(start=start, end=start + length)
        return None

    def _say(self, decision: PlanDecision, problem: str, sentence: str, next_step: str) -> None:
        self.findings.append(
            Finding(
                name=f"plans.decision.{problem}",
                sentence=f"{decision.by} {decision.on} 的决定（{decision.anchor.clause} {decision.anchor.label}）：{sentence}",
                severity=Severity.WARNING,
                value=decision.id,
                next_step=next_step,
                where=Location(file=self.document.file, field=decision.anchor.clause),
            )
        )

    def decided(self, applied: tuple[AppliedDecision, ...]) -> Decided:
        gone = {id(item) for item in self.rejected}
        targets = [target for target in self.reading.targets if id(target) not in gone]
        duties = [duty for duty in self.reading.duties if id(duty) not in gone]
        targets += [item for item in self.added if isinstance(item, ReadTarget)]
        duties += [item for item in self.added if isinstance(item, ReadDuty)]
        reading = self.reading.model_copy(
            update={
                "targets": tuple(sorted(targets, key=lambda target: (target.at.start, target.at.end))),
                "duties": tuple(sorted(duties, key=lambda duty: (duty.at.start, duty.at.end))),
                "numbers": tuple(self._settled(fate) for fate in self.reading.numbers),
            }
        )
        return Decided(
            reading=reading,
            fields={name: fields for name, fields in self.fields.items() if fields},
            reviewed=frozenset(self.reviewed),
            rejected=tuple(_stretch(item) for item in self.rejected),
            applied=applied,
            findings=tuple(self.findings),
        )

    def _settled(self, fate: NumberFate) -> NumberFate:
        """Return what became of a number after the decisions: claimed by an addition, or given up with a rejected reading."""
        for item in self.added:
            if item.at.start <= fate.at.start < item.at.end:
                return fate.model_copy(
                    update={"fate": "target" if isinstance(item, ReadTarget) else "obligation", "of": item.id}
                )
        if fate.of is not None and any(not isinstance(item, Clause) and item.id == fate.of for item in self.rejected):
            return fate.model_copy(update={"fate": REJECTED, "of": None})
        return fate


def _stretch(item: Item) -> Locator:
    if not isinstance(item, Clause):
        return item.at
    return item.title_at or item.mark or item.at or Locator(start=0, end=1)


def _label(item: Item) -> str:
    if isinstance(item, ReadTarget):
        return item.label
    if isinstance(item, Clause):
        return item.title
    return item.obligation.title if item.obligation else item.id


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()
