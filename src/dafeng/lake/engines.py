"""Where expressions on tables run: DuckDB inside this process, or Apache Spark on a cluster.

An expression is written once, in Ibis, on the tables that an engine gives, and runs on either. Tables travel as lists of
Parquet files and as small frames; what comes back is a frame, or more Parquet files.

Instants
    Inside an engine an instant is a timestamp *without* time zone that holds UTC (``timestamp(6)`` on DuckDB, ``timestamp``
    in a session whose time zone is UTC on Spark): arithmetic on it is plain and the same on both. `Engine.parquet` and
    `Engine.frame` make it so; `Engine.collect` and `Engine.write` give instants back in UTC.

What differs between the engines, and must be kept out of expressions: raw SQL; casts between timestamps and integers (seconds
on the one, microseconds on the other); the order of rows without ``order_by``; the place of nulls in an ``order_by`` (write
``nulls_first``); integer division by zero.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from dafeng.base.errors import LakeError, UsageError
from dafeng.lake.engine_base import DuckDBEngine, Engine
from dafeng.lake.spark import SparkEngine

__all__ = ["Engine", "open_engine"]

_SPARK: Final = re.compile(r"spark://.+|sc://.+|local(\[(\d+|\*)\])?")


def open_engine(
    address: str = "duckdb", *, memory: str | None = None, threads: int | None = None, spill: Path | None = None
) -> Engine:
    """Open an engine.

    Parameters
    ----------
    address : str
        ``duckdb``: inside this process. ``spark://host:port``: master of an Apache Spark cluster. ``local[2]``: Spark inside
        this machine, with so many threads. ``sc://host:port``: server of Spark Connect, such as PySail. Spark needs the
        extra ``dafeng[spark]``; all but ``sc://`` need a Java runtime, and nodes that see the lake under the same path.
    memory : str, optional
        Most memory that DuckDB uses, such as ``2GB``, before it spills to the disk; of Spark, memory of each executor.
    threads : int, optional
        Most threads of DuckDB; by default one a processor.
    spill : Path, optional
        Folder for what does not fit in memory.

    Raises
    ------
    UsageError
        There is no such engine.
    LakeError
        The extra is not installed, or the cluster does not answer.

    Examples
    --------
    >>> with open_engine("duckdb") as engine:
    ...     engine.address
    'duckdb'
    """
    if address == "duckdb":
        return DuckDBEngine(memory=memory, threads=threads, spill=spill)
    if not _SPARK.fullmatch(address):
        raise UsageError(
            f"there is no engine {address!r}",
            doing="open an engine",
            expected="duckdb, spark://host:port, local[threads] or sc://host:port",
            next_step="name one of these",
        )
    try:
        return SparkEngine(address, memory=memory)
    except ImportError as error:
        raise LakeError(
            f"the engine {address} needs packages that are not installed: {error}",
            doing="open an engine",
            expected="the extra dafeng[spark]",
            next_step="install dafeng[spark], or use the engine duckdb",
        ) from error
