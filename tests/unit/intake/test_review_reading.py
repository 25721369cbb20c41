"""Review papers read back: what a person wrote comes back exactly, what is wrong is told at its cell, the rest is left alone."""

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.base.document import DocumentText
from dafeng.base.errors import InputError, UsageError
from dafeng.catalog import load_catalog
from dafeng.catalog.decision_schemas import DecisionSubject, ReadingVerdict
from dafeng.intake.review_reading import read_review_paper
from dafeng.plans.assembling import assemble_plan
from dafeng.plans.decisions import lay_decisions
from dafeng.plans.reviewing import accept_above
from dafeng.reports.plan_review import review_workbook
from document_builders import libreoffice_pdf, plan_docx
from review_builders import (
    DAY,
    PLAN_ID,
    answer,
    cell_of,
    commented,
    edited,
    fill,
    place_of,
    read_back,
    the_plan,
    workbook,
)

CATALOG = load_catalog()
FREE = 28
"""First free row of the targets."""


def _names(read: Any) -> list[str]:
    return [finding.name.removeprefix("plans.review.") for finding in read.findings]


# Workbook -------------------------------------------------------------------------------------------------------------


def test_an_untouched_workbook_decides_nothing() -> None:
    read = read_back(workbook(), by=None)
    assert (read.decisions, read.findings) == ((), ())
    _, _, reading = the_plan()
    tasks = sum(clause.task for clause in reading.outline.clauses)
    assert read.untouched == len(reading.targets) + len(reading.duties) + tasks


def test_accepting_all_reviews_all() -> None:
    _, document, reading = the_plan()
    rows: list[tuple[str, int, dict[str, object]]] = [
        ("目标", number, {"verdict": "采纳", "person": "李四"}) for number in range(1, len(reading.targets) + 1)
    ]
    rows += [("义务", number, {"verdict": "采纳", "person": "李四"}) for number in range(1, len(reading.duties) + 1)]
    read = read_back(fill(workbook(), rows), by=None)
    assert read.findings == ()
    assert {each.by for each in read.decisions} == {"李四"}
    decided = lay_decisions(reading, document, read.decisions)
    assert decided.reviewed == {item.id for item in (*reading.targets, *reading.duties)}
    plan = assemble_plan(
        reading, document, CATALOG, plan_id=PLAN_ID, place="qingdao", decisions=read.decisions, checked_on=DAY
    )
    assert plan.state.reviewed == plan.state.items == len(reading.targets) + len(reading.duties)


def test_every_corrected_field_comes_back() -> None:
    written = {
        "indicator": "绿地率", "label": "改名", "comparator": "不超过", "value": 33.25, "value_max": "40", "unit": "万平方米",
        "by": 2031, "measure": "较基期变化", "base": "2020年", "change": "降低", "start": "2021年", "scope": "城镇",
        "bodies": "市住建局、市水务局，各县（市、区）政府",
    }  # fmt: skip
    indicator = next(each for each in CATALOG.indicators.values() if each.id == "green_space_rate")
    texts = {f"new_{name}": text for name, text in (written | {"indicator": indicator.zh}).items()}
    read = read_back(fill(workbook(), [("目标", 2, {"verdict": "修改", "reason": "核对原文", **texts})]))
    assert read.findings == ()
    (decision,) = read.decisions
    assert decision.fields == {
        "indicator": "green_space_rate", "label": "改名", "comparator": "<=", "value": 33.25, "value_max": 40.0,
        "unit": "万平方米", "by": 2031, "measure": "change", "base": {"year": 2020}, "change": "decrease", "start": 2021,
        "scope": "城镇", "bodies": ["市住建局", "市水务局", "各县（市、区）政府"],
    }  # fmt: skip
    assert (decision.verdict, decision.reason, decision.by, decision.on) == (
        ReadingVerdict.CORRECT,
        "核对原文",
        "张三",
        DAY,
    )
    assert decision.id == f"{PLAN_ID}-target-{decision.anchor.quote[:8]}-20250301-01"
    assert (decision.anchor.label, decision.anchor.value) == ("星级绿色建筑占比", 32.0)


