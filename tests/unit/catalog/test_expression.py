"""Dates, years and undecided names in the expression grammar."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from dafeng.base.errors import ExpressionError
from dafeng.catalog.expression import FieldType, check_expression, evaluate, undecided

FIELDS = {
    "permit": FieldType("date"),
    "start": FieldType("date"),
    "year_built": FieldType(unit="year"),
    "name": FieldType("text"),
    "area": FieldType(unit="m**2"),
    "other": FieldType(unit="m**2"),
    "work": FieldType("choice", options=("new", "renovation")),
    "new": FieldType("yes_no"),
}
DAYS = pl.DataFrame({"permit": [date(2024, 12, 31), date(2025, 1, 1), None], "start": [date(2025, 1, 1)] * 3})


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ('permit >= "2025-01-01"', [False, True, None]),
        ('"2025-01-01" > permit', [True, False, None]),
        ("permit < start", [True, False, None]),
        ('permit in ["2024-12-31", "2026-01-01"]', [True, False, None]),
        ('permit not in ["2024-12-31"]', [False, True, None]),
        ("year(permit) >= 2025[year]", [False, True, None]),
        ("year(permit) == year(start)", [False, True, None]),
        ('permit != "2025-01-01"', [True, False, None]),
    ],
)
def test_dates_are_compared_with_days_and_dates(text: str, answers: list[bool | None]) -> None:
    assert check_expression(text, FIELDS).kind == "yes_no"
    assert DAYS.select(evaluate(text, FIELDS)).to_series().to_list() == answers


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('permit >= "2025-02-30"', "is no day"),
        ('permit >= "soon"', "is no day"),
        ("permit >= 2025", "a date is compared with a number"),
        ("permit == name", "a date is compared with a text"),
        ("year(name) > 2000[year]", "the year of a text is asked for"),
        ("year(permit) > 2000", "is compared with"),
        ("year(permit, start) > 2000[year]", "takes 1 values"),
        ('name > "b"', "texts are compared by order"),
        ('work == "old"', "no option of work"),
    ],
)
def test_what_is_no_date_is_refused_at_load(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError, match=problem):
        check_expression(text, FIELDS)


@pytest.mark.parametrize(
    ("text", "row", "asked"),
    [
        ("new and area > 5[m**2]", {"new": True}, ["area"]),
        ("new and area > 5[m**2]", {"new": False}, []),
        ("new and area > 5[m**2]", {"area": 4.0}, []),
        ("new and area > 5[m**2]", {}, ["new", "area"]),
        ("new or area > 5[m**2]", {"area": 6.0}, []),
        ("not (new or area > 5[m**2])", {"area": 4.0}, ["new"]),
        ("area > 5[m**2] and (new or other > 1[m**2])", {"new": True}, ["area"]),
        ("area > 5[m**2] and (new or other > 1[m**2])", {"area": 9.0}, ["new", "other"]),
        ("if(new, area, other) > 5[m**2]", {"new": True}, ["area"]),
        ("if(new, area, other) > 5[m**2]", {"new": False}, ["other"]),
        ("if(new, area, other) > 5[m**2]", {"area": 9.0}, ["new", "other"]),
        ("share(area, other) > 50[%]", {"other": 0.0}, []),
        ("share(area, other) > 50[%]", {"other": 2.0}, ["area"]),
        ("max(area, other) > 5[m**2]", {"area": 9.0}, ["other"]),
        ("known(area) or new", {}, ["new"]),
        ('permit >= "2025-01-01"', {}, ["permit"]),
    ],
)
def test_only_what_keeps_the_answer_open_is_asked_for(text: str, row: dict[str, object], asked: list[str]) -> None:
    types = {"new": pl.Boolean, "area": pl.Float64, "other": pl.Float64, "permit": pl.Date}
    frame = pl.DataFrame([dict.fromkeys(types) | row], schema=types)
    masks = frame.select(**undecided(text, FIELDS)).row(0, named=True)
    assert [name for name, mask in masks.items() if mask] == asked
