"""The chapter on check-ups says what is met, what is not, what is unknown and why."""

from typing import Any

import pytest

from checkup_builders import AS_OF, facts, sets_catalog
from dafeng.assessment.checkup import check_up
from dafeng.assessment.checkup_years import evaluate_years
from dafeng.catalog import load_catalog
from dafeng.reports import FontReport, render_docx
from dafeng.reports.checkup_chapter import (
    ANNEX_TITLE,
    CheckUpFacts,
    checkup_annex,
    checkup_basis,
    checkup_paragraph,
    checkup_problem,
    checkup_report,
)
from dafeng.reports.document import Annex, Block, Heading, Note, Paragraph, Table
from dafeng.reports.html import render_html
from dafeng.reports.xlsx import render_xlsx

ROWS: list[dict[str, Any]] = [
    {"indicator": "hazards", "value": 3},
    {"indicator": "seen", "value": 50},
    {"indicator": "due_to_see", "value": 100},
    {"indicator": "dull_flats", "value": 8},
    {"indicator": "dull_flats", "value": 5, "period": "2023"},
    {"indicator": "dull_homes", "value": 7, "period": "2023"},
    {"indicator": "density", "extent": "built_up", "value": 8.25},
    {"indicator": "density", "extent": "built_up", "value": 7.5, "period": "2023"},
    {"indicator": "density", "extent": "built_up", "value": 8.3, "period": "2025"},
    {"indicator": "paths", "value": 1500, "kind": "demonstration"},
    {"indicator": "coverage_rate", "value": 80},
    {"indicator": "compactness", "extent": "built_up", "value": 0.7},
    {"indicator": "continuous", "value": 0},
    {"indicator": "land_score", "basis": "planning", "value": 70},
]


def chapter(rows: list[dict[str, Any]] = ROWS, *, years: bool = True) -> CheckUpFacts:
    catalog, frame = sets_catalog(), facts(rows)
    done = tuple(
        check_up(catalog.sets[name], frame, catalog, places=["city"], years=[2024], as_of=AS_OF)
        for name in ("health-2024", "stars", "whole-communities")
    )
    evaluation = evaluate_years(
        catalog.sets["health-2024"], frame, catalog, places=["city"], first=2022, last=2025, as_of=AS_OF
    )
    return CheckUpFacts(catalog, "city", 2024, done, evaluation if years else None)


def table(blocks: list[Block], name: str) -> Table:
    return next(block for block in blocks if isinstance(block, Table) and block.id == name)


def shown(one: Table, key: str) -> dict[str, str]:
    """Texts of a column by the number of the item."""
    at = [column.key for column in one.columns].index(key)
    return {row.cells[0].text: row.cells[at].shown for row in one.rows if row.group is None}


def test_every_item_says_its_value_threshold_verdict_and_reason() -> None:
    items = table(checkup_annex(chapter(), "附件7"), "checkup-health-2024")
    assert [row.group for row in items.rows if row.group] == ["住房", "城市"]
    assert shown(items, "value") == {
        "1": "≥3", "2": "8", "3": "8.25", "4": "1.5", "5": "80", "6": "数据暂缺", "7": "（0.7）", "8": "否",
    }  # fmt: skip
    assert shown(items, "verdict") == {
        "1": "■未达标", "2": "■未达标", "3": "●达标", "4": "●达标", "5": "只列不判", "6": "只列不判", "7": "◇未知",
        "8": "■未达标",
    }  # fmt: skip
    assert shown(items, "change")["2"] == "+3（变差）"
    assert shown(items, "change")["3"] == "+0.75（改善）"
    assert shown(items, "change")["1"] == "", "a partial survey is not compared"
    assert shown(items, "survey")["1"] == "50／100"
    assert shown(items, "source")["4"] == "【演示】return"
    remarks = shown(items, "remark")
    assert remarks["1"] == "限值待核"
    assert remarks["5"] == "限值的年份未到，只列不判；名称待核"
    assert remarks["7"] == "只有其他范围的数，仅供参考；括号内为建成区的数"


def test_the_overview_says_n_of_n_and_a_score_only_with_weights() -> None:
    overview = table(checkup_annex(chapter(), "附件7"), "checkup-sets")
    texts = [[cell.text for cell in row.cells] for row in overview.rows]
    assert texts == [
        ["体检2024", "9", "8", "2", "3", "1", "2", "无官方权重", "A"],
        ["星级", "3", "3", "0", "0", "0", "3", "42至92（有未知项）", "B待核"],
        ["完整社区", "2", "2", "0", "0", "2", "0", "无官方权重", "A"],
    ]


