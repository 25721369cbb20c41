"""Backup of the platform while it runs, and its restoring, which is proven before anything appears.

Order is what makes a backup consistent without stopping anybody: first one snapshot of the databases, then the files. What the
database of that moment points at is in the files of a later one; what reached the lake after the moment is told to it again by the
outbox under the same key, which changes nothing. Of a table of facts the log is read before its data files, and the facts before their
origins, so that whatever the log names is there.

The archive is a plain tar: database/<table>.jsonl, files/<path>, and last manifest.json with the SHA-256 of every member.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from django.db import DatabaseError, connections

from dafeng import __version__
from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.base.listener import Listener, silent
from dafeng.base.record import Record
from dafeng.lake import ObservationLake, ReadingLake, RegisterLake
from dafeng.lake.durable import new_file, sync_folder
from dafeng.web.audit.models import AuditHead
from dafeng.web.audit.services import Anchor, verify_chain
from dafeng.web.operation.tables import digest_of, dump_table, load_tables, opened, snapshot, table_digests, tables

__all__ = ["Backup", "make_backup", "move_database", "restore", "verify_backup"]

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_SKIPPED_NAMES: Final = frozenset({"web.lock", "web.secret", "gateway.lock", ".writers", "last-backup.json"})
_DATABASES: Final = ("web.sqlite3", "gateway.sqlite3")
_CHUNK: Final = 1 << 20
_TRIES: Final = 5
_LOG: Final = "_delta_log"


class Backup(Record):
    """What a backup holds."""

    made_at: str
    """Moment at which it was begun."""
    files: int
    """Files of the workspace."""
    bytes: int
    """Their size."""
    rows: dict[str, int]
    """Rows by table."""
    audit_number: int
    """Entries of the audit log."""
    audit_digest: str
    """End of its chain."""


def _fault(problem: str, *, doing: str) -> InputError:
    return InputError(
        problem,
        doing=doing,
        expected="完整、未改动的备份 / a whole backup that nobody changed",
        next_step="换另一份备份 / use another backup",
    )


@contextmanager
def _source(folder: Path) -> Iterator[str]:
    """Give the alias of a database that stands still: a copy of SQLite's, made without stopping anybody; PostgreSQL in one state."""
    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        target = folder / "copy.sqlite3"
        with closing(sqlite3.connect(target)) as copy:
            connection.connection.backup(copy)
        with opened({"ENGINE": "django.db.backends.sqlite3", "NAME": str(target)}, "copy") as alias:
            yield alias
        return
    with opened({**connection.settings_dict, "CONN_HEALTH_CHECKS": False}, "copy") as alias, snapshot(alias):
        yield alias


