"""`dafeng gateway simulate`, `send`, `uploads`: an invented city of gateways, and documents to the upper centre."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.cli.output import (
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
from dafeng.cli.places import find, need
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.profile import Account
from dafeng.gateway.registry import Registry, read_onboarding
from dafeng.gateway.simulator_check import check_buildings, check_city
from dafeng.gateway.simulator_faults import EFFECTS, FAULT_SHARES, FaultKind
from dafeng.gateway.simulator_files import (
    CITY_FILE,
    City,
    CityRecord,
    make_city,
    open_city,
    prepare_workspace,
    write_city,
)
from dafeng.gateway.simulator_plan import CityOptions
from dafeng.gateway.simulator_player import Played, PlayOptions, play_city
from dafeng.gateway.upper_receiving import UpperLimits
from dafeng.gateway.upper_sending import Sent, UploadOptions, due_documents, send_documents
from dafeng.gateway.upper_store import UpperStore, late_and_missing
from dafeng.workflow.metering import ZONE
from dafeng.workflow.metering_import import month_span
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_TOLERANCE: Final = 0.5
"""A total is the truth where it differs by less: to the last kWh."""
_TOLD: Final = 10
_ADDRESS: Final = "主机:端口 / host:port"
Tls = Annotated[bool, typer.Option("--tls", help="经 TLS 连接 / connect over TLS")]
Authority = Annotated[
    Path | None, typer.Option("--tls-authority", help="签发对方证书的机构证书 PEM / authority of its certificate")
]


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="模拟城市的文件夹 / folder of the city")],
    day: Annotated[str | None, typer.Option(help="逐时段上报的第一天，默认昨天 / first day of reports")] = None,
    days: Annotated[int, typer.Option(min=1, max=40, help="几天 / days")] = 1,
    gateways: Annotated[int, typer.Option(min=1, max=20_000, help="网关数 / gateways")] = 50,
    meters: Annotated[int, typer.Option(min=1, max=99, help="每个网关的表数 / meters of a gateway")] = 12,
    minutes: Annotated[int, typer.Option(min=1, max=60, help="采集间隔 / minutes between readings")] = 15,
    seed: Annotated[int, typer.Option(help="随机种子：同一种子，同样的城市 / seed")] = 1,
    place: Annotated[str, typer.Option("--place", "-p", help="城市 / city")] = "qingdao",
    profile: Annotated[list[str] | None, typer.Option("--profile", help="协议变体，可重复 / profile")] = None,
    faults: Annotated[bool, typer.Option(help="是否有故障 / whether anything goes wrong")] = True,
    fault: Annotated[
        list[FaultKind] | None, typer.Option("--fault", help="只要这些故障，可重复 / only these faults")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="台账、网关账户、换表事件写入工作区 / put ledgers and accounts in")
    ] = False,
    to: Annotated[str | None, typer.Option("--to", help=f"向网关服务上报，{_ADDRESS} / report to a server")] = None,
    speed: Annotated[float | None, typer.Option(min=0.01, help="几倍时速；默认随应答尽快 / times real time")] = None,
    retry: Annotated[float, typer.Option(min=0.05, help="未应答几秒后重发 / seconds before it is sent again")] = 3.0,
    tls: Tls = False,
    tls_authority: Authority = None,
    check: Annotated[
        bool, typer.Option("--check", help="汇总后与真值对照 / compare what was rolled up with the truth")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="文件夹已有城市时重新生成 / make it anew")] = False,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """模拟一座城市的网关：写出台账、密钥和真值，上报，对照 / play a city of gateways, with the truth beside."""
    here = need(workspace) if prepare or check else find(workspace)
    setting = open_setting(here)
    city = _city(
        setting, folder, day=day, days=days, gateways=gateways, meters=meters, minutes=minutes, seed=seed, place=place,
        profiles=tuple(profile or ["N"]), faults=None if faults else [], chosen=fault, force=force,
    )  # fmt: skip
    findings: list[Finding] = []
    if prepare:
        findings += prepare_workspace(city, folder, setting, recorded_at=clock())
    played: Played | None = None
    if to is not None:
        host, port = _address(to)
        options = PlayOptions(host=host, port=port, speed=speed, retry=retry)
        with progress(quiet=quiet or as_json) as listener:
            played = asyncio.run(
                play_city(
                    city, options, dict(setting.catalog.gateway_profiles), clock=lambda: datetime.now(UTC),
                    tls=_context(tls, tls_authority), listener=listener,
                )
            )  # fmt: skip
    compared = check_city(check_buildings(setting, city)) if check else None
    if compared is not None:
        findings += _differences(compared)
    if as_json:
        emit("gateway.simulate/1", _simulated(city, folder, played, compared, findings))
    else:
        show_findings(findings, quiet=quiet)
        _show_city(city, folder, played, compared, quiet=quiet)
    stop_on(findings, Severity.ERROR)


def _city(
    setting: Setting,
    folder: Path,
    *,
    day: str | None,
    seed: int,
    profiles: tuple[str, ...],
    faults: list[FaultKind] | None,
    chosen: list[FaultKind] | None,
    force: bool,
    **size: Any,
) -> City:
    """Return the city of a folder, made and written where there is none."""
    known = (folder / CITY_FILE).is_file() and not force
    if known and day is not None:
        raise UsageError(
            f"{folder} 已有一座城市 / has a city already",
            doing="simulate a city",
            expected="一个新文件夹，或不带 --day",
            next_step="去掉 --day 沿用，或加 --force 重新生成",
        )
    missing = [name for name in profiles if name not in setting.catalog.gateway_profiles]
    if missing:
        raise UsageError(
            f"没有协议变体 {'、'.join(missing)} / no such profile",
            doing="simulate a city",
            expected="、".join(setting.catalog.gateway_profiles),
            next_step="改用目录中的编号",
        )
    if known:
        record = open_city(folder)
    else:
        first = as_day(day, option="--day") if day is not None else clock().date() - timedelta(days=1)
        shares: dict[FaultKind, float] | None = None if faults is None else {}
        if chosen:
            shares = {kind: FAULT_SHARES[kind] for kind in chosen}
        record = CityRecord(options=CityOptions(day=first, profiles=profiles, **size), seed=seed, faults=shares)
    city = make_city(record, setting.catalog, [np.random.default_rng([record.seed, part]) for part in (0, 1)])
    if not known:
        write_city(city, folder, setting.catalog)
    return city


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(
            f"{text!r} 不是地址 / is no address",
            doing="connect to a server",
            expected="127.0.0.1:9600",
            next_step="写成 主机:端口",
        )
    return host.strip("[]"), int(port)


def _context(tls: bool, authority: Path | None) -> ssl.SSLContext | None:
    if not tls and authority is None:
        return None
    try:
        return ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"{authority} 读不了 / cannot be read: {error}",
            doing="set up TLS",
            expected="PEM 证书文件",
            next_step="检查路径和内容",
        ) from error


def _differences(compared: pl.DataFrame) -> list[Finding]:
    wrong = compared.filter((pl.col("difference").abs() >= _TOLERANCE) | (pl.col("covered") != pl.col("house_covered")))
    return [
        Finding(
            name="gateway.simulator.differs",
            sentence=f"{row['item']} {row['period']}：平台 {row['house']:.3f}，真值 {row['metered']:.3f}，"
            f"已知时间 {row['house_covered']} s，应为 {row['covered']} s",
            severity=Severity.ERROR,
            next_step="确认已全部入湖并汇总（dafeng meter rollup）",
        )
        for row in wrong.head(_TOLD).iter_rows(named=True)
    ]


def _simulated(
    city: City, folder: Path, played: Played | None, compared: pl.DataFrame | None, findings: list[Finding]
) -> dict[str, Any]:
    kept = [] if played is None else [one for one in played.gateways if one.kept]
    return {
        "folder": str(folder),
        "options": city.record.options.model_dump(mode="json"),
        "seed": city.record.seed,
        "gateways": len(city.plan.gateways),
        "meters": city.plan.meters.height,
        "faults": _counts(city),
        "played": None
        if played is None
        else {
            "acknowledged": played.acked,
            "frames": played.frames,
            "seconds": round(played.seconds, 3),
            "keeping": {city.plan.gateways[one.number].building: len(one.kept) for one in kept},
        },
        "compared": None if compared is None else compared.to_dicts(),
        "findings": [finding.model_dump(mode="json") for finding in findings],
    }


def _counts(city: City) -> dict[str, int]:
    kinds = [fault.kind.value for fault in city.shown.faults]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def _show_city(city: City, folder: Path, played: Played | None, compared: pl.DataFrame | None, *, quiet: bool) -> None:
    options = city.record.options
    note(
        f"{folder}：{options.day} 起 {options.days} 天，{len(city.plan.gateways)} 个网关，{city.plan.meters.height} 块表",
        quiet=quiet,
    )
    if played is None and compared is None:
        show_table(
            "故障 / faults",
            ["故障", "次数", "后果", "说明"],
            [(kind, count, *EFFECTS[FaultKind(kind)]) for kind, count in _counts(city).items()],
            numbers=[1],
        )
    if played is not None:
        show_table(
            "上报 / reports",
            ["已应答", "发出", "重发", "连接", "登录被拒", "未送达", "秒"],
            [
                (played.acked, played.frames, sum(one.again for one in played.gateways),
                 sum(one.connections for one in played.gateways), sum(one.refused for one in played.gateways),
                 sum(len(one.kept) for one in played.gateways), f"{played.seconds:.1f}")
            ],
            numbers=list(range(7)),
        )  # fmt: skip
        note("下一步 / next：等待入湖，dafeng meter rollup，再加 --check 对照", quiet=quiet)
    if compared is not None:
        show_table(
            "与真值对照 / beside the truth",
            ["分项", "时期", "真值", "平台", "相差", "已知时间占比"],
            [
                (row["item"], row["period"], f"{row['metered']:.3f}", f"{row['house']:.3f}", f"{row['difference']:.6f}",
                 f"{row['house_covered'] / row['expected']:.1%}" if row["expected"] else "")
                for row in compared.iter_rows(named=True)
            ],
            numbers=[2, 3, 4, 5],
        )  # fmt: skip


@app.command()
def send(
    to: Annotated[str, typer.Option("--to", help=f"上级平台，{_ADDRESS} / upper centre")],
    account: Annotated[
        Path, typer.Option("--account", help="上级发给本中心的密钥表，一行，网关编号 00 / keys from the upper centre")
    ],
    period: Annotated[str | None, typer.Option(help="只报这一时期的每日文件 / daily files of this period only")] = None,
    days_back: Annotated[int, typer.Option(min=0, max=400, help="往前看几天 / days looked at again")] = 7,
    hourly: Annotated[bool, typer.Option(help="逐时上报今天已过的小时 / also hours of today")] = True,
    delay_hours: Annotated[int, typer.Option(min=0, max=48, help="小时值延后几小时 / delay of hours")] = 3,
    tls: Tls = False,
    tls_authority: Authority = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """向上级平台上报台账、每日文件和小时值；断点续传，重复无害 / upload to the centre above."""
    here = need(workspace)
    setting = open_setting(here)
    host, port = _address(to)
    options = UploadOptions(host=host, port=port, days_back=days_back, delay_hours=delay_hours)
    own = _own_account(setting, account)
    span = None if period is None else month_span(period)
    today = clock().astimezone(ZoneInfo(ZONE)).date()
    chosen = (
        None if span is None else [span[0] + timedelta(days=n) for n in range((min(span[1], today) - span[0]).days)]
    )
    connection = open_database(here.root / DATABASE_FILE)
    try:
        store = UpperStore(connection)
        with progress(quiet=quiet or as_json) as listener:
            due, unchanged, empty = due_documents(
                setting, store, options, centre=own.building, at=clock(), days=chosen, hourly=hourly and span is None,
                listener=listener,
            )  # fmt: skip
            asked = (span[0], min(span[1], today)) if span else (today - timedelta(days=max(days_back, 1)), today)
            sent = asyncio.run(
                send_documents(
                    due, store, own, setting.catalog.gateway_profiles[own.profile], options, clock=lambda: datetime.now(UTC),
                    ask=asked, unchanged=len(unchanged), empty=empty, tls=_context(tls, tls_authority), listener=listener,
                )
            )  # fmt: skip
    finally:
        connection.close()
    findings = _sent_findings(sent)
    if as_json:
        emit(
            "gateway.send/1",
            {
                "receipts": [
                    {"kind": kind, "period": when, "state": receipt.state, "values": receipt.values,
                     "refused": receipt.refused, "detail": receipt.detail, "sha256": receipt.sha256}
                    for kind, when, receipt in sent.receipts
                ],
                "unchanged": sent.unchanged, "empty": sent.empty, "waiting": sent.waiting,
                "missing": sent.missing, "late": sent.late,
                "findings": [finding.model_dump(mode="json") for finding in findings],
            },
        )  # fmt: skip
    else:
        show_findings(findings, quiet=quiet)
        show_table(
            "回执 / receipts",
            ["文件", "时期", "结果", "采用", "退回", "说明"],
            [
                (kind, when, _STATES[receipt.state], receipt.values, receipt.refused, receipt.detail)
                for kind, when, receipt in sent.receipts
            ],
            numbers=[3, 4],
        )
        note(f"上级已有相同文件 {sent.unchanged} 份 / unchanged", quiet=quiet)
    stop_on(findings, Severity.ERROR)


_STATES: Final = {"imported": "已入库", "refused": "退回", "waiting": "待发", "partial": "未收齐", "empty": "无数据"}


def _own_account(setting: Setting, path: Path) -> Account:
    read = read_onboarding(path, setting.catalog.gateway_profiles)
    made = [one for one in read.gateways if one.account.of_centre and not one.made]
    if len(made) != 1:
        raise InputError(
            f"{path.name} 有 {len(made)} 行中心账户 / accounts of a centre",
            doing="read the account with the upper centre",
            expected="一行：建筑代码为本中心六位代码，网关编号 00，密钥、向量、口令",
            next_step="用上级给的密钥表 / use the table from the upper centre",
        )
    return made[0].account


def _sent_findings(sent: Sent) -> list[Finding]:
    found = [
        Finding(
            name="gateway.upper.refused",
            sentence=f"上级退回 {kind} {when}：{receipt.detail}",
            severity=Severity.ERROR,
            next_step="按说明改正后重新上报",
        )
        for kind, when, receipt in sent.receipts
        if receipt.state == "refused"
    ]
    lists = {
        "waiting": (sent.waiting, Severity.ERROR, "未能送达，下次再发", "检查网络和上级服务"),
        "missing": (sent.missing, Severity.WARNING, "上级缺这些天", "核对这些天的读数，汇总后用 --period 补报"),
        "late": (sent.late, Severity.INFO, "上级收到时已逾期", "调整上报时间"),
        "empty": (sent.empty, Severity.INFO, "本级没有完整小时值", "核对读数是否入库并汇总"),
    }
    for name, (periods, severity, sentence, following) in lists.items():
        if periods:
            listed = "、".join(periods[:20]) + (f" 等 {len(periods)} 个" if len(periods) > 20 else "")
            found.append(
                Finding(
                    name=f"gateway.upper.{name}",
                    sentence=f"{sentence}：{listed}",
                    severity=severity,
                    next_step=following,
                )
            )
    return found


@app.command()
def uploads(
    period: Annotated[str | None, typer.Option(help="哪一时期，默认本月 / period, by default this month")] = None,
    workspace: WorkspaceOption = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """上报台账：本级发出的和下级报来的，缺报和迟报 / what was sent and received, what is late or missing."""
    here = need(workspace)
    first, past = month_span(period or f"{clock().date():%Y-%m}")
    connection = open_database(here.root / DATABASE_FILE)
    try:
        store = UpperStore(connection)
        centres = [one.building for one in Registry(connection).accounts() if one.of_centre]
        sent, received = (
            table.filter(pl.col("period").str.head(10).is_between(pl.lit(str(first)), pl.lit(str(past)), closed="left"))
            for table in (store.sent(), store.received())
        )
    finally:
        connection.close()
    days = [first + timedelta(days=number) for number in range((past - first).days)]
    standing = {centre: _standing(received, centre, days) for centre in centres}
    if as_json:
        emit(
            "gateway.uploads/1",
            {
                "sent": sent.to_dicts(),
                "received": received.to_dicts(),
                "centres": {centre: {"missing": lists[0], "late": lists[1]} for centre, lists in standing.items()},
            },
        )
        return
    heads = ["种类", "时期", "文件", "状态", "采用", "时间", "说明"]
    for title, table, whose in (("发出 / sent", sent, "target"), ("收到 / received", received, "centre")):
        show_table(
            title,
            [whose, *heads],
            [
                (row[whose], row["kind"], row["period"], row["name"], _STATES.get(row["state"], row["state"]), row["taken"],
                 row["changed_at"][:19], row["detail"])
                for row in table.iter_rows(named=True)
            ],
            numbers=[5],
        )  # fmt: skip
    show_table(
        "下级中心 / lower centres",
        ["中心", "缺报", "迟报"],
        [(centre, "、".join(missing), "、".join(late)) for centre, (missing, late) in standing.items()],
    )
    note("时间为 UTC / times are UTC", quiet=quiet)


def _standing(received: pl.DataFrame, centre: str, days: list[date]) -> tuple[list[str], list[str]]:
    rows = received.filter(pl.col("centre") == centre)
    return late_and_missing(rows, days, at=clock(), zone=ZONE, grace=UpperLimits().grace)
