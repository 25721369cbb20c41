"""The server over loopback: acknowledged only when durable, limits, refusals, a full disk, a graceful stop."""

import asyncio
import resource
import sqlite3
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import ContentError, InputError, LakeError, UnknownNameError
from dafeng.gateway.database import DATABASE_FILE, open_database
from dafeng.gateway.messages import Common, DeviceNote, HeartBeat, Query
from dafeng.gateway.options import read_options, tls_context
from dafeng.gateway.profile import Keys
from dafeng.gateway.registry import Registry, make_keys
from dafeng.gateway.session import encode_message
from dafeng.gateway.spool import Spool
from dafeng.gateway.status import read_status
from dafeng.lake import ReadingLake
from dafeng.workflow.metering import open_house
from dafeng.workflow.setting import Setting
from gateway_clients import BUILDING, Client, Running, account_of, catalog, make_setting, options_of, report_of, until


def stored(setting: Setting) -> pl.DataFrame:
    return open_house(setting).readings.snapshot().read(history=True)


def root(setting: Setting) -> Path:
    assert setting.workspace is not None
    return setting.workspace.root


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 60)

    asyncio.run(bounded())


def test_reports_are_acknowledged_and_delivered_and_the_status_says_so(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2)])

    async def work() -> None:
        async with Running(setting) as here:  # noqa: SIM117
            async with Client(account_of(1), here.port) as one, Client(account_of(2), here.port) as two:
                await one.login()
                await two.login()
                for number in range(1, 21):
                    one.report(report_of(number))
                    two.report(report_of(number))
                one.do(one.session.heart_beat(one.now()))
                one.do(one.session.answer(DeviceNote(Common("", ""), (("factory", "某厂"),)), one.now()))
                await one.until(20)
                await two.until(20)
                await until(lambda: here.told("device", "factory=某厂"))
                here.server.send(BUILDING, "02", Query(Common("", "")))
                with pytest.raises(UnknownNameError):
                    here.server.send(BUILDING, "77", Query(Common("", "")))
                await until(lambda: here.server.numbers()["delivered_readings_total"] == 120)
                await asyncio.sleep(0.3)
                report = read_status(root(setting) / DATABASE_FILE)
                assert report is not None
                assert [(one.gateway, one.connected, one.packets, one.readings) for one in report.gateways] == [
                    ("01", True, 20, 60),
                    ("02", True, 20, 60),
                ]
                assert report.gateways[0].last_reading == "2026-11-20T08:20:00+00:00"
                assert report.gateways[0].unknown_points == 3
        report = read_status(root(setting) / DATABASE_FILE)
        assert report is not None
        assert not any(one.connected for one in report.gateways)
        assert report.numbers["packets_acknowledged_total"] == 40
        assert 0 < report.numbers["ack_seconds_p99"] < 10

    run(work)
    rows = stored(setting)
    assert rows.height == 120
    assert rows["value"].sum() == pytest.approx(2 * (3 * 210 + 20 * 0.06))


def test_stopping_writes_acknowledges_and_delivers_what_came(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])

    async def work() -> None:
        async with Running(setting, options_of(delivery={"seconds": 3600.0})) as here:
            client = Client(account_of(1), here.port)
            await client.__aenter__()
            await client.login()
            for number in range(1, 11):
                client.report(report_of(number))
            await until(lambda: here.server.numbers()["packets_received_total"] == 10)
        await client.until(10)
        await client.ended.wait()
        await client.__aexit__()

    run(work)
    assert stored(setting).height == 30


def test_nothing_is_written_before_login(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    account = account_of(1)
    frame = encode_message(
        replace(report_of(1), common=Common(BUILDING, "01")), catalog().gateway_profiles["N"], account.keys
    )

    async def work() -> None:
        async with Running(setting) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(frame)
            assert await reader.read(100) == b""
            writer.close()
            await until(lambda: here.told("before-login"))
            assert here.server.numbers()["packets_received_total"] == 0
            assert here.server.spool.state().packets == 0

    run(work)
    assert stored(setting).height == 0


def test_wrong_keys_unknown_and_suspended_gateways_are_refused_by_name(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2), account_of(3)])
    connection = open_database(root(setting) / DATABASE_FILE)
    Registry(connection).suspend(BUILDING, "02", at=datetime.now(UTC))
    connection.close()
    wrong_secret = account_of(1).model_copy(
        update={"keys": Keys(account_of(1).keys.key, account_of(1).keys.iv, secret="misremembered")}
    )
    tried = {
        "wrong-key": account_of(1).model_copy(update={"keys": make_keys()}),
        "suspended-account": account_of(2),
        "foreign-key": account_of(1).model_copy(update={"keys": account_of(3).keys}),
        "unknown-account": account_of(9).model_copy(update={"keys": account_of(1).keys}),
        "login-failed": wrong_secret,
    }

    async def work() -> None:
        async with Running(setting) as here:
            for name, account in tried.items():
                async with Client(account, here.port) as client:
                    await asyncio.wait_for(client.ended.wait(), 30)
                    assert not client.ready.is_set()
                    assert here.told(name), name
            texts = repr(here.events)
            for account in (*tried.values(), account_of(3)):
                assert account.keys.secret not in texts
                assert account.keys.key.hex() not in texts
            await asyncio.sleep(0.3)
        assert here.server.numbers()["logins_total"] == 0
        raw = sqlite3.connect(root(setting) / DATABASE_FILE)
        notes = raw.execute("SELECT * FROM notes").fetchall()
        raw.close()
        assert len(notes) >= 5
        assert "secret-1" not in repr(notes)

    run(work)


