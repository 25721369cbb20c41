"""`dafeng ledger`: books of registers out and in, what a thing is and was, decisions about keys, roll-up."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.base.ledger import RECORD_COLUMNS, STAGE_NAMES
from dafeng.base.place import PlaceKind
from dafeng.buildings.project_facts import shown_text
from dafeng.catalog.ledger_schemas import LinkKind
from dafeng.cli.output import (
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
from dafeng.cli.places import need, said_setting
from dafeng.workflow.ledger_sources import ledger_sources
from dafeng.workflow.ledgers import (
    current_ledgers,
    import_ledger,
    ledger_history,
    ledger_promises,
    link_records,
    list_registers,
    make_book,
    propose_links,
    roll_up_ledgers,
    rows_within,
    withdraw_records,
)
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="台账：填报簿、导入、查看、汇总 / ledgers", rich_markup_mode=None)
RegisterName = Annotated[str, typer.Argument(help="登记册编号，见 ledger list / register id")]


@app.command("list")
def list_all(workspace: WorkspaceOption = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """列出登记册与在册情况 / registers and what the workspace holds of them."""
    states = list_registers(said_setting(workspace, quiet=quiet or as_json))
    if as_json:
        emit("ledger.list/1", {"registers": [state.model_dump(mode="json") for state in states]})
        return
    show_table(
        "台账 / ledgers",
        ["编号", "名称", "主管", "列", "在册对象", "在册行", "最近导入"],
        [
            (
                state.id,
                state.title,
                state.keeper,
                state.columns,
                state.things,
                state.rows,
                "" if state.last_import is None else state.last_import.date(),
            )
            for state in states
        ],
        numbers=[3, 4, 5],
    )


@app.command()
def template(
    register: RegisterName,
    out: Annotated[Path, typer.Option("--out", "-o", help="要写的 XLSX 文件 / file to write")],
    place: Annotated[str | None, typer.Option("--place", "-p", help="地方，默认工作区的地方 / place")] = None,
    filled: Annotated[
        bool, typer.Option("--filled", help="带上现有记录，供更正 / with the records that count")
    ] = False,
    year: Annotated[int | None, typer.Option(help="填报年份，写在标题中 / year of the report")] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 / overwrite")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """生成填报簿：下拉选项、校验、说明 / write the book that a keeper fills in."""
    here = open_setting(need(workspace)) if filled else said_setting(workspace, quiet=quiet or as_json)
    if out.exists() and not force:
        raise UsageError(
            f"{out} 已存在 / exists",
            doing="write a ledger book",
            expected="a new file, or --force",
            next_step="换一个文件名，或加 --force",
        )
    home = None if place is None else here.catalog.places.resolve(place).id
    data, rows = make_book(here, register, place=home, filled=filled, year=year, as_of=clock().date())
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(data)
    if as_json:
        emit("ledger.template/1", {"file": str(out), "register": register, "rows": rows})
    else:
        note(f"{register}，{rows} 行 → {near(out)}", quiet=quiet)


@app.command("import")
def import_book(
    files: Annotated[list[Path], typer.Argument(help="XLSX、XLS、CSV 台账 / ledger books")],
    register: Annotated[str | None, typer.Option("--register", "-r", help="登记册，默认自动识别 / register id")] = None,
    sheet: Annotated[str | None, typer.Option(help="只读此工作表 / only this sheet")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="台账没有的列：字段=值，可重复 / field=value for all rows")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查不入库 / check only")] = False,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """导入台账：每一行或被接受，或带提示接受，或说明理由后退回 / import ledgers, losing no row silently."""
    here = open_setting(need(workspace))
    values = _given(given or [])
    findings: list[Finding] = []
    outcomes = []
    for file in files:
        with progress(quiet=quiet or as_json) as listener:
            outcome = import_ledger(
                here, file, register, recorded_at=clock(), sheet=sheet, given=values, dry_run=dry_run, listener=listener
            )
        findings += outcome.findings
        outcomes.append(outcome)
        if not as_json:
            show_findings(outcome.findings, quiet=quiet)
    if as_json:
        emit("ledger.import/1", {"files": [outcome.model_dump(mode="json") for outcome in outcomes]})
    else:
        show_table(
            "台账导入 / ledger import" + ("（试运行，未入库 / dry run）" if dry_run else ""),
            ["文件", "登记册", "行", "接受", "带提示接受", "退回", "新增入库", "更正", "未变"],
            [
                (
                    outcome.file,
                    outcome.register_id,
                    outcome.rows,
                    outcome.accepted,
                    outcome.accepted_with_finding,
                    outcome.refused,
                    outcome.appended,
                    outcome.superseded,
                    outcome.unchanged,
                )
                for outcome in outcomes
            ],
            numbers=[2, 3, 4, 5, 6, 7, 8],
        )
        if any(outcome.already for outcome in outcomes):
            note("同一台账此前已入库，未重复计入；其后的更正仍然有效 / known already: counts once", quiet=quiet)
    stop_on(findings, fail_on)


def _given(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(
                f"--set {pair!r}",
                doing="read the options",
                expected="field=value, such as work=新建",
                next_step="write the field id, an equals sign and the value",
            )
        found[name.strip()] = value.strip()
    return found


@app.command()
def show(
    register: RegisterName,
    key: Annotated[str | None, typer.Argument(help="对象标识，默认列出全部 / key of a thing")] = None,
    place: Annotated[
        str | None, typer.Option("--place", "-p", help="只看此地方及其下级 / only this place and those in it")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="按此日所知 / as known on this day")] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 100,
) -> None:
    """查看台账；给出标识则看其各阶段、承诺与结果 / a register, or one thing through its stages."""
    here = open_setting(need(workspace))
    if key is not None:
        _show_thing(here, register, key, as_json=as_json)
        return
    wanted = here.catalog.register(register)
    day = None if as_of is None else as_day(as_of)
    things = current_ledgers(here, registers=[register], as_of=day).get(register)
    frame = pl.DataFrame({"key": []}) if things is None else things
    if place is not None and wanted.place_field in frame.columns:
        inside = here.catalog.places.resolve(place)
        column = wanted.zone_field if inside.kind is PlaceKind.ZONE else wanted.place_field
        frame = rows_within(frame, column or wanted.place_field, inside.id, here.catalog.places)
    if as_json:
        rows = frame.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()
        emit("ledger.show/1", {"register": register, "rows": rows})
        return
    columns = ["key", wanted.name_field, wanted.place_field]
    columns += ["stage_reached"] if wanted.per_stage else []
    columns += [item.field for item in wanted.fields if item.required and item.field not in (*columns, "stage")]
    columns = [name for name in dict.fromkeys(columns) if name in frame.columns and name not in wanted.identity][:9]
    heads = {"key": "标识", "stage_reached": "已到阶段"} | {
        name: field.zh for name, field in here.catalog.fields.items()
    }
    names = [heads.get(name, name) for name in columns]
    shown = frame.head(most).select(columns).rows(named=True)
    cells = [[_shown(here, wanted.place_field, name, row[name]) for name in columns] for row in shown]
    show_table(wanted.title.zh, names, cells)
    if frame.height > most:
        note(f"共 {frame.height} 个，显示前 {most} 个 / {frame.height} things, first {most} shown", quiet=quiet)


def _shown(here: Setting, place_field: str, name: str, value: object) -> object:
    if value is None:
        return ""
    if name in (place_field, "place"):
        return here.catalog.place_name(str(value))
    if name in ("stage", "stage_reached", "promised_stage", "built_stage"):
        return STAGE_NAMES.get(str(value), value)
    if isinstance(value, bool):
        return "是" if value else "否"
    field = here.catalog.fields.get(name)
    if field is not None and field.options:
        return next((option.zh for option in field.options if option.code == value), value)
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else value


def _show_thing(here: Setting, register: str, key: str, *, as_json: bool) -> None:
    wanted = here.catalog.register(register)
    history = ledger_history(here, register, key)
    promises = ledger_promises(here, register, key) if wanted.per_stage else None
    if as_json:
        temporal = pl.selectors.temporal().cast(pl.String)
        emit(
            "ledger.thing/1",
            {
                "register": register,
                "key": key,
                "versions": history.with_columns(temporal).to_dicts(),
                "promises": [] if promises is None else promises.to_dicts(),
            },
        )
        return
    newest = history.sort("recorded_at", "serial").unique("stage", keep="last", maintain_order=True)
    order = list(STAGE_NAMES)
    rows = sorted(newest.rows(named=True), key=lambda row: order.index(row["stage"]) if row["stage"] in order else -1)
    names = [item.field for item in wanted.fields if item.field in newest.columns]
    filled = [name for name in names if any(row[name] is not None for row in rows) and name not in RECORD_COLUMNS]
    show_table(
        f"{wanted.title.zh} {key}",
        ["项", *(_shown(here, "", "stage", row["stage"]) or "—" for row in rows)],  # type: ignore[list-item]
        [
            [here.catalog.fields[name].zh, *(_shown(here, wanted.place_field, name, row[name]) for row in rows)]
            for name in filled
        ]
        + [["已撤回", *("是" if row["withdrawn"] else "" for row in rows)]]
        + [["版本数", *(history.filter(pl.col("stage") == row["stage"]).height for row in rows)]],
    )
    if promises is not None and promises.height:
        show_table(
            "承诺与结果 / promised and built",
            ["项", "承诺阶段", "承诺", "结果阶段", "结果", "未兑现"],
            [
                (
                    here.catalog.fields[row["field"]].zh,
                    _shown(here, "", "promised_stage", row["promised_stage"]),
                    shown_text(row["field"], row["promised"], here.catalog),
                    _shown(here, "", "built_stage", row["built_stage"]),
                    "不明" if row["built"] is None else shown_text(row["field"], row["built"], here.catalog),
                    {True: "是", False: "否", None: "不明"}[row["worse"]],
                )
                for row in promises.rows(named=True)
            ],
        )


@app.command()
def candidates(
    subject: Annotated[str | None, typer.Option(help="对象种类，如 project / subject")] = None,
    low: Annotated[float, typer.Option(min=0.5, max=1.0, help="列出的最低相似度 / least likeness")] = 0.75,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 100,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """列出可能是同一对象的记录，由人判断，从不自动合并 / records that may be one thing; a person decides."""
    found, findings = propose_links(open_setting(need(workspace)), subject=subject, low=low)
    if as_json:
        emit(
            "ledger.candidates/1",
            {"pairs": found.to_dicts(), "findings": [finding.model_dump(mode="json") for finding in findings]},
        )
    else:
        show_table(
            "可能是同一对象 / may be one",
            ["相似度", "甲", "名称", "乙", "名称", "理由"],
            [
                (
                    f"{row['score']:.2f}",
                    row["first"],
                    row["first_name"],
                    row["second"],
                    row["second_name"],
                    row["reasons"],
                )
                for row in found.head(most).rows(named=True)
            ],
            numbers=[0],
        )
        note(f"共 {found.height} 对 / pairs；判断后用 dafeng ledger link", quiet=quiet)
    stop_on(findings, fail_on)


@app.command()
def link(
    kind: Annotated[
        LinkKind,
        typer.Argument(help="same 同一 | renamed 更名 | moved 迁移 | split 拆分 | merged 合并 | different 不同"),
    ],
    former: Annotated[list[str], typer.Argument(help="不再计入的标识 / keys that no longer count")],
    present: Annotated[list[str], typer.Option("--to", help="计入的标识，可重复 / keys that count")],
    reason: Annotated[str, typer.Option(help="理由 / why")],
    by: Annotated[str, typer.Option(help="判断人 / who decided")],
    subject: Annotated[str, typer.Option(help="对象种类 / subject")] = "project",
    on: Annotated[str | None, typer.Option(help="变动之日；历来如此则不填 / day of the change")] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """登记判断：哪些记录是同一对象，谁拆成了谁 / write down a decision about keys."""
    here = open_setting(need(workspace))
    day: date | None = None if on is None else as_day(on, option="--on")
    made, path, findings = link_records(
        here, kind, former, present, subject=subject, by=by, reason=reason, decided_on=clock().date(), on=day
    )
    if as_json:
        emit(
            "ledger.link/1",
            {
                "link": made.model_dump(mode="json"),
                "file": str(path),
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )
        return
    show_findings(findings, quiet=quiet)
    note(f"{made.id} → {near(path)}", quiet=quiet)


@app.command()
def withdraw(
    register: RegisterName,
    keys: Annotated[list[str], typer.Argument(help="对象标识 / keys")],
    reason: Annotated[str, typer.Option(help="撤回理由 / why")],
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """撤回记录：此后不再计入，历史仍可查 / take records back; history stays."""
    published = withdraw_records(open_setting(need(workspace)), register, keys, reason=reason, recorded_at=clock())
    if as_json:
        emit("ledger.withdraw/1", {"register": register, "withdrawn": published.appended})
    else:
        note(f"已撤回 {published.appended} 行 / withdrawn", quiet=quiet)


@app.command()
def rollup(
    years: Annotated[str | None, typer.Option(help="年份，如 2021-2025，默认 2021 至今 / years")] = None,
    only: Annotated[list[str] | None, typer.Option("--rollup", help="汇总规则编号，可重复 / roll-up id")] = None,
    complete: Annotated[
        list[str] | None, typer.Option(help="台账齐全的地方：其中没有记录即为没有 / place whose ledgers are complete")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="汇总日，默认今天 / day of the reckoning")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只计算不入库 / compute only")] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", help="方案或地方：只列出每个目标由哪些台账、字段算出 / only say what targets are counted from"
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """由台账汇总出指标数据，逐项可追溯到项目 / count ledgers up to indicators, traceable to the projects."""
    if explain is not None:
        _explain(said_setting(workspace, quiet=quiet or as_json), explain, as_json=as_json, quiet=quiet)
        return
    here = open_setting(need(workspace))
    day = as_day(as_of)
    span = _years(years, day)
    places = [here.catalog.places.resolve(name).id for name in complete or ()]
    rolled, published = roll_up_ledgers(
        here, years=span, recorded_at=clock(), as_of=day, rollups=only, complete=places, dry_run=dry_run
    )
    facts = rolled.observations
    if as_json:
        rows = facts.with_columns(pl.selectors.temporal().cast(pl.String)).to_dicts()
        emit(
            "ledger.rollup/1",
            {
                "observations": rows,
                "published": None if published is None else published.model_dump(mode="json"),
                "findings": [finding.model_dump(mode="json") for finding in rolled.findings],
            },
        )
    else:
        show_findings(rolled.findings, quiet=quiet)
        totals = facts.group_by("indicator").agg(pl.len(), pl.col("period").max(), pl.col("coverage").min())
        show_table(
            "台账汇总 / roll-up" + ("（未入库 / dry run）" if dry_run else ""),
            ["指标", "名称", "数据条数", "最近时期", "最低覆盖率"],
            [
                (name, here.catalog.indicators[name].zh, count, last, "" if least is None else f"{least:.0%}")
                for name, count, last, least in totals.sort("indicator").iter_rows()
            ],
            numbers=[2, 4],
        )
        if published is not None:
            note(f"入库 {published.appended}，未变 {published.unchanged} / stored, unchanged", quiet=quiet)
    stop_on(rolled.findings, fail_on)


def _explain(here: Setting, plan: str, *, as_json: bool, quiet: bool) -> None:
    """Show what every target of a plan is counted from, none left out."""
    sources = ledger_sources(here.catalog.plan(plan), here.catalog)
    if as_json:
        emit("ledger.sources/1", {"targets": [source._asdict() for source in sources]})
        return
    fields, registers = here.catalog.fields, here.catalog.registers
    show_table(
        "目标由哪些台账、字段算出 / what targets are counted from",
        ["目标", "指标", "汇总规则", "台账", "字段"],
        [
            (
                source.label,
                here.catalog.indicators[source.indicator].zh,
                "、".join(source.rollups),
                "、".join(registers[name].title.zh for name in source.registers) or "不由台账计数",
                "、".join(fields[name].zh for name in source.fields),
            )
            for source in sources
        ],
    )
    counted = sum(bool(source.rollups) for source in sources)
    note(f"{len(sources)} 个目标，{counted} 个由台账计数 / targets, counted from ledgers", quiet=quiet)


def _years(text: str | None, day: date) -> range:
    if text is None:
        return range(2021, day.year + 1)
    found = re.fullmatch(r"\s*(\d{4})\s*(?:-\s*(\d{4})\s*)?", text)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise UsageError(
            f"--years {text!r}", doing="read the options", expected="2021-2025 or 2025", next_step="mend the years"
        )
    return range(int(found[1]), int(found[2] or found[1]) + 1)
