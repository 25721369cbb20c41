"""Worksheets read with whole arrays give what the XML parser gives, or are left to it."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.intake import workbook
from dafeng.intake.plain_sheets import PlainCells, read_plain_cells, shown_number
from dafeng.intake.sheets import Limits, Sheet

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**6), 10**6, places=3).map(float),
    st.text("甲a&<>\"' \n_x000D;", max_size=8),
    st.dates(date(1950, 1, 1), date(2090, 1, 1)),
)


def both(data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Sheet], list[Sheet]]:
    """Return a workbook read with whole arrays and by the parser."""
    read = []
    for least in (0, 1 << 40):
        monkeypatch.setattr(workbook, "PLAIN_FROM", least)
        read.append(workbook.read_xlsx(data, file="表.xlsx", limits=Limits()))
    return read[0], read[1]


def same(first: list[Sheet], second: list[Sheet]) -> None:
    assert [one.name for one in first] == [one.name for one in second]
    for one, other in zip(first, second, strict=True):
        assert one.frame.rows() == other.frame.rows()
        assert one.frame.columns == other.frame.columns
        assert one.marks.sort("row", "col").equals(other.marks.sort("row", "col"))
        assert (one.merged, one.findings) == (other.merged, other.findings)


def parts_read(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that learns for each worksheet whether it was plain."""
    learned: list[bool] = []

    def watched(*given: Any, **more: Any) -> PlainCells | None:
        found = read_plain_cells(*given, **more)
        learned.append(found is not None)
        return found

    monkeypatch.setattr(workbook, "read_plain_cells", watched)
    return learned


def by_xlsxwriter(book: xlsxwriter.Workbook) -> None:
    sheet = book.add_worksheet("台账")
    percent, day = book.add_format({"num_format": "0.0%"}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.merge_range("A1:C1", "标题 & <副题>")
    sheet.write_row("A3", ["名称", "面积", 1.5, -0.0, 1e21, 0.1 + 0.2, 123456789012345678, True, ""])
    sheet.write("A4", 0.655, percent)
    sheet.write_datetime("B4", datetime(2024, 5, 1), day)
    sheet.write_formula("C4", "=B4+1", None, 45414)
    sheet.write_formula("D4", '="甲"&"<乙>"', None, "")
    sheet.write_formula("E4", "=1/0", None, "#DIV/0!")
    sheet.write_rich_string("F4", "甲", percent, "乙", "丙")
    sheet.write_string("G4", "两行\n一格_x000D_")
    sheet.write_boolean("H4", False)
    sheet.write_blank("A9", None, percent)
    sheet.write("AB12", "远")
    sheet.set_row(11, None, None, {"hidden": True})
    sheet.set_row(12, None, None, {"hidden": True})
    sheet.set_column("B:B", 9, None, {"hidden": True})
    other = book.add_worksheet("空")
    other.hide()
    book.add_worksheet("二").write("B2", "x")


def by_openpyxl() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["名称", "面积", "日期"])
    sheet.append(["甲", 12.5, date(2024, 5, 1)])
    sheet["D2"] = "=B2*2"
    sheet["E2"] = "#REF!"
    sheet["E2"].data_type = "e"
    sheet.merge_cells("A3:A5")
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def made(build: Callable[[xlsxwriter.Workbook], None], **options: Any) -> bytes:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True, **options}) as book:
        build(book)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        made(by_xlsxwriter),
        made(by_xlsxwriter, date_1904=True),
        made(by_xlsxwriter, constant_memory=True),
        by_openpyxl(),
    ],
)
def test_what_libraries_write_is_read_alike(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = parts_read(monkeypatch)
    same(*both(data, monkeypatch))
    assert learned
    assert all(learned[:1])


@given(st.lists(st.lists(CELLS, max_size=5), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_any_cells_are_read_alike(rows: list[list[Any]]) -> None:
    def build(book: xlsxwriter.Workbook) -> None:
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "yyyy/m/d"})
        for row, cells in enumerate(rows):
            for column, value in enumerate(cells):
                if isinstance(value, date):
                    sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), day)
                elif isinstance(value, str):
                    sheet.write_string(row, column, value)
                elif value is not None:
                    sheet.write(row, column, value)

    with pytest.MonkeyPatch.context() as patch:
        same(*both(made(build), patch))


