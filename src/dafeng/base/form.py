"""The issue of a form: which figures were asked of which body, for which place and period, until when.

An issue is made by `statistics`, written as a workbook by `reports` and read back by `intake`; this is the record in which
the three meet. Every line of an issue has an id of its own that also depends on the issue, so that a row pasted from another
form is told from a row that was moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import polars as pl
from pydantic import Field

from dafeng.base.observation import BREAKDOWNS
from dafeng.base.record import Record

__all__ = [
    "ANSWER_SCHEMA",
    "FORM_FORMAT",
    "GUIDE_HEADS",
    "GUIDE_SHEET",
    "HEADS",
    "HINTS",
    "IDENTITY",
    "LINE_SCHEMA",
    "FormEntry",
    "FormFilling",
    "FormIssue",
    "FormLine",
    "FormSubject",
    "guide_rows",
    "is_of_return",
    "issue_id",
    "line_frame",
    "line_id",
    "return_dataset",
]

FORM_FORMAT: Final = "dafeng-form/1"
"""Name of the layout, on the hidden sheet of a form."""
HEADS: Final[dict[str, str]] = {
    "line": "行码",
    "code": "指标代码",
    "title": "指标",
    "meaning": "范围与口径",
    "unit": "单位",
    "last": "上期值",
    "value": "本期值",
    "reason": "缺失原因",
    "note": "备注",
}
"""Columns of a form of lines, by role: what stands over each."""
HINTS: Final[dict[str, str]] = {
    "lines": "只填浅黄色的格：本期值填数，单位见“单位”栏；没有的数留空并选“缺失原因”，不要填 0。"
    "行可以移动、增加，请勿改动“行码”“指标代码”。",
    "rows": "一行一个对象，可以增加行；数只填数字，单位见列名；没有的数填“不适用”“没有数据”等原因，不要填 0。请勿改动列码一行。",
}
"""What is printed over the table, by layout."""
GUIDE_SHEET: Final = "填报说明"
"""Name of the sheet that explains every line."""
GUIDE_HEADS: Final = ("行码", "项目", "范围与口径", "单位", "应填", "数值范围", "释义与说明", "所属目标")
"""Columns of that sheet."""
_OF_RETURN: Final = "return-"
IDENTITY: Final = ("填报单位", "地区", "报告期", "报送截止", "对象代码", "对象名称")
"""Labels of the head that say whose form it is."""


class FormLine(Record):
    """One figure, text or date that an issue asks for."""

    id: str
    """Id within the issue, see `line_id`."""
    title: str
    """Name on the form."""
    number: str = ""
    """Line or column number printed on the form."""
    field: str = ""
    """Field of the catalog's form; empty where the line comes from a plan."""
    indicator: str | None = None
    """Indicator asked for; None for text and identity."""
    place: str = ""
    """Place of the value; empty where the line speaks of another subject."""
    extent: str = "whole"
    """Extent of the value."""
    building_class: str = "all"
    """Breakdown."""
    carrier: str = "all"
    """Breakdown."""
    end_use: str = "all"
    """Breakdown."""
    boundary: str = "all"
    """Breakdown."""
    basis: str = ""
    """Basis of reckoning."""
    meaning: str = ""
    """Extent, breakdown and basis in words."""
    unit: str = ""
    """Unit in which the form asks for the figure, as printed; empty for text."""
    canonical: str = ""
    """Canonical unit of the indicator; empty where the line asks for none."""
    type: str = Field(default="number", pattern=r"^(number|text|date|choice|yes_no|code)$")
    """What the cell holds."""
    options: tuple[str, ...] = ()
    """Choices."""
    lengths: tuple[int, ...] = ()
    """How many characters a code may have; empty where that is not known."""
    minimum: float | None = None
    """Lower bound, in `unit`."""
    maximum: float | None = None
    """Upper bound, in `unit`."""
    usual: tuple[float, float] | None = None
    """Usual range, in `unit`."""
    required: bool = True
    """Whether a blank without a reason is a finding."""
    note: str = ""
    """Definition and what to fill in."""
    check: str = ""
    """Expression over fields of the same form that holds for a sound form."""
    last_value: float | None = None
    """Value of the same quantity one period earlier, in `unit`."""
    last_period: str = ""
    """Period of the last value."""
    last_dataset: str = ""
    """Dataset of the last value."""
    targets: tuple[str, ...] = ()
    """Targets of the plan for which it is asked."""
    own: bool = True
    """Whether it is the quantity promised or asked for itself; False for an input from which it is computed."""

    @property
    def key(self) -> tuple[str, ...]:
        """Indicator, place, extent, breakdowns and basis."""
        breakdowns = tuple(str(getattr(self, name)) for name in BREAKDOWNS)
        return (self.indicator or "", self.place, self.extent, *breakdowns, self.basis)

    @property
    def bounds(self) -> str:
        """Bounds in words, empty where there are none.

        Examples
        --------
        >>> FormLine(id="001-abcd", title="漏损率", minimum=0, maximum=100).bounds
        '0 至 100'
        """
        low, high = self.minimum, self.maximum
        if self.type != "number" or (low is None and high is None):
            return ""
        if low is None:
            return f"不大于 {high:g}"
        return f"不小于 {low:g}" if high is None else f"{low:g} 至 {high:g}"


