"""What a drafted plan consists of: chapters, tasks, slots for targets, duties by reference, and what was left out with why."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from dafeng.base.finding import Finding
from dafeng.base.obligation import Obligation
from dafeng.base.record import Record
from dafeng.base.target import Base, Change, Comparator, Measure
from dafeng.plans.lower_bodies import BodyMove

__all__ = [
    "DraftChapter",
    "DraftObligation",
    "DraftTarget",
    "DraftTask",
    "Lacking",
    "LeftOut",
    "PlanDraft",
    "SlotKind",
]


class SlotKind(StrEnum):
    """Where the value of a drafted target stands."""

    CARRIED = "carried"
    ALLOCATED = "allocated"
    OPEN = "open"
    EVENT = "event"


class Lacking(StrEnum):
    """What a place may be without, so that targets about it do not concern it."""

    COUNTY_SEAT = "county_seat"
    RURAL = "rural"


class DraftChapter(Record):
    """A chapter of the draft."""

    number: str
    """一、二、三 …"""
    title: str
    """Heading."""
    parent: str | None
    """Number of the parent's chapter; None for the chapter of goals."""


class DraftTask(Record):
    """A task of the draft."""

    number: str
    """Path of headings: 二（一）."""
    title: str
    """Heading, words of the parent's level replaced."""
    bodies: tuple[str, ...]
    """Responsible bodies of the own level."""
    parent: str
    """Clause of the parent."""


class DraftTarget(Record):
    """A slot of the draft: what the parent promises, with the value that the own plan would state."""

    id: str
    """The id of the parent's target."""
    clause: str
    """Clause of the draft; the number of the chapter of goals for targets above all tasks."""
    label: str
    """Name of the quantity."""
    indicator: str
    """Indicator id."""
    comparator: Comparator
    """As the parent writes it."""
    value: float | None = None
    """Value in `unit`; None where it is still to be divided, and for events."""
    value_max: float | None = None
    """Upper end of a range."""
    unit: str | None = None
    """Unit as the parent writes it."""
    by: int | None = None
    """Deadline."""
    measure: Measure
    """How it is to be read."""
    base: Base | None = None
    """What a change is measured from."""
    change: Change | None = None
    """Sense of a change."""
    start: int | None = None
    """First year that counts."""
    scope: str | None = None
    """Part of the whole that is meant."""
    yearly: str | None = None
    """For a duty of every year: when (每年10月底前)."""
    bodies: tuple[str, ...] = ()
    """Responsible bodies of the own level."""
    soft: bool = False
    """A vague aim or a duty to report."""
    slot: SlotKind
    """Whether the value is the parent's, was given, or is still to be divided."""
    parent_clause: str
    """Clause of the parent."""
    parent_phrase: str
    """What the parent promises, in a phrase of our own."""
    parent_value: float | None = None
    """The parent's value, in `unit`."""
    note: str = ""
    """What the drafter should look at."""


class DraftObligation(Record):
    """A duty of the parent plan on single projects; it binds without being repeated, so that it is taken over by reference."""

    clause: str
    """Clause of the draft."""
    parent_clause: str
    """Clause of the parent."""
    phrase: str
    """What is asked, with how strictly."""
    obligation: Obligation
    """The duty as the parent's plan holds it."""


class LeftOut(Record):
    """Something of the parent that the draft does not take over."""

    kind: str
    """target, task or obligation."""
    id: str
    """Target or obligation id, clause of a task."""
    clause: str
    """Clause of the parent."""
    phrase: str
    """What it says, in a phrase of our own."""
    name: str
    """Stable name of the reason: level, place, county_seat, rural, other_places, past."""
    reason: str
    """The reason in Chinese."""


class PlanDraft(Record):
    """A draft of a plan below a parent."""

    parent: str
    """Plan id of the parent."""
    parent_title: str
    """Title of the parent."""
    parent_number: str | None
    """Document number of the parent."""
    place: str
    """Place id."""
    place_name: str
    """Name of the place."""
    title: str
    """Title of the draft."""
    as_of: date
    """Day of the draft."""
    chapters: tuple[DraftChapter, ...]
    """Chapters in order, that of goals first."""
    tasks: tuple[DraftTask, ...]
    """Tasks in order."""
    targets: tuple[DraftTarget, ...]
    """Targets in the order of their clauses."""
    obligations: tuple[DraftObligation, ...]
    """Duties on single projects, by reference."""
    bodies: tuple[BodyMove, ...]
    """Every body of the parent with what stands for it."""
    left_out: tuple[LeftOut, ...]
    """What is not taken over, with why."""
    findings: tuple[Finding, ...]
    """What the drafter should look at."""

    def of(self, clause: str) -> tuple[DraftTarget, ...]:
        """Return the targets of a clause."""
        return tuple(target for target in self.targets if target.clause == clause)

    @property
    def open(self) -> tuple[DraftTarget, ...]:
        """Targets whose value is still to be divided."""
        return tuple(target for target in self.targets if target.slot is SlotKind.OPEN)
