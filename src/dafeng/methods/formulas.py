"""Formulas of indicators, run over whole frames of observations."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Final

import polars as pl

from dafeng.base.errors import ContentError
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import KEY
from dafeng.catalog.expression import FieldType, evaluate, expression_names
from dafeng.catalog.schemas import Indicator
from dafeng.methods.computed import Computed, compare_with_stated, enter, finding, of_many, worst_of, write

__all__ = ["compute_formulas"]

_PLACE: Final = [name for name in KEY if name not in ("indicator", "basis", "kind", "dataset")]
"""Columns in which all inputs of a formula agree, besides basis and kind."""
_WITHOUT_KIND: Final = [name for name in KEY if name != "kind"]
_MIXED: Final = "*"


def compute_formulas(
    frame: pl.DataFrame, indicators: Mapping[str, Indicator], types: Mapping[str, FieldType]
) -> Computed:
    """Compute every indicator that has a formula, wherever its inputs are observed.

    Parameters
    ----------
    frame : DataFrame
        Observations, one current version a key.
    indicators : mapping from id to Indicator
    types : mapping from id to FieldType
        Units of the indicators, `Catalog.indicator_types()`.

    Returns
    -------
    Computed
        Inputs of one dataset go together where it has them all; else each comes from its preferred dataset, with a finding.
        An input without bases serves every basis of the others. A stated unknown among the inputs gives an unknown result,
        unless the formula decides without it (three-valued); an input without any row gives no result. Computed values
        serve further formulas where nothing is stated.

    Raises
    ------
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
    rows, findings = enter(frame, indicators)
    stated = rows
    results: list[pl.DataFrame] = []
    for name in _order(indicators):
        computed = _compute(rows, indicators, indicators[name], types)
        if computed is None or not computed.height:
            continue
        findings += compare_with_stated(computed, stated, what="公式结果", on=_WITHOUT_KIND)
        findings += _beyond_bounds(computed, indicators[name])
        findings += _mixed_datasets(computed, indicators[name])
        results.append(computed)
        rows = _lay_under(rows, computed)
    together = pl.concat(results) if results else pl.DataFrame()
    observations, lineage, spread = write(together, indicators, rule="formula")
    return Computed(observations, findings + spread, lineage)


def _order(indicators: Mapping[str, Indicator]) -> list[str]:
    needs = {
        indicator.id: expression_names(indicator.formula)
        for _, indicator in sorted(indicators.items())
        if indicator.formula is not None
    }
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


def _compute(
    rows: pl.DataFrame, indicators: Mapping[str, Indicator], indicator: Indicator, types: Mapping[str, FieldType]
) -> pl.DataFrame | None:
    names = expression_names(indicator.formula or "")
    # A forecast or demonstration never meets a fact; of facts the kinds may meet.
    fact = pl.col("kind").is_in(["reported", "computed", "estimated"])
    inputs = rows.filter(pl.col("indicator").is_in(names)).with_columns(
        world=pl.when(fact).then(pl.lit("fact")).otherwise(pl.col("kind"))
    )
    conditional = "if(" in (indicator.formula or "").replace(" ", "")  # only a condition decides without all inputs
    if not inputs.height or (set(inputs["indicator"]) != set(names) and not conditional):
        return None
    formula = evaluate(indicator.formula or "", {name: types[name] for name in names}, unit=indicator.unit)
    with_bases = [name for name in names if indicators[name].bases]
    group = [*_PLACE, "world", "basis", "dataset"]
    alone = _evaluated(inputs, names, with_bases, group, indicator, formula)
    mixed = _evaluated(
        _preferred(inputs, indicators).with_columns(dataset=pl.lit(_MIXED)),
        names,
        with_bases,
        group,
        indicator,
        formula,
    )
    complete = alone.filter(pl.col("value").is_not_null())
    key = [name for name in group if name != "dataset"]
    rest = mixed.join(complete.select(key), on=key, how="anti")
    return pl.concat([complete, rest]).drop("world")


def _preferred(inputs: pl.DataFrame, indicators: Mapping[str, Indicator]) -> pl.DataFrame:
    ranks = {(one.id, dataset): rank for one in indicators.values() for rank, dataset in enumerate(one.precedence)}
    table = pl.DataFrame(
        [(*pair, rank) for pair, rank in ranks.items()],
        schema={"indicator": pl.String, "dataset": pl.String, "rank": pl.Int64},
        orient="row",
    )
    kinds = pl.col("kind").replace_strict({"reported": 0, "computed": 1}, default=2, return_dtype=pl.Int64)
    return (
        inputs.join(table, on=["indicator", "dataset"], how="left")
        .sort([~pl.col("known"), pl.col("rank").fill_null(len(ranks)), kinds, pl.col("dataset")])
        .unique([*_PLACE, "indicator", "world", "basis"], keep="first", maintain_order=True)
        .drop("rank")
        .with_columns(source=pl.col("dataset"))
    )


