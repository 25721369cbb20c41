"""The lake of facts: publish, supersede, withdraw and compact, each batch wholly there or not at all.

Two tables lie side by side: ``observations`` and ``lineage``. Lineage is written first, the observations in one commit after
it; that commit also records the batch. A publisher that is killed at any instant leaves either no batch or the whole batch,
and at most files that no log names, or lineage that nothing points at yet; publishing again completes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import KEY, SCHEMA, MissingReason, Review, check_observations
from dafeng.base.record import Record
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.lake.batches import (
    ATTEMPTS,
    BATCHES_SCHEMA,
    NewRows,
    Published,
    append_batch,
    landed_batches,
    too_busy,
)
from dafeng.lake.delta import DataFile, DeltaLog, library_errors
from dafeng.lake.durable import check_path, turn
from dafeng.lake.identity import CONTENT, batch_digest, content_hashes, version_ids
from dafeng.lake.snapshot import STORED, Snapshot

__all__ = ["Compacted", "ObservationLake"]

_SLICE: Final = 250_000
_ORDER: Final = (
    "indicator",
    "place",
    "period",
    *(name for name in KEY if name not in ("indicator", "place", "period")),
)


class Compacted(Record):
    """What compaction did to the files of both tables."""

    files_before: int
    """Files before."""
    files_after: int
    """Files after."""


class _Rows(NamedTuple):
    frame: pl.DataFrame
    contents: pl.Series
    unchanged: int
    lineage: pl.DataFrame | None


class ObservationLake:
    """Facts as append-only versions.

    Parameters
    ----------
    folder : Path
        Made at the first publication.
    aside : sequence of FactQuarantine, optional
        Figures that snapshots read as unknown.

    Examples
    --------
    >>> import tempfile
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> rail = Observation(indicator="urban_rail_length", place="qingdao", period="2024", value=352.68,
    ...                    dataset="mohurd-yearbook", recorded_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lake = ObservationLake(Path(folder) / "lake")
    ...     first = lake.publish(observation_frame([rail]), batch="one")
    ...     again = lake.publish(observation_frame([rail]), batch="one")
    ...     first.appended, again.already, lake.snapshot().read()["value"].to_list()
    (1, True, [352.68])
    """

    def __init__(self, folder: Path, aside: Iterable[FactQuarantine] = ()) -> None:
        self.folder = folder.absolute()
        self.aside = tuple(aside)
        check_path(self.folder)
        self._observations = DeltaLog(self.folder / "observations", STORED)
        self._lineage = DeltaLog(self.folder / "lineage", LINEAGE_SCHEMA)

    def __repr__(self) -> str:
        return f"ObservationLake({str(self.folder)!r})"

    def version(self) -> int:
        """Return the newest version, −1 before the first publication; cheap, it reads only log entries written since it was last asked.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ObservationLake(Path(folder) / "lake").version()
        -1
        """
        return self._observations.end().version() if (self._observations.folder / "_delta_log").is_dir() else -1

    def snapshot(self, version: int | None = None) -> Snapshot:
        """Return the state of the lake at `version`, the newest by default.

        Raises
        ------
        LakeError
            There is no such version, or the log cannot be read.
        """
        table = self._observations.load()
        newest = -1 if table is None else table.version()
        if version is not None and version != newest:
            if not 0 <= version < newest:
                raise LakeError(
                    f"there is no version {version}",
                    doing=f"read the lake {self.folder}",
                    expected=f"0 to {newest}" if newest >= 0 else "a lake with at least one batch",
                    next_step="name an existing version, or none for the newest",
                )
            table = self._observations.load(version)
        return self._snapshot(table)

    def _snapshot(self, table: DeltaTable | None) -> Snapshot:
        # Lineage is written before observations and read after: a snapshot holds the lineage of all its facts.
        files = self._observations.files(table)
        return Snapshot(
            folder=self.folder,
            version=-1 if table is None else table.version(),
            files=files,
            lineage_files=self._lineage.files(self._lineage.load()),
            aside=self.aside,
        )

    def publish(self, frame: pl.DataFrame, *, batch: str, lineage: pl.DataFrame | None = None) -> Published:
        """Store a batch of facts: wholly, once, and safe on the disk when this returns.

        Parameters
        ----------
        frame : DataFrame of `SCHEMA`
            At most one row of each key. ``supersedes`` is set by the lake. A row that says what the lake said at its
            recorded_at, in everything but recorded_at and lineage, is left out as unchanged.
        batch : str
            Idempotent key. The same batch twice is one; other contents under a key that is taken are refused.
        lineage : DataFrame of `LINEAGE_SCHEMA` or None
            Rows that `frame` points at. An id always names the same content; ids already stored are left out.

        Raises
        ------
        LakeError
            The rows are faulty, two rows have one key, the batch id is taken by other contents, or the lake cannot be
            written. Nothing is stored then.
        """
        doing = f"publish batch {batch}"
        _check_rows(frame, doing)
        _check_lineage(lineage, doing)
        frame = frame.sort(_ORDER)
        contents = content_hashes(frame)

        def rows(snapshot: Snapshot) -> _Rows:
            return _Rows(*_compare(frame, contents, snapshot), lineage)

        return self._append(batch, batch_digest(contents), rows, doing)

    def withdraw(self, versions: Sequence[str], *, reason: str, recorded_at: datetime, batch: str) -> Published:
        """Withdraw facts: from `recorded_at` on they are not read; seen as of an earlier moment they are.

        Parameters
        ----------
        versions : sequence of str
            Version ids, each the newest of its fact.
        reason : str
            Kept as the text of a lineage row that the withdrawal points at.
        recorded_at : datetime
            When the withdrawal became known, not before the withdrawn version.
        batch : str
            Idempotent key, see `publish`.

        Raises
        ------
        LakeError
            A version is unknown, is not the newest of its fact, or is withdrawn already. Nothing is stored then.
        """
        doing = f"withdraw facts in batch {batch}"
        wanted = sorted(set(versions))
        if not wanted or not reason.strip() or recorded_at.tzinfo is None:
            raise LakeError(
                f"{len(wanted)} versions, reason {reason!r}, recorded at {recorded_at.isoformat()}",
                doing=doing,
                expected="at least one version, a reason, and an instant with a time zone",
                next_step="name the versions, say why, and give the time zone",
            )
        digest = hashlib.sha256(json.dumps([wanted, reason], ensure_ascii=False).encode()).hexdigest()
        origin = {
            "id": f"withdrawal-{digest[:32]}",
            "kind": str(LineageKind.FORM),
            "text": reason,
            "detail": json.dumps({"withdrawn": wanted}),
        }
        note = pl.DataFrame([{name: origin.get(name) for name in LINEAGE_SCHEMA}], schema=LINEAGE_SCHEMA)

        def rows(snapshot: Snapshot) -> _Rows:
            frame = _withdrawals(snapshot, wanted, recorded_at.astimezone(UTC), origin["id"], doing)
            return _Rows(frame, content_hashes(frame), 0, note)

        return self._append(batch, digest, rows, doing)

    def _append(self, batch: str, digest: str, rows: Callable[[Snapshot], _Rows], doing: str) -> Published:
        def compared(table: DeltaTable) -> NewRows:
            fresh = rows(self._snapshot(table))
            if fresh.lineage is not None:
                self._publish_lineage(fresh.lineage, doing)
            frame = fresh.frame
            stored = frame.with_columns(
                version_ids(frame, fresh.contents),
                batch=pl.lit(batch),
                serial=pl.int_range(pl.len(), dtype=pl.Int64()) + ((table.version() + 1) << 32),
            )
            replaced = frame.height - frame["supersedes"].null_count()
            return NewRows(stored.select(list(STORED)), fresh.unchanged, replaced)

        return append_batch(self._observations, self.folder, batch=batch, digest=digest, rows=compared, doing=doing)

    def _publish_lineage(self, lineage: pl.DataFrame, doing: str) -> None:
        wanted = lineage.unique(maintain_order=True)
        for _ in range(ATTEMPTS):
            table = self._lineage.load_or_create()
            files = self._lineage.files(table)
            known = Snapshot(self.folder, -1, (), files).lineage(wanted["id"])
            other = known.join(wanted, on=list(LINEAGE_SCHEMA), how="anti", nulls_equal=True)["id"]
            if other.len():
                raise LakeError(
                    f"lineage ids are stored with other contents: {', '.join(other[:3])}",
                    doing=doing,
                    expected="an id that always names the same origin",
                    next_step="derive the id from the contents",
                )
            new = wanted.join(known, on="id", how="anti").sort("id")
            if not new.height:
                return
            file = self._lineage.write(new, table.version() + 1)
            if self._lineage.commit(table, add=[file], details={}):
                return
        raise too_busy(self.folder, doing)

    def batches(self) -> pl.DataFrame:
        """Return the batches that have landed, oldest first: see `BATCHES_SCHEMA`."""
        table = self._observations.load()
        entries = [] if table is None else landed_batches(table)
        rows = [{name: entry[name] for name in BATCHES_SCHEMA} for entry in reversed(entries)]
        return pl.DataFrame(rows, schema=BATCHES_SCHEMA)

    def compact(self, *, rows_of_file: int = 1_000_000) -> Compacted:
        """Put small files together; what any read of any snapshot returns stays the same.

        Parameters
        ----------
        rows_of_file : int
            Files with fewer rows are put together until they have about so many.

        Notes
        -----
        The small files stay on the disk, since older snapshots still read them.
        """
        before = after = 0
        with library_errors("compact the lake", self.folder), turn(self.folder):
            for log, order in ((self._lineage, ["id"]), (self._observations, ["indicator", "place", "serial"])):
                counts = _compact(log, order, rows_of_file)
                before, after = before + counts[0], after + counts[1]
        return Compacted(files_before=before, files_after=after)

    def verify(self) -> list[Finding]:
        """Return what is wrong with the stored files: logs that cannot be read, files missing or changed."""
        return self._observations.verify() + self._lineage.verify()


def _compact(log: DeltaLog, order: list[str], rows_of_file: int) -> tuple[int, int]:
    for _ in range(ATTEMPTS):
        table = log.load()
        files = log.files(table)
        bins: list[list[DataFile]] = [[]]
        for file in files:
            if file.rows < rows_of_file:
                if bins[-1] and sum(part.rows for part in bins[-1]) + file.rows > rows_of_file:
                    bins.append([])
                bins[-1].append(file)
        bins = [part for part in bins if len(part) > 1]
        if table is None or not bins:
            return len(files), len(files)
        made = []
        for part in bins:
            with library_errors("compact the lake", log.folder, part):
                frame = pl.read_parquet([file.path for file in part], glob=False).select(list(log.schema))
            made.append(log.write(frame.sort(order), table.version() + 1))
        old = [file for part in bins for file in part]
        if log.commit(table, add=made, remove=old, details={}):
            return len(files), len(files) - len(old) + len(made)
    raise too_busy(log.folder, "compact the lake")


def _check_rows(frame: pl.DataFrame, doing: str) -> None:
    findings = check_observations(frame)
    if findings:
        raise LakeError(
            "; ".join(finding.sentence for finding in findings),
            doing=doing,
            expected="rows that pass check_observations",
            next_step="mend the rows, or leave them out with a stated fate",
            findings=[finding.name for finding in findings],
        )
    if frame.select(KEY).n_unique() == frame.height:
        return
    twins = frame.group_by(KEY, maintain_order=True).len().filter(pl.col("len") > 1)
    named = ["/".join(str(part) for part in row[:-1] if part) + f" ({row[-1]} rows)" for row in twins.head(3).rows()]
    raise LakeError(
        f"{twins.height} facts stand in it more than once: {'; '.join(named)}",
        doing=doing,
        expected="one row of each key",
        next_step="decide which row counts, or give them different datasets",
        keys=twins.height,
    )


def _check_lineage(lineage: pl.DataFrame | None, doing: str) -> None:
    if lineage is None:
        return
    if dict(lineage.schema) != LINEAGE_SCHEMA or lineage["id"].null_count():
        problem = f"the lineage has the columns {', '.join(lineage.columns)}, or a blank id"
    elif lineage.unique().height != lineage["id"].n_unique():
        twins = lineage.unique().filter(pl.col("id").is_duplicated())["id"].unique().sort()
        problem = f"lineage ids stand for several origins: {', '.join(twins[:3])}"
    else:
        return
    raise LakeError(
        problem,
        doing=doing,
        expected="rows of LINEAGE_SCHEMA, each id with one content",
        next_step="derive the id from the contents",
    )


def _compare(frame: pl.DataFrame, contents: pl.Series, snapshot: Snapshot) -> tuple[pl.DataFrame, pl.Series, int]:
    """Return the rows that say something new, with what they supersede, their contents, and the number of the others."""
    if not frame.height or not snapshot.files:
        return frame.with_columns(supersedes=pl.lit(None, pl.String())), contents, 0
    before = pl.concat(  # slices bound the memory
        snapshot.predecessors(part, ["version", *_SAID]).with_columns(pl.col("index") + number * _SLICE)
        for number, part in enumerate(frame.iter_slices(_SLICE))
    )
    before = before.rename({name: f"before_{name}" for name in before.columns if name != "index"})
    indexed = frame.with_row_index("index").cast({"index": pl.Int64()})
    joined = indexed.join(before, on="index", how="left", maintain_order="left")
    same = pl.col("before_version").is_not_null() & pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(f"before_{name}")) for name in _SAID
    )
    new = joined.select(~same).to_series()
    rows = joined.with_columns(supersedes="before_version").filter(new).select(list(SCHEMA))
    return rows, contents.filter(new), frame.height - rows.height


_SAID: Final = tuple(name for name in CONTENT if name not in KEY)


def _withdrawals(snapshot: Snapshot, wanted: list[str], recorded_at: datetime, note: str, doing: str) -> pl.DataFrame:
    found = snapshot.stored(versions=wanted)
    newest = snapshot.stored(found).group_by(KEY, maintain_order=True).last() if found.height else found
    unknown = sorted(set(wanted) - set(found["version"]))
    faults = {
        "unknown": unknown,
        "replaced by a later version": sorted(set(found["version"]) - set(newest["version"])),
        "withdrawn already": newest.filter(pl.col("review") == str(Review.WITHDRAWN))["version"].sort().to_list(),
        "recorded after the withdrawal": newest.filter(pl.col("recorded_at") > recorded_at)["version"].sort().to_list(),
    }
    problems = [f"{fault}: {', '.join(ids[:3])}" for fault, ids in faults.items() if ids]
    if problems:
        raise LakeError(
            "; ".join(problems),
            doing=doing,
            expected="the newest version of each fact, not withdrawn, recorded before",
            next_step="look up the facts' history and name their newest versions",
        )
    blank = {name: pl.lit(None, SCHEMA[name]) for name in ("value", "low", "high", "coverage")}
    return (
        newest.sort(_ORDER)
        .with_columns(
            **blank,
            missing_reason=pl.lit(str(MissingReason.WITHDRAWN)),
            review=pl.lit(str(Review.WITHDRAWN)),
            recorded_at=pl.lit(recorded_at, SCHEMA["recorded_at"]),
            supersedes=pl.col("version"),
            lineage=pl.lit(note),
        )
        .select(list(SCHEMA))
    )
