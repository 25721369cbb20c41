"""A server that is killed at any moment: every acknowledged reading is in the lake once, and totals equal what was sent."""

import asyncio
import multiprocessing
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dafeng.gateway.database import DATABASE_FILE
from dafeng.gateway.messages import Report
from dafeng.gateway.status import read_status
from dafeng.workflow.metering import open_house
from gateway_clients import BUILDING, Client, Running, account_of, make_setting, options_of, report_of, serve, until

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dafeng.gateway.server", "multiprocessing.synchronize"])
METERS = 3
FORGETFUL, FAITHFUL = (1, 2), (3, 4)
"""Gateways that never send again what was not acknowledged, so that the lake may hold nothing twice; and those that do, until it is."""
OPTIONS = options_of(delivery={"seconds": 0.02, "readings": 60}, flush_seconds=0.1)


class Sent:
    """What a gateway sent in all, and what was acknowledged."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reports: dict[str, Report] = {}
        self.acked: set[str] = set()
        self.next = 1

    async def speak(self, port: int) -> None:
        """Report without end, back-fill first where this gateway does that."""
        async with Client(account_of(self.number), port) as client:
            try:
                await asyncio.wait_for(client.ready.wait(), 20)
                left = [report for key, report in self.reports.items() if key not in self.acked]
                if self.number in FAITHFUL:
                    for current, report in enumerate(left, 1):
                        client.report(replace(report, operation="continuous", total=len(left), current=current))
                while not client.ended.is_set():
                    if len(client.session.outstanding) < 30:
                        report = report_of(self.next, meters=METERS)
                        self.reports[report.sequence] = report
                        self.next += 1
                        client.report(report)
                    await asyncio.sleep(0.001)
            except (TimeoutError, OSError):
                pass
            finally:
                self.acked |= set(client.acked)


async def speak_and_kill(sent: list[Sent], port: int, worker: Any, seconds: float) -> None:
    tasks = [asyncio.create_task(one.speak(port)) for one in sent]
    await asyncio.sleep(seconds)
    assert worker.exitcode is None
    worker.kill()
    await asyncio.gather(*tasks)


def kill_again_and_again(tmp_path: Path, times: int, longest: float) -> None:
    sent = [Sent(number) for number in (*FORGETFUL, *FAITHFUL)]
    setting = make_setting(tmp_path / "w", [account_of(one.number) for one in sent])
    generator = random.Random(20261120)
    for number in range(times):
        port_file = tmp_path / f"port-{number}"
        worker = PROCESSES.Process(target=serve, args=(setting, port_file, OPTIONS))
        worker.start()
        asyncio.run(until(port_file.exists, 120))
        before = sum(len(one.acked) for one in sent)
        asyncio.run(speak_and_kill(sent, int(port_file.read_text()), worker, generator.uniform(0.05, longest)))
        worker.join()
        assert sum(len(one.acked) for one in sent) >= before
    asyncio.run(finish(setting, sent))
    check(setting, sent)


async def finish(setting: Any, sent: list[Sent]) -> None:
    """Serve once more until the faithful have sent everything and the spool is empty."""
    async with Running(setting, options_of(delivery={"seconds": 0.02})) as here:  # what piled up goes in large batches
        for one in sent:
            if one.number in FAITHFUL:
                async with Client(account_of(one.number), here.port) as client:
                    await client.login()
                    left = [report for key, report in one.reports.items() if key not in one.acked]
                    for report in left:
                        client.report(report)
                    await client.until(len(left), 60)
                    one.acked |= set(client.acked)
        await until(lambda: here.server.numbers()["spool_packets"] == 0, 60)


def check(setting: Any, sent: list[Sent]) -> None:
    snapshot = open_house(setting).readings.snapshot()
    counted, history = snapshot.read(), snapshot.read(history=True)
    assert sum(len(one.acked) for one in sent) > 0
    for one in sent:
        name = f"gw:{BUILDING}.{one.number:02d}."
        mine = counted.filter(pl.col("meter").str.starts_with(name))
        truth = {
            (f"{name}{reading.meter}.1", int(key)): float(reading.text)
            for key, report in one.reports.items()
            for reading in report.readings
        }
        said = {
            (meter, int(lineage.rpartition("/")[2])): value
            for meter, lineage, value in mine.select("meter", "lineage", "value").iter_rows()
        }
        assert len(said) == mine.height  # no reading counts twice
        assert said.items() <= truth.items()  # nothing that was not sent
        acked = {key for key in truth if str(key[1]) in one.acked}
        assert acked <= said.keys()  # everything acknowledged
        if one.number in FORGETFUL:  # sent once, stored once at most: not one version more
            assert history.filter(pl.col("meter").str.starts_with(name)).height == mine.height
        else:
            assert said == truth
            assert mine["value"].sum() == pytest.approx(sum(truth.values()))
    report = read_status(setting.workspace.root / DATABASE_FILE)
    assert report is not None
    assert (report.spool_packets, report.set_aside) == (0, 0)
    assert open_house(setting).readings.verify() == []


@pytest.mark.slow
def test_killed_while_receiving_and_delivering_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 5, 0.6)


@pytest.mark.soak
def test_killed_a_hundred_times_loses_and_doubles_nothing(tmp_path: Path) -> None:
    kill_again_and_again(tmp_path, 100, 3.0)


def test_two_servers_started_by_mistake_leave_one(tmp_path: Path) -> None:
    setting = make_setting(tmp_path / "w", [account_of(1)])
    workers = [
        PROCESSES.Process(target=serve, args=(setting, tmp_path / f"port-{number}", OPTIONS)) for number in (1, 2)
    ]
    for worker in workers:
        worker.start()
    asyncio.run(until(lambda: any(worker.exitcode is not None for worker in workers), 60))
    asyncio.run(until(lambda: any((tmp_path / f"port-{number}").exists() for number in (1, 2)), 60))
    loser = next(worker for worker in workers if worker.exitcode is not None)
    winner = next(worker for worker in workers if worker is not loser)
    assert loser.exitcode == 1
    assert winner.exitcode is None
    winner.terminate()
    winner.join(30)
    assert winner.exitcode == 0
