"""`dafeng data compute`: indicators by formula, explained, published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dafeng.base.finding import Severity
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.quantity import convert
from dafeng.cli.output import (
    AsOf,
    FailOn,
    Json,
    KnownAt,
    Quiet,
    WorkspaceOption,
    as_day,
    clock,
    emit,
    known_day,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need, place_ids
from dafeng.workflow.accounting import DEFAULT_RULES
from dafeng.workflow.computing import (
    ComputeRun,
    compute_indicators,
    explain_indicator,
    explanation_text,
    publish_computed,
)
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="计算指标 / indicators by formula", rich_markup_mode=None)


@app.command("compute")
def compute(
    indicator: Annotated[
        list[str] | None, typer.Option("--indicator", "-i", help="指标编号，可重复 / indicator id")
    ] = None,
    place: Annotated[list[str] | None, typer.Option("--place", "-p", help="地方，可重复 / place")] = None,
    period: Annotated[list[str] | None, typer.Option("--period", help="只显示这些时期 / only these periods")] = None,
    add_up: Annotated[bool, typer.Option("--add-up", help="先把分项、各月、下级地方相加 / add parts up first")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="逐个说明：公式、各项、系数、缺项 / explain each")] = False,
    gaps: Annotated[bool, typer.Option("--gaps", help="列出算不出的和缺什么 / what is missing")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="结果写入数据湖 / publish into the lake")] = False,
    rules: Annotated[str, typer.Option(help="系数选取规则，同碳核算 / rules for coefficients")] = DEFAULT_RULES,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 100,
) -> None:
    """按公式计算指标；算不出的说明缺什么 / compute indicators; what cannot be computed names what is missing."""
    here, day = open_setting(need(workspace)), as_day(as_of)
    run = compute_indicators(
        here,
        indicators=indicator,
        places=place_ids(here, place),
        as_of=day,
        known_at=known_day(known_at, day),
        add_up=add_up,
        rules=rules,
    )
    published, withdrawn = publish_computed(here, run, recorded_at=clock()) if publish else (None, 0)
    shown = run if period is None else run.of_periods(period)
    explanations = explain_indicator(here, shown, as_of=day, rules=rules, most=most) if explain else ()
    if as_json:
        columns = ["indicator", "place", "extent", "period", "building_class", "carrier", "end_use", "basis", "kind",
                   "value", "coverage", "missing_reason", "dataset"]  # fmt: skip
        emit(
            "data.compute/1",
            {
                "rows": shown.observations.select(columns).to_dicts(),
                "gaps": shown.gaps.to_dicts(),
                "explanations": [
                    one.model_dump(mode="json") | {"text": explanation_text(here, one)} for one in explanations
                ],
                "published": None if published is None else published.model_dump(mode="json"),
                "withdrawn": withdrawn,
                "findings": [finding.model_dump(mode="json") for finding in run.findings],
            },
        )
        stop_on(run.findings, fail_on)
        return
    show_findings(run.findings, quiet=quiet)
    for one in explanations:
        typer.echo(explanation_text(here, one) + "\n")
    if not explain:
        _results(here, shown, most)
    if gaps:
        _gaps(here, shown, most)
    elif shown.gaps.height:
        note(f"另有 {shown.gaps.height} 处缺项算不出，加 --gaps 列出 / not computable, see --gaps", quiet=quiet)
    if published is not None:
        note(
            f"入库 {published.appended} 条，更正 {published.superseded} 条，撤回 {withdrawn} 条 / published",
            quiet=quiet,
        )
    stop_on(run.findings, fail_on)


def _results(here: Setting, run: ComputeRun, most: int) -> None:
    catalog = here.catalog
    rows = []
    for row in run.observations.sort("indicator", "place", "period", "basis").head(most).iter_rows(named=True):
        indicator = catalog.indicators[row["indicator"]]
        value = (
            "未知" if row["value"] is None else f"{convert(row['value'], indicator.unit, indicator.shown_unit):,.4g}"
        )
        rows.append(
            (
                indicator.zh,
                _parts(here, row),
                catalog.place_name(row["place"]),
                catalog.term("extent", row["extent"]),
                row["period"],
                value,
                indicator.shown_unit,
                "" if row["coverage"] is None else f"{row['coverage']:.0%}",
                row["dataset"],
            )
        )
    columns = ["指标", "分项、口径", "地方", "范围", "时期", "数值", "单位", "覆盖", "来源"]
    show_table(f"计算结果 {run.observations.height} 个 / computed", columns, rows, numbers=[5, 7])


def _gaps(here: Setting, run: ComputeRun, most: int) -> None:
    catalog = here.catalog
    rows = [
        (
            catalog.indicators[row["indicator"]].zh,
            _parts(here, row),
            catalog.place_name(row["place"]),
            catalog.term("extent", row["extent"]),
            row["period"],
            row["reason"],
        )
        for row in run.gaps.head(most).iter_rows(named=True)
    ]
    show_table(
        f"算不出 {run.gaps.height} 处 / not computable", ["指标", "分项、口径", "地方", "范围", "时期", "缺"], rows
    )


def _parts(here: Setting, row: Mapping[str, Any]) -> str:
    """Return breakdown and basis of a figure in words."""
    parts = [here.catalog.term(name, row[name]) for name in BREAKDOWNS if row[name] != "all"]
    return "、".join([*parts, *([here.catalog.term("basis", row["basis"])] if row["basis"] else [])])
