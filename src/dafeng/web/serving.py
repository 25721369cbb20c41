"""Serving: the platform set up over a workspace, its processes started, watched and ended.

One process supervises two others: gunicorn with the pages, and the worker that publishes and does background runs. The socket is
opened here, before anything is started: a port that is taken is said at once, and connections wait while a process is
restarted. Whichever way this process ends, the others end too (see `dafeng.web.server.watch_parent`).
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import django
from django.apps import apps
from django.conf import settings

from dafeng.base.errors import ContentError, InputError, UsageError
from dafeng.lake import Workspace
from dafeng.workflow.demonstration import DEMO_DAY, DEMO_PLAN

__all__ = ["ServeOptions", "listen", "open_platform", "serve", "sole_use", "wait_until_ready"]

_LOCK_FILE: Final = "web.lock"
_SETTINGS: Final = "dafeng.web.settings"
_READY_SECONDS: Final = 90.0
_GRACE_SECONDS: Final = 25.0
_LONGEST_WAIT: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_NOT_STARTED: Final = (3, 4)
"""Exit codes of gunicorn where the application cannot be loaded: to try again is in vain."""


def open_platform(root: Path) -> ModuleType:
    """Set Django up over a workspace, and return the commands of operation (`dafeng.web.operation.commands`).

    Parameters
    ----------
    root : Path
        Workspace folder. The demonstration's is judged as of its own day unless `DAFENG_TODAY` says otherwise.

    Raises
    ------
    UsageError
        This process has opened another workspace already.
    """
    if not apps.ready:
        os.environ.update(environment_of(root, os.environ))
        django.setup()
    if Path(settings.DAFENG_WORKSPACE or "") != root.absolute():
        raise UsageError(
            f"这个进程已打开 {settings.DAFENG_WORKSPACE} / another workspace is open in this process",
            doing="open the platform",
            expected="一个进程一个工作区 / one workspace a process",
            next_step="另起一个进程 / use another process",
        )
    return import_module("dafeng.web.operation.commands")


def environment_of(root: Path, environment: Mapping[str, str], *, host: str | None = None) -> dict[str, str]:
    """Return the variables that the platform's processes need besides those that are set.

    Examples
    --------
    >>> environment_of(Path("/nowhere"), {"DAFENG_HOSTS": "a.cn"})
    {'DAFENG_WORKSPACE': '/nowhere', 'DJANGO_SETTINGS_MODULE': 'dafeng.web.settings'}
    >>> environment_of(Path("/nowhere"), {}, host="10.0.0.5")["DAFENG_HOSTS"]
    'localhost,127.0.0.1,[::1],10.0.0.5'
    """
    said = {"DAFENG_WORKSPACE": str(root.absolute()), "DJANGO_SETTINGS_MODULE": _SETTINGS}
    if not environment.get("DAFENG_TODAY") and (root / "dafeng.toml").exists():
        said |= {"DAFENG_TODAY": DEMO_DAY.isoformat()} if Workspace.open(root).settings.plan == DEMO_PLAN else {}
    if host is not None and not environment.get("DAFENG_HOSTS"):
        names = ["localhost", "127.0.0.1", "[::1]"]
        own = socket.gethostname() if host in ("", "0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        said["DAFENG_HOSTS"] = ",".join(dict.fromkeys([*names, own]))
    return said


@contextmanager
def sole_use(root: Path, *, shared: bool) -> Iterator[None]:
    """Hold the platform of a workspace: shared by whatever serves it, alone by what replaces its database.

    Raises
    ------
    UsageError
        It is in use in a way that excludes this one.
    """
    try:
        handle = os.open(root / _LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise InputError(
            f"{root} 写不了 / cannot be written: {error.strerror}",
            doing="open the platform",
            expected="可写的工作区文件夹 / a workspace folder that can be written",
            next_step="检查权限和磁盘 / check permissions and the disk",
        ) from error
    try:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "平台正在运行 / the platform is running"
                if not shared
                else "平台正在维护 / the platform is being maintained",
                doing="hold the platform of the workspace",
                expected="没有其他进程占用 / no other process that uses it",
                next_step="先停止 `dafeng serve` / stop `dafeng serve` first"
                if not shared
                else "稍后再试 / try again later",
            ) from None
        yield
    finally:
        os.close(handle)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    UsageError
        The port is taken, may not be used, or the address is none of this machine.
    """
    doing = f"listen on {host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(512)
    except OSError as error:
        sock.close()
        says, then = {
            errno.EADDRINUSE: ("端口已被占用 / the port is taken", "换一个端口：--port / choose another port"),
            errno.EACCES: (
                "没有权限用这个端口 / the port may not be used",
                "用 1024 以上的端口，由反向代理转发 / use a port above 1023",
            ),
        }.get(
            error.errno or 0,
            (f"地址不能用 / the address cannot be used: {error.strerror or error}", "检查 --host / check --host"),
        )
        raise UsageError(says, doing=doing, expected="空闲的端口 / a free port", next_step=then) from error
    sock.set_inheritable(True)
    return sock


