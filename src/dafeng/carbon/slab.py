"""One computed piece of an account: its terms as arrays under one integer key, from which every sum is taken."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding
from dafeng.carbon.activities import UNIT, report, select_activities
from dafeng.carbon.factors import choose_multipliers, rate_uses
from dafeng.carbon.uncertainty import Sums, Terms, relative_widths, sum_terms
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Boundary, FlowMethod, Scope
from dafeng.methods.rates import RatePolicy

__all__ = ["BASES", "PROBLEMS", "Layout", "Slab", "compute_slab", "marketed_components"]

BASES: Final = ("location_based", "market_based")
"""Bases of electricity, by their number."""
PROBLEMS: Final[dict[str, pl.DataType]] = {
    "unit": pl.Int64(),
    "basis": pl.Int64(),
    "component": pl.Int64(),
    "why": pl.String(),
    "rows": pl.Int64(),
    "refused": pl.Boolean(),
}
"""Why a component of an account is not complete."""
_CARRIER_OF: Final = {FlowMethod.ELECTRICITY: "electricity", FlowMethod.HEAT: "heat"}
_UNBOUND: Final = float("nan")
_TABLE: Final = 50_000_000

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """How one integer holds account, basis, component, building class, carrier and flow, the last varying fastest."""

    components: tuple[str, ...]
    classes: tuple[str, ...]
    carriers: tuple[str, ...]
    flows: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of basis, component, class, carrier and flow."""
        return len(BASES), len(self.components), len(self.classes), len(self.carriers), self.flows

    @property
    def per_unit(self) -> int:
        """Number of keys of one account."""
        return int(np.prod(self.sizes))

    def encode(self, unit: Integers, *codes: Integers) -> Integers:
        """Return the key of account and codes (basis, component, class, carrier, flow)."""
        key = unit
        for size, code in zip(self.sizes, codes, strict=True):
            key = key * size + code
        return key

    def decode(self, keys: Integers) -> tuple[Integers, ...]:
        """Return account, basis, component, class, carrier and flow of keys."""
        codes = []
        for size in reversed(self.sizes):
            keys, code = np.divmod(keys, size)
            codes.append(code)
        return (keys, *reversed(codes))


@dataclass(frozen=True, eq=False)
class Slab:
    """A computed piece of an account."""

    units: pl.DataFrame
    """Accounts: columns of `UNIT`, sorted; the row is the account's number."""
    layout: Layout
    """How keys are made."""
    terms: Terms
    """One term for each key and factor, sorted by key."""
    problems: pl.DataFrame
    """Of `PROBLEMS`, sorted."""
    present: NDArray[np.bool_]
    """Which components have any term, shape (account, basis, component)."""
    traces: pl.DataFrame
    """One row a term before summing, sorted by key: key, version, value, use, basis."""
    uses: pl.DataFrame
    """Rates by use."""
    source: pl.DataFrame
    """Observations from which it was computed."""
    findings: list[Finding] = field(repr=False)
    """What was found."""

    def complete(self) -> NDArray[np.bool_]:
        """Return which components are there without a gap, shape (account, basis, component)."""
        return self.present & ~self._marked(self.problems)

    def refused(self) -> NDArray[np.bool_]:
        """Return which components are refused altogether, cells included, shape (account, basis, component)."""
        return self._marked(self.problems.filter("refused"))

    def _marked(self, problems: pl.DataFrame) -> NDArray[np.bool_]:
        marked = np.zeros_like(self.present)
        at = problems.select("unit", "basis", "component").to_numpy()
        marked[at[:, 0], at[:, 1], at[:, 2]] = True
        return marked


