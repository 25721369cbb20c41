"""Decisions laid over a reading and over the reading of the next version: exact, carried, superseded, lost."""

import hashlib
from datetime import date

import pytest

from dafeng.base.document import DocumentText
from dafeng.catalog import Catalog, load_catalog
from dafeng.catalog.decision_schemas import DecisionSubject, PlanDecision, ReadingAnchor, ReadingVerdict
from dafeng.plans.assembling import AssembledPlan, assemble_plan
from dafeng.plans.decisions import anchor_of, lay_decisions
from dafeng.plans.read_records import ReadPlan
from dafeng.plans.reading import read_plan
from plan_builders import document

TEXT = """青岛市城乡建设领域低碳行动方案
一、重点任务
（一）发展绿色建筑
到2025年，星级绿色建筑占比达到30%以上。新建厂房屋顶应安装光伏系统。（责任单位：市住房城乡建设局、市发展改革委）
（二）完善基础设施
到2030年，城市公共供水管网漏损率控制在8%以内，云台指数达到90分以上。（责任单位：市水务管理局）"""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def read(text: str, catalog: Catalog) -> tuple[DocumentText, ReadPlan]:
    plan = document(text)
    return plan, read_plan(plan, catalog)


def decide(
    text: str,
    catalog: Catalog,
    label: str,
    verdict: ReadingVerdict,
    *,
    on: date = date(2026, 1, 5),
    **fields: object,
) -> PlanDecision:
    plan, reading = read(text, catalog)
    items = [*reading.targets, *reading.duties, *(clause for clause in reading.outline.clauses if clause.task)]
    [item] = [
        each for each in items if label in (getattr(each, "label", ""), getattr(each, "title", ""), each_title(each))
    ]
    subject = {"ReadTarget": "target", "ReadDuty": "obligation", "Clause": "task"}[type(item).__name__]
    return PlanDecision(
        id=f"p-{subject}-{label.encode().hex()[:12]}-{on:%Y%m%d}-{verdict.value}",
        plan="qingdao-x",
        document="0" * 64,
        subject=DecisionSubject(subject),
        anchor=anchor_of(item, plan, reading.outline),
        verdict=verdict,
        fields=fields,
        by="王工",
        on=on,
        reason="核对原文",
    )


def each_title(item: object) -> str:
    obligation = getattr(item, "obligation", None)
    return obligation.title if obligation else ""


def assembled(text: str, catalog: Catalog, *decisions: PlanDecision) -> AssembledPlan:
    plan, reading = read(text, catalog)
    return assemble_plan(
        reading, plan, catalog, plan_id="qingdao-x", decisions=decisions, checked_on=date(2026, 11, 20)
    )


def target(plan: AssembledPlan, label: str) -> object:
    return next(each for each in plan.plan.targets if each.label == label)


STAR, LEAK = "星级绿色建筑占比", "城市公共供水管网漏损率"


def test_the_text_is_read_as_the_tests_below_suppose(catalog: Catalog) -> None:
    plan = assembled(TEXT, catalog)
    assert [(each.label, each.value, each.by) for each in plan.plan.targets] == [
        (STAR, 30.0, 2025), (LEAK, 8.0, 2030), ("云台指数", 90.0, 2030),
    ]  # fmt: skip
    assert [each.require for each in plan.plan.obligations] == ["pv_installed"]
    assert plan.state.reviewed == 0
    assert all("未复核" in (each.note or "") for each in plan.plan.targets)


def test_an_acceptance_marks_the_target_and_names_who(catalog: Catalog) -> None:
    plan = assembled(TEXT, catalog, decide(TEXT, catalog, STAR, ReadingVerdict.ACCEPT))
    assert target(plan, STAR).note == "王工 2026-01-05 采纳"
    assert (plan.state.reviewed, plan.state.items) == (1, 4)
    assert [each.how for each in plan.applied] == ["exact"]
    assert plan.findings == assembled(TEXT, catalog).findings


def test_a_correction_wins_over_the_reading(catalog: Catalog) -> None:
    fix = decide(
        TEXT, catalog, STAR, ReadingVerdict.CORRECT, by=2026, scope="城镇新建建筑", bodies=["市住房城乡建设局"]
    )
    fixed = target(assembled(TEXT, catalog, fix), STAR)
    assert (fixed.by, fixed.scope, fixed.bodies, fixed.value) == (2026, "城镇新建建筑", ("市住房城乡建设局",), 30.0)


