"""The head of a returned form: whose form it is, and the fields that the body fills in."""

from __future__ import annotations

from dafeng.base.errors import PeriodError
from dafeng.base.form import HINTS, IDENTITY, FormIssue
from dafeng.base.period import Period, read_period
from dafeng.base.quantity import fold_width
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells
from dafeng.intake.form_layout import Rows
from dafeng.intake.form_values import read_cell
from dafeng.intake.sheets import Sheet

__all__ = ["HeadReader"]


class HeadReader:
    """Reads what stands above the table of a form: whose form it is, and the head fields.

    Parameters
    ----------
    issue : FormIssue
    catalog : Catalog
    cells : FormCells

    Attributes
    ----------
    accepted : bool
        False once the head says that the form is of another body, period or place.
    head : dict
        Head fields as filled in, by field.
    """

    def __init__(self, issue: FormIssue, catalog: Catalog, cells: FormCells) -> None:
        self.issue = issue
        self.catalog = catalog
        self.cells = cells
        self.accepted = True
        self.head: dict[str, str] = {}
        self.reasons = {fold_width(term.zh): code for code, term in catalog.terms["missing_reason"].items()}
        subject = issue.subjects[0] if issue.layout == "lines" and issue.subjects else None
        stated = (
            issue.body_name, issue.place_name, Period.parse(issue.period).title, str(issue.due),
            subject.code if subject else "", subject.name if subject else "",
        )  # fmt: skip
        self._stated = dict(zip(IDENTITY, stated, strict=True))
        self._fields = {line.title: line for line in issue.head}

    def read_head(self, sheet: Sheet, rows: Rows, end: int) -> None:
        """Read the rows above `end`."""
        for index, row in enumerate(rows[:end]):
            label, place = "", 0
            for column, text in enumerate(row):
                if text is None:
                    continue
                plain = text.strip().rstrip("：:")
                if plain in self._stated or plain in self._fields:
                    label, place = plain, column
                    self.cells.mark(sheet.name, index, column, text, "printed")
                elif label and column - place <= 3:
                    self._head_value(sheet.name, index, column, label, text)
                    label = ""
                elif self._is_printed(text):
                    self.cells.mark(sheet.name, index, column, text, "printed")

    def _is_printed(self, text: str) -> bool:
        starts = (self.issue.title, "表单编号：", "表号：", "制表机关：", "批准机关：", "批准文号：", "有效期至：")
        return text.strip() == HINTS[self.issue.layout] or text.startswith(starts)

    def _head_value(self, sheet: str, row: int, column: int, label: str, text: str) -> None:
        cells, plain = self.cells, text.strip()
        line = self._fields.get(label)
        if line is not None:
            answer = read_cell(text, line)
            for problem in answer.problems:
                cells.problem(
                    problem.name, sheet, row, column, text, "head", value=problem.value, detail=problem.detail
                )
            cells.mark(sheet, row, column, text, "head")
            self.head[line.field] = answer.text or plain
            return
        stated = self._stated[label]
        if fold_width(plain) == fold_width(stated) or not stated:
            cells.mark(sheet, row, column, text, "printed")
            return
        if label == "报告期":
            try:
                same = read_period(plain).text == self.issue.period
            except PeriodError:
                same = False
            name = "" if same else "form.issue.other-period"
        else:
            name = {"填报单位": "form.issue.other-body", "地区": "form.issue.other-place"}.get(label, "")
        if name:
            self.accepted = False
            cells.problem(name, sheet, row, column, text, "refused", value=plain, detail=stated)
        else:
            cells.problem("form.cell.print-changed", sheet, row, column, text, "changed", value=plain, detail=stated)

    def finish_head(self) -> None:
        """Tell head fields that were left blank."""
        blank = [line.title for line in self.issue.head if line.required and line.field not in self.head]
        if blank and self.cells.read_sheets:
            self.cells.tell("form.head.blank", min(self.cells.read_sheets), detail="、".join(blank))
