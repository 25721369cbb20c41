"""The responsibility list (责任分工表) of a plan: one row a promise, with body, value, year and kind of deadline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from pydantic import Field

from dafeng.base.finding import Finding
from dafeng.base.record import Record
from dafeng.base.target import Locator, Measure
from dafeng.catalog.catalog import Catalog
from dafeng.catalog.plan_schemas import Plan
from dafeng.catalog.schemas import BodyKind
from dafeng.plans.bodies import BodyRole, BodyUse, resolve_bodies
from dafeng.plans.phrases import (
    Deadline,
    DeadlineKind,
    deadline_of,
    deadline_of_obligation,
    obligation_phrase,
    target_phrase,
    value_phrase,
)

__all__ = ["AliasUse", "ResponsibilityList", "ResponsibilityRow", "responsibility_list"]

_PRESUMED: Final = "牵头单位按括号内首位推定，待确认"


class ResponsibilityRow(Record):
    """One promise, or a task that holds none."""

    number: int
    """Serial number, from 1."""
    clause: str
    """Clause number as the plan writes it."""
    chapter: str
    """Number of the chapter."""
    chapter_title: str
    """Title of the chapter."""
    task: str
    """Key task (重点任务): title of the task, or of the chapter where the promise stands above all tasks."""
    content: str
    """Main content (主要内容), a phrase of our own."""
    value: str
    """Value and year (目标值及年份); empty where none."""
    lead: BodyUse | None
    """Leading body, presumed where the plan names several without a lead."""
    responsible: tuple[BodyUse, ...]
    """Further responsible bodies, in the plan's order."""
    supporting: tuple[BodyUse, ...] = ()
    """Supporting bodies (配合单位): empty until a clerk names them, for plans do not tell them apart."""
    deadline: Deadline
    """When it is due."""
    note: str
    """Remarks."""
    target: str | None = None
    """Target id."""
    obligation: str | None = None
    """Obligation id."""
    soft: bool = False
    """Vague aim, kept but not counted."""
    at: Locator
    """Where the plan says it."""

    @property
    def bodies(self) -> tuple[BodyUse, ...]:
        """Every body of the row, the lead first."""
        return (*(() if self.lead is None else (self.lead,)), *self.responsible, *self.supporting)


class AliasUse(Record):
    """A name used by the plan and the body that it stands for: one row of the second table."""

    as_written: str
    """Name as the plan writes it."""
    body: str | None
    """Body id; None where unknown."""
    name: str
    """Full official name."""
    kind: BodyKind | None
    """Sort of the body."""
    expands: str | None
    """For a collective body: what it stands for."""
    successor: str | None
    """Body that took over."""
    rows: int
    """In how many rows it stands."""


class ResponsibilityList(Record):
    """The list with its table of names."""

    plan: str
    """Plan id."""
    title: str
    """Title of the plan."""
    rows: tuple[ResponsibilityRow, ...]
    """Rows in document order."""
    aliases: tuple[AliasUse, ...]
    """Names in the order in which they first appear."""
    findings: tuple[Finding, ...] = Field(default=())
    """Names that no body answers to."""

    def by_clause(self) -> dict[str, tuple[ResponsibilityRow, ...]]:
        """Return the rows of each clause."""
        return _grouped((row.clause, row) for row in self.rows)

    def by_body(self) -> dict[str, tuple[ResponsibilityRow, ...]]:
        """Return the rows of each body, by body id, by the written name where the body is unknown."""
        return _grouped((body.id or body.as_written, row) for row in self.rows for body in row.bodies)

    def by_deadline(self) -> dict[str, tuple[ResponsibilityRow, ...]]:
        """Return the rows of each deadline: dates from the earliest, then yearly, permanent and none."""
        order = list(DeadlineKind)

        def rank(row: ResponsibilityRow) -> tuple[bool, int, int]:
            dated = row.deadline.kind in (DeadlineKind.DATE, DeadlineKind.MILESTONE_YEAR)
            return (not dated, (row.deadline.year or 0) if dated else 0, order.index(row.deadline.kind))

        return _grouped((row.deadline.text, row) for row in sorted(self.rows, key=rank))

    def by_status(self, statuses: Mapping[str, str]) -> dict[str, tuple[ResponsibilityRow, ...]]:
        """Return the rows of each status, given the status of every target by its id; others stand under ``""``."""
        return _grouped((statuses.get(row.target or "", ""), row) for row in self.rows)


def _grouped(pairs: Iterable[tuple[str, ResponsibilityRow]]) -> dict[str, tuple[ResponsibilityRow, ...]]:
    groups: dict[str, list[ResponsibilityRow]] = defaultdict(list)
    for name, row in pairs:
        groups[name].append(row)
    return {name: tuple(rows) for name, rows in groups.items()}


