"""What the fault tests run as processes of their own, to kill them: `python fault_driver.py prepare|decide|state`.

The workspace stands in `DAFENG_WORKSPACE`. Not a test itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from datetime import UTC, date, datetime
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dafeng.web.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from dafeng.lake import find_runs, save_run  # noqa: E402
from dafeng.web.access.actions import Role  # noqa: E402
from dafeng.web.audit.anchors import noted_anchors  # noqa: E402
from dafeng.web.audit.models import AuditEntry  # noqa: E402
from dafeng.web.audit.services import SYSTEM, Actor, verify_chain  # noqa: E402
from dafeng.web.house import house  # noqa: E402
from dafeng.web.jobs.models import Job  # noqa: E402
from dafeng.web.jobs.services import ask  # noqa: E402
from dafeng.web.october.models import FrozenReport, ReportBuild, ReportDraft  # noqa: E402
from dafeng.web.october.services import content_of, freeze  # noqa: E402
from dafeng.web.outbox.models import OutboxItem  # noqa: E402
from dafeng.web.people.models import Grant, Organisation, User  # noqa: E402
from dafeng.web.people.selectors import reach_of  # noqa: E402


def prepare(count: int) -> None:
    """Make the database, one who decides, and `count` builds that are to be frozen."""
    call_command("migrate", interactive=False, verbosity=0)
    workspace = house().setting().workspace
    assert workspace is not None
    bureau = Organisation.objects.create(code="a", name="住建局", kind="bureau", place="demo-city")
    user = User.objects.create_user("owner", "负责人", None, organisation=bureau)
    Grant.objects.create(
        user=user, organisation=bureau, role=Role.PLAN_OWNER, place="demo-city", starts_on=date(2026, 1, 1)
    )
    for number in range(count):
        report = ReportDraft.objects.create(
            plan="demo-city-2024", place="demo-city", year=2030 + number, as_of=date(2026, 9, 30), created_by=user
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


def decide() -> None:
    """Freeze one build after the other, and ask for a background run each time, until nothing is left."""
    user = User.objects.get()
    by, reach = Actor(user=user, name=user.name), reach_of(user)
    for build in ReportBuild.objects.filter(frozen__isnull=True).order_by("pk"):
        freeze(build=build, by=by, reach=reach)
        ask("audit.verify", "audit.verify", title="核验", place="demo-city", arguments={}, by=SYSTEM)
        print(build.pk, flush=True)


def state() -> dict[str, Any]:
    """Return what stands where."""
    workspace = house().setting().workspace
    assert workspace is not None
    seals = [run.manifest["run"] for run in find_runs(workspace) if run.manifest.get("kind") == "october-frozen"]
    return {
        "frozen": sorted(FrozenReport.objects.values_list("run", flat=True)),
        "told": sorted(OutboxItem.objects.values_list("payload__run", flat=True)),
        "waiting": OutboxItem.objects.filter(delivered_at__isnull=True).count(),
        "audited": sorted(
            row["run"] for row in AuditEntry.objects.filter(action="october.frozen").values_list("after", flat=True)
        ),
        "sealed": sorted(seals),
        "jobs": sorted(Job.objects.values_list("state", flat=True)),
        "asked": AuditEntry.objects.filter(action="jobs.asked").count(),
        "faults": [fault.says for fault in verify_chain(anchors=noted_anchors())],
        "passing": sorted(path.name for path in workspace.runs.iterdir() if path.name.startswith(".new-")),
    }


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    elif sys.argv[1] == "decide":
        decide()
    else:
        print(json.dumps(state(), ensure_ascii=False))
