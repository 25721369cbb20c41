"""A drafted target as a sentence of our own in the standard forms of plans, in pieces so that slots can be marked."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dafeng.base.target import BaseState, Change, Comparator, Measure
from dafeng.plans.draft_records import DraftTarget, SlotKind
from dafeng.plans.phrases import number_text

__all__ = ["OPEN_SLOT", "Piece", "draft_sentence", "draft_text"]

OPEN_SLOT: Final = "【待分解】"
"""What stands where a value is still to be divided."""
_DOING: Final = re.compile(
    "^(?:每年|累计|新增|新建|完成|改造|打造|培育|规划|推广|实施|创建|建成|启动|建设|城市建成区拥有)|改造完成|节能改造$"
)
_REACHED: Final = re.compile("(?:达峰|转型|全覆盖)$")
_BASES: Final = {BaseState.BEFORE_WORKS: "", BaseState.EXISTING: "比现有水平"}
_FORMS: Final = {
    Comparator.AT_LEAST: ("达到", "以上"),
    Comparator.MORE_THAN: ("超过", ""),
    Comparator.AT_MOST: ("控制在", "以内"),
    Comparator.LESS_THAN: ("低于", ""),
    Comparator.EQUAL: ("为", ""),
    Comparator.ABOUT: ("达到", "左右"),
}


class Piece(NamedTuple):
    """A stretch of a sentence.

    Parameters
    ----------
    text : str
    slot : bool
        Whether the drafter still settles it.
    """

    text: str
    slot: bool = False


def draft_text(target: DraftTarget) -> str:
    """Return the sentence of a drafted target, without its full stop."""
    return "".join(piece.text for piece in draft_sentence(target))


def draft_sentence(target: DraftTarget) -> tuple[Piece, ...]:
    """Return the sentence of a drafted target in pieces: when, what, how much; never words of the parent's sentences.

    Examples
    --------
    >>> target = DraftTarget(id="loss", clause="二（一）", label="供热管网热损失", indicator="heat_network_loss_rate",
    ...     comparator="=", value=5, unit="个百分点", by=2030, measure="change", base={"year": 2020}, change="decrease",
    ...     slot="carried", parent_clause="二（八）", parent_phrase="")
    >>> draft_text(target)
    '到2030年，供热管网热损失比2020年下降5个百分点'
    >>> draft_text(target.model_copy(update={"measure": Measure.LEVEL, "slot": SlotKind.OPEN, "label": "建成光伏项目",
    ...                                      "unit": "个", "value": None}))
    '到2030年，建成光伏项目【待分解】个'
    """
    when = _when(target)
    if target.measure is Measure.MILESTONE:
        return (Piece(when + _event(target)),)
    label = target.label
    if target.measure is Measure.EACH_YEAR:
        label = "每年" + label.removeprefix("每年")
    elif target.measure is Measure.CUMULATIVE and not label.startswith(("累计", "新增")):
        label = "累计" + label
    if target.slot is SlotKind.OPEN:
        label = label.replace(
            "完成", "", 1
        )  # an amount that is not stated yet would else read as a work to be finished
    before, after = _around(target, label)
    unit = target.unit or ""
    return tuple(
        piece
        for piece in (
            Piece(when + _scoped(target, label) + before),
            Piece(_amount(target), slot=target.slot is not SlotKind.ALLOCATED),
            Piece(unit + after),
        )
        if piece.text
    )


def _when(target: DraftTarget) -> str:
    if target.yearly is not None:
        return f"{target.yearly}，"
    if target.by is None:
        return ""
    if target.start is not None and target.measure in (Measure.CUMULATIVE, Measure.EACH_YEAR):
        return f"{target.start}至{target.by}年，"
    return f"到{target.by}年，"


def _event(target: DraftTarget) -> str:
    if target.yearly is not None:
        return f"完成{target.label}"
    if _REACHED.search(target.label):
        return f"实现{target.label}"
    return f"完成{target.label.removesuffix('完成')}任务"


def _scoped(target: DraftTarget, label: str) -> str:
    """Put the part that is meant before the label, where the label does not speak of it already."""
    scope = target.scope or ""
    pairs = {scope[index : index + 2] for index in range(len(scope) - 1)}
    if not scope or any(pair in label for pair in pairs):
        return label
    return scope + label


def _around(target: DraftTarget, label: str) -> tuple[str, str]:
    """Return what stands before and behind the number."""
    before, after = _FORMS[target.comparator]
    if target.value_max is not None:
        return "控制在", ""
    if target.measure is Measure.CHANGE:
        base = target.base
        since = "" if base is None else f"比{base.year}年" if base.year else _BASES[base.state or BaseState.EXISTING]
        sense = "提升" if target.change is Change.INCREASE else "下降"
        behind = {Comparator.AT_LEAST: "以上", Comparator.ABOUT: "左右", Comparator.AT_MOST: "以内"}
        return f"{since}{sense}{'超过' * (target.comparator is Comparator.MORE_THAN)}", behind.get(
            target.comparator, ""
        )
    if target.measure is Measure.LIMIT and target.comparator is Comparator.AT_LEAST:
        return "不低于", ""
    doing = target.measure in (Measure.CUMULATIVE, Measure.EACH_YEAR) or _DOING.search(label) is not None
    if doing and target.comparator in (Comparator.EQUAL, Comparator.AT_LEAST, Comparator.ABOUT):
        return "", after
    return before, after


def _amount(target: DraftTarget) -> str:
    if target.value is None:
        return OPEN_SLOT
    upper = "" if target.value_max is None else f"至{number_text(target.value_max)}"
    return number_text(target.value) + upper