def _evaluated(
    inputs: pl.DataFrame,
    names: list[str],
    with_bases: list[str],
    group: list[str],
    indicator: Indicator,
    formula: pl.Expr,
) -> pl.DataFrame:
    """Put inputs side by side and evaluate the formula; one row a group in which it says something."""
    keys = inputs.select(group).unique().sort(group)
    place = [name for name in group if name != "basis"]
    if with_bases:
        based = inputs.filter(pl.col("indicator").is_in(with_bases)).select(group).unique()
        keys = pl.concat([based, keys.join(based.select(place).unique(), on=place, how="anti")]).unique().sort(group)
    source = "source" if "source" in inputs.columns else "dataset"
    table = keys
    for name in names:
        on = group if name in with_bases else place
        own = (
            inputs.filter(pl.col("indicator") == name)
            .sort([~pl.col("known"), pl.col("kind") != "reported", pl.col("kind"), pl.col("basis")])
            .unique(on, keep="first", maintain_order=True)
            .select(
                *on,
                pl.col("value").alias(name),
                pl.lit(True).alias(f"{name}.given"),
                *(pl.col(part).alias(f"{name}.{part}") for part in _CARRIED),
                pl.col(source).alias(f"{name}.source"),
            )
        )
        table = table.join(own, on=on, how="left")
    every = {part: [pl.col(f"{name}.{part}") for name in names] for part in (*_CARRIED, "given", "source")}
    computed = table.with_columns(value=formula.cast(pl.Float64)).with_columns(
        value=pl.when(pl.col("value").is_finite()).then(pl.col("value"))
    )
    all_given = pl.all_horizontal(part.is_not_null() for part in every["given"])
    all_known = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
    estimated = pl.any_horizontal(part.eq_missing("estimated") for part in every["kind"])
    sources = pl.concat_list(every["source"]).list.drop_nulls().list.unique().list.sort()
    return (
        computed.filter(pl.col("value").is_not_null() | all_given)
        .with_columns(
            indicator=pl.lit(indicator.id),
            kind=pl.when(pl.col("world") != "fact")
            .then(pl.col("world"))
            .when(estimated)
            .then(pl.lit("estimated"))
            .otherwise(pl.lit("computed")),
            low=pl.lit(None, dtype=pl.Float64),
            high=pl.lit(None, dtype=pl.Float64),
            coverage=pl.min_horizontal(every["coverage"]),
            excused=pl.col("value").is_null() & all_known,
            recorded_at=pl.max_horizontal(every["recorded_at"]),
            published_on=pl.when(pl.all_horizontal(part.is_not_null() for part in every["published_on"])).then(
                pl.max_horizontal(every["published_on"])
            ),
            review=pl.min_horizontal(every["review"]),
            inputs=pl.concat_list([part.fill_null([]) for part in every["inputs"]]).list.unique().list.sort(),
            dataset=sources.list.join("、"),
            rule=pl.lit(f"{indicator.id} = {indicator.formula}"),
            known=pl.col("value").is_not_null(),
        )
        .select([*KEY, "world", *_RESULT])
    )


_CARRIED: Final = ("kind", "coverage", "recorded_at", "published_on", "review", "inputs")
_RESULT: Final = (
    "value", "low", "high", "coverage", "excused", "known", "recorded_at", "published_on", "review", "inputs", "rule",
)  # fmt: skip


def _lay_under(rows: pl.DataFrame, computed: pl.DataFrame) -> pl.DataFrame:
    """Add computed values for further formulas where nothing is stated for their place, period and dataset."""
    stated = rows.filter("known").select(_WITHOUT_KIND)
    fresh = computed.filter("known").join(stated, on=_WITHOUT_KIND, how="anti")
    return pl.concat([rows, fresh.drop("rule").unique(KEY, keep="first", maintain_order=True)], how="diagonal_relaxed")


def _beyond_bounds(computed: pl.DataFrame, indicator: Indicator) -> list[Finding]:
    low = -float("inf") if indicator.minimum is None else indicator.minimum
    high = float("inf") if indicator.maximum is None else indicator.maximum
    beyond = computed.filter((pl.col("value") < low) | (pl.col("value") > high))
    if not beyond.height:
        return []
    excess = pl.max_horizontal(low - pl.col("value"), pl.col("value") - high)
    most = worst_of(beyond, ["indicator"], excess).row(0, named=True)
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
            lowest=beyond.select(pl.col("value").min()).item(),
            highest=beyond.select(pl.col("value").max()).item(),
        )
    ]


def _mixed_datasets(computed: pl.DataFrame, indicator: Indicator) -> list[Finding]:
    mixed = computed.filter(pl.col("dataset").str.contains("、") & pl.col("known"))
    if not mixed.height:
        return []
    datasets = sorted(mixed["dataset"].unique())
    return [
        finding(
            "formula.several-datasets",
            f"{indicator.zh}：{mixed.height} 个结果的各项取自不同来源（{'；'.join(datasets)}）",
            severity=Severity.INFO,
            indicator=indicator.id,
            rows=mixed.height,
            datasets="；".join(datasets),
        )
    ]
