"""`dafeng gateway`: gateways on board, the server, how it stands, captured frames in plain words."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import polars as pl
import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.cli.lazy import group_with
from dafeng.cli.output import (
    FailOn,
    Json,
    Quiet,
    WorkspaceOption,
    clock,
    emit,
    note,
    show_findings,
    show_table,
    stop_on,
)
from dafeng.cli.places import find, need
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.decoding import decode_capture, describe, read_capture
from dafeng.gateway.delivery import take_set_aside
from dafeng.gateway.metrics import prometheus_text
from dafeng.gateway.options import OPTIONS_FILE, read_options
from dafeng.gateway.profile import Keys
from dafeng.gateway.registry import NewGateway, Registry, make_keys, new_account, read_onboarding
from dafeng.gateway.status import StatusReport, read_status
from dafeng.lake import Workspace
from dafeng.workflow.metering_gateway import GatewayDelivery, adopt_gateway_meters, check_gateway_archive
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

_ELSEWHERE: Final[dict[str, str]] = {
    **dict.fromkeys(("simulate", "send", "uploads"), "gateway_simulate"),
    "mqtt": "gateway_mqtt",
    "poll": "gateway_poll",
    "serve": "gateway_serve",
}
"""Commands of other modules."""

app = typer.Typer(
    cls=group_with(_ELSEWHERE),
    no_args_is_help=True,
    help="网关：上线、接收、状态、解码 / gateways of meters",
    rich_markup_mode=None,
)
_POINT_COLUMNS: Final = ("building", "gateway", "meter", "function", "coding", "house_meter", "since")
_STATES: Final = {"active": "正常", "suspended": "停用", "unknown": "未登记"}


@app.command()
def onboard(
    file: Annotated[
        Path | None,
        typer.Argument(help="CSV、XLSX：建筑代码、网关编号、协议、密钥、向量、口令、时区 / table of gateways"),
    ] = None,
    building: Annotated[str | None, typer.Option("--building", "-b", help="建筑代码 / building")] = None,
    gateway: Annotated[str | None, typer.Option("--gateway", "-g", help="网关号 / gateway number")] = None,
    profile: Annotated[str, typer.Option(help="协议变体，见 dafeng catalog / profile")] = "N",
    zone: Annotated[str, typer.Option(help="网关时钟所在时区 / zone of its clock")] = "",
    ask: Annotated[bool, typer.Option("--ask", help="逐项询问密钥（不回显） / ask for the keys")] = False,
    characters: Annotated[
        bool, typer.Option("--characters", help="生成的密钥只用字母数字 / keys of letters and digits")
    ] = False,
    rotate: Annotated[bool, typer.Option("--rotate", help="换新密钥，旧密钥随即失效 / new keys")] = False,
    suspend: Annotated[bool, typer.Option("--suspend", help="停用 / may log in no longer")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="恢复 / may log in again")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="表中已登记的网关改用新值 / change gateways that are on board")
    ] = False,
    keys_out: Annotated[
        Path | None, typer.Option("--keys-out", help="生成的密钥写入此文件（权限 0600），不显示 / write made keys here")
    ] = None,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """登记网关：逐个或按表；换密钥、停用、恢复。生成的密钥只显示一次 / onboard gateways; made keys are shown once."""
    here = need(workspace)
    profiles = open_setting(here).catalog.gateway_profiles
    if file is None and (building is None or gateway is None):
        raise UsageError(
            "没有说是哪个网关 / which gateway",
            doing="onboard gateways",
            expected="--building 和 --gateway，或一个文件 / both, or a file",
            next_step="dafeng gateway onboard --building 370202A001 --gateway 01",
        )
    if [rotate, suspend, resume, file is not None].count(True) > 1:
        raise UsageError(
            "--rotate、--suspend、--resume、文件只能选一个 / choose one",
            doing="onboard gateways",
            expected="一次做一件事 / one thing at a time",
            next_step="分几次运行 / run it several times",
        )
    with ExitStack() as opened:
        connection = open_database(here.root / DATABASE_FILE)
        opened.callback(connection.close)
        stream = None if keys_out is None else opened.enter_context(_new_keys_file(keys_out))  # before keys are changed
        registry = Registry(connection)
        findings: list[Finding] = []
        if file is not None:
            read = read_onboarding(file, profiles, profile=profile, characters=characters)
            findings += read.findings
            new, said = _take_file(registry, list(read.gateways), findings, replace=replace)
        else:
            assert building is not None
            assert gateway is not None
            if suspend or resume:
                account = (registry.suspend if suspend else registry.resume)(building, gateway, at=clock())
                new, said = [], [(account.building, account.gateway, account.profile, account.state.value)]
            elif rotate:
                keys = _asked() if ask else make_keys(characters=characters)
                account = registry.change(building, gateway, at=clock(), keys=keys)
                new = [] if ask else [NewGateway(account, made=True)]
                said = [(account.building, account.gateway, account.profile, "rotated")]
            else:
                new, said = _take_one(
                    registry, building, gateway, profile, profiles, zone, ask=ask, characters=characters
                )
        if stream is not None:
            _write_keys(stream, new)
    _show_onboarded(new, said, findings, keys_out, as_json=as_json, quiet=quiet)
    stop_on(findings, fail_on)


def _take_one(
    registry: Registry,
    building: str,
    gateway: str,
    profile: str,
    profiles: Any,
    zone: str,
    *,
    ask: bool,
    characters: bool,
) -> tuple[list[NewGateway], list[tuple[str, ...]]]:
    if registry.get(building, gateway) is not None:
        raise UsageError(
            f"网关 {building}/{gateway} 已登记 / is on board already",
            doing="onboard a gateway",
            expected="新的网关 / a new one",
            next_step="换密钥用 --rotate，停用用 --suspend，改协议或时区用文件加 --replace",
        )
    made = new_account(building, gateway, profile, profiles, zone=zone, characters=characters)
    if ask:
        made = NewGateway(made.account.model_copy(update={"keys": _asked()}), made=False)
    registry.put(made.account, at=clock())
    return ([made] if made.made else []), [(building, gateway, profile, "added")]


def _take_file(
    registry: Registry, gateways: list[NewGateway], findings: list[Finding], *, replace: bool
) -> tuple[list[NewGateway], list[tuple[str, ...]]]:
    """Take a table in: gateways that are on board keep the keys they have unless the table gives others."""
    taken: list[NewGateway] = []
    for one in gateways:
        known = registry.get(one.account.building, one.account.gateway)
        if known is None:
            taken.append(one)
            continue
        keys = known.keys if one.made else one.account.keys
        wanted = one.account.model_copy(update={"keys": keys, "state": known.state})
        if wanted == known or replace:
            taken.append(NewGateway(wanted, made=False))
        else:
            findings.append(
                Finding(
                    name="gateway.onboarding.known-otherwise",
                    sentence=f"网关 {known.building}/{known.gateway} 已登记，表中的值不同，没有改动",
                    severity=Severity.WARNING,
                    next_step="确要改的加 --replace",
                )
            )
    words = registry.put_all([one.account for one in taken], at=clock())
    said: list[tuple[str, ...]] = [
        (one.account.building, one.account.gateway, one.account.profile, word)
        for one, word in zip(taken, words, strict=True)
    ]
    return [one for one in taken if one.made], said


def _asked() -> Keys:
    key = typer.prompt("密钥 / key", hide_input=True, err=True)
    vector = typer.prompt("向量（空为同密钥） / vector", hide_input=True, default="", show_default=False, err=True)
    return Keys.parse(key, vector or None, secret=typer.prompt("口令 / secret", hide_input=True, err=True))


def _shown_key(data: bytes) -> str:
    return data.decode() if data.isalnum() else data.hex()


def _key_rows(new: list[NewGateway]) -> list[tuple[str, ...]]:
    return [
        (one.account.building, one.account.gateway, one.account.profile, _shown_key(one.account.keys.key),
         _shown_key(one.account.keys.iv), one.account.keys.secret)
        for one in new
    ]  # fmt: skip


@contextmanager
def _new_keys_file(path: Path) -> Iterator[TextIO]:
    """Make a file that only its owner reads; it is gone again where nothing was written."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            f"{path} 不能新建 / cannot be made: {error.strerror}",
            doing="write made keys",
            expected="一个能写的新文件 / a new file that can be written",
            next_step="换一个文件名 / name another file",
        ) from error
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as stream:
        try:
            yield stream
        finally:
            stream.flush()
            if not path.stat().st_size:
                path.unlink()


