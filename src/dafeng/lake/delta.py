"""One table of the lake: Parquet files under a Delta transaction log.

The log says which files make up which version of the table. Each commit claims the next version number and fails if another
writer took it, so that whoever reads, compares and appends does so against one state. A batch is an application transaction
of the log: the log itself knows which batches have landed. Log entries and files are never removed.

A data file is named ``part-<version>-<SHA-256 of its bytes>.parquet``, so that every file can be checked by itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding, Location
from dafeng.lake.durable import hash_file, new_file, sync_file, sync_folder

__all__ = ["DataFile", "DeltaLog", "library_errors"]

ROWS_OF_GROUP: Final = 1 << 17
_CONFIGURATION: Final = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
_FILE_NAME: Final = re.compile(r"part-\d{20}-([0-9a-f]{64})\.parquet")
_LIBRARY_ERRORS: Final = (DeltaError, duckdb.Error, pl.exceptions.PolarsError, OSError, ValueError)


class DataFile(NamedTuple):
    """A Parquet file of a table."""

    path: Path
    rows: int
    size: int

    def fault(self, *, thorough: bool) -> str | None:
        """Return in Chinese what is wrong with the file, None if nothing; `thorough` hashes its bytes."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return "文件缺失或无法访问"
        if size != self.size:
            return f"文件大小为 {size} 字节，日志记为 {self.size} 字节"
        name = _FILE_NAME.fullmatch(self.path.name)
        try:
            if thorough and name and hash_file(self.path) != name[1]:
                return "文件内容与其名称中的散列值不符"
        except OSError as error:
            return f"文件无法读取：{error}"
        return None


@contextmanager
def library_errors(doing: str, folder: Path, files: Sequence[DataFile] = ()) -> Iterator[None]:
    """Turn what the libraries throw into a LakeError that names the faulty file."""
    try:
        yield
    except _LIBRARY_ERRORS as error:
        faulty = [f"{file.path} ({fault})" for file in files if (fault := file.fault(thorough=True))]
        raise LakeError(
            f"faulty files: {'; '.join(faulty[:3])}" if faulty else f"{folder} cannot be used: {_short(error)}",
            doing=doing,
            expected="the files and log entries that the lake wrote, unchanged",
            next_step="restore the folder from a backup; `dafeng doctor` lists every faulty file",
        ) from error


def _short(error: Exception, most: int = 300) -> str:
    """Return what a library says, without the pages of its inner state."""
    text = str(error)
    return text if len(text) <= most else f"{text[:most]} …"


