"""The typed shapes of statistics: forms that bodies fill in, checks on what comes back, sets of indicators that are scored."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.place import Extent
from dafeng.base.record import Record
from dafeng.base.target import Comparator, Direction
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "CheckKind",
    "DataCheck",
    "Form",
    "FormField",
    "IndicatorSet",
    "Rank",
    "Requirement",
    "SetItem",
    "SetLevel",
]

_ID = r"^[a-z][a-z0-9_]*$"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class FormField(Record):
    """A field of a form: a head field, or a line or column that asks for one figure."""

    id: str = Field(pattern=_ID)
    """Unique within the form."""
    title: Title
    """Name on the form."""
    number: str = ""
    """Line or column number printed on the form, where its source gives one."""
    indicator: str | None = None
    """Indicator whose value it asks for; None for text and identity."""
    unit: str | None = None
    """Unit printed on the form, the indicator's shown unit where None."""
    extent: str | None = None
    """Extent of the value, the indicator's own where None."""
    basis: str = ""
    """Basis of the value."""
    breakdown: dict[str, str] = Field(default_factory=dict)
    """Breakdown column to code."""
    type: str = Field(default="number", pattern=r"^(number|text|date|choice|yes_no|code)$")
    """What a cell holds."""
    options: tuple[str, ...] = ()
    """Choices, in Chinese."""
    lengths: tuple[int, ...] = ()
    """How many characters a code may have; empty where that is not known."""
    required: bool = True
    """Whether a blank without a reason is a finding."""
    check: str = ""
    """Expression over field ids of the same form that holds for a sound form; unknown inputs give no finding."""
    note: str = ""
    """What to fill in, in dafeng's own words."""
    grade: Grade | None = None
    """Grade where it differs from the form's."""


