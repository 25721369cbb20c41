"""The head of a returned form: whose form it is, and the fields that the body fills in."""

from __future__ import annotations

import re
from typing import Final

from dafeng.base.errors import AmbiguousNameError, PeriodError, UnknownNameError
from dafeng.base.form import HINTS, IDENTITY, FormIssue
from dafeng.base.period import Period, read_period
from dafeng.base.quantity import fold_width
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells
from dafeng.intake.form_layout import Rows
from dafeng.intake.form_values import read_cell
from dafeng.intake.sheets import Sheet

__all__ = ["HeadReader"]

_LABELLED: Final = re.compile(r"([^：:]{2,20})[：:]\s*(\S.*)", re.DOTALL)
_SEAL: Final = re.compile(r"\((?:盖章|公章|章)\)$")
_OTHERS: Final = {
    "填报单位": "form.issue.other-body",
    "地区": "form.issue.other-place",
    "报告期": "form.issue.other-period",
    "对象代码": "form.issue.other-subject",
}


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
                both = _LABELLED.fullmatch(text.strip())
                if plain in self._stated or plain in self._fields:
                    label, place = plain, column
                    self.cells.mark(sheet.name, index, column, text, "printed")
                elif both is not None and (both[1] in self._stated or both[1] in self._fields):
                    self._head_value(sheet.name, index, column, both[1], text, both[2])
                    label = ""
                elif label and column - place <= 3:
                    self._head_value(sheet.name, index, column, label, text, text.strip())
                    label = ""
                elif text.startswith("表单编号：") and self.issue.id not in text:
                    stated = f"表单编号：{self.issue.id}"
                    self.cells.problem(
                        "form.cell.print-changed", sheet.name, index, column, text, "changed", detail=stated
                    )
                elif self._is_printed(text):
                    self.cells.mark(sheet.name, index, column, text, "printed")

    def _is_printed(self, text: str) -> bool:
        starts = (self.issue.title, "表单编号：", "表号：", "制表机关：", "批准机关：", "批准文号：", "有效期至：")
        return text.strip() == HINTS[self.issue.layout] or text.startswith(starts)

    def _head_value(self, sheet: str, row: int, column: int, label: str, text: str, plain: str) -> None:
        cells = self.cells
        line = self._fields.get(label)
        if line is not None:
            answer = read_cell(plain, line)
            for problem in answer.problems:
                cells.problem(
                    problem.name, sheet, row, column, text, "head", value=problem.value, detail=problem.detail
                )
            cells.mark(sheet, row, column, text, "head")
            self.head[line.field] = answer.text or plain
            code = self._stated["对象代码"]
            if line.field == f"{self.issue.subject}_code" and code and fold_width(plain) != fold_width(code):
                self._other("form.issue.other-subject", sheet, row, column, text, plain, code)
            return
        stated = self._stated[label]
        if fold_width(plain) == fold_width(stated) or not stated or self._means_the_same(label, plain):
            cells.mark(sheet, row, column, text, "printed")
        elif label in _OTHERS:
            self._other(_OTHERS[label], sheet, row, column, text, plain, stated)
        else:
            cells.problem("form.cell.print-changed", sheet, row, column, text, "changed", value=plain, detail=stated)

    def _other(self, name: str, sheet: str, row: int, column: int, text: str, plain: str, stated: str) -> None:
        """Refuse the form as a whole: it is of another body, place, period or building."""
        self.accepted = False
        self.cells.problem(name, sheet, row, column, text, "refused", value=plain, detail=stated)

    def _means_the_same(self, label: str, plain: str) -> bool:
        """Return whether another way of writing body, place or period means what was printed."""
        issue, catalog = self.issue, self.catalog
        if label == "报告期":
            try:
                return read_period(plain).text == issue.period
            except PeriodError:
                return False
        if label == "地区":
            return [place.id for place in catalog.places.candidates(plain)] == [issue.place]
        if label == "填报单位":
            name = _SEAL.sub("", fold_width(plain))
            short = name.removeprefix(issue.place_name.rstrip("市区县"))
            for text in (name, short, name.removeprefix(issue.place_name)):
                try:
                    return text == issue.body_name or catalog.body(text, issue.place).id == issue.body
                except UnknownNameError:
                    continue
                except AmbiguousNameError:
                    return False
        return False

    def finish_head(self) -> None:
        """Tell head fields that were left blank."""
        blank = [line.title for line in self.issue.head if line.required and line.field not in self.head]
        if blank and self.cells.read_sheets:
            self.cells.tell("form.head.blank", min(self.cells.read_sheets), detail="、".join(blank))
