"""What is typed on a page reads as its workbook does; what came back as a workbook stands in the fields as it was written."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dafeng.base.errors import InputError
from dafeng.base.form import FormEntry, FormFilling, FormIssue
from dafeng.intake.form_filling import filling_of, findings_at, read_filling
from dafeng.intake.form_reading import FormReturn, read_form
from dafeng.reports.form_book import FORM_SHEET, form_book
from form_builders import GOOD, NOW, head_row, shipped, water_issue

COLUMNS = ("line", "state", "value", "missing_reason", "note")


def both(issue: FormIssue, filling: FormFilling, folder: Path) -> tuple[FormReturn, FormReturn]:
    """Return a filling as read from the page and from its workbook."""
    path = folder / "form.xlsx"
    path.write_bytes(form_book(issue, shipped(), filling))
    typed = read_filling(issue, filling, shipped(), recorded_at=NOW)
    return typed, read_form(path, shipped(), recorded_at=NOW, issues=[issue])


def filled(**values: str) -> FormFilling:
    entries = {line.id: FormEntry(value=values[line.field]) for line in water_issue().lines if line.field in values}
    return FormFilling(entries=entries, head={"filled_by": "张三", "reported_on": "2026-03-20"})


texts = st.one_of(
    st.floats(0, 1e9, allow_nan=False).map(repr),
    st.decimals(0, 10_000, places=3).map(str),
    st.integers(0, 10**12).map(str),
    st.sampled_from(
        [
            "约120",
            "１２０",
            "1,200",
            "120万",
            "—",
            "8-10",
            "=1+1",
            "@x",
            "见附件",
            "5.2亿立方米",
            "0.30000000000000004",
            "",
        ]
    ),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(texts, min_size=13, max_size=13),
    reason=st.sampled_from(["", "not_available", "没有数据", "不知道"]),
)
def test_a_page_and_its_workbook_say_the_same(values: list[str], reason: str, tmp_path: Path) -> None:
    issue = water_issue()
    entries = {
        line.id: FormEntry(value=value, reason=reason if number % 4 == 0 else "", note="=2" if number % 3 else "")
        for number, (line, value) in enumerate(zip(issue.lines, values, strict=True))
    }
    typed, back = both(issue, FormFilling(entries=entries), tmp_path)
    assert typed.answers.select(COLUMNS).rows() == back.answers.select(COLUMNS).rows()
    assert sorted(one.finding.name + one.line for one in findings_at(typed)) == sorted(
        one.finding.name + one.line for one in findings_at(back)
    )


def test_findings_stand_at_their_lines_and_the_head_is_read(tmp_path: Path) -> None:
    issue = water_issue()
    typed, back = both(
        issue, filled(**{name: str(value) for name, value in GOOD.items()} | {"pipes": "见附件"}), tmp_path
    )
    pipes = next(line.id for line in issue.lines if line.field == "pipes")
    for read in (typed, back):
        assert [(one.line, one.finding.name) for one in findings_at(read) if one.finding.severity == "error"] == [
            (pipes, "form.value.not-a-number")
        ]
        assert read.head == {"filled_by": "张三", "reported_on": "2026-03-20"}
    supply = next(line.id for line in issue.lines if line.field == "supply")
    assert typed.answers.filter(line=supply)["value"].to_list() == [52000.0 * 1e4]


def test_what_came_back_is_written_as_it_stands_with_a_unit_that_was_altered(tmp_path: Path) -> None:
    issue = water_issue()
    book = openpyxl.load_workbook(_saved(issue, tmp_path))
    sheet = book[FORM_SHEET]
    top = head_row(sheet)
    order = [line.field for line in issue.lines]
    supply, pipes = top + 1 + order.index("supply"), top + 1 + order.index("pipes")
    sheet.cell(supply, 5).value, sheet.cell(supply, 7).value = "亿立方米", 5.2
    sheet.cell(pipes, 7).value, sheet.cell(pipes, 9).value = "约9000", "估"
    book.save(tmp_path / "back.xlsx")
    read = read_form(tmp_path / "back.xlsx", shipped(), recorded_at=NOW, issues=[issue])
    filling = filling_of(read)
    lines = {line.field: line.id for line in issue.lines}
    assert filling.entries == {
        lines["supply"]: FormEntry(value="5.2亿立方米"),
        lines["pipes"]: FormEntry(value="约9000", note="估"),
    }
    again = read_filling(issue, filling, shipped(), recorded_at=NOW)
    assert again.answers.filter(line=lines["supply"])["value"].to_list() == [5.2e8]


def _saved(issue: FormIssue, folder: Path) -> Path:
    path = folder / "blank.xlsx"
    path.write_bytes(form_book(issue, shipped()))
    return path


def test_a_form_with_a_subject_a_row_is_filled_in_as_a_workbook() -> None:
    with pytest.raises(InputError, match="subject a row"):
        read_filling(water_issue().model_copy(update={"layout": "rows"}), FormFilling(), shipped(), recorded_at=NOW)
