"""The typed shapes of catalog content; from them come checks, JSON Schema and the reference pages."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.obligation import Stage
from dafeng.base.observation import ObservationKind
from dafeng.base.period import PeriodKind
from dafeng.base.place import Extent, PlaceLevel
from dafeng.base.record import Record
from dafeng.base.target import Direction

__all__ = [
    "Adapter",
    "AdapterColumn",
    "AdapterDimension",
    "AdapterMatch",
    "AdapterPlace",
    "Body",
    "BodyKind",
    "Choice",
    "Grade",
    "HeatingSeason",
    "Indicator",
    "IndicatorMeasure",
    "OverPeriods",
    "OverPlaces",
    "ProjectField",
    "Quarantine",
    "Source",
    "Term",
    "Title",
]


class Grade(StrEnum):
    """How sure a value is: A found in the source, B well known but not seen there, C unsure; B and C are marked 待核; D a proposal."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class Title(Record):
    """A title in both languages."""

    zh: str
    """Chinese."""
    en: str
    """English."""


class Source(Record):
    """A publication that content cites."""

    id: str = Field(pattern=r"^[A-Za-z0-9]+([-_.][A-Za-z0-9]+)*$")
    """Unique id."""
    title: str
    """Title as published."""
    number: str | None = None
    """Document or standard number."""
    issuer: str | None = None
    """Who published it."""
    published_on: date | None = None
    """Day of publication."""
    kind: str
    """plan, standard, yearbook, notice, dataset, paper, convention, form."""
    address: str | None = None
    """Where it is found."""
    grade: Grade = Grade.A
    """How sure what is cited from it is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day on which it was last looked at."""


class Term(Record):
    """A word of the vocabulary: one code, one Chinese and one English name."""

    code: str
    """Code used in data."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    group: str
    """extent, status, building_class …"""
    parent: str | None = None
    """Wider term of the same group."""
    note: str | None = None
    """Remark."""


class Choice(Record):
    """One option of a project field."""

    code: str
    """Code used in expressions."""
    zh: str
    """Chinese name."""
    aliases: tuple[str, ...] = ()
    """Other words for it in ledgers in use."""


class ProjectField(Record):
    """A field of a project that obligations may name in their expressions."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name in expressions."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    type: str = Field(pattern=r"^(text|number|yes_no|date|choice)$")
    """text, number, yes_no, date or choice."""
    unit: str | None = None
    """Canonical unit of a number."""
    options: tuple[Choice, ...] = ()
    """Options of a choice."""
    stage: Stage | None = None
    """For a date: stage of a project from which on it must be known; before it a blank says that it has not come to that yet."""
    note: str | None = None
    """Remark."""


class BodyKind(StrEnum):
    """Sort of a responsible body."""

    DEPARTMENT = "department"
    INSTITUTION = "institution"
    ENTERPRISE = "enterprise"
    GOVERNMENT = "government"
    COLLECTIVE = "collective"


class Body(Record):
    """A body that plans make responsible."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    name: str
    """Full official name."""
    place: str
    """Place whose body it is."""
    kind: BodyKind
    """Sort."""
    aliases: tuple[str, ...] = ()
    """Names under which plans of that place know it."""
    expands: str | None = Field(default=None, pattern=r"^(divisions|zones|departments|all)$")
    """For a collective body: what it stands for."""
    successor: str | None = None
    """Body that took over its duties."""
    valid_to: date | None = None
    """First day on which it no longer existed."""
    source: str = ""
    """Source id."""
    grade: Grade | None = None
    """Grade where it differs from the source's."""
    note: str | None = None
    """Remark."""
    checked_on: date | None = None
    """Day last confirmed."""


class IndicatorMeasure(StrEnum):
    """What sort of quantity an indicator is."""

    STOCK = "stock"
    FLOW = "flow"
    SHARE = "share"
    INTENSITY = "intensity"
    STATE = "state"
    CHANGE = "change"


class OverPlaces(StrEnum):
    """How an indicator adds up over places."""

    SUM = "sum"
    RATIO = "ratio"
    WEIGHTED = "weighted"
    NONE = "none"


class OverPeriods(StrEnum):
    """How an indicator adds up over periods."""

    SUM = "sum"
    LAST = "last"
    MEAN = "mean"
    NONE = "none"


