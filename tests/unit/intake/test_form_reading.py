"""Returned forms: every edit of tests/cases/form_bad_input.yaml, round trips, and that nothing is lost."""

import shutil
import subprocess
import zipfile
from collections import Counter, defaultdict
from copy import copy
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from dafeng.base.errors import InputError
from dafeng.base.form import FormSubject
from dafeng.base.observation import check_observations
from dafeng.intake.form_reading import read_form
from dafeng.reports.form_book import FORM_SHEET, form_book
from dafeng.statistics.owed import Respondent, issue_form
from form_builders import COLUMNS, DUE, GOOD, NOW, WATER, filled, head_row, returned, row_of, shipped, water_issue

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "form_bad_input.yaml").read_text(encoding="utf-8")
)["cases"]


def _set(book: openpyxl.Workbook, sheet: Worksheet, top: int, edit: dict[str, Any]) -> None:
    row = top + row_of(edit.get("set") or edit["copy"])
    if "set" in edit:
        sheet.cell(row, COLUMNS[edit.get("in", "value")]).value = edit["to"]
    else:
        for column in range(1, 10):
            sheet.cell(edit["to_row"], column).value = sheet.cell(row, column).value


def _reverse(sheet: Worksheet, top: int, rows: list[int] | None = None) -> None:
    count = len(water_issue().lines)
    order = rows or list(range(count))[::-1]
    held = [[sheet.cell(top + 1 + row, column).value for column in range(1, 10)] for row in order]
    for row, values in enumerate(held, start=top + 1):
        for column, value in enumerate(values, start=1):
            sheet.cell(row, column).value = value


def _apply(edits: list[dict[str, Any]]) -> Any:
    def run(book: openpyxl.Workbook, sheet: Worksheet, top: int) -> None:
        for merged in list(sheet.merged_cells.ranges):
            if any(
                name in edit
                for edit in edits
                for name in ("delete_column", "insert_column", "insert_rows", "delete_row")
            ):
                sheet.unmerge_cells(str(merged))
        for edit in edits:
            match next(iter(edit)):
                case "set" | "copy":
                    _set(book, sheet, top, edit)
                case "cell":
                    sheet[edit["cell"]].value = edit["to"]
                case "delete_column":
                    sheet.delete_cols(COLUMNS[edit["delete_column"]])
                case "insert_column":
                    sheet.insert_cols(edit["insert_column"])
                case "insert_rows":
                    sheet.insert_rows(edit["insert_rows"], edit["count"])
                case "delete_row":
                    sheet.delete_rows(edit["delete_row"])
                case "merge":
                    sheet.merge_cells(edit["merge"])
                case "paste":
                    for row in range(15, 15 + edit["rows"]):
                        sheet.cell(row, 12).value = row
                case "reverse":
                    _reverse(sheet, top)
                case "shift":
                    column, last = COLUMNS[edit["shift"]], top + len(water_issue().lines)
                    for row in range(top + 1, last):
                        sheet.cell(row, column).value = sheet.cell(row + 1, column).value
                case "hide":
                    sheet.sheet_state = "hidden"
                    book.active = book.sheetnames.index("填报说明")
                case "hide_row":
                    sheet.row_dimensions[edit["hide_row"]].hidden = True
                case "sheet":
                    book.create_sheet(edit["sheet"]).cell(2, 2).value = edit["to"]
                case "rename":
                    sheet.title = edit["rename"]
                case "remove":
                    for name in list(book.defined_names):
                        del book.defined_names[name]
                    del book[edit["remove"]]
                case other:
                    raise AssertionError(other)

    return run


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_people_do_to_a_form(tmp_path: Path, case: dict[str, Any]) -> None:
    read = returned(tmp_path, _apply(case["edits"]))
    found: dict[str, list[str]] = defaultdict(list)
    for finding in read.findings:
        if finding.name not in case.get("beside", ()):
            found[finding.name].append(finding.where.cell)
    wanted = case["findings"]
    assert set(found) == set(wanted)
    assert {name: sorted(cells) for name, cells in found.items() if wanted[name] != "any"} == {
        name: sorted(cells) for name, cells in wanted.items() if cells != "any"
    }
    assert dict(Counter(read.answers["state"].to_list())) == case["states"]
    assert read.accepted is case.get("accepted", True)
    answers = {row["field"]: row for row in read.answers.iter_rows(named=True)}
    for name, value in case.get("values", {}).items():
        assert answers[name]["value"] == pytest.approx(value, rel=1e-12)
    for name, reason in case.get("reasons", {}).items():
        assert (answers[name]["value"], answers[name]["missing_reason"]) == (None, reason)
    assert check_observations(read.frame) == []
    taken = sum(case["states"].get(name, 0) for name in ("answered", "answered_with_finding", "reason_given"))
    assert read.frame.height == read.lineage.height == (taken if read.accepted else 0)
    _nothing_is_lost(tmp_path / "form.xlsx", read.cells)


