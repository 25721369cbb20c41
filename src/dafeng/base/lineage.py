"""Lineage: where a figure came from, as rows that observations point at by id."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import polars as pl

__all__ = ["LINEAGE_SCHEMA", "LineageKind"]


class LineageKind(StrEnum):
    """What sort of thing a figure came from."""

    CELL = "cell"
    FORM = "form"
    QUERY = "query"
    FORMULA = "formula"
    FACTOR = "factor"
    RUN = "run"


LINEAGE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "kind": pl.String(),
    "document": pl.String(),
    "file": pl.String(),
    "sheet": pl.String(),
    "cell": pl.String(),
    "text": pl.String(),
    "detail": pl.String(),
}
"""Columns of the lineage table: id, kind, SHA-256 of the document, its file name, sheet, cell, the text as it stood, and
further facts as JSON."""
