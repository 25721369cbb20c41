"""The yearly report says what is known, names what is not, and invents nothing."""

import io
import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from docx import Document
from docx.table import Table as DocxTable

from dafeng.assessment import assess_plan
from dafeng.assessment.records import Amount, Assessment, Status
from dafeng.base.observation import observation_frame
from dafeng.base.target import Comparator
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans import BodyRole, BodyUse, responsibility_list
from dafeng.reports import (
    FontReport,
    OctoberRequest,
    OctoberScope,
    Report,
    october_report,
    render_docx,
    responsibility_report,
)
from dafeng.reports.document import Annex, Heading, Paragraph, Slot, Table
from dafeng.reports.october_facts import OctoberFacts

WATER = BodyUse(id="city-water", name="某市水务局", as_written="市水务局", role=BodyRole.MEMBER)
GOLDEN = Path(__file__).parents[2] / "golden" / "reports" / "october.txt"


def prose(report: Report) -> str:
    runs = [
        block.runs if isinstance(block, Paragraph) else block.run_in
        for block in report.blocks
        if isinstance(block, Paragraph | Heading)
    ]
    return "\n".join("".join(run.text for run in line) for line in runs)


def rows(report: Report, table: str) -> list[list[str]]:
    found = next(item for item in report.tables() if item.id == table)
    return [[cell.shown for cell in row.cells] for row in found.rows if row.group is None]


def text_of(data: bytes) -> Iterator[str]:
    for item in Document(io.BytesIO(data)).iter_inner_content():
        if isinstance(item, DocxTable):
            for row in item._tbl.tr_lst:
                yield " | ".join("／".join(part.text for part in cell.p_lst) for cell in row.tc_lst).rstrip()
        elif item.text:
            yield item.text


