"""``gateway.sqlite3`` of a workspace: accounts of gateways, packets that wait for the lake, what is known of each gateway.

SQLite in WAL mode with full synchronisation: what a commit confirmed is on the disk. The file holds keys and is readable by
its owner only.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dafeng.base.errors import LakeError, UsageError
from dafeng.lake.durable import sync_folder

__all__ = ["DATABASE_FILE", "open_database", "read_database", "sole_server", "transaction"]

DATABASE_FILE: Final = "gateway.sqlite3"
_LOCK_FILE: Final = "gateway.lock"
_FORMAT: Final = 1
_BUSY_SECONDS: Final = 20.0
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
    building TEXT NOT NULL, gateway TEXT NOT NULL, profile TEXT NOT NULL, key BLOB NOT NULL, iv BLOB NOT NULL,
    secret TEXT NOT NULL, zone TEXT NOT NULL, state TEXT NOT NULL, onboarded_at TEXT NOT NULL, changed_at TEXT NOT NULL,
    PRIMARY KEY (building, gateway)) WITHOUT ROWID;
CREATE TABLE groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, packets INTEGER NOT NULL, readings INTEGER NOT NULL, received INTEGER NOT NULL,
    digest BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE deliveries (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, batch TEXT NOT NULL, begun TEXT NOT NULL);
CREATE TABLE points (
    building TEXT NOT NULL, gateway TEXT NOT NULL, meter TEXT NOT NULL, function TEXT NOT NULL, coding TEXT NOT NULL,
    house_meter TEXT NOT NULL, known INTEGER NOT NULL, first_seen TEXT NOT NULL,
    PRIMARY KEY (building, gateway, meter, function)) WITHOUT ROWID;
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT, building TEXT, gateway TEXT, operation TEXT, sequence TEXT, at TEXT, meter TEXT,
    function TEXT, coding TEXT, error TEXT, text TEXT, received_at TEXT, reason TEXT);
CREATE TABLE live (building TEXT NOT NULL, gateway TEXT NOT NULL, said TEXT NOT NULL, PRIMARY KEY (building, gateway)) WITHOUT ROWID;
CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, severity TEXT NOT NULL, name TEXT NOT NULL, building TEXT NOT NULL,
    gateway TEXT NOT NULL, address TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE counters (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open the database for reading and writing; it is made where there is none.

    Parameters
    ----------
    path : Path
        ``gateway.sqlite3`` of the workspace. It becomes readable and writable by its owner only.

    Returns
    -------
    Connection
        Without transactions of its own making; see `transaction`.

    Raises
    ------
    LakeError
        It cannot be opened, is no such database, or is of a newer dafeng.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     database = open_database(Path(folder) / DATABASE_FILE)
    ...     mode = (Path(folder) / DATABASE_FILE).stat().st_mode & 0o777
    ...     database.execute("PRAGMA synchronous").fetchone()[0], oct(mode)
    ...     database.close()
    (2, '0o600')
    """
    doing = f"open {path}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)  # before the library makes its companions, which take the same mode
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
            _make(connection, path, doing)
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise LakeError(
            f"网关数据库打不开 / cannot be opened: {error}",
            doing=doing,
            expected="可读写的 gateway.sqlite3，磁盘有空间 / a database that can be read and written",
            next_step="检查权限和磁盘空间；文件损坏的，停服务后换上备份 / check permissions and space, or restore a backup",
        ) from error
    return connection


def _make(connection: sqlite3.Connection, path: Path, doing: str) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > _FORMAT:
        raise LakeError(
            f"网关数据库的格式是 {version} / has format {version}",
            doing=doing,
            expected=f"{_FORMAT} 或更旧 / or older",
            next_step="换用更新的 dafeng / use a newer dafeng",
        )
    if version == 0:
        with transaction(connection):
            if int(connection.execute("PRAGMA user_version").fetchone()[0]) == 0:  # nobody was faster
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('spool', ?)", (secrets.token_hex(8),))
                connection.execute(f"PRAGMA user_version = {_FORMAT}")
        sync_folder(path.parent)


def read_database(path: Path) -> sqlite3.Connection | None:
    """Open the database for reading, also beside a server; None where there is none.

    Raises
    ------
    LakeError
        It cannot be read.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return None
    connection = open_database(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Do everything within the block, or nothing; on the disk afterwards."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it by itself
            connection.execute("ROLLBACK")
        raise


@contextmanager
def sole_server(folder: Path) -> Iterator[None]:
    """Be the only server of a workspace within the block. The system frees the place of a process that dies.

    Parameters
    ----------
    folder : Path
        The workspace.

    Raises
    ------
    UsageError
        Another server is at work, or the file system has no locks.
    """
    path = folder / _LOCK_FILE
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 100, 0).decode(errors="replace").strip()
            raise UsageError(
                f"{path} 被占用 / is taken（进程 / process {holder or '?'}：{error.strerror}）",
                doing="serve gateways",
                expected="一个工作区只有一个网关服务，文件系统支持锁 / one server a workspace, a file system with locks",
                next_step="停掉另一个服务；网络文件系统请改放本机磁盘 / stop the other server, or use a local disk",
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)
