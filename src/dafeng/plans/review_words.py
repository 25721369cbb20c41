"""Fields of a reading in the words of review papers, and back: what a sheet or comment shows, a person may write."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dafeng.base.document import DocumentText, fold_characters
from dafeng.base.errors import DafengError, UnitError, close_names
from dafeng.base.obligation import Strength
from dafeng.base.quantity import UNIT_NAMES, convert, fold_width, read_unit, same_dimension
from dafeng.base.target import BaseState, Change, Comparator, Measure, Target
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.decision_schemas import DecisionSubject, ReadingAnchor, ReadingVerdict
from dafeng.catalog.expression import check_expression
from dafeng.catalog.schemas import Indicator
from dafeng.plans.decisions import anchor_of
from dafeng.plans.numerals import read_numeral
from dafeng.plans.read_records import Clause, Outline, ReadDuty, ReadPlan, ReadTarget

__all__ = [
    "COMPARATOR_WORDS",
    "FIELD_HEADS",
    "MEASURES",
    "NOTHING",
    "REVIEW_FORMAT",
    "STRENGTH_WORDS",
    "SUBJECT_WORDS",
    "VERDICT_WORDS",
    "FieldError",
    "ReviewItem",
    "field_texts",
    "own_fields",
    "read_field",
    "review_items",
    "within_bounds",
]

REVIEW_FORMAT: Final = "dafeng-review/1"
"""First word of the machine part of a review paper."""
NOTHING: Final = "无"
"""What a person writes to empty a field."""
SUBJECT_WORDS: Final = {
    DecisionSubject.TARGET: "目标",
    DecisionSubject.OBLIGATION: "义务",
    DecisionSubject.TASK: "任务",
}
"""Subjects in Chinese."""
VERDICT_WORDS: Final = {
    ReadingVerdict.ACCEPT: "采纳",
    ReadingVerdict.CORRECT: "修改",
    ReadingVerdict.REJECT: "驳回",
    ReadingVerdict.ADD: "补录",
}
"""Verdicts in Chinese."""
COMPARATOR_WORDS: Final = {
    Comparator.AT_LEAST: "不低于",
    Comparator.MORE_THAN: "大于",
    Comparator.AT_MOST: "不超过",
    Comparator.LESS_THAN: "小于",
    Comparator.EQUAL: "等于",
    Comparator.ABOUT: "约",
}
"""Comparators in Chinese."""
_COMPARATORS: Final = {
    **{word: comparator for comparator, word in COMPARATOR_WORDS.items()},
    **{comparator.value: comparator for comparator in Comparator},
    **dict.fromkeys(("不少于", "不小于", "大于等于", "以上", "至少", "达到", "≥", "⩾"), Comparator.AT_LEAST),
    **dict.fromkeys(("高于", "超过", "多于"), Comparator.MORE_THAN),
    **dict.fromkeys(("不高于", "不大于", "不多于", "小于等于", "以内", "以下", "控制在", "≤", "⩽"), Comparator.AT_MOST),
    **dict.fromkeys(("低于", "少于", "不足"), Comparator.LESS_THAN),
    **dict.fromkeys(("为", "是", "=="), Comparator.EQUAL),
    **dict.fromkeys(("左右", "大约", "约为", "≈"), Comparator.ABOUT),
}
STRENGTH_WORDS: Final = {Strength.MUST: "必须", Strength.SHOULD: "原则上", Strength.ENCOURAGED: "鼓励"}
"""How strictly a duty is asked, in Chinese."""
MEASURES: Final = tuple(measure.value for measure in Measure)
"""Codes of the vocabulary group measure."""
_KINDS: Final = {ReadTarget: DecisionSubject.TARGET, ReadDuty: DecisionSubject.OBLIGATION, Clause: DecisionSubject.TASK}
_STATES: Final = {BaseState.BEFORE_WORKS: "改造前", BaseState.EXISTING: "现状"}
_CHANGES: Final = {Change.INCREASE: "提高", Change.DECREASE: "降低"}
FIELD_HEADS: Final[dict[DecisionSubject, dict[str, str]]] = {
    DecisionSubject.TARGET: {
        "indicator": "指标",
        "label": "名称",
        "comparator": "比较词",
        "value": "数值",
        "value_max": "上限",
        "unit": "单位",
        "by": "期限",
        "measure": "读法",
        "base": "基准",
        "change": "增减",
        "start": "起始年",
        "scope": "范围",
        "bodies": "责任单位",
    },
    DecisionSubject.OBLIGATION: {
        "title": "标题",
        "when": "适用条件",
        "require": "要求",
        "strength": "力度",
        "from": "起始年",
    },
    DecisionSubject.TASK: {"title": "标题", "bodies": "责任单位"},
}
"""For each subject the fields that a person may correct, with their heads, in order."""
_MAY_BE_NOTHING: Final = frozenset(
    ("value", "value_max", "unit", "by", "base", "change", "start", "scope", "bodies", "from")
)
_SEPARATORS: Final = re.compile(r"[、，,；;\s]+(?![^（(]*[）)])")


class FieldError(ValueError):
    """A field cannot be taken as it was written.

    Parameters
    ----------
    name : str
        Last word of the finding's name.
    sentence : str
        What is wrong, in Chinese.
    expected : str
        What would have been right.
    field : str, optional
        Column that is at fault, where the caller cannot know it.
    """

    def __init__(self, name: str, sentence: str, expected: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.name = name
        self.sentence = sentence
        self.expected = expected
        self.field = field


@dataclass(frozen=True)
class ReviewItem:
    """One thing that a person decides upon.

    Parameters
    ----------
    subject : DecisionSubject
    item : ReadTarget, ReadDuty or Clause
    anchor : ReadingAnchor
    """

    subject: DecisionSubject
    item: ReadTarget | ReadDuty | Clause
    anchor: ReadingAnchor

    @classmethod
    def of(cls, item: ReadTarget | ReadDuty | Clause, document: DocumentText, outline: Outline) -> ReviewItem:
        """Return an item with its anchor."""
        subject = next(subject for kind, subject in _KINDS.items() if isinstance(item, kind))
        return cls(subject, item, anchor_of(item, document, outline))

    @property
    def name(self) -> str:
        """Id of the target or duty, number of the task."""
        return self.item.number if isinstance(self.item, Clause) else self.item.id

    @property
    def start(self) -> int:
        """First character."""
        return self.span[0]

    @property
    def span(self) -> tuple[int, int]:
        """The stretch of text, end excluded."""
        at = (
            self.item.at
            if not isinstance(self.item, Clause)
            else (self.item.title_at or self.item.mark or self.item.at)
        )
        return (0, 0) if at is None else (at.start, at.end)

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that stand for the key in a comment."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:8]

    @property
    def key(self) -> str:
        """Subject and anchor in one line, the same for the same words."""
        return f"{self.subject.value} {self.anchor.model_dump_json(exclude_defaults=True)}"


def review_items(reading: ReadPlan, document: DocumentText) -> tuple[ReviewItem, ...]:
    """Return what a person decides upon: targets, duties and tasks, in document order within each.

    Parameters
    ----------
    reading : ReadPlan
    document : DocumentText
        The document that was read.
    """
    tasks = (clause for clause in reading.outline.clauses if clause.task and clause.title_at is not None)
    everything: tuple[ReadTarget | ReadDuty | Clause, ...] = (*reading.targets, *reading.duties, *tasks)
    return tuple(ReviewItem.of(item, document, reading.outline) for item in everything)


def own_fields(item: ReviewItem) -> dict[str, Any]:
    """Return the fields of an item as a correction would state them, without those that it leaves open."""
    read = item.item
    fields: dict[str, Any]
    if isinstance(read, ReadTarget):
        base = {"year": read.base_year} if read.base_year else {"state": read.base_state} if read.base_state else None
        fields = {
            "indicator": read.match.indicator if read.match else None,
            "label": read.label,
            "comparator": read.comparator.value,
            "value": read.value,
            "value_max": read.value_max,
            "unit": read.unit,
            "by": read.by,
            "measure": read.measure.value,
            "base": base,
            "change": read.change.value if read.change else None,
            "start": read.start,
            "scope": read.scope,
            "bodies": list(read.bodies),
        }
    elif isinstance(read, ReadDuty):
        duty = read.obligation
        fields = {
            "title": duty.title if duty else None,
            "when": duty.when if duty else None,
            "require": duty.require if duty else None,
            "strength": read.strength.value,
            "from": read.since,
        }
    else:
        fields = {"title": read.title, "bodies": list(read.bodies)}
    return {name: value for name, value in fields.items() if value is not None}


def field_texts(fields: Mapping[str, Any], catalog: Catalog) -> dict[str, str]:
    """Return fields as review papers show them.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> fields = {"comparator": ">=", "value": 32.0, "measure": "level", "base": {"year": 2020}, "scope": None}
    >>> field_texts(fields, load_catalog())
    {'comparator': '不低于', 'value': '32', 'measure': '时点水平', 'base': '2020年', 'scope': '无'}
    """
    return {name: _text(name, value, catalog) for name, value in fields.items()}


def _text(name: str, value: Any, catalog: Catalog) -> str:
    if value is None or value == []:
        return NOTHING
    match name:
        case "indicator":
            known = catalog.indicators.get(value)
            return known.zh if known else str(value)
        case "comparator":
            return COMPARATOR_WORDS[Comparator(value)]
        case "measure":
            return catalog.term("measure", str(value))
        case "strength":
            return STRENGTH_WORDS[Strength(value)]
        case "change":
            return _CHANGES[Change(value)]
        case "base":
            return f"{value['year']}年" if value.get("year") else _STATES[BaseState(value["state"])]
        case "bodies":
            return "、".join(value)
        case "value" | "value_max":
            return f"{value:.15g}"
        case _:
            return str(value)


def read_field(name: str, text: str, catalog: Catalog, *, unit: str | None = None) -> Any:
    """Return the value that a person wrote for a field, as a decision keeps it.

    Parameters
    ----------
    name : str
        Field of `FIELD_HEADS`.
    text : str
        Not blank.
    catalog : Catalog
    unit : str, optional
        Unit of the number, where a percent sign may stand behind it.

    Raises
    ------
    FieldError
        The text is no value of that field.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [read_field(name, text, catalog) for name, text in (("value", "1,200.5"), ("by", "2030年"), ("comparator", "≥"))]
    [1200.5, 2030, '>=']
    >>> read_field("bodies", "市住建局、市财政局", catalog), read_field("scope", "无", catalog)
    (['市住建局', '市财政局'], None)
    """
    text = text.strip()
    if text == NOTHING:
        if name not in _MAY_BE_NOTHING:
            raise FieldError("empty-field", "此字段不能为“无”", "保留原值，或填写新值")
        return [] if name == "bodies" else None
    reader = _READERS.get(name)
    if reader is not None:
        return reader(text, catalog)
    if name in ("value", "value_max"):
        return _number(text, unit)
    return text


def within_bounds(target: Target, indicator: Indicator | None) -> None:
    """Check the fields of a target against one another and against the bounds of its indicator.

    Parameters
    ----------
    target : Target
    indicator : Indicator or None
        None where none is chosen; of a unit that it cannot carry nothing is checked.

    Raises
    ------
    FieldError
        The base year is not before the deadline, or a value lies beyond the bounds: a catalog would not hold with it.
    """
    if target.base is not None and target.base.year and target.by and target.base.year >= target.by:
        sentence = f"基期{target.base.year}不早于期限{target.by}"
        raise FieldError("late-base", sentence, f"{target.by}以前的年份", field="new_base")
    unit = target.unit or "ratio"
    if (
        indicator is None
        or target.measure in (Measure.MILESTONE, Measure.CHANGE)
        or not same_dimension(unit, indicator.unit)
    ):
        return
    low = -math.inf if indicator.minimum is None else indicator.minimum
    high = math.inf if indicator.maximum is None else indicator.maximum
    for name, value in (("value", target.value), ("value_max", target.value_max)):
        if value is not None and not low <= convert(value, unit, indicator.unit) <= high:
            shown = (f"{convert(bound, indicator.unit, unit):.10g}" for bound in (low, high) if math.isfinite(bound))
            sentence = f"{FIELD_HEADS[DecisionSubject.TARGET][name]}{value:.10g}{target.unit or ''}超出指标“{indicator.zh}”的界限"
            raise FieldError("out-of-bounds", sentence, f"{' 至 '.join(shown)}（{unit}）", field=f"new_{name}")


def _number(text: str, unit: str | None) -> float:
    plain = "".join(fold_width(text).split()).replace(",", "")
    percent = plain.endswith("%")
    if percent and unit not in (None, "%", "％", "个百分点", "百分点"):
        raise FieldError("not-a-number", f"数值“{text}”带百分号，单位却是“{unit}”", "不带单位的数，或改单位")
    try:
        return read_numeral(plain.removesuffix("%"))
    except ValueError:
        raise FieldError("not-a-number", f"“{text}”不是数", "一个数，如 33.5；单位填在单位栏") from None


def _unit(text: str, catalog: Catalog) -> str:
    try:
        read_unit(text)
    except UnitError:
        near = "、".join(close_names(text, UNIT_NAMES)) or "万平方米、公里、%、个百分点、吨标准煤"
        raise FieldError("unknown-unit", f"不认识单位“{text}”", f"能换算的单位，如 {near}") from None
    return text


def _year(text: str, catalog: Catalog) -> int:
    found = re.fullmatch(r"(\d{4})(?:\.0+)?年?(?:底|末|前|底前)?", "".join(fold_width(text).split()))
    if found is None or not 1949 <= int(found[1]) <= 2100:
        raise FieldError("not-a-year", f"“{text}”不是年份", "1949至2100间的年份，如 2030")
    return int(found[1])


def _base(text: str, catalog: Catalog) -> dict[str, Any]:
    for state, word in _STATES.items():
        if text == word:
            return {"state": state.value}
    try:
        return {"year": _year(text, catalog)}
    except FieldError:
        raise FieldError("not-a-base", f"“{text}”不是基准", "年份，或“改造前”“现状”") from None


def _indicator(text: str, catalog: Catalog) -> str:
    if text in catalog.indicators:
        return text
    named = [indicator.id for indicator in catalog.indicators.values() if text in (indicator.zh, *indicator.aliases)]
    if len(named) == 1:
        return named[0]
    names = [name for indicator in catalog.indicators.values() for name in (indicator.zh, *indicator.aliases)]
    near = close_names(text, names) or [name for name in names if text in name][:3]
    if named:
        raise FieldError("unknown-indicator", f"“{text}”是几个指标的别名", "、".join(named))
    raise FieldError(
        "unknown-indicator", f"指标库中没有“{text}”", f"相近的有：{'、'.join(near)}" if near else "下拉表中的指标名"
    )


def _one_of(words: Mapping[Any, str], what: str) -> Callable[[str, Catalog], str]:
    def read(text: str, catalog: Catalog) -> str:
        for code, word in words.items():
            if text in (word, code.value):
                return str(code.value)
        raise FieldError(f"unknown-{what}", f"不认识“{text}”", "、".join(words.values()))

    return read


def _comparator(text: str, catalog: Catalog) -> str:
    plain = fold_width(text).strip()
    if plain not in _COMPARATORS:
        raise FieldError("unknown-comparator", f"不认识比较词“{text}”", "、".join(COMPARATOR_WORDS.values()))
    return _COMPARATORS[plain].value


def _measure(text: str, catalog: Catalog) -> str:
    words = {catalog.term("measure", code): code for code in MEASURES}
    code = words.get(text, text)
    if code not in MEASURES:
        raise FieldError("unknown-measure", f"不认识读法“{text}”", "、".join(words))
    return code


def _bodies(text: str, catalog: Catalog) -> list[str]:
    return [part for part in dict.fromkeys(_SEPARATORS.split(text)) if part]


def _condition(text: str, catalog: Catalog) -> str:
    text = fold_characters(text)  # word processors turn straight quotation marks
    try:
        kind = check_expression(text, catalog.field_types()).kind
    except DafengError as error:
        raise FieldError("faulty-condition", f"条件“{text}”不成立：{error.problem}", error.expected) from error
    if kind != "yes_no":
        raise FieldError("faulty-condition", f"“{text}”不是条件", "是或否的表达式，如 gross_area >= 5000[m**2]")
    return text


_READERS: Final[dict[str, Callable[[str, Catalog], Any]]] = {
    "indicator": _indicator,
    "comparator": _comparator,
    "unit": _unit,
    "by": _year,
    "start": _year,
    "from": _year,
    "measure": _measure,
    "base": _base,
    "change": _one_of(_CHANGES, "change"),
    "strength": _one_of(STRENGTH_WORDS, "strength"),
    "bodies": _bodies,
    "when": _condition,
    "require": _condition,
}
