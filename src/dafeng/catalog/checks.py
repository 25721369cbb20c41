"""What ties catalog entries together: every name resolves, every unit fits, every expression holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dafeng.base.errors import DafengError, UnitError, close_names
from dafeng.base.finding import Finding, Location
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.place import Place
from dafeng.base.quantity import convert, dimension_of, dimension_powers, fold_width, same_dimension
from dafeng.base.target import Measure, Target
from dafeng.catalog.allocation_checks import check_allocations
from dafeng.catalog.carbon_checks import check_boundaries, check_factors
from dafeng.catalog.catalog import Catalog, Entries
from dafeng.catalog.expression import FieldType, check_expression, expression_names
from dafeng.catalog.form_checks import check_forms
from dafeng.catalog.gateway_checks import check_gateway_profiles
from dafeng.catalog.ledger_checks import check_ledgers
from dafeng.catalog.metering_checks import check_metering
from dafeng.catalog.pathway_checks import check_pathways
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.portfolio_checks import check_portfolio
from dafeng.catalog.quota_checks import check_quotas
from dafeng.catalog.schemas import Adapter, Indicator
from dafeng.catalog.set_checks import check_sets
from dafeng.catalog.statistics_checks import check_data_checks

__all__ = ["check_catalog", "loose_checker"]

_NEXT: Final = "按提示修改该文件后重新运行 dafeng catalog check"
_NEXT_LOOSE: Final = "按提示修改后重新运行"


class _Checker:
    """Collects findings that point at the entry and field at fault."""

    def __init__(self, entries: Entries, catalog: Catalog) -> None:
        self.entries = entries
        self.catalog = catalog
        self.findings: list[Finding] = []

    def say(
        self, name: str, sentence: str, section: str, key: Any, *path: str | int, expected: str = "", value: str = ""
    ) -> None:
        loose = (section, key) not in self.entries.origins
        if loose:
            where = Location(field=".".join(str(part) for part in (section, key, *path)))
        else:
            document, origin = self.entries.origins[section, key]
            where = document.where((*origin, *path))
        self.findings.append(
            Finding(
                name=f"catalog.{name}",
                sentence=sentence,
                expected=expected,
                value=value,
                next_step=_NEXT_LOOSE if loose else _NEXT,
                where=where,
            )
        )

    def laid_over(self, section: str, key: Any) -> bool:
        """Return whether an entry comes from a folder laid over the shipped one, whose files are named by their whole path."""
        origin = self.entries.origins.get((section, key))
        return origin is not None and Path(origin[0].file).is_absolute()

    def known(self, what: str, name: str | None, known: Any, section: str, key: Any, *path: str | int, zh: str) -> bool:
        if name is None or name in known:
            return True
        close = close_names(name, [str(getattr(item, "id", item)) for item in known])
        self.say(
            f"{what}.unknown",
            f"{zh} {name} 不存在",
            section,
            key,
            *path,
            expected="、".join(close) or f"目录中已有的{zh}",
            value=name,
        )
        return False

    def unit(self, unit: str, section: str, key: Any, *path: str | int) -> bool:
        try:
            dimension_of(unit)
        except UnitError as error:
            self.say("unit.unknown", f"单位 {unit} 不认识", section, key, *path, expected=error.expected, value=unit)
            return False
        return True

    def same_unit(self, unit: str, other: str, section: str, key: Any, *path: str | int) -> None:
        if self.unit(unit, section, key, *path) and not same_dimension(unit, other):
            self.say(
                "unit.dimension", f"单位 {unit} 与 {other} 量纲不同", section, key, *path, expected=other, value=unit
            )


def loose_checker(catalog: Catalog) -> _Checker:
    """Return what collects the findings about entries that lie in no file of the catalog, an overlay of a scenario say."""
    return _Checker(Entries(), catalog)


def check_catalog(entries: Entries, catalog: Catalog, *, thorough: bool = True) -> list[Finding]:
    """Return every broken reference, unit, expression and contradiction of a catalog.

    Parameters
    ----------
    entries : Entries
        As read, for the places in files.
    catalog : Catalog
        The same entries, indexed.
    thorough : bool
        Whether to check that the pathway parameters of every place are complete and add up.
    """
    checker = _Checker(entries, catalog)
    for step in (
        _places,
        _vocabulary,
        _bodies,
        _drafting,
        _indicators,
        _adapters,
        _plans,
        check_factors,
        check_boundaries,
        check_ledgers,
        check_metering,
        check_gateway_profiles,
        check_quotas,
        check_data_checks,
        check_sets,
        check_allocations,
        check_forms,
        check_portfolio,
    ):
        step(checker)
    check_pathways(checker, thorough=thorough)
    return checker.findings


def _places(checker: _Checker) -> None:
    codes: dict[str, list[Place]] = defaultdict(list)
    for place in checker.catalog.places:
        here = ("places", place.id)
        checker.known("place", place.parent, checker.catalog.places, *here, "parent", zh="上级地方")
        checker.known("source", place.source or None, checker.catalog.sources, *here, "source", zh="来源")
        for index, overlapped in enumerate(place.overlaps):
            checker.known("place", overlapped, checker.catalog.places, *here, "overlaps", index, zh="地方")
        for index, former in enumerate(place.was):
            checker.known("place", former.parent, checker.catalog.places, *here, "was", index, zh="原上级地方")
        chain, parent = [place.id], place.parent
        while parent is not None and parent in checker.catalog.places:
            if parent in chain:
                checker.say("place.cycle", f"{place.id} 的上级关系成环", *here, "parent")
                break
            chain.append(parent)
            parent = checker.catalog.places.get(parent).parent
        for held in place.codes:
            codes[held.code].append(place)
    for code, holders in codes.items():
        spans = [(item, holder) for holder in holders for item in holder.codes if item.code == code]
        for rank, (span, owner) in enumerate(spans):
            for other, earlier in spans[:rank]:
                before = span.valid_to and other.valid_from and span.valid_to <= other.valid_from
                after = span.valid_from and other.valid_to and other.valid_to <= span.valid_from
                if not before and not after:
                    checker.say(
                        "place.code-overlap",
                        f"代码 {code} 同时属于 {earlier.id}",
                        "places",
                        owner.id,
                        "codes",
                        value=code,
                    )


def _vocabulary(checker: _Checker) -> None:
    for group, terms in checker.catalog.terms.items():
        for code, term in terms.items():
            checker.known("term", term.parent, terms, "terms", (group, code), "parent", zh="上位词")
    for item in checker.catalog.fields.values():
        if item.unit is not None:
            checker.unit(item.unit, "fields", item.id, "unit")
    for season in checker.catalog.seasons:
        here = ("seasons", (season.place, season.valid_from))
        checker.known("place", season.place, checker.catalog.places, *here, "place", zh="地方")
        checker.known("source", season.source, checker.catalog.sources, *here, "source", zh="来源")


def _bodies(checker: _Checker) -> None:
    names: dict[tuple[str, str], str] = {}
    for body in checker.catalog.bodies.values():
        here = ("bodies", body.id)
        checker.known("place", body.place, checker.catalog.places, *here, "place", zh="地方")
        checker.known("body", body.successor, checker.catalog.bodies, *here, "successor", zh="承接单位")
        checker.known("source", body.source or None, checker.catalog.sources, *here, "source", zh="来源")
        for name in {body.name, *body.aliases}:
            if (body.place, name) in names:
                checker.say(
                    "body.alias-shared",
                    f"名称 {name} 同时属于 {names[body.place, name]}",
                    *here,
                    "aliases",
                    value=name,
                )
            names[body.place, name] = body.id


def _drafting(checker: _Checker) -> None:
    catalog = checker.catalog
    owners: dict[str, str] = {}
    for line in catalog.body_levels.values():
        checker.known("source", line.source, catalog.sources, "body_levels", line.id, "source", zh="来源")
        for name in line.every:
            if owners.setdefault(name, line.id) != line.id:
                checker.say(
                    "body.line-shared", f"名称 {name} 同时属于 {owners[name]}", "body_levels", line.id, value=name
                )
    for descent in catalog.descents.values():
        here = ("descents", descent.id)
        checker.known("source", descent.source, catalog.sources, *here, "source", zh="来源")
        checker.known("indicator", descent.indicator, catalog.indicators, *here, "indicator", zh="指标")
        for index, place in enumerate(descent.places):
            checker.known("place", place, catalog.places, *here, "places", index, zh="地方")


def _indicators(checker: _Checker) -> None:
    catalog = checker.catalog
    headers: dict[str, str] = {}
    types = catalog.indicator_types()
    for indicator in catalog.indicators.values():
        here = ("indicators", indicator.id)
        if checker.unit(indicator.unit, *here, "unit"):
            checker.same_unit(indicator.shown_unit, indicator.unit, *here, "shown_unit")
        checker.known("source", indicator.source, catalog.sources, *here, "source", zh="来源")
        checker.known("term", indicator.theme, catalog.terms["theme"], *here, "theme", zh="主题")
        for name in ("numerator", "denominator", "weight"):
            checker.known("indicator", getattr(indicator, name), catalog.indicators, *here, name, zh="指标")
        for index, name in enumerate(indicator.breakdowns):
            checker.known("breakdown", name, BREAKDOWNS, *here, "breakdowns", index, zh="分组")
        for index, name in enumerate(indicator.bases):
            checker.known("term", name, catalog.terms["basis"], *here, "bases", index, zh="口径")
        for name in {fold_width(text).casefold() for text in (indicator.id, indicator.zh, *indicator.aliases)}:
            if name in headers:
                checker.say(
                    "indicator.alias-shared", f"名称 {name} 同时属于 {headers[name]}", *here, "aliases", value=name
                )
            headers[name] = indicator.id
        for basis, formula in indicator.expressions.items():
            _formula(checker, indicator, types, basis, formula)


def _formula(checker: _Checker, indicator: Indicator, types: dict[str, FieldType], basis: str, formula: str) -> None:
    here = ("indicators", indicator.id, *(("formulas", basis) if basis else ("formula",)))
    try:
        result = check_expression(formula, types)
        if result.kind != "number":
            checker.say("expression.kind", "公式应得出数值", *here)
        elif result.unit != _dimension_text(indicator.unit):
            checker.say(
                "expression.dimension",
                f"公式结果量纲 {result.unit} 与指标单位 {indicator.unit} 不符",
                *here,
                expected=_dimension_text(indicator.unit),
                value=formula,
            )
        for name in expression_names(formula) if basis else ():
            bases = checker.catalog.indicators[name].bases
            if bases and basis not in bases:
                checker.say("expression.basis", f"公式按口径 {basis} 计算，而 {name} 没有该口径", *here, value=name)
    except DafengError as error:
        checker.say("expression.invalid", f"公式有误：{error.problem}", *here, expected=error.expected)


def _dimension_text(unit: str) -> str:
    powers = sorted(dimension_powers(unit).items())
    return "·".join(f"{name}^{power:g}" if power != 1 else name for name, power in powers) or "[]"


def _adapters(checker: _Checker) -> None:
    for adapter in checker.catalog.adapters.values():
        here = ("adapters", adapter.id)
        checker.known("source", adapter.source, checker.catalog.sources, *here, "source", zh="来源")
        if adapter.place.within and adapter.place.within.startswith("="):
            checker.known("place", adapter.place.within[1:], checker.catalog.places, *here, "place", zh="地方")
        for column, meaning in adapter.values.items():
            path = (*here, "values", column)
            if checker.known("indicator", meaning.indicator, checker.catalog.indicators, *path, zh="指标"):
                checker.same_unit(meaning.unit, checker.catalog.indicators[meaning.indicator].unit, *path, "unit")
        for name, dimension in adapter.dimensions.items():
            if checker.known("breakdown", name, BREAKDOWNS, *here, "dimensions", name, zh="分组"):
                for text, code in dimension.codes.items():
                    known = {"all", *checker.catalog.breakdown_codes(name)}
                    checker.known("term", code, known, *here, "dimensions", name, "codes", text, zh="分组代码")
        for column in _quarantine_columns(adapter):
            if column not in {*adapter.match.columns, *adapter.values, *adapter.ignore}:
                checker.say("adapter.column", f"隔离规则中的列 {column} 不在表中", *here, "quarantine", value=column)


def _quarantine_columns(adapter: Adapter) -> Iterator[str]:
    for rule in adapter.quarantine:
        yield from rule.where
        yield from rule.columns


def _plans(checker: _Checker) -> None:
    catalog = checker.catalog
    fields = catalog.field_types()
    for plan in catalog.plans.values():
        here = ("plans", plan.id)
        placed = checker.known("place", plan.place, catalog.places, *here, "place", zh="地方")
        checker.known("source", plan.document.reference, catalog.sources, *here, "document", "reference", zh="来源")
        if plan.peak is not None:
            checker.known(
                "term", plan.peak.boundary, catalog.breakdown_codes("boundary"), *here, "peak", "boundary", zh="边界"
            )
        clauses = {task.number for task in plan.tasks} | {chapter.number for chapter in plan.chapters}
        for section in ("targets", "obligations", "tasks"):
            _entries_of_plan(checker, plan, section, clauses)
        for index, target in enumerate(plan.targets):
            _target(checker, plan, index, target)
        for index, obligation in enumerate(plan.obligations):
            for name in ("when", "require"):
                _condition(checker, plan, index, name, getattr(obligation, name), fields)
            for position, name in enumerate(obligation.dated):
                where = (*here, "obligations", index, "dated", position)
                if checker.known("field", name, fields, *where, zh="字段") and fields[name].kind != "date":
                    checker.say("obligation.dated", f"{name} 不是日期字段", *where, value=name, expected="日期字段")
        if placed:
            _plan_bodies(checker, plan)


def _entries_of_plan(checker: _Checker, plan: Plan, section: str, clauses: set[str]) -> None:
    seen: set[str] = set()
    for index, entry in enumerate(getattr(plan, section)):
        identity = getattr(entry, "id", None) or entry.number
        if identity in seen:
            checker.say("entry.duplicate", f"{section} 中 {identity} 出现两次", "plans", plan.id, section, index)
        seen.add(identity)
        clause = getattr(entry, "clause", None)
        if clause is not None and clauses:
            checker.known("clause", clause, clauses, "plans", plan.id, section, index, "clause", zh="条款")


def _plan_bodies(checker: _Checker, plan: Plan) -> None:
    said = [(("tasks", index), task.bodies) for index, task in enumerate(plan.tasks)]
    said += [(("targets", index), target.bodies or ()) for index, target in enumerate(plan.targets)]
    for path, bodies in said:
        for number, text in enumerate(bodies):
            try:
                checker.catalog.body(text, plan.place)
            except DafengError as error:
                checker.say(
                    "body.unresolved",
                    f"责任单位 {text} 无法对应到唯一单位",
                    "plans",
                    plan.id,
                    *path,
                    "bodies",
                    number,
                    expected=error.expected,
                    value=text,
                )


def _condition(checker: _Checker, plan: Plan, index: int, name: str, text: str, fields: dict[str, FieldType]) -> None:
    here = ("plans", plan.id, "obligations", index, name)
    try:
        if check_expression(text, fields).kind != "yes_no":
            checker.say("expression.kind", "此处应为条件", *here, value=text)
    except DafengError as error:
        checker.say("expression.invalid", f"条件有误：{error.problem}", *here, expected=error.expected, value=text)


def _target(checker: _Checker, plan: Plan, index: int, target: Target) -> None:
    catalog = checker.catalog
    here = ("plans", plan.id, "targets", index)
    if not checker.known("indicator", target.indicator, catalog.indicators, *here, "indicator", zh="指标"):
        return
    indicator = catalog.indicators[target.indicator]
    checker.known("place", target.place, catalog.places, *here, "place", zh="地方")
    for name in BREAKDOWNS:
        code = getattr(target, name)
        if code != "all":
            checker.known("term", code, catalog.breakdown_codes(name), *here, name, zh="分组代码")
            if name not in indicator.breakdowns:
                checker.say("target.breakdown", f"指标 {indicator.id} 没有分组 {name}", *here, name, value=code)
    for basis in [target.basis, *(reading.basis for reading in target.readings)]:
        checker.known("basis", basis, indicator.bases, *here, "readings", zh="口径")
    if target.base is not None and target.base.year and target.by and target.base.year >= target.by:
        checker.say("target.base-year", f"基期 {target.base.year} 不早于期限 {target.by}", *here, "base")
    if target.measure is Measure.MILESTONE:
        if dimension_of(indicator.unit) != dimension_of("yes_no"):
            checker.say(
                "target.milestone", f"里程碑应对应单位为 yes_no 的指标，而非 {indicator.id}", *here, "indicator"
            )
        return
    if not checker.unit(target.unit or "ratio", *here, "unit"):
        return
    _target_unit(checker, plan, index, target, indicator)


def _target_unit(checker: _Checker, plan: Plan, index: int, target: Target, indicator: Indicator) -> None:
    here = ("plans", plan.id, "targets", index)
    unit = target.unit or "ratio"
    if target.measure is Measure.CHANGE and target.base is not None and target.base.year is not None:
        points = dimension_of(unit) == dimension_of("percentage_point")
        if points != (dimension_of(indicator.unit) == dimension_of("percent")) and dimension_of(unit) != dimension_of(
            "percent"
        ):
            checker.say("target.unit", f"变化量单位 {unit} 与指标单位 {indicator.unit} 不合", *here, "unit", value=unit)
        return
    if not same_dimension(unit, indicator.unit):
        checker.say(
            "target.unit",
            f"目标单位 {unit} 与指标 {indicator.id} 的单位 {indicator.unit} 量纲不同",
            *here,
            "unit",
            expected=indicator.shown_unit,
            value=unit,
        )
        return
    for name in ("value", "value_max"):
        number = getattr(target, name)
        if number is None:
            continue
        amount = convert(number, unit, indicator.unit)
        low, high = indicator.minimum, indicator.maximum
        if (low is not None and amount < low) or (high is not None and amount > high):
            checker.say(
                "target.out-of-bounds",
                f"目标值 {number:g}{target.unit or ''} 超出指标 {indicator.id} 的界限",
                *here,
                name,
                expected=f"{low} 至 {high}（{indicator.unit}）",
                value=f"{number:g}",
            )
