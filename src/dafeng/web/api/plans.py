"""Plan documents on their way: handed in, reviewed item by item, published."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from ninja import File, Form, Query, Schema
from ninja.files import UploadedFile
from pydantic import Field

from dafeng.web.access.refusal import RefusedError
from dafeng.web.access.routing import need, reach_of_request, the
from dafeng.web.api.core import BINARY, ClashError, Fault, GuardedRouter, guarded
from dafeng.web.api.paging import Name, Number, Page, ReasonIn, Window, page_of
from dafeng.web.audit.services import actor_of
from dafeng.web.plans import services
from dafeng.web.plans.evidence import safe_name
from dafeng.web.plans.models import Reading, ReadingState, ReviewDecision
from dafeng.web.plans.review import FILTERS, KINDS, Filter, ItemView, filtered, views_of
from dafeng.web.plans.selectors import open_readings
from dafeng.web.plans.services import NotTakenError, OvertakenError
from dafeng.web.plans.uploads import attachment, received

router = GuardedRouter(tags=["plan readings"])
_VERDICTS = {"accept": "采纳", "correct": "修改", "reject": "驳回", "add": "补录"}


class ReadingOut(Schema):
    """A plan document under review."""

    id: int
    plan: str
    place: str
    file_name: str
    document: str
    state: str
    revision: int
    counts: dict[str, Any]
    error: str
    faults: list[dict[str, Any]]
    job: int | None
    created_by: str
    created_at: datetime


class ReadingQuery(Window):
    """Which documents."""

    plan: Name = ""
    state: str = Field("", pattern="^(|waiting|failed|ready|publishing|published|withdrawn)$")


class HandIn(Schema):
    """For what a document is handed in."""

    place: Name
    plan: str = Field("", max_length=100)


class ItemQuery(Window):
    """Which items."""

    kind: str = Field("", max_length=20)
    which: str = Field("", max_length=20)
    below: float | None = Field(None, gt=0, le=1)


class ItemOut(Schema):
    """Something that the reader found, with what people decided of it."""

    item: str
    kind: str
    title: str
    detail: str
    confidence: float | None
    doubts: list[str]
    seen: int
    decided: bool
    verdict: str
    said: str
    fields: list[dict[str, Any]]


class DecisionIn(Schema):
    """What somebody decides of an item."""

    item: str = Field("", max_length=32, description="空表示补录 / empty to add one")
    verdict: Literal["accept", "correct", "reject", "add"]
    seen: int = Field(0, ge=0, le=2**53 - 1, description="看到的决定的编号，没有为 0 / number of the decision seen")
    reason: str = Field("", max_length=1000)
    fields: dict[str, str] = Field({}, description="改成什么；补录时连同 quote、clause、page、subject / new values")


class DecisionOut(Schema):
    """A decision as it is kept."""

    id: int
    item: str
    verdict: str
    fields: dict[str, Any]
    reason: str
    by: str
    revision: int


class AcceptIn(Schema):
    """What is accepted in bulk: what is sure enough, or what is named."""

    above: float | None = Field(None, ge=0, le=1)
    items: list[str] = Field([], max_length=5000)


class AcceptOut(Schema):
    """How many were accepted."""

    accepted: int
    revision: int


class PublishIn(Schema):
    """Which state of the review is published."""

    revision: int = Field(ge=0, le=2**53 - 1)


def _reading(request: HttpRequest, pk: int, action: str) -> Reading:
    rows = Reading.objects.select_related("job", "created_by")
    return the(request, rows, action, organisation=None, pk=pk)


def _out(row: Reading) -> ReadingOut:
    return ReadingOut(
        id=row.pk,
        plan=row.plan,
        place=row.place,
        file_name=row.file_name,
        document=row.document,
        state=row.state,
        revision=row.revision,
        counts=row.counts,
        error=row.error,
        faults=row.faults,
        job=row.job_id,
        created_by=row.created_by.name,
        created_at=row.created_at,
    )


@router.get("/plan-readings", response=Page[ReadingOut])
@guarded("plans.review")
def list_plan_readings(request: HttpRequest, query: Query[ReadingQuery]) -> Any:
    """读取和复核中的方案文件 / plan documents on their way."""
    rows = open_readings(reach_of_request(request))
    said = {name: text for name in ("plan", "state") if (text := getattr(query, name))}
    return page_of(rows.filter(**said), query, _out)


@router.post("/plan-readings", response=ReadingOut)
@guarded("plans.load")
def hand_in_plan(request: HttpRequest, file: File[UploadedFile], said: Form[HandIn]) -> Any:
    """载入方案文件，后台读取 / hand in a plan document; it is read in the background."""
    need(request, "plans.load", place=said.place)
    name = safe_name(file.name or "")
    if not name.lower().endswith(services.DOCUMENT_ENDINGS):
        raise RefusedError("evidence.kind", "只读取 .docx、.pdf、.html、.txt、.doc 文件。")
    with received(file) as path:
        return _out(
            services.hand_in(
                source=path, name=name, place=said.place, plan=said.plan, by=actor_of(request, "plans.load")
            )
        )


@router.get("/plan-readings/{pk}", response=ReadingOut)
@guarded("plans.review", "reading")
def read_plan_reading(request: HttpRequest, pk: Number) -> Any:
    """一份方案文件的状态 / where a plan document stands."""
    return _out(_reading(request, pk, "plans.review"))


@router.get("/plan-readings/{pk}/file", response=None, openapi_extra=BINARY)
@guarded("plans.review", "reading")
def plan_reading_file(request: HttpRequest, pk: Number) -> HttpResponseBase:
    """原文件 / the document as it was handed in."""
    row = _reading(request, pk, "plans.review")
    return attachment(row.document, row.file_name)


def _item(view: ItemView) -> ItemOut:
    return ItemOut(
        item=view.handle,
        kind=view.item.subject.value,
        title=view.title,
        detail=view.detail,
        confidence=view.confidence,
        doubts=view.doubts,
        seen=view.seen,
        decided=view.decided,
        verdict=view.verdict,
        said=view.said,
        fields=[{"name": one.name, "title": one.title, "text": one.text, "read": one.read} for one in view.fields()],
    )


def _read(row: Reading) -> Reading:
    """Return a reading that has been read.

    Raises
    ------
    RefusedError
        It has not.
    """
    if row.state in (ReadingState.WAITING, ReadingState.FAILED):
        raise RefusedError("reading.not-read", f"文件还没有读出来：{row.get_state_display()}。")
    return row


@router.get("/plan-readings/{pk}/items", response=Page[ItemOut])
@guarded("plans.review", "reading")
def list_plan_items(request: HttpRequest, pk: Number, query: Query[ItemQuery]) -> Any:
    """读出的条目与已有的决定 / what was read, with what was decided."""
    row = _read(_reading(request, pk, "plans.review"))
    by = Filter(query.kind if query.kind in KINDS else "", query.which if query.which in FILTERS else "", query.below)
    return page_of(filtered(views_of(row), by), query, _item)


@router.post("/plan-readings/{pk}/decisions", response=DecisionOut)
@guarded("plans.review", "reading", repeatable=True)
def decide_plan_item(request: HttpRequest, pk: Number, said: DecisionIn) -> Any:
    """对一条作决定：采纳、修改、驳回、补录 / accept, correct, reject or add an item."""
    row = _read(_reading(request, pk, "plans.review"))
    texts = {"verdict": _VERDICTS[said.verdict], "reason": said.reason.strip()}
    extra = ("quote", "clause", "page", "subject") if said.verdict == "add" else ()
    texts |= {name if name in extra else f"new_{name}": text[:1000] for name, text in said.fields.items()}
    try:
        made = services.decide(
            reading=row,
            handle=said.item,
            seen=said.seen,
            texts={name: text for name, text in texts.items() if text},
            by=actor_of(request, "plans.review"),
        )
    except OvertakenError as error:
        mine = {"verdict": said.verdict, "fields": said.fields, "reason": said.reason}
        theirs = None if error.decision is None else _decision(error.decision, 0).model_dump(mode="json")
        where = [{"item": said.item, "yours": mine, "theirs": theirs}]
        raise ClashError(Fault(code=error.code, problem=error.says, where=where)) from error
    except NotTakenError as error:
        where = [one.model_dump(mode="json") for one in error.findings]
        raise ClashError(Fault(code=error.code, problem=error.says, where=where)) from error
    row.refresh_from_db()
    return _decision(made, row.revision)


def _decision(row: ReviewDecision, revision: int) -> DecisionOut:
    return DecisionOut(
        id=row.pk,
        item=row.item,
        verdict=row.verdict,
        fields=row.fields,
        reason=row.reason,
        by=row.by_name,
        revision=revision,
    )


@router.post("/plan-readings/{pk}/accept", response=AcceptOut)
@guarded("plans.review", "reading", repeatable=True)
def accept_plan_items(request: HttpRequest, pk: Number, said: AcceptIn) -> Any:
    """批量采纳：把握不低于 `above` 的，或点名的 / accept in bulk."""
    row, by = _read(_reading(request, pk, "plans.review")), actor_of(request, "plans.review")
    if said.above is not None:
        number = services.accept_above(reading=row, above=said.above, by=by)
    else:
        number = services.accept_chosen(reading=row, handles=said.items, by=by)
    row.refresh_from_db()
    return AcceptOut(accepted=number, revision=row.revision)


@router.post("/plan-readings/{pk}/publish", response=ReadingOut)
@guarded("plans.publish", "reading", repeatable=True)
def publish_plan(request: HttpRequest, pk: Number, said: PublishIn) -> Any:
    """发布复核过的方案；由没有参与复核的人办理 / publish what was reviewed."""
    row = _reading(request, pk, "plans.publish")
    services.publish(reading=row, revision=said.revision, by=actor_of(request, "plans.publish"))
    row.refresh_from_db()
    return _out(row)


@router.post("/plan-readings/{pk}/read-again", response=ReadingOut)
@guarded("plans.load", "reading")
def read_plan_again(request: HttpRequest, pk: Number) -> Any:
    """重新读取没有读成的文件 / have a document read once more."""
    row = _reading(request, pk, "plans.load")
    services.read_again(reading=row, by=actor_of(request, "plans.load"))
    return _out(_reading(request, pk, "plans.load"))


@router.post("/plan-readings/{pk}/withdraw", response=ReadingOut)
@guarded("plans.load", "reading", repeatable=True)
def withdraw_plan_reading(request: HttpRequest, pk: Number, said: ReasonIn) -> Any:
    """撤销一份文件，写明理由 / give a document up."""
    row = _reading(request, pk, "plans.load")
    services.withdraw(reading=row, reason=said.reason[:1000], by=actor_of(request, "plans.load"))
    return _out(_reading(request, pk, "plans.load"))
