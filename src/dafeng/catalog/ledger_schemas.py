"""The typed shapes of ledgers: registers, links of records, roll-ups to indicators, rulebooks of standards, ratings."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.obligation import Rule
from dafeng.base.observation import ObservationKind
from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "Aggregate",
    "LinkKind",
    "Rating",
    "RatingGate",
    "RatingGrade",
    "RatingItem",
    "RecordLink",
    "Register",
    "RegisterCheck",
    "RegisterField",
    "Rollup",
    "RollupSpan",
    "Rulebook",
]

_ID = r"^[a-z][a-z0-9_]*$"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class RegisterField(Record):
    """A column of a register: a field of the vocabulary with what this register asks of it."""

    field: str
    """Field id of the vocabulary."""
    required: bool = False
    """Whether a row without it is refused."""
    heads: tuple[str, ...] = ()
    """Further column heads under which books in use give it."""
    unit: str | None = None
    """Unit in which the book asks for it, the field's own where None."""
    group: str | None = None
    """Group heading over the columns of the book."""
    promise: bool = False
    """Whether a value of an earlier stage is a promise with which later stages are compared."""


class RegisterCheck(Record):
    """What must hold between the fields of one row; unknown inputs give no finding."""

    id: str = Field(pattern=_SLUG)
    """Stable name within the register; findings are named `ledger.<register>.<id>`."""
    require: str
    """Expression that holds for a sound row."""
    sentence: str
    """What is wrong where it does not, in Chinese."""
    fields: tuple[str, ...]
    """Fields at whose cells the finding points, the most suspect first."""
    severity: str = Field(default="warning", pattern=r"^(error|warning|info)$")
    """An error refuses the row."""
    next_step: str = ""
    """What to ask the reporter."""


class Register(Record):
    """A ledger (台账) as a description: whose rows, which columns, what must hold."""

    id: str = Field(pattern=_ID)
    """Unique id."""
    title: Title
    """Name of the ledger."""
    subject: str = Field(
        pattern=r"^(project|building|neighbourhood|zone|institution|equipment|demolition|document|facility)$"
    )
    """What a row is about: rows of one subject with equal identity are the same thing, in whichever register."""
    identity: tuple[str, ...]
    """Fields that identify the thing (project_code); the first that is filled decides."""
    name_field: str
    """Field with the name in words, for matching things without a common key."""
    place_field: str = "place"
    """Field with the place of the thing."""
    per_stage: bool = False
    """Whether a thing has one row for each stage (field `stage`), promised and built side by side."""
    fields: tuple[RegisterField, ...]
    """Columns in order."""
    checks: tuple[RegisterCheck, ...] = ()
    """What must hold in a row."""
    keeper: str = ""
    """Which department usually keeps it, in Chinese."""
    source: str
    """Source id of the layout."""
    grade: Grade
    """How sure the layout is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class LinkKind(StrEnum):
    """How records of one thing under several keys hang together."""

    SAME = "same"
    """Two keys of one thing; the present key counts."""
    RENAMED = "renamed"
    """The thing has a new key or name."""
    MOVED = "moved"
    """The thing changed its place (transfer of a district)."""
    SPLIT = "split"
    """One thing became several: from `on` the former no longer counts, the present ones do."""
    MERGED = "merged"
    """Several things became one."""
    DIFFERENT = "different"
    """Looked at and found to be different things, so that they are not proposed again."""


class RecordLink(Record):
    """A person's decision about the keys of things in ledgers; kept in the workspace's catalog."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    subject: str
    """Subject of the registers concerned."""
    kind: LinkKind
    """How the records hang together."""
    former: tuple[str, ...]
    """Keys that no longer count, or the first of two things that differ."""
    present: tuple[str, ...]
    """Keys that count, or the second of two things that differ."""
    on: date | None = None
    """Day of the change; None where the keys were always one thing."""
    by: str
    """Who decided."""
    decided_on: date
    """When."""
    reason: str
    """Why."""


class Aggregate(StrEnum):
    """How the values of many things become one."""

    SUM = "sum"
    COUNT = "count"
    MEAN = "mean"
    """Mean weighted by `weight`."""
    ALL = "all"
    """Whether `value`, a condition, holds for every thing: 1 or 0; unknown where one is unknown and none fails."""
    SHARE = "share"
    """Share of the weight for which `value`, a condition, holds, in percent."""


class RollupSpan(StrEnum):
    """Which things count for a year."""

    YEAR = "year"
    """Those whose statistic date lies in the year."""
    SINCE = "since"
    """Those whose statistic date lies in or before the year, from `since` on: a running total."""
    STANDING = "standing"
    """Those that exist at the end of the year: statistic date in or before it, `until` field after it or empty."""


