"""The carbon chapter prints what the account published, names what is missing, and draws the same every time."""

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime

import polars as pl
import pytest

from dafeng.assessment.records import Assessment
from dafeng.base.observation import Observation, ObservationKind, observation_frame
from dafeng.base.place import Extent
from dafeng.carbon import Inventory, account
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.methods.rate_policy import RatePolicy, Rule
from dafeng.reports import CarbonAccount, CarbonFacts, FontReport, OctoberRequest, Report, october_report, render_docx
from dafeng.reports.carbon_chapter import carbon_annex, carbon_paragraph
from dafeng.reports.carbon_facts import OPERATION, years_text
from dafeng.reports.carbon_figures import areas_figure, flows_figure, waterfall_figure
from dafeng.reports.document import Annex, AnnexList, Block, Figure, Heading, Paragraph, Table
from dafeng.reports.figure_content import FlowPaths, StackedAreas, Waterfall
from dafeng.reports.figures import figure_png, figure_svg
from dafeng.reports.html import render_html

DAY = date(2026, 10, 20)
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
YEARS = range(2012, 2026)
POLICY = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3), Rule.back_cast()))
PLACE = "qingdao"


def row(indicator: str, year: int, value: float, **further: str) -> Observation:
    extent = Extent(further.pop("extent", "whole"))
    kind = ObservationKind(further.pop("kind", "reported"))
    return Observation(
        indicator=indicator, place=PLACE, period=str(year), value=value, dataset="given", recorded_at=NOON, extent=extent,
        kind=kind, **further,
    )  # fmt: skip


def activities(*, kind: str = "reported", jump: float = 1.0) -> list[Observation]:
    """Return activity data of every component: power rises to 2017 and falls after, coal falls throughout."""
    rows = []
    for year in YEARS:
        bump = math.exp(-((year - 2017) ** 2) / 60) * (jump if year >= 2020 else 1.0)
        coal = 1e7 * 0.9 ** (year - 2012)
        for building_class, share in (("urban_residential", 0.6), ("public", 0.4)):
            rows += [
                row("building_electricity", year, 8e9 * share * bump, building_class=building_class, kind=kind),
                row("building_heat_use", year, 2e7 * share, building_class=building_class, kind=kind),
                row(
                    "building_fuel_energy",
                    year,
                    coal * share,
                    building_class=building_class,
                    carrier="raw_coal",
                    kind=kind,
                ),
                row("new_building_area", year, 5e6 * share * bump, building_class=building_class, kind=kind),
            ]
        rows += [
            row("building_fuel_energy", year, 3e6, building_class="public", carrier="gasoline", kind=kind),
            row("construction_electricity", year, 2e8, kind=kind),
            row("construction_fuel_energy", year, 2e6, carrier="diesel", kind=kind),
            row("municipal_electricity", year, 5e8, kind=kind),
        ]
    return rows


def floor_area(classes: Iterable[str] = ("urban_residential", "public")) -> pl.DataFrame:
    rows = [
        row("building_stock_area", year, 1e8 + 2e6 * (year - 2012), building_class=one)
        for year in YEARS
        for one in classes
    ]
    return observation_frame(rows)


@pytest.fixture(scope="module")
def real() -> Catalog:
    return load_catalog()


def inventory_of(rows: list[Observation], catalog: Catalog, split: tuple[str, ...] | None = None) -> Inventory:
    return account(
        observation_frame(rows), catalog, "urban-rural-construction", policy=POLICY, as_of=DAY, recorded_at=NOON, split=split
    )  # fmt: skip


def facts_of(
    rows: list[Observation], catalog: Catalog, *, promised: str = "whole_field", areas: pl.DataFrame | None = None
) -> CarbonFacts:
    own, unsplit = inventory_of(rows, catalog), inventory_of(rows, catalog, ())
    return CarbonFacts(CarbonAccount(PLACE, promised, own, unsplit, areas), catalog)


@pytest.fixture(scope="module")
def facts(real: Catalog) -> CarbonFacts:
    return facts_of(activities(), real, areas=floor_area())


@pytest.fixture(scope="module")
def lacking(real: Catalog) -> CarbonFacts:
    return facts_of([one for one in activities() if not one.indicator.startswith("construction")], real)


