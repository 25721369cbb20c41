"""What the yearly report is given of the ledgers: figures counted from them, obligations, promises, contradictions, rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any, Final, NamedTuple

import polars as pl

from dafeng.assessment.ledgers import trusted_ledgers
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.ledger import STAGE_NAMES
from dafeng.base.lineage import LineageKind
from dafeng.base.observation import BREAKDOWNS, KEY
from dafeng.base.period import Period
from dafeng.base.quantity import convert
from dafeng.base.target import Target
from dafeng.buildings.identity import HIGH, candidate_findings, find_candidates, matching_view
from dafeng.buildings.obligations import CHECK_SCHEMA, count_checks
from dafeng.buildings.project_facts import shown_text
from dafeng.buildings.rollup import RolledUp, members_of, roll_up
from dafeng.buildings.things import check_links, promised_and_built
from dafeng.catalog import Catalog
from dafeng.catalog.expression import evaluate, expression_names
from dafeng.catalog.ledger_schemas import Aggregate, Register, Rollup, RollupSpan
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import IndicatorMeasure
from dafeng.lake import Snapshot
from dafeng.reports.ledger_facts import (
    MEMBER_SCHEMA,
    LedgerFacts,
    LedgerFigure,
    LedgerUse,
    LedgerValue,
    Names,
    OtherSource,
    Promises,
    class_name,
)
from dafeng.workflow.ledger_sources import rollups_behind
from dafeng.workflow.ledgers import current_ledgers, ledger_rows
from dafeng.workflow.projects import Programme, check_programme, project_things
from dafeng.workflow.setting import Setting

__all__ = ["NO_LEDGERS", "ledgers_for_report"]

NO_LEDGERS: Final = ("项目台账", "工作区没有台账，本报告未由台账汇总指标，也未核查项目义务。")
"""Convention printed where there are no ledgers."""
_SHOWN: Final = 5
_SPANS: Final = {RollupSpan.YEAR: "当年", RollupSpan.SINCE: "累计", RollupSpan.STANDING: "年末在册"}
_COUNTS: Final = {
    Aggregate.SUM: "求和", Aggregate.COUNT: "计数", Aggregate.MAX: "取最大值", Aggregate.MEAN: "加权平均", Aggregate.ALL: "看是否全部满足",
    Aggregate.SHARE: "算占比",
}  # fmt: skip


class _Cell(NamedTuple):
    """A quantity that a target of the plan speaks of."""

    indicator: str
    place: str
    extent: str
    classes: tuple[str, ...]


def ledgers_for_report(
    setting: Setting, plan: Plan, *, as_of: date, known_at: date | None, year: int, names: Names = Names.MASKED
) -> LedgerFacts | None:
    """Return what ledgers say for a plan's yearly report, None where the workspace holds no ledger.

    The figures are those that were published: a count is made anew only to list rows and to say where a ledger has changed
    since.

    Parameters
    ----------
    setting : Setting
    plan : Plan
    as_of, known_at : date
        Facts published later are not known, nor rows and facts recorded later (None for all).
    year : int
        Year of the report.
    names : Names
        Whether projects are named in full.
    """
    catalog = setting.catalog
    current = {} if setting.lake is None else current_ledgers(setting, as_of=known_at)
    current = {name: current[name] for name in catalog.registers if name in current and current[name].height}
    if setting.lake is None or not current:
        return None
    snapshot = setting.lake.snapshot()
    behind = {
        target.indicator: rollups_behind(catalog.indicators.get(target.indicator), catalog) for target in plan.targets
    }
    cells = _cells(plan, catalog, behind)
    wanted = sorted({cell.indicator for cell in cells})
    places = sorted({cell.place for cell in cells})
    held = snapshot.read(as_of=known_at, published_by=as_of, indicators=wanted, places=places)
    held = held.filter(pl.col("scenario") == "", pl.col("period").is_in(_periods(held, year)))
    ours = _of_ledgers(held, behind, cells)
    details = _details(snapshot, ours["lineage"].drop_nulls().to_list())
    before = _corrected(snapshot, ours, known_at)
    figures = [
        figure
        for cell in cells
        if (figure := _figure(cell, behind[cell.indicator], held, ours, details, before, catalog)) is not None
    ]
    used = sorted({name for figure in figures for name in figure.rollups})
    rolled = _counted_anew(setting, current, used, as_of=as_of, year=year)
    records = {name: ledger_rows(setting, name, as_of=known_at) for name in current}
    programme = _programme(setting, plan, as_of=as_of, known_at=known_at)
    unlinked = check_links(records, catalog, catalog.links.values(), as_of=known_at)
    contradictions = [*_broken_checks(records, catalog), *unlinked, *_maybe_one(current, catalog)]
    if rolled is not None:
        contradictions += [found for found in rolled.findings if found.severity is not Severity.INFO]
    return LedgerFacts(
        registers=[
            _use(catalog.registers[name], things, records[name], [catalog.rollups[one] for one in used])
            for name, things in current.items()
        ],
        figures=figures,
        members=pl.DataFrame(schema=MEMBER_SCHEMA) if rolled is None else _members(ours, rolled, current, behind),
        projects=0 if programme is None else programme.things,
        counts=count_checks(pl.DataFrame(schema=CHECK_SCHEMA), ("rulebook", "rule", "place"))
        if programme is None
        else programme.counts,
        failing=pl.DataFrame(schema=CHECK_SCHEMA).with_columns(name=pl.lit(None, pl.String))
        if programme is None
        else programme.failing,
        rules=() if programme is None else programme.rules,
        promises=_promises(records, catalog, known_at),
        contradictions=_distinct(contradictions),
        stale=() if rolled is None else _changed_since(ours, details, rolled, catalog),
        recorded_on=None if ours.is_empty() else ours.select(pl.col("recorded_at").max()).item().date(),
        catalog=catalog,
        shown=names,
    )


def _cells(plan: Plan, catalog: Catalog, behind: Mapping[str, Sequence[Rollup]]) -> list[_Cell]:
    def cell(target: Target) -> _Cell:
        extent = target.extent or catalog.indicators[target.indicator].extent
        classes = tuple(str(getattr(target, name)) for name in BREAKDOWNS)
        return _Cell(target.indicator, target.place or plan.place, extent.value, classes)

    return list(dict.fromkeys(cell(target) for target in plan.targets if behind[target.indicator]))


def _periods(held: pl.DataFrame, year: int) -> list[str]:
    """Return the last whole year and the longest known part of the report's year."""
    parts = sorted(
        (period for period in held["period"].unique() if period.startswith(f"{year}-01..")),
        key=lambda text: Period.parse(text).end,
    )
    return [str(year - 1), *parts[-1:]]