def _nothing_is_lost(path: Path, cells: pl.DataFrame) -> None:
    """Every filled cell of the file has exactly one fate."""
    book = openpyxl.load_workbook(path)
    there = Counter(
        (sheet.title, cell.coordinate)
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None and str(cell.value).strip()
    )
    told = Counter(cells.select("sheet", "cell").iter_rows())
    assert told == there
    assert (
        cells["fate"]
        .is_in(
            [
                "printed",
                "answer",
                "answer_with_finding",
                "reason",
                "note",
                "head",
                "changed",
                "refused",
                "stray",
                "set_aside",
            ]
        )
        .all()
    )


def test_many_findings_of_a_name_are_listed_in_part_and_counted(tmp_path: Path) -> None:
    read = returned(tmp_path, _apply([{"paste": "L15", "rows": 300}]))
    assert len(read.findings) == 201
    assert read.findings[-1].evidence == {"more": 100}
    assert read.cells.filter(pl.col("fate") == "stray").height == 300


def test_figures_come_back_in_canonical_units_with_their_cells(tmp_path: Path) -> None:
    read = returned(tmp_path)
    row = read.frame.filter(pl.col("indicator") == "water_supply_volume").row(0, named=True)
    assert (row["place"], row["extent"], row["period"], row["value"]) == ("qingdao", "city_proper", "2025", 5.2e8)
    assert (row["dataset"], row["kind"], str(row["published_on"])) == ("return-qingdao-water", "reported", "2026-03-20")
    origin = read.lineage.filter(pl.col("id") == row["lineage"]).row(0, named=True)
    assert (origin["kind"], origin["sheet"], origin["cell"], origin["text"]) == ("cell", FORM_SHEET, "G15", "52000")


def test_a_cached_formula_is_taken_and_told(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    filled(water_issue(), GOOD | {"supply": 777001}).save(path)
    edited = tmp_path / "edited.xlsx"
    with_formula = {b"<v>777001</v>": b"<f>26000*2</f><v>52000</v>"}
    _rewrite(path, edited, with_formula)
    read = read_form(edited, shipped(), recorded_at=NOW, issues=[water_issue()])
    assert [(finding.name, finding.where.cell) for finding in read.findings] == [("form.value.formula", "G15")]
    assert read.frame.filter(pl.col("indicator") == "water_supply_volume")["value"].to_list() == [5.2e8]


def _rewrite(path: Path, to: Path, replaced: dict[bytes, bytes]) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(to, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            for old, new in replaced.items():
                data = data.replace(old, new)
            target.writestr(name, data)


def test_a_password_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    path.write_bytes(
        bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 600
    )
    with pytest.raises(InputError, match="password") as caught:
        read_form(path, shipped(), recorded_at=NOW)
    assert caught.value.evidence["name"] == "intake.file.encrypted"


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (water_issue("2024"), "form.issue.other-period"),
        (water_issue("2025", "qingdao-urban-management"), "form.issue.other-body"),
    ],
    ids=["period", "body"],
)
def test_another_form_is_refused_as_a_whole(tmp_path: Path, other: Any, name: str) -> None:
    read = returned(tmp_path, issue=other)
    assert (read.accepted, read.frame.height, read.findings[0].name) == (False, 0, name)
    assert set(read.answers["state"]) == {"refused"}
    assert read.cells.filter(pl.col("fate") == "refused").height == len(GOOD) + 6  # figures and head fields


def test_another_version_is_read_by_its_codes(tmp_path: Path) -> None:
    newer = water_issue().model_copy(update={"version": "00000000", "lines": water_issue().lines[1:]})
    read = returned(tmp_path, issues=[newer])
    assert [finding.name for finding in read.findings] == ["form.row.foreign", "form.issue.other-version"]
    assert dict(Counter(read.answers["state"].to_list())) == {"answered": 12}


def test_without_a_list_of_issues_the_form_speaks_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    filled(water_issue(), GOOD).save(path)
    read = read_form(path, shipped(), recorded_at=NOW)
    assert read.issue == water_issue()
    assert [finding.name for finding in read.findings] == ["form.issue.self-stated"]


@settings(max_examples=12)
@given(
    values=st.lists(st.floats(0, 1e7, allow_nan=False, width=32), min_size=13, max_size=13),
    order=st.permutations(range(13)),
)
def test_any_figures_in_any_order_of_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], order: list[int]
) -> None:
    fields = [line.field for line in water_issue().lines]
    given_values = dict(zip(fields, values, strict=True))
    read = returned(
        tmp_path_factory.mktemp("form"), lambda book, sheet, top: _reverse(sheet, top, list(order)), values=given_values
    )
    factors = {"万立方米/日": 1e4, "万立方米": 1e4, "公里": 1.0, "户": 1.0, "万人": 1e4}
    units = {line.field: line.unit for line in water_issue().lines}
    back = dict(read.answers.select("field", "value").iter_rows())
    per_day = 1.0
    for field, value in given_values.items():
        assert back[field] == pytest.approx(value * factors[units[field]] * per_day, rel=1e-9), field


