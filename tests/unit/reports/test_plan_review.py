"""The review papers: what they show, that they are filled in beforehand, and that the text of the document stays as it was."""

import io
from datetime import date
from pathlib import Path

import docx
import openpyxl
import pytest
from docx.shared import RGBColor

from dafeng.base.document import DocumentText
from dafeng.catalog import load_catalog
from dafeng.intake import read_document
from dafeng.plans.decisions import lay_decisions
from dafeng.plans.reading import read_plan
from dafeng.reports.plan_comments import review_comments
from dafeng.reports.plan_review import review_workbook
from document_builders import PLAN, docx_document, plan_docx, plan_text, plan_txt, save_docx
from review_builders import DAY, PLAN_ID, cell_of, commented, fill, read_back, the_plan, workbook


def _book(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


def _text_of(data: bytes, folder: Path) -> DocumentText:
    path = folder / "paper.docx"
    path.write_bytes(data)
    return read_document(path)


def test_workbook_has_its_sheets_and_is_the_same_each_time() -> None:
    data = workbook()
    assert data == workbook(applied=())
    book = _book(data)
    assert book.sheetnames[:6] == ["目标", "义务", "任务", "数字", "待办", "填写说明"]
    assert [sheet.sheet_state for sheet in book][-1] == "hidden"
    assert all(sheet.protection.sheet for sheet in book if sheet.sheet_state == "visible")


def test_a_row_shows_words_place_fields_and_confidence() -> None:
    sheet = _book(workbook())["目标"]
    names = ("clause", "paragraph", "quote", "indicator", "comparator", "value", "unit", "by", "measure", "confidence")
    assert [cell_of(sheet, 2, name).value for name in names] == [
        "一", 6, "星级绿色建筑占比达到32%以上", "星级绿色建筑占比", "不低于", 32, "%", 2025, "时点水平", 1,
    ]  # fmt: skip
    assert "相近：城镇建筑可再生能源替代率" in cell_of(sheet, 3, "indicator").value
    assert "▲" in cell_of(sheet, 3, "confidence").number_format
    assert sheet.freeze_panes == "H5"


def test_only_decision_columns_and_free_rows_are_unlocked() -> None:
    sheet = _book(workbook())["目标"]
    assert cell_of(sheet, 1, "quote").protection.locked
    assert not cell_of(sheet, 1, "verdict").protection.locked
    assert not cell_of(sheet, 30, "quote").protection.locked  # 27 targets, then free rows


def test_drop_downs_offer_verdicts_indicators_and_measures() -> None:
    book = _book(workbook())
    rules = {str(rule.sqref): rule for rule in book["目标"].data_validations.dataValidation}
    sources = {rule.formula1 for rule in rules.values()}
    assert {'"采纳,修改,驳回"', '"补录"'} <= sources
    machine = book[book.sheetnames[-1]]
    heads = {cell.value: cell.column_letter for cell in machine[1]}
    offered = [cell.value for cell in machine[heads["indicator"]][1:] if cell.value]
    assert offered == [indicator.zh for indicator in load_catalog().indicators.values()]
    assert [cell.value for cell in machine[heads["measure"]][1:] if cell.value][:3] == ["时点水平", "累计", "逐年"]


def test_numbers_stand_with_their_fates() -> None:
    rows = list(_book(workbook())["数字"].iter_rows(min_row=2, values_only=True))
    assert len(rows) == len(the_plan()[2].numbers)
    assert ("32", "目标", "星级绿色建筑占比") in [(row[3], row[5], row[6]) for row in rows]


def test_decided_rows_are_filled_in_and_give_nothing_new() -> None:
    _, document, reading = the_plan()
    filled = fill(
        workbook(),
        [
            ("目标", 1, {"verdict": "采纳"}),
            ("目标", 2, {"verdict": "修改", "new_value": 33, "new_scope": "城镇", "reason": "更正"}),
            ("目标", 6, {"verdict": "驳回", "reason": "重复"}),
        ],
    )
    decisions = read_back(filled).decisions
    applied = lay_decisions(reading, document, decisions).applied
    data = workbook(applied=applied)
    sheet = _book(data)["目标"]
    assert [cell_of(sheet, row, "verdict").value for row in (1, 2, 6)] == ["采纳", "修改", "驳回"]
    assert [cell_of(sheet, 2, name).value for name in ("new_value", "new_scope")] == [33, "城镇"]
    assert cell_of(sheet, 2, "last").value == "张三 2025-03-01 修改：数值=33；范围=城镇；更正"
    assert read_back(data).decisions == ()
    changed = read_back(fill(data, [("目标", 2, {"new_value": 34})]), by="李四", earlier=decisions, on=date(2025, 4, 1))
    assert [(each.by, each.fields) for each in changed.decisions] == [("李四", {"value": 34.0, "scope": "城镇"})]


def test_what_was_decided_on_other_words_waits_for_another_look(tmp_path: Path) -> None:
    _, _, reading = the_plan()
    row = next(number for number, target in enumerate(reading.targets, 1) if target.id == "reclaimed-water-rate-2028")
    filled = fill(workbook(), [("目标", row, {"verdict": "采纳"})])
    decisions = read_back(filled).decisions
    path = tmp_path / "next.docx"
    items = [
        item.replace("再生水利用率不低于25%", "再生水利用率不低于30%") if isinstance(item, str) else item
        for item in PLAN
    ]
    path.write_bytes(plan_docx(items))
    following = read_document(path)
    later = read_plan(following, load_catalog())
    applied = lay_decisions(later, following, decisions).applied
    assert [each.how for each in applied] == ["carried"]
    data = review_workbook(later, following, load_catalog(), plan_id=PLAN_ID, applied=applied, as_of=DAY)
    sheet = _book(data)["目标"]
    assert cell_of(sheet, row, "verdict").value is None
    assert cell_of(sheet, row, "last").value.endswith("（原文已变，请复核）")


# Comments -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copy", [True, False])
def test_comments_stand_at_the_words_and_change_none(copy: bool, tmp_path: Path) -> None:
    _, document, reading = the_plan()
    data = commented(copy=copy)
    commented.cache_clear()
    assert data == commented(copy=copy)
    read = _text_of(data, tmp_path)
    assert read.plain == document.plain
    wanted = sorted((item.at.start, item.at.end) for item in (*reading.targets, *reading.duties))
    assert sorted((each.start, each.end) for each in read.comments if each.text.startswith("【")) == wanted
    assert {each.author for each in read.comments} == {"dafeng"}


def test_a_comment_says_fields_confidence_and_asks() -> None:
    data = commented()
    texts = [comment.text for comment in docx.Document(io.BytesIO(data)).comments]
    assert "文件摘要：" in texts[0]
    lines = texts[2].split("\n")
    assert lines[0].startswith("【目标 ")
    assert lines[0].endswith("】星级绿色建筑占比")
    assert "比较词：不低于　数值：32　单位：%　期限：2025" in texts[2]
    assert lines[-2:] == ["把握：100%", "决定："]
    assert {comment.timestamp.date() for comment in docx.Document(io.BytesIO(data)).comments if comment.timestamp} == {
        DAY
    }


def test_runs_keep_their_looks_and_old_comments_stay(tmp_path: Path) -> None:
    document = docx_document()
    document.add_paragraph("东川市绿色建筑工作方案")
    document.add_paragraph("一、重点任务")
    paragraph = document.add_paragraph("（一）推广光伏。")
    loud = paragraph.add_run("到2025年，星级绿色建筑占比 达到3")
    loud.bold, loud.font.color.rgb = True, RGBColor(200, 0, 0)
    quiet = paragraph.add_run("2%以上，绿地率不低于40%。")
    document.add_comment([quiet], "会签意见", "王五", "w")
    data = save_docx(document)
    path = tmp_path / "loud.docx"
    path.write_bytes(data)
    text = read_document(path)
    reading = read_plan(text, load_catalog())
    result = review_comments(reading, text, load_catalog(), original=data, plan_id="a", as_of=DAY)
    after = _text_of(result, tmp_path)
    assert after.plain == text.plain
    assert "会签意见" in [each.text for each in after.comments]
    assert {after.quote(each.start, each.end) for each in after.comments if each.text.startswith("【")} == {
        text.quote(target.at.start, target.at.end) for target in reading.targets
    }
    looks = [(run.text, run.bold) for run in docx.Document(io.BytesIO(result)).paragraphs[2].runs if run.text]
    assert "".join(words for words, bold in looks if bold) == "到2025年，星级绿色建筑占比 达到3"


def test_other_formats_get_a_document_of_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "plan.txt"
    path.write_bytes(plan_txt())
    text = read_document(path)
    reading = read_plan(text, load_catalog())
    data = review_comments(reading, text, load_catalog(), original=None, plan_id="a", as_of=DAY)
    assert _text_of(data, tmp_path).plain == text.plain == plan_text()


def test_an_original_that_reads_otherwise_is_not_copied(tmp_path: Path) -> None:
    _, document, reading = the_plan()
    stranger = plan_docx(("另一个文件",))
    data = review_comments(reading, document, load_catalog(), original=stranger, plan_id="a", as_of=DAY)
    assert _text_of(data, tmp_path).plain == document.plain
    broken = review_comments(reading, document, load_catalog(), original=b"PK broken", plan_id="a", as_of=DAY)
    assert _text_of(broken, tmp_path).plain == document.plain