def test_duties_and_tasks_are_corrected() -> None:
    filled = fill(
        workbook(),
        [
            ("义务", 1, {"verdict": "修改", "reason": "按单体", "new_require": "green_star >= 3", "new_from": 2026}),
            ("任务", 2, {"verdict": "修改", "reason": "改牵头", "new_bodies": "市财政局、市住房城乡建设局"}),
            ("目标", 7, {"verdict": "修改", "reason": "没有写范围", "new_scope": "无"}),
        ],
    )
    read = read_back(filled)
    assert read.findings == ()
    assert {each.subject: each.fields for each in read.decisions} == {
        DecisionSubject.OBLIGATION: {"require": "green_star >= 3", "from": 2026},
        DecisionSubject.TASK: {"bodies": ["市财政局", "市住房城乡建设局"]},
        DecisionSubject.TARGET: {"scope": None},
    }
    _, document, reading = the_plan()
    plan = assemble_plan(
        reading, document, CATALOG, plan_id=PLAN_ID, place="qingdao", decisions=read.decisions, checked_on=DAY
    ).plan
    assert (plan.obligations[0].require, plan.obligations[0].since) == ("green_star >= 3", 2026)
    assert plan.tasks[1].bodies == ("市财政局", "市住房城乡建设局")


FAULTS = [
    ({"verdict": "好的"}, "unknown-verdict", "verdict"),
    ({"verdict": "修改", "reason": "更正"}, "nothing-changed", "verdict"),
    ({"verdict": "修改", "reason": "更正", "new_value": 32}, "nothing-changed", "verdict"),
    ({"verdict": "修改", "new_value": 33}, "no-reason", "reason"),
    ({"verdict": "驳回"}, "no-reason", "reason"),
    ({"verdict": "修改", "reason": "更正", "new_value": "三十来个"}, "not-a-number", "new_value"),
    ({"verdict": "修改", "reason": "更正", "new_by": "三零年"}, "not-a-year", "new_by"),
    ({"verdict": "修改", "reason": "更正", "new_by": 2230}, "not-a-year", "new_by"),
    ({"verdict": "修改", "reason": "更正", "new_indicator": "星级绿色建筑占"}, "unknown-indicator", "new_indicator"),
    ({"verdict": "修改", "reason": "更正", "new_comparator": "差不多"}, "unknown-comparator", "new_comparator"),
    ({"verdict": "修改", "reason": "更正", "new_measure": "较基期变化"}, "faulty-fields", "verdict"),
    ({"verdict": "修改", "reason": "更正", "new_measure": "里程碑"}, "faulty-fields", "verdict"),
    ({"verdict": "修改", "reason": "更正", "new_label": "无"}, "empty-field", "new_label"),
    ({"verdict": "修改", "reason": "更正", "new_unit": "苹果"}, "unknown-unit", "new_unit"),
    ({"verdict": "修改", "reason": "更正", "new_value": 120}, "out-of-bounds", "new_value"),
    (
        {"verdict": "修改", "reason": "更正", "new_measure": "较基期变化", "new_base": 2040, "new_change": "提高"},
        "late-base",
        "new_base",
    ),
    ({"verdict": "采纳", "new_value": 33}, "accept-with-fields", "new_value"),
    ({"reason": "看不懂"}, "no-verdict", "verdict"),
    ({"verdict": "补录"}, "wrong-verdict", "verdict"),
    ({"new_value": 33}, "no-verdict", "verdict"),
]


@pytest.mark.parametrize(
    ("texts", "problem", "column"), FAULTS, ids=[f"{fault[1]}-{number}" for number, fault in enumerate(FAULTS)]
)
def test_a_fault_is_told_at_its_cell_and_decides_nothing(texts: dict[str, object], problem: str, column: str) -> None:
    data = fill(workbook(), [("目标", 2, texts), ("目标", 1, {"verdict": "采纳"})])
    read = read_back(data, above=0.9)
    assert _names(read) == [problem]
    finding = read.findings[0]
    assert (finding.where.sheet, finding.where.cell) == ("目标", place_of("目标", 2, column))
    labels = [each.anchor.label for each in read.decisions if each.anchor.clause == "一"]
    assert "城镇新建建筑全面执行绿色建筑标准" in labels
    assert "星级绿色建筑占比" not in labels  # nor in bulk, though it is sure enough