class FormSubject(Record):
    """Somebody or something that a row of a form of rows speaks of."""

    code: str
    """Place id, code of a building …"""
    name: str
    """Name."""


class FormIssue(Record):
    """A form as asked of one body."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    """Unique id, see `issue_id`."""
    form: str
    """Form of the catalog, or `cycle-<plan id>`."""
    version: str
    """First characters of the digest of what is asked; another version asks something else."""
    title: str
    """Name of the form."""
    number: str = ""
    """表号."""
    scheme: str = ""
    """Statistical scheme."""
    issuer: str = ""
    """制表机关."""
    approver: str = ""
    """批准机关."""
    approval: str = ""
    """批准文号."""
    valid_to: date | None = None
    """First day on which the form no longer holds."""
    body: str
    """Body id."""
    body_name: str
    """Name of the body."""
    place: str
    """Place for which the body answers."""
    place_name: str
    """Name of the place."""
    period: str
    """Canonical period asked for."""
    due: date
    """Return-by day."""
    asked_on: date | None = None
    """Day of the issue."""
    subject: str = Field(default="place", pattern=r"^(place|building|company|project|institution|village)$")
    """What the form, or each row of it, is about."""
    layout: str = Field(default="lines", pattern=r"^(lines|rows)$")
    """lines: a figure a line; rows: a subject a row, a figure a column."""
    head: tuple[FormLine, ...] = ()
    """Head fields that the body fills in."""
    lines: tuple[FormLine, ...]
    """Lines or columns."""
    subjects: tuple[FormSubject, ...] = ()
    """Rows known beforehand, for a form of rows."""
    note: str = ""
    """Remark on the form: grade, what is not official."""

    @property
    def name_line(self) -> FormLine | None:
        """Column of a form of rows that names the subject: the text named after the sort of subject, else the first text."""
        texts = [line for line in self.lines if line.type == "text"]
        return next((line for line in texts if self.subject in line.field), texts[0] if texts else None)

    @property
    def dataset(self) -> str:
        """Dataset id of the answers."""
        return return_dataset(self.body)


class FormEntry(Record):
    """What a body wrote on one line of a form, as written."""

    value: str = ""
    """Text of the cell of this period's value."""
    reason: str = ""
    """Code or words of the reason for a gap."""
    note: str = ""
    """Remark."""

    @property
    def blank(self) -> bool:
        """Whether nothing was written.

        Examples
        --------
        >>> FormEntry(value=" ").blank, FormEntry(note="停用").blank
        (True, False)
        """
        return not (self.value.strip() or self.reason.strip() or self.note.strip())


class FormFilling(Record):
    """What a body wrote on a form of lines."""

    entries: dict[str, FormEntry] = Field(default_factory=dict)
    """Entries by id of the line."""
    head: dict[str, str] = Field(default_factory=dict)
    """Head fields, by field."""


def guide_rows(issue: FormIssue) -> tuple[tuple[str, ...], ...]:
    """Return what the sheet of explanations says, row by row: sentences, the heads, a row for each line.

    Examples
    --------
    >>> line = FormLine(id="001-abcd", title="供水总量", unit="万立方米", minimum=0)
    >>> issue = FormIssue(id="a", form="b", version="1", title="供水", body="c", body_name="水务局", place="qingdao",
    ...                   place_name="青岛市", period="2025", due=date(2026, 3, 31), lines=(line,))
    >>> guide_rows(issue)[-1]
    ('001-abcd', '供水总量', '', '万立方米', '必填', '不小于 0', '', '')
    """
    said = (
        f"{issue.title} 填报说明",
        f"报送截止：{issue.due}。填好后原样交回本文件（XLSX），不要另建表、不要加密。",
        "更正：改好后整表再报，后一次代替前一次。约数、区间、文字不能代替数；公式会按其结果读入并提示。",
        issue.note,
    )
    rows = [(text,) for text in said if text]
    lines = []
    for line in issue.lines:
        told = (line.note, f"可选：{'、'.join(line.options)}" if line.options else "")
        lines.append(
            (
                line.id,
                line.title,
                line.meaning,
                line.unit,
                "必填" if line.required else "选填",
                line.bounds,
                "；".join(filter(None, told)),
                "、".join(line.targets),
            )
        )
    return (*rows, GUIDE_HEADS, *lines)


