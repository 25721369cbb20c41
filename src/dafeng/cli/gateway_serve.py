"""`dafeng gateway serve`: the server, its log, the other ways in."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Full, Queue
from typing import Annotated, Any, Final

import typer

from dafeng.base.errors import UsageError
from dafeng.base.finding import Severity
from dafeng.cli.lazy import load_module
from dafeng.cli.output import Json, Quiet, WorkspaceOption
from dafeng.cli.places import need
from dafeng.gateway.database import sole_server
from dafeng.gateway.options import OPTIONS_FILE, ServerOptions, read_options, tls_context
from dafeng.gateway.server import GatewayServer
from dafeng.gateway.status import Event
from dafeng.gateway.upper_server import UpperServer
from dafeng.lake import Workspace
from dafeng.workflow.setting import Setting, open_setting

__all__ = ["app"]

app = typer.Typer(rich_markup_mode=None)
_SWITCH_SECONDS: Final = 0.001
_COLLECTING: Final = (50_000, 20, 50)
_LINES: Final = 10_000
_STDERR: Final = 2
_LAST_SECONDS: Final = 2.0
_UNSEEN: Final = re.compile("[\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Characters of senders that would steer a terminal or hide what stands there."""


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
            expected="TLS 端口要有证书和私钥；至少一个端口，或 --mqtt、--modbus / a certificate for a TLS port; some way in",
            next_step="改正选项或 gateway.toml / mend the options or gateway.toml",
        ) from error
    sys.setswitchinterval(_SWITCH_SECONDS)  # threads that write and deliver take turns with the sockets quickly
    with sole_server(here.root):
        asyncio.run(_serve(here, options, as_json=as_json, quiet=quiet))


async def _serve(here: Workspace, options: ServerOptions, *, as_json: bool, quiet: bool) -> None:
    log = _Log(_STDERR)

    def told(event: Event) -> None:
        if not quiet or event.severity is not Severity.INFO or event.name.startswith("server."):
            log.put(_line(event, as_json=as_json))

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
        log.close()


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
    said = {
        name: _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", value) for name, value in fields.items() if value
    }
    if as_json:
        return json.dumps(said, ensure_ascii=False)
    rest = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in list(said.items())[3:])
    return f"{fields['at']} {fields['level']:7} {event.name} {rest}".rstrip()


class _Log:
    """Lines for whoever reads the log, written by a thread of their own: a reader that hangs holds up no gateway.

    Parameters
    ----------
    handle : int
        File descriptor.
    most : int
        Lines that wait; beyond, they are dropped, and their number is said as soon as there is room.
    """

    def __init__(self, handle: int, most: int = _LINES) -> None:
        self._handle = handle
        self._lines: Queue[str | None] = Queue(most)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="gateway-log", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written, or dropped; never waits."""
        try:
            if self._dropped:
                self._lines.put_nowait(self._notice())
                self._dropped = 0
            self._lines.put_nowait(line)
        except Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, if it is read within a moment."""
        until = time.monotonic() + _LAST_SECONDS
        with suppress(Full):
            for line in [self._notice()] * bool(self._dropped) + [None]:
                self._lines.put(line, timeout=max(0.0, until - time.monotonic()))
            self._thread.join(max(0.0, until - time.monotonic()))

    def _notice(self) -> str:
        return f"… {self._dropped} lines dropped: nobody read the log"

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            data = f"{line}\n".encode(errors="replace")
            try:
                while data:
                    data = data[os.write(self._handle, data) :]
            except OSError:
                continue  # nobody reads the log any more: no reason to stop
