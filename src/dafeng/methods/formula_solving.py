"""One formula over all slots at once: which rows enter for each of its values, what it gives, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.base.errors import PeriodError
from dafeng.base.finding import Finding
from dafeng.base.period import Period
from dafeng.base.place import PlaceTree
from dafeng.catalog.carbon_schemas import Factor
from dafeng.catalog.expression import FieldType, Reference, evaluate, expression_references
from dafeng.catalog.schemas import Indicator
from dafeng.methods.entered import Entered, united
from dafeng.methods.formula_facts import (
    BASIS,
    KINDS,
    NEVER,
    Block,
    Facts,
    Flags,
    moved_key,
    split_key,
    stacked,
    without_basis,
)
from dafeng.methods.key_codes import Numbers
from dafeng.methods.rates import RatePolicy, choose_rates

__all__ = ["FactorSetting", "Formula", "Solved", "Solver", "formulas_of", "joined", "result_block", "within"]

_ESTIMATED: Final = KINDS.index("estimated")
_COMPUTED: Final = KINDS.index("computed")
_NOTHING: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class FactorSetting:
    """Where formulas take dated factors from: the catalog's factors, the tree of places, the rules and the day."""

    factors: Mapping[str, Factor]
    """`Catalog.factors`."""
    places: PlaceTree
    """`Catalog.places`."""
    policy: RatePolicy
    """Rules by which a value is chosen where its own period has none."""
    as_of: date
    """Values published later are not yet known."""


class Formula(NamedTuple):
    """An expression of an indicator, for one basis or for all."""

    indicator: Indicator
    """Indicator that it gives."""
    basis: str
    """Basis of which it is the formula; empty where it serves each basis of its inputs."""
    text: str
    """Expression."""
    references: tuple[Reference, ...]
    """Values that it asks for."""
    exact: frozenset[str]
    """Names whose basis is that of the result."""

    @property
    def rule(self) -> str:
        """Indicator and expression, as lineage writes them."""
        return f"{self.indicator.id}{f'[{self.basis}]' if self.basis else ''} = {self.text}"

    @property
    def conditional(self) -> bool:
        """Whether a result may be known without every value: only a condition decides that."""
        return "if(" in self.text.replace(" ", "")


def formulas_of(indicator: Indicator, indicators: Mapping[str, Indicator]) -> list[Formula]:
    """Return the formulas of an indicator, one a basis where they differ."""
    found = []
    for basis, text in indicator.expressions.items():
        references = tuple(expression_references(text))
        exact = frozenset(one.name for one in references if not one.is_factor and indicators[one.name].bases)
        found.append(Formula(indicator, basis, text, references, exact))
    return found


class Found(NamedTuple):
    """Rows that enter for one value of a formula."""

    block: Block
    """Rows of the value's indicator."""
    at: Numbers
    """Row for each key, -1 where there is none."""

    @property
    def given(self) -> Flags:
        """Where there is a row."""
        return self.at >= 0

    @property
    def known(self) -> Flags:
        """Where there is a row with a value."""
        return self.given & self.block.known[self.at] if self.block.height else self.given

    def pick(self, part: npt.NDArray[Any], default: float) -> npt.NDArray[Any]:
        """Return a part of the block's arrays for each key, `default` where there is no row."""
        if not self.block.height:
            return np.full(len(self.at), default, dtype=part.dtype)
        return np.where(self.given, part[self.at], np.array(default).astype(part.dtype))


