"""The cells of a table of readings, whatever its layout, and the times in which they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import polars as pl

from dafeng.base.errors import InputError
from dafeng.intake.meter_layout import Layout, ValueColumn
from dafeng.intake.meter_times import read_times
from dafeng.intake.meter_values import decimal_comma, read_values

__all__ = ["CellReader", "ReadingOptions"]


@dataclass(frozen=True)
class ReadingOptions:
    """What the user says of a file; what is left open is found, or guessed with a finding.

    Parameters
    ----------
    zone : str or mapping from meter to str
        Zone of times without offset: Asia/Shanghai, +08:00, UTC. In a mapping the key "" serves all others.
    kind : str, optional
        register or interval.
    labelled : str, optional
        Whether the time of an interval is its start or its end.
    step : timedelta, optional
        Length of an interval.
    unit : str
        Unit of values whose unit the file does not state.
    meter : str
        Meter of a table with one column of values and no meter.
    names : mapping from name in the file to meter id
    columns : mapping from header to role
        Roles of `dafeng.intake.meter_layout.ROLES`.
    day_first : bool, optional
        Whether 03/04/2024 is the 3rd of April.
    decimal : str, optional
        Decimal mark; found where None.
    fold : str
        Which hour is meant when clocks are set back: order, first, second, refuse.
    multiplied : bool, optional
        Whether use has the multiplier of its meter in it already; found where None: it has beside a column of multipliers.
    unknown : str
        refuse or keep readings of meters that the register does not know.
    """

    zone: str | Mapping[str, str] = "Asia/Shanghai"
    kind: Literal["register", "interval"] | None = None
    labelled: Literal["start", "end"] | None = None
    step: timedelta | None = None
    unit: str = ""
    meter: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    day_first: bool | None = None
    decimal: Literal[".", ","] | None = None
    fold: Literal["order", "first", "second", "refuse"] = "order"
    multiplied: bool | None = None
    unknown: Literal["refuse", "keep"] = "refuse"


class CellReader:
    """Takes tables apart.

    Parameters
    ----------
    options : ReadingOptions
    file : str
        Name for errors.

    Attributes
    ----------
    silent : list of str
        Columns that hold no numbers and are no meters.
    """

    def __init__(self, options: ReadingOptions, file: str) -> None:
        self.options = options
        self.file = file
        self.silent: list[str] = []

    def read(self, frame: pl.DataFrame, layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return slots (times) and the cells that lie in them.

        Parameters
        ----------
        frame : DataFrame
            row (counted from 0) and columns c0, c1 … below the header.
        layout : Layout

        Returns
        -------
        slots : DataFrame
            who, zone, local, offset, span, problem, time_text (and s_… for beginnings): one a row, or one a cell where a column is a time.
        cells : DataFrame
            One a cell, column by column: row, col, name, kind, value, unit, unit_cell, unit_head, ratio, sent_as, problem, text.
        """
        comma = (
            self.options.decimal == ","
            if self.options.decimal
            else decimal_comma(frame[f"c{column.column}"] for column in layout.values)
        )
        rows = self._row_times(frame, layout)
        by_row = layout.form in ("long", "wide")
        pieces, slots = [], []
        for column in layout.values:
            texts = frame[f"c{column.column}"]
            if texts.dtype.is_temporal() or texts.dtype == pl.Boolean:
                continue
            read = read_values(texts, comma=comma)
            if (
                (layout.form == "wide" or layout.several)
                and not read["value"].count()
                and read["problem"].count() > read.height // 2
            ):
                self.silent.append(column.name)
                continue
            piece = read.with_columns(
                frame["row"],
                pl.lit(column.column, pl.Int32).alias("col"),
                self._names(rows, layout, column).alias("name"),
                pl.lit(column.kind).alias("kind"),
                (rows["unit"] if "unit" in rows.columns else pl.lit(None, pl.String)).alias("unit_cell"),
                pl.lit(column.unit or None, pl.String).alias("unit_head"),
                (rows["ratio"] if "ratio" in rows.columns else pl.lit(None, pl.Float64)).alias("ratio"),
                (rows["mark"] if "mark" in rows.columns else pl.lit("")).fill_null("").alias("sent_as"),
                pl.when(pl.col("problem").is_not_null()).then(texts.cast(pl.String)).alias("text"),
            )
            if not by_row:
                slots.append(self._column_times(rows, layout, column))
            pieces.append(piece)
        if not pieces:
            return rows, pl.DataFrame(schema={"row": pl.UInt32()})
        return (rows, pl.concat(pieces)) if by_row else (pl.concat(slots), pl.concat(pieces))

    def _names(self, rows: pl.DataFrame, layout: Layout, column: ValueColumn) -> pl.Expr:
        if layout.form == "wide" or "meter" not in layout.columns:
            lone = (self.options.meter and len(layout.values) == 1) or layout.form == "clock"
            return pl.lit(self.options.meter if lone else column.name)
        if layout.several:
            return pl.lit(rows["meter"]) + pl.lit(":" + column.name)
        return pl.lit(rows["meter"])

    def _row_times(self, frame: pl.DataFrame, layout: Layout) -> pl.DataFrame:
        columns = layout.columns

        def texts(role: str) -> pl.Series:
            return frame[f"c{columns[role]}"]

        built = frame.select("row")
        for role in ("meter", "unit", "mark"):
            if role in columns:
                built = built.with_columns(texts(role).cast(pl.String).str.strip_chars().alias(role))
        if "multiplier" in columns:
            built = built.with_columns(read_values(texts("multiplier"))["value"].alias("ratio"))
        clock = next((role for role in ("clock", "time") if role in columns), None)
        dated = _dates(frame, columns)
        if dated is not None and clock == "time" and not _clocks_alone(texts("time")):
            dated = None
        main = next((role for role in ("time", "end", "date") if role in columns), None)
        if main is None and "start" in columns:
            main = "start"
        if dated is not None or main is not None:
            source = texts(str(main)) if dated is None else dated
            if dated is not None and clock is not None:
                source = source.cast(pl.String) + " " + _clock_texts(texts(clock))
            built = built.hstack(self._times(source))
            shown = source.cast(pl.String) if source.dtype != pl.String else source
            built = built.with_columns(pl.when(pl.col("problem").is_not_null()).then(shown).alias("time_text"))
        if "start" in columns and main == "end":
            started = self._times(texts("start"))
            built = built.hstack(started.rename({name: f"s_{name}" for name in started.columns}))
        zone = self.options.zone
        by_meter = isinstance(zone, Mapping)
        who = pl.col("meter") if "meter" in columns else pl.lit("")
        if isinstance(zone, Mapping):
            if "meter" not in columns and len(set(zone.values())) > 1:
                raise InputError(
                    "the zone differs by meter, but the table has one column a meter",
                    doing=f"read {self.file}",
                    expected="one zone for the table",
                    next_step="read it once for each zone, the other columns set to 'ignored'",
                )
            if len(set(zone.values())) == 1:
                by_meter = False
                zone = next(iter(zone.values()))
        zones: pl.Expr = (
            pl.col("meter").replace_strict(dict(zone), default=zone.get("", "UTC"), return_dtype=pl.String)
            if by_meter and isinstance(zone, Mapping)
            else pl.lit(layout.zone or zone)
        )
        return built.with_columns(who.alias("who"), zones.alias("zone"))

    def _times(self, source: pl.Series) -> pl.DataFrame:
        if source.dtype == pl.Date or isinstance(source.dtype, pl.Datetime):
            aware = isinstance(source.dtype, pl.Datetime) and source.dtype.time_zone is not None
            local = source.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if aware else source
            return pl.select(
                local.cast(pl.Datetime("us")).alias("local"),
                pl.lit(0 if aware else None, pl.Int32).alias("offset"),
                pl.lit("day" if source.dtype == pl.Date else "instant").alias("span"),
                pl.when(source.is_null()).then(pl.lit("time-blank")).alias("problem"),
            )
        return read_times(source.cast(pl.String), day_first=self.options.day_first)

    def _column_times(self, rows: pl.DataFrame, layout: Layout, column: ValueColumn) -> pl.DataFrame:
        if layout.form == "clock":
            last = column.minutes == 1440
            return rows.with_columns(
                local=pl.col("local") + pl.duration(minutes=column.minutes),
                span=pl.lit("end" if last else "instant"),
            )
        said = read_times(pl.Series([column.name])).row(0, named=True)
        return rows.with_columns(
            pl.lit(said["local"], pl.Datetime("us")).alias("local"),
            pl.lit(said["offset"], pl.Int32).alias("offset"),
            pl.lit(said["span"], pl.String).alias("span"),
            pl.lit(None, pl.String).alias("problem"),
            pl.lit(None, pl.String).alias("time_text"),
        )