def text_of(blocks: Iterable[Block]) -> str:
    found = []
    for block in blocks:
        match block:
            case Paragraph():
                found.append("".join(run.text for run in block.runs))
            case Table():
                found += ["｜".join(cell.text for cell in one.cells) or (one.group or "") for one in block.rows]
            case _:
                found.append(getattr(block, "text", ""))
    return "\n".join(found)


def table(blocks: Iterable[Block], name: str) -> Table:
    return next(block for block in blocks if isinstance(block, Table) and block.id == name)


def test_every_number_of_the_table_is_a_total_of_the_account(facts: CarbonFacts, plan: Plan) -> None:
    totals = facts.account.inventory.totals()
    published = {
        (int(period), basis, boundary): value / 1e4
        for period, basis, boundary, value in totals.select("period", "basis", "boundary", "value").iter_rows()
    }
    printed = table(carbon_annex(facts, plan), "carbon-totals")
    codes = {facts.name(code): code for code in {boundary for _, _, boundary in published}}
    checked = 0
    for one in printed.rows:
        if one.group is not None:
            continue
        for column, cell in zip(printed.columns, one.cells, strict=True):
            if column.key.startswith("year_") or (column.key == "market" and cell.number is not None):
                basis = "market_based" if column.key == "market" else "location_based"
                year = 2025 if column.key == "market" else int(column.key[5:])
                assert cell.number == pytest.approx(published[year, basis, codes[one.cells[0].text]], rel=1e-12)
                checked += 1
    assert checked >= 40


def test_base_year_and_last_three_years_stand_side_by_side(facts: CarbonFacts, plan: Plan) -> None:
    columns = [column.title.replace("\n", "") for column in table(carbon_annex(facts, plan), "carbon-totals").columns]
    assert columns == [
        "组成部分", "范围", "2012年（首年）", "2023年", "2024年", "2025年", "2025年市场法", "2025年95%区间", "比2012年",
    ]  # fmt: skip


def test_printed_components_add_up_to_the_printed_whole(facts: CarbonFacts) -> None:
    for year in facts.years:
        parts = sum(facts.value(year, component.code) or 0.0 for component in facts.components)
        assert facts.value(year, "whole_field") == pytest.approx(parts, rel=1e-12)


def test_nothing_that_needs_a_missing_component_is_printed(lacking: CarbonFacts, plan: Plan) -> None:
    blocks = carbon_annex(lacking, plan)
    totals = table(blocks, "carbon-totals")
    rows = {one.cells[0].text: one.cells for one in totals.rows if one.group is None}
    for name in ("施工排放", "城乡建设领域", "直接排放"):
        assert [cell.number for cell in rows[name]] == [None] * len(totals.columns)
        assert rows[name][5].text == "数据暂缺"
    assert rows["建筑运行"][5].number is not None
    missing = table(blocks, "carbon-missing")
    assert [[cell.text for cell in one.cells][:2] for one in missing.rows] == [["施工排放", "2012—2025"]]
    text = text_of(blocks)
    assert "城乡建设领域没有齐全的年份，不作达峰判断" in text
    assert not [one for one in table(blocks, "carbon-peak").rows if one.cells[0].text == "城乡建设领域"]
    assert not [block for block in blocks if isinstance(block, Figure) and block.id == "figure-carbon-areas"]


def test_the_paragraph_names_the_missing_component_and_gives_no_verdict(lacking: CarbonFacts) -> None:
    text = text_of([carbon_paragraph(lacking)])
    assert "因缺施工排放，未形成合计，也不作达峰判断" in text
    assert not any(mark.isdigit() and mark != "5" for mark in text)


def test_the_paragraph_gives_total_change_parts_and_the_verdict_in_words(facts: CarbonFacts) -> None:
    text = text_of([carbon_paragraph(facts)])
    last, first = facts.value(2025, "whole_field"), facts.value(2012, "whole_field")
    assert last is not None
    assert first is not None
    assert f"2025年城乡建设领域碳排放核算值为{last:.1f}万吨二氧化碳（位置法）" in text
    assert ("上升" if last > first else "下降") in text
    assert facts.promise is not None
    assert facts.promise.verdict.words in text


