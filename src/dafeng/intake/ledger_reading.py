"""A ledger book becomes ledger rows: every row ends accepted, accepted with finding, refused, or set aside with its reason.

Books that dafeng made are read by the hidden row above their columns, also where columns were moved, renamed or inserted;
other ledgers by the heads that a register knows. A cell that cannot be read leaves its value unknown and is told; a row is
refused where it lacks what the register requires, or where a check of the register says that it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.base.ledger import LEDGER_KEY, MACHINE_SHEET, RECORD_COLUMNS, code_key
from dafeng.base.listener import Listener, silent
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import Register
from dafeng.intake.ledger_kinds import kinds_of
from dafeng.intake.ledger_layout import LedgerLayout, RegisterHeads, find_layout, named_register
from dafeng.intake.ledger_rows import RowReader
from dafeng.intake.problems import Ledger, names_of
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet, file_digest

__all__ = ["LEDGER_COLUMNS_SCHEMA", "LEDGER_FATES_SCHEMA", "LedgerImport", "read_ledger"]

LEDGER_FATES_SCHEMA: Final[dict[str, pl.DataType]] = {
    "sheet": pl.String(),
    "row": pl.Int64(),
    "key": pl.String(),
    "fate": pl.String(),
    "findings": pl.String(),
}
"""Columns of the table of fates: accepted, accepted_with_finding, refused; set_aside with the reason as finding."""
LEDGER_COLUMNS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "sheet": pl.String(),
    "column": pl.String(),
    "head": pl.String(),
    "field": pl.String(),
    "fate": pl.String(),
    "cells": pl.Int64(),
}
"""Columns of the table of columns: letters, head, field, and read, unknown or repeated; cells that hold something."""
_GUIDE_SHEETS: Final = (MACHINE_SHEET, "填写说明")


@dataclass(frozen=True)
class LedgerImport:
    """What came of a ledger book.

    Parameters
    ----------
    register : str
        Register id.
    frame : DataFrame, columns of `base.ledger.ledger_schema`
        Accepted rows, one of each key and stage; ``batch`` is empty until they are published.
    fates : DataFrame, columns of `LEDGER_FATES_SCHEMA`
        One row for each row of the book that holds anything.
    columns : DataFrame, columns of `LEDGER_COLUMNS_SCHEMA`
    findings : list of Finding
    document : str
        SHA-256 of the file.
    counts : mapping
        rows = accepted + accepted_with_finding + refused; set_aside; repeated, accepted rows that say what another said;
        columns_unread.
    """

    register: str
    frame: pl.DataFrame
    fates: pl.DataFrame
    columns: pl.DataFrame
    findings: list[Finding]
    document: str
    counts: Mapping[str, int]

    @property
    def fields_read(self) -> tuple[str, ...]:
        """Fields that the book has a column for; what it says nothing of is not thereby unknown."""
        return tuple(self.columns.filter(pl.col("fate") == "read")["field"].unique(maintain_order=True))


def read_ledger(
    path: Path | str,
    register: str | None,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    home: str | None = None,
    sheet: str | None = None,
    given: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    listener: Listener = silent,
) -> LedgerImport:
    """Read a ledger book.

    Parameters
    ----------
    path : path
        XLSX, XLS, CSV, TSV or Parquet.
    register : str or None
        Register id; None takes the one that the book names, else the one whose heads fit best.
    catalog : Catalog
    recorded_at : datetime
        Instant of the import, with time zone.
    home : str, optional
        Place within which place names are looked for first.
    sheet : str, optional
        Only this worksheet.
    given : mapping, optional
        Field to text, for fields that the book has no column for (所有行都是新建).
    limits : Limits, optional
    listener : Listener

    Returns
    -------
    LedgerImport

    Raises
    ------
    InputError
        The file cannot be read at all, no sheet of it is such a ledger, or it is a book of another register.
    UnknownNameError
        The catalog has no such register.
    """
    path = Path(path)
    limits = limits or Limits(cells=20_000_000, unpacked_bytes=3 << 30)
    listener(f"读取 {path.name}", 0, None)
    sheets = [one for one in read_sheets(path, limits=limits) if one.name not in _GUIDE_SHEETS]
    if sheet is not None:
        sheets = [one for one in sheets if one.name == sheet]
    chosen = _chosen_register(sheets, register, catalog, path.name)
    ledger = Ledger(path.name, limits.listed, kinds_of(chosen))
    reader = RowReader(chosen, catalog, ledger, path.name, recorded_at, home, dict(given or {}))
    reader.check_given()
    heads = RegisterHeads(chosen, catalog)
    for one in sheets:
        layout = find_layout(one, heads)
        reader.findings += _worth_telling(one, layout)
        if layout is None:
            reader.no_ledger(one)
            continue
        listener(f"核对 {one.name} {one.frame.height} 行".replace("  ", " "), 0, one.frame.height)
        reader.read(one, layout)
    if not reader.parts:
        raise InputError(
            f"no sheet of {path.name} looks like the ledger {chosen.id} ({chosen.title.zh})",
            doing="read a ledger",
            expected=f"a row of heads such as {'、'.join(catalog.fields[item.field].zh for item in chosen.fields[:4])}",
            next_step=f"fill the book that `dafeng ledger template {chosen.id} --out FILE` makes",
            name="ledger.file.no-ledger",
        )
    listener("汇总结果", 0, None)
    return _result(reader, file_digest(path))


def _worth_telling(sheet: Sheet, layout: LedgerLayout | None) -> list[Finding]:
    """Return what was seen on reading a sheet, but for the one row that books of dafeng hide themselves."""
    own = layout is not None and layout.ours
    return [
        finding
        for finding in sheet.findings
        if not (own and finding.name == "intake.sheet.hidden-lines" and "行 1 行、列 0 组" in finding.sentence)
    ]


def _chosen_register(sheets: Sequence[Sheet], wanted: str | None, catalog: Catalog, file: str) -> Register:
    if wanted is not None:
        chosen = catalog.register(wanted)
    named = {name for one in sheets if (name := named_register(one)) is not None}
    if wanted is not None and named and wanted not in named:
        raise InputError(
            f"{file} is a book of the register {', '.join(sorted(named))}",
            doing="read a ledger",
            expected=f"a book of {wanted}",
            next_step=f"leave --register out, or name {sorted(named)[0]}",
        )
    if wanted is not None:
        return chosen
    if len(named) == 1 and named <= set(catalog.registers):
        return catalog.registers[next(iter(named))]
    scores: dict[str, tuple[int, int]] = {}
    for item in catalog.registers.values():
        heads = RegisterHeads(item, catalog)
        layouts = [layout for one in sheets if (layout := find_layout(one, heads)) is not None]
        if layouts:
            required = {column.field for column in item.fields if column.required}
            read = {column.field for layout in layouts for column in layout.columns}
            scores[item.id] = (len(read), -len(required - read))
    best = sorted(scores, key=lambda name: scores[name], reverse=True)
    if not best or (len(best) > 1 and scores[best[0]] == scores[best[1]]):
        raise InputError(
            f"{file} fits {'the registers ' + ', '.join(best[:2]) + ' equally' if best else 'no register'}",
            doing="read a ledger",
            expected="a book whose heads tell its register",
            next_step="name the register with --register; `dafeng ledger list` shows them",
            name="ledger.file.which-register",
        )
    return catalog.registers[best[0]]


def _result(reader: RowReader, document: str) -> LedgerImport:
    """Put the sheets together: one row of each key and stage, and the fate of every row."""
    rows = pl.concat(reader.parts)
    refused = reader.ledger.refused().cast(pl.Int64)
    good = rows.filter(~pl.col("id").is_in(refused.implode()))
    good = _without_twins(good, reader)
    problems = names_of(reader.ledger.hits, reader.ledger.kinds).with_columns(pl.col("id").cast(pl.Int64))
    judged = rows.select("id", "sheet", "row", "key").join(problems, on="id", how="left", maintain_order="left")
    fate = (
        pl.when(pl.col("refuse").fill_null(value=False))
        .then(pl.lit("refused"))
        .when(pl.col("findings").is_not_null())
        .then(pl.lit("accepted_with_finding"))
        .otherwise(pl.lit("accepted"))
    )
    fates = judged.select(
        "sheet", "row", pl.col("key").fill_null(""), fate.alias("fate"), pl.col("findings").fill_null("")
    )
    counts = {"rows": rows.height, "accepted": 0, "accepted_with_finding": 0, "refused": 0}
    counts |= {str(name): int(count) for name, count in fates.group_by("fate").len().iter_rows()}
    everything = pl.concat([fates, *reader.aside]).select(
        pl.col(name).cast(kind) for name, kind in LEDGER_FATES_SCHEMA.items()
    )
    columns = pl.DataFrame(reader.columns, schema=LEDGER_COLUMNS_SCHEMA, orient="row")
    repeated = reader.ledger.hits.filter(pl.col("name") == "ledger.row.duplicate").height
    counts |= {
        "set_aside": everything.height - fates.height,
        "repeated": repeated,
        "columns_unread": columns.filter(pl.col("fate") != "read").height,
    }
    frame = good.with_columns(
        recorded_at=pl.lit(reader.recorded_at, RECORD_COLUMNS["recorded_at"]),
        withdrawn=pl.lit(value=False),
        document=pl.lit(document),
        batch=pl.lit(""),
    ).select(pl.col(name).cast(dtype) for name, dtype in reader.schema.items())
    index = pl.concat([rows.select("id", "sheet", "row"), *reader.extra]).with_columns(
        pl.col("id").cast(pl.UInt32), col=pl.lit(None, pl.Int32())
    )
    return LedgerImport(
        reader.register.id,
        frame,
        everything,
        columns,
        reader.findings + reader.ledger.findings(index),
        document,
        counts,
    )


def _without_twins(rows: pl.DataFrame, reader: RowReader) -> pl.DataFrame:
    """Return one row of each key and stage: rows that say the same count once, rows that disagree not at all."""
    twins = rows.filter(pl.struct(LEDGER_KEY).is_duplicated())
    if twins.is_empty():
        return rows
    codes = set(reader.register.identity) - {reader.register.name_field}
    said = [  # a code written in another way is the same code
        code_key(pl.col(name)) if name in codes and dtype == pl.String() else pl.col(name)
        for name, dtype in reader.schema.items()
        if name not in RECORD_COLUMNS
    ]
    twins = twins.with_columns(_said=pl.struct(said).hash())
    grouped = twins.group_by(LEDGER_KEY, maintain_order=True).agg(
        kinds=pl.col("_said").n_unique(),
        first=pl.col("id").first(),
        first_row=pl.col("row").first(),
        listed=pl.col("row").head(6).cast(pl.String).str.join("、"),
    )
    twins = twins.join(grouped, on=list(LEDGER_KEY), how="left", maintain_order="left")
    same = twins.filter((pl.col("kinds") == 1) & (pl.col("id") != pl.col("first")))
    if same.height:
        one = same.row(0, named=True)
        reader.ledger.add(
            "ledger.row.duplicate",
            same.with_columns(sheet=pl.lit(one["sheet"])),
            value=pl.lit(""),
            detail=pl.lit(f"{one['row']} 行与第 {one['first_row']}"),
            where=pl.lit(f"A{one['row']}"),
        )
    other = twins.filter(pl.col("kinds") > 1)
    reader.ledger.add(
        "ledger.row.disagree",
        other,
        value="key",
        detail=pl.format("「{}」第 {} 行", "key", "listed"),
        where=pl.format("A{}", "first_row"),
    )
    dropped = pl.concat([same["id"], other["id"]])
    return rows.filter(~pl.col("id").is_in(dropped.implode()))
