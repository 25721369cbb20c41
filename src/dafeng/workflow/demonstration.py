"""The demonstration: a fictional city taken through the whole chain, from empty folder to written report."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

from dafeng.assessment import Assessment
from dafeng.base.errors import ContentError, UsageError
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import ObservationKind
from dafeng.base.record import Record
from dafeng.catalog.yaml_source import read_yaml
from dafeng.lake import Workspace
from dafeng.reports import FontReport
from dafeng.workflow.assessing import assess
from dafeng.workflow.demo_metering import DemoMetering, meter_demo
from dafeng.workflow.demo_statistics import DemoStatistics, run_demo_statistics
from dafeng.workflow.facts import ImportOptions, ImportOutcome, import_file
from dafeng.workflow.ledgers import LedgerOutcome, import_ledger, roll_up_ledgers
from dafeng.workflow.reporting import BuiltReport, ReportKind, build_report
from dafeng.workflow.setting import Setting, open_setting

__all__ = [
    "DEMO_DAY",
    "DEMO_PLAN",
    "DemoLedgers",
    "DemoWorkspace",
    "Demonstration",
    "count_demo_ledgers",
    "demo_files",
    "make_demo_workspace",
    "run_demo",
]

DEMO_PLAN: Final = "demo-city-2024"
DEMO_DAY: Final = date(2026, 10, 20)
"""Day on which the demonstration is judged, days before the yearly report is due."""
_RECORDED: Final = datetime(2026, 10, 15, 8, tzinfo=UTC)
_YEARS: Final = range(2016, 2027)
_PLACE: Final = "demo-city"


class DemoLedgers(Record):
    """What became of the ledgers of the demonstration."""

    imports: tuple[LedgerOutcome, ...]
    """One a book."""
    observations: int
    """Facts counted from them."""
    indicators: int
    """Indicators that these are of."""
    findings: tuple[Finding, ...]
    """What the counting found."""


class DemoWorkspace(NamedTuple):
    """The demonstration's workspace with what went into it."""

    setting: Setting
    imports: tuple[ImportOutcome, ...]
    ledgers: DemoLedgers | None


class Demonstration(Record):
    """What the demonstration did."""

    workspace: Path
    """Folder of the workspace."""
    imports: tuple[ImportOutcome, ...]
    """One a file."""
    ledgers: DemoLedgers
    """Ledgers, and what was counted from them."""
    metering: DemoMetering
    """Meters, and what was rolled up from them."""
    statistics: DemoStatistics
    """Forms, returns, checks, computed indicators and the check-up."""
    assessment: Assessment
    """Where every target stands."""
    reports: tuple[BuiltReport, ...]
    """Responsibility list and October report; none where none was asked for."""


def demo_files() -> Path:
    """Return the folder of the fictional city's own files.

    Examples
    --------
    >>> (demo_files() / "documents" / "plan.txt").is_file()
    True
    """
    return Path(str(resources.files("dafeng.workflow") / "demo_city"))


def make_demo_workspace(root: Path, *, ledgers: bool = True, listener: Listener = silent) -> DemoWorkspace:
    """Make the demonstration's workspace, or open it where it stands, and import its figures; doing so twice is once.

    Parameters
    ----------
    root : Path
        Folder of the workspace; made where it does not exist.
    ledgers : bool
        Whether the ledgers are imported and counted too.
    listener : Listener

    Raises
    ------
    ContentError
        The list of imports is faulty.
    UsageError
        The folder is a workspace of something else, into which nothing fictional may go.
    """
    source = demo_files()
    if (root / "dafeng.toml").exists():
        workspace = Workspace.open(root)
        if workspace.settings.plan != DEMO_PLAN:
            raise UsageError(
                f"{root} 是「{workspace.settings.title}」的工作区 / is the workspace of something else",
                doing="run the demonstration",
                expected="a new folder, or the demonstration's own workspace",
                next_step="换一个文件夹：dafeng demo 新文件夹",
            )
    else:
        workspace = Workspace.create(root, title="示范市（虚构）", place=_PLACE, plan=DEMO_PLAN)
    workspace.put_catalog(source / "catalog")
    workspace.put_document(source / "documents" / "plan.txt")
    setting = open_setting(workspace)
    outcomes = _import_all(setting, source / "data", listener)
    counted = None
    if ledgers:
        books = []
        entries = _listed(source / "data" / "ledgers" / "imports.yaml", "ledgers")
        for number, entry in enumerate(entries):
            listener("导入台账 / ledgers", number, len(entries))
            path = source / "data" / "ledgers" / entry["file"]
            books.append(import_ledger(setting, path, entry["register"], recorded_at=_RECORDED))
        listener("汇总台账 / roll-up", 0, None)
        counted = count_demo_ledgers(setting).model_copy(update={"imports": tuple(books)})
    return DemoWorkspace(setting, outcomes, counted)


