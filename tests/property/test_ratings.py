"""Laws of ratings: a missing value that is filled in never contradicts what was decided; more points never lower a grade."""

from hypothesis import given
from hypothesis import strategies as st

from dafeng.buildings.ratings import rate_one
from dafeng.catalog import load_catalog

CATALOG = load_catalog()
PREFABRICATION = CATALOG.ratings["gbt51129"]
SHARES = [field for field in CATALOG.fields if field.startswith("prefab_") and field.endswith("_share")]
GRADES = [None, *(grade.code for grade in PREFABRICATION.grades)]

complete = st.fixed_dictionaries(
    {name: st.sampled_from([0.0, 35.0, 50.0, 65.0, 70.0, 80.0, 90.0, 100.0]) for name in SHARES}
    | {"prefab_absent_points": st.sampled_from([0.0, 12.0]), "fully_fitted": st.booleans()}
).map(lambda project: {"building_class": "residential", **project})


@given(complete, st.sets(st.sampled_from([*SHARES, "fully_fitted", "prefab_absent_points", "building_class"])))
def test_what_is_decided_with_gaps_stays_when_they_are_filled(project: dict, gaps: set[str]) -> None:
    known = {name: value for name, value in project.items() if name not in gaps}
    less, more = (rate_one(each, PREFABRICATION, CATALOG) for each in (known, project))
    assert GRADES.index(less.grade) <= GRADES.index(more.grade) <= GRADES.index(less.grade_possible)
    if less.total_low is not None and less.total_high is not None:
        assert less.total_low - 1e-9 <= more.total <= less.total_high + 1e-9
    assert set(less.missing) <= gaps
    if less.grade != less.grade_possible:
        assert less.missing


@given(complete, st.sampled_from(SHARES), st.floats(0, 100))
def test_a_larger_share_never_lowers_the_grade(project: dict, name: str, more: float) -> None:
    before = rate_one(project, PREFABRICATION, CATALOG)
    after = rate_one({**project, name: max(project[name], more)}, PREFABRICATION, CATALOG)
    assert GRADES.index(after.grade) >= GRADES.index(before.grade)
    assert after.total >= before.total - 1e-9


@given(complete)
def test_what_the_next_grade_takes_gives_the_next_grade(project: dict) -> None:
    result = rate_one(project, PREFABRICATION, CATALOG)
    if result.next is None:
        assert result.grade == "AAA"
    else:
        assert result.next.short_of_total > 0 or result.next.gates
        assert GRADES.index(result.next.grade) == GRADES.index(result.grade) + 1