class DeltaLog:
    """A table of one schema in one folder."""

    def __init__(self, folder: Path, schema: Mapping[str, pl.DataType]) -> None:
        self.folder = folder
        self.schema = dict(schema)

    def load(self, version: int | None = None) -> DeltaTable | None:
        """Return the table as of `version`, the newest by default; None where nothing was ever written."""
        if not (self.folder / "_delta_log").is_dir():
            self._refuse_files_without_log()
            return None
        with library_errors("read the log of the lake", self.folder):
            try:
                table = DeltaTable(self.folder, version=version)
            except TableNotFoundError:
                if any((self.folder / "_delta_log").glob("*.json")):
                    raise
                self._refuse_files_without_log()
                return None
            self._refuse_empty_entries()
            names = [field.name for field in table.schema().fields]
        if names != list(self.schema):
            raise LakeError(
                f"{self.folder} has the columns {', '.join(names)}",
                doing="read the log of the lake",
                expected=", ".join(self.schema),
                next_step="use the version of dafeng that wrote it",
            )
        return table

    def _refuse_files_without_log(self) -> None:
        # The log is made before the first file: files without one are facts that nothing names any more.
        files = sum(_FILE_NAME.fullmatch(path.name) is not None for path in self.folder.glob("part-*.parquet"))
        if files:
            raise LakeError(
                f"{self.folder} holds {files} data files, but its log is missing",
                doing="read the log of the lake",
                expected="the folder _delta_log as it was written",
                next_step="restore the folder from a backup",
            )

    def _refuse_empty_entries(self) -> None:
        # The library takes an empty entry for a commit without content, so that its facts would be missing unseen.
        with os.scandir(self.folder / "_delta_log") as entries:
            empty = sorted(entry.name for entry in entries if entry.name.endswith(".json") and not entry.stat().st_size)
        if empty:
            raise LakeError(
                f"the log entry {empty[0]} of {self.folder} is empty",
                doing="read the log of the lake",
                expected="log entries as they were written",
                next_step="restore it from a backup; if it is the newest entry and the power had failed, remove it and "
                "publish the last batch again",
            )

    def load_or_create(self) -> DeltaTable:
        """Return the newest state of the table, and make the table first where there is none."""
        table = self.load()
        if table is None:
            with library_errors("make a table of the lake", self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                schema = Schema.from_arrow(pl.DataFrame(schema=self.schema).to_arrow().schema)
                DeltaTable.create(self.folder, schema, mode="ignore", configuration=_CONFIGURATION)
                self._sync_log(0)
                sync_folder(self.folder)
                sync_folder(self.folder.parent)
                table = DeltaTable(self.folder)
        return table

    def files(self, table: DeltaTable | None) -> tuple[DataFile, ...]:
        """Return the files that make up `table`, oldest first."""
        if table is None:
            return ()
        with library_errors("read the log of the lake", self.folder):
            actions = pl.DataFrame(table.get_add_actions(flatten=True)).select("path", "num_records", "size_bytes")
        return tuple(DataFile(self.folder / path, rows, size) for path, rows, size in sorted(actions.iter_rows()))

    def write(self, frame: pl.DataFrame, version: int) -> DataFile:
        """Write rows to a new data file, safe on the disk but not yet part of the table."""
        with (
            library_errors("write a data file of the lake", self.folder),
            new_file(self.folder, suffix=".parquet") as (stream, passing),
        ):
            frame.write_parquet(stream, compression="zstd", row_group_size=ROWS_OF_GROUP, statistics=True)
            stream.flush()
            os.fsync(stream.fileno())
            target = self.folder / f"part-{version:020d}-{hash_file(passing)}.parquet"
            passing.chmod(0o644)
            passing.replace(target)
            sync_folder(self.folder)
            return DataFile(target, frame.height, target.stat().st_size)

    def commit(
        self,
        table: DeltaTable,
        *,
        add: Sequence[DataFile],
        remove: Sequence[DataFile] = (),
        batch: str | None = None,
        details: Mapping[str, Any],
    ) -> bool:
        """Make `add` part of the table as the version after `table`'s, on the disk when this returns.

        Parameters
        ----------
        table : DeltaTable
            State against which the rows were compared.
        add, remove : sequence of DataFile
            With `remove`, `add` holds the same rows anew.
        batch : str or None
            Application transaction to be recorded.
        details : mapping
            Further facts kept in the log entry.

        Returns
        -------
        bool
            False where another writer took the version: load the table and compare anew.
        """
        moved = bool(remove)
        instant = max((file.path.stat().st_mtime_ns // 1_000_000 for file in add), default=0)
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(path=file.path.name, data_change=False, deletion_timestamp=instant, size=file.size)
            for file in remove
        ]
        actions += [
            AddAction(
                path=file.path.name,
                size=file.size,
                partition_values={},
                modification_time=file.path.stat().st_mtime_ns // 1_000_000,
                data_change=not moved,
                stats=json.dumps({"numRecords": file.rows}),
            )
            for file in add
        ]
        properties = CommitProperties(
            custom_metadata=dict(details),
            max_commit_retries=0,
            app_transactions=[] if batch is None else [Transaction(batch, 1)],
        )
        with library_errors("write the log of the lake", self.folder):
            try:
                table.create_write_transaction(
                    actions,
                    mode="append",
                    schema=table.schema(),
                    commit_properties=properties,
                    post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
                )
            except CommitFailedError:
                if DeltaTable(self.folder).version() == table.version():
                    raise  # nobody was faster: something else is wrong
                return False
            self._sync_log(table.version() + 1)
        return True

    def _sync_log(self, version: int) -> None:
        log = self.folder / "_delta_log"
        sync_file(log / f"{version:020d}.json")
        sync_folder(log)

    def verify(self) -> list[Finding]:
        """Return what is wrong with the log and with every file that its newest version names."""
        try:
            files = self.files(self.load())
        except LakeError as error:
            return [
                Finding(
                    name="lake.log.unreadable",
                    sentence="事实库的事务日志无法读取",
                    value=error.problem,
                    expected=error.expected,
                    next_step="从备份恢复该文件夹",
                    where=Location(file=str(self.folder / "_delta_log")),
                )
            ]
        return [
            Finding(
                name="lake.file.faulty",
                sentence=f"事实库的数据文件有误：{fault}",
                expected="文件与写入时完全一致",
                next_step="从备份恢复该文件",
                where=Location(file=str(file.path)),
                evidence={"rows": file.rows},
            )
            for file in files
            if (fault := file.fault(thorough=True))
        ]
