"""`dafeng meter`: readings in, how metering stands, what checks see; roll-up, quota and export lie in modules beside."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

import polars as pl
import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.reading import MeterEventKind
from dafeng.cli.lazy import group_with
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    clock,
    emit,
    note,
    progress,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import need
from dafeng.intake.meter_forms import MeterForm
from dafeng.workflow.ledgers import LedgerOutcome, import_ledger
from dafeng.workflow.metering import ZONE, read_register
from dafeng.workflow.metering_import import (
    MeterFileOutcome,
    MeterImportOptions,
    day_instant,
    import_meter_file,
    month_span,
    record_event,
)
from dafeng.workflow.metering_views import METER_STATES, MeterStatus, meter_quality, meter_status
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

_ELSEWHERE: Final = {"rollup": "meter_rollup", "compact": "meter_rollup", "restatements": "meter_rollup",
                     "match": "meter_match", "quota": "meter_quota", "export": "meter_export"}  # fmt: skip
"""Commands of other modules."""

app = typer.Typer(
    cls=group_with(_ELSEWHERE),
    no_args_is_help=True,
    help="计量：读数导入、状态、质量、汇总、定额、上报 / metering",
    rich_markup_mode=None,
)
Period = Annotated[str | None, typer.Option(help="时期：2024、2024-03、2024-03-05 / period")]
_FORMS: Final = {
    MeterForm.READINGS: "读数",
    MeterForm.ACCOUNTS: "户号账单",
    MeterForm.XML: "上下级交换文件",
    MeterForm.WEATHER: "天气",
}


@app.command("import")
def import_files(
    files: Annotated[
        list[Path] | None, typer.Argument(help="CSV、XLSX、Parquet、EPW、XML、ZIP 文件或每日文件夹 / files")
    ] = None,
    form: Annotated[MeterForm | None, typer.Option("--as", help="文件内容，默认自动识别 / what the files hold")] = None,
    zone: Annotated[str, typer.Option(help="未写时差的时间所在时区 / time zone")] = ZONE,
    kind: Annotated[
        Literal["register", "interval"] | None, typer.Option(help="register 表底 | interval 时段用量 / kind")
    ] = None,
    labelled: Annotated[
        Literal["start", "end"] | None, typer.Option(help="时间是时段的开始还是结束 / label of intervals")
    ] = None,
    step: Annotated[int | None, typer.Option(min=1, help="时段长度，分钟 / minutes of an interval")] = None,
    unit: Annotated[str, typer.Option(help="表头未写时的单位 / unit where the table states none")] = "",
    meter: Annotated[str, typer.Option(help="全表的表号 / meter of the whole table")] = "",
    keep_unknown: Annotated[
        bool, typer.Option("--keep-unknown", help="台账没有的表也存下 / keep meters no ledger knows")
    ] = False,
    company: Annotated[str | None, typer.Option(help="户号账单的公司简称 / company of the accounts")] = None,
    carrier: Annotated[str | None, typer.Option(help="户号账单的能源 / carrier of the accounts")] = None,
    closing_day: Annotated[int | None, typer.Option(min=1, max=28, help="抄表例日 / closing day")] = None,
    add_parts: Annotated[
        bool, typer.Option("--add-parts", help="同户同账期几行相加 / rows of one account and month add up")
    ] = False,
    station: Annotated[str | None, typer.Option(help="气象站号 / weather station")] = None,
    dataset: Annotated[str | None, typer.Option(help="天气数据来源 / who says what the weather was")] = None,
    typical: Annotated[bool, typer.Option("--typical", help="天气表是典型年 / a typical year")] = False,
    meters: Annotated[Path | None, typer.Option("--meters", help="先导入的表计台账 / ledger of meters")] = None,
    buildings: Annotated[
        Path | None, typer.Option("--buildings", help="先导入的建筑台账 / ledger of buildings")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查不入库 / check only")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导入读数、户号账单、每日文件、天气：每个值都有去向 / readings, bills, daily files, weather in; every value has a fate."""
    here = open_setting(need(workspace))
    if not files and meters is None and buildings is None:
        raise UsageError(
            "没有要导入的文件 / no files",
            doing="import metering",
            expected="至少一个文件",
            next_step="dafeng meter import 文件",
        )
    options = MeterImportOptions(
        form=form,
        zone=zone,
        kind=kind,
        labelled=labelled,
        step=step,
        unit=unit,
        meter=meter,
        keep_unknown=keep_unknown,
        company=company,
        carrier=carrier,
        closing_day=closing_day,
        add_parts=add_parts,
        station=station,
        dataset=dataset,
        typical=typical,
    )
    books: list[LedgerOutcome] = []
    outcomes: list[MeterFileOutcome] = []
    with progress(quiet=quiet or as_json) as listener:
        for register, book in (("buildings", buildings), ("meters", meters)):
            if book is not None:
                books.append(
                    import_ledger(here, book, register, recorded_at=clock(), dry_run=dry_run, listener=listener)
                )
        known = read_register(here)
        for file in files or []:
            outcomes.append(
                import_meter_file(
                    here, file, options, recorded_at=clock(), dry_run=dry_run, register=known, listener=listener
                )
            )
    findings: list[Finding] = [finding for book in books for finding in book.findings]
    findings += [finding for outcome in outcomes for finding in outcome.findings]
    findings += known.findings
    if as_json:
        emit(
            "meter.import/1",
            {
                "ledgers": [book.model_dump(mode="json") for book in books],
                "files": [outcome.model_dump(mode="json") for outcome in outcomes],
                "register": [finding.model_dump(mode="json") for finding in known.findings],
            },
        )
    else:
        show_findings(findings, quiet=quiet)
        _show_outcomes(books, outcomes, dry_run=dry_run, quiet=quiet)
    stop_on(findings, fail_on)


