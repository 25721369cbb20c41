"""Bodies for operations of the interface that look at what is sent before they look for what it is about."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any, Final

from django.core.files.uploadedfile import SimpleUploadedFile
from openpyxl import Workbook

from web.world import World

SUBJECTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {}
Body = Callable[[World, str], dict[str, Any]]


def sent(**said: Any) -> Body:
    """Return what sends JSON."""
    return lambda world, scope: {"data": json.dumps(said), "content_type": "application/json"}


def file(name: str = "a.txt", **fields: str) -> Body:
    """Return what sends a file that is not what it says, and fields."""
    return lambda world, scope: {"data": {"file": SimpleUploadedFile(name, b"\x00x"), **fields}}


def _plan_file(world: World, scope: str) -> dict[str, Any]:
    return file("a.exe", place=world.place("own"))(world, scope)


def _other_workbook(world: World, scope: str) -> dict[str, Any]:
    stream = io.BytesIO()
    book = Workbook()
    book.active["A1"] = "别的表"
    book.save(stream)
    return {"data": {"file": SimpleUploadedFile("a.xlsx", stream.getvalue())}}


def _table(world: World, scope: str) -> dict[str, Any]:
    text = "地区,年份,建成区绿地率（%）\n东湾区,2024,38.5\n"
    upload = SimpleUploadedFile("a.csv", text.encode())
    return {"data": {"file": upload, "dataset": "district-panel", "dry_run": "true"}}


BODIES: Final[dict[str, Body]] = {
    "api:hand_in_plan": _plan_file,
    "api:decide_plan_item": sent(verdict="accept", item="none"),
    "api:accept_plan_items": sent(items=[]),
    "api:publish_plan": sent(revision=99),
    "api:withdraw_plan_reading": sent(),
    "api:note_task": sent(state="in_progress", text="进展"),
    "api:confirm_task": sent(done=True),
    "api:set_task_due": sent(reason="理由"),
    "api:add_task_evidence": file(),
    "api:withdraw_task_evidence": sent(reason=""),
    "api:raise_task_order": sent(organisation=10**9, demand="x", answer_by="2020-01-01"),
    "api:answer_task_order": sent(answer=""),
    "api:settle_task_order": sent(close=True),
    "api:issue_round": sent(
        plan="dongwan-2025",
        period="2025",
        form="yearbook_water",
        bodies=["demo-city-dongwan-government"],
        due="2026-12-31",
    ),
    "api:seal_round": sent(),
    "api:unseal_round": sent(),
    "api:save_draft": sent(),
    "api:upload_workbook": _other_workbook,
    "api:submit_return": sent(),
    "api:add_return_evidence": file(),
    "api:approve_submission": sent(),
    "api:return_submission": sent(),
    "api:begin_report": sent(plan="dongwan-2025", year=2031, as_of="2031-09-30"),
    "api:write_part": sent(text="文字", version=0),
    "api:freeze_report": sent(),
    "api:write_contribution": sent(text="文字", version=99),
    "api:judge_contribution": sent(accept=False),
    "api:import_facts": _table,
    "api:push": sent(readings=[]),
}
