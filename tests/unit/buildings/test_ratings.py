"""Ratings: worked examples, at, above and below each limit; the two forms of the answer agree."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from dafeng.base.errors import InputError
from dafeng.buildings.ratings import RATED_SCHEMA, rate, rate_one
from dafeng.catalog import Catalog, load_catalog

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "ratings.yaml").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_worked_example(case: dict, catalog: Catalog) -> None:
    result = rate_one(case["project"], catalog.ratings[case["rating"]], catalog)
    assert result.applies == case.get("applies", "yes")
    assert (result.grade, result.grade_possible) == (case["grade"], case["possible"])
    if case.get("total") is not None:
        assert result.total == pytest.approx(case["total"], abs=1e-4)
        assert result.total_low == result.total_high == result.total
    else:
        assert result.total is None
    if "bounds" in case:
        assert [result.total_low, result.total_high] == pytest.approx(case["bounds"], abs=1e-4)
    if "missing" in case:
        assert list(result.missing) == case["missing"]
    if "next" in case:
        assert result.next is not None
        assert result.next.grade == case["next"]["grade"]
        assert [gate.id for gate in result.next.gates] == case["next"]["gates"]
        short = case["next"]["short"]
        assert result.next.short_of_total == (None if short is None else pytest.approx(short, abs=1e-6))


def test_every_rating_has_cases_for_every_grade(catalog: Catalog) -> None:
    reached = {(case["rating"], case["grade"]) for case in CASES}
    for name, rating in catalog.ratings.items():
        assert (name, None) in reached or name in ("green-materials", "gbt51350-public")
        assert {grade for known, grade in reached if known == name and grade} <= {each.code for each in rating.grades}


@pytest.mark.parametrize("name", sorted({case["rating"] for case in CASES}))
def test_a_whole_frame_is_rated_like_its_rows(name: str, catalog: Catalog) -> None:
    projects = [case["project"] for case in CASES if case["rating"] == name]
    frame = pl.DataFrame([{"key": str(number), **project} for number, project in enumerate(projects)])
    rated = rate(frame, catalog.ratings[name], catalog)
    assert dict(rated.schema) == RATED_SCHEMA
    single = [rate_one(project, catalog.ratings[name], catalog) for project in projects]
    assert rated["grade"].to_list() == [each.grade for each in single]
    assert rated["total_low"].to_list() == [each.total_low for each in single]
    assert [tuple(names) for names in rated["missing"].to_list()] == [each.missing for each in single]


def test_a_project_without_any_value_is_not_rated_but_named(catalog: Catalog) -> None:
    result = rate_one({}, catalog.ratings["gbt51129"], catalog)
    assert (result.applies, result.grade, result.grade_possible) == ("unknown", None, "AAA")
    assert "building_class" in result.missing
    assert "prefab_absent_points" in result.missing
    assert result.total_high is None


def test_a_value_of_the_wrong_type_is_named(catalog: Catalog) -> None:
    with pytest.raises(InputError, match="prefab_vertical_share = '很高'"):
        rate_one({"prefab_vertical_share": "很高"}, catalog.ratings["gbt51129"], catalog)


def test_figures_that_are_not_verified_are_marked(catalog: Catalog) -> None:
    assert rate_one({}, catalog.ratings["gbt51129"], catalog).pending
    assert not rate_one({}, catalog.ratings["gbt50378"], catalog).pending
