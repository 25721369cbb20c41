"""What an administrator does from the command line. Imported once Django is set up (`dafeng.web.serving.open_platform`)."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dafeng.base.errors import UsageError
from dafeng.web.audit.anchors import noted_anchors
from dafeng.web.audit.models import AuditHead
from dafeng.web.audit.services import AuditFault, verify_chain
from dafeng.web.config import read_config
from dafeng.web.house import house
from dafeng.web.jobs.worker import work
from dafeng.web.october import selectors as october
from dafeng.web.operation.backup import make_backup, move_database, restore, verify_backup
from dafeng.web.operation.controls import check_controls
from dafeng.web.operation.last_backup import note_backup
from dafeng.web.people.models import User
from dafeng.web.people.selectors import reach_of
from dafeng.web.plans import selectors as plans
from dafeng.web.returns import selectors as returns

__all__ = [
    "audit",
    "check",
    "database_of",
    "first_link",
    "invite",
    "make_backup",
    "make_demo_people",
    "migrate",
    "move_database",
    "note_backup",
    "reminders",
    "restore",
    "run_worker",
    "verify_backup",
]

_FIRST: Final = "dafeng.web.people.first_run"
_DEMO: Final = "dafeng.web.people.demo_people"


def migrate() -> list[str]:
    """Bring the database to the state of this version; return the migrations that were applied."""
    _for_its_owner_alone()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    logging.disable(logging.INFO)
    try:
        if plan:
            call_command("migrate", interactive=False, verbosity=0)
    finally:
        logging.disable(logging.NOTSET)
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _for_its_owner_alone() -> None:
    """Make the file of an embedded database readable by its owner only; its companions take the same mode."""
    path = Path(str(connection.settings_dict["NAME"]))
    if connection.vendor == "sqlite" and path.is_absolute():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)


def first_link() -> str | None:
    """Return the one-time path by which the first administrator sets a password; None where there is an administrator."""
    link: str | None = import_module(_FIRST).first_administrator() if find_spec(_FIRST) else None
    return link


def invite(username: str) -> str:
    """Return a one-time path by which a user sets a new password.

    Raises
    ------
    UsageError
        There is no such user.
    """
    if not User.objects.filter(username=username).exists():
        raise UsageError(
            f"没有用户 {username} / no such user",
            doing="make a one-time link",
            expected="已有的用户名 / the name of a user",
            next_step="在“人员”页建立用户 / make the user on the page of people",
        )
    return str(import_module(_FIRST).invite(username))


def make_demo_people() -> list[dict[str, Any]]:
    """Make organisations and people of the demonstration; return what is to be told of them."""
    if find_spec(_DEMO) is None:
        return []
    return list(import_module(_DEMO).make_demo_people())


def run_worker(stop: threading.Event, *, once: bool) -> None:
    """Deliver and do background runs until `stop` is set; once through where `once`."""
    work(stop, once=once)


def audit() -> tuple[int, str, list[AuditFault]]:
    """Verify the audit log; return number and digest of its head, and every fault."""
    faults = list(verify_chain(anchors=noted_anchors()))
    head = AuditHead.objects.filter(id=1).first()
    return (0, "0" * 64, faults) if head is None else (head.number, head.digest, faults)


def database_of(url: str | None) -> dict[str, Any] | None:
    """Return a PostgreSQL database as Django takes it; None for none.

    Raises
    ------
    UsageError
        The address names none.
    """
    return None if url is None else read_config({"DAFENG_DATABASE": url}).database


def check() -> list[dict[str, str]]:
    """Return every control of the self-check and what became of it."""
    return [asdict(one) for one in check_controls(house().now())]


def reminders() -> list[dict[str, Any]]:
    """Return what is due or overdue for every active user who has something, the soonest first."""
    day, told = house().today(), []
    for user in User.objects.filter(is_active=True).select_related("organisation").order_by("username"):
        reach = reach_of(user, day=day)
        items = [item for read in (plans, returns, october) for item in read.due_for(reach, day)]
        near = sorted((item for item in items if item.state(day) != "later"), key=lambda item: item.due)
        if near:
            said = [
                {**asdict(item), "due": item.due.isoformat(), "title": str(item.title), "kind": str(item.kind)}
                for item in near
            ]
            told.append(
                {"username": user.username, "name": user.name, "email": user.email, "phone": user.phone, "items": said}
            )
    return told
