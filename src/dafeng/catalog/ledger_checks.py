"""What ties ledgers to the rest of the catalog: fields, heads, units, expressions, counting rules, clauses, ratings, links."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

import polars as pl

from dafeng.base.errors import DafengError
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.place import Extent
from dafeng.base.quantity import fold_width, same_dimension
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.catalog import Catalog, Entries
from dafeng.catalog.expression import FieldType, check_expression, evaluate, expression_names
from dafeng.catalog.ledger_schemas import Aggregate, LinkKind, RecordLink, Register, Rollup, RollupSpan
from dafeng.catalog.rating_schemas import Rating
from dafeng.catalog.schemas import Indicator, IndicatorMeasure

__all__ = ["LedgerChecker", "check_ledgers"]

_CONDITION: Final = "yes_no"
_POINTS: Final = FieldType()
_MEASURES: Final = {
    Aggregate.MEAN: {IndicatorMeasure.SHARE, IndicatorMeasure.INTENSITY, IndicatorMeasure.CHANGE},
    Aggregate.SHARE: {IndicatorMeasure.SHARE},
    Aggregate.ALL: {IndicatorMeasure.STATE},
    Aggregate.MAX: {IndicatorMeasure.STOCK, IndicatorMeasure.INTENSITY},
}
_UNITS: Final = {Aggregate.COUNT: "item", Aggregate.ALL: "yes_no", Aggregate.SHARE: "percent"}
_STATED: Final = (Aggregate.SUM, Aggregate.MEAN, Aggregate.MAX)
_YEAR: Final = "year"


class LedgerChecker(Checker, Protocol):
    """What these checks need of the checker that runs them."""

    entries: Entries

    def same_unit(self, unit: str, other: str, section: str, key: str, *path: str | int) -> None:
        """Note a unit that is of another dimension than the other."""


def check_ledgers(checker: LedgerChecker) -> None:
    """Note every fault of registers, roll-ups, rulebooks, ratings and links.

    Parameters
    ----------
    checker : LedgerChecker
        Catalog and entries as read; collects the findings.
    """
    types = checker.catalog.field_types()
    for register in checker.entries.of("registers", Register).values():
        _register(checker, register, types)
    _rollups(checker, types)
    for rulebook in checker.catalog.rulebooks.values():
        here = ("rulebooks", rulebook.id)
        checker.known("place", rulebook.place, checker.catalog.places, *here, "place", zh="地方")
        checker.known("source", rulebook.source, checker.catalog.sources, *here, "source", zh="来源")
        _dated(checker, rulebook.date_field, types, *here, "date_field")
        _once(checker, [rule.id for rule in rulebook.rules], "rulebooks", rulebook.id, "rules")
        for index, rule in enumerate(rulebook.rules):
            for name in ("when", "require"):
                _expression(checker, getattr(rule, name), types, _CONDITION, *here, "rules", index, name)
            for position, name in enumerate(rule.dated):
                _dated(checker, name, types, *here, "rules", index, "dated", position)
    for rating in checker.catalog.ratings.values():
        _rating(checker, rating, types)
    _links(checker)


def _expression(
    checker: Checker, text: str, types: Mapping[str, FieldType], kind: str, section: str, key: str, *path: str | int
) -> FieldType | None:
    """Note an expression that does not hold, and return what it yields."""
    try:
        result = check_expression(text, types)
    except DafengError as error:
        checker.say(
            "expression.invalid",
            f"表达式有误：{error.problem}",
            section,
            key,
            *path,
            expected=error.expected,
            value=text,
        )
        return None
    if result.kind != kind:
        wanted = "条件" if kind == _CONDITION else "数值"
        checker.say("expression.kind", f"此处应为{wanted}", section, key, *path, expected=wanted, value=text)
        return None
    return result


def _once(checker: Checker, names: Iterable[str], section: str, key: str, *path: str | int) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            checker.say("entry.duplicate", f"{path[-1]} 中 {name} 出现两次", section, key, *path, index, value=name)
        seen.add(name)


def _dated(
    checker: Checker,
    name: str | None,
    types: Mapping[str, FieldType],
    section: str,
    key: str,
    *path: str | int,
    years: bool = False,
) -> None:
    if name is None or not checker.known("field", name, types, section, key, *path, zh="字段"):
        return
    field = types[name]
    if field.kind == "date" or (years and field.kind == "number" and same_dimension(field.unit, _YEAR)):
        return
    wanted = "日期字段或年份字段" if years else "日期字段"
    checker.say("field.kind", f"{name} 不是{wanted}", section, key, *path, expected=wanted, value=name)


def _register(checker: LedgerChecker, register: Register, types: Mapping[str, FieldType]) -> None:
    here = ("registers", register.id)
    checker.known("source", register.source, checker.catalog.sources, *here, "source", zh="来源")
    checker.known("register", register.checks_of, checker.catalog.registers, *here, "checks_of", zh="台账")
    columns = {column.field: column for column in register.fields}
    _once(checker, [column.field for column in register.fields], *here, "fields")
    for index, column in enumerate(register.fields):
        if not checker.known("field", column.field, types, *here, "fields", index, "field", zh="字段"):
            continue
        if column.unit is None:
            continue
        if types[column.field].kind != "number":
            checker.say("register.unit", f"{column.field} 不是数值，不应有单位", *here, "fields", index, "unit")
        else:
            checker.same_unit(column.unit, types[column.field].unit, *here, "fields", index, "unit")
    _heads(checker, register)
    for index, name in enumerate(register.identity):
        checker.known("field", name, columns, *here, "identity", index, zh="本台账字段")
    if not any(columns[name].required for name in register.identity if name in columns):
        checker.say("register.identity", "标识字段没有一个是必填的，无法认出是哪一个", *here, "identity")
    for part in ("name_field", "place_field", "zone_field"):
        checker.known("field", getattr(register, part), columns, *here, part, zh="本台账字段")
    if register.per_stage and not (columns.get("stage") and columns["stage"].required):
        checker.say("register.stage", "分阶段的台账须有必填的阶段字段 stage", *here, "per_stage", expected="stage")
    own = {name: types[name] for name in columns if name in types}
    _once(checker, [check.id for check in register.checks], *here, "checks")
    for index, check in enumerate(register.checks):
        _expression(checker, check.require, own, _CONDITION, *here, "checks", index, "require")
        for place, name in enumerate(check.fields):
            checker.known("field", name, columns, *here, "checks", index, "fields", place, zh="本台账字段")


def _heads(checker: LedgerChecker, register: Register) -> None:
    """Note heads under which two columns of one register would be found."""
    owners: dict[str, str] = {}
    for index, column in enumerate(register.fields):
        field = checker.catalog.fields.get(column.field)
        names = (column.field, *column.heads, *((field.zh,) if field else ()))
        for name in {fold_width(name).casefold().replace(" ", "") for name in names}:
            if owners.setdefault(name, column.field) != column.field:
                checker.say(
                    "register.head-shared",
                    f"列名 {name} 同时属于 {owners[name]}",
                    "registers",
                    register.id,
                    "fields",
                    index,
                    "heads",
                    value=name,
                )


def _rollups(checker: LedgerChecker, types: Mapping[str, FieldType]) -> None:
    catalog = checker.catalog
    counted: dict[tuple[str, str, str], str] = {}
    for rollup in catalog.rollups.values():
        here = ("rollups", rollup.id)
        checker.known("source", rollup.source, catalog.sources, *here, "source", zh="来源")
        registers = [
            catalog.registers[name]
            for index, name in enumerate(rollup.registers)
            if checker.known("register", name, catalog.registers, *here, "registers", index, zh="台账")
        ]
        if len({register.subject for register in registers}) > 1:
            checker.say("rollup.subjects", "各台账的对象不同，不能合在一起计数", *here, "registers")
        columns = {column.field for register in registers for column in register.fields}
        own = {name: kind for name, kind in types.items() if name in columns}
        _dated(checker, rollup.dated, own, *here, "dated", years=True)
        for name in ("until", "done"):
            _dated(checker, getattr(rollup, name), own, *here, name)
        if not checker.known("indicator", rollup.indicator, catalog.indicators, *here, "indicator", zh="指标"):
            continue
        indicator = catalog.indicators[rollup.indicator]
        _counting(checker, rollup, indicator, own)
        _breakdowns(checker, rollup, indicator, own)
        extent = rollup.extent or indicator.extent.value
        checker.known("extent", extent, set(Extent), *here, "extent", zh="地域")
        if rollup.basis or indicator.bases:
            checker.known("basis", rollup.basis, indicator.bases, *here, "basis", zh="口径")
        twin = counted.setdefault((indicator.id, extent, rollup.basis), rollup.id)
        if twin != rollup.id:
            checker.say("rollup.twice", f"与 {twin} 计数同一指标、地域和口径", *here, "indicator", value=indicator.id)


def _counting(checker: Checker, rollup: Rollup, indicator: Indicator, own: Mapping[str, FieldType]) -> None:
    """Note expressions, units and kinds of quantity that do not fit the indicator."""
    here = ("rollups", rollup.id)
    if rollup.when is not None:
        _expression(checker, rollup.when, own, _CONDITION, *here, "when")
    if rollup.weight is not None:
        _expression(checker, rollup.weight, own, "number", *here, "weight")
    if rollup.value is not None:
        kind = "number" if rollup.aggregate in _STATED else _CONDITION
        result = _expression(checker, rollup.value, own, kind, *here, "value")
        wanted = check_expression("x", {"x": FieldType(unit=indicator.unit)}).unit
        if result is not None and kind == "number" and result.unit != wanted:
            checker.say(
                "expression.dimension",
                f"结果量纲 {result.unit} 与指标 {indicator.id} 的单位 {indicator.unit} 不符",
                *here,
                "value",
                expected=wanted,
                value=rollup.value,
            )
    unit = _UNITS.get(rollup.aggregate)
    if unit is not None and not same_dimension(indicator.unit, unit):
        checker.say(
            "rollup.unit",
            f"{rollup.aggregate.value} 得出的单位是 {unit}，指标 {indicator.id} 的单位是 {indicator.unit}",
            *here,
            "aggregate",
            expected=unit,
            value=indicator.unit,
        )
    flow = IndicatorMeasure.FLOW if rollup.span is RollupSpan.YEAR else IndicatorMeasure.STOCK
    fitting = _MEASURES.get(rollup.aggregate, {flow})
    if indicator.measure not in fitting:
        shown = "、".join(sorted(measure.value for measure in fitting))
        checker.say(
            "rollup.measure",
            f"{rollup.aggregate.value}（{rollup.span.value}）不能得出 {indicator.measure.value} 类指标 {indicator.id}",
            *here,
            "aggregate",
            expected=shown,
            value=indicator.measure.value,
        )


def _breakdowns(checker: Checker, rollup: Rollup, indicator: Indicator, own: Mapping[str, FieldType]) -> None:
    here = ("rollups", rollup.id)
    for name, text in rollup.breakdowns.items():
        path = (*here, "breakdowns", name)
        known = checker.known("breakdown", name, BREAKDOWNS, *path, zh="分组")
        if known and name not in indicator.breakdowns:
            checker.say("rollup.breakdown", f"指标 {indicator.id} 没有分组 {name}", *path, value=name)
        if not known or not checker.known("field", text, own, *path, zh="台账字段"):
            continue
        codes = rollup.codes.get(name, {})
        reachable = [option for option in own[text].options if not _ruled_out(rollup.when, text, option, own)]
        vocabulary = checker.catalog.breakdown_codes(name)
        for option in reachable:
            code = codes.get(option, option)
            where = ("codes", name, option) if option in codes else ("breakdowns", name)
            checker.known("term", code, vocabulary, *here, *where, zh="分组代码")
        for option in codes:
            checker.known("option", option, own[text].options, *here, "codes", name, option, zh="选项")
    for name in rollup.codes:
        checker.known("breakdown", name, rollup.breakdowns, *here, "codes", name, zh="本条的分组")


def _ruled_out(when: str | None, name: str, option: str, own: Mapping[str, FieldType]) -> bool:
    """Return whether a condition fails for an option, whatever else is known of the thing."""
    if when is None:
        return False
    frames = {"number": pl.Float64, "yes_no": pl.Boolean, "date": pl.Date}
    row = {other: None if other != name else option for other in own}
    schema = {other: frames.get(kind.kind, pl.String) for other, kind in own.items()}
    try:
        return pl.DataFrame([row], schema=schema).select(evaluate(when, own)).item() is False
    except DafengError:
        return True  # the expression itself is noted elsewhere


def _rating(checker: Checker, rating: Rating, fields: Mapping[str, FieldType]) -> None:
    here = ("ratings", rating.id)
    checker.known("source", rating.source, checker.catalog.sources, *here, "source", zh="来源")
    groups = list(dict.fromkeys(item.group for item in rating.items))
    named = {
        "items": [item.id for item in rating.items],
        "gates": [gate.id for gate in rating.gates],
        "parameters": [parameter.id for parameter in rating.parameters],
        "grades": [grade.code for grade in rating.grades],
    }
    for section, names in named.items():
        _once(checker, names, *here, section)
    _names_of_rating(checker, rating, named, groups, fields)
    known = dict(fields)
    for index, parameter in enumerate(rating.parameters):
        path = (*here, "parameters", index)
        if checker.unit(parameter.unit, *path, "unit"):
            known[parameter.id] = FieldType(unit=parameter.unit)
        if checker.known("field", parameter.by, fields, *path, "by", zh="字段"):
            for option in parameter.values:
                options = fields[parameter.by].options
                checker.known("option", option, options, *path, "values", option, zh="选项")
    if rating.applies is not None:
        _expression(checker, rating.applies, fields, _CONDITION, *here, "applies")
    known |= dict.fromkeys((*named["items"], *groups), _POINTS)
    for index, item in enumerate(rating.items):
        _points(checker, item.score, known, *here, "items", index, "score")
    _circle(checker, rating)
    total_unit = checker.unit(rating.total_unit, *here, "total_unit")
    if rating.total is not None and total_unit:
        result = _expression(checker, rating.total, known, "number", *here, "total")
        wanted = check_expression("x", {"x": FieldType(unit=rating.total_unit)}).unit
        if result is not None and result.unit != wanted:
            checker.say(
                "expression.dimension", f"总分量纲 {result.unit} 与单位 {rating.total_unit} 不符", *here, "total"
            )
        known["total"] = FieldType(unit=rating.total_unit)
    for index, gate in enumerate(rating.gates):
        _expression(checker, gate.require, known, _CONDITION, *here, "gates", index, "require")
        for place, code in enumerate(gate.grades):
            checker.known("grade", code, named["grades"], *here, "gates", index, "grades", place, zh="等级")
    for index, grade in enumerate(rating.grades):
        _expression(checker, grade.require, known, _CONDITION, *here, "grades", index, "require")


def _points(
    checker: Checker, text: str, known: Mapping[str, FieldType], section: str, key: str, *path: str | int
) -> None:
    result = _expression(checker, text, known, "number", section, key, *path)
    wanted = check_expression("x", {"x": _POINTS}).unit
    if result is not None and result.unit != wanted:
        checker.say(
            "expression.dimension",
            f"得分应为无量纲数，而非 {result.unit}",
            section,
            key,
            *path,
            expected=wanted,
            value=text,
        )


def _names_of_rating(
    checker: Checker,
    rating: Rating,
    named: Mapping[str, Sequence[str]],
    groups: Sequence[str],
    fields: Mapping[str, FieldType],
) -> None:
    """Note names that stand for two things in the expressions of a rating."""
    owners: dict[str, str] = {**dict.fromkeys(fields, "字段"), "total": "总分"}
    for zh, names in (("参数", named["parameters"]), ("得分项", set(named["items"])), ("分组", groups)):
        for name in sorted(names):
            if owners.setdefault(name, zh) != zh:
                checker.say("rating.name-shared", f"{zh} {name} 与{owners[name]}同名", "ratings", rating.id, value=name)


def _circle(checker: Checker, rating: Rating) -> None:
    """Note items whose scores ask for one another in a circle."""
    members: dict[str, list[str]] = defaultdict(list)
    for item in rating.items:
        members[item.group].append(item.id)
    asks: dict[str, set[str]] = {}
    for item in rating.items:
        try:
            names = expression_names(item.score)
        except DafengError:
            continue
        asks[item.id] = {one for name in names for one in members.get(name, [name])}
    for index, item in enumerate(rating.items):
        if item.id in _reached(item.id, asks):
            checker.say("rating.cycle", f"得分项 {item.id} 的算式成环", "ratings", rating.id, "items", index, "score")


def _links(checker: Checker) -> None:
    catalog: Catalog = checker.catalog
    subjects = {register.subject for register in catalog.registers.values()}
    onward: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for link in catalog.links.values():
        here = ("links", link.id)
        checker.known("subject", link.subject, subjects, *here, "subject", zh="台账对象")
        for name in ("former", "present"):
            if not getattr(link, name):
                checker.say("link.empty", f"{name} 没有编号", *here, name)
        if link.kind is not LinkKind.DIFFERENT:
            for key in link.former:
                onward[link.subject][key] |= set(link.present) - _split_itself(link)
    for link in catalog.links.values():
        circular = [key for key in link.former if key in _reached(key, onward[link.subject])]
        if link.kind is not LinkKind.DIFFERENT and circular:
            checker.say(
                "link.cycle",
                f"编号 {'、'.join(circular)} 经各条对应关系又回到自身",
                "links",
                link.id,
                "former",
                value=circular[0],
            )


def _split_itself(link: RecordLink) -> set[str]:
    """Return keys that a split, merger or move keeps: they go on under their own name."""
    keeps = link.kind in (LinkKind.SPLIT, LinkKind.MERGED, LinkKind.MOVED)
    return set(link.former) & set(link.present) if keeps else set()


def _reached(start: str, onward: Mapping[str, set[str]]) -> set[str]:
    """Return what can be reached from a name in one step or more."""
    found: set[str] = set()
    waiting = list(onward.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(onward.get(name, ()))
    return found
