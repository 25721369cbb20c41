"""Reading the lake of readings: one fixed state of it, on any engine.

`current_readings` is the one expression that says which version of a reading counts. Readers give it the files by what they
need: most hold each key once and meet no other, and are scanned as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import ibis
import polars as pl

from dafeng.base.errors import LakeError
from dafeng.base.reading import EVENT_SCHEMA, READING_KEY, READING_SCHEMA
from dafeng.lake.delta import DataFile, library_errors
from dafeng.lake.engine_base import DuckDBEngine, Engine
from dafeng.lake.instants import plain_instant, with_zone
from dafeng.lake.reading_files import STORED_READING, Layer, Settled, listing, settle
from dafeng.lake.spans import merged_spans

__all__ = ["EVENT_KEY", "SPANS_SCHEMA", "STORED_EVENT", "ReadingSnapshot", "current_readings"]

STORED_EVENT: Final[dict[str, pl.DataType]] = {**EVENT_SCHEMA, "serial": pl.Int64()}
"""Columns of the stored table of events."""
EVENT_KEY: Final = ("meter", "at", "kind")
"""Columns that tell one event from another."""
SPANS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "meter": pl.String(),
    "first": READING_SCHEMA["at"],
    "last": READING_SCHEMA["at"],
    "oldest": pl.Int64(),
    "newest": pl.Int64(),
}
"""Columns of touched spans. first, last: half-open. oldest, newest: versions of the batches that touched it; of readings, or
null where only an event did."""
_NAMED_METERS: Final = 200
_TICK: Final = timedelta(microseconds=1)


def current_readings(calm: Any, rivals: Any | None = None, loose: Any | None = None) -> Any:
    """Return the expression of the reading of every key that counts.

    Parameters
    ----------
    calm : ibis Table of `STORED_READING`
        Readings whose keys stand nowhere else.
    rivals : ibis Table or None
        Each key once, but perhaps also in `loose`.
    loose : ibis Table or None
        Any readings.

    Returns
    -------
    ibis Table of `READING_SCHEMA`
        Of each key the last by (received_at, serial).

    Examples
    --------
    >>> stored = ibis.table({name: "string" for name in STORED_READING} | {"serial": "int64"}, name="stored")
    >>> "ROW_NUMBER()" in ibis.to_sql(current_readings(stored), dialect="duckdb")
    False
    >>> "ROW_NUMBER()" in ibis.to_sql(current_readings(stored, None, stored), dialect="duckdb")
    True
    """
    columns = list(READING_SCHEMA)
    parts = [calm.select(columns)]
    contested = loose
    if loose is not None and rivals is not None:
        # A start is before its `at`, so that `at` stands for none: engines join on plain equality fastest.
        marked = rivals.mutate(begun=ibis.coalesce(rivals.start, rivals["at"]))
        keys = loose.select("meter", "at", begun=ibis.coalesce(loose.start, loose["at"])).distinct()
        parts.append(marked.anti_join(keys, ["meter", "at", "begun"]).select(columns))
        disputed = marked.semi_join(keys, ["meter", "at", "begun"]).select(list(STORED_READING))
        contested = loose.select(list(STORED_READING)).union(disputed)
    elif rivals is not None:
        parts.append(rivals.select(columns))
    if contested is not None:
        newest_first = ibis.window(group_by=list(READING_KEY), order_by=[ibis.desc("received_at"), ibis.desc("serial")])
        numbered = contested.mutate(age=ibis.row_number().over(newest_first))
        parts.append(numbered.filter(numbered.age == 0).select(columns))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


@dataclass(frozen=True)
class ReadingSnapshot:
    """One state of the lake of readings; later writes, compaction and other processes do not change what it gives."""

    folder: Path
    """Folder of the lake."""
    version: int
    """Version of the table of readings; −1 where nothing was ever written."""
    events_version: int
    """Version of the table of meter events; −1 where none was ever written."""
    data_files: tuple[DataFile, ...] = field(repr=False)
    """Files of readings."""
    event_files: tuple[DataFile, ...] = field(repr=False)
    """Files of events."""

    @cached_property
    def listing(self) -> pl.DataFrame:
        """Files of readings with the ranges of what is in them, see `ReadingLog.listing`."""
        return listing(self.data_files)

    @property
    def count(self) -> int:
        """Number of stored readings, superseded ones included."""
        return sum(file.rows for file in self.data_files)

    def files(
        self, start: datetime | None = None, end: datetime | None = None, meters: Iterable[str] | None = None
    ) -> list[Path]:
        """Return the files that may hold current readings of a span, found without opening any.

        Parameters
        ----------
        start, end : datetime, optional
            With time zone; see `table`.
        meters : iterable of str, optional
            Only files that may hold one of these.
        """
        chosen = self._chosen(start, end, None if meters is None else sorted(set(meters)))
        return self._paths(chosen.filter(pl.col("layer") != str(Layer.SUPERSEDED)))

    def _chosen(
        self,
        start: datetime | None,
        end: datetime | None,
        meters: Sequence[str] | None,
        between: tuple[str, str] | None = None,
    ) -> pl.DataFrame:
        chosen = self.listing
        if start is not None:
            chosen = chosen.filter(pl.col("at_most") >= _aware(start))
        if end is not None:
            chosen = chosen.filter(pl.col("first") < _aware(end))
        if between is not None:
            chosen = chosen.filter(pl.col("meter_most") >= between[0], pl.col("meter_least") <= between[1])
        if meters is not None:
            wanted = pl.Series("wanted", meters, pl.String())
            following = wanted.search_sorted(chosen["meter_least"], side="left") if chosen.height else None
            past = wanted.search_sorted(chosen["meter_most"], side="right") if chosen.height else None
            if following is not None and past is not None:
                chosen = chosen.filter(pl.Series(past) > pl.Series(following))
        return chosen

    def _paths(self, files: pl.DataFrame) -> list[Path]:
        return [self.data_files[index].path for index in files["index"].sort()]

    def table(
        self,
        engine: Engine,
        start: datetime | None = None,
        end: datetime | None = None,
        meters: Iterable[str] | None = None,
        *,
        between: tuple[str, str] | None = None,
        as_of: datetime | date | None = None,
        history: bool = False,
    ) -> Any:
        """Return the readings that count, as a table of an engine.

        Parameters
        ----------
        engine : Engine
        start, end : datetime, optional
            With time zone. Readings with ``at`` not before `start`, and with ``start``, or ``at`` where there is none,
            before `end`. The register at `end` itself is not among them: ask for more where steps are wanted.
        meters : iterable of str, optional
            Only these.
        between : pair of str, optional
            Only meters from the first to the last, both included; see `meter_ranges`.
        as_of : datetime or date, optional
            Readings received later are not seen; a date means its end in UTC.
        history : bool
            Every stored reading, superseded ones too, with ``serial``.

        Returns
        -------
        ibis Table of `READING_SCHEMA`
            In no order; instants without time zone, in UTC.
        """
        wanted = None if meters is None else sorted(set(meters))
        chosen = self._chosen(start, end, wanted, between)
        limit = None if as_of is None else _limit(as_of)
        if limit is not None:
            chosen = chosen.filter(pl.col("received_least") <= limit)
        conditions = _conditions(start, end, limit, between)
        named = None
        if wanted is not None and len(wanted) > _NAMED_METERS:
            named = engine.frame(pl.DataFrame({"meter": wanted}, schema={"meter": pl.String()}))

        def rows(files: pl.DataFrame) -> Any:
            table = engine.parquet(self._paths(files), STORED_READING)
            held = [condition(table) for condition in conditions]
            if wanted is not None and named is None:
                held.append(table.meter.isin(wanted) if wanted else ibis.literal(False))
            table = table.filter(*held) if held else table
            return table if named is None else table.semi_join(named, "meter")

        if history:
            return rows(chosen)
        groups = self._settled(chosen, limit)
        return current_readings(
            rows(groups.calm),
            rows(groups.rivals) if groups.rivals.height else None,
            rows(groups.loose) if groups.loose.height else None,
        )

    def _settled(self, chosen: pl.DataFrame, limit: datetime | None) -> Settled:
        superseded = pl.col("layer") == str(Layer.SUPERSEDED)
        if limit is not None:
            # What was replaced counts again where what replaced it is not seen yet.
            hidden = chosen.filter(~superseded & (pl.col("received_most") > limit))["month"].unique()
            superseded = superseded & ~pl.col("month").is_in(hidden.to_list())
        return settle(chosen.filter(~superseded))

    def read(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        meters: Iterable[str] | None = None,
        *,
        as_of: datetime | date | None = None,
        history: bool = False,
    ) -> pl.DataFrame:
        """Return the rows of `table`, sorted by meter, instant, start (and with `history` by what came later)."""
        schema = STORED_READING if history else READING_SCHEMA
        order = ["meter", "at", "start", *(["received_at", "serial"] if history else [])]
        self._expect_files()
        with library_errors("read readings", self.folder, self.data_files), DuckDBEngine() as engine:
            table = self.table(engine, start, end, meters, as_of=as_of, history=history)
            return engine.collect(table, schema).sort(order, nulls_last=False)

    def _expect_files(self) -> None:
        missing = [str(file.path) for file in self.data_files if not file.path.is_file()]
        if missing:
            raise LakeError(
                f"{len(missing)} data files are missing: {', '.join(missing[:3])}",
                doing="read readings",
                expected="every file that the log of this version names",
                next_step="read the newest version, or restore the folder from a backup",
            )

    def meter_ranges(
        self, rows: int, start: datetime | None = None, end: datetime | None = None
    ) -> list[tuple[str, str]]:
        """Return ranges of meters, first and last, that hold about so many stored readings each: work of bounded memory.

        Parameters
        ----------
        rows : int
            Readings of a range; one meter is never split.
        start, end : datetime, optional
            Count readings of this span only, see `table`.
        """
        paths = self._paths(self._chosen(start, end, None))
        if not paths:
            return []
        counted = (
            with_zone(pl.scan_parquet(paths, glob=False), STORED_READING)
            .filter(*_rows_of(start, end))
            .group_by("meter")
            .agg(pl.len().cast(pl.Int64()).alias("rows"))
            .sort("meter")
            .with_columns(part=(pl.col("rows").cum_sum() - 1) // rows)
            .group_by("part")
            .agg(pl.col("meter").min().alias("first"), pl.col("meter").max().alias("last"))
            .sort("part")
        )
        with library_errors("read readings", self.folder, self.data_files):
            return counted.select("first", "last").collect(engine="streaming").rows()

    def touched(
        self, since: int, *, events_since: int | None = None, gap: timedelta = timedelta(days=1)
    ) -> pl.DataFrame:
        """Return what batches after a version changed, as spans of meters: what has to be computed anew.

        Parameters
        ----------
        since : int
            Version of readings that was taken into account already; −1 for none.
        events_since : int, optional
            The same of events; by default all events are taken as known.
        gap : timedelta
            Spans of a meter that lie no further apart are one.

        Returns
        -------
        DataFrame of `SPANS_SCHEMA`
            Sorted by meter and first. A register's span is its instant, an interval's the interval, a fault's from `at` to
            `until`. Sent again unchanged counts as touched.
        """
        first = (since + 1) << 32
        paths = self._paths(self.listing.filter(pl.col("serial_most") >= first))
        found = [pl.DataFrame(schema=SPANS_SCHEMA)]
        begun = pl.coalesce("start", "at")
        if paths:
            with library_errors("read readings", self.folder, self.data_files):
                found.append(
                    with_zone(pl.scan_parquet(paths, glob=False), STORED_READING)
                    .filter(pl.col("serial") >= first)
                    .group_by("meter", day=pl.col("at").dt.truncate("1d"))
                    .agg(
                        first=begun.min(),
                        last=pl.col("at").max() + _TICK,
                        oldest=pl.col("serial").min() // (1 << 32),
                        newest=pl.col("serial").max() // (1 << 32),
                    )
                    .select(list(SPANS_SCHEMA))
                    .collect(engine="streaming")
                )
        if events_since is not None:
            events = self._stored_events().filter(pl.col("serial") >= (events_since + 1) << 32)
            found.append(
                events.select(
                    "meter",
                    first="at",
                    last=pl.max_horizontal("at", "until") + _TICK,
                    oldest=pl.lit(None, pl.Int64()),
                    newest=pl.lit(None, pl.Int64()),
                )
            )
        spans = merged_spans(pl.concat(found), ["meter"], gap)
        return spans.select("meter", "first", "last", oldest="least_oldest", newest="most_newest")

    def widened(self, spans: pl.DataFrame, *, within: timedelta = timedelta(days=400)) -> pl.DataFrame:
        """Return spans that reach from the reading before to the reading after: what they touch as steps of a register.

        Parameters
        ----------
        spans : DataFrame
            meter, first, last, and other columns that are kept.
        within : timedelta
            How far the readings beside are looked for.

        Returns
        -------
        DataFrame
            The spans in their order; `first` is the instant of the last reading before, `last` just past the first reading
            after; unchanged where there is none.
        """
        if not spans.height or not self.data_files:
            return spans
        numbered = spans.with_row_index("span").cast({"span": pl.Int64()})
        for side in ("before", "after"):
            numbered = self._reached(numbered, side, within)
        return numbered.select(spans.columns)

    def _reached(self, spans: pl.DataFrame, side: str, within: timedelta) -> pl.DataFrame:
        """Return the spans, with one end moved; month by month outwards, as most readings beside are near."""
        before = side == "before"
        end = "first" if before else "last"
        months = self.listing.filter(pl.col("layer") != str(Layer.SUPERSEDED)).group_by("month").agg("index")
        found: list[pl.DataFrame] = []
        open_spans = spans.select("span", "meter", edge=pl.col(end))
        for month, indexes in months.sort("month", descending=before).iter_rows():
            if not open_spans.height:
                break
            least = datetime.strptime(f"{month}+0000", "%Y-%m%z")
            following = (least + timedelta(days=32)).replace(day=1)
            near = (
                (pl.col("edge") > least) & (pl.col("edge") - within < following)
                if before
                else (pl.col("edge") < following) & (pl.col("edge") + within >= least)
            )
            asked = open_spans.filter(near)
            if not asked.height:
                continue
            paths = [self.data_files[index].path for index in sorted(indexes)]
            hit = _nearest(asked, paths, before=before)
            found.append(hit)
            open_spans = open_spans.join(hit, on="span", how="anti")
        if not found:
            return spans
        moved = pl.concat(found).select("span", moved=pl.col("at") if before else pl.col("at") + _TICK)
        joined = spans.join(moved, on="span", how="left", maintain_order="left")
        return joined.with_columns(pl.coalesce("moved", end).alias(end)).drop("moved")

    def events(self, *, as_of: datetime | date | None = None) -> pl.DataFrame:
        """Return the meter events that count: of each meter, instant and kind the one recorded last.

        Parameters
        ----------
        as_of : datetime or date, optional
            Events recorded later are not seen.

        Returns
        -------
        DataFrame of `EVENT_SCHEMA`
            Sorted by meter, instant and kind.
        """
        stored = self._stored_events()
        if as_of is not None:
            stored = stored.filter(pl.col("recorded_at") <= _limit(as_of))
        newest = stored.sort("recorded_at", "serial").unique(EVENT_KEY, keep="last", maintain_order=True)
        return newest.select(list(EVENT_SCHEMA)).sort(EVENT_KEY)

    def _stored_events(self) -> pl.DataFrame:
        if not self.event_files:
            return pl.DataFrame(schema=STORED_EVENT)
        with library_errors("read meter events", self.folder, self.event_files):
            return pl.read_parquet([file.path for file in self.event_files], glob=False).select(list(STORED_EVENT))


def _nearest(spans: pl.DataFrame, paths: Sequence[Path], *, before: bool) -> pl.DataFrame:
    """Return of each span the instant of the reading nearest to its edge, of those that have one in the files."""
    with DuckDBEngine() as engine:
        wanted = engine.frame(spans)
        readings = engine.parquet(paths, {"meter": pl.String(), "at": READING_SCHEMA["at"]})
        beside = readings.semi_join(wanted, "meter")
        joined = wanted.asof_join(
            beside, on=(wanted.edge > beside["at"]) if before else (wanted.edge <= beside["at"]), predicates="meter"
        )
        near = engine.collect(joined.select("span", "at"), {"span": pl.Int64(), "at": READING_SCHEMA["at"]})
    return near.filter(pl.col("at").is_not_null())


def _aware(instant: datetime) -> datetime:
    plain = plain_instant(instant)
    assert isinstance(plain, datetime)
    return plain.replace(tzinfo=UTC)


def _limit(as_of: datetime | date) -> datetime:
    if isinstance(as_of, datetime):
        return _aware(as_of)
    if as_of == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.combine(as_of + timedelta(days=1), time(), UTC) - _TICK


def _conditions(
    start: datetime | None, end: datetime | None, limit: datetime | None, between: tuple[str, str] | None
) -> list[Any]:
    def plain(instant: datetime) -> Any:
        return ibis.literal(plain_instant(instant))

    conditions: list[Any] = []
    if start is not None:
        conditions.append(lambda table: table["at"] >= plain(start))
    if end is not None:
        conditions.append(lambda table: ibis.coalesce(table.start, table["at"]) < plain(end))
    if limit is not None:
        conditions.append(lambda table: table.received_at <= plain(limit))
    if between is not None:
        conditions.append(lambda table: table.meter.between(*between))
    return conditions


def _rows_of(start: datetime | None, end: datetime | None) -> list[pl.Expr]:
    conditions = []
    if start is not None:
        conditions.append(pl.col("at") >= _aware(start))
    if end is not None:
        conditions.append(pl.coalesce("start", "at") < _aware(end))
    return conditions
