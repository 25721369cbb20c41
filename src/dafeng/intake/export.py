"""Observations out again: a long table that reads back as it was, or a wide one for people."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import polars as pl
import xlsxwriter

from dafeng.base.errors import InputError, UsageError
from dafeng.base.observation import SCHEMA, check_observations
from dafeng.base.period import Period
from dafeng.base.quantity import conversion_factor
from dafeng.catalog import Catalog

__all__ = ["LONG_HEADERS", "export_plain", "export_table"]

LONG_HEADERS: Final = {
    "indicator": "指标",
    "place": "地区",
    "extent": "范围",
    "period": "时间",
    "building_class": "建筑类型",
    "carrier": "能源品种",
    "end_use": "用途",
    "boundary": "边界",
    "basis": "口径",
    "kind": "类别",
    "scenario": "情景",
    "member": "成员",
    "value": "数值",
    "unit": "单位",
    "low": "下限",
    "high": "上限",
    "coverage": "数据覆盖率",
    "missing_reason": "缺失原因",
    "dataset": "数据集",
    "published_on": "发布日期",
    "review": "审核状态",
    "lineage": "溯源编号",
    "indicator_name": "指标中文名",
    "place_name": "地区中文名",
}
"""Headers of the long table, in order; the last two are for the reader and are passed over when read back."""


def export_table(
    frame: pl.DataFrame, path: Path | str, catalog: Catalog, *, layout: Literal["long", "wide"] = "long"
) -> Path:
    """Write observations as CSV (UTF-8 with mark) or XLSX, by the ending of `path`.

    Parameters
    ----------
    frame : DataFrame, columns of `SCHEMA`
        Further columns are left out.
    path : path
        Ends in .csv or .xlsx; written in one step.
    catalog : Catalog
    layout : {"long", "wide"}
        Long: a row for each observation in canonical units; reading it back gives every column but recorded_at,
        supersedes and lineage. Wide: a row for each place and period, a column for each indicator in the unit of reports.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        The ending or layout is not known.
    InputError
        The frame is not one of observations, or does not fit into a wide table.
    """
    frame = _checked(frame)
    makers: dict[str, Callable[[pl.DataFrame, Catalog], pl.DataFrame]] = {"long": _long, "wide": _wide}
    if layout not in makers:
        raise UsageError(
            f"layout {layout!r}",
            doing="export observations",
            expected="layout long or wide",
            next_step="choose one of these",
        )
    return export_plain(makers[layout](frame, catalog), path)


def export_plain(table: pl.DataFrame, path: Path | str) -> Path:
    """Write a table as it stands as CSV (UTF-8 with mark) or XLSX, by the ending of `path`, in one step.

    In a workbook texts stay texts: none becomes a formula.

    Raises
    ------
    UsageError
        The ending is not known.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".xlsx"):
        raise UsageError(
            f"{path.name} has an ending that is not written",
            doing="export a table",
            expected="a name that ends in .csv or .xlsx",
            next_step="choose one of these",
        )
    data = _csv(table) if path.suffix.lower() == ".csv" else _xlsx(table)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    os.replace(partial, path)
    return path


def _checked(frame: pl.DataFrame) -> pl.DataFrame:
    missing = [name for name in SCHEMA if name not in frame.columns]
    findings = [] if missing else check_observations(frame.select(list(SCHEMA)))
    if missing or findings:
        said = f"columns {', '.join(missing)} are missing" if missing else findings[0].sentence
        raise InputError(
            said,
            doing="export observations",
            expected="a frame of observations",
            next_step="see dafeng.base.observation.SCHEMA",
        )
    return frame.select(list(SCHEMA))


def _long(frame: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    units = {name: indicator.unit for name, indicator in catalog.indicators.items()}
    titles = {name: indicator.zh for name, indicator in catalog.indicators.items()}
    places = {name: catalog.place_name(name) for name in frame["place"].unique()}
    table = frame.with_columns(
        pl.col("indicator").replace_strict(units, default=None, return_dtype=pl.String()).alias("unit"),
        pl.col("indicator").replace_strict(titles, default=None, return_dtype=pl.String()).alias("indicator_name"),
        pl.col("place").replace_strict(places, default=None, return_dtype=pl.String()).alias("place_name"),
    )
    return table.select(pl.col(name).alias(header) for name, header in LONG_HEADERS.items())


def _wide(frame: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return place and period by indicator; whatever else varies must not, or the table would hide it."""
    fixed = ["building_class", "carrier", "end_use", "boundary", "basis", "kind", "scenario", "member", "dataset"]
    varying = [
        name
        for name in ("extent", *fixed)
        if frame.group_by("indicator").agg(pl.col(name).n_unique())[name].max() not in (None, 1)
    ]
    if varying:
        raise InputError(
            f"{', '.join(varying)} differ within an indicator",
            doing="export a wide table",
            expected="one extent, class, basis, kind and dataset for each indicator",
            next_step="filter the observations, or export the long table",
        )
    columns = frame["indicator"].unique(maintain_order=True).to_list()
    rows = frame.select("place", "period").unique(maintain_order=True)
    order = {text: Period.parse(text).start for text in rows["period"].unique()}
    rows = rows.sort(
        "place", pl.col("period").replace_strict(order, default=None, return_dtype=pl.Date()), maintain_order=True
    )
    table = rows.select(
        pl.col("place").map_elements(catalog.place_name, return_dtype=pl.String()).alias("地区"),
        pl.col("place").alias("地区代码"),
        pl.col("period").alias("时间"),
    )
    for name in columns:
        indicator = catalog.indicator(name)
        factor = conversion_factor(indicator.unit, indicator.shown_unit)
        own = frame.filter(pl.col("indicator") == name).select("place", "period", "value", "basis", "extent")
        joined = rows.join(own, on=["place", "period"], how="left", maintain_order="left")
        header = _wide_header(catalog, name, own["basis"][0], own["extent"][0])
        shown = joined["value"] if factor == 1.0 else (joined["value"] * factor).round_sig_figs(15)
        table = table.with_columns(shown.alias(header))
    return table


def _wide_header(catalog: Catalog, name: str, basis: str, extent: str) -> str:
    indicator = catalog.indicator(name)
    header = indicator.zh
    if basis:
        header += f"（{catalog.term('basis', basis)}）"
    if extent != indicator.extent.value:
        header += f"（{catalog.term('extent', extent)}）"
    return f"{header}（{indicator.shown_unit}）"


def _csv(table: pl.DataFrame) -> bytes:
    return b"\xef\xbb\xbf" + table.write_csv(line_terminator="\r\n").encode()


def _xlsx(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        book.set_properties({"created": datetime(1980, 1, 1)})
        sheet = book.add_worksheet("数据")
        heading = book.add_format({"bold": True})
        sheet.write_row(0, 0, table.columns, heading)
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(table.columns):
            _write_column(
                sheet.write_number if table[name].dtype.is_float() else sheet.write_string, column, table[name]
            )
    return buffer.getvalue()


def _write_column(write: Callable[[int, int, object], object], column: int, values: pl.Series) -> None:
    shown: Sequence[object] = values.to_list() if values.dtype.is_float() else values.cast(pl.String()).to_list()
    for row, value in enumerate(shown, start=1):
        if value is not None and value != "":
            write(row, column, value)
