"""Which indicator a promise speaks of: word for word, by similarity, or open; drafts for what the catalog lacks."""

import json
from collections import Counter
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from dafeng.base.finding import Severity
from dafeng.base.target import Change, Comparator, Direction, Locator, Measure
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog, read_entries, shipped_folder
from dafeng.catalog.checks import check_catalog
from dafeng.catalog.schemas import Indicator, IndicatorMeasure
from dafeng.plans.matching import THRESHOLD, draft_indicator, match_indicator
from dafeng.plans.read_records import IndicatorMatch, LabelKind, Origin, ReadTarget

PLANS = {"jilin": "jilin-2023", "qingdao": "qingdao-2024", "national": "national-2022"}


@cache
def catalog() -> Catalog:
    return load_catalog()


def match(
    label: str,
    unit: str | None = "%",
    kind: LabelKind = LabelKind.LEVEL,
    scope: str | None = None,
    exclude: frozenset[str] = frozenset(),
) -> IndicatorMatch:
    return match_indicator(label, unit=unit, kind=kind, scope=scope, catalog=catalog(), exclude=exclude)


@pytest.mark.parametrize(
    ("label", "unit", "kind", "indicator"),
    [
        ("城镇建筑可再生能源替代率", "%", LabelKind.LEVEL, "renewable_substitution_rate"),
        ("城镇建筑可再生能源替代率", "％", LabelKind.LEVEL, "renewable_substitution_rate"),
        ("全面执行绿色建筑标准", None, LabelKind.MILESTONE, "green_standard_for_all_new_buildings"),
    ],
)
def test_a_name_or_alias_decides(label: str, unit: str | None, kind: LabelKind, indicator: str) -> None:
    found = match(label, unit, kind)
    assert (found.indicator, found.score, found.origin) == (indicator, 1.0, Origin.LEXICON)
    assert "逐字相同" in found.reason


@pytest.mark.parametrize(
    ("label", "unit", "kind", "indicator"),
    [
        ("全市装配式建筑占当年城镇新建建筑的比重", "%", LabelKind.LEVEL, "prefabricated_share"),
        ("建成区平均可渗透面积占比", "%", LabelKind.LEVEL, "permeable_area_ratio"),
        ("累计改造供热管网", "公里", LabelKind.COUNT, "heat_network_renovated_length"),
        ("城市再生水平均利用率", "%", LabelKind.LEVEL, "reclaimed_water_rate"),
        ("城市公共供水管网平均漏损率", "%", LabelKind.LIMIT, "water_leakage_rate"),
        ("建筑领域碳排放达到峰值", None, LabelKind.MILESTONE, "carbon_peak"),
    ],
)
def test_other_wording_is_found_by_similarity(label: str, unit: str | None, kind: LabelKind, indicator: str) -> None:
    found = match(label, unit, kind)
    assert found.indicator == indicator, (found.reason, found.candidates)
    assert THRESHOLD <= found.score <= 1
    assert found.reason


@pytest.mark.parametrize(
    ("label", "unit", "kind"),
    [
        ("屋顶农场覆盖率", "%", LabelKind.LEVEL),
        ("培训建筑工人", "人次", LabelKind.COUNT),
        ("森林覆盖率", "%", LabelKind.LEVEL),
        ("建成民宿", "家", LabelKind.COUNT),
        ("完成村史馆布展", None, LabelKind.MILESTONE),
    ],
)
def test_what_the_catalog_lacks_stays_open(label: str, unit: str | None, kind: LabelKind) -> None:
    found = match(label, unit, kind)
    assert found.indicator is None
    assert found.score < THRESHOLD


def test_the_unit_is_a_hard_gate() -> None:
    assert match("城镇建筑可再生能源替代率", "公里").indicator is None
    assert match("城镇建筑可再生能源替代率", None, LabelKind.MILESTONE).indicator is None
    assert match("城市供热管网热损失", "个百分点", LabelKind.CHANGE).indicator == "heat_network_loss_rate"


def test_a_word_of_the_opposite_leads_elsewhere_or_nowhere() -> None:
    assert match("农村生活垃圾资源化利用率").indicator != "household_waste_recovery_rate"
    assert match("建筑垃圾资源化利用率").indicator == "construction_waste_recovery_rate"


def test_names_left_out_decide_nothing() -> None:
    label = "城镇建筑可再生能源替代率"
    found = match(label, exclude=frozenset({label}))
    assert found.origin is Origin.GRAMMAR
    assert found.score < 1


def test_the_same_label_gives_the_same_answer() -> None:
    assert match("装配式建筑占新建建筑比例") == match("装配式建筑占新建建筑比例")


