"""Plays a city of gateways against a server: each connects, logs in, reports, keeps what is not acknowledged, and comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import Field

from dafeng.base.listener import Listener, silent
from dafeng.base.record import Record
from dafeng.gateway.messages import Report
from dafeng.gateway.profile import Profile
from dafeng.gateway.session import Acked, Closed, Noted, Ready, Send, SessionLimits, Step
from dafeng.gateway.simulator_faults import FaultKind
from dafeng.gateway.simulator_files import City
from dafeng.gateway.simulator_script import Link, Script, TroubledSession, script_of

__all__ = ["PlayOptions", "Played", "PlayedGateway", "play_city"]

_READ: Final = 1 << 16
_PIECE: Final = 97
"""Bytes of a segment where a frame is cut: no multiple of a block."""


class PlayOptions(Record):
    """How gateways are played."""

    host: str = "127.0.0.1"
    """Where the server is."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    speed: float | None = Field(default=None, gt=0)
    """Seconds of the city in one second; as fast as acknowledgements come where None."""
    retry: float = Field(default=3.0, gt=0)
    """Seconds after which a report without acknowledgement is sent again."""
    window: int = Field(default=16, ge=1)
    """Reports under way at once, of one gateway."""
    attempts: int = Field(default=3, ge=1)
    """Logins that are refused before a gateway gives up."""
    at_once: int = Field(default=100, ge=1)
    """Gateways that log in at the same time."""
    patience: float = Field(default=120.0, gt=0)
    """Seconds without any acknowledgement after which a gateway gives up."""
    pause: float = Field(default=0.2, gt=0)
    """Seconds before it connects again."""


@dataclass
class PlayedGateway:
    """What became of a gateway.

    Parameters
    ----------
    number : int
        Its place in the plan.
    acked : set of int
        Readings that the centre acknowledged.
    kept : set of int
        Readings that it did not.
    frames : int
        Reports sent, again and twice included.
    again : int
        Reports sent again for want of an acknowledgement.
    connections : int
    refused : int
        Logins that failed.
    waits : list of float
        Seconds from the first sending of a report to its acknowledgement.
    notes : dict from event to int
        What the session noted.
    """

    number: int
    acked: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    frames: int = 0
    again: int = 0
    connections: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)


class Played(NamedTuple):
    """What became of a city.

    Parameters
    ----------
    gateways : tuple of PlayedGateway
    seconds : float
        How long it took.
    """

    gateways: tuple[PlayedGateway, ...]
    seconds: float

    @property
    def acked(self) -> int:
        """Packets acknowledged."""
        return sum(len(one.acked) for one in self.gateways)

    @property
    def frames(self) -> int:
        """Reports sent, again and twice included."""
        return sum(one.frames for one in self.gateways)


