"""Reads of the reporting cycle: what is owed and due, the queue of reviews, coverage, the chase list, what a correction changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Final

import polars as pl
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dafeng.base.form import ANSWER_SCHEMA, FormIssue, FormLine
from dafeng.base.period import Period
from dafeng.web.access.reach import Reach
from dafeng.web.audit.models import AuditEntry
from dafeng.web.due import DueItem
from dafeng.web.house import House, house
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.returns.cells import Cells, base_of, entry_of
from dafeng.web.returns.models import Assignment, FormSheet, Round, Submission
from dafeng.web.returns.states import EDITABLE, State, SubmissionState
from dafeng.web.words import word
from dafeng.workflow.forms import where_returns_stand
from dafeng.workflow.returns import LineFinding
from dafeng.workflow.setting import Setting

__all__ = [
    "ChangedLine",
    "Event",
    "Filter",
    "LineRow",
    "Publishing",
    "assignments",
    "changed_lines",
    "chase",
    "counted",
    "coverage",
    "due_for",
    "history_of",
    "line_rows",
    "number_text",
    "publishing_of",
    "queue",
    "review_rows",
    "rounds",
    "state_tone",
]

_TONES = {
    State.PENDING: "",
    State.DRAFT: "info",
    State.SUBMITTED: "info",
    State.RETURNED: "bad",
    State.APPROVED: "good",
    State.CORRECTING: "warn",
    State.SEALED: "good",
}


def state_tone(state: str) -> str:
    """Return the class of a state; its word always stands beside it.

    Examples
    --------
    >>> state_tone("returned"), state_tone("approved")
    ('bad', 'good')
    """
    return _TONES[State(state)]


def number_text(value: float | None) -> str:
    """Return a figure as a page shows it: with separators, no digit lost.

    Examples
    --------
    >>> number_text(1234567.25), number_text(None), number_text(0.1), number_text(52000.0)
    ('1,234,567.25', '', '0.1', '52,000')
    """
    return "" if value is None else f"{value:,.12g}" if abs(value) < 1e12 else f"{value:.12g}"


@dataclass(frozen=True)
class Filter:
    """What a list is narrowed to.

    Attributes
    ----------
    state, round, place, text : str
        Empty where it is not; `late` is a state of its own, and `open` all that is not approved.
    """

    state: str = ""
    round: str = ""
    place: str = ""
    text: str = ""

    def of(self, rows: QuerySet[Assignment], today: date) -> QuerySet[Assignment]:
        """Return the rows that it lets through."""
        open_still = ~Q(state__in=[State.APPROVED, State.SEALED])
        if self.state == "late":
            rows = rows.filter(open_still & ~Q(state=State.SUBMITTED), due__lt=today)
        elif self.state == "open":
            rows = rows.filter(open_still)
        elif self.state in State.values:
            rows = rows.filter(state=self.state)
        if self.round.isdecimal():
            rows = rows.filter(round_id=int(self.round))
        if self.place:
            rows = rows.filter(place=self.place)
        if self.text:
            rows = rows.filter(
                Q(body_name__icontains=self.text) | Q(title__icontains=self.text) | Q(place_name__icontains=self.text)
            )
        return rows


def assignments(reach: Reach, action: str = "returns.read") -> QuerySet[Assignment]:
    """Return what bodies owe, as far as a user may see it."""
    return reach.visible(Assignment.objects.select_related("organisation", "round"), action)


def rounds(reach: Reach) -> QuerySet[Round]:
    """Return the rounds of which a user may see a form, or which they may issue, with how many forms stand where."""
    seen = assignments(reach).order_by().values("round")
    places = reach.places("returns.issue") | reach.places("returns.read")
    return counted(Round.objects.filter(Q(pk__in=seen) | Q(place__in=places)).select_related("organisation"))


def counted(rows: QuerySet[Round]) -> QuerySet[Round]:
    """Return rounds with how many forms stand where."""
    counts = {
        state: Count("assignments", filter=Q(assignments__state=state))
        for state in (State.SUBMITTED.value, State.APPROVED.value, State.SEALED.value)
    }
    return rows.annotate(asked=Count("assignments"), **{f"n_{name}": count for name, count in counts.items()}).order_by(
        "-due", "-id"
    )


def queue(reach: Reach) -> QuerySet[Submission]:
    """Return what waits for the review of a user, the oldest first."""
    rows = Submission.objects.filter(state=SubmissionState.SUBMITTED).select_related("assignment__organisation")
    return reach.visible(
        rows, "returns.review", place="assignment__place", organisation="assignment__organisation"
    ).order_by("submitted_at", "id")


@dataclass(frozen=True)
class LineRow:
    """A line on the page of a draft.

    Attributes
    ----------
    line : FormLine
    value, reason, note, base : str
        What stands there, and what the page remembers of it.
    others : list of dict
        What somebody else wrote at the same time.
    findings : list of LineFinding
    evidence : list
    last : str
        Value of the period before, as shown.
    remark : str
        Why it was returned.
    """

    line: FormLine
    value: str
    reason: str
    note: str
    base: str
    others: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[LineFinding] = ()
    evidence: Sequence[Any] = ()
    last: str = ""
    remark: str = ""

    @property
    def worst(self) -> str:
        """Severity of the heaviest finding."""
        return self.findings[0].severity if self.findings else ""

    @property
    def invalid(self) -> bool:
        """Whether what stands there is refused."""
        return self.worst == "error"


def line_rows(
    issue: FormIssue,
    cells: Cells,
    findings: Iterable[LineFinding],
    *,
    evidence: Iterable[Any] = (),
    remarks: Mapping[str, str] | None = None,
    only: str = "",
    mine: Mapping[str, Any] | None = None,
) -> list[LineRow]:
    """Return the lines of a form as a page of a draft shows them, in the order and groups of the workbook.

    Parameters
    ----------
    issue : FormIssue
    cells : dict
    findings : iterable of LineFinding
    evidence : iterable of Evidence
    remarks : mapping from line to reason, optional
        Of the last return.
    only : str
        Only this line.
    mine : mapping from line to FormEntry, optional
        What the user wrote and somebody else overtook: shown in the fields in place of what is kept.
    """
    told: dict[str, list[LineFinding]] = defaultdict(list)
    for one in findings:
        told[one.line].append(one)
    files: dict[str, list[Any]] = defaultdict(list)
    for file in evidence:
        files[file.line].append(file)
    rows = []
    for line in issue.lines:
        if only and line.id != only:
            continue
        cell = cells.get(line.id)
        entry = (mine or {}).get(line.id) or entry_of(cell)
        rows.append(
            LineRow(
                line=line,
                value=entry.value,
                reason=entry.reason,
                note=entry.note,
                base=base_of(cell),
                others=(cell or {}).get("others", ()),
                findings=told[line.id],
                evidence=files[line.id],
                last=_last(line),
                remark=(remarks or {}).get(line.id, ""),
            )
        )
    return rows


def _last(line: FormLine) -> str:
    if line.last_value is None:
        return ""
    if line.type == "yes_no":
        return "是" if line.last_value else "否"
    return number_text(line.last_value)


@dataclass(frozen=True)
class ReviewRow:
    """A line on the page of a review.

    Attributes
    ----------
    line : FormLine
    state : str
        State of the answer.
    value, last, before : str
        This period, the period before, the submission that it replaces.
    change : str
        Change on the period before, in percent.
    large : bool
        Whether it is more than half.
    reason, note : str
    findings, evidence : sequence
    moved : bool
        Whether it differs from what it replaces.
    """

    line: FormLine
    state: str = "blank"
    value: str = ""
    last: str = ""
    before: str = ""
    change: str = ""
    large: bool = False
    reason: str = ""
    note: str = ""
    row: str = ""
    findings: Sequence[LineFinding] = ()
    evidence: Sequence[Any] = ()
    moved: bool = False


def review_rows(
    submission: Submission, issue: FormIssue, *, against: Submission | None = None, here: House | None = None
) -> list[ReviewRow]:
    """Return what was sent in, line by line, beside the period before and beside what it replaces.

    Of a form with a subject a row there is a row for each answer that is not blank.
    """
    told: dict[str, list[LineFinding]] = defaultdict(list)
    for raw in submission.findings:
        one = LineFinding.model_validate(raw)
        told[one.line].append(one)
    files: dict[str, list[Any]] = defaultdict(list)
    for file in submission.evidence:
        files[file["line"]].append(file)
    terms = (here or house()).catalog.terms["missing_reason"]
    lines = {line.id: line for line in issue.lines}
    old = {} if against is None else {(a["line"], a.get("row", "")): a for a in against.answers}
    found = []
    for answer in submission.answers:
        line = lines.get(answer["line"])
        if line is None or (issue.layout == "rows" and answer["state"] == "blank"):
            continue
        earlier = old.get((answer["line"], answer.get("row", "")))
        change, large = _change(answer.get("value"), line)
        found.append(
            ReviewRow(
                line=line,
                state=answer["state"],
                value=_shown(answer, line, terms),
                last=_last(line),
                before="" if earlier is None else _shown(earlier, line, terms),
                change=change,
                large=large,
                reason=answer.get("reason", ""),
                note=answer.get("note", ""),
                row=answer.get("row", ""),
                findings=told[line.id],
                evidence=files[line.id],
                moved=against is not None and _same(earlier) != _same(answer),
            )
        )
    return found


def _same(answer: Mapping[str, Any] | None) -> tuple[Any, ...]:
    said = answer or {}
    return (said.get("value"), said.get("reason", ""), said.get("text", "") if said.get("value") is None else "")


def _shown(answer: Mapping[str, Any], line: FormLine, terms: Mapping[str, Any]) -> str:
    if answer.get("reason"):
        term = terms.get(answer["reason"])
        return f"〔{word(term) if term is not None else answer['reason']}〕"
    value = answer.get("value")
    if value is None:
        return str(answer.get("text", ""))
    if line.type == "yes_no":
        return "是" if value else "否"
    return number_text(value)


def _change(value: float | None, line: FormLine) -> tuple[str, bool]:
    last = line.last_value
    if value is None or not last or line.type != "number":
        return "", False
    share = (value - last) / abs(last)
    return f"{share * 100:+.1f}%", abs(share) > 0.5


@dataclass(frozen=True)
class ChangedLine:
    """A line that a correction changed.

    Attributes
    ----------
    line : FormLine
    before, after : str
    """

    line: FormLine
    before: str
    after: str


def changed_lines(submission: Submission, issue: FormIssue) -> list[ChangedLine]:
    """Return what a correction changed on what was approved before it."""
    if submission.corrects is None:
        return []
    rows = review_rows(submission, issue, against=submission.corrects)
    return [ChangedLine(row.line, row.before, row.value) for row in rows if row.moved]


@dataclass(frozen=True)
class Publishing:
    """Whether the figures of an approved submission have reached the workspace.

    Attributes
    ----------
    delivered_at : datetime or None
    attempts : int
    error : str
    """

    delivered_at: datetime | None
    attempts: int
    error: str

    @property
    def tone(self) -> str:
        """Class of the state."""
        return "good" if self.delivered_at else "bad" if self.error else "info"

    @property
    def word(self) -> str:
        """The state in words."""
        if self.delivered_at:
            return _("已入库")
        return _("入库失败，系统将再试") if self.error else _("等待入库")


def publishing_of(submissions: Iterable[Submission]) -> dict[int, Publishing]:
    """Return where the publishing of approved submissions stands, by primary key."""
    keys = {f"returns-publish-{one.pk}": one.pk for one in submissions}
    items = OutboxItem.objects.filter(key__in=keys).values_list("key", "delivered_at", "attempts", "error")
    return {keys[key]: Publishing(delivered, attempts, error) for key, delivered, attempts, error in items}


_ACTIONS: Final = {
    "returns.linked": gettext_lazy("指定填报单位"),
    "returns.draft-saved": gettext_lazy("填写"),
    "returns.uploaded": gettext_lazy("上传表格"),
    "returns.submitted": gettext_lazy("提交"),
    "returns.withdrawn": gettext_lazy("撤回"),
    "returns.returned": gettext_lazy("退回"),
    "returns.approved": gettext_lazy("批准"),
    "returns.correcting": gettext_lazy("办理更正"),
    "returns.correction-abandoned": gettext_lazy("放弃更正"),
}


@dataclass(frozen=True)
class Event:
    """Something that was done to a return.

    Attributes
    ----------
    at : datetime
    actor_name, acting_for, action_name, reason : str
    """

    at: datetime
    actor_name: str
    acting_for: str
    action_name: str
    reason: str


def history_of(assignment: Assignment, most: int = 60) -> list[Event]:
    """Return what was done to an assignment and its submissions, the latest first."""
    numbers = [str(pk) for pk in assignment.submissions.values_list("pk", flat=True)]
    own = Q(subject="returns.assignment", subject_id=str(assignment.pk)) | Q(
        subject="returns.submission", subject_id__in=numbers
    )
    rows = AuditEntry.objects.filter(own).order_by("-number")[:most]
    return [
        Event(row.at, row.actor_name, row.acting_for, str(_ACTIONS.get(row.action, row.action)), row.reason)
        for row in rows
    ]


@dataclass
class CoverageRow:
    """A body and place, with its forms by round.

    Attributes
    ----------
    body, place : str
        Names.
    cells : dict from round to Assignment
    days : int
        The longest delay.
    """

    body: str
    place: str
    cells: dict[int, Assignment] = field(default_factory=dict)
    days: int = 0

    def in_order(self, rounds: Sequence[Round]) -> list[Assignment | None]:
        """Return the form of each round."""
        return [self.cells.get(one.pk) for one in rounds]


def coverage(rows: QuerySet[Assignment], today: date) -> list[CoverageRow]:
    """Return bodies × rounds, those that are latest first."""
    found: dict[tuple[str, str], CoverageRow] = {}
    for one in rows.order_by("place", "body", "due"):
        row = found.setdefault((one.body, one.place), CoverageRow(one.body_name, one.place_name))
        row.cells[one.round_id] = one
        if one.state not in (State.APPROVED, State.SEALED, State.SUBMITTED):
            row.days = max(row.days, (today - one.due).days)
    return sorted(found.values(), key=lambda row: -max(row.days, 0))


def chase(rows: QuerySet[Assignment], today: date) -> Any:
    """Return who answered what and what has to be asked for again, by the library.

    What was sent in counts, also where nobody has decided or its figures are not published yet. Made once for a state of the
    forms and the facts.

    Returns
    -------
    dafeng.statistics.answers.Standing
    """
    states = tuple(rows.order_by("pk").values_list("pk", "version"))
    return house().kept(("chase", today, states), lambda setting: _standing(setting, rows, today))


def _standing(setting: Setting, rows: QuerySet[Assignment], today: date) -> Any:
    sheets = FormSheet.objects.filter(pk__in=rows.order_by().values("sheet_id")).order_by("id")
    counting = [SubmissionState.SUBMITTED, SubmissionState.APPROVED]
    sent = Submission.objects.filter(assignment__in=rows.order_by().values("pk"), state__in=counting)
    told = sent.order_by("assignment", "number").values_list("assignment__issue", "answers", "document", "submitted_at")
    issues = [sheet.read() for sheet in sheets]
    return where_returns_stand(setting, as_of=today, issues=issues, waiting=_as_answers(told, today))


def _as_answers(sent: Iterable[tuple[str, list[dict[str, Any]], str, datetime]], today: date) -> pl.DataFrame:
    """Return what was sent in as answers; what was sent in after the day of judgement counts as of that day."""
    end = timezone.make_aware(datetime.combine(today, time.max))
    said = [
        {
            "issue": issue,
            "line": answer["line"],
            "state": answer["state"],
            "document": document,
            "recorded_at": min(at, end).astimezone(UTC),
        }
        for issue, answers, document, at in sent
        for answer in answers
    ]
    return pl.DataFrame(said, schema=ANSWER_SCHEMA)


def due_for(reach: Reach, day: date) -> list[DueItem]:
    """Return what is due for a user, soonest first: forms to fill in, and submissions to review."""
    own = assignments(reach, "returns.fill").filter(state__in=EDITABLE).order_by("due")[:50]
    items = [
        DueItem(
            title=f"{one.title}（{one.place_name}，{Period.parse(one.period).title}）",
            url=reverse("returns:return", args=[one.pk]),
            due=one.due,
            who=one.body_name,
            kind=_("报表"),
        )
        for one in own
    ]
    items += [
        DueItem(
            title=f"{one.assignment.title}（{one.assignment.place_name}）",
            url=reverse("returns:review", args=[one.pk]),
            due=timezone.localdate(one.submitted_at),
            who=one.assignment.body_name,
            kind=_("审核"),
        )
        for one in queue(reach)[:50]
    ]
    return sorted(items, key=lambda item: item.due)
