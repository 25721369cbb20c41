"""Drafts of lower plans: what carries over, what is divided, what is left out, and how bodies are called below."""

from __future__ import annotations

from datetime import date

import pytest

from dafeng.base.errors import UsageError
from dafeng.base.target import Comparator, Measure
from dafeng.catalog import Catalog, load_catalog
from dafeng.plans.draft_records import DraftTarget, Lacking, PlanDraft, SlotKind
from dafeng.plans.draft_wording import draft_text
from dafeng.plans.drafting import draft_plan
from dafeng.plans.lower_bodies import LowerBodies, divisions_below, level_prefix
from dafeng.workflow.demonstration import demo_files

EARLY = date(2024, 3, 1)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog((demo_files() / "catalog",))


def draft(catalog: Catalog, parent: str, place: str, **options: object) -> PlanDraft:
    return draft_plan(catalog.plan(parent), catalog, place=place, **({"as_of": EARLY} | options))  # type: ignore[arg-type]


def target(found: PlanDraft, name: str) -> DraftTarget:
    return next(each for each in found.targets if each.id == name)


@pytest.mark.parametrize(
    ("parent", "place", "written", "own"),
    [
        ("jilin", "changchun", "省住房城乡建设厅", "市住房城乡建设局"),
        ("jilin", "changchun", "省住建厅", "市住房城乡建设局"),
        ("jilin", "changchun", "能源局", "市能源局"),
        ("jilin", "changchun", "省乡村振兴局", "市农业农村局"),  # its successor
        ("jilin", "changchun", "国网省电力公司", "长春供电公司"),
        ("jilin", "changchun", "各市县", "各县（市、区）"),
        ("jilin", "changchun", "吉林银保监局", "吉林银保监局"),  # in no table: kept
        ("jilin", "yanbian", "省发改委", "州发展改革委"),
        ("qingdao", "qingdao-shinan", "市发展改革委", "区发展改革局"),
        ("qingdao", "qingdao-shinan", "青岛供电公司", "青岛供电公司"),  # a district has no power company of its own
        ("qingdao", "qingdao-jiaozhou", "青岛供电公司", "胶州供电公司"),
        ("qingdao", "qingdao-shinan", "胶州市", None),
        ("qingdao", "qingdao-jiaozhou", "胶州市", "各镇街"),
        ("qingdao", "qingdao-shinan", "各功能区", None),
        ("qingdao", "qingdao-shinan", "市能源集团", "市能源集团"),
        ("cn", "beijing", "住房城乡建设部", "市住房城乡建设委"),
        ("cn", "neimenggu", "国家发展改革委", "自治区发展改革委"),
    ],
)
def test_bodies_go_down(catalog: Catalog, parent: str, place: str, written: str, own: str | None) -> None:
    lower = LowerBodies(catalog.places.get(parent), catalog.places.get(place), catalog)
    assert [move.own for move in lower.moves([written])] == [own]


@pytest.mark.parametrize(
    ("place", "words", "prefix"),
    [
        ("shandong", "各市", "省"),
        ("jilin", "各市（州）", "省"),
        ("qingdao", "各区市", "市"),
        ("changchun", "各县（市、区）", "市"),
        ("yanbian", "各县市", "州"),
        ("qingdao-shinan", "各街道", "区"),
        ("qingdao-jiaozhou", "各镇街", "市"),
    ],
)
def test_divisions_are_called_after_what_they_are(catalog: Catalog, place: str, words: str, prefix: str) -> None:
    found = catalog.places.get(place)
    assert (divisions_below(found, catalog), level_prefix(found)) == (words, prefix)


def test_levels_carry_over_and_amounts_wait_to_be_divided(catalog: Catalog) -> None:
    found = draft(catalog, "jilin-2023", "changchun")
    rate = target(found, "renewable-2025")
    assert (rate.slot, rate.value, rate.unit, rate.by, rate.comparator) == ("carried", 8, "%", 2025, ">=")
    assert (rate.clause, rate.parent_clause) == ("二（七）", "二（一）7")
    assert [each.id for each in found.open] == ["heat-network-yearly", "heat-network-2025"]
    assert target(found, "leakage-2030").comparator is Comparator.AT_MOST
    assert target(found, "prefabricated-2025").scope == "全市"  # 全省
    assert "全省总体" in target(found, "prefabricated-2025").note


