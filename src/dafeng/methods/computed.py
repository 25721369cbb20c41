"""What every computation over observations shares: which rows may enter, how a sum climbs a tree, how results are written.

Facts (reported, computed) give facts of kind ``computed``; estimated, projected and demonstration rows stay what they are,
so that no computation turns them into facts. The dataset of a result is always `DATASET`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from dafeng.base.errors import InputError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import KEY, SCHEMA, MissingReason, Review
from dafeng.catalog.schemas import Indicator
from dafeng.methods.entered import Entered, of_lists
from dafeng.methods.key_codes import Codes, Numbers, encode, key_numbers, row_numbers
from dafeng.methods.row_ids import row_ids

__all__ = [
    "DATASET",
    "REVIEWS",
    "ROUNDING",
    "Computed",
    "carried",
    "check_columns",
    "compare_with_stated",
    "enter",
    "finding",
    "left_out",
    "of_many",
    "refuse_twins",
    "worst_of",
    "write",
]

DATASET: Final = "computed"
"""Dataset of every result."""
ROUNDING: Final = 0.005
"""Relative difference between a stated and a computed value that counts as rounding."""
RESULT_KEY: Final = tuple(name for name in KEY if name != "dataset")
REVIEWS: Final = [review.value for review in Review if review is not Review.WITHDRAWN]
"""States of review from the least to the most certain."""
_KINDS: Final = {"reported": 0, "computed": 1}
_INEXACT: Final = 1e-9
_DIGITS: Final = 15  # the order of summands and the factors of units show in the digits after these


class Computed(tuple[pl.DataFrame, list[Finding]]):
    """Results of a computation: a pair of observations and findings that also knows the lineage of the observations.

    Examples
    --------
    >>> observations, findings = Computed(pl.DataFrame(schema=SCHEMA), [], pl.DataFrame(schema=LINEAGE_SCHEMA))
    >>> observations.height, findings
    (0, [])
    """

    lineage: pl.DataFrame
    """One row of kind formula a result, of `LINEAGE_SCHEMA`: the rule, and the lineage of what entered."""

    gaps: pl.DataFrame
    """What could not be computed and for want of what, of `formula_gaps.GAPS_SCHEMA`; empty unless it was asked for."""

    def __new__(
        cls,
        observations: pl.DataFrame,
        findings: list[Finding],
        lineage: pl.DataFrame,
        gaps: pl.DataFrame | None = None,
    ) -> Self:
        """Return the pair with its lineage and gaps."""
        pair = super().__new__(cls, (observations, findings))
        pair.lineage = lineage
        pair.gaps = pl.DataFrame() if gaps is None else gaps
        return pair

    @property
    def observations(self) -> pl.DataFrame:
        """Results, of `SCHEMA`."""
        return self[0]

    @property
    def findings(self) -> list[Finding]:
        """What was left out, and where stated and computed values differ."""
        return self[1]


def finding(
    name: str, sentence: str, *, severity: Severity = Severity.WARNING, next_step: str = "", **evidence: object
) -> Finding:
    """Return a finding of this room whose evidence is given by name."""
    return Finding(
        name=f"methods.{name}",
        sentence=sentence,
        severity=severity,
        next_step=next_step,
        where=Location(field=str(evidence.get("indicator", ""))),
        evidence={key: value if isinstance(value, int | float) else str(value) for key, value in evidence.items()},
    )


def enter(frame: pl.DataFrame, indicators: Mapping[str, Indicator]) -> tuple[pl.DataFrame, list[Finding]]:
    """Return the rows that may enter a computation, with the columns that computations carry along.

    Withdrawn rows do not enter; nor do quantiles of an ensemble (a sum of 5 % quantiles is none) and unknown indicators,
    both with a finding.

    Raises
    ------
    InputError
        A column is missing, or two rows have one key: one of them would be counted twice.
    """
    check_columns(frame)
    rows = frame.select(list(SCHEMA)).filter(pl.col("review") != Review.WITHDRAWN.value)
    numbers = row_numbers(rows, KEY)
    order = np.argsort(numbers, kind="stable")
    if rows.height and (np.diff(numbers[order]) == 0).any():
        refuse_twins(rows, numbers)
    quantile = (~rows["member"].is_in(["", "mean"])).to_numpy()
    unknown = (~rows["indicator"].is_in(list(indicators))).to_numpy()
    findings = left_out(rows, quantile, unknown)
    rows = rows[order[~(quantile | unknown)[order]]]
    rows = rows.with_columns(
        pl.col("review").replace_strict(REVIEWS, range(len(REVIEWS)), return_dtype=pl.Int64),
        known=pl.col("value").is_not_null(),
        excused=pl.col("missing_reason").eq_missing(MissingReason.NOT_APPLICABLE.value),
        coverage=pl.col("coverage").fill_null(1.0),
        inputs=pl.when(pl.col("lineage").is_null())
        .then(pl.lit([], dtype=pl.List(pl.String)))
        .otherwise(pl.concat_list("lineage")),
    )
    return rows, findings


def check_columns(frame: pl.DataFrame) -> None:
    """Raise an `InputError` where a frame lacks a column of observations."""
    absent = [name for name in SCHEMA if name not in frame.columns]
    if absent:
        raise InputError(
            f"no column {', '.join(absent)}",
            doing="compute over observations",
            expected="a frame of observations",
            next_step="read the frame from a snapshot",
        )


def refuse_twins(rows: pl.DataFrame, numbers: Numbers) -> NoReturn:
    """Raise the `InputError` that rows share their key; `numbers` are those of the keys."""
    twice = rows.filter(pl.Series(numbers).is_duplicated())
    first = twice.row(0, named=True)
    raise InputError(
        f"{twice.height} rows share their key, first {first['indicator']} {first['place']} {first['period']}",
        doing="compute over observations",
        expected="one current row a key",
        next_step="read the current versions from a snapshot",
    )


def left_out(rows: pl.DataFrame, quantile: npt.NDArray[np.bool_], unknown: npt.NDArray[np.bool_]) -> list[Finding]:
    """Return findings on rows that do not enter: quantiles of an ensemble, and indicators that the catalog lacks."""
    findings = []
    for flags, name, sentence in (
        (quantile, "input.quantile", "分位数不能相加，未参与计算"),
        (unknown & ~quantile, "input.unknown-indicator", "目录中没有的指标，未参与计算"),
    ):
        if flags.any():
            those = rows["indicator"].filter(pl.Series(flags))
            which = "、".join(those.unique().sort())
            findings.append(finding(name, f"{len(those)} 行{sentence}", rows=len(those), indicator=which))
    return findings


def carried() -> list[pl.Expr]:
    """Return how the columns that are carried along come together when rows do."""
    everything_published = pl.col("published_on").null_count() == 0
    return [
        pl.col("recorded_at").max(),
        pl.when(everything_published).then(pl.col("published_on").max()).alias("published_on"),
        pl.col("review").min(),
        pl.col("inputs").explode().drop_nulls().unique().sort().alias("inputs"),
    ]


def write(
    results: pl.DataFrame, indicators: Mapping[str, Indicator], *, rule: str, entered: Entered | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, list[Finding]]:
    """Bring results into `SCHEMA`, one row a key, with their lineage.

    Where several datasets or kinds give a result for one key, none is mixed: a known and complete one goes first, then the
    indicator's own precedence, then reported before computed, then coverage, then the name; a finding shows the spread.

    Parameters
    ----------
    results : DataFrame
        Columns of `KEY` but with the datasets of what entered, value, low, high, coverage, excused, recorded_at,
        published_on, review, inputs.
    indicators : mapping from id to Indicator
    rule : str
        What was done, as lineage text; a column ``rule`` of `results` goes before it.
    entered : Entered, optional
        Lineage of what entered each row; goes before a column ``inputs`` of lists of ids.
    """
    if not results.height:
        return pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=LINEAGE_SCHEMA), []
    entered = of_lists(results["inputs"]) if entered is None else entered
    ranks = [
        (indicator.id, dataset, rank)
        for indicator in indicators.values()
        for rank, dataset in enumerate(indicator.precedence)
    ]
    precedence = pl.DataFrame(
        ranks, schema={"indicator": pl.String, "dataset": pl.String, "precedence": pl.Int64}, orient="row"
    )
    amounts = ("value", "low", "high")
    rounded = results.with_columns(
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name).round_sig_figs(_DIGITS)).alias(name) for name in amounts),
        inputs=pl.int_range(results.height),
        was=pl.col("kind"),
        kind=pl.when(pl.col("kind").is_in(list(_KINDS))).then(pl.lit(DATASET)).otherwise(pl.col("kind")),
    )
    codes = {name: encode(rounded[name]) for name in RESULT_KEY}
    numbers = key_numbers(list(codes.values()), rounded.height)
    order = np.argsort(numbers, kind="stable")
    findings: list[Finding] = []
    chosen = rounded
    if (np.diff(numbers[order]) == 0).any():
        several = pl.Series(numbers).is_duplicated()
        ranked = _ranked(rounded.filter(several), precedence, len(ranks))
        findings = _spread(ranked)
        chosen = pl.concat([
            rounded.filter(~several), ranked.unique(RESULT_KEY, keep="first", maintain_order=True).select(rounded.columns)
        ])  # fmt: skip
        codes = {name: encode(chosen[name]) for name in RESULT_KEY}
        order = np.argsort(key_numbers(list(codes.values()), chosen.height), kind="stable")
    if (np.diff(order) != 1).any():
        chosen = chosen[order]
        codes = {name: Codes(one.numbers[order], one.texts) for name, one in codes.items()}
    known = pl.col("value").is_not_null()
    within = {
        end: (pl.col("value") >= pl.col(end) if end == "low" else pl.col("value") <= pl.col(end))
        for end in ("low", "high")
    }
    rules = pl.col("rule") if "rule" in results.columns else pl.lit(rule)
    written = chosen.with_columns(
        *(pl.when(known & within[end]).then(pl.col(end)).alias(end) for end in within),
        pl.col("coverage").clip(0.0, 1.0),
        missing_reason=pl.when(~known).then(
            pl.when("excused")
            .then(pl.lit(MissingReason.NOT_APPLICABLE.value))
            .otherwise(pl.lit(MissingReason.NOT_AVAILABLE.value))
        ),
        review=pl.col("review").replace_strict(range(len(REVIEWS)), REVIEWS, return_dtype=pl.String),
        supersedes=pl.lit(None, dtype=pl.String),
        text=rules,
        from_dataset=pl.col("dataset"),
        dataset=pl.lit(DATASET),
    )
    entered = entered.take(written["inputs"].to_numpy())
    details = _details(written, entered, codes)
    said = [encode(written["text"]), encode(written["from_dataset"]), *codes.values()]
    if "factors" in written.columns:
        said.append(encode(written["factors"]))
    ids = row_ids(said, entered, written["value"])
    written = written.with_columns(detail=details, lineage=ids)
    lineage = written.select(
        id=pl.col("lineage"),
        kind=pl.lit(LineageKind.FORMULA.value),
        **{name: pl.lit("") for name in ("document", "file", "sheet", "cell")},
        text=pl.col("text"),
        detail=pl.col("detail"),
    )
    return (
        written.select([pl.col(name).cast(kind) for name, kind in SCHEMA.items()]),
        lineage.select(list(LINEAGE_SCHEMA)),
        findings,
    )


def _ranked(results: pl.DataFrame, precedence: pl.DataFrame, last: int) -> pl.DataFrame:
    """Return results sorted by key, of each key the one first that is to be taken."""
    return (
        results.join(precedence, on=["indicator", "dataset"], how="left")
        .with_columns(complete=(pl.col("value").is_not_null() & (pl.col("coverage").fill_null(1.0) >= 1.0 - _INEXACT)))
        .sort(
            [
                *RESULT_KEY,
                pl.col("value").is_not_null(),
                pl.col("complete"),
                pl.col("precedence").fill_null(last),
                pl.col("was").replace_strict(_KINDS, default=2, return_dtype=pl.Int64),
                pl.col("coverage"),
                pl.col("dataset"),
            ],
            descending=[*[False] * len(RESULT_KEY), True, True, False, False, True, False],
            nulls_last=True,
        )
    )


def _details(written: pl.DataFrame, entered: Entered, codes: Mapping[str, Codes]) -> pl.Series:
    """Return what lineage says about each result, as JSON: its dataset, the lineage of what entered, its key."""

    def quoted(known: Codes) -> pl.Expr:
        texts = [json.dumps(text, ensure_ascii=False) for text in known.texts]
        return pl.lit(texts[0]) if len(texts) == 1 else pl.lit(pl.Series(texts, dtype=pl.String).gather(known.numbers))

    keys = [part for name in RESULT_KEY for part in (pl.lit(", "), quoted(codes[name]))][1:]
    factors = written["factors"] if "factors" in written.columns else None
    used = pl.lit("")
    if factors is not None:
        some = pl.concat_str(pl.lit(', "factors": ['), pl.lit(factors), pl.lit("]"))
        used = pl.when(pl.lit(factors) == "").then(pl.lit("")).otherwise(some)
    return pl.DataFrame({"inputs": entered.quoted()}).select(
        pl.concat_str(
            *(pl.lit('{"dataset": '), quoted(encode(written["from_dataset"])), pl.lit(', "inputs": ['), "inputs"),
            *(pl.lit('], "key": ['), *keys, pl.lit("]")),
            used,
            pl.lit("}"),
        ).alias("detail")
    )["detail"]


def worst_of(rows: pl.DataFrame, group: Sequence[str], by: pl.Expr) -> pl.DataFrame:
    """Return the row of each group in which `by` is greatest, with ``rows``, the number of rows of its group.

    A finding is made of each: a hundred thousand sentences of one kind are read by nobody.
    """
    return (
        rows.sort([*group, by, *KEY], descending=[*[False] * len(group), True, *[False] * len(KEY)], nulls_last=True)
        .with_columns(rows=pl.len().over(group))
        .unique(group, keep="first", maintain_order=True)
    )


def of_many(row: Mapping[str, int]) -> str:
    """Return what a sentence about the worst of several rows adds; nothing where it is the only one."""
    return f"；同类共 {row['rows']} 个，此为最甚" if row["rows"] > 1 else ""


def _spread(ranked: pl.DataFrame) -> list[Finding]:
    known = pl.col("value").is_not_null()
    several = (
        ranked.filter(known & (pl.len().over(RESULT_KEY) > 1))
        .group_by(RESULT_KEY, maintain_order=True)
        .agg(pl.col("value").min().alias("least"), pl.col("value").max().alias("most"), "dataset")
        .filter(pl.col("dataset").list.len() > 1)
        .with_columns(datasets=pl.col("dataset").list.join("、"), chosen=pl.col("dataset").list.first())
        .with_columns(dataset="datasets")
    )
    return [
        finding(
            "result.several-datasets",
            f"{row['place']} {row['period']} {row['indicator']} 有多个来源的结果（{row['datasets']}），"
            f"采用 {row['chosen']}{of_many(row)}",
            severity=Severity.INFO,
            indicator=row["indicator"],
            place=row["place"],
            period=row["period"],
            datasets=row["datasets"],
            low=row["least"],
            high=row["most"],
            rows=row["rows"],
        )
        for row in worst_of(several, ["indicator", "datasets"], pl.col("most") - pl.col("least")).iter_rows(named=True)
    ]


def compare_with_stated(
    results: pl.DataFrame, rows: pl.DataFrame, *, what: str, on: Sequence[str] = KEY
) -> list[Finding]:
    """Return findings on stated values that differ from the computed ones of their own dataset.

    One for each indicator, dataset and weight: it shows the greatest difference and says how many there are.

    Parameters
    ----------
    results : DataFrame
        Columns of `KEY`, value and coverage, before `write`.
    rows : DataFrame
        Rows of `enter`, the stated values among them.
    what : str
        What was computed, in Chinese, such as 各地合计.
    on : sequence of str
        Columns in which the two agree.
    """
    stated = rows.filter("known").select(*on, stated="value")
    residual = pl.col("stated") - pl.col("value")
    size = pl.max_horizontal(pl.col("stated").abs(), pl.col("value").abs())
    differ = (
        results.filter(pl.col("value").is_not_null())
        .join(stated, on=list(on), how="inner")
        .with_columns(residual=residual, relative=residual.abs() / size)
        .filter(residual.abs() > _INEXACT * size)
        .filter((pl.col("coverage").fill_null(1.0) >= 1.0 - _INEXACT) | (pl.col("residual") < 0))
        .with_columns(rounding=pl.col("relative") <= ROUNDING)
    )
    return [
        finding(
            "result.residual",
            f"{row['place']} {row['period']} {row['indicator']}：填报值 {row['stated']:g} 与{what} {row['value']:g} "
            f"相差 {row['residual']:g}{of_many(row)}",
            severity=Severity.INFO if row["rounding"] else Severity.WARNING,
            next_step="" if row["rounding"] else "核对填报值与各分项",
            indicator=row["indicator"],
            place=row["place"],
            period=row["period"],
            dataset=row["dataset"],
            stated=row["stated"],
            computed=row["value"],
            residual=row["residual"],
            rows=row["rows"],
        )
        for row in worst_of(differ, ["indicator", "dataset", "rounding"], pl.col("relative")).iter_rows(named=True)
    ]
