"""Facts in and out of a workspace: import, export, reading, withdrawal."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from dafeng.base.errors import InputError, NoWorkspaceError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.form import is_of_return
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import SCHEMA, ObservationKind
from dafeng.base.record import Record
from dafeng.intake import export_table, import_table
from dafeng.lake import ObservationLake, Workspace, content_digest
from dafeng.workflow.setting import Setting

__all__ = [
    "ImportOptions",
    "ImportOutcome",
    "export_data",
    "import_file",
    "import_with_fates",
    "need_workspace",
    "read_facts",
    "trace",
    "withdraw_facts",
]


class ImportOutcome(Record):
    """What became of a file: every cell counted once, every row stored, known already, or refused with its reason."""

    file: str
    """File name."""
    document: str
    """SHA-256 of the file, under which the workspace keeps it."""
    adapters: dict[str, str]
    """Layout that recognised each sheet."""
    accepted: int
    """Cells accepted."""
    accepted_with_finding: int
    """Cells accepted with reservation."""
    refused: int
    """Cells refused."""
    appended: int = 0
    """Facts stored."""
    superseded: int = 0
    """Of these, facts that replace an earlier version."""
    unchanged: int = 0
    """Facts that the lake held already."""
    already: bool = False
    """Whether this very import had landed before."""
    findings: tuple[Finding, ...]
    """What was found."""


def need_workspace(setting: Setting) -> tuple[Workspace, ObservationLake]:
    """Return workspace and lake of a setting.

    Raises
    ------
    NoWorkspaceError
        It has none.
    """
    lake = setting.lake
    if setting.workspace is None or lake is None:
        raise NoWorkspaceError(
            "there is no workspace",
            doing="open the facts",
            expected="a workspace folder",
            next_step="dafeng init FOLDER, or --workspace FOLDER",
        )
    return setting.workspace, lake


class ImportOptions(Record):
    """What a person says of a table that the table does not say itself."""

    adapter: str | None = None
    """Layout to use; found by the table's headers where None."""
    dataset: str | None = None
    """Who says so."""
    kind: ObservationKind | None = None
    """How the figures came about."""
    published_on: date | None = None
    """When they were published."""
    place: str | None = None
    """Place of the whole table."""
    period: str | None = None
    """Period of the whole table."""
    unit: str | None = None
    """Unit where neither header, row nor layout states one."""
    indicator: str | None = None
    """Indicator of the whole table."""
    basis: str | None = None
    """Basis of reckoning of the whole table."""
    extent: str | None = None
    """Extent of the whole table."""
    sheet: str | None = None
    """Only this worksheet."""


def import_file(
    setting: Setting,
    path: Path,
    options: ImportOptions,
    *,
    recorded_at: datetime,
    dry_run: bool = False,
    listener: Listener = silent,
) -> ImportOutcome:
    """Read a table, keep the file, and publish what was accepted as one batch; see `import_with_fates`."""
    return import_with_fates(setting, path, options, recorded_at=recorded_at, dry_run=dry_run, listener=listener)[0]


