"""Checks on returns: every shipped and own check run over whole frames of observations, on a file before import or on the lake.

Tables that are wrong as a whole (shifted rows, a copied year) are found first and set aside, so that no figure is blamed for
them twice; then slips of the unit, spikes and jumps, each without what the one before it found; then everything else, conditions
without the slips. Nothing here knows an indicator, a place or a year: thresholds come from the catalog, usual changes from the figures themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl

from dafeng.base.errors import PeriodError
from dafeng.base.finding import Finding, Location, Severity
from dafeng.base.observation import BREAKDOWNS
from dafeng.base.period import Period
from dafeng.base.place import PlaceTree
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.statistics_schemas import CheckKind, DataCheck
from dafeng.statistics.check_copies import check_copies
from dafeng.statistics.check_hits import HIT_SCHEMA, Context, Outcome, TableFault, cells_of
from dafeng.statistics.check_parts import check_cumulative, check_parts
from dafeng.statistics.check_peers import check_peers, check_places, check_sources
from dafeng.statistics.check_series import check_jump, check_scale, check_silence, check_spike, heights_of
from dafeng.statistics.check_shift import check_shift
from dafeng.statistics.check_table import Rows, Table, facts_of, tables_of
from dafeng.statistics.check_values import check_condition, check_range

__all__ = ["CELL_SCHEMA", "Checked", "check_data"]

CELL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "check": pl.String(),
    "severity": pl.String(),
    "dataset": pl.String(),
    "indicator": pl.String(),
    "place": pl.String(),
    "extent": pl.String(),
    "period": pl.String(),
    **{name: pl.String() for name in BREAKDOWNS},
    "basis": pl.String(),
    "value": pl.Float64(),
    "expected_low": pl.Float64(),
    "expected_high": pl.Float64(),
    "score": pl.Float64(),
    "detail": pl.String(),
    "quarantine": pl.Boolean(),
    "lineage": pl.String(),
    "row": pl.Int64(),
}
"""Columns of `Checked.cells`: values and expectations in canonical units, ``detail`` in shown ones, ``row`` of the frame."""
_LISTED: Final = 40
"""Places and periods of one check, dataset and indicator that are named one by one; further ones come together."""
_NAMED: Final = 12
"""Breakdowns of one place and period that the evidence names."""
_TABLES: Final = (CheckKind.SHIFT, CheckKind.COPY)
_SERIES: Final = (CheckKind.SCALE, CheckKind.SPIKE, CheckKind.JUMP, CheckKind.SILENCE)
_OTHERS: Final = {
    CheckKind.RANGE: check_range,
    CheckKind.CONDITION: check_condition,
    CheckKind.PARTS: check_parts,
    CheckKind.CUMULATIVE: check_cumulative,
    CheckKind.PEER: check_peers,
    CheckKind.PLACES: check_places,
    CheckKind.SOURCES: check_sources,
}


@dataclass(frozen=True)
class Checked:
    """What the checks found.

    Parameters
    ----------
    findings : list of Finding
        Most severe first; like cells together, the worst named.
    cells : DataFrame, columns of `CELL_SCHEMA`
        Every cell that a check found, also those that no finding lists.
    """

    findings: list[Finding]
    cells: pl.DataFrame

    @property
    def quarantined(self) -> pl.DataFrame:
        """Cells that are to be set aside until a person has decided, each once."""
        return self.cells.filter("quarantine").unique("row", keep="first", maintain_order=True)


Lineage: TypeAlias = pl.DataFrame | Callable[[Sequence[str]], pl.DataFrame]


def check_data(
    frame: pl.DataFrame,
    catalog: Catalog,
    *,
    lineage: Lineage | None = None,
    checks: Sequence[DataCheck] | None = None,
    places: PlaceTree | None = None,
) -> Checked:
    """Run checks over facts.

    Parameters
    ----------
    frame : DataFrame of `base.observation.SCHEMA`
        Current facts, of one or several datasets; projections are passed over.
    catalog : Catalog
    lineage : DataFrame of `base.lineage.LINEAGE_SCHEMA`, or callable from ids to one, optional
        Cells that the facts came from: findings point at them, and rows are neighbours as they stood in the sheet. Without
        it places follow one another by code. A callable is asked only for what is needed.
    checks : sequence of DataCheck, optional
        Those of the catalog where None.
    places : PlaceTree, optional
        Those of the catalog where None.

    Returns
    -------
    Checked

    Raises
    ------
    InputError
        A column of the frame is missing.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from dafeng.base.observation import Observation, observation_frame
    >>> from dafeng.catalog import load_catalog
    >>> rows = [Observation(indicator="resident_population", place="qingdao", period=str(year), value=value * 1e4,
    ...                     dataset="returns", recorded_at=datetime(2026, 1, 1, tzinfo=UTC))
    ...         for year, value in zip(range(2015, 2022), (909, 920, 929, 393, 949, 1011, 1025))]
    >>> found = check_data(observation_frame(rows), load_catalog())
    >>> found.findings[0].name, found.findings[0].evidence["period"], found.findings[0].evidence["value"]
    ('data.spike', '2018', 3930000.0)
    """
    chosen = list(catalog.checks.values()) if checks is None else list(checks)
    facts = facts_of(frame, catalog.indicators)
    tree = catalog.places if places is None else places
    tables = list(tables_of(facts, _order(frame, facts, lineage), tree))
    context = Context(catalog, tree, tables, facts)
    by_kind = {kind: [check for check in chosen if check.kind is kind] for kind in CheckKind}
    outcomes: list[tuple[DataCheck, Outcome]] = []
    for kind in _TABLES:
        for check in by_kind[kind]:
            outcome = check_shift(check, context) if kind is CheckKind.SHIFT else check_copies(check, context)
            outcomes.append((check, outcome))
            whole = [fault.rows for fault in outcome.faults]
            context = _set_aside(context, whole, frame.height)
    along = _over_series(by_kind, context, tables)
    outcomes += along
    slips = [outcome.cells["row"].to_numpy() for check, outcome in along if check.kind is CheckKind.SCALE]
    without_slips = _set_aside(context, slips, frame.height)
    for kind, run in _OTHERS.items():
        seen = without_slips if kind is CheckKind.CONDITION else context
        outcomes += [(check, run(check, seen)) for check in by_kind[kind]]
    cells = _cells(outcomes, frame)
    return Checked(_findings(outcomes, cells, frame, lineage, catalog), cells)


def _order(frame: pl.DataFrame, facts: pl.DataFrame, lineage: Lineage | None) -> dict[tuple[str, str], float]:
    """Return where places stand in the rows of their dataset: the middle of their ranks over the periods.

    Rows are read off the cells of the indicator that most places have, for an indicator of a long table has rows of its own.
    """
    if lineage is None or facts.is_empty():
        return {}
    fullest = (
        facts.group_by("dataset", "indicator", "extent", *BREAKDOWNS, "basis")
        .len()
        .sort(["len", "indicator", "extent", *BREAKDOWNS, "basis"], descending=[True] + [False] * 7)
        .unique("dataset", keep="first", maintain_order=True)
        .drop("len")
    )
    some = facts.join(fullest, on=fullest.columns).select("dataset", "period", "place", "row")
    some = some.with_columns(id=frame["lineage"].gather(some["row"])).drop_nulls("id")
    cells = _rows_of(lineage, some["id"]).lazy().select("id", "cell", "sheet", "file")
    ranked = (
        some.lazy()
        .join(cells.unique("id"), on="id")
        .with_columns(at=pl.col("cell").str.extract(r"(\d+)$").cast(pl.Int64, strict=False))
        .drop_nulls("at")
        .with_columns(
            rank=pl.col("at").rank("ordinal").over("dataset", "period", order_by=["file", "sheet", "at"])
            / pl.len().over("dataset", "period")
        )
        .group_by("dataset", "place")
        .agg(pl.col("rank").median())
        .collect()
    )
    return {(dataset, place): rank for dataset, place, rank in ranked.iter_rows()}


def _set_aside(context: Context, rows: Sequence[Rows], height: int) -> Context:
    """Return the context without some rows of the frame."""
    if not sum(part.size for part in rows):
        return context
    gone = np.zeros(height + 1, dtype=bool)
    gone[np.concatenate(rows)] = True
    gone[-1] = False  # row -1: there is none
    tables = [table.without(mask) if (mask := gone[table.rows]).any() else table for table in context.tables]
    kept = ~gone[context.facts["row"].to_numpy()]
    return replace(context, tables=tables, facts=context.facts.filter(pl.Series(kept)))


def _over_series(
    by_kind: Mapping[CheckKind, Sequence[DataCheck]], context: Context, reported: Sequence[Table]
) -> list[tuple[DataCheck, Outcome]]:
    """Run the checks along the years, table by table, each on what the one before it left standing.

    Checks of changes that only ask for a word of explanation see every change; what was reported at all is read off the tables
    with what was set aside.
    """
    running = [check for kind in _SERIES for check in by_kind[kind]]
    gathered: dict[str, Outcome] = {check.id: Outcome() for check in running}
    if not running:
        return []
    for original, whole in zip(context.tables, reported, strict=True):
        if len(original.years) < 2:
            continue
        table: Table = original
        every = heights = heights_of(table, context)
        for kind in _SERIES:
            found = np.zeros(table.values.shape, dtype=bool)
            for check in by_kind[kind]:
                outcome, mask = Outcome(), None
                if kind is CheckKind.SCALE:
                    outcome, mask = check_scale(check, table, heights, context)
                elif kind is CheckKind.SPIKE:
                    outcome, mask = check_spike(check, table, heights, context)
                elif kind is CheckKind.JUMP and check.severity == Severity.INFO.value:
                    outcome = check_jump(check, original, every, context)
                elif kind is CheckKind.JUMP:
                    outcome = check_jump(check, table, heights, context)
                else:
                    outcome = check_silence(check, whole, heights, context)
                if mask is not None and check.severity != Severity.INFO.value:
                    found |= mask
                held = gathered[check.id]
                if outcome.cells.height:
                    held.cells = cells_of([held.cells, outcome.cells])
                held.faults += outcome.faults
            if found.any():
                table = table.without(found)
                heights = heights_of(table, context)
    return [(check, gathered[check.id]) for check in running]


def _cells(outcomes: Iterable[tuple[DataCheck, Outcome]], frame: pl.DataFrame) -> pl.DataFrame:
    parts = []
    for check, outcome in outcomes:
        if outcome.cells.is_empty() and not outcome.faults:
            continue
        faults = [
            pl.DataFrame({"row": fault.rows}).select(
                pl.col("row").cast(pl.Int64),
                pl.lit(None, dtype=pl.Float64).alias("low"),
                pl.lit(None, dtype=pl.Float64).alias("high"),
                pl.lit(float(fault.evidence.get("evidence") or fault.evidence.get("share") or 1.0)).alias("score"),
                pl.lit(fault.sentence).alias("note"),
                pl.lit(check.quarantine).alias("quarantine"),
            )
            for fault in outcome.faults
        ]
        own = outcome.cells.with_columns(quarantine=pl.lit(check.quarantine))
        together = pl.concat([own, *faults])
        if together.height:
            parts.append(together.with_columns(check=pl.lit(check.id), severity=pl.lit(check.severity)))
    if not parts:
        return pl.DataFrame(schema=CELL_SCHEMA)
    hits = pl.concat(parts)
    carried = ["dataset", "indicator", "place", "extent", "period", *BREAKDOWNS, "basis", "value", "lineage"]
    stated = frame.select(carried)[hits["row"].to_numpy()]
    return (
        pl.concat(
            [hits.rename({"low": "expected_low", "high": "expected_high", "note": "detail"}), stated], how="horizontal"
        )
        .select(pl.col(name).cast(kind) for name, kind in CELL_SCHEMA.items())
        .sort(["check", "dataset", "indicator", "score", "row"], descending=[False, False, False, True, False])
    )


def _findings(
    outcomes: Sequence[tuple[DataCheck, Outcome]],
    cells: pl.DataFrame,
    frame: pl.DataFrame,
    lineage: Lineage | None,
    catalog: Catalog,
) -> list[Finding]:
    """Return findings, the most severe first: whole tables, then cells by how far off they are."""
    drafts: list[tuple[tuple[Any, ...], int, Finding]] = []
    for check, outcome in outcomes:
        severity = Severity(check.severity)
        for fault in outcome.faults:
            drafts.append(((-severity.rank, 0, 0.0), fault.first, _of_table(check, fault)))
        if outcome.cells.height:
            own = cells.filter((pl.col("check") == check.id) & pl.col("row").is_in(outcome.cells["row"].implode()))
            for score, row, made in _of_cells(check, own, catalog):
                drafts.append(((-severity.rank, 1, -score), row, made))
    drafts.sort(key=lambda draft: (*draft[0], draft[2].name, draft[1]))
    where = _locations([row for _, row, _ in drafts], frame, lineage)
    return [made.model_copy(update={"where": where[row]}) if row in where else made for _, row, made in drafts]


def _of_table(check: DataCheck, fault: TableFault) -> Finding:
    return Finding(
        name=f"data.{check.id}",
        sentence=f"{check.title.zh}：{fault.sentence}",
        severity=Severity(check.severity),
        expected="各行与本行前后年份的数相衔接" if check.kind is CheckKind.SHIFT else "",
        next_step=check.ask,
        evidence={
            "dataset": fault.dataset,
            "period": fault.period,
            "cells": int(fault.rows.size),
            "quarantine": check.quarantine,
            **fault.evidence,
        },
    )


def _of_cells(check: DataCheck, cells: pl.DataFrame, catalog: Catalog) -> Iterable[tuple[float, int, Finding]]:
    """Return a finding for each of the worst places and periods of an indicator, and one for the rest."""
    kin = ["dataset"] if check.kind is CheckKind.CONDITION else ["dataset", "indicator"]
    cells = cells.with_columns(
        other=pl.concat_str(
            [pl.when(pl.col(name) != "all").then(pl.col(name)) for name in BREAKDOWNS], separator="+", ignore_nulls=True
        )
    )
    worst = (
        cells.with_columns(
            count=pl.len().over(*kin, "place", "period"),
            others=pl.col("other")
            .filter(pl.col("other") != "")
            .unique()
            .sort()
            .over(*kin, "place", "period", mapping_strategy="join"),
        )
        .sort(
            [*kin, "score", "place", "period", "row"],
            descending=[name == "score" for name in (*kin, "score", "", "", "")],
        )
        .unique([*kin, "place", "period"], keep="first", maintain_order=True)
        .with_columns(rank=pl.int_range(pl.len()).over(*kin))
    )
    for cell in worst.filter(pl.col("rank") < _LISTED).iter_rows(named=True):
        yield cell["score"] or 0.0, cell["row"], _of_cell(check, cell, cell["count"], 1, catalog)
    rest = worst.filter(pl.col("rank") >= _LISTED)
    groups = rest.group_by(*kin, maintain_order=True).agg(
        pl.all().exclude("count", *kin).first(), pl.len().alias("places"), pl.col("count").sum()
    )
    for cell in groups.iter_rows(named=True):
        yield cell["score"] or 0.0, cell["row"], _of_cell(check, cell, cell["count"], cell["places"], catalog)


def _of_cell(check: DataCheck, cell: Mapping[str, Any], count: int, places: int, catalog: Catalog) -> Finding:
    indicator = catalog.indicators[cell["indicator"]]
    split = "、".join(_term(catalog, name, cell[name]) for name in BREAKDOWNS if cell[name] != "all")
    unit = f"，单位 {indicator.shown_unit}" if check.kind is not CheckKind.CONDITION else ""
    named = f"{catalog.place_name(cell['place'])} {_title(cell['period'])} {indicator.zh}" + (
        f"（{split}）" if split else ""
    )
    many = f"；同类另有 {places - 1} 处" if places > 1 else ""
    low, high = cell["expected_low"], cell["expected_high"]
    return Finding(
        name=f"data.{check.id}",
        sentence=f"{check.title.zh}：{named}：{cell['detail']}{unit}{many}",
        severity=Severity(check.severity),
        value="" if cell["value"] is None else f"{cell['value']:.10g}",
        expected="" if low is None and high is None else "至".join(f"{one:.6g}" for one in _ends(low, high)),
        next_step=check.ask,
        where=Location(field=cell["indicator"]),
        evidence={
            "dataset": cell["dataset"],
            "indicator": cell["indicator"],
            "place": cell["place"],
            "period": cell["period"],
            "extent": cell["extent"],
            **{name: cell[name] for name in BREAKDOWNS if cell[name] != "all"},
            "value": cell["value"],
            "expected_low": low,
            "expected_high": high,
            "unit": indicator.unit,
            "score": None if cell["score"] is None else round(cell["score"], 4),
            "cells": count,
            "breakdowns": "；".join(cell["others"][:_NAMED]) or None,
            "places": places,
            "quarantine": check.quarantine,
        },
    )


def _ends(low: float | None, high: float | None) -> list[float]:
    return sorted({end for end in (low, high) if end is not None})


def _term(catalog: Catalog, column: str, code: str) -> str:
    groups = [terms[code].zh for terms in catalog.terms.values() if code in terms]
    return groups[0] if groups and code in catalog.breakdown_codes(column) else code


def _title(period: str) -> str:
    try:
        return Period.parse(period).title
    except PeriodError:
        return period


def _rows_of(lineage: Lineage, ids: pl.Series) -> pl.DataFrame:
    if isinstance(lineage, pl.DataFrame):
        return lineage.join(ids.unique().to_frame("id"), on="id", how="semi")
    return lineage(ids.unique().to_list())


def _locations(rows: Sequence[int], frame: pl.DataFrame, lineage: Lineage | None) -> dict[int, Location]:
    """Return the cell of each row of the frame, where lineage knows it."""
    wanted = sorted({row for row in rows if row >= 0})
    if lineage is None or not wanted:
        return {}
    ids = frame["lineage"].gather(wanted)
    cells = _rows_of(lineage, ids.drop_nulls()).unique("id", keep="first")
    known = {
        one["id"]: Location(file=one["file"] or "", sheet=one["sheet"] or "", cell=one["cell"] or "")
        for one in cells.select("id", "file", "sheet", "cell").iter_rows(named=True)
    }
    return {row: known[name] for row, name in zip(wanted, ids, strict=True) if name in known}


assert set(HIT_SCHEMA) == {"row", "low", "high", "score", "note"}
