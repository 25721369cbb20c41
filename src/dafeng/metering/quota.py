"""Buildings against their quotas (能耗定额): three answers and what is missing, never a guess.

What a building used is a range (`quota_amounts`), its quota perhaps one of several (`quota_matching`). The corrected use,
measured use times the correction factors, is held against constraint and guide value at both ends of the range and for
every quota that may hold; only what comes out the same everywhere is a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.finding import Finding
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.metering_schemas import QuotaMethod
from dafeng.metering.quota_amounts import USE_SCHEMA, counted_amounts
from dafeng.metering.quota_findings import quota_findings
from dafeng.metering.quota_matching import (
    correction_factors,
    perhaps_without_quota,
    quota_candidates,
    quota_types,
    with_fields,
)

__all__ = ["QUOTA_VERDICTS", "USE_SCHEMA", "VERDICT_SCHEMA", "QuotaResult", "judge_quota", "over_quota"]

QUOTA_VERDICTS: Final[dict[str, str]] = {
    "guide": "优于引导值",
    "constraint": "达标",
    "over": "超约束值",
    "depends": "取决于类别",
    "unknown": "待定",
}
"""Verdicts: not above the guide value; not above the constraint value; above it; different for the classes that the building
may belong to; not to be said, with what is missing."""

VERDICT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "building": pl.String(),
    "name": pl.String(),
    "place": pl.String(),
    "building_type": pl.String(),
    "ventilation_class": pl.String(),
    "climate_zone": pl.String(),
    "year": pl.Int64(),
    "measure": pl.String(),
    "part": pl.String(),
    "quotas": pl.List(pl.String()),
    "unit": pl.String(),
    "size": pl.Float64(),
    "coverage": pl.Float64(),
    "counted": pl.String(),
    "use_low": pl.Float64(),
    "use_high": pl.Float64(),
    "intensity_low": pl.Float64(),
    "intensity_high": pl.Float64(),
    "factor": pl.Float64(),
    "corrections": pl.String(),
    "uncorrected": pl.List(pl.String()),
    "corrected_low": pl.Float64(),
    "corrected_high": pl.Float64(),
    "constraint": pl.Float64(),
    "guide": pl.Float64(),
    "constraints": pl.List(pl.Float64()),
    "guides": pl.List(pl.Float64()),
    "excess": pl.Float64(),
    "verdict": pl.String(),
    "already_over": pl.Boolean(),
    "missing": pl.List(pl.String()),
    "reason": pl.String(),
    "grade": pl.String(),
}
"""Columns of verdicts, one row a building, measure and part.

measure: non_heating (kWh of electricity), heating_heat (GJ), household_electricity, household_gas. part: main, garage,
data_room. quotas: ids of every quota that may hold. size: m² or households; use, intensity, corrected: least and most.
factor: product of the corrections in `corrections`; those in `uncorrected` lack data and count as 1. constraint, guide:
null where they differ between the quotas; constraints, guides: all that may hold. excess: percent by which the corrected use is above the constraint at least
(negative: below it at least); null where not to be said. already_over: what is known already exceeds every constraint value.
grade: the least sure of the quotas'."""
_KEY: Final = ["building", "measure", "part"]
_ORDER: Final = {0: "guide", 1: "constraint", 2: "over"}
_MEASURES: Final = ("non_heating", "heating_heat", "household_electricity", "household_gas")


@dataclass(frozen=True)
class QuotaResult:
    """What judging came to.

    Attributes
    ----------
    verdicts : DataFrame of `VERDICT_SCHEMA`
        By building, measure, part.
    candidates : DataFrame
        Each quota that may hold for a row of `verdicts`: building, measure, part, quota, class, constraint, guide, factor,
        corrected_low, corrected_high, verdict.
    findings : list of Finding
        `quota.match.none`, `quota.match.two`, `quota.correction.unknown`, `quota.correction.far`,
        `quota.coverage.partial`, `quota.verdict.depends`.
    """

    verdicts: pl.DataFrame
    candidates: pl.DataFrame
    findings: list[Finding]


