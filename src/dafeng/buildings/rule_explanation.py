"""Why a rule answers as it does for one project, in words: part by part of its condition and its requirement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, cast

import polars as pl
from lark import Token, Tree
from pydantic import Field

from dafeng.base.ledger import FIELD_DTYPES, STAGE_NAMES
from dafeng.base.record import Record
from dafeng.buildings.obligations import DOCUMENT_DATE, JUDGEMENT_DAY, RuleUse, check_rules
from dafeng.buildings.project_facts import field_name, shown_unit, shown_value
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import FieldType, evaluate_tree, expression_names, parse_expression

__all__ = [
    "VERDICT_WORDS",
    "Explanation",
    "RulePart",
    "explain",
    "fold_undecided",
    "missing_words",
    "thing_frame",
    "words_of",
]

VERDICT_WORDS: Final[dict[str, str]] = {
    "pass": "符合",
    "fail": "不符合",
    "unknown": "待定",
    "not_applicable": "不适用",
}
"""Chinese word of each verdict."""

_SIGNS: Final = {"==": "为", "!=": "不为", ">=": "不小于", "<=": "不大于", ">": "大于", "<": "小于"}
_DAY_SIGNS: Final = {"==": "为", "!=": "不为", ">=": "不早于", "<=": "不晚于", ">": "晚于", "<": "早于"}
_CALLS: Final = {
    "share": "占比",
    "sum": "之和",
    "min": "最小值",
    "max": "最大值",
    "year": "所在年份",
    "if": "按情形",
    "known": "已填",
}


class RulePart(Record):
    """One part of a condition or requirement, as it stands for a project."""

    text: str
    """What is asked, in words with units."""
    facts: str
    """What the project has."""
    answer: str = Field(pattern=r"^(yes|no|unknown)$")
    """Whether it holds."""


class Explanation(Record):
    """A rule's answer for one project, told part by part."""

    key: str
    """Whose."""
    rulebook: str
    """Id of the plan or standard."""
    document: str
    """Its title."""
    clause: str
    """Clause."""
    rule: str
    """Id of the rule."""
    title: str
    """What is asked of whom."""
    verdict: str
    """pass, fail, unknown or not_applicable."""
    sentence: str
    """The answer in one sentence."""
    scope: RulePart
    """Whether the document binds the project: place and date."""
    conditions: tuple[RulePart, ...]
    """Parts of the condition; all must hold."""
    requirements: tuple[RulePart, ...]
    """Parts of the requirement; all must hold."""
    missing: tuple[str, ...]
    """Ids of the fields that keep the answer open."""
    missing_names: tuple[str, ...]
    """Their names."""
    stage_due: str | None
    """Stage from which it must be shown."""
    due: str
    """Whether the project has reached it: yes, no, unknown."""
    owed: bool
    """Whether evidence is owed."""
    overdue: bool
    """Whether the project is past that stage without passing."""
    evidence: tuple[str, ...]
    """Papers that prove it."""
    strength: str
    """How strictly it is asked."""
    soft: bool
    """Whether it is a wish rather than a duty."""
    grade: str
    """How sure the figures are; B and C are 待核."""
    source: str
    """Source id."""
    note: str | None = None
    """Remark of the rule."""


def thing_frame(facts: Mapping[str, Any], catalog: Catalog) -> pl.DataFrame:
    """Return the facts of one thing as a frame of one row, typed by the vocabulary; fields that are absent are unknown.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> thing_frame({"gross_area": 5000, "place": "qingdao"}, load_catalog()).row(0)
    ('project', 'qingdao', None, 5000.0)
    """
    schema: dict[str, pl.DataType] = {"key": pl.String(), "place": pl.String(), "stage": pl.String()}
    schema |= {name: FIELD_DTYPES[catalog.fields[name].type] for name in facts if name in catalog.fields}
    row = {"key": "project"} | {name: value for name, value in facts.items() if name in schema}
    return pl.DataFrame([row], schema=schema, strict=False)