class _Archive:
    """A tar that notes the digest of what is put in."""

    def __init__(self, stream: IO[bytes], at: datetime) -> None:
        self.tar = tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.members: dict[str, dict[str, Any]] = {}
        self._at = int(at.timestamp())

    def put(self, name: str, content: IO[bytes], size: int) -> None:
        """Put a member in; its content is read to `size`."""
        digest = hashlib.sha256()

        class Hashing(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def read(self, count: int = -1) -> bytes:
                chunk = content.read(count)
                digest.update(chunk)
                return chunk

        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, self._at, 0o600
        self.tar.addfile(info, Hashing())
        self.members[name] = {"sha256": digest.hexdigest(), "bytes": size}


def make_backup(root: Path, target: Path, *, at: datetime, listener: Listener = silent) -> Backup:
    """Write a backup of the platform; it appears whole or not at all, readable by its owner alone.

    Parameters
    ----------
    root : Path
        Workspace folder.
    target : Path
        File that does not exist yet.
    at : datetime

    Raises
    ------
    InputError
        The file is there already, lies in the workspace, or cannot be written.
    """
    target = target.absolute()
    doing = f"back up to {target}"
    if target.exists() or target.is_relative_to(root.absolute()):
        raise InputError(
            f"{target} 已存在，或在工作区里 / exists, or lies in the workspace",
            doing=doing,
            expected="工作区之外的新文件 / a new file outside the workspace",
            next_step="换一个文件名 / name another file",
        )
    try:
        with new_file(target.parent) as (stream, passing), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = _write(root, Path(scratch), _Archive(stream, at), at, listener)
            stream.flush()
            os.fsync(stream.fileno())
            passing.chmod(0o600)
            passing.replace(target)
        sync_folder(target.parent)
    except (OSError, sqlite3.Error, DatabaseError) as error:
        raise InputError(
            f"备份写不成 / cannot be written: {error}",
            doing=doing,
            expected="可写、有空间的磁盘 / a disk with room",
            next_step="检查磁盘和权限 / check disk and permissions",
        ) from error
    return made


def _write(root: Path, scratch: Path, archive: _Archive, at: datetime, listener: Listener) -> Backup:
    digests: dict[str, tuple[int, str]] = {}
    with _source(scratch) as alias:
        found = tables()
        for number, model in enumerate(found):
            listener("备份数据库 / database", number, len(found))
            name = model._meta.db_table
            path = scratch / "table"
            with path.open("wb") as stream:
                stream.writelines(dump_table(model, alias))
            with path.open("rb") as lines:
                digests[name] = digest_of(lines)
            with path.open("rb") as content:
                archive.put(f"database/{name}.jsonl", content, path.stat().st_size)
        head = AuditHead.objects.using(alias).filter(id=1).first()
    if (root / "gateway.sqlite3").exists():
        copy = scratch / "gateway"
        with closing(sqlite3.connect(root / "gateway.sqlite3")) as own, closing(sqlite3.connect(copy)) as other:
            own.backup(other)
        with copy.open("rb") as content:
            archive.put("files/gateway.sqlite3", content, copy.stat().st_size)
    _put_files(root, archive, listener)
    number, digest = (0, "0" * 64) if head is None else (head.number, head.digest)
    manifest = {
        "format": FORMAT,
        "code": __version__,
        "made_at": at.isoformat(),
        "audit": {"number": number, "digest": digest},
        "tables": {name: {"rows": rows, "digest": said} for name, (rows, said) in digests.items()},
        "members": archive.members,
    }
    said = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1).encode()
    archive.put(MANIFEST, io.BytesIO(said), len(said))
    archive.tar.close()
    kept = [one for name, one in archive.members.items() if name.startswith("files/")]
    return Backup(
        made_at=at.isoformat(),
        files=len(kept),
        bytes=sum(one["bytes"] for one in kept),
        rows={name: rows for name, (rows, _) in digests.items()},
        audit_number=number,
        audit_digest=digest,
    )


def _kept(path: Path, root: Path) -> bool:
    name = path.name
    parts = path.relative_to(root).parts
    passing = any(part.startswith((".new-", ".trial-", ".restoring-")) for part in parts)
    database = len(parts) == 1 and name.startswith(_DATABASES)
    return path.is_file() and not path.is_symlink() and not passing and not database and name not in _SKIPPED_NAMES


def _put_files(root: Path, archive: _Archive, listener: Listener) -> None:
    """Put the files of the workspace in: tables of facts first, each log before its data, facts before their origins."""
    logs = sorted(
        root.glob(f"**/{_LOG}"), key=lambda log: (log.parent.name == "lineage", log.parent.name != "observations")
    )
    done: set[Path] = set()
    for number, log in enumerate(logs):
        listener("备份事实 / facts", number, len(logs))
        for attempt in range(_TRIES):
            listed = [path for path in sorted(log.parent.rglob("*")) if _kept(path, root)]
            entries = [path for path in listed if path.parent == log]
            try:
                held = {path: path.read_bytes() for path in entries}
                # the log is in hand: whatever it names was there before
                data = [path for path in sorted(log.parent.rglob("*")) if _kept(path, root) and path.parent != log]
                opened_files = [(path, path.open("rb")) for path in data]
                break
            except FileNotFoundError:
                if attempt == _TRIES - 1:
                    raise
        for path, content in held.items():
            archive.put(f"files/{path.relative_to(root).as_posix()}", io.BytesIO(content), len(content))
        for path, stream in opened_files:
            with stream:
                archive.put(f"files/{path.relative_to(root).as_posix()}", stream, os.fstat(stream.fileno()).st_size)
        done.update(held, data)
    rest = [path for path in sorted(root.rglob("*")) if path not in done and _kept(path, root)]
    beneath = {log.parent for log in logs}
    for number, path in enumerate(rest):
        listener("备份文件 / files", number, len(rest))
        if any(path.is_relative_to(folder) for folder in beneath):
            continue  # written after its table was read
        try:
            with path.open("rb") as stream:
                archive.put(f"files/{path.relative_to(root).as_posix()}", stream, os.fstat(stream.fileno()).st_size)
        except FileNotFoundError:
            continue