def judge_quota(
    buildings: pl.DataFrame,
    use: pl.DataFrame,
    catalog: Catalog,
    *,
    year: int,
    parts: pl.DataFrame | None = None,
    standard: str = "gbt51161",
    most: int = 200,
) -> QuotaResult:
    """Hold the yearly use of buildings against their quotas.

    Parameters
    ----------
    buildings : DataFrame
        Rows of the register of buildings: `building` or `building_code`, `place`, and what is known of the other fields, in
        canonical units; a column that is missing is unknown for all.
    use : DataFrame of `USE_SCHEMA`
        Yearly use by building and energy item; other years are passed over.
    catalog : Catalog
    year : int
        Year judged; quotas are those that hold on its last day.
    parts : DataFrame, optional
        Functional areas of mixed buildings: `building`, `area` (m²) and fields that say what the part is (building_type,
        shop_kind, operating_hours …). The quota of such a building is the mean of its parts' weighted by area.
    standard : str
        Method by which energy is counted; quotas of standards that precede it take the place of its own.
    most : int
        Findings said one by one under each name; the rest is counted.

    Returns
    -------
    QuotaResult

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> office = {"building": "a", "place": "qingdao-shinan", "building_class": "public", "building_type": "office",
    ...           "ventilation_class": "B", "climate_zone": "cold_a", "gross_area": 10000.0, "heating_kind": "radiator",
    ...           "operating_hours": 2500.0, "employees": 1000.0}
    >>> use = pl.DataFrame([("a", "01000", "2024", 880000.0, 0.0, 0.0, 1.0), ("a", "04000", "2024", 1500.0, 0.0, 0.0, 1.0)],
    ...                    schema=USE_SCHEMA, orient="row")
    >>> result = judge_quota(pl.DataFrame([office]), use, load_catalog(), year=2024)
    >>> result.verdicts.select("measure", "corrected_low", "constraint", pl.col("excess").round(9), "verdict", "missing").rows()
    [('heating_heat', 0.15, 0.21, None, 'unknown', ['heated_area']), ('non_heating', 88.0, 80.0, 10.0, 'over', [])]
    """
    method = catalog.quota_methods[standard]
    types = quota_types(catalog)
    frame = buildings if "building" in buildings.columns else buildings.rename({"building_code": "building"})
    wanted = (
        "place",
        "building_type",
        "building_class",
        "ventilation_class",
        "climate_zone",
        "building_name",
        "gross_area",
    )
    frame = with_fields(frame, wanted, types)
    amounts = counted_amounts(frame, use, method, types, year=year)
    on = date(year, 12, 31)
    standards = [
        name for name, each in catalog.quota_methods.items() if name == method.id or method.id in each.precedes
    ]
    candidates = _scenarios(frame, amounts, catalog, method, on, standards, parts)
    judged = _judged(amounts, candidates)
    without = _without(frame, catalog, on, standards, parts)
    verdicts = _combined(amounts.join(without, on=_KEY, how="left"), judged, method, _names(catalog))
    shown = frame.select(
        "building", "place", "building_type", "ventilation_class", "climate_zone", name="building_name"
    )
    verdicts = verdicts.join(shown, on="building", how="left").with_columns(year=pl.lit(year))
    verdicts = verdicts.select(pl.col(name).cast(kind) for name, kind in VERDICT_SCHEMA.items()).sort(_KEY)
    same = pl.col("least") == pl.col("most")
    listed = judged.select(
        *_KEY, "quota", "class", "constraint", "guide", "factor", "corrected_low", "corrected_high",
        verdict=pl.when(same).then(pl.col("least").replace_strict(_ORDER, return_dtype=pl.String)).otherwise(pl.lit("unknown")),
    ).sort(*_KEY, "quota")  # fmt: skip
    return QuotaResult(verdicts, listed, quota_findings(verdicts, judged, catalog, most))


