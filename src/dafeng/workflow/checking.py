"""Checks on figures: of a file before import, or of what the lake holds; what is doubtful is set aside by decision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import ContentError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import BREAKDOWNS, KEY, SCHEMA
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.catalog.yaml_writing import sections_yaml
from dafeng.intake import import_table
from dafeng.intake.export import export_plain
from dafeng.lake import ObservationLake, Snapshot, Workspace
from dafeng.methods.computed import DATASET as COMPUTED
from dafeng.statistics.checking import Checked, check_data
from dafeng.workflow.facts import ImportOptions, need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["CheckRun", "check_file", "check_lake", "check_return", "export_cells", "quarantine_doubtful", "release"]

_FOLDER: Final = "quarantines"
_MADE: Final = "^(ledger|dafeng)-"
"""Datasets that dafeng counts, adds up or accounts for itself."""
_TOLD: Final = 3
"""Findings of one table whose sentences a decision repeats."""
_WEIGHTS: Final = {"error": "错误", "warning": "注意", "info": "提示"}


@dataclass(frozen=True)
class CheckRun:
    """What checks found.

    Parameters
    ----------
    checked : Checked
    facts : DataFrame, columns of `SCHEMA`
        Figures that were looked at, with those that the lake holds beside a file.
    figures : int
        How many of them the file, or the lake, gave.
    cells_of : callable
        Lineage of some of them, by id.
    reading : tuple of Finding
        Of reading the file; that a value is unusual is left to the checks.
    """

    checked: Checked
    facts: pl.DataFrame
    figures: int
    cells_of: Callable[[Sequence[str]], pl.DataFrame]
    reading: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the checks say, the most severe first."""
        return tuple(self.checked.findings)

    def counts(self) -> pl.DataFrame:
        """Return check, severity, and how many cells, places and periods it objects to, heaviest first."""
        weight = pl.col("severity").replace_strict({one.value: one.rank for one in Severity}, return_dtype=pl.Int64)
        return (
            self.checked.cells.group_by("check", "severity")
            .agg(cells=pl.len(), places=pl.col("place").n_unique(), periods=pl.col("period").n_unique())
            .sort(weight, "cells", "check", descending=[True, True, False])
        )


def check_file(
    setting: Setting,
    path: Path,
    options: ImportOptions,
    *,
    recorded_at: datetime,
    checks: Sequence[str] | None = None,
    listener: Listener = silent,
) -> CheckRun:
    """Check a table before it is imported, beside what the lake holds of the same dataset; nothing is stored.

    Figures that the layout's own quarantine would refuse are looked at too: the checks are to find them by themselves.

    Raises
    ------
    InputError
        The file cannot be read at all.
    UnknownNameError
        A check is not in the catalog.
    """
    chosen = _chosen(setting, checks)
    home = None if setting.workspace is None else setting.workspace.settings.place
    read = import_table(
        path,
        setting.catalog,
        recorded_at=recorded_at,
        home=home,
        listener=listener,
        quarantine=False,
        **options.model_dump(),
    )
    own = read.lineage
    frame, cells_of = read.observations, _own_first(own, None)
    if setting.workspace is not None:
        snapshot = ObservationLake(setting.workspace.lake).snapshot()
        held = snapshot.read(indicators=frame["indicator"].unique().sort().to_list()).select(list(SCHEMA))
        beside = held.join(frame, on="dataset", how="semi").join(frame, on=list(KEY), how="anti")
        frame, cells_of = pl.concat([frame, beside]), _own_first(own, snapshot)
    listener(f"核查 {frame.height} 个数", 0, None)
    checked = check_data(frame, setting.catalog, lineage=cells_of, checks=chosen)
    reading = tuple(finding for finding in read.findings if finding.name != "intake.value.unusual")
    return CheckRun(checked, frame, read.observations.height, cells_of, reading)


def check_return(setting: Setting, facts: pl.DataFrame, lineage: pl.DataFrame) -> CheckRun:
    """Check the figures of a return before they are published, beside what the lake holds of the same dataset.

    Parameters
    ----------
    setting : Setting
    facts : DataFrame of `SCHEMA`
    lineage : DataFrame of `base.lineage.LINEAGE_SCHEMA`
        Cells of the facts.
    """
    frame, cells_of = facts, _own_first(lineage, None)
    lake = setting.lake
    if lake is not None and facts.height:
        snapshot = lake.snapshot()
        held = snapshot.read(
            indicators=facts["indicator"].unique().sort().to_list(), places=facts["place"].unique().sort().to_list()
        )
        beside = held.select(list(SCHEMA)).join(facts, on="dataset", how="semi").join(facts, on=list(KEY), how="anti")
        frame, cells_of = pl.concat([facts, beside]), _own_first(lineage, snapshot)
    checked = check_data(frame, setting.catalog, lineage=cells_of)
    return CheckRun(checked, frame, facts.height, cells_of)


