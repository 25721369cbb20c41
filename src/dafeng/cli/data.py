"""`dafeng data`: figures in, out, and on the screen."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import polars as pl
import typer

from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import ObservationKind
from dafeng.cli.lazy import group_with
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need, place_ids
from dafeng.workflow.facts import (
    ImportOptions,
    export_data,
    import_file,
    read_facts,
    trace,
    withdraw_facts,
)
from dafeng.workflow.setting import open_setting

__all__ = ["app"]

_ELSEWHERE: Final = {"check": "data_check", "checks": "data_check", "aside": "data_check", "release": "data_check",
                     "compute": "data_compute", "forms": "data_forms", "returns": "data_forms", "chase": "data_forms"}  # fmt: skip
"""Commands of other modules."""

app = typer.Typer(
    cls=group_with(_ELSEWHERE),
    no_args_is_help=True,
    help="数据：导入、导出、查看、核查、报表 / data",
    rich_markup_mode=None,
)
Indicators = Annotated[list[str] | None, typer.Option("--indicator", "-i", help="指标编号，可重复 / indicator id")]
Places = Annotated[list[str] | None, typer.Option("--place", "-p", help="地方，可重复 / place")]
Layout = Literal["long", "wide"]
AsKnownOn = Annotated[str | None, typer.Option("--as-of", help="按此日所知 / as known on this day")]


@app.command("import")
def import_data(
    files: Annotated[list[Path], typer.Argument(help="CSV、XLSX、XLS、Parquet 文件 / files")],
    adapter: Annotated[str | None, typer.Option(help="表式编号，默认自动识别 / adapter id")] = None,
    dataset: Annotated[str | None, typer.Option(help="数据来源编号 / dataset id")] = None,
    place: Annotated[str | None, typer.Option(help="全表的地方 / place of the whole table")] = None,
    period: Annotated[
        str | None, typer.Option(help="全表的时期，如 2024、2024年1-9月 / period of the whole table")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="表头未写时的单位 / unit where the table states none")] = None,
    indicator: Annotated[str | None, typer.Option(help="全表的指标 / indicator of the whole table")] = None,
    basis: Annotated[str | None, typer.Option(help="全表的口径 / basis of the whole table")] = None,
    extent: Annotated[str | None, typer.Option(help="全表的范围 / extent of the whole table")] = None,
    kind: Annotated[ObservationKind | None, typer.Option(help="数据性质，默认按表式或 reported / kind")] = None,
    published_on: Annotated[str | None, typer.Option(help="发布日期 / day of publication")] = None,
    sheet: Annotated[str | None, typer.Option(help="只读此工作表 / only this sheet")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查不入库 / check only")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导入数据：每一格或被接受，或带提示接受，或说明理由后退回 / import figures, losing none silently."""
    here = open_setting(need(workspace))
    options = ImportOptions(
        adapter=adapter,
        dataset=dataset,
        kind=kind,
        published_on=None if published_on is None else as_day(published_on, option="--published-on"),
        place=None if place is None else here.catalog.places.resolve(place).id,
        period=period,
        unit=unit,
        indicator=indicator,
        basis=basis,
        extent=extent,
        sheet=sheet,
    )
    findings: list[Finding] = []
    rows = []
    for file in files:
        with progress(quiet=quiet or as_json) as listener:
            outcome = import_file(here, file, options, recorded_at=clock(), dry_run=dry_run, listener=listener)
        findings += outcome.findings
        rows.append(outcome)
        if not as_json:
            show_findings(outcome.findings, quiet=quiet)
    if as_json:
        emit("data.import/1", {"files": [outcome.model_dump(mode="json") for outcome in rows]})
    else:
        show_table(
            "导入 / import" + ("（试运行，未入库 / dry run）" if dry_run else ""),
            ["文件", "接受", "带提示接受", "退回", "新增入库", "更正", "未变"],
            [
                (
                    outcome.file,
                    outcome.accepted,
                    outcome.accepted_with_finding,
                    outcome.refused,
                    outcome.appended,
                    outcome.superseded,
                    outcome.unchanged,
                )
                for outcome in rows
            ],
            numbers=[1, 2, 3, 4, 5, 6],
        )
        if any(outcome.already for outcome in rows):
            note(
                "同一文件此前已入库，未重复计入；其后的更正与撤回仍然有效 / known already: counts once, later corrections still hold",
                quiet=quiet,
            )
    stop_on(findings, fail_on)


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="CSV、XLSX 或 Parquet 文件 / file to write")],
    indicator: Indicators = None,
    place: Places = None,
    layout: Annotated[Layout, typer.Option(help="long 长表 | wide 年鉴式宽表 / layout")] = "long",
    as_of: AsKnownOn = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导出数据，可原样再导入 / export figures in a form that imports back."""
    here = open_setting(need(workspace))
    written = export_data(
        here, out, indicators=indicator, places=place_ids(here, place), layout=layout, as_of=_day(as_of), force=force
    )
    if as_json:
        emit("data.export/1", {"file": str(out), "rows": written})
    else:
        note(f"{written} 行 → {out}", quiet=quiet)


@app.command()
def show(
    indicator: Indicators = None,
    place: Places = None,
    as_of: AsKnownOn = None,
    source: Annotated[bool, typer.Option("--source", help="显示来源单元格 / show source cells")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="显示全部版本 / show every version")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 200,
) -> None:
    """查看数据 / show figures."""
    here = open_setting(need(workspace))
    frame = read_facts(here, indicators=indicator, places=place_ids(here, place), as_of=_day(as_of), versions=versions)
    if source:
        frame = trace(here, frame)
    if as_json:
        rows = frame.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()
        emit("data.show/1", {"rows": rows})
        return
    columns = [
        "indicator",
        "place",
        "extent",
        "period",
        "basis",
        "value",
        "missing_reason",
        "dataset",
        "kind",
        "recorded_at",
    ]
    columns += ["file", "sheet", "cell", "text"] if source else []
    columns += ["review", "version", "supersedes"] if versions else []
    filled = frame.sort("indicator", "place", "period", "recorded_at").select(columns).head(most)
    optional = {"basis", "missing_reason", "sheet", "supersedes"}
    kept = [name for name in columns if name not in optional or filled[name].fill_null("").ne("").any()]
    shown = filled.select(kept).with_columns(pl.col("recorded_at").dt.to_string("%Y-%m-%d %H:%M"))
    show_table("数据 / data", kept, shown.iter_rows(), numbers=[kept.index("value")])
    if frame.height > most:
        note(f"共 {frame.height} 行，显示前 {most} 行 / {frame.height} rows, first {most} shown", quiet=quiet)


@app.command()
def withdraw(
    versions: Annotated[list[str], typer.Argument(help="版本号，见 data show --versions / version ids")],
    reason: Annotated[str, typer.Option(help="撤回理由 / why")],
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """撤回数据：此后不再采用，历史仍可查 / withdraw figures; history stays."""
    count = withdraw_facts(open_setting(need(workspace)), versions, reason=reason, recorded_at=clock())
    if as_json:
        emit("data.withdraw/1", {"withdrawn": count})
    else:
        note(f"已撤回 {count} 条 / withdrawn", quiet=quiet)


def _day(text: str | None) -> date | None:
    return None if text is None else as_day(text)
