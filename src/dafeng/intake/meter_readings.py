"""Readings of meters out of CSV, XLSX and Parquet tables of any layout in use.

Every cell ends in one fate: accepted (it stands in the frame of readings), blank, refused, duplicate or replaced (it stands in the
table of fates, with its cell and reason). What the import decides by itself it says in a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.meter import Meter
from dafeng.base.reading import READING_KEY, READING_SCHEMA
from dafeng.intake.meter_cells import CellReader, ReadingOptions
from dafeng.intake.meter_files import reading_tables
from dafeng.intake.meter_layout import Layout, find_layout, is_total
from dafeng.intake.meter_problems import FATE_SCHEMA, note, refusal_findings
from dafeng.intake.meter_register import add_register, convert_units, take_out_multipliers
from dafeng.intake.meter_spans import Labels, add_instants, interval_spans
from dafeng.intake.meter_times import check_zone
from dafeng.intake.sheets import Limits, Sheet, column_letters, file_digest

__all__ = ["METER_SCHEMA", "ReadingImport", "ReadingOptions", "read_meter_readings"]

METER_SCHEMA: Final[dict[str, pl.DataType]] = {
    "name": pl.String(),
    "meter": pl.String(),
    "known": pl.Boolean(),
    "kind": pl.String(),
    "unit": pl.String(),
    "readings": pl.Int64(),
    "first": pl.Datetime("us", "UTC"),
    "last": pl.Datetime("us", "UTC"),
}
"""Meters of a file: name as written, meter id, whether the register knows it, register or interval, unit of the values as stored
(null where nobody said), number of readings taken, first and last instant."""
_KEPT: Final = ("sheet", "row", "col", "name", "meter", "kind", "stored", "own_unit", "at", "start", "value", "sent_as")


@dataclass(frozen=True)
class ReadingImport:
    """What became of a file of readings.

    Parameters
    ----------
    file, document : str
        Name, and SHA-256 of its bytes.
    frame : DataFrame of `READING_SCHEMA`
        What is taken, in order of meter and time.
    fates : DataFrame of `FATE_SCHEMA`
        What is not taken.
    counts : dict
        Cells by fate: accepted, blank, refused, duplicate, replaced.
    meters : DataFrame of `METER_SCHEMA`
    findings : tuple of Finding
    """

    file: str
    document: str
    frame: pl.DataFrame
    fates: pl.DataFrame
    counts: dict[str, int]
    meters: pl.DataFrame
    findings: tuple[Finding, ...]


def read_meter_readings(
    path: Path,
    *,
    received_at: datetime,
    meters: Mapping[str, Meter] | None = None,
    options: ReadingOptions | None = None,
    limits: Limits | None = None,
) -> ReadingImport:
    r"""Read a table of readings.

    Parameters
    ----------
    path : Path
        CSV, TSV (also with .gz), XLSX, XLS or Parquet.
    received_at : datetime
        When the house got it.
    meters : mapping from id to Meter, optional
        The register of meters. Without one every meter is taken and units stay as written.
    options : ReadingOptions, optional
    limits : Limits, optional

    Returns
    -------
    ReadingImport

    Raises
    ------
    InputError
        The file cannot be read at all.
    UsageError
        An option names no time zone.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("表号,采集时间,读数(kWh)\nm-1,2024-01-01 00:00,10\nm-1,2024/1/1 24:00,12.5\nm-1,坏,1\n")
    ...     taken = read_meter_readings(path, received_at=datetime(2026, 11, 20, tzinfo=UTC))
    >>> taken.counts["accepted"], taken.counts["refused"], taken.fates["cell"].to_list()
    (2, 1, ['C4'])
    >>> taken.frame["at"].dt.to_string("%Y-%m-%d %H:%M").to_list()
    ['2023-12-31 16:00', '2024-01-01 16:00']
    """
    options, limits = options or ReadingOptions(), limits or Limits()
    zones = options.zone if isinstance(options.zone, Mapping) else {"": options.zone}
    for zone in zones.values():
        check_zone(zone)
    reader = _Reader(path.name, file_digest(path) if path.is_file() else "", meters, options, limits, received_at)
    for sheet, parquet in reading_tables(path, limits):
        reader.read(sheet, typed=parquet)
    return reader.result()


class _Reader:
    def __init__(
        self,
        file: str,
        document: str,
        meters: Mapping[str, Meter] | None,
        options: ReadingOptions,
        limits: Limits,
        received_at: datetime,
    ) -> None:
        self.file, self.document, self.limits, self.received_at = file, document, limits, received_at
        self.options = options
        self.meters = meters
        self.findings: list[Finding] = []
        self.pending: list[pl.DataFrame] = []
        self.taken: list[pl.DataFrame] = []
        self.left: list[pl.DataFrame] = []
        self.named: list[pl.DataFrame] = []
        self.blank = 0

    def say(
        self,
        name: str,
        sentence: str,
        sheet: str = "",
        **more: str | Severity | dict[str, str | int | float | bool | None],
    ) -> None:
        self.findings.append(note(name, sentence, self.file, sheet=sheet, **more))  # type: ignore[arg-type]

    def read(self, sheet: Sheet, *, typed: bool) -> None:
        """Read one sheet."""
        self.findings += sheet.findings
        frame = sheet.frame
        if typed:
            names = frame.columns
            header = pl.DataFrame({f"c{index}": [name] for index, name in enumerate(names)})
            layout = find_layout(Sheet(sheet.name, header), self.options.columns)
            layout = None if layout is None else replace(layout, first_row=1)
            frame = frame.rename({name: f"c{index}" for index, name in enumerate(names)}).with_row_index(
                "row", offset=1
            )
        else:
            layout = find_layout(sheet, self.options.columns)
            frame = frame.with_row_index("row")
        if layout is None:
            self.say(
                "no-header",
                "没有找到读数表的表头，这张表未导入",
                sheet.name,
                severity=Severity.ERROR,
                expected="一行列名，其中有时间（或日期、起止时间），以及读数列或每块表一列",
                next_step="补上列名，或用 columns 参数写明各列是什么",
                evidence={"rows": sheet.frame.height},
            )
            return
        if layout.ignored:
            self.say(
                "columns-ignored", f"以下列未读取：{'、'.join(layout.ignored[:12])}", sheet.name, severity=Severity.INFO
            )
        if layout.totals:
            self.say(
                "totals-ignored",
                f"合计列未作为仪表读取：{'、'.join(layout.totals)}",
                sheet.name,
                severity=Severity.INFO,
            )
        if layout.beside:
            self.say(
                "reverse-beside",
                f"以下列是反向的读数，未读取：{'、'.join(layout.beside[:12])}",
                sheet.name,
                next_step="若要存入，用 columns 参数把要读的各列写为 register 或 interval，每列成为一块表「表号:列名」",
            )
        if not typed:
            frame = frame.slice(layout.first_row)
            frame = frame.filter(~pl.all_horizontal(pl.exclude("row").is_null()))
            unnamed = {column: frame[f"c{column}"].count() for column in layout.unnamed}
            if any(unnamed.values()):
                cells_in = "、".join(
                    f"{column_letters(column)}（{count} 格）" for column, count in unnamed.items() if count
                )
                self.say(
                    "columns-unnamed",
                    f"没有列名的列中有内容，未读取：{cells_in}",
                    sheet.name,
                    next_step="补上列名；两行列名须并为一行",
                    evidence={"cells": sum(unnamed.values())},
                )
        reader = CellReader(self.options, self.file)
        slots, cells = reader.read(frame, layout)
        if reader.silent:
            silent = "、".join(reader.silent[:12])
            self.say(
                "columns-without-numbers", f"以下列没有数，未作为仪表读取：{silent}", sheet.name, severity=Severity.INFO
            )
        if cells.is_empty():
            self.say("no-rows", "表头之下没有读数", sheet.name, next_step="核对导出的时间范围")
            return
        slots = add_instants(slots, fold=self.options.fold)
        if "s_local" in slots.columns:
            slots = add_instants(slots, fold="first", prefix="s_")
        folds = int(slots["guessed"].sum())
        if folds:
            self.say(
                "fold-guessed",
                f"有 {folds} 个时间落在改回标准时重复的一小时且只出现一次，按第一次计",
                sheet.name,
                next_step="用 fold 参数说明，或改用带时差的时间",
            )
        self._finish(sheet, layout, slots, add_register(cells, self.meters, self.options))

    def _finish(self, sheet: Sheet, layout: Layout, slots: pl.DataFrame, cells: pl.DataFrame) -> None:
        repeats = cells.height // slots.height if layout.form in ("long", "wide") else 1
        said = pl.coalesce("time_text", pl.col("local").dt.to_string("%Y-%m-%d %H:%M:%S"))
        instants = slots.select("at", pl.col("problem").alias("time_problem"), said.alias("time_text"))
        cells = cells.hstack(instants if repeats == 1 else pl.concat([instants] * repeats))
        filled = cells["value"].is_not_null() | cells["problem"].is_not_null()
        self.blank += int((~filled).sum())
        cells = cells.with_columns(pl.Series("filled", filled))
        cells = self._kinds(cells, layout, sheet.name)
        if (cells["kind"] == "interval").any():
            labelled = self.options.labelled
            ends = (
                None
                if labelled is None and layout.ends is None
                else layout.ends
                if labelled is None
                else labelled == "end"
            )
            spans = interval_spans(slots, ends=ends, step=self.options.step, fold=self.options.fold)
            self._say_labels(spans.labels, sheet.name)
            frame = spans.frame if repeats == 1 else pl.concat([spans.frame] * repeats)
            cells = cells.hstack(frame.rename({"problem": "span_problem"}))
            interval = pl.col("kind") == "interval"
            cells = cells.with_columns(
                at=pl.when(interval).then("finish").otherwise("at"),
                start=pl.when(interval).then("begin"),
                time_problem=pl.when(interval).then("span_problem").otherwise("time_problem"),
            )
        else:
            cells = cells.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("start"))
        cells, said_units = convert_units(cells.filter("filled"), self.options, self.file)
        cells, said_ratios = take_out_multipliers(cells, self.options, self.file)
        self.findings += [*said_units, *said_ratios]
        cells = cells.with_columns(
            time_problem=pl.when(is_total(pl.col("time_text"))).then(pl.lit("total-row")).otherwise("time_problem")
        )
        mismatch = pl.when(pl.col("own_kind") != pl.col("kind")).then(pl.lit("kind-mismatch"))
        reason = pl.coalesce("name_problem", "time_problem", "problem", mismatch, "unit_problem")
        texts = (
            pl.when(pl.col("name_problem").is_not_null())
            .then("name")
            .when(pl.col("time_problem").is_not_null())
            .then("time_text")
            .when(pl.col("problem").is_not_null())
            .then("text")
            .when(mismatch.is_not_null())
            .then(pl.lit(""))
            .otherwise("unit")
        )
        cells = cells.with_columns(reason.alias("reason"), texts.alias("shown"), pl.lit(sheet.name).alias("sheet"))
        self._leave(cells.filter(pl.col("reason").is_not_null()), "refused")
        self.pending.append(cells.filter(pl.col("reason").is_null()).select(_KEPT))

    def _kinds(self, cells: pl.DataFrame, layout: Layout, sheet: str) -> pl.DataFrame:
        stated = pl.when(pl.col("kind") != "value").then("kind")
        said = pl.lit(self.options.kind, pl.String)
        # Both times stated, or values of days and months: nothing but use can be meant, unless the meter is a register.
        spanned = pl.lit("interval" if {"start", "end"} <= layout.columns.keys() else None, pl.String)
        cells = cells.with_columns(pl.coalesce(said, stated, "own_kind", spanned).alias("kind"))
        open_ = cells.filter(pl.col("kind").is_null() & pl.col("value").is_not_null() & pl.col("at").is_not_null())
        if open_.height:
            guess = _guess_kind(open_)
            name = "表底（累计读数）" if guess == "register" else "时段用量"
            self.say(
                "kind-guessed",
                f"没有写明是表底还是时段用量，从数据看按{name}读取",
                sheet,
                next_step="用 kind 参数写明 register 或 interval",
                evidence={"kind": guess},
            )
            cells = cells.with_columns(pl.col("kind").fill_null(guess))
        return cells.with_columns(pl.col("kind").fill_null("interval"))

    def _say_labels(self, labels: Labels | None, sheet: str) -> None:
        if labels is None or labels.how == "said":
            return
        word = "结束" if labels.ends else "开始"
        steps = "、".join(size for size, _ in labels.steps[:3]) or "未知"
        if labels.how == "found":
            self.say(
                "label-found",
                f"时间是时段的{word}（表以整日开始和结束），时段长 {steps}",
                sheet,
                severity=Severity.INFO,
                evidence={"ends": labels.ends},
            )
        else:
            self.say(
                "label-guessed",
                f"没有写明时间是时段的开始还是结束，按{word}读取，时段长 {steps}",
                sheet,
                expected="列名或 labelled 参数写明",
                next_step="用 labelled 参数写明 start 或 end；错了会使各小时错开一个时段",
                evidence={"ends": labels.ends},
            )

    def _leave(self, cells: pl.DataFrame, fate: str) -> None:
        if cells.height:
            self.left.append(
                cells.select(
                    "sheet",
                    (pl.col("row").cast(pl.Int64) + 1).alias("row"),
                    (pl.col("col") + 1).alias("column"),
                    _cell_names(cells).alias("cell"),
                    pl.col("name").alias("meter"),
                    pl.col("shown").fill_null("").alias("value"),
                    pl.lit(fate).alias("fate"),
                    "reason",
                )
            )

    def _take(self, cells: pl.DataFrame) -> None:
        """Keep the last of several rows with one key, over all sheets."""
        cells = cells.sort("meter", "at", maintain_order=True)
        key = list(READING_KEY)
        again = _repeated(cells, key)
        if again.any():
            among = cells.with_row_index("_n").filter(again)
            last = among.group_by(key, maintain_order=True).agg(
                pl.col("_n").last().alias("_last"), pl.col("value").last().alias("_kept")
            )
            among = among.join(last, on=key, how="left", nulls_equal=True, maintain_order="left")
            gone = among.filter(pl.col("_n") != pl.col("_last"))
            same = pl.col("value") == pl.col("_kept")
            self._leave(gone.filter(same).with_columns(reason=pl.lit("same"), shown=pl.lit("")), "duplicate")
            value = pl.col("value").cast(pl.String)
            self._leave(gone.filter(~same).with_columns(reason=pl.lit("disagree"), shown=value), "replaced")
            cells = (
                cells.with_row_index("_n")
                .join(gone.select("_n"), on="_n", how="anti", maintain_order="left")
                .drop("_n")
            )
        sheet = pl.when(pl.col("sheet") != "").then(pl.col("sheet") + "!").otherwise(pl.lit(""))
        self.named.append(
            cells.group_by("name", "meter", "kind", "stored", "own_unit", maintain_order=True).agg(
                pl.len().cast(pl.Int64).alias("readings"),
                pl.col("at").min().alias("first"),
                pl.col("at").max().alias("last"),
            )
        )
        self.taken.append(
            cells.select(
                "meter",
                "at",
                "start",
                "value",
                "sent_as",
                pl.lit("csv").alias("origin"),
                (pl.lit(f"{self.document[:16]}#") + sheet + _cell_names(cells)).alias("lineage"),
                pl.lit(self.received_at).cast(pl.Datetime("us", "UTC")).alias("received_at"),
            )
        )

    def result(self) -> ReadingImport:
        """Return what became of all sheets."""
        if self.pending:
            self._take(pl.concat(self.pending))
            self.pending = []
        frame = self.taken[0] if self.taken else pl.DataFrame(schema=READING_SCHEMA)
        fates = (
            pl.concat(self.left).sort("sheet", "row", "column", maintain_order=True)
            if self.left
            else pl.DataFrame(schema=FATE_SCHEMA)
        )
        named = pl.concat(self.named) if self.named else None
        meters = pl.DataFrame(schema=METER_SCHEMA)
        if named is not None:
            meters = named.select(
                "name",
                "meter",
                pl.col("own_unit").is_not_null().alias("known"),
                "kind",
                pl.col("stored").alias("unit"),
                "readings",
                "first",
                "last",
            )
        counted = dict(fates.group_by("fate").len().iter_rows())
        counts = {"accepted": frame.height, "blank": self.blank}
        counts |= {fate: int(counted.get(fate, 0)) for fate in ("refused", "duplicate", "replaced")}
        ahead = frame.filter(pl.col("at") > self.received_at + timedelta(days=1))
        if ahead.height:
            self.say(
                "future",
                f"有 {ahead.height} 个读数的时间晚于收到之时",
                evidence={"readings": ahead.height, "last": str(ahead["at"].max())},
                next_step="核对采集器时钟与时区",
            )
        unknown = (
            meters.filter(~pl.col("known"))["meter"].unique(maintain_order=True).to_list()
            if self.meters is not None
            else []
        )
        if unknown:
            self.say(
                "meters-unknown",
                f"{len(unknown)} 块表不在仪表台账中，读数已按原单位存入：{'、'.join(unknown[:20])}",
                next_step="在仪表台账登记这些表",
            )
        findings = (*self.findings, *refusal_findings(fates, self.file, self.limits.listed))
        return ReadingImport(self.file, self.document, frame, fates, counts, meters, findings)


def _cell_names(cells: pl.DataFrame) -> pl.Expr:
    columns = cells["col"].unique().to_list()
    row = (pl.col("row") + 1).cast(pl.String)
    if len(columns) == 1:
        return pl.lit(column_letters(columns[0])) + row
    letters = {column: column_letters(column) for column in columns}
    return pl.col("col").replace_strict(letters, return_dtype=pl.String) + row


def _repeated(cells: pl.DataFrame, key: list[str]) -> pl.Series:
    """Return which rows share their key with another; `cells` is sorted by meter and at."""
    near = (pl.col("meter") == pl.col("meter").shift(1)) & (pl.col("at") == pl.col("at").shift(1))
    touching = cells.select((near | near.shift(-1)).fill_null(False)).to_series()
    if not touching.any():
        return touching
    part = cells.with_row_index("_n").filter(touching)
    repeated = part.filter(part.select(key).is_duplicated())["_n"]
    marked = pl.Series("_n", range(0), dtype=pl.UInt32) if repeated.is_empty() else repeated
    return cells.with_row_index("_n")["_n"].is_in(marked.implode())


def _guess_kind(cells: pl.DataFrame) -> str:
    """Return register where values hardly ever fall and are large beside their steps."""
    ordered = cells.select("meter", "at", "value").sort("meter", "at")
    steps = ordered.with_columns(pl.col("value").diff().over("meter").alias("step")).drop_nulls("step")
    if steps.is_empty():
        return "register"
    rising = steps.select((pl.col("step") >= 0).mean()).item()
    moving = steps.filter(pl.col("step") != 0)
    large = (
        moving.select(pl.col("value").abs().median() > 10 * pl.col("step").abs().median()).item()
        if moving.height
        else False
    )
    return "register" if rising > 0.98 and large else "interval"
