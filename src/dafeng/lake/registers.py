"""The lake of ledgers: rows of every register (台账) as append-only versions.

Below the workspace's ``lake/registers/<register>`` lies one table for each set of columns that the register ever had, so that
a catalog that gains a field changes no stored row; readers put the tables together and fill what a row never had with null.
A batch goes into one table in one commit: it is there wholly and once, or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import polars as pl
from deltalake import DeltaTable

from dafeng.base.errors import LakeError
from dafeng.base.finding import Finding
from dafeng.base.ledger import LEDGER_KEY, RECORD_COLUMNS, check_ledger
from dafeng.lake.batches import BATCHES_SCHEMA, NewRows, Published, append_batch, landed_batches
from dafeng.lake.delta import DataFile, DeltaLog, library_errors
from dafeng.lake.durable import check_path
from dafeng.lake.identity import batch_digest, content_hashes

__all__ = ["STORED_LEDGER", "RegisterLake"]

STORED_LEDGER: Final[dict[str, pl.DataType]] = {"serial": pl.Int64(), "note": pl.String()}
"""Columns that the lake adds to a ledger row: its rank among all versions, and why it was withdrawn."""
_ORIGIN: Final = ("recorded_at", "document", "sheet", "row", "batch")
"""Columns that say how a row was learned, not what it says."""
_DIGITS: Final = 13
"""Significant digits in which numbers are compared: a book in 万平方米 gives the last ones back otherwise."""


class RegisterLake:
    """Ledger rows as append-only versions, register by register.

    Parameters
    ----------
    folder : Path
        The lake of a workspace; the registers lie in its folder ``registers``, made at the first publication.

    Examples
    --------
    >>> import tempfile
    >>> from dafeng.base.ledger import ledger_frame
    >>> schema = RECORD_COLUMNS | {"gross_area": pl.Float64()}
    >>> rows = ledger_frame([{"key": "370212-01", "gross_area": 12000.0}], schema)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lake = RegisterLake(Path(folder))
    ...     first = lake.publish("projects", rows, batch="one")
    ...     again = lake.publish("projects", rows, batch="two")
    ...     first.appended, again.unchanged, lake.read("projects")["gross_area"].to_list()
    (1, 1, [12000.0])
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute() / "registers"
        check_path(self.folder)

    def __repr__(self) -> str:
        return f"RegisterLake({str(self.folder.parent)!r})"

    def registers(self) -> list[str]:
        """Return the ids of the registers that hold rows, in order."""
        return sorted(path.name for path in self.folder.glob("*") if path.is_dir()) if self.folder.is_dir() else []

    def publish(self, register_id: str, frame: pl.DataFrame, *, batch: str) -> Published:
        """Store a batch of ledger rows: wholly, once, and safe on the disk when this returns.

        Parameters
        ----------
        register_id : str
        frame : DataFrame of `base.ledger.ledger_schema`
            At most one row of each key and stage. A row that says what the newest row of its key and stage known at its
            recorded_at says is left out as unchanged; another becomes a version that replaces it.
        batch : str
            Idempotent key. The same batch twice is one; other contents under a key that is taken are refused.

        Raises
        ------
        LakeError
            The rows are faulty, two rows have one key and stage, the batch id is taken by other contents, or the lake
            cannot be written. Nothing is stored then.
        """
        doing = f"publish batch {batch} of the register {register_id}"
        frame = frame.with_columns(batch=pl.lit(batch)).sort(LEDGER_KEY)
        _check(frame, doing)
        said = [name for name in frame.columns if name not in ("recorded_at", "batch")]
        return self._append(register_id, frame, batch, batch_digest(content_hashes(frame, said)), doing)

    def withdraw(
        self, register_id: str, keys: Sequence[str], *, reason: str, recorded_at: datetime, batch: str
    ) -> Published:
        """Take things back: from `recorded_at` on none of their stages is read; seen as of an earlier moment they are.

        Parameters
        ----------
        register_id : str
        keys : sequence of str
            Keys of things that the register holds.
        reason : str
            Kept with the rows, see `history`.
        recorded_at : datetime
            When it became known.
        batch : str
            Idempotent key, see `publish`.

        Raises
        ------
        LakeError
            A key is unknown or withdrawn already. Nothing is stored then.
        """
        doing = f"withdraw rows of the register {register_id}"
        wanted = sorted(set(keys))
        if not wanted or not reason.strip() or recorded_at.tzinfo is None:
            raise LakeError(
                f"{len(wanted)} keys, reason {reason!r}, recorded at {recorded_at.isoformat()}",
                doing=doing,
                expected="at least one key, a reason, and an instant with a time zone",
                next_step="name the keys, say why, and give the time zone",
            )
        digest = hashlib.sha256(json.dumps([wanted, reason], ensure_ascii=False).encode()).hexdigest()
        if any(entry["batch"] == batch for entry in self._entries(register_id)):
            frame = self._stored(register_id).filter(pl.col("batch") == batch).drop("serial", "note")
        else:
            current = self.read(register_id).filter(pl.col("key").is_in(wanted))
            unknown = sorted(set(wanted) - set(current["key"]))
            if unknown:
                raise LakeError(
                    f"the register holds no row of {', '.join(unknown[:3])}",
                    doing=doing,
                    expected="keys of rows that count",
                    next_step="look them up with `dafeng ledger show`",
                    keys=len(unknown),
                )
            frame = current.with_columns(
                withdrawn=pl.lit(True),
                recorded_at=pl.lit(recorded_at.astimezone(UTC), RECORD_COLUMNS["recorded_at"]),
                batch=pl.lit(batch),
            )
        return self._append(register_id, frame, batch, digest, doing, note=reason)

    def _append(
        self, register_id: str, frame: pl.DataFrame, batch: str, digest: str, doing: str, *, note: str | None = None
    ) -> Published:
        log = DeltaLog(self._folder(register_id) / _digest_of_columns(frame), {**dict(frame.schema), **STORED_LEDGER})
        for other in self._logs(register_id):
            table = other.load()
            if table is not None and table.transaction_version(batch) is not None:
                log = other  # a batch that landed before the register gained a field stays where it is

        def rows(table: DeltaTable) -> NewRows:
            stored = self._stored(register_id, log, table)
            fresh, superseded = _compare(frame, stored)
            first = int(stored["serial"].max() or 0) + 1 if stored.height else 1  # type: ignore[arg-type]
            made = fresh.with_columns(
                serial=pl.int_range(pl.len(), dtype=pl.Int64()) + first, note=pl.lit(note, pl.String())
            )
            return NewRows(made.select(list(log.schema)), frame.height - fresh.height, superseded)

        return append_batch(log, self.folder, batch=batch, digest=digest, rows=rows, doing=doing)

    def read(self, register_id: str, *, as_of: date | None = None) -> pl.DataFrame:
        """Return the newest row of each key and stage, withdrawn ones left out.

        Parameters
        ----------
        register_id : str
        as_of : date, optional
            Rows recorded by the end of this day, UTC; all where None.

        Returns
        -------
        DataFrame
            `RECORD_COLUMNS`, then every field that the register ever had, newest layout first; sorted by key and stage.
        """
        stored = self._stored(register_id)
        if as_of is not None:
            end = datetime.combine(as_of, time(), UTC) + timedelta(days=1)
            stored = stored.filter(pl.col("recorded_at") < end)
        newest = stored.sort("recorded_at", "serial").unique(LEDGER_KEY, keep="last", maintain_order=True)
        return newest.filter(~pl.col("withdrawn")).drop(list(STORED_LEDGER)).sort(LEDGER_KEY)

    def history(self, register_id: str, key: str | None = None) -> pl.DataFrame:
        """Return every version of the rows of a thing, or of all, oldest first, with the columns of `STORED_LEDGER`."""
        stored = self._stored(register_id)
        rows = stored if key is None else stored.filter(pl.col("key") == key)
        return rows.sort(*LEDGER_KEY, "recorded_at", "serial")

    def batches(self, register_id: str) -> pl.DataFrame:
        """Return the batches of a register that have landed: see `BATCHES_SCHEMA`."""
        rows = [{name: entry[name] for name in BATCHES_SCHEMA} for entry in reversed(self._entries(register_id))]
        return pl.DataFrame(rows, schema=BATCHES_SCHEMA)

    def verify(self) -> list[Finding]:
        """Return what is wrong with the stored files: logs that cannot be read, files missing or changed."""
        return [
            finding
            for register_id in self.registers()
            for log in self._logs(register_id, doing=None)
            for finding in log.verify()
        ]

    def _entries(self, register_id: str) -> list[dict[str, object]]:
        tables = [log.load() for log in self._logs(register_id)]
        return [entry for table in tables if table is not None for entry in landed_batches(table)]

    def _folder(self, register_id: str) -> Path:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", register_id):
            raise LakeError(
                f"{register_id!r} is no register id",
                doing="open a register",
                expected="small letters, digits and underscores",
                next_step="run `dafeng ledger list`",
            )
        return self.folder / register_id

    def _logs(self, register_id: str, *, doing: str | None = "open a register") -> list[DeltaLog]:
        """Return the tables of a register; their columns are those of their own logs."""
        folder = self._folder(register_id)
        found = []
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            if not (path.is_dir() and (any(path.glob("part-*")) or (path / "_delta_log").is_dir())):
                continue
            try:
                with library_errors("open a register", path):
                    columns = _columns(path)
            except LakeError:
                if doing is not None:
                    raise
                columns = {}
            found.append(DeltaLog(path, columns))
        return found

    def _stored(self, register_id: str, own: DeltaLog | None = None, table: DeltaTable | None = None) -> pl.DataFrame:
        """Return every version of every row; of the table `own` the state that the caller compares with."""
        parts: list[tuple[int, pl.DataFrame]] = []
        for log in self._logs(register_id):
            state = table if own is not None and table is not None and log.folder == own.folder else log.load()
            files = log.files(state)
            if files:
                frame = _read(log, files)
                parts.append((int(frame["serial"].max() or 0), frame))  # type: ignore[arg-type]
        parts.sort(key=lambda part: -part[0])
        if not parts:
            return pl.DataFrame(schema={**RECORD_COLUMNS, **STORED_LEDGER})
        with library_errors(
            "put the tables of a register together (a field that changes its type needs a new id)", self.folder
        ):
            whole = pl.concat([frame for _, frame in parts], how="diagonal")
        return whole.select(*RECORD_COLUMNS, pl.exclude(*RECORD_COLUMNS, *STORED_LEDGER), *STORED_LEDGER)


