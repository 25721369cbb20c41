"""What each body owes: forms of a plan's cycle, statutory forms, and that nothing that a source lists is left out."""

import csv
import re
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dafeng.base.errors import InputError
from dafeng.base.finding import Severity
from dafeng.base.observation import Observation, observation_frame
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.statistics_schemas import Form
from dafeng.statistics.owed import Respondent, due_day, issue_form, owed_by
from dafeng.statistics.owed_lines import inputs_of, period_before
from form_builders import DUE, WATER, shipped

PLAN = shipped().plans["qingdao-2024"]


def _plan(*targets: dict[str, object]) -> Plan:
    """Return a plan of Qingdao with the given targets, each of the bodies that it names."""
    base = {"clause": "一", "at": [1, 2], "label": "某", "comparator": ">=", "value": 1.0, "measure": "level"}
    made = [{**base, "id": f"t-{number}", **target} for number, target in enumerate(targets)]
    document = {"sha256": "0" * 64}
    return Plan.model_validate(
        {
            "id": "small",
            "title": {"zh": "某方案", "en": "a plan"},
            "place": "qingdao",
            "document": document,
            "targets": made,
        }
    )


RAIL = {"indicator": "urban_rail_length", "unit": "公里", "bodies": ["市交通运输局", "市住房城乡建设局", "各区市"]}
WATER_REUSE = {"indicator": "reclaimed_water_rate", "unit": "%", "bodies": ["市水务管理局"]}


def test_the_lead_answers_for_the_city_and_each_district_for_itself() -> None:
    owed = owed_by(_plan(RAIL), shipped(), period="2025", due=DUE)
    asked = {(issue.body, issue.place) for issue in owed.issues}
    assert len(asked) == 11
    assert ("qingdao-transport", "qingdao") in asked
    assert ("qingdao-jimo-government", "qingdao-jimo") in asked
    assert not any(body == "qingdao-housing" for body, _ in asked)
    assert all(line.place == issue.place for issue in owed.issues for line in issue.lines)


def test_every_division_may_be_asked_where_the_plan_says_so_once_for_all() -> None:
    owed = owed_by(_plan(WATER_REUSE), shipped(), period="2025", due=DUE, every_division=True)
    assert len(owed.issues) == 11
    assert {len(issue.lines) for issue in owed.issues} == {3}


def test_a_clerk_names_another_lead() -> None:
    owed = owed_by(_plan(RAIL), shipped(), period="2025", due=DUE, leads={"t-0": "qingdao-housing"})
    assert {issue.body for issue in owed.issues if issue.place == "qingdao"} == {"qingdao-housing"}


def test_a_ratio_is_asked_with_its_inputs_and_may_itself_stay_blank() -> None:
    (issue,) = owed_by(_plan(WATER_REUSE), shipped(), period="2025", due=DUE).issues
    assert [(line.indicator, line.own, line.required) for line in issue.lines] == [
        ("reclaimed_water_rate", True, False),
        ("reclaimed_water_volume", False, True),
        ("sewage_treated_volume", False, True),
    ]
    assert [line.unit for line in issue.lines] == ["%", "万立方米", "万立方米"]


def test_every_reading_of_an_open_definition_is_asked_on_its_basis() -> None:
    housing = next(
        issue for issue in owed_by(PLAN, shipped(), period="2025", due=DUE).issues if issue.body == "qingdao-housing"
    )
    bases = {line.basis for line in housing.lines if line.indicator == "renewable_substitution_rate"}
    assert bases == {"generation", "calorific"}
    classes = {line.building_class for line in housing.lines if line.indicator == "new_building_saving_rate"}
    assert classes == {"residential", "public"}
    keys = [line.key for line in housing.lines]
    assert len(keys) == len(set(keys))
    assert len({line.id for line in housing.lines}) == len(keys)


def test_two_targets_of_one_quantity_ask_once_and_name_both() -> None:
    (issue,) = owed_by(_plan(WATER_REUSE, {**WATER_REUSE, "by": 2030}), shipped(), period="2025", due=DUE).issues
    assert issue.lines[0].targets == ("t-0", "t-1")
    assert len(issue.lines) == 3


