"""Readings polled from Modbus TCP devices, into the spool that all readings go through.

A device that does not answer leaves a gap and an event, never a zero. A register that the device refuses, or says to hold no
value, is stored without a value and with a mark, as gateways report a meter they cannot read.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from dafeng.base.finding import Finding, Severity
from dafeng.gateway.input_files import ModbusPoint, ModbusSettings
from dafeng.gateway.inputs import InputPacket
from dafeng.gateway.messages import FunctionReading
from dafeng.gateway.modbus_registers import Block, Meaning, ModbusRegister, next_slot, plan_reads, register_value
from dafeng.gateway.server import GatewayServer

__all__ = ["ModbusInput", "Polled", "poll_device"]

OPERATION: Final = "modbus"
_NAP: Final = 20.0
_AGAIN_SECONDS: Final = 1.0
_ADDRESS_REFUSED: Final = (2, 3)
"""Exceptions that a device answers where it has not all of the registers asked for."""
logging.getLogger("pymodbus").setLevel(
    logging.CRITICAL
)  # a device that is away is said once here, not by every request


class Polled(NamedTuple):
    """What a poll gave.

    Parameters
    ----------
    packet : InputPacket or None
        None where the device did not answer at all: a gap.
    findings : tuple of Finding
        What was not read, and why.
    """

    packet: InputPacket | None
    findings: tuple[Finding, ...]


class _SilentError(Exception):
    """The device does not answer."""


async def poll_device(
    point: ModbusPoint, *, clock: Callable[[], datetime], most_registers: int = 120, read_gap: int = 0
) -> Polled:
    """Ask a device for its registers, over a connection of its own.

    Parameters
    ----------
    point : ModbusPoint
    clock : callable
        The present moment, UTC; the readings carry that of the first request, in whole seconds.
    most_registers, read_gap : int
        See `dafeng.gateway.modbus_registers.plan_reads`.

    Returns
    -------
    Polled
        Registers that were not answered are not in the packet.
    """
    device = point.device
    client = AsyncModbusTcpClient(
        device.host, port=device.port, timeout=point.timeout, retries=point.retries, reconnect_delay=0
    )
    at = clock().replace(microsecond=0)
    meanings: dict[int, Meaning] = {}
    findings: list[Finding] = []
    try:
        if not await client.connect():
            raise _SilentError("接不通")
        for block in plan_reads(point.registers, most=most_registers, gap=read_gap):
            meanings |= await _read_block(client, device.unit, block, point.registers)
    except (_SilentError, OSError, ModbusException, TimeoutError) as error:
        findings.append(_silent(point, error, len(meanings)))
    finally:
        with suppress(Exception):  # a connection that is broken already
            client.close()
    read = sorted(meanings.items())
    findings += [_valueless(point, place, meaning) for place, meaning in read if meaning.error]
    if not read:
        return Polled(None, tuple(findings))
    readings = tuple(
        FunctionReading(register.meter, register.function, register.coding, meaning.error, meaning.text)
        for place, meaning in read
        for register in [point.registers[place]]
    )
    sequence = f"{device.name}-{at:%Y%m%dT%H%M%SZ}"
    packet = InputPacket(device.building, device.gateway, OPERATION, sequence, at, clock(), readings)
    return Polled(packet, tuple(findings))


async def _read_block(
    client: AsyncModbusTcpClient, unit: int, block: Block, registers: Sequence[ModbusRegister]
) -> dict[int, Meaning]:
    """Return what the registers of a block mean; where the device refuses the block, each is asked for alone."""
    ask = client.read_holding_registers if block.table == "holding" else client.read_input_registers
    answer = await ask(block.start, count=block.width, device_id=unit)
    if answer.isError():
        code = int(getattr(answer, "exception_code", 0))
        if code in _ADDRESS_REFUSED and len(block.registers) > 1:
            found: dict[int, Meaning] = {}
            for place in block.registers:
                alone = Block(block.table, registers[place].address, registers[place].width, (place,))
                found |= await _read_block(client, unit, alone, registers)
            return found
        return dict.fromkeys(block.registers, Meaning("", f"exception-{code}"))
    words = answer.registers
    if len(words) != block.width:
        return dict.fromkeys(block.registers, Meaning("", "short-answer"))
    return {
        place: register_value(words[start : start + registers[place].width], registers[place])
        for place in block.registers
        for start in [registers[place].address - block.start]
    }


def _silent(point: ModbusPoint, error: Exception, read: int) -> Finding:
    device = point.device
    return Finding(
        name="gateway.modbus-device.silent",
        sentence=f"设备 {device.name}（{device.host}:{device.port}，单元 {device.unit}）没有应答，"
        + (f"只读到 {read} 个值" if read else "这次没有读数"),
        severity=Severity.WARNING,
        value=re.sub(r"\s+", " ", str(error) or type(error).__name__)[:200],
        expected=f"{point.timeout:g} 秒内应答",
        next_step="检查通电、网络、地址和单元号",
        evidence={"device": device.name},
    )


def _valueless(point: ModbusPoint, place: int, meaning: Meaning) -> Finding:
    register, device = point.registers[place], point.device
    why = {"invalid": "值为约定的无效值", "not-a-number": "值不是数", "short-answer": "应答的寄存器数不对"}.get(
        meaning.error
    )
    return Finding(
        name="gateway.modbus-register.no-value",
        sentence=f"设备 {device.name} 的表 {register.meter} 功能 {register.function or '（空）'}（{register.table} "
        f"{register.address}）没有读出值：{why or f'设备拒绝，异常码 {meaning.error[10:]}'}",
        severity=Severity.WARNING,
        value=meaning.error,
        next_step="核对寄存器地址、类型和单元号",
        evidence={"device": device.name, "meter": register.meter, "function": register.function},
    )


class _Poll:
    """A poll on its way to the disk."""

    def __init__(self, host: ModbusInput, packet: InputPacket) -> None:
        self.host, self.packet = host, packet

    def acknowledged(self, packet: InputPacket, at: datetime) -> bytes:
        """Take down that the poll is on the disk."""
        live = self.host.server.board.of(packet.building, packet.gateway)
        live.packets += 1
        live.readings += len(packet.readings)
        live.last_reading = max(live.last_reading, packet.at.isoformat(timespec="seconds"))
        return b""

    def withhold(self) -> None:
        """Keep the poll until the spool takes it."""
        self.host.keep(self.packet)

    def settle(self) -> None:
        """Nothing waits for it."""

    def write(self, data: bytes) -> None:
        """Nothing is sent."""


class ModbusInput:
    """Polls devices beside a server, each on the grid of its interval.

    Parameters
    ----------
    server : GatewayServer
        Started before `start`.
    settings : ModbusSettings
    """

    def __init__(self, server: GatewayServer, settings: ModbusSettings) -> None:
        self.server, self.settings = server, settings
        self._kept: deque[InputPacket] = deque()
        self._lines: dict[tuple[str, int], asyncio.Lock] = {}
        self._troubles: dict[str, frozenset[str]] = {}
        self._missed: dict[str, int] = {}
        self._devices: dict[tuple[str, str], set[str]] = {}
        for device in settings.devices:
            self._devices.setdefault((device.building, device.gateway), set()).add(device.name)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Poll every device now, and then on its grid."""
        self._places = asyncio.Semaphore(self.settings.at_once)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._serve(point)) for point in self.settings.points()]
        self._tasks.append(loop.create_task(self._take_kept()))

    async def stop(self) -> None:
        """End all polls; what the spool has not taken by now is lost, and an event says how much."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.server.spool.flush)
        await asyncio.sleep(0)
        if self._kept:
            self._lose(len(self._kept))

    def keep(self, packet: InputPacket) -> None:
        """Keep a poll that the spool did not take."""
        self.server.metrics.add("packets_withheld_total")
        self.server.board.of(packet.building, packet.gateway).withheld += 1
        self._kept.append(packet)
        over = len(self._kept) - self.settings.backlog
        for _ in range(over):
            self._kept.popleft()
        if over > 0:
            self._lose(over)

    def _lose(self, count: int) -> None:
        self.server.metrics.add("modbus_polls_lost_total", count)
        self.server.tell("modbus.polls-lost", Severity.ERROR, detail=f"{count} polls: the spool took none for too long")

    async def _take_kept(self) -> None:
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            if not self.server.spool.blocked:
                kept, self._kept = self._kept, deque()
                for packet in kept:
                    self.server.take(_Poll(self, packet), packet)

    async def _serve(self, point: ModbusPoint) -> None:
        now = self.server.now
        while True:
            began = now()
            try:
                await self._poll(point)
            except Exception as error:  # a defect costs one poll of one device
                self.server.tell("modbus.defect", Severity.ERROR, detail=f"{point.device.name}: {error!r}")
            slot = next_slot(max(began, now()), point.interval)
            missed = int((slot - next_slot(began, point.interval)).total_seconds()) // point.interval
            if missed > 0:
                self.server.tell(
                    "modbus.poll-late",
                    Severity.WARNING,
                    building=point.device.building,
                    gateway=point.device.gateway,
                    detail=f"{point.device.name}: {missed} polls left out, the one before took too long",
                )
            while (left := (slot - now()).total_seconds()) > 0:
                if left > point.interval + 1:  # the clock was set back
                    slot = next_slot(now(), point.interval)
                await asyncio.sleep(min(left, _NAP))

    async def _poll(self, point: ModbusPoint) -> None:
        device = point.device
        line = self._lines.setdefault((device.host, device.port), asyncio.Lock())
        async with line, self._places:
            polled = await poll_device(
                point,
                clock=self.server.now,
                most_registers=self.settings.most_registers,
                read_gap=self.settings.read_gap,
            )
        self._tell(point, polled)
        if polled.packet is not None:
            self.server.take(_Poll(self, polled.packet), polled.packet)

    def _tell(self, point: ModbusPoint, polled: Polled) -> None:
        """Say what is wrong with a device when it begins and when it ends, not at every poll."""
        server, device = self.server, point.device
        key, at = (device.building, device.gateway), server.now().isoformat(timespec="seconds")
        answered = polled.packet is not None
        server.metrics.add("modbus_polls_total" if answered else "modbus_polls_failed_total")
        live = server.board.of(*key)
        live.address = f"modbus:{device.host}"
        live.faults += len(polled.findings)
        if polled.findings:
            live.last_fault, live.last_fault_at = polled.findings[0].name, at
        if answered:
            live.last_seen, live.since = at, live.since or at
        told = functools.partial(server.tell, building=device.building, gateway=device.gateway, address=live.address)
        details = {f"{finding.sentence}（{finding.value}）": finding.name for finding in polled.findings}
        for detail, name in details.items():
            if detail not in self._troubles.get(device.name, ()):
                told(name, Severity.WARNING, detail=detail)
        self._troubles[device.name] = frozenset(details)
        if not answered:
            self._missed[device.name] = self._missed.get(device.name, 0) + 1
        elif missed := self._missed.pop(device.name, 0):
            told("modbus.device-back", detail=f"{device.name}: a gap of {missed} polls")
        live.connected = not self._devices[key] <= self._missed.keys()
