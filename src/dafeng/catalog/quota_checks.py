"""What ties quotas to the rest of the catalog: standards, kinds, places, zones, items, units, expressions, and no two for one case."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Final

from dafeng.base.errors import DafengError
from dafeng.catalog.carbon_checks import Checker
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import FieldType, check_expression
from dafeng.catalog.metering_schemas import Quota, QuotaMethod

__all__ = ["check_quotas"]

_UNITS: Final = {
    "non_heating": "kWh/m**2",
    "heating": "kgce/m**2",
    "heating_heat": "GJ/m**2",
    "heating_fuel": "kgce/m**2",
    "household_electricity": "kWh/household",
    "household_gas": "m**3/household",
}
_ALL: Final = "all"


def check_quotas(checker: Checker) -> None:
    """Note every fault of quotas, their methods and corrections.

    Parameters
    ----------
    checker : Checker
        Catalog as read; collects the findings.
    """
    catalog = checker.catalog
    types = catalog.field_types() | {"judged_area": FieldType(unit="m**2")}
    for method in catalog.quota_methods.values():
        _method(checker, method, types)
    cases: dict[tuple[str, ...], list[Quota]] = defaultdict(list)
    for quota in catalog.quotas.values():
        _quota(checker, quota, types)
        cases[quota.standard, quota.building_type, quota.subtype, quota.place, quota.measure].append(quota)
    _twice(checker, cases)
    for each in catalog.corrections.values():
        here = ("corrections", each.id)
        checker.known("source", each.source, catalog.sources, *here, "source", zh="来源")
        known = _standard(checker, each.standard, *here)
        kinds = _kinds(catalog, each.standard)
        for index, name in enumerate(each.building_types):
            if known:
                checker.known("quota-kind", name, kinds, *here, "building_types", index, zh="定额的建筑类别")
        _expression(checker, each.expression, types, "number", *here, "expression")
        if each.low is not None and each.high is not None and each.low > each.high:
            checker.say("correction.range", f"系数下限 {each.low:g} 高于上限 {each.high:g}", *here, "low")


def _standard(checker: Checker, name: str, section: str, key: str) -> bool:
    methods = checker.catalog.quota_methods
    return checker.known("quota-method", name, methods, section, key, "standard", zh="定额判法")


def _kinds(catalog: Catalog, standard: str) -> set[str]:
    method = catalog.quota_methods.get(standard)
    return {kind.building_type for kind in method.kinds} if method else set()


def _expression(
    checker: Checker, text: str, types: dict[str, FieldType], kind: str, section: str, key: str, *path: str | int
) -> None:
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
        return
    if result.kind != kind:
        wanted = "条件" if kind == "yes_no" else "数值"
        checker.say("expression.kind", f"此处应为{wanted}", section, key, *path, expected=wanted, value=text)
    elif kind == "number" and result.unit != "[]":
        checker.say(
            "expression.dimension",
            f"修正系数应为无量纲数，而非 {result.unit}",
            section,
            key,
            *path,
            expected="[]",
            value=text,
        )


def _method(checker: Checker, method: QuotaMethod, types: dict[str, FieldType]) -> None:
    catalog = checker.catalog
    here = ("quota_methods", method.id)
    checker.known("source", method.source, catalog.sources, *here, "source", zh="来源")
    for index, name in enumerate(method.precedes):
        path = (*here, "precedes", index)
        if checker.known("quota-method", name, catalog.quota_methods, *path, zh="定额判法") and (
            name == method.id or method.id in catalog.quota_methods[name].precedes
        ):
            checker.say("quota-method.cycle", f"{method.id} 与 {name} 互相优先", *path, value=name)
    for index, kind in enumerate(method.kinds):
        _expression(checker, kind.when, types, "yes_no", *here, "kinds", index, "when")
    _expression(checker, method.electric_heating, types, "yes_no", *here, "electric_heating")
    zones = types["climate_zone"].options if "climate_zone" in types else ()
    for index, zone in enumerate(method.heating_zones):
        checker.known("option", zone, zones, *here, "heating_zones", index, zh="气候区")
    listed = {"heat_item": (method.heat_item,), "not_counted": method.not_counted, "heating_items": method.heating_items,
              "heating_fuels": method.heating_fuels, "equivalents": tuple(method.equivalents)}  # fmt: skip
    for field, items in listed.items():
        for item in items:
            checker.known("item", item, catalog.items, *here, field, zh="能耗分项")
    for index, part in enumerate(method.apart):
        for item in part.items:
            checker.known("item", item, catalog.items, *here, "apart", index, "items", zh="能耗分项")
        for name, unit in (("area_field", "m**2"), ("amount_field", "kWh")):
            field = getattr(part, name)
            at = (*here, "apart", index, name)
            if checker.known("field", field, types, *at, zh="字段") and field is not None and types[field].unit != unit:
                checker.say(
                    "field.unit", f"字段 {field} 的单位应为 {unit}", *at, expected=unit, value=types[field].unit
                )


def _quota(checker: Checker, quota: Quota, types: dict[str, FieldType]) -> None:
    catalog = checker.catalog
    here = ("quotas", quota.id)
    checker.known("source", quota.source, catalog.sources, *here, "source", zh="来源")
    checker.known("place", quota.place, catalog.places, *here, "place", zh="地方")
    if _standard(checker, quota.standard, *here) and quota.measure != "heating_fuel":
        kinds = {(kind.building_type, kind.subtype) for kind in catalog.quota_methods[quota.standard].kinds}
        if (quota.building_type, quota.subtype) not in kinds:
            checker.say(
                "quota-kind.unknown",
                f"{quota.standard} 没有类别 {quota.building_type} {quota.subtype}，该定额不会用到",
                *here,
                "building_type",
                expected="、".join(sorted({f"{kind} {sub}".strip() for kind, sub in kinds})[:8]),
                value=f"{quota.building_type} {quota.subtype}".strip(),
            )
    zones = types["climate_zone"].options if "climate_zone" in types else ()
    for index, zone in enumerate(quota.climate_zones):
        checker.known("option", zone, zones, *here, "climate_zones", index, zh="气候区")
    classes = types["ventilation_class"].options if "ventilation_class" in types else ()
    checker.known("option", quota.building_class, classes, *here, "building_class", zh="通风类别")
    expected = _UNITS[quota.measure]
    if quota.unit != expected:
        checker.say(
            "quota.unit", f"{quota.measure} 的单位应为 {expected}", *here, "unit", expected=expected, value=quota.unit
        )


def _twice(checker: Checker, cases: dict[tuple[str, ...], list[Quota]]) -> None:
    """Note quotas of which two hold for one building on one day."""
    for quotas in cases.values():
        for rank, quota in enumerate(quotas):
            for other in quotas[:rank]:
                classes = {quota.building_class, other.building_class}
                zones = set(quota.climate_zones) & set(other.climate_zones)
                open_zone = not quota.climate_zones or not other.climate_zones
                last = date.max
                days = quota.valid_from < (other.valid_to or last) and other.valid_from < (quota.valid_to or last)
                if days and (zones or open_zone) and (len(classes) == 1 or None in classes):
                    checker.say(
                        "quota.twice", f"与 {other.id} 对同一类建筑同时有效", "quotas", quota.id, value=other.id,
                        expected="类别、气候区或有效期错开",
                    )  # fmt: skip