def test_nobody_is_asked_in_silence() -> None:
    plan = _plan({**RAIL, "bodies": []}, {**RAIL, "bodies": ["市地铁建设指挥部"]})
    owed = owed_by(plan, shipped(), period="2025", due=DUE)
    assert owed.issues == ()
    assert [finding.name for finding in owed.findings] == [
        "form.issue.nobody", "form.issue.unknown-body", "form.issue.nobody",
    ]  # fmt: skip
    assert {finding.severity for finding in owed.findings} == {Severity.WARNING}
    told = owed_by(plan, shipped(), period="2025", due=DUE, reporter="qingdao-housing")
    assert [issue.body for issue in told.issues] == ["qingdao-housing"]


def test_last_years_value_comes_from_the_most_trusted_dataset() -> None:
    trusted = shipped().indicators["urban_rail_length"].precedence
    now = datetime(2025, 1, 1, tzinfo=UTC)

    def fact(dataset: str, value: float, period: str = "2024", kind: str = "reported") -> Observation:
        return Observation(
            indicator="urban_rail_length", place="qingdao", period=period, value=value, dataset=dataset, kind=kind, recorded_at=now
        )  # fmt: skip

    facts = [fact("z-estimate", 1.0, kind="estimated"), fact("a-report", 352.68), fact("a-report", 300.0, "2023")]
    facts += [fact("demo", 9.0, kind="demonstration")]
    facts += [fact(trusted[0], 351.0)] if trusted else []
    (issue, *_) = owed_by(_plan(RAIL), shipped(), period="2025", due=DUE, facts=observation_frame(facts)).issues
    line = issue.lines[0]
    wanted = (351.0, trusted[0]) if trusted else (352.68, "a-report")
    assert (line.last_value, line.last_dataset, line.last_period) == (*wanted, "2024")


def test_the_version_follows_what_is_asked() -> None:
    one, two = (owed_by(_plan(target), shipped(), period="2025", due=DUE).issues[0] for target in (RAIL, WATER_REUSE))
    again = owed_by(_plan(RAIL), shipped(), period="2025", due=date(2027, 1, 1)).issues[0]
    assert one.version != two.version
    assert one.version == again.version


@pytest.mark.parametrize(
    ("form", "period", "day"),
    [
        ("green_building_quarterly", "2025-Q1", date(2025, 4, 5)),
        ("green_building_quarterly", "2025-Q4", date(2026, 1, 5)),
        ("civil_building_energy", "2025", date(2026, 5, 31)),
        ("civil_building_energy", "2025-H1", date(2026, 5, 31)),
        ("district_heating", "2025-HS", date(2027, 5, 31)),
        ("yearbook_water", "2025", None),
    ],
)
def test_return_by_days(form: str, period: str, day: date | None) -> None:
    assert due_day(shipped().forms[form], period) == day


def test_a_form_is_not_asked_for_a_period_of_another_sort_nor_without_a_day() -> None:
    forms = shipped().forms
    with pytest.raises(InputError, match="asked every quarter"):
        issue_form(forms["green_building_quarterly"], shipped(), [WATER], period="2025")
    with pytest.raises(InputError, match="no return-by day"):
        issue_form(forms["yearbook_water"], shipped(), [WATER], period="2025")


def test_an_expired_form_says_so() -> None:
    form: Form = shipped().forms["yearbook_water"].model_copy(update={"valid_to": date(2026, 1, 1)})
    owed = issue_form(form, shipped(), [WATER], period="2025", due=DUE)
    assert [finding.name for finding in owed.findings] == ["form.issue.expired"]


def test_inputs_go_down_to_what_is_not_computed_and_never_round_in_a_circle() -> None:
    indicators = shipped().indicators
    assert inputs_of(indicators["urban_rail_length"], shipped()) == ()
    for indicator in indicators.values():
        for name in inputs_of(indicator, shipped()):
            assert not indicators[name].expressions, (indicator.id, name)
    assert [period_before(text) for text in ("2025-01..09", "2025-HS", "2021..2025")] == [
        "2024-01..09",
        "2024-HS",
        None,
    ]