def test_both_ways_of_the_split_stand_in_the_verdict(facts: CarbonFacts, plan: Plan) -> None:
    with_split, without = (one for one in facts.readings if one.view == "whole_field")
    assert (with_split.split, without.split) == (True, False)
    gasoline = 3e6 * 0.06791
    assert without.values == pytest.approx([value + gasoline for value in with_split.values], rel=1e-9)
    text = text_of(carbon_annex(facts, plan))
    assert "（汽油划出建筑）" in text
    assert "（不作“汽油划出建筑”）" in text
    assert text.count("判为") + text.count("尚不能判定是否达峰") >= 2


def test_the_promised_view_is_judged_first(real: Catalog) -> None:
    facts = facts_of(activities(), real, promised="direct")
    assert facts.readings[0].view == "direct"
    assert facts.promise is not None
    assert facts.promise.verdict.peak_year == 2012


def test_a_boundary_without_the_promised_view_gives_no_verdict_on_it(real: Catalog, plan: Plan) -> None:
    facts = facts_of(activities(), real, promised="national_field")
    assert "没有这一口径" in text_of([carbon_paragraph(facts)])
    assert "不能用来判断该承诺" in text_of(carbon_annex(facts, plan))


def test_breaks_of_the_source_come_before_the_verdict_which_is_given_both_ways(real: Catalog, plan: Plan) -> None:
    facts = facts_of(activities(jump=3.0), real)
    assert facts.promise is not None
    assert [one.year for one in facts.promise.breaks] == [2020]
    text = text_of(carbon_annex(facts, plan))
    assert text.index("2020年水平突变") < text.index("按全部年份") < text.index("按断点之后的年份")


def test_factors_stand_with_rule_years_and_grade(facts: CarbonFacts, plan: Plan) -> None:
    printed = table(carbon_annex(facts, plan), "carbon-factors")
    rows = [[cell.text for cell in one.cells] for one in printed.rows]
    shandong = [one for one in rows if "山东" in one[0]]
    assert [(one[3], one[4]) for one in shandong] == [
        ("以最早值回推", "2012—2020"), ("当期值", "2021"), ("当期值", "2022"), ("当期值", "2023"), ("沿用最近值", "2024—2025"),
    ]  # fmt: skip
    assert shandong[0][6] == "C待核"
    assert [one for one in rows if one[0].endswith("（市场法）")]


def test_areas_and_flows_show_the_components_of_the_account(facts: CarbonFacts) -> None:
    areas, flows = areas_figure(facts, 3), flows_figure(facts, 4)
    assert areas is not None
    assert flows is not None
    assert isinstance(areas.content, StackedAreas)
    assert isinstance(flows.content, FlowPaths)
    for number, year in enumerate(areas.content.years):
        assert sum(part.values[number] for part in areas.content.parts) == pytest.approx(
            facts.value(year, "whole_field")
        )
    into = [link for link in flows.content.links if link.layer == 0]
    for component in facts.components:
        value = sum(link.value for link in into if link.target == component.code)
        assert value == pytest.approx(facts.value(2025, component.code))
    onward = {link.source for link in flows.content.links if link.layer == 1}
    assert onward == {"direct_building", "purchased_electricity", "purchased_heat", "materials"}


def test_the_waterfall_adds_up_to_the_change_of_building_operation(facts: CarbonFacts) -> None:
    figure = waterfall_figure(facts, 5)
    assert figure is not None
    assert isinstance(figure.content, Waterfall)
    assert figure.content.first.value == pytest.approx(facts.value(2012, OPERATION))
    moved = sum(step.value for step in figure.content.steps)
    assert figure.content.first.value + moved == pytest.approx(figure.content.last.value, abs=1e-9)
    assert figure.content.last.value == pytest.approx(facts.value(2025, OPERATION))


def test_without_floor_area_the_chapter_says_why_there_is_no_decomposition(real: Catalog, plan: Plan) -> None:
    rows = activities()
    none, part = facts_of(rows, real), facts_of(rows, real, areas=floor_area(["public"]))
    assert "缺2012—2025年的分类建筑面积（公共建筑、城镇居住建筑），未作分解" in text_of(carbon_annex(none, plan))
    assert "分类建筑面积（城镇居住建筑），未作分解" in text_of(carbon_annex(part, plan))


