"""What a formula could not give, and for want of what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from dafeng.catalog.expression import Reference
from dafeng.catalog.schemas import Indicator
from dafeng.methods.formula_facts import BASIS, SLOT, Block, Facts, split_key
from dafeng.methods.formula_solving import Solved, within
from dafeng.methods.formula_words import reference_words

__all__ = ["GAPS_SCHEMA", "gaps_of"]

GAPS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "indicator": pl.String(),
    **{name: pl.String() for name in SLOT},
    "basis": pl.String(),
    "world": pl.String(),
    "missing": pl.List(pl.String()),
    "reason": pl.String(),
}
"""Columns of what could not be computed: the key, the values that are missing (`Reference.column`), and a sentence."""
_NO_ROW, _NO_VALUE = 1, 2


def gaps_of(solved: Solved, stated: Block | None, facts: Facts, indicators: Mapping[str, Indicator]) -> pl.DataFrame:
    """Return one row for each key without a result at which at least one input has a row and nothing is stated.

    Parameters
    ----------
    solved : Solved
        Keys without a result.
    stated : Block, optional
        What was reported for the indicator itself.
    facts : Facts
    indicators : mapping from id to Indicator
    """
    if stated is not None and len(solved.keys):
        reported = np.unique(stated.key[stated.known] // BASIS)
        solved = solved.only(~within(solved.keys // BASIS, reported))
    if not len(solved.keys):
        return pl.DataFrame(schema=GAPS_SCHEMA)
    states = {
        one.column: np.where(side.known, 0, np.where(side.given, _NO_VALUE, _NO_ROW))
        for one, side in solved.found.items()
    }
    states |= {
        one.column: frame["value"].is_null().to_numpy().astype(np.int64) for one, frame in solved.factors.items()
    }
    pattern = pl.DataFrame(states)
    kinds = pattern.unique(maintain_order=True)
    references = [*solved.found, *solved.factors]
    sentences = [_sentence(dict(zip(references, row, strict=True)), indicators) for row in kinds.iter_rows()]
    missing = [[one.column for one, state in zip(references, row, strict=True) if state] for row in kinds.iter_rows()]
    kinds = kinds.with_columns(
        reason=pl.Series(sentences, dtype=pl.String), missing=pl.Series(missing, dtype=pl.List(pl.String))
    )
    said = pattern.join(kinds, on=pattern.columns, how="left", maintain_order="left")
    slot, world, basis, _ = split_key(solved.keys)
    return pl.DataFrame([
        pl.Series("indicator", [solved.formula.indicator.id]).new_from_index(0, len(slot)),
        *(facts.text(name, slot) for name in SLOT),
        pl.Series("basis", facts.texts["basis"], dtype=pl.String).gather(basis),
        pl.Series("world", facts.worlds, dtype=pl.String).gather(world),
        said["missing"],
        said["reason"],
    ]).select(list(GAPS_SCHEMA))  # fmt: skip


def _sentence(states: Mapping[Reference, int], indicators: Mapping[str, Indicator]) -> str:
    parts = []
    for state, words in ((_NO_ROW, "没有数据"), (_NO_VALUE, "填报为空")):
        named = [reference_words(one, indicators) for one, found in states.items() if found == state]
        if named:
            parts.append(f"{'、'.join(named)}{words}")
    return f"未能计算：{'；'.join(parts)}" if parts else "未能计算：各项齐全而无结果（分母为零）"
