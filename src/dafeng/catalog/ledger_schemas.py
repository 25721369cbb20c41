"""The typed shapes of ledgers: registers, links of records, roll-ups to indicators, rulebooks of standards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.errors import ExpressionError
from dafeng.base.obligation import Rule, Stage
from dafeng.base.observation import ObservationKind
from dafeng.base.record import Record
from dafeng.base.target import Direction
from dafeng.catalog.expression import expression_names
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "Aggregate",
    "LinkKind",
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
    better: Direction | None = None
    """Which way a built number, date or answer may differ from the promised one without being worse."""


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
        pattern=r"^(project|building|neighbourhood|community|village|zone|institution|equipment|demolition|document|facility|meter)$"
    )
    """What a row is about: rows of one subject with equal identity are the same thing, in whichever register."""
    identity: tuple[str, ...]
    """Fields that identify the thing (project_code); the first that is filled decides."""
    name_field: str
    """Field with the name in words, for matching things without a common key."""
    place_field: str = "place"
    """Field with the place of the thing."""
    zone_field: str | None = None
    """Field with the functional zone in which the thing lies besides; it must overlap the place."""
    per_stage: bool = False
    """Whether a thing has one row for each stage (field `stage`), promised and built side by side."""
    fields: tuple[RegisterField, ...]
    """Columns in order."""
    checks: tuple[RegisterCheck, ...] = ()
    """What must hold in a row."""
    checks_of: str | None = None
    """Register whose checks hold here too, as far as this one has their fields; a loaded catalog has them in `checks`."""
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

    def with_shared_checks(self, registers: Mapping[str, Register]) -> Register:
        """Return the register with the checks of the one named in `checks_of` for which it has all fields.

        A check of its own takes the place of a shared one with the same id.
        """
        shared = registers.get(self.checks_of or "")
        if shared is None:
            return self
        columns = {column.field for column in self.fields}
        own = {check.id for check in self.checks}
        fitting = tuple(
            check for check in shared.checks if check.id not in own and columns.issuperset(_names_of(check))
        )
        return self.model_copy(update={"checks": (*self.checks, *fitting)})


def _names_of(check: RegisterCheck) -> set[str]:
    """Return the fields that a check needs; an expression that cannot be read needs what no register has."""
    try:
        return {*expression_names(check.require), *check.fields}
    except ExpressionError:
        return {check.require}


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
    MAX = "max"
    """The largest value: for limits that hold for each thing."""
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
    due: Stage | None = None
    """Stage from which on that date must be known, where it is not that of the field; before it a blank says: not yet."""
    span: RollupSpan
    """Which things count for a year."""
    since: int | None = None
    """First year that counts for `since`; the whole ledger where None."""
    done: str | None = None
    """For `all` and `share`: field with the date from which the condition holds; before it, it does not hold yet."""
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

    @property
    def dataset(self) -> str:
        """Dataset of the observations: ``ledger-`` and the most trusted register."""
        return f"ledger-{self.registers[0]}"

    @property
    def open_ended(self) -> bool:
        """Whether it is a running total of what the ledger holds: what came before the first row is not in it."""
        return (
            self.span is RollupSpan.SINCE and self.since is None and self.aggregate in (Aggregate.SUM, Aggregate.COUNT)
        )

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
        if self.done is not None and self.aggregate not in (Aggregate.ALL, Aggregate.SHARE):
            raise ValueError("only a condition (all, share) has a day from which it holds")
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