def test_an_unknown_indicator_gets_close_names() -> None:
    read = read_back(
        fill(workbook(), [("目标", 2, {"verdict": "修改", "reason": "x", "new_indicator": "星级绿色建筑占"})])
    )
    assert "星级绿色建筑占比" in read.findings[0].expected


def test_a_faulty_condition_is_told() -> None:
    texts = {"verdict": "修改", "reason": "x", "new_when": 'nonsense == "new"'}
    assert _names(read_back(fill(workbook(), [("义务", 1, texts)]))) == ["faulty-condition"]


def test_a_duty_that_the_reader_could_not_express_is_put_in_words() -> None:
    _, document, reading = the_plan()
    mute = reading.duties[0].model_copy(update={"obligation": None})
    reading = reading.model_copy(update={"duties": (mute,), "obligations": ()})
    data = review_workbook(reading, document, CATALOG, plan_id=PLAN_ID, as_of=DAY)
    words = {
        "new_title": "政府投资公共建筑二星",
        "new_when": 'investor == "government"',
        "new_require": "green_star >= 2",
    }
    some = {"verdict": "修改", "reason": "补表达式", "new_when": words["new_when"]}
    assert _names(read_back(fill(data, [("义务", 1, some)]), reading=reading)) == ["faulty-fields"]
    read = read_back(fill(data, [("义务", 1, some | words)]), reading=reading)
    assert read.findings == ()
    plan = assemble_plan(
        reading, document, CATALOG, plan_id=PLAN_ID, place="qingdao", decisions=read.decisions, checked_on=DAY
    ).plan
    assert [(each.title, each.require, each.at) for each in plan.obligations] == [
        ("政府投资公共建筑二星", "green_star >= 2", mute.at)
    ]


def test_somebody_must_decide() -> None:
    data = fill(workbook(), [("目标", 1, {"verdict": "采纳"}), ("目标", 2, {"verdict": "采纳", "person": "李四"})])
    read = read_back(data, by=None)
    assert _names(read) == ["no-person"]
    assert [each.by for each in read.decisions] == ["李四"]
    assert {each.by for each in read_back(data, by="张三").decisions} == {"张三", "李四"}


def test_a_deleted_row_is_told_and_a_copied_row_asked_about() -> None:
    def delete(book: Any) -> None:
        book["目标"].delete_rows(6)

    read = read_back(edited(workbook(), delete))
    assert (_names(read), read.decisions) == (["row-deleted"], ())
    assert "星级绿色建筑占比" in read.findings[0].sentence

    def copy(book: Any) -> None:
        sheet = book["目标"]
        for column in range(1, sheet.max_column + 1):
            sheet.cell(40, column).value = sheet.cell(6, column).value
        cell_of(sheet, 2, "verdict").value = "采纳"
        cell_of(sheet, 36, "verdict").value = "驳回"
        cell_of(sheet, 36, "reason").value = "重复"

    read = read_back(edited(workbook(), copy))
    assert (_names(read), read.decisions) == (["two-rows"], ())


def test_sorted_rows_and_moved_columns_are_read() -> None:
    def turn(book: Any) -> None:
        sheet = book["目标"]
        cell_of(sheet, 2, "verdict").value = "采纳"
        rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=5, max_row=31)]
        for number, row in enumerate(reversed(rows)):
            for place, value in enumerate(row):
                sheet.cell(5 + number, place + 1).value = value
        sheet.insert_cols(4)
        sheet.insert_rows(1, 2)

    read = read_back(edited(workbook(), turn))
    assert [each.anchor.label for each in read.decisions] == ["星级绿色建筑占比"]


# Additions ------------------------------------------------------------------------------------------------------------

PEAK = {
    "verdict": "补录", "quote": "力争达峰后稳中有降", "new_label": "达峰后碳排放", "new_measure": "时点水平",
    "new_comparator": "不超过", "new_value": 95, "new_unit": "%", "new_by": 2031,
}  # fmt: skip