class Form(Record):
    """A form (报表) as a description: who fills it in, how often, which figures it asks for."""

    id: str = Field(pattern=_ID)
    """Unique id."""
    title: Title
    """Name of the form."""
    number: str = ""
    """表号, where the source gives one."""
    scheme: str = ""
    """Statistical scheme (统计调查制度) that it belongs to."""
    issuer: str = ""
    """制表机关."""
    approver: str = ""
    """批准机关."""
    approval: str = ""
    """批准文号; blank where it was not seen."""
    valid_to: date | None = None
    """First day on which it no longer holds; asked for after it, a finding says so."""
    subject: str = Field(pattern=r"^(place|building|company|project|institution|village)$")
    """What one form, or one row of it, is about."""
    layout: str = Field(pattern=r"^(lines|rows)$")
    """lines: one figure a line, columns this and last period; rows: one subject a row, one figure a column."""
    every: str = Field(pattern=r"^(year|half|quarter|month|heating_season|once)$")
    """How often."""
    due: str = Field(default="", pattern=r"^$|^\+?\d+[md]?$|^\d\d-\d\d$")
    """Return-by day: `05-31` (of the year after the period), or `+15` days after the period's end."""
    head: tuple[FormField, ...] = ()
    """Head fields (填报单位, 统计负责人 …)."""
    head_of: str | None = None
    """Form whose head fields come before its own."""
    fields: tuple[FormField, ...]
    """Lines or columns."""
    source: str
    """Source id."""
    at: str | None = None
    """Table or clause."""
    grade: Grade
    """How sure the layout is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""


class CheckKind(StrEnum):
    """How a check looks at figures."""

    RANGE = "range"
    """Each value against the hard bounds and the usual range of its indicator."""
    CONDITION = "condition"
    """`require`, an expression over indicators of one place and period, holds (identities, ratio bands, orders)."""
    PARTS = "parts"
    """Parts of a breakdown against their total, divisions against the place above, months against the year."""
    JUMP = "jump"
    """Change from one period to the next against what is usual for the indicator."""
    SPIKE = "spike"
    """One period stands out from both neighbours, which agree with one another."""
    SILENCE = "silence"
    """A zero or a gap after and before figures; a column that falls silent."""
    SCALE = "scale"
    """A value that is a power of ten (10, 100, 1000, 10⁴) of what neighbours and peers say: a unit slip."""
    SHIFT = "shift"
    """Rows of one period hold the figures of the row above or below, or of another period."""
    COPY = "copy"
    """Several figures equal to those of another period or place to the last digit."""
    PEER = "peer"
    """A value far from those of its peers."""
    CUMULATIVE = "cumulative"
    """A cumulative figure that is lower than that of an earlier month of the year."""
    PLACES = "places"
    """Places that vanish, appear or are renamed from one period to the next."""
    SOURCES = "sources"
    """Datasets that differ about one figure."""


class DataCheck(Record):
    """A check on returns: what must hold, how far off is too far, what to ask the reporter.

    Examples
    --------
    >>> DataCheck(id="drains-in-built-up-area", kind="condition", title={"zh": "建成区管长不大于总长", "en": "drains"},
    ...           require="built_up_drain_length <= drain_length", ask="核对排水管道长度", source="dafeng", grade="B",
    ...           checked_on=date(2026, 11, 20)).severity
    'warning'
    """

    id: str = Field(pattern=_SLUG)
    """Stable name; findings are named `data.<id>`."""
    kind: CheckKind
    """How it looks at figures."""
    title: Title
    """What it looks for."""
    indicators: tuple[str, ...] = ()
    """Indicators that it looks at; all that fit its kind where empty."""
    require: str | None = None
    """For a condition: expression that holds for sound figures; unknown inputs give no finding."""
    tolerance: float = Field(default=0.0, ge=0)
    """Relative slack of a condition's comparison, and of parts against totals."""
    parameters: dict[str, float] = Field(default_factory=dict)
    """Thresholds of the kind, by name; the engine's documentation says which each kind knows."""
    severity: str = Field(default="warning", pattern=r"^(error|warning|info)$")
    """Weight of its findings."""
    quarantine: bool = False
    """Whether what it finds is to be set aside from every judgement until a person has decided."""
    ask: str
    """What to ask the reporter, in Chinese."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the threshold is."""
    note: str | None = None
    """Remark: where the thresholds come from."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.require is None) == (self.kind is CheckKind.CONDITION):
            raise ValueError("a condition has `require`, no other kind has")
        return self


class SetLevel(StrEnum):
    """What an item of a set is judged for."""

    DWELLING = "dwelling"
    ESTATE = "estate"
    COMMUNITY = "community"
    BLOCK = "block"
    DISTRICT = "district"
    VILLAGE = "village"
    COUNTY = "county"
    CITY = "city"


class Requirement(Record):
    """What one object (a community, an estate) must have for an item, as a number that a measured one is held against.

    Examples
    --------
    >>> Requirement(id="floor", title={"zh": "用房面积", "en": "floor area"}, comparator=">=", value=800, unit="平方米").id
    'floor'
    """

    id: str = Field(pattern=_SLUG)
    """Unique within the item."""
    title: Title
    """What is measured."""
    comparator: Comparator
    """How it is held against the value."""
    value: float
    """In `unit`."""
    unit: str
    """Unit."""
    only: str = ""
    """Where it holds for some objects only (new estates): which; it is then shown and left to the surveyor."""
    unless: str = ""
    """What may stand in its stead; an object that falls short is then unknown until the surveyor has answered."""
    grade: Grade | None = None
    """Grade where it differs from the item's."""


class Rank(Record):
    """A grade that a weighted score earns (一星级 …)."""

    title: Title
    """Name."""
    at_least: float
    """Least score, in points."""
    grade: Grade
    """How sure it is."""