class Indicator(Record):
    """A quantity that can be observed, with everything needed to read, check, add up and judge its values."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name in data and expressions."""
    zh: str
    """Chinese name."""
    en: str
    """English name."""
    theme: str
    """Code of the vocabulary's group theme."""
    definition: str
    """What it means, in dafeng's own words."""
    unit: str
    """Canonical unit."""
    shown_unit: str
    """Unit in which reports show it."""
    direction: Direction
    """The better way."""
    measure: IndicatorMeasure
    """Sort of quantity."""
    minimum: float | None = None
    """Hard lower bound, canonical unit."""
    maximum: float | None = None
    """Hard upper bound, canonical unit."""
    usual: tuple[float, float] | None = None
    """Range outside of which a value deserves a second look."""
    extent: Extent
    """Extent that the definition means."""
    breakdowns: tuple[str, ...] = ()
    """Breakdown columns it may carry."""
    adds_up: tuple[str, ...] = ()
    """Breakdown columns whose parts sum to the total."""
    places: OverPlaces
    """How it adds up over places."""
    numerator: str | None = None
    """For a ratio: indicator of its upper part."""
    denominator: str | None = None
    """For a ratio: indicator of its lower part."""
    weight: str | None = None
    """For a weighted mean: indicator of the weights."""
    periods: OverPeriods
    """How it adds up over the periods of a year."""
    bases: tuple[str, ...] = ()
    """Bases of reckoning that are in use; values must name one."""
    judged_basis: str | None = None
    """Basis by which plans that name none are judged, where that is the planning convention; the others are shown beside."""
    formula: str | None = None
    """Expression over other indicators; where inputs have bases, it is run for each of them."""
    formulas: dict[str, str] = Field(default_factory=dict)
    """Expression by basis, where the bases are reckoned differently; in place of `formula`."""
    formula_periods: tuple[PeriodKind, ...] = ()
    """Sorts of period for which the formula is meant (year where it holds constants of a year); any where empty."""
    precedence: tuple[str, ...] = ()
    """Datasets from the most to the least trusted; others follow by kind."""
    aliases: tuple[str, ...] = ()
    """Headers under which yearbooks, forms and plans give it."""
    source: str
    """Source id of the definition."""
    at: str | None = None
    """Clause or table in the source."""
    grade: Grade
    """How sure the definition is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @property
    def pending(self) -> bool:
        """Whether the definition is still to be verified (待核)."""
        return self.grade is not Grade.A

    @property
    def draft(self) -> bool:
        """Whether it is a proposal made by reading a plan, without a definition by which anything could be judged."""
        return self.grade is Grade.D

    @property
    def expressions(self) -> dict[str, str]:
        """Formulas by basis; under an empty name the one that serves every basis."""
        return {"": self.formula} if self.formula is not None else dict(self.formulas)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.formula is not None and self.formulas:
            raise ValueError("either formula or formulas is given")
        if not set(self.formulas) <= set(self.bases):
            raise ValueError("formulas are given for bases of the indicator")
        if self.places is OverPlaces.RATIO and not (self.numerator and self.denominator):
            raise ValueError("a ratio names its numerator and denominator")
        if self.places is OverPlaces.WEIGHTED and not self.weight:
            raise ValueError("a weighted mean names its weight")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is not above maximum")
        if self.judged_basis is not None and self.judged_basis not in self.bases:
            raise ValueError("judged_basis is one of bases")
        if not set(self.adds_up) <= set(self.breakdowns):
            raise ValueError("adds_up is a part of breakdowns")
        return self


class HeatingSeason(Record):
    """The heating season of a place."""

    place: str
    """Place id; holds below it too where nothing nearer is stated."""
    start: str = Field(pattern=r"^\d\d-\d\d$")
    """First day, month-day."""
    end: str = Field(pattern=r"^\d\d-\d\d$")
    """First day after the season, month-day."""
    valid_from: date | None = None
    """First day of the rule."""
    valid_to: date | None = None
    """First day on which it no longer holds: the season that was announced for one year has both."""
    source: str
    """Source id."""
    grade: Grade
    """How sure it is."""
    note: str | None = None
    """Remark."""
    checked_on: date | None = None
    """Day last confirmed."""


class AdapterMatch(Record):
    """How a table is recognised."""

    columns: tuple[str, ...]
    """Headers that must all be present."""
    file: str | None = None
    """Pattern of the file name (glob), where headers alone do not decide."""


class AdapterPlace(Record):
    """Which column names the place, and how to read it."""

    columns: tuple[str, ...]
    """Columns from the most to the least certain; the first that resolves decides."""
    within: str | None = None
    """Column that names an ancestor, or an id written as `=qingdao`."""
    level: PlaceLevel | None = None
    """Level of the places."""


class AdapterColumn(Record):
    """What a value column means."""

    indicator: str
    """Indicator id."""
    unit: str
    """Unit of the column."""
    extent: Extent | None = None
    """Extent; the indicator's own where None."""
    basis: str = ""
    """Basis of reckoning."""
    zero_is_blank: bool = False
    """Whether a zero in this column stands for nothing reported."""


class AdapterDimension(Record):
    """A column that fills a breakdown."""

    column: str
    """Header."""
    codes: dict[str, str] = Field(default_factory=dict)
    """Text of the column to vocabulary code; a text not listed is refused."""


class Quarantine(Record):
    """Rows of a known table that are known to be wrong."""

    where: dict[str, str | int]
    """Column to value; all must hold."""
    columns: tuple[str, ...] = ()
    """Value columns concerned; all where empty."""
    reason: str
    """What is wrong, in Chinese."""
    evidence: str
    """How it was found."""
    checked_on: date
    """Day of the finding."""


class Adapter(Record):
    """The layout of a known table, so that it can be imported without a question."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique id."""
    title: Title
    """What the table is."""
    dataset: str
    """Dataset id that observations carry."""
    source: str
    """Source id."""
    published_on: date | None = None
    """Day on which the source published it, where one day holds for all rows."""
    published_months_after: int | None = None
    """Else: months after the period's end at which such a source usually appears."""
    kind: ObservationKind = ObservationKind.REPORTED
    """Kind of the observations."""
    match: AdapterMatch
    """How it is recognised."""
    place: AdapterPlace
    """Place column."""
    period: str
    """Column of the period, or a constant written as `=2024`."""
    values: dict[str, AdapterColumn]
    """Value columns."""
    dimensions: dict[str, AdapterDimension] = Field(default_factory=dict)
    """Breakdown columns by breakdown."""
    ignore: dict[str, str] = Field(default_factory=dict)
    """Columns left out, with the reason."""
    quarantine: tuple[Quarantine, ...] = ()
    """Rows known to be wrong."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""
