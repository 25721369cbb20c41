"""One connection of a gateway: bytes into the session, steps out of it, and the limits on both.

A connection is not read while too much of it waits: for the disk, for the gateway to take what it was sent, or because it sends
faster than its allowance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol, cast

from dafeng.base.finding import Severity
from dafeng.gateway.limits import Addresses, Bucket, Failures, GatewayLimits, origin
from dafeng.gateway.metrics import Metrics
from dafeng.gateway.profile import Account
from dafeng.gateway.session import CentreSession, Closed, Command, Noted, Packet, Send, Step, Store
from dafeng.gateway.spool import Spool
from dafeng.gateway.status import Live, LiveBoard

__all__ = ["Centre", "Connection", "Pause"]

_FAILED: Final = ("login-failed", "wrong-key", "challenge-void")
_ABUSE: Final = ("no-profile", "body", "before-login")
_QUIET: Final = ("login", "back-fill", "back-fill-done", "device", "period-ack", "archives-ack", "control-ack", "duplicate",
                 "duplicate-pending", "heart-beat-missed")  # fmt: skip
"""Events that are no faults."""


class Pause(Enum):
    """Why a connection is not read."""

    RATE = "rate"
    DISK = "disk"
    WRITING = "writing"
    STOPPING = "stopping"


class Centre(Protocol):
    """What a connection needs of the server."""

    limits: GatewayLimits
    metrics: Metrics
    board: LiveBoard
    addresses: Addresses
    failures: Failures
    connections: set[Connection]
    ready: dict[tuple[str, str], Connection]
    withheld: set[Connection]
    buffer: memoryview
    spool: Spool
    now: Callable[[], datetime]
    ahead: timedelta

    def session(self, connection: Connection) -> CentreSession:
        """Return a session for a connection."""
        ...

    def admit(self, address: str) -> bool:
        """Count a connection of an address, or refuse it."""
        ...

    def account(self, building: str, gateway: str) -> Account | None:
        """Return an account."""
        ...

    def remember(self, address: str, account: Account) -> None:
        """Remember who logged in from an address."""
        ...

    def proven(self, address: str, building: str, gateway: str) -> bool:
        """Return whether a gateway has logged in from an address."""
        ...

    def loop_time(self) -> float:
        """Return seconds of a clock that only runs forward."""
        ...

    def call_later(self, seconds: float, work: Callable[..., object], *values: object) -> None:
        """Have something done later."""
        ...

    def tell(
        self,
        name: str,
        severity: Severity = Severity.INFO,
        *,
        building: str = "",
        gateway: str = "",
        address: str = "",
        detail: str = "",
    ) -> None:
        """Tell the listener of an event."""
        ...


class Connection(asyncio.BufferedProtocol):
    """One connection of a gateway.

    Parameters
    ----------
    server : Centre
    """

    def __init__(self, server: Centre) -> None:
        self.server = server
        self.address = ""
        self.session: CentreSession = server.session(self)
        self._transport: asyncio.Transport | None = None
        self._key: tuple[str, str] | None = None
        self._live: Live | None = None
        self._waiting = 0
        self._paused: set[Pause] = set()
        self._refused = False
        self._partial_since: float | None = None
        self._opened = self._heard = self._writing_since = self._closing_since = 0.0
        self._bytes = Bucket(
            server.limits.bytes_per_second, server.limits.bytes_per_second * server.limits.burst_seconds
        )
        self._frames = Bucket(
            server.limits.frames_per_second, server.limits.frames_per_second * server.limits.burst_seconds
        )

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or refuse it."""
        server = self.server
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = origin(str(peer[0])) if isinstance(peer, tuple) else "local"
        self._opened = self._heard = server.loop_time()
        if not server.admit(self.address):
            self._refused = True
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=1 << 16)
        server.connections.add(self)
        server.metrics.add("connections_total")

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        if self._refused:
            return
        server = self.server
        server.addresses.leave(self.address)
        server.connections.discard(self)
        server.withheld.discard(self)
        if self.session.unanswered:  # who asks for challenges until one comes that it has heard answered
            self._failed(self.session.unanswered, server.loop_time())
        self._log_out()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where bytes go: one buffer serves all connections, since they take turns."""
        return self.server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes."""
        server = self.server
        if self._transport is None or self._transport.is_closing():
            return
        now = self._heard = server.loop_time()
        server.metrics.add("bytes_total", nbytes)
        steps = self._received(bytes(server.buffer[:nbytes]))
        if not self.session.held:
            self._partial_since = None
        elif steps or self._partial_since is None:
            self._partial_since = now
        self._apply(steps, now)
        wait = max(self._bytes.take(nbytes, now), self._frames.take(len(steps), now))
        if wait > 0:
            server.metrics.add("throttled_total")
            self.pause(Pause.RATE)
            server.call_later(wait, self.resume, Pause.RATE)

    def eof_received(self) -> bool:
        """Close; what is on its way to the disk stays there without its acknowledgement."""
        return False

    def pause_writing(self) -> None:
        """Read no more while the gateway does not take what it was sent."""
        self._writing_since = self.server.loop_time()
        self.pause(Pause.WRITING)

    def resume_writing(self) -> None:
        """Read on."""
        self._writing_since = 0.0
        self.resume(Pause.WRITING)

    # steps

    def _received(self, data: bytes) -> list[Step]:
        try:
            return self.session.receive(data, self.server.now())
        except Exception as error:  # a defect ends one connection, not the server
            self._tell("connection.defect", repr(error), Severity.ERROR)
            return [Closed("defect")]

    def _apply(self, steps: Sequence[Step], now: float) -> None:
        self.server.metrics.add("steps_total", len(steps))
        sending: list[bytes] = []
        for step in steps:
            if isinstance(step, Store):
                self._store(step.packet, now)
            elif isinstance(step, Send):
                sending.append(step.data)
            elif isinstance(step, Noted):
                self._noted(step, now)
            elif isinstance(step, Closed):
                self._ended(step, now, sending)
                return
        if sending:
            self.write(b"".join(sending))
        if self._live is not None and steps:
            self._touch(self._live).last_seen = self.server.now().isoformat(timespec="seconds")

    def _store(self, packet: Packet, now: float) -> None:
        server = self.server
        server.metrics.add("packets_received_total")
        if server.spool.blocked:
            self.withhold()
            return
        self._waiting += 1
        if self._waiting >= server.limits.unacknowledged:
            self.pause(Pause.DISK)
        server.spool.put(packet, (self, packet, now))

    def acknowledged(self, packet: Packet, at: datetime) -> bytes:
        """Take down that a packet is on the disk, and return what the gateway is told."""
        self._waiting -= 1
        live = self.server.board.of(packet.building, packet.gateway)
        live.packets += 1
        live.readings += len(packet.readings)
        said = packet.at.isoformat(timespec="seconds")
        if packet.at - packet.received_at <= self.server.ahead:
            live.last_reading = max(live.last_reading, said)
        if packet.operation == "continuous":
            live.backlog = max(0, (live.backlog or 1) - 1)
        else:
            live.clock_error = round((packet.at - packet.received_at).total_seconds(), 1)
        if self._transport is None or self._transport.is_closing():
            return b""
        try:
            return self.session.acknowledge(packet, at)
        except Exception as error:  # the packet is safe; the gateway will send it again
            self._tell("connection.defect", repr(error), Severity.ERROR)
            self.finish("defect")
            return b""

    def settle(self) -> None:
        """Read on where few enough packets wait."""
        if self._waiting < self.server.limits.unacknowledged:
            self.resume(Pause.DISK)

    def withhold(self) -> None:
        """Take down that a packet was not taken; it stays with the gateway."""
        server = self.server
        server.metrics.add("packets_withheld_total")
        if self._live is not None:
            self._touch(self._live).withheld += 1
        if self in server.connections:
            server.withheld.add(self)

    def _noted(self, step: Noted, now: float) -> None:
        server = self.server
        if step.event == "login":
            self._log_in()
            self._tell("login", step.detail)
            return
        if step.event in _FAILED:
            server.metrics.add("login_failures_total")
            self._failed("" if step.event == "wrong-key" else step.detail, now)
        if step.event in _QUIET:
            if step.event == "back-fill" and self._live is not None:
                self._touch(self._live).backlog = int(step.detail.split()[0])
            self._tell(step.event, _facts(step))
            return
        server.metrics.add("faults_total")
        if self._live is not None:
            live = self._touch(self._live)
            live.faults += 1
            live.last_fault, live.last_fault_at = step.event, server.now().isoformat(timespec="seconds")
        self._tell(step.event, step.detail, Severity.WARNING)

    def _failed(self, name: str, now: float) -> None:
        """Count a failed login, of a gateway where it has named itself."""
        server = self.server
        if not self._locked(name, now):
            server.failures.failed(self.address, name, now)
        building, _, gateway = name.rpartition("/")
        if name and server.account(building, gateway) is not None:
            server.board.of(building, gateway).login_failures += 1

    def _ended(self, step: Closed, now: float, sending: list[bytes]) -> None:
        if step.reason in _ABUSE:
            self.server.failures.failed(self.address, "", now)
        if sending:
            self.write(b"".join(sending))
        self.finish(step.reason, step.detail)

    # login

    def account_of(self, building: str, gateway: str) -> Account | None:
        """Return the account of who names itself; None while it has to wait after failures."""
        if self._locked(f"{building}/{gateway}", self.server.loop_time()):
            self.server.tell("login.waits", Severity.WARNING, building=building, gateway=gateway, address=self.address)
            return None
        account = self.server.account(building, gateway)
        if account is not None and account.of_centre:
            self.server.tell("login.centre", Severity.WARNING, building=building, gateway=gateway, address=self.address)
            return None
        return account

    def _locked(self, name: str, now: float) -> bool:
        building, _, gateway = name.rpartition("/")
        proven = self.server.proven(self.address, building, gateway)
        return self.server.failures.waits(self.address, name, now, proven=proven) > 0

    def _log_in(self) -> None:
        server, account = self.server, self.session.account
        if account is None:
            return
        self._log_out()
        self._key = key = account.building, account.gateway
        other = server.ready.get(key)
        server.ready[key] = self
        if other is not None:
            other.finish("replaced", "the gateway has logged in again")
        server.failures.passed(self.address, f"{account.building}/{account.gateway}")
        server.remember(self.address, account)
        server.metrics.add("logins_total")
        live = self._live = server.board.of(*key)
        live.connected, live.address = True, self.address
        live.since = live.last_seen = server.now().isoformat(timespec="seconds")
        live.logins += 1

    def _log_out(self) -> None:
        if self._key is not None and self.server.ready.get(self._key) is self:
            del self.server.ready[self._key]
            self.server.board.of(*self._key).connected = False
        self._key = self._live = None

    def _touch(self, live: Live) -> Live:
        return self.server.board.of(live.building, live.gateway)

    def _tell(self, name: str, detail: str = "", severity: Severity = Severity.INFO) -> None:
        building, gateway = self._key or ("", "")
        self.server.tell(name, severity, building=building, gateway=gateway, address=self.address, detail=detail)

    # the wire

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def command(self, message: Command) -> None:
        """Send a command."""
        self.write(self.session.command(message, self.server.now()))
        self._tell(f"sent.{message.element}", message.operation)

    def pause(self, why: Pause) -> None:
        """Read no more for now."""
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused.add(why)

    def resume(self, why: Pause) -> None:
        """Read on where nothing else stands against it."""
        if why in self._paused:
            self._paused.discard(why)
            if not self._paused and self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def tick(self) -> None:
        """Let time pass."""
        server, limits = self.server, self.server.limits
        now = server.loop_time()
        late = ""
        if self._closing_since:
            if now - self._closing_since > limits.send_seconds:
                self.abort()
            return
        if self._key is None and now - self._opened > limits.login_seconds and self.session.account is None:
            late = "login-timeout"
        elif self._partial_since is not None and now - self._partial_since > limits.frame_seconds and not self._paused:
            late = "slow-frame"
        elif now - self._heard > limits.idle_seconds and not self._paused:
            late = "idle"
        elif self._writing_since and now - self._writing_since > limits.send_seconds:
            late = "not-reading"
        if late:
            server.metrics.add("closed_by_limit_total")
            self._tell("connection.limit", late, Severity.WARNING)
            self.abort()
            return
        steps = self.session.tick(server.now())
        if steps:
            self._apply(steps, now)

    def finish(self, reason: str, detail: str = "") -> None:
        """Send what is left and close."""
        if self._transport is not None and not self._transport.is_closing():
            self._closing_since = self.server.loop_time()
            self._tell("connection.closed", f"{reason} {detail}".strip())
            self._transport.close()
        self._log_out()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
        self._log_out()


def _facts(step: Noted) -> str:
    """Return what a gateway says of itself, else the detail."""
    facts = getattr(step.message, "facts", ())
    return "; ".join(f"{name}={text}" for name, text in facts) or step.detail
