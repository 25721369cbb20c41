"""The chase list (催报单) as a paper: what each body still owes, and where the returns stand, as an immutable description."""

from __future__ import annotations

from typing import Any, Final

from dafeng.base.period import Period
from dafeng.reports.document import Align, Annex, Cell, Column, Note, Report, Row, Table
from dafeng.statistics.answers import FORM_STATES, Standing

__all__ = ["chase_report"]

_CHASE: Final = (
    Column(key="number", title="序号", width=10, align=Align.CENTER),
    Column(key="body", title="报送单位", width=44),
    Column(key="place", title="地区", width=24),
    Column(key="period", title="报告期", width=24, align=Align.CENTER),
    Column(key="due", title="应报日期", width=24, align=Align.CENTER),
    Column(key="days", title="逾期天数", width=18, align=Align.RIGHT),
    Column(key="state", title="状态", width=20, align=Align.CENTER),
    Column(key="what", title="尚缺内容", width=90),
)
_FORMS: Final = (
    Column(key="body", title="报送单位", width=48),
    Column(key="place", title="地区", width=28),
    Column(key="form", title="表单", width=56),
    Column(key="asked", title="应填项", width=16, align=Align.RIGHT),
    Column(key="answered", title="已填", width=14, align=Align.RIGHT),
    Column(key="reasons", title="说明原因", width=18, align=Align.RIGHT),
    Column(key="refused", title="有误", width=14, align=Align.RIGHT),
    Column(key="missing", title="缺", width=14, align=Align.RIGHT),
    Column(key="returned", title="报出日期", width=24, align=Align.CENTER),
    Column(key="state", title="状态", width=26, align=Align.CENTER),
)
_BASIS: Final = (
    ("已填", "有数，或有数而附提示；说明原因的另列，不算缺。"),
    ("有误", "所填不能采用（不是数、超出上下限、单位不符、行码不符等），须更正后重报。"),
    ("缺", "应填而既没有数也没有原因的项；选填项不计。"),
    ("逾期", "到本单日期仍未报齐的，自应报日期的次日起计天数。"),
)


def chase_report(
    standing: Standing, *, title: str = "数据报送催报单", id: str = "chase", body: str | None = None
) -> Report:
    """Return the chase list as a paper.

    Parameters
    ----------
    standing : Standing
    title : str
    id : str
        Id of the paper.
    body : str, optional
        Body id: only what this body owes.

    Examples
    --------
    >>> from datetime import date
    >>> from dafeng.statistics.answers import standing
    >>> paper = chase_report(standing([], as_of=date(2026, 4, 1)))
    >>> [table.title for table in paper.tables()]
    ['催报单', '报送情况']
    """
    chase = [row for row in standing.chase.iter_rows(named=True) if body in (None, row["body"])]
    forms = [row for row in standing.forms.iter_rows(named=True) if body in (None, row["body"])]
    done = sum(row["state"] == "complete" for row in forms)
    overdue = sum(row["days_overdue"] > 0 for row in forms)
    text = f"截至 {standing.as_of}，发表 {len(forms)} 份，报齐 {done} 份，逾期 {overdue} 份。"
    return Report(
        id=id,
        title=title,
        as_of=standing.as_of,
        basis=_BASIS,
        blocks=(
            Annex(label="附件1", title=title, landscape=True),
            Note(text=text),
            Table(id="chase", title="催报单", columns=_CHASE, rows=_chase_rows(chase), size=10.0),
            Annex(label="附件2", title="报送情况", landscape=True),
            Table(id="forms", title="报送情况", columns=_FORMS, rows=tuple(map(_form_row, forms)), size=10.0),
        ),
    )


def _count(number: int) -> Cell:
    return Cell(text=str(number), number=number, digits=0)


def _chase_rows(rows: list[dict[str, Any]]) -> tuple[Row, ...]:
    return tuple(
        Row(
            cells=(
                _count(number),
                Cell(text=row["body_name"]),
                Cell(text=row["place_name"]),
                Cell(text=Period.parse(row["period"]).title),
                Cell(text=str(row["due"])),
                _count(row["days_overdue"]) if row["days_overdue"] else Cell(text="未到期"),
                Cell(text=FORM_STATES[row["state"]]),
                Cell(text=row["what"]),
            )
        )
        for number, row in enumerate(rows, start=1)
    )


def _form_row(row: dict[str, Any]) -> Row:
    state = FORM_STATES[row["state"]] + ("（逾期）" if row["days_overdue"] else "（迟报）" if row["late"] else "")
    return Row(
        cells=(
            Cell(text=row["body_name"]),
            Cell(text=row["place_name"]),
            Cell(text=row["form"]),
            *(_count(row[name]) for name in ("asked", "answered", "reasons", "refused", "missing")),
            Cell(text=str(row["returned_on"] or "")),
            Cell(text=state),
        )
    )
