"""`dafeng demo`: the whole chain on a fictional city."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dafeng.base.finding import Severity
from dafeng.cli.output import Json, Quiet, emit, near, note, progress, show_findings, show_table
from dafeng.lake import Workspace
from dafeng.reports import find_fonts
from dafeng.workflow.demo_statistics import DemoStatistics
from dafeng.workflow.demonstration import DEMO_DAY, run_demo
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="示范工作区 / folder of the demonstration")] = Path("dafeng-demo"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """跑通示范市：方案、数据、判断、责任分工表、年度报告 / the whole chain on a fictional city."""
    fonts = find_fonts(os.environ)
    with progress(quiet=quiet or as_json) as listener:
        done = run_demo(folder, fonts=fonts, listener=listener)
    paths = [near(report.folder / name) for report in done.reports if report.folder for name in report.files]
    checked = next((report.manifest["ledgers"] for report in done.reports if "ledgers" in report.manifest), None)
    if as_json:
        emit(
            "demo/1",
            {
                "workspace": str(folder),
                "imports": [outcome.model_dump(mode="json") for outcome in done.imports],
                "ledgers": {**done.ledgers.model_dump(mode="json"), "report": checked},
                "statistics": done.statistics.model_dump(mode="json"),
                "metering": done.metering.model_dump(mode="json"),
                "counts": done.assessment.counts,
                "reports": paths,
            },
        )
        return
    catalog = open_setting(Workspace.open(folder)).catalog
    show_table(
        "导入 / figures in（示范数据，均为虚构 / all fictional）",
        ["文件", "接受", "带提示接受", "退回"],
        [(item.file, item.accepted, item.accepted_with_finding, item.refused) for item in done.imports],
        numbers=[1, 2, 3],
    )
    show_table(
        "台账 / ledgers in",
        ["文件", "台账", "行", "接受", "带提示接受", "退回"],
        [
            (
                item.file,
                catalog.registers[item.register_id].title.zh,
                item.rows,
                item.accepted,
                item.accepted_with_finding,
                item.refused,
            )
            for item in done.ledgers.imports
        ],
        numbers=[2, 3, 4, 5],
    )
    typer.echo(
        f"台账汇总：{done.ledgers.indicators} 项指标，{done.ledgers.observations} 条数据，可逐项追溯到项目 / counted from ledgers"
    )
    if checked is not None:
        typer.echo(
            f"项目义务：{checked['projects']} 个项目，{checked['failing_projects']} 个有不符合（{checked['failures']} 条）；"
            f"未兑现的承诺 {checked['broken_promises']} 项；台账矛盾与疑点 {checked['contradictions']} 条 / projects and contradictions"
        )
    _statistics(done.statistics, quiet=quiet)
    metered = done.metering
    carbon = "" if metered.co2 is None else f"，{metered.co2:,.0f} tCO₂"
    typer.echo(
        f"监测用能（{metered.first:%Y-%m} 至 {metered.last:%Y-%m}）：{metered.reporting}/{metered.buildings} 栋、{metered.meters} 块表，"
        f"用电 {metered.electricity / 1e4:,.1f} 万kWh，完整率 {metered.coverage:.1%}，合 {metered.tce:,.0f} tce（当量）{carbon}；"
        f"迟到批次重述 {metered.restated} 个数 / monitored energy"
    )
    counts = [f"{catalog.term('status', name)} {count}" for name, count in done.assessment.counts.items() if count]
    typer.echo(
        f"{done.assessment.counted} 项目标，截至 {DEMO_DAY.isoformat()} / targets by status：{'，'.join(counts)}"
    )
    worst = [row for row in done.assessment.worst_first() if not row.soft][:5]
    show_table(
        "最需关注 / worst first",
        ["目标", "状态", "说明", "牵头（推定）"],
        [
            (
                row.phrase,
                catalog.term("status", row.status.value),
                row.reason,
                row.bodies[0].as_written if row.bodies else "",
            )
            for row in worst
        ],
    )
    if not fonts.can_write_pdf:
        note(fonts.sentence, quiet=quiet)
    for path in paths:
        typer.echo(f"report: {path}")
    note(f"下一步 / next：dafeng assess -w {folder}；dafeng plan show {done.assessment.plan} -w {folder}", quiet=quiet)


def _statistics(done: DemoStatistics, *, quiet: bool) -> None:
    """Say what became of forms, checks, formulas and the check-up."""
    typer.echo(
        f"报表：发出 {done.issued} 份 {done.asked} 行，收回 {done.returned} 份，已答 {done.answered} 行，"
        f"表中问题 {len(done.form_findings)} 条；未报：{'、'.join(done.silent) or '无'} / forms"
    )
    found = [one for one in done.check_findings if one.severity is not Severity.INFO]
    typer.echo(f"核查：{done.figures} 个数，{len(found)} 条疑点，隔离 {len(done.aside)} 处 / checks")
    show_findings(found, quiet=quiet, most=5)
    typer.echo(
        f"公式：{done.computed_indicators} 项指标，{done.computed} 个结果，{done.gaps} 处缺项说明缺什么 / indicators by formula"
    )
    typer.echo(f"体检：{done.checkup.year}年{done.checkup.set_title}，{done.checkup.sentence} / check-up")
