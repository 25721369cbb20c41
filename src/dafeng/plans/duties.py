"""Duties on single projects: who is meant, what is asked, how strictly and from when, and the same as an expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dafeng.base.document import DocumentText
from dafeng.base.errors import ExpressionError
from dafeng.base.finding import Finding, Severity
from dafeng.base.obligation import Obligation, Stage, Strength
from dafeng.base.target import Locator
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import FieldType, check_expression
from dafeng.plans.duty_conditions import Subject, read_subject
from dafeng.plans.duty_grammar import FORBIDS, PROHIBITION, FoundDuty, find_duties
from dafeng.plans.duty_requirements import Requirement, read_requirement
from dafeng.plans.duty_words import Condition
from dafeng.plans.parts import PartedSentence, part_sentences
from dafeng.plans.read_records import ClauseKind, Outline, ReadDuty, ReadNumber

__all__ = ["read_duties"]


def read_duties(
    document: DocumentText, outline: Outline, numbers: tuple[ReadNumber, ...], catalog: Catalog
) -> tuple[ReadDuty, ...]:
    """Return the duties on single projects that a plan states.

    Parameters
    ----------
    document : DocumentText
    outline : Outline
    numbers : tuple of ReadNumber
        Numbers of the document.
    catalog : Catalog
        Its project fields are what conditions may name.

    Returns
    -------
    tuple of ReadDuty
        In document order; what an annex repeats word for word counts once. A duty whose words the project fields cannot
        express has no obligation, and a finding says why.

    Examples
    --------
    >>> from dafeng.base.document import Block
    >>> from dafeng.catalog import load_catalog
    >>> from dafeng.plans.outline import read_outline
    >>> lines = ("一、重点任务", "（一）推广光伏。新建厂房屋顶应安装光伏系统。")
    >>> text = DocumentText("a.txt", "txt", "0" * 64, tuple(map(Block, lines)))
    >>> [duty] = read_duties(text, read_outline(text), (), load_catalog())
    >>> duty.obligation.when, duty.obligation.require
    ('work == "new" and building_type == "factory"', 'pv_installed')
    """
    fields = catalog.field_types()
    used: dict[str, int] = {}
    said: set[str] = set()
    duties: list[ReadDuty] = []
    for sentence in part_sentences(document, outline, kinds=(ClauseKind.TASK, ClauseKind.ANNEX)):
        for found in find_duties(sentence):
            words = document.folded[found.start : found.end]
            if sentence.clause.kind is ClauseKind.ANNEX and words in said:
                continue
            said.add(words)
            duty = _Reader(document, sentence, found).duty()
            duty = _checked(duty, fields)
            used[duty.id] = used.get(duty.id, 0) + 1
            if used[duty.id] > 1:
                name = f"{duty.id}-{used[duty.id]}"
                obligation = duty.obligation and duty.obligation.model_copy(update={"id": name})
                duty = duty.model_copy(update={"id": name, "obligation": obligation})
            duties.append(duty)
    return tuple(duties)


def _checked(duty: ReadDuty, fields: Mapping[str, FieldType]) -> ReadDuty:
    if duty.obligation is None:
        return duty
    try:
        for text in (duty.obligation.when, duty.obligation.require):
            check_expression(text, fields)
    except ExpressionError as error:
        finding = Finding(
            name="plans.duty.expression",
            sentence=f"义务表达式不成立，未生成：{error.problem}",
            severity=Severity.WARNING,
        )
        return duty.model_copy(update={"obligation": None, "findings": (*duty.findings, finding)})
    return duty


_BLANKET: Final = re.compile(
    r"^(?:应当|应该|应(?!\w尽)|须|必须|均|要|全部|全面|严格|执行|按照|按(?!规定|有关|相关|要求)|达到)+"
)


class _Reader:
    """Turns a duty found into a record; one for each."""

    def __init__(self, document: DocumentText, sentence: PartedSentence, found: FoundDuty) -> None:
        self.text = document.folded
        self.sentence = sentence
        self.found = found
        self.notes: list[str] = []
        self.open: list[Locator] = []

    def duty(self) -> ReadDuty:
        found = self.found
        universal = "全面" in found.word or "全部" in found.word or "一律" in found.word or "尽" in found.word
        asked = self._asked()
        when, require, requirement, subject = self._expressed()
        since = self._since()
        strength = found.strength
        if strength is Strength.MUST and _WITH_CONSENT.search(self.text[found.start : found.end]):
            strength = Strength.SHOULD
        soft = strength is Strength.ENCOURAGED or found.word in ("不拆",) or (found.word.startswith("一般"))
        obligation = None
        findings: tuple[Finding, ...] = ()
        slug = self._slug(when, requirement)
        if when is not None and require is not None:
            kinds = requirement.asked if requirement else ()
            obligation = Obligation(
                id=slug,
                clause=self.sentence.clause.number,
                title=self._title(subject, requirement),
                when=when,
                require=require,
                strength=strength,
                since=since,
                stage=tuple(dict.fromkeys(stage for one in kinds for stage in one.stage))
                or ((Stage.APPROVAL, Stage.DEMOLITION) if found.word == "不拆" else (Stage.PLANNING, Stage.APPROVAL)),
                evidence=tuple(dict.fromkeys(paper for one in kinds for paper in one.evidence)),
                soft=soft,
                note="；".join(dict.fromkeys(self.notes)) or None,
                at=Locator(start=found.start, end=found.end),
            )
        else:
            findings = (
                Finding(
                    name="plans.duty.open",
                    sentence="义务的适用对象或要求有词汇表达不了的部分，未生成表达式，需人工补录",
                    severity=Severity.WARNING,
                    value="、".join(self.text[part.start : part.end] for part in self.open)[:60],
                ),
            )
        applies = found.subject or found.topic
        return ReadDuty(
            id=slug,
            clause=self.sentence.clause.number,
            at=Locator(start=found.start, end=found.end),
            applies_to=Locator(start=applies[0], end=applies[1]) if applies and applies[1] > applies[0] else None,
            requirement=Locator(start=asked[0], end=asked[1]),
            strength=strength,
            soft=soft,
            universal=universal,
            since=since,
            obligation=obligation,
            open_parts=tuple(self.open),
            assumptions=tuple(dict.fromkeys(self.notes)),
            confidence=self._confidence(obligation),
            findings=findings,
        )

    def _confidence(self, obligation: Obligation | None) -> float:
        confidence = {Strength.MUST: 0.95, Strength.SHOULD: 0.9, Strength.ENCOURAGED: 0.8}[self.found.strength]
        if obligation is None:
            return 0.5
        return round(confidence * 0.95 ** len(set(self.notes)) * 0.85 ** len(self.open), 4)

    def _since(self) -> int | None:
        part = self.found.part
        if part.since is not None:
            return part.since.year
        return part.by.year if part.by is not None else None

    def _asked(self) -> tuple[int, int]:
        start, end = self.found.asked
        if self.found.word == "不拆":
            return start, end
        if PROHIBITION.match(self.found.word):
            return self.found.start, end if self.found.subject is None else self.found.subject[0]
        lead = _BLANKET.match(self.text[start:end])
        if lead is not None and lead.end() < end - start - 1:
            start += lead.end()
        return start, end

    def _expressed(self) -> tuple[str | None, str | None, Requirement | None, Subject | None]:
        found = self.found
        if found.word == "不拆":
            return self._demolition()
        words = self.text[found.asked[0] : found.asked[1]]
        if PROHIBITION.match(found.word):
            return self._forbidden(words)
        requirement = read_requirement(
            words,
            found.asked[0],
            negated=FORBIDS.match(found.word) is not None and _BOUNDED.search(words) is None,
        )
        span = found.topic or found.subject or (found.start, found.start)
        subject = read_subject(self._subject_words(span), span[0])
        self.notes += [*subject.notes, *(one.note for one in requirement.asked if one.note)]
        self.open += [*subject.open_parts, *requirement.open_parts]
        extra = self._extra(subject)
        design = requirement.design and 'work == "renovation"' not in (requirement.expression or "")
        if 'work == "renovation"' in (requirement.expression or ""):
            when: str | None = self._without_work(subject, extra)
        else:
            when = subject.when(design=design, extra=extra)
        if design and not subject.states_work and "work ==" in (when or ""):
            self.notes.append("未写建设性质，按新建计")
        if subject.open_parts:
            when = None
        return when, requirement.expression, requirement, subject

    def _subject_words(self, span: tuple[int, int]) -> str:
        return re.sub(r"^(?:对于?|将)", lambda match: "各" * len(match[0]), self.text[span[0] : span[1]])

    def _extra(self, subject: Subject) -> tuple[Condition, ...]:
        extra: list[Condition] = []
        if _WITH_CONSENT.search(self.text[self.found.start : self.found.end]):
            extra.append(Condition("owners_agree", text="owners_agree"))
        title = self.sentence.clause.title
        named = any("extent" in item for item in subject.items)
        if not named and "县城" in title and re.search("乡村|农村|县城和|、县城", title) is None:
            extra.append(Condition("extent", ("county_seat",)))
            self.notes.append("适用地域取自条目标题：县城")
        if self.text.startswith("改造部分", self.found.asked[0]):
            extra.append(Condition("work", ("renovation",)))
        elif self.found.subject is None and not subject.states_work:
            extra.append(Condition("work", ("new",)))
        return tuple(extra)

    def _without_work(self, subject: Subject, extra: tuple[Condition, ...]) -> str:
        bare = Subject(
            tuple({key: term for key, term in item.items() if key != "work"} for item in subject.items),
            (True,) * len(subject.items),
            subject.name,
        )
        return bare.when(design=False, extra=extra)

    def _demolition(self) -> tuple[str | None, str | None, Requirement | None, Subject | None]:
        words = self.text[self.found.subject[0] : self.found.subject[1]] if self.found.subject else ""
        reasons = [code for code, pattern in _REASONS.items() if re.search(pattern, words)]
        self.notes.append("只提示例外以外的拆除；是否大规模、成片由人判断")
        if not reasons:
            return None, None, None, None
        return 'work == "demolition"', _membership("demolition_reason", reasons), None, None

    def _forbidden(self, words: str) -> tuple[str | None, str | None, Requirement | None, Subject | None]:
        """不得新建X: what makes X special must not hold; 不得使用Y: Y must not be shown."""
        found = self.found
        if found.subject is not None:
            subject = read_subject(words, found.asked[0])
            self.notes += subject.notes
            self.open += subject.open_parts
            special = [key for item in subject.items for key in item if key in _SPECIAL]
            if subject.open_parts or len(subject.items) != 1 or len(special) != 1:
                if not self.open:
                    self.open.append(Locator(start=found.asked[0], end=found.asked[1]))
                return None, None, None, subject
            rest = Subject(
                (
                    {
                        "work": Condition("work", ("new",)),
                        **{key: term for key, term in subject.items[0].items() if key not in _SPECIAL},
                    },
                ),
                (True,),
                subject.name,
            )
            return rest.when(design=True), _opposite(str(subject.items[0][special[0]])), None, subject
        requirement = read_requirement(words, found.asked[0], negated=True)
        self.open += requirement.open_parts
        if requirement.expression is None:
            self.open = self.open or [Locator(start=found.asked[0], end=found.asked[1])]
            return None, None, requirement, None
        when = "street_lighting" if any(one.key == "lamps" for one in requirement.asked) else 'work != "demolition"'
        return when, requirement.expression, requirement, None

    def _slug(self, when: str | None, requirement: Requirement | None) -> str:
        keys = [one.key for one in requirement.asked] if requirement else []
        expression = when or ""
        codes = [
            code.replace("_", "-")
            for code in re.findall(r'"([a-z_]+)"', expression)
            if code not in ("new", "urban", "county_seat", "demolition")
        ]
        sizes = re.findall(r"(?:>=|<=|>|<) (\d+)", expression)
        flags = [
            name.replace("_", "-")
            for name in ("public_institution", "public_welfare", "hot_water_demand", "retrofit_value")
            if name in expression
        ]
        if self.found.word == "不拆":
            keys = ["no-mass-demolition"]
        elif PROHIBITION.match(self.found.word):
            keys = ["no", *keys]
        stars = re.findall(r"green_star >= (\d)", requirement.expression or "") if requirement else []
        parts = [*codes[:3], *flags[:2], *sizes[:2], *keys[:2], *stars[:1]]
        return "-".join(dict.fromkeys(parts)) or f"duty-{self.found.start}"

    def _title(self, subject: Subject | None, requirement: Requirement | None) -> str:
        if self.found.word == "不拆":
            return "除例外情形外不成片拆除"
        name = subject.name if subject is not None else "建设项目"
        if PROHIBITION.match(self.found.word):
            asked = "、".join(one.name for one in requirement.asked) if requirement else ""
            return f"不得使用{asked}" if asked else f"不新建{name}"
        return (
            f"{name}：{'、'.join(_asked_name(one.name, one.expression) for one in requirement.asked)}"
            if requirement
            else name
        )


_WITH_CONSENT: Final = re.compile(r"(?:居民|业主|群众)(?:意愿|同意)")
_BOUNDED: Final = re.compile(
    r"^(?:低于|少于|小于|超过|高于|大于|突破)|(?:不得|不应|不宜|不能)(?:低于|少于|小于|超过|高于|大于|突破)"
)
_SPECIAL: Final = ("height", "storeys", "gross_area", "single_building_area", "plot_ratio", "dwelling_area")
_REASONS: Final = {
    "illegal": r"违法|违章",
    "dangerous": r"危房|危险房屋|危旧",
    "public_safety": r"公共安全",
    "planning": r"规划(?:实施|需要)|公共利益",
}
_OPPOSITES: Final = {">=": "<", ">": "<=", "<=": ">", "<": ">="}


def _membership(field: str, options: list[str]) -> str:
    quoted = ", ".join(f'"{option}"' for option in options)
    return f"{field} in [{quoted}]"


def _opposite(expression: str) -> str:
    name, comparator, value = expression.split(" ", 2)
    return f"{name} {_OPPOSITES[comparator]} {value}"


def _asked_name(name: str, expression: str) -> str:
    bound = re.fullmatch(r"\w+ (>=|<=|>|<) ([\d.e+]+)\[(?:percent|m|storey|ratio|.+)\]", expression)
    if bound is None or bound[2] == "0":
        return name
    return f"{name}{bound[1]}{bound[2]}"