def return_dataset(body: str) -> str:
    """Return the dataset id under which the returns of a body are kept.

    Examples
    --------
    >>> return_dataset("qingdao-water")
    'return-qingdao-water'
    """
    return f"{_OF_RETURN}{body}"


def is_of_return(dataset: str) -> bool:
    """Return whether a dataset is that of returns.

    Examples
    --------
    >>> is_of_return("return-qingdao-water"), is_of_return("yearbook")
    (True, False)
    """
    return dataset.startswith(_OF_RETURN)


def issue_id(form: str, body: str, place: str, period: str, subject: str = "") -> str:
    """Return the id of an issue, fit for a file name.

    Examples
    --------
    >>> issue_id("cycle-qingdao-2024", "qingdao-water", "qingdao", "2024-01..09")
    'cycle-qingdao-2024.qingdao-water.qingdao.2024-01to09'
    """
    parts = (form, body, place, period.replace("..", "to"), *((subject,) if subject else ()))
    return ".".join(
        "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in part) for part in parts
    )


def line_id(issue: str, number: int, *key: str) -> str:
    """Return the id of a line: its number, and four letters that only this line of this issue has.

    Examples
    --------
    >>> line_id("a", 7, "rail", "qingdao") != line_id("b", 7, "rail", "qingdao"), line_id("a", 7, "rail")[:4]
    (True, '007-')
    """
    digest = hashlib.sha256("\x1f".join((issue, *key)).encode()).hexdigest()
    letters = "".join("abcdefghjkmnpqrs"[int(digit, 16)] for digit in digest[:4])
    return f"{number:03d}-{letters}"


LINE_SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(("issue", "form", "body", "body_name", "place", "place_name", "period"), pl.String()),
    "due": pl.Date(),
    **dict.fromkeys(("line", "title", "indicator", "value_place", "extent", *BREAKDOWNS, "basis", "unit"), pl.String()),
    "required": pl.Boolean(),
    "subject": pl.String(),
}
"""Columns of a frame of lines asked for; ``value_place`` is the place of the figure, ``subject`` what the form is about."""

ANSWER_SCHEMA: Final[dict[str, pl.DataType]] = {
    **dict.fromkeys(
        ("issue", "form", "version", "body", "place", "period", "line", "field", "row_code", "row_name"), pl.String()
    ),
    **dict.fromkeys(("indicator", "extent", *BREAKDOWNS, "basis", "unit"), pl.String()),
    "state": pl.String(),
    "value": pl.Float64(),
    **dict.fromkeys(("text", "missing_reason", "note", "findings", "sheet", "cell", "document", "file"), pl.String()),
    "recorded_at": pl.Datetime("us", "UTC"),
}
"""Columns of answers, one a line (a line and row for a form of rows). ``state`` is answered, answered_with_finding,
reason_given, blank or refused; ``value`` is in the indicator's canonical unit, in ``unit`` where the line has no indicator;
``text`` is the cell as it stood."""


def line_frame(issues: Sequence[FormIssue]) -> pl.DataFrame:
    """Return the lines of issues as a frame of `LINE_SCHEMA`.

    Examples
    --------
    >>> line_frame([]).columns == list(LINE_SCHEMA)
    True
    """
    columns: dict[str, list[Any]] = {name: [] for name in LINE_SCHEMA}
    shared = ("form", "body", "body_name", "place", "place_name", "period", "due", "subject")
    own = ("title", "indicator", "extent", *BREAKDOWNS, "basis", "unit", "required")
    for issue in issues:
        count = len(issue.lines)
        columns["issue"] += [issue.id] * count
        for name in shared:
            columns[name] += [getattr(issue, name)] * count
        for name in own:
            columns[name] += [getattr(line, name) for line in issue.lines]
        columns["line"] += [line.id for line in issue.lines]
        columns["value_place"] += [line.place for line in issue.lines]
    return pl.DataFrame(columns, schema=LINE_SCHEMA)
