"""Promises in dafeng's own short phrases, made from label, comparator, value, unit and year; never a sentence of a plan."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from dafeng.base.obligation import Obligation, Strength
from dafeng.base.record import Record
from dafeng.base.target import BaseState, Change, Comparator, Direction, Measure, Target

__all__ = [
    "Deadline",
    "DeadlineKind",
    "deadline_of",
    "deadline_of_obligation",
    "effective_comparator",
    "number_text",
    "obligation_phrase",
    "target_phrase",
    "value_phrase",
]

_WORDS: Final = {
    Comparator.AT_LEAST: "不低于",
    Comparator.MORE_THAN: "大于",
    Comparator.AT_MOST: "不超过",
    Comparator.LESS_THAN: "小于",
    Comparator.EQUAL: "",
    Comparator.ABOUT: "约",
}
_STATES: Final = {BaseState.BEFORE_WORKS: "改造前", BaseState.EXISTING: "现状"}
_STRENGTHS: Final = {Strength.MUST: "", Strength.SHOULD: "（原则上）", Strength.ENCOURAGED: "（鼓励）"}


class DeadlineKind(StrEnum):
    """Five kinds of deadline; only the first three can be late."""

    DATE = "date"
    MILESTONE_YEAR = "milestone_year"
    YEARLY = "yearly"
    PERMANENT = "permanent"
    NONE = "none"

    @property
    def can_be_late(self) -> bool:
        """Whether a promise with such a deadline can be late."""
        return self in (DeadlineKind.DATE, DeadlineKind.MILESTONE_YEAR, DeadlineKind.YEARLY)


class Deadline(Record):
    """When a promise is due."""

    kind: DeadlineKind
    """Sort of deadline."""
    year: int | None = None
    """Year by whose end it is due; for yearly duties the last year, where one is named."""
    text: str
    """Chinese wording for tables."""


def number_text(value: float) -> str:
    """Return a number without superfluous digits.

    Examples
    --------
    >>> number_text(351.6), number_text(5.0), number_text(1234567.0), number_text(40.0793)
    ('351.6', '5', '1234567', '40.0793')
    """
    return f"{round(value, 4):.12g}"


def effective_comparator(comparator: Comparator, direction: Direction) -> Comparator:
    """Return how a comparator is judged: `=` and `~` become at least, or at most where less is better.

    Examples
    --------
    >>> effective_comparator(Comparator.EQUAL, Direction.DOWN).value
    '<='
    """
    if comparator in (Comparator.EQUAL, Comparator.ABOUT):
        return Comparator.AT_MOST if direction is Direction.DOWN else Comparator.AT_LEAST
    return comparator


def value_phrase(target: Target) -> str:
    """Return comparator, value and unit of a target as one phrase.

    Examples
    --------
    >>> rail = Target(id="rail-2025", clause="二", at=[0, 9], label="里程", indicator="urban_rail_length", comparator=">=",
    ...               value=351.6, unit="公里", by=2025, measure="level")
    >>> value_phrase(rail)
    '不低于351.6公里'
    """
    if target.value is None:
        return "完成"
    unit = target.unit or ""
    if target.value_max is not None:
        amount = f"{number_text(target.value)}至{number_text(target.value_max)}{unit}"
    else:
        amount = f"{_WORDS[target.comparator]}{number_text(target.value)}{unit}"
    if target.measure is Measure.CHANGE:
        base = target.base
        against = (
            ""
            if base is None
            else f"比{base.year}年"
            if base.year
            else f"比{_STATES[base.state or BaseState.EXISTING]}"
        )
        return f"{against}{'提高' if target.change is Change.INCREASE else '下降'}{amount}"
    if target.measure is Measure.CUMULATIVE:
        return f"累计{amount}"
    return f"每年{amount}" if target.measure is Measure.EACH_YEAR else amount


def target_phrase(target: Target) -> str:
    """Return label, value and year of a target as one phrase of our own.

    Examples
    --------
    >>> loss = Target(id="loss", clause="二", at=[0, 9], label="供热管网热损失", indicator="heat_network_loss_rate",
    ...               comparator="=", value=5, unit="个百分点", by=2030, measure="change", base={"year": 2020},
    ...               change="decrease")
    >>> target_phrase(loss)
    '到2030年，供热管网热损失比2020年下降5个百分点'
    """
    when = "" if target.by is None else f"到{target.by}年，"
    scope = f"（{target.scope}）" if target.scope and target.scope not in target.label else ""
    if target.value is None:
        return f"{when}{target.label}{scope}"
    phrase = value_phrase(target)
    if target.label.startswith(("每年", "累计", "新增")):
        phrase = phrase.removeprefix("每年").removeprefix("累计")
    return f"{when}{target.label}{scope}{phrase}"


def obligation_phrase(obligation: Obligation) -> str:
    """Return what is asked of projects, with how strictly it is asked.

    Examples
    --------
    >>> rule = Obligation(id="star", clause="四", at=[0, 9], title="新建较大公共建筑达到一星", when="true", require="true",
    ...                   strength="should")
    >>> obligation_phrase(rule)
    '新建较大公共建筑达到一星（原则上）'
    """
    return f"{obligation.title}{_STRENGTHS[obligation.strength]}"


def deadline_of(target: Target) -> Deadline:
    """Return when a target is due.

    A note that begins with 每年 makes a dateless milestone a yearly duty (the yearly report, due each October).

    Examples
    --------
    >>> width = Target(id="width", clause="三", at=[0, 9], label="道路红线宽度", indicator="county_road_width",
    ...                comparator="<=", value=40, unit="米", measure="limit")
    >>> deadline_of(width).text
    '长期执行'
    """
    if target.measure is Measure.EACH_YEAR:
        until = "" if target.by is None else f"（至{target.by}年）"
        return Deadline(kind=DeadlineKind.YEARLY, year=target.by, text=f"每年{until}")
    if target.by is None and target.note is not None and target.note.startswith("每年"):
        return Deadline(kind=DeadlineKind.YEARLY, text=target.note)
    if target.by is not None:
        if target.measure is Measure.MILESTONE:
            return Deadline(kind=DeadlineKind.MILESTONE_YEAR, year=target.by, text=f"到{target.by}年")
        return Deadline(kind=DeadlineKind.DATE, year=target.by, text=f"{target.by}年底前")
    if target.measure is Measure.LIMIT:
        return Deadline(kind=DeadlineKind.PERMANENT, text="长期执行")
    return Deadline(kind=DeadlineKind.NONE, text="未写明")


def deadline_of_obligation(obligation: Obligation) -> Deadline:
    """Return when an obligation holds: for ever, from its first year on where it names one.

    Examples
    --------
    >>> rule = Obligation(id="star", clause="四", at=[0, 9], title="达到一星", when="true", require="true", since=2025)
    >>> deadline_of_obligation(rule).text
    '2025年起长期执行'
    """
    since = "" if obligation.since is None else f"{obligation.since}年起"
    return Deadline(kind=DeadlineKind.PERMANENT, text=f"{since}长期执行")
