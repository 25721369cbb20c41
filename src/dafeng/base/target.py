"""Targets: what a plan promises, as a predicate over observations."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from dafeng.base.place import Extent
from dafeng.base.record import Record

__all__ = [
    "Base",
    "BaseState",
    "Change",
    "Comparator",
    "Direction",
    "Locator",
    "Measure",
    "Reading",
    "Target",
    "satisfies",
]


class Comparator(StrEnum):
    """The comparator as the plan writes it; how it is judged also depends on the indicator's direction."""

    AT_LEAST = ">="
    MORE_THAN = ">"
    AT_MOST = "<="
    LESS_THAN = "<"
    EQUAL = "="
    ABOUT = "~"


class Direction(StrEnum):
    """Which way of an indicator is the better one."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


class Measure(StrEnum):
    """How a target is to be read."""

    LEVEL = "level"
    CUMULATIVE = "cumulative"
    EACH_YEAR = "each_year"
    CHANGE = "change"
    LIMIT = "limit"
    MILESTONE = "milestone"


class Change(StrEnum):
    """Sense of a promised change; its value itself is positive."""

    INCREASE = "increase"
    DECREASE = "decrease"


class BaseState(StrEnum):
    """What a change without a base year is measured from; the indicator then states the change itself."""

    BEFORE_WORKS = "before_works"
    EXISTING = "existing"


class Base(Record):
    """What a change is measured from: exactly one of a year and a state."""

    year: int | None = None
    """Base year; its value is itself an observation."""
    state: BaseState | None = None
    """State before the works, or the level existing when the plan was issued."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.year is None) == (self.state is None):
            raise ValueError("a base has either a year or a state")
        return self


class Locator(Record):
    """A stretch of a document: half-open offsets into its text without white space."""

    start: int = Field(ge=0)
    """First character."""
    end: int
    """One past the last character."""

    @model_validator(mode="before")
    @classmethod
    def _from_pair(cls, data: object) -> object:
        if isinstance(data, list | tuple) and len(data) == 2:
            return {"start": data[0], "end": data[1]}
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError("a stretch ends after it starts")
        return self


class Reading(Record):
    """One way of reading an open definition; every reading is judged."""

    name: str
    """Short Chinese name, shown beside the verdict."""
    basis: str | None = None
    """Basis of reckoning that this reading takes."""
    extent: Extent | None = None
    """Extent that this reading takes."""
    start: int | None = None
    """Year from which a cumulative amount counts."""
    judged: bool = True
    """Whether it decides; False where the convention is known: its value is then shown beside and does not decide."""


class Target(Record):
    """One number or dated commitment of a plan.

    Examples
    --------
    >>> rail = Target(id="rail-2025", clause="二（一）", at=[1111, 1137], label="轨道交通运营总里程数",
    ...               indicator="urban_rail_length", comparator=">=", value=351.6, unit="公里", by=2025, measure="level")
    >>> rail.by, rail.at.start, rail.readings
    (2025, 1111, ())
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """Unique within the plan."""
    clause: str
    """Clause number as the plan writes its headings."""
    at: Locator
    """Where the plan says it."""
    label: str
    """The plan's own short name of the quantity."""
    indicator: str
    """Indicator that decides it."""
    comparator: Comparator
    """Comparator as written."""
    value: float | None = None
    """Value in the unit as written; None for a milestone."""
    value_max: float | None = None
    """Upper end where the plan gives a range."""
    unit: str | None = None
    """Unit as written."""
    by: int | None = None
    """Deadline: by the end of this year; None where the plan names none."""
    measure: Measure
    """How it is to be read."""
    base: Base | None = None
    """For a change: what it is measured from."""
    change: Change | None = None
    """For a change: its sense."""
    start: int | None = None
    """For a cumulative amount or a yearly duty: first year that counts."""
    scope: str | None = None
    """Part of the whole that is meant, as written, short."""
    place: str | None = None
    """Place that is meant, where it is not the plan's own."""
    extent: Extent | None = None
    """Extent that is meant; the indicator's own where None."""
    building_class: str = "all"
    """Breakdown that is meant."""
    carrier: str = "all"
    """Breakdown that is meant."""
    end_use: str = "all"
    """Breakdown that is meant."""
    boundary: str = "all"
    """Breakdown that is meant."""
    basis: str | None = None
    """Basis that the plan states; None where it states none."""
    readings: tuple[Reading, ...] = ()
    """Readings of an open definition."""
    bodies: tuple[str, ...] | None = None
    """Responsible bodies as written; None means those of the task of the same clause."""
    soft: bool = False
    """A vague aim or a duty to report, kept but not counted."""
    as_labelled: str | None = None
    """Kind that an independent labelling gave it, for comparison."""
    note: str | None = None
    """Remark of the person who entered it."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.value is None) != (self.measure is Measure.MILESTONE):
            raise ValueError("a milestone has no value, every other target has one")
        if self.value_max is not None and (self.value is None or self.value_max < self.value):
            raise ValueError("value_max stands with a smaller value")
        if self.measure is Measure.CHANGE and (self.base is None or self.change is None):
            raise ValueError("a change states its base and its sense")
        for number in (self.value, self.value_max):
            if number is not None and not math.isfinite(number):
                raise ValueError("values are finite")
        return self


_TOLERANCE = 1e-9


def satisfies(
    value: float,
    comparator: Comparator,
    bound: float,
    *,
    bound_max: float | None = None,
    direction: Direction = Direction.UP,
) -> bool:
    """Return whether `value` meets a bound, both in one unit.

    Parameters
    ----------
    value : float
    comparator : Comparator
        As written. ``=`` and ``~`` on an amount, a share to be raised or a reduction are judged as at least; where less
        is better, as at most.
    bound, bound_max : float
        With `bound_max` the value must lie between the two, whatever the comparator.
    direction : Direction
        The better way of the indicator.

    Notes
    -----
    Equality is granted within 1e-9 of the bound's size, so that decimal input does not fail by a rounding of floats.

    Examples
    --------
    >>> satisfies(352.68, Comparator.AT_LEAST, 351.6)
    True
    >>> satisfies(8.1, Comparator.EQUAL, 8.0, direction=Direction.DOWN)
    False
    >>> satisfies(0.7, Comparator.EQUAL, 0.6, bound_max=0.8)
    True
    """
    slack = _TOLERANCE * max(1.0, abs(bound))
    if bound_max is not None:
        return bound - slack <= value <= bound_max + slack
    match comparator:
        case Comparator.AT_LEAST:
            return value >= bound - slack
        case Comparator.MORE_THAN:
            return value > bound + slack
        case Comparator.AT_MOST:
            return value <= bound + slack
        case Comparator.LESS_THAN:
            return value < bound - slack
        case _:
            return value <= bound + slack if direction is Direction.DOWN else value >= bound - slack