@dataclass(frozen=True)
class ServeOptions:
    """How the platform is served.

    Attributes
    ----------
    host, port : str, int
    workers, threads : int
        Processes and threads of the web server.
    background : bool
        Whether a worker runs here too.
    quiet : bool
        Whether the log carries warnings alone.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 2
    threads: int = 4
    background: bool = True
    quiet: bool = False


@dataclass
class _Child:
    """A process that is kept alive."""

    name: str
    command: Sequence[str]
    handles: tuple[int, ...]
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    wait: float = 1.0
    due: float = field(default=0.0)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, pass_fds=self.handles, env=dict(self.environment), stdin=subprocess.DEVNULL, process_group=0
        )
        self.started = time.monotonic()

    def keep(self, told: Callable[[str], None]) -> int | None:
        """Start it again where it has ended, ever later where it keeps ending; return its exit code where it has just ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.due:
                self.start()
            return None
        code = self.process.poll()
        if code is None:
            return None
        self.wait = 1.0 if now - self.started > _STEADY_SECONDS else min(2 * self.wait, _LONGEST_WAIT)
        self.process, self.due = None, now + self.wait
        told(f"{self.name} 已退出（{code}），{self.wait:.0f} 秒后重启 / ended, starts again")
        return code

    def end(self, how: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)


def serve(
    root: Path,
    sock: socket.socket,
    options: ServeOptions,
    *,
    ready: Callable[[], None],
    told: Callable[[str], None],
) -> None:
    """Serve the platform of a workspace until SIGTERM or SIGINT; the main thread's work.

    Parameters
    ----------
    root : Path
        Workspace folder, migrated.
    sock : socket
        As `listen` returns it.
    options : ServeOptions
    ready : callable
        Called once, when the first page was answered.
    told : callable
        Takes what befalls the processes, in words.

    Raises
    ------
    ContentError
        The pages cannot be started.
    """
    stop = threading.Event()
    before = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGTERM, signal.SIGINT)}
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    environment = {**os.environ, **environment_of(root, os.environ, host=options.host)}
    environment |= {"DAFENG_LOG_LEVEL": "WARNING"} if options.quiet else {}
    parent = ["--parent", str(reading)]
    pages = _Child(
        "web",
        [sys.executable, "-m", "dafeng.web.server", "--socket", str(sock.fileno()), *parent,
         "--workers", str(options.workers), "--threads", str(options.threads)],
        (sock.fileno(), reading),
        environment,
    )  # fmt: skip
    worker = _Child("worker", [sys.executable, "-m", "dafeng.web.jobs.process", *parent], (reading,), environment)
    children = [pages, *([worker] if options.background else [])]
    try:
        with sole_use(root, shared=True):
            for child in children:
                child.start()
            _wait_for_pages(sock, pages, stop, told)
            if not stop.is_set():
                ready()
            while not stop.wait(0.2):
                for child in children:
                    code = child.keep(told)
                    if child is pages and code in _NOT_STARTED:
                        raise _not_started(code)
    finally:
        _end(children)
        for handle in (reading, writing):
            os.close(handle)
        sock.close()
        for one, handler in before.items():
            signal.signal(one, handler)


def _wait_for_pages(sock: socket.socket, pages: _Child, stop: threading.Event, told: Callable[[str], None]) -> None:
    def ended() -> bool:
        code = None if pages.process is None else pages.process.poll()
        if code in _NOT_STARTED:
            raise _not_started(code)
        pages.keep(told)
        return stop.is_set()

    wait_until_ready(sock.getsockname()[:2], ended=ended)


def wait_until_ready(address: tuple[str, int], *, ended: Callable[[], bool], seconds: float = _READY_SECONDS) -> None:
    """Wait until the platform answers at an address, or `ended` says that it will not.

    Raises
    ------
    ContentError
        It does not answer in time.
    """
    host, port = address
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    until = time.monotonic() + seconds
    while time.monotonic() < until and not ended():
        connection = http.client.HTTPConnection(own, port, timeout=30)
        try:
            connection.request("GET", "/operation/health", headers={"Host": "localhost"})
            connection.getresponse().read()
            return
        except (OSError, http.client.HTTPException):
            time.sleep(0.3)
        finally:
            connection.close()
    if not ended():
        raise _not_started(None)


def _not_started(code: int | None) -> ContentError:
    return ContentError(
        "页面进程起不来 / the pages cannot be started" + ("" if code is None else f"（gunicorn {code}）"),
        doing="serve the platform",
        expected="设置无误，数据库可用 / sound settings, a database that answers",
        next_step="看上面的日志；`dafeng web check` 自查 / read the log above",
    )


def _end(children: Sequence[_Child]) -> None:
    """End all: asked first, killed where that does not help in time."""
    for child in children:
        child.end(signal.SIGTERM)
    until = time.monotonic() + _GRACE_SECONDS
    for child in children:
        if child.process is not None:
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
