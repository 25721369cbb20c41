"""Polling: values stored with the time of the poll, gaps where nothing answers, marks where a device refuses."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pymodbus", reason="the extra modbus is not installed")

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from dafeng.gateway.input_files import ModbusSettings
from dafeng.gateway.modbus_poll import ModbusInput, poll_device
from dafeng.workflow.metering import open_house
from gateway_broker import free_port
from gateway_clients import Running, make_setting, options_of, until

AT = datetime(2026, 11, 20, 8, 0, 0, 400000, tzinfo=UTC)


def device(port: int, **more: Any) -> dict[str, Any]:
    registers = [
        {"function": "1", "address": 0, "type": "uint32", "scale": 0.01},
        {"function": "2", "address": 2, "type": "float32", "words": "little"},
        {"function": "3", "address": 10, "type": "int16", "invalid": [0x8000]},
    ]
    given = {"name": "m1", "building": "370202A001", "gateway": "92", "host": "127.0.0.1", "port": port, "meter": "01001",
             "registers": registers, "timeout": 0.3, "retries": 0}  # fmt: skip
    return given | more


def settings_of(*devices: dict[str, Any], **more: Any) -> ModbusSettings:
    return ModbusSettings.model_validate({"devices": list(devices), "interval": 1} | more)


@asynccontextmanager
async def answering(port: int, words: dict[int, int], *, unit: int = 1) -> Any:
    """Answer with these registers, and refuse all others."""
    data = [SimData(address, values=[word], datatype=DataType.REGISTERS) for address, word in sorted(words.items())]
    server = ModbusTcpServer(SimDevice(id=unit, simdata=data), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield server
    finally:
        await server.shutdown()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 30)

    asyncio.run(bounded())


WORDS = {0: 1, 1: 57920, 2: 0x0000, 3: 0x42F7, 10: 0xFFFF}  # 123456 × 0.01, 123.5, -1


def test_registers_become_values_with_the_time_of_the_poll() -> None:
    async def work() -> None:
        port = free_port()
        [point] = settings_of(device(port)).points()
        async with answering(port, WORDS):
            polled = await poll_device(point, clock=lambda: AT)
        assert polled.findings == ()
        assert polled.packet is not None
        assert polled.packet.at == AT.replace(microsecond=0)
        assert polled.packet.sequence == "m1-20261120T080000Z"
        assert [(reading.meter, reading.function, reading.text) for reading in polled.packet.readings] == [
            ("01001", "1", "1234.56"),
            ("01001", "2", "123.5"),
            ("01001", "3", "-1"),
        ]

    run(work)


def test_a_register_that_is_refused_or_invalid_leaves_the_others_standing() -> None:
    async def work() -> None:
        port = free_port()
        words = {place: word for place, word in WORDS.items() if place != 3} | {10: 0x8000}
        [point] = settings_of(device(port)).points()
        async with answering(port, words):
            polled = await poll_device(point, clock=lambda: AT)
        assert polled.packet is not None
        assert [(reading.text, reading.error) for reading in polled.packet.readings] == [
            ("1234.56", ""),
            ("", "exception-2"),
            ("", "invalid"),
        ]
        assert [finding.value for finding in polled.findings] == ["exception-2", "invalid"]

    run(work)


def test_whoever_does_not_answer_in_time_leaves_a_gap() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def work() -> None:
        nobody, port = free_port(), free_port()
        points = settings_of(device(nobody), device(port, name="m2", meter="01002")).points()
        server = await asyncio.start_server(mute, "127.0.0.1", port)
        async with server:
            for point in points:
                began = asyncio.get_running_loop().time()
                polled = await poll_device(point, clock=lambda: AT)
                assert asyncio.get_running_loop().time() - began < 2
                assert polled.packet is None
                assert [finding.name for finding in polled.findings] == ["gateway.modbus-device.silent"]

    run(work)


def test_polls_reach_the_lake_and_an_absent_device_gives_no_zero(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")

    async def work() -> None:
        port, other = free_port(), free_port()
        settings = settings_of(device(port), device(other, name="m2", meter="01002"))
        async with Running(setting, options_of()) as here:
            polling = ModbusInput(here.server, settings)
            async with answering(port, WORDS):
                await polling.start()
                await until(lambda: here.server.numbers()["modbus_polls_total"] >= 2)
            await until(lambda: here.told("gateway.modbus-device.silent", "m1"))
            assert here.server.board.of("370202A001", "92").connected is False
            async with answering(port, WORDS):
                await until(lambda: here.told("modbus.device-back", "m1: a gap of"))
                await until(lambda: here.server.numbers()["modbus_polls_failed_total"] >= 4)
            await polling.stop()
            silent = [event for event in here.events if event.name == "gateway.modbus-device.silent"]
            assert sum("m2" in event.detail for event in silent) == 1  # said once, not at every poll

    run(work)
    rows = open_house(setting).readings.snapshot().read(history=True)
    assert set(rows["meter"]) == {f"gw:370202A001.92.01001.{function}" for function in "123"}
    assert set(rows["value"]) == {1234.56, 123.5, -1.0}
    assert set(rows["at"].dt.microsecond()) == {0}


def test_polls_wait_while_the_spool_takes_none_and_the_oldest_go_first(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w")

    async def work() -> None:
        port = free_port()
        async with Running(setting, options_of()) as here, answering(port, WORDS):
            polling = ModbusInput(here.server, settings_of(device(port), backlog=2))
            sound = here.server.spool.limits
            here.server.spool.limits = sound.model_copy(update={"free_bytes": 1 << 60})
            await polling.start()
            await until(lambda: here.told("modbus.polls-lost"))
            assert here.server.numbers()["packets_acknowledged_total"] == 0
            here.server.spool.limits = sound
            await until(lambda: here.server.numbers()["packets_acknowledged_total"] >= 2)
            await polling.stop()

    run(work)
    rows = open_house(setting).readings.snapshot().read(history=True)
    instants = sorted(set(rows["at"]))
    assert len(instants) >= 2
    assert instants[1] - instants[0] == timedelta(seconds=1)


def test_devices_behind_one_address_are_asked_one_after_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    setting = make_setting(tmp_path / "w")
    inside: dict[int, int] = {}
    most: dict[int, int] = {}

    async def counted(point: Any, **more: Any) -> Any:
        port = point.device.port
        inside[port] = inside.get(port, 0) + 1
        most[port] = max(most.get(port, 0), inside[port])
        try:
            await asyncio.sleep(0.05)
            return await poll_device(point, **more)
        finally:
            inside[port] -= 1

    monkeypatch.setattr("dafeng.gateway.modbus_poll.poll_device", counted)

    def units(port: int) -> Iterator[dict[str, Any]]:
        for unit in (1, 2, 3):
            yield device(port, name=f"u{unit}", unit=unit, meter=f"0{unit}")

    async def work() -> None:
        port = free_port()
        async with Running(setting, options_of()) as here, answering(port, WORDS, unit=0):
            polling = ModbusInput(here.server, settings_of(*units(port)))
            await polling.start()
            await until(lambda: here.server.numbers()["modbus_polls_total"] >= 3)
            await polling.stop()
        assert most == {port: 1}

    run(work)