def test_the_text_of_a_small_report_is_as_agreed(october: Report, no_fonts: FontReport) -> None:
    text = "\n".join(text_of(render_docx(october, no_fonts))) + "\n"
    if os.environ.get("DAFENG_REWRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_summary_fills_page_one_and_the_paper_begins_after_it(october: Report) -> None:
    kinds = [block.block for block in october.blocks]
    assert kinds.index("key_figures") < kinds.index("page_break") < kinds.index("title")


def test_the_skeleton_stands_in_order(october: Report) -> None:
    headings = [block.text for block in october.blocks if block.block == "heading" and block.level == 1][1:6]
    assert headings == [
        "一、目标任务完成情况",
        "二、主要工作及成效",
        "三、典型经验做法",
        "四、存在问题",
        "五、下一步工作安排",
    ]
    annexes = [(block.label, block.landscape) for block in october.blocks if isinstance(block, Annex)]
    assert annexes == [("附件1", True), ("附件2", True), ("附件3", False), ("附件4", True)]


def test_the_target_table_has_the_agreed_columns(october: Report) -> None:
    table = next(item for item in october.tables() if item.id == "targets")
    assert [column.title for column in table.columns] == [
        "序号", "指标", "单位", "方案条款", "2025目标", "2030目标", "上年实际（2024年）", "1–9月", "全年预计", "完成率或差距", "状态",
        "牵头单位", "来源及口径",
    ]  # fmt: skip


def test_two_years_of_one_quantity_share_a_row_with_a_state_for_each(october: Report) -> None:
    rail = rows(october, "targets")[0]
    assert rail[4:8] == ["≥350", "≥500", "352.68", "数据暂缺"]
    assert rail[9] == "完成100.8%（2025）\n差147.32公里（2030）"
    assert rail[10] == "★提前达成（2025）\n△有风险（2030）"


def test_the_part_year_and_the_estimate_stand_apart_from_the_year(october: Report) -> None:
    ultra = rows(october, "targets")[1]
    assert ultra[6:9] == ["85.00", "99.50", "预计101.00"]
    assert "口径待核" in ultra[12]
    assert "截至2025年9月底为99.50万平方米；全年预计101.00万平方米" in prose(october)


def test_a_share_misses_by_points_and_is_not_rounded_onto_its_target(october: Report) -> None:
    reuse = rows(october, "targets")[2]
    assert reuse[6] == "54.996"
    assert reuse[9] == "差0.004个百分点"


def test_an_unknown_value_has_no_clause_in_the_text_but_a_line_in_annex_4(october: Report) -> None:
    work = prose(october).split("五、")[0]
    assert not re.search(r"漏损率[^、，。]*为", work)
    unknown = rows(october, "unknown")
    assert [row[1] for row in unknown] == ["漏损率<基本>&综合"]
    assert unknown[0][4] == "市水务局"


def test_prose_never_shows_a_dash_or_zero_for_an_unknown(october: Report) -> None:
    text = prose(october)
    assert "—" not in text
    assert "None" not in text
    assert "nan" not in text
    assert not re.search(r"(?<![\d.])0(?:\.0+)?(?:%|公里|万平方米|个)", text)


def test_a_value_of_another_extent_is_a_reference_and_never_in_the_text(october: Report) -> None:
    assert rows(october, "references") == [
        ["漏损率<基本>&综合", "某市", "建成区", "2023年", "7.4%", "某年鉴", "范围为建成区，与目标不一致"]
    ]
    assert "7.4" not in prose(october)


def test_the_peak_is_named_with_its_boundary_and_its_probability_is_not_faked(october: Report) -> None:
    assert "2030年底前达峰，边界为城乡建设领域（方案一）；本报告未作达峰情景测算" in prose(october)


def test_each_problem_names_who_is_concerned_and_each_step_a_body_and_a_date(october: Report) -> None:
    text = prose(october)
    assert "差35.00万平方米，涉及市住建局、市水务局。" in text
    assert "2030年底前补足147.32公里，每年平均需24.55公里（此前每年24.67公里），市住建局（推定）牵头" in text


def test_experience_and_causes_are_left_to_the_clerk(october: Report) -> None:
    slots = [block.text for block in october.blocks if isinstance(block, Slot)]
    assert any("典型案例" in text for text in slots)
    assert any("原因分析" in text for text in slots)


def test_a_city_writes_to_the_department_of_its_province(october: Report) -> None:
    addressee = next(block for block in october.blocks if block.block == "addressee")
    assert addressee.text == "某省住房和城乡建设厅"


def test_a_body_reports_only_what_it_answers_for(assessment: Assessment, plan: Plan, catalog: Catalog) -> None:
    request = OctoberRequest(year=2025, scope=OctoberScope.BODY, body="city-water")
    report = october_report(assessment, plan, catalog, request)
    assert report.title == "某市水务局关于2025年度城乡建设领域碳达峰工作情况的报告"
    assert [row[1] for row in rows(report, "targets")] == ["超低能耗建筑面积", "再生水利用率", "漏损率<基本>&综合"]
    addressee = next(block for block in report.blocks if block.block == "addressee")
    assert addressee.text == "某市住房和城乡建设局"


def test_a_province_shows_its_prefectures_as_references(assessment: Assessment, plan: Plan, catalog: Catalog) -> None:
    request = OctoberRequest(year=2025, scope=OctoberScope.PROVINCE)
    report = october_report(assessment, plan, catalog, request, prefectures=[assessment])
    assert ["轨道里程", "某市", "2024年", "352.68公里", "某年鉴", "全域"] in rows(report, "prefectures")


def test_demonstration_data_mark_the_whole_paper(assessment: Assessment, plan: Plan, catalog: Catalog) -> None:
    report = october_report(
        assessment.model_copy(update={"demonstration": True}), plan, catalog, OctoberRequest(year=2025)
    )
    assert report.demonstration
    assert any(name == "演示数据" for name, _ in report.basis)


def test_a_place_without_a_known_department_leaves_the_names_to_the_clerk(
    assessment: Assessment, plan: Plan, catalog: Catalog
) -> None:
    elsewhere = assessment.model_copy(update={"place": "nowhere"})
    report = october_report(elsewhere, plan, catalog, OctoberRequest(year=2025))
    assert "由承办人填写" in report.title


@pytest.mark.parametrize("name", ["qingdao-2024", "jilin-2023", "national-2022"])
def test_a_shipped_plan_without_any_data_still_gives_a_whole_report(name: str) -> None:
    catalog = load_catalog()
    plan = catalog.plan(name)
    assessment = assess_plan(plan, observation_frame(), catalog, as_of=date(2025, 10, 28))
    report = october_report(assessment, plan, catalog, OctoberRequest(year=2025))
    assert len(rows(report, "unknown")) > 0
    assert "尚缺数据" in prose(report)
    duties = responsibility_report(responsibility_list(plan, catalog), catalog, as_of=date(2025, 10, 28))
    table = next(duties.tables())
    assert isinstance(table, Table)
    assert [column.title for column in table.columns] == [
        "序号", "重点任务", "主要内容", "目标值及年份", "牵头单位", "责任单位", "配合单位", "完成时限", "备注",
    ]  # fmt: skip
    presumed = any(len(task.bodies) > 1 for task in plan.tasks)
    assert presumed == any("推定" in row.cells[4].text for row in table.rows if row.cells)


def test_the_responsibility_list_of_one_body_holds_only_its_rows() -> None:
    catalog = load_catalog()
    duties = responsibility_list(catalog.plan("qingdao-2024"), catalog)
    every = next(responsibility_report(duties, catalog, as_of=date(2025, 10, 28)).tables())
    own = next(responsibility_report(duties, catalog, as_of=date(2025, 10, 28), body="qingdao-water").tables())
    assert 0 < len(own.rows) < len(every.rows)


def test_a_value_on_a_bound_that_asks_for_more_is_not_said_to_complete_it(
    assessment: Assessment, plan: Plan, catalog: Catalog
) -> None:
    first = assessment.rows[0]
    verdict = first.verdicts[0]
    assert verdict.decided_by is not None
    exact = verdict.decided_by.model_copy(update={"value": 350.0, "shown_value": 350.0})
    gap = Amount(value=0.0, unit="km", shown_value=0.0, shown_unit="公里")
    decided = verdict.model_copy(update={"status": Status.MISSED, "decided_by": exact, "gap": gap})
    row = first.model_copy(
        update={"comparator": Comparator.MORE_THAN, "status": Status.MISSED, "verdicts": (decided,), "latest": exact}
    )
    facts = OctoberFacts(assessment.model_copy(update={"rows": (row,)}), plan, catalog, year=2025)
    assert facts.distance(row) == "恰为界限值，要求大于此值"
    met = row.model_copy(update={"comparator": Comparator.AT_LEAST})
    assert facts.distance(met) == "完成100%"


def test_a_body_is_asked_for_data_under_one_name_only(assessment: Assessment, plan: Plan, catalog: Catalog) -> None:
    rest, unknown = assessment.rows[:-1], assessment.rows[-1]
    other = unknown.model_copy(
        update={"target": "reuse-2025", "bodies": (WATER.model_copy(update={"as_written": "某市水务局"}),)}
    )
    both = assessment.model_copy(update={"rows": (*rest[:-2], unknown, other)})
    facts = OctoberFacts(both, plan, catalog, year=2025)
    assert {facts.supplier(promise.first) for promise in facts.lacking()} == {"市水务局"}


def test_the_names_of_a_bodys_list_count_its_own_rows_only() -> None:
    catalog = load_catalog()
    duties = responsibility_list(catalog.plan("qingdao-2024"), catalog)
    paper = responsibility_report(duties, catalog, as_of=date(2025, 10, 28), body="qingdao-water")
    own = sum(row.group is None for row in next(paper.tables()).rows)
    names = {row[0]: int(row[3]) for row in rows(paper, "names")}
    assert names["市水务管理局"] == own
    assert max(names.values()) <= own
