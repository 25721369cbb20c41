"""What the fault tests run as processes of their own, to kill them. Not a test itself.

`python fault_driver.py` imports everything once, reads commands from its input, and does each in a process forked for it, of which it
says the number and, when it is over, how it ended: `prepare COUNT`, `decide SEED`, `work SEED`, `finish`, `state`, `session`. With a seed
that is not 0 the process kills itself (SIGKILL) at some statement of the database or at some moment. The workspace stands in
`DAFENG_WORKSPACE`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import django

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dafeng.web.settings")
django.setup()

import polars as pl  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from dafeng.lake import find_runs, save_run  # noqa: E402
from dafeng.web.access.actions import Role  # noqa: E402
from dafeng.web.audit.anchors import noted_anchors  # noqa: E402
from dafeng.web.audit.models import AuditEntry  # noqa: E402
from dafeng.web.audit.services import SYSTEM, verify_chain  # noqa: E402
from dafeng.web.house import house  # noqa: E402
from dafeng.web.jobs.models import Job  # noqa: E402
from dafeng.web.jobs.services import ask  # noqa: E402
from dafeng.web.jobs.worker import work  # noqa: E402
from dafeng.web.october.models import FrozenReport, ReportBuild, ReportDraft  # noqa: E402
from dafeng.web.october.services import content_of, freeze  # noqa: E402
from dafeng.web.outbox.models import OutboxItem  # noqa: E402
from dafeng.web.people.models import User  # noqa: E402
from dafeng.web.returns.models import Assignment, Submission  # noqa: E402
from dafeng.web.returns.services import submission_approve, submission_submit  # noqa: E402
from web.factories_returns import acting, fill, issued, water_issue  # noqa: E402
from web.world import BACKEND, World  # noqa: E402

PERIODS: Final = [str(year) for year in range(2025, 2005, -1)]
_OPEN: Final = ("draft", "submitted")


def doom(seed: int, *, statements: int, seconds: float) -> None:
    """Kill this process at some statement of the database, before it or after it, or at some moment."""
    if not seed:
        return
    rng = random.Random(seed)
    if rng.random() < 0.4:
        moment = rng.random() * seconds

        def strike() -> None:
            time.sleep(moment)
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=strike, daemon=True).start()
        return
    left, before = rng.randrange(1, statements), rng.random() < 0.5

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = execute(sql, params, many, context)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    connection.execute_wrappers.append(count)


def prepare(count: int) -> None:
    """Make the database, who decides, `count` builds that are to be frozen and as many drafts that are to be sent in."""
    call_command("migrate", interactive=False, verbosity=0)
    workspace = house().setting().workspace
    assert workspace is not None
    with resources.as_file(resources.files("dafeng.workflow").joinpath("demo_city/catalog")) as folder:
        workspace.put_catalog(Path(folder))
    with transaction.atomic():
        _prepare(workspace, World(), count)


def _prepare(workspace: Any, world: World, count: int) -> None:
    owner = world.user(Role.PLAN_OWNER, "above")
    world.user(Role.REVIEWER, "above")
    body = world.organisation("own")
    for number in range(count):
        report = ReportDraft.objects.create(
            plan="demo-city-2024", place="demo-city", year=2030 + number, as_of=date(2026, 9, 30), created_by=owner
        )
        manifest = {"files": {"a.html": hashlib.sha256(b"<p>").hexdigest()}}
        save_run(workspace, f"run-{number}", manifest, {"a.html": b"<p>"})
        ReportBuild.objects.create(
            report=report,
            run=f"run-{number}",
            content=content_of(report)[1],
            arguments={},
            manifest=manifest,
            built_at=datetime(2026, 10, 1, tzinfo=UTC),
        )
        issue = water_issue(world.place("own"), body=body.code, period=PERIODS[number])
        period = {"period": PERIODS[number], "form": f"yearbook_water-{number}", "linked": {body.code: body}}
        [one] = issued(world, [issue], place="demo-city", **period)
        fill(world, one)


def decide() -> None:
    """Freeze, send in and approve one after the other, and ask for a background run each time, until nothing is left."""
    owner, reviewer = (User.objects.get(username=f"city-housing-{role}") for role in (Role.PLAN_OWNER, Role.REVIEWER))
    sender = User.objects.get(username="dongwan-housing-reporter6")
    builds = iter(ReportBuild.objects.filter(frozen__isnull=True).order_by("pk"))
    rows = iter(Assignment.objects.filter(state__in=_OPEN).order_by("pk"))
    while True:
        build, one = next(builds, None), next(rows, None)
        if build is None and one is None:
            return
        if build is not None:
            freeze(build=build, **acting(owner))
        if one is not None:
            if one.state == "draft":
                submission_submit(assignment=one, **acting(sender))
            waiting = Submission.objects.get(assignment=one, state="submitted")
            submission_approve(submission=waiting, **acting(reviewer))
        ask("audit.verify", "audit.verify", title="核验", place="demo-city", arguments={}, by=SYSTEM)


def _lake() -> dict[str, Any]:
    """Return what the lake holds: facts that count, versions stored, batches, and what it finds wrong with itself."""
    lake = house().setting().lake
    assert lake is not None
    held = lake.snapshot().read()
    return {
        "facts": held.height,
        "periods": sorted(held["period"].unique().to_list()),
        "versions": lake.snapshot().history().height,
        "batches": lake.batches().get_column("batch").n_unique() if lake.version() >= 0 else 0,
        "lake": [finding.sentence for finding in lake.verify() if finding.severity == "error"],
        "values": held.filter(pl.col("indicator") == "water_supply_volume")["value"].unique().to_list(),
    }


def state() -> dict[str, Any]:
    """Return what stands where."""
    workspace = house().setting().workspace
    assert workspace is not None
    seals = [run.manifest["run"] for run in find_runs(workspace) if run.manifest.get("kind") == "october-frozen"]
    items = OutboxItem.objects.order_by("id")
    audited = {
        action: sorted(AuditEntry.objects.filter(action=f"returns.{action}").values_list("subject_id", flat=True))
        for action in ("submitted", "approved")
    }
    return {
        "frozen": sorted(FrozenReport.objects.values_list("run", flat=True)),
        "told": sorted(items.filter(kind="october.seal").values_list("payload__run", flat=True)),
        "waiting": items.filter(delivered_at__isnull=True).count(),
        "stuck": list(items.exclude(error="").filter(delivered_at__isnull=True).values_list("error", flat=True)),
        "audited": sorted(
            row["run"] for row in AuditEntry.objects.filter(action="october.frozen").values_list("after", flat=True)
        ),
        "sealed": sorted(seals),
        "assignments": sorted(Assignment.objects.values_list("pk", "state", "current", "approved")),
        "submissions": sorted(Submission.objects.values_list("pk", "assignment", "state")),
        "documents": all(
            workspace.document(key).is_file() for key in Submission.objects.values_list("document", flat=True)
        ),
        "submitted": sorted(map(int, audited["submitted"])),
        "approved": sorted(map(int, audited["approved"])),
        "publishing": sorted(items.filter(kind="returns.publish").values_list("payload__submission", flat=True)),
        "published": sorted(Submission.objects.filter(published__isnull=False).values_list("pk", flat=True)),
        "jobs": sorted(Job.objects.values_list("state", flat=True)),
        "asked": AuditEntry.objects.filter(action="jobs.asked").count(),
        "faults": [fault.says for fault in verify_chain(anchors=noted_anchors())],
        **_lake(),
    }


def session() -> str:
    """Return the session of who fills in the forms, as their browser holds it."""
    user = User.objects.get(username="dongwan-housing-reporter6")
    store = SessionStore()
    store[SESSION_KEY], store[BACKEND_SESSION_KEY] = str(user.pk), BACKEND
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


def do(words: list[str]) -> None:
    """Do one command."""
    name, number = words[0], int(words[1]) if len(words) > 1 else 0
    if name == "prepare":
        prepare(number)
    elif name == "decide":
        doom(number, statements=150, seconds=0.7)
        decide()
    elif name == "work":
        doom(number, statements=60, seconds=1.2)
        work(threading.Event(), once=True)
    elif name == "finish":
        found = state()
        decide()
        time.sleep(1.1)  # the lease of a killed worker
        work(threading.Event(), once=True)
        Path(words[-1]).write_text(json.dumps([found, state()], ensure_ascii=False))
    else:
        Path(words[-1]).write_text(json.dumps(state() if name == "state" else session(), ensure_ascii=False))


def main() -> None:
    """Do the commands of the input, each in a process of its own; nothing is done here that starts threads of a library."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            ended = 1
            try:
                do(line.split())
                ended = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(ended)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
