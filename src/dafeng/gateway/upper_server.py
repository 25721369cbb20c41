"""Listens for lower centres: one connection each, one document at a time, imports in a thread beside the sockets."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.limits import Addresses, Failures, GatewayLimits, origin
from dafeng.gateway.profile import Account
from dafeng.gateway.registry import Registry
from dafeng.gateway.session import Closed, Noted, Send, SessionLimits
from dafeng.gateway.tls_listener import TlsListener
from dafeng.gateway.upper_messages import Offered, Receipt, Upload
from dafeng.gateway.upper_receiving import UpperLimits, UpperReceiver
from dafeng.gateway.upper_session import ProvinceEnd, Uploaded
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["UpperServer"]

_READ: Final = 1 << 16
_TICK: Final = 5.0
_HANDSHAKE_SECONDS: Final = 10.0
_LIMITS: Final = GatewayLimits(connections=200, connections_per_address=50)


class UpperServer:
    """The receiving side of a province.

    Parameters
    ----------
    setting : Setting
        Its workspace holds the accounts of the lower centres (gateway number 00, building the six digits) and takes the documents.
    host, port : str, int
        Port 0 lets the system choose.
    clock : callable
        The present moment, UTC.
    tls : SSLContext, optional
    limits : UpperLimits, optional
    told : callable, optional
        Told of logins, receipts and refusals: event, centre, detail. No secret is among them.

    Attributes
    ----------
    port : int
        Where it listens once started.
    """

    def __init__(
        self,
        setting: Setting,
        *,
        clock: Callable[[], datetime],
        host: str = "0.0.0.0",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        limits: UpperLimits | None = None,
        told: Callable[[str, str, str], object] = lambda event, centre, detail: None,
    ) -> None:
        self._setting, self._clock, self._host, self.port = setting, clock, host, port
        self._tls, self._told = tls, told
        self._path = need_workspace(setting)[0].root / DATABASE_FILE
        self._profiles = tuple(setting.catalog.gateway_profiles.values())
        self._upper_limits = limits
        self._addresses, self._failures = Addresses(_LIMITS), Failures(_LIMITS)
        self._server: asyncio.Server | TlsListener
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open database and port.

        Raises
        ------
        LakeError
            The database cannot be opened.
        OSError
            The port cannot be taken.
        """
        self._database = open_database(self._path)
        self._registry = Registry(self._database)
        self._store = open_database(self._path)  # another thread's
        self._receiver = UpperReceiver(self._setting, self._store, clock=self._clock, limits=self._upper_limits)
        self._turn = asyncio.Lock()
        try:
            if self._tls is None:
                server = await asyncio.start_server(self._serve, self._host, self.port)
                self._server, self.port = server, int(server.sockets[0].getsockname()[1])
            else:
                listener = TlsListener(
                    self._tls, self._streams, admit=self._admit, leave=self._leave, seconds=_HANDSHAKE_SECONDS
                )
                self._server, self.port = listener, await listener.start(self._host, self.port)
        except OSError:
            self._database.close()
            self._store.close()
            raise

    async def stop(self) -> None:
        """Take no more connections, finish the import at work, and close."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._turn:
            self._database.close()
            self._store.close()

    def _streams(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._serve)

    def _admit(self, address: str) -> bool:
        return not self._addresses.enter(origin(address))

    def _leave(self, address: str) -> None:
        self._addresses.leave(origin(address))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # started by the server as one
        self._tasks.add(task)
        address = origin(str((writer.get_extra_info("peername") or ("",))[0]))
        entered = self._admit(address)
        try:
            if entered:
                await self._talk(reader, writer, address)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the other end is gone, or this one stops
        finally:
            if entered:
                self._leave(address)
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def _account(self, address: str, building: str, gateway: str) -> Account | None:
        now = asyncio.get_running_loop().time()
        account = self._registry.get(building, gateway)
        waits = self._failures.waits(address, building, now) > 0
        return None if waits or account is None or not account.of_centre else account

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        session = ProvinceEnd(
            lambda building, gateway: self._account(address, building, gateway),
            challenge=lambda: f"{secrets.randbelow(10**8):08d}",
            profiles=self._profiles,
            limits=SessionLimits(),
            keys=lambda: [one.keys for one in self._registry.accounts() if one.of_centre],
        )
        while True:
            try:
                async with asyncio.timeout(_TICK):
                    data = await reader.read(_READ)
                if not data:
                    return
                steps = session.receive(data, self._clock())
            except TimeoutError:
                steps = []
            steps += session.tick(self._clock())  # also of a sender that keeps it busy with crumbs
            for step in steps:
                centre = "" if session.account is None else session.account.building
                match step:
                    case Send():
                        writer.write(step.data)
                    case Uploaded() if step.upload is not None:
                        writer.write(session.say(await self._answer(centre, step.upload)))
                    case Noted():
                        self._hear(step, centre, address)
                    case Closed():
                        self._told(f"upper.closed.{step.reason}", centre, step.detail)
                        await asyncio.wait_for(writer.drain(), _LIMITS.send_seconds)
                        return
            await asyncio.wait_for(writer.drain(), _LIMITS.send_seconds)

    def _hear(self, step: Noted, centre: str, address: str) -> None:
        if step.event in ("login-failed", "wrong-key"):
            self._failures.failed(address, step.detail.partition("/")[0], asyncio.get_running_loop().time())
        elif step.event == "login":
            self._failures.passed(address, centre)
        self._told(f"upper.{step.event}", centre, step.detail)

    async def _answer(self, centre: str, said: Upload) -> Upload:
        """Answer in a thread, one document at a time; a fault of this side is no fault of the document."""
        async with self._turn:
            work = asyncio.ensure_future(asyncio.to_thread(self._receiver.answer, centre, said))
            try:
                answer = await asyncio.shield(work)
            except asyncio.CancelledError:
                await work  # what has begun is finished before anything closes
                raise
            except Exception as error:  # whatever it is, the connection and the other centres go on
                self._told("upper.failed", centre, f"{type(error).__name__}: {error}"[:300])
                return Offered(getattr(said, "sha256", "0" * 64), "later", 0, "上级暂时不能接收")
        if isinstance(answer, Receipt):
            self._told(f"upper.{answer.state}", centre, f"{answer.sha256[:12]} {answer.values} {answer.detail}"[:300])
        return answer
