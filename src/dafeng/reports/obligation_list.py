"""Check lists of obligations as papers: the special review table (专项审查表) of one project, and the table of a programme."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from dafeng.base.ledger import STAGE_NAMES
from dafeng.buildings.obligations import RuleUse
from dafeng.buildings.project_facts import field_name, shown_value
from dafeng.buildings.rule_explanation import VERDICT_WORDS, Explanation, fold_undecided
from dafeng.catalog.catalog import Catalog
from dafeng.reports.document import Align, Annex, Cell, Column, Note, Report, Row, Table

__all__ = ["programme_report", "review_report"]

_STATES: Final = {"pass": "met", "fail": "missed", "unknown": "unknown", "not_applicable": None}
_REVIEW: Final = (
    Column(key="number", title="序号", width=9, align=Align.CENTER),
    Column(key="clause", title="条款", width=18),
    Column(key="title", title="审查内容", width=42),
    Column(key="required", title="要求", width=38),
    Column(key="facts", title="项目情况", width=38),
    Column(key="verdict", title="结论", width=18, align=Align.CENTER),
    Column(key="missing", title="缺项与说明", width=46),
    Column(key="evidence", title="证明材料", width=40),
)
_FACTS: Final = (
    Column(key="field", title="项目字段", width=50),
    Column(key="value", title="填报值", width=60),
)
_COUNTS: Final = (
    Column(key="clause", title="条款", width=18),
    Column(key="title", title="内容", width=60),
    Column(key="place", title="地方", width=28),
    Column(key="fails", title="不符合", width=16, align=Align.RIGHT),
    Column(key="owed", title="欠证明", width=16, align=Align.RIGHT),
    Column(key="open", title="待定", width=16, align=Align.RIGHT),
    Column(key="early", title="未到期将不符合", width=20, align=Align.RIGHT),
    Column(key="passes", title="符合", width=16, align=Align.RIGHT),
)
_FAILING: Final = (
    Column(key="key", title="项目代码", width=36),
    Column(key="name", title="项目名称", width=46),
    Column(key="place", title="地方", width=26),
    Column(key="clause", title="条款", width=18),
    Column(key="title", title="内容", width=56),
    Column(key="kind", title="性质", width=14, align=Align.CENTER),
    Column(key="overdue", title="是否逾期", width=14, align=Align.CENTER),
)
_BASIS: Final = (
    (
        "结论",
        "三种答案：确实适用且确实达到为符合，确实适用且确实未达到为不符合，其余待定并列出缺项；未填的值不作“否”，也不作零。",
    ),
    (
        "适用",
        "本地及上级方案的义务和现行规范的条款；由图审、施工许可、立项日期中最先已知的一个判断是否在印发（施行）之后。",
    ),
    ("到期", "每条有核查阶段，未到阶段的不欠证明；到阶段仍待定的为欠证明，过了阶段仍未符合的为逾期。"),
    ("提倡", "鼓励、推广类要求单列，不计入不符合。"),
    ("待核", "规范数字的等级为B或C，标“待核”，以标准文本为准。"),
)


def review_report(
    explanations: Sequence[Explanation], facts: Mapping[str, Any], catalog: Catalog, *, as_of: date
) -> Report:
    """Return the special review table of one project.

    Parameters
    ----------
    explanations : sequence of Explanation
        Duties and wishes, in any order.
    facts : mapping
        Field id to value of the project, `key` and `project_name` among them.
    catalog : Catalog
    as_of : date

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> paper = review_report([], {"key": "P 1", "work": "new"}, load_catalog(), as_of=date(2026, 11, 20))
    >>> paper.id, paper.title
    ('review-p-1', '绿色低碳专项审查表：P 1')
    """
    key = str(facts.get("key", "project"))
    name = str(facts.get("project_name") or key)
    rows: list[Row] = []
    ordered = sorted(fold_undecided(explanations), key=lambda each: (each.soft, _rank(each)))
    group = None
    for number, each in enumerate(ordered, start=1):
        label = "提倡与对照" if each.soft else each.document
        if label != group:
            group = label
            rows.append(Row(group=label))
        rows.append(_review_row(number, each))
    known = [
        Row(cells=(Cell(text=field_name(field, catalog)), Cell(text=shown_value(field, value, catalog))))
        for field, value in facts.items()
        if field in catalog.fields and value is not None
    ]
    title = f"绿色低碳专项审查表：{name}"
    return Report(
        id=f"review-{_slug(key)}",
        title=title,
        as_of=as_of,
        basis=_BASIS,
        blocks=(
            Annex(label="附件", title=title, landscape=True),
            Table(id="review", title="专项审查表", columns=_REVIEW, rows=tuple(rows), size=9.0),
            Note(text=f"判断日{as_of.isoformat()}。{_tally(explanations)}"),
            Annex(label="附表", title="项目填报值"),
            Table(id="facts", title="项目填报值", columns=_FACTS, rows=tuple(known), size=10.0),
        ),
    )


def _rank(each: Explanation) -> tuple[str, int]:
    return each.rulebook, ["fail", "unknown", "pass", "not_applicable"].index(each.verdict)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "project"


def _tally(explanations: Sequence[Explanation]) -> str:
    duties = [each for each in explanations if not each.soft]
    counted = {word: sum(each.verdict == verdict for each in duties) for verdict, word in VERDICT_WORDS.items()}
    owed = sum(each.owed for each in duties)
    return "，".join(f"{word}{count}条" for word, count in counted.items() if count) + (
        f"，其中欠证明{owed}条" if owed else ""
    )


def _review_row(number: int, each: Explanation) -> Row:
    word = VERDICT_WORDS[each.verdict]
    if each.verdict == "fail" and each.due == "no":
        word = f"将不符合（{STAGE_NAMES.get(each.stage_due or '', '')}起）"
    elif each.owed:
        word += "（欠证明）"
    elif each.verdict == "fail" and each.overdue:
        word += "（逾期）"
    remarks = [f"缺：{'、'.join(each.missing_names)}"] if each.missing_names else []
    remarks += [] if each.grade == "A" else [f"{each.grade}级，待核"]
    remarks += [each.note] if each.note and "待核" not in each.note else []
    return Row(
        anchor=f"row-{number}",
        cells=(
            Cell(text=str(number), number=number, digits=0),
            Cell(text=each.clause),
            Cell(text=each.title),
            Cell(text="；".join(part.text for part in each.requirements)),
            Cell(text="；".join(part.facts for part in each.requirements)),
            Cell(text=word, state=_STATES[each.verdict], strong=each.verdict == "fail"),
            Cell(text="；".join(remarks)),
            Cell(text="、".join(each.evidence)),
        ),
    )


def programme_report(
    counts: pl.DataFrame,
    failing: pl.DataFrame,
    rules: Sequence[RuleUse],
    catalog: Catalog,
    *,
    as_of: date,
    things: int,
    most: int = 5_000,
) -> Report:
    """Return the table of a programme: counts by rule and place, and the projects that fail.

    Parameters
    ----------
    counts : DataFrame
        rulebook, rule, place, fails, fails_early, owed, open, passes.
    failing : DataFrame
        Failing checks with `name`.
    rules : sequence of RuleUse
        Titles and clauses.
    catalog : Catalog
    as_of : date
    things : int
        Projects looked at.
    most : int
        Failing rows printed; the note says how many more there are.
    """
    uses = {(use.rulebook, use.rule.id): use for use in rules}
    rows: list[Row] = []
    group = None
    for row in counts.sort("rulebook", "rule", "place").iter_rows(named=True):
        use = uses[row["rulebook"], row["rule"]]
        if use.title != group:
            group = use.title
            rows.append(Row(group=use.title))
        numbers = [row[name] for name in ("fails", "owed", "open", "fails_early", "passes")]
        place = "" if row["place"] is None else catalog.place_name(row["place"])
        cells = [Cell(text=use.rule.clause), Cell(text=use.rule.title), Cell(text=place)]
        cells += [Cell(text=str(number), number=number, digits=0) for number in numbers]
        rows.append(Row(cells=tuple(cells)))
    listed = [
        Row(
            cells=(
                Cell(text=row["key"]),
                Cell(text=row["name"] or ""),
                Cell(text="" if row["place"] is None else catalog.place_name(row["place"])),
                Cell(text=row["clause"]),
                Cell(text=uses[row["rulebook"], row["rule"]].rule.title),
                Cell(text="提倡" if row["soft"] else "必须"),
                Cell(text="逾期" if row["overdue"] else ""),
            )
        )
        for row in failing.sort("soft", "key", maintain_order=True).head(most).iter_rows(named=True)
    ]
    more = f"；表中列前{most}条" if failing.height > most else ""
    return Report(
        id="obligation-programme",
        title="项目绿色低碳义务核查总表",
        as_of=as_of,
        basis=_BASIS,
        blocks=(
            Annex(label="附件1", title="各条义务核查情况", landscape=True),
            Table(id="counts", title="各条义务核查情况", columns=_COUNTS, rows=tuple(rows), size=9.0),
            Note(text=f"判断日{as_of.isoformat()}，共{things}个项目。"),
            Annex(label="附件2", title="不符合项目清单", landscape=True),
            Table(id="failing", title="不符合项目清单", columns=_FAILING, rows=tuple(listed), size=9.0),
            Note(text=f"不符合{failing.height}条{more}。"),
        ),
    )
