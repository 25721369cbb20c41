"""From a parent plan to the draft of a plan below it: allocations read, both papers rendered."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from dafeng.base.errors import InputError
from dafeng.plans.draft_records import Lacking, PlanDraft
from dafeng.plans.drafting import draft_plan
from dafeng.reports import FontReport, render_docx
from dafeng.reports.document import RedHead
from dafeng.reports.plan_draft import plan_draft_notes, plan_draft_report
from dafeng.workflow.setting import Setting

__all__ = ["DraftedPlan", "allocations_of", "make_plan_draft"]

_TARGET_HEADS: Final = ("target", "目标", "目标编号", "编号")
_VALUE_HEADS: Final = ("value", "数值", "分解值", "本地值")


@dataclass(frozen=True)
class DraftedPlan:
    """A draft with its papers.

    Parameters
    ----------
    draft : PlanDraft
    document : bytes
        The draft as DOCX.
    notes : bytes
        The notes that explain it, as DOCX.
    """

    draft: PlanDraft
    document: bytes
    notes: bytes


def allocations_of(rows: Iterable[Mapping[str, str | None]], *, name: str) -> dict[str, float]:
    """Return target ids with their own values from rows of a table with the columns target and value.

    Parameters
    ----------
    rows : iterable of mapping
        Rows by header; ``目标编号`` and ``分解值`` are understood too. Rows without a value, or too short for one, are passed
        over.
    name : str
        Name of the table, for messages.

    Raises
    ------
    InputError
        A column is missing, a value is no number, or a target stands twice.

    Examples
    --------
    >>> allocations_of([{"目标编号": "drains-2025", "分解值": "1,200"}, {"目标编号": "rail-2025", "分解值": ""}], name="a.csv")
    {'drains-2025': 1200.0}
    """
    found: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        target_head = next((head for head in _TARGET_HEADS if head in row), None)
        value_head = next((head for head in _VALUE_HEADS if head in row), None)
        if target_head is None or value_head is None:
            raise _bad(
                name,
                f"没有列 / lacks the columns: {'、'.join(map(str, row))}",
                "列 target（目标编号）与 value（分解值）",
            )
        target, text = ((row[head] or "").strip() for head in (target_head, value_head))
        if not target or not text:
            continue
        try:
            value = float(text.replace(",", "").replace("，", ""))
            if not math.isfinite(value):
                raise ValueError
        except ValueError:
            raise _bad(name, f"第 {number} 行 {target}：{text!r} 不是数字 / no number", "上级单位下的数字") from None
        if target in found:
            raise _bad(name, f"{target} 出现两次 / stands twice", "一个目标一行")
        found[target] = value
    return found


def make_plan_draft(
    setting: Setting,
    parent: str,
    *,
    place: str,
    allocations: Mapping[str, float] | None = None,
    lacking: Collection[Lacking] | None = None,
    keep_past: bool = False,
    red_head: RedHead | None = None,
    signer: str | None = None,
    as_of: date,
    fonts: FontReport,
) -> DraftedPlan:
    """Draft the plan of a place from that of a parent, and render draft and notes.

    Parameters
    ----------
    setting : Setting
    parent : str
        Plan id, or a place that has one.
    place : str
        Id, code or name of a place below the parent's.
    allocations, lacking, keep_past, as_of
        As of `dafeng.plans.drafting.draft_plan`.
    red_head : RedHead, optional
        Drawn only where given.
    signer : str, optional
        Issuing body.
    fonts : FontReport

    Raises
    ------
    UnknownNameError
        No such plan or place.
    UsageError
        The place does not lie below the parent's, or an allocation fits no target.
    """
    plan = setting.catalog.plan(parent)
    own = setting.catalog.places.resolve(place)
    draft = draft_plan(
        plan,
        setting.catalog,
        place=own.id,
        allocations=allocations,
        lacking=lacking,
        keep_past=keep_past,
        as_of=as_of,
    )
    return DraftedPlan(
        draft=draft,
        document=render_docx(plan_draft_report(draft, red_head=red_head, signer=signer), fonts),
        notes=render_docx(plan_draft_notes(draft, setting.catalog), fonts),
    )


def _bad(name: str, problem: str, expected: str) -> InputError:
    return InputError(
        f"{name}：{problem}",
        doing="read the allocation of targets",
        expected=expected,
        next_step="dafeng plan show 上级方案 --json 查目标编号与单位 / look up ids and units",
    )
