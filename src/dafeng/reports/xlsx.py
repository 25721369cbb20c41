"""XLSX: a worksheet for each table, frozen head, filter, print set-up, numbers as numbers; the second sheet is 口径."""

from __future__ import annotations

import io
import re
from datetime import datetime, time
from typing import Any, Final

import xlsxwriter

from dafeng.reports.document import Align, Cell, Report, Table
from dafeng.reports.packing import normalise_package
from dafeng.reports.wording import text_width

__all__ = ["render_xlsx"]

_BASIS: Final = "口径"
_FILLS: Final = {
    "met": "#D5EFE6", "met_early": "#D5EFE6", "holds": "#D5EFE6", "done": "#D5EFE6", "on_track": "#DDF0FB", "open": "#DDF0FB",
    "at_risk": "#FCF8C9", "off_track": "#FBE3C0", "missed": "#F7D4C4", "breached": "#F7D4C4", "overdue": "#F7D4C4",
    "unproven": "#F2F2F2", "no_data": "#E4E4E4", "unknown": "#E4E4E4", "depends_on_definition": "#F0DCE8",
}  # fmt: skip


def render_xlsx(report: Report) -> bytes:
    """Return the tables of a paper as a workbook; the same report gives the same bytes."""
    target = io.BytesIO()
    workbook = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_urls": False, "strings_to_formulas": False})
    workbook.set_properties(
        {
            "title": report.title,
            "author": report.creator,
            "created": datetime.combine(report.as_of, time()),
            "comments": "演示数据" if report.demonstration else "",
        }
    )
    formats = _Formats(workbook)
    names: set[str] = {_BASIS.casefold()}
    tables = list(report.tables())
    for position, table in enumerate(tables):
        _write_table(workbook, report, table, _sheet_name(table.title, names), formats)
        if position == 0:
            _write_basis(workbook, report, formats)
    if not tables:
        _write_basis(workbook, report, formats)
    workbook.close()
    return normalise_package(target.getvalue())


class _Formats:
    """Cell formats, made once for each combination in use."""

    def __init__(self, workbook: Any) -> None:
        self._workbook = workbook
        self._made: dict[tuple[tuple[str, object], ...], Any] = {}

    def of(self, **settings: object) -> Any:
        key = tuple(sorted(settings.items()))
        if key not in self._made:
            base = {"font_name": "宋体", "font_size": 10, "valign": "vcenter", "text_wrap": True}
            self._made[key] = self._workbook.add_format(base | settings)
        return self._made[key]


def _sheet_name(title: str, taken: set[str]) -> str:
    """Return a worksheet name: no forbidden mark, at most 31 characters, unique."""
    plain = re.sub(r"[\[\]:*?/\\]", " ", title).strip("' ")[:31] or "表"
    name, number = plain, 1
    while name.casefold() in taken:
        number += 1
        name = f"{plain[:27]} {number}"
    taken.add(name.casefold())
    return name


def _write_table(workbook: Any, report: Report, table: Table, name: str, formats: _Formats) -> None:
    sheet = workbook.add_worksheet(name)
    last = len(table.columns) - 1
    title = (
        table.title
        + ("【演示数据】" if report.demonstration else "")
        + (f"（单位：{table.unit}）" if table.unit else "")
    )
    heading = formats.of(bold=True, font_size=14, align="center", font_name="黑体", text_wrap=False)
    if last:
        sheet.merge_range(0, 0, 0, last, title, heading)
    else:
        sheet.write_string(0, 0, title, heading)
    sheet.set_row(0, 26)
    sheet.set_row(1, _height(tuple(Cell(text=column.title) for column in table.columns), table))
    for column, description in enumerate(table.columns):
        sheet.set_column(column, column, max(6.0, description.width * 0.62))
        sheet.write_string(
            1, column, description.title, formats.of(bold=True, align="center", border=1, bg_color="#E8EEF4")
        )
    for number, row in enumerate(table.rows, start=2):
        if row.group is not None:
            group = formats.of(bold=True, border=1, bg_color="#F3F3F3", text_wrap=False)
            if last:
                sheet.merge_range(number, 0, number, last, row.group, group)
            else:
                sheet.write_string(number, 0, row.group, group)
            continue
        for column, cell in enumerate(row.cells):
            _write_cell(sheet, number, column, cell, table.columns[column].align, formats)
        sheet.set_row(number, _height(row.cells, table))
    sheet.freeze_panes(2, min(2, last))
    sheet.autofilter(1, 0, max(1, len(table.rows) + 1), last)
    wide = sum(column.width for column in table.columns) > 156
    if wide:
        sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.6, right=0.6, top=0.9, bottom=0.8)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0, 1)
    sheet.print_area(0, 0, len(table.rows) + 1, last)
    sheet.set_header("&C演示数据 DEMONSTRATION DATA" if report.demonstration else "")
    sheet.set_footer("&C— &P —")


def _height(cells: tuple[Cell, ...], table: Table) -> float:
    lines = 1
    for cell, column in zip(cells, table.columns, strict=True):
        room = max(2.0, column.width * 0.62 / 2)
        lines = max(lines, sum(int(-(-max(1.0, text_width(line)) // room)) for line in cell.shown.split("\n")))
    return min(400.0, 4.0 + 13.5 * lines)


def _write_cell(sheet: Any, row: int, column: int, cell: Cell, align: Align, formats: _Formats) -> None:
    settings: dict[str, object] = {"border": 1, "align": align.value, "bold": cell.strong}
    if cell.state in _FILLS:
        settings["bg_color"] = _FILLS[cell.state]
    if cell.number is not None:
        places = "0" if cell.digits == 0 else "0." + "0" * cell.digits
        sheet.write_number(row, column, cell.number, formats.of(**settings, num_format=places))
    elif cell.shown:
        sheet.write_string(row, column, cell.shown, formats.of(**settings))
    else:
        sheet.write_blank(row, column, None, formats.of(**settings))


def _write_basis(workbook: Any, report: Report, formats: _Formats) -> None:
    sheet = workbook.add_worksheet(_BASIS)
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 96)
    for column, title in enumerate(("名称", "口径、约定与说明")):
        sheet.write_string(0, column, title, formats.of(bold=True, align="center", border=1, bg_color="#E8EEF4"))
    for row, (name, text) in enumerate(report.basis, start=1):
        sheet.write_string(row, 0, name, formats.of(border=1, bold=True))
        sheet.write_string(row, 1, text, formats.of(border=1))
    sheet.freeze_panes(1, 0)
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_header("&C演示数据 DEMONSTRATION DATA" if report.demonstration else "")
