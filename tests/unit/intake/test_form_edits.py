"""What people do to a form beyond the cases of form_bad_input.yaml: rows that slip, remarks, other sheets, saved copies, rows of subjects."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from openpyxl.comments import Comment
from openpyxl.worksheet.worksheet import Worksheet

from dafeng.base.form import FormIssue, FormSubject
from dafeng.intake.form_reading import FormReturn, read_form
from dafeng.reports.form_book import FORM_SHEET, GUIDE_SHEET, form_book
from dafeng.statistics.owed import Respondent, issue_form
from form_builders import COLUMNS, DUE, GOOD, NOW, WATER, filled, head_row, returned, shipped, water_issue

Edit = Callable[[openpyxl.Workbook, Worksheet, int], None]
FIELDS = [line.field for line in water_issue().lines]


def _found(read: FormReturn) -> list[tuple[str, str, str]]:
    return [(one.name, one.where.sheet, one.where.cell) for one in read.findings]


def _with_history() -> FormIssue:
    """Return the water table with a value of last year on every line: this year's less a tenth."""
    issue = water_issue()
    lines = tuple(line.model_copy(update={"last_value": 0.9 * GOOD[line.field]}) for line in issue.lines)
    return issue.model_copy(update={"lines": lines})


def _moved(by: int, first: int = 0) -> dict[str, float]:
    """Return the sound values, those from line `first` on written `by` rows further down."""
    moved = {field: GOOD[field] for field in FIELDS[:first]}
    for index, field in enumerate(FIELDS[first:], start=first):
        if first <= index + by < len(FIELDS):
            moved[FIELDS[index + by]] = GOOD[field]
    return moved


@pytest.mark.parametrize(
    ("by", "first", "kept"), [(1, 0, 0), (-1, 0, 0), (2, 0, 0), (1, 5, 5)], ids=["down", "up", "two", "a block"]
)
def test_figures_that_slipped_a_row_are_refused_together(tmp_path: Path, by: int, first: int, kept: int) -> None:
    issue = _with_history()
    read = returned(tmp_path, values=_moved(by, first), issue=issue, issues=[issue])
    states = Counter(read.answers["state"].to_list())
    assert (states["answered"], states["refused"]) == (kept, 13 - abs(by) - kept)
    assert {name for name, _, _ in _found(read)} == {"form.row.shifted", "form.value.blank"}
    assert read.frame.height == kept


def test_sound_figures_beside_last_year_are_no_slip(tmp_path: Path) -> None:
    issue = _with_history()
    assert _found(returned(tmp_path, issue=issue, issues=[issue])) == []


@pytest.mark.parametrize(
    ("value", "note", "name"),
    [
        (520_000_000.0, "", "form.value.unit-slip"),
        (5.2, "新口径", "form.value.unit-slip"),
        (80_000.0, "", "form.value.jump"),
        (80_000.0, "新水厂投产", ""),
        (76_000.0, "", ""),
    ],
)
def test_a_figure_far_from_last_year_is_asked_about(tmp_path: Path, value: float, note: str, name: str) -> None:
    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        sheet["G15"], sheet["I15"] = value, note or None

    found = [one for one in _found(returned(tmp_path, edit)) if one[0] != "form.check.failed"]
    assert found == ([(name, FORM_SHEET, "G15")] if name else [])


def test_a_comment_on_a_cell_is_told(tmp_path: Path) -> None:
    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        sheet["G15"].comment = Comment("实为 51000，待更正", "某")

    read = returned(tmp_path, edit)
    assert _found(read) == [("form.cell.remark", FORM_SHEET, "G15")]
    assert read.findings[0].value == "实为 51000，待更正"


def test_what_is_written_on_the_sheet_of_explanations_is_stray(tmp_path: Path) -> None:
    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        book[GUIDE_SHEET]["J20"] = 52000
        book[GUIDE_SHEET].title = "说明"

    assert _found(returned(tmp_path, edit)) == [("form.cell.stray", "说明", "J20")]