def test_an_addition_is_found_by_its_words() -> None:
    _, document, reading = the_plan()
    data = fill(workbook(), [("目标", FREE, PEAK | {"quote": "力争 达峰后稳中有降", "person": "李四"})])
    read = read_back(data, by=None)
    assert read.findings == ()
    (decision,) = read.decisions
    start, end = decision.fields["at"]
    assert document.quote(start, end) == "力争达峰后稳中有降"
    assert decision.verdict is ReadingVerdict.ADD
    decided = lay_decisions(reading, document, read.decisions)
    (added,) = [each for each in decided.reading.targets if each.id.startswith("added-")]
    assert (added.label, added.value, added.by, added.clause) == ("达峰后碳排放", 95.0, 2031, "一")
    plan = assemble_plan(
        reading, document, CATALOG, plan_id=PLAN_ID, place="qingdao", decisions=read.decisions, checked_on=DAY
    ).plan
    assert [each.value for each in plan.targets if each.label == "达峰后碳排放"] == [95.0]


def test_an_added_row_stands_in_the_next_workbook() -> None:
    _, document, reading = the_plan()
    decisions = read_back(fill(workbook(), [("目标", FREE, PEAK)])).decisions
    data = workbook(applied=lay_decisions(reading, document, decisions).applied)
    assert read_back(data, by=None).decisions == ()
    (changed,) = read_back(fill(data, [("目标", FREE, {"new_value": 90})]), earlier=decisions).decisions
    assert (changed.verdict, changed.fields["value"], changed.fields["at"]) == (
        ReadingVerdict.ADD, 90.0, decisions[0].fields["at"],
    )  # fmt: skip
    assert changed.anchor == decisions[0].anchor
    assert changed.id > decisions[0].id
    both = lay_decisions(reading, document, [*decisions, changed])
    assert [each.value for each in both.reading.targets if each.label == "达峰后碳排放"] == [90.0]
    (withdrawn,) = read_back(
        fill(data, [("目标", FREE, {"verdict": "驳回", "reason": "不是目标"})]), earlier=decisions
    ).decisions
    assert withdrawn.verdict is ReadingVerdict.REJECT


def test_an_added_duty() -> None:
    _, document, reading = the_plan()
    texts = {
        "verdict": "补录", "quote": "城镇新建建筑全面执行绿色建筑标准", "new_title": "新建建筑达到一星",
        "new_when": "work == “new”", "new_require": "green_star >= 1", "new_strength": "必须", "new_from": "2025年",
    }  # fmt: skip
    read = read_back(fill(workbook(), [("义务", 3, texts)]))
    assert read.findings == ()
    assert read.decisions[0].fields["when"] == 'work == "new"'
    decided = lay_decisions(reading, document, read.decisions)
    assert next(each.obligation.title for each in decided.reading.duties if each.obligation) == "新建建筑达到一星"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"quote": "本方案没有的话"}, "quote-not-found"),
        ({"quote": "星级绿色建筑"}, "quote-ambiguous"),
        ({"quote": None}, "no-quote"),
        ({"quote": "星级绿色建筑占比达到32%以上", "clause": "一"}, "already-read"),
        ({"new_value": None}, "missing-fields"),
        ({"new_measure": None}, "missing-fields"),
        ({"verdict": "采纳"}, "wrong-verdict"),
        ({"verdict": None}, "no-verdict"),
    ],
)
def test_faulty_additions_are_told(change: dict[str, object], problem: str) -> None:
    read = read_back(fill(workbook(), [("目标", FREE, PEAK | change)]))
    assert (_names(read), read.decisions) == ([problem], ())


def test_an_addition_is_found_by_paragraph_and_number() -> None:
    _, document, _ = the_plan()
    number = next(block.number for block in document.blocks if block.text.startswith("（二）强化资金"))
    texts = {"quote": None, "paragraph": number, "new_value": 3000, "new_unit": "万元"}
    read = read_back(fill(workbook(), [("目标", FREE, PEAK | texts)]))
    start, end = read.decisions[0].fields["at"]
    assert document.quote(start, end).startswith("统筹用好各级财政资金")
    narrowed = PEAK | {"quote": "星级绿色建筑", "clause": "附件"}
    assert _names(read_back(fill(workbook(), [("目标", FREE, narrowed)]))) == []


