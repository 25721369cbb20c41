"""The platform of a province under load: pages, a large upload, and what a page costs.

`python benchmarks/bench_platform.py` makes a workspace of Jilin (9 prefectures, 60 counties, 1,000,000 observations), serves it with
gunicorn, and lets 20 people read it with 2 s of thought between pages, the load generator on the same cores. On PostgreSQL:
`python scripts/postgres.py python benchmarks/bench_platform.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

NOW = datetime(2026, 9, 1, tzinfo=UTC)
PLAN, PROVINCE = "jilin-2023", "jilin"


def make_workspace(root: Path, rows: int) -> list[str]:
    """Make a workspace of the province with so many observations; return its places."""
    from dafeng.base.observation import SCHEMA
    from dafeng.lake import ObservationLake, Workspace
    from dafeng.workflow.setting import open_setting

    workspace = Workspace.create(root, title="吉林省（压力测试）", place=PROVINCE, plan=PLAN)
    catalog = open_setting(None).catalog
    places = [PROVINCE]
    for one in places:
        places.extend(place.id for place in catalog.places if place.parent == one and place.kind == "division")
    # What the plan speaks of, and as much else.
    wanted = {target.indicator for target in catalog.plans[PLAN].targets}
    chosen = [
        item
        for item in catalog.indicators.values()
        if not item.bases and item.measure.value in ("share", "stock", "flow")
    ]
    chosen.sort(key=lambda item: (item.id not in wanted, item.id))
    years = [str(year) for year in range(2000, 2026)]
    datasets = max(1, rows // (len(places) * len(chosen) * len(years)) + 1)
    frame = (
        pl.DataFrame({"indicator": [item.id for item in chosen]})
        .join(pl.DataFrame({"place": places}), how="cross")
        .join(pl.DataFrame({"period": years}), how="cross")
        .join(pl.DataFrame({"dataset": [f"bench-{number}" for number in range(datasets)]}), how="cross")
        .head(rows)
        .with_row_index()
        .with_columns(
            value=10 + (pl.col("index") % 97) / 10,
            recorded_at=pl.lit(NOW),
            kind=pl.lit("reported"),
            review=pl.lit("approved"),
        )
        .drop("index")
    )
    defaults = {
        "extent": "whole",
        "building_class": "all",
        "carrier": "all",
        "end_use": "all",
        "boundary": "all",
        "basis": "",
        "scenario": "",
        "member": "",
    }
    frame = frame.with_columns(
        *(
            pl.lit(defaults.get(name), dtype=dtype).alias(name)
            for name, dtype in SCHEMA.items()
            if name not in frame.columns
        )
    ).select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()])
    ObservationLake(workspace.lake).publish(frame, batch="bench", lineage=None)
    return places


def make_people(places: list[str], users: int) -> tuple[list[str], str]:
    """Make organisations and people; return the session keys of so many, and a token."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from dafeng.web.access.actions import Role
    from dafeng.web.people.models import ApiToken, Grant, Organisation, User

    roles = [Role.PLAN_OWNER, Role.REVIEWER, Role.ANALYST, Role.REPORTER]
    keys: list[str] = []
    for number, place in enumerate(places):
        organisation = Organisation.objects.create(
            code=f"org-{place}", name=f"{place}住建局", kind="bureau", place=place
        )
        role = roles[number % 4] if number < users else Role.REPORTER
        user = User(username=f"user-{number}", name=f"用户{number}", organisation=organisation)
        user.set_unusable_password()
        user.save()
        Grant.objects.create(user=user, organisation=organisation, role=role, place=place, starts_on=date(2026, 1, 1))
        if number < users:
            store = SessionStore()
            store[SESSION_KEY] = str(user.pk)
            store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
            store[HASH_SESSION_KEY] = user.get_session_auth_hash()
            store.create()
            keys.append(str(store.session_key))
    analyst = User.objects.create_user("bench-analyst", "分析员")
    province = Organisation.objects.get(code=f"org-{PROVINCE}")
    Grant.objects.create(
        user=analyst, organisation=province, role=Role.ANALYST, place=PROVINCE, starts_on=date(2026, 1, 1)
    )
    secret, digest = ApiToken.new_secret()
    ApiToken.objects.create(
        user=analyst,
        name="bench",
        digest=digest,
        shown="",
        actions=["facts.import"],
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    return keys, secret


def serve(port: int) -> subprocess.Popen[bytes]:
    """Serve the platform as it is served in service."""
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "dafeng.web.wsgi",
        "-b",
        f"127.0.0.1:{port}",
        "-w",
        "2",
        "-k",
        "gthread",
        "--threads",
        "4",
        "--log-level",
        "error",
    ]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not come up")


