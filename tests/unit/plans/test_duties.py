"""Duties on single projects: the same meaning as worked out by hand, in cases and over the hand-made obligations of three plans."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dafeng.base.obligation import Strength
from dafeng.catalog import load_catalog
from dafeng.catalog.catalog import Catalog
from dafeng.plans.duties import read_duties
from dafeng.plans.milestones import read_milestones
from dafeng.plans.numbers import find_numbers
from dafeng.plans.outline import read_outline
from dafeng.plans.read_records import ReadDuty
from duty_documents import plan_document, task_document
from obligation_equivalence import same_meaning

CASES = yaml.safe_load((Path(__file__).parents[2] / "cases" / "plan_duties.yaml").read_text(encoding="utf-8"))
PLANS = {"jilin": "jilin-2023", "qingdao": "qingdao-2024", "national": "national-2022"}


@cache
def catalog() -> Catalog:
    return load_catalog()


def duties_of(text: str, title: str = "推进绿色建筑") -> tuple[ReadDuty, ...]:
    document = task_document(text, title=title)
    return read_duties(document, read_outline(document), find_numbers(document), catalog())


@pytest.mark.parametrize("name", CASES["duties"])
def test_a_duty_says_whom_it_binds_and_what_it_asks(name: str) -> None:
    case: dict[str, Any] = CASES["duties"][name]
    document = task_document(case["text"], title=case.get("title", "推进绿色建筑"))
    found = read_duties(document, read_outline(document), find_numbers(document), catalog())
    wanted = case.get("quote", "")
    duty = next((one for one in found if wanted in document.quote(one.at.start, one.at.end)), None)
    assert duty is not None
    assert (duty.strength.value, duty.since) == (case["strength"], case.get("since"))
    if case.get("open"):
        assert duty.obligation is None
        assert [finding.name for finding in duty.findings] == ["plans.duty.open"]
        return
    assert duty.obligation is not None, [document.quote(part.start, part.end) for part in duty.open_parts]
    fields = catalog().field_types()
    assert same_meaning(duty.obligation.when, case["when"], fields), duty.obligation.when
    assert same_meaning(duty.obligation.require, case["require"], fields), duty.obligation.require
    assert duty.obligation.at == duty.at
    assert duty.obligation.since == duty.since


@pytest.mark.parametrize("name", CASES["no_duties"])
def test_what_is_no_duty_gives_none(name: str) -> None:
    assert [one for one in duties_of(CASES["no_duties"][name]) if one.labelled] == []


@given(st.integers(min_value=100, max_value=99999))
def test_another_area_changes_the_limit_alone(area: int) -> None:
    [one] = duties_of(f"新建建筑面积{area}平方米以上的公共建筑应采用装配式建筑。")
    [other] = duties_of("新建建筑面积100000平方米以上的公共建筑应采用装配式建筑。")
    assert one.obligation is not None
    assert other.obligation is not None
    assert one.obligation.when == other.obligation.when.replace("100000", str(area))
    assert one.obligation.require == other.obligation.require


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        ("{}平方米以上的", ">="),
        ("{}平方米及以上的", ">="),
        ("超过{}平方米的", ">"),
        ("{}平方米以下的", "<="),
        ("不足{}平方米的", "<"),
    ],
)
def test_the_words_of_size_make_the_comparator(words: str, sign: str) -> None:
    [duty] = duties_of(f"新建建筑面积{words.format(8000)}公共建筑应采用装配式建筑。")
    assert duty.obligation is not None
    assert f"gross_area {sign} 8000[m**2]" in duty.obligation.when


WORDS = (
    "新建",
    "建筑",
    "公共",
    "应",
    "不得",
    "须",
    "原则上",
    "鼓励",
    "，",
    "。",
    "；",
    "（",
    "）",
    "“",
    "”",
    "除",
    "外",
    "二星级",
    "5000平方米以上",
    "到2025年",
    "的",
    "对",
    "改造部分",
    "采用",
    "装配率不低于50%",
    "并",
    "全面",
    "住宅",
    "、",
)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=25))
def test_any_jumble_of_words_is_read_without_a_fault(words: list[str]) -> None:
    document = task_document("".join(words))
    outline = read_outline(document)
    for duty in read_duties(document, outline, (), catalog()):
        places = [duty.at, duty.requirement, *([duty.applies_to] if duty.applies_to else []), *duty.open_parts]
        assert all(0 <= place.start < place.end <= len(document.plain) for place in places)
    for goal in read_milestones(document, outline, ()):
        assert 0 <= goal.at.start < goal.at.end <= len(document.plain)


def test_spaces_and_full_width_digits_change_nothing() -> None:
    [plain] = duties_of("新建建筑面积5000平方米以上的公共建筑，应采用装配式建筑。")
    [odd] = duties_of("新建 建筑面积５０００ 平方米以上的公共\n建筑，应采用 装配式建筑。")
    assert plain == odd


def test_two_duties_of_one_shape_have_different_ids() -> None:
    first, second = duties_of("新建学校应采用钢结构。新建学校应采用钢结构。")
    assert (second.id, second.obligation and second.obligation.id) == (f"{first.id}-2", f"{first.id}-2")


def test_assumptions_are_named() -> None:
    [duty] = duties_of("超高层建筑、大型公共建筑应达到三星级绿色建筑标准。")
    assert "超高层按建筑高度超过100米计" in duty.assumptions
    assert "大型公共建筑按单体建筑面积2万平方米及以上计" in duty.assumptions
    assert "未写建设性质，按新建计" in duty.assumptions


def test_a_document_without_clauses_has_no_duties() -> None:
    document = plan_document("")
    assert read_duties(document, read_outline(document), (), catalog()) == ()


def test_the_place_points_at_the_words() -> None:
    text = "加强管理。新建学校应采用钢结构，做好服务。"
    document = task_document(text)
    [duty] = read_duties(document, read_outline(document), (), catalog())
    assert document.quote(duty.at.start, duty.at.end) == "新建学校应采用钢结构"
    assert duty.applies_to is not None
    assert document.quote(duty.applies_to.start, duty.applies_to.end) == "新建学校"
    assert document.quote(duty.requirement.start, duty.requirement.end) == "采用钢结构"


@pytest.mark.parametrize("name", PLANS)
def test_three_plans_give_the_obligations_entered_by_hand(name: str, shared: Path) -> None:
    """Where the reader differs from the entry by hand it does so in strength alone, or not at all."""
    lines = (shared / "plans" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    document = plan_document(*lines)
    found = read_duties(document, read_outline(document), (), catalog())
    fields = catalog().field_types()
    different = []
    for entry in catalog().plans[PLANS[name]].obligations:
        duty = next((one for one in found if one.at.start < entry.at.end and entry.at.start < one.at.end), None)
        if (
            duty is None
            or duty.obligation is None
            or not (
                same_meaning(entry.when, duty.obligation.when, fields)
                and same_meaning(entry.require, duty.obligation.require, fields)
            )
            or entry.since != duty.since
            or (duty.strength is Strength.MUST and entry.strength is Strength.ENCOURAGED)
        ):
            different.append(entry.id)
    assert different == []
