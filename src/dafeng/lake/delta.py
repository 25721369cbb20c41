"""One table of the lake: Parquet files under a Delta transaction log.

The log says which files make up which version of the table. Each commit claims the next version number and fails if another
writer took it, so that whoever reads, compares and appends does so against one state. A batch is an application transaction
of the log: the log itself knows which batches have landed. Only a vacuum removes files and log entries.

A data file is named ``part-<version>-<SHA-256 of its bytes>.parquet``, so that every file can be checked by itself, and only
the log entry of that version can name it first: a file that it does not name will never be part of the table.

A table may be partitioned: a value that all rows of a file share stands in the log and not in the file. The log also keeps
the least and the greatest value of chosen columns of each file, so that a reader chooses files without opening them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import polars.selectors as cs
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import parquet

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding, Location
from dafeng.lake.data_files import FILE_NAME, LIBRARY_ERRORS, NOTHING, DataFile, library_errors
from dafeng.lake.durable import hash_file, new_file, sync_file, sync_folder
from dafeng.lake.instants import plain_schema, without_zone
from dafeng.lake.log_entries import (
    LogEnd,
    Versioned,
    checkpoints,
    claim,
    details_of,
    empty_entry,
    entry_path,
    stated,
)

__all__ = ["DataFile", "DeltaLog", "library_errors"]

ROWS_OF_GROUP: Final = 1 << 17
_CONFIGURATION: Final = {
    "delta.appendOnly": "true",
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
_BUSY: Final = {  # what was removed need not stand in every checkpoint for ever: older versions have log entries of their own
    "delta.deletedFileRetentionDuration": "interval 1 hours",
}
_CHECKPOINT: Final = 100
_BUSY_CHECKPOINT: Final = 250
"""Commits between checkpoints."""


def _columns(schema: Schema) -> str:
    return ", ".join(f"{field.name} ({field.type.type})" for field in schema.fields)


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


class DeltaLog:
    """A table of one schema in one folder.

    Parameters
    ----------
    folder : Path
    schema : mapping from column to Polars type
        Columns of the data files.
    partition_by : sequence of str
        Further columns, of text, that stand in the log.
    ranged : sequence of str
        Columns of which the log keeps the range in each file.
    busy : bool
        Whether the table has very many commits.
    append_only : bool
        Whether the log forbids that rows go.
    plain : bool
        Whether the files hold instants without zone, in UTC, see `dafeng.lake.instants`.
    """

    def __init__(
        self,
        folder: Path,
        schema: Mapping[str, pl.DataType],
        *,
        partition_by: Sequence[str] = (),
        ranged: Sequence[str] = (),
        busy: bool = False,
        append_only: bool = True,
        plain: bool = False,
    ) -> None:
        self.folder = folder
        self.schema = dict(schema)
        self.partition_by = tuple(partition_by)
        self.ranged = tuple(ranged)
        self.busy = busy
        self.append_only = append_only
        self.plain = plain
        self._newest: DeltaTable | None = None
        self._end: LogEnd | None = None

    @property
    def _whole_schema(self) -> dict[str, pl.DataType]:
        schema = plain_schema(self.schema) if self.plain else self.schema
        return {**schema, **dict.fromkeys(self.partition_by, pl.String())}

    def load(self, version: int | None = None) -> DeltaTable | None:
        """Return the table as of `version`, the newest by default; None where nothing was ever written."""
        if not (self.folder / "_delta_log").is_dir():
            self._refuse_files_without_log()
            return None
        with library_errors("read the log of the lake", self.folder):
            try:
                table = self._opened(version)
            except TableNotFoundError:
                if any((self.folder / "_delta_log").glob("*.json")):
                    raise
                self._refuse_files_without_log()
                return None
            before = [written for written, _ in checkpoints(self.folder) if written <= table.version()]
            self._refuse_empty_entries(max(before, default=-1) + 1, table.version())
            stored, wanted = _columns(table.schema()), _columns(self._delta_schema())
        if stored != wanted:
            raise LakeError(
                f"{self.folder} has the columns {stored}",
                doing="read the log of the lake",
                expected=wanted,
                next_step="use the version of dafeng that wrote it",
            )
        return table

    def _opened(self, version: int | None) -> DeltaTable:
        try:
            return DeltaTable(self.folder, version=version)
        except TableNotFoundError:
            raise
        except DeltaError:  # perhaps a vacuum put entries away that had just been listed
            return DeltaTable(self.folder, version=version)

    def _delta_schema(self) -> Schema:
        return Schema.from_arrow(pl.DataFrame(schema=self._whole_schema).to_arrow().schema)

    def _refuse_files_without_log(self) -> None:
        # The log is made before the first file: files without one are facts that nothing names any more.
        files = sum(FILE_NAME.fullmatch(path.name) is not None for path in self.folder.glob("part-*.parquet"))
        if files:
            raise LakeError(
                f"{self.folder} holds {files} data files, but its log is missing",
                doing="read the log of the lake",
                expected="the folder _delta_log as it was written",
                next_step="restore the folder from a backup",
            )

    def _refuse_empty_entries(self, first: int, last: int) -> None:
        # The library takes an empty entry for a commit without content, so that its facts would be missing unseen.
        for version in range(first, last + 1):
            path = entry_path(self.folder, version)
            if path.is_file() and not path.stat().st_size:
                raise empty_entry(path)

    def load_or_create(self) -> DeltaTable:
        """Return the newest state of the table, and make the table first where there is none.

        The table stays open, so that the next call reads only what was committed since.
        """
        self._newest = self._brought_up_to_date() or self._loaded_or_created()
        return self._newest

    def _brought_up_to_date(self) -> DeltaTable | None:
        table = self._newest
        if table is None or not entry_path(self.folder, known := table.version()).is_file():
            return None
        with library_errors("read the log of the lake", self.folder):
            table.update_incremental()
            self._refuse_empty_entries(known + 1, table.version())
        return table

    def end(self) -> LogEnd:
        """Return the newest version and the batches that landed, and make the table first where there is none.

        It stays open: the next call reads only the entries written since, and costs the same however long the log is.
        """
        if self._end is None or not entry_path(self.folder, self._end.version()).is_file():
            table = self._loaded_or_created()
            with library_errors("read the log of the lake", self.folder):
                self._end = LogEnd(self.folder)
                self._end.catch_up()
            if self._end.version() < table.version():
                raise LakeError(
                    f"the log of {self.folder} lacks the entry of version {self._end.version() + 1}",
                    doing="read the log of the lake",
                    expected="every log entry after the newest checkpoint",
                    next_step="restore the folder from a backup",
                )
        with library_errors("read the log of the lake", self.folder):
            self._end.catch_up()
        return self._end

    def _loaded_or_created(self) -> DeltaTable:
        table = self.load()
        if table is None:
            with library_errors("make a table of the lake", self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    self.folder,
                    self._delta_schema(),
                    mode="ignore",
                    partition_by=list(self.partition_by),
                    configuration={
                        **_CONFIGURATION,
                        **(_BUSY if self.busy else {}),
                        "delta.appendOnly": str(self.append_only).lower(),
                    },
                )
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
            actions = pl.DataFrame(table.get_add_actions(flatten=True))
        actions = actions.with_columns(cs.datetime(time_zone=None).dt.replace_time_zone("UTC"))
        partition = {name: f"partition.{name}" for name in self.partition_by}
        least, most = ({name: f"{end}.{name}" for name in self.ranged} for end in ("min", "max"))

        def taken(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
            return {name: row[column] for name, column in columns.items() if row.get(column) is not None}

        return tuple(
            DataFile(
                self.folder / row["path"].rpartition("/")[2],
                row["num_records"],
                row["size_bytes"],
                *(taken(row, columns) for columns in (partition, least, most)),
            )
            for row in actions.sort("path").iter_rows(named=True)
        )

    def write(self, frame: pl.DataFrame, version: int | None, partition: Mapping[str, str] = NOTHING) -> DataFile:
        """Write rows to a new data file that is not yet part of the table.

        For a version the file is safe on the disk; for none it waits under a passing name that is its own, see `renamed`.
        """
        with (
            library_errors("write a data file of the lake", self.folder),
            new_file(self.folder, suffix=".parquet") as (stream, passing),
        ):
            stored = without_zone(frame) if self.plain else frame
            stored.write_parquet(stream, compression="zstd", row_group_size=ROWS_OF_GROUP, statistics=True)
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            size = os.fstat(stream.fileno()).st_size
            return self._named(DataFile(passing, frame.height, size, dict(partition), *self._ranges(frame)), version)

    def write_parts(self, frame: pl.DataFrame, version: int) -> list[DataFile]:
        """Write the rows of a batch to new data files; a partitioned table says here which."""
        return [self.write(frame, version)] if frame.height else []

    def _ranges(self, frame: pl.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self.ranged:
            return {}, {}
        columns = pl.col(*self.ranged)
        row = frame.select(columns.min().name.prefix("min "), columns.max().name.prefix("max ")).row(0, named=True)
        ends = [{name: row[f"{end} {name}"] for name in self.ranged} for end in ("min", "max")]
        least, most = ({name: value for name, value in end.items() if value is not None} for end in ends)
        return least, most

    def _named(self, file: DataFile, version: int | None) -> DataFile:
        digest = hash_file(file.path)
        if version is not None:
            return self._moved(file, f"part-{version:020d}-{digest}.parquet")
        target = file.path.with_name(f"{file.path.stem}-{digest}.parquet")
        file.path.replace(target)
        return file._replace(path=target)

    def _moved(self, file: DataFile, name: str) -> DataFile:
        # Name first, then content: what no log entry names may be torn, and so the disk is waited for once.
        target = self.folder / name
        file.path.replace(target)
        sync_file(target)
        sync_folder(self.folder)
        return file._replace(path=target)

    def adopt(self, path: Path, partition: Mapping[str, str] = NOTHING) -> DataFile:
        """Take over a Parquet file that an engine wrote on this file system; it waits under a passing name, see `renamed`.

        Ranges come from its footer: of numbers and instants only, since footers shorten texts.
        """
        with (
            library_errors("take over a data file", self.folder),
            new_file(self.folder, suffix=".parquet") as (_, passing),
        ):
            path.replace(passing)
            footer = parquet.read_metadata(passing)
            groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
            parts = [
                (name, group.column(index).statistics)
                for group in groups
                for index, name in enumerate(footer.schema.to_arrow_schema().names)
                if name in self.ranged
            ]
            known = [(name, part) for name, part in parts if part is not None and part.has_min_max]
            least = {name: _aware(min(part.min for other, part in known if other == name)) for name, _ in known}
            most = {name: _aware(max(part.max for other, part in known if other == name)) for name, _ in known}
            size = passing.stat().st_size
            return self._named(DataFile(passing, footer.num_rows, size, dict(partition), least, most), None)

    def renamed(self, file: DataFile, version: int) -> DataFile:
        """Give a file that is not yet in the table the name that `version` may bring, safe on the disk."""
        with library_errors("write a data file of the lake", self.folder):
            return self._moved(file, f"part-{version:020d}{file.path.name[-73:]}")

    def commit(
        self,
        table: Versioned,
        *,
        add: Sequence[DataFile],
        remove: Sequence[DataFile] = (),
        batch: str | None = None,
        details: Mapping[str, Any],
        changes: bool | None = None,
    ) -> bool:
        """Make `add` part of the table as the version after `table`'s, on the disk when this returns.

        Parameters
        ----------
        table : Versioned
            State against which the rows were compared.
        add, remove : sequence of DataFile
            Files that come and go.
        batch : str or None
            Application transaction to be recorded.
        details : mapping
            Further facts kept in the log entry.
        changes : bool, optional
            Whether rows change; by default they do not where files go: `add` then holds the rows of `remove` anew.

        Returns
        -------
        bool
            False where another writer took the version: load the table and compare anew.
        """
        version = table.version() + 1
        changed = not remove if changes is None else changes
        with library_errors("write the log of the lake", self.folder):
            if not claim(self.folder, version, self._actions(version, add, remove, batch, details, changed)):
                return False
            self._sync_log(version)
        if version % (_BUSY_CHECKPOINT if self.busy else _CHECKPOINT) == 0:
            with suppress(*LIBRARY_ERRORS):  # what was committed stands; a later commit tries again
                self.checkpoint(version)
        return True

    def _actions(
        self,
        version: int,
        add: Sequence[DataFile],
        remove: Sequence[DataFile],
        batch: str | None,
        details: Mapping[str, Any],
        changed: bool,
    ) -> Iterator[dict[str, Any]]:
        moments = {file.path: file.path.stat().st_mtime_ns // 1_000_000 for file in add}
        now = max(moments.values(), default=self.folder.stat().st_mtime_ns // 1_000_000)  # the file system's own clock
        settings = {"mode": "Append", "partitionBy": json.dumps(self.partition_by)}
        yield {"commitInfo": {"timestamp": now, "operation": "WRITE", "operationParameters": settings, **details}}
        if batch is not None:
            yield {"txn": {"appId": batch, "version": version}}
        for file in remove:
            yield {
                "remove": {**self._named_in_log(file, changed), "deletionTimestamp": now, "extendedFileMetadata": True}
            }
        for file in add:
            moment = {"modificationTime": moments[file.path], "stats": self._statistics(file)}
            yield {"add": {**self._named_in_log(file, changed), **moment}}

    @staticmethod
    def _named_in_log(file: DataFile, changed: bool) -> dict[str, Any]:
        partition = {"partitionValues": dict(file.partition)}
        return {"path": file.path.name, "size": file.size, "dataChange": changed, **partition}

    def _statistics(self, file: DataFile) -> str:
        def ends(values: Mapping[str, Any]) -> dict[str, Any]:
            return {name: stated(value, plain=self.plain) for name, value in values.items()}

        ranges = {"minValues": ends(file.least), "maxValues": ends(file.most)} if file.least else {}
        return json.dumps({"numRecords": file.rows, **ranges}, ensure_ascii=False)

    def checkpoint(self, version: int) -> None:
        """Write the state of a version into one file, so that readers need no entry before it."""
        DeltaTable(self.folder, version=version).create_checkpoint()
        for written, path in checkpoints(self.folder):
            if written == version:
                sync_file(path)
        sync_folder(self.folder / "_delta_log")

    def details(self, version: int) -> dict[str, Any]:
        """Return the further facts that the commit of `version` was given; none where they are not known."""
        return details_of(self.folder, version)

    def _sync_log(self, version: int) -> None:
        sync_folder(entry_path(self.folder, version).parent)

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
