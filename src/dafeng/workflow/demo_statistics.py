"""The demonstration's reporting cycle: forms out, returns in, figures checked and set aside, indicators computed, the city checked up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.assessment.checkup_records import PlaceCheckUp
from dafeng.base.finding import Finding
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import ObservationKind
from dafeng.base.record import Record
from dafeng.catalog.decision_schemas import FactQuarantine
from dafeng.workflow.checking import check_lake, quarantine_doubtful
from dafeng.workflow.checkup import run_checkup
from dafeng.workflow.computing import compute_indicators
from dafeng.workflow.forms import Issued, findings_of, issue_forms, read_returns, where_returns_stand
from dafeng.workflow.setting import Setting

__all__ = ["DemoStatistics", "issue_demo_forms", "run_demo_statistics"]

_PLAN: Final = "demo-city-2024"
_PLACE: Final = "demo-city"
_PERIOD: Final = "2025"
_ASKED: Final = date(2026, 1, 15)
_DUE: Final = date(2026, 3, 31)
_RETURNED: Final = datetime(2026, 3, 27, 8, tzinfo=UTC)
_BODIES: Final = ("natural-resources", "water", "urban-management", "agriculture", "justice", "development-reform")


class DemoStatistics(Record):
    """What became of the reporting cycle of the demonstration."""

    issued: int
    """Forms sent out."""
    asked: int
    """Lines that they ask for."""
    answered: int
    """Lines answered with a figure or a reason."""
    returned: int
    """Forms that came back."""
    form_findings: tuple[Finding, ...]
    """What was found in them."""
    silent: tuple[str, ...]
    """Bodies that have not answered."""
    figures: int
    """Figures of the lake that were checked."""
    check_findings: tuple[Finding, ...]
    """What the checks found."""
    aside: tuple[FactQuarantine, ...]
    """Figures set aside."""
    computed: int
    """Results of formulas."""
    computed_indicators: int
    """Indicators that these are of."""
    gaps: int
    """Results that could not be computed."""
    checkup: PlaceCheckUp
    """The city check-up."""


def issue_demo_forms(setting: Setting, folder: Path, *, listener: Listener = silent) -> Issued:
    """Issue the forms of the last year to some departments of the fictional city."""
    return issue_forms(
        setting,
        _PLAN,
        period=_PERIOD,
        due=_DUE,
        asked_on=_ASKED,
        out=folder,
        bodies=[f"{_PLACE}-{body}" for body in _BODIES],
        listener=listener,
    )


def run_demo_statistics(
    setting: Setting, root: Path, returns: Path, *, as_of: date, listener: Listener = silent
) -> DemoStatistics:
    """Take the fictional city through a reporting cycle.

    Parameters
    ----------
    setting : Setting
        The demonstration's workspace, its tables imported.
    root : Path
        Folder under which the blank forms are written.
    returns : Path
        Folder of the filled forms.
    as_of : date
        Day of judgement.
    listener : Listener
    """
    issued = issue_demo_forms(setting, root / "forms", listener=listener)
    files = sorted(returns.glob("*.xlsx"))
    back = read_returns(setting, files, recorded_at=_RETURNED, kind=ObservationKind.DEMONSTRATION, listener=listener)
    stand = where_returns_stand(setting, as_of=as_of, runs=[issued.run])
    checks = check_lake(setting, listener=listener)
    aside, _ = quarantine_doubtful(setting, checks, by="演示", decided_on=as_of)
    listener("计算指标 / indicators", 0, None)
    computed = compute_indicators(setting, as_of=as_of)
    listener("城市体检 / check-up", 0, None)
    year = as_of.year - 1
    checkup = run_checkup(setting, [_PLACE], year=year, as_of=as_of)
    return DemoStatistics(
        issued=len(issued.owed.issues),
        asked=stand.lines.height,
        answered=stand.lines.filter(pl.col("state").is_in(["answered", "reason_given"])).height,
        returned=sum(one.read.accepted for one in back),
        form_findings=findings_of(back),
        silent=tuple(stand.forms.filter(state="not_returned")["body_name"]),
        figures=checks.figures,
        check_findings=checks.findings,
        aside=aside,
        computed=computed.observations.height,
        computed_indicators=computed.observations["indicator"].n_unique(),
        gaps=computed.gaps.height,
        checkup=checkup.check_ups[0].of(_PLACE, year),
    )
