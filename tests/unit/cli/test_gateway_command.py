"""`dafeng gateway` as a user runs it: on board, serve, status, archive, decode."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import answer, run
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.messages import Common
from dafeng.gateway.registry import Registry
from dafeng.gateway.session import encode_message
from dafeng.lake import Workspace
from gateway_clients import BUILDING, Client, account_of, catalog, make_setting, report_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Workspace.create(tmp_path / "w", title="网关", place="qingdao").root


def test_keys_are_made_and_shown_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["-w", str(root)]
    one = ["-b", BUILDING, "-g", "01"]
    made = answer(capsys, "gateway", "onboard", *one, *where)
    [keys] = made["keys"]
    assert (len(keys["key"]), len(keys["iv"]), made["gateways"][0]["what"]) == (32, 32, "added")
    assert run("gateway", "onboard", *one, *where) == 2
    said = capsys.readouterr()
    assert keys["key"] not in said.out + said.err
    fresh = answer(capsys, "gateway", "onboard", *one, "--rotate", "--characters", *where)
    assert len(fresh["keys"][0]["key"]) == 16
    assert answer(capsys, "gateway", "onboard", *one, "--suspend", *where)["gateways"][0]["what"] == "suspended"
    report = answer(capsys, "gateway", "status", *where)
    assert [one["state"] for one in report["gateways"]] == ["suspended"]
    assert fresh["keys"][0]["secret"] not in json.dumps(report)
    assert run("gateway", "onboard", *where) == 2
    assert run("gateway", "onboard", "-b", BUILDING, "-g", "77", "--resume", *where) == 4


def test_a_table_leaves_the_keys_of_those_on_board(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["-w", str(root)]
    table, keys = tmp_path / "g.csv", tmp_path / "keys.csv"
    table.write_text(f"建筑代码,网关编号,协议\n{BUILDING},01,N\n{BUILDING},02,N-ZJ\n", encoding="utf-8")
    made = answer(capsys, "gateway", "onboard", str(table), "--keys-out", str(keys), *where)
    assert made["keys"] == []
    assert keys.stat().st_mode & 0o777 == 0o600
    before = keys.read_text(encoding="utf-8-sig")
    again = answer(capsys, "gateway", "onboard", str(table), *where)
    assert [one["what"] for one in again["gateways"]] == ["unchanged", "unchanged"]
    assert again["keys"] == []
    assert [one["what"] for one in answer(capsys, "gateway", "onboard", str(keys), *where)["gateways"]] == [
        "unchanged"
    ] * 2
    assert run("gateway", "onboard", str(table), "--keys-out", str(keys), *where) == 3
    assert keys.read_text(encoding="utf-8-sig") == before
    table.write_text(f"建筑代码,网关编号,协议\n{BUILDING},01,N-ZJ\n", encoding="utf-8")
    other = answer(capsys, "gateway", "onboard", str(table), *where)
    assert [one["name"] for one in other["findings"]] == ["gateway.onboarding.known-otherwise"]
    changed = answer(capsys, "gateway", "onboard", str(table), "--replace", *where)
    assert changed["gateways"][0]["what"] == "changed"
    assert changed["keys"] == []


def test_status_and_archive_without_any_gateway(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("gateway", "status", "-w", str(root)) == 3
    assert "dafeng gateway onboard" in capsys.readouterr().err
    assert answer(capsys, "gateway", "archive", "-w", str(root))["unknown"] == []


def test_a_capture_is_told_in_words_and_no_key_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    assert setting.workspace is not None
    report = replace(report_of(7), common=Common(BUILDING, "01"))
    frame = encode_message(report, catalog().gateway_profiles["N"], account_of(1).keys, word=7)
    (tmp_path / "capture.hex").write_text(frame.hex(" "), encoding="utf-8")
    where = ["-w", str(setting.workspace.root)]
    found = answer(capsys, "gateway", "decode", str(tmp_path / "capture.hex"), *where)
    text = json.dumps(found, ensure_ascii=False)
    assert found["bytes"] == len(frame)
    assert "7.01" in text
    assert account_of(1).keys.secret not in text
    assert run("gateway", "decode", str(tmp_path / "none.bin"), *where) == 3


@pytest.mark.slow
def test_served_stopped_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    assert setting.workspace is not None
    where = ["-w", str(setting.workspace.root)]
    (setting.workspace.root / "gateway.toml").write_text(
        "[spool]\nfree_bytes = 0\n[delivery]\nahead_seconds = 1e10\n", encoding="utf-8"
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "dafeng", "gateway", "serve", "--host", "127.0.0.1", "--port", "0", "--json", *where],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    started = json.loads(server.stderr.readline())
    assert started["event"] == "server.started"
    port = int(started["detail"].split()[1])

    async def speak() -> None:
        async with Client(account_of(1), port) as client:
            await client.login()
            for number in range(1, 6):
                client.report(report_of(number))
            await client.until(5)

    asyncio.run(speak())
    assert run("gateway", "serve", "--port", "0", *where) == 2  # one server a workspace
    assert str(server.pid) in capsys.readouterr().err
    server.send_signal(signal.SIGTERM)
    lines = [json.loads(line) for line in server.stderr]
    server.stderr.close()
    assert server.wait(60) == 0
    assert [line["event"] for line in lines][-2:] == ["delivery.done", "server.stopped"]
    assert not any("secret-1" in json.dumps(line) for line in lines)
    report = answer(capsys, "gateway", "status", *where)
    assert (report["gateways"][0]["packets"], report["spool_packets"]) == (5, 0)
    assert len(answer(capsys, "gateway", "archive", *where)["unknown"]) == 3
    capsys.readouterr()
    assert run("gateway", "status", "--metrics", *where) == 0
    assert "dafeng_gateway_packets_acknowledged_total 5\n" in capsys.readouterr().out


def test_a_port_that_is_taken_is_an_error_in_four_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    assert setting.workspace is not None
    before = signal.getsignal(signal.SIGTERM)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        words = ["gateway", "serve", "--host", "127.0.0.1", "--port", str(taken.getsockname()[1])]
        assert run(*words, "-w", str(setting.workspace.root)) == 3
    assert signal.getsignal(signal.SIGTERM) == before
    assert "address already in use" in capsys.readouterr().err.lower()
    connection = open_database(setting.workspace.root / DATABASE_FILE)
    assert len(Registry(connection).accounts()) == 1
    connection.close()
    assert run("gateway", "serve", "--tls-port", "0", "-w", str(setting.workspace.root)) == 2