def test_a_rank_is_stated_with_its_condition() -> None:
    rows = [
        {"indicator": name, "basis": "planning", "value": value}
        for name, value in (("land_score", 70), ("water_score", 60), ("bonus_score", 4))
    ]
    overview = table(checkup_annex(chapter(rows), "附件7"), "checkup-sets")
    assert overview.rows[1].cells[7].text == "70，二星级，须控制项全部满足"


def test_the_list_of_problems_has_only_what_is_not_met() -> None:
    problems = table(checkup_annex(chapter(), "附件7"), "checkup-problems")
    texts = [[cell.text for cell in row.cells] for row in problems.rows]
    assert [row[2] for row in texts] == ["结构隐患住宅", "非成套住宅", "连续成网"]
    assert texts[0][3:6] == ["≥3栋", "不超过0栋", "≥3栋"]
    assert texts[0][8] == "只查了一部分；待核"
    assert texts[1][8] == "比上年变差"
    assert texts[2][3:6] == ["否", "是", ""]


def test_several_years_keep_broken_lines_apart() -> None:
    years = table(checkup_annex(chapter(), "附件7"), "checkup-years")
    rows = {row.cells[1].text: [cell.text for cell in row.cells[3:]] for row in years.rows}
    assert rows["城市路网密度"] == [
        "数据暂缺", "7.5", "8.25", "8.3", "+0.8（2023—2025，改善）", "达标", "曾用名：路网密度；缺2022年",
    ]  # fmt: skip
    assert rows["非成套住宅"][:4] == ["数据暂缺", "5", "8", "数据暂缺"]
    assert "不是同一个量" in rows["非成套住宅"][-1]
    assert rows["性能不达标住宅"][-2] == "不在该年指标集"


def test_the_paragraph_and_the_problem_say_it_short() -> None:
    facts_known = chapter()
    paragraph = checkup_paragraph(facts_known, "附件7")
    text = "".join(run.text for run in paragraph.runs)
    assert text.startswith(
        "2024年指标评价方面，【演示】“体检2024”指标集共9项，本库录有8项：达标2项，未达标3项，未知1项，无限值或未到期限2项；“星级”"
    )
    assert text.endswith("逐项结果见附件7。")
    assert checkup_problem(facts_known, "附件7") == (
        "指标评价：3项未达标（结构隐患住宅、非成套住宅、连续成网），其中非成套住宅比上年变差，清单见附件7。"
    )
    assert checkup_basis("附件7")[0] == "指标评价"


def test_nothing_known_is_said_and_nothing_is_made_up() -> None:
    empty = chapter([])
    assert checkup_problem(empty, "附件7") is None
    text = "".join(run.text for run in checkup_paragraph(empty, "附件7").runs)
    assert "没有可用的数，未作评价" in text
    blocks = checkup_annex(empty, "附件7")
    words = "".join(run.text for block in blocks if isinstance(block, Paragraph) for run in block.runs)
    assert "未知的项目不在其内，不等于没有问题" in words
    assert [block.text for block in blocks if isinstance(block, Heading)] == [
        "一、总体情况",
        "二、问题台账",
        "三、2022—2025年评估",
    ]


def test_what_was_left_out_is_said() -> None:
    blocks = checkup_annex(chapter([*ROWS, {"indicator": "park_share", "value": 9, "review": "draft"}]), "附件7")
    words = "".join(run.text for block in blocks if isinstance(block, Paragraph) for run in block.runs)
    assert "1个数值未经审定（草稿或待审），未采用。" in words


@pytest.mark.parametrize("years", [True, False])
def test_a_paper_of_its_own_is_rendered_the_same_every_time(years: bool) -> None:
    fonts = FontReport()
    report = checkup_report(chapter(years=years), as_of=AS_OF)
    assert report.demonstration, "one value is fictitious: every page says so"
    assert any(isinstance(block, Annex) and block.title == ANNEX_TITLE for block in report.blocks)
    page = render_html(report, fonts)
    assert page == render_html(report, fonts)
    assert "不是同一个量" in page if years else "不是同一个量" not in page
    assert render_docx(report, fonts)[:2] == b"PK"
    assert render_xlsx(report)[:2] == b"PK"


def test_the_shipped_sets_make_a_chapter() -> None:
    catalog = load_catalog()
    rows = facts([{"indicator": "road_network_density", "extent": "built_up", "value": 8.2768}], place="qingdao")
    done = tuple(
        check_up(one, rows, catalog, places=["qingdao"], years=[2024], as_of=AS_OF)
        for one in catalog.sets.values()
        if one.in_force(2024)
    )
    blocks = checkup_annex(CheckUpFacts(catalog, "qingdao", 2024, done), "附件7")
    assert len(table(blocks, "checkup-checkup-2024").rows) >= 61
    assert any(isinstance(block, Note) and "逐项待核" in block.text for block in blocks)
