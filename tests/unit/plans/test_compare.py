"""A plan against its parents: direction, unit, deadline and boundary decide, and a missing middle stays missing."""

from typing import Any

import pytest

from assessment_builders import small_catalog, small_plan
from dafeng.catalog import load_catalog
from dafeng.plans import Comparison, ComparisonRow, Relation, compare_with_parents

RAIL = {"indicator": "rail", "value": 500, "unit": "公里", "by": 2030, "measure": "level"}
WASTE = {"indicator": "waste", "comparator": "<=", "value": 300, "unit": "吨/万平方米", "by": 2030, "measure": "level"}
LOSS = {
    "indicator": "heat_loss", "comparator": "=", "value": 5, "unit": "个百分点", "by": 2030, "measure": "change",
    "base": {"year": 2020}, "change": "decrease",
}  # fmt: skip
SYSTEM = {"indicator": "system", "by": 2030, "measure": "milestone", "boundary": "whole_field"}


def compare(child: dict[str, Any] | None, parent: dict[str, Any] | None) -> Comparison:
    city = small_plan(*([child] if child else []))
    province = small_plan(*([parent] if parent else []), plan="province-2023", place="province")
    return compare_with_parents(city, small_catalog(city, province))


def row(child: dict[str, Any] | None, parent: dict[str, Any] | None) -> ComparisonRow:
    (found,) = (item for item in compare(child, parent).rows if item.level == "province")
    return found


@pytest.mark.parametrize(
    ("child", "parent", "relation"),
    [
        ({**RAIL, "value": 501}, RAIL, Relation.STRICTER),
        (RAIL, RAIL, Relation.EQUAL),
        ({**RAIL, "value": 0.5, "unit": "千公里"}, RAIL, Relation.EQUAL),
        ({**RAIL, "value": 499}, RAIL, Relation.LOOSER),
        ({**RAIL, "comparator": ">"}, RAIL, Relation.STRICTER),
        (RAIL, {**RAIL, "comparator": ">"}, Relation.LOOSER),
        ({**WASTE, "value": 200}, WASTE, Relation.STRICTER),
        ({**WASTE, "value": 400}, WASTE, Relation.LOOSER),
        ({**WASTE, "comparator": "="}, WASTE, Relation.EQUAL),
        ({**LOSS, "value": 6}, LOSS, Relation.STRICTER),
        ({**LOSS, "unit": "%"}, LOSS, Relation.NOT_COMPARABLE),
        ({**LOSS, "base": {"year": 2021}}, LOSS, Relation.NOT_COMPARABLE),
        (SYSTEM, SYSTEM, Relation.EQUAL),
        ({**SYSTEM, "boundary": "direct"}, SYSTEM, Relation.NOT_COMPARABLE),
        ({**RAIL, "measure": "limit", "by": None}, {**RAIL, "measure": "limit", "by": None}, Relation.EQUAL),
        ({**RAIL, "value": 1, "value_max": 3}, {**RAIL, "value": 0, "value_max": 4}, Relation.STRICTER),
        ({**RAIL, "value": 0, "value_max": 4}, {**RAIL, "value": 1, "value_max": 3}, Relation.LOOSER),
        ({**RAIL, "value": 0, "value_max": 4}, {**RAIL, "value": 1, "value_max": 5}, Relation.NOT_COMPARABLE),
        ({**RAIL, "value": 0, "value_max": 4}, RAIL, Relation.NOT_COMPARABLE),
        ({**RAIL, "comparator": "<="}, RAIL, Relation.NOT_COMPARABLE),
        ({**RAIL, "unit": "平方公里"}, RAIL, Relation.NOT_COMPARABLE),
    ],
)
def test_values_are_compared_in_one_unit_and_by_direction(
    child: dict[str, Any], parent: dict[str, Any], relation: Relation
) -> None:
    assert row(child, parent).relation is relation


@pytest.mark.parametrize(
    ("child", "parent", "deadline", "says"),
    [
        ({**RAIL, "by": 2025}, RAIL, "earlier", "期限早于上级；数值与上级一致"),
        ({**RAIL, "by": 2035, "value": 600}, RAIL, "later", "期限晚于上级；数值严于上级"),
        ({**RAIL, "by": None}, RAIL, "only_parent", "上级有期限，本方案未写；数值与上级一致"),
        (RAIL, {**RAIL, "by": None}, "only_child", "本方案有期限，上级未写；数值与上级一致"),
        ({**SYSTEM, "by": 2025}, SYSTEM, "earlier", "期限早于上级"),
    ],
)
def test_another_deadline_is_said_with_which_is_earlier_and_which_value_is_stricter(
    child: dict[str, Any], parent: dict[str, Any], deadline: str, says: str
) -> None:
    found = row(child, parent)
    assert found.relation is Relation.DIFFERENT_DEADLINE
    assert found.deadline_relation is not None
    assert (found.deadline_relation.value, found.note) == (deadline, says)


