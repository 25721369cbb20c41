"""The responsibility list: one row a promise, tasks without promises too, five kinds of deadline, a table of names."""

import pytest

from assessment_builders import small_catalog, small_plan
from dafeng.base.target import Target
from dafeng.catalog import load_catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.plans import DeadlineKind, ResponsibilityList, deadline_of, responsibility_list, target_phrase, value_phrase

RAIL = {"indicator": "rail", "label": "轨道里程", "value": 351.6, "unit": "公里", "by": 2025, "measure": "level"}
MORE = {
    "tasks": [
        {"number": "二（一）", "title": "建设城市", "at": [5, 9], "bodies": ["市住建局", "市水务局", "各区市"]},
        {"number": "二（二）", "title": "宣传推广", "at": [200, 204], "bodies": ["市水务局"]},
    ],
    "obligations": [
        {"id": "star", "clause": "二（一）", "at": [90, 99], "title": "新建公共建筑达到一星", "when": "true", "require": "true", "from": 2025}
    ],
}  # fmt: skip


def plan() -> Plan:
    return small_plan(RAIL, {**RAIL, "clause": "一", "bodies": [], "soft": True, "note": "软"}, **MORE)


@pytest.fixture
def listed() -> ResponsibilityList:
    return responsibility_list(plan(), small_catalog())


def test_every_promise_and_every_task_without_one_has_a_row_in_document_order(listed: ResponsibilityList) -> None:
    assert [(row.number, row.clause, row.target or row.obligation, row.task) for row in listed.rows] == [
        (1, "二（一）", "target-0", "建设城市"),
        (2, "一", "target-1", ""),
        (3, "二（一）", "star", "建设城市"),
        (4, "二（二）", None, "宣传推广"),
    ]


def test_the_first_body_is_presumed_to_lead_and_the_row_says_so(listed: ResponsibilityList) -> None:
    first, second, _, last = listed.rows
    assert first.lead is not None
    assert (first.lead.id, first.lead.role.value) == ("city-housing", "lead_presumed")
    assert [body.id for body in first.responsible] == ["city-water", "city-divisions"]
    assert first.supporting == ()
    assert "待确认" in first.note
    assert "市水务局职责已由乙市住房和城乡建设局承接" in first.note
    assert second.lead is None
    assert "方案未写责任单位" in second.note
    assert "软性要求" in second.note
    assert last.lead is not None
    assert last.lead.role.value == "lead"
    assert "待确认" not in last.note


def test_rows_hold_our_own_phrases_value_and_deadline(listed: ResponsibilityList) -> None:
    first, _, third, last = listed.rows
    assert (first.content, first.value, first.deadline.text) == (
        "到2025年，轨道里程不低于351.6公里", "不低于351.6公里（2025年）", "2025年底前",
    )  # fmt: skip
    assert (third.content, third.value, third.deadline.text) == ("新建公共建筑达到一星", "", "2025年起长期执行")
    assert (last.content, last.deadline.kind) == ("宣传推广", DeadlineKind.NONE)


def test_views_by_clause_body_deadline_and_status(listed: ResponsibilityList) -> None:
    assert [(clause, len(rows)) for clause, rows in listed.by_clause().items()] == [
        ("二（一）", 2),
        ("一", 1),
        ("二（二）", 1),
    ]
    assert {body: len(rows) for body, rows in listed.by_body().items()} == {
        "city-housing": 2, "city-water": 3, "city-divisions": 2,
    }  # fmt: skip
    assert list(listed.by_deadline()) == ["2025年底前", "2025年起长期执行", "未写明"]
    statuses = listed.by_status({"target-0": "met"})
    assert [row.target for row in statuses["met"]] == ["target-0"]
    assert len(statuses[""]) == 3


def test_the_second_table_lists_each_name_used_with_its_body(listed: ResponsibilityList) -> None:
    assert [(alias.as_written, alias.body, alias.rows) for alias in listed.aliases] == [
        ("市住建局", "city-housing", 2), ("市水务局", "city-water", 3), ("各区市", "city-divisions", 2),
    ]  # fmt: skip


def target(**fields: object) -> Target:
    return Target.model_validate(
        {"id": "t", "clause": "二", "at": [0, 9], "indicator": "x", "comparator": "=", **fields}
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"label": "里程", "value": 5, "unit": "公里", "by": 2025, "measure": "level"}, DeadlineKind.DATE),
        ({"label": "体系", "by": 2030, "measure": "milestone"}, DeadlineKind.MILESTONE_YEAR),
        ({"label": "村", "value": 100, "unit": "个", "measure": "each_year"}, DeadlineKind.YEARLY),
        ({"label": "报告", "measure": "milestone", "note": "每年10月底前"}, DeadlineKind.YEARLY),
        ({"label": "宽度", "value": 40, "unit": "米", "measure": "limit"}, DeadlineKind.PERMANENT),
        ({"label": "占比", "value": 30, "unit": "%", "measure": "level"}, DeadlineKind.NONE),
    ],
)
def test_there_are_five_kinds_of_deadline_and_three_can_be_late(fields: dict[str, object], kind: DeadlineKind) -> None:
    assert deadline_of(target(**fields)).kind is kind
    assert kind.can_be_late is (kind not in (DeadlineKind.PERMANENT, DeadlineKind.NONE))


@pytest.mark.parametrize(
    ("fields", "phrase"),
    [
        ({"label": "密度", "value": 0.6, "value_max": 1, "unit": "万人/平方公里", "measure": "limit"}, "密度0.6至1万人/平方公里"),
        ({"label": "每年改造", "value": 1000, "unit": "公里", "measure": "each_year", "by": 2025}, "到2025年，每年改造1000公里"),
        ({"label": "改造", "value": 15, "unit": "公里", "measure": "cumulative", "by": 2025}, "到2025年，改造累计15公里"),
        ({"label": "占比", "comparator": "~", "value": 60, "unit": "%", "measure": "level", "scope": "全市"}, "占比（全市）约60%"),
        ({"label": "体系建立", "by": 2025, "measure": "milestone"}, "到2025年，体系建立"),
        (
            {"label": "能效", "comparator": ">=", "value": 20, "unit": "%", "measure": "change", "base": {"state": "before_works"}, "change": "increase"},
            "能效比改造前提高不低于20%",
        ),
    ],
)  # fmt: skip
def test_a_phrase_is_made_of_label_comparator_value_unit_and_year(fields: dict[str, object], phrase: str) -> None:
    assert target_phrase(target(**fields)) == phrase


def test_the_value_of_a_milestone_is_that_it_is_done() -> None:
    assert value_phrase(target(label="体系", by=2025, measure="milestone")) == "完成"


@pytest.mark.parametrize("name", ["qingdao-2024", "jilin-2023"])
def test_every_target_and_obligation_of_a_real_plan_has_a_row_and_every_body_is_known(name: str) -> None:
    catalog = load_catalog()
    real = catalog.plan(name)
    listed = responsibility_list(real, catalog)
    assert [row.target for row in listed.rows if row.target] == [
        one.id for one in sorted(real.targets, key=lambda t: t.at.start)
    ]
    assert {row.obligation for row in listed.rows if row.obligation} == {one.id for one in real.obligations}
    assert {task.number for task in real.tasks} <= {row.clause for row in listed.rows}
    assert listed.findings == ()
    assert {alias.as_written for alias in listed.aliases} == {text for task in real.tasks for text in task.bodies}
