"""Readings from an MQTT broker: a message is acknowledged to the broker when its readings are on the disk, never before.

The broker keeps what is not acknowledged, in a session that outlives this process. Where the spool takes nothing the connection
is given up until it does, and the messages stay with the broker. One network thread of the library reads messages and their JSON;
everything else happens in the thread of the server's sockets.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Severity
from dafeng.gateway.input_files import MqttSettings, broker_tls
from dafeng.gateway.inputs import InputPacket
from dafeng.gateway.mqtt_json import (
    MessageLimits,
    MessageRead,
    match_topic,
    read_message,
    refuse_message,
    topic_filter,
)
from dafeng.gateway.mqtt_refusals import REFUSED_AT_ONCE, write_refusals
from dafeng.gateway.profile import AccountState
from dafeng.gateway.server import GatewayServer

__all__ = ["MqttInput"]

_DRAIN_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 30.0
_CALLBACKS: Final = ("on_connect", "on_connect_fail", "on_disconnect", "on_pre_connect", "on_subscribe", "on_message")
_SIZE_BEYOND: Final = 4
"""A broker of MQTT 5 is told not to send messages of so many times the limit: smaller ones are refused here, and noted."""
logging.getLogger("paho").setLevel(logging.CRITICAL)  # what is wrong is said here, as events


class _Message(NamedTuple):
    """A message as the network thread hands it over."""

    generation: int
    mid: int
    qos: int
    building: str
    gateway: str
    address: str
    read: MessageRead


class _Arrival:
    """A message on its way to the disk: what `GatewayServer.take` tells of its packets."""

    def __init__(self, host: MqttInput, message: _Message, parts: int) -> None:
        self.host, self.message = host, message
        self.left = parts
        self.failed = False

    def acknowledged(self, packet: InputPacket, at: datetime) -> bytes:
        """Count a packet that is on the disk."""
        self.left -= 1
        live = self.host.server.board.of(packet.building, packet.gateway)
        live.packets += 1
        live.readings += len(packet.readings)
        live.last_reading = max(live.last_reading, packet.at.isoformat(timespec="seconds"))
        return b""

    def withhold(self) -> None:
        """Count a packet that was not taken."""
        self.left -= 1
        self.failed = True
        self.host.server.metrics.add("packets_withheld_total")
        self.host.give_up("the spool takes nothing")
        self.settle()

    def settle(self) -> None:
        """Acknowledge the message once all of it is on the disk."""
        if self.left == 0:
            self.left = -1
            self.host.finished(self)

    def write(self, data: bytes) -> None:
        """Nothing is sent but acknowledgements of the library."""


class MqttInput:
    """A client of a broker beside a server.

    Parameters
    ----------
    server : GatewayServer
        Started before `start`.
    settings : MqttSettings
    password : str, optional
        Never shown.
    silence_seconds : float
        How often it is looked for gateways that are silent.

    Notes
    -----
    A message carries the generation of the connection it came by. Numbers of messages mean something within a connection only, so an
    acknowledgement whose connection is gone is not sent: the broker sends the message again, and what the lake holds twice counts once.
    """

    def __init__(
        self,
        server: GatewayServer,
        settings: MqttSettings,
        *,
        password: str | None = None,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        self.server, self.settings = server, settings
        self._password = password
        self._limits = MessageLimits(settings.message_bytes, settings.message_readings)
        self._listed = {(one.building, one.gateway): one for one in settings.gateways}
        self._address = f"mqtt:{settings.host}"
        self._silence_seconds = silence_seconds
        self._lock = threading.Lock()
        self._wire = threading.Lock()
        self._generation = 0
        self._client: mqtt.Client | None = None
        self._room = threading.Semaphore(settings.outstanding)
        self._closing = threading.Event()
        self._pending: deque[_Arrival] = deque()
        self._pending_generation = 0
        self._refusals: list[tuple[_Arrival, tuple[Finding, ...]]] = []
        self._writing = False
        self._heard: dict[tuple[str, str], datetime] = {}
        self._silent: set[tuple[str, str]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._connected = self._ever = self._told_away = False

    async def start(self) -> None:
        """Connect, and go on trying where the broker does not answer.

        Raises
        ------
        InputError
            A certificate or key cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        self._given_up = asyncio.Event()
        began = self.server.now()
        self._heard = dict.fromkeys(self._listed, began)
        await asyncio.to_thread(self._connect)
        self._tasks = [self._loop.create_task(work) for work in (self._come_back(), self._watch_silence())]

    async def stop(self) -> None:
        """Take no more messages, acknowledge what was received, and part from the broker, which keeps the session."""
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        until = self._loop.time() + _DRAIN_SECONDS
        while self._pending and self._connected and self._loop.time() < until:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(self._disconnect)
        self._away("stopped", told=False)

    # the connection

    def _make_client(self) -> mqtt.Client:
        settings = self.settings
        five = settings.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or f"dafeng-{self.server.spool.id}",
            clean_session=None if five else False,
            protocol=mqtt.MQTTv5 if five else mqtt.MQTTv311,
            manual_ack=True,
        )
        if settings.username:
            client.username_pw_set(settings.username, self._password)
        if settings.tls is not None:
            client.tls_set_context(broker_tls(settings.tls))
        client.reconnect_delay_set(min_delay=1, max_delay=int(settings.longest_wait_seconds))
        for name in _CALLBACKS:
            setattr(client, name, getattr(self, f"_{name}"))
        return client

    def _connect(self) -> None:
        settings = self.settings
        more: dict[str, Any] = {}
        if settings.protocol == "5":
            said = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            said.SessionExpiryInterval = int(settings.session_days * 86400)
            said.ReceiveMaximum = settings.outstanding
            said.MaximumPacketSize = settings.message_bytes * _SIZE_BEYOND
            more = {"clean_start": False, "properties": said}
        client = self._make_client()
        with self._wire:
            if self._closing.is_set():
                return
            with self._lock:
                self._generation += 1
                self._client = client
            client.connect_async(settings.host, settings.port_used, settings.keep_alive, **more)
            client.loop_start()

    def _disconnect(self) -> None:
        """Say good-bye after the acknowledgements that are queued, and end the network thread."""
        with self._wire, self._lock:
            client, self._client = self._client, None
            self._generation += 1
        if client is not None:
            client.disconnect()
            client.loop_stop()
            for name in _CALLBACKS:
                setattr(client, name, None)  # the library closes its sockets when nothing holds the client any more

    def give_up(self, why: str) -> None:
        """Part from the broker: what it is not told of it sends again after a while."""
        if self._given_up.is_set() or self._closing.is_set():
            return
        with self._lock:
            self._generation += 1
        self._given_up.set()
        self.server.tell("mqtt.given-up", Severity.WARNING, address=self._address, detail=why)

    async def _come_back(self) -> None:
        """Connect again after the connection was given up, when the spool takes packets."""
        while True:
            await self._given_up.wait()
            await asyncio.to_thread(self._disconnect)
            wait = 0.2
            while True:
                await asyncio.sleep(wait)
                wait = min(wait * 2, self.settings.longest_wait_seconds)
                try:
                    if not self.server.spool.blocked:
                        await asyncio.wrap_future(self.server.spool.probe())
                        break
                except (OSError, sqlite3.Error):
                    continue
            self._given_up.clear()
            try:
                await asyncio.to_thread(self._connect)
            except InputError as error:  # a certificate that could be read before
                self._given_up.set()
                self.server.tell("mqtt.away", Severity.ERROR, address=self._address, detail=error.problem)

    # what the network thread calls

    def _call(self, work: Callable[..., object], *values: object, **named: object) -> None:
        with suppress(RuntimeError):  # the server is gone; nothing was acknowledged
            self._loop.call_soon_threadsafe(partial(work, *values, **named))

    def _new_generation(self) -> None:
        with self._lock:
            self._generation += 1

    def _on_pre_connect(self, client: mqtt.Client, userdata: object) -> None:
        self._new_generation()

    def _on_connect(self, client: mqtt.Client, userdata: object, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._call(self._away, f"the broker refuses: {reason}")
            return
        client.subscribe(topic_filter(self.settings.topic), qos=1)
        self._call(self._came, bool(flags.session_present))

    def _on_connect_fail(self, client: mqtt.Client, userdata: object) -> None:
        self._call(
            self._away, f"cannot be reached: {sys.exc_info()[1] or 'no connection'}"
        )  # called while it is handled

    def _on_disconnect(self, client: mqtt.Client, userdata: object, flags: Any, reason: Any, properties: Any) -> None:
        self._new_generation()
        self._call(self._away, f"connection ended: {reason}")

    def _on_subscribe(self, client: mqtt.Client, userdata: object, mid: int, reasons: Any, properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            detail = f"{topic_filter(self.settings.topic)}: {', '.join(map(str, reasons))}"
            self._call(self.server.tell, "mqtt.not-subscribed", Severity.ERROR, address=self._address, detail=detail)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        generation = self._generation
        while not self._room.acquire(timeout=0.2):  # the disk is behind: read no more from the broker
            if self._closing.is_set() or generation != self._generation:
                return
        if self._closing.is_set():
            self._room.release()
            return
        building = gateway = ""
        try:
            building, gateway, read = self._read(message, bytes(message.payload))
        except Exception as error:  # a defect refuses one message, not the queue behind it
            found = refuse_message(
                "defect", f"{type(error).__name__}：{error}", bytes(message.payload), "", "报告这个缺陷"
            )
            read = MessageRead((), (found,))
        self._call(self._take, _Message(generation, message.mid, message.qos, building, gateway, self._address, read))

    def _read(self, message: mqtt.MQTTMessage, payload: bytes) -> tuple[str, str, MessageRead]:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        found = match_topic(self.settings.topic, topic)
        if found is None:
            refused = refuse_message(
                "topic", f"主题「{topic[:200]}」不合格式", payload, self.settings.topic, "改正发送方的主题"
            )
            return "", "", MessageRead((), (refused,))
        building, gateway = found
        listed = self._listed.get(found)
        if listed is None and self.settings.others == "refuse":
            refused = refuse_message(
                "unknown-gateway",
                f"没有列出网关 {building}/{gateway}",
                payload,
                "列在 gateways 中",
                "补列，或核对发送方",
            )
            return building, gateway, MessageRead((), (refused,))
        zone = (listed.zone if listed is not None else None) or self.settings.zone
        read = read_message(
            payload,
            building=building,
            gateway=gateway,
            zone=zone,
            received_at=self.server.now(),
            limits=self._limits,
        )
        return building, gateway, read

    # what happens in the thread of the sockets

    def _came(self, session_present: bool) -> None:
        self._connected, self._told_away = True, False
        self.server.metrics.set("mqtt_connected", 1)
        self.server.tell("mqtt.connected", address=self._address)
        if self._ever and not session_present:
            self.server.tell(
                "mqtt.session-lost",
                Severity.WARNING,
                address=self._address,
                detail="the broker did not keep the session: messages sent meanwhile are not among those it hands over",
            )
        self._ever = True

    def _away(self, why: str, *, told: bool = True) -> None:
        self._connected = False
        self.server.metrics.set("mqtt_connected", 0)
        for key in self._heard:
            self.server.board.of(*key).connected = False
        if told and not self._told_away and not self._closing.is_set() and not self._given_up.is_set():
            self._told_away = True  # once an outage
            self.server.tell("mqtt.away", Severity.WARNING, address=self._address, detail=why)

    def _take(self, message: _Message) -> None:
        server, read = self.server, message.read
        server.metrics.add("mqtt_messages_total")
        packets, refused = read.packets, read.refused
        if packets:
            account = server.account(message.building, message.gateway)
            if account is not None and account.state is AccountState.SUSPENDED:
                said = f"网关 {message.building}/{message.gateway} 已停用，{len(packets)} 个时刻的读数没有收"
                text = "；".join(reading.text for packet in packets for reading in packet.readings[:20]).encode()
                packets, refused = (
                    (),
                    (refuse_message("suspended", said, text, "正常的网关", "恢复网关，或停止发送"), *refused),
                )
        arrival = _Arrival(self, message, len(packets) + bool(refused))
        if message.generation > self._pending_generation:
            self._pending_generation = message.generation
            self._pending.clear()  # of a connection that is gone: the broker sends them again
        if message.qos and message.generation == self._pending_generation:
            self._pending.append(arrival)
        if message.building:
            self._hear(message)
        for packet in packets:
            server.take(arrival, packet)
        if refused:
            self._refusals.append((arrival, refused))
            self._write_refusals()

    def _hear(self, message: _Message) -> None:
        key = message.building, message.gateway
        if key not in self._listed and not message.read.packets:
            return  # whoever is refused gets no place in memory
        now = self.server.now()
        self._heard[key] = now
        live = self.server.board.of(*key)
        live.connected, live.address = True, message.address
        live.last_seen = now.isoformat(timespec="seconds")
        live.since = live.since or live.last_seen
        if key in self._silent:
            self._silent.discard(key)
            self.server.tell("mqtt.gateway-back", building=key[0], gateway=key[1], address=self._address)

    def finished(self, arrival: _Arrival) -> None:
        """Acknowledge the oldest messages that are done, in the order in which they came, as the protocol asks."""
        self._room.release()
        if arrival.failed or arrival.message.generation != self._pending_generation:
            return
        while self._pending and self._pending[0].left < 0 and not self._pending[0].failed:
            message = self._pending.popleft().message
            with self._lock:  # no other connection can come between the look and the word
                if self._client is not None and message.generation == self._generation:
                    self._client.ack(message.mid, message.qos)

    # refused messages

    def _write_refusals(self) -> None:
        """Note what was refused, on the disk, as one transaction at a time; then it is acknowledged too."""
        if self._writing or not self._refusals:
            return
        self._writing = True
        batch, self._refusals = self._refusals[:REFUSED_AT_ONCE], self._refusals[REFUSED_AT_ONCE:]
        now = self.server.now()
        said = [(one.message.building, one.message.gateway, one.message.address, found) for one, found in batch]
        future = self.server.spool.run(lambda connection: write_refusals(connection, said, now))
        future.add_done_callback(lambda done: self._call(self._refusals_written, batch, done.exception()))

    def _refusals_written(self, batch: Sequence[tuple[_Arrival, tuple[Finding, ...]]], error: object) -> None:
        self._writing = False
        server = self.server
        for arrival, findings in batch:
            if error is not None:
                arrival.withhold()
                continue
            message = arrival.message
            server.metrics.add("mqtt_refused_total", len(findings))
            server.metrics.add("faults_total")
            if (message.building, message.gateway) in self._heard:
                live = server.board.of(message.building, message.gateway)
                live.faults += len(findings)
                live.last_fault = findings[0].name
                live.last_fault_at = server.now().isoformat(timespec="seconds")
            server.tell(
                findings[0].name,
                Severity.WARNING,
                building=message.building,
                gateway=message.gateway,
                address=message.address,
                detail=findings[0].sentence,
                keep=False,
            )
            arrival.left -= 1
            arrival.settle()
        self._write_refusals()

    # silence

    async def _watch_silence(self) -> None:
        """Say which gateways have been silent for too long, once each time."""
        while True:
            await asyncio.sleep(self._silence_seconds)
            now = self.server.now()
            for key, one in self._listed.items():
                minutes = one.silent_minutes or self.settings.silent_minutes
                quiet = (now - self._heard[key]).total_seconds() / 60
                if quiet > minutes and key not in self._silent:
                    self._silent.add(key)
                    self.server.board.of(*key).connected = False
                    self.server.tell(
                        "mqtt.gateway-silent",
                        Severity.WARNING,
                        building=key[0],
                        gateway=key[1],
                        address=self._address,
                        detail=f"no message for {quiet:.0f} minutes",
                    )