def ask(port: int, path: str, session: str) -> tuple[int, int, float]:
    """Ask for a page; return status, bytes and seconds."""
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers={"Cookie": f"sessionid={session}"})
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    return answer.status, size, time.perf_counter() - start


def load(
    port: int, sessions: list[str], pages: list[str], seconds: float, think: float
) -> dict[str, list[tuple[int, int, float]]]:
    """Let everybody read pages with thought between them; return what each page took."""
    found: dict[str, list[tuple[int, int, float]]] = {page: [] for page in pages}
    end = time.monotonic() + seconds
    lock = threading.Lock()

    def read(number: int, session: str) -> None:
        chance = random.Random(number)
        time.sleep(chance.random() * think)
        while time.monotonic() < end:
            page = chance.choice(pages)
            result = ask(port, page, session)
            with lock:
                found[page].append(result)
            time.sleep(think * (0.5 + chance.random()))

    threads = [threading.Thread(target=read, args=pair) for pair in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def upload(port: int, secret: str, places: list[str], rows: int) -> tuple[float, dict[str, int]]:
    """Upload a table through the interface; return the seconds until every row's fate is known, and the fates."""
    from dafeng.workflow.setting import open_setting

    catalog = open_setting(None).catalog
    names = [catalog.places.get(place).name for place in places]
    years = rows // len(names) + 1
    lines = ["地区,年份,建成区绿地率（%）"]
    lines += [
        f"{name},{1950 + year % 75},{30 + (year * 7 + number) % 90 / 10:.1f}"
        for year in range(years)
        for number, name in enumerate(names)
    ]
    text = "\n".join(lines[: rows + 1]).encode()
    mark = "----dafeng"
    parts = f'--{mark}\r\nContent-Disposition: form-data; name="dataset"\r\n\r\nbench-upload\r\n--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = parts.encode() + text + f"\r\n--{mark}--\r\n".encode()
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": f"multipart/form-data; boundary={mark}"}
    connection.request("POST", "/api/v1/facts/import", body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    took = time.perf_counter() - start
    if answer.status != 200:
        raise SystemExit(f"upload refused: {said}")
    fates: dict[str, int] = {}
    for fate in said["fates"]:
        fates[fate["fate"]] = fates.get(fate["fate"], 0) + 1
    return took, fates


def main() -> None:
    """Run the benchmark; print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=2)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dafeng-bench-"))
    root = folder / "workspace"
    start = time.perf_counter()
    places = make_workspace(root, chosen.rows)
    made = time.perf_counter() - start
    os.environ |= {
        "DAFENG_WORKSPACE": str(root),
        "DJANGO_SETTINGS_MODULE": "dafeng.web.settings",
        "DAFENG_TODAY": "2026-09-15",
    }
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    sessions, secret = make_people(places, chosen.users)
    from django.db import connection

    engine = connection.vendor
    connection.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = serve(port)
    try:
        pages = [
            "/",
            f"/targets/{PLAN}/",
            f"/targets/{PLAN}/?group=no_data",
            "/plans/",
            "/plans/tasks/",
            "/returns/",
            "/october/",
            "/people/account/",
            "/public/",
        ]
        cold = {page: round(ask(port, page, sessions[0])[2], 3) for page in pages[:2]}
        load(port, sessions, pages, 10, 0.5)  # both workers have judged every place
        found = load(port, sessions, pages, chosen.seconds, chosen.think)
        every = [row for rows in found.values() for row in rows]
        print(json.dumps({
            "database": engine, "observations": chosen.rows, "places": len(places), "users": chosen.users, "think_s": chosen.think,
            "made_s": round(made, 1), "first_page_cold_s": cold,
            "requests": len(every), "not_200": sum(row[0] not in (200, 403) for row in every),
            "p50_ms": round(statistics.median(row[2] for row in every) * 1000), "p95_ms": round(statistics.quantiles([row[2] for row in every], n=20)[-1] * 1000),
            "max_ms": round(max(row[2] for row in every) * 1000),
            "pages": {page: {"n": len(rows), "p95_ms": round(sorted(row[2] for row in rows)[int(len(rows) * 0.95)] * 1000), "bytes": max(row[1] for row in rows), "status": sorted({row[0] for row in rows})} for page, rows in found.items() if rows},
        }, ensure_ascii=False))  # fmt: skip
        took, fates = upload(port, secret, places, 40_000)
        print(json.dumps({"upload_rows": 40_000, "seconds": round(took, 2), "fates": fates}))
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
