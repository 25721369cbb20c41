"""Facts of one project as a person writes them, read into the project fields, and project fields shown to a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from dafeng.base.errors import DafengError, close_names
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.quantity import convert, fold_width
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.schemas import ProjectField
from dafeng.intake.ledger_cells import choice_words

__all__ = ["field_name", "read_facts", "shown_text", "shown_unit", "shown_value"]

_UNITS: Final = {
    "m**2": "㎡", "m**3": "m³", "percent": "%", "storey": "层", "year": "年", "ratio": "", "household": "户", "person": "人",
    "item": "个", "CNY": "元", "t/m**2": "t/㎡", "m**2/household": "㎡/户", "kWh/m**2": "kWh/㎡", "m**3/d": "m³/d",
    "W/(m**2*K)": "W/(㎡·K)", "K*m**2/W": "㎡·K/W", "MJ/(m**2*year)": "MJ/(㎡·a)", "kgCO2/(m**2*year)": "kgCO2/(㎡·a)",
}  # fmt: skip
_YES: Final = {"是": True, "有": True, "yes": True, "true": True, "1": True}
_NO: Final = {"否": False, "无": False, "no": False, "false": False, "0": False}
_STARS: Final = {"基本级": 0.0, "一星": 1.0, "二星": 2.0, "三星": 3.0, "一星级": 1.0, "二星级": 2.0, "三星级": 3.0}
_UNKNOWN: Final = {"", "—", "-", "未知", "不详", "unknown", "null"}
_NUMBER: Final = re.compile(r"([-+]?(?:\d[\d,]*)?\.?\d+(?:[eE][-+]?\d+)?)(.*)")


def shown_unit(unit: str | None) -> str:
    """Return a unit as papers write it.

    Examples
    --------
    >>> shown_unit("W/(m**2*K)"), shown_unit(None)
    ('W/(㎡·K)', '')
    """
    return "" if unit is None else _UNITS.get(unit, unit)


def field_name(name: str, catalog: Catalog) -> str:
    """Return the Chinese name of a field without its remark in brackets, the id itself where the vocabulary has none."""
    if name not in catalog.fields:
        return name
    return re.sub(r"（.*）$", "", catalog.fields[name].zh)


def shown_value(name: str, value: object, catalog: Catalog) -> str:
    """Return the value of a field as a person reads it.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [shown_value(*pair, catalog) for pair in [("gross_area", 5000.0), ("work", "new"), ("solar_system", None)]]
    ['5,000㎡', '新建', '未填']
    """
    field = catalog.fields.get(name)
    if value is None:
        return "未填"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int | float):
        digits = f"{value:,.10g}" if abs(value) < 1e15 else f"{value:g}"
        return digits + shown_unit(None if field is None else field.unit)
    if name == "place":
        return catalog.place_name(str(value))
    if field is not None and field.options:
        return next((option.zh for option in field.options if option.code == value), str(value))
    return str(value)


def shown_text(name: str, text: str | None, catalog: Catalog) -> str:
    """Return a value that stands as text, as in `dafeng.buildings.things.PROMISE_SCHEMA`, as a person reads it.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> [shown_text(*pair, catalog) for pair in [("gross_area", "5000.0"), ("solar_system", "true"), ("green_star", None)]]
    ['5,000㎡', '是', '未填']
    """
    kind = catalog.fields[name].type
    value: object = text
    if text is not None and kind == "number":
        value = float(text)
    elif text is not None and kind == "yes_no":
        value = text == "true"
    return shown_value(name, value, catalog)


def read_facts(
    given: Mapping[str, object], catalog: Catalog, *, file: str = ""
) -> tuple[dict[str, Any], list[Finding]]:
    """Read the facts of one project: fields by id or Chinese name, values with or without unit.

    Parameters
    ----------
    given : mapping
        ``{"总建筑面积": "1.2万㎡", "work": "new", "图审日期": "2026-03-01"}``; an empty value is unknown.
    catalog : Catalog
    file : str
        Name of the file, for findings.

    Returns
    -------
    facts : dict
        Field id to value in the field's canonical unit; `key` and `stage` besides. Values that are refused are left out.
    findings : list of Finding
        One for each field or value that is not understood.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> facts, findings = read_facts({"总建筑面积": "1.2万㎡", "work": "新建", "绿色建筑星级": "二星", "高": 3}, load_catalog())
    >>> facts
    {'gross_area': 12000.0, 'work': 'new', 'green_star': 2.0}
    >>> [finding.name for finding in findings]
    ['buildings.project.unknown-field']
    """
    names = _names(catalog)
    facts: dict[str, Any] = {}
    findings: list[Finding] = []
    for said, value in given.items():
        where = Location(file=file, field=str(said))
        if said in ("key", "编号"):
            facts["key"] = str(value)
            continue
        name = names.get(_fold(str(said)))
        if name is None:
            close = close_names(str(said), {**catalog.fields, **{field.zh: field for field in catalog.fields.values()}})
            findings.append(
                Finding(
                    name="buildings.project.unknown-field",
                    sentence=f"没有名为“{said}”的项目字段",
                    value=str(said),
                    expected="、".join(close) or "项目字段的编号或中文名",
                    next_step="运行 dafeng project fields 查看字段，改名后重试",
                    where=where,
                )
            )
            continue
        if name in facts:
            findings.append(
                _refused("buildings.project.twice", f"{field_name(name, catalog)}给了两次", value, "", where)
            )
            continue
        text = "" if value is None else str(value).strip()
        if not isinstance(value, bool) and text.lower() in _UNKNOWN:
            continue
        try:
            facts[name] = _value(name, value, text, catalog)
        except (ValueError, DafengError) as error:
            expected = _expected(catalog.fields[name])
            sentence = f"{field_name(name, catalog)}的值不能识别"
            if isinstance(error, DafengError):
                sentence += f"：{error.problem}"
            findings.append(_refused("buildings.project.value", sentence, value, expected, where))
    return facts, findings


def _refused(name: str, sentence: str, value: object, expected: str, where: Location) -> Finding:
    return Finding(
        name=name,
        sentence=sentence,
        value=str(value),
        expected=expected,
        next_step="改正该值后重试",
        where=where,
        severity=Severity.ERROR,
    )


def _fold(name: str) -> str:
    return fold_width(re.sub(r"[（(].*[）)]$", "", name)).casefold().removeprefix("是否")


def _names(catalog: Catalog) -> dict[str, str]:
    names = {_fold(field.zh): field.id for field in catalog.fields.values()}
    return (
        names
        | {field.en.casefold(): field.id for field in catalog.fields.values()}
        | {name: name for name in catalog.fields}
    )


def _value(name: str, value: object, text: str, catalog: Catalog) -> object:
    field = catalog.fields[name]
    match field.type:
        case "number":
            return _number(field, value, text)
        case "yes_no":
            answer = value if isinstance(value, bool) else (_YES | _NO).get(text.lower())
            if answer is None:
                raise ValueError(text)
            return answer
        case "date":
            return value if isinstance(value, date) else _day(text)
        case "choice":
            codes = choice_words(field)
            word = fold_width(text).casefold()
            if word not in codes:
                raise ValueError(text)
            return codes[word]
        case _:
            return catalog.places.resolve(text).id if name == "place" else text


def _number(field: ProjectField, value: object, text: str) -> float:
    if isinstance(value, bool):
        raise ValueError(text)
    if isinstance(value, int | float):
        number, rest = float(value), ""
    elif field.id.endswith("star") and text in _STARS:
        return _STARS[text]
    else:
        found = _NUMBER.fullmatch(fold_width(text))
        if found is None:
            raise ValueError(text)
        number, rest = float(found[1].replace(",", "")), found[2]
    if not abs(number) < float("inf"):
        raise ValueError(text)
    if not rest or fold_width(shown_unit(field.unit)) == rest:
        return number
    if field.unit is None:
        raise ValueError(text)
    return convert(number, rest, field.unit)


def _day(text: str) -> date:
    found = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", text)
    if found is None:
        raise ValueError(text)
    return date(int(found[1]), int(found[2]), int(found[3]))


def _expected(field: ProjectField) -> str:
    if field.options:
        return "、".join(f"{option.zh}（{option.code}）" for option in field.options)
    unit = shown_unit(field.unit)
    return {
        "number": f"数字，单位{unit}" if unit else "数字",
        "yes_no": "是或否",
        "date": "日期，如2026-03-01",
        "text": "文字",
    }[field.type]