def test_other_extents_take_no_part(facts: CarbonFacts, real: Catalog) -> None:
    urban = [row("building_electricity", year, 1e9, extent="urban") for year in YEARS]
    assert facts_of([*activities(), *urban], real).value(2025, "whole_field") == facts.value(2025, "whole_field")


@pytest.fixture(scope="module")
def october_with_carbon(assessment: Assessment, plan: Plan, catalog: Catalog, facts: CarbonFacts) -> Report:
    return october_report(assessment, plan, catalog, OctoberRequest(year=2025), carbon=facts)


def test_the_body_keeps_five_sections_and_the_detail_is_annex_5(october_with_carbon: Report) -> None:
    blocks = october_with_carbon.blocks
    annexes = [block.label for block in blocks if isinstance(block, Annex)]
    assert annexes == ["附件1", "附件2", "附件3", "附件4", "附件5"]
    body = blocks[: next(number for number, block in enumerate(blocks) if isinstance(block, Annex))]
    headings = [block.text for block in body if isinstance(block, Heading) and block.level == 1]
    assert [text[:2] for text in headings[1:]] == ["一、", "二、", "三、", "四、", "五、"]
    assert next(block for block in blocks if isinstance(block, AnnexList)).names[-1] == "碳排放核算与达峰判断"
    captions = [figure.caption[:2] for figure in october_with_carbon.figures()]
    assert captions == [f"图{number}" for number in range(1, len(captions) + 1)]


def test_without_an_account_there_is_no_annex_5(october: Report) -> None:
    assert "附件5" not in text_of(october.blocks)


def test_demonstration_figures_mark_the_whole_paper(
    assessment: Assessment, plan: Plan, catalog: Catalog, real: Catalog
) -> None:
    shown = facts_of(activities(kind="demonstration"), real)
    assert not assessment.demonstration
    assert october_report(assessment, plan, catalog, OctoberRequest(year=2025), carbon=shown).demonstration


def test_the_same_account_gives_the_same_bytes_in_any_order_of_rows(
    assessment: Assessment,
    plan: Plan,
    catalog: Catalog,
    real: Catalog,
    october_with_carbon: Report,
    no_fonts: FontReport,
) -> None:
    again = facts_of(activities()[::-1], real, areas=floor_area())
    report = october_report(assessment, plan, catalog, OctoberRequest(year=2025), carbon=again)
    assert render_docx(report, no_fonts) == render_docx(october_with_carbon, no_fonts)
    assert render_html(report, no_fonts) == render_html(october_with_carbon, no_fonts)


def test_figures_are_labelled_in_english_without_a_chinese_font(facts: CarbonFacts, no_fonts: FontReport) -> None:
    for figure in (areas_figure(facts, 3), flows_figure(facts, 4), waterfall_figure(facts, 5)):
        assert figure is not None
        assert figure_png(figure, no_fonts)[:4] == b"\x89PNG"  # a missing letter would warn, and a warning is an error
        assert figure_svg(figure, no_fonts) == figure_svg(figure, no_fonts)


def test_figures_are_labelled_in_chinese_with_one(
    facts: CarbonFacts, no_fonts: FontReport, chinese_fonts: FontReport
) -> None:
    figure = areas_figure(facts, 3)
    assert figure is not None
    assert figure_svg(figure, chinese_fonts) != figure_svg(figure, no_fonts)


def test_the_manifest_names_boundary_rules_and_factors(facts: CarbonFacts, real: Catalog) -> None:
    found = facts.manifest()
    assert found["boundary"] == "urban-rural-construction"
    assert found["rules"] == ["exact", "hold_last:3", "back_cast"]
    assert found["splits"] == ["vehicle-fuels"]
    other = account(
        observation_frame(activities()), real, "urban-rural-construction",
        policy=RatePolicy(rules=(Rule.exact(), Rule.hold_last(1), Rule.back_cast(2))), as_of=DAY, recorded_at=NOON,
    )  # fmt: skip
    changed = CarbonFacts(CarbonAccount(PLACE, "whole_field", other), real).manifest()
    assert changed["factors"]["digest"] != found["factors"]["digest"]
    assert changed["missing"]


def test_years_are_written_as_ranges() -> None:
    assert years_text([2015]) == "2015"
    assert years_text([2017, 2015, 2016, 2016, 2020]) == "2015—2017、2020"