# Other documents, other programs, in bulk ----------------------------------------------------------------------------


def test_papers_of_another_document_or_plan_are_refused(tmp_path: Path) -> None:
    _, document, _ = the_plan()
    other = DocumentText(document.file, document.format, "0" * 64, document.blocks)
    for paper in (workbook(), commented()):
        with pytest.raises(InputError, match="of document"):
            read_back(paper, document=other)
        with pytest.raises(InputError, match="of the plan"):
            read_back(paper, plan_id="other-2024")
    for data in (b"", b"PK\x03\x04 broken", b"%PDF-1.7", plan_docx(), fill(workbook(), [])[:2000]):
        with pytest.raises(InputError):
            read_review_paper(data)
    book = openpyxl.Workbook()
    book.save(tmp_path / "other.xlsx")
    with pytest.raises(InputError, match="no review paper"):
        read_review_paper(tmp_path / "other.xlsx")
    with pytest.raises(InputError, match="cannot be read") as error:
        read_review_paper(tmp_path / "missing.xlsx")
    assert "check the path" in error.value.next_step
    with pytest.raises(InputError, match=r"\.xlsx file is damaged"):
        read_review_paper(workbook()[:2000], file="cut.xlsx")


@pytest.mark.parametrize("lost", ["row", "column"])
def test_a_sheet_without_its_hidden_row_or_column_is_not_passed_over(lost: str) -> None:
    def delete(book: Any) -> None:
        cell_of(book["目标"], 2, "verdict").value = "采纳"
        (book["目标"].delete_rows if lost == "row" else book["目标"].delete_cols)(1)

    with pytest.raises(InputError, match="lost its hidden row or column"):
        read_back(edited(workbook(), delete))


def test_bulk_accepts_what_is_sure_and_undecided() -> None:
    _, document, reading = the_plan()
    data = fill(workbook(), [("目标", 2, {"verdict": "驳回", "reason": "重复"})])
    read = read_back(data, above=0.9)
    sure = [item for item in (*reading.targets, *reading.duties) if item.confidence >= 0.9]
    assert len(read.decisions) == len(sure)
    assert {each.reason for each in read.decisions[1:]} == {"批量采纳：把握不低于90%"}
    assert read_back(data, above=0.9).decisions == read.decisions
    again = read_back(data, above=0.9, earlier=read.decisions, on=date(2025, 4, 1))
    assert (again.decisions, again.repeated) == ((), 1)
    alone = accept_above(
        0.9, document=document, reading=reading, catalog=CATALOG, plan_id=PLAN_ID, by="张三", on=DAY, earlier=()
    )
    assert len(alone.decisions) == len(sure)
    for above, by in ((0.9, None), (90.0, "张三")):
        with pytest.raises(UsageError):
            read_back(data, above=above, by=by)


@pytest.mark.slow
def test_a_workbook_saved_by_libreoffice_says_the_same(tmp_path: Path) -> None:
    data = fill(
        workbook(),
        [
            ("目标", 1, {"verdict": "采纳"}),
            ("目标", 2, {"verdict": "修改", "new_value": 33.1, "new_indicator": "绿地率", "reason": "更正"}),
            ("目标", FREE, PEAK),
            ("任务", 1, {"verdict": "驳回", "reason": "不是任务"}),
        ],
    )
    saved = libreoffice_pdf(data, tmp_path, ending=".xlsx", target="xlsx")
    assert saved != data
    assert read_back(saved) == read_back(data)


# Comments -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [True, False])
def test_untouched_comments_decide_nothing(copy: bool) -> None:
    read = read_back(commented(copy=copy), by=None)
    assert (read.decisions, read.findings) == ((), ())