def test_it_comes_back_through_an_office_suite(tmp_path: Path) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("no soffice on this machine")
    path = tmp_path / "form.xlsx"
    filled(water_issue(), GOOD | {"supply": "=26000*2", "groundwater": "１２０"}).save(path)
    out = tmp_path / "out"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        [office, profile, "--headless", "--convert-to", "xlsx", "--outdir", str(out), str(path)],
        check=True, capture_output=True, timeout=90,
    )  # fmt: skip
    read = read_form(out / "form.xlsx", shipped(), recorded_at=NOW, issues=[water_issue()])
    assert [finding.name for finding in read.findings] == ["form.value.formula"]
    back = dict(read.answers.select("field", "value").iter_rows())
    assert (back["supply"], back["groundwater"]) == (5.2e8, pytest.approx(1.2e6))


def _buildings() -> Any:
    subjects = (
        FormSubject(code="370202000000000001", name="某大厦"),
        FormSubject(code="370202000000000002", name="某医院"),
    )
    who = Respondent(body="qingdao-housing", body_name="青岛市住房和城乡建设局", place="qingdao", subjects=subjects)
    return issue_form(shipped().forms["civil_building_basics"], shipped(), [who], period="2025", due=DUE).issues[0]


def test_a_form_of_rows_takes_a_subject_a_row(tmp_path: Path) -> None:
    issue = _buildings()
    path = tmp_path / "form.xlsx"
    path.write_bytes(form_book(issue, shipped()))
    book = openpyxl.load_workbook(path)
    sheet = book[FORM_SHEET]
    top = next(row for row in range(1, 30) if sheet.cell(row, 1).value == "建筑代码")
    column = {line.field: number for number, line in enumerate(issue.lines, start=1)}
    for row, values in (
        (
            top + 1,
            {"building_name": "某大厦", "floor_area": "2.1万", "storeys": 18, "heating_mode": "2", "energy_code": "是"},
        ),
        (
            top + 2,
            {"building_name": "某医院", "floor_area": 0, "storeys": "约6", "heating_mode": "9", "energy_code": "不详"},
        ),
        (top + 40, {"building_name": "新增的楼", "floor_area": 800}),
        (top + 41, {"storeys": 3}),
    ):
        for field, value in values.items():
            sheet.cell(row, column[field]).value = value
    for merged in list(sheet.merged_cells.ranges):
        sheet.unmerge_cells(str(merged))
    sheet.insert_cols(column["storeys"])
    book.save(path)
    read = read_form(path, shipped(), recorded_at=NOW, issues=[issue])
    back = {(row["row_name"], row["field"]): row for row in read.answers.iter_rows(named=True)}
    assert back["某大厦", "floor_area"]["value"] == 21000.0
    assert back["某大厦", "heating_mode"]["text"] == "2"
    assert back["某医院", "heating_mode"]["state"] == "refused"
    assert back["某医院", "energy_code"]["missing_reason"] == "not_available"
    assert back["新增的楼", "floor_area"]["value"] == 800.0
    assert read.frame.is_empty()  # a building is no place
    names = {finding.name for finding in read.findings}
    assert {
        "form.value.scaled",
        "form.value.estimate",
        "form.value.not-an-option",
        "form.check.failed",
        "form.row.nobody",
    } <= names
    _nothing_is_lost(path, read.cells)


def test_a_form_of_rows_by_place_yields_observations(tmp_path: Path) -> None:
    form = shipped().forms["yearbook_rail"].model_copy(update={"layout": "rows"})
    subjects = (FormSubject(code="qingdao-shinan", name="市南区"), FormSubject(code="qingdao-jimo", name="即墨区"))
    who = WATER.model_copy(update={"subjects": subjects})
    issue = issue_form(form, shipped(), [who], period="2025", due=DUE).issues[0]
    path = tmp_path / "form.xlsx"
    path.write_bytes(form_book(issue, shipped()))
    book = openpyxl.load_workbook(path)
    sheet = book[FORM_SHEET]
    top = next(row for row in range(1, 30) if sheet.cell(row, 1).value == "地区代码")
    for row, length in ((top + 1, 61.5), (top + 2, "—")):
        sheet.cell(row, 3).value = length
    first, second = ([copy(sheet.cell(top + number, column).value) for column in range(1, 8)] for number in (1, 2))
    for column in range(1, 8):
        sheet.cell(top + 1, column).value, sheet.cell(top + 2, column).value = second[column - 1], first[column - 1]
    book.save(path)
    read = read_form(path, shipped(), recorded_at=NOW, issues=[issue])
    facts = read.frame.sort("place").select("place", "indicator", "value", "missing_reason").rows()
    assert facts == [
        ("qingdao-jimo", "urban_rail_length", None, "not_applicable"),
        ("qingdao-shinan", "urban_rail_length", 61.5, None),
    ]
    assert head_row(filled(water_issue(), {})[FORM_SHEET]) == 10