def _of_ledgers(held: pl.DataFrame, behind: Mapping[str, Sequence[Rollup]], cells: Sequence[_Cell]) -> pl.DataFrame:
    """Return the rows that were counted from ledgers and that targets speak of."""
    pairs = {(indicator, rollup.dataset) for indicator, rollups in behind.items() for rollup in rollups}
    known = pl.DataFrame(sorted(pairs), schema={"indicator": pl.String, "dataset": pl.String}, orient="row")
    on = ["indicator", "place", "extent", *BREAKDOWNS]
    asked = pl.DataFrame(
        [(cell.indicator, cell.place, cell.extent, *cell.classes) for cell in cells],
        schema=dict.fromkeys(on, pl.String),
        orient="row",
    )
    counted = held.join(known, on=["indicator", "dataset"], how="semi", maintain_order="left")
    return counted.join(asked, on=on, how="semi", maintain_order="left")


def _details(snapshot: Snapshot, ids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return for each lineage id the details of the counts behind it, those of the inputs of a formula in their order."""
    found = snapshot.lineage(ids)
    formulas = {
        row["id"]: json.loads(row["detail"]).get("inputs", [])
        for row in found.iter_rows(named=True)
        if row["kind"] == LineageKind.FORMULA.value
    }
    inputs = snapshot.lineage(sorted({one for ones in formulas.values() for one in ones}))
    queries = {
        row["id"]: json.loads(row["detail"])
        for row in pl.concat([found, inputs]).iter_rows(named=True)
        if row["kind"] == LineageKind.QUERY.value
    }
    return {name: [detail] for name, detail in queries.items()} | {
        name: [queries[one] for one in ones if one in queries] for name, ones in formulas.items()
    }


def _corrected(snapshot: Snapshot, ours: pl.DataFrame, known_at: date | None) -> dict[str, float]:
    """Return by version the value that stood before it, where that was another."""
    later = ours.filter(pl.col("supersedes").is_not_null())
    if later.is_empty():
        return {}
    former = snapshot.history(versions=later["supersedes"].to_list()).select(supersedes="version", before="value")
    both = later.select("version", "value", "supersedes").join(former, on="supersedes")
    changed = both.filter(pl.col("before").ne_missing(pl.col("value")) & pl.col("before").is_not_null())
    return dict(changed.select("version", "before").rows())


def _figure(
    cell: _Cell,
    rollups: Sequence[Rollup],
    held: pl.DataFrame,
    ours: pl.DataFrame,
    details: Mapping[str, Sequence[Mapping[str, Any]]],
    before: Mapping[str, float],
    catalog: Catalog,
) -> LedgerFigure | None:
    """Return what ledgers say of a quantity, None where they say nothing."""
    indicator = catalog.indicators[cell.indicator]
    same = [pl.col("indicator") == cell.indicator, pl.col("place") == cell.place, pl.col("extent") == cell.extent]
    same += [pl.col(name) == code for name, code in zip(BREAKDOWNS, cell.classes, strict=True)]
    rows = ours.filter(*same).sort("period", "basis")
    if rows.is_empty():
        return None
    shown = partial(convert, unit=indicator.unit, to=indicator.shown_unit)
    values = []
    for row in rows.iter_rows(named=True):
        counts = details.get(row["lineage"] or "", ())
        others = held.filter(
            *same,
            pl.col("period") == row["period"],
            pl.col("basis") == row["basis"],
            pl.col("dataset") != row["dataset"],
        ).drop_nulls("value")
        former = before.get(row["version"])
        values.append(
            LedgerValue(
                period=row["period"],
                title=Period.parse(row["period"]).title,
                value=None if row["value"] is None else shown(row["value"]),
                coverage=row["coverage"],
                things=tuple(one["count"] for one in counts),
                open=sum(one["open"] for one in counts),
                others=tuple(OtherSource(name, shown(value)) for name, value in others["dataset", "value"].rows()),
                before=None if former is None else shown(former),
                changed_on=None if former is None else row["recorded_at"].date(),
            )
        )
    used = [
        rollup
        for rollup in rollups
        if (rollup.extent or catalog.indicators[rollup.indicator].extent.value) == cell.extent
    ]
    used = used or list(rollups)
    grades = [indicator.grade.value, *(rollup.grade.value for rollup in used)]
    classes = [code for code in cell.classes if code != "all"]
    return LedgerFigure(
        indicator=indicator.id,
        label=indicator.zh + (f"（{'、'.join(class_name(code, catalog) for code in classes)}）" if classes else ""),
        extent=catalog.term("extent", cell.extent),
        unit=indicator.shown_unit,
        state=indicator.measure is IndicatorMeasure.STATE,
        values=tuple(values),
        rollups=tuple(rollup.id for rollup in used),
        rule=_rule(used, catalog),
        pending="" if max(grades) == "A" else max(grades),
        registers=tuple(
            dict.fromkeys(catalog.registers[name].title.zh for rollup in used for name in rollup.registers)
        ),
        leads=bool(trusted_ledgers(indicator, catalog)),
    )


def _rule(rollups: Sequence[Rollup], catalog: Catalog) -> str:
    """Return in words how a quantity is counted."""
    texts = []
    for rollup in rollups:
        since = f"自{rollup.since}年" if rollup.since else "自台账首行" if rollup.open_ended else ""
        head = f"按{catalog.fields[rollup.dated].zh}，{since}{_SPANS[rollup.span]}{_COUNTS[rollup.aggregate]}"
        texts.append(f"{head}：{rollup.note}" if rollup.note else head)
    return "；".join(dict.fromkeys(texts))


def _use(register: Register, things: pl.DataFrame, rows: pl.DataFrame, used: Sequence[Rollup]) -> LedgerUse:
    last: datetime = rows.select(pl.col("recorded_at").max()).item()
    return LedgerUse(
        id=register.id,
        title=register.title.zh,
        keeper=register.keeper,
        things=things.height,
        rows=rows.height,
        recorded_on=last.date(),
        rollups=sum(register.id in rollup.registers for rollup in used),
    )


def _counted_anew(
    setting: Setting, current: Mapping[str, pl.DataFrame], rollups: Sequence[str], *, as_of: date, year: int
) -> RolledUp | None:
    if not rollups or as_of.year < year - 1:
        return None
    home = None if setting.workspace is None else setting.workspace.settings.place
    moment = datetime.combine(as_of, time(), UTC)
    span = range(year - 1, min(as_of.year, year) + 1)
    return roll_up(current, setting.catalog, years=span, recorded_at=moment, as_of=as_of, rollups=rollups, home=home)


def _changed_since(
    ours: pl.DataFrame, details: Mapping[str, Sequence[Mapping[str, Any]]], rolled: RolledUp, catalog: Catalog
) -> tuple[str, ...]:
    """Return the names of indicators whose ledgers give other things or another value now."""
    now = {
        (one["rollup"], one["place"], one["period"], json.dumps(one["breakdown"])): one["members"]
        for one in map(json.loads, rolled.lineage.filter(kind=LineageKind.QUERY.value)["detail"])
    }
    on = [name for name in KEY if name != "kind"]
    fresh = rolled.observations.select(*on, now="value")
    both = ours.join(fresh, on=on, how="left", maintain_order="left")
    changed = []
    for row in both.iter_rows(named=True):
        known = row["value"] is not None and row["now"] is not None
        moved = known and abs(row["value"] - row["now"]) > 1e-9 * max(1.0, abs(row["value"]))
        counts = details.get(row["lineage"] or "", ())
        keys = [(one["rollup"], one["place"], one["period"], json.dumps(one["breakdown"])) for one in counts]
        then = [one["members"] for one in counts]
        if moved or any(now.get(key, members) != members for key, members in zip(keys, then, strict=True)):
            changed.append(catalog.indicators[row["indicator"]].zh)
    return tuple(dict.fromkeys(changed))


def _members(
    ours: pl.DataFrame,
    rolled: RolledUp,
    current: Mapping[str, pl.DataFrame],
    behind: Mapping[str, Sequence[Rollup]],
) -> pl.DataFrame:
    """Return the rows of the ledgers behind the latest value of each figure, by roll-up, class and sheet."""
    wanted = {
        (rollup.indicator, place)
        for name, place in ours.select("indicator", "place").unique().rows()
        for rollup in behind[name]
    }
    frames = [pl.DataFrame(schema=MEMBER_SCHEMA)]
    entered = rolled.observations.filter(
        pl.struct("indicator", "place").is_in([{"indicator": one, "place": place} for one, place in sorted(wanted)])
    )
    asked = _inputs(ours, rolled)
    for row in entered.filter(pl.col("lineage").is_in(asked)).sort(KEY).iter_rows(named=True):
        counted = members_of(rolled, row["lineage"]).filter("counted")
        classes = "、".join(row[name] for name in BREAKDOWNS if row[name] != "all")
        for (register,), members in counted.group_by("register", maintain_order=True):
            located = (
                members.select("key")
                .unique()
                .join(current[str(register)].select("key", "document", "sheet", "row"), on="key")
            )
            by_sheet = located.group_by("document", "sheet").agg(rows=pl.col("row").sort()).sort("document", "sheet")
            frames.append(
                by_sheet.select(
                    rollup=pl.lit(counted["rollup"][0]),
                    indicator=pl.lit(row["indicator"]),
                    classes=pl.lit(classes),
                    period=pl.lit(row["period"]),
                    register=pl.lit(str(register)),
                    document="document",
                    sheet="sheet",
                    rows="rows",
                )
            )
    return pl.concat(frames)


def _inputs(ours: pl.DataFrame, rolled: RolledUp) -> list[str]:
    """Return the lineage, as counted now, of the latest value of each figure or of what enters it."""
    newest = ours.sort("period").unique([name for name in KEY if name not in ("period", "kind")], keep="last")
    on = [name for name in KEY if name != "kind"]
    now = newest.select(on).join(rolled.observations.select(*on, "lineage"), on=on)["lineage"].drop_nulls().to_list()
    formulas = rolled.lineage.filter(pl.col("id").is_in(now), kind=LineageKind.FORMULA.value)["detail"]
    return [*now, *(one for detail in formulas for one in json.loads(detail).get("inputs", []))]


def _programme(setting: Setting, plan: Plan, *, as_of: date, known_at: date | None) -> Programme | None:
    things = project_things(setting, known_at=known_at)
    return None if things.is_empty() else check_programme(setting, things, as_of=as_of, place=plan.place)


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings in order; what several roll-ups find of the same things is one."""
    found: dict[tuple[str, str], Finding] = {}
    for one in findings:
        found.setdefault((one.name, str(one.evidence.get("first") or one.sentence)), one)
    return list(found.values())


def _broken_checks(records: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[Finding]:
    """Return one finding for each check of a register that rows in it break."""
    types = catalog.field_types()
    findings = []
    for name, rows in records.items():
        register = catalog.registers[name]
        for check in register.checks:
            if not set(expression_names(check.require)) <= set(rows.columns):
                continue
            wrong = rows.filter(~evaluate(check.require, types).fill_null(value=True))
            if wrong.is_empty():
                continue
            keys = wrong["key"].unique(maintain_order=True)
            findings.append(
                Finding(
                    name=f"ledger.{name.replace('_', '-')}.{check.id}",
                    sentence=f"{register.title.zh}：{check.sentence}，{keys.len()}个",
                    severity=Severity(check.severity),
                    next_step=check.next_step or "请台账主管部门核对",
                    where=Location(field="、".join(check.fields)),
                    evidence={"rows": wrong.height, "first": "、".join(keys.head(_SHOWN))},
                )
            )
    return findings


def _maybe_one(current: Mapping[str, pl.DataFrame], catalog: Catalog) -> list[Finding]:
    """Return the questions whether two records of projects are one project."""
    views = [
        matching_view(things, catalog.registers[name])
        for name, things in current.items()
        if catalog.registers[name].subject == "project"
    ]
    if not views:
        return []
    found = find_candidates(pl.concat(views), decided=catalog.links.values(), places=catalog.places, low=HIGH)
    return candidate_findings(found, catalog)


def _promises(records: Mapping[str, pl.DataFrame], catalog: Catalog, known_at: date | None) -> list[Promises]:
    found = []
    for name, rows in records.items():
        register = catalog.registers[name]
        if not register.per_stage:
            continue
        links = list(catalog.links.values())
        frame = promised_and_built(rows, register, catalog, links=links, as_of=known_at)
        for (field,), pairs in frame.group_by("field", maintain_order=True):
            broken = pairs.filter(pl.col("worse"))
            found.append(
                Promises(
                    register=register.title.zh,
                    field=str(field),
                    kept=pairs.filter(~pl.col("worse")).height,
                    broken=broken.height,
                    open=pairs["worse"].null_count(),
                    examples=tuple(
                        (
                            row["key"],
                            f"{STAGE_NAMES.get(row['promised_stage'], '')}{shown_text(str(field), row['promised'], catalog)}",
                            f"{STAGE_NAMES.get(row['built_stage'], '')}{shown_text(str(field), row['built'], catalog)}",
                        )
                        for row in broken.head(_SHOWN).iter_rows(named=True)
                    ),
                )
            )
    order = list(catalog.fields)
    return sorted(found, key=lambda one: (one.register, order.index(one.field)))
