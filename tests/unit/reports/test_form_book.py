"""Blank forms: locked but for what is filled in, with rules on the cells, and the same bytes each time."""

import io
import zipfile
from datetime import date

import openpyxl
import pytest

from dafeng.reports.form_book import FORM_SHEET, form_archive, form_archives, form_book, form_file_name
from dafeng.statistics.owed import issue_form, owed_by
from form_builders import COLUMNS, DUE, WATER, head_row, shipped, water_issue


def _sheets(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


def test_the_same_issue_gives_the_same_bytes() -> None:
    assert form_book(water_issue(), shipped()) == form_book(water_issue(), shipped())
    assert form_archive([water_issue()], shipped()) == form_archive([water_issue()], shipped())


def test_only_cells_to_be_filled_in_are_unlocked() -> None:
    sheet = _sheets(form_book(water_issue(), shipped()))[FORM_SHEET]
    top = head_row(sheet)
    assert sheet.protection.sheet
    for number, line in enumerate(water_issue().lines, start=1):
        cells = {role: sheet.cell(top + number, column) for role, column in COLUMNS.items()}
        assert cells["line"].value == line.id
        assert {role for role, cell in cells.items() if not cell.protection.locked} == {"value", "reason", "note"}


def test_last_years_value_stands_beside_in_the_printed_unit() -> None:
    sheet = _sheets(form_book(water_issue(), shipped()))[FORM_SHEET]
    top = head_row(sheet)
    last = {
        sheet.cell(top + number, 3).value: sheet.cell(top + number, COLUMNS["last"]).value for number in range(1, 14)
    }
    assert (last["供水总量"], last["用水人口"], last["供水管道长度"]) == (51000, 620, None)


def test_cells_have_bounds_and_choices() -> None:
    sheet = _sheets(form_book(water_issue(), shipped()))[FORM_SHEET]
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    assert (rules["G11"].type, rules["G11"].operator, float(rules["G11"].formula1)) == (
        "decimal",
        "greaterThanOrEqual",
        0.0,
    )
    assert rules["H11:H23"].type == "list"
    assert "单位：万立方米" in rules["G15"].prompt


def test_the_workbook_names_form_version_body_and_period() -> None:
    book = _sheets(form_book(water_issue(), shipped()))
    said = {
        name: book["_dafeng"][item.attr_text.split("!")[1].replace("$", "")].value
        for name, item in book.defined_names.items()
    }
    assert said["dafeng_form"] == "yearbook_water"
    assert (said["dafeng_body"], said["dafeng_period"], said["dafeng_version"]) == (
        "qingdao-water",
        "2025",
        water_issue().version,
    )
    assert book["_dafeng"].sheet_state == "hidden"


@pytest.mark.parametrize("form", sorted(set(shipped().forms) - {"statutory_head"}))
def test_every_form_of_the_catalog_can_be_written(form: str) -> None:
    period = {"quarter": "2025-Q3", "month": "2025-09", "heating_season": "2025-HS"}.get(
        shipped().forms[form].every, "2025"
    )
    (issue,) = issue_form(shipped().forms[form], shipped(), [WATER], period=period, due=DUE).issues
    sheet = _sheets(form_book(issue, shipped()))[FORM_SHEET]
    assert sheet["A1"].value == shipped().forms[form].title.zh


def test_a_body_gets_one_archive_with_its_forms_in_words() -> None:
    plan = shipped().plans["qingdao-2024"]
    owed = owed_by(plan, shipped(), period="2025-01..09", due=date(2025, 10, 15))
    by_body = owed.by_body() | {"qingdao-water": (water_issue(), water_issue())}
    name, data = next(pair for pair in form_archives(by_body, shipped()) if "qingdao-water" in pair[0])
    assert name == "青岛市水务管理局_qingdao-water.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["城市供水_青岛市_2025年.xlsx", "城市供水_青岛市_2025年_yearbook_water_2.xlsx"]
    assert form_file_name(owed.issues[0]).endswith("_青岛市_2025年1–9月.xlsx")