def explain(
    thing: Mapping[str, Any],
    use: RuleUse,
    catalog: Catalog,
    *,
    as_of: date,
    stage: str | None = None,
    undated: date | None = None,
) -> Explanation:
    """Tell why a rule answers as it does for one thing.

    Parameters
    ----------
    thing : mapping
        Field id to value in canonical units, `key` besides: a row of the frame that `check_rules` takes.
    use : RuleUse
    catalog : Catalog
    as_of, stage, undated
        As for `check_rules`.

    Returns
    -------
    Explanation

    Examples
    --------
    >>> from dafeng.buildings.obligations import binding_rules
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rules = binding_rules(catalog, as_of=date(2026, 11, 20), only=["qingdao-2024"])
    >>> star = next(use for use in rules if use.rule.id == "high-quality-housing-two-star")
    >>> told = explain({"place": "qingdao", "permit_date": date(2026, 3, 1), "work": "new", "housing_grade": "high_quality",
    ...                 "green_star": 1.0}, star, catalog, as_of=date(2026, 11, 20))
    >>> told.requirements[0].text, told.requirements[0].facts, told.verdict
    ('绿色建筑星级不小于 2', '绿色建筑星级：1', 'fail')
    >>> told.sentence
    '不符合：应绿色建筑星级不小于 2，现为绿色建筑星级：1'
    """
    frame = thing_frame(thing, catalog)
    found = check_rules(frame, [use], catalog, as_of=as_of, stage=stage, undated=undated, not_applicable=True)
    row = found.row(0, named=True)
    fields = catalog.field_types()
    known = frame.row(0, named=True)
    names = {name for text in (use.rule.when, use.rule.require) for name in expression_names(text)}
    typed = frame.with_columns(
        pl.lit(None, FIELD_DTYPES[fields[name].kind]).alias(name) for name in names if name not in frame.columns
    )
    conditions = _parts(use.rule.when, typed, known, fields, catalog)
    requirements = _parts(use.rule.require, typed, known, fields, catalog)
    return Explanation(
        key=row["key"],
        rulebook=use.rulebook,
        document=use.title,
        clause=use.rule.clause,
        rule=use.rule.id,
        title=use.rule.title,
        verdict=row["verdict"],
        sentence=_sentence(row, conditions, requirements, use, catalog),
        scope=_scope(row, use, catalog),
        conditions=conditions,
        requirements=requirements,
        missing=tuple(row["missing"]),
        missing_names=tuple(missing_words(row["missing"], catalog)),
        stage_due=row["stage_due"],
        due=row["due"],
        owed=row["owed"],
        overdue=row["overdue"],
        evidence=use.rule.evidence,
        strength=use.rule.strength.value,
        soft=row["soft"],
        grade=use.grade,
        source=use.source,
        note=use.rule.note,
    )


def fold_undecided(explanations: Sequence[Explanation], *, least: int = 4) -> list[Explanation]:
    """Return explanations with those of one clause put together of which nobody knows yet which applies.

    A clause with a table (a limit for each climate zone, shape and window ratio) would otherwise fill pages as long as the
    climate zone is not filled in.

    Parameters
    ----------
    explanations : sequence of Explanation
    least : int
        Rules of one clause, document and stage that are put together.

    Returns
    -------
    list of Explanation
        In the order of the first of each; a folded one has the rule ``*`` and all the missing fields.
    """
    groups: dict[tuple[object, ...], list[Explanation]] = {}
    for number, each in enumerate(explanations):
        sure = each.verdict != "unknown" or all(part.answer == "yes" for part in each.conditions)
        alike = (each.rulebook, each.clause, each.soft, each.owed, each.due, each.evidence)
        groups.setdefault((number,) if sure else alike, []).append(each)
    found: list[Explanation] = []
    for members in groups.values():
        found += members if len(members) < least else [_folded(members)]
    return found


