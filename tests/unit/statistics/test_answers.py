"""Who was asked, who answered, and the chase list."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.form import FormIssue
from dafeng.intake.form_reading import join_returns
from dafeng.reports.form_chase import chase_report
from dafeng.reports.xlsx import render_xlsx
from dafeng.statistics.answers import CHASE_SCHEMA, Standing, standing
from form_builders import GOOD, returned, water_issue

AFTER = date(2026, 4, 3)


def _issues() -> list[FormIssue]:
    return [water_issue(), water_issue("2025", "qingdao-urban-management")]


def _standing(tmp_path: Path, values: dict[str, object], as_of: date = AFTER, *, answers: bool = True) -> Standing:
    read = returned(tmp_path, values=values)
    frame, _, said = join_returns([read])
    return standing(_issues(), frame, said if answers else None, as_of=as_of)


def _form(found: Standing, body: str = "qingdao-water") -> dict[str, object]:
    return found.forms.filter(pl.col("body") == body).row(0, named=True)


@pytest.mark.parametrize(
    ("values", "state", "missing", "refused"),
    [
        (GOOD, "complete", 0, 0),
        (GOOD | {"groundwater": "不适用"}, "complete", 0, 0),
        ({name: value for name, value in GOOD.items() if name != "pipes"}, "partly", 1, 0),
        (GOOD | {"pipes": "待核实"}, "with_errors", 0, 1),
        ({}, "partly", 13, 0),
    ],
    ids=["all", "a reason", "one blank", "one refused", "an empty form"],
)
def test_states_of_a_form(tmp_path: Path, values: dict[str, object], state: str, missing: int, refused: int) -> None:
    row = _form(_standing(tmp_path, values))
    assert (row["state"], row["missing"], row["refused"]) == (state, missing, refused)
    assert row["returned_on"] == date(2026, 2, 1)
    assert row["days_overdue"] == (0 if state == "complete" else 3)


def test_a_form_that_never_came_is_overdue_from_the_day_after_it_was_due(tmp_path: Path) -> None:
    for as_of, days, late in ((date(2026, 3, 31), 0, False), (date(2026, 4, 1), 1, True)):
        row = _form(_standing(tmp_path, GOOD, as_of), "qingdao-urban-management")
        assert (row["state"], row["days_overdue"], row["late"], row["missing"]) == ("not_returned", days, late, 13)


def test_the_lake_alone_says_who_answered(tmp_path: Path) -> None:
    found = _standing(tmp_path, GOOD | {"pipes": "待核实"}, answers=False)
    row = _form(found)
    assert (row["state"], row["answered"], row["missing"]) == ("partly", 12, 1)
    document = found.lines.filter(pl.col("state") == "answered")["document"].unique().to_list()
    assert len(document) == 1
    assert len(document[0]) == 64


def test_what_was_recorded_later_is_not_seen(tmp_path: Path) -> None:
    row = _form(_standing(tmp_path, GOOD, date(2026, 1, 31)))
    assert (row["state"], row["returned_on"]) == ("not_returned", None)


def test_a_correction_replaces_the_first_return_and_does_not_make_it_late(tmp_path: Path) -> None:
    first = returned(tmp_path, values=GOOD | {"pipes": "待核实"})
    second = returned(tmp_path)
    moved = second.answers.with_columns(recorded_at=pl.lit(datetime(2026, 4, 2, tzinfo=UTC), pl.Datetime("us", "UTC")))
    found = standing([water_issue()], first.frame, pl.concat([first.answers, moved]), as_of=AFTER)
    row = _form(found)
    assert (row["state"], row["returned_on"], row["late"]) == ("complete", date(2026, 2, 1), False)
    assert found.chase.height == 0


def test_a_late_return_stays_late(tmp_path: Path) -> None:
    read = returned(tmp_path)
    late = pl.lit(datetime(2026, 4, 2, tzinfo=UTC), pl.Datetime("us", "UTC"))
    frame = read.frame.with_columns(recorded_at=late)
    row = _form(standing([water_issue()], frame, as_of=AFTER))
    assert (row["state"], row["late"], row["days_overdue"]) == ("complete", True, 0)


def test_another_bodys_figures_are_no_answer(tmp_path: Path) -> None:
    read = returned(tmp_path)
    foreign = read.frame.with_columns(dataset=pl.lit("mohurd-yearbook"))
    assert _form(standing([water_issue()], foreign, as_of=AFTER))["state"] == "not_returned"


def test_the_chase_list_names_what_is_missing(tmp_path: Path) -> None:
    values = {name: value for name, value in GOOD.items() if name != "pipes"} | {"supply": "待核实"}
    found = _standing(tmp_path, values)
    assert dict(found.chase.schema) == CHASE_SCHEMA
    told = dict(found.chase.select("body", "what").iter_rows())
    assert told["qingdao-water"] == "《城市供水》：供水管道长度、供水总量（有误）"
    assert told["qingdao-urban-management"] == "《城市供水》全表未报"
    assert found.bodies.select("body", "forms", "complete", "missing").rows() == [
        ("qingdao-urban-management", 1, 0, 13),
        ("qingdao-water", 1, 0, 1),
    ]


def test_the_chase_list_is_a_paper_with_the_same_bytes_each_time(tmp_path: Path) -> None:
    found = _standing(tmp_path, {})
    paper = chase_report(found)
    table = next(paper.tables())
    assert [row.cells[6].text for row in table.rows] == ["未报", "部分报送"]
    assert render_xlsx(paper) == render_xlsx(chase_report(found))
    only = next(chase_report(found, body="qingdao-water").tables())
    assert [row.cells[1].text for row in only.rows] == ["青岛市水务管理局"]
