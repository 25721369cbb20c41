"""Relations within a form (parts against totals, one line against another), held against what was answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from dafeng.base.errors import DafengError
from dafeng.catalog.expression import FieldType, evaluate, expression_names
from dafeng.catalog.form_checks import REPORT_YEAR
from dafeng.intake.form_cells import FormCells, RowAnswer
from dafeng.intake.form_values import factor_of
from dafeng.intake.sheets import cell_name

__all__ = ["check_answers"]


def check_answers(answers: Sequence[RowAnswer], cells: FormCells, year: int) -> list[RowAnswer]:
    """Return the answers, those that break a relation of their form marked; what is unknown breaks nothing.

    Parameters
    ----------
    answers : sequence of RowAnswer
        All answers of a form; for a form of rows those of one row have one `row_code`.
    cells : FormCells
        Collects the findings.
    year : int
        Year of the period asked for, `report_year` in a relation.
    """
    checks = {answer.line.field: answer.line.check for answer in answers if answer.line.check}
    if not checks:
        return list(answers)
    types: dict[str, FieldType] = {}
    rows: dict[tuple[str, int], dict[str, float | None]] = defaultdict(dict)
    for answer in answers:
        line = answer.line
        if line.type == "number":
            unit = line.unit or "ratio"
            types[line.field] = FieldType(unit=unit)
            factor = (factor_of(unit, line.canonical) if line.canonical else 1.0) or 1.0
            rows[_row_of(answer)][line.field] = None if answer.value is None else answer.value / factor
    if not rows:
        return list(answers)
    types[REPORT_YEAR] = FieldType(unit="年")
    for values in rows.values():
        values[REPORT_YEAR] = year
    keys = list(rows)
    frame = pl.DataFrame(
        {name: [rows[key].get(name) for key in keys] for name in types}, schema=dict.fromkeys(types, pl.Float64())
    )
    broken: dict[tuple[str, str, int], str] = {}
    for name, text in checks.items():
        if not set(expression_names(text)) <= set(types):
            continue
        try:
            holds = frame.select(holds=evaluate(text, types))["holds"].to_list()
        except DafengError:
            continue  # told when the catalog is loaded
        broken |= {(name, *key): text for key, verdict in zip(keys, holds, strict=True) if verdict is False}
    titles = {answer.line.field: answer.line.title for answer in answers}
    return [_marked(answer, broken, titles, cells) for answer in answers]


def _row_of(answer: RowAnswer) -> tuple[str, int]:
    return (answer.row_code, answer.row) if answer.row_code or answer.row_name else ("", -1)


def _marked(
    answer: RowAnswer, broken: dict[tuple[str, str, int], str], titles: dict[str, str], cells: FormCells
) -> RowAnswer:
    text = broken.get((answer.line.field, *_row_of(answer)))
    if text is None:
        return answer
    named = "、".join(titles.get(name, "报告年份") for name in dict.fromkeys(expression_names(text)))
    where = cell_name(answer.row, answer.column) if answer.row >= 0 else ""
    cells.tell("form.check.failed", answer.sheet, where, value=text, detail=named)
    if answer.state != "answered":
        return answer
    cells.mark(answer.sheet, answer.row, answer.column, answer.shown, "answer_with_finding", ["form.check.failed"])
    return replace(answer, state="answered_with_finding", problems=(*answer.problems, "form.check.failed"))
