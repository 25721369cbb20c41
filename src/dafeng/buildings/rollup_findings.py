"""What a roll-up finds on its way, gathered: one finding for each sort of trouble, never one a thing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from dafeng.base.finding import Finding, Location, Severity
from dafeng.buildings.counting import OTHER, Answers
from dafeng.buildings.joined import Ledger
from dafeng.catalog import Catalog
from dafeng.catalog.expression import expression_names
from dafeng.catalog.ledger_schemas import Rollup

__all__ = ["beyond_bounds", "date_findings", "dispute_findings", "gap_findings"]

_SHOWN: Final = 5
_FIELDS: Final = 4
_ROUNDING: Final = 1e-9


def date_findings(
    ledger: Ledger, asked: Sequence[tuple[Rollup, Answers]], catalog: Catalog, as_of: date
) -> list[Finding]:
    """Return one finding for each statistic date that things lack, and for each that lies in the future.

    Of the roll-ups that use a date, the one with the most such things is shown.
    """
    worst: dict[tuple[str, str], tuple[int, list[int], str]] = {}
    for rollup, answers in asked:
        for problem, count, rows in (
            ("undated", answers.undated, answers.undated_rows),
            ("future-date", answers.future, answers.future_rows),
        ):
            if count > worst.get((problem, rollup.dated), (0, [], ""))[0]:
                worst[problem, rollup.dated] = (count, rows, rollup.id)
    findings = []
    for (problem, field), (count, rows, rollup_id) in sorted(worst.items()):
        name = catalog.fields[field].zh
        keys = ledger.base["key"].gather(rows[:_SHOWN]).to_list()
        said = (
            f"没有{name}，不知归入哪一年：未计入，各年覆盖率因此降低"
            if problem == "undated"
            else f"的{name}在 {as_of} 之后，未计入"
        )
        findings.append(
            Finding(
                name=f"buildings.rollup.{problem}",
                sentence=f"{ledger.what}：{count} 项{said}（{'、'.join(keys)}{'等' if count > len(keys) else ''}）",
                severity=Severity.WARNING,
                expected=f"{as_of} 或以前的{name}",
                next_step=f"请补填或核对{name}",
                where=Location(field=field),
                evidence={"rows": count, "field": field, "rollup": rollup_id, "first": "、".join(keys)},
            )
        )
    return findings


def gap_findings(rollup: Rollup, ledger: Ledger, answers: Answers, catalog: Catalog) -> list[Finding]:
    """Return a finding on things that are open for want of a field, and one on things without a class."""
    unsettled = answers.things.filter(~pl.col("known") & ~pl.col("idle") & ~pl.col("undated"))["row"]
    findings = []
    title = catalog.indicator(rollup.indicator).zh
    if unsettled.len():
        texts = [text for text in (rollup.when, rollup.value, rollup.weight) if text is not None]
        names = list(dict.fromkeys(name for text in texts for name in expression_names(text)))
        rows = ledger.base.select("key", *(name for name in names if name not in ("key", "stage")))[unsettled]
        nulls = sorted(
            ((rows[name].null_count(), catalog.fields[name].zh) for name in names if name in rows.columns),
            key=lambda pair: (-pair[0], pair[1]),
        )
        blank = "、".join(f"{name} {count}" for count, name in nulls[:_FIELDS] if count)
        keys = rows["key"].head(_SHOWN).to_list()
        findings.append(
            Finding(
                name="buildings.rollup.open-things",
                sentence=f"{title}：{unsettled.len()} 项因未填而不能判断是否计入（未填：{blank or '无，除数为零'}）",
                severity=Severity.INFO,
                next_step="请补填所列各栏",
                where=Location(field=rollup.id),
                evidence={"rows": unsettled.len(), "rollup": rollup.id, "blank": blank, "first": "、".join(keys)},
            )
        )
    for name, count in answers.unclassified.items():
        if count:
            bare = answers.things.filter(pl.col("known") & (pl.col(f"class_{name}").fill_null(OTHER) == OTHER))[
                "row"
            ].head(_SHOWN)
            keys = ledger.base["key"].gather(bare).to_list()
            field = catalog.fields[rollup.breakdowns[name]].zh
            findings.append(
                Finding(
                    name="buildings.rollup.unclassified",
                    sentence=f"{title}：{count} 项没有可用的{field}，只计入合计，不计入任何一类",
                    severity=Severity.INFO,
                    next_step=f"请补填{field}",
                    where=Location(field=rollup.id),
                    evidence={"rows": count, "rollup": rollup.id, "breakdown": name, "first": "、".join(keys)},
                )
            )
    return findings


def dispute_findings(rollup: Rollup, ledger: Ledger, things: Sequence[int], catalog: Catalog) -> list[Finding]:
    """Return a finding on things to which two registers give different answers."""
    if not things:
        return []
    rows = ledger.rows.filter(pl.col("_thing").is_in(list(things)))
    names = [catalog.registers[name].title.zh for name in dict.fromkeys(rows.sort("_rank")["_register"])]
    keys = rows["key"].unique(maintain_order=True).head(_SHOWN).to_list()
    return [
        Finding(
            name="buildings.rollup.registers-disagree",
            sentence=f"{catalog.indicator(rollup.indicator).zh}：{len(things)} 项在{'与'.join(names)}中说法不同"
            f"（{'、'.join(keys)}{'等' if len(things) > len(keys) else ''}），逐栏以{names[0]}为先",
            severity=Severity.WARNING,
            next_step="请核对两本台账",
            where=Location(field=rollup.id),
            evidence={
                "rows": len(things),
                "rollup": rollup.id,
                "registers": "、".join(names),
                "first": "、".join(keys),
            },
        )
    ]


def beyond_bounds(observations: pl.DataFrame, catalog: Catalog) -> list[Finding]:
    """Return a finding for each indicator with a result outside of the bounds that it declares, a share above 100 % among them."""
    findings = []
    for name in observations["indicator"].unique().sort():
        indicator = catalog.indicator(name)
        low, high = indicator.minimum, indicator.maximum
        value = pl.col("value")
        room = _ROUNDING * max(abs(low or 0.0), abs(high or 0.0), 1.0)
        out = (value < (-float("inf") if low is None else low) - room) | (
            value > (float("inf") if high is None else high) + room
        )
        rows = observations.filter((pl.col("indicator") == name) & out).sort("place", "period")
        if rows.height:
            first = rows.row(0, named=True)
            findings.append(
                Finding(
                    name="buildings.rollup.out-of-bounds",
                    sentence=f"{indicator.zh}：{rows.height} 个汇总值超出界限，如 {catalog.place_name(first['place'])} "
                    f"{first['period']} 为 {first['value']:g}",
                    severity=Severity.WARNING,
                    value=f"{first['value']:g}",
                    expected=f"{'' if low is None else low} 至 {'' if high is None else high}（{indicator.unit}）",
                    next_step="核对分子与分母的台账是否同一范围",
                    where=Location(field=name),
                    evidence={
                        "rows": rows.height,
                        "indicator": name,
                        "place": first["place"],
                        "period": first["period"],
                    },
                )
            )
    return findings
