"""Formulas over periods, bases and worlds; what could not be computed; explanations."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from dafeng.base.errors import ExpressionError, InputError
from dafeng.base.observation import Observation, observation_frame
from dafeng.base.period import Period
from dafeng.catalog import load_catalog
from dafeng.catalog.expression import FieldType, check_expression, evaluate, expression_names, expression_references
from dafeng.catalog.schemas import Indicator
from dafeng.methods.formula_explanation import explain
from dafeng.methods.formula_words import formula_words
from dafeng.methods.formulas import FactorSetting, compute_formulas
from dafeng.methods.key_codes import encode, key_numbers, row_numbers
from dafeng.methods.rates import RatePolicy

CATALOG = load_catalog()
TYPES = CATALOG.indicator_types()
SETTING = FactorSetting(CATALOG.factors, CATALOG.places, RatePolicy(), date(2026, 11, 20))
KNOWN = datetime(2026, 3, 1, tzinfo=UTC)


def row(name: str, value: float | None, period: str = "2024", **more: Any) -> Observation:
    return Observation.model_validate({
        "indicator": name, "place": "qingdao", "extent": "city_proper", "period": period, "value": value,
        "missing_reason": "not_reported" if value is None else None, "dataset": "form", "recorded_at": KNOWN, **more,
    })  # fmt: skip


def computed(*rows: Observation, **more: Any) -> Any:
    return compute_formulas(observation_frame(rows), CATALOG.indicators, TYPES, setting=SETTING, **more)


def values(result: Any, name: str) -> dict[str, float | None]:
    return dict(result.observations.filter(indicator=name).select("period", "value").iter_rows())


@pytest.mark.parametrize(
    ("period", "before", "year_before"),
    [
        ("2024", "2023", "2023"), ("2024-H1", "2023-H2", "2023-H1"), ("2024-H2", "2024-H1", "2023-H2"),
        ("2024-Q1", "2023-Q4", "2023-Q1"), ("2024-Q3", "2024-Q2", "2023-Q3"), ("2024-01", "2023-12", "2023-01"),
        ("2024-10", "2024-09", "2023-10"), ("2024-01..09", "2023-01..09", "2023-01..09"), ("2024-HS", "2023-HS", "2023-HS"),
        ("2024-03-01", "2024-02-29", "2023-03-01"), ("2024-02-29", "2024-02-28", "2023-02-28"),
        ("2021..2025", "2016..2020", "2020..2024"),
    ],
)  # fmt: skip
def test_the_period_before_and_the_same_period_of_the_year_before(period: str, before: str, year_before: str) -> None:
    assert Period.parse(period).previous.text == before
    assert Period.parse(period).year_before.text == year_before


def test_expressions_name_what_they_ask_for() -> None:
    text = 'share(a - previous(b), at(a, "2020")) * factor("coal_equivalent_generation", "electricity")'
    assert expression_names(text) == ["a", "b"]
    assert [one.column for one in expression_references(text)] == [
        "a", "b@previous", "a@2020", "coal_equivalent_generation:electricity",
    ]  # fmt: skip
    fields = {"a": FieldType(unit="km", dated=True)}
    frame = pl.DataFrame({"a": [3.0], "a@previous": [2.0]})
    assert frame.select(evaluate("a - previous(a)", fields, unit="m")).item() == pytest.approx(1000.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("previous(a + a)", "takes names as they are"),
        ("previous(plain)", "no values by period"),
        ("previous(a, a)", "takes 1 values"),
        ('at(a, "soon")', "is no period"),
        ("at(a)", "takes 2 values"),
        ("a - previous(b)", "added to"),
        ("points(a, a)", "points is given"),
        ("lowered(rate, rate)", "lowered is given"),
        (
            'factor("coal_equivalent_generation", "moonlight")',
            "factor 'coal_equivalent_generation:moonlight' is not known",
        ),
        ("factor(a, a)", "is not known"),
        ("previous(c)", "name 'c' is not known"),
    ],
)
def test_faults_are_named_at_load(text: str, said: str) -> None:
    fields = {
        "a": FieldType(unit="km", dated=True), "b": FieldType(unit="t", dated=True), "plain": FieldType(unit="km"),
        "rate": FieldType(unit="percent", dated=True),
    }  # fmt: skip
    with pytest.raises(ExpressionError, match=said):
        check_expression(text, fields)


def test_percentage_points_are_no_percent() -> None:
    fields = {"rate": FieldType(unit="percent", dated=True), "fall": FieldType(unit="percentage_point")}
    assert check_expression("points(rate, previous(rate))", fields).unit == "[share_difference]"
    assert check_expression("rate - previous(rate)", fields).unit == "[share]"
    frame = pl.DataFrame({"rate": [12.0], "fall": [3.5]})
    assert frame.select(evaluate("lowered(rate, fall)", fields, unit="percent")).item() == pytest.approx(8.5)


def test_the_first_year_has_no_year_before_and_says_so() -> None:
    rows = [row("heat_network_length", 100.0 + year, str(year)) for year in (2022, 2023)]
    rows += [row("heat_network_renovated_length", 21.22, str(year)) for year in (2022, 2023)]
    result = computed(*rows, gaps=True)
    assert values(result, "heat_network_renewal_rate") == {"2023": pytest.approx(1.0)}
    gap = result.gaps.filter(indicator="heat_network_renewal_rate").row(0, named=True)
    assert (gap["period"], gap["missing"]) == ("2022", ["heat_network_length@previous"])
    assert gap["reason"] == "未能计算：上一期的供热管道长度没有数据"


def test_a_quarter_looks_at_the_quarter_before_only_where_the_formula_may() -> None:
    rows = [row("building_energy_intensity", value, period, basis="calorific")
            for period, value in (("2023-Q3", 0.02), ("2024-Q2", 0.04), ("2024-Q3", 0.03))]  # fmt: skip
    assert values(computed(*rows), "building_energy_intensity_change") == {"2024-Q3": pytest.approx(50.0)}


def test_a_base_year_is_asked_for_by_name() -> None:
    rows = [
        row("heat_network_loss_rate", value, year) for year, value in (("2020", 17.0), ("2023", 13.5), ("2024", None))
    ]
    result = computed(*rows, gaps=True)
    assert values(result, "heat_network_loss_drop") == {"2020": 0.0, "2023": 3.5, "2024": None}
    only_now = computed(row("heat_network_loss_rate", 13.5), gaps=True)
    assert values(only_now, "heat_network_loss_drop") == {}
    assert only_now.gaps["reason"].to_list() == ["未能计算：2020年的供热管网热损失率没有数据"]


def test_the_year_before_may_come_from_another_dataset_and_that_is_said() -> None:
    result = computed(
        row("heat_network_renovated_length", 3.0),
        row("heat_network_length", 110.0),
        row("heat_network_length", 100.0, "2023", dataset="yearbook"),
    )
    assert values(result, "heat_network_renewal_rate") == {"2024": pytest.approx(3.0)}
    assert [one.name for one in result.findings] == ["methods.formula.several-datasets"]


def test_a_formula_by_basis_gives_one_row_a_basis() -> None:
    rows = [row("water_supply_volume", 100.0), row("registered_water_use", 88.0), row("water_leakage_correction", 3.2)]
    found = computed(*rows).observations.filter(indicator="water_leakage_rate").select("basis", "value").rows()
    assert found == [("basic", pytest.approx(8.8)), ("comprehensive", pytest.approx(12.0))]
    without = computed(*rows[:2], gaps=True)
    assert without.observations.filter(indicator="water_leakage_rate")["basis"].to_list() == ["comprehensive"]
    gap = without.gaps.filter(indicator="water_leakage_rate").row(0, named=True)
    assert (gap["basis"], gap["missing"]) == ("basic", ["water_leakage_correction"])


def test_a_stated_value_of_one_basis_leaves_the_other_to_the_formula() -> None:
    rows = [
        row("building_electricity", 1e8), row("building_non_electric_energy", 1e4),
        row("building_energy", 9e4, basis="generation"),
    ]  # fmt: skip
    found = dict(
        computed(*rows).observations.filter(indicator="electricity_share").select("basis", "value").iter_rows()
    )
    assert found == {
        "generation": pytest.approx(100 * 3e4 / 9e4),
        "calorific": pytest.approx(100 * 1.229e4 / 2.229e4),
    }


def test_a_factor_not_yet_published_is_missing_by_name() -> None:
    early = FactorSetting(CATALOG.factors, CATALOG.places, RatePolicy(), date(2021, 1, 1))
    frame = observation_frame([row("building_electricity", 1e8)])
    result = compute_formulas(frame, CATALOG.indicators, TYPES, setting=early, gaps=True)
    coal = result.observations.filter(indicator="building_electricity_standard_coal")
    assert coal["basis"].to_list() == ["calorific"]
    gap = result.gaps.filter(indicator="building_electricity_standard_coal").row(0, named=True)
    assert (gap["basis"], gap["missing"]) == ("generation", ["coal_equivalent_generation:electricity"])


def test_a_reported_figure_is_no_gap_and_a_share_of_nothing_says_so() -> None:
    stated = computed(row("sewage_treated_volume", 1.0), row("sewage_treatment_rate", 97.0), gaps=True)
    assert stated.gaps.filter(indicator="sewage_treatment_rate").is_empty()
    nothing = computed(row("sewage_treated_volume", 0.0), row("sewage_discharge_volume", 0.0), gaps=True)
    gap = nothing.gaps.filter(indicator="sewage_treatment_rate").row(0, named=True)
    assert (gap["missing"], gap["reason"]) == ([], "未能计算：各项齐全而无结果（分母为零）")
    blank = computed(row("sewage_treated_volume", None), row("sewage_discharge_volume", 5.0), gaps=True)
    assert blank.gaps.filter(indicator="sewage_treatment_rate")["reason"].to_list() == [
        "未能计算：污水处理总量填报为空"
    ]


def test_a_value_explains_itself_through_what_was_computed_before() -> None:
    frame = observation_frame([
        row("building_electricity", 1e10), row("building_non_electric_energy", 1.6e6, dataset="survey", coverage=0.8),
    ])  # fmt: skip
    key = {
        "indicator": "electricity_share",
        "place": "qingdao",
        "extent": "city_proper",
        "period": "2024",
        "basis": "generation",
    }
    share = explain(key, frame, CATALOG.indicators, TYPES, setting=SETTING)
    assert share.value == pytest.approx(100 * 3e6 / 4.6e6)
    assert [(one.words, one.kind, one.coverage, one.dataset) for one in share.inputs] == [
        ("建筑用电折标准煤", "computed", 1.0, "form"), ("建筑运行能耗", "computed", 0.8, "form、survey"),
    ]  # fmt: skip
    coal = explain(
        key | {"indicator": "building_electricity_standard_coal"}, frame, CATALOG.indicators, TYPES, setting=SETTING
    )
    assert [(one.value, one.unit, one.grade) for one in coal.factors] == [(0.3, "kgce/kWh", "C")]
    assert coal.text.splitlines() == [
        "qingdao 2024 建筑用电折标准煤（generation） = 300 万吨标准煤",
        "公式：建筑用电折标准煤 = 建筑用电量 × 系数 coal_equivalent_generation（electricity）",
        "其中 建筑用电量 = 100 亿千瓦时（form，2024）",
        "所用 系数 coal_equivalent_generation（electricity） = 0.3 kgce/kWh"
        "（coal-equivalent-generation-electricity，等级 C，2022-06-30 公布）",
    ]


def test_an_unknown_explains_what_is_missing() -> None:
    frame = observation_frame([row("sewage_treated_volume", None), row("reclaimed_water_volume", 5.0)])
    found = explain(
        {"indicator": "reclaimed_water_rate", "place": "qingdao", "extent": "city_proper", "period": "2024"},
        frame, CATALOG.indicators, TYPES,
    )  # fmt: skip
    assert (found.value, found.missing) == (None, ("污水处理总量",))
    assert [one.state for one in found.inputs] == ["known", "no_value"]
    with pytest.raises(InputError, match="was not computed"):
        explain(
            {"indicator": "reclaimed_water_rate", "place": "jinan", "period": "2024"}, frame, CATALOG.indicators, TYPES
        )


def test_every_formula_of_the_catalog_has_words() -> None:
    for indicator in CATALOG.indicators.values():
        for text in indicator.expressions.values():
            words = formula_words(text, CATALOG.indicators)
            assert words, indicator.id
            assert not any(name in words for name in expression_names(text)), words
    pressure = CATALOG.indicators["leakage_correction_frost"].formula
    assert formula_words(pressure or "", CATALOG.indicators) == "若 最大冻土深度 > 1.4m 则 1百分点，否则 0百分点"


@pytest.mark.parametrize(
    "fault", [{"formula": "a", "formulas": {"basic": "a"}}, {"formulas": {"moon": "a"}}, {"formula_periods": ["week"]}]
)
def test_an_indicator_with_two_sorts_of_formula_is_refused(fault: dict[str, Any]) -> None:
    good = CATALOG.indicators["water_leakage_rate"].model_dump()
    with pytest.raises(ValueError, match=r"formula|Input should be"):
        Indicator.model_validate(good | {"formulas": {}} | fault)


def test_key_numbers_sort_and_tell_apart_as_the_texts_do() -> None:
    frame = pl.DataFrame({"a": ["x", "é", "x", ""], "b": ["2", "1", "10", "1"], "c": ["q"] * 4})
    numbers = row_numbers(frame, ["a", "b", "c"])
    assert frame.with_columns(n=pl.Series(numbers)).sort("n").drop("n").rows() == frame.sort("a", "b", "c").rows()
    wide = [encode(pl.Series([str(i % p) for i in range(3000)])) for p in (2999, 2903, 2801, 2711, 2657, 2551, 2503)]
    assert len(set(key_numbers(wide, 3000).tolist())) == 3000, "also where the product is past what a number holds"
