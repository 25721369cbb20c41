"""Backup and restore: whole, proven, equal; what is not whole is refused, and nothing appears."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from dafeng.base.errors import InputError
from dafeng.base.observation import SCHEMA
from dafeng.lake import ObservationLake, Workspace
from dafeng.web.audit.models import AuditEntry
from dafeng.web.audit.services import SYSTEM, record
from dafeng.web.house import House, house
from dafeng.web.operation import tables as tables_module
from dafeng.web.operation.backup import make_backup, move_database, restore, verify_backup
from dafeng.web.operation.last_backup import last_backup, note_backup
from dafeng.web.operation.tables import opened, table_digests
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import put
from dafeng.web.people.models import Grant, Organisation, User

pytestmark = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def further_databases(transactional_db: None, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests open further databases, which the test class of Django refuses."""
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)

    def made(_: str, *, database: str, **__: Any) -> None:
        """Make the tables by copying those of the empty test database: migrations take seconds."""
        scheme = [
            text
            for (text,) in _asked(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%%' ORDER BY type = 'trigger', type = 'index'"
            )
        ]
        with connections[database].cursor() as cursor:
            there = connections[database].introspection.table_names(cursor)
            for statement in [] if there else scheme:
                cursor.execute(statement)

    if connection.vendor == "sqlite":
        monkeypatch.setattr(tables_module, "call_command", made)


def _asked(statement: str) -> list[tuple[str]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [])
        return list(cursor.fetchall())