class Solved(NamedTuple):
    """A formula worked out for keys."""

    formula: Formula
    """The formula."""
    keys: Numbers
    """Keys of the results, sorted; without dataset where values of several were taken."""
    found: dict[Reference, Found]
    """Rows that enter, by value."""
    factors: dict[Reference, pl.DataFrame]
    """Dated factors for each key, columns of `dafeng.methods.rates.Rates.frame`."""
    value: npt.NDArray[np.float64]
    """Result."""
    known: Flags
    """Whether there is one."""

    def given(self) -> Flags:
        """Return where every value has a row."""
        flags = [one.given for one in self.found.values()]
        flags += [one["value"].is_not_null().to_numpy() for one in self.factors.values()]
        return np.asarray(np.logical_and.reduce(flags), dtype=bool)

    def all_known(self) -> Flags:
        """Return where every value is known."""
        flags = [one.known for one in self.found.values()]
        flags += [one["value"].is_not_null().to_numpy() for one in self.factors.values()]
        return np.asarray(np.logical_and.reduce(flags), dtype=bool)

    def only(self, rows: Flags) -> Solved:
        """Return some of the keys."""
        if rows.all():
            return self
        return Solved(
            self.formula,
            self.keys[rows],
            {name: Found(one.block, one.at[rows]) for name, one in self.found.items()},
            {name: one.filter(rows) for name, one in self.factors.items()},
            self.value[rows],
            self.known[rows],
        )


