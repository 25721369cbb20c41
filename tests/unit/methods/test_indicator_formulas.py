"""Every formula of the catalog by a worked example; every numeric target of the plans has a stated way."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import dafeng.catalog
from dafeng.base.observation import Observation, observation_frame
from dafeng.base.quantity import convert
from dafeng.base.target import Measure
from dafeng.catalog import load_catalog
from dafeng.methods.formulas import FactorSetting, compute_formulas
from dafeng.methods.rates import RatePolicy

CATALOG = load_catalog()
TYPES = CATALOG.indicator_types()
SETTING = FactorSetting(CATALOG.factors, CATALOG.places, RatePolicy(), date(2026, 11, 20))
CASES = Path(__file__).parents[2] / "cases"
TABLE = yaml.safe_load((CASES / "indicator_formulas.yaml").read_text(encoding="utf-8"))
LEDGERS = yaml.safe_load((CASES / "ledger_targets.yaml").read_text(encoding="utf-8"))
PERIODS = {"": "2024", "previous": "2023", "year_before": "2023"}
OTHERS = ("checkup_", "statutory", "metering")
"""Files of indicators that have tests of their own."""


def own_indicators() -> set[str]:
    folder = Path(dafeng.catalog.__file__).parent / "data" / "indicators"
    files = [file for file in folder.glob("*.yaml") if not file.stem.startswith(OTHERS)]
    return {one["id"] for file in files for one in yaml.safe_load(file.read_text(encoding="utf-8"))["indicators"]}


def amount(text: str, unit: str) -> float:
    number, written = text.split(" ")
    return convert(float(number), written, unit)


def observed(example: dict[str, Any]) -> list[Observation]:
    rows = []
    for column, text in example["inputs"].items():
        name, _, when = column.partition("@")
        indicator = CATALOG.indicators[name]
        rows.append(
            Observation(
                indicator=name,
                place="qingdao",
                extent="urban",
                period=PERIODS.get(when, when),
                basis=example.get("basis", "") if indicator.bases else "",
                value=amount(text, indicator.unit),
                dataset="form",
                recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
            )
        )
    return rows


@pytest.mark.parametrize("example", TABLE["examples"], ids=lambda one: f"{one['indicator']}-{one.get('basis', '')}")
def test_a_worked_example(example: dict[str, Any]) -> None:
    computed = compute_formulas(observation_frame(observed(example)), CATALOG.indicators, TYPES, setting=SETTING)
    found = computed.observations.filter(
        indicator=example["indicator"], basis=example.get("basis", ""), period="2024", place="qingdao"
    )
    expected = amount(example["result"], CATALOG.indicators[example["indicator"]].unit)
    assert found["value"].to_list() == [pytest.approx(expected, rel=1e-8, abs=1e-12)]
    wrong = [one for one in computed.findings if one.name == "methods.formula.beyond-bounds"]
    assert wrong == []


def test_every_formula_of_the_catalog_has_an_example() -> None:
    shown = {(one["indicator"], one.get("basis", "")) for one in TABLE["examples"]}
    named = {indicator for indicator, _ in shown}
    for name in own_indicators():
        for basis in CATALOG.indicators[name].expressions:
            assert (name, basis) in shown if basis else name in named, f"{name} {basis} has no worked example"


def test_every_numeric_target_of_the_plans_has_a_stated_way() -> None:
    counted = {
        entry["indicator"] for plan in LEDGERS["plans"].values() for entry in plan.values() if "rollups" in entry
    }
    targets = {
        target.indicator
        for plan in ("jilin-2023", "qingdao-2024", "national-2022")
        for target in CATALOG.plan(plan).targets
        if target.measure is not Measure.MILESTONE
    }
    assert targets == set(TABLE["ways"])
    for name, entry in TABLE["ways"].items():
        has_formula = bool(CATALOG.indicators[name].expressions)
        match entry["way"]:
            case "formula":
                assert has_formula, name
            case "ledger":
                assert not has_formula, name
                assert name in counted, name
            case "reported":
                assert not has_formula, name
                assert name not in counted, name
                assert entry["reason"], name
            case way:
                pytest.fail(f"{name}: way {way}")


def test_the_coefficient_of_standard_coal_stands_in_the_lineage() -> None:
    example = next(one for one in TABLE["examples"] if one["indicator"] == "electricity_share")
    computed = compute_formulas(observation_frame(observed(example)), CATALOG.indicators, TYPES, setting=SETTING)
    coal = computed.observations.filter(indicator="building_electricity_standard_coal").select("basis", "lineage")
    details = computed.lineage.join(coal, left_on="id", right_on="lineage")["detail"].to_list()
    assert any('"stated_value": 0.3' in one and '"grade": "C"' in one for one in details)
    assert any('"stated_value": 0.1229' in one and '"grade": "A"' in one for one in details)
    shares = dict(computed.observations.filter(indicator="electricity_share").select("basis", "value").iter_rows())
    assert set(shares) == {"calorific", "generation"}, "both are printed"


def test_without_factors_no_standard_coal_is_invented() -> None:
    example = next(one for one in TABLE["examples"] if one["indicator"] == "electricity_share")
    frame = observation_frame(observed(example))
    computed = compute_formulas(frame, CATALOG.indicators, TYPES, gaps=True)
    assert computed.observations.is_empty()
    reasons = computed.gaps.filter(indicator="building_electricity_standard_coal", basis="generation")["reason"]
    assert reasons.to_list() == ["未能计算：系数 coal_equivalent_generation（electricity）没有数据"]


def test_monthly_values_do_not_meet_constants_of_a_year() -> None:
    rows = [
        Observation(
            indicator=name, place="qingdao", extent="city_proper", period="2024-05", value=value, dataset="form",
            recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for name, value in (("water_pipe_length", 8000.0), ("water_supply_volume", 8e6))
    ]  # fmt: skip
    computed = compute_formulas(observation_frame(rows), CATALOG.indicators, TYPES)
    assert computed.observations.filter(pl.col("indicator") == "leakage_correction_pipes").is_empty()
