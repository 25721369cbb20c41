"""Money of measures: annuity, renewal and what is left worked by hand, prices, index, amounts, and costs that are unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dafeng.base.errors import InputError, UnknownNameError
from dafeng.catalog.portfolio_checks import index_factor, price_factor
from dafeng.catalog.portfolio_schemas import EnergyPrice
from dafeng.catalog.schemas import Grade
from dafeng.pathways.portfolio_costs import (
    grade_sentence,
    measure_costs,
    model_cost,
    supply_conditions,
)
from dafeng.pathways.portfolio_effects import linearise, measured
from dafeng.pathways.portfolio_flows import flows_of_stock, flows_of_work
from dafeng.pathways.portfolio_levels import open_choices
from dafeng.pathways.portfolio_prices import annual_share, cost_settings, discount_factors, find_price, price_table
from dafeng.pathways.scenarios import scenario_inputs
from portfolio_places import FIRST, book_of, catalog, choices_of, effects_of, scenario_of

QUARTER = 0.25  # a yuan of next year is worth 0.8
YEARS3 = np.asarray([2027, 2028, 2029])


def test_a_stock_by_hand() -> None:
    # 90 for 2 years at 25 %: a = 90 / (1 + 0.8) = 50 a year. Bought in 2027, again in 2029; of that one year is left after 2029.
    flows = flows_of_stock(np.ones(3), 90.0, 2, QUARTER)
    level = np.ones(3)
    assert (level @ flows.spend).tolist() == pytest.approx([90.0, 0.0, 90.0])
    assert (level @ flows.charge).tolist() == pytest.approx([50.0, 50.0, 50.0])
    discount = discount_factors(YEARS3, QUARTER, 2027)
    assert discount.tolist() == pytest.approx([1.0, 0.8, 0.64])
    spent, charged = float(level @ flows.spend @ discount), float(level @ flows.charge @ discount)
    left = 50 * 0.512  # the year 2030 that is paid and not used
    assert spent == pytest.approx(147.6)
    assert charged == pytest.approx(122.0)
    assert spent - left == pytest.approx(charged)


def test_a_rising_stock_pays_for_the_rise_alone() -> None:
    # 100 units, 10 a unit, levels 0.2, 0.5, 0.5: 200 in the first year, 300 in the second; life beyond the horizon
    flows = flows_of_stock(np.full(3, 100.0), 10.0, 20, 0.0)
    assert (np.asarray([0.2, 0.5, 0.5]) @ flows.spend).tolist() == pytest.approx([200.0, 300.0, 0.0])
    # where the stock grows from 100 to 120 units, what stands needs 20 more; where it shrinks, nothing comes back
    grown = flows_of_stock(np.asarray([100.0, 120.0, 90.0]), 10.0, 20, 0.0)
    assert (np.full(3, 0.5) @ grown.spend).tolist() == pytest.approx([500.0, 100.0, 0.0])


def test_work_by_hand() -> None:
    # two measures: insulation lasts (life 4), control must be bought again (life 1); work of the first year, horizon 3 years
    envelope = flows_of_work(np.eye(3), 100.0, 4, QUARTER)
    share = 100 / (1 + 0.8 + 0.64 + 0.512)
    assert envelope.charge[0].tolist() == pytest.approx([share] * 3)
    assert envelope.spend[0].tolist() == [100.0, 0.0, 0.0]
    control = flows_of_work(np.eye(3), 100.0, 1, QUARTER)
    assert control.spend[0].tolist() == control.charge[0].tolist() == [100.0, 100.0, 100.0]
    discount = discount_factors(YEARS3, QUARTER, 2027)
    assert float(control.charge[0] @ discount) == pytest.approx(244.0)
    once = flows_of_work(np.eye(3), 100.0, None, QUARTER)
    assert once.charge[1].tolist() == [0.0, 100.0, 0.0]
    never_again = flows_of_work(np.eye(3), 100.0, 1, QUARTER, renewed=False)
    assert never_again.spend[0].tolist() == [100.0, 0.0, 0.0]


def test_only_what_still_stands_is_renewed() -> None:
    stands = np.ones((3, 3))
    stands[0, 2] = 0.6
    flows = flows_of_work(np.eye(3), 100.0, 2, 0.0, stands=stands)
    assert flows.spend[0].tolist() == [100.0, 0.0, 60.0]
    assert flows.charge[0].tolist() == [50.0, 50.0, 30.0]


@pytest.mark.parametrize(("life", "rate"), [(1, 0.06), (3, 0.06), (7, 0.08), (12, 0.0), (40, 0.05)])
def test_charged_is_spent_less_what_is_left(life: int, rate: float) -> None:
    years = np.arange(2027, 2061)
    levels = np.minimum.accumulate(np.random.default_rng(life).uniform(size=34))[::-1]  # never falls
    flows = flows_of_stock(np.full(34, 7.0), 13.0, life, rate)
    discount = discount_factors(years, rate, 2027)
    spend = levels @ flows.spend
    assert (spend >= -1e-9).all()
    left = 0.0
    for at, rise in enumerate(
        np.diff(levels, prepend=0.0)
    ):  # each rise by itself, its last purchase followed to its end
        last = at + (33 - at) // life * life
        left += rise * 7 * 13 * annual_share(rate, life) * sum((1 + rate) ** -k for k in range(34, last + life))
    assert float(spend @ discount) - left == pytest.approx(float(levels @ flows.charge @ discount))


def test_equal_annual_cost_refuses_no_life() -> None:
    assert annual_share(0.06, 1) == 1.0
    with pytest.raises(InputError):
        annual_share(0.06, 0)


def test_index_and_prices_by_hand() -> None:
    money = cost_settings(catalog())
    assert index_factor(money, 2023) == 1.0
    assert index_factor(money, 2021) == pytest.approx(1.02 * 1.002)
    assert index_factor(money, 2025) == pytest.approx(1 / (1.002 * 1.0))
    with pytest.raises(KeyError):
        index_factor(money, 1999)
    gas = catalog().energy_prices["jilin-gas-home"]
    assert 2.94 * price_factor(gas) == pytest.approx(2.94 / (38.931 / 3.6), rel=1e-12)
    heat = catalog().energy_prices["cn-waste-heat"]
    assert 25 * price_factor(heat) == pytest.approx(25 * 0.0036, rel=1e-12)
    with pytest.raises(UnknownNameError, match="defalt"):
        cost_settings(catalog(), "defalt")


def test_the_nearest_place_and_the_narrowest_user_hold() -> None:
    axes = book_of("jilin").axes

    def found(place: str, user: str, carrier: str, basis: str = "user") -> str | None:
        price = find_price(catalog(), axes, place, user, carrier, "social" if basis == "social" else "user")
        return None if price is None else price.id

    assert found("qingdao", "urban_residential", "electricity") == "shandong-electricity-home"
    assert found("jilin", "office", "electricity") == "jilin-electricity-business"
    assert found("jilin", "office", "electricity", "social") == "jilin-electricity-social"
    assert found("jilin", "municipal", "electricity") == "jilin-electricity-business"
    assert found("jilin", "heat_company", "coal") == "cn-coal-heat-company"
    assert found("jilin", "office", "coal", "social") == "cn-coal-home"  # none stated: the user's
    assert found("qingdao", "grid", "electricity") == "shandong-electricity-fed-in"
    assert found("qingdao", "grid", "coal") is None


def test_district_heat_is_worth_what_its_sources_take_in() -> None:
    effects = effects_of("jilin")
    money, axes = cost_settings(catalog()), book_of("jilin").axes
    social = price_table(catalog(), axes, "jilin", effects.energy, effects.years, money, "social")
    user = price_table(catalog(), axes, "jilin", effects.energy, effects.years, money, "user")
    at = effects.energy.index(("urban_residential", "heat"))
    assert (social.values[at] == 0).all()
    assert user.values[at, 0] == pytest.approx(75 * 0.0036)
    assert user.varies[at] == 0.1
    assert social.values[effects.energy.index(("source", "coal_boiler")), 0] == pytest.approx(800 / 20.908 * 0.0036)
    assert social.values[effects.energy.index(("supplied", "waste_heat")), 0] == pytest.approx(25 * 0.0036 * 1.002)
    assert not any(social.missing)


def test_sewage_plants_by_hand() -> None:
    # 60 CNY for a m3/d in prices of 2022, m3 a year / 365, twelve years at 6 %
    choices, effects = choices_of("qingdao"), effects_of("qingdao")
    costs = measure_costs(catalog(), choices, effects)
    row, at = choices.row("sewage_efficiency"), 5
    arrays = scenario_inputs_arrays("qingdao")
    year = FIRST + at - 1950
    people = arrays["population"][year, 0] * arrays["urban_share"][year, 0]
    sewage = arrays["service_amount"][book_of("qingdao").axes.index("service", "sewage"), year, 0]
    money = people * sewage / 365 * 60 * 1.002
    annual = 1 / sum(1.06**-k for k in range(12))
    assert costs.charge[row, at, at] == pytest.approx(money * annual, rel=1e-5)
    assert costs.spend[row, at, at] == pytest.approx(money, rel=1e-5)
    assert costs.charged[row, at] == pytest.approx(money * annual / 1.06**at, rel=1e-5)
    assert costs.price_year == 2023
    assert costs.discounted_to == FIRST
    saved = people * sewage * 0.31 * 0.15 * 0.65 / 1.06**at  # no price of Shandong without taxes: the nation's
    assert costs.saved[row, at] == pytest.approx(saved, rel=1e-6)


def scenario_inputs_arrays(place: str) -> dict[str, np.ndarray]:
    return dict(scenario_inputs(book_of(place), scenario_of(place)).arrays)


def test_only_those_who_have_not_got_there_pay() -> None:
    # at the floor three in ten town dwellings cook by electricity and far more in the country: a step up is of towns alone
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row, classes = choices.row("electric_cooking"), book_of("jilin").axes.members("building_class")
    reach = effects.reach[row, :, 3]
    assert reach[classes.index("rural_residential")] == 0.0
    assert reach[classes.index("urban_residential")] == pytest.approx(1.0)
    arrays, year = scenario_inputs_arrays("jilin"), FIRST + 3 - 1950
    urban = arrays["population"][year, 0] * arrays["urban_share"][year, 0]
    costs = measure_costs(catalog(), choices, effects)
    assert costs.spend[row, 3, 3] == pytest.approx(urban * 0.38168 * 900 * 1.002, rel=1e-6)


def test_an_alternative_that_is_not_taken_costs_nothing_and_the_range_holds_the_value() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    costs = measure_costs(catalog(), choices, effects)
    known = costs.known
    assert (costs.low[known] <= costs.cost[known] + 1e-6).all()
    assert (costs.cost[known] <= costs.high[known] + 1e-6).all()
    row = choices.row("near_zero_buildings")
    area = effects.counts["inflow", ""][[at for at, one in enumerate(book_of("jilin").axes.members("building_class")) if one != "rural_residential"], 0]  # fmt: skip
    assert costs.spend[row, 0, 0] <= float(area.sum()) * 1000 * 1.002 * (
        1 + 1e-9
    )  # the 1,300 of zero carbon is not added
    assert costs.spend[row, 0, 0] > 0


def test_transfers_are_those_of_the_climate_zone_and_in_no_cost() -> None:
    for place, award in (("jilin", 55.0), ("qingdao", 45.0)):
        choices, effects = choices_of(place), effects_of(place)
        costs = measure_costs(catalog(), choices, effects)
        row = choices.row("residential_retrofit_area")
        index = 1.026 * 1.026 * 1.02 * 1.014 * 1.02 * 1.016 * 1.021 * 1.029 * 1.025 * 1.009 * 1.02 * 1.002
        assert costs.transfer[row, 2, 2] == pytest.approx(award * index, rel=1e-9)
        assert costs.spend[row, 2, 2] == pytest.approx(290 * index, rel=1e-9)


def test_a_cost_that_is_unknown_stays_unknown() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    costs = measure_costs(catalog(), choices, effects)
    row = choices.row("electrification")
    assert np.isnan(costs.cost[row]).all()
    assert np.isnan(costs.spend[row]).all()
    assert costs.grade[row] is None
    (one,) = costs.uncosted
    assert (one.measure, one.kept) == ("electrification", False)
    assert "没有费用数据" in one.why
    names = ("public_equipment", "electric_kitchens", "urban_heat_pump")
    named = {item.measure: item.why for item in measure_costs(catalog(), choices_of("jilin", names), effects_of("jilin", names)).uncosted}  # fmt: skip
    assert "CNY/m2" in named["electric_kitchens"]
    assert "欧元" in named["urban_heat_pump"]
    assert set(named) == set(names)


def test_energy_without_a_price_makes_the_cost_unknown() -> None:
    poorer = catalog().without(lambda entry: isinstance(entry, EnergyPrice) and entry.carrier == "lpg")
    names = ("electric_cooking", "led_street_lighting")
    costs = measure_costs(poorer, choices_of("jilin", names), effects_of("jilin", names))
    (one,) = costs.uncosted
    assert one.measure == "electric_cooking"
    assert "lpg" in one.why
    assert costs.known.tolist() == [False, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"classes": ("public",)}, "城镇居住建筑、农村居住建筑"), ({"zones": ("hot_summer",)}, "不适用于这里的气候区")],
)
def test_a_cost_for_other_buildings_or_climates_does_not_make_a_measure_free(
    change: dict[str, tuple[str, ...]], said: str
) -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row = choices.row("led_lighting")
    measure = choices.measures[row]
    narrow = measure.model_copy(update={"costs": (measure.costs[0].model_copy(update=change),)})
    mended = replace(choices, measures=(*choices.measures[:row], narrow, *choices.measures[row + 1 :]))
    costs = measure_costs(catalog(), mended, effects)
    (why,) = [one.why for one in costs.uncosted if one.measure == "led_lighting"]
    assert said in why
    assert np.isnan(costs.cost[row]).all()
    assert costs.known[choices.row("roof_pv_urban")]


def test_lamps_of_homes_do_not_cost_what_lamps_of_offices_do() -> None:
    choices, effects = choices_of("qingdao"), effects_of("qingdao")
    costs = measure_costs(catalog(), choices, effects)
    row, at = choices.row("led_lighting"), 3
    classes = choices.book.axes.members("building_class")
    area = effects.counts["area", ""][:, at]
    homes = sum(float(area[which]) for which, one in enumerate(classes) if "residential" in one)
    index = 1.002  # 2022 to 2023
    yearly = index * 0.06 / 1.06 / (1 - 1.06**-8) * (35.0 * (float(area.sum()) - homes) + 6.0 * homes)
    assert costs.charge[row, at, at] == pytest.approx(yearly)
    assert costs.cost[row].max() < 0  # light that halves its power pays for itself


def test_grades_are_the_lowest_and_conclusions_say_so() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    costs = measure_costs(catalog(), choices, effects)
    row = choices.row("roof_pv_urban")
    assert costs.grade[row] is Grade.B
    assert costs.grade[choices.row("residential_retrofit_area")] is Grade.C  # an A cost of work, C prices of heat fuels
    assert grade_sentence(costs, ["roof_pv_urban"]) is None
    said = grade_sentence(costs, ["roof_pv_urban", "led_lighting"], titles={"led_lighting": "建筑照明改用LED"})
    assert said is not None
    assert "建筑照明改用LED为 C 级" in said
    assert "待核" in said


def test_a_higher_rate_makes_what_lasts_dearer() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    row = choices.row("roof_pv_urban")
    charge = [float(measure_costs(catalog(), choices, effects, rate=rate).charge[row, 0, 0]) for rate in (0.05, 0.08)]
    assert charge[0] < charge[1]


def test_the_cost_by_the_model_is_the_linear_one_for_small_levels() -> None:
    choices, effects = choices_of("jilin"), effects_of("jilin")
    costs = measure_costs(catalog(), choices, effects)
    levels = choices.floor.copy()
    for name in ("led_lighting", "roof_pv_urban", "sewage_efficiency"):
        levels[choices.row(name)] += 0.01
    found = model_cost(catalog(), costs, choices, effects, measured(choices, levels))
    moved = np.where(costs.known[:, None], levels - choices.floor, 0.0)
    assert found.net == pytest.approx(float((np.nan_to_num(costs.cost) * moved).sum()), rel=0.03)
    assert found.energy < 0 < found.capital.sum()
    assert found.spend[0] == pytest.approx(float(np.einsum("mst,ms->t", np.nan_to_num(costs.spend), moved)[0]))


def test_what_can_be_had_together_is_bounded() -> None:
    names = ("waste_heat", "nuclear_heat", "public_retrofit_area", "led_lighting", "roof_pv_urban")
    choices, effects = choices_of("jilin", names), effects_of("jilin", names)
    conditions = supply_conditions(catalog(), choices, effects)
    assert {one.name.split(".")[2] for one in conditions} == {
        "heat-sources",
        "retrofit-builders",
    }  # one roof measure alone: its own ceiling
    first = next(one for one in conditions if one.name == f"supply.jilin.heat-sources.{FIRST}")
    assert first.upper == 1.0
    assert sorted(first.measures.tolist()) == sorted([choices.row("waste_heat"), choices.row("nuclear_heat")])
    builders = next(one for one in conditions if one.name == f"supply.jilin.retrofit-builders.{FIRST}")
    urban = [at for at, one in enumerate(book_of("jilin").axes.members("building_class")) if one != "rural_residential"]
    assert builders.upper == pytest.approx(0.03 * effects.counts["area", ""][urban, 0].sum())


def test_a_kept_measure_without_a_cost_is_said_to_be_kept() -> None:
    plan = scenario_of("jilin", "plan-full")
    choices = open_choices(catalog(), book_of("jilin"), plan, ["electrification"], first=FIRST)
    (one,) = measure_costs(catalog(), choices, linearise(choices)).uncosted
    assert one.kept