def test_failed_logins_wait_longer_and_longer_and_neighbours_do_not(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2)])
    wrong = account_of(1).model_copy(update={"keys": Keys(account_of(1).keys.key, account_of(1).keys.iv, secret="x")})
    options = options_of(limits={"failures": 2, "wait_seconds": 0.6, "longest_wait_seconds": 0.6})

    async def work() -> None:
        async with Running(setting, options) as here:
            for _ in range(2):
                async with Client(wrong, here.port) as client:
                    await asyncio.wait_for(client.ended.wait(), 30)
            async with Client(account_of(1), here.port) as client:  # right, but it has to wait
                await asyncio.wait_for(client.ended.wait(), 30)
                assert not client.ready.is_set()
                assert here.told("login.waits")
            async with Client(account_of(2), here.port) as client:
                await client.login()
            await asyncio.sleep(0.7)
            async with Client(account_of(1), here.port) as client:
                await client.login()

    run(work)


def test_suspension_and_new_keys_end_a_connection_that_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.gateway.server._ACCOUNTS_SECONDS", 0.1)
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2)])

    async def work() -> None:
        async with Running(setting) as here:
            async with Client(account_of(1), here.port) as one, Client(account_of(2), here.port) as two:
                await one.login()
                await two.login()
                connection = open_database(root(setting) / DATABASE_FILE)
                fresh = Registry(connection).change(BUILDING, "01", at=one.now(), keys=make_keys())
                connection.close()
                await asyncio.wait_for(one.ended.wait(), 30)
                assert here.told("connection.closed", "account-changed")
                assert not two.ended.is_set()
            async with Client(fresh, here.port) as one:
                await one.login()

    run(work)


def test_a_gateway_that_logs_in_again_replaces_its_old_connection(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])

    async def work() -> None:
        async with Running(setting) as here:  # noqa: SIM117
            async with Client(account_of(1), here.port) as old, Client(account_of(1), here.port) as new:
                await old.login()
                await new.login()
                await asyncio.wait_for((old if here.server.ready[(BUILDING, "01")] else new).news.wait(), 30)
                await until(lambda: old.ended.is_set() or new.ended.is_set())
                assert here.told("connection.closed", "replaced")
                assert len(here.server.ready) == 1

    run(work)


def test_slow_senders_and_silent_ones_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.gateway.server._SWEEP_SECONDS", 0.05)
    setting = make_setting(tmp_path / "w", [account_of(1), account_of(2)])
    options = options_of(limits={"login_seconds": 0.4, "frame_seconds": 0.4, "idle_seconds": 1.2})

    async def work() -> None:
        async with Running(setting, options) as here:
            silent = await asyncio.open_connection("127.0.0.1", here.port)
            async with Client(account_of(1), here.port) as idle, Client(account_of(2), here.port) as slow:
                await idle.login()
                await slow.login()
                session = slow.session
                frame = encode_message(HeartBeat(Common(BUILDING, "02")), session._profile, account_of(2).keys)
                started = asyncio.get_running_loop().time()
                for byte in frame[:-1]:  # a byte now and then
                    if slow.ended.is_set():
                        break
                    slow.writer.write(bytes([byte]))
                    await asyncio.sleep(0.03)
                await asyncio.wait_for(slow.ended.wait(), 30)
                assert asyncio.get_running_loop().time() - started < 5
                assert here.told("connection.limit", "slow-frame")
                await asyncio.wait_for(idle.ended.wait(), 30)
                assert await silent[0].read(10) == b""
                assert here.told("connection.limit", "login-timeout") or here.told("connection.closed", "login-timeout")
                silent[1].close()
            await until(lambda: not here.server.connections)

    run(work)