def test_every_target_of_the_parent_is_taken_over_or_left_out_with_a_reason(catalog: Catalog) -> None:
    for parent, place in (("national-2022", "jilin"), ("jilin-2023", "changchun"), ("qingdao-2024", "qingdao-shinan")):
        for day in (EARLY, date(2027, 1, 1)):
            plan, found = catalog.plan(parent), draft(catalog, parent, place, as_of=day)
            left = [each.id for each in found.left_out if each.kind == "target"]
            assert sorted([*(each.id for each in found.targets), *left]) == sorted(each.id for each in plan.targets)
            assert all(each.reason and each.name for each in found.left_out)
            tasks = [each.id for each in found.left_out if each.kind == "task"]
            assert sorted([*(each.parent for each in found.tasks), *tasks]) == sorted(t.number for t in plan.tasks)
            duties = [each.id for each in found.left_out if each.kind == "obligation"]
            assert len(found.obligations) + len(duties) == len(plan.obligations)


def test_what_does_not_concern_the_level_is_left_out(catalog: Catalog) -> None:
    left = {each.id: each.name for each in draft(catalog, "qingdao-2024", "qingdao-shinan").left_out}
    assert left == {
        "三（六）": "other_places",
        "county-road-width": "other_places",
        "rail-2025": "level",
        "rail-2030": "level",
    }
    named = draft(catalog, "qingdao-2024", "qingdao-west-coast")  # the city names it among those with a county seat
    assert target(named, "county-road-width").value == 40
    assert {each.id for each in named.left_out} == {"rail-2025", "rail-2030"}
    warm = {each.id: each.reason for each in draft(catalog, "national-2022", "shanghai").left_out}
    assert warm["saving-residential-2030"] == "不属严寒、寒冷地区"
    cold = {each.id for each in draft(catalog, "national-2022", "jilin").left_out}
    assert cold == {"saving-residential-mild-2030"}


def test_a_place_may_say_what_it_lacks(catalog: Catalog) -> None:
    whole = draft(catalog, "qingdao-2024", "qingdao-shinan")
    assert any(finding.name == "plans.draft.rural-in-district" for finding in whole.findings)
    found = draft(catalog, "qingdao-2024", "qingdao-shinan", lacking={Lacking.COUNTY_SEAT, Lacking.RURAL})
    assert {each.id for each in found.left_out if each.name == "rural"} >= {
        "三（七）", "三（八）", "model-villages-yearly", "provincial-villages-2025", "rural-sewage-2025", "rural-waste-2025",
    }  # fmt: skip
    seat = draft(catalog, "demo-city-2024", "demo-city-dongwan")
    assert {each.id for each in seat.left_out if each.kind == "task"} == {"三（十）"}
    assert "三（十）" not in {each.id for each in draft(catalog, "demo-city-2024", "demo-city-qinghe").left_out}


def test_years_that_are_over_are_left_out_unless_wanted(catalog: Catalog) -> None:
    late = draft(catalog, "jilin-2023", "changchun", as_of=date(2026, 5, 1))
    assert {each.name for each in late.left_out} == {"past"}
    assert not any(each.by == 2025 for each in late.targets)
    assert len(draft(catalog, "jilin-2023", "changchun", as_of=date(2026, 5, 1), keep_past=True).targets) == 28


def test_allocated_values_are_taken_and_compared(catalog: Catalog) -> None:
    values = {"heat-network-2025": 1200.0, "leakage-2030": 8.5, "renewable-2025": 9.0, "heat-network-yearly": 1100.0}
    found = draft(catalog, "jilin-2023", "changchun", allocations=values)
    assert {each.id: each.value for each in found.targets if each.slot is SlotKind.ALLOCATED} == values
    said = {finding.name: finding.sentence for finding in found.findings if finding.severity == "warning"}
    assert "leakage-2030" in said["plans.draft.looser"]
    assert "renewable" not in said["plans.draft.looser"]
    assert "heat-network-yearly" in said["plans.draft.more"]


