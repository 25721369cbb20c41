"""Frames through AES, XML and the durable acknowledgement, beside AES and XML alone in the same run.

`python benchmarks/bench_gateway.py` sends for 10 seconds; `--minutes 60` also says whether memory stays flat. The server is a process
of its own with its delivery to the lake; gateways speak from this process with frames made beforehand, so that the sender costs
little. Both share the cores, as they would share them with other work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

METERS = 12
FRAMES = 400
START = datetime(2026, 11, 20, tzinfo=UTC)


def frames_of(account: object, profile: object, first: int, count: int) -> list[bytes]:
    """Return report frames of a gateway, every minute one."""
    from dafeng.gateway.messages import Common, FunctionReading, Report
    from dafeng.gateway.session import encode_message

    made = []
    for number in range(first, first + count):
        at = (START + timedelta(minutes=number, hours=8)).replace(tzinfo=None)
        readings = tuple(
            FunctionReading(f"{meter:05d}", "1", f"{account.building}01A00", "", f"{number * 1.25 + meter:.2f}")
            for meter in range(1, METERS + 1)
        )
        report = Report(Common(account.building, account.gateway), "report", str(number), at, readings, parser=True)
        made.append(encode_message(report, profile, account.keys, word=number))
    return made


def bare(frames: list[bytes], account: object, seconds: float = 3.0) -> float:
    """Return frames a second through framing, AES and XML, on one core and nothing else."""
    from dafeng.gateway.cipher import decrypt
    from dafeng.gateway.framing import FrameReader
    from dafeng.gateway.message_xml import read_body

    reader, done, began = FrameReader(), 0, time.process_time()
    while time.process_time() - began < seconds:
        for frame in frames:
            for found in reader.feed(frame):
                read_body(decrypt(found.payload, account.keys))
        done += len(frames)
    return done / (time.process_time() - began)


def memory(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu(pid: int) -> float:
    """Return the processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Sender:
    """A gateway that keeps so many frames under way."""

    def __init__(self, account: object, profile: object, port: int, window: int) -> None:
        self.account, self.profile, self.port, self.window = account, profile, port, window
        self.sent = self.acked = 0
        self.waits: list[float] = []
        self.times: list[float] = []

    async def run(self, until: float, supply: Iterator[list[bytes]]) -> None:
        from dafeng.gateway.framing import FrameReader
        from dafeng.gateway.session import GatewaySession, Ready, Send

        session = GatewaySession(self.account, self.profile)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        ready = False
        steps = session.open(datetime.now(UTC))
        while not ready:
            for step in steps:
                if isinstance(step, Send):
                    writer.write(step.data)
                ready = ready or isinstance(step, Ready)
            if not ready:
                steps = session.receive(await reader.read(65536), datetime.now(UTC))
        frames: list[bytes] = []
        cutter = FrameReader()
        while time.monotonic() < until or self.acked < self.sent:
            while time.monotonic() < until and self.sent - self.acked < self.window:
                if not frames:
                    frames = next(supply)[::-1]
                self.times.append(time.monotonic())
                writer.write(frames.pop())
                self.sent += 1
            if self.sent == self.acked:
                break
            data = await reader.read(65536)
            if not data:
                raise SystemExit("the server closed a connection")
            now = time.monotonic()
            for _ in cutter.feed(data):  # acknowledgements come in order
                if self.acked % 7 == 0:
                    self.waits.append(now - self.times[0])
                self.times.pop(0)
                self.acked += 1
        writer.close()


