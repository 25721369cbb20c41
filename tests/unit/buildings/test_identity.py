"""Which records may be one thing, and which never are."""

from datetime import date

import polars as pl
import pytest

from dafeng.buildings.identity import candidate_findings, find_candidates, matching_view
from dafeng.catalog import load_catalog
from dafeng.catalog.ledger_schemas import RecordLink
from ledger_builders import small_catalog


def pair(
    first: str, second: str, *, places: tuple[str, str] = ("d", "d"), areas: tuple[float, float] = (9e3, 9e3)
) -> pl.DataFrame:
    return pl.DataFrame(
        {"register": ["p", "q"], "key": ["a", "b"], "name": [first, second], "place": places, "area": areas}
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("幸福里小区一期", "幸福里（一期）项目"),
        ("海尔路实验学校新建工程", "海尔路实验学校"),
        ("金水花园3#楼", "金水花园 3号楼"),
        ("市南区 Ａ 地块商务中心", "市南区A地块商务中心项目"),
    ],
)
def test_names_of_one_thing_are_proposed(first: str, second: str) -> None:
    assert find_candidates(pair(first, second)).select("first", "second").rows() == [("a", "b")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("幸福里小区一期", "幸福里小区二期"),
        ("幸福里小区", "幸福里小区二期"),
        ("金水花园3号楼", "金水花园5号楼"),
        ("实验学校南区", "实验学校北区"),
        ("商务中心A地块", "商务中心B地块"),
        ("第一中学", "妇幼保健院"),
    ],
)
def test_phases_buildings_and_other_names_are_kept_apart(first: str, second: str) -> None:
    assert find_candidates(pair(first, second)).is_empty()


def test_other_places_are_not_compared_and_size_counts() -> None:
    assert find_candidates(pair("幸福里小区", "幸福里项目", places=("d", "e"))).is_empty()
    near = find_candidates(pair("幸福里小区", "幸福里项目"))["score"][0]
    far = find_candidates(pair("幸福里小区", "幸福里项目", areas=(9e3, 9e2)), low=0.5)["score"][0]
    assert near > far
    assert "面积相同" in find_candidates(pair("幸福里小区", "幸福里项目"))["reasons"][0]


def test_a_pair_that_a_person_decided_is_not_proposed_again_and_others_are_asked() -> None:
    link = RecordLink(
        id="x",
        subject="project",
        kind="different",
        former=("a",),
        present=("b",),
        by="某",
        decided_on=date(2026, 1, 1),
        reason="看过",
    )
    things = pair("幸福里小区", "幸福里项目")
    assert find_candidates(things, decided=[link]).is_empty()
    found = candidate_findings(find_candidates(things), small_catalog())
    assert [finding.name for finding in found] == ["buildings.identity.maybe-one"]
    assert "dafeng ledger link same a b" in found[0].next_step
    many = pl.concat([find_candidates(things)] * 5)
    assert len(candidate_findings(many, small_catalog(), most=2)) == 3


def test_nothing_comes_of_nothing() -> None:
    assert find_candidates(pair("", "—")).is_empty()
    assert find_candidates(pair("幸福里", "幸福里").head(0)).is_empty()


TREE = small_catalog().places


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("青岛市市南区金水路学校项目", "金水路学校"),
        ("山东省青岛市市南区金水路学校", "市南区金水路学校新建工程"),
        ("青岛金水路学校", "金水路学校"),
    ],
)
def test_names_of_its_own_places_before_a_name_say_nothing(first: str, second: str) -> None:
    things = pair(first, second, places=("qingdao-shinan", "qingdao-shinan"))
    found = find_candidates(things, places=TREE)
    assert found.select("first", "second").rows() == [("a", "b")]
    assert found["score"][0] > 0.9


def test_a_short_name_of_a_place_stays_where_little_else_is_left_and_other_places_always_stay() -> None:
    own = ("qingdao-shinan", "qingdao-shinan")
    assert find_candidates(pair("青岛花园", "市南花园", places=own), places=TREE, low=0.9).is_empty()
    assert find_candidates(pair("济南市金水学校", "金水学校", places=own), places=TREE, low=0.9).is_empty()
    unknown = pair("青岛市市南区金水路学校", "金水路学校")
    assert find_candidates(unknown, places=TREE).equals(find_candidates(unknown))


def test_yearly_records_of_one_plant_are_no_candidates_but_two_of_one_year_are() -> None:
    things = pl.DataFrame(
        [
            ("w", key, "城阳建筑垃圾处理厂", "d", year)
            for key, year in (("a", 2024), ("b", 2025), ("c", 2025), ("e", None))
        ],
        schema=["register", "key", "name", "place", "year"],
        orient="row",
    )
    pairs = set(find_candidates(things).select("first", "second").rows())
    assert pairs == {("b", "c"), ("a", "e"), ("b", "e"), ("c", "e")}


def test_the_year_of_a_yearly_register_is_compared() -> None:
    registers = load_catalog().registers
    rows = pl.DataFrame({"key": ["a"], "facility_name": ["厂"], "place": ["d"], "record_year": [2024.0]})
    assert matching_view(rows, registers["waste_records"])["year"].to_list() == [2024]
    assert matching_view(rows.drop("record_year"), registers["sewage_plants"])["year"].to_list() == [None]