class _Promise(NamedTuple):
    """What a row is made of, before its bodies are known."""

    at: Locator
    clause: str
    content: str
    value: str
    deadline: Deadline
    bodies: tuple[str, ...]
    note: str | None
    target: str | None
    obligation: str | None
    soft: bool


def _promises(plan: Plan) -> list[_Promise]:
    bodies_of_clause = {task.number: task.bodies for task in plan.tasks}
    found = [
        _Promise(
            at=target.at,
            clause=target.clause,
            content=target_phrase(target),
            value=_value_and_year(value_phrase(target), target.by, target.measure),
            deadline=deadline_of(target),
            bodies=plan.bodies_of(target),
            note=target.note,
            target=target.id,
            obligation=None,
            soft=target.soft,
        )
        for target in plan.targets
    ]
    found += [
        _Promise(
            at=obligation.at,
            clause=obligation.clause,
            content=obligation_phrase(obligation),
            value="",
            deadline=deadline_of_obligation(obligation),
            bodies=bodies_of_clause.get(obligation.clause, ()),
            note=obligation.note,
            target=None,
            obligation=obligation.id,
            soft=obligation.soft,
        )
        for obligation in plan.obligations
    ]
    promised = {promise.clause for promise in found}
    found += [
        _Promise(
            at=task.at,
            clause=task.number,
            content=task.title,
            value="",
            deadline=Deadline(kind=DeadlineKind.NONE, text="未写明"),
            bodies=task.bodies,
            note="本款无量化目标",
            target=None,
            obligation=None,
            soft=False,
        )
        for task in plan.tasks
        if task.number not in promised
    ]
    return sorted(found, key=lambda promise: (promise.at.start, promise.at.end))


def _value_and_year(value: str, by: int | None, measure: Measure) -> str:
    if measure is Measure.MILESTONE:
        return "完成" if by is None else f"完成（{by}年）"
    return value if by is None else f"{value}（{by}年）"


def responsibility_list(plan: Plan, catalog: Catalog) -> ResponsibilityList:
    """Return the responsibility list of a plan.

    Parameters
    ----------
    plan : Plan
    catalog : Catalog

    Returns
    -------
    ResponsibilityList
        A row for every target and obligation in document order, and one for every task that holds neither. The first of
        several bodies is presumed to lead, and the row says so.

    Examples
    --------
    >>> from dafeng.catalog import load_catalog
    >>> catalog = load_catalog()
    >>> row = next(row for row in responsibility_list(catalog.plan("qingdao-2024"), catalog).rows if row.target == "rail-2025")
    >>> row.task, row.value, row.lead.name, row.lead.role.value, row.deadline.text
    ('构建绿色发展空间格局', '不低于351.6公里（2025年）', '青岛市自然资源和规划局', 'lead_presumed', '2025年底前')
    """
    titles = {task.number: task.title for task in plan.tasks}
    rows: list[ResponsibilityRow] = []
    findings: dict[str, Finding] = {}
    uses: dict[str, list[BodyUse]] = defaultdict(list)
    for number, promise in enumerate(_promises(plan), start=1):
        bodies, unknown = resolve_bodies(promise.bodies, plan.place, catalog)
        findings |= {finding.value: finding for finding in unknown}
        for body in bodies:
            uses[body.as_written].append(body)
        chapter = plan.chapter_of(promise.clause)
        notes = [promise.note or ""]
        if bodies and bodies[0].role is BodyRole.LEAD_PRESUMED:
            notes.append(_PRESUMED)
        notes += [f"{body.as_written}职责已由{body.successor}承接" for body in bodies if body.successor]
        if not bodies:
            notes.append("方案未写责任单位")
        if promise.soft:
            notes.append("软性要求，不计入合计")
        rows.append(
            ResponsibilityRow(
                number=number,
                clause=promise.clause,
                chapter="" if chapter is None else chapter.number,
                chapter_title="" if chapter is None else chapter.title,
                task=titles.get(promise.clause, "" if chapter is None else chapter.title),
                content=promise.content,
                value=promise.value,
                lead=bodies[0] if bodies else None,
                responsible=bodies[1:],
                deadline=promise.deadline,
                note="；".join(note for note in notes if note),
                target=promise.target,
                obligation=promise.obligation,
                soft=promise.soft,
                at=promise.at,
            )
        )
    aliases = tuple(
        AliasUse(
            as_written=text,
            body=found[0].id,
            name=found[0].name,
            kind=found[0].kind,
            expands=found[0].expands,
            successor=found[0].successor,
            rows=len(found),
        )
        for text, found in uses.items()
    )
    return ResponsibilityList(
        plan=plan.id, title=plan.title.zh, rows=tuple(rows), aliases=aliases, findings=tuple(findings.values())
    )
