"""Faults of prices, amounts, payers and limits are found; the shipped ones are whole and say how sure they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from catalog_folders import check_files
from dafeng.base.errors import UnitError
from dafeng.base.finding import Severity
from dafeng.catalog import load_catalog
from dafeng.catalog.pathway_tables import PathwayAxes
from dafeng.catalog.portfolio_checks import amount_factor, index_factor, price_factor
from dafeng.catalog.schemas import Grade

TABLE = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "portfolio_catalog_faults.yaml").read_text(encoding="utf-8")
)


def planted(tmp_path: Path, case: dict[str, str]) -> list[str]:
    (file,) = [file for file, text in TABLE["files"].items() if case["replace"] in text]
    text = TABLE["files"][file].replace(case["replace"], case["by"], 1)
    findings = check_files(tmp_path, {**TABLE["files"], file: text})[1]
    assert all(one.severity is Severity.ERROR and one.next_step and one.where.line for one in findings)
    return [one.name for one in findings]


def test_the_sound_catalog_has_no_finding(tmp_path: Path) -> None:
    assert check_files(tmp_path, TABLE["files"])[1] == []


@pytest.mark.parametrize("name", TABLE["cases"])
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    case = TABLE["cases"][name]
    assert case["finding"] in planted(tmp_path, case)


@pytest.mark.parametrize("name", TABLE["unreadable"])
def test_what_contradicts_itself_is_not_read(name: str, tmp_path: Path) -> None:
    assert planted(tmp_path, TABLE["unreadable"][name])


def test_a_measure_is_paid_by_one_rule(tmp_path: Path) -> None:
    more = TABLE["files"]["money.yaml"].replace(
        "supply_limits:",
        "  - {id: again, measures: [better-plants], pays: {owner: 1}, source: book, grade: C}\nsupply_limits:",
    )
    assert [one.name for one in check_files(tmp_path, {**TABLE["files"], "money.yaml": more})[1]] == [
        "catalog.payer-rule.twice"
    ]


def test_every_shipped_cost_is_money_in_prices_that_can_be_converted() -> None:
    catalog = load_catalog()
    axes, money = PathwayAxes(catalog.path_members), catalog.cost_settings["default"]
    counted = [cost for measure in catalog.measures.values() for cost in measure.costs if cost.amount is not None]
    assert len(counted) > 50
    for cost in counted:
        assert amount_factor(catalog.activity_amounts[str(cost.amount)], cost, axes) > 0
        assert 0.9 < index_factor(money, cost.price_year) < 1.5
    for price in catalog.energy_prices.values():
        assert 0 <= price.value * price_factor(price) < 2, price.id  # CNY/kWh
    length = catalog.measures["heat_network_renewal"].costs[0]
    assert amount_factor(catalog.activity_amounts["heat-mains"], length, axes) == 1.0  # CNY/km × m2 × km/m2
    with pytest.raises(UnitError, match="no money"):
        amount_factor(catalog.activity_amounts["households"], length, axes)


def test_renewing_the_networks_of_a_square_metre_by_hand() -> None:
    """507,348 km for 122.1 × 10⁸ m2; 1,457 of 5,286 km are primary: 52 + 37 CNY/m2, not 196 as if all of it were mains."""
    catalog = load_catalog()
    primary = 1457 / 5286
    mains, branches = (catalog.activity_amounts[name].times for name in ("heat-mains", "heat-branches"))
    assert mains + branches == pytest.approx(507_348 / 122.1e8, rel=0.01)
    assert mains / (mains + branches) == pytest.approx(primary, abs=0.01)
    costs = catalog.measures["heat_network_renewal"].costs
    assert [cost.amount for cost in costs] == ["heat-mains", "heat-branches"]
    assert costs[1].value == pytest.approx(3.5e8 / 280)
    assert mains * costs[0].value + branches * costs[1].value == pytest.approx(52.2 + 37.4, abs=0.1)


def test_every_measure_has_a_payer_and_unsure_prices_say_so() -> None:
    catalog = load_catalog()
    ruled = {name for rule in catalog.payer_rules.values() for name in rule.measures}
    assert set(catalog.measures) <= ruled
    assert all(rule.grade is Grade.C for rule in catalog.payer_rules.values())
    for price in catalog.energy_prices.values():
        assert (price.source == "energy-price-estimate") <= (price.grade is Grade.C), price.id
