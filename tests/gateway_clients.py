"""A workspace with gateways, servers in this process or in one of their own, and gateways that speak to them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dafeng.catalog import Catalog, load_catalog
from dafeng.gateway.database import DATABASE_FILE, open_database, sole_server
from dafeng.gateway.messages import Common, FunctionReading, Report
from dafeng.gateway.options import ServerOptions
from dafeng.gateway.profile import Account, Keys
from dafeng.gateway.registry import Registry
from dafeng.gateway.server import GatewayServer
from dafeng.gateway.session import Acked, Closed, GatewaySession, Ready, Send, SessionLimits, Step
from dafeng.gateway.status import Event
from dafeng.lake import Workspace
from dafeng.workflow.setting import Setting

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
BUILDING = "370202A001"


@cache
def catalog() -> Catalog:
    """Return the shipped catalog, loaded once."""
    return load_catalog()


def keys_of(number: int) -> Keys:
    return Keys(number.to_bytes(16, "big"), bytes(range(16)), secret=f"secret-{number}")


def account_of(number: int, *, shared: bool = False, **more: Any) -> Account:
    """Return the account of a gateway; `shared` gives all of them one key."""
    keys = keys_of(0 if shared else number)
    return Account(building=BUILDING, gateway=f"{number:02d}", profile="N", keys=keys, **more)


def make_setting(folder: Path, accounts: Sequence[Account] = ()) -> Setting:
    """Make a workspace with gateways on board."""
    workspace = Workspace.create(folder, title="网关", place="qingdao")
    connection = open_database(workspace.root / DATABASE_FILE)
    Registry(connection).put_all(accounts, at=NOW)
    connection.close()
    return Setting(catalog(), workspace)


def options_of(**values: Any) -> ServerOptions:
    """Return options for tests: any port of this machine, quick deliveries, no room kept on the disk."""
    given = {"host": "127.0.0.1", "port": 0, "flush_seconds": 0.2, "spool": {"free_bytes": 0, "retry_seconds": 0.2},
             "delivery": {"seconds": 0.2, "ahead_seconds": 1e10}}  # fmt: skip  # whatever the day of the test
    for name, value in values.items():
        known = given.get(name)
        given[name] = known | value if isinstance(known, dict) else value
    return ServerOptions.model_validate(given)


def report_of(number: int, *, meters: int = 3, at: datetime = NOW, value: float | None = None) -> Report:
    """Return a report: every minute one, with values that say which it is."""
    local = (at + timedelta(minutes=number, hours=8)).replace(tzinfo=None)
    readings = tuple(
        FunctionReading(
            f"{meter:05d}", "1", f"{BUILDING}01000", "", f"{(number if value is None else value) + meter / 100:.2f}"
        )
        for meter in range(1, meters + 1)
    )
    return Report(Common("", ""), "report", str(number), local, readings)


class Client:
    """A gateway on a connection of its own.

    Parameters
    ----------
    account : Account
    port : int
    speaks : str
        Profile.
    """

    def __init__(self, account: Account, port: int, *, speaks: str = "N", limits: SessionLimits | None = None) -> None:
        self.account, self.port = account, port
        profile = catalog().gateway_profiles[speaks]
        self.session = GatewaySession(account, profile, limits=limits or SessionLimits(retry=1e6))
        self.acked: list[str] = []
        self.closed = ""
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self.news = asyncio.Event()

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.task = asyncio.create_task(self._listen())
        self.do(self.session.open(self.now()))
        return self

    async def __aexit__(self, *error: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.writer.close()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def do(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Send):
                self.writer.write(step.data)
            elif isinstance(step, Acked):
                self.acked.append(step.sequence)
            elif isinstance(step, Ready):
                self.ready.set()
            elif isinstance(step, Closed):
                self.closed = step.reason
                self.ended.set()
        self.news.set()

    def report(self, report: Report) -> None:
        self.do(self.session.report(report, self.now()))

    async def login(self) -> Client:
        await asyncio.wait_for(self.ready.wait(), 30)
        return self

    async def until(self, count: int, seconds: float = 30) -> None:
        """Wait until so many reports are acknowledged."""
        await until(lambda: len(self.acked) >= count, seconds)

    async def _listen(self) -> None:
        try:
            while data := await self.reader.read(65536):
                self.do(self.session.receive(data, self.now()))
        except OSError:
            pass
        self.closed = self.closed or "connection"
        self.ended.set()


async def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


class Running:
    """A server within this loop, and what it told."""

    def __init__(
        self, setting: Setting, options: ServerOptions | None = None, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.events: list[Event] = []
        clock = clock or (lambda: datetime.now(UTC))
        self.server = GatewayServer(setting, options or options_of(), clock=clock, listener=self.events.append)

    async def __aenter__(self) -> Running:
        await self.server.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.server.stop()

    @property
    def port(self) -> int:
        return self.server.ports[0]

    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def told(self, name: str, text: str = "") -> bool:
        return any(event.name == name and text in event.detail for event in self.events)


def serve(setting: Setting, port_file: Path, options: ServerOptions) -> None:
    """Serve a workspace until the process is stopped or killed: the work of a child process."""
    assert setting.workspace is not None

    async def work() -> None:
        server = GatewayServer(setting, options, clock=lambda: datetime.now(UTC))
        await server.start()
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        port_file.with_suffix(".new").write_text(str(server.ports[0]))
        port_file.with_suffix(".new").replace(port_file)
        await stopping.wait()
        await server.stop()

    with sole_server(setting.workspace.root):
        asyncio.run(work())
