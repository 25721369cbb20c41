"""Value cells of a sheet, each with the texts of its dimensions; rows that hold no data are set aside with their reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from dafeng.intake.blocks import captions, repeated_header, second_table
from dafeng.intake.layout import Table, ValueColumn
from dafeng.intake.sheets import Sheet, cell_name, column_letters

__all__ = ["DIMENSIONS", "gather_cells"]

DIMENSIONS: Final = (
    "indicator", "place", "place_2", "within", "level", "period", "extent", "unit", "sheet_unit", "basis", "kind", "dataset",
    "building_class", "carrier", "end_use", "boundary", "scenario", "member", "missing_reason", "published_on", "low",
    "high", "coverage", "review", "origin",
)  # fmt: skip
"""Texts that go with a value cell, as columns d_…"""
_LOCATED: Final = ("indicator", "place", "period", "unit")
_NOTE: Final = r"^\s*(?:注|备注|说明|附注|资料来源|数据来源|来源|填报|填表|制表|审核人|负责人|联系|本表|以上)"
_MARKED: Final = r"^\s*(?:[*※#①-⑳]|[\[（(]\d+[\]）)])"
_TOTAL: Final = (
    r"^\s*(?:各\S{0,4})?(?:合\s*计|总\s*计|小\s*计|共\s*计|总\s*和|汇\s*总|平\s*均(?:值|数)?|合計|總計|全部合计)\s*$"
)
_LEVELS: Final = (("county", "county"), ("city", "prefecture"), ("province", "province"))


def gather_cells(sheet: Sheet, table: Table, *, set_aside: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the value cells of a sheet, and the rows that hold no data.

    Parameters
    ----------
    sheet : Sheet
    table : Table
        Its layout.
    set_aside : bool
        Whether notes, totals and repeated headers are looked for.

    Returns
    -------
    cells : DataFrame
        sheet, row and col (from 1 and 0), cell, text, mark, total, and per dimension d_… with its text; w_… is where that
        text stands: letters of a column of the same row, or a cell.
    rows : DataFrame
        row and why it holds no data: title, header, blank, note, heading.
    """
    frame = sheet.frame.with_row_index("row", offset=1).with_columns(pl.col("row").cast(pl.Int64()))
    labels = [f"c{column}" for columns in table.roles.values() for column in columns]
    values = [f"c{value.index}" for value in table.values]
    body = _fill_merged(frame.slice(table.first_row), sheet, table, labels)
    blank = pl.all_horizontal(pl.col(name).is_null() for name in {*labels, *values})
    row_class: pl.Expr = pl.when(blank).then(pl.lit("blank"))
    caption: pl.Expr = pl.lit(None, dtype=pl.String())
    below = None
    if set_aside:
        row_class, caption = _row_class(frame, table, labels, values, blank)
        below = second_table(frame, table, labels, values)
    other: pl.Expr = pl.lit(None, dtype=pl.String())
    if below is not None:
        other = pl.when(pl.col("row") >= below).then(pl.lit(cell_name(below - 1, 0)))
        row_class = pl.when(blank | (pl.col("row") < below)).then(row_class)
    too_wide = pl.any_horizontal(
        pl.lit(False), *(pl.col(f"c{column}").is_not_null() for column in _beyond(sheet, table))
    )
    body = body.with_columns(
        row_class.alias("_class"), caption.alias("caption"), other.alias("other_table"), too_wide.alias("too_wide")
    )
    above = frame.head(table.first_row).select(
        "row",
        pl.when(pl.col("row") > min(table.header_rows))
        .then(pl.lit("header"))
        .otherwise(pl.lit("title"))
        .alias("reason"),
    )
    aside = pl.concat(
        [above, body.filter(pl.col("_class").is_not_null()).select("row", pl.col("_class").alias("reason"))]
    )
    body = body.filter(pl.col("_class").is_null())
    body = body.with_columns(_dimension_columns(table))
    total = pl.lit(None, dtype=pl.String())
    if set_aside:
        total = pl.coalesce(
            pl.when(pl.col(name).str.contains(_TOTAL)).then(pl.col(name)) for name in ("d_place", "d_indicator")
        )
    body = body.with_columns(total.alias("total"), pl.lit(sheet.name).alias("sheet"))
    cells = pl.concat([_column_cells(body, value, table) for value in table.values])
    if table.beside is not None:
        beside = pl.when(pl.col("col") >= table.beside).then(pl.lit(cell_name(table.header_rows[0], table.beside)))
        cells = cells.with_columns(pl.coalesce("other_table", beside))
    captioned = pl.when(pl.col("caption") != "").then(
        pl.concat_str("caption", "d_indicator", separator="/", ignore_nulls=True)
    )
    cells = cells.with_columns(pl.coalesce(captioned, "d_indicator").alias("d_indicator")).drop("caption")
    return _marked(cells, sheet, table), aside


