"""Joining plan, model and programme: what a plan asks as conditions by hand, rounds until the model confirms, what an answer says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dafeng.catalog import load_catalog
from dafeng.pathways.portfolio import NoPortfolio, Portfolio, find_portfolio
from dafeng.pathways.portfolio_answers import Evaluator, duties, level_uses, model_front, what_must_hold
from dafeng.pathways.portfolio_assembly import fixed_rows, result_of
from dafeng.pathways.portfolio_conditions import LinearResult, plan_conditions
from dafeng.pathways.portfolio_duties import modelled_duties
from dafeng.pathways.portfolio_effects import measured
from dafeng.pathways.portfolio_infeasible import relax
from dafeng.pathways.portfolio_levels import run_levels
from dafeng.pathways.portfolio_place import PortfolioPlace, hold_from, overlapping, portfolio_place, select_measures
from dafeng.pathways.portfolio_problem import ConditionKind
from dafeng.pathways.portfolio_programme import PortfolioRequest
from dafeng.pathways.quantities import read_inputs
from dafeng.pathways.scenarios import resolve_scenario

FEW = (
    "code_compliance", "longer_life", "prefabricated", "heat_network_renewal", "waste_heat", "solar_water", "roof_pv_public", "submetering",
    "leakage_control", "electric_kitchens",
)  # fmt: skip
CATALOG = load_catalog()


def place_of(place: str, plan: str, measures: tuple[str, ...] = FEW) -> PortfolioPlace:
    return portfolio_place(CATALOG, read_inputs(CATALOG, place), CATALOG.plans[plan], first=2027, measures=measures)


@pytest.fixture(scope="module")
def qingdao() -> PortfolioPlace:
    return place_of("qingdao", "qingdao-2024")


@pytest.fixture(scope="module")
def found(qingdao: PortfolioPlace) -> Portfolio:
    answer = find_portfolio(CATALOG, [qingdao], PortfolioRequest("whole_field", peak_by=2030))
    assert isinstance(answer, Portfolio)
    return answer


# -- which measures are choices ------------------------------------------------------------------------------------------


def test_of_two_measures_that_do_the_same_the_plan_s_own_stays_and_else_the_narrower() -> None:
    names = (
        "ultra_low_public",
        "ultra_low_buildings",
        "roof_pv_public",
        "public_retrofit_rate",
        "public_retrofit_area",
    )
    pairs = {frozenset(pair) for pair in overlapping(CATALOG, names)}
    assert pairs == {
        frozenset({"ultra_low_public", "ultra_low_buildings"}),
        frozenset({"public_retrofit_rate", "public_retrofit_area"}),
    }
    free = select_measures(CATALOG, None)
    assert free.overlapped["ultra_low_buildings"] in ("ultra_low_residential", "ultra_low_public")
    jilin = resolve_scenario(CATALOG, "plan-full", place="jilin", plan="jilin-2023")
    assert {"ultra_low_public", "ultra_low_residential"} <= set(select_measures(CATALOG, jilin).measures)


def test_a_measure_without_a_cost_is_no_choice_and_kept_where_the_plan_asks_for_it() -> None:
    asked = resolve_scenario(CATALOG, "plan-full", place="qingdao", plan="qingdao-2024")
    kept = {one.measure: one.kept for one in select_measures(CATALOG, asked).uncosted}
    assert kept["green_materials"]
    assert not kept["efficient_appliances"]
    assert "green_materials" not in select_measures(CATALOG, asked).measures
    assert "waste_heat" not in select_measures(CATALOG, asked, without=("waste_heat",)).measures


def test_what_carries_a_result_holds_its_level_of_the_year_before() -> None:
    ready = portfolio_place(
        CATALOG, read_inputs(CATALOG, "jilin"), CATALOG.plans["jilin-2023"], first=2027, measures=FEW
    )
    assert ready.held == ("electrification",)
    item = next(one for one in ready.choices.resolved.measures if one.measure.id == "electrification")
    at = 2026 - 1950
    assert item.weight[at] == pytest.approx(0.6), "six of ten years from 2020 to 2030"
    assert (item.weight[at:] == item.weight[at]).all()
    free = hold_from(ready.full, (), 2027)
    assert free.measures == ready.full.measures


# -- what the plan asks --------------------------------------------------------------------------------------------------


def test_levels_of_a_plan_by_hand(qingdao: PortfolioPlace) -> None:
    """A stock is asked for in its year, a share of new buildings from its date on, a due total is past."""
    assert qingdao.plan is not None
    assert qingdao.asked is not None
    asked = plan_conditions(CATALOG, qingdao.plan, qingdao.asked, qingdao.choices, qingdao.plan_levels)
    rows = {(qingdao.choices.names[one.measures[0]], 2027 + int(one.years[0])): one for one in asked.conditions}
    network = [year for name, year in rows if name == "heat_network_renewal"]
    assert network == [2030]
    assert rows["heat_network_renewal", 2030].lower == pytest.approx(0.8)
    assert rows["heat_network_renewal", 2030].says == "城市供热管网热损失：供热管网更新2030年不低于80%"
    built = sorted(year for name, year in rows if name == "prefabricated")
    assert built == list(range(2027, 2061))
    assert {rows["prefabricated", year].lower for year in built} == {0.5}
    water = rows["leakage_control", 2030]
    own = qingdao.choices.own[qingdao.choices.row("leakage_control"), 2030 - 1950]
    assert water.lower == pytest.approx(own - 0.079), "how far below its own value"
    assert "不高于7.9%" in water.says
    assert "qingdao-2024#retrofit-area-2025" in asked.past
    assert "green_materials" in asked.carried
    assert all(one.kind is ConditionKind.TARGET for one in asked.conditions)


def test_a_result_is_a_condition_on_whatever_brings_it_about() -> None:
    """Electricity over 65 %: 60 % at the reference, 5 points a unit of one measure, which stands at 0.2 there."""
    ready = place_of("jilin", "jilin-2023")
    assert ready.plan is not None
    assert ready.asked is not None
    slope = np.zeros(ready.choices.floor.shape)
    slope[4, 3] = 5.0
    reference = np.zeros_like(slope)
    reference[4, 3] = 0.2
    asked = plan_conditions(
        CATALOG, ready.plan, ready.asked, ready.choices, ready.plan_levels, place=1,
        results={"electrification": LinearResult(60.0, slope)}, reference=reference,
    )  # fmt: skip
    (row,) = [one for one in asked.conditions if "electricity_share" in one.name]
    assert (row.places.tolist(), row.measures.tolist(), row.years.tolist()) == ([1], [4], [3])
    assert row.coefficients.tolist() == [5.0]
    assert row.lower == pytest.approx(65.0 - 60.0 + 5.0 * 0.2)
    assert row.unit == "percent"


def test_a_sum_over_years_counts_what_was_before(qingdao: PortfolioPlace) -> None:
    effects = measured(qingdao.choices, qingdao.choices.floor)
    assert qingdao.asked is not None
    meets = qingdao.asked.meets["existing_retrofit_area"].model_copy(update={"year": 2028, "since": 2021})
    at = effects.results.index("retrofit_area_total")
    by_hand = effects.past_results[at, -6:].sum() + effects.result_base[at, :2].sum()
    assert result_of(effects, meets).value == pytest.approx(by_hand)


# -- programme and model -------------------------------------------------------------------------------------------------


def test_the_model_confirms_the_portfolio(found: Portfolio, qingdao: PortfolioPlace) -> None:
    assert found.confirmed
    assert found.chosen.difference <= 0.005
    outcome = run_levels(qingdao.choices, found.solution.levels[0])
    emitted = outcome.view("whole_field")[27:, 0]
    assert found.emissions("whole_field")[0] == pytest.approx(emitted)
    assert (emitted[4:] <= emitted[3] * 1.001).all(), "no year after 2030 above it"
    for condition in found.problem.conditions:
        value = condition.coefficients @ found.solution.levels[condition.places, condition.measures, condition.years]
        assert condition.lower - 1e-6 * max(1, abs(condition.lower)) <= value, condition.name
    assert found.solution.residuals.worst <= 1e-6


def test_the_portfolio_costs_no_more_than_the_plan_s_own_measures(found: Portfolio, qingdao: PortfolioPlace) -> None:
    evaluator = Evaluator(CATALOG, found)
    best = evaluator.worth(found.solution.levels[0])
    plan = evaluator.worth(np.maximum(qingdao.plan_levels, evaluator.zero))
    assert best.net < plan.net
    nothing = evaluator.worth(evaluator.zero)
    assert nothing.net == 0.0
    assert nothing.emissions[found.problem.views.index("whole_field")] == pytest.approx(found.trend("whole_field")[0])


def test_what_has_no_cost_of_its_own_stands_as_the_plan_has_it(found: Portfolio, qingdao: PortfolioPlace) -> None:
    rows = fixed_rows(qingdao, found.costs[0])
    names = {name for name, fixed in zip(qingdao.choices.names, rows, strict=True) if fixed}
    assert names == {"longer_life", "electric_kitchens"}
    assert found.solution.levels[0][rows] == pytest.approx(qingdao.plan_levels[rows])
    assert not found.problem.cost[0][rows].any()
    why = {one.measure: one for one in found.problem.uncosted}
    assert why["longer_life"].kept
    assert "别处" in why["longer_life"].why
    assert not why["electric_kitchens"].kept


def test_a_level_out_of_reach_is_answered_by_the_least_that_would_do(qingdao: PortfolioPlace) -> None:
    request = PortfolioRequest("whole_field", peak_by=2030, level=1.5e7, level_from=2030)
    none = find_portfolio(CATALOG, [qingdao], request)
    assert isinstance(none, NoPortfolio)
    least = none.infeasible.relaxation("level")
    assert least is not None
    assert least.enough
    assert least.confirmed
    assert "由情景模型证实" in none.infeasible.says
    said = 1.001 * least.bounds["level"]
    answer = find_portfolio(CATALOG, [qingdao], replace(request, level=said), withdraw=False)
    assert isinstance(answer, Portfolio)
    assert answer.confirmed
    assert answer.emissions("whole_field")[0, 3:].max() <= said * 1.005


def test_a_budget_too_small_is_answered_by_one_that_the_model_confirms(qingdao: PortfolioPlace) -> None:
    request = PortfolioRequest("whole_field", peak_by=2030, budgets={None: 1e9})
    none = find_portfolio(CATALOG, [qingdao], request, withdraw=False)
    assert isinstance(none, NoPortfolio)
    more = none.infeasible.relaxation("budget")
    assert more is not None
    assert more.confirmed
    _, granted = relax(none.problem, request, more, share=1.001)
    answer = find_portfolio(CATALOG, [qingdao], granted, withdraw=False)
    assert isinstance(answer, Portfolio)
    assert answer.confirmed
    other = none.infeasible.relaxation("target")
    assert other is not None
    assert not other.confirmed


def test_places_share_a_budget() -> None:
    both = [
        place_of(place, plan, ("prefabricated", "waste_heat", "roof_pv_public"))
        for place, plan in (("qingdao", "qingdao-2024"), ("jilin", "jilin-2023"))
    ]
    asked = PortfolioRequest("building_operation")
    free = find_portfolio(CATALOG, both, asked, most_rounds=1, withdraw=False)
    assert isinstance(free, Portfolio)
    assert free.problem.places == ("qingdao", "jilin")
    names = [one.name for one in free.problem.conditions]
    assert len(set(names)) == len(names)
    spent = float(free.solution.spending.sum())
    less = find_portfolio(CATALOG, both, replace(asked, budgets={None: 0.97 * spent}), most_rounds=1, withdraw=False)
    assert isinstance(less, Portfolio)
    assert float(less.solution.spending.sum()) <= 0.97 * spent * (1 + 1e-6)
    assert less.solution.cost >= free.solution.cost


# -- what it says --------------------------------------------------------------------------------------------------------


def test_duties_are_priced_by_solving_without_them(found: Portfolio) -> None:
    said = duties(found, 2030)
    assert said
    assert all(duty.saving >= -1.0 for duty in said)
    assert [duty.saving for duty in said] == sorted((duty.saving for duty in said), reverse=True)
    assert found.programme.request == found.request


def test_the_dearest_duties_are_run_through_the_model(found: Portfolio) -> None:
    """The network's duty is on one measure: by hand, the model with that measure at what stands anyway, and nothing else moved."""
    by_programme = duties(found, 2030)
    said = {
        duty.because: duty
        for duty in modelled_duties(CATALOG, found, by_programme, [level_uses(CATALOG, found, 2030)], 2030, most=2)
    }
    assert sum(duty.modelled for duty in said.values()) == 2
    assert {because: duty.saving for because, duty in said.items() if not duty.modelled} == {
        duty.because: duty.saving for duty in by_programme if not said[duty.because].modelled
    }
    network = said["qingdao-2024#heat-loss-2030",]
    evaluator = Evaluator(CATALOG, found)
    levels = found.solution.levels[0].copy()
    row = found.problem.measures.index("heat_network_renewal")
    levels[row] = evaluator.zero[row]
    by_hand = evaluator.worth(found.solution.levels[0]).net - evaluator.worth(levels).net
    assert network.modelled
    assert by_hand > 0
    assert network.saving >= by_hand * (1 - 1e-6)