def _codes_slip(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
    for row in range(top + 1, top + 14):
        sheet.cell(row, COLUMNS["line"]).value = None
        sheet.cell(row, COLUMNS["code"]).value = sheet.cell(row + 1, COLUMNS["code"]).value


def test_codes_of_the_row_below_do_not_win_over_names(tmp_path: Path) -> None:
    read = returned(tmp_path, _codes_slip)
    assert dict(Counter(read.answers["state"].to_list())) == {"blank": 12, "answered": 1}
    assert sum(name == "form.row.doubtful" for name, _, _ in _found(read)) == 12


def test_a_row_with_the_meaning_of_another_is_doubtful(tmp_path: Path) -> None:
    issue = issue_form(shipped().forms["yearbook_heating"], shipped(), [WATER], period="2025", due=DUE).issues[0]
    first, second = (
        next(i for i, line in enumerate(issue.lines) if line.field == name) for name in ("homes", "public")
    )

    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        sheet.cell(top + 1 + first, COLUMNS["title"]).value = None
        sheet.cell(top + 1 + first, COLUMNS["meaning"]).value = issue.lines[second].meaning

    read = returned(tmp_path, edit, issue=issue, issues=[issue], values={"homes": 500.0})
    assert ("form.row.doubtful", FORM_SHEET, f"G{head_row(filled(issue, {})[FORM_SHEET]) + 1 + first}") in _found(read)
    assert read.frame.is_empty()


@pytest.mark.parametrize(
    ("cell", "text", "name"),
    [
        ("A5", "填报单位：青岛市城市管理局", "form.issue.other-body"),
        ("A5", "填报单位：青岛市水务管理局（盖章）", ""),
        ("B5", "市水务局", ""),
        ("B5", "青岛市水务局", ""),
        ("D5", "青岛", ""),
        ("A2", "表单编号：x.y", "form.cell.print-changed"),
    ],
)
def test_the_head_in_other_words(tmp_path: Path, cell: str, text: str, name: str) -> None:
    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        sheet[cell] = text
        if cell == "A5":
            sheet["B5"] = None

    read = returned(tmp_path, edit)
    assert _found(read) == ([(name, FORM_SHEET, cell)] if name else [])
    assert read.accepted is (name != "form.issue.other-body")


def test_a_second_table_below_is_read_and_its_heads_are_print(tmp_path: Path) -> None:
    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        for row in range(top, top + 14):
            for column in range(1, 10):
                sheet.cell(row + 17, column).value = sheet.cell(row, column).value
        sheet.cell(top + 22, COLUMNS["value"]).value = 51000

    read = returned(tmp_path, edit)
    assert Counter(name for name, _, _ in _found(read)) == {"form.row.duplicate": 12, "form.row.disagree": 1}


def test_a_file_without_the_table_answers_nothing(tmp_path: Path) -> None:
    read = returned(tmp_path, lambda book, sheet, top: sheet.delete_rows(top))
    assert (read.accepted, "form.file.no-table" in {name for name, _, _ in _found(read)}) == (False, True)


def test_a_copy_as_text_is_read_and_says_what_it_cannot_show(tmp_path: Path) -> None:
    path = tmp_path / "form.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(filled(water_issue(), GOOD)[FORM_SHEET].iter_rows(values_only=True))
    read = read_form(path, shipped(), recorded_at=NOW, issues=[water_issue()])
    assert {name for name, _, _ in _found(read)} == {"form.issue.from-cells", "form.file.old-format"}
    assert dict(Counter(read.answers["state"].to_list())) == {"answered": 13}


def _subjects() -> tuple[FormSubject, ...]:
    return tuple(FormSubject(code=f"37020200000000000{number}", name=f"楼{number}") for number in range(1, 4))


def _rows(
    folder: Path, edit: Callable[[Worksheet, int, dict[str, int]], None], form: str = "civil_building_basics"
) -> FormReturn:
    who = Respondent(body="qingdao-housing", body_name="青岛市住房和城乡建设局", place="qingdao", subjects=_subjects())
    issue = issue_form(shipped().forms[form], shipped(), [who], period="2025", due=DUE).issues[0]
    book = openpyxl.load_workbook(io.BytesIO(form_book(issue, shipped())))
    sheet = book[FORM_SHEET]
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    top = 1 + next(row for row in range(1, 30) if sheet.cell(row, 1).value == issue.lines[0].id)
    columns = {line.field: number for number, line in enumerate(issue.lines, start=1)}
    for row in range(1, 4):
        for name, value in (("floor_area", 1000.0 * row), ("storeys", 5 + row), ("completion_year", 2000 + row)):
            if name in columns:
                sheet.cell(top + row, columns[name]).value = value
    edit(sheet, top, columns)
    path = folder / "form.xlsx"
    book.save(path)
    return read_form(path, shipped(), recorded_at=NOW, issues=[issue])


def _names_reversed(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
    for row, name in ((1, "楼3"), (3, "楼1")):
        sheet.cell(top + row, columns["building_name"]).value = name


def _codes_as_numbers(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
    sheet.cell(top + 1, 1).value = float("370202000000000001")
    sheet.cell(top + 3, 1).value = "370202000000000000"


def _heads_swapped(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
    first, second = (sheet.cell(top, columns[name]) for name in ("storeys", "completion_year"))
    first.value, second.value = second.value, first.value


def _codes_sorted_away(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
    codes = [sheet.cell(top - 1, column).value for column in range(1, len(columns) + 2)]
    sheet.delete_rows(top - 1)
    for column, code in enumerate(codes, start=1):
        sheet.cell(top + 40, column).value = code


def _out_of_bounds(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
    sheet.cell(top + 1, columns["completion_year"]).value = 2030
    sheet.cell(top + 2, columns["storeys"]).value = 0
    sheet.cell(top + 5, 1).value = "37020200"
    sheet.cell(top + 5, columns["floor_area"]).value = 12


@pytest.mark.parametrize(
    ("edit", "wanted", "taken"),
    [
        (lambda sheet, top, columns: None, [], 3),
        (_names_reversed, [("form.row.nobody", "A12"), ("form.row.nobody", "A14")], 1),
        (_codes_as_numbers, [("form.row.nobody", "A12"), ("form.row.nobody", "A14")], 1),
        (_heads_swapped, [("form.column.doubtful", "G11"), ("form.column.doubtful", "H11")], 3),
        (_codes_sorted_away, [], 3),
        (_out_of_bounds, [("form.value.code-length", "A16"), ("form.check.failed", "G12"), ("form.check.failed", "H13")], 4),
    ],
    ids=["sound", "names", "codes", "heads", "codes sorted away", "bounds"],
)  # fmt: skip
def test_rows_of_buildings(tmp_path: Path, edit: Any, wanted: list[tuple[str, str]], taken: int) -> None:
    read = _rows(tmp_path, edit)
    quiet = ("form.value.blank", "form.head.blank")
    assert sorted((name, cell) for name, _, cell in _found(read) if name not in quiet) == sorted(wanted)
    areas = read.answers.filter((pl.col("field") == "floor_area") & pl.col("value").is_not_null())
    assert areas.height == taken


def test_subjects_without_a_code_are_known_by_their_names(tmp_path: Path) -> None:
    def edit(sheet: Worksheet, top: int, columns: dict[str, int]) -> None:
        assert [sheet.cell(top + row, columns["project"]).value for row in (1, 2, 3)] == ["楼1", "楼2", "楼3"]
        sheet.cell(top + 2, columns["wall_u"]).value = 0.45

    read = _rows(tmp_path, edit, "site_energy_notice")
    walls = read.answers.filter(pl.col("field") == "wall_u").select("row_code", "value", "unit").rows()
    assert walls == [
        ("370202000000000001", None, "W/(m²·K)"),
        ("370202000000000002", 0.45, "W/(m²·K)"),
        ("370202000000000003", None, "W/(m²·K)"),
    ]


def test_a_form_about_another_building_is_refused(tmp_path: Path) -> None:
    who = WATER.model_copy(update={"subjects": _subjects()})
    issue = issue_form(shipped().forms["civil_building_energy"], shipped(), [who], period="2025", due=DUE).issues[0]

    def edit(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        for row in range(1, top):
            for column in range(1, 9):
                if sheet.cell(row, column).value == "建筑代码":
                    sheet.cell(row, column + 1).value = "370202000000000003"

    read = returned(tmp_path, edit, issue=issue, issues=[issue], values={"electricity": 52000})
    assert "form.issue.other-subject" in {name for name, _, _ in _found(read)}
    assert (read.accepted, read.frame.height) == (False, 0)
