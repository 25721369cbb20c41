"""`dafeng meter rollup`, `compact` and `restatements`: from readings to totals, and what a late batch changed."""

from __future__ import annotations

from typing import Annotated

import polars as pl
import typer

from dafeng.base.errors import UsageError
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
from dafeng.cli.places import need
from dafeng.workflow.accounting import DEFAULT_RULES, read_policy
from dafeng.workflow.metering_export import export_meters
from dafeng.workflow.metering_import import month_span
from dafeng.workflow.metering_quota import normal_use
from dafeng.workflow.metering_rollup import MeterRollup, compact_meters, read_restatements, roll_up_meters
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="计量汇总 / metering roll-up", rich_markup_mode=None)


@app.command()
def rollup(
    period: Annotated[str | None, typer.Option(help="显示哪个时期的合计，默认不限 / period shown")] = None,
    full: Annotated[bool, typer.Option("--full", help="全部重算，默认只算变动 / everything anew")] = False,
    engine: Annotated[
        str, typer.Option(help="duckdb | spark://主机:端口 | sc://主机:端口 | local[2] / engine")
    ] = "duckdb",
    memory: Annotated[str | None, typer.Option(help="引擎内存上限，如 2GB / memory of the engine")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="引擎线程 / threads of the engine")] = None,
    publish: Annotated[
        bool, typer.Option("--publish/--no-publish", help="合计作为数据入库 / totals leave as observations")
    ] = True,
    rules: Annotated[str, typer.Option(help="系数选用规则 / rules for choosing factors")] = DEFAULT_RULES,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="系数以此日前发布的为准 / factors known by this day")
    ] = None,
    normal: Annotated[
        str | None, typer.Option("--normal", help="另算标准年用能：年份，如 2023-2024 / use in a normal year")
    ] = None,
    station: Annotated[str | None, typer.Option(help="标准年用的气象站 / weather station")] = None,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 30,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """汇总：时、日、月、年，建筑、分项、各地，标煤与碳；只算变动并说明重述 / roll up what changed, and say what was restated."""
    here = open_setting(need(workspace))
    span = None if period is None else month_span(period)
    policy = read_policy(rules)
    day = None if as_of is None else as_day(as_of)
    years = None if normal is None else _years(normal)
    with progress(quiet=quiet or as_json) as listener:
        done = roll_up_meters(
            here,
            recorded_at=clock(),
            as_of=day,
            engine=engine,
            full=full,
            publishing=publish,
            policy=policy,
            memory=memory,
            threads=threads,
            listener=listener,
        )
    normals, chosen = (None, "") if years is None else normal_use(here, years, station=station)
    places = _totals(here, span) if done.readings >= 0 else None
    if as_json:
        emit(
            "meter.rollup/1",
            {
                **done.model_dump(mode="json"),
                "places": [] if places is None else _rows(places),
                "normal": None if normals is None else {"station": chosen, "rows": _rows(normals)},
            },
        )
    else:
        show_findings(done.findings, quiet=quiet)
        _show(here, done, places, most=most, quiet=quiet)
        if normals is not None:
            _show_normal(normals, chosen)
    stop_on(done.findings, fail_on)


def _years(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and (last or first).isdigit() and 1900 < int(first) <= int(last or first) < 2200):
        raise UsageError(
            f"--normal {text!r}", doing="read the options", expected="2024 或 2022-2024", next_step="改正年份"
        )
    return int(first), int(last or first)


def _totals(here: Setting, span: tuple[object, object] | None) -> pl.DataFrame | None:
    """Return years of places, or the months of a period."""
    rows = export_meters(here, "place-years") if span is None else export_meters(here, "place-months", period=span)  # type: ignore[arg-type]
    return rows.filter((pl.col("building_class") == "all") & (pl.col("end_use") == "all")).sort(
        "period", "place", "carrier"
    )


