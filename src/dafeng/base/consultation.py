"""Answers to a consultation (征求意见) as they stand in a workbook that came back: texts by field, and in which cell."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from dafeng.base.record import Record

__all__ = ["CONSULTATION_COLUMN", "CONSULTATION_FORMAT", "AnswerEntry", "AnswerPaper"]

CONSULTATION_FORMAT: Final = "dafeng-consultation/1"
"""Name of the layout, on the hidden sheet."""
CONSULTATION_COLUMN: Final = "dafeng-consult:"
"""What stands before a column's name in the hidden first row."""


class AnswerEntry(Record):
    """One row of an answered workbook."""

    key: str
    """Target and member, joined by ``|``."""
    texts: dict[str, str]
    """What stands in each column that is not blank, by the column's name."""
    cells: dict[str, str] = Field(default_factory=dict)
    """Name of each column's cell in this row."""
    sheet: str = ""
    """Worksheet."""


class AnswerPaper(Record):
    """An answered workbook."""

    file: str
    """File name."""
    consultation: str
    """Id of the consultation that it says it answers."""
    digest: str
    """Digest of what was sent, as it says."""
    listed: tuple[str, ...]
    """Rows that it was made with."""
    entries: tuple[AnswerEntry, ...]
    """Rows as they came back."""
