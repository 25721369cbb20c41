"""The review workbook of a plan that was read: a row a target, duty and task, with columns in which a person decides.

What was read stands locked on the left, what a person decides free on the right: a verdict from a drop-down, corrected
fields, a reason, a name. Hidden columns tie each row to the words of the document, so that the book is read back also when it
was sorted, filtered or saved by another program. Low confidence shows by a sign and by shading.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell

from dafeng.base.document import DocumentText
from dafeng.base.finding import Finding
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject, ReadingVerdict
from dafeng.plans.decisions import AppliedDecision, lay_decisions
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.review_words import (
    COMPARATOR_WORDS,
    FIELD_HEADS,
    MEASURES,
    REVIEW_FORMAT,
    STRENGTH_WORDS,
    SUBJECT_WORDS,
    VERDICT_WORDS,
)
from dafeng.reports.ledger_book import GUIDE_SHEET
from dafeng.reports.packing import normalise_package
from dafeng.reports.plan_review_rows import ANSWERS, ReviewRow, ReviewRows
from dafeng.reports.wording import date_zh, text_width

__all__ = ["LOW_CONFIDENCE", "review_workbook"]

LOW_CONFIDENCE: Final = 0.8
"""Below this a reading is marked for a close look."""
_MACHINE_ROW, _TITLE_ROW, _GROUP_ROW, _HEAD_ROW, _FIRST_ROW = range(5)
_SPARE_ROWS: Final = 20
_PAGE_WIDTH: Final = 148.0
"""Width of a landscape A3 page in characters of the columns."""
_SEVERITIES: Final = {"error": "■ 错误", "warning": "▲ 请看", "info": "○ 提示"}
_FREE_KEYS: Final = ("clause", "page", "paragraph", "quote")
_WIDTHS: Final = {
    "indicator": 20.0, "label": 18.0, "comparator": 8.0, "value": 9.0, "value_max": 8.0, "unit": 9.0, "by": 7.0,
    "measure": 10.0, "base": 9.0, "change": 7.0, "start": 7.0, "scope": 12.0, "bodies": 24.0, "title": 24.0,
    "when": 34.0, "require": 26.0, "strength": 8.0, "from": 7.0,
}  # fmt: skip
_GUIDE: Final = (
    ("怎样填", "在橙色各列填写；蓝色各列是读出的内容，已锁定。空着的行就是还没有决定，可以分几次填、分几个人填。"),
    ("采纳", "读出的内容正确。其余橙色列留空，理由可不填。"),
    ("修改", "只在改动的“改后”列填新值，没改的留空；要把一个字段清空，填“无”。必须写理由。"),
    ("驳回", "这里没有目标或义务，或不应列入。必须写理由。"),
    ("补录", "漏读的目标或义务，填在表末空行：摘一段与方案一字不差的原文（多处相同时再填条款、页或段），"
             "决定选“补录”，把名称、比较词、数值、单位、期限、读法填在“改后”列；义务要填标题、适用条件和要求。"),
    ("复核人", "每个有决定的行写姓名；整本由一人复核时可以不填，读回时用 --by 指明。"),
    ("把握", f"低于{LOW_CONFIDENCE:.0%}的带▲并加底色，请逐条看原文；把握的理由说明低在哪里。"),
    ("读法", "时点水平：到期日的值；累计：起始年至期限相加；逐年：每年一次；较基期变化：须填基准和增减；常设限值：没有期限；"
             "里程碑：没有数值，数值填“无”。"),
    ("基准与增减", "基准填年份，或“改造前”“现状”；增减填“提高”或“降低”，数值总是正的。"),
    ("责任单位", "几个单位用顿号分开，照方案的写法。"),
    ("上次决定", "以前有人决定过的行，决定和改后各列已按上次填好；不动它就仍然有效，改动后以新的为准。"),
    ("读回", "填好后保存为 .xlsx，运行 dafeng plan accept 复核表.xlsx。填错的格会逐格指出，不影响其余各行。"),
    ("不要做", "不要删除隐藏的行、列和工作表；删去一行等于没有决定。"),
)  # fmt: skip


@dataclass(frozen=True)
class _Column:
    key: str
    title: str
    width: float = 10.0
    kind: str = "text"
    free: bool = False


def review_workbook(
    reading: ReadPlan,
    document: DocumentText,
    catalog: Catalog,
    *,
    plan_id: str,
    applied: Sequence[AppliedDecision] = (),
    as_of: date,
) -> bytes:
    """Return the review workbook of a reading.

    Parameters
    ----------
    reading : ReadPlan
        As read, without decisions.
    document : DocumentText
        The document that was read; its words are quoted in the book.
    catalog : Catalog
    plan_id : str
    applied : sequence of AppliedDecision
        The decisions made so far; their rows stand filled in, additions have rows of their own.
    as_of : date
        Day kept in the properties of the file.

    Returns
    -------
    bytes
        XLSX; the same arguments give the same bytes.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.reading import read_plan
    >>> lines = ("东川市绿色建筑工作方案", "一、重点任务", "（一）推广光伏。到2025年替代率达到9%。（市住建局负责）")
    >>> text = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> review_workbook(read_plan(text, load_catalog()), text, load_catalog(), plan_id="a", as_of=date(2025, 1, 1))[:2]
    b'PK'
    """
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_urls": False, "strings_to_formulas": False})
    title = reading.outline.head.title or document.file
    book.set_properties({"title": f"{title} 复核表", "created": datetime.combine(as_of, time())})
    decided = lay_decisions(reading, document, [each.decision for each in applied])
    rows = ReviewRows(reading, document, catalog, decided)
    writer = _Book(book, catalog)
    for subject in (DecisionSubject.TARGET, DecisionSubject.OBLIGATION, DecisionSubject.TASK):
        writer.write_subject(subject, f"{title} 复核表：{SUBJECT_WORDS[subject]}", rows.of(subject))
    writer.write_list(
        "数字",
        (("编号", 6), ("页", 5), ("段", 5), ("数", 14), ("前后文", 60), ("归属", 22), ("归属的条目", 36)),
        rows.numbers(),
    )
    findings = (*reading.findings, *decided.findings)
    writer.write_list(
        "待办",
        (("程度", 10), ("事项", 60), ("内容", 36), ("应有", 36), ("下一步", 36), ("位置", 18)),
        [_finding_row(finding) for finding in findings],
    )
    writer.write_guide(f"{title}，{date_zh(as_of)}", plan_id, document)
    writer.write_machine_sheet(plan_id, document)
    book.close()
    return normalise_package(target.getvalue())


def _finding_row(finding: Finding) -> tuple[str, ...]:
    severity = _SEVERITIES[finding.severity.value]
    return (severity, finding.sentence, finding.value, finding.expected, finding.next_step, finding.where.field)


def _read_columns(subject: DecisionSubject) -> list[_Column]:
    own = FIELD_HEADS[subject]
    fields = [_Column(name, head, _WIDTHS[name], _kind(name)) for name, head in own.items()]
    place = [_Column("number", "编号", 6, "whole"), _Column("clause", "条款", 11), _Column("page", "页", 5, "whole")]
    place += [_Column("paragraph", "段", 5, "whole"), _Column("quote", "原文", 34)]
    sure = [
        _Column("confidence", "把握", 8, "percent"),
        _Column("doubts", "把握的理由", 34),
        _Column("last", "上次决定", 22),
    ]
    if subject is DecisionSubject.TASK:
        return [*place[:4], *fields, sure[2]]
    if subject is DecisionSubject.OBLIGATION:
        words = [_Column("applies", "适用对象（原文）", 24), _Column("asks", "要求（原文）", 24)]
        return [*place, *words, *fields, _Column("open", "未能表达的词", 18), *sure]
    return [*place, *fields, *sure]


def _decision_columns(subject: DecisionSubject) -> list[_Column]:
    columns = [_Column("verdict", "决定", 8, "choice", free=True)]
    columns += [
        _Column(f"new_{name}", f"改后{head}", max(_WIDTHS[name], 9.0), "text", free=True)
        for name, head in FIELD_HEADS[subject].items()
    ]
    return [*columns, _Column("reason", "理由", 26, free=True), _Column("person", "复核人", 9, free=True)]


class _Book:
    """Writes the workbook."""

    def __init__(self, book: Any, catalog: Catalog) -> None:
        self.book = book
        self.catalog = catalog
        base = {"font_name": "宋体", "font_size": 10, "valign": "vcenter", "text_wrap": True, "border": 1}
        base |= {"border_color": "#BFBFBF"}
        head = base | {"bold": True, "align": "center"}
        free = base | {"locked": False, "bg_color": "#FFF9EF"}
        self.formats = {
            "title": book.add_format({"font_name": "黑体", "font_size": 14, "bold": True}),
            "group": book.add_format(head | {"bg_color": "#D7E3EE"}),
            "head": book.add_format(head | {"bg_color": "#E8EEF4"}),
            "free_group": book.add_format(head | {"bg_color": "#F6C98B"}),
            "free_head": book.add_format(head | {"bg_color": "#FBE3C0"}),
            "text": book.add_format(base),
            "number": book.add_format(base | {"align": "right"}),
            "whole": book.add_format(base | {"align": "center", "num_format": "0"}),
            "percent": book.add_format(base | {"align": "center", "num_format": f'[<{LOW_CONFIDENCE}]"▲ "0%;0%'}),
            "free_text": book.add_format(free),
            "free_choice": book.add_format(free | {"align": "center", "bold": True}),
            "low": book.add_format({"bg_color": "#FCE4D6"}),
            "hint": book.add_format({"font_name": "宋体", "font_size": 9, "font_color": "#595959", "italic": True}),
            "machine": book.add_format({"font_size": 8, "font_color": "#808080"}),
        }
        self.lists: list[tuple[str, Sequence[str]]] = []
        self.listed: list[str] = []

    def write_subject(self, subject: DecisionSubject, title: str, rows: Sequence[ReviewRow]) -> None:
        """Write the sheet of one subject: what was read, columns for decisions, empty rows for additions."""
        sheet = self.book.add_worksheet(SUBJECT_WORDS[subject])
        read, own = _read_columns(subject), _decision_columns(subject)
        columns = [_Column(f"anchor:{subject.value}", "", 2), _Column("before", "", 2), *read, *own]
        spare = 0 if subject is DecisionSubject.TASK else _SPARE_ROWS
        last = _FIRST_ROW + len(rows) + spare - 1
        self._heads(sheet, title, columns, len(read) + 2)
        for number, row in enumerate(rows, start=_FIRST_ROW):
            self._write_row(sheet, number, row, columns)
        for number in range(_FIRST_ROW + len(rows), last + 1):
            self._write_spare(sheet, number, columns)
        places = {column.key: place for place, column in enumerate(columns)}
        for place, column in enumerate(columns):
            rule = self._rule(subject, column)
            if column.key == "verdict":
                self._verdicts(sheet, place, rows, last)
            elif rule is not None and rows:
                sheet.data_validation(_FIRST_ROW, place, max(last, _FIRST_ROW), place, rule)
        if "confidence" in places and rows:
            first = [xl_rowcol_to_cell(_FIRST_ROW, places[name], col_abs=True) for name in ("confidence", "verdict")]
            formula = f'=AND({first[0]}<>"",{first[0]}<{LOW_CONFIDENCE},{first[1]}="")'
            sheet.conditional_format(
                _FIRST_ROW, 2, _FIRST_ROW + len(rows) - 1, len(read) + 1,
                {"type": "formula", "criteria": formula, "format": self.formats["low"]},
            )  # fmt: skip
        frozen = places.get("quote", places.get("title", 3)) + 1
        self._layout(sheet, columns, last, frozen, len(read) + 2)

    def _heads(self, sheet: Any, title: str, columns: Sequence[_Column], split: int) -> None:
        sheet.set_row(_MACHINE_ROW, 8, None, {"hidden": True})
        sheet.set_row(_TITLE_ROW, 26)
        sheet.set_row(_HEAD_ROW, 32)
        for row in (_TITLE_ROW, _GROUP_ROW, _HEAD_ROW):
            sheet.write_string(row, 0, "#", self.formats["machine"])
        sheet.write_string(_TITLE_ROW, 2, title, self.formats["title"])
        sheet.merge_range(_GROUP_ROW, 2, _GROUP_ROW, split - 1, "读出的内容（锁定）", self.formats["group"])
        sheet.merge_range(_GROUP_ROW, split, _GROUP_ROW, len(columns) - 1, "复核填写", self.formats["free_group"])
        for place, column in enumerate(columns):
            sheet.write_string(_MACHINE_ROW, place, f"dafeng-review:{column.key}", self.formats["machine"])
            hidden = {"hidden": True} if place < 2 else {}
            sheet.set_column(place, place, column.width, None, hidden)
            if column.title:
                sheet.write_string(_HEAD_ROW, place, column.title, self.formats["free_head" if column.free else "head"])

    def _write_row(self, sheet: Any, number: int, row: ReviewRow, columns: Sequence[_Column]) -> None:
        before = {"texts": row.texts, "fields": row.kept} if row.kept else {"texts": row.texts}
        kept = json.dumps(before, ensure_ascii=False, sort_keys=True) if row.texts else ""
        self.listed.append(row.key)
        sheet.write_string(number, 0, row.key, self.formats["machine"])
        sheet.write_string(number, 1, kept, self.formats["machine"])
        shown = row.values | row.texts
        for place, column in enumerate(columns[2:], start=2):
            value = shown.get(column.key)
            style = self.formats[f"free_{column.kind}" if column.free else column.kind]
            numeric = column.key in ("new_value", "new_value_max", "new_by", "new_start", "new_from")
            if numeric and isinstance(value, str) and _is_number(value):
                value = float(value)
            if value is None or value == "":
                sheet.write_blank(number, place, None, style)
            elif isinstance(value, str):
                sheet.write_string(number, place, value, style)
            else:
                sheet.write_number(number, place, value, style)
        lines = max(_lines(str(shown.get(column.key) or ""), column.width) for column in columns[2:])
        sheet.set_row(number, min(200.0, 5.0 + 14.0 * lines))

    def _write_spare(self, sheet: Any, number: int, columns: Sequence[_Column]) -> None:
        for place, column in enumerate(columns[2:], start=2):
            free = column.free or column.key in _FREE_KEYS
            style = self.formats["free_choice" if column.kind == "choice" else "free_text" if free else "text"]
            sheet.write_blank(number, place, None, style)
        sheet.set_row(number, 22)

    def _verdicts(self, sheet: Any, place: int, rows: Sequence[ReviewRow], last: int) -> None:
        told = {"validate": "list", "error_title": "决定", "error_type": "stop"}
        words = [VERDICT_WORDS[verdict] for verdict in ANSWERS]
        again = [VERDICT_WORDS[ReadingVerdict.ADD], VERDICT_WORDS[ReadingVerdict.REJECT]]
        added = [number for number, row in enumerate(rows, start=_FIRST_ROW) if row.added]
        end = _FIRST_ROW + len(rows) - 1
        split = added[0] if added else end + 1
        for first, final, source in ((_FIRST_ROW, split - 1, words), (split, end, again), (end + 1, last, again[:1])):
            if first <= final:
                message = f"请选{'、'.join(source)}，或留空"
                sheet.data_validation(first, place, final, place, told | {"source": source, "error_message": message})

    def _rule(self, subject: DecisionSubject, column: _Column) -> dict[str, Any] | None:
        """Return the rule of a column of decisions; other text is warned of, not refused: 无 must pass."""
        told: dict[str, Any] = {"error_title": column.title[:32], "error_type": "warning"}
        name = column.key.removeprefix("new_")
        if name == column.key:
            return None
        options = {
            "indicator": [indicator.zh for indicator in self.catalog.indicators.values()],
            "comparator": list(COMPARATOR_WORDS.values()),
            "measure": [self.catalog.term("measure", code) for code in MEASURES],
            "change": ["提高", "降低"],
            "strength": list(STRENGTH_WORDS.values()),
        }.get(name)
        if options is not None:
            return told | {
                "validate": "list",
                "source": self._list(name, options),
                "error_message": "请从下拉表中选一项",
            }
        if name in ("value", "value_max"):
            message = "请填一个数，不带单位；要清空填“无”"
            return told | {"validate": "decimal", "criteria": ">=", "value": 0, "error_message": message}
        if name in ("by", "start", "from"):
            message = "请填年份，如 2030；要清空填“无”"
            return told | {
                "validate": "integer", "criteria": "between", "minimum": 1949, "maximum": 2100, "error_message": message,
            }  # fmt: skip
        return None

    def _list(self, name: str, options: Sequence[str]) -> str:
        """Keep a list of choices on the hidden sheet and return where it stands."""
        known = [item for item, _ in self.lists]
        if name not in known:
            self.lists.append((name, options))
            known.append(name)
        letters = xl_col_to_name(known.index(name) + 2)
        return f"='{MACHINE_SHEET}'!${letters}$2:${letters}${len(options) + 1}"

    def _layout(self, sheet: Any, columns: Sequence[_Column], last: int, frozen: int, split: int) -> None:
        sheet.freeze_panes(_FIRST_ROW, frozen)
        if last >= _FIRST_ROW:
            sheet.autofilter(_HEAD_ROW, 2, last, len(columns) - 1)
        allowed = ("format_cells", "format_columns", "format_rows", "sort", "autofilter")
        sheet.protect("", dict.fromkeys(allowed, True))
        sheet.set_landscape()
        sheet.set_paper(8)
        sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
        sheet.repeat_rows(_TITLE_ROW, _HEAD_ROW)
        sheet.repeat_columns(2, frozen - 1)
        sheet.print_area(_TITLE_ROW, 2, max(last, _FIRST_ROW), len(columns) - 1)
        wide = [column.width for column in columns]
        if sum(wide[2:]) <= 1.4 * _PAGE_WIDTH:
            sheet.fit_to_pages(1, 0)
        else:  # what was read on one page, what is decided on the next
            needed = max(sum(wide[2:split]), sum(wide[2:frozen]) + sum(wide[split:]))
            sheet.set_print_scale(max(30, min(100, int(100 * _PAGE_WIDTH / needed))))
            sheet.set_v_pagebreaks([split])
        sheet.set_footer("&C— &P / &N —")

    def write_list(self, name: str, columns: Sequence[tuple[str, float]], rows: Iterable[tuple[Any, ...]]) -> None:
        """Write a sheet that is only looked at."""
        sheet = self.book.add_worksheet(name)
        for place, (title, width) in enumerate(columns):
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, title, self.formats["head"])
        count = 0
        for count, row in enumerate(rows, start=1):
            for place, value in enumerate(row):
                if isinstance(value, int | float):
                    sheet.write_number(count, place, value, self.formats["whole"])
                else:
                    sheet.write_string(count, place, value or "", self.formats["text"])
            lines = max(_lines(str(value or ""), columns[place][1]) for place, value in enumerate(row))
            sheet.set_row(count, min(200.0, 5.0 + 14.0 * lines))
        if not count:
            sheet.write_string(1, 0, "无", self.formats["text"])
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(count, 1), len(columns) - 1)
        sheet.protect("", {"format_columns": True, "format_rows": True, "sort": True, "autofilter": True})
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_footer("&C— &P / &N —")

    def write_guide(self, title: str, plan_id: str, document: DocumentText) -> None:
        """Write how the book is filled."""
        sheet = self.book.add_worksheet(GUIDE_SHEET)
        sheet.set_column(0, 0, 14)
        sheet.set_column(1, 1, 96)
        sheet.write_string(0, 0, GUIDE_SHEET, self.formats["title"])
        sheet.write_string(1, 0, f"{title}；方案编号 {plan_id}；依据文件 {document.file}", self.formats["hint"])
        for row, (name, text) in enumerate(_GUIDE, start=3):
            sheet.write_string(row, 0, name, self.formats["head"])
            sheet.write_string(row, 1, text, self.formats["text"])
            sheet.set_row(row, 6.0 + 13.5 * _lines(text, 96))
        row = len(_GUIDE) + 4
        sheet.write_string(row, 0, "条件可用的项目字段", self.formats["head"])
        sheet.write_string(row, 1, "名称、类型、单位或可选项", self.formats["head"])
        sheet.set_row(row, 32)
        for number, item in enumerate(self.catalog.fields.values(), start=row + 1):
            options = "、".join(f"{option.code}（{option.zh}）" for option in item.options)
            sheet.write_string(number, 0, item.id, self.formats["text"])
            told = "，".join(part for part in (item.zh, item.type, item.unit or "", options) if part)
            sheet.write_string(number, 1, told, self.formats["text"])
            sheet.set_row(number, 5.0 + 14.0 * max(_lines(told, 96), _lines(item.id, 14)))
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.protect()

    def write_machine_sheet(self, plan_id: str, document: DocumentText) -> None:
        """Write what the book was made for, its rows and the lists of choices."""
        sheet = self.book.add_worksheet(MACHINE_SHEET)
        sheet.hide()
        facts = [("format", REVIEW_FORMAT), ("plan", plan_id), ("document", document.sha256), ("file", document.file)]
        facts.append(("catalog", self.catalog.digest))
        for row, (name, text) in enumerate((*facts, *(("row", key) for key in self.listed))):
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, text)
        for place, (name, options) in enumerate(self.lists, start=2):
            sheet.write_column(0, place, [name, *options])


def _kind(name: str) -> str:
    return "number" if name in ("value", "value_max") else "whole" if name in ("by", "start", "from") else "text"


def _lines(text: str, width: float) -> int:
    room = max(1.0, width / 2.3)
    return sum(max(1, int(-(-text_width(line) // room))) for line in text.split("\n"))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
