"""`dafeng gateway mqtt`, `poll` and `serve --mqtt --modbus`, as a user runs them."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("paho", reason="the extra mqtt is not installed")
pytest.importorskip("pymodbus", reason="the extra modbus is not installed")

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from command_line import answer, run
from dafeng.gateway.database import DATABASE_FILE
from dafeng.gateway.status import read_status
from gateway_broker import MOSQUITTO, broker, free_port, send

DEVICE = "{{name: {name}, building: B1, gateway: '92', host: 127.0.0.1, port: {port}, meter: '{name}', timeout: 0.3, retries: 0, interval: 1, registers: [{{address: 0, type: uint16, scale: 0.1}}]}}"
BROKER = "host: 127.0.0.1\nport: {port}\ngateways: [{{building: B1, gateway: '91'}}]\n"


@contextmanager
def device() -> Iterator[int]:
    """Answer in a thread of its own: the command has the loop of this one."""
    port, loop = free_port(), asyncio.new_event_loop()
    data = [SimData(0, values=[1234], datatype=DataType.REGISTERS)]

    async def start() -> ModbusTcpServer:
        server = ModbusTcpServer(SimDevice(id=1, simdata=data), address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        return server

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(server.shutdown(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def write_devices(folder: Path, *ports: int) -> Path:
    path = folder / "modbus.yaml"
    rows = [f"  - {DEVICE.format(name=f'm{number}', port=port)}" for number, port in enumerate(ports, 1)]
    path.write_text("\n".join(["devices:", *rows]), encoding="utf-8")
    return path


def test_poll_shows_what_devices_say_and_which_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with device() as port:
        path = write_devices(tmp_path, port, free_port())
        said = answer(capsys, "gateway", "poll", str(path), "--device", "m1")
        assert [(one["meter"], one["text"]) for one in said["readings"]] == [("m1", "123.4")]
        said = answer(capsys, "gateway", "poll", str(path), code=1)
    assert len(said["readings"]) == 1
    assert [one["name"] for one in said["findings"]] == ["gateway.modbus-device.silent"]
    assert run("gateway", "poll", str(path), "--device", "m3") == 4


def test_a_faulty_file_is_refused_with_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "modbus.yaml"
    path.write_text("devices:\n  - {name: a}\n", encoding="utf-8")
    assert run("gateway", "poll", str(path)) == 4
    assert "modbus.yaml:line 2" in capsys.readouterr().err
    path = tmp_path / "mqtt.yaml"
    path.write_text("host: h\npassword: geheim\n", encoding="utf-8")
    assert run("gateway", "mqtt", str(path)) == 1
    said = capsys.readouterr()
    assert "password" in said.err + said.out
    assert "geheim" not in said.err + said.out


def test_sample_messages_are_read_without_a_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, good, bad = tmp_path / "mqtt.yaml", tmp_path / "good.json", tmp_path / "bad.json"
    path.write_text(BROKER.format(port=1883), encoding="utf-8")
    good.write_text('{"time": "2026-11-20 08:00", "readings": [{"meter": "1", "value": 2.50}]}', encoding="utf-8")
    bad.write_text('{"readings": [{"meter": "1", "value": 2}]}', encoding="utf-8")
    said = answer(capsys, "gateway", "mqtt", str(path), "--message", str(good))
    assert [(one["at"], one["text"]) for one in said["readings"]] == [("2026-11-20T00:00:00+00:00", "2.50")]
    said = answer(capsys, "gateway", "mqtt", str(path), "-m", str(bad), code=1)
    assert said["findings"][0]["name"] == "gateway.mqtt-reading.time-missing"
    assert run("gateway", "mqtt", str(path), "-m", str(good), "--topic", "other/1") == 2
    assert answer(capsys, "gateway", "mqtt", "--schema")["form"]["required"] == ["readings"]


@pytest.mark.parametrize(
    ("package", "module", "extra"), [("paho", "gateway_mqtt", "mqtt"), ("pymodbus", "gateway_poll", "modbus")]
)
def test_an_extra_that_is_absent_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str, module: str, extra: str
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name in (
            f"dafeng.cli.{module}",
            "dafeng.gateway.mqtt_in",
            "dafeng.gateway.modbus_poll",
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert run("gateway", extra if extra == "mqtt" else "poll", "x.yaml") == 2
    assert f"dafeng[{extra}]" in capsys.readouterr().err
    assert run("gateway", "--help") == 0
    assert f"dafeng[{extra}]" in capsys.readouterr().out


@pytest.mark.skipif(MOSQUITTO is None, reason="Mosquitto is not installed")
def test_one_server_takes_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "dafeng.cli.gateway_serve.gc", SimpleNamespace(freeze=lambda: None, set_threshold=lambda *_: None)
    )
    assert run("init", str(tmp_path / "w"), "--place", "qingdao", "--quiet") == 0
    (tmp_path / "w" / "gateway.toml").write_text('flush_seconds = 0.2\nmodbus = "../modbus.yaml"\n', encoding="utf-8")
    interval, problems = sys.getswitchinterval(), []

    def work(port: int) -> None:
        try:
            until = time.monotonic() + 40
            body = {"time": "2026-11-20T08:00:00Z", "readings": [{"meter": "1", "value": 5}]}
            while time.monotonic() < until:
                report = read_status(tmp_path / "w" / DATABASE_FILE)
                numbers = {} if report is None else report.numbers
                if numbers.get("mqtt_connected") and not numbers.get("mqtt_messages_total"):
                    asyncio.run(send(port, json.dumps(body), topic="dafeng/B1/91/readings"))
                if numbers.get("mqtt_messages_total") and numbers.get("modbus_polls_total", 0) >= 2:
                    break
                time.sleep(0.1)
        except Exception as error:
            problems.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with broker(tmp_path / "m") as port, device() as register_port:
        write_devices(tmp_path, register_port)
        (tmp_path / "mqtt.yaml").write_text(BROKER.format(port=port), encoding="utf-8")
        thread = threading.Thread(target=work, args=(port,))
        words = (
            "gateway",
            "serve",
            "--no-plain-port",
            "--mqtt",
            str(tmp_path / "mqtt.yaml"),
            "-w",
            str(tmp_path / "w"),
        )
        before = signal.signal(signal.SIGTERM, lambda *_: None)  # a kill that comes too late does no harm
        thread.start()
        try:
            assert run(*words) == 0
        finally:
            thread.join(60)
            signal.signal(signal.SIGTERM, before)
            sys.setswitchinterval(interval)
    assert problems == []
    capsys.readouterr()
    report = read_status(tmp_path / "w" / DATABASE_FILE)
    assert report is not None
    assert {(one["gateway"], one["meter"]) for one in report.points} == {("91", "1"), ("92", "m1")}
    assert report.spool_packets == 0