def _show(here: Setting, done: MeterRollup, places: pl.DataFrame | None, *, most: int, quiet: bool) -> None:
    if done.restatements:
        show_table(
            "重述 / restated（差额最大的在前 200 条内）",
            ["表", "对象", "项", "月", "列", "原值", "现值", "原因"],
            [
                ("建筑" if row.table == "building_months" else "各地", row.subject, row.detail, f"{row.period:%Y-%m}", row.column,
                 _text(row.before), _text(row.after), row.because)
                for row in done.restatements[:most]
            ],
            numbers=[5, 6],
        )  # fmt: skip
        if done.restated > most:
            note(f"共重述 {done.restated} 个数，见 dafeng meter restatements / values restated", quiet=quiet)
    if places is not None and places.height:
        show_table(
            "各地合计 / places（tce 为当量口径）",
            ["地方", "时期", "能源", "用量", "tce", "tce（发电煤耗）", "tCO₂", "有数/应有建筑", "完整率"],
            [
                (here.catalog.place_name(row["place"]), f"{row['period']:%Y-%m-%d}", here.catalog.term("carrier", row["carrier"]) if row["carrier"] != "all" else "合计",
                 _text(row["amount"]), _text(row["tce"]), _text(row["tce_generation"]), _text(row["co2"]),
                 f"{row['reporting']}/{row['buildings']}", "" if not row["expected"] else f"{row['covered'] / row['expected']:.1%}")
                for row in places.head(most).iter_rows(named=True)
            ],
            numbers=[3, 4, 5, 6, 7, 8],
        )  # fmt: skip
    how = "全部 / full" if done.full else "增量 / incremental"
    note(
        f"{how}：{done.meters} 块表，重算 {done.spans} 段，{len(done.months)} 个月；重述 {done.restated} 个数；"
        f"入库 {done.published}，未变 {done.unchanged}，撤回 {done.withdrawn}",
        quiet=quiet,
    )


def _show_normal(rows: pl.DataFrame, station: str) -> None:
    show_table(
        f"标准年用能 / normal year（{station} 站）",
        ["建筑", "分项", "年", "实测", "天气影响", "标准年", "±", "完整率", "说明"],
        [
            (row["building"], row["item"], row["year"], *(_text(row[name]) for name in ("amount", "weather", "normal", "uncertainty")),
             "" if row["coverage"] is None else f"{row['coverage']:.1%}", row["reason"])
            for row in rows.iter_rows(named=True)
        ],
        numbers=[2, 3, 4, 5, 6, 7],
    )  # fmt: skip


@app.command()
def restatements(
    subject: Annotated[str | None, typer.Option(help="建筑代码或地方 / building or place")] = None,
    period: Annotated[str | None, typer.Option(help="时期 / period")] = None,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 100,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """重述记录：哪个数、从多少改为多少、因为哪一批 / what was restated, from what to what, because of which batch."""
    here = open_setting(need(workspace))
    name = subject
    if subject is not None and subject in here.catalog.places:
        name = here.catalog.places.resolve(subject).id
    rows = read_restatements(here, subject=name, period=None if period is None else month_span(period))
    if as_json:
        emit("meter.restatements/1", {"rows": _rows(rows)})
        return
    show_table(
        "重述记录 / restatements",
        ["记录时间", "表", "对象", "项", "月", "列", "原值", "现值", "原因"],
        [
            (f"{row['recorded_at']:%Y-%m-%d %H:%M}", row["table"], row["subject"], row["detail"], f"{row['period']:%Y-%m}",
             row["column"], _text(row["before"]), _text(row["after"]), row["because"])
            for row in rows.head(most).iter_rows(named=True)
        ],
        numbers=[6, 7],
    )  # fmt: skip
    if rows.height > most:
        note(f"共 {rows.height} 条，显示前 {most} 条 / rows, first {most} shown", quiet=quiet)


@app.command()
def compact(
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="并删除更早版本只用到的文件，保留几个版本 / also drop versions older than these"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """整理读数文件，读数一个不少 / put small files together; no reading is lost."""
    here = open_setting(need(workspace))
    with progress(quiet=quiet or as_json) as listener:
        done = compact_meters(here, listener=listener, keep=keep)
    if as_json:
        emit("meter.compact/1", done.model_dump(mode="json"))
    else:
        note(
            "已整理 / compacted：" + "，".join(f"{name} {value}" for name, value in done.model_dump().items()),
            quiet=quiet,
        )


def _rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