@pytest.mark.parametrize("left_out", [False, True])
def test_three_plans_match_without_a_single_wrong_indicator(left_out: bool, shared: Path) -> None:
    """With the plan's own wording in the catalog at least nine of ten decided; without it seven of ten; wrong never."""
    counts: Counter[str] = Counter()
    for name, plan_id in PLANS.items():
        gold = json.loads((shared / "plans" / "gold" / f"{name}.json").read_text(encoding="utf-8"))
        entered = {(target.at.start, target.at.end): target for target in catalog().plans[plan_id].targets}
        own = frozenset([one["indicator"] for one in gold["targets"]] + [target.label for target in entered.values()])
        for one in gold["targets"]:
            right = entered[tuple(one["span"])].indicator
            found = match(
                one["indicator"], one["unit"], LabelKind(one["kind"]), one["scope"], own if left_out else frozenset()
            )
            counts["open" if found.indicator is None else "right" if found.indicator == right else "wrong"] += 1
    assert counts["wrong"] == 0
    assert counts["right"] >= (0.7 if left_out else 0.88) * counts.total()


def open_target(**update: object) -> ReadTarget:
    target = ReadTarget(
        id="x", clause="二（一）", at=Locator(start=40, end=52), label="屋顶农场面积", comparator=Comparator.AT_LEAST, value=20.0,
        unit="万平方米", by=2030, kind=LabelKind.COUNT, measure=Measure.CUMULATIVE,
    )  # fmt: skip
    return target.model_copy(update=update)


DRAFTS = [
    ({}, "m**2", IndicatorMeasure.FLOW, Direction.UP),
    (
        {"unit": "%", "kind": LabelKind.LEVEL, "label": "屋顶农场覆盖率"},
        "percent",
        IndicatorMeasure.SHARE,
        Direction.UP,
    ),
    (
        {"unit": "%", "kind": LabelKind.CHANGE, "label": "用水损耗", "change": Change.DECREASE},
        "percent",
        IndicatorMeasure.SHARE,
        Direction.DOWN,
    ),
    (
        {"value": None, "unit": None, "kind": LabelKind.MILESTONE, "label": "屋顶农场全覆盖"},
        "yes_no",
        IndicatorMeasure.STATE,
        Direction.UP,
    ),
    (
        {"unit": "座", "comparator": Comparator.AT_MOST, "kind": LabelKind.LIMIT, "label": "高炉数量"},
        "item",
        IndicatorMeasure.STOCK,
        Direction.DOWN,
    ),
    (
        {"unit": "吨/万平方米", "kind": LabelKind.LEVEL, "label": "单位面积用水"},
        "t/m**2",
        IndicatorMeasure.INTENSITY,
        Direction.UP,
    ),
    (
        {"unit": "万人/平方公里", "kind": LabelKind.LIMIT, "label": "夜间人口密度"},
        "person/m**2",
        IndicatorMeasure.INTENSITY,
        Direction.UP,
    ),
]


def draft_of(update: dict[str, object], place: int = 40) -> Indicator:
    return draft_indicator(
        open_target(**update, at=Locator(start=place, end=place + 9)),
        "demo-2024",
        checked_on=date(2026, 11, 20),
        source="S02",
    )


@pytest.mark.parametrize(("update", "unit", "measure", "direction"), DRAFTS)
def test_a_draft_says_what_is_known_and_no_more(
    update: dict[str, object], unit: str, measure: IndicatorMeasure, direction: Direction
) -> None:
    draft = draft_of(update)
    assert (draft.unit, draft.measure, draft.direction) == (unit, measure, direction)
    assert draft.pending
    assert "待核" in draft.definition


def test_drafts_pass_the_checks_of_the_catalog() -> None:
    entries, _ = read_entries([shipped_folder()])
    for place, (update, *_rest) in enumerate(DRAFTS):
        draft = draft_of(update, place)
        entries.sections["indicators"][draft.id] = draft
        entries.origins["indicators", draft.id] = next(iter(entries.origins.values()))
    faults = check_catalog(entries, Catalog(entries))
    assert [fault.sentence for fault in faults if fault.severity is Severity.ERROR] == []


def test_drafts_of_two_places_have_two_ids() -> None:
    first = draft_indicator(open_target(), "demo-2024", checked_on=date(2026, 11, 20), source="S02")
    second = draft_indicator(
        open_target(at=Locator(start=90, end=99)), "demo-2024", checked_on=date(2026, 11, 20), source="S02"
    )
    assert first.id != second.id
