"""Who pays and who gains: sums over groups, bills by area, sales of heat and power, subsidies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dafeng.catalog.portfolio_schemas import PayerRule
from dafeng.pathways.payers import UNASSIGNED, PayerTable, who_pays
from dafeng.pathways.portfolio_costs import measure_costs
from portfolio_places import catalog, choices_of, effects_of

PLACES = ("jilin", "qingdao")


def paid(place: str, levels: dict[str, float]) -> tuple[PayerTable, np.ndarray]:
    choices, effects = choices_of(place), effects_of(place)
    costs = measure_costs(catalog(), choices, effects)
    path = choices.floor.copy()
    for name, level in levels.items():
        path[choices.row(name)] += level
    return who_pays(catalog(), choices, effects, costs, path), path


def column(table: PayerTable, part: np.ndarray, group: str) -> float:
    return float(part[:, table.groups.index(group)].sum())


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(PLACES), st.integers(0, 2**32 - 1))
def test_groups_add_up_to_the_social_cost_and_transfers_to_nothing(place: str, seed: int) -> None:
    choices, effects = choices_of(place), effects_of(place)
    costs = measure_costs(catalog(), choices, effects)
    share = np.random.default_rng(seed).uniform(size=choices.floor.shape)
    table = who_pays(catalog(), choices, effects, costs, choices.floor + share * np.minimum(choices.scale, 1e6))
    size = np.abs(table.capital).sum() + np.abs(table.energy).sum() + np.abs(table.transfer).sum()
    np.testing.assert_allclose(table.net.sum(axis=1), table.social, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(table.transfer.sum(axis=1), 0.0, rtol=0, atol=1e-9 * size)
    assert UNASSIGNED not in table.groups
    assert (table.net[~costs.known] == 0).all()


def test_heat_that_is_saved_is_gained_by_the_heat_company() -> None:
    table, _ = paid("jilin", {"hydraulic_balance": 0.5})
    households, company = column(table, table.energy, "households"), column(table, table.energy, "heat_company")
    assert column(table, table.capital, "heat_company") == pytest.approx(table.capital.sum())
    assert (
        company < households < 0
    )  # nine tenths of the bill go by area: the company burns less and is paid nearly the same
    assert column(table, table.energy, "fuel_supplier") == pytest.approx(0.0, abs=1.0)


def test_power_that_is_not_bought_is_a_loss_to_its_seller_less_the_cost_of_supply() -> None:
    table, _ = paid("qingdao", {"led_street_lighting": 0.5})
    saved, grid = column(table, table.energy, "municipal"), column(table, table.energy, "grid")
    ratio = 0.65 / (0.7 / (1.002 * 1.0 * 1.0))  # social price of 2023 against the user's of 2026
    assert saved < 0
    assert grid == pytest.approx(-saved * (1 - ratio), rel=1e-6)


def test_dwellings_buy_power_below_its_cost() -> None:
    table, _ = paid("jilin", {"roof_pv_urban": 0.1})
    assert column(table, table.energy, "households") < 0
    assert column(table, table.energy, "grid") < 0  # what is not sold below cost is a gain to who sells it


def test_a_subsidy_moves_from_government_to_who_is_declared() -> None:
    table, _ = paid("jilin", {"residential_retrofit_area": 1e6})
    given_, taken = column(table, table.transfer, "government"), column(table, table.transfer, "households")
    assert given_ > 0
    assert given_ == pytest.approx(-taken)
    shares = [column(table, table.capital, name) / table.capital.sum() for name in ("households", "heat_company", "government")]  # fmt: skip
    assert shares == pytest.approx([0.4, 0.2, 0.4])
    assert table.totals()["households"][2] == pytest.approx(taken)


def test_what_nobody_is_declared_to_pay_is_said() -> None:
    poorer = catalog().without(lambda entry: isinstance(entry, PayerRule))
    choices, effects = choices_of("jilin"), effects_of("jilin")
    costs = measure_costs(catalog(), choices, effects)
    levels = choices.floor.copy()
    levels[choices.row("led_lighting")] += 0.1
    table = who_pays(poorer, choices, effects, costs, levels)
    assert table.groups[-1] == UNASSIGNED
    assert column(table, table.capital, UNASSIGNED) == pytest.approx(table.capital.sum())
    assert any("建筑照明改用LED没有声明由谁出资" in note for note in table.notes)
    np.testing.assert_allclose(table.net.sum(axis=1), table.social, rtol=1e-9, atol=1e-3)
