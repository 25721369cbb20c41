"""Blank forms as workbooks, and one archive a body: made so that whatever is done to a form, its figures are read back.

The data sheet has a visible column with the code of each line, so that rows may be sorted, moved and inserted; only the
cells to be filled in are unlocked, each with a rule (bounds, choices). A second sheet explains every line; a hidden one
holds the issue itself.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from dafeng.base.form import (
    FORM_FORMAT,
    GUIDE_HEADS,
    GUIDE_SHEET,
    HEADS,
    HINTS,
    IDENTITY,
    FormEntry,
    FormFilling,
    FormIssue,
    FormLine,
    guide_rows,
)
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.base.period import Period
from dafeng.catalog.catalog import Catalog
from dafeng.reports.packing import PACKAGE_TIME, normalise_package
from dafeng.reports.wording import text_width

__all__ = ["FORM_SHEET", "GUIDE_SHEET", "form_archive", "form_archives", "form_book", "form_file_name"]

FORM_SHEET: Final = "填报表"
_YES_NO: Final = ("是", "否")
_WIDTHS: Final = {
    "line": 9.5, "code": 24.0, "title": 30.0, "meaning": 20.0, "unit": 14.0, "last": 13.0, "value": 15.0, "reason": 12.0, "note": 24.0,
}  # fmt: skip
_CHUNK: Final = 30_000
_SPARE_ROWS: Final = 300
_BLANK: Final = FormEntry()
_PLAIN_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
_REASONS: Final = ("not_reported", "not_applicable", "not_available", "confidential", "below_precision")


def form_book(issue: FormIssue, catalog: Catalog, filling: FormFilling | None = None) -> bytes:
    """Return the workbook of an issue, blank or as filled in.

    Parameters
    ----------
    issue : FormIssue
    catalog : Catalog
        Words of the reasons for a gap.
    filling : FormFilling, optional
        What stands in the cells of a form of lines; text never becomes a formula.

    Returns
    -------
    bytes
        XLSX; the same issue gives the same bytes.

    Examples
    --------
    >>> from dafeng.base.form import FormIssue, FormLine
    >>> from dafeng.catalog import load_catalog
    >>> line = FormLine(id="001-abcd", title="供水总量", indicator="water_supply_volume", unit="万立方米")
    >>> issue = FormIssue(id="a", form="b", version="1", title="供水", body="c", body_name="水务局", place="qingdao",
    ...                   place_name="青岛市", period="2025", due=date(2026, 3, 31), lines=(line,))
    >>> form_book(issue, load_catalog())[:2]
    b'PK'
    """
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_urls": False, "strings_to_formulas": False})
    created = datetime.combine(issue.asked_on or date(2000, 1, 1), time())
    book.set_properties({"title": f"{issue.title}（{Period.parse(issue.period).title}）", "created": created})
    reasons = {code: catalog.term("missing_reason", code) for code in _REASONS}
    writer = _Book(book, issue, reasons, filling or FormFilling())
    writer.write()
    book.close()
    return normalise_package(target.getvalue())


def form_file_name(issue: FormIssue) -> str:
    """Return the file name of a form: form, place and period in words, without marks that file systems refuse.

    Examples
    --------
    >>> from dafeng.base.form import FormIssue
    >>> form_file_name(FormIssue(id="a", form="b", version="1", title="供水/排水", body="c", body_name="水务局", place="qingdao",
    ...     place_name="青岛市", period="2025-01..09", due=date(2025, 10, 5), lines=()))
    '供水排水_青岛市_2025年1–9月.xlsx'
    """
    subject = issue.subjects[0].code if issue.layout == "lines" and issue.subjects else ""
    parts = (issue.title, issue.place_name, subject, Period.parse(issue.period).title)
    return "_".join(_plain(part) for part in parts if part) + ".xlsx"


def _plain(text: str) -> str:
    return "".join(letter for letter in text if letter not in '\\/:*?"<>|[]' and letter.isprintable()).strip()[:60]


def form_archive(issues: Sequence[FormIssue], catalog: Catalog) -> bytes:
    """Return the forms of one body as a ZIP with the same bytes for the same issues."""
    target = io.BytesIO()
    taken: set[str] = set()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for issue in issues:
            name = form_file_name(issue)
            if name in taken:
                name = f"{name.removesuffix('.xlsx')}_{_plain(issue.form)}_{len(taken) + 1}.xlsx"
            taken.add(name)
            member = zipfile.ZipInfo(name, PACKAGE_TIME)
            member.create_system = 0
            archive.writestr(member, form_book(issue, catalog))
    return target.getvalue()


def form_archives(by_body: Mapping[str, Sequence[FormIssue]], catalog: Catalog) -> Iterable[tuple[str, bytes]]:
    """Yield for each body the file name of its archive and the archive, one at a time."""
    for body, issues in by_body.items():
        yield f"{_plain(issues[0].body_name)}_{body}.zip", form_archive(issues, catalog)


class _Book:
    """Writes one form."""

    def __init__(self, book: Any, issue: FormIssue, reasons: Mapping[str, str], filling: FormFilling) -> None:
        self.book = book
        self.issue = issue
        self.reasons = reasons
        self.filling = filling
        base = {"font_name": "宋体", "font_size": 10, "valign": "vcenter"}
        cell = base | {"border": 1, "border_color": "#7F7F7F"}
        fill = {"locked": False, "bg_color": "#FFFBE6"}
        self.formats = {
            name: book.add_format(settings)
            for name, settings in {
                "title": base | {"bold": True, "font_size": 15, "font_name": "黑体", "align": "center"},
                "small": base | {"font_size": 9, "font_color": "#404040"},
                "hint": base | {"font_size": 9, "text_wrap": True, "valign": "top"},
                "label": cell | {"bg_color": "#F2F2F2"},
                "fixed": cell | {"text_wrap": True},
                "fill": cell | fill | {"num_format": "@"},
                "head": cell | {"bold": True, "align": "center", "bg_color": "#DCE6F0", "text_wrap": True},
                "machine": cell | {"font_size": 8, "font_color": "#808080", "text_wrap": True},
                "text": cell | {"text_wrap": True},
                "unit": cell | {"align": "center", "text_wrap": True, "font_size": 9},
                "own": cell | {"text_wrap": True, "bold": True},
                "last": cell | {"num_format": "#,##0.######", "font_color": "#606060"},
                "number": cell | fill | {"num_format": "General"},
                "choice": cell | fill | {"align": "center", "num_format": "@"},
                "date": cell | fill | {"align": "center", "num_format": "yyyy-mm-dd"},
                "note": cell | fill | {"num_format": "@", "text_wrap": True},
            }.items()
        }
        self.sheet = book.add_worksheet(FORM_SHEET)
        self.guide = book.add_worksheet(GUIDE_SHEET)
        self.machine = book.add_worksheet(MACHINE_SHEET)
        self.machine.hide()
        self.lists: list[tuple[str, ...]] = []

    def write(self) -> None:
        """Write the three sheets."""
        width = len(_WIDTHS) if self.issue.layout == "lines" else self._row_width()
        top = self._write_head(max(width, 6))
        last = self._write_lines(top) if self.issue.layout == "lines" else self._write_rows(top)
        self._finish(last, top, width)
        self._write_guide()
        self._write_machine()

    def _row_width(self) -> int:
        return len(self.issue.lines) + (2 if self.issue.subject == "place" else 0) + 1

    def _write_head(self, width: int) -> int:
        """Write title, identity and head fields; return the first row below."""
        issue, sheet = self.issue, self.sheet
        shown = min(width, 18)
        sheet.merge_range(0, 0, 0, shown - 1, issue.title, self.formats["title"])
        sheet.set_row(0, 28)
        law = [
            ("表号", issue.number),
            ("制表机关", issue.issuer),
            ("批准机关", issue.approver),
            ("批准文号", issue.approval),
        ]
        if issue.valid_to:
            law.append(("有效期至", str(issue.valid_to)))
        stated = "　".join(f"{name}：{text}" for name, text in law if text)
        sheet.write_string(1, 0, f"表单编号：{issue.id}　版本：{issue.version}", self.formats["small"])
        if stated:
            sheet.write_string(2, 0, stated, self.formats["small"])
        sheet.merge_range(3, 0, 3, shown - 1, HINTS[issue.layout], self.formats["hint"])
        sheet.set_row(3, 26)
        stated_items = [issue.body_name, issue.place_name, Period.parse(issue.period).title, str(issue.due)]
        if issue.layout == "lines" and issue.subjects:
            stated_items += [issue.subjects[0].code, issue.subjects[0].name]
        items: list[tuple[str, str | None, FormLine | None]] = [
            (label, text, None) for label, text in zip(IDENTITY, stated_items, strict=False)
        ]
        items += [(line.title, self.filling.head.get(line.field), line) for line in issue.head]
        lines = issue.layout == "lines"
        spots = ((0, 1, 1), (2, 3, 4), (5, 6, 7)) if lines else ((0, 1, 2), (3, 4, 5), (6, 7, 8))
        places = spots[: max(1, width // 3)]
        row = 4
        for index, (label, text, line) in enumerate(items):
            at, value, end = places[index % len(places)]
            row = 4 + index // len(places)
            sheet.write_string(row, at, label, self.formats["label"])
            style = self.formats["fixed" if line is None else "date" if line.type == "date" else "fill"]
            if end > value:
                sheet.merge_range(row, value, row, end, text or "", style)
            elif text:
                sheet.write_string(row, value, text, style)
            else:
                sheet.write_blank(row, value, None, style)
            if line is not None and line.type == "date":
                sheet.data_validation(row, value, row, value, _date_rule())
        return row + 2

    def _write_lines(self, top: int) -> int:
        sheet, columns = self.sheet, {role: index for index, role in enumerate(_WIDTHS)}
        for role, index in columns.items():
            sheet.set_column(index, index, _WIDTHS[role])
            sheet.write_string(top, index, HEADS[role], self.formats["head"])
        sheet.set_row(top, 24)
        reasons = self._list(tuple(self.reasons.values()))
        row = top
        for row, line in enumerate(self.issue.lines, start=top + 1):
            title = f"{'' if line.own else '　'}{line.title}{'' if line.required else '（选填）'}"
            number = f"{line.number} " if line.number else ""
            sheet.write_string(row, columns["line"], line.id, self.formats["machine"])
            sheet.write_string(row, columns["code"], line.indicator or line.field, self.formats["machine"])
            sheet.write_string(
                row,
                columns["title"],
                number + title.lstrip() if number else title,
                self.formats["own" if line.own else "text"],
            )
            sheet.write_string(row, columns["meaning"], line.meaning, self.formats["text"])
            sheet.write_string(row, columns["unit"], line.unit, self.formats["unit"])
            _write_last(sheet, row, columns["last"], line, self.formats["last"])
            said = self.filling.entries.get(line.id, _BLANK)
            _write_said(sheet, row, columns["value"], said.value, self._style(line), number=line.type == "number")
            self._rule(row, row, columns["value"], line)
            reason = self.reasons.get(said.reason, said.reason)
            _write_said(sheet, row, columns["reason"], reason, self.formats["choice"])
            _write_said(sheet, row, columns["note"], said.note, self.formats["note"])
            wide = max(text_width(title) / 17.5, text_width(line.meaning) / 12, text_width(line.indicator or "") / 18)
            sheet.set_row(row, 16 if wide <= 1 else 27)
        if row > top:
            told = {
                "validate": "list",
                "source": reasons,
                "error_title": "填写有误",
                "error_message": "请从下拉表中选一项",
            }
            sheet.data_validation(top + 1, columns["reason"], row, columns["reason"], told)
        sheet.freeze_panes(top + 1, 3)
        return row

    def _style(self, line: FormLine) -> Any:
        kinds = {"yes_no": "choice", "choice": "choice", "date": "date", "text": "note", "code": "note"}
        return self.formats[kinds.get(line.type, "number")]

    def _list(self, options: tuple[str, ...]) -> str:
        """Keep a list of choices on the hidden sheet and return where it stands."""
        if options not in self.lists:
            self.lists.append(options)
        letters = xl_col_to_name(self.lists.index(options) + 2)
        return f"='{MACHINE_SHEET}'!${letters}$1:${letters}${len(options)}"

    def _rule(self, first: int, last: int, column: int, line: FormLine) -> None:
        """Put the rule of a line on its cells; the message says what is asked."""
        told: dict[str, Any] = {
            "input_title": line.title[:32],
            "input_message": _prompt(line),
            "error_title": "填写有误",
            "error_type": "warning",
        }
        if line.type == "yes_no":
            told |= {"validate": "list", "source": list(_YES_NO), "error_message": "请填 是 或 否"}
        elif line.type == "choice":
            told |= {"validate": "list", "source": self._list(line.options), "error_message": "请从下拉表中选一项"}
        elif line.type == "date":
            told |= _date_rule()
        elif line.type == "number":
            low, high = line.minimum, line.maximum
            told |= {"validate": "decimal", "error_message": f"请填{line.bounds}的数，不带单位"}
            if low is not None and high is not None:
                told |= {"criteria": "between", "minimum": low, "maximum": high}
            elif low is not None:
                told |= {"criteria": ">=", "value": low}
            else:
                told |= {"criteria": "between", "minimum": -1e15, "maximum": high if high is not None else 1e15}
        else:
            told |= {"validate": "any"}
        self.sheet.data_validation(first, column, last, column, told)

    def _write_rows(self, top: int) -> int:
        """Write a form of rows: a row of codes, a row of heads, the subjects that are known, and free rows."""
        sheet, issue = self.sheet, self.issue
        of_place = issue.subject == "place"
        first = 2 if of_place else 0
        if of_place:
            for index, text in enumerate(("地区代码", "地区")):
                sheet.write_string(top, index, ("列码", "")[index], self.formats["machine"])
                sheet.write_string(top + 1, index, text, self.formats["head"])
        rows = max(len(issue.subjects), 0 if of_place else 30)
        end = top + 1 + rows + (0 if of_place else _SPARE_ROWS)
        for index, line in enumerate(issue.lines, start=first):
            head = f"{line.number + ' ' if line.number else ''}{line.title}" + (f"（{line.unit}）" if line.unit else "")
            sheet.write_string(top, index, line.id, self.formats["machine"])
            sheet.write_string(top + 1, index, head, self.formats["head"])
            sheet.set_column(index, index, max(11.0, min(22.0, text_width(head) * 1.5)))
            self._rule(top + 2, end, index, line)
        sheet.write_string(top, first + len(issue.lines), "note", self.formats["machine"])
        sheet.write_string(top + 1, first + len(issue.lines), HEADS["note"], self.formats["head"])
        sheet.set_column(first + len(issue.lines), first + len(issue.lines), 20)
        sheet.set_row(top + 1, 40)
        named = issue.name_line
        for number in range(rows):
            row = top + 2 + number
            known = issue.subjects[number] if number < len(issue.subjects) else None
            if of_place and known:
                sheet.write_string(row, 0, known.code, self.formats["machine"])
                sheet.write_string(row, 1, known.name, self.formats["fixed"])
            for index, line in enumerate(issue.lines, start=first):
                text = ""
                if known is not None and not of_place:
                    text = known.code if line.type == "code" and index == first else ""
                    text = known.name if line is named else text
                if text:
                    sheet.write_string(row, index, text, self.formats["note"])
                else:
                    sheet.write_blank(row, index, None, self._style(line))
            sheet.write_blank(row, first + len(issue.lines), None, self.formats["note"])
        if not of_place:
            unlocked = self.book.add_format({"locked": False, "font_name": "宋体", "font_size": 10})
            for row in range(top + 2 + rows, end + 1):
                sheet.set_row(row, None, unlocked)
        sheet.freeze_panes(top + 2, min(2, first + 1))
        return top + 1 + rows

    def _finish(self, last: int, top: int, width: int) -> None:
        sheet = self.sheet
        allowed = (
            "format_cells",
            "format_columns",
            "format_rows",
            "insert_rows",
            "delete_rows",
            "sort",
            "autofilter",
            "objects",
        )
        sheet.protect("", dict.fromkeys(allowed, True))
        sheet.set_landscape()
        sheet.set_paper(9 if width <= 10 else 8)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.center_horizontally()
        sheet.repeat_rows(top, top + (1 if self.issue.layout == "rows" else 0))
        sheet.print_area(0, 0, last, width - 1)
        sheet.fit_to_pages(1, 0)
        sheet.set_footer(f"&L{self.issue.id} {self.issue.version}&C— &P / &N —")
        sheet.activate()

    def _write_guide(self) -> None:
        """Write what each line means and how it is filled."""
        sheet, issue = self.guide, self.issue
        for index, width in enumerate((10, 28, 20, 14, 8, 16, 56, 20)):
            sheet.set_column(index, index, width)
        texts = guide_rows(issue)
        top = texts.index(GUIDE_HEADS) + 1
        for row, (text,) in enumerate(texts[: top - 1]):
            sheet.write_string(row, 0, text, self.formats["small"] if row else None)
        for row, cells in enumerate(texts[top - 1 :], start=top):
            for index, text in enumerate(cells):
                sheet.write_string(row, index, text, self.formats["head" if row == top else "text"])
            if row > top:
                _, title, meaning, *_, told, targets = cells
                wide = ((told, 33), (title, 16.5), (meaning, 12), (targets, 11))
                sheet.set_row(row, 15 * max(1, int(max(text_width(text) / width for text, width in wide)) + 1))
        sheet.freeze_panes(top + 1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(top)
        sheet.protect()

    def _write_machine(self) -> None:
        """Write identity, the issue itself and the lists of choices; the identity also as names of the workbook."""
        issue = self.issue
        facts = {
            "format": FORM_FORMAT,
            "issue": issue.id,
            "form": issue.form,
            "version": issue.version,
            "body": issue.body,
            "place": issue.place,
            "period": issue.period,
        }
        for row, (name, text) in enumerate(facts.items()):
            self.machine.write_string(row, 0, name)
            self.machine.write_string(row, 1, text)
            self.book.define_name(f"dafeng_{name}", f"='{MACHINE_SHEET}'!$B${row + 1}")
        packed = issue.model_dump_json(exclude_defaults=True)
        for number, start in enumerate(range(0, len(packed), _CHUNK)):
            self.machine.write_string(len(facts) + number, 0, "json")
            self.machine.write_string(len(facts) + number, 1, packed[start : start + _CHUNK])
        for index, options in enumerate(self.lists, start=2):
            self.machine.write_column(0, index, options)


def _write_last(sheet: Any, row: int, column: int, line: FormLine, style: Any) -> None:
    if line.last_value is None:
        sheet.write_blank(row, column, None, style)
    elif line.type == "yes_no":
        sheet.write_string(row, column, _YES_NO[0] if line.last_value else _YES_NO[1], style)
    else:
        sheet.write_number(row, column, line.last_value, style)


def _write_said(sheet: Any, row: int, column: int, text: str, style: Any, *, number: bool = False) -> None:
    """Write what was filled in: a number as one where the workbook keeps every digit of it, all else as text."""
    text = text.strip()
    if not text:
        sheet.write_blank(row, column, None, style)
    elif number and _PLAIN_NUMBER.fullmatch(text) and float(f"{float(text):.16G}") == float(text):
        sheet.write_number(row, column, float(text), style)
    else:
        sheet.write_string(row, column, text, style)


def _date_rule() -> dict[str, Any]:
    return {
        "validate": "date",
        "criteria": "between",
        "minimum": date(1949, 1, 1),
        "maximum": date(2099, 12, 31),
        "error_title": "填写有误",
        "error_type": "warning",
        "error_message": "请填日期，如 2024-05-01",
    }


def _prompt(line: FormLine) -> str:
    """Return the message beside a cell, 255 characters at most as the format allows."""
    last = ""
    if line.last_value is not None and line.type == "number":
        last = f"上期 {line.last_value:,.10g}（{line.last_dataset}）"
    parts = (f"单位：{line.unit}" if line.unit else "", line.meaning, last, line.note)
    return "\n".join(part for part in parts if part)[:250] or "请填写"
