"""What strangers, broken gateways and mishaps did to the server, each with what must come of it."""

import asyncio
import os
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from types import SimpleNamespace

import polars as pl
import pytest

from dafeng.cli.gateway_serve import _line, _Log
from dafeng.gateway.cipher import encrypt, starts_like_xml
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.delivery import Delivery, DeliveryLimits, sent_frame, take_set_aside
from dafeng.gateway.framing import encode_frame
from dafeng.gateway.limits import SpoolLimits
from dafeng.gateway.message_xml import write_body
from dafeng.gateway.messages import Common, LoginRequest
from dafeng.gateway.profile import Keys
from dafeng.gateway.session import encode_message
from dafeng.gateway.spool import Spool, pack
from dafeng.gateway.status import Event
from dafeng.gateway.upper_server import UpperServer
from dafeng.workflow.metering import open_house
from dafeng.workflow.metering_gateway import GatewayDelivery
from dafeng.workflow.setting import Setting
from gateway_builders import COMMON, account, answer, centre, names, report, said
from gateway_builders import NOW as LATER
from gateway_builders import PROFILES as FORMS
from gateway_clients import (
    BUILDING,
    NOW,
    Client,
    Running,
    account_of,
    keys_of,
    make_setting,
    options_of,
    report_of,
    until,
)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 30)

    asyncio.run(bounded())


def root(setting: Setting) -> Path:
    assert setting.workspace is not None
    return setting.workspace.root


# strangers


def test_the_first_block_of_cbc_is_opened_with_the_key_and_the_vector() -> None:
    keys, other = Keys(bytes(16), b"0123456789abcdef", secret="x"), Keys(bytes(16), bytes(16), secret="x")
    payload = encrypt(b"<root><common/></root>", keys, "zero")
    assert starts_like_xml(payload, keys)
    assert not starts_like_xml(payload, other)


def test_a_frame_of_a_stranger_is_tried_with_ten_thousand_keys_quickly() -> None:
    known = [keys_of(number) for number in range(10_000)]
    assert not any(starts_like_xml(bytes(4096), keys) for keys in known)  # sets them up
    begun = time.process_time()
    assert not any(starts_like_xml(bytes(4096), keys) for keys in known)
    assert time.process_time() - begun < 0.15  # it was 0.16 to 0.35 s of standstill for each such frame


def test_a_neighbour_with_a_wrong_key_does_not_lock_out_who_was_in_before(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2)])
    broken = account_of(3).model_copy(update={"keys": keys_of(99)})
    options = options_of(limits={"failures_per_address": 3, "wait_seconds": 60.0, "longest_wait_seconds": 60.0})

    async def work() -> None:
        async with Running(setting, options) as here:
            async with Client(account_of(1), here.port) as client:
                await client.login()
            for _ in range(3):
                async with Client(broken, here.port) as client:
                    await client.ended.wait()
            async with Client(account_of(1), here.port) as client:  # they share the address
                await client.login()
            async with Client(account_of(2), here.port) as client:  # never seen from there: waits with the others
                await client.ended.wait()
                assert not client.ready.is_set()
            assert here.names().count("wrong-key") == 4

    run(work)


def test_who_asks_for_challenges_and_never_answers_has_to_wait(tmp_path: Path) -> None:
    """Eight digits come round: with enough recorded logins one could wait for a challenge that was answered before."""
    setting = make_setting(tmp_path / "w", [account_of(1)])
    request = encode_message(LoginRequest(Common(BUILDING, "01")), FORMS["N"], account_of(1).keys)

    async def work() -> None:
        async with Running(setting, options_of(limits={"failures": 4})) as here:
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
                for _ in range(2):
                    writer.write(request)
                    assert await reader.read(1000)
                writer.close()
                await until(lambda: not here.server.connections)
            async with Client(account_of(1), here.port) as client:
                await client.ended.wait()
                assert not client.ready.is_set()
                assert here.told("login.waits")

    run(work)


def test_a_recorded_login_opens_nothing() -> None:
    session = centre(challenge=iter(["25247777", "11111111"]).__next__)
    recorded = [said(LoginRequest(COMMON)), said(answer())]
    session.receive(recorded[0], LATER)
    assert names(session.receive(recorded[1], LATER)) == ["login", "send"]
    fresh = centre(challenge=lambda: "11111111")
    fresh.receive(recorded[0], LATER)
    assert names(fresh.receive(recorded[1], LATER)) == ["login-failed", "send"]