def _write_keys(stream: TextIO, new: list[NewGateway]) -> None:
    if new:
        writer = csv.writer(stream)
        writer.writerow(["建筑代码", "网关编号", "协议", "密钥", "向量", "口令"])
        writer.writerows(_key_rows(new))
        stream.flush()
        os.fsync(stream.fileno())


def _show_onboarded(
    new: list[NewGateway],
    said: list[tuple[str, ...]],
    findings: list[Finding],
    keys_out: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    heads = ("building", "gateway", "profile", "key", "iv", "secret")
    shown = [] if keys_out is not None else _key_rows(new)
    if as_json:
        emit(
            "gateway.onboard/1",
            {
                "gateways": [dict(zip(("building", "gateway", "profile", "what"), row, strict=True)) for row in said],
                "keys": [dict(zip(heads, row, strict=True)) for row in shown],
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )
        return
    show_findings(findings, quiet=quiet)
    show_table("网关 / gateways", ["建筑", "网关", "协议", "结果"], said)
    if shown:
        show_table(
            "新密钥，只显示这一次 / new keys, shown this once", ["建筑", "网关", "协议", "密钥", "向量", "口令"], shown
        )
    elif new:
        note(
            f"新密钥写入 {keys_out}，交给安装方后删去 / new keys; delete the file once they are handed over",
            quiet=quiet,
        )


@app.command()
def status(
    metrics: Annotated[
        bool, typer.Option("--metrics", help="按 Prometheus 文本输出 / numbers as Prometheus reads them")
    ] = False,
    problems: Annotated[
        bool, typer.Option("--problems", help="只列有问题的网关 / only gateways with problems")
    ] = False,
    notes: Annotated[int, typer.Option(min=0, help="最近事件条数 / newest events")] = 10,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 60,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """各网关在线、最近读数、钟差、故障；待入湖的读数 / how gateways, spool and deliveries stand."""
    here = need(workspace)
    report = read_status(here.root / DATABASE_FILE, notes=notes)
    if report is None:
        raise InputError(
            "还没有登记网关 / no gateway is on board",
            doing="show the status of gateways",
            expected="登记过网关的工作区 / a workspace with gateways on board",
            next_step="dafeng gateway onboard --building 建筑代码 --gateway 网关号",
        )
    if metrics:
        typer.echo(prometheus_text(report.numbers), nl=False)
        return
    if as_json:
        emit("gateway.status/1", report.model_dump(mode="json"))
        return
    _show_status(report, problems=problems, most=most, quiet=quiet)


def _show_status(report: StatusReport, *, problems: bool, most: int, quiet: bool) -> None:
    shown = [
        one
        for one in report.gateways
        if not problems or not one.connected or one.unknown_points or one.withheld or abs(one.clock_error or 0) > 60
    ]
    show_table(
        "网关 / gateways" + ("（有问题的 / with problems）" if problems else ""),
        ["建筑", "网关", "协议", "登记", "在线", "最近通信", "最近读数", "读数", "待补传", "钟差 s", "故障", "最近故障", "未知表"],
        [
            (one.building, one.gateway, one.profile, _STATES[one.state], "是" if one.connected else "否", one.last_seen[:19],
             one.last_reading[:19], one.readings, "" if one.backlog is None else one.backlog,
             "" if one.clock_error is None else one.clock_error, one.faults, one.last_fault or ("login-failed" if one.login_failures else ""), one.unknown_points or "")
            for one in shown[:most]
        ],
        numbers=[7, 8, 9, 10, 12],
    )  # fmt: skip
    if len(shown) > most:
        note(f"共 {len(shown)} 个，显示前 {most} 个 / gateways, first {most} shown", quiet=quiet)
    numbers = report.numbers
    show_table(
        "接收与入湖 / spool and lake",
        ["待入湖报文", "待入湖读数", "字节", "最早收到", "拒收中", "入湖连续失败", "应答 p50 s", "应答 p99 s", "无法入湖读数"],
        [
            (report.spool_packets, report.spool_readings, report.spool_bytes, report.oldest_waiting[:19],
             "是" if numbers.get("spool_blocked") else "否", int(numbers.get("delivery_failures", 0)),
             f"{numbers.get('ack_seconds_p50', 0):.4f}", f"{numbers.get('ack_seconds_p99', 0):.4f}", report.set_aside)
        ],
        numbers=[0, 1, 2, 5, 6, 7, 8],
    )  # fmt: skip
    if report.notes:
        show_table(
            "最近事件 / newest events",
            ["时间", "级别", "事件", "建筑", "网关", "地址", "说明"],
            [
                [
                    one["at"][:19],
                    *(one[name] for name in ("severity", "name", "building", "gateway", "address", "detail")),
                ]
                for one in report.notes
            ],
        )
    written = numbers.get("flushed_timestamp_seconds")
    note("时间为 UTC / times are UTC" + ("" if written is None else f"；服务最近写状态 / server last wrote {datetime.fromtimestamp(written, UTC):%F %T}"), quiet=quiet)  # fmt: skip


@app.command()
def archive(
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="台账补登后，把临时表号下的读数归到表计 / give stored readings to their meters"),
    ] = False,
    take_aside: Annotated[
        bool,
        typer.Option(
            "--take-aside", help="因时刻超前而搁置的读数，时刻已到的入湖 / readings set aside as of the future"
        ),
    ] = False,
    most: Annotated[int, typer.Option(min=0, help="最多显示行数 / rows at most")] = 60,
    workspace: WorkspaceOption = None,
    fail_on: FailOn = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """网关所传表计与表计台账对照：不认识的、没有上传的、分项不符的 / what gateways send beside the ledger of meters."""
    here = need(workspace)
    setting = open_setting(here)
    report = read_status(here.root / DATABASE_FILE, notes=0)
    seen = () if report is None else report.points
    points = pl.DataFrame(seen, schema=dict.fromkeys(_POINT_COLUMNS, pl.String()))
    gateways = (
        [] if report is None else [(one.building, one.gateway) for one in report.gateways if one.state != "unknown"]
    )
    taken = _take_aside(here, setting) if take_aside and report is not None else 0
    adopted = adopt_gateway_meters(setting, points, recorded_at=clock()) if adopt else []
    found = check_gateway_archive(setting, points, gateways, as_of=clock().date())
    if as_json:
        emit(
            "gateway.archive/1",
            {
                "unknown": found.unknown.to_dicts(),
                "silent": found.silent.to_dicts(),
                "differing": found.differing.to_dicts(),
                "adopted": [vars(one) for one in adopted],
                "taken": taken,
                "findings": [finding.model_dump(mode="json") for finding in found.findings],
            },
        )
    else:
        show_findings(found.findings, quiet=quiet)
        heads = ["建筑", "网关", "表号", "功能", "编码"]
        show_table("台账不认识，存在临时表号下 / not in the ledger", heads, found.unknown.head(most).rows())
        show_table(
            "台账有而从未上传 / in the ledger, never sent",
            ["建筑", "网关", "表号", "功能", "表计"],
            found.silent.select("building", "gateway", "meter", "function", "house_meter").head(most).rows(),
        )
        if found.differing.height:
            show_table(
                "分项编码不符 / energy item differs", [*heads, "表计", "台账分项"], found.differing.head(most).rows()
            )
        if take_aside:
            note(f"搁置的读数 {taken} 个入湖 / readings that were set aside stored", quiet=quiet)
        for one in adopted:
            note(f"{one.was} → {one.meter}：{one.rows} 个读数 / readings", quiet=quiet)
        note(
            f"不认识 {found.unknown.height}，未上传 {found.silent.height}，分项不符 {found.differing.height} / unknown, silent, differing",
            quiet=quiet,
        )
    stop_on(found.findings, fail_on)


def _take_aside(here: Workspace, setting: Setting) -> int:
    ahead = timedelta(seconds=read_options(here.root / OPTIONS_FILE).delivery.ahead_seconds)
    connection = open_database(here.root / DATABASE_FILE)
    try:
        deliverer = GatewayDelivery(setting, ticking=lambda: 0.0, ahead=ahead)
        return take_set_aside(connection, deliverer, at=clock(), ahead=ahead)
    finally:
        connection.close()


@app.command()
def decode(
    file: Annotated[
        Path, typer.Argument(help="抓到的报文：原始字节或十六进制文本 / captured bytes, or hexadecimal text")
    ],
    ask: Annotated[bool, typer.Option("--ask", help="询问密钥（不回显），默认用已登记的 / ask for the keys")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """抓包译成文字：帧、校验、协议变体、内容；不显示密钥 / captured frames in plain words."""
    here = find(workspace)
    setting = open_setting(here)
    try:
        data = read_capture(file.read_bytes())
    except OSError as error:
        raise InputError(
            f"{file} 读不了 / cannot be read: {error.strerror}",
            doing="decode a capture",
            expected="一个可读的文件 / a file that can be read",
            next_step="检查路径和权限 / check path and permissions",
        ) from error
    keys: list[Keys] = []
    if ask:
        key = typer.prompt("密钥 / key", hide_input=True, err=True)
        vector = typer.prompt("向量（空为同密钥） / vector", hide_input=True, default="", show_default=False, err=True)
        keys = [Keys.parse(key, vector or None, secret="-")]
    elif here is not None and (here.root / DATABASE_FILE).is_file():
        connection = open_database(here.root / DATABASE_FILE)
        try:
            keys = [account.keys for account in Registry(connection).accounts()]
        finally:
            connection.close()
    found = decode_capture(data, setting.catalog.gateway_profiles.values(), keys)
    texts = [describe(one) for one in found]
    if as_json:
        emit("gateway.decode/1", {"bytes": len(data), "frames": texts})
        return
    for number, lines in enumerate(texts, 1):
        typer.echo(f"[{number}] " + "\n    ".join(lines))
    if not keys:
        note(
            "没有密钥，密文没有解开：用 --ask，或在登记过网关的工作区运行 / no keys: --ask, or a workspace with gateways",
            quiet=quiet,
        )
