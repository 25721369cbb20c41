"""What each thing answers to a roll-up, and how answers become cohorts and cohorts become values.

A thing **counts** where the condition holds, its statistic date is known, and value and weight are known. It is **open** where
any of these is unknown and none rules it out: it does not count, and lowers the coverage. Everything else is none of the
roll-up's business. Where it is asked whether a condition holds for **all**, a thing that fulfils it and of which only the date
or the belonging is unknown changes no answer: it is **idle**, and open only where nothing else counts. Cohorts are things at one spot, of one class, that enter and leave in the same periods; every place, year
and class is put together from them, so that nothing is added twice and nothing is ever subtracted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import polars as pl

from dafeng.base.ledger import STAGE_ORDER
from dafeng.base.obligation import Stage
from dafeng.buildings.whereabouts import Span
from dafeng.catalog.expression import FieldType, evaluate
from dafeng.catalog.ledger_schemas import Aggregate, Rollup, RollupSpan

__all__ = ["FIRST_KEYS", "Answers", "answer", "cohorts", "coverage_of", "disputed", "spread", "value_of"]

FIRST_KEYS: Final = 20
"""So many keys of the members are written into a lineage row."""
OTHER: Final = ""
"""Class of a thing whose class is known and no code of the vocabulary: it counts in ``all`` and in no class."""
_WEIGHTED: Final = (Aggregate.MEAN, Aggregate.SHARE)
_SUMS: Final = ("n", "open", "idle", "total", "mass", "open_mass", "open_weighed")
_MARKS: Final = ("mark_a", "mark_b")
_SIGNIFICANT: Final = 12  # sums of a ledger in another order differ in the digits after these


class Answers(NamedTuple):
    """What the things of a roll-up answer.

    Parameters
    ----------
    things : DataFrame
        One row a thing that counts or is open, in the order of keys: thing (number), row (of the base frame), spot, the
        breakdown columns, enter and leave (first and last period, numbered), known, idle, undated, value, weight.
    undated, future : int
        Things without a statistic date, and with one after the day of the roll-up.
    undated_rows, future_rows : list of int
        The first of them.
    unclassified : dict
        Breakdown column to the number of counted things whose class is unknown, or no code of the vocabulary.
    """

    things: pl.DataFrame
    undated: int
    undated_rows: list[int]
    future: int
    future_rows: list[int]
    unclassified: dict[str, int]


def answer(
    rollup: Rollup,
    base: pl.DataFrame,
    types: Mapping[str, FieldType],
    spans: Sequence[Span],
    *,
    unit: str,
    due: Stage | None,
    as_of: date,
    codes: Mapping[str, Collection[str]],
) -> Answers:
    """Ask every thing of the base frame what it has to do with a roll-up.

    Parameters
    ----------
    rollup : Rollup
    base : DataFrame
        One row a thing, sorted: _thing, _spot, stage and the fields.
    types : mapping from field id to FieldType
    spans : sequence of Span
        Periods in order.
    unit : str
        Unit of the indicator, in which sums, means and maxima are given.
    due : Stage or None
        Stage from which on the statistic date must be known; any where None.
    as_of : date
        A statistic date after it is not counted.
    codes : mapping from breakdown column to collection of codes
        Codes of the vocabulary.
    """
    frame = _asked(rollup, base, types, unit=unit, due=due, codes=codes).lazy()
    first, count = spans[0].year, len(spans)
    late = pl.col("day") > as_of
    frame = frame.filter(pl.col("holds").fill_null(True) & (pl.col("day").is_not_null() | pl.col("come")))
    frame = frame.with_columns(late=late.fill_null(False), undated=pl.col("day").is_null()).with_columns(
        **_stay(rollup, first, count, spans[-1].last)
    )
    asked = frame.collect()
    future = asked.filter("late")["row"]
    stays = (pl.col("enter") <= pl.col("leave")) & (pl.col("enter") < count) & (pl.col("leave") >= 0)
    things = (
        asked.filter(~pl.col("late") & stays)
        .drop("late", "holds", "come", "end")
        .with_columns(pl.col("enter").clip(0).cast(pl.Int32), pl.col("leave").cast(pl.Int32))
    )
    undated = things.filter(pl.col("undated") & ~pl.col("idle"))["row"]
    counted = things.filter("known")
    return Answers(
        things.drop("done") if rollup.done is None else _since_done(things, first, count, spans[-1].last),
        undated.len(),
        undated.head(FIRST_KEYS).to_list(),
        future.len(),
        future.head(FIRST_KEYS).to_list(),
        {name: int((counted[f"class_{name}"].fill_null(OTHER) == OTHER).sum()) for name in rollup.breakdowns},
    )


def _day(field: str, types: Mapping[str, FieldType]) -> pl.Expr:
    """Return a date; of a field of a year its first day."""
    if types[field].kind == "number":
        return pl.date(pl.col(field).cast(pl.Int32, strict=False), 1, 1)
    return pl.col(field)


def _class(rollup: Rollup, name: str, field: str, codes: Collection[str]) -> pl.Expr:
    code = pl.col(field).cast(pl.String).replace(rollup.codes.get(name, {}))
    return pl.when(code.is_in(list(codes))).then(code).when(code.is_not_null()).then(pl.lit(OTHER))


def _stay(rollup: Rollup, first: int, count: int, last: date) -> dict[str, pl.Expr]:
    """Return the first and last period, numbered, in which a thing counts; open ends reach to the ends of the range."""
    at = pl.col("day").dt.year().cast(pl.Int64) - first
    begins = 0 if rollup.since is None else rollup.since - first
    at = pl.when(pl.col("day") > last).then(count).otherwise(at).fill_null(begins)
    undated = pl.col("undated")
    match rollup.span:
        case RollupSpan.YEAR:
            return {"enter": at, "leave": pl.when(undated).then(count - 1).otherwise(at)}
        case RollupSpan.SINCE:
            too_early = pl.lit(False) if rollup.since is None else at < begins
            return {"enter": pl.when(too_early).then(count).otherwise(at), "leave": pl.lit(count - 1)}
        case RollupSpan.STANDING:
            gone = pl.col("end").dt.year().cast(pl.Int64) - first - 1
            still = pl.col("end").is_null() | (pl.col("end") > last)
            return {"enter": at, "leave": pl.when(still).then(count - 1).otherwise(gone)}


def _since_done(things: pl.DataFrame, first: int, count: int, last: date) -> pl.DataFrame:
    """Return things in two stays: in that before the day of `done` the condition did not hold yet.

    Where it holds and nobody knows since when, it holds in the last period, and what it was before is open.
    """
    true = (pl.col("known") | pl.col("idle")) & (pl.col("value") == 1.0)
    at = (
        pl.when(pl.col("done") > last)
        .then(count)
        .otherwise(pl.col("done").dt.year().cast(pl.Int32) - first)
        .fill_null(count - 1)
        .cast(pl.Int32)
    )
    met = things.filter(true).with_columns(at=at)
    before = met.filter(pl.col("enter") < pl.col("at")).with_columns(
        leave=pl.min_horizontal("leave", pl.col("at") - 1),
        value=pl.when(pl.col("done").is_not_null()).then(0.0),
        known=pl.col("known") & pl.col("done").is_not_null(),
        idle=pl.lit(False),
    )
    after = met.with_columns(enter=pl.max_horizontal("enter", "at")).filter(pl.col("enter") <= pl.col("leave"))
    parts = [things.filter(~true.fill_null(False)), *(part.drop("at") for part in (before, after))]
    return pl.concat(parts).sort("thing", "enter").drop("done")


def disputed(
    rollup: Rollup,
    rows: pl.DataFrame,
    types: Mapping[str, FieldType],
    *,
    unit: str,
    codes: Mapping[str, Collection[str]],
) -> list[int]:
    """Return the numbers of things to which two registers give definite answers that differ.

    Parameters
    ----------
    rows : DataFrame
        The rows of things that stand in several registers, as `answer` takes them.
    rollup, types, unit, codes
        As in `answer`.
    """
    asked = _asked(rollup, rows, types, unit=unit, due=None, codes=codes)
    sure = asked.filter(pl.col("known") | ~pl.col("holds").fill_null(True)).with_columns(
        value=pl.when("known").then(pl.col("value").round_sig_figs(_SIGNIFICANT)),
        year=pl.when("known").then(pl.col("day").dt.year()),
    )
    return (
        sure.group_by("thing")
        .agg(several=pl.struct("known", "value", "year").n_unique() > 1)
        .filter("several")["thing"]
        .sort()
        .to_list()
    )


def _asked(
    rollup: Rollup,
    base: pl.DataFrame,
    types: Mapping[str, FieldType],
    *,
    unit: str,
    due: Stage | None,
    codes: Mapping[str, Collection[str]],
) -> pl.DataFrame:
    if rollup.value is None:
        value = pl.lit(1.0)
    elif rollup.aggregate in (Aggregate.ALL, Aggregate.SHARE):
        value = evaluate(rollup.value, types).cast(pl.Float64)
    else:
        value = evaluate(rollup.value, types, unit=unit)
    weight = pl.lit(1.0) if rollup.weight is None else evaluate(rollup.weight, types)
    stage = pl.col("stage").replace_strict(STAGE_ORDER, return_dtype=pl.Int64)
    known = [pl.col(name).is_not_null() for name in ("value", "weight", "day")]
    return (
        base.lazy()
        .select(
            thing="_thing",
            row=pl.int_range(pl.len(), dtype=pl.UInt32),
            spot="_spot",
            holds=pl.lit(True) if rollup.when is None else evaluate(rollup.when, types),
            value=pl.when(value.is_finite()).then(value),
            weight=pl.when(weight.is_finite()).then(weight),
            day=_day(rollup.dated, types),
            end=pl.lit(None, dtype=pl.Date) if rollup.until is None else _day(rollup.until, types),
            done=pl.lit(None, dtype=pl.Date) if rollup.done is None else _day(rollup.done, types),
            come=pl.lit(True) if due is None else (stage < 0) | (stage >= STAGE_ORDER[due.value]),
            **{f"class_{name}": _class(rollup, name, field, codes[name]) for name, field in rollup.breakdowns.items()},
        )
        .with_columns(known=pl.all_horizontal(pl.col("holds").fill_null(False), *known))
        .with_columns(
            idle=~pl.col("known") & (pl.col("value") == 1.0).fill_null(False)
            if rollup.aggregate is Aggregate.ALL
            else pl.lit(False)
        )
        .collect()
    )


def cohorts(things: pl.DataFrame, rollup: Rollup, marks: pl.DataFrame) -> pl.DataFrame:
    """Return answers summed over things at one spot, of one class, that come and go together.

    Parameters
    ----------
    things : DataFrame
        Of `Answers`.
    rollup : Rollup
    marks : DataFrame
        Columns mark_a and mark_b by number of the thing: halves of a digest of its key.
    """
    known = pl.col("known")
    value, weight = pl.col("value"), pl.col("weight")
    match rollup.aggregate:
        case Aggregate.MEAN | Aggregate.SHARE:
            total = (value * weight).filter(known).sum()
        case Aggregate.MAX:
            total = value.filter(known).max()
        case _:
            total = value.filter(known).sum()
    weighed = ~known & weight.is_not_null()
    return (
        things.with_columns(marks[name].gather(things["thing"]).alias(name) for name in _MARKS)
        .group_by(["spot", *_classes(rollup), "enter", "leave"], maintain_order=True)
        .agg(
            n=known.sum().cast(pl.Int64),
            open=(~known & ~pl.col("idle")).sum().cast(pl.Int64),
            idle=pl.col("idle").sum().cast(pl.Int64),
            total=total,
            mass=weight.filter(known).sum(),
            open_mass=weight.filter(weighed).sum(),
            open_weighed=weighed.sum().cast(pl.Int64),
            **{name: pl.col(name).filter(known).bitwise_xor() for name in _MARKS},
            first=pl.col("thing").filter(known).head(FIRST_KEYS),
        )
        .sort("spot", *_classes(rollup), "enter", "leave")
    )


def _classes(rollup: Rollup) -> list[str]:
    return [f"class_{name}" for name in rollup.breakdowns]


def spread(
    parts: pl.DataFrame, rollup: Rollup, targets: pl.DataFrame, count: int, wider: Mapping[str, Mapping[str, list[str]]]
) -> pl.DataFrame:
    """Return cohorts put together by place, period and breakdown, ``all`` and wider classes included.

    Parameters
    ----------
    parts : DataFrame
        Of `cohorts`.
    rollup : Rollup
    targets : DataFrame
        Of `Spots`.
    count : int
        Number of periods.
    wider : mapping from breakdown column to mapping from code to codes
        The code itself and the wider ones that it belongs to, ``all`` among them.
    """
    for name in rollup.breakdowns:
        parts = _spread_class(parts, f"class_{name}", wider[name])
    periods = pl.DataFrame({"at": range(count)}, schema={"at": pl.Int32})
    stays = parts.join(periods, how="cross").filter(pl.col("at").is_between("enter", "leave"))
    total = pl.col("total").max() if rollup.aggregate is Aggregate.MAX else pl.col("total").sum()
    return (
        stays.join(targets, on=["spot", "at"], how="inner")
        .sort("place", "at", *_classes(rollup), "spot", "enter", "leave")
        .group_by(["place", "view", "at", *_classes(rollup)], maintain_order=True)
        .agg(
            total,
            *(pl.col(name).sum() for name in _SUMS if name != "total"),
            *(pl.col(name).bitwise_xor() for name in _MARKS),
            pl.col("first").explode().drop_nulls().sort().head(FIRST_KEYS),
        )
    )


def _spread_class(parts: pl.DataFrame, column: str, wider: Mapping[str, list[str]]) -> pl.DataFrame:
    """Return each cohort once for each class that it belongs to; one without a class is open in every class."""
    codes = parts[column].drop_nulls().unique().sort()
    chains = {code: wider.get(code, ["all"]) for code in codes}
    present = sorted({code for chain in chains.values() for code in chain} - {"all"})
    table = pl.DataFrame(
        [(code, above, False) for code, chain in chains.items() for above in chain]
        + [(None, "all", False), *((None, code, True) for code in present)],
        schema={column: pl.String, "_as": pl.String, "_open": pl.Boolean},
        orient="row",
    )
    joined = parts.join(table, on=column, how="inner", nulls_equal=True, maintain_order="left_right")
    is_open = pl.col("_open")
    moved = {
        "n": pl.when(is_open).then(0).otherwise(pl.col("n")),
        "open": pl.when(is_open).then(pl.col("open") + pl.col("n")).otherwise(pl.col("open")),
        "total": pl.when(~is_open).then("total"),
        "mass": pl.when(is_open).then(0.0).otherwise(pl.col("mass")),
        "open_mass": pl.when(is_open).then(pl.col("open_mass") + pl.col("mass")).otherwise(pl.col("open_mass")),
        "open_weighed": pl.when(is_open).then(pl.col("open_weighed") + pl.col("n")).otherwise(pl.col("open_weighed")),
        **{name: pl.when(is_open).then(pl.lit(0, dtype=pl.UInt64)).otherwise(pl.col(name)) for name in _MARKS},
        "first": pl.when(~is_open).then("first"),
    }
    return joined.with_columns(**moved).with_columns(pl.col("_as").alias(column)).drop("_as", "_open")


def value_of(rollup: Rollup, factor: float) -> tuple[pl.Expr, pl.Expr]:
    """Return value and reason of a place, period and class out of the sums of its cohorts.

    Parameters
    ----------
    rollup : Rollup
    factor : float
        Size of the indicator's unit, by which a share is divided.

    Notes
    -----
    Things that are all open give no value: what is not known is never a zero. Without any thing a sum or count is zero;
    a mean, a maximum, a share or "all" of nothing does not apply.
    """
    n, unsettled, total, mass = (pl.col(name) for name in ("n", "open", "total", "mass"))
    some = n > 0
    value: pl.Expr
    match rollup.aggregate:
        case Aggregate.SUM | Aggregate.COUNT:
            value = pl.when(some).then(total).when(unsettled == 0).then(0.0)
        case Aggregate.MAX:
            value = pl.when(some).then(total)
        case Aggregate.MEAN:
            value = pl.when(some & (mass != 0)).then(total / mass)
        case Aggregate.SHARE:
            value = pl.when(some & (mass != 0)).then(total / mass / factor)
        case Aggregate.ALL:
            value = pl.when(some & (total < n)).then(0.0).when(some & (unsettled == 0)).then(1.0)
    reason = pl.when(unsettled == 0).then(pl.lit("not_applicable")).otherwise(pl.lit("not_available"))
    value = value.round_sig_figs(_SIGNIFICANT)
    return value, pl.when(value.is_null()).then(reason)


def coverage_of(rollup: Rollup) -> pl.Expr:
    """Return the share of things that could be counted: by number; of a mean or share by weight.

    Where weights of open things are unknown too, the share by weight of those that have one is multiplied by the share of
    things that have one.
    """
    n, unsettled = pl.col("n"), pl.col("open")
    by_number = pl.when(n + unsettled > 0).then(n / (n + unsettled)).otherwise(1.0)
    if rollup.aggregate not in _WEIGHTED:
        return by_number
    mass, other, weighed = pl.col("mass"), pl.col("open_mass"), pl.col("open_weighed")
    by_weight = mass / (mass + other) * ((n + weighed) / (n + unsettled))
    return pl.when((mass + other > 0) & (n + unsettled > 0)).then(by_weight).otherwise(by_number)
