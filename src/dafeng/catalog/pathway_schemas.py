"""The typed shapes of pathway content: axes, quantities, their values by place and year, standards, measures, scenarios, studies."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from dafeng.base.record import Record
from dafeng.catalog.schemas import Grade, Title

__all__ = [
    "Between",
    "Change",
    "EnergyStandard",
    "Interaction",
    "LevelPoint",
    "Measure",
    "MeasureCost",
    "Meets",
    "ParameterCurve",
    "ParameterPoint",
    "PathwayMember",
    "PathwayParameter",
    "PathwayPlace",
    "PathwayQuantity",
    "PeakStudy",
    "PlanLink",
    "PublishedTotal",
    "Scenario",
    "ScenarioMeasure",
]

_SLUG = r"^[a-z0-9]+([-_][a-z0-9]+)*$"
_FIRST, _LAST = 1950, 2060


class PathwayMember(Record):
    """A member of an axis of the model: a building class, end use, technology, heat source, carrier or service."""

    axis: str = Field(pattern=_SLUG)
    """Axis."""
    code: str = Field(pattern=_SLUG)
    """Code within the axis; that of the vocabulary where it has one."""
    title: Title
    """Name."""
    parent: str | None = None
    """Wider member whose values hold where none is stated for this one."""
    carrier: str | None = None
    """Carrier that a technology or heat source takes in."""
    end_use: str | None = None
    """End use that a technology serves."""
    unit: str | None = None
    """Unit in which a municipal service is counted."""
    modelled: bool = True
    """Whether it is a row of the model's arrays; False for a parent that only holds values."""


class Between(StrEnum):
    """How values lie between the years stated; before the first and after the last they hold."""

    LINEAR = "linear"
    GEOMETRIC = "geometric"
    STEP = "step"
    SMOOTH = "smooth"
    """Monotone cubic (Fritsch and Carlson 1980): no corners, so that yearly changes, completions say, have no steps."""


class PathwayQuantity(Record):
    """A quantity that the model reads."""

    id: str = Field(pattern=_SLUG)
    """Unique id; name of the array."""
    title: Title
    """Name."""
    unit: str
    """Canonical unit."""
    member_unit: Literal["times", "per"] | None = None
    """Whether the unit of the member (`PathwayMember.unit`) multiplies or divides it."""
    axes: tuple[str, ...] = ()
    """Axes of its array, before year and draw."""
    between: Between = Between.LINEAR
    """How values lie between the years stated."""
    least: float | None = None
    """Smallest value possible."""
    most: float | None = None
    """Largest value possible."""
    sums_to_one: str | None = None
    """Axis over which it adds up to one; `technology` within each end use."""
    default: float | None = None
    """Value where nothing is stated; None where the model cannot run without one."""
    frozen: bool = False
    """Whether the frozen scenario holds it at its value of the base year."""
    extensive: bool = False
    """Whether it grows with the place: what is borrowed from a wider place is taken by share of population."""
    plausible: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Plausible range by level of the place, against values in another unit."""
    note: str | None = None
    """What it means in the equations."""


class ParameterPoint(Record):
    """The value of one year."""

    year: int = Field(ge=_FIRST, le=_LAST)
    """Year."""
    value: float = Field(allow_inf_nan=False)
    """Value in the parameter's unit."""
    low: float | None = Field(default=None, allow_inf_nan=False)
    """5th percentile."""
    high: float | None = Field(default=None, allow_inf_nan=False)
    """95th percentile."""
    source: str | None = None
    """Source id, where it differs from the parameter's."""
    at: str | None = None
    """Table, page or row in the source."""
    grade: Grade | None = None
    """Grade, where it differs from the parameter's."""
    note: str | None = None
    """Remark."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are given together")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError("value lies from low to high")
        return self


class ParameterCurve(Record):
    """A curve through the last stated year: saturating v = ceiling − (ceiling − v0) · exp(−rate · (t − t0))."""

    kind: Literal["saturating"] = "saturating"
    """Form."""
    ceiling: float = Field(allow_inf_nan=False)
    """Value never quite reached."""
    ceiling_low: float | None = Field(default=None, allow_inf_nan=False)
    """5th percentile."""
    ceiling_high: float | None = Field(default=None, allow_inf_nan=False)
    """95th percentile."""
    rate: float = Field(gt=0, allow_inf_nan=False)
    """Share of the distance to the ceiling covered in a year."""


class PathwayParameter(Record):
    """Values of a quantity for a place and one member of each of its axes."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    quantity: str
    """Quantity."""
    place: str
    """Place for which it holds, and below it where nothing nearer is stated."""
    of: dict[str, str] = Field(default_factory=dict)
    """Member by axis; a wider member holds for those below it; `all` for every one."""
    unit: str
    """Unit of the values, converted to the quantity's."""
    points: tuple[ParameterPoint, ...] = Field(min_length=1)
    """Values by year, ascending."""
    curve: ParameterCurve | None = None
    """Curve after the last point, where it does not hold its value."""
    spread: Literal["normal", "triangular", "uniform", "lognormal"] = "normal"
    """Form of the distribution between low and high; normal is in two halves about the value."""
    group: str | None = None
    """Spread group: parameters of one group are drawn together; its own id where None."""
    source: str
    """Source id."""
    grade: Grade
    """How sure; B and C are 待核."""
    derived: str | None = None
    """How it was worked out, where it does not stand in the source."""
    calibrated: bool = False
    """Whether it was fitted by `calibrate`; then `derived` says on what."""
    note: str | None = None
    """Remark."""
    checked_on: date
    """Day last confirmed."""

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        years = [point.year for point in self.points]
        if years != sorted(set(years)):
            raise ValueError("points are in ascending years, each once")
        return self


