"""What programs bring: tables of facts with the fate of every cell, meter readings with the fate of every row."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import polars as pl
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from ninja import File, Form, Schema
from ninja.files import UploadedFile
from pydantic import Field

from dafeng.web.access.actions import ACTIONS
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import Fault, GuardedRouter, api, guarded, too_large
from dafeng.web.api.paging import Name
from dafeng.web.audit.services import actor_of, record
from dafeng.web.house import house
from dafeng.workflow.facts import ImportOptions, import_with_fates
from dafeng.workflow.metering import MeterRegister, open_house, read_register
from dafeng.workflow.metering_import import push_readings

router = GuardedRouter(tags=["uploads"])
_PIECE = 5_000


class ImportIn(Schema):
    """How a table is read; what is left out is found in the file."""

    adapter: Name | None = None
    dataset: Name | None = None
    place: Name | None = None
    period: Name | None = None
    unit: Name | None = None
    indicator: Name | None = None
    sheet: Name | None = None
    dry_run: bool = False
    fates: Literal["all", "refused", "none"] = Field(
        "all", description="答复哪些格的去向：全部、没有采用的、不要 / whose fate is answered"
    )


class FateOut(Schema):
    """What became of a cell, or of a row that was set aside."""

    sheet: str | None
    row: int | None
    cell: str | None
    fate: str
    findings: str | None


class ImportOut(Schema):
    """What became of a table."""

    outcome: dict[str, Any]
    fates: list[FateOut]


class PushIn(Schema):
    """Readings: a batch, or a bare list of them."""

    batch: str = ""
    zone: str = ""
    readings: list[dict[str, Any]]


class PushOut(Schema):
    """What became of a batch: counts by fate, and every row that was not accepted."""

    batch: str
    counts: dict[str, int]
    rows: list[dict[str, Any]]
    problems: list[dict[str, Any]]


def _kept(upload: UploadedFile, folder: Path) -> Path:
    """Write an upload under a name that means nothing to a file system, and return where.

    Raises
    ------
    HttpError
        It is larger than is taken.
    """
    ending = re.sub(r"[^a-z0-9.]", "", Path(upload.name or "").suffix.lower())[:8]
    path = folder / f"upload{ending}"
    size = 0
    with path.open("wb") as stream:
        for chunk in upload.chunks():
            size += len(chunk)
            if size > settings.DAFENG_LARGEST_UPLOAD:
                raise too_large(settings.DAFENG_LARGEST_UPLOAD)
            stream.write(chunk)
    return path


def _told(outcome: dict[str, Any], fates: pl.DataFrame) -> Iterator[bytes]:
    """Yield the answer piece by piece: half a million fates are never one string."""
    yield b'{"outcome":' + json.dumps(outcome, ensure_ascii=False).encode() + b',"fates":['
    for number, piece in enumerate(fates.iter_slices(_PIECE)):
        yield (b"," if number else b"") + piece.write_json().encode().strip()[1:-1]
    yield b"]}"


@router.post("/facts/import", response=ImportOut)
@guarded("facts.import")
def import_facts(request: HttpRequest, file: File[UploadedFile], options: Form[ImportIn]) -> StreamingHttpResponse:
    """导入数据表：每一格都有去向；`dry_run` 只检查 / import a table; every cell ends in a stated fate."""
    given = options.dict()
    dry_run, wanted = bool(given.pop("dry_run")), given.pop("fates")
    reach = reach_of_request(request)
    with tempfile.TemporaryDirectory(prefix="dafeng-upload-") as folder:
        path = _kept(file, Path(folder))
        outcome, fates = import_with_fates(
            house().setting(),
            path,
            ImportOptions(**given),
            recorded_at=house().now(),
            places=reach.places("facts.import"),
            dry_run=dry_run,
        )
    said = outcome.model_copy(update={"file": file.name or ""}).model_dump(mode="json")
    if not dry_run:
        with transaction.atomic():
            kept = {name: said[name] for name in ("file", "document", "accepted", "refused", "appended", "superseded")}
            record("facts.imported", ("document", outcome.document), by=actor_of(request, "facts.import"), after=kept)
    if wanted == "refused":
        fates = fates.filter(pl.col("fate") != "accepted")
    elif wanted == "none":
        fates = fates.clear()
    return StreamingHttpResponse(_told(said, fates), content_type="application/json; charset=utf-8")


_PUSH_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", **PushIn.model_json_schema()}}},
    }
}


@router.post("/readings", response=PushOut, openapi_extra=_PUSH_BODY)
@guarded("readings.push", body="json")
def push(request: HttpRequest) -> Any:
    """推送仪表读数：没有采用的行逐行答复；同一批次重发只算一次 / push readings; a batch sent twice counts once."""
    here, reach = house(), reach_of_request(request)
    body = request.body
    meters = open_house(here.setting())
    known = read_register(here.setting(), meters)
    places = reach.places("readings.push") | {
        place
        for holding in reach.holdings
        if holding.role in ACTIONS["readings.push"] and reach.can("readings.push", organisation=holding.organisation)
        for place in holding.places
    }
    allowed = MeterRegister(
        meters={
            name: meter
            for name, meter in known.meters.items()
            if (building := known.buildings.get(meter.building or "")) is not None and building.place in places
        },
        shares=known.shares,
        buildings=known.buildings,
        names=known.names,
        ledger=known.ledger,
        findings=known.findings,
    )
    pushed = push_readings(here.setting(), body, here.now(), register=allowed)
    answer = pushed.answer()
    if pushed.status != 200:
        first = pushed.findings[0]
        fault = Fault(
            code=first.name,
            problem=first.sentence,
            doing="take readings",
            expected=first.expected,
            next_step=first.next_step,
            where=answer["problems"],
        )
        return api.create_response(request, fault.dict(), status=pushed.status)
    with transaction.atomic():
        by = actor_of(request, "readings.push")
        record("readings.pushed", ("batch", pushed.batch[:120]), by=by, after=answer["counts"])
    return answer