def _show_outcomes(books: list[LedgerOutcome], outcomes: list[MeterFileOutcome], *, dry_run: bool, quiet: bool) -> None:
    trial = "（试运行，未入库 / dry run）" if dry_run else ""
    if books:
        show_table(
            f"台账 / ledgers{trial}",
            ["文件", "台账", "行", "接受", "带提示接受", "退回"],
            [
                (book.file, book.register_id, book.rows, book.accepted, book.accepted_with_finding, book.refused)
                for book in books
            ],
            numbers=[2, 3, 4, 5],
        )
    if outcomes:
        words = ("accepted", "blank", "duplicate", "replaced", "added", "refused")
        show_table(
            f"导入 / import{trial}",
            ["文件", "内容", "表计", "接受", "空白", "重复", "被取代", "并入", "退回", "入库", "起", "止"],
            [
                (
                    outcome.file,
                    _FORMS[outcome.form],
                    outcome.meters,
                    *(outcome.counts.get(word, outcome.counts.get("rows", 0) if word == "accepted" else 0) for word in words),
                    outcome.appended,
                    "" if outcome.first is None else _local(outcome.first),
                    "" if outcome.last is None else _local(outcome.last),
                )
                for outcome in outcomes
            ],
            numbers=list(range(2, 10)),
        )  # fmt: skip
    unknown = sorted({name for outcome in outcomes for name in outcome.unknown})
    if unknown:
        note(f"台账没有的表 / unknown meters：{'、'.join(unknown[:20])}", quiet=quiet)
    if any(outcome.already for outcome in outcomes):
        note("同样内容此前已入库，不重复计 / known already: counts once", quiet=quiet)
    if outcomes and not dry_run:
        note("下一步 / next：dafeng meter rollup", quiet=quiet)