class PathwayPlace(Record):
    """How a place is modelled."""

    place: str
    """Place id; the nearest above holds where a place has none."""
    base_year: int
    """Last year of history; scenarios part after it."""
    lifetime: Literal["normal", "weibull", "lognormal"]
    """Family of survival curves."""
    age_zero: Literal["start", "mid_year"]
    """Whether a building of its completion year has age 0 (no loss in that year) or half a year on average."""
    retrofit_before: int
    """Cohorts completed before this year may be retrofitted."""
    zone: str
    """Code of the climate zone whose standards hold."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""


class EnergyStandard(Record):
    """An energy standard of new buildings: from when completions meet it, and how much heat and cold remain of the base."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Number and name."""
    level: Literal["code", "ultra_low", "near_zero"] = "code"
    """Whether the code of its time or a voluntary level above it."""
    classes: tuple[str, ...] = Field(min_length=1)
    """Building classes, wider ones included."""
    zones: tuple[str, ...] = ()
    """Climate zones; all where empty."""
    place: str = "cn"
    """Place whose code it is; that of the nearest place with any holds."""
    from_year: int = Field(ge=_FIRST, le=_LAST)
    """First year whose completions are built to it."""
    heat_ratio: float = Field(ge=0, le=1.5)
    """Useful heating as a share of the building before any standard."""
    cool_ratio: float = Field(default=1, ge=0, le=1.5)
    """Useful cooling, likewise."""
    source: str
    """Source id."""
    at: str | None = None
    """Clause."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""


class Change(Record):
    """What a measure does to a quantity: the amount is `per_level` times the level of the year."""

    quantity: str
    """Quantity."""
    of: dict[str, str] = Field(default_factory=dict)
    """Members by axis; a wider one for all below it."""
    how: Literal["at_least", "at_most", "add", "reduce", "shift"]
    """at_least, at_most: bound by the amount. add: amount added. reduce: times (1 − amount). shift: the share of the member rises to
    at least the amount, taken from `taken_from` in proportion."""
    per_level: float = 1.0
    """Amount per unit of level."""
    taken_from: tuple[str, ...] = ()
    """Members that give way, for shift; all others where empty."""
    times: Literal["one", "area", "people", "concerned"] = "one"
    """For add: the amount is per m2 of the segment's floor area, or per head of the population, of the place and year. For shift,
    `concerned`: it is a share of what the member and the givers have together."""


class MeasureCost(Record):
    """Cost of a unit of a measure's activity."""

    kind: Literal["investment", "yearly", "transfer"] = "investment"
    """Transfers (subsidies, awards) stay out of social cost."""
    value: float = Field(allow_inf_nan=False)
    """Cost per unit of activity."""
    low: float | None = None
    """Low end."""
    high: float | None = None
    """High end."""
    unit: str
    """Money per unit of activity."""
    price_year: int
    """Year of the prices."""
    source: str
    """Source id."""
    at: str | None = None
    """Row in the source."""
    amount: str | None = None
    """What it is counted by: id of an activity amount; unknown where None, and then the cost of the measure is unknown."""
    classes: tuple[str, ...] = ()
    """Building classes or segments for which it is the cost; all that the measure touches where empty."""
    zones: tuple[str, ...] = ()
    """Climate zones, by the start of their code, in which it holds; all where empty."""
    share: float = Field(default=1, ge=0, le=1)
    """Share of the amount to which it applies; 0 for an alternative that is stated but not taken."""
    note: str | None = None
    """Remark."""
    grade: Grade
    """How sure."""