def _dates(frame: pl.DataFrame, columns: Mapping[str, int]) -> pl.Series | None:
    """Return the dates of rows: their column, or year, month and day of three."""
    if "date" in columns:
        return frame[f"c{columns['date']}"]
    if not {"year", "month"} <= columns.keys():
        return None
    parts = [
        frame[f"c{columns[role]}"].cast(pl.String).str.strip_chars("年月日 ")
        for role in ("year", "month", "day")
        if role in columns
    ]
    return pl.select(pl.concat_str(parts, separator="-")).to_series()


def _clocks_alone(texts: pl.Series) -> bool:
    """Return whether a column of times holds times of day without a date."""
    if texts.dtype == pl.Time:
        return True
    said = texts.cast(pl.String).str.strip_chars().drop_nulls()
    return said.len() > 0 and bool(said.str.contains(r"^(?:\d{1,2}(?:[:：时点]\d{0,2}){0,2}分?|0?\.\d+|1\.0+)$").all())


def _clock_texts(clocks: pl.Series) -> pl.Series:
    """Return times of day as texts; whole hours and fractions of a day are understood."""
    texts = clocks.cast(pl.String).str.strip_chars()
    number = texts.cast(pl.Float64, strict=False)
    whole = number.is_not_null() & (number == number.floor())
    seconds = (number * 86_400).round().cast(pl.Int64, strict=False)
    fraction = pl.concat_str(
        (seconds // 3600).cast(pl.String).str.zfill(2).to_frame("h")["h"],
        pl.lit(":"),
        (seconds // 60 % 60).cast(pl.String).str.zfill(2).to_frame("m")["m"],
    )
    hour = number.cast(pl.Int64, strict=False).cast(pl.String) + ":00"
    return pl.select(
        pl.when(whole).then(hour).when(number.is_between(0, 1)).then(fraction).otherwise(texts)
    ).to_series()
