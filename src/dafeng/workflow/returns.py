"""One return on its way through a reporting cycle: typed or uploaded, checked, written as a workbook, and what it changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from dafeng.base.finding import Finding, Severity
from dafeng.base.form import FormFilling, FormIssue, FormLine
from dafeng.base.observation import KEY
from dafeng.base.record import Record
from dafeng.catalog.statistics_schemas import CheckKind
from dafeng.intake.form_filling import filling_of, findings_at, read_filling
from dafeng.intake.form_reading import FormReturn, read_form
from dafeng.intake.form_values import factor_of
from dafeng.reports.form_book import form_book, form_file_name
from dafeng.workflow.assessing import assess
from dafeng.workflow.checking import check_return
from dafeng.workflow.setting import Setting

__all__ = [
    "CheckedReturn",
    "LineAnswer",
    "LineFinding",
    "StatusChange",
    "change_of_status",
    "check_typed",
    "check_uploaded",
    "form_workbook",
    "versions_of",
]


class LineAnswer(Record):
    """What a line was answered."""

    line: str
    """Id of the line."""
    state: str
    """answered, answered_with_finding, reason_given, blank or refused."""
    value: float | None = None
    """In the unit printed on the form."""
    text: str = ""
    """As it stood."""
    reason: str = ""
    """Code of the reason for a gap."""
    note: str = ""
    """Remark."""
    row: str = ""
    """Whose row it is, in a form with a subject a row."""


class LineFinding(Record):
    """A finding and the line at which it stands."""

    line: str = ""
    """Id of the line, empty where it stands at none."""
    name: str
    """Stable name."""
    severity: str
    """error: the figure is refused; warning, info."""
    sentence: str
    """What is wrong."""
    next_step: str = ""
    """What to do."""
    cell: str = ""
    """Cell of the workbook, where one was read."""


@dataclass(frozen=True)
class CheckedReturn:
    """A return as read and checked; nothing is kept.

    Attributes
    ----------
    read : FormReturn
    filling : FormFilling
        What stands on its lines.
    answers : tuple of LineAnswer
    findings : tuple of LineFinding
        The heaviest first.
    """

    read: FormReturn
    filling: FormFilling
    answers: tuple[LineAnswer, ...]
    findings: tuple[LineFinding, ...]

    @property
    def errors(self) -> int:
        """Number of findings that refuse something."""
        return sum(one.severity == Severity.ERROR for one in self.findings)

    @property
    def answered(self) -> int:
        """Number of lines with a figure or a reason."""
        return len({one.line for one in self.answers if one.state not in ("blank", "refused")})


def check_typed(
    setting: Setting, issue: FormIssue, filling: FormFilling, *, recorded_at: datetime, against_facts: bool = False
) -> CheckedReturn:
    """Read what was typed on a form of lines, by the reader of returned workbooks.

    Parameters
    ----------
    setting : Setting
    issue : FormIssue
    filling : FormFilling
    recorded_at : datetime, aware
    against_facts : bool
        Whether the checks of the catalog look at it beside what the workspace holds too.

    Raises
    ------
    InputError
        The form has a subject a row.
    """
    read = read_filling(issue, filling, setting.catalog, recorded_at=recorded_at)
    return _checked(setting, read, filling, against_facts=against_facts)


def check_uploaded(
    setting: Setting,
    path: Path,
    issues: Mapping[str, FormIssue],
    *,
    recorded_at: datetime,
    against_facts: bool = False,
) -> CheckedReturn:
    """Read a workbook that came back; a form that is none of `issues` is refused cell by cell.

    Raises
    ------
    InputError
        The file cannot be read at all.
    """
    read = read_form(path, setting.catalog, recorded_at=recorded_at, issues=issues)
    return _checked(setting, read, filling_of(read), against_facts=against_facts)


def _checked(setting: Setting, read: FormReturn, filling: FormFilling, *, against_facts: bool) -> CheckedReturn:
    lines = {} if read.issue is None else {line.id: line for line in read.issue.lines}
    columns = ("line", "state", "value", "text", "missing_reason", "note", "row_code", "row_name")
    answers = tuple(
        LineAnswer(
            line=line,
            state=state,
            value=_printed(value, lines.get(line)),
            text=text or "",
            reason=reason or "",
            note=note or "",
            row=name or code or "",
        )
        for line, state, value, text, reason, note, code, name in read.answers.select(columns).iter_rows()
    )
    told = [_told(one.line, one.finding) for one in findings_at(read)]
    if against_facts and read.accepted and read.frame.height:
        told += _against_facts(setting, read)
    return CheckedReturn(read, filling, answers, tuple(sorted(told, key=lambda one: -Severity(one.severity).rank)))


def _printed(value: float | None, line: FormLine | None) -> float | None:
    if value is None or line is None or line.type != "number" or not (line.unit and line.canonical):
        return value
    return float(f"{value / (factor_of(line.unit, line.canonical) or 1.0):.12g}")


def _told(line: str, finding: Finding) -> LineFinding:
    return LineFinding(
        line=line,
        name=finding.name,
        severity=finding.severity.value,
        sentence=finding.sentence,
        next_step=finding.next_step,
        cell=finding.where.cell,
    )


def _against_facts(setting: Setting, read: FormReturn) -> list[LineFinding]:
    """Return what the checks of the catalog object to among the figures of a return.

    A check may be wrong about a figure that is right, so that none refuses: an error asks for a word as a warning does.
    """
    checks = setting.catalog.checks
    at = {
        f"{read.document}#{sheet}!{cell}": line
        for line, sheet, cell in read.answers.select("line", "sheet", "cell").iter_rows()
    }
    titles = {} if read.issue is None else {line.id: line.title for line in read.issue.lines}
    cells = check_return(setting, read.frame, read.lineage).checked.cells
    found = []
    for check, severity, lineage, detail in cells.select("check", "severity", "lineage", "detail").iter_rows():
        line, one = at.get(lineage or ""), checks[check]
        if line is None or one.kind is CheckKind.RANGE:  # bounds and usual range: the reader has told them
            continue
        weight = Severity.INFO if severity == Severity.INFO.value else Severity.WARNING
        sentence = "：".join(filter(None, (f"{one.title.zh}（{titles.get(line, '')}）", detail)))
        found.append(
            LineFinding(line=line, name=f"data.{check}", severity=weight.value, sentence=sentence, next_step=one.ask)
        )
    return found


def form_workbook(setting: Setting, issue: FormIssue, filling: FormFilling | None = None) -> tuple[str, bytes]:
    """Return the file name and the workbook of a form, blank or as filled in."""
    return form_file_name(issue), form_book(issue, setting.catalog, filling)


class StatusChange(Record):
    """A target that stands elsewhere after a return than before it."""

    target: str
    """Target id."""
    label: str
    """The plan's short name of the quantity."""
    year: int | None
    """For a yearly target: the year."""
    before: str
    """Status before."""
    after: str
    """Status after."""
    value_before: float | None
    """Value judged before, in the target's canonical unit."""
    value_after: float | None
    """Value judged after."""
    unit: str
    """Canonical unit."""


