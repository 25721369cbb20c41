"""Which observations enter an account: each amount once, from one dataset, at one level of its breakdowns, in one flow."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.observation import KEY, ObservationKind, Review
from dafeng.carbon.flows import active_splits, match_flows
from dafeng.catalog import Catalog
from dafeng.catalog.carbon_schemas import Boundary

__all__ = ["REVIEWS", "UNIT", "Activities", "report", "select_activities"]

REVIEWS: Final = tuple(review.value for review in Review if review is not Review.WITHDRAWN)
"""Reviews from the least to the most."""
UNIT: Final = ("place", "extent", "period", "scenario", "member", "world")
"""Columns that name one account: its components are summed to totals. World: fact, projected or demonstration."""
_CODES: Final = ("building_class", "carrier", "end_use")
_GROUP: Final = ("indicator", *UNIT)
_TOLERANCE: Final = 0.005
_SHOWN: Final = 10
_WORLDS: Final = {ObservationKind.PROJECTED: "projected", ObservationKind.DEMONSTRATION: "demonstration"}
_KINDS: Final = {ObservationKind.COMPUTED: 1, ObservationKind.ESTIMATED: 2}
_NUMBERS: Final = ("value", "low", "high", "coverage")
_FEW: Final = (*KEY, "missing_reason", "review")  # columns with few distinct texts


class Activities(NamedTuple):
    """Rows that enter an account."""

    rows: pl.DataFrame
    """Columns of `UNIT`, indicator, the breakdowns, dataset, basis, value, low, high, coverage, weakness, review, published,
    version, flow (null where none takes it), component, gap (why the amount cannot be used, null where it can)."""
    source: pl.DataFrame
    """The observations as given, those of the boundary's indicators only: what a restatement starts from."""
    findings: list[Finding]
    """What was left out or refused."""


def report(
    rows: pl.DataFrame,
    name: str,
    sentence: str,
    *,
    severity: Severity = Severity.ERROR,
    expected: str = "",
    next_step: str = "",
) -> list[Finding]:
    """Return findings for rows of one problem: the first ones singly, then how many there are in all.

    Parameters
    ----------
    rows : DataFrame
        Offending rows; `UNIT`, indicator, breakdowns and value are shown where present.
    name, sentence : str
        Name of the finding below ``carbon.``, and what is wrong.
    """
    if not rows.height:
        return []
    columns = [name for name in ("place", "period", "indicator", *_CODES, "component", "value") if name in rows.columns]
    shown = rows.select(columns).with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(columns).head(_SHOWN)
    rest = f"（共 {rows.height} 行）" if rows.height > 1 else ""
    return [
        Finding(
            name=f"carbon.{name}",
            sentence=f"{' '.join(str(part) for part in row.values() if part not in (None, 'all'))}：{sentence}{rest}",
            severity=severity,
            value="" if row.get("value") is None else f"{row['value']:g}",
            expected=expected,
            next_step=next_step,
            where=Location(field=row.get("indicator") or ""),
            evidence={**row, "rows": rows.height},
        )
        for row in shown.iter_rows(named=True)
    ]


def select_activities(
    observations: pl.DataFrame | pl.LazyFrame,
    catalog: Catalog,
    boundary: Boundary,
    *,
    split: Collection[str] | None,
    gross_purchases: bool,
) -> Activities:
    """Return the rows that enter an account, each with its flow, and what is wrong with the others.

    Raises
    ------
    InputError
        A column is missing, or two rows have one key.
    """
    source = _read(observations, {flow.indicator for flow in boundary.flows})
    rows, findings = _enter(source)
    matched = match_flows(
        rows.select("indicator", *_CODES).unique().cast(pl.String),
        boundary,
        active_splits(boundary, split),
    )
    codes = [pl.col(name).cast(pl.Categorical) for name in ("indicator", *_CODES, "component")]
    rows = rows.join(matched.drop("moved_by", "matches").with_columns(codes), on=["indicator", *_CODES], how="left")
    if matched["outside"].null_count() < matched.height:
        findings += _outside(rows)
        rows = rows.filter(pl.col("outside").is_null())
    rows = rows.drop("outside")
    idle = [number for number, flow in enumerate(boundary.flows) if flow.only_if_gross and not gross_purchases]
    not_deducted = rows.filter(pl.col("flow").is_in(idle)) if idle else rows.clear()
    findings += report(
        not_deducted,
        "activity.purchases-net",
        "外购电量已声明为净值，自用光伏不再扣减",
        severity=Severity.INFO,
        next_step="电量含自用光伏时声明 gross_purchases",
    )
    if not_deducted.height:
        rows = rows.filter(~pl.col("flow").is_in(idle).fill_null(False))
    rows, found = _one_dataset(rows, catalog)
    findings += found
    rows, found = _one_level(rows, catalog)
    findings += found
    rows, found = _refuse(rows, catalog, matched)
    return Activities(rows, source, findings + found)