@app.command()
def status(
    period: Period = None,
    place: Annotated[str | None, typer.Option("--place", "-p", help="地方 / place")] = None,
    late: Annotated[bool, typer.Option("--problems", help="只列不在线的表计 / only meters not on line")] = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 60,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """计量现状：在线、迟报、中断，完整率，核查标记 / which meters are heard, how complete, what is marked."""
    here = open_setting(need(workspace))
    span = None if period is None else month_span(period)
    found = meter_status(here, at=clock(), period=span)
    if place is not None:
        home = here.catalog.places.resolve(place).id
        inside = [
            name
            for name in found.meters["place"].unique()
            if name and home in (name, *here.catalog.places.ancestor_ids(name))
        ]
        found = _of_places(found, inside)
    if as_json:
        emit(
            "meter.status/1",
            {
                "meters": _rows(found.meters),
                "buildings": _rows(found.buildings),
                "places": _rows(found.places),
                "checks": _rows(found.checks),
                "versions": found.versions,
                "findings": [finding.model_dump(mode="json") for finding in found.findings],
            },
        )
        return
    show_findings(found.findings, quiet=quiet)
    _show_status(here, found, problems=late, most=most, quiet=quiet)


def _of_places(found: MeterStatus, places: list[str]) -> MeterStatus:
    inside = found.meters.filter(pl.col("place").is_in(places))
    return MeterStatus(
        inside,
        found.buildings.filter(pl.col("building").is_in(inside["building"].implode())),
        found.places.filter(pl.col("place").is_in(places)),
        found.checks,
        found.versions,
        found.findings,
    )


def _show_status(here: Setting, found: MeterStatus, *, problems: bool, most: int, quiet: bool) -> None:
    states = list(METER_STATES)
    show_table(
        "各地 / places",
        ["地方", "表计", *METER_STATES.values(), "完整率"],
        [
            (here.catalog.place_name(row["place"]) if row["place"] else "（不明）", row["meters"],
             *(row[state] for state in states), _share(row["completeness"]))
            for row in found.places.iter_rows(named=True)
        ],
        numbers=list(range(1, 8)),
    )  # fmt: skip
    shown = found.meters.filter(~pl.col("state").is_in(["online", "retired"])) if problems else found.meters
    show_table(
        "表计 / meters" + ("（不在线的 / not on line）" if problems else ""),
        ["表号", "名称", "建筑", "分项", "最近读数", "状态", "完整率", "有标记的天"],
        [
            (row["meter"], row["name"], row["building"], row["item"],
             "" if row["last"] is None else _local(row["last"]), METER_STATES[row["state"]],
             _share(row["completeness"]), row["flags"] or "")
            for row in shown.head(most).iter_rows(named=True)
        ],
        numbers=[6, 7],
    )  # fmt: skip
    if shown.height > most:
        note(f"共 {shown.height} 块，显示前 {most} 块 / meters, first {most} shown", quiet=quiet)
    if found.checks.height:
        show_table(
            "核查标记 / marks",
            ["核查", "名称", "处理", "表计", "天"],
            [
                (row["check"], row["title"], "不计入合计" if row["treatment"] == "withhold" else "照计并标注", row["meters"], row["days"])
                for row in found.checks.iter_rows(named=True)
            ],
            numbers=[3, 4],
        )  # fmt: skip
    note("版本 / versions：" + "，".join(f"{name} {version}" for name, version in found.versions.items()), quiet=quiet)


@app.command()
def quality(
    period: Period = None,
    meter: Annotated[list[str] | None, typer.Option("--meter", "-m", help="表号，可重复 / meter")] = None,
    building: Annotated[list[str] | None, typer.Option("--building", "-b", help="建筑代码，可重复 / building")] = None,
    fault: Annotated[str | None, typer.Option(help="登记故障的表号 / meter that was faulty")] = None,
    event: Annotated[
        Literal["replacement", "reset", "rollover"] | None,
        typer.Option(help="登记换表、清零、满度归零，配合 --meter / what happened to a meter"),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="开始或发生时间 / from, or when")] = None,
    end: Annotated[str | None, typer.Option("--to", help="故障结束时间 / to")] = None,
    before: Annotated[float | None, typer.Option(help="旧表止码 / last reading of the old register")] = None,
    after: Annotated[float | None, typer.Option(help="新表起码 / first reading of the new register")] = None,
    reason: Annotated[str, typer.Option(help="理由 / why")] = "",
    by: Annotated[str, typer.Option(help="登记人 / who")] = "",
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 60,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """数据质量：核查证据；登记故障、换表、清零 / evidence of checks; record faults and replacements."""
    here = open_setting(need(workspace))
    if fault is not None or event is not None:
        _record(here, fault, event, meter, start, end, before, after, reason, by, as_json=as_json, quiet=quiet)
        return
    if start is not None or end is not None:
        raise UsageError(
            "--from、--to 只用于登记 / only with --fault or --event",
            doing="look at the quality of readings",
            expected="--period",
            next_step="查看用 --period 2024-03",
        )
    with progress(quiet=quiet or as_json) as listener:
        listener("核查 / quality", 0, None)
        found = meter_quality(
            here,
            period=month_span(period or f"{clock().date():%Y-%m}"),
            meters=meter or (),
            buildings=building or (),
        )
    if as_json:
        emit(
            "meter.quality/1",
            {"flags": _rows(found.flags), "findings": [one.model_dump(mode="json") for one in found.findings]},
        )
    else:
        show_findings(found.findings, quiet=quiet)
        titles = {check.id: check.title.zh for check in here.catalog.meter_checks.values()}
        show_table(
            "核查证据 / evidence",
            ["核查", "表计", "起", "止", "值", "对照", "说明"],
            [
                (titles.get(row["check"], row["check"]), row["meter"], _local(row["start"]), _local(row["end"]),
                 _number(row["value"]), _number(row["expected"]), row["detail"])
                for row in found.flags.head(most).iter_rows(named=True)
            ],
            numbers=[4, 5],
        )  # fmt: skip
        if found.flags.height > most:
            note(f"共 {found.flags.height} 处，显示前 {most} 处 / places, first {most} shown", quiet=quiet)
    stop_on(found.findings, fail_on)


def _record(
    here: Setting,
    fault: str | None,
    event: str | None,
    meter: list[str] | None,
    start: str | None,
    end: str | None,
    before: float | None,
    after: float | None,
    reason: str,
    by: str,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    named = [fault] if fault is not None else list(meter or [])
    if (
        (fault is not None and event is not None)
        or len(named) != 1
        or start is None
        or not reason.strip()
        or not by.strip()
    ):
        raise UsageError(
            "登记要写一块表、时间、理由和登记人 / one meter, a time, why and who",
            doing="record what happened to a meter",
            expected="--fault 表号 --from 时间 --to 时间 --reason 理由 --by 人，或 --event replacement --meter 表号 --from 时间 --before 止码 --after 起码 …",
            next_step="补上后重新登记",
        )
    landed = record_event(
        here,
        named[0],
        MeterEventKind.FAULT if event is None else MeterEventKind(event),
        day_instant(start, option="--from"),
        until=None if end is None else day_instant(end, option="--to"),
        before=before,
        after=after,
        reason=reason,
        by=by,
        recorded_at=clock(),
    )  # fmt: skip
    if as_json:
        emit("meter.event/1", {"meter": named[0], "batch": landed.batch, "already": landed.already})
    else:
        note(f"已登记 {named[0]}；下一步 / next：dafeng meter rollup", quiet=quiet)


def _rows(frame: pl.DataFrame) -> list[dict[str, object]]:
    return frame.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _local(instant: datetime) -> str:
    """Return an instant on the clock of the meters' place."""
    return f"{instant.astimezone(ZoneInfo(ZONE)):%Y-%m-%d %H:%M}"
