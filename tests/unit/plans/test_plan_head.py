"""The head of a document: title, number, issuers, day, region; what the text lacks is None."""

from typing import Any

import pytest

from dafeng.plans.outline import read_outline
from dafeng.plans.plan_head import region_of
from plan_builders import CASES, document


@pytest.mark.parametrize("case", CASES["heads"], ids=lambda case: case["name"])
def test_head_of_the_case(case: dict[str, Any]) -> None:
    head = read_outline(document(case["text"])).head
    issued = head.issued_on.isoformat() if head.issued_on else None
    title, number, issuers, day, region = case["expect"]
    day = day if day is None else str(day)
    assert [head.title, head.number, list(head.issuers), issued, head.region] == [title, number, issuers, day, region]


@pytest.mark.parametrize(
    ("title", "region"),
    [
        ("云海省城乡建设领域碳达峰实施方案", "云海省"),
        ("内蒙古自治区城乡建设领域碳达峰实施方案", "内蒙古自治区"),
        ("北京市民用建筑节能降碳工作方案", "北京市"),
        ("成都市城市更新方案", "成都市"),
        ("诸城市绿色建筑行动方案", "诸城市"),
        ("广州市绿色生态城区建设方案", "广州市"),
        ("延边朝鲜族自治州建筑领域碳达峰方案", "延边朝鲜族自治州"),
        ("凉山州城乡建设碳达峰方案", "凉山州"),
        ("安吉县城乡建设领域碳达峰方案", "安吉县"),
        ("浦东新区绿色建筑发展规划", "浦东新区"),
        ("青岛市崂山区城乡建设领域碳达峰方案", "青岛市崂山区"),
        ("新疆生产建设兵团城乡建设碳达峰方案", "新疆生产建设兵团"),
        ("城乡建设领域碳达峰实施方案", None),
        ("绿色社区创建行动方案", None),
        ("低碳城市试点方案", None),
        ("全省城镇燃气管道更新方案", None),
    ],
)
def test_region_of_a_title(title: str, region: str | None) -> None:
    assert region_of(title) == region


def test_the_place_comes_from_the_catalog_only() -> None:
    text = "东川市节能方案\n一、任务"
    assert read_outline(document(text), place_of={"东川市": "dongchuan"}.get).head.place == "dongchuan"
    assert read_outline(document(text)).head.place is None
    assert read_outline(document(text), place_of=lambda _name: None).head.region == "东川市"