def _fill_merged(body: pl.DataFrame, sheet: Sheet, table: Table, labels: Sequence[str]) -> pl.DataFrame:
    """Fill label cells that are merged downwards."""
    last = sheet.frame.height - 1
    fills: dict[str, dict[int, str | None]] = {}
    for top, left, bottom, _ in sheet.merged:
        name = f"c{left}"
        if name in labels and min(bottom, last) > top >= table.first_row:
            text = sheet.frame[name][top]
            fills.setdefault(name, {}).update(dict.fromkeys(range(top + 1, min(bottom, last) + 2), text))
    return body.with_columns(
        pl.col("row").replace_strict(list(found), list(found.values()), default=pl.col(name)).alias(name)
        for name, found in fills.items()
    )


def _beyond(sheet: Sheet, table: Table) -> list[int]:
    """Return the columns of a text table past its last header: a row reaches there where a separator within a value split it."""
    if sheet.name:
        return []
    named = [value.index for value in table.values if value.header] + list(table.ignored)
    last = max([*named, *(column for columns in table.roles.values() for column in columns)])
    return [value.index for value in table.values if value.index > last]


def _row_class(
    frame: pl.DataFrame, table: Table, labels: Sequence[str], values: Sequence[str], blank: pl.Expr
) -> tuple[pl.Expr, pl.Expr]:
    """Return why a row holds no data, and the caption above it that makes another quantity of its indicator."""
    texts = [name for name in frame.columns if name != "row"]
    first = pl.coalesce(texts)
    filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in texts)
    no_value = pl.all_horizontal(pl.col(name).is_null() for name in values)
    lone = no_value & (filled == 1)
    note = no_value & first.str.contains(_NOTE) | lone & (first.str.contains(_MARKED) | (first.str.len_chars() > 15))
    header = repeated_header(frame, table, [*labels, *values])
    row_class = (
        pl.when(blank)
        .then(pl.lit("blank"))
        .when(header)
        .then(pl.lit("header"))
        .when(note.fill_null(False))
        .then(pl.lit("note"))
        .when(lone & pl.lit(len(labels) >= 2))
        .then(pl.lit("heading"))
    )
    return row_class, captions(lone & ~note.fill_null(False), first)


def _dimension_columns(table: Table) -> list[pl.Expr]:
    """Return d_… and w_… of every row, from its label columns, else from the sheet."""
    made: dict[str, pl.Expr] = {}
    for name in DIMENSIONS:
        columns = table.roles.get(name, ())
        constant = pl.lit(table.constants.get(name), dtype=pl.String())
        own = pl.coalesce([pl.col(f"c{column}") for column in columns]) if columns else None
        made[f"d_{name}"] = constant if own is None else pl.coalesce(own, constant)
        if name in _LOCATED:
            where = table.constants.get(f"where_{name}", "")
            made[f"w_{name}"] = pl.lit(column_letters(columns[0]) if columns else where)
    return [expression.alias(name) for name, expression in _places(table, made).items()]


