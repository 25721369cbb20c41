"""`dafeng gateway`: gateways on board, the server, how it stands, captured frames in plain words."""

from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import polars as pl
import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.cli.lazy import group_with, load_module
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
from dafeng.gateway.database import DATABASE_FILE, open_database, sole_server
from dafeng.gateway.decoding import decode_capture, describe, read_capture
from dafeng.gateway.metrics import prometheus_text
from dafeng.gateway.options import OPTIONS_FILE, ServerOptions, read_options, tls_context
from dafeng.gateway.profile import Keys
from dafeng.gateway.registry import NewGateway, Registry, make_keys, new_account, read_onboarding
from dafeng.gateway.server import GatewayServer
from dafeng.gateway.status import Event, StatusReport, read_status
from dafeng.gateway.upper_server import UpperServer
from dafeng.lake import Workspace
from dafeng.workflow.metering_gateway import adopt_gateway_meters, check_gateway_archive
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

_ELSEWHERE: Final[dict[str, str]] = {
    **dict.fromkeys(("simulate", "send", "uploads"), "gateway_simulate"),
    "mqtt": "gateway_mqtt",
    "poll": "gateway_poll",
}
"""Commands of other modules."""

app = typer.Typer(
    cls=group_with(_ELSEWHERE),
    no_args_is_help=True,
    help="网关：上线、接收、状态、解码 / gateways of meters",
    rich_markup_mode=None,
)
_SWITCH_SECONDS: Final = 0.001
_COLLECTING: Final = (50_000, 20, 50)
_POINT_COLUMNS: Final = ("building", "gateway", "meter", "function", "coding", "house_meter", "since")
_STATES: Final = {"active": "正常", "suspended": "停用", "unknown": "未登记"}


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="监听地址 / address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="明文端口，0 由系统选 / plain port")] = None,
    tls_port: Annotated[int | None, typer.Option("--tls-port", min=0, max=65535, help="TLS 端口 / TLS port")] = None,
    tls_certificate: Annotated[Path | None, typer.Option("--tls-certificate", help="证书链 PEM / certificate")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="私钥 PEM / private key")] = None,
    tls_only: Annotated[
        bool, typer.Option("--tls-only", "--no-plain-port", help="不开明文端口 / no plain port")
    ] = False,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=0, max=65535, help="本机 HTTP 指标端口 / metrics on 127.0.0.1")
    ] = None,
    upper_port: Annotated[
        int | None,
        typer.Option("--upper-port", min=0, max=65535, help="接收下级平台上报的端口 / port for lower centres"),
    ] = None,
    mqtt: Annotated[
        Path | None, typer.Option("--mqtt", help="MQTT 设置，YAML：也收代理转来的读数 / file of an MQTT broker")
    ] = None,
    modbus: Annotated[
        Path | None, typer.Option("--modbus", help="Modbus 设备表，YAML：定时采集 / file of Modbus devices to poll")
    ] = None,
    deliver: Annotated[bool, typer.Option(help="收到的读数送入读数湖 / deliver to the lake")] = True,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """接收网关上报，先落盘后应答；SIGTERM 停止，SIGHUP 重读证书 / take in what gateways report."""
    here = need(workspace)
    options = read_options(here.root / OPTIONS_FILE)
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "tls_port": tls_port,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "metrics_port": metrics_port,
        "upper_port": upper_port,
        "mqtt": None if mqtt is None else mqtt.absolute(),
        "modbus": None if modbus is None else modbus.absolute(),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= {"port": None} if tls_only else {}
    changes |= {} if deliver else {"deliver": False}
    try:
        options = ServerOptions.model_validate({**dict(options), **changes})
    except ValueError as error:
        raise UsageError(
            f"选项不合 / options do not fit: {'; '.join(str(fault['msg']) for fault in getattr(error, 'errors', list)())}",
            doing="serve gateways",
            expected="TLS 端口要有证书和私钥；至少一个端口，或 --mqtt、--modbus",
            next_step="改正选项或 gateway.toml",
        ) from error
    sys.setswitchinterval(_SWITCH_SECONDS)  # threads that write and deliver take turns with the sockets quickly
    with sole_server(here.root):
        asyncio.run(_serve(here, options, as_json=as_json, quiet=quiet))


