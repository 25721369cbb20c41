"""What an assessment says: records that reports, web pages and the command line all show."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

from dafeng.base.finding import Finding
from dafeng.base.observation import ObservationKind
from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.base.target import Comparator, Measure
from dafeng.plans import BodyRole, BodyUse

__all__ = [
    "WORST_FIRST",
    "Amount",
    "Assessment",
    "BodySummary",
    "BodyTarget",
    "OtherValue",
    "OutlookUse",
    "Reference",
    "Status",
    "TargetAssessment",
    "ValuePart",
    "ValueUse",
    "Verdict",
]


class Status(StrEnum):
    """Status of a target; Chinese names stand in the vocabulary's group `status`."""

    MET = "met"
    MET_EARLY = "met_early"
    MISSED = "missed"
    ON_TRACK = "on_track"
    AT_RISK = "at_risk"
    OFF_TRACK = "off_track"
    UNPROVEN = "unproven"
    NO_DATA = "no_data"
    HOLDS = "holds"
    BREACHED = "breached"
    UNKNOWN = "unknown"
    DONE = "done"
    OPEN = "open"
    OVERDUE = "overdue"
    DEPENDS_ON_DEFINITION = "depends_on_definition"

    @property
    def fulfilled(self) -> bool:
        """Whether the promise stands fulfilled."""
        return self in (Status.MET, Status.MET_EARLY, Status.HOLDS, Status.DONE)


WORST_FIRST: Final = (
    Status.MISSED,
    Status.BREACHED,
    Status.OVERDUE,
    Status.OFF_TRACK,
    Status.AT_RISK,
    Status.DEPENDS_ON_DEFINITION,
    Status.UNPROVEN,
    Status.UNKNOWN,
    Status.NO_DATA,
    Status.OPEN,
    Status.ON_TRACK,
    Status.HOLDS,
    Status.MET,
    Status.MET_EARLY,
    Status.DONE,
)
"""Statuses from the worst to the best."""


class Amount(Record):
    """A number in two units."""

    value: float
    """In the canonical unit."""
    unit: str
    """Canonical unit."""
    shown_value: float
    """In the unit of the plan, else of the indicator; shares differ by percentage points."""
    shown_unit: str
    """That unit, in Chinese."""


class OtherValue(Record):
    """What another dataset says of the same fact."""

    dataset: str
    """Who says so."""
    value: float
    """Canonical unit."""
    kind: ObservationKind
    """How it came about."""
    published_on: date | None
    """When it was published."""
    lineage: str | None
    """Id into the lineage table."""
    version: str | None
    """Version id in the lake."""


class ValuePart(Record):
    """One value from which a sum or a change was worked out."""

    period: str
    """Canonical period."""
    value: float
    """Canonical unit of the indicator."""
    dataset: str
    """Who says so."""
    lineage: str | None
    """Id into the lineage table."""
    version: str | None
    """Version id in the lake."""


class ValueUse(Record):
    """A value as it was used, with all that is needed to find it again."""

    period: str
    """Canonical period."""
    period_title: str
    """Period in Chinese."""
    value: float
    """Canonical unit."""
    unit: str
    """Canonical unit."""
    shown_value: float
    """In the unit of the plan, else of the indicator."""
    shown_unit: str
    """That unit."""
    place: str
    """Place id."""
    extent: Extent
    """Part of the place."""
    basis: str
    """Basis of reckoning; empty where there is but one."""
    dataset: str
    """Who says so; several, joined by +, where a sum takes from several."""
    kind: ObservationKind
    """How it came about; `demonstration` must be said wherever the value is shown."""
    published_on: date | None
    """When the source published it."""
    lineage: str | None
    """Id into the lineage table; None for a sum or change, whose parts have their own."""
    version: str | None
    """Version id in the lake."""
    coverage: float | None = None
    """Share of what should have been counted that was, where stated; of a sum or change the least of its parts."""
    part_year: bool = False
    """Whether it covers a part of the year only; it never stands for the year."""
    others: tuple[OtherValue, ...] = ()
    """What other datasets say."""
    parts: tuple[ValuePart, ...] = ()
    """For a sum or change: what it was worked out from."""


class OutlookUse(Record):
    """Where the indicator may stand at the deadline, or why nothing is said."""

    year: int
    """Deadline year."""
    expected: float | None = None
    """Median, canonical unit."""
    low: float | None = None
    """Lower end of the interval."""
    high: float | None = None
    """Upper end."""
    level: float | None = None
    """Probability with which the interval holds the value."""
    probability: float | None = None
    """Probability that the target is met."""
    method: str | None = None
    """Method, by its citable name."""
    points: int = 0
    """Number of yearly values of the one dataset that were used."""
    stretched: bool = False
    """Whether the deadline lies further ahead than the values reach back."""
    refused: str | None = None
    """Why no forecast is made, in Chinese."""