def over_quota(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that are above their constraint value, by percent above it (超限额名单).

    Parameters
    ----------
    verdicts : DataFrame of `VERDICT_SCHEMA`
    """
    return verdicts.filter(pl.col("verdict") == "over").sort("excess", *_KEY, descending=[True, False, False, False])


def _scenarios(
    frame: pl.DataFrame,
    amounts: pl.DataFrame,
    catalog: Catalog,
    method: QuotaMethod,
    on: date,
    standards: list[str],
    parts: pl.DataFrame | None,
) -> pl.DataFrame:
    """Return quotas with factors for each row of amounts; where areas are mixed, the mean of theirs."""
    plain = amounts.filter(pl.col("part") == "main").select("building", "measure", "size_low", "size_high")
    found = []
    for measure in _MEASURES:
        own = plain.filter(pl.col("measure") == measure)
        # The largest area that may be: use over it times its corrections is least.
        some = frame.join(own.select("building", judged_area=pl.coalesce("size_low", "size_high")), on="building")
        if parts is not None and measure == "non_heating":
            some = some.join(parts.select("building"), on="building", how="anti")
        found.append(_with_factors(some, catalog, measure, on, standards).with_columns(part=pl.lit("main")))
    for part in method.apart:
        there = amounts.filter(pl.col("part") == part.id).select("building")
        some = frame.join(there, on="building", how="semi").with_columns(judged_area=pl.lit(None, pl.Float64))
        rows = quota_candidates(some, catalog, measure="non_heating", on=on, kinds=[part.id], standards=standards)
        rows = _factors_of_none(rows).with_columns(measure=pl.lit("non_heating"), part=pl.lit(part.id))
        found.append(rows.select(found[0].columns))
    if parts is not None:
        found.append(_mixed(frame, parts, catalog, on, standards).select(found[0].columns))
    return _with_garages(pl.concat(found), amounts)


def _without(
    frame: pl.DataFrame, catalog: Catalog, on: date, standards: list[str], parts: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the fields for which a building, or a part of it, may be of a kind without quota."""
    found = []
    for measure in _MEASURES:
        whole = frame if parts is None or measure != "non_heating" else frame.join(parts, on="building", how="anti")
        rows = perhaps_without_quota(whole, catalog, measure=measure, on=on, standards=standards)
        found.append(rows.with_columns(measure=pl.lit(measure), part=pl.lit("main")))
    if parts is not None:
        mixed = parts.join(
            frame.drop([name for name in parts.columns if name != "building"], strict=False), on="building"
        )
        rows = perhaps_without_quota(mixed, catalog, measure="non_heating", on=on, standards=standards)
        found.append(rows.with_columns(measure=pl.lit("non_heating"), part=pl.lit("main")))
    return pl.concat(found)


def _factors_of_none(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        factor=pl.lit(1.0), corrections=pl.lit(""), uncorrected=pl.lit([], pl.List(pl.String)), sound=pl.lit(True)
    )


def _with_factors(
    frame: pl.DataFrame, catalog: Catalog, measure: str, on: date, standards: Iterable[str]
) -> pl.DataFrame:
    """Return candidates of one measure with the product of their corrections."""
    rows = quota_candidates(frame, catalog, measure=measure, on=on, standards=standards)
    rows = rows.with_columns(measure=pl.lit(measure))
    if measure != "non_heating":
        return _factors_of_none(rows)
    factors = (
        correction_factors(frame, catalog)
        .group_by("building", "standard", "kind", maintain_order=True)
        .agg(
            product=pl.col("factor").fill_null(1.0).product(),
            said=pl.format("{}={}", "correction", pl.col("factor").round(4)).filter(pl.col("factor").is_not_null()),
            lacking=pl.col("correction").filter(pl.col("factor").is_null()),
        )
    )
    return rows.join(factors, on=["building", "standard", "kind"], how="left").select(
        *rows.columns,
        factor=pl.col("product").fill_null(1.0),
        corrections=pl.col("said").list.join("；").fill_null(""),
        uncorrected=pl.col("lacking").fill_null(pl.lit([], pl.List(pl.String))),
        sound=pl.lit(True),
    )


def _mixed(
    frame: pl.DataFrame, parts: pl.DataFrame, catalog: Catalog, on: date, standards: Iterable[str]
) -> pl.DataFrame:
    """Return the quota of buildings of several functions: the most lenient and the strictest mean that may hold."""
    fields = [name for name in parts.columns if name not in ("building", "area")]
    operation = {name for each in catalog.corrections.values() for name in expression_names(each.expression)}
    whole = frame.drop([*fields, *operation], strict=False)  # hours and people of the whole are not those of a part
    rows = parts.with_row_index("number").join(whole, on="building")
    pseudo = rows.with_columns(owner="building", building=pl.format("{}#{}", "building", "number"), judged_area="area")
    found = _with_factors(pseudo, catalog, "non_heating", on, list(standards))
    found = pseudo.select("building", "owner", "area").join(found, on="building", how="left")
    return _weighted(found, "owner").with_columns(measure=pl.lit("non_heating"), part=pl.lit("main"))


def _weighted(found: pl.DataFrame, owner: str) -> pl.DataFrame:
    """Return area-weighted quotas of owners whose parts have candidates: one where all are settled, else two bounds.

    The budget of a part is constraint over factor; the factor of the whole is that which makes the budgets add up, so that
    a building of one part has its own factor.
    """
    known = pl.col("quota").is_not_null()
    budget = pl.col("constraint") / pl.col("factor")
    ends = []
    for lenient in (True, False):
        chosen = found.sort(budget, descending=lenient, nulls_last=True).unique(
            [owner, "building"], keep="first", maintain_order=True
        )
        area = pl.col("area")
        ends.append(
            chosen.group_by(owner).agg(
                complete=known.all(),
                quota=pl.col("quota").sort().str.join("+"),
                constraint=(pl.col("constraint") * area).sum() / area.sum(),
                guide=pl.when(pl.col("guide").is_not_null().all()).then((pl.col("guide") * area).sum() / area.sum()),
                factor=(pl.col("constraint") * area).sum() / (budget * area).sum(),
                corrections=pl.col("corrections")
                .filter(pl.col("corrections") != "")
                .unique(maintain_order=True)
                .str.join("；"),
                uncorrected=pl.col("uncorrected").explode().drop_nulls().unique(maintain_order=True),
                unit=pl.col("unit").first(),
                grade=pl.col("grade").max(),
                sure=pl.col("sure").all(),
                missing=pl.col("missing").explode().drop_nulls().unique(maintain_order=True),
            )
        )
    both = pl.concat(ends).filter("complete").unique([owner, "quota"], keep="first", maintain_order=True)
    return both.rename({owner: "building"} if owner != "building" else {}).with_columns(
        **{"standard": pl.lit(""), "kind": pl.lit("mixed"), "subtype": pl.lit(""), "class": pl.lit(None, pl.String)},
        sound=pl.lit(True),
    )


def _with_garages(found: pl.DataFrame, amounts: pl.DataFrame) -> pl.DataFrame:
    """Return candidates in which buildings whose garage is not metered apart are judged with it, weighted by area."""
    main = amounts.filter(
        (pl.col("part") == "main") & (pl.col("measure") == "non_heating") & pl.col("joint").is_not_null()
    )
    if main.is_empty():
        return found
    garages = found.filter(pl.col("part") == "garage").join(main.select("building", area="joint"), on="building")
    garages = garages.with_columns(owner="building", building=pl.format("{}#garage", "building"))
    hosts = (pl.col("part") == "main") & (pl.col("measure") == "non_heating")
    own = found.filter(hosts).join(main.select("building", area="size_low"), on="building")
    own = own.join(garages.select(building="owner").unique(), on="building", how="semi").with_columns(owner="building")
    joined = _weighted(pl.concat([own, garages.select(own.columns)]), "owner") if own.height else own
    rest = found.join(main.select("building", hosts=pl.lit(True)), on="building", how="left").filter(
        ~(hosts & pl.col("hosts").fill_null(False))
    )
    if joined.is_empty():
        return rest.select(found.columns)
    joined = joined.with_columns(measure=pl.lit("non_heating"), part=pl.lit("main"))
    return pl.concat([rest.select(found.columns), joined.select(found.columns)])


def _judged(amounts: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """Return each candidate with the best and worst verdict that the range of use allows."""
    joint = pl.col("joint").fill_null(0.0)
    rows = amounts.drop("missing").join(candidates, on=_KEY)
    rows = rows.with_columns(
        corrected_low=pl.col("low") / (pl.col("size_high") + joint) * pl.col("factor"),
        corrected_high=pl.col("high") / (pl.col("size_low") + joint) * pl.col("factor"),
    )

    def step(name: str) -> pl.Expr:
        value = pl.col(name)
        return (
            pl.when(value <= pl.col("guide"))
            .then(0)
            .when(value <= pl.col("constraint"))
            .then(1)
            .when(value.is_not_null())
            .then(2)
        )

    return rows.with_columns(least=step("corrected_low").fill_null(0), most=step("corrected_high").fill_null(2))


def _names(catalog: Catalog) -> dict[str, str]:
    """Return Chinese names of what may be missing: fields, items, and alternatives of them."""
    names = {name: field.zh for name, field in catalog.fields.items()}
    names |= {name: f"{item.title.zh}（{name}）" for name, item in catalog.items.items()}
    return names | {"coverage": "数据完整率"}


def _combined(amounts: pl.DataFrame, judged: pl.DataFrame, method: QuotaMethod, names: dict[str, str]) -> pl.DataFrame:
    """Return one row a building, measure and part: what all candidates and both ends of the range agree on."""

    def agreed(name: str) -> pl.Expr:
        return pl.when(pl.col(name).n_unique() == 1).then(pl.col(name).first()).alias(name)

    grouped = judged.group_by(_KEY).agg(
        quotas=pl.col("quota").sort(),
        unit=pl.col("unit").first(),
        grade=pl.col("grade").max(),
        factor=pl.when(pl.col("factor").n_unique() == 1).then(pl.col("factor").first()),
        corrections=pl.when(pl.col("corrections").n_unique() == 1).then(pl.col("corrections").first()),
        uncorrected=pl.col("uncorrected").explode().drop_nulls().unique().sort(),
        corrected_low=pl.col("corrected_low").min(),
        corrected_high=pl.when(pl.col("corrected_high").is_not_null().all()).then(pl.col("corrected_high").max()),
        over_least=((pl.col("corrected_low") / pl.col("constraint") - 1) * 100).min(),
        under_least=pl.when(pl.col("corrected_high").is_not_null().all()).then(
            ((pl.col("corrected_high") / pl.col("constraint") - 1) * 100).max()
        ),
        asked=pl.col("missing").explode().drop_nulls().unique(maintain_order=True),
        least=pl.col("least").min(),
        most=pl.col("most").max(),
        split=(pl.col("least") == pl.col("most")).all() & (pl.col("least").n_unique() > 1),
        two=pl.col("sure").sum() > 1,
        constraint=agreed("constraint"),
        guide=agreed("guide"),
        constraints=pl.col("constraint").unique().sort(),
        guides=pl.col("guide").drop_nulls().unique().sort(),
    )
    rows = amounts.join(grouped, on=_KEY, how="left")
    covered = (pl.col("coverage") >= method.minimum_coverage - 1e-12).fill_null(False)
    known = pl.col("low").is_not_null() | pl.col("high").is_not_null()
    perhaps_none = pl.col("open").is_not_null()
    settled = pl.col("least") == pl.col("most")
    clear = covered & known & ~pl.col("two").fill_null(False) & ~perhaps_none
    word = (
        pl.when(clear & settled)
        .then(pl.col("least").replace_strict(_ORDER, default=None, return_dtype=pl.String))
        .when(clear & pl.col("split"))
        .then(pl.lit("depends"))
        .otherwise(pl.lit("unknown"))
    )
    asked = pl.concat_list(
        pl.col("missing"), pl.col("open").fill_null(pl.lit([], pl.List(pl.String))), pl.col("asked").fill_null(pl.lit([], pl.List(pl.String))),
        pl.when(known & ~covered).then(pl.lit(["coverage"])).otherwise(pl.lit([], pl.List(pl.String))),
    )  # fmt: skip
    joint = pl.col("joint").fill_null(0.0)
    return rows.with_columns(
        size=pl.coalesce("size_low", "size_high") + joint,
        use_low="low",
        use_high="high",
        intensity_low=pl.col("low") / (pl.col("size_high") + joint),
        intensity_high=pl.col("high") / (pl.col("size_low") + joint),
        verdict=word,
        already_over=(pl.col("least") == 2).fill_null(False) & ~perhaps_none,
        missing=pl.when(word.is_in(["unknown", "depends"])).then(asked.list.unique(maintain_order=True)).otherwise(
            pl.lit([], pl.List(pl.String))
        ),
        quotas=pl.col("quotas").fill_null(pl.lit([], pl.List(pl.String))),
        uncorrected=pl.col("uncorrected").fill_null(pl.lit([], pl.List(pl.String))),
        constraints=pl.col("constraints").fill_null(pl.lit([], pl.List(pl.Float64))),
        guides=pl.col("guides").fill_null(pl.lit([], pl.List(pl.Float64))),
    ).with_columns(
        excess=pl.when(pl.col("verdict") == "over").then("over_least").when(
            pl.col("verdict").is_in(["guide", "constraint"])
        ).then("under_least"),
        reason=_reason(known, covered, names),
    )  # fmt: skip


def _reason(known: pl.Expr, covered: pl.Expr, names: dict[str, str]) -> pl.Expr:
    """Return in words why nothing can be said, or what has to be known beside the verdict."""
    said = pl.element().replace(names)
    asked = pl.col("missing").list.eval(said).list.join("、")
    return (
        pl.when(~known).then(pl.lit("没有用能数据"))
        .when(pl.col("quotas").list.len() == 0).then(pl.lit("没有对应的定额"))
        .when(pl.col("two").fill_null(False)).then(pl.lit("有两个以上定额同时适用"))
        .when(~covered).then(pl.lit("数据完整率不足"))
        .when(pl.col("open").is_not_null()).then(pl.format("{}未填，可能是没有定额的类型", pl.col("open").list.eval(said).list.join("、")))
        .when(pl.col("verdict") == "depends").then(pl.format("取决于{}", asked))
        .when(pl.col("verdict") == "unknown").then(pl.format("缺{}，按已知用能的上下限得不出同一结论", asked))
        .when(pl.col("joint") > 0).then(pl.lit("停车库未单独计量，合并后按面积加权的定额判"))
        .otherwise(pl.lit(""))
    )  # fmt: skip