class Interaction(Record):
    """What another measure does to this one."""

    measure: str
    """The other measure."""
    kind: Literal["requires", "excludes", "scales"]
    """requires: no effect without it. excludes: not both. scales: amount times `factor` where both act."""
    factor: float = Field(default=1.0, ge=0)
    """Factor for scales."""


class LevelPoint(Record):
    """The level of a measure in a year; straight between, zero before the first, holding after the last."""

    year: int = Field(ge=_FIRST, le=_LAST)
    """Year."""
    level: float = Field(allow_inf_nan=False)
    """Level in the measure's unit."""


class Measure(Record):
    """Something that can be done: what it changes, how fast and how far, at what cost."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    unit: str
    """Unit of its level."""
    changes: tuple[Change, ...] = Field(min_length=1)
    """What it changes, in this order."""
    most: float | None = None
    """Largest level."""
    least: float | None = None
    """Smallest level; for a measure that sets upper bounds, the furthest that it can go."""
    yearly_most: float | None = None
    """Largest rise of the level in a year; largest fall for a measure that sets upper bounds."""
    from_year: int | None = None
    """First year in which it can act."""
    activity: str | None = None
    """What costs are counted by: name of a result of the model, or `level`."""
    costs: tuple[MeasureCost, ...] = ()
    """Costs; unknown where empty."""
    lifetime: float | None = Field(default=None, gt=0)
    """Years that an investment serves."""
    interactions: tuple[Interaction, ...] = ()
    """What others do to it."""
    abates: bool = True
    """Whether more of it may never raise emissions; False where its interactions say so."""
    order: int = 0
    """Order of application: envelope before plant, demand before supply."""
    source: str
    """Source id."""
    grade: Grade
    """How sure the effect is."""
    note: str | None = None
    """Remark."""


class Meets(Record):
    """A result of the model that a measure is to reach: its levels are scaled until it does."""

    result: str
    """Result: code that the pathways room knows."""
    year: int
    """Year in which it is reached."""
    value: float = Field(allow_inf_nan=False)
    """Value to reach, in the result's canonical unit."""
    since: int | None = None
    """First year of a sum over years; the value of `year` alone where None."""


class ScenarioMeasure(Record):
    """A measure at its levels in a scenario."""

    measure: str
    """Measure id."""
    levels: tuple[LevelPoint, ...] = Field(min_length=1)
    """Levels by year."""
    rises_from: int | None = None
    """Year from whose own value it rises in a straight line to the first level; without it the first level comes at once."""
    until: int | None = None
    """Last year in which it acts; it goes on where None."""
    meets: Meets | None = None
    """What its levels, times a share from 0 to 1, are to reach; they act in full until that share is found."""
    because: tuple[str, ...] = ()
    """Targets, obligations or tasks from which it comes: `<plan>#<id>`."""
    note: str | None = None
    """Remark."""


