"""What programs bring: tables of facts with the fate of every cell, meter readings with the fate of every row."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from ninja import File, Form, Schema
from ninja.files import UploadedFile

from dafeng.base.errors import InputError
from dafeng.web.access.routing import reach_of_request
from dafeng.web.api.core import GuardedRouter, api, guarded
from dafeng.web.audit.services import actor_of, record
from dafeng.web.house import house
from dafeng.workflow.facts import ImportOptions, import_with_fates
from dafeng.workflow.metering import MeterRegister, open_house, read_register
from dafeng.workflow.metering_import import push_readings

router = GuardedRouter(tags=["uploads"])
_MOST_READINGS = 8 << 20


class ImportIn(Schema):
    """How a table is read; what is left out is found in the file."""

    adapter: str | None = None
    dataset: str | None = None
    place: str | None = None
    period: str | None = None
    unit: str | None = None
    indicator: str | None = None
    sheet: str | None = None
    dry_run: bool = False


class ImportOut(Schema):
    """What became of a table."""

    outcome: dict[str, Any]
    fates: list[dict[str, Any]]


def _kept(upload: UploadedFile, folder: Path) -> Path:
    """Write an upload under a name that means nothing to a file system, and return where.

    Raises
    ------
    InputError
        It is larger than is taken.
    """
    ending = re.sub(r"[^a-z0-9.]", "", Path(upload.name or "").suffix.lower())[:8]
    path = folder / f"upload{ending}"
    size = 0
    with path.open("wb") as stream:
        for chunk in upload.chunks():
            size += len(chunk)
            if size > settings.DAFENG_LARGEST_UPLOAD:
                raise InputError(
                    f"文件超过 {settings.DAFENG_LARGEST_UPLOAD >> 20} MB / too large",
                    doing="take an upload",
                    expected=f"at most {settings.DAFENG_LARGEST_UPLOAD} bytes",
                    next_step="分成几个文件上传 / send it in parts",
                )
            stream.write(chunk)
    return path


@router.post("/facts/import", response=ImportOut)
@guarded("facts.import")
def import_facts(request: HttpRequest, file: File[UploadedFile], options: Form[ImportIn]) -> ImportOut:
    """导入数据表：每一格都有去向；`dry_run` 只检查 / import a table; every cell ends in a stated fate."""
    given = options.dict()
    dry_run = bool(given.pop("dry_run"))
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
    return ImportOut(outcome=said, fates=fates.to_dicts())


@router.post("/readings")
@guarded("readings.push")
def push(request: HttpRequest) -> Any:
    """推送仪表读数：每一行都有去向；同一批次重发只算一次 / push readings; a batch sent twice counts once."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > _MOST_READINGS:
        raise InputError(
            "推送超过 8 MB / too large",
            doing="take readings",
            expected="at most 8 MB and 100,000 readings",
            next_step="分批推送 / send several batches",
        )
    here, reach = house(), reach_of_request(request)
    meters = open_house(here.setting())
    known = read_register(here.setting(), meters)
    places = reach.places("readings.push") | {
        place
        for holding in reach.holdings
        if holding.organisation in reach.organisations("readings.push")
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
    pushed = push_readings(here.setting(), request.body, here.now(), register=allowed)
    with transaction.atomic():
        counts = pushed.answer()["counts"]
        record("readings.pushed", ("batch", pushed.batch[:120]), by=actor_of(request, "readings.push"), after=counts)
    return api.create_response(request, pushed.answer(), status=pushed.status)