def test_a_thousand_bodies_are_asked_in_seconds() -> None:
    places = [place.id for place in shipped().places][:400]
    began = time.perf_counter()
    owed = owed_by(PLAN, shipped(), period="2025", due=DUE, places=places)
    many = [WATER.model_copy(update={"body": f"body-{number}"}) for number in range(1000)]
    issued = issue_form(shipped().forms["yearbook_water"], shipped(), many, period="2025", due=DUE)
    assert time.perf_counter() - began < 20
    assert (len(owed.issues) > 400, len(issued.issues)) == (True, 1000)
    assert len({issue.id for issue in (*owed.issues, *issued.issues)}) == len(owed.issues) + 1000


ELSEWHERE = {
    "统计表表头": "statutory_head",
    "民用建筑能源资源消耗统计调查": "civil_building_energy",
    "城市体检指标项": None,
    "城市体检问题台账": None,
    "目标完成情况表": None,
    "重点任务责任清单": None,
}
"""Groups of the source that are a head, a scheme, or papers and registers made elsewhere (sets, ledgers, the October report)."""
GROUPS = {
    "建能耗基1表": "civil_building_basics",
    "建能耗基2表": "civil_building_energy",
    "建能耗基3表": "district_heating",
    "公共机构能源资源消费 1表": "public_body_basics",
    "公共机构能源资源消费 2表": "public_body_energy",
    "建筑节能与绿色建筑进展季报": "green_building_quarterly",
    "民用建筑节能信息公示": "site_energy_notice",
    "公共建筑能耗公示表": "energy_disclosure",
    "月报": "monitoring_monthly",
}
DERIVED = {
    "区县排名", "逐日用电与气温", "前十高耗能建筑", "异常与处理", "年度目标", "完成率", "同比增长", "累计(本五年)", "备注(口径: 竣工/新开工/设计)",
    "2025-11 修订", "单位面积用电量 by class", "分项比例 A/B/C/D", "本年上半年累计", "本年全年累计", "上年上半年累计", "上年全年累计", "年度数据",
}  # fmt: skip
"""Columns that a form has anyway, and tables that the platform makes itself."""


def test_every_field_of_the_sources_is_claimed(shared: Path) -> None:
    with (shared / "domain" / "facts" / "form_fields.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 223  # and its head
    for row in rows:
        group = next((name for name in GROUPS if row["form"].startswith(name)), None)
        if group is None:
            assert any(row["form"].startswith(name) for name in ELSEWHERE), row["form"]
            continue
        form = shipped().forms[GROUPS[group]]
        titles = "｜".join(field.title.zh for field in (*form.fields, *form.head))
        if row["name_zh"] in DERIVED:
            continue
        parts = [
            part
            for part in re.split(r"[ /、,，()（）]|其中|比例|及同比|本月", row["name_zh"])
            if len(part) > 1 or part in "电煤水"
        ]
        assert any(part in titles for part in parts), (row["form"], row["name_zh"])


def test_every_figure_asked_names_an_indicator_or_a_unit() -> None:
    for form in shipped().forms.values():
        for field in form.fields:
            if field.type == "number":
                assert field.indicator or field.unit, (form.id, field.id)
        if form.subject == "place":
            assert all(field.indicator for field in form.fields if field.type == "number"), form.id


def test_official_numbers_stand_only_where_they_were_seen() -> None:
    numbers = {field.id: field.number for field in shipped().forms["civil_building_energy"].fields}
    assert {name: number for name, number in numbers.items() if number} == {"electricity": "103"}
    assert all(not form.approval for form in shipped().forms.values())


def test_a_body_that_the_catalog_lacks_still_gets_its_form() -> None:
    owed = owed_by(_plan({**RAIL, "bodies": ["各区市"]}), shipped(), period="2025", due=DUE, places=["jinan"])
    assert [(issue.body, issue.body_name) for issue in owed.issues] == [("jinan-government", "济南市人民政府")]
    assert Respondent(body="a", body_name="b", place="qingdao").subjects == ()
