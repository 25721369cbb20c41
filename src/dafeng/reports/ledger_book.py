"""Ledger books: the workbook of a register that a keeper fills in, made so that it is read back without guessing.

The sheet has group heads, heads with units and notes, drop-downs and limits on the cells below, and a hidden row that tells
what each column gives, wherever it is moved. Heads are protected, cells are free. A second sheet explains every column; a
hidden one holds register, catalog and the lists of choices.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final

import polars as pl
import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from dafeng.base.ledger import MACHINE_SHEET, STAGE_NAMES, machine_cell
from dafeng.base.quantity import UNIT_NAMES, conversion_factor, dimension_of
from dafeng.catalog import Catalog
from dafeng.catalog.ledger_schemas import Register, RegisterField
from dafeng.catalog.schemas import ProjectField
from dafeng.reports.packing import normalise_package
from dafeng.reports.wording import text_width

__all__ = ["GUIDE_SHEET", "ledger_book", "shown_unit"]

GUIDE_SHEET: Final = "填写说明"
_MACHINE_ROW, _TITLE_ROW, _GROUP_ROW, _HEAD_ROW, _FIRST_ROW = range(5)
_SPARE_ROWS: Final = 1000
_YES_NO: Final = ["是", "否"]
_TYPES: Final = {"text": "文字", "number": "数", "date": "日期", "yes_no": "是或否", "choice": "下拉选一"}


def shown_unit(unit: str | None) -> str:
    """Return a canonical unit as books write it.

    Examples
    --------
    >>> shown_unit("m**2"), shown_unit("kWh/m**2"), shown_unit("percent"), shown_unit(None), shown_unit("万平方米")
    ('平方米', '千瓦时/平方米', '%', '', '万平方米')
    """
    if unit is None or unit == "ratio":
        return ""
    names: dict[str, str] = {}
    for name, expression in UNIT_NAMES.items():
        names.setdefault(expression, name)
    return "/".join(names.get(part.strip(), part.strip()) for part in unit.split("/"))


def ledger_book(
    register: Register,
    catalog: Catalog,
    *,
    rows: pl.DataFrame | None = None,
    places: Sequence[str] = (),
    title: str | None = None,
    year: int | None = None,
    as_of: date = date(2000, 1, 1),
) -> bytes:
    """Return the book of a register, empty or with rows to be corrected.

    Parameters
    ----------
    register : Register
    catalog : Catalog
    rows : DataFrame, optional
        Ledger rows that stand in the book already (columns of `dafeng.base.ledger.ledger_schema`).
    places : sequence of str
        Place ids offered for the place; the drop-down is left out where empty.
    title : str, optional
        Heading; made of the register's name and `year` where None.
    year : int, optional
        Year of the report, for the heading.
    as_of : date
        Day kept in the properties of the file.

    Returns
    -------
    bytes
        XLSX; the same arguments give the same bytes.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> ledger_book(catalog.registers["projects"], catalog)[:2]
    b'PK'
    """
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_urls": False, "strings_to_formulas": False})
    heading = title or f"{register.title.zh}{f'（{year} 年）' if year else ''}"
    book.set_properties({"title": heading, "created": datetime.combine(as_of, time())})
    writer = _Book(book, register, catalog, places)
    writer.write_rows(heading, rows)
    writer.write_guide()
    writer.write_machine_sheet()
    book.close()
    return normalise_package(target.getvalue())


class _Book:
    """Writes one book."""

    def __init__(self, book: Any, register: Register, catalog: Catalog, places: Sequence[str]) -> None:
        self.book = book
        self.register = register
        self.catalog = catalog
        self.places = _place_texts(catalog, places)
        base = {"font_name": "宋体", "font_size": 10, "valign": "vcenter"}
        head = base | {"bold": True, "align": "center", "border": 1, "text_wrap": True}
        self.formats = {
            "title": book.add_format(base | {"bold": True, "font_size": 14, "font_name": "黑体"}),
            "group": book.add_format(head | {"bg_color": "#D7E3EE"}),
            "head": book.add_format(head | {"bg_color": "#E8EEF4"}),
            "required": book.add_format(head | {"bg_color": "#FBE3C0"}),
            "text": book.add_format(base | {"locked": False, "num_format": "@", "text_wrap": True}),
            "number": book.add_format(base | {"locked": False}),
            "date": book.add_format(base | {"locked": False, "num_format": "yyyy-mm-dd", "align": "center"}),
            "choice": book.add_format(base | {"locked": False, "num_format": "@", "align": "center"}),
            "wrap": book.add_format(base | {"text_wrap": True, "valign": "top", "border": 1}),
            "machine": book.add_format({"font_size": 8, "font_color": "#808080"}),
        }
        self.sheet = book.add_worksheet(_sheet_name(register.title.zh))
        self.guide = book.add_worksheet(GUIDE_SHEET)
        self.machine = book.add_worksheet(MACHINE_SHEET)
        self.machine.hide()
        self.lists: list[tuple[str, Sequence[str]]] = []

    def _field(self, column: RegisterField) -> ProjectField:
        return self.catalog.fields[column.field]

    def _unit(self, column: RegisterField) -> str:
        field = self._field(column)
        return shown_unit(column.unit or field.unit) if field.type == "number" else ""

    def _list(self, name: str, options: Sequence[str]) -> str:
        """Keep a list of choices on the hidden sheet and return where it stands."""
        known = [item for item, _ in self.lists]
        if name not in known:
            self.lists.append((name, options))
            known.append(name)
        letters = xl_col_to_name(known.index(name) + 2)
        return f"='{MACHINE_SHEET}'!${letters}$2:${letters}${len(options) + 1}"

    def write_rows(self, heading: str, rows: pl.DataFrame | None) -> None:
        """Write heads, the rules of the cells below them, and the rows."""
        sheet, columns = self.sheet, self.register.fields
        height = 0 if rows is None else rows.height
        last = _FIRST_ROW + height + _SPARE_ROWS - 1
        sheet.set_row(_MACHINE_ROW, 8, None, {"hidden": True})
        sheet.write_string(_TITLE_ROW, 0, heading, self.formats["title"])
        sheet.set_row(_TITLE_ROW, 26)
        sheet.set_row(_HEAD_ROW, 46)
        self._write_groups()
        for index, column in enumerate(columns):
            field = self._field(column)
            unit = self._unit(column)
            name = field.zh + (f"（{unit}）" if unit and unit not in field.zh else "")
            sheet.write_string(
                _MACHINE_ROW, index, machine_cell(self.register.id, column.field, unit), self.formats["machine"]
            )
            style = self.formats["required" if column.required else "head"]
            sheet.write_string(_HEAD_ROW, index, f"*{name}" if column.required else name, style)
            sheet.write_comment(_HEAD_ROW, index, self._note(column), {"x_scale": 2.2, "y_scale": 1.4})
            kind = "date" if field.type == "date" else "number" if field.type == "number" else "text"
            cell = self.formats["choice" if field.type in ("choice", "yes_no") else kind]
            wide = {"text": 18.0, "date": 12.0}.get(kind, 10.0)
            sheet.set_column(index, index, max(wide, min(24.0, text_width(name) * 0.7)), cell)
            rule = self._rule(column)
            if rule is not None:
                sheet.data_validation(_FIRST_ROW, index, last, index, rule)
            if rows is not None and height:
                self._write_values(index, column, rows, cell)
        sheet.freeze_panes(_FIRST_ROW, min(2, len(columns) - 1))
        sheet.protect(
            "",
            {
                "format_cells": True,
                "format_columns": True,
                "format_rows": True,
                "insert_rows": True,
                "insert_columns": True,
                "delete_rows": True,
                "sort": True,
                "autofilter": True,
                "objects": True,
            },
        )
        sheet.set_landscape()
        sheet.set_paper(8)
        sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
        sheet.repeat_rows(_TITLE_ROW, _HEAD_ROW)
        sheet.repeat_columns(0, min(1, len(columns) - 1))
        sheet.print_area(_TITLE_ROW, 0, max(_FIRST_ROW + height - 1, _FIRST_ROW + 30), len(columns) - 1)
        sheet.fit_to_pages(max(1, -(-len(columns) // 20)), 0)
        sheet.set_footer("&C— &P / &N —")

    def _write_groups(self) -> None:
        start = 0
        columns = self.register.fields
        for index in range(1, len(columns) + 1):
            if index < len(columns) and columns[index].group == columns[start].group:
                continue
            text = columns[start].group or ""
            if index - start > 1:
                self.sheet.merge_range(_GROUP_ROW, start, _GROUP_ROW, index - 1, text, self.formats["group"])
            else:
                self.sheet.write_string(_GROUP_ROW, start, text, self.formats["group"])
            start = index

    def _note(self, column: RegisterField) -> str:
        field = self._field(column)
        lines = [f"{field.zh}（{_TYPES[field.type]}{'，必填' if column.required else ''}）"]
        if self._unit(column):
            lines.append(f"单位：{self._unit(column)}")
        if field.note:
            lines.append(field.note)
        if column.promise:
            lines.append("前一阶段所填是承诺，与后一阶段比较。")
        lines += [f"用途：{self._uses(column)}"] if self._uses(column) else []
        return "\n".join(lines)

    def _uses(self, column: RegisterField) -> str:
        """Return which indicators are counted from a field."""
        names = []
        for rollup in self.catalog.rollups.values():
            texts = " ".join(filter(None, (rollup.value, rollup.weight, rollup.when, rollup.dated, rollup.until)))
            used = column.field in texts.replace("(", " ").replace(")", " ").replace(",", " ").split()
            indicator = self.catalog.indicators.get(rollup.indicator)
            if used and self.register.id in rollup.registers and indicator is not None and indicator.zh not in names:
                names.append(indicator.zh)
        return "、".join(names[:6]) + ("等" if len(names) > 6 else "")

    def _rule(self, column: RegisterField) -> dict[str, Any] | None:
        field = self._field(column)
        told = {"input_title": field.zh[:32], "error_title": "填写有误"}
        told |= {"error_type": "warning"}
        if column.field == self.register.place_field and self.places:
            return told | {"validate": "list", "source": self._list("place", list(self.places.values()))}
        if field.type == "yes_no":
            return told | {"validate": "list", "source": _YES_NO, "error_message": "请填 是 或 否，不知道的留空"}
        if field.type == "choice":
            options = self._options(field)
            source = self._list(field.id, list(options.values()))
            return told | {"validate": "list", "source": source, "error_message": "请从下拉表中选一项"}
        if field.type == "date":
            return told | {
                "validate": "date",
                "criteria": "between",
                "minimum": date(1949, 1, 1),
                "maximum": date(2099, 12, 31),
                "error_message": "请填日期，如 2024-05-01",
            }
        if field.type == "number":
            unit = field.unit or "ratio"
            high = 100 if unit == "percent" else 2100 if unit == "year" else 1e12
            low = 1800 if unit == "year" else 0
            message = f"请填 {low} 至 {high:g} 的数" if high < 1e12 else "请填不小于 0 的数，不带单位"
            return told | {
                "validate": "decimal",
                "criteria": "between",
                "minimum": low,
                "maximum": high,
                "error_message": message,
            }
        return None

    def _options(self, field: ProjectField) -> dict[str, str]:
        if field.id == "stage" and not field.options:
            return {str(stage): name for stage, name in STAGE_NAMES.items()}
        return {option.code: option.zh for option in field.options}

    def _write_values(self, index: int, column: RegisterField, rows: pl.DataFrame, style: Any) -> None:
        field = self._field(column)
        if column.field not in rows.columns:
            return
        values = rows[column.field].to_list()
        words: Mapping[Any, str] = {}
        if field.type == "yes_no":
            words = {True: "是", False: "否"}
        elif field.type == "choice":
            words = self._options(field)
        elif column.field in (self.register.place_field, self.register.zone_field):
            words = _place_texts(self.catalog, sorted({value for value in values if value}))
        if field.type == "number":
            unit = self._unit(column)
            factor = 1.0 if field.unit is None or not unit else conversion_factor(field.unit, unit)
            assert field.unit is None or not unit or dimension_of(unit) == dimension_of(field.unit)
            values = [None if value is None else float(f"{value * factor:.15g}") for value in values]
        for number, value in enumerate(values):
            shown = words.get(value, value) if words else value
            if shown is None or shown == "":
                continue
            row = _FIRST_ROW + number
            if isinstance(shown, date):
                self.sheet.write_datetime(row, index, datetime.combine(shown, time()), style)
            elif isinstance(shown, float):
                self.sheet.write_number(row, index, shown, style)
            else:
                self.sheet.write_string(row, index, str(shown), style)

    def write_guide(self) -> None:
        """Write what each column means and how it is filled."""
        sheet, wrap = self.guide, self.formats["wrap"]
        for index, width in enumerate((16, 26, 10, 12, 8, 60)):
            sheet.set_column(index, index, width)
        lines = [
            f"{self.register.title.zh} 填写说明",
            "一行一个对象"
            + ("的一个阶段：同一项目在各阶段各填一行" if self.register.per_stage else "")
            + "；橙色列名为必填。",
            "不知道的留空，不要填 0；数只填数字，单位见列名；日期填年-月-日；可以增加行、调整列的次序，请勿删除隐藏行。",
            "更正：改动后整册再导入，后一次代替前一次；空格表示不知道。",
        ]
        for row, line in enumerate(lines):
            sheet.write_string(row, 0, line, self.formats["title"] if row == 0 else None)
        top = len(lines) + 1
        for index, name in enumerate(("分组", "列", "类型", "单位", "必填", "说明、可选项与用途")):
            sheet.write_string(top, index, name, self.formats["head"])
        for row, column in enumerate(self.register.fields, start=top + 1):
            field = self._field(column)
            options = self._options(field) if field.type == "choice" else {}
            told = [field.note or "", f"可选：{'、'.join(options.values())}" if options else ""]
            told += [f"用于：{self._uses(column)}" if self._uses(column) else ""]
            cells = (column.group or "", field.zh, _TYPES[field.type], self._unit(column))
            for index, text in enumerate((*cells, "是" if column.required else "", "；".join(filter(None, told)))):
                sheet.write_string(row, index, text, wrap)
        sheet.freeze_panes(top + 1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(top)
        sheet.protect()

    def write_machine_sheet(self) -> None:
        """Write register, catalog and the lists of choices."""
        facts = {
            "format": "dafeng-ledger/1",
            "register": self.register.id,
            "catalog": self.catalog.digest,
            "fields": " ".join(column.field for column in self.register.fields),
        }
        for row, (name, text) in enumerate(facts.items()):
            self.machine.write_string(row, 0, name)
            self.machine.write_string(row, 1, text)
        for index, (name, options) in enumerate(self.lists, start=2):
            self.machine.write_column(0, index, [name, *options])


def _sheet_name(title: str) -> str:
    return "".join(letter for letter in title if letter not in "[]:*?/\\")[:31]


def _place_texts(catalog: Catalog, ids: Sequence[str]) -> dict[str, str]:
    """Return what names each place alone: its name, with its parent's before it where another place has it too."""
    tree = catalog.places
    texts = {}
    for place_id in ids:
        if place_id not in tree:
            texts[place_id] = place_id
            continue
        place = tree.get(place_id)
        longer = "" if place.parent is None else f"{tree.get(place.parent).name}{place.name}"
        unique = (
            text for text in (place.name, longer) if text and [one.id for one in tree.candidates(text)] == [place_id]
        )
        texts[place_id] = next(unique, place_id)
    return texts
