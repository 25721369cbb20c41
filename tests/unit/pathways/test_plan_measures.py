"""Plans in measures: the arithmetic of every kind of target by hand, completeness of the links, other plans."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.pathway_schemas import LevelPoint, PlanLink, ScenarioMeasure
from dafeng.catalog.plan_schemas import Plan
from dafeng.pathways.measures import caps_level
from dafeng.pathways.plan_measures import RESULTS, PlanTranslation, join_measures, link_of, translate_plan, unlinked

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "plan_links.yaml").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def only(plan: Plan, names: list[str]) -> Plan:
    """Return a plan with nothing but these targets, obligations and tasks."""
    return plan.model_copy(
        update={
            "targets": tuple(one for one in plan.targets if one.id in names),
            "obligations": tuple(one for one in plan.obligations if one.id in names),
            "tasks": tuple(one for one in plan.tasks if one.number in names),
        }
    )


def translated(catalog: Catalog, case: dict[str, Any]) -> PlanTranslation:
    plan = only(catalog.plans[case["plan"]], case["of"])
    return translate_plan(
        catalog, plan, place=case.get("place", plan.place), base_year=case["base_year"],
        pace=case.get("pace", "full"), paces=case.get("paces"),
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(catalog: Catalog, case: dict[str, Any]) -> None:
    found = translated(catalog, case)
    assert found.findings == ()
    if "reason" in case:
        assert found.measures == ()
        assert all(case["reason"] in found.reasons[f"{case['plan']}#{name}"] for name in case["of"])
        return
    (one,) = found.measures
    assert one.measure == case["measure"]
    assert {point.year: point.level for point in one.levels} == pytest.approx(case["levels"])
    assert (one.rises_from, one.until) == (case.get("rises"), case.get("until"))
    assert one.because == tuple(f"{case['plan']}#{name}" for name in case["of"])
    meets = None if one.meets is None else one.meets.model_dump(exclude_none=True)
    assert meets == case.get("meets")


def test_every_promise_is_translated_or_has_its_reason(catalog: Catalog) -> None:
    for plan in catalog.plans.values():
        if plan.id not in {link.plan for link in catalog.plan_links}:
            continue
        assert unlinked(catalog, plan) == ()
        full = translate_plan(catalog, plan, place=plan.place, base_year=2020)
        told = {name for one in full.measures for name in one.because} | set(full.reasons)
        named = [target.id for target in plan.targets] + [obligation.id for obligation in plan.obligations]
        assert {f"{plan.id}#{name}" for name in named} <= told
        assert all(reason.strip() for reason in full.reasons.values())
        assert full.findings == ()


def test_links_name_things_that_are_there(catalog: Catalog) -> None:
    for link in catalog.plan_links:
        plan = catalog.plans[link.plan]
        target = next((one for one in plan.targets if one.id == link.of), None)
        others = {one.id for one in plan.obligations} | {one.number for one in plan.tasks}
        assert target is not None or link.of in others, link
        assert link.measure is None or link.measure in catalog.measures, link
        assert link.result is None or link.result in RESULTS, link
        # a level is stated where there is no number, and nowhere is a milestone without one
        if link.measure is not None and (target is None or target.value is None):
            assert link.level is not None, link


def test_levels_of_plans_are_within_the_limits_of_their_measures(catalog: Catalog) -> None:
    for plan in catalog.plans.values():
        for one in translate_plan(catalog, plan, place=plan.place, base_year=2020).measures:
            measure = catalog.measures[one.measure]
            for point in one.levels:
                assert measure.most is None or point.level <= measure.most, (plan.id, one.measure)
                assert measure.least is None or point.level >= measure.least, (plan.id, one.measure)


def test_another_plan_borrows_links_by_indicator(catalog: Catalog) -> None:
    other = catalog.plans["qingdao-2024"].model_copy(update={"id": "elsewhere-2024", "place": "shandong"})
    link = link_of(catalog, other, "prefabricated-2025")
    assert link is not None
    assert (link.plan, link.of, link.measure) == ("elsewhere-2024", "prefabricated-2025", "prefabricated")
    full = translate_plan(catalog, other, place="shandong", base_year=2022)
    assert {"prefabricated", "leakage_control", "waste_recycling"} <= {one.measure for one in full.measures}
    assert "没有同一指标的对应" in full.reasons["elsewhere-2024#retrofit-area-2025"]
    assert "没有同一指标的对应" in full.reasons["elsewhere-2024#energy-platform"]


def test_a_unit_that_does_not_fit_is_a_finding(catalog: Catalog) -> None:
    plan = catalog.plans["jilin-2023"]
    wrong = [one.model_copy(update={"unit": "斤"}) for one in plan.targets if one.id == "leakage-2030"]
    found = translate_plan(
        catalog, plan.model_copy(update={"targets": tuple(wrong), "obligations": (), "tasks": ()}),
        place="jilin", base_year=2022,
    )  # fmt: skip
    assert [finding.name for finding in found.findings] == ["pathways.link.unusable"]
    assert "leakage-2030" in found.findings[0].sentence
    area = [one.model_copy(update={"unit": "公顷"}) for one in plan.targets if one.id == "leakage-2030"]
    found = translate_plan(
        catalog, plan.model_copy(update={"targets": tuple(area), "obligations": (), "tasks": ()}),
        place="jilin", base_year=2022,
    )  # fmt: skip
    assert "换不成措施的单位 share" in found.reasons["jilin-2023#leakage-2030"]


def test_a_pace_for_no_target_is_a_finding(catalog: Catalog) -> None:
    found = translate_plan(
        catalog, catalog.plans["jilin-2023"], place="jilin", base_year=2022, pace="present",
        paces={"prefabricated-2031": {2025: 30.0}},
    )  # fmt: skip
    assert [finding.name for finding in found.findings] == ["pathways.pace.unknown-target"]
    assert found.measures == ()


def test_two_targets_for_one_measure_join_and_the_stronger_holds(catalog: Catalog) -> None:
    def one(measure: str, *levels: tuple[int, float], of: str) -> ScenarioMeasure:
        points = tuple(LevelPoint(year=year, level=level) for year, level in levels)
        return ScenarioMeasure(measure=measure, levels=points, rises_from=2022, because=(of,))

    (up,) = join_measures(
        catalog, [one("prefabricated", (2025, 0.5), of="a"), one("prefabricated", (2025, 0.3), (2030, 0.4), of="b")]
    )
    assert [(point.year, point.level) for point in up.levels] == [(2025, 0.5), (2030, 0.5)]
    assert up.because == ("a", "b")
    (down,) = join_measures(
        catalog, [one("leakage_control", (2025, 0.1), of="a"), one("leakage_control", (2030, 0.08), of="b")]
    )
    assert caps_level(catalog.measures["leakage_control"])
    assert [point.level for point in down.levels] == [0.1, 0.08]


def test_a_start_is_a_first_level(catalog: Catalog) -> None:
    other = copy.copy(catalog)
    link = PlanLink(plan="jilin-2023", of="prefabricated-2030", measure="prefabricated", start=0.25, grade="C")
    other.plan_links = (link,)
    plan = only(catalog.plans["jilin-2023"], ["prefabricated-2030"])
    (one,) = translate_plan(other, plan, place="jilin", base_year=2022).measures
    assert [(point.year, point.level) for point in one.levels] == [(2022, 0.25), (2030, 0.4)]
    assert one.rises_from is None
