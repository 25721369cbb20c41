"""Dated commitments without a number: cases, places of the words, and the three plans against their labels."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.target import Comparator, Measure
from dafeng.plans.milestones import read_milestones
from dafeng.plans.numbers import find_numbers
from dafeng.plans.outline import read_outline
from dafeng.plans.read_records import ReadTarget
from duty_documents import plan_document, task_document

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "plan_milestones.yaml").read_text(encoding="utf-8"))


def milestones_of(text: str, *, goals: bool = False) -> tuple[ReadTarget, ...]:
    document = task_document(text, goals=goals)
    return read_milestones(document, read_outline(document), find_numbers(document))


@pytest.mark.parametrize("name", CASES["milestones"])
def test_a_dated_commitment_is_read(name: str) -> None:
    case: dict[str, Any] = CASES["milestones"][name]
    document = task_document(case["text"], goals=case.get("in") == "goals")
    found = read_milestones(document, read_outline(document), find_numbers(document))
    wanted = case.get("quote", "")
    goal = next((one for one in found if wanted in document.quote(one.at.start, one.at.end)), None)
    assert goal is not None
    assert (goal.by, goal.soft) == (case["by"], case.get("soft", False))
    assert (goal.value, goal.comparator, goal.measure) == (None, Comparator.EQUAL, Measure.MILESTONE)
    assert goal.label in document.quote(goal.at.start, goal.at.end)
    assert len(found) == (2 if wanted else 1)


@pytest.mark.parametrize("name", CASES["no_milestones"])
@pytest.mark.parametrize("goals", [False, True])
def test_what_is_no_commitment_gives_none(name: str, goals: bool) -> None:
    assert milestones_of(CASES["no_milestones"][name], goals=goals) == ()


@given(st.integers(min_value=2024, max_value=2060))
def test_another_year_changes_the_year_alone(year: int) -> None:
    [one] = milestones_of(f"到{year}年，城镇新建建筑全面执行绿色建筑标准。")
    [other] = milestones_of("到2035年，城镇新建建筑全面执行绿色建筑标准。")
    assert one.by == year
    assert one.model_copy(update={"by": 2035, "id": other.id}) == other


def test_swapping_two_clauses_swaps_nothing_else() -> None:
    first, second = "到2030年，生活垃圾分类实现全覆盖。", "到2027年，基本消除污水直排口。"
    ahead, behind = milestones_of(first + second), milestones_of(second + first)
    assert sorted((goal.label, goal.by) for goal in ahead) == sorted((goal.label, goal.by) for goal in behind)


def test_the_quote_takes_the_year_along() -> None:
    document = task_document("到2030年，生活垃圾分类实现全覆盖。")
    [goal] = read_milestones(document, read_outline(document), ())
    assert document.quote(goal.at.start, goal.at.end) == "到2030年，生活垃圾分类实现全覆盖"
    assert goal.label == "生活垃圾分类实现全覆盖"


def test_the_bodies_of_the_clause_answer_for_it() -> None:
    document = task_document("到2030年，生活垃圾分类实现全覆盖。（责任单位：市城市管理局、市住房城乡建设局）")
    [goal] = read_milestones(document, read_outline(document), ())
    assert goal.bodies == ("市城市管理局", "市住房城乡建设局")


@pytest.mark.parametrize("name", ["jilin", "qingdao", "national"])
def test_three_plans_give_nine_of_ten_labelled_milestones(name: str, shared: Path) -> None:
    gold = json.loads((shared / "plans" / "gold" / f"{name}.json").read_text(encoding="utf-8"))
    document = plan_document(*(shared / "plans" / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    found = read_milestones(document, read_outline(document), find_numbers(document))
    wanted = [one for one in gold["targets"] if one["value"] is None]
    spans = [(goal.at.start, goal.at.end, goal.by) for goal in found]

    def met(one: dict[str, Any]) -> bool:
        start, end = one["span"]
        return any(first < end and start < last and by == one["deadline"] for first, last, by in spans)

    required = [one for one in wanted if not one.get("optional")]
    assert sum(map(met, required)) >= 0.9 * len(required)
    labelled = [one["span"] for one in wanted]
    assert all(any(first < end and start < last for start, end in labelled) for first, last, _ in spans)
