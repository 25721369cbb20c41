"""Checks on figures: of a file before import, or of what the lake holds; what is doubtful is set aside by decision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from dafeng.base.errors import ContentError, UnknownNameError, close_names
from dafeng.base.finding import Finding, Severity
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import KEY, SCHEMA
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.catalog.statistics_schemas import DataCheck
from dafeng.catalog.yaml_writing import sections_yaml
from dafeng.intake import import_table
from dafeng.intake.export import export_plain
from dafeng.lake import ObservationLake, Workspace
from dafeng.statistics.checking import Checked, check_data
from dafeng.workflow.facts import ImportOptions, need_workspace
from dafeng.workflow.setting import Setting

__all__ = ["CheckRun", "check_file", "check_lake", "export_cells", "quarantine_doubtful", "release"]

_FOLDER = "quarantines"


@dataclass(frozen=True)
class CheckRun:
    """What checks found.

    Parameters
    ----------
    checked : Checked
    figures : int
        Figures that were looked at.
    findings : tuple of Finding
        Of the checks.
    reading : tuple of Finding
        Of reading the file; that a value is unusual is left to the checks.
    """

    checked: Checked
    figures: int
    findings: tuple[Finding, ...]
    reading: tuple[Finding, ...] = ()

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
    frame, lineage = read.observations, read.lineage
    if setting.workspace is not None:
        snapshot = ObservationLake(setting.workspace.lake).snapshot()
        held = snapshot.read(indicators=frame["indicator"].unique().sort().to_list()).select(list(SCHEMA))
        beside = held.join(frame.select("dataset").unique(), on="dataset", how="semi").join(
            frame, on=list(KEY), how="anti"
        )
        lineage = pl.concat([lineage, snapshot.lineage(beside["lineage"].drop_nulls().to_list())]).unique("id")
        frame = pl.concat([frame, beside.with_columns(pl.col("lineage"))])
    listener(f"核查 {frame.height} 个数", 0, None)
    checked = check_data(frame, setting.catalog, lineage=lineage, checks=chosen)
    reading = tuple(finding for finding in read.findings if finding.name != "intake.value.unusual")
    return CheckRun(checked, read.observations.height, tuple(checked.findings), reading)


def check_lake(
    setting: Setting,
    *,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    checks: Sequence[str] | None = None,
    as_of: date | None = None,
    listener: Listener = silent,
) -> CheckRun:
    """Check what the lake holds, also what was set aside before.

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
    listener(f"核查 {frame.height} 个数", 0, None)
    lineage = snapshot.lineage(frame["lineage"].drop_nulls().to_list())
    checked = check_data(frame, setting.catalog, lineage=lineage, checks=chosen)
    return CheckRun(checked, frame.height, tuple(checked.findings))


def quarantine_doubtful(
    setting: Setting, run: CheckRun, *, by: str, decided_on: date
) -> tuple[tuple[FactQuarantine, ...], tuple[Path, ...]]:
    """Set aside what checks of the sort *whole table wrong* found, one decision a dataset, period and check.

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
    decisions = []
    doubtful = run.checked.quarantined
    for (dataset, period, check), cells in doubtful.group_by("dataset", "period", "check", maintain_order=True):
        of_table = pl.col("dataset").eq(dataset) & pl.col("period").eq(period)
        whole = run.checked.cells.filter(of_table & (pl.col("check") == check))
        said = json.dumps(
            [dataset, period, check, sorted(whole["place"].unique()), sorted(whole["indicator"].unique())]
        )
        finding = next(
            (
                one
                for one in run.checked.findings
                if one.name == f"data.{check}" and one.evidence.get("period") == period
            ),
            None,
        )
        decisions.append(
            FactQuarantine(
                id=f"{check}-{hashlib.sha256(said.encode()).hexdigest()[:12]}",
                dataset=str(dataset),
                indicators=tuple(sorted(cells["indicator"].unique())),
                places=tuple(sorted(cells["place"].unique())),
                periods=(str(period),),
                reason=setting.catalog.checks[str(check)].title.zh if finding is None else finding.sentence,
                check=str(check),
                evidence={} if finding is None else dict(finding.evidence),
                by=by,
                decided_on=decided_on,
            )
        )
    files = {f"{_FOLDER}/{one.id}.yaml": sections_yaml({"quarantines": [one]}) for one in decisions}
    _put(workspace, files)
    return tuple(decisions), tuple(workspace.catalog_folder / name for name in files)


def export_cells(setting: Setting, runs: Sequence[CheckRun], path: Path) -> int:
    """Write every cell to which a check objects to a CSV or XLSX file, with names and what to ask; return their number."""
    cells = pl.concat([run.checked.cells for run in runs])
    catalog = setting.catalog
    named = cells.with_columns(
        pl.col("check")
        .replace_strict({one.id: one.title.zh for one in catalog.checks.values()}, default=None)
        .alias("核查"),
        pl.col("check")
        .replace_strict({one.id: one.ask for one in catalog.checks.values()}, default=None)
        .alias("请核对"),
        pl.col("indicator")
        .replace_strict({one.id: one.zh for one in catalog.indicators.values()}, default=None)
        .alias("指标"),
        pl.col("place").map_elements(catalog.place_name, return_dtype=pl.String).alias("地方"),
    )
    export_plain(named, path)
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
