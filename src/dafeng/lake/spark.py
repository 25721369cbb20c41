"""Apache Spark as an engine: a cluster, threads of this machine, or a server of Spark Connect such as PySail.

Its packages, the extra ``dafeng[spark]``, are loaded by name when an engine is opened. Rows travel as Arrow tables.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

import ibis
import polars as pl
from pyarrow import parquet

from dafeng.base.errors import LakeError
from dafeng.lake.engine_base import Engine, path_text, to_instants
from dafeng.lake.instants import is_instant

__all__ = ["SparkEngine"]

_SETTINGS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_CLUSTER: Final = {"spark.ui.enabled": "false", "spark.app.name": "dafeng"}


class SparkEngine(Engine):
    """Apache Spark; see `dafeng.lake.engines.open_engine`."""

    def __init__(self, address: str, *, memory: str | None = None) -> None:
        self.address = address
        self._spark = importlib.import_module("pyspark.sql")
        self._types = importlib.import_module("ibis.backends.pyspark.datatypes").PySparkSchema
        builder = self._spark.SparkSession.builder
        try:
            if address.startswith("sc://"):
                self.session = builder.remote(address).getOrCreate()
                for name, value in _SETTINGS.items():
                    self.session.conf.set(name, value)
            else:
                settings = {**_CLUSTER, **_SETTINGS} | ({} if memory is None else {"spark.executor.memory": memory})
                for name, value in settings.items():
                    builder = builder.config(name, value)
                self.session = builder.master(address).getOrCreate()
        except (importlib.import_module("pyspark.errors").PySparkException, OSError, RuntimeError) as error:
            raise LakeError(
                f"{address} cannot be used: {str(error)[:300]}",
                doing="open an engine",
                expected="a running master or server, and for all but sc:// a Java runtime",
                next_step="start it, or use the engine duckdb",
            ) from error
        self.connection = ibis.pyspark.connect(self.session)
        self._numbers = count()

    def parquet(self, paths: Sequence[Path], schema: Mapping[str, pl.DataType]) -> Any:
        """See `Engine.parquet`."""
        if not paths:
            return self.frame(pl.DataFrame(schema=dict(schema)))
        reader = self.session.read.schema(self._schema(schema))
        return self._table(reader.parquet(*(path_text(path) for path in paths)))

    def _table(self, rows: Any) -> Any:
        name = f"dafeng_{next(self._numbers)}"
        rows.createOrReplaceTempView(name)
        return self.connection.table(name)

    def frame(self, frame: pl.DataFrame) -> Any:
        """See `Engine.frame`."""
        zoned = frame.with_columns(
            pl.col(name).dt.cast_time_unit("us").dt.replace_time_zone("UTC")
            for name, dtype in frame.schema.items()
            if isinstance(dtype, pl.Datetime) and dtype.time_zone is None
        )
        rows = zoned.to_arrow(compat_level=pl.CompatLevel.oldest())
        return self._table(self.session.createDataFrame(rows, self._schema(zoned.schema)))

    def collect(self, expression: Any, schema: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
        """See `Engine.collect`."""
        table = self._rows(expression).toArrow()
        return to_instants(cast("pl.DataFrame", pl.from_arrow(table)), schema)

    def _rows(self, expression: Any) -> Any:
        return self.session.sql(self.connection.compile(expression))

    def hold(self, expression: Any) -> Any:
        """See `Engine.hold`."""
        return self._table(self._rows(expression).persist())

    def write(self, expression: Any, folder: Path, schema: Mapping[str, pl.DataType]) -> list[Path]:
        """See `Engine.write`."""
        wanted = self._schema(schema)
        columns = [
            self._spark.functions.col(f"`{field.name}`")
            .cast("timestamp_ntz" if is_instant(schema[field.name]) else field.dataType)
            .alias(field.name)
            for field in wanted
        ]
        self._rows(expression).select(*columns).write.option("compression", "zstd").parquet(str(folder))
        return [path for path in sorted(folder.glob("*.parquet")) if parquet.read_metadata(path).num_rows]

    def close(self) -> None:
        """See `Engine.close`."""
        self.session.stop()

    def _schema(self, schema: Mapping[str, pl.DataType]) -> Any:
        return self._types.from_ibis(ibis.Schema.from_polars(dict(schema)))
