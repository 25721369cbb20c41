"""What one filled cell of a form says: a value in the canonical unit, a stated gap, or why it is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

from dafeng.base.errors import UnitError
from dafeng.base.form import FormLine
from dafeng.base.quantity import conversion_factor, dimension_of, fold_width
from dafeng.intake.headers import clean_unit
from dafeng.intake.ledger_cells import read_day
from dafeng.intake.numbers import read_number

__all__ = ["CellAnswer", "Problem", "factor_of", "read_cell"]


@dataclass(frozen=True)
class Problem:
    """A problem of a cell.

    Parameters
    ----------
    name : str
        Name in `dafeng.intake.form_kinds.FORM_KINDS`.
    value, detail : str
        What its sentence shows.
    """

    name: str
    value: str
    detail: str


@dataclass
class CellAnswer:
    """What a cell says.

    Parameters
    ----------
    value : float or None
        In the canonical unit of the line (in the printed unit where the line has no indicator).
    text : str
        Text of a text, date or choice.
    missing : str or None
        Code of the reason for a gap.
    estimate : bool
        Whether it was written as an estimate.
    problems : list of Problem
    """

    value: float | None = None
    text: str = ""
    missing: str | None = None
    estimate: bool = False
    problems: list[Problem] = field(default_factory=list)


@lru_cache(maxsize=4096)
def factor_of(unit: str, canonical: str) -> float | None:
    """Return what turns a figure in `unit` into `canonical`, None where nothing does.

    Examples
    --------
    >>> factor_of("万立方米", "m**3"), factor_of("公里", "m**3"), factor_of("某单位", "m**3")
    (10000.0, None, None)
    """
    cleaned = clean_unit(unit)
    try:
        if dimension_of(cleaned) != dimension_of(canonical):
            return None
        return conversion_factor(cleaned, canonical)
    except UnitError:
        return None


def read_cell(text: str, line: FormLine, *, mark: str = "", unit: str | None = None) -> CellAnswer:
    """Return what a filled cell says.

    Parameters
    ----------
    text : str
        As it stands.
    line : FormLine
    mark : str
        formula, formula-without-value, error, merged:<area> or nothing.
    unit : str, optional
        Unit that stands in the row, where it is not the printed one.

    Examples
    --------
    >>> line = FormLine(id="001-aaaa", title="供水总量", indicator="water_supply_volume", unit="万立方米", canonical="m**3")
    >>> [read_cell(text, line).value for text in ("１２０", "约120", "1,200")]
    [1200000.0, 1200000.0, 12000000.0]
    >>> read_cell("120万", line).problems[0].name, read_cell("—", line).missing
    ('form.value.doubled-scale', 'not_applicable')
    """
    answer = CellAnswer()
    title = line.title
    if mark in ("formula-without-value", "error"):
        name = "form.value.formula-error" if mark == "error" else f"form.value.{mark}"
        answer.problems.append(Problem(name, text, title))
        return answer
    if mark.startswith("merged"):
        answer.problems.append(Problem("form.value.merged", text, mark[7:]))
        return answer
    if mark == "formula":
        answer.problems.append(Problem("form.value.formula", text, title))
    if line.type in ("number", "yes_no"):
        _number(text, line, unit if unit is not None else line.unit, answer)
    elif line.type == "date":
        day, _ = read_day(text)
        if day is None:
            answer.problems.append(Problem("form.value.not-a-date", text, title))
        else:
            answer.text = day.isoformat()
    elif line.type == "choice":
        chosen = next((option for option in line.options if fold_width(option) == fold_width(text)), None)
        if chosen is None:
            answer.problems.append(Problem("form.value.not-an-option", text, "、".join(line.options)))
        else:
            answer.text = chosen
    else:
        answer.text = text.strip()
        if line.lengths and len(answer.text) not in line.lengths:
            lengths = "、".join(map(str, line.lengths))
            answer.problems.append(Problem("form.value.code-length", text, f"{title}，应为 {lengths} 位"))
    return answer


def _number(text: str, line: FormLine, unit: str, answer: CellAnswer) -> None:
    reading = read_number(text)
    title = line.title
    if reading.problem:
        answer.problems.append(Problem(f"form.value.{reading.problem}", text, title))
        return
    if reading.missing is not None:
        answer.missing = reading.missing
        return
    number = reading.value
    assert number is not None
    if not math.isfinite(number):
        answer.problems.append(Problem("form.value.not-finite", text, title))
        return
    for remark in filter(None, reading.remark.split("+")):
        name = "form.value.estimate" if remark == "estimate" else "form.value.footnote-mark"
        answer.problems.append(Problem(name, text, title))
    answer.estimate = "estimate" in reading.remark
    if line.type == "yes_no":
        if reading.unit not in ("", "yes_no") or number not in (0.0, 1.0):
            answer.problems.append(Problem("form.value.not-an-option", text, "是、否"))
        else:
            answer.value = number
        return
    canonical = line.canonical or line.unit or "ratio"
    if reading.unit:
        factor = factor_of(reading.unit, canonical)
        if factor is None or reading.unit == "yes_no":
            answer.problems.append(Problem("form.value.wrong-unit", text, f"{title}，{line.unit}"))
            return
        if fold_width(reading.unit) != fold_width(line.unit):
            answer.problems.append(Problem("form.value.written-unit", text, f"{title}，{line.unit}"))
    else:
        if reading.scaled:
            if fold_width(unit).startswith(("万", "亿", "千", "百")) and unit != "千米":
                answer.problems.append(Problem("form.value.doubled-scale", text, unit))
                return
            answer.problems.append(Problem("form.value.scaled", text, f"{number:.15g}{unit}"))
        factor = factor_of(unit, canonical) if unit else 1.0
        if factor is None:
            answer.problems.append(Problem("form.unit.unknown", unit, line.unit or "无单位"))
            return
    value = number if factor == 1.0 else float(f"{number * factor:.15g}")
    if not math.isfinite(value):
        answer.problems.append(Problem("form.value.not-finite", text, title))
        return
    answer.value = value
    _bounds(text, line, value, canonical, answer, bare=not reading.unit)


def _bounds(text: str, line: FormLine, value: float, canonical: str, answer: CellAnswer, *, bare: bool) -> None:
    """Hold a value against bounds, usual range and the value of last period, all in the printed unit."""
    factor = (factor_of(line.unit, canonical) if line.unit else 1.0) or 1.0
    printed = value / factor
    low, high = line.minimum, line.maximum
    slack = 1e-9 * max(1.0, abs(high or 0.0))
    span = f"{line.title}，{'不限' if low is None else f'{low:g}'} 至 {'不限' if high is None else f'{high:g}'}"
    if low is not None and printed < low - slack:
        answer.problems.append(Problem("form.value.below-minimum", text, span))
        answer.value = None
    elif high is not None and printed > high + slack:
        answer.problems.append(Problem("form.value.above-maximum", text, span))
        answer.value = None
    elif line.usual is not None and not line.usual[0] <= printed <= line.usual[1]:
        usual = f"{line.title}，常见 {line.usual[0]:g} 至 {line.usual[1]:g}"
        answer.problems.append(Problem("form.value.unusual", text, usual))
    if canonical == "percent" and bare and 0 < printed <= 1 and answer.value is not None:
        last = line.last_value
        if last is not None and last >= 2 and 0.5 * last <= 100 * printed <= 1.5 * last:
            answer.problems.append(Problem("form.value.fraction-among-percent", text, f"{last:g}"))
            answer.value = None
        else:
            answer.problems.append(Problem("form.value.looks-like-fraction", text, line.title))
