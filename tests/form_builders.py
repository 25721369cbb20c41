"""Issues of forms in small, and the edits that people make to a form before it comes back."""

import io
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from dafeng.base.form import FormIssue
from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog import Catalog
from dafeng.catalog.catalog import Entries, read_entries, shipped_folder
from dafeng.intake.form_reading import FormReturn, read_form
from dafeng.reports.form_book import FORM_SHEET, form_book
from dafeng.statistics.owed import Respondent, issue_form

NOW = datetime(2026, 2, 1, tzinfo=UTC)
DUE = date(2026, 3, 31)
WATER = Respondent(body="qingdao-water", body_name="青岛市水务管理局", place="qingdao")
COLUMNS = {"line": 1, "code": 2, "title": 3, "meaning": 4, "unit": 5, "last": 6, "value": 7, "reason": 8, "note": 9}


@lru_cache(maxsize=1)
def shipped() -> Catalog:
    """Return the shipped catalog, unchecked: faults elsewhere in it are other tests' business."""
    entries: Entries = read_entries([shipped_folder()])[0]
    return Catalog(entries)


@lru_cache(maxsize=8)
def water_issue(period: str = "2025", body: str = "qingdao-water") -> FormIssue:
    """Return the yearbook's water table asked of one body, with two values of the year before."""
    facts = observation_frame(
        [
            Observation(indicator=name, place="qingdao", extent="city_proper", period=f"{int(period) - 1}", value=value, dataset="yearbook", recorded_at=NOW)
            for name, value in (("water_supply_volume", 5.1e8), ("water_served_population", 6.2e6))
        ]
    )  # fmt: skip
    who = WATER.model_copy(
        update={"body": body, "body_name": WATER.body_name if body == "qingdao-water" else "青岛市另一个局"}
    )
    form = shipped().forms["yearbook_water"]
    return issue_form(form, shipped(), [who], period=period, due=DUE, facts=facts).issues[0]


GOOD: dict[str, float] = {
    "capacity": 200.0, "groundwater": 20.0, "pipes": 9000.5, "built_up_pipes": 7000.0, "supply": 52000.0, "production": 12000.0,
    "services": 8000.0, "households": 24000.0, "other": 1000.0, "registered": 47000.0, "users": 2600000.0,
    "household_users": 2500000.0, "population": 625.0,
}  # fmt: skip
"""Sound answers to the water table, in the units printed on it."""


def head_row(sheet: Worksheet) -> int:
    """Return the row of heads, from 1."""
    return next(row for row in range(1, 40) if any(sheet.cell(row, column).value == "行码" for column in range(1, 12)))


def filled(issue: FormIssue, values: Mapping[str, Any]) -> openpyxl.Workbook:
    """Return the form of an issue with the values of fields filled in, and the head."""
    book = openpyxl.load_workbook(io.BytesIO(form_book(issue, shipped())))
    sheet = book[FORM_SHEET]
    top = head_row(sheet)
    for number, line in enumerate(issue.lines, start=1):
        if line.field in values:
            sheet.cell(top + number, COLUMNS["value"]).value = values[line.field]
    for row in range(1, top):
        for column in range(1, 9):
            text = sheet.cell(row, column).value
            if text in ("统一社会信用代码", "单位负责人", "统计负责人", "填表人", "联系电话"):
                sheet.cell(row, column + 1).value = "11370200MB1234567X" if text == "统一社会信用代码" else "某"
            if text == "报出日期":
                sheet.cell(row, column + 1).value = date(2026, 3, 20)
    return book


def returned(
    folder: Path,
    edit: Callable[[openpyxl.Workbook, Worksheet, int], None] | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    issue: FormIssue | None = None,
    issues: list[FormIssue] | None = None,
) -> FormReturn:
    """Return what comes of the water table, filled in soundly and then edited; `edit` gets book, sheet and row of heads."""
    asked = issue or water_issue()
    book = filled(asked, GOOD if values is None else values)
    if edit is not None:
        edit(book, book[FORM_SHEET], head_row(book[FORM_SHEET]))
    path = folder / "form.xlsx"
    book.save(path)
    return read_form(path, shipped(), recorded_at=NOW, issues=[water_issue()] if issues is None else issues)


def row_of(field: str) -> int:
    """Return how far below the heads a field of the water table stands."""
    return 1 + [line.field for line in water_issue().lines].index(field)
