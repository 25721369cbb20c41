"""Reading facts: one fixed state of the lake, seen as of any moment of two clocks.

`current_facts` is the one expression that says which version of a fact counts. It is written in Ibis from plain relational
steps, so that it runs on the embedded engine and on a distributed one alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import ibis
import polars as pl

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import KEY, SCHEMA, MissingReason, Review
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.lake.delta import DataFile, library_errors

__all__ = ["STORED", "Snapshot", "current_facts", "set_aside"]

STORED: Final[dict[str, pl.DataType]] = {
    **SCHEMA,
    "version": pl.String(),
    "batch": pl.String(),
    "serial": pl.Int64(),
}
"""Columns of the stored table. ``serial`` is unique and grows with each commit: commit · 2³² + row within the commit."""
READ: Final[dict[str, pl.DataType]] = {**SCHEMA, "version": pl.String()}


def current_facts(
    table: Any,
    *,
    as_of: datetime | date | None = None,
    published_by: date | None = None,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    include_withdrawn: bool = False,
) -> Any:
    """Return the expression of the version of every fact that counts at a moment.

    Parameters
    ----------
    table : ibis Table of `STORED`
        Every stored version.
    as_of : datetime, date or None
        Versions recorded later are not seen; a date means its end in UTC; None sees all.
    published_by : date or None
        Versions whose source published them later are not seen; those without such a date are.
    indicators, places, kinds : sequence of str or None
        Only these.
    include_withdrawn : bool
        Also give facts whose counting version is a withdrawal.

    Returns
    -------
    ibis Table of `STORED`
        Of each key the last by (recorded_at, serial).

    Examples
    --------
    >>> stored = ibis.table({name: "string" for name in STORED} | {"serial": "int64"}, name="stored")
    >>> "ROW_NUMBER()" in ibis.to_sql(current_facts(stored), dialect="duckdb")
    True
    """
    seen = _filtered(table, _conditions(table, as_of, published_by, indicators, places, kinds))
    newest_first = ibis.window(group_by=list(KEY), order_by=[ibis.desc("recorded_at"), ibis.desc("serial")])
    numbered = seen.mutate(age=ibis.row_number().over(newest_first))
    counting = numbered.filter(numbered.age == 0).drop("age")
    if include_withdrawn:
        return counting
    return counting.filter(counting.review.isnull() | (counting.review != str(Review.WITHDRAWN)))


def _filtered(table: Any, conditions: list[Any]) -> Any:
    return table.filter(*conditions) if conditions else table


def _conditions(
    table: Any,
    as_of: datetime | date | None,
    published_by: date | None,
    indicators: Sequence[str] | None,
    places: Sequence[str] | None,
    kinds: Sequence[str] | None,
) -> list[Any]:
    conditions: list[Any] = []
    for name, wanted in (("indicator", indicators), ("place", places), ("kind", kinds)):
        if wanted is not None:
            conditions.append(table[name].isin([str(value) for value in wanted]))
    if isinstance(as_of, datetime):
        if as_of.tzinfo is None:
            raise UsageError(
                f"as_of {as_of.isoformat()} has no time zone",
                doing="read facts",
                expected="an instant with a time zone, or a date",
                next_step="add a time zone such as +08:00",
            )
        conditions.append(table.recorded_at <= ibis.literal(as_of.astimezone(UTC)))
    elif as_of is not None and as_of < date.max:
        conditions.append(table.recorded_at < ibis.literal(datetime.combine(as_of + timedelta(days=1), time(), UTC)))
    if published_by is not None:
        conditions.append(table.published_on.isnull() | (table.published_on <= ibis.literal(published_by)))
    return conditions


def _day(instant: datetime | date) -> date:
    return instant.date() if isinstance(instant, datetime) else instant


def set_aside(frame: pl.DataFrame, decisions: Sequence[FactQuarantine]) -> pl.DataFrame:
    """Return facts with those that a decision sets aside as unknown, reason ``quarantined``.

    Examples
    --------
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> facts = observation_frame([Observation(indicator="green_space_rate", place="qingdao", extent="built_up", period=year,
    ...                                        value=40.0, dataset="panel", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...                            for year in ("2022", "2023")])
    >>> decision = FactQuarantine(id="a", dataset="panel", periods=("2023",), reason="错行", by="王", decided_on=date(2026, 2, 1))
    >>> set_aside(facts, [decision]).select("value", "missing_reason").rows()
    [(40.0, None), (None, 'quarantined')]
    """
    if not decisions or frame.is_empty():
        return frame
    doubtful = pl.any_horizontal(
        (pl.col("dataset") == one.dataset)
        & (pl.col("indicator").is_in(one.indicators) if one.indicators else True)
        & (pl.col("place").is_in(one.places) if one.places else True)
        & (pl.col("period").is_in(one.periods) if one.periods else True)
        for one in decisions
    )
    number = pl.lit(None, dtype=pl.Float64)
    return frame.with_columns(
        *(pl.when(doubtful).then(number).otherwise(pl.col(name)).alias(name) for name in ("value", "low", "high")),
        missing_reason=pl.when(doubtful).then(pl.lit(MissingReason.QUARANTINED.value)).otherwise("missing_reason"),
    )


def _path_text(path: Path) -> str:
    """Return a path as the engine takes it, which reads ``*``, ``?`` and ``[`` as wildcards."""
    return re.sub(r"([\[*?])", r"[\1]", str(path))


@dataclass(frozen=True)
class Snapshot:
    """One state of the lake; later writes, compaction and other processes do not change what it gives."""

    folder: Path
    """Folder of the lake."""
    version: int
    """Version of the table of observations; −1 where nothing was ever written."""
    files: tuple[DataFile, ...] = field(repr=False)
    """Files of observations."""
    lineage_files: tuple[DataFile, ...] = field(repr=False)
    """Files of lineage."""
    aside: tuple[FactQuarantine, ...] = ()
    """Figures that `read` gives as unknown."""

    @property
    def count(self) -> int:
        """Number of stored versions of facts, withdrawals included."""
        return sum(file.rows for file in self.files)

    def read(
        self,
        *,
        as_of: datetime | date | None = None,
        published_by: date | None = None,
        indicators: Sequence[str] | None = None,
        places: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        include_withdrawn: bool = False,
    ) -> pl.DataFrame:
        """Return the version of every fact that counts, see `current_facts`.

        Returns
        -------
        DataFrame of `SCHEMA` and ``version``
            In the order of publication, and within a batch by indicator, place and period.

        Raises
        ------
        LakeError
            A file is missing or faulty; the error names it.
        """

        def expression(table: Any) -> Any:
            return current_facts(
                table,
                as_of=as_of,
                published_by=published_by,
                indicators=indicators,
                places=places,
                kinds=kinds,
                include_withdrawn=include_withdrawn,
            ).select(*READ, "serial")

        frame = self._run(expression, {**READ, "serial": pl.Int64()}).sort("serial").drop("serial")
        return set_aside(frame, [one for one in self.aside if as_of is None or one.decided_on <= _day(as_of)])

    def history(
        self,
        keys: pl.DataFrame | None = None,
        *,
        versions: Sequence[str] | None = None,
        indicators: Sequence[str] | None = None,
        places: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return every stored version of facts, withdrawals included.

        Parameters
        ----------
        keys : DataFrame or None
            Only facts whose `KEY` columns are among its rows.
        versions : sequence of str or None
            Only these version ids.
        indicators, places, kinds : sequence of str or None
            Only these.

        Returns
        -------
        DataFrame of `SCHEMA`, ``version`` and ``batch``
            In the order in which versions take effect: by recorded_at, then publication.
        """
        return self.stored(keys, versions=versions, indicators=indicators, places=places, kinds=kinds).drop("serial")

    def stored(
        self,
        keys: pl.DataFrame | None = None,
        *,
        versions: Sequence[str] | None = None,
        indicators: Sequence[str] | None = None,
        places: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return what `history` does, with the column ``serial``."""

        def expression(table: Any) -> Any:
            conditions = _conditions(table, None, None, indicators, places, kinds)
            if versions is not None:
                conditions.append(table.version.isin(list(versions)))
            chosen = _filtered(table, conditions)
            if keys is not None:
                chosen = chosen.semi_join(ibis.memtable(keys.select(KEY).unique().to_arrow()), list(KEY))
            return chosen.select(*STORED)

        return self._run(expression, STORED).sort("recorded_at", "serial")

    def predecessors(self, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """Return of each row's fact the version that counted when the row was recorded.

        Parameters
        ----------
        frame : DataFrame of `SCHEMA`
            At most one row of each key.
        columns : sequence of str
            Columns of `STORED` that are wanted.

        Returns
        -------
        DataFrame of ``index`` and `columns`
            At most one row for each row of `frame`; ``index`` is its number.
        """
        asked = frame.select(*KEY, asked_at="recorded_at").with_row_index("index").cast({"index": pl.Int64()})

        def expression(table: Any) -> Any:
            recorded = table.inner_join(ibis.memtable(asked.to_arrow()), list(KEY))
            recorded = recorded.filter(recorded.recorded_at <= recorded.asked_at)
            recorded = recorded.select("index", *columns, order_at=recorded.recorded_at, order_serial=recorded.serial)
            newest_first = ibis.window(group_by="index", order_by=[ibis.desc("order_at"), ibis.desc("order_serial")])
            numbered = recorded.mutate(age=ibis.row_number().over(newest_first))
            return numbered.filter(numbered.age == 0).select("index", *columns)

        return self._run(expression, {"index": pl.Int64(), **{name: STORED[name] for name in columns}})

    def lineage(self, ids: Iterable[str]) -> pl.DataFrame:
        """Return the lineage rows of `ids`, in order of id; unknown ids are left out."""
        wanted = pl.DataFrame({"id": sorted(set(ids))}, schema={"id": pl.String()})
        if not self.lineage_files:
            return pl.DataFrame(schema=LINEAGE_SCHEMA)
        with library_errors("read lineage", self.folder, self.lineage_files):
            return (
                pl.scan_parquet([file.path for file in self.lineage_files], glob=False)
                .select(list(LINEAGE_SCHEMA))
                .join(wanted.lazy(), on="id", how="semi")
                .collect()
                .unique("id")
                .sort("id")
            )

    def _run(self, expression: Any, schema: dict[str, pl.DataType]) -> pl.DataFrame:
        if not self.files:
            return pl.DataFrame(schema=schema)
        missing = [str(file.path) for file in self.files if not file.path.is_file()]
        if missing:
            raise LakeError(
                f"{len(missing)} data files are missing: {', '.join(missing[:3])}",
                doing="read facts",
                expected="every file that the log names",
                next_step="restore the folder from a backup; `dafeng doctor` lists every faulty file",
            )
        with library_errors("read facts", self.folder, self.files):
            connection = ibis.duckdb.connect()
            try:
                table = connection.read_parquet([_path_text(file.path) for file in self.files])
                frame: pl.DataFrame = connection.to_polars(expression(table))
            finally:
                connection.disconnect()
        return frame.cast(dict(schema))  # type: ignore[arg-type]