class Rollup(Record):
    """How an indicator is counted from ledgers.

    Examples
    --------
    >>> Rollup(id="prefabricated_area", indicator="prefabricated_area", registers=("projects",), aggregate="sum",
    ...        value="above_ground_area", when='work == "new" and prefabricated', dated="start_date", span="year",
    ...        source="S1", grade="B", checked_on=date(2026, 11, 20)).span
    <RollupSpan.YEAR: 'year'>
    """

    id: str = Field(pattern=_ID)
    """Unique id."""
    indicator: str
    """Indicator whose observations it yields."""
    registers: tuple[str, ...]
    """Registers that feed it, the most trusted first; a thing in several counts once, by the first that knows it."""
    aggregate: Aggregate
    """How values become one."""
    value: str | None = None
    """Expression of what is added or averaged, or the condition of `all` and `share`; None for a count."""
    weight: str | None = None
    """Expression of the weight of a mean or share."""
    when: str | None = None
    """Condition on the thing; those for which it is unknown lower the coverage."""
    dated: str
    """Field with the statistic date (开工、竣工、认定) that decides the year; a field of a year serves too."""
    span: RollupSpan
    """Which things count for a year."""
    since: int | None = None
    """First year that counts for `since`; the whole ledger where None."""
    until: str | None = None
    """For `standing`: field with the date at which the thing ceased."""
    breakdowns: dict[str, str] = Field(default_factory=dict)
    """Breakdown column to expression field: building_class: building_class."""
    codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Breakdown column to {option of the field: code of the vocabulary}; the option itself where not listed."""
    extent: str | None = None
    """Extent of the observations, the indicator's own where None."""
    basis: str = ""
    """Basis of the observations."""
    kind: ObservationKind = ObservationKind.COMPUTED
    """Kind of the observations."""
    source: str
    """Source id of the counting rule."""
    at: str | None = None
    """Clause or table in the source."""
    grade: Grade
    """How sure the counting rule is."""
    note: str | None = None
    """Remark, shown in the report."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.value is None) != (self.aggregate is Aggregate.COUNT):
            raise ValueError("a count has no value, every other aggregate has one")
        if (self.weight is None) == (self.aggregate in (Aggregate.MEAN, Aggregate.SHARE)):
            raise ValueError("a mean and a share have a weight, no other aggregate has")
        if self.since is not None and self.span is not RollupSpan.SINCE:
            raise ValueError("only a running total has a first year")
        if self.until is not None and self.span is not RollupSpan.STANDING:
            raise ValueError("only a standing count has an end")
        return self


class Rulebook(Record):
    """The checkable clauses of a standard, as rules on projects."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name of the standard."""
    place: str
    """Place in which it holds."""
    source: str
    """Source id."""
    valid_from: date
    """First day on which it holds."""
    valid_to: date | None = None
    """First day on which it no longer holds."""
    date_field: str = "design_review_date"
    """Field whose date decides whether it holds for a project."""
    rules: tuple[Rule, ...]
    """Its clauses."""
    grade: Grade
    """How sure its figures are; B and C are shown as 待核."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class RatingItem(Record):
    """A scored item of a rating."""

    id: str = Field(pattern=_ID)
    """Unique within the rating."""
    title: Title
    """Name of the item."""
    group: str
    """Group of items to which it belongs."""
    full: float
    """Most points that it can give."""
    score: str
    """Expression over project fields and names of the rating that yields the points."""
    clause: str | None = None
    """Clause or table in the standard."""
    grade: Grade | None = None
    """How sure it is, where it differs from the rating's."""
    note: str | None = None
    """Remark."""


class RatingGate(Record):
    """A condition without which no grade is given, or no higher one."""

    id: str = Field(pattern=_ID)
    """Unique within the rating."""
    title: Title
    """Name of the condition."""
    require: str
    """Expression over project fields, items and groups."""
    grades: tuple[str, ...] = ()
    """Grades for which it is asked; all where empty."""
    clause: str | None = None
    """Clause or table in the standard."""
    note: str | None = None
    """Remark."""


class RatingGrade(Record):
    """A grade of a rating."""

    code: str
    """Code, as the project field's value where it is one."""
    title: Title
    """Name of the grade."""
    require: str
    """Expression that the grade asks for, over `total`, groups and items."""


class Rating(Record):
    """A rating standard: items, gates, total and grades.

    Expressions may name project fields, item ids, group ids (sum of their items) and `total`.
    """

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name of the standard."""
    applies: str | None = None
    """Condition on the project; the rating is refused for others."""
    items: tuple[RatingItem, ...] = ()
    """Scored items."""
    gates: tuple[RatingGate, ...] = ()
    """Conditions beside the score."""
    total: str | None = None
    """Expression of the total score or of the rated quantity."""
    total_unit: str = "ratio"
    """Unit of the total."""
    grades: tuple[RatingGrade, ...]
    """From the lowest to the highest."""
    parameters: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Named numbers by key (climate zone, building type): expressions name them, the field that chooses is `<name>_by`."""
    parameters_by: dict[str, str] = Field(default_factory=dict)
    """Parameter to the project field whose option chooses its value."""
    source: str
    """Source id."""
    certainty: Grade
    """How sure the figures are; B and C are shown as 待核."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""
