"""What the worker does for plans: reading documents, publishing reviewed plans, noting reminders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import Max

from dafeng.base.errors import ContentError, DafengError, InputError, LakeError, UsageError
from dafeng.base.listener import Listener
from dafeng.catalog.decision_schemas import PlanDecision
from dafeng.lake.durable import turn
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import SYSTEM, record
from dafeng.web.house import house
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.services import does
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import handles
from dafeng.web.plans.models import PlanVersion, Reading, ReadingState
from dafeng.web.plans.reminders import remind
from dafeng.web.plans.services import check_plan_id, frozen_bytes
from dafeng.workflow.plan_reading import lay_over, read_plan_file, save_plan

__all__ = ["note_reminders", "publish_plan", "read_handed_in"]

_TOLD = 20


@does("plans.read")
def read_handed_in(arguments: Mapping[str, Any], listener: Listener, job: Job) -> Mapping[str, Any]:
    """Read a document that was handed in; doing it twice changes nothing."""
    reading = Reading.objects.get(pk=arguments["reading"])
    if reading.state not in (ReadingState.WAITING, ReadingState.FAILED):
        return {"reading": reading.pk, "state": reading.state}
    setting = house().setting()
    assert setting.workspace is not None
    try:
        read = read_plan_file(
            setting,
            setting.workspace.document(reading.document),
            as_of=reading.created_at.date(),
            plan_id=reading.plan or None,
            place=reading.place,
            named=reading.file_name,
            listener=listener,
        )
        plan = read.assembled.plan
        check_plan_id(plan.id, reading.place)
        _free(plan.id, reading)
    except (DafengError, RefusedError) as error:
        said = error.says if isinstance(error, RefusedError) else _said(error)
        _settled(reading, state=ReadingState.FAILED, error=said)
        if isinstance(error, DafengError):
            raise
        raise UsageError(said, doing="read a plan") from error
    counts = {
        "targets": len(read.reading.targets),
        "obligations": len(read.reading.duties),
        "tasks": len(plan.tasks),
        "bodies": len(read.assembled.draft_bodies),
        "indicators": len(read.assembled.draft_indicators),
        "unclaimed": sum(fate.fate == "unclaimed" for fate in read.reading.numbers),
        "place": read.reading.outline.head.place or "",
    }
    _settled(reading, state=ReadingState.READY, plan=plan.id, counts=counts, error="")
    return {"reading": reading.pk, "plan": plan.id, **counts}


def _free(plan: str, reading: Reading) -> None:
    open_states = (ReadingState.WAITING, ReadingState.READY, ReadingState.PUBLISHING)
    if Reading.objects.filter(plan=plan, state__in=open_states).exclude(pk=reading.pk).exists():
        raise RefusedError("reading.open-already", f"方案 {plan} 已有一份文件正在复核或发布，先办完或撤销那一份。")


def _settled(reading: Reading, **fields: Any) -> None:
    with transaction.atomic():
        row = Reading.objects.select_for_update().get(pk=reading.pk)
        if row.state in (ReadingState.WAITING, ReadingState.FAILED):
            Reading.objects.filter(pk=row.pk).update(**fields)


def _said(error: DafengError) -> str:
    return "；".join(part for part in (error.problem, error.next_step) if part)


@handles("plans.publish")
def publish_plan(item: OutboxItem) -> tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], None] | None]:
    """Write a reviewed plan into the workspace's catalog; the same item again writes the same bytes.

    What the library refuses for good comes back to the page as findings; what may pass (a disk that is full) is tried again.
    One worker at a time writes, and looks in its turn whether the item was published meanwhile: one that was slow does not lay
    an earlier version over a later one.
    """
    said = item.payload
    version = PlanVersion.objects.get(pk=said["version"])
    if version.published_at is not None or version.refused:
        return {"plan": version.plan, "number": version.number}, None
    setting = house().setting()
    assert setting.workspace is not None
    as_of = date.fromisoformat(said["as_of"])
    path = setting.workspace.document(said["document"])
    try:
        read = read_plan_file(setting, path, as_of=as_of, plan_id=said["plan"], place=said["place"], named=said["file"])
        new = [PlanDecision.model_validate(one) for one in said["decisions"]]
        with turn(setting.workspace.catalog_folder):
            version.refresh_from_db()
            if (
                version.published_at is not None or version.refused
            ):  # another worker was faster, and a later one may be there
                return {"plan": version.plan, "number": version.number}, None
            read, decisions = lay_over(setting, read, new, as_of=as_of)
            save_plan(setting, read, path, decisions=decisions)
    except LakeError:
        raise
    except (ContentError, InputError, UsageError) as error:
        return {"refused": _faults(error)}, lambda result: _refused(version.pk, result["refused"])
    state = read.assembled.state
    result = {
        "plan": said["plan"],
        "frozen": setting.workspace.put_document(frozen_bytes(read.assembled.plan)),
        "items": state.items,
        "reviewed": state.reviewed,
        "rejected": state.rejected,
    }
    return result, lambda result: _published(version.pk, result)


def _faults(error: DafengError) -> list[dict[str, Any]]:
    found = error.evidence.get("findings")
    if isinstance(found, list) and found:
        return found[:_TOLD]
    return [{"name": f"web.plan.{error.code}", "sentence": _said(error), "severity": "error"}]


def _published(pk: int, result: Mapping[str, Any]) -> None:
    version = PlanVersion.objects.select_for_update().get(pk=pk)
    reading = Reading.objects.select_for_update().get(versions=version)
    last = PlanVersion.objects.filter(plan=version.plan).aggregate(last=Max("number"))["last"]
    version.number = 1 if last is None else last + 1
    version.published_at = house().now()
    version.frozen = result["frozen"]
    version.items, version.reviewed, version.rejected = result["items"], result["reviewed"], result["rejected"]
    version.save()
    reading.state = ReadingState.PUBLISHED
    reading.save(update_fields=["state"])
    record(
        "plans.published",
        reading,
        by=SYSTEM,
        place=reading.place,
        before={"state": ReadingState.PUBLISHING},
        after={"plan": version.plan, "version": version.number, "frozen": version.frozen},
    )


def _refused(pk: int, faults: list[dict[str, Any]]) -> None:
    version = PlanVersion.objects.select_for_update().get(pk=pk)
    reading = Reading.objects.select_for_update().get(versions=version)
    version.refused = True
    version.save(update_fields=["refused"])
    reading.state, reading.faults = ReadingState.READY, faults
    reading.save(update_fields=["state", "faults"])
    record(
        "plans.publication-refused",
        reading,
        by=SYSTEM,
        place=reading.place,
        after={"plan": version.plan, "faults": [fault["sentence"] for fault in faults]},
    )


@does("plans.remind")
def note_reminders(arguments: Mapping[str, Any], listener: Listener, job: Job) -> Mapping[str, Any]:
    """Note what falls due, each once, and tell the hook command."""
    day = date.fromisoformat(arguments["day"]) if arguments.get("day") else house().today()
    listener("提醒 / remind", 0, None)
    return remind(day)
