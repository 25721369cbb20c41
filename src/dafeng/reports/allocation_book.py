"""The consultation workbook (征求意见表): what is sent stands locked, what a member answers free; read back by its hidden marks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any, Final

import xlsxwriter

from dafeng.base.consultation import CONSULTATION_COLUMN, CONSULTATION_FORMAT
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.pathways.allocation_consultation import Consultation, ConsultedRow, consulted_rows
from dafeng.pathways.allocation_problem import DividedKind
from dafeng.reports.allocation_annex import ALLOCATION_DRAFT, allocation_basis, digits_of
from dafeng.reports.ledger_book import GUIDE_SHEET
from dafeng.reports.packing import normalise_package
from dafeng.reports.wording import date_zh, text_width

__all__ = ["ANSWER_SHEET", "consultation_workbook"]

ANSWER_SHEET: Final = "征求意见表"
_MACHINE_ROW, _TITLE_ROW, _GROUP_ROW, _HEAD_ROW, _FIRST_ROW = range(5)
_HEADS: Final = {
    "clause": ("条款", 9.0),
    "label": ("目标", 26.0),
    "unit": ("单位", 10.0),
    "member": ("承担单位", 16.0),
    "present": ("现值", 11.0),
    "basis": ("依据占比（%）", 12.0),
    "value": ("分解数", 12.0),
}
_ANSWERS: Final = {
    "answer": ("答复", 11.0),
    "proposed": ("建议数", 12.0),
    "reason": ("理由", 34.0),
    "person": ("填报人", 10.0),
}
_GUIDE: Final = (
    (
        "怎样填",
        "只填橙色各列：答复选“同意”或“修改建议”；建议修改的，填建议数（与“单位”列同一单位）和理由。别处的行留空。",
    ),
    (
        "合计",
        "各地之和必须等于总量。一地的建议被采纳后，差额由组织方按原依据在其他各地间重新分解，或作为未落实数列出。",
    ),
    ("不要改动", "蓝色各列已锁定；改动锁定的数字，该行答复作废。不要删除隐藏的行、列和工作表。"),
    ("送回", "填好后存为 .xlsx 送回；组织方用 dafeng path allocate-answers 读回，填错的格逐格指出。"),
)


def consultation_workbook(consultation: Consultation, *, members: Sequence[str] | None = None) -> bytes:
    """Return the workbook that is sent: a row a target and member, with columns for the answer.

    Parameters
    ----------
    consultation : Consultation
    members : sequence of str, optional
        Only their rows; every row where None, so that each sees what the others get.

    Returns
    -------
    bytes
        XLSX; the same arguments give the same bytes.
    """
    rows = [row for row in consulted_rows(consultation) if members is None or row.share.member in members]
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_urls": False, "strings_to_formulas": False})
    title = f"{consultation.plan_title}目标分解{ALLOCATION_DRAFT}"
    book.set_properties({"title": title, "created": datetime.combine(consultation.sent_on, time())})
    writer = _Book(book)
    writer.answers(title, rows)
    writer.guide(consultation)
    sheet = book.add_worksheet(MACHINE_SHEET)
    sheet.hide()
    facts = [("format", CONSULTATION_FORMAT), ("consultation", consultation.id), ("digest", consultation.digest)]
    for number, (name, text) in enumerate((*facts, *(("row", row.key) for row in rows))):
        sheet.write_string(number, 0, name)
        sheet.write_string(number, 1, text)
    book.close()
    return normalise_package(target.getvalue())


class _Book:
    """Writes the sheets."""

    def __init__(self, book: Any) -> None:
        self.book = book
        base = {"font_name": "宋体", "font_size": 10, "valign": "vcenter", "text_wrap": True, "border": 1}
        head = base | {"bold": True, "align": "center"}
        free = base | {"locked": False, "bg_color": "#FFF9EF"}
        self.base, self.free = base, free
        self.formats = {
            "title": book.add_format({"font_name": "黑体", "font_size": 14, "bold": True}),
            "hint": book.add_format({"font_name": "宋体", "font_size": 9, "font_color": "#595959", "italic": True}),
            "head": book.add_format(head | {"bg_color": "#E8EEF4"}),
            "group": book.add_format(head | {"bg_color": "#D7E3EE"}),
            "free_head": book.add_format(head | {"bg_color": "#FBE3C0"}),
            "free_group": book.add_format(head | {"bg_color": "#F6C98B"}),
            "text": book.add_format(base),
            "free": book.add_format(free),
            "machine": book.add_format({"font_size": 8, "font_color": "#808080"}),
        }
        self.numbers: dict[tuple[int, bool], Any] = {}

    def number(self, digits: int, *, free: bool = False) -> Any:
        """Return the format of numbers of so many decimals."""
        key = (digits, free)
        if key not in self.numbers:
            places = "0" if digits == 0 else "0." + "0" * digits
            self.numbers[key] = self.book.add_format(
                (self.free if free else self.base) | {"align": "right", "num_format": places}
            )
        return self.numbers[key]

    def answers(self, title: str, rows: Sequence[ConsultedRow]) -> None:
        """Write the sheet that is filled in."""
        sheet = self.book.add_worksheet(ANSWER_SHEET)
        years = sorted({year for row in rows for year in row.share.yearly})
        locked = {**_HEADS, **{f"y{year}": (f"{year}年", 11.0) for year in years}}
        columns = [*locked, *_ANSWERS]
        split = 1 + len(locked)
        sheet.set_row(_MACHINE_ROW, 8, None, {"hidden": True})
        sheet.set_row(_TITLE_ROW, 26)
        sheet.set_row(_HEAD_ROW, 30)
        sheet.set_column(0, 0, 2, None, {"hidden": True})
        sheet.write_string(_MACHINE_ROW, 0, f"{CONSULTATION_COLUMN}key", self.formats["machine"])
        for row_number in (_TITLE_ROW, _GROUP_ROW, _HEAD_ROW):
            sheet.write_string(row_number, 0, "#", self.formats["machine"])
        sheet.write_string(_TITLE_ROW, 1, title, self.formats["title"])
        sheet.merge_range(_GROUP_ROW, 1, _GROUP_ROW, split - 1, "拟分解（锁定）", self.formats["group"])
        sheet.merge_range(_GROUP_ROW, split, _GROUP_ROW, len(columns), "答复", self.formats["free_group"])
        for place, name in enumerate(columns, start=1):
            head, width = (locked | _ANSWERS)[name]
            sheet.set_column(place, place, width)
            sheet.write_string(_MACHINE_ROW, place, f"{CONSULTATION_COLUMN}{name}", self.formats["machine"])
            sheet.write_string(_HEAD_ROW, place, head, self.formats["free_head" if name in _ANSWERS else "head"])
        for number, row in enumerate(rows, start=_FIRST_ROW):
            self._row(sheet, number, row, columns)
        last = max(_FIRST_ROW, _FIRST_ROW + len(rows) - 1)
        places = {name: place for place, name in enumerate(columns, start=1)}
        choice = {
            "validate": "list",
            "source": ["同意", "修改建议"],
            "error_title": "答复",
            "error_message": "请选同意或修改建议，或留空",
        }
        sheet.data_validation(_FIRST_ROW, places["answer"], last, places["answer"], choice)
        decimal = {
            "validate": "decimal", "criteria": ">=", "value": 0, "error_type": "warning", "error_title": "建议数",
            "error_message": "请填一个数，不带单位",
        }  # fmt: skip
        sheet.data_validation(_FIRST_ROW, places["proposed"], last, places["proposed"], decimal)
        sheet.freeze_panes(_FIRST_ROW, places["member"] + 1)
        sheet.autofilter(_HEAD_ROW, 1, last, len(columns))
        allowed = ("format_cells", "format_columns", "format_rows", "sort", "autofilter")
        sheet.protect("", dict.fromkeys(allowed, True))
        sheet.set_landscape()
        sheet.set_paper(8)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(_TITLE_ROW, _HEAD_ROW)
        sheet.set_footer("&C— &P / &N —")

    def _row(self, sheet: Any, number: int, row: ConsultedRow, columns: Sequence[str]) -> None:
        problem = row.allocation.problem
        digits = digits_of(problem.digit)
        shown = row.shown()
        sheet.write_string(number, 0, row.key, self.formats["machine"])
        for place, name in enumerate(columns, start=1):
            if name in _ANSWERS:
                free = self.number(digits, free=True) if name == "proposed" else self.formats["free"]
                sheet.write_blank(number, place, None, free)
                continue
            value = shown.get(name)
            if value is None:
                sheet.write_blank(number, place, None, self.formats["text"])
            elif isinstance(value, str):
                sheet.write_string(number, place, value, self.formats["text"])
            else:
                decimals = 2 if name in ("basis", "present") else 0 if problem.kind is DividedKind.EVENT else digits
                sheet.write_number(number, place, value, self.number(decimals))
        lines = max(1, int(-(-text_width(problem.label) // 11)))
        sheet.set_row(number, 6.0 + 14.0 * lines)

    def guide(self, consultation: Consultation) -> None:
        """Write how the book is filled, and what each division rests on."""
        sheet = self.book.add_worksheet(GUIDE_SHEET)
        sheet.set_column(0, 0, 22)
        sheet.set_column(1, 1, 96)
        sheet.write_string(0, 0, GUIDE_SHEET, self.formats["title"])
        due = "" if consultation.due is None else f"；请于{date_zh(consultation.due)}前答复"
        told = f"{date_zh(consultation.sent_on)}发出{due}；编号 {consultation.id}"
        sheet.write_string(1, 0, told, self.formats["hint"])
        basis = allocation_basis(consultation.allocations, consultation=consultation.id)
        for row, (name, text) in enumerate((*_GUIDE, *basis), start=3):
            sheet.write_string(row, 0, name, self.formats["head"])
            sheet.write_string(row, 1, text, self.formats["text"])
            sheet.set_row(row, 6.0 + 13.5 * max(1, int(-(-text_width(text) // 41)), int(-(-text_width(name) // 9))))
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.protect()
