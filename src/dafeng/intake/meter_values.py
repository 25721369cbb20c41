"""Values of meters as tables write them, whole columns at once: numbers, decimal commas, blanks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import polars as pl

from dafeng.intake.numbers import PLAIN_NUMBER, read_numbers

__all__ = ["VALUE_SCHEMA", "decimal_comma", "read_values"]

VALUE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "value": pl.Float64(),
    "unit": pl.String(),
    "problem": pl.String(),
}
"""What a cell says: a number, the unit that stands with it, and why it cannot be read; all null where the cell is blank or
states a gap."""
_COMMA: Final = r"^[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+),[0-9]+$"
_PROVES: Final = (
    r"^[+-]?(?:[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0[0-9]*,[0-9]+|[0-9]{4,},[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+)$"
)


def decimal_comma(columns: Iterable[pl.Series]) -> bool:
    """Return whether the columns of a table write decimals with a comma: one cell proves it, and none speaks against it.

    Examples
    --------
    >>> decimal_comma([pl.Series(["1,5", "12", "1,250"])]), decimal_comma([pl.Series(["1,250", "3,000"])])
    (True, False)
    """
    proved = False
    for texts in columns:
        if texts.dtype != pl.String:
            continue
        commas = texts.filter(texts.str.contains(",", literal=True)).str.strip_chars()
        if commas.is_empty():
            continue
        if not commas.str.contains(_COMMA).all():
            return False
        proved = proved or bool(commas.str.contains(_PROVES).any())
    return proved


def read_values(cells: pl.Series, *, comma: bool = False) -> pl.DataFrame:
    """Return what each cell says.

    Parameters
    ----------
    cells : Series
        Texts or numbers.
    comma : bool
        Whether decimals are written with a comma.

    Returns
    -------
    DataFrame of `VALUE_SCHEMA`, shape (cell, 3)

    Examples
    --------
    >>> read_values(pl.Series(["1.5", "1,250", "—", None, "故障"])).rows()
    [(1.5, None, None), (1250.0, None, None), (None, None, None), (None, None, None), (None, None, 'value-not-a-number')]
    """
    if cells.dtype.is_numeric():
        value = cells.cast(pl.Float64).rename("value")
        endless = value.is_infinite().fill_null(False)
        frame = pl.DataFrame([value.fill_nan(None)])
        return frame.select(
            pl.when(~endless).then("value").alias("value"),
            pl.lit(None, pl.String).alias("unit"),
            pl.when(endless).then(pl.lit("value-not-finite")).alias("problem"),
        )
    texts = cells.cast(pl.String).str.strip_chars()
    if comma:
        texts = (
            texts.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
            if texts.str.contains(",", literal=True).any()
            else texts
        )
    plain = texts.str.contains(PLAIN_NUMBER).fill_null(False)
    value = pl.select(pl.when(plain).then(texts)).to_series().cast(pl.Float64, strict=False)
    frame = pl.DataFrame([texts.alias("text"), value.alias("value"), plain.alias("plain")])
    odd = frame.filter(~pl.col("plain") & pl.col("text").is_not_null()).select("text").unique()
    if odd.height:
        read = odd.hstack(read_numbers(odd["text"]).select(pl.col("value").alias("odd"), "unit", "missing", "problem"))
        frame = frame.join(read, on="text", how="left", maintain_order="left")
        taken = (pl.col("problem").fill_null("") == "") & pl.col("missing").is_null() & (pl.col("unit") != "yes_no")
        frame = frame.with_columns(
            value=pl.when(pl.col("plain")).then("value").when(taken).then("odd"),
            unit=pl.when(taken & (pl.col("unit") != "")).then("unit"),
            problem=pl.when(
                ~pl.col("plain") & pl.col("text").is_not_null() & pl.col("missing").is_null() & ~taken
            ).then(pl.lit("value-not-a-number")),
        )
    else:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("unit"), pl.lit(None, pl.String).alias("problem"))
    huge = pl.col("value").is_infinite().fill_null(False)
    return frame.select(
        pl.when(~huge).then("value").alias("value"),
        "unit",
        pl.when(huge).then(pl.lit("value-not-finite")).otherwise("problem").alias("problem"),
    )
