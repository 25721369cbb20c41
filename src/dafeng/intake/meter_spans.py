"""From the times of a table to the instants of its registers and the spans of its intervals."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

import polars as pl

from dafeng.intake.meter_times import to_instants

__all__ = ["Labels", "Spans", "add_instants", "interval_spans"]

_DAY: Final = 86_400


class Labels(NamedTuple):
    """How the times of intervals were understood.

    Parameters
    ----------
    ends : bool
        Whether a time is the end of its interval.
    how : str
        said, found (the table begins and ends with whole days) or guessed.
    steps : tuple of (text, count)
        Lengths of intervals and how many meters have them.
    """

    ends: bool
    how: str
    steps: tuple[tuple[str, int], ...]


class Spans(NamedTuple):
    """Spans of intervals.

    Parameters
    ----------
    frame : DataFrame
        begin, finish, problem; as long as the frame given.
    labels : Labels or None
        None where the table states both times.
    """

    frame: pl.DataFrame
    labels: Labels | None


def add_instants(slots: pl.DataFrame, *, fold: str, prefix: str = "") -> pl.DataFrame:
    """Return `slots` with the instants of their local times: at, problem, guessed (with the prefix).

    Parameters
    ----------
    slots : DataFrame
        who, zone, and local, offset, problem (with the prefix).
    fold : str
        See `to_instants`.
    prefix : str
    """
    parts = []
    frame = slots.with_row_index("_n")
    for part in frame.partition_by("zone", maintain_order=True):
        times = part.select("who", pl.col(prefix + "local").alias("local"), pl.col(prefix + "offset").alias("offset"))
        read = to_instants(times, part["zone"][0], fold=fold, by="who")
        named = read.rename({"at": prefix + "at", "problem": "_problem", "guessed": prefix + "guessed"})
        parts.append(part.hstack(named))
    joined = (
        pl.concat(parts)
        if parts
        else frame.with_columns(
            pl.lit(None, pl.Datetime("us", "UTC")).alias(prefix + "at"),
            pl.lit(None, pl.String).alias("_problem"),
            pl.lit(False).alias(prefix + "guessed"),
        )
    )
    if len(parts) > 1:
        joined = joined.sort("_n")
    return joined.with_columns(pl.coalesce(prefix + "problem", "_problem").alias(prefix + "problem")).drop(
        "_n", "_problem"
    )


def interval_spans(slots: pl.DataFrame, *, ends: bool | None, step: timedelta | None, fold: str) -> Spans:
    """Return the spans that interval readings cover.

    Parameters
    ----------
    slots : DataFrame
        who, zone, local, offset, span, at, problem; where the table has a beginning of its own also s_local, s_offset, s_span, s_at,
        s_problem.
    ends : bool, optional
        Whether times are ends of intervals; found or guessed where None.
    step : timedelta, optional
        Length of an interval; found for each meter where None.
    fold : str
    """
    if "s_at" in slots.columns:
        return Spans(_stated(slots, fold), None)
    steps = _steps(slots, step)
    frame = slots.join(steps, on="who", how="left", maintain_order="left")
    labels = _labels(frame, ends)
    counts = (
        steps.filter(pl.col("size").is_not_null()).group_by("size").len().sort("len", "size", descending=[True, False])
    )
    labels = labels._replace(steps=tuple(counts.iter_rows()))
    sign = -1 if labels.ends else 1
    plain = pl.col("size").str.ends_with("s")
    seconds = pl.when(plain).then(pl.col("size").str.head(-1).cast(pl.Int64, strict=False))
    other = pl.col("at") + pl.duration(seconds=seconds * sign)
    frame = frame.with_columns(other.alias("other"), pl.lit(None, pl.String).alias("_more"))
    calendar = frame.with_row_index("_n").filter(~plain & pl.col("local").is_not_null())
    if calendar.height:
        by = pl.when(pl.lit(labels.ends)).then(pl.lit("-") + pl.col("size")).otherwise("size")
        moved = calendar.select(
            "who", "zone", "offset", local=pl.col("local").dt.offset_by(by), problem=pl.lit(None, pl.String)
        )
        moved = add_instants(moved, fold="first")
        frame = (
            frame.with_row_index("_n")
            .update(
                calendar.select("_n").hstack(
                    moved.select(pl.col("at").alias("other"), pl.col("problem").alias("_more"))
                ),
                on="_n",
            )
            .drop("_n")
        )
    begin, finish = ("other", "at") if labels.ends else ("at", "other")
    lacking = pl.when(pl.col("size").is_null()).then(pl.lit("no-step"))
    return Spans(
        frame.select(
            pl.col(begin).alias("begin"),
            pl.col(finish).alias("finish"),
            pl.coalesce("problem", lacking, "_more").alias("problem"),
        ),
        labels,
    )


def _stated(slots: pl.DataFrame, fold: str) -> pl.DataFrame:
    """Return spans with both times stated; dates of days include their last day where the next span begins the day after."""
    days = (pl.col("span") == "day") & (pl.col("s_span") == "day")
    ordered = slots.filter(days).select("who", "s_local", "local").sort("who", "s_local")
    following = pl.col("s_local").shift(-1).over("who") - pl.col("local")
    within = ordered.select(
        same=(pl.col("local") <= pl.col("s_local")).any(),
        after=(following == timedelta(days=1)).sum(),
        at_once=(following == timedelta(0)).sum(),
        whole=((pl.col("s_local").dt.day() == 1) & (pl.col("local").dt.offset_by("1d").dt.day() == 1)).mean(),
    ).row(0)
    same, after, at_once, whole = within
    inclusive = bool(same) or (after or 0) > (at_once or 0) or ((at_once or 0) == 0 and (whole or 0) > 0.5)
    frame = slots
    if inclusive:
        moved = slots.with_columns(
            local=pl.when(days).then(pl.col("local").dt.offset_by("1d")).otherwise("local")
        ).drop("at", "guessed", strict=False)
        frame = add_instants(moved, fold=fold)
    backwards = pl.when(pl.col("at") <= pl.col("s_at")).then(pl.lit("end-not-after-start"))
    return frame.select(
        pl.col("s_at").alias("begin"),
        pl.col("at").alias("finish"),
        pl.coalesce("problem", "s_problem", backwards).alias("problem"),
    )


def _steps(slots: pl.DataFrame, step: timedelta | None) -> pl.DataFrame:
    """Return who and size: 3600s, 1d, 1mo, 1y; the commonest distance of neighbours, of the whole table for a lone reading."""
    whos = slots.select("who").unique()
    if step is not None:
        return whos.with_columns(pl.lit(_size_of(step)).alias("size"))
    spans = slots.filter(pl.col("at").is_not_null()).select("who", "at", "local").unique().sort("who", "at")
    spans = spans.with_columns(
        pl.col("at").diff().over("who").dt.total_seconds().alias("gap"), pl.col("local").dt.time().alias("clock")
    ).filter(pl.col("gap") > 0)
    day = pl.col("gap").is_between(_DAY - 3600, _DAY + 3600)
    spans = spans.select(
        "who",
        size=pl.when(pl.col("gap").is_between(28 * _DAY - 3600, 31 * _DAY + 3600))
        .then(pl.lit("1mo"))
        .when(pl.col("gap").is_between(365 * _DAY - 3600, 366 * _DAY + 3600))
        .then(pl.lit("1y"))
        .when(day)
        .then(pl.lit("1d"))
        .otherwise(pl.col("gap").cast(pl.String) + "s"),
    )
    counts = spans.group_by("who", "size").len()
    common = counts.group_by("size").agg(pl.col("len").sum()).sort("len", "size", descending=[True, False])
    own = counts.sort("len", "size", descending=[True, False]).unique("who", keep="first").select("who", "size")
    every = common["size"][0] if common.height else None
    if every is None and slots.height:
        kinds = slots["span"].drop_nulls().unique().to_list()
        every = {("day",): "1d", ("month",): "1mo"}.get(tuple(kinds))
    return whos.join(own, on="who", how="left").with_columns(pl.col("size").fill_null(pl.lit(every, pl.String)))


def _size_of(step: timedelta) -> str:
    seconds = int(step.total_seconds())
    if seconds in range(28 * _DAY, 31 * _DAY + 1):
        return "1mo"
    return "1d" if seconds == _DAY else f"{seconds}s"


def _labels(frame: pl.DataFrame, ends: bool | None) -> Labels:
    if ends is not None:
        return Labels(ends, "said", ())
    spans = set(frame["span"].drop_nulls().unique())
    if "end" in spans:
        return Labels(True, "found", ())
    if spans and spans <= {"day", "month"}:
        return Labels(False, "found", ())
    sub = frame.filter(pl.col("size").str.ends_with("s") & pl.col("local").is_not_null())
    if sub.is_empty():
        return Labels(False, "guessed", ())
    seconds = pl.col("size").str.head(-1).cast(pl.Int64)
    clock = (
        pl.col("local").dt.hour().cast(pl.Int64) * 3600
        + pl.col("local").dt.minute().cast(pl.Int64) * 60
        + pl.col("local").dt.second()
    )
    edges = sub.with_columns(clock.alias("clock"), seconds.alias("seconds")).select(
        first=pl.col("clock").sort_by("local").first(),
        last=pl.col("clock").sort_by("local").last(),
        step=pl.col("seconds").mode().min(),
    )
    first, last, step = edges.row(0)
    if first == 0 and last == _DAY - step:
        return Labels(False, "found", ())
    if first == step and last == 0:
        return Labels(True, "found", ())
    return Labels(first == step, "guessed", ())
