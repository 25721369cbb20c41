"""Headings: cases a domain expert can read, real plans against their labels, bad input, tables of an annex."""

import json
from pathlib import Path
from typing import Any

import pytest

from dafeng.base.document import Block, BlockKind, DocumentText
from dafeng.plans.headings import chinese_number
from dafeng.plans.outline import read_outline, with_standing_bodies
from dafeng.plans.read_records import ClauseKind
from plan_builders import CASES, document


@pytest.mark.parametrize("case", CASES["headings"], ids=lambda case: case["name"])
def test_headings_of_the_case(case: dict[str, Any]) -> None:
    outline = read_outline(document(case["text"], joined=case.get("joined", False)))
    assert [[clause.number, clause.title, clause.task] for clause in outline.clauses[1:]] == case["expect"]
    names = {finding.name for finding in outline.findings}
    assert names >= set(case.get("findings", ()))
    assert case.get("findings") or not names


@pytest.mark.parametrize("slug", ["jilin", "qingdao", "national"])
def test_real_plans_give_the_labelled_tasks_with_an_empty_lexicon(slug: str, shared: Path) -> None:
    gold = json.loads((shared / "plans" / "gold" / f"{slug}.json").read_text(encoding="utf-8"))
    outline = read_outline(document((shared / "plans" / f"{slug}.txt").read_text(encoding="utf-8")))
    expected = [(task["number"], task["title"], task["responsible"]) for task in gold["tasks"]]
    assert [(clause.number, clause.title, list(clause.bodies)) for clause in outline.clauses if clause.task] == expected
    head = outline.head
    issued = head.issued_on.isoformat() if head.issued_on else None
    assert {
        "title": head.title, "issuers": list(head.issuers), "doc_no": head.number, "date": issued, "region": head.region,
    } == gold["plan"]  # fmt: skip


def test_chinese_numbers() -> None:
    written = {
        "一": 1,
        "十": 10,
        "十一": 11,
        "二十": 20,
        "三十五": 35,
        "一百": 100,
        "一百二十一": 121,
        "一百零八": 108,
        "7": 7,
    }
    assert {text: chinese_number(text) for text in written} == written


def test_an_empty_document_has_one_clause_and_says_that_it_found_no_heading() -> None:
    outline = read_outline(DocumentText("a.txt", "txt", "0" * 64, ()))
    assert len(outline.clauses) == 1
    assert outline.clauses[0].at is None
    assert outline.sentences == ()
    assert [finding.name for finding in outline.findings] == ["plans.heading.none"]


def test_the_cover_note_is_head_and_its_own_numbers_are_no_tasks() -> None:
    text = "关于印发《东川市节能方案》的通知\n一、请落实方案。\n二、请报送进展。\n东川市节能方案\n一、光伏应用\n做好。"
    clauses = read_outline(document(text)).clauses
    assert [(clause.number, clause.kind, clause.task) for clause in clauses[1:]] == [
        ("通知一", ClauseKind.HEAD, False),
        ("通知二", ClauseKind.HEAD, False),
        ("一", ClauseKind.TASK, True),
    ]


def cell(text: str, row: int, column: int) -> Block:
    return Block(text, BlockKind.CELL, number=row * 10 + column, table=1, row=row, column=column)


def test_a_table_of_duties_fills_tasks_without_a_list_and_names_the_rows_that_fit_none() -> None:
    lines = (
        "一、任务",
        "（一）光伏应用。做好。",
        "（二）热泵应用。做好。（市水务局负责）",
        "附件：东川市方案责任分工表",
    )
    table = (
        cell("序号", 1, 1), cell("重点任务", 1, 2), cell("牵头单位", 1, 3), cell("配合单位", 1, 4),
        cell("1", 2, 1), cell("（一）光伏应用", 2, 2), cell("市住建局", 2, 3), cell("市财政局、各区市", 2, 4),
        cell("2", 3, 1), cell("热泵应用", 3, 2), cell("市教育局", 3, 3), cell("各区市", 3, 4),
        cell("3", 4, 1), cell("绿色出行", 4, 2), cell("市交通局", 4, 3), cell("各区市", 4, 4),
    )  # fmt: skip
    blocks = tuple(Block(line, number=number) for number, line in enumerate(lines, 1)) + table
    text = DocumentText("a.docx", "docx", "0" * 64, blocks)
    outline = read_outline(text)
    tasks = {clause.title: clause for clause in outline.clauses if clause.task}
    assert tasks["光伏应用"].bodies == ("市住建局", "市财政局", "各区市")
    assert tasks["光伏应用"].lists[0].leads == ("市住建局",)
    assert tasks["热泵应用"].bodies == ("市水务局",)
    assert [finding.value for finding in outline.findings if finding.name == "plans.annex.unattached"] == ["绿色出行"]


def test_standing_bodies_are_added_to_later_tasks_only_on_request() -> None:
    text = "一、任务\n（一）光伏。推进。（市住建局负责，各县落实，下同，不再列出）\n（二）热泵。推进。（市水务局负责）\n（三）加强领导。做好。"
    outline = read_outline(document(text))
    assert [clause.bodies for clause in outline.clauses if clause.task] == [("市住建局", "各县"), ("市水务局",), ()]
    expanded = with_standing_bodies(outline)
    tasks = [index for index, clause in enumerate(outline.clauses) if clause.task]
    assert [expanded[index] for index in tasks] == [("市住建局", "各县"), ("市水务局", "各县"), ("各县",)]


def test_sentences_respect_quotes_and_leave_heads_and_lists_out() -> None:
    text = "一、任务\n（一）光伏应用。坚持“多建。快建。”原则。到2025年（见附表。）建成9处。（市住建局负责）"
    words = document(text)
    outline = read_outline(words)
    assert [words.quote(each.at.start, each.at.end) for each in outline.sentences] == [
        "坚持“多建。快建。”原则。",
        "到2025年（见附表。）建成9处。",
    ]


def test_a_quotation_mark_after_a_fused_title_opens_the_next_sentence() -> None:
    words = document("一、重点任务\n（一）发展绿色建筑。“十四五”末，绿色建筑占比达到90%。“十五五”末达到95%。")
    outline = read_outline(words)
    assert [words.quote(each.at.start, each.at.end) for each in outline.sentences] == [
        "“十四五”末，绿色建筑占比达到90%。",
        "“十五五”末达到95%。",
    ]