class Solver:
    """Works formulas out over `Facts`."""

    def __init__(
        self,
        facts: Facts,
        indicators: Mapping[str, Indicator],
        types: Mapping[str, FieldType],
        setting: FactorSetting | None,
    ) -> None:
        self.facts = facts
        self.indicators = indicators
        self.types = types
        self.setting = setting
        self.findings: list[Finding] = []
        empty = np.zeros(0)
        self._empty = Block(_NOTHING, _NOTHING, empty, empty > 0, empty, _NOTHING, _NOTHING, _NOTHING, None)

    def apart(self, formula: Formula) -> Solved:
        """Work a formula out within each dataset."""
        blocks = self._blocks(formula)
        return self._solve(formula, {name: (block, block.key, None) for name, block in blocks.items()}, None)

    def together(self, formula: Formula, settled: Numbers) -> Solved:
        """Work a formula out with each value from its preferred dataset, where none gave a result alone.

        Parameters
        ----------
        formula : Formula
        settled : array
            Keys that have a result.
        """
        blocks = self._blocks(formula)
        settled = np.unique(settled // BASIS)
        keys = self._universe(formula, {name: block.key // BASIS * BASIS for name, block in blocks.items()})
        keys = keys[~within(keys // BASIS, settled)]
        wanted = np.zeros(self.facts.slots.height, dtype=bool)
        slots = split_key(keys)[0]
        wanted[slots] = True
        for when in {one.when for one in formula.references if one.when}:
            there = self.facts.shift(when)[slots]
            wanted[there[there >= 0]] = True
        chosen = {}
        for name, block in blocks.items():
            rows = self._preferred(block, np.flatnonzero(wanted[block.slots()]), self.indicators[name])
            chosen[name] = (block, block.key[rows] // BASIS * BASIS, rows)
        return self._solve(formula, chosen, settled)

    def _blocks(self, formula: Formula) -> dict[str, Block]:
        blocks = {}
        for name in dict.fromkeys(one.name for one in formula.references if not one.is_factor):
            block = self.facts.blocks.get(name, self._empty)
            if formula.basis and name in formula.exact and block.height:
                block = block.take(block.key // BASIS % 4096 == self.facts.code("basis", formula.basis))
            blocks[name] = block
        return blocks

    def _preferred(self, block: Block, rows: Numbers, indicator: Indicator) -> Numbers:
        """Return of some rows those of the preferred dataset, one a slot, world and basis, in their order."""
        if not len(rows):
            return rows
        keys = block.key[rows]
        names = self.facts.texts["dataset"]
        order = np.argsort(np.argsort(np.array(names, dtype=object), kind="stable"), kind="stable")
        ranks = np.full(len(names), len(names) + len(indicator.precedence))
        for rank, name in enumerate(indicator.precedence):
            if name in names:
                ranks[names.index(name)] = rank
        dataset = keys % BASIS
        sorted_rows = np.lexsort(
            (order[dataset], np.minimum(block.kind[rows], 2), ranks[dataset], ~block.known[rows], keys // BASIS)
        )
        first = np.diff(keys[sorted_rows] // BASIS, prepend=-1) != 0
        return np.sort(rows[sorted_rows[first]])

    def _solve(
        self, formula: Formula, chosen: Mapping[str, tuple[Block, Numbers, Numbers | None]], settled: Numbers | None
    ) -> Solved:
        keys = self._universe(formula, {name: own for name, (_, own, _) in chosen.items()})
        if settled is not None:
            keys = keys[~within(keys // BASIS, settled)]
        if formula.indicator.formula_periods and len(keys):
            kinds = [_period_kind(text) for text in self.facts.texts["period"]]
            meant = np.array([kind in formula.indicator.formula_periods for kind in kinds], dtype=bool)
            keys = keys[meant[self.facts.slots["period"].to_numpy()[split_key(keys)[0]]]]
        tables = {
            name: _table(block, own, rows, exact=name in formula.exact and not formula.basis)
            for name, (block, own, rows) in chosen.items()
        }
        found: dict[Reference, Found] = {}
        factors: dict[Reference, pl.DataFrame] = {}
        for one in formula.references:
            if one.is_factor:
                factors[one] = self._factor(one, keys)
                continue
            asked = keys if one.name in formula.exact and not formula.basis else without_basis(keys)
            if one.when:
                asked = moved_key(asked, self.facts.shift(one.when))
            found[one] = Found(chosen[one.name][0], _look_up(*tables[one.name], asked))
        columns = {one.column: _series(side) for one, side in found.items()}
        columns |= {one.column: frame["value"] for one, frame in factors.items()}
        expression = evaluate(formula.text, self.types, unit=formula.indicator.unit).cast(pl.Float64)
        value = pl.DataFrame(columns).select(expression).to_series().fill_null(np.nan).to_numpy()
        return Solved(formula, keys, found, factors, value, np.isfinite(value))

    def _universe(self, formula: Formula, own: Mapping[str, Numbers]) -> Numbers:
        """Return the keys at which the formula is asked: those of its values at the period in hand."""
        here = {one.name for one in formula.references if not one.is_factor and not one.when} or set(own)
        keys = _union([own[name] for name in own if name in here])
        if formula.basis:
            return _union([without_basis(keys) + self.facts.code("basis", formula.basis) * BASIS])
        if formula.exact:
            based = _union([own[name] for name in own if name in formula.exact & here])
            free = keys[~within(without_basis(keys), np.unique(without_basis(based)))]
            return _union([based, free])
        return keys

    def _factor(self, reference: Reference, keys: Numbers) -> pl.DataFrame:
        empty = pl.DataFrame({"value": pl.repeat(None, len(keys), dtype=pl.Float64, eager=True)})
        if self.setting is None or not len(keys):
            return empty
        slots = split_key(keys)[0]
        asked = pl.DataFrame({"place": self.facts.text("place", slots), "period": self.facts.text("period", slots)})
        family, subject = reference.name.split(":")
        queries = asked.unique(maintain_order=True).with_columns(family=pl.lit(family), subject=pl.lit(subject))
        here = self.setting
        rates = choose_rates(queries, here.factors, here.places, policy=here.policy, as_of=here.as_of)
        self.findings += [one for one in rates.findings if one not in self.findings]
        return asked.join(rates.frame, on=["place", "period"], how="left", maintain_order="left")


def _union(parts: Sequence[Numbers]) -> Numbers:
    """Return the keys of several arrays, sorted, each once; often all are the same and sorted already."""
    first = parts[0] if parts else _NOTHING
    if all(np.array_equal(first, part) for part in parts[1:]) and (np.diff(first) > 0).all():
        return first
    return np.unique(np.concatenate(parts))


def _period_kind(text: str) -> str:
    try:
        return Period.parse(text).kind.value
    except PeriodError:
        return ""


def within(keys: Numbers, known: Numbers) -> Flags:
    """Return which keys are among sorted ones, each there once."""
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    at = np.searchsorted(known, keys)
    at[at == len(known)] = 0
    return np.asarray(known[at] == keys, dtype=bool)


def _table(block: Block, keys: Numbers, rows: Numbers | None, *, exact: bool) -> tuple[Numbers, Numbers]:
    """Return sorted keys, each once, and the row that serves each: a known one first, reported before computed."""
    if rows is None:
        rows = np.arange(block.height)
    basis = keys // BASIS % 4096
    if not exact:
        keys = without_basis(keys)
    if not len(keys) or (np.diff(keys) > 0).all():
        return keys, rows
    order = np.lexsort((basis, block.kind[rows], ~block.known[rows], keys))
    keys = keys[order]
    first = np.diff(keys, prepend=-1) != 0
    return keys[first], rows[order[first]]


def _look_up(known: Numbers, rows: Numbers, keys: Numbers) -> Numbers:
    if not len(known):
        return np.full(len(keys), -1, dtype=np.int64)
    if len(known) == len(keys) and np.array_equal(known, keys):
        return rows
    at = np.searchsorted(known, keys)
    at[at == len(known)] = 0
    return np.where(known[at] == keys, rows[at], -1)


def _series(side: Found) -> pl.Series:
    values, known = side.pick(side.block.value, np.nan), side.known
    series = pl.Series("", values, dtype=pl.Float64)
    return series if known.all() else series.set(pl.Series(~known), None)


def result_block(solved: Solved, facts: Facts) -> tuple[Block, Flags]:
    """Return results as a block, and which of them are unknown though every value is known (a share of nothing)."""
    sides = list(solved.found.values())
    _, world, _, dataset = split_key(solved.keys)
    estimated = np.logical_or.reduce([side.pick(side.block.kind, -1) == _ESTIMATED for side in sides])
    kind = np.where(estimated, _ESTIMATED, _COMPUTED)
    of_world = np.array([_COMPUTED if name == "fact" else KINDS.index(name) for name in facts.worlds])
    kind = np.where(of_world[world] == _COMPUTED, kind, of_world[world]).astype(np.int8)
    published = np.minimum.reduce([side.pick(side.block.published, NEVER) for side in sides])
    latest = np.maximum.reduce([side.pick(side.block.published, NEVER) for side in sides])
    sources = _sources(sides, facts)
    block = Block(
        solved.keys - dataset + sources,
        kind,
        solved.value,
        solved.known,
        np.minimum.reduce([side.pick(side.block.coverage, np.inf) for side in sides]),
        np.maximum.reduce([side.pick(side.block.recorded, NEVER) for side in sides]),
        np.where(published == NEVER, NEVER, latest),
        np.minimum.reduce([side.pick(side.block.review, 99) for side in sides]),
        _lineage(sides),
    )
    return block, ~solved.known & solved.all_known()


def _sources(sides: Sequence[Found], facts: Facts) -> Numbers:
    """Return the dataset of each result; where values come from several the names of all, joined."""
    codes = [side.pick(side.block.key, -1) for side in sides]
    datasets = [np.where(code < 0, -1, code % BASIS) for code in codes]
    lowest = np.minimum.reduce([np.where(one < 0, BASIS, one) for one in datasets])
    several = np.logical_or.reduce([(one >= 0) & (one != lowest) for one in datasets])
    sources = lowest.copy()
    if several.any():
        table = pl.DataFrame({str(i): one[several] for i, one in enumerate(datasets)})
        patterns = table.unique(maintain_order=True)
        names = facts.texts["dataset"]
        joined = ["、".join(sorted({names[code] for code in row if code >= 0})) for row in patterns.iter_rows()]
        patterns = patterns.with_columns(source=pl.Series([facts.code("dataset", text) for text in joined]))
        sources[several] = table.join(patterns, on=table.columns, how="left", maintain_order="left")[
            "source"
        ].to_numpy()
    return np.asarray(sources, dtype=np.int64)


def _lineage(sides: Sequence[Found]) -> Entered | None:
    """Return what entered each result; None where there are no lineage ids."""
    rows, codes = [], []
    ids = None
    for side in sides:
        known = side.block.lineage
        if known is not None:
            here = np.flatnonzero(side.given)
            some = known.take(side.at[here])
            ids = known.ids
            rows.append(np.repeat(here, some.counts))
            codes.append(some.codes)
    return None if ids is None else united(ids, len(sides[0].at), rows, codes)


def joined(blocks: Sequence[Block]) -> Block:
    """Return blocks as one, sorted by key."""
    block = stacked(list(blocks))
    return block if (np.diff(block.key) > 0).all() else block.take(np.argsort(block.key, kind="stable"))
