"""Assessment: the status and outlook of every target of a plan, and what each body answers for."""

from __future__ import annotations

from dafeng.assessment.assess import assess_plan
from dafeng.assessment.records import (
    WORST_FIRST,
    Amount,
    Assessment,
    BodySummary,
    BodyTarget,
    OtherValue,
    OutlookUse,
    Reference,
    Status,
    TargetAssessment,
    ValuePart,
    ValueUse,
    Verdict,
)
from dafeng.assessment.summary import count_targets, status_of_target, summarise_bodies

__all__ = [
    "WORST_FIRST",
    "Amount",
    "Assessment",
    "BodySummary",
    "BodyTarget",
    "OtherValue",
    "OutlookUse",
    "Reference",
    "Status",
    "TargetAssessment",
    "ValuePart",
    "ValueUse",
    "Verdict",
    "assess_plan",
    "count_targets",
    "status_of_target",
    "summarise_bodies",
]
