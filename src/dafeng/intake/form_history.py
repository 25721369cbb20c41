"""Figures of a returned form held against those of the period before: figures in the wrong rows, slips of unit, jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dafeng.intake.form_cells import FormCells, RowAnswer
from dafeng.intake.form_values import factor_of
from dafeng.intake.sheets import cell_name

__all__ = ["check_history"]

_FITS: Final = math.log(1.25)
"""Furthest that a figure is from the one before and still fits it."""
_LEAST: Final = 4
"""Fewest rows that speak for figures in the wrong rows."""
_OFFSETS: Final = (1, -1, 2, -2)
_SLIP: Final = 0.18
"""Furthest, in powers of ten, that a slip of unit is from a whole power."""
_JUMP: Final = 0.5
"""Change on the period before that asks for a note."""


def check_history(answers: Sequence[RowAnswer], cells: FormCells) -> list[RowAnswer]:
    """Return the answers: those of shifted rows refused, slips of unit and jumps told; what is unknown says nothing.

    Parameters
    ----------
    answers : sequence of RowAnswer
        One a line; the lines know the value of the period before.
    cells : FormCells
        Collects the findings.
    """
    shifted = _shifted(answers)
    checked = []
    for answer in answers:
        if answer.line.id in shifted and answer.state != "blank":
            checked.append(_told(answer, cells, "form.row.shifted", shifted[answer.line.id]))
        else:
            checked.append(_held_against_last(answer, cells))
    return checked


def _printed(answer: RowAnswer) -> float | None:
    """Return a figure in the unit of its line."""
    if answer.value is None or answer.line.type != "number":
        return None
    factor = factor_of(answer.line.unit, answer.line.canonical) if answer.line.unit and answer.line.canonical else 1.0
    return answer.value / (factor or 1.0)


def _shifted(answers: Sequence[RowAnswer]) -> dict[str, str]:
    """Return the lines whose figures stand some rows off, each with what says so.

    A row speaks for an offset where the figure so many rows away fits what the line had before and its own does not. The run
    of rows that speaks loudest is the block; rows that speak against it end it.
    """
    rows = sorted((one for one in answers if one.row >= 0), key=lambda one: (one.sheet, one.row))
    figures = [_printed(one) for one in rows]

    def fits(figure: float | None, last: float | None) -> bool:
        return bool(figure and last) and figure * last > 0 and abs(math.log(figure / last)) <= _FITS  # type: ignore[operator]

    for offset in _OFFSETS:
        away = [figures[index + offset] if 0 <= index + offset < len(rows) else None for index in range(len(rows))]
        there = [fits(other, one.line.last_value) for other, one in zip(away, rows, strict=True)]
        votes = [one - fits(figure, row.line.last_value) for one, figure, row in zip(there, figures, rows, strict=True)]
        first = start = end = best = total = 0
        for index, vote in enumerate(votes):
            if total <= 0:
                first, total = index, 0
            total += vote
            if total > best:
                best, start, end = total, first, index
        if best >= _LEAST:
            told = f"下移 {offset} 行" if offset > 0 else f"上移 {-offset} 行"
            detail = f"看作{told}，有 {best} 行与上期相称，在原行则不相称"
            while end + 1 < len(rows) and there[end + 1]:  # fits both ways, and stands in the block's midst
                end += 1
            while start > 0 and there[start - 1]:
                start -= 1
            block = range(min(start, start + offset), max(end, end + offset) + 1)
            return {rows[index].line.id: detail for index in block if 0 <= index < len(rows)}
    return {}


def _held_against_last(answer: RowAnswer, cells: FormCells) -> RowAnswer:
    figure, last = _printed(answer), answer.line.last_value
    if figure is None or not last or figure / last < 0:
        return answer
    detail = f"{answer.line.title}，上期 {last:.10g}"
    if figure:
        powers = math.log10(figure / last)
        if abs(powers) >= 2 - _SLIP and abs(powers - round(powers)) <= _SLIP:
            times = f"{10 ** abs(round(powers)):g} 倍"
            return _told(
                answer, cells, "form.value.unit-slip", f"{detail}，{'约为其' if powers > 0 else '约小于其'} {times}"
            )
    if abs(figure - last) > _JUMP * abs(last) and not answer.note:
        return _told(answer, cells, "form.value.jump", detail)
    return answer


def _told(answer: RowAnswer, cells: FormCells, name: str, detail: str) -> RowAnswer:
    refused = name == "form.row.shifted"
    where = cell_name(answer.row, answer.column)
    if refused:
        cells.mark(answer.sheet, answer.row, answer.column, answer.shown, "refused", [name])
        cells.tell(name, answer.sheet, where, value=answer.shown, detail=detail)
        return answer.refused(name)
    cells.problem(
        name,
        answer.sheet,
        answer.row,
        answer.column,
        answer.shown,
        "answer_with_finding",
        value=answer.shown,
        detail=detail,
    )
    return replace(answer, state="answered_with_finding", problems=(*answer.problems, name))
