"""`dafeng gateway simulate`, `send` and `uploads` as a user runs them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from command_line import answer, run
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.registry import Registry
from dafeng.gateway.simulator_files import open_city
from dafeng.lake import Workspace
from gateway_city import CENTRE


def accounts_file(folder: Path, *rows: str) -> Path:
    path = folder / "centre.csv"
    path.write_text("建筑代码,网关编号,协议,密钥,向量,口令\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_city_is_made_prepared_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home, folder = tmp_path / "w", tmp_path / "city"
    Workspace.create(home, title="试", place="qingdao")
    words = ("gateway", "simulate", str(folder), "--day", "2026-03-01", "--gateways", "2", "--meters", "2", "--no-faults",
             "--seed", "9", "--prepare", "-w", str(home))  # fmt: skip
    said = answer(capsys, *words)
    assert (said["gateways"], said["meters"], said["faults"]) == (2, 4, {})
    assert open_city(folder).seed == 9
    connection = open_database(home / DATABASE_FILE)
    assert len(Registry(connection).accounts()) == 2
    connection.close()
    # Nothing was sent: the platform says so, and the comparison is no success.
    said = answer(capsys, "gateway", "simulate", str(folder), "--check", "-w", str(home), code=1)
    assert said["findings"][0]["name"] == "gateway.simulator.differs"


def test_wrong_words_are_told_what_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "city")
    small = ("gateway", "simulate", folder, "--gateways", "1", "--meters", "1", "--no-faults")
    assert run(*small, "--day", "2026-03-01", "--profile", "X9") == 2
    assert "没有协议变体 X9" in capsys.readouterr().err
    assert not Path(folder).exists()
    assert run(*small, "--day", "2026-03-01") == 0
    assert run(*small, "--day", "2026-03-02") == 2
    assert "已有一座城市" in capsys.readouterr().err
    assert run(*small, "--to", "nowhere") == 2
    assert "不是地址" in capsys.readouterr().err
    assert run(*small, "--prepare", "-w", str(tmp_path / "none")) == 4


def test_uploads_and_send(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "w"
    Workspace.create(home, title="试", place="shandong")
    connection = open_database(home / DATABASE_FILE)
    Registry(connection).put(CENTRE, at=datetime(2026, 3, 1, tzinfo=UTC))
    connection.close()
    said = answer(capsys, "gateway", "uploads", "--period", "2026-03-05", "-w", str(home))
    assert said["centres"] == {"370200": {"missing": ["2026-03-05"], "late": []}}
    assert run("gateway", "uploads", "-w", str(home)) == 0
    wrong = accounts_file(tmp_path, f"370200,01,N,{bytes(16).hex()},,secret")
    words = ("gateway", "send", "--to", "127.0.0.1:9", "--account", str(wrong), "-w", str(home))
    assert run(*words) == 3
    told = capsys.readouterr().err
    assert "网关编号 00" in told
    assert "secret" not in told
