"""Ledger books out, and back in after people and other programs had them."""

import io
import shutil
import subprocess
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from dafeng.base.ledger import MACHINE_SHEET, RECORD_COLUMNS
from dafeng.intake.ledger_reading import read_ledger
from dafeng.reports.ledger_book import GUIDE_SHEET, ledger_book
from ledger_builders import NOW, SMALL, names, small_catalog, small_rows

ROWS = [
    {
        "key": "370200-01",
        "project_code": "370200-01",
        "project_name": "幸福里",
        "place": "qingdao-shinan",
        "gross_area": 12345.67,
        "start_date": date(2024, 5, 1),
        "green_star": 2.0,
        "prefabricated": True,
        "investor": "government",
        "assembly_rate": 0.5,
    },
    {
        "key": "370200-02",
        "project_code": "370200-02",
        "project_name": "和谐苑",
        "gross_area": 800.0,
        "prefabricated": False,
    },
]
FIELDS = [name for name in small_rows().columns if name not in RECORD_COLUMNS]


def book(rows: pl.DataFrame | None = None) -> bytes:
    places = [place.id for place in small_catalog().places.children("qingdao")]
    return ledger_book(SMALL, small_catalog(), rows=rows, places=places, year=2026)


def read_back(path: Path) -> pl.DataFrame:
    read = read_ledger(path, None, small_catalog(), recorded_at=NOW, home="qingdao")
    assert read.findings == []
    return read.frame.select("key", *FIELDS).sort("key")


def test_a_filled_book_reads_back_as_it_was(tmp_path: Path) -> None:
    rows = small_rows(*ROWS)
    path = tmp_path / "b.xlsx"
    path.write_bytes(book(rows))
    assert read_back(path).equals(rows.select("key", *FIELDS))
    assert book(rows) == book(rows)


def test_a_book_has_rules_notes_protection_and_lists() -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(book(small_rows(*ROWS))))
    assert workbook.sheetnames == ["小台账", GUIDE_SHEET, MACHINE_SHEET]
    sheet = workbook["小台账"]
    assert workbook[MACHINE_SHEET].sheet_state == "hidden"
    assert sheet.row_dimensions[1].hidden
    assert [cell.value for cell in sheet[4]][:5] == [
        "*项目代码",
        "*项目名称",
        "所在地（区划或功能区标识）",
        "所在功能区",
        "*总建筑面积（平方米）",
    ]
    assert sheet.freeze_panes == "C5"
    assert sheet.protection.sheet
    assert sheet["A4"].protection.locked
    assert not sheet["A5"].protection.locked
    assert sheet["E4"].comment is not None
    assert "单位：平方米" in sheet["E4"].comment.text
    kinds = {str(rule.sqref).split(":")[0]: rule.type for rule in sheet.data_validations.dataValidation}
    assert {kinds["C5"], kinds["E5"], kinds["F5"], kinds["I5"], kinds["J5"]} == {"list", "decimal", "date"}
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.print_title_rows == "$2:$4"
    assert [cell.value for cell in workbook[MACHINE_SHEET][2]][:2] == ["register", "small"]


def test_moved_renamed_and_inserted_columns_are_still_known(tmp_path: Path) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(book(small_rows(*ROWS))))
    sheet = workbook["小台账"]
    sheet["B4"] = "叫什么都行"
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    sheet.insert_cols(1)
    sheet["A4"] = "序号"
    sheet.move_range("F1:F6", cols=20)  # the area, to the far end
    path = tmp_path / "b.xlsx"
    workbook.save(path)
    assert read_back(path).equals(small_rows(*ROWS).select("key", *FIELDS))


def test_a_deleted_required_column_refuses_and_other_faults_are_named(tmp_path: Path) -> None:
    workbook = openpyxl.load_workbook(io.BytesIO(book(small_rows(*ROWS))))
    sheet = workbook["小台账"]
    sheet["G5"] = "=DATE(2024,5,1)"  # a formula without a result
    sheet.delete_cols(5)
    workbook["小台账"].sheet_state = "hidden"
    workbook.active = 1
    path = tmp_path / "b.xlsx"
    workbook.save(path)
    read = read_ledger(path, None, small_catalog(), recorded_at=NOW)
    assert read.counts["refused"] == 2
    assert {"ledger.column.missing", "ledger.cell.formula-without-value", "intake.sheet.hidden"} <= names(read)


def test_an_empty_book_says_that_it_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "b.xlsx"
    path.write_bytes(book())
    read = read_ledger(path, None, small_catalog(), recorded_at=NOW)
    assert read.frame.is_empty()
    assert names(read) == {"ledger.sheet.no-rows"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice")
def test_a_book_that_libreoffice_saved_reads_back(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "b.xlsx"
    path.write_bytes(book(small_rows(*ROWS)))
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    words = [
        "soffice",
        profile,
        "--headless",
        "--convert-to",
        "xlsx:Calc MS Excel 2007 XML",
        "--outdir",
        str(tmp_path),
        str(path),
    ]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    assert read_back(tmp_path / "b.xlsx").equals(small_rows(*ROWS).select("key", *FIELDS))