async def _serve(here: Workspace, options: ServerOptions, *, as_json: bool, quiet: bool) -> None:
    def told(event: Event) -> None:
        if quiet and event.severity is Severity.INFO and not event.name.startswith("server."):
            return
        with suppress(OSError):  # nobody reads the log any more: no reason to stop
            print(_line(event, as_json=as_json), file=sys.stderr, flush=True)

    setting = open_setting(here)
    server = GatewayServer(setting, options, clock=lambda: datetime.now(UTC), listener=told)
    upper = _upper_server(setting, options, told)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, server.reload_certificate)
    inputs = [
        load_module(module, doing="dafeng gateway serve").open_input(server, here.root / path)
        for module, path in (("gateway_mqtt", options.mqtt), ("gateway_poll", options.modbus))
        if path is not None
    ]
    await server.start()
    if upper is not None:
        await upper.start()
        told(Event(datetime.now(UTC), "server.upper-started", detail=f"port {upper.port}"))
    gc.freeze()  # the catalog and the libraries stay: collections need not look at them …
    gc.set_threshold(*_COLLECTING)  # … nor often at packets that wait for the disk
    try:
        async with AsyncExitStack() as started:
            for one in inputs:
                await one.start()
                started.push_async_callback(one.stop)
            await stopping.wait()
    finally:
        if upper is not None:
            await upper.stop()
        await server.stop()


def _upper_server(setting: Setting, options: ServerOptions, told: Callable[[Event], object]) -> UpperServer | None:
    """Return the receiving side for lower centres, where there is to be one."""
    if options.upper_port is None:
        return None

    def heard(name: str, centre: str, detail: str) -> None:
        told(Event(datetime.now(UTC), name, building=centre, detail=detail))

    return UpperServer(
        setting,
        clock=lambda: datetime.now(UTC),
        host=options.host,
        port=options.upper_port,
        tls=tls_context(options),
        told=heard,
    )


def _line(event: Event, *, as_json: bool) -> str:
    """Return an event as one line; what senders wrote cannot break it."""
    fields = {
        "at": event.at.isoformat(timespec="milliseconds"),
        "level": event.severity.value,
        "event": event.name,
        "building": event.building,
        "gateway": event.gateway,
        "address": event.address,
        "detail": event.detail,
    }
    said = {name: value for name, value in fields.items() if value}
    if as_json:
        return json.dumps(said, ensure_ascii=False)
    rest = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in list(said.items())[3:])
    return f"{fields['at']} {fields['level']:7} {event.name} {rest}".rstrip()


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
            expected="--building 和 --gateway，或一个文件",
            next_step="dafeng gateway onboard --building 370202A001 --gateway 01",
        )
    if [rotate, suspend, resume, file is not None].count(True) > 1:
        raise UsageError(
            "--rotate、--suspend、--resume、文件只能选一个 / choose one",
            doing="onboard gateways",
            expected="一次做一件事",
            next_step="分几次运行",
        )
    if keys_out is not None and keys_out.exists():
        raise InputError(
            f"{keys_out} 已存在 / exists",
            doing="write made keys",
            expected="一个新文件 / a new file",
            next_step="换一个文件名 / name another file",
        )
    connection = open_database(here.root / DATABASE_FILE)
    try:
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
    finally:
        connection.close()
    if keys_out is not None and new:
        _write_keys(keys_out, new)
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


def _write_keys(path: Path, new: list[NewGateway]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["建筑代码", "网关编号", "协议", "密钥", "向量", "口令"])
    writer.writerows(_key_rows(new))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as stream:
        stream.write(text.getvalue())


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
            expected="登记过网关的工作区",
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
             "" if one.clock_error is None else one.clock_error, one.faults, one.last_fault, one.unknown_points or "")
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
                [one[name] for name in ("at", "severity", "name", "building", "gateway", "address", "detail")]
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
        for one in adopted:
            note(f"{one.was} → {one.meter}：{one.rows} 个读数 / readings", quiet=quiet)
        note(
            f"不认识 {found.unknown.height}，未上传 {found.silent.height}，分项不符 {found.differing.height} / unknown, silent, differing",
            quiet=quiet,
        )
    stop_on(found.findings, fail_on)


@app.command()
def decode(
    file: Annotated[
        Path, typer.Argument(help="抓到的报文：原始字节或十六进制文本 / captured bytes, or hexadecimal text")
    ],
    ask: Annotated[bool, typer.Option("--ask", help="询问密钥（不回显），默认用已登记的 / ask for the keys")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
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
            expected="一个可读的文件",
            next_step="检查路径和权限",
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
            "没有密钥，密文没有解开：用 --ask，或在登记过网关的工作区运行 / no keys: --ask, or a workspace with gateways"
        )
