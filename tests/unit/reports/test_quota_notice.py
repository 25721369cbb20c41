"""Over-quota letters: two steps, every figure shown, nothing invented, no letter where nothing is sure."""

import os
from datetime import date
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import polars as pl
import pytest

from dafeng.base.errors import InputError
from dafeng.catalog import Catalog, load_catalog
from dafeng.metering.quota import USE_SCHEMA, judge_quota
from dafeng.reports import Report, find_fonts, render_docx, render_html, render_xlsx
from dafeng.reports.document import Paragraph, SignatureBlock, Slot, Table
from dafeng.reports.quota_notice import NoticeStep, NoticeTerms, notice_report, over_quota_report

BUILDING: dict[str, Any] = {
    "building": "370202A001", "building_name": "某大厦", "place": "qingdao-shinan", "building_class": "public", "building_type": "office",
    "ventilation_class": "B", "climate_zone": "cold_a", "gross_area": 10000.0, "heated_area": 9000.0, "heating_kind": "radiator",
    "operating_hours": 5000.0, "employees": None, "address": "香港中路1号", "owner": "某物业管理有限公司",
}  # fmt: skip
TERMS = NoticeTerms(sender="某市住房和城乡建设局", day=date(2025, 4, 8), reply_days=20)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def verdicts(catalog: Catalog, electricity: float = 1_600_000.0, **changes: Any) -> pl.DataFrame:
    use = pl.DataFrame(
        [
            ("370202A001", "01000", "2024", electricity, 0.0, 0.0, 1.0),
            ("370202A001", "04000", "2024", 1500.0, 0.0, 0.0, 1.0),
        ],
        schema=USE_SCHEMA,
        orient="row",
    )
    return judge_quota(pl.DataFrame([{**BUILDING, **changes}]), use, catalog, year=2024).verdicts


def letter(catalog: Catalog, step: NoticeStep, terms: NoticeTerms = TERMS, **changes: Any) -> Report:
    return notice_report(verdicts(catalog, **changes), {**BUILDING, **changes}, catalog, step=step, terms=terms)


def words(report: Report) -> str:
    parts = [run.text for block in report.blocks if isinstance(block, Paragraph) for run in block.runs]
    parts += [cell.shown for table in report.tables() for row in table.rows for cell in row.cells]
    return "\n".join(parts)


def test_a_letter_shows_use_quota_excess_and_how_they_came_about(catalog: Catalog) -> None:
    report = letter(catalog, NoticeStep.REMINDER)
    text = words(report)  # 160 × (0.3 + 0.7 × 2500/5000) = 104; 104/80 = 1.3
    for said in ("某大厦2024年非供暖能耗超出约束值30%", "160.0", "0.650", "104.0", "80.0", "60.0", "超出30%", "使用时间修正0.650", "人员密度修正缺资料，系数按1",
                 "商业办公（B类）", "2025年4月28日", "提出更正", "10000平方米", "非供暖能耗100%"):  # fmt: skip
        assert said in text, said
    assert report.title == "建筑能耗超限额提示：某大厦"
    assert "罚" not in text
    assert "整改" not in text


def test_the_second_step_asks_for_audit_and_plan_and_names_the_first(catalog: Catalog) -> None:
    report = letter(catalog, NoticeStep.NOTICE, TERMS.model_copy(update={"earlier": "2025年3月1日"}))
    text = words(report)
    assert "此前已发提示（2025年3月1日）" in text
    assert "能源审计" in text
    assert "整改计划" in text
    assert "罚" not in text


def test_what_nobody_gave_is_left_to_the_clerk(catalog: Catalog) -> None:
    bare = letter(catalog, NoticeStep.NOTICE)
    assert [block.text for block in bare.blocks if isinstance(block, Slot)] == [
        "此前提示的日期或文号",
        "当地依据的法规、条款或文件名称文号",
    ]
    (signature,) = [block for block in bare.blocks if isinstance(block, SignatureBlock)]
    assert "由承办人填写" in (signature.contact or "")
    given = letter(
        catalog, NoticeStep.REMINDER, TERMS.model_copy(update={"basis": "某市条例第二十八条", "contact": "张三 0532-1"})
    )
    assert not [block for block in given.blocks if isinstance(block, Slot)]
    assert "依据：某市条例第二十八条。" in words(given)


def test_the_reply_form_is_there_to_be_filled(catalog: Catalog) -> None:
    (form,) = [table for table in letter(catalog, NoticeStep.REMINDER).tables() if table.id == "reply"]
    assert sum(row.cells[1].text == "" for row in form.rows) == 7


def test_a_class_that_is_unknown_shows_both_quotas(catalog: Catalog) -> None:
    report = letter(catalog, NoticeStep.REMINDER, ventilation_class=None)
    assert "65.0／80.0" in words(report)


@pytest.mark.parametrize("electricity", [100_000.0, 0.0])
def test_no_letter_where_nothing_is_over(catalog: Catalog, electricity: float) -> None:
    with pytest.raises(InputError, match="over-quota letter"):
        letter(catalog, NoticeStep.REMINDER, electricity=electricity)


def test_no_letter_about_two_buildings(catalog: Catalog) -> None:
    one = verdicts(catalog)
    both = pl.concat([one, one.with_columns(building=pl.lit("b"))])
    with pytest.raises(InputError):
        notice_report(both, BUILDING, catalog, step=NoticeStep.REMINDER, terms=TERMS)


def test_letter_and_list_are_rendered_in_every_format_with_the_same_bytes(catalog: Catalog) -> None:
    fonts = find_fonts(os.environ)
    listed = over_quota_report(verdicts(catalog), catalog, place="qingdao", year=2024, as_of=date(2025, 4, 8))
    (table,) = [block for block in listed.blocks if isinstance(block, Table)]
    assert [cell.text for cell in table.rows[0].cells][1:9] == [
        "370202A001",
        "某大厦",
        "市南区",
        "商业办公",
        "非供暖能耗",
        "104.0",
        "80.0",
        "30.0",
    ]
    for report in (letter(catalog, NoticeStep.NOTICE), listed):
        document = render_docx(report, fonts)
        assert document == render_docx(report, fonts)
        assert "超限额" in ZipFile(BytesIO(document)).read("word/document.xml").decode()
        assert "超限额" in render_html(report, fonts)
        assert render_xlsx(report)