def _places(table: Table, made: Mapping[str, pl.Expr]) -> dict[str, pl.Expr]:
    """Return the dimensions with the most special place column that is filled, the wider ones naming what it lies in."""
    found = dict(made)
    alternatives = table.roles.get("place", ())
    if len(alternatives) > 1:
        found["d_place_2"] = pl.col(f"c{alternatives[1]}")
    sources: list[tuple[pl.Expr, str | None, str]] = []
    if alternatives:
        sources.append(
            (pl.coalesce([pl.col(f"c{column}") for column in alternatives]), None, column_letters(alternatives[0]))
        )
    for role, level in _LEVELS:
        for column in table.roles.get(role, ()):
            sources.append((pl.col(f"c{column}"), level, column_letters(column)))
    if not sources or (len(sources) == 1 and sources[0][1] is None):
        return found
    chosen = pl.coalesce([text for text, _, _ in sources])
    within: pl.Expr = pl.lit(None, dtype=pl.String())
    level_of: pl.Expr = pl.lit(None, dtype=pl.String())
    letters: pl.Expr = pl.lit(sources[0][2])
    for index in reversed(range(len(sources))):
        text, own_level, letter = sources[index]
        wider = [other for other, _, _ in sources[index + 1 :]]
        beyond = pl.coalesce(wider) if wider else pl.lit(None, dtype=pl.String())
        within = pl.when(text.is_not_null()).then(beyond).otherwise(within)
        level_of = pl.when(text.is_not_null()).then(pl.lit(own_level, dtype=pl.String())).otherwise(level_of)
        letters = pl.when(text.is_not_null()).then(pl.lit(letter)).otherwise(letters)
    found["d_place"] = pl.coalesce(chosen, pl.lit(table.constants.get("place"), dtype=pl.String()))
    found["d_within"] = pl.coalesce(within, made["d_within"])
    found["d_level"] = pl.coalesce(level_of, made["d_level"])
    found["w_place"] = letters
    return found


def _column_cells(body: pl.DataFrame, value: ValueColumn, table: Table) -> pl.DataFrame:
    letters = column_letters(value.index)
    header = cell_name(value.header_row, value.index)
    text = pl.col(f"c{value.index}")
    columns = [
        pl.col("sheet"),
        pl.col("row"),
        pl.lit(value.index, dtype=pl.Int32()).alias("col"),
        (pl.lit(letters) + pl.col("row").cast(pl.String())).alias("cell"),
        text.alias("text"),
        pl.col("total"),
        pl.col("caption"),
        pl.col("other_table"),
        pl.col("too_wide"),
        pl.lit(header).alias("header_cell"),
    ]
    for name in DIMENSIONS:
        stated = value.properties.get(name)
        row_first = name in ("extent", "unit", "basis", *table.roles) and name in table.roles
        own = pl.col(f"d_{name}")
        if stated is None:
            columns.append(own)
        elif row_first and name != "indicator":
            columns.append(pl.coalesce(own, pl.lit(stated)).alias(f"d_{name}"))
        else:
            columns.append(pl.lit(stated).alias(f"d_{name}"))
    columns += [
        (pl.lit(header) if name in value.properties else pl.col(f"w_{name}")).alias(f"w_{name}") for name in _LOCATED
    ]
    return body.select(columns)


def _marked(cells: pl.DataFrame, sheet: Sheet, table: Table) -> pl.DataFrame:
    """Add the marks of single cells; a merged area over values marks each of its cells."""
    marks = sheet.marks.with_columns(pl.col("row") + 1)
    indices = {value.index for value in table.values}
    areas = [
        (line + 1, column, f"merged {cell_name(top, left)}:{cell_name(bottom, right)}")
        for top, left, bottom, right in sheet.merged
        if top >= table.first_row and (left in indices or right in indices)
        for line in range(top, min(bottom, sheet.frame.height) + 1)
        for column in range(left, min(right, sheet.frame.width - 1) + 1)
    ]
    if areas:
        marks = pl.concat([pl.DataFrame(areas, schema=marks.schema, orient="row"), marks])
        marks = marks.unique(["row", "col"], keep="first", maintain_order=True)
    if marks.is_empty():
        return cells.with_columns(pl.lit(None, dtype=pl.String()).alias("mark"))
    return cells.join(marks, on=["row", "col"], how="left", maintain_order="left")
