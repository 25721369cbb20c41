"""Compaction of readings: small files of a month become few, sorted by meter; what was superseded is set apart.

A month is merged in ranges of meters, each read, sorted and written by itself, so that memory is bounded by the size of one
file. Very many small files are merged into a few runs first. New files wait under a name that no version has until the one
commit that exchanges them; where another writer was faster, they are only renamed. Late readings that are few beside what
they may replace wait until there are more of them: readers compare them in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.reading import READING_KEY
from dafeng.base.record import Record
from dafeng.lake.batches import ATTEMPTS, too_busy
from dafeng.lake.delta import DataFile, library_errors
from dafeng.lake.durable import new_file, turn
from dafeng.lake.instants import with_zone
from dafeng.lake.reading_files import ORDER, STORED_READING, Boxes, Layer, ReadingLog, listing, settle

__all__ = ["CompactedReadings", "compact_readings"]

_SMALL: Final = 4
"""Files below this part of the size wanted are put together."""
_FEW: Final = 20
"""Late readings wait while they are less than this part of those they may replace."""
_MANY_FILES: Final = 128


class CompactedReadings(Record):
    """What compaction did."""

    files_before: int
    """Files before."""
    files_after: int
    """Files after."""
    months: tuple[str, ...]
    """UTC months that were merged."""
    overtaken: tuple[str, ...]
    """Months that another compaction merged meanwhile."""


def compact_readings(
    log: ReadingLog,
    folder: Path,
    *,
    months: Sequence[str] | None,
    rows_of_file: int,
    thorough: bool,
    progress: Callable[[str, int, int], Any] | None,
) -> CompactedReadings:
    """Merge what is worth merging, month by month; see `ReadingLake.compact`."""
    table = log.load()
    files = log.files(table)
    by_month: dict[str, list[DataFile]] = {}
    for file in files:
        if months is None or file.partition["month"] in months:
            by_month.setdefault(file.partition["month"], []).append(file)
    merged, overtaken, change = [], [], 0
    for number, month in enumerate(sorted(by_month)):
        if progress is not None:
            progress(month, number, len(by_month))
        for chosen in _plan(by_month[month], rows_of_file, thorough):
            with library_errors("compact readings", log.folder, chosen):
                made = list(_merged(log, month, chosen, rows_of_file))
            if _exchange(log, folder, chosen, made):
                merged.append(month)
                change += len(made) - len(chosen)
            else:
                overtaken.append(month)
    return CompactedReadings(
        files_before=len(files),
        files_after=len(files) + change,
        months=tuple(dict.fromkeys(merged)),
        overtaken=tuple(dict.fromkeys(overtaken)),
    )


def _plan(files: Sequence[DataFile], rows_of_file: int, thorough: bool) -> list[list[DataFile]]:
    """Return the groups of files of a month that are to be merged, each by itself."""
    listed = listing(files)
    superseded = pl.col("layer") == str(Layer.SUPERSEDED)
    small = pl.col("rows") < rows_of_file // _SMALL
    old = listed.filter(superseded & small)
    plans = _groups(listed.filter(~superseded), rows_of_file // _SMALL, thorough)
    if old.height > 1:
        plans.append(old)
    return [[files[index] for index in plan["index"].sort()] for plan in plans]


def _groups(current: pl.DataFrame, few: int, thorough: bool) -> list[pl.DataFrame]:
    """Return groups of the files that should be merged, such that what a group becomes meets no file outside it.

    A group that would meet others takes them in, unless it is few beside them: then it waits, or is merged by itself where it
    meets no more files than its parts did.
    """
    if not current.height:
        return []
    states = settle(current)
    wanted = pl.concat(
        [states.loose, states.rivals.filter(pl.col("rows") < few), states.calm.filter(pl.col("rows") < few)]
    )
    boxes, rows = Boxes(current), current["rows"].to_numpy()
    asked = current["index"].is_in(wanted["index"].implode()).to_numpy()
    groups: list[NDArray[np.bool_]] = []
    for chain in _chains(boxes, asked):
        group = chain
        outside = boxes.met_by(chain) & ~chain
        if outside.any():
            if thorough or rows[chain].sum() * _FEW >= rows[outside].sum():
                group = _closed(boxes, chain)
            else:
                known = np.logical_or.reduce([boxes.met_by(index) for index in np.flatnonzero(chain)])
                if (outside & ~known).any():
                    continue
        while shared := [other for other in groups if (other & group).any()]:
            groups = [other for other in groups if not (other & group).any()]
            group = _closed(boxes, np.logical_or.reduce([group, *shared]))
        if groups and not (boxes.met_by(both := groups[-1] | group) & ~both).any():
            groups[-1] = both
        else:
            groups.append(group)
    parts = [current.filter(pl.Series(group)) for group in groups]
    return [part for part in parts if part.height > 1 or (part["layer"] == str(Layer.MIXED)).any()]


def _closed(boxes: Boxes, group: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a group with every file that it would meet."""
    while (met := boxes.met_by(group) & ~group).any():
        group = group | met
    return group


