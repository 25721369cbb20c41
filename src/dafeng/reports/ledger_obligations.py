"""Tables on what projects owe: obligations by district, document and rule, projects that fail, promises that were not kept."""

from __future__ import annotations

from typing import Final

import polars as pl

from dafeng.buildings.project_facts import field_name
from dafeng.reports.document import Align, Block, Cell, Column, Note, Paragraph, Row, Run, Table
from dafeng.reports.ledger_facts import LedgerFacts, Names

__all__ = ["failing_blocks", "failing_words", "obligation_blocks", "promise_blocks"]

_DISTRICTS: Final = 10
_FAILING: Final = 60


def _text(text: str, *inputs: str) -> Paragraph:
    return Paragraph(runs=(Run(text=text),), inputs=inputs)


def _count(number: int) -> Cell:
    return Cell(text=str(number), number=number, digits=0)


def failing_words(facts: LedgerFacts) -> str:
    """Return the clause on projects that fail duties that are due."""
    if not facts.duties.height:
        return "没有发现到期而不符合的"
    return f"{facts.failing_projects}个项目有{facts.duties.height}条到期而不符合"


def obligation_blocks(facts: LedgerFacts) -> list[Block]:
    """Return what was checked: by district, by document, and by rule with the failures of each district."""
    if not facts.projects:
        return [_text("台账中没有建设项目，未核查项目义务。")]
    soft = {(use.rulebook, use.rule.id) for use in facts.rules if _is_wish(facts, use.rulebook, use.rule.id)}
    counts = facts.counts.with_columns(
        soft=pl.struct("rulebook", "rule").map_elements(
            lambda pair: (pair["rulebook"], pair["rule"]) in soft, return_dtype=pl.Boolean
        )
    )
    duties = counts.filter(~pl.col("soft"))
    owed = int(duties["owed"].sum())
    text = (
        f"对{facts.projects}个项目核查方案、上级方案和规范的{len(facts.rules)}条要求，{failing_words(facts)}；"
        f"另有{owed}条到了核查阶段而缺证明（欠证明），不作符合，也不作不符合。提倡、对照类要求另列，不计入。"
    )
    return [
        _text(text, "obligations"),
        _by_district(facts, duties),
        _by_document(facts, counts),
        *_by_rule(facts, counts),
    ]


def _is_wish(facts: LedgerFacts, rulebook: str, rule: str) -> bool:
    use = next(use for use in facts.rules if (use.rulebook, use.rule.id) == (rulebook, rule))
    return use.rule.soft or use.rule.strength.value == "encouraged"


_VERDICTS: Final = (
    ("fails", "不符合"), ("owed", "欠证明"), ("open", "待定"), ("fails_early", "未到期将不符合"), ("passes", "符合"),
)  # fmt: skip


def _verdict_columns(width: float) -> tuple[Column, ...]:
    return tuple(Column(key=name, title=title, width=width, align=Align.RIGHT) for name, title in _VERDICTS)


def _place(facts: LedgerFacts, place: str | None) -> str:
    return "未写区县" if place is None else facts.catalog.place_name(place)


def _by_district(facts: LedgerFacts, duties: pl.DataFrame) -> Table:
    names = [name for name, _ in _VERDICTS]
    summed = duties.group_by("place").agg(pl.col(names).sum()).sort("place", nulls_last=True)
    failing = dict(facts.duties.group_by("place").agg(pl.col("key").n_unique()).iter_rows())
    rows = [
        Row(
            cells=(
                Cell(text=_place(facts, row["place"])),
                _count(failing.get(row["place"], 0)),
                *(_count(row[name]) for name in names),
            )
        )
        for row in summed.iter_rows(named=True)
    ]
    total = [_count(facts.failing_projects), *(_count(int(duties[name].sum())) for name in names)]
    rows.append(Row(cells=(Cell(text="合计", strong=True), *total)))
    columns = (
        Column(key="place", title="区县", width=60),
        Column(key="projects", title="有不符合的项目", width=36, align=Align.RIGHT),
        *_verdict_columns(32),
    )
    return Table(
        id="obligation-districts",
        title="各区县义务核查（条次）",
        columns=columns,
        rows=tuple(rows),
        show_title=True,
        size=9,
    )


def _by_document(facts: LedgerFacts, counts: pl.DataFrame) -> Table:
    names = [name for name, _ in _VERDICTS]
    titles = {use.rulebook: use.title + ("（待核）" if use.grade != "A" else "") for use in facts.rules}
    rules = {
        (book, wish): sum(use.rulebook == book and _is_wish(facts, book, use.rule.id) is wish for use in facts.rules)
        for book in titles
        for wish in (False, True)
    }
    grouped = {
        (book, wish): row
        for book, wish, *row in counts.cast({"rulebook": pl.String})
        .group_by("rulebook", "soft")
        .agg(pl.col(names).sum())
        .iter_rows()
    }
    rows = [
        Row(
            cells=(
                Cell(text=title),
                Cell(text="提倡、对照" if wish else "必须"),
                _count(rules[book, wish]),
                *(_count(number) for number in grouped.get((book, wish), [0] * len(names))),
            )
        )
        for book, title in titles.items()
        for wish in (False, True)
        if rules[book, wish]
    ]
    columns = (
        Column(key="document", title="依据", width=74),
        Column(key="kind", title="性质", width=22, align=Align.CENTER),
        Column(key="rules", title="条数", width=16, align=Align.RIGHT),
        *_verdict_columns(26),
    )
    return Table(
        id="obligation-documents",
        title="各文件义务核查（条次）",
        columns=columns,
        rows=tuple(rows),
        show_title=True,
        size=9,
    )