@pytest.fixture
def filled(writing_house: House) -> Path:
    """Return a workspace whose platform holds people, grants, an audit chain and something to publish."""
    bureau = Organisation.objects.create(code="a", name="住建局", kind="bureau", place="demo-city")
    user = User.objects.create_user("甲", "张三", None, organisation=bureau)
    first = Grant.objects.create(
        user=user, organisation=bureau, role="analyst", place="demo-city", starts_on=date(2026, 1, 1)
    )
    Grant.objects.create(
        user=user,
        organisation=bureau,
        role="reviewer",
        place="demo-city",
        starts_on=date(2026, 1, 1),
        stands_in_for=first,
    )
    with transaction.atomic():
        for number in range(20):
            record("test.done", ("thing", str(number)), by=SYSTEM, before=None, after={"名": "值", "n": number / 7})
        put("none", "k", {"a": [1, None, "文"]})
    return writing_house.root


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def rewritten(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def lake_rows(root: Path) -> pl.DataFrame:
    return ObservationLake(root / "lake").snapshot().read(as_of=None).sort(pl.all())


def test_what_is_restored_is_equal(filled: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar"
    made = make_backup(filled, archive, at=AT)
    assert archive.stat().st_mode & 0o777 == 0o600
    assert (made.audit_number, made.rows["people_user"], made.rows["people_grant"]) == (20, 1, 2)
    names = members(archive)
    assert not [name for name in names if "web.secret" in name or "web.sqlite3" in name or "session" in name]
    again = restore(archive, tmp_path / "new")
    assert again == made
    assert lake_rows(tmp_path / "new").equals(lake_rows(filled))
    assert Workspace.open(tmp_path / "new").settings == Workspace.open(filled).settings
    own = {path.relative_to(filled) for path in filled.rglob("*") if path.is_file()}
    new = {path.relative_to(tmp_path / "new") for path in (tmp_path / "new").rglob("*") if path.is_file()}
    left_out = {
        path for path in own if path.name in (".writers", "web.lock", "web.secret") or path.name.startswith("web.sq")
    }
    assert own - left_out == new - {Path("web.sqlite3")}
    with opened(
        {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "new" / "web.sqlite3")}, "other"
    ) as alias:
        assert table_digests(alias) == table_digests("default")
        assert User.objects.using(alias).get().name == "张三"
        assert OutboxItem.objects.using(alias).get().payload == {"a": [1, None, "文"]}
        fresh = Organisation.objects.using(alias).create(code="b", name="乙", kind="bureau", place="x")
        assert fresh.pk == Organisation.objects.using(alias).exclude(pk=fresh.pk).get().pk + 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    note_backup(filled, made)
    assert last_backup(filled) == AT


@pytest.mark.parametrize("what", ["file", "row", "cut", "missing", "extra", "audit", "lake"])
def test_a_backup_that_is_not_whole_is_refused_and_nothing_appears(filled: Path, tmp_path: Path, what: str) -> None:
    archive = tmp_path / "b.tar"
    make_backup(filled, archive, at=AT)
    contents = members(archive)
    manifest = json.loads(contents["manifest.json"])
    plan = next(name for name in contents if name.startswith("files/catalog/"))
    if what == "file":
        contents[plan] += b"\n"
    elif what == "row":
        contents["database/people_user.jsonl"] = contents["database/people_user.jsonl"].replace(
            "张三".encode(), "李四".encode()
        )
    elif what == "cut":
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    elif what == "missing":
        del contents[plan]
    elif what == "extra":
        contents = {"files/../../escaped": b"x", **contents}
    elif what == "audit":  # somebody changed a row and made every digest of the archive fit
        name = "database/audit_auditentry.jsonl"
        contents[name] = contents[name].replace(b'"n": 1.0', b'"n": 2.0')
        _fit(manifest, contents, name, "audit_auditentry")
    elif what == "lake":
        name = next(name for name in contents if name.endswith(".parquet"))
        contents[name] = contents[name][:-9] + b"x" * 9
        _fit(manifest, contents, name, None)
    if what != "cut":
        contents["manifest.json"] = json.dumps(manifest).encode()
        rewritten(archive, contents)
    with pytest.raises(InputError):
        restore(archive, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "workspace"]


def _fit(manifest: dict[str, Any], contents: dict[str, bytes], name: str, table: str | None) -> None:
    manifest["members"][name] = {"sha256": hashlib.sha256(contents[name]).hexdigest(), "bytes": len(contents[name])}
    if table is not None:
        digests = sorted(hashlib.sha256(line).digest() for line in contents[name].splitlines(keepends=True))
        manifest["tables"][table]["digest"] = hashlib.sha256(b"".join(digests)).hexdigest()


def test_neither_an_archive_nor_a_folder_that_is_there_is_overwritten(filled: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar"
    make_backup(filled, archive, at=AT)
    before = archive.read_bytes()
    for target in (archive, filled / "b.tar"):
        with pytest.raises(InputError, match="exists"):
            make_backup(filled, target, at=AT)
    with pytest.raises(InputError, match="empty folder"):
        restore(archive, filled)
    assert archive.read_bytes() == before


def test_a_full_disk_leaves_no_archive(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        make_backup(filled, tmp_path / "b.tar", at=AT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["workspace"]


def test_a_backup_under_load_restores_to_one_state(filled: Path, tmp_path: Path) -> None:
    """While somebody decides and publishes without a pause: every decision of the backup whose batch was delivered is in its lake."""
    lake = ObservationLake(filled / "lake")
    row = lake.snapshot().read(as_of=None).head(1).select(list(SCHEMA))
    stop, failed = threading.Event(), []

    def load() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                with transaction.atomic():
                    record("test.decided", ("batch", f"load-{number}"), by=SYSTEM)
                    put("none", f"load-{number}", {"value": number})
                value = row.with_columns(value=pl.lit(float(number)))
                lake.publish(value, batch=f"load-{number}")
                OutboxItem.objects.filter(key=f"load-{number}").update(delivered_at=AT)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=load)
    thread.start()
    while not failed and not OutboxItem.objects.filter(delivered_at__isnull=False).exists():
        time.sleep(0.05)
    try:
        archives = [tmp_path / f"{number}.tar" for number in range(2)]
        for archive in archives:
            make_backup(filled, archive, at=AT)
    finally:
        stop.set()
        thread.join()
    assert failed == []
    for number, archive in enumerate(archives):
        folder = tmp_path / f"r{number}"
        restore(archive, folder)
        with opened({"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "web.sqlite3")}, "other") as alias:
            delivered = set(
                OutboxItem.objects.using(alias).filter(delivered_at__isnull=False).values_list("key", flat=True)
            )
            assert AuditEntry.objects.using(alias).filter(action="test.decided").count() >= len(delivered)
        assert delivered
        assert delivered <= set(ObservationLake(folder / "lake").batches()["batch"])


@pytest.fixture
def other_database(tmp_path: Path) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.sqlite3")}


def test_moving_compares_every_table(filled: Path, other_database: dict[str, Any]) -> None:
    rows = move_database(other_database)
    assert (rows["people_user"], rows["audit_auditentry"]) == (1, 20)
    with opened(other_database, "other") as alias:
        assert table_digests(alias) == table_digests("default")
    with pytest.raises(InputError, match="not empty"):
        move_database(other_database)


def test_verifying_leaves_nothing_behind(filled: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar"
    made = make_backup(filled, archive, at=AT)
    assert verify_backup(archive) == made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "workspace"]
    assert shutil.disk_usage(tmp_path).free > 0
    assert house().root == filled
