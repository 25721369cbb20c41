"""Why a computed value is what it is: its formula in words, and every value that entered with unit, source and period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.observation import FACT_KINDS
from dafeng.base.quantity import convert
from dafeng.base.record import Record
from dafeng.catalog.expression import FieldType, expression_names
from dafeng.catalog.schemas import Indicator
from dafeng.methods.formula_facts import KINDS, SLOT, Block, Facts, read_facts, split_key
from dafeng.methods.formula_solving import FactorSetting, Formula, Solved, Solver, formulas_of, result_block
from dafeng.methods.formula_words import formula_words, reference_words
from dafeng.methods.formulas import computation_order, lay_under

__all__ = ["ExplainedFactor", "ExplainedValue", "Explanation", "explain"]


class ExplainedValue(Record):
    """A value that enters a formula, or is missing from it."""

    name: str
    """Indicator."""
    words: str
    """Chinese name, with the period meant where it is another one."""
    value: float | None = None
    """Value in the canonical unit; None where unknown."""
    unit: str
    """Canonical unit."""
    shown: str = ""
    """Value in the unit in which reports show it."""
    period: str = ""
    """Period of the value."""
    dataset: str = ""
    """Who says so."""
    kind: str = ""
    """How the figure came about."""
    coverage: float | None = None
    """Share that was counted."""
    state: str
    """known, no_value (reported as missing) or no_row."""


class ExplainedFactor(Record):
    """A dated factor that enters a formula."""

    factor: str
    """Factor id."""
    words: str
    """Family and subject."""
    value: float
    """Value as published."""
    unit: str
    """Unit as published."""
    grade: str
    """How sure it is; B and C are 待核."""
    rule: str
    """Rule by which it was chosen."""
    published_on: str
    """Day of publication."""


class Explanation(Record):
    """Why a computed value is what it is."""

    indicator: str
    """Indicator."""
    zh: str
    """Chinese name."""
    place: str
    """Place."""
    period: str
    """Period."""
    basis: str
    """Basis of reckoning."""
    value: float | None
    """Result in the canonical unit."""
    shown: str
    """Result in the unit in which reports show it."""
    formula: str
    """Expression."""
    words: str
    """Expression in Chinese words."""
    inputs: tuple[ExplainedValue, ...]
    """What entered, in the order of the formula."""
    factors: tuple[ExplainedFactor, ...]
    """Dated factors that entered."""
    missing: tuple[str, ...]
    """What is missing, by its Chinese name."""

    @property
    def text(self) -> str:
        """The explanation in Chinese sentences, one a line."""
        basis = f"（{self.basis}）" if self.basis else ""
        lines = [
            f"{self.place} {self.period} {self.zh}{basis} = {self.shown or '未知'}",
            f"公式：{self.zh} = {self.words}",
        ]
        for one in self.inputs:
            if one.state == "known":
                counted = "" if one.coverage is None or one.coverage >= 1 else f"，覆盖率 {100 * one.coverage:.0f}%"
                lines.append(f"其中 {one.words} = {one.shown}（{one.dataset}，{one.period}{counted}）")
        lines += [
            f"所用 {one.words} = {one.value:g} {one.unit}（{one.factor}，等级 {one.grade}，{one.published_on} 公布）"
            for one in self.factors
        ]
        if self.missing:
            lines.append(f"缺 {'、'.join(self.missing)}")
        return "\n".join(lines)


def explain(
    row: Mapping[str, Any],
    frame: pl.DataFrame,
    indicators: Mapping[str, Indicator],
    types: Mapping[str, FieldType],
    *,
    setting: FactorSetting | None = None,
) -> Explanation:
    """Explain one result of `compute_formulas`, or one row of `Computed.gaps`.

    Parameters
    ----------
    row : mapping
        Key columns of the result: indicator, place, extent, period and what else it has; others count as totals and facts.
    frame : DataFrame
        The observations from which it was computed.
    indicators : mapping from id to Indicator
    types : mapping from id to FieldType
    setting : FactorSetting, optional
        As `compute_formulas` had it.

    Raises
    ------
    InputError
        The indicator has no formula, or no input of it is observed there.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> frame = observation_frame([
    ...     Observation(indicator=name, place="qingdao", extent="city_proper", period="2024", value=value,
    ...                 dataset="yearbook", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...     for name, value in (("sewage_treated_volume", 98e6), ("sewage_discharge_volume", 1e8))])
    >>> row = {"indicator": "sewage_treatment_rate", "place": "qingdao", "extent": "city_proper", "period": "2024"}
    >>> print(explain(row, frame, catalog.indicators, catalog.indicator_types()).text)
    qingdao 2024 污水处理率 = 98 %
    公式：污水处理率 = 污水处理总量 ÷ 污水排放量
    其中 污水处理总量 = 9800 万立方米（yearbook，2024）
    其中 污水排放量 = 10000 万立方米（yearbook，2024）
    """
    name = str(row["indicator"])
    needed = _closure(name, indicators)
    facts, _ = read_facts(frame.filter(pl.col("place") == row["place"]), indicators, needed)
    solver = Solver(facts, indicators, types, setting)
    for other in computation_order({one: indicators[one] for one in needed}):
        formulas = formulas_of(indicators[other], indicators)
        pairs = [_both(solver, formula) for formula in formulas]
        if other == name:
            found = [hit for pair in pairs for solved in pair if (hit := _at(solved, facts, row)) is not None]
            if found:
                best = next((hit for hit in found if hit[0].known[hit[1]]), found[0])
                return _explained(*best, facts, indicators)
            break
        blocks = [result_block(solved, facts)[0] for pair in pairs for solved in pair if len(solved.keys)]
        if blocks:
            lay_under(facts, other, blocks)
    raise InputError(
        f"{name} of {row['place']} {row['period']} was not computed",
        doing="explain a value",
        expected="an indicator with a formula of which at least one input is observed there",
        next_step="look at the formula with `dafeng catalog indicators`",
    )


def _closure(name: str, indicators: Mapping[str, Indicator]) -> set[str]:
    found, waiting = {name}, [name]
    while waiting:
        for text in indicators[waiting.pop()].expressions.values():
            fresh = set(expression_names(text)) - found
            found |= fresh
            waiting += fresh
    return found


def _both(solver: Solver, formula: Formula) -> tuple[Solved, Solved]:
    alone = solver.apart(formula)
    alone = alone.only(alone.known)
    return alone, solver.together(formula, alone.keys)


def _at(solved: Solved, facts: Facts, row: Mapping[str, Any]) -> tuple[Solved, int] | None:
    slot, world, basis, _ = split_key(solved.keys)
    kind = row.get("kind") or "computed"
    facts_row = kind in [one.value for one in FACT_KINDS]
    wanted = {"world": "fact" if facts_row else kind, "basis": row.get("basis") or solved.formula.basis}
    here = np.ones(len(slot), dtype=bool)
    for column in SLOT:
        plain = "" if column in ("scenario", "member") else "whole" if column == "extent" else "all"
        here &= (facts.text(column, slot) == (row.get(column) or plain)).to_numpy()
    here &= np.array([facts.worlds[one] == wanted["world"] for one in world], dtype=bool)
    here &= np.array([facts.texts["basis"][one] == wanted["basis"] for one in basis], dtype=bool)
    return (solved, int(np.flatnonzero(here)[0])) if here.any() else None


def _explained(solved: Solved, at: int, facts: Facts, indicators: Mapping[str, Indicator]) -> Explanation:
    formula = solved.formula
    indicator = formula.indicator
    inputs = tuple(
        _value(side.block, int(side.at[at]), reference_words(one, indicators), facts, indicators[one.name])
        for one, side in solved.found.items()
    )
    factors, absent = [], []
    for reference, table in solved.factors.items():
        words, line = reference_words(reference, indicators), table.row(at, named=True)
        if line["value"] is None:
            absent.append(words)
            continue
        shown = {name: line[name] for name in ("factor", "grade", "rule")}
        factors.append(
            ExplainedFactor(
                words=words,
                value=line["stated_value"],
                unit=line["stated_unit"],
                published_on=str(line["published_on"]),
                **shown,
            )
        )
    slot, _, basis, _ = split_key(solved.keys[at : at + 1])
    value = float(solved.value[at]) if solved.known[at] else None
    return Explanation(
        indicator=indicator.id,
        zh=indicator.zh,
        place=facts.text("place", slot)[0],
        period=facts.text("period", slot)[0],
        basis=facts.texts["basis"][int(basis[0])],
        value=value,
        shown=_shown(value, indicator),
        formula=formula.text,
        words=formula_words(formula.text, indicators),
        inputs=inputs,
        factors=tuple(factors),
        missing=tuple([one.words for one in inputs if one.state != "known"] + absent),
    )


def _value(block: Block, at: int, words: str, facts: Facts, indicator: Indicator) -> ExplainedValue:
    if at < 0:
        return ExplainedValue(name=indicator.id, words=words, unit=indicator.unit, state="no_row")
    slot, _, _, dataset = split_key(block.key[at : at + 1])
    known = bool(block.known[at])
    value = float(block.value[at]) if known else None
    return ExplainedValue(
        name=indicator.id,
        words=words,
        value=value,
        unit=indicator.unit,
        shown=_shown(value, indicator),
        period=facts.text("period", slot)[0],
        dataset=facts.texts["dataset"][int(dataset[0])],
        kind=KINDS[int(block.kind[at])],
        coverage=float(block.coverage[at]),
        state="known" if known else "no_value",
    )


def _shown(value: float | None, indicator: Indicator) -> str:
    if value is None:
        return ""
    return f"{convert(value, indicator.unit, indicator.shown_unit):.10g} {indicator.shown_unit}"