def send(
    port: int, folder: str, numbers: list[int], window: int, seconds: float, answers: multiprocessing.Queue
) -> None:
    from dafeng.catalog import load_catalog
    from dafeng.gateway.database import open_database
    from dafeng.gateway.registry import Registry

    profile = load_catalog().gateway_profiles["N"]
    connection = open_database(Path(folder) / "gateway.sqlite3")
    accounts = Registry(connection).accounts()
    connection.close()
    # made beforehand and sent round and round, more than a session remembers: the sender shall cost little
    made = [frames_of(accounts[number], profile, 0, FRAMES) for number in numbers]

    async def work() -> None:
        senders = [Sender(accounts[number], profile, port, window) for number in numbers]
        end = time.monotonic() + seconds
        began = time.monotonic()

        def supply(frames: list[bytes]) -> Iterator[list[bytes]]:
            while True:
                yield frames

        await asyncio.gather(*(sender.run(end, supply(frames)) for sender, frames in zip(senders, made, strict=True)))
        answers.put(
            (
                sum(sender.acked for sender in senders),
                time.monotonic() - began,
                [one for sender in senders for one in sender.waits],
            )
        )

    asyncio.run(work())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--window", type=int, default=16)
    given = parser.parse_args()
    seconds = given.minutes * 60 or given.seconds

    from dafeng.catalog import load_catalog
    from dafeng.gateway.database import open_database
    from dafeng.gateway.profile import Account
    from dafeng.gateway.registry import Registry, make_keys
    from dafeng.lake import Workspace

    profile, keys = load_catalog().gateway_profiles["N"], make_keys()
    with tempfile.TemporaryDirectory(dir=os.environ.get("DAFENG_BENCH")) as folder:
        root = Path(folder) / "w"
        Workspace.create(root, title="bench")
        connection = open_database(root / "gateway.sqlite3")
        accounts = [
            Account(building="370202A001", gateway=f"{number:04d}", profile="N", keys=keys)
            for number in range(given.gateways)
        ]
        Registry(connection).put_all(accounts, at=START)
        connection.close()
        sample = frames_of(accounts[0], profile, 0, 500)
        alone = bare(sample, accounts[0])
        print(f"frame: {METERS} meters, {len(sample[0])} bytes")
        print(f"bare framing, AES and XML on one core: {alone:,.0f} frames/s")
        (root / "gateway.toml").write_text(
            "[limits]\nframes_per_second = 1e9\nbytes_per_second = 1000000000\n[delivery]\nseconds = 5.0\nahead_seconds = 1e10\n"
        )
        server = subprocess.Popen(
            [sys.executable, "-m", "dafeng", "gateway", "serve", "--host", "127.0.0.1", "--port", "0", "--quiet", "--json", "-w", str(root)],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stderr is not None
        port = 0
        for line in server.stderr:
            said = json.loads(line)
            if said["event"] == "server.started":
                port = int(said["detail"].split()[1])
                break
        answers: multiprocessing.Queue = multiprocessing.get_context("spawn").Queue()
        process = multiprocessing.get_context("spawn").Process(
            target=send, args=(port, str(root), list(range(given.gateways)), given.window, seconds, answers)
        )
        process.start()
        began, used = time.monotonic(), cpu(server.pid)
        track: list[float] = []
        while answers.empty() and process.is_alive():
            time.sleep(min(1.0, seconds / 10) if not given.minutes else 10.0)
            track.append(memory(server.pid))
            if given.minutes and len(track) % 6 == 0:
                print(f"  minute {len(track) // 6}: {track[-1]:,.0f} MB", flush=True)
        acked, wall, waits = answers.get()
        process.join()
        used = cpu(server.pid) - used
        waits.sort()
        print(
            f"durably acknowledged: {acked:,} frames in {wall:.1f} s = {acked / wall:,.0f} frames/s, {acked * METERS / wall:,.0f} readings/s"
        )
        print(
            f"server: {used / wall:.2f} cores, {acked / used:,.0f} frames per CPU second, {acked / used / alone:.2f} of the bare rate"
        )
        print(
            f"acknowledgement as the sender sees it: p50 {waits[len(waits) // 2] * 1000:.1f} ms, p99 {waits[int(len(waits) * 0.99)] * 1000:.1f} ms, window {given.window} × {given.gateways}"
        )
        server.terminate()
        server.wait(120)
        third = max(1, len(track) // 3)
        print(
            f"memory of the server: first third {max(track[:third]):,.0f} MB, last third {max(track[-third:]):,.0f} MB, exit code {server.returncode}"
        )
        print(f"whole run {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