def _own_first(own: pl.DataFrame, snapshot: Snapshot | None) -> Callable[[Sequence[str]], pl.DataFrame]:
    """Return what finds the cells of figures: those of the file, then those of the lake."""

    def cells_of(ids: Sequence[str]) -> pl.DataFrame:
        found = own.join(pl.DataFrame({"id": ids}, schema={"id": pl.String()}), on="id", how="semi")
        rest = set(ids) - set(found["id"])
        return found if snapshot is None or not rest else pl.concat([found, snapshot.lineage(rest)])

    return cells_of


def check_lake(
    setting: Setting,
    *,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    dataset: str | None = None,
    checks: Sequence[str] | None = None,
    as_of: date | None = None,
    listener: Listener = silent,
) -> CheckRun:
    """Check what the lake holds, also what was set aside before.

    Parameters
    ----------
    setting : Setting
    indicators, places : sequence of str, optional
        Only these.
    dataset : str, optional
        Only this one; where None every dataset but those that dafeng itself counts, adds up or computes, whose faults are
        those of what they are made from.
    checks : sequence of str, optional
        Only these.
    as_of : date, optional
        Facts recorded later are not seen.
    listener : Listener

    Raises
    ------
    NoWorkspaceError
        There is no workspace.
    UnknownNameError
        An indicator or check is not in the catalog.
    """
    chosen = _chosen(setting, checks)
    for indicator in indicators or ():
        setting.catalog.indicator(indicator)
    workspace, _ = need_workspace(setting)
    snapshot = ObservationLake(workspace.lake).snapshot()
    frame = snapshot.read(as_of=as_of, indicators=indicators, places=places).select(list(SCHEMA))
    own = (pl.col("dataset") == COMPUTED) | pl.col("dataset").str.contains(_MADE)
    frame = frame.filter(~own if dataset is None else pl.col("dataset") == dataset)
    listener(f"核查 {frame.height} 个数", 0, None)
    checked = check_data(frame, setting.catalog, lineage=snapshot.lineage, checks=chosen)
    return CheckRun(checked, frame, frame.height, snapshot.lineage)


def quarantine_doubtful(
    setting: Setting, run: CheckRun, *, by: str, decided_on: date
) -> tuple[tuple[FactQuarantine, ...], tuple[Path, ...]]:
    """Set aside what checks of the sort *whole table wrong* found, and nothing else.

    A decision speaks of one dataset, period and check. Where the fault takes in every figure of the period it names neither
    indicators nor places; else it names them, in as many decisions as it takes to leave sound figures alone.

    Returns
    -------
    decisions, files
        Files of the workspace's catalog; deleting one takes its decision back.

    Raises
    ------
    ContentError
        The catalog would not hold with a decision. Nothing is written.
    """
    workspace, _ = need_workspace(setting)
    decisions: list[FactQuarantine] = []
    doubtful = run.checked.quarantined.sort("dataset", "period", "check", "row")
    for (dataset, period, check), cells in doubtful.group_by("dataset", "period", "check", maintain_order=True):
        found = [
            one
            for one in run.findings
            if one.name == f"data.{check}"
            and one.evidence.get("dataset") == dataset
            and str(one.evidence.get("period")).split(" ")[0] == period
        ]
        for indicators, places in _extent_of_fault(run.facts.filter(dataset=dataset, period=period), cells):
            said = json.dumps([dataset, period, check, indicators, places])
            decisions.append(
                FactQuarantine(
                    id=f"{check}-{hashlib.sha256(said.encode()).hexdigest()[:12]}",
                    dataset=str(dataset),
                    indicators=indicators,
                    places=places,
                    periods=(str(period),),
                    reason="；".join(one.sentence for one in found[:_TOLD])
                    or setting.catalog.checks[str(check)].title.zh,
                    check=str(check),
                    evidence=dict(found[0].evidence) if found else {},
                    by=by,
                    decided_on=decided_on,
                )
            )
    files = {f"{_FOLDER}/{one.id}.yaml": sections_yaml({"quarantines": [one]}) for one in decisions}
    _put(workspace, files)
    return tuple(decisions), tuple(workspace.catalog_folder / name for name in files)