def _outside(rows: pl.DataFrame) -> list[Finding]:
    counts = rows.filter(pl.col("outside").is_not_null()).group_by("indicator", "outside").len().sort("outside")
    return [
        Finding(
            name="carbon.flow.outside",
            sentence=f"{count} 行按边界声明不计入：{why}",
            severity=Severity.INFO,
            where=Location(field=indicator),
            evidence={"rows": count, "indicator": indicator},
        )
        for indicator, why, count in counts.cast({"indicator": pl.String}).iter_rows()
    ]


def _read(observations: pl.DataFrame | pl.LazyFrame, indicators: Collection[str]) -> pl.DataFrame:
    lazy = observations.lazy()
    given = lazy.collect_schema().names()
    columns = [*KEY, *_NUMBERS, "missing_reason", "published_on", "review"]
    absent = [name for name in columns if name not in given]
    if absent:
        raise InputError(
            f"no column {', '.join(absent)}",
            doing="account for emissions",
            expected="a frame of observations",
            next_step="read the frame from a snapshot",
        )
    names = [name for name in ("version", "lineage") if name in given]
    version = pl.coalesce(names) if names else pl.lit(None, dtype=pl.String)
    wanted = (
        lazy.filter(pl.col("indicator").cast(pl.String).is_in(sorted(indicators)))
        .with_columns(version=version)
        .select(*KEY, *_NUMBERS, "missing_reason", "published_on", "review", "version")
    )
    rows = wanted.with_columns(pl.col(_FEW).cast(pl.Categorical)).collect()
    if rows["version"].null_count():
        rows = rows.with_columns(
            pl.coalesce("version", pl.concat_str([pl.col(name).cast(pl.String) for name in KEY], separator="/"))
        )
    return rows