class SetItem(Record):
    """An indicator as a set asks for it: under its name and unit of that year, with its threshold.

    Examples
    --------
    >>> item = SetItem(number="1", title={"zh": "存在结构安全隐患的住宅数量", "en": "dwellings at risk"}, indicator="at_risk",
    ...                dimension="住房 / 安全耐久", level="dwelling", comparator="<=", threshold=0, direction="down",
    ...                surveyed="dwellings_surveyed", source="checkup-2023", grade="A", threshold_grade="C")
    >>> item.pending, item.threshold_pending
    (False, True)
    """

    number: str
    """Number in the set."""
    title: Title
    """Name under which the set knows it."""
    indicator: str
    """Indicator id; stable where names drift."""
    dimension: str
    """Dimension and head, as `住房 / 安全耐久`."""
    level: SetLevel
    """What it is judged for."""
    unit: str | None = None
    """Unit in which the set gives it and in which `threshold` stands; the indicator's shown unit (percent with `share_of`) where None."""
    extent: Extent | None = None
    """Extent that the set means, the indicator's own where None."""
    basis: str = ""
    """Basis of reckoning that the set means."""
    breakdown: dict[str, str] = Field(default_factory=dict)
    """Breakdown column to code, where the set means a part."""
    comparator: Comparator | None = None
    """How a value is held against the threshold."""
    threshold: float | None = None
    """Threshold, in `unit`; None where the set states none: the item is then shown and not judged."""
    threshold_max: float | None = None
    """Upper end where the set gives a range."""
    threshold_grade: Grade | None = None
    """Grade of the threshold where it differs from the item's."""
    due: int | None = None
    """First year for which the threshold binds; earlier a value that falls short is shown and not judged."""
    share_of: str | None = None
    """Indicator of the whole of which the indicator counts a part: what is judged is then the share, in percent."""
    direction: Direction
    """The better way."""
    weight: float | None = Field(default=None, gt=0)
    """Official weight; None where none is sourced."""
    bonus: bool = False
    """Whether its points are added to the weighted score on top (up to the indicator's hard upper bound)."""
    surveyed: str | None = None
    """For a count: indicator of how much was surveyed (已体检数), shown beside it."""
    to_survey: str | None = None
    """Indicator of how much should have been surveyed (应体检数)."""
    requires: tuple[Requirement, ...] = ()
    """What one object must have, where the set says so in numbers."""
    replaces: str | None = None
    """Indicator of the set before in whose place it stands without being the same quantity: the two are never joined."""
    source: str
    """Source id."""
    at: str | None = None
    """Table or clause in the source."""
    grade: Grade
    """How sure membership and name are."""
    note: str | None = None
    """Remark."""

    @property
    def pending(self) -> bool:
        """Whether name or membership is still to be verified (待核)."""
        return self.grade is not Grade.A

    @property
    def threshold_pending(self) -> bool:
        """Whether a threshold is stated that is still to be verified."""
        return self.threshold is not None and (self.threshold_grade or self.grade) is not Grade.A

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.threshold is None) != (self.comparator is None):
            raise ValueError("a threshold stands with a comparator")
        if self.threshold_max is not None and (self.threshold is None or self.threshold_max <= self.threshold):
            raise ValueError("threshold_max stands with a smaller threshold")
        if self.threshold is None and (self.due is not None or self.threshold_grade is not None):
            raise ValueError("due and threshold_grade stand with a threshold")
        if self.bonus and self.weight is not None:
            raise ValueError("a bonus has no weight")
        if len({one.id for one in self.requires}) != len(self.requires):
            raise ValueError("two requirements have one id")
        return self


class IndicatorSet(Record):
    """A set of indicators (城市体检, 完整社区, 乡村建设评价 …) of certain years."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    valid_from: int
    """First year of the set."""
    valid_to: int | None = None
    """First year of its successor."""
    items_of_source: int | None = None
    """How many items the published set has; more than are listed means that this is a part, and every score says n of N."""
    partial: bool = False
    """Whether the published set has more items than are listed, how many not being known."""
    items: tuple[SetItem, ...]
    """Items in order."""
    overall: SetItem | None = None
    """What the set asks of all items together (share of communities that meet every item), judged beside them, not counted."""
    ranks: tuple[Rank, ...] = ()
    """Grades of the weighted score, rising."""
    rank_condition: str = ""
    """What must hold besides the score for a grade, in Chinese; it is stated wherever a grade is shown."""
    follows: str | None = None
    """Earlier set that it replaces."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the set is."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @property
    def whole(self) -> int | None:
        """Number of items of the published set, None where it is not known."""
        return None if self.partial and self.items_of_source is None else self.items_of_source or len(self.items)

    def in_force(self, year: int) -> bool:
        """Return whether the set is that of a year."""
        return self.valid_from <= year and (self.valid_to is None or year < self.valid_to)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        weights = [item.weight for item in self.items if not item.bonus]
        if any(weights) and not all(weights):
            raise ValueError("either every item has an official weight or none has")
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError("valid_to is later than valid_from")
        if self.items_of_source is not None and self.items_of_source < len(self.items):
            raise ValueError("a set has no more items than its source")
        if self.ranks and not any(weights):
            raise ValueError("ranks need weights")
        if list(self.ranks) != sorted(self.ranks, key=lambda rank: rank.at_least):
            raise ValueError("ranks rise")
        return self
