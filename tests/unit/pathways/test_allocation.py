"""Targets divided among those below: every method worked by hand, everything unknown or impossible named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_comparison import compare_methods
from dafeng.pathways.allocation_criteria import AllocationMethod, Criterion, CriterionValue, entropy_weights
from dafeng.pathways.allocation_fairness import gini, theil
from dafeng.pathways.allocation_problem import Allocation, AllocationProblem, Member

NAMES = {"a": "甲区", "b": "乙县", "c": "丙市"}


def criterion(name: str = "people", title: str = "常住人口", **values: float) -> Criterion:
    more: dict[str, Any] = {key: values.pop(key) for key in ("weight", "inverse") if key in values}
    return Criterion(
        id=name, title=title, values={key: CriterionValue(value=one) for key, one in values.items()}, **more
    )


PEOPLE = criterion(a=60, b=30, c=10)


def problem(**given: Any) -> AllocationProblem:
    usual: dict[str, Any] = {
        "plan": "p", "target": "t", "label": "改造", "indicator": "retrofit_area", "unit": "万平方米", "kind": "amount",
        "measure": "cumulative", "total": 100, "digit": 1, "start": 2026, "by": 2028, "method": "per_head",
        "criteria": (PEOPLE,), "members": tuple(Member(id=key, name=name) for key, name in NAMES.items()),
    }  # fmt: skip
    return AllocationProblem.model_validate(usual | given)


def names_of(found: Allocation) -> list[str]:
    return [finding.name.rpartition(".")[2] for finding in found.findings]


def test_amounts_by_head_sum_over_places_and_years() -> None:
    found = allocate(problem())
    assert found.values() == {"a": 60, "b": 30, "c": 10}
    # years 34, 33, 33; rows 60, 30, 10: cells are whole parts or one more
    table = [list(share.yearly.values()) for share in found.shares]
    assert [sum(row) for row in table] == [60, 30, 10]
    assert [sum(column) for column in zip(*table, strict=True)] == [34, 33, 33]
    assert found.shares[0].part == 60
    assert found.sum_units() == 100


def test_the_last_digit_is_kept() -> None:
    found = allocate(problem(total=1.0, digit=0.1, criteria=(criterion(a=1, b=1, c=1),)))
    assert found.values() == {"a": 0.4, "b": 0.3, "c": 0.3}
    assert sum(found.values().values()) == pytest.approx(1.0)


def test_an_unknown_criterion_stops_the_division_by_name_and_never_counts_as_zero() -> None:
    found = allocate(problem(criteria=(criterion(a=60, b=30),)))
    assert found.shares == ()
    assert names_of(found) == ["criterion-unknown"]
    assert "丙市" in found.findings[0].sentence
    assert "不按零计" in found.findings[0].sentence


def test_a_place_without_the_criterion_is_set_aside_with_its_own_figure() -> None:
    found = allocate(problem(criteria=(criterion(a=60, b=30),), own={"c": 10}))
    assert found.values() == {"a": 60, "b": 30, "c": 10}
    assert found.shares[2].bound == "own"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"floors": {"a": 70, "b": 40}}, "floors"),
        ({"ceilings": {"a": 10, "b": 10, "c": 10}}, "ceilings"),
        ({"floors": {"a": 70}, "ceilings": {"a": 60}}, "bounds-crossed"),
        ({"floors": {"x": 1}}, "member-unknown"),
        ({"floors": {"a": -1}}, "bound-negative"),
        ({"own": {"a": 70, "b": 31}}, "nothing-left"),
        ({"own": {"a": 50, "b": 20, "c": 20}}, "left-over"),
        ({"own": {"a": 50.5}}, "not-whole"),
        ({"total": 100.5}, "not-whole"),
        ({"total": -1}, "negative-total"),
        ({"members": ()}, "nobody"),
        ({"members": (Member(id="a", name="甲"), Member(id="a", name="甲"))}, "member-twice"),
        ({"method": "same"}, "method"),
        ({"criteria": ()}, "criteria"),
        ({"criteria": (criterion(a=-1, b=2, c=3),)}, "criterion-negative"),
        ({"criteria": (criterion(a=0, b=0, c=0),)}, "criterion-zero"),
        ({"criteria": (criterion(a=0, b=1, c=1, inverse=True),)}, "criterion-zero"),
        ({"start": 2030}, "schedule"),
        ({"schedule": {"shape": "pace"}}, "schedule"),
        ({"schedule": {"shape": "pace", "pace": 150}}, "schedule"),
        ({"schedule": {"shape": "given", "given": {2026: 1}}}, "schedule"),
        ({"method": "weighted", "criteria": (PEOPLE, criterion("area", a=1, b=1, c=1))}, "weights"),
        ({"method": "convergence"}, "criteria"),
        ({"method": "convergence", "criteria": (PEOPLE, PEOPLE), "converge_by": 2020}, "converge-by"),
        ({"increase": True, "measure": "level"}, "present-unknown"),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_named_and_nothing_is_divided(given: dict[str, Any], name: str) -> None:
    found = allocate(problem(**given))
    assert name in names_of(found)
    assert found.shares == ()


def test_only_the_increase_is_divided_and_each_keeps_what_it_has() -> None:
    present = criterion("t", "现值", a=40, b=20, c=10)
    found = allocate(problem(measure="level", increase=True, present=present, floors={"c": 16}))
    # 30 more: the floor takes 6, the rest 24 by 60:30
    assert found.values() == {"a": 56, "b": 28, "c": 16}
    assert [sum(share.yearly.values()) for share in found.shares] == [16, 8, 6]
    late = allocate(problem(measure="level", increase=True, present=criterion("t", "现值", a=90, b=20, c=10)))
    assert names_of(late) == ["nothing-left"]


def test_more_of_an_inverse_criterion_means_less() -> None:
    found = allocate(problem(criteria=(criterion(a=1, b=2, c=4, inverse=True),), total=70))
    assert found.values() == {"a": 40, "b": 20, "c": 10}


def test_convergence_runs_from_present_shares_to_equal_shares_per_head() -> None:
    # present shares 1/2 1/2 0, per head 0.6 0.3 0.1; half way in 2026, there in 2027 and after; 40, 40, 40
    present = criterion("t", "现有", a=50, b=50, c=0)
    found = allocate(problem(method="convergence", criteria=(present, PEOPLE), total=120, converge_by=2027))
    # a: 40 (0.55 + 0.6 + 0.6) = 70, b: 40 (0.4 + 0.3 + 0.3) = 40, c: 40 (0.05 + 0.1 + 0.1) = 10
    assert found.values() == {"a": 70, "b": 40, "c": 10}
    assert [list(share.yearly.values()) for share in found.shares] == [[22, 24, 24], [16, 12, 12], [2, 4, 4]]


def test_historical_responsibility_burdens_by_the_past_and_shares_an_allowance_after_it() -> None:
    past = criterion("past", "历史累计", a=30, b=10, c=0)
    burden = allocate(problem(method="historical", criteria=(past,), total=40))
    assert burden.values() == {"a": 30, "b": 10, "c": 0}
    # ceiling: 40 used, 60 left, 100 by equal heads of 50, 50, 100: level 1/2: 25 - 30 < 0, so a gets 0; then (60 + 10) / 150 a head
    heads = criterion("people", a=50, b=50, c=100)
    allowance = allocate(problem(method="historical", criteria=(past, heads), total=60, comparator="<="))
    assert allowance.values() == {"a": 0, "b": 13, "c": 47}  # 70/150 a head: 23.3 - 10 and 46.7


def test_entropy_weights_of_a_published_example() -> None:
    # Hwang and Yoon 1981, four aircraft by six attributes (as cited in the literature, grade B): the book reckons with shares
    # of four digits and prints these weights
    aircraft = [[2.0, 1500, 20000, 5.5, 5, 9], [2.5, 2700, 18000, 6.5, 3, 5], [1.8, 2000, 21000, 4.5, 7, 7], [2.2, 1800, 20000, 5.0, 5, 5]]  # fmt: skip
    assert entropy_weights(aircraft) == pytest.approx([0.0649, 0.2055, 0.0133, 0.0829, 0.3570, 0.2764], abs=2.1e-3)


def test_entropy_weights_by_hand() -> None:
    # shares 1/2 1/2 say nothing; 1/4 3/4: e = (0.25 ln 4 + 0.75 ln 4/3) / ln 2; all weight on the second
    assert entropy_weights([[5, 1], [5, 3]]).tolist() == pytest.approx([0.0, 1.0], abs=1e-12)
    # 1/4 3/4 and 1/8 7/8
    apart = [1 - sum(-p * math.log2(p) for p in shares) for shares in ((0.25, 0.75), (0.125, 0.875))]
    assert entropy_weights([[1, 1], [3, 7]]).tolist() == pytest.approx([one / sum(apart) for one in apart])
    assert entropy_weights([[2, 3], [2, 3]]).tolist() == [0.5, 0.5]


def test_blends_weigh_shares_not_values() -> None:
    area = criterion("area", "面积", a=100, b=100, c=200, weight=1)
    people = criterion(a=60, b=30, c=10, weight=3)
    found = allocate(problem(method="weighted", criteria=(people, area), total=400))
    # 3/4 of 60, 30, 10 % and 1/4 of 25, 25, 50 %
    assert found.values() == {"a": 205, "b": 115, "c": 80}
    assert found.criterion_weights == {"people": 0.75, "area": 0.25}


@pytest.mark.parametrize(
    ("schedule", "years"),
    [
        ({"shape": "front"}, [45, 30, 15]),
        ({"shape": "back"}, [15, 30, 45]),
        (
            {"shape": "s_curve"},
            [23, 44, 23],
        ),  # 7/27, 13/27, 7/27 of 90: 23.3, 43.3, 23.3; of equal remainders the greater weight
        ({"shape": "pace", "pace": 20}, [25, 30, 35]),
        ({"shape": "given", "given": {2026: 1, 2027: 0, 2028: 2}}, [30, 0, 60]),
    ],
)
def test_schedules(schedule: dict[str, Any], years: list[int]) -> None:
    found = allocate(problem(schedule=schedule, total=90))
    assert [sum(share.yearly[year] for share in found.shares) for year in (2026, 2027, 2028)] == years
    assert [sum(share.yearly.values()) for share in found.shares] == list(found.values().values())


def test_a_yearly_amount_stands_in_every_year() -> None:
    found = allocate(problem(measure="each_year", total=101))
    assert [list(share.yearly.values()) for share in found.shares] == [[61, 61, 61], [30, 30, 30], [10, 10, 10]]


RATE: dict[str, Any] = {
    "kind": "rate", "measure": "level", "unit": "%", "total": 70, "digit": 0.1, "start": None, "criteria": (), "method": "same",
    "weights": criterion("d", "新建面积", a=50, b=30, c=20), "least": 0, "most": 100,
}  # fmt: skip


def test_rates_are_set_so_that_their_weighted_mean_meets_the_parents() -> None:
    found = allocate(problem(**RATE, ceilings={"c": 40}))
    # c holds 40; the others (70 - 8) / 0.8 = 77.5
    assert found.values() == {"a": 77.5, "b": 77.5, "c": 40}
    assert found.mean == 70


def test_rates_by_gap_and_points() -> None:
    present = criterion("t", "现值", a=60, b=40, c=20)
    gap = allocate(problem(**{**RATE, "method": "gap", "present": present}))
    # now 0.5·60 + 0.3·40 + 0.2·20 = 46; gap 54, to be closed by 24/54
    # 77.78, 66.67, 55.56; a and b up make 70.01, so that c may stay down
    assert gap.values() == {"a": 77.8, "b": 66.7, "c": 55.5}
    assert gap.mean == pytest.approx(70.01)
    points = allocate(problem(**{**RATE, "method": "points", "present": present}))
    assert points.values() == {"a": 84, "b": 64, "c": 44}


def test_rates_that_should_fall_stay_on_the_safe_side() -> None:
    present = criterion("t", "现值", a=12, b=10, c=9)
    found = allocate(
        problem(**{**RATE, "total": 8, "comparator": "<=", "direction": "down", "method": "gap", "present": present})
    )
    assert found.mean is not None
    assert 8 - 0.1 < found.mean <= 8
    assert all(share.value < now for share, now in zip(found.shares, (12, 10, 9), strict=True))


def test_rates_need_their_denominator_unless_all_are_the_same() -> None:
    bare = {**RATE, "weights": None}
    assert allocate(problem(**bare)).values() == {"a": 70, "b": 70, "c": 70}
    assert names_of(allocate(problem(**bare, floors={"a": 80}))) == ["weight-unknown"]
    assert names_of(allocate(problem(**{**RATE, "weights": criterion("d", a=1, b=0, c=1)}))) == ["weight-zero"]
    assert "present-unknown" in names_of(allocate(problem(**{**RATE, "method": "gap"})))
    assert names_of(allocate(problem(**RATE, ceilings={"a": 60, "b": 60, "c": 60}))) == ["ceilings"]


def test_limits_and_events_hold_everywhere() -> None:
    limit = allocate(problem(kind="limit", measure="limit", total=8.5, criteria=()))
    assert limit.values() == {"a": 8.5, "b": 8.5, "c": 8.5}
    none = allocate(problem(kind="limit", measure="limit", total=0, criteria=(), own={"b": 2}))
    assert none.values() == {"a": 0, "b": 2, "c": 0}
    assert len(allocate(problem(kind="event", measure="milestone", total=None, criteria=())).shares) == 3


def zoned(**values: float) -> Allocation:
    zones = (
        Member(id="z", name="高新区", on_ground_of=("a", "b")),
        Member(id="y", name="新城", on_ground_of=("b",)),
        Member(id="x", name="新区", on_ground_of=("b", "q")),
    )
    return allocate(problem(zones=zones, criteria=(criterion(a=60, b=30, c=10, **values),)))


def test_zones_are_carved_out_of_divisions_and_never_summed() -> None:
    found = zoned(z=45, y=6)
    assert found.sum_units() == 100
    assert {zone.zone: zone.value for zone in found.zones} == {"z": 45, "y": 6}
    assert names_of(found) == ["zone-unknown"]  # x lies on ground that takes no part
    assert "zone-larger" in names_of(zoned(z=91, y=6))
    assert "zones-overlap" in names_of(zoned(z=88, y=6))


def test_fairness_by_hand() -> None:
    # per head 1, 2, 3 over equal heads: Gini 2/9; Theil Σ s ln(3 s), s = 1/6, 1/3, 1/2
    assert gini([1, 2, 3], [1, 1, 1]) == pytest.approx(2 / 9)
    assert theil([1, 2, 3], [1, 1, 1]) == pytest.approx(math.log(0.5) / 6 + math.log(1.5) / 2)
    assert gini([0, 0], [1, 1]) is None


def test_methods_stand_side_by_side_with_ranges_and_reasons() -> None:
    area = criterion("area", "面积", a=10, b=10, c=80)
    present = criterion("t", "现值", a=30, b=30, c=40)
    asked = problem(present=present)
    found = compare_methods(
        asked,
        [
            (AllocationMethod.PER_HEAD, (PEOPLE,)),
            (AllocationMethod.PER_AREA, (area,)),
            (AllocationMethod.GRANDFATHERING, (criterion("t", "现值", a=1),)),
        ],
        measures=(PEOPLE, area),
    )
    head, land, old = found.rows
    assert found.ranges == {"a": (10, 60), "b": (10, 30), "c": (10, 80)}
    assert head.ranks == {"a": 1, "b": 2, "c": 3}
    assert head.change == pytest.approx({"a": 100, "b": 0, "c": -75})
    assert head.fairness[0].gini == pytest.approx(0)
    assert land.fairness[0].ratio == pytest.approx(8 / (1 / 6))  # c has 8 a head, a 1/6
    assert "乙县" in old.reason
    assert old.values == {}


def test_shares_are_listed_by_official_code_and_those_without_one_last() -> None:
    codes = {"a": "", "b": "370203", "c": "370202"}
    given = problem()
    coded = given.model_copy(
        update={"members": tuple(one.model_copy(update={"code": codes[one.id]}) for one in given.members)}
    )
    assert [share.member for share in allocate(coded).shares] == ["c", "b", "a"]
    assert allocate(coded).values() == allocate(given).values()
