"""The typed shapes of a work plan: chapters, tasks, targets, obligations and the promised peak."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from dafeng.base.obligation import Obligation
from dafeng.base.record import Record
from dafeng.base.target import Locator, Target
from dafeng.catalog.schemas import Title

__all__ = ["Chapter", "OtherNumber", "Peak", "Plan", "PlanDocument", "Task"]


class Chapter(Record):
    """A heading of a plan above its tasks."""

    number: str
    """Heading number as written."""
    title: str
    """Heading."""
    at: Locator
    """Where it stands."""


class Task(Record):
    """A lowest numbered heading of a plan with the bodies that answer for it."""

    number: str
    """Clause number as written."""
    title: str
    """Heading."""
    at: Locator
    """Where it stands."""
    bodies: tuple[str, ...] = ()
    """Responsible bodies as written, in order."""


class PlanDocument(Record):
    """The document that a plan file describes."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of the document's bytes."""
    number: str | None = None
    """Document number."""
    issued_on: date | None = None
    """Date of the document."""
    issuers: tuple[str, ...] = ()
    """Issuing bodies as written."""
    reference: str | None = None
    """Source id."""
    file: str | None = None
    """File name of the document where the package ships it."""
    named: str | None = None
    """File name under which the document was read; the workspace keeps it under its digest."""


class Peak(Record):
    """The peak that a plan promises, for the boundary that it names."""

    boundary: str
    """Code of the vocabulary's group boundary."""
    by: int
    """By the end of this year."""
    at: Locator
    """Where the plan says it."""
    clause: str
    """Clause number."""
    note: str | None = None
    """Remark."""


class OtherNumber(Record):
    """A number of the document that is no promise, and why."""

    at: Locator
    """Where it stands."""
    reason: str
    """Named reason."""


class Plan(Record):
    """A work plan: what it promises, obliges and tasks, with clause and place in the document; none of its sentences."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    title: Title
    """Title."""
    place: str
    """Place that it plans for."""
    document: PlanDocument
    """The document."""
    period: str | None = None
    """Plan period, canonical text."""
    peak: Peak | None = None
    """The promised peak."""
    chapters: tuple[Chapter, ...] = ()
    """Headings above the tasks."""
    tasks: tuple[Task, ...] = ()
    """Tasks in document order."""
    targets: tuple[Target, ...] = ()
    """Targets in document order."""
    obligations: tuple[Obligation, ...] = ()
    """Obligations on single projects."""
    other_numbers: tuple[OtherNumber, ...] = ()
    """Numbers that are no promise."""
    note: str | None = None
    """Remark."""

    def bodies_of(self, target: Target) -> tuple[str, ...]:
        """Return the bodies that answer for a target, as written: its own, else those of the task of its clause."""
        if target.bodies is not None:
            return target.bodies
        return next((task.bodies for task in self.tasks if task.number == target.clause), ())

    def chapter_of(self, clause: str) -> Chapter | None:
        """Return the chapter of a clause number: the longest heading number with which it begins."""
        fitting = [chapter for chapter in self.chapters if clause.startswith(chapter.number)]
        return max(fitting, key=lambda chapter: len(chapter.number), default=None)
