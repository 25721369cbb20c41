"""The reporting cycle: forms out, returned forms in, who answered, who is to be chased."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import polars as pl

from dafeng.base.errors import UnknownNameError, UsageError, close_names
from dafeng.base.finding import Finding
from dafeng.base.form import ANSWER_SCHEMA, FormIssue
from dafeng.base.listener import Listener, silent
from dafeng.base.observation import SCHEMA, ObservationKind, Review
from dafeng.base.period import read_period
from dafeng.catalog.statistics_schemas import Form
from dafeng.intake.form_kinds import say
from dafeng.intake.form_reading import FormReturn, read_form
from dafeng.lake import Published, find_runs, save_run
from dafeng.reports.fonts import FontReport
from dafeng.reports.form_book import form_archives
from dafeng.reports.form_chase import chase_report
from dafeng.statistics.answers import Standing, standing
from dafeng.statistics.owed import Owed, Respondent, issue_form, owed_by
from dafeng.workflow.assessing import chosen_plan
from dafeng.workflow.facts import need_workspace
from dafeng.workflow.reporting import write_paper
from dafeng.workflow.setting import Setting

__all__ = [
    "Issued",
    "Returned",
    "chase_papers",
    "findings_of",
    "forms_owed",
    "issue_forms",
    "issues_of",
    "keep_issues",
    "read_returns",
    "where_returns_stand",
]

_ISSUED: Final = "forms"
_RETURNED: Final = "return"
_ASKED: Final = "issues.json"
_ANSWERS: Final = "answers.parquet"


@dataclass(frozen=True)
class Issued:
    """Forms as sent out.

    Parameters
    ----------
    run : str
        Name of the saved run.
    owed : Owed
    archives : dict from body to Path
    """

    run: str
    owed: Owed
    archives: dict[str, Path]


@dataclass(frozen=True)
class Returned:
    """A form as read back.

    Parameters
    ----------
    file : Path
    read : FormReturn
    published : Published or None
        None where nothing was published: a dry run, a refused form, or one without a figure for the lake.
    run : str or None
        Run that keeps the answers.
    """

    file: Path
    read: FormReturn
    published: Published | None
    run: str | None


def forms_owed(
    setting: Setting,
    name: str | None,
    *,
    period: str,
    due: date | None,
    asked_on: date,
    form: str | None = None,
    bodies: Sequence[str] | None = None,
    reporter: str | None = None,
    every_division: bool = False,
) -> Owed:
    """Return the forms that bodies owe for a period; nothing is written.

    Parameters
    ----------
    setting : Setting
    name : str or None
        Plan or place, see `chosen_plan`.
    period : str
        Period asked for.
    due : date or None
        Return-by day; the form's own where None.
    asked_on : date
        Day of the issue.
    form : str, optional
        A statutory form in place of the plan's cycle; it goes to `bodies`.
    bodies : sequence of str, optional
        Only these bodies.
    reporter : str, optional
        Body that answers for targets for which the plan names nobody.
    every_division : bool
        Whether the divisions answer for every target.

    Raises
    ------
    NoWorkspaceError
        There is no workspace, whose facts give the values of the period before.
    UsageError
        No return-by day is known, a statutory form is asked of nobody, or nobody owes anything.
    UnknownNameError
        No such form or body.
    """
    _, lake = need_workspace(setting)
    catalog, plan = setting.catalog, chosen_plan(setting, name)
    canonical = read_period(period).text
    facts = lake.snapshot().read().select(list(SCHEMA))
    if form is not None:
        if not bodies:
            raise UsageError(
                "没有说明报表发给谁 / nobody is asked",
                doing=f"issue the form {form}",
                expected="--body 单位，可重复 / --body, once or more",
                next_step="加 --body",
            )
        asked = _form(setting, form)
        named = [catalog.bodies[one] for one in sorted({_body(setting, body, plan.place) for body in bodies})]
        respondents = [Respondent(body=one.id, body_name=one.name, place=one.place) for one in named]
        owed = issue_form(asked, catalog, respondents, period=canonical, due=due, facts=facts, asked_on=asked_on)
    else:
        if due is None:
            raise UsageError(
                "没有说明报送截止日 / no return-by day",
                doing="issue the forms of a plan's cycle",
                expected="--due 年-月-日",
                next_step="加 --due",
            )
        owed = owed_by(
            plan,
            catalog,
            period=canonical,
            due=due,
            facts=facts,
            asked_on=asked_on,
            reporter=None if reporter is None else _body(setting, reporter, plan.place),
            every_division=every_division,
        )
        if bodies is not None:
            asked_of = {issue.body for issue in owed.issues}
            chosen = {_body(setting, body, plan.place, also=asked_of) for body in bodies}
            kept = tuple(issue for issue in owed.issues if issue.body in chosen)
            owed = Owed(issues=kept, findings=owed.findings)
    if not owed.issues:
        raise UsageError(
            "没有要发的报表：方案没有要求这些单位报数 / nobody owes anything",
            doing="issue forms",
            expected="a plan whose targets name bodies, or --body 方案中的单位",
            next_step="dafeng plan responsibility 看各单位的目标，或用 --form 发法定报表",
        )
    return owed


def keep_issues(
    setting: Setting,
    issues: Sequence[FormIssue],
    *,
    plan: str,
    period: str,
    asked_on: date,
    catalog: str,
    form: str | None = None,
) -> str:
    """Keep what was asked as a run, and return its name; the same issues again are the same run.

    Parameters
    ----------
    setting : Setting
    issues : sequence of FormIssue
    plan : str
        Plan id.
    period : str
        Canonical period.
    asked_on : date
    catalog : str
        Digest of the catalog from which the issues were made.
    form : str, optional
        Statutory form.

    Raises
    ------
    NoWorkspaceError
        There is no workspace to keep it in.
    """
    workspace, _ = need_workspace(setting)
    asked_for = json.dumps([issue.model_dump(mode="json") for issue in issues], ensure_ascii=False, indent=1)
    digest = hashlib.sha256(asked_for.encode()).hexdigest()[:12]
    run = f"{_ISSUED}-{form or plan}-{period.replace('..', 'to')}-{digest}"
    manifest = {
        "format": 1,
        "kind": _ISSUED,
        "plan": plan,
        "form": form,
        "period": period,
        "asked_on": asked_on.isoformat(),
        "issues": len(issues),
        "catalog": catalog,
    }
    save_run(workspace, run, manifest, {_ASKED: asked_for.encode()})
    return run


def issue_forms(
    setting: Setting,
    name: str | None,
    *,
    period: str,
    due: date | None,
    asked_on: date,
    out: Path,
    form: str | None = None,
    bodies: Sequence[str] | None = None,
    reporter: str | None = None,
    every_division: bool = False,
    listener: Listener = silent,
) -> Issued:
    """Write blank forms, one archive a body, and keep what was asked.

    Parameters
    ----------
    setting : Setting
    name : str or None
        Plan or place, see `chosen_plan`.
    period : str
        Period asked for.
    due : date or None
        Return-by day; the form's own where None.
    asked_on : date
        Day of the issue.
    out : Path
        Folder of the archives.
    form : str, optional
        A statutory form in place of the plan's cycle; it goes to `bodies`.
    bodies : sequence of str, optional
        Only these bodies.
    reporter : str, optional
        Body that answers for targets for which the plan names nobody.
    every_division : bool
        Whether the divisions answer for every target.

    Raises
    ------
    NoWorkspaceError
        There is no workspace to keep it in.
    UsageError
        No return-by day is known, or a statutory form is asked of nobody.
    UnknownNameError
        No such form or body.
    """
    catalog, plan = setting.catalog, chosen_plan(setting, name)
    owed = forms_owed(
        setting,
        name,
        period=period,
        due=due,
        asked_on=asked_on,
        form=form,
        bodies=bodies,
        reporter=reporter,
        every_division=every_division,
    )
    out.mkdir(parents=True, exist_ok=True)
    archives: dict[str, Path] = {}
    of_body = owed.by_body()
    for done, ((file, content), body) in enumerate(zip(form_archives(of_body, catalog), of_body, strict=True)):
        listener("写报表 / forms", done, len(of_body))
        (out / file).write_bytes(content)
        archives[body] = out / file
    canonical = read_period(period).text
    run = keep_issues(
        setting, owed.issues, plan=plan.id, period=canonical, asked_on=asked_on, catalog=catalog.digest, form=form
    )
    return Issued(run, owed, archives)


def issues_of(setting: Setting, runs: Sequence[str] | None = None) -> tuple[FormIssue, ...]:
    """Return what was asked: of all issues of forms, or of some; of one issue that was sent out again the latest counts.

    Raises
    ------
    UnknownNameError
        There is no such run.
    """
    workspace, _ = need_workspace(setting)
    kept = {run.id: run for run in find_runs(workspace) if run.manifest.get("kind") == _ISSUED}
    for name in runs or ():
        if name not in kept:
            raise UnknownNameError(
                f"no issue of forms is called {name!r}",
                doing="find what was asked",
                expected=f"one of {', '.join(close_names(name, kept) or sorted(kept)) or 'the issues of this workspace'}",
                next_step="dafeng data forms",
            )
    found: dict[str, FormIssue] = {}
    ordered = sorted(
        (run for run in kept.values() if runs is None or run.id in runs),
        key=lambda run: (run.manifest["asked_on"], run.id),
    )
    for run in ordered:
        for issue in json.loads((run.folder / _ASKED).read_bytes()):
            found[issue["id"]] = FormIssue.model_validate(issue)
    return tuple(found.values())


def read_returns(
    setting: Setting,
    files: Iterable[Path],
    *,
    recorded_at: datetime,
    body: str | None = None,
    review: Review = Review.APPROVED,
    kind: ObservationKind | None = None,
    dry_run: bool = False,
    issues: Mapping[str, FormIssue] | None = None,
    key: str = "",
    listener: Listener = silent,
) -> tuple[Returned, ...]:
    """Read returned forms, keep them and their answers, and publish their figures; every filled cell ends in a stated fate.

    Parameters
    ----------
    setting : Setting
    files : iterable of Path
    recorded_at : datetime
    body : str, optional
        Body that sent them, by id or name: forms of another are refused.
    review : Review
        How far the figures have been reviewed.
    kind : ObservationKind, optional
        How the figures came about; as each form says where None.
    dry_run : bool
        Nothing is kept.
    issues : mapping by id, optional
        What was asked; all issues that the workspace keeps where None.
    key : str
        Further name of the decision behind this return: the same file under another key is another return, so that a
        correction back to what stood first counts.

    Raises
    ------
    InputError
        A file cannot be read at all. Those before it are kept.
    UnknownNameError
        No such body.
    """
    workspace, lake = need_workspace(setting)
    asked: dict[str, FormIssue] | None = (
        {issue.id: issue for issue in issues_of(setting)} or None if issues is None else dict(issues)
    )
    if body is not None:
        senders = {issue.body for issue in (asked or {}).values()}
        sender = _body(setting, body, workspace.settings.place, also=senders)
        asked = {name: issue for name, issue in (asked or {}).items() if issue.body == sender}
    results: list[Returned] = []
    for file in files:
        listener(f"读回 {file.name}", 0, None)
        read = read_form(file, setting.catalog, recorded_at=recorded_at, issues=asked, review=review)
        for one in results:
            same = read.issue is not None and one.read.issue is not None and one.read.issue.id == read.issue.id
            if same and one.read.accepted and read.accepted and one.read.document != read.document:
                read.findings.append(say("form.issue.twice", file=file.name, value=file.name, detail=one.file.name))
        published, run = None, None
        if read.accepted and not dry_run and read.issue is not None:
            document = workspace.put_document(file)
            said = hashlib.sha256(
                f"{document} {read.issue.id} {read.issue.version} {review.value} {kind or ''}{key}".encode()
            ).hexdigest()[:32]
            if read.frame.height:
                frame = read.frame if kind is None else read.frame.with_columns(kind=pl.lit(kind.value))
                published = lake.publish(frame, batch=f"{_RETURNED}-{said}", lineage=read.lineage)
            run = f"{_RETURNED}-{read.issue.id}"[:100] + f"-{said[:12]}"
            manifest = {
                "format": 1,
                "kind": _RETURNED,
                "issue": read.issue.id,
                "document": document,
                "counts": dict(read.counts),
            }
            if not (workspace.runs / run).is_dir():  # the same file again says nothing new
                save_run(workspace, run, manifest, {_ANSWERS: _parquet(read.answers)})
        results.append(Returned(file, read, published, run))
    return tuple(results)


def where_returns_stand(
    setting: Setting,
    *,
    as_of: date,
    runs: Sequence[str] | None = None,
    issues: Sequence[FormIssue] | None = None,
    waiting: pl.DataFrame | None = None,
) -> Standing:
    """Return who was asked, who answered, and who is to be chased on a day.

    Parameters
    ----------
    setting : Setting
    as_of : date
    runs : sequence of str, optional
        Issues of forms; all of the workspace where None.
    issues : sequence of FormIssue, optional
        What was asked, in place of `runs`.
    waiting : DataFrame of `ANSWER_SCHEMA`, optional
        Answers that were sent in and wait for review: they count as answered.
    """
    workspace, lake = need_workspace(setting)
    issues = issues_of(setting, runs) if issues is None else tuple(issues)
    kept = [
        pl.read_parquet(run.folder / _ANSWERS) for run in find_runs(workspace) if run.manifest.get("kind") == _RETURNED
    ]
    answers = pl.concat([pl.DataFrame(schema=ANSWER_SCHEMA), *kept, *([] if waiting is None else [waiting])])
    datasets = sorted({issue.dataset for issue in issues})
    indicators = sorted({line.indicator for issue in issues for line in issue.lines if line.indicator})
    held = lake.snapshot().read(as_of=as_of, indicators=indicators)
    facts = held.filter(pl.col("dataset").is_in(datasets)).select(list(SCHEMA))
    return standing(issues, facts, answers, as_of=as_of)


def chase_papers(stand: Standing, path: Path, *, fonts: FontReport, body: str | None = None) -> None:
    """Write the chase list as DOCX, XLSX, HTML or PDF, by the ending of `path`, see `write_paper`."""
    write_paper(chase_report(stand, body=body), path, fonts)


def findings_of(returned: Iterable[Returned]) -> tuple[Finding, ...]:
    """Return what was found in returned forms."""
    return tuple(finding for one in returned for finding in one.read.findings)


def _body(setting: Setting, text: str, place: str | None, *, also: Container[str] = ()) -> str:
    """Return the id of a body given by id or name; `also` are ids of bodies that the catalog does not know."""
    if text in setting.catalog.bodies or text in also:
        return text
    if place is None:
        raise UnknownNameError(
            f"no body has the id {text!r}",
            doing="find a body",
            expected=f"one of {', '.join(close_names(text, setting.catalog.bodies)) or 'the ids of the catalog'}",
            next_step="dafeng catalog list bodies",
        )
    return setting.catalog.body(text, place).id


def _parquet(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def _form(setting: Setting, name: str) -> Form:
    if name not in setting.catalog.forms:
        raise UnknownNameError(
            f"no form is called {name!r}",
            doing="issue a form",
            expected=f"one of {', '.join(close_names(name, setting.catalog.forms) or sorted(setting.catalog.forms))}",
            next_step="dafeng data forms --list",
        )
    return setting.catalog.forms[name]
