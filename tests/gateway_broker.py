"""An MQTT broker, Modbus devices and a server with other ways in, for tests."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.publish as publish

from dafeng.gateway.input_files import MqttSettings
from dafeng.gateway.mqtt_in import MqttInput
from dafeng.gateway.server import GatewayServer
from dafeng.lake import Workspace
from dafeng.workflow.setting import Setting
from gateway_clients import options_of

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
TOPIC = "dafeng/370202A001/91/readings"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def broker(folder: Path, *lines: str, port: int | None = None) -> Iterator[int]:
    """Run Mosquitto; what it holds stays in the folder."""
    port = port or free_port()
    folder.mkdir(exist_ok=True)
    config = folder / "mosquitto.conf"
    settings = [
        "user root",
        "persistence true",
        f"persistence_location {folder}/",
        "max_queued_messages 0",
        f"listener {port} 127.0.0.1",
    ]
    config.write_text("\n".join([*settings, *(lines or ["allow_anonymous true"])]) + "\n")
    assert MOSQUITTO is not None
    process = subprocess.Popen([MOSQUITTO, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def send(port: int, *payloads: str | bytes, topic: str = TOPIC, **more: Any) -> None:
    """Publish, and wait until the broker has it."""
    messages = [{"topic": topic, "payload": payload, "qos": 1} for payload in payloads]
    await asyncio.to_thread(publish.multiple, messages, hostname="127.0.0.1", port=port, **more)


def settings_of(port: int, **more: Any) -> MqttSettings:
    given = {"host": "127.0.0.1", "port": port, "gateways": [{"building": "370202A001", "gateway": "91"}]} | more
    return MqttSettings.model_validate(given)


@asynccontextmanager
async def listening(server: GatewayServer, settings: MqttSettings, **more: Any) -> Any:
    one = MqttInput(server, settings, **more)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def hold(folder: str, port: str, flag: str) -> None:
    """Receive messages and never come to the commit: the work of a child process that is killed."""
    setting = Setting(
        SimpleNamespace(gateway_profiles={}, quarantines={}), Workspace.open(Path(folder))
    )  # all that it needs
    slow = options_of(spool={"group_milliseconds": 600_000.0}, flush_seconds=600.0, deliver=False)

    async def work() -> None:
        server = GatewayServer(setting, slow, clock=lambda: datetime.now(UTC))
        await server.start()
        async with listening(server, settings_of(int(port))):
            while not server.numbers()["packets_received_total"]:
                await asyncio.sleep(0.01)
            Path(flag).touch()
            await asyncio.sleep(600)

    asyncio.run(work())


def start_holding(folder: Path, port: int, flag: Path) -> subprocess.Popen[bytes]:
    words: Sequence[str] = (str(folder), str(port), str(flag))
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import gateway_broker; gateway_broker.hold(*sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", script, *words])
