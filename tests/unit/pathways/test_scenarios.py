"""Scenarios: layers, faults as findings, values laid over, solved targets, sentences."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import pytest
from numpy.typing import NDArray

from dafeng.base.errors import UnknownNameError
from dafeng.base.finding import Finding
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.pathway_schemas import (
    Interaction,
    LevelPoint,
    Meets,
    ParameterPoint,
    PathwayParameter,
    Scenario,
    ScenarioMeasure,
)
from dafeng.catalog.schemas import Title
from dafeng.pathways.inputs import Inputs
from dafeng.pathways.quantities import InputBook, read_inputs
from dafeng.pathways.scenario_words import compare_scenarios
from dafeng.pathways.scenarios import plan_scenario, resolve_scenario, scenario_inputs
from dafeng.pathways.solving import model_results, solve_scenario


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="module")
def book(catalog: Catalog) -> InputBook:
    return read_inputs(catalog, "cn")


def at(name: str, *levels: tuple[int, float], **more: object) -> ScenarioMeasure:
    points = tuple(LevelPoint(year=year, level=level) for year, level in levels)
    return ScenarioMeasure(measure=name, levels=points).model_copy(update=more)


def overlay(*measures: ScenarioMeasure, **more: object) -> Scenario:
    return Scenario(id="mine", title=Title(zh="甲", en="a"), measures=measures).model_copy(update=more)


def value(
    quantity: str, number: float, unit: str, of: dict[str, str] | None = None, **more: object
) -> PathwayParameter:
    entry = {
        "id": f"mine-{quantity}".replace("_", "-"), "quantity": quantity, "place": "cn", "of": of or {}, "unit": unit,
        "points": (ParameterPoint(year=2030, value=number),), "source": "convention-scenarios", "grade": "C",
        "checked_on": date(2026, 11, 20),
    }  # fmt: skip
    return PathwayParameter.model_validate({**entry, **more})


def names(findings: Iterable[Finding]) -> list[str]:
    return [finding.name.removeprefix("pathways.") for finding in findings]


def test_shipped_scenarios_resolve_without_fault(catalog: Catalog) -> None:
    assert {"frozen", "trend", "plan-full", "plan-pace", "plan-plus"} <= set(catalog.scenarios)
    for name, one in catalog.scenarios.items():
        resolved = resolve_scenario(catalog, name, place=one.place or "shandong")
        assert not [finding for finding in resolved.findings if finding.severity == "error"], name
        assert set(names(resolved.findings)) <= {"scenario.plan-of-above"}, (name, resolved.findings)
    assert resolve_scenario(catalog, "plan-full", place="qingdao").plan == "qingdao-2024"
    assert resolve_scenario(catalog, "plan-full", place="shandong").plan == "national-2022"
    assert resolve_scenario(catalog, "plan-full", place="shandong", plan="qingdao-2024").plan == "qingdao-2024"
    assert resolve_scenario(catalog, "trend", place="jilin").plan is None


def test_plan_plus_never_does_less_than_the_plan(catalog: Catalog) -> None:
    for place in ("qingdao", "jilin"):
        full = {one.measure.id: one for one in resolve_scenario(catalog, f"{place}-plan-full", place=place).measures}
        plus = {one.measure.id: one for one in resolve_scenario(catalog, f"{place}-plan-plus", place=place).measures}
        assert set(full) < set(plus)
        for name, one in full.items():
            if one.bounds_above:
                assert (plus[name].levels <= one.levels + 1e-12).all(), name
            elif one.measure.abates and name not in {"electrification", "building_renewables"}:
                assert (plus[name].levels * plus[name].weight >= one.levels * one.weight - 1e-12).all(), name


def test_layers_replace_and_leave_out(catalog: Catalog) -> None:
    mine = overlay(
        at("prefabricated", (2030, 0.6)), at("led_lighting", (2030, 0.3)),
        base="jilin-plan-full", without=("solar_water", "nuclear_heat"),
    )  # fmt: skip
    resolved = resolve_scenario(catalog, mine, place="jilin")
    stated = {one.measure: one for one in resolved.stated}
    assert [point.level for point in stated["prefabricated"].levels] == [0.6]
    assert "led_lighting" in stated
    assert "waste_recycling" in stated
    assert "solar_water" not in stated
    assert names(resolved.findings) == ["scenario.without-nothing"]
    assert resolved.plan == "jilin-2023"
    orders = [catalog.measures[one.measure].order for one in resolved.stated]
    assert orders == sorted(orders)


def test_faults_of_overlays_are_findings(catalog: Catalog) -> None:
    cases = {
        "catalog.measure.unknown": overlay(at("prefabricatd", (2030, 0.4))),
        "scenario.beyond-limit": overlay(at("prefabricated", (2030, 1.4))),
        "scenario.too-fast": overlay(at("prefabricated", (2025, 0.1), (2026, 0.9))),
        "catalog.scenario.levels": overlay(at("submetering", (2030, 0.1), (2026, 0.1))),
        "scenario.requires": overlay(at("commissioning", (2030, 0.1))),
        "catalog.scenario.unknown": overlay(base="plan-ful"),
        "catalog.plan.unknown": overlay(plan="jilin-2024"),
        "scenario.other-place": overlay(place="jilin"),
        "scenario.unknown-result": overlay(
            at("electrification", (2030, 1.0), meets=Meets(result="electricty_share", year=2030, value=65))
        ),
        "catalog.path-quantity.unknown": overlay(parameters=(value("network_los", 0.1, "1"),)),
        "catalog.path-member.unknown": overlay(parameters=(value("pv_capacity", 1.0, "kW", {"segment": "publik"}),)),
        "catalog.path-parameter.unit": overlay(parameters=(value("pv_capacity", 1.0, "kWh"),)),
        "catalog.path-parameter.bounds": overlay(parameters=(value("network_loss", 80, "%"),)),
    }
    for name, scenario in cases.items():
        resolved = resolve_scenario(catalog, scenario, place="cn")
        assert names(resolved.findings) == [name]
        assert resolved.findings[0].sentence
    assert (
        "prefabricated" in resolve_scenario(catalog, cases["catalog.measure.unknown"], place="cn").findings[0].expected
    )
    kept = resolve_scenario(catalog, cases["scenario.beyond-limit"], place="cn").measures
    assert kept[0].levels.max() == 1.0
    with pytest.raises(UnknownNameError, match="no scenario is called 'plan-ful'"):
        resolve_scenario(catalog, "plan-ful", place="cn")


def test_circles_are_findings(catalog: Catalog) -> None:
    other = copy.copy(catalog)
    one, two = (overlay(base=base).model_copy(update={"id": name}) for name, base in (("one", "two"), ("two", "one")))
    other.scenarios = {"one": one, "two": two}
    assert set(names(resolve_scenario(other, "one", place="cn").findings)) == {"catalog.scenario.circular"}
    ring = {
        name: catalog.measures[name].model_copy(update={"interactions": (Interaction(measure=needs, kind="requires"),)})
        for name, needs in (("led_lighting", "submetering"), ("submetering", "led_lighting"))
    }
    other.measures = catalog.measures | ring
    mine = overlay(at("led_lighting", (2030, 0.1)), at("submetering", (2030, 0.1)))
    resolved = resolve_scenario(other, mine, place="cn")
    assert "catalog.measure.circular" in names(resolved.findings)
    assert len(resolved.measures) == 1  # the ring is cut, the rest stands


def test_other_values_hold_after_the_base_year(catalog: Catalog, book: InputBook) -> None:
    scenario = overlay(
        parameters=(value("network_loss", 6, "%"), value("heat_source_share", 0.6, "1", {"heat_source": "waste_heat"}))
    )
    done = scenario_inputs(book, resolve_scenario(catalog, scenario, place="cn")).arrays
    own = book.arrays().arrays
    assert done["network_loss"][2021 - 1950 :, 0].tolist() == [0.06] * 40
    assert np.array_equal(done["network_loss"][: 2021 - 1950], own["network_loss"][: 2021 - 1950])
    shares = done["heat_source_share"][:, 2030 - 1950, 0]
    row = book.axes.index("heat_source", "waste_heat")
    assert shares[row] == 0.6
    assert shares.sum() == pytest.approx(1.0, abs=1e-15)
    others = np.delete(own["heat_source_share"][:, 2030 - 1950, 0], row)
    assert np.delete(shares, row) == pytest.approx(others * 0.4 / others.sum())
    elsewhere = overlay(parameters=(value("network_loss", 6, "%", place="jilin"),))
    assert np.array_equal(
        scenario_inputs(book, resolve_scenario(catalog, elsewhere, place="cn")).arrays["network_loss"],
        own["network_loss"],
    )


def test_a_spread_of_a_scenario_is_drawn(catalog: Catalog, book: InputBook) -> None:
    points = (ParameterPoint(year=2030, value=0.06, low=0.04, high=0.08),)
    spread = value("network_loss", 0.06, "1").model_copy(update={"points": points, "spread": "uniform"})
    resolved = resolve_scenario(catalog, overlay(parameters=(spread,)), place="cn")
    done = scenario_inputs(book, resolved, {spread.id: np.array([0.05, 0.5, 0.95])})
    assert done.arrays["network_loss"][90] == pytest.approx([0.04, 0.06, 0.08])


def test_frozen_holds_what_the_table_says(catalog: Catalog, book: InputBook) -> None:
    resolved = resolve_scenario(catalog, "frozen", place="cn")
    done, own = scenario_inputs(book, resolved).arrays, book.arrays().arrays
    assert resolved.frozen
    assert (done["technology_share"][..., 71:, :] == done["technology_share"][..., 70:71, :]).all()
    assert np.array_equal(done["population"], own["population"])


def test_a_plan_written_out_is_the_plan(catalog: Catalog) -> None:
    written = plan_scenario(catalog, "jilin-2023", place="jilin")
    direct = resolve_scenario(catalog, "jilin-plan-full", place="jilin")
    again = resolve_scenario(catalog, written, place="jilin")
    assert again.stated == direct.stated
    assert compare_scenarios(catalog, direct, again) == ("不再按方案",)
    nothing = plan_scenario(catalog, "jilin-2023", place="jilin", pace="present")
    assert nothing.measures == ()
    assert "prefabricated-2030：没有可外推的观测，按趋势" in (nothing.note or "")


def test_a_solved_level_meets_the_target(catalog: Catalog, book: InputBook) -> None:
    """With a made-up model whose result is known: the share of the level is what remains to be done."""

    def shares_of(inputs: Inputs, wanted: Sequence[Meets]) -> list[NDArray[np.float64]]:
        row = (inputs.axes.index("building_class", "office"), inputs.axes.index("technology", "solar_water"))
        return [inputs.arrays["technology_share"][*row, meets.year - 1950] * 100 for meets in wanted]

    def solved(wanted: float) -> tuple[float, list[str]]:
        meets = Meets(result="renewable_substitution_rate", year=2035, value=wanted)
        mine = overlay(at("solar_water", (2030, 0.6), meets=meets, rises_from=2020))
        resolved = resolve_scenario(catalog, mine, place="cn")
        assert set(resolved.meets) == {"solar_water"}
        done = solve_scenario(resolved, book, results_of=shares_of, tolerance=1e-6)
        assert done.meets == {}
        assert done.stated[0].meets is None
        now = scenario_inputs(book, done)
        assert done.stated[0].levels[0].level == pytest.approx(done.measures[0].levels[80])
        return float(shares_of(now, [meets])[0][0]), names(done.findings)

    assert solved(30.0) == (pytest.approx(30.0, abs=1e-3), [])
    assert solved(0.0)[1] == ["target.met-by-trend"]
    reached, said = solved(90.0)
    assert reached < 61
    assert said == ["target.out-of-reach"]


def test_targets_on_outcomes_are_met_by_the_model(catalog: Catalog) -> None:
    book = read_inputs(catalog, "qingdao")
    full = resolve_scenario(catalog, "qingdao-plan-full", place="qingdao")
    assert set(full.meets) == {"building_renewables", "existing_retrofit_area", "ultra_low_buildings"}
    done = solve_scenario(full, book, tolerance=1e-2)
    inputs = scenario_inputs(book, done)
    missed = {str(f.evidence["measure"]) for f in done.findings if f.name == "pathways.target.out-of-reach"}
    for name, meets in full.meets.items():
        (reached,) = model_results(inputs, [meets])
        assert name in missed or reached[0] >= meets.value * (1 - 1e-9), name


def test_the_difference_reads_like_sentences(catalog: Catalog) -> None:
    first = overlay(
        at("prefabricated", (2025, 0.3), (2030, 0.3)), at("leakage_control", (2030, 0.09)), at("solar_water", (2030, 0.1)),
        at("residential_retrofit_area", (2021, 3.5e6), until=2025),
    )  # fmt: skip
    second = overlay(
        at("prefabricated", (2025, 0.3), (2030, 0.4)), at("leakage_control", (2030, 0.08)),
        at("rural_heat_pump", (2030, 0.3)), at("residential_retrofit_area", (2021, 3.5e6), until=2030),
        parameters=(value("network_loss", 6, "%"),), frozen=True,
    )  # fmt: skip
    assert compare_scenarios(catalog, first, second, place="cn") == (
        "技术、标准和份额停在基年",
        "2030 年既有居住建筑节能改造（按面积）由不做改为 350 万平方米/年，止于 2030 年",
        "新增农村空气源热泵供暖 2030 年达到 30%",
        "不再有太阳能热水 2030 年达到 10%",
        "2030 年装配式建筑由 30% 提高到 40%",
        "2030 年供水管网漏损控制由 9% 降低到 8%",
        "2030 年管网热损失设为 6 %",
    )
    assert compare_scenarios(catalog, first, first, place="cn") == ()
    # while a measure rises from where the place stands, its level of a year between is not compared
    rising = overlay(at("prefabricated", (2030, 0.6), rises_from=2022))
    stated = overlay(at("prefabricated", (2025, 0.5), rises_from=2022))
    assert compare_scenarios(catalog, stated, rising, place="cn") == ("2030 年装配式建筑由 50% 提高到 60%",)
    assert compare_scenarios(catalog, "qingdao-plan-full", "qingdao-plan-pace")[0].endswith("按目前进度")