def _by_rule(facts: LedgerFacts, counts: pl.DataFrame) -> list[Block]:
    """Return the rules that some project passes or fails, with the failures of each district; the rest is counted."""
    names = [name for name, _ in _VERDICTS]
    counts = counts.cast({"rulebook": pl.String, "rule": pl.String})
    places = counts["place"].unique().sort().drop_nulls().to_list()
    districts = places if len(places) <= _DISTRICTS else []
    total = {
        (book, rule): row
        for book, rule, *row in counts.group_by("rulebook", "rule").agg(pl.col(names).sum()).iter_rows()
    }
    fails = {
        (book, rule, place): count
        for book, rule, place, count in counts["rulebook", "rule", "place", "fails"].iter_rows()
    }
    decided = [
        use for use in facts.rules if any(total.get((use.rulebook, use.rule.id), [0] * 5)[at] for at in (0, 3, 4))
    ]
    rows: list[Row] = []
    group = None
    for use in decided:
        if use.title != group:
            group = use.title
            rows.append(Row(group=group))
        key = (use.rulebook, use.rule.id)
        wish = "（提倡）" if _is_wish(facts, *key) else ""
        cells = [
            Cell(text=use.rule.clause),
            Cell(text=use.rule.title + wish),
            *(_count(number) for number in total[key]),
        ]
        cells += [_count(fails.get((*key, place), 0)) for place in districts]
        rows.append(Row(cells=tuple(cells)))
    undecided = len(facts.rules) - len(decided)
    note = f"另有{undecided}条没有一个项目能判断符合或不符合，只有欠证明、待定，或没有适用的项目。" if undecided else ""
    if not rows:
        return [_text(note or "没有适用的要求。")]
    columns = (
        Column(key="clause", title="条款", width=20),
        Column(key="title", title="要求", width=60),
        *_verdict_columns(17),
        *(
            Column(
                key=f"fails_{place}", title=f"{facts.catalog.place_name(place)}\n不符合", width=16, align=Align.RIGHT
            )
            for place in districts
        ),
    )
    table = Table(
        id="obligation-rules",
        title="各条要求核查（项目数）",
        columns=columns,
        rows=tuple(rows),
        show_title=True,
        size=8.5,
    )
    return [table, *([Note(text=note)] if note else [])]


def failing_blocks(facts: LedgerFacts) -> list[Block]:
    """Return the projects that fail a duty, with the clauses that each fails."""
    if not facts.duties.height:
        return [_text("没有到期而不符合的项目。")]
    uses = {(use.rulebook, use.rule.id): use for use in facts.rules}
    by_project: dict[str, list[dict[str, object]]] = {}
    for row in facts.duties.sort("place", "key", "rulebook", "rule", nulls_last=True).iter_rows(named=True):
        by_project.setdefault(row["key"], []).append(row)
    columns = (
        Column(key="number", title="序号", width=12, align=Align.CENTER),
        Column(key="key", title="项目代码", width=50),
        Column(key="name", title="项目名称", width=40),
        Column(key="place", title="区县", width=26),
        Column(key="clauses", title="条款", width=30),
        Column(key="titles", title="不符合的要求", width=86),
        Column(key="overdue", title="逾期", width=14, align=Align.CENTER),
    )
    rows = []
    for number, (key, failed) in enumerate(list(by_project.items())[:_FAILING], start=1):
        found = [uses[str(row["rulebook"]), str(row["rule"])].rule for row in failed]
        name, place = failed[0]["name"], failed[0]["place"]
        rows.append(
            Row(
                cells=(
                    _count(number),
                    Cell(text=facts.key(key)),
                    Cell(text=facts.name(None if name is None else str(name))),
                    Cell(text=_place(facts, None if place is None else str(place))),
                    Cell(text="\n".join(rule.clause for rule in found)),
                    Cell(text="\n".join(rule.title for rule in found)),
                    Cell(text="逾期" if any(row["overdue"] for row in failed) else ""),
                )
            )
        )
    hidden = "代码和名称已隐去中段，完整清单" if facts.shown is Names.MASKED else "完整清单"
    more = f"共{len(by_project)}个项目，表中列前{_FAILING}个；" if len(by_project) > _FAILING else ""
    return [
        Table(id="obligation-failing", title="不符合项目清单", columns=columns, rows=tuple(rows), size=8.5),
        Note(text=f"{more}{hidden}由 dafeng project programme --out 导出，供主管部门核查。"),
    ]


def promise_blocks(facts: LedgerFacts) -> list[Block]:
    """Return what was promised at one stage against what stands at the next."""
    if not facts.promises:
        return [_text("台账没有分阶段的记录，不能对照承诺与建成。")]
    columns = (
        Column(key="register", title="台账", width=40),
        Column(key="field", title="承诺的项目", width=50),
        Column(key="kept", title="已兑现", width=22, align=Align.RIGHT),
        Column(key="broken", title="未兑现", width=22, align=Align.RIGHT),
        Column(key="open", title="未知", width=22, align=Align.RIGHT),
        Column(key="examples", title="未兑现的项目", width=100),
    )
    rows = tuple(
        Row(
            cells=(
                Cell(text=one.register),
                Cell(text=field_name(one.field, facts.catalog)),
                _count(one.kept),
                _count(one.broken),
                _count(one.open),
                Cell(text="\n".join(f"{facts.key(key)}：{before}，{after}" for key, before, after in one.examples)),
            )
        )
        for one in facts.promises
    )
    return [
        _text("同一项目前一阶段填报的值与下一阶段填报的值对照；未知是后一阶段未填，或该字段没有好坏之分。"),
        Table(id="ledger-promises", title="承诺与建成", columns=columns, rows=rows, size=9),
    ]