class Scenario(Record):
    """A small overlay on another scenario: measures at levels, other values of quantities."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Name."""
    base: str | None = None
    """Scenario under it; the trend of the parameters where None."""
    place: str | None = None
    """Place for which it is meant; any where None."""
    plan: str | None = None
    """Plan whose targets are its measures by the plan's links; `nearest` for that of the place or the nearest above it."""
    pace: Literal["full", "present"] = "full"
    """Whether the plan is met in full, or goes on at its present pace."""
    frozen: bool = False
    """Whether frozen quantities keep their value of the base year."""
    measures: tuple[ScenarioMeasure, ...] = ()
    """Measures at levels; one that the base has is replaced."""
    without: tuple[str, ...] = ()
    """Measures of the base that are left out."""
    parameters: tuple[PathwayParameter, ...] = ()
    """Other values of quantities."""
    source: str | None = None
    """Source id."""
    note: str | None = None
    """Remark."""


class PlanLink(Record):
    """What a target, obligation or task of a plan means for the model: a measure at a level, or why nothing."""

    plan: str
    """Plan id."""
    of: str
    """Id of the target or obligation, or number of the task."""
    measure: str | None = None
    """Measure; None where it has no effect in the model."""
    level: float | None = None
    """Level at the date, where it is not the target's value times `scale`."""
    scale: float = 1.0
    """Level per unit of the target's value in its canonical unit."""
    start: float | None = None
    """Level in the base year, from which it rises; that of the trend where None."""
    by: int | None = None
    """Year, where the target states none."""
    until: int | None = None
    """Last year in which it acts; a yearly amount ends with its target's date where None, everything else goes on."""
    reads: Literal["level", "yearly", "total"] = "level"
    """level: the value is the level at the date. yearly: the total is spread evenly over its years, which is the level of each.
    total: the total by the date is the level; a yearly duty is summed over its years."""
    since: int | None = None
    """First year over which a total is spread or a yearly duty summed; the target's own where it states one."""
    before: float = 0.0
    """Part of the value that was there before, taken off first; unit of the value."""
    result: str | None = None
    """Result of the model that has to meet the value: the level is solved, and what is stated here is its largest."""
    why_not: str | None = None
    """Reason in Chinese, where it has no effect in the model."""
    grade: Grade
    """How sure the translation is."""
    note: str | None = None
    """Remark."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.measure is None) == (self.why_not is None):
            raise ValueError("either a measure or the reason for none")
        return self


class PublishedTotal(Record):
    """A published figure that the model is compared with; publishers are never mixed."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    publisher: str
    """Who says so; another edition with another scope is another publisher here."""
    place: str
    """Place."""
    year: int
    """Year of the data."""
    scope: str
    """What is counted: code that the validation knows."""
    value: float
    """Value."""
    unit: str
    """Unit."""
    basis: Literal["generation", "calorific", "none"] = "none"
    """Coal-equivalent basis of electricity."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Remark."""


class PeakStudy(Record):
    """A published forecast of the peak."""

    id: str = Field(pattern=_SLUG)
    """Unique id."""
    title: Title
    """Study and scenario."""
    place: str
    """Place."""
    scope: str
    """What is counted, likewise."""
    published: int
    """Year of publication."""
    peak_first: int | None = None
    """First year of the stated peak."""
    peak_last: int | None = None
    """Last year of it."""
    peak_value: float | None = None
    """Level in MtCO2."""
    like: Literal["frozen", "trend", "plan", "plan-plus", "none"] = "none"
    """Our scenario that is most alike."""
    source: str
    """Source id."""
    grade: Grade
    """How sure."""
    note: str | None = None
    """Assumptions, in our words."""