def import_with_fates(
    setting: Setting,
    path: Path,
    options: ImportOptions,
    *,
    recorded_at: datetime,
    places: Container[str] | None = None,
    dry_run: bool = False,
    listener: Listener = silent,
) -> tuple[ImportOutcome, pl.DataFrame]:
    """Read a table, keep the file, and publish what was accepted as one batch; return also the fate of every cell.

    The batch is named after the file, the options and what was read: the same import twice is one, whatever the clock says,
    and a catalog or a dafeng that reads the file otherwise makes a new one.

    Parameters
    ----------
    setting : Setting
    path : Path
    options : ImportOptions
    recorded_at : datetime
    places : container of str, optional
        Places about which the sender may speak; a file that speaks of another is refused as a whole.
    dry_run : bool
        Nothing is kept.
    listener : Listener

    Returns
    -------
    ImportOutcome
    DataFrame, columns of `dafeng.intake.FATE_SCHEMA`

    Raises
    ------
    InputError
        The file cannot be read at all, speaks of places about which the sender may not, or names a return as its source: what
        a body sends in is reviewed, and is not restated past the review.
    NoWorkspaceError
        There is no workspace to keep it in.
    """
    workspace, lake = need_workspace(setting)
    result = import_table(
        path,
        setting.catalog,
        recorded_at=recorded_at,
        home=workspace.settings.place,
        listener=listener,
        **options.model_dump(),
    )
    foreign = (
        [] if places is None else [one for one in result.observations["place"].unique().sort() if one not in places]
    )
    if foreign:
        names = "、".join(setting.catalog.places.get(place).name for place in foreign[:5])
        raise InputError(
            f"{path.name} 中有权限范围以外的地方：{names}等 {len(foreign)} 个 / places out of reach",
            doing="import a table",
            expected="本人权限范围内的地方",
            next_step="删去这些行后重新上传，或请上级单位导入",
            places=foreign,
        )
    reviewed = (
        [] if places is None else [one for one in result.observations["dataset"].unique().sort() if is_of_return(one)]
    )
    if reviewed:
        raise InputError(
            f"{path.name} 写明的来源是报送：{'、'.join(reviewed[:5])} / the source is a return",
            doing="import a table",
            expected="报送以外的来源；报送的数只经提交和审核入库",
            next_step="改写来源，或在“报送”中办理更正",
            datasets=reviewed,
        )
    outcome = ImportOutcome(
        file=path.name,
        document=result.document,
        adapters=dict(result.adapters),
        accepted=result.counts["accepted"],
        accepted_with_finding=result.counts["accepted_with_finding"],
        refused=result.counts["refused"],
        findings=tuple(result.findings),
    )
    if dry_run or result.observations.is_empty():
        return outcome, result.fates
    listener("入库 / publish", 0, None)
    workspace.put_document(path)
    said = f"{result.document} {options.model_dump_json()} {content_digest(result.observations)}"
    batch = f"import-{hashlib.sha256(said.encode()).hexdigest()[:32]}"
    published = lake.publish(result.observations, batch=batch, lineage=result.lineage)
    if published.already:
        return outcome.model_copy(update={"already": True, "unchanged": result.observations.height}), result.fates
    counts = published.model_dump(include={"appended", "superseded", "unchanged"})
    return outcome.model_copy(update=counts), result.fates


def read_facts(
    setting: Setting,
    *,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    as_of: date | None = None,
    versions: bool = False,
) -> pl.DataFrame:
    """Return facts of a workspace: those that count as known on `as_of`, or every stored version.

    Raises
    ------
    UnknownNameError
        An indicator is not in the catalog.
    """
    _, lake = need_workspace(setting)
    for indicator in indicators or ():
        setting.catalog.indicator(indicator)
    snapshot = lake.snapshot()
    if versions:
        return snapshot.history(indicators=indicators, places=places)
    return snapshot.read(as_of=as_of, indicators=indicators, places=places)


def trace(setting: Setting, frame: pl.DataFrame) -> pl.DataFrame:
    """Return facts with the file, sheet, cell and text that they came from."""
    _, lake = need_workspace(setting)
    sources = lake.snapshot().lineage(frame["lineage"].drop_nulls().to_list())
    return frame.join(sources.rename({"id": "lineage", "kind": "lineage_kind"}), on="lineage", how="left")


def export_data(
    setting: Setting,
    path: Path,
    *,
    indicators: Sequence[str] | None = None,
    places: Sequence[str] | None = None,
    layout: Literal["long", "wide"] = "long",
    as_of: date | None = None,
    force: bool = False,
) -> int:
    """Write facts to a table that imports back; return the number of rows.

    Raises
    ------
    UsageError
        The file exists and `force` is not given.
    """
    if path.exists() and not force:
        raise UsageError(
            f"{path} 已存在 / exists",
            doing="export facts",
            expected="a new file, or --force",
            next_step="换一个文件名，或加 --force",
        )
    frame = read_facts(setting, indicators=indicators, places=places, as_of=as_of).select(list(SCHEMA))
    path.parent.mkdir(parents=True, exist_ok=True)
    export_table(frame, path, setting.catalog, layout=layout)
    return frame.height


def withdraw_facts(setting: Setting, versions: Sequence[str], *, reason: str, recorded_at: datetime) -> int:
    """Withdraw facts by version; they no longer count, and their history stays."""
    _, lake = need_workspace(setting)
    name = hashlib.sha256(repr((sorted(versions), reason)).encode()).hexdigest()[:32]
    return lake.withdraw(versions, reason=reason, recorded_at=recorded_at, batch=f"withdraw-{name}").appended
