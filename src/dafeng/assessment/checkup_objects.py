"""Sets that judge single objects (communities): each object item by item, then counts that the set's items ask for.

The surveyor's own answer to an item decides. Without one, what was measured is held against every requirement of the item:
an object fails where one that holds for all objects is missed and nothing may stand in its stead, it passes where all are
measured and met, and is unknown otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from dafeng.base.errors import InputError, UnitError
from dafeng.base.finding import Finding, Severity
from dafeng.base.observation import SCHEMA, ObservationKind, Review
from dafeng.base.quantity import conversion_factor
from dafeng.base.target import Comparator
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.statistics_schemas import IndicatorSet, Requirement, SetItem

__all__ = ["ANSWERS", "ObjectsJudged", "count_objects"]

ANSWERS: Final[dict[str, pl.DataType]] = {
    "place": pl.String(),
    "year": pl.Int32(),
    "object": pl.String(),
    "item": pl.String(),
    "requirement": pl.String(),
    "value": pl.Float64(),
    "unit": pl.String(),
}
"""Columns of a survey of objects: `requirement` is empty for the surveyor's answer (1 met, 0 not met), else the id of what was
measured, `value` then in `unit` (the requirement's own where empty). A null value is a blank: it says that the item was asked."""

_SLACK: Final = 1e-9


@dataclass(frozen=True)
class ObjectsJudged:
    """Objects judged.

    `frame` has place, year, object, item, met (null where unknown); `objects` place, year, object, met, not_met, unknown and
    all_met; `counts` are observations of the set's own indicators.
    """

    frame: pl.DataFrame
    objects: pl.DataFrame
    counts: pl.DataFrame
    findings: tuple[Finding, ...]


def count_objects(
    indicator_set: IndicatorSet, answers: pl.DataFrame, catalog: Catalog, *, dataset: str, recorded_at: datetime
) -> ObjectsJudged:
    """Judge every object and count those that meet each item.

    Parameters
    ----------
    indicator_set : IndicatorSet
        Its items count objects (`share_of`).
    answers : DataFrame
        Columns of `ANSWERS`.
    catalog : Catalog
    dataset : str
        Name under which the counts are recorded.
    recorded_at : datetime
        UTC.

    Returns
    -------
    ObjectsJudged
        A count speaks of the objects whose answer is known: where some are unknown its coverage is below 1, and the share of
        the whole is then an interval.

    Raises
    ------
    InputError
        A column is missing, or the set does not judge objects.

    Examples
    --------
    >>> from datetime import UTC
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> rows = [("qingdao", 2024, "甲社区", "5", "floor-area", 160.0, "平方米"), ("qingdao", 2024, "乙社区", "5", "", 0.0, "")]
    >>> judged = count_objects(catalog.sets["complete-community-2020"], pl.DataFrame(rows, schema=ANSWERS, orient="row"), catalog,
    ...                        dataset="survey", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    >>> judged.frame["met"].to_list(), judged.counts.filter(indicator="complete_health_station_communities")["value"].to_list()
    ([False, True], [1.0])
    """
    counted = {item.number: item for item in indicator_set.items if item.share_of is not None}
    absent = [name for name in ANSWERS if name not in answers.columns]
    if absent or not counted:
        raise InputError(
            f"columns {', '.join(absent)} are missing"
            if absent
            else f"{indicator_set.id} does not judge single objects",
            doing="judge objects of a survey",
            expected="a frame with the columns of ANSWERS, and a set whose items count objects",
            next_step="bring the survey into that shape",
        )
    known = answers.filter(pl.col("item").is_in(list(counted)))
    findings = _unknown_items(answers.height - known.height, indicator_set)
    judged, faults = _measured(known, counted)
    frame = (
        judged.group_by("place", "year", "object", "item")
        .agg(
            answer=pl.col("pass").filter(pl.col("requirement") == "").first(),
            failed=(pl.col("binding") & ~pl.col("pass")).fill_null(False).any(),
            doubtful=(pl.col("pass") == False).fill_null(False).any(),  # noqa: E712
            passed=pl.col("requirement").filter(pl.col("needed") & pl.col("pass").fill_null(False)).n_unique(),
        )
        .with_columns(
            asked=pl.col("item").replace_strict(
                {number: _needed(item) for number, item in counted.items()}, return_dtype=pl.UInt32
            )
        )
        .with_columns(
            met=pl.when(pl.col("answer").is_not_null())
            .then("answer")
            .when("failed")
            .then(pl.lit(False))
            .when((pl.col("asked") > 0) & (pl.col("passed") == pl.col("asked")) & ~pl.col("doubtful"))
            .then(pl.lit(True))
        )
        .select("place", "year", "object", "item", "met")
        .sort("place", "year", "item", "object")
    )
    return ObjectsJudged(
        frame=frame,
        objects=_objects(frame, len(indicator_set.items)),
        counts=_counts(frame, counted, catalog, dataset, recorded_at),
        findings=(*findings, *faults),
    )


def _unknown_items(rows: int, indicator_set: IndicatorSet) -> list[Finding]:
    return [
        Finding(
            name="checkup.object.item",
            sentence=f"{rows}行的项目序号不在“{indicator_set.title.zh}”中，未采用",
            severity=Severity.WARNING,
            expected="指标集中的序号",
            evidence={"rows": rows},
        )
    ] * bool(rows)


def _needed(item: SetItem) -> int:
    return sum(1 for one in item.requires if not one.only)


def _measured(known: pl.DataFrame, counted: Mapping[str, SetItem]) -> tuple[pl.DataFrame, list[Finding]]:
    """Return rows with whether each passes, whether a failure binds, and whether it is needed of all objects."""
    of_answer = known.filter(pl.col("requirement") == "").with_columns(
        **{"pass": pl.col("value") >= 1 - _SLACK}, binding=pl.lit(False), needed=pl.lit(False)
    )
    parts, findings = [of_answer], []
    wanted = {(number, one.id): one for number, item in counted.items() for one in item.requires}
    rest = known.filter(pl.col("requirement") != "")
    for (number, name, unit), rows in rest.group_by(["item", "requirement", "unit"], maintain_order=True):
        need = wanted.get((str(number), str(name)))
        factor = None if need is None else _factor(str(unit or need.unit), need)
        if need is None or factor is None:
            findings.append(
                Finding(
                    name="checkup.object.requirement",
                    sentence=f"第{number}项没有要求“{name}”或单位“{unit}”不能换算，{rows.height}行未采用",
                    severity=Severity.WARNING,
                    value=str(name),
                    expected="、".join(key for at, key in wanted if at == number),
                )
            )
            continue
        parts.append(
            rows.with_columns(
                **{"pass": _passes(pl.col("value") * factor, need)},
                binding=pl.lit(not need.only and not need.unless),
                needed=pl.lit(not need.only),
            )
        )
    return pl.concat(parts), findings


def _factor(unit: str, need: Requirement) -> float | None:
    try:
        return conversion_factor(unit, need.unit)
    except UnitError:
        return None


def _passes(value: pl.Expr, need: Requirement) -> pl.Expr:
    slack = _SLACK * max(1.0, abs(need.value))
    match need.comparator:
        case Comparator.AT_MOST:
            return value <= need.value + slack
        case Comparator.LESS_THAN:
            return value < need.value - slack
        case Comparator.MORE_THAN:
            return value > need.value + slack
        case _:
            return value >= need.value - slack


def _objects(frame: pl.DataFrame, items: int) -> pl.DataFrame:
    """Return each object with how many items it meets; all_met is null where that is open."""
    return (
        frame.group_by("place", "year", "object")
        .agg(
            met=pl.col("met").sum().cast(pl.Int64),
            not_met=(~pl.col("met")).sum().cast(pl.Int64),
        )
        .with_columns(unknown=items - pl.col("met") - pl.col("not_met"))
        .with_columns(
            all_met=pl.when(pl.col("not_met") > 0).then(pl.lit(False)).when(pl.col("unknown") == 0).then(pl.lit(True))
        )
        .sort("place", "year", "object")
    )


def _counts(
    frame: pl.DataFrame, counted: Mapping[str, SetItem], catalog: Catalog, dataset: str, recorded_at: datetime
) -> pl.DataFrame:
    """Return observations: how many objects meet each item, and how many were surveyed at all."""
    indicators = {number: item.indicator for number, item in counted.items()}
    wholes = {str(item.share_of) for item in counted.values()}
    surveyed = frame.group_by("place", "year").agg(value=pl.col("object").n_unique().cast(pl.Float64))
    met = (
        frame.filter(pl.col("met").is_not_null())
        .group_by("place", "year", "item")
        .agg(value=pl.col("met").sum().cast(pl.Float64), known=pl.col("object").n_unique())
        .join(surveyed.rename({"value": "all"}), on=["place", "year"])
        .with_columns(
            indicator=pl.col("item").replace_strict(indicators, return_dtype=pl.String),
            coverage=pl.col("known") / pl.col("all"),
        )
    )
    whole = [surveyed.with_columns(indicator=pl.lit(name), coverage=pl.lit(1.0)) for name in sorted(wholes)]
    columns = ["indicator", "place", "year", "value", "coverage"]
    extents = {name: one.extent.value for name, one in catalog.indicators.items()}
    blank = {name: pl.lit(None, dtype=kind) for name, kind in SCHEMA.items()}
    fixed = {
        **{name: pl.lit("all") for name in ("building_class", "carrier", "end_use", "boundary")},
        **{name: pl.lit("") for name in ("basis", "scenario", "member")},
        "kind": pl.lit(ObservationKind.COMPUTED.value),
        "dataset": pl.lit(dataset),
        "recorded_at": pl.lit(recorded_at, dtype=SCHEMA["recorded_at"]),
        "review": pl.lit(Review.APPROVED.value),
        "extent": pl.col("indicator").replace_strict(extents, return_dtype=pl.String),
        "period": pl.col("year").cast(pl.String).str.zfill(4),
    }
    rows = pl.concat([part.select(columns) for part in (met, *whole)])
    given = ("indicator", "place", "value", "coverage")
    return (
        rows.with_columns(**{name: one for name, one in blank.items() if name not in given})
        .with_columns(**fixed)
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
        .sort("indicator", "place", "period")
    )