def test_other_extents_classes_and_bases_are_named() -> None:
    green = {"indicator": "leakage", "comparator": "<=", "value": 8, "unit": "%", "by": 2030, "measure": "level"}
    child = {**green, "extent": "main_urban", "building_class": "public", "basis": "basic"}
    found = row(child, {**green, "basis": "comprehensive"})
    assert found.differences == (
        "建筑类别不同：公共建筑，上级为all", "范围不同：主城区，上级为全域", "口径不同：漏损率，上级为综合漏损率",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("child", "parent", "differences"),
    [
        ({}, {"scope": "全国"}, ("上级指全国总体，不是对各地的要求",)),
        ({}, {"scope": "地级以上重点城市"}, ("对象不同：上级限于地级以上重点城市",)),
        ({"scope": "全市"}, {"scope": "城镇"}, ("对象不同：上级限于城镇，本方案为全市",)),
        ({"label": "城镇轨道里程"}, {"scope": "城镇"}, ()),
        ({"scope": "全市"}, {}, ()),
    ],
)
def test_a_scope_that_the_parent_names_and_the_plan_does_not_is_said(
    child: dict[str, Any], parent: dict[str, Any], differences: tuple[str, ...]
) -> None:
    found = row({**RAIL, **child}, {**RAIL, **parent})
    assert found.differences == differences
    assert found.relation is Relation.EQUAL


def test_two_different_classes_are_never_compared() -> None:
    comparison = compare({**RAIL, "building_class": "public"}, {**RAIL, "building_class": "residential"})
    rows = [item for item in comparison.rows if item.level == "province"]
    assert [item.relation for item in rows] == [Relation.ADDED, Relation.MISSING]
    assert "同一指标" in rows[1].note


def test_what_the_parent_lacks_is_added_and_what_the_plan_lacks_is_missing() -> None:
    assert row(RAIL, None).relation is Relation.ADDED
    missing = row(None, RAIL)
    assert (missing.relation, missing.target, missing.parent_target) == (Relation.MISSING, None, "target-0")


def test_soft_aims_are_marked_and_not_counted() -> None:
    comparison = compare(None, {**RAIL, "soft": True})
    assert comparison.rows[0].soft
    assert comparison.counts("province") == {}


def test_the_target_of_the_same_year_is_taken_where_the_parent_has_several() -> None:
    city = small_plan({**RAIL, "by": 2025, "value": 360})
    province = small_plan(RAIL, {**RAIL, "by": 2025, "value": 350}, plan="province-2023", place="province")
    (found,) = (r for r in compare_with_parents(city, small_catalog(city, province)).rows if r.level == "province")
    assert (found.parent_target, found.relation) == ("target-1", Relation.STRICTER)


def test_a_level_without_a_plan_is_a_missing_link_and_the_next_is_compared_all_the_same() -> None:
    city = small_plan(RAIL)
    nation = small_plan(RAIL, plan="national-2022", place="cn")
    comparison = compare_with_parents(city, small_catalog(city, nation))
    assert [(level.place, level.plan) for level in comparison.levels] == [("province", None), ("cn", "national-2022")]
    assert [item.relation for item in comparison.rows] == [Relation.LEVEL_UNKNOWN, Relation.EQUAL]


def test_the_table_has_a_row_of_words_for_each_row() -> None:
    city = small_plan(RAIL)
    table = compare_with_parents(city, small_catalog(city)).table(small_catalog())
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert table.rows[0][0] == "甲省"
    assert table.rows[0][-2] == "该级方案未收录"


def test_the_nation_has_no_parent() -> None:
    catalog = load_catalog()
    assert compare_with_parents(catalog.plan("national-2022"), catalog).levels == ()


def test_qingdao_lacks_the_link_of_shandong_and_differs_from_the_nation_where_the_plans_say_so() -> None:
    catalog = load_catalog()
    comparison = compare_with_parents(catalog.plan("qingdao-2024"), catalog)
    nation = {item.target: item for item in comparison.rows if item.level == "cn" and item.target}
    assert {item.relation for item in comparison.rows if item.level == "shandong"} == {Relation.LEVEL_UNKNOWN}
    assert nation["green-space-2030"].relation is Relation.STRICTER
    assert nation["renewable-2025"].relation is Relation.STRICTER
    assert nation["lamps-2030"].relation is Relation.LOOSER
    assert nation["heat-loss-2030"].relation is Relation.EQUAL
    assert nation["rail-2030"].relation is Relation.ADDED


def test_the_peak_of_jilin_is_not_comparable_with_that_of_the_nation_for_its_boundary_is_narrower() -> None:
    catalog = load_catalog()
    comparison = compare_with_parents(catalog.plan("jilin-2023"), catalog)
    peak = next(item for item in comparison.rows if item.target == "peak-2030")
    assert peak.relation is Relation.NOT_COMPARABLE
    assert peak.differences == ("碳排放边界不同：直接排放，上级为城乡建设领域",)
