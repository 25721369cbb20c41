"""Processes killed at any instant: no half decision, nothing lost, everything told exactly once, every run finished or given back."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from dafeng.lake import Workspace

pytestmark = pytest.mark.embedded
DRIVER: Final = Path(__file__).with_name("fault_driver.py")
LINES: Final = 13
"""Figures of the water table as it is filled in."""
KILLED: Final = -signal.SIGKILL


def environment(root: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DAFENG_WORKSPACE": str(root),
        "DAFENG_TODAY": "2026-09-15",
        "DAFENG_LOG_LEVEL": "ERROR",
        "DAFENG_LEASE_SECONDS": "1",
        "DAFENG_HOSTS": "localhost",
    }


class Driver:
    """Runs what is killed, each time in a process of its own."""

    def __init__(self, root: Path) -> None:
        self._root, self._said = root, root.parent / f"{root.name}.json"
        self._errors = (root.parent / f"{root.name}.log").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER)], env=environment(root), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True,
        )  # fmt: skip

    def run(self, name: str, number: int = 0) -> int:
        """Do a command; return how its process ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name} {number} {self._said}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def surely(self, name: str, number: int = 0) -> None:
        """Do a command that must end well."""
        ended = self.run(name, number)
        self._errors.seek(0)
        assert ended == 0, self._errors.read()[-3000:]

    def ask(self, name: str) -> Any:
        """Return what a command says."""
        self.surely(name)
        return json.loads(self._said.read_text())

    def close(self) -> None:
        """End it."""
        self._process.communicate()
        self._errors.close()


@contextmanager
def driver(root: Path, count: int) -> Iterator[Driver]:
    """Make a workspace in which `count` reports are to be frozen and forms to be sent in; yield what runs processes over it."""
    Workspace.create(root, title="示范市（虚构）", place="demo-city")
    found = Driver(root)
    try:
        found.surely("prepare", count)
        yield found
    finally:
        found.close()


def check_whole(said: dict[str, Any]) -> None:
    """Assert that no decision is half there, whenever this is asked."""
    assert said["faults"] == []
    assert said["lake"] == []
    assert said["frozen"] == said["told"] == said["audited"]
    rows = {pk: (assignment, state) for pk, assignment, state in said["submissions"]}
    assert sorted(rows) == said["submitted"]
    assert said["documents"]
    approved = [pk for pk, (_, state) in rows.items() if state == "approved"]
    assert approved == said["approved"] == said["publishing"]
    assert set(said["published"]) <= set(approved)
    assert max(Counter(assignment for assignment, _ in rows.values()).values(), default=1) == 1
    for pk, state, current, decided in said["assignments"]:
        assert (state, decided) in {("draft", None), ("submitted", None), ("approved", current)}
        assert (None if current is None else rows[current]) == (None if state == "draft" else (pk, state))


def check_done(said: dict[str, Any], count: int) -> None:
    """Assert that everything is decided, and that the workspace was told each of it once."""
    check_whole(said)
    assert len(said["sealed"]) == len(said["published"]) == count
    assert said["sealed"] == said["frozen"]
    assert (said["waiting"], said["stuck"]) == (0, [])
    assert (said["facts"], said["versions"], len(said["periods"])) == (LINES * count, LINES * count, count)
    assert said["values"] == [52000e4]
    assert set(said["jobs"]) <= {"done", "failed"}
    assert len(said["jobs"]) == said["asked"]


def check_killing(root: Path, kills: int, seed: int) -> int:
    """Kill who decides and who publishes in turn, then let both finish; return how many kills struck."""
    rng, count = random.Random(seed), max(3, kills // 2)
    with driver(root, count) as processes:
        ends = [processes.run("decide" if at % 2 == 0 else "work", rng.randrange(1, 1 << 30)) for at in range(kills)]
        assert set(ends) <= {0, KILLED}
        found, finished = processes.ask("finish")
        check_whole(found)
        check_done(finished, count)
    return ends.count(KILLED)


@pytest.mark.slow
def test_five_kills(tmp_path: Path) -> None:
    assert check_killing(tmp_path / "w", 5, 11) >= 3


@pytest.mark.soak
def test_a_hundred_kills(tmp_path: Path) -> None:
    assert sum(check_killing(tmp_path / f"w{seed}", 14, seed) for seed in range(10)) >= 100


def _post(port: int, session: str, pk: int) -> http.client.HTTPConnection:
    """Begin to send a form in as a browser does."""
    token = "a" * 32
    headers = {
        "Host": "localhost",
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "X-CSRFToken": token,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    sending = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    sending.request("POST", f"/returns/{pk}/submit/", body="reason=", headers=headers)
    return sending


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_killed_web_worker_leaves_a_submission_or_none(tmp_path: Path) -> None:
    root, rng, count = tmp_path / "w", random.Random(5), 10
    with driver(root, count) as processes, socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        session, port = processes.ask("session"), listening.getsockname()[1]
        words = ["-m", "dafeng.web.server", "--socket", str(listening.fileno()), "--workers", "1"]
        server = subprocess.Popen([sys.executable, *words], env=environment(root), pass_fds=[listening.fileno()])
        try:
            killed = 0
            for pk, *_ in processes.ask("state")["assignments"]:
                for attempt in (1, 2, 3):
                    sending = _post(port, session, pk)
                    if attempt == 1:
                        time.sleep(0.02 + rng.random() * 0.5 + (4 if killed == 0 else 0))
                        [worker] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
                        os.kill(int(worker), signal.SIGKILL)
                        killed += 1
                    try:
                        answer = sending.getresponse()
                        assert answer.status in (200, 302), answer.read()
                        break
                    except (http.client.HTTPException, OSError):
                        check_whole(processes.ask("state"))
                    finally:
                        sending.close()
            said = processes.ask("state")
            check_whole(said)
            assert {state for _, _, state in said["submissions"]} == {"submitted"}
            assert len(said["submissions"]) == count
        finally:
            server.terminate()
            server.wait(40)
