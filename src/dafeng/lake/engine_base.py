"""What every engine does, and the engine inside this process; see `dafeng.lake.engines`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import duckdb
import ibis
import polars as pl
from ibis.backends.sql.datatypes import DuckDBType

from dafeng.base.errors import LakeError
from dafeng.lake.instants import is_instant, plain_schema, without_zone

__all__ = ["DuckDBEngine", "Engine", "path_text", "to_instants"]

ROWS_OF_GROUP: Final = 1 << 17


class Engine(ABC):
    """An open engine; a context manager that closes it.

    Examples
    --------
    >>> with DuckDBEngine() as engine:
    ...     rows = engine.frame(pl.DataFrame({"meter": ["a", "a", "b"], "value": [1.0, 2.0, 4.0]}))
    ...     engine.collect(rows.group_by("meter").agg(total=rows.value.sum()).order_by("meter")).rows()
    [('a', 3.0), ('b', 4.0)]
    """

    address: str
    """Address under which it was opened, such as ``duckdb`` or ``spark://host:7077``."""

    @abstractmethod
    def parquet(self, paths: Sequence[Path], schema: Mapping[str, pl.DataType]) -> Any:
        """Return the table of Parquet files.

        Parameters
        ----------
        paths : sequence of Path
            Files that every node of the engine can read under this path; none gives an empty table.
        schema : mapping from column to Polars type
            Columns of the table, in order; each file has them all, instants with zone or, in UTC, without: all files alike.

        Returns
        -------
        ibis Table
            Instants without time zone, in UTC.
        """

    @abstractmethod
    def frame(self, frame: pl.DataFrame) -> Any:
        """Return the table of a frame, which travels to the engine: small ones only."""

    @abstractmethod
    def collect(self, expression: Any, schema: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
        """Run an expression and return its rows.

        Parameters
        ----------
        expression : ibis Table
        schema : mapping from column to Polars type, optional
            Columns to give, in order, as these types; by default all, every timestamp as an instant in UTC.
        """

    @abstractmethod
    def hold(self, expression: Any) -> Any:
        """Run an expression once and return the table of its rows, kept by the engine until it is closed."""

    @abstractmethod
    def write(self, expression: Any, folder: Path, schema: Mapping[str, pl.DataType]) -> list[Path]:
        """Run an expression and write its rows as Parquet files into a new folder, in the expression's order.

        Parameters
        ----------
        expression : ibis Table
        folder : Path
            Made by this; every node of the engine can write to it under this path.
        schema : mapping from column to Polars type
            Columns to write, in order, as these types; instants without time zone, in UTC.

        Returns
        -------
        list of Path
            Files in order; none where there is no row.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back what the engine holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def path_text(path: Path) -> str:
    """Return a path as engines take it, which read ``*``, ``?`` and ``[`` as wildcards.

    Examples
    --------
    >>> path_text(Path("/lake/a[1].parquet"))
    '/lake/a[[]1].parquet'
    """
    return re.sub(r"([\[*?])", r"[\1]", str(path))


def to_instants(frame: pl.DataFrame, schema: Mapping[str, pl.DataType] | None) -> pl.DataFrame:
    """Return what an engine gave in the types that were asked for, timestamps as instants in UTC."""
    names = frame.columns if schema is None else list(schema)
    columns = []
    for name in names:
        column, dtype = pl.col(name), frame.schema[name]
        if isinstance(dtype, pl.Datetime):
            column = column.dt.cast_time_unit("us")
            wanted = pl.Datetime("us", "UTC") if schema is None else schema[name]
            if isinstance(wanted, pl.Datetime) and wanted.time_zone is not None and dtype.time_zone is None:
                column = column.dt.replace_time_zone("UTC")
        columns.append(column if schema is None else column.cast(schema[name]))
    return frame.select(columns)


@contextmanager
def _files_in_place() -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as error:
        raise LakeError(
            f"a file cannot be read or written: {error}",
            doing="compute on tables of the lake",
            expected="files of a version that is still kept, and room on the disk",
            next_step="make room, or start again from the newest version",
        ) from error


def _quoted(names: Iterable[str]) -> list[str]:
    return ['"' + name.replace('"', '""') + '"' for name in names]


def _source(paths: Iterable[Path]) -> str:
    files = ", ".join("'" + path_text(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{files}], hive_partitioning = false)"


def _sql_type(dtype: pl.DataType) -> str:
    ((_, kind),) = ibis.Schema.from_polars({"a": dtype}).items()
    return str(DuckDBType.to_string(kind))


class DuckDBEngine(Engine):
    """DuckDB inside this process; see `open_engine`."""

    def __init__(self, *, memory: str | None = None, threads: int | None = None, spill: Path | None = None) -> None:
        settings: dict[str, Any] = {}  # the session of Ibis is in UTC
        if memory is not None:
            settings["memory_limit"] = memory
        if threads is not None:
            settings["threads"] = threads
        if spill is not None:
            settings["temp_directory"] = str(spill)
        self.address = "duckdb"
        self.connection = ibis.duckdb.connect(**settings)
        self._numbers = count()

    def parquet(self, paths: Sequence[Path], schema: Mapping[str, pl.DataType]) -> Any:
        """See `Engine.parquet`."""
        if not paths:
            return self.frame(pl.DataFrame(schema=dict(schema)))
        zoned = self._zoned(paths[0]) if any(is_instant(dtype) for dtype in schema.values()) else ()
        # The cast of the engine from zoned to plain timestamps asks the calendar row by row; this does not.
        columns = ", ".join(
            f"make_timestamp(epoch_us({quoted})) AS {quoted}" if name in zoned else quoted
            for quoted, name in zip(_quoted(schema), schema, strict=True)
        )
        return self._view(f"SELECT {columns} FROM {_source(paths)}")

    def _zoned(self, path: Path) -> set[str]:
        found = self.connection.con.execute(f"DESCRIBE SELECT * FROM {_source([path])}").fetchall()
        return {name for name, kind, *_ in found if kind == "TIMESTAMP WITH TIME ZONE"}

    def _view(self, query: str) -> Any:
        name = f"dafeng_{next(self._numbers)}"
        self.connection.con.execute(f"CREATE TEMP VIEW {name} AS {query}")
        return self.connection.table(name)

    def frame(self, frame: pl.DataFrame) -> Any:
        """See `Engine.frame`."""
        name = f"dafeng_{next(self._numbers)}"
        return self.connection.create_table(name, without_zone(frame), temp=True)

    def collect(self, expression: Any, schema: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
        """See `Engine.collect`."""
        with _files_in_place():  # not by Ibis, which would load pandas
            found = self.connection.con.execute(str(self.connection.compile(expression))).to_arrow_table()
        frame = cast("pl.DataFrame", pl.from_arrow(found))
        return to_instants(frame.cast(dict(expression.schema().to_polars())), schema)

    def hold(self, expression: Any) -> Any:
        """See `Engine.hold`."""
        with _files_in_place():
            return self.connection.create_table(f"dafeng_{next(self._numbers)}", expression, temp=True)

    def write(self, expression: Any, folder: Path, schema: Mapping[str, pl.DataType]) -> list[Path]:
        """See `Engine.write`."""
        query = self.connection.compile(expression)
        columns = ", ".join(
            f"CAST({quoted} AS {_sql_type(dtype)}) AS {quoted}"
            for quoted, dtype in zip(_quoted(schema), plain_schema(schema).values(), strict=True)
        )
        folder.mkdir(parents=True)
        path = folder / "part-0.parquet"
        target = str(path).replace("'", "''")
        with _files_in_place():
            (rows,) = self.connection.con.execute(
                f"COPY (SELECT {columns} FROM ({query})) TO '{target}' "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_OF_GROUP})"
            ).fetchone()
        return [path] if rows else []

    def close(self) -> None:
        """See `Engine.close`."""
        self.connection.disconnect()