def test_a_rejected_reading_is_gone_and_its_number_has_a_reason(catalog: Catalog) -> None:
    plan = assembled(TEXT, catalog, decide(TEXT, catalog, STAR, ReadingVerdict.REJECT))
    assert [each.label for each in plan.plan.targets] == [LEAK, "云台指数"]
    assert plan.state.rejected == 1
    at = document(TEXT).plain.index("30%")
    assert [each.reason for each in plan.plan.other_numbers if each.at.start == at] == ["rejected_by_person"]


def test_the_newest_of_two_decisions_holds(catalog: Catalog) -> None:
    old = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, on=date(2026, 1, 5), by=2026)
    new = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, on=date(2026, 3, 1), by=2027)
    for order in ((old, new), (new, old)):
        plan = assembled(TEXT, catalog, *order)
        assert target(plan, STAR).by == 2027
        assert sorted(each.how for each in plan.applied) == ["exact", "superseded"]


def test_an_open_indicator_is_kept_as_a_draft_until_a_person_names_one(catalog: Catalog) -> None:
    plan = assembled(TEXT, catalog)
    [draft] = plan.draft_indicators
    assert target(plan, "云台指数").indicator == draft.id
    assert draft.zh == "云台指数"
    assert "plans.indicator.open" in [each.name for each in plan.findings]
    named = decide(
        TEXT, catalog, "云台指数", ReadingVerdict.CORRECT, indicator="municipal_model_villages_created", unit="个"
    )
    settled = assembled(TEXT, catalog, named)
    assert settled.draft_indicators == ()
    assert target(settled, "云台指数").indicator == "municipal_model_villages_created"


def test_an_indicator_of_another_dimension_is_not_taken(catalog: Catalog) -> None:
    named = decide(TEXT, catalog, "云台指数", ReadingVerdict.CORRECT, indicator="urban_rail_length")
    plan = assembled(TEXT, catalog, named)
    assert target(plan, "云台指数").indicator == plan.draft_indicators[0].id
    assert "urban_rail_length" in next(each.sentence for each in plan.findings if each.name == "plans.indicator.open")


def test_a_draft_is_made_of_what_was_corrected(catalog: Catalog) -> None:
    area = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, unit="万平方米")
    promise = decide(TEXT, catalog, "云台指数", ReadingVerdict.CORRECT, measure="milestone", value=None, comparator="=")
    plan = assembled(TEXT, catalog, area, promise)
    drafts = {draft.id: draft.unit for draft in plan.draft_indicators}
    assert drafts[target(plan, STAR).indicator] == "m**2"
    assert drafts[target(plan, "云台指数").indicator] == "yes_no"
    assert [each.name for each in plan.findings] == ["plans.indicator.open"] * 2


def test_a_correction_that_makes_no_target_is_a_finding(catalog: Catalog) -> None:
    wrong = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, measure="milestone")
    plan = assembled(TEXT, catalog, wrong)
    assert STAR not in [each.label for each in plan.plan.targets]
    [fault] = [each for each in plan.findings if each.name == "plans.decision.faulty"]
    assert "未写入方案" in fault.sentence


def test_a_task_and_the_head_can_be_corrected(catalog: Catalog) -> None:
    task = decide(TEXT, catalog, "完善基础设施", ReadingVerdict.CORRECT, bodies=["市水务管理局", "市城市管理局"])
    head = task.model_copy(
        update={"id": "p-head", "subject": DecisionSubject.HEAD, "fields": {"number": "青建发〔2026〕1号"}}
    )
    plan = assembled(TEXT, catalog, task, head)
    assert plan.plan.tasks[1].bodies == ("市水务管理局", "市城市管理局")
    assert plan.plan.document.number == "青建发〔2026〕1号"


