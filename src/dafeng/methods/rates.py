"""Dated values (emission factors, quotas, tariffs) chosen by declared rules, for whole frames of queries at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from dafeng.base.errors import ContentError, InputError, PeriodError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.period import Period
from dafeng.base.place import PlaceTree
from dafeng.base.quantity import convert, same_dimension
from dafeng.catalog.carbon_schemas import FAMILY_RULES, Factor, FactorValue
from dafeng.methods.rate_policy import RatePolicy, Rule, RuleKind

__all__ = ["QUERY", "RateError", "RatePolicy", "Rates", "Rule", "RuleKind", "choose_rates", "factor_values"]

QUERY: Final = ("family", "subject", "place", "period")
"""Columns of a query."""
_FIRST: Final = date(1, 1, 1)
_LAST: Final = date(9999, 1, 1)
_DOING: Final = "choose dated values"
_ASSUMED: Final = "assumed_uncertainty"
_VALUES: Final[dict[str, pl.DataType]] = {
    "series": pl.Int32(),
    "factor": pl.String(),
    "family": pl.String(),
    "subject": pl.String(),
    "holder": pl.String(),
    "over": pl.Boolean(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "unit": pl.String(),
    "stated_value": pl.Float64(),
    "stated_unit": pl.String(),
    "starts": pl.Date(),
    "ends": pl.Date(),
    "published_on": pl.Date(),
    "source": pl.String(),
    "grade": pl.String(),
    "unresolved": pl.String(),
}
_RESULT: Final = (
    *("factor", "value", "low", "high", "unit", "rule", "years", "data_from", "data_to", "published_on", "grade"),
    *("uncertainty", "rate_place", "stated_value", "stated_unit", "source"),
)


class RateError(ContentError):
    """A dated value is missing, or two answer to one query."""

    code = "rate"


@dataclass(frozen=True)
class Rates:
    """Chosen values beside the queries, and what is to be said about them."""

    frame: pl.DataFrame
    """Every column of the queries in their order, then factor, value, low, high (canonical unit of the family), unit,
    rule, years (carried), data_from, data_to, published_on, grade, uncertainty (stated or assumed), rate_place,
    stated_value, stated_unit, source; null where nothing or more than one thing answers."""
    findings: list[Finding]
    """Errors for queries without an answer; warnings and notes for values that are carried, contested or 待核."""

    @property
    def errors(self) -> list[Finding]:
        """Findings that say why a query has no answer."""
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    def require(self) -> pl.DataFrame:
        """Return the frame where every query has exactly one answer.

        Raises
        ------
        RateError
            Some have none or more than one; the message names them.
        """
        errors = self.errors
        if errors:
            raise RateError(
                "; ".join(finding.sentence for finding in errors[:5]),
                doing=_DOING,
                expected=errors[0].expected or "one value for each query",
                next_step=errors[0].next_step,
                findings=[finding.model_dump(mode="json") for finding in errors],
            )
        return self.frame


def factor_values(factors: Iterable[Factor], *, series: int = -1) -> pl.DataFrame:
    """Return every value of factors as rows in the canonical unit of their family.

    Parameters
    ----------
    factors : iterable of Factor
    series : int
        Mark of the series, -1 for the catalog.

    Returns
    -------
    DataFrame, shape (value, column)

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> rows = factor_values([load_catalog().factors["grid-province-jilin"]])
    >>> rows.select("value", "unit", "stated_value", "stated_unit").rows()[0]
    (0.0005629, 'tCO2/kWh', 0.5629, 'kgCO2/kWh')
    """
    return pl.DataFrame(
        [_row(factor, value, series) for factor in factors for value in factor.values], schema=_VALUES, orient="row"
    )


def _row(factor: Factor, value: FactorValue, series: int) -> tuple[object, ...]:
    rule = FAMILY_RULES.get(factor.family)
    units = rule.units if rule else ()
    unit = next((canonical for canonical in units if same_dimension(canonical, factor.unit)), factor.unit)
    half = value.uncertainty
    low = value.low if half is None else max(value.value * (1 - half), 0.0)
    high = value.high if half is None else value.value * (1 + half)
    numbers = [None if number is None else convert(number, factor.unit, unit) for number in (value.value, low, high)]
    period = (value.starts or _FIRST, value.ends or _LAST)
    return (
        *(series, factor.id, factor.family, factor.subject, factor.place, factor.over_divisions, *numbers, unit),
        *(value.value, factor.unit, *period, value.published_on, value.source, value.grade.value, value.unresolved),
    )


def choose_rates(
    queries: pl.DataFrame, factors: Mapping[str, Factor], places: PlaceTree, *, policy: RatePolicy, as_of: date
) -> Rates:
    """Choose for each query the one dated value that the policy's rules give.

    Parameters
    ----------
    queries : DataFrame, shape (query, column)
        Columns `QUERY`, and any others, which are kept. A period is one year or a part of one.
    factors : mapping from id to Factor
        `Catalog.factors`.
    places : PlaceTree
        A value holds for its place and below it; a zone's value with `over_divisions` for the divisions it overlaps.
        The chain is that of the present parents.
    policy : RatePolicy
        Rules in order.
    as_of : date
        Values published later are not yet known; of two publications for one period the later known one counts.

    Returns
    -------
    Rates
        Search never leaves the family. None or two answers leave the row empty and give an error finding. A value that is
        carried forward is grade B at best, one that is carried backward or projected grade C. Where a value states no
        uncertainty, the family's assumed one serves and is marked.

    Raises
    ------
    InputError
        A query column is missing.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> queries = pl.DataFrame({"family": "grid_province", "subject": "electricity", "place": "qingdao",
    ...                         "period": ["2023", "2025"]})
    >>> policy = RatePolicy(rules=(Rule.exact(), Rule.hold_last(3)))
    >>> rates = choose_rates(queries, catalog.factors, catalog.places, policy=policy, as_of=date(2026, 11, 20))
    >>> rates.frame.select("factor", "stated_value", "rule", "years", "grade").rows()
    [('grid-province-shandong', 0.6191, 'exact', 0, 'A'), ('grid-province-shandong', 0.6191, 'hold_last', 2, 'B')]
    """
    missing = [name for name in QUERY if name not in queries.columns]
    if missing:
        raise InputError(
            f"the queries have no column {', '.join(missing)}",
            doing=_DOING,
            expected=", ".join(QUERY),
            next_step="add the column",
        )
    values = pl.concat(
        [factor_values(factors.values())]
        + [factor_values(rule.factors, series=rank) for rank, rule in enumerate(policy.rules) if rule.factors]
    )
    asked = queries.select(QUERY).unique(maintain_order=True).with_row_index("query")
    periods, findings = _periods(asked)
    chains, faults = _chains(asked, places, values)
    findings += faults
    reach = (
        asked.select("family", "subject", "place")
        .unique()
        .join(chains, on="place")
        .join(values.select("family", "subject", "holder", "over").unique(), on=["family", "subject", "holder", "over"])
    )
    known = _known(values, as_of)
    candidates = (
        asked.join(periods, on="period")
        .join(reach, on=["family", "subject", "place"])
        .join(known, on=["family", "subject", "holder", "over"])
    )
    best = _apply(candidates, policy)
    single = best.filter(pl.len().over("query") == 1)
    findings += _contested(best.filter(pl.len().over("query") > 1))
    unanswered = (
        asked.join(best, on="query", how="anti")
        .join(periods, on="period", how="semi")
        .join(chains, on="place", how="semi")
    )
    findings += _unanswered(unanswered, reach, values, as_of)
    chosen = _grade(_with_uncertainty(single, values), policy)
    findings += _remarks(chosen, policy)
    answers = chosen.select(*QUERY, *_RESULT)
    clash = [name for name in queries.columns if name in _RESULT]
    frame = queries.drop(clash).join(answers, on=QUERY, how="left", maintain_order="left")
    return Rates(frame, findings)


def _periods(asked: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    rows, findings = [], []
    for text in asked["period"].unique().sort().to_list():
        try:
            period = Period.parse(text or "")
        except PeriodError as error:
            findings.append(_finding("period", f"期间 {text} 无法识别", value=str(text), expected=error.expected))
            continue
        if period.end > period.start + timedelta(days=366):
            findings.append(
                _finding("period", f"期间 {text} 跨多年，系数须逐年取", value=text, expected="一个年份或其一部分")
            )
            continue
        rows.append((text, period.start, period.end))
    return pl.DataFrame(rows, schema={"period": pl.String, "start": pl.Date, "end": pl.Date}, orient="row"), findings


def _chains(asked: pl.DataFrame, places: PlaceTree, values: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Return for each place asked for the places and zones whose values may serve it, nearest first."""
    zones: dict[str, list[str]] = {}
    for holder in values.filter("over")["holder"].unique().sort():
        for division in places.get(holder).overlaps if holder in places else ():
            zones.setdefault(division, []).append(holder)
    rows: list[tuple[str, int, str, bool]] = []
    findings = []
    for place in asked["place"].unique().sort().to_list():
        if place not in places:
            findings.append(
                _finding("place", f"地方 {place} 不在目录中", value=str(place), expected="目录中的地方编号")
            )
            continue
        for level, above in enumerate([place, *places.ancestor_ids(place)]):
            rows.append((place, 2 * level, above, False))
            if above == place:
                rows.append((place, 2 * level, above, True))
            rows += [(place, 2 * level + 1, zone, True) for zone in zones.get(above, ())]
    schema = {"place": pl.String, "level": pl.Int32, "holder": pl.String, "over": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row"), findings


def _known(values: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the values published by `as_of`, of a revised period only the latest publication."""
    period = ("series", "factor", "starts", "ends")
    published = values.filter(pl.col("published_on") <= as_of)
    return published.filter(pl.col("published_on") == pl.col("published_on").max().over(period))


def _apply(candidates: pl.DataFrame, policy: RatePolicy) -> pl.DataFrame:
    """Return the candidates that the first rule with an answer leaves for each query: one, or several that contest."""
    start, end, starts, ends = (pl.col(name) for name in ("start", "end", "starts", "ends"))
    shipped = pl.col("series") == -1
    within = (starts <= start) & (end <= ends)
    last_year = (ends - pl.duration(days=1)).dt.year()
    carried = (end - pl.duration(days=1)).dt.year() - last_year
    back = starts.dt.year() - start.dt.year()
    rank, years = pl.lit(None, dtype=pl.Int32), pl.lit(0, dtype=pl.Int32)
    for number, rule in reversed(list(enumerate(policy.rules))):
        match rule.kind:
            case RuleKind.EXACT:
                holds, distance = shipped & within, pl.lit(0, dtype=pl.Int32)
            case RuleKind.HOLD_LAST:
                holds, distance = shipped & (starts <= start) & (end > ends), carried
            case RuleKind.BACK_CAST:
                holds, distance = shipped & (starts > start), back
            case _:
                holds, distance = (pl.col("series") == number) & within, pl.lit(0, dtype=pl.Int32)
        if rule.years is not None:
            holds = holds & (distance <= rule.years)
        rank = pl.when(holds).then(pl.lit(number, dtype=pl.Int32)).otherwise(rank)
        years = pl.when(holds).then(distance.cast(pl.Int32)).otherwise(years)
    groups = dict(enumerate(policy.groups()))
    ranked = candidates.with_columns(rank=rank, years=years).filter(pl.col("rank").is_not_null())
    ranked = ranked.with_columns(group=pl.col("rank").replace_strict(groups, return_dtype=pl.Int32))
    order = ((pl.col("group") * 1000 + pl.col("level")) * 1000 + pl.col("rank")).cast(pl.Int64) * 10_000 + pl.col(
        "years"
    )
    return ranked.filter(order == order.min().over("query")) if ranked.height else ranked


def _with_uncertainty(chosen: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Return the chosen rows with an interval: the stated one, else the one assumed for the family."""
    assumed = (
        values.filter(pl.col("family") == _ASSUMED)
        .group_by(pl.col("subject").alias("family"))
        .agg(half=pl.col("value").last())
    )
    without = pl.col("low").is_null()
    half = pl.when(without).then(pl.col("half"))
    return chosen.join(assumed, on="family", how="left").with_columns(
        low=pl.coalesce("low", (pl.col("value") * (1 - half)).clip(0)),
        high=pl.coalesce("high", pl.col("value") * (1 + half)),
        uncertainty=pl.when(~without)
        .then(pl.lit("stated"))
        .otherwise(pl.when(pl.col("half").is_not_null()).then(pl.lit("assumed"))),
    )


def _grade(chosen: pl.DataFrame, policy: RatePolicy) -> pl.DataFrame:
    kinds = [rule.kind for rule in policy.rules]
    worst = {
        rank: {RuleKind.HOLD_LAST: "B", RuleKind.BACK_CAST: "C", RuleKind.PROJECTED_PATH: "C"}.get(kind, "A")
        for rank, kind in enumerate(kinds)
    }
    bounds = (pl.when(pl.col(name) != edge).then(pl.col(name)) for name, edge in (("starts", _FIRST), ("ends", _LAST)))
    data_from, data_to = bounds
    codes = {rank: rule.code for rank, rule in enumerate(policy.rules)}
    return chosen.with_columns(
        grade=pl.max_horizontal("grade", pl.col("rank").replace_strict(worst, return_dtype=pl.String)),
        rule=pl.col("rank").replace_strict(codes, return_dtype=pl.String),
        data_from=data_from,
        data_to=data_to,
        rate_place=pl.col("holder"),
    )


def _finding(
    name: str,
    sentence: str,
    *,
    severity: Severity = Severity.ERROR,
    value: str = "",
    expected: str = "",
    next_step: str = "改正查询，或在工作区 catalog 中补充系数",
    **evidence: str | int | float | bool | None,
) -> Finding:
    return Finding(
        name=f"methods.rates.{name}",
        sentence=sentence,
        severity=severity,
        value=value,
        expected=expected,
        next_step=next_step,
        evidence=evidence,
    )


def _some(texts: Iterable[str], most: int = 8) -> str:
    names = sorted(set(texts))
    return "、".join(names[:most]) + (f" 等 {len(names)} 个" if len(names) > most else "")


def _contested(best: pl.DataFrame) -> Iterator[Finding]:
    """Yield one finding for each pair of values that answer to the same queries."""
    if not best.height:
        return
    name = pl.format("{}（{} 起，{} 公布，{} {}）", "factor", "starts", "published_on", "stated_value", "stated_unit")
    rivals = best.group_by("query", *QUERY).agg(rivals=name.sort().str.join(" 与 "))
    grouped = rivals.group_by("family", "subject", "rivals").agg("place", "period").sort("family", "subject", "rivals")
    for family, subject, text, where, when in grouped.iter_rows():
        yield _finding(
            "two-values",
            f"{family}/{subject} 在 {_some(where)}（{_some(when)}）有两个以上的值：{text}",
            value=text,
            expected="同一族、同一对象、同一地方、同一期间只有一个值",
            next_step="删去或改正其中一个值的有效期",
            queries=len(where),
        )


def _unanswered(rows: pl.DataFrame, reach: pl.DataFrame, values: pl.DataFrame, as_of: date) -> Iterator[Finding]:
    """Yield findings for queries to which nothing answers, grouped by why."""
    reached = reach.select("family", "subject", "place", reached=pl.lit(True)).unique()
    marked = rows.join(reached, on=["family", "subject", "place"], how="left").with_columns(
        pl.col("reached").fill_null(False)
    )
    grouped = (
        marked.group_by("family", "subject", "reached").agg("place", "period").sort("family", "subject", "reached")
    )
    for family, subject, served, where, when in grouped.iter_rows():
        same = values.filter(pl.col("family") == family)
        held = same.filter(pl.col("subject") == subject)
        if served:
            within = reach.filter(
                pl.col("family") == family, pl.col("subject") == subject, pl.col("place").is_in(sorted(set(where)))
            )
            why, expected = _undated(held.join(within, on=["holder", "over"], how="semi"), as_of)
        elif not same.height:
            why, expected = "没有这一族", _offered(family, values["family"])
        elif not held.height:
            why, expected = "族中没有这一对象", _offered(subject, same["subject"])
        else:
            why, expected = "该地及其上级没有值", f"有值的地方：{_some(held['holder'])}"
        yield _finding(
            "no-value",
            f"{family}/{subject} {why}：{_some(where)}（{_some(when)}）",
            value=f"{family}/{subject}",
            expected=expected,
            queries=len(where),
        )


def _offered(name: str, known: pl.Series) -> str:
    names = sorted(set(known))
    return "、".join(close_names(name, names)) or _some(names)


def _undated(held: pl.DataFrame, as_of: date) -> tuple[str, str]:
    """Return why values of the right place do not serve, and what would."""
    published = held.filter(pl.col("published_on") <= as_of)
    later = held.filter(pl.col("published_on") > as_of).select("starts", "published_on").unique().sort(pl.all())
    waiting = "、".join(f"{first} 起的值于 {day} 公布" for first, day in later.iter_rows())
    if not published.height:
        return f"在 {as_of} 尚未公布", waiting
    spans = published.select("starts", "ends").unique().sort(pl.all())
    shown = "、".join(f"[{first}, {after})" for first, after in spans.iter_rows())
    return (
        "没有该期的值，所声明的规则也给不出",
        f"数据期在 {shown} 之内{'；' if waiting else ''}{waiting}；或另声明 hold_last、back_cast、user_series、projected_path",
    )


def _remarks(chosen: pl.DataFrame, policy: RatePolicy) -> Iterator[Finding]:
    """Yield what must be said about values that do have an answer."""
    rules = dict(enumerate(policy.rules))
    carried = chosen.filter(
        pl.col("rank").is_in([rank for rank, rule in rules.items() if rule.kind is not RuleKind.EXACT])
    )
    grouped = (
        carried.group_by("rank", "family", "subject", "period")
        .agg(pl.col("rate_place").unique(), pl.col("years").max(), pl.len().alias("queries"))
        .sort("rank", "family", "subject", "period")
    )
    for rank, family, subject, period, holders, years, queries in grouped.iter_rows():
        rule = rules[rank]
        span = f"（相隔 {years} 年）" if years else ""
        yield _finding(
            rule.kind.value.replace("_", "-"),
            f"{family}/{subject} 的 {period} 年值按规则“{rule.zh}”取得{span}：{_some(holders)}",
            severity=Severity.WARNING if rule.kind is RuleKind.BACK_CAST else Severity.INFO,
            value=rule.code,
            next_step="在报告中注明所用规则；有当期值时补入目录",
            queries=queries,
            years=years,
        )
    contested = chosen.filter(pl.col("unresolved").is_not_null())
    for factor, starts, unresolved in (
        contested.select("factor", "starts", "unresolved").unique().sort(pl.all()).iter_rows()
    ):
        yield _finding(
            "unresolved",
            f"{factor} {starts.year} 年值来源相互矛盾：{unresolved}",
            severity=Severity.WARNING,
            value=factor,
            next_step="核对原公告后改正目录",
        )
    pending = chosen.filter(pl.col("grade") != "A").group_by("family").agg(pl.col("factor").unique()).sort("family")
    for family, names in pending.iter_rows():
        yield _finding(
            "pending",
            f"族 {family} 中 {len(names)} 个系数的取值待核：{_some(names)}",
            severity=Severity.INFO,
            value=family,
            next_step="报告中标明待核",
        )
