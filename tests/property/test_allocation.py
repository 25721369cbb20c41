"""Laws of division: sums exact both ways, order without effect, bounds kept, monotone in the criterion as claimed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dafeng.pathways.allocation import allocate
from dafeng.pathways.allocation_criteria import AllocationMethod, Criterion, CriterionValue
from dafeng.pathways.allocation_problem import Allocation, AllocationProblem, Member, units_of
from dafeng.pathways.allocation_rates import rate_units, real_rates
from dafeng.pathways.allocation_rounding import RoundingRule, divide_units, round_table

weights = st.lists(st.integers(0, 500).map(Fraction), min_size=2, max_size=7).filter(any)
rules = st.sampled_from(list(RoundingRule))
values = st.floats(0.01, 1e6, allow_nan=False)


@st.composite
def bounded(draw: Any) -> tuple[list[Fraction], int, list[int], list[int | None]]:
    """Return weights, a total and bounds that allow it."""
    given = [one + 1 for one in draw(weights)]
    low = [draw(st.integers(0, 20)) for _ in given]
    high = [draw(st.one_of(st.none(), st.integers(floor, floor + 30))) for floor in low]
    most = sum(one for one in high if one is not None) + (500 if None in high else 0)
    return given, draw(st.integers(sum(low), most)), low, high


@given(bounded(), rules)
def test_units_sum_to_the_total_within_bounds(case: Any, rule: RoundingRule) -> None:
    given, total, low, high = case
    names = [str(place) for place in range(len(given))]
    units = divide_units(given, total, names=names, floors=low, ceilings=high, rule=rule)
    assert sum(units) == total
    assert all(
        least <= one and (most is None or one <= most) for one, least, most in zip(units, low, high, strict=True)
    )


@given(bounded(), rules, st.randoms(use_true_random=False))
def test_the_order_of_places_has_no_effect(case: Any, rule: RoundingRule, random: Any) -> None:
    given, total, low, high = case
    names = [str(place) for place in range(len(given))]
    units = dict(zip(names, divide_units(given, total, names=names, floors=low, ceilings=high, rule=rule), strict=True))
    order = list(range(len(given)))
    random.shuffle(order)
    turned = divide_units(
        [given[at] for at in order], total, names=[names[at] for at in order], floors=[low[at] for at in order],
        ceilings=[high[at] for at in order], rule=rule,
    )  # fmt: skip
    assert dict(zip([names[at] for at in order], turned, strict=True)) == units


@given(weights, st.integers(0, 400), rules)
def test_of_two_places_the_one_of_greater_weight_gets_no_less(
    given: list[Fraction], total: int, rule: RoundingRule
) -> None:
    units = divide_units(given, total, names=[str(place) for place in range(len(given))], rule=rule)
    assert all(units[i] >= units[j] for i in range(len(given)) for j in range(len(given)) if given[i] > given[j])


@given(bounded(), rules, st.integers(1, 300), st.integers(0, 6))
def test_where_one_weight_rises_alone_its_share_does_not_fall(
    case: Any, rule: RoundingRule, more: int, which: int
) -> None:
    given, total, low, high = case
    at = which % len(given)
    names = [str(place) for place in range(len(given))]
    before = divide_units(given, total, names=names, floors=low, ceilings=high, rule=rule)
    raised = [one + more if place == at else one for place, one in enumerate(given)]
    assert divide_units(raised, total, names=names, floors=low, ceilings=high, rule=rule)[at] >= before[at]


@given(weights, st.integers(0, 300))
def test_under_the_divisor_rule_no_share_falls_when_the_total_grows(given: list[Fraction], total: int) -> None:
    names = [str(place) for place in range(len(given))]
    now, then = (divide_units(given, one, names=names, rule=RoundingRule.DIVISOR) for one in (total, total + 1))
    assert all(after >= before for before, after in zip(now, then, strict=True))


@given(weights, st.lists(st.integers(1, 9).map(Fraction), min_size=1, max_size=8), st.integers(1, 5000))
def test_tables_keep_every_row_and_column_and_stay_within_a_unit(
    places: list[Fraction], years: list[Fraction], total: int
) -> None:
    rows = divide_units(places, total, names=[f"{place:02d}" for place in range(len(places))])
    columns = divide_units(years, total, names=[f"{year:02d}" for year in range(len(years))])
    table = [[Fraction(row * column, total) for column in columns] for row in rows]
    found = round_table(table)
    assert found.sum(axis=1).tolist() == rows
    assert found.sum(axis=0).tolist() == columns
    assert all(
        0 <= int(cell) - exact.__floor__() <= (exact.denominator > 1)
        for line, goal in zip(found, table, strict=True)
        for cell, exact in zip(line, goal, strict=True)
    )


def division(people: list[float], land: list[float], **more: Any) -> Allocation:
    names = [f"p{place}" for place in range(len(people))]
    given = [
        Criterion(id=name, title=name, values={one: CriterionValue(value=value) for one, value in zip(names, column, strict=True)})
        for name, column in (("people", people), ("land", land))
    ]  # fmt: skip
    usual: dict[str, Any] = {
        "plan": "p", "target": "t", "label": "改造", "indicator": "i", "kind": "amount", "measure": "cumulative", "digit": 0.1,
        "start": 2026, "by": 2030, "method": "entropy", "criteria": tuple(given), "members": tuple(Member(id=one, name=one) for one in names),
    }  # fmt: skip
    return allocate(AllocationProblem.model_validate(usual | more))


@given(st.lists(st.tuples(values, values), min_size=2, max_size=6), st.integers(0, 100_000), st.sampled_from(["linear", "front", "back", "s_curve"]))  # fmt: skip
def test_blends_and_convergence_sum_over_places_and_years(
    rows: list[tuple[float, float]], tenths: int, shape: str
) -> None:
    people, land = [list(column) for column in zip(*rows, strict=True)]
    total = tenths / 10
    for method in ("entropy", "convergence"):
        found = division(people, land, total=total, method=method, schedule={"shape": shape})
        assert not found.findings
        assert found.sum_units() == tenths
        table = [[units_of(value, 0.1) for value in share.yearly.values()] for share in found.shares]
        assert [sum(row) for row in table] == [units_of(share.value, 0.1) for share in found.shares]
        assert min(min(row) for row in table) >= 0
        assert sum(map(sum, table)) == tenths


@given(st.lists(st.tuples(values, values), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_blends_do_not_depend_on_the_order_of_places(rows: list[tuple[float, float]], random: Any) -> None:
    people, land = [list(column) for column in zip(*rows, strict=True)]
    whole = division(people, land, total=1000.0)
    members = list(whole.problem.members)
    random.shuffle(members)
    assert allocate(whole.problem.model_copy(update={"members": tuple(members)})) == whole


@given(st.lists(st.tuples(values, values), min_size=2, max_size=6))
def test_a_place_that_has_no_less_of_anything_gets_no_less(rows: list[tuple[float, float]]) -> None:
    people, land = [list(column) for column in zip(*rows, strict=True)]
    shares = [share.value for share in division(people, land, total=500.0).shares]
    assert all(
        shares[i] >= shares[j]
        for i in range(len(rows))
        for j in range(len(rows))
        if people[i] > people[j] and land[i] > land[j]
    )


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(0, 1000)), min_size=1, max_size=6),
    st.integers(1, 999),
    st.booleans(),
)
def test_rates_meet_the_mean_on_the_safe_side_by_less_than_a_step_of_the_heaviest(
    rows: list[tuple[int, int]], tenths: int, falling: bool
) -> None:
    load = [Fraction(weight) for weight, _ in rows]
    now = [Fraction(present) for _, present in rows]
    names = [str(place) for place in range(len(rows))]
    low, high = [Fraction(0)] * len(rows), [Fraction(1000)] * len(rows)
    goal = Fraction(tenths)
    rates = real_rates(
        AllocationMethod.POINTS, goal, weights=load, present=now, floors=low, ceilings=high, falling=falling
    )
    whole = sum(load)
    assert sum(weight * rate for weight, rate in zip(load, rates, strict=True)) == goal * whole
    units = rate_units(rates, goal, weights=load, names=names, falling=falling)
    mean = sum(weight * one for weight, one in zip(load, units, strict=True)) / whole
    away = goal - mean if falling else mean - goal
    assert 0 <= away < max(load) / whole
