"""The responsibility list (重点任务及责任分工表) as a paper: a landscape table grouped by chapter, with the names in use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

from dafeng.catalog.catalog import Catalog
from dafeng.plans import BodyRole, BodyUse, ResponsibilityList
from dafeng.plans.responsibility import ResponsibilityRow
from dafeng.reports.document import Align, Annex, Cell, Column, Note, Report, Row, Table

__all__ = ["responsibility_report"]

_COLUMNS: Final = (
    Column(key="number", title="序号", width=9, align=Align.CENTER),
    Column(key="task", title="重点任务", width=30),
    Column(key="content", title="主要内容", width=50),
    Column(key="value", title="目标值及年份", width=28),
    Column(key="lead", title="牵头单位", width=25),
    Column(key="responsible", title="责任单位", width=58),
    Column(key="supporting", title="配合单位", width=12),
    Column(key="deadline", title="完成时限", width=18, align=Align.CENTER),
    Column(key="note", title="备注", width=30),
)
_PRESUMED: Final = "牵头单位按括号内首位推定，待确认"
"""Said once under the table instead of in every row."""
_NAMES: Final = (
    Column(key="as_written", title="方案中的写法", width=40),
    Column(key="name", title="机构全称", width=60),
    Column(key="successor", title="职责承接", width=40),
    Column(key="rows", title="涉及条数", width=16, align=Align.RIGHT),
)
_BASIS: Final = (
    ("牵头单位", "方案未写明“牵头”的，以责任单位括号内首位推定，标“推定”，由承办人确认；系统不自行改为正式牵头。"),
    ("责任单位", "按方案写法和顺序列出；机构全称和现承接机构见“机构名称对照”。"),
    ("配合单位", "方案不区分责任与配合，留空待承办人填写。"),
    ("完成时限", "分五种：日期、到某年、每年、长期执行、未写明；只有前三种可能逾期。“2030年前”按2030年底前计。"),
    ("主要内容", "由条款数字、指标和比较词组成的短语，不是方案原句；原句以方案文本为准。"),
)


def responsibility_report(
    duties: ResponsibilityList, catalog: Catalog, *, as_of: date, body: str | None = None
) -> Report:
    """Return the responsibility list of a plan as a paper.

    Parameters
    ----------
    duties : ResponsibilityList
    catalog : Catalog
        Names of bodies.
    as_of : date
        Day of the list.
    body : str, optional
        Body id: only what this body answers for (本单位任务).

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans import responsibility_list
    >>> catalog = load_catalog()
    >>> duties = responsibility_list(catalog.plan("qingdao-2024"), catalog)
    >>> paper = responsibility_report(duties, catalog, as_of=date(2025, 10, 28))
    >>> [column.title for column in next(paper.tables()).columns][:5]
    ['序号', '重点任务', '主要内容', '目标值及年份', '牵头单位']
    """
    rows = [row for row in duties.rows if body is None or any(use.id == body for use in row.bodies)]
    owner = "" if body is None else f"（{catalog.bodies[body].name if body in catalog.bodies else body}）"
    title = "重点任务及责任分工表" + owner
    used = Counter(use.as_written for row in rows for use in row.bodies)
    names = tuple(
        Row(
            cells=(
                Cell(text=alias.as_written),
                Cell(text=alias.name if alias.body else "机构库中没有对应，按原文保留"),
                Cell(text=alias.successor or ""),
                Cell(text=str(used[alias.as_written]), number=used[alias.as_written], digits=0),
            )
        )
        for alias in duties.aliases
        if alias.as_written in used
    )
    return Report(
        id=f"responsibility-{duties.plan}" + ("" if body is None else f"-{body}"),
        title=f"{duties.title}{title}",
        as_of=as_of,
        basis=_BASIS,
        blocks=(
            Annex(label="附件", title=title, landscape=True),
            Table(id="duties", title="责任分工表", columns=_COLUMNS, rows=_rows(rows), size=9.0),
            Note(text="“推定”指方案未写牵头、以首位责任单位推定，待承办人确认；加粗列为量化目标。"),
            Annex(label="附表", title="机构名称对照", landscape=True),
            Table(id="names", title="机构名称对照", columns=_NAMES, rows=names, size=10.0),
        ),
    )


def _rows(rows: Sequence[ResponsibilityRow]) -> tuple[Row, ...]:
    found: list[Row] = []
    chapter = clause = None
    for number, row in enumerate(rows, start=1):
        if row.chapter != chapter:
            chapter = row.chapter
            found.append(
                Row(
                    group=f"{row.chapter}、{row.chapter_title}"
                    if "（" not in row.chapter
                    else f"{row.chapter}{row.chapter_title}"
                )
            )
        first = row.clause != clause
        clause = row.clause
        found.append(
            Row(
                anchor=f"duty-{row.target or row.obligation or f'task-{number}'}",
                cells=(
                    Cell(text=str(number), number=number, digits=0),
                    Cell(text=f"{row.clause}{row.task}" if first else row.clause),
                    Cell(text=row.content),
                    Cell(text=row.value, strong=True),
                    Cell(text="" if row.lead is None else _body(row.lead)),
                    Cell(text="、".join(_body(use) for use in row.responsible)),
                    Cell(text="、".join(_body(use) for use in row.supporting)),
                    Cell(text=row.deadline.text),
                    Cell(text="；".join(part for part in row.note.split("；") if part != _PRESUMED)),
                ),
            )
        )
    return tuple(found)


def _body(use: BodyUse) -> str:
    return use.as_written + ("（推定）" if use.role is BodyRole.LEAD_PRESUMED else "")
