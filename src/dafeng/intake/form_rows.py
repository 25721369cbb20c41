"""The sheet of a form of rows: one subject a row, one figure a column."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from dafeng.base.form import FormIssue, FormLine
from dafeng.base.period import Period
from dafeng.base.quantity import fold_width
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells, RowAnswer, marks_of
from dafeng.intake.form_head import HeadReader
from dafeng.intake.form_kinds import FORM_KINDS
from dafeng.intake.form_layout import FormTable, Rows, find_row_table, row_heads
from dafeng.intake.form_relations import check_answers
from dafeng.intake.form_values import factor_of, read_cell
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["RowsReader"]

_CUT_OFF: Final = re.compile(r"\d(?:\.\d+)?[eE]\+?\d{2,}")
_EXACT: Final = 15
"""Digits that a spreadsheet keeps of a number; a longer code typed as a number ends in zeros."""
_HEAD_UNIT: Final = re.compile(r"[(（]([^()（）]+)[)）]$")


class RowsReader(HeadReader):
    """Reads a form of rows."""

    def __init__(self, issue: FormIssue, catalog: Catalog, cells: FormCells) -> None:
        super().__init__(issue, catalog, cells)
        self._heads = row_heads(issue)
        self._subjects = {subject.code: subject.name for subject in issue.subjects}
        self._codes = {fold_width(subject.name): subject.code for subject in issue.subjects}
        self._name_line = issue.name_line
        self._rows: dict[str, list[list[RowAnswer]]] = defaultdict(list)

    def read(self, sheet: Sheet, rows: Rows) -> bool:
        """Read a sheet; return False where it holds no table of the form."""
        table = find_row_table(rows, self.issue)
        if table is None:
            return False
        cells, name = self.cells, sheet.name
        cells.read_sheets.add(name)
        above = rows[table.head_row - 1] if table.head_row else ()
        first = table.head_row - 1 if set(above) & set(self._heads) else table.head_row
        self.read_head(sheet, rows, first)
        units = self._column_heads(name, rows, table, first)
        for role, column in table.repeated:
            cells.tell("form.column.repeated", name, cell_name(first, column), value=self._heads.get(role, role))
        for line in self.issue.lines:
            if line.id not in table.columns:
                told = "这一项各行都没有数"
                kind = "form.column.missing" if line.required else "form.column.lost"
                cells.tell(kind, name, cell_name(table.head_row, 0), value=line.title, detail=told)
        marks = marks_of(sheet)
        for index in range(table.head_row + 1, len(rows)):
            if any(text is not None for text in rows[index]):
                self._row(name, index, rows[index], table, marks, units)
        return True

    def _column_heads(self, sheet: str, rows: Rows, table: FormTable, first: int) -> dict[str, str | None]:
        """Mark codes and heads; return the unit of each column whose unit was altered, None where the column cannot be used."""
        units: dict[str, str | None] = {}
        owners = {fold_width(head): role for role, head in self._heads.items()}
        lines = {line.id: line for line in self.issue.lines}
        for role, column in table.columns.items():
            for row in range(first, table.head_row + 1):
                text = rows[row][column] if column < len(rows[row]) else None
                if text is None:
                    continue
                wanted = self._heads.get(role)
                if row < table.head_row or wanted is None or fold_width(text) == fold_width(wanted):
                    self.cells.mark(sheet, row, column, text, "printed")
                    continue
                line = lines[role]
                if owners.get(fold_width(text), role) != role:
                    units[role] = None
                    self.cells.problem("form.column.doubtful", sheet, row, column, text, "changed", detail=line.title)
                    continue
                found = _HEAD_UNIT.search(text.strip())
                unit = found[1] if found else ""
                if line.type != "number" or not unit or fold_width(unit) == fold_width(line.unit):
                    self.cells.problem("form.cell.print-changed", sheet, row, column, text, "changed", detail=wanted)
                elif factor_of(unit, line.canonical or line.unit or "ratio") is None:
                    units[role] = None
                    self.cells.problem(
                        "form.unit.unknown", sheet, row, column, text, "changed", value=unit, detail=line.unit
                    )
                else:
                    units[role] = unit
                    self.cells.problem(
                        "form.unit.changed", sheet, row, column, text, "changed", value=unit, detail=line.unit
                    )
        return units

    def _row(
        self,
        sheet: str,
        index: int,
        row: tuple[str | None, ...],
        table: FormTable,
        marks: Mapping[tuple[int, int], str],
        units: Mapping[str, str | None],
    ) -> None:
        cells = self.cells
        at = {role: column for role, column in table.columns.items() if column < len(row) and row[column] is not None}
        texts = {role: row[column] or "" for role, column in at.items()}
        if not texts:
            return
        if all(text in self._heads or text in ("列码", "note") for text in texts.values()):
            for role, text in texts.items():  # the row of codes, sorted among the others
                cells.mark(sheet, index, at[role], text, "printed")
            return
        lines = [line for line in self.issue.lines if line.id in texts]
        code, name, problem, why = self._subject(texts)
        if self.issue.subject == "place":
            for role in ("place", "place_name"):
                if role in at:
                    cells.mark(sheet, index, at[role], texts[role], "changed" if problem else "printed")
        if problem:
            if not lines and set(texts) <= {"place", "place_name"}:
                return
            shown = code or name or next(iter(texts.values()))
            cells.tell(problem, sheet, cell_name(index, min(at.values())), value=shown, detail=why)
            for line in lines:
                cells.mark(sheet, index, at[line.id], texts[line.id], "refused", [problem])
        if "note" in at:
            cells.mark(sheet, index, at["note"], texts["note"], "refused" if problem else "note")
        if problem:
            return
        made = []
        for line in self.issue.lines:
            if line.id not in texts:
                made.append(
                    RowAnswer(
                        line,
                        row_code=code,
                        row_name=name,
                        place=self._place(code),
                        sheet=sheet,
                        row=index,
                        column=table.columns.get(line.id, 0),
                    )
                )
                continue
            made.append(
                self._cell(
                    sheet, index, at[line.id], texts[line.id], line, marks, units, code, name, texts.get("note", "")
                )
            )
        self._rows[code or name].append(made)

    def _place(self, code: str) -> str:
        return code if self.issue.subject == "place" else ""

    def _subject(self, texts: Mapping[str, str]) -> tuple[str, str, str, str]:
        """Return code and name of the subject of a row, the finding about them and what is wrong."""
        if self.issue.subject == "place":
            code, name = texts.get("place", "").strip(), texts.get("place_name", "").strip()
            found = code if code in self._subjects else self._codes.get(fold_width(name), "")
            if not found:
                return code, name, "form.row.added", "不在所发的地区之中"
            if name and fold_width(name) != fold_width(self._subjects[found]):
                return found, self._subjects[found], "form.row.nobody", "代码与名称不是同一个对象"
            return found, self._subjects[found], "", ""
        codes = [texts[line.id].strip() for line in self.issue.lines[:2] if line.type == "code" and line.id in texts]
        names = [texts[line.id].strip() for line in self.issue.lines if line.type == "text" and line.id in texts]
        named = texts.get(self._name_line.id, "").strip() if self._name_line is not None else ""
        code, name = (codes or [""])[0], named or (names or [""])[0]
        if not code:
            code = self._codes.get(fold_width(name), "")
        rounded = len(code) > _EXACT and code.isdigit() and set(code[_EXACT:]) == {"0"} and code not in self._subjects
        if not (code or name):
            return code, name, "form.row.nobody", "没有对象代码与名称"
        if _CUT_OFF.fullmatch(code) or rounded:
            return code, name, "form.row.nobody", "代码按数字存下，后几位已丢失"
        if code in self._subjects and self._codes.get(fold_width(name), code) != code:
            return code, name, "form.row.nobody", "代码与名称不是同一个对象"
        return code, name, "", ""

    def _cell(
        self,
        sheet: str,
        row: int,
        column: int,
        text: str,
        line: FormLine,
        marks: Mapping[tuple[int, int], str],
        units: Mapping[str, str | None],
        code: str,
        name: str,
        note: str,
    ) -> RowAnswer:
        cells = self.cells
        blank = RowAnswer(
            line, row_code=code, row_name=name, place=self._place(code), sheet=sheet, row=row, column=column
        )
        reason = self.reasons.get(fold_width(text)) if line.type != "text" else None
        if reason is not None:
            cells.mark(sheet, row, column, text, "reason")
            return replace(blank, state="reason_given", missing=reason, shown=text, note=note)
        if line.id in units and units[line.id] is None:  # told at the head of the column
            cells.mark(sheet, row, column, text, "refused", ["form.column.doubtful"])
            return replace(blank, state="refused", shown=text, note=note, problems=("form.column.doubtful",))
        said = read_cell(text, line, mark=marks.get((row, column), ""), unit=units.get(line.id))
        names = tuple(problem.name for problem in said.problems)
        refused = any(FORM_KINDS[one].refuse for one in names)
        for problem in said.problems:
            fate = "refused" if refused else "answer_with_finding"
            cells.problem(problem.name, sheet, row, column, text, fate, value=problem.value, detail=problem.detail)
        if refused:
            return replace(blank, state="refused", shown=text, note=note, problems=names)
        if said.missing is not None:
            cells.mark(sheet, row, column, text, "reason")
            return replace(blank, state="reason_given", missing=said.missing, shown=text, note=note)
        altered = ("form.unit.changed",) if line.id in units else ()
        state = "answered_with_finding" if names or altered else "answered"
        cells.mark(sheet, row, column, text, "answer_with_finding" if names or altered else "answer")
        return replace(
            blank, state=state, value=said.value, shown=said.text or text, note=note, unit=units.get(line.id) or line.unit,
            estimate=said.estimate, problems=(*names, *altered),
        )  # fmt: skip

    def finish(self) -> list[RowAnswer]:
        """Return one answer for each line of each row; tell rows that stand twice, and what is blank."""
        cells = self.cells
        if not cells.read_sheets:
            cells.tell("form.file.no-table")
        self.finish_head()
        answers: list[RowAnswer] = []
        for found in self._rows.values():
            answers += self._one(found)
        known = {answer.row_code for answer in answers}
        for subject in self.issue.subjects:
            if subject.code not in known:
                answers += [
                    RowAnswer(line, row_code=subject.code, row_name=subject.name, place=self._place(subject.code))
                    for line in self.issue.lines
                ]
        for line in self.issue.lines:
            blank = [answer for answer in answers if answer.line is line and answer.state == "blank"]
            if blank and line.required:
                rows = f"{line.title}，{len(blank)} 行"
                where = cell_name(blank[0].row, blank[0].column) if blank[0].row >= 0 else ""
                cells.tell("form.value.blank", min(cells.read_sheets, default=""), where, detail=rows)
        return check_answers(answers, cells, Period.parse(self.issue.period).start.year)

    def _one(self, found: list[list[RowAnswer]]) -> list[RowAnswer]:
        """Return the answers of one subject: rows that say the same count once, rows that differ not at all."""
        given = [row for row in found if any(answer.state != "blank" for answer in row)] or found[:1]
        first = given[0]
        if len(given) == 1:
            return first
        same = all(one.says_the_same(two) for row in given[1:] for one, two in zip(first, row, strict=True))
        place = f"{first[0].sheet}!{cell_name(first[0].row, 0)}"
        name = "form.row.duplicate" if same else "form.row.disagree"
        for row in given[1:]:
            self.cells.tell(
                name, row[0].sheet, cell_name(row[0].row, 0), value=row[0].row_code or row[0].row_name, detail=place
            )
        if same:
            return first
        for row in given:
            for answer in row:
                if answer.state != "blank":
                    self.cells.mark(answer.sheet, answer.row, answer.column, answer.shown, "refused", [name])
        return [answer.refused(name) for answer in first]
