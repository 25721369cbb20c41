"""`dafeng data check | checks | aside | release`: checks on figures, and what is set aside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Severity
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    clock,
    emit,
    near,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need, place_ids, setting
from dafeng.workflow.checking import CheckRun, check_file, check_lake, export_cells, quarantine_doubtful, release
from dafeng.workflow.facts import ImportOptions
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="核查 / checks", rich_markup_mode=None)


@app.command("check")
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="入库前核查这些文件；不给则核查已入库的数 / files, else the lake")
    ] = None,
    checks: Annotated[
        list[str] | None, typer.Option("--check", help="只做这些核查，可重复 / only these checks")
    ] = None,
    indicator: Annotated[
        list[str] | None, typer.Option("--indicator", "-i", help="指标编号，可重复 / indicator")
    ] = None,
    place: Annotated[list[str] | None, typer.Option("--place", "-p", help="地方，可重复 / place")] = None,
    adapter: Annotated[str | None, typer.Option(help="表式编号，默认自动识别 / adapter id")] = None,
    dataset: Annotated[str | None, typer.Option(help="数据来源编号；已入库的只核查这一来源 / dataset id")] = None,
    period: Annotated[str | None, typer.Option(help="全表的时期 / period of the whole table")] = None,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="把整表有误的数隔离待核 / set doubtful tables aside")
    ] = False,
    by: Annotated[str | None, typer.Option(help="隔离由谁决定 / who decides")] = None,
    cells: Annotated[Path | None, typer.Option("--cells", help="全部疑点写入 CSV 或 XLSX / write every cell")] = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """核查：范围、合计、同比、勾稽、错行、照抄、突变、改名…… / checks on figures, each finding at its cell."""
    if files and (indicator or place):
        raise UsageError(
            "--indicator、--place 只用于核查已入库的数 / are for figures in the lake",
            doing="check files",
            expected="dafeng data check 文件，或 dafeng data check --indicator 编号",
            next_step="去掉 --indicator、--place",
        )
    if not files and (adapter or period):
        raise UsageError(
            "--adapter、--period 只用于核查文件 / are for files",
            doing="check the lake",
            expected="dafeng data check 文件 --period 2024",
            next_step="去掉 --adapter、--period",
        )
    here = setting(workspace) if files else open_setting(need(workspace))
    if quarantine and not by:
        raise UsageError(
            "--quarantine 须写明由谁决定 / needs a name",
            doing="set figures aside",
            expected="--by 姓名",
            next_step="加 --by",
        )
    runs: dict[str, CheckRun] = {}
    with progress(quiet=quiet or as_json) as listener:
        for file in files or ():
            options = ImportOptions(adapter=adapter, dataset=dataset, period=period)
            runs[str(file)] = check_file(here, file, options, recorded_at=clock(), checks=checks, listener=listener)
        if not files:
            places = place_ids(here, place)
            runs[""] = check_lake(
                here, indicators=indicator, places=places, dataset=dataset, checks=checks, listener=listener
            )
    decided = [
        decision
        for run in runs.values()
        if quarantine
        for decision in quarantine_doubtful(here, run, by=by or "", decided_on=clock().date())[0]
    ]
    if cells is not None:
        written = export_cells(here, list(runs.values()), cells)
        note(f"{written} 个疑点 → {near(cells)}", quiet=quiet or as_json)
    findings = [finding for run in runs.values() for finding in run.findings]
    if as_json:
        found = [
            {
                "file": name,
                "figures": run.figures,
                "cells": run.checked.cells.height,
                "findings": [finding.model_dump(mode="json") for finding in run.findings],
                "reading": [finding.model_dump(mode="json") for finding in run.reading],
            }
            for name, run in runs.items()
        ]
        emit("data.check/1", {"files": found, "quarantines": [one.model_dump(mode="json") for one in decided]})
    else:
        show_findings([finding for run in runs.values() for finding in run.reading], quiet=quiet, most=10)
        show_findings(findings, quiet=quiet)
        _summary(here, runs)
        for decision in decided:
            note(f"已隔离 {decision.dataset} {'、'.join(decision.periods)}（{decision.id}） / set aside", quiet=quiet)
    stop_on([*(finding for run in runs.values() for finding in run.reading), *findings], fail_on)


def _summary(here: Setting, runs: dict[str, CheckRun]) -> None:
    rows = []
    for name, run in runs.items():
        for check_id, severity, cells, places, periods in run.counts().iter_rows():
            title = here.catalog.checks[check_id].title.zh
            rows.append((Path(name).name, title, severity, cells, places, periods))
        if not run.checked.cells.height:
            rows.append((Path(name).name, "没有疑点 / nothing found", "", 0, 0, 0))
    figures = sum(run.figures for run in runs.values())
    show_table(
        f"核查 {figures} 个数 / {figures} figures checked",
        ["文件", "核查", "轻重", "疑点", "地方", "时期"],
        rows,
        numbers=[3, 4, 5],
    )


@app.command("checks")
def list_checks(workspace: WorkspaceOption = None, as_json: Json = False) -> None:
    """列出核查规则 / list the checks."""
    catalog = setting(workspace).catalog
    if as_json:
        emit("data.checks/1", {"checks": [one.model_dump(mode="json") for one in catalog.checks.values()]})
        return
    rows = [
        (one.id, one.kind.value, one.title.zh, one.require or "", one.severity, one.grade.value)
        for one in catalog.checks.values()
    ]
    show_table("核查规则 / checks", ["编号", "方式", "内容", "应成立", "轻重", "可靠"], rows)


@app.command("aside")
def aside(workspace: WorkspaceOption = None, as_json: Json = False) -> None:
    """列出隔离待核的数 / list what is set aside."""
    decisions = open_setting(need(workspace)).catalog.quarantines.values()
    if as_json:
        emit("data.aside/1", {"quarantines": [one.model_dump(mode="json") for one in decisions]})
        return
    rows = [
        (
            one.id,
            one.dataset,
            "、".join(one.periods) or "全部",
            f"{len(one.places)} 地" if one.places else "全部",
            f"{len(one.indicators)} 项" if one.indicators else "全部",
            one.reason,
            one.by,
            one.decided_on,
        )
        for one in decisions
    ]
    show_table("隔离待核 / set aside", ["编号", "来源", "时期", "地方", "指标", "原因", "决定人", "日期"], rows)


@app.command("release")
def release_figures(
    decision: Annotated[str, typer.Argument(help="编号，见 data aside / id of the decision")],
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """解除隔离：这些数重新采用 / take a decision back; its figures count again."""
    path = release(open_setting(need(workspace)), decision)
    if as_json:
        emit("data.release/1", {"removed": str(path)})
    else:
        note(f"已解除，删去 {path.name} / released", quiet=quiet)