def _enter(source: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    findings: list[Finding] = []
    rows = source.filter(pl.col("review").ne_missing(Review.WITHDRAWN.value))
    quantiles = ~pl.col("member").is_in(["", "mean"])
    whole_years = [text for text in rows["period"].unique().cast(pl.String) if re.fullmatch(r"\d{4}", text)]
    for left_out, name, sentence, step in (
        (quantiles, "activity.quantile", "分位数不能相加，未参与核算", ""),
        (~pl.col("period").is_in(whole_years), "activity.part-year", "不是整年的数值，未参与核算", "先把各期合并为年"),
    ):
        those = rows.filter(left_out)
        if those.height:
            findings += report(those, name, sentence, severity=Severity.WARNING, next_step=step)
            rows = rows.filter(~left_out)
    return rows.select(
        *(name for name in UNIT if name != "world"),
        mapped(
            rows["kind"], {kind.value: _WORLDS.get(kind, "fact") for kind in ObservationKind}, pl.Categorical()
        ).alias("world"),
        *("indicator", *_CODES, "dataset", "basis", *_NUMBERS, "version", "missing_reason"),
        mapped(rows["kind"], {kind.value: _KINDS.get(kind, 0) for kind in ObservationKind}, pl.Int8()).alias(
            "weakness"
        ),
        mapped(rows["review"], {text: rank for rank, text in enumerate(REVIEWS)}, pl.Int8()).alias("review"),
        published=pl.col("published_on").to_physical().fill_null(2**31 - 1),
    ), findings


def mapped(series: pl.Series, values: Mapping[str, object], dtype: pl.DataType) -> pl.Series:
    """Return what `values` says of each text of a categorical column, by way of its few distinct texts."""
    distinct = series.unique().drop_nulls()
    table = pl.DataFrame(
        {"text": distinct, "to": pl.Series([values[text] for text in distinct.cast(pl.String)], dtype=dtype)}
    )
    if table.height == 1 and not series.null_count():
        return pl.select(pl.repeat(table["to"][0], len(series), dtype=dtype)).to_series()
    joined = pl.DataFrame({"text": series}).join(table, on="text", how="left", maintain_order="left")
    return joined["to"]


def _one_dataset(rows: pl.DataFrame, catalog: Catalog) -> tuple[pl.DataFrame, list[Finding]]:
    """Keep for each indicator, account and carrier the rows of one dataset (and of facts before estimates)."""
    source = ["dataset", "weakness"]
    if rows.select(pl.struct("indicator", *source).n_unique() == pl.col("indicator").n_unique()).item():
        return rows, []
    group = [*_GROUP, "carrier"]
    ranks = [
        (name, dataset, rank)
        for name in rows["indicator"].unique().cast(pl.String)
        for rank, dataset in enumerate(catalog.indicators[name].precedence)
    ]
    table = pl.DataFrame(
        ranks, schema={"indicator": pl.Categorical, "dataset": pl.Categorical, "rank": pl.Int32}, orient="row"
    )
    offered = (
        rows.select(*group, *source)
        .unique()
        .join(table, on=["indicator", "dataset"], how="left")
        .with_columns(pl.col("rank").fill_null(len(ranks)), text=pl.col("dataset").cast(pl.String))
        .sort("rank", "weakness", "text")
    )
    chosen = offered.unique(group, keep="first", maintain_order=True)
    passed_over = rows.join(chosen.select(*group, *source), on=[*group, *source], how="anti")
    kept = rows.join(chosen.select(*group, *source), on=[*group, *source], how="semi")
    findings = report(
        passed_over,
        "activity.several-datasets",
        "另有来源优先，该值未参与核算",
        severity=Severity.WARNING,
        next_step="在指标的 precedence 中声明来源的先后",
    )
    return kept, findings


def _one_level(rows: pl.DataFrame, catalog: Catalog) -> tuple[pl.DataFrame, list[Finding]]:
    """Keep of a total and its parts one: the parts where they make up the total, else the total."""
    tables = {}
    nested: set[str] = set()
    present = rows.select("indicator", *_CODES).unique().cast(pl.String)
    for column in _CODES:
        parents = _parents(catalog, column)
        codes = set(present[column])
        chains = [
            (code, above, steps)
            for code in codes
            for steps, above in enumerate(_chain(code, parents))
            if above in codes
        ]
        tables[column] = pl.DataFrame(
            chains,
            schema={column: pl.Categorical, f"{column}.above": pl.Categorical, f"{column}.steps": pl.Int32},
            orient="row",
        )
        for (indicator,), own in present.group_by("indicator"):
            names = set(own[column])
            if any(above in names for code in names for above in _chain(code, parents)[1:]):
                nested.add(str(indicator))
    if not nested:
        return rows, []
    rows = rows.with_row_index("row")
    affected = rows.filter(pl.col("indicator").is_in(sorted(nested)))
    applicable = pl.col("missing_reason").cast(pl.String).ne_missing("not_applicable")
    pairs = affected.filter(applicable).select("row", *_GROUP, "basis", *_CODES)
    for column in _CODES:
        pairs = pairs.join(tables[column], on=column).drop(column).rename({f"{column}.above": column})
    steps = pl.sum_horizontal(f"{column}.steps" for column in _CODES)
    on = [*_GROUP, "basis", *_CODES]
    pairs = (
        pairs.select("row", *on, steps=steps)
        .filter(pl.col("steps") > 0)
        .join(affected.select(pl.col("row").alias("wider"), *on), on=on)
        .select("row", "wider", "steps")
    )
    nearest = pairs.sort("row", "steps", "wider").unique("row", keep="first", maintain_order=True)
    known = affected.select("row", "value", "flow")
    sums = (
        nearest.join(known, on="row")
        .group_by("wider")
        .agg(
            parts=pl.col("value").sort().sum(),
            unknown=pl.col("value").is_null().any(),
            no_flow=pl.col("flow").is_null().any(),
        )
        .join(known.rename({"row": "wider", "value": "total", "flow": "total_flow"}), on="wider")
    )
    off = (pl.col("parts") - pl.col("total")).abs() > _TOLERANCE * pl.max_horizontal("parts", "total")
    usable = pl.col("total").is_not_null() & pl.col("total_flow").is_not_null()
    use_total = usable & (pl.col("unknown") | pl.col("no_flow") | off)
    excess = usable & ~pl.col("unknown") & off & (pl.col("parts") > pl.col("total"))
    sums = sums.with_columns(use_total=use_total, excess=excess, off=off.fill_null(True) | use_total)
    by_total = set(sums.filter("use_total")["wider"])
    dropped = set(pairs.filter(pl.col("wider").is_in(sorted(by_total)))["row"])
    dropped |= set(sums.filter(~pl.col("use_total"))["wider"])
    contradicting = sums.filter("excess")["wider"]
    findings = report(
        affected.filter(pl.col("row").is_in(contradicting.implode())),
        "activity.parts-exceed-total",
        "各分项之和大于合计，该组成部分不予核算",
        next_step="核对合计与分项",
    )
    findings += report(
        affected.filter(pl.col("row").is_in(sums.filter(pl.col("off") & ~pl.col("excess"))["wider"].implode())),
        "activity.parts-short-of-total",
        "各分项之和与合计不符，采用其中口径较宽且可核算的一种",
        severity=Severity.WARNING,
        next_step="补全分项，或删去其一",
    )
    kept = rows.filter(~pl.col("row").is_in(sorted(dropped))).with_columns(
        gap=pl.when(pl.col("row").is_in(contradicting.implode())).then(pl.lit("各分项之和大于合计"))
    )
    crossing = _crossing(kept.filter(pl.col("indicator").is_in(sorted(nested))))
    findings += report(
        crossing,
        "activity.crossing-breakdowns",
        "同一数量按不同分组给出，无法判断是否重复，该组成部分不予核算",
        next_step="只保留一种分组，或给出交叉分组",
    )
    if crossing.height:
        kept = kept.with_columns(
            gap=pl.when(pl.col("row").is_in(crossing["row"].implode()))
            .then(pl.lit("同一数量按不同分组给出"))
            .otherwise(pl.col("gap"))
        )
    return kept.drop("row"), findings


def _crossing(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that give one amount by class and again by end use."""
    by_class = (pl.col("building_class") != "all") & (pl.col("end_use") == "all")
    by_use = (pl.col("building_class") == "all") & (pl.col("end_use") != "all")
    group = [*_GROUP, "carrier"]
    return rows.filter(by_class.any().over(group) & by_use.any().over(group)) if rows.height else rows


def _parents(catalog: Catalog, column: str) -> Mapping[str, str | None]:
    groups = {"building_class": ("building_class",), "carrier": ("carrier",), "end_use": ("end_use", "material")}
    return {term.code: term.parent for group in groups[column] for term in catalog.terms.get(group, {}).values()}


def _chain(code: str, parents: Mapping[str, str | None]) -> list[str]:
    chain = [code]
    while (above := parents.get(chain[-1])) is not None and above not in chain:
        chain.append(above)
    return chain if chain[-1] == "all" else [*chain, "all"]


def _refuse(rows: pl.DataFrame, catalog: Catalog, matched: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    if "gap" not in rows.columns:
        rows = rows.with_columns(gap=pl.lit(None, dtype=pl.String))
    calorific = pl.col("basis") == "calorific"
    on = [*_GROUP, *_CODES, "dataset"]
    if rows.select(calorific.any()).item():
        rows = rows.filter(calorific | (pl.col("basis") == "") | ~calorific.any().over(on))
    based = [name for name in rows["indicator"].unique().cast(pl.String) if catalog.indicators[name].bases]
    basis = pl.col("basis")
    energy = pl.col("indicator").is_in(based) if based else pl.lit(False)
    names = dict(
        matched.filter(pl.col("flow").is_null())
        .select(pl.concat_str("indicator", *_CODES, separator="/"), "matches")
        .rows()
    )
    two = [key for key, takers in names.items() if takers]
    which = (
        pl.lit("")
        if not two
        else pl.concat_str([pl.col(name).cast(pl.String) for name in ("indicator", *_CODES)], separator="/")
    )
    stray = pl.col("flow").is_null()
    problems = (
        (
            stray & which.is_in(two) if two else pl.lit(False),
            "flow.two",
            "该行同时属于两个流量，会重复计算",
            "每一行只归一个流量",
            "改正边界文件中流量的条件",
        ),
        (
            stray,
            "flow.none",
            "没有流量接收该行，未计入任何组成部分",
            "边界表中某一流量所列的能源品种、用途和建筑类别",
            "改正该行的代码，或在边界文件中加入流量",
        ),
        (
            energy & (basis == ""),
            "activity.no-basis",
            "以标准煤计的数值没有注明折算口径",
            "calorific（当量）",
            "注明口径，或改填实物量",
        ),
        (
            energy & ~basis.is_in(["", "calorific"]),
            "activity.basis",
            "发电煤耗口径的标准煤不能直接换算为电量",
            "calorific（当量）或千瓦时",
            "改填电量或当量值",
        ),
        (pl.col("value") < 0, "activity.negative", "用量为负", "不小于零的数值", "改正后重新填报"),
        (
            pl.col("value").is_null() & (pl.col("missing_reason") != "not_applicable"),
            "activity.unknown",
            "数值缺失",
            "",
            "补报该值",
        ),
    )
    findings: list[Finding] = []
    occurs = rows.select(condition.any().fill_null(False).alias(name) for condition, name, *_ in problems).row(
        0, named=True
    )
    for condition, name, sentence, expected, step in problems:
        if not occurs[name]:
            continue
        those = rows.filter(condition & pl.col("gap").is_null())
        if not those.height:
            continue
        severity = Severity.WARNING if name == "activity.unknown" else Severity.ERROR
        findings += report(those, name, sentence, severity=severity, expected=expected, next_step=step)
        rows = rows.with_columns(
            gap=pl.when(condition & pl.col("gap").is_null()).then(pl.lit(sentence)).otherwise(pl.col("gap"))
        )
    return rows.drop("missing_reason", "basis"), findings