@pytest.mark.parametrize("reply_by", ["", "王五"])
def test_answers_in_comments_and_replies_come_back(reply_by: str) -> None:
    data = answer(
        commented(),
        {1: "采纳", 2: "修改：数值=33；年份：2026年；理由：原文有更正", 3: "驳回：不是本市的目标", 4: "采纳，已核对"},
        reply_by=reply_by,
    )
    read = read_back(data, by=None if reply_by else "张三")
    assert read.findings == ()
    _, _, reading = the_plan()
    by_label = {each.anchor.label: each for each in read.decisions}
    first, second, third, fourth = (by_label[target.label] for target in reading.targets[:4])
    assert first.verdict is ReadingVerdict.ACCEPT
    assert (second.fields, second.reason) == ({"value": 33.0, "by": 2026}, "原文有更正")
    assert (third.verdict, third.reason) == (ReadingVerdict.REJECT, "不是本市的目标")
    assert (fourth.verdict, fourth.reason) == (ReadingVerdict.ACCEPT, "已核对")
    assert {each.by for each in read.decisions} == {reply_by or "张三"}


def test_threaded_replies_are_told_by_their_thread() -> None:
    """As Word writes them: paragraphs with ids, and a part that says which answers which."""
    data = answer(commented(), {2: "同意"}, reply_by="王五")
    word14 = 'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w") as result:
        for name in source.namelist():
            part = source.read(name)
            if name == "word/comments.xml":
                pieces = part.decode().split("<w:p>")
                numbered = (
                    f'<w:p {word14} w14:paraId="{place:08X}">{piece}' for place, piece in enumerate(pieces[1:], 1)
                )
                part = (pieces[0] + "".join(numbered)).encode()
                asking = [place for place, piece in enumerate(pieces) if "决定：</w:t>" in piece]
            result.writestr(name, part)
        threads = f'<w15:commentEx w15:paraId="{len(pieces) - 1:08X}" w15:paraIdParent="{asking[2]:08X}"/>'
        space = 'xmlns:w15="http://schemas.microsoft.com/office/word/2012/wordml"'
        result.writestr("word/commentsExtended.xml", f"<w15:commentsEx {space}>{threads}</w15:commentsEx>")
    read = read_back(target.getvalue(), by=None)
    _, _, reading = the_plan()
    assert [(each.by, each.anchor.label) for each in read.decisions] == [("王五", reading.targets[2].label)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("再看看", "unknown-verdict"),
        ("修改：颜色=红；理由：x", "unknown-field"),
        ("修改：数值=33", "no-reason"),
        ("修改：数值=几个；理由：x", "not-a-number"),
        ("驳回", "no-reason"),
    ],
)
def test_faulty_answers_are_told(text: str, problem: str) -> None:
    read = read_back(answer(commented(), {2: text}), above=1.0)
    assert _names(read) == [problem]
    assert "星级绿色建筑占比" not in [each.anchor.label for each in read.decisions if each.anchor.clause == "一"]


def test_paper_and_comments_say_the_same() -> None:
    texts = {"verdict": "修改", "new_value": 33, "reason": "更正"}
    from_book = read_back(fill(workbook(), [("目标", 2, texts)])).decisions
    from_comments = read_back(answer(commented(), {2: "修改：数值=33；理由：更正"})).decisions
    assert from_book == from_comments


@pytest.mark.slow
def test_comments_saved_by_libreoffice_say_the_same(tmp_path: Path) -> None:
    data = answer(commented(), {1: "采纳", 2: "修改：数值=33；理由：更正"})
    saved = libreoffice_pdf(data, tmp_path, target="docx")
    assert saved != data
    assert read_back(saved) == read_back(data)


# Properties -----------------------------------------------------------------------------------------------------------

_YEARS = st.integers(1949, 2100)
_VALUES = st.floats(0.001, 100.0, allow_nan=False).map(lambda value: float(f"{value:.6g}"))
_WORDS = st.text("城镇新建公共居住建筑（）0123456789", min_size=1, max_size=12).filter(str.strip)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 27), _VALUES, _YEARS, _WORDS, st.booleans())
def test_any_correction_comes_back(row: int, value: float, year: int, label: str, as_text: bool) -> None:
    texts = {
        "verdict": "修改", "reason": "更正", "new_value": f"{value!r}" if as_text else value, "new_by": f"{year}年",
        "new_label": label, "new_measure": "时点水平",
    }  # fmt: skip
    read = read_back(fill(workbook(), [("目标", row, texts)]))
    assert read.findings == ()
    assert [each.fields for each in read.decisions] == [
        {"label": label.strip(), "value": value, "by": year, "measure": "level"}
    ]
