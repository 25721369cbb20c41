"""Formulas of indicators, run over whole frames of observations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np
import polars as pl

from dafeng.base.errors import ContentError
from dafeng.base.finding import Finding, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA
from dafeng.base.observation import KEY, SCHEMA
from dafeng.catalog.expression import FieldType, Reference, expression_names
from dafeng.catalog.schemas import Indicator
from dafeng.methods.computed import Computed, compare_with_stated, finding, of_many, write
from dafeng.methods.entered import Entered, of_lists
from dafeng.methods.formula_facts import (
    KINDS,
    NEVER,
    SLOT,
    Block,
    Facts,
    Flags,
    read_facts,
    split_key,
    stacked,
    without_world,
)
from dafeng.methods.formula_gaps import GAPS_SCHEMA, gaps_of
from dafeng.methods.formula_solving import (
    FactorSetting,
    Formula,
    Solved,
    Solver,
    formulas_of,
    joined,
    result_block,
    within,
)

__all__ = ["FactorSetting", "computation_order", "compute_formulas"]

_Result = tuple[Formula, Block, Flags, pl.Series | None]
"""Results of a formula: which are unknown for good (a share of nothing), and the factors that entered."""
_WITHOUT_KIND: Final = [name for name in KEY if name != "kind"]


def compute_formulas(
    frame: pl.DataFrame,
    indicators: Mapping[str, Indicator],
    types: Mapping[str, FieldType],
    *,
    setting: FactorSetting | None = None,
    gaps: bool = False,
) -> Computed:
    """Compute every indicator that has a formula, wherever its inputs are observed.

    Parameters
    ----------
    frame : DataFrame
        Observations, one current version a key.
    indicators : mapping from id to Indicator
    types : mapping from id to FieldType
        Units of the indicators and factors, `Catalog.indicator_types()`.
    setting : FactorSetting, optional
        Where formulas take dated factors from; without it a formula that asks for one gives no result.
    gaps : bool, default False
        Whether to say what could not be computed for want of what: `Computed.gaps`.

    Returns
    -------
    Computed
        Inputs of one dataset go together where it has them all; else each comes from its preferred dataset, with a finding.
        An input without bases serves every basis of the others. A stated unknown among the inputs gives an unknown result,
        unless the formula decides without it (three-valued); an input without any row gives no result. Computed values
        serve further formulas where nothing is stated. Coverage is the least of the inputs'.

    Raises
    ------
    InputError
        A column is missing, or two rows have one key.
    ContentError
        Formulas go round in a circle.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rows = [Observation(indicator=name, place="qingdao", extent="city_proper", period="2024", value=value,
    ...                     dataset="yearbook", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...         for name, value in (("sewage_treated_volume", 98.0), ("sewage_discharge_volume", 100.0))]
    >>> results, _ = compute_formulas(observation_frame(rows), catalog.indicators, catalog.indicator_types())
    >>> results.select("indicator", "value").rows()
    [('sewage_treatment_rate', 98.0)]
    """
    order = computation_order(indicators)
    wanted = {*order, *(name for one in order for name in _inputs(indicators[one]))}
    facts, findings = read_facts(frame, indicators, wanted)
    solver = Solver(facts, indicators, types, setting)
    results: dict[str, list[_Result]] = {}
    missing: list[pl.DataFrame] = []
    for name in order:
        stated = facts.blocks.get(name)
        own: list[Block] = []
        for formula in formulas_of(indicators[name], indicators):
            absent = {one.name for one in formula.references if not one.is_factor} - facts.blocks.keys()
            if absent and not formula.conditional and not gaps:
                continue
            alone = solver.apart(formula)
            alone = alone.only(alone.known)
            together = solver.together(formula, alone.keys)
            if gaps:
                missing.append(gaps_of(together.only(~together.known), stated, facts, indicators))
            for solved in (alone, together.only(together.known | together.given())):
                if len(solved.keys):
                    block, nothing = result_block(solved, facts)
                    results.setdefault(name, []).append((formula, block, nothing, _factors_used(solved)))
                    own.append(block)
        if own:
            computed = joined(own)
            findings += _beside_stated(computed, stated, facts, indicators[name])
            findings += _beyond_bounds(computed, facts, indicators[name])
            findings += _mixed_datasets(computed, facts, indicators[name])
            lay_under(facts, name, own)
    findings += solver.findings
    observations, lineage = pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=LINEAGE_SCHEMA)
    for name in sorted(results):  # one at a time: what is carried along for a result takes more room than the result
        frame, entered = _frame(results.pop(name), facts)
        own_rows, own_lineage, spread = write(frame, indicators, rule="formula", entered=entered)
        observations.extend(own_rows)
        lineage.extend(own_lineage)
        findings += spread
    return Computed(observations, findings, lineage, pl.concat([pl.DataFrame(schema=GAPS_SCHEMA), *missing]))


def computation_order(indicators: Mapping[str, Indicator]) -> list[str]:
    """Return the indicators that have a formula, each after those that it needs.

    Raises
    ------
    ContentError
        Formulas go round in a circle.
    """
    needs = {one.id: _inputs(one) for _, one in sorted(indicators.items()) if one.expressions}
    try:
        return [name for name in TopologicalSorter(needs).static_order() if name in needs]
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ContentError(
            f"formulas go round in a circle: {circle}",
            doing="compute indicators",
            expected="formulas that end at observed indicators",
            next_step="mend one of these formulas in catalog/indicators",
        ) from error


def _inputs(indicator: Indicator) -> list[str]:
    return list(dict.fromkeys(name for text in indicator.expressions.values() for name in expression_names(text)))


def lay_under(facts: Facts, name: str, computed: Sequence[Block]) -> None:
    """Add computed values for further formulas where nothing is stated for their place, period and dataset."""
    stated = facts.blocks.get(name)
    block = joined(computed)
    fresh = block.take(np.flatnonzero(block.known))
    if stated is not None:
        known = np.unique(without_world(stated.key[stated.known]))
        fresh = fresh.take(np.flatnonzero(~within(without_world(fresh.key), known)))
    facts.blocks[name] = joined([stated, fresh] if stated is not None else [fresh])


def key_columns(block: Block, facts: Facts, indicator: str) -> pl.DataFrame:
    """Return the columns of `KEY` of rows of a block."""
    slot, _, basis, dataset = split_key(block.key)
    return pl.DataFrame([
        pl.Series("indicator", [indicator]).new_from_index(0, block.height),
        *(facts.text(name, slot) for name in SLOT),
        pl.Series("basis", facts.texts["basis"], dtype=pl.String).gather(basis),
        pl.Series("kind", KINDS).gather(block.kind),
        pl.Series("dataset", facts.texts["dataset"], dtype=pl.String).gather(dataset),
    ]).select(KEY)  # fmt: skip


def _amounts(block: Block) -> list[pl.Series]:
    value = pl.Series("value", block.value)
    return [
        value.set(pl.Series(~block.known), None),
        pl.Series("coverage", block.coverage),
        pl.Series("known", block.known),
    ]


def _beside_stated(computed: Block, stated: Block | None, facts: Facts, indicator: Indicator) -> list[Finding]:
    if stated is None:
        return []
    known = stated.take(np.flatnonzero(stated.known))
    keys, others = without_world(computed.key), without_world(known.key)
    both = computed.take(np.flatnonzero(within(keys, np.unique(others)) & computed.known))
    if not both.height:
        return []
    beside = known.take(np.flatnonzero(within(others, np.unique(keys))))
    results, rows = (key_columns(one, facts, indicator.id).with_columns(_amounts(one)) for one in (both, beside))
    return compare_with_stated(results, rows, what="公式结果", on=_WITHOUT_KIND)


def _beyond_bounds(computed: Block, facts: Facts, indicator: Indicator) -> list[Finding]:
    low = -np.inf if indicator.minimum is None else indicator.minimum
    high = np.inf if indicator.maximum is None else indicator.maximum
    outside = np.flatnonzero(computed.known & ((computed.value < low) | (computed.value > high)))
    if not len(outside):
        return []
    values = computed.value[outside]
    excess = np.maximum(low - values, values - high)
    those = computed.take(outside[excess == excess.max()])
    rows = pl.lit(len(outside), dtype=pl.UInt32)
    most = (
        key_columns(those, facts, indicator.id).with_columns(*_amounts(those), rows=rows).sort(KEY).row(0, named=True)
    )
    return [
        finding(
            "formula.beyond-bounds",
            f"{most['place']} {most['period']} {indicator.zh}：公式结果 {most['value']:g} 超出允许范围" + of_many(most),
            severity=Severity.WARNING,
            next_step="核对公式各项的单位与口径",
            indicator=indicator.id,
            place=most["place"],
            period=most["period"],
            value=most["value"],
            rows=most["rows"],
            lowest=float(values.min()),
            highest=float(values.max()),
        )
    ]


def _mixed_datasets(computed: Block, facts: Facts, indicator: Indicator) -> list[Finding]:
    texts = facts.texts["dataset"]
    several = np.array(["、" in text for text in texts], dtype=bool)
    codes = split_key(computed.key)[3][computed.known]
    codes = codes[several[codes]] if several.any() else codes[:0]
    if not len(codes):
        return []
    datasets = "；".join(sorted(texts[code] for code in np.unique(codes)))
    return [
        finding(
            "formula.several-datasets",
            f"{indicator.zh}：{len(codes)} 个结果的各项取自不同来源（{datasets}）",
            severity=Severity.INFO,
            indicator=indicator.id,
            rows=len(codes),
            datasets=datasets,
        )
    ]


def _factors_used(solved: Solved) -> pl.Series | None:
    """Return for each result the factors that entered, as JSON texts; None where the formula asks for none."""
    if not solved.factors:
        return None
    return pl.DataFrame([
        _factor_text(reference, frame).alias(reference.column) for reference, frame in solved.factors.items()
    ]).select(pl.concat_str(pl.all(), separator=", ").alias("factors"))["factors"]  # fmt: skip


def _factor_text(reference: Reference, frame: pl.DataFrame) -> pl.Series:
    if "factor" not in frame.columns:
        return pl.Series([""]).new_from_index(0, frame.height)
    shown = ("factor", "stated_value", "stated_unit", "grade", "rule", "published_on")
    some = frame.select(shown)
    known = some.unique(maintain_order=True)
    texts = [
        json.dumps(
            {name: part if isinstance(part, float) else str(part) for name, part in one.items()}, ensure_ascii=False
        )
        for one in known.iter_rows(named=True)
    ]
    return some.join(
        known.with_columns(text=pl.Series(texts)), on=shown, how="left", nulls_equal=True, maintain_order="left"
    )["text"]


def _frame(results: Sequence[_Result], facts: Facts) -> tuple[pl.DataFrame, Entered]:
    """Return results of one indicator as `write` takes them, in the order of their keys, and what entered them."""
    block = stacked([one for _, one, _, _ in results])
    nothing = np.concatenate([one for _, _, one, _ in results])
    rules = np.repeat(np.arange(len(results)), [one.height for _, one, _, _ in results])
    order = np.argsort(block.key, kind="stable")
    block = block.take(order)
    published = pl.Series("published_on", block.published).set(pl.Series(block.published == NEVER), None)
    value, coverage, _ = _amounts(block)
    nowhere = pl.Series([None], dtype=pl.Float64).new_from_index(0, block.height)
    columns = [
        *(value, nowhere.alias("low"), nowhere.alias("high"), coverage),
        pl.Series("excused", nothing[order]),
        pl.Series("recorded_at", block.recorded).cast(SCHEMA["recorded_at"]),
        published.cast(pl.Int32).cast(pl.Date),
        pl.Series("review", block.review).cast(pl.Int64),
        pl.Series("rule", [formula.rule for formula, _, _, _ in results]).gather(rules[order]),
    ]
    if any(factors is not None for _, _, _, factors in results):
        none = pl.Series([""])
        said = [none.new_from_index(0, one.height) if used is None else used for _, one, _, used in results]
        columns.append(pl.concat(said).gather(order).alias("factors"))
    entered = block.lineage
    if entered is None:
        entered = of_lists(pl.Series([[]], dtype=pl.List(pl.String)).new_from_index(0, block.height))
    return key_columns(block, facts, results[0][0].indicator.id).with_columns(columns), entered
