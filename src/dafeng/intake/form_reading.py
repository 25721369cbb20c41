"""A returned form becomes observations, answers and findings; every filled cell ends in a stated fate.

Lines are found by their code, wherever rows and columns were moved; a figure whose line is in doubt is refused, not guessed.
A form of another body, period or place is refused as a whole, cell by cell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from dafeng.base.finding import Finding
from dafeng.base.form import ANSWER_SCHEMA, FormIssue, guide_rows
from dafeng.base.ledger import MACHINE_SHEET
from dafeng.base.lineage import LINEAGE_SCHEMA, LineageKind
from dafeng.base.observation import BREAKDOWNS, SCHEMA, ObservationKind, Review
from dafeng.catalog import Catalog
from dafeng.intake.form_cells import FormCells, RowAnswer
from dafeng.intake.form_layout import Identity, Rows, identity_of, is_guide
from dafeng.intake.form_lines import LineReader
from dafeng.intake.form_rows import RowsReader
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits, Sheet, cell_name, file_digest

__all__ = ["FORM_CELLS_SCHEMA", "FormReturn", "answers_of", "join_returns", "read_form"]

FORM_CELLS_SCHEMA: Final[dict[str, pl.DataType]] = dict.fromkeys(
    ("sheet", "cell", "text", "fate", "findings"), pl.String()
)
"""Columns of the table of cells. ``fate`` is printed (what the form came with), answer, answer_with_finding, reason, note,
head, changed (printed text or last value altered, not taken), refused, stray, set_aside (sheets that are no form)."""
_LIMITS: Final = Limits(cells=2_000_000)


@dataclass(frozen=True)
class FormReturn:
    """What came of a returned form.

    Parameters
    ----------
    issue : FormIssue or None
        The issue that it answers; None where nobody knows.
    accepted : bool
        Whether any of it may be published: False for a form of another body, period or place.
    frame : DataFrame, columns of `base.observation.SCHEMA`
    lineage : DataFrame, columns of `base.lineage.LINEAGE_SCHEMA`
    answers : DataFrame, columns of `base.form.ANSWER_SCHEMA`
        One a line; one a line and row for a form of rows.
    cells : DataFrame, columns of `FORM_CELLS_SCHEMA`
        Every filled cell with its fate.
    head : dict
        Head fields as filled in.
    findings : list of Finding
    document : str
        SHA-256 of the file.
    file : str
    """

    issue: FormIssue | None
    accepted: bool
    frame: pl.DataFrame
    lineage: pl.DataFrame
    answers: pl.DataFrame
    cells: pl.DataFrame
    head: dict[str, str]
    findings: list[Finding]
    document: str
    file: str

    @property
    def counts(self) -> dict[str, int]:
        """Lines by state, and cells that were not taken."""
        states = dict(self.answers.group_by("state").len().iter_rows()) if self.answers.height else {}
        lost = self.cells.filter(pl.col("fate").is_in(["refused", "stray", "changed"])).height
        return {**{str(name): int(count) for name, count in sorted(states.items())}, "cells_not_taken": lost}


def read_form(
    path: Path | str,
    catalog: Catalog,
    *,
    recorded_at: datetime,
    issues: Mapping[str, FormIssue] | Iterable[FormIssue] | None = None,
    review: Review = Review.APPROVED,
    limits: Limits | None = None,
) -> FormReturn:
    """Read a returned form.

    Parameters
    ----------
    path : path
        XLSX (or XLS) as it came back.
    catalog : Catalog
    recorded_at : datetime
        Instant of the import, with time zone.
    issues : mapping by id, or iterable, of FormIssue, optional
        Issues that were sent out (to this body, where one body returns it): the form must be one of them. Without them the
        form's own statement is believed.
    review : Review
        State of review of the observations.
    limits : Limits, optional

    Returns
    -------
    FormReturn

    Raises
    ------
    InputError
        The file cannot be read at all: missing, empty, damaged, protected by a password, no workbook.
    """
    path = Path(path)
    known = dict(issues) if isinstance(issues, Mapping) else {issue.id: issue for issue in issues or ()}
    sheets = [(sheet, sheet.frame.rows()) for sheet in read_sheets(path, limits=limits or _LIMITS)]
    guides = {sheet.name for sheet, rows in sheets if is_guide(sheet, rows)}
    said = identity_of(sheets, known)
    cells = FormCells(path.name)
    issue, accepted = _issue_of(said, known if issues is not None else None, cells)
    answers: list[RowAnswer] = []
    head: dict[str, str] = {}
    printed: set[str] = set()
    if issue is not None:
        reader = (LineReader if issue.layout == "lines" else RowsReader)(issue, catalog, cells)
        for sheet, rows in sheets:
            _read_sheet(reader, sheet, rows, cells, guide=sheet.name in guides)
        answers, head = reader.finish(), reader.head
        accepted = accepted and reader.accepted and bool(cells.read_sheets)
        printed = {text for one in (issue, said.embedded) if one for row in guide_rows(one) for text in row}
    _fates_of_rest(sheets, cells, issue, guides, printed)
    if not accepted:
        cells.refuse_all()
        answers = [answer.refused() for answer in answers]
    return answers_of(file_digest(path), path.name, issue, accepted, answers, head, cells, recorded_at, review)


def _read_sheet(reader: LineReader | RowsReader, sheet: Sheet, rows: Rows, cells: FormCells, *, guide: bool) -> None:
    if sheet.name == MACHINE_SHEET:
        return
    for row, column, text in sheet.remarks:
        cells.tell("form.cell.remark", sheet.name, cell_name(row, column), value=text[:60])
    if guide:
        return
    if reader.read(sheet, rows):
        names = {finding.name for finding in sheet.findings}
        if not sheet.name or "intake.file.old-format" in names:
            cells.tell("form.file.old-format", sheet.name, value="XLS" if sheet.name else "CSV")
        if "intake.sheet.hidden" in names:
            cells.tell("form.sheet.hidden", sheet.name, value=sheet.name)
        if "intake.sheet.hidden-lines" in names:
            cells.tell("form.column.hidden", sheet.name)
        return
    filled = sum(text is not None for row in rows for text in row)
    cells.tell("form.sheet.other", sheet.name, value=sheet.name, detail=str(filled))


def _issue_of(said: Identity, known: Mapping[str, FormIssue] | None, cells: FormCells) -> tuple[FormIssue | None, bool]:
    """Return the issue that a file answers, and whether it may be taken."""
    embedded = said.embedded
    if known is None:
        if embedded is None:
            cells.tell("form.file.no-issue")
        else:
            cells.tell("form.issue.self-stated")
        return embedded, embedded is not None
    issue = known.get(said.issue)
    if issue is not None:
        if not said.hidden:
            cells.tell("form.issue.from-cells", value=issue.id)
        if said.version and said.version != issue.version:
            cells.tell("form.issue.other-version", value=said.version, detail=issue.version)
        return issue, True
    if not said.issue:
        cells.tell("form.file.no-issue")
        return None, False
    if embedded is None:
        cells.tell("form.issue.unknown", value=said.issue)
        return None, False
    same = [one for one in known.values() if one.form == embedded.form]
    period = next((one for one in same if one.body == embedded.body and one.place == embedded.place), None)
    body = next((one for one in same if one.period == embedded.period), None)
    if period is not None and period.period != embedded.period:
        cells.tell("form.issue.other-period", value=embedded.period, detail=period.period)
    elif body is not None and body.body != embedded.body:
        cells.tell("form.issue.other-body", value=embedded.body_name, detail=body.body_name)
    else:
        cells.tell("form.issue.unknown", value=said.issue)
    return embedded, False


def _fates_of_rest(
    sheets: list[tuple[Sheet, Rows]], cells: FormCells, issue: FormIssue | None, guides: set[str], printed: set[str]
) -> None:
    """Give a fate to every filled cell that has none: other sheets are set aside, the rest is stray.

    Of the sheet of explanations only what was `printed` there is; what somebody wrote beside it is stray.
    """
    for sheet, rows in sheets:
        guide = issue is not None and sheet.name in guides
        read = guide or sheet.name in cells.read_sheets
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                if text is None or cells.has(sheet.name, row, column):
                    continue
                if sheet.name == MACHINE_SHEET or (guide and text in printed):
                    cells.mark(sheet.name, row, column, text, "printed")
                elif issue is None:
                    cells.mark(sheet.name, row, column, text, "refused")
                elif not read:
                    cells.mark(sheet.name, row, column, text, "set_aside")
                else:
                    cells.problem("form.cell.stray", sheet.name, row, column, text, "stray", value=text[:60])


def answers_of(
    document: str,
    file: str,
    issue: FormIssue | None,
    accepted: bool,
    answers: list[RowAnswer],
    head: dict[str, str],
    cells: FormCells,
    recorded_at: datetime,
    review: Review,
) -> FormReturn:
    """Return what came of a form from the answers to its lines.

    Parameters
    ----------
    document, file : str
        SHA-256 and name of what was read.
    issue : FormIssue or None
    accepted : bool
        Whether figures may be taken.
    answers : list of RowAnswer
    head : dict
    cells : FormCells
    recorded_at : datetime, aware
    review : Review
    """
    recorded_at = recorded_at.astimezone(UTC)
    published = _reported_on(head)
    asked: dict[str, list[Any]] = {name: [] for name in ANSWER_SCHEMA}
    facts: dict[str, list[Any]] = {name: [] for name in SCHEMA}
    lineage: dict[str, list[Any]] = {name: [] for name in LINEAGE_SCHEMA}
    for answer in answers:
        assert issue is not None
        line = answer.line
        at = cell_name(answer.row, answer.column) if answer.row >= 0 else ""
        given = {
            "issue": issue.id,
            "form": issue.form,
            "version": issue.version,
            "body": issue.body,
            "place": answer.place or line.place or issue.place,
            "period": issue.period,
            "line": line.id,
            "field": line.field,
            "row_code": answer.row_code,
            "row_name": answer.row_name,
            "indicator": line.indicator or "",
            "extent": line.extent,
            **{name: getattr(line, name) for name in BREAKDOWNS},
            "basis": line.basis,
            "unit": line.canonical or line.unit,
            "state": answer.state,
            "value": answer.value,
            "text": answer.shown,
            "missing_reason": answer.missing,
            "note": answer.note,
            "findings": " ".join(answer.problems),
            "sheet": answer.sheet,
            "cell": at,
            "document": document,
            "file": file,
            "recorded_at": recorded_at,
        }
        for name, value in given.items():
            asked[name].append(value)
        place = answer.place or line.place
        if not accepted or not line.indicator or not place or answer.state not in _TAKEN:
            continue
        key = f"{document}#{answer.sheet}!{at}"
        row = given | {
            "place": place,
            "kind": str(ObservationKind.ESTIMATED if answer.estimate else ObservationKind.REPORTED),
            "dataset": issue.dataset,
            "published_on": published,
            "review": str(review),
            "lineage": key,
            "scenario": "",
            "member": "",
        }
        for name in SCHEMA:
            facts[name].append(row.get(name))
        detail = {"form": issue.form, "issue": issue.id, "line": line.id, "unit": answer.unit, "note": answer.note}
        told = json.dumps({name: text for name, text in detail.items() if text}, ensure_ascii=False)
        origin = (key, LineageKind.CELL.value, document, file, answer.sheet, at, answer.shown, told)
        for name, value in zip(LINEAGE_SCHEMA, origin, strict=True):
            lineage[name].append(value)
    return FormReturn(
        issue,
        accepted,
        pl.DataFrame(facts, schema=SCHEMA),
        pl.DataFrame(lineage, schema=LINEAGE_SCHEMA),
        pl.DataFrame(asked, schema=ANSWER_SCHEMA),
        cells.frame(),
        head,
        cells.findings,
        document,
        file,
    )


_TAKEN: Final = ("answered", "answered_with_finding", "reason_given")


def _reported_on(head: Mapping[str, str]) -> date | None:
    try:
        return date.fromisoformat(head.get("reported_on", ""))
    except ValueError:
        return None


def join_returns(returns: Iterable[FormReturn]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return observations, lineage and answers of several returns; of one issue returned twice the later answers stand last.

    Examples
    --------
    >>> [part.height for part in join_returns([])]
    [0, 0, 0]
    """
    parts = list(returns)
    return (
        pl.concat([pl.DataFrame(schema=SCHEMA), *(part.frame for part in parts)]),
        pl.concat([pl.DataFrame(schema=LINEAGE_SCHEMA), *(part.lineage for part in parts)]),
        pl.concat([pl.DataFrame(schema=ANSWER_SCHEMA), *(part.answers for part in parts)]),
    )
