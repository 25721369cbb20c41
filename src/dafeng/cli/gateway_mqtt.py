"""`dafeng gateway mqtt`: the file of a broker and sample messages checked; the way in by MQTT for the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dafeng.base.errors import InputError, UsageError
from dafeng.base.finding import Finding, Severity
from dafeng.cli.output import FailOn, Json, Quiet, clock, emit, note, show_findings, show_table, stop_on
from dafeng.gateway.input_files import MqttSettings, read_mqtt_file, read_password, sound_settings
from dafeng.gateway.mqtt_in import MqttInput
from dafeng.gateway.mqtt_json import MessageLimits, match_topic, message_schema, read_message, topic_filter
from dafeng.gateway.server import GatewayServer

__all__ = ["app", "open_input"]

app = typer.Typer(rich_markup_mode=None)
_SHOWN = 40


def open_input(server: GatewayServer, path: Path) -> MqttInput:
    """Return the way in that a file describes; it is started by the caller.

    Raises
    ------
    ContentError
        The file is faulty.
    InputError
        The file of the password cannot be read.
    """
    read = read_mqtt_file(path)
    settings = sound_settings(read, path)
    show_findings(read[1], quiet=False)
    return MqttInput(server, settings, password=read_password(settings))


@app.command()
def mqtt(
    file: Annotated[Path | None, typer.Argument(help="MQTT 设置，YAML / file of a broker")] = None,
    message: Annotated[
        list[Path] | None, typer.Option("--message", "-m", help="样例消息，JSON，可多个 / sample messages to be read")
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", help="样例消息的主题，默认第一个网关的 / topic of the samples")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="输出消息的 JSON Schema / the form of messages")] = False,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """核对 MQTT 设置和样例消息，不连接、不入库；接收用 serve --mqtt / check a broker's file and sample messages."""
    if schema:
        emit("mqtt.schema/1", {"form": message_schema()})
        return
    if file is None:
        raise UsageError(
            "没有给设置文件 / no file",
            doing="check the file of an MQTT broker",
            expected="YAML 文件，或 --schema",
            next_step="dafeng gateway mqtt mqtt.yaml",
        )
    settings, findings = read_mqtt_file(file)
    readings: list[dict[str, Any]] = []
    refused: list[Finding] = []
    for sample in message or []:
        if settings is not None:
            found, faults = _read_sample(settings, sample, topic)
            readings += found
            refused += faults
    if as_json:
        shown = [finding.model_dump(mode="json") for finding in (*findings, *refused)]
        emit("gateway.mqtt/1", {"sound": settings is not None, "readings": readings, "findings": shown})
    else:
        show_findings((*findings, *refused), quiet=quiet)
        if settings is not None:
            tls = "TLS" if settings.tls is not None else "不加密 / plain"
            note(
                f"代理 {settings.host}:{settings.port_used}（{tls}），订阅 {topic_filter(settings.topic)}，"
                f"网关 {len(settings.gateways)} 个 / broker, topic, gateways",
                quiet=quiet,
            )
        if readings:
            show_table(
                "样例中的读数 / readings of the samples",
                ["文件", "建筑", "网关", "时间 UTC", "表号", "功能", "值", "错误标志"],
                [list(one.values()) for one in readings[:_SHOWN]],
            )
    stop_on([*findings, *(finding.model_copy(update={"severity": Severity.ERROR}) for finding in refused)], fail_on)


def _read_sample(
    settings: MqttSettings, sample: Path, topic: str | None
) -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:
    if topic is None and settings.gateways:
        building, gateway = settings.gateways[0].building, settings.gateways[0].gateway
    else:
        found = match_topic(settings.topic, topic or "")
        if found is None:
            raise UsageError(
                f"主题 {topic or ''!r} 不合 {settings.topic} / does not fit",
                doing="read a sample message",
                expected=settings.topic,
                next_step="--topic dafeng/370202A001/01/readings",
            )
        building, gateway = found
    zone = {(one.building, one.gateway): one.zone for one in settings.gateways}.get((building, gateway))
    try:
        payload = sample.read_bytes()
    except OSError as error:
        raise InputError(
            f"{sample} 读不了 / cannot be read: {error.strerror}",
            doing="read a sample message",
            expected="JSON 文件 / a JSON file",
            next_step="检查路径和权限 / check path and permissions",
        ) from error
    read = read_message(
        payload,
        building=building,
        gateway=gateway,
        zone=zone or settings.zone,
        received_at=clock(),
        limits=MessageLimits(settings.message_bytes, settings.message_readings),
    )
    rows = [
        {
            "file": sample.name,
            "building": building,
            "gateway": gateway,
            "at": packet.at.isoformat(),
            "meter": reading.meter,
            "function": reading.function,
            "text": reading.text,
            "error": reading.error,
        }
        for packet in read.packets
        for reading in packet.readings
    ]
    return rows, read.refused