ROW = '<row r="1"><c r="A1"><v>1</v></c></row>'
NOT_PLAIN = {
    "a prefix": '<x:worksheet xmlns:x="m"><sheetData><x:row/></sheetData></x:worksheet>',
    "no reference": '<worksheet><sheetData><row r="1"><c><v>1</v></c></row></sheetData></worksheet>',
    "a comment": f"<worksheet><sheetData>{ROW}<!-- c --></sheetData></worksheet>",
    "raw text": '<worksheet><sheetData><row r="1"><c r="A1"><v><![CDATA[1]]></v></c></row></sheetData></worksheet>',
    "an unknown entity": '<worksheet><sheetData><row r="1"><c r="A1" t="str"><v>&x;</v></c></row></sheetData></worksheet>',
    "rows out of order": f'<worksheet><sheetData><row r="2"><c r="A2"/></row>{ROW}</sheetData></worksheet>',
    "a cell of another row": '<worksheet><sheetData><row r="2"><c r="A1"/></row></sheetData></worksheet>',
    "a row that is not closed": f'<worksheet><sheetData>{ROW[:-6]}<row r="2"><c r="A2"/></row></sheetData></worksheet>',
    "text between cells": '<worksheet><sheetData><row r="1"><c r="A1"/>x<c r="B1"/></row></sheetData></worksheet>',
    "a part cut off": f"<worksheet><sheetData>{ROW}",
    "an end cut off": f"<worksheet><sheetData>{ROW}</sheetData>",
    "another encoding": f'<?xml version="1.0" encoding="gb2312"?><worksheet><sheetData>{ROW}</sheetData></worksheet>',
    "an unreadable index": '<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>a</v></c></row></sheetData></worksheet>',
}


@pytest.mark.parametrize("part", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_left_to_the_parser(part: str) -> None:
    strings = pl.Series(["甲"])
    assert read_plain_cells([part.encode()], strings=strings, formats=[], epoch=1900, limits=Limits()) is None


NUMBERS = ("1.50", "0.10", "7", "-7", "-0", "0.0", "1.", "100", "1200.00", "0.00001", "1E5", "1.5e-7", "12345678.25", "0.1000000000000001",
           "123456789012345678", "007", ".5", " 3", "-12.340", "x")  # fmt: skip


@pytest.mark.parametrize("raw", NUMBERS)
def test_every_way_of_writing_a_number_shows_the_same(raw: str) -> None:
    part = f'<worksheet><sheetData><row r="1"><c r="A1"><v>{raw}</v></c></row></sheetData></worksheet>'.encode()
    found = read_plain_cells([part], strings=pl.Series([], dtype=pl.String), formats=[], epoch=1900, limits=Limits())
    assert found is not None
    assert found.frame.item() == shown_number(raw, "", 1900)


def test_pieces_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dafeng.intake.plain_sheets._PIECE", 128)
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="C{n}" t="s"><v>0</v></c></row>' for n in range(2, 40, 2)
    )
    part = f'<worksheet><cols><col hidden="1"/></cols><sheetData>{rows}</sheetData></worksheet>'.encode()
    for size in (1, 7, 50, 5000):
        pieces = [part[at : at + size] for at in range(0, len(part), size)]
        found = read_plain_cells(pieces, strings=pl.Series(["甲"]), formats=[], epoch=1900, limits=Limits())
        assert found is not None
        assert found.frame.rows() == [
            row for n in range(2, 40, 2) for row in ((None, None, None), (str(n), None, "甲"))
        ]


def test_a_sheet_beyond_the_limit_is_left_to_the_parser_that_refuses_it() -> None:
    part = f"<worksheet><sheetData>{ROW}</sheetData></worksheet>".encode()
    limits = Limits(cells=0)
    assert (
        read_plain_cells([part], strings=pl.Series([], dtype=pl.String), formats=[], epoch=1900, limits=limits) is None
    )


def test_a_damaged_archive_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "PLAIN_FROM", 0)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made(by_xlsxwriter))) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text[:-30] if name == "xl/worksheets/sheet1.xml" else text)
    with pytest.raises(workbook.InputError, match="damaged"):
        workbook.read_xlsx(stream.getvalue(), file="表.xlsx", limits=Limits())
