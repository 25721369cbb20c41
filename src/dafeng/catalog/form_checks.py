"""What ties forms to the rest of the catalog: indicators, units, extents, breakdowns, bases, checks, heads and sources."""

from __future__ import annotations

from typing import Final

from dafeng.base.errors import DafengError
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.place import Extent
from dafeng.catalog.expression import FieldType, check_expression
from dafeng.catalog.ledger_checks import LedgerChecker
from dafeng.catalog.schemas import Indicator
from dafeng.catalog.statistics_schemas import Form, FormField

__all__ = ["REPORT_YEAR", "check_forms", "field_types"]

REPORT_YEAR: Final = "report_year"
"""Name in the relations of a form: the year of the period asked for."""

_TYPES = {"number": "number", "date": "date", "yes_no": "yes_no"}


def field_types(form: Form, indicators: dict[str, Indicator]) -> dict[str, FieldType]:
    """Return the fields of a form as types for the expressions of its checks: units are those printed on the form.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> field_types(catalog.forms["yearbook_water"], catalog.indicators)["supply"].unit
    '万立方米'
    """
    found = {REPORT_YEAR: FieldType("number", "年")}
    for field in form.fields:
        indicator = indicators.get(field.indicator or "")
        unit = field.unit or (indicator.shown_unit if indicator else "ratio")
        kind = _TYPES.get(field.type, "text")
        found[field.id] = FieldType(kind, unit if kind == "number" else "ratio")
    return found


def check_forms(checker: LedgerChecker) -> None:
    """Note every fault of a form.

    Parameters
    ----------
    checker : LedgerChecker
        Catalog and entries as read; collects the findings.
    """
    catalog = checker.catalog
    for form in catalog.forms.values():
        here = ("forms", form.id)
        checker.known("source", form.source, catalog.sources, *here, "source", zh="来源")
        known = checker.known("form", form.head_of, catalog.forms, *here, "head_of", zh="报表")
        if known and form.head_of and (form.head_of == form.id or catalog.forms[form.head_of].head_of):
            checker.say("form.head-chain", "表头只能取自自有表头的报表", *here, "head_of", value=form.head_of)
        seen: set[str] = set()
        for part, fields in (("head", form.head), ("fields", form.fields)):
            for index, field in enumerate(fields):
                if field.id in seen:
                    checker.say("entry.duplicate", f"字段 {field.id} 出现两次", *here, part, index, value=field.id)
                seen.add(field.id)
                _field(checker, form, field, part, index)


def _field(checker: LedgerChecker, form: Form, field: FormField, part: str, index: int) -> None:
    here, catalog = ("forms", form.id, part, index), checker.catalog
    number = field.type == "number"
    if bool(field.options) != (field.type == "choice"):
        checker.say("form.options", "可选项与类型 choice 须同时有或同时无", *here, "options")
    if field.check:
        _check(checker, form, field, index)
    if field.indicator is None:
        if number and field.unit is None:
            checker.say("form.unit", "没有指标的数值字段须写明单位", *here, "unit", expected="如 万平方米")
        elif field.unit is not None and number:
            checker.unit(field.unit, *here, "unit")
        if not number and field.unit is not None:
            checker.say("form.unit", f"{field.type} 字段不应有单位", *here, "unit", value=field.unit)
        return
    if not checker.known("indicator", field.indicator, catalog.indicators, *here, "indicator", zh="指标"):
        return
    indicator = catalog.indicators[field.indicator]
    if field.unit is not None:
        checker.same_unit(field.unit, indicator.unit, *here, "unit")
    if field.extent is not None:
        checker.known("extent", field.extent, tuple(map(str, Extent)), *here, "extent", zh="范围")
    for name, code in field.breakdown.items():
        if name not in BREAKDOWNS or name not in indicator.breakdowns:
            checker.say("breakdown.not-allowed", f"指标 {indicator.id} 不分 {name}", *here, "breakdown", value=name)
        elif code not in catalog.breakdown_codes(name):
            checker.known("term", code, sorted(catalog.breakdown_codes(name)), *here, "breakdown", name, zh="分类代码")
    if bool(indicator.bases) != bool(field.basis) or (field.basis and field.basis not in indicator.bases):
        expected = "、".join(indicator.bases) or "不写口径"
        checker.say(
            "form.basis", f"指标 {indicator.id} 的口径写得不对", *here, "basis", expected=expected, value=field.basis
        )


def _check(checker: LedgerChecker, form: Form, field: FormField, index: int) -> None:
    here = ("forms", form.id, "fields", index, "check")
    try:
        result = check_expression(field.check, field_types(form, checker.catalog.indicators))
    except DafengError as error:
        problem = f"表达式有误：{error.problem}"
        checker.say("expression.invalid", problem, *here, expected=error.expected, value=field.check)
        return
    if result.kind != "yes_no":
        checker.say("expression.kind", "此处应为条件", *here, expected="条件", value=field.check)
