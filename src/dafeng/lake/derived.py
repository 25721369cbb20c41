"""Tables made from readings: hours, days, months; replaced by parts, each version readable until it is vacuumed.

A part (partition) is a span of time whose rows lie in files of their own. To replace parts is one commit: readers see all of
it or nothing, a writer that is killed at any instant changes nothing. A writer says on which version it built; where another
changed the same parts since, it is told to compute anew instead of undoing the other's work. Each log entry says what the
rows were made from: versions of tables, the digest of a catalog.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import ibis
import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.record import Record
from dafeng.lake.batches import ATTEMPTS, too_busy
from dafeng.lake.delta import DataFile, DeltaLog, library_errors
from dafeng.lake.durable import check_path, turn
from dafeng.lake.engine_base import Engine
from dafeng.lake.instants import plain_instant, with_zone
from dafeng.lake.spans import merged_spans, outside_spans, part_bounds
from dafeng.lake.vacuum import SPARED, Vacuumed, vacuum

__all__ = ["DerivedPart", "DerivedTable", "EngineRows", "Replaced"]

By = Literal["day", "month", "year"]
_FORMATS: Final[dict[str, str]] = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


class EngineRows(NamedTuple):
    """Rows that an engine computes, and writes without bringing them here.

    Parameters
    ----------
    engine : Engine
        Its nodes write below the folder of the table.
    expression : ibis Table
        With the columns of the table.
    """

    engine: Engine
    expression: Any


class Replaced(Record):
    """What a replacement did."""

    version: int
    """Version of the table that has it."""
    partitions: tuple[str, ...]
    """Parts whose rows changed."""
    rows_before: int
    """Rows of these parts before."""
    rows_after: int
    """Rows of these parts now."""


class DerivedPart(Record):
    """A part of a table."""

    partition: str
    """Its span: 2026-11-20, 2026-11 or 2026."""
    rows: int
    """Rows in it."""
    version: int
    """Version that made it."""
    made_from: dict[str, int | str]
    """What it was made from."""


class DerivedTable:
    """A table that can be made again.

    Parameters
    ----------
    folder : Path
        Made at the first replacement; of a workspace a folder below ``lake/metering``.
    schema : mapping from column to Polars type
    keys : sequence of str
        Columns that tell one row from another; rows lie in their order.
    time : str
        The one of them, an instant or a date, whose UTC day, month or year is the part; a date is taken as it stands.
    by : {"day", "month", "year"}
        Size of a part: what an incremental run touches should be few of them, each of at most some million rows.

    Examples
    --------
    >>> schema = {"meter": pl.String(), "day": pl.Date(), "amount": pl.Float64()}
    >>> rows = pl.DataFrame([("e1", date(2026, 1, 31), 2.0), ("e1", date(2026, 2, 1), 3.0)], schema, orient="row")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = DerivedTable(Path(folder) / "days", schema, keys=("meter", "day"), time="day")
    ...     first = table.replace(rows, made_from={"readings": 7})
    ...     second = table.replace(rows[1:].with_columns(amount=4.0), made_from={"readings": 9})
    ...     second.partitions, table.read()["amount"].to_list(), table.read(version=first.version)["amount"].to_list()
    (('2026-02',), [2.0, 4.0], [2.0, 3.0])
    """

    def __init__(
        self, folder: Path, schema: Mapping[str, pl.DataType], *, keys: Sequence[str], time: str, by: By = "month"
    ) -> None:
        self.folder = folder.absolute()
        check_path(self.folder)
        self.schema = dict(schema)
        self.keys = tuple(keys)
        self.time = time
        self.by = by
        if time not in self.keys or not set(self.keys) <= set(self.schema) or "part" in self.schema:
            raise UsageError(
                f"keys {self.keys} and time {time!r} do not fit the columns {tuple(self.schema)}",
                doing="open a derived table",
                expected="keys among the columns, the time among the keys, and no column named part",
                next_step="name them so",
            )
        self._log = DeltaLog(
            self.folder, self.schema, partition_by=("part",), ranged=(time,), busy=True, append_only=False, plain=True
        )

    def __repr__(self) -> str:
        return f"DerivedTable({str(self.folder)!r})"

    @property
    def version(self) -> int:
        """Newest version; −1 where nothing was ever written."""
        table = self._log.load()
        return -1 if table is None else table.version()

    def made_from(self, version: int | None = None) -> dict[str, int | str]:
        """Return what a version was made from, the newest by default; empty where nothing was ever written."""
        newest = self.version if version is None else version
        return dict(self._log.details(newest).get("made_from", {})) if newest >= 0 else {}

    def partitions(self, version: int | None = None) -> list[DerivedPart]:
        """Return the parts of a version, the newest by default, in order."""
        rows: dict[str, list[DataFile]] = {}
        for file in self._files(version):
            rows.setdefault(file.partition["part"], []).append(file)
        return [
            DerivedPart(
                partition=part,
                rows=sum(file.rows for file in files),
                version=max(file.version for file in files),
                made_from=self.made_from(max(file.version for file in files)),
            )
            for part, files in sorted(rows.items())
        ]

    def changed(self, since: int, version: int | None = None) -> list[str]:
        """Return the parts that differ between a version and a later one, the newest by default; −1 is the empty table."""
        before = _names(self._files(since)) if since >= 0 else {}
        after = _names(self._files(version))
        return sorted(part for part in before.keys() | after.keys() if before.get(part) != after.get(part))

    def files(
        self, start: datetime | date | None = None, end: datetime | date | None = None, *, version: int | None = None
    ) -> list[Path]:
        """Return the files of the parts that meet a span, see `read`."""
        return [
            file.path
            for file in self._files(version)
            if (start is None or part_bounds(file.partition["part"])[1] > _day(start, last=False))
            and (end is None or part_bounds(file.partition["part"])[0] <= _day(end, last=True))
        ]

    def table(
        self,
        engine: Engine,
        start: datetime | date | None = None,
        end: datetime | date | None = None,
        *,
        version: int | None = None,
    ) -> Any:
        """Return rows as a table of an engine, in no order; see `read`."""
        table = engine.parquet(self.files(start, end, version=version), self.schema)
        conditions = []
        if start is not None:
            conditions.append(table[self.time] >= ibis.literal(plain_instant(start)))
        if end is not None:
            conditions.append(table[self.time] < ibis.literal(plain_instant(end)))
        return table.filter(*conditions) if conditions else table

    def read(
        self,
        start: datetime | date | None = None,
        end: datetime | date | None = None,
        *,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a version, the newest by default, sorted by the keys.

        Parameters
        ----------
        start, end : datetime or date, optional
            Of the type of the time column, instants with time zone; from `start`, before `end`.
        version : int, optional

        Raises
        ------
        LakeError
            There is no such version, or it was vacuumed.
        """
        paths = self.files(start, end, version=version)
        if not paths:
            return pl.DataFrame(schema=self.schema)
        with library_errors(f"read {self.folder.name}", self.folder, self._files(version)):
            rows = with_zone(pl.scan_parquet(paths, glob=False), self.schema)
            if start is not None:
                rows = rows.filter(pl.col(self.time) >= start)
            if end is not None:
                rows = rows.filter(pl.col(self.time) < end)
            return rows.collect().sort(self.keys)

    def replace(
        self,
        rows: pl.DataFrame | EngineRows,
        *,
        partitions: Iterable[str] | None = None,
        made_from: Mapping[str, int | str],
        base: int | None = None,
    ) -> Replaced:
        """Put rows in the place of everything that some parts hold, in one commit, safe on the disk when this returns.

        Parameters
        ----------
        rows : DataFrame of the schema, or EngineRows
        partitions : iterable of str, optional
            Parts to replace, such as 2026-11; one without rows becomes empty. By default those of the rows; must be named
            for EngineRows, which are computed part by part.
        made_from : mapping
            Versions of the inputs and digests, by name.
        base : int, optional
            Version on which the rows were built; by default the one at the time of this call.

        Raises
        ------
        LakeError
            Rows lie outside the parts, two have one key, another writer changed a part since `base`, or the table cannot be
            written. Nothing changes then.
        """
        doing = f"replace parts of {self.folder.name}"
        wanted = None if partitions is None else sorted(set(partitions))
        if isinstance(rows, pl.DataFrame):
            by_part = self._split(rows, doing)
            parts = sorted(by_part) if wanted is None else wanted
            outside = sorted(by_part.keys() - set(parts))
            if outside:
                raise _refused(f"rows lie in {', '.join(outside[:3])}", f"rows of {', '.join(parts[:3])}", doing)
            made: Iterable[tuple[str, pl.DataFrame | EngineRows | None]] = [(part, by_part.get(part)) for part in parts]
        else:
            if wanted is None:
                raise UsageError(
                    "no parts are named",
                    doing=doing,
                    expected="the parts that the engine is to compute",
                    next_step="name them as partitions=",
                )
            parts, made = wanted, [(part, rows) for part in wanted]
        return self._exchange(parts, made, made_from, base, doing)

    def restate(
        self,
        rows: pl.DataFrame,
        spans: pl.DataFrame,
        *,
        made_from: Mapping[str, int | str],
        base: int | None = None,
    ) -> Replaced:
        """Put rows in the place of what lies within spans; everything else stays as it is.

        Parameters
        ----------
        rows : DataFrame of the schema
            All rows that are to lie within the spans.
        spans : DataFrame
            first, last (of the type of the time column; half-open), and the other columns that name what they concern, such
            as meter.
        made_from, base
            See `replace`.

        Returns
        -------
        Replaced
            Parts whose rows are the same as before are left as they are. The version is recorded in any case.

        Raises
        ------
        LakeError
            As of `replace`; also where a row has the key of one outside the spans.
        """
        doing = f"restate parts of {self.folder.name}"
        names = [name for name in spans.columns if name not in ("first", "last")]
        unknown = sorted(set(names) - set(self.schema))
        if not {"first", "last"} <= set(spans.columns) or unknown:
            raise _refused(f"the spans have the columns {spans.columns}", "first, last, columns of the table", doing)
        base = self.version if base is None else base
        by_part = self._split(rows, doing)
        merged = merged_spans(spans.select(*names, "first", "last"), names)
        held: dict[str, list[DataFile]] = {}
        for file in self._files(base) if base >= 0 else ():
            held.setdefault(file.partition["part"], []).append(file)
        touched = sorted(by_part.keys() | set(self._met(held, merged)))

        def made() -> Iterator[tuple[str, pl.DataFrame | None]]:
            for part in touched:
                old = self._rows(held.get(part, []))
                kept = outside_spans(old, merged, names, self.time)
                new = pl.concat([kept, by_part.get(part, old.clear())]).sort(self.keys)
                yield part, None if new.equals(old) and part in held else new

        return self._exchange(touched, made(), made_from, base, doing, unchanged=True)

    def vacuum(self, *, keep: int = 10, spare: timedelta = SPARED) -> Vacuumed:
        """Remove what only versions older than the newest `keep` and those of the time `spare` need; see `ReadingLake.vacuum`."""
        return vacuum(self._log, self.folder, keep=keep, spare=spare)

    def verify(self) -> list[Finding]:
        """Return what is wrong with the stored files of the newest version."""
        return self._log.verify()

    def _files(self, version: int | None) -> tuple[DataFile, ...]:
        table = self._log.load()
        newest = -1 if table is None else table.version()
        if version is not None and not -1 <= version <= newest:
            raise LakeError(
                f"there is no version {version}",
                doing=f"read {self.folder.name}",
                expected=f"0 to {newest}" if newest >= 0 else "a table that was made",
                next_step="name an existing version, or none for the newest",
            )
        return self._log.files(table if version is None or version == newest else self._log.load(version))

    def _rows(self, files: Sequence[DataFile]) -> pl.DataFrame:
        if not files:
            return pl.DataFrame(schema=self.schema)
        with library_errors(f"read {self.folder.name}", self.folder, files):
            return with_zone(pl.read_parquet([file.path for file in files], glob=False), self.schema).sort(self.keys)

    def _split(self, rows: pl.DataFrame, doing: str) -> dict[str, pl.DataFrame]:
        if dict(rows.schema) != self.schema:
            raise _refused(f"the rows have the columns {dict(rows.schema)}", f"{self.schema}", doing)
        faulty = rows.filter(pl.col(self.time).is_null()).height
        if faulty:
            raise _refused(f"{faulty} rows have no {self.time}", "rows of a time", doing)
        part = pl.col(self.time).dt.strftime(_FORMATS[self.by])
        return {
            str(name): group.drop("part")
            for (name,), group in rows.with_columns(part=part).partition_by("part", as_dict=True).items()
        }

    def _met(self, held: Iterable[str], spans: pl.DataFrame) -> list[str]:
        islands = merged_spans(spans.select("first", "last"), [])
        found = []
        for part in held:
            least, past = part_bounds(part)
            ends = [
                pl.lit(day if self.schema[self.time] == pl.Date() else datetime.combine(day, time(), UTC))
                for day in (least, past)
            ]
            if islands.filter(pl.col("first") < ends[1], pl.col("last") > ends[0]).height:
                found.append(part)
        return found

    def _exchange(
        self,
        parts: Sequence[str],
        made: Iterable[tuple[str, pl.DataFrame | EngineRows | None]],
        made_from: Mapping[str, int | str],
        base: int | None,
        doing: str,
        *,
        unchanged: bool = False,
    ) -> Replaced:
        """Write the new files part by part, then exchange all of them in one commit."""
        newest = self._log.load_or_create().version()  # before any file lies there, so that the folder is a table
        built_on = newest if base is None else base
        before = _names(self._files(built_on)) if built_on >= 0 else {}
        staged: list[DataFile] = []
        changed: list[str] = []
        with library_errors(doing, self.folder), ExitStack() as undone:
            for part, rows in made:
                if rows is None and unchanged:
                    continue
                changed.append(part)
                for file in self._staged(part, rows, doing):
                    staged.append(file)
                    undone.callback(file.path.unlink, missing_ok=True)
            undone.enter_context(turn(self.folder))  # kept from one try to the next, see compaction
            for _ in range(ATTEMPTS):
                table = self._log.load_or_create()
                present = self._log.files(table)
                self._refuse_overtaken(parts, before, present, table, built_on, doing)
                gone = [file for file in present if file.partition["part"] in changed]
                staged = [self._log.renamed(file, table.version() + 1) for file in staged]
                details = {"dafeng": {"made_from": dict(made_from), "partitions": changed}}
                if self._log.commit(table, add=staged, remove=gone, details=details, changes=True):
                    return Replaced(
                        version=table.version() + 1,
                        partitions=tuple(changed),
                        rows_before=sum(file.rows for file in gone),
                        rows_after=sum(file.rows for file in staged),
                    )
        raise too_busy(self.folder, doing)

    def _refuse_overtaken(
        self,
        parts: Sequence[str],
        before: Mapping[str, frozenset[str]],
        present: Sequence[DataFile],
        table: DeltaTable,
        built_on: int,
        doing: str,
    ) -> None:
        now = _names(present)
        overtaken = [part for part in parts if now.get(part) != before.get(part)]
        if overtaken:
            raise LakeError(
                f"another writer changed {', '.join(overtaken[:3])} between version {built_on} and {table.version()}",
                doing=doing,
                expected="parts as they were when the rows were computed",
                next_step="compute them again from the newest version; nothing was changed",
                overtaken=overtaken,
            )

    def _staged(self, part: str, rows: pl.DataFrame | EngineRows | None, doing: str) -> list[DataFile]:
        if rows is None:
            return []
        if isinstance(rows, EngineRows):
            return self._computed(part, rows)
        ordered = rows.sort(self.keys)
        twins = ordered.filter(pl.struct(self.keys).is_duplicated()).select(self.keys)
        if twins.height:
            raise _refused(f"{twins.height} rows of {part} share a key, first {twins.row(0)}", "each key once", doing)
        return [self._log.write(ordered, None, {"part": part})] if rows.height else []

    def _computed(self, part: str, rows: EngineRows) -> list[DataFile]:
        least, past = part_bounds(part)
        column = rows.expression[self.time]
        ends = [
            ibis.literal(day if self.schema[self.time] == pl.Date() else datetime.combine(day, time()))
            for day in (least, past)
        ]
        wanted = rows.expression.filter(column >= ends[0], column < ends[1]).order_by(list(self.keys))
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as scratch:
            paths = rows.engine.write(wanted, Path(scratch) / "rows", self.schema)
            return [self._log.adopt(path, {"part": part}) for path in paths]


def _refused(problem: str, expected: str, doing: str) -> LakeError:
    return LakeError(problem, doing=doing, expected=expected, next_step="mend the rows; nothing was changed")


def _names(files: Iterable[DataFile]) -> dict[str, frozenset[str]]:
    names: dict[str, set[str]] = {}
    for file in files:
        names.setdefault(file.partition["part"], set()).add(file.path.name)
    return {part: frozenset(found) for part, found in names.items()}


def _day(instant: datetime | date, *, last: bool) -> date:
    """Return the UTC day of the start of a span, or with `last` the last day before its end."""
    if isinstance(instant, datetime):
        moment = plain_instant(instant)
        assert isinstance(moment, datetime)
        return (moment - timedelta(microseconds=1)).date() if last else moment.date()
    return instant - timedelta(days=1) if last else instant
