"""Serving: real processes over a workspace; a dead one is started again, a signal ends all."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dafeng.base.errors import UsageError
from dafeng.lake import Workspace
from dafeng.web.serving import environment_of, listen, sole_use

pytestmark = pytest.mark.embedded


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="taken"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UsageError, match="cannot be used"):
        listen("203.0.113.7", 0)
    sock = listen("127.0.0.1", 0)
    assert sock.getsockname()[1] > 0
    sock.close()


def test_a_platform_that_runs_is_not_moved(tmp_path: Path) -> None:
    def held(*, shared: bool) -> None:
        with sole_use(tmp_path, shared=shared):
            pass

    with sole_use(tmp_path, shared=True):
        held(shared=True)
        with pytest.raises(UsageError, match="is running"):
            held(shared=False)
    with sole_use(tmp_path, shared=False), pytest.raises(UsageError, match="maintained"):
        held(shared=True)


def test_hosts_follow_the_address(tmp_path: Path) -> None:
    assert environment_of(tmp_path, {}, host="::1")["DAFENG_HOSTS"].endswith(",[::1]")
    assert socket.gethostname() in environment_of(tmp_path, {}, host="0.0.0.0")["DAFENG_HOSTS"]
    assert "DAFENG_HOSTS" not in environment_of(tmp_path, {"DAFENG_HOSTS": "a"}, host="0.0.0.0")


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=150)
    try:
        connection.request("GET", "/operation/health", headers={"Host": "localhost"})
        return connection.getresponse().status
    finally:
        connection.close()


def _children(pid: int) -> dict[int, str]:
    """Return the processes that a process started, with their command lines."""
    found = {}
    for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found[int(one)] = Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_it_serves_survives_a_kill_and_ends_cleanly(tmp_path: Path) -> None:
    root = Workspace.create(tmp_path / "w", title="试", place="qingdao").root
    words = ["-m", "dafeng", "serve", "--port", "0", "--workers", "1", "-w", str(root), "--json"]
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ), text=True
    )
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n") or text.count("{") != text.count("}"):
            line = process.stdout.readline()
            assert line, text
            text += line
        said = json.loads(text)
        port = int(said["url"].rstrip("/").rsplit(":", 1)[1])
        assert _status(port) == 200
        assert (root / "web.secret").stat().st_mode & 0o777 == 0o600
        before = _children(process.pid)
        assert len(before) == 2
        os.kill(next(pid for pid, command in before.items() if "web.server" in command), signal.SIGKILL)
        time.sleep(0.5)
        assert _status(port) == 200  # waits in the socket until the pages are there again
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
    for _ in range(50):
        if not any(Path(f"/proc/{pid}").exists() for pid in before):
            break
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)