class Verdict(Record):
    """The verdict under one reading of the definition."""

    reading: str
    """Name of the reading; empty where the definition is not open."""
    status: Status
    """Status under this reading."""
    reason: str
    """Why, in one Chinese sentence."""
    decided_by: ValueUse | None = None
    """Value on which it rests; for a milestone the evidence."""
    since: int | None = None
    """First year of the unbroken run of values that meet the target."""
    gap: Amount | None = None
    """By how much the deciding value falls short; negative where it is better than asked."""
    pace_needed: Amount | None = None
    """Change a year that leads to the target by the deadline."""
    pace_so_far: Amount | None = None
    """Change a year so far, of the dataset that gave the latest value."""
    outlook: OutlookUse | None = None
    """Outlook at the deadline, while it has not passed."""
    latest: ValueUse | None = None
    """Latest full-year value under this reading; of a yearly target that of its year."""
    part_year: ValueUse | None = None
    """Latest part-year value after it under this reading; never the year."""
    year_outlook: OutlookUse | None = None
    """What the running year as a whole may bring under this reading; an estimate that decides nothing."""


class Reference(Record):
    """A value that is shown but never decides."""

    use: ValueUse
    """The value."""
    why: str
    """Why it does not decide, in Chinese."""


class TargetAssessment(Record):
    """One target, or one year of a yearly target."""

    plan: str
    """Plan id."""
    target: str
    """Target id."""
    year: int | None
    """For a yearly target: the year of the row."""
    place: str
    """Place whose values decide."""
    clause: str
    """Clause number."""
    chapter: str
    """Chapter number."""
    chapter_title: str
    """Chapter title."""
    label: str
    """The plan's short name of the quantity."""
    phrase: str
    """What is promised, in our own phrase."""
    indicator: str
    """Indicator id."""
    value: float | None
    """Value as written."""
    value_max: float | None
    """Upper end as written."""
    unit: str | None
    """Unit as written."""
    canonical_value: float | None
    """Value in the canonical unit; None for a milestone or an unreadable unit."""
    canonical_value_max: float | None
    """Upper end in the canonical unit."""
    canonical_unit: str | None
    """Canonical unit of the values that are compared."""
    comparator: Comparator
    """Comparator as written."""
    deadline: int | None
    """Deadline year."""
    measure: Measure
    """How the target is read."""
    status: Status
    """Status over all readings."""
    reason: str
    """Why, in one Chinese sentence; for an open definition, which reading says what."""
    verdicts: tuple[Verdict, ...]
    """One a reading."""
    latest: ValueUse | None
    """Latest full-year value of the target's own extent, of the first reading that has one."""
    part_year: ValueUse | None
    """Latest part-year value after it, of the same reading; never the year."""
    year_outlook: OutlookUse | None = None
    """What the running year as a whole may bring, in the indicator's canonical unit; an estimate that decides nothing."""
    references: tuple[Reference, ...]
    """Values of another extent, breakdown or place."""
    history: tuple[tuple[str, float], ...]
    """Yearly values of the indicator, canonical unit."""
    bodies: tuple[BodyUse, ...]
    """Who answers for it."""
    soft: bool
    """Vague aim, kept but not counted."""
    pending_grade: bool
    """Whether the indicator's definition is still to be verified (待核)."""
    demonstration: bool = False
    """Whether fictitious values were used."""
    note: str | None = None
    """Remark of the catalog."""


class BodyTarget(Record):
    """A target in the summary of a body."""

    target: str
    """Target id."""
    year: int | None
    """Year of a yearly target."""
    label: str
    """Short name."""
    status: Status
    """Status."""
    role: BodyRole
    """How the body stands in the bracket."""
    soft: bool
    """Not counted."""


class BodySummary(Record):
    """What one body answers for."""

    body: str | None
    """Body id; None where the catalog knows no such body."""
    name: str
    """Full name, as written where unknown."""
    counts: dict[str, int]
    """Targets by status, soft aims left out, a yearly target counted once."""
    leads: int
    """For how many of them it leads or is presumed to."""
    targets: tuple[BodyTarget, ...]
    """Targets, worst first, soft aims included."""


class Assessment(Record):
    """A plan judged by the facts as of a day."""

    plan: str
    """Plan id."""
    title: str
    """Title of the plan."""
    place: str
    """Place that was judged."""
    as_of: date
    """Day of the judgement."""
    catalog: str
    """Digest of the catalog."""
    rows: tuple[TargetAssessment, ...]
    """Rows in document order, soft aims included."""
    by_body: tuple[BodySummary, ...]
    """Summaries in the order in which bodies first appear."""
    counts: dict[str, int]
    """Targets by status, soft aims left out, a yearly target counted once by its worst year."""
    counted: int
    """Number of targets counted."""
    soft: int
    """Number of soft aims left out."""
    demonstration: bool
    """Whether any fictitious value was used: then everything says 演示."""
    findings: tuple[Finding, ...]
    """What was left out or taken with reservation."""

    def of(self, target: str) -> tuple[TargetAssessment, ...]:
        """Return the rows of a target, by year where it is yearly."""
        return tuple(row for row in self.rows if row.target == target)

    def worst_first(self) -> tuple[TargetAssessment, ...]:
        """Return the rows from the worst status to the best, in document order within one status."""
        return tuple(sorted(self.rows, key=lambda row: WORST_FIRST.index(row.status)))
