"""Processes killed at any instant: no half decision, everything told exactly once, every run finished or given back."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dafeng.lake import Workspace

pytestmark = pytest.mark.embedded
DRIVER = Path(__file__).with_name("fault_driver.py")
WORKER = ["-m", "dafeng.web.jobs.process"]
SHORT_LEASE = {"DAFENG_LEASE_SECONDS": "1"}


def environment(root: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DAFENG_WORKSPACE": str(root),
        "DAFENG_TODAY": "2026-09-15",
        "DAFENG_LOG_LEVEL": "ERROR",
        **SHORT_LEASE,
    }


def run(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words], env=environment(root), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def state(root: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run(root, str(DRIVER), "state"))
    return said


def killed(root: Path, words: list[str], rng: random.Random) -> int:
    """Start a process, kill it at some instant of its work, and return how many lines it had written."""
    process = subprocess.Popen(
        [sys.executable, *words], env=environment(root), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    if words[0] == str(DRIVER):
        process.stdout.readline()  # it has begun to decide
        time.sleep(rng.random() * 0.1)
    else:
        time.sleep(2.0 + rng.random() * 2.0)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate()
    return rest.count("\n")


def check_killing(root: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    Workspace.create(root, title="示范市（虚构）", place="demo-city")
    count = 6 * kills
    run(root, str(DRIVER), "prepare", str(count))
    for number in range(kills):
        killed(root, [str(DRIVER), "decide"] if number % 2 == 0 else WORKER, rng)
        between = state(root) if number == 0 else None
        if between is not None:
            assert between["frozen"] == between["told"] == between["audited"]
            assert between["faults"] == []
    time.sleep(1.1)  # the lease of a killed worker
    run(root, *WORKER, "--once")
    end = state(root)
    assert end["faults"] == []
    assert end["frozen"] == end["told"] == end["audited"] == end["sealed"]
    assert len(end["frozen"]) == len(set(end["frozen"])) > 0
    assert end["waiting"] == 0
    assert set(end["jobs"]) <= {"done", "failed"}
    assert len(end["jobs"]) == end["asked"]
    run(root, str(DRIVER), "decide")
    run(root, *WORKER, "--once")
    assert len(state(root)["sealed"]) == count


@pytest.mark.slow
def test_five_kills(tmp_path: Path) -> None:
    check_killing(tmp_path / "w", 5, 11)


@pytest.mark.soak
def test_a_hundred_kills(tmp_path: Path) -> None:
    for seed in range(10):
        check_killing(tmp_path / f"w{seed}", 10, seed)
