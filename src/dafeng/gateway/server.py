"""The server: connections of gateways, sessions, spool and delivery put together.

One thread runs all sockets and sessions; packets go to the spool's writing thread, and an acknowledgement goes out when that
thread says that the packet is on the disk. Delivery has a thread of its own. Nothing of a sender is kept before it has logged in,
and what a connection may make the server hold is bounded.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from dafeng.base.errors import DafengError, UnknownNameError
from dafeng.base.finding import Severity
from dafeng.gateway.connection import Connection, Pause
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.delivery import Delivery
from dafeng.gateway.inputs import Source
from dafeng.gateway.limits import Addresses, Failures, origin
from dafeng.gateway.metrics import Metrics, prometheus_text
from dafeng.gateway.metrics_http import MetricsPage
from dafeng.gateway.options import ServerOptions, tls_context
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.registry import Registry
from dafeng.gateway.session import (
    CentreSession,
    Command,
    SessionLimits,
)
from dafeng.gateway.spool import Spool, Spooled
from dafeng.gateway.status import Event, LiveBoard, write_board
from dafeng.gateway.tls_listener import TlsListener
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.metering_gateway import Delivered, GatewayDelivery
from dafeng.workflow.setting import Setting

__all__ = ["GatewayServer"]

_BUFFER: Final = 1 << 15
_SHORTEST_FRAME: Final = 18
_SWEEP_SECONDS: Final = 1.0
_SWEPT_AT_ONCE: Final = 500
_ACCOUNTS_SECONDS: Final = 2.0
_RELEASED_AT_ONCE: Final = 200
_REMEMBERED: Final = 20_000
_FADING: Final = 0.97
_SHOWN: Final = 60
_HANDSHAKE_SECONDS: Final = 10.0


class GatewayServer:
    """A centre that gateways report to.

    Parameters
    ----------
    setting : Setting
        Its workspace holds ``gateway.sqlite3`` and the lake.
    options : ServerOptions
    clock : callable
        The present moment, UTC.
    listener : callable, optional
        Told of every event, by the thread of the sockets; must be quick.
    challenge : callable, optional
        Gives eight random digits; by default drawn by the system.

    Attributes
    ----------
    ports : list of int
        Where it listens once started: plain, then TLS.
    metrics : Metrics

    Notes
    -----
    Hold `dafeng.gateway.database.sole_server` around it: a workspace has one server.
    """

    def __init__(
        self,
        setting: Setting,
        options: ServerOptions,
        *,
        clock: Callable[[], datetime],
        listener: Callable[[Event], object] | None = None,
        challenge: Callable[[], str] | None = None,
    ) -> None:
        self.setting, self.options = setting, options
        self.metrics = Metrics()
        self.board = LiveBoard()
        self.ports: list[int] = []
        self.now = clock
        self.limits = options.limits
        self.ahead = timedelta(seconds=options.delivery.ahead_seconds)
        self._listener = listener
        self._challenge = challenge or _drawn_challenge
        self.path = need_workspace(setting)[0].root / DATABASE_FILE
        self._profiles = tuple(setting.catalog.gateway_profiles.values())
        self._session_limits = SessionLimits(
            login=self.limits.login_seconds,
            challenge=min(60.0, self.limits.login_seconds),
            heart_beat=self.limits.idle_seconds / 3,
            missed=3,
            faults=self.limits.faults,
            before_login=self.limits.login_frame_bytes,
            most=self.limits.frame_bytes,
            outstanding=self.limits.unacknowledged + _BUFFER // _SHORTEST_FRAME,  # it is not read beyond the first
        )
        self.addresses = Addresses(self.limits)
        self.failures = Failures(self.limits)
        self.connections: set[Connection] = set()
        self.ready: dict[tuple[str, str], Connection] = {}
        self.withheld: set[Connection] = set()
        self.buffer = memoryview(bytearray(_BUFFER))  # TLS writes into slices of it
        self.spool: Spool
        self._keys: list[Keys] = []
        self._proven: OrderedDict[str, dict[tuple[str, str], Keys]] = OrderedDict()
        self._spool_sound = True
        self._listeners: list[asyncio.Server | TlsListener] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._context: ssl.SSLContext | None = None
        self._page: MetricsPage | None = None

    async def start(self) -> None:
        """Open database and ports; gateways may come when this returns.

        Raises
        ------
        LakeError
            The database cannot be opened.
        InputError
            Certificate or key cannot be read.
        OSError
            A port cannot be taken.
        """
        self._loop = asyncio.get_running_loop()
        self._context = tls_context(self.options)
        self._database = open_database(self.path)
        self._registry = Registry(self._database)
        self.board.load(self._database)
        self._accounts_seen = self._registry.changes()
        self._know_keys()
        self.spool = Spool(self.path, self.options.spool, clock=self.now, settled=self._settled)
        self._delivery: Delivery | None = None
        if self.options.deliver:
            deliverer = GatewayDelivery(self.setting, ticking=self._loop.time, ahead=self.ahead)
            self._delivery = Delivery(
                self.spool, deliverer, self.options.delivery, clock=self.now, told=self._delivered
            )
        try:
            if self.options.port is not None:
                await self._listen(self.options.host, self.options.port, None)
            if self.options.tls_port is not None:
                await self._listen(self.options.tls_host, self.options.tls_port, self._context)
            if self.options.metrics_port is not None:
                self._page = MetricsPage(lambda: prometheus_text(self.numbers()), self._health)
                await self._page.start(self.options.metrics_port)
        except OSError:
            for server in self._listeners:
                server.close()
            self.spool.close()
            self._database.close()
            raise
        if self._delivery is not None:
            self._delivery.start()
        self.metrics.set("started_timestamp_seconds", self.now().timestamp())
        self._tasks = [
            self._loop.create_task(work) for work in (self._sweep(), self._flush_often(), self._watch_accounts())
        ]
        self.tell("server.started", detail=f"ports {', '.join(map(str, self.ports))}")

    async def _listen(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        if context is not None:
            listener = TlsListener(
                context,
                lambda: Connection(self),
                admit=lambda address: self.admit(origin(address)),
                leave=lambda address: self.addresses.leave(origin(address)),
                seconds=min(_HANDSHAKE_SECONDS, self.limits.login_seconds),
            )
            self.ports.append(await listener.start(host, port))
            self._listeners.append(listener)
            return
        server = await self._loop.create_server(lambda: Connection(self), host, port, backlog=4096)
        self._listeners.append(server)
        self.ports.append(int(server.sockets[0].getsockname()[1]))

    def admit(self, address: str) -> bool:
        """Count a connection of an address; False where a limit refuses it.

        An address with too many failures waits, but for the gateways that have logged in from there before.
        """
        waits = address not in self._proven and self.failures.waits(address, "", self._loop.time()) > 0
        why = "failures" if waits else self.addresses.enter(address)
        if why:
            self.metrics.add("connections_refused_total")
            self.tell("connection.refused", Severity.WARNING, address=address, detail=why)
        return not why

    def reload_certificate(self) -> None:
        """Read certificate and key again; connections that stand keep the old ones."""
        if self._context is not None and self.options.tls_certificate is not None:
            try:
                self._context.load_cert_chain(self.options.tls_certificate, self.options.tls_key)
                self.tell("server.certificate-reloaded")
            except (OSError, ssl.SSLError) as error:
                self.tell("server.certificate-faulty", Severity.ERROR, detail=str(error))

    async def stop(self) -> None:
        """Take no more connections or bytes, write what was received, acknowledge it, close, and deliver what waits."""
        self.tell("server.stopping")
        for server in self._listeners:
            server.close()
        for connection in list(self.connections):
            connection.pause(Pause.STOPPING)
        await asyncio.to_thread(self.spool.flush)
        await asyncio.sleep(0)  # what the writing thread called for before it flushed is done by now
        for connection in list(self.connections):
            connection.finish("server-stopping")
        for _ in range(50):
            if not self.connections:
                break
            await asyncio.sleep(0.1)
        for connection in list(self.connections):
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._page is not None:
            await self._page.stop()
        if self._delivery is not None:
            await asyncio.to_thread(self._delivery.stop)
        self.tell("server.stopped")
        await self._flush()
        await asyncio.to_thread(self.spool.close)
        self._database.close()

    def send(self, building: str, gateway: str, message: Command) -> None:
        """Send a command to a gateway that is logged in; its answer comes as an event.

        Raises
        ------
        UnknownNameError
            The gateway is not logged in.
        """
        connection = self.ready.get((building, gateway))
        if connection is None:
            raise UnknownNameError(
                f"网关 {building}/{gateway} 没有连上 / is not connected",
                doing=f"send {message.element} to a gateway",
                expected="已登录的网关 / one that is logged in",
                next_step="dafeng gateway status",
            )
        connection.command(message)

    def loop_time(self) -> float:
        """Return seconds of a clock that only runs forward."""
        return self._loop.time()

    def call_later(self, seconds: float, work: Callable[..., object], *values: object) -> None:
        """Have something done later."""
        self._loop.call_later(seconds, work, *values)

    def tell(
        self,
        name: str,
        severity: Severity = Severity.INFO,
        *,
        building: str = "",
        gateway: str = "",
        address: str = "",
        detail: str = "",
        keep: bool = True,
    ) -> None:
        """Tell the listener of an event, and keep it where it weighs something (`keep`: unless the caller does so)."""
        event = Event(self.now(), name, severity, building[:_SHOWN], gateway[:_SHOWN], address, detail[:500])
        if keep and severity is not Severity.INFO and not self.board.note(event):
            self.metrics.add("notes_dropped_total")
        if self._listener is not None:
            self._listener(event)

    def numbers(self) -> dict[str, float]:
        """Return every number of the server."""
        state = self.spool.state()
        figures = {
            "connections_open": len(self.connections),
            "gateways_ready": len(self.ready),
            "spool_packets": state.packets,
            "spool_readings": state.readings,
            "spool_bytes": state.bytes,
            "spool_blocked": float(not self._spool_sound),
            "clock_behind_seconds": state.behind,
            "flushed_timestamp_seconds": self.now().timestamp(),
        }
        if self._delivery is not None:
            delivery = self._delivery.state
            figures |= {
                "deliveries_total": delivery.batches,
                "delivered_readings_total": delivery.readings,
                "delivery_failures": delivery.failures,
                "delivery_seconds": delivery.seconds,
            }
        for name, value in figures.items():
            self.metrics.set(name, value)
        return self.metrics.numbers()

    def _health(self) -> str:
        """Return what keeps the server from working; blank where nothing does."""
        if not self._spool_sound:
            return f"spool: {self.spool.blocked or 'blocked'}"
        return self._delivery.state.problem if self._delivery is not None else ""

    # accounts

    def session(self, connection: Connection) -> CentreSession:
        """Return a session for a connection."""
        return CentreSession(
            connection.account_of,
            challenge=self._challenge,
            profiles=self._profiles,
            limits=self._session_limits,
            keys=lambda: self._likely_keys(connection.address),
        )

    def account(self, building: str, gateway: str) -> Account | None:
        """Return an account; None where there is none, or where it cannot be looked up."""
        try:
            return self._registry.get(building, gateway)
        except (sqlite3.Error, DafengError) as error:
            self.tell("accounts.unreadable", Severity.ERROR, building=building, gateway=gateway, detail=str(error))
            return None

    def remember(self, address: str, account: Account) -> None:
        """Remember who logged in from an address: its keys are tried first, and its neighbours' failures do not hold it up."""
        known = self._proven.setdefault(address, {})
        known.pop((account.building, account.gateway), None)
        known[account.building, account.gateway] = account.keys
        self._proven.move_to_end(address)
        while len(self._proven) > _REMEMBERED:
            self._proven.popitem(last=False)

    def proven(self, address: str, building: str, gateway: str) -> bool:
        """Return whether a gateway has logged in from an address."""
        return (building, gateway) in self._proven.get(address, ())

    def _likely_keys(self, address: str) -> Iterator[Keys]:
        """Give the keys to try on the first frame from an address, newest first; of one that waits only those known from there."""
        seen = set()
        for keys in reversed(self._proven.get(address, {}).values()):
            if keys.key + keys.iv not in seen:
                seen.add(keys.key + keys.iv)
                yield keys
        if not self.failures.waits(address, "", self._loop.time()):
            yield from self._keys

    def _know_keys(self) -> dict[tuple[str, str], Account]:
        """Gather the distinct keys that open frames of gateways, and return the accounts."""
        accounts = {(one.building, one.gateway): one for one in self._registry.accounts() if not one.of_centre}
        self._keys = list({one.keys.key + one.keys.iv: one.keys for one in accounts.values()}.values())
        for address, known in list(self._proven.items()):
            kept = {key: keys for key, keys in known.items() if key in accounts and accounts[key].keys == keys}
            self._proven[address] = kept
            if not kept:
                del self._proven[address]
        return accounts

    async def _watch_accounts(self) -> None:
        while True:
            await asyncio.sleep(_ACCOUNTS_SECONDS)
            try:
                changes = self._registry.changes()
                if changes == self._accounts_seen:
                    continue
                self._accounts_seen = changes
                known = self._know_keys()
            except (sqlite3.Error, DafengError) as error:
                self.tell("accounts.unreadable", Severity.ERROR, detail=str(error))
                continue
            for key, connection in list(self.ready.items()):
                if known.get(key) != connection.session.account:
                    connection.finish("account-changed")

    # packets

    def take(self, source: Source, packet: Spooled) -> None:
        """Queue a packet that came by another way in; its source is told what became of it."""
        self.metrics.add("packets_received_total")
        if self.spool.blocked:
            source.withhold()
            return
        self.spool.put(packet, (source, packet, self._loop.time()))

    def _settled(self, tokens: Sequence[Any], stored: bool, why: str) -> None:
        """Hear from the writing thread what became of packets."""
        self._loop.call_soon_threadsafe(self._answer, tokens, stored, why)

    def _answer(self, tokens: Sequence[tuple[Source, Spooled, float]], stored: bool, why: str) -> None:
        if not stored:
            self._lose_spool(why)
            for connection, _, _ in tokens:
                connection.withhold()
            return
        if not self._spool_sound:
            self._regain_spool()
        self.metrics.add("commits_total")
        at, now = self.now(), self._loop.time()
        answers: dict[Source, list[bytes]] = {}
        readings = 0
        for connection, packet, since in tokens:
            answer = connection.acknowledged(packet, at)
            if answer:
                answers.setdefault(connection, []).append(answer)
            readings += len(packet.readings)
            self.metrics.acknowledging.add(now - since)
        for connection, parts in answers.items():
            connection.write(b"".join(parts))
        for connection in {token[0] for token in tokens}:
            connection.settle()
        self.metrics.add("packets_acknowledged_total", len(tokens))
        self.metrics.add("readings_acknowledged_total", readings)

    def _lose_spool(self, why: str) -> None:
        if self._spool_sound:
            self._spool_sound = False
            self.tell("spool.blocked", Severity.ERROR, detail=why)

    def _regain_spool(self) -> None:
        """Packets are taken again: whoever has some that were not taken is sent home to send them again."""
        self._spool_sound = True
        self.tell("spool.recovered", Severity.WARNING)

    def _delivered(self, delivered: Delivered | None, problem: str) -> None:
        """Hear from the delivering thread."""
        self._loop.call_soon_threadsafe(self._tell_delivery, delivered, problem)

    def _tell_delivery(self, delivered: Delivered | None, problem: str) -> None:
        if delivered is None:
            self.tell("delivery.failed", Severity.ERROR, detail=problem)
            return
        self.tell("delivery.done", detail=f"{delivered.batch}: {delivered.rows} readings")
        if delivered.set_aside.height:
            self.tell("delivery.set-aside", Severity.WARNING, detail=_reasons(delivered.set_aside))

    # work that comes round

    async def _sweep(self) -> None:
        """Let time pass for every connection, a few at a time."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self._sweep_once()
            except Exception as error:  # a defect that one connection shows must not end the limits of all
                self.tell("server.defect", Severity.ERROR, detail=repr(error))

    async def _sweep_once(self) -> None:
        why = self.spool.blocked
        if why:
            self._lose_spool(why)
        elif not self._spool_sound:
            self._try_spool()
        for number, connection in enumerate(list(self.connections)):
            connection.tick()
            if number % _SWEPT_AT_ONCE == _SWEPT_AT_ONCE - 1:
                await asyncio.sleep(0)
        if self._spool_sound:
            for connection in list(self.withheld)[:_RELEASED_AT_ONCE]:
                connection.finish("send-again")

    def _try_spool(self) -> None:
        def done(future: Any) -> None:  # by the writing thread
            if future.exception() is None:
                self._loop.call_soon_threadsafe(self._regain_spool)

        self.spool.probe().add_done_callback(done)

    async def _flush_often(self) -> None:
        while True:
            await asyncio.sleep(self.options.flush_seconds)
            await self._flush()

    async def _flush(self) -> None:
        """Write live states, events and numbers."""
        rows, notes, numbers = self.board.take(), self.board.take_notes(), self.numbers()
        self.metrics.acknowledging.fade(_FADING)
        future = self.spool.run(lambda connection: write_board(connection, rows, notes, numbers))
        try:
            await asyncio.wrap_future(future)
        except (OSError, sqlite3.Error) as error:
            self.board.put_back(rows)
            if self._listener is not None:
                self._listener(Event(self.now(), "status.unwritten", Severity.WARNING, detail=str(error)))


def _reasons(set_aside: pl.DataFrame) -> str:
    """Return how many readings were set aside for which reason, and the gateway that sent most of them."""
    counted = "、".join(
        f"{count} {reason}" for reason, count in set_aside.group_by("reason").len().sort("reason").iter_rows()
    )
    building, gateway, _ = set_aside.group_by("building", "gateway").len().sort("len", "building").row(-1)
    return f"{counted}; {building}/{gateway}"


def _drawn_challenge() -> str:
    return f"{secrets.randbelow(10**8):08d}"
