"""The sheet of a form of lines, read row by row: which line a row is, what its cells say, what was altered."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from dafeng.base.form import HEADS, FormIssue, FormLine
from dafeng.base.period import Period
from dafeng.base.quantity import fold_width
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells, RowAnswer, marks_of
from dafeng.intake.form_head import HeadReader
from dafeng.intake.form_history import check_history
from dafeng.intake.form_kinds import FORM_KINDS
from dafeng.intake.form_layout import LINE_ID, FormTable, Rows, find_table
from dafeng.intake.form_relations import check_answers
from dafeng.intake.form_values import CellAnswer, factor_of, read_cell
from dafeng.intake.numbers import read_number
from dafeng.intake.sheets import Sheet, cell_name

__all__ = ["LineReader"]

_Trouble = Callable[..., None]
_FIGURE: Final = re.compile(r"[+-]?[\d,]+(?:\.\d+)?(?:[%万亿])?")


def _is_figure(text: str) -> bool:
    """Return whether a text is a number and nothing else."""
    return _FIGURE.fullmatch(fold_width(text)) is not None


def _bare(title: str) -> str:
    """Return the name of a line without the mark that it may stay blank and the number before it."""
    return re.sub(r"^\d{3,4}(?=\D)|\(选填\)$", "", fold_width(title))


_COLUMN_LOST: Final = {
    "line": "已按指标代码与名称认行",
    "code": "已按行码认行",
    "title": "已按行码认行",
    "meaning": "已按行码认行",
    "unit": "按发表时的单位读取",
    "last": "不影响读取",
    "reason": "没有数的各行无从知道原因",
    "note": "没有备注",
}


def _is_title(title: str, line: FormLine) -> bool:
    """Return whether a folded text is the name of a line, with or without what is printed around it."""
    name = fold_width(line.title)
    return title.removesuffix("(选填)") in (name, fold_width(line.number) + name)


class LineReader(HeadReader):
    """Reads a form of lines."""

    def __init__(self, issue: FormIssue, catalog: Catalog, cells: FormCells) -> None:
        super().__init__(issue, catalog, cells)
        self._lines = {line.id: line for line in issue.lines}
        self._by_code: dict[str, list[FormLine]] = defaultdict(list)
        self._by_title: dict[str, list[FormLine]] = defaultdict(list)
        for line in issue.lines:
            self._by_code[line.indicator or line.field].append(line)
            self._by_title[fold_width(line.title)].append(line)
        self._answers: dict[str, list[RowAnswer]] = defaultdict(list)

    def read(self, sheet: Sheet, rows: Rows) -> bool:
        """Read a sheet; return False where it holds no table of the form."""
        table = find_table(rows)
        if table is None:
            return False
        cells = self.cells
        cells.read_sheets.add(sheet.name)
        self.read_head(sheet, rows, table.head_row)
        for role, column in table.columns.items():
            cells.mark(sheet.name, table.head_row, column, HEADS[role], "printed")
        for role, column in table.repeated:
            text = rows[table.head_row][column] or ""
            cells.problem("form.column.repeated", sheet.name, table.head_row, column, text, "stray", value=HEADS[role])
        for role, effect in _COLUMN_LOST.items():
            if role not in table.columns:
                where = cell_name(table.head_row, 0)
                cells.tell("form.column.lost", sheet.name, where, value=HEADS[role], detail=effect)
        if "value" not in table.columns:
            where = cell_name(table.head_row, 0)
            cells.tell("form.column.missing", sheet.name, where, value=HEADS["value"], detail="各行都没有本期值")
        marks = marks_of(sheet)
        for index in range(table.head_row + 1, len(rows)):
            if any(text is not None for text in rows[index]):
                self._row(sheet.name, index, rows[index], table, marks)
        return True

    def _row(
        self,
        sheet: str,
        index: int,
        row: tuple[str | None, ...],
        table: FormTable,
        marks: Mapping[tuple[int, int], str],
    ) -> None:
        cells = self.cells
        at = {role: column for role, column in table.columns.items() if column < len(row)}
        texts = {role: (row[column] or "") for role, column in at.items() if row[column] is not None}
        filled = [role for role in ("value", "reason") if role in texts]
        if len(texts) >= 3 and all(fold_width(text) == fold_width(HEADS[role]) for role, text in texts.items()):
            for role, text in texts.items():  # the heads once more, over a second table
                cells.mark(sheet, index, at[role], text, "printed")
            return
        line, problem, detail = self._line_of(texts)
        shown = texts.get("line") or texts.get("code") or texts.get("title") or next(text for text in row if text)
        if line is None:
            if not filled and not set(texts) & {"line", "code", "unit"}:
                return  # a note below the table: told as stray
            if problem == "form.row.added" and not filled:
                return
            column = at.get("value" if "value" in texts else next(iter(texts)), 0)
            cells.tell(problem, sheet, cell_name(index, column), value=shown, detail=detail)
            for role, text in texts.items():
                cells.mark(
                    sheet,
                    index,
                    at[role],
                    text,
                    "refused" if role in ("value", "reason", "note") else "changed",
                    [problem],
                )
            return
        answer = self._answer(sheet, index, at, texts, line, marks)
        self._answers[line.id].append(answer)

    def _line_of(self, texts: Mapping[str, str]) -> tuple[FormLine | None, str, str]:
        """Return the line that a row is, with the name of what is to be told of it."""
        code, title = texts.get("code", "").strip(), fold_width(texts.get("title", ""))
        own = fold_width(texts.get("line", ""))
        line = self._lines.get(own)
        if line is None:
            if LINE_ID.fullmatch(own):
                return None, "form.row.foreign", ""
            found = self._by_code.get(code) or self._by_title.get(_bare(title)) or []
            if len(found) > 1:
                meaning, unit = fold_width(texts.get("meaning", "")), fold_width(texts.get("unit", ""))
                narrowed = [one for one in found if _is_title(title, one)] or found
                found = [one for one in narrowed if fold_width(one.meaning) == meaning]
                if len(found) > 1:
                    found = [one for one in found if fold_width(one.unit) == unit]
            if len(found) != 1:
                named = self.catalog.indicator_named(code or _bare(title))
                hint = f"目录中有此指标（{named.id}），但没有发表给本单位" if named else "目录中没有此指标"
                return None, "form.row.added", hint
            if "line" in texts:
                return None, "form.row.doubtful", "表单各行"
            line = found[0]
        against = self._against(texts, line)
        return (None, "form.row.doubtful", against) if against else (line, "", "")

    def _against(self, texts: Mapping[str, str], line: FormLine) -> str:
        """Return what in a row says that it is another line, empty where nothing does."""
        code, title = texts.get("code", "").strip(), fold_width(texts.get("title", ""))
        if code and code != (line.indicator or line.field):
            return f"指标代码“{code}”"
        if title and not _is_title(title, line):
            named = self.catalog.indicator_named(_bare(title))
            others = [other for other in self._by_title.get(_bare(title), ()) if other.id != line.id]
            if others or (named is not None and named.id != line.indicator):
                return f"指标名称“{texts['title'].strip()}”"
        meaning = fold_width(texts.get("meaning", ""))
        alike = self._by_code[line.indicator or line.field]
        if meaning and meaning != fold_width(line.meaning) and any(fold_width(one.meaning) == meaning for one in alike):
            return f"范围与口径“{texts['meaning'].strip()}”"
        return ""

    def _answer(
        self,
        sheet: str,
        index: int,
        at: Mapping[str, int],
        texts: Mapping[str, str],
        line: FormLine,
        marks: Mapping[tuple[int, int], str],
    ) -> RowAnswer:
        cells = self.cells
        names: list[str] = []

        def trouble(name: str, role: str, fate: str, value: str = "", detail: str = "") -> None:
            names.append(name)
            cells.problem(name, sheet, index, at[role], texts[role], fate, value=value or texts[role], detail=detail)

        for role in ("line", "code", "title", "meaning"):
            if role in texts:
                wanted = {
                    "line": line.id,
                    "code": line.indicator or line.field,
                    "title": line.title,
                    "meaning": line.meaning,
                }[role]
                plain = fold_width(texts[role])
                if plain == fold_width(wanted) or not wanted or (role == "title" and _is_title(plain, line)):
                    cells.mark(sheet, index, at[role], texts[role], "printed")
                else:
                    trouble("form.cell.print-changed", role, "changed", detail=wanted)
        unit = self._unit(texts, line, trouble)
        if "unit" in texts and not cells.has(sheet, index, at["unit"]):
            cells.mark(sheet, index, at["unit"], texts["unit"], "printed")
        last = self._last(texts, line)
        if "last" in texts:
            if last:
                trouble(
                    "form.cell.last-changed",
                    "last",
                    "changed",
                    detail="空" if line.last_value is None else f"{line.last_value:g}",
                )
            else:
                cells.mark(sheet, index, at["last"], texts["last"], "printed")
        said = CellAnswer()
        if "value" in texts:
            said = read_cell(texts["value"], line, mark=marks.get((index, at["value"]), ""), unit=unit)
        for problem in said.problems:
            fate = "refused" if FORM_KINDS[problem.name].refuse else "answer_with_finding"
            trouble(problem.name, "value", fate, problem.value, problem.detail)
        refused = any(FORM_KINDS[name].refuse for name in names)
        reason = self._reason(texts, said, trouble)
        refused = refused or any(FORM_KINDS[name].refuse for name in names)
        if "reason" in texts and not cells.has(sheet, index, at["reason"]):
            cells.mark(sheet, index, at["reason"], texts["reason"], "reason")
        note = texts.get("note", "")
        if note:
            if "value" not in texts and reason is None and not refused and _is_figure(note):
                trouble("form.cell.wrong-column", "note", "refused", detail=HEADS["note"])
                refused = True
            else:
                cells.mark(sheet, index, at["note"], note, "note")
        given = said.value is not None or bool(said.text)
        if refused:
            state = "refused"
            if "value" in texts:
                cells.mark(sheet, index, at["value"], texts["value"], "refused")
        elif given:
            state = "answered_with_finding" if names else "answered"
            cells.mark(sheet, index, at["value"], texts["value"], "answer_with_finding" if names else "answer")
        else:
            reason = reason or said.missing
            state = "reason_given" if reason else "blank"
            if "value" in texts:
                cells.mark(sheet, index, at["value"], texts["value"], "reason")
        kept = state in ("answered", "answered_with_finding")
        return RowAnswer(
            line,
            state,
            said.value if kept else None,
            reason if state == "reason_given" else None,
            said.text or texts.get("value", "") or texts.get("reason", ""),
            note,
            unit or "",
            said.estimate,
            sheet,
            index,
            at.get("value", at.get("reason", 0)) if "value" in texts or "reason" not in texts else at["reason"],
            tuple(dict.fromkeys(names)),
        )

    def _unit(self, texts: Mapping[str, str], line: FormLine, trouble: _Trouble) -> str | None:
        """Return the unit that stands in the row, None where it is the printed one."""
        if "unit" not in texts or fold_width(texts["unit"]) == fold_width(line.unit):
            return None
        if line.type != "number":
            trouble("form.cell.print-changed", "unit", "changed", detail=line.unit or "空")
            return None
        if "value" not in texts or factor_of(texts["unit"], line.canonical or line.unit or "ratio") is None:
            name = "form.unit.unknown" if "value" in texts else "form.cell.print-changed"
            trouble(name, "unit", "changed", detail=line.unit or "无单位")
            return None
        trouble("form.unit.changed", "unit", "changed", detail=line.unit)
        return texts["unit"]

    def _last(self, texts: Mapping[str, str], line: FormLine) -> bool:
        """Return whether the value of last period was altered."""
        if "last" not in texts:
            return False
        if line.last_value is None:
            return True
        read = read_number(texts["last"]).value
        return read is None or abs(read - line.last_value) > 1e-9 * max(1.0, abs(line.last_value))

    def _reason(self, texts: Mapping[str, str], said: CellAnswer, trouble: _Trouble) -> str | None:
        if "reason" not in texts:
            return None
        text = fold_width(texts["reason"])
        code = self.reasons.get(text) or (text if text in self.reasons.values() else None)
        if code is None and _is_figure(text):
            trouble("form.cell.wrong-column", "reason", "refused", detail=HEADS["reason"])
            return None
        if code is None:
            code = read_number(text).missing
        if code is None:
            fate = "refused" if said.value is None else "stray"
            trouble("form.reason.unknown", "reason", fate, detail=self._title(texts))
            return None
        if said.value is not None or said.text:
            trouble("form.value.and-reason", "reason", "refused", texts.get("value", ""), self._title(texts))
            return None
        return code

    def _title(self, texts: Mapping[str, str]) -> str:
        return texts.get("title", "").strip() or texts.get("code", "")

    def finish(self) -> list[RowAnswer]:
        """Return one answer for each line; tell lines that stand twice, are blank, or break a relation of the form."""
        if not self.cells.read_sheets:
            self.cells.tell("form.file.no-table")
        self.finish_head()
        answers = [self._one(line) for line in self.issue.lines]
        blank = [answer for answer in answers if answer.state == "blank" and answer.line.required]
        sheet = min(self.cells.read_sheets, default="")
        if blank and len(blank) == sum(answer.line.required for answer in answers):
            self.cells.tell("form.value.blank", sheet, detail=f"全部 {len(blank)} 项")
        else:
            for answer in blank:
                where = cell_name(answer.row, answer.column) if answer.row >= 0 else ""
                self.cells.tell("form.value.blank", answer.sheet or sheet, where, detail=answer.line.title)
        return check_answers(check_history(answers, self.cells), self.cells, Period.parse(self.issue.period).start.year)

    def _one(self, line: FormLine) -> RowAnswer:
        found = self._answers.get(line.id, [])
        given = [answer for answer in found if answer.state != "blank"]
        if len(given) < 2:
            return given[0] if given else found[0] if found else RowAnswer(line)
        first = given[0]
        place = f"{first.sheet}!{cell_name(first.row, first.column)}"
        same = all(first.says_the_same(other) for other in given[1:])
        for other in given[1:]:
            name = "form.row.duplicate" if same else "form.row.disagree"
            fate = "answer" if same else "refused"
            self.cells.problem(
                name, other.sheet, other.row, other.column, other.shown, fate, value=line.title, detail=place
            )
        if same:
            return first
        self.cells.mark(first.sheet, first.row, first.column, first.shown, "refused", ["form.row.disagree"])
        return first.refused("form.row.disagree")