def test_an_addition_is_found_again_wherever_its_words_stand(catalog: Catalog) -> None:
    words = "云台指数达到90分以上"
    plain = document(TEXT).plain
    start = plain.index(words)
    star = decide(TEXT, catalog, STAR, ReadingVerdict.ACCEPT)
    addition = PlanDecision(
        id="p-add",
        plan="qingdao-x",
        document="0" * 64,
        subject=DecisionSubject.TARGET,
        anchor=ReadingAnchor(quote=digest(words), clause="一（二）", label="云台复核指数", unit="个"),
        verdict=ReadingVerdict.ADD,
        fields={
            "id": "yuntai", "at": [start, start + len(words)], "label": "云台复核指数", "comparator": ">=", "value": 3,
            "unit": "个", "by": 2030, "measure": "level", "kind": "count", "indicator": "municipal_model_villages_created",
        },
        by="李工",
        on=date(2026, 2, 1),
    )  # fmt: skip
    for text in (TEXT, TEXT.replace("一、重点任务", "一、总体要求\n统筹推进。\n二、重点任务")):
        plan = assembled(text, catalog, star, addition)
        added = target(plan, "云台复核指数")
        assert document(text).plain[added.at.start : added.at.end] == words
        assert (added.id, added.value, added.note) == ("yuntai", 3.0, "李工 2026-02-01 补录")
    gone = assembled(TEXT.replace(words, "其他"), catalog, addition)
    assert [each.how for each in gone.applied] == ["lost"]
    assert "plans.decision.lost" in [each.name for each in gone.findings]


def test_a_person_may_take_back_an_addition(catalog: Catalog) -> None:
    words = "云台指数达到90分以上"
    anchor = ReadingAnchor(quote=digest(words), clause="一（二）", label="云台复核指数", unit="个")
    start = document(TEXT).plain.index(words)
    common = {
        "plan": "qingdao-x",
        "document": "0" * 64,
        "subject": DecisionSubject.TARGET,
        "anchor": anchor,
        "by": "李工",
    }
    fields = {"at": [start, start + len(words)], "label": "云台复核指数", "comparator": ">=", "value": 3, "unit": "个"}
    added = PlanDecision(
        id="p-1", verdict="add", on=date(2026, 2, 1), fields={**fields, "measure": "level", "kind": "count"}, **common
    )
    taken_back = PlanDecision(id="p-2", verdict="reject", on=date(2026, 3, 1), reason="重复", **common)
    plan = assembled(TEXT, catalog, added, taken_back)
    assert "云台复核指数" not in [each.label for each in plan.plan.targets]
    assert [each.how for each in plan.applied] == ["superseded", "exact"]
    assert "plans.decision.lost" not in [each.name for each in plan.findings]


def digest(words: str) -> str:

    return hashlib.sha256(document(words).folded.encode()).hexdigest()


class TestNextVersion:
    """The document comes again, changed."""

    def test_words_elsewhere_do_not_touch_a_decision(self, catalog: Catalog) -> None:
        fix = decide(TEXT, catalog, LEAK, ReadingVerdict.CORRECT, scope="市区")
        later = TEXT.replace("一、重点任务", "一、总体要求\n到2027年，建成智能化工厂12个。\n二、重点任务")
        plan = assembled(later, catalog, fix)
        assert target(plan, LEAK).scope == "市区"
        assert [each.how for each in plan.applied] == ["exact"]

    def test_a_changed_number_keeps_the_correction_and_asks_for_another_look(self, catalog: Catalog) -> None:
        fix = decide(TEXT, catalog, LEAK, ReadingVerdict.CORRECT, scope="市区")
        plan = assembled(TEXT.replace("控制在8%", "控制在7.5%"), catalog, fix)
        fixed = target(plan, LEAK)
        assert (fixed.value, fixed.scope) == (7.5, "市区")
        [look] = [each for each in plan.findings if each.name == "plans.decision.reworded"]
        assert "8.0变为7.5" in look.sentence
        assert plan.state.reviewed == 0

    def test_a_sentence_that_is_gone_is_named(self, catalog: Catalog) -> None:
        fix = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, by=2026)
        plan = assembled(TEXT.replace("到2025年，星级绿色建筑占比达到30%以上。", ""), catalog, fix)
        assert [each.how for each in plan.applied] == ["lost"]
        assert "plans.decision.lost" in [each.name for each in plan.findings]

    def test_two_equal_sentences_keep_their_own_decisions(self, catalog: Catalog) -> None:
        twice = TEXT + "\n（三）提升品质\n到2025年，星级绿色建筑占比达到30%以上。（责任单位：市住房城乡建设局）"
        plan, reading = read(twice, catalog)
        first, second = (each for each in reading.targets if each.label == STAR)
        base = decide(TEXT, catalog, STAR, ReadingVerdict.CORRECT, scope="第二处")
        second_only = base.model_copy(update={"anchor": anchor_of(second, plan, reading.outline)})
        laid = lay_decisions(reading, plan, [second_only])
        assert laid.fields == {second.id: {"scope": "第二处"}}
        assert first.id not in laid.reviewed
