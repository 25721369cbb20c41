"""`dafeng serve` and `dafeng web` as a user calls them, as far as no process is started."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import run
from dafeng.lake import Workspace


def test_a_taken_port_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAFENG_WORKSPACE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run("serve", "--port", str(taken.getsockname()[1])) == 2
    assert "端口已被占用" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("web", "--help") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("migrate", "administrator", "audit", "backup", "restore", "move", "check"))


@pytest.mark.slow
def test_a_database_is_made_and_its_audit_log_is_whole(tmp_path: Path) -> None:
    root = Workspace.create(tmp_path / "w", title="试", place="qingdao").root

    def dafeng(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dafeng", *words, "-w", str(root)],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    assert '"applied": [' in dafeng("web", "migrate", "--json")
    assert (root / "web.sqlite3").stat().st_mode & 0o777 == 0o600
    assert '"faults": []' in dafeng("web", "audit", "--json")
