"""Plans: responsible bodies, promises as phrases, the responsibility list, and a plan against the chain of its parents."""

from __future__ import annotations

from dafeng.plans.bodies import BodyRole, BodyUse, resolve_bodies
from dafeng.plans.compare import Comparison, ComparisonRow, DeadlineRelation, Level, Relation, compare_with_parents
from dafeng.plans.phrases import (
    Deadline,
    DeadlineKind,
    deadline_of,
    deadline_of_obligation,
    effective_comparator,
    number_text,
    obligation_phrase,
    target_phrase,
    value_phrase,
)
from dafeng.plans.responsibility import AliasUse, ResponsibilityList, ResponsibilityRow, responsibility_list

__all__ = [
    "AliasUse",
    "BodyRole",
    "BodyUse",
    "Comparison",
    "ComparisonRow",
    "Deadline",
    "DeadlineKind",
    "DeadlineRelation",
    "Level",
    "Relation",
    "ResponsibilityList",
    "ResponsibilityRow",
    "compare_with_parents",
    "deadline_of",
    "deadline_of_obligation",
    "effective_comparator",
    "number_text",
    "obligation_phrase",
    "resolve_bodies",
    "responsibility_list",
    "target_phrase",
    "value_phrase",
]
