"""What is usual for a meter, evidence of single readings and intervals, and findings that say what to ask the operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import ibis
import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.catalog.metering_schemas import MeterCheck, Treatment
from dafeng.lake.prepared import prepared
from dafeng.metering.frames import FLAG_SCHEMA, HOUR, bits_of, seconds_of

__all__ = ["baselines", "flag_findings", "measured_hours", "reading_flags", "to_flags", "unknown_meters"]

_FLAG_COLUMNS: Final = ("meter", "start", "end", "value", "expected", "detail")
_ROW_CHECKS: Final = ("negative-step", "power", "overlap", "fault", "service", "catch-up", "rollover")


def measured_hours(hours: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return the hours that were measured whole: covered, nothing in them from a longer interval, nothing withheld."""
    whole = (hours.covered == HOUR) & (hours.withheld == 0)
    return hours.filter(whole & ((hours.flags & bits_of(checks, "catch-up")) == 0))


@prepared
def baselines(hours: ibis.Table, checks: Mapping[str, MeterCheck]) -> ibis.Table:
    """Return what is usual for each meter.

    Parameters
    ----------
    hours : Table of `HOUR_SCHEMA`
        Of a span long enough to be usual: a year, at least some weeks. Made before any limit of the meter's own is applied.
    checks : mapping

    Returns
    -------
    Table of `BASELINE_SCHEMA`
    """
    quantile = checks["power"].parameters.get("own_quantile", 0.99) if "power" in checks else 0.99
    whole = measured_hours(hours, checks)
    window = ibis.window(group_by="meter", order_by="hour")
    table = whole.mutate(same=(whole.amount == whole.amount.lag().over(window)).fill_null(False) & (whole.amount != 0))
    return table.group_by("meter").agg(
        high=table.amount.quantile(quantile) / HOUR,
        zero_share=(table.amount == 0).cast("float64").mean(),
        same_share=table.same.cast("float64").mean(),
        hours=table.count().cast("int64"),
    )


@prepared
def reading_flags(
    intervals: ibis.Table, aside: ibis.Table, meters: ibis.Table, checks: Mapping[str, MeterCheck]
) -> ibis.Table:
    """Return evidence of the checks on single readings and intervals.

    Parameters
    ----------
    intervals : Table of `INTERVAL_SCHEMA`
    aside : Table
        Of `readings_set_aside`.
    meters : Table of `METER_SCHEMA`
    checks : mapping

    Returns
    -------
    Table
        check, meter, start, end (seconds), value, expected, detail. value: amount of the interval, amount a second for
        ``power``, the reading itself where it was set aside.
    """
    limits = intervals.filter(intervals.flags != 0).join(meters.select("meter", "power"), "meter")
    seconds = limits.end - limits.start
    rate = ibis.ifelse(seconds > 0, limits.amount / seconds, ibis.null("float64"))
    parts = []
    for name in _ROW_CHECKS:
        bit = bits_of(checks, name)
        rows = limits.mutate(rate=rate).filter((limits.flags & bit) != 0)
        strong = name == "power"
        parts.append(
            rows.select(
                "meter",
                "start",
                "end",
                check=ibis.literal(name),
                value=rows.rate if strong else rows.amount,
                expected=rows.power if strong else ibis.null("float64"),
                detail=ibis.literal("amount a second" if strong else "amount"),
            )
        )
    names = {bits_of(checks, name): name for name in ("range", "clock", "fault", "kind", "spike") if name in checks}
    parts.append(
        aside.select(
            "meter",
            start=aside["at"],
            end=aside["at"],
            check=ibis.cases(*((aside.bit == bit, name) for bit, name in names.items()), else_="range"),
            value=aside.value,
            expected=aside.low,
            detail=ibis.literal("reading set aside"),
        )
    )
    columns = ("check", *_FLAG_COLUMNS)
    return ibis.union(*(part.select(*columns) for part in parts), distinct=False)


def unknown_meters(readings: ibis.Table, meters: ibis.Table) -> ibis.Table:
    """Return meters that send readings and stand in no record: meter, readings, first, last (seconds)."""
    strange = readings.anti_join(meters.select("meter"), "meter")
    return strange.group_by("meter").agg(
        readings=strange.count(), first=seconds_of(strange["at"].min()), last=seconds_of(strange["at"].max())
    )


def to_flags(evidence: pl.DataFrame) -> pl.DataFrame:
    """Return collected evidence, whose start and end are seconds, as a frame of `FLAG_SCHEMA` in a fixed order."""
    instants = [
        pl.from_epoch(pl.col(name), time_unit="s").dt.replace_time_zone("UTC").dt.cast_time_unit("us")
        for name in ("start", "end")
    ]
    return (
        evidence.with_columns(instants)
        .select(pl.col(name).cast(kind) for name, kind in FLAG_SCHEMA.items())
        .sort("meter", "start", "end", "check")
    )


def flag_findings(flags: pl.DataFrame, checks: Mapping[str, MeterCheck]) -> list[Finding]:
    """Return one finding for each meter and check: how often, since when, and what to ask.

    Parameters
    ----------
    flags : DataFrame of `FLAG_SCHEMA`
    checks : mapping

    Returns
    -------
    list of Finding
        Named ``meter.<check>``; a warning where energy is withheld, else a note.
    """
    groups = (
        flags.group_by("check", "meter")
        .agg(
            pl.len().alias("count"),
            pl.col("start").min(),
            pl.col("end").max(),
            pl.col("value").sort_by("start").first(),
            pl.col("expected").sort_by("start").first(),
        )
        .sort("check", "meter")
    )
    findings = []
    for row in groups.iter_rows(named=True):
        check = checks.get(row["check"])
        if check is None:
            continue
        withheld = check.treatment is Treatment.WITHHOLD
        findings.append(
            Finding(
                name=f"meter.{check.id}",
                sentence=f"表计 {row['meter']}：{check.title.zh}，{row['count']} 处，"
                f"{row['start']:%Y-%m-%d %H:%M} 至 {row['end']:%Y-%m-%d %H:%M}（UTC）"
                + ("，未计入合计而列在旁边" if withheld else "，照计并标注"),
                severity=Severity.WARNING if withheld else Severity.INFO,
                value="" if row["value"] is None else f"{row['value']:g}",
                expected="" if row["expected"] is None else f"{row['expected']:g}",
                next_step=check.ask,
                evidence={"meter": row["meter"], "count": row["count"], "withheld": withheld},
            )
        )
    return findings
