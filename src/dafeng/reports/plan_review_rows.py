"""Rows of a review workbook: what was read, what a person said of it before, and what ties the row to the document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from dafeng.base.document import DocumentText
from dafeng.base.target import Locator
from dafeng.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision, ReadingVerdict
from dafeng.plans.decisions import AppliedDecision, Decided
from dafeng.plans.fates import REASONS
from dafeng.plans.read_records import Clause, ReadDuty, ReadPlan, ReadTarget
from dafeng.plans.review_words import FIELD_HEADS, VERDICT_WORDS, ReviewItem, field_texts, own_fields, review_items

__all__ = ["ANSWERS", "ReviewRow", "ReviewRows", "decision_text", "doubts", "open_indicator"]

ANSWERS: Final = (ReadingVerdict.ACCEPT, ReadingVerdict.CORRECT, ReadingVerdict.REJECT)
"""Verdicts about something that was read."""
_FATES: Final = REASONS | {"target": "目标", "obligation": "义务", "unclaimed": "▲ 没有归属"}
_AROUND: Final = 16


@dataclass
class ReviewRow:
    """A row before it is drawn: shown values, what a person said before, and what ties it to the document."""

    values: dict[str, Any]
    key: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    added: bool = False


def doubts(item: ReadTarget | ReadDuty) -> list[str]:
    """Return what lowers the confidence of a reading, in Chinese; of a duty also what was assumed."""
    if isinstance(item, ReadTarget):
        return list(item.reasons)
    return [*item.assumptions, *(each.sentence for each in item.findings)]


def open_indicator(target: ReadTarget, catalog: Catalog) -> str:
    """Return what stands for the indicator of a target that none was found for: that it is open, and what comes near."""
    found = target.match.candidates if target.match else ()
    near = [catalog.indicators[name].zh for name, _ in found[:3] if name in catalog.indicators]
    return "▲ 待定" + (f"；相近：{'、'.join(near)}" if near else "")


def decision_text(decision: PlanDecision, catalog: Catalog, *, carried: bool = False) -> str:
    """Return a decision as one line: who, when, what, why.

    Parameters
    ----------
    decision : PlanDecision
    catalog : Catalog
    carried : bool
        Whether the words have changed since.
    """
    heads = FIELD_HEADS.get(decision.subject, {})
    fields = {name: value for name, value in decision.fields.items() if name in heads}
    said = [f"{heads[name]}={text}" for name, text in field_texts(fields, catalog).items()]
    said += [decision.reason] if decision.reason else []
    tail = "（原文已变，请复核）" if carried else ""
    return f"{decision.by} {decision.on} {VERDICT_WORDS[decision.verdict]}{'：' if said else ''}{'；'.join(said)}{tail}"


class ReviewRows:
    """Makes rows of a reading and of what was decided.

    Parameters
    ----------
    reading : ReadPlan
        As read, without decisions.
    document : DocumentText
    catalog : Catalog
    decided : Decided
        The decisions made so far, laid over the reading.
    """

    def __init__(self, reading: ReadPlan, document: DocumentText, catalog: Catalog, decided: Decided) -> None:
        self.reading = reading
        self.document = document
        self.catalog = catalog
        self.items = review_items(reading, document)
        applied = [each for each in decided.applied if each.how in ("exact", "carried")]
        self.applied = {(each.decision.subject, each.item): each for each in applied}
        names = {(item.subject, item.name) for item in self.items}
        added = {
            each.item: each
            for each in applied
            if each.decision.verdict is ReadingVerdict.ADD and (each.decision.subject, each.item) not in names
        }
        found: tuple[ReadTarget | ReadDuty, ...] = (*decided.reading.targets, *decided.reading.duties)
        self.added = [
            (ReviewItem.of(each, document, reading.outline), added[each.id]) for each in found if each.id in added
        ]

    def of(self, subject: DecisionSubject) -> list[ReviewRow]:
        """Return the rows of a subject, additions last."""
        rows = [
            self._row(item, self.applied.get((item.subject, item.name)))
            for item in self.items
            if item.subject is subject
        ]
        rows += [self._row(item, applied, added=True) for item, applied in self.added if item.subject is subject]
        for number, row in enumerate(rows, start=1):
            row.values["number"] = number
        return rows

    def _row(self, item: ReviewItem, applied: AppliedDecision | None, *, added: bool = False) -> ReviewRow:
        key = (
            f"{item.subject.value} {applied.decision.anchor.model_dump_json(exclude_defaults=True)}"
            if added and applied
            else item.key
        )
        row = ReviewRow(self._values(item), key, added=added)
        if applied is None:
            return row
        decision, carried = applied.decision, applied.how == "carried"
        row.values["last"] = decision_text(decision, self.catalog, carried=carried)
        heads = FIELD_HEADS[item.subject]
        fields = {name: value for name, value in decision.fields.items() if name in heads}
        row.texts = {f"new_{name}": text for name, text in field_texts(fields, self.catalog).items()}
        if not carried and (added or decision.verdict in ANSWERS):
            row.texts["verdict"] = VERDICT_WORDS[decision.verdict]
        if decision.reason and not carried:
            row.texts["reason"] = decision.reason
        row.kept = {"at": list(item.span)} if added else {}
        return row

    def _values(self, item: ReviewItem) -> dict[str, Any]:
        start, end = item.span
        place = self.document.where(start)
        own = {name: value for name, value in own_fields(item).items() if value != []}
        texts: dict[str, Any] = dict(field_texts(own, self.catalog))
        read = item.item
        values = {
            "clause": item.anchor.clause,
            "page": place.page,
            "paragraph": place.paragraph,
            "quote": self.document.quote(start, end),
        } | texts
        for name in ("value", "value_max", "by", "start", "from"):
            if name in values:
                values[name] = float(values[name])
        if isinstance(read, Clause):
            return values
        values |= {"confidence": read.confidence, "doubts": "\n".join(doubts(read))}
        if isinstance(read, ReadTarget):
            if "indicator" not in texts:
                values["indicator"] = open_indicator(read, self.catalog)
        else:
            values["applies"] = self._words(read.applies_to)
            values["asks"] = self._words(read.requirement)
            values["open"] = "；".join(self._words(at) for at in read.open_parts)
            if read.obligation is None:
                values["when"] = "▲ 项目字段不能表达，待定"
        return values

    def _words(self, at: Locator | None) -> str:
        return self.document.quote(at.start, at.end) if at else ""

    def numbers(self) -> list[tuple[Any, ...]]:
        """Return every number: place, digits, words around, fate, and what claims it."""
        named = {item.name: item.anchor.label for item in self.items if item.subject is not DecisionSubject.TASK}
        rows = []
        for number, fate in enumerate(self.reading.numbers, start=1):
            place = self.document.where(fate.at.start)
            around = self.document.quote(max(0, fate.at.start - _AROUND), fate.at.end + _AROUND)
            digits, of = self._words(fate.at), named.get(fate.of or "", fate.of or "")
            rows.append((number, place.page, place.paragraph, digits, around, _FATES.get(fate.fate, fate.fate), of))
        return rows
