"""Adding up observations over places, breakdowns and periods, on whole frames.

A sum never mixes datasets, kinds, bases, extents or scenarios; zones are views and are never summed; a missing part lowers
the coverage and never counts as zero; a ratio is the sum of numerators over the sum of denominators, of those parts that
gave both; a cumulative value is never added to another; a part of a year never becomes the year.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import KEY
from dafeng.base.place import PlaceKind, PlaceTree
from dafeng.base.quantity import root_factor
from dafeng.catalog.schemas import Indicator, OverPeriods, OverPlaces
from dafeng.methods.computed import Computed, carried, compare_with_stated, enter, finding, write
from dafeng.methods.formulas import compute_formulas
from dafeng.methods.tree_sums import climb

__all__ = ["Computed", "add_up_breakdown", "add_up_periods", "add_up_places", "compute_formulas"]

_PARTS: Final = {"month": 12, "quarter": 4, "half": 2}
_AMOUNTS: Final = ("upper", "lower")
_TREE: Final = {"child": pl.String, "parent": pl.String, "depth": pl.Int64, "expected": pl.Int64}


def add_up_places(
    frame: pl.DataFrame,
    indicators: Mapping[str, Indicator],
    places: PlaceTree,
    *,
    place: str,
    day: date | None = None,
) -> Computed:
    """Add up what the divisions below a place reported, as each indicator declares.

    Parameters
    ----------
    frame : DataFrame
        Observations, one current version a key.
    indicators : mapping from id to Indicator
        ``places`` says how: sum; ratio, of the sums of numerator and denominator; mean weighted by another indicator; none.
    places : PlaceTree
    place : str
        Place whose values are wanted.
    day : date, optional
        Day whose divisions count.

    Returns
    -------
    Computed
        A division without a value of its own is replaced by its own divisions. Coverage is the share of divisions that
        reported. Indicators that do not add up are refused with a finding, and so is a stated total that differs.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rows = [Observation(indicator="water_supply_volume", place=city, extent="city_proper", period="2024", value=value,
    ...                     dataset="yearbook", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...         for city, value in (("changchun", 3e8), ("jilin-city", 1e8))]
    >>> sums, _ = add_up_places(observation_frame(rows), catalog.indicators, catalog.places, place="jilin")
    >>> sums.select("place", "value", "kind", "dataset").row(0), sums["coverage"][0] < 1
    (('jilin', 400000000.0, 'computed', 'computed'), True)
    """
    rows, findings = enter(frame, indicators)
    tree, zones = _place_tree(places, place, day)
    findings += _zones_left_out(rows, zones)
    below = rows.filter(pl.col("place").is_in([place, *tree["child"]]))
    group = [name for name in KEY if name != "place"]
    of_rule = {
        rule: [indicator for indicator in indicators.values() if indicator.places is rule] for rule in OverPlaces
    }
    findings += _refused(below.filter(pl.col("place") != place), of_rule[OverPlaces.NONE], "places", "各地数值不能相加")
    sums = climb(
        _of(below, of_rule[OverPlaces.SUM]).with_columns(upper="value", lower=pl.lit(1.0)),
        tree,
        "place",
        root=place,
        group=group,
        amounts=_AMOUNTS,
    ).with_columns(value="upper")
    frames = [sums]
    parts_of = {
        OverPlaces.RATIO: lambda one: (one.numerator, one.denominator),
        OverPlaces.WEIGHTED: lambda one: (one.id, one.weight),
    }
    of_indicator = {str(key): part for (key,), part in below.partition_by("indicator", as_dict=True).items()}
    paired: list[pl.DataFrame] = []
    alone: list[Indicator] = []
    factors: dict[str, float] = {}
    for indicator in (*of_rule[OverPlaces.RATIO], *of_rule[OverPlaces.WEIGHTED]):
        upper, lower = parts_of[indicator.places](indicator)
        if upper in of_indicator and lower in of_indicator:
            above, under = of_indicator[upper], of_indicator[lower]
            both, problems = _pair(above, under, indicator, indicators[lower])
            findings += problems
            paired.append(both)
            factors[indicator.id] = (
                1.0
                if indicator.places is OverPlaces.WEIGHTED
                else root_factor(indicators[upper].unit)
                / root_factor(indicators[lower].unit)
                / root_factor(indicator.unit)
            )
        elif indicator.id in of_indicator:
            alone.append(indicator)
    findings += _refused(below.filter(pl.col("place") != place), alone, "places", "缺少分子分母或权重，比率不能相加")
    if paired:
        ratios = climb(pl.concat(paired), tree, "place", root=place, group=group, amounts=_AMOUNTS)
        frames.append(
            ratios.with_columns(
                value=pl.when(pl.col("lower") != 0).then(
                    pl.col("upper")
                    / pl.col("lower")
                    * pl.col("indicator").replace_strict(factors, return_dtype=pl.Float64)
                ),
                excused=pl.col("excused") | (pl.col("known") & (pl.col("lower") == 0)),
                low=pl.lit(None, dtype=pl.Float64),
                high=pl.lit(None, dtype=pl.Float64),
            )
        )
    results = pl.concat(frames, how="diagonal_relaxed")
    findings += compare_with_stated(results, rows, what="各地合计")
    observations, lineage, spread = write(results, indicators, rule=f"add_up_places {place}")
    return Computed(observations, findings + spread, lineage)


def add_up_breakdown(
    frame: pl.DataFrame, indicators: Mapping[str, Indicator], column: str, parents: Mapping[str, str]
) -> Computed:
    """Add up the parts of one breakdown column to its total, for the indicators that declare it.

    Parameters
    ----------
    frame : DataFrame
        Observations, one current version a key.
    indicators : mapping from id to Indicator
        ``adds_up`` names the columns whose parts sum.
    column : str
        building_class, carrier, end_use or boundary.
    parents : mapping from code to wider code
        The vocabulary's tree; codes without a parent stand below ``all``. A wider part with a value of its own is taken in
        place of its narrower ones, so that nothing is counted twice.

    Returns
    -------
    Computed
        Rows with ``all`` in that column. A part that the dataset gives for this indicator anywhere in the frame is expected
        everywhere.
    """
    rows, findings = enter(frame, indicators)
    summed = [indicator for indicator in indicators.values() if column in indicator.adds_up]
    parts = rows.filter(pl.col(column) != "all")
    others = [indicator for indicator in indicators.values() if column not in indicator.adds_up]
    findings += _refused(parts, others, column, "各分项不能相加")
    group = [name for name in KEY if name != column]
    results: list[pl.DataFrame] = []
    relevant = _of(parts, summed).with_columns(upper="value", lower=pl.lit(1.0))
    for (_, _), own in relevant.group_by(["indicator", "dataset"], maintain_order=True):
        tree = _code_tree(own[column].unique().to_list(), parents)
        results.append(climb(own, tree, column, root="all", group=group, amounts=_AMOUNTS).with_columns(value="upper"))
    if not results:
        observations, lineage, _ = write(pl.DataFrame(), indicators, rule="")
        return Computed(observations, findings, lineage)
    together = pl.concat(results)
    findings += compare_with_stated(together, rows, what="分项合计")
    observations, lineage, spread = write(together, indicators, rule=f"add_up_breakdown {column}")
    return Computed(observations, findings + spread, lineage)


def add_up_periods(
    frame: pl.DataFrame, indicators: Mapping[str, Indicator], *, least_coverage: float = 1.0
) -> Computed:
    """Bring months, quarters or halves to years, as each indicator declares: sum, last part, mean, or not at all.

    Parameters
    ----------
    frame : DataFrame
        Observations, one current version a key; years, cumulative values, days and seasons are left aside.
    indicators : mapping from id to Indicator
    least_coverage : float, default 1.0
        Share of the year's parts that must be known; below 1 a gap is allowed with its coverage stated, but the last part
        of the year must be there: a part year never becomes the year.

    Returns
    -------
    Computed
        One year a group, from the finest parts that suffice. Where the months from January on are known without a gap but
        the year is not over, the cumulative period; otherwise a finding.
    """
    rows, findings = enter(frame, indicators)
    parts = _year_parts(rows)
    by_rule = {
        rule: [indicator for indicator in indicators.values() if indicator.periods is rule] for rule in OverPeriods
    }
    findings += _refused(parts, by_rule[OverPeriods.NONE], "periods", "各期数值不能合并为年")
    parts = parts.filter(~pl.col("indicator").is_in([one.id for one in by_rule[OverPeriods.NONE]]))
    ruling = {one.id: one.periods.value for one in indicators.values()}
    rule = pl.col("indicator").replace_strict(ruling, return_dtype=pl.String)
    group = [name for name in KEY if name != "period"]
    known = pl.col("known")
    at_end = pl.col("number") == pl.col("of")
    whole = (
        parts.sort([*group, "year", "sort", "number"])
        .group_by([*group, "year", "sort"], maintain_order=True)
        .agg(
            pl.col("of").first(),
            *carried(),
            total=pl.col("value").filter(known).sum(),
            mean=pl.col("value").filter(known).mean(),
            last=pl.col("value").filter(at_end & known).first(),
            given=known.sum(),
            latest=pl.col("number").filter(known).max(),
            part_coverage=pl.col("coverage").filter(known).sum(),
            excused=pl.lit(False),
        )
        .with_columns(
            rule=rule,
            coverage=pl.when(rule == OverPeriods.LAST.value)
            .then(pl.col("last").is_not_null().cast(pl.Float64))
            .otherwise(pl.col("part_coverage") / pl.col("of")),
            ended=pl.col("latest").eq_missing(pl.col("of")),
            low=pl.lit(None, dtype=pl.Float64),
            high=pl.lit(None, dtype=pl.Float64),
        )
        .with_columns(
            value=pl.when(pl.col("rule") == OverPeriods.LAST.value)
            .then("last")
            .when(pl.col("rule") == OverPeriods.MEAN.value)
            .then("mean")
            .otherwise("total"),
            suffices=pl.when(pl.col("rule") == OverPeriods.LAST.value)
            .then(pl.col("last").is_not_null())
            .otherwise(pl.col("ended") & (pl.col("given") >= least_coverage * pl.col("of") - 1e-9)),
        )
    )
    years = (
        whole.filter("suffices")
        .sort([*group, "year", "coverage", "of"], descending=[*[False] * (len(group) + 1), True, True])
        .unique([*group, "year"], keep="first", maintain_order=True)
        .with_columns(period=pl.col("year"))
    )
    open_years = whole.join(years.select([*group, "year"]), on=[*group, "year"], how="anti")
    running = open_years.filter(
        (pl.col("rule") == OverPeriods.SUM.value) & (pl.col("sort") == "month") & (pl.col("given") == pl.col("latest"))
    ).with_columns(
        period=pl.format("{}-01..{}", "year", pl.col("latest").cast(pl.String).str.zfill(2)),
        coverage=pl.col("part_coverage") / pl.col("given"),
    )
    findings += _part_years(open_years)
    results = pl.concat([years, running]).with_columns(rule=pl.format("add_up_periods {}", "rule"))
    findings += compare_with_stated(results, rows, what="各期合计")
    observations, lineage, spread = write(results, indicators, rule="add_up_periods")
    return Computed(observations, findings + spread, lineage)


def _of(rows: pl.DataFrame, indicators: list[Indicator]) -> pl.DataFrame:
    return rows.filter(pl.col("indicator").is_in([indicator.id for indicator in indicators]))


def _refused(rows: pl.DataFrame, indicators: list[Indicator], over: str, sentence: str) -> list[Finding]:
    found = _of(rows, indicators)["indicator"].unique().sort()
    named = {indicator.id: indicator for indicator in indicators}
    return [
        finding(
            f"{over.replace('_', '-')}.not-additive",
            f"{named[name].zh}：{sentence}，未计算",
            next_step="在目录中为该指标声明加总方式，或直接填报合计",
            indicator=name,
        )
        for name in found
    ]


def _place_tree(places: PlaceTree, place: str, day: date | None) -> tuple[pl.DataFrame, set[str]]:
    edges: list[tuple[str, str, int, int]] = []
    zones: set[str] = set()
    waiting = deque([(places.get(place).id, 1)])
    while waiting:
        parent, depth = waiting.popleft()
        children = places.children(parent, day=day)
        zones.update(zone.id for zone in places.children(parent, day=day, kind=PlaceKind.ZONE))
        edges += [(child.id, parent, depth, len(children)) for child in children]
        waiting.extend((child.id, depth + 1) for child in children)
    return pl.DataFrame(edges, schema=_TREE, orient="row"), zones


def _code_tree(codes: list[str], parents: Mapping[str, str]) -> pl.DataFrame:
    chains: dict[str, list[str]] = {}
    for code in codes:
        chain = [code]
        while (above := parents.get(chain[-1], "all")) != "all" and above not in chain:
            chain.append(above)
        for index, link in enumerate(chain):
            chains[link] = chain[index:]
    over = {code: chain[1] if len(chain) > 1 else "all" for code, chain in chains.items()}
    counts = [sum(1 for other in over.values() if other == over[code]) for code in chains]
    edges = [(code, over[code], len(chain), count) for (code, chain), count in zip(chains.items(), counts, strict=True)]
    return pl.DataFrame(edges, schema=_TREE, orient="row")


def _zones_left_out(rows: pl.DataFrame, zones: set[str]) -> list[Finding]:
    found = sorted(rows.filter(pl.col("place").is_in(sorted(zones)))["place"].unique())
    if not found:
        return []
    return [
        finding(
            "places.zones",
            f"功能区与行政区重叠，不参加合计：{'、'.join(found)}",
            severity=Severity.INFO,
            places="、".join(found),
        )
    ]


def _pair(
    above: pl.DataFrame, below: pl.DataFrame, indicator: Indicator, lower: Indicator
) -> tuple[pl.DataFrame, list[Finding]]:
    """Return rows of `indicator` that carry both parts of its ratio; a part is known where both are."""
    on = [name for name in KEY if name != "indicator" and (name != "basis" or lower.bases)]
    shared = below.select(
        *on,
        *(pl.col(name).alias(f"lower_{name}") for name in ("value", "known", "excused", "coverage", "inputs")),
        *(pl.col(name).alias(f"lower_{name}") for name in ("recorded_at", "published_on", "review")),
    ).unique(on, keep="first", maintain_order=True)
    pairs = above.join(shared, on=on, how="inner")
    problems = []
    if not pairs.height:
        problems.append(
            finding(
                "places.no-pair",
                f"{indicator.zh}：分子与分母（或权重）不属于同一数据来源、范围或期间，未计算",
                indicator=indicator.id,
                next_step="补齐同一来源的分子与分母",
            )
        )
    known = pl.col("known") & pl.col("lower_known")
    weighted = pl.col("value") * pl.col("lower_value") if indicator.places is OverPlaces.WEIGHTED else pl.col("value")
    return pairs.with_columns(
        indicator=pl.lit(indicator.id),
        upper=pl.when(known).then(weighted),
        lower=pl.when(known).then("lower_value"),
        known=known,
        excused=pl.col("excused") | pl.col("lower_excused"),
        coverage=pl.min_horizontal("coverage", "lower_coverage"),
        inputs=pl.concat_list("inputs", "lower_inputs"),
        recorded_at=pl.max_horizontal("recorded_at", "lower_recorded_at"),
        published_on=pl.when(pl.col("published_on").is_not_null() & pl.col("lower_published_on").is_not_null()).then(
            pl.max_horizontal("published_on", "lower_published_on")
        ),
        review=pl.min_horizontal("review", "lower_review"),
    ).select([*above.columns, *_AMOUNTS]), problems


def _year_parts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return months, quarters and halves with year, sort, number and count of such parts in a year."""
    number = pl.col("period").str.extract(r"^\d{4}-[QH]?(\d{1,2})$").cast(pl.Int64)
    letter = pl.col("period").str.extract(r"^\d{4}-([QH])\d$")
    sort = pl.when(letter == "Q").then(pl.lit("quarter")).when(letter == "H").then(pl.lit("half"))
    return (
        rows.with_columns(
            number=number,
            year=pl.col("period").str.slice(0, 4),
            sort=sort.otherwise(pl.lit("month")),
        )
        .filter(pl.col("number").is_not_null())
        .with_columns(of=pl.col("sort").replace_strict(_PARTS, return_dtype=pl.Int64))
    )


def _part_years(whole: pl.DataFrame) -> list[Finding]:
    series = whole.unique(["indicator", "place", "year", "sort"], keep="first", maintain_order=True)
    kinds = ["indicator", "year", "sort", "given"]
    return [
        finding(
            "periods.part-year",
            f"{row['place']}{'等' if row['rows'] > 1 else ''} {row['year']}年 {row['indicator']}："
            f"{row['of']} 期中有 {row['given']} 期，不作全年值" + (f"，共 {row['rows']} 地" if row["rows"] > 1 else ""),
            severity=Severity.INFO,
            indicator=row["indicator"],
            place=row["place"],
            period=row["year"],
            given=row["given"],
            needed=row["of"],
            rows=row["rows"],
        )
        for row in series.with_columns(rows=pl.len().over(kinds))
        .unique(kinds, keep="first", maintain_order=True)
        .iter_rows(named=True)
    ]