def test_plain_bodies_are_no_way_round_the_key() -> None:
    """The typed framing may be plain: who knows the secret, but not the key, came in; and anybody on the line could report."""
    form = FORMS["S"]
    stranger = centre(account("N"))
    steps = stranger.receive(said(LoginRequest(COMMON), form), LATER)
    assert names(steps) == ["plain-login", "send"]
    assert names(stranger.receive(said(answer("secret_sequence"), form), LATER))[0] == "login-failed"
    session = centre(account("S"))
    session.receive(said(LoginRequest(COMMON), form), LATER)
    session.receive(said(answer("secret_sequence"), form), LATER)
    assert names(session.receive(encode_frame(form, 0, write_body(report("5"), form), kind=3), LATER)) == ["plain"]
    assert names(session.receive(said(report("5"), form), LATER)) == ["store"]


def test_a_centre_may_not_report_as_a_gateway(tmp_path: Path) -> None:
    lower = account_of(0).model_copy(update={"building": "370200", "gateway": "00"})
    building = account_of(0).model_copy(update={"gateway": "00"})
    assert (lower.of_centre, building.of_centre) == (True, False)
    setting = make_setting(tmp_path / "w", [lower, building.model_copy(update={"keys": keys_of(1)})])

    async def work() -> None:
        async with Running(setting) as here:
            async with Client(lower, here.port) as client:  # its keys are none of a gateway
                await client.ended.wait()
                assert here.told("wrong-key")
            async with Client(lower.model_copy(update={"keys": keys_of(1)}), here.port) as client:
                await client.ended.wait()
                assert "login.centre" in here.names()
                assert not client.ready.is_set()
            async with Client(building.model_copy(update={"keys": keys_of(1)}), here.port) as client:
                await client.login()

    run(work)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, chain = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    made = subprocess.run(
        [*words, "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(chain)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("no openssl to make a certificate with")
    return chain, key


def test_handshakes_that_stall_count_as_connections(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Each costs a quarter of a megabyte; they were counted only once they had passed, so never."""
    setting = make_setting(tmp_path / "w", [account_of(1)])
    options = options_of(
        port=None, tls_host="127.0.0.1", tls_port=0, tls_certificate=certificate[0], tls_key=certificate[1],
        limits={"connections_per_address": 3, "login_seconds": 0.5},
    )  # fmt: skip

    async def work() -> None:
        async with Running(setting, options) as here:
            held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(6)]
            await until(lambda: here.names().count("connection.refused") == 3)
            await until(lambda: here.server.addresses.count == 0)  # too slow
            for _, writer in held:
                writer.close()
            context = ssl.create_default_context(cafile=str(certificate[0]))
            _, writer = await asyncio.open_connection("127.0.0.1", here.port, ssl=context, server_hostname="localhost")
            await until(lambda: len(here.server.connections) == 1)
            writer.close()
            await until(lambda: here.server.addresses.count == 0)

    run(work)


def test_a_lower_centre_that_sends_crumbs_is_sent_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.gateway.upper_server._TICK", 0.2)
    setting = make_setting(tmp_path / "w", [])
    moved, told = timedelta(), []

    async def work() -> None:
        nonlocal moved
        server = UpperServer(
            setting, clock=lambda: datetime.now(UTC) + moved, host="127.0.0.1", told=lambda *said: told.append(said[0])
        )
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for count in range(20):  # never silent for long enough to be looked at
            writer.write(b"\x68")
            await asyncio.sleep(0.05)
            moved = timedelta(seconds=120 if count > 5 else 0)
            if "upper.closed.login-timeout" in told:
                break
        assert "upper.closed.login-timeout" in told
        assert await reader.read(10) == b""
        writer.close()
        await server.stop()

    run(work)


# gateways out of their mind


def spooled(path: Path, at: datetime = NOW) -> Spool:
    return Spool(path, SpoolLimits(free_bytes=0, group_milliseconds=0), clock=lambda: at, settled=lambda *said: None)


def packet_of(at: datetime, *readings: tuple[str, str, str, str, str], sequence: str = "7") -> SimpleNamespace:
    return SimpleNamespace(
        building=BUILDING,
        gateway="01",
        operation="report",
        sequence=sequence,
        at=at,
        received_at=NOW,
        readings=readings,
    )


def test_long_fields_are_cut_before_they_stand_in_every_row() -> None:
    """A sequence of 100 KB stood in the lineage of each of 3,000 readings: 1.3 GB for one packet, again at every attempt."""
    readings = [("9" * 500, "1", "", "", "0" * 300 + "15"), ("1", "2", "", "", "3.5")]
    frame = sent_frame([pack(packet_of(NOW, *readings, sequence="s" * 100_000), 5)])
    assert frame["sequence"].str.len_chars().max() == 200
    assert frame["meter"].to_list() == ["9" * 199 + "…", "1"]
    assert frame["text"].to_list() == ["0" * 199 + "…", "3.5"]  # cut it is no number, and not 0 either
    assert frame["packet"].n_unique() == 1


TEXTS = {
    "NaN": None, "Infinity": None, "-inf": None, "1e400": None, "１２３": None, "1,234.5": None, "1_000": None, "0x10": None,
    "٣": None, "−5": None, "": None, "1.5kWh": None, " 2 ": 2.0, "+3": 3.0, ".5": 0.5, "1e5": 1e5, "1e-400": 0.0,
}  # fmt: skip


def test_words_in_place_of_numbers_give_no_value_and_stay_readable(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [])
    spool = spooled(root(setting) / DATABASE_FILE)
    spool.put(packet_of(NOW, *((str(number), "1", "", "", text) for number, text in enumerate(TEXTS))), 0)
    spool.flush()
    Delivery(spool, GatewayDelivery(setting, ticking=lambda: 0.0), DeliveryLimits(), clock=lambda: NOW).step()
    spool.close()
    rows = open_house(setting).readings.snapshot().read()
    found = {row["meter"].split(".")[2]: row for row in rows.iter_rows(named=True)}
    for number, (text, value) in enumerate(TEXTS.items()):
        row = found[str(number)]
        assert (row["value"], row["sent_as"]) == (value, f"text:{text}" if value is None else ""), text


def test_readings_of_the_future_are_set_aside_and_taken_when_their_time_has_come(tmp_path: Path) -> None:
    """One of them would be the newest reading of its meter until that day."""
    setting = make_setting(tmp_path / "w", [])
    spool = spooled(root(setting) / DATABASE_FILE)
    margin = timedelta(hours=1)
    for number, ahead in enumerate(
        (timedelta(), margin, margin + timedelta(seconds=1), timedelta(days=3), timedelta(days=40_000))
    ):
        spool.put(packet_of(NOW + ahead, ("1", "1", "", "", f"{number}"), sequence=str(number)), 0)
    spool.flush()
    deliverer = GatewayDelivery(setting, ticking=lambda: 0.0)
    done = Delivery(spool, deliverer, DeliveryLimits(), clock=lambda: NOW).step()
    spool.close()
    assert done is not None
    assert (done.rows, done.set_aside["reason"].to_list()) == (2, ["future"] * 3)
    connection = open_database(root(setting) / DATABASE_FILE)
    for moved, taken in ((timedelta(), 0), (timedelta(hours=2), 1), (timedelta(hours=2), 0), (timedelta(days=4), 1)):
        assert take_set_aside(connection, deliverer, at=NOW + moved, ahead=margin) == taken
    assert connection.execute("SELECT sequence FROM set_aside").fetchall() == [("4",)]
    connection.close()
    rows = open_house(setting).readings.snapshot().read(history=True)
    assert sorted(rows["value"].to_list()) == [0.0, 1.0, 2.0, 3.0]
    assert rows.filter(pl.col("value") == 3)["received_at"].item() == NOW + timedelta(days=4)


def test_a_gateway_that_takes_no_acknowledgement_is_not_read_and_then_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dafeng.gateway.server._SWEEP_SECONDS", 0.05)
    setting = make_setting(tmp_path / "w", [account_of(1)])
    options = options_of(limits={"send_seconds": 0.3, "frames_per_second": 1e6, "bytes_per_second": 1 << 28})

    async def work() -> None:
        async with Running(setting, options) as here:
            client = Client(account_of(1), here.port)
            async with client:
                await client.login()
                client.task.cancel()
                client.writer.transport.pause_reading()
                [inside] = here.server.connections
                ends = (client.writer, SO_RCVBUF), (inside._transport, SO_SNDBUF)
                for end, buffer in ends:
                    end.get_extra_info("socket").setsockopt(SOL_SOCKET, buffer, 4096)  # type: ignore[union-attr]
                beat = encode_message(replace(report_of(1), common=Common("", "")), FORMS["N"], account_of(1).keys)
                waiting = 0
                while "connection.limit" not in here.names() and not client.writer.transport.is_closing():
                    client.writer.write(beat * 500)  # acknowledged each time: it knows them
                    waiting = max(waiting, inside._transport.get_write_buffer_size())  # type: ignore[union-attr]
                    await asyncio.sleep(0.01)
                assert here.told("connection.limit", "not-reading")
                assert 0 < waiting < 1 << 19

    run(work)


# mishaps


def test_a_database_that_was_removed_or_replaced_takes_nothing(tmp_path: Path) -> None:
    """SQLite goes on writing into a file without a name: acknowledged, and gone with the process."""
    setting = make_setting(tmp_path / "w", [])
    path, told = root(setting) / DATABASE_FILE, []
    spool = Spool(
        path, SpoolLimits(free_bytes=0, retry_seconds=0.01), clock=lambda: NOW, settled=lambda *said: told.append(said)
    )
    packet = packet_of(NOW, ("1", "1", "", "", "1"))

    def tried(token: int) -> bool:
        time.sleep(0.02)
        spool.put(packet, token)
        spool.flush()
        return bool(told[-1][1])

    assert tried(1)
    path.rename(path.with_suffix(".away"))
    assert not tried(2)
    assert "moved, removed or replaced" in told[-1][2]
    path.write_bytes(path.with_suffix(".away").read_bytes())  # a backup in its place
    assert not tried(3)
    path.with_suffix(".away").rename(path)
    assert tried(4)
    spool.close()


def test_a_disk_that_is_really_full_is_told_and_nothing_is_taken(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)], check=False, capture_output=True
    ).returncode:
        pytest.skip("a small disk cannot be mounted")
    try:
        told: list[tuple[tuple[int, ...], bool, str]] = []
        limits = SpoolLimits(free_bytes=0, retry_seconds=0.001, group_milliseconds=0)
        spool = Spool(folder / DATABASE_FILE, limits, clock=lambda: NOW, settled=lambda *said: told.append(said))
        for number in range(200):
            noise = tuple((os.urandom(90).hex(), "1", "", "", "1") for _ in range(100))
            spool.put(packet_of(NOW, *noise, sequence=str(number)), number)
            spool.flush()
            if not told[-1][1]:
                break
        assert "full" in told[-1][2]
        kept = [number for tokens, stored, _ in told if stored for number in tokens]
        spool.close()
        connection = sqlite3.connect(folder / DATABASE_FILE)
        assert connection.execute("SELECT SUM(packets) FROM groups").fetchone()[0] == len(kept) > 5
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        connection.close()
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def test_a_reader_of_the_log_that_hangs_holds_up_nothing() -> None:
    reading, writing = os.pipe()
    log = _Log(writing, most=10)
    begun = time.monotonic()
    for number in range(2000):
        log.put(f"{number:04d} " + "x" * 200)
    assert time.monotonic() - begun < 2
    parts: list[bytes] = []
    reader = threading.Thread(target=lambda: parts.extend(iter(lambda: os.read(reading, 1 << 16), b"")))
    reader.start()
    log.close()
    os.close(writing)
    reader.join(10)
    os.close(reading)
    lines = b"".join(parts).decode().splitlines()
    dropped = [int(line.split()[1]) for line in lines if line.startswith("…")]
    assert sum(dropped) > 1000
    assert len(lines) - len(dropped) + sum(dropped) == 2000  # every line is there, or counted


def test_a_line_of_the_log_is_one_line_and_steers_no_terminal() -> None:
    event = Event(NOW, "unknown-account", detail="a\n\x1b[2J\x9b2J\u202eb\u2028c")
    for as_json in (False, True):
        line = _line(event, as_json=as_json)
        assert line.isprintable(), line