def _folded(members: Sequence[Explanation]) -> Explanation:
    first = members[0]
    missing = dict.fromkeys(name for each in members for name in each.missing)
    names = dict.fromkeys(name for each in members for name in each.missing_names)
    asked = tuple(
        dict.fromkeys(re.sub(r"[不大小于]+ .*$", "", part.text) for each in members for part in each.requirements)
    )
    return first.model_copy(
        update={
            "rule": "*",
            "title": f"本条共{len(members)}项限值，适用哪一项待定",
            "conditions": (),
            "requirements": (RulePart(text=f"{'、'.join(asked)}：按适用的一项", facts="", answer="unknown"),),
            "missing": tuple(missing),
            "missing_names": tuple(names),
            "sentence": f"待定：共{len(members)}项限值，需补{'、'.join(names)}",
        }
    )


def missing_words(names: list[str], catalog: Catalog) -> list[str]:
    """Return the names of missing fields as a person reads them."""
    return ["方案印发日期" if name == DOCUMENT_DATE else field_name(name, catalog) for name in names]


def words_of(text: str, catalog: Catalog) -> str:
    """Return an expression in words.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> words_of('work == "new" and gross_area >= 2[公顷]', load_catalog())
    '建设性质为新建，且总建筑面积不小于 2公顷'
    """
    return "，且".join(_words(part, catalog) for part in _conjuncts(parse_expression(text)))


def _conjuncts(tree: Tree[Token]) -> list[Tree[Token]]:
    if tree.data != "both":
        return [tree]
    return [part for child in tree.children if isinstance(child, Tree) for part in _conjuncts(child)]


def _parts(
    text: str, frame: pl.DataFrame, known: Mapping[str, Any], fields: Mapping[str, FieldType], catalog: Catalog
) -> tuple[RulePart, ...]:
    trees = _conjuncts(parse_expression(text))
    answers = frame.select(evaluate_tree(tree, fields).alias(str(index)) for index, tree in enumerate(trees)).row(0)
    return tuple(
        RulePart(text=_words(tree, catalog), facts=_facts(tree, known, catalog), answer=_answer(answer))
        for tree, answer in zip(trees, answers, strict=True)
    )


def _answer(value: object) -> str:
    return "unknown" if value is None else "yes" if value else "no"


def _facts(tree: Tree[Token], known: Mapping[str, Any], catalog: Catalog) -> str:
    return "，".join(
        f"{field_name(name, catalog)}：{shown_value(name, known.get(name), catalog)}" for name in _names_in(tree)
    )


def _names_in(tree: Tree[Token]) -> list[str]:
    if tree.data == "name":
        return [str(tree.children[0])]
    return list(dict.fromkeys(name for child in tree.children if isinstance(child, Tree) for name in _names_in(child)))


def _words(tree: Tree[Token], catalog: Catalog) -> str:
    children = [child for child in tree.children if isinstance(child, Tree)]
    tokens = [str(child) for child in tree.children if isinstance(child, Token)]
    match str(tree.data):
        case "number":
            return f"{float(tokens[0]):,.10g}" + (shown_unit(tokens[1]) if len(tokens) > 1 else "")
        case "text":
            return tokens[0][1:-1]
        case "truth":
            return "是" if tokens[0] == "true" else "否"
        case "name":
            return field_name(tokens[0], catalog).removeprefix("是否")
        case "minus":
            return f"负{_words(children[0], catalog)}"
        case "negation":
            return f"并非（{_words(children[0], catalog)}）"
        case "both":
            return "，且".join(_grouped(child, catalog) for child in children)
        case "either":
            return "，或".join(_grouped(child, catalog) for child in children)
        case "comparison":
            return _compared(children, tokens[0], catalog)
        case "membership" | "exclusion":
            options = "、".join(_option(children[0], child, catalog) for child in children[1:])
            return f"{_words(children[0], catalog)}{'为' if tree.data == 'membership' else '不为'}{options}" + (
                "之一" if tree.data == "membership" and len(children) > 2 else ""
            )
        case "call":
            return f"{'、'.join(_words(child, catalog) for child in children)}{_CALLS[tokens[0]]}"
        case _:
            signs = {"+": "＋", "-": "－", "*": "×", "/": "÷"}
            first, *others = (_words(child, catalog) for child in children)
            return first + "".join(signs[sign] + other for sign, other in zip(tokens, others, strict=True))