def test_an_allocation_of_a_target_that_is_left_out_is_told(catalog: Catalog) -> None:
    values = {"heat-network-2025": 1200.0}
    late = draft_plan(
        catalog.plan("jilin-2023"), catalog, place="changchun", allocations=values, as_of=date(2026, 11, 20)
    )
    [finding] = [each for each in late.findings if each.name == "plans.draft.allocation-unused"]
    assert "heat-network-2025" in finding.sentence
    assert "期限已过" in finding.sentence
    used = draft(catalog, "jilin-2023", "changchun", allocations=values)
    assert "plans.draft.allocation-unused" not in [each.name for each in used.findings]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"heat-network": 1.0}, "heat-network-2025"),
        ({"peak-2030": 1.0}, "leakage-2030"),
        ({"county-density": 1.0}, "cluster-density"),
    ],
)
def test_an_allocation_that_fits_no_target_is_refused(catalog: Catalog, values: dict[str, float], says: str) -> None:
    parent, place = ("national-2022", "jilin") if "county-density" in values else ("jilin-2023", "changchun")
    with pytest.raises(UsageError) as error:
        draft(catalog, parent, place, allocations=values)
    assert says in error.value.expected


def test_a_place_beside_or_above_is_refused(catalog: Catalog) -> None:
    for place in ("changchun", "qingdao", "shandong"):
        with pytest.raises(UsageError):
            draft(catalog, "qingdao-2024", place)


def test_a_level_that_is_skipped_is_said(catalog: Catalog) -> None:
    names = {finding.name: finding.value for finding in draft(catalog, "national-2022", "changchun").findings}
    assert names["plans.draft.level-skipped"] == "吉林省"


def test_the_chain_can_be_drafted_down_from_the_nation(catalog: Catalog) -> None:
    assert draft(catalog, "national-2022", "jilin").title == "吉林省城乡建设领域碳达峰实施方案"
    assert draft(catalog, "demo-city-2024", "demo-city-qinghe").title == "青禾县城乡建设领域碳达峰工作方案"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"value": 30}, "到2030年，某率达到30%以上"),
        ({"value": 30, "comparator": ">"}, "到2030年，某率超过30%"),
        ({"value": 8, "comparator": "<=", "by": None, "measure": "limit"}, "某率控制在8%以内"),
        ({"value": 8, "by": None, "measure": "limit"}, "某率不低于8%"),
        ({"value": 60, "comparator": "~"}, "到2030年，某率达到60%左右"),
        ({"value": 0.6, "value_max": 0.8, "comparator": "=", "unit": None}, "到2030年，某率控制在0.6至0.8"),
        ({"value": 20, "measure": "change", "base": {"state": "before_works"}, "change": "increase"}, "到2030年，某率提升20%以上"),
        ({"value": 10, "measure": "change", "base": {"state": "existing"}, "change": "increase", "comparator": "="}, "到2030年，某率比现有水平提升10%"),
        ({"value": 45, "measure": "each_year", "label": "改造管网", "unit": "公里", "start": 2024, "comparator": "="}, "2024至2030年，每年改造管网45公里"),
        ({"value": 45, "measure": "cumulative", "label": "改造管网", "unit": "公里"}, "到2030年，累计改造管网45公里以上"),
        ({"slot": "open", "measure": "cumulative", "label": "累计完成改造", "unit": "户"}, "到2030年，累计改造【待分解】户以上"),
        ({"slot": "event", "measure": "milestone", "label": "老旧小区改造完成"}, "到2030年，完成老旧小区改造任务"),
        ({"slot": "event", "measure": "milestone", "label": "碳排放达峰"}, "到2030年，实现碳排放达峰"),
        ({"slot": "event", "measure": "milestone", "label": "情况报告", "by": None, "yearly": "每年10月底前"}, "每年10月底前，完成情况报告"),
        ({"value": 45, "scope": "主城区", "label": "道路网密度"}, "到2030年，主城区道路网密度达到45%以上"),
        ({"value": 45, "scope": "主城区内", "label": "主城区密度"}, "到2030年，主城区密度达到45%以上"),
    ],
)  # fmt: skip
def test_sentences_stand_in_the_standard_forms(fields: dict[str, object], sentence: str) -> None:
    usual: dict[str, object] = {
        "id": "a", "clause": "二（一）", "label": "某率", "indicator": "a", "comparator": ">=", "unit": "%", "by": 2030,
        "measure": Measure.LEVEL, "slot": SlotKind.CARRIED, "parent_clause": "一", "parent_phrase": "",
    }  # fmt: skip
    assert draft_text(DraftTarget.model_validate(usual | fields)) == sentence