def change_of_status(
    setting: Setting,
    plan: str,
    *,
    place: str,
    as_of: date,
    before: datetime,
    after: datetime,
    indicators: Collection[str],
) -> tuple[StatusChange, ...]:
    """Return the targets whose status or value what was recorded between two moments has changed.

    Parameters
    ----------
    setting : Setting
    plan, place : str
    as_of : date
        Day of judgement.
    before, after : datetime, aware
        What is known at each: facts recorded up to and including it.
    indicators : collection of str
        What was recorded between them; targets of others cannot have changed.
    """
    concerned = {target.id for target in setting.catalog.plan(plan).targets if target.indicator in indicators}
    if not concerned:
        return ()
    then = assess(setting, plan, place=place, as_of=as_of, known_at=before)
    now = assess(setting, plan, place=place, as_of=as_of, known_at=after)
    held = {(row.target, row.year): row for row in then.rows}
    changed = []
    for row in now.rows:
        if row.target not in concerned:
            continue
        old = held[row.target, row.year]
        value, held_value = (None if one.latest is None else one.latest.value for one in (row, old))
        if (old.status, held_value) == (row.status, value):
            continue
        changed.append(
            StatusChange(
                target=row.target,
                label=row.label,
                year=row.year,
                before=old.status.value,
                after=row.status.value,
                value_before=held_value,
                value_after=value,
                unit=row.canonical_unit or "",
            )
        )
    return tuple(changed)


def versions_of(setting: Setting, facts: pl.DataFrame, recorded_at: datetime) -> list[str]:
    """Return the ids under which the workspace keeps facts of one moment; facts that said nothing new have none.

    Parameters
    ----------
    setting : Setting
    facts : DataFrame of `SCHEMA`
    recorded_at : datetime, aware
    """
    lake = setting.lake
    if lake is None or facts.is_empty():
        return []
    stored = lake.snapshot().history(facts.select(KEY))
    return stored.filter(pl.col("recorded_at") == recorded_at)["version"].to_list()