async def play_city(
    city: City,
    options: PlayOptions,
    profiles: dict[str, Profile],
    *,
    clock: Callable[[], datetime],
    gateways: Sequence[int] | None = None,
    tls: ssl.SSLContext | None = None,
    listener: Listener = silent,
) -> Played:
    """Play gateways of a city until each has sent what it has, or gives up.

    Parameters
    ----------
    city : City
    options : PlayOptions
    profiles : dict
        Of the catalog.
    clock : callable
        The present moment.
    gateways : sequence of int, optional
        Only these; all where None.
    tls : SSLContext, optional
    listener : Listener
        Told of gateways that are through.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    chosen = range(len(city.plan.gateways)) if gateways is None else gateways
    door = asyncio.Semaphore(options.at_once)
    through = 0

    async def one(number: int) -> PlayedGateway:
        nonlocal through
        async with door:
            script = script_of(city, number)
        player = _Player(city, number, script, options, profiles[script.account.profile], clock, door, started, tls)
        played = await player.run()
        through += 1
        listener("网关 / gateways", through, len(chosen))
        return played

    found = await asyncio.gather(*(one(number) for number in chosen))
    return Played(tuple(found), loop.time() - started)


class _Player:
    """One gateway at work."""

    def __init__(
        self,
        city: City,
        number: int,
        script: Script,
        options: PlayOptions,
        profile: Profile,
        clock: Callable[[], datetime],
        door: asyncio.Semaphore,
        started: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._script, self._options, self._profile, self._clock = script, options, profile, clock
        self._door, self._started, self._tls = door, started, tls
        self._instants = city.plan.instants - city.plan.instants[city.plan.fine]
        self._troubles = dict(script.troubles)
        self._unreadable = {name for name, kind in script.troubles.items() if kind is FaultKind.UNREADABLE}
        self._first_sent: dict[str, float] = {}
        self._waiting: dict[str, Report] = {}
        self._gone = False
        self.played = PlayedGateway(number)

    async def run(self) -> PlayedGateway:
        """Go through all connections of the script."""
        for link in self._script.links:
            for step in link.kept:
                await self._until(step)
                self._keep(step)
            if not await self._over(link):
                for step in link.live:
                    self._keep(step)
                break
        self.played.kept = {int(sequence) - 1 for sequence in self._waiting} - self.played.acked
        return self.played

    def _keep(self, step: int) -> None:
        """Keep a report until the next connection."""
        report = self._script.report(step)
        self._waiting[report.sequence] = report

    async def _over(self, link: Link) -> bool:
        """Send what a connection is for, over as many as it takes; return whether that went well."""
        live = list(link.live)
        loop = asyncio.get_running_loop()
        refused, since = 0, loop.time()
        while live or (self._left() and not link.drops):
            before = len(self.played.acked) + len(link.live) - len(live)
            passed = await self._connect(live, drops=link.drops)
            if len(self.played.acked) + len(link.live) - len(live) > before:
                since = loop.time()
            refused = refused + 1 if passed is False else 0
            if refused >= self._options.attempts or self._gone or loop.time() - since > self._options.patience:
                return False
            if live or (self._left() and not link.drops):
                await asyncio.sleep(self._options.pause)
        return True

    def _left(self) -> bool:
        """Return whether any report waits that can be read."""
        return any(sequence not in self._unreadable for sequence in self._waiting)

    async def _until(self, step: int) -> None:
        """Wait until a reading is due."""
        if self._options.speed is not None:
            due = self._started + max(float(self._instants[step]), 0.0) / self._options.speed
            await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))

    async def _connect(self, live: list[int], *, drops: bool) -> bool | None:
        """Connect, log in and send; return whether the login passed, None where nobody listens.

        What was handed over is taken off `live`.
        """
        options = self._options
        async with self._door:
            try:
                reader, writer = await asyncio.open_connection(options.host, options.port, ssl=self._tls)
            except OSError:
                return None
            self.played.connections += 1
            limits = SessionLimits(retry=options.retry, window=options.window, login=options.patience)
            session = TroubledSession(
                self._script.account,
                self._profile,
                troubles=self._troubles,
                manners=self._script.manners,
                limits=limits,
                outstanding=tuple(self._waiting.values()),
            )
            line = _Line(self, session, reader, writer)
            passed = await line.log_in()
        try:
            if passed:
                await line.send_all(live, drops=drops)
            else:
                self.played.refused += 1
        finally:
            line.waker.cancel()
            self.played.frames += session.frames
            self._waiting = {report.sequence: report for report in session.outstanding}
            if drops:
                writer.transport.abort()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return passed

    def hear(self, steps: Sequence[Step]) -> tuple[bytes, bool, bool]:
        """Return what is to be sent, whether the login passed, and whether the session is over."""
        data, ready, over = [], False, False
        now = asyncio.get_running_loop().time()
        for step in steps:
            match step:
                case Send():
                    data.append(step.data)
                case Ready():
                    ready = True
                case Acked():
                    self.played.acked.add(int(step.sequence) - 1)
                    self.played.waits.append(now - self._first_sent.pop(step.sequence, now))
                case Closed():
                    over = True
                case Noted():
                    self.played.notes[step.event] = self.played.notes.get(step.event, 0) + 1
                    self.played.again += step.event == "sent-again"
        return b"".join(data), ready, over


class _Line:
    """A connection with its session."""

    def __init__(
        self, player: _Player, session: TroubledSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._player, self._session, self._reader, self._writer = player, session, reader, writer
        self._changed = asyncio.Event()
        self._ready = self._closed = False
        self._held = b""
        self._heard_at = asyncio.get_running_loop().time()
        self.waker = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        """Take what comes until the connection ends."""
        try:
            while not self._closed and (data := await self._reader.read(_READ)):
                self._heard_at = asyncio.get_running_loop().time()
                await self._do(self._session.receive(data, self._player._clock()))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._closed = True
            self._changed.set()

    async def _do(self, steps: Sequence[Step], *, hold: bool = False) -> None:
        data, ready, over = self._player.hear(steps)
        self._ready |= ready
        manner, self._session.manner = self._session.manner, None
        self._held += data
        if not hold:
            await self._flush(cut=manner is FaultKind.SPLIT)
        self._closed |= over
        self._changed.set()

    async def _flush(self, *, cut: bool = False) -> None:
        data, self._held = self._held, b""
        if not data or self._writer.is_closing():
            return
        size = _PIECE if cut else len(data)
        try:
            for start in range(0, len(data), size):
                self._writer.write(data[start : start + size])
                if cut:
                    await asyncio.sleep(0)
            await self._writer.drain()
        except OSError:
            self._closed = True

    async def log_in(self) -> bool:
        """Log in; return whether it passed."""
        await self._do(self._session.open(self._player._clock()))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._player._options.patience):
                while not (self._ready or self._closed):
                    await self._wait(None)
        return self._ready

    async def send_all(self, live: list[int], *, drops: bool) -> None:
        """Hand over one reading after another, and stay until all are acknowledged or the connection ends."""
        player, session, window = self._player, self._session, self._player._options.window
        player._first_sent |= dict.fromkeys(
            (report.sequence for report in session.outstanding), asyncio.get_running_loop().time()
        )
        while live and not self._closed:
            await player._until(live[0])
            if len(session.outstanding) >= window + len(player._unreadable):
                await self._flush()
                await self._wait(0.25)
                continue
            step = live.pop(0)
            report = player._script.report(step)
            player._first_sent[report.sequence] = asyncio.get_running_loop().time()
            joined = player._script.manners.get(report.sequence) is FaultKind.MERGED
            await self._do(session.report(report, player._clock()), hold=joined)
        await self._flush()
        while not self._closed and not drops and self._left():
            await self._wait(0.25)

    def _left(self) -> bool:
        """Return whether a report waits that is not yet given up."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > self._player._options.patience:
            self._player._gone = True
            return False
        tries, unreadable = self._session.tries, self._player._unreadable
        return any(
            report.sequence not in unreadable or tries.get(report.sequence, 0) < 2
            for report in self._session.outstanding
        )

    async def _wait(self, seconds: float | None) -> None:
        """Wait for something to happen, and let the session's time pass."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()
        if not self._closed:
            steps = self._session.tick(self._player._clock())
            if steps:
                await self._do(steps)