def _grouped(tree: Tree[Token], catalog: Catalog) -> str:
    words = _words(tree, catalog)
    return f"（{words}）" if tree.data in ("both", "either") else words


def _compared(children: list[Tree[Token]], sign: str, catalog: Catalog) -> str:
    left, right = children
    fields = [catalog.fields.get(str(child.children[0])) for child in children if child.data == "name"]
    signs = _DAY_SIGNS if any(field is not None and field.type == "date" for field in fields) else _SIGNS
    space = " " if right.data == "number" else ""
    return f"{_words(left, catalog)}{signs[sign]}{space}{_option(left, right, catalog)}"


def _option(field: Tree[Token], value: Tree[Token], catalog: Catalog) -> str:
    if field.data == "name" and value.data == "text":
        return shown_value(str(field.children[0]), str(cast("Token", value.children[0]))[1:-1], catalog)
    return _words(value, catalog)


def _scope(row: Mapping[str, Any], use: RuleUse, catalog: Catalog) -> RulePart:
    where = f"{catalog.place_name(use.place)}及以下"
    if use.earliest is None:
        when = "不论时间"
    elif use.earliest == use.certain:
        when = f"自{use.earliest.isoformat()}起"
    elif use.earliest == date.min:
        when = "印发日期未载"
    else:
        when = f"{use.earliest.year}年印发，具体日期未载"
    until = "" if use.until is None else f"，至{use.until.isoformat()}前"
    place = "所在地未填" if row["place"] is None else catalog.place_name(row["place"])
    by = {JUDGEMENT_DAY: "判断日"}.get(row["dated_by"], field_name(row["dated_by"] or use.dated[0], catalog))
    day = "未填" if row["decided_on"] is None else row["decided_on"].isoformat()
    return RulePart(text=f"{where}，{when}{until}", facts=f"{place}，{by}：{day}", answer=_bound(row, use))


def _bound(row: Mapping[str, Any], use: RuleUse) -> str:
    day = row["decided_on"]
    if use.earliest is None and use.until is None:
        return "yes"
    if day is None:
        return "unknown"
    if (use.earliest is not None and day < use.earliest) or (use.until is not None and day >= use.until):
        return "no"
    return "yes" if use.certain is None or day >= use.certain else "unknown"


def _sentence(
    row: Mapping[str, Any],
    conditions: tuple[RulePart, ...],
    requirements: tuple[RulePart, ...],
    use: RuleUse,
    catalog: Catalog,
) -> str:
    word = VERDICT_WORDS[row["verdict"]]
    lacking = "、".join(missing_words(row["missing"], catalog))
    match row["verdict"]:
        case "pass":
            return f"{word}：{'；'.join(part.facts for part in requirements)}"
        case "fail":
            wrong = [part for part in requirements if part.answer == "no"]
            early = f"（{STAGE_NAMES.get(row['stage_due'], '')}阶段起核查，尚未到期）" if row["due"] == "no" else ""
            told = "；".join(f"应{part.text}，现为{part.facts}" for part in wrong)
            return f"{word}：{told}{early}"
        case "not_applicable":
            broken = [part for part in (_scope(row, use, catalog), *conditions) if part.answer == "no"]
            told = "；".join(f"条件“{part.text}”不成立（{part.facts}）" for part in broken[:1]) or "不在适用地区"
            return f"{word}：{told}"
        case _:
            about = (
                "要求已满足，是否适用待定"
                if row["met"] == "yes"
                else "是否适用待定"
                if row["applies"] == "unknown"
                else "适用，是否达到待定"
            )
            owed = "，应补" if row["owed"] else "，尚未到期" if row["due"] == "no" else "，需补"
            return f"{word}：{about}" + (f"{owed}{lacking}" if lacking else "")