def test_uses_are_what_is_lost_without_a_measure(found: Portfolio) -> None:
    uses = {use.measure: use for use in level_uses(CATALOG, found, 2030)}
    heat = uses["waste_heat"]
    evaluator = Evaluator(CATALOG, found)
    levels = found.solution.levels[0].copy()
    levels[found.problem.measures.index("waste_heat")] = evaluator.zero[found.problem.measures.index("waste_heat")]
    best, less = (evaluator.worth(one) for one in (found.solution.levels[0], levels))
    assert heat.cost == pytest.approx(best.net - less.net)
    view = found.problem.views.index("whole_field")
    assert heat.avoided[3] == pytest.approx(less.emissions[view, 3] - best.emissions[view, 3])
    assert uses["leakage_control"].words[1] == "7.9%"
    assert heat.best_more >= 0


def test_one_thing_at_a_time_is_held(found: Portfolio) -> None:
    held = {one.quantity: one for one in what_must_hold(found, 2030)}
    assert held["portfolio"].level == pytest.approx(found.emissions("whole_field")[0, 3])
    assert held["choice"].level == pytest.approx(found.trend("whole_field")[0, 3])
    grid = held["grid_factor"]
    assert grid.before is not None
    assert grid.after is not None
    assert grid.after < grid.before
    assert grid.level > held["portfolio"].level


def test_a_front_never_costs_less_for_a_lower_level(found: Portfolio) -> None:
    points = model_front(CATALOG, found, 2030, points=4)
    assert len(points) >= 2
    levels, costs = [level for level, _, _ in points], [cost for _, cost, _ in points]
    assert levels == sorted(levels, reverse=True)
    assert costs == sorted(costs)
    assert replace(found.request) == found.request