def _import_all(setting: Setting, folder: Path, listener: Listener) -> tuple[ImportOutcome, ...]:
    """Import the files of a folder as its list of imports says."""
    outcomes = []
    entries = _listed(folder / "imports.yaml", "imports")
    for number, entry in enumerate(entries):
        listener("导入 / import", number, len(entries))
        options = ImportOptions.model_validate({name: value for name, value in entry.items() if name != "file"})
        outcomes.append(import_file(setting, folder / entry["file"], options, recorded_at=_RECORDED))
    return tuple(outcomes)


def _listed(path: Path, name: str) -> list[dict[str, Any]]:
    """Return the entries of a list of imports."""
    document, faults = read_yaml(path)
    if document is None or faults:
        raise ContentError(
            f"{path} cannot be read",
            doing="run the demonstration",
            expected="a list of imports",
            next_step="install dafeng again",
        )
    return list(document.data[name])


def count_demo_ledgers(setting: Setting, *, recorded_at: datetime = _RECORDED) -> DemoLedgers:
    """Count the ledgers of the demonstration up to observations and publish them."""
    rolled, _ = roll_up_ledgers(
        setting,
        years=_YEARS,
        recorded_at=recorded_at,
        as_of=DEMO_DAY,
        complete=[_PLACE],
        kind=ObservationKind.DEMONSTRATION,
    )
    return DemoLedgers(
        imports=(),
        observations=rolled.observations.height,
        indicators=rolled.observations["indicator"].n_unique(),
        findings=rolled.findings,
    )


def run_demo(root: Path, *, fonts: FontReport, papers: bool = True, listener: Listener = silent) -> Demonstration:
    """Take the fictional city through the chain: workspace, figures, ledgers, forms, checks, status of every target, papers.

    Parameters
    ----------
    root : Path
        Folder of the workspace; made where it does not exist.
    fonts : FontReport
    papers : bool
        Whether responsibility list and October report are written too.
    listener : Listener
    """
    setting, outcomes, ledgers = make_demo_workspace(root, listener=listener)
    source = demo_files() / "data" / "statistics"
    outcomes += _import_all(setting, source, listener)
    statistics = run_demo_statistics(setting, root, source / "returns", as_of=DEMO_DAY, listener=listener)
    setting = open_setting(setting.workspace)  # figures were set aside
    metering = meter_demo(
        setting, demo_files() / "data" / "metering", place=_PLACE, recorded_at=_RECORDED, listener=listener
    )
    judged = assess(setting, DEMO_PLAN, as_of=DEMO_DAY, known_at=DEMO_DAY)
    reports: list[BuiltReport] = []
    for kind in (ReportKind.RESPONSIBILITY, ReportKind.OCTOBER) if papers else ():
        listener("报告 / report", len(reports), 2)
        reports.append(
            build_report(
                setting,
                DEMO_PLAN,
                kind=kind,
                as_of=DEMO_DAY,
                known_at=DEMO_DAY,
                fonts=fonts,
                day=date(2026, 10, 28),
                judged=judged,
            )
        )
    return Demonstration(
        workspace=root,
        imports=outcomes,
        ledgers=ledgers or DemoLedgers(imports=(), observations=0, indicators=0, findings=()),
        statistics=statistics,
        metering=metering,
        assessment=judged,
        reports=tuple(reports),
    )
