"""A day of a city of gateways through server, spool and lake, rolled up and compared with its truth.

`python benchmarks/bench_gateway_city.py` plays 1,000 gateways with 12 meters each; `--gateways 50` a small city. The server is a
process of its own. Prints one line of JSON: wall time and CPU of both sides, frames and readings a second, p50 and p99 of the
acknowledgement, peak memory, and by how much the city's day differs from the truth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

LIMITS = """[limits]
connections_per_address = 12000
failures_per_address = 100000
[delivery]
ahead_seconds = 1e10
seconds = 5
"""


def now() -> datetime:
    return datetime.now(UTC)


def serve(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a server, and return it with its port."""
    (folder / "gateway.toml").write_text(LIMITS)
    words = ["gateway", "serve", "-w", str(folder), "--host", "127.0.0.1", "--port", "0", "--json", "-q"]
    server = subprocess.Popen([sys.executable, "-m", "dafeng", *words], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    for line in server.stderr:
        said = json.loads(line)
        if said["event"] == "server.started":
            return server, int(said["detail"].removeprefix("ports ").split(",")[0])
    raise SystemExit("the server did not start")


def main() -> None:
    from dafeng.catalog import load_catalog
    from dafeng.gateway.simulator_check import check_buildings, check_city
    from dafeng.gateway.simulator_files import CityRecord, make_city, prepare_workspace, write_city
    from dafeng.gateway.simulator_plan import CityOptions
    from dafeng.gateway.simulator_player import PlayOptions, play_city
    from dafeng.lake import Workspace
    from dafeng.workflow.metering import open_house
    from dafeng.workflow.metering_rollup import roll_up_meters
    from dafeng.workflow.setting import Setting

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateways", type=int, default=1000)
    parser.add_argument("--meters", type=int, default=12)
    parser.add_argument("--window", type=int, default=16)
    asked = parser.parse_args()
    catalog = load_catalog()
    options = CityOptions(day=date(2026, 3, 10), gateways=asked.gateways, meters=asked.meters)
    result: dict[str, object] = {
        "gateways": asked.gateways,
        "meters": asked.gateways * asked.meters,
        "cores": os.cpu_count(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        city = make_city(
            CityRecord(options=options, seed=1), catalog, [np.random.default_rng([1, part]) for part in (0, 1)]
        )
        setting = Setting(catalog, Workspace.create(folder / "w", title="bench", place="qingdao"))
        write_city(city, folder / "city", catalog)
        prepare_workspace(city, folder / "city", setting, recorded_at=now())
        result["made_s"] = round(time.perf_counter() - began, 2)
        server, port = serve(folder / "w")
        before = time.process_time()
        play = PlayOptions(port=port, window=asked.window, retry=10)
        played = asyncio.run(play_city(city, play, dict(catalog.gateway_profiles), clock=now))
        result["player_cpu_s"] = round(time.process_time() - before, 2)
        server.send_signal(signal.SIGTERM)
        began = time.perf_counter()
        server.stderr.read()  # type: ignore[union-attr]
        server.wait()
        result["last_delivery_s"] = round(time.perf_counter() - began, 2)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        waits = np.array([wait for one in played.gateways for wait in one.waits])
        result |= {
            "played_s": round(played.seconds, 2),
            "frames": played.frames,
            "acknowledged": played.acked,
            "frames_a_second": round(played.frames / played.seconds),
            "readings_a_second": round(played.acked * asked.meters / played.seconds),
            "ack_p50_s": round(float(np.quantile(waits, 0.5)), 4),
            "ack_p99_s": round(float(np.quantile(waits, 0.99)), 4),
            "server_cpu_s": round(children.ru_utime + children.ru_stime, 2),
            "server_peak_mb": round(children.ru_maxrss / 1024, 1),
            "player_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }
        began = time.perf_counter()
        roll_up_meters(setting, recorded_at=now(), threads=2, publishing=False)
        result["rolled_up_s"] = round(time.perf_counter() - began, 2)
        result["readings"] = open_house(setting).readings.snapshot().read().height
        compared = (
            check_city(check_buildings(setting, city)).filter(item="01000", period=str(options.day)).row(0, named=True)
        )
        result |= {"day_kwh": round(compared["house"], 2), "differs_kwh": round(compared["difference"], 6),
                   "coverage": round(compared["house_covered"] / compared["expected"], 4)}  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
