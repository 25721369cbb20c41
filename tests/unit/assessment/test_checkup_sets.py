"""The shipped sets: every row of the reference table stands in a set or has a reason, and what the sets hold."""

import csv
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from checkup_builders import AS_OF
from dafeng.assessment.checkup import check_up
from dafeng.assessment.checkup_years import evaluate_years
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.schemas import Grade
from dafeng.intake.importing import import_table

COUNTS = {
    "checkup-2021": (15, 65),
    "checkup-2023": (61, 61),
    "checkup-2024": (61, 61),
    "checkup-2024-local": (10, None),
    "checkup-four-goods-2026": (7, None),
    "complete-community-2020": (20, 20),
    "county-low-carbon-2021": (9, None),
    "eco-district-operation": (9, 9),
    "eco-district-planning": (9, 9),
    "green-community-2020": (16, 16),
    "green-community-shenzhen-2021": (3, None),
    "rural-evaluation-2021": (35, 71),
}
SETS_OF_TABLE = {
    "checkup_2023_base61": ("checkup-2023",),
    "checkup_2024_25_variant": ("checkup-2024", "checkup-2024-local"),
    "checkup_wuhan_demo2026": ("checkup-four-goods-2026",),
    "checkup_2021_65_part": ("checkup-2021",),
    "complete_community_2020": ("complete-community-2020",),
    "green_community_2020": ("green-community-2020",),
    "green_community_shenzhen_DB4403T147_2021": ("green-community-shenzhen-2021",),
    "county_low_carbon_2021": ("county-low-carbon-2021",),
    "eco_district_GBT51255_2017": ("eco-district-planning", "eco-district-operation"),
    "rural_evaluation_2021_71": ("rural-evaluation-2021",),
}
REASONS = {
    "星级": "the grade is the sum of the chapters: weights and ranks of the two sets",
    "乡村建设评价指标体系": "names the set itself",
}
RENAMED = {
    "存在结构安全隐患的住宅数量": "存在使用安全隐患的住宅数量",  # its name of 2023
    "住宅性能不达标的住宅数量 / 非成套住宅数量": "住宅性能不达标的住宅数量",  # the second name is of 2024
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def rows(shared: Path) -> list[dict[str, str]]:
    with (shared / "domain" / "facts" / "checkup_indicators.csv").open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def plain(name: str) -> str:
    return re.sub(r"\((%|元|min|张|万人/km2|km/km2)\)$", "", RENAMED.get(name, name))


def test_the_sets_hold_what_they_should(catalog: Catalog) -> None:
    assert {name: (len(one.items), one.whole) for name, one in catalog.sets.items() if name in COUNTS} == COUNTS


def test_every_row_of_the_table_is_one_item_or_has_a_reason(catalog: Catalog, rows: list[dict[str, str]]) -> None:
    assert len(rows) == 188
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["name_zh"] in REASONS:
            continue
        sets = [catalog.sets[name] for name in SETS_OF_TABLE[row["set"]]]
        items = {one.id: [item for item in one.items if item.title.zh == plain(row["name_zh"])] for one in sets}
        expected = 2 if row["set"].startswith("eco_district") else 1
        assert sum(map(len, items.values())) == expected, (row["name_zh"], items)
        for name, matched in items.items():
            found.update((name, item.number) for item in matched)
            if row["no"] and matched:
                assert [item.number for item in matched] == [row["no"]]
    assert set(found.values()) == {1}
    of_table = {(name, item.number) for name in COUNTS for item in catalog.sets[name].items}
    assert {name for name, _ in of_table - set(found)} == {"checkup-2024"}, "the rest of 2024 is carried over from 2023"


def test_grades_and_thresholds_follow_the_table(catalog: Catalog, rows: list[dict[str, str]]) -> None:
    for row in rows:
        if row["name_zh"] in REASONS:
            continue
        for name in SETS_OF_TABLE[row["set"]]:
            for item in catalog.sets[name].items:
                if item.title.zh != plain(row["name_zh"]):
                    continue
                assert item.grade.value == row["grade"], (name, item.number)
                stated = re.match(r"(>=|<=)?([\d.]+)", row["threshold"])
                if row["set"].startswith(("checkup", "county_low")) and stated:
                    assert item.threshold == float(stated[2]), (name, item.number, row["threshold"])
                    unsure = re.search(r"\[([BC])\]", row["threshold"])
                    assert unsure is None or (item.threshold_grade or item.grade).value == unsure[1]
                elif row["set"].startswith("checkup") and row["threshold"] != "all":
                    assert item.threshold is None, "nothing is invented where the table states nothing"


def test_thresholds_of_the_base_indicators_are_pending_but_for_road_density(catalog: Catalog) -> None:
    for name in ("checkup-2023", "checkup-2024"):
        sure = [
            item.number
            for item in catalog.sets[name].items
            if item.threshold is not None and not item.threshold_pending
        ]
        assert sure == ["38"]
        assert [item.number for item in catalog.sets[name].items] == [str(number) for number in range(1, 62)]


def test_counts_of_problems_say_how_much_was_surveyed(catalog: Catalog) -> None:
    for name in ("checkup-2023", "checkup-2024"):
        for item in catalog.sets[name].items[:31]:
            counted = catalog.indicators[item.indicator].unit in ("item", "km")
            assert (item.surveyed is not None and item.to_survey is not None) == counted, item.number


def test_official_weights_sum_to_one_and_nothing_else_has_weights(catalog: Catalog) -> None:
    weighted = {
        name: round(sum(item.weight or 0 for item in one.items), 9) for name, one in catalog.sets.items() if one.ranks
    }
    assert weighted == {"eco-district-planning": 1.0, "eco-district-operation": 1.0}
    others = [one for name, one in catalog.sets.items() if name not in weighted]
    assert not any(item.weight for one in others for item in one.items)


def test_what_a_community_must_have_is_machine_readable(catalog: Catalog) -> None:
    complete = {item.number: item for item in catalog.sets["complete-community-2020"].items}
    needs = {
        number: [(one.id, one.value, one.unit) for one in item.requires if not one.only]
        for number, item in complete.items()
        if item.requires
    }
    assert needs == {
        "1": [("floor-area", 800, "平方米")],
        "2": [("classes", 6, "个"), ("floor-area", 2200, "平方米"), ("land-area", 3500, "平方米")],
        "3": [("floor-area", 200, "平方米")],
        "4": [("day-care-area", 350, "平方米")],
        "5": [("floor-area", 150, "平方米")],
        "6": [("floor-area", 300, "平方米")],
        "14": [("ground-area", 150, "平方米")],
        "15": [],
    }


def test_no_sentence_of_a_set_is_without_a_grade(catalog: Catalog) -> None:
    for one in catalog.sets.values():
        for item in one.items:
            assert isinstance(item.grade, Grade)
            assert catalog.sources[item.source].title


def test_qingdao_2024_from_the_yearbook_tables(shared: Path, catalog: Catalog) -> None:
    folder = shared / "data" / "china_mohurd_city"
    frame = pl.concat(
        import_table(folder / name, catalog, recorded_at=datetime(2026, 11, 1, tzinfo=UTC)).observations
        for name in ("city_panel_2003_2024.csv", "city_2024_road_density.csv")
    )
    done = check_up(catalog.sets["checkup-2024"], frame, catalog, places=["qingdao"], years=[2024], as_of=AS_OF)
    known = [row for row in done.results("qingdao", 2024) if row.value is not None]
    assert [(row.number, row.value, row.state) for row in known] == [("38", 8.2768, "met")]
    assert done.total("qingdao", 2024).sentence == "共61项：达标1项，未达标0项，未知52项，无限值或未到期限8项"
    years = evaluate_years(
        catalog.sets["checkup-2024"], frame, catalog, places=["qingdao"], first=2021, last=2025, as_of=AS_OF
    )
    assert [line.values for line in years.lines("qingdao") if line.values] == [{2024: 8.2768}]
