"""`dafeng data forms | returns | chase`: forms out, returned forms in, who is to be chased."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Severity
from dafeng.base.observation import Review
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    near,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need, setting
from dafeng.reports.fonts import find_fonts
from dafeng.statistics.answers import FORM_STATES
from dafeng.workflow.forms import chase_papers, findings_of, issue_forms, read_returns, where_returns_stand
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="报表 / forms", rich_markup_mode=None)


@app.command("forms")
def forms(
    plan: Annotated[str | None, typer.Argument(help="方案编号或地方，默认工作区的方案 / plan id or place")] = None,
    period: Annotated[str | None, typer.Option("--period", help="报告期，如 2025、2026年1-9月 / period")] = None,
    due: Annotated[str | None, typer.Option("--due", help="报送截止日 / return-by day")] = None,
    form: Annotated[
        str | None, typer.Option("--form", help="法定报表编号，代替方案周期报表 / a statutory form")
    ] = None,
    body: Annotated[list[str] | None, typer.Option("--body", help="只发给这些单位，可重复 / only these bodies")] = None,
    reporter: Annotated[str | None, typer.Option(help="方案没有写明单位的目标由谁报 / who reports the rest")] = None,
    every_division: Annotated[
        bool, typer.Option("--every-division", help="各区市对每个目标都报 / divisions report every target")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="列出法定报表 / list the statutory forms")] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="存放压缩包的文件夹 / folder for the archives")] = Path(
        "forms"
    ),
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """发报表：每个单位一个压缩包，带上期值、单位、口径、截止日 / write blank forms, one archive a body."""
    if listed:
        _list(workspace, as_json=as_json)
        return
    if period is None:
        raise UsageError(
            "没有说明报告期 / no period", doing="issue forms", expected="--period 2025", next_step="加 --period"
        )
    here = open_setting(need(workspace))
    with progress(quiet=quiet or as_json) as listener:
        issued = issue_forms(
            here,
            plan,
            period=period,
            due=None if due is None else as_day(due, option="--due"),
            asked_on=clock().date(),
            out=out,
            form=form,
            bodies=body,
            reporter=reporter,
            every_division=every_division,
            listener=listener,
        )
    rows = [
        {
            "body": body_id,
            "body_name": issues[0].body_name,
            "forms": len(issues),
            "lines": sum(len(issue.lines) for issue in issues),
            "due": max(issue.due for issue in issues).isoformat(),
            "file": str(issued.archives[body_id]),
        }
        for body_id, issues in issued.owed.by_body().items()
    ]
    if as_json:
        findings = [finding.model_dump(mode="json") for finding in issued.owed.findings]
        emit("data.forms/1", {"run": issued.run, "bodies": rows, "findings": findings})
    else:
        show_findings(issued.owed.findings, quiet=quiet)
        shown = [
            (row["body_name"], row["forms"], row["lines"], row["due"], near(Path(str(row["file"])))) for row in rows
        ]
        show_table("已发报表 / forms issued", ["单位", "份", "行", "截止", "压缩包"], shown, numbers=[1, 2])
        note(f"登记为 {issued.run} / kept as", quiet=quiet)
    stop_on(issued.owed.findings, fail_on)


def _list(workspace: Path | None, *, as_json: bool) -> None:
    catalog = setting(workspace).catalog
    if as_json:
        emit("data.forms.list/1", {"forms": [one.model_dump(mode="json") for one in catalog.forms.values()]})
        return
    rows = [
        (one.id, one.number, one.title.zh, one.every, one.due, len(one.fields), one.grade.value)
        for one in catalog.forms.values()
    ]
    show_table("法定报表 / statutory forms", ["编号", "表号", "名称", "频率", "截止", "栏", "可靠"], rows, numbers=[5])


@app.command("returns")
def returns(
    files: Annotated[list[Path], typer.Argument(help="填好的报表 XLSX / filled forms")],
    body: Annotated[str | None, typer.Option("--body", help="报送单位；别的单位的表退回 / body that sent them")] = None,
    review: Annotated[Review, typer.Option(help="审核状态 / review")] = Review.APPROVED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查不入库 / check only")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """读回填好的报表：每一格都有去向，问题指到单元格 / read filled forms back, each cell to a stated fate."""
    here = open_setting(need(workspace))
    with progress(quiet=quiet or as_json) as listener:
        results = read_returns(
            here, files, recorded_at=clock(), body=body, review=review, dry_run=dry_run, listener=listener
        )
    found = findings_of(results)
    rows = [
        {
            "file": str(one.file),
            "issue": None if one.read.issue is None else one.read.issue.id,
            "accepted": one.read.accepted,
            "cells": dict(one.read.counts),
            "answers": dict(one.read.answers["state"].value_counts().iter_rows()),
            "published": None if one.published is None else one.published.model_dump(mode="json"),
            "findings": [finding.model_dump(mode="json") for finding in one.read.findings],
        }
        for one in results
    ]
    if as_json:
        emit("data.returns/1", {"files": rows})
    else:
        show_findings(found, quiet=quiet)
        shown = []
        for one in results:
            states = dict(one.read.answers["state"].value_counts().iter_rows())
            shown.append(
                (
                    one.file.name,
                    "" if one.read.issue is None else one.read.issue.body_name,
                    "采用" if one.read.accepted else "退回",
                    states.get("answered", 0) + states.get("answered_with_finding", 0),
                    states.get("reason_given", 0),
                    states.get("blank", 0),
                    states.get("refused", 0),
                    0 if one.published is None or one.published.already else one.published.appended,
                )
            )
        columns = ["文件", "单位", "", "已填", "说明无数", "空白", "退回", "入库"]
        show_table("读回报表 / forms read back", columns, shown, numbers=[3, 4, 5, 6, 7])
        if any(one.published is not None and one.published.already for one in results):
            note("同一文件此前已读回，未重复入库 / known already: counts once", quiet=quiet)
    stop_on(found, fail_on)


@app.command("chase")
def chase(
    issue: Annotated[
        list[str] | None, typer.Option("--issue", help="只看这次发出的报表 / only this issue of forms")
    ] = None,
    body: Annotated[str | None, typer.Option("--body", help="只看这个单位 / only this body")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="写成催报单（DOCX、XLSX、HTML、PDF 按扩展名）/ write a paper")
    ] = None,
    as_of: AsOf = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """催报：问了谁、谁报了、缺什么、逾期几天 / who was asked, who answered, who is to be chased."""
    here, day = open_setting(need(workspace)), as_day(as_of)
    stand = where_returns_stand(here, as_of=day, runs=issue)
    if out is not None:
        chase_papers(stand, out, fonts=find_fonts(os.environ), body=body)
        note(f"→ {near(out)}", quiet=quiet)
    frame = stand.forms if body is None else stand.forms.filter(body=body)
    if as_json:
        tables = {"forms": frame, "chase": stand.chase if body is None else stand.chase.filter(body=body)}
        emit("data.chase/1", {"as_of": day.isoformat(), **{name: one.to_dicts() for name, one in tables.items()}})
        return
    rows = [
        (
            row["body_name"],
            row["place_name"],
            row["period"],
            row["due"],
            FORM_STATES[row["state"]],
            f"{row['answered']}/{row['asked']}",
            row["missing"],
            row["days_overdue"] or "",
        )
        for row in frame.sort("days_overdue", "missing", "body", descending=[True, True, False]).iter_rows(named=True)
    ]
    columns = ["单位", "地方", "报告期", "截止", "状态", "已填", "必报未报", "逾期天数"]
    show_table(f"报送情况 {day} / returns", columns, rows, numbers=[5, 6, 7])
