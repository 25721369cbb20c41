"""A plan as read, in the schema in which plan documents are labelled by hand."""

from __future__ import annotations

from dafeng.base.document import DocumentText
from dafeng.base.obligation import Strength
from dafeng.base.target import Locator
from dafeng.plans.read_records import ReadDuty, ReadPlan, ReadTarget

__all__ = ["label_data"]


def _number(value: float | None) -> float | int | None:
    """Return a whole number without its decimal point."""
    return int(value) if value is not None and value.is_integer() else value


def _target(target: ReadTarget, document: DocumentText) -> dict[str, object]:
    return {
        "quote": document.quote(target.at.start, target.at.end),
        "indicator": target.label,
        "comparator": target.comparator.value,
        "value": _number(target.value),
        "value_max": _number(target.value_max),
        "unit": target.unit,
        "deadline": target.by,
        "baseline_year": target.base_year,
        "kind": target.kind.value,
        "scope": target.scope,
        "responsible": list(target.bodies),
    }


def _labelled(duty: ReadDuty) -> bool:
    """Whether labelling counts a duty as a rule: mere encouragements are none, unless they say 全面, 全部 and can be checked."""
    return duty.universal or not (duty.soft and duty.strength is Strength.ENCOURAGED)


def _rule(duty: ReadDuty, document: DocumentText) -> dict[str, object]:
    def words(at: Locator | None) -> str | None:
        return document.quote(at.start, at.end) if at is not None else None

    return {
        "quote": words(duty.at),
        "applies_to": words(duty.applies_to),
        "requirement": words(duty.requirement),
        "from_year": duty.since,
    }


def label_data(plan: ReadPlan, document: DocumentText) -> dict[str, object]:
    """Return a plan in the labelling schema: plan data, targets, rules, tasks, quotes cut from the document.

    Parameters
    ----------
    plan : ReadPlan
    document : DocumentText
        The document that was read.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.reading import read_plan
    >>> lines = ("东川市绿色建筑工作方案", "一、重点任务", "（一）推广光伏。到2025年替代率达到9%。（市住建局负责）")
    >>> text = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> data = label_data(read_plan(text, load_catalog()), text)
    >>> data["targets"][0]["quote"], data["targets"][0]["value"], data["tasks"]
    ('到2025年替代率达到9%', 9, [{'number': '一（一）', 'title': '推广光伏', 'responsible': ['市住建局']}])
    """
    head = plan.outline.head
    return {
        "plan": {
            "title": head.title,
            "issuers": list(head.issuers),
            "doc_no": head.number,
            "date": head.issued_on.isoformat() if head.issued_on else None,
            "region": head.region,
        },
        "text_file": document.file,
        "targets": [_target(target, document) for target in plan.targets],
        "rules": [_rule(duty, document) for duty in plan.duties if _labelled(duty)],
        "tasks": [
            {"number": clause.number, "title": clause.title, "responsible": list(clause.bodies)}
            for clause in plan.outline.clauses
            if clause.task
        ],
    }
