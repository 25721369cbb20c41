"""The chapter 达峰情景测算: what it says of probabilities, and what its figures and tables hold."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from dafeng.reports.document import Figure, Paragraph, Report, Table
from dafeng.reports.figure_content import FanChart, Wedges
from dafeng.reports.figures import figure_svg
from dafeng.reports.fonts import FontReport
from dafeng.reports.pathway_chapter import (
    PathwayFacts,
    ScenarioPath,
    pathway_annex,
    pathway_basis,
    pathway_clause,
    pathway_paragraph,
)

YEARS = range(2000, 2061)


def path(code: str, zh: str, share: float, **changes: object) -> ScenarioPath:
    levels = {year: (900.0 + year - 2000, 1000.0 + year - 2000, 1100.0 + year - 2000) for year in YEARS}
    return replace(
        ScenarioPath(
            code=code, zh=zh, en=code, view="whole_field", view_zh="城乡建设领域", peak_year=(2027.0, 2029.0, 2034.0),
            unpeaked=0.0, by_deadline=share, error=0.012, peak_level=(1010.0, 1030.4, 1090.0), levels=levels,
        ),
        **changes,  # type: ignore[arg-type]
    )  # fmt: skip


def facts(**changes: object) -> PathwayFacts:
    made = PathwayFacts(
        place="qingdao", place_zh="青岛市", promised="whole_field", promised_zh="城乡建设领域", by=2030,
        promised_paths=(path("present", "按目前进度", 0.62), path("full", "方案全面落实", 0.997)),
        other_paths=(path("present", "按目前进度", 0.2, view="direct", view_zh="直接排放", unpeaked=0.7),),
        history=((1998, 500.0), (2005, 800.0)),
        wedges=tuple((f"措施{n}", f"measure {n}", [float(n)] * 3) for n in range(1, 11)),
        wedge_years=(2029, 2030, 2031), wedge_ends=([100.0] * 3, [45.0] * 3),
        drivers=(("面积", "area", 40.0), ("强度", "intensity", -70.0)), driver_ends=(2020, 1000.0, 2030, 970.0),
        sensitivity=(("电力排放因子", 0.5), ("人均面积", 0.2)), flows=None,
        outside=(("轨道交通不在边界内", ("轨道里程",)), ("是模型的结果", ("达峰", "排放量", "强度"))), unseen=("装配式比例",),
        grades={"A": 10, "C": 30}, borrowed=12, parameters=40, calibration="", draws=1000, seed=7, design="sobol",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_the_clause_gives_the_share_of_draws_of_each_scenario() -> None:
    assert (
        pathway_clause(facts())
        == "按情景测算，2030年底前达峰的概率为：按目前进度62%，方案全面落实99%以上（城乡建设领域口径，1000次抽样）"
    )


def test_the_paragraph_names_year_level_what_moves_it_and_what_it_rests_on() -> None:
    said = "".join(run.text for run in pathway_paragraph(facts(), "附件6").runs)
    assert "按目前进度情景下达峰年份的中位数为2029年，九成抽样在2027—2034年，峰值1030万吨二氧化碳" in said
    assert "影响最大的参数为电力排放因子、人均面积" in said
    assert "所用40组参数中30组为C级、12组借自上级，结论待核" in said
    assert said.endswith("见附件6。")


def test_a_path_that_mostly_does_not_peak_has_no_year() -> None:
    said = "".join(
        run.text
        for run in pathway_paragraph(facts(promised_paths=(path("a", "趋势", 0.0, unpeaked=0.8),)), "附件6").runs
    )
    assert "趋势情景下多数抽样在2060年前未达峰" in said
    assert "趋势不足1%" in said


def test_parts_beyond_seven_stand_together_and_the_wedges_add_up() -> None:
    wedges = next(
        block.content
        for block in pathway_annex(facts(), "附件6", first_figure=5)
        if isinstance(block, Figure) and isinstance(block.content, Wedges)
    )
    assert [part.zh for part in wedges.parts] == [f"措施{n}" for n in (10, 9, 8, 7, 6, 5, 4)] + ["其余3项"]
    for at in range(3):
        taken = sum(part.values[at] for part in wedges.parts)
        assert wedges.upper.values[at] - taken == pytest.approx(wedges.lower.values[at])


def test_the_fan_begins_where_the_bands_do_and_marks_the_promised_year() -> None:
    fans = next(
        block.content
        for block in pathway_annex(facts(), "附件6", first_figure=5)
        if isinstance(block, Figure) and isinstance(block.content, FanChart)
    )
    assert [point.year for point in fans.history] == [2005]
    assert fans.deadline == 2030
    assert fans.fans[0].middle[0] == 1000.0
    assert len(fans.years) == 61


def test_the_annex_numbers_its_figures_and_headings_and_is_a_paper() -> None:
    blocks = pathway_annex(facts(), "附件6", first_figure=5)
    paper = Report(
        id="sample", title="样张", as_of=date(2026, 10, 28), blocks=(*blocks, pathway_paragraph(facts(), "附件6"))
    )
    captions = [figure.caption for figure in paper.figures()]
    assert [caption.partition("　")[0] for caption in captions] == ["图5", "图6", "图7"]
    table = next(table for table in paper.tables() if table.id == "pathway-peaks")
    rows = [row.cells for row in table.rows if row.group is None]
    assert [cells[1].shown for cells in rows] == ["62±1.2%", "99%以上", "20±1.2%"]
    assert rows[0][2].shown == "2029（2027—2034）"
    assert rows[2][2].shown == "多数抽样在2060年前未达峰"
    assert [row.group for row in table.rows if row.group] == [
        "城乡建设领域（方案承诺的口径）",
        "其他口径（按目前进度）",
    ]
    said = [block.runs[0].text for block in blocks if isinstance(block, Paragraph)]
    assert "方案按目前进度的情景中，没有足够观测、按趋势处理的：装配式比例。" in said
    assert "方案中有4项没有进入测算：是模型的结果（达峰、排放量等3项）；轨道交通不在边界内（轨道里程）。" in said


def test_without_a_plan_there_are_no_wedges_and_headings_stay_in_order() -> None:
    blocks = pathway_annex(facts(wedges=(), drivers=()), "附件6", first_figure=5)
    headings = [block.text for block in blocks if block.block == "heading"]
    assert headings == ["一、达峰年份与概率", "二、测算依据与局限"]
    assert sum(isinstance(block, Figure) for block in blocks) == 1
    assert sum(isinstance(block, Table) for block in blocks) == 2


def test_figures_are_drawn_without_a_chinese_font_and_the_same_each_time() -> None:
    fonts = FontReport()
    for block in pathway_annex(facts(), "附件6", first_figure=5):
        if isinstance(block, Figure):
            first = figure_svg(block, fonts)
            assert first == figure_svg(block, fonts)
            assert len(re.findall("<path", first)) > 5


def test_the_convention_says_what_is_outside() -> None:
    assert "不含基础设施建造" in pathway_basis("附件6")[1]


def test_scenarios_that_agree_are_said_together_and_never_as_certain() -> None:
    agreed = facts(promised_paths=(path("trend", "趋势", 1.0), path("full", "方案全面落实", 1.0)))
    assert "概率为：趋势、方案全面落实均为99%以上（" in pathway_clause(agreed)


def test_no_parameter_is_named_where_none_matters() -> None:
    blocks = pathway_annex(facts(sensitivity=(("电力排放因子", 0.03),)), "附件6", first_figure=5)
    said = "".join(block.runs[0].text for block in blocks if isinstance(block, Paragraph))
    assert "没有哪一组参数单独左右达峰年份" in said
    assert "电力排放因子" not in said


def test_a_pace_that_outruns_the_plan_is_explained() -> None:
    pace, full = path("plan-pace", "按目前进度", 0.9), path("plan-full", "方案全面落实", 0.9)
    lower = replace(pace, levels=dict.fromkeys(YEARS, (1.0, 2.0, 3.0)))

    def notes(*paths: ScenarioPath) -> str:
        blocks = pathway_annex(facts(promised_paths=paths), "附件6", first_figure=5)
        return "".join(block.text for block in blocks if block.block == "note")

    assert "可低于方案全部实现" in notes(lower, full)
    assert "可低于方案全部实现" not in notes(pace, full)
