"""What becomes of the cells of a returned form: fates, findings, and the answer to each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Location
from dafeng.base.form import FormLine
from dafeng.intake.form_kinds import say
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["FormCells", "RowAnswer", "marks_of"]

LISTED: Final = 200
"""Findings of one name that are listed one by one."""


class FormCells:
    """Fates of cells and findings, as they are collected.

    Parameters
    ----------
    file : str
        Name for messages.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.told: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self.read_sheets: set[str] = set()
        self._fates: dict[tuple[str, int, int], tuple[str, str, list[str]]] = {}

    def tell(self, name: str, sheet: str = "", cell: str = "", *, value: str = "", detail: str = "") -> None:
        """Add a finding; of one name `LISTED` at most are kept, the rest is counted."""
        self._counts[name] += 1
        if self._counts[name] <= LISTED:
            self.told.append(say(name, file=self.file, sheet=sheet, cell=cell, value=value, detail=detail))

    @property
    def findings(self) -> list[Finding]:
        """All findings, the heaviest first; what is not listed one by one is counted."""
        rest = [
            finding.model_copy(
                update={
                    "sentence": f"另有 {count - LISTED} 处同样的问题未逐一列出",
                    "value": "",
                    "where": Location(file=self.file),
                    "evidence": {"more": count - LISTED},
                }
            )
            for name, count in self._counts.items()
            if count > LISTED
            for finding in [next(one for one in self.told if one.name == name)]
        ]
        return sorted([*self.told, *rest], key=lambda finding: -finding.severity.rank)

    def has(self, sheet: str, row: int, column: int) -> bool:
        """Return whether a cell has a fate."""
        return (sheet, row, column) in self._fates

    def mark(self, sheet: str, row: int, column: int, text: str, fate: str, names: Sequence[str] = ()) -> None:
        """Give a cell its fate; a later one replaces an earlier one, problems stay."""
        earlier = self._fates.get((sheet, row, column))
        kept = [*(earlier[2] if earlier else ()), *names]
        self._fates[sheet, row, column] = (text, fate, list(dict.fromkeys(kept)))

    def problem(
        self, name: str, sheet: str, row: int, column: int, text: str, fate: str, *, value: str = "", detail: str = ""
    ) -> None:
        """Add a finding at a cell, with the cell's fate."""
        self.tell(name, sheet, cell_name(row, column), value=value or text, detail=detail)
        self.mark(sheet, row, column, text, fate, [name])

    def refuse_all(self) -> None:
        """Refuse every cell that was filled in: nothing of the form is taken."""
        for key, (text, fate, names) in self._fates.items():
            if fate in ("answer", "answer_with_finding", "reason", "note", "head"):
                self._fates[key] = (text, "refused", names)

    def frame(self) -> pl.DataFrame:
        """Return all cells in the order of the sheets."""
        ordered = sorted(self._fates.items(), key=lambda item: item[0])
        names = ("sheet", "cell", "text", "fate", "findings")
        rows = [(key[0], cell_name(*key[1:]), text, fate, " ".join(found)) for key, (text, fate, found) in ordered]
        return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String()), orient="row")


@dataclass(frozen=True)
class RowAnswer:
    """What a line (of a row) was answered.

    Parameters
    ----------
    line : FormLine
    state : str
        answered, answered_with_finding, reason_given, blank, refused.
    value, missing, shown, note, unit, estimate
        What the cells say.
    sheet, row, column
        Where the value stands; row and column count from 0, -1 where the line is nowhere.
    problems : tuple of str
        Names of findings.
    row_code, row_name, place : str
        For a form of rows: whose row it is; ``place`` where rows are places.
    """

    line: FormLine
    state: str = "blank"
    value: float | None = None
    missing: str | None = None
    shown: str = ""
    note: str = ""
    unit: str = ""
    estimate: bool = False
    sheet: str = ""
    row: int = -1
    column: int = -1
    problems: tuple[str, ...] = ()
    row_code: str = ""
    row_name: str = ""
    place: str = ""

    def refused(self, name: str = "") -> RowAnswer:
        """Return the answer as not taken; a blank stays one."""
        if self.state == "blank":
            return self
        named = (*self.problems, *((name,) if name else ()))
        return replace(self, state="refused", value=None, missing=None, problems=named)

    def says_the_same(self, other: RowAnswer) -> bool:
        """Return whether two answers to one line agree."""
        mine = (self.state == "refused", self.value, self.missing, "" if self.value is not None else self.shown)
        return mine == (
            other.state == "refused",
            other.value,
            other.missing,
            "" if other.value is not None else other.shown,
        )


def marks_of(sheet: Sheet) -> dict[tuple[int, int], str]:
    """Return the marks of cells, those merged over several rows among them."""
    marks = {(row, column): mark for row, column, mark in sheet.marks.iter_rows()}
    for top, left, bottom, right in sheet.merged:
        if bottom > top:
            marks |= {
                (row, left): f"merged:{cell_name(top, left)}:{cell_name(bottom, right)}"
                for row in range(top, bottom + 1)
            }
    return marks
