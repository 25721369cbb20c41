"""`dafeng report`: the responsibility list and the yearly report."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from dafeng.base.errors import UsageError
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    KnownAt,
    Out,
    Quiet,
    WorkspaceOption,
    as_day,
    emit,
    known_day,
    near,
    note,
    progress,
    show_findings,
    stop_on,
)
from dafeng.cli.places import setting
from dafeng.reports import Names, OctoberScope, find_fonts
from dafeng.workflow.reporting import ReportKind, build_report

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="责任分工表与年度报告 / responsibility list and yearly report", rich_markup_mode=None
)


@app.callback()
def _group() -> None:
    """责任分工表与年度报告 / responsibility list and yearly report."""


@app.command()
def build(
    plan: Annotated[str | None, typer.Argument(help="方案编号或地方，默认工作区的方案 / plan id or place")] = None,
    kind: Annotated[
        ReportKind, typer.Option(help="october 年度报告 | responsibility 责任分工表 / which paper")
    ] = ReportKind.OCTOBER,
    scope: Annotated[OctoberScope | None, typer.Option(help="报告层级，默认按地方 / body, city or province")] = None,
    body: Annotated[str | None, typer.Option(help="责任单位：只出本单位部分 / only this body's part")] = None,
    formats: Annotated[str, typer.Option("--format", help="逗号分隔 / comma separated")] = "docx,xlsx,html,pdf",
    year: Annotated[int | None, typer.Option(help="报告年度，默认判断日所在年 / year of the report")] = None,
    signer: Annotated[str, typer.Option(help="署名机关 / who signs")] = "",
    addressee: Annotated[str, typer.Option(help="主送机关 / addressee")] = "",
    projects: Annotated[
        Names, typer.Option(help="不符合义务的项目：masked 隐去中段 | full 写全名 / how projects are named")
    ] = Names.MASKED,
    dated: Annotated[str | None, typer.Option(help="成文日期，留空由承办人填 / date of the paper")] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """生成报告：DOCX、XLSX、HTML、PDF，同样输入得到同样字节 / write a report."""
    day = as_day(as_of)
    here = setting(workspace)
    if out is None and here.workspace is None:
        out = Path.cwd()
    with progress(quiet=quiet or as_json) as listener:
        built = build_report(
            here,
            plan,
            kind=kind,
            as_of=day,
            known_at=known_day(known_at, day),
            fonts=find_fonts(os.environ),
            year=year,
            scope=scope,
            body=body,
            formats=[each.strip() for each in formats.split(",") if each.strip()],
            signer=signer,
            addressee=addressee,
            day=None if dated is None else as_day(dated, option="--dated"),
            names=projects,
            listener=listener,
        )
    paths = [built.folder / name for name in built.files] if built.folder and out is None else []
    if out is not None:
        paths = _write(out, built.files, force=force)
    if as_json:
        findings = [finding.model_dump(mode="json") for finding in built.findings]
        emit(
            "report.build/1",
            {
                "run": built.run,
                "files": [str(path) for path in paths],
                "manifest": built.manifest,
                "findings": findings,
            },
        )
    else:
        show_findings(built.findings, quiet=quiet)
        for path in paths:
            typer.echo(f"report: {near(path)}")
        if built.folder is not None:
            note(f"已冻结 / frozen：{built.folder}", quiet=quiet)
    stop_on(built.findings, fail_on)


def _write(out: Path, files: Mapping[str, bytes], *, force: bool) -> list[Path]:
    """Write every file, or none where one would overwrite other contents."""
    paths = {out / name: content for name, content in files.items()}
    other = [path for path, content in paths.items() if path.exists() and path.read_bytes() != content]
    if other and not force:
        raise UsageError(
            f"{other[0]} 已存在且内容不同 / exists with other contents",
            doing="write a report",
            expected="a new file, or --force",
            next_step="加 --force 覆盖，或换一个 --out",
        )
    out.mkdir(parents=True, exist_ok=True)
    for path, content in paths.items():
        path.write_bytes(content)
    return list(paths)
