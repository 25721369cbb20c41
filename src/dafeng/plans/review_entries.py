"""Entries of a review paper beside what they are about: whose row it is, and whether anybody wrote in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision, ReadingAnchor
from dafeng.intake.review_reading import ReviewEntry
from dafeng.plans.review_words import ReviewItem

__all__ = [
    "Told",
    "anchor_of_key",
    "decision_key",
    "of_the_person",
    "said_before",
    "same_texts",
    "says_the_same",
    "subject_of",
]


@dataclass(frozen=True)
class Told:
    """What a person wrote about one thing.

    Parameters
    ----------
    entry : ReviewEntry
    texts : mapping
        What stands in the columns that people fill in.
    item : ReviewItem or None
        What was read; None for an addition.
    anchor : ReadingAnchor or None
        None for a new addition.
    subject : DecisionSubject
    added : mapping, optional
        Of an addition of an earlier day, its place.
    """

    entry: ReviewEntry
    texts: Mapping[str, str]
    item: ReviewItem | None
    anchor: ReadingAnchor | None
    subject: DecisionSubject
    added: Mapping[str, Any] | None = None

    @property
    def corrected(self) -> list[str]:
        """Columns of corrected fields that hold something."""
        return [name for name in self.texts if name.startswith("new_")]


def decision_key(subject: DecisionSubject, anchor: ReadingAnchor) -> str:
    """Return subject and anchor in one line, as `ReviewItem.key`."""
    return f"{subject.value} {anchor.model_dump_json(exclude_defaults=True)}"


def anchor_of_key(key: str) -> ReadingAnchor | None:
    """Return the anchor of a key, None where it is damaged."""
    try:
        return ReadingAnchor.model_validate_json(key.partition(" ")[2])
    except ValidationError:
        return None


def subject_of(entry: ReviewEntry) -> DecisionSubject:
    """Return what a row or comment is about."""
    word = entry.key.partition(" ")[0]
    known = word in [subject.value for subject in DecisionSubject]
    return DecisionSubject(word if known else "target" if entry.subject == "number" else entry.subject)


def said_before(entry: ReviewEntry) -> dict[str, Any]:
    """Return what was kept with a row when its workbook was made: ``texts``, and ``fields`` of an addition."""
    try:
        kept = json.loads(entry.before) if entry.before else {}
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def of_the_person(name: str) -> bool:
    """Whether a column is one that people fill in."""
    return name in ("verdict", "reason", "person") or name.startswith("new_")


def same_texts(texts: Mapping[str, str], before: Mapping[str, str]) -> bool:
    """Whether a row says what it said when the paper was made; numbers may have been written anew."""
    if texts.keys() != before.keys():
        return False
    return all(
        text == before[name] or _number(text) == _number(before[name]) is not None for name, text in texts.items()
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def says_the_same(one: PlanDecision | None, other: PlanDecision) -> bool:
    """Whether two decisions differ in nothing but their day."""
    return one is not None and (one.verdict, one.fields, one.reason, one.by) == (
        other.verdict,
        other.fields,
        other.reason,
        other.by,
    )
