"""What the worker does for the yearly report: build, build again and compare, seal."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from django.db import transaction

from dafeng.base.errors import InputError
from dafeng.base.listener import Listener
from dafeng.lake import save_run
from dafeng.reports import find_fonts
from dafeng.web.audit.services import record
from dafeng.web.house import house
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.services import asked_by, does
from dafeng.web.october.models import FrozenReport, ReportBuild, ReportDraft
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import handles
from dafeng.workflow.reporting import BuiltReport, build_report

__all__ = ["build", "certificate", "rebuild", "seal"]

_WHAT_DIFFERS: Final = {
    "catalog": "目录内容（方案、口径、隔离决定等）",
    "facts": "事实数据",
    "code": "程序版本",
    "fonts": "字体",
    "narratives": "人工撰写部分",
    "document": "方案文件",
    "carbon": "碳核算",
    "ledgers": "台账",
    "checkup": "体检",
    "metering": "监测",
    "pathways": "情景",
}


def _build(said: Mapping[str, Any], listener: Listener) -> BuiltReport:
    number, digest = said["audit"]
    day, known = said["day"], said.get("known_at")
    return build_report(
        house().setting(),
        said["plan"],
        as_of=date.fromisoformat(said["as_of"]),
        known_at=None if known is None else datetime.fromisoformat(known),
        fonts=find_fonts(os.environ),
        year=said["year"],
        formats=said["formats"],
        signer=said["signer"],
        addressee=said["addressee"],
        contact=said["contact"],
        day=None if day is None else date.fromisoformat(day),
        narratives=said["narratives"],
        remarks=(("平台审计日志", f"编制时共{number}条，链尾摘要 {digest}。"),),
        listener=listener,
    )


@does("october.build")
def build(arguments: Mapping[str, Any], listener: Listener, job: Job) -> Mapping[str, Any]:
    """Build a report and keep it; the same inputs again are the same build."""
    report = ReportDraft.objects.get(pk=arguments["report"])
    built = _build(arguments["said"], listener)
    by = asked_by(job)
    with transaction.atomic():
        row, new = ReportBuild.objects.get_or_create(
            run=built.run,
            defaults={
                "report": report,
                "content": arguments["content"],
                "arguments": arguments["said"],
                "manifest": built.manifest,
                "findings": [one.model_dump(mode="json") for one in built.findings],
                "built_at": house().now(),
                "built_by": by.user,
            },
        )
        if new:
            record("october.built", row, by=by, place=report.place, after={"run": built.run})
    return {"build": row.pk, "run": built.run, "report": report.pk}


@does("october.rebuild")
def rebuild(arguments: Mapping[str, Any], listener: Listener, job: Job) -> Mapping[str, Any]:
    """Build a frozen report again from its own arguments; say whether every byte is the same, and if not what differs."""
    frozen = FrozenReport.objects.get(pk=arguments["frozen"])
    built = _build(frozen.arguments, listener)
    files = frozen.manifest.get("files", {})
    again = {name: hashlib.sha256(content).hexdigest() for name, content in built.files.items()}
    differing = sorted(name for name in files.keys() | again.keys() if files.get(name) != again.get(name))
    said = sorted(
        key
        for key in frozen.manifest.keys() | built.manifest.keys()
        if key != "files" and frozen.manifest.get(key) != built.manifest.get(key)
    )
    with transaction.atomic():
        record(
            "october.compared",
            frozen,
            by=asked_by(job),
            place=frozen.place,
            after={"run": built.run, "same": not differing, "differing": differing, "inputs": said},
        )
    return {
        "frozen": frozen.pk,
        "same": not differing,
        "differing": differing,
        "inputs": [_WHAT_DIFFERS.get(key, key) for key in said],
    }


@handles("october.seal")
def seal(item: OutboxItem) -> tuple[Mapping[str, Any], None]:
    """Lay the certificate of a frozen report beside it into the workspace, so that the folder alone can prove it.

    Raises
    ------
    InputError
        The platform has no workspace.
    """
    workspace = house().setting().workspace
    if workspace is None:
        raise InputError("没有工作区", doing="封存年度报告", expected="工作区", next_step="设置 DAFENG_WORKSPACE")
    said = item.payload
    save_run(
        workspace,
        f"{said['run'][:115]}-frozen",
        {"kind": "october-frozen", "format": 1, **said},
        {"冻结凭证.txt": certificate(said).encode()},
    )
    return {"run": said["run"]}, None


def certificate(said: Mapping[str, Any]) -> str:
    """Return the certificate of a frozen report as text."""
    lines = [
        "年度报告冻结凭证",
        f"方案：{said['plan']}　年度：{said['year']}　第{said['edition']}版",
        f"冻结：{said['frozen_by']}　{said['frozen_at']}",
        *([f"说明：{said['remark']}"] if said["remark"] else []),
        f"运行编号：{said['run']}",
        f"清单摘要：{said['manifest_digest']}",
        f"审计日志：第{said['audit']['number']}条，摘要 {said['audit']['digest']}",
        "文件（SHA-256）：",
        *(f"  {digest}  {name}" for name, digest in sorted(said["files"].items())),
    ]
    return "\n".join(lines) + "\n"