def test_limits_on_connections_hold(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    options = options_of(limits={"connections": 5, "connections_per_address": 3})

    async def work() -> None:
        async with Running(setting, options) as here:
            held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(6)]
            await until(lambda: here.names().count("connection.refused") == 3)
            assert len(here.server.connections) == 3
            for _, writer in held:
                writer.close()
            await until(lambda: not here.server.connections)
            async with Client(account_of(1), here.port) as client:
                await client.login()

    run(work)


def test_a_flood_is_read_more_slowly_and_loses_nothing(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    options = options_of(limits={"frames_per_second": 60, "burst_seconds": 0.5, "unacknowledged": 8})

    async def work() -> None:
        async with Running(setting, options) as here, Client(account_of(1), here.port) as client:
            await client.login()
            started = asyncio.get_running_loop().time()
            for number in range(1, 91):
                client.report(report_of(number))
            await client.until(90)
            assert asyncio.get_running_loop().time() - started > 0.8  # 30 at once, then 60 a second
            assert here.server.numbers()["throttled_total"] > 0

    run(work)
    assert stored(setting).height == 270


def test_a_frame_beyond_the_limit_costs_no_memory_and_ends_at_the_faults(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    options = options_of(limits={"frame_bytes": 4096, "login_frame_bytes": 1024, "faults": 3})

    async def work() -> None:
        async with Running(setting, options) as here, Client(account_of(1), here.port) as client:
            await client.login()
            huge = bytes.fromhex("68681616") + (1 << 30).to_bytes(4, "little") + bytes(4)
            client.writer.write(huge * 6)
            await asyncio.wait_for(client.ended.wait(), 30)
            assert here.told("connection.closed", "faults")
            assert max((connection.session.held for connection in here.server.connections), default=0) <= 4096

    run(work)


def test_a_full_disk_withholds_acknowledgements_and_the_gateways_send_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dafeng.gateway.server._SWEEP_SECONDS", 0.05)
    setting = make_setting(tmp_path / "w", [account_of(1)])
    write = Spool._write
    full = True

    def failing(self: Spool, packets: Any) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        write(self, packets)

    def probing(self: Spool) -> None:
        if full:
            raise OSError("no room")

    monkeypatch.setattr(Spool, "_write", failing)
    monkeypatch.setattr(Spool, "_check_disk", probing)

    async def work() -> None:
        nonlocal full
        async with Running(setting) as here:
            async with Client(account_of(1), here.port) as client:
                await client.login()
                for number in range(1, 6):
                    client.report(report_of(number))
                await until(lambda: here.told("spool.blocked", "disk is full"))
                client.do(client.session.heart_beat(client.now()))  # it is still spoken to
                await asyncio.sleep(0.5)
                assert client.acked == []
                assert not client.ended.is_set()
                assert here.server.numbers()["spool_blocked"] == 1
                assert here.server._health().startswith("spool")
                full = False
                await asyncio.wait_for(client.ended.wait(), 30)
                assert here.told("connection.closed", "send-again")
                left = client.session.outstanding
            async with Client(account_of(1), here.port) as client:
                await client.login()
                for report in left:
                    client.report(replace(report, operation="continuous", total=5, current=int(report.sequence)))
                await client.until(5)
                await asyncio.sleep(0.3)
            report = read_status(root(setting) / DATABASE_FILE)
            assert report is not None
            assert report.gateways[0].withheld == 5
            assert {"spool.blocked", "spool.recovered"} <= {note["name"] for note in report.notes}

    run(work)
    assert stored(setting).height == 15


def test_a_lake_that_is_away_fills_the_spool_to_its_limit_and_then_nothing_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dafeng.gateway.server._SWEEP_SECONDS", 0.05)
    setting = make_setting(tmp_path / "w", [account_of(1)])
    append = ReadingLake.append
    away = True

    def lake(self: ReadingLake, frame: pl.DataFrame, *, batch: str) -> Any:
        if away:
            raise LakeError("the lake is away", doing="test")
        return append(self, frame, batch=batch)

    monkeypatch.setattr(ReadingLake, "append", lake)
    options = options_of(spool={"most_bytes": 6000})

    async def work() -> None:
        nonlocal away
        async with Running(setting, options) as here:
            async with Client(account_of(1), here.port) as client:
                await client.login()
                number = 0
                while not here.told("spool.blocked"):
                    number += 1
                    client.report(report_of(number))
                    await asyncio.sleep(0.005)
                acked = len(client.acked)
                assert 0 < acked < number
                await until(lambda: here.told("delivery.failed", "the lake is away"))
                away = False
                await asyncio.wait_for(client.ended.wait(), 20)
                left = client.session.outstanding
            assert len(left) == number - len(client.acked)
            while left:  # a spool that fills again while the lake takes what it holds sends home again
                async with Client(account_of(1), here.port) as client:
                    await client.login()
                    for report in left:
                        client.report(report)
                    await until(lambda client=client: client.ended.is_set() or not client.session.outstanding, 20)
                    left = client.session.outstanding
        rows = stored(setting)
        assert rows.height == number * 3
        assert rows.select("meter", "at").is_duplicated().sum() == 0

    run(work)


def test_a_clock_that_steps_back_does_not_stop_the_work(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    offset = timedelta()

    async def work() -> None:
        nonlocal offset
        async with (
            Running(setting, clock=lambda: datetime.now(UTC) + offset) as here,
            Client(account_of(1), here.port) as client,
        ):
            await client.login()
            client.report(report_of(1))
            await client.until(1)
            offset = timedelta(days=-2)
            client.report(report_of(2))
            client.do(client.session.heart_beat(client.now()))
            await client.until(2)
            assert here.server.numbers()["clock_behind_seconds"] > 86400
            offset = timedelta(days=1)
            client.report(report_of(3))
            await client.until(3)

    run(work)
    rows = stored(setting).sort("serial")
    assert rows.height == 9
    assert rows["received_at"].is_sorted()


def test_the_page_for_machines_tells_numbers_and_health(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])

    async def asked(port: int, path: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    async def work() -> None:
        async with Running(setting, options_of(metrics_port=0)) as here:
            page = here.server._page
            assert page is not None
            assert "dafeng_gateway_connections_open 0" in await asked(page.port, "/metrics")
            assert (await asked(page.port, "/health")).startswith("HTTP/1.1 200")
            assert (await asked(page.port, "/../etc")).startswith("HTTP/1.1 404")

    run(work)


def test_tls_speaks_the_same_and_reloads_its_certificate(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
        check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no openssl to make a certificate with")
    options = options_of(port=None, tls_host="127.0.0.1", tls_port=0, tls_certificate=certificate, tls_key=key)

    class Secure(Client):
        async def __aenter__(self) -> Client:
            context = ssl.create_default_context(cafile=str(certificate))
            self.reader, self.writer = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=context, server_hostname="localhost"
            )
            self.task = asyncio.create_task(self._listen())
            self.do(self.session.open(self.now()))
            return self

    async def work() -> None:
        async with Running(setting, options) as here:
            async with Secure(account_of(1), here.port) as client:
                await client.login()
                for number in range(1, 40):
                    client.report(report_of(number))
                await client.until(39)
            here.server.reload_certificate()
            assert here.told("server.certificate-reloaded")

    run(work)
    assert stored(setting).height == 117
    faulty = options.model_copy(update={"tls_key": tmp_path / "none.pem"})
    with pytest.raises(InputError, match="cannot be read"):
        tls_context(faulty)


def test_options_are_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    assert read_options(path).port == 9600
    path.write_text("port = 9700\n[limits]\nconnections = 50\n[spool]\nmost_bytes = 1000000\n", encoding="utf-8")
    assert (read_options(path).port, read_options(path).limits.connections) == (9700, 50)
    for text, fault in {
        "prot = 1": "prot",
        "[limits]\nfailures = 0": "limits.failures",
        "tls_port = 1": "certificate",
        "x": "=",
    }.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ContentError, match=fault):
            read_options(path)


def crowd(tmp_path: Path, count: int) -> None:
    """Let many gateways report at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 200
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"{wanted} open files are needed, {hard} are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    accounts = [account_of(number, shared=True) for number in range(count)]
    setting = make_setting(tmp_path / "w", accounts)
    options = options_of(
        limits={"connections_per_address": count + 10, "login_seconds": 300.0}, delivery={"seconds": 1.0}
    )

    async def one(account: Any, port: int, turn: asyncio.Semaphore, hold: asyncio.Barrier) -> None:
        client = Client(account, port)
        async with turn:
            await client.__aenter__()
            await asyncio.wait_for(client.ready.wait(), 300)
        await hold.wait()
        for number in (1, 2):
            client.report(report_of(number))
        await client.until(2, 300)
        await client.__aexit__()

    async def work() -> None:
        async with Running(setting, options) as here:
            turn, hold = asyncio.Semaphore(100), asyncio.Barrier(count)
            tasks = [asyncio.create_task(one(account, here.port, turn, hold)) for account in accounts]
            await asyncio.gather(*tasks)
            assert here.server.numbers()["connections_total"] == count
            assert here.server.numbers()["packets_acknowledged_total"] == 2 * count

    asyncio.run(work())
    rows = stored(setting)
    assert rows.height == 6 * count
    assert rows.select("meter", "at").is_duplicated().sum() == 0


def test_five_hundred_gateways_at_once(tmp_path: Path) -> None:
    crowd(tmp_path, 500)


@pytest.mark.soak
def test_ten_thousand_gateways_at_once(tmp_path: Path) -> None:
    crowd(tmp_path, 9_800)  # both ends in one process: 20,000 open files is a usual limit
