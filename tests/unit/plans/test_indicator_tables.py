"""Tables of indicators: cells, lines and merged heads, their years, units and bodies, and the fate of the other numbers."""

import pytest

from dafeng.base.document import DocumentText
from dafeng.catalog import Catalog, load_catalog
from dafeng.intake.documents.plain_text import read_plain
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan

Row = tuple[str, str, float, str | None, int | None, str]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def plan_with(table: str, catalog: Catalog, caption: str = "主要指标") -> tuple[DocumentText, ReadPlan]:
    lines = (
        "岚山市建筑节能实施方案\n2023年5月4日\n一、主要目标\n绿色发展水平提升。\n"
        f"表1 {caption}\n{table}\n二、任务\n（一）优化结构。好。（市住建局负责）"
    )
    blocks, _ = read_plain(lines, "a.txt")
    document = DocumentText("a.txt", "txt", "0" * 64, blocks)
    return document, read_plan(document, catalog)


TABLES: dict[str, tuple[str, str, list[Row]]] = {
    "指标、单位、年份": (
        "主要指标",
        "序号\t指标\t单位\t2025年\t2030年\t属性\n1\t再生水利用率\t%\t25\t30\t约束性\n2\t既改面积\t万平方米\t≥260\t—\t预期性",
        [
            ("再生水利用率", "=", 25, "%", 2025, "level"),
            ("再生水利用率", "=", 30, "%", 2030, "level"),
            ("既改面积", ">=", 260, "万平方米", 2025, "count"),
        ],
    ),
    "年份在题中，单位在括号里": (
        "“十四五”时期主要指标",
        "指标\t目标值\t属性\n绿地率（%）\t38.5\t约束性\n装配式占比\t35%以上\t预期性",
        [("绿地率", "=", 38.5, "%", 2025, "level"), ("装配式占比", ">=", 35, "%", 2025, "level")],
    ),
    "现状列是基数，指标名写着基年": (
        "主要指标",
        "主要指标\t2020年（现状值）\t2025年（目标值）\n漏损率\t10.2%\t≤9%\n单位面积能耗较2020年下降（%）\t-\t5",
        [("漏损率", "<=", 9, "%", 2025, "level"), ("单位面积能耗", "=", 5, "%", 2025, "change")],
    ),
    "两层表头，类别合并": (
        "主要指标",
        "类别\t指标\t单位\t目标值\t\n\t\t\t2025年\t2030年\n绿色建筑\t星级占比\t%\t30\t60\n\t面积\t亿平方米\t1.2\t2.5",
        [
            ("星级占比", "=", 30, "%", 2025, "level"),
            ("星级占比", "=", 60, "%", 2030, "level"),
            ("绿色建筑面积", "=", 1.2, "亿平方米", 2025, "count"),
            ("绿色建筑面积", "=", 2.5, "亿平方米", 2030, "count"),
        ],
    ),
    "竖线": (
        "主要指标",
        "| 指标 | 2025年 | 2030年 |\n|---|---|---|\n| 替代率 | 8% | 15%左右 |\n| 绿地率 | 38.9% | 40% |",
        [
            ("替代率", "=", 8, "%", 2025, "level"),
            ("替代率", "~", 15, "%", 2030, "level"),
            ("绿地率", "=", 38.9, "%", 2025, "level"),
            ("绿地率", "=", 40, "%", 2030, "level"),
        ],
    ),
    "一格一行": (
        "主要指标",
        "指标\n单位\n2020年\n2025年\n再生水利用率\n%\n21\n25\n污泥处置率\n%\n85\n90",
        [("再生水利用率", "=", 25, "%", 2025, "level"), ("污泥处置率", "=", 90, "%", 2025, "level")],
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_gives_its_targets(name: str, catalog: Catalog) -> None:
    caption, table, rows = TABLES[name]
    document, plan = plan_with(table, catalog, caption)
    found = [
        (each.label, each.comparator.value, each.value, each.unit, each.by, each.kind.value) for each in plan.targets
    ]
    assert found == rows
    assert [fate.fate for fate in plan.numbers if fate.fate == "unclaimed"] == []
    for target in plan.targets:
        words = document.quote(target.at.start, target.at.end)
        assert any(fate.of == target.id and fate.at.end <= target.at.end for fate in plan.numbers)
        assert words.startswith(target.label[-2:]) or target.label[:2] in words


def test_base_year_and_bodies_of_a_row(catalog: Catalog) -> None:
    table = (
        "指标\t2025年\t责任单位\n人均水耗较2020年下降（%）\t6\t市水务局、市机关事务局\n绿道长度（公里）\t90\t市园林局"
    )
    _, plan = plan_with(table, catalog)
    assert [(each.base_year, each.bodies) for each in plan.targets] == [
        (2020, ("市水务局", "市机关事务局")),
        (None, ("市园林局",)),
    ]


def test_table_of_duties_is_no_table_of_indicators(catalog: Catalog) -> None:
    table = "重点任务\t目标\t责任单位\n优化结构\t到2027年路网密度达到8公里/平方公里\t市住建局\n绿化\t到2030年绿地率达到40%\t市园林局"
    _, plan = plan_with(table, catalog, "责任分工")
    assert [(each.value, each.by) for each in plan.targets] == [(8.0, 2027), (40.0, 2030)]


def test_year_of_a_table_governs_no_later_sentence(catalog: Catalog) -> None:
    _, plan = plan_with("指标\t2025年\n绿地率\t38%\n绿化率\t41%\n主要目标还有：公园服务覆盖率达到85%。", catalog)
    assert [(each.value, each.by) for each in plan.targets] == [(38.0, 2025), (41.0, 2025), (85.0, None)]
