"""Which amounts are no promise after all: counts of what exists, shares that state a fact, money, durations, bare numbers."""

from __future__ import annotations

import re
from typing import Final

from dafeng.base.target import Comparator
from dafeng.plans.pieces import Piece
from dafeng.plans.read_records import ReadNumber
from dafeng.plans.units_written import COUNTED
from dafeng.plans.wording import Wording, names_ratio

__all__ = ["counts_all", "no_promise"]

_PROMISING: Final = re.compile(
    r"新增|净增|完成|建成(?!区)|改造|打造|培育|创建|新建|累计|力争|扩建|改建|更新|安装|更换|加装|建设|配建|推广|发展|治理|形成|设立|引进|种植|增加|拥有|整治|修复|评选|架设|铺设|敷设|新装|购置|栽植|疏浚|清淤"
)
_LEANING: Final = re.compile(r"依托|围绕|支持|推进|开展|制定|利用|发挥|组织|选取|选择|指导|联合|合作|与|由|对|在")
_MONEY: Final = re.compile(r"奖励|补助|补贴|奖补|资助|罚款|贴息|额度|单个|给予|标准为|最高")
_BUDGET: Final = re.compile(r"(?:安排|投入|设立|筹集|筹措|落实|整合)(?!每)[^,;]{0,12}资金[^,;]{0,4}$")
_DURATION: Final = ("年", "个月", "天", "周", "季度", "小时", "日", "岁", "年度")
_MINUTES: Final = ("分钟", "min")
_ALL_OF_THEM: Final = re.compile(
    r"(?!以[上下内]|左右)[^,;]{2,30}?(?:全面|全部|均|都|基本|率先|如期)(?:完成|实现|达到|建成|达标|消除|淘汰|开展|推行|实施|执行|启动|纳入|接入)"
)
_FACT: Final = re.compile(r"占(?!比)(?:(?!比例|比重|比率|达|不|应|控制|保持|稳定|为)[^,]){0,14}$")


def _measured_time(number: ReadNumber, wording: Wording, label: str) -> str | None:
    """Judge minutes and years: a bound on a duration may be a promise, 15分钟生活圈 and 三年行动 are none."""
    if number.unit in _MINUTES:
        return None if wording.compared.strict and label and "圈" not in label else "living_circle"
    return None if wording.compared.strict and label and number.unit not in ("日", "天") else "period_of_time"


def _without_unit(text: str, number: ReadNumber, wording: Wording, label: str, *, dated: bool) -> str | None:
    """Judge a bare number: the value of a ratio, or nothing that can be promised."""
    compared = wording.compared
    ratio = names_ratio(label) or ":" in text[number.at.start : number.at.end]
    if ratio and (compared.word is not None or compared.explicit or number.value_max is not None):
        return None
    idle = number.value_max is None and not compared.explicit and not dated and not wording.built
    return "description_of_object" if idle else "unclaimed"


def counts_all(text: str, number: ReadNumber, start: int, end: int) -> bool:
    """Whether a number counts those that all do something (3个试点城市全部完成改造), so that the deed is what is promised.

    Parameters
    ----------
    text : str
        Folded text of the document.
    number : ReadNumber
    start, end : int
        Words around it.
    """
    return (
        number.unit in COUNTED
        and not _PROMISING.search(text[start : number.at.start])
        and _ALL_OF_THEM.match(text[number.at.end : end]) is not None
    )


def no_promise(
    text: str,
    number: ReadNumber,
    piece: Piece,
    wording: Wording,
    label: str,
    *,
    dated: bool,
    amount_before: ReadNumber | None,
) -> str | None:
    """Return why an amount is no promise; None where it is one.

    Parameters
    ----------
    text : str
        Folded text of the document.
    number : ReadNumber
    piece : Piece
        Words that belong to it.
    wording : Wording
        What they say.
    label : str
        Its label, carried over where the piece has none.
    dated : bool
        Whether a year governs it.
    amount_before : ReadNumber or None
        The promise before it in the same sentence: 示范园区2个 after 建设示范城市1个 is one too.
    """
    unit = number.unit
    if unit in _MINUTES or unit in _DURATION:
        return _measured_time(number, wording, label)
    if unit is None:
        return _without_unit(text, number, wording, label, dated=dated)
    own = text[piece.start : number.at.start]
    if (
        unit.lstrip("万亿").startswith("元")
        and _MONEY.search(text[piece.segment.start : piece.segment.end])
        and not _BUDGET.search(own)
    ):
        return "amount_of_money"
    bare = not wording.compared.explicit and wording.change is None
    if (
        unit == "%"
        and not dated
        and _FACT.search(own)
        and wording.compared.comparator in (Comparator.EQUAL, Comparator.ABOUT)
    ):
        return "existing_count"
    if unit == "种" or (not dated and unit in ("类", "门", "批")):
        return "existing_count" if bare else "description_of_object"
    if not bare or wording.yearly:
        return None if label else "unclaimed"
    listed = amount_before is not None and (
        amount_before.at.start >= piece.segment.start and text[piece.start - 1] == "、"
    )
    continues = amount_before is not None and (listed or amount_before.unit == unit) and not _LEANING.search(own)
    if bare and counts_all(text, number, piece.start, piece.end):
        return "existing_count"
    if unit in COUNTED and not continues:
        if not dated and not _PROMISING.search(own):
            return "existing_count"
        if not wording.built and not (dated and label):
            return "existing_count"
    elif not continues and not wording.built and not dated and unit != "%" and wording.compared.word is None:
        return None if number.value_max is not None else "description_of_object"
    return None if label else "unclaimed"