def _extent_of_fault(facts: pl.DataFrame, cells: pl.DataFrame) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return indicators and places, empty for all, that together take in the cells and no other figure of their period."""
    figures = facts.drop_nulls("value").select("indicator", "place").unique()
    faulty = cells.select("indicator", "place").unique()
    if figures.join(faulty, on=["indicator", "place"], how="anti").is_empty():
        return [((), ())]
    within = figures.join(faulty, on="indicator", how="semi").join(faulty, on="place", how="semi")
    if within.join(faulty, on=["indicator", "place"], how="anti").is_empty():
        return [(tuple(faulty["indicator"].unique().sort()), tuple(faulty["place"].unique().sort()))]
    alike = (
        faulty.group_by("indicator")
        .agg(places=pl.col("place").sort())
        .group_by("places")
        .agg(indicators=pl.col("indicator").sort())
    )
    return sorted((tuple(indicators), tuple(places)) for places, indicators in alike.iter_rows())


def export_cells(setting: Setting, runs: Sequence[CheckRun], path: Path) -> int:
    """Write every cell to which a check objects to a CSV or XLSX file: where it stands, in words, and what to ask.

    Values and expectations are in canonical units, which stand beside them.

    Returns
    -------
    int
        Number of cells.

    Raises
    ------
    UsageError
        The ending is not known.
    """
    catalog, parts = setting.catalog, []
    for run in runs:
        cells = run.checked.cells
        origins = run.cells_of(cells["lineage"].drop_nulls().unique().to_list())
        parts.append(cells.join(origins.rename({"id": "lineage"}).drop("kind"), on="lineage", how="left"))
    cells = pl.concat(parts)

    def named(column: str, words: Mapping[str, str]) -> pl.Expr:
        return pl.col(column).replace_strict(words, default=None, return_dtype=pl.String())

    places = {place: catalog.place_name(place) for place in cells["place"].unique()}
    table = cells.select(
        named("check", {one.id: one.title.zh for one in catalog.checks.values()}).alias("核查"),
        named("severity", _WEIGHTS).alias("轻重"),
        named("indicator", {one.id: one.zh for one in catalog.indicators.values()}).alias("指标"),
        named("place", places).alias("地方"),
        pl.col("period").alias("时期"),
        pl.col("value").alias("数值"),
        pl.col("expected_low").alias("应不低于"),
        pl.col("expected_high").alias("应不高于"),
        named("indicator", {one.id: one.unit for one in catalog.indicators.values()}).alias("单位"),
        pl.col("detail").alias("说明"),
        named("check", {one.id: one.ask for one in catalog.checks.values()}).alias("请核对"),
        pl.col("file").alias("文件"),
        pl.col("sheet").alias("工作表"),
        pl.col("cell").alias("单元格"),
        pl.col("text").alias("原文"),
        pl.when("quarantine").then(pl.lit("是")).otherwise(pl.lit("")).alias("应隔离"),
        pl.col("dataset").alias("来源"),
        *("check", "indicator", "place", "extent", *BREAKDOWNS, "basis"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    export_plain(table, path)
    return cells.height


def release(setting: Setting, decision: str) -> Path:
    """Take back a decision that set figures aside; they count again.

    Returns
    -------
    Path
        The file that was removed.

    Raises
    ------
    UnknownNameError
        The workspace's catalog has no such decision in a file of its own.
    """
    workspace, _ = need_workspace(setting)
    path = workspace.catalog_folder / _FOLDER / f"{decision}.yaml"
    if decision not in setting.catalog.quarantines or not path.is_file():
        own = sorted(setting.catalog.quarantines)
        raise UnknownNameError(
            f"no decision {decision!r} sets figures aside",
            doing="take back a decision",
            expected=f"one of {', '.join(close_names(decision, own) or own) or 'the decisions of the workspace'}",
            next_step="dafeng data aside",
        )
    workspace.remove_catalog_file(f"{_FOLDER}/{decision}.yaml")
    return path


def _put(workspace: Workspace, files: dict[str, str]) -> None:
    if faults := workspace.put_catalog_files(files):
        raise ContentError(
            "; ".join(fault.sentence for fault in faults[:3]),
            doing="write a decision about figures into the workspace's catalog",
            expected="a decision with which the catalog holds",
            next_step="mend what is named; `dafeng catalog check` shows the faults. Nothing was written",
            findings=[fault.name for fault in faults],
        )


def _chosen(setting: Setting, checks: Sequence[str] | None) -> list[DataCheck] | None:
    for check in checks or ():
        if check not in setting.catalog.checks:
            raise UnknownNameError(
                f"no check is called {check!r}",
                doing="choose checks",
                expected=f"one of {', '.join(close_names(check, setting.catalog.checks) or sorted(setting.catalog.checks))}",
                next_step="dafeng catalog list checks",
            )
    return None if not checks else [setting.catalog.checks[check] for check in checks]