def compute_slab(
    observations: pl.DataFrame | pl.LazyFrame,
    catalog: Catalog,
    boundary: Boundary,
    *,
    policy: RatePolicy,
    as_of: date,
    split: Collection[str] | None,
    gross_purchases: bool,
) -> Slab:
    """Compute the terms of every account that the observations speak of."""
    rows, source, findings = select_activities(
        observations, catalog, boundary, split=split, gross_purchases=gross_purchases
    )
    unit, units = _numbered(rows)
    rows = rows.with_columns(unit=unit)
    stray = rows.filter(pl.col("flow").is_null())
    if stray.height:
        rows = rows.filter(pl.col("flow").is_not_null())
    use, uses = rate_uses(rows, catalog, boundary, policy)
    rows = rows.with_columns(use)
    rates, found = choose_multipliers(uses, catalog, boundary, policy=policy, as_of=as_of)
    findings = [*findings, *found]
    components = tuple(component.code for component in boundary.components)
    layout = Layout(
        components,
        _codes_of(rows, "building_class"),
        tuple(sorted({*_codes_of(rows, "carrier"), *_CARRIER_OF.values()})),
        len(boundary.flows),
    )
    if units.height * layout.per_unit >= 2**62:
        raise InputError(
            f"{units.height} accounts with {layout.per_unit} cells each are too many for one run",
            doing="account for emissions",
            expected="fewer places or years at once",
            next_step="account by province",
        )
    if not rows.height:
        return _empty(units, layout, source, stray, boundary, findings)
    heat, found = _given_twice(rows, boundary, layout, units)
    findings += found
    market = _market_rows(rows, boundary)
    parts = [_terms(rows, rates, boundary, layout, 0)]
    _refuse_twice(rows, parts[0].keys)
    rows = rows.select("version", "value", "use", "gap")
    traces = [rows.with_columns(key=parts[0].keys, basis=pl.lit(0, dtype=pl.Int8))]
    if market.height:
        parts.append(_terms(market, rates, boundary, layout, 1))
        traces.append(market.select(rows.columns).with_columns(key=parts[1].keys, basis=pl.lit(1, dtype=pl.Int8)))
    terms = parts[0] if len(parts) == 1 else _joined(parts)
    trace = pl.concat(traces)
    del parts, traces, rows, market
    problems = [_stray_problems(stray, boundary, layout), _gap_problems(trace, terms, rates, layout)]
    deducted, found = _over_deducted(terms, boundary, layout, units)
    findings += found
    problem_table = (
        pl.concat([*problems, heat, deducted])
        .group_by("unit", "basis", "component", "why", "refused")
        .agg(pl.col("rows").sum())
        .select(list(PROBLEMS))
        .sort("unit", "basis", "component", "why")
    )
    order = np.argsort(terms.keys, kind="stable")
    gathered = terms.take(order).gathered()
    trace = trace.select("key", "version", "value", "use", "basis")
    keys = terms.keys[order]
    repeated = bool((keys[1:] == keys[:-1]).any())  # terms of one cell lie in the order of their activities
    trace = trace.sort("key", "use", "value", "version") if repeated else trace[order]
    present = np.zeros((units.height, len(BASES), len(components)), bool)
    at, basis_codes, component, *_ = layout.decode(gathered.keys)
    present[at, basis_codes, component] = True
    return Slab(units, layout, gathered, problem_table, present, trace, uses.join(rates, on="use"), source, findings)


