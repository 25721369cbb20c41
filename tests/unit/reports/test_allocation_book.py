"""The consultation workbook and the annex: what is locked, what is free, what adds up, and the round trip."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl

from dafeng.intake.allocation_answers import read_allocation_answers
from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_consultation import Consultation, take_answers
from dafeng.pathways.allocation_criteria import Criterion, CriterionValue
from dafeng.pathways.allocation_problem import AllocationProblem, Member
from dafeng.reports.allocation_annex import allocation_report
from dafeng.reports.allocation_book import ANSWER_SHEET, consultation_workbook
from dafeng.reports.document import Table

NAMES = {"a": "甲区", "b": "乙县", "c": "丙市"}


def problem(**given: Any) -> AllocationProblem:
    people = Criterion(
        id="p", title="人口", unit="万人",
        values={key: CriterionValue(value=one, years=(2025,), source="年鉴", grade="B") for key, one in (("a", 61.3), ("b", 29), ("c", 9.7), ("z", 12))},
    )  # fmt: skip
    usual: dict[str, Any] = {
        "plan": "plan", "place": "top", "clause": "二（一）", "target": "t", "label": "改造面积", "indicator": "i", "unit": "万平方米",
        "kind": "amount", "measure": "cumulative", "total": 100, "digit": 0.1, "start": 2026, "by": 2028, "method": "per_head", "criteria": (people,),
        "members": tuple(Member(id=key, name=name) for key, name in NAMES.items()), "zones": (Member(id="z", name="高新区", on_ground_of=("a", "b")),),
    }  # fmt: skip
    return AllocationProblem.model_validate(usual | given)


def consultation() -> Consultation:
    event = problem(
        target="e", label="全覆盖", kind="event", measure="milestone", total=None, criteria=(), unit="", zones=()
    )
    allocations = (allocate(problem()), allocate(event))
    return Consultation(plan="plan", plan_title="方案", place="top", sent_on=date(2026, 10, 1), due=date(2026, 11, 1), allocations=allocations)  # fmt: skip


def test_only_answers_are_free_and_the_same_arguments_give_the_same_bytes() -> None:
    data = consultation_workbook(consultation())
    assert data == consultation_workbook(consultation())
    sheet = openpyxl.load_workbook(io.BytesIO(data))[ANSWER_SHEET]
    heads = {cell.column: str(cell.value).removeprefix("dafeng-consult:") for cell in sheet[1]}
    assert sheet.protection.sheet
    assert sheet.row_dimensions[1].hidden
    assert sheet.column_dimensions["A"].hidden
    free = {heads[cell.column] for cell in sheet[5] if not cell.protection.locked}
    assert free == {"answer", "proposed", "reason", "person"}
    assert [sheet.cell(row, 1).value for row in range(5, 11)] == ["t|a", "t|b", "t|c", "e|a", "e|b", "e|c"]


def test_a_book_comes_back_as_it_went_out(tmp_path: Path) -> None:
    asked = consultation()
    path = tmp_path / "c.xlsx"
    path.write_bytes(consultation_workbook(asked))
    paper = read_allocation_answers(path)
    assert (paper.consultation, paper.digest) == (asked.id, asked.digest)
    taken = take_answers(asked, [paper])
    assert [finding.name for finding in taken.findings] == ["pathways.consultation.answer-missing"]


def test_a_sorted_and_answered_book_is_read_by_its_keys(tmp_path: Path) -> None:
    asked = consultation()
    book = openpyxl.load_workbook(io.BytesIO(consultation_workbook(asked)))
    sheet = book[ANSWER_SHEET]
    heads = {str(cell.value).removeprefix("dafeng-consult:"): cell.column for cell in sheet[1]}
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=5)]
    for number, row in enumerate(reversed(rows), start=5):
        for column, value in enumerate(row, start=1):
            sheet.cell(number, column).value = value
        sheet.cell(number, heads["answer"]).value = "同意"
    path = tmp_path / "c.xlsx"
    book.save(path)
    taken = take_answers(asked, [read_allocation_answers(path)])
    assert (len(taken.decisions), taken.findings, taken.missing) == (6, (), ())


def test_the_annex_adds_up_and_says_what_it_rests_on() -> None:
    asked = consultation()
    paper = allocation_report(asked.allocations, plan_title="方案", place_names={"top": "某市"}, as_of=date(2026, 10, 1), consultation=asked.id, due=date(2026, 11, 1))  # fmt: skip
    tables = {table.id: table for table in paper.tables()}
    first = tables["t1-0"]
    assert [column.title for column in first.columns] == [
        "单位",
        "占比（%）",
        "合计",
        "2026年",
        "2027年",
        "2028年",
        "备注",
    ]
    cells = [[cell.number for cell in row.cells] for row in first.rows]
    assert first.rows[0].cells[0].text == "某市合计"
    for column in range(2, 6):
        assert round(sum(row[column] or 0 for row in cells[1:4]), 6) == cells[0][column]
    assert first.rows[4].cells[0].text == "其中：高新区"
    assert {row.cells[6].text for row in tables["sources"].rows} == {"年鉴"}
    assert {row.cells[7].text for row in tables["sources"].rows} == {"B（待核）"}
    assert "（征求意见稿）" in paper.title
    assert any(asked.id in text for _, text in paper.basis)
    assert isinstance(tables["overview"], Table)
