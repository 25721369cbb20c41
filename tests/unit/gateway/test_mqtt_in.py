"""Readings from a broker: acknowledged when they are on the disk, whatever is killed; bad messages are noted and block nothing."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("paho", reason="the extra mqtt is not installed")

from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.registry import Registry
from dafeng.gateway.status import read_status
from dafeng.workflow.metering import open_house
from dafeng.workflow.setting import Setting
from gateway_broker import MOSQUITTO, broker, free_port, listening, send, settings_of, start_holding
from gateway_clients import NOW, Running, account_of, make_setting, options_of, until

pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="Mosquitto is not installed")


def message(number: int = 0, **more: Any) -> str:
    readings = [{"meter": "01001", "function": "1", "value": 100 + number}]
    return json.dumps({"time": f"2026-11-20T08:{number:02d}:00+08:00", "readings": readings} | more)


def stored(setting: Setting, *, history: bool = True) -> pl.DataFrame:
    return open_house(setting).readings.snapshot().read(history=history).sort("at", "received_at")


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 60)

    asyncio.run(bounded())


def table(setting: Setting, statement: str) -> list[tuple[Any, ...]]:
    assert setting.workspace is not None
    connection = sqlite3.connect(setting.workspace.root / DATABASE_FILE)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_messages_become_readings_and_the_status_shows_the_gateway(tmp_path: Path, protocol: str) -> None:
    setting = make_setting(tmp_path / "w")

    async def work() -> None:
        async with (
            Running(setting, options_of(port=0)) as here,
            listening(here.server, settings_of(port, protocol=protocol)),
        ):
            await until(lambda: here.told("mqtt.connected"))
            await asyncio.sleep(0.05)
            await send(port, *(message(number) for number in range(20)))
            await until(lambda: here.server.numbers()["delivered_readings_total"] == 20)
            assert here.server.numbers()["mqtt_connected"] == 1
            await asyncio.sleep(0.3)
            assert setting.workspace is not None
            report = read_status(setting.workspace.root / DATABASE_FILE)
            assert report is not None
            [gateway] = report.gateways
            assert (gateway.gateway, gateway.connected, gateway.packets, gateway.address) == (
                "91",
                True,
                20,
                "mqtt:127.0.0.1",
            )
            assert gateway.last_reading == "2026-11-20T00:19:00+00:00"
        assert not here.server.board.of("370202A001", "91").connected

    with broker(tmp_path / "m") as port:
        run(work)
    rows = stored(setting)
    assert rows["value"].to_list() == [100.0 + number for number in range(20)]
    assert rows["meter"].unique().to_list() == ["gw:370202A001.91.01001.1"]
    assert rows["lineage"][0].startswith("gateway:370202A001/91/mqtt/")


def test_a_consumer_killed_before_the_commit_is_sent_the_message_again(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")
    flag = tmp_path / "received"

    async def work() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.server.numbers()["delivered_readings_total"] >= 1)
            await asyncio.sleep(0.2)  # the acknowledgement goes out; a second one would come by now
            assert here.server.numbers()["packets_acknowledged_total"] == 1

    async def again() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.told("mqtt.connected"))
            await asyncio.sleep(0.2)
            assert here.server.numbers()["mqtt_messages_total"] == 0

    async def know() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.told("mqtt.connected"))
            await asyncio.sleep(0.05)

    with broker(tmp_path / "m") as port:
        run(know)  # the broker keeps messages for it from now on
        asyncio.run(send(port, message()))
        child = start_holding(tmp_path / "w", port, flag)
        try:
            until_when = time.monotonic() + 40
            while not flag.exists() and child.poll() is None and time.monotonic() < until_when:
                time.sleep(0.02)
            assert flag.exists()
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        assert stored(setting).height == 0
        assert table(setting, "SELECT COUNT(*) FROM groups") == [(0,)]
        run(work)
        run(again)
    assert stored(setting)["value"].to_list() == [100.0]


def test_an_acknowledgement_that_is_lost_leaves_one_reading(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")

    async def deaf() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)) as one:
            one._client.ack = lambda mid, qos: None
            await until(lambda: here.told("mqtt.connected"))
            await asyncio.sleep(0.05)
            await send(port, message())
            await until(lambda: here.server.numbers()["packets_acknowledged_total"] == 1)

    async def again() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.server.numbers()["packets_acknowledged_total"] == 1)

    with broker(tmp_path / "m") as port:
        run(deaf)
        run(again)
    assert stored(setting, history=False)["value"].to_list() == [100.0]


def test_bad_messages_are_noted_acknowledged_and_block_nothing(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    connection = open_database(tmp_path / "w" / DATABASE_FILE)
    Registry(connection).suspend("370202A001", "01", at=NOW)
    connection.close()
    gateways = [{"building": "370202A001", "gateway": name} for name in ("91", "01")]
    partly = json.dumps({"time": "2026-11-20T09:00:00+08:00", "readings": [{"meter": "1", "value": 7}, {"meter": "2"}]})

    async def work() -> None:
        async with Running(setting) as here:
            async with listening(here.server, settings_of(port, gateways=gateways, message_bytes=4096)):
                await until(lambda: here.told("mqtt.connected"))
                await asyncio.sleep(0.05)
                await send(port, b"\xff\xfe", "[" * 3000, "x" * 5000, message(building="other"), partly, message(1))
                await send(port, message(2), topic="dafeng/370202A001/55/readings")
                await send(port, message(3), topic="dafeng/370202A001/01/readings")
                await until(lambda: here.told("gateway.mqtt-message.suspended"))
                await until(lambda: here.server.numbers()["delivered_readings_total"] == 2)
                assert here.server.numbers()["mqtt_refused_total"] == 7
            async with listening(here.server, settings_of(port, gateways=gateways)):  # nothing comes again
                count = here.server.numbers()["mqtt_messages_total"]
                await asyncio.sleep(0.3)
                assert here.server.numbers()["mqtt_messages_total"] == count == 8

    with broker(tmp_path / "m") as port:
        run(work)
    assert sorted(stored(setting)["value"].to_list()) == [7.0, 101.0]
    reasons = [
        name.removeprefix("gateway.mqtt-")
        for (name,) in table(setting, "SELECT name FROM notes ORDER BY id")
        if "gateway.mqtt" in name
    ]
    assert reasons == [
        "message.not-json", "message.not-json", "message.oversize", "message.sender-differs", "reading.form",
        "message.unknown-gateway", "message.suspended",
    ]  # fmt: skip
    aside = table(setting, "SELECT meter, text, reason FROM set_aside WHERE reason LIKE '%reading%'")
    assert aside == [("2", '{"meter": "2"}', "gateway.mqtt-reading.form")]


def test_while_the_spool_takes_nothing_messages_stay_with_the_broker(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")

    async def work() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.told("mqtt.connected"))
            await asyncio.sleep(0.05)
            sound = here.server.spool.limits
            here.server.spool.limits = sound.model_copy(update={"free_bytes": 1 << 60})
            await send(port, message(1))
            await until(lambda: here.told("mqtt.given-up"))
            await send(port, message(2))
            await asyncio.sleep(0.5)
            assert here.server.numbers()["packets_acknowledged_total"] == 0
            here.server.spool.limits = sound
            await until(lambda: here.server.numbers()["packets_acknowledged_total"] == 2)

    with broker(tmp_path / "m") as port:
        run(work)
    assert stored(setting)["value"].to_list() == [101.0, 102.0]


@pytest.mark.slow
def test_a_broker_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")
    port = free_port()

    async def work() -> None:
        async with Running(setting) as here, listening(here.server, settings_of(port)):
            await until(lambda: here.told("mqtt.away"))
            with broker(tmp_path / "m", port=port):
                await until(lambda: here.told("mqtt.connected"))
            await until(lambda: here.names().count("mqtt.away") == 2)
            with broker(tmp_path / "m", port=port):
                await until(lambda: here.names().count("mqtt.connected") == 2)
                await asyncio.sleep(0.05)
                await send(port, message())
                await until(lambda: here.server.numbers()["packets_acknowledged_total"] == 1)
            assert not here.told("mqtt.session-lost")  # the broker kept it on its disk

    run(work)


def test_a_listed_gateway_that_is_silent_is_said_once_and_when_it_is_back(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")
    settings = {"silent_minutes": 0.002}

    async def work() -> None:
        async with (
            Running(setting) as here,
            listening(here.server, settings_of(port, **settings), silence_seconds=0.05),
        ):
            await until(lambda: here.told("mqtt.gateway-silent"))
            await asyncio.sleep(0.2)
            assert here.names().count("mqtt.gateway-silent") == 1
            await send(port, message())
            await until(lambda: here.told("mqtt.gateway-back"))

    with broker(tmp_path / "m") as port:
        run(work)


def test_tls_and_password_are_used_and_the_password_is_not_told(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")
    key, certificate, secrets = tmp_path / "k.pem", tmp_path / "c.pem", tmp_path / "p"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    secrets.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", secrets, "dafeng", "geheim-1"], check=True, capture_output=True)
    lines = [f"certfile {certificate}", f"keyfile {key}", f"password_file {secrets}", "allow_anonymous false"]
    more = {"host": "localhost", "username": "dafeng", "tls": {"authorities": certificate}}

    async def work() -> None:
        async with Running(setting) as here:
            async with listening(here.server, settings_of(port, **more), password="wrong"):
                await until(lambda: here.told("mqtt.away", "uthori"))
            async with listening(here.server, settings_of(port, **more, client_id="two"), password="geheim-1"):
                await until(lambda: here.told("mqtt.connected"))
            assert "geheim-1" not in repr(here.events)

    with broker(tmp_path / "m", *lines) as port:
        run(work)
