"""An answered consultation workbook as entries of text: what stands in each cell of each row, judged nowhere here.

Columns are told by the hidden row above them and rows by their hidden key, so that a book that was sorted, filtered or saved by
another program is read all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dafeng.base.consultation import CONSULTATION_COLUMN, CONSULTATION_FORMAT, AnswerEntry, AnswerPaper
from dafeng.base.errors import InputError
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet, cell_name

__all__ = ["read_allocation_answers"]

_NO_ROW: Final = "#"
_MACHINE_ROWS: Final = 30


def read_allocation_answers(path: Path, *, limits: Limits | None = None) -> AnswerPaper:
    """Read an answered consultation workbook.

    Parameters
    ----------
    path : Path
    limits : Limits, optional

    Raises
    ------
    InputError
        The file cannot be read, is no consultation workbook, or has lost the hidden row and column by which cells are known.
    """
    facts: dict[str, str] = {}
    listed: list[str] = []
    sheets = read_sheets(path, limits=limits)
    for sheet in sheets:
        if sheet.name != MACHINE_SHEET:
            continue
        for row in sheet.frame.iter_rows():
            if len(row) > 1 and row[0]:
                facts.setdefault(row[0], row[1] or "")
                if row[0] == "row" and row[1]:
                    listed.append(row[1])
    if facts.get("format") != CONSULTATION_FORMAT:
        raise _no_paper(path.name, "不是征求意见表：没有隐藏的标识页 / no consultation workbook")
    entries = [entry for sheet in sheets if sheet.name != MACHINE_SHEET for entry in _entries(sheet)]
    if not entries:
        raise _no_paper(path.name, "隐藏的第1行或A列不见了，认不出各行各列 / the hidden row or column is gone")
    return AnswerPaper(
        file=path.name,
        consultation=facts.get("consultation", ""),
        digest=facts.get("digest", ""),
        listed=tuple(listed),
        entries=tuple(entries),
    )


def _entries(sheet: Sheet) -> list[AnswerEntry]:
    rows = sheet.frame.rows()
    head = next(
        (
            number
            for number, row in enumerate(rows[:_MACHINE_ROWS])
            if any((text or "").startswith(CONSULTATION_COLUMN) for text in row)
        ),
        None,
    )
    if head is None:
        return []
    columns = {
        text.removeprefix(CONSULTATION_COLUMN): place
        for place, text in enumerate(rows[head])
        if text and text.startswith(CONSULTATION_COLUMN)
    }
    key = columns.pop("key", None)
    if key is None:
        return []
    found = []
    for number, row in enumerate(rows[head + 1 :], start=head + 1):
        name = (row[key] or "").strip()
        texts = {column: text for column, place in columns.items() if (text := (row[place] or "").strip())}
        if name == _NO_ROW or not (name or texts):
            continue
        cells = {column: cell_name(number, place) for column, place in columns.items()}
        found.append(AnswerEntry(key=name, texts=texts, cells=cells, sheet=sheet.name))
    return found


def _no_paper(file: str, problem: str) -> InputError:
    return InputError(
        f"{file}：{problem}",
        doing="read an answered consultation",
        expected="dafeng path allocate --consult 写出的 .xlsx，填后存为同一格式",
        next_step="撤销对隐藏行列的删除；不能撤销时重新发出并粘贴已填的各列 / send it anew and paste the answers",
        file=file,
        name="intake.consultation.no-paper",
    )