def _chains(boxes: Boxes, asked: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Return the files asked for in groups whose spans of instants meet, directly or over others; in order of time."""
    chains: list[NDArray[np.bool_]] = []
    reached = None
    for index in np.flatnonzero(asked)[np.argsort(boxes.least[1][asked], kind="stable")]:
        if reached is None or boxes.least[1][index] > reached:
            chains.append(np.zeros(asked.shape, dtype=bool))
        chains[-1][index] = True
        reached = boxes.most[1][chains[-1]].max()
    return chains


def _merged(log: ReadingLog, month: str, files: Sequence[DataFile], rows_of_file: int) -> list[DataFile]:
    """Return new files with the rows of `files`, not yet in the table."""
    made: list[DataFile] = []
    old = files[0].partition["layer"] == str(Layer.SUPERSEDED)
    with ExitStack() as scratch:
        sources = [file.path for file in files]
        many = sum(file.rows for file in files) > rows_of_file
        if many and len(files) > _MANY_FILES:
            sources = _runs(log, files, rows_of_file, scratch)
        for first, last in _ranges(sources, rows_of_file) if many else [(None, None)]:
            rows = with_zone(pl.scan_parquet(sources, glob=False), STORED_READING)
            if first is not None:
                rows = rows.filter(pl.col("meter").is_between(pl.lit(first), pl.lit(last)))
            ordered = rows.collect().sort(ORDER)
            counts = _counts(ordered) if not old else pl.repeat(False, ordered.height, eager=True)
            for layer, part in (
                (Layer.SINGLE, ordered.filter(counts)),
                (Layer.SUPERSEDED, ordered.filter(~counts)),
            ):
                if part.height:
                    made.append(log.write(part, None, {"month": month, "layer": str(layer)}))
    return made


def _counts(ordered: pl.DataFrame) -> pl.Series:
    """Return which rows, sorted by `ORDER`, are the last of their key."""
    again = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(-1)) for name in READING_KEY)
    last = pl.int_range(pl.len()) == pl.len() - 1
    return ordered.select(~again | last).to_series()


def _ranges(sources: list[Path], rows_of_file: int) -> list[tuple[str, str]]:
    return (
        pl.scan_parquet(sources, glob=False)
        .group_by("meter")
        .agg(pl.len().cast(pl.Int64()).alias("rows"))
        .collect(engine="streaming")
        .sort("meter")
        .with_columns(part=(pl.col("rows").cum_sum() - 1) // rows_of_file)
        .group_by("part", maintain_order=True)
        .agg(pl.col("meter").min().alias("first"), pl.col("meter").max().alias("last"))
        .select("first", "last")
        .rows()
    )


def _runs(log: ReadingLog, files: Sequence[DataFile], rows_of_file: int, scratch: ExitStack) -> list[Path]:
    """Return passing files of sorted rows, so that each small file is opened once."""
    runs: list[Path] = []
    waiting: list[DataFile] = []
    for file in [*sorted(files, key=lambda file: file.least["at"]), None]:
        full = sum(part.rows for part in waiting) + (0 if file is None else file.rows) > rows_of_file
        if waiting and (file is None or full):
            stream, path = scratch.enter_context(new_file(log.folder, suffix=".parquet"))
            rows = pl.read_parquet([part.path for part in waiting], glob=False).select(list(STORED_READING))
            rows.sort(ORDER).write_parquet(stream, compression="lz4", row_group_size=1 << 16)
            stream.flush()
            runs.append(path)
            waiting = []
        if file is not None:
            waiting.append(file)
    return runs


def _exchange(log: ReadingLog, folder: Path, old: Sequence[DataFile], new: Sequence[DataFile]) -> bool:
    """Put `new` in the place of `old` in one commit; False where another compaction took some of `old`."""
    with turn(folder):  # kept from one try to the next: no vacuum takes a file named for a version that others took
        for _ in range(ATTEMPTS):
            table = log.load_or_create()
            present = {file.path.name for file in log.files(table)}
            if not present.issuperset(file.path.name for file in old):
                for file in new:
                    file.path.unlink(missing_ok=True)
                return False
            new = [log.renamed(file, table.version() + 1) for file in new]
            if log.commit(table, add=new, remove=old, details={}):
                return True
    raise too_busy(folder, "compact readings")