def _read(source: Path, take: Callable[[str, IO[bytes]], None]) -> dict[str, Any]:
    """Read an archive once, give every member away, and return the manifest, checked against what was read.

    Raises
    ------
    InputError
        It is cut off, changed, or holds what no backup holds.
    """
    doing = f"read the backup {source}"
    seen: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    try:
        with tarfile.open(source, "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                safe = member.isreg() and not path.is_absolute() and ".." not in path.parts
                stream = tar.extractfile(member) if safe else None
                if stream is None or manifest is not None or member.name in seen:
                    raise _fault(f"成员 {member.name!r} 不该在备份里 / does not belong in a backup", doing=doing)
                digest = hashlib.sha256()
                if member.name == MANIFEST:
                    manifest = json.loads(stream.read())
                    continue
                with tempfile.TemporaryFile() as whole:
                    while chunk := stream.read(_CHUNK):
                        digest.update(chunk)
                        whole.write(chunk)
                    whole.seek(0)
                    seen[member.name] = {"sha256": digest.hexdigest(), "bytes": member.size}
                    take(member.name, whole)
    except (OSError, tarfile.TarError, ValueError, EOFError) as error:
        raise _fault(f"读不了 / cannot be read: {error}", doing=doing) from error
    if manifest is None or manifest.get("format") != FORMAT:
        raise _fault("没有清单，或格式不对：备份不完整 / no manifest", doing=doing)
    said = manifest["members"]
    wrong = sorted(name for name in said.keys() | seen.keys() if said.get(name) != seen.get(name))
    if wrong:
        raise _fault(f"与清单不符 / differ from the manifest: {'、'.join(wrong[:5])}", doing=doing)
    return manifest


def restore(
    source: Path, folder: Path, *, database: dict[str, Any] | None = None, listener: Listener = silent
) -> Backup:
    """Restore a backup into a new folder, and prove it: digests of every file, rows of every table, audit chain, facts.

    The folder appears when everything was proven; where anything is wrong nothing appears.

    Parameters
    ----------
    source : Path
    folder : Path
        Must not exist, or be empty.
    database : dict, optional
        Empty PostgreSQL database, as Django takes it; `web.sqlite3` in the folder where None.

    Raises
    ------
    InputError
        The backup is not whole, or what was restored is not what it says.
    """
    folder = folder.absolute()
    doing = f"restore {source} into {folder}"
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} 不是空文件夹 / is no empty folder",
            doing=doing,
            expected="新的或空的文件夹 / a new or empty folder",
            next_step="换一个文件夹 / name another folder",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    passing = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".restoring-"))
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restoring-") as scratch:
            lines: dict[str, Path] = {}

            def take(name: str, content: IO[bytes]) -> None:
                path = PurePosixPath(name)
                if path.parts[0] == "files" and len(path.parts) > 1:
                    target = passing.joinpath(*path.parts[1:])
                elif path.parts[0] == "database" and len(path.parts) == 2:
                    target = lines[path.stem] = Path(scratch) / path.name
                else:
                    raise _fault(f"成员 {name!r} 不该在备份里 / does not belong in a backup", doing=doing)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as stream:
                    shutil.copyfileobj(content, stream, _CHUNK)

            listener("读备份 / archive", 0, None)
            manifest = _read(source, take)
            _check_lake(passing, doing)
            listener("恢复数据库 / database", 0, None)
            target = database or {"ENGINE": "django.db.backends.sqlite3", "NAME": str(passing / "web.sqlite3")}
            with opened(target, "restored") as alias:
                load_tables(alias, {name: _lines(path) for name, path in lines.items()})
                _check_database(alias, manifest, doing)
            if (passing / "gateway.sqlite3").exists():
                (passing / "gateway.sqlite3").chmod(0o600)
            if database is None:
                (passing / "web.sqlite3").chmod(0o600)
        for name in ("catalog", "documents", "lake", "runs"):
            (passing / name).mkdir(exist_ok=True)  # archives hold no empty folders
        if folder.exists():
            folder.rmdir()
        os.rename(passing, folder)
        folder.chmod(0o755)
        sync_folder(folder.parent)
    except (OSError, DatabaseError) as error:
        raise _fault(f"恢复不成 / cannot be restored: {error}", doing=doing) from error
    finally:
        shutil.rmtree(passing, ignore_errors=True)
    kept = [one for name, one in manifest["members"].items() if name.startswith("files/")]
    return Backup(
        made_at=manifest["made_at"],
        files=len(kept),
        bytes=sum(one["bytes"] for one in kept),
        rows={name: one["rows"] for name, one in manifest["tables"].items()},
        audit_number=manifest["audit"]["number"],
        audit_digest=manifest["audit"]["digest"],
    )