def _columns(path: Path) -> dict[str, pl.DataType]:
    """Return the columns of a table as its log has them."""
    types = {"string": pl.String(), "double": pl.Float64(), "long": pl.Int64(), "boolean": pl.Boolean()}
    types |= {"date": pl.Date(), "timestamp": pl.Datetime("us", "UTC")}
    fields = json.loads(DeltaTable(path).schema().to_json())["fields"]
    return {field["name"]: types[field["type"]] for field in fields}


def _read(log: DeltaLog, files: Sequence[DataFile]) -> pl.DataFrame:
    with library_errors("read a register", log.folder, files):
        return pl.read_parquet([file.path for file in files], glob=False).select(list(log.schema))


def _digest_of_columns(frame: pl.DataFrame) -> str:
    text = json.dumps([[name, str(dtype)] for name, dtype in frame.schema.items()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check(frame: pl.DataFrame, doing: str) -> None:
    fields = {name: dtype for name, dtype in frame.schema.items() if name not in RECORD_COLUMNS}
    findings = check_ledger(frame, RECORD_COLUMNS | fields)
    if taken := [name for name in fields if name in STORED_LEDGER]:
        findings.append(Finding(name="lake.register.column-taken", sentence=f"列名已被占用：{'、'.join(taken)}"))
    if findings:
        raise LakeError(
            "; ".join(finding.sentence for finding in findings),
            doing=doing,
            expected="rows that pass check_ledger",
            next_step="mend the rows, or leave them out with a stated fate",
            findings=[finding.name for finding in findings],
        )
    twins = frame.filter(pl.struct(LEDGER_KEY).is_duplicated()).unique(LEDGER_KEY).sort(LEDGER_KEY)
    if twins.height:
        named = ["/".join(part for part in row if part) for row in twins.select(LEDGER_KEY).head(3).rows()]
        raise LakeError(
            f"{twins.height} things stand in it more than once: {'; '.join(named)}",
            doing=doing,
            expected="one row of each key and stage",
            next_step="decide which row counts",
            keys=twins.height,
        )


def _compare(frame: pl.DataFrame, stored: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return the rows that say something new, and how many of them replace a row."""
    if not stored.height or not frame.height:
        return frame, 0
    indexed = frame.with_row_index("_index")
    before = (
        stored.rename({name: f"_was_{name}" for name in stored.columns if name not in LEDGER_KEY})
        .join(indexed.select("_index", *LEDGER_KEY, pl.col("recorded_at").alias("_at")), on=list(LEDGER_KEY))
        .filter(pl.col("_was_recorded_at") <= pl.col("_at"))
        .sort("_was_recorded_at", "_was_serial")
        .unique("_index", keep="last", maintain_order=True)
        .drop(*LEDGER_KEY, "_at")
    )
    joined = indexed.join(before, on="_index", how="left", maintain_order="left")
    known = pl.col("_was_serial").is_not_null()
    compared = [name for name in frame.columns if name not in (*LEDGER_KEY, *_ORIGIN)]
    lost = [
        name
        for name in stored.columns
        if name not in frame.columns and name not in STORED_LEDGER and name not in RECORD_COLUMNS
    ]
    same = pl.all_horizontal(
        known,
        *(
            _shown(name, frame).eq_missing(_shown(f"_was_{name}", joined))
            for name in compared
            if f"_was_{name}" in joined.columns
        ),
        *(pl.col(name).is_null() for name in compared if f"_was_{name}" not in joined.columns),
        *(pl.col(f"_was_{name}").is_null() for name in lost),
    )
    marks = joined.select(same=same, known=known)
    return frame.filter(~marks["same"]), marks.filter(~pl.col("same") & pl.col("known")).height


def _shown(name: str, frame: pl.DataFrame) -> pl.Expr:
    return pl.col(name).round_sig_figs(_DIGITS) if frame.schema[name].is_float() else pl.col(name)
