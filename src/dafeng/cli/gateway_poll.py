"""`dafeng gateway poll`: devices of a file asked once, for a look; the way in by Modbus for the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from dafeng.base.errors import UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.cli.output import FailOn, Json, Quiet, emit, show_findings, show_table, stop_on
from dafeng.gateway.input_files import ModbusPoint, ModbusSettings, read_modbus_file, sound_settings
from dafeng.gateway.modbus_poll import ModbusInput, Polled, poll_device
from dafeng.gateway.server import GatewayServer

__all__ = ["app", "open_input"]

app = typer.Typer(rich_markup_mode=None)


def open_input(server: GatewayServer, path: Path) -> ModbusInput:
    """Return the way in that a file describes; it is started by the caller.

    Raises
    ------
    ContentError
        The file is faulty.
    """
    return ModbusInput(server, sound_settings(read_modbus_file(path), path))


@app.command()
def poll(
    file: Annotated[Path, typer.Argument(help="Modbus 设备表，YAML / file of devices")],
    device: Annotated[
        list[str] | None, typer.Option("--device", "-d", help="只问这些设备，可多个 / these devices only")
    ] = None,
    fail_on: FailOn = Severity.ERROR,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """核对设备表，各问一次并显示，不入库；定时采集用 serve --modbus / ask every device once and show what it says."""
    settings = sound_settings(read_modbus_file(file), file)
    points = settings.points()
    for name in device or []:
        names = [point.device.name for point in points]
        if name not in names:
            raise UnknownNameError(
                f"没有设备 {name!r} / no such device",
                doing="poll Modbus devices",
                expected="、".join(close_names(name, names) or names[:10]),
                next_step=f"改用 {file.name} 中的设备名 / name one of the file",
            )
    asked = [point for point in points if not device or point.device.name in device]
    polled = asyncio.run(_poll_all(asked, settings))
    findings = [finding for one in polled for finding in one.findings]
    rows = [
        (point.device.name, one.packet.at.isoformat(), reading.meter, reading.function, reading.text, reading.error)
        for point, one in zip(asked, polled, strict=True)
        if one.packet is not None
        for reading in one.packet.readings
    ]
    if as_json:
        heads = ("device", "at", "meter", "function", "text", "error")
        shown = [finding.model_dump(mode="json") for finding in findings]
        readings = [dict(zip(heads, row, strict=True)) for row in rows]
        emit("gateway.poll/1", {"devices": len(asked), "readings": readings, "findings": shown})
    else:
        show_findings(findings, quiet=quiet)
        show_table(
            "读数，没有入库 / readings, not stored",
            ["设备", "时间 UTC", "表号", "功能", "值", "错误"],
            rows,
            numbers=[4],
        )
    stop_on(_weighed(findings), fail_on)


def _weighed(findings: Sequence[Finding]) -> list[Finding]:
    """Whoever asks once wants to know by the exit code that something was not read."""
    return [finding.model_copy(update={"severity": Severity.ERROR}) for finding in findings]


async def _poll_all(points: Sequence[ModbusPoint], settings: ModbusSettings) -> list[Polled]:
    lines: dict[tuple[str, int], asyncio.Lock] = {}
    places = asyncio.Semaphore(settings.at_once)

    async def ask(point: ModbusPoint) -> Polled:
        async with lines.setdefault((point.device.host, point.device.port), asyncio.Lock()), places:
            return await poll_device(
                point,
                clock=lambda: datetime.now(UTC),
                most_registers=settings.most_registers,
                read_gap=settings.read_gap,
            )

    return await asyncio.gather(*map(ask, points))