def verify_backup(source: Path, *, listener: Listener = silent) -> Backup:
    """Prove a backup by restoring it beside itself for a moment.

    Raises
    ------
    InputError
        It is not whole.
    """
    with tempfile.TemporaryDirectory(dir=source.absolute().parent, prefix=".restoring-") as scratch:
        return restore(source, Path(scratch) / "trial", listener=listener)


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from stream


def _check_database(alias: str, manifest: dict[str, Any], doing: str) -> None:
    said = {name: (one["rows"], one["digest"]) for name, one in manifest["tables"].items()}
    now = table_digests(alias)
    wrong = sorted(name for name in said.keys() | now.keys() if said.get(name, (0, None))[0] != now.get(name, (0,))[0])
    wrong += sorted(name for name in said.keys() & now.keys() if said[name] != now[name])
    if wrong:
        raise _fault(f"这些表与备份不一致 / tables differ: {'、'.join(dict.fromkeys(wrong))}", doing=doing)
    audit = manifest["audit"]
    anchors = [Anchor(audit["number"], audit["digest"], "备份清单")] if audit["number"] else []
    faults = list(verify_chain(using=alias, anchors=anchors))
    if faults:
        raise _fault(f"审计日志：{faults[0].says} / the audit log is not whole", doing=doing)


def _check_lake(root: Path, doing: str) -> None:
    folder = root / "lake"
    findings = []
    if folder.is_dir():
        findings = [*ObservationLake(folder).verify(), *RegisterLake(folder).verify()]
        findings += ReadingLake(folder / "readings").verify()
    bad = [one for one in findings if one.severity is Severity.ERROR]
    if bad:
        raise _fault(f"事实数据：{bad[0].sentence} / the facts are not whole", doing=doing)


def move_database(database: dict[str, Any], *, listener: Listener = silent) -> dict[str, int]:
    """Copy the platform's database into an empty one, and compare table by table; return rows by table.

    The platform must not run meanwhile. The old database stays as it is.

    Raises
    ------
    InputError
        The other is not empty, or something differs after the copying.
    """
    with tempfile.TemporaryDirectory() as scratch, _source(Path(scratch)) as old, opened(database, "moved") as new:
        listener("搬迁 / move", 0, None)
        load_tables(new, {model._meta.db_table: dump_table(model, old) for model in tables()})
        before, after = table_digests(old), table_digests(new)
        wrong = sorted(name for name in before if before[name] != after.get(name))
        if wrong:
            raise _fault(f"这些表搬迁后不一致 / tables differ: {'、'.join(wrong)}", doing="move the database")
        faults = list(verify_chain(using=new))
        if faults:
            raise _fault(f"审计日志：{faults[0].says}", doing="move the database")
    return {name: rows for name, (rows, _) in after.items()}