def _numbered(rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """Return the number of the account of each row, and the accounts in the order of their names."""
    code = np.zeros(rows.height, np.int64)
    names = {column: tuple(sorted(rows[column].unique().cast(pl.String))) for column in UNIT}
    for column in UNIT:
        code *= len(names[column])
        if len(names[column]) > 1:
            code += _numbers(rows[column], names[column])
    size = int(np.prod([len(texts) for texts in names.values()], dtype=np.int64))
    if size <= _TABLE:
        seen = np.zeros(size, bool)
        seen[code] = True
        known = np.flatnonzero(seen)
        number = (np.cumsum(seen) - 1)[code]
    else:
        known, number = np.unique(code, return_inverse=True)
    columns, rest = {}, known
    for column in reversed(UNIT):
        rest, own = np.divmod(rest, max(len(names[column]), 1))
        columns[column] = pl.Series(names[column], dtype=pl.String).gather(pl.Series(own)).cast(pl.Categorical)
    return pl.Series("unit", number, pl.Int64), pl.DataFrame({column: columns[column] for column in UNIT})


def _refuse_twice(rows: pl.DataFrame, keys: Integers) -> None:
    """Raise where two rows say the same of one dataset; only rows that fall into one cell are looked at."""
    order = np.argsort(keys, kind="stable")
    same = keys[order][1:] == keys[order][:-1]
    if not same.any():
        return
    alike = np.zeros(len(keys), bool)
    alike[order[1:][same]] = True
    alike[order[:-1][same]] = True
    identity = ["unit", "indicator", "building_class", "carrier", "end_use", "dataset"]
    twice = rows.filter(pl.Series(alike)).filter(pl.struct(identity).is_duplicated())
    if twice.height:
        first = twice.sort(pl.col("place").cast(pl.String), "unit").row(0, named=True)
        raise InputError(
            f"{twice.height} rows share their key, first {first['indicator']} {first['place']} {first['period']}",
            doing="account for emissions",
            expected="one current row a key",
            next_step="read the current versions from a snapshot",
        )


def _codes_of(rows: pl.DataFrame, column: str) -> tuple[str, ...]:
    return tuple(sorted({"all", *rows[column].unique().cast(pl.String)}))


def _numbers(series: pl.Series, names: tuple[str, ...]) -> Integers:
    """Return the place of each text of a categorical column in `names`."""
    distinct = series.unique()
    physical = distinct.to_physical().to_numpy()
    table = np.zeros(int(physical.max(initial=0)) + 1, np.int64)
    ranks = {name: rank for rank, name in enumerate(names)}
    table[physical] = [ranks[name] for name in distinct.cast(pl.String)]
    found: Integers = table[series.to_physical().to_numpy()]
    return found


def marketed_components(boundary: Boundary) -> tuple[str, ...]:
    """Return the components that have a market-based value of their own; the others stand for both bases."""
    return tuple(sorted({flow.component for flow in boundary.flows if flow.market_factor is not None}))


def _market_rows(rows: pl.DataFrame, boundary: Boundary) -> pl.DataFrame:
    """Return every row of the components that have a market-based value, whatever its flow."""
    codes = marketed_components(boundary)
    return rows.filter(pl.col("component").is_in(codes)) if codes else rows.clear()


def _terms(rows: pl.DataFrame, rates: pl.DataFrame, boundary: Boundary, layout: Layout, basis: int) -> Terms:
    flows = boundary.flows
    flow = rows["flow"].to_numpy().astype(np.int64)
    fixed = [_CARRIER_OF.get(one.method) for one in flows]
    own_carrier = np.array([0 if name is None else layout.carriers.index(name) for name in fixed])
    is_fixed = np.array([name is not None for name in fixed])
    carrier = np.where(is_fixed[flow], own_carrier[flow], _numbers(rows["carrier"], layout.carriers))
    key = layout.encode(
        rows["unit"].to_numpy(),
        np.full(rows.height, basis),
        _numbers(rows["component"], layout.components),
        _numbers(rows["building_class"], layout.classes),
        carrier,
        flow,
    )
    prefix = "market_" if basis else ""
    use = rows["use"].to_numpy()
    rate = {name: rates[prefix + name].to_numpy()[use] for name in ("below", "above", "published", "weak")}
    multiplier = rates[prefix + "multiplier"].fill_null(_UNBOUND).to_numpy()[use]
    value = rows["value"].fill_null(0.0).to_numpy()
    amounts = value * multiplier * np.array([one.sign for one in flows])[flow]
    excused = rows["value"].is_null().to_numpy() & rows["gap"].is_null().to_numpy()
    gap = (rows["gap"].is_not_null().to_numpy() | np.isnan(amounts)) & ~excused
    amounts = np.where(gap | excused, 0.0, amounts)
    identity = rates[prefix + "identity"]
    ranks = identity.rank("dense").to_numpy().astype(np.int64) - 1 + basis * len(identity)
    stated = [relative_widths(value, *(rows[end].fill_null(_UNBOUND).to_numpy() for end in ("low", "high")))]
    below, above = stated[0]
    unbounded = np.isnan(below) & np.isnan(above) & np.isnan(rate["below"]) & (amounts != 0)
    deducted = amounts < 0
    lower, upper = np.where(deducted, above, below), np.where(deducted, below, above)
    return Terms(
        keys=key,
        factors=ranks[use],
        amounts=amounts,
        below=np.square(np.nan_to_num(lower) * amounts),
        above=np.square(np.nan_to_num(upper) * amounts),
        factor_below=np.nan_to_num(rate["below"]),
        factor_above=np.nan_to_num(rate["above"]),
        unbounded=unbounded.astype(np.int32),
        gaps=gap.astype(np.int32),
        counts=np.ones(rows.height, np.int32),
        weakness=np.where((rows["weakness"].to_numpy() == 2) | rate["weak"], 1, 0).astype(np.int32),
        review=rows["review"].to_numpy().astype(np.int32),
        coverage=rows["coverage"].fill_null(1.0).to_numpy(),
        published=np.maximum(rows["published"].to_numpy(), rate["published"]).astype(np.int32),
    )


def _joined(parts: list[Terms]) -> Terms:
    names = list(vars(parts[0]))
    return Terms(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _problems(
    unit: Integers | pl.Series,
    basis: Integers | pl.Series,
    component: Integers | pl.Series,
    why: pl.Series,
    *,
    refused: bool,
) -> pl.DataFrame:
    columns = {"unit": unit, "basis": basis, "component": component, "why": why}
    return pl.DataFrame(columns).select(
        "unit", "basis", "component", "why", rows=pl.lit(1, dtype=pl.Int64), refused=pl.lit(refused)
    )


def _stray_problems(stray: pl.DataFrame, boundary: Boundary, layout: Layout) -> pl.DataFrame:
    """Name the components that a row without a flow may belong to: those of its indicator's flows."""
    owners = pl.DataFrame(
        [
            (indicator, basis, layout.components.index(component))
            for indicator, component in sorted({(flow.indicator, flow.component) for flow in boundary.flows})
            for basis in range(len(BASES))
        ],
        schema={"indicator": pl.String, "basis": pl.Int64, "component": pl.Int64},
        orient="row",
    )
    return (
        stray.select(pl.col("indicator").cast(pl.String), "unit", "gap")
        .join(owners, on="indicator")
        .select(
            *("unit", "basis", "component"),
            why=pl.col("gap").fill_null(""),
            rows=pl.lit(1, dtype=pl.Int64),
            refused=pl.lit(False),
        )
    )


def _gap_problems(traces: pl.DataFrame, terms: Terms, rates: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    holes = np.flatnonzero(terms.gaps)
    unit, basis, component, *_ = layout.decode(terms.keys[holes])
    use = traces["use"].gather(holes)
    lacking = {number: rates[f"{prefix}why"].gather(use) for number, prefix in enumerate(("", "market_"))}
    why = pl.DataFrame({"basis": basis, "gap": traces["gap"].gather(holes), "own": lacking[0], "market": lacking[1]})
    reason = why.select(
        pl.coalesce("gap", pl.when(pl.col("basis") == 0).then("own").otherwise("market"), pl.lit("数值缺失"))
    ).to_series()
    return _problems(unit, basis, component, reason, refused=False)


def _given_twice(
    rows: pl.DataFrame, boundary: Boundary, layout: Layout, units: pl.DataFrame
) -> tuple[pl.DataFrame, list[Finding]]:
    """Find accounts in which one thing is given in two ways, such as heat at the building and at its source."""
    found: list[pl.DataFrame] = []
    findings: list[Finding] = []
    for question in sorted({flow.alternative.question for flow in boundary.flows if flow.alternative}):
        own = [
            (number, flow, flow.alternative)
            for number, flow in enumerate(boundary.flows)
            if flow.alternative is not None and flow.alternative.question == question
        ]
        ways = pl.DataFrame(
            [(number, alternative.way) for number, _, alternative in own],
            schema={"flow": pl.Int32, "way": pl.String},
            orient="row",
        )
        given = rows.filter(pl.col("flow").is_in(ways["flow"].implode()), pl.col("value") != 0)
        if given["flow"].n_unique() < 2:
            continue
        by = sorted({column for _, _, alternative in own for column in alternative.by})
        given = given.select("unit", "flow", "component", *by).join(ways, on="flow")
        several = given.filter(pl.col("way").n_unique().over("unit") > 1)
        on = ["unit", *(name for name in by if name == "carrier")]
        pairs = several.join(several, on=on, suffix=".other").filter(pl.col("way") != pl.col("way.other"))
        for name in by:
            if name not in on:
                code, other = pl.col(name), pl.col(f"{name}.other")
                pairs = pairs.filter((code == other) | (code == "all") | (other == "all"))
        twice = pairs.select("unit", pl.col("component").cast(pl.String)).unique().sort("unit", "component")
        if not twice.height:
            continue
        why = f"{'、'.join(flow.zh for _, flow, _ in own)} 同时给出，会重复计算"
        both = twice.join(pl.DataFrame({"basis": np.arange(len(BASES))}), how="cross")
        number = pl.Series([layout.components.index(name) for name in both["component"]], dtype=pl.Int64)
        reason = pl.Series("why", [why] * both.height, pl.String)
        found.append(_problems(both["unit"], both["basis"], number, reason, refused=True))
        findings += report(
            units[twice["unit"].unique().sort()],
            "alternative.both-given",
            f"{why}，该组成部分不予核算",
            expected="同一数量只用一种方式给出",
            next_step="只保留其中一种",
        )
    return pl.concat([pl.DataFrame(schema=PROBLEMS), *found]), findings


def _over_deducted(
    terms: Terms, boundary: Boundary, layout: Layout, units: pl.DataFrame
) -> tuple[pl.DataFrame, list[Finding]]:
    """Find components in which more is deducted than there is."""
    if not (terms.amounts < 0).any():
        return pl.DataFrame(schema=PROBLEMS), []
    group = terms.keys // int(np.prod(layout.sizes[2:]))
    sums: Sums = sum_terms(terms.with_keys(group))
    memo = np.array([component.scope is Scope.MEMO for component in boundary.components])
    below = sums.keys[(sums.totals < 0) & ~memo[sums.keys % len(memo)]]
    unit, rest = np.divmod(below, int(np.prod(layout.sizes[:2])))
    basis, component = np.divmod(rest, len(layout.components))
    why = pl.Series("why", ["扣减大于用量"] * len(below), pl.String)
    findings = report(
        units[np.unique(unit)],
        "activity.over-deducted",
        "自用光伏等扣减大于外购用量，该组成部分不予核算",
        expected="扣减不大于用量",
        next_step="核对外购电量是否已扣除自用光伏",
    )
    return _problems(unit, basis, component, why, refused=True), findings


def _empty(
    units: pl.DataFrame,
    layout: Layout,
    source: pl.DataFrame,
    stray: pl.DataFrame,
    boundary: Boundary,
    findings: list[Finding],
) -> Slab:
    whole, nothing, keys = np.empty(0, np.int32), np.empty(0), np.empty(0, np.int64)
    terms = Terms(
        keys, keys, nothing, nothing, nothing, nothing, nothing, whole, whole, whole, whole, whole, nothing, whole
    )
    traces = pl.DataFrame(
        schema={"key": pl.Int64, "version": pl.String, "value": pl.Float64, "use": pl.Int32, "basis": pl.Int8}
    )
    present = np.zeros((units.height, len(BASES), len(layout.components)), bool)
    problems = _stray_problems(stray, boundary, layout).sort("unit", "basis", "component", "why")
    return Slab(units, layout, terms, problems, present, traces, pl.DataFrame(), source, findings)
